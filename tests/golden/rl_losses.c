/* rl_losses.c - preference and policy losses with their gradients and metrics, token log-probabilities. Tolerance: rtol 1e-4, atol 1e-6, as golden_rl says. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

static const double relative = 1e-4, absolute = 1e-6;

static bool metric(const tree *metrics, const char *name, double have) {
    const tree *want = tree_get(metrics, name);
    return !want || near(have, number(want), relative, absolute * 10);
}

/* ---- DPO ---- */

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
    return metric(metrics, "rewards/chosen", r->reward_chosen) && metric(metrics, "rewards/rejected", r->reward_rejected) &&
           metric(metrics, "rewards/accuracies", r->accuracy) && metric(metrics, "rewards/margins", r->margin) &&
           metric(metrics, "logps/chosen", r->logp_chosen) && metric(metrics, "logps/rejected", r->logp_rejected);
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

/* ---- from logits: (rows, T, V); row t predicts token t + 1 ---- */

typedef struct {
    int rows, T, V;
    float *at;
} logits3;

static logits3 logits_of(const tree *t) {
    logits3 l = {t->count, t->items[0]->count, t->items[0]->items[0]->count, NULL};
    int n = flatten(t, NULL);
    double *values = mem_new((size_t)n, sizeof *values);
    flatten(t, values);
    l.at = mem_new((size_t)n, sizeof *l.at);
    for (int i = 0; i < n; i++) l.at[i] = (float)values[i];
    free(values);
    return l;
}

static const float *row_of(const logits3 *l, int i, int t) { return l->at + ((size_t)i * (size_t)l->T + (size_t)t) * (size_t)l->V; }

/* Log-probabilities of tokens 1.. (rows, T - 1); entropies likewise. */
static void logps_of(double *logp, double *entropy, const logits3 *l, const double *ids) {
    for (int i = 0; i < l->rows; i++)
        for (int t = 0; t + 1 < l->T; t++) {
            int at = i * (l->T - 1) + t;
            logp[at] = token_logp(row_of(l, i, t), l->V, (int)ids[i * l->T + t + 1], 1, entropy ? &entropy[at] : NULL);
        }
}

/* d(sum g * logp) / dlogits: g (onehot - p). */
static bool logits_gradient(const logits3 *l, const double *ids, const double *grad, const tree *want) {
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
    bool same =
        metric(metrics, "entropy", all) && metric(metrics, "mean_token_accuracy", chosen_hits) && metric(metrics, "logits/chosen", chosen);
    means(l, ids, mask, entropy, l->rows / 2, l->rows / 2, &unused, &unused, &rejected);
    return same && metric(metrics, "logits/rejected", rejected);
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
    double *losses = mem_new((size_t)n * 4, sizeof *losses), *gc = losses + 2 * n, *gr = losses + 3 * n;
    llava_dpo_config k = {tree_str(config, "loss_type", ""), real(config, "beta"), real(config, "label_smoothing"),
                          tree_bool(config, "reference_free", false)};
    bool same = llava_dpo_loss(losses, gc, gr, &k, &(llava_dpo_batch){n, pc, pr, rc, rr}) == LMM_OK &&
                near_numbers(losses, tree_get(expect, "losses"), relative, absolute) &&
                near_numbers(gc, tree_get(expect, "grad_policy_chosen"), relative, absolute) &&
                near_numbers(gr, tree_get(expect, "grad_policy_rejected"), relative, absolute);
    free(losses), free(rr), free(rc), free(pr), free(pc);
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
    for (int i = 0; i < l.rows; i++) {
        double n = 0;
        for (int t = 0; t < W; t++) n += mask[i * W + t], sums[i] += mask[i * W + t] * logp[i * W + t];
        for (int t = 0; t < W; t++) grad[i * W + t] = mask[i * W + t] / (mean ? n : 1);
        if (mean) sums[i] /= n;
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

/* ---- GRPO ---- */

static double option(const tree *config, const char *key, double fallback) {
    const tree *t = tree_get(config, key);
    return t && t->type != TREE_NULL ? number(t) : fallback;
}

static grpo_config grpo_config_of(const tree *config) {
    grpo_config c = grpo_defaults(tree_str(config, "loss_type", "grpo"));
    c.beta = option(config, "beta", 0);
    c.clip_low = option(config, "epsilon", 0.2);
    c.clip_high = option(config, "epsilon_high", c.clip_low);
    c.delta = option(config, "delta", 0);
    c.sequence_ratio = !strcmp(tree_str(config, "importance_sampling_level", "token"), "sequence");
    c.max_length = (int)option(config, "max_completion_length", c.max_length);
    c.accumulate = (int)option(config, "grad_accum", 1);
    c.ranks = (int)option(config, "num_processes", 1);
    c.top_entropy = option(config, "top_entropy_quantile", 1);
    c.entropy_bonus = option(config, "entropy_coef", 0);
    c.off_policy_threshold = option(config, "off_policy_mask_threshold", NAN);
    c.bias_corrected_kl = tree_bool(config, "use_bias_correction_kl", false);
    return c;
}

static bool grpo_metrics(const grpo_result *r, const tree *m) {
    return metric(m, "kl", r->kl) && metric(m, "entropy", r->entropy) && metric(m, "clip_ratio/low_mean", r->clip_low) &&
           metric(m, "clip_ratio/high_mean", r->clip_high) && metric(m, "clip_ratio/region_mean", r->clip_region) &&
           metric(m, "clip_ratio/low_min", r->clip_low_least) && metric(m, "clip_ratio/high_max", r->clip_high_most) &&
           metric(m, "cispo_clip_ratio", r->clip_high);
}

static bool grpo_trl(const tree *c) {
    int n, ratios = 0;
    double *logp = numbers(c, "per_token_logps", &n), *entropy = numbers(c, "entropies", NULL), *mask = numbers(c, "completion_mask", NULL),
           *advantage = numbers(c, "advantages", NULL), *old = numbers(c, "old_per_token_logps", NULL),
           *ref = numbers(c, "ref_per_token_logps", NULL), *ratio = numbers(c, "importance_sampling_ratio", &ratios),
           *sampled = numbers(c, "sampling_per_token_logps", NULL), *tool = numbers(c, "tool_mask", NULL);
    int rows = tree_get(c, "per_token_logps")->count;
    grpo_config config = grpo_config_of(tree_get(c, "config"));
    grpo_batch b = {.rows = rows,
                    .width = n / rows,
                    .logp = logp,
                    .old = old,
                    .reference = ref,
                    .sampled = sampled,
                    .entropy = entropy,
                    .mask = mask,
                    .tool_mask = tool,
                    .rollout_ratio = ratio,
                    .advantage = advantage,
                    .rollout_by_row = ratios == rows,
                    .item_count = real(c, "num_items_in_batch")};
    double *grad = mem_new((size_t)n * 2, sizeof *grad);
    const tree *want = tree_at(c, "expect.grad_entropies");
    grpo_result r;
    bool same = grpo_loss(&r, grad, grad + n, &config, &b) == LMM_OK &&
                near(r.loss, real(tree_get(c, "expect"), "loss"), relative, absolute) &&
                near_numbers(grad, tree_at(c, "expect.grad_logps"), relative, absolute) && grpo_metrics(&r, tree_at(c, "expect.metrics"));
    if (same && want && want->type != TREE_NULL) same = near_numbers(grad + n, want, relative, absolute);
    free(grad), free(tool), free(sampled), free(ratio), free(ref), free(old), free(advantage), free(mask), free(entropy), free(logp);
    return same;
}

/* Rewards to advantages to loss, in one. */
static bool open_r1_multimodal(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    int n, functions;
    double *logp = numbers(c, "per_token_logps", &n), *ref = numbers(c, "ref_per_token_logps", NULL),
           *ids = numbers(c, "completion_ids", NULL), *rewards = numbers(c, "rewards_per_func", &functions);
    int rows = tree_get(c, "per_token_logps")->count, width = n / rows, stop = (int)real(config, "eos_token_id");
    functions /= rows;
    double *at = mem_new((size_t)n * 2 + (size_t)rows * 2, sizeof *at), *mask = at, *grad = at + n, *advantage = at + 2 * n,
           *total = advantage + rows;
    int *whole = mem_new((size_t)n, sizeof *whole);
    const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (int i = 0; i < n; i++) whole[i] = (int)ids[i];
    completion_mask(mask, whole, rows, width, &stop, 1);
    grpo_advantages(advantage, total, NULL, rewards, rows, functions,
                    &(advantage_config){(int)real(config, "num_generations"), ones, SCALE_GROUP, false, 1e-4});
    grpo_config k = grpo_defaults("grpo");
    k.beta = real(config, "beta");
    grpo_result r;
    bool same =
        near_numbers(mask, tree_get(expect, "completion_mask"), 0, 0) &&
        near_numbers(total, tree_get(expect, "rewards"), relative, absolute) &&
        near_numbers(advantage, tree_get(expect, "advantages"), relative, 1e-5) &&
        grpo_loss(&r, grad, NULL, &k,
                  &(grpo_batch){.rows = rows, .width = width, .logp = logp, .reference = ref, .mask = mask, .advantage = advantage}) ==
            LMM_OK;
    same = same && near(r.loss, real(expect, "loss"), relative, absolute) &&
           near_numbers(grad, tree_get(expect, "grad_logps"), relative, absolute);
    free(whole), free(at), free(rewards), free(ids), free(ref), free(logp);
    return same;
}

static bool vlm_r1(const tree *c) {
    const tree *expect = tree_get(c, "expect");
    int n;
    double *logp = numbers(c, "per_token_logps", &n), *old = numbers(c, "old_per_token_logps", NULL),
           *ref = numbers(c, "ref_per_token_logps", NULL), *mask = numbers(c, "completion_mask", NULL),
           *advantage = numbers(c, "advantages", NULL);
    int rows = tree_get(c, "per_token_logps")->count;
    double *grad = mem_new((size_t)n, sizeof *grad);
    grpo_config k = grpo_config_of(tree_get(c, "config"));
    grpo_result r;
    bool same = grpo_loss(&r, grad, NULL, &k,
                          &(grpo_batch){.rows = rows,
                                        .width = n / rows,
                                        .logp = logp,
                                        .old = old,
                                        .reference = ref,
                                        .mask = mask,
                                        .advantage = advantage}) == LMM_OK &&
                near(r.loss, real(expect, "loss"), relative, absolute) &&
                near_numbers(grad, tree_get(expect, "grad_logps"), relative, absolute);
    free(grad), free(advantage), free(mask), free(ref), free(old), free(logp);
    return same;
}

/* The advantage of each row: the same at every token of its mask. */
static void row_advantages(double *out, const double *tokens, const double *mask, int rows, int width) {
    for (int i = 0; i < rows; i++)
        for (int t = 0; t < width && out[i] == 0; t++) out[i] = tokens[i * width + t] * mask[i * width + t];
}

/* verl's and EasyR1's clipped loss with its second bound, averaged over tokens or over rows; of a batch on several ranks when it says so. */
static bool dual_clip(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect"), *whole = tree_get(config, "global_batch_info");
    const char *mode = tree_str(config, "loss_agg_mode", tree_str(config, "loss_avg_mode", "token-mean"));
    int n;
    double *logp = numbers(c, "log_probs", &n), *old = numbers(c, "old_log_probs", NULL), *mask = numbers(c, "response_mask", NULL),
           *tokens = numbers(c, "advantages", NULL);
    const int rows = tree_get(c, "log_probs")->count;
    const bool by_token = !strncmp(mode, "token", 5);
    double *advantage = mem_new((size_t)rows, sizeof *advantage), *grad = mem_new((size_t)n, sizeof *grad), scale = 1;
    row_advantages(advantage, tokens, mask, rows, n / rows);
    grpo_config k = grpo_defaults(!by_token ? "grpo" : real(whole, "batch_num_tokens") > 0 ? "dapo" : "bnpo");
    k.clip_low = real(config, "clip_ratio_low"), k.clip_high = real(config, "clip_ratio_high");
    k.dual_clip = tree_real(config, "clip_ratio_c", real(config, "clip_ratio_dual"));
    k.ranks = (int)tree_int(whole, "dp_size", 1);
    int filled = 0; /* verl counts rows with tokens alone, trl and we all of them */
    for (int i = 0; i < rows; i++) filled += mask[i * (n / rows)] > 0;
    if (!by_token) scale = real(whole, "global_batch_size") > 0 ? rows * k.ranks / real(whole, "global_batch_size") : (double)rows / filled;
    grpo_result r;
    bool same = grpo_loss(&r, grad, NULL, &k,
                          &(grpo_batch){.rows = rows,
                                        .width = n / rows,
                                        .logp = logp,
                                        .old = old,
                                        .mask = mask,
                                        .advantage = advantage,
                                        .item_count = real(whole, "batch_num_tokens")}) == LMM_OK;
    for (int i = 0; i < n; i++) grad[i] *= scale;
    same = same && near(r.loss * scale, real(expect, "pg_loss"), relative, absolute) &&
           near_numbers(grad, tree_get(expect, "grad_log_probs"), relative, absolute);
    free(grad), free(advantage), free(tokens), free(mask), free(old), free(logp);
    return same;
}

static bool kl_estimators(const tree *c) {
    static const char *const ours[][2] = {{"kl", "k1"}, {"abs", "abs"}, {"mse", "k2"}, {"low_var_kl", "k3"}};
    const char *name = tree_str(tree_get(c, "config"), "kl_penalty", ""), *kind = "";
    int n;
    double *logp = numbers(c, "log_probs", &n), *ref = numbers(c, "ref_log_probs", NULL);
    double *kl = mem_new((size_t)n * 2, sizeof *kl), *slope = kl + n;
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (!strcmp(name, ours[i][0])) kind = ours[i][1];
    for (int i = 0; i < n; i++) kl[i] = kl_estimate(kind, ref[i] - logp[i], true, &slope[i]);
    bool same = near_numbers(kl, tree_at(c, "expect.kl"), relative, absolute) &&
                near_numbers(slope, tree_at(c, "expect.grad_of_sum"), relative, absolute);
    free(kl), free(ref), free(logp);
    return same;
}

/* ---- log-probabilities ---- */

static bool logprobs_f32(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *targets = numbers(c, "targets", NULL), T = tree_real(tree_get(c, "config"), "temperature", 1);
    double *logp = mem_new((size_t)(l.rows * l.T) * 2, sizeof *logp), *entropy = logp + l.rows * l.T;
    for (int i = 0; i < l.rows * l.T; i++) logp[i] = token_logp(l.at + (size_t)i * (size_t)l.V, l.V, (int)targets[i], T, &entropy[i]);
    bool same = near_numbers(logp, tree_at(c, "expect.logps"), relative, 1e-5) &&
                near_numbers(entropy, tree_at(c, "expect.entropy"), relative, 1e-5);
    free(logp), free(targets), free(l.at);
    return same;
}

static bool logprobs_bf16(const tree *c) {
    logits3 l = logits_of(tree_get(c, "logits"));
    double *targets = numbers(c, "targets", NULL), *logp = mem_new((size_t)(l.rows * l.T), sizeof *logp);
    for (int i = 0; i < l.rows * l.T; i++) logp[i] = token_logp(l.at + (size_t)i * (size_t)l.V, l.V, (int)targets[i], 1, NULL);
    bool same = near_numbers(logp, tree_at(c, "expect.logps_fp32_upcast"), relative, 1e-5);
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
const rl_check rl_loss_checks[] = {
    {"dpo_losses", "from_token_logps/*", dpo_from_logps, NULL},
    {"dpo_losses", "from_logits", dpo_from_logits, NULL},
    {"dpo_losses", "llava_dpo_loss/*", llava_dpo, "rewards, margins and accuracies"},
    {"dpo_losses", "llava_get_batch_logps", llava_logps, NULL},
    {"dpo_losses", "llava_sft_loss", llava_sft, NULL},
    {"dpo_losses", "llava_total", llava_total, NULL},
    {"grpo_losses", "grpo/*", grpo_trl, NULL},
    {"grpo_losses", "bnpo/*", grpo_trl, NULL},
    {"grpo_losses", "dr_grpo/*", grpo_trl, NULL},
    {"grpo_losses", "dapo/*", grpo_trl, NULL},
    {"grpo_losses", "cispo/*", grpo_trl, NULL},
    {"grpo_losses", "sapo/*", grpo_trl, NULL},
    {"grpo_losses", "vespo/*", grpo_trl, NULL},
    {"grpo_losses", "luspo/*", grpo_trl, NULL},
    {"grpo_losses", "open_r1_multimodal/full", open_r1_multimodal, "logged means"},
    {"grpo_losses", "vlm_r1/full", vlm_r1, "clip_ratio and kl, of another definition,"},
    {"grpo_losses", "easyr1/default", dual_clip, "clip shares and approximate KL"},
    {"grpo_losses", "verl/vanilla", dual_clip, "clip shares and approximate KL"},
    {"grpo_losses", "llava_critic_r1/ppo_dual_clip", dual_clip, "clip shares and approximate KL"},
    {"grpo_losses", "easyr1/kl_estimators", kl_estimators, NULL},
    {"logprobs", "fp32", logprobs_f32, "gradients"},
    {"logprobs", "bf16_logits", logprobs_bf16, "the path in bf16"},
    {"logprobs", "shift_and_prompt_cut/*", prompt_cut, NULL},
    {0},
};
/* clang-format on */
