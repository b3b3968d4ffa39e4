/* rl_preference.c - preference losses with their gradients and metrics: trl's, LLaVA-NeXT's. Tolerance: rtol 1e-4, atol 1e-6. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

static const double relative = 1e-4, absolute = 1e-6;

static dpo_divergence divergence_named(const char *name) {
    static const char *const names[] = {"reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(name, names[i])) return (dpo_divergence)i;
    return DIVERGENCE_REVERSE_KL;
}

static dpo_config dpo_config_of(const tree *config) {
    const tree *types = tree_get(config, "loss_types"), *weights = tree_get(config, "weights");
    if (!weights) weights = tree_get(config, "loss_weights");
    dpo_config c = {.beta = real(config, "beta"),
                    .smoothing = real(config, "ls"),
                    .divergence = divergence_named(tree_str(config, "f", "reverse_kl")),
                    .alpha = tree_real(config, "fa", 0.5),
                    .tau = real(config, "tau"),
                    .length_desensitised = tree_get(config, "ld") != NULL,
                    .tail_weight = real(config, "ld")};
    for (int i = 0; i < types->count; i++) {
        c.kinds[i] = types->items[i]->text;
        c.weights[i] = weights ? weights->items[i]->real : 0;
    }
    return c;
}

static bool dpo_metrics(const dpo_result *r, const tree *metrics) {
    return rl_metric(metrics, "rewards/chosen", r->reward_chosen) && rl_metric(metrics, "rewards/rejected", r->reward_rejected) &&
           rl_metric(metrics, "rewards/accuracies", r->accuracy) && rl_metric(metrics, "rewards/margins", r->margin) &&
           rl_metric(metrics, "logps/chosen", r->logp_chosen) && rl_metric(metrics, "logps/rejected", r->logp_rejected);
}

/* The mask is of the tokens themselves; column 0 is nobody's target. */
static void shift_mask(double *mask, const double *whole, int rows, int width) {
    for (int i = 0; i < rows; i++)
        for (int t = 0; t < width; t++) mask[i * width + t] = whole[i * (width + 1) + t + 1];
}

static bool dpo_from_logps(const tree *c) {
    int n;
    double *policy = numbers(c, "policy_token_logps", &n), *start = numbers(c, "ref_token_logps", NULL),
           *whole = numbers(c, "completion_mask", NULL);
    int rows = tree_get(c, "policy_token_logps")->count, width = n / rows;
    double *mask = mem_new((size_t)n, sizeof *mask), *grad = mem_new((size_t)n, sizeof *grad);
    shift_mask(mask, whole, rows, width);
    dpo_config config = dpo_config_of(tree_get(c, "config"));
    dpo_result r;
    bool same = dpo_loss(&r, grad, &config, &(dpo_batch){rows / 2, width, policy, start, mask, NULL}) == LMM_OK;
    same = same && near(r.loss, real(tree_get(c, "expect"), "loss"), relative, absolute) &&
           near_numbers(grad, tree_at(c, "expect.grad_policy_token_logps"), relative, absolute) &&
           dpo_metrics(&r, tree_at(c, "expect.metrics"));
    free(grad), free(mask), free(whole), free(start), free(policy);
    return same;
}

static bool best_is(const float *row, int V, int id) {
    int best = 0;
    for (int v = 1; v < V; v++)
        if (row[v] > row[best]) best = v;
    return best == id;
}

/* Means over completion tokens of rows [first, first + count): entropy, hits of the chosen, logits. */
static void means(const logits3 *l, const double *ids, const double *mask, const double *entropy, int first, int count,
                  double *entropy_mean, double *hits, double *logit) {
    double n = 0, e = 0, h = 0, x = 0;
    for (int i = first; i < first + count; i++)
        for (int t = 0; t + 1 < l->T; t++) {
            if (!mask[i * (l->T - 1) + t]) continue;
            const float *row = row_of(l, i, t);
            n++, e += entropy[i * (l->T - 1) + t], h += best_is(row, l->V, (int)ids[i * l->T + t + 1]);
            for (int v = 0; v < l->V; v++) x += (double)row[v] / l->V;
        }
    *entropy_mean = e / n, *hits = h / n, *logit = x / n;
}

static bool logit_metrics(const tree *metrics, const logits3 *l, const double *ids, const double *mask, const double *entropy) {
    double all, chosen_hits, chosen, rejected, unused;
    means(l, ids, mask, entropy, 0, l->rows, &all, &unused, &chosen);
    means(l, ids, mask, entropy, 0, l->rows / 2, &unused, &chosen_hits, &chosen);
    bool same = rl_metric(metrics, "entropy", all) && rl_metric(metrics, "mean_token_accuracy", chosen_hits) &&
                rl_metric(metrics, "logits/chosen", chosen);
    means(l, ids, mask, entropy, l->rows / 2, l->rows / 2, &unused, &unused, &rejected);
    return same && rl_metric(metrics, "logits/rejected", rejected);
}

/* WPO (arXiv 2406.11827): exp of the mean of l - log sum p^2 over both answers. */
static void wpo_weights(double *weight, const logits3 *l, const double *mask, const double *logp) {
    const int pairs = l->rows / 2, W = l->T - 1;
    for (int i = 0; i < pairs; i++) {
        double total = 0;
        for (int side = 0; side < 2; side++) {
            double sum = 0, n = 0;
            for (int t = 0; t < W; t++) {
                int row = i + side * pairs, at = row * W + t;
                if (!mask[at]) continue;
                double squares = 0;
                for (int v = 0; v < l->V; v++) squares += exp(2 * token_logp(row_of(l, row, t), l->V, v, 1, NULL));
                sum += logp[at] - log(squares), n++;
            }
            total += sum / n;
        }
        weight[i] = exp(total);
        if (weight[i] > 1) weight[i] = 1;
    }
}

static bool dpo_from_logits(const tree *c) {
    logits3 policy = logits_of(tree_get(c, "policy_logits")), start = logits_of(tree_get(c, "ref_logits"));
    double *ids = numbers(c, "input_ids", NULL), *whole = numbers(c, "completion_mask", NULL);
    const int W = policy.T - 1, n = policy.rows * W;
    double *at = mem_new((size_t)n * 5 + 64, sizeof *at), *logp = at, *ref = at + n, *entropy = at + 2 * n, *mask = at + 3 * n,
           *grad = at + 4 * n, *weight = at + 5 * n;
    logps_of(logp, entropy, &policy, ids);
    logps_of(ref, NULL, &start, ids);
    shift_mask(mask, whole, policy.rows, W);
    dpo_config config = dpo_config_of(tree_get(c, "config"));
    bool weighted = tree_bool(tree_get(c, "config"), "uw", false);
    if (weighted) wpo_weights(weight, &policy, mask, logp);
    dpo_result r;
    bool same = dpo_loss(&r, grad, &config, &(dpo_batch){policy.rows / 2, W, logp, ref, mask, weighted ? weight : NULL}) == LMM_OK;
    same = same && near(r.loss, real(tree_get(c, "expect"), "loss"), relative, absolute) &&
           logits_gradient(&policy, ids, grad, tree_at(c, "expect.grad_policy_logits")) && dpo_metrics(&r, tree_at(c, "expect.metrics")) &&
           logit_metrics(tree_at(c, "expect.metrics"), &policy, ids, mask, entropy);
    free(at), free(whole), free(ids), free(start.at), free(policy.at);
    return same;
}

/* ---- LLaVA's ---- */

static bool llava_dpo(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    int n;
    double *pc = numbers(c, "policy_chosen_logps", &n), *pr = numbers(c, "policy_rejected_logps", NULL),
           *rc = numbers(c, "reference_chosen_logps", NULL), *rr = numbers(c, "reference_rejected_logps", NULL);
    double *at = mem_new((size_t)n * 6, sizeof *at);
    llava_dpo_config k = {tree_str(config, "loss_type", ""), real(config, "beta"), real(config, "label_smoothing"),
                          tree_bool(config, "reference_free", false)};
    llava_dpo_result r = {.losses = at,
                          .grad_chosen = at + 2 * n,
                          .grad_rejected = at + 3 * n,
                          .reward_chosen = at + 4 * n,
                          .reward_rejected = at + 5 * n};
    bool same = llava_dpo_loss(&r, &k, &(llava_dpo_batch){n, pc, pr, rc, rr}) == LMM_OK &&
                near_numbers(r.losses, tree_get(expect, "losses"), relative, absolute) &&
                near(r.loss, real(expect, "loss_mean"), relative, absolute) &&
                near_numbers(r.grad_chosen, tree_get(expect, "grad_policy_chosen"), relative, absolute) &&
                near_numbers(r.grad_rejected, tree_get(expect, "grad_policy_rejected"), relative, absolute) &&
                near_numbers(r.reward_chosen, tree_get(expect, "chosen_rewards"), relative, absolute) &&
                near_numbers(r.reward_rejected, tree_get(expect, "rejected_rewards"), relative, absolute) &&
                near(r.accuracy, real(expect, "accuracies"), relative, absolute) &&
                near(r.margin, real(expect, "margins"), relative, absolute * 10);
    free(at), free(rr), free(rc), free(pr), free(pc);
    return same;
}

/* Labels are the ids themselves with -100 where nothing is learned. */
static void label_mask(double *mask, const double *labels, int rows, int T) {
    for (int i = 0; i < rows; i++)
        for (int t = 0; t + 1 < T; t++) mask[i * (T - 1) + t] = labels[i * T + t + 1] != -100;
}

static double *valid_ids(const double *labels, int n) {
    double *ids = mem_new((size_t)n, sizeof *ids);
    for (int i = 0; i < n; i++) ids[i] = labels[i] < 0 ? 0 : labels[i];
    return ids;
}

static bool llava_logps(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *labels = numbers(c, "labels", NULL), *ids = valid_ids(labels, l.rows * l.T), sums[64] = {0};
    const int W = l.T - 1;
    double *at = mem_new((size_t)(l.rows * W) * 3, sizeof *at), *logp = at, *mask = at + l.rows * W, *grad = at + 2 * l.rows * W;
    bool mean = tree_bool(tree_get(c, "config"), "average_log_prob", false);
    logps_of(logp, NULL, &l, ids);
    label_mask(mask, labels, l.rows, l.T);
    sequence_logps(sums, logp, mask, l.rows, W, mean);
    for (int i = 0; i < l.rows; i++) {
        double n = 0;
        for (int t = 0; t < W; t++) n += mask[i * W + t];
        for (int t = 0; t < W; t++) grad[i * W + t] = mask[i * W + t] / (mean ? n : 1);
    }
    bool same = near_numbers(sums, tree_at(c, "expect.logps"), relative, absolute) &&
                logits_gradient(&l, ids, grad, tree_at(c, "expect.grad_of_sum"));
    free(at), free(ids), free(labels), free(l.at);
    return same;
}

/* Cross entropy of the labelled tokens of the first (chosen) half or all rows. */
static bool llava_sft(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *labels = numbers(c, "labels", NULL), *ids = valid_ids(labels, l.rows * l.T), sum = 0, n = 0;
    const int W = l.T - 1;
    double *at = mem_new((size_t)(l.rows * W) * 3, sizeof *at), *logp = at, *mask = at + l.rows * W, *grad = at + 2 * l.rows * W;
    logps_of(logp, NULL, &l, ids);
    label_mask(mask, labels, l.rows, l.T);
    for (int i = 0; i < l.rows * W; i++) n += mask[i], sum -= mask[i] * logp[i];
    for (int i = 0; i < l.rows * W; i++) grad[i] = -mask[i] / n;
    bool same = near(sum / n, real(tree_get(c, "expect"), "sft_loss"), relative, absolute) &&
                logits_gradient(&l, ids, grad, tree_at(c, "expect.grad"));
    free(at), free(ids), free(labels), free(l.at);
    return same;
}

static bool llava_total(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    logits3 policy = logits_of(tree_get(c, "policy_logits")), start = logits_of(tree_get(c, "ref_logits"));
    double *labels = numbers(c, "labels", NULL), *ids = valid_ids(labels, policy.rows * policy.T);
    const int W = policy.T - 1, n = policy.rows * W, pairs = policy.rows / 2;
    double alpha = real(config, "dpo_alpha"), gamma = real(config, "gamma");
    double *at = mem_new((size_t)n * 4, sizeof *at), *logp = at, *ref = at + n, *mask = at + 2 * n, *grad = at + 3 * n;
    logps_of(logp, NULL, &policy, ids);
    logps_of(ref, NULL, &start, ids);
    label_mask(mask, labels, policy.rows, policy.T);
    dpo_config k = {.kinds = {"sigmoid", "sft"}, .weights = {alpha, gamma}, .beta = real(config, "beta")};
    dpo_result r, dpo, sft;
    const dpo_batch b = {pairs, W, logp, ref, mask, NULL};
    bool same = dpo_loss(&r, grad, &k, &b) == LMM_OK &&
                dpo_loss(&dpo, NULL, &(dpo_config){.kinds = {"sigmoid"}, .beta = k.beta}, &b) == LMM_OK &&
                dpo_loss(&sft, NULL, &(dpo_config){.kinds = {"sft"}, .beta = k.beta}, &b) == LMM_OK;
    same = same && near(r.loss, real(expect, "losses/total"), relative, absolute) &&
           near(dpo.loss, real(expect, "losses/dpo"), relative, absolute) &&
           near(sft.loss, real(expect, "losses/sft"), relative, absolute) && dpo_metrics(&r, expect) &&
           logits_gradient(&policy, ids, grad, tree_get(expect, "grad_policy_logits"));
    free(at), free(ids), free(labels), free(start.at), free(policy.at);
    return same;
}

/* clang-format off */
const rl_check rl_preference_checks[] = {
    {"dpo_losses", "from_token_logps/*", dpo_from_logps, NULL},
    {"dpo_losses", "from_logits", dpo_from_logits, NULL},
    {"dpo_losses", "llava_dpo_loss/*", llava_dpo, NULL},
    {"dpo_losses", "llava_get_batch_logps", llava_logps, NULL},
    {"dpo_losses", "llava_sft_loss", llava_sft, NULL},
    {"dpo_losses", "llava_total", llava_total, NULL},
    {0},
};
/* clang-format on */
