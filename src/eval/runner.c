/* runner.c - asks the model every question of a task, several at a time, and scores the answers. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval.h"

static char *below(const char *dir, const char *path) { return dir ? path_join(dir, path) : mem_strdup(path); }

static lmm_status open_data(table *out, const eval_task *t, const lmm_eval_opts *o) {
    char *path = below(o->data_dir, t->data_path);
    lmm_status st = file_exists(path) ? table_open(out, path, (const char *const *)t->columns, 0)
                                      : LMM_FAIL(LMM_E_IO, "task '%s': its data is not here: '%s'%s%s", t->name, path,
                                                 t->fetch ? "; get it with: " : "", t->fetch ? t->fetch : "");
    free(path);
    return st;
}

/* The messages of one row as OpenAI JSON. */
static lmm_status messages_json(buf *json, const eval_task *t, const tree *row, const lmm_eval_opts *o, buf *question) {
    lmm_status st = row_format(question, t->prompt, row);
    if (st) return st;
    buf_puts(json, "[");
    if (t->system) {
        buf_puts(json, "{\"role\": \"system\", \"content\": ");
        json_quote(json, t->system, strlen(t->system));
        buf_puts(json, "}, ");
    }
    buf_puts(json, "{\"role\": \"user\", \"content\": [");
    if (t->image) {
        buf name = {0};
        st = row_format(&name, t->image, row);
        char *path = st ? NULL : below(o->data_dir, name.data);
        if (!st) {
            buf_puts(json, "{\"type\": \"image\", \"image\": ");
            json_quote(json, path, strlen(path));
            buf_puts(json, "}, ");
        }
        free(path);
        buf_free(&name);
    }
    buf_puts(json, "{\"type\": \"text\", \"text\": ");
    json_quote(json, question->data, question->size);
    buf_puts(json, "}]}]");
    return st;
}

static lmm_status prepare(lmm_session *s, eval_row *r, const eval_task *t, const lmm_model *m, const tree *row, const lmm_eval_opts *o) {
    buf json = {0}, question = {0};
    lmm_prompt *p = NULL;
    lmm_status st = messages_json(&json, t, row, o, &question);
    if (!st) st = lmm_prompt_messages(&p, m, json.data, json.size, &(lmm_prompt_opts){.add_generation_prompt = true});
    if (!st) st = lmm_session_sync(s, p, NULL);
    if (!st) {
        r->input = mem_strdup(lmm_prompt_text(p));
        r->input_tokens = lmm_prompt_length(p);
    }
    lmm_prompt_free(p);
    buf_free(&json);
    buf_free(&question);
    return st;
}

static const char *target_of(const eval_task *t, const tree *row, buf *scratch) {
    const tree *v = tree_get(row, t->target);
    buf_reset(scratch);
    if (v && v->type == TREE_STRING) buf_put(scratch, v->text, v->text_size);
    else if (v) tree_write_json(scratch, v, 0);
    else buf_puts(scratch, "");
    return scratch->data;
}

static void judge(eval_row *r, const eval_task *t, const tree *row, const lmm_answer *a) {
    buf answer = {0}, target = {0};
    r->response = mem_strdup(a->text);
    r->output_tokens = a->id_count;
    t->answer->run(&answer, a->text);
    r->answer = buf_take(&answer);
    for (int k = 0; k < t->metric_count; k++) r->score[k] = t->metrics[k]->score(r->answer, target_of(t, row, &target));
    buf_free(&target);
}

/* Rows [first, first + n) together. */
static lmm_status run_batch(task_run *run, lmm_session **sessions, int first, int n, const lmm_model *m, const lmm_eval_opts *o) {
    const eval_task *t = run->task;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++)
        st = LMM_CONTEXT(prepare(sessions[i], &run->rows[first + i], t, m, table_row(&run->data, first + i), o), "task '%s': row %d",
                         t->name, first + i);
    if (st) return st;
    lmm_answer *answers = mem_new((size_t)n, sizeof *answers);
    lmm_gen_opts g = {.max_tokens = t->max_tokens, .stop = (const char *const *)t->stop, .stop_count = t->stop_count};
    st = lmm_generate(sessions, n, &g, NULL, NULL, answers);
    for (int i = 0; i < n && !st; i++) judge(&run->rows[first + i], t, table_row(&run->data, first + i), &answers[i]);
    if (!st) lmm_answers_free(answers, n);
    free(answers);
    return st;
}

static lmm_status run_all(task_run *run, lmm_session **sessions, int batch, const lmm_model *m, const lmm_eval_opts *o) {
    progress *bar = o->quiet ? NULL : progress_new(run->task->name, run->data.count, "rows");
    double start = time_now();
    lmm_status st = LMM_OK;
    for (int at = 0; at < run->data.count && !st; at += batch) {
        st = run_batch(run, sessions, at, min_int(batch, run->data.count - at), m, o);
        if (bar) progress_set(bar, min_int(at + batch, run->data.count), NULL);
    }
    progress_free(bar);
    run->seconds = time_now() - start;
    return st;
}

lmm_status task_run_model(task_run *out, const eval_task *t, const lmm_model *m, const lmm_eval_opts *o) {
    task_run run = {.task = t};
    lmm_status st = open_data(&run.data, t, o);
    if (st) return st;
    run.original_count = run.data.count;
    if (o->limit > 0 && o->limit < run.data.count) run.data.count = (int)o->limit;
    run.rows = mem_new((size_t)run.data.count + 1, sizeof *run.rows);
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
    for (int i = 0; r->rows && i < r->data.count; i++) {
        free(r->rows[i].response);
        free(r->rows[i].answer);
        free(r->rows[i].input);
    }
    free(r->rows);
    table_close(&r->data);
    *r = (task_run){0};
}
