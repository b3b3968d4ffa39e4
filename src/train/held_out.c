/* held_out.c - what the model makes of samples it never learns from: their loss, and greedy answers to the first of them. */
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

void held_out_close(held_out *h) {
    sample_set_free(&h->samples);
    sample_set_free(&h->prompts);
    if (h->answers) fclose(h->answers);
    *h = (held_out){0};
}

static lmm_status open_answers(held_out *h, const char *run, int64_t step) {
    char *path = path_join(run, "answers.jsonl");
    h->answers = fopen(path, step ? "a" : "w");
    lmm_status st = h->answers ? LMM_OK : LMM_FAIL(LMM_E_IO, "cannot write '%s'", path);
    free(path);
    return st;
}

lmm_status held_out_open(held_out *h, const trainer *t) {
    const recipe *r = &t->r;
    lmm_status st = LMM_OK;
    if (!r->held.every) return LMM_OK;
    h->prompts.enough = r->held.answers; /* one record may bring a few more */
    for (int d = 0; d < r->held.data.count && !st; d++) {
        st = samples_load(&h->samples, r, &r->held.data.at[d], t->model, NULL);
        if (!st && r->held.answers) st = prompts_load(&h->prompts, r, &r->held.data.at[d], t->model, NULL);
    }
    if (!st && !h->samples.list.count) st = LMM_FAIL(LMM_E_ARG, "%s: 'evaluate' has no usable sample", r->path);
    if (!st && !dist_rank(t->world) && r->held.answers) st = open_answers(h, r->run, t->step);
    return LMM_CONTEXT(st, "held-out samples");
}

/* ---- loss ---- */

static lmm_status add_batch(trainer *t, batch *b, double *loss, int64_t *labels) {
    float *logprob = mem_new((size_t)b->rows + 1, sizeof *logprob);
    lmm_status st = b->rows ? trainer_logprobs(t, t->model->net, b, logprob) : LMM_OK;
    for (int i = 0; i < b->rows && !st; i++)
        if (b->label.at[i] >= 0) *loss -= (double)logprob[i], ++*labels;
    free(logprob);
    return st;
}

static lmm_status add_sample(const held_out *h, const trainer *t, batch *b, int i) {
    sample s;
    lmm_status st = sample_at(&h->samples, i, &s);
    if (st) return st;
    st = batch_add(b, t->model, &s, rng_make(0, 0));
    sample_free(&s);
    return LMM_CONTEXT(st, "held-out sample %d", i + 1);
}

/* Mean over all labels, in the samples' order. */
static lmm_status measure_loss(const held_out *h, trainer *t, double *out) {
    double loss = 0;
    int64_t labels = 0;
    lmm_status st = LMM_OK;
    for (int i = 0; i < h->samples.list.count && !st;) {
        batch b = {0};
        for (int k = 0; k < t->r.batch && i < h->samples.list.count && !st; k++, i++) st = add_sample(h, t, &b, i);
        if (!st) st = add_batch(t, &b, &loss, &labels);
        batch_free(&b);
    }
    *out = labels ? loss / (double)labels : 0;
    return st;
}

/* ---- answers ---- */

static void write_answer(const held_out *h, int64_t step, const sample *s, const lmm_answer *a) {
    tree *row = tree_new(TREE_MAP);
    tree_put(row, "step", tree_new_int(step));
    tree_put(row, "prompt", tree_new_string(s->text));
    tree_put(row, "answer", tree_new_string(a->text));
    tree_put(row, "wanted", tree_new_string(s->gold));
    buf b = {0};
    tree_write_json(&b, row, 0);
    fprintf(h->answers, "%s\n", b.data);
    buf_free(&b);
    tree_free(row);
}

static lmm_status answer_one(const held_out *h, const trainer *t, int i) {
    const lmm_gen_opts o = {.max_tokens = t->r.held.max_tokens};
    lmm_session *session = NULL;
    lmm_answer a = {0};
    sample s;
    lmm_status st = sample_at(&h->prompts, i, &s);
    if (st) return st;
    st = prompt_session(&session, t->model, &s, o.max_tokens);
    if (!st) st = lmm_generate(&session, 1, &o, NULL, NULL, &a);
    if (!st) write_answer(h, t->step, &s, &a);
    lmm_answers_free(&a, 1);
    lmm_session_close(session);
    sample_free(&s);
    return st;
}

lmm_status held_out_measure(const held_out *h, trainer *t, double *loss) {
    lmm_status st = dist_rank(t->world) ? LMM_OK : measure_loss(h, t, loss);
    for (int i = 0; h->answers && i < min_int(t->r.held.answers, h->prompts.list.count) && !st; i++) st = answer_one(h, t, i);
    if (h->answers) fflush(h->answers);
    return dist_agree(t->world, LMM_CONTEXT(st, "evaluating after step %" PRId64, t->step));
}
