/* op_rows.c - moving rows: embeddings, gathers, joins, blends, columns, patches, and the KV cache. */
#include <string.h>

#include "tensor/tensor_int.h"

typedef struct {
    int n;
    int *index;
} rows_args;

static rows_args *rows_copy(cx *c, const int *index, int n) {
    rows_args *a = slab_alloc(&c->meta, sizeof *a);
    *a = (rows_args){n, slab_alloc(&c->meta, (size_t)n * sizeof *index + 1)};
    memcpy(a->index, index, (size_t)n * sizeof *index);
    return a;
}

/* Adds the rows of dy chosen by `take` into table rows, in row order; cut over columns so that equal indices never meet on two threads. */
typedef struct {
    const kernels *k;
    const rows_args *a;
    const float *dy;
    float *grad;
    int64_t cols;
    bool second;
} scatter_job;

static void scatter_cols(void *arg, int64_t first, int64_t last, int thread) {
    const scatter_job *j = arg;
    (void)thread;
    for (int r = 0; r < j->a->n; r++) {
        int i = j->a->index[r];
        if (j->second) i = -1 - i;
        if (i >= 0) j->k->axpy(j->grad + i * j->cols + first, 1.0f, j->dy + r * j->cols + first, last - first);
    }
}

static void scatter(cx *c, const node *n, tensor *to, bool second) {
    scatter_job j = {c->k, n->args, n->out->grad, to->grad, tensor_cols(to), second};
    parallel_for(c->pool, j.cols, 128, scatter_cols, &j);
}

/* ---- gather ---- */

static void get_forward(cx *c, node *n) {
    const rows_args *a = n->args;
    tensor *t = n->in[0];
    int64_t cols = tensor_cols(t);
    size_t size = dtype_bytes(t->type, cols);
    for (int r = 0; r < a->n; r++)
        c->k->to_f32(tensor_f32(n->out) + r * cols, (const char *)t->data + (size_t)a->index[r] * size, dtype_kernel(t->type), cols);
}

static void get_backward(cx *c, node *n) { scatter(c, n, n->in[0], false); }
static const op OP_ROWS_GET = {"rows_get", get_forward, get_backward, .fills = 0};

tensor *op_rows_get(cx *c, tensor *table, const int *index, int n) {
    for (int r = 0; r < n; r++)
        LMM_ASSERT(index[r] >= 0 && index[r] < tensor_rows(table), "rows_get: index %d of %" PRId64 " rows", index[r], tensor_rows(table));
    return cx_apply(c, (node){.op = &OP_ROWS_GET,
                              .out = cx_new2(c, n, tensor_cols(table)),
                              .in = {table},
                              .args = rows_copy(c, index, n),
                              .blind = BLIND_ALL});
}

/* ---- join ---- */

static void join_forward(cx *c, node *n) {
    const rows_args *a = n->args;
    int64_t cols = tensor_cols(n->out);
    (void)c;
    for (int r = 0; r < a->n; r++) {
        const tensor *from = n->in[a->index[r] < 0];
        int64_t i = a->index[r] < 0 ? -1 - a->index[r] : a->index[r];
        memcpy(tensor_f32(n->out) + r * cols, tensor_f32(from) + i * cols, (size_t)cols * sizeof(float));
    }
}

static void join_backward(cx *c, node *n) {
    for (int i = 0; i < 2; i++)
        if (n->in[i]->wants_grad) scatter(c, n, n->in[i], i == 1);
}

static const op OP_ROWS_JOIN = {"rows_join", join_forward, join_backward, .fills = 0};

tensor *op_rows_join(cx *c, tensor *a, tensor *b, const int *index, int n) {
    LMM_ASSERT(tensor_cols(a) == tensor_cols(b) && a->type == DT_F32 && b->type == DT_F32, "rows_join: %" PRId64 " and %" PRId64 " columns",
               tensor_cols(a), tensor_cols(b));
    for (int r = 0; r < n; r++) LMM_ASSERT(index[r] < tensor_rows(a) && -1 - index[r] < tensor_rows(b), "rows_join: index %d", index[r]);
    return cx_apply(c, (node){.op = &OP_ROWS_JOIN,
                              .out = cx_new2(c, n, tensor_cols(a)),
                              .in = {a, b},
                              .args = rows_copy(c, index, n),
                              .blind = BLIND_ALL});
}

/* ---- blend ---- */

typedef struct {
    int n;
    row_blend *rows;
} blend_args;
typedef struct {
    const kernels *k;
    const blend_args *a;
    const float *from[2];
    float *to;
    int64_t cols;
} blend_job;

static void blend_rows(void *arg, int64_t first, int64_t last, int thread) {
    const blend_job *j = arg;
    size_t size = (size_t)j->cols * sizeof(float);
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        const row_blend *b = &j->a->rows[r];
        float *y = j->to + r * j->cols;
        bool copy = b->count == 1 && b->weight[0] == 1.0f;
        if (!copy) memset(y, 0, size);
        for (int t = 0; t < b->count; t++) {
            int i = b->index[t];
            const float *x = i < 0 ? j->from[1] + (-1 - i) * j->cols : j->from[0] + i * j->cols;
            if (copy) memcpy(y, x, size);
            else j->k->axpy(y, b->weight[t], x, j->cols);
        }
    }
}

static void blend_forward(cx *c, node *n) {
    blend_job j = {c->k, n->args, {n->in[0]->data, n->in[1] ? n->in[1]->data : NULL}, n->out->data, tensor_cols(n->out)};
    parallel_for(c->pool, j.a->n, grain_rows(j.cols * ROW_BLEND_MAX), blend_rows, &j);
}

/* As scatter: cut over columns, so that two threads never add to one place. */
typedef struct {
    const kernels *k;
    const blend_args *a;
    const float *dy;
    float *grad[2];
    int64_t cols;
} unblend_job;

static void unblend_cols(void *arg, int64_t first, int64_t last, int thread) {
    const unblend_job *j = arg;
    (void)thread;
    for (int r = 0; r < j->a->n; r++) {
        const row_blend *b = &j->a->rows[r];
        for (int t = 0; t < b->count; t++) {
            int i = b->index[t] < 0 ? -1 - b->index[t] : b->index[t];
            float *to = j->grad[b->index[t] < 0];
            if (to) j->k->axpy(to + i * j->cols + first, b->weight[t], j->dy + r * j->cols + first, last - first);
        }
    }
}

static void blend_backward(cx *c, node *n) {
    unblend_job j = {c->k, n->args, n->out->grad, {NULL, NULL}, tensor_cols(n->out)};
    for (int i = 0; i < 2; i++)
        if (n->in[i] && n->in[i]->wants_grad) j.grad[i] = n->in[i]->grad;
    parallel_for(c->pool, j.cols, 128, unblend_cols, &j);
}

static const op OP_ROWS_BLEND = {"rows_blend", blend_forward, blend_backward, .fills = 0};

tensor *op_rows_blend(cx *c, tensor *a, tensor *b, const row_blend *rows, int n) {
    LMM_ASSERT(a->type == DT_F32 && (!b || (b->type == DT_F32 && tensor_cols(a) == tensor_cols(b))), "rows_blend: %" PRId64 " columns",
               tensor_cols(a));
    for (int r = 0; r < n; r++)
        for (int t = 0; t < rows[r].count; t++)
            LMM_ASSERT(rows[r].index[t] < tensor_rows(a) && -1 - rows[r].index[t] < (b ? tensor_rows(b) : 0), "rows_blend: index %d",
                       rows[r].index[t]);
    blend_args *args = slab_alloc(&c->meta, sizeof *args);
    *args = (blend_args){n, slab_alloc(&c->meta, (size_t)n * sizeof *rows + 1)};
    memcpy(args->rows, rows, (size_t)n * sizeof *rows);
    return cx_apply(c, (node){.op = &OP_ROWS_BLEND, .out = cx_new2(c, n, tensor_cols(a)), .in = {a, b}, .args = args});
}

/* ---- mean ---- */

static void mean_forward(cx *c, node *n) {
    const rows_args *a = n->args;
    int64_t cols = tensor_cols(n->out);
    const float *x = n->in[0]->data;
    for (int r = 0; r < a->n; r++) {
        float *y = tensor_f32(n->out) + r * cols;
        memset(y, 0, (size_t)cols * sizeof *y);
        for (int i = 0; i < a->index[r]; i++, x += cols) c->k->add(y, y, x, cols);
        c->k->scale(y, 1.0f / (float)a->index[r], y, cols);
    }
}

static void mean_backward(cx *c, node *n) {
    const rows_args *a = n->args;
    int64_t cols = tensor_cols(n->out);
    float *dx = n->in[0]->grad;
    for (int r = 0; r < a->n; r++)
        for (int i = 0; i < a->index[r]; i++, dx += cols) c->k->axpy(dx, 1.0f / (float)a->index[r], n->out->grad + r * cols, cols);
}

static const op OP_ROWS_MEAN = {"rows_mean", mean_forward, mean_backward, .fills = 0};

tensor *op_rows_mean(cx *c, tensor *x, const int *counts, int n) {
    int64_t rows = 0;
    for (int r = 0; r < n; r++) {
        LMM_ASSERT(counts[r] > 0, "rows_mean: %d rows", counts[r]);
        rows += counts[r];
    }
    LMM_ASSERT(rows == tensor_rows(x), "rows_mean: %" PRId64 " of %" PRId64 " rows", rows, tensor_rows(x));
    return cx_apply(c, (node){.op = &OP_ROWS_MEAN,
                              .out = cx_new2(c, n, tensor_cols(x)),
                              .in = {x},
                              .args = rows_copy(c, counts, n),
                              .blind = BLIND_ALL});
}

/* ---- columns ---- */

/* Rows of `in` lie at column `at` of the rows of `out`. */
typedef struct {
    const kernels *k;
    float *in, *out;
    int64_t in_cols, out_cols, at;
    bool back;
} columns_job;

static void columns_rows(void *arg, int64_t first, int64_t last, int thread) {
    const columns_job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        float *in = j->in + r * j->in_cols, *out = j->out + r * j->out_cols + j->at;
        if (j->back) j->k->axpy(in, 1.0f, out, j->in_cols);
        else memcpy(out, in, (size_t)j->in_cols * sizeof *out);
    }
}

static void columns_move(cx *c, const node *n, bool back) {
    int64_t at = 0;
    for (int i = 0; i < 2; i++) {
        tensor *t = n->in[i];
        columns_job j = {c->k, back ? t->grad : t->data, back ? n->out->grad : n->out->data, tensor_cols(t), tensor_cols(n->out), at, back};
        if (!back || t->wants_grad) parallel_for(c->pool, tensor_rows(t), grain_rows(j.in_cols), columns_rows, &j);
        at += j.in_cols;
    }
}

static void cols_join_forward(cx *c, node *n) { columns_move(c, n, false); }
static void cols_join_backward(cx *c, node *n) { columns_move(c, n, true); }
static const op OP_COLS_JOIN = {"cols_join", cols_join_forward, cols_join_backward, .fills = 0};

tensor *op_cols_join(cx *c, tensor *a, tensor *b) {
    LMM_ASSERT(tensor_rows(a) == tensor_rows(b) && a->type == DT_F32 && b->type == DT_F32, "cols_join: %" PRId64 " and %" PRId64 " rows",
               tensor_rows(a), tensor_rows(b));
    return cx_apply(c, (node){.op = &OP_COLS_JOIN,
                              .out = cx_new2(c, tensor_rows(a), tensor_cols(a) + tensor_cols(b)),
                              .in = {a, b},
                              .blind = BLIND_ALL});
}

/* ---- patches ---- */

typedef struct {
    int patch, channels, height, width;
} patch_args;

/* Calls for every run of `patch` pixels: offset in the picture, offset in the patch matrix. */
static void patches_move(const patch_args *p, int64_t images, const float *from, float *to, bool back, const kernels *k) {
    int rows = p->height / p->patch, cols = p->width / p->patch, P = p->patch;
    int64_t at = 0;
    for (int64_t b = 0; b < images; b++)
        for (int i = 0; i < rows * cols; i++)
            for (int ch = 0; ch < p->channels; ch++)
                for (int y = 0; y < P; y++, at += P) {
                    int64_t pixel = ((b * p->channels + ch) * p->height + (i / cols) * P + y) * p->width + (i % cols) * P;
                    if (back) k->axpy(to + pixel, 1.0f, from + at, P);
                    else memcpy(to + at, from + pixel, (size_t)P * sizeof(float));
                }
}

static void patches_forward(cx *c, node *n) { patches_move(n->args, n->in[0]->ne[0], n->in[0]->data, n->out->data, false, c->k); }

static void patches_backward(cx *c, node *n) { patches_move(n->args, n->in[0]->ne[0], n->out->grad, n->in[0]->grad, true, c->k); }

static const op OP_PATCHES = {"patches", patches_forward, patches_backward, .fills = 0};

tensor *op_patches(cx *c, tensor *pixels, int patch) {
    LMM_ASSERT(pixels->nd == 4 && patch > 0 && pixels->ne[2] >= patch && pixels->ne[3] >= patch, "patches of %d", patch);
    patch_args *a = slab_alloc(&c->meta, sizeof *a);
    *a = (patch_args){patch, (int)pixels->ne[1], (int)pixels->ne[2], (int)pixels->ne[3]};
    int64_t count = (pixels->ne[2] / patch) * (pixels->ne[3] / patch);
    tensor *out = cx_new2(c, pixels->ne[0] * count, pixels->ne[1] * patch * patch);
    return cx_apply(c, (node){.op = &OP_PATCHES, .out = out, .in = {pixels}, .args = a, .blind = BLIND_ALL});
}

/* ---- cache ---- */

void op_rows_store(cx *c, tensor *cache, int at, const tensor *x, int first, int count) {
    int64_t cols = tensor_cols(x);
    LMM_ASSERT(tensor_cols(cache) == cols && at + count <= tensor_rows(cache) && !c->tape, "rows_store: rows %d+%d of %" PRId64, at, count,
               tensor_rows(cache));
    if (c->mode != CX_RUN) return;
    memcpy(tensor_f32(cache) + at * cols, tensor_f32(x) + first * cols, (size_t)(count * cols) * sizeof(float));
}
