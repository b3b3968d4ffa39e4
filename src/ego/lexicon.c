/* lexicon.c - the memory's own words by meaning: a vector for each token, so that a word of a question that nobody ever wrote down ("tankard") finds those
 * that were ("mug"). Only builds with an encoder fill it. Neighbours pass through the view: a word no visible row holds is not there. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { NEIGHBOURS = 8, CANDIDATES = 40, TOKEN_LEAST = 3, TOKEN_MOST = 24, ROWS_LEAST = 3 };

/* ---- filling ---- */

typedef struct {
    strmap *seen;
    ego_terms terms;
} collection;

static int collect(void *arg, const char *token, int size, int from, int to, bool colocated) {
    (void)from, (void)to, (void)colocated;
    collection *c = arg;
    bool fits = size >= TOKEN_LEAST && size <= TOKEN_MOST && !ego_stop_word(token, (size_t)size);
    if (fits && strmap_put(c->seen, token, (size_t)size, 1)) VEC_PUSH(&c->terms, mem_strndup(token, (size_t)size));
    return 0;
}

/* Drops the terms the table has already. */
static lmm_status keep_new(ego *e, ego_terms *t) {
    sqlite3_stmt *find;
    int kept = 0;
    lmm_status st = ego_prepare(e, &find, "SELECT 1 FROM lexicon WHERE term = ?1");
    if (st) return st;
    for (int i = 0; i < t->count; i++) {
        sqlite3_bind_text(find, 1, t->at[i], -1, SQLITE_STATIC);
        if (sqlite3_step(find) == SQLITE_ROW) free(t->at[i]);
        else t->at[kept++] = t->at[i];
        sqlite3_reset(find);
    }
    t->count = kept;
    sqlite3_finalize(find);
    return LMM_OK;
}

static lmm_status insert(ego *e, const ego_terms *t, const float *x) {
    sqlite3_stmt *s;
    ego_vector v;
    lmm_status st = ego_prepare(e, &s, "INSERT INTO lexicon VALUES(?1, ?2)");
    for (int i = 0; !st && i < t->count; i++) {
        ego_vector_pack(&v, 0, x + (size_t)i * EGO_WIDTH);
        sqlite3_bind_text(s, 1, t->at[i], -1, SQLITE_STATIC);
        sqlite3_bind_blob(s, 2, &v, sizeof v, SQLITE_STATIC);
        st = ego_step(e, s);
    }
    sqlite3_finalize(s);
    return st;
}

lmm_status ego_lexicon_add(ego *e, const lmm_model *encoder, const char *const *texts, int count) {
    if (!encoder) return LMM_OK;
    collection c = {strmap_new(), {0}};
    for (int i = 0; i < count; i++) ego_words(texts[i], strlen(texts[i]), collect, &c);
    lmm_status st = keep_new(e, &c.terms);
    float *x = mem_new((size_t)c.terms.count + 1, EGO_WIDTH * sizeof *x);
    if (!st && c.terms.count) st = ego_embed(encoder, (const char *const *)c.terms.at, c.terms.count, x);
    if (!st) st = insert(e, &c.terms, x);
    free(x);
    strmap_free(c.seen);
    ego_terms_free(&c.terms);
    return st;
}

/* ---- reading ---- */

lmm_status ego_lexicon_load(ego *e) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT term, vec FROM lexicon ORDER BY term");
    if (st) return st;
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (sqlite3_column_bytes(s, 1) != (int)sizeof(ego_vector)) continue;
        ego_word w = {mem_strdup((const char *)sqlite3_column_text(s, 0)), {0}};
        memcpy(&w.vector, sqlite3_column_blob(s, 1), sizeof w.vector);
        VEC_PUSH(&e->lexicon, w);
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

void ego_lexicon_drop(ego *e) {
    for (int i = 0; i < e->lexicon.count; i++) free(e->lexicon.at[i].term);
    free(e->lexicon.at);
    memset(&e->lexicon, 0, sizeof e->lexicon);
}

static int by_cosine(const void *a, const void *b) {
    const ego_near *x = a, *y = b;
    if (x->cosine > y->cosine || x->cosine < y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return strcmp(x->term, y->term);
}

/* Keeps of the nearest words those that visible rows hold. */
static lmm_status keep_visible(ego_view *v, ego_nears *all, ego_nears *out) {
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < all->count && i < CANDIDATES && out->count < NEIGHBOURS; i++) {
        ego_postings p = {0};
        st = ego_view_postings(v, all->at[i].term, &p);
        free(p.doc);
        all->at[i].rows = p.count;
        if (p.count >= ROWS_LEAST) VEC_PUSH(out, all->at[i]);
    }
    return st;
}

lmm_status ego_lexicon_near(ego_view *v, const float *x, double least, ego_nears *out) {
    ego *e = ego_view_store(v);
    ego_nears all = {0};
    for (int i = 0; i < e->lexicon.count; i++) {
        double cosine = (double)ego_vector_dot(&e->lexicon.at[i].vector, x);
        if (cosine >= least) VEC_PUSH(&all, ((ego_near){e->lexicon.at[i].term, cosine, 0}));
    }
    if (all.count) qsort(all.at, (size_t)all.count, sizeof *all.at, by_cosine);
    lmm_status st = keep_visible(v, &all, out);
    free(all.at);
    return st;
}
