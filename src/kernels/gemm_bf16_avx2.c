/* gemm_bf16_avx2.c - products of bf16 for processors that have none: rounded where they are packed, multiplied as f32. */
#include "kernels/kernels_int.h"

#if defined(__x86_64__)
#define PACK_ROUNDS
#include "kernels/gemm_blocks.h"

void gemm_bf16_avx2(gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m,
                    int n, int k, bool accumulate) {
    multiply(y, ldy, &(operands){a, lda, b, ldb, bt, form == GEMM_TN ? A_COLUMNS : A_ROWS, form == GEMM_NT}, m, n, k, !accumulate, false);
}
#endif
