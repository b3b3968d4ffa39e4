/* op_norm.c - RMSNorm, LayerNorm and row normalisation; statistics in f32, lanes then a fixed tree (kernels.sum). */
#include <math.h>
#include <string.h>

#include "tensor/tensor_int.h"

/* Gradients towards the gain sum over rows: each task of GAIN_ROWS rows fills its own partial row in scratch, the partials are then added in
 * order, so the sum does not depend on the threads. */
enum { GAIN_ROWS = 64 };

typedef struct {
    const kernels *k;
    const float *x, *w, *b, *dy;
    float *y, *dx, *partial, *row; /* row: one scratch row a chunk */
    int64_t cols, rows;
    float eps;
    bool fresh; /* dx holds nothing yet */
} norm_job;

static int64_t chunk_count(int64_t rows) { return (rows + GAIN_ROWS - 1) / GAIN_ROWS; }

static void add_partials(cx *c, const norm_job *j, float *dw, int64_t stride, int64_t offset) {
    for (int64_t ch = 0; ch < chunk_count(j->rows); ch++) c->k->axpy(dw, 1.0f, j->partial + ch * stride + offset, j->cols);
}

static float rms_scale(const norm_job *j, const float *x) { return 1.0f / sqrtf(j->k->dot(x, x, (int)j->cols) / (float)j->cols + j->eps); }

/* ---- RMSNorm ---- */

static void rms_rows(void *arg, int64_t first, int64_t last, int thread) {
    const norm_job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        const float *x = j->x + r * j->cols;
        float *y = j->y + r * j->cols;
        j->k->scale(y, rms_scale(j, x), x, j->cols);
        j->k->mul(y, y, j->w, j->cols);
    }
}

/* x and w as (rows, cols of w): a wide row of heads counts as several rows. */
static norm_job norm_make(cx *c, const node *n) {
    tensor *x = n->in[0], *w = n->in[1];
    norm_job j = {.k = c->k,
                  .x = x->data,
                  .w = w ? w->data : NULL,
                  .y = n->out->data,
                  .dy = n->out->grad,
                  .dx = x->grad,
                  .fresh = x->grad_fresh,
                  .eps = *(float *)n->args};
    j.cols = w ? tensor_cols(w) : tensor_cols(x);
    j.rows = tensor_count(x) / j.cols;
    return j;
}

static void rms_forward(cx *c, node *n) {
    norm_job j = norm_make(c, n);
    parallel_for(c->pool, j.rows, grain_rows(j.cols), rms_rows, &j);
}

static void rms_grad_rows(void *arg, int64_t first, int64_t last, int thread) {
    const norm_job *j = arg;
    (void)thread;
    int64_t C = j->cols;
    for (int64_t ch = first; ch < last; ch++) {
        float *gain = j->partial + ch * 2 * C, *g = gain + C;
        memset(gain, 0, (size_t)C * sizeof *gain);
        for (int64_t r = ch * GAIN_ROWS; r < (ch + 1) * GAIN_ROWS && r < j->rows; r++) {
            const float *x = j->x + r * C, *dy = j->dy + r * C;
            float s = rms_scale(j, x);
            j->k->mul(g, dy, x, C);
            j->k->axpy(gain, s, g, C);
            if (!j->dx) continue;
            if (j->fresh) memset(j->dx + r * C, 0, (size_t)C * sizeof *g);
            float t = j->k->dot(g, j->w, (int)C) * s * s * s / (float)C;
            j->k->mul(g, dy, j->w, C);
            j->k->axpy(j->dx + r * C, s, g, C);
            j->k->axpy(j->dx + r * C, -t, x, C);
        }
    }
}

static void rms_backward(cx *c, node *n) {
    norm_job j = norm_make(c, n);
    j.partial = n->scratch;
    if (!n->in[0]->wants_grad) j.dx = NULL;
    parallel_for(c->pool, chunk_count(j.rows), 1, rms_grad_rows, &j);
    if (n->in[1]->wants_grad) add_partials(c, &j, n->in[1]->grad, 2 * j.cols, 0);
}

static const op OP_RMSNORM = {"rmsnorm", rms_forward, rms_backward, .again = true, .fills = 1};

static float *eps_args(cx *c, float eps) {
    float *args = slab_alloc(&c->meta, sizeof *args);
    *args = eps;
    return args;
}

tensor *op_rmsnorm(cx *c, tensor *x, tensor *w, float eps) {
    LMM_ASSERT(tensor_cols(x) % tensor_cols(w) == 0, "rmsnorm: %" PRId64 " columns, gain has %" PRId64, tensor_cols(x), tensor_cols(w));
    int64_t rows = tensor_count(x) / tensor_cols(w);
    return cx_apply(c, (node){.op = &OP_RMSNORM,
                              .out = cx_new(c, x->nd, x->ne),
                              .in = {x, w},
                              .args = eps_args(c, eps),
                              .scratch_backward = (size_t)(chunk_count(rows) * 2 * tensor_cols(w)) * sizeof(float),
                              .blind = BLIND_OUT});
}

/* ---- LayerNorm ---- */

typedef struct {
    float mean, scale;
} moments;

/* Two passes: the mean, then the mean square of the differences, which `d` receives. */
static moments row_moments(const norm_job *j, const float *x, float *d) {
    moments m = {.mean = j->k->sum(x, (int)j->cols) / (float)j->cols};
    for (int64_t i = 0; i < j->cols; i++) d[i] = x[i] - m.mean;
    m.scale = 1.0f / sqrtf(j->k->dot(d, d, (int)j->cols) / (float)j->cols + j->eps);
    return m;
}

static void layer_rows(void *arg, int64_t first, int64_t last, int thread) {
    const norm_job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        float *y = j->y + r * j->cols;
        moments m = row_moments(j, j->x + r * j->cols, y);
        j->k->scale(y, m.scale, y, j->cols);
        j->k->mul(y, y, j->w, j->cols);
        j->k->add(y, y, j->b, j->cols);
    }
}

static void layer_forward(cx *c, node *n) {
    norm_job j = norm_make(c, n);
    j.b = n->in[2]->data;
    parallel_for(c->pool, j.rows, grain_rows(j.cols), layer_rows, &j);
}

/* With h = (x - mean) scale and g = dy w: dx = scale (g - mean(g) - h mean(g h)). */
static void layer_grad_rows(void *arg, int64_t first, int64_t last, int thread) {
    const norm_job *j = arg;
    (void)thread;
    int64_t C = j->cols;
    for (int64_t ch = first; ch < last; ch++) {
        float *gain = j->partial + ch * 4 * C, *bias = gain + C, *h = bias + C, *g = h + C;
        memset(gain, 0, (size_t)(2 * C) * sizeof *gain);
        for (int64_t r = ch * GAIN_ROWS; r < (ch + 1) * GAIN_ROWS && r < j->rows; r++) {
            const float *dy = j->dy + r * C;
            moments m = row_moments(j, j->x + r * C, h);
            j->k->scale(h, m.scale, h, C);
            j->k->mul(g, dy, h, C);
            j->k->axpy(gain, 1.0f, g, C);
            j->k->axpy(bias, 1.0f, dy, C);
            if (!j->dx) continue;
            float gh = j->k->dot(g, j->w, (int)C) / (float)C;
            j->k->mul(g, dy, j->w, C);
            float mean = j->k->sum(g, (int)C) / (float)C;
            float *dx = j->dx + r * C;
            if (j->fresh) memset(dx, 0, (size_t)C * sizeof *dx);
            for (int64_t i = 0; i < C; i++) dx[i] += m.scale * (g[i] - mean - h[i] * gh);
        }
    }
}

static void layer_backward(cx *c, node *n) {
    norm_job j = norm_make(c, n);
    j.partial = n->scratch;
    if (!n->in[0]->wants_grad) j.dx = NULL;
    parallel_for(c->pool, chunk_count(j.rows), 1, layer_grad_rows, &j);
    if (n->in[1]->wants_grad) add_partials(c, &j, n->in[1]->grad, 4 * j.cols, 0);
    if (n->in[2]->wants_grad) add_partials(c, &j, n->in[2]->grad, 4 * j.cols, j.cols);
}

static const op OP_LAYERNORM = {"layernorm", layer_forward, layer_backward, .again = true, .fills = 1};

tensor *op_layernorm(cx *c, tensor *x, tensor *w, tensor *b, float eps) {
    LMM_ASSERT(tensor_cols(x) == tensor_count(w) && tensor_count(b) == tensor_count(w), "layernorm: %" PRId64 " columns, gain has %" PRId64,
               tensor_cols(x), tensor_count(w));
    return cx_apply(c, (node){.op = &OP_LAYERNORM,
                              .out = cx_new(c, x->nd, x->ne),
                              .in = {x, w, b},
                              .args = eps_args(c, eps),
                              .scratch_backward = (size_t)(chunk_count(tensor_rows(x)) * 4 * tensor_cols(x)) * sizeof(float),
                              .blind = BLIND_OUT});
}

/* ---- rows of length one ---- */

static void l2_forward(cx *c, node *n) {
    norm_job j = norm_make(c, n);
    for (int64_t r = 0; r < j.rows; r++) {
        const float *x = j.x + r * j.cols;
        c->k->scale(j.y + r * j.cols, 1.0f / sqrtf(c->k->dot(x, x, (int)j.cols)), x, j.cols);
    }
}

/* dx = (dy - y (y . dy)) / |x| */
static void l2_backward(cx *c, node *n) {
    norm_job j = norm_make(c, n);
    for (int64_t r = 0; r < j.rows; r++) {
        const float *x = j.x + r * j.cols, *y = j.y + r * j.cols, *dy = j.dy + r * j.cols;
        float s = 1.0f / sqrtf(c->k->dot(x, x, (int)j.cols));
        c->k->axpy(j.dx + r * j.cols, s, dy, j.cols);
        c->k->axpy(j.dx + r * j.cols, -s * c->k->dot(y, dy, (int)j.cols), y, j.cols);
    }
}

static const op OP_L2NORM = {"l2norm", l2_forward, l2_backward, .fills = 0};

tensor *op_l2norm(cx *c, tensor *x) {
    return cx_apply(c, (node){.op = &OP_L2NORM, .out = cx_new(c, x->nd, x->ne), .in = {x}, .args = eps_args(c, 0.0f)});
}
