/* scoring.c - scores of answers: prompts, parsed answers, metrics of rows and of tasks, made by lmms-eval's and Video-MMMU's own functions, against
 * the task files of this project and the rules behind them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scoring.h"

/* ---- comparison ---- */

static bool number(const tree *t, double *x) {
    *x = NAN;
    if (t->type == TREE_STRING && strcmp(t->text, "NaN") && strcmp(t->text, "Infinity") && strcmp(t->text, "-Infinity")) return false;
    if (t->type == TREE_NULL || t->type == TREE_LIST || t->type == TREE_MAP) return false;
    *x = py_value(t, NAN);
    return true;
}

static bool same_numbers(const tree *a, const tree *b) {
    double x, y;
    if (!number(a, &x) || !number(b, &y)) return false;
    return x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 1e-9 * fabs(y);
}

static bool holds(const tree *list, const tree *item) {
    for (int i = 0; i < list->count; i++)
        if (same_value(list->items[i], item, false)) return true;
    return false;
}

bool same_value(const tree *have, const tree *want, bool as_set) {
    if (!have) return want->type == TREE_NULL;
    if (same_numbers(have, want)) return true;
    if (have->type != want->type) return false;
    if (want->type == TREE_STRING) return !strcmp(have->text, want->text);
    if (want->type == TREE_NULL) return true;
    if (want->type == TREE_LIST) {
        if (have->count != want->count) return false;
        for (int i = 0; i < want->count; i++)
            if (!(as_set ? holds(have, want->items[i]) : same_value(have->items[i], want->items[i], false))) return false;
        return true;
    }
    if (want->type != TREE_MAP) return false;
    for (int i = 0; i < want->count; i++)
        if (!same_value(tree_get(have, want->keys[i]), want->items[i], as_set)) return false;
    return true;
}

void check_value(scoring *s, const char *what, const tree *have, const tree *want, bool as_set) {
    buf a = {0}, b = {0};
    if (have) tree_write_json(&a, have, 0);
    tree_write_json(&b, want, 0);
    golden_check(s->golden, same_value(have, want, as_set), "%s line %d: %s is %.120s, should be %.120s", s->file, s->line, what,
                 a.size ? a.data : "absent", b.data);
    buf_free(&a);
    buf_free(&b);
}

void check_text(scoring *s, const char *what, const char *have, const tree *want) {
    tree *t = have ? tree_new_string(have) : tree_new(TREE_NULL);
    check_value(s, what, t, want, false);
    tree_free(t);
}

void check_real(scoring *s, const char *what, double have, const tree *want) {
    tree *t = tree_new_real(have);
    if (want->type == TREE_STRING && !strcmp(want->text, "N/A"))
        golden_check(s->golden, isnan(have), "%s line %d: %s should be N/A", s->file, s->line, what);
    else check_value(s, what, t, want, false);
    tree_free(t);
}

/* ---- scripted judge ---- */

static lmm_status say(void *arg, const char *prompt, int attempt, char **reply) {
    script *s = arg;
    (void)attempt;
    free(s->prompt);
    s->prompt = mem_strdup(prompt);
    const tree *r = s->log ? (s->at < s->log->count ? tree_get(s->log->items[s->at++], "reply") : NULL) : s->reply;
    *reply = r && r->type == TREE_STRING ? mem_strdup(r->text) : NULL;
    return LMM_OK;
}

judge scripted(script *s, const tree *row) {
    *s = (script){.reply = tree_get(row, "judge_reply"), .log = tree_get(row, "judge_log")};
    return (judge){say, s};
}

/* ---- tasks ---- */

const eval_task *task_of(scoring *s, const char *name) {
    static const char *const other[][2] = {{"hallusion_bench", "hallusion_bench_image"},
                                           {"nextqa_mc", "nextqa_mc_test"},
                                           {"mvbench", "mvbench_action_antonym"},
                                           {"longvideobench", "longvideobench_val_v"},
                                           {"perceptiontest_val", "perceptiontest_val_mc"},
                                           {"mlvu", "mlvu_dev"},
                                           {"mathvista_testmini", "mathvista_testmini_format"},
                                           {"mmmu_pro", "mmmu_pro_standard"},
                                           {"video_mmmu", "video_mmmu_perception"}};
    for (size_t i = 0; i < COUNT_OF(other); i++)
        if (!strcmp(name, other[i][0])) name = other[i][1];
    return task_find(&s->tasks, name);
}

static void check_prompt(scoring *s, const eval_task *t, const tree *doc, const char *model, const tree *want) {
    char *text = NULL;
    tree *vars = row_vars(t, doc, model);
    lmm_status st = template_render(&text, tree_str(t->config, "doc_to_text", ""), vars);
    if (st) golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else check_text(s, "the prompt", text, want);
    free(text);
    tree_free(vars);
}

/* ---- one row ---- */

/* A value the case expects, wherever it is kept: a metric, a field of the first metric's record, or derived from them. */
static const tree *find_expected(const tree *metrics, const char *key) {
    static const char *const other[][2] = {{"candidates", "parsed_pred"}, {"correct", "score"}};
    const tree *record = metrics->count ? metrics->items[0] : NULL;
    if (tree_get(metrics, key)) return tree_get(metrics, key);
    if (tree_get(record, key)) return tree_get(record, key);
    for (size_t i = 0; i < COUNT_OF(other); i++)
        if (!strcmp(key, other[i][0])) return tree_get(record, other[i][1]);
    return NULL;
}

static void check_derived(scoring *s, const eval_task *t, const tree *doc, const char *response, const tree *metrics, const char *key,
                          const tree *want) {
    scratch mem = {0};
    const tree *record = metrics->count ? metrics->items[0] : NULL, *pred = tree_get(record, "parsed_pred");
    bool video = !strncmp(t->name, "video_mmmu", 10);
    char *text = NULL;
    tree *vars = row_vars(t, doc, NULL);
    if (!strcmp(key, "target") && !template_render(&text, tree_str(t->config, "doc_to_target", ""), vars)) check_text(s, key, text, want);
    else if (!strcmp(key, "filtered_resp")) check_text(s, key, response, want);
    else if (!strcmp(key, "pred_label")) check_text(s, key, yes_no_label(&mem, response), want);
    else if (!strcmp(key, "metric")) check_text(s, key, metrics->keys[0], want);
    else if (!strcmp(key, "excluded")) check_real(s, key, pred && pred->type == TREE_STRING && !strcmp(pred->text, "API Error"), want);
    else if (!strcmp(key, "correct") && video) check_real(s, key, videommmu_correct(&mem, record), want);
    else if (!strcmp(key, "correct") && pred && pred->type == TREE_STRING)
        check_real(s, key, !strcmp(pred->text, tree_str(doc, "answer", "")), want);
    else if (!strcmp(key, "correct") && pred && !strcmp(tree_str(doc, "question_type", ""), "multiple-choice"))
        check_real(s, key, !strcmp(pred->items[0]->text, tree_str(doc, "answer", "")), want);
    else if (!strcmp(key, "correct") && pred) check_real(s, key, 0, want); /* upstream's open answers are never right */
    else if (!strcmp(key, "correct_fixed")) check_real(s, key, open_correct(&mem, tree_get(doc, "answer"), pred), want);
    else check_value(s, key, find_expected(metrics, key), want, true);
    free(text);
    tree_free(vars);
    scratch_free(&mem);
}

void check_doc(scoring *s, const eval_task *t, const tree *row) {
    const tree *doc = tree_get(row, "doc"), *expected = tree_get(row, "expected"), *seed = tree_at(row, "rng.python_seed"),
               *said = tree_get(row, "response");
    tree *pipeline = (tree *)tree_at(t->config, "filter_list"), *responses = tree_new(TREE_LIST), *filtered = NULL, *metrics = NULL;
    scratch mem = {0};
    py_random random;
    int drawn = 0;
    script words;
    judge j = scripted(&words, row);
    py_random_seed(&random, seed ? (uint64_t)seed->i : 0);
    tree_add(responses, said && said->type == TREE_STRING ? tree_copy(said) : tree_new_string(""));
    lmm_status st = filter_apply(&filtered, pipeline ? tree_get(pipeline->items[0], "filter") : NULL, responses);
    const char *response = st ? "" : py_str(&mem, filtered->type == TREE_LIST ? filtered->items[0] : filtered);
    tree *vars = row_vars(t, doc, NULL);
    if (tree_get(row, "rule")) tree_put(vars, "rule", tree_copy(tree_get(row, "rule")));
    answer_in in = {.mem = &mem,
                    .task = t,
                    .row = doc,
                    .vars = vars,
                    .spec = tree_get(t->config, "answer"),
                    .response = s->raw ? response : py_strip(&mem, response),
                    .outputs = said,
                    .random = &random,
                    .drawn = &drawn,
                    .judge = &j,
                    .compat = true};
    if (!st) st = answer_run(&metrics, &in);
    if (st) golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    for (int i = 0; !st && i < expected->count; i++) check_derived(s, t, doc, response, metrics, expected->keys[i], expected->items[i]);
    const tree *prompt = tree_get(row, "judge_prompt"), *tail = tree_get(row, "judge_prompt_tail");
    if (!st && prompt && words.prompt) check_text(s, "the judge's prompt", words.prompt, prompt);
    if (!st && tail && tail->type == TREE_STRING && words.prompt && !strcmp(t->name, "mmvet")) {
        size_t n = strlen(words.prompt), m = min_i64((int64_t)tail->text_size, (int64_t)n);
        check_text(s, "the end of the judge's prompt", words.prompt + n - m, tail);
    }
    free(words.prompt);
    tree_free(vars);
    tree_free(metrics);
    tree_free(filtered);
    tree_free(responses);
    scratch_free(&mem);
}

/* ---- aggregation ---- */

static const tree *metric_spec(const eval_task *t, const char *name) {
    const tree *list = tree_get(t->config, "metric_list");
    for (int i = 0; i < list->count; i++)
        if (!strcmp(tree_str(list->items[i], "metric", ""), name)) return list->items[i];
    return NULL;
}

static void check_metric(scoring *s, const eval_task *t, const tree *spec, const tree *row, const tree *want, tree *details) {
    scratch mem = {0};
    tree *value = NULL, *own = tree_copy(spec);
    script words;
    judge j = scripted(&words, row);
    const char *mode = tree_str(row, "mode", NULL);
    if (mode) tree_put(own, "mode", tree_new_string(!strcmp(mode, "static") ? "static" : "judge"));
    aggregate_in in =
        {tree_str(spec, "metric", ""), tree_get(row, "items"), own, &mem, mode && !strcmp(mode, "static") ? NULL : &j, true, details};
    if (aggregation_find(tree_str(spec, "aggregation", "mean"))->run(&in, &value))
        golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else check_value(s, in.metric, value, want, false);
    (void)t;
    free(words.prompt);
    tree_free(own);
    tree_free(value);
    scratch_free(&mem);
}

/* Standard errors of the items, as the harness takes them. */
static void check_error(scoring *s, const eval_task *t, const tree *row, const char *key, const tree *want) {
    const tree *items = tree_get(row, "items");
    const char *cluster = tree_str(t->config, "cluster_key", ""), *field = tree_str(t->config, "score_key", "score");
    double *x = mem_new((size_t)items->count + 1, sizeof *x);
    const char **names = mem_new((size_t)items->count + 1, sizeof *names);
    for (int i = 0; i < items->count; i++) {
        x[i] = items->items[i]->type == TREE_MAP ? tree_real(items->items[i], field, NAN) : py_value(items->items[i], NAN);
        names[i] = tree_str(items->items[i], cluster, "");
    }
    check_real(s, key, strstr(key, "clustered") ? clustered_stderr(x, names, items->count) : mean_stderr(x, items->count), want);
    free(names);
    free(x);
}

void check_agg(scoring *s, const eval_task *t, const tree *row) {
    const tree *expected = tree_get(row, "expected");
    tree *details = tree_new(TREE_MAP);
    for (int i = 0; i < expected->count; i++) {
        const char *key = expected->keys[i];
        const tree *spec = metric_spec(t, key), *want = expected->items[i];
        if (strstr(key, "METEOR")) golden_skip(s->golden, 1, "%s line %d: METEOR's tables are not available", s->file, s->line);
        else if (spec) check_metric(s, t, spec, row, want, details);
        else if (strstr(key, "stderr")) check_error(s, t, row, key, want);
        else if (!strcmp(key, "overall_acc")) continue; /* a hundredth of gpt_eval_score, compared above */
        else check_value(s, key, tree_get(details, key), want, false);
    }
    tree_free(details);
}

static void check_prompts(scoring *s, const eval_task *t, const tree *row) {
    const tree *expected = tree_get(row, "expected");
    const char *model = tree_str(row, "model_name", "");
    char *text = NULL;
    check_prompt(s, t, tree_get(row, "doc"), model, tree_get(expected, "prompt"));
    tree *vars = row_vars(t, tree_get(row, "doc"), model);
    if (template_render(&text, tree_str(t->config, "doc_to_target", ""), vars))
        golden_fail(s->golden, "%s line %d: %s", s->file, s->line, lmm_message());
    else check_text(s, "the target", text, tree_get(expected, "target"));
    free(text);
    tree_free(vars);
}

/* ---- files ---- */

static void run_task_row(scoring *s, const tree *row) {
    const char *kind = tree_str(row, "kind", ""), *name = tree_str(row, "task", "");
    const eval_task *t = task_of(s, name);
    if (!t) golden_fail(s->golden, "%s line %d: no task '%s'", s->file, s->line, name);
    else if (!strcmp(kind, "agg")) check_agg(s, t, row);
    else if (!strcmp(kind, "prompt")) check_prompts(s, t, row);
    else {
        check_doc(s, t, row);
        if (tree_get(row, "prompt")) check_prompt(s, t, tree_get(row, "doc"), NULL, tree_get(row, "prompt"));
    }
}

static void run_file(scoring *s, const char *dir, const char *name) {
    char *path = path_join(dir, name);
    table rows;
    s->file = name;
    s->path = path;
    if (table_open(&rows, path, NULL, 0)) golden_fail(s->golden, "%s", lmm_message());
    else {
        scoring_row run = scoring_unit(name);
        for (int i = 0; i < rows.count; i++) {
            s->line = i + 1;
            s->rows = &rows;
            (run ? run : run_task_row)(s, table_row(&rows, i));
        }
        table_close(&rows);
    }
    free(path);
}

void golden_scoring(golden *g, const char *dir) {
    scoring s = {.golden = g};
    char **names;
    int n;
    if (task_set_open(&s.tasks, (const char *const[]){LMM_SOURCE "/tasks"}, 1) || dir_list(&names, &n, dir)) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(names[i], '.');
        if (dot && !strcmp(dot, ".jsonl")) run_file(&s, dir, names[i]);
    }
    names_free(names, n);
    task_set_close(&s.tasks);
}
