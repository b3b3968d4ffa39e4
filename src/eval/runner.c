/* runner.c - the answers of a task's rows: from a model, several at a time, or from a file; each is scored as it comes. */
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
    char *dir = path_dir(t->path), *beside = path_join(dir, file);
    free(dir);
    if (file_exists(beside)) return beside;
    free(beside);
    return below(o->data_dir, file);
}

static lmm_status open_data(table *out, const eval_task *t, const lmm_eval_opts *o) {
    const tree *how = tree_get(t->config, "dataset_kwargs");
    const char *fetch = tree_str(how, "fetch", NULL), **columns = name_list(tree_get(how, "columns"));
    char *path = data_path(t, o);
    lmm_status st;
    if (file_is_dir(path)) st = table_open_set(out, path, tree_str(t->config, "dataset_name", NULL), split_of(t), 0);
    else if (file_exists(path)) st = table_open(out, path, columns, 0);
    else
        st = LMM_FAIL(LMM_E_IO, "task '%s': its data is not here: '%s'%s%s", t->name, path, fetch ? "; get it with: " : "",
                      fetch ? fetch : "");
    free(path);
    free(columns);
    return st;
}

/* ---- questions ---- */

static void put_quoted(buf *json, const char *text) { json_quote(json, text, strlen(text)); }

/* The messages of one row as OpenAI JSON; *question is its text. */
static lmm_status messages_json(buf *json, char **question, const eval_task *t, const tree *vars, const lmm_eval_opts *o) {
    const char *system = tree_str(t->config, "system", NULL), *image = tree_str(t->config, "doc_to_visual", NULL);
    char *name = NULL;
    lmm_status st = template_render(question, tree_str(t->config, "doc_to_text", ""), vars);
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
        buf_puts(json, "{\"type\": \"text\", \"text\": "), put_quoted(json, *question), buf_puts(json, "}]}]");
    }
    free(name);
    return st;
}

static lmm_status prepare(lmm_session *s, eval_row *r, const eval_task *t, const lmm_model *m, const tree *row, const lmm_eval_opts *o) {
    buf json = {0};
    lmm_prompt *p = NULL;
    tree *vars = row_vars(t, row, o->model);
    lmm_status st = messages_json(&json, &r->input, t, vars, o);
    if (!st) st = lmm_prompt_messages(&p, m, json.data, json.size, &(lmm_prompt_opts){.add_generation_prompt = true});
    if (!st) st = lmm_session_sync(s, p, NULL);
    if (!st) r->input_tokens = lmm_prompt_length(p);
    lmm_prompt_free(p);
    tree_free(vars);
    buf_free(&json);
    return st;
}

/* ---- generation ---- */

/* The task's generation_kwargs, those of --gen_kwargs over them. tree_free */
static lmm_status kwargs_of(tree **out, const eval_task *t, const lmm_eval_opts *o) {
    const tree *own = tree_get(t->config, "generation_kwargs");
    tree *all = own ? tree_copy(own) : tree_new(TREE_MAP), *given = NULL;
    lmm_status st = o->gen_kwargs ? args_parse(&given, o->gen_kwargs) : LMM_OK;
    for (int i = 0; !st && given && i < given->count; i++) tree_put(all, given->keys[i], tree_copy(given->items[i]));
    tree_free(given);
    if (st) return tree_free(all), LMM_CONTEXT(st, "--gen_kwargs");
    return *out = all, LMM_OK;
}

/* `until` of the task; "\n\n", which lmms-eval adds by itself and most of its models ignore, is left out. */
static const char **stops_of(const tree *kwargs, int *count) {
    const tree *until = tree_get(kwargs, "until");
    const char **out = mem_new((size_t)(until ? until->count : 0) + 2, sizeof *out);
    *count = 0;
    if (until && until->type == TREE_STRING) out[(*count)++] = until->text;
    for (int i = 0; until && until->type == TREE_LIST && i < until->count; i++)
        if (until->items[i]->type == TREE_STRING && strcmp(until->items[i]->text, "\n\n")) out[(*count)++] = until->items[i]->text;
    return out;
}

typedef struct {
    task_run *run;
    const lmm_model *model;
    const lmm_eval_opts *opts;
    tree *kwargs;
    lmm_session **sessions;
} asking;

/* lmms-eval's default takes two kinds of tags out. */
static const char *reasoning_of(const lmm_eval_opts *o) {
    return o->reasoning_tags ? o->reasoning_tags : "[[\"<think>\", \"</think>\"], [\"<analysis>\", \"</analysis>\"]]";
}

static lmm_status take_answer(const asking *a, int i, const char *text) {
    task_run *run = a->run;
    run->rows[i].response = mem_strdup(text);
    return score_row(&run->rows[i], run, table_row(&run->data, run->first + i),
                     &(score_opts){.model = a->opts->model,
                                   .reasoning_tags = reasoning_of(a->opts),
                                   .seed = a->opts->seed,
                                   .compat = a->opts->compat});
}

/* Rows [first, first + n) together. */
static lmm_status run_batch(const asking *a, int first, int n) {
    task_run *run = a->run;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++)
        st = LMM_CONTEXT(prepare(a->sessions[i], &run->rows[first + i], run->task, a->model, table_row(&run->data, run->first + first + i),
                                 a->opts),
                         "task '%s': row %d", run->task->name, run->first + first + i);
    if (st) return st;
    int stop_count;
    const char **stops = stops_of(a->kwargs, &stop_count);
    lmm_answer *answers = mem_new((size_t)n, sizeof *answers);
    lmm_gen_opts g = {.max_tokens = (int)tree_int(a->kwargs, "max_new_tokens", 128),
                      .temperature = tree_real(a->kwargs, "temperature", 0),
                      .top_p = tree_real(a->kwargs, "top_p", 0),
                      .top_k = (int)tree_int(a->kwargs, "top_k", 0),
                      .seed = a->opts->seed,
                      .stop = stops,
                      .stop_count = stop_count};
    st = lmm_generate(a->sessions, n, &g, NULL, NULL, answers);
    bool made = !st;
    for (int i = 0; i < n && !st; i++) {
        run->rows[first + i].output_tokens = answers[i].id_count;
        st = take_answer(a, first + i, answers[i].text);
    }
    if (made) lmm_answers_free(answers, n);
    free(answers);
    free(stops);
    return st;
}

static lmm_status ask_model(asking *a) {
    task_run *run = a->run;
    int batch = a->opts->batch > 0 ? a->opts->batch : 8;
    a->sessions = mem_new((size_t)batch, sizeof *a->sessions);
    lmm_status st = kwargs_of(&a->kwargs, run->task, a->opts);
    for (int i = 0; i < batch && !st; i++) st = lmm_session_open(&a->sessions[i], a->model, NULL);
    progress *bar = a->opts->quiet ? NULL : progress_new(run->task->name, run->count, "rows");
    for (int at = 0; at < run->count && !st; at += batch) {
        st = run_batch(a, at, min_int(batch, run->count - at));
        if (bar) progress_set(bar, min_int(at + batch, run->count), NULL);
    }
    progress_free(bar);
    for (int i = 0; i < batch; i++) lmm_session_close(a->sessions[i]);
    free(a->sessions);
    tree_free(a->kwargs);
    return st;
}

/* ---- answers of a file ---- */

static lmm_status read_answers(const asking *a, const answer_file *file) {
    task_run *run = a->run;
    lmm_status st = LMM_OK;
    for (int i = 0; i < run->count && !st; i++) {
        eval_row *r = &run->rows[i];
        tree *vars = row_vars(run->task, table_row(&run->data, run->first + i), a->opts->model);
        const char *text = answers_get(file, run->task->name, run->first + i, &r->input_tokens, &r->output_tokens);
        st = template_render(&r->input, tree_str(run->task->config, "doc_to_text", ""), vars);
        if (!text) run->unanswered++;
        if (!st) st = LMM_CONTEXT(take_answer(a, i, text ? text : ""), "task '%s': row %d", run->task->name, run->first + i);
        tree_free(vars);
    }
    return st;
}

/* ---- one task ---- */

lmm_status task_run_open(task_run *out, const eval_task *t, const lmm_eval_opts *o, double limit) {
    task_run run = {.task = t};
    lmm_status st = open_data(&run.data, t, o);
    if (st) return st;
    int64_t count = limit > 0 ? args_sample_count(limit, run.data.count) : run.data.count;
    run.original_count = run.data.count;
    run.asked = (int)min_i64(count, run.data.count);
    run.first = (int)min_i64(o->offset, run.data.count);
    run.count = (int)min_i64(count, run.data.count - run.first);
    run.rows = mem_new((size_t)run.count + 1, sizeof *run.rows);
    if (!run.count)
        st = LMM_FAIL(LMM_E_ARG, "task '%s': no rows are left by --offset %" PRId64 " of %d", t->name, o->offset, run.data.count);
    if (st) return task_run_close(&run), st;
    return *out = run, LMM_OK;
}

lmm_status task_run_answers(task_run *run, const lmm_model *m, const answer_file *file, const lmm_eval_opts *o) {
    asking a = {.run = run, .model = m, .opts = o};
    double start = time_now();
    lmm_status st = file ? read_answers(&a, file)
                    : m  ? ask_model(&a)
                         : LMM_FAIL(LMM_E_ARG, "neither a model nor a file of answers is given");
    run->seconds = time_now() - start;
    return st;
}

void task_run_close(task_run *r) {
    for (int i = 0; r->rows && i < r->count; i++) {
        free(r->rows[i].response);
        free(r->rows[i].unstripped);
        free(r->rows[i].filtered);
        free(r->rows[i].input);
        tree_free(r->rows[i].metrics);
    }
    free(r->rows);
    table_close(&r->data);
    *r = (task_run){0};
}
