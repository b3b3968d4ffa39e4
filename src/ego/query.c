/* query.c - a text as units to look for: each a word with its weight, or what stands near a word, or near a pair of words, that the memory does not hold. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { SPAN_WORDS = 5, SPANS_MAX = 40 };
static const double NEAR_LEAST = 0.45, NEAR_FULL = 0.70; /* cosines: below nothing is alike, from there on all */
static const double NEAR_SPREAD = 0.15, PHRASE = 1.5;    /* a phrase beside a word */
static const double UNSEEN = 0.75;                       /* of a colour's weight for a row that names none */
static const double KNOWN_TELLING = 0.5;
static const double TELLING = 0.5; /* an unknown word that tells less has no neighbours worth looking for */

typedef struct {
    char *term;
    int from, to; /* bytes of the text */
    int rows;
    double tells;
} word;
typedef struct {
    const char *text;
    bool question;
    VEC(word) words;
} words;

static int collect(void *arg, const char *token, int size, int from, int to, bool colocated) {
    words *w = arg;
    if (colocated || ego_stop_word(token, (size_t)size)) return 0;
    word x = {mem_strndup(token, (size_t)size), from, to, 0, 0};
    bool known = w->question && ego_word_asks(x.term);
    for (int i = 0; i < w->words.count && !known; i++) known = !strcmp(w->words.at[i].term, x.term);
    if (known) return free(x.term), 0;
    x.tells = ego_word_tells(x.term);
    VEC_PUSH(&w->words, x);
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

static void push_known(ego_query *q, const word *w, double total, double share) {
    ego_unit u = {.weight = share * w->tells * rarity(total, w->rows), .lost = w->rows ? 0 : share * w->tells * log(1 + total)};
    u.colour = ego_word_colour(w->term);
    VEC_PUSH(&u.terms, ((ego_share){mem_strdup(w->term), 1}));
    VEC_PUSH(q, u);
}

static double trust(double cosine) { return fmax(0, fmin(1, (cosine - NEAR_LEAST) / (NEAR_FULL - NEAR_LEAST))); }

/* The nearest counts in full, others by how little they fall behind it; the unit by how near the nearest is. */
static void push_near(ego_query *q, const ego_nears *n, double total, double share) {
    double best = n->count ? n->at[0].cosine : 0, t = trust(best);
    ego_unit u = {.weight = n->count ? share * rarity(total, n->at[0].rows) * t : 0, .lost = share * log(1 + total) * (1 - t)};
    for (int i = 0; i < n->count; i++) {
        double part = 1 - (best - n->at[i].cosine) / NEAR_SPREAD;
        if (part > 0) VEC_PUSH(&u.terms, ((ego_share){mem_strdup(n->at[i].term), part}));
    }
    VEC_PUSH(q, u);
}

static lmm_status near_text(ego_view *v, const lmm_model *encoder, const words *w, int first, int last, const ego_near_opts *o,
                            ego_nears *out) {
    float x[EGO_WIDTH];
    char *raw = mem_strndup(w->text + w->words.at[first].from, (size_t)(w->words.at[last].to - w->words.at[first].from));
    const char *texts[] = {raw};
    lmm_status st = ego_embed_kept(ego_view_store(v), encoder, texts, 1, x);
    free(raw);
    return st ? st : ego_lexicon_near(v, x, o, out);
}

/* A thing that is asked for with its colour is compared with coloured things: that tells things from acts. */
static lmm_status push_unknown(ego_query *q, ego_view *v, const lmm_model *encoder, const words *w, int i, double total, double share) {
    ego_nears near = {0};
    lmm_status st = LMM_OK;
    if (i && ego_word_colour(w->words.at[i - 1].term))
        st = near_text(v, encoder, w, i - 1, i, &(ego_near_opts){.least = NEAR_LEAST, .coloured = true}, &near);
    if (!st && !near.count) st = near_text(v, encoder, w, i, i, &(ego_near_opts){.least = NEAR_LEAST}, &near);
    if (!st) push_near(q, &near, total, share * w->words.at[i].tells);
    free(near.at);
    return st;
}

/* ---- the part of a text that is most like something the memory keeps saying ---- */

typedef struct {
    int first, last; /* words */
    double tells;
    ego_terms said; /* words of it the memory holds; on loan */
    char *text;
} span;
typedef VEC(span) spans;

/* Runs of words, small ones between them too, that no punctuation cuts and that hold a word the memory does not. */
static void spans_of(const words *w, spans *out) {
    for (int i = 0; i < w->words.count; i++) {
        double tells = 0;
        bool news = false;
        for (int k = i; k < w->words.count && k < i + SPAN_WORDS && out->count < SPANS_MAX; k++) {
            const word *a = &w->words.at[i], *b = &w->words.at[k];
            size_t n = (size_t)(b->to - a->from);
            tells += b->tells, news |= unknown(b) && b->tells >= TELLING;
            if (ego_word_colour(b->term)) break;
            if (strcspn(w->text + a->from, ",.:;?!") < n) break;
            if (k == i || !news) continue;
            span s = {i, k, fmin(1, tells), {0}, mem_strndup(w->text + a->from, n)};
            for (int j = i; j <= k; j++)
                if (w->words.at[j].rows) VEC_PUSH(&s.said, w->words.at[j].term);
            VEC_PUSH(out, s);
        }
    }
}

/* A phrase stands for words nobody said; those that were said and tell something it must hold: "around the dining room" is not "absent at dinner". */
static bool keeps_known(const span *s, const char *phrase) {
    for (int i = 0; i < s->said.count; i++)
        if (ego_word_tells(s->said.at[i]) >= KNOWN_TELLING && !ego_phrase_has(phrase, s->said.at[i])) return false;
    return true;
}

/* The span with the nearest neighbour that says more than the span's known words, -1 none. */
static lmm_status choose_span(ego_view *v, const lmm_model *encoder, const spans *s, int *best, ego_nears *near) {
    const char *texts[SPANS_MAX];
    float(*x)[EGO_WIDTH] = mem_new(SPANS_MAX, sizeof *x);
    double top = 0;
    for (int i = 0; i < s->count; i++) texts[i] = s->at[i].text;
    *best = -1;
    lmm_status st = ego_embed_kept(ego_view_store(v), encoder, texts, s->count, x[0]);
    for (int i = 0; !st && i < s->count; i++) {
        ego_nears one = {0};
        st = ego_lexicon_near(v, x[i], &(ego_near_opts){.least = NEAR_LEAST, .count = 1, .phrases = true, .said = &s->at[i].said}, &one);
        if (one.count && keeps_known(&s->at[i], one.at[0].term) && one.at[0].cosine * s->at[i].tells > top)
            top = one.at[0].cosine * s->at[i].tells, *best = i;
        free(one.at);
    }
    if (!st && *best >= 0)
        st = ego_lexicon_near(v, x[*best], &(ego_near_opts){.least = NEAR_LEAST, .phrases = true, .said = &s->at[*best].said}, near);
    free(x);
    return st;
}

/* What stands for a phrase must hold the words the nearest has from the question: "around the dining room" is not "at dinner". */
static void keep_shared(ego_nears *near, const ego_terms *said) {
    int kept = 0;
    const char *best = near->at[0].term;
    for (int i = 0; i < near->count; i++) {
        bool all = true;
        for (int k = 0; k < said->count && all; k++)
            all = !ego_phrase_has(best, said->at[k]) || ego_phrase_has(near->at[i].term, said->at[k]);
        if (all) near->at[kept++] = near->at[i];
    }
    near->count = kept;
}

/* Pushes the phrase and takes from the span's words, as far as the phrase is to be trusted, what it says in others. */
static lmm_status push_phrase(ego_query *q, ego_view *v, const lmm_model *encoder, const words *w, double total, double *share) {
    spans s = {0};
    ego_nears near = {0};
    int best;
    spans_of(w, &s);
    lmm_status st = choose_span(v, encoder, &s, &best, &near);
    if (!st && best >= 0 && near.count) {
        keep_shared(&near, &s.at[best].said);
        push_near(q, &near, total, PHRASE);
        for (int i = s.at[best].first; i <= s.at[best].last; i++)
            if (!ego_phrase_has(near.at[0].term, w->words.at[i].term)) share[i] = 1 - trust(near.at[0].cosine);
    }
    for (int i = 0; i < s.count; i++) free(s.at[i].text), free(s.at[i].said.at);
    free(s.at), free(near.at);
    return st;
}

lmm_status ego_query_of(ego_query *out, ego_view *v, const lmm_model *encoder, const char *text, bool question) {
    words w = {.text = text, .question = question};
    double mean, total = (double)ego_view_count(v, &mean);
    ego_words(text, strlen(text), collect, &w);
    lmm_status st = count_rows(v, &w);
    bool learned = encoder && ego_view_store(v)->lexicon.count;
    double *share = mem_new((size_t)w.words.count + 1, sizeof *share);
    for (int i = 0; i < w.words.count; i++) share[i] = 1;
    if (!st && learned) st = push_phrase(out, v, encoder, &w, total, share);
    for (int i = 0; !st && i < w.words.count; i++) {
        if (!learned || !unknown(&w.words.at[i]) || w.words.at[i].tells < TELLING) push_known(out, &w.words.at[i], total, share[i]);
        else st = push_unknown(out, v, encoder, &w, i, total, share[i]);
    }
    for (int i = 0; i < w.words.count; i++) free(w.words.at[i].term);
    free(w.words.at), free(share);
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

static bool word_there(const ego_terms *row, const char *term, bool misheard) {
    for (int i = 0; i < row->count; i++)
        if (!strcmp(row->at[i], term) || (misheard && alike(row->at[i], term))) return true;
    return false;
}

static bool there(const ego_terms *row, const char *phrase, bool misheard) {
    for (const char *p = phrase; *p; p += strcspn(p, " "), p += *p == ' ') {
        char term[64];
        snprintf(term, sizeof term, "%.*s", (int)strcspn(p, " "), p);
        if (!word_there(row, term, misheard)) return false;
    }
    return true;
}

static bool names_colour(const ego_terms *row) {
    for (int i = 0; i < row->count; i++)
        if (ego_word_colour(row->at[i])) return true;
    return false;
}

double ego_query_share(const ego_query *q, const ego_terms *row, bool misheard, uint64_t *sense) {
    double all = 0, got = 0;
    uint64_t held = 0;
    for (int i = 0; i < q->count; i++) {
        const ego_unit *u = &q->at[i];
        int term = -1;
        double best = u->colour && !names_colour(row) ? UNSEEN : 0;
        for (int k = 0; k < u->terms.count; k++)
            if (u->terms.at[k].share > best && there(row, u->terms.at[k].term, misheard)) best = u->terms.at[k].share, term = k;
        all += u->weight, got += u->weight * best;
        held = held * 31 + (uint64_t)(term + 1);
    }
    if (sense) *sense = held;
    return all > 0 ? got / all : 0;
}
