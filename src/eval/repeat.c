/* repeat.c - several answers to every question: how stable the scores are, and how often at least one answer is right. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* The scores of one metric: a row of `repeats` numbers for each question that has them all. */
typedef struct {
    double **scores;
    int *counts, n;
} score_table;

/* Another set of answers for the same rows; data and folder stay those of `first`. */
static lmm_status answer_again(task_run *out, const task_run *first, const eval_source *from, const lmm_eval_opts *o, int repeat) {
    eval_source again = *from;
    task_run run = *first;
    again.repeat = repeat;
    run.rows = task_rows_new(first);
    run.recalled = 0;
    *out = run;
    return task_run_answers(out, &again, o);
}

static score_table scores_of(const task_run *runs, int repeats, const char *metric) {
    score_table t = {0};
    int rows = runs[0].count;
    t.scores = mem_new((size_t)rows + 1, sizeof *t.scores);
    t.counts = mem_new((size_t)rows + 1, sizeof *t.counts);
    for (int i = 0; i < rows; i++) {
        double *x = mem_new((size_t)repeats, sizeof *x);
        bool whole = true;
        for (int k = 0; k < repeats && whole; k++) {
            const tree *value = tree_get(runs[k].rows[i].metrics, metric);
            whole = value && !isnan(x[k] = score_number(runs[0].task, value));
        }
        if (whole) t.counts[t.n] = repeats, t.scores[t.n++] = x;
        else free(x);
    }
    return t;
}

/* The mean over questions of the chance that one of k drawn answers is right; a score of 1 is right. */
static double mean_pass(const score_table *t, int k) {
    double sum = 0;
    for (int i = 0; i < t->n; i++) {
        int right = 0;
        for (int j = 0; j < t->counts[i]; j++) right += t->scores[i][j] >= 1;
        sum += pass_at_k(t->counts[i], right, k);
    }
    return sum / t->n;
}

static void put(tree *results, const char *metric, const char *what, const char *filter, double x) {
    char *key = mem_printf("%s_%s,%s", metric, what, filter);
    tree_put(results, key, tree_new_real(x));
    free(key);
}

static void put_metric(tree *results, const task_run *runs, int repeats, const char *metric, const char *filter) {
    score_table t = scores_of(runs, repeats, metric);
    if (t.n) {
        stability s = stability_of((const double *const *)t.scores, t.counts, t.n);
        put(results, metric, "expected_accuracy", filter, s.expected);
        put(results, metric, "consensus_accuracy", filter, s.consensus);
        put(results, metric, "internal_variance", filter, s.variance);
        put(results, metric, "consistency_rate", filter, s.consistency);
        for (int k = 1; k <= repeats; k *= 2) {
            char name[32];
            snprintf(name, sizeof name, "pass_at_%d", k);
            put(results, metric, name, filter, mean_pass(&t, k));
        }
    }
    for (int i = 0; i < t.n; i++) free(t.scores[i]);
    free(t.scores);
    free(t.counts);
}

lmm_status repeats_run(tree *results, task_run *first, const eval_source *from, const lmm_eval_opts *o) {
    const tree *list = tree_get(first->task->config, "metric_list"), *pipelines = tree_get(first->task->config, "filter_list");
    const char *filter = pipelines && pipelines->count ? tree_str(pipelines->items[0], "name", "none") : "none";
    task_run *runs = mem_new((size_t)o->repeats, sizeof *runs);
    lmm_status st = LMM_OK;
    runs[0] = *first;
    for (int k = 1; k < o->repeats && !st; k++) {
        st = answer_again(&runs[k], first, from, o, k);
        first->seconds += runs[k].seconds;
        first->recalled += runs[k].recalled;
    }
    for (int i = 0; i < list->count && !st; i++) put_metric(results, runs, o->repeats, tree_str(list->items[i], "metric", ""), filter);
    for (int k = 1; k < o->repeats; k++) task_rows_free(&runs[k]);
    free(runs);
    return st;
}
