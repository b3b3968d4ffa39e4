/* trace.c - one forward pass with every named intermediate kept: the tool ports are compared with. Names: docs/trace.md. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

typedef struct {
    VEC(named_tensor) list;
} collection;

/* Of a name that pictures and videos share, the pictures' tensor is kept. */
static void keep(collection *t, const char *name, const tensor *from) {
    for (int i = 0; i < t->list.count; i++)
        if (!strcmp(t->list.at[i].name, name)) return;
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

static void keep_positions(collection *t, const lmm_prompt *p) {
    int T = p->ids.count, *turned = mem_new(3 * (size_t)T, sizeof *turned);
    for (int i = 0; i < 3 * T; i++) turned[i] = p->position[i % T * 3 + i / T];
    keep_ids(t, "position_ids", turned, 3 * T);
    free(turned);
}

/* The pictures of the prompt as one batch; so are its videos, and its sounds. */
typedef struct {
    media_plan *plans;
    bool sound;
    int count, tiles;
    float *pixels;
} media_batch;

static media_batch batch_of(const lmm_prompt *p, bool video, bool heard) {
    media_batch b = {.sound = heard, .plans = mem_new((size_t)p->media.count + 1, sizeof *b.plans)};
    tensor tile = net_media(p->model->net, heard, 1, NULL);
    size_t one = (size_t)tensor_count(&tile), at = 0;
    for (int i = 0; i < p->media.count; i++)
        if (p->media.at[i].video == video && p->media.at[i].sound == heard)
            b.plans[b.count++] = p->media.at[i].plan, b.tiles += p->media.at[i].plan.tile_count;
    b.pixels = mem_new((size_t)b.tiles * one + 1, sizeof *b.pixels);
    for (int i = 0; i < p->media.count; i++) {
        const prompt_media *m = &p->media.at[i];
        if (m->video != video || m->sound != heard) continue;
        memcpy(b.pixels + at, m->pixels, (size_t)m->plan.tile_count * one * sizeof *b.pixels);
        at += (size_t)m->plan.tile_count * one;
    }
    return b;
}

static void batch_done(media_batch *b) {
    free(b->plans);
    free(b->pixels);
}

static tensor *embed_batch(cx *c, const net *n, const media_batch *b, const char *name) {
    if (!b->tiles) return NULL;
    tensor *x = slab_alloc(&c->meta, sizeof *x);
    *x = net_media(n, b->sound, b->tiles, b->pixels);
    cx_trace(c, x, "%s", name);
    return n->arch->media_embed(c, n, x, b->plans, b->count);
}

/* Two tables of rows as one: of pictures and videos, or of what is seen and what is heard (`sounds`). */
static tensor *in_order(cx *c, const lmm_prompt *p, tensor *first, tensor *second, bool sounds) {
    if (!first || !second) return first ? first : second;
    int rows = (int)(tensor_rows(first) + tensor_rows(second)), at = 0, a = 0, b = 0;
    int *index = mem_new((size_t)rows, sizeof *index);
    for (int i = 0; i < p->media.count; i++) {
        const prompt_media *m = &p->media.at[i];
        if (m->sound && !sounds) continue;
        for (int k = 0; k < m->plan.row_count; k++) index[at++] = (sounds ? m->sound : m->video) ? -1 - b++ : a++;
    }
    tensor *x = op_rows_join(c, first, second, index, rows);
    free(index);
    return x;
}

/* The whole road in one pass without a cache; MEASURE and RUN call it alike. */
static void forward(cx *c, const lmm_prompt *p, const media_batch batch[3]) {
    const net *n = p->model->net;
    int T = p->ids.count;
    tensor *shown = embed_batch(c, n, &batch[0], "pixel_values"), *played = embed_batch(c, n, &batch[1], "pixel_values_videos"),
           *heard = embed_batch(c, n, &batch[2], "input_features");
    tensor *rows = in_order(c, p, in_order(c, p, shown, played, false), heard, true);
    tensor *x = net_embed(c, n, p->ids.at, T, rows);
    cx_trace(c, x, n->arch->media_embed ? "inputs_embeds" : "hs.embed");
    attn_seg seg = {.q_count = T, .key_count = T};
    decoder_rows r = {.n = T, .position = p->position, .segs = &seg, .seg_count = 1};
    cx_trace(c, decoder_logits(c, &n->dec, decoder_forward(c, &n->dec, x, &r)), "logits");
}

static void ignore(void *arg, const char *name, const tensor *t) { (void)arg, (void)name, (void)t; }

static lmm_status trace_forward(collection *t, const lmm_prompt *p) {
    media_batch batch[] = {batch_of(p, false, false), batch_of(p, true, false), batch_of(p, false, true)};
    arena mem = {0};
    const lmm_model *m = p->model;
    cx c = {.mode = CX_MEASURE, .mem = &mem, .k = m->runtime->k, .pool = m->runtime->pool, .digits = model_digits(m), .trace = ignore};
    forward(&c, p, batch);
    size_t need = mem.peak;
    cx_free(&c);
    lmm_status st = arena_open(&mem, need, "the traced pass");
    if (!st) {
        c = (cx){.mem = &mem, .k = c.k, .pool = c.pool, .digits = c.digits, .trace = on_tensor, .trace_arg = t};
        forward(&c, p, batch);
        st = c.status;
        cx_free(&c);
        arena_close(&mem);
    }
    for (size_t i = 0; i < COUNT_OF(batch); i++) batch_done(&batch[i]);
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
    if (net_axes(m->net) == 3) keep_positions(&t, p);
    lmm_status st = trace_forward(&t, p);
    if (!st && generate > 0) st = trace_answer(&t, m, p, generate);
    if (!st) st = safetensors_save(path, t.list.at, t.list.count, NULL);
    collection_free(&t);
    return st;
}
