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

void ego_ranking_add(ego_ranking *r, const ego *e, int doc, double score) { VEC_PUSH(r, ((ego_scored){doc, score, e->docs.at[doc].t0})); }

void ego_ranking_sort(ego_ranking *r) {
    if (r->count) qsort(r->at, (size_t)r->count, sizeof *r->at, by_score);
}

static bool in_spans(const ego_doc *d, const ego_spans *spans) {
    if (!spans || !spans->count) return true;
    for (int i = 0; i < spans->count; i++)
        if (d->t1 >= spans->at[i].from && d->t0 <= spans->at[i].to) return true;
    return false;
}

static void cut(ego_ranking *r, int most) {
    ego_ranking_sort(r);
    r->count = min_int(r->count, most);
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
    for (int d = 0; !st && d < e->docs.count; d++)
        if (score[d] > 0 && in_spans(&e->docs.at[d], spans)) ego_ranking_add(out, e, d, score[d]);
    free(score);
    ego_terms_free(&terms);
    return st;
}

static lmm_status rank_dense(ego_view *v, const char *text, const ego_search_opts *o, ego_ranking *out) {
    ego *e = ego_view_store(v);
    float x[EGO_WIDTH];
    if (!ego_vectors_fit(e, o->encoder)) return LMM_OK; /* vectors of another kind say nothing: words alone decide */
    lmm_status st = ego_embed(o->encoder, &text, 1, x);
    for (int d = 0; !st && d < e->docs.count; d++) {
        const ego_vector *q = ego_vector_at(e, d);
        if (q && ego_view_sees(v, d) && in_spans(&e->docs.at[d], o->spans)) ego_ranking_add(out, e, d, (double)ego_vector_dot(q, x));
    }
    return st;
}

/* ---- people: rows they are in, and rows of those seen with them ---- */

typedef struct {
    int64_t id;
    char *name;
    int count;
} companion;
typedef VEC(companion) companions;

static int by_company(const void *a, const void *b) {
    const companion *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->name, y->name);
}

/* Adds `weight` to the visible rows a person is in. */
static lmm_status score_person(ego_view *v, int64_t person, double weight, double *score) {
    ego *e = ego_view_store(v);
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT doc FROM obs WHERE entity_id = ?1");
    if (st) return st;
    sqlite3_bind_int64(s, 1, person);
    while (sqlite3_step(s) == SQLITE_ROW) {
        int d = ego_doc_find(e, sqlite3_column_int64(s, 0));
        if (d >= 0 && ego_view_sees(v, d)) score[d] += weight;
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

/* Whom visible rows show with a person; free each name and .at. */
static lmm_status companions_of(ego_view *v, int64_t person, companions *out) {
    ego *e = ego_view_store(v);
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT dst, name, doc FROM edge JOIN entity ON entity.id = dst WHERE src = ?1 ORDER BY dst");
    if (st) return st;
    sqlite3_bind_int64(s, 1, person);
    while (sqlite3_step(s) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(s, 0);
        int d = ego_doc_find(e, sqlite3_column_int64(s, 2));
        if (d < 0 || !ego_view_sees(v, d)) continue;
        if (!out->count || out->at[out->count - 1].id != id)
            VEC_PUSH(out, ((companion){id, mem_strdup((const char *)sqlite3_column_text(s, 1)), 0}));
        out->at[out->count - 1].count++;
    }
    sqlite3_finalize(s);
    if (out->count) qsort(out->at, (size_t)out->count, sizeof *out->at, by_company);
    return LMM_OK;
}

static lmm_status score_with_company(ego_view *v, int64_t person, double *score) {
    companions c = {0};
    lmm_status st = score_person(v, person, 1.0, score);
    if (!st) st = companions_of(v, person, &c);
    for (int i = 0; !st && i < c.count && i < COMPANIONS; i++)
        st = score_person(v, c.at[i].id, 0.5 * c.at[i].count / (c.at[i].count + 20.0), score);
    for (int i = 0; i < c.count; i++) free(c.at[i].name);
    free(c.at);
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
    for (int d = 0; !st && d < e->docs.count; d++)
        if (score[d] > 0 && in_spans(&e->docs.at[d], spans)) ego_ranking_add(out, e, d, score[d]);
    sqlite3_finalize(named);
    buf_free(&spaced);
    free(score);
    return st;
}

static void fuse(double *total, ego_ranking *r, double weight) {
    cut(r, LIST_MAX);
    for (int i = 0; i < r->count; i++) total[r->at[i].doc] += weight / (RRF_K + i + 1);
    free(r->at);
    *r = (ego_ranking){0};
}

static lmm_status fused(ego_view *v, const char *query, const ego_search_opts *o, ego_ranking *out) {
    ego *e = ego_view_store(v);
    double *total = mem_new((size_t)e->docs.count + 1, sizeof *total);
    ego_ranking r = {0};
    lmm_status st = rank_bm25(v, query, o->spans, &r);
    fuse(total, &r, 1.0);
    if (!st) st = rank_dense(v, query, o, &r);
    fuse(total, &r, 0.8);
    if (!st) st = rank_people(v, query, o->spans, &r);
    fuse(total, &r, 0.3);
    for (int i = 0; !st && i < o->also_count; i++) {
        st = rank_bm25(v, o->also[i], o->spans, &r);
        fuse(total, &r, 0.5);
    }
    for (int d = 0; !st && d < e->docs.count; d++)
        if (total[d] > 0) ego_ranking_add(out, e, d, total[d]);
    free(total);
    return st;
}

lmm_status ego_search(ego_view *v, const char *query, const ego_search_opts *o, ego_hits *out) {
    ego_ranking r = {0};
    lmm_status st = o->rank == EGO_BM25    ? rank_bm25(v, query, o->spans, &r)
                    : o->rank == EGO_DENSE ? rank_dense(v, query, o, &r)
                                           : fused(v, query, o, &r);
    cut(&r, o->count ? o->count : 10);
    for (int i = 0; !st && i < r.count; i++) st = ego_view_hit(v, r.at[i].doc, r.at[i].score, out);
    free(r.at);
    return st;
}
