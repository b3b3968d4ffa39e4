/* op_rope.c - rotary position embedding.
 *
 * Pairs are (i, i + D/2) as in transformers' rotate_half, not (2i, 2i + 1) as in the paper and in Meta's weights.
 * Sources: arXiv 2104.09864; scaling rules live with the model's config (nn/rope.c), here only angles = position * inv_freq. */
#include <math.h>
#include <string.h>

#include "tensor/tensor_int.h"

typedef struct {
    float *table;
    const int *position;       /* (n, axes) */
    const unsigned char *axis; /* of every frequency; NULL: all 0 */
    const float *inv_freq;
    int half, axes;
    float factor;
} table_job;

static void table_rows(void *arg, int64_t first, int64_t last, int thread) {
    const table_job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        float *co = j->table + r * 2 * j->half, *si = co + j->half;
        for (int i = 0; i < j->half; i++) {
            float angle = (float)j->position[r * j->axes + (j->axis ? j->axis[i] : 0)] * j->inv_freq[i];
            co[i] = cosf(angle) * j->factor;
            si[i] = sinf(angle) * j->factor;
        }
    }
}

tensor *rope_table_axes(cx *c, const int *position, int axes, int n, const unsigned char *axis, const float *inv_freq, int head_dim,
                        float factor) {
    tensor *t = cx_new2(c, n, head_dim);
    if (c->mode == CX_RUN)
        parallel_for(c->pool, n, 16, table_rows, &(table_job){t->data, position, axis, inv_freq, head_dim / 2, axes, factor});
    return t;
}

tensor *rope_table(cx *c, const int *position, int n, const float *inv_freq, int head_dim, float factor) {
    return rope_table_axes(c, position, 1, n, NULL, inv_freq, head_dim, factor);
}

typedef struct {
    const float *x, *table;
    float *y;
    int64_t cols;
    int half;
    bool back, fresh; /* y: holds nothing yet */
} rope_job;

/* Forward writes; backward adds the inverse rotation of dy. */
static void rope_rows(void *arg, int64_t first, int64_t last, int thread) {
    const rope_job *j = arg;
    (void)thread;
    int H = j->half;
    for (int64_t r = first; r < last; r++) {
        const float *co = j->table + r * 2 * H, *si = co + H;
        for (int64_t h = 0; h < j->cols; h += 2 * H) {
            const float *x = j->x + r * j->cols + h;
            float *y = j->y + r * j->cols + h;
            if (j->fresh) memset(y, 0, (size_t)(2 * H) * sizeof *y);
            if (j->back)
                for (int i = 0; i < H; i++) {
                    float a = x[i], b = x[i + H];
                    y[i] += a * co[i] + b * si[i];
                    y[i + H] += b * co[i] - a * si[i];
                }
            else
                for (int i = 0; i < H; i++) {
                    float a = x[i], b = x[i + H];
                    y[i] = a * co[i] - b * si[i];
                    y[i + H] = b * co[i] + a * si[i];
                }
        }
    }
}

static void rope_run(cx *c, const node *n, const float *x, float *y, bool back) {
    rope_job j = {x, n->in[1]->data, y, tensor_cols(n->out), (int)tensor_cols(n->in[1]) / 2, back, back && n->in[0]->grad_fresh};
    parallel_for(c->pool, tensor_rows(n->out), grain_rows(j.cols * 4), rope_rows, &j); /* four times as long as a sum */
}

static void rope_forward(cx *c, node *n) { rope_run(c, n, n->in[0]->data, n->out->data, false); }
static void rope_backward(cx *c, node *n) { rope_run(c, n, n->out->grad, n->in[0]->grad, true); }
static const op OP_ROPE = {"rope", rope_forward, rope_backward, .fills = 1};

tensor *op_rope(cx *c, tensor *x, tensor *table) {
    LMM_ASSERT(tensor_rows(x) == tensor_rows(table) && tensor_cols(x) % tensor_cols(table) == 0,
               "rope: %" PRId64 " rows, %" PRId64 " positions", tensor_rows(x), tensor_rows(table));
    return cx_apply(c, (node){.op = &OP_ROPE, .out = cx_new(c, x->nd, x->ne), .in = {x, table}, .blind = BLIND_IN0 | BLIND_OUT});
}
