/* quantize.c - lmm_quantize: a model's matrices in another number type, and what that costs tensor by tensor. */
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

/* What is said anew, or no longer true of the new file. */
static bool is_carried(gguf_text key) {
    static const char *const left_out[] = {"general.file_type", "general.quantization_version", "general.alignment"};
    for (size_t i = 0; i < COUNT_OF(left_out); i++)
        if (strlen(left_out[i]) == key.size && !memcmp(left_out[i], key.at, key.size)) return false;
    return key.size < 6 || memcmp(key.at, "split.", 6) != 0;
}

static lmm_status plan_gguf(tensor_plan *plan, gguf_keys *keys, const gguf *g, int file_type) {
    int64_t parts = 1;
    lmm_status st = gguf_int(g, "split.count", 1, &parts);
    if (st) return st;
    if (parts > 1)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "it is one of %" PRId64 " parts of a model: merge them with llama-gguf-split first", parts);
    for (int i = 0; i < gguf_entry_count(g); i++) {
        gguf_text key, entry = gguf_entry(g, i, &key);
        if (is_carried(key)) gguf_put_entry(keys, entry);
    }
    gguf_put_u32(keys, "general.file_type", (uint32_t)file_type);
    gguf_put_u32(keys, "general.quantization_version", QUANTIZATION_VERSION);
    for (int i = 0; i < gguf_count(g); i++) {
        const named_tensor *n = gguf_at(g, i);
        VEC_PUSH(plan, ((planned_tensor){.name = mem_strdup(n->name), .from = n->t, .type = n->t.type}));
    }
    return LMM_OK;
}

/* Quantising twice adds both errors, and the report would not show the first. */
static lmm_status check_floats(const tensor_plan *plan) {
    for (int i = 0; i < plan->count; i++) {
        const planned_tensor *p = &plan->at[i];
        if (p->type != p->from.type && dtype_block(p->from.type) > 1)
            return LMM_FAIL(LMM_E_ARG, "tensor '%s' is %s already; start from a file with floats, or allow it with --requantize", p->name,
                            dtype_name(p->from.type));
    }
    return LMM_OK;
}

/* The network or the file must live until the plan is written. */
typedef struct {
    net *n;
    gguf *g;
} source;

static lmm_status open_source(source *s, tensor_plan *plan, gguf_keys *keys, const char *in, int file_type) {
    lmm_status st;
    if (gguf_is(in)) {
        st = gguf_open(&s->g, in);
        return st ? st : plan_gguf(plan, keys, s->g, file_type);
    }
    st = net_open(&s->n, in);
    return st ? st : plan_folder(plan, keys, s->n, in, file_type);
}

lmm_status lmm_quantize(lmm_runtime *r, const char *in, const char *out, const lmm_convert_opts *o, char **report) {
    const number_type *type = NULL;
    source s = {0};
    tensor_plan plan = {0};
    gguf_keys keys = {0};
    tree *list = tree_new(TREE_LIST);
    lmm_status st = number_type_find(&type, o->type ? o->type : "");
    if (!st) st = open_source(&s, &plan, &keys, in, type->file_type);
    if (!st) number_type_assign(&plan, type);
    if (!st && !o->requantize) st = check_floats(&plan);
    if (st) st = LMM_CONTEXT(st, "quantising '%s'", in);
    else st = tensor_plan_write(&plan, &keys, out, r->pool, o->quiet ? NULL : "quantising", list);
    if (!st) *report = report_text(in, out, type->name, &plan, list);
    tree_free(list);
    gguf_keys_free(&keys);
    tensor_plan_free(&plan);
    gguf_close(s.g);
    net_free(s.n);
    return st;
}
