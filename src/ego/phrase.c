/* phrase.c - what a memory keeps doing, in two or three words that stand together ("washing dishes", as stems "wash dish"): the lexicon holds the vectors
 * of those it says again and again, so that "scrub the plates" finds them though no single word is alike. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { WORDS_LEAST = 2, WORDS_MOST = 3, TOKEN_LEAST = 3, TOKEN_MOST = 24, SAID_MOST = 32 };
static const double LITTLE = 0.35; /* words that tell less are passed over */

/* ---- words and phrases of a text ---- */

typedef struct {
    char token[TOKEN_MOST + 1], said[SAID_MOST + 1];
} link;
typedef struct {
    const char *text;
    ego_saying_fn fn;
    void *arg;
    link word[WORDS_MOST]; /* the last words of the run, oldest first */
    link colour;           /* that stands before the next word; "" none */
    int count, to;
} chain;

static bool opens_noun(const char *token, size_t n) {
    static const char *const words[] = {"a", "an", "the", "my", "your", "his", "her", "their", "our", "some"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i]) == n && !memcmp(words[i], token, n)) return true;
    return false;
}

/* Punctuation between two words. */
static bool apart(const char *s, int from, int to) {
    while (from < to && s[from] == ' ') from++;
    return from < to;
}

static int tell(const chain *c) {
    char phrase[WORDS_MOST * (TOKEN_MOST + 1) + 1], said[WORDS_MOST * (SAID_MOST + 1) + 1];
    for (int n = WORDS_LEAST; n <= c->count; n++) {
        size_t at = 0, put = 0;
        for (int i = c->count - n; i < c->count; i++) {
            at += (size_t)sprintf(phrase + at, "%s%s", at ? " " : "", c->word[i].token);
            put += (size_t)sprintf(said + put, "%s%s", put ? " " : "", c->word[i].said);
        }
        int rc = c->fn(c->arg, phrase, said);
        if (rc) return rc;
    }
    return 0;
}

static link link_of(const chain *c, const char *token, int size, int from, int to) {
    link l;
    snprintf(l.token, sizeof l.token, "%.*s", size, token);
    snprintf(l.said, sizeof l.said, "%.*s", to - from, c->text + from);
    for (char *p = l.said; *p; p++) *p = (char)tolower((unsigned char)*p);
    return l;
}

/* "Begin washing dishes" is washing dishes. */
static bool says_little(const char *token) { return ego_word_tells(token) < LITTLE; }

/* A thing with its colour is a phrase of its own. */
static int tell_coloured(chain *c, const link *l) {
    char phrase[2 * TOKEN_MOST + 2], said[2 * SAID_MOST + 2];
    if (!c->colour.token[0]) return 0;
    snprintf(phrase, sizeof phrase, "%s %s", c->colour.token, l->token);
    snprintf(said, sizeof said, "%s %s", c->colour.said, l->said);
    c->colour.token[0] = 0;
    return c->fn(c->arg, phrase, said);
}

/* Names, numbers and all small words but those that open a noun end a run; colours are passed over, a run is about the same thing without. */
static int link_word(void *arg, const char *token, int size, int from, int to, bool colocated) {
    chain *c = arg;
    bool stop = ego_stop_word(token, (size_t)size), fits = size <= TOKEN_MOST && to - from <= SAID_MOST;
    bool ends = colocated || size < 2 || !fits || isupper((unsigned char)c->text[from]) || isdigit((unsigned char)*token) ||
                (unsigned char)*token >= 0x80;
    link l = link_of(c, token, size, from, to);
    int rc = fits && !stop && size >= TOKEN_LEAST ? c->fn(c->arg, l.token, l.said) : 0;
    if (rc) return rc;
    if (apart(c->text, c->to, from)) c->count = 0;
    c->to = to;
    if (opens_noun(token, (size_t)size)) return 0;
    if (!ends && ego_word_colour(l.token)) return c->colour = l, 0;
    if (!ends && !stop && says_little(l.token)) return 0;
    if (ends || stop) return c->count = 0, c->colour.token[0] = 0, 0;
    rc = tell_coloured(c, &l);
    if (rc) return rc;
    if (c->count == WORDS_MOST) memmove(&c->word[0], &c->word[1], sizeof c->word - sizeof c->word[0]), c->count--;
    c->word[c->count++] = l;
    return tell(c);
}

int ego_sayings_of(const char *text, ego_saying_fn fn, void *arg) {
    chain c = {.text = text, .fn = fn, .arg = arg};
    return ego_words(text, strlen(text), link_word, &c);
}

bool ego_phrase_has(const char *phrase, const char *term) {
    size_t n = strlen(term);
    for (const char *p = phrase; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && !memcmp(p, term, n)) return true;
    return false;
}

bool ego_phrase_within(const char *phrase, const ego_terms *terms) {
    for (const char *p = phrase; *p; p += strcspn(p, " "), p += *p == ' ') {
        bool there = false;
        for (int i = 0; i < terms->count && !there; i++)
            there = strcspn(p, " ") == strlen(terms->at[i]) && !memcmp(p, terms->at[i], strlen(terms->at[i]));
        if (!there) return false;
    }
    return true;
}

/* ---- reading ---- */

/* Keeps of a (ascending) what b has too. */
static void keep_common(ego_postings *a, const ego_postings *b) {
    int kept = 0;
    for (int i = 0, k = 0; i < a->count; i++) {
        while (k < b->count && b->doc[k] < a->doc[i]) k++;
        if (k < b->count && b->doc[k] == a->doc[i]) a->doc[kept++] = a->doc[i];
    }
    a->count = kept;
}

lmm_status ego_phrase_postings(ego_view *v, const char *phrase, ego_postings *out) {
    lmm_status st = LMM_OK;
    bool first = true;
    *out = (ego_postings){0};
    for (const char *p = phrase; !st && *p; first = false) {
        size_t n = strcspn(p, " ");
        char *word = mem_strndup(p, n);
        ego_postings rows = {0};
        st = ego_view_postings(v, word, &rows);
        free(word);
        p += n + (p[n] == ' ');
        if (first) *out = rows;
        else keep_common(out, &rows), free(rows.doc);
    }
    return st;
}

typedef struct {
    const char *term, *said;
    bool held, as_said;
} looked_for;

static int look(void *arg, const char *term, const char *said) {
    looked_for *l = arg;
    if (strcmp(l->term, term)) return 0;
    l->held = true;
    l->as_said |= !strcmp(l->said, said);
    return l->as_said;
}

lmm_status ego_saying_seen(ego_view *v, const char *term, const char *said, const ego_postings *rows, bool *out) {
    ego *e = ego_view_store(v);
    lmm_status st = LMM_OK;
    bool as_said = false;
    int seen = 0;
    for (int i = 0; !st && i < rows->count && !(seen >= EGO_SAID_LEAST && as_said); i++) {
        char *text, *speaker;
        looked_for l = {.term = term, .said = said};
        st = ego_text(e, e->docs.at[rows->doc[i]].key, &text, &speaker);
        if (st) break;
        ego_sayings_of(text, look, &l);
        seen += l.held, as_said |= l.as_said;
        free(text), free(speaker);
    }
    *out = seen >= EGO_SAID_LEAST && as_said;
    return st;
}
