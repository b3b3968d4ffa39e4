/* jinja_ops.c - arithmetic and slices, by Python's rules. Integers have 64 bits: what does not fit is refused. */
#include "text/jinja_int.h"

#include <math.h>
#include <string.h>

int64_t need_int(jx *x, jval v, const char *what) {
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (!j_is_int(v)) jx_fail(x, LMM_E_ARG, "%s is of type '%s', needs an integer", what, type_name(v));
    return v.i;
}

const jstr *need_str(jx *x, jval v, const char *what) {
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (v.type != J_STRING) jx_fail(x, LMM_E_ARG, "%s is of type '%s', needs a string", what, type_name(v));
    return v.s;
}

static _Noreturn void fail_operands(jx *x, int op, jval a, jval b) {
    if (a.type == J_UNDEFINED) undefined_fail(x, a);
    if (b.type == J_UNDEFINED) undefined_fail(x, b);
    const char *sign = op == 'f' ? "//" : op == 'p' ? "**" : (char[]){(char)op, 0};
    if (op == '+' && (a.type == J_STRING || j_is_sequence(a))) {
        jx_fail(x, LMM_E_ARG, "can only concatenate %s (not \"%s\") to %s", type_name(a), type_name(b), type_name(a));
    }
    jx_fail(x, LMM_E_ARG, "unsupported operand type(s) for %s: '%s' and '%s'", sign, type_name(a), type_name(b));
}

static _Noreturn void fail_too_large(jx *x) { jx_fail(x, LMM_E_LIMIT, "an integer does not fit into 64 bits"); }

int64_t real_to_int(jx *x, double f) {
    if (isnan(f)) jx_fail(x, LMM_E_ARG, "cannot convert float NaN to integer");
    if (isinf(f)) jx_fail(x, LMM_E_ARG, "cannot convert float infinity to integer");
    if (fabs(f) >= 0x1p63) fail_too_large(x);
    return (int64_t)f;
}

/* ---- numbers ---- */

static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static int64_t int_power(jx *x, int64_t base, int64_t exponent) {
    int64_t result = 1;
    while (exponent > 0) {
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) fail_too_large(x);
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base)) fail_too_large(x);
    }
    return result;
}

static jval real_power(jx *x, double a, double b) {
    if (a == 0 && b < 0) jx_fail(x, LMM_E_ARG, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(b) && b != trunc(b)) jx_fail(x, LMM_E_UNSUPPORTED, "complex numbers are not supported");
    double result = pow(a, b);
    if (isinf(result) && isfinite(a) && isfinite(b)) jx_fail(x, LMM_E_ARG, "the result of ** is out of range");
    return j_float(result);
}

static double real_modulo(double a, double b) {
    double m = fmod(a, b);
    if (m == 0) return copysign(0, b);
    return (m < 0) != (b < 0) ? m + b : m;
}

static double real_floor_divide(double a, double b) {
    double m = fmod(a, b), quotient = (a - m) / b;
    if (m != 0 && (b < 0) != (m < 0)) quotient -= 1;
    if (quotient == 0) return copysign(0, a / b);
    double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

static jval int_math(jx *x, int op, int64_t a, int64_t b) {
    int64_t r = 0;
    bool overflows = false;
    if (b == 0 && (op == '/' || op == 'f' || op == '%')) jx_fail(x, LMM_E_ARG, "division by zero");
    switch (op) {
    case '+': overflows = __builtin_add_overflow(a, b, &r); break;
    case '-': overflows = __builtin_sub_overflow(a, b, &r); break;
    case '*': overflows = __builtin_mul_overflow(a, b, &r); break;
    case '/': return j_float((double)a / (double)b);
    case 'f':
        overflows = a == INT64_MIN && b == -1;
        if (!overflows) r = floor_divide(a, b);
        break;
    case '%': r = b == -1 ? 0 : a - floor_divide(a, b) * b; break;
    case 'p':
        if (b < 0) return real_power(x, (double)a, (double)b);
        r = int_power(x, a, b);
        break;
    }
    if (overflows) fail_too_large(x);
    return j_int(r);
}

static jval real_math(jx *x, int op, double a, double b) {
    if (b == 0 && (op == '/' || op == 'f' || op == '%')) jx_fail(x, LMM_E_ARG, "float division by zero");
    switch (op) {
    case '+': return j_float(a + b);
    case '-': return j_float(a - b);
    case '*': return j_float(a * b);
    case '/': return j_float(a / b);
    case 'f': return j_float(real_floor_divide(a, b));
    case '%': return j_float(real_modulo(a, b));
    default: return real_power(x, a, b);
    }
}

jval j_negative(jx *x, jval v) {
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (v.type == J_FLOAT) return j_float(-v.f);
    if (!j_is_int(v)) jx_fail(x, LMM_E_ARG, "bad operand type for unary -: '%s'", type_name(v));
    if (v.i == INT64_MIN) fail_too_large(x);
    return j_int(-v.i);
}

jval j_positive(jx *x, jval v) {
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (!j_is_number(v)) jx_fail(x, LMM_E_ARG, "bad operand type for unary +: '%s'", type_name(v));
    return v.type == J_FLOAT ? v : j_int(v.i);
}

/* ---- strings and lists ---- */

static jval add_strings(jx *x, jval a, jval b) {
    bool is_safe = a.s->is_safe || b.s->is_safe;
    if (is_safe && !a.s->is_safe) a = j_escape(x, a);
    if (is_safe && !b.s->is_safe) b = j_escape(x, b);
    return j_safe(x, j_concat(x, a.s, b.s), is_safe);
}

/* As j_concat: a list made by + has room behind it and grows in place. */
static jval add_lists(jx *x, jval a, jval b) {
    size_t count = a.l->count + b.l->count;
    jlist *l = jx_alloc(x, 1, sizeof *l);
    *l = (jlist){.at = a.l->at, .count = count, .store = a.l->store};
    jitems *store = l->store;
    jx_step(x, b.l->count);
    if (!store || a.l->at + a.l->count != store->at + store->used || store->capacity - store->used < b.l->count) {
        jx_step(x, a.l->count);
        store = jx_alloc(x, 1, sizeof *store);
        *store = (jitems){.used = a.l->count, .capacity = count + count / 2 + 2};
        store->at = jx_alloc(x, store->capacity, sizeof *store->at);
        if (a.l->count) memcpy(store->at, a.l->at, a.l->count * sizeof *store->at);
        l->at = store->at;
        l->store = store;
    }
    if (b.l->count) memcpy(store->at + store->used, b.l->at, b.l->count * sizeof *store->at);
    store->used += b.l->count;
    return (jval){.type = a.type, .l = l};
}

static jval repeat(jx *x, jval v, int64_t times) {
    size_t n = times > 0 ? (size_t)times : 0, first = x->work.size, count;
    if (!size_mul(v.type == J_STRING ? v.s->size : v.l->count, n, &count)) count = SIZE_MAX;
    if (v.type == J_STRING) {
        if (count > x->pool.size_max) jx_put(x, "", SIZE_MAX); /* fails with the sentence */
        jx_bytes(x, count);
        for (size_t i = 0; v.s->size && i < n; i++) jx_put(x, v.s->at, v.s->size);
        return j_safe(x, j_take(x, &x->work, first), v.s->is_safe);
    }
    jval *at = jx_alloc(x, count, sizeof *at);
    jx_step(x, count);
    for (size_t i = 0; i < count; i++) at[i] = v.l->at[i % v.l->count];
    return j_list(x, v.type, at, count);
}

jval j_binary(jx *x, int op, jval a, jval b) {
    if (j_is_int(a) && j_is_int(b)) return int_math(x, op, a.i, b.i);
    if (j_is_number(a) && j_is_number(b)) return real_math(x, op, j_to_real(a), j_to_real(b));
    if (op == '+' && a.type == J_STRING && b.type == J_STRING) return add_strings(x, a, b);
    if (op == '+' && j_is_sequence(a) && a.type == b.type) return add_lists(x, a, b);
    if (op == '*' && (a.type == J_STRING || j_is_sequence(a)) && j_is_int(b)) return repeat(x, a, b.i);
    if (op == '*' && (b.type == J_STRING || j_is_sequence(b)) && j_is_int(a)) return repeat(x, b, a.i);
    if (op == '%' && a.type == J_STRING) return j_percent(x, a, b);
    fail_operands(x, op, a, b);
}

/* ---- slices ---- */

typedef struct {
    int64_t start, step, count;
} span;

static int64_t bound(jx *x, jval v, int64_t length, int64_t otherwise, bool is_back) {
    if (v.type == J_NONE) return otherwise;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (!j_is_int(v)) jx_fail(x, LMM_E_ARG, "slice indices must be integers or None, not '%s'", type_name(v));
    int64_t i = v.i;
    if (i < 0) {
        i = i < -length ? -1 : i + length;
        return i < 0 ? (is_back ? -1 : 0) : i;
    }
    if (i >= length) return is_back ? length - 1 : length;
    return i;
}

static span slice_of(jx *x, int64_t length, jval start, jval stop, jval step) {
    span s = {.step = step.type == J_NONE ? 1 : need_int(x, step, "the step of a slice")};
    if (s.step == 0) jx_fail(x, LMM_E_ARG, "slice step cannot be zero");
    if (s.step == INT64_MIN) s.step = -INT64_MAX;
    bool is_back = s.step < 0;
    s.start = bound(x, start, length, is_back ? length - 1 : 0, is_back);
    int64_t end = bound(x, stop, length, is_back ? -1 : length, is_back);
    if (is_back) s.count = s.start > end ? (s.start - end - 1) / -s.step + 1 : 0;
    else s.count = end > s.start ? (end - s.start - 1) / s.step + 1 : 0;
    return s;
}

static jval slice_string(jx *x, const jstr *s, span p) {
    if (p.step == 1) {
        size_t first = str_offset(x, s, (size_t)p.start);
        return j_part(x, s, first, p.count ? str_offset(x, s, (size_t)(p.start + p.count)) : first);
    }
    size_t mark = x->work.size, *offsets = NULL;
    if (s->length != s->size) { /* walk once, then jump */
        offsets = jx_alloc(x, s->length + 1, sizeof *offsets);
        for (size_t at = 0, i = 0; at < s->size; at++) {
            if (((unsigned char)s->at[at] & 0xC0) != 0x80) offsets[i++] = at;
        }
        offsets[s->length] = s->size;
    }
    jx_chars(x, s->size);
    for (int64_t i = 0; i < p.count; i++) {
        size_t n = (size_t)(p.start + i * p.step), at = offsets ? offsets[n] : n;
        jx_put(x, s->at + at, offsets ? offsets[n + 1] - at : 1);
    }
    return j_safe(x, j_take(x, &x->work, mark), s->is_safe);
}

static jval slice_list(jx *x, jval v, span p) {
    if (p.count == 0) return j_list(x, v.type, NULL, 0);
    if (p.step == 1) return j_list(x, v.type, v.l->at + p.start, (size_t)p.count);
    jx_step(x, (size_t)p.count);
    jval *at = jx_alloc(x, (size_t)p.count, sizeof *at);
    for (int64_t i = 0; i < p.count; i++) at[i] = v.l->at[p.start + i * p.step];
    return j_list(x, v.type, at, (size_t)p.count);
}

static jval slice_range(jx *x, const jrange *r, span p) {
    jrange *part = jx_alloc(x, 1, sizeof *part);
    uint64_t step = (uint64_t)r->step * (uint64_t)p.step, start = (uint64_t)range_at(r, (uint64_t)p.start);
    *part = (jrange){.start = (int64_t)start, .step = (int64_t)step, .count = p.count};
    part->stop = (int64_t)(start + step * (uint64_t)p.count);
    return (jval){.type = J_RANGE, .range = part};
}

jval j_slice(jx *x, jval v, jval start, jval stop, jval step) {
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (v.type != J_STRING && !j_is_sequence(v) && v.type != J_RANGE) {
        jx_fail(x, LMM_E_ARG, "'%s' object cannot be sliced", type_name(v));
    }
    span p = slice_of(x, j_length(x, v), start, stop, step);
    if (v.type == J_STRING) return slice_string(x, v.s, p);
    return v.type == J_RANGE ? slice_range(x, v.range, p) : slice_list(x, v, p);
}
