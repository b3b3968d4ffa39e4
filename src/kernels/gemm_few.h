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

/* Rows of x where fewer steps are left than a load of w brings, filled with -0: with weights of 0 that adds -0, which changes nothing. */
static void gather_x(int M, float to[FEW][2 * VL], const float **row, int k) {
    for (int i = 0; i < M; i++) {
        for (int l = 0; l < 2 * VL; l++) to[i][l] = l < k ? row[i][l] : -0.0f;
        row[i] = to[i];
    }
}

/* c[g][i] += w[j + g VL ..][0 .. k) x[i][0 .. k). row: pointers to M rows of x. */
INLINE void few_nt_sum(int M, vf c[GROUPS][FEW], kernel_type wt, const float *row[FEW], const void *w, int64_t at, int64_t ldw, int rows,
                       int k) {
    const int per_word = wt == KT_F32 ? 1 : 2, step = per_word * VL;
    float edge[FEW][2 * VL];
    for (; k > 0; k -= step, at += step) {
        if (k < step) gather_x(M, edge, row, k);
        UNROLL for (int g = 0; g < GROUPS; g++) {
            vf word[VL];
            load_words(word, wt, w, at + g * VL * ldw, ldw, rows - g * VL, k);
            UNROLL for (int q = 0; q < VL; q++) {
                vf low = word[q], high = low;
                if (wt != KT_F32) split_word(wt, word[q], &low, &high);
                UNROLL for (int i = 0; i < M; i++) c[g][i] = v_fma(v_set1(row[i][q * per_word]), low, c[g][i]);
                if (wt == KT_F32) continue;
                UNROLL for (int i = 0; i < M; i++) c[g][i] = v_fma(v_set1(row[i][q * per_word + 1]), high, c[g][i]);
            }
        }
        UNROLL for (int i = 0; i < M; i++) row[i] += step;
    }
}

/* M rows are computed, a constant where it is inlined; the first m <= M of them are wanted, the others repeat the last. */
INLINE void few_nt_as(int M, kernel_type wt, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, int m, int n,
                      int k, bool accumulate) {
    for (int j = 0; j < n; j += GROUPS * VL)
        for (int l = 0; l < k; l += KC) {
            vf c[GROUPS][FEW];
            const float *row[FEW];
            UNROLL for (int i = 0; i < M; i++) row[i] = x + min_int(i, m - 1) * ldx + l;
            UNROLL for (int g = 0; g < GROUPS; g++) UNROLL for (int i = 0; i < M; i++) c[g][i] = v_zero();
            few_nt_sum(M, c, wt, row, w, j * ldw + l, ldw, n - j, min_int(KC, k - l));
            const bool add = accumulate || l > 0;
            UNROLL for (int g = 0; g < GROUPS; g++) UNROLL for (int i = 0; i < M; i++) {
                int left = n - j - g * VL;
                if (i >= m || left <= 0) break;
                vm head = v_head(min_int(left, VL - 1));
                float *to = y + i * ldy + j + g * VL;
                if (left >= VL) v_store(to, add ? v_add(v_load(to), c[g][i]) : c[g][i]);
                else v_store_head(to, head, add ? v_add(v_load_head(to, head, v_zero()), c[g][i]) : c[g][i]);
            }
        }
}

INLINE void few_nt(kernel_type wt, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, int m, int n, int k,
                   bool accumulate) {
    if (m == 1) few_nt_as(1, wt, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else if (m == 2) few_nt_as(2, wt, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else if (m <= 4) few_nt_as(4, wt, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else if (FEW == 8) few_nt_as(FEW, wt, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
}

/* ---- nn ---- */

/* y (m, vectors VL) += a b, b read where it lies; with one vector `columns` may be fewer than VL. M and m as in few_nt_as. */
INLINE void few_nn_strip(int M, int vectors, kernel_type bt, float *y, int64_t ldy, const float *const a[FEW], const void *b, int64_t at,
                         int64_t ldb, int m, int columns, int k) {
    vf c[FEW][FEW_SUMS];
    const bool ragged = vectors == 1 && columns < VL;
    const vm head = v_head(ragged ? columns : 0);
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < vectors; v++) {
        const float *from = y + min_int(i, m - 1) * ldy;
        c[i][v] = ragged ? v_load_head(from, head, v_zero()) : v_load(from + v * VL);
    }
    for (int l = 0; l < k; l++, at += ldb) {
        UNROLL for (int v = 0; v < vectors; v++) {
            vf bv = ragged ? load_as_head(b, bt, at, columns) : load_as(b, bt, at + v * VL);
            UNROLL for (int i = 0; i < M; i++) c[i][v] = v_fma(v_set1(a[i][l]), bv, c[i][v]);
        }
    }
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < vectors; v++) {
        if (i >= m) break;
        if (ragged) v_store_head(y + i * ldy, head, c[i][v]);
        else v_store(y + i * ldy + v * VL, c[i][v]);
    }
}

INLINE void few_nn_as(int M, kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, int m, int n,
                      int k) {
    const int vectors = min_int(8, FEW_SUMS / M);
    const float *row[FEW];
    int j = 0;
    UNROLL for (int i = 0; i < M; i++) row[i] = a + min_int(i, m - 1) * lda;
    for (; j + vectors * VL <= n; j += vectors * VL) few_nn_strip(M, vectors, bt, y + j, ldy, row, b, j, ldb, m, vectors * VL, k);
    for (; j < n; j += VL) few_nn_strip(M, 1, bt, y + j, ldy, row, b, j, ldb, m, n - j, k);
}

INLINE void few_nn(kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, int m, int n, int k) {
    if (m == 1) few_nn_as(1, bt, y, ldy, a, lda, b, ldb, m, n, k);
    else if (m == 2) few_nn_as(2, bt, y, ldy, a, lda, b, ldb, m, n, k);
    else if (m <= 4) few_nn_as(4, bt, y, ldy, a, lda, b, ldb, m, n, k);
    else if (FEW == 8) few_nn_as(FEW, bt, y, ldy, a, lda, b, ldb, m, n, k);
}

#endif
