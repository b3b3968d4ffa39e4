/* kernels.h - raw numbers in, raw numbers out: a table of function pointers, filled once per instruction set.
 *
 * No tensors, no errors, no allocation beyond the caller's scratch. k_generic.c is the specification and the tests' oracle.
 *
 * The law of equal numbers, here: the value of one output never depends on how many rows or columns are computed with it or on the
 * thread. A sum over k is one chain of fused multiply-adds in the order 0, 1, .. k-1 (gemm_nt cuts it into blocks of KERNEL_K_BLOCK), for one
 * row as for many, so all products give the same bits in every table, on every processor. Reductions and elementwise functions give
 * the same bits in the AVX2 and AVX-512 tables; the generic table, which uses the C library, differs from them in the last bits there.
 * Never -ffast-math; FMA contraction only where written. */
#ifndef LMM_KERNELS_H
#define LMM_KERNELS_H

#include <string.h>

#include "base/base.h"

/* Storage of weights: floats, and blocks of 32 or 256 values (blocks.h). */
typedef enum {
    KT_F32,
    KT_F16,
    KT_BF16,
    KT_Q4_0,
    KT_Q4_1,
    KT_Q5_0,
    KT_Q5_1,
    KT_Q8_0,
    KT_Q2_K,
    KT_Q3_K,
    KT_Q4_K,
    KT_Q5_K,
    KT_Q6_K,
    KT_COUNT,
    KT_FLOAT_COUNT = KT_Q4_0
} kernel_type;

/* The three products of a linear layer, (m, k) times (k, n): nt, y = a b^T, its forward pass; nn, y = a b, backward to inputs (a = dy, b = w) and attention's
 * P V; tn, y = a^T b, backward to weights (a = dy, b = x). */
typedef enum { GEMM_NT, GEMM_NN, GEMM_TN } gemm_form;

/* Rows of activations as integers (q8_rows.h): x = d q, in one or two digits of 8 bits, with a d for every 32 values. For one type of weights, whose
 * groups are 16 or 32. */
enum { Q8_DIGITS_MAX = 2 };
typedef struct {
    int8_t *q;          /* (m, k), -127 .. 127 */
    float *d;           /* (m, k / 32) */
    int32_t *minus_sum; /* (m, k / group): minus the sum of q */
} q8_digit;
typedef struct {
    int k, group, digit_count; /* values of a row; of one integer sum */
    q8_digit digit[Q8_DIGITS_MAX];
    float *sum; /* (m, k / group): of d q, all digits */
} q8_rows;

/* One value of bf16, which is the upper half of an f32: exactly; and to the nearest, ties to even, a NaN stays one. */
static inline float bf16_to_f32(uint16_t h) {
    const uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint16_t f32_to_bf16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (f != f) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

typedef struct kernels {
    const char *name;

    /* The float products of the table take floats only: blocks are brought to f32 panel by panel above it (gemm.c). */

    /* y[m][n] = sum_k x[m][k] * w[n][k] (+ y when accumulate): "nt", w as in PyTorch (out, in).
     * x (m, k) f32 with row stride ldx, w (n, k) of type `wt` with row stride ldw (elements), y row stride ldy.
     * Each block of KERNEL_K_BLOCK steps is a chain from 0, blocks are added to y in order. Weights are converted exactly to f32 when loaded. */
    void (*gemm_nt)(float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, kernel_type wt, int m, int n, int k,
                    bool accumulate);
    /* y[m][n] = sum_k a[m][k] * b[k][n] (+ y when accumulate): "nn"; lanes along n; one chain over k in order 0..k-1 starting from y or 0. b of type `bt`. */
    void (*gemm_nn)(float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m, int n, int k,
                    bool accumulate);
    /* y[m][n] += sum_k a[k][m] * b[k][n]: "tn"; order over k as in gemm_nn. */
    void (*gemm_tn)(float *y, int64_t ldy, const float *a, int64_t lda, const float *b, int64_t ldb, int m, int n, int k);

    /* y = a b (+ y when accumulate), both rounded to bf16 (to nearest even), products exact, sums in f32: what torch.autocast computes. Each block of
     * KERNEL_K_BLOCK steps is a sum from 0 over pairs along k, the second of a pair first; blocks are added to y in order. The same bits on every processor but where
     * inputs, products or sums are below the least normal number, which AVX512-BF16 takes for 0. k >= 1. */
    void (*gemm_bf16)(gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m,
                      int n, int k, bool accumulate);

    /* Row `row` of `to` from x (to->k). */
    void (*q8_row)(const q8_rows *to, int64_t row, const float *x);
    /* y[m][n] = sum_k x[row + m][k] w[n][k], w (n, x->k) in blocks, rows without gaps. Bytes are multiplied and summed in integers group by group; groups are
     * added in order, from 0: s = fma(d_w d_x, integer, s), then s = fma(min_w, sum, s) for types with a minimum. The second digit of every Q8_K_BLOCK
     * values follows the first one's. The same bits in every table. */
    void (*q8_dots)(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n);

    float (*dot)(const float *a, const float *b, int n);              /* 32 lanes, then a fixed tree: not the order of gemm_nt */
    void (*axpy)(float *y, float a, const float *x, int64_t n);       /* y += a x */
    void (*add)(float *y, const float *a, const float *b, int64_t n); /* y = a + b */
    void (*mul)(float *y, const float *a, const float *b, int64_t n); /* y = a b */
    void (*scale)(float *y, float a, const float *x, int64_t n);      /* y = a x */

    /* Elementwise functions are computed by one polynomial, same value at any position in the vector (tails included). */
    void (*exp)(float *y, const float *x, int64_t n); /* max error 2 ulp; exp(-inf) = 0 */
    void (*silu)(float *y, const float *x, int64_t n);
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n);                                       /* silu(gate) * up */
    void (*swiglu_grad)(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n); /* += */
    void (*gelu_erf)(float *y, const float *x, int64_t n);                        /* 0.5 x (1 + erf(x / sqrt 2)), abs error <= 1e-6 */
    void (*gelu_erf_grad)(float *dx, const float *dy, const float *x, int64_t n); /* += */
    void (*gelu_tanh)(float *y, const float *x, int64_t n);
    void (*gelu_tanh_grad)(float *dx, const float *dy, const float *x, int64_t n);  /* += */
    void (*gelu_quick)(float *y, const float *x, int64_t n);                        /* x sigmoid(1.702 x) */
    void (*gelu_quick_grad)(float *dx, const float *dy, const float *x, int64_t n); /* += */

    /* In place softmax of one row of n scores multiplied by `scale` first; order of the sum depends on n only. Returns log(sum) + max (of the scaled scores).
     * Appending entries of -inf at the end changes no bit of the others. */
    float (*softmax)(float *x, int n, float scale); /* all -inf: zeros, returns -inf */
    float (*sum)(const float *x, int n);            /* the order of dot */
    float (*max)(const float *x, int n);            /* -inf when empty; NaN entries are passed over */

    void (*to_f32)(float *y, const void *x, kernel_type t, int64_t n);   /* exact; of block types whole blocks */
    void (*from_f32)(void *y, const float *x, kernel_type t, int64_t n); /* floats; round to nearest even */
} kernels;

enum { KERNEL_K_BLOCK = 256, Q8_K_BLOCK = 512 };

extern const kernels kernels_generic, kernels_avx2, kernels_avx512;
/* The best table for this processor (cpuid and xgetbv); `force` names one ("generic", "avx2", "avx512") or is NULL.
 * NULL when the forced one is unknown or the processor cannot run it. */
const kernels *kernels_pick(const char *force);
int kernel_type_block(kernel_type t);               /* values that are stored together: 1, 32 or 256 */
size_t kernel_type_bytes(kernel_type t, int64_t n); /* of n values, whole blocks */
/* Memory for m rows of k values, and the rows in it (from a 16-byte boundary). */
size_t q8_rows_size(kernel_type wt, int digits, int64_t m, int64_t k);
q8_rows q8_rows_at(void *memory, kernel_type wt, int digits, int64_t m, int k);

/* encode.c: f32 to any type but q2_K and q3_K, whole blocks, by a search for the scales with the least error; values must be finite. The same
 * bytes on every processor. */
bool kernel_can_encode(kernel_type t);
void kernel_encode(void *y, const float *x, kernel_type t, int64_t n);

/* One of the three products in f32 or bf16, on this thread. b of floats. In f32 tn adds to y always. */
static inline void gemm_here(const kernels *k, gemm_form form, bool in_bf16, float *y, int64_t ldy, const float *a, int64_t lda,
                             const void *b, int64_t ldb, kernel_type bt, int m, int n, int kk, bool accumulate) {
    if (in_bf16) k->gemm_bf16(form, y, ldy, a, lda, b, ldb, bt, m, n, kk, accumulate);
    else if (form == GEMM_NT) k->gemm_nt(y, ldy, a, lda, b, ldb, bt, m, n, kk, accumulate);
    else if (form == GEMM_NN) k->gemm_nn(y, ldy, a, lda, b, ldb, bt, m, n, kk, accumulate);
    else k->gemm_tn(y, ldy, a, lda, b, ldb, m, n, kk);
}
/* The same cut into tasks for a pool (NULL: one thread), the same bits. b may be of block types in nt and nn when a row (ldb) is whole blocks; the numbers
 * are those of the same weights in f32. */
void gemm(const kernels *k, pool *p, gemm_form form, bool in_bf16, float *y, int64_t ldy, const float *a, int64_t lda, const void *b,
          int64_t ldb, kernel_type bt, int m, int n, int kk, bool accumulate);

/* y (m, n) = x w^T with the rows of x as integers; w of a block type. One digit rounds x to 1/254 of its block's largest value, two to 1/64516.
 * scratch: q8_rows_size. */
void gemm_q8(const kernels *k, pool *p, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, kernel_type wt, int digits,
             int m, int n, int kk, void *scratch);

#endif
