/* grpo.c - learning from rewards of the model's own answers (arXiv 2402.03300): raise what was better than the other answers to the same prompt.
 *
 * The update looks at the very distribution the answers were drawn from: logits at the sampler's temperature, without the ids it may not draw, by the same arithmetic. So the ratio
 * of the first update after a rollout is exactly 1, whatever the temperature, and the old log-probabilities are the sampler's own numbers. A micro batch holds whole groups;
 * a prompt is one shared prefix of its group's segments. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

typedef struct {
    lmm_model *start; /* the reference, NULL without a KL term */
    rollout rollout;
    grpo_control control;
    char names[REWARD_MAX][64];
} grpo_state;

static lmm_status load(trainer *t) { return trainer_load(t, prompts_load, 1); }

static int prompts_a_micro(const trainer *t) { return t->r.batch / t->r.grpo.group; }

/* The number of a micro batch of the run among those of this rank's step. */
static int local_of(const trainer *t, int64_t micro) { return (int)(micro % (t->r.accumulate / dist_count(t->world))); }

static lmm_status check(const trainer *t) {
    const recipe_grpo *g = &t->r.grpo;
    if (!g->loss) return LMM_FAIL(LMM_E_ARG, "%s: grpo needs a section 'grpo' with rewards", t->r.path);
    if (t->r.batch % g->group)
        return LMM_FAIL(LMM_E_ARG, "%s: 'batch' (%d completions a micro batch) must be a multiple of the group of %d", t->r.path,
                        t->r.batch, g->group);
    if (augment_used(&t->r))
        return LMM_FAIL(LMM_E_ARG, "%s: 'augment' cannot be used with grpo: the answers were given to the pictures as they are", t->r.path);
    for (int i = 0; i < t->r.data.count; i++)
        if (t->r.data.at[i].one_tile)
            return LMM_FAIL(LMM_E_ARG, "%s: 'one_tile' cannot be used with grpo: rollouts see pictures as a chat does", t->r.path);
    if (g->beta > 0 && !t->r.model_open) return LMM_FAIL(LMM_E_ARG, "%s: grpo.beta needs a model to stay near: model.open", t->r.path);
    return LMM_OK;
}

static const char *const fixed_metrics[] = {"reward",
                                            "reward_std",
                                            "frac_reward_zero_std",
                                            "kl",
                                            "entropy",
                                            "clip_ratio/low_mean",
                                            "clip_ratio/high_mean",
                                            "clip_ratio/region_mean",
                                            "clip_ratio/dual_mean",
                                            "approximate_kl",
                                            "rewards/unscored",
                                            "completions/mean_length",
                                            "completions/clipped_ratio",
                                            "sampling/sampling_logp_difference/max",
                                            "coefficient/kl",
                                            "coefficient/entropy",
                                            "tokens/prefill",
                                            "tokens/sampled",
                                            "rollout/seconds"};
enum { FIXED = COUNT_OF(fixed_metrics), METRIC_KL = 3, METRIC_ENTROPY = 4 };

static lmm_status prepare(trainer *t, bool fresh) {
    (void)fresh;
    lmm_status st = check(t);
    if (st) return st;
    grpo_state *s = mem_new(1, sizeof *s);
    t->own = s;
    rollout_open(&s->rollout, t);
    t->view = (xent_opts){.temperature = t->r.grpo.temperature, .banned = s->rollout.banned.at, .banned_count = s->rollout.banned.count};
    t->wants_entropy = true;
    for (int i = 0; i < FIXED; i++) t->metric_names[i] = fixed_metrics[i];
    for (int i = 0; i < t->r.grpo.reward_count; i++) {
        snprintf(s->names[i], sizeof s->names[i], "rewards/%s", t->r.grpo.rewards[i].name);
        t->metric_names[FIXED + i] = s->names[i];
    }
    lmm_model_products(t->model, LMM_PRODUCTS_EXACT); /* answers by the arithmetic that learns from them */
    if (t->r.grpo.beta > 0) st = lmm_model_open(&s->start, t->runtime, t->r.model_open);
    return st ? st : grpo_control_open(&s->control, t, s->start);
}

static lmm_status begin_step(trainer *t, order *o) {
    grpo_state *s = t->own;
    return rollout_make(&s->rollout, t, o, t->step / t->r.grpo.updates);
}

static lmm_status save(const trainer *t, const char *dir) {
    const grpo_state *s = t->own;
    lmm_status st = grpo_control_save(&s->control, t, dir);
    return st ? st : rollout_save(&s->rollout, t, dir);
}

static lmm_status restore(trainer *t, const char *dir) {
    grpo_state *s = t->own;
    lmm_status st = grpo_control_restore(&s->control, t, dir);
    return st ? st : rollout_restore(&s->rollout, t, dir);
}

/* ---- batches ---- */

/* The prompt but for its last id as the prefix; that id and a completion as a segment for each. The last id predicts the completion's first. */
static lmm_status add_group(trainer *t, batch *b, int item, const completion *group) {
    sample own, *prompt = &own;
    lmm_status st = sample_at(&t->samples, item, prompt);
    if (st) return st;
    sample s = {.media = {prompt->media.at, prompt->media.count, 0}, .video = prompt->video, .prefix = prompt->ids.count - 1};
    for (int i = 0; i < s.prefix; i++) {
        VEC_PUSH(&s.ids, prompt->ids.at[i]);
        VEC_PUSH(&s.labels, -1);
    }
    for (int i = 0; i < t->r.grpo.group; i++) {
        sample_seg seg = {s.ids.count, group[i].ids.count + 1};
        VEC_PUSH(&s.ids, prompt->ids.at[s.prefix]);
        VEC_PUSH(&s.labels, -1);
        for (int k = 0; k < group[i].ids.count; k++) {
            VEC_PUSH(&s.ids, group[i].ids.at[k]);
            VEC_PUSH(&s.labels, group[i].ids.at[k]);
        }
        VEC_PUSH(&s.segs, seg);
    }
    st = batch_add(b, t->model, &s, rng_make(0, 0));
    s.media = (media_list){0}; /* the prompt's */
    sample_free(&s);
    sample_free(prompt);
    return st;
}

/* The reference's log-probabilities, once a rollout. Here, since no other pass is under way yet. */
static lmm_status ask_reference(trainer *t, batch *b, completion *all) {
    const grpo_state *s = t->own;
    int row = 0, first = 0;
    while (first < t->r.batch && !all[first].ids.count) first++;
    if (!s->start || first == t->r.batch || all[first].reference) return LMM_OK;
    float *logprob = mem_new((size_t)b->rows, sizeof *logprob);
    lmm_status st = trainer_logprobs(t, s->start->net, b, logprob);
    for (int i = 0; i < t->r.batch && !st; i++) {
        all[i].reference = mem_new((size_t)all[i].ids.count + 1, sizeof(float));
        for (int k = 0; k < all[i].ids.count; row++)
            if (b->label.at[row] >= 0) all[i].reference[k++] = logprob[row];
    }
    free(logprob);
    return st;
}

static lmm_status make_batch(trainer *t, order *o, int64_t micro, batch *b) {
    grpo_state *s = t->own;
    const int local = local_of(t, micro), group = t->r.grpo.group;
    lmm_status st = LMM_OK;
    for (int p = 0; p < prompts_a_micro(t) && !st; p++) {
        int number = local * prompts_a_micro(t) + p, item = order_at(o, t, rollout_place(t, s->rollout.number, number));
        if (!t->broken[item]) st = add_group(t, b, item, &s->rollout.all[number * group]);
    }
    VEC_PUSH(&b->items, local);
    return st ? st : ask_reference(t, b, &s->rollout.all[local * t->r.batch]);
}

/* Every completion as long as it may get. */
static lmm_status imagine(trainer *t, order *o, int64_t micro, batch *b) {
    lmm_status st = check(t);
    completion *group = mem_new((size_t)t->r.grpo.group, sizeof *group);
    for (int i = 0; i < t->r.grpo.group; i++)
        for (int k = 0; k < t->r.grpo.max_tokens; k++) VEC_PUSH(&group[i].ids, 0);
    for (int p = 0; p < prompts_a_micro(t) && !st; p++) st = add_group(t, b, order_at(o, t, micro * prompts_a_micro(t) + p), group);
    for (int i = 0; i < t->r.grpo.group; i++) free(group[i].ids.at);
    free(group);
    return st;
}

/* ---- the loss ---- */

/* Labelled rows come in the order of the completions. Gives the largest difference between what was sampled and what is computed now. */
static double fill_grid(const trainer *t, token_grid *g, double *entropy, const completion *all, const batch *b, const float *logprob) {
    double most = 0;
    int row = 0;
    for (int i = 0; i < g->rows; i++)
        for (int k = 0; k < all[i].ids.count; row++) {
            if (b->label.at[row] < 0) continue;
            int at = i * g->width + k;
            g->now[at] = (double)logprob[row];
            g->old[at] = (double)all[i].logp.at[k];
            g->start[at] = all[i].reference ? (double)all[i].reference[k] : 0;
            g->mask[at] = k < completion_learns(all[i].ids.count, !all[i].finished, t->r.grpo.mask_truncated);
            g->row[at] = row;
            entropy[at] = (double)t->entropy[row];
            most = fmax(most, fabs(g->now[at] - g->old[at]));
            k++;
        }
    return most;
}

static int longest_answer(const trainer *t, const completion *all) {
    int most = 0;
    for (int i = 0; i < t->r.batch; i++) most = max_int(most, all[i].ids.count);
    return most;
}

static grpo_config config_of(const trainer *t) {
    const recipe_grpo *g = &t->r.grpo;
    const grpo_control *now = &((const grpo_state *)t->own)->control;
    grpo_config c = grpo_defaults(g->loss);
    c.beta = now->beta, c.entropy_bonus = grpo_entropy_bonus(now, g), c.clip_low = g->clip_low, c.clip_high = g->clip_high,
    c.sequence_ratio = g->sequence_ratio;
    c.max_length = g->max_tokens, c.accumulate = t->r.accumulate, c.top_entropy = g->top_entropy, c.delta = g->delta,
    c.dual_clip = g->dual_clip, c.token_slope = g->token_slope, c.bias_corrected_kl = g->bias_corrected_kl, c.kl = g->kl;
    c.off_policy_threshold = g->off_policy, c.reduce = g->reduce;
    return c;
}

static micro_result report(const trainer *t, const grpo_result *r, double difference) {
    const grpo_state *s = t->own;
    const rollout_means *m = &s->rollout.mean;
    micro_result out = {r->loss,
                        {m->reward, m->deviation, m->zero_groups, r->kl, r->entropy, r->clip_low, r->clip_high, r->clip_region, r->held,
                         r->approximate_kl, m->unscored, m->length, m->cut, difference, s->control.beta,
                         grpo_entropy_bonus(&s->control, &t->r.grpo), m->prefill_rows, m->step_rows, m->seconds}};
    for (int k = 0; k < t->r.grpo.reward_count; k++) out.metric[FIXED + k] = m->each[k];
    return out;
}

static lmm_status learn(trainer *t, batch *b, const float *logprob, micro_result *out) {
    const grpo_state *s = t->own;
    const completion *all = &s->rollout.all[b->items.at[0] * t->r.batch];
    token_grid g;
    token_grid_open(&g, t->r.batch, longest_answer(t, all));
    double *advantage = mem_new((size_t)g.rows, sizeof *advantage), *entropy = mem_new((size_t)(g.rows * g.width) * 2 + 1, sizeof *entropy),
           *slope = entropy + g.rows * g.width;
    double difference = fill_grid(t, &g, entropy, all, b, logprob);
    for (int i = 0; i < g.rows; i++) advantage[i] = all[i].advantage;
    grpo_config c = config_of(t);
    grpo_result r = {0};
    lmm_status st = grpo_loss(&r, g.grad, slope, &c,
                              &(grpo_batch){.rows = g.rows,
                                            .width = g.width,
                                            .logp = g.now,
                                            .old = g.old,
                                            .reference = s->start ? g.start : NULL,
                                            .entropy = entropy,
                                            .mask = g.mask,
                                            .advantage = advantage,
                                            .item_count = s->rollout.item_count,
                                            .row_count = t->r.grpo.count_empty ? 0 : s->rollout.row_count / t->r.accumulate});
    if (!st) token_grid_weigh(&g, b, 1);
    if (!st) token_grid_spread(&g, slope, t->entropy_slope);
    *out = report(t, &r, difference);
    free(entropy);
    free(advantage);
    token_grid_close(&g);
    return st;
}

static lmm_status end_step(trainer *t, const double *metric) {
    grpo_state *s = t->own;
    grpo_control_update(&s->control, t, metric[METRIC_ENTROPY], metric[METRIC_KL]);
    return LMM_OK;
}

static void close_state(trainer *t) {
    grpo_state *s = t->own;
    if (!s) return;
    rollout_close(&s->rollout, t);
    lmm_model_close(s->start);
    free(s);
}

const algorithm algorithm_grpo = {.name = "grpo",
                                  .load = load,
                                  .prepare = prepare,
                                  .begin_step = begin_step,
                                  .make_batch = make_batch,
                                  .imagine = imagine,
                                  .save = save,
                                  .restore = restore,
                                  .learn = learn,
                                  .end_step = end_step,
                                  .close = close_state};
