/* rl_optimizer.c - AdamW, schedules, clipping, sampling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

/* Of all gradients. */
static double grad_norm(optim *o) {
    double n = 0;
    optim_reduce(o, &n);
    return n;
}

static bool near_list(const float *have, const tree *want, double relative, double absolute) {
    for (int i = 0; want && i < want->count; i++)
        if (!near((double)have[i], want->items[i]->real, relative, absolute)) return false;
    return want != NULL;
}

/* As f32. */
static int flatten_f32(const tree *t, float *out) {
    int n = flatten(t, NULL);
    double *values = mem_new((size_t)n + 1, sizeof *values);
    flatten(t, values);
    for (int i = 0; i < n; i++) out[i] = (float)values[i];
    free(values);
    return n;
}

/* A parameter of its own, values from a list. */
static param *param_of(const tree *values, const char *name) {
    param *p = mem_new(1, sizeof *p);
    p->name = mem_strdup(name);
    int64_t n = flatten(values, NULL);
    p->t = tensor_make(DT_F32, 1, &n, mem_new((size_t)n, sizeof(float)));
    p->owned = p->t.data;
    p->t.grad = p->grad_owned = mem_new((size_t)n, sizeof(float));
    flatten_f32(values, p->t.data);
    return p;
}

static void fill_grad(param *p, const tree *values) { flatten_f32(values, p->t.grad); }

static void param_drop(param *p) {
    free(p->name);
    free(p->owned);
    free(p->grad_owned);
    free(p);
}

/* ---- AdamW ---- */

static void open_adamw(optim *o, const tree *config) {
    const tree *betas = tree_get(config, "betas");
    optim_open(o, NULL, betas->items[0]->real, betas->items[1]->real, real(config, "eps"));
}

static bool torch_adamw(const tree *c) {
    const tree *config = tree_get(c, "config"), *grads = tree_get(c, "grads"), *steps = tree_at(c, "expect.trajectory");
    optim o;
    param *p = param_of(tree_get(c, "param0"), "p");
    open_adamw(&o, config);
    optim_add(&o, p, 1.0, real(config, "weight_decay"));
    bool same = true;
    for (int i = 0; i < grads->count && same; i++) {
        fill_grad(p, grads->items[i]);
        optim_step(&o, real(config, "lr"), 1.0);
        same = near_list(p->t.data, tree_get(steps->items[i], "param"), 1e-5, 1e-7) &&
               near_list(o.slots.at[0].m, tree_get(steps->items[i], "exp_avg"), 1e-5, 1e-8) &&
               near_list(o.slots.at[0].v, tree_get(steps->items[i], "exp_avg_sq"), 1e-5, 1e-8);
    }
    optim_close(&o);
    param_drop(p);
    return same;
}

/* Every value to the bit. */
static bool same_bf16(const void *have, const tree *want) {
    float values[64];
    kernels_generic.to_f32(values, have, KT_BF16, want->count);
    return near_list(values, want, 0, 0);
}

static bool anyprecision_adamw(const tree *c) {
    const tree *config = tree_get(c, "config"), *grads = tree_get(c, "grads"), *steps = tree_at(c, "expect.trajectory");
    optim o;
    param *p = param_of(tree_get(c, "param0"), "p");
    open_adamw(&o, config);
    bool same = param_own_bf16(p) == LMM_OK && optim_add(&o, p, 1.0, real(config, "weight_decay")) == LMM_OK;
    for (int i = 0; i < grads->count && same; i++) {
        const tree *want = steps->items[i];
        const optim_slot *s = &o.slots.at[0];
        fill_grad(p, grads->items[i]);
        optim_step(&o, real(config, "lr"), 1.0);
        same = same_bf16(p->t.data, tree_get(want, "param")) && same_bf16(s->m, tree_get(want, "exp_avg")) &&
               same_bf16(s->v, tree_get(want, "exp_avg_sq")) && same_bf16(s->lost, tree_get(want, "compensation"));
    }
    optim_close(&o);
    param_drop(p);
    return same;
}

/* A whole loop: schedule, clipping, two groups with their own weight decay. */
static bool hf_loop(const tree *c) {
    const tree *config = tree_get(c, "config"), *grads = tree_get(c, "grads"), *steps = tree_at(c, "expect.trajectory");
    optim o;
    param *w = param_of(tree_get(c, "w0"), "w"), *b = param_of(tree_get(c, "b0"), "b");
    open_adamw(&o, config);
    optim_add(&o, w, 1.0, real(config, "weight_decay_w"));
    optim_add(&o, b, 1.0, real(config, "weight_decay_b"));
    bool same = true;
    for (int i = 0; i < grads->count && same; i++) {
        fill_grad(w, grads->items[i]->items[0]);
        fill_grad(b, grads->items[i]->items[1]);
        double norm_ = grad_norm(&o), most = real(config, "max_grad_norm");
        double lr = schedule_at(&(schedule){.kind = tree_str(config, "scheduler", "linear"),
                                            .lr = real(config, "lr"),
                                            .total = tree_int(config, "num_training_steps", 1),
                                            .warmup = tree_int(config, "num_warmup_steps", 0)},
                                i);
        same = near(lr, real(steps->items[i], "lr_used"), 1e-9, 1e-12) && near(norm_, real(steps->items[i], "grad_norm"), 1e-5, 0);
        optim_step(&o, lr, norm_ > most ? most / (norm_ + 1e-6) : 1.0);
        same = same && near_list(w->t.data, tree_get(steps->items[i], "w"), 1e-5, 1e-7) &&
               near_list(b->t.data, tree_get(steps->items[i], "b"), 1e-5, 1e-7);
    }
    optim_close(&o);
    param_drop(w);
    param_drop(b);
    return same;
}

/* ---- schedules ---- */

/* Ours of transformers' names. */
static const char *schedule_named(const char *name) {
    static const char *const names[][2] = {{"constant_with_warmup", "constant"},
                                           {"cosine_with_min_lr", "cosine"},
                                           {"cosine_with_restarts", "restarts"},
                                           {"warmup_stable_decay", "stable_decay"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(name, names[i][0])) return names[i][1];
    return name;
}

static bool schedule_curve(const tree *c) {
    const tree *config = tree_get(c, "config"), *want = tree_at(c, "expect.lr_by_step"), *more = tree_get(config, "kwargs");
    const char *name = tree_str(config, "name", "");
    schedule s = {.kind = schedule_named(name), .lr = real(config, "lr"), .total = tree_int(config, "num_training_steps", 1)};
    s.warmup = strcmp(name, "constant") ? tree_int(config, "num_warmup_steps", 0) : 0; /* transformers' "constant" has none */
    s.floor = tree_real(more, "min_lr_rate", tree_real(more, "min_lr_ratio", tree_real(more, "lr_end", 0) / s.lr));
    s.power = tree_real(more, "power", 1), s.cycles = tree_real(more, "num_cycles", 1), s.decay = tree_int(more, "num_decay_steps", 0);
    for (int i = 0; i < want->count; i++)
        if (!near(schedule_at(&s, i), want->items[i]->real, 1e-12, 1e-24)) return false;
    return true;
}

static bool warmup_from_ratio(const tree *c) {
    const tree *config = tree_get(c, "config");
    return ceil(real(config, "warmup_ratio") * (double)tree_int(config, "num_training_steps", 1)) ==
           (double)tree_int(tree_get(c, "expect"), "warmup_steps", -1);
}

/* ---- clipping and sampling ---- */

static bool near_scaled(const param *p, double scale, const tree *want) {
    int n = flatten(want, NULL);
    float *values = mem_new((size_t)n, sizeof *values);
    bool same = n == tensor_count(&p->t);
    flatten_f32(want, values);
    for (int i = 0; i < n && same; i++) same = near((double)p->t.grad[i] * scale, (double)values[i], 2e-5, 1e-30);
    free(values);
    return same;
}

static bool clipped_grads(const tree *c) {
    const tree *grads = tree_get(c, "grads"), *clipped = tree_at(c, "expect.clipped");
    optim o;
    param *p[16];
    optim_open(&o, NULL, 0.9, 0.999, 1e-8);
    o.norm = real(tree_get(c, "config"), "norm_type");
    for (int i = 0; i < grads->count; i++) {
        p[i] = param_of(grads->items[i], "p");
        fill_grad(p[i], grads->items[i]);
        optim_add(&o, p[i], 1.0, 0);
    }
    double norm_ = grad_norm(&o), most = real(tree_get(c, "config"), "max_norm"), scale = norm_ > most ? most / (norm_ + 1e-6) : 1.0;
    bool same = near(norm_, real(tree_get(c, "expect"), "total_norm"), 1e-5, 1e-30);
    for (int i = 0; i < grads->count; i++) same = same && near_scaled(p[i], scale, clipped->items[i]);
    optim_close(&o);
    for (int i = 0; i < grads->count; i++) param_drop(p[i]);
    return same;
}

static bool sampling(const tree *c) {
    enum { MOST = 4096 };
    const tree *config = tree_get(c, "config"), *values = tree_get(c, "logits"), *past = tree_get(c, "history_ids"),
               *want = tree_at(c, "expect.probs");
    float logits[MOST], p[MOST] = {0};
    int history[MOST], V = min_int(values->count, MOST), n = min_int(past->count, MOST);
    for (int i = 0; i < V; i++) logits[i] = (float)values->items[i]->real;
    for (int i = 0; i < n; i++) history[i] = (int)past->items[i]->i;
    candidates found = candidates_new(V);
    lmm_gen_opts o = {.temperature = real(config, "temperature"),
                      .top_k = (int)real(config, "top_k"),
                      .top_p = real(config, "top_p"),
                      .min_p = real(config, "min_p"),
                      .repetition_penalty = real(config, "repetition_penalty")};
    sample_filter(logits, V, &o, history, n, &found);
    double sum = 0;
    for (int i = 0; i < found.count; i++) sum += exp((double)found.logit[i] - (double)found.logit[0]);
    for (int i = 0; i < found.count; i++) p[found.id[i]] = (float)(exp((double)found.logit[i] - (double)found.logit[0]) / sum);
    bool same = found.count == tree_at(c, "expect.kept")->count;
    candidates_free(&found);
    return same && near_list(p, want, 1e-4, 1e-6);
}

/* clang-format off */
const rl_check rl_optimizer_checks[] = {
    {"adamw", "torch_adamw", torch_adamw, NULL},
    {"adamw", "hf_loop", hf_loop, NULL},
    {"adamw", "easyr1_anyprecision_bf16", anyprecision_adamw, NULL},
    {"lr_schedules", "linear", schedule_curve, NULL},
    {"lr_schedules", "cosine", schedule_curve, NULL},
    {"lr_schedules", "cosine_with_min_lr", schedule_curve, NULL},
    {"lr_schedules", "constant", schedule_curve, NULL},
    {"lr_schedules", "constant_with_warmup", schedule_curve, NULL},
    {"lr_schedules", "polynomial", schedule_curve, NULL},
    {"lr_schedules", "cosine_with_restarts", schedule_curve, NULL},
    {"lr_schedules", "inverse_sqrt", schedule_curve, NULL},
    {"lr_schedules", "warmup_stable_decay", schedule_curve, NULL},
    {"lr_schedules", "warmup_steps_from_ratio", warmup_from_ratio, NULL},
    {"clip_grad_norm", "norm_*", clipped_grads, NULL},
    {"sampling", "warp", sampling, NULL},
    {0},
};
/* clang-format on */
