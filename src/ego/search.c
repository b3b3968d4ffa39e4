/* search.c - rows for a query: BM25 over words, cosine over vectors, people named in it; joined by reciprocal ranks (k = 60).
 *
 * BM25 with k1 1.2, b 0.75; document frequencies are those of the view. Ties go to the later row. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { LIST_MAX = 50, RRF_K = 60 };

/* Of equal scores the later row first. */
static int by_score(const void *a, const void *b) {
    const ego_scored *x = a, *y = b;
    if (x->score > y->score || x->score < y->score) return x->score > y->score ? -1 : 1;
    return (x->doc < y->doc) - (x->doc > y->doc);
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

static void cut(ego_ranking *r, int most) {
    if (r->count) qsort(r->at, (size_t)r->count, sizeof *r->at, by_score);
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
        if (score[d] > 0 && in_spans(&e->docs.at[d], spans)) VEC_PUSH(out, ((ego_scored){d, score[d]}));
    free(score);
    ego_terms_free(&terms);
    return st;
}

static lmm_status rank_dense(ego_view *v, const char *text, const ego_search_opts *o, ego_ranking *out) {
    ego *e = ego_view_store(v);
    float x[EGO_WIDTH];
    lmm_status st = ego_embed(o->encoder, &text, 1, x);
    for (int d = 0; !st && d < e->docs.count; d++) {
        const ego_vector *q = ego_vector_at(e, d);
        if (q && ego_view_sees(v, d) && in_spans(&e->docs.at[d], o->spans)) VEC_PUSH(out, ((ego_scored){d, (double)ego_vector_dot(q, x)}));
    }
    return st;
}

/* Rows that a named person is in, best first by how many of the query's people they hold, then by neighbourhood: people seen with them count half. */
static lmm_status rank_people(ego_view *v, const char *text, const ego_spans *spans, ego_ranking *out) {
    ego *e = ego_view_store(v);
    double *score = mem_new((size_t)e->docs.count + 1, sizeof *score);
    sqlite3_stmt *near = NULL, *rows = NULL;
    lmm_status st =
        ego_prepare(e, &near,
                    "SELECT id, 1.0 FROM entity WHERE instr(?1, ' ' || lower(name) || ' ') AND known_t <= ?2 UNION ALL SELECT * FROM"
                    " (SELECT dst, 0.5 * count(*) / (count(*) + 20.0) FROM edge WHERE known_t <= ?2 AND src IN"
                    " (SELECT id FROM entity WHERE instr(?1, ' ' || lower(name) || ' ')) GROUP BY dst ORDER BY 2 DESC, 1 LIMIT 3)");
    if (!st) st = ego_prepare(e, &rows, "SELECT doc FROM obs WHERE entity_id = ?1 AND known_t <= ?2 ORDER BY t0 DESC LIMIT 4000");
    buf spaced = {0};
    buf_putc(&spaced, ' ');
    for (const char *p = text; *p; p++) buf_putc(&spaced, isalnum((unsigned char)*p) || *p & 0x80 ? (char)tolower((unsigned char)*p) : ' ');
    buf_putc(&spaced, ' ');
    if (!st) {
        sqlite3_bind_text(near, 1, spaced.data, -1, SQLITE_STATIC);
        sqlite3_bind_int64(near, 2, ego_view_cut(v));
        while (sqlite3_step(near) == SQLITE_ROW) {
            sqlite3_bind_int64(rows, 1, sqlite3_column_int64(near, 0));
            sqlite3_bind_int64(rows, 2, ego_view_cut(v));
            while (sqlite3_step(rows) == SQLITE_ROW) {
                int d = ego_doc_find(e, sqlite3_column_int64(rows, 0));
                if (d >= 0 && ego_view_sees(v, d)) score[d] += sqlite3_column_double(near, 1);
            }
            sqlite3_reset(rows);
        }
    }
    for (int d = 0; !st && d < e->docs.count; d++)
        if (score[d] > 0 && in_spans(&e->docs.at[d], spans)) VEC_PUSH(out, ((ego_scored){d, score[d]}));
    sqlite3_finalize(near), sqlite3_finalize(rows);
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
        if (total[d] > 0) VEC_PUSH(out, ((ego_scored){d, total[d]}));
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
