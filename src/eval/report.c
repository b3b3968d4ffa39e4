/* report.c - results in the layout of lmms-eval's files, and lmm_eval itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "eval/eval.h"

static void put_number(tree *map, const char *metric_, const char *suffix, double x) {
    char key[128];
    snprintf(key, sizeof key, "%s%s,none", metric_, suffix);
    tree_put(map, key, isfinite(x) ? tree_new_real(x) : tree_new_string("N/A"));
}

/* Scores of metric k over the rows whose group_by column equals `group` (NULL: all). */
static int scores_of(const task_run *r, int k, const char *group, double *out) {
    int n = 0;
    for (int i = 0; i < r->data.count; i++)
        if (!group || !strcmp(tree_str(table_row(&r->data, i), r->task->group_by, ""), group)) out[n++] = r->rows[i].score[k];
    return n;
}

/* "by": {group: {count, metric, stderr}} for every value of the group_by column. */
static tree *by_group(const task_run *r, double *scratch) {
    tree *by = tree_new(TREE_MAP);
    for (int i = 0; i < r->data.count; i++) {
        const char *group = tree_str(table_row(&r->data, i), r->task->group_by, "");
        if (tree_get(by, group)) continue;
        tree *one = tree_new(TREE_MAP);
        for (int k = 0; k < r->task->metric_count; k++) {
            int n = scores_of(r, k, group, scratch);
            if (k == 0) tree_put(one, "count", tree_new_int(n));
            put_number(one, r->task->metrics[k]->name, "", mean_of(scratch, n));
            put_number(one, r->task->metrics[k]->name, "_stderr", mean_stderr(scratch, n));
        }
        tree_put(by, group, one);
    }
    return by;
}

tree *report_task(const task_run *r) {
    tree *t = tree_new(TREE_MAP);
    double *x = mem_new((size_t)r->data.count + 1, sizeof *x);
    tree_put(t, "alias", tree_new_string(r->task->name));
    for (int k = 0; k < r->task->metric_count; k++) {
        int n = scores_of(r, k, NULL, x);
        const char *name = r->task->metrics[k]->name;
        put_number(t, name, "", mean_of(x, n));
        put_number(t, name, "_stderr", mean_stderr(x, n));
        put_number(t, name, "_stderr_clt", mean_stderr(x, n));
        put_number(t, name, "_stderr_clustered", NAN);
    }
    if (r->task->group_by) tree_put(t, "by", by_group(r, x));
    free(x);
    return t;
}

tree *report_samples(const task_run *r, int i) {
    const eval_row *row = &r->rows[i];
    const tree *target = tree_get(table_row(&r->data, i), r->task->target);
    tree *t = tree_new(TREE_MAP), *counts = tree_new(TREE_LIST), *count = tree_new(TREE_MAP);
    tree_put(t, "doc_id", tree_new_int(i));
    tree_put(t, "target", target ? tree_copy(target) : tree_new(TREE_NULL));
    if (strcmp(row->response, row->answer)) tree_put(t, "resps", tree_new_string(row->response));
    tree_put(t, "filtered_resps", tree_new_string(row->answer));
    tree_put(count, "input_tokens", tree_new_int(row->input_tokens));
    tree_put(count, "output_tokens", tree_new_int(row->output_tokens));
    tree_add(counts, count);
    tree_put(t, "token_counts", counts);
    buf doc = {0};
    char hash[65];
    tree_write_json(&doc, table_row(&r->data, i), 2);
    sha256_hex(doc.data, doc.size, hash);
    buf_free(&doc);
    tree_put(t, "doc_hash", tree_new_string(hash));
    for (int k = 0; k < r->task->metric_count; k++) tree_put(t, r->task->metrics[k]->name, tree_new_real(row->score[k]));
    tree_put(t, "input", tree_new_string(row->input));
    return t;
}

/* ---- files ---- */

static lmm_status write_samples(const task_run *r, const char *dir, const char *stamp) {
    buf lines = {0};
    for (int i = 0; i < r->data.count; i++) {
        tree *t = report_samples(r, i);
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

static void add_task(tree *report, const task_run *r) {
    const struct {
        const char *section;
        tree *value;
    } row[] = {
        {"results", report_task(r)},
        {"versions", tree_new_int(r->task->version)},
        {"n-shot", tree_new_int(0)},
        {"task_file_hashes", tree_new_string(r->task->hash)},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) tree_put((tree *)tree_get(report, row[i].section), r->task->name, row[i].value);
    tree *n = tree_new(TREE_MAP);
    tree_put(n, "original", tree_new_int(r->original_count));
    tree_put(n, "effective", tree_new_int(r->data.count));
    tree_put((tree *)tree_get(report, "n-samples"), r->task->name, n);
}

static tree *new_report(const lmm_model *m) {
    static const char *const sections[] = {"results", "versions", "n-shot", "n-samples", "task_file_hashes"};
    tree *report = tree_new(TREE_MAP);
    for (size_t i = 0; i < COUNT_OF(sections); i++) tree_put(report, sections[i], tree_new(TREE_MAP));
    lmm_model_info info;
    lmm_model_describe(m, &info);
    tree_put(report, "lmm_version", tree_new_string(lmm_version()));
    tree_put(report, "architecture", tree_new_string(info.architecture));
    return report;
}

static lmm_status run_task(tree *report, const char *name, const lmm_model *m, const lmm_eval_opts *o, const char *stamp, double *seconds) {
    eval_task task;
    task_run run;
    lmm_status st = task_open(&task, o->task_dir ? o->task_dir : "tasks", name);
    if (st) return st;
    st = task_run_model(&run, &task, m, o);
    if (!st) {
        add_task(report, &run);
        *seconds += run.seconds;
        if (o->output_dir && o->log_samples) st = write_samples(&run, o->output_dir, stamp);
        task_run_close(&run);
    }
    task_close(&task);
    return st;
}

static lmm_status write_report(const char *dir, const char *stamp, const char *json) {
    char *name = mem_printf("%s_results.json", stamp), *path = path_join(dir, name);
    lmm_status st = file_write(path, json, strlen(json));
    free(path);
    free(name);
    return st;
}

lmm_status lmm_eval(const lmm_model *m, const lmm_eval_opts *o, char **out) {
    char stamp[32];
    time_t now = time(NULL);
    struct tm local;
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", localtime_r(&now, &local));
    if (!o->task_count) return LMM_FAIL(LMM_E_ARG, "name at least one task");
    lmm_status st = o->output_dir ? dir_make(o->output_dir) : LMM_OK;
    if (st) return st;
    tree *report = new_report(m);
    double seconds = 0;
    for (int i = 0; i < o->task_count && !st; i++) st = run_task(report, o->tasks[i], m, o, stamp, &seconds);
    tree_put(report, "date", tree_new_int((int64_t)now));
    tree_put(report, "total_evaluation_time_seconds", tree_new_real(seconds));
    buf json = {0};
    tree_write_json(&json, report, 2);
    if (!st && o->output_dir) st = write_report(o->output_dir, stamp, json.data);
    tree_free(report);
    if (st) return buf_free(&json), st;
    return *out = buf_take(&json), LMM_OK;
}
