/* mathruler_text.c - answers brought to one spelling as mathruler 0.1.0 does it: the MATH data set's normalisation, and prm800k's. Source: mathruler/math_normalize.py and
 * grader.py; faults included, since a reward that should equal EasyR1's must fail where it fails. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/mathruler.h"

/* s with every `from` as `to`; frees s. */
static char *replaced(char *s, const char *from, const char *to) {
    buf b = {0};
    const size_t n = strlen(from);
    const char *p = s;
    for (const char *at; (at = strstr(p, from)); p = at + n) {
        buf_put(&b, p, (size_t)(at - p));
        buf_puts(&b, to);
    }
    buf_puts(&b, p);
    free(s);
    return buf_take(&b);
}

static char *taken(char *s, size_t from, size_t to) {
    char *out = mem_strndup(s + from, to - from);
    free(s);
    return out;
}

/* The inside when all of s is one \text{...} on one line; frees s. */
static char *without_text(char *s) {
    size_t n = strlen(s);
    if (n && s[n - 1] == '\n') n--; /* where a dollar sign may match too */
    const bool whole = n > 7 && !strncmp(s, "\\text{", 6) && s[n - 1] == '}' && !memchr(s, '\n', n);
    return whole ? taken(s, 6, n - 1) : s;
}

/* ---- the MATH data set's ---- */

/* \frac12 as \frac{1}{2}. NULL where the original fails: nothing behind a \frac. */
static char *with_braces(const char *s) {
    buf b = {0};
    const char *at = strstr(s, "\\frac");
    buf_put(&b, s, at ? (size_t)(at - s) : strlen(s));
    while (at) {
        const char *from = at + 5, *next = strstr(from, "\\frac"), *end = next ? next : from + strlen(from);
        if (from == end) return buf_free(&b), NULL;
        buf_puts(&b, "\\frac");
        if (*from == '{') buf_put(&b, from, (size_t)(end - from));
        else if (end - from < 2) return buf_free(&b), mem_strdup(s);
        else if (from[1] == '{') buf_printf(&b, "{%c}%.*s", *from, (int)(end - from - 1), from + 1);
        else buf_printf(&b, "{%c}{%c}%.*s", from[0], from[1], (int)(end - from - 2), from + 2);
        at = next;
    }
    return buf_take(&b);
}

/* \sqrt3 as \sqrt{3}; NULL where nothing is behind a \sqrt. */
static char *with_root_braces(const char *s) {
    buf b = {0};
    const char *at = strstr(s, "\\sqrt");
    buf_put(&b, s, at ? (size_t)(at - s) : strlen(s));
    while (at) {
        const char *from = at + 5, *next = strstr(from, "\\sqrt"), *end = next ? next : from + strlen(from);
        if (from == end) return buf_free(&b), NULL;
        if (*from == '{') buf_printf(&b, "\\sqrt%.*s", (int)(end - from), from);
        else buf_printf(&b, "\\sqrt{%c}%.*s", *from, (int)(end - from - 1), from + 1);
        at = next;
    }
    return buf_take(&b);
}

/* A whole number in its shortest spelling: how many bytes, 0 when it is something else. */
static size_t plain_integer(const char *s) {
    const size_t sign = *s == '-', n = strspn(s + sign, "0123456789");
    return n && (n == 1 || s[sign] != '0') && !(sign && s[1] == '0') ? sign + n : 0;
}

/* a/b of whole numbers as \frac{a}{b}; frees s. */
static char *slash_as_fraction(char *s) {
    const size_t n = plain_integer(s), m = n && s[n] == '/' ? plain_integer(s + n + 1) : 0;
    if (!m || s[n + 1 + m]) return s;
    char *out = mem_printf("\\frac{%.*s}{%s}", (int)n, s, s + n + 1);
    free(s);
    return out;
}

/* NULL where the original raises. */
static char *stripped(const char *text) {
    static const char *const gone[][2] = {{"\n", ""},     {"\\!", ""},     {"\\\\", "\\"},    {"tfrac", "frac"}, {"dfrac", "frac"},
                                          {"\\left", ""}, {"\\right", ""}, {"^{\\circ}", ""}, {"^\\circ", ""},   {"\\$", ""}},
                             *const zeros[][2] = {{"\\%", ""}, {"%", ""}, {" .", " 0."}, {"{.", "{0."}};
    char *s = mem_strdup(text);
    for (size_t i = 0; i < COUNT_OF(gone); i++) s = replaced(s, gone[i][0], gone[i][1]);
    const char *unit = strstr(s, "\\text{ ");
    if (unit && strstr(unit + 1, "\\text{ ")) return free(s), NULL;
    if (unit) s = taken(s, 0, (size_t)(unit - s));
    for (size_t i = 0; i < COUNT_OF(zeros); i++) s = replaced(s, zeros[i][0], zeros[i][1]);
    if (!*s) return s;
    if (*s == '.') {
        char *with = mem_printf("0%s", s);
        free(s);
        s = with;
    }
    const char *equals = strchr(s, '=');
    if (equals && !strchr(equals + 1, '=') && python_length(s, equals) <= 2) s = taken(s, (size_t)(equals + 1 - s), strlen(s));
    char *rooted = with_root_braces(s);
    free(s);
    if (!rooted) return NULL;
    rooted = replaced(rooted, " ", "");
    char *out = with_braces(rooted);
    free(rooted);
    if (!out) return NULL;
    if (!strcmp(out, "0.5")) return free(out), mem_strdup("\\frac{1}{2}");
    return slash_as_fraction(out);
}

char *mathruler_math(const char *answer) {
    char *inside = without_text(python_strip(answer)), *s = python_strip(inside);
    free(inside);
    char *out = stripped(s);
    if (!out) return s;
    free(s);
    return out;
}

/* ---- prm800k's ---- */

static bool is_whole(double x) { return isfinite(x) && fabs(x - nearbyint(x)) <= 1e-7; }

/* Commas before three digits that no fourth follows; frees s. */
static char *without_commas(char *s) {
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 1; *s && s[i]; i++)
            if (s[i] == ',' && isdigit((unsigned char)s[i - 1]) && strspn(s + i + 1, "0123456789") == 3) {
                memmove(s + i, s + i + 1, strlen(s + i));
                more = true;
            }
    }
    return s;
}

char *mathruler_without_commas(const char *s) { return without_commas(mem_strdup(s)); }

bool mathruler_is_integer(const char *s) {
    char *plain = mathruler_without_commas(s);
    double x;
    bool whole = python_number(plain, &x) && is_whole(x);
    free(plain);
    return whole;
}

/* A unit word, its plural and its power, wherever they stand; frees s. */
static char *without_unit(char *s, const char *unit) {
    buf b = {0};
    const char *p = s;
    for (const char *at; (at = strstr(p, unit));) {
        buf_put(&b, p, (size_t)(at - p));
        p = at + strlen(unit);
        if (!strncmp(p, "es", 2)) p += 2;
        if (*p == 's') p++;
        p += strspn(p, " ");
        size_t digits = *p == '^' ? strspn(p + 1, "0123456789") : 0;
        if (digits) p += 1 + digits;
    }
    buf_puts(&b, p);
    free(s);
    return buf_take(&b);
}

/* What starts with `head`, any blanks and `tail` goes, or becomes `to`; frees s. */
static char *without_spaced(char *s, const char *head, const char *tail, const char *to) {
    buf b = {0};
    for (const char *p = s; *p;) {
        size_t n = strncmp(p, head, strlen(head)) ? 0 : strlen(head);
        size_t blanks = n ? strspn(p + n, " ") : 0;
        if (n && !strncmp(p + n + blanks, tail, strlen(tail))) {
            buf_puts(&b, to);
            p += n + blanks + strlen(tail);
        } else buf_putc(&b, *p++);
    }
    free(s);
    return buf_take(&b);
}

/* 7 3/4 as 7+3/4; frees s. */
static char *mixed_as_sum(char *s) {
    buf b = {0};
    for (const char *p = s; *p;) {
        size_t blanks = isdigit((unsigned char)*p) ? strspn(p + 1, " ") : 0;
        if (blanks && isdigit((unsigned char)p[1 + blanks])) {
            buf_printf(&b, "%c+%c", *p, p[1 + blanks]);
            p += 2 + blanks;
        } else buf_putc(&b, *p++);
    }
    free(s);
    return buf_take(&b);
}

static char *as_integer(char *s) {
    double x;
    if (!python_number(s, &x) || !is_whole(x)) return s;
    free(s);
    return mem_printf("%.0f", nearbyint(x) == 0 ? 0 : nearbyint(x));
}

static char *lower_case(char *s) {
    for (char *p = s; *p; p++) *p = (char)tolower((unsigned char)*p);
    return s;
}

char *mathruler_prm(const char *answer) {
    static const char *const words[][2] =
        {{"\\%", "%"},         {"\\$", "$"},          {"$", ""}, {"%", ""}, {" or ", " , "}, {" and ", " , "}, {"million", "*10^6"},
         {"billion", "*10^9"}, {"trillion", "*10^12"}},
                             *const units[] = {"degree", "cm",   "centimeter", "meter", "mile", "second", "minute", "hour",
                                               "day",    "week", "month",      "year",  "foot", "feet",   "inch",   "yard"};
    char *s = without_text(mem_strdup(answer));
    for (size_t i = 0; i < COUNT_OF(words); i++) s = replaced(s, words[i][0], words[i][1]);
    for (size_t i = 0; i < COUNT_OF(units); i++) s = without_unit(s, units[i]);
    s = without_spaced(s, "^", "\\circ", "");
    size_t n = strlen(s);
    if (n && *s == '{' && s[n - 1] == '}') s = n > 1 ? taken(s, 1, n - 1) : taken(s, 0, 0);
    s = without_spaced(s, ",\\!", "", "");
    s = as_integer(s);
    if (strchr(s, '\\')) {
        char *plain = mathruler_latex(s);
        if (plain) free(s), s = plain;
    }
    s = without_spaced(s, "-", "", "-");
    s = replaced(mixed_as_sum(s), " ", "");
    s = lower_case(replaced(replaced(s, "{", ""), "}", ""));
    if (!mathruler_is_integer(s)) return s;
    double x;
    s = replaced(s, ",", "");
    python_number(s, &x);
    free(s);
    return mem_printf("%.0f", trunc(x) == 0 ? 0 : trunc(x));
}
