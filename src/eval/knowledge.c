/* knowledge.c - what lectures taught a model: samples of Video-MMMU before and after, in all, by discipline and by subject. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

lmm_status knowledge_records(tree **out, const char *path, bool compat) {
    table lines;
    lmm_status st = table_open(&lines, path, NULL, 0);
    if (st) return st;
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < lines.count && !st; i++) {
        scratch mem = {0};
        const tree *acc = tree_get(table_row(&lines, i), "mmmu_acc");
        const char *id = tree_str(acc, "id", tree_str(tree_get(table_row(&lines, i), "doc"), "id", NULL));
        tree *r = tree_new(TREE_MAP);
        if (!acc || !id) st = LMM_FAIL(LMM_E_FORMAT, "'%s' line %d: no sample of Video-MMMU (it has no mmmu_acc with an id)", path, i + 1);
        tree_put(r, "id", tree_new_string(id ? id : ""));
        tree_put(r, "subdomain", tree_new_string(tree_str(acc, "subdomain", "")));
        tree_put(r, "correct", tree_new_bool(acc && (compat ? videommmu_script_correct(&mem, acc) : videommmu_correct(&mem, acc))));
        tree_add(list, r);
        scratch_free(&mem);
    }
    table_close(&lines);
    if (st) return tree_free(list), st;
    return *out = list, LMM_OK;
}

static tree *of_group(const tree *records, const char *name, bool discipline) {
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < records->count; i++) {
        const char *subject = tree_str(records->items[i], "subdomain", ""), *group = discipline ? videommmu_discipline(subject) : subject;
        if (group && !strcmp(group, name)) tree_add(list, tree_copy(records->items[i]));
    }
    return list;
}

/* {name: gain} for every discipline, or every subject, that occurs. */
static tree *gains_by(const tree *before, const tree *after, bool discipline) {
    tree *out = tree_new(TREE_MAP);
    for (int i = 0; i < after->count; i++) {
        const char *subject = tree_str(after->items[i], "subdomain", ""), *name = discipline ? videommmu_discipline(subject) : subject;
        if (!name || tree_get(out, name)) continue;
        tree *b = of_group(before, name, discipline), *a = of_group(after, name, discipline);
        tree_put(out, name, videommmu_delta(b, a));
        tree_free(b);
        tree_free(a);
    }
    return out;
}

lmm_status knowledge_gain(tree **out, const char *before, const char *after, bool compat) {
    tree *b, *a;
    lmm_status st = knowledge_records(&b, before, compat);
    if (st) return st;
    if ((st = knowledge_records(&a, after, compat))) return tree_free(b), st;
    tree *t = videommmu_delta(b, a);
    tree_put(t, "by_discipline", gains_by(b, a, true));
    tree_put(t, "by_subject", gains_by(b, a, false));
    tree_free(a);
    tree_free(b);
    return *out = t, LMM_OK;
}

lmm_status lmm_eval_delta(const char *before, const char *after, bool compat, char **json) {
    tree *t;
    lmm_status st = knowledge_gain(&t, before, after, compat);
    if (st) return st;
    return *json = tree_take_json(t), LMM_OK;
}
