/* dpo.c - learning from pairs of answers (arXiv 2305.18290): the loss is align's, the reference is the model as it was opened.
 *
 * The reference's log-probabilities do not change, so they are computed once, before the first step, and kept beside the run: two numbers a token of the answers instead
 * of a second model. A batch holds the chosen answer of each pair and then its rejected one. */
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

typedef struct {
    int64_t *first;   /* (samples + 1): where a sample's values begin */
    float *reference; /* log-probabilities of the labelled rows of all samples, in order */
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

/* Reads the values of an earlier start of this run; false when there are none or they are another model's or data's. */
static bool cache_read(const trainer *t, dpo_state *s, const tree *label) {
    char *path = cache_path(t);
    safetensors *file;
    bool found = false;
    if (file_exists(path) && safetensors_open(&file, path) == LMM_OK) {
        const tensor *values = safetensors_find(file, "logp");
        int64_t n = s->first[t->samples.list.count];
        found = values && values->type == DT_F32 && tensor_count(values) == n &&
                !strcmp(tree_str(safetensors_metadata(file), "fingerprint", ""), tree_str(label, "fingerprint", "-"));
        if (found) memcpy(s->reference, values->data, (size_t)n * sizeof *s->reference);
        safetensors_close(file);
    }
    free(path);
    return found;
}

static lmm_status cache_write(const trainer *t, const dpo_state *s, const tree *label) {
    if (dist_rank(t->world)) return LMM_OK;
    int64_t n = s->first[t->samples.list.count];
    char *path = cache_path(t);
    lmm_status st = dir_make(t->r.run);
    if (!st) st = safetensors_save(path, &(named_tensor){"logp", tensor_make(DT_F32, 1, &n, s->reference)}, 1, label);
    free(path);
    return st;
}

/* Gathers the labelled rows of a batch in order. */
static void take_labelled(float *out, const batch *b, const float *logprob) {
    for (int i = 0; i < b->rows; i++)
        if (b->label.at[i] >= 0) *out++ = logprob[i];
}

/* An augmented picture would be another one at every step: pairs are not augmented. */
static lmm_status reference_of(trainer *t, dpo_state *s, int item) {
    batch b = {0};
    lmm_status st = trainer_add(t, item, 0, &b);
    float *logprob = mem_new((size_t)b.rows + 1, sizeof *logprob);
    if (!st && b.rows) {
        st = trainer_logprobs(t, t->model->net, &b, logprob);
        take_labelled(s->reference + s->first[2 * item], &b, logprob);
    }
    free(logprob);
    batch_free(&b);
    return st;
}

static lmm_status prepare(trainer *t, bool fresh) {
    const recipe_augment *a = &t->r.augment;
    if (a->mirror || a->turn || a->roam || a->shift)
        return LMM_FAIL(LMM_E_ARG, "%s: 'augment' cannot be used with dpo: the reference saw the pictures as they are", t->r.path);
    dpo_state *s = mem_new(1, sizeof *s);
    t->own = s;
    count_labels(t, s);
    int items = t->samples.list.count / 2;
    lmm_status st = mem_try((void **)&s->reference, (size_t)s->first[2 * items] * sizeof(float) + 1, "the reference's log-probabilities");
    if (st) return st;
    tree *label = NULL;
    if ((st = cache_label(t, &label))) return st;
    if (fresh || !cache_read(t, s, label)) {
        progress *bar = t->quiet ? NULL : progress_new("reference", items, "pairs");
        for (int i = 0; i < items && !st && !lmm_cancelled(); i++) {
            st = reference_of(t, s, i);
            if (bar) progress_set(bar, i + 1, NULL);
        }
        progress_free(bar);
        if (!st) st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped while the reference was computed") : cache_write(t, s, label);
    }
    tree_free(label);
    return st;
}

/* ---- the loss ---- */

/* Row of the grid for answer k of the batch: pair after pair there, chosen before rejected here. */
static int grid_row(const token_grid *g, int k) { return k / 2 + k % 2 * (g->rows / 2); }

static void fill_grid(const trainer *t, token_grid *g, const batch *b, const float *logprob) {
    const dpo_state *s = t->own;
    int row = 0;
    for (int k = 0; k < g->rows; k++) {
        int number = b->items.at[k / 2] * 2 + k % 2, n = (int)t->samples.list.at[number].label_count;
        for (int i = 0; i < n; row++) {
            if (b->label.at[row] < 0) continue;
            int at = grid_row(g, k) * g->width + i;
            g->now[at] = logprob[row];
            g->start[at] = s->reference[s->first[number] + i];
            g->mask[at] = 1;
            g->row[at] = row;
            i++;
        }
    }
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
    dpo_result r;
    token_grid_open(&g, 2 * b->items.count, longest_answer(t, b));
    fill_grid(t, &g, b, logprob);
    lmm_status st = loss_of(d, &g, b->items.count, &r);
    if (!st) token_grid_weigh(&g, b, t->r.accumulate);
    *out = (micro_result){r.loss / t->r.accumulate,
                          {r.reward_chosen, r.reward_rejected, r.accuracy, r.margin, r.logp_chosen, r.logp_rejected}};
    token_grid_close(&g);
    return st;
}

static void close_state(trainer *t) {
    dpo_state *s = t->own;
    if (!s) return;
    free(s->reference);
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
