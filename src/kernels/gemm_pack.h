/* gemm_pack.h - A and B packed for the tiles: f32 as it is, 16-bit weights widened. */
#ifndef LMM_KERNELS_GEMM_PACK_H
#define LMM_KERNELS_GEMM_PACK_H

#include "kernels/gemm_tile.h"

enum { K_STEP = 1 }; /* k is packed to whole ones */

static void pack_a_rows(float *to, const float *a, int64_t lda, int rows, int k) {
    for (int i = 0; i < rows; i++) {
        int l = 0;
        for (; l + VL <= k; l += VL) v_store(to + i * A_ROW + l, v_load(a + i * lda + l));
        for (; l < k; l++) to[i * A_ROW + l] = a[i * lda + l];
    }
}

static void pack_a_columns(float *to, const float *a, int64_t lda, const int *rows, int panels, int k) {
    for (int l = 0; l < k; l++) {
        const float *from = a + l * lda;
        for (int p = 0; p < panels; p++) {
            v_store(to + p * A_PANEL + l * A_STEP, v_load_head(from, v_head(rows[p]), v_zero()));
            from += rows[p];
        }
    }
}

/* to: panels (k, NR) of b (k, columns) at element `at`, row by row (a row is contiguous, the next may be on another page); 0 beyond. */
INLINE void pack_b_as(kernel_type t, float *to, const void *b, int64_t at, int64_t ldb, int columns, int k) {
    for (int l = 0; l < k; l++, to += NR, at += ldb)
        for (int c = 0; c < columns; c += NR) {
            float *panel = to + c * KC;
            for (int v = c; v < c + NR; v += VL, panel += VL) v_store(panel, load_some(b, t, at + v, columns - v));
        }
}

/* to: panels (k, NR) of w (columns, k). */
INLINE void pack_w_as(kernel_type t, float *to, const void *w, int64_t at, int64_t ldw, int columns, int k) {
    const int per_word = t == KT_F32 ? 1 : 2;
    for (int c = 0; c < columns; c += VL)
        for (int l = 0; l < k; l += per_word * VL) {
            vf word[VL];
            load_words(word, t, w, at + c * ldw + l, ldw, columns - c, k - l);
            float *panel = to + c / NR * NR * KC + c % NR + l * NR;
            for (int q = 0; q < VL && l + q * per_word < k; q++, panel += per_word * NR) {
                vf low = word[q], high = low;
                if (t != KT_F32) split_word(t, word[q], &low, &high);
                v_store(panel, low);
                if (t != KT_F32 && l + 2 * q + 1 < k) v_store(panel + NR, high);
            }
        }
}

#endif
