/* encoder.c - the pre-norm transformer layer that CLIP, SigLIP and Whisper's encoder share.
 *
 * x += out(attn(q, k, v)) of LayerNorm(x); x += fc2(act(fc1)) of LayerNorm(x); all linears biased (Whisper's keys are not). Source: llava.md 3.1, 3.2. */
#include <math.h>
#include <stdlib.h>

#include "nn/nn.h"

lmm_status encoder_bind(encoder *out, const encoder_config *c, binder *b, const char *prefix) {
    *out = (encoder){.config = *c, .layers = mem_new((size_t)c->layer_count, sizeof *out->layers)};
    int D = c->hidden;
    for (int i = 0; i < c->layer_count && !b->status; i++) {
        encoder_layer *l = &out->layers[i];
        l->norm1 = bind_norm(b, D, true, c->eps, "%s.layers.%d.layer_norm1", prefix, i);
        l->q = bind_linear(b, D, D, true, c->init_std, "%s.layers.%d.self_attn.q_proj", prefix, i);
        l->k = bind_linear(b, D, D, !c->no_key_bias, c->init_std, "%s.layers.%d.self_attn.k_proj", prefix, i);
        l->v = bind_linear(b, D, D, true, c->init_std, "%s.layers.%d.self_attn.v_proj", prefix, i);
        l->out = bind_linear(b, D, D, true, c->init_std, "%s.layers.%d.self_attn.out_proj", prefix, i);
        l->norm2 = bind_norm(b, D, true, c->eps, "%s.layers.%d.layer_norm2", prefix, i);
        l->fc1 = bind_linear(b, c->mlp, D, true, c->init_std, "%s.layers.%d.mlp.fc1", prefix, i);
        l->fc2 = bind_linear(b, D, c->mlp, true, c->init_std, "%s.layers.%d.mlp.fc2", prefix, i);
    }
    return b->status;
}

void encoder_free(encoder *e) {
    free(e->layers);
    *e = (encoder){0};
}

typedef struct {
    const encoder *e;
    int layer, tokens;
    bool causal;
} layer_arg;

static tensor *attention(cx *c, const layer_arg *a, tensor *x) {
    const encoder_layer *l = &a->e->layers[a->layer];
    int sequences = (int)(tensor_rows(x) / a->tokens), T = a->tokens, H = a->e->config.head_count, d = a->e->config.hidden / H;
    tensor *q = nn_linear(c, &l->q, x), *k = nn_linear(c, &l->k, x), *v = nn_linear(c, &l->v, x);
    cx_done(c, x);
    attn_seg *segs = slab_alloc(&c->meta, (size_t)sequences * sizeof *segs);
    for (int i = 0; i < sequences; i++) segs[i] = (attn_seg){.q_first = i * T, .q_count = T, .key_first = i * T, .key_count = T};
    attn_spec s = {.head_count = H,
                   .kv_head_count = H,
                   .head_dim = d,
                   .scale = 1.0f / sqrtf((float)d),
                   .causal = a->causal,
                   .segs = segs,
                   .seg_count = sequences};
    return nn_linear_last(c, &l->out, op_attn(c, q, k, v, &s));
}

static tensor *block(cx *c, void *arg, tensor *x) {
    const layer_arg *a = arg;
    const encoder_layer *l = &a->e->layers[a->layer];
    x = nn_residual(c, x, attention(c, a, nn_norm(c, &l->norm1, x)));
    tensor *up = nn_linear_last(c, &l->fc1, nn_norm(c, &l->norm2, x));
    return nn_residual(c, x, nn_linear_last(c, &l->fc2, op_act(c, up, a->e->config.act)));
}

tensor *encoder_layer_forward(cx *c, const encoder *e, int layer, tensor *x, int tokens, bool causal) {
    layer_arg *a = slab_alloc(&c->meta, sizeof *a);
    *a = (layer_arg){e, layer, tokens, causal};
    return cx_block(c, block, a, x);
}
