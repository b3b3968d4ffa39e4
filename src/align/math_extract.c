/* math_extract.c - where in a text an answer stands, by math_verify's default patterns (rl.md 3.4).
 *
 * Patterns have levels; the lowest level with a match that can be read decides, and within a level the match that ends last (of those the longest). Hand-written
 * matchers stand for its regular expressions, each linear in the text. */
#include "align/math_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PART_MAX = 6, EXPRESSION_MAX = 256, ATTEMPT_MAX = 12 };
enum { DISPLAY_DOLLAR, DISPLAY_BRACKET, INLINE_DOLLAR, INLINE_BRACKET, DELIMITER_COUNT };

typedef struct {
    size_t from, to;
    bool percent;
} part;
typedef struct {
    const char *text;
    size_t size;
    bool braced;
    part barren[DELIMITER_COUNT]; /* no closing delimiter in this stretch: searched already */
} scan;

typedef struct {
    size_t end; /* 0: no match */
    part parts[PART_MAX];
    int count;
} latex_match;
typedef struct {
    size_t end;
    part content;
    bool expression;
} plain_match;

typedef enum { FOUND_LATEX, FOUND_BOX, FOUND_PLAIN, FOUND_EXPRESSION, FOUND_NUMBER } found_kind;
typedef struct {
    size_t start, end, at; /* at: where the matcher is to be asked again */
    found_kind kind;
} found;
typedef VEC(found) found_list;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_blank(char c) { return isspace((unsigned char)c) != 0; }
static bool starts(const scan *x, size_t i, const char *word) {
    size_t n = strlen(word);
    return i <= x->size && n <= x->size - i && !strncmp(x->text + i, word, n);
}
static bool starts_any_case(const scan *x, size_t i, const char *word) {
    size_t n = strlen(word);
    return i < x->size && n <= x->size - i && (x->text[i] | 32) == (*word | 32) && !strncasecmp(x->text + i, word, n);
}
static size_t skip_blanks(const scan *x, size_t i) {
    while (i < x->size && is_blank(x->text[i])) i++;
    return i;
}

/* The size of a percent sign or word at i, 0 without. */
static size_t percent_size(const scan *x, size_t i, bool escaped) {
    static const char *const words[] = {"%", "\\%", "percentage", "percent", "pct"};
    for (size_t k = 0; k < COUNT_OF(words); k++)
        if ((escaped || k != 1) && (k < 2 ? starts(x, i, words[k]) : starts(x, i + 1, words[k] + 1) && strchr("Pp", x->text[i])))
            return strlen(words[k]);
    return 0;
}

/* ---- LaTeX ---- */

static const struct {
    const char *open, *close;
    bool one_line;
} delimiters[DELIMITER_COUNT] = {{"$$", "$$", false}, {"\\[", "\\]", false}, {"$", "$", true}, {"\\(", "\\)", true}};

/* Where the closing delimiter of content that starts at i stands, 0 when nowhere. */
static size_t find_close(scan *x, size_t i, int kind) {
    const char *close = delimiters[kind].close;
    bool dollar = *close == '$';
    if (i >= x->barren[kind].from && i < x->barren[kind].to) return 0;
    for (size_t k = i; k < x->size; k++) {
        if (delimiters[kind].one_line && x->text[k] == '\n') return x->barren[kind] = (part){i, k, false}, 0;
        if (!starts(x, k, close) || (x->text[k - 1] == '\\')) continue;
        return k > i || !dollar ? k : 0;
    }
    return x->barren[kind] = (part){i, x->size, false}, 0;
}

static bool number_group(const scan *x, size_t *i) {
    size_t k = *i;
    if (k >= x->size || x->text[k] != '{') return false;
    k++;
    if (k < x->size && x->text[k] == '-') k++;
    size_t digits = k;
    while (k < x->size && (is_digit(x->text[k]) || ((x->text[k] == '.' || x->text[k] == ',') && k > digits))) k++;
    if (k == digits || k >= x->size || x->text[k] != '}') return false;
    return *i = k + 1, true;
}

/* One environment, or a bare \frac of two numbers, starting exactly at i: its content and its end. */
static size_t environment(scan *x, size_t i, part *out) {
    if (!strchr("$\\-", x->text[i]) && !is_blank(x->text[i])) return 0;
    char before = i ? x->text[i - 1] : '\0';
    for (int kind = 0; kind < DELIMITER_COUNT; kind++) {
        size_t n = strlen(delimiters[kind].open);
        if (!starts(x, i, delimiters[kind].open) || before == '\\' || (kind == INLINE_DOLLAR && is_digit(before))) continue;
        size_t close = find_close(x, i + n, kind);
        if (close <= i + n) continue;
        *out = (part){i + n, close, false};
        return close + n;
    }
    if (is_blank(x->text[i]) && starts(x, i + 1, "[")) {
        size_t k = i + 2;
        while (k < x->size && k < i + 2 + MATH_ANSWER_MAX && !strchr("\n[]", x->text[k])) k++;
        if (k > i + 2 && starts(x, k, "]") && k + 1 < x->size && is_blank(x->text[k + 1])) return *out = (part){i + 2, k, false}, k + 2;
    }
    size_t k = i + (x->text[i] == '-');
    if (!starts(x, k, "\\frac")) return 0;
    k += 5;
    if (!number_group(x, &k) || !number_group(x, &k)) return 0;
    *out = (part){i, k, false};
    return k;
}

/* Up to six environments joined by commas, "and" or "or". */
static latex_match latex_at(scan *x, size_t i) {
    latex_match m = {0};
    while (m.count < PART_MAX) {
        size_t k = i;
        if (m.count) {
            k = skip_blanks(x, k);
            bool comma = starts(x, k, ",");
            k += comma;
            size_t word = starts(x, k, "and") ? 3 : starts(x, k, "or") ? 2 : 0;
            if (!comma && !word) break;
            k = skip_blanks(x, k + word);
        }
        size_t end = k < x->size ? environment(x, k, &m.parts[m.count]) : 0;
        if (!end) break;
        size_t blank = skip_blanks(x, end), percent = percent_size(x, blank, true);
        m.parts[m.count++].percent = percent > 0;
        m.end = i = percent ? blank + percent : end;
    }
    return m;
}

/* ---- plain numbers and expressions ---- */

/* The start of a line, a blank or '=' before it, perhaps with ** for bold: where the number may begin; 0 on failure, for nothing starts before a prefix but at 0. */
static bool prefix_at(const scan *x, size_t i, size_t *to) {
    if (i < x->size && (is_blank(x->text[i]) || x->text[i] == '=')) *to = i + 1;
    else if (!i) *to = 0;
    else return false;
    if (starts(x, *to, "**")) *to += 2;
    return true;
}

static size_t operator_or_digit(const char *s) {
    if (!strncmp(s, "\u00d7", 2) || !strncmp(s, "\u00f7", 2)) return 2;
    return *s && strchr("0123456789. \t\n\r\f\v+-*/^()", *s) ? 1 : 0;
}

/* Digits, operators and brackets from i on, at least one operator among them, ended by a mark of punctuation. */
static plain_match expression_at(const scan *x, size_t i) {
    plain_match none = {0};
    size_t k = i, n;
    k += starts(x, k, "-");
    k += starts(x, k, "(");
    k += starts(x, k, "-");
    if (k >= x->size || !is_digit(x->text[k])) return none;
    size_t first = ++k, stop = i + EXPRESSION_MAX < x->size ? i + EXPRESSION_MAX : x->size;
    while (k < stop && (n = operator_or_digit(x->text + k))) k += n;
    size_t earliest = 0; /* the end must lie behind an operator and one thing more */
    for (size_t o = first; o < k && !earliest; o++)
        if (strchr("+-*/^()", x->text[o]) || (unsigned char)x->text[o] == 0xc3) earliest = o + 2 + ((unsigned char)x->text[o] == 0xc3);
    for (; earliest && k >= earliest; k--) {
        size_t after = k + (starts(x, k, "**") ? 2 : 0);
        if (after < x->size && !is_blank(x->text[after]) && !strchr(".,:)$", x->text[after])) continue;
        return (plain_match){after + (after < x->size), {i, k, false}, true};
    }
    return none;
}

static size_t currency_size(const scan *x, size_t i) {
    if (starts(x, i, "$")) return 1;
    if (starts(x, i, "\u00a3") || starts(x, i, "\u00a5")) return 2;
    bool block =
        starts(x, i, "\xe2\x82") && (unsigned char)x->text[i + 2] >= 0xa0 && (unsigned char)x->text[i + 2] <= 0xbf; /* U+20A0..20BF */
    return block || starts(x, i, "\u0e3f") ? 3 : 0;
}

/* "1,234.5", "0,5", ".5", "-7", with a currency before and a percent sign after. */
static plain_match number_at(const scan *x, size_t i) {
    plain_match none = {0};
    i += currency_size(x, i);
    size_t from = i, digits;
    i += starts(x, i, "-");
    if (i && i == from && is_digit(x->text[i - 1])) return none;
    digits = i;
    while (i < x->size && is_digit(x->text[i])) i++;
    size_t count = i - digits;
    if (count && count <= 3 && x->text[digits] != '0') {
        size_t k = i;
        while (k + 3 < x->size && (x->text[k] == ',' || x->text[k] == ' ') && is_digit(x->text[k + 1]) && is_digit(x->text[k + 2]) &&
               is_digit(x->text[k + 3]))
            k += 4;
        bool grouped = k > i;
        i = k;
        count = grouped ? 4 : count;
    }
    bool point = i + 1 < x->size && is_digit(x->text[i + 1]) &&
                 (x->text[i] == '.' || (x->text[i] == ',' && count && !memchr(x->text + digits, ',', i - digits)));
    if (!count && (!point || x->text[i] != '.' || from != digits)) return none;
    if (point)
        for (i++; i < x->size && is_digit(x->text[i]);) i++;
    plain_match m = {i, {from, i, false}, false};
    size_t blank = skip_blanks(x, i), percent = percent_size(x, blank, false);
    if (percent) m.end = blank + percent, m.content.percent = true;
    return m;
}

static plain_match plain_at(const scan *x, size_t i, bool expression, bool number) {
    plain_match m = {0};
    size_t from;
    if (!prefix_at(x, i, &from)) return m;
    if (expression) m = expression_at(x, from);
    if (!m.end && number) m = number_at(x, from);
    return m;
}

/* ---- levels ---- */

static void push(found_list *list, size_t start, size_t end, size_t at, found_kind kind) {
    found f = {start, end, at, kind};
    VEC_PUSH(list, f);
}

static size_t match_end(scan *x, size_t at, found_kind kind) {
    return kind == FOUND_LATEX ? latex_at(x, at).end : plain_at(x, at, kind != FOUND_NUMBER, kind != FOUND_EXPRESSION).end;
}

/* "final answer [up to 100 bytes] is X", and among these the ones followed by "I hope" right away. */
static void gather_final(scan *x, found_list *out, found_kind kind, bool hope) {
    for (size_t i = 0; i < x->size; i++) {
        if (!starts_any_case(x, i, "final answer")) continue;
        size_t from = i + 12;
        for (size_t gap = 0;
             gap <= (hope ? 0 : 100) && from + gap < x->size && (kind == FOUND_LATEX || x->text[from + gap] != '\n' || !gap); gap++) {
            size_t k = skip_blanks(x, from + gap);
            if (k == from + gap || !starts_any_case(x, k, "is")) continue;
            k += 2;
            k += starts(x, k, ":");
            size_t behind = k;
            k = skip_blanks(x, k);
            if (kind != FOUND_LATEX && k > behind) k--; /* the blank is its prefix */
            size_t end = match_end(x, k, kind);
            if (!end) continue;
            size_t h = end + starts(x, end, ".");
            h += h < x->size && is_blank(x->text[h]);
            if (hope && !starts(x, h, "I hope")) continue;
            push(out, i, end, k, kind);
            i = end - 1;
            break;
        }
    }
}

/* A plain number that another equals sign follows is on the way to the answer, not the answer. */
static size_t settled(scan *x, size_t at, found_kind kind) {
    size_t end = match_end(x, at, kind);
    return end && kind == FOUND_PLAIN && starts(x, skip_blanks(x, end), "=") ? 0 : end;
}

static void gather_answer(scan *x, found_list *out, found_kind kind, bool colon) {
    for (size_t i = 0; i < x->size; i++) {
        if (!starts_any_case(x, i, colon ? "answer:" : "answer")) continue;
        size_t from = i + (colon ? 7 : 6), reach = from, end = 0, at = 0;
        while (reach < x->size && reach < from + 101 && (kind == FOUND_LATEX || x->text[reach] != '\n')) reach++;
        for (size_t k = reach; kind == FOUND_PLAIN && k > from && !end; k--) /* behind the last "= " */
            if (x->text[k - 1] == '=' && k < x->size && is_blank(x->text[k])) end = settled(x, at = skip_blanks(x, k) - 1, kind);
        if (reach > from + 50) reach = from + 51;
        for (size_t k = from; k < reach && !end; k++) end = settled(x, at = k, kind);
        if (!end) continue;
        push(out, i, end, at, kind);
        i = end - 1;
    }
}

static void gather_all(scan *x, found_list *out, found_kind kind) {
    for (size_t i = 0; i < x->size;) {
        size_t end = match_end(x, i, kind);
        if (end) push(out, i, end, i, kind);
        i = end > i ? end : i + 1;
    }
}

static void gather_box(scan *x, found_list *out) {
    const char *first = strstr(x->text, "\\boxed{"), *last = strrchr(x->text, '}');
    if (first && last > first + 7) push(out, (size_t)(first - x->text), (size_t)(last - x->text) + 1, (size_t)(first - x->text), FOUND_BOX);
}

static int by_end(const void *a, const void *b) {
    const found *f = a, *g = b;
    if (f->end != g->end) return f->end < g->end ? 1 : -1;
    if (f->start != g->start) return f->start < g->start ? -1 : 1;
    return (int)f->kind - (int)g->kind;
}

enum { LEVEL_COUNT = 5 };
static void gather(scan *x, found_list *out, int level, const math_settings *o) {
    static const found_kind kinds[] = {FOUND_LATEX, FOUND_PLAIN};
    for (size_t k = 0; k < (o->latex_only ? 1 : COUNT_OF(kinds)) && level < LEVEL_COUNT - 1; k++) {
        if (level < 2) gather_final(x, out, kinds[k], !level);
        else gather_answer(x, out, kinds[k], level == 2);
    }
    if (level == !o->box_first) gather_box(x, out);
    if (level < LEVEL_COUNT - 1 || o->announced_only) return;
    gather_all(x, out, FOUND_LATEX);
    if (o->latex_only) return;
    gather_all(x, out, FOUND_EXPRESSION);
    gather_all(x, out, FOUND_NUMBER);
}

/* ---- reading what was found ---- */

/* a = b = c that cannot be read as a whole stands for its last side. */
static bool parse_latex(const scan *x, math_tree *out, const char *s) {
    if (x->braced && !math_braced(s)) return false;
    if (math_parse(out, s, strlen(s), MATH_LATEX)) return true;
    const char *last = NULL;
    int count = 0;
    for (const char *at = s; (at = strchr(at, '=')); at++)
        if (at == s || !strchr("\\<>!", at[-1])) last = at + 1, count++;
    return count > 1 && !strpbrk(s, ",;") && math_parse(out, last, strlen(last), MATH_LATEX);
}

static char *cleaned(const scan *x, const part *p, bool box) {
    char *inside = math_unbox(x->text + p->from, p->to - p->from, !box);
    if (strlen(inside) >= MATH_ANSWER_MAX) return inside; /* no parser will take it */
    char *clean = math_clean(inside);
    free(inside);
    return clean;
}

static bool read_latex(const scan *x, const latex_match *m, bool box, math_tree *out, char **raw) {
    buf list = {0}, names = {0};
    char *first = NULL;
    bool all = true;
    for (int i = 0; i < m->count; i++) {
        char *clean = cleaned(x, &m->parts[i], box);
        all = parse_latex(x, out, clean) && all;
        buf_printf(&list, "%s%s%s", i ? "," : "", clean, m->parts[i].percent ? "\\%" : "");
        buf_printf(&names, "%s%s", i ? " and " : "", clean);
        if (i) free(clean);
        else first = clean;
    }
    if (all && (m->count > 1 || m->parts[0].percent)) all = math_parse(out, list.data, list.size, MATH_LATEX);
    else if (!all || m->count == 1) all = parse_latex(x, out, first);
    *raw = all ? mem_strdup(names.data ? names.data : "") : mem_strdup(first);
    free(first);
    buf_free(&names);
    buf_free(&list);
    return all;
}

static bool read_number(const scan *x, const part *p, math_tree *out, char **raw) {
    buf b = {0};
    bool negative = x->text[p->from] == '-';
    const char *s = x->text + p->from + negative, *end = x->text + p->to;
    const char *comma = memchr(s, ',', (size_t)(end - s));
    bool decimal_comma = comma && (end - comma != 4 || s[0] == '0' || comma - s > 3) && !memchr(s, '.', (size_t)(end - s)) &&
                         !memchr(comma + 1, ',', (size_t)(end - comma - 1));
    if (negative) buf_putc(&b, '-');
    while (s + 1 < end && *s == '0' && is_digit(s[1]) && !negative) s++;
    if (*s == '.') buf_putc(&b, '0');
    for (; s < end; s++)
        if (*s == ',' && decimal_comma) buf_putc(&b, '.');
        else if (*s != ',' && *s != ' ') buf_putc(&b, *s);
    *raw = mem_strdup(b.data ? b.data : "");
    if (p->percent) buf_puts(&b, "\\%");
    bool read = b.data && math_parse(out, b.data, b.size, MATH_LATEX);
    buf_free(&b);
    return read;
}

static bool read_found(scan *x, const found *f, math_tree *out, char **raw) {
    if (f->kind == FOUND_LATEX || f->kind == FOUND_BOX) {
        latex_match m = {f->end, {{f->start, f->end, false}}, 1};
        if (f->kind == FOUND_LATEX) m = latex_at(x, f->at);
        return read_latex(x, &m, f->kind == FOUND_BOX, out, raw);
    }
    plain_match m = plain_at(x, f->at, f->kind != FOUND_NUMBER, f->kind != FOUND_EXPRESSION);
    if (!m.expression) return read_number(x, &m.content, out, raw);
    *raw = mem_strndup(x->text + m.content.from, m.content.to - m.content.from);
    return math_parse(out, *raw, strlen(*raw), MATH_PLAIN);
}

void math_extract(math_answer *out, const char *text, const math_settings *settings) {
    const math_settings o = settings ? *settings : (math_settings){0};
    *out = (math_answer){0};
    size_t size = strlen(text);
    if (size > MATH_TEXT_MAX) text += size - MATH_TEXT_MAX, size = MATH_TEXT_MAX;
    math_tree *into = mem_new(1, sizeof *into);
    int attempts = 0;
    bool read = false, decided = false;
    for (int level = 0; level < LEVEL_COUNT && !read && !decided && attempts < ATTEMPT_MAX; level++) {
        scan x = {.text = text, .size = size, .braced = o.braced};
        found_list list = {0};
        gather(&x, &list, level, &o);
        if (list.count) qsort(list.at, (size_t)list.count, sizeof *list.at, by_end);
        for (int i = 0; i < (o.first_only ? min_int(1, list.count) : list.count) && !read && attempts < ATTEMPT_MAX; i++, attempts++) {
            char *raw = NULL;
            read = read_found(&x, &list.at[i], into, &raw);
            if (!out->raw && raw && *raw) out->raw = raw;
            else free(raw);
        }
        decided = o.first_only && list.count;
        free(list.at);
    }
    if (read) out->tree = into;
    else free(into);
}

void math_answer_free(math_answer *a) {
    free(a->raw);
    free(a->tree);
}
