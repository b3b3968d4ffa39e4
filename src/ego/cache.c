/* cache.c - what reading keeps in memory until the next write: times of all rows, and rows of the terms asked for. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

static void acquaintance_free(ego_acquaintance *a) {
    for (int i = 0; i < a->ties.count; i++) free(a->ties.at[i].name), free(a->ties.at[i].rows.doc);
    free(a->ties.at), free(a->rows.doc);
}

void ego_cache_drop(ego *e) {
    free(e->docs.at);
    memset(&e->docs, 0, sizeof e->docs);
    strmap_free(e->term);
    e->term = NULL;
    for (int i = 0; i < e->postings.count; i++) free(e->postings.at[i].doc);
    free(e->postings.at);
    memset(&e->postings, 0, sizeof e->postings);
    for (int i = 0; i < e->people.count; i++) acquaintance_free(&e->people.at[i]);
    free(e->people.at);
    memset(&e->people, 0, sizeof e->people);
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

static int find_between(const ego *e, int64_t key, int low, int high) {
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (e->docs.at[mid].key < key) low = mid + 1;
        else high = mid;
    }
    return low < e->docs.count && e->docs.at[low].key == key ? low : -1;
}

int ego_doc_find(const ego *e, int64_t key) { return find_between(e, key, 0, e->docs.count); }

/* Keys of a list mostly come in order: the next is looked for from the last on, in steps that double. */
static int find_after(const ego *e, int64_t key, int last) {
    int high = last, step = 1;
    if (last >= e->docs.count || e->docs.at[last].key > key) return ego_doc_find(e, key);
    while (high < e->docs.count && e->docs.at[high].key < key) last = high, high += step, step *= 2;
    return find_between(e, key, last, min_int(high + 1, e->docs.count));
}

static int by_doc(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Rows of the keys a statement gives, ascending. */
static ego_postings read_keys(const ego *e, sqlite3_stmt *s) {
    VEC(int) list = {0};
    bool sorted = true;
    int last = 0;
    while (sqlite3_step(s) == SQLITE_ROW) {
        int doc = find_after(e, sqlite3_column_int64(s, 0), last);
        if (doc < 0) continue;
        last = doc;
        sorted &= !list.count || list.at[list.count - 1] <= doc;
        VEC_PUSH(&list, doc);
    }
    if (!sorted) qsort(list.at, (size_t)list.count, sizeof *list.at, by_doc);
    return (ego_postings){list.at, list.count};
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
    ego_postings all = read_keys(e, s);
    sqlite3_finalize(s);
    int unique = 0;
    for (int i = 0; i < all.count; i++)
        if (!i || all.doc[i] != all.doc[i - 1]) all.doc[unique++] = all.doc[i];
    *out = (ego_postings){all.doc, unique};
    strmap_put(e->term, term, strlen(term), e->postings.count);
    VEC_PUSH(&e->postings, *out);
    return LMM_OK;
}

static lmm_status read_rows(ego *e, ego_acquaintance *a) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT doc FROM obs WHERE entity_id = ?1 ORDER BY doc");
    if (st) return st;
    sqlite3_bind_int64(s, 1, a->id);
    a->rows = read_keys(e, s);
    sqlite3_finalize(s);
    return LMM_OK;
}

static lmm_status read_ties(ego *e, ego_acquaintance *a) {
    sqlite3_stmt *names, *rows;
    lmm_status st = ego_prepare(e, &names, "SELECT id, name FROM entity WHERE id IN (SELECT dst FROM edge WHERE src = ?1) ORDER BY id");
    if (st) return st;
    st = ego_prepare(e, &rows, "SELECT doc FROM edge WHERE src = ?1 AND dst = ?2 ORDER BY doc");
    sqlite3_bind_int64(names, 1, a->id);
    while (!st && sqlite3_step(names) == SQLITE_ROW) {
        ego_tie t = {sqlite3_column_int64(names, 0), mem_strdup((const char *)sqlite3_column_text(names, 1)), {0}};
        sqlite3_bind_int64(rows, 1, a->id);
        sqlite3_bind_int64(rows, 2, t.id);
        t.rows = read_keys(e, rows);
        sqlite3_reset(rows);
        VEC_PUSH(&a->ties, t);
    }
    sqlite3_finalize(rows);
    sqlite3_finalize(names);
    return st;
}

lmm_status ego_acquaintance_of(ego *e, int64_t entity, const ego_acquaintance **out) {
    for (int i = 0; i < e->people.count; i++)
        if (e->people.at[i].id == entity) return *out = &e->people.at[i], LMM_OK;
    ego_acquaintance a = {.id = entity};
    lmm_status st = read_rows(e, &a);
    if (!st) st = read_ties(e, &a);
    if (st) return acquaintance_free(&a), st;
    VEC_PUSH(&e->people, a);
    *out = &e->people.at[e->people.count - 1];
    return LMM_OK;
}
