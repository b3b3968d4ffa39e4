/* sampler.c - logits to the next id, in transformers' order: repetition penalty, temperature, top-k, top-p, min-p, draw.
 *
 * Greedy takes the first of equal maxima, as argmax does. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

candidates candidates_new(int vocab) {
    const size_t n = (size_t)vocab;
    return (candidates){mem_new(n, sizeof(int)), mem_new(n, sizeof(float)), mem_new(n, sizeof(double)), 0};
}

void candidates_free(candidates *c) {
    free(c->id);
    free(c->logit);
    free(c->weight);
    *c = (candidates){0};
}

static int argmax(const float *x, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static int compare_candidates(const void *a, const void *b) {
    const struct {
        float logit;
        int id;
    } *x = a, *y = b;
    return x->logit != y->logit ? (x->logit < y->logit ? 1 : -1) : x->id - y->id;
}

/* Sorted by logit, best first; ties by id, so the order is one. */
static void sort_candidates(candidates *c) {
    struct {
        float logit;
        int id;
    } *pair = mem_new((size_t)c->count, sizeof *pair);
    for (int i = 0; i < c->count; i++) pair[i].logit = c->logit[i], pair[i].id = c->id[i];
    qsort(pair, (size_t)c->count, sizeof *pair, compare_candidates);
    for (int i = 0; i < c->count; i++) c->logit[i] = pair[i].logit, c->id[i] = pair[i].id;
    free(pair);
}

/* CTRL's rule (arXiv 1909.05858): each id of the history once, whatever its count. */
static void penalise(float *logits, int vocab, double penalty, const int *history, int n) {
    bool *seen = mem_new((size_t)vocab, sizeof *seen);
    for (int i = 0; i < n; i++) {
        int id = history[i];
        if (id < 0 || id >= vocab || seen[id]) continue;
        seen[id] = true;
        logits[id] = (float)(logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty);
    }
    free(seen);
}

/* Fills the weights; their sum. */
static double weigh(candidates *c) {
    const double best = (double)c->logit[0];
    double sum = 0;
    for (int i = 0; i < c->count; i++) sum += c->weight[i] = exp((double)c->logit[i] - best);
    return sum;
}

/* Keeps the smallest set of most likely ids whose probabilities reach top_p. */
static void keep_top_p(candidates *c, double top_p) {
    double sum = weigh(c), reached = 0;
    for (int i = 0; i < c->count; i++) {
        reached += c->weight[i] / sum;
        if (reached >= top_p) {
            c->count = i + 1;
            return;
        }
    }
}

static void keep_min_p(candidates *c, double min_p) {
    weigh(c); /* the first is 1: the rest is relative to the best */
    int n = 1;
    while (n < c->count && c->weight[n] >= min_p) n++;
    c->count = n;
}

static int draw(candidates *c, rng *r) {
    double at = rng_unit(r) * weigh(c);
    for (int i = 0; i < c->count; i++)
        if ((at -= c->weight[i]) < 0) return c->id[i];
    return c->id[c->count - 1];
}

/* All ids at the temperature, without those that are banned. */
static void candidates_fill(candidates *c, const float *logits, int vocab, const lmm_gen_opts *o, const int *history, int history_count) {
    memcpy(c->logit, logits, (size_t)vocab * sizeof *logits);
    if (o->repetition_penalty > 0 && o->repetition_penalty != 1.0) penalise(c->logit, vocab, o->repetition_penalty, history, history_count);
    for (int i = 0; i < o->banned_count; i++)
        if (o->banned[i] >= 0 && o->banned[i] < vocab) c->logit[o->banned[i]] = -INFINITY;
    c->count = vocab;
    for (int i = 0; i < vocab; i++) {
        c->id[i] = i;
        if (o->temperature > 0) c->logit[i] = (float)(c->logit[i] / o->temperature);
    }
}

void sample_filter(const float *logits, int vocab, const lmm_gen_opts *o, const int *history, int history_count, candidates *c) {
    candidates_fill(c, logits, vocab, o, history, history_count);
    sort_candidates(c);
    if (o->top_k > 0) c->count = min_int(c->count, o->top_k);
    if (o->top_p > 0 && o->top_p < 1) keep_top_p(c, o->top_p);
    if (o->min_p > 0) keep_min_p(c, o->min_p);
}

static bool is_before(const candidates *c, int a, int b) {
    return c->logit[a] != c->logit[b] ? c->logit[a] > c->logit[b] : c->id[a] < c->id[b];
}

static void put_at(candidates *c, int to, int from) {
    c->logit[to] = c->logit[from], c->id[to] = c->id[from], c->weight[to] = c->weight[from];
}

static void sift_down(candidates *c, int at) {
    for (int child; (child = 2 * at + 1) < c->count; at = child) {
        if (child + 1 < c->count && is_before(c, child + 1, child)) child++;
        if (is_before(c, at, child)) return;
        float logit = c->logit[at];
        double weight = c->weight[at];
        int id = c->id[at];
        put_at(c, at, child);
        c->logit[child] = logit, c->id[child] = id, c->weight[child] = weight;
    }
}

/* As draw, of candidates in no order: those before the drawn one leave a heap, the rest is never sorted. */
static int draw_unsorted(candidates *c, rng *r) {
    for (int i = c->count / 2 - 1; i >= 0; i--) sift_down(c, i);
    double at = rng_unit(r) * weigh(c);
    while ((at -= c->weight[0]) >= 0 && c->count > 1) {
        put_at(c, 0, --c->count);
        sift_down(c, 0);
    }
    return c->id[0];
}

int sample_next(const float *logits, int vocab, const lmm_gen_opts *o, const int *history, int history_count, rng *r, candidates *c) {
    const bool penalty = o->repetition_penalty > 0 && o->repetition_penalty != 1.0;
    const bool filtered = o->top_k > 0 || (o->top_p > 0 && o->top_p < 1) || o->min_p > 0;
    if (o->temperature <= 0 && !penalty && !o->banned_count) return argmax(logits, vocab);
    if (filtered || o->temperature <= 0) sample_filter(logits, vocab, o, history, history_count, c);
    else candidates_fill(c, logits, vocab, o, history, history_count);
    if (o->temperature <= 0) return c->id[0];
    return filtered ? draw(c, r) : draw_unsorted(c, r);
}
