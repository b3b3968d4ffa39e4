/* k_generic.c - the kernels in plain C: the specification of the others and their tests' oracle; runs anywhere, slowly. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/q8_rows.h"

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
                            int k, bool accumulate) {
    for (int i = 0; i < m && !accumulate; i++) memset(y + i * ldy, 0, (size_t)n * sizeof *y);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) y[i * ldy + j] = fmaf(a[i * lda + l], element(b, bt, l * ldb + j), y[i * ldy + j]);
}

static void generic_gemm_tn(float *y, int64_t ldy, const float *a, int64_t lda, const float *b, int64_t ldb, int m, int n, int k) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) y[i * ldy + j] = fmaf(a[l * lda + i], b[l * ldb + j], y[i * ldy + j]);
}

/* Element (i, l) of a or (l, j) of b, rounded to bf16; 0 past the end. */
static float rounded(const void *x, kernel_type t, int64_t at, bool there) {
    return there ? bf16_to_f32(f32_to_bf16(element(x, t, at))) : 0;
}

static void generic_gemm_bf16(gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb,
                              kernel_type bt, int m, int n, int k, bool accumulate) {
    const int64_t a_row = form == GEMM_TN ? 1 : lda, a_step = form == GEMM_TN ? lda : 1;
    const int64_t b_column = form == GEMM_NT ? ldb : 1, b_step = form == GEMM_NT ? 1 : ldb;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int first = 0; first < k; first += KERNEL_K_BLOCK) {
                float s = 0.0f, *out = y + i * ldy + j;
                for (int l = first; l < min_int(k, first + KERNEL_K_BLOCK); l += 2)
                    for (int of = l + 1; of >= l; of--)
                        s = fmaf(rounded(a, KT_F32, i * a_row + of * a_step, of < k), rounded(b, bt, j * b_column + of * b_step, of < k),
                                 s);
                *out = accumulate || first ? *out + s : s;
            }
}

/* ---- integer products ---- */

/* A group of weights: their bytes, what is taken off each, scale and minimum. */
typedef struct {
    int q[BLOCK_VALUES];
    float d, min;
} weight_group;

static void group_of_32(weight_group *g, const void *block, kernel_type t) {
    const block_q4_0 *a = block;
    const block_q4_1 *b = block;
    const block_q5_0 *c = block;
    const block_q5_1 *e = block;
    const block_q8_0 *f = block;
    *g = (weight_group){.d = f16_to_f32(a->d)};
    if (t == KT_Q4_1 || t == KT_Q5_1) g->min = f16_to_f32(b->m);
    for (int i = 0; i < BLOCK_VALUES; i++) {
        int at = i % 16, shift = i / 16 * 4;
        switch (t) {
        case KT_Q4_0: g->q[i] = (a->q[at] >> shift & 15) - 8; break;
        case KT_Q4_1: g->q[i] = b->q[at] >> shift & 15; break;
        case KT_Q5_0: g->q[i] = (int)(c->q[at] >> shift & 15) + (int)(bits_of(c->high) >> i & 1) * 16 - 16; break;
        case KT_Q5_1: g->q[i] = (int)(e->q[at] >> shift & 15) + (int)(bits_of(e->high) >> i & 1) * 16; break;
        default: g->q[i] = f->q[i]; break;
        }
    }
}

/* Group s of a block of 256: 8 groups of 32 or 16 of 16 values. */
static void group_of_K(weight_group *g, const void *block, kernel_type t, int s) {
    const block_q2_K *a = block;
    const block_q3_K *b = block;
    const block_q4_K *c = block;
    const block_q5_K *e = block;
    const block_q6_K *f = block;
    int scale, min, at = s / 8 * 32 + s % 2 * 16, pair = s % 8 / 2 * 2; /* of the groups of 16 in 2 bits */
    *g = (weight_group){.d = 0};
    if (t == KT_Q4_K || t == KT_Q5_K) {
        q4_K_scale(c->scales, s, &scale, &min); /* q5_K begins as q4_K does */
        g->d = f16_to_f32(c->d) * (float)scale, g->min = -f16_to_f32(c->dmin) * (float)min;
        for (int i = 0; i < 32; i++) {
            int low = s / 2 * 32 + i, shift = s % 2 * 4;
            g->q[i] = t == KT_Q4_K ? c->q[low] >> shift & 15 : (e->q[low] >> shift & 15) + (e->high[i] >> s & 1) * 16;
        }
    } else if (t == KT_Q2_K) {
        g->d = f16_to_f32(a->d) * (float)(a->scales[s] & 15), g->min = -f16_to_f32(a->dmin) * (float)(a->scales[s] >> 4);
        for (int i = 0; i < 16; i++) g->q[i] = a->q[at + i] >> pair & 3;
    } else if (t == KT_Q3_K) {
        g->d = f16_to_f32(b->d) * (float)q3_K_scale(b->scales, s);
        for (int i = 0; i < 16; i++) g->q[i] = (b->q[at + i] >> pair & 3) + (b->high[s % 2 * 16 + i] >> s / 2 & 1) * 4 - 4;
    } else {
        int quarter = s % 8 / 2, low = s / 8 * 64 + quarter % 2 * 32 + s % 2 * 16, shift = quarter / 2 * 4;
        g->d = f16_to_f32(f->d) * (float)f->scales[s];
        for (int i = 0; i < 16; i++) g->q[i] = (f->q[low + i] >> shift & 15) + (f->high[at + i] >> quarter * 2 & 3) * 16 - 32;
    }
}

static bool has_minimum(kernel_type t) { return t == KT_Q4_1 || t == KT_Q5_1 || t == KT_Q2_K || t == KT_Q4_K || t == KT_Q5_K; }

static void weight_group_at(weight_group *g, const char *w, kernel_type t, int at, int group) {
    int block = kernel_type_block(t);
    const char *from = w + kernel_type_bytes(t, at / block * block);
    if (block == BLOCK_VALUES) group_of_32(g, from, t);
    else group_of_K(g, from, t, at % block / group);
}

static float q8_dot(const q8_rows *x, int64_t row, const char *w, kernel_type t) {
    float sum = 0.0f;
    for (int first = 0; first < x->k; first += Q8_K_BLOCK)
        for (int i = 0; i < x->digit_count; i++)
            for (int l = first; l < min_int(x->k, first + Q8_K_BLOCK); l += x->group) {
                weight_group a;
                int whole = 0;
                int64_t at = row * x->k + l;
                weight_group_at(&a, w, t, l, x->group);
                for (int v = 0; v < x->group; v++) whole += a.q[v] * x->digit[i].q[at + v];
                sum = fmaf(a.d * x->digit[i].d[at / BLOCK_VALUES], (float)whole, sum);
                if (has_minimum(t) && i == 0) sum = fmaf(a.min, x->sum[at / x->group], sum);
            }
    return sum;
}

static void generic_q8_dots(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) y[i * ldy + j] = q8_dot(x, row + i, (const char *)w + (size_t)j * kernel_type_bytes(wt, x->k), wt);
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
    .gemm_bf16 = generic_gemm_bf16,
    .q8_row = quantise_row,
    .q8_dots = generic_q8_dots,
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
