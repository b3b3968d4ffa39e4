/* import.c - lmms-eval's own task files in this project's words, when they use no code. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- what cannot be translated ---- */

/* The keys whose value is "!function module.name", joined by commas; free(). NULL: none. */
static char *code_keys(const char *text) {
    buf b = {0};
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t n = strcspn(line, "\n");
        const char *tag = strstr(line, "!function");
        if (!tag || (size_t)(tag - line) > n) continue;
        line += strspn(line, " -");
        buf_printf(&b, "%s%.*s", b.size ? ", " : "", (int)strcspn(line, ":\n"), line);
    }
    return b.size ? buf_take(&b) : NULL;
}

static bool is_name(const char *t) {
    size_t n = strspn(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return n && !t[n];
}

/* A bare word is a column there, a template here. */
static tree *as_template(const tree *value) {
    if (value->type != TREE_STRING || !is_name(value->text)) return tree_copy(value);
    char *text = mem_printf("{{ %s }}", value->text);
    tree *t = tree_new_string(text);
    free(text);
    return t;
}

/* ---- metrics ---- */

/* The target of a choice is a number there or its text; the options' letters are named here. */
static tree *choice_answer(const char *target) {
    tree *a = tree_new(TREE_MAP), *metrics = tree_new(TREE_LIST);
    char *gold = is_name(target) ? mem_printf("{{ 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[%s] if %s is number else %s }}", target, target, target)
                                 : mem_strdup(target);
    tree_put(a, "kind", tree_new_string("likelihood"));
    tree_put(a, "gold", tree_new_string(gold));
    tree_add(metrics, tree_new_string("acc"));
    tree_add(metrics, tree_new_string("acc_norm"));
    tree_put(a, "metrics", metrics);
    tree_put(a, "record", tree_new_string("$metric"));
    free(gold);
    return a;
}

static tree *perplexity_answer(void) {
    tree *a = tree_new(TREE_MAP), *metrics = tree_new(TREE_LIST);
    tree_put(a, "kind", tree_new_string("perplexity"));
    tree_add(metrics, tree_new_string("perplexity"));
    tree_add(metrics, tree_new_string("acc"));
    tree_put(a, "metrics", metrics);
    tree_put(a, "record", tree_new_string("$metric"));
    return a;
}

/* What the first metric of the list says about the answer, NULL when it is a metric of code. */
static tree *answer_of(const tree *y) {
    const char *type = tree_str(y, "output_type", "generate_until");
    if (!strcmp(type, "multiple_choice")) return choice_answer(tree_str(y, "doc_to_target", "answer"));
    if (!strcmp(type, "loglikelihood")) return perplexity_answer();
    const tree *list = tree_get(y, "metric_list"), *first = list && list->type == TREE_LIST && list->count ? list->items[0] : NULL;
    const char *metric = tree_str(first, "metric", "exact_match"), *target = tree_str(y, "doc_to_target", "answer");
    tree *a = tree_new(TREE_MAP);
    if (!strcmp(metric, "anls") && is_name(target)) {
        tree_put(a, "kind", tree_new_string("anls"));
        tree_put(a, "gold", tree_new_string(target));
    } else if (!strcmp(metric, "exact_match")) {
        static const char *const flags[] = {"ignore_case", "ignore_punctuation", "ignore_numbers"};
        tree_put(a, "kind", tree_new_string("exact"));
        tree_put(a, "gold", tree_new_string(target));
        for (size_t i = 0; i < COUNT_OF(flags); i++)
            if (tree_bool(first, flags[i], false)) tree_put(a, flags[i], tree_new_bool(true));
    } else {
        tree_free(a);
        return NULL;
    }
    return a;
}

static tree *metrics_of(const tree *y) {
    static const char *const kept[] = {"metric", "aggregation", "higher_is_better"};
    const tree *list = tree_get(y, "metric_list");
    tree *out = tree_new(TREE_LIST);
    for (int i = 0; list && list->type == TREE_LIST && i < list->count; i++) {
        tree *m = tree_new(TREE_MAP);
        for (size_t k = 0; k < COUNT_OF(kept); k++)
            if (tree_get(list->items[i], kept[k])) tree_put(m, kept[k], tree_copy(tree_get(list->items[i], kept[k])));
        tree_add(out, m);
    }
    static const char *const usual[][3] = {{"generate_until", "exact_match", NULL},
                                           {"multiple_choice", "acc", "acc_norm"},
                                           {"loglikelihood", "perplexity", "acc"}}; /* what lmms-eval measures when nothing is said */
    for (size_t t = 0; t < COUNT_OF(usual) && !list; t++)
        for (int i = 1; i < 3 && usual[t][i] && !strcmp(tree_str(y, "output_type", usual[0][0]), usual[t][0]); i++) {
            tree *m = tree_new(TREE_MAP);
            tree_put(m, "metric", tree_new_string(usual[t][i]));
            if (!strcmp(usual[t][i], "perplexity")) tree_put(m, "aggregation", tree_new_string("perplexity"));
            tree_add(out, m);
        }
    return out;
}

/* `metadata: [{version: 1}]` is a map here. */
static tree *metadata_of(const tree *value) { return tree_copy(value->type == TREE_LIST && value->count ? value->items[0] : value); }

/* ---- the file ---- */

static void put_key(buf *b, const char *key, tree *value) {
    buf_printf(b, "%s: ", key);
    tree_write_json(b, value, 0);
    buf_putc(b, '\n');
    tree_free(value);
}

static lmm_status translate(buf *b, const tree *y, const char *path) {
    static const char *const left_out[] = {"should_decontaminate", "full_docs",      "process_results_use_image",
                                           "fewshot_delimiter",    "fewshot_config", "auto_strip_thinking",
                                           "doc_to_messages"};
    const char *type = tree_str(y, "output_type", "generate_until");
    const char *choices = tree_str(y, "doc_to_choice", NULL);
    if (strcmp(type, "generate_until") && strcmp(type, "multiple_choice") && strcmp(type, "loglikelihood"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': output_type '%s' cannot be imported; write the task by hand", path, type);
    if (!strcmp(type, "multiple_choice") && (!choices || !is_name(choices)))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': doc_to_choice is no column; write 'options: {columns: [...]}' by hand", path);
    tree *answer = answer_of(y);
    if (!answer)
        return LMM_FAIL(LMM_E_UNSUPPORTED,
                        "'%s': its first metric has no rule here (exact_match and anls have); choose a kind of answer by hand "
                        "(docs/add-a-task.md)",
                        path);
    buf_printf(b, "# Imported from lmms-eval's %s.\n", path_base(path));
    for (int i = 0; i < y->count; i++) {
        const char *key = y->keys[i];
        bool skip = !strcmp(key, "metric_list") || !strcmp(key, "doc_to_choice");
        for (size_t k = 0; k < COUNT_OF(left_out) && !skip; k++)
            if (!strcmp(key, left_out[k])) skip = true, buf_printf(b, "# %s is left out: it changes nothing here.\n", key);
        if (skip) continue;
        bool template_ = !strncmp(key, "doc_to_", 7);
        put_key(b, key,
                template_                  ? as_template(y->items[i])
                : !strcmp(key, "metadata") ? metadata_of(y->items[i])
                                           : tree_copy(y->items[i]));
    }
    if (choices) {
        tree *options = tree_new(TREE_MAP);
        tree_put(options, "column", tree_new_string(choices));
        put_key(b, "options", options);
    }
    put_key(b, "answer", answer);
    put_key(b, "metric_list", metrics_of(y));
    return LMM_OK;
}

lmm_status lmm_eval_import(const char *path, char **yaml) {
    char *text;
    size_t size;
    tree *y = NULL;
    buf b = {0};
    lmm_status st = file_read(&text, &size, path, 1 << 20);
    if (st) return st;
    char *code = code_keys(text);
    if (code)
        st = LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': %s %s Python code, which cannot be imported; say it in the words of docs/add-a-task.md",
                      path, code, strchr(code, ',') ? "are" : "is");
    if (!st) st = tree_parse_yaml(&y, text, size, path);
    if (!st && y->type != TREE_MAP) st = LMM_FAIL(LMM_E_FORMAT, "'%s': a task is a map of keys", path);
    if (!st) st = translate(&b, y, path);
    tree_free(y);
    free(code);
    free(text);
    if (st) return buf_free(&b), st;
    return *yaml = buf_take(&b), LMM_OK;
}
