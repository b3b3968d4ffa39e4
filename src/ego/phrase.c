/* phrase.c - what a memory keeps doing, in two or three words that stand together ("wash dish"): the lexicon holds the vectors of those it says again
 * and again, so that "scrub the plates" finds them though no single word is alike. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { WORDS_LEAST = 2, WORDS_MOST = 3, ROWS_LEAST = 3, TOKEN_MOST = 24 };
static const double LITTLE = 0.35; /* words that tell less are passed over */

/* ---- phrases of a text ---- */

typedef struct {
    const char *text;
    int (*fn)(void *arg, const char *phrase);
    void *arg;
    char word[WORDS_MOST][TOKEN_MOST + 1]; /* the last words of the run, oldest first */
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
    char phrase[WORDS_MOST * (TOKEN_MOST + 1) + 1];
    for (int n = WORDS_LEAST; n <= c->count; n++) {
        size_t at = 0;
        for (int i = c->count - n; i < c->count; i++) at += (size_t)sprintf(phrase + at, "%s%s", at ? " " : "", c->word[i]);
        int rc = c->fn(c->arg, phrase);
        if (rc) return rc;
    }
    return 0;
}

/* "Begin washing dishes" is washing dishes. */
static bool says_little(const char *token, int size) {
    char term[TOKEN_MOST + 1];
    snprintf(term, sizeof term, "%.*s", size, token);
    return ego_word_tells(term) < LITTLE;
}

/* Names, numbers and all small words but those that open a noun end a run. */
static int link_word(void *arg, const char *token, int size, int from, int to, bool colocated) {
    chain *c = arg;
    bool ends = colocated || size < 2 || size > TOKEN_MOST || isupper((unsigned char)c->text[from]) || isdigit((unsigned char)*token) ||
                (unsigned char)*token >= 0x80;
    if (apart(c->text, c->to, from)) c->count = 0;
    c->to = to;
    if (opens_noun(token, (size_t)size)) return 0;
    if (!ends && !ego_stop_word(token, (size_t)size) && says_little(token, size)) return 0;
    if (ends || ego_stop_word(token, (size_t)size)) return c->count = 0, 0;
    if (c->count == WORDS_MOST) memmove(c->word[0], c->word[1], sizeof c->word - sizeof c->word[0]), c->count--;
    snprintf(c->word[c->count++], sizeof c->word[0], "%.*s", size, token);
    return tell(c);
}

static int phrases_of(const char *text, int (*fn)(void *arg, const char *phrase), void *arg) {
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

/* ---- building ---- */

typedef struct {
    strmap *phrases;
    VEC(int) times; /* by number in phrases */
    ego_terms often;
} tally;

/* A phrase twice in one row counts twice; readers count rows. */
static int count_phrase(void *arg, const char *phrase) {
    tally *t = arg;
    int at = t->times.count;
    if (strmap_put(t->phrases, phrase, strlen(phrase), at)) VEC_PUSH(&t->times, 0);
    else strmap_get(t->phrases, phrase, strlen(phrase), &at);
    if (++t->times.at[at] == ROWS_LEAST) VEC_PUSH(&t->often, mem_strdup(phrase));
    return 0;
}

lmm_status ego_phrases_find(ego *e, ego_terms *out) {
    sqlite3_stmt *s;
    tally t = {.phrases = strmap_new()};
    lmm_status st = ego_prepare(e, &s, "SELECT text FROM doc ORDER BY rowid");
    while (!st && sqlite3_step(s) == SQLITE_ROW) phrases_of((const char *)sqlite3_column_text(s, 0), count_phrase, &t);
    sqlite3_finalize(s);
    strmap_free(t.phrases);
    free(t.times.at);
    *out = t.often;
    return st;
}

/* ---- reading ---- */

static int is_phrase(void *arg, const char *phrase) { return !strcmp(arg, phrase); }

static lmm_status holds(ego *e, int doc, char *phrase, bool *out) {
    char *text, *speaker;
    lmm_status st = ego_text(e, e->docs.at[doc].key, &text, &speaker);
    if (st) return st;
    *out = phrases_of(text, is_phrase, phrase) == 1;
    free(text), free(speaker);
    return LMM_OK;
}

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

/* Whether enough visible rows say the phrase as it stands: it would be in the lexicon of a memory that held no others. */
lmm_status ego_phrase_seen(ego_view *v, const char *phrase, const ego_postings *rows, bool *out) {
    char *wanted = mem_strdup(phrase);
    lmm_status st = LMM_OK;
    int seen = 0;
    for (int i = 0; !st && i < rows->count && seen < ROWS_LEAST; i++) {
        bool held = false;
        st = holds(ego_view_store(v), rows->doc[i], wanted, &held);
        seen += held;
    }
    free(wanted);
    *out = seen >= ROWS_LEAST;
    return st;
}
