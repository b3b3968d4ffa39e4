/* from_folder.c - a language model of Hugging Face layout as GGUF metadata and tensors, spelled as llama.cpp's converter does
 * (convert_hf_to_gguf.py, gguf-py/gguf/constants.py). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

/* ---- metadata ---- */

typedef struct {
    gguf_keys *keys;
    const char *family;
    char name[128];
} scope;

static const char *below(scope *s, const char *key) {
    snprintf(s->name, sizeof s->name, "%s.%s", s->family, key);
    return s->name;
}

static void put_text(gguf_keys *k, const char *key, const char *s) { gguf_put_string(k, key, s, strlen(s)); }

/* What the blocks have tells the family, whatever a config calls itself: Mistral, Vicuna and Yi are Llama here, as in llama.cpp. */
static const char *family_of(const decoder_config *c) { return c->qk_norm ? "qwen3" : c->qkv_bias && !c->o_bias ? "qwen2" : "llama"; }

static bool is_llama(const decoder_config *c) { return !strcmp(family_of(c), "llama"); }

static lmm_status put_rope(scope *s, const decoder_config *c) {
    const rope_spec *r = &c->rope;
    gguf_put_f32(s->keys, below(s, "rope.freq_base"), (float)r->theta);
    if (is_llama(c)) gguf_put_u32(s->keys, below(s, "rope.dimension_count"), (uint32_t)c->head_dim);
    if (r->type == ROPE_YARN || r->type == ROPE_LLAMA3)
        gguf_put_u32(s->keys, below(s, "rope.scaling.original_context_length"), (uint32_t)r->context_original);
    if (r->type != ROPE_LINEAR && r->type != ROPE_YARN) return LMM_OK; /* llama3: a tensor; dynamic: the same up to the model's context */
    if (r->type == ROPE_YARN && (r->beta_fast != 32.0 || r->beta_slow != 1.0 || r->attention_factor > 0))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "rope scaling yarn with its own beta or attention factor has no place in GGUF files");
    put_text(s->keys, below(s, "rope.scaling.type"), r->type == ROPE_YARN ? "yarn" : "linear");
    gguf_put_f32(s->keys, below(s, "rope.scaling.factor"), (float)r->factor);
    return LMM_OK;
}

static lmm_status put_metadata(gguf_keys *keys, const decoder_config *c, const char *name) {
    scope s = {.keys = keys, .family = family_of(c)};
    const struct {
        const char *key;
        int value;
    } counts[] = {
        {"block_count", c->layer_count},       {"context_length", c->context},          {"embedding_length", c->hidden},
        {"feed_forward_length", c->mlp},       {"attention.head_count", c->head_count}, {"attention.head_count_kv", c->kv_head_count},
        {"attention.key_length", c->head_dim}, {"attention.value_length", c->head_dim},
    };
    put_text(keys, "general.architecture", s.family);
    put_text(keys, "general.type", "model");
    put_text(keys, "general.name", name);
    for (size_t i = 0; i < COUNT_OF(counts); i++) gguf_put_u32(keys, below(&s, counts[i].key), (uint32_t)counts[i].value);
    lmm_status st = put_rope(&s, c);
    gguf_put_f32(keys, below(&s, "attention.layer_norm_rms_epsilon"), c->eps);
    if (c->window && !is_llama(c))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "a sliding window of %d tokens has no place in GGUF files here", c->window);
    if (c->window)
        gguf_put_u32(keys, below(&s, "attention.sliding_window"), (uint32_t)c->window); /* Mistral 7B v0.1; ours alone reads it */
    if (is_llama(c)) gguf_put_u32(keys, below(&s, "vocab_size"), (uint32_t)c->vocab);
    return st;
}

/* ---- tensors ---- */

static int heads_in(const char *name, const decoder_config *c) {
    if (!is_llama(c)) return 0;
    return strstr(name, ".attn_q.") ? c->head_count : strstr(name, ".attn_k.") ? c->kv_head_count : 0;
}

/* What llama3 scaling divides each frequency by. */
static void plan_rope_factors(tensor_plan *plan, const decoder_config *c) {
    if (c->rope.type != ROPE_LLAMA3) return;
    int half = c->head_dim / 2;
    float *factors = mem_new((size_t)half, sizeof *factors), scaled[ROPE_PAIRS_MAX], plain[ROPE_PAIRS_MAX], unused;
    rope_spec unscaled = c->rope;
    unscaled.type = ROPE_DEFAULT;
    rope_freqs(&c->rope, c->head_dim, 1, scaled, &unused);
    rope_freqs(&unscaled, c->head_dim, 1, plain, &unused);
    for (int i = 0; i < half; i++) factors[i] = plain[i] / scaled[i];
    tensor t = tensor_make(DT_F32, 1, (int64_t[]){half}, factors);
    VEC_PUSH(plan, ((planned_tensor){.name = mem_strdup("rope_freqs.weight"), .from = t, .type = DT_F32, .owned = factors}));
}

lmm_status plan_network(tensor_plan *plan, gguf_keys *keys, const net *n, const char *name) {
    if (!n->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "it is a model of the family '%s', which generates no text", n->arch->name);
    const decoder_config *c = &n->dec.config;
    lmm_status st = put_metadata(keys, c, name);
    plan_rope_factors(plan, c);
    for (int i = 0; i < n->params.list.count && !st; i++) {
        const param *p = n->params.list.at[i];
        if (p->part != PART_DECODER) continue;
        char *to = names_key_gguf(p->name);
        if (!to) return LMM_FAIL(LMM_E_UNSUPPORTED, "tensor '%s' has no name in GGUF files", p->name);
        VEC_PUSH(plan, ((planned_tensor){.name = to, .from = p->t, .type = p->t.type, .init = p->init, .heads = heads_in(to, c)}));
    }
    return st;
}

static char *folder_name(const char *dir) {
    char *full = path_join(dir, ""), *end = full + strlen(full);
    while (end > full + 1 && end[-1] == '/') *--end = '\0';
    char *name = mem_strdup(path_base(full));
    free(full);
    return name;
}

lmm_status plan_folder(tensor_plan *plan, gguf_keys *keys, const net *n, const char *dir, int file_type) {
    char *name = folder_name(dir);
    lmm_status st = plan_network(plan, keys, n, name);
    free(name);
    if (!st) st = plan_vocabulary(keys, dir, n->dec.config.vocab);
    gguf_put_u32(keys, "general.file_type", (uint32_t)file_type);
    gguf_put_u32(keys, "general.quantization_version", QUANTIZATION_VERSION);
    return st;
}
