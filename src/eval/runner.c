/* runner.c - one task: its data, answers for its rows from a model or a file, the score of each. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

static char *below(const char *dir, const char *path) { return dir ? path_join(dir, path) : mem_strdup(path); }

/* ---- data ---- */

/* NULL-terminated names of a list; free() */
static const char **name_list(const tree *list) {
    if (!list || list->type != TREE_LIST) return NULL;
    const char **out = mem_new((size_t)list->count + 1, sizeof *out);
    for (int i = 0; i < list->count; i++) out[i] = list->items[i]->type == TREE_STRING ? list->items[i]->text : "";
    return out;
}

static const char *split_of(const eval_task *t) {
    return tree_str(t->config, "test_split", tree_str(t->config, "validation_split", tree_str(t->config, "training_split", NULL)));
}

/* `dataset_kwargs: {data_files: {test: FILE}}` lies beside the task file; any other data set below the data folder. */
static char *data_path(const eval_task *t, const lmm_eval_opts *o) {
    const tree *files = tree_at(t->config, "dataset_kwargs.data_files");
    const char *split = split_of(t), *file = files && files->type == TREE_STRING ? files->text
                                             : split                             ? tree_str(files, split, NULL)
                                                                                 : NULL;
    if (!file) return below(o->data_dir, tree_str(t->config, "dataset_path", ""));
    char *beside = path_beside(t->path, file);
    if (file_exists(beside)) return beside;
    free(beside);
    return below(o->data_dir, file);
}

/* How to get it: as the task says, else from the hub when its name is one there. */
static lmm_status no_data(const eval_task *t, const char *path) {
    const char *fetch = tree_str(tree_get(t->config, "dataset_kwargs"), "fetch", NULL), *name = tree_str(t->config, "dataset_path", "");
    const char *slash = strchr(name, '/');
    if (fetch) return LMM_FAIL(LMM_E_IO, "task '%s': its data is not here: '%s'; get it with: %s", t->name, path, fetch);
    if (slash && !strchr(slash + 1, '/') && !strchr(slash, '.'))
        return LMM_FAIL(LMM_E_IO, "task '%s': its data is not here: '%s'; get it with: lmm pull datasets/%s --local-dir '%s'", t->name,
                        path, name, path);
    return LMM_FAIL(LMM_E_IO, "task '%s': its data is not here: '%s'", t->name, path);
}

static lmm_status open_data(table *out, char **home, const eval_task *t, const lmm_eval_opts *o) {
    const tree *how = tree_get(t->config, "dataset_kwargs");
    const char **columns = name_list(tree_get(how, "columns"));
    char *path = data_path(t, o);
    lmm_status st;
    if (file_is_dir(path)) st = table_salvage_set(out, path, tree_str(t->config, "dataset_name", NULL), split_of(t), 0);
    else if (file_exists(path)) st = table_salvage(out, path, columns, 0);
    else st = no_data(t, path);
    if (!st) *home = file_is_dir(path) ? mem_strdup(path) : path_dir(path);
    free(path);
    free(columns);
    return st;
}

/* ---- answers of a file ---- */

static lmm_status read_answers(task_run *run, const answer_file *file, const lmm_eval_opts *o) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < run->count && !st; i++) {
        eval_row *r = &run->rows[i];
        if (r->fault) continue;
        tree *vars = row_vars(run->task, table_row(&run->data, run->first + i), o->model);
        const char *text = answers_get(file, run->task->name, run->first + i, &r->input_tokens, &r->output_tokens);
        st = LMM_CONTEXT(template_render(&r->input, tree_str(run->task->config, "doc_to_text", ""), vars), "task '%s': row %d",
                         run->task->name, run->first + i);
        if (!text) run->unanswered++;
        if (!st) r->response = mem_strdup(text ? text : "");
        tree_free(vars);
    }
    return st;
}

/* ---- scores ---- */

/* lmms-eval's default takes two kinds of tags out. */
static const char *reasoning_of(const lmm_eval_opts *o) {
    return o->reasoning_tags ? o->reasoning_tags : "[[\"<think>\", \"</think>\"], [\"<analysis>\", \"</analysis>\"]]";
}

/* Rows without a verdict are scored again as long as the judge has something to say: what it says may raise another question. */
static lmm_status score_rows(task_run *run, judge_desk *desk, const lmm_eval_opts *o) {
    score_opts how = {.model = o->model,
                      .reasoning_tags = reasoning_of(o),
                      .seed = o->seed,
                      .judge = desk_judge(desk),
                      .compat = o->compat};
    lmm_status st = LMM_OK;
    bool more = true;
    for (int pass = 0; more && !st; pass++) {
        for (int i = 0; i < run->count && !st; i++) {
            eval_row *r = &run->rows[i];
            how.outputs = r->outputs;
            if (!r->fault && (!pass || r->unjudged))
                st = LMM_CONTEXT(score_row(r, run, table_row(&run->data, run->first + i), &how), "task '%s': row %d", run->task->name,
                                 run->first + i);
            if (st == LMM_E_FORMAT) st = row_fault(r, st, NULL); /* such as a right answer that the row does not have */
        }
        more = false;
        if (!st) st = desk_settle(desk, &more);
    }
    return st;
}

/* ---- one task ---- */

eval_row *task_rows_new(const task_run *run) {
    eval_row *rows = mem_new((size_t)run->count + 1, sizeof *rows);
    for (int i = 0; i < run->data.faults.count; i++) {
        const table_fault *f = &run->data.faults.at[i];
        for (int k = max_int(f->first, run->first); k < min_int(f->first + f->count, run->first + run->count); k++) {
            eval_row *r = &rows[k - run->first];
            r->fault = mem_strdup(f->why);
            r->fault_key = "broken_rows";
            r->input_tokens = r->output_tokens = -1;
        }
    }
    return rows;
}

lmm_status task_run_open(task_run *out, const eval_task *t, const lmm_eval_opts *o, double limit) {
    task_run run = {.task = t};
    lmm_status st = open_data(&run.data, &run.home, t, o);
    if (st) return st;
    int64_t count = limit > 0 ? args_sample_count(limit, run.data.count) : run.data.count;
    run.original_count = run.data.count;
    run.asked = (int)min_i64(count, run.data.count);
    run.first = (int)min_i64(o->offset, run.data.count);
    run.count = (int)min_i64(count, run.data.count - run.first);
    run.rows = task_rows_new(&run);
    if (!run.count)
        st = LMM_FAIL(LMM_E_ARG, "task '%s': no rows are left by --offset %" PRId64 " of %d", t->name, o->offset, run.data.count);
    if (!st && tree_get(t->config, "doc_to_visual")) st = archives_open(&run.zips, run.home);
    if (st) return task_run_close(&run), st;
    return *out = run, LMM_OK;
}

lmm_status task_run_answers(task_run *run, const eval_source *from, const lmm_eval_opts *o) {
    double start = time_now();
    lmm_status st = from->file               ? read_answers(run, from->file, o)
                    : from->model || o->chat ? ask_rows(run, from, o)
                                             : LMM_FAIL(LMM_E_ARG, "neither a model nor a file of answers is given");
    if (!st && !dist_rank(from->world)) st = score_rows(run, from->desk, o);
    st = dist_agree(from->world, st);
    run->seconds = time_now() - start;
    return st;
}

void task_rows_free(task_run *r) {
    for (int i = 0; r->rows && i < r->count; i++) {
        eval_row *row = &r->rows[i];
        free(row->response);
        free(row->unstripped);
        free(row->filtered);
        free(row->input);
        free(row->fault);
        tree_free(row->outputs);
        tree_free(row->metrics);
    }
    free(r->rows);
    r->rows = NULL;
}

void task_run_close(task_run *r) {
    task_rows_free(r);
    archives_close(r->zips);
    free(r->home);
    table_close(&r->data);
    *r = (task_run){0};
}
