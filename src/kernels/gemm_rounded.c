/* gemm_rounded.c - products of bf16 where the processor has none: values are rounded panel by panel and multiplied as f32.
 *
 * A product of two bf16 is exact in f32, so a fused multiply-add gives the sum that AVX512-BF16 gives (numbers below the least normal aside, which
 * that takes for 0); of each pair along k it adds the second product first. */
#include "kernels/kernels_int.h"

enum { PANEL = 128 }; /* rows or columns rounded at a time */

/* A matrix as (rows, k): element (i, l) lies at i * row + l * step. */
typedef struct {
    const void *x;
    kernel_type t;
    int64_t row, step;
} strided;

static float rounded(const kernels *k, const strided *s, int64_t at) {
    if (s->t == KT_F32) return bf16_to_f32(f32_to_bf16(((const float *)s->x)[at]));
    float wide;
    k->to_f32(&wide, (const uint16_t *)s->x + at, s->t, 1);
    return bf16_to_f32(f32_to_bf16(wide));
}

/* to (rows, k + 1 for an odd k): pairs swapped. */
static void round_panel(const kernels *k, float *to, const strided *s, int64_t first, int rows, int64_t l0, int depth) {
    for (int i = 0; i < rows; i++) {
        float *row = to + i * KERNEL_K_BLOCK;
        int64_t at = (first + i) * s->row + l0 * s->step;
        for (int l = 0; l < depth; l++) row[l ^ 1] = rounded(k, s, at + l * s->step);
        if (depth & 1) row[depth - 1] = 0;
    }
}

void gemm_rounded(const kernels *k, gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb,
                  kernel_type bt, int m, int n, int kk, bool accumulate) {
    _Alignas(64) float x[PANEL * KERNEL_K_BLOCK], w[PANEL * KERNEL_K_BLOCK];
    const strided left = {a, KT_F32, form == GEMM_TN ? 1 : lda, form == GEMM_TN ? lda : 1};
    const strided right = {b, bt, form == GEMM_NT ? ldb : 1, form == GEMM_NT ? 1 : ldb};
    for (int l = 0; l < kk; l += KERNEL_K_BLOCK)
        for (int i = 0; i < m; i += PANEL) {
            int rows = min_int(PANEL, m - i), depth = min_int(KERNEL_K_BLOCK, kk - l);
            round_panel(k, x, &left, i, rows, l, depth);
            for (int j = 0; j < n; j += PANEL) {
                int columns = min_int(PANEL, n - j);
                round_panel(k, w, &right, j, columns, l, depth);
                k->gemm_nt(y + i * ldy + j, ldy, x, KERNEL_K_BLOCK, w, KERNEL_K_BLOCK, KT_F32, rows, columns, (depth + 1) & ~1,
                           accumulate || l > 0);
            }
        }
}
