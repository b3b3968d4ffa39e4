/* gemm_pairs.h - A and B packed for the tiles as pairs of bf16 that follow each other along k, the first in the low half of a word.
 *
 * Values are rounded to the nearest, ties to even; smaller ones than the least normal become 0, as the products of AVX512-BF16 take them anyway. */
#ifndef LMM_KERNELS_GEMM_PAIRS_H
#define LMM_KERNELS_GEMM_PAIRS_H

#include "kernels/gemm_tile.h"

enum { K_STEP = 2 };

/* The first n of 2 VL values, 0 beyond. */
INLINE vf words_along(const void *x, kernel_type t, int64_t at, int n) {
    return (vf)_mm512_cvtne2ps_pbh(load_some(x, t, at + VL, n - VL), load_some(x, t, at, n));
}

/* Lane by lane. */
INLINE vf words_across(vf first, vf second) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                           18, 2, 17, 1, 16, 0);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first)));
}

static void pack_a_rows(float *to, const float *a, int64_t lda, int rows, int k) {
    for (int i = 0; i < rows; i++)
        for (int l = 0; l < k; l += 2 * VL) v_store(to + i * A_ROW + l / 2, words_along(a, KT_F32, i * lda + l, k - l));
}

static void pack_a_columns(float *to, const float *a, int64_t lda, const int *rows, int panels, int k) {
    for (int l = 0; l < k; l += 2) {
        const float *from = a + l * lda;
        for (int p = 0; p < panels; from += rows[p++]) {
            vm head = v_head(rows[p]);
            vf second = l + 1 < k ? v_load_head(from + lda, head, v_zero()) : v_zero();
            v_store(to + p * A_PANEL + l / 2 * A_STEP, words_across(v_load_head(from, head, v_zero()), second));
        }
    }
}

/* to: panels (words of k, NR) of b (k, columns) at element `at`; 0 beyond. */
INLINE void pack_b_as(kernel_type t, float *to, const void *b, int64_t at, int64_t ldb, int columns, int k) {
    for (int l = 0; l < k; l += 2, to += NR, at += 2 * ldb)
        for (int c = 0; c < columns; c += NR)
            for (int v = c; v < c + NR; v += VL) {
                vf second = l + 1 < k ? load_some(b, t, at + ldb + v, columns - v) : v_zero();
                v_store(to + c * KC + v - c, words_across(load_some(b, t, at + v, columns - v), second));
            }
}

/* to: panels (words of k, NR) of w (columns, k). */
INLINE void pack_w_as(kernel_type t, float *to, const void *w, int64_t at, int64_t ldw, int columns, int k) {
    for (int c = 0; c < columns; c += VL)
        for (int l = 0; l < k; l += 2 * VL) {
            vf row[VL], word[VL];
            for (int j = 0; j < VL; j++) row[j] = c + j < columns ? words_along(w, t, at + (c + j) * ldw + l, k - l) : v_zero();
            v_load_transposed(word, (const char *)row, sizeof *row);
            float *panel = to + c / NR * NR * KC + c % NR + l / 2 * NR;
            for (int q = 0; q < VL && l + 2 * q < k; q++, panel += NR) v_store(panel, word[q]);
        }
}

#endif
