/* convert.c - lmm_convert: which way a conversion goes, and the report of all of them. */
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

void folder_abandon(const char *tmp, lmm_status st) {
    char *message = mem_strdup(lmm_message()); /* of the failure, not of tidying up */
    (void)dir_remove(tmp);
    (void)LMM_FAIL(st, "%s", message);
    free(message);
}

static void put_sizes(tree *t, const tensor_plan *plan) {
    int64_t before = 0, after = 0;
    for (int i = 0; plan && i < plan->count; i++) {
        before += (int64_t)tensor_size(&plan->at[i].from);
        after += (int64_t)dtype_bytes(plan->at[i].type, tensor_count(&plan->at[i].from));
    }
    tree_put(t, "bytes_before", tree_new_int(before));
    tree_put(t, "bytes_after", tree_new_int(after));
}

char *report_text(const char *in, const char *out, const char *type, const tensor_plan *plan, const tree *list) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "input", tree_new_string(in));
    tree_put(t, "output", tree_new_string(out));
    tree_put(t, "type", tree_new_string(type));
    if (plan) put_sizes(t, plan);
    if (list) tree_put(t, "tensors", tree_copy(list));
    return tree_take_json(t);
}

/* The plain type most values of the matrices have. */
static const number_type *plain_type(const net *n) {
    int64_t count[DT_COUNT] = {0};
    int best = DT_F32;
    for (int i = 0; i < n->params.list.count; i++) count[n->params.list.at[i]->t.type] += tensor_count(&n->params.list.at[i]->t);
    for (int i = 0; i < DT_COUNT; i++)
        if (count[i] > count[best]) best = i;
    const number_type *t = number_type_of((dtype)best);
    return t ? t : number_type_of(DT_F32);
}

static lmm_status gguf_of_folder(const char *in, const char *out, pool *threads, const lmm_convert_opts *o, char **report) {
    net *n = NULL;
    tensor_plan plan = {0};
    gguf_keys keys = {0};
    tree *list = tree_new(TREE_LIST);
    const number_type *type = NULL;
    lmm_status st = net_open(&n, in);
    if (!st && o->type) st = number_type_find(&type, o->type);
    else if (!st) type = plain_type(n);
    if (!st) st = plan_folder(&plan, &keys, n, in, type->file_type);
    if (!st && o->type) number_type_assign(&plan, type);
    if (!st) st = tensor_plan_write(&plan, &keys, out, threads, o->quiet ? NULL : "converting", list);
    if (!st) *report = report_text(in, out, type->name, &plan, list);
    tree_free(list);
    gguf_keys_free(&keys);
    tensor_plan_free(&plan);
    net_free(n);
    return st;
}

lmm_status lmm_convert(lmm_runtime *r, const char *in, const char *out, const lmm_convert_opts *opts, char **report) {
    const lmm_convert_opts o = opts ? *opts : (lmm_convert_opts){0};
    lmm_status st;
    if (gguf_is(in)) {
        if (o.type) return LMM_FAIL(LMM_E_ARG, "a folder keeps the types of the file: leave --type out, or quantise the file first");
        st = folder_of_gguf(in, out, o.quiet);
        if (!st) *report = report_text(in, out, "folder", NULL, NULL);
    } else {
        st = gguf_of_folder(in, out, r->pool, &o, report);
    }
    return LMM_CONTEXT(st, "converting '%s'", in);
}
