/* score.c - from the responses of a task's rows to metrics: filters, reasoning taken out, the kind of answer; then scores with their errors. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- one row ---- */

static lmm_status filtered(eval_row *row, const eval_task *t, const char *tags_said) {
    const tree *pipelines = tree_get(t->config, "filter_list"),
               *chain = pipelines && pipelines->count ? tree_get(pipelines->items[0], "filter") : NULL;
    scratch mem = {0};
    tree *responses = tree_new(TREE_LIST), *value = NULL, *tags = NULL;
    tree_add(responses, tree_new_string(row->response));
    lmm_status st = filter_apply(&value, chain, responses);
    if (!st) st = reasoning_tags_of(&tags, tree_get(t->config, "reasoning_tags"), tags_said);
    if (!st) {
        const char *text = py_str(&mem, value->type == TREE_LIST && value->count ? value->items[0] : value);
        row->unstripped = mem_strdup(text);
        row->filtered = mem_strdup(tags ? reasoning_strip(&mem, text, tags) : text);
    }
    tree_free(tags);
    tree_free(value);
    tree_free(responses);
    scratch_free(&mem);
    return st;
}

/* A metric without a value, or a record without a score: the judge gave no verdict. */
static bool unjudged(const tree *metrics) {
    for (int i = 0; i < metrics->count; i++) {
        const tree *v = metrics->items[i], *score = tree_get(v, "score");
        if (v->type == TREE_NULL || (score && score->type == TREE_NULL)) return true;
    }
    return false;
}

lmm_status score_row(eval_row *row, const task_run *run, const tree *doc, const score_opts *o) {
    scratch mem = {0};
    py_random random;
    int drawn = 0;
    free(row->unstripped);
    free(row->filtered);
    tree_free(row->metrics);
    row->unstripped = row->filtered = NULL;
    row->metrics = NULL;
    lmm_status st = filtered(row, run->task, o->reasoning_tags);
    if (st) return st;
    py_random_seed(&random, o->seed); /* each row by itself: order and batch change nothing */
    tree *vars = row_vars(run->task, doc, o->model);
    answer_in in = {.mem = &mem,
                    .task = run->task,
                    .row = doc,
                    .vars = vars,
                    .spec = tree_get(run->task->config, "answer"),
                    .response = py_strip(&mem, row->filtered),
                    .outputs = o->outputs,
                    .random = &random,
                    .drawn = &drawn,
                    .judge = o->judge,
                    .compat = o->compat};
    st = answer_run(&row->metrics, &in);
    row->by_chance = drawn > 0;
    row->unjudged = !st && unjudged(row->metrics);
    tree_free(vars);
    scratch_free(&mem);
    return st;
}

/* ---- a whole task ---- */

/* The values of one metric, in order; rows that lack it are left out. */
static tree *values_of(const task_run *r, const char *metric) {
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < r->count; i++) {
        const tree *value = tree_get(r->rows[i].metrics, metric);
        if (value) tree_add(list, tree_copy(value));
    }
    return list;
}

static void put_real(tree *t, const char *metric, const char *suffix, const char *filter, double x) {
    char *key = mem_printf("%s%s,%s", metric, suffix, filter);
    tree_put(t, key, isfinite(x) ? tree_new_real(x) : tree_new_string("N/A"));
    free(key);
}

double score_number(const eval_task *t, const tree *value) {
    return value->type == TREE_MAP ? py_value(tree_get(value, tree_str(t->config, "score_key", "score")), NAN) : py_value(value, NAN);
}

static void put_errors(tree *out, const task_run *r, const tree *spec, const tree *values, const char *filter) {
    const char *metric = tree_str(spec, "metric", ""), *cluster = tree_str(r->task->config, "cluster_key", NULL);
    double *x = mem_new((size_t)values->count + 1, sizeof *x), clustered = NAN;
    const char **names = mem_new((size_t)values->count + 1, sizeof *names);
    int n = 0;
    bool plain = true, grouped = cluster != NULL;
    scratch mem = {0};
    for (int i = 0; i < values->count; i++) {
        const tree *v = values->items[i], *name = cluster ? tree_get(v, cluster) : NULL;
        plain = plain && v->type != TREE_MAP;
        grouped = grouped && name;
        names[n] = name ? py_str(&mem, name) : "";
        if (!isnan(x[n] = score_number(r->task, v))) n++;
    }
    if (grouped) clustered = clustered_stderr(x, names, n);
    bool mean = !strcmp(tree_str(spec, "aggregation", "mean"), "mean") && plain;
    put_real(out, metric, "_stderr", filter, mean ? mean_stderr(x, n) : NAN);
    put_real(out, metric, "_stderr_clt", filter, mean_stderr(x, n));
    put_real(out, metric, "_stderr_clustered", filter, clustered);
    scratch_free(&mem);
    free(names);
    free(x);
}

static bool answered(const task_run *r) {
    for (int i = 0; i < r->count; i++)
        if (!r->rows[i].fault) return true;
    return false;
}

/* null when no row of the task has an answer. */
static lmm_status put_metric(tree *out, const task_run *r, const tree *spec, const char *filter, const score_opts *o, tree *details) {
    scratch mem = {0};
    tree *values = values_of(r, tree_str(spec, "metric", "")), *value = NULL, *parts = tree_new(TREE_MAP);
    aggregate_in in = {tree_str(spec, "metric", ""), values, spec, &mem, o->judge, o->compat, parts};
    const bool some = answered(r);
    lmm_status st = some ? aggregation_find(tree_str(spec, "aggregation", "mean"))->run(&in, &value) : LMM_OK;
    if (!st) {
        char *key = mem_printf("%s,%s", in.metric, filter);
        tree_put(out, key, some ? value : tree_new(TREE_NULL));
        free(key);
        if (some) put_errors(out, r, spec, values, filter);
        if (parts->count) tree_put(details, in.metric, tree_copy(parts));
    }
    tree_free(parts);
    tree_free(values);
    scratch_free(&mem);
    return LMM_CONTEXT(st, "metric '%s'", tree_str(spec, "metric", ""));
}

/* "by": {value: {count, metric...}} for every value of the task's group_by column. */
static tree *by_group(const task_run *r, const score_opts *o, const char *filter) {
    tree *by = tree_new(TREE_MAP), *list = (tree *)tree_get(r->task->config, "metric_list"), *unused = tree_new(TREE_MAP);
    const char *column = tree_str(r->task->config, "group_by", "");
    scratch mem = {0};
    for (int i = 0; i < r->count; i++) {
        const char *group = py_str(&mem, tree_get(table_row(&r->data, r->first + i), column));
        if (tree_get(by, group)) continue;
        task_run part = *r;
        part.rows = mem_new((size_t)r->count, sizeof *part.rows);
        part.count = 0;
        for (int k = i; k < r->count; k++)
            if (!strcmp(py_str(&mem, tree_get(table_row(&r->data, r->first + k), column)), group)) part.rows[part.count++] = r->rows[k];
        tree *one = tree_new(TREE_MAP);
        tree_put(one, "count", tree_new_int(part.count));
        for (int k = 0; k < list->count; k++)
            if (put_metric(one, &part, list->items[k], filter, o, unused)) break;
        tree_put(by, group, one);
        free(part.rows);
    }
    scratch_free(&mem);
    tree_free(unused);
    return by;
}

/* Upstream shows metrics of the rows that the task does not list as empty lists. */
static void put_unlisted(tree *out, const task_run *r, const tree *list, const char *filter) {
    const tree *metrics = r->count ? r->rows[0].metrics : NULL; /* NULL too for a row with a fault */
    for (int i = 0; metrics && i < metrics->count; i++) {
        bool listed = false;
        for (int k = 0; k < list->count && !listed; k++) listed = !strcmp(tree_str(list->items[k], "metric", ""), metrics->keys[i]);
        if (listed) continue;
        char *key = mem_printf("%s,%s", metrics->keys[i], filter), *se = mem_printf("%s_stderr,%s", metrics->keys[i], filter);
        tree_put(out, key, tree_new(TREE_LIST));
        tree_put(out, se, tree_new(TREE_LIST));
        free(se);
        free(key);
    }
}

lmm_status score_task(tree **out, const task_run *r, const score_opts *o, bool predict_only) {
    const tree *list = tree_get(r->task->config, "metric_list"), *pipelines = tree_get(r->task->config, "filter_list");
    const char *filter = pipelines && pipelines->count ? tree_str(pipelines->items[0], "name", "none") : "none";
    tree *t = tree_new(TREE_MAP), *details = tree_new(TREE_MAP);
    tree_put(t, "alias", tree_new_string(tree_str(r->task->config, "task_alias", r->task->name)));
    lmm_status st = LMM_OK;
    if (predict_only) put_real(t, "bypass", "", filter, 999);
    for (int i = 0; !predict_only && i < list->count && !st; i++) st = put_metric(t, r, list->items[i], filter, o, details);
    if (o->compat && !predict_only) put_unlisted(t, r, list, filter);
    if (!st && !predict_only && tree_get(r->task->config, "group_by")) tree_put(t, "by", by_group(r, o, filter));
    if (details->count) tree_put(t, "details", details);
    else tree_free(details);
    if (st) return tree_free(t), LMM_CONTEXT(st, "task '%s'", r->task->name);
    return *out = t, LMM_OK;
}
