/* task.c - a benchmark as one declarative YAML file; unknown keys are errors that name the nearest known one. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval.h"

static char *copy_str(const tree *t, const char *key) {
    const char *s = tree_str(t, key, NULL);
    return s ? mem_strdup(s) : NULL;
}

/* A list of strings, NULL-terminated; NULL when absent. */
static lmm_status copy_list(char ***out, int *count, const tree *t, const char *key, const char *name) {
    const tree *list = tree_get(t, key);
    if (!list) return LMM_OK;
    if (list->type != TREE_LIST) return LMM_FAIL(LMM_E_FORMAT, "%s: '%s' must be a list", name, key);
    *out = mem_new((size_t)list->count + 1, sizeof **out);
    for (int i = 0; i < list->count; i++) {
        if (list->items[i]->type != TREE_STRING) return LMM_FAIL(LMM_E_FORMAT, "%s: '%s' must list texts", name, key);
        (*out)[i] = mem_strdup(list->items[i]->text);
        if (count) *count = i + 1;
    }
    return LMM_OK;
}

static lmm_status read_data(eval_task *t, const tree *y, const char *name) {
    static const char *const known[] = {"path", "columns", "fetch", NULL};
    const tree *data = tree_get(y, "data");
    lmm_status st = data ? tree_check_keys(data, known, name) : LMM_FAIL(LMM_E_FORMAT, "%s: 'data' is missing", name);
    if (st) return st;
    t->data_path = copy_str(data, "path");
    t->fetch = copy_str(data, "fetch");
    if (!t->data_path) return LMM_FAIL(LMM_E_FORMAT, "%s: 'data' needs a 'path'", name);
    return copy_list(&t->columns, NULL, data, "columns", name);
}

static lmm_status read_generate(eval_task *t, const tree *y, const char *name) {
    static const char *const known[] = {"max_tokens", "stop", NULL};
    const tree *g = tree_get(y, "generate");
    int64_t n = 64;
    lmm_status st = g ? tree_check_keys(g, known, name) : LMM_OK;
    if (!st && tree_get(g, "max_tokens")) st = tree_need_int(g, "max_tokens", 1, 1 << 20, &n, name);
    t->max_tokens = (int)n;
    return st ? st : copy_list(&t->stop, &t->stop_count, g, "stop", name);
}

static lmm_status unknown_word(const char *word, const char *const *known, const char *what, const char *name) {
    const char *near = nearest_word(word, known);
    return LMM_FAIL(LMM_E_FORMAT, "%s: unknown %s '%s'%s%s%s", name, what, word, near ? " (did you mean '" : "", near ? near : "",
                    near ? "'?)" : "");
}

static lmm_status read_scoring(eval_task *t, const tree *y, const char *name) {
    static const char *const known[] = {"kind", "target", NULL};
    const tree *a = tree_get(y, "answer"), *metrics = tree_get(y, "metrics");
    lmm_status st = a ? tree_check_keys(a, known, name) : LMM_FAIL(LMM_E_FORMAT, "%s: 'answer' is missing", name);
    if (st) return st;
    t->target = copy_str(a, "target");
    const char *kind = tree_str(a, "kind", "text");
    if (!t->target) return LMM_FAIL(LMM_E_FORMAT, "%s: 'answer' needs a 'target' column", name);
    if (!(t->answer = extractor_find(kind))) return unknown_word(kind, extractor_names(), "kind of answer", name);
    if (!metrics || metrics->type != TREE_LIST || !metrics->count || metrics->count > (int)COUNT_OF(t->metrics))
        return LMM_FAIL(LMM_E_FORMAT, "%s: 'metrics' must list one to %d metrics", name, (int)COUNT_OF(t->metrics));
    for (int i = 0; i < metrics->count; i++) {
        const char *m = metrics->items[i]->type == TREE_STRING ? metrics->items[i]->text : "";
        if (!(t->metrics[i] = metric_find(m))) return unknown_word(m, metric_names(), "metric", name);
        t->metric_count = i + 1;
    }
    return LMM_OK;
}

static lmm_status read_task(eval_task *t, const tree *y, const char *name) {
    static const char *const known[] = {"task",   "version",  "source", "data",    "image",    "prompt",
                                        "system", "generate", "answer", "metrics", "group_by", NULL};
    if (y->type != TREE_MAP) return LMM_FAIL(LMM_E_FORMAT, "%s: a task is a map of keys", name);
    lmm_status st = tree_check_keys(y, known, name);
    if (!st) st = tree_need_int(y, "version", 0, INT32_MAX, &t->version, name);
    if (st) return st;
    t->name = copy_str(y, "task");
    t->source = copy_str(y, "source");
    t->image = copy_str(y, "image");
    t->prompt = copy_str(y, "prompt");
    t->system = copy_str(y, "system");
    t->group_by = copy_str(y, "group_by");
    if (!t->name || !t->prompt || !t->source) return LMM_FAIL(LMM_E_FORMAT, "%s: 'task', 'source' and 'prompt' are needed", name);
    if ((st = read_data(t, y, name))) return st;
    if ((st = read_generate(t, y, name))) return st;
    return read_scoring(t, y, name);
}

static lmm_status no_such_task(const char *dir, const char *name) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    const char **known = mem_new((size_t)count + 1, sizeof *known);
    int n = 0;
    for (int i = 0; i < count; i++) {
        char *dot = strstr(names[i], ".yaml");
        if (!dot) continue;
        *dot = '\0';
        known[n++] = names[i];
    }
    const char *near = nearest_word(name, known);
    st = LMM_FAIL(LMM_E_ARG, "no task '%s' in '%s'%s%s%s", name, dir, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    free(known);
    names_free(names, count);
    return st;
}

lmm_status task_open(eval_task *out, const char *dir, const char *name) {
    char *file = mem_printf("%s.yaml", name), *path = path_join(dir, file), *text = NULL;
    size_t size;
    tree *y = NULL;
    eval_task t = {0};
    lmm_status st = file_exists(path) ? file_read(&text, &size, path, 1 << 20) : no_such_task(dir, name);
    if (!st) {
        sha256_hex(text, size, t.hash);
        st = tree_parse_yaml(&y, text, size, path);
    }
    if (!st) st = read_task(&t, y, path);
    tree_free(y);
    free(text);
    free(path);
    free(file);
    if (st) return task_close(&t), st;
    return *out = t, LMM_OK;
}

static void free_list(char **list) {
    for (int i = 0; list && list[i]; i++) free(list[i]);
    free(list);
}

void task_close(eval_task *t) {
    free(t->name);
    free(t->source);
    free(t->fetch);
    free(t->data_path);
    free(t->image);
    free(t->prompt);
    free(t->system);
    free(t->target);
    free(t->group_by);
    free_list(t->columns);
    free_list(t->stop);
    *t = (eval_task){0};
}
