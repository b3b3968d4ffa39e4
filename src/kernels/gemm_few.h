/* gemm_few.h - nt and nn for a few rows: B is read once, where it lies, without packing. The order of every sum is the tile's. */
#ifndef LMM_KERNELS_GEMM_FEW_H
#define LMM_KERNELS_GEMM_FEW_H

#include "kernels/gemm_tile.h"

enum {
    FEW = VL == 16 ? 8 : 4,       /* rows up to which this is faster than packing */
    GROUPS = 16 / VL,             /* nt: vectors of outputs side by side; more than 16 rows of w are more streams than processors foresee */
    FEW_SUMS = VL == 16 ? 16 : 8, /* nn: vectors of y in registers */
};

/* ---- nt: the weights are transposed in registers ---- */

/* c[g][i] += the products of rows j + g VL .. of w with row i of x, along `k` steps from l. */
INLINE void few_nt_sum(vf c[GROUPS][FEW], int m, kernel_type wt, const float *x, int64_t ldx, const void *w, int64_t at, int64_t ldw,
                       int rows, int k) {
    const int per_word = wt == KT_F32 ? 1 : 2;
    for (int l = 0; l < k; l += per_word * VL) UNROLL for (int g = 0; g < GROUPS; g++) {
            vf word[VL];
            load_words(word, wt, w, at + g * VL * ldw + l, ldw, rows - g * VL, k - l);
            const bool whole = l + per_word * VL <= k;
            UNROLL for (int q = 0; q < VL; q++) {
                const float *xq = x + l + q * per_word;
                if (!whole && l + q * per_word >= k) break;
                vf low = word[q], high = low;
                if (wt != KT_F32) split_word(wt, word[q], &low, &high);
                UNROLL for (int i = 0; i < m; i++) c[g][i] = v_fma(v_set1(xq[i * ldx]), low, c[g][i]);
                if (wt != KT_F32 && (whole || l + 2 * q + 1 < k))
                    UNROLL for (int i = 0; i < m; i++) c[g][i] = v_fma(v_set1(xq[i * ldx + 1]), high, c[g][i]);
            }
        }
}

INLINE void few_nt_as(int m, kernel_type wt, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, int n, int k,
                      bool accumulate) {
    for (int j = 0; j < n; j += GROUPS * VL)
        for (int l = 0; l < k; l += KC) {
            vf c[GROUPS][FEW];
            UNROLL for (int g = 0; g < GROUPS; g++) UNROLL for (int i = 0; i < m; i++) c[g][i] = v_zero();
            few_nt_sum(c, m, wt, x + l, ldx, w, j * ldw + l, ldw, n - j, min_int(KC, k - l));
            const bool add = accumulate || l > 0;
            UNROLL for (int g = 0; g < GROUPS; g++) {
                int left = n - j - g * VL;
                if (left <= 0) break;
                vm head = v_head(min_int(left, VL - 1));
                UNROLL for (int i = 0; i < m; i++) {
                    float *to = y + i * ldy + j + g * VL;
                    if (left >= VL) v_store(to, add ? v_add(v_load(to), c[g][i]) : c[g][i]);
                    else v_store_head(to, head, add ? v_add(v_load_head(to, head, v_zero()), c[g][i]) : c[g][i]);
                }
            }
        }
}

INLINE void few_nt(kernel_type wt, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, int m, int n, int k,
                   bool accumulate) {
    switch (m) {
    case 1: few_nt_as(1, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 2: few_nt_as(2, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 3: few_nt_as(3, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 4: few_nt_as(4, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
#if defined(__AVX512F__)
    case 5: few_nt_as(5, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 6: few_nt_as(6, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 7: few_nt_as(7, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 8: few_nt_as(8, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
#endif
    }
}

/* ---- nn ---- */

/* y (m, vectors * VL) += a b, b read where it lies; with one vector `columns` may be fewer than VL. */
INLINE void few_nn_strip(int m, int vectors, kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t at,
                         int64_t ldb, int columns, int k) {
    vf c[FEW][FEW_SUMS];
    const bool ragged = vectors == 1 && columns < VL;
    const vm head = v_head(ragged ? columns : 0);
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int v = 0; v < vectors; v++) c[i][v] =
        ragged ? v_load_head(y + i * ldy, head, v_zero()) : v_load(y + i * ldy + v * VL);
    for (int l = 0; l < k; l++, at += ldb) {
        UNROLL for (int v = 0; v < vectors; v++) {
            vf bv = ragged ? load_as_head(b, bt, at, columns) : load_as(b, bt, at + v * VL);
            UNROLL for (int i = 0; i < m; i++) c[i][v] = v_fma(v_set1(a[i * lda + l]), bv, c[i][v]);
        }
    }
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int v = 0; v < vectors; v++) {
        if (ragged) v_store_head(y + i * ldy, head, c[i][v]);
        else v_store(y + i * ldy + v * VL, c[i][v]);
    }
}

INLINE void few_nn_as(int m, kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, int n, int k) {
    const int vectors = min_int(8, FEW_SUMS / m);
    int j = 0;
    for (; j + vectors * VL <= n; j += vectors * VL) few_nn_strip(m, vectors, bt, y + j, ldy, a, lda, b, j, ldb, vectors * VL, k);
    for (; j < n; j += VL) few_nn_strip(m, 1, bt, y + j, ldy, a, lda, b, j, ldb, n - j, k);
}

INLINE void few_nn(kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, int m, int n, int k) {
    switch (m) {
    case 1: few_nn_as(1, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 2: few_nn_as(2, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 3: few_nn_as(3, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 4: few_nn_as(4, bt, y, ldy, a, lda, b, ldb, n, k); break;
#if defined(__AVX512F__)
    case 5: few_nn_as(5, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 6: few_nn_as(6, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 7: few_nn_as(7, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 8: few_nn_as(8, bt, y, ldy, a, lda, b, ldb, n, k); break;
#endif
    }
}

#endif
