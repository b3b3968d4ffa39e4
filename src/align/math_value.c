/* math_value.c - what a tree of numbers is worth: exactly, as a fraction in 64 bits, or as a complex double with symbols standing for chosen reals. */
#include "align/math_int.h"

#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- exact ---- */

static bool times(int64_t a, int64_t b, int64_t *out) {
    if (a == INT64_MIN || b == INT64_MIN) return false;
    if (a && llabs(b) > INT64_MAX / llabs(a)) return false;
    *out = a * b;
    return true;
}

static bool plus(int64_t a, int64_t b, int64_t *out) {
    if ((b > 0 && a > INT64_MAX - b) || (b < 0 && a < -INT64_MAX - b)) return false;
    *out = a + b;
    return true;
}

static int64_t common_divisor(int64_t a, int64_t b) {
    for (int64_t r; b; a = b, b = r) r = a % b;
    return llabs(a);
}

static bool fraction(int64_t top, int64_t bottom, rational *out) {
    if (!bottom || top == INT64_MIN || bottom == INT64_MIN) return false;
    int64_t d = common_divisor(top, bottom);
    *out = (rational){bottom < 0 ? -top / d : top / d, llabs(bottom) / d};
    return true;
}

static bool exact_add(rational a, rational b, rational *out) {
    int64_t d = common_divisor(a.bottom, b.bottom), x, y, top, bottom;
    return times(a.top, b.bottom / d, &x) && times(b.top, a.bottom / d, &y) && plus(x, y, &top) && times(a.bottom, b.bottom / d, &bottom) &&
           fraction(top, bottom, out);
}

static bool exact_multiply(rational a, rational b, rational *out) {
    int64_t p = common_divisor(a.top, b.bottom), q = common_divisor(b.top, a.bottom), top, bottom;
    if (!p || !q) return *out = (rational){0, 1}, true; /* 0 over something */
    return times(a.top / p, b.top / q, &top) && times(a.bottom / q, b.bottom / p, &bottom) && fraction(top, bottom, out);
}

static bool exact_number(const math_node *n, rational *out) {
    int64_t top = 0, bottom = 1;
    bool point = false;
    for (size_t i = 0; i < n->size; i++) {
        if (n->text[i] == '.') point = true;
        else if (!times(top, 10, &top) || !plus(top, n->text[i] - '0', &top) || (point && !times(bottom, 10, &bottom))) return false;
    }
    return fraction(top, bottom, out);
}

static bool exact_power(rational a, rational e, rational *out) {
    if (e.bottom != 1 || llabs(e.top) > 64 || (!a.top && e.top <= 0)) return false;
    rational r = {1, 1};
    for (int64_t i = llabs(e.top); i; i--)
        if (!exact_multiply(r, a, &r)) return false;
    return e.top < 0 ? fraction(r.bottom, r.top, out) : (*out = r, true);
}

static bool integer_root(int64_t x, int64_t degree, int64_t *out) {
    int64_t guess = llround(pow((double)x, 1.0 / (double)degree)), p = 1;
    for (int64_t i = 0; i < degree; i++)
        if (!times(p, guess, &p)) return false;
    *out = guess;
    return p == x;
}

/* Powers with a fraction as exponent and roots, when they come out even. */
static bool exact_root(rational a, rational degree, rational *out) {
    int64_t top, bottom;
    if (degree.bottom != 1 || degree.top < 1 || degree.top > 64 || a.top < 0) return false;
    return integer_root(a.top, degree.top, &top) && integer_root(a.bottom, degree.top, &bottom) && fraction(top, bottom, out);
}

static bool exact_function(const math_node *n, rational *out) {
    rational a, b, r = {1, 1};
    if (!n->first || !math_exact(n->first, &a)) return false;
    const math_node *second = n->first->next;
    bool two = second && math_exact(second, &b), whole = a.bottom == 1;
    switch (n->op) {
    case FN_ABS: return fraction(llabs(a.top), a.bottom, out);
    case FN_FLOOR: return fraction(a.top / a.bottom - (a.top % a.bottom < 0), 1, out);
    case FN_CEIL: return fraction(a.top / a.bottom + (a.top % a.bottom > 0), 1, out);
    case FN_ROOT: return two && exact_root(a, b, out);
    case FN_FACTORIAL:
        if (!whole || a.top < 0 || a.top > 20) return false;
        for (int64_t i = 2; i <= a.top; i++) r.top *= i;
        return *out = r, true;
    case FN_BINOMIAL:
        if (!two || !whole || b.bottom != 1 || b.top < 0 || b.top > 60 || a.top < b.top) return false;
        for (int64_t i = 1; i <= b.top; i++)
            if (!times(r.top, a.top - b.top + i, &r.top)) return false;
            else r.top /= i;
        return *out = r, true;
    case FN_GCD:
    case FN_LCM:
    case FN_MIN:
    case FN_MAX:
        for (; second; second = second->next) {
            if (!math_exact(second, &b)) return false;
            if (n->op == FN_MIN || n->op == FN_MAX) {
                bool less = (double)b.top / (double)b.bottom < (double)a.top / (double)a.bottom;
                if (less == (n->op == FN_MIN)) a = b;
                continue;
            }
            if (a.bottom != 1 || b.bottom != 1 || !a.top || !b.top) return false;
            int64_t d = common_divisor(a.top, b.top);
            if (n->op == FN_GCD) a.top = d;
            else if (!times(llabs(a.top) / d, llabs(b.top), &a.top)) return false;
        }
        return *out = a, true;
    default: return false;
    }
}

bool math_exact(const math_node *n, rational *out) {
    rational a, b;
    if (n->kind == MATH_NUMBER) return exact_number(n, out);
    if (n->kind == MATH_FUNCTION) return exact_function(n, out);
    if (!n->first || n->kind > MATH_DEGREE || !math_exact(n->first, &a)) return false;
    if (n->kind == MATH_NEGATE) return fraction(-a.top, a.bottom, out);
    if (n->kind == MATH_PERCENT) return exact_multiply(a, (rational){1, 100}, out);
    if (n->kind == MATH_DEGREE) return *out = a, true;
    if (!n->first->next || !math_exact(n->first->next, &b)) return false;
    switch (n->kind) {
    case MATH_ADD: return exact_add(a, b, out);
    case MATH_MULTIPLY: return exact_multiply(a, b, out);
    case MATH_DIVIDE: return b.top && exact_multiply(a, (rational){b.top < 0 ? -b.bottom : b.bottom, llabs(b.top)}, out);
    case MATH_POWER:
        if (b.bottom != 1 && !exact_root(a, (rational){b.bottom, 1}, &a)) return false;
        return exact_power(a, (rational){b.top, 1}, out);
    default: return false;
    }
}

/* ---- numeric ---- */

bool math_has_symbols(const math_node *n) {
    if (n->kind == MATH_SYMBOL) return true;
    for (const math_node *c = n->first; c; c = c->next)
        if (math_has_symbols(c)) return true;
    return false;
}

bool math_is_set(const math_node *n) { return n->kind >= MATH_SET && n->kind <= MATH_REALS; }

/* Reals of both signs in 0.3..3.3 by name and point: the same name has the same value everywhere. */
static double symbol_value(const math_node *n, int point) {
    uint32_t h = 2166136261u + (uint32_t)point * 2654435761u;
    for (size_t i = 0; i < n->size; i++) h = (h ^ (unsigned char)n->text[i]) * 16777619u;
    h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
    double x = 0.3 + 3 * (double)(h >> 1) / 2147483648.0;
    return h & 1 && point % 2 ? -x : x;
}

static bool in_degrees(const math_node *n) {
    if (n->kind == MATH_DEGREE) return true;
    for (const math_node *c = n->first; c; c = c->next)
        if (in_degrees(c)) return true;
    return false;
}

static double complex function_value(const math_node *n, double complex a, double complex b) {
    double x = creal(a);
    if (n->op <= FN_CSC && in_degrees(n->first)) a *= acos(-1) / 180;
    switch (n->op) {
    case FN_SIN: return csin(a);
    case FN_COS: return ccos(a);
    case FN_TAN: return ctan(a);
    case FN_COT: return 1 / ctan(a);
    case FN_SEC: return 1 / ccos(a);
    case FN_CSC: return 1 / csin(a);
    case FN_ASIN: return casin(a);
    case FN_ACOS: return cacos(a);
    case FN_ATAN: return catan(a);
    case FN_SINH: return csinh(a);
    case FN_COSH: return ccosh(a);
    case FN_TANH: return ctanh(a);
    case FN_EXP: return cexp(a);
    case FN_LN: return clog(a);
    case FN_LOG: return clog(a) / (n->first->next ? clog(b) : log(10));
    case FN_ABS: return cabs(a);
    case FN_FLOOR: return floor(x);
    case FN_CEIL: return ceil(x);
    case FN_ROOT: return cimag(b) == 0 && creal(b) == 2 ? csqrt(a) : cpow(a, 1 / b);
    case FN_FACTORIAL: return tgamma(x + 1);
    case FN_BINOMIAL: return tgamma(x + 1) / (tgamma(creal(b) + 1) * tgamma(x - creal(b) + 1));
    case FN_MIN: return fmin(x, creal(b));
    case FN_MAX: return fmax(x, creal(b));
    default: return NAN;
    }
}

static double complex value(const math_node *n, int point) {
    rational r;
    if (n->kind == MATH_NUMBER) {
        char digits[64];
        if (n->size >= sizeof digits) return NAN;
        memcpy(digits, n->text, n->size);
        digits[n->size] = '\0';
        return strtod(digits, NULL);
    }
    if (n->kind == MATH_SYMBOL) return symbol_value(n, point);
    if (n->kind == MATH_CONSTANT) return n->op == 'p' ? acos(-1) : n->op == 'e' ? exp(1) : n->op == 'i' ? I : n->op == 'o' ? INFINITY : NAN;
    if (!n->first || n->kind > MATH_FUNCTION) return NAN;
    double complex a = value(n->first, point), b = n->first->next ? value(n->first->next, point) : 0;
    switch (n->kind) {
    case MATH_ADD: return a + b;
    case MATH_MULTIPLY: return cimag(a) == 0 && cimag(b) == 0 ? creal(a) * creal(b) : a * b;
    case MATH_DIVIDE:
        if (b == 0) return NAN;
        return cimag(a) == 0 && cimag(b) == 0 ? creal(a) / creal(b) : a / b;
    case MATH_NEGATE: return -a;
    case MATH_PERCENT: return a / 100;
    case MATH_DEGREE: return a; /* 45 degrees are 45, except in a sine */
    case MATH_POWER:
        if (math_exact(n->first->next, &r) && r.bottom == 1 && cimag(a) == 0) return pow(creal(a), creal(b));
        return cimag(a) == 0 && cimag(b) == 0 && creal(a) > 0 ? pow(creal(a), creal(b)) : cpow(a, b);
    case MATH_FUNCTION: return function_value(n, a, b);
    default: return NAN;
    }
}

math_complex math_value(const math_node *n, int point) {
    double complex v = value(n, point);
    return (math_complex){creal(v), cimag(v)};
}
