/* template.c - what a task file says about a row: variables, Jinja templates, values of records. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"
#include "text/text.h"

/* Numbers in a template print as Python prints them, so the tree goes to Jinja as it is. */
lmm_status template_render(char **out, const char *source, const tree *vars) {
    if (!strchr(source, '{')) return *out = mem_strdup(source), LMM_OK;
    jinja *j;
    buf b = {0};
    lmm_status st = jinja_compile(&j, source, strlen(source), NULL);
    if (st) return LMM_CONTEXT(st, "template \"%.60s\"", source);
    st = jinja_render(j, vars, 0, &b, NULL);
    jinja_free(j);
    if (st) {
        buf_free(&b);
        return LMM_CONTEXT(st, "template \"%.60s\"", source);
    }
    return *out = buf_take(&b), LMM_OK;
}

/* ---- options ---- */

static bool skipped(const tree *skip, const tree *value) {
    if (!value || value->type == TREE_NULL) return true;
    for (int i = 0; skip && i < skip->count; i++)
        if (value->type == TREE_STRING && skip->items[i]->type == TREE_STRING && !strcmp(value->text, skip->items[i]->text)) return true;
    return false;
}

/* The texts of the row's options: a list column (or Python's text of a list), a map of letters, or one column each. */
static tree *options_of(const tree *spec, const tree *row, tree *letters) {
    tree *out = tree_new(TREE_LIST), *read = NULL;
    const tree *columns = tree_get(spec, "columns"), *column = tree_get(row, tree_str(spec, "column", ""));
    for (int i = 0; columns && i < columns->count; i++) {
        const tree *value = tree_get(row, columns->items[i]->text);
        char letter[2] = {(char)('A' + i), 0};
        if (skipped(tree_get(spec, "skip"), value)) continue;
        tree_add(out, tree_copy(value));
        tree_add(letters, tree_new_string(letter));
    }
    if (column && column->type == TREE_STRING) column = read = py_literal(column->text);
    for (int i = 0; column && i < column->count; i++) {
        char letter[2] = {(char)('A' + i), 0};
        tree_add(out, tree_copy(column->items[i]));
        tree_add(letters, tree_new_string(column->type == TREE_MAP ? column->keys[i] : letter));
    }
    tree_free(read);
    return out;
}

static tree *lettered(const tree *letters, const tree *options) {
    tree *out = tree_new(TREE_LIST);
    scratch mem = {0};
    for (int i = 0; i < options->count; i++)
        tree_add(out, tree_new_string(scratch_printf(&mem, "%s. %s", letters->items[i]->text, py_str(&mem, options->items[i]))));
    scratch_free(&mem);
    return out;
}

/* ---- variables ---- */

/* The words of this model alone when it has some, else the default ones; keys beside "default" are words too. */
static const tree *words_for(const tree *kwargs, const char *model) {
    const tree *own = model ? tree_get(kwargs, model) : NULL;
    return own ? own : tree_get(kwargs, "default");
}

static void put_all(tree *to, const tree *from) {
    for (int i = 0; from && from->type == TREE_MAP && i < from->count; i++) tree_put(to, from->keys[i], tree_copy(from->items[i]));
}

/* A copy in which pictures, which may be megabytes, are but their names. */
static tree *without_pictures(const tree *t) {
    bool picture = t->type == TREE_MAP && tree_get(t, "bytes") && tree_get(t, "path");
    if (t->type != TREE_MAP && t->type != TREE_LIST) return tree_copy(t);
    tree *out = tree_new(t->type);
    for (int i = 0; i < t->count; i++) {
        if (t->type == TREE_LIST) tree_add(out, without_pictures(t->items[i]));
        else if (!picture || strcmp(t->keys[i], "bytes")) tree_put(out, t->keys[i], without_pictures(t->items[i]));
    }
    return out;
}

tree *row_vars(const eval_task *t, const tree *row, const char *model) {
    tree *vars = without_pictures(row);
    const tree *spec = tree_get(t->config, "options");
    put_all(vars, words_for(tree_get(t->config, "lmms_eval_specific_kwargs"), model));
    put_all(vars, words_for(tree_get(t->config, "model_specific_target_kwargs"), model));
    if (spec) {
        tree *letters = tree_new(TREE_LIST), *options = options_of(spec, row, letters);
        tree_put(vars, "lettered", lettered(letters, options));
        tree_put(vars, "option_letters", letters);
        tree_put(vars, "option_list", options);
    }
    return vars;
}

/* ---- values ---- */

static tree *read_scalar(const char *text) {
    tree *t = py_literal(text);
    return t ? t : tree_new_string(text);
}

lmm_status row_value(tree **out, const char *what, const tree *row, const tree *vars) {
    bool literal = *what == '=';
    if (!literal && !strstr(what, "{{")) {
        const tree *value = tree_get(row, what);
        return *out = value ? tree_copy(value) : NULL, LMM_OK;
    }
    char *text;
    lmm_status st = template_render(&text, what + literal, vars);
    if (st) return st;
    *out = literal ? read_scalar(text) : tree_new_string(text);
    free(text);
    return LMM_OK;
}
