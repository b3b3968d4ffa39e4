/* lexicon.c - the memory's own words and phrases by meaning: a vector for each, so that what a question says in words nobody ever wrote down finds the
 * words that were. Only builds with an encoder fill it. Neighbours pass through the view: what no visible row holds is not there. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { NEIGHBOURS = 8, EMBED_MAX = 4096 };

static const double LONE = 0.93; /* several words are rather a phrase of the memory than one word */

/* ---- filling ---- */

typedef struct {
    char *said;
    int term;
} saying;
typedef struct {
    strmap *said, *number; /* of a term in terms */
    VEC(saying) sayings;
    ego_terms terms;
    VEC(int) times; /* by number */
} collection;

/* A phrase twice in one row counts twice; readers count rows. */
static int collect(void *arg, const char *term, const char *said) {
    collection *c = arg;
    int at = c->terms.count;
    if (strmap_put(c->number, term, strlen(term), at)) {
        VEC_PUSH(&c->terms, mem_strdup(term));
        VEC_PUSH(&c->times, 0);
    } else strmap_get(c->number, term, strlen(term), &at);
    c->times.at[at]++;
    if (strmap_put(c->said, said, strlen(said), 1)) VEC_PUSH(&c->sayings, ((saying){mem_strdup(said), at}));
    return 0;
}

static bool counts(const collection *c, const saying *s) {
    return !strchr(c->terms.at[s->term], ' ') || c->times.at[s->term] >= EGO_SAID_LEAST;
}

static lmm_status collect_all(ego *e, collection *c) {
    sqlite3_stmt *s;
    *c = (collection){.said = strmap_new(), .number = strmap_new()};
    lmm_status st = ego_prepare(e, &s, "SELECT text FROM doc ORDER BY rowid");
    if (st) return st;
    while (sqlite3_step(s) == SQLITE_ROW) ego_sayings_of((const char *)sqlite3_column_text(s, 0), collect, c);
    sqlite3_finalize(s);
    return LMM_OK;
}

static void collection_free(collection *c) {
    for (int i = 0; i < c->sayings.count; i++) free(c->sayings.at[i].said);
    strmap_free(c->said), strmap_free(c->number);
    ego_terms_free(&c->terms);
    free(c->sayings.at), free(c->times.at);
}

/* Keeps those that count and that the table has not yet. */
static lmm_status keep_new(ego *e, collection *c) {
    sqlite3_stmt *find;
    int kept = 0;
    lmm_status st = ego_prepare(e, &find, "SELECT 1 FROM lexicon WHERE said = ?1");
    if (st) return st;
    for (int i = 0; i < c->sayings.count; i++) {
        saying *s = &c->sayings.at[i];
        sqlite3_bind_text(find, 1, s->said, -1, SQLITE_STATIC);
        if (!counts(c, s) || sqlite3_step(find) == SQLITE_ROW) free(s->said);
        else c->sayings.at[kept++] = *s;
        sqlite3_reset(find);
    }
    c->sayings.count = kept;
    sqlite3_finalize(find);
    return LMM_OK;
}

static lmm_status insert(ego *e, const collection *c, const saying *s, int count, const float *x) {
    sqlite3_stmt *q;
    ego_vector v;
    lmm_status st = ego_prepare(e, &q, "INSERT INTO lexicon VALUES(?1, ?2, ?3)");
    for (int i = 0; !st && i < count; i++) {
        ego_vector_pack(&v, 0, x + (size_t)i * EGO_WIDTH);
        sqlite3_bind_text(q, 1, s[i].said, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 2, c->terms.at[s[i].term], -1, SQLITE_STATIC);
        sqlite3_bind_blob(q, 3, &v, sizeof v, SQLITE_STATIC);
        st = ego_step(e, q);
    }
    sqlite3_finalize(q);
    return st;
}

static lmm_status embed_new(ego *e, const lmm_model *encoder, const collection *c) {
    const char **texts = mem_new(EMBED_MAX, sizeof *texts);
    float *x = mem_new(EMBED_MAX, EGO_WIDTH * sizeof *x);
    lmm_status st = LMM_OK;
    for (int from = 0; !st && from < c->sayings.count; from += EMBED_MAX) {
        int n = min_int(EMBED_MAX, c->sayings.count - from);
        for (int i = 0; i < n; i++) texts[i] = c->sayings.at[from + i].said;
        st = ego_embed(encoder, texts, n, x);
        if (!st) st = insert(e, c, c->sayings.at + from, n, x);
    }
    free(x), free(texts);
    return st;
}

lmm_status ego_lexicon_fill(ego *e, const lmm_model *encoder) {
    if (!encoder) return LMM_OK;
    collection c = {0};
    lmm_status st = ego_begin(e);
    if (!st) st = collect_all(e, &c);
    if (!st) st = keep_new(e, &c);
    if (!st) st = embed_new(e, encoder, &c);
    collection_free(&c);
    if (!st) return ego_commit(e);
    if (e->pending) ego_rollback(e);
    return st;
}

lmm_status ego_lexicon_forget(ego *e) {
    collection c = {0};
    sqlite3_stmt *all = NULL, *drop = NULL;
    strmap *kept = strmap_new();
    lmm_status st = ego_prepare(e, &all, "SELECT rowid, said FROM lexicon");
    if (!st) st = ego_prepare(e, &drop, "DELETE FROM lexicon WHERE rowid = ?1");
    if (!st) st = collect_all(e, &c);
    for (int i = 0; i < c.sayings.count; i++)
        if (counts(&c, &c.sayings.at[i])) strmap_put(kept, c.sayings.at[i].said, strlen(c.sayings.at[i].said), 1);
    while (!st && sqlite3_step(all) == SQLITE_ROW) {
        int there;
        const char *said = (const char *)sqlite3_column_text(all, 1);
        if (strmap_get(kept, said, strlen(said), &there)) continue;
        sqlite3_bind_int64(drop, 1, sqlite3_column_int64(all, 0));
        st = ego_step(e, drop);
    }
    sqlite3_finalize(drop);
    sqlite3_finalize(all);
    strmap_free(kept);
    collection_free(&c);
    return st;
}

/* ---- reading ---- */

lmm_status ego_lexicon_load(ego *e) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "SELECT said, term, vec FROM lexicon ORDER BY said");
    if (st) return st;
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (sqlite3_column_bytes(s, 2) != (int)sizeof(ego_vector)) continue;
        ego_word w = {mem_strdup((const char *)sqlite3_column_text(s, 0)), mem_strdup((const char *)sqlite3_column_text(s, 1)), {0}};
        memcpy(&w.vector, sqlite3_column_blob(s, 2), sizeof w.vector);
        VEC_PUSH(&e->lexicon, w);
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

void ego_lexicon_drop(ego *e) {
    for (int i = 0; i < e->lexicon.count; i++) free(e->lexicon.at[i].said), free(e->lexicon.at[i].term);
    free(e->lexicon.at);
    memset(&e->lexicon, 0, sizeof e->lexicon);
}

/* Of a word or phrase as it is said: how many visible rows hold its term; 0 when there are too few of them. */
static lmm_status visible_rows(ego_view *v, const ego_word *w, int *out) {
    ego_postings p = {0};
    bool enough = false;
    lmm_status st = ego_phrase_postings(v, w->term, &p);
    if (!st && p.count >= EGO_SAID_LEAST) st = ego_saying_seen(v, w->term, w->said, &p, &enough);
    *out = enough ? p.count : 0;
    free(p.doc);
    return st;
}

typedef struct {
    const ego_word *word;
    const char *term;
    double cosine;
} neighbour;

static int by_cosine(const void *a, const void *b) {
    const neighbour *x = a, *y = b;
    if (x->cosine > y->cosine || x->cosine < y->cosine) return x->cosine > y->cosine ? -1 : 1;
    return strcmp(x->word->said, y->word->said);
}

static bool has_near(const ego_nears *n, const char *term) {
    for (int i = 0; i < n->count; i++)
        if (!strcmp(n->at[i].term, term)) return true;
    return false;
}

static const char *thing_of_colour(const char *term) {
    char colour[16];
    const char *thing = strchr(term, ' ');
    if (!thing || (size_t)(thing - term) >= sizeof colour) return NULL;
    snprintf(colour, sizeof colour, "%.*s", (int)(thing - term), term);
    return ego_word_colour(colour) ? thing + 1 : NULL;
}

/* Whether the options let a word of the lexicon through, and as which term. */
static bool admits(const ego_near_opts *o, const ego_word *w, const char **term) {
    const char *thing = thing_of_colour(w->term);
    *term = o->coloured ? thing : w->term;
    if (o->coloured) return thing != NULL;
    return !thing && (o->phrases || !strchr(w->term, ' '));
}

/* A term is as near as the nearest way of saying it. */
lmm_status ego_lexicon_near(ego_view *v, const float *x, const ego_near_opts *o, ego_nears *out) {
    ego *e = ego_view_store(v);
    lmm_status st = LMM_OK;
    VEC(neighbour) all = {0};
    ego_probe probe;
    ego_probe_of(&probe, x);
    for (int i = 0; i < e->lexicon.count; i++) {
        const ego_word *w = &e->lexicon.at[i];
        const char *term;
        if (!admits(o, w, &term)) continue;
        double cosine = ego_probe_dot(&probe, &w->vector) * (o->phrases && !strchr(w->term, ' ') ? LONE : 1);
        if (cosine >= o->least && !(o->said && ego_phrase_within(w->term, o->said))) VEC_PUSH(&all, ((neighbour){w, term, cosine}));
    }
    if (all.count) qsort(all.at, (size_t)all.count, sizeof *all.at, by_cosine);
    for (int i = 0; !st && i < all.count && out->count < (o->count ? o->count : NEIGHBOURS); i++) {
        int rows = 0;
        if (has_near(out, all.at[i].term)) continue;
        st = visible_rows(v, all.at[i].word, &rows);
        if (!st && rows) VEC_PUSH(out, ((ego_near){all.at[i].term, all.at[i].cosine, rows}));
    }
    free(all.at);
    return st;
}
