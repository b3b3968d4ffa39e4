/* rl_logits.c - log-probabilities and entropies from logits, and their gradients. Tolerance: rtol 1e-4, atol 1e-5 for them, 1e-6 for losses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

static const double relative = 1e-4, absolute = 1e-6;

bool rl_metric(const tree *metrics, const char *name, double have) {
    const tree *want = tree_get(metrics, name);
    return !want || near(have, number(want), relative, absolute * 10);
}

logits3 logits_of(const tree *t) {
    logits3 l = {t->count, t->items[0]->count, t->items[0]->items[0]->count, NULL};
    int n = flatten(t, NULL);
    double *values = mem_new((size_t)n, sizeof *values);
    flatten(t, values);
    l.at = mem_new((size_t)n, sizeof *l.at);
    for (int i = 0; i < n; i++) l.at[i] = (float)values[i];
    free(values);
    return l;
}

const float *row_of(const logits3 *l, int i, int t) { return l->at + ((size_t)i * (size_t)l->T + (size_t)t) * (size_t)l->V; }

/* Log-probabilities of tokens 1.. (rows, T - 1); entropies likewise. */
void logps_of(double *logp, double *entropy, const logits3 *l, const double *ids) {
    for (int i = 0; i < l->rows; i++)
        for (int t = 0; t + 1 < l->T; t++) {
            int at = i * (l->T - 1) + t;
            logp[at] = token_logp(row_of(l, i, t), l->V, (int)ids[i * l->T + t + 1], 1, entropy ? &entropy[at] : NULL);
        }
}

/* d(sum g * logp) / dlogits: g (onehot - p). */
bool logits_gradient(const logits3 *l, const double *ids, const double *grad, const tree *want) {
    double *all = mem_new((size_t)l->rows * (size_t)l->T * (size_t)l->V, sizeof *all);
    for (int i = 0; i < l->rows; i++)
        for (int t = 0; t + 1 < l->T; t++)
            for (int v = 0; v < l->V; v++) {
                double p = exp(token_logp(row_of(l, i, t), l->V, v, 1, NULL));
                all[(i * l->T + t) * l->V + v] = grad[i * (l->T - 1) + t] * ((v == (int)ids[i * l->T + t + 1]) - p);
            }
    bool same = near_numbers(all, want, relative, absolute);
    free(all);
    return same;
}

/* ---- log-probabilities ---- */

/* The gradient of the training loss by the logits, with a weight for every row's log-probability or entropy: the output layer is the identity. */
static void loss_gradient(float *out, const logits3 *l, const int *targets, double T, float of_logp, float of_entropy) {
    const int n = l->rows * l->T, V = l->V;
    float *weight = mem_new((size_t)n * 3, sizeof *weight), *slope = weight + n, *logp = slope + n;
    float *unit = mem_new((size_t)(V * V), sizeof *unit);
    lmm_runtime *runtime;
    arena mem;
    tape ops = {0};
    lmm_runtime_open(&runtime, 1, NULL);
    arena_open(&mem, 1 << 24, "test");
    cx c = {.mem = &mem, .tape = &ops, .k = runtime->k, .pool = runtime->pool};
    for (int i = 0; i < n; i++) weight[i] = -of_logp, slope[i] = of_entropy;
    for (int v = 0; v < V; v++) unit[v * V + v] = 1;
    tensor h = tensor_make(DT_F32, 2, (int64_t[]){n, V}, l->at), w = tensor_make(DT_F32, 2, (int64_t[]){V, V}, unit);
    h.wants_grad = true, h.grad = out;
    tensor *loss = op_linear_xent(&c, &h, &w, targets, weight, n, &(xent_opts){.temperature = T, .logprob = logp, .entropy_slope = slope});
    tape_backward(&c, loss, 1.0f);
    cx_free(&c);
    tape_free(&ops);
    arena_close(&mem);
    lmm_runtime_close(runtime);
    free(unit), free(weight);
}

static bool near_gradient(const logits3 *l, const double *targets, double T, bool of_entropy, const tree *want) {
    const int n = l->rows * l->T;
    int *ids = mem_new((size_t)n, sizeof *ids);
    float *grad = mem_new((size_t)(n * l->V), sizeof *grad);
    double *values = mem_new((size_t)(n * l->V), sizeof *values);
    for (int i = 0; i < n; i++) ids[i] = (int)targets[i];
    loss_gradient(grad, l, ids, T, !of_entropy, of_entropy);
    for (int i = 0; i < n * l->V; i++) values[i] = (double)grad[i];
    bool same = near_numbers(values, want, relative, 1e-5);
    free(values), free(grad), free(ids);
    return same;
}

static bool logprobs_f32(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *targets = numbers(c, "targets", NULL), T = tree_real(tree_get(c, "config"), "temperature", 1);
    double *logp = mem_new((size_t)(l.rows * l.T) * 2, sizeof *logp), *entropy = logp + l.rows * l.T;
    for (int i = 0; i < l.rows * l.T; i++) logp[i] = token_logp(l.at + (size_t)i * (size_t)l.V, l.V, (int)targets[i], T, &entropy[i]);
    bool same = near_numbers(logp, tree_at(c, "expect.logps"), relative, 1e-5) &&
                near_numbers(entropy, tree_at(c, "expect.entropy"), relative, 1e-5) &&
                near_gradient(&l, targets, T, false, tree_at(c, "expect.grad_logits_of_sum_logps")) &&
                near_gradient(&l, targets, T, true, tree_at(c, "expect.grad_logits_of_sum_entropy"));
    for (int i = 0; i < l.rows * l.T; i++) logp[i] = (double)l.at[i * l.V + (int)targets[i]] / T - logp[i];
    same = same && near_numbers(logp, tree_at(c, "expect.logsumexp"), relative, 1e-5);
    free(logp), free(targets), free(l.at);
    return same;
}

static bool logprobs_bf16(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *targets = numbers(c, "targets", NULL), *logp = mem_new((size_t)(l.rows * l.T), sizeof *logp);
    for (int i = 0; i < l.rows * l.T; i++) logp[i] = token_logp(l.at + (size_t)i * (size_t)l.V, l.V, (int)targets[i], 1, NULL);
    bool same = near_numbers(logp, tree_at(c, "expect.logps_fp32_upcast"), relative, 1e-5);
    for (int i = 0; i < l.rows * l.T; i++) logp[i] = token_logp_bf16(l.at + (size_t)i * (size_t)l.V, l.V, (int)targets[i]);
    same = same && near_numbers(logp, tree_at(c, "expect.logps_bf16_path"), 0, 0);
    free(logp), free(targets), free(l.at);
    return same;
}

static bool prompt_cut(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *ids = numbers(c, "input_ids", NULL), *logp = mem_new((size_t)(l.rows * l.T) * 2, sizeof *logp), *cut = logp + l.rows * l.T;
    int prompt = (int)real(tree_get(c, "config"), "prompt_length"), n = 0;
    logps_of(logp, NULL, &l, ids);
    for (int i = 0; i < l.rows; i++)
        for (int t = prompt - 1; t + 1 < l.T; t++) cut[n++] = logp[i * (l.T - 1) + t];
    bool same = near_numbers(logp, tree_at(c, "expect.per_token_logps_all"), relative, 1e-5) &&
                near_numbers(cut, tree_at(c, "expect.completion_logps"), relative, 1e-5);
    free(logp), free(ids), free(l.at);
    return same;
}

/* clang-format off */
const rl_check rl_logit_checks[] = {
    {"logprobs", "fp32", logprobs_f32, NULL},
    {"logprobs", "bf16_logits", logprobs_bf16, NULL},
    {"logprobs", "shift_and_prompt_cut/*", prompt_cut, NULL},
    {0},
};
/* clang-format on */
