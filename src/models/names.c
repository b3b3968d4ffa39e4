/* names.c - tensor names of the checkpoint generations, brought to one canonical spelling (llava.md 1.2).
 *
 *   generation            language model                   projector                          tower
 *   A original            model.layers                     model.mm_projector.0               model.vision_tower.vision_tower.vision_model.
 *   B transformers 4      language_model.model.layers      multi_modal_projector.linear_1     vision_tower.vision_model.
 *   C transformers 4.52   model.language_model.layers      model.multi_modal_projector.       model.vision_tower.vision_model.
 *   D transformers 5      as C                             as C                               model.vision_tower.
 *   canonical             llm.layers                       proj.0                             vision_tower.
 *   GGUF                  blk.                             mm.0                               v. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

static bool starts(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

static bool is_leftover(const char *key) {
    return strstr(key, "rotary_emb.inv_freq") || strstr(key, ".position_ids") || starts(key, "vision_resampler") ||
           starts(key, "model.vision_resampler");
}

typedef struct {
    const char *from, *to;
} rewrite;

/* The first matching prefix is replaced. */
static char *replace_prefix(const char *key, const rewrite *row, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (starts(key, row[i].from)) return mem_printf("%s%s", row[i].to, key + strlen(row[i].from));
    return mem_strdup(key);
}

char *names_canonical(const char *key) {
    static const rewrite row[] = {
        {"language_model.lm_head.", "lm_head."},
        {"language_model.model.", "llm."},
        {"language_model.", "llm."},
        {"vision_tower.vision_tower.vision_model.", "vision_tower."},
        {"vision_tower.vision_model.", "vision_tower."},
        {"multi_modal_projector.linear_1.", "proj.0."},
        {"multi_modal_projector.linear_2.", "proj.2."},
        {"mm_projector.", "proj."},
        {"lm_head.", "lm_head."},
        {"image_newline", "image_newline"},
        {"vision_tower.", "vision_tower."},
        {"model.", "llm."},
    };
    static const char *const owned[] = {"vision_tower",  "multi_modal_projector", "mm_projector",
                                        "image_newline", "language_model",        "visual"};
    if (is_leftover(key)) return NULL;
    if (starts(key, "model."))
        for (size_t i = 0; i < COUNT_OF(owned); i++)
            if (starts(key + 6, owned[i])) {
                key += 6;
                break;
            }
    return replace_prefix(key, row, COUNT_OF(row));
}

/* New LLaVA checkpoints are written as generation B, which every transformers reads. */
char *names_key_llava(const char *name) {
    static const rewrite row[] = {
        {"lm_head.", "language_model.lm_head."},         {"llm.", "language_model.model."},
        {"proj.0.", "multi_modal_projector.linear_1."},  {"proj.2.", "multi_modal_projector.linear_2."},
        {"vision_tower.", "vision_tower.vision_model."},
    };
    return replace_prefix(name, row, COUNT_OF(row));
}

/* Generation A. */
char *names_key_original(const char *name) {
    static const rewrite row[] = {
        {"llm.", "model."},
        {"proj.", "model.mm_projector."},
        {"image_newline", "model.image_newline"},
        {"vision_tower.", "model.vision_tower.vision_tower.vision_model."},
    };
    return replace_prefix(name, row, COUNT_OF(row));
}

/* llama.cpp's names: blk.7.attn_q.weight. */
static const rewrite gguf_whole[] = {{"token_embd.", "llm.embed_tokens."}, {"output_norm.", "llm.norm."}, {"output.", "lm_head."}};
static const rewrite gguf_part[] = {
    {"attn_norm.", "input_layernorm."},    {"attn_q.", "self_attn.q_proj."},
    {"attn_k.", "self_attn.k_proj."},      {"attn_v.", "self_attn.v_proj."},
    {"attn_output.", "self_attn.o_proj."}, {"attn_q_norm.", "self_attn.q_norm."},
    {"attn_k_norm.", "self_attn.k_norm."}, {"ffn_norm.", "post_attention_layernorm."},
    {"ffn_gate.", "mlp.gate_proj."},       {"ffn_up.", "mlp.up_proj."},
    {"ffn_down.", "mlp.down_proj."},
};

/* Of projector files (v.blk.7.attn_q.weight), which are read only. The LLaVA converter calls the first layer ffn_down and the second ffn_up. */
static const rewrite tower_whole[] = {
    {"v.class_embd", "vision_tower.embeddings.class_embedding"},
    {"v.patch_embd.", "vision_tower.embeddings.patch_embedding."},
    {"v.position_embd.", "vision_tower.embeddings.position_embedding."},
    {"v.pre_ln.", "vision_tower.pre_layrnorm."},
    {"v.post_ln.", "vision_tower.post_layernorm."},
    {"mm.", "proj."},
    {"model.image_newline", "image_newline"},
};
static const rewrite tower_part[] = {
    {"attn_q.", "self_attn.q_proj."},     {"attn_k.", "self_attn.k_proj."}, {"attn_v.", "self_attn.v_proj."},
    {"attn_out.", "self_attn.out_proj."}, {"ln1.", "layer_norm1."},         {"ln2.", "layer_norm2."},
};

static char *canonical_tower(const char *key, bool turned) {
    const rewrite first = {turned ? "ffn_up." : "ffn_down.", "mlp.fc1."}, second = {turned ? "ffn_down." : "ffn_up.", "mlp.fc2."};
    int layer, end = 0;
    for (size_t i = 0; i < COUNT_OF(tower_whole); i++)
        if (starts(key, tower_whole[i].from)) return replace_prefix(key, tower_whole, COUNT_OF(tower_whole));
    if (sscanf(key, "v.blk.%d.%n", &layer, &end) != 1 || !end) return NULL;
    const rewrite *row = starts(key + end, first.from) ? &first : starts(key + end, second.from) ? &second : NULL;
    for (size_t i = 0; i < COUNT_OF(tower_part) && !row; i++)
        if (starts(key + end, tower_part[i].from)) row = &tower_part[i];
    return row ? mem_printf("vision_tower.encoder.layers.%d.%s%s", layer, row->to, key + end + strlen(row->from)) : NULL;
}

static char *canonical_text(const char *key) {
    int layer, end = 0;
    if (sscanf(key, "blk.%d.%n", &layer, &end) != 1 || !end) {
        for (size_t i = 0; i < COUNT_OF(gguf_whole); i++)
            if (starts(key, gguf_whole[i].from)) return replace_prefix(key, gguf_whole, COUNT_OF(gguf_whole));
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(gguf_part); i++)
        if (starts(key + end, gguf_part[i].from))
            return mem_printf("llm.layers.%d.%s%s", layer, gguf_part[i].to, key + end + strlen(gguf_part[i].from));
    return NULL;
}

char *names_canonical_gguf(const char *key) {
    char *name = canonical_text(key);
    return name ? name : canonical_tower(key, false);
}

char *names_canonical_mmproj(const char *key) {
    char *name = canonical_text(key);
    return name ? name : canonical_tower(key, true);
}

char *names_key_gguf(const char *name) {
    int layer, end = 0;
    if (sscanf(name, "llm.layers.%d.%n", &layer, &end) != 1 || !end) {
        for (size_t i = 0; i < COUNT_OF(gguf_whole); i++)
            if (starts(name, gguf_whole[i].to)) return mem_printf("%s%s", gguf_whole[i].from, name + strlen(gguf_whole[i].to));
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(gguf_part); i++)
        if (starts(name + end, gguf_part[i].to))
            return mem_printf("blk.%d.%s%s", layer, gguf_part[i].from, name + end + strlen(gguf_part[i].to));
    return NULL;
}

char *names_key_llm(const char *name) {
    static const rewrite row[] = {{"llm.", "model."}};
    return replace_prefix(name, row, COUNT_OF(row));
}

/* A tower alone: with or without "vision_model." in front. */
char *names_canonical_vit(const char *key) {
    static const rewrite row[] = {{"vision_model.", "vision_tower."}, {"", "vision_tower."}};
    return is_leftover(key) ? NULL : replace_prefix(key, row, COUNT_OF(row));
}

char *names_key_vit(const char *name) {
    static const rewrite row[] = {{"vision_tower.", "vision_model."}};
    return replace_prefix(name, row, COUNT_OF(row));
}

char *names_canonical_clip(const char *key) {
    static const rewrite row[] = {{"vision_model.", "vision_tower."}};
    return is_leftover(key) ? NULL : replace_prefix(key, row, COUNT_OF(row));
}
