/* search.c - rows for a query: BM25 over words, cosine over vectors, people named in it; joined by reciprocal ranks (k = 60).
 *
 * BM25 with k1 1.2, b 0.75. Every count (document frequencies, lengths, who is seen with whom) is taken over the rows of the view and nothing else, and
 * ties are broken by what rows say of themselves, so a ranking is what it would be if the rest had never been stored. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { LIST_MAX = 50, RRF_K = 60, COMPANIONS = 3 };

static int by_score(const void *a, const void *b) {
    const ego_scored *x = a, *y = b;
    if (x->score > y->score || x->score < y->score) return x->score > y->score ? -1 : 1;
    if (x->t0 != y->t0) return x->t0 > y->t0 ? -1 : 1;
    return (x->doc < y->doc) - (x->doc > y->doc);
}

/* Puts the worst of the heap below `at` on its place. */
static void sift(ego_ranking *r, int at) {
    for (int child; (child = 2 * at + 1) < r->count; at = child) {
        if (child + 1 < r->count && by_score(&r->at[child + 1], &r->at[child]) > 0) child++;
        if (by_score(&r->at[at], &r->at[child]) >= 0) return;
        ego_scored x = r->at[at];
        r->at[at] = r->at[child], r->at[child] = x;
    }
}

/* From `most` rows on they are a heap with the worst on top: of a million rows nearly all are passed over by one comparison. */
void ego_ranking_add(ego_ranking *r, const ego *e, int doc, double score) {
    ego_scored x = {doc, score, e->docs.at[doc].t0};
    if (!r->most || r->count < r->most) {
        VEC_PUSH(r, x);
        for (int i = r->count / 2 - 1; r->count == r->most && i >= 0; i--) sift(r, i);
    } else if (by_score(&x, &r->at[0]) < 0) {
        r->at[0] = x;
        sift(r, 0);
    }
}

void ego_ranking_sort(ego_ranking *r) {
    if (r->count) qsort(r->at, (size_t)r->count, sizeof *r->at, by_score);
}

static bool in_spans(const ego_doc *d, const ego_spans *spans) {
    if (!spans || !spans->count) return true;
    for (int i = 0; i < spans->count; i++)
        if (d->t1 >= spans->at[i].from && d->t0 <= spans->at[i].to) return true;
    return false;
}

static lmm_status rank_bm25(ego_view *v, const char *text, const ego_spans *spans, ego_ranking *out) {
    ego *e = ego_view_store(v);
    ego_terms terms = {0};
    double mean, *score = mem_new((size_t)e->docs.count + 1, sizeof *score);
    double total = (double)ego_view_count(v, &mean);
    lmm_status st = LMM_OK;
    ego_terms_of(&terms, text);
    for (int i = 0; !st && i < terms.count; i++) {
        ego_postings p;
        st = ego_view_postings(v, terms.at[i], &p);
        if (st) break;
        double idf = log(1 + (total - p.count + 0.5) / (p.count + 0.5));
        for (int k = 0; k < p.count; k++) score[p.doc[k]] += idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * e->docs.at[p.doc[k]].length / mean));
        free(p.doc);
    }
    for (int d = e->docs.count - 1; !st && d >= 0; d--) /* of equals the later counts: latest first, a ranking changes little */
        if (score[d] > 0 && in_spans(&e->docs.at[d], spans)) ego_ranking_add(out, e, d, score[d]);
    free(score);
    ego_terms_free(&terms);
    return st;
}

static lmm_status rank_dense(ego_view *v, const char *text, const ego_search_opts *o, ego_ranking *out) {
    ego *e = ego_view_store(v);
    float x[EGO_WIDTH];
    ego_probe probe;
    if (!ego_vectors_fit(e, o->encoder)) return LMM_OK; /* vectors of another kind say nothing: words alone decide */
    lmm_status st = ego_embed_kept(e, o->encoder, &text, 1, x);
    if (!st) ego_probe_of(&probe, x);
    for (int d = 0; !st && d < e->docs.count; d++) { /* as the file lies: it is read ahead */
        const ego_vector *q = ego_vector_at(e, d);
        if (q && ego_view_sees(v, d) && in_spans(&e->docs.at[d], o->spans)) ego_ranking_add(out, e, d, ego_probe_dot(&probe, q));
    }
    return st;
}

/* ---- people: rows they are in, and rows of those seen with them ---- */

typedef struct {
    const ego_tie *tie;
    int count; /* visible rows */
} companion;

static int by_company(const void *a, const void *b) {
    const companion *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->tie->name, y->tie->name);
}

/* Adds `weight` to the visible rows a person is in. */
static lmm_status score_person(ego_view *v, int64_t person, double weight, double *score) {
    const ego_acquaintance *a;
    lmm_status st = ego_acquaintance_of(ego_view_store(v), person, &a);
    for (int i = 0; !st && i < a->rows.count; i++)
        if (ego_view_sees(v, a->rows.doc[i])) score[a->rows.doc[i]] += weight;
    return st;
}

/* Whom visible rows show with a person, most often first; free(*out). */
static companion *companions_of(ego_view *v, const ego_acquaintance *a, int *count) {
    companion *c = mem_new((size_t)a->ties.count + 1, sizeof *c);
    *count = 0;
    for (int i = 0; i < a->ties.count; i++) {
        companion x = {&a->ties.at[i], 0};
        for (int k = 0; k < x.tie->rows.count; k++) x.count += ego_view_sees(v, x.tie->rows.doc[k]);
        if (x.count) c[(*count)++] = x;
    }
    if (*count) qsort(c, (size_t)*count, sizeof *c, by_company);
    return c;
}

static lmm_status score_with_company(ego_view *v, int64_t person, double *score) {
    const ego_acquaintance *a;
    lmm_status st = ego_acquaintance_of(ego_view_store(v), person, &a);
    if (!st) st = score_person(v, person, 1.0, score);
    if (st) return st;
    int count;
    companion *c = companions_of(v, a, &count);
    for (int i = 0; !st && i < count && i < COMPANIONS; i++)
        st = score_person(v, c[i].tie->id, 0.5 * c[i].count / (c[i].count + 20.0), score);
    free(c);
    return st;
}

/* Rows by how many of the people named in the text they hold; those most often seen with them count up to half. */
static lmm_status rank_people(ego_view *v, const char *text, const ego_spans *spans, ego_ranking *out) {
    ego *e = ego_view_store(v);
    double *score = mem_new((size_t)e->docs.count + 1, sizeof *score);
    sqlite3_stmt *named;
    lmm_status st = ego_prepare(e, &named, "SELECT id FROM entity WHERE instr(?1, ' ' || lower(name) || ' ') ORDER BY name");
    buf spaced = {0};
    buf_putc(&spaced, ' ');
    for (const char *p = text; *p; p++) buf_putc(&spaced, isalnum((unsigned char)*p) || *p & 0x80 ? (char)tolower((unsigned char)*p) : ' ');
    buf_putc(&spaced, ' ');
    if (!st) sqlite3_bind_text(named, 1, spaced.data, -1, SQLITE_STATIC);
    while (!st && sqlite3_step(named) == SQLITE_ROW) st = score_with_company(v, sqlite3_column_int64(named, 0), score);
    for (int d = e->docs.count - 1; !st && d >= 0; d--)
        if (score[d] > 0 && in_spans(&e->docs.at[d], spans)) ego_ranking_add(out, e, d, score[d]);
    sqlite3_finalize(named);
    buf_free(&spaced);
    free(score);
    return st;
}

/* Adds a list by its ranks; of the same row's places the sum counts. */
static void fuse(ego_ranking *total, const ego *e, ego_ranking *r, double weight) {
    ego_ranking_sort(r);
    for (int i = 0; i < r->count; i++) {
        int at = 0;
        while (at < total->count && total->at[at].doc != r->at[i].doc) at++;
        if (at == total->count) ego_ranking_add(total, e, r->at[i].doc, 0);
        total->at[at].score += weight / (RRF_K + i + 1);
    }
    r->count = 0;
}

static lmm_status fused(ego_view *v, const char *query, const ego_search_opts *o, ego_ranking *out) {
    ego *e = ego_view_store(v);
    ego_ranking r = {.most = LIST_MAX}, all = {0};
    lmm_status st = rank_bm25(v, query, o->spans, &r);
    fuse(&all, e, &r, 1.0);
    if (!st) st = rank_dense(v, query, o, &r);
    fuse(&all, e, &r, 0.8);
    if (!st) st = rank_people(v, query, o->spans, &r);
    fuse(&all, e, &r, 0.3);
    for (int i = 0; !st && i < o->also_count; i++) {
        st = rank_bm25(v, o->also[i], o->spans, &r);
        fuse(&all, e, &r, 0.5);
    }
    for (int i = 0; !st && i < all.count; i++) ego_ranking_add(out, e, all.at[i].doc, all.at[i].score);
    free(all.at), free(r.at);
    return st;
}

lmm_status ego_search(ego_view *v, const char *query, const ego_search_opts *o, ego_hits *out) {
    ego_ranking r = {.most = o->count ? o->count : 10};
    lmm_status st = o->rank == EGO_BM25    ? rank_bm25(v, query, o->spans, &r)
                    : o->rank == EGO_DENSE ? rank_dense(v, query, o, &r)
                                           : fused(v, query, o, &r);
    ego_ranking_sort(&r);
    for (int i = 0; !st && i < r.count; i++) st = ego_view_hit(v, r.at[i].doc, r.at[i].score, out);
    free(r.at);
    return st;
}
