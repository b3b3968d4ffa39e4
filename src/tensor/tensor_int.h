/* tensor_int.h - what the files of tensor/ share. */
#ifndef LMM_TENSOR_INT_H
#define LMM_TENSOR_INT_H

#include "tensor/tensor.h"

void tape_push(tape *t, node n);
/* Backward over the nodes [first, count), newest first. */
void tape_walk(cx *c, int first);
/* A stretch of the arena, in a hole or on top, and back; sizes as asked. A function of the calls before alone, so that MEASURE and RUN agree. */
size_t cx_take(cx *c, size_t size);
void cx_give(cx *c, size_t at, size_t size);
void *cx_at(const cx *c, size_t at); /* NULL in MEASURE */
/* Values and gradient of an activation, to the arena and from it; nothing for what lies elsewhere. */
void tensor_place(cx *c, tensor *t);
void tensor_give_data(cx *c, tensor *t);
void tensor_give_grad(cx *c, tensor *t);
/* Gives t a zeroed gradient from the arena when it has none. */
void tensor_need_grad(cx *c, tensor *t);

/* y (m, n) = a b (+ y when accumulate; tn always adds); without gaps between rows, in the context's precision. */
void cx_gemm(const cx *c, gemm_form form, float *y, const float *a, const void *b, kernel_type bt, int64_t m, int64_t n, int64_t k,
             bool accumulate);

/* Runs fn over [0, n) rows with a grain that depends on the row's cost only: about 16k elements a chunk. */
static inline int64_t grain_rows(int64_t cols) { return cols >= 16384 ? 1 : 16384 / (cols > 0 ? cols : 1) + 1; }

#endif
