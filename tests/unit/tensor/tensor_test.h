/* tensor_test.h - what the tests of tensor/ share: the kernel tables of this machine, random tensors, a measured context. */
#ifndef TENSOR_TEST_H
#define TENSOR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

enum { TABLES_MAX = 3 };

static inline int kernel_tables(const kernels *out[TABLES_MAX]) {
    static const char *const names[TABLES_MAX] = {"generic", "avx2", "avx512"};
    int count = 0;
    for (int i = 0; i < TABLES_MAX; i++)
        if (kernels_pick(names[i])) out[count++] = kernels_pick(names[i]);
    return count;
}

/* Values uniform in [-1, 1); free(t.data). */
static inline tensor random_tensor(int64_t rows, int64_t cols, uint64_t stream) {
    tensor t = tensor_make(DT_F32, 2, (int64_t[]){rows, cols}, mem_new((size_t)(rows * cols), sizeof(float)));
    rng r = rng_make(11, stream);
    for (int64_t i = 0; i < rows * cols; i++) tensor_f32(&t)[i] = 2.0f * (float)rng_unit(&r) - 1.0f;
    return t;
}

static inline void check_same_bits(const float *a, const float *b, int64_t n, const char *what) {
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a))
            fail_msg("%s: element %d of %d is %.9g, not %.9g", what, (int)i, (int)n, (double)a[i], (double)b[i]);
}

/* Runs `work` once in MEASURE and then in exactly the memory that was counted, which holds NaN at the start. */
typedef void (*work_fn)(cx *c, void *arg);
static inline size_t run_measured(cx start, work_fn work, void *arg) {
    arena counter = {0}, mem;
    cx c = start;
    c.mode = CX_MEASURE;
    c.mem = &counter;
    work(&c, arg);
    cx_free(&c);
    assert_int_equal(arena_open(&mem, counter.peak, "test"), LMM_OK);
    memset(mem.base, 0xff, mem.capacity);
    c = start;
    c.mode = CX_RUN;
    c.mem = &mem;
    work(&c, arg);
    assert_int_equal(c.status, LMM_OK);
    assert_int_equal(mem.peak, counter.peak);
    cx_free(&c);
    arena_close(&mem);
    return counter.peak;
}

#endif
