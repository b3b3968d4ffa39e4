/* recipe_align.c - the sections 'dpo' and 'grpo' of a recipe. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

const char dpo_llava[] = "llava_";

static bool listed(const char *name, const char *const *names) {
    while (*names && strcmp(name, *names)) names++;
    return *names != NULL;
}

static lmm_status read_divergence(recipe *r, const tree *d) {
    static const char *const names[] = {"reverse_kl", "forward_kl", "js", "alpha", NULL}; /* in dpo_divergence's order */
    int index;
    lmm_status st = recipe_word(r, d, "divergence", names, &index);
    if (!st) r->dpo.divergence = (dpo_divergence)index;
    return st;
}

lmm_status recipe_dpo_read(recipe *r, const tree *t) {
    static const char *const known[] = {"loss", "beta",        "smoothing", "sft", "reference_free", "divergence", "alpha",
                                        "tau",  "tail_weight", "layout",    NULL};
    const tree *d = tree_get(t, "dpo");
    lmm_status st = recipe_keys(r, d, "dpo", known);
    if (st) return st;
    r->dpo.loss = mem_strdup(tree_str(d, "loss", "sigmoid"));
    r->dpo.reference_free = tree_bool(d, "reference_free", false);
    const char *layout = tree_str(d, "layout", "chat");
    r->dpo.llava_layout = !strcmp(layout, "llava_qwen");
    if (strcmp(layout, "chat") && !r->dpo.llava_layout)
        return recipe_bad(r, "layout", "must be chat (the model's template) or llava_qwen (LLaVA-NeXT's own)");
    const char *own = strncmp(r->dpo.loss, dpo_llava, strlen(dpo_llava)) ? NULL : r->dpo.loss + strlen(dpo_llava);
    if (own ? !llava_dpo_kind_known(own) : !dpo_kind_known(r->dpo.loss) || !strcmp(r->dpo.loss, "sft"))
        return recipe_bad(r, "loss",
                          "must be sigmoid, hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, aot_unpaired, apo_zero, "
                          "apo_down, "
                          "discopop or sigmoid_norm, or LLaVA-NeXT's llava_sigmoid, llava_hinge, llava_ipo or llava_kto_pair");
    st = recipe_number(r, d, "beta", 0.1, 1e-6, 100, &r->dpo.beta);
    if (!st) st = recipe_number(r, d, "smoothing", 0, 0, 0.499, &r->dpo.smoothing);
    if (!st) st = recipe_number(r, d, "alpha", 0.5, -100, 100, &r->dpo.alpha);
    if (!st) st = recipe_number(r, d, "tau", 0.05, 1e-6, 100, &r->dpo.tau);
    if (!st) st = recipe_number(r, d, "tail_weight", 1, 0, 1, &r->dpo.tail_weight);
    if (!st) st = recipe_number(r, d, "sft", 0, 0, 100, &r->dpo.sft);
    if (!st && own && r->dpo.sft > 0) st = recipe_bad(r, "sft", "goes with trl's losses only");
    return st ? st : read_divergence(r, d);
}

/* What open-r1-multimodal asks, and what it pays for (rl.md 2.1, 3.1). */
const char *const r1mm_prompt =
    "{question}  Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.";
static const char *const r1mm_rewards[] = {"accuracy_r1mm", "format_line"};

static void use_r1mm_rewards(recipe_grpo *g) {
    for (size_t i = 0; i < COUNT_OF(r1mm_rewards); i++)
        g->rewards[g->reward_count++] = (recipe_reward){.name = mem_strdup(r1mm_rewards[i]), .weight = 1};
}

/* rewards: [{name: accuracy, weight: 1}, ...] */
static lmm_status read_rewards(recipe *r, const tree *g) {
    static const char *const known[] = {"name", "weight", "command", "timeout", NULL};
    const tree *list = tree_get(g, "rewards");
    if (!list && !strcmp(tree_str(g, "compat", ""), "r1mm")) return use_r1mm_rewards(&r->grpo), LMM_OK;
    if (!list || list->type != TREE_LIST || !list->count || list->count > REWARD_MAX)
        return recipe_bad(r, "rewards", "must list 1 to 8 rewards: - {name: accuracy}");
    for (int i = 0; i < list->count; i++) {
        lmm_status st = recipe_keys(r, list->items[i], "rewards", known);
        recipe_reward *w = &r->grpo.rewards[r->grpo.reward_count++];
        w->name = mem_strdup(tree_str(list->items[i], "name", ""));
        w->command = tree_get(list->items[i], "command") ? mem_strdup(tree_str(list->items[i], "command", "")) : NULL;
        if (!st) st = reward_check(w->name, r->path);
        if (!st) st = recipe_number(r, list->items[i], "weight", 1, -1000, 1000, &w->weight);
        if (!st) st = recipe_number(r, list->items[i], "timeout", 30, 0.01, 86400, &w->timeout);
        if (!st && !w->command != !!strcmp(w->name, "command"))
            st = recipe_bad(r, "rewards",
                            "need a 'command' where the name is command, and nowhere else: - {name: command, command: ./score.py}");
        if (st) return st;
    }
    return LMM_OK;
}

/* What other trainers do differently. */
static lmm_status read_grpo_variants(recipe *r, const tree *g) {
    static const char *const estimators[] = {"group", "gdpo", "rloo", "passk", "reinforce", "remax", NULL};
    static const char *const kls[] = {"k1", "abs", "k2", "k3", NULL};
    recipe_grpo *o = &r->grpo;
    o->advantage = mem_strdup(tree_str(g, "advantage", "group"));
    o->kl = mem_strdup(tree_str(g, "kl", "k3"));
    o->reduce = tree_get(g, "reduce") ? mem_strdup(tree_str(g, "reduce", "")) : NULL;
    o->token_slope = tree_bool(g, "token_slope", false);
    o->bias_corrected_kl = tree_bool(g, "bias_corrected_kl", false);
    o->count_empty = tree_bool(g, "count_empty", true);
    if (!listed(o->advantage, estimators)) return recipe_bad(r, "advantage", "must be group, gdpo, rloo, passk, reinforce or remax");
    if (!listed(o->kl, kls)) return recipe_bad(r, "kl", "must be k1, abs, k2 or k3");
    if (o->reduce && !grpo_reduction_known(o->reduce))
        return recipe_bad(r, "reduce", "must be sequence, token, length, item or sequence_sum");
    o->off_policy = NAN;
    return tree_get(g, "off_policy") ? recipe_number(r, g, "off_policy", 0, -100, 100, &o->off_policy) : LMM_OK;
}

/* What follows a measurement. */
static lmm_status read_grpo_control(recipe *r, const tree *g) {
    recipe_grpo *o = &r->grpo;
    o->entropy_target = o->kl_target = NAN;
    lmm_status st = recipe_number(r, g, "entropy_bonus", 0, -10, 10, &o->entropy_bonus);
    if (!st && tree_get(g, "entropy_target")) st = recipe_number(r, g, "entropy_target", 0, 0, 100, &o->entropy_target);
    if (!st) st = recipe_number(r, g, "entropy_delta", 0.005, 0, 10, &o->entropy_delta);
    if (!st) st = recipe_number(r, g, "entropy_low", 0, -10, 10, &o->entropy_low);
    if (!st) st = recipe_number(r, g, "entropy_high", 1, -10, 10, &o->entropy_high);
    if (!st && tree_get(g, "kl_target")) st = recipe_number(r, g, "kl_target", 0, 1e-9, 1000, &o->kl_target);
    if (!st) st = recipe_number(r, g, "kl_horizon", 10000, 1, 1e12, &o->kl_horizon);
    if (!st) st = recipe_integer(r, g, "reference_sync", 0, 0, 1 << 30, &o->reference_sync);
    if (!st) st = recipe_number(r, g, "reference_mix", 0.6, 0, 1, &o->reference_mix);
    if (!st && o->reference_sync % o->updates)
        st = recipe_bad(r, "reference_sync", "must be a multiple of 'updates': a rollout has one reference");
    if (!st && !isnan(o->kl_target) && !(o->beta > 0)) st = recipe_bad(r, "kl_target", "needs a beta above 0 to start from");
    return st;
}

lmm_status recipe_grpo_read(recipe *r, const tree *t) {
    static const char *const known[] = {"loss",
                                        "scale",
                                        "prompt",
                                        "group",
                                        "updates",
                                        "max_tokens",
                                        "temperature",
                                        "beta",
                                        "clip_low",
                                        "clip_high",
                                        "delta",
                                        "top_entropy",
                                        "sequence_ratio",
                                        "mask_truncated",
                                        "rewards",
                                        "compat",
                                        "dual_clip",
                                        "reduce",
                                        "token_slope",
                                        "kl",
                                        "advantage",
                                        "off_policy",
                                        "bias_corrected_kl",
                                        "entropy_bonus",
                                        "entropy_target",
                                        "entropy_delta",
                                        "entropy_low",
                                        "entropy_high",
                                        "kl_target",
                                        "kl_horizon",
                                        "reference_sync",
                                        "reference_mix",
                                        "count_empty",
                                        NULL};
    const tree *g = tree_get(t, "grpo");
    const char *compat = tree_str(g, "compat", "none");
    r->grpo.prompt = mem_strdup(tree_str(g, "prompt", strcmp(compat, "r1mm") ? "{question}" : r1mm_prompt));
    if (!g) return LMM_OK;
    lmm_status st = recipe_keys(r, g, "grpo", known);
    if (st) return st;
    recipe_grpo *o = &r->grpo;
    o->loss = mem_strdup(tree_str(g, "loss", "dapo"));
    o->scale = mem_strdup(tree_str(g, "scale", "group"));
    if (strcmp(compat, "none") && strcmp(compat, "r1mm"))
        return recipe_bad(r, "compat", "must be r1mm (open-r1-multimodal's prompt and rewards) or none");
    o->sequence_ratio = tree_bool(g, "sequence_ratio", false);
    o->mask_truncated = tree_bool(g, "mask_truncated", false);
    if (!grpo_kind_known(o->loss))
        return recipe_bad(r, "loss", "must be grpo, bnpo, dr_grpo, dapo, cispo, cispo_band, sapo, luspo or vespo");
    st = read_grpo_variants(r, g);
    if (st) return st;
    if (strcmp(o->scale, "group") && strcmp(o->scale, "batch") && strcmp(o->scale, "none"))
        return recipe_bad(r, "scale", "must be group, batch or none");
    if (!strstr(o->prompt, "{question}")) return recipe_bad(r, "prompt", "must say where the {question} goes");
    st = recipe_integer(r, g, "group", 8, 2, 4096, &o->group);
    if (!st) st = recipe_integer(r, g, "updates", 1, 1, 64, &o->updates);
    if (!st) st = recipe_integer(r, g, "max_tokens", 256, 1, 1 << 20, &o->max_tokens);
    if (!st) st = recipe_number(r, g, "temperature", 1, 0.01, 10, &o->temperature);
    if (!st) st = recipe_number(r, g, "beta", 0, 0, 100, &o->beta);
    if (!st) st = recipe_number(r, g, "clip_low", 0.2, 0, 1, &o->clip_low);
    if (!st) st = recipe_number(r, g, "clip_high", strcmp(o->loss, "cispo") ? 0.2 : 5, 0, 100, &o->clip_high);
    if (!st) st = recipe_number(r, g, "delta", 0, 0, 1000, &o->delta);
    if (!st) st = recipe_number(r, g, "dual_clip", 0, 0, 1000, &o->dual_clip);
    if (!st) st = recipe_number(r, g, "top_entropy", 1, 1e-3, 1, &o->top_entropy);
    if (!st) st = read_grpo_control(r, g);
    return st ? st : read_rewards(r, g);
}
