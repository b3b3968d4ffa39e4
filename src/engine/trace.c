/* trace.c - one forward pass with every named intermediate kept: the tool ports are compared with. Names: docs/trace.md. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

typedef struct {
    VEC(named_tensor) list;
} collection;

static void keep(collection *t, const char *name, const tensor *from) {
    tensor copy = *from;
    copy.grad = NULL;
    copy.data = mem_new(1, tensor_size(from) + 1);
    memcpy(copy.data, from->data, tensor_size(from));
    VEC_PUSH(&t->list, ((named_tensor){mem_strdup(name), copy}));
}

static void on_tensor(void *arg, const char *name, const tensor *t) { keep(arg, name, t); }

static void collection_free(collection *t) {
    for (int i = 0; i < t->list.count; i++) {
        free((char *)t->list.at[i].name);
        free(t->list.at[i].t.data);
    }
    free(t->list.at);
}

static void keep_ids(collection *t, const char *name, const int *ids, int n) {
    int64_t *wide = mem_new((size_t)n + 1, sizeof *wide);
    for (int i = 0; i < n; i++) wide[i] = ids[i];
    tensor x = tensor_make(DT_I64, 1, (int64_t[]){n}, wide);
    keep(t, name, &x);
    free(wide);
}

/* All pixels of the prompt as one (tiles,3,S,S), or NULL. */
static float *all_pixels(const lmm_prompt *p, int *tiles, media_plan *plans) {
    *tiles = 0;
    for (int i = 0; i < p->media.count; i++) plans[i] = p->media.at[i].plan, *tiles += plans[i].tile_count;
    if (!*tiles) return NULL;
    size_t S = (size_t)p->model->net->tower.config.image_size, one = 3 * S * S, at = 0;
    float *pixels = mem_new((size_t)*tiles * one, sizeof *pixels);
    for (int i = 0; i < p->media.count; i++) {
        memcpy(pixels + at, p->media.at[i].pixels, (size_t)plans[i].tile_count * one * sizeof *pixels);
        at += (size_t)plans[i].tile_count * one;
    }
    return pixels;
}

/* The whole road in one pass without a cache; MEASURE and RUN call it alike. */
static void forward(cx *c, const lmm_prompt *p, float *pixels, int tiles, const media_plan *plans) {
    const net *n = p->model->net;
    int T = p->ids.count, S = n->tower.config.image_size;
    tensor *media = NULL;
    if (tiles) {
        tensor *x = slab_alloc(&c->meta, sizeof *x);
        *x = tensor_make(DT_F32, 4, (int64_t[]){tiles, 3, S, S}, pixels);
        cx_trace(c, x, "pixel_values");
        media = n->arch->media_embed(c, n, x, plans, p->media.count);
    }
    tensor *x = net_embed(c, n, p->ids.at, T, media);
    cx_trace(c, x, n->arch->media_embed ? "inputs_embeds" : "hs.embed");
    int *position = slab_alloc(&c->meta, (size_t)T * sizeof *position);
    for (int i = 0; i < T; i++) position[i] = i;
    attn_seg seg = {.q_count = T, .key_count = T};
    decoder_rows r = {.n = T, .position = position, .segs = &seg, .seg_count = 1};
    cx_trace(c, decoder_logits(c, &n->dec, decoder_forward(c, &n->dec, x, &r)), "logits");
}

static void ignore(void *arg, const char *name, const tensor *t) { (void)arg, (void)name, (void)t; }

static lmm_status trace_forward(collection *t, const lmm_prompt *p) {
    media_plan *plans = mem_new((size_t)p->media.count + 1, sizeof *plans);
    int tiles;
    float *pixels = all_pixels(p, &tiles, plans);
    arena mem = {0};
    const lmm_model *m = p->model;
    cx c = {.mode = CX_MEASURE, .mem = &mem, .k = m->runtime->k, .pool = m->runtime->pool, .digits = model_digits(m), .trace = ignore};
    forward(&c, p, pixels, tiles, plans);
    size_t need = mem.peak;
    cx_free(&c);
    lmm_status st = arena_open(&mem, need, "the traced pass");
    if (!st) {
        c = (cx){.mem = &mem, .k = c.k, .pool = c.pool, .digits = c.digits, .trace = on_tensor, .trace_arg = t};
        forward(&c, p, pixels, tiles, plans);
        st = c.status;
        cx_free(&c);
        arena_close(&mem);
    }
    free(pixels);
    free(plans);
    return st;
}

static lmm_status trace_answer(collection *t, const lmm_model *m, const lmm_prompt *p, int generate) {
    lmm_session *s;
    lmm_status st = lmm_session_open(&s, m, &(lmm_session_opts){.context = p->ids.count + generate + 1});
    if (st) return st;
    lmm_answer a = {0};
    st = lmm_session_sync(s, p, NULL);
    if (!st) st = lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = generate}, NULL, NULL, &a);
    if (!st) {
        tensor last = tensor_make(DT_F32, 1, (int64_t[]){m->net->dec.config.vocab}, s->logits);
        keep_ids(t, "generated_ids", a.ids, a.id_count);
        keep(t, "gen_last_logits", &last);
    }
    lmm_answers_free(&a, 1);
    lmm_session_close(s);
    return st;
}

lmm_status lmm_trace(const lmm_model *m, const lmm_prompt *p, int generate, const char *path) {
    collection t = {0};
    keep_ids(&t, "input_ids", p->ids.at, p->ids.count);
    lmm_status st = trace_forward(&t, p);
    if (!st && generate > 0) st = trace_answer(&t, m, p, generate);
    if (!st) st = safetensors_save(path, t.list.at, t.list.count, NULL);
    collection_free(&t);
    return st;
}
