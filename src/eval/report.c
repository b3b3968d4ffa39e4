/* report.c - results in the layout of lmms-eval's files, and lmm_eval itself. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "eval/eval_int.h"

/* ---- samples ---- */

/* What lmms-eval logs as the target: the doc_to_target template, or the word itself. */
static tree *target_of(const eval_task *t, const tree *vars) {
    char *text;
    if (template_render(&text, tree_str(t->config, "doc_to_target", ""), vars)) return tree_new(TREE_NULL);
    tree *out = tree_new_string(text);
    free(text);
    return out;
}

static void put_counts(tree *t, const eval_row *row) {
    tree *counts = tree_new(TREE_LIST), *count = tree_new(TREE_MAP);
    tree_put(count, "input_tokens", tree_new_int(row->input_tokens));
    tree_put(count, "output_tokens", tree_new_int(row->output_tokens));
    tree_add(counts, count);
    tree_put(t, "token_counts", counts);
}

tree *report_sample(const task_run *r, int i) {
    const eval_row *row = &r->rows[i];
    const tree *doc = table_row(&r->data, r->first + i);
    tree *t = tree_new(TREE_MAP), *vars = row_vars(r->task, doc, NULL);
    tree_put(t, "doc_id", tree_new_int(r->first + i));
    tree_put(t, "target", target_of(r->task, vars));
    if (strcmp(row->response, row->filtered)) tree_put(t, "resps", tree_new_string(row->response));
    tree_put(t, "filtered_resps", tree_new_string(row->filtered));
    put_counts(t, row);
    buf text = {0};
    char hash[65];
    tree_write_json(&text, doc, 2);
    sha256_hex(text.data, text.size, hash);
    buf_free(&text);
    tree_put(t, "doc_hash", tree_new_string(hash));
    for (int k = 0; k < row->metrics->count; k++) tree_put(t, row->metrics->keys[k], tree_copy(row->metrics->items[k]));
    tree_put(t, "input", tree_new_string(row->input));
    tree_free(vars);
    return t;
}

/* ---- files ---- */

static lmm_status write_samples(const task_run *r, const char *dir, const char *stamp) {
    buf lines = {0};
    for (int i = 0; i < r->count; i++) {
        tree *t = report_sample(r, i);
        tree_write_json(&lines, t, 0);
        buf_putc(&lines, '\n');
        tree_free(t);
    }
    char *name = mem_printf("%s_samples_%s.jsonl", stamp, r->task->name), *path = path_join(dir, name);
    lmm_status st = file_write(path, lines.data ? lines.data : "", lines.size);
    free(path);
    free(name);
    buf_free(&lines);
    return st;
}

/* `metadata: {version: N}`; lmms-eval shows "Yaml" without one. */
static tree *version_of(const eval_task *t) {
    const tree *v = tree_at(t->config, "metadata.version");
    return v ? tree_copy(v) : tree_new_string("Yaml");
}

static tree *better_of(const eval_task *t) {
    tree *out = tree_new(TREE_MAP);
    const tree *list = tree_get(t->config, "metric_list");
    for (int i = 0; i < list->count; i++)
        tree_put(out, tree_str(list->items[i], "metric", ""), tree_new_bool(tree_bool(list->items[i], "higher_is_better", true)));
    return out;
}

static lmm_status add_task(tree *report, const task_run *r) {
    tree *results;
    lmm_status st = score_task(&results, r, &(score_opts){0});
    if (st) return st;
    tree *n = tree_new(TREE_MAP);
    tree_put(n, "original", tree_new_int(r->original_count));
    tree_put(n, "effective", tree_new_int(r->count));
    const struct {
        const char *section;
        tree *value;
    } row[] = {
        {"results", results},
        {"group_subtasks", tree_new(TREE_LIST)},
        {"configs", tree_copy(r->task->config)},
        {"versions", version_of(r->task)},
        {"n-shot", tree_new_int(tree_int(r->task->config, "num_fewshot", 0))},
        {"higher_is_better", better_of(r->task)},
        {"n-samples", n},
        {"task_file_hashes", tree_new_string(r->task->hash)},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) tree_put((tree *)tree_get(report, row[i].section), r->task->name, row[i].value);
    return LMM_OK;
}

static tree *new_report(const lmm_model *m) {
    static const char *const sections[] = {"results", "group_subtasks",   "configs",   "versions",
                                           "n-shot",  "higher_is_better", "n-samples", "task_file_hashes"};
    tree *report = tree_new(TREE_MAP);
    for (size_t i = 0; i < COUNT_OF(sections); i++) tree_put(report, sections[i], tree_new(TREE_MAP));
    lmm_model_info info;
    lmm_model_describe(m, &info);
    tree_put(report, "lmm_version", tree_new_string(lmm_version()));
    tree_put(report, "architecture", tree_new_string(info.architecture));
    return report;
}

static lmm_status run_task(tree *report, const eval_task *t, const lmm_model *m, const lmm_eval_opts *o, const char *stamp,
                           double *seconds) {
    task_run run;
    lmm_status st = task_run_model(&run, t, m, o);
    if (st) return st;
    st = add_task(report, &run);
    *seconds += run.seconds;
    if (!st && o->output_dir && o->log_samples) st = write_samples(&run, o->output_dir, stamp);
    task_run_close(&run);
    return st;
}

static lmm_status write_report(const char *dir, const char *stamp, const char *json) {
    char *name = mem_printf("%s_results.json", stamp), *path = path_join(dir, name);
    lmm_status st = file_write(path, json, strlen(json));
    free(path);
    free(name);
    return st;
}

/* "a,b" of a list of names. free() */
static char *joined(const char *const *names, int n) {
    buf b = {0};
    for (int i = 0; i < n; i++) buf_printf(&b, "%s%s", i ? "," : "", names[i]);
    return buf_take(&b);
}

static lmm_status run_tasks(tree *report, const lmm_model *m, const lmm_eval_opts *o, const char *stamp) {
    task_set set;
    task_list list = {0};
    double seconds = 0;
    lmm_status st = task_set_open(&set, (const char *const[]){o->task_dir ? o->task_dir : "tasks"}, 1);
    if (st) return st;
    char *names = joined(o->tasks, o->task_count);
    st = task_select(&list, &set, names);
    for (int i = 0; i < list.count && !st; i++) st = run_task(report, list.at[i], m, o, stamp, &seconds);
    tree_put(report, "total_evaluation_time_seconds", tree_new_real(seconds));
    free(names);
    free(list.at);
    task_set_close(&set);
    return st;
}

lmm_status lmm_eval(const lmm_model *m, const lmm_eval_opts *o, char **out) {
    char stamp[32];
    time_t now = time(NULL);
    struct tm local;
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", localtime_r(&now, &local));
    lmm_status st = o->output_dir ? dir_make(o->output_dir) : LMM_OK;
    if (st) return st;
    tree *report = new_report(m);
    tree_put(report, "date", tree_new_int((int64_t)now));
    st = run_tasks(report, m, o, stamp);
    buf json = {0};
    tree_write_json(&json, report, 2);
    if (!st && o->output_dir) st = write_report(o->output_dir, stamp, json.data);
    tree_free(report);
    if (st) return buf_free(&json), st;
    return *out = buf_take(&json), LMM_OK;
}
