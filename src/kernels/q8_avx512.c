/* q8_avx512.c - the integer products for AVX-512 with VNNI, which multiplies and adds four pairs of bytes a lane. */
#include "kernels/kernels_int.h"

#if defined(__x86_64__)
#include "kernels/q8_dots.h"

void q8_dots_avx512(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n) {
    (__builtin_cpu_supports("avx512vnni") ? dot_rows : q8_dots_avx2)(y, ldy, x, row, m, w, wt, n);
}
#endif
