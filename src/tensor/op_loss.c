/* op_loss.c - cross entropy of the output layer, fused with its matrix product in chunks of rows: no (n, V) buffer exists.
 *
 * A chunk's logits are made, reduced and, in backward, made again, unless the seed of the backward pass is known before: then the gradients are made at once.
 * The sum over rows is in f64 and in row order. */
#include <math.h>
#include <string.h>

#include "tensor/tensor_int.h"

enum { CHUNK_ROWS = 256 };

typedef struct {
    int n; /* rows that count: label >= 0 */
    int *row, *label;
    const float *weight; /* (rows of h); borrowed when log-probabilities are asked for: backward reads it again */
    xent_opts o;
} xent_args;

static xent_args *args_make(cx *c, const int *label, const float *weight, int n, int64_t V, const xent_opts *opts) {
    xent_args *a = slab_alloc(&c->meta, sizeof *a);
    a->row = slab_alloc(&c->meta, (size_t)n * sizeof(int) + 1);
    a->label = slab_alloc(&c->meta, (size_t)n * sizeof(int) + 1);
    a->weight = weight;
    if (opts) a->o = *opts;
    if (!a->o.logprob) {
        float *own = slab_alloc(&c->meta, (size_t)n * sizeof *own + 1);
        memcpy(own, weight, (size_t)n * sizeof *own);
        a->weight = own;
    }
    for (int r = 0; r < n; r++) {
        LMM_ASSERT(label[r] < V, "xent: label %d of %" PRId64, label[r], V);
        if (label[r] < 0) continue;
        a->row[a->n] = r;
        a->label[a->n++] = label[r];
    }
    return a;
}

/* ---- one row ---- */

/* The logits that the distribution is the softmax of: divided as the sampler divides them, banned ids at minus infinity. */
static void shape_logits(float *z, int64_t V, const xent_opts *o) {
    if (o->temperature > 0 && o->temperature != 1.0)
        for (int64_t i = 0; i < V; i++) z[i] = (float)(z[i] / o->temperature);
    for (int i = 0; i < o->banned_count; i++)
        if (o->banned[i] >= 0 && o->banned[i] < V) z[o->banned[i]] = -INFINITY;
}

static float entropy_of(const float *p, int64_t V) {
    double sum = 0;
    for (int64_t i = 0; i < V; i++)
        if (p[i] > 0) sum -= (double)p[i] * (double)logf(p[i]);
    return (float)sum;
}

/* From probabilities to slopes by the logits: those of -weight log p[label] + slope H. */
static void both_slopes(float *z, int64_t V, int label, double weight, double slope) {
    const double H = (double)entropy_of(z, V);
    for (int64_t i = 0; i < V; i++) {
        const double p = (double)z[i];
        z[i] = (float)(weight * (p - (i == label)) - (p > 0 ? slope * p * ((double)logf(z[i]) + H) : 0));
    }
}

float logits_logprob(const kernels *k, float *z, int V, int id, const xent_opts *o) {
    shape_logits(z, V, o);
    float at = z[id], lse = k->softmax(z, V, 1.0f);
    return (float)-((double)lse - (double)at);
}

/* ---- one chunk ---- */

/* Turns logits (rows, V) into probabilities; gives their nll when it is wanted, and goes on to d loss / d logits when there is a seed or no nll. */
typedef struct {
    const kernels *k;
    const xent_args *a;
    float *z;
    double *nll;
    int64_t V;
    int first;
    float seed;
} rows_job;

static void xent_rows(void *arg, int64_t first, int64_t last, int thread) {
    const rows_job *j = arg;
    const xent_opts *o = &j->a->o;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        float *z = j->z + i * j->V;
        int label = j->a->label[j->first + i];
        int row = j->a->row[j->first + i];
        shape_logits(z, j->V, o);
        float at = z[label], lse = j->k->softmax(z, (int)j->V, 1.0f);
        if (j->nll) {
            j->nll[i] = (double)lse - (double)at;
            if (o->entropy) o->entropy[row] = entropy_of(z, j->V);
        }
        if (j->nll && j->seed == 0) continue; /* the loss alone */
        const double T = o->temperature > 0 ? o->temperature : 1;
        const float weight = j->seed * j->a->weight[row], slope = o->entropy_slope ? j->seed * o->entropy_slope[row] : 0;
        if (slope != 0) {
            both_slopes(z, j->V, label, (double)weight / T, (double)slope / T);
            continue;
        }
        z[label] -= 1.0f;
        j->k->scale(z, (float)((double)weight / T), z, j->V);
    }
}

static void chunk_rows(cx *c, const xent_args *a, int first, int rows, float *z, int64_t V, double *nll, float seed) {
    rows_job j = {c->k, a, z, nll, V, first, seed};
    parallel_for(c->pool, rows, grain_rows(V * 4), xent_rows, &j);
}

static double chunk_sum(const xent_args *a, int first, int rows, const double *nll) {
    double loss = 0.0;
    for (int i = 0; i < rows; i++) {
        loss += (double)a->weight[a->row[first + i]] * nll[i];
        if (a->o.logprob) a->o.logprob[a->row[first + i]] = (float)-nll[i];
    }
    return loss;
}

/* ---- fused with the output layer: in = h, w ---- */

static void pick_rows(const tensor *h, const xent_args *a, int first, int rows, float *x) {
    int64_t D = tensor_cols(h);
    for (int i = 0; i < rows; i++) memcpy(x + i * D, tensor_f32(h) + a->row[first + i] * D, (size_t)D * sizeof(float));
}

static void chunk_logits(cx *c, node *n, int first, int rows, float *x, float *z) {
    tensor *w = n->in[1];
    int64_t D = tensor_cols(n->in[0]), V = w->ne[0];
    pick_rows(n->in[0], n->args, first, rows, x);
    cx_gemm(c, GEMM_NT, z, x, w->data, dtype_kernel(w->type), rows, V, D, false);
}

/* From d loss / d logits z of a chunk. */
static void chunk_gradients(cx *c, node *n, int first, int rows, const float *x, const float *z, float *dx) {
    const xent_args *a = n->args;
    tensor *h = n->in[0], *w = n->in[1];
    int64_t D = tensor_cols(h), V = w->ne[0];
    if (w->wants_grad) cx_gemm(c, GEMM_TN, w->grad, z, x, KT_F32, V, D, rows, true);
    if (!h->wants_grad) return;
    cx_gemm(c, GEMM_NN, dx, z, w->data, dtype_kernel(w->type), rows, D, V, false);
    for (int i = 0; i < rows; i++) c->k->axpy(h->grad + a->row[first + i] * D, 1.0f, dx + i * D, D);
}

static void linear_xent_forward(cx *c, node *n) {
    const xent_args *a = n->args;
    int64_t D = tensor_cols(n->in[0]), V = n->in[1]->ne[0];
    float *x = n->scratch, *z = x + CHUNK_ROWS * D, *dx = z + CHUNK_ROWS * V;
    double loss = 0.0, nll[CHUNK_ROWS];
    for (int first = 0; first < a->n; first += CHUNK_ROWS) {
        int rows = min_int(CHUNK_ROWS, a->n - first);
        chunk_logits(c, n, first, rows, x, z);
        chunk_rows(c, a, first, rows, z, V, nll, a->o.seed);
        loss += chunk_sum(a, first, rows, nll);
        if (a->o.seed != 0) chunk_gradients(c, n, first, rows, x, z, dx);
    }
    tensor_f32(n->out)[0] = (float)loss;
}

static void linear_xent_backward(cx *c, node *n) {
    const xent_args *a = n->args;
    const float seed = n->out->grad[0];
    int64_t D = tensor_cols(n->in[0]), V = n->in[1]->ne[0];
    LMM_ASSERT(a->o.seed == 0 || a->o.seed == seed, "xent: backward from %g, not from %g as foretold", (double)seed, (double)a->o.seed);
    if (a->o.seed != 0) return;
    float *x = n->scratch, *z = x + CHUNK_ROWS * D, *dx = z + CHUNK_ROWS * V;
    for (int first = 0; first < a->n; first += CHUNK_ROWS) {
        int rows = min_int(CHUNK_ROWS, a->n - first);
        chunk_logits(c, n, first, rows, x, z);
        chunk_rows(c, a, first, rows, z, V, NULL, seed);
        chunk_gradients(c, n, first, rows, x, z, dx);
    }
}

static const op OP_LINEAR_XENT = {"linear_xent", linear_xent_forward, linear_xent_backward, .fills = 0};

tensor *op_linear_xent(cx *c, tensor *h, tensor *w, const int *label, const float *weight, int n, const xent_opts *opts) {
    LMM_ASSERT(tensor_rows(h) == n && tensor_cols(h) == tensor_cols(w), "xent: %d labels for %" PRId64 " rows", n, tensor_rows(h));
    xent_args *a = args_make(c, label, weight, n, w->ne[0], opts);
    size_t x = (size_t)(CHUNK_ROWS * tensor_cols(h)) * sizeof(float), z = (size_t)(CHUNK_ROWS * w->ne[0]) * sizeof(float);
    if (!c->tape || a->o.logprob) a->o.seed = 0;
    const bool at_once = a->o.seed != 0;
    if (at_once && h->wants_grad) tensor_need_grad(c, h);
    c->flops += 2.0 * a->n * (double)w->ne[0] * (double)tensor_cols(h);
    return cx_apply(c, (node){.op = &OP_LINEAR_XENT,
                              .out = cx_new(c, 0, NULL),
                              .in = {h, w},
                              .args = a,
                              .scratch_forward = x + z + (at_once ? x : 0),
                              .scratch_backward = at_once ? 0 : 2 * x + z,
                              .blind = at_once ? BLIND_ALL : 0});
}

/* ---- from ready logits ---- */

static void copy_logits(node *n, int first, int rows, float *z) { pick_rows(n->in[0], n->args, first, rows, z); }

static void xent_forward(cx *c, node *n) {
    const xent_args *a = n->args;
    double loss = 0.0, nll[CHUNK_ROWS];
    for (int first = 0; first < a->n; first += CHUNK_ROWS) {
        int rows = min_int(CHUNK_ROWS, a->n - first);
        copy_logits(n, first, rows, n->scratch);
        chunk_rows(c, a, first, rows, n->scratch, tensor_cols(n->in[0]), nll, 0.0f);
        loss += chunk_sum(a, first, rows, nll);
    }
    tensor_f32(n->out)[0] = (float)loss;
}

static void xent_backward(cx *c, node *n) {
    const xent_args *a = n->args;
    int64_t V = tensor_cols(n->in[0]);
    float *z = n->scratch;
    for (int first = 0; first < a->n; first += CHUNK_ROWS) {
        int rows = min_int(CHUNK_ROWS, a->n - first);
        copy_logits(n, first, rows, z);
        chunk_rows(c, a, first, rows, z, V, NULL, n->out->grad[0]);
        for (int i = 0; i < rows; i++) c->k->axpy(n->in[0]->grad + a->row[first + i] * V, 1.0f, z + i * V, V);
    }
}

static const op OP_XENT = {"xent", xent_forward, xent_backward, .fills = 0};

tensor *op_xent(cx *c, tensor *logits, const int *label, const float *weight, int n) {
    LMM_ASSERT(tensor_rows(logits) == n, "xent: %d labels for %" PRId64 " rows", n, tensor_rows(logits));
    size_t z = (size_t)(CHUNK_ROWS * tensor_cols(logits)) * sizeof(float);
    return cx_apply(c, (node){.op = &OP_XENT,
                              .out = cx_new(c, 0, NULL),
                              .in = {logits},
                              .args = args_make(c, label, weight, n, tensor_cols(logits), NULL),
                              .scratch_forward = z,
                              .scratch_backward = z});
}
