/* grpo.c - learning from rewards of the model's own answers (arXiv 2402.03300): sample a group of completions for every prompt, score them, and raise what was better than
 * its group.
 *
 * A micro batch holds whole groups. Its prompts are answered by the one engine: a prompt and its pictures are prefilled once and the session forked; in training they are one
 * shared prefix of the group's segments. The forward pass of the first update is the same arithmetic that sampled, so its ratio is exactly 1; its log-probabilities are kept
 * as the old ones when a rollout serves several updates. Checkpoints are taken between rollouts, which are functions of weights, seed and number. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

typedef struct {
    id_list ids; /* with the end token when there was one */
    bool finished;
    double advantage;
    double reward[REWARD_MAX], total;
} completion;

typedef struct {
    lmm_model *start;   /* the reference, NULL without a KL term */
    completion *all;    /* of this rank: (micro batches of a step, batch) */
    double *old, *kept; /* log-probabilities of every token of them, in order: when sampled, and of the reference; NAN: not known yet */
    int *old_at;        /* where a completion's values begin */
    double item_count;  /* tokens that learn, over all ranks */
    double reward, deviation, zero_groups, length, cut; /* means over this rank's rollout */
    double each[REWARD_MAX];
    char names[REWARD_MAX][64];
    int64_t rollout; /* number of the one at hand, -1: none */
} grpo_state;

static lmm_status load(trainer *t) { return trainer_load(t, prompts_load, 1); }

static int own_micro(const trainer *t) { return t->r.accumulate / dist_count(t->world); }
static int own_count(const trainer *t) { return own_micro(t) * t->r.batch; }
static int prompts_a_micro(const trainer *t) { return t->r.batch / t->r.grpo.group; }

static lmm_status check(const trainer *t) {
    const recipe_grpo *g = &t->r.grpo;
    const recipe_augment *a = &t->r.augment;
    if (!g->loss) return LMM_FAIL(LMM_E_ARG, "%s: grpo needs a section 'grpo' with rewards", t->r.path);
    if (t->r.batch % g->group)
        return LMM_FAIL(LMM_E_ARG, "%s: 'batch' (%d completions a micro batch) must be a multiple of the group of %d", t->r.path,
                        t->r.batch, g->group);
    if (a->mirror || a->turn || a->roam || a->shift)
        return LMM_FAIL(LMM_E_ARG, "%s: 'augment' cannot be used with grpo: the answers were given to the pictures as they are", t->r.path);
    if (g->beta > 0 && !t->r.model_open) return LMM_FAIL(LMM_E_ARG, "%s: grpo.beta needs a model to stay near: model.open", t->r.path);
    return LMM_OK;
}

static lmm_status prepare(trainer *t, bool fresh) {
    static const char *const fixed[] =
        {"reward", "reward_std", "frac_reward_zero_std", "kl", "clip_ratio", "completions/mean_length", "completions/clipped_ratio"};
    (void)fresh;
    lmm_status st = check(t);
    if (st) return st;
    grpo_state *s = mem_new(1, sizeof *s);
    t->own = s;
    s->rollout = -1;
    s->all = mem_new((size_t)own_count(t), sizeof *s->all);
    s->old_at = mem_new((size_t)own_count(t) + 1, sizeof *s->old_at);
    int count = 0;
    for (; count < (int)COUNT_OF(fixed); count++) t->metric_names[count] = fixed[count];
    for (int i = 0; i < t->r.grpo.reward_count && count < METRIC_MAX; i++) {
        snprintf(s->names[i], sizeof s->names[i], "rewards/%s", t->r.grpo.rewards[i].name);
        t->metric_names[count++] = s->names[i];
    }
    lmm_model_products(t->model, LMM_PRODUCTS_EXACT); /* answers by the arithmetic that learns from them */
    return t->r.grpo.beta > 0 ? lmm_model_open(&s->start, t->runtime, t->r.model_open) : LMM_OK;
}

static bool whole(const trainer *t) { return t->step % t->r.grpo.updates == 0; }

/* ---- a rollout ---- */

/* Number of the prompt that group `group` of micro batch `micro` (of the step) answers. */
static int64_t prompt_place(const trainer *t, int64_t rollout, int micro, int group) {
    return (rollout * t->r.accumulate + micro) * prompts_a_micro(t) + group;
}

static lmm_status prompt_of(lmm_prompt **out, const trainer *t, const sample *s) {
    return prompt_build(out, t->model, s->text, strlen(s->text), &s->media, &s->video, prompt_adds_special(t->model, s->text));
}

/* G answers to one prompt: one prefill, G - 1 forks. */
static lmm_status answer(trainer *t, const sample *s, uint64_t seed, completion *out) {
    const recipe_grpo *g = &t->r.grpo;
    const int banned[] = {t->model->net->image_token};
    const lmm_gen_opts o = {.max_tokens = g->max_tokens,
                            .temperature = g->temperature,
                            .seed = seed,
                            .banned = banned,
                            .banned_count = banned[0] >= 0};
    lmm_prompt *p;
    lmm_status st = prompt_of(&p, t, s);
    if (st) return st;
    lmm_session **sessions = mem_new((size_t)g->group, sizeof *sessions);
    lmm_answer *answers = mem_new((size_t)g->group, sizeof *answers);
    st = lmm_session_open(&sessions[0], t->model, &(lmm_session_opts){.context = lmm_prompt_length(p) + g->max_tokens + 1});
    if (!st) st = lmm_session_sync(sessions[0], p, NULL);
    for (int i = 1; i < g->group && !st; i++) st = lmm_session_fork(&sessions[i], sessions[0]);
    if (!st) st = lmm_generate(sessions, g->group, &o, NULL, NULL, answers);
    for (int i = 0; i < g->group && !st; i++) {
        const completion_view view = {answers[i].text,     s->gold,       answers[i].ids,
                                      answers[i].id_count, g->max_tokens, answers[i].finish == LMM_FINISH_STOP};
        out[i].finished = view.finished;
        for (int k = 0; k < answers[i].id_count; k++) VEC_PUSH(&out[i].ids, answers[i].ids[k]);
        for (int k = 0; k < g->reward_count; k++) out[i].reward[k] = reward_value(g->rewards[k].name, &view);
    }
    lmm_answers_free(answers, g->group);
    for (int i = 0; i < g->group; i++) lmm_session_close(sessions[i]);
    free(answers);
    free(sessions);
    lmm_prompt_free(p);
    return st;
}

static void clear(const trainer *t, grpo_state *s) {
    for (int i = 0; i < own_count(t); i++) {
        free(s->all[i].ids.at);
        s->all[i] = (completion){0};
    }
    free(s->old);
    free(s->kept);
    s->old = s->kept = NULL;
}

/* From the group's rewards to advantages, and what the log wants to know. */
static void score(const trainer *t, grpo_state *s) {
    const recipe_grpo *g = &t->r.grpo;
    const int n = own_count(t);
    double *rewards = mem_new((size_t)(n * (g->reward_count + 3)), sizeof *rewards), weights[REWARD_MAX];
    double *advantage = rewards + n * g->reward_count, *total = advantage + n, *deviation = total + n;
    for (int k = 0; k < g->reward_count; k++) weights[k] = g->rewards[k].weight;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < g->reward_count; k++) rewards[i * g->reward_count + k] = s->all[i].reward[k];
    grpo_advantages(advantage, total, deviation, rewards, n, g->reward_count,
                    &(advantage_config){g->group, weights,
                                        !strcmp(g->scale, "none")    ? SCALE_NONE
                                        : !strcmp(g->scale, "batch") ? SCALE_BATCH
                                                                     : SCALE_GROUP,
                                        false, 1e-4});
    s->reward = s->deviation = s->zero_groups = s->length = s->cut = 0;
    memset(s->each, 0, sizeof s->each);
    for (int i = 0; i < n; i++) {
        s->all[i].advantage = advantage[i];
        s->all[i].total = total[i];
        s->reward += isnan(total[i]) ? 0 : total[i] / n;
        s->deviation += deviation[i] / n;
        s->zero_groups += (deviation[i] == 0) / (double)n;
        s->length += s->all[i].ids.count / (double)n;
        s->cut += !s->all[i].finished / (double)n;
        for (int k = 0; k < g->reward_count; k++) s->each[k] += isnan(s->all[i].reward[k]) ? 0 : s->all[i].reward[k] / n;
    }
    free(rewards);
}

/* Tokens that learn, over all ranks; and where each completion's old log-probabilities are kept. */
static lmm_status count_tokens(trainer *t, grpo_state *s) {
    double *counts = mem_new((size_t)dist_count(t->world), sizeof *counts), own = 0;
    for (int i = 0; i < own_count(t); i++) {
        s->old_at[i + 1] = s->old_at[i] + s->all[i].ids.count;
        own += t->r.grpo.mask_truncated && !s->all[i].finished ? 0 : s->all[i].ids.count;
    }
    s->old = mem_new((size_t)s->old_at[own_count(t)] + 1, sizeof *s->old);
    s->kept = mem_new((size_t)s->old_at[own_count(t)] + 1, sizeof *s->kept);
    for (int i = 0; i < s->old_at[own_count(t)]; i++) s->old[i] = s->kept[i] = NAN;
    counts[dist_rank(t->world)] = own;
    lmm_status st = dist_share(t->world, counts, sizeof *counts);
    s->item_count = 0;
    for (int r = 0; r < dist_count(t->world); r++) s->item_count += counts[r];
    free(counts);
    return st;
}

static lmm_status begin_step(trainer *t, order *o) {
    grpo_state *s = t->own;
    const int64_t rollout = t->step / t->r.grpo.updates;
    if (s->rollout == rollout) return LMM_OK;
    clear(t, s);
    lmm_status st = LMM_OK;
    for (int m = 0; m < own_micro(t) && !st; m++)
        for (int p = 0; p < prompts_a_micro(t) && !st; p++) {
            int64_t place = prompt_place(t, rollout, dist_rank(t->world) * own_micro(t) + m, p);
            const sample *prompt = &t->samples.list.at[order_at(o, t, place)];
            st = answer(t, prompt, hash_u64(&place, sizeof place, t->r.seed), &s->all[m * t->r.batch + p * t->r.grpo.group]);
        }
    st = dist_agree(t->world, st);
    if (st) return st;
    score(t, s);
    s->rollout = rollout;
    return count_tokens(t, s);
}

/* ---- batches ---- */

/* The prompt but for its last id as the prefix; that id and a completion as a segment for each. The last id predicts the completion's first. */
static lmm_status add_group(trainer *t, batch *b, const sample *prompt, const completion *group) {
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
    lmm_status st = batch_add(b, t->model, &s, NULL, rng_make(0, 0));
    free(s.ids.at);
    free(s.labels.at);
    free(s.segs.at);
    return st;
}

/* The reference's log-probabilities, once a rollout. Here, since no other pass is under way yet. */
static lmm_status ask_reference(trainer *t, batch *b, int local) {
    grpo_state *s = t->own;
    double *kept = &s->kept[s->old_at[local * t->r.batch]];
    if (!s->start || !b->label_count || !isnan(*kept)) return LMM_OK;
    float *logprob = mem_new((size_t)b->rows, sizeof *logprob);
    lmm_status st = trainer_logprobs(t, s->start->net, b, logprob);
    for (int i = 0; i < b->rows && !st; i++)
        if (b->label.at[i] >= 0) *kept++ = (double)logprob[i];
    free(logprob);
    return st;
}

static lmm_status make_batch(trainer *t, order *o, int64_t micro, batch *b) {
    const grpo_state *s = t->own;
    const int number = (int)(micro % t->r.accumulate), local = number - dist_rank(t->world) * own_micro(t);
    lmm_status st = LMM_OK;
    for (int p = 0; p < prompts_a_micro(t) && !st; p++) {
        const sample *prompt = &t->samples.list.at[order_at(o, t, prompt_place(t, s->rollout, number, p))];
        st = add_group(t, b, prompt, &s->all[local * t->r.batch + p * t->r.grpo.group]);
    }
    VEC_PUSH(&b->items, local);
    return st ? st : ask_reference(t, b, local);
}

/* ---- the loss ---- */

/* Labelled rows come in the order of the completions. */
static void fill_grid(const trainer *t, token_grid *g, const batch *b, const float *logprob) {
    grpo_state *s = t->own;
    const completion *all = &s->all[b->items.at[0] * g->rows];
    int row = 0;
    for (int i = 0; i < g->rows; i++)
        for (int k = 0; k < all[i].ids.count; row++) {
            if (b->label.at[row] < 0) continue;
            int at = i * g->width + k;
            int kept = s->old_at[b->items.at[0] * g->rows + i] + k;
            if (isnan(s->old[kept])) s->old[kept] = (double)logprob[row];
            g->now[at] = (double)logprob[row];
            g->old[at] = s->old[kept];
            g->start[at] = s->start ? s->kept[kept] : 0;
            g->mask[at] = !t->r.grpo.mask_truncated || all[i].finished;
            g->row[at] = row;
            k++;
        }
}

static int longest_answer(const trainer *t, const batch *b) {
    const grpo_state *s = t->own;
    int most = 0;
    for (int i = 0; i < t->r.batch; i++) most = max_int(most, s->all[b->items.at[0] * t->r.batch + i].ids.count);
    return most;
}

static grpo_config config_of(const trainer *t) {
    const recipe_grpo *g = &t->r.grpo;
    grpo_config c = grpo_defaults(g->loss);
    c.beta = g->beta, c.clip_low = g->clip_low, c.clip_high = g->clip_high, c.sequence_ratio = g->sequence_ratio;
    c.max_length = g->max_tokens, c.accumulate = t->r.accumulate;
    return c;
}

static lmm_status learn(trainer *t, batch *b, const float *logprob, micro_result *out) {
    const grpo_state *s = t->own;
    token_grid g;
    token_grid_open(&g, t->r.batch, longest_answer(t, b));
    fill_grid(t, &g, b, logprob);
    double *advantage = mem_new((size_t)g.rows, sizeof *advantage);
    for (int i = 0; i < g.rows; i++) advantage[i] = s->all[b->items.at[0] * g.rows + i].advantage;
    grpo_config c = config_of(t);
    grpo_result r = {0};
    lmm_status st = grpo_loss(&r, g.grad, NULL, &c,
                              &(grpo_batch){.rows = g.rows,
                                            .width = g.width,
                                            .logp = g.now,
                                            .old = g.old,
                                            .reference = g.start,
                                            .mask = g.mask,
                                            .advantage = advantage,
                                            .item_count = s->item_count});
    if (!st) token_grid_weigh(&g, b, 1);
    *out = (micro_result){r.loss, {s->reward, s->deviation, s->zero_groups, r.kl, r.clip_region, s->length, s->cut}};
    for (int k = 0; k < t->r.grpo.reward_count && 7 + k < METRIC_MAX; k++) out->metric[7 + k] = s->each[k];
    free(advantage);
    token_grid_close(&g);
    return st;
}

static void close_state(trainer *t) {
    grpo_state *s = t->own;
    if (!s) return;
    clear(t, s);
    lmm_model_close(s->start);
    free(s->old_at);
    free(s->all);
    free(s);
}

const algorithm algorithm_grpo = {.name = "grpo",
                                  .load = load,
                                  .prepare = prepare,
                                  .begin_step = begin_step,
                                  .whole = whole,
                                  .make_batch = make_batch,
                                  .learn = learn,
                                  .close = close_state};
