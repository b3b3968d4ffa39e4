/* lexicon.c - the memory's own words and phrases by meaning: a vector for each, so that what a question says in words nobody ever wrote down finds the
 * words that were. Only builds with an encoder fill it. Neighbours pass through the view: what no visible row holds is not there. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { NEIGHBOURS = 8, TOKEN_LEAST = 3, TOKEN_MOST = 24, ROWS_LEAST = 3 };

static const double LONE = 0.93; /* several words are rather a phrase of the memory than one word */

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

/* Takes the terms over. */
static lmm_status add(ego *e, const lmm_model *encoder, ego_terms *t) {
    lmm_status st = keep_new(e, t);
    float *x = mem_new((size_t)t->count + 1, EGO_WIDTH * sizeof *x);
    if (!st && t->count) st = ego_embed(encoder, (const char *const *)t->at, t->count, x);
    if (!st) st = insert(e, t, x);
    free(x);
    ego_terms_free(t);
    return st;
}

lmm_status ego_lexicon_add(ego *e, const lmm_model *encoder, const char *const *texts, int count) {
    if (!encoder) return LMM_OK;
    collection c = {strmap_new(), {0}};
    for (int i = 0; i < count; i++) ego_words(texts[i], strlen(texts[i]), collect, &c);
    strmap_free(c.seen);
    return add(e, encoder, &c.terms);
}

lmm_status ego_lexicon_phrases(ego *e, const lmm_model *encoder) {
    if (!encoder) return LMM_OK;
    ego_terms t = {0};
    lmm_status st = ego_begin(e);
    if (!st) st = ego_phrases_find(e, &t);
    if (!st) st = add(e, encoder, &t);
    if (!st) return ego_commit(e);
    if (e->pending) ego_rollback(e);
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

/* Of a word or phrase: how many visible rows hold it; 0 when there are too few of them. */
static lmm_status visible_rows(ego_view *v, const char *term, int *out) {
    ego_postings p = {0};
    bool enough = true;
    lmm_status st = ego_phrase_postings(v, term, &p);
    if (!st && p.count >= ROWS_LEAST && strchr(term, ' ')) st = ego_phrase_seen(v, term, &p, &enough);
    *out = p.count >= ROWS_LEAST && enough ? p.count : 0;
    free(p.doc);
    return st;
}

static int by_cosine(const void *a, const void *b) {
    const ego_near *x = a, *y = b;
    if (x->cosine > y->cosine || x->cosine < y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return strcmp(x->term, y->term);
}

lmm_status ego_lexicon_near(ego_view *v, const float *x, const ego_near_opts *o, ego_nears *out) {
    ego *e = ego_view_store(v);
    lmm_status st = LMM_OK;
    ego_nears all = {0};
    for (int i = 0; i < e->lexicon.count; i++) {
        const ego_word *w = &e->lexicon.at[i];
        if ((!o->phrases && strchr(w->term, ' ')) || (o->said && ego_phrase_within(w->term, o->said))) continue;
        double cosine = (double)ego_vector_dot(&w->vector, x) * (o->phrases && !strchr(w->term, ' ') ? LONE : 1);
        if (cosine >= o->least) VEC_PUSH(&all, ((ego_near){w->term, cosine, 0}));
    }
    if (all.count) qsort(all.at, (size_t)all.count, sizeof *all.at, by_cosine);
    for (int i = 0; !st && i < all.count && out->count < (o->count ? o->count : NEIGHBOURS); i++) {
        st = visible_rows(v, all.at[i].term, &all.at[i].rows);
        if (!st && all.at[i].rows) VEC_PUSH(out, all.at[i]);
    }
    free(all.at);
    return st;
}
