/* op_elem.c - elementwise ops: add, scales, SwiGLU and the activations. */
#include <math.h>
#include <string.h>

#include "tensor/tensor_int.h"

enum { GRAIN = 16384 }; /* elements a task */

/* One record serves every loop here; which fields count depends on the function. */
typedef struct {
    const kernels *k;
    float *y, *z;
    const float *a, *b, *d;
    float s;
    bool fresh[2]; /* y and z hold nothing yet */
    int64_t n, cols, rows_b;
    void (*unary)(float *, const float *, int64_t);
    void (*unary_grad)(float *, const float *, const float *, int64_t);
} job;

/* ---- add ---- */

static void add_rows(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) j->k->add(j->y + r * j->cols, j->a + r * j->cols, j->b + r % j->rows_b * j->cols, j->cols);
}

static void add_forward(cx *c, node *n) {
    tensor *a = n->in[0], *b = n->in[1];
    job j = {.k = c->k, .y = n->out->data, .a = a->data, .b = b->data, .cols = tensor_cols(a), .rows_b = tensor_rows(b)};
    parallel_for(c->pool, tensor_rows(a), grain_rows(j.cols), add_rows, &j);
}

/* Zeros where a task is going to add: they are in the nearest cache. */
static void begin(const job *j, int64_t first, int64_t last) {
    if (j->fresh[0]) memset(j->y + first, 0, (size_t)(last - first) * sizeof *j->y);
    if (j->fresh[1]) memset(j->z + first, 0, (size_t)(last - first) * sizeof *j->z);
}

static void copy_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    memcpy(j->y + first, j->d + first, (size_t)(last - first) * sizeof *j->y);
}

static void axpy_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    j->k->axpy(j->y + first, j->s, j->d + first, last - first);
}

static void axpy_all(cx *c, float *y, float s, const float *d, int64_t n) {
    parallel_for(c->pool, n, GRAIN, axpy_range, &(job){.k = c->k, .y = y, .s = s, .d = d});
}

/* db row r = sum of dy rows r, r + rows_b, ... in that order. */
static void add_b_grad_rows(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    begin(j, first * j->cols, last * j->cols);
    for (int64_t r = first; r < last; r++)
        for (int64_t q = r; q < j->n; q += j->rows_b) j->k->axpy(j->y + r * j->cols, 1.0f, j->d + q * j->cols, j->cols);
}

/* t's gradient += dy of the same shape */
static void pass_on(cx *c, tensor *t, const float *dy) {
    if (t->grad_fresh) parallel_for(c->pool, tensor_count(t), GRAIN, copy_range, &(job){.y = t->grad, .d = dy});
    else axpy_all(c, t->grad, 1.0f, dy, tensor_count(t));
}

static void add_backward(cx *c, node *n) {
    tensor *a = n->in[0], *b = n->in[1];
    const float *dy = n->out->grad;
    if (a->wants_grad) pass_on(c, a, dy);
    if (!b->wants_grad) return;
    if (tensor_rows(a) == tensor_rows(b)) {
        pass_on(c, b, dy);
        return;
    }
    job j =
        {.fresh = {b->grad_fresh}, .k = c->k, .y = b->grad, .d = dy, .n = tensor_rows(a), .cols = tensor_cols(a), .rows_b = tensor_rows(b)};
    parallel_for(c->pool, j.rows_b, grain_rows(j.cols * (j.n / j.rows_b)), add_b_grad_rows, &j);
}

static const op OP_ADD = {"add", add_forward, add_backward, .fills = 3};

tensor *op_add(cx *c, tensor *a, tensor *b) {
    LMM_ASSERT(tensor_cols(a) == tensor_cols(b) && tensor_rows(a) % tensor_rows(b) == 0,
               "add: (%" PRId64 ",%" PRId64 ") and (%" PRId64 ",%" PRId64 ")", tensor_rows(a), tensor_cols(a), tensor_rows(b),
               tensor_cols(b));
    return cx_apply(c, (node){.op = &OP_ADD, .out = cx_new(c, a->nd, a->ne), .in = {a, b}, .blind = BLIND_ALL});
}

/* ---- scale ---- */

static void scale_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    j->k->scale(j->y + first, j->s, j->a + first, last - first);
}

static void scale_by(cx *c, node *n, float s) {
    tensor *x = n->in[0];
    parallel_for(c->pool, tensor_count(x), GRAIN, scale_range, &(job){.k = c->k, .y = n->out->data, .a = x->data, .s = s});
}

static void scale_forward(cx *c, node *n) { scale_by(c, n, *(float *)n->args); }
static void scale_backward(cx *c, node *n) { axpy_all(c, n->in[0]->grad, *(float *)n->args, n->out->grad, tensor_count(n->out)); }
static const op OP_SCALE = {"scale", scale_forward, scale_backward, .fills = 0};

tensor *op_scale(cx *c, tensor *x, float s) {
    float *args = slab_alloc(&c->meta, sizeof *args);
    *args = s;
    return cx_apply(c, (node){.op = &OP_SCALE, .out = cx_new(c, x->nd, x->ne), .in = {x}, .args = args, .blind = BLIND_ALL});
}

static void scale_exp_forward(cx *c, node *n) { scale_by(c, n, expf(tensor_f32(n->in[1])[0])); }

static void scale_exp_backward(cx *c, node *n) {
    tensor *x = n->in[0], *s = n->in[1];
    if (x->wants_grad) axpy_all(c, x->grad, expf(tensor_f32(s)[0]), n->out->grad, tensor_count(x));
    if (!s->wants_grad) return;
    double sum = 0.0; /* d/ds (x e^s) = y */
    for (int64_t i = 0; i < tensor_count(x); i++) sum += (double)n->out->grad[i] * (double)tensor_f32(n->out)[i];
    s->grad[0] += (float)sum;
}

static const op OP_SCALE_EXP = {"scale_exp", scale_exp_forward, scale_exp_backward, .fills = 0};

tensor *op_scale_exp(cx *c, tensor *x, tensor *log_scale) {
    LMM_ASSERT(tensor_count(log_scale) == 1, "scale_exp: %" PRId64 " scales", tensor_count(log_scale));
    return cx_apply(c, (node){.op = &OP_SCALE_EXP, .out = cx_new(c, x->nd, x->ne), .in = {x, log_scale}});
}

/* ---- columns by a gain over a length ---- */

static void factors(float *f, const tensor *gain, const tensor *length) {
    for (int64_t i = 0; i < tensor_count(gain); i++) f[i] = tensor_f32(gain)[i] / tensor_f32(length)[i];
}

static void cols_scale_rows(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) j->k->mul(j->y + r * j->cols, j->a + r * j->cols, j->b, j->cols);
}

static void cols_scale_forward(cx *c, node *n) {
    tensor *x = n->in[0];
    factors(n->scratch, n->in[1], n->in[2]);
    job j = {.k = c->k, .y = n->out->data, .a = x->data, .b = n->scratch, .cols = tensor_cols(x)};
    parallel_for(c->pool, tensor_rows(x), grain_rows(j.cols), cols_scale_rows, &j);
}

static void cols_scale_grad_rows(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++)
        for (int64_t i = 0; i < j->cols; i++) j->y[r * j->cols + i] += j->d[r * j->cols + i] * j->b[i];
}

/* z: sums of dy x over the rows in their order, cut over columns. */
static void gain_grad_cols(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++) j->z[i] = 0.0f;
    for (int64_t r = 0; r < j->n; r++)
        for (int64_t i = first; i < last; i++) j->z[i] += j->d[r * j->cols + i] * j->a[r * j->cols + i];
    for (int64_t i = first; i < last; i++) j->y[i] += j->z[i] / j->b[i];
}

static void cols_scale_backward(cx *c, node *n) {
    tensor *x = n->in[0], *gain = n->in[1], *length = n->in[2];
    job j = {.k = c->k, .a = x->data, .d = n->out->grad, .n = tensor_rows(x), .cols = tensor_cols(x)};
    if (x->wants_grad) {
        factors(n->scratch, gain, length);
        j.y = x->grad, j.b = n->scratch;
        parallel_for(c->pool, j.n, grain_rows(j.cols), cols_scale_grad_rows, &j);
    }
    if (!gain->wants_grad) return;
    j.y = gain->grad, j.b = length->data, j.z = n->scratch;
    parallel_for(c->pool, j.cols, 64, gain_grad_cols, &j);
}

static const op OP_COLS_SCALE = {"cols_scale", cols_scale_forward, cols_scale_backward, .fills = 0};

tensor *op_cols_scale(cx *c, tensor *x, tensor *gain, tensor *length) {
    LMM_ASSERT(tensor_count(gain) == tensor_cols(x) && tensor_count(length) == tensor_cols(x),
               "cols_scale: %" PRId64 " columns, %" PRId64 " gains, %" PRId64 " lengths", tensor_cols(x), tensor_count(gain),
               tensor_count(length));
    LMM_ASSERT(!length->wants_grad, "cols_scale: %s", "lengths are constants");
    size_t scratch = (size_t)tensor_cols(x) * sizeof(float);
    return cx_apply(c, (node){.op = &OP_COLS_SCALE,
                              .out = cx_new(c, x->nd, x->ne),
                              .in = {x, gain, length},
                              .scratch_forward = scratch,
                              .scratch_backward = scratch});
}

/* ---- SwiGLU ---- */

static void swiglu_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    j->k->swiglu(j->y + first, j->a + first, j->b + first, last - first);
}

static void swiglu_forward(cx *c, node *n) {
    parallel_for(c->pool, tensor_count(n->out), GRAIN / 4, swiglu_range,
                 &(job){.k = c->k, .y = n->out->data, .a = n->in[0]->data, .b = n->in[1]->data});
}

static void swiglu_grad_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    begin(j, first, last);
    j->k->swiglu_grad(j->y + first, j->z + first, j->d + first, j->a + first, j->b + first, last - first);
}

static void swiglu_backward(cx *c, node *n) {
    tensor *g = n->in[0], *u = n->in[1];
    LMM_ASSERT(g->wants_grad && u->wants_grad, "swiglu: %s", "one input without gradient");
    parallel_for(c->pool, tensor_count(n->out), GRAIN / 4, swiglu_grad_range,
                 &(job){.fresh = {g->grad_fresh, u->grad_fresh},
                        .k = c->k,
                        .y = g->grad,
                        .z = u->grad,
                        .d = n->out->grad,
                        .a = g->data,
                        .b = u->data});
}

static const op OP_SWIGLU = {"swiglu", swiglu_forward, swiglu_backward, .again = true, .fills = 3};

tensor *op_swiglu(cx *c, tensor *gate, tensor *up) {
    LMM_ASSERT(tensor_same_shape(gate, up), "swiglu: %" PRId64 " and %" PRId64 " columns", tensor_cols(gate), tensor_cols(up));
    return cx_apply(c, (node){.op = &OP_SWIGLU, .out = cx_new(c, gate->nd, gate->ne), .in = {gate, up}, .blind = BLIND_OUT});
}

/* ---- activations ---- */

static void act_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    j->unary(j->y + first, j->a + first, last - first);
}

static void act_grad_range(void *arg, int64_t first, int64_t last, int thread) {
    const job *j = arg;
    (void)thread;
    begin(j, first, last);
    j->unary_grad(j->y + first, j->d + first, j->a + first, last - first);
}

static void relu(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void relu_grad(float *dx, const float *dy, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) dx[i] += x[i] > 0 ? dy[i] : 0;
}

static void act_pick(const kernels *k, activation a, job *j) {
    switch (a) {
    case ACT_GELU_ERF: j->unary = k->gelu_erf, j->unary_grad = k->gelu_erf_grad; break;
    case ACT_GELU_TANH: j->unary = k->gelu_tanh, j->unary_grad = k->gelu_tanh_grad; break;
    case ACT_GELU_QUICK: j->unary = k->gelu_quick, j->unary_grad = k->gelu_quick_grad; break;
    case ACT_RELU: j->unary = relu, j->unary_grad = relu_grad; break;
    default: LMM_ASSERT(false, "activation %d stands alone in no model", (int)a);
    }
}

static void act_forward(cx *c, node *n) {
    job j = {.y = n->out->data, .a = n->in[0]->data};
    act_pick(c->k, *(activation *)n->args, &j);
    parallel_for(c->pool, tensor_count(n->out), GRAIN / 4, act_range, &j);
}

static void act_backward(cx *c, node *n) {
    job j = {.fresh = {n->in[0]->grad_fresh}, .y = n->in[0]->grad, .d = n->out->grad, .a = n->in[0]->data};
    act_pick(c->k, *(activation *)n->args, &j);
    parallel_for(c->pool, tensor_count(n->out), GRAIN / 4, act_grad_range, &j);
}

static const op OP_ACT = {"act", act_forward, act_backward, .again = true, .fills = 1};

tensor *op_act(cx *c, tensor *x, activation a) {
    activation *args = slab_alloc(&c->meta, sizeof *args);
    *args = a;
    return cx_apply(c, (node){.op = &OP_ACT, .out = cx_new(c, x->nd, x->ne), .in = {x}, .args = args, .blind = BLIND_OUT});
}

bool activation_find(const char *name, activation *out) {
    static const struct {
        const char *name;
        activation a;
    } row[] = {
        {"silu", ACT_SILU},           {"swish", ACT_SILU},
        {"gelu", ACT_GELU_ERF},       {"gelu_python", ACT_GELU_ERF},
        {"gelu_new", ACT_GELU_TANH},  {"gelu_pytorch_tanh", ACT_GELU_TANH},
        {"gelu_fast", ACT_GELU_TANH}, {"quick_gelu", ACT_GELU_QUICK},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++)
        if (!strcmp(name, row[i].name)) return *out = row[i].a, true;
    return false;
}
