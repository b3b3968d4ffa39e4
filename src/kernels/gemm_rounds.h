/* gemm_rounds.h - A and B packed for the tiles as f32 that are rounded to bf16, for processors that have no products of bf16.
 *
 * A product of two bf16 is exact in f32, so a fused multiply-add gives the sum that AVX512-BF16 gives (numbers below the least normal aside, which that takes for
 * 0). Of each pair along k that adds the second product first: steps are packed with the two of a pair swapped, an odd last one with a 0. */
#ifndef LMM_KERNELS_GEMM_ROUNDS_H
#define LMM_KERNELS_GEMM_ROUNDS_H

#include "kernels/gemm_tile.h"

enum { K_STEP = 2 };

static void pack_a_rows(float *to, const float *a, int64_t lda, int rows, int k) {
    for (int i = 0; i < rows; i++)
        for (int l = 0; l < k; l += VL) v_store(to + i * A_ROW + l, v_swap_pairs(v_round_bf16(load_some(a, KT_F32, i * lda + l, k - l))));
}

static void pack_a_columns(float *to, const float *a, int64_t lda, const int *rows, int panels, int k) {
    for (int l = 0; l < (k + 1) / 2 * 2; l++) {
        const float *from = a + l * lda;
        for (int p = 0; p < panels; from += rows[p++])
            v_store(to + p * A_PANEL + (l ^ 1) * A_STEP, l < k ? v_round_bf16(v_load_head(from, v_head(rows[p]), v_zero())) : v_zero());
    }
}

INLINE vf load_rounded(kernel_type t, const void *x, int64_t at, int n) {
    vf v = load_some(x, t, at, n);
    return t == KT_BF16 ? v : v_round_bf16(v);
}

/* to: panels (k, NR) of b (k, columns) at element `at`; 0 beyond. */
INLINE void pack_b_as(kernel_type t, float *to, const void *b, int64_t at, int64_t ldb, int columns, int k) {
    for (int l = 0; l < (k + 1) / 2 * 2; l++, at += ldb)
        for (int c = 0; c < columns; c += NR)
            for (int v = c; v < c + NR; v += VL)
                v_store(to + c * KC + (l ^ 1) * NR + v - c, load_rounded(t, b, at + v, l < k ? columns - v : 0));
}

/* to: panels (k, NR) of w (columns, k). */
INLINE void pack_w_as(kernel_type t, float *to, const void *w, int64_t at, int64_t ldw, int columns, int k) {
    for (int c = 0; c < columns; c += VL)
        for (int l = 0; l < k; l += VL) {
            vf row[VL], word[VL];
            for (int j = 0; j < VL; j++) row[j] = load_rounded(t, w, at + (c + j) * ldw + l, c + j < columns ? k - l : 0);
            v_load_transposed(word, (const char *)row, sizeof *row);
            float *panel = to + c / NR * NR * KC + c % NR + l * NR;
            for (int q = 0; q < VL && l + q < (k + 1) / 2 * 2; q++) v_store(panel + (q ^ 1) * NR, word[q]);
        }
}

#endif
