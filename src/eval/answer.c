/* answer.c - from a response to the metrics of its row: the kind of answer gives a verdict, the task file says what is kept of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- the table of kinds ---- */

static const answer_kind *const tables[] = {answer_kinds_text, answer_kinds_judge};

const answer_kind *answer_kind_find(const char *name) {
    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (const answer_kind *k = tables[t]; k->name; k++)
            if (!strcmp(k->name, name)) return k;
    return NULL;
}

const char *const *answer_kind_names(void) {
    static const char *const names[] = {"choice",     "choice_or_text", "mmmu", "videommmu",     "exact",        "vqa",        "anls",
                                        "relaxed",    "contains",       "mme",  "yes_no",        "keep",         "likelihood", "mathvista",
                                        "perplexity", "grade",          "pair", "yes_and_score", "verdict_word", "binary",     NULL};
    return names;
}

/* ---- records ---- */

/* "$pred" is a part of the verdict, "$metric" the part named as the metric, anything else a value of the row. */
static lmm_status part(tree **out, const char *what, const answer_in *in, const tree *verdict, const char *metric) {
    if (*what != '$') return row_value(out, what, in->row, in->vars);
    const tree *value = tree_get(verdict, strcmp(what, "$metric") ? what + 1 : metric);
    return *out = value ? tree_copy(value) : NULL, LMM_OK;
}

static lmm_status record_of(tree **out, const tree *spec, const answer_in *in, const tree *verdict, const char *metric) {
    lmm_status st = LMM_OK;
    if (spec->type == TREE_STRING) return part(out, spec->text, in, verdict, metric);
    tree *map = tree_new(TREE_MAP);
    for (int i = 0; i < spec->count && !st; i++) {
        char *key = NULL;
        tree *value = NULL;
        st = template_render(&key, spec->keys[i], in->vars);
        if (!st) st = record_of(&value, spec->items[i], in, verdict, metric);
        if (!st) tree_put(map, key, value ? value : tree_new(TREE_NULL));
        free(key);
    }
    if (st) return tree_free(map), st;
    return *out = map, LMM_OK;
}

static lmm_status put_metric(tree *metrics, const char *name, const tree *record, const answer_in *in, const tree *verdict) {
    char *key = NULL;
    tree *value = NULL;
    lmm_status st = template_render(&key, name, in->vars);
    const tree *own = !st && record->type == TREE_MAP ? tree_get(record, key) : NULL; /* a record of the metric's own */
    if (!st) st = record_of(&value, own ? own : record, in, verdict, key);
    if (!st) tree_put(metrics, key, value ? value : tree_new(TREE_NULL));
    free(key);
    return st;
}

/* Without `metrics`, every metric of the task gets the value. */
static lmm_status put_metrics(tree *metrics, const answer_in *in, const tree *verdict) {
    const tree *names = tree_get(in->spec, "metrics"), *record = tree_get(in->spec, "record"),
               *list = tree_get(in->task->config, "metric_list"), *submission = tree_get(in->spec, "submission");
    tree *plain = tree_new_string("$score");
    lmm_status st = LMM_OK;
    if (!record) record = plain;
    for (int i = 0; names && i < names->count && !st; i++) st = put_metric(metrics, names->items[i]->text, record, in, verdict);
    for (int i = 0; !names && list && i < list->count && !st; i++)
        if (strcmp(tree_str(list->items[i], "metric", ""), "submission"))
            st = put_metric(metrics, tree_str(list->items[i], "metric", ""), record, in, verdict);
    if (!st && submission) st = put_metric(metrics, "submission", submission, in, verdict);
    tree_free(plain);
    return st;
}

/* ---- options of the row ---- */

static void read_options(answer_in *in) {
    const tree *options = tree_get(in->vars, "option_list"), *letters = tree_get(in->vars, "option_letters");
    const char *fixed = tree_str(in->spec, "letters", NULL);
    int n = options ? options->count : 0;
    in->options = scratch_get(in->mem, ((size_t)n + 1) * sizeof *in->options);
    in->letters = scratch_get(in->mem, (size_t)n + 1);
    in->option_count = n;
    for (int i = 0; i < n; i++) {
        in->options[i] = py_str(in->mem, options->items[i]);
        in->letters[i] = *letters->items[i]->text;
    }
    in->option_letters = in->letters;
    if (fixed) in->letters = scratch_cut(in->mem, fixed, strlen(fixed));
}

lmm_status answer_run(tree **metrics, const answer_in *given) {
    answer_in in = *given;
    const answer_kind *kind = answer_kind_find(tree_str(in.spec, "kind", ""));
    LMM_ASSERT(kind, "kinds are checked when the task is read");
    read_options(&in);
    tree *verdict = tree_new(TREE_MAP), *out = tree_new(TREE_MAP);
    tree_put(verdict, "response", tree_new_string(in.response));
    lmm_status st = kind->run(&in, verdict);
    if (!st) st = put_metrics(out, &in, verdict);
    tree_free(verdict);
    if (st) return tree_free(out), st;
    return *metrics = out, LMM_OK;
}
