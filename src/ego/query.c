/* query.c - a text as units to look for: each a word with its weight, or what stands near a word, or near a pair of words, that the memory does not hold. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

static const double NEAR_LEAST = 0.45, NEAR_FULL = 0.70; /* cosines of words: below nothing is alike, from there on all */

typedef struct {
    char *term, *raw;
    int rows;
} word;
typedef struct {
    const char *text;
    VEC(word) words;
} words;

static int collect(void *arg, const char *token, int size, int from, int to, bool colocated) {
    words *w = arg;
    if (colocated || ego_stop_word(token, (size_t)size)) return 0;
    for (int i = 0; i < w->words.count; i++)
        if (strlen(w->words.at[i].term) == (size_t)size && !memcmp(w->words.at[i].term, token, (size_t)size)) return 0;
    VEC_PUSH(&w->words, ((word){mem_strndup(token, (size_t)size), mem_strndup(w->text + from, (size_t)(to - from)), 0}));
    return 0;
}

static lmm_status count_rows(ego_view *v, words *w) {
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < w->words.count; i++) {
        ego_postings p = {0};
        st = ego_view_postings(v, w->words.at[i].term, &p);
        free(p.doc);
        w->words.at[i].rows = p.count;
    }
    return st;
}

/* A number has no neighbours. */
static bool unknown(const word *w) { return !w->rows && !isdigit((unsigned char)w->term[0]); }

static double rarity(double total, int rows) { return rows ? log(1 + total / rows) : 0; }

static void push_known(ego_query *q, const word *w, double total) {
    ego_unit u = {.weight = rarity(total, w->rows), .lost = w->rows ? 0 : log(1 + total)};
    VEC_PUSH(&u.terms, ((ego_share){mem_strdup(w->term), 1}));
    VEC_PUSH(q, u);
}

/* The nearest counts in full, others by how near they are to it; the unit by how near the nearest is. */
static void push_near(ego_query *q, const ego_nears *n, double total) {
    double best = n->count ? n->at[0].cosine : 0, trust = fmax(0, fmin(1, (best - NEAR_LEAST) / (NEAR_FULL - NEAR_LEAST)));
    ego_unit u = {.weight = n->count ? rarity(total, n->at[0].rows) * trust : 0, .lost = log(1 + total) * (1 - trust)};
    for (int i = 0; i < n->count; i++) VEC_PUSH(&u.terms, ((ego_share){mem_strdup(n->at[i].term), n->at[i].cosine / best}));
    VEC_PUSH(q, u);
}

static double nearest(const ego_nears *n) { return n->count ? n->at[0].cosine : 0; }

/* Of word i, and of the pair it opens, whichever has the nearer neighbour; *used: how many words that was. */
static lmm_status push_unknown(ego_query *q, ego_view *v, const lmm_model *encoder, const words *w, int i, double total, int *used) {
    ego_nears one = {0}, two = {0};
    bool pair = i + 1 < w->words.count;
    char *both = pair ? mem_printf("%s %s", w->words.at[i].raw, w->words.at[i + 1].raw) : NULL;
    const char *const texts[] = {w->words.at[i].raw, both};
    float x[2][EGO_WIDTH];
    lmm_status st = ego_embed(encoder, texts, pair ? 2 : 1, x[0]);
    if (!st) st = ego_lexicon_near(v, x[0], NEAR_LEAST, &one);
    if (!st && pair) st = ego_lexicon_near(v, x[1], NEAR_LEAST, &two);
    bool joined = pair && nearest(&two) > nearest(&one);
    *used = joined ? 2 : 1;
    if (!st) push_near(q, joined ? &two : &one, total);
    free(one.at), free(two.at), free(both);
    return st;
}

lmm_status ego_query_of(ego_query *out, ego_view *v, const lmm_model *encoder, const char *text) {
    words w = {.text = text};
    double mean, total = (double)ego_view_count(v, &mean);
    ego_words(text, strlen(text), collect, &w);
    lmm_status st = count_rows(v, &w);
    bool learned = encoder && ego_view_store(v)->lexicon.count;
    for (int i = 0, used; !st && i < w.words.count; i += used) {
        used = 1;
        if (!learned || !unknown(&w.words.at[i])) push_known(out, &w.words.at[i], total);
        else st = push_unknown(out, v, encoder, &w, i, total, &used);
    }
    for (int i = 0; i < w.words.count; i++) free(w.words.at[i].term), free(w.words.at[i].raw);
    free(w.words.at);
    return st;
}

void ego_query_free(ego_query *q) {
    for (int i = 0; i < q->count; i++) {
        for (int k = 0; k < q->at[i].terms.count; k++) free(q->at[i].terms.at[k].term);
        free(q->at[i].terms.at);
    }
    free(q->at);
    *q = (ego_query){0};
}

/* Speech is misheard: a longer word may have one letter off. */
static bool alike(const char *a, const char *b) {
    size_t n = strlen(a);
    int off = 0;
    if (n < 5 || strlen(b) != n || isdigit((unsigned char)*a)) return false;
    for (size_t i = 0; i < n && off < 2; i++) off += a[i] != b[i];
    return off < 2;
}

static bool there(const ego_terms *row, const char *term, bool misheard) {
    for (int i = 0; i < row->count; i++)
        if (!strcmp(row->at[i], term) || (misheard && alike(row->at[i], term))) return true;
    return false;
}

double ego_query_share(const ego_query *q, const ego_terms *row, bool misheard) {
    double all = 0, got = 0;
    for (int i = 0; i < q->count; i++) {
        const ego_unit *u = &q->at[i];
        double best = 0;
        for (int k = 0; k < u->terms.count; k++)
            if (u->terms.at[k].share > best && there(row, u->terms.at[k].term, misheard)) best = u->terms.at[k].share;
        all += u->weight, got += u->weight * best;
    }
    return all > 0 ? got / all : 0;
}
