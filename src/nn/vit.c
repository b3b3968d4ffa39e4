/* vit.c - vision towers: CLIP (class token, norm before the layers) and SigLIP (patch bias, pooling head).
 *
 * x = [class; conv(pixels)] + positions; CLIP's pre_layrnorm (that spelling is real); layers; the post norm is used by the towers' own
 * outputs only, never by LLaVA. Source: llava.md 3.1, 3.2. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

lmm_status vit_config_read(vit_config *out, const tree *t, const char *name) {
    const char *type = tree_str(t, "model_type", "clip_vision_model");
    bool clip = !strcmp(type, "clip_vision_model");
    if (!clip && strcmp(type, "siglip_vision_model"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: vision tower '%s' is not known (clip_vision_model, siglip_vision_model are)", name, type);
    struct {
        const char *key;
        int64_t fallback, high, value;
    } row[] = {
        {"hidden_size", 768, 65536, 0},          {"num_hidden_layers", 12, 1024, 0}, {"num_attention_heads", 12, 1024, 0},
        {"intermediate_size", 3072, 1 << 20, 0}, {"image_size", 224, 16384, 0},      {"patch_size", clip ? 32 : 16, 1024, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        row[i].value = row[i].fallback;
        lmm_status st = tree_get(t, row[i].key) ? tree_need_int(t, row[i].key, 1, row[i].high, &row[i].value, name) : LMM_OK;
        if (st) return st;
    }
    vit_config c =
        {.enc = {.hidden = (int)row[0].value, .layer_count = (int)row[1].value, .head_count = (int)row[2].value, .mlp = (int)row[3].value},
         .image_size = (int)row[4].value,
         .patch = (int)row[5].value,
         .class_token = clip,
         .patch_bias = !clip,
         .pre_norm = clip};
    if (c.enc.hidden % c.enc.head_count || c.patch > c.image_size)
        return LMM_FAIL(LMM_E_FORMAT, "%s: width %d does not divide into %d heads, or patch %d exceeds the picture of %d", name,
                        c.enc.hidden, c.enc.head_count, c.patch, c.image_size);
    const char *act = tree_str(t, "hidden_act", clip ? "quick_gelu" : "gelu_pytorch_tanh");
    if (!activation_find(act, &c.enc.act) || c.enc.act == ACT_SILU)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: vision activation '%s' is not known (gelu, quick_gelu, gelu_pytorch_tanh are)", name, act);
    c.enc.eps = (float)tree_real(t, "layer_norm_eps", clip ? 1e-5 : 1e-6);
    c.enc.init_std = (float)tree_real(t, "initializer_range", 0.02);
    c.head = !clip && tree_bool(t, "vision_use_head", true);
    *out = c;
    return LMM_OK;
}

static int patch_count(const vit_config *c) { return (c->image_size / c->patch) * (c->image_size / c->patch); }
int vit_tokens(const vit_config *c) { return patch_count(c) + c->class_token; }

/* ---- binding ---- */

static void head_bind(vit *v, binder *b, const char *prefix) {
    int D = v->config.enc.hidden;
    float std = v->config.enc.init_std;
    v->probe = param_bind(b, (init_rule){INIT_NORMAL, std}, 3, (int64_t[]){1, 1, D}, "%s.head.probe", prefix);
    v->head_qkv.w = param_bind(b, (init_rule){INIT_NORMAL, std}, 2, (int64_t[]){3 * D, D}, "%s.head.attention.in_proj_weight", prefix);
    v->head_qkv.b = param_bind(b, (init_rule){INIT_ZEROS, 0}, 1, (int64_t[]){3 * D}, "%s.head.attention.in_proj_bias", prefix);
    v->head_out = bind_linear(b, D, D, true, std, "%s.head.attention.out_proj", prefix);
    v->head_norm = bind_norm(b, D, true, v->config.enc.eps, "%s.head.layernorm", prefix);
    v->head_fc1 = bind_linear(b, v->config.enc.mlp, D, true, std, "%s.head.mlp.fc1", prefix);
    v->head_fc2 = bind_linear(b, D, v->config.enc.mlp, true, std, "%s.head.mlp.fc2", prefix);
}

lmm_status vit_bind(vit *out, const vit_config *c, binder *b, const char *prefix) {
    *out = (vit){.config = *c};
    int D = c->enc.hidden, P = c->patch;
    float std = c->enc.init_std;
    b->part = PART_VISION;
    if (c->class_token)
        out->class_embed = param_bind(b, (init_rule){INIT_NORMAL, std}, 1, (int64_t[]){D}, "%s.embeddings.class_embedding", prefix);
    /* conv weights start as PyTorch's: bound 1/sqrt(fan in) */
    out->patch.w = param_bind(b, (init_rule){INIT_UNIFORM, 1.0f / sqrtf((float)(3 * P * P))}, 4, (int64_t[]){D, 3, P, P},
                              "%s.embeddings.patch_embedding.weight", prefix);
    if (c->patch_bias)
        out->patch.b = param_bind(b, (init_rule){INIT_ZEROS, 0}, 1, (int64_t[]){D}, "%s.embeddings.patch_embedding.bias", prefix);
    out->positions =
        param_bind(b, (init_rule){INIT_NORMAL, std}, 2, (int64_t[]){vit_tokens(c), D}, "%s.embeddings.position_embedding.weight", prefix);
    if (c->pre_norm) out->pre_norm = bind_norm(b, D, true, c->enc.eps, "%s.pre_layrnorm", prefix);
    char at[128];
    snprintf(at, sizeof at, "%s.encoder", prefix);
    lmm_status st = encoder_bind(&out->enc, &c->enc, b, at);
    if (st) return st;
    if (!b->source || bind_has(b, "%s.post_layernorm.weight", prefix))
        out->post_norm = bind_norm(b, D, true, c->enc.eps, "%s.post_layernorm", prefix);
    if (c->head && bind_has(b, "%s.head.probe", prefix)) head_bind(out, b, prefix);
    return b->status;
}

void vit_free(vit *v) {
    encoder_free(&v->enc);
    *v = (vit){0};
}

/* ---- forward ---- */

/* [class; patches of picture 0; class; patches of picture 1; ...] */
static tensor *with_class(cx *c, const vit *v, tensor *patches, int pictures) {
    int P = patch_count(&v->config), at = 0;
    int *index = mem_new((size_t)(pictures * (P + 1)), sizeof *index);
    for (int b = 0; b < pictures; b++) {
        index[at++] = -1;
        for (int i = 0; i < P; i++) index[at++] = b * P + i;
    }
    tensor *x = op_rows_join(c, patches, v->class_embed, index, at);
    free(index);
    return x;
}

static void trace_layer(cx *c, const vit *v, tensor *x, const char *name) {
    if (!c->trace) return;
    int T = vit_tokens(&v->config);
    cx_trace(c, cx_view(c, x, 3, (int64_t[]){tensor_rows(x) / T, T, tensor_cols(x)}), "%s", name);
}

/* A tracer wants to see the layers behind the selected one too; nobody else pays for them. */
static void trace_rest(cx *c, const vit *v, tensor *x, int layer) {
    if (!c->trace) return;
    char name[32];
    for (int i = layer; i < v->config.enc.layer_count; i++) {
        x = encoder_layer_forward(c, &v->enc, i, x, vit_tokens(&v->config), false);
        snprintf(name, sizeof name, "vis.layer%d", i);
        trace_layer(c, v, x, name);
    }
    if (!v->post_norm.w) return;
    x = vit_post_norm(c, v, x);
    if (v->config.class_token) cx_trace(c, vit_class_rows(c, v, x), "vis.post_layernorm");
    else trace_layer(c, v, x, "vis.post_layernorm");
}

tensor *vit_forward(cx *c, const vit *v, tensor *pixels, int layer_count) { return vit_states(c, v, pixels, layer_count, NULL); }

tensor *vit_states(cx *c, const vit *v, tensor *pixels, int layer_count, tensor **state) {
    LMM_ASSERT(pixels->nd == 4 && pixels->ne[2] == v->config.image_size && pixels->ne[3] == v->config.image_size,
               "tower: pictures of %" PRId64 "x%" PRId64, pixels->ne[2], pixels->ne[3]);
    tensor w = *v->patch.w; /* (D,3,p,p) used flat; gradients go to the same place */
    tensor *flat = slab_alloc(&c->meta, sizeof *flat);
    *flat = w;
    flat->nd = 2;
    flat->ne[1] = 3 * (int64_t)v->config.patch * v->config.patch;
    tensor *x = op_linear(c, op_patches(c, pixels, v->config.patch), flat, v->patch.b);
    if (v->config.class_token) x = with_class(c, v, x, (int)pixels->ne[0]);
    x = op_add(c, x, v->positions);
    if (v->config.pre_norm) x = nn_norm(c, &v->pre_norm, x);
    trace_layer(c, v, x, "vis.encoder_in");
    if (state) state[0] = x;
    char name[32];
    for (int i = 0; i < layer_count; i++) {
        x = encoder_layer_forward(c, &v->enc, i, x, vit_tokens(&v->config), false);
        snprintf(name, sizeof name, "vis.layer%d", i);
        trace_layer(c, v, x, name);
        if (state) state[i + 1] = x;
    }
    trace_rest(c, v, x, layer_count);
    return x;
}

tensor *vit_post_norm(cx *c, const vit *v, tensor *x) { return nn_norm(c, &v->post_norm, x); }

tensor *vit_class_rows(cx *c, const vit *v, tensor *x) {
    int T = vit_tokens(&v->config), pictures = (int)(tensor_rows(x) / T);
    int *index = mem_new((size_t)pictures, sizeof *index);
    for (int i = 0; i < pictures; i++) index[i] = i * T;
    x = op_rows_get(c, x, index, pictures);
    free(index);
    return x;
}

tensor *vit_pool(cx *c, const vit *v, tensor *x) {
    LMM_ASSERT(v->probe, "%s", "this tower has no pooling head");
    int T = vit_tokens(&v->config), D = v->config.enc.hidden, H = v->config.enc.head_count, pictures = (int)(tensor_rows(x) / T);
    linear lq = linear_part(c, &v->head_qkv, 0, D), lk = linear_part(c, &v->head_qkv, D, D), lv = linear_part(c, &v->head_qkv, 2 * D, D);
    int *index = mem_new((size_t)pictures, sizeof *index);
    tensor *q = nn_linear(c, &lq, op_rows_get(c, v->probe, index, pictures));
    free(index);
    attn_seg *segs = slab_alloc(&c->meta, (size_t)pictures * sizeof *segs);
    for (int i = 0; i < pictures; i++) segs[i] = (attn_seg){.q_first = i, .q_count = 1, .key_first = i * T, .key_count = T};
    attn_spec s = {.head_count = H,
                   .kv_head_count = H,
                   .head_dim = D / H,
                   .scale = 1.0f / sqrtf((float)(D / H)),
                   .segs = segs,
                   .seg_count = pictures};
    tensor *h = nn_linear(c, &v->head_out, op_attn(c, q, nn_linear(c, &lk, x), nn_linear(c, &lv, x), &s));
    tensor *m = nn_linear(c, &v->head_fc1, nn_norm(c, &v->head_norm, h));
    return op_add(c, h, nn_linear(c, &v->head_fc2, op_act(c, m, v->config.enc.act)));
}
