/* gemm_util.h - what the tests of matrix products share: cmocka, the kernels, numbers that are the same in every run. */
#ifndef LMM_TEST_GEMM_UTIL_H
#define LMM_TEST_GEMM_UTIL_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"

static uint32_t state = 1;
static inline float next_float(void) { /* uniform in [-1, 1) */
    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)state * 0x1p-31f;
}
static inline int next_below(int n) {
    state = state * 1664525u + 1013904223u;
    return (int)((state >> 8) % (uint32_t)n);
}

static inline float *floats(int64_t n) {
    float *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) x[i] = next_float();
    return x;
}

#endif
