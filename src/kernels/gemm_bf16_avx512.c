/* gemm_bf16_avx512.c - products of bf16 for AVX-512 with BF16, which multiplies and adds two pairs of values a lane. */
#include "kernels/kernels_int.h"

#if defined(__x86_64__)
#include "kernels/gemm_blocks.h"

void gemm_bf16_avx512(gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m,
                      int n, int k, bool accumulate) {
    if (!__builtin_cpu_supports("avx512bf16")) gemm_bf16_avx2(form, y, ldy, a, lda, b, ldb, bt, m, n, k, accumulate);
    else
        multiply(y, ldy, &(operands){a, lda, b, ldb, bt, form == GEMM_TN ? A_COLUMNS : A_ROWS, form == GEMM_NT}, m, n, k, !accumulate,
                 false);
}
#endif
