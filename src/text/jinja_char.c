/* jinja_char.c - what Python's str methods know about characters: kinds, cases, spaces.
 *
 * Categories and simple case mappings come from utf8proc. Mappings to several characters are folded case turned
 * upper; the exceptions below were found by trying every character against Python 3.11. */
#include "text/jinja_int.h"

#include <utf8proc.h>

typedef struct {
    uint32_t first, last;
} range;

/* clang-format off */
/* Digits that are not decimal digits; numerals that are letters; cased characters that are not letters (Lu, Ll). */
static const range digits[] = {
    {0xB2, 0xB3}, {0xB9, 0xB9}, {0x1369, 0x1371}, {0x19DA, 0x19DA}, {0x2070, 0x2070}, {0x2074, 0x2079}, {0x2080, 0x2089},
    {0x2460, 0x2468}, {0x2474, 0x247C}, {0x2488, 0x2490}, {0x24EA, 0x24EA}, {0x24F5, 0x24FD}, {0x24FF, 0x24FF}, {0x2776, 0x277E},
    {0x2780, 0x2788}, {0x278A, 0x2792}, {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A},
};
static const range numerals[] = {
    {0x3405, 0x3405}, {0x3483, 0x3483}, {0x382A, 0x382A}, {0x3B4D, 0x3B4D}, {0x4E00, 0x4E00}, {0x4E03, 0x4E03}, {0x4E07, 0x4E07},
    {0x4E09, 0x4E09}, {0x4E5D, 0x4E5D}, {0x4E8C, 0x4E8C}, {0x4E94, 0x4E94}, {0x4E96, 0x4E96}, {0x4EBF, 0x4EC0}, {0x4EDF, 0x4EDF},
    {0x4EE8, 0x4EE8}, {0x4F0D, 0x4F0D}, {0x4F70, 0x4F70}, {0x5104, 0x5104}, {0x5146, 0x5146}, {0x5169, 0x5169}, {0x516B, 0x516B},
    {0x516D, 0x516D}, {0x5341, 0x5341}, {0x5343, 0x5345}, {0x534C, 0x534C}, {0x53C1, 0x53C4}, {0x56DB, 0x56DB}, {0x58F1, 0x58F1},
    {0x58F9, 0x58F9}, {0x5E7A, 0x5E7A}, {0x5EFE, 0x5EFF}, {0x5F0C, 0x5F0E}, {0x5F10, 0x5F10}, {0x62FE, 0x62FE}, {0x634C, 0x634C},
    {0x67D2, 0x67D2}, {0x6F06, 0x6F06}, {0x7396, 0x7396}, {0x767E, 0x767E}, {0x8086, 0x8086}, {0x842C, 0x842C}, {0x8CAE, 0x8CAE},
    {0x8CB3, 0x8CB3}, {0x8D30, 0x8D30}, {0x9621, 0x9621}, {0x9646, 0x9646}, {0x964C, 0x964C}, {0x9678, 0x9678}, {0x96F6, 0x96F6},
    {0xF96B, 0xF96B}, {0xF973, 0xF973}, {0xF978, 0xF978}, {0xF9B2, 0xF9B2}, {0xF9D1, 0xF9D1}, {0xF9D3, 0xF9D3}, {0xF9FD, 0xF9FD},
    {0x20001, 0x20001}, {0x20064, 0x20064}, {0x200E2, 0x200E2}, {0x20121, 0x20121}, {0x2092A, 0x2092A}, {0x20983, 0x20983},
    {0x2098C, 0x2098C}, {0x2099C, 0x2099C}, {0x20AEA, 0x20AEA}, {0x20AFD, 0x20AFD}, {0x20B19, 0x20B19}, {0x22390, 0x22390},
    {0x22998, 0x22998}, {0x23B1B, 0x23B1B}, {0x2626D, 0x2626D}, {0x2F890, 0x2F890},
};
static const range uppers[] = {
    {0x2160, 0x216F}, {0x24B6, 0x24CF}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};
static const range lowers[] = {
    {0xAA, 0xAA}, {0xBA, 0xBA}, {0x2B0, 0x2B8}, {0x2C0, 0x2C1}, {0x2E0, 0x2E4}, {0x345, 0x345}, {0x37A, 0x37A}, {0x1D2C, 0x1D6A},
    {0x1D78, 0x1D78}, {0x1D9B, 0x1DBF}, {0x2071, 0x2071}, {0x207F, 0x207F}, {0x2090, 0x209C}, {0x2170, 0x217F}, {0x24D0, 0x24E9},
    {0x2C7C, 0x2C7D}, {0xA69C, 0xA69D}, {0xA770, 0xA770}, {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}, {0x10780, 0x10780}, {0x10783, 0x10785},
    {0x10787, 0x107B0}, {0x107B2, 0x107BA},
};
/* clang-format on */

static bool within(const range *r, size_t count, uint32_t c) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > r[middle].last) low = middle + 1;
        else high = middle;
    }
    return low < count && c >= r[low].first;
}

static utf8proc_category_t category(uint32_t c) { return utf8proc_category((utf8proc_int32_t)c); }

/* Of splitlines. */
bool char_is_line_end(uint32_t c) { return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029; }

bool char_is_printable(uint32_t c) {
    if (c < 0x7F) return c >= 0x20;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

static bool is_letter(uint32_t c) {
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool ascii_is(uint32_t c, char_kind kind) {
    bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
    switch (kind) {
    case CHAR_ALPHA: return upper || lower;
    case CHAR_UPPER: return upper;
    case CHAR_LOWER: return lower;
    case CHAR_TITLE: return false;
    default: return c >= '0' && c <= '9';
    }
}

bool char_is(uint32_t c, char_kind kind) {
    if (c < 0x80) return ascii_is(c, kind);
    switch (kind) {
    case CHAR_ALPHA: return is_letter(c);
    case CHAR_DECIMAL: return category(c) == UTF8PROC_CATEGORY_ND;
    case CHAR_DIGIT: return category(c) == UTF8PROC_CATEGORY_ND || within(digits, COUNT_OF(digits), c);
    case CHAR_NUMERIC: {
        utf8proc_category_t k = category(c);
        return (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO) || within(numerals, COUNT_OF(numerals), c);
    }
    case CHAR_UPPER: return category(c) == UTF8PROC_CATEGORY_LU || within(uppers, COUNT_OF(uppers), c);
    case CHAR_LOWER: return category(c) == UTF8PROC_CATEGORY_LL || within(lowers, COUNT_OF(lowers), c);
    case CHAR_TITLE: return category(c) == UTF8PROC_CATEGORY_LT;
    }
    return false;
}

static bool is_cased(uint32_t c) { return char_is(c, CHAR_UPPER) || char_is(c, CHAR_LOWER) || char_is(c, CHAR_TITLE); }

bool char_is_word(uint32_t c) { return c == '_' || is_letter(c) || char_is(c, CHAR_NUMERIC); }

bool char_starts_name(uint32_t c) {
    if (c < 0x80) return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool char_continues_name(uint32_t c) {
    if (c < 0x80) return char_starts_name(c) || (c >= '0' && c <= '9');
    utf8proc_category_t k = category(c);
    return char_starts_name(c) || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ND ||
           k == UTF8PROC_CATEGORY_PC;
}

/* ---- case ---- */

enum { SHARP_S = 0xDF, SIGMA = 0x3A3, SMALL_SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2, SMALL_IOTA = 0x3B9, IOTA_BELOW = 0x345 };

static int folded(uint32_t c, utf8proc_int32_t out[4]) {
    int boundary = UTF8PROC_BOUNDCLASS_START;
    return (int)utf8proc_decompose_char((utf8proc_int32_t)c, out, 4, UTF8PROC_CASEFOLD, &boundary);
}

static void put_upper(jx *x, uint32_t c) {
    utf8proc_int32_t to[4];
    int n = c < 0x80 || category(c) == UTF8PROC_CATEGORY_LU ? 1 : folded(c, to);
    if (n <= 1) jx_put_char(x, (uint32_t)utf8proc_toupper((utf8proc_int32_t)c), 1);
    for (int i = 0; n > 1 && i < n; i++) jx_put_char(x, (uint32_t)utf8proc_toupper(to[i]), 1);
}

static void put_title(jx *x, uint32_t c) {
    utf8proc_int32_t to[4], simple = c == SHARP_S ? SHARP_S : utf8proc_totitle((utf8proc_int32_t)c);
    int n = c < 0x80 || simple != (utf8proc_int32_t)c || category(c) != UTF8PROC_CATEGORY_LL ? 1 : folded(c, to);
    if (n <= 1) {
        jx_put_char(x, (uint32_t)simple, 1);
        return;
    }
    bool starts_plain = to[0] == 0x2BC; /* the apostrophe of U+0149 */
    bool has_iota_below = c >= 0x1F80 && c <= 0x1FFF && to[n - 1] == SMALL_IOTA;
    for (int i = 0; i < n; i++) {
        bool is_greek = (c >= 0x390 && c < 0x400) || (c >= 0x1F00 && c < 0x2000), is_upper = i == 0 || starts_plain || is_greek;
        utf8proc_int32_t part = is_upper ? utf8proc_toupper(to[i]) : to[i];
        jx_put_char(x, has_iota_below && i == n - 1 ? IOTA_BELOW : (uint32_t)part, 1);
    }
}

/* Characters that case mapping looks through: marks, formats, modifiers and a few points. */
static bool is_case_ignorable(uint32_t c) {
    switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default:
        return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x387 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027;
    }
}

/* A sigma ends a word when a cased letter stands before it and none behind. */
static uint32_t lower_sigma(const jstr *s, size_t first, size_t last) {
    bool before = false;
    uint32_t c;
    for (size_t i = 0; i < first; i += (size_t)utf8_decode(s->at + i, s->size - i, &c)) {
        uint32_t d;
        (void)utf8_decode(s->at + i, s->size - i, &d);
        if (!is_case_ignorable(d)) before = is_cased(d);
    }
    if (!before) return SMALL_SIGMA;
    for (size_t i = last; i < s->size;) {
        i += (size_t)utf8_decode(s->at + i, s->size - i, &c);
        if (!is_case_ignorable(c)) return is_cased(c) ? SMALL_SIGMA : FINAL_SIGMA;
    }
    return FINAL_SIGMA;
}

static void put_lower(jx *x, const jstr *s, size_t first, size_t last, uint32_t c) {
    if (c == SIGMA) {
        jx_bytes(x, s->size);
        jx_put_char(x, lower_sigma(s, first, last), 1);
    } else if (c == 0x130) { /* dotted capital I is the only one that becomes two */
        jx_puts(x, "i\xCC\x87");
    } else {
        jx_put_char(x, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c), 1);
    }
}

typedef enum { TO_UPPER, TO_LOWER, TO_TITLE, TO_CAPITALIZED, TO_SWAPPED, TO_FOLDED, TO_TITLE_WORDS } case_mode;

static void put_folded(jx *x, uint32_t c) {
    utf8proc_int32_t to[4];
    int n = folded(c, to);
    for (int i = 0; i < n; i++) jx_put_char(x, (uint32_t)to[i], 1);
}

static bool splits_title(uint32_t c) { return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || utf8_is_space(c); }

static jval change_case(jx *x, const jstr *s, case_mode mode) {
    size_t start = x->work.size;
    bool in_word = false;
    uint32_t c;
    jx_chars(x, s->size * 2);
    for (size_t at = 0, n; at < s->size; at += n) {
        n = (size_t)utf8_decode(s->at + at, s->size - at, &c);
        bool is_first = mode == TO_CAPITALIZED ? at == 0 : !in_word;
        switch (mode) {
        case TO_UPPER: put_upper(x, c); break;
        case TO_LOWER: put_lower(x, s, at, at + n, c); break;
        case TO_FOLDED: put_folded(x, c); break;
        case TO_SWAPPED:
            if (char_is(c, CHAR_UPPER)) put_lower(x, s, at, at + n, c);
            else if (char_is(c, CHAR_LOWER)) put_upper(x, c);
            else jx_put(x, s->at + at, n);
            break;
        case TO_TITLE_WORDS:
            if (is_first) put_upper(x, c);
            else put_lower(x, s, at, at + n, c);
            in_word = !splits_title(c);
            break;
        default:
            if (is_first) put_title(x, c);
            else put_lower(x, s, at, at + n, c);
            in_word = is_cased(c);
            break;
        }
    }
    return j_safe(x, j_take(x, &x->work, start), s->is_safe);
}

jval str_upper(jx *x, const jstr *s) { return change_case(x, s, TO_UPPER); }
jval str_lower(jx *x, const jstr *s) { return change_case(x, s, TO_LOWER); }
jval str_title(jx *x, const jstr *s) { return change_case(x, s, TO_TITLE); }
jval str_capitalize(jx *x, const jstr *s) { return change_case(x, s, TO_CAPITALIZED); }
jval str_swapcase(jx *x, const jstr *s) { return change_case(x, s, TO_SWAPPED); }
jval str_casefold(jx *x, const jstr *s) { return change_case(x, s, TO_FOLDED); }
jval str_title_words(jx *x, const jstr *s) { return change_case(x, s, TO_TITLE_WORDS); }
