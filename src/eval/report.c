/* report.c - results and samples in the layout of lmms-eval's files. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static tree *token_counts(const eval_row *row) {
    tree *counts = tree_new(TREE_LIST), *count = tree_new(row->output_tokens < 0 ? TREE_NULL : TREE_MAP);
    if (row->output_tokens >= 0) {
        tree_put(count, "input_tokens", tree_new_int(row->input_tokens));
        tree_put(count, "output_tokens", tree_new_int(row->output_tokens));
    }
    tree_add(counts, count);
    return counts;
}

static void put_hash(tree *t, const char *key, const char *text, size_t size) {
    char hash[65];
    sha256_hex(text, size, hash);
    tree_put(t, key, tree_new_string(hash));
}

/* lmms-eval hashes the text "null" for every row; the row's own hash has a name of its own. */
static void put_hashes(tree *t, const tree *doc) {
    buf text = {0};
    tree_write_json(&text, doc, 2);
    put_hash(t, "doc_hash", "null", 4);
    put_hash(t, "doc_hash_v2", text.data, text.size);
    buf_free(&text);
}

/* The files that the row shows; pictures inside the table become files below `dir`. */
static void put_media(tree *t, const task_run *r, const tree *doc, const tree *vars, const lmm_eval_opts *o, const char *dir) {
    const visual_source from = visuals_of_run(r, o);
    visual_list list = {0};
    if (visuals_of(&list, &from, doc, vars)) return;
    tree *files = tree_new(TREE_LIST);
    for (int i = 0; i < list.count; i++) {
        char *path = list.at[i].file ? mem_strdup(list.at[i].url) : dir ? visual_save(&list.at[i], dir) : NULL;
        if (path) tree_add(files, tree_new_string(path));
        free(path);
    }
    if (files->count) tree_put(t, "input_media", files);
    else tree_free(files);
    visuals_free(&list);
}

tree *report_sample(const task_run *r, int i, const lmm_eval_opts *o, const char *media_dir) {
    const eval_row *row = &r->rows[i];
    const tree *doc = table_row(&r->data, r->first + i);
    tree *t = tree_new(TREE_MAP), *vars = row_vars(r->task, doc, o->model);
    tree_put(t, "doc_id", tree_new_int(r->first + i));
    tree_put(t, "target", target_of(r->task, vars));
    if (!row->fault && strcmp(row->unstripped, row->filtered)) tree_put(t, "resps", tree_new_string(row->unstripped));
    tree_put(t, "filtered_resps", tree_new_string(row->fault ? "" : row->filtered));
    if (row->outputs) tree_put(t, "likelihoods", tree_copy(row->outputs));
    if (row->fault) tree_put(t, "fault", tree_new_string(row->fault));
    tree_put(t, "token_counts", token_counts(row));
    put_hashes(t, doc);
    put_media(t, r, doc, vars, o, media_dir);
    for (int k = 0; row->metrics && k < row->metrics->count; k++) tree_put(t, row->metrics->keys[k], tree_copy(row->metrics->items[k]));
    tree_put(t, "input", tree_new_string(row->input ? row->input : ""));
    tree_free(vars);
    return t;
}

/* ---- sections ---- */

/* `metadata: {version: N}`; lmms-eval shows "Yaml" without one. */
static tree *version_of(const eval_task *t) {
    const tree *v = tree_at(t->config, "metadata.version");
    return v ? tree_copy(v) : tree_new_string("Yaml");
}

static void put_better(tree *out, const eval_task *t) {
    const tree *list = tree_get(t->config, "metric_list");
    for (int i = 0; list && i < list->count; i++)
        tree_put(out, tree_str(list->items[i], "metric", ""), tree_new_bool(tree_bool(list->items[i], "higher_is_better", true)));
}

static tree *section(tree *report, const char *name) {
    if (!tree_get(report, name)) tree_put(report, name, tree_new(TREE_MAP));
    return (tree *)tree_get(report, name);
}

/* The number of a row that counts as correct answers: its score_key, a plain score, or a field of that name. */
static double correctness(const task_run *r, const tree *metrics) {
    const char *const names[] = {tree_str(r->task->config, "score_key", "score"), "score", "acc", "accuracy", "exact_match"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        double x = py_value(tree_get(metrics, names[i]), NAN);
        if (!isnan(x)) return fmax(0, x);
    }
    for (int i = 0; i < metrics->count; i++) {
        const char *key = metrics->keys[i], *end = strstr(key, "_score");
        const tree *v = metrics->items[i];
        double x = end && !end[6] ? py_value(v->type == TREE_MAP ? tree_get(v, "score") : v, NAN) : NAN;
        if (!isnan(x)) return fmax(0, x);
    }
    return 0;
}

typedef struct {
    double docs, counted, in, out, right;
} work;

static void put_work(tree *t, const char *name, const work *w) {
    tree *m = tree_new(TREE_MAP);
    tree_put(m, "docs", tree_new_real(w->docs));
    tree_put(m, "docs_with_token_counts", tree_new_real(w->counted));
    tree_put(m, "total_input_tokens", tree_new_real(w->in));
    tree_put(m, "total_output_tokens", tree_new_real(w->out));
    tree_put(m, "total_tokens", tree_new_real(w->in + w->out));
    tree_put(m, "total_correct_score", tree_new_real(w->right));
    tree_put(m, "avg_output_tokens_per_sample", tree_new_real(w->counted > 0 ? w->out / w->counted : 0));
    tree_put(m, "tokens_per_correct_answer", w->right > 0 ? tree_new_real(w->out / w->right) : tree_new(TREE_NULL));
    tree_put(t, name, m);
}

static work work_of(const task_run *r) {
    work w = {.docs = r->count};
    for (int i = 0; i < r->count; i++) {
        const eval_row *row = &r->rows[i];
        if (row->metrics) w.right += correctness(r, row->metrics);
        if (row->output_tokens < 0) continue;
        w.counted++, w.in += row->input_tokens, w.out += row->output_tokens;
    }
    return w;
}

/* SHA-256 of "sample_{i}{doc_hash}" over all rows: with lmms-eval's constant hash it says how many there were. */
static void put_task_hash(tree *t, const task_run *r) {
    char null_hash[65], hash[65];
    buf b = {0};
    sha256_hex("null", 4, null_hash);
    for (int i = 0; i < r->count; i++) buf_printf(&b, "sample_%d%s", i, null_hash);
    sha256_hex(b.size ? b.data : "", b.size, hash);
    buf_free(&b);
    tree_put(t, r->task->name, tree_new_string(hash));
}

static void put_trouble(tree *report, const char *task, const char *key, int n) {
    if (n) tree_put(section(section(report, "troubles"), task), key, tree_new_int(n));
}

/* What went other than as asked, each kind under its own key: rows without an answer or a verdict, answers drawn by chance, rows that could not be
 * asked, with what was wrong with the first of them. */
static void put_troubles(tree *report, const task_run *r) {
    const char *name = r->task->name, *first = NULL;
    put_trouble(report, name, "unanswered", r->unanswered);
    put_trouble(report, name, "without_transcript", r->untranscribed);
    int drawn = 0, unjudged = 0;
    for (int i = 0; i < r->count; i++) drawn += r->rows[i].by_chance, unjudged += r->rows[i].unjudged;
    put_trouble(report, name, "without_verdict", unjudged);
    put_trouble(report, name, "drawn_by_chance", drawn);
    for (size_t k = 0; fault_keys[k]; k++) {
        int n = 0;
        for (int i = 0; i < r->count; i++) {
            if (!r->rows[i].fault || strcmp(r->rows[i].fault_key, fault_keys[k])) continue;
            if (!n++ && !first) first = r->rows[i].fault;
        }
        put_trouble(report, name, fault_keys[k], n);
    }
    if (first) tree_put(section(section(report, "troubles"), name), "first_fault", tree_new_string(first));
}

/* The scores; again when an aggregation had questions for the judge. */
static lmm_status scores_of(tree **out, const task_run *r, const lmm_eval_opts *o, judge_desk *desk) {
    score_opts how = {.model = o->model, .seed = o->seed, .judge = desk_judge(desk), .compat = o->compat};
    tree *t = NULL;
    lmm_status st = LMM_OK;
    for (bool more = true; more && !st;) {
        tree_free(t);
        t = NULL;
        st = score_task(&t, r, &how, o->predict_only);
        more = false;
        if (!st) st = desk_settle(desk, &more);
    }
    if (st) return tree_free(t), st;
    return *out = t, LMM_OK;
}

lmm_status report_add_task(tree *report, const task_run *r, const lmm_eval_opts *o, judge_desk *desk) {
    tree *results, *n = tree_new(TREE_MAP), *better = tree_new(TREE_MAP);
    const char *name = r->task->name;
    lmm_status st = scores_of(&results, r, o, desk);
    if (st) return tree_free(n), tree_free(better), st;
    tree_put(n, "original", tree_new_int(r->original_count));
    tree_put(n, "effective", tree_new_int(o->compat ? r->asked : r->count));
    put_better(better, r->task);
    tree_put(section(report, "results"), name, results);
    tree_put(section(report, "group_subtasks"), name, tree_new(TREE_LIST));
    tree_put(section(report, "configs"), name, tree_copy(r->task->config));
    tree_put(section(report, "versions"), name, version_of(r->task));
    tree_put(section(report, "n-shot"), name, tree_new_int(tree_int(r->task->config, "num_fewshot", 0)));
    tree_put(section(report, "higher_is_better"), name, better);
    tree_put(section(report, "n-samples"), name, n);
    tree_put(section(report, "task_file_hashes"), name, tree_new_string(r->task->hash));
    if (o->log_samples) {
        work w = work_of(r);
        tree *by_task = section(section(report, "efficiency"), "by_task");
        put_work(by_task, name, &w);
        put_task_hash(section(report, "task_hashes"), r);
    }
    put_troubles(report, r);
    return LMM_OK;
}

/* ---- groups ---- */

/* The members' values of one key as they enter the group's. */
typedef struct {
    double sum, weight, se[256];
    int size[256], count;
    bool errors;
} pool_of;

static void pool_add(pool_of *p, const tree *results, const char *key, const char *se_key, int n, bool by_size) {
    double x = py_value(tree_get(results, key), NAN), w = by_size ? n : 1, se = py_value(tree_get(results, se_key), NAN);
    const tree *error = tree_get(results, se_key);
    if (isnan(x) || p->count >= (int)COUNT_OF(p->se)) return;
    p->sum += w * x, p->weight += w;
    p->errors = p->errors && error && error->type != TREE_STRING && !isnan(se);
    p->se[p->count] = se, p->size[p->count++] = n;
}

/* The value of `key` over the members that have it. */
static void put_pooled(tree *out, tree *report, const tree *members, const char *key, bool by_size) {
    pool_of p = {.errors = true};
    const char *comma = strchr(key, ',');
    char *se_key = mem_printf("%.*s_stderr%s", (int)(comma - key), key, comma);
    for (int i = 0; i < members->count; i++) {
        const char *name = members->items[i]->text;
        int n = (int)tree_int(tree_get(tree_get(report, "n-samples"), name), "effective", 0);
        pool_add(&p, tree_get(tree_get(report, "results"), name), key, se_key, n, by_size);
    }
    if (p.count) tree_put(out, key, tree_new_real(p.sum / p.weight));
    double se = p.count && p.errors ? pooled_stderr(p.se, p.size, p.count) : NAN;
    if (p.count) tree_put(out, se_key, isfinite(se) ? tree_new_real(se) : tree_new_string("N/A"));
    free(se_key);
}

/* Keys of the members that contain the configured word, as lmms-eval looks for them, without the errors. */
static void put_metric_of(tree *out, tree *report, const tree *members, const tree *spec) {
    const char *word = tree_str(spec, "metric", "");
    for (int i = 0; i < members->count; i++) {
        const tree *r = tree_get(tree_get(report, "results"), members->items[i]->text);
        for (int k = 0; r && k < r->count; k++)
            if (strchr(r->keys[k], ',') && !strstr(r->keys[k], "_stderr") && strstr(r->keys[k], word) && !tree_get(out, r->keys[k]))
                put_pooled(out, report, members, r->keys[k], tree_bool(spec, "weight_by_size", false));
    }
}

static void indent_alias(tree *report, const char *name) {
    tree *r = (tree *)tree_get(tree_get(report, "results"), name);
    const char *alias = tree_str(r, "alias", name);
    if (!r || !strncmp(alias, " - ", 3)) return;
    char *text = mem_printf(" - %s", alias);
    tree_put(r, "alias", tree_new_string(text));
    free(text);
}

void report_add_group(tree *report, const eval_task *g) {
    const tree *list = tree_get(g->config, "task"), *specs = tree_get(g->config, "aggregate_metric_list");
    tree *members = tree_new(TREE_LIST), *value = tree_new(TREE_MAP), *better = tree_new(TREE_MAP);
    for (int i = 0; i < list->count; i++) {
        const char *name = list->items[i]->type == TREE_STRING ? list->items[i]->text : tree_str(list->items[i], "task", "");
        const tree *theirs = tree_get(tree_get(report, "higher_is_better"), name);
        tree_add(members, tree_new_string(name));
        for (int k = 0; theirs && k < theirs->count; k++) tree_put(better, theirs->keys[k], tree_copy(theirs->items[k]));
    }
    for (int i = 0; specs && i < specs->count; i++) put_metric_of(value, report, members, specs->items[i]);
    if (!specs) tree_put(value, " ", tree_new_string(" "));
    tree_put(value, "alias", tree_new_string(tree_str(g->config, "group_alias", g->name)));
    for (int i = 0; i < members->count; i++) indent_alias(report, members->items[i]->text);
    tree_put(section(report, "results"), g->name, value);
    if (specs) tree_put(section(report, "groups"), g->name, tree_copy(value));
    tree_put(section(report, "group_subtasks"), g->name, members);
    tree_put(section(report, "versions"), g->name, version_of(g));
    tree_put(section(report, "higher_is_better"), g->name, better);
}
