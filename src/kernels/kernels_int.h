/* kernels_int.h - the parts of a table that are files of their own. */
#ifndef LMM_KERNELS_INT_H
#define LMM_KERNELS_INT_H

#include "kernels/kernels.h"

/* q8_avx2.c, q8_avx512.c: the entries q8_row and q8_dots of their tables. The second needs VNNI and asks the processor: without, it does as AVX2. */
void q8_row_avx2(const q8_rows *to, int64_t row, const float *x);
void q8_dots_avx2(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n);
void q8_dots_avx512(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n);

/* gemm_bf16_avx2.c, gemm_bf16_avx512.c: the entry gemm_bf16 of their tables. The second needs AVX512-BF16 and asks the processor: without, it does as AVX2. */
void gemm_bf16_avx2(gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m,
                    int n, int k, bool accumulate);
void gemm_bf16_avx512(gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m,
                      int n, int k, bool accumulate);

#endif
