/* mathruler.c - the verdict of mathruler 0.1.0, the grader behind EasyR1's rewards: the same spelling, or for short expressions a difference that sympy would find to be nothing.
 *
 * Its rules are strict where a person would not be: an integer must be spelled as one, two fractions must be the same text, a tuple needs the same brackets. Expressions with
 * more than two letters are not looked into. Where sympy simplifies a difference to zero, here it must vanish at several points. */
#include "align/mathruler.h"

#include <complex.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the value of an expression at a point ---- */

enum { POINT_COUNT = 3, DEPTH_MAX = 64, ANSWER_MAX = 1 << 13 };
typedef struct {
    const char *at;
    int point, depth;
    bool wrong;
} reader;

static double complex read_sum(reader *r);

static double complex give_up(reader *r) {
    r->wrong = true;
    return NAN;
}

static bool eat(reader *r, const char *what) {
    size_t n = strlen(what);
    return strncmp(r->at, what, n) ? false : (r->at += n, true);
}

/* Numbers of both signs by name and point. */
static double symbol_value(uint32_t name, int point) {
    uint64_t h = hash_u64(&name, sizeof name, (uint64_t)point + 77);
    double x = 0.3 + 3.0 * (double)(h >> 11) / 9007199254740992.0;
    return h & 1 ? x : -x;
}

static double complex read_number(reader *r) {
    char *end;
    const char *s = r->at;
    if (s[0] == '0' && isdigit((unsigned char)s[1])) { /* Python takes no leading zeros, but in 00 and 01.5 */
        const size_t n = strspn(s, "0123456789");
        if (s[n] != '.' && s[n] != 'e' && strspn(s, "0") != n) return give_up(r);
    }
    double x = s[0] == '0' && s[1] == 'x' ? (end = (char *)s + 1, 0) : strtod(s, &end);
    r->at = end;
    return x;
}

static double complex read_bracket(reader *r) {
    if (r->depth >= DEPTH_MAX) return give_up(r);
    r->depth++;
    double complex x = read_sum(r);
    r->depth--;
    return eat(r, ")") ? x : give_up(r);
}

/* The letters of a word one by one are factors; the two functions that two letters can name, and pi, are words. */
static double complex read_name(reader *r) {
    static const char *const strange[] = {"if", "in", "is", "or", "as", "oo", "zoo", "re", "im", "li", "ff", "rf", "nan"};
    for (size_t i = 0; i < COUNT_OF(strange); i++) {
        size_t n = strlen(strange[i]);
        if (!strncmp(r->at, strange[i], n) && !isalpha((unsigned char)r->at[n])) return give_up(r);
    }
    if (eat(r, "sqrt(")) return csqrt(read_bracket(r));
    if (!strncmp(r->at, "sqrt", 4)) return give_up(r);
    if (eat(r, "ln(")) return clog(read_bracket(r));
    if (eat(r, "pi")) return acos(-1);
    uint32_t name;
    r->at += utf8_decode(r->at, strlen(r->at), &name);
    if (isdigit((unsigned char)*r->at) || *r->at == '_') return give_up(r); /* x1 */
    return symbol_value(name, r->point);
}

/* Letters of the alphabets that formulas use. */
static bool is_letter(const char *s) {
    uint32_t c;
    if (isalpha((unsigned char)*s)) return true;
    if ((unsigned char)*s < 0x80) return false;
    utf8_decode(s, strlen(s), &c);
    return (c >= 0xc0 && c <= 0x24f && c != 0xd7 && c != 0xf7) || (c >= 0x370 && c <= 0x3ff) || (c >= 0x400 && c <= 0x52f) ||
           (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x1d400 && c <= 0x1d7ff);
}

static bool starts_number(const char *s) { return isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1])); }

static double complex read_atom(reader *r) {
    double complex x = eat(r, "(") ? read_bracket(r) : starts_number(r->at) ? read_number(r) : is_letter(r->at) ? read_name(r) : give_up(r);
    while (!r->wrong && *r->at == '!' && r->at[1] != '=') {
        r->at++;
        x = cimag(x) == 0 ? tgamma(creal(x) + 1) : give_up(r);
    }
    return x;
}

static double complex read_signed(reader *r);

/* a^b, from the right; whole exponents by multiplication, so that they are exact. */
static double complex read_power(reader *r) {
    double complex x = read_atom(r);
    if (r->wrong || (!eat(r, "**") && !eat(r, "^"))) return x;
    if (r->depth >= DEPTH_MAX) return give_up(r);
    r->depth++;
    double complex y = read_signed(r), product = 1;
    r->depth--;
    double n = creal(y);
    if (cimag(y) != 0 || n != nearbyint(n) || fabs(n) > 64) return cpow(x, y);
    for (int i = 0; i < (int)fabs(n); i++) product *= x;
    return n < 0 ? 1 / product : product;
}

static double complex read_signed(reader *r) {
    bool negative = false;
    for (; *r->at == '-' || *r->at == '+'; r->at++) negative ^= *r->at == '-';
    double complex x = read_power(r);
    return negative ? -x : x;
}

/* Factors side by side are multiplied as if a sign stood between them. */
static double complex read_product(reader *r) {
    double complex x = read_signed(r);
    while (!r->wrong) {
        if (eat(r, "*")) x *= read_signed(r);
        else if (eat(r, "/")) x /= read_signed(r);
        else if (*r->at == '(' || starts_number(r->at) || is_letter(r->at)) x *= read_power(r);
        else break;
    }
    return x;
}

static double complex read_sum(reader *r) {
    double complex x = read_product(r);
    while (!r->wrong) {
        if (eat(r, "+")) x += read_product(r);
        else if (eat(r, "-")) x -= read_product(r);
        else break;
    }
    return x;
}

static bool value_at(double complex *out, const char *s, int point) {
    reader r = {.at = s, .point = point};
    *out = read_sum(&r);
    return !r.wrong && !*r.at && isfinite(creal(*out)) && isfinite(cimag(*out));
}

/* ---- may sympy look at it? ---- */

static int distinct_letters(const char *s, uint32_t *seen, int count, int most) {
    for (uint32_t c; *s;) {
        if (!strncmp(s, "sqrt", 4) || !strncmp(s, "frac", 4)) {
            s += 4;
            continue;
        }
        bool letter = is_letter(s), known = false;
        s += utf8_decode(s, strlen(s), &c);
        for (int i = 0; i < count; i++) known |= seen[i] == c;
        if (letter && !known && count < most) seen[count++] = c;
    }
    return count;
}

static bool has_large_power(const char *s) {
    for (; (s = strchr(s, '^')); s++) {
        size_t digits = strspn(s + 1, "0123456789");
        if (s[1] == '(' || s[1] == '{' || digits > 1 || (digits && s[1 + digits] == '^')) return true;
    }
    return false;
}

static bool no_difference(const char *gold, const char *given) {
    uint32_t seen[3];
    int letters = distinct_letters(given, seen, distinct_letters(gold, seen, 0, 3), 3);
    if (letters > 2 || has_large_power(gold) || has_large_power(given)) return false;
    for (int point = 0; point < POINT_COUNT; point++) {
        double complex a, b;
        if (!value_at(&a, gold, point) || !value_at(&b, given, point)) return false;
        if (cabs(a - b) > 1e-12 * fmax(1, fmax(cabs(a), cabs(b)))) return false;
    }
    return true;
}

/* ---- element by element ---- */

/* -1/2 and the like, one more character allowed behind each number. */
static bool is_fraction(const char *s) {
    s += *s == '-';
    size_t n = strspn(s, "0123456789");
    if (!n) return false;
    for (size_t more = 0; more < 2; more++) {
        const char *p = s + n + more;
        if (more && (!s[n] || s[n] == '\n')) break;
        if (*p != '/') continue;
        p += 1 + strspn(p + 1, "0");
        size_t digits = strspn(p, "0123456789");
        if (digits && *p != '0' && (!p[digits] || (!p[digits + 1] && p[digits] != '\n'))) return true;
    }
    return false;
}

static bool is_tuple(const char *s) {
    static const char brackets[] = "()[]";
    size_t n = strlen(s);
    return n > 2 && strchr(brackets, s[0]) && strchr(brackets, s[n - 1]) && strcspn(s + 1, brackets) == n - 2;
}

/* The text between commas inside, from *at on; false at the end. free() */
static bool next_element(const char **at, const char *end, bool tuple, char **out) {
    if (!*at || *at > end) return false;
    const char *comma = tuple ? memchr(*at, ',', (size_t)(end - *at)) : NULL;
    *out = mem_strndup(*at, (size_t)((comma ? comma : end) - *at));
    *at = comma ? comma + 1 : NULL;
    return true;
}

static bool element_agrees(const char *gold, const char *given) {
    if (is_fraction(gold) && is_fraction(given)) return !strcmp(gold, given);
    return mathruler_is_integer(gold) == mathruler_is_integer(given) && no_difference(gold, given);
}

static int elements_of(const char *s) {
    if (!is_tuple(s)) return 1;
    int n = 1;
    for (; *s; s++) n += *s == ',';
    return n;
}

static bool elements_agree(const char *gold, const char *given) {
    const bool two[] = {is_tuple(gold), is_tuple(given)};
    const char *a = gold + two[0], *b = given + two[1], *a_end = gold + strlen(gold) - two[0], *b_end = given + strlen(given) - two[1];
    bool same = true;
    for (char *x, *y; same && next_element(&a, a_end, two[0], &x);) {
        next_element(&b, b_end, two[1], &y);
        same = element_agrees(x, y);
        free(y);
        free(x);
    }
    return same;
}

bool mathruler_agrees(const char *gold, const char *given) {
    if (strlen(gold) > ANSWER_MAX || strlen(given) > ANSWER_MAX) return !strcmp(gold, given);
    char *a = mathruler_math(gold), *b = mathruler_math(given);
    bool same = !strcmp(a, b);
    free(b), free(a);
    if (same) return true;
    a = mathruler_prm(gold), b = mathruler_prm(given);
    same = !strcmp(a, b);
    if (!same && *a && *b) {
        const char first = *a != *b, last = a[strlen(a) - 1] != b[strlen(b) - 1];
        char *x = mathruler_without_commas(a), *y = mathruler_without_commas(b);
        same = elements_of(x) == elements_of(y) && !(elements_of(x) > 1 && (first || last)) && elements_agree(x, y);
        free(y), free(x);
    }
    free(b), free(a);
    return same;
}
