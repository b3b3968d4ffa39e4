/* decoder.c - the one decoder: Llama, Mistral, Qwen2 and Qwen3 are fields of its config.
 *
 * Block: x += o(attn(rope(q), rope(k), v)) of norm(x); x += down(silu(gate) * up) of norm(x). Source: llava.md 4.1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

/* ---- config ---- */

/* What a model type implies when its config does not say: class defaults of transformers. Text configs inside released LLaVA checkpoints leave out
 * what equals them. kv_head_count 0: as many as heads; head_dim 0: hidden / heads. */
typedef struct {
    const char *type;
    bool qkv_bias, qk_norm;
    int mlp, vocab, context, kv_head_count, head_dim, window;
    double eps; /* 0: 1e-6 */
} family;
static const family families[] = {
    {"llama", false, false, 11008, 32000, 2048, 0, 0, 0, 0},          {"mistral", false, false, 14336, 32000, 131072, 8, 0, 4096, 0},
    {"qwen2", true, false, 22016, 151936, 32768, 32, 0, 0, 0},        {"qwen3", false, true, 22016, 151936, 32768, 32, 128, 0, 0},
    {"qwen2_vl", true, false, 29568, 152064, 32768, 8, 0, 0, 1e-5},   {"qwen2_vl_text", true, false, 29568, 152064, 32768, 8, 0, 0, 1e-5},
    {"qwen2_5_vl", true, false, 29568, 152064, 32768, 8, 0, 0, 1e-5}, {"qwen2_5_vl_text", true, false, 29568, 152064, 32768, 8, 0, 0, 1e-5},
};

static lmm_status family_find(const family **out, const char *type, const char *name) {
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (!strcmp(type, families[i].type)) return *out = &families[i], LMM_OK;
    return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: language model '%s' is not known (llama, mistral, qwen2, qwen3 are)", name, type);
}

static bool is_set(const tree *t, const char *key) {
    const tree *v = tree_get(t, key);
    return v && v->type != TREE_NULL;
}

/* Qwen2 ignores its number unless use_sliding_window; Mistral honours an explicit null (llava.md 4.3). */
static void window_read(decoder_config *c, const tree *t, const family *f) {
    const tree *window = tree_get(t, "sliding_window");
    c->window = window ? (window->type == TREE_NULL ? 0 : (int)window->i) : f->window;
    if (!strncmp(f->type, "qwen", 4)) {
        if (!tree_bool(t, "use_sliding_window", false)) c->window = 0;
        c->window_first_layer = (int)tree_int(t, "max_window_layers", 28);
    }
    if (!strcmp(f->type, "llama")) c->window = 0;
}

/* An explicit null means one key head a head, in every class. */
static int heads_shared(const tree *t, const family *f, int heads) {
    if (is_set(t, "num_key_value_heads")) return (int)tree_int(t, "num_key_value_heads", 0);
    return tree_get(t, "num_key_value_heads") || !f->kv_head_count ? heads : f->kv_head_count;
}

static lmm_status head_dim_read(decoder_config *c, const tree *t, const family *f, const char *name) {
    bool divides = c->hidden % c->head_count == 0, implied = !tree_get(t, "head_dim") && f->head_dim;
    if (!is_set(t, "head_dim") && !implied && !divides)
        return LMM_FAIL(LMM_E_FORMAT, "%s: hidden_size %d does not divide into %d heads", name, c->hidden, c->head_count);
    c->head_dim = is_set(t, "head_dim") ? (int)tree_int(t, "head_dim", 0) : implied ? f->head_dim : c->hidden / c->head_count;
    if (c->head_dim < 2 || c->head_dim % 2 || c->head_dim > 1024)
        return LMM_FAIL(LMM_E_FORMAT, "%s: head_dim %d must be even, 2 to 1024", name, c->head_dim);
    return LMM_OK;
}

lmm_status decoder_config_read(decoder_config *out, const tree *t, const char *name) {
    const family *f = NULL;
    lmm_status st = family_find(&f, tree_str(t, "model_type", "llama"), name);
    if (st) return st;
    struct {
        const char *key;
        int64_t high, value;
    } need[] = {
        {"hidden_size", 65536, 4096},           {"num_hidden_layers", 1024, 32},   {"num_attention_heads", 1024, 32},
        {"intermediate_size", 1 << 20, f->mlp}, {"vocab_size", 1 << 22, f->vocab},
    };
    for (size_t i = 0; i < COUNT_OF(need); i++)
        if (is_set(t, need[i].key) && (st = tree_need_int(t, need[i].key, 1, need[i].high, &need[i].value, name))) return st;
    decoder_config c = {.hidden = (int)need[0].value,
                        .layer_count = (int)need[1].value,
                        .head_count = (int)need[2].value,
                        .mlp = (int)need[3].value,
                        .vocab = (int)need[4].value};
    c.kv_head_count = heads_shared(t, f, c.head_count);
    if (c.kv_head_count < 1 || c.head_count % c.kv_head_count)
        return LMM_FAIL(LMM_E_FORMAT, "%s: %d attention heads cannot share %d key heads", name, c.head_count, c.kv_head_count);
    if ((st = head_dim_read(&c, t, f, name))) return st;
    c.context = (int)tree_int(t, "max_position_embeddings", f->context);
    if (c.context < 1 || c.context > 1 << 24) return LMM_FAIL(LMM_E_FORMAT, "%s: max_position_embeddings is %d", name, c.context);
    c.eps = (float)tree_real(t, "rms_norm_eps", f->eps > 0 ? f->eps : 1e-6);
    c.init_std = (float)tree_real(t, "initializer_range", 0.02);
    bool attention_bias = tree_bool(t, "attention_bias", false);
    c.qkv_bias = f->qkv_bias || attention_bias;
    c.o_bias = attention_bias;
    c.mlp_bias = tree_bool(t, "mlp_bias", false);
    c.qk_norm = f->qk_norm;
    c.tied = tree_bool(t, "tie_word_embeddings", false);
    const char *act = tree_str(t, "hidden_act", "silu");
    if (strcmp(act, "silu")) return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: decoder activation '%s' is not known (silu is)", name, act);
    window_read(&c, t, f);
    if ((st = rope_read(&c.rope, t, name))) return st;
    if (!is_set(t, "max_position_embeddings")) c.rope.context = c.context;
    const int *s = c.rope.section;
    if (s[0] && s[0] + s[1] + s[2] != c.head_dim / 2)
        return LMM_FAIL(LMM_E_FORMAT, "%s: mrope_section [%d, %d, %d] does not add up to the %d frequencies of a head", name, s[0], s[1],
                        s[2], c.head_dim / 2);
    *out = c;
    return LMM_OK;
}

/* ---- binding ---- */

static void layer_bind(decoder_layer *l, const decoder_config *c, int i, binder *b) {
    int q = c->head_count * c->head_dim, kv = c->kv_head_count * c->head_dim;
    const char *at = "llm.layers";
    l->norm_attn = bind_norm(b, c->hidden, false, c->eps, "%s.%d.input_layernorm", at, i);
    l->q = bind_linear(b, q, c->hidden, c->qkv_bias, c->init_std, "%s.%d.self_attn.q_proj", at, i);
    l->k = bind_linear(b, kv, c->hidden, c->qkv_bias, c->init_std, "%s.%d.self_attn.k_proj", at, i);
    l->v = bind_linear(b, kv, c->hidden, c->qkv_bias, c->init_std, "%s.%d.self_attn.v_proj", at, i);
    l->o = bind_linear(b, c->hidden, q, c->o_bias, c->init_std, "%s.%d.self_attn.o_proj", at, i);
    if (c->qk_norm) {
        l->norm_q = bind_norm(b, c->head_dim, false, c->eps, "%s.%d.self_attn.q_norm", at, i);
        l->norm_k = bind_norm(b, c->head_dim, false, c->eps, "%s.%d.self_attn.k_norm", at, i);
    }
    l->norm_mlp = bind_norm(b, c->hidden, false, c->eps, "%s.%d.post_attention_layernorm", at, i);
    l->gate = bind_linear(b, c->mlp, c->hidden, c->mlp_bias, c->init_std, "%s.%d.mlp.gate_proj", at, i);
    l->up = bind_linear(b, c->mlp, c->hidden, c->mlp_bias, c->init_std, "%s.%d.mlp.up_proj", at, i);
    l->down = bind_linear(b, c->hidden, c->mlp, c->mlp_bias, c->init_std, "%s.%d.mlp.down_proj", at, i);
}

lmm_status decoder_bind(decoder *out, const decoder_config *c, binder *b) {
    *out = (decoder){.config = *c, .layers = mem_new((size_t)c->layer_count, sizeof *out->layers)};
    b->part = PART_DECODER;
    float std = b->fan_in ? 1.0f / sqrtf((float)c->hidden) : c->init_std;
    out->embed = param_bind(b, (init_rule){INIT_NORMAL, std}, 2, (int64_t[]){c->vocab, c->hidden}, "llm.embed_tokens.weight");
    for (int i = 0; i < c->layer_count && !b->status; i++) layer_bind(&out->layers[i], c, i, b);
    out->norm_out = bind_norm(b, c->hidden, false, c->eps, "llm.norm");
    /* A missing head means tied, whatever the config says (llava.md 1.1); a head in the file is used unless the config ties it. */
    bool tied = c->tied || (b->source && !bind_has(b, "lm_head.weight"));
    out->config.tied = tied;
    out->head = tied ? out->embed : param_bind(b, (init_rule){INIT_NORMAL, std}, 2, (int64_t[]){c->vocab, c->hidden}, "lm_head.weight");
    return b->status;
}

void decoder_free(decoder *d) {
    free(d->layers);
    *d = (decoder){0};
}

/* ---- KV cache ---- */

lmm_status kv_cache_open(kv_cache *out, const decoder_config *c, int capacity) {
    size_t row = (size_t)c->kv_head_count * (size_t)c->head_dim, one, all;
    if (!size_mul(row * sizeof(float), (size_t)capacity, &one) || !size_mul(one, 2 * (size_t)c->layer_count, &all))
        return LMM_FAIL(LMM_E_LIMIT, "a KV cache of %d rows does not fit in memory", capacity);
    void *data;
    lmm_status st = mem_try_raw(&data, all, "the KV cache"); /* rows are stored before attention reads them */
    if (st) return st;
    *out = (kv_cache){c->layer_count, capacity, mem_new((size_t)c->layer_count, sizeof(tensor)),
                      mem_new((size_t)c->layer_count, sizeof(tensor)), data};
    int64_t ne[2] = {capacity, (int64_t)row};
    for (int i = 0; i < c->layer_count; i++) {
        out->k[i] = tensor_make(DT_F32, 2, ne, (char *)data + (size_t)(2 * i) * one);
        out->v[i] = tensor_make(DT_F32, 2, ne, (char *)data + (size_t)(2 * i + 1) * one);
    }
    return LMM_OK;
}

void kv_cache_close(kv_cache *c) {
    free(c->k);
    free(c->v);
    free(c->data);
    *c = (kv_cache){0};
}

/* ---- forward ---- */

/* The rows somebody asked for, which are all that the last layer computes beyond keys and values. */
typedef struct {
    int *row, n;
    int *place;     /* (rows of the pass): for op_rows_join, a row asked for from the layer's output, another from its input */
    attn_seg *segs; /* their queries */
    int seg_count;
    tensor *rope;
} asked_rows;

typedef struct {
    const decoder *d;
    const decoder_rows *rows;
    tensor *rope;
    int layer;
    const asked_rows *asked; /* NULL: all */
} block_arg;

typedef struct {
    cx *c;
    const decoder_rows *rows;
    int layer;
    const tensor *k, *v;
} store_job;

static void store_range(void *arg, int64_t first, int64_t last, int thread) {
    const store_job *j = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const attn_seg *g = &j->rows->segs[i];
        const int at = g->key_first + g->key_count - g->q_count;
        op_rows_store(j->c, &j->rows->caches[i]->k[j->layer], at, j->k, g->q_first, g->q_count);
        op_rows_store(j->c, &j->rows->caches[i]->v[j->layer], at, j->v, g->q_first, g->q_count);
    }
}

/* Appends the new keys to every sequence's cache and points its segment there. */
static const attn_seg *store_keys(cx *c, const block_arg *a, const tensor *k, const tensor *v) {
    const decoder_rows *r = a->rows;
    attn_seg *segs = slab_alloc(&c->meta, (size_t)r->seg_count * sizeof *segs);
    enum { GRAIN = 8 }; /* caches a task: a row's place in each is on a page of its own */
    parallel_for(c->pool, r->seg_count, GRAIN, store_range, &(store_job){c, r, a->layer, k, v});
    for (int i = 0; i < r->seg_count; i++) {
        attn_seg *g = &segs[i];
        *g = r->segs[i];
        g->keys = &r->caches[i]->k[a->layer];
        g->values = &r->caches[i]->v[a->layer];
        if (!g->prefix_count) continue;
        g->prefix_keys = &r->prefixes[i]->k[a->layer];
        g->prefix_values = &r->prefixes[i]->v[a->layer];
    }
    return segs;
}

static tensor *attention(cx *c, const block_arg *a, tensor *x) {
    const decoder_config *f = &a->d->config;
    const decoder_layer *l = &a->d->layers[a->layer];
    const decoder_rows *r = a->rows;
    tensor *from = a->asked ? op_rows_get(c, x, a->asked->row, a->asked->n) : x;
    tensor *q = nn_linear(c, &l->q, from), *k = nn_linear(c, &l->k, x), *v = nn_linear(c, &l->v, x);
    cx_done(c, x);
    if (f->qk_norm) {
        q = nn_norm(c, &l->norm_q, q);
        k = nn_norm(c, &l->norm_k, k);
    }
    q = nn_turn(c, q, a->asked ? a->asked->rope : a->rope);
    k = nn_turn(c, k, a->rope);
    const attn_seg *segs = r->caches ? store_keys(c, a, k, v) : a->asked ? a->asked->segs : r->segs;
    attn_spec s = {.head_count = f->head_count,
                   .kv_head_count = f->kv_head_count,
                   .head_dim = f->head_dim,
                   .causal = true,
                   .window = a->layer >= f->window_first_layer ? f->window : 0,
                   .segs = segs,
                   .seg_count = a->asked ? a->asked->seg_count : r->seg_count};
    s.scale = 1.0f / sqrtf((float)f->head_dim);
    return nn_linear_last(c, &l->o, op_attn(c, q, k, v, &s));
}

static tensor *block(cx *c, void *arg, tensor *x) {
    const block_arg *a = arg;
    const decoder_layer *l = &a->d->layers[a->layer];
    tensor *in = x, *y = attention(c, a, nn_norm(c, &l->norm_attn, x));
    if (a->asked) x = op_rows_get(c, in, a->asked->row, a->asked->n);
    x = nn_residual(c, x, y);
    tensor *h = nn_norm(c, &l->norm_mlp, x), *up = nn_linear(c, &l->up, h), *gate = nn_linear(c, &l->gate, h);
    cx_done(c, h);
    x = nn_residual(c, x, nn_linear_last(c, &l->down, op_swiglu(c, gate, up)));
    return a->asked ? op_rows_join(c, x, in, a->asked->place, a->rows->n) : x;
}

static tensor *make_rope(cx *c, const decoder_config *f, const decoder_rows *r) {
    int length = r->length, axes = f->rope.section[0] ? 3 : 1;
    for (int i = 0; i < r->n * axes; i++) length = max_int(length, r->position[i] + 1);
    float inv_freq[512], factor;
    rope_freqs(&f->rope, f->head_dim, length, inv_freq, &factor);
    unsigned char axis[512];
    for (int i = 0; axes == 3 && i < f->head_dim / 2; i++)
        axis[i] = (unsigned char)((i >= f->rope.section[0]) + (i >= f->rope.section[0] + f->rope.section[1]));
    if (axes == 3) return rope_table_axes(c, r->position, 3, r->n, axis, inv_freq, f->head_dim, factor);
    return rope_table(c, r->position, r->n, inv_freq, f->head_dim, factor);
}

/* NULL when all rows are asked for, or none. */
static const asked_rows *find_asked(cx *c, const decoder_rows *r, tensor *rope) {
    if (!r->unasked) return NULL;
    LMM_ASSERT(!r->caches, "decoder: %s", "later passes ask for the keys of every row");
    const size_t n = (size_t)r->n, segs = (size_t)r->seg_count;
    asked_rows *a = slab_alloc(&c->meta, sizeof *a);
    *a = (asked_rows){.row = slab_alloc(&c->meta, n * sizeof(int)),
                      .place = slab_alloc(&c->meta, n * sizeof(int)),
                      .segs = slab_alloc(&c->meta, segs * sizeof(attn_seg))};
    for (int i = 0; i < r->n; i++) a->place[i] = -1 - i;
    for (int i = 0; i < r->seg_count; i++) {
        attn_seg g = r->segs[i];
        const int first = g.q_first + r->unasked[i], end = g.q_first + g.q_count;
        g.q_first = a->n, g.q_count = end - first;
        if (g.q_count > 0) a->segs[a->seg_count++] = g;
        for (int row = first; row < end; row++) a->place[row] = a->n, a->row[a->n++] = row;
    }
    if (a->n == 0 || a->n == r->n) return NULL;
    a->rope = op_rows_get(c, rope, a->row, a->n);
    return a;
}

tensor *decoder_forward(cx *c, const decoder *d, tensor *x, const decoder_rows *rows) {
    LMM_ASSERT(tensor_rows(x) == rows->n, "decoder: %" PRId64 " rows, %d positions", tensor_rows(x), rows->n);
    tensor *rope = make_rope(c, &d->config, rows);
    const asked_rows *asked = find_asked(c, rows, rope);
    for (int i = 0; i < d->config.layer_count; i++) {
        block_arg *a = slab_alloc(&c->meta, sizeof *a);
        *a = (block_arg){d, rows, rope, i, i + 1 == d->config.layer_count ? asked : NULL};
        x = cx_block(c, block, a, x);
        cx_trace(c, x, "hs.layer%d", i);
    }
    x = nn_norm(c, &d->norm_out, x);
    cx_trace(c, x, "hs.norm");
    return x;
}

tensor *decoder_logits(cx *c, const decoder *d, tensor *h) { return op_linear(c, h, d->head, NULL); }
