/* clip.c - CLIP: both towers, their shared space and the contrastive loss (arXiv 2103.00020).
 *
 * Text rows are causal and pooled at the first end token; configs that still say eos_token_id 2 pool at the largest id, as transformers does. */
#include <string.h>
#include <stdlib.h>

#include "models/models_int.h"

static lmm_status text_bind(net *n, const tree *t, binder *b) {
    int64_t hidden, layers, heads, mlp, vocab, context;
    const char *name = "config.json: text_config";
    lmm_status st = tree_need_int(t, "hidden_size", 1, 65536, &hidden, name);
    if (!st) st = tree_need_int(t, "num_hidden_layers", 1, 1024, &layers, name);
    if (!st) st = tree_need_int(t, "num_attention_heads", 1, 1024, &heads, name);
    if (!st) st = tree_need_int(t, "intermediate_size", 1, 1 << 20, &mlp, name);
    if (!st) st = tree_need_int(t, "vocab_size", 1, 1 << 22, &vocab, name);
    if (!st) st = tree_need_int(t, "max_position_embeddings", 1, 1 << 20, &context, name);
    if (st) return st;
    if (hidden % heads) return LMM_FAIL(LMM_E_FORMAT, "%s: width %d does not divide into %d heads", name, (int)hidden, (int)heads);
    encoder_config c = {.hidden = (int)hidden, .layer_count = (int)layers, .head_count = (int)heads, .mlp = (int)mlp, .init_std = 0.02f};
    c.eps = (float)tree_real(t, "layer_norm_eps", 1e-5);
    if (!activation_find(tree_str(t, "hidden_act", "quick_gelu"), &c.act))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: hidden_act is not known", name);
    b->part = PART_DECODER;
    n->text_eos = (int)tree_int(t, "eos_token_id", 2);
    n->text_embed =
        param_bind(b, (init_rule){INIT_NORMAL, 0.02f}, 2, (int64_t[]){vocab, hidden}, "text_model.embeddings.token_embedding.weight");
    n->text_positions =
        param_bind(b, (init_rule){INIT_NORMAL, 0.01f}, 2, (int64_t[]){context, hidden}, "text_model.embeddings.position_embedding.weight");
    st = encoder_bind(&n->text, &c, b, "text_model.encoder");
    n->text_norm = bind_norm(b, c.hidden, true, c.eps, "text_model.final_layer_norm");
    return st ? st : b->status;
}

static lmm_status clip_bind(net *n, const tree *config, binder *b) {
    vit_config v = {0};
    lmm_status st = vit_config_read(&v, tree_get(config, "vision_config"), "config.json: vision_config");
    if (!st) st = vit_bind(&n->tower, &v, b, "vision_tower");
    if (st) return st;
    n->has_tower = true;
    n->vision_layer_count = v.enc.layer_count;
    if ((st = text_bind(n, tree_get(config, "text_config"), b))) return st;
    int64_t width;
    if ((st = tree_need_int(config, "projection_dim", 1, 65536, &width, "config.json"))) return st;
    b->part = PART_PROJECTOR;
    n->text_projection = bind_linear(b, (int)width, n->text.config.hidden, false, 0.02f, "text_projection");
    n->visual_projection = bind_linear(b, (int)width, v.enc.hidden, false, 0.02f, "visual_projection");
    n->logit_scale = param_bind(b, (init_rule){INIT_ONES, 0}, 0, NULL, "logit_scale");
    return b->status;
}

tensor *clip_image_embed(cx *c, const net *n, tensor *pixels) {
    tensor *x = vit_class_rows(c, &n->tower, vit_forward(c, &n->tower, pixels, n->vision_layer_count));
    return op_l2norm(c, nn_linear(c, &n->visual_projection, vit_post_norm(c, &n->tower, x)));
}

static int pool_at(const int *ids, int tokens, int eos) {
    int best = 0;
    for (int i = 0; i < tokens; i++) {
        if (eos != 2 && ids[i] == eos) return i;
        if (ids[i] > ids[best]) best = i;
    }
    return eos == 2 ? best : 0;
}

tensor *clip_text_embed(cx *c, const net *n, const int *ids, int texts, int tokens) {
    int *index = mem_new((size_t)max_int(tokens, texts), sizeof *index);
    for (int i = 0; i < tokens; i++) index[i] = i;
    tensor *x = op_add(c, op_rows_get(c, n->text_embed, ids, texts * tokens), op_rows_get(c, n->text_positions, index, tokens));
    for (int i = 0; i < n->text.config.layer_count; i++) x = encoder_layer_forward(c, &n->text, i, x, tokens, true);
    for (int i = 0; i < texts; i++) index[i] = i * tokens + pool_at(ids + i * tokens, tokens, n->text_eos);
    x = op_rows_get(c, nn_norm(c, &n->text_norm, x), index, texts);
    free(index);
    return op_l2norm(c, nn_linear(c, &n->text_projection, x));
}

tensor *clip_logits(cx *c, const net *n, tensor *text, tensor *image_) {
    return op_scale_exp(c, op_linear(c, text, image_, NULL), n->logit_scale);
}

tensor *clip_loss(cx *c, const net *n, tensor *text, tensor *image_) {
    int pairs = (int)tensor_rows(text);
    int *label = mem_new((size_t)pairs, sizeof *label);
    float *weight = mem_new((size_t)pairs, sizeof *weight);
    for (int i = 0; i < pairs; i++) label[i] = i, weight[i] = 0.5f / (float)pairs;
    tensor *a = op_xent(c, clip_logits(c, n, text, image_), label, weight, pairs);
    tensor *b = op_xent(c, clip_logits(c, n, image_, text), label, weight, pairs);
    free(label);
    free(weight);
    return op_add(c, a, b);
}

const lmm_arch arch_clip = {
    .name = "clip",
    .hf = (const char *const[]){"CLIPModel", NULL},
    .types = (const char *const[]){"clip", NULL},
    .canonical = names_canonical_clip,
    .bind = clip_bind,
};
