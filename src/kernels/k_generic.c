/* k_generic.c - the kernels in plain C: the specification of the others and their tests' oracle; runs anywhere, slowly. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

/* ---- formats ---- */

static float from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t to_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 31) return from_bits(sign | 0x7f800000 | (fraction ? 0x400000 | fraction << 13 : 0)); /* a NaN becomes quiet */
    if (exponent == 0) return from_bits(sign | to_bits((float)fraction * 0x1p-24f));
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

#include "kernels/quant.h" /* uses f16_to_f32 */

static uint16_t f32_to_f16(float f) {
    uint32_t u = to_bits(f), size = u & 0x7fffffff;
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (size >> 13 & 0x3ff));
    if (size >= 0x477ff000) return sign | 0x7c00; /* 65520 and above round to infinity */
    if (size < 0x38800000)                        /* below 2^-14 the step is 2^-24: adding 0.5 makes the hardware round there */
        return (uint16_t)(sign | (to_bits(from_bits(size) + 0.5f) - to_bits(0.5f)));
    return (uint16_t)(sign | ((size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13));
}

static float bf16_to_f32(uint16_t h) { return from_bits((uint32_t)h << 16); }

static uint16_t f32_to_bf16(float f) {
    uint32_t u = to_bits(f);
    if (f != f) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static float element(const void *x, kernel_type t, int64_t i) {
    if (t == KT_F32) return ((const float *)x)[i];
    uint16_t h = ((const uint16_t *)x)[i];
    return t == KT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

static void generic_to_f32(float *y, const void *x, kernel_type t, int64_t n) {
    if (kernel_type_block(t) > 1) {
        blocks_to_f32(y, x, t, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = element(x, t, i);
}

static void generic_from_f32(void *y, const float *x, kernel_type t, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (t == KT_F32) ((float *)y)[i] = x[i];
        else ((uint16_t *)y)[i] = t == KT_F16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
    }
}

/* ---- products: one fused multiply-add after the other ---- */

static void generic_gemm_nt(float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, kernel_type wt, int m, int n,
                            int k, bool accumulate) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float *out = y + i * ldy + j;
            if (!accumulate) *out = 0.0f;
            for (int first = 0; first < k; first += KERNEL_K_BLOCK) {
                float s = 0.0f;
                for (int l = first; l < min_int(k, first + KERNEL_K_BLOCK); l++) s = fmaf(x[i * ldx + l], element(w, wt, j * ldw + l), s);
                *out = !accumulate && first == 0 ? s : *out + s;
            }
        }
}

static void generic_gemm_nn(float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m, int n,
                            int k) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) y[i * ldy + j] = fmaf(a[i * lda + l], element(b, bt, l * ldb + j), y[i * ldy + j]);
}

static void generic_gemm_tn(float *y, int64_t ldy, const float *a, int64_t lda, const float *b, int64_t ldb, int m, int n, int k) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) y[i * ldy + j] = fmaf(a[l * lda + i], b[l * ldb + j], y[i * ldy + j]);
}

/* ---- vectors ---- */

static void generic_axpy(float *y, float a, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}
static void generic_add(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}
static void generic_mul(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}
static void generic_scale(float *y, float a, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a * x[i];
}

/* The 32 partial sums of every table, added in a tree: lane i + 16, i + 8, i + 4, i + 2, i + 1. */
enum { SUM_LANES = 32 };

static float fold(float lane[SUM_LANES]) {
    for (int half = SUM_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

static float generic_dot(const float *a, const float *b, int n) {
    float lane[SUM_LANES] = {0};
    for (int i = 0; i < n; i++) lane[i % SUM_LANES] = fmaf(a[i], b[i], lane[i % SUM_LANES]);
    return fold(lane);
}

static float generic_sum(const float *x, int n) {
    float lane[SUM_LANES] = {0};
    for (int i = 0; i < n; i++) lane[i % SUM_LANES] += x[i];
    return fold(lane);
}

static float generic_max(const float *x, int n) { /* NaN is passed over */
    float m = -INFINITY;
    for (int i = 0; i < n; i++) m = x[i] > m ? x[i] : m;
    return m;
}

static float generic_softmax(float *x, int n, float scale) {
    bool nan = false;
    for (int i = 0; i < n; i++) {
        x[i] *= scale;
        nan |= x[i] != x[i];
    }
    float max = generic_max(x, n);
    if (max == -INFINITY) { /* everything is masked: no probabilities rather than NaN */
        for (int i = 0; i < n; i++) x[i] = nan ? NAN : 0.0f;
        return nan ? NAN : -INFINITY;
    }
    for (int i = 0; i < n; i++) x[i] = expf(x[i] - max);
    float sum = generic_sum(x, n);
    generic_scale(x, 1.0f / sum, x, n);
    return logf(sum) + max;
}

/* ---- activations, in double: as exact as a float can say ---- */

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
static double normal_cdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }
static double normal_density(double x) { return 0.39894228040143268 * exp(-0.5 * x * x); }
static double gelu_tanh_gate(double x) { return sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x)); }

static void generic_exp(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)exp(x[i]);
}
static void generic_silu(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] * sigmoid(x[i]));
}
static void generic_swiglu(float *y, const float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(gate[i] * sigmoid(gate[i]) * up[i]);
}
static void generic_swiglu_grad(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double g = gate[i], s = sigmoid(g);
        dgate[i] += (float)(dy[i] * up[i] * (s + g * s * (1.0 - s)));
        dup[i] += (float)(dy[i] * g * s);
    }
}
static void generic_gelu_erf(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] * normal_cdf(x[i]));
}
static void generic_gelu_erf_grad(float *dx, const float *dy, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) dx[i] += (float)(dy[i] * (normal_cdf(x[i]) + x[i] * normal_density(x[i])));
}
static void generic_gelu_tanh(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] * gelu_tanh_gate(x[i]));
}
static void generic_gelu_tanh_grad(float *dx, const float *dy, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double v = x[i], s = gelu_tanh_gate(v), du = 1.5957691216057308 * (1.0 + 3.0 * 0.044715 * v * v);
        dx[i] += (float)(dy[i] * (s + v * s * (1.0 - s) * du));
    }
}
static void generic_gelu_quick(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] * sigmoid(1.702 * x[i]));
}
static void generic_gelu_quick_grad(float *dx, const float *dy, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double u = 1.702 * x[i], s = sigmoid(u);
        dx[i] += (float)(dy[i] * (s + u * s * (1.0 - s)));
    }
}

const kernels kernels_generic = {
    .name = "generic",
    .gemm_nt = generic_gemm_nt,
    .gemm_nn = generic_gemm_nn,
    .gemm_tn = generic_gemm_tn,
    .dot = generic_dot,
    .axpy = generic_axpy,
    .add = generic_add,
    .mul = generic_mul,
    .scale = generic_scale,
    .exp = generic_exp,
    .silu = generic_silu,
    .swiglu = generic_swiglu,
    .swiglu_grad = generic_swiglu_grad,
    .gelu_erf = generic_gelu_erf,
    .gelu_erf_grad = generic_gelu_erf_grad,
    .gelu_tanh = generic_gelu_tanh,
    .gelu_tanh_grad = generic_gelu_tanh_grad,
    .gelu_quick = generic_gelu_quick,
    .gelu_quick_grad = generic_gelu_quick_grad,
    .softmax = generic_softmax,
    .sum = generic_sum,
    .max = generic_max,
    .to_f32 = generic_to_f32,
    .from_f32 = generic_from_f32,
};
