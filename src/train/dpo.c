/* dpo.c - learning from pairs of answers (arXiv 2305.18290): the loss is align's, the reference is the model as it was opened.
 *
 * The reference's log-probabilities do not change, so they are computed once, before the first step, and kept beside the run: a number for each token of the answers instead
 * of a second model. They lie in a spool, an item's after the other. A batch holds the chosen answer of each pair and then its rejected one. */
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

typedef struct {
    int64_t *first;  /* (samples + 1): where a sample's values begin */
    spool reference; /* log-probabilities of the labelled rows of all samples, in order; put item by item */
} dpo_state;

static const char *const metric_names[] =
    {"rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", NULL};

static lmm_status load(trainer *t) { return trainer_load(t, pairs_load, 2); }

static lmm_status make_batch(trainer *t, order *o, int64_t micro, batch *b) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < t->r.batch && !st; i++) {
        int64_t k = micro * t->r.batch + i;
        int item = order_at(o, t, k), rows = b->rows;
        st = trainer_add(t, item, k, b);
        if (!st && b->rows > rows) VEC_PUSH(&b->items, item);
    }
    return st;
}

/* ---- the reference ---- */

static void count_labels(const trainer *t, dpo_state *s) {
    int n = t->samples.list.count;
    s->first = mem_new((size_t)n + 1, sizeof *s->first);
    for (int i = 0; i < n; i++) s->first[i + 1] = s->first[i] + (int64_t)t->samples.list.at[i].label_count;
}

/* What the values depend on: the model's weights as opened, and every id of the samples. */
static lmm_status fingerprint(const trainer *t, uint64_t *out) {
    uint64_t h = hash_u64(t->text_dir, strlen(t->text_dir), 0x64706fu);
    const param_set *set = &t->model->net->params;
    for (int i = 0; i < set->list.count; i++) h = hash_u64(set->list.at[i]->t.data, tensor_size(&set->list.at[i]->t), h);
    for (int i = 0; i < t->samples.list.count; i++) {
        sample s;
        lmm_status st = sample_at(&t->samples, i, &s);
        if (st) return st;
        h = hash_u64(s.ids.at, (size_t)s.ids.count * sizeof *s.ids.at, h);
        for (int k = 0; k < s.media.count; k++) h = hash_u64(s.media.at[k].path, strlen(s.media.at[k].path), h);
        sample_free(&s);
    }
    return *out = h, LMM_OK;
}

static char *cache_path(const trainer *t) { return path_join(t->r.run, "reference.safetensors"); }

static lmm_status cache_label(const trainer *t, tree **label) {
    char hex[24];
    uint64_t hash;
    lmm_status st = fingerprint(t, &hash);
    if (st) return st;
    snprintf(hex, sizeof hex, "%016" PRIx64, hash);
    *label = tree_new(TREE_MAP);
    tree_put(*label, "fingerprint", tree_new_string(hex));
    return LMM_OK;
}

static int64_t values_of(const dpo_state *s, int item) { return s->first[2 * item + 2] - s->first[2 * item]; }

static lmm_status put_item(dpo_state *s, int item, const float *values) {
    uint64_t at;
    lmm_status st = spool_put(&s->reference, values, (size_t)values_of(s, item) * sizeof *values, &at);
    LMM_ASSERT(st || at == (uint64_t)s->first[2 * item] * sizeof *values, "item %d came out of turn", item);
    return st;
}

/* free(*values) */
static lmm_status take_item(const dpo_state *s, int item, float **values) {
    const size_t n = (size_t)values_of(s, item);
    float *v = mem_new(n + 1, sizeof *v);
    lmm_status st = spool_read(&s->reference, v, n * sizeof *v, (uint64_t)s->first[2 * item] * sizeof *v);
    if (st) return free(v), st;
    return *values = v, LMM_OK;
}

/* Takes the values of an earlier start of this run; *found is false when there are none or they are another model's or data's. */
static lmm_status cache_read(const trainer *t, dpo_state *s, const tree *label, bool *found) {
    const int items = t->samples.list.count / 2;
    char *path = cache_path(t);
    safetensors *file;
    lmm_status st = LMM_OK;
    *found = false;
    if (file_exists(path) && safetensors_open(&file, path) == LMM_OK) {
        const tensor *values = safetensors_find(file, "logp");
        *found = values && values->type == DT_F32 && tensor_count(values) == s->first[2 * items] &&
                 !strcmp(tree_str(safetensors_metadata(file), "fingerprint", ""), tree_str(label, "fingerprint", "-"));
        for (int i = 0; *found && i < items && !st; i++) st = put_item(s, i, (const float *)values->data + s->first[2 * i]);
        safetensors_close(file);
    }
    free(path);
    return st;
}

static lmm_status cache_write(const trainer *t, const dpo_state *s, const tree *label) {
    if (dist_rank(t->world)) return LMM_OK;
    const int items = t->samples.list.count / 2;
    int64_t n = s->first[2 * items];
    char *path = cache_path(t);
    file_writer *w = NULL;
    lmm_status st = dir_make(t->r.run);
    if (!st) st = safetensors_begin(&w, path, &(named_tensor){"logp", tensor_make(DT_F32, 1, &n, NULL)}, 1, label);
    for (int i = 0; i < items && !st; i++) {
        float *values = NULL;
        st = take_item(s, i, &values);
        if (!st) st = file_writer_put(w, values, (size_t)values_of(s, i) * sizeof *values);
        free(values);
    }
    if (st) file_writer_abort(w);
    else st = file_writer_commit(w);
    free(path);
    return st;
}

/* Gathers the labelled rows of a batch in order. */
static void take_labelled(float *out, const batch *b, const float *logprob) {
    for (int i = 0; i < b->rows; i++)
        if (b->label.at[i] >= 0) *out++ = logprob[i];
}

/* An augmented picture would be another one at every step: pairs are not augmented. A broken one has zeros. */
static lmm_status reference_of(trainer *t, dpo_state *s, int item) {
    batch b = {0};
    lmm_status st = trainer_add(t, item, 0, &b);
    float *logprob = mem_new((size_t)b.rows + 1, sizeof *logprob), *values = mem_new((size_t)values_of(s, item) + 1, sizeof *values);
    if (!st && b.rows) {
        st = trainer_logprobs(t, t->model->net, &b, logprob);
        take_labelled(values, &b, logprob);
    }
    if (!st) st = put_item(s, item, values);
    free(values);
    free(logprob);
    batch_free(&b);
    return st;
}

static lmm_status compute_reference(trainer *t, dpo_state *s, const tree *label) {
    const int items = t->samples.list.count / 2;
    lmm_status st = LMM_OK;
    progress *bar = t->quiet ? NULL : progress_new("reference", items, "pairs");
    for (int i = 0; i < items && !st && !lmm_cancelled(); i++) {
        st = reference_of(t, s, i);
        if (bar) progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    if (st) return st;
    return lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped while the reference was computed") : cache_write(t, s, label);
}

static lmm_status prepare(trainer *t, bool fresh) {
    if (augment_used(&t->r))
        return LMM_FAIL(LMM_E_ARG, "%s: 'augment' cannot be used with dpo: the reference saw the pictures as they are", t->r.path);
    dpo_state *s = mem_new(1, sizeof *s);
    t->own = s;
    spool_open(&s->reference, t->r.run);
    count_labels(t, s);
    tree *label = NULL;
    bool found = false;
    lmm_status st = cache_label(t, &label);
    if (!st && !fresh) st = cache_read(t, s, label, &found);
    if (!st && !found) st = compute_reference(t, s, label);
    tree_free(label);
    return st;
}

/* ---- the loss ---- */

/* Row of the grid for answer k of the batch: pair after pair there, chosen before rejected here. */
static int grid_row(const token_grid *g, int k) { return k / 2 + k % 2 * (g->rows / 2); }

/* One answer of the batch: its values of the reference, its rows from `row` on. Returns the row behind them. */
static int fill_answer(token_grid *g, int k, const float *start, int n, const batch *b, const float *logprob, int row) {
    for (int i = 0; i < n; row++) {
        if (b->label.at[row] < 0) continue;
        int at = grid_row(g, k) * g->width + i;
        g->now[at] = logprob[row];
        g->start[at] = start[i];
        g->mask[at] = 1;
        g->row[at] = row;
        i++;
    }
    return row;
}

static lmm_status fill_grid(const trainer *t, token_grid *g, const batch *b, const float *logprob) {
    const dpo_state *s = t->own;
    lmm_status st = LMM_OK;
    for (int p = 0, row = 0; p < b->items.count && !st; p++) {
        const int first = 2 * b->items.at[p];
        float *values;
        if ((st = take_item(s, b->items.at[p], &values))) break;
        for (int k = 0; k < 2; k++)
            row = fill_answer(g, 2 * p + k, values + (s->first[first + k] - s->first[first]),
                              (int)t->samples.list.at[first + k].label_count, b, logprob, row);
        free(values);
    }
    return st;
}

static int longest_answer(const trainer *t, const batch *b) {
    int most = 0;
    for (int k = 0; k < 2 * b->items.count; k++) most = max_int(most, (int)t->samples.list.at[b->items.at[k / 2] * 2 + k % 2].label_count);
    return most;
}

/* A name with dpo_llava in front is LLaVA-NeXT's own loss. */
static lmm_status loss_of(const recipe_dpo *d, const token_grid *g, int pairs, dpo_result *r) {
    const size_t prefix = strlen(dpo_llava);
    dpo_batch b = {pairs, g->width, g->now, g->start, g->mask, NULL};
    if (!strncmp(d->loss, dpo_llava, prefix))
        return llava_dpo_tokens(r, g->grad, &(llava_dpo_config){d->loss + prefix, d->beta, d->smoothing, d->reference_free}, &b);
    if (d->reference_free) b.reference = NULL;
    dpo_config c = {.kinds = {d->loss},
                    .weights = {1},
                    .beta = d->beta,
                    .smoothing = d->smoothing,
                    .divergence = d->divergence,
                    .alpha = d->alpha,
                    .tau = d->tau,
                    .length_desensitised = d->tail_weight < 1,
                    .tail_weight = d->tail_weight};
    if (d->sft > 0) c.kinds[1] = "sft", c.weights[1] = d->sft;
    return dpo_loss(r, g->grad, &c, &b);
}

static lmm_status learn(trainer *t, batch *b, const float *logprob, micro_result *out) {
    const recipe_dpo *d = &t->r.dpo;
    token_grid g;
    dpo_result r = {0};
    token_grid_open(&g, 2 * b->items.count, longest_answer(t, b));
    lmm_status st = fill_grid(t, &g, b, logprob);
    if (!st) st = loss_of(d, &g, b->items.count, &r);
    if (!st) token_grid_weigh(&g, b, t->r.accumulate);
    *out = (micro_result){r.loss / t->r.accumulate,
                          {r.reward_chosen, r.reward_rejected, r.accuracy, r.margin, r.logp_chosen, r.logp_rejected}};
    token_grid_close(&g);
    return st;
}

static void close_state(trainer *t) {
    dpo_state *s = t->own;
    if (!s) return;
    spool_close(&s->reference);
    free(s->first);
    free(s);
}

const algorithm algorithm_dpo = {.name = "dpo",
                                 .metrics = metric_names,
                                 .load = load,
                                 .prepare = prepare,
                                 .make_batch = make_batch,
                                 .learn = learn,
                                 .close = close_state};
