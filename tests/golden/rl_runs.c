/* rl_runs.c - whole small runs: rollouts to advantages to losses to AdamW with schedule, clipping and accumulation. The model is logits[t] = relu(E[id_t] W1 + b1) W2. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"
#include "train/train.h"

enum { HIDDEN_MAX = 32, VOCAB_MAX = 64, PARAMS = 4 };

typedef struct {
    optim opt;
    param *p[PARAMS]; /* E (V, D), W1 (D, H), b1 (H), W2 (H, V) */
    float *start[PARAMS];
    int V, D, H;
    const tree *config;
} run;

/* ---- the model ---- */

static const char *const names[PARAMS] = {"E", "W1", "b1", "W2"};

static param *param_new(const tree *values, const char *name) {
    param *p = mem_new(1, sizeof *p);
    bool matrix = values->items[0]->type == TREE_LIST;
    int n = flatten(values, NULL);
    double *x = mem_new((size_t)n, sizeof *x);
    flatten(values, x);
    p->name = mem_strdup(name);
    p->t = matrix ? tensor_make(DT_F32, 2, (int64_t[]){values->count, values->items[0]->count}, NULL)
                  : tensor_make(DT_F32, 1, (int64_t[]){values->count}, NULL);
    p->owned = p->t.data = mem_new((size_t)n, sizeof(float));
    p->t.grad = p->grad_owned = mem_new((size_t)n, sizeof(float));
    for (int i = 0; i < n; i++) tensor_f32(&p->t)[i] = (float)x[i];
    free(x);
    return p;
}

static double decay_of(const tree *config, const char *name) {
    const tree *without = tree_get(config, "no_decay");
    for (int i = 0; without && i < without->count; i++)
        if (!strcmp(without->items[i]->text, name)) return 0;
    return real(config, "weight_decay");
}

static void run_open(run *r, const tree *c) {
    *r = (run){.config = tree_get(c, "config")};
    optim_open(&r->opt, NULL, 0.9, 0.999, 1e-8);
    for (int i = 0; i < PARAMS; i++) {
        r->p[i] = param_new(tree_get(tree_get(c, "init"), names[i]), names[i]);
        size_t size = tensor_size(&r->p[i]->t);
        r->start[i] = mem_new(1, size);
        memcpy(r->start[i], r->p[i]->t.data, size);
        optim_add(&r->opt, r->p[i], 1.0, decay_of(r->config, names[i]));
    }
    r->V = (int)r->p[0]->t.ne[0], r->D = (int)r->p[0]->t.ne[1], r->H = (int)r->p[2]->t.ne[0];
}

static void run_close(run *r) {
    optim_close(&r->opt);
    for (int i = 0; i < PARAMS; i++) {
        free(r->start[i]);
        free(r->p[i]->owned);
        free(r->p[i]->grad_owned);
        free(r->p[i]->name);
        free(r->p[i]);
    }
}

/* One position: hidden values and logits over the temperature. start: with the weights of the beginning. */
static void forward(const run *r, int id, bool start, double temperature, double *hidden, float *logits) {
    const float *w[PARAMS];
    for (int i = 0; i < PARAMS; i++) w[i] = start ? r->start[i] : tensor_f32(&r->p[i]->t);
    for (int h = 0; h < r->H; h++) {
        double sum = (double)w[2][h];
        for (int d = 0; d < r->D; d++) sum += (double)w[0][id * r->D + d] * (double)w[1][d * r->H + h];
        hidden[h] = fmax(0, sum);
    }
    for (int v = 0; v < r->V; v++) {
        double sum = 0;
        for (int h = 0; h < r->H; h++) sum += hidden[h] * (double)w[3][h * r->V + v];
        logits[v] = (float)(sum / temperature);
    }
}

static double logp_at(const run *r, int id, int next, bool start, double temperature, double *entropy) {
    double hidden[HIDDEN_MAX];
    float logits[VOCAB_MAX];
    forward(r, id, start, temperature, hidden, logits);
    return token_logp(logits, r->V, next, 1, entropy);
}

/* Adds the gradients of slope * log p(next | id). */
static void backward(run *r, int id, int next, double temperature, double slope) {
    double hidden[HIDDEN_MAX], p[VOCAB_MAX], sum = 0, most = -INFINITY;
    float logits[VOCAB_MAX];
    forward(r, id, false, temperature, hidden, logits);
    for (int v = 0; v < r->V; v++) most = fmax(most, (double)logits[v]);
    for (int v = 0; v < r->V; v++) sum += p[v] = exp((double)logits[v] - most);
    const float *E = tensor_f32(&r->p[0]->t), *W1 = tensor_f32(&r->p[1]->t), *W2 = tensor_f32(&r->p[3]->t);
    for (int h = 0; h < r->H; h++) {
        double dh = 0;
        for (int v = 0; v < r->V; v++) {
            double dz = slope * ((v == next) - p[v] / sum) / temperature;
            dh += dz * (double)W2[h * r->V + v];
            r->p[3]->t.grad[h * r->V + v] += (float)(dz * hidden[h]);
        }
        if (hidden[h] <= 0) continue;
        r->p[2]->t.grad[h] += (float)dh;
        for (int d = 0; d < r->D; d++) {
            r->p[0]->t.grad[id * r->D + d] += (float)(dh * (double)W1[d * r->H + h]);
            r->p[1]->t.grad[d * r->H + h] += (float)(dh * (double)E[id * r->D + d]);
        }
    }
}

/* ---- a step's end ---- */

static bool step_agrees(run *r, int64_t step_number, const tree *step) {
    const char *kind = tree_str(r->config, "scheduler", "linear");
    double length = 0, most = real(r->config, "max_grad_norm");
    optim_reduce(&r->opt, &length);
    double lr = schedule_at(&(schedule){.kind = strncmp(kind, "constant", 8) ? kind : "constant",
                                        .lr = real(r->config, "lr"),
                                        .total = tree_int(r->config, "total_steps", 1),
                                        .warmup = tree_int(r->config, "warmup_steps", 0)},
                            step_number);
    bool same = near(lr, real(step, "lr"), 1e-9, 1e-12) && near(length, real(step, "grad_norm"), 1e-3, 1e-5);
    optim_step(&r->opt, lr, length > most ? most / (length + 1e-6) : 1);
    for (int i = 0; i < PARAMS && same; i++) {
        int n = (int)tensor_count(&r->p[i]->t);
        double *values = mem_new((size_t)n, sizeof *values);
        for (int k = 0; k < n; k++) values[k] = (double)tensor_f32(&r->p[i]->t)[k];
        same = near_numbers(values, tree_get(tree_get(step, "params"), names[i]), 0, 5e-4);
        free(values);
    }
    return same;
}

static bool said(const tree *micro, const char *name, double have) {
    const tree *want = tree_get(micro, name);
    return !want || want->type == TREE_NULL || near(have, number(want), 1e-3, 1e-5);
}

/* ---- DPO ---- */

static bool dpo_micro(run *r, const tree *micro_batch, const tree *want) {
    const tree *kinds = tree_get(r->config, "loss_types"), *weights = tree_get(r->config, "loss_weights");
    int n, steps = (int)real(r->config, "grad_accum");
    double *ids = numbers(micro_batch, "input_ids", &n), *mask = numbers(micro_batch, "completion_mask", NULL);
    const int rows = tree_get(micro_batch, "input_ids")->count, width = n / rows;
    double *at = mem_new((size_t)n * 4, sizeof *at), *now = at, *start = at + n, *grad = at + 2 * n, *learns = at + 3 * n;
    for (int i = 0; i < rows; i++)
        for (int t = 1; t < width; t++) {
            int k = i * width + t;
            learns[k] = mask[k];
            if (!mask[k]) continue;
            now[k] = logp_at(r, (int)ids[k - 1], (int)ids[k], false, 1, NULL);
            start[k] = logp_at(r, (int)ids[k - 1], (int)ids[k], true, 1, NULL);
        }
    dpo_config c = {.beta = real(r->config, "beta")};
    for (int i = 0; i < kinds->count && i < DPO_KIND_MAX; i++) c.kinds[i] = kinds->items[i]->text, c.weights[i] = number(weights->items[i]);
    dpo_result out;
    bool same = dpo_loss(&out, grad, &c, &(dpo_batch){rows / 2, width, now, start, learns, NULL}) == LMM_OK;
    for (int k = 0; k < n; k++)
        if (learns[k]) backward(r, (int)ids[k - 1], (int)ids[k], 1, grad[k] / steps);
    same = same && said(want, "loss", out.loss) && said(want, "rewards/chosen", out.reward_chosen) &&
           said(want, "rewards/rejected", out.reward_rejected) && said(want, "rewards/accuracies", out.accuracy) &&
           said(want, "rewards/margins", out.margin) && said(want, "logps/chosen", out.logp_chosen) &&
           said(want, "logps/rejected", out.logp_rejected);
    free(at), free(mask), free(ids);
    return same;
}

static bool dpo_run(const tree *c) {
    const tree *steps = tree_at(c, "expect.steps"), *batches = tree_get(c, "micro_batches");
    run r;
    run_open(&r, c);
    int accumulate = (int)real(r.config, "grad_accum");
    bool same = true;
    for (int s = 0; s < steps->count && same; s++) {
        const tree *micro = tree_get(steps->items[s], "micro");
        for (int m = 0; m < accumulate && same; m++) same = dpo_micro(&r, batches->items[s * accumulate + m], micro->items[m]);
        same = same && step_agrees(&r, s, steps->items[s]);
    }
    run_close(&r);
    return same;
}

/* ---- GRPO ---- */

typedef struct {
    int rows, width, prompt, G;
    double *ids, *prompts, *mask, *advantage, *old, *start;
} grpo_rollout;

static int id_before(const grpo_rollout *o, int row, int t) {
    return (int)(t ? o->ids[row * o->width + t - 1] : o->prompts[row * o->prompt + o->prompt - 1]);
}

static void rollout_read(grpo_rollout *o, const run *r, const tree *t) {
    int n, m;
    double T = real(r->config, "temperature"), one = 1;
    *o = (grpo_rollout){.ids = numbers(t, "completion_ids", &n), .prompts = numbers(t, "prompt_ids", &m)};
    double *rewards = numbers(t, "rewards", NULL), *all = numbers(t, "completion_mask", NULL);
    o->rows = tree_get(t, "completion_ids")->count, o->width = n / o->rows, o->prompt = m / o->rows;
    o->advantage = mem_new((size_t)o->rows, sizeof(double));
    o->old = mem_new((size_t)n * 2, sizeof(double)), o->start = o->old + n, o->mask = all;
    grpo_advantages(o->advantage, NULL, NULL, rewards, o->rows, 1,
                    &(advantage_config){(int)real(r->config, "num_generations"), &one, SCALE_GROUP, false, 1e-4});
    for (int i = 0; i < o->rows; i++)
        for (int k = 0; k < o->width; k++) {
            int at = i * o->width + k;
            if (!all[at]) continue;
            o->old[at] = logp_at(r, id_before(o, i, k), (int)o->ids[at], false, T, NULL);
            o->start[at] = logp_at(r, id_before(o, i, k), (int)o->ids[at], true, T, NULL);
        }
    free(rewards);
}

static void rollout_free(grpo_rollout *o) { free(o->ids), free(o->prompts), free(o->mask), free(o->advantage), free(o->old); }

static bool grpo_micro(run *r, const grpo_rollout *o, int number_, const tree *want) {
    const int steps = (int)real(r->config, "grad_accum"), rows = o->rows / steps, first = number_ * rows, n = rows * o->width;
    double T = real(r->config, "temperature"), items = 0;
    double *at = mem_new((size_t)n * 3, sizeof *at), *now = at, *grad = at + n, *entropy = at + 2 * n;
    for (int k = 0; k < o->rows * o->width; k++) items += o->mask[k];
    for (int i = 0; i < n; i++) {
        int k = first * o->width + i;
        if (o->mask[k]) now[i] = logp_at(r, id_before(o, k / o->width, k % o->width), (int)o->ids[k], false, T, &entropy[i]);
    }
    grpo_config c = grpo_defaults(tree_str(r->config, "loss_type", "grpo"));
    c.beta = real(r->config, "beta"), c.clip_low = real(r->config, "epsilon"), c.clip_high = real(r->config, "epsilon_high");
    c.max_length = (int)real(r->config, "max_completion_length"), c.accumulate = steps;
    grpo_result out;
    bool same = grpo_loss(&out, grad, NULL, &c,
                          &(grpo_batch){.rows = rows,
                                        .width = o->width,
                                        .logp = now,
                                        .old = o->old + first * o->width,
                                        .reference = o->start + first * o->width,
                                        .entropy = entropy,
                                        .mask = o->mask + first * o->width,
                                        .advantage = o->advantage + first,
                                        .item_count = items}) == LMM_OK;
    for (int i = 0; i < n; i++) {
        int k = first * o->width + i;
        if (o->mask[k]) backward(r, id_before(o, k / o->width, k % o->width), (int)o->ids[k], T, grad[i]);
    }
    same = same && said(want, "loss", out.loss) && said(want, "entropy", out.entropy) && said(want, "kl", out.kl) &&
           said(want, "clip_ratio/low_mean", out.clip_low) && said(want, "clip_ratio/high_mean", out.clip_high) &&
           said(want, "clip_ratio/region_mean", out.clip_region);
    free(at);
    return same;
}

static bool grpo_run(const tree *c) {
    const tree *steps = tree_at(c, "expect.steps"), *rollouts = tree_get(c, "rollouts");
    run r;
    grpo_rollout o = {0};
    run_open(&r, c);
    bool same = true;
    int have = -1;
    for (int s = 0; s < steps->count && same; s++) {
        const tree *step = steps->items[s], *micro = tree_get(step, "micro");
        int number_ = (int)tree_int(step, "rollout", 0);
        if (number_ != have) rollout_free(&o), rollout_read(&o, &r, rollouts->items[have = number_]);
        for (int m = 0; m < micro->count && same; m++) same = grpo_micro(&r, &o, m, micro->items[m]);
        same = same && step_agrees(&r, s, step);
    }
    rollout_free(&o);
    run_close(&r);
    return same;
}

const rl_check rl_run_checks[] = {
    {"integration", "dpo/*", dpo_run, NULL},
    {"integration", "grpo/*", grpo_run, NULL},
    {0},
};
