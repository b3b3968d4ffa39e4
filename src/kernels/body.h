/* body.h - the vector kernels, written once; k_avx2.c and k_avx512.c include it with their own flags and name of the table.
 *
 * Elementwise functions work lane by lane and ragged ends go through the same code with a masked load, so a value depends on its argument
 * alone. Reductions use 32 lanes at either width: element i goes to lane i % 32, then the lanes are added in one fixed tree. */
#include <math.h>

#include "kernels/gemm_body.h"
#include "kernels/kernels_int.h"

enum { SUM_LANES = 32, SUM_VECTORS = SUM_LANES / VL };

/* ---- elementwise ---- */

/* e^x = 2^n e^r, r in [-ln2/2, ln2/2]; minimax polynomial, relative error 6e-9 before rounding. NaN stays NaN. */
INLINE vf exp_of(vf x) {
    x = v_max(v_set1(-104.0f), v_min(v_set1(89.0f), x));
    vf n = v_round(v_mul(x, v_set1(1.44269504f)));
    vf r = v_fma(n, v_set1(-0.693359375f), x); /* ln 2 in two parts: the first has few bits, n times it is exact */
    r = v_fma(n, v_set1(2.12194440e-4f), r);
    vf q = v_fma(r, v_set1(0.00139411632499f), v_set1(0.00836679431436f));
    q = v_fma(q, r, v_set1(0.0416663522306f));
    q = v_fma(q, r, v_set1(0.166665408652f));
    q = v_fma(q, r, v_set1(0.500000004727f));
    return v_ldexp(v_add(v_fma(q, v_mul(r, r), r), v_set1(1.0f)), n);
}

INLINE vf sigmoid_of(vf x) { return v_div(v_set1(1.0f), v_add(v_set1(1.0f), exp_of(v_sub(v_zero(), x)))); }
INLINE vf silu_of(vf x) { return v_mul(x, sigmoid_of(x)); }

/* The normal distribution's P(X < x) and its density. Below 0 it is erfc(|x| / sqrt 2) / 2 = e^(-x^2/2) p(t), t = 1 / (1 + 0.45 |x| / sqrt 2),
 * p a minimax polynomial of relative error 3e-7: small values keep their relative precision. */
INLINE vf normal_cdf(vf x, vf *density) {
    vf t = v_div(v_set1(1.0f), v_fma(v_abs(x), v_set1(0.318198052f), v_set1(1.0f)));
    vf e = exp_of(v_mul(v_mul(x, x), v_set1(-0.5f)));
    vf p = v_fma(t, v_set1(0.0334242170349f), v_set1(-0.120081801292f));
    p = v_fma(p, t, v_set1(0.104303555854f));
    p = v_fma(p, t, v_set1(0.0202731046258f));
    p = v_fma(p, t, v_set1(0.0942495023456f));
    p = v_fma(p, t, v_set1(0.114062372441f));
    p = v_fma(p, t, v_set1(0.126814515268f));
    p = v_fma(p, t, v_set1(0.126954686392f));
    vf below = v_mul(v_mul(p, t), e);
    *density = v_mul(e, v_set1(0.398942280f));
    return v_select(v_less(x, v_zero()), below, v_sub(v_set1(1.0f), below));
}

INLINE vf gelu_erf_of(vf x) {
    vf unused;
    return v_mul(x, normal_cdf(x, &unused));
}

INLINE vf gelu_erf_slope(vf x) {
    vf density, cdf = normal_cdf(x, &density);
    return v_fma(x, density, cdf);
}

/* 0.5 (1 + tanh u) = sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3). */
INLINE vf gelu_tanh_gate(vf x) {
    vf cube = v_fma(v_mul(x, x), v_set1(0.0713548163f), v_set1(1.59576912f));
    return sigmoid_of(v_mul(x, cube));
}
INLINE vf gelu_tanh_of(vf x) { return v_mul(x, gelu_tanh_gate(x)); }
INLINE vf gelu_tanh_slope(vf x) {
    vf s = gelu_tanh_gate(x), du = v_fma(v_mul(x, x), v_set1(0.214064449f), v_set1(1.59576912f));
    return v_fma(v_mul(v_mul(x, s), v_sub(v_set1(1.0f), s)), du, s);
}

INLINE vf gelu_quick_of(vf x) { return v_mul(x, sigmoid_of(v_mul(x, v_set1(1.702f)))); }
INLINE vf gelu_quick_slope(vf x) {
    vf u = v_mul(x, v_set1(1.702f)), s = sigmoid_of(u);
    return v_fma(v_mul(u, s), v_sub(v_set1(1.0f), s), s);
}

/* y = f(x) */
INLINE void map(float *y, const float *x, int64_t n, vf (*f)(vf)) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, f(v_load(x + i)));
    if (i == n) return;
    vm head = v_head((int)(n - i));
    v_store_head(y + i, head, f(v_load_head(x + i, head, v_zero())));
}

/* dx += dy slope(x) */
INLINE void map_grad(float *dx, const float *dy, const float *x, int64_t n, vf (*slope)(vf)) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(dx + i, v_fma(v_load(dy + i), slope(v_load(x + i)), v_load(dx + i)));
    if (i == n) return;
    vm head = v_head((int)(n - i));
    vf d = slope(v_load_head(x + i, head, v_zero()));
    v_store_head(dx + i, head, v_fma(v_load_head(dy + i, head, v_zero()), d, v_load_head(dx + i, head, v_zero())));
}

/* y = f(a, b) */
INLINE void zip(float *y, const float *a, const float *b, int64_t n, vf (*f)(vf, vf)) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, f(v_load(a + i), v_load(b + i)));
    if (i == n) return;
    vm head = v_head((int)(n - i));
    v_store_head(y + i, head, f(v_load_head(a + i, head, v_zero()), v_load_head(b + i, head, v_zero())));
}

INLINE vf swiglu_of(vf gate, vf up) { return v_mul(silu_of(gate), up); }

static void body_exp(float *y, const float *x, int64_t n) { map(y, x, n, exp_of); }
static void body_silu(float *y, const float *x, int64_t n) { map(y, x, n, silu_of); }
static void body_gelu_erf(float *y, const float *x, int64_t n) { map(y, x, n, gelu_erf_of); }
static void body_gelu_tanh(float *y, const float *x, int64_t n) { map(y, x, n, gelu_tanh_of); }
static void body_gelu_quick(float *y, const float *x, int64_t n) { map(y, x, n, gelu_quick_of); }
static void body_gelu_erf_grad(float *dx, const float *dy, const float *x, int64_t n) { map_grad(dx, dy, x, n, gelu_erf_slope); }
static void body_gelu_tanh_grad(float *dx, const float *dy, const float *x, int64_t n) { map_grad(dx, dy, x, n, gelu_tanh_slope); }
static void body_gelu_quick_grad(float *dx, const float *dy, const float *x, int64_t n) { map_grad(dx, dy, x, n, gelu_quick_slope); }
static void body_add(float *y, const float *a, const float *b, int64_t n) { zip(y, a, b, n, v_add); }
static void body_mul(float *y, const float *a, const float *b, int64_t n) { zip(y, a, b, n, v_mul); }
static void body_swiglu(float *y, const float *gate, const float *up, int64_t n) { zip(y, gate, up, n, swiglu_of); }

static void body_swiglu_grad(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i += VL) {
        bool whole = i + VL <= n;
        vm head = v_head(whole ? 0 : (int)(n - i));
        vf g = whole ? v_load(gate + i) : v_load_head(gate + i, head, v_zero());
        vf u = whole ? v_load(up + i) : v_load_head(up + i, head, v_zero());
        vf d = whole ? v_load(dy + i) : v_load_head(dy + i, head, v_zero());
        vf dg = whole ? v_load(dgate + i) : v_load_head(dgate + i, head, v_zero());
        vf du = whole ? v_load(dup + i) : v_load_head(dup + i, head, v_zero());
        vf s = sigmoid_of(g), silu = v_mul(g, s);
        dg = v_fma(v_mul(d, u), v_fma(silu, v_sub(v_set1(1.0f), s), s), dg); /* silu' = s + silu (1 - s) */
        du = v_fma(d, silu, du);
        if (whole) v_store(dgate + i, dg), v_store(dup + i, du);
        else v_store_head(dgate + i, head, dg), v_store_head(dup + i, head, du);
    }
}

static void body_axpy(float *y, float a, const float *x, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_fma(v_set1(a), v_load(x + i), v_load(y + i)));
    if (i == n) return;
    vm head = v_head((int)(n - i));
    v_store_head(y + i, head, v_fma(v_set1(a), v_load_head(x + i, head, v_zero()), v_load_head(y + i, head, v_zero())));
}

static void body_scale(float *y, float a, const float *x, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_mul(v_set1(a), v_load(x + i)));
    if (i == n) return;
    vm head = v_head((int)(n - i));
    v_store_head(y + i, head, v_mul(v_set1(a), v_load_head(x + i, head, v_zero())));
}

/* ---- reductions ---- */

INLINE float fold(vf lane[SUM_VECTORS]) { /* i + 16, then i + 8 of the 32 lanes, then v_sum8 */
    for (int j = 0; j < SUM_VECTORS / 2; j++) lane[j] = v_add(lane[j], lane[j + SUM_VECTORS / 2]);
    return v_sum8(v_fold_to_8(VL == 16 ? lane[0] : v_add(lane[0], lane[SUM_VECTORS / 4])));
}

/* Vector at x[i] of an array of n, `rest` beyond its end. */
INLINE vf load_in(const float *x, int i, int n, vf rest) {
    if (i + VL <= n) return v_load(x + i);
    return i < n ? v_load_head(x + i, v_head(n - i), rest) : rest;
}

static float body_dot(const float *a, const float *b, int n) {
    vf s[SUM_VECTORS];
    UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] = v_zero();
    int i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES)
        UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] = v_fma(v_load(a + i + j * VL), v_load(b + i + j * VL), s[j]);
    if (i < n)
        UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] =
            v_fma(load_in(a, i + j * VL, n, v_zero()), load_in(b, i + j * VL, n, v_zero()), s[j]);
    return fold(s);
}

static float body_sum(const float *x, int n) {
    vf s[SUM_VECTORS];
    UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] = v_zero();
    int i = 0;
    for (; i + SUM_LANES <= n; i += SUM_LANES) UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] = v_add(s[j], v_load(x + i + j * VL));
    if (i < n) UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] = v_add(s[j], load_in(x, i + j * VL, n, v_zero()));
    return fold(s);
}

INLINE float max_lane(vf a) {
    float lane[VL], m = -INFINITY;
    v_store(lane, a);
    for (int j = 0; j < VL; j++) m = lane[j] > m ? lane[j] : m;
    return m;
}

static float body_max(const float *x, int n) { /* v_max(x, m) gives m when x is NaN */
    vf m0 = v_set1(-INFINITY), m1 = m0;
    int i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) m0 = v_max(v_load(x + i), m0), m1 = v_max(v_load(x + i + VL), m1);
    for (; i < n; i += VL) m0 = v_max(load_in(x, i, n, v_set1(-INFINITY)), m0);
    return max_lane(v_max(m0, m1));
}

/* e^(x - max) in place, their sum: lanes beyond the end add 0, as entries of -inf do. */
static float exp_minus(float *x, int n, float max) {
    vf s[SUM_VECTORS], top = v_set1(max);
    UNROLL for (int j = 0; j < SUM_VECTORS; j++) s[j] = v_zero();
    for (int i = 0; i < n; i += SUM_LANES) {
        UNROLL for (int j = 0; j < SUM_VECTORS; j++) {
            int at = i + j * VL;
            if (at >= n) break;
            vf e = exp_of(v_sub(load_in(x, at, n, v_set1(-INFINITY)), top));
            if (at + VL <= n) v_store(x + at, e);
            else v_store_head(x + at, v_head(n - at), e);
            s[j] = v_add(s[j], e);
        }
    }
    return fold(s);
}

static float body_softmax(float *x, int n, float scale) {
    body_scale(x, scale, x, n);
    float max = body_max(x, n);
    if (n == 0 || max == -INFINITY) { /* everything is masked: no probabilities rather than NaN */
        bool nan = false;
        for (int i = 0; i < n; i++) nan |= x[i] != x[i];
        for (int i = 0; i < n; i++) x[i] = nan ? NAN : 0.0f;
        return nan ? NAN : -INFINITY;
    }
    float sum = exp_minus(x, n, max);
    body_scale(x, 1.0f / sum, x, n);
    return logf(sum) + max;
}

/* ---- formats ---- */

INLINE float f16_to_f32(uint16_t h) { return _cvtsh_ss(h); }
#include "kernels/quant.h"

static void body_to_f32(float *y, const void *x, kernel_type t, int64_t n) {
    if (kernel_type_block(t) > 1) {
        blocks_to_f32(y, x, t, n);
        return;
    }
    if (t == KT_F32) {
        memmove(y, x, (size_t)n * sizeof *y);
        return;
    }
    const uint16_t *h = x;
    int64_t i = 0;
    if (t == KT_F16)
        for (; i + VL <= n; i += VL) v_store(y + i, v_load_f16(h + i));
    else
        for (; i + VL <= n; i += VL) v_store(y + i, v_load_bf16(h + i));
    if (i == n) return;
    uint16_t rest[VL] = {0};
    float wide[VL];
    memcpy(rest, h + i, (size_t)(n - i) * sizeof *h);
    v_store(wide, t == KT_F16 ? v_load_f16(rest) : v_load_bf16(rest));
    memcpy(y + i, wide, (size_t)(n - i) * sizeof *y);
}

static void body_from_f32(void *y, const float *x, kernel_type t, int64_t n) {
    if (t == KT_F32) {
        memmove(y, x, (size_t)n * sizeof *x);
        return;
    }
    uint16_t *h = y;
    int64_t i = 0;
    if (t == KT_F16)
        for (; i + VL <= n; i += VL) v_store_f16(h + i, v_load(x + i));
    else
        for (; i + VL <= n; i += VL) v_store_bf16(h + i, v_load(x + i));
    if (i == n) return;
    uint16_t rest[VL];
    vf last = v_load_head(x + i, v_head((int)(n - i)), v_zero());
    if (t == KT_F16) v_store_f16(rest, last);
    else v_store_bf16(rest, last);
    memcpy(h + i, rest, (size_t)(n - i) * sizeof *h);
}

const kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .gemm_nt = body_gemm_nt,
    .gemm_nn = body_gemm_nn,
    .gemm_tn = body_gemm_tn,
    .gemm_bf16 = KERNELS_GEMM_BF16,
    .q8_row = q8_row_avx2,
    .q8_dots = KERNELS_Q8_DOTS,
    .dot = body_dot,
    .axpy = body_axpy,
    .add = body_add,
    .mul = body_mul,
    .scale = body_scale,
    .exp = body_exp,
    .silu = body_silu,
    .swiglu = body_swiglu,
    .swiglu_grad = body_swiglu_grad,
    .gelu_erf = body_gelu_erf,
    .gelu_erf_grad = body_gelu_erf_grad,
    .gelu_tanh = body_gelu_tanh,
    .gelu_tanh_grad = body_gelu_tanh_grad,
    .gelu_quick = body_gelu_quick,
    .gelu_quick_grad = body_gelu_quick_grad,
    .softmax = body_softmax,
    .sum = body_sum,
    .max = body_max,
    .to_f32 = body_to_f32,
    .from_f32 = body_from_f32,
};
