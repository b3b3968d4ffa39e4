/* rl_lora.c - adapters beside a linear layer as PEFT computes them: forward, every gradient, merged weights, initialisation, a few steps of training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

static const double relative = 1e-4, absolute = 1e-5;

/* A layer of its own with an adapter: W (out, in), bias, A (r, in), B (out, r). */
typedef struct {
    param_set base, adapters;
    param *w;
    linear layer;
    tensor bias;
    float *bias_values;
    lmm_runtime *runtime;
    arena mem;
    tape tape;
    cx c;
} bench;

static float *floats(const tree *t) {
    int n = flatten(t, NULL);
    double *values = mem_new((size_t)n + 1, sizeof *values);
    float *out = mem_new((size_t)n + 1, sizeof *out);
    flatten(t, values);
    for (int i = 0; i < n; i++) out[i] = (float)values[i];
    free(values);
    return out;
}

static void set_values(param *p, const tree *t) {
    float *v = floats(t);
    memcpy(p->t.data, v, tensor_size(&p->t));
    free(v);
}

static void bench_open(bench *b, const tree *c) {
    const tree *W = tree_get(c, "W"), *bias = tree_get(c, "bias"), *config = tree_get(c, "config");
    *b = (bench){0};
    lmm_runtime_open(&b->runtime, 1, NULL);
    arena_open(&b->mem, 1 << 22, "test");
    b->c = (cx){.mem = &b->mem, .tape = &b->tape, .k = b->runtime->k, .pool = b->runtime->pool};
    param *p = b->w = mem_new(1, sizeof *p);
    p->name = mem_strdup("llm.layers.0.x_proj.weight");
    p->key = mem_strdup("model.layers.0.x_proj.weight");
    p->part = PART_DECODER;
    p->t = tensor_make(DT_F32, 2, (int64_t[]){W->count, W->items[0]->count}, NULL);
    p->owned = p->t.data = floats(W);
    VEC_PUSH(&b->base.list, p);
    b->layer = (linear){.w = &p->t, .of = p};
    if (bias && bias->type == TREE_LIST) {
        b->bias_values = floats(bias);
        b->bias = tensor_make(DT_F32, 1, (int64_t[]){bias->count}, b->bias_values);
        b->layer.b = &b->bias;
    }
    const lora_config l = {.rank = (int)real(config, "r"),
                           .alpha = real(config, "lora_alpha"),
                           .rslora = tree_bool(config, "use_rslora", false),
                           .dora = tree_bool(config, "use_dora", false)};
    lora_attach(&b->base, &b->adapters, &l, 7, b->c.k, NULL);
    for (int i = 0; i < b->adapters.list.count; i++) param_own(b->adapters.list.at[i], true);
}

static void bench_close(bench *b) {
    cx_free(&b->c);
    tape_free(&b->tape);
    arena_close(&b->mem);
    param_set_free(&b->base);
    param_set_free(&b->adapters);
    free(b->bias_values);
    lmm_runtime_close(b->runtime);
}

static bool near_floats(const float *have, const tree *want) {
    int n = flatten(want, NULL);
    double *values = mem_new((size_t)n + 1, sizeof *values);
    for (int i = 0; i < n; i++) values[i] = (double)have[i];
    bool same = near_numbers(values, want, relative, absolute);
    free(values);
    return same;
}

/* sum(y * grad_y) has grad_y as its slope by y: row by row, as products of one row with another. */
static tensor *weighted_sum(cx *c, tensor *y, const tensor *grad_y) {
    tensor *sum = NULL;
    for (int i = 0; i < (int)y->ne[0]; i++) {
        tensor *g = slab_alloc(&c->meta, sizeof *g);
        *g = tensor_make(DT_F32, 2, (int64_t[]){1, y->ne[1]}, (float *)grad_y->data + i * y->ne[1]);
        tensor *part = op_linear(c, op_rows_get(c, y, &i, 1), g, NULL);
        sum = sum ? op_add(c, sum, part) : part;
    }
    return sum;
}

static bool layer(const tree *c) {
    const tree *expect = tree_get(c, "expect"), *X = tree_get(c, "x");
    bench b;
    bench_open(&b, c);
    const adapter *a = b.w->adapter;
    set_values(a->a, tree_get(c, "A"));
    set_values(a->b, tree_get(c, "B"));
    if (a->magnitude) set_values(a->magnitude, tree_get(c, "dora_magnitude"));
    lora_measure(&b.base, b.c.k, NULL);
    float *xv = floats(X), *gv = floats(tree_get(c, "grad_y"));
    int64_t n = X->count, in = X->items[0]->count, out = b.w->t.ne[0];
    float *xg = mem_new((size_t)(n * in), sizeof *xg);
    tensor x = tensor_make(DT_F32, 2, (int64_t[]){n, in}, xv), g = tensor_make(DT_F32, 2, (int64_t[]){n, out}, gv);
    x.wants_grad = true, x.grad = xg;
    tensor *y = nn_linear(&b.c, &b.layer, &x);
    bool same = near_floats(tensor_f32(y), tree_get(expect, "y"));
    tape_backward(&b.c, weighted_sum(&b.c, y, &g), 1.0f);
    same = same && near_floats(xg, tree_get(expect, "grad_x")) && near_floats(a->a->t.grad, tree_get(expect, "grad_A")) &&
           near_floats(a->b->t.grad, tree_get(expect, "grad_B")) &&
           (!a->magnitude || near_floats(a->magnitude->t.grad, tree_get(expect, "grad_magnitude")));
    lora_merge(&b.base);
    same = same && near_floats(b.w->t.data, tree_get(expect, "merged_weight"));
    free(xg), free(xv), free(gv);
    bench_close(&b);
    return same;
}

static bool initial(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    int in = (int)real(config, "in_features"), out = (int)real(config, "out_features");
    param_set base = {0}, adapters = {0};
    param *p = mem_new(1, sizeof *p);
    p->name = mem_strdup("llm.layers.0.x_proj.weight"), p->key = mem_strdup("x_proj.weight"), p->part = PART_DECODER;
    p->t = tensor_make(DT_F32, 2, (int64_t[]){out, in}, p->owned = mem_new((size_t)(in * out), sizeof(float)));
    VEC_PUSH(&base.list, p);
    bool same =
        lora_attach(&base, &adapters, &(lora_config){.rank = (int)real(config, "r"), .alpha = 8}, 3, &kernels_generic, NULL) == LMM_OK;
    const float *a = same ? adapters.list.at[0]->t.data : NULL, *z = same ? adapters.list.at[1]->t.data : NULL;
    double most = 0, sum = 0;
    int64_t n = same ? tensor_count(&adapters.list.at[0]->t) : 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i])), sum += (double)a[i] * (double)a[i];
    for (int64_t i = 0; same && i < tensor_count(&adapters.list.at[1]->t); i++) same = z[i] == 0;
    same = same && most <= real(expect, "A_absmax_le") && fabs(sqrt(sum / (double)n) / real(expect, "A_std_theory") - 1) < 0.1;
    param_set_free(&base);
    param_set_free(&adapters);
    return same;
}

/* Mean squared error and AdamW, A and B alone. */
static bool trained(const tree *c) {
    const tree *config = tree_get(c, "config"), *steps = tree_at(c, "expect.trajectory"), *X = tree_get(c, "x");
    bench b;
    bench_open(&b, c);
    set_values(b.adapters.list.at[0], tree_get(c, "A0"));
    optim o;
    optim_open(&o, NULL, 0.9, 0.999, 1e-8);
    optim_add(&o, b.adapters.list.at[0], 1, 0);
    optim_add(&o, b.adapters.list.at[1], 1, 0);
    float *xv = floats(X), *target = floats(tree_get(c, "target"));
    int64_t n = X->count, in = X->items[0]->count, out = b.w->t.ne[0];
    tensor x = tensor_make(DT_F32, 2, (int64_t[]){n, in}, xv);
    bool same = true;
    for (int s = 0; s < steps->count && same; s++) {
        cx_mark mark = cx_here(&b.c);
        tensor *y = nn_linear(&b.c, &b.layer, &x);
        tensor g = tensor_make(DT_F32, 2, (int64_t[]){n, out}, mem_new((size_t)(n * out), sizeof(float)));
        double loss = 0;
        for (int64_t i = 0; i < n * out; i++) {
            float d = tensor_f32(y)[i] - target[i];
            loss += (double)d * (double)d / (double)(n * out);
            tensor_f32(&g)[i] = 2 * d / (float)(n * out);
        }
        tape_backward(&b.c, weighted_sum(&b.c, y, &g), 1.0f);
        optim_step(&o, real(config, "lr"), 1.0);
        same = near(loss, real(steps->items[s], "loss"), relative, absolute) &&
               near_floats(b.adapters.list.at[0]->t.data, tree_get(steps->items[s], "A")) &&
               near_floats(b.adapters.list.at[1]->t.data, tree_get(steps->items[s], "B"));
        cx_release(&b.c, mark);
        free(g.data);
    }
    optim_close(&o);
    free(target), free(xv);
    bench_close(&b);
    return same;
}

/* clang-format off */
const rl_check rl_lora_checks[] = {
    {"lora", "lora", layer, NULL},
    {"lora", "rslora", layer, NULL},
    {"lora", "dora", layer, NULL},
    {"lora", "init_stats", initial, NULL},
    {"lora", "train_mse_adamw", trained, NULL},
    {0},
};
/* clang-format on */
