/* op_linear.c - the matrix product of every layer; with op_rows_get the only op that knows weight formats. */
#include <string.h>

#include "tensor/tensor_int.h"

typedef struct {
    const kernels *k;
    float *y;
    const float *b;
    int64_t cols;
} bias_job;

static void bias_rows(void *arg, int64_t first, int64_t last, int thread) {
    const bias_job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) j->k->add(j->y + r * j->cols, j->y + r * j->cols, j->b, j->cols);
}

/* ---- woven weights (tensor.h) ---- */

typedef struct {
    float *plain, *woven; /* (rows, cols) */
    int64_t cols;
    int heads;
    bool weave; /* from plain to woven; else back */
} weave_job;

static void weave_rows(void *arg, int64_t first, int64_t last, int thread) {
    const weave_job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        float *plain = j->plain + r * j->cols, *woven = j->woven + r * j->cols;
        int64_t half = j->cols / j->heads / 2;
        for (int h = 0; h < j->heads; h++, plain += 2 * half, woven += 2 * half)
            for (int64_t i = 0; i < half; i++) {
                float *a = plain + i, *b = plain + half + i, *pair = woven + 2 * i;
                if (j->weave) pair[0] = *a, pair[1] = *b;
                else *a = pair[0], *b = pair[1];
            }
    }
}

static void weave(const cx *c, weave_job j, int64_t rows) { parallel_for(c->pool, rows, grain_rows(j.cols), weave_rows, &j); }

/* ---- the op ---- */

void cx_gemm(const cx *c, gemm_form form, float *y, const float *a, const void *b, kernel_type bt, int64_t m, int64_t n, int64_t k,
             bool accumulate) {
    const int64_t lda = form == GEMM_TN ? m : k, ldb = form == GEMM_NT ? k : n;
    gemm(c->k, c->pool, form, c->bf16, y, n, a, lda, b, ldb, bt, (int)m, (int)n, (int)k, accumulate || form == GEMM_TN);
}

static bool in_integers(const cx *c, const tensor *w) { return c->digits && dtype_block(w->type) > 1; }

static void linear_forward(cx *c, node *n) {
    tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    int64_t rows = tensor_rows(x), in = tensor_cols(x), out = w->ne[0];
    float *y = n->out->data, *product = w->woven ? n->scratch : y;
    void *digits = w->woven ? (float *)n->scratch + rows * out : n->scratch;
    kernel_type wt = dtype_kernel(w->type);
    if (in_integers(c, w)) gemm_q8(c->k, c->pool, product, out, x->data, in, w->data, wt, c->digits, (int)rows, (int)out, (int)in, digits);
    else cx_gemm(c, GEMM_NT, product, x->data, w->data, wt, rows, out, in, false);
    if (w->woven) weave(c, (weave_job){y, product, out, w->woven, false}, rows);
    if (b) parallel_for(c->pool, rows, grain_rows(out), bias_rows, &(bias_job){c->k, y, b->data, out});
}

/* Column sums of dy, in row order, cut over columns. */
typedef struct {
    const float *dy;
    float *db;
    int64_t rows, cols;
    const kernels *k;
} bias_grad_job;

static void bias_grad_cols(void *arg, int64_t first, int64_t last, int thread) {
    const bias_grad_job *j = arg;
    (void)thread;
    for (int64_t r = 0; r < j->rows; r++) j->k->axpy(j->db + first, 1.0f, j->dy + r * j->cols + first, last - first);
}

static void linear_backward(cx *c, node *n) {
    tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    int64_t rows = tensor_rows(x), in = tensor_cols(x), out = w->ne[0];
    float *dy = n->out->grad, *product = dy;
    if (w->woven) weave(c, (weave_job){dy, product = n->scratch, out, w->woven, true}, rows);
    if (x->wants_grad) cx_gemm(c, GEMM_NN, x->grad, product, w->data, dtype_kernel(w->type), rows, in, out, !x->grad_fresh);
    if (w->wants_grad) cx_gemm(c, GEMM_TN, w->grad, dy, x->data, KT_F32, out, in, rows, true);
    if (b && b->wants_grad) parallel_for(c->pool, out, 256, bias_grad_cols, &(bias_grad_job){dy, b->grad, rows, out, c->k});
}

static const op OP_LINEAR = {"linear", linear_forward, linear_backward, .fills = 1};

tensor *op_linear(cx *c, tensor *x, tensor *w, tensor *b) {
    LMM_ASSERT(w->nd == 2 && x->type == DT_F32 && tensor_cols(x) == w->ne[1], "linear: %" PRId64 " columns, weight takes %" PRId64,
               tensor_cols(x), w->ne[1]);
    LMM_ASSERT(!w->wants_grad || dtype_block(w->type) == 1, "linear: gradients of %s weights do not exist", dtype_name(w->type));
    LMM_ASSERT(!w->wants_grad || !w->woven, "linear: gradients of woven weights do not exist");
    LMM_ASSERT(!b || (b->type == DT_F32 && tensor_count(b) == w->ne[0]), "linear: bias has %" PRId64 " values", tensor_count(b));
    int64_t ne[TENSOR_ND_MAX];
    memcpy(ne, x->ne, sizeof ne);
    ne[x->nd - 1] = w->ne[0];
    c->flops += 2.0 * (double)tensor_rows(x) * (double)w->ne[0] * (double)w->ne[1];
    size_t digits = in_integers(c, w) ? q8_rows_size(dtype_kernel(w->type), c->digits, tensor_rows(x), tensor_cols(x)) : 0;
    size_t product = w->woven ? (size_t)tensor_rows(x) * (size_t)w->ne[0] * sizeof(float) : 0;
    return cx_apply(c, (node){.op = &OP_LINEAR,
                              .out = cx_new(c, x->nd, ne),
                              .in = {x, w, b},
                              .scratch_forward = product + digits,
                              .scratch_backward = product,
                              .blind = BLIND_OUT | (w->wants_grad ? 0 : BLIND_IN0)});
}
