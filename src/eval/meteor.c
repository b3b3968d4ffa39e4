/* meteor.c - METEOR 1.5 (Denkowski and Lavie 2014) for English without its paraphrase table: words match exactly, by stem, or, with a WordNet, as
 * synonyms. Its list of function words is not available either; a short list of ours stands in, so scores are near the original's, not equal. */
#include <math.h>
#include <string.h>

#include "eval/eval_int.h"

static const double alpha = 0.85, beta = 0.2, gamma_ = 0.6, delta = 0.75;
static const double stage_weight[] = {1.0, 0.6, 0.8}; /* exact, stem, synonym */

static const char *const function_words[] = {"a",     "an",    "the",  "of",    "in",   "on",  "at",  "to",   "by",   "for",  "with",
                                             "from",  "and",   "or",   "but",   "is",   "are", "was", "were", "be",   "been", "it",
                                             "its",   "this",  "that", "these", "as",   "he",  "she", "they", "his",  "her",  "their",
                                             "there", "which", "who",  "has",   "have", "had", "not", "'s",   "into", "will", "would",
                                             "than",  "then",  "we",   "i",     "you",  ",",   "."};

static bool is_function(const char *word) {
    for (size_t i = 0; i < COUNT_OF(function_words); i++)
        if (!strcmp(word, function_words[i])) return true;
    return false;
}

typedef struct {
    double weighted[2][2]; /* matched weight: [candidate, reference][content, function] */
    double words[2][2], matches, chunks;
} counts;

static double score_of(const counts *c) {
    double share[2];
    for (int side = 0; side < 2; side++) {
        double all = delta * c->words[side][0] + (1 - delta) * c->words[side][1];
        share[side] = all > 0 ? (delta * c->weighted[side][0] + (1 - delta) * c->weighted[side][1]) / all : 0;
    }
    if (share[0] <= 0 || share[1] <= 0) return 0;
    double mean = share[0] * share[1] / (alpha * share[0] + (1 - alpha) * share[1]);
    bool whole = c->chunks == 1 && c->matches == c->words[0][0] + c->words[0][1] && c->matches == c->words[1][0] + c->words[1][1];
    double broken = c->matches > 0 && !whole ? c->chunks / c->matches : 0;
    return (1 - gamma_ * pow(broken, beta)) * mean;
}

static int stage_of(scratch *mem, const char *a, const char *b, const wordnet *synonyms) {
    if (!strcmp(a, b)) return 0;
    if (!strcmp(stem_english(mem, a), stem_english(mem, b))) return 1;
    return synonyms && wordnet_synonym(synonyms, a, b) ? 2 : -1;
}

/* Aligns greedily, stage by stage; of several places the one that continues a chunk, else the nearest in order. */
static void align(scratch *mem, char **a, int n, char **b, int m, const wordnet *synonyms, int *to, int *stage) {
    bool *used = scratch_get(mem, (size_t)m + 1);
    for (int i = 0; i < n; i++) to[i] = -1;
    for (int s = 0; s < (synonyms ? 3 : 2); s++)
        for (int i = 0; i < n; i++) {
            int best = -1, best_cost = 0;
            for (int j = 0; to[i] < 0 && j < m; j++) {
                if (used[j] || stage_of(mem, a[i], b[j], synonyms) != s) continue;
                bool goes_on =
                    (i && to[i - 1] >= 0 && to[i - 1] == j - 1) || (i + 1 < n && j + 1 < m && !used[j + 1] && !strcmp(a[i + 1], b[j + 1]));
                int cost = goes_on ? -1 : i > j ? i - j : j - i;
                if (best < 0 || cost < best_cost) best = j, best_cost = cost;
            }
            if (best >= 0) to[i] = best, stage[i] = s, used[best] = true;
        }
}

static counts compare(scratch *mem, const char *candidate, const char *reference, const wordnet *synonyms) {
    int n, m;
    char **a = py_split(mem, candidate, &n), **b = py_split(mem, reference, &m);
    int *to = scratch_get(mem, ((size_t)n + 1) * sizeof *to), *stage = scratch_get(mem, ((size_t)n + 1) * sizeof *stage);
    counts c = {0};
    align(mem, a, n, b, m, synonyms, to, stage);
    for (int i = 0; i < n; i++) c.words[0][is_function(a[i])]++;
    for (int j = 0; j < m; j++) c.words[1][is_function(b[j])]++;
    for (int i = 0; i < n; i++) {
        if (to[i] < 0) continue;
        c.weighted[0][is_function(a[i])] += stage_weight[stage[i]];
        c.weighted[1][is_function(b[to[i]])] += stage_weight[stage[i]];
        c.matches++;
        c.chunks += !i || to[i - 1] < 0 || to[i - 1] != to[i] - 1;
    }
    return c;
}

static void add(counts *to, const counts *c) {
    for (int side = 0; side < 2; side++)
        for (int kind = 0; kind < 2; kind++)
            to->weighted[side][kind] += c->weighted[side][kind], to->words[side][kind] += c->words[side][kind];
    to->matches += c->matches, to->chunks += c->chunks;
}

/* The corpus score is that of the summed counts against each caption's best reference. */
double meteor_score(const caption *c, int count, const wordnet *synonyms) {
    counts all = {0};
    for (int i = 0; i < count; i++) {
        counts best = {0};
        double most = -1;
        for (int r = 0; r < c[i].reference_count; r++) {
            scratch mem = {0};
            counts one = compare(&mem, c[i].candidate, c[i].references[r], synonyms);
            if (score_of(&one) > most) most = score_of(&one), best = one;
            scratch_free(&mem);
        }
        add(&all, &best);
    }
    return score_of(&all);
}
