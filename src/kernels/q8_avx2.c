/* q8_avx2.c - the integer products for AVX2. */
#include "kernels/kernels_int.h"

#if defined(__x86_64__)
#include "kernels/q8_dots.h"
#include "kernels/q8_rows.h"

void q8_row_avx2(const q8_rows *to, int64_t row, const float *x) { quantise_row(to, row, x); }

void q8_dots_avx2(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n) {
    dot_rows(y, ldy, x, row, m, w, wt, n);
}
#endif
