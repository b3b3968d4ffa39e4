/* math_human.c - is the answer right, as a person would judge? The answer is looked for where people and prompts put it, words are compared as words, letters of choices as
 * letters, and mathematics in people's notation, with units. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "align/math_int.h"

/* ---- the part of a text that answers ---- */

static bool is_blank(char c) { return isspace((unsigned char)c) != 0; }
static bool is_alpha(char c) { return isalpha((unsigned char)c) != 0; }

typedef struct {
    const char *at;
    size_t size;
} span;

static span trimmed(const char *s, size_t n) {
    while (n && is_blank(*s)) s++, n--;
    while (n && is_blank(s[n - 1])) n--;
    return (span){s, n};
}

/* The last place of a word, any case; NULL when it is not there. */
static const char *last_word(const char *text, size_t size, const char *word) {
    size_t n = strlen(word);
    for (size_t i = size; i >= n; i--)
        if (!strncasecmp(text + i - n, word, n)) return text + i - n;
    return NULL;
}

/* To the end of the sentence: a full stop before a blank or the end, or the line's end. */
static span sentence(const char *s, const char *end) {
    const char *k = s;
    while (k < end && *k != '\n' && !(*k == '.' && (k + 1 == end || is_blank(k[1])))) k++;
    return trimmed(s, (size_t)(k - s));
}

/* "... answer is X", "Answer: X", "X is the answer". */
static span announced(span s) {
    static const char *const before[] = {"answer is:", "answer is", "answer:", "answer =", "option is"};
    const char *end = s.at + s.size;
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        const char *at = last_word(s.at, s.size, before[i]);
        if (!at) continue;
        span rest = sentence(at + strlen(before[i]), end);
        if (rest.size) return rest;
    }
    static const char *const after[] = {" is the answer", " is the correct answer", " is the final answer", " is correct"};
    for (size_t i = 0; i < COUNT_OF(after); i++) {
        const char *at = last_word(s.at, s.size, after[i]);
        if (at && at - s.at < 64) return trimmed(s.at, (size_t)(at - s.at));
    }
    return s;
}

/* ** around, one quotation mark or backtick around, a full stop at the end. */
static span undressed(span s) {
    for (bool more = true; more && s.size;) {
        size_t before = s.size;
        if (s.size > 4 && !strncmp(s.at, "**", 2) && !strncmp(s.at + s.size - 2, "**", 2)) s = trimmed(s.at + 2, s.size - 4);
        if (s.size > 2 && strchr("\"'`*", *s.at) && s.at[s.size - 1] == *s.at) s = trimmed(s.at + 1, s.size - 2);
        if (s.size > 1 && strchr(".,;", s.at[s.size - 1])) s = trimmed(s.at, s.size - 1);
        more = s.size < before;
    }
    return s;
}

/* The answer tag's content, else the boxes' (as mathematics), else by `how` what is announced or everything; free(), NULL without an answer. `found` when it stood in plain text. */
static char *answer_part(const char *text, math_search how, bool *found) {
    size_t n = strlen(text);
    const char *from = answer_find(text, true, false, &n);
    bool tag = from != NULL;
    if (!tag) {
        from = text;
        if (n > MATH_TEXT_MAX) from += n - MATH_TEXT_MAX, n = MATH_TEXT_MAX;
    }
    char *inside = math_unbox(from, n, false), *out = NULL;
    bool box = strlen(inside) != n || strncmp(inside, from, n);
    *found = !tag && !box;
    if (!*found || how != MATH_MARKED) {
        span s = trimmed(inside, strlen(inside));
        s = undressed(how == MATH_ANYWHERE || tag ? announced(s) : s);
        out = box ? mem_printf("$%.*s$", (int)s.size, s.at) : mem_strndup(s.at, s.size);
    }
    free(inside);
    return out;
}

/* ---- words and letters ---- */

/* Lower case without dollars, \text and blanks: one spelling of a word. */
static char *squeezed(const char *s) {
    buf b = {0};
    for (; *s; s++) {
        if (!strncmp(s, "\\text{", 6)) s += 5;
        else if (!strncmp(s, "\\mathrm{", 8)) s += 7;
        else if (!is_blank(*s) && !strchr("${}", *s)) buf_putc(&b, (char)tolower((unsigned char)*s));
    }
    return buf_take(&b);
}

/* The letter of a choice: alone, in brackets, or before the option's text ("B. 12", "(b) twelve"). s is squeezed. */
static char letter_of(const char *s, bool with_text) {
    bool bracket = *s == '(';
    s += bracket;
    char c = *s;
    if (c < 'a' || c > 'j') return '\0';
    if (!*++s) return bracket ? '\0' : c;
    bool mark = *s == ')' || (!bracket && strchr(".:", *s));
    if (!mark) return '\0';
    s++;
    return !*s || !strcmp(s, ".") || with_text ? c : '\0';
}

/* A letter in running words: "The correct option is (C)"; '\0' when there are several. */
static char letter_within(const char *s) {
    char found = '\0';
    for (const char *k = s; *k; k++) {
        bool alone = *k >= 'A' && *k <= 'J' && (k == s || strchr(" (*$\"", k[-1])) && !is_alpha(k[1]) && k[1] != '\'';
        bool article = *k == 'A' && k[1] == ' ' && is_alpha(k[2]);
        if (!alone || article) continue;
        if (found && found != *k) return '\0';
        found = *k;
    }
    return (char)tolower((unsigned char)found);
}

/* ---- units ---- */

enum { NO_UNIT, LENGTH, MASS, TIME, MONEY, ANGLE, VOLUME, SPEED };
static const struct {
    const char *names; /* blanks around each */
    int dimension;
    rational factor;
} units[] = {
    {" mm millimeter millimeters millimetre millimetres ", LENGTH, {1, 1000}},
    {" cm centimeter centimeters centimetre centimetres ", LENGTH, {1, 100}},
    {" m meter meters metre metres ", LENGTH, {1, 1}},
    {" km kilometer kilometers kilometre kilometres ", LENGTH, {1000, 1}},
    {" inch inches ", LENGTH, {127, 5000}},
    {" ft foot feet ", LENGTH, {381, 1250}},
    {" yd yard yards ", LENGTH, {1143, 1250}},
    {" mile miles ", LENGTH, {201168, 125}},
    {" g gram grams ", MASS, {1, 1000}},
    {" kg kilogram kilograms ", MASS, {1, 1}},
    {" mg milligram milligrams ", MASS, {1, 1000000}},
    {" s sec second seconds ", TIME, {1, 1}},
    {" min minute minutes ", TIME, {60, 1}},
    {" h hr hour hours ", TIME, {3600, 1}},
    {" day days ", TIME, {86400, 1}},
    {" dollar dollars usd ", MONEY, {1, 1}},
    {" cent cents ", MONEY, {1, 100}},
    {" degree degrees deg ", ANGLE, {1, 1}},
    {" l liter liters litre litres ", VOLUME, {1, 1}},
    {" ml milliliter milliliters millilitre millilitres ", VOLUME, {1, 1000}},
    {" mph ", SPEED, {1397, 3125}},
    {" kmh kmph ", SPEED, {5, 18}},
};

typedef struct {
    int dimension; /* NO_UNIT: none that is known */
    int power;
    rational factor;
} unit;

static int unit_row(const char *word, size_t n) {
    for (size_t i = 0; i < COUNT_OF(units); i++)
        for (const char *at = units[i].names; (at = strchr(at, ' ')) && at[1]; at++)
            if (!strncasecmp(at + 1, word, n) && at[1 + n] == ' ') return (int)i;
    return -1;
}

/* The unit that the last word of the text names, with a power behind it. */
static unit unit_of(const char *text) {
    unit u = {NO_UNIT, 1, {1, 1}};
    size_t end = strlen(text);
    while (end && strchr(" }$.", text[end - 1])) end--;
    if (end > 1 && isdigit((unsigned char)text[end - 1]) && strchr("^{", text[end - 2])) {
        u.power = text[--end] - '0';
        while (end && strchr("^{} ", text[end - 1])) end--;
    } else if (end > 1 && (unsigned char)text[end - 2] == 0xc2 && ((unsigned char)text[end - 1] & 0xfe) == 0xb2) { /* superscript 2, 3 */
        u.power = (unsigned char)text[end - 1] - 0xb0;
        end -= 2;
    }
    size_t from = end;
    while (from && is_alpha(text[from - 1])) from--;
    bool measured = from && from < end && strpbrk(text, "0123456789") < text + from && text[from - 1] != '\\';
    int row = measured ? unit_row(text + from, end - from) : -1;
    if (row >= 0 && u.power > 0) u.dimension = units[row].dimension, u.factor = units[row].factor;
    return u;
}

/* ---- mathematics ---- */

/* Signs that people type; the rest of the cleaning is the one for LaTeX. */
static char *typed(const char *s) {
    static const char *const signs[][2] = {{"\u2212", "-"},  {"\u2013", "-"},         {"\u221a", "\\sqrt "},   {"\u00b2", "^2"},
                                           {"\u00b3", "^3"}, {"\u00bd", "\\frac12 "}, {"\u00bc", "\\frac14 "}, {"\u00be", "\\frac34 "},
                                           {"\u20ac", ""},   {"\u00a3", ""},          {"\u00a5", ""},          {"~", " "}};
    buf b = {0};
    while (*s) {
        size_t i = 0;
        while (i < COUNT_OF(signs) && strncmp(s, signs[i][0], strlen(signs[i][0]))) i++;
        if (i < COUNT_OF(signs)) buf_puts(&b, signs[i][1]), s += strlen(signs[i][0]);
        else buf_putc(&b, *s++);
    }
    char *out = buf_take(&b), *clean = math_clean(out);
    free(out);
    return clean;
}

/* The text as it is; else without a few words behind the number ("10 apples each") or before it ("about 10"). */
static bool parse_words(math_tree *out, char *s, math_dialect dialect) {
    size_t n = strlen(s);
    if (math_parse(out, s, n, dialect)) return true;
    for (int words = 0; words < 6; words++) {
        while (n && !is_blank(s[n - 1])) n--;
        if (!n || strpbrk(s + n, "0123456789=<>\\")) break;
        while (n && is_blank(s[n - 1])) n--;
        s[n] = '\0';
        if (n && math_parse(out, s, n, dialect)) return true;
    }
    const char *from = s;
    for (int words = 0; words < 3 && is_alpha(*from); words++) {
        while (is_alpha(*from)) from++;
        if (!is_blank(*from)) return false;
        while (is_blank(*from)) from++;
        if (math_parse(out, from, strlen(from), dialect)) return true;
    }
    return false;
}

/* The value of an answer; NULL when it has none. search: a part of it will do. */
static math_tree *value_of(const char *part, bool search) {
    if (strlen(part) >= MATH_ANSWER_MAX) return NULL;
    math_dialect dialect = strpbrk(part, "$\\") ? MATH_LOOSE | MATH_LETTERS : MATH_LOOSE;
    char *clean = typed(part);
    math_tree *t = mem_new(1, sizeof *t);
    bool read = parse_words(t, clean, dialect);
    free(clean);
    if (read) return t;
    free(t);
    if (!search) return NULL;
    math_answer a;
    math_extract(&a, part, NULL);
    t = a.tree;
    a.tree = NULL;
    math_answer_free(&a);
    return t;
}

static bool same_quantity(math_tree *gold, unit u, math_tree *answer, unit v) {
    if (u.dimension != NO_UNIT && v.dimension != NO_UNIT) {
        if (u.dimension != v.dimension || u.power != v.power) return false;
        bool scaled = u.factor.top * v.factor.bottom != v.factor.top * u.factor.bottom;
        if (scaled) return u.power == 1 && math_equal_scaled(gold, u.factor, answer, v.factor);
    }
    return math_equal(gold, answer, &(math_rule){.human = true});
}

static bool same_mathematics(const char *want, const char *have, bool search) {
    math_tree *g = value_of(want, search), *a = value_of(have, search);
    bool same = g && a && same_quantity(g, unit_of(want), a, unit_of(have));
    free(a);
    free(g);
    return same;
}

static bool agree(const char *want, const char *have, bool search) {
    char *w = squeezed(want), *h = squeezed(have), letter = letter_of(w, strlen(w) > 1);
    bool same = !strcmp(w, h);
    if (!same && letter) {
        char chosen = letter_of(h, true);
        same = letter == (chosen ? chosen : letter_within(have));
    } else if (!same) same = same_mathematics(want, have, search);
    free(h);
    free(w);
    return same;
}

bool math_agrees(const char *gold, const char *text, math_search how) {
    bool plain, found;
    char *want = answer_part(gold, how == MATH_MARKED ? MATH_WHOLE : how, &plain), *have = answer_part(text, how, &found);
    bool same = have && agree(want, have, how == MATH_ANYWHERE && found);
    free(have);
    free(want);
    return same;
}

bool answer_agrees(const char *gold, const char *text) { return math_agrees(gold, text, MATH_ANYWHERE); }
