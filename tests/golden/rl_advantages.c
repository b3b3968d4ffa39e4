/* rl_advantages.c - rewards to advantages, masks, rollout ratios, controllers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl.h"

/* A group with one reward has no deviation in the original (NAN) and 0 here. */
static bool near_deviations(const double *have, const tree *want, int rows) {
    double *values = mem_new((size_t)rows, sizeof *values);
    flatten(want, values);
    bool same = true;
    for (int i = 0; i < rows; i++) same = same && (isnan(values[i]) ? have[i] == 0 : near(have[i], values[i], 1e-4, 1e-5));
    free(values);
    return same;
}

static bool trl_advantages(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    const char *scale = tree_str(config, "scale_rewards", "group");
    int n;
    double *rewards = numbers(c, "rewards_per_func", &n), *weights = numbers(config, "reward_weights", NULL);
    int rows = tree_get(c, "rewards_per_func")->count, functions = n / rows;
    double *advantage = mem_new((size_t)rows * 3, sizeof *advantage), *total = advantage + rows, *deviation = advantage + 2 * rows;
    advantage_config k = {.group = (int)real(config, "num_generations"),
                          .weights = weights,
                          .scale = !strcmp(scale, "batch")  ? SCALE_BATCH
                                   : !strcmp(scale, "none") ? SCALE_NONE
                                                            : SCALE_GROUP,
                          .normalize_then_sum = !strcmp(tree_str(config, "multi_objective_aggregation", ""), "normalize_then_sum"),
                          .eps = 1e-4};
    grpo_advantages(advantage, total, deviation, rewards, rows, functions, &k);
    bool same = near_numbers(advantage, tree_get(expect, "advantages"), 1e-4, 1e-5) &&
                near_deviations(deviation, tree_get(expect, "std_rewards"), rows);
    free(advantage), free(weights), free(rewards);
    return same;
}

static bool open_r1_advantages(const tree *c) {
    const tree *expect = tree_get(c, "expect");
    const double ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    int n;
    double *rewards = numbers(c, "rewards_per_func", &n);
    int rows = tree_get(c, "rewards_per_func")->count;
    double *advantage = mem_new((size_t)rows * 3, sizeof *advantage), *total = advantage + rows, *deviation = advantage + 2 * rows;
    grpo_advantages(advantage, total, deviation, rewards, rows, n / rows,
                    &(advantage_config){(int)real(tree_get(c, "config"), "num_generations"), ones, SCALE_GROUP, false, 1e-4});
    bool same = near_numbers(advantage, tree_get(expect, "advantages"), 1e-4, 1e-5) &&
                near_numbers(total, tree_get(expect, "rewards"), 1e-5, 1e-6) &&
                near_numbers(deviation, tree_get(expect, "std"), 1e-4, 1e-5);
    free(advantage), free(rewards);
    return same;
}

typedef void (*group_fn)(double *advantage, const double *score, int n, double eps);

static void verl_grpo(double *advantage, const double *score, int n, double eps) {
    grpo_advantages(advantage, NULL, NULL, score, n, 1, &(advantage_config){n, (const double[]){1}, SCALE_GROUP, false, eps});
}
static void verl_rloo(double *advantage, const double *score, int n, double eps) {
    (void)eps;
    rloo_advantages(advantage, score, n);
}

/* A row's advantage in every masked place of the row; groups by name, members anywhere. */
static bool by_group(const tree *c, group_fn fn) {
    const tree *names = tree_get(c, "group_ids");
    int n;
    double *score = numbers(c, "scores", NULL), *mask = numbers(c, "response_mask", &n), eps = real(tree_get(c, "config"), "eps");
    int rows = names->count, width = n / rows;
    double *out = mem_new((size_t)n, sizeof *out), members[64], advantage[64];
    for (int i = 0; i < rows; i++) {
        int at[64], count = 0;
        for (int k = 0; k < rows; k++)
            if (!strcmp(names->items[k]->text, names->items[i]->text)) at[count] = k, members[count++] = score[k];
        fn(advantage, members, count, eps);
        for (int k = 0; k < count; k++)
            for (int t = 0; t < width; t++) out[at[k] * width + t] = advantage[k] * mask[at[k] * width + t];
    }
    bool same = near_numbers(out, tree_at(c, "expect.advantages"), 1e-4, 1e-5);
    free(out), free(mask), free(score);
    return same;
}

static bool easyr1_grpo(const tree *c) { return by_group(c, verl_grpo); }
static bool easyr1_passk(const tree *c) { return by_group(c, passk_advantages); }
static bool easyr1_rloo(const tree *c) { return by_group(c, verl_rloo); }

static bool reinforce(const tree *c) {
    int n;
    double *reward = numbers(c, "token_level_rewards", &n), *mask = numbers(c, "response_mask", NULL);
    int rows = tree_get(c, "response_mask")->count;
    double *advantage = mem_new((size_t)n * 2, sizeof *advantage), *returns = advantage + n;
    reinforce_advantages(advantage, returns, reward, mask, rows, n / rows, real(tree_get(c, "config"), "gamma"));
    bool same = near_numbers(advantage, tree_at(c, "expect.advantages"), 1e-4, 1e-5) &&
                near_numbers(returns, tree_at(c, "expect.returns"), 1e-4, 1e-5);
    free(advantage), free(mask), free(reward);
    return same;
}

static bool remax(const tree *c) {
    int n;
    double *reward = numbers(c, "token_level_rewards", &n), *baseline = numbers(c, "reward_baselines", NULL),
           *mask = numbers(c, "response_mask", NULL);
    const int rows = tree_get(c, "response_mask")->count, width = n / rows;
    double *score = mem_new((size_t)rows * 2, sizeof *score), *advantage = score + rows;
    for (int i = 0; i < n; i++) score[i / width] += reward[i];
    remax_advantages(advantage, score, baseline, rows);
    for (int i = 0; i < n; i++) reward[i] = advantage[i / width] * mask[i];
    bool same =
        near_numbers(reward, tree_at(c, "expect.advantages"), 1e-4, 1e-5) && near_numbers(reward, tree_at(c, "expect.returns"), 1e-4, 1e-5);
    free(score), free(mask), free(baseline), free(reward);
    return same;
}

/* ---- masks ---- */

static bool eos_mask(const tree *c) {
    const tree *config = tree_get(c, "config"), *ids = tree_get(c, "completion_ids");
    if (!ids) ids = tree_get(c, "response_ids");
    int n = flatten(ids, NULL), stops[8], count = 0, rows = ids->count;
    double *values = mem_new((size_t)n * 2, sizeof *values), *mask = values + n;
    int *whole = mem_new((size_t)n, sizeof *whole);
    const tree *list = tree_get(config, "eos_token_ids"), *want = tree_at(c, "expect.completion_mask");
    for (int i = 0; list && i < list->count && i < 8; i++) stops[count++] = (int)list->items[i]->i;
    if (!list) stops[count++] = (int)tree_int(config, "eos_token_id", -1);
    flatten(ids, values);
    for (int i = 0; i < n; i++) whole[i] = (int)values[i];
    completion_mask(mask, whole, rows, n / rows, stops, count);
    bool same = near_numbers(mask, want ? want : tree_at(c, "expect.response_mask"), 0, 0);
    free(whole), free(values);
    return same;
}

static bool rollout_is(const tree *c) {
    static const char *const names[] = {"token_truncate", "token_mask", "sequence_truncate", "sequence_mask"};
    const tree *config = tree_get(c, "config"), *low = tree_get(config, "clip_min"), *high = tree_get(config, "clip_max");
    int n, mode = 0;
    double *old = numbers(c, "old_per_token_logps", &n), *sampled = numbers(c, "sampling_per_token_logps", NULL),
           *mask = numbers(c, "mask", NULL);
    int rows = tree_get(c, "old_per_token_logps")->count;
    for (int i = 0; i < 4; i++)
        if (!strcmp(names[i], tree_str(config, "mode", ""))) mode = i;
    double *ratio = mem_new((size_t)n, sizeof *ratio);
    rollout_ratio(ratio, old, sampled, mask, rows, n / rows, (rollout_mode)mode, low && low->type != TREE_NULL ? low->real : NAN,
                  high && high->type != TREE_NULL ? high->real : INFINITY);
    bool same = near_numbers(ratio, tree_at(c, "expect.ratio"), 1e-5, 1e-7);
    free(ratio), free(mask), free(sampled), free(old);
    return same;
}

static bool high_entropy(const tree *c) {
    int n;
    double *entropy = numbers(c, "entropies", &n), *mask = numbers(c, "mask", NULL), *out = mem_new((size_t)n, sizeof *out);
    double threshold = high_entropy_mask(out, entropy, mask, n, real(tree_get(c, "config"), "quantile_threshold"));
    bool same = near(threshold, real(tree_get(c, "expect"), "threshold"), 1e-5, 1e-7) && near_numbers(out, tree_at(c, "expect.mask"), 0, 0);
    free(out), free(mask), free(entropy);
    return same;
}

/* Completions of their own lengths: who was cut off, what learns, with and without those. */
static bool truncation_trl(const tree *c) {
    const tree *lists = tree_get(c, "completion_ids_list"), *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    const int ends[] = {(int)tree_int(config, "eos_token_id", -1), (int)tree_int(config, "pad_token_id", -1)}, rows = lists->count;
    const tree *want[] = {tree_get(expect, "completion_mask"), tree_get(expect, "completion_mask_when_mask_truncated")};
    int width = 0, cut_count = 0, items[2] = {0};
    for (int i = 0; i < rows; i++) width = max_int(width, lists->items[i]->count);
    double *mask = mem_new((size_t)(rows * width) * 2 + (size_t)rows, sizeof *mask), *cut = mask + 2 * rows * width;
    for (int i = 0; i < rows; i++) {
        int ids[256], n = min_int(lists->items[i]->count, 256);
        for (int k = 0; k < n; k++) ids[k] = (int)lists->items[i]->items[k]->i;
        const bool truncated = completion_truncated(ids, n, ends, 2);
        cut[i] = truncated, cut_count += truncated;
        for (int drop = 0; drop < 2; drop++) {
            const int learns = completion_learns(n, truncated, drop);
            items[drop] += learns;
            for (int k = 0; k < learns; k++) mask[drop * rows * width + i * width + k] = 1;
        }
    }
    bool same = near_numbers(cut, tree_get(expect, "is_truncated"), 0, 0) && near_numbers(mask, want[0], 0, 0) &&
                near_numbers(mask + rows * width, want[1], 0, 0) && items[0] == (int)real(expect, "num_items") &&
                items[1] == (int)real(expect, "num_items_when_mask_truncated") &&
                near((double)cut_count / rows, real(expect, "clipped_ratio"), 1e-6, 0);
    free(mask);
    return same;
}

static bool repeat_sampler(const tree *c) {
    const tree *config = tree_get(c, "config"), *want = tree_at(c, "expect.indices");
    const rollout_plan plan = {tree_int(config, "batch_size", 1), (int)tree_int(config, "mini_repeat_count", 1),
                               (int)tree_int(config, "repeat_count", 1)};
    const int64_t all = tree_int(config, "num_samples", 0);
    bool same = rollout_total(&plan, all) == want->count;
    for (int i = 0; i < want->count && same; i++) same = rollout_prompt(&plan, i) == want->items[i]->i;
    return same; /* its "length" also counts what the last, incomplete chunk would give */
}

/* ---- controllers ---- */

static bool adaptive_entropy(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    entropy_controller k = {real(config, "init"),  real(config, "min"),    real(config, "max"),
                            real(config, "delta"), real(config, "target"), NAN};
    int n;
    double *entropy = numbers(c, "window_entropies", &n);
    bool same = true;
    for (int i = 0; i < n && same; i++) {
        same = near(entropy_controller_applied(&k), real(expect->items[i], "applied"), 1e-5, 1e-9);
        entropy_controller_update(&k, entropy[i]);
        same = same && near(k.value, real(expect->items[i], "coef_after"), 1e-5, 1e-9);
    }
    free(entropy);
    return same;
}

static bool adaptive_kl(const tree *c) {
    const tree *config = tree_get(c, "config"), *expect = tree_get(c, "expect");
    int n;
    double *kl = numbers(c, "kl", &n), value = real(config, "init");
    bool same = true;
    for (int i = 0; i < n && same; i++) {
        value = kl_controller(value, kl[i], real(config, "target"), real(config, "horizon"), real(config, "n_steps"));
        same = near(value, number(expect->items[i]), 1e-5, 1e-12);
    }
    free(kl);
    return same;
}

/* Every parameter of the reference, moved towards the policy's. */
static bool ref_sync(const tree *c) {
    const tree *policy = tree_get(c, "policy"), *before = tree_get(c, "ref_before");
    const int n = flatten(policy, NULL);
    double *values = mem_new((size_t)n * 2, sizeof *values);
    float *p = mem_new((size_t)n * 2, sizeof *p), *r = p + n;
    flatten(policy, values);
    flatten(before, values + n);
    for (int i = 0; i < 2 * n; i++) p[i] = (float)values[i];
    reference_mix(r, p, n, real(tree_get(c, "config"), "alpha"));
    for (int i = 0; i < n; i++) values[i] = (double)r[i];
    bool same = near_numbers(values, tree_at(c, "expect.ref_after"), 1e-5, 1e-7);
    free(p), free(values);
    return same;
}

/* clang-format off */
const rl_check rl_advantage_checks[] = {
    {"grpo_advantages", "trl/*", trl_advantages, NULL},
    {"grpo_advantages", "open_r1_multimodal", open_r1_advantages, NULL},
    {"grpo_advantages", "easyr1/grpo", easyr1_grpo, NULL},
    {"grpo_advantages", "easyr1/grpo_passk", easyr1_passk, NULL},
    {"grpo_advantages", "easyr1/rloo", easyr1_rloo, NULL},
    {"grpo_advantages", "easyr1/reinforce_plus_plus", reinforce, NULL},
    {"grpo_advantages", "easyr1_v030/remax", remax, NULL},
    {"grpo_masks", "eos_mask/*", eos_mask, NULL},
    {"grpo_masks", "truncation/trl", truncation_trl, NULL},
    {"grpo_masks", "repeat_sampler/no_shuffle", repeat_sampler, NULL},
    {"grpo_masks", "rollout_is_ratio/*", rollout_is, NULL},
    {"grpo_masks", "high_entropy_mask", high_entropy, NULL},
    {"controllers", "adaptive_entropy_transcription", adaptive_entropy, NULL},
    {"controllers", "ref_sync", ref_sync, NULL},
    {"controllers", "adaptive_kl/easyr1", adaptive_kl, NULL},
    {0},
};
/* clang-format on */
