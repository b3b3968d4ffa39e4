/* rollout.c - the answers a GRPO step learns from: sampled by the one engine, scored, and kept in checkpoints.
 *
 * A group answers one prompt: the prompt and its pictures are prefilled once and the session forked. Several groups are decoded together. A group depends on weights, seed and its
 * place in the run alone, so one that was not finished is answered again, and whoever shares the work changes nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

int rollout_groups(const trainer *t) { return t->r.accumulate / dist_count(t->world) * t->r.batch / t->r.grpo.group; }

/* Groups of all ranks. */
static int64_t rollout_size(const trainer *t) { return (int64_t)rollout_groups(t) * dist_count(t->world); }

int64_t rollout_place(const trainer *t, int64_t number, int group) {
    const rollout_plan plan = {rollout_size(t), t->r.grpo.group, t->r.grpo.updates};
    const int64_t of_all = (int64_t)dist_rank(t->world) * rollout_groups(t) + group;
    return rollout_prompt(&plan, (number * plan.prompts * plan.updates + of_all) * plan.group);
}

void rollout_open(rollout *o, const trainer *t) {
    *o = (rollout){.number = -1, .group_count = rollout_groups(t)};
    o->answered = mem_new((size_t)o->group_count, sizeof *o->answered);
    o->all = mem_new((size_t)(o->group_count * t->r.grpo.group), sizeof *o->all);
    o->baseline = mem_new((size_t)o->group_count, sizeof *o->baseline);
    banned_ids(&o->banned, t->model);
}

static void completion_clear(completion *c) {
    free(c->ids.at);
    free(c->logp.at);
    free(c->reference);
    *c = (completion){0};
}

static void rollout_clear(rollout *o, const trainer *t, int64_t number) {
    for (int i = 0; i < o->group_count * t->r.grpo.group; i++) completion_clear(&o->all[i]);
    memset(o->answered, 0, (size_t)o->group_count * sizeof *o->answered);
    o->number = number;
    o->scored = false;
    o->prefill_rows = o->step_rows = 0;
    o->seconds = 0;
}

void rollout_close(rollout *o, const trainer *t) {
    rollout_clear(o, t, -1);
    free(o->all);
    free(o->baseline);
    free(o->answered);
    free(o->banned.at);
}

/* ---- answering ---- */

/* The group's sessions: the first has read the prompt, the others are its forks. */
static lmm_status open_group(lmm_session **sessions, trainer *t, const sample *s) {
    const recipe_grpo *g = &t->r.grpo;
    lmm_status st = prompt_session(&sessions[0], t->model, s, g->max_tokens);
    for (int i = 1; i < g->group && !st; i++) st = lmm_session_fork(&sessions[i], sessions[0]);
    return st;
}

/* Of n answers to one prompt: what was said, and what it is worth. */
static lmm_status take_answers(trainer *t, const sample *s, const lmm_answer *answers, completion *out, int n) {
    const recipe_grpo *g = &t->r.grpo;
    completion_view *views = mem_new((size_t)n, sizeof *views);
    lmm_status st = LMM_OK;
    for (int i = 0; i < n; i++) {
        const lmm_answer *a = &answers[i];
        if (a->finish == LMM_FINISH_CANCELLED) st = LMM_FAIL(LMM_E_CANCELLED, "stopped in the middle of a rollout");
        out[i].finished = a->finish == LMM_FINISH_STOP;
        for (int k = 0; k < a->id_count; k++) {
            VEC_PUSH(&out[i].ids, a->ids[k]);
            VEC_PUSH(&out[i].logp, a->logprobs[k]);
        }
        views[i] = (completion_view){s->question, a->text, s->gold, a->ids, a->id_count, g->max_tokens, out[i].finished};
    }
    double *values = mem_new((size_t)n, sizeof *values);
    for (int k = 0; k < g->reward_count && !st; k++) {
        st = reward_group(values, &g->rewards[k], views, n);
        for (int i = 0; i < n; i++) out[i].reward[k] = values[i];
    }
    free(values);
    free(views);
    return st;
}

static double weighted_reward(const recipe_grpo *g, const completion *c) {
    double sum = NAN;
    for (int k = 0; k < g->reward_count; k++)
        if (!isnan(c->reward[k])) sum = (isnan(sum) ? 0 : sum) + g->rewards[k].weight * c->reward[k];
    return sum;
}

/* What the model's most likely answer is worth; a fork of the group's first session gives it. */
static lmm_status greedy_baseline(trainer *t, rollout *o, lmm_session *first, const sample *s, double *out) {
    const lmm_gen_opts opts = {.max_tokens = t->r.grpo.max_tokens,
                               .banned = o->banned.at,
                               .banned_count = o->banned.count,
                               .logprobs = true};
    lmm_session *fork = NULL;
    lmm_answer answer = {0};
    completion c = {0};
    lmm_status st = lmm_session_fork(&fork, first);
    if (!st) st = lmm_generate(&fork, 1, &opts, NULL, NULL, &answer);
    if (!st) st = take_answers(t, s, &answer, &c, 1);
    if (!st) *out = weighted_reward(&t->r.grpo, &c), o->step_rows += fork->step_rows;
    completion_clear(&c);
    lmm_answers_free(&answer, 1);
    lmm_session_close(fork);
    return st;
}

/* Groups on their way to answers. Many sequences a pass are what makes decoding fast; what an answer is does not depend on it. */
enum { TOGETHER_MAX = 64 };
static const double cache_bytes_max = 1 << 30;
typedef struct {
    int groups[TOGETHER_MAX], count; /* numbers within the rank's rollout */
    lmm_session **sessions;          /* (count, group) */
    double cache_bytes;
} answering;

/* A prompt that cannot be read leaves its group without answers, this time and later. */
static lmm_status leave_out(trainer *t, rollout *o, int group, int item, lmm_status why) {
    completion *out = &o->all[group * t->r.grpo.group];
    for (int i = 0; i < t->r.grpo.group; i++) {
        completion_clear(&out[i]);
        for (int k = 0; k < t->r.grpo.reward_count; k++) out[i].reward[k] = NAN;
    }
    lmm_status st = why;
    if (st && st != LMM_E_CANCELLED) {
        t->broken[item] = true;
        st = sample_broken(&t->samples, &t->r, LMM_CONTEXT(st, "prompt %d", item + 1));
    }
    o->answered[group] = !st;
    return st;
}

static int item_of(const trainer *t, const rollout *o, order *turn, int group) {
    return order_at(turn, t, rollout_place(t, o->number, group));
}

static lmm_status add_prompt(answering *a, trainer *t, rollout *o, order *turn, int group) {
    const int item = item_of(t, o, turn, group), size = t->r.grpo.group;
    if (t->broken[item]) return leave_out(t, o, group, item, LMM_OK);
    lmm_session **own = &a->sessions[a->count * size];
    sample s;
    lmm_status st = sample_at(&t->samples, item, &s);
    if (st) return st;
    st = open_group(own, t, &s);
    if (!st && !strcmp(t->r.grpo.advantage, "remax")) st = greedy_baseline(t, o, own[0], &s, &o->baseline[group]);
    sample_free(&s);
    if (st) {
        for (int i = 0; i < size; i++) lmm_session_close(own[i]), own[i] = NULL;
        return leave_out(t, o, group, item, st);
    }
    lmm_model_info info;
    lmm_model_describe(t->model, &info);
    const int prompt = lmm_session_length(own[0]); /* kept once for all of the group */
    a->cache_bytes += (prompt + (double)size * (own[0]->context - prompt)) * (double)info.kv_bytes_per_token;
    a->groups[a->count++] = group;
    return LMM_OK;
}

/* What is drawn for an answer depends on the seed, the group's place in the run, and the answer's number in the group. */
static lmm_status draw(lmm_answer *answers, const answering *a, const trainer *t, const rollout *o) {
    const recipe_grpo *g = &t->r.grpo;
    uint64_t *streams = mem_new((size_t)(a->count * g->group), sizeof *streams);
    for (int i = 0; i < a->count * g->group; i++) {
        int64_t place = rollout_place(t, o->number, a->groups[i / g->group]);
        streams[i] = hash_u64(&place, sizeof place, (uint64_t)(i % g->group));
    }
    const lmm_gen_opts opts = {.max_tokens = g->max_tokens,
                               .temperature = g->temperature,
                               .seed = t->r.seed,
                               .streams = streams,
                               .banned = o->banned.at,
                               .banned_count = o->banned.count,
                               .logprobs = true};
    lmm_status st = lmm_generate(a->sessions, a->count * g->group, &opts, NULL, NULL, answers);
    free(streams);
    return st;
}

static lmm_status take_group(const answering *a, int k, trainer *t, rollout *o, order *turn, const lmm_answer *answers) {
    const int size = t->r.grpo.group, group = a->groups[k], item = item_of(t, o, turn, group);
    sample s;
    lmm_status st = sample_at(&t->samples, item, &s);
    if (st) return st;
    st = take_answers(t, &s, answers, &o->all[group * size], size);
    sample_free(&s);
    if (st) return leave_out(t, o, group, item, st);
    for (int i = k * size; i < (k + 1) * size; i++) {
        o->prefill_rows += a->sessions[i]->prefill_rows;
        o->step_rows += a->sessions[i]->step_rows;
    }
    o->answered[group] = true;
    return LMM_OK;
}

/* From group `*next` on as many as go together: one prefill a prompt, a fork for each further answer, and all are decoded at once. */
static lmm_status answer_some(trainer *t, rollout *o, order *turn, int *next) {
    const int size = t->r.grpo.group, room = max_int(TOGETHER_MAX / size, 1);
    answering a = {.sessions = mem_new((size_t)(room * size), sizeof *a.sessions)};
    lmm_answer *answers = mem_new((size_t)(room * size), sizeof *answers);
    lmm_status st = LMM_OK;
    for (; *next < o->group_count && a.count < room && a.cache_bytes < cache_bytes_max && !st; (*next)++)
        if (!o->answered[*next]) st = add_prompt(&a, t, o, turn, *next);
    if (!st) st = draw(answers, &a, t, o);
    for (int k = 0; k < a.count && !st; k++) st = take_group(&a, k, t, o, turn, &answers[k * size]);
    lmm_answers_free(answers, a.count * size);
    for (int i = 0; i < a.count * size; i++) lmm_session_close(a.sessions[i]);
    free(a.sessions);
    free(answers);
    return st;
}

/* ---- scoring ---- */

static reward_scale scale_of(const recipe_grpo *g) {
    return !strcmp(g->scale, "none") ? SCALE_NONE : !strcmp(g->scale, "batch") ? SCALE_BATCH : SCALE_GROUP;
}

/* What a rank tells the others of one completion. */
typedef struct {
    double reward[REWARD_MAX], length, finished, learns, baseline;
    double prefill_rows, step_rows; /* in the first of a rank's: of all its sessions */
} told;

static lmm_status tell(trainer *t, const rollout *o, told *all, int own) {
    const recipe_grpo *g = &t->r.grpo;
    told *mine = all + own * dist_rank(t->world);
    for (int i = 0; i < own; i++) {
        const completion *c = &o->all[i];
        memcpy(mine[i].reward, c->reward, sizeof c->reward);
        mine[i].length = c->ids.count;
        mine[i].finished = c->finished;
        mine[i].baseline = o->baseline[i / g->group];
        mine[i].learns = completion_learns(c->ids.count, !c->finished, g->mask_truncated);
    }
    mine[0].prefill_rows = (double)o->prefill_rows;
    mine[0].step_rows = (double)o->step_rows;
    return dist_share(t->world, all, (size_t)own * sizeof *all);
}

static void average(rollout *o, const recipe_grpo *g, const told *all, const double *total, const double *deviation, int n) {
    double *length = mem_new((size_t)n, sizeof *length);
    for (int i = 0; i < n; i++) length[i] = all[i].length;
    const reward_means m = reward_means_of(total, deviation, length, n);
    free(length);
    o->mean = (rollout_means){.seconds = o->seconds,
                              .reward = m.reward,
                              .deviation = m.deviation,
                              .zero_groups = m.zero_groups,
                              .length = m.length};
    o->item_count = o->row_count = 0;
    for (int i = 0; i < n; i++) {
        o->mean.cut += !(all[i].finished > 0) / (double)n;
        o->mean.unscored += isnan(total[i]) / (double)n;
        for (int k = 0; k < g->reward_count; k++) o->mean.each[k] += isnan(all[i].reward[k]) ? 0 : all[i].reward[k] / n;
        o->item_count += all[i].learns;
        o->row_count += all[i].learns > 0;
        o->mean.prefill_rows += all[i].prefill_rows;
        o->mean.step_rows += all[i].step_rows;
    }
}

/* Every token of a completion has its whole reward as its return: REINFORCE++ without a discount, whitened over all tokens of the rollout. */
static void whitened_returns(double *advantage, const double *total, const told *all, int n) {
    int width = 1;
    for (int i = 0; i < n; i++) width = max_int(width, (int)all[i].length);
    double *at = mem_new((size_t)n * (size_t)width * 4, sizeof *at);
    double *reward = at, *mask = at + n * width, *each = mask + n * width, *returns = each + n * width;
    for (int i = 0; i < n; i++) {
        for (int t = 0; t < (int)all[i].length; t++) mask[i * width + t] = 1;
        if (all[i].length > 0 && !isnan(total[i])) reward[i * width + (int)all[i].length - 1] = total[i];
    }
    reinforce_advantages(each, returns, reward, mask, n, width, 1);
    for (int i = 0; i < n; i++) advantage[i] = all[i].length > 0 && !isnan(total[i]) ? each[i * width] : 0;
    free(at);
}

static void over_baseline(double *advantage, const double *total, const told *all, int n) {
    double *baseline = mem_new((size_t)n, sizeof *baseline);
    for (int i = 0; i < n; i++) baseline[i] = all[i].baseline;
    remax_advantages(advantage, total, baseline, n);
    free(baseline);
}

/* The recipe's estimator over what grpo_advantages made of the rewards, where it is another one. */
static void estimate(double *advantage, const double *total, const recipe_grpo *g, const told *all, int n) {
    if (!strcmp(g->advantage, "reinforce")) whitened_returns(advantage, total, all, n);
    if (!strcmp(g->advantage, "remax")) over_baseline(advantage, total, all, n);
    for (int first = 0; first < n; first += g->group) {
        if (!strcmp(g->advantage, "rloo")) rloo_advantages(advantage + first, total + first, g->group);
        if (!strcmp(g->advantage, "passk")) passk_advantages(advantage + first, total + first, g->group, 1e-6);
    }
    for (int i = 0; i < n; i++)
        if (isnan(advantage[i])) advantage[i] = 0;
}

static void tell_of_nothing(rollout *o, const trainer *t) {
    if (o->mean.zero_groups < 1 || o->told || dist_rank(t->world)) return;
    o->told = true;
    fprintf(stderr,
            "lmm: rollout %" PRId64
            ": the rewards of every group are equal, nothing is learnt from it (said once; frac_reward_zero_std in the log counts on)\n",
            o->number);
}

/* From the rewards of all ranks to advantages, and what the log wants to know. */
static lmm_status score(trainer *t, rollout *o) {
    const recipe_grpo *g = &t->r.grpo;
    const int own = o->group_count * g->group, n = own * dist_count(t->world), K = g->reward_count;
    told *all = mem_new((size_t)n, sizeof *all);
    lmm_status st = tell(t, o, all, own);
    double *rewards = mem_new((size_t)(n * (K + 3)), sizeof *rewards), weights[REWARD_MAX];
    double *advantage = rewards + n * K, *total = advantage + n, *deviation = total + n;
    for (int k = 0; k < K; k++) weights[k] = g->rewards[k].weight;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < K; k++) rewards[i * K + k] = all[i].reward[k];
    grpo_advantages(advantage, total, deviation, rewards, n, K,
                    &(advantage_config){g->group, weights, scale_of(g), !strcmp(g->advantage, "gdpo"), 1e-4});
    estimate(advantage, total, g, all, n);
    for (int i = 0; i < own; i++) o->all[i].advantage = advantage[own * dist_rank(t->world) + i];
    average(o, g, all, total, deviation, n);
    tell_of_nothing(o, t);
    o->scored = true;
    free(rewards);
    free(all);
    return st;
}

lmm_status rollout_make(rollout *o, trainer *t, order *turn, int64_t number) {
    if (o->number == number && o->scored) return LMM_OK;
    if (o->number != number) rollout_clear(o, t, number);
    lmm_status st = LMM_OK;
    const double start = time_now();
    for (int next = 0; next < o->group_count && !st;)
        st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped between the groups of a rollout") : answer_some(t, o, turn, &next);
    o->seconds += time_now() - start;
    st = dist_agree(t->world, st);
    return st ? st : score(t, o);
}

/* ---- in checkpoints: groups by their place in the run, so another number of ranks finds its own ---- */

static tree *completion_tree(const completion *c, int rewards) {
    tree *t = tree_new(TREE_MAP), *ids = tree_new(TREE_LIST), *logp = tree_new(TREE_LIST), *reward = tree_new(TREE_LIST);
    for (int i = 0; i < c->ids.count; i++) {
        tree_add(ids, tree_new_int(c->ids.at[i]));
        tree_add(logp, tree_new_real((double)c->logp.at[i]));
    }
    for (int k = 0; k < rewards; k++) tree_add(reward, isnan(c->reward[k]) ? tree_new(TREE_NULL) : tree_new_real(c->reward[k]));
    tree_put(t, "ids", ids);
    tree_put(t, "logp", logp);
    tree_put(t, "reward", reward);
    tree_put(t, "finished", tree_new_bool(c->finished));
    return t;
}

lmm_status rollout_save(const rollout *o, const trainer *t, const char *dir) {
    if (o->number < 0 || !rollout_under_way(o, t)) return LMM_OK;
    tree *all = tree_new(TREE_MAP), *groups = tree_new(TREE_LIST);
    for (int i = 0; i < o->group_count; i++) {
        if (!o->answered[i]) continue;
        tree *group = tree_new(TREE_MAP), *list = tree_new(TREE_LIST);
        for (int k = 0; k < t->r.grpo.group; k++) tree_add(list, completion_tree(&o->all[i * t->r.grpo.group + k], t->r.grpo.reward_count));
        tree_put(group, "place", tree_new_int(rollout_place(t, o->number, i)));
        tree_put(group, "completions", list);
        tree_put(group, "baseline", isnan(o->baseline[i]) ? tree_new(TREE_NULL) : tree_new_real(o->baseline[i]));
        tree_add(groups, group);
    }
    tree_put(all, "rollout", tree_new_int(o->number));
    tree_put(all, "size", tree_new_int(rollout_size(t)));
    tree_put(all, "groups", groups);
    char *name = mem_printf("rollout-%05d-of-%05d.json", dist_rank(t->world) + 1, dist_count(t->world));
    lmm_status st = tree_save_json(all, dir, name, 0);
    free(name);
    tree_free(all);
    return st;
}

bool rollout_under_way(const rollout *o, const trainer *t) { return !(o->scored && (o->number + 1) * t->r.grpo.updates == t->step); }

static bool completion_read(completion *c, const tree *t, int vocab, int rewards, int max_tokens) {
    const tree *ids = tree_get(t, "ids"), *logp = tree_get(t, "logp"), *reward = tree_get(t, "reward");
    if (!ids || !logp || !reward || ids->type != TREE_LIST || logp->type != TREE_LIST || reward->type != TREE_LIST ||
        ids->count != logp->count || reward->count != rewards || ids->count > max_tokens)
        return false;
    for (int i = 0; i < ids->count; i++) {
        if (ids->items[i]->type != TREE_INT || ids->items[i]->i < 0 || ids->items[i]->i >= vocab) return false;
        VEC_PUSH(&c->ids, (int)ids->items[i]->i);
        VEC_PUSH(&c->logp, (float)logp->items[i]->real);
    }
    for (int k = 0; k < rewards; k++) c->reward[k] = reward->items[k]->type == TREE_NULL ? NAN : reward->items[k]->real;
    c->finished = tree_bool(t, "finished", false);
    return true;
}

static lmm_status unlike(void) {
    return LMM_FAIL(LMM_E_FORMAT, "the rollout under way has other groups than the recipe: was 'grpo', 'batch' or 'accumulate' changed? "
                                  "Resume with the old values to the end of its updates, or start over with --fresh");
}

static lmm_status group_read(rollout *o, const trainer *t, const tree *group) {
    const recipe_grpo *g = &t->r.grpo;
    int64_t at = tree_int(group, "place", -1) - rollout_place(t, o->number, 0);
    const tree *list = tree_get(group, "completions");
    if (at < 0 || at >= o->group_count) return LMM_OK; /* another rank's */
    bool good = list && list->type == TREE_LIST && list->count == g->group;
    for (int i = 0; i < g->group && good; i++) {
        completion *c = &o->all[(int)at * g->group + i];
        completion_clear(c);
        good = completion_read(c, list->items[i], t->model->net->dec.config.vocab, g->reward_count, g->max_tokens);
    }
    o->answered[at] = good;
    o->baseline[at] = tree_real(group, "baseline", NAN);
    return good ? LMM_OK : unlike();
}

static lmm_status read_file(rollout *o, trainer *t, const char *path) {
    tree *all = NULL;
    lmm_status st = tree_load(&all, path);
    const tree *groups = tree_get(all, "groups");
    int64_t number = tree_int(all, "rollout", -1);
    if (!st && tree_int(all, "size", 0) != rollout_size(t)) st = unlike();
    if (!st && o->number != number) rollout_clear(o, t, number);
    for (int i = 0; groups && groups->type == TREE_LIST && i < groups->count && !st; i++) st = group_read(o, t, groups->items[i]);
    tree_free(all);
    return st;
}

lmm_status rollout_restore(rollout *o, trainer *t, const char *dir) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    for (int i = 0; i < count && !st; i++) {
        if (strncmp(names[i], "rollout-", 8)) continue;
        char *path = path_join(dir, names[i]);
        st = read_file(o, t, path);
        free(path);
    }
    names_free(names, count);
    return st;
}
