/* read.c - the reader: from a question, options and rows to an answer, without a language model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/read.h"

/* Of the heaviest row's weight, from where on rows of the kind asked for are all that count; a habit's many rows need not be told apart by their words. */
static const double KEEP = 0.6, KEEP_HABIT = 0.3;

/* ---- the rows that may decide ---- */

static bool in_time(const ego_reading *r, const ego_hit *h) {
    int hour = (int)(h->t0 / EGO_HOUR % 24);
    if (r->in.hour_to > r->in.hour_from && !((hour >= r->in.hour_from && hour < r->in.hour_to) || hour + 24 < r->in.hour_to)) return false;
    if (!r->in.spans.count || r->in.op == EGO_OP_WHEN) return true;
    for (int i = 0; i < r->in.spans.count; i++)
        if (h->t1 >= r->in.spans.at[i].from && h->t0 <= r->in.spans.at[i].to) return true;
    return false;
}

int ego_said_by_time(const void *a, const void *b) { return ego_hit_by_time(((const ego_said *)a)->hit, ((const ego_said *)b)->hit); }

/* Rows of the time asked for, in order of time. */
static void take_rows(ego_reading *r, const ego *e, const ego_hits *evidence) {
    for (int i = 0; i < evidence->count; i++)
        if (in_time(r, &evidence->at[i])) VEC_PUSH(&r->rows, ego_weigh(r, e, &evidence->at[i]));
    if (r->rows.count) qsort(r->rows.at, (size_t)r->rows.count, sizeof *r->rows.at, ego_said_by_time);
}

static bool is_self(const ego_said *w) { return w->self; }
static bool is_me(const ego_said *w) { return w->me; }
static bool is_named(const ego_said *w) { return w->named; }
static bool is_put(const ego_said *w) { return w->put; }

/* "I" asks for what the wearer did, "who ... me" for what was done to the wearer, where such rows are among the heavy ones. */
static void keep_rows(ego_reading *r, bool (*is)(const ego_said *), double least) {
    double all = 0, those = 0;
    int kept = 0;
    for (int i = 0; i < r->rows.count; i++) {
        const ego_said *w = &r->rows.at[i];
        all = fmax(all, w->weight);
        if (is(w)) those = fmax(those, w->weight);
    }
    if (those < least * all) return;
    for (int i = 0; i < r->rows.count; i++) {
        if (is(&r->rows.at[i])) r->rows.at[kept++] = r->rows.at[i];
        else VEC_PUSH(&r->others, r->rows.at[i]);
    }
    r->rows.count = kept;
}

static void whose(ego_reading *r) {
    bool names = r->in.shape == SHAPE_NAMES;
    if (names && r->named) keep_rows(r, is_me, KEEP);
    if (r->people.count && r->in.op != EGO_OP_ABSENT) keep_rows(r, is_named, KEEP);
    if (r->in.shape == SHAPE_PLACES) keep_rows(r, is_put, KEEP);
    if (!r->in.first_person || r->in.op == EGO_OP_OPEN || r->in.shape == SHAPE_PLACES) return;
    if (!names) keep_rows(r, is_self, KEEP);
    else if (r->in.op == EGO_OP_MOST) keep_rows(r, is_me, KEEP_HABIT);
}

/* ---- answers ---- */

/* How much of an open question a row holds: words nobody ever said count against it as the rarest would. */
static double coverage(const ego_reading *r, const ego_said *w) {
    double known = 0, missing = 0;
    for (int i = 0; i < r->query.count; i++) {
        known += r->query.at[i].weight;
        missing += r->query.at[i].lost;
    }
    double cosine = w->weight - w->words;
    return known > 0 ? w->words * known / (known + missing) + cosine : cosine;
}

/* An open question is answered with the row itself. */
static void answer_open(const ego_reading *r, ego_answer *out) {
    int at = -1;
    for (int i = 0; i < r->rows.count; i++)
        if (ego_near_best(r, &r->rows.at[i]) && (at < 0 || r->in.op != EGO_OP_FIRST)) at = i;
    double covered = at < 0 ? 0 : coverage(r, &r->rows.at[at]);
    out->abstain = covered < 0.4;
    if (out->abstain) return;
    out->text = mem_strdup(r->rows.at[at].hit->text);
    out->confidence = fmin(1, covered);
    ego_verdict v = {.choice = -1};
    VEC_PUSH(&v.rows, at);
    ego_return_rows(r, &v, out);
    free(v.rows.at);
}

static void answer_options(const ego_reading *r, ego_answer *out) {
    ego_verdict v = {.choice = -1};
    ego_decide(r, &v);
    out->choice = v.choice, out->confidence = v.confidence;
    out->abstain = v.choice < 0;
    /* A guess is wanted all the same; it depends on the question alone. */
    if (v.choice < 0)
        out->choice = (int)(hash_u64(r->in.text, strlen(r->in.text), 5) % (uint64_t)r->q->option_count),
        out->confidence = 1.0 / r->q->option_count;
    else out->text = mem_strdup(r->q->options[v.choice]);
    ego_return_rows(r, &v, out);
    free(v.rows.at);
}

lmm_status ego_read(ego_view *v, const ego_question *q, const ego_hits *evidence, const lmm_model *encoder, ego_answer *out) {
    ego_reading r;
    if (q->option_count > EGO_OPTIONS_MAX) return LMM_FAIL(LMM_E_LIMIT, "%d options, at most %d", q->option_count, EGO_OPTIONS_MAX);
    lmm_status st = ego_understand(&r, v, q, encoder);
    *out = (ego_answer){.op = r.in.op, .choice = -1};
    if (!st) {
        take_rows(&r, ego_view_store(v), evidence);
        whose(&r);
        ego_find_best(&r);
        if (q->option_count) answer_options(&r, out);
        else answer_open(&r, out);
        if (!out->text) out->text = mem_strdup("not in your recordings");
    }
    ego_reading_free(&r);
    return st;
}

void ego_answer_free(ego_answer *a) {
    free(a->text);
    ego_hits_free(&a->proof);
    ego_hits_free(&a->returned);
}
