/* answer.c - which rows the reader gets: ours, and three baselines on the same captions with the same reader.
 *
 * Ours: all rows that hold the question's words, weighed by rarity, plus rows that hold an option's words; operators need all of them, not the best ten.
 * EgoRAG, as published (arXiv 2503.03803): "last" questions take the most recent relevant of the 50 nearest sentences with its neighbours; all others choose one
 * day, then one hour, then three sentences in it. Each choice was a language model's; here it is the nearest by cosine, on the same captions and vectors. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum {
    ROWS_MAX = 1500,
    OPTION_ROWS_MAX = 300,
    NEAR_ROWS_MAX = 400,
    NEAR_OPTION_MAX = 60,
    RAG_TOP = 50,
    RAG_KEEP = 3,
    RAG_SIDE_MS = 15 * EGO_SECOND,
    RAG_MARGIN_MS = 5 * EGO_MINUTE,
    RAG_HOUR_ROWS = 2000,
    PLAIN_TOP = 10
};

const char *ego_system_name(ego_system s) {
    static const char *const names[EGO_SYSTEMS] = {"ours", "egorag", "bm25", "dense", "nothing"};
    return names[s];
}

/* The rows nearest to a text by vector. */
static lmm_status mark_near(ego_view *v, const char *text, const lmm_model *encoder, int most, bool *taken) {
    ego_hits h = {0};
    lmm_status st = ego_search(v, text, &(ego_search_opts){.rank = EGO_DENSE, .count = most, .encoder = encoder}, &h);
    for (int i = 0; i < h.count; i++) taken[h.at[i].doc] = true;
    ego_hits_free(&h);
    return st;
}

/* Adds to each visible row what the best of a unit's words it holds is worth. */
static lmm_status add_unit(ego_view *v, const ego_unit *u, double *score) {
    int rows = ego_view_store(v)->docs.count;
    double *best = mem_new((size_t)rows + 1, sizeof *best);
    lmm_status st = LMM_OK;
    for (int k = 0; !st && k < u->terms.count; k++) {
        ego_postings p = {0};
        st = ego_phrase_postings(v, u->terms.at[k].term, &p);
        for (int i = 0; i < p.count; i++) best[p.doc[i]] = fmax(best[p.doc[i]], u->terms.at[k].share);
        free(p.doc);
    }
    for (int d = 0; d < rows; d++) score[d] += u->weight * best[d];
    free(best);
    return st;
}

/* The `most` heaviest visible rows of a text's words; taken[doc] marks them. */
static lmm_status mark_rows(ego_view *v, const char *text, const lmm_model *encoder, int most, bool all_words, bool *taken) {
    ego *e = ego_view_store(v);
    ego_query q = {0};
    double *score = mem_new((size_t)e->docs.count + 1, sizeof *score), sum = 0;
    ego_ranking r = {.most = most};
    lmm_status st = ego_query_of(&q, v, encoder, text, !all_words);
    for (int i = 0; !st && i < q.count; i++) {
        sum += q.at[i].weight;
        st = add_unit(v, &q.at[i], score);
    }
    for (int d = e->docs.count - 1; !st && d >= 0; d--)
        if (score[d] > 0 && (!all_words || score[d] > sum - 1e-9)) ego_ranking_add(&r, e, d, score[d]);
    for (int i = 0; i < r.count; i++) taken[r.at[i].doc] = true;
    free(r.at), free(score);
    ego_query_free(&q);
    return st;
}

static lmm_status gather_ours(ego_view *v, const ego_question *q, const lmm_model *encoder, ego_hits *out) {
    ego *e = ego_view_store(v);
    bool *taken = mem_new((size_t)e->docs.count + 1, sizeof *taken);
    lmm_status st = mark_rows(v, q->question, encoder, ROWS_MAX, false, taken);
    for (int i = 0; !st && i < q->option_count; i++) st = mark_rows(v, q->options[i], encoder, OPTION_ROWS_MAX, true, taken);
    if (!st) st = mark_near(v, q->question, encoder, NEAR_ROWS_MAX, taken);
    for (int i = 0; !st && encoder && i < q->option_count; i++) st = mark_near(v, q->options[i], encoder, NEAR_OPTION_MAX, taken);
    for (int d = 0; !st && d < e->docs.count; d++)
        if (taken[d]) st = ego_view_hit(v, d, 0, out);
    free(taken);
    return st;
}

/* ---- EgoRAG ---- */

/* The vector of a summary by its row; on loan until the next one is asked for. */
static lmm_status segment_vector(ego *e, int64_t id, const char *text, const lmm_model *encoder, const float **out) {
    for (int i = 0; i < e->segments.count; i++)
        if (e->segments.at[i].id == id && e->segments.at[i].encoder == encoder) return *out = e->segments.at[i].x, LMM_OK;
    ego_seg_vector fresh = {.id = id, .encoder = encoder};
    lmm_status st = ego_embed(encoder, &text, 1, fresh.x);
    if (st) return st;
    VEC_PUSH(&e->segments, fresh);
    *out = e->segments.at[e->segments.count - 1].x;
    return LMM_OK;
}

/* The span of the summary nearest to the query among the wearer's of one length inside [from, to); false: none. */
static lmm_status nearest_segment(ego_view *v, int level, ego_span inside, const float *query, const lmm_model *encoder, ego_span *out,
                                  double *similarity) {
    sqlite3_stmt *s;
    ego *e = ego_view_store(v);
    lmm_status st =
        ego_prepare(e, &s,
                    "SELECT t0, t1, text, id FROM seg WHERE stream_id = ?1 AND level = ?2 AND t0 >= ?3 AND t1 <= ?4 AND known_t <= "
                    "?5 ORDER BY t0");
    if (st) return st;
    sqlite3_bind_int(s, 1, ego_view_wearer(v));
    sqlite3_bind_int(s, 2, level);
    sqlite3_bind_int64(s, 3, inside.from);
    sqlite3_bind_int64(s, 4, inside.to);
    sqlite3_bind_int64(s, 5, ego_view_cut(v));
    while (!st && sqlite3_step(s) == SQLITE_ROW) {
        const float *x;
        double dot = 0;
        st = segment_vector(e, sqlite3_column_int64(s, 3), (const char *)sqlite3_column_text(s, 2), encoder, &x);
        for (int i = 0; !st && i < EGO_WIDTH; i++) dot += (double)x[i] * (double)query[i];
        if (!st && dot > *similarity) *similarity = dot, *out = (ego_span){sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)};
    }
    sqlite3_finalize(s);
    return st;
}

/* The hour that is not over yet has no stored summary; EgoRAG makes one when it is asked. */
static lmm_status current_hour(ego_view *v, const float *query, const lmm_model *encoder, ego_span *out, double *similarity) {
    const ego_span hour = {ego_view_cut(v) / EGO_HOUR * EGO_HOUR, ego_view_cut(v)};
    ego_hits rows = {0};
    buf text = {0};
    lmm_status st = ego_timeline(v, hour.from, hour.to, RAG_HOUR_ROWS, &rows);
    const char **texts = mem_new((size_t)rows.count + 1, sizeof *texts);
    for (int i = 0; i < rows.count; i++) texts[i] = rows.at[i].text;
    ego_digest(texts, rows.count, &text);
    const char *digest = text.size ? text.data : "";
    float x[EGO_WIDTH];
    double dot = 0;
    if (!st) st = ego_embed_kept(ego_view_store(v), encoder, &digest, 1, x);
    for (int i = 0; !st && i < EGO_WIDTH; i++) dot += (double)x[i] * (double)query[i];
    if (!st && rows.count && dot > *similarity) *similarity = dot, *out = hour;
    ego_hits_free(&rows);
    buf_free(&text);
    free(texts);
    return st;
}

/* Of each hit, the rows at most `side` before or after it in time, inside the 30 s around it. */
static lmm_status with_neighbours(ego_view *v, const ego_hits *hits, int side, ego_hits *out) {
    ego *e = ego_view_store(v);
    bool *taken = mem_new((size_t)e->docs.count + 1, sizeof *taken);
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < hits->count; i++) {
        ego_hits near = {0};
        int at = -1;
        st = ego_timeline(v, hits->at[i].t0 - RAG_SIDE_MS, hits->at[i].t0 + RAG_SIDE_MS, INT32_MAX, &near);
        for (int k = 0; k < near.count; k++)
            if (near.at[k].doc == hits->at[i].doc) at = k;
        for (int k = max_int(0, at - side); at >= 0 && k < near.count && k <= at + side; k++) taken[near.at[k].doc] = true;
        ego_hits_free(&near);
    }
    for (int d = 0; !st && d < e->docs.count; d++)
        if (taken[d]) st = ego_view_hit(v, d, 0, out);
    free(taken);
    return st;
}

/* The most recent relevant one of the 50 nearest, until five minutes before the question; a sentence on either side. */
static lmm_status gather_recent(ego_view *v, const ego_question *q, const lmm_model *encoder, ego_hits *out) {
    ego_hits top = {0}, one = {0};
    ego_span until = {0, ego_view_cut(v) - RAG_MARGIN_MS};
    ego_spans inside = {&until, 1, 1};
    lmm_status st =
        ego_search(v, q->question, &(ego_search_opts){.rank = EGO_DENSE, .count = RAG_TOP, .encoder = encoder, .spans = &inside}, &top);
    /* "Relevant" was a language model's word; here: within 0.8 of the nearest. */
    int latest = -1;
    for (int i = 0; i < top.count; i++)
        if (top.at[i].score >= 0.8 * top.at[0].score && (latest < 0 || top.at[i].t0 > top.at[latest].t0)) latest = i;
    if (!st && latest >= 0) {
        VEC_PUSH(&one, top.at[latest]); /* shares its strings with top */
        st = with_neighbours(v, &one, 1, out);
    }
    free(one.at);
    ego_hits_free(&top);
    return st;
}

/* One day, by the summaries of past days, of today's hours and of the hour that runs; one hour of it; its three nearest sentences with their clip. */
static lmm_status gather_day(ego_view *v, const ego_question *q, const lmm_model *encoder, ego_hits *out) {
    float query[EGO_WIDTH];
    ego_span day = {0, 0}, hour = {0, 0};
    ego_hits top = {0};
    double best = -2, best_hour = -2;
    int64_t today = ego_view_cut(v) / EGO_DAY * EGO_DAY;
    lmm_status st = ego_embed_kept(ego_view_store(v), encoder, &q->question, 1, query);
    if (!st) st = nearest_segment(v, 86400, (ego_span){0, INT64_MAX / 2}, query, encoder, &day, &best);
    if (!st) st = nearest_segment(v, 3600, (ego_span){today, INT64_MAX / 2}, query, encoder, &day, &best);
    if (!st) st = current_hour(v, query, encoder, &day, &best);
    int64_t start = day.from / EGO_DAY * EGO_DAY;
    if (!st && day.to) st = nearest_segment(v, 3600, (ego_span){start, start + EGO_DAY}, query, encoder, &hour, &best_hour);
    if (!st && start == today) st = current_hour(v, query, encoder, &hour, &best_hour);
    if (!hour.to) hour = day.to ? day : (ego_span){today, ego_view_cut(v)};
    ego_spans inside = {&hour, 1, 1};
    if (!st)
        st = ego_search(v, q->question, &(ego_search_opts){.rank = EGO_DENSE, .count = RAG_KEEP, .encoder = encoder, .spans = &inside},
                        &top);
    if (!st) st = with_neighbours(v, &top, 10, out);
    ego_hits_free(&top);
    return st;
}

static lmm_status gather_egorag(ego_view *v, const ego_question *q, const lmm_model *encoder, ego_hits *out) {
    buf lower = {0};
    for (const char *p = q->question; *p; p++) buf_putc(&lower, (char)tolower((unsigned char)*p));
    bool last = lower.size && (strstr(lower.data, "last time") || strstr(lower.data, "the last"));
    buf_free(&lower);
    return last ? gather_recent(v, q, encoder, out) : gather_day(v, q, encoder, out);
}

lmm_status ego_ask(ego_view *v, const ego_question *q, ego_system s, const lmm_model *encoder, ego_answer *out) {
    ego_hits evidence = {0};
    lmm_status st = LMM_OK;
    if (!*q->question) return LMM_FAIL(LMM_E_ARG, "the question is empty");
    if (s == EGO_OURS) st = gather_ours(v, q, encoder, &evidence);
    else if (s == EGO_EGORAG) st = gather_egorag(v, q, encoder, &evidence);
    else if (s != EGO_NOTHING)
        st = ego_search(v, q->question,
                        &(ego_search_opts){.rank = s == EGO_ONLY_BM25 ? EGO_BM25 : EGO_DENSE, .count = PLAIN_TOP, .encoder = encoder},
                        &evidence);
    if (!st) st = ego_read(v, q, &evidence, encoder, out);
    ego_hits_free(&evidence);
    return st;
}
