/* score.c - metrics of one answer, and means with their standard errors. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "eval/eval.h"

static double exact_match(const char *answer, const char *target) { return strcmp(answer, target) == 0; }
static double exact_match_nocase(const char *answer, const char *target) { return strcasecmp(answer, target) == 0; }

static const metric rows[] = {{"exact_match", exact_match}, {"exact_match_nocase", exact_match_nocase}};

const metric *metric_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

const char *const *metric_names(void) {
    static const char *const names[] = {"exact_match", "exact_match_nocase", NULL};
    return names;
}

double mean_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return n ? sum / n : NAN;
}

double mean_stderr(const double *x, int n) {
    double mean = mean_of(x, n), squares = 0;
    if (n < 2) return NAN;
    for (int i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares / (n - 1) / n);
}
