/* gguf_projector.c - the tower and projector of a LLaVA in a GGUF file of their own (llama.cpp's "mmproj"), beside a text file.
 *
 * Such files are made from the original LLaVA's checkpoints, 1.5 and 1.6, so both together are one of these: the placeholder is the text
 * "<image>", one picture is padded to a square or cut to tiles as the original code does. Blocks behind the state LLaVA takes are not in the file;
 * where it does not name that state, it is what the last block leaves.
 * Source: llama.cpp tools/mtmd/legacy-models/convert_image_encoder_to_gguf.py; llava.md 1.3, 2.4. */
#include <string.h>

#include "models/models_int.h"

static bool text_is(gguf_text t, const char *s) { return t.size == strlen(s) && !memcmp(t.at, s, t.size); }

static lmm_status check_kind(const gguf *g) {
    gguf_text arch, kind;
    bool has_projector = false;
    lmm_status st = gguf_string(g, "general.architecture", NULL, &arch);
    if (!st) st = gguf_bool(g, "clip.has_llava_projector", false, &has_projector);
    if (!st) st = gguf_string(g, gguf_has(g, "clip.projector_type") ? "clip.projector_type" : "clip.vision.projector_type", "mlp", &kind);
    if (st) return st;
    if (!text_is(arch, "clip"))
        return LMM_FAIL(LMM_E_FORMAT, "it is no projector file: its architecture is '%.*s', not 'clip'",
                        (int)(arch.size < 80 ? arch.size : 80), arch.at);
    if (!text_is(kind, "mlp"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "projectors of the type '%.*s' are not supported (mlp, that of LLaVA, is)",
                        (int)(kind.size < 80 ? kind.size : 80), kind.at);
    return has_projector ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "it holds no projector of LLaVA: clip.has_llava_projector is not true");
}

static lmm_status set_class(tree *config) {
    static const struct {
        const char *type, *class;
    } row[] = {{"llama", "LlavaLlamaForCausalLM"}, {"mistral", "LlavaMistralForCausalLM"}, {"qwen2", "LlavaQwenForCausalLM"}};
    const char *type = tree_str(config, "model_type", "");
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        if (strcmp(type, row[i].type)) continue;
        tree *classes = tree_new(TREE_LIST);
        tree_add(classes, tree_new_string(row[i].class));
        return tree_put(config, "architectures", classes), LMM_OK;
    }
    return LMM_FAIL(LMM_E_UNSUPPORTED, "no LLaVA has a language model of the type '%s' (llama, mistral, qwen2 have)", type);
}

static lmm_status put_tower(tree *config, const gguf *g) {
    gguf_reader r = {.g = g, .prefix = "clip.vision", .config = tree_new(TREE_MAP)};
    tree_put(config, "vision_config", r.config);
    bool gelu = false, clip = gguf_find(g, "v.class_embd") != NULL;
    tree_put(r.config, "model_type", tree_new_string(clip ? "clip_vision_model" : "siglip_vision_model"));
    gguf_copy_int(&r, "hidden_size", "embedding_length");
    gguf_copy_int(&r, "intermediate_size", "feed_forward_length");
    gguf_copy_int(&r, "num_hidden_layers", "block_count");
    gguf_copy_int(&r, "num_attention_heads", "attention.head_count");
    gguf_copy_int(&r, "image_size", "image_size");
    gguf_copy_int(&r, "patch_size", "patch_size");
    tree_put(r.config, "layer_norm_eps", tree_new_real(gguf_read_real(&r, "attention.layer_norm_epsilon", clip ? 1e-5 : 1e-6)));
    lmm_status st = r.status ? r.status : gguf_bool(g, "clip.use_gelu", false, &gelu);
    if (clip) tree_put(r.config, "hidden_act", tree_new_string(gelu ? "gelu" : "quick_gelu"));
    return st;
}

static lmm_status put_state(tree *config, const gguf *g) {
    gguf_list states;
    lmm_status st = gguf_array(g, "clip.vision.feature_layer", GGUF_I32, &states);
    if (st) return st;
    if (states.count > 1) return LMM_FAIL(LMM_E_UNSUPPORTED, "clip.vision.feature_layer lists %d layers, one is supported", states.count);
    tree_put(config, "mm_vision_select_layer", tree_new_int(states.count ? gguf_list_i32(&states, 0) : -1));
    return LMM_OK;
}

static lmm_status put_text(tree *config, const gguf *g, const char *key, const char *name, const char *fallback) {
    gguf_text t;
    lmm_status st = gguf_string(g, key, fallback, &t);
    if (!st) tree_put(config, name, tree_new_text(t.at, t.size));
    return st;
}

static lmm_status put_pictures(tree *config, const gguf *g) {
    gguf_list flat;
    lmm_status st = gguf_array(g, "clip.vision.image_grid_pinpoints", GGUF_I32, &flat);
    if (st) return st;
    if (flat.count % 2 || flat.count > 2 * TILE_GRID_MAX)
        return LMM_FAIL(LMM_E_FORMAT, "clip.vision.image_grid_pinpoints has %d numbers: pairs, at most %d, are expected", flat.count,
                        TILE_GRID_MAX);
    tree *grid = tree_new(TREE_LIST);
    for (int i = 0; i < flat.count; i += 2) {
        tree *pair = tree_new(TREE_LIST);
        tree_add(pair, tree_new_int(gguf_list_i32(&flat, i)));
        tree_add(pair, tree_new_int(gguf_list_i32(&flat, i + 1)));
        tree_add(grid, pair);
    }
    if (flat.count) tree_put(config, "image_grid_pinpoints", grid);
    else tree_free(grid);
    st = put_text(config, g, "clip.vision.image_aspect_ratio", "image_aspect_ratio", flat.count ? "anyres" : "pad");
    return st ? st
              : put_text(config, g, "clip.vision.mm_patch_merge_type", "mm_patch_merge_type",
                         gguf_find(g, "model.image_newline") ? "spatial_unpad" : "flat");
}

lmm_status gguf_projector_config(tree *config, const gguf *g) {
    lmm_status st = check_kind(g);
    if (!st) st = set_class(config);
    if (!st) st = put_tower(config, g);
    if (!st) st = put_state(config, g);
    return st ? st : put_pictures(config, g);
}

static lmm_status read_channels(double out[3], const gguf *g, const char *key) {
    gguf_list l;
    lmm_status st = gguf_array(g, key, GGUF_F32, &l);
    if (st || !l.count) return st;
    if (l.count != 3) return LMM_FAIL(LMM_E_FORMAT, "%s has %d values, a picture 3 channels", key, l.count);
    for (int i = 0; i < 3; i++) out[i] = (double)gguf_list_f32(&l, i);
    return LMM_OK;
}

lmm_status gguf_projector_finish(net *n, const gguf *g) {
    lmm_status st = read_channels(n->pre.mean, g, "clip.vision.image_mean");
    if (!st) st = read_channels(n->pre.std, g, "clip.vision.image_std");
    for (int i = 0; i < 3 && !st; i++)
        if (!(n->pre.std[i] > 0)) st = LMM_FAIL(LMM_E_FORMAT, "clip.vision.image_std has a value that is not positive");
    n->video_pre = n->pre;
    return st;
}

bool gguf_projector_turned(const checkpoint *file) {
    const tensor *down = checkpoint_find(file, "v.blk.0.ffn_down.weight");
    return down && down->nd == 2 && down->ne[0] < down->ne[1]; /* fewer outputs than inputs: it does go down */
}
