/* reward_length.c - rewards for how long a completion is and how much of it repeats. Source: rl.md 3.8. */
#include "align/align.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double reward_cosine(double length, bool right, const cosine_config *c) {
    double x = length / c->length_max;
    if (c->clamp && x > 1) x = 1;
    /* a wrong answer is punished most when it is short */
    double low = right ? c->right_low : c->wrong_high, high = right ? c->right_high : c->wrong_low;
    return low + 0.5 * (high - low) * (1 + cos(3.14159265358979323846 * x));
}

double reward_overlong(double length, double length_max, double cache) {
    if (length <= length_max - cache) return 0;
    return length <= length_max && cache > 0 ? (length_max - cache - length) / cache : -1;
}

static int compare_grams(const int *ids, int a, int b, int n) {
    for (int i = 0; i < n; i++)
        if (ids[a + i] != ids[b + i]) return ids[a + i] < ids[b + i] ? -1 : 1;
    return 0;
}

/* Heap sort of the n-grams' starts: qsort would need the ids through a global. */
static void sift(int *at, int from, int count, const int *ids, int n) {
    for (int child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && compare_grams(ids, at[child], at[child + 1], n) < 0) child++;
        if (compare_grams(ids, at[from], at[child], n) >= 0) return;
        int t = at[from];
        at[from] = at[child];
        at[child] = t;
    }
}

static int distinct_grams(const int *ids, int total, int n) {
    int *at = mem_new((size_t)total, sizeof *at), distinct = 1;
    for (int i = 0; i < total; i++) at[i] = i;
    for (int i = total / 2; i-- > 0;) sift(at, i, total, ids, n);
    for (int end = total; end-- > 1;) {
        int t = at[0];
        at[0] = at[end];
        at[end] = t;
        sift(at, 0, end, ids, n);
    }
    for (int i = 1; i < total; i++) distinct += compare_grams(ids, at[i - 1], at[i], n) != 0;
    free(at);
    return distinct;
}

double reward_repetition(const int *ids, int count, int n, double penalty) {
    int total = count - n + 1;
    if (n < 1 || total < 1) return 0;
    return (1 - (double)distinct_grams(ids, total, n) / total) * penalty;
}

/* Words become numbers by first appearance. */
double reward_repeated_words(const char *text, int n, double penalty) {
    strmap *words = strmap_new();
    VEC(int) ids = {0};
    for (const char *p = text; *p;) {
        while (*p && isspace((unsigned char)*p)) p++;
        size_t size = 0;
        while (p[size] && !isspace((unsigned char)p[size])) size++;
        if (!size) break;
        char *word = mem_strndup(p, size);
        for (size_t i = 0; i < size; i++) word[i] = (char)tolower((unsigned char)word[i]);
        int id = strmap_count(words);
        if (!strmap_put(words, word, size, id)) strmap_get(words, word, size, &id);
        VEC_PUSH(&ids, id);
        free(word);
        p += size;
    }
    double reward = reward_repetition(ids.at, ids.count, n, penalty);
    free(ids.at);
    strmap_free(words);
    return reward;
}

/* Length of a step's mark at s, 0 for none. */
static size_t step_mark(const char *s, bool start) {
    static const char *const marks[] = {"\n-", "\n*", "First,", "Second,", "Next,", "Finally,"};
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (!strncmp(s, marks[i], strlen(marks[i]))) return strlen(marks[i]);
    const char *digits = !strncmp(s, "Step ", 5) ? s + 5 : start ? s : "";
    size_t n = strspn(digits, "0123456789");
    return n && digits[n] == (start && digits == s ? '.' : ':') ? (size_t)(digits - s) + n + 1 : 0;
}

double reward_steps(const char *text) {
    int found = 0;
    for (const char *p = text; *p;) {
        size_t n = step_mark(p, p == text);
        found += n > 0;
        p += n ? n : 1;
    }
    return fmin(1, found / 3.0);
}

void reward_shortness(double *out, const double *length, const bool *right, int count) {
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < count; i++) low = fmin(low, length[i]), high = fmax(high, length[i]);
    for (int i = 0; i < count; i++) {
        double value = high > low ? 0.5 - (length[i] - low) / (high - low) : 0;
        out[i] = right[i] ? value : fmin(0, value);
    }
}
