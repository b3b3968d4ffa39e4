/* rl_losses.c - policy losses with their gradients and metrics. Tolerance: rtol 1e-4, atol 1e-6, as golden_rl says. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

static const double relative = 1e-4, absolute = 1e-6;

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
    return rl_metric(m, "kl", r->kl) && rl_metric(m, "entropy", r->entropy) && rl_metric(m, "clip_ratio/low_mean", r->clip_low) &&
           rl_metric(m, "clip_ratio/high_mean", r->clip_high) && rl_metric(m, "clip_ratio/region_mean", r->clip_region) &&
           rl_metric(m, "clip_ratio/low_min", r->clip_low_least) && rl_metric(m, "clip_ratio/high_max", r->clip_high_most) &&
           rl_metric(m, "cispo_clip_ratio", r->clip_high);
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
    double *at = mem_new((size_t)n * 2 + (size_t)rows * 4, sizeof *at), *mask = at, *grad = at + n, *advantage = at + 2 * n,
           *total = advantage + rows, *deviation = total + rows, *length = deviation + rows;
    int *whole = mem_new((size_t)n, sizeof *whole);
    const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (int i = 0; i < n; i++) whole[i] = (int)ids[i];
    completion_mask(mask, whole, rows, width, &stop, 1);
    grpo_advantages(advantage, total, deviation, rewards, rows, functions,
                    &(advantage_config){(int)real(config, "num_generations"), ones, SCALE_GROUP, false, 1e-4});
    for (int i = 0; i < n; i++) length[i / width] += mask[i];
    const reward_means m = reward_means_of(total, deviation, length, rows);
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
           near_numbers(grad, tree_get(expect, "grad_logps"), relative, absolute) &&
           near(m.length, real(expect, "completion_length"), relative, absolute) &&
           near(m.reward, real(expect, "reward"), relative, absolute) && near(m.deviation, real(expect, "reward_std"), relative, 1e-5) &&
           near(r.kl_of_rows, real(expect, "kl"), relative, absolute);
    for (int i = 0; i < n; i++) grad[i] = kl_estimate("k3", ref[i] - logp[i], false, NULL);
    same = same && near_numbers(grad, tree_get(expect, "per_token_kl"), relative, absolute);
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
    bool same =
        grpo_loss(&r, grad, NULL, &k,
                  &(grpo_batch){.rows = rows,
                                .width = n / rows,
                                .logp = logp,
                                .old = old,
                                .reference = ref,
                                .mask = mask,
                                .advantage = advantage}) == LMM_OK &&
        near(r.loss, real(expect, "loss"), relative, absolute) && near_numbers(grad, tree_get(expect, "grad_logps"), relative, absolute) &&
        near(r.unclipped, real(expect, "clip_ratio"), relative, absolute) && near(r.kl_of_rows, real(expect, "kl"), relative, absolute);
    free(grad), free(advantage), free(mask), free(ref), free(old), free(logp);
    return same;
}

/* The advantage of each row: the same at every token of its mask. */
static void row_advantages(double *out, const double *tokens, const double *mask, int rows, int width) {
    for (int i = 0; i < rows; i++)
        for (int t = 0; t < width && out[i] == 0; t++) out[i] = tokens[i * width + t] * mask[i * width + t];
}

static const char *first_key(const tree *t, const char *const *names) {
    while (names[1] && !tree_get(t, *names)) names++;
    return *names;
}

/* Shares and means in verl's, EasyR1's or the critic's names. */
static bool clip_metrics(const grpo_result *r, const tree *expect) {
    static const char *const raised[] = {"actor/pg_clipfrac", "pg_clipfrac_higher", NULL},
                             *const held[] = {"actor/pg_clipfrac_lower", "pg_clipfrac_lower", NULL},
                             *const kl[] = {"actor/ppo_kl", "ppo_kl", NULL};
    const tree *m = tree_get(expect, "metrics");
    if (!m) m = expect;
    return rl_metric(m, first_key(m, raised), r->raised) && rl_metric(m, first_key(m, held), r->held) &&
           rl_metric(m, first_key(m, kl), r->approximate_kl) && rl_metric(m, "entropy_loss", r->mean_nll) && tree_get(m, first_key(m, kl));
}

/* verl's, EasyR1's and the critic's policy losses, averaged over tokens or over rows; of a batch on several ranks when it says so. */
static bool other_trainers(const tree *c, const char *kind, double dual, grpo_config *k) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect"), *whole = tree_get(config, "global_batch_info");
    const int rows = tree_get(c, "log_probs")->count;
    static const char *const modes[][2] = {{"token-mean", "token"},
                                           {"token", "token"},
                                           {"seq", "sequence"},
                                           {"seq-mean-token-mean", "sequence"},
                                           {"seq-mean-token-sum", "sequence_sum"},
                                           {"seq-mean-token-sum-norm", "length"}};
    const char *mode = tree_str(config, "loss_agg_mode", tree_str(config, "loss_avg_mode", "token"));
    int n;
    double *logp = numbers(c, "log_probs", &n), *old = numbers(c, "old_log_probs", NULL), *mask = numbers(c, "response_mask", NULL),
           *tokens = numbers(c, "advantages", NULL);
    double *advantage = mem_new((size_t)rows, sizeof *advantage), *grad = mem_new((size_t)n, sizeof *grad);
    row_advantages(advantage, tokens, mask, rows, n / rows);
    grpo_batch b = {.rows = rows,
                    .width = n / rows,
                    .logp = logp,
                    .old = old,
                    .mask = mask,
                    .advantage = advantage,
                    .item_count = real(whole, "batch_num_tokens"),
                    .row_count = real(whole, "global_batch_size")};
    k->kind = kind, k->dual_clip = dual, k->ranks = (int)tree_int(whole, "dp_size", 1);
    k->max_length = (int)tree_int(whole, "loss_scale_factor", b.width);
    k->clip_low = real(config, "clip_ratio_low"), k->clip_high = real(config, "clip_ratio_high");
    for (size_t i = 0; i < COUNT_OF(modes); i++)
        if (!strcmp(mode, modes[i][0])) k->reduce = modes[i][1];
    if (b.item_count > 0 && !strcmp(k->reduce, "token")) k->reduce = "item";
    for (int i = 0; tree_get(config, "loss_agg_mode") && !whole->count && i < rows; i++) b.row_count += mask[i * b.width] > 0;
    grpo_result r;
    bool same = grpo_loss(&r, grad, NULL, k, &b) == LMM_OK && near(r.loss, real(expect, "pg_loss"), relative, absolute) &&
                near_numbers(grad, tree_get(expect, "grad_log_probs"), relative, absolute) && clip_metrics(&r, expect);
    free(grad), free(advantage), free(tokens), free(mask), free(old), free(logp);
    return same;
}

static bool dual_clip(const tree *c) {
    const tree *config = tree_get(c, "config");
    grpo_config k = grpo_defaults("grpo");
    return other_trainers(c, "grpo", tree_real(config, "clip_ratio_c", real(config, "clip_ratio_dual")), &k);
}

/* EasyR1's other losses; shares of clipped tokens are asked of gspo only. */
static bool easyr1(const tree *c) {
    const tree *config = tree_get(c, "config");
    const char *type = tree_str(config, "loss_type", "");
    const bool gspo = !strncmp(type, "gspo", 4);
    grpo_config k = grpo_defaults("grpo");
    k.sequence_ratio = gspo, k.token_slope = !strcmp(type, "gspo_token");
    k.sapo_positive = real(config, "tau_positive"), k.sapo_negative = real(config, "tau_negative");
    return other_trainers(c, gspo ? "grpo" : !strcmp(type, "sapo") ? "sapo" : "cispo_band", gspo ? real(config, "clip_ratio_dual") : 0, &k);
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

/* clang-format off */
const rl_check rl_loss_checks[] = {
    {"grpo_losses", "grpo/*", grpo_trl, NULL},
    {"grpo_losses", "bnpo/*", grpo_trl, NULL},
    {"grpo_losses", "dr_grpo/*", grpo_trl, NULL},
    {"grpo_losses", "dapo/*", grpo_trl, NULL},
    {"grpo_losses", "cispo/*", grpo_trl, NULL},
    {"grpo_losses", "sapo/*", grpo_trl, NULL},
    {"grpo_losses", "vespo/*", grpo_trl, NULL},
    {"grpo_losses", "luspo/*", grpo_trl, NULL},
    {"grpo_losses", "open_r1_multimodal/full", open_r1_multimodal, NULL},
    {"grpo_losses", "vlm_r1/full", vlm_r1, NULL},
    {"grpo_losses", "easyr1/default", dual_clip, NULL},
    {"grpo_losses", "verl/vanilla", dual_clip, NULL},
    {"grpo_losses", "llava_critic_r1/ppo_dual_clip", dual_clip, NULL},
    {"grpo_losses", "easyr1/kl_estimators", kl_estimators, NULL},
    {"grpo_losses", "easyr1/*", easyr1, NULL},
    {0},
};
/* clang-format on */
