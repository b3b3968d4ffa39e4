/* read.c - the reader: from a question, options and rows to an answer, without a language model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/read.h"

/* Of the heaviest row's weight, from where on rows of the kind asked for are all that count; a habit's many rows need not be told apart by their words. */
static const double KEEP = 0.6, KEEP_HABIT = 0.3;
static const double BEARS = 0.4; /* of the heaviest row's weight: says enough to be returned for being late */
enum { RANK_K = 10, BESIDE = 30 * EGO_SECOND };

/* ---- the rows that may decide ---- */

static bool in_time(const ego_reading *r, const ego_hit *h) {
    int hour = (int)(h->t0 / EGO_HOUR % 24);
    if (r->in.hour_to > r->in.hour_from && !((hour >= r->in.hour_from && hour < r->in.hour_to) || hour + 24 < r->in.hour_to)) return false;
    if (!r->in.spans.count || r->in.op == EGO_OP_WHEN) return true;
    for (int i = 0; i < r->in.spans.count; i++)
        if (h->t1 >= r->in.spans.at[i].from && h->t0 <= r->in.spans.at[i].to) return true;
    return false;
}

static int by_time(const void *a, const void *b) {
    const ego_said *x = a, *y = b;
    if (x->hit->t0 != y->hit->t0) return x->hit->t0 < y->hit->t0 ? -1 : 1;
    return (x->hit->doc > y->hit->doc) - (x->hit->doc < y->hit->doc);
}

/* Rows of the time asked for, in order of time. */
static void take_rows(ego_reading *r, const ego *e, const ego_hits *evidence) {
    for (int i = 0; i < evidence->count; i++)
        if (in_time(r, &evidence->at[i])) VEC_PUSH(&r->rows, ego_weigh(r, e, &evidence->at[i]));
    if (r->rows.count) qsort(r->rows.at, (size_t)r->rows.count, sizeof *r->rows.at, by_time);
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

static ego_hit hit_copy(const ego_hit *h) {
    ego_hit c = *h;
    c.text = mem_strdup(h->text);
    c.speaker = h->speaker ? mem_strdup(h->speaker) : NULL;
    return c;
}

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

/* ---- the rows that are returned ---- */

typedef struct {
    const ego_said *row;
    double score;
    bool answers; /* names an option */
} candidate;

static int by_candidate_weight(const void *a, const void *b) {
    const ego_said *x = ((const candidate *)a)->row, *y = ((const candidate *)b)->row;
    bool p = ((const candidate *)a)->answers, q = ((const candidate *)b)->answers;
    if (p != q) return p ? -1 : 1;
    if (x->weight > y->weight || x->weight < y->weight) return x->weight > y->weight ? -1 : 1;
    return by_time(y, x);
}

static int by_candidate_time(const void *a, const void *b) { return by_time(((const candidate *)b)->row, ((const candidate *)a)->row); }

static int by_candidate_score(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->score > y->score || x->score < y->score) return x->score > y->score ? -1 : 1;
    return by_candidate_weight(a, b);
}

/* Best first: by weight, and where the last (or first) time is asked for, by time as well among those that say enough of it. */
static void order_candidates(const ego_reading *r, candidate *c, int n) {
    bool last = r->in.op == EGO_OP_LAST || r->in.op == EGO_OP_WHEN || r->in.op == EGO_OP_FACT || r->in.op == EGO_OP_AFTER,
         first = r->in.op == EGO_OP_FIRST;
    double top = 0;
    int fit = 0;
    for (int i = 0; i < n; i++) {
        top = fmax(top, c[i].row->weight);
        c[i].answers = (last || first) && ego_option_of(r, c[i].row) >= 0;
    }
    for (int i = 0; i < n; i++)
        c[i].answers =
            r->in.op == EGO_OP_AFTER ? ego_near_best(r, c[i].row) || c[i].answers : c[i].answers && c[i].row->weight >= BEARS * top;
    qsort(c, (size_t)n, sizeof *c, by_candidate_weight);
    while (fit < n && c[fit].answers) fit++;
    for (int i = 0; i < fit; i++) c[i].score = 1.0 / (RANK_K + i);
    qsort(c, (size_t)fit, sizeof *c, by_candidate_time);
    for (int i = 0; i < fit; i++) c[i].score += 1.0 / (RANK_K + (last ? i : fit - 1 - i));
    qsort(c, (size_t)fit, sizeof *c, by_candidate_score);
}

static bool beside_one(const ego_hits *h, const ego_hit *x) {
    for (int i = 0; i < h->count; i++)
        if (llabs(h->at[i].t0 - x->t0) < BESIDE) return true;
    return false;
}

/* The proof, and what is returned: the rows that decided, in their order, then the best others; of one moment several only when there is room. */
static void return_rows(const ego_reading *r, const ego_verdict *v, ego_answer *out) {
    int n = 0;
    candidate *c = mem_new((size_t)(r->rows.count + r->others.count) + 1, sizeof *c);
    bool *taken = mem_new((size_t)r->rows.count + 1, sizeof *taken);
    for (int i = 0; i < v->rows.count; i++) {
        taken[v->rows.at[i]] = true;
        VEC_PUSH(&out->proof, hit_copy(r->rows.at[v->rows.at[i]].hit));
        if (out->returned.count < EGO_RETURNED) VEC_PUSH(&out->returned, hit_copy(r->rows.at[v->rows.at[i]].hit));
    }
    for (int i = 0; i < r->rows.count; i++)
        if (!taken[i]) c[n++].row = &r->rows.at[i];
    for (int i = 0; i < r->others.count; i++) c[n++].row = &r->others.at[i];
    if (n) order_candidates(r, c, n);
    for (int beside = 0; beside < 2; beside++)
        for (int i = 0; i < n && out->returned.count < EGO_RETURNED; i++) {
            if (!c[i].row || (!beside && beside_one(&out->returned, c[i].row->hit))) continue;
            VEC_PUSH(&out->returned, hit_copy(c[i].row->hit));
            c[i].row = NULL;
        }
    free(taken), free(c);
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
    return_rows(r, &v, out);
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
    return_rows(r, &v, out);
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
