/* compare.c - finished runs read back from their files, and two of them compared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- reading a run ---- */

char *run_samples_path(const char *results, const char *task) {
    const char *end = strstr(path_base(results), "_results.json");
    char *path = end ? mem_printf("%.*s_samples_%s.jsonl", (int)(end - results), results, task) : NULL;
    if (path && file_exists(path)) return path;
    free(path);
    return NULL;
}

lmm_status run_samples(table *out, const char *results, const char *task) {
    char *path = run_samples_path(results, task);
    *out = (table){0};
    lmm_status st = path ? table_open(out, path, NULL, 0) : LMM_OK;
    free(path);
    return st;
}

lmm_status run_results(tree **out, const char *path) {
    lmm_status st = tree_load(out, path);
    if (!st && !tree_get(*out, "results")) {
        tree_free(*out);
        st = LMM_FAIL(LMM_E_FORMAT, "'%s' is no file of results (it has no 'results')", path);
    }
    return st;
}

/* Whether what a sample records of an answer equals what was asked for. */
static double equality(const tree *record) {
    static const char *const mine[] = {"pred_answer", "parsed_pred", "pred", "prediction"}, *const gold[] = {"answer", "ground_truth",
                                                                                                             "gt_answer"};
    const tree *a = NULL, *b = NULL;
    for (size_t i = 0; i < COUNT_OF(mine) && !a; i++) a = tree_get(record, mine[i]);
    for (size_t i = 0; i < COUNT_OF(gold) && !b; i++) b = tree_get(record, gold[i]);
    if (!a || !b) return NAN;
    if (a->type == TREE_LIST && a->count) a = a->items[0];
    scratch mem = {0};
    double same = !strcmp(py_str(&mem, a), py_str(&mem, b));
    scratch_free(&mem);
    return same;
}

/* One number for a sample: its first metric that is one, or whose record holds or implies one. NaN: none. */
double sample_score(const tree *sample) {
    static const char *const not_metrics[] = {"doc_id",      "target", "resps", "filtered_resps", "token_counts", "doc_hash", "doc_hash_v2",
                                              "input_media", "input",  "doc",   "arguments",      "submission"};
    for (int i = 0; i < sample->count; i++) {
        bool metric = true;
        for (size_t k = 0; k < COUNT_OF(not_metrics) && metric; k++) metric = strcmp(sample->keys[i], not_metrics[k]) != 0;
        if (!metric) continue;
        const tree *v = sample->items[i], *score = tree_get(v, "score");
        double x = v->type == TREE_MAP ? (score                    ? py_value(score, NAN)
                                          : tree_get(v, "correct") ? py_value(tree_get(v, "correct"), NAN)
                                                                   : equality(v))
                                       : py_value(v, NAN);
        if (!isnan(x)) return x;
    }
    return NAN;
}

/* ---- two runs ---- */

/* The sample of that id; `near`, where it is in the other file, is looked at first. */
static const tree *sample_of(const table *t, const tree *id, int near) {
    scratch mem = {0};
    const char *want = py_str(&mem, id);
    const tree *found = NULL;
    for (int i = -1; i < t->count && !found; i++) {
        const tree *row = i >= 0 ? table_row(t, i) : near < t->count ? table_row(t, near) : NULL;
        if (row && !strcmp(py_str(&mem, tree_get(row, "doc_id")), want)) found = row;
    }
    scratch_free(&mem);
    return found;
}

static void put_number(tree *t, const char *key, double x) { tree_put(t, key, isfinite(x) ? tree_new_real(x) : tree_new(TREE_NULL)); }

/* The paired test over the samples of both, and the rows whose score changed. */
static lmm_status compare_samples(tree *out, const char *a_path, const char *b_path, const char *task) {
    table a, b;
    lmm_status st = run_samples(&a, a_path, task);
    if (st) return st;
    if ((st = run_samples(&b, b_path, task))) return table_close(&a), st;
    double *x = mem_new((size_t)a.count + 1, sizeof *x), *y = mem_new((size_t)a.count + 1, sizeof *y);
    int n = 0;
    tree *better = tree_new(TREE_LIST), *worse = tree_new(TREE_LIST);
    for (int i = 0; i < a.count; i++) {
        const tree *mine = table_row(&a, i), *id = tree_get(mine, "doc_id"), *theirs = id ? sample_of(&b, id, i) : NULL;
        if (!theirs || isnan(x[n] = sample_score(mine)) || isnan(y[n] = sample_score(theirs))) continue;
        if (y[n] != x[n]) tree_add(y[n] > x[n] ? better : worse, tree_copy(id));
        n++;
    }
    if (n) {
        paired_test p = paired_of(y, x, n);
        tree *t = tree_new(TREE_MAP);
        tree_put(t, "n", tree_new_int(n));
        put_number(t, "difference", p.mean);
        put_number(t, "stderr", p.se);
        put_number(t, "low", p.low);
        put_number(t, "high", p.high);
        put_number(t, "p", p.p);
        tree_put(t, "better", better);
        tree_put(t, "worse", worse);
        tree_put(out, "samples", t);
    } else {
        tree_free(better);
        tree_free(worse);
    }
    free(x);
    free(y);
    table_close(&a);
    table_close(&b);
    return LMM_OK;
}

static tree *compare_metrics(const tree *a, const tree *b) {
    tree *out = tree_new(TREE_MAP);
    for (int i = 0; i < a->count; i++) {
        const char *key = a->keys[i];
        double x = py_value(a->items[i], NAN), y = py_value(tree_get(b, key), NAN);
        if (!strchr(key, ',') || strstr(key, "_stderr") || isnan(x) || isnan(y)) continue;
        tree *m = tree_new(TREE_MAP);
        put_number(m, "first", x);
        put_number(m, "second", y);
        put_number(m, "difference", y - x);
        tree_put(out, key, m);
    }
    return out;
}

lmm_status run_compare(tree **out, const char *a_path, const char *b_path) {
    tree *a, *b;
    lmm_status st = run_results(&a, a_path);
    if (st) return st;
    if ((st = run_results(&b, b_path))) return tree_free(a), st;
    tree *t = tree_new(TREE_MAP);
    const tree *tasks = tree_get(a, "results");
    for (int i = 0; i < tasks->count && !st; i++) {
        const tree *other = tree_get(tree_get(b, "results"), tasks->keys[i]);
        if (!other) continue;
        tree *one = tree_new(TREE_MAP);
        tree_put(one, "metrics", compare_metrics(tasks->items[i], other));
        st = compare_samples(one, a_path, b_path, tasks->keys[i]);
        tree_put(t, tasks->keys[i], one);
    }
    if (!st && !t->count) st = LMM_FAIL(LMM_E_ARG, "'%s' and '%s' have no task in common", a_path, b_path);
    tree_free(a);
    tree_free(b);
    if (st) return tree_free(t), st;
    return *out = t, LMM_OK;
}

lmm_status lmm_eval_diff(const char *results, const char *other, char **json) {
    tree *t;
    lmm_status st = run_compare(&t, results, other);
    return st ? st : (*json = tree_take_json(t), LMM_OK);
}

/* ---- a run against one that was, as lmms-eval's --baseline ---- */

lmm_status baseline_add(tree *results, const task_run *run, const lmm_eval_opts *o) {
    table before;
    lmm_status st =
        text_ends(o->baseline, ".jsonl") ? table_open(&before, o->baseline, NULL, 0) : run_samples(&before, o->baseline, run->task->name);
    if (st) return LMM_CONTEXT(st, "--baseline");
    double *now = mem_new((size_t)run->count + 1, sizeof *now), *then = mem_new((size_t)run->count + 1, sizeof *then), sum = 0;
    int n = 0;
    for (int i = 0; i < run->count; i++) {
        tree *mine = report_sample(run, i, o, NULL);
        const tree *theirs = run->rows[i].fault ? NULL : sample_of(&before, tree_get(mine, "doc_id"), i);
        if (theirs && !isnan(now[n] = sample_score(mine)) && !isnan(then[n] = sample_score(theirs))) sum += then[n++];
        tree_free(mine);
    }
    if (n > 1) {
        paired_test p = paired_of(now, then, n);
        tree_put(results, "paired_baseline", tree_new_string(o->baseline));
        put_number(results, "paired_baseline_score", 100 * sum / n);
        put_number(results, "paired_ci_lower", 100 * p.low);
        put_number(results, "paired_ci_upper", 100 * p.high);
        put_number(results, "paired_pvalue", p.p);
    } else
        st = LMM_FAIL(LMM_E_ARG, "--baseline '%s' shares %d rows with task '%s'; a comparison needs two", o->baseline, n, run->task->name);
    free(now);
    free(then);
    table_close(&before);
    return st;
}
