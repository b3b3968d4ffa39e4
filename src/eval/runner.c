/* runner.c - asks the model every question of a task, several at a time, and scores the answers. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

static char *below(const char *dir, const char *path) { return dir ? path_join(dir, path) : mem_strdup(path); }

/* NULL-terminated names of a list; free() */
static const char **name_list(const tree *list) {
    if (!list || list->type != TREE_LIST) return NULL;
    const char **out = mem_new((size_t)list->count + 1, sizeof *out);
    for (int i = 0; i < list->count; i++) out[i] = list->items[i]->type == TREE_STRING ? list->items[i]->text : "";
    return out;
}

static lmm_status open_data(table *out, const eval_task *t, const lmm_eval_opts *o) {
    const tree *how = tree_get(t->config, "dataset_kwargs");
    const char *fetch = tree_str(how, "fetch", NULL), **columns = name_list(tree_get(how, "columns"));
    char *path = below(o->data_dir, tree_str(t->config, "dataset_path", ""));
    lmm_status st = file_exists(path) ? table_open(out, path, columns, 0)
                                      : LMM_FAIL(LMM_E_IO, "task '%s': its data is not here: '%s'%s%s", t->name, path,
                                                 fetch ? "; get it with: " : "", fetch ? fetch : "");
    free(path);
    free(columns);
    return st;
}

static void put_quoted(buf *json, const char *text) { json_quote(json, text, strlen(text)); }

/* The messages of one row as OpenAI JSON. */
static lmm_status messages_json(buf *json, const eval_task *t, const tree *vars, const lmm_eval_opts *o) {
    const char *system = tree_str(t->config, "system", NULL), *image = tree_str(t->config, "doc_to_visual", NULL);
    char *question = NULL, *name = NULL;
    lmm_status st = template_render(&question, tree_str(t->config, "doc_to_text", ""), vars);
    if (!st && image) st = template_render(&name, image, vars);
    if (!st) {
        buf_puts(json, "[");
        if (system) buf_puts(json, "{\"role\": \"system\", \"content\": "), put_quoted(json, system), buf_puts(json, "}, ");
        buf_puts(json, "{\"role\": \"user\", \"content\": [");
        if (name) {
            char *path = below(o->data_dir, name);
            buf_puts(json, "{\"type\": \"image\", \"image\": "), put_quoted(json, path), buf_puts(json, "}, ");
            free(path);
        }
        buf_puts(json, "{\"type\": \"text\", \"text\": "), put_quoted(json, question), buf_puts(json, "}]}]");
    }
    free(question);
    free(name);
    return st;
}

static lmm_status prepare(lmm_session *s, eval_row *r, const eval_task *t, const lmm_model *m, const tree *row, const lmm_eval_opts *o) {
    buf json = {0};
    lmm_prompt *p = NULL;
    tree *vars = row_vars(t, row, NULL);
    lmm_status st = messages_json(&json, t, vars, o);
    if (!st) st = lmm_prompt_messages(&p, m, json.data, json.size, &(lmm_prompt_opts){.add_generation_prompt = true});
    if (!st) st = lmm_session_sync(s, p, NULL);
    if (!st) {
        r->input = mem_strdup(lmm_prompt_text(p));
        r->input_tokens = lmm_prompt_length(p);
    }
    lmm_prompt_free(p);
    tree_free(vars);
    buf_free(&json);
    return st;
}

/* `until` of the task; "\n\n", which lmms-eval adds by itself and most of its models ignore, is left out. */
static const char **stops_of(const eval_task *t, int *count) {
    const tree *until = tree_at(t->config, "generation_kwargs.until");
    const char **out = mem_new((size_t)(until ? until->count : 0) + 1, sizeof *out);
    *count = 0;
    if (until && until->type == TREE_STRING) out[(*count)++] = until->text;
    for (int i = 0; until && until->type == TREE_LIST && i < until->count; i++)
        if (until->items[i]->type == TREE_STRING && strcmp(until->items[i]->text, "\n\n")) out[(*count)++] = until->items[i]->text;
    return out;
}

static lmm_status take_answer(task_run *run, int i, const lmm_answer *a) {
    eval_row *r = &run->rows[i];
    r->response = mem_strdup(a->text);
    r->output_tokens = a->id_count;
    return score_row(r, run, table_row(&run->data, run->first + i), &(score_opts){0});
}

/* Rows [first, first + n) together. */
static lmm_status run_batch(task_run *run, lmm_session **sessions, int first, int n, const lmm_model *m, const lmm_eval_opts *o) {
    const eval_task *t = run->task;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++)
        st = LMM_CONTEXT(prepare(sessions[i], &run->rows[first + i], t, m, table_row(&run->data, run->first + first + i), o),
                         "task '%s': row %d", t->name, run->first + first + i);
    if (st) return st;
    int stop_count;
    const char **stops = stops_of(t, &stop_count);
    lmm_answer *answers = mem_new((size_t)n, sizeof *answers);
    lmm_gen_opts g = {.max_tokens = (int)tree_int(tree_get(t->config, "generation_kwargs"), "max_new_tokens", 128),
                      .stop = stops,
                      .stop_count = stop_count};
    st = lmm_generate(sessions, n, &g, NULL, NULL, answers);
    bool made = !st;
    for (int i = 0; i < n && !st; i++) st = take_answer(run, first + i, &answers[i]);
    if (made) lmm_answers_free(answers, n);
    free(answers);
    free(stops);
    return st;
}

static lmm_status run_all(task_run *run, lmm_session **sessions, int batch, const lmm_model *m, const lmm_eval_opts *o) {
    progress *bar = o->quiet ? NULL : progress_new(run->task->name, run->count, "rows");
    double start = time_now();
    lmm_status st = LMM_OK;
    for (int at = 0; at < run->count && !st; at += batch) {
        st = run_batch(run, sessions, at, min_int(batch, run->count - at), m, o);
        if (bar) progress_set(bar, min_int(at + batch, run->count), NULL);
    }
    progress_free(bar);
    run->seconds = time_now() - start;
    return st;
}

lmm_status task_run_model(task_run *out, const eval_task *t, const lmm_model *m, const lmm_eval_opts *o) {
    task_run run = {.task = t};
    lmm_status st = open_data(&run.data, t, o);
    if (st) return st;
    run.original_count = run.count = run.data.count;
    if (o->limit > 0 && o->limit < run.count) run.count = (int)o->limit;
    run.rows = mem_new((size_t)run.count + 1, sizeof *run.rows);
    int batch = o->batch > 0 ? o->batch : 8;
    lmm_session **sessions = mem_new((size_t)batch, sizeof *sessions);
    for (int i = 0; i < batch && !st; i++) st = lmm_session_open(&sessions[i], m, NULL);
    if (!st) st = run_all(&run, sessions, batch, m, o);
    for (int i = 0; i < batch; i++) lmm_session_close(sessions[i]);
    free(sessions);
    if (st) return task_run_close(&run), st;
    return *out = run, LMM_OK;
}

void task_run_close(task_run *r) {
    for (int i = 0; r->rows && i < r->count; i++) {
        free(r->rows[i].response);
        free(r->rows[i].filtered);
        free(r->rows[i].input);
        tree_free(r->rows[i].metrics);
    }
    free(r->rows);
    table_close(&r->data);
    *r = (task_run){0};
}
