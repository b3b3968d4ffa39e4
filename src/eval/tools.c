/* tools.c - what one asks about tasks and finished runs: the list of tasks, and how many questions a difference needs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- tasks ---- */

static tree *task_line(const eval_task *t) {
    tree *m = tree_new(TREE_MAP);
    const tree *tag = tree_get(t->config, "tag"), *list = tree_get(t->config, t->group ? "task" : "metric_list");
    tree_put(m, "name", tree_new_string(t->name));
    tree_put(m, "kind", tree_new_string(t->group ? "group" : "task"));
    tree_put(m, "file", tree_new_string(t->path));
    tree_put(m, "answer", tree_new_string(tree_str(tree_get(t->config, "answer"), "kind", "")));
    tree_put(m, "dataset", tree_new_string(tree_str(t->config, "dataset_path", "")));
    tree *parts = tree_new(TREE_LIST);
    for (int i = 0; list && i < list->count; i++)
        tree_add(parts, tree_new_string(t->group ? (list->items[i]->type == TREE_STRING ? list->items[i]->text : "")
                                                 : tree_str(list->items[i], "metric", "")));
    tree_put(m, t->group ? "tasks" : "metrics", parts);
    if (tag) tree_put(m, "tag", tree_copy(tag));
    tree_put(m, "hash", tree_new_string(t->hash));
    return m;
}

lmm_status lmm_eval_tasks(const char *const *dirs, int count, char **json) {
    task_set s;
    lmm_status st = task_set_open(&s, dirs, count);
    if (st) return st;
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < s.all.count; i++) tree_add(list, task_line(&s.all.at[i]));
    task_set_close(&s);
    return *json = tree_take_json(list), LMM_OK;
}

/* ---- power ---- */

lmm_status lmm_eval_power(const lmm_power_opts *o, char **json) {
    power_question q = {.effect = o->effect_size > 0 ? o->effect_size : 0.03,
                        .alpha = o->alpha > 0 ? o->alpha : 0.05,
                        .power = o->power > 0 ? o->power : 0.8,
                        .correlation = o->correlation,
                        .std_a = o->std_a > 0   ? o->std_a
                                 : o->std_b > 0 ? o->std_b
                                                : 0.5,
                        .std_b = o->std_b > 0   ? o->std_b
                                 : o->std_a > 0 ? o->std_a
                                                : 0.5,
                        .n = (double)o->rows};
    if (q.alpha >= 1 || q.power >= 1 || q.correlation < -1 || q.correlation >= 1)
        return LMM_FAIL(LMM_E_ARG, "alpha and power lie between 0 and 1, the correlation between -1 and 1");
    power_result r = power_of(&q);
    tree *t = tree_new(TREE_MAP);
    const struct {
        const char *key;
        double x;
    } rows[] = {{"effect_size", q.effect}, {"std_a", q.std_a}, {"std_b", q.std_b},
                {"alpha", q.alpha},        {"power", q.power}, {"correlation", q.correlation}};
    tree_put(t, "min_n", tree_new_int((int64_t)r.n));
    for (size_t i = 0; i < COUNT_OF(rows); i++) tree_put(t, rows[i].key, tree_new_real(rows[i].x));
    if (o->rows > 0) {
        tree_put(t, "current_n", tree_new_int(o->rows));
        tree_put(t, "current_power", tree_new_real(r.power));
        tree_put(t, "min_detectable_effect", tree_new_real(r.effect));
    }
    return *json = tree_take_json(t), LMM_OK;
}
