/* whisper.c - Whisper in Hugging Face's layout and in CTranslate2's: names, config, weights. What it says is decoded in engine/transcribe.c. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

typedef struct {
    const char *file, *canonical;
} part;

/* The encoder's layer is the one CLIP has, under its names. */
static const part encoder_parts[] = {{".self_attn_layer_norm.", ".layer_norm1."},
                                     {".final_layer_norm.", ".layer_norm2."},
                                     {".fc1.", ".mlp.fc1."},
                                     {".fc2.", ".mlp.fc2."}};

static bool starts(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

static char *replace(const char *s, const char *from, const char *to) {
    const char *at = strstr(s, from);
    return at ? mem_printf("%.*s%s%s", (int)(at - s), s, to, at + strlen(from)) : NULL;
}

char *names_whisper_encoder(const char *key) {
    for (size_t i = 0; i < COUNT_OF(encoder_parts); i++) {
        char *name = replace(key, encoder_parts[i].file, encoder_parts[i].canonical);
        if (name) return name;
    }
    return mem_strdup(key);
}

static char *whisper_canonical(const char *key) {
    if (starts(key, "model.encoder.")) return names_whisper_encoder(key + strlen("model."));
    if (starts(key, "model.decoder.")) return mem_strdup(key + strlen("model."));
    return starts(key, "proj_out.") ? mem_printf("head.%s", key + strlen("proj_out.")) : NULL;
}

static char *whisper_key(const char *name) {
    if (starts(name, "head.")) return mem_printf("proj_out.%s", name + strlen("head."));
    if (starts(name, "encoder."))
        for (size_t i = 0; i < COUNT_OF(encoder_parts); i++) {
            char *file = replace(name, encoder_parts[i].canonical, encoder_parts[i].file),
                 *key = file ? mem_printf("model.%s", file) : NULL;
            free(file);
            if (key) return key;
        }
    return mem_printf("model.%s", name);
}

static lmm_status whisper_net_bind(net *n, const tree *config, binder *b) {
    whisper_config c;
    lmm_status st = whisper_config_read(&c, config, "config.json");
    if (st) return st;
    n->has_whisper = true;
    return whisper_bind(&n->whisper, &c, b);
}

const lmm_arch arch_whisper = {
    .name = "whisper",
    .hf = (const char *const[]){"WhisperForConditionalGeneration", NULL},
    .types = (const char *const[]){"whisper", NULL},
    .canonical = whisper_canonical,
    .key_of = whisper_key,
    .bind = whisper_net_bind,
};

/* ---- CTranslate2 ---- */

static const part ct2_parts[] = {
    {"self_attention/layer_norm/gamma", "self_attn_layer_norm.weight"},
    {"self_attention/layer_norm/beta", "self_attn_layer_norm.bias"},
    {"self_attention/linear_0/weight.0", "self_attn.q_proj.weight"},
    {"self_attention/linear_0/weight.1", "self_attn.k_proj.weight"},
    {"self_attention/linear_0/weight.2", "self_attn.v_proj.weight"},
    {"self_attention/linear_0/bias.0", "self_attn.q_proj.bias"},
    {"self_attention/linear_0/bias.2", "self_attn.v_proj.bias"},
    {"self_attention/linear_1/weight", "self_attn.out_proj.weight"},
    {"self_attention/linear_1/bias", "self_attn.out_proj.bias"},
    {"attention/layer_norm/gamma", "encoder_attn_layer_norm.weight"},
    {"attention/layer_norm/beta", "encoder_attn_layer_norm.bias"},
    {"attention/linear_0/weight", "encoder_attn.q_proj.weight"},
    {"attention/linear_0/bias", "encoder_attn.q_proj.bias"},
    {"attention/linear_1/weight.0", "encoder_attn.k_proj.weight"},
    {"attention/linear_1/weight.1", "encoder_attn.v_proj.weight"},
    {"attention/linear_1/bias.1", "encoder_attn.v_proj.bias"},
    {"attention/linear_2/weight", "encoder_attn.out_proj.weight"},
    {"attention/linear_2/bias", "encoder_attn.out_proj.bias"},
    {"ffn/layer_norm/gamma", "final_layer_norm.weight"},
    {"ffn/layer_norm/beta", "final_layer_norm.bias"},
    {"ffn/linear_0/weight", "fc1.weight"},
    {"ffn/linear_0/bias", "fc1.bias"},
    {"ffn/linear_1/weight", "fc2.weight"},
    {"ffn/linear_1/bias", "fc2.bias"},
};
static const part ct2_outside[] = {
    {"conv1/weight", "conv1.weight"},
    {"conv1/bias", "conv1.bias"},
    {"conv2/weight", "conv2.weight"},
    {"conv2/bias", "conv2.bias"},
    {"position_encodings/encodings", "embed_positions.weight"},
    {"embeddings/weight", "embed_tokens.weight"},
    {"layer_norm/gamma", "layer_norm.weight"},
    {"layer_norm/beta", "layer_norm.bias"},
};

static const char *find_part(const part *row, size_t n, const char *file) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(row[i].file, file)) return row[i].canonical;
    return NULL;
}

/* "decoder/layer_3/ffn/linear_0/bias" is Hugging Face's "model.decoder.layers.3.fc1.bias"; a variable nobody reads has no name. */
char *names_canonical_ct2(const char *key) {
    const char *side = starts(key, "encoder/") ? "encoder" : "decoder", *rest = key + strlen("encoder/"), *name;
    if (!starts(key, "encoder/") && !starts(key, "decoder/")) return NULL;
    if (!strcmp(key, "decoder/projection/weight")) return mem_strdup("head.weight");
    char *hf = NULL;
    if (starts(rest, "layer_") && rest[6] >= '0' && rest[6] <= '9') {
        size_t digits = strspn(rest + 6, "0123456789");
        const char *inside = rest + 6 + digits;
        name = *inside == '/' ? find_part(ct2_parts, COUNT_OF(ct2_parts), inside + 1) : NULL;
        if (name) hf = mem_printf("model.%s.layers.%.*s.%s", side, (int)digits, rest + 6, name);
    } else if ((name = find_part(ct2_outside, COUNT_OF(ct2_outside), rest))) hf = mem_printf("model.%s.%s", side, name);
    char *canonical = hf ? whisper_canonical(hf) : NULL;
    free(hf);
    return canonical;
}

/* Queries, keys and values of one source lie under each other in one matrix. */
lmm_status ct2_net_split(checkpoint *file) {
    lmm_status st = LMM_OK;
    for (int i = 0, n = checkpoint_count(file); i < n && !st; i++) {
        const char *name = checkpoint_at(file, i)->name;
        bool self = strstr(name, "/self_attention/linear_0/") != NULL, cross = strstr(name, "/attention/linear_1/") != NULL;
        if ((self || cross) && (text_ends(name, "/weight") || text_ends(name, "/bias"))) st = checkpoint_split_rows(file, i, self ? 3 : 2);
    }
    return st;
}

static int64_t size_of(const ct2 *c, const char *name, int dimension) {
    const tensor *t = ct2_find(c, name);
    return t && dimension < t->nd ? t->ne[dimension] : 0;
}

static int64_t flag_of(const ct2 *c, const char *name, int64_t fallback) {
    const tensor *t = ct2_find(c, name);
    if (!t || tensor_count(t) != 1) return fallback;
    const unsigned char *p = t->data;
    if (t->type == DT_I8) return (int8_t)p[0];
    return t->type == DT_I16 ? (int16_t)(p[0] | p[1] << 8) : fallback;
}

static int layers_of(const ct2 *c, const char *side) {
    for (int i = 0;; i++) {
        char *name = mem_printf("%s/layer_%d/ffn/linear_0/weight", side, i);
        bool there = ct2_find(c, name) != NULL;
        free(name);
        if (!there) return i;
    }
}

static void put_list(tree *config, const char *key, const tree *own, const char *its) {
    if (tree_get(own, its)) tree_put(config, key, tree_copy(tree_get(own, its)));
}

/* Hugging Face's config.json from what the file holds; own: the config.json beside it, with the ids that are never said. */
lmm_status ct2_net_config(tree **out, const ct2 *c, const tree *own) {
    static const char *const activations[] = {"relu", "gelu_new", "silu", "gelu"};
    int64_t act = flag_of(c, "decoder/activation", 3);
    if (strcmp(ct2_spec(c), "WhisperSpec") != 0)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "it holds a '%.60s'; of CTranslate2's models Whisper (WhisperSpec) is read", ct2_spec(c));
    if (act < 0 || act >= (int64_t)COUNT_OF(activations)) return LMM_FAIL(LMM_E_UNSUPPORTED, "its activation %d is not known", (int)act);
    const struct {
        const char *key;
        int64_t value;
    } row[] = {
        {"d_model", size_of(c, "decoder/embeddings/weight", 1)},
        {"encoder_layers", layers_of(c, "encoder")},
        {"encoder_attention_heads", flag_of(c, "encoder/num_heads", 0)},
        {"encoder_ffn_dim", size_of(c, "encoder/layer_0/ffn/linear_0/weight", 0)},
        {"num_mel_bins", size_of(c, "encoder/conv1/weight", 1)},
        {"max_source_positions", size_of(c, "encoder/position_encodings/encodings", 0)},
        {"decoder_layers", layers_of(c, "decoder")},
        {"decoder_attention_heads", flag_of(c, "decoder/num_heads", 0)},
        {"decoder_ffn_dim", size_of(c, "decoder/layer_0/ffn/linear_0/weight", 0)},
        {"max_target_positions", size_of(c, "decoder/position_encodings/encodings", 0)},
        {"vocab_size", size_of(c, "decoder/embeddings/weight", 0)},
    };
    tree *t = tree_new(TREE_MAP), *classes = tree_new(TREE_LIST);
    tree_add(classes, tree_new_string(arch_whisper.hf[0]));
    tree_put(t, "architectures", classes);
    tree_put(t, "model_type", tree_new_string(arch_whisper.types[0]));
    for (size_t i = 0; i < COUNT_OF(row); i++) tree_put(t, row[i].key, tree_new_int(row[i].value));
    tree_put(t, "activation_function", tree_new_string(activations[act]));
    tree_put(t, "scale_embedding", tree_new_bool(flag_of(c, "decoder/scale_embeddings", 0) != 0));
    const tensor *head = ct2_find(c, "decoder/projection/weight"), *embed = ct2_find(c, "decoder/embeddings/weight");
    tree_put(t, "tie_word_embeddings", tree_new_bool(!head || (embed && head->data == embed->data)));
    put_list(t, "suppress_tokens", own, "suppress_ids");
    put_list(t, "begin_suppress_tokens", own, "suppress_ids_begin");
    return *out = t, LMM_OK;
}
