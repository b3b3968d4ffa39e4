/* op_taps.c - what a one-dimensional convolution sees: every row's neighbours side by side, so that the convolution is a linear layer. */
#include <string.h>

#include "tensor/tensor_int.h"

typedef struct {
    int64_t tokens, out_tokens;
    int taps, stride;
} taps_args;

typedef struct {
    const taps_args *a;
    const float *from;
    float *to;
    int64_t cols;
} taps_job;

/* Rows of the output: column (channel, tap) holds x[row * stride + tap - taps / 2][channel], zero beyond the sequence. */
static void gather(void *arg, int64_t first, int64_t last, int thread) {
    const taps_job *j = arg;
    const taps_args *a = j->a;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        int64_t sequence = r / a->out_tokens, center = r % a->out_tokens * a->stride;
        float *to = j->to + r * j->cols * a->taps;
        for (int tap = 0; tap < a->taps; tap++) {
            int64_t t = center + tap - a->taps / 2;
            const float *from = j->from + (sequence * a->tokens + t) * j->cols;
            bool inside = t >= 0 && t < a->tokens;
            for (int64_t k = 0; k < j->cols; k++) to[k * a->taps + tap] = inside ? from[k] : 0.0f;
        }
    }
}

static void taps_forward(cx *c, node *n) {
    taps_job j = {n->args, n->in[0]->data, n->out->data, tensor_cols(n->in[0])};
    parallel_for(c->pool, tensor_rows(n->out), grain_rows(tensor_cols(n->out)), gather, &j);
}

/* Overlapping windows add into the same rows, so they go one after the other. */
static void taps_backward(cx *c, node *n) {
    (void)c;
    const taps_args *a = n->args;
    int64_t C = tensor_cols(n->in[0]);
    for (int64_t r = 0; r < tensor_rows(n->out); r++)
        for (int tap = 0; tap < a->taps; tap++) {
            int64_t t = r % a->out_tokens * a->stride + tap - a->taps / 2;
            if (t < 0 || t >= a->tokens) continue;
            float *to = n->in[0]->grad + (r / a->out_tokens * a->tokens + t) * C;
            const float *from = n->out->grad + r * C * a->taps + tap;
            for (int64_t k = 0; k < C; k++) to[k] += from[k * a->taps];
        }
}

static const op OP_TAPS = {"taps", taps_forward, taps_backward, .fills = 0};

tensor *op_taps(cx *c, tensor *x, int tokens, int taps, int stride) {
    LMM_ASSERT(x->type == DT_F32 && taps % 2 == 1 && stride > 0 && tokens > 0 && tensor_rows(x) % tokens == 0,
               "taps: %d of %" PRId64 " rows in sequences of %d", taps, tensor_rows(x), tokens);
    taps_args *a = slab_alloc(&c->meta, sizeof *a);
    *a = (taps_args){tokens, (tokens - 1) / stride + 1, taps, stride};
    tensor *out = cx_new2(c, tensor_rows(x) / tokens * a->out_tokens, tensor_cols(x) * taps);
    return cx_apply(c, (node){.op = &OP_TAPS, .out = out, .in = {x}, .args = a});
}
