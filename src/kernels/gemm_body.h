/* gemm_body.h - the matrix products of a table. */
#ifndef LMM_KERNELS_GEMM_BODY_H
#define LMM_KERNELS_GEMM_BODY_H

#include "kernels/gemm_blocks.h"
#include "kernels/gemm_few.h"

static void body_gemm_nt(float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, kernel_type wt, int m, int n,
                         int k, bool accumulate) {
    if (k == 0 && !accumulate)
        for (int i = 0; i < m; i++) memset(y + i * ldy, 0, (size_t)n * sizeof *y);
    if (m == 0) return;
    if (m > FEW) multiply(y, ldy, &(operands){x, ldx, w, ldw, wt, A_ROWS, true}, m, n, k, !accumulate, false);
    else if (wt == KT_F32) few_nt(KT_F32, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else if (wt == KT_F16) few_nt(KT_F16, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else few_nt(KT_BF16, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
}

static void body_gemm_nn(float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m, int n,
                         int k, bool accumulate) {
    if (m == 0) return;
    for (int i = 0; i < m && !accumulate && (m <= FEW || k == 0); i++) memset(y + i * ldy, 0, (size_t)n * sizeof *y);
    if (m > FEW) multiply(y, ldy, &(operands){a, lda, b, ldb, bt, A_ROWS, false}, m, n, k, !accumulate, true);
    else if (bt == KT_F32) few_nn(KT_F32, y, ldy, a, lda, b, ldb, m, n, k);
    else if (bt == KT_F16) few_nn(KT_F16, y, ldy, a, lda, b, ldb, m, n, k);
    else few_nn(KT_BF16, y, ldy, a, lda, b, ldb, m, n, k);
}

static void body_gemm_tn(float *y, int64_t ldy, const float *a, int64_t lda, const float *b, int64_t ldb, int m, int n, int k) {
    multiply(y, ldy, &(operands){a, lda, b, ldb, KT_F32, A_COLUMNS, false}, m, n, k, false, true);
}

#endif
