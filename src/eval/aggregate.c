/* aggregate.c - from the values of a task's rows to its score: means of a field, by groups, over a fixed list of kinds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- the value of one row ---- */

static bool equal_fields(const aggregate_in *in, const tree *item, const tree *fields) {
    const char *a = py_str(in->mem, tree_get(item, fields->items[0]->text)), *b = py_str(in->mem, tree_get(item, fields->items[1]->text));
    if (!tree_bool(in->spec, "fold", false)) return !strcmp(a, b);
    return !strcmp(py_strip(in->mem, py_lower(in->mem, a)), py_strip(in->mem, py_lower(in->mem, b)));
}

/* `equal: [a, b]` is 1 when the two are the same text, `field` a number of the record; a plain value is itself. NaN: no verdict. */
static double value_of(const aggregate_in *in, const tree *item) {
    const tree *equal = tree_get(in->spec, "equal");
    if (equal && item->type == TREE_MAP) return equal_fields(in, item, equal);
    const tree *value = item->type == TREE_MAP ? tree_get(item, tree_str(in->spec, "field", "score")) : item;
    if (!value || value->type == TREE_NULL) return NAN;
    const char *yes = tree_str(in->spec, "is", NULL);
    return yes ? value->type == TREE_STRING && !strcmp(value->text, yes) : py_value(value, NAN);
}

/* `skip: {field: value}` leaves rows out of the denominator. */
static bool skipped(const aggregate_in *in, const tree *item) {
    const tree *skip = tree_get(in->spec, "skip");
    for (int i = 0; skip && i < skip->count; i++)
        if (!strcmp(py_str(in->mem, tree_get(item, skip->keys[i])), py_str(in->mem, skip->items[i]))) return true;
    return false;
}

/* `scale`, `round`, and upstream's null for a zero. */
static tree *finished(const aggregate_in *in, double x) {
    const tree *places = tree_get(in->spec, "round");
    if (isnan(x)) return tree_new(TREE_NULL);
    x *= tree_real(in->spec, "scale", 1);
    if (places) x = py_round(x, (int)places->i);
    if (x == 0 && in->compat && tree_bool(in->spec, "zero_is_null", false)) return tree_new(TREE_NULL);
    return tree_new_real(x);
}

/* ---- means ---- */

static lmm_status mean(const aggregate_in *in, tree **out) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < in->items->count; i++) {
        double x = value_of(in, in->items->items[i]);
        if (isnan(x) || skipped(in, in->items->items[i])) continue;
        sum += x, n++;
    }
    *out = n ? finished(in, sum / n) : tree_get(in->spec, "skip") ? tree_new_real(0) : tree_new(TREE_NULL);
    return LMM_OK;
}

static lmm_status sum_div(const aggregate_in *in, tree **out) {
    double sum = 0;
    for (int i = 0; i < in->items->count; i++) {
        double x = value_of(in, in->items->items[i]);
        if (!isnan(x)) sum += x;
    }
    *out = finished(in, sum / tree_real(in->spec, "by", 1));
    return LMM_OK;
}

static lmm_status median(const aggregate_in *in, tree **out) {
    double *x = mem_new((size_t)in->items->count + 1, sizeof *x);
    int n = 0;
    for (int i = 0; i < in->items->count; i++)
        if (!isnan(x[n] = value_of(in, in->items->items[i]))) n++;
    *out = n ? finished(in, in->compat ? bootstrap_middle(x, n) : median_of(x, n)) : tree_new(TREE_NULL);
    free(x);
    return LMM_OK;
}

/* exp(-mean) of log-likelihoods. */
static lmm_status perplexity(const aggregate_in *in, tree **out) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < in->items->count; i++) {
        double x = value_of(in, in->items->items[i]);
        if (!isnan(x)) sum += x, n++;
    }
    *out = n ? finished(in, exp(-sum / n)) : tree_new(TREE_NULL);
    return LMM_OK;
}

/* ---- by groups ---- */

typedef struct {
    strmap *ids;
    VEC(double) sum;
    VEC(int) count;
    VEC(const char *) name;
} groups;

static int group_of(groups *g, const char *name) {
    int id = g->sum.count;
    if (strmap_put(g->ids, name, strlen(name), id)) {
        VEC_PUSH(&g->sum, 0);
        VEC_PUSH(&g->count, 0);
        VEC_PUSH(&g->name, name);
    } else strmap_get(g->ids, name, strlen(name), &id);
    return id;
}

static void groups_fill(groups *g, const aggregate_in *in) {
    const tree *kinds = tree_get(in->spec, "kinds");
    g->ids = strmap_new();
    for (int i = 0; kinds && i < kinds->count; i++) group_of(g, kinds->items[i]->text);
    int fixed = kinds ? kinds->count : INT32_MAX;
    for (int i = 0; i < in->items->count; i++) {
        double x = value_of(in, in->items->items[i]);
        int id = group_of(g, py_str(in->mem, tree_get(in->items->items[i], tree_str(in->spec, "by", ""))));
        if (isnan(x) || id >= fixed) continue; /* a kind outside the list has no part in the score */
        g->sum.at[id] += x;
        g->count.at[id]++;
    }
}

static void groups_free(groups *g) {
    strmap_free(g->ids);
    free(g->sum.at);
    free(g->count.at);
    free(g->name.at);
}

/* The mean over the kinds of `by` of their means; with `kinds: [...]` over exactly these, absent ones as 0. */
static lmm_status macro_mean(const aggregate_in *in, tree **out) {
    groups g = {0};
    groups_fill(&g, in);
    const tree *kinds = tree_get(in->spec, "kinds");
    double total = 0;
    int n = 0;
    for (int i = 0; i < (kinds ? kinds->count : g.sum.count); i++) {
        double m = g.count.at[i] ? g.sum.at[i] / g.count.at[i] : 0;
        if (in->details && g.count.at[i]) tree_put(in->details, g.name.at[i], tree_new_real(m));
        if (!kinds && !g.count.at[i]) continue;
        total += m, n++;
    }
    *out = n ? finished(in, total / n) : tree_new(TREE_NULL);
    groups_free(&g);
    return LMM_OK;
}

/* A number the program does not compute: files for a server, `--predict_only`. */
static lmm_status none(const aggregate_in *in, tree **out) {
    (void)in;
    *out = tree_new(TREE_NULL);
    return LMM_OK;
}

static lmm_status bypass(const aggregate_in *in, tree **out) {
    (void)in;
    *out = tree_new_int(999);
    return LMM_OK;
}

static const aggregation rows[] = {
    {"mean", mean}, {"sum_div", sum_div}, {"median", median}, {"perplexity", perplexity}, {"macro_mean", macro_mean},
    {"none", none}, {"bypass", bypass},
};

const aggregation *aggregation_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    for (const aggregation *a = aggregations_more; a->name; a++)
        if (!strcmp(a->name, name)) return a;
    return NULL;
}

const char *const *aggregation_names(void) {
    static const char *const names[] = {"mean",     "sum_div",   "median", "perplexity", "macro_mean", "none",     "bypass", "mme", "prf",
                                        "circular", "hallusion", "ratio",  "mmmu",       "videommmu",  "captions", "wups",   NULL};
    return names;
}
