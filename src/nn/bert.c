/* bert.c - BERT: embeddings of words, positions and types, then layers whose norms come after the residuals (arXiv 1810.04805).
 *
 * x = norm(x + out(attn(q, k, v)(x))); x = norm(x + down(act(up(x)))). */
#include <math.h>
#include <stdlib.h>

#include "nn/nn.h"

lmm_status bert_config_read(bert_config *out, const tree *t, const char *name) {
    struct {
        const char *key;
        int64_t high, value;
    } row[] = {
        {"hidden_size", 65536, 0},
        {"num_hidden_layers", 1024, 0},
        {"num_attention_heads", 1024, 0},
        {"intermediate_size", 1 << 20, 0},
        {"vocab_size", 1 << 22, 0},
        {"type_vocab_size", 1024, 0},
        {"max_position_embeddings", 1 << 20, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        lmm_status st = tree_need_int(t, row[i].key, 1, row[i].high, &row[i].value, name);
        if (st) return st;
    }
    bert_config c = {.hidden = (int)row[0].value,
                     .layer_count = (int)row[1].value,
                     .head_count = (int)row[2].value,
                     .mlp = (int)row[3].value};
    c.vocab = (int)row[4].value, c.type_vocab = (int)row[5].value, c.context = (int)row[6].value;
    c.eps = (float)tree_real(t, "layer_norm_eps", 1e-12);
    c.init_std = (float)tree_real(t, "initializer_range", 0.02);
    if (c.hidden % c.head_count) return LMM_FAIL(LMM_E_FORMAT, "%s: width %d does not divide into %d heads", name, c.hidden, c.head_count);
    if (!activation_find(tree_str(t, "hidden_act", "gelu"), &c.act) || c.act == ACT_SILU)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: hidden_act is not known (gelu, gelu_new are)", name);
    *out = c;
    return LMM_OK;
}

static void layer_bind(bert_layer *l, const bert_config *c, int i, binder *b) {
    const char *at = "encoder.layer";
    l->q = bind_linear(b, c->hidden, c->hidden, true, c->init_std, "%s.%d.attention.self.query", at, i);
    l->k = bind_linear(b, c->hidden, c->hidden, true, c->init_std, "%s.%d.attention.self.key", at, i);
    l->v = bind_linear(b, c->hidden, c->hidden, true, c->init_std, "%s.%d.attention.self.value", at, i);
    l->out = bind_linear(b, c->hidden, c->hidden, true, c->init_std, "%s.%d.attention.output.dense", at, i);
    l->norm_attn = bind_norm(b, c->hidden, true, c->eps, "%s.%d.attention.output.LayerNorm", at, i);
    l->up = bind_linear(b, c->mlp, c->hidden, true, c->init_std, "%s.%d.intermediate.dense", at, i);
    l->down = bind_linear(b, c->hidden, c->mlp, true, c->init_std, "%s.%d.output.dense", at, i);
    l->norm_mlp = bind_norm(b, c->hidden, true, c->eps, "%s.%d.output.LayerNorm", at, i);
}

static tensor *table_bind(binder *b, int rows, const bert_config *c, const char *name) {
    return param_bind(b, (init_rule){INIT_NORMAL, c->init_std}, 2, (int64_t[]){rows, c->hidden}, "embeddings.%s.weight", name);
}

lmm_status bert_bind(bert *out, const bert_config *c, binder *b) {
    *out = (bert){.config = *c, .layers = mem_new((size_t)c->layer_count, sizeof *out->layers)};
    b->part = PART_DECODER;
    out->words = table_bind(b, c->vocab, c, "word_embeddings");
    out->positions = table_bind(b, c->context, c, "position_embeddings");
    out->types = table_bind(b, c->type_vocab, c, "token_type_embeddings");
    out->norm_embed = bind_norm(b, c->hidden, true, c->eps, "embeddings.LayerNorm");
    for (int i = 0; i < c->layer_count && !b->status; i++) layer_bind(&out->layers[i], c, i, b);
    if (bind_has(b, "pooler.dense.weight")) out->pooler = bind_linear(b, c->hidden, c->hidden, true, c->init_std, "pooler.dense");
    return b->status;
}

void bert_free(bert *t) {
    free(t->layers);
    *t = (bert){0};
}

/* ---- forward ---- */

typedef struct {
    const bert *t;
    int layer, count;
    attn_seg *segs;
} layer_arg;

static tensor *block(cx *c, void *arg, tensor *x) {
    const layer_arg *a = arg;
    const bert_layer *l = &a->t->layers[a->layer];
    int H = a->t->config.head_count, d = a->t->config.hidden / H;
    attn_spec s =
        {.head_count = H, .kv_head_count = H, .head_dim = d, .scale = 1.0f / sqrtf((float)d), .segs = a->segs, .seg_count = a->count};
    tensor *h = op_attn(c, nn_linear(c, &l->q, x), nn_linear(c, &l->k, x), nn_linear(c, &l->v, x), &s);
    x = nn_norm(c, &l->norm_attn, op_add(c, nn_linear(c, &l->out, h), x));
    h = nn_linear(c, &l->down, op_act(c, nn_linear(c, &l->up, x), a->t->config.act));
    return nn_norm(c, &l->norm_mlp, op_add(c, h, x));
}

static tensor *embed(cx *c, const bert *t, const int *ids, const int *lengths, int count, int rows) {
    int *index = mem_new((size_t)rows + 1, sizeof *index), at = 0;
    tensor *x = op_add(c, op_rows_get(c, t->words, ids, rows), op_rows_get(c, t->types, index, rows)); /* type 0 everywhere */
    for (int i = 0; i < count; i++)
        for (int k = 0; k < lengths[i]; k++) index[at++] = k;
    x = op_add(c, x, op_rows_get(c, t->positions, index, rows));
    free(index);
    x = nn_norm(c, &t->norm_embed, x);
    cx_trace(c, x, "embeddings");
    return x;
}

tensor *bert_forward(cx *c, const bert *t, const int *ids, const int *lengths, int count) {
    attn_seg *segs = slab_alloc(&c->meta, (size_t)count * sizeof *segs);
    int rows = 0;
    for (int i = 0; i < count; rows += lengths[i++]) {
        LMM_ASSERT(lengths[i] > 0 && lengths[i] <= t->config.context, "bert: %d ids", lengths[i]);
        segs[i] = (attn_seg){.q_first = rows, .q_count = lengths[i], .key_first = rows, .key_count = lengths[i]};
    }
    tensor *x = embed(c, t, ids, lengths, count, rows);
    for (int i = 0; i < t->config.layer_count; i++) {
        layer_arg *a = slab_alloc(&c->meta, sizeof *a);
        *a = (layer_arg){t, i, count, segs};
        x = cx_block(c, block, a, x);
        cx_trace(c, x, "layer%d", i);
    }
    return x;
}

tensor *bert_sentence(cx *c, tensor *x, const int *lengths, int count) { return op_l2norm(c, op_rows_mean(c, x, lengths, count)); }
