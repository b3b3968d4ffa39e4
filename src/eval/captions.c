/* captions.c - BLEU (Papineni et al. 2002), ROUGE-L (Lin 2004) and CIDEr-D (Vedantam et al. 2015) of tokenized captions, with the constants of
 * pycocoevalcap. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { ORDERS = 4 };

/* ---- n-grams: ids of token sequences over the whole corpus ---- */

typedef struct {
    int id, times;
} gram;
typedef struct {
    gram *at[ORDERS];
    int count[ORDERS], words;
} grams; /* of one caption, in order of first occurrence */

typedef struct {
    strmap *ids;
    VEC(int) images; /* number of images one of whose references holds the n-gram */
    VEC(int) seen;   /* last image that counted it */
} vocabulary;

/* The byte ranges of the tokens of a text split at white space. */
static int tokens_of(scratch *mem, const char *text, char ***out) {
    int n;
    *out = py_split(mem, text, &n);
    return n;
}

static int gram_id(vocabulary *v, const char *key, size_t size) {
    int id = v->images.count;
    if (strmap_put(v->ids, key, size, id)) {
        VEC_PUSH(&v->images, 0);
        VEC_PUSH(&v->seen, -1);
        return id;
    }
    strmap_get(v->ids, key, size, &id);
    return id;
}

static void add_gram(scratch *mem, grams *g, int order, int id, int room) {
    if (!g->at[order]) g->at[order] = scratch_get(mem, (size_t)room * sizeof(gram));
    for (int i = 0; i < g->count[order]; i++)
        if (g->at[order][i].id == id) {
            g->at[order][i].times++;
            return;
        }
    g->at[order][g->count[order]++] = (gram){id, 1};
}

static grams grams_of(scratch *mem, vocabulary *v, const char *text) {
    char **words;
    grams g = {.words = tokens_of(mem, text, &words)};
    buf key = {0};
    for (int order = 0; order < ORDERS; order++)
        for (int i = 0; i + order < g.words; i++) {
            buf_reset(&key);
            for (int k = 0; k <= order; k++) buf_printf(&key, "%s ", words[i + k]);
            add_gram(mem, &g, order, gram_id(v, key.data, key.size), g.words);
        }
    buf_free(&key);
    return g;
}

static int times_in(const grams *g, int order, int id) {
    for (int i = 0; i < g->count[order]; i++)
        if (g->at[order][i].id == id) return g->at[order][i].times;
    return 0;
}

typedef struct {
    scratch mem;
    vocabulary words;
    const caption *caption;
    int count;
    grams *candidate, **references;
} corpus;

static void corpus_open(corpus *c, const caption *list, int count) {
    *c = (corpus){.caption = list, .count = count};
    c->words.ids = strmap_new();
    c->candidate = scratch_get(&c->mem, ((size_t)count + 1) * sizeof *c->candidate);
    c->references = scratch_get(&c->mem, ((size_t)count + 1) * sizeof *c->references);
    for (int i = 0; i < count; i++) {
        c->candidate[i] = grams_of(&c->mem, &c->words, list[i].candidate);
        c->references[i] = scratch_get(&c->mem, (size_t)list[i].reference_count * sizeof(grams));
        for (int r = 0; r < list[i].reference_count; r++) c->references[i][r] = grams_of(&c->mem, &c->words, list[i].references[r]);
    }
}

static void corpus_close(corpus *c) {
    strmap_free(c->words.ids);
    free(c->words.images.at);
    free(c->words.seen.at);
    scratch_free(&c->mem);
}

/* ---- BLEU ---- */

static int most_in_references(const corpus *c, int i, int order, int id) {
    int most = 0;
    for (int r = 0; r < c->caption[i].reference_count; r++) most = max_int(most, times_in(&c->references[i][r], order, id));
    return most;
}

/* The reference length closest to the candidate's; the shorter of two as close. */
static int closest_length(const corpus *c, int i) {
    int mine = c->candidate[i].words, best = -1;
    for (int r = 0; r < c->caption[i].reference_count; r++) {
        int n = c->references[i][r].words;
        if (best < 0 || abs(n - mine) < abs(best - mine) || (abs(n - mine) == abs(best - mine) && n < best)) best = n;
    }
    return best;
}

static void bleu_of(double out[ORDERS], const corpus *c) {
    const double tiny = 1e-15, small = 1e-9;
    double right[ORDERS] = {0}, made[ORDERS] = {0}, mine = 0, theirs = 0, product = 1;
    for (int i = 0; i < c->count; i++) {
        const grams *g = &c->candidate[i];
        mine += g->words;
        theirs += closest_length(c, i);
        for (int order = 0; order < ORDERS; order++) {
            made[order] += max_int(0, g->words - order);
            for (int k = 0; k < g->count[order]; k++)
                right[order] += min_int(g->at[order][k].times, most_in_references(c, i, order, g->at[order][k].id));
        }
    }
    double ratio = (mine + tiny) / (theirs + small), penalty = ratio < 1 ? exp(1 - 1 / ratio) : 1;
    for (int order = 0; order < ORDERS; order++) {
        product *= (right[order] + tiny) / (made[order] + small);
        out[order] = pow(product, 1.0 / (order + 1)) * penalty;
    }
}

void bleu_score(double out[4], const caption *list, int count) {
    corpus c;
    corpus_open(&c, list, count);
    bleu_of(out, &c);
    corpus_close(&c);
}

/* ---- ROUGE-L ---- */

static int common_subsequence(scratch *mem, char **a, int n, char **b, int m) {
    int *row = scratch_get(mem, ((size_t)m + 1) * sizeof *row);
    for (int i = 0; i < n; i++)
        for (int j = 0, corner = 0; j < m; j++) {
            int above = row[j + 1];
            row[j + 1] = !strcmp(a[i], b[j]) ? corner + 1 : max_int(above, row[j]);
            corner = above;
        }
    return row[m];
}

/* Precision and recall may come from different references; a text is split at single blanks, so an empty one is one empty token. */
static double rouge_l(const caption *c) {
    const double beta = 1.2;
    scratch mem = {0};
    int n, m;
    char **mine = py_split_at(&mem, c->candidate, " ", &n);
    double precision = 0, recall = 0;
    for (int r = 0; r < c->reference_count; r++) {
        char **theirs = py_split_at(&mem, c->references[r], " ", &m);
        int common = common_subsequence(&mem, mine, n, theirs, m);
        precision = fmax(precision, common / (double)n);
        recall = fmax(recall, common / (double)m);
    }
    scratch_free(&mem);
    if (precision == 0 || recall == 0) return 0;
    return (1 + beta * beta) * precision * recall / (recall + beta * beta * precision);
}

/* ---- CIDEr-D ---- */

static void count_images(corpus *c) {
    for (int i = 0; i < c->count; i++)
        for (int r = 0; r < c->caption[i].reference_count; r++)
            for (int order = 0; order < ORDERS; order++)
                for (int k = 0; k < c->references[i][r].count[order]; k++) {
                    int id = c->references[i][r].at[order][k].id;
                    if (c->words.seen.at[id] == i) continue;
                    c->words.seen.at[id] = i;
                    c->words.images.at[id]++;
                }
}

static double weight(const corpus *c, const gram *g) { return g->times * (log(c->count) - log(fmax(1, c->words.images.at[g->id]))); }

static double norm_of(const corpus *c, const grams *g, int order) {
    double sum = 0;
    for (int k = 0; k < g->count[order]; k++) sum += weight(c, &g->at[order][k]) * weight(c, &g->at[order][k]);
    return sqrt(sum);
}

static double likeness(const corpus *c, const grams *h, const grams *r, int order) {
    double sum = 0, a = norm_of(c, h, order), b = norm_of(c, r, order);
    for (int k = 0; k < h->count[order]; k++) {
        gram theirs = {h->at[order][k].id, times_in(r, order, h->at[order][k].id)};
        double w = weight(c, &theirs);
        sum += fmin(weight(c, &h->at[order][k]), w) * w;
    }
    return a != 0 && b != 0 ? sum / (a * b) : sum;
}

static double cider_of(const corpus *c, int i) {
    const double sigma = 6;
    double total = 0;
    const grams *h = &c->candidate[i];
    for (int r = 0; r < c->caption[i].reference_count; r++) {
        const grams *g = &c->references[i][r];
        double apart = max_int(0, h->words - 1) - max_int(0, g->words - 1); /* lengths are counted in bigrams */
        for (int order = 0; order < ORDERS; order++) total += likeness(c, h, g, order) * exp(-(apart * apart) / (2 * sigma * sigma));
    }
    return 10 * total / ORDERS / c->caption[i].reference_count;
}

/* ---- all of them ---- */

void captions_score(caption_scores *out, const caption *list, int count) {
    corpus c;
    corpus_open(&c, list, count);
    count_images(&c);
    *out = (caption_scores){.cider_each = mem_new((size_t)count + 1, sizeof(double)),
                            .rouge_each = mem_new((size_t)count + 1, sizeof(double))};
    bleu_of(out->bleu, &c);
    for (int i = 0; i < count; i++) {
        out->rouge_l += out->rouge_each[i] = rouge_l(&list[i]);
        out->cider += out->cider_each[i] = cider_of(&c, i);
    }
    if (count) out->rouge_l /= count, out->cider /= count;
    corpus_close(&c);
}

void caption_scores_free(caption_scores *s) {
    free(s->cider_each);
    free(s->rouge_each);
    *s = (caption_scores){0};
}
