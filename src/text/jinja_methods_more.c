/* jinja_methods_more.c - the other methods: of str about case, width and kind, of lists, dicts and numbers. */
#include "text/jinja_int.h"

#include <math.h>
#include <string.h>

/* ---- str: case and width ---- */

static jval method_upper(jx *x, jcall *c) { return str_upper(x, c->self.s); }
static jval method_lower(jx *x, jcall *c) { return str_lower(x, c->self.s); }
static jval method_title(jx *x, jcall *c) { return str_title(x, c->self.s); }
static jval method_capitalize(jx *x, jcall *c) { return str_capitalize(x, c->self.s); }
static jval method_swapcase(jx *x, jcall *c) { return str_swapcase(x, c->self.s); }
static jval method_casefold(jx *x, jcall *c) { return str_casefold(x, c->self.s); }

static uint32_t fill_character(jx *x, jval arg) {
    uint32_t c = ' ';
    if (!given(arg)) return c;
    const jstr *s = need_str(x, arg, "the fill character");
    if (s->length != 1) jx_fail(x, LMM_E_ARG, "the fill character must be exactly one character long");
    (void)utf8_decode(s->at, s->size, &c);
    return c;
}

static jval padded(jx *x, const jstr *s, uint32_t fill, uint64_t left, uint64_t right) {
    size_t mark = x->work.size;
    jx_put_char(x, fill, (size_t)left);
    jx_put(x, s->at, s->size);
    jx_put_char(x, fill, (size_t)right);
    return j_safe(x, j_take(x, &x->work, mark), s->is_safe);
}

static uint64_t missing_width(const jstr *s, int64_t width) { return width > (int64_t)s->length ? (uint64_t)width - s->length : 0; }

jval str_center(jx *x, const jstr *s, int64_t width, uint32_t fill) {
    uint64_t pad = missing_width(s, width), left = pad / 2 + (pad & (uint64_t)width & 1);
    return padded(x, s, fill, left, pad - left);
}

static jval method_center(jx *x, jcall *c) {
    return str_center(x, c->self.s, need_int(x, c->arg[0], "the width"), fill_character(x, c->arg[1]));
}

static jval method_ljust(jx *x, jcall *c) {
    uint64_t pad = missing_width(c->self.s, need_int(x, c->arg[0], "the width"));
    return padded(x, c->self.s, fill_character(x, c->arg[1]), 0, pad);
}

static jval method_rjust(jx *x, jcall *c) {
    uint64_t pad = missing_width(c->self.s, need_int(x, c->arg[0], "the width"));
    return padded(x, c->self.s, fill_character(x, c->arg[1]), pad, 0);
}

static jval method_zfill(jx *x, jcall *c) {
    const jstr *s = c->self.s;
    uint64_t pad = missing_width(s, need_int(x, c->arg[0], "the width"));
    size_t mark = x->work.size, sign = s->size && (s->at[0] == '+' || s->at[0] == '-');
    jx_put(x, s->at, sign);
    jx_put_char(x, '0', (size_t)pad);
    jx_put(x, s->at + sign, s->size - sign);
    return j_safe(x, j_take(x, &x->work, mark), s->is_safe);
}

static jval method_expandtabs(jx *x, jcall *c) {
    const jstr *s = c->self.s;
    int64_t tab = given(c->arg[0]) ? need_int(x, c->arg[0], "the tab size") : 8, column = 0;
    size_t mark = x->work.size;
    jx_chars(x, s->size * 2);
    for (size_t i = 0; i < s->size; i++) {
        if (s->at[i] == '\t') {
            int64_t pad = tab > 0 ? tab - column % tab : 0;
            jx_put_char(x, ' ', (size_t)pad);
            column += pad;
            continue;
        }
        jx_put(x, s->at + i, 1);
        if (s->at[i] == '\n' || s->at[i] == '\r') column = 0;
        else column += ((unsigned char)s->at[i] & 0xC0) != 0x80;
    }
    return j_safe(x, j_take(x, &x->work, mark), s->is_safe);
}

static jval method_format(jx *x, jcall *c) { return j_format(x, c->self.s, c); }

static jval method_format_map(jx *x, jcall *c) {
    if (c->arg[0].type != J_DICT) jx_fail(x, LMM_E_ARG, "format_map() needs a dict");
    jcall inner = {.self = c->self, .named = c->arg[0].d};
    return j_format(x, c->self.s, &inner);
}

/* clang-format off */
const jbuiltin str_methods_more[] = {
    {"upper", method_upper, "", 0}, {"lower", method_lower, "", 0}, {"title", method_title, "", 0},
    {"capitalize", method_capitalize, "", 0}, {"swapcase", method_swapcase, "", 0}, {"casefold", method_casefold, "", 0},
    {"center", method_center, "/width fillchar", 1}, {"ljust", method_ljust, "/width fillchar", 1},
    {"rjust", method_rjust, "/width fillchar", 1}, {"zfill", method_zfill, "/width", 1}, {"expandtabs", method_expandtabs, "tabsize", 0},
    {"format", method_format, "*", 0}, {"format_map", method_format_map, "/mapping", 1},
    {"encode", NULL, "*", 0}, {"translate", NULL, "*", 0}, {"maketrans", NULL, "*", 0}, {0}};
/* clang-format on */

/* ---- str: what its characters are ---- */

static jval all_are(jx *x, const jstr *s, bool (*is)(uint32_t c)) {
    uint32_t c;
    bool all = s->size > 0;
    jx_chars(x, s->size * 2);
    for (size_t at = 0; all && at < s->size;) {
        at += (size_t)utf8_decode(s->at + at, s->size - at, &c);
        all = is(c);
    }
    return j_bool(all);
}

static bool is_alpha(uint32_t c) { return char_is(c, CHAR_ALPHA); }
static bool is_decimal(uint32_t c) { return char_is(c, CHAR_DECIMAL); }
static bool is_digit(uint32_t c) { return char_is(c, CHAR_DIGIT); }
static bool is_numeric(uint32_t c) { return char_is(c, CHAR_NUMERIC); }
static bool is_alnum(uint32_t c) { return is_alpha(c) || is_numeric(c); }
static bool is_ascii(uint32_t c) { return c < 0x80; }

static jval str_isalpha(jx *x, jcall *c) { return all_are(x, c->self.s, is_alpha); }
static jval str_isdecimal(jx *x, jcall *c) { return all_are(x, c->self.s, is_decimal); }
static jval str_isdigit(jx *x, jcall *c) { return all_are(x, c->self.s, is_digit); }
static jval str_isnumeric(jx *x, jcall *c) { return all_are(x, c->self.s, is_numeric); }
static jval str_isalnum(jx *x, jcall *c) { return all_are(x, c->self.s, is_alnum); }
static jval str_isspace(jx *x, jcall *c) { return all_are(x, c->self.s, utf8_is_space); }
static jval str_isascii(jx *x, jcall *c) { return c->self.s->size ? all_are(x, c->self.s, is_ascii) : j_bool(true); }
static jval str_isprintable(jx *x, jcall *c) { return c->self.s->size ? all_are(x, c->self.s, char_is_printable) : j_bool(true); }

static jval str_isidentifier(jx *x, jcall *c) {
    uint32_t first = 0;
    if (c->self.s->size) (void)utf8_decode(c->self.s->at, c->self.s->size, &first);
    return j_bool(char_starts_name(first) && all_are(x, c->self.s, char_continues_name).i);
}

/* At least one cased character, and none of the other case. */
jval str_has_case(jx *x, const jstr *s, char_kind kind) {
    char_kind other = kind == CHAR_UPPER ? CHAR_LOWER : CHAR_UPPER;
    uint32_t c;
    bool any = false;
    jx_chars(x, s->size * 2);
    for (size_t at = 0; at < s->size;) {
        at += (size_t)utf8_decode(s->at + at, s->size - at, &c);
        if (char_is(c, other) || char_is(c, CHAR_TITLE)) return j_bool(false);
        any |= char_is(c, kind);
    }
    return j_bool(any);
}

static jval str_isupper(jx *x, jcall *c) { return str_has_case(x, c->self.s, CHAR_UPPER); }
static jval str_islower(jx *x, jcall *c) { return str_has_case(x, c->self.s, CHAR_LOWER); }

static jval str_istitle(jx *x, jcall *c) {
    uint32_t k;
    bool any = false, in_word = false;
    jx_chars(x, c->self.s->size * 2);
    for (size_t at = 0; at < c->self.s->size;) {
        at += (size_t)utf8_decode(c->self.s->at + at, c->self.s->size - at, &k);
        bool upper = char_is(k, CHAR_UPPER) || char_is(k, CHAR_TITLE), lower = char_is(k, CHAR_LOWER);
        if ((upper && in_word) || (lower && !in_word)) return j_bool(false);
        any |= upper || lower;
        in_word = upper || lower;
    }
    return j_bool(any);
}

/* clang-format off */
const jbuiltin str_tests[] = {
    {"isalpha", str_isalpha, "", 0}, {"isdecimal", str_isdecimal, "", 0}, {"isdigit", str_isdigit, "", 0},
    {"isnumeric", str_isnumeric, "", 0}, {"isalnum", str_isalnum, "", 0}, {"isspace", str_isspace, "", 0},
    {"isascii", str_isascii, "", 0}, {"isprintable", str_isprintable, "", 0}, {"isidentifier", str_isidentifier, "", 0},
    {"isupper", str_isupper, "", 0}, {"islower", str_islower, "", 0}, {"istitle", str_istitle, "", 0}, {0}};
/* clang-format on */

/* ---- lists, tuples, ranges ---- */

static jval list_count(jx *x, jcall *c) {
    const jlist *l = list_of(x, c->self);
    int64_t n = 0;
    jx_step(x, l->count);
    for (size_t i = 0; i < l->count; i++) n += j_equal(x, l->at[i], c->arg[0]);
    return j_int(n);
}

static jval list_index(jx *x, jcall *c) {
    const jlist *l = list_of(x, c->self);
    int64_t count = (int64_t)l->count, first = given(c->arg[1]) ? need_int(x, c->arg[1], "the start argument") : 0;
    int64_t last = given(c->arg[2]) ? need_int(x, c->arg[2], "the end argument") : count;
    if (first < 0) first = first < -count ? 0 : first + count;
    if (last < 0) last += count;
    for (int64_t i = first; i < last && i < count; i++) {
        jx_step(x, 1);
        if (j_equal(x, l->at[i], c->arg[0])) return j_int(i);
    }
    jx_fail(x, LMM_E_ARG, "the value is not in the list");
}

static jval list_copy(jx *x, jcall *c) { return j_list(x, J_LIST, c->self.l->at, c->self.l->count); }

/* clang-format off */
const jbuiltin list_methods[] = {
    {"count", list_count, "/value", 1}, {"index", list_index, "/value start end", 1}, {"copy", list_copy, "", 0},
    {"append", NULL, "unsafe", 0}, {"clear", NULL, "unsafe", 0}, {"pop", NULL, "unsafe", 0}, {"reverse", NULL, "unsafe", 0},
    {"insert", NULL, "unsafe", 0}, {"sort", NULL, "unsafe", 0}, {"extend", NULL, "unsafe", 0}, {"remove", NULL, "unsafe", 0}, {0}};
/* clang-format on */
const jbuiltin tuple_methods[] = {{"count", list_count, "/value", 1}, {"index", list_index, "/value start end", 1}, {0}};

/* ---- dicts ---- */

static jval dict_get_method(jx *x, jcall *c) {
    jval v;
    return dict_get(x, c->self.d, c->arg[0], &v) ? v : arg_or(c->arg[1], j_none());
}

static jval view_of(jx *x, const jdict *d, view_kind kind) {
    jview *view = jx_alloc(x, 1, sizeof *view);
    *view = (jview){.d = d, .kind = kind};
    return (jval){.type = J_VIEW, .view = view};
}

static jval dict_keys(jx *x, jcall *c) { return view_of(x, c->self.d, VIEW_KEYS); }
static jval dict_values(jx *x, jcall *c) { return view_of(x, c->self.d, VIEW_VALUES); }
static jval dict_items(jx *x, jcall *c) { return view_of(x, c->self.d, VIEW_ITEMS); }
static jval dict_copy(jx *x, jcall *c) {
    jdict *d = jx_alloc(x, 1, sizeof *d);
    *d = *c->self.d;
    return j_dict(d);
}

/* clang-format off */
const jbuiltin dict_methods[] = {
    {"get", dict_get_method, "/key default", 1}, {"items", dict_items, "", 0}, {"keys", dict_keys, "", 0}, {"values", dict_values, "", 0},
    {"copy", dict_copy, "", 0}, {"fromkeys", NULL, "*", 0}, {"clear", NULL, "unsafe", 0}, {"pop", NULL, "unsafe", 0},
    {"popitem", NULL, "unsafe", 0}, {"setdefault", NULL, "unsafe", 0}, {"update", NULL, "unsafe", 0}, {0}};
/* clang-format on */

/* ---- numbers ---- */

static jval number_is_integer(jx *x, jcall *c) {
    (void)x;
    return j_bool(c->self.type != J_FLOAT || (isfinite(c->self.f) && c->self.f == trunc(c->self.f)));
}

const jbuiltin number_methods[] = {{"is_integer", number_is_integer, "", 0}, {"bit_length", NULL, "*", 0}, {0}};
