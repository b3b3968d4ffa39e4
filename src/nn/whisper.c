/* whisper.c - Whisper: two convolutions and pre-norm layers over a window of sound, and a decoder that looks at it (arXiv 2212.04356).
 *
 * Keys have no bias anywhere. The decoder's layer is self attention over its own cache, cross attention over keys and values made once from the
 * encoder's rows, and an MLP; its output layer is the embedding. Positions are tables in the checkpoint. */
#include <math.h>
#include <stdlib.h>

#include "nn/nn.h"

/* ---- config ---- */

lmm_status whisper_config_read(whisper_config *out, const tree *t, const char *name) {
    struct {
        const char *key;
        int64_t high, value;
    } row[] = {
        {"d_model", 65536, 0},
        {"encoder_layers", 1024, 0},
        {"encoder_attention_heads", 1024, 0},
        {"encoder_ffn_dim", 1 << 20, 0},
        {"num_mel_bins", 256, 0},
        {"max_source_positions", 1 << 16, 0},
        {"decoder_layers", 1024, 0},
        {"decoder_attention_heads", 1024, 0},
        {"decoder_ffn_dim", 1 << 20, 0},
        {"max_target_positions", 1 << 16, 0},
        {"vocab_size", 1 << 22, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        lmm_status st = tree_need_int(t, row[i].key, 1, row[i].high, &row[i].value, name);
        if (st) return st;
    }
    whisper_config c = {.enc = {.hidden = (int)row[0].value,
                                .layer_count = (int)row[1].value,
                                .head_count = (int)row[2].value,
                                .mlp = (int)row[3].value,
                                .eps = 1e-5f,
                                .no_key_bias = true},
                        .bands = (int)row[4].value,
                        .positions = (int)row[5].value,
                        .layer_count = (int)row[6].value,
                        .head_count = (int)row[7].value,
                        .mlp = (int)row[8].value,
                        .context = (int)row[9].value,
                        .vocab = (int)row[10].value};
    c.enc.init_std = (float)tree_real(t, "init_std", 0.02);
    c.scale_embedding = tree_bool(t, "scale_embedding", false);
    c.tied = tree_bool(t, "tie_word_embeddings", true);
    if (c.enc.hidden % c.enc.head_count || c.enc.hidden % c.head_count)
        return LMM_FAIL(LMM_E_FORMAT, "%s: width %d does not divide into %d and %d heads", name, c.enc.hidden, c.enc.head_count,
                        c.head_count);
    if (!activation_find(tree_str(t, "activation_function", "gelu"), &c.enc.act) || c.enc.act == ACT_SILU)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: activation_function is not known (gelu is)", name);
    *out = c;
    return LMM_OK;
}

/* ---- encoder ---- */

static linear conv_bind(binder *b, int out, int in, const char *prefix, const char *name) {
    linear l;
    l.w = param_bind(b, (init_rule){INIT_UNIFORM, 1.0f / sqrtf((float)(3 * in))}, 3, (int64_t[]){out, in, 3}, "%s.%s.weight", prefix, name);
    l.b = param_bind(b, (init_rule){INIT_ZEROS, 0}, 1, (int64_t[]){out}, "%s.%s.bias", prefix, name);
    return l;
}

lmm_status whisper_encoder_bind(whisper_encoder *out, const whisper_config *c, binder *b, const char *prefix) {
    int D = c->enc.hidden;
    *out = (whisper_encoder){.bands = c->bands, .positions = c->positions};
    b->part = PART_VISION; /* towers are trained or frozen together */
    out->conv1 = conv_bind(b, D, c->bands, prefix, "conv1");
    out->conv2 = conv_bind(b, D, D, prefix, "conv2");
    out->table =
        param_bind(b, (init_rule){INIT_NORMAL, c->enc.init_std}, 2, (int64_t[]){c->positions, D}, "%s.embed_positions.weight", prefix);
    lmm_status st = encoder_bind(&out->enc, &c->enc, b, prefix);
    out->norm_out = bind_norm(b, D, true, c->enc.eps, "%s.layer_norm", prefix);
    return st ? st : b->status;
}

void whisper_encoder_free(whisper_encoder *e) {
    encoder_free(&e->enc);
    *e = (whisper_encoder){0};
}

/* x (B * tokens, in) -> the convolution of width 3 at every `stride`-th row. The weight (out, in, 3) is used flat. */
static tensor *conv(cx *c, const linear *l, tensor *x, int tokens, int stride) {
    tensor *flat = slab_alloc(&c->meta, sizeof *flat);
    *flat = *l->w;
    flat->nd = 2;
    flat->ne[1] = l->w->ne[1] * 3;
    return op_linear(c, op_taps(c, x, tokens, 3, stride), flat, l->b);
}

static tensor *table_rows(cx *c, tensor *table, int first, int count) {
    int *index = mem_new((size_t)count, sizeof *index);
    for (int i = 0; i < count; i++) index[i] = first + i;
    tensor *x = op_rows_get(c, table, index, count);
    free(index);
    return x;
}

tensor *whisper_encode(cx *c, const whisper_encoder *e, tensor *mel) {
    int T = e->positions;
    LMM_ASSERT(tensor_cols(mel) == e->bands && tensor_rows(mel) % (2 * T) == 0, "whisper: features of %" PRId64 " frames",
               tensor_rows(mel));
    tensor *x = conv(c, &e->conv1, mel, 2 * T, 1);
    cx_trace(c, x, "enc.conv1");
    x = conv(c, &e->conv2, op_act(c, x, ACT_GELU_ERF), 2 * T, 2);
    cx_trace(c, x, "enc.conv2");
    x = op_add(c, op_act(c, x, ACT_GELU_ERF), table_rows(c, e->table, 0, T));
    cx_trace(c, x, "enc.layers_in");
    for (int i = 0; i < e->enc.config.layer_count; i++) {
        x = encoder_layer_forward(c, &e->enc, i, x, T, false);
        cx_trace(c, x, "enc.layer%d", i);
    }
    x = nn_norm(c, &e->norm_out, x);
    cx_trace(c, x, "enc.out");
    return x;
}

/* ---- decoder ---- */

static void layer_bind(whisper_layer *l, const whisper_config *c, int i, binder *b) {
    int D = c->enc.hidden;
    float std = c->enc.init_std;
    const char *at = "decoder.layers";
    l->norm_self = bind_norm(b, D, true, c->enc.eps, "%s.%d.self_attn_layer_norm", at, i);
    l->q = bind_linear(b, D, D, true, std, "%s.%d.self_attn.q_proj", at, i);
    l->k = bind_linear(b, D, D, false, std, "%s.%d.self_attn.k_proj", at, i);
    l->v = bind_linear(b, D, D, true, std, "%s.%d.self_attn.v_proj", at, i);
    l->out = bind_linear(b, D, D, true, std, "%s.%d.self_attn.out_proj", at, i);
    l->norm_cross = bind_norm(b, D, true, c->enc.eps, "%s.%d.encoder_attn_layer_norm", at, i);
    l->cross_q = bind_linear(b, D, D, true, std, "%s.%d.encoder_attn.q_proj", at, i);
    l->cross_k = bind_linear(b, D, D, false, std, "%s.%d.encoder_attn.k_proj", at, i);
    l->cross_v = bind_linear(b, D, D, true, std, "%s.%d.encoder_attn.v_proj", at, i);
    l->cross_out = bind_linear(b, D, D, true, std, "%s.%d.encoder_attn.out_proj", at, i);
    l->norm_mlp = bind_norm(b, D, true, c->enc.eps, "%s.%d.final_layer_norm", at, i);
    l->fc1 = bind_linear(b, c->mlp, D, true, std, "%s.%d.fc1", at, i);
    l->fc2 = bind_linear(b, D, c->mlp, true, std, "%s.%d.fc2", at, i);
}

lmm_status whisper_bind(whisper *out, const whisper_config *c, binder *b) {
    int D = c->enc.hidden;
    init_rule init = {INIT_NORMAL, c->enc.init_std};
    *out = (whisper){.config = *c, .layers = mem_new((size_t)c->layer_count, sizeof *out->layers)};
    lmm_status st = whisper_encoder_bind(&out->encoder, c, b, "encoder");
    b->part = PART_DECODER;
    out->embed = param_bind(b, init, 2, (int64_t[]){c->vocab, D}, "decoder.embed_tokens.weight");
    out->table = param_bind(b, init, 2, (int64_t[]){c->context, D}, "decoder.embed_positions.weight");
    for (int i = 0; i < c->layer_count && !b->status; i++) layer_bind(&out->layers[i], c, i, b);
    out->norm_out = bind_norm(b, D, true, c->enc.eps, "decoder.layer_norm");
    out->head = c->tied ? out->embed : param_bind(b, init, 2, (int64_t[]){c->vocab, D}, "head.weight");
    return st ? st : b->status;
}

void whisper_free(whisper *w) {
    whisper_encoder_free(&w->encoder);
    free(w->layers);
    *w = (whisper){0};
}

lmm_status whisper_cache_open(kv_cache *out, const whisper_config *c, int capacity) {
    return kv_cache_open(out,
                         &(decoder_config){.layer_count = c->layer_count,
                                           .kv_head_count = c->head_count,
                                           .head_dim = c->enc.hidden / c->head_count},
                         capacity);
}

void whisper_look(cx *c, const whisper *w, tensor *encoded, kv_cache *cross) {
    int rows = (int)tensor_rows(encoded);
    for (int i = 0; i < w->config.layer_count; i++) {
        cx_mark mark = cx_here(c);
        op_rows_store(c, &cross->k[i], 0, nn_linear(c, &w->layers[i].cross_k, encoded), 0, rows);
        op_rows_store(c, &cross->v[i], 0, nn_linear(c, &w->layers[i].cross_v, encoded), 0, rows);
        cx_release(c, mark);
    }
}

typedef struct {
    const whisper *w;
    kv_cache *self, *cross;
    int layer, first;
} layer_arg;

static tensor *attend(cx *c, const whisper *w, tensor *q, tensor *k, tensor *v, const attn_seg *seg, bool causal) {
    int d = w->config.enc.hidden / w->config.head_count;
    attn_spec s = {.head_count = w->config.head_count,
                   .kv_head_count = w->config.head_count,
                   .head_dim = d,
                   .scale = 1.0f / sqrtf((float)d),
                   .causal = causal,
                   .segs = seg,
                   .seg_count = 1};
    return op_attn(c, q, k, v, &s);
}

static tensor *layer_forward(cx *c, void *arg, tensor *x) {
    const layer_arg *a = arg;
    const whisper_layer *l = &a->w->layers[a->layer];
    tensor *self_k = &a->self->k[a->layer], *self_v = &a->self->v[a->layer], *k = &a->cross->k[a->layer], *v = &a->cross->v[a->layer];
    int n = (int)tensor_rows(x);
    tensor *h = nn_norm(c, &l->norm_self, x);
    op_rows_store(c, self_k, a->first, nn_linear(c, &l->k, h), 0, n);
    op_rows_store(c, self_v, a->first, nn_linear(c, &l->v, h), 0, n);
    h = attend(c, a->w, nn_linear(c, &l->q, h), self_k, self_v, &(attn_seg){.q_count = n, .key_count = a->first + n}, true);
    x = op_add(c, x, nn_linear(c, &l->out, h));
    h = nn_linear(c, &l->cross_q, nn_norm(c, &l->norm_cross, x));
    h = attend(c, a->w, h, k, v, &(attn_seg){.q_count = n, .key_count = a->cross->capacity}, false);
    x = op_add(c, x, nn_linear(c, &l->cross_out, h));
    h = nn_linear(c, &l->fc1, nn_norm(c, &l->norm_mlp, x));
    return op_add(c, x, nn_linear(c, &l->fc2, op_act(c, h, a->w->config.enc.act)));
}

tensor *whisper_decode(cx *c, const whisper *w, const int *ids, int n, int first, kv_cache *self, kv_cache *cross) {
    LMM_ASSERT(first + n <= w->config.context, "whisper: rows %d+%d of %d", first, n, w->config.context);
    tensor *x = op_rows_get(c, w->embed, ids, n);
    if (w->config.scale_embedding) x = op_scale(c, x, sqrtf((float)w->config.enc.hidden));
    x = op_add(c, x, table_rows(c, w->table, first, n));
    cx_trace(c, x, "dec.layers_in");
    for (int i = 0; i < w->config.layer_count; i++) {
        layer_arg *a = slab_alloc(&c->meta, sizeof *a);
        *a = (layer_arg){w, self, cross, i, first};
        x = cx_block(c, layer_forward, a, x);
        cx_trace(c, x, "dec.layer%d", i);
    }
    x = nn_norm(c, &w->norm_out, x);
    cx_trace(c, x, "dec.norm");
    return x;
}

tensor *whisper_logits(cx *c, const whisper *w, tensor *h) { return op_linear(c, h, w->head, NULL); }
