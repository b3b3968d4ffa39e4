/* jinja_filters_value.c - filters that give numbers, and default; how numbers are read. */
#include "text/jinja_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers in text ---- */

enum { NUMBER_SIZE_MAX = 4300 }; /* Python's own limit for integers; longer ones are no numbers */

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

static void skip_space(const jstr *s, size_t *first, size_t *last) {
    uint32_t c;
    size_t kept = *first;
    for (size_t at = *first, n; at < *last; at += n) {
        n = (size_t)utf8_decode(s->at + at, *last - at, &c);
        if (utf8_is_space(c)) {
            if (kept == *first) *first = kept = at + n;
        } else {
            kept = at + n;
        }
    }
    *last = kept;
}

/* The prefix 0x, 0o, 0b of this base; base 0 takes any. */
static size_t skip_prefix(const jstr *s, size_t at, size_t last, int *base) {
    if (last - at < 2 || s->at[at] != '0') return at;
    char kind = s->at[at + 1] | 0x20;
    int named = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (!named || (*base && *base != named)) return at;
    *base = named;
    at += 2;
    return at < last && s->at[at] == '_' ? at + 1 : at;
}

int64_t parse_integer(jx *x, const jstr *s, int base, bool *ok) {
    size_t at = 0, last = s->size;
    int64_t value = 0;
    *ok = false;
    jx_chars(x, s->size);
    skip_space(s, &at, &last);
    if (last - at > NUMBER_SIZE_MAX) return 0;
    bool is_negative = at < last && s->at[at] == '-';
    if (at < last && (s->at[at] == '-' || s->at[at] == '+')) at++;
    if (base != 0 && (base < 2 || base > 36)) return 0;
    bool any_base = base == 0;
    at = skip_prefix(s, at, last, &base);
    if (base == 0) base = 10;
    size_t first = at;
    bool overflows = false;
    for (; at < last; at++) {
        if (s->at[at] == '_' && at > first && at + 1 < last && s->at[at - 1] != '_') continue;
        int digit = digit_of(s->at[at]);
        if (digit >= base) return 0;
        overflows |= __builtin_mul_overflow(value, base, &value) || __builtin_sub_overflow(value, digit, &value);
    }
    if (at == first || (any_base && base == 10 && s->at[first] == '0' && value != 0)) return 0;
    overflows |= !is_negative && value == INT64_MIN;
    if (overflows) jx_fail(x, LMM_E_LIMIT, "an integer does not fit into 64 bits");
    *ok = true;
    return is_negative ? value : -value;
}

/* Digits with single underscores between them, appended to text; the end. */
static size_t copy_digits(const jstr *s, size_t at, size_t last, buf *text) {
    size_t first = at;
    for (; at < last; at++) {
        if (s->at[at] == '_' && at > first && at + 1 < last && digit_of(s->at[at + 1]) < 10 && digit_of(s->at[at - 1]) < 10) continue;
        if (digit_of(s->at[at]) >= 10) break;
        buf_putc(text, s->at[at]);
    }
    return at;
}

static bool is_word_at(const jstr *s, size_t at, size_t last, const char *word) {
    if (last - at != strlen(word)) return false;
    for (size_t i = 0; word[i]; i++) {
        if ((s->at[at + i] | 0x20) != word[i]) return false;
    }
    return true;
}

/* Only decimal numbers, inf and nan: strtod knows more than Python's float(). */
double parse_real(jx *x, const jstr *s, bool *ok) {
    size_t at = 0, last = s->size;
    buf text = {0};
    double value = 0;
    *ok = false;
    jx_chars(x, s->size);
    skip_space(s, &at, &last);
    if (last - at > NUMBER_SIZE_MAX) return 0;
    bool is_negative = at < last && s->at[at] == '-';
    if (at < last && (s->at[at] == '-' || s->at[at] == '+')) at++;
    if (is_word_at(s, at, last, "inf") || is_word_at(s, at, last, "infinity") || is_word_at(s, at, last, "nan")) {
        value = (s->at[at] | 0x20) == 'n' ? (double)NAN : (double)INFINITY;
        *ok = true;
    } else {
        size_t whole = at, digits;
        at = copy_digits(s, at, last, &text);
        digits = at - whole;
        if (at < last && s->at[at] == '.') {
            buf_putc(&text, '.');
            size_t fraction = at + 1;
            at = copy_digits(s, fraction, last, &text);
            digits += at - fraction;
        }
        *ok = digits > 0;
        if (*ok && at < last && (s->at[at] | 0x20) == 'e') {
            buf_putc(&text, 'e');
            at++;
            if (at < last && (s->at[at] == '-' || s->at[at] == '+')) buf_putc(&text, s->at[at++]);
            size_t exponent = at;
            at = copy_digits(s, at, last, &text);
            *ok = at > exponent;
        }
        *ok = *ok && at == last;
        if (*ok) value = strtod(text.data, NULL);
    }
    buf_free(&text);
    return is_negative ? -value : value;
}

static jval filter_int(jx *x, jcall *c) {
    jval otherwise = arg_or(c->arg[0], j_int(0)), v = c->self;
    bool ok;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (j_is_int(v)) return j_int(v.i);
    if (v.type == J_FLOAT) return isnan(v.f) ? otherwise : j_int(real_to_int(x, v.f));
    if (v.type != J_STRING) return otherwise;
    int64_t base = given(c->arg[1]) ? need_int(x, c->arg[1], "the base of int") : 10;
    int64_t i = parse_integer(x, v.s, base < 0 || base > 36 ? 1 : (int)base, &ok);
    if (ok) return j_int(i);
    double f = parse_real(x, v.s, &ok);
    return ok && isfinite(f) ? j_int(real_to_int(x, f)) : otherwise;
}

static jval filter_float(jx *x, jcall *c) {
    bool ok = j_is_number(c->self);
    if (c->self.type == J_UNDEFINED) undefined_fail(x, c->self);
    if (ok) return j_float(j_to_real(c->self));
    double f = c->self.type == J_STRING ? parse_real(x, c->self.s, &ok) : 0;
    return ok ? j_float(f) : arg_or(c->arg[0], j_float(0));
}

static jval filter_abs(jx *x, jcall *c) {
    jval v = c->self;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (v.type == J_FLOAT) return j_float(fabs(v.f));
    if (!j_is_int(v)) jx_fail(x, LMM_E_ARG, "bad operand type for abs(): '%s'", type_name(v));
    return v.i < 0 ? j_negative(x, v) : j_int(v.i);
}

/* ---- round ---- */

enum { DIGITS_MAX = 323 }; /* beyond, a double has nothing to round */

static double round_real(double f, int64_t digits) {
    char text[700];
    if (!isfinite(f) || digits > DIGITS_MAX) return f;
    if (digits < -308) return copysign(0, f);
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, f); /* exact, halves to even: as Python */
        return strtod(text, NULL);
    }
    double power = pow(10, (double)-digits);
    return nearbyint(f / power) * power;
}

static jval round_int(jx *x, int64_t i, int64_t digits) {
    if (digits >= 0) return j_int(i);
    if (digits < -18) return j_int(0);
    int64_t power = 1;
    for (int64_t d = digits; d < 0; d++) power *= 10;
    int64_t rest = i % power;
    if (rest < 0) rest += power;
    jval low = j_binary(x, '-', j_int(i), j_int(rest));
    bool is_up = rest > power - rest || (rest == power - rest && (low.i / power) % 2 != 0);
    return is_up ? j_binary(x, '+', low, j_int(power)) : low;
}

static jval filter_round(jx *x, jcall *c) {
    bool to_int = c->arg[0].type == J_NONE; /* round(x, None) gives an integer */
    int64_t digits = given(c->arg[0]) && !to_int ? need_int(x, c->arg[0], "the precision of round") : 0;
    jval method = arg_or(c->arg[1], j_word(x, "common"));
    if (c->self.type == J_UNDEFINED) undefined_fail(x, c->self);
    if (!str_is(method, "common") && !str_is(method, "ceil") && !str_is(method, "floor")) {
        jx_fail(x, LMM_E_ARG, "the method of round is common, ceil or floor");
    }
    if (!j_is_number(c->self)) jx_fail(x, LMM_E_ARG, "round needs a number, not '%s'", type_name(c->self));
    if (to_int && c->self.type == J_FLOAT) return j_int(real_to_int(x, round_real(c->self.f, 0)));
    if (str_is(method, "common")) return j_is_int(c->self) ? round_int(x, c->self.i, digits) : j_float(round_real(c->self.f, digits));
    jval power = j_binary(x, 'p', j_int(10), j_int(digits));
    double scaled = j_to_real(j_binary(x, '*', c->self, power));
    double whole = str_is(method, "ceil") ? ceil(scaled) : floor(scaled);
    return j_binary(x, '/', j_int(real_to_int(x, whole)), power);
}

static jval filter_default(jx *x, jcall *c) {
    bool use = c->self.type == J_UNDEFINED || (j_truth(c->arg[1]) && !j_truth(c->self));
    return use ? arg_or(c->arg[0], j_word(x, "")) : c->self;
}

static jval filter_length(jx *x, jcall *c) { return j_int(j_length(x, c->self)); }
static jval filter_attr(jx *x, jcall *c) { return j_attribute_only(x, c->self, c->arg[0]); }

/* clang-format off */
const jbuiltin filters_of_values[] = {
    {"int", filter_int, "default base", 0}, {"float", filter_float, "default", 0}, {"abs", filter_abs, "", 0},
    {"round", filter_round, "precision method", 0}, {"default", filter_default, "default_value boolean", 0},
    {"d", filter_default, "default_value boolean", 0}, {"length", filter_length, "", 0}, {"count", filter_length, "", 0},
    {"attr", filter_attr, "name", 1}, {0}};
/* clang-format on */
