/* to_folder.c - a GGUF file as a folder of Hugging Face layout: weights, config, tokenizer, chat template.
 *
 * GGUF files have vectors in F32 whatever the matrices have. They go back to the matrices' type where no value changes, so a folder that went to GGUF
 * comes back as it was. Blocks become F32, which holds their values exactly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

/* ---- weights ---- */

/* The float type most matrices have; F32 when blocks are among them. */
static dtype matrix_type(const net *n) {
    int64_t count[DT_COUNT] = {0};
    for (int i = 0; i < n->params.list.count; i++) {
        const tensor *t = &n->params.list.at[i]->t;
        if (t->nd == 2) count[dtype_block(t->type) > 1 ? DT_F32 : t->type] += tensor_count(t);
    }
    return count[DT_F16] > count[DT_F32] && count[DT_F16] > count[DT_BF16] ? DT_F16 : count[DT_BF16] > count[DT_F32] ? DT_BF16 : DT_F32;
}

/* A copy in `type` when it has the same values; NULL when it has not. */
static void *narrowed(const tensor *t, dtype type) {
    int64_t n = tensor_count(t);
    void *copy = mem_new((size_t)n, dtype_size(type));
    float *back = mem_new((size_t)n, sizeof *back);
    kernel_encode(copy, tensor_f32(t), dtype_kernel(type), n);
    kernels_generic.to_f32(back, copy, dtype_kernel(type), n);
    bool same = !memcmp(back, t->data, (size_t)n * sizeof *back);
    free(back);
    if (same) return copy;
    free(copy);
    return NULL;
}

typedef VEC(void *) copies;

static lmm_status fit_tensor(tensor *t, dtype type, const char *name, copies *owned) {
    void *copy = NULL;
    dtype to = type;
    lmm_status st = LMM_OK;
    if (t->woven) {
        if ((st = tensor_straighten(t, &copy, name))) return st;
        VEC_PUSH(owned, copy);
        copy = NULL;
    }
    if (dtype_block(t->type) > 1) {
        to = DT_F32;
        if ((st = mem_try(&copy, (size_t)tensor_count(t) * sizeof(float), name))) return st;
        kernels_generic.to_f32(copy, t->data, dtype_kernel(t->type), tensor_count(t));
    } else if (t->nd == 1 && t->type == DT_F32 && type != DT_F32) {
        copy = narrowed(t, type);
    }
    if (!copy) return LMM_OK;
    VEC_PUSH(owned, copy);
    *t = tensor_make(to, t->nd, t->ne, copy);
    return LMM_OK;
}

static lmm_status save_weights(const net *n, dtype type, const char *dir, bool quiet) {
    int count = n->params.list.count;
    named_tensor *at = mem_new((size_t)count + 1, sizeof *at);
    copies owned = {0};
    tree *metadata = tree_new(TREE_MAP);
    tree_put(metadata, "format", tree_new_string("pt"));
    lmm_status st = LMM_OK;
    progress *bar = quiet ? NULL : progress_new("converting", count, "tensors");
    for (int i = 0; i < count && !st; i++) {
        const param *p = n->params.list.at[i];
        at[i] = (named_tensor){p->key, p->t};
        st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped while converting") : fit_tensor(&at[i].t, type, p->key, &owned);
        progress_set(bar, i + 1, p->key);
    }
    if (!st) st = safetensors_save_dir(dir, at, count, metadata, (size_t)4 << 30);
    progress_free(bar);
    for (int i = 0; i < owned.count; i++) free(owned.at[i]);
    free(owned.at);
    tree_free(metadata);
    free(at);
    return st;
}

/* ---- the files beside them ---- */

/* Whether llama3 scaling as `s` describes it divides the frequencies by the file's factors. */
static bool makes_factors(rope_spec s, int head_dim, const float *factors) {
    float scaled[ROPE_PAIRS_MAX], plain[ROPE_PAIRS_MAX], unused;
    rope_freqs(&s, head_dim, 1, scaled, &unused);
    s.type = ROPE_DEFAULT;
    rope_freqs(&s, head_dim, 1, plain, &unused);
    for (int k = 0; k < head_dim / 2; k++)
        if (!(fabsf(plain[k] / factors[k] - scaled[k]) <= 1e-5f * scaled[k])) return false;
    return true;
}

/* Llama 3.1's rope scaling is one tensor of factors in GGUF files and four numbers in a config: of those that were published the ones that make
 * the factors. */
static lmm_status put_rope_scaling(tree *config, const net *n, int64_t context_original) {
    const rope_spec *have = &n->dec.config.rope;
    if (!have->factors) return LMM_OK;
    for (double factor = 1; factor <= 64; factor++) {
        rope_spec s = {.type = ROPE_LLAMA3, .theta = have->theta, .factor = factor, .low_freq_factor = 1, .high_freq_factor = 4};
        s.context_original = (int)context_original;
        if (!makes_factors(s, n->dec.config.head_dim, have->factors)) continue;
        tree *t = tree_new(TREE_MAP);
        tree_put(t, "rope_type", tree_new_string("llama3"));
        tree_put(t, "factor", tree_new_real(factor));
        tree_put(t, "low_freq_factor", tree_new_real(1));
        tree_put(t, "high_freq_factor", tree_new_real(4));
        tree_put(t, "original_max_position_embeddings", tree_new_int(context_original));
        return tree_put(config, "rope_scaling", t), LMM_OK;
    }
    return LMM_FAIL(LMM_E_UNSUPPORTED, "tensor 'rope_freqs.weight' holds factors no published rope scaling makes");
}

static lmm_status save_config(const net *n, dtype type, const char *dir) {
    tree *config = tree_copy(n->config);
    int64_t context = 8192; /* Llama 3's, when the file does not say */
    lmm_status st = gguf_int(checkpoint_gguf(n->file), "llama.rope.scaling.original_context_length", context, &context);
    if (!st) st = put_rope_scaling(config, n, context < 1 || context > INT32_MAX ? 8192 : context);
    tree_put(config, "torch_dtype", tree_new_string(type == DT_F16 ? "float16" : type == DT_BF16 ? "bfloat16" : "float32"));
    if (!st) st = tree_save_json(config, dir, "config.json", 2);
    tree_free(config);
    return st;
}

static lmm_status save_text(const gguf *g, const char *dir) {
    tree *json = NULL, *config = NULL;
    gguf_text chat = {0};
    lmm_status st = gguf_text_json(&json, &config, g);
    if (!st && gguf_has(g, "tokenizer.chat_template")) st = gguf_string(g, "tokenizer.chat_template", NULL, &chat);
    if (!st && chat.size) tree_put(config, "chat_template", tree_new_text(chat.at, chat.size));
    if (!st) st = tree_save_json(json, dir, "tokenizer.json", 2);
    if (!st) st = tree_save_json(config, dir, "tokenizer_config.json", 2);
    tree_free(json);
    tree_free(config);
    return st;
}

lmm_status folder_of_gguf(const char *in, const char *out, bool quiet) {
    net *n = NULL;
    char *tmp = NULL;
    lmm_status st = net_open(&n, in);
    if (st) return st;
    if (!n->has_decoder) st = LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' holds no language model: nothing to make a folder of", in);
    if (!st) st = dir_replace_begin(&tmp, out);
    if (!st) {
        dtype type = matrix_type(n);
        st = save_weights(n, type, tmp, quiet);
        if (!st) st = save_config(n, type, tmp);
        if (!st) st = save_text(checkpoint_gguf(n->file), tmp);
        if (!st) st = dir_replace_commit(tmp, out);
        else folder_abandon(tmp, st);
    }
    free(tmp);
    net_free(n);
    return st;
}
