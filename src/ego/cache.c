/* cache.c - what reading keeps in memory until the next write: times of all rows, and rows of the terms asked for. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

void ego_cache_drop(ego *e) {
    free(e->docs.at);
    memset(&e->docs, 0, sizeof e->docs);
    strmap_free(e->term);
    e->term = NULL;
    for (int i = 0; i < e->postings.count; i++) free(e->postings.at[i].doc);
    free(e->postings.at);
    memset(&e->postings, 0, sizeof e->postings);
    ego_lexicon_drop(e);
    free(e->segments.at);
    memset(&e->segments, 0, sizeof e->segments);
    if (e->vectors.path) file_map_close(&e->vectors);
    e->vectors = (file_map){0};
    free(e->vector_of);
    e->vector_of = NULL;
    e->vector_count = 0;
}

/* Only rows that build has indexed: id up to the mark of their kind. */
static lmm_status load_kind(ego *e, int kind, const char *sql, const char *mark) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, sql);
    if (st) return st;
    sqlite3_bind_int64(s, 1, ego_meta(e, mark, 0));
    while (sqlite3_step(s) == SQLITE_ROW) {
        ego_doc d = {((int64_t)kind << EGO_KIND_SHIFT) | sqlite3_column_int64(s, 0),
                     sqlite3_column_int64(s, 1),
                     sqlite3_column_int64(s, 2),
                     sqlite3_column_int64(s, 3),
                     sqlite3_column_int(s, 4),
                     1 + sqlite3_column_int(s, 5) / 6};
        VEC_PUSH(&e->docs, d);
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

lmm_status ego_cache_load(ego *e) {
    if (e->term) return LMM_OK;
    lmm_status st = load_kind(e, EGO_CAPTION, "SELECT id, t0, t1, known_t, stream_id, length(text) FROM caption WHERE id <= ?1 ORDER BY id",
                              "fts_caption");
    if (!st)
        st = load_kind(e, EGO_SPEECH, "SELECT id, t0, t1, known_t, stream_id, length(text) FROM utter WHERE id <= ?1 ORDER BY id",
                       "fts_utter");
    if (!st) st = ego_vectors_open(e);
    if (!st) st = ego_lexicon_load(e);
    if (st) ego_cache_drop(e);
    else e->term = strmap_new();
    return st;
}

int ego_doc_find(const ego *e, int64_t key) {
    int low = 0, high = e->docs.count;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (e->docs.at[mid].key < key) low = mid + 1;
        else high = mid;
    }
    return low < e->docs.count && e->docs.at[low].key == key ? low : -1;
}

static int by_doc(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

lmm_status ego_postings_of(ego *e, const char *term, ego_postings *out) {
    int at;
    if (strmap_get(e->term, term, strlen(term), &at)) {
        *out = e->postings.at[at];
        return LMM_OK;
    }
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT doc FROM terms WHERE term = ?1");
    if (st) return st;
    sqlite3_bind_text(s, 1, term, -1, SQLITE_STATIC);
    VEC(int) list = {0};
    while (sqlite3_step(s) == SQLITE_ROW) {
        int doc = ego_doc_find(e, sqlite3_column_int64(s, 0));
        if (doc >= 0 && (!list.count || list.at[list.count - 1] != doc)) VEC_PUSH(&list, doc);
    }
    sqlite3_finalize(s);
    if (list.count) qsort(list.at, (size_t)list.count, sizeof *list.at, by_doc);
    int unique = 0;
    for (int i = 0; i < list.count; i++)
        if (!i || list.at[i] != list.at[i - 1]) list.at[unique++] = list.at[i];
    *out = (ego_postings){list.at, unique};
    strmap_put(e->term, term, strlen(term), e->postings.count);
    VEC_PUSH(&e->postings, *out);
    return LMM_OK;
}
