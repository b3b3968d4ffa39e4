/* session.c - one timeline: its KV cache, the prefix it shares with the next prompt, and the passes that make it grow. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* ---- memory, by MEASURE ---- */

static cx measure_cx(const lmm_model *m, arena *count) {
    return (cx){.mode = CX_MEASURE, .mem = count, .k = m->runtime->k, .pool = m->runtime->pool, .digits = model_digits(m)};
}

size_t measure_decoder(const lmm_model *m, int sequences, int rows, int context) {
    const decoder *d = &m->net->dec;
    int n = sequences * rows;
    arena count = {0};
    cx c = measure_cx(m, &count);
    kv_cache cache = {.layer_count = d->config.layer_count, .capacity = context};
    int64_t ne[2] = {context, (int64_t)d->config.kv_head_count * d->config.head_dim};
    cache.k = cache.v = slab_alloc(&c.meta, (size_t)d->config.layer_count * sizeof(tensor));
    for (int i = 0; i < d->config.layer_count; i++) cache.k[i] = tensor_make(DT_F32, 2, ne, NULL);
    int *position = slab_alloc(&c.meta, (size_t)n * (size_t)net_axes(m->net) * sizeof *position);
    attn_seg *segs = slab_alloc(&c.meta, (size_t)sequences * sizeof *segs);
    kv_cache **caches = slab_alloc(&c.meta, (size_t)sequences * sizeof *caches);
    for (int i = 0; i < sequences; i++) {
        segs[i] = (attn_seg){.q_first = i * rows, .q_count = rows, .key_count = context};
        caches[i] = &cache;
    }
    decoder_rows r = {.n = n, .position = position, .segs = segs, .seg_count = sequences, .caches = caches};
    tensor *x = net_embed(&c, m->net, position, n, NULL);
    if (m->net->arch->media_embed) cx_new(&c, 2, x->ne); /* the joined rows of pictures */
    x = decoder_forward(&c, d, x, &r);
    decoder_logits(&c, d, cx_new2(&c, sequences, d->config.hidden));
    cx_free(&c);
    return count.peak;
}

size_t measure_picture(const lmm_model *m, const media_plan *plan) {
    const net *n = m->net;
    arena count = {0};
    cx c = measure_cx(m, &count);
    tensor *pixels = slab_alloc(&c.meta, sizeof *pixels);
    *pixels = net_media(n, plan->sound, plan->tile_count, NULL);
    n->arch->media_embed(&c, n, pixels, plan, 1);
    cx_free(&c);
    return count.peak;
}

static size_t measure_largest_picture(const lmm_model *m) {
    media_plan plan;
    return m->net->arch->media_embed && !m->net->arch->media_largest(m->net, &plan) ? measure_picture(m, &plan) : 0;
}

size_t lmm_model_memory(const lmm_model *m, int context, int batch) {
    if (!m->net->has_decoder) return measure_largest_picture(m);
    lmm_model_info info;
    lmm_model_describe(m, &info);
    size_t pass = measure_decoder(m, 1, min_int(batch, context), context), picture = measure_largest_picture(m);
    return (pass > picture ? pass : picture) + (size_t)context * info.kv_bytes_per_token;
}

/* ---- opening ---- */

lmm_status lmm_session_open(lmm_session **out, const lmm_model *m, const lmm_session_opts *opts) {
    lmm_session_opts o = opts ? *opts : (lmm_session_opts){0};
    if (!m->net->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) generates no text", m->path, m->net->arch->name);
    const decoder_config *d = &m->net->dec.config;
    if (o.context < 0 || o.context > 1 << 24 || o.batch < 0)
        return LMM_FAIL(LMM_E_ARG, "a context of %d rows in pieces of %d is out of range", o.context, o.batch);
    if (!o.context) o.context = min_int(d->context, 4096);
    if (!o.batch) o.batch = 512;
    o.batch = min_int(o.batch, o.context);
    lmm_session *s = mem_new(1, sizeof *s);
    *s = (lmm_session){.model = m, .context = o.context, .batch = o.batch, .version = m->version};
    s->cx = (cx){.mem = &s->mem, .k = m->runtime->k, .pool = m->runtime->pool, .digits = model_digits(m)};
    lmm_status st = kv_cache_open(&s->cache, d, o.context);
    if (!st) st = arena_open(&s->mem, measure_decoder(m, 1, o.batch, o.context), "activations");
    void *logits = NULL;
    if (!st) st = mem_try(&logits, (size_t)d->vocab * sizeof(float), "logits");
    s->logits = logits;
    if (st) return lmm_session_close(s), st;
    return *out = s, LMM_OK;
}

static void shared_release(kv_shared *b) {
    if (!b || atomic_fetch_sub(&b->holders, 1) > 1) return;
    kv_cache_close(&b->cache);
    free(b);
}

void lmm_session_close(lmm_session *s) {
    if (!s) return;
    shared_release(s->shared);
    kv_cache_close(&s->cache);
    cx_free(&s->cx);
    arena_close(&s->mem);
    free(s->keys.at);
    free(s->ids.at);
    free(s->logits);
    free(s);
}

/* ---- where rows lie ---- */

/* How many rows stay; shared ones only ever become fewer. */
static void truncate_to(lmm_session *s, int rows) {
    s->keys.count = s->ids.count = rows;
    s->logits_valid = false;
    s->shared_rows = min_int(s->shared_rows, rows);
    if (!s->shared_rows) shared_release(s->shared), s->shared = NULL;
}

/* The segment of the last q_count rows of a timeline that has `rows` with them. */
static attn_seg segment_of(const lmm_session *s, int q_first, int q_count, int rows) {
    return (attn_seg){.q_first = q_first, .q_count = q_count, .prefix_count = s->shared_rows, .key_count = rows - s->shared_rows};
}

static void copy_piece(kv_cache *to, int at, const kv_cache *from, int first, int count) {
    if (count <= 0) return;
    const size_t row = (size_t)tensor_cols(&to->k[0]) * sizeof(float), size = (size_t)count * row;
    for (int i = 0; i < to->layer_count; i++) {
        memcpy((char *)to->k[i].data + (size_t)at * row, (const char *)from->k[i].data + (size_t)first * row, size);
        memcpy((char *)to->v[i].data + (size_t)at * row, (const char *)from->v[i].data + (size_t)first * row, size);
    }
}

/* Rows [first, last) of a timeline to row `at` of a cache. */
static void copy_rows(kv_cache *to, int at, const lmm_session *from, int first, int last) {
    const int cut = min_int(max_int(from->shared_rows, first), last);
    if (cut > first) copy_piece(to, at, &from->shared->cache, first, cut - first);
    copy_piece(to, at + cut - first, &from->cache, cut - from->shared_rows, last - cut);
}

/* All rows of the timeline become shared ones. */
static lmm_status share_rows(lmm_session *s) {
    if (s->keys.count == s->shared_rows) return LMM_OK;
    kv_cache cache;
    lmm_status st = kv_cache_open(&cache, &s->model->net->dec.config, s->context);
    if (st) return st;
    kv_shared *b = mem_new(1, sizeof *b);
    if (s->shared) {
        copy_rows(&cache, 0, s, 0, s->keys.count);
        b->cache = cache;
    } else b->cache = s->cache, s->cache = cache;
    shared_release(s->shared);
    atomic_init(&b->holders, 1);
    s->shared = b;
    s->shared_rows = s->keys.count;
    return LMM_OK;
}

lmm_status lmm_session_fork(lmm_session **out, lmm_session *s) {
    lmm_session *f;
    lmm_status st = share_rows(s);
    if (!st) st = lmm_session_open(&f, s->model, &(lmm_session_opts){s->context, s->batch});
    if (st) return st;
    if (s->shared) {
        atomic_fetch_add(&s->shared->holders, 1);
        f->shared = s->shared;
        f->shared_rows = s->shared_rows;
    }
    for (int i = 0; i < s->keys.count; i++) {
        VEC_PUSH(&f->keys, s->keys.at[i]);
        VEC_PUSH(&f->ids, s->ids.at[i]);
    }
    memcpy(f->logits, s->logits, (size_t)s->model->net->dec.config.vocab * sizeof(float));
    f->logits_valid = s->logits_valid;
    f->position_ahead = s->position_ahead;
    f->version = s->version;
    return *out = f, LMM_OK;
}

int lmm_session_length(const lmm_session *s) { return s->keys.count; }
const float *lmm_session_logits(lmm_session *s) { return s->logits_valid ? s->logits : NULL; }

/* ---- sync ---- */

static int common_prefix(const lmm_session *s, const uint64_t *keys, int n) {
    int i = 0;
    while (i < n && i < s->keys.count && s->keys.at[i] == keys[i]) i++;
    return i;
}

static uint64_t *prompt_keys(const lmm_prompt *p) {
    uint64_t *keys = mem_new((size_t)p->ids.count, sizeof *keys);
    int axes = net_axes(p->model->net), media = 0, offset = 0;
    for (int i = 0; i < p->ids.count; i++) {
        if (!net_is_slot(p->model->net, p->ids.at[i])) {
            keys[i] = row_key_text(p->ids.at[i], p->position[axes * i] - i);
            continue;
        }
        const prompt_media *pm = &p->media.at[media];
        keys[i] = row_key_media(pm->hash, offset);
        if (++offset == pm->plan.row_count) media++, offset = 0;
    }
    return keys;
}

/* Pictures and batches differ in size; the arena grows when a larger one than any before comes. It is empty between passes. */
static lmm_status arena_fit(lmm_session *s, size_t need) {
    arena larger;
    if (need <= s->mem.capacity) return LMM_OK;
    LMM_ASSERT(s->mem.used == 0, "%zu bytes in use", s->mem.used);
    lmm_status st = arena_open(&larger, need, "activations");
    if (st) return st;
    arena_close(&s->mem);
    s->mem = larger;
    return LMM_OK;
}

/* Rows of the pictures from the `first` one on, (rows, D), computed one picture at a time. free(). */
static lmm_status embed_pictures(lmm_session *s, const lmm_prompt *p, int first, float **out) {
    const net *n = p->model->net;
    size_t rows = 0, at = 0, D = (size_t)n->dec.config.hidden;
    for (int i = first; i < p->media.count; i++) rows += (size_t)p->media.at[i].plan.row_count;
    void *data;
    lmm_status st = mem_try(&data, rows * D * sizeof(float), "picture rows");
    if (st) return st;
    for (int i = first; i < p->media.count && !st; i++) {
        const prompt_media *m = &p->media.at[i];
        size_t count = (size_t)m->plan.row_count * D;
        if (m->entry && m->entry->rows && m->entry->version == s->model->version) {
            memcpy((float *)data + at, m->entry->rows, count * sizeof(float));
            at += count;
            continue;
        }
        if ((st = arena_fit(s, measure_picture(s->model, &m->plan)))) break;
        cx_mark mark = cx_here(&s->cx);
        tensor *pixels = slab_alloc(&s->cx.meta, sizeof *pixels);
        *pixels = net_media(n, m->sound, m->plan.tile_count, m->pixels);
        tensor *y = n->arch->media_embed(&s->cx, n, pixels, &m->plan, 1);
        memcpy((float *)data + at, y->data, tensor_size(y));
        if (m->entry && !s->cx.status) media_cache_rows(m->entry, y->data, tensor_size(y), s->model->version);
        at += (size_t)tensor_count(y);
        cx_release(&s->cx, mark);
        st = s->cx.status;
    }
    if (st) return free(data), st;
    return *out = data, LMM_OK;
}

/* One prefill piece: rows [first, first + n) of the prompt; media holds the rows of their slots. */
static lmm_status prefill_piece(lmm_session *s, const lmm_prompt *p, int first, int n, float *media, bool last) {
    const net *net_ = p->model->net;
    cx *c = &s->cx;
    cx_mark mark = cx_here(c);
    const int *ids = p->ids.at + first;
    int slots = 0;
    for (int i = 0; i < n; i++) slots += net_is_slot(net_, ids[i]);
    tensor *rows = slots ? cx_wrap(c, media, slots, net_->dec.config.hidden) : NULL;
    attn_seg seg = segment_of(s, 0, n, first + n);
    kv_cache *caches[1] = {&s->cache};
    const kv_cache *prefixes[1] = {s->shared ? &s->shared->cache : NULL};
    decoder_rows r = {.n = n,
                      .position = p->position + first * net_axes(net_),
                      .segs = &seg,
                      .seg_count = 1,
                      .caches = caches,
                      .prefixes = prefixes,
                      .length = p->ids.count};
    tensor *h = decoder_forward(c, &net_->dec, net_embed(c, net_, ids, n, rows), &r);
    s->prefill_rows += n;
    if (last) {
        tensor *logits = decoder_logits(c, &net_->dec, cx_wrap(c, tensor_f32(h) + (int64_t)(n - 1) * tensor_cols(h), 1, tensor_cols(h)));
        memcpy(s->logits, logits->data, tensor_size(logits));
        s->logits_valid = true;
    }
    cx_release(c, mark);
    return c->status;
}

static lmm_status prefill(lmm_session *s, const lmm_prompt *p, const uint64_t *keys, int from) {
    const net *net_ = p->model->net;
    int D = net_->dec.config.hidden, media_first = 0, offset = 0;
    float *media = NULL;
    for (int i = 0; i < from; i++) /* pictures wholly in the prefix are not computed again */
        if (net_is_slot(net_, p->ids.at[i]) && ++offset == p->media.at[media_first].plan.row_count) media_first++, offset = 0;
    lmm_status st = media_first < p->media.count ? embed_pictures(s, p, media_first, &media) : LMM_OK;
    int64_t next = (int64_t)offset * D;
    for (int at = from, n; at < p->ids.count && !st; at += n) {
        n = min_int(s->batch, p->ids.count - at);
        st = prefill_piece(s, p, at, n, media ? media + next : NULL, at + n == p->ids.count);
        for (int i = at; i < at + n && !st; i++) {
            if (net_is_slot(net_, p->ids.at[i])) next += D;
            VEC_PUSH(&s->keys, keys[i]);
            VEC_PUSH(&s->ids, p->ids.at[i]);
        }
    }
    free(media);
    return st;
}

lmm_status lmm_session_sync(lmm_session *s, const lmm_prompt *p, int *reused) {
    LMM_ASSERT(p->model == s->model, "%s", "prompt and session belong to different models");
    if (p->ids.count >= s->context)
        return LMM_FAIL(LMM_E_LIMIT,
                        "the prompt has %d tokens, the context holds %d and needs room for an answer: shorten it or open a larger context",
                        p->ids.count, s->context);
    int trained = s->model->net->dec.config.context;
    if (p->ids.count + p->position_ahead >= trained)
        return LMM_FAIL(LMM_E_LIMIT,
                        "the prompt has %d positions, the model was trained for %d and needs room for an answer: shorten it, take fewer "
                        "frames, or stretch the model "
                        "(--rope-scaling linear:2)",
                        p->ids.count + p->position_ahead, trained);
    if (s->version != s->model->version) {
        truncate_to(s, 0);
        s->version = s->model->version;
    }
    uint64_t *keys = prompt_keys(p);
    int from = common_prefix(s, keys, p->ids.count);
    if (s->model->net->dec.config.rope.type == ROPE_DYNAMIC) from = 0; /* its angles depend on the whole length */
    bool ready = from == p->ids.count && from == s->keys.count && s->logits_valid;
    if (!ready && from == p->ids.count) from--; /* the last row must run to give logits */
    lmm_status st = LMM_OK;
    if (!ready) {
        truncate_to(s, from);
        st = prefill(s, p, keys, from);
    }
    s->position_ahead = p->position_ahead;
    free(keys);
    if (reused) *reused = from;
    return st;
}

/* How much of the prompt's beginning a session has, as far as it may be used. */
static int known_prefix(const lmm_session *s, const uint64_t *keys, int n) {
    return s->version == s->model->version ? common_prefix(s, keys, n) : 0;
}

/* Rows [first, last) of another timeline, which begins as this one shall. */
static void take_rows(lmm_session *s, const lmm_session *from, int first, int last) {
    truncate_to(s, first);
    copy_rows(&s->cache, first - s->shared_rows, from, first, last);
    for (int i = first; i < last; i++) {
        VEC_PUSH(&s->keys, from->keys.at[i]);
        VEC_PUSH(&s->ids, from->ids.at[i]);
    }
}

lmm_status lmm_session_sync_among(lmm_session *s, lmm_session *const *others, int n, const lmm_prompt *p, int *reused) {
    uint64_t *keys = prompt_keys(p);
    int own = known_prefix(s, keys, p->ids.count), best = own;
    const lmm_session *from = NULL;
    for (int i = 0; i < n; i++) {
        LMM_ASSERT(others[i]->model == s->model, "%s", "sessions of different models");
        int count = others[i] == s ? 0 : known_prefix(others[i], keys, p->ids.count);
        if (count > best) best = count, from = others[i];
    }
    if (best >= s->context) from = NULL; /* the prompt is refused in a moment */
    if (from && s->version != s->model->version) own = 0, s->version = s->model->version;
    if (from) take_rows(s, from, own, best);
    free(keys);
    return lmm_session_sync(s, p, reused);
}

/* ---- decoding ---- */

/* The first session lends its arena to the batch; it is measured once for every larger batch. */
static lmm_status fit_step(lmm_session *s0, lmm_session *const *sessions, int n) {
    int context = 0;
    for (int i = 0; i < n; i++) context = max_int(context, sessions[i]->context);
    if (n <= s0->step_count && context <= s0->step_context) return LMM_OK;
    lmm_status st = arena_fit(s0, measure_decoder(s0->model, n, 1, context));
    if (!st) s0->step_count = n, s0->step_context = context;
    return st;
}

lmm_status sessions_step(lmm_session *const *sessions, const int *ids, int n) {
    lmm_session *s0 = sessions[0];
    lmm_status st = fit_step(s0, sessions, n);
    if (st) return st;
    const net *net_ = s0->model->net;
    cx *c = &s0->cx;
    cx_mark mark = cx_here(c);
    int axes = net_axes(net_), *position = slab_alloc(&c->meta, (size_t)(n * axes) * sizeof *position);
    attn_seg *segs = slab_alloc(&c->meta, (size_t)n * sizeof *segs);
    kv_cache **caches = slab_alloc(&c->meta, (size_t)n * sizeof *caches);
    const kv_cache **prefixes = slab_alloc(&c->meta, (size_t)n * sizeof *prefixes);
    for (int i = 0; i < n; i++) {
        for (int a = 0; a < axes; a++) position[axes * i + a] = sessions[i]->keys.count + sessions[i]->position_ahead;
        segs[i] = segment_of(sessions[i], i, 1, sessions[i]->keys.count + 1);
        caches[i] = &sessions[i]->cache;
        prefixes[i] = sessions[i]->shared ? &sessions[i]->shared->cache : NULL;
    }
    decoder_rows r = {.n = n, .position = position, .segs = segs, .seg_count = n, .caches = caches, .prefixes = prefixes};
    tensor *h = decoder_forward(c, &net_->dec, net_embed(c, net_, ids, n, NULL), &r);
    tensor *logits = decoder_logits(c, &net_->dec, h);
    for (int i = 0; i < n; i++) {
        memcpy(sessions[i]->logits, tensor_f32(logits) + (int64_t)i * tensor_cols(logits), (size_t)tensor_cols(logits) * sizeof(float));
        sessions[i]->logits_valid = true;
        sessions[i]->step_rows++;
        VEC_PUSH(&sessions[i]->keys, row_key_text(ids[i], sessions[i]->position_ahead));
        VEC_PUSH(&sessions[i]->ids, ids[i]);
    }
    cx_release(c, mark);
    return c->status;
}
