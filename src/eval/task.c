/* task.c - task files: read with their includes, every word checked, found by name, group, tag or pattern. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { INCLUDES_MAX = 8 };

/* ---- one file and what it includes ---- */

static const char *const task_keys[] = {"task",
                                        "task_alias",
                                        "tag",
                                        "group",
                                        "group_alias",
                                        "include",
                                        "source",
                                        "dataset_path",
                                        "dataset_name",
                                        "dataset_kwargs",
                                        "training_split",
                                        "validation_split",
                                        "test_split",
                                        "fewshot_split",
                                        "doc_to_text",
                                        "doc_to_target",
                                        "doc_to_visual",
                                        "transcript",
                                        "subtitles",
                                        "doc_to_choice",
                                        "system",
                                        "output_type",
                                        "generation_kwargs",
                                        "options",
                                        "answer",
                                        "metric_list",
                                        "filter_list",
                                        "repeats",
                                        "num_fewshot",
                                        "description",
                                        "target_delimiter",
                                        "lmms_eval_specific_kwargs",
                                        "model_specific_generation_kwargs",
                                        "model_specific_target_kwargs",
                                        "cluster_key",
                                        "score_key",
                                        "reasoning_tags",
                                        "group_by",
                                        "frames",
                                        "aggregate_metric_list",
                                        "metadata",
                                        NULL};
static const char *const answer_common[] = {"kind", "gold", "metrics", "record", "submission"};
static const char *const metric_keys[] = {"metric",
                                          "aggregation",
                                          "higher_is_better",
                                          "field",
                                          "equal",
                                          "fold",
                                          "is",
                                          "skip",
                                          "scale",
                                          "round",
                                          "zero_is_null",
                                          "by",
                                          "kinds",
                                          "part",
                                          "mode",
                                          "intern",
                                          "category",
                                          "judge_prompt",
                                          "wordnet",
                                          "stop_words",
                                          "ignore_case",
                                          "ignore_punctuation",
                                          "weight_by_size",
                                          NULL};

static lmm_status read_file(tree **out, sha256 *hash, const char *path, int level);

/* The keys of `from` that `to` does not have yet. */
static void put_missing(tree *to, const tree *from) {
    for (int i = 0; i < from->count; i++)
        if (!tree_get(to, from->keys[i])) tree_put(to, from->keys[i], tree_copy(from->items[i]));
}

static lmm_status include_one(tree *y, sha256 *hash, const char *file, const char *path, int level) {
    char *full = path_beside(path, file);
    tree *base = NULL;
    lmm_status st = read_file(&base, hash, full, level + 1);
    if (!st) put_missing(y, base);
    tree_free(base);
    free(full);
    return st;
}

/* Earlier items of a list win over later ones, the file's own keys over all; merging is by whole keys. */
static lmm_status read_file(tree **out, sha256 *hash, const char *path, int level) {
    char *text;
    size_t size;
    tree *y;
    if (level > INCLUDES_MAX) return LMM_FAIL(LMM_E_FORMAT, "'%s' is included more than %d levels deep", path, INCLUDES_MAX);
    lmm_status st = file_read(&text, &size, path, 1 << 20);
    if (st) return st;
    sha256_put(hash, text, size);
    st = tree_parse_yaml(&y, text, size, path);
    free(text);
    if (st) return st;
    const tree *include = tree_get(y, "include");
    if (y->type != TREE_MAP) st = LMM_FAIL(LMM_E_FORMAT, "%s: a task is a map of keys", path);
    if (!st && include && include->type == TREE_STRING) st = include_one(y, hash, include->text, path, level);
    for (int i = 0; !st && include && include->type == TREE_LIST && i < include->count; i++)
        st = include_one(y, hash, include->items[i]->type == TREE_STRING ? include->items[i]->text : "", path, level);
    if (st) return tree_free(y), LMM_CONTEXT(st, "reading '%s'", path);
    return *out = y, LMM_OK;
}

/* ---- checks ---- */

static lmm_status unknown_word(const char *word, const char *const *known, const char *what, const char *name) {
    const char *near = nearest_word(word, known);
    return LMM_FAIL(LMM_E_FORMAT, "%s: unknown %s '%s'%s%s%s", name, what, word, near ? " (did you mean '" : "", near ? near : "",
                    near ? "'?)" : "");
}

static lmm_status check_answer(const tree *y, const char *name) {
    const tree *a = tree_get(y, "answer");
    if (!a) return LMM_FAIL(LMM_E_FORMAT, "%s: 'answer' is missing; it names the kind of answer, such as {kind: exact}", name);
    const char *kind = tree_str(a, "kind", "");
    const answer_kind *k = answer_kind_find(kind);
    if (!k) return unknown_word(kind, answer_kind_names(), "kind of answer", name);
    const char *known[COUNT_OF(answer_common) + COUNT_OF(k->keys) + 1] = {0};
    int n = 0;
    for (size_t i = 0; i < COUNT_OF(answer_common); i++) known[n++] = answer_common[i];
    for (size_t i = 0; i < COUNT_OF(k->keys) && k->keys[i]; i++) known[n++] = k->keys[i];
    return tree_check_keys(a, known, name);
}

/* A metric that no row feeds would have no value: where the answer lists what it feeds, in words and not in templates, it must be one of these. */
static lmm_status check_fed(const tree *answer, const char *metric, const char *name) {
    const tree *fed = tree_get(answer, "metrics");
    if (!fed || fed->type != TREE_LIST || !strcmp(metric, "submission")) return LMM_OK;
    const char *words[33] = {0};
    for (int i = 0; i < fed->count && i < 32; i++) {
        const char *one = fed->items[i]->type == TREE_STRING ? fed->items[i]->text : "";
        if (strstr(one, "{{") || !strcmp(one, metric)) return LMM_OK;
        words[i] = one;
    }
    return unknown_word(metric, words, "metric", name);
}

static lmm_status check_metrics(const tree *y, const char *name) {
    const tree *list = tree_get(y, "metric_list");
    if (!list || list->type != TREE_LIST || !list->count)
        return LMM_FAIL(LMM_E_FORMAT, "%s: 'metric_list' must list at least one metric", name);
    for (int i = 0; i < list->count; i++) {
        const tree *m = list->items[i];
        if (m->type != TREE_MAP || !tree_str(m, "metric", NULL))
            return LMM_FAIL(LMM_E_FORMAT, "%s: every item of 'metric_list' needs a 'metric'", name);
        lmm_status st = tree_check_keys(m, metric_keys, name);
        if (st) return st;
        st = check_fed(tree_get(y, "answer"), tree_str(m, "metric", ""), name);
        if (st) return st;
        const char *a = tree_str(m, "aggregation", "mean");
        if (!aggregation_find(a)) return unknown_word(a, aggregation_names(), "aggregation", name);
        const tree *equal = tree_get(m, "equal");
        if (equal &&
            (equal->type != TREE_LIST || equal->count != 2 || equal->items[0]->type != TREE_STRING || equal->items[1]->type != TREE_STRING))
            return LMM_FAIL(LMM_E_FORMAT, "%s: 'equal' of metric '%s' must name two fields", name, tree_str(m, "metric", ""));
    }
    return LMM_OK;
}

static lmm_status check_task(const tree *y, const char *name) {
    lmm_status st = tree_check_keys(y, task_keys, name);
    if (!st && !tree_str(y, "doc_to_text", NULL))
        st = LMM_FAIL(LMM_E_FORMAT, "%s: 'doc_to_text', the template of the question, is missing", name);
    if (!st && !tree_str(y, "dataset_path", NULL)) st = LMM_FAIL(LMM_E_FORMAT, "%s: 'dataset_path' is missing", name);
    if (!st) st = check_answer(y, name);
    return st ? st : check_metrics(y, name);
}

static lmm_status add_file(task_set *s, const char *path) {
    sha256 hash;
    unsigned char digest[32];
    eval_task t = {0};
    sha256_init(&hash);
    lmm_status st = read_file(&t.config, &hash, path, 0);
    if (st) return st;
    sha256_end(&hash, digest);
    for (int i = 0; i < 32; i++) snprintf(t.hash + 2 * i, 3, "%02x", digest[i]);
    const tree *task = tree_get(t.config, "task");
    t.group = task && task->type == TREE_LIST;
    const char *name = tree_str(t.config, t.group ? "group" : "task", NULL);
    st = !name     ? LMM_FAIL(LMM_E_FORMAT, "%s: 'task', its name, is missing", path)
         : t.group ? tree_check_keys(t.config, task_keys, path)
                   : check_task(t.config, path);
    if (!st && task_find(s, name)) st = LMM_FAIL(LMM_E_FORMAT, "%s: '%s' is also defined in '%s'", path, name, task_find(s, name)->path);
    if (st) return tree_free(t.config), st;
    t.name = mem_strdup(name);
    t.path = mem_strdup(path);
    VEC_PUSH(&s->all, t);
    return LMM_OK;
}

/* ---- folders ---- */

static bool is_yaml(const char *name) {
    size_t n = strlen(name);
    return *name != '_' && *name != '.' && n > 5 && !strcmp(name + n - 5, ".yaml"); /* _common.yaml and the like are for inclusion */
}

static lmm_status add_folder(task_set *s, const char *dir, int level) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    for (int i = 0; i < count && !st; i++) {
        char *path = path_join(dir, names[i]);
        if (file_is_dir(path) && level < 3) st = add_folder(s, path, level + 1);
        else if (is_yaml(names[i])) st = add_file(s, path);
        free(path);
    }
    names_free(names, count);
    return st;
}

static int by_name(const void *a, const void *b) { return strcmp(((const eval_task *)a)->name, ((const eval_task *)b)->name); }

lmm_status task_set_open(task_set *out, const char *const *dirs, int count) {
    task_set s = {0};
    lmm_status st = LMM_OK;
    for (int i = 0; i < count && !st; i++) st = file_is_dir(dirs[i]) ? add_folder(&s, dirs[i], 0) : add_file(&s, dirs[i]);
    if (st) return task_set_close(&s), st;
    if (s.all.count) qsort(s.all.at, (size_t)s.all.count, sizeof *s.all.at, by_name);
    return *out = s, LMM_OK;
}

void task_set_close(task_set *s) {
    for (int i = 0; i < s->all.count; i++) {
        free(s->all.at[i].name);
        free(s->all.at[i].path);
        tree_free(s->all.at[i].config);
    }
    free(s->all.at);
    *s = (task_set){0};
}

const eval_task *task_find(const task_set *s, const char *name) {
    for (int i = 0; i < s->all.count; i++)
        if (!strcmp(s->all.at[i].name, name)) return &s->all.at[i];
    return NULL;
}

/* ---- selection ---- */

static bool has_tag(const eval_task *t, const char *tag) {
    const tree *tags = tree_get(t->config, "tag");
    if (tags && tags->type == TREE_STRING) return !strcmp(tags->text, tag);
    for (int i = 0; tags && i < tags->count; i++)
        if (tags->items[i]->type == TREE_STRING && !strcmp(tags->items[i]->text, tag)) return true;
    return false;
}

static void select_once(task_list *out, const eval_task *t) {
    for (int i = 0; i < out->count; i++)
        if (out->at[i] == t) return;
    VEC_PUSH(out, t);
}

static lmm_status select_task(task_list *out, const task_set *s, const eval_task *t, int level) {
    if (!t->group) return select_once(out, t), LMM_OK;
    if (level > 8) return LMM_FAIL(LMM_E_FORMAT, "group '%s' contains itself", t->name);
    const tree *members = tree_get(t->config, "task");
    for (int i = 0; i < members->count; i++) {
        const char *name = members->items[i]->type == TREE_STRING ? members->items[i]->text : tree_str(members->items[i], "task", "");
        const eval_task *m = task_find(s, name);
        if (!m) return LMM_FAIL(LMM_E_FORMAT, "%s: group '%s' names '%s', which is no task", t->path, t->name, name);
        lmm_status st = select_task(out, s, m, level + 1);
        if (st) return st;
    }
    return LMM_OK;
}

static lmm_status no_such_task(const task_set *s, const char *name) {
    const char **known = mem_new((size_t)s->all.count + 1, sizeof *known);
    for (int i = 0; i < s->all.count; i++) known[i] = s->all.at[i].name;
    const char *near = nearest_word(name, known);
    lmm_status st = LMM_FAIL(LMM_E_ARG, "no task '%s'%s%s%s; `lmm eval tasks` lists them", name, near ? " (did you mean '" : "",
                             near ? near : "", near ? "'?)" : "");
    free(known);
    return st;
}

/* Marks what one word of the list means. */
static lmm_status mark(bool *wanted, const task_set *s, const char *word) {
    bool any = false;
    const eval_task *exact = task_find(s, word);
    for (int i = 0; i < s->all.count; i++) {
        const eval_task *t = &s->all.at[i];
        bool hit = exact ? t == exact : has_tag(t, word) || (strpbrk(word, "*?[") && !fnmatch(word, t->name, 0));
        wanted[i] = wanted[i] || hit;
        any = any || hit;
    }
    return any ? LMM_OK : no_such_task(s, word);
}

lmm_status task_select(task_list *out, const task_set *s, const char *names) {
    bool *wanted = mem_new((size_t)s->all.count + 1, 1);
    char *list = mem_strdup(names), *rest = list;
    task_list found = {0};
    lmm_status st = LMM_OK;
    for (char *word; !st && (word = strtok_r(rest, ", ", &rest));) st = mark(wanted, s, word);
    for (int i = s->all.count; !st && i-- > 0;)
        if (wanted[i]) st = select_task(&found, s, &s->all.at[i], 0);
    free(list);
    free(wanted);
    if (!st && !found.count) st = LMM_FAIL(LMM_E_ARG, "name at least one task");
    if (st) return free(found.at), st;
    return *out = found, LMM_OK;
}

bool task_group_chosen(const eval_task *g, const char *names, const task_list *list) {
    char *copy = mem_strdup(names), *rest = copy;
    bool chosen = false;
    for (char *word; !chosen && (word = strtok_r(rest, ", ", &rest));)
        chosen = !strcmp(word, g->name) || !fnmatch(word, g->name, 0) || has_tag(g, word);
    free(copy);
    const tree *members = tree_get(g->config, "task");
    for (int i = 0; chosen && i < members->count; i++) {
        bool there = false;
        for (int k = 0; k < list->count && !there; k++)
            there = members->items[i]->type == TREE_STRING && !strcmp(list->at[k]->name, members->items[i]->text);
        chosen = there;
    }
    return chosen;
}

lmm_status tasks_chosen(task_list *out, task_set *set, char **names, const lmm_eval_opts *o) {
    const char *const dirs[] = {o->task_dir ? o->task_dir : "tasks", o->include_dir};
    buf b = {0};
    for (int i = 0; i < o->task_count; i++) buf_printf(&b, "%s%s", i ? "," : "", o->tasks[i]);
    *names = buf_take(&b);
    lmm_status st = task_set_open(set, dirs, o->include_dir ? 2 : 1);
    return st ? st : task_select(out, set, *names);
}
