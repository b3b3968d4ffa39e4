/* projector_util.h - writes the tower and projector of a LLaVA as llama.cpp's converter does: its names, its keys. */
#ifndef PROJECTOR_UTIL_H
#define PROJECTOR_UTIL_H

#include "../engine/model_util.h"
#include "models/models_int.h"

/* As get_tensor_name of the converter: replacements anywhere in the name. */
static inline char *their_name(const char *ours, bool turned) {
    const struct {
        const char *from, *to;
    } row[] = {
        {"vision_tower.", "v."},
        {"encoder.layers", "blk"},
        {"embeddings.", ""},
        {"_proj", ""},
        {"self_attn.", "attn_"},
        {"layer_norm", "ln"},
        {"layernorm", "ln"},
        {"mlp.fc1", turned ? "ffn_up" : "ffn_down"},
        {"embedding", "embd"},
        {"mlp.fc2", turned ? "ffn_down" : "ffn_up"},
        {"pre_layrnorm", "pre_ln"},
        {"proj.", "mm."},
        {"image_newline", "model.image_newline"},
    };
    char *name = mem_strdup(ours);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        char *at = strstr(name, row[i].from);
        if (!at) continue;
        char *other = mem_printf("%.*s%s%s", (int)(at - name), name, row[i].to, at + strlen(row[i].from));
        free(name);
        name = other;
    }
    return name;
}

typedef struct {
    bool names_state, turned; /* clip.vision.feature_layer is written; ffn_up goes up */
    const char *kind;
} variant;

static inline void put_tower_keys(gguf_keys *k, const net *n, const variant *v) {
    const vit_config *c = &n->tower.config;
    const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f}, std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    gguf_put_string(k, "general.architecture", "clip", 4);
    gguf_put_bool(k, "clip.has_text_encoder", false);
    gguf_put_bool(k, "clip.has_vision_encoder", true);
    gguf_put_bool(k, "clip.has_llava_projector", true);
    gguf_put_string(k, "clip.projector_type", v->kind, strlen(v->kind));
    gguf_put_u32(k, "clip.vision.image_size", (uint32_t)c->image_size);
    gguf_put_u32(k, "clip.vision.patch_size", (uint32_t)c->patch);
    gguf_put_u32(k, "clip.vision.embedding_length", (uint32_t)c->enc.hidden);
    gguf_put_u32(k, "clip.vision.feed_forward_length", (uint32_t)c->enc.mlp);
    gguf_put_u32(k, "clip.vision.projection_dim", 32);
    gguf_put_u32(k, "clip.vision.attention.head_count", (uint32_t)c->enc.head_count);
    gguf_put_f32(k, "clip.vision.attention.layer_norm_epsilon", c->enc.eps);
    gguf_put_u32(k, "clip.vision.block_count", (uint32_t)n->vision_state[0]);
    if (v->names_state) gguf_put_i32s(k, "clip.vision.feature_layer", n->vision_state, 1);
    gguf_put_f32s(k, "clip.vision.image_mean", mean, 3);
    gguf_put_f32s(k, "clip.vision.image_std", std, 3);
    gguf_put_bool(k, "clip.use_gelu", false);
    int32_t flat[2 * TILE_GRID_MAX];
    for (int i = 0; i < n->grid.count; i++) flat[2 * i] = n->grid.pair[i][0], flat[2 * i + 1] = n->grid.pair[i][1];
    if (!n->grid.count) return;
    gguf_put_i32s(k, "clip.vision.image_grid_pinpoints", flat, 2 * n->grid.count);
    gguf_put_string(k, "clip.vision.image_aspect_ratio", "anyres", 6);
    gguf_put_string(k, "clip.vision.mm_patch_merge_type", "spatial_unpad", 13);
}

static inline bool is_written(const net *n, const param *p) {
    int layer;
    if (p->part == PART_DECODER || strstr(p->name, "post_layernorm")) return false;
    return sscanf(p->name, "vision_tower.encoder.layers.%d.", &layer) != 1 || layer < n->vision_state[0];
}

static inline void write_projector(const net *n, const char *path, const variant *v) {
    gguf_keys keys = {0};
    gguf_writer *w;
    named_tensor *at = mem_new((size_t)n->params.list.count, sizeof *at);
    char **names = mem_new((size_t)n->params.list.count, sizeof *names);
    int count = 0;
    put_tower_keys(&keys, n, v);
    for (int i = 0; i < n->params.list.count; i++) {
        const param *p = n->params.list.at[i];
        if (!is_written(n, p)) continue;
        names[count] = their_name(p->name, v->turned);
        at[count] = (named_tensor){names[count], p->t};
        count++;
    }
    OK(gguf_writer_open(&w, path, &keys, at, count));
    for (int i = 0; i < count; i++) OK(gguf_writer_put(w, at[i].t.data, tensor_size(&at[i].t)));
    OK(gguf_writer_commit(w));
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    free(at);
    gguf_keys_free(&keys);
}

#endif
