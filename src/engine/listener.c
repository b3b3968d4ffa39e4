/* listener.c - one window of sound in an encoder-decoder's ear: encoded once, then ids are put in and logits come out. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* The largest pass: a window encoded and looked at, then every id at once. MEASURE and RUN take the same road. */
static tensor *hear(cx *c, listener *l, float *mel) {
    const whisper *w = &l->model->net->whisper;
    tensor *x = cx_wrap(c, mel, 2 * w->config.positions, w->config.bands);
    x = whisper_encode(c, &w->encoder, x);
    whisper_look(c, w, x, &l->cross);
    return x;
}

static tensor *say(cx *c, listener *l, const int *ids, int n) {
    const whisper *w = &l->model->net->whisper;
    tensor *h = whisper_decode(c, w, ids, n, l->length, &l->self, &l->cross);
    return whisper_logits(c, w, c->trace ? h : op_rows_get(c, h, (const int[]){n - 1}, 1));
}

static size_t measure(listener *l) {
    arena count = {0};
    cx c = {.mode = CX_MEASURE, .mem = &count, .k = l->cx.k, .pool = l->cx.pool};
    int n = l->model->net->whisper.config.context, *ids = mem_new((size_t)n, sizeof *ids);
    cx_mark mark = cx_here(&c);
    hear(&c, l, NULL);
    cx_release(&c, mark);
    whisper_logits(&c, &l->model->net->whisper, whisper_decode(&c, &l->model->net->whisper, ids, n, 0, &l->self, &l->cross));
    free(ids);
    cx_free(&c);
    return count.peak;
}

lmm_status listener_open(listener *l, const lmm_model *m) {
    if (!m->net->has_whisper)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) does not write down speech; Whisper does", m->path, m->net->arch->name);
    const whisper_config *c = &m->net->whisper.config;
    void *logits = NULL;
    *l = (listener){.model = m};
    l->cx = (cx){.mem = &l->mem, .k = m->runtime->k, .pool = m->runtime->pool};
    lmm_status st = whisper_cache_open(&l->self, c, c->context);
    if (!st) st = whisper_cache_open(&l->cross, c, c->positions);
    if (!st) st = arena_open(&l->mem, measure(l), "activations");
    if (!st) st = mem_try(&logits, (size_t)c->vocab * sizeof(float), "logits");
    l->logits = logits;
    if (st) listener_close(l);
    return st;
}

void listener_close(listener *l) {
    kv_cache_close(&l->self);
    kv_cache_close(&l->cross);
    cx_free(&l->cx);
    arena_close(&l->mem);
    free(l->logits);
    *l = (listener){0};
}

lmm_status listener_hear(listener *l, float *mel) {
    cx_mark mark = cx_here(&l->cx);
    hear(&l->cx, l, mel);
    cx_release(&l->cx, mark);
    l->length = 0;
    return l->cx.status;
}

lmm_status listener_say(listener *l, const int *ids, int n) {
    cx_mark mark = cx_here(&l->cx);
    tensor *logits = say(&l->cx, l, ids, n);
    int64_t V = tensor_cols(logits);
    cx_trace(&l->cx, logits, "logits");
    memcpy(l->logits, tensor_f32(logits) + (tensor_rows(logits) - 1) * V, (size_t)V * sizeof(float));
    l->length += n;
    cx_release(&l->cx, mark);
    return l->cx.status;
}
