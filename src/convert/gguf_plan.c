/* gguf_plan.c - planned tensors and metadata written as one GGUF file. */
#include <stdlib.h>

#include "convert/convert.h"

void tensor_plan_free(tensor_plan *p) {
    for (int i = 0; i < p->count; i++) free(p->at[i].name), free(p->at[i].owned);
    free(p->at);
    *p = (tensor_plan){0};
}

static named_tensor *described(const tensor_plan *p, int64_t *bytes) {
    named_tensor *at = mem_new((size_t)p->count + 1, sizeof *at);
    *bytes = 0;
    for (int i = 0; i < p->count; i++) {
        const tensor *from = &p->at[i].from;
        at[i] = (named_tensor){p->at[i].name, tensor_make(p->at[i].type, from->nd, from->ne, NULL)};
        *bytes += (int64_t)tensor_size(&at[i].t);
    }
    return at;
}

static void report_tensor(tree *report, const planned_tensor *p, const tensor_error *e) {
    if (!report || p->type == p->from.type) return;
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "name", tree_new_string(p->name));
    tree_put(t, "from", tree_new_string(dtype_name(p->from.type)));
    tree_put(t, "type", tree_new_string(dtype_name(p->type)));
    tree_put(t, "values", tree_new_int(tensor_count(&p->from)));
    tree_put(t, "rms_error", tree_new_real(e->rms));
    tree_put(t, "max_error", tree_new_real(e->max));
    tree_put(t, "relative_error", tree_new_real(e->relative));
    tree_add(report, t);
}

typedef struct {
    gguf_writer *w;
    progress *bar;
    const char *name;
    int64_t done;
} output;

static lmm_status put(void *arg, const void *bytes, size_t n) {
    output *o = arg;
    lmm_status st = gguf_writer_put(o->w, bytes, n);
    progress_set(o->bar, o->done += (int64_t)n, o->name);
    return st;
}

lmm_status tensor_plan_write(const tensor_plan *p, const gguf_keys *keys, const char *path, pool *threads, const char *title,
                             tree *report) {
    output o = {0};
    int64_t bytes;
    named_tensor *at = described(p, &bytes);
    lmm_status st = gguf_writer_open(&o.w, path, keys, at, p->count);
    free(at);
    if (st) return st;
    o.bar = title ? progress_new(title, bytes, "bytes") : NULL;
    for (int i = 0; i < p->count && !st; i++) {
        tensor_error e;
        o.name = p->at[i].name;
        st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "cancelled") : tensor_stream(&p->at[i], threads, put, &o, &e);
        if (!st) report_tensor(report, &p->at[i], &e);
    }
    progress_free(o.bar);
    if (!st) return gguf_writer_commit(o.w);
    gguf_writer_abort(o.w);
    return st;
}
