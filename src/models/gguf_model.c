/* gguf_model.c - a GGUF file as the network it holds: its metadata as a config.json, its rows in our order.
 *
 * llama.cpp's rope turns pairs (2i, 2i + 1) for the architecture "llama", so its converter weaves the halves of q's and k's heads; ours turns
 * (i, i + d/2), as in transformers (llava.md 4.2). The weights stay where they lie, marked: op_linear puts its outputs in order. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

static lmm_status vocabulary_bind(net *n, const tree *config, binder *b) {
    (void)n, (void)config, (void)b;
    return LMM_OK;
}

const lmm_arch arch_vocabulary = {
    .name = "vocabulary",
    .answers = true,
    .hf = (const char *const[]){NULL},
    .types = (const char *const[]){NULL},
    .canonical = names_canonical,
    .key_of = names_key_llm,
    .bind = vocabulary_bind,
};

/* ---- config ---- */

typedef struct {
    const char *gguf, *class, *type;
} family;
static const family families[] = {
    {"llama", "LlamaForCausalLM", "llama"},
    {"qwen2", "Qwen2ForCausalLM", "qwen2"},
    {"qwen3", "Qwen3ForCausalLM", "qwen3"},
};

static lmm_status family_find(const family **out, const gguf *g) {
    gguf_text t;
    lmm_status st = gguf_string(g, "general.architecture", NULL, &t);
    if (st) return st;
    if (t.size == 4 && !memcmp(t.at, "clip", 4))
        return LMM_FAIL(LMM_E_ARG, "it holds the tower and projector of a model that sees: give the language model's file, and this one "
                                   "with --mmproj");
    buf known = {0};
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (strlen(families[i].gguf) == t.size && !memcmp(families[i].gguf, t.at, t.size))
            return buf_free(&known), *out = &families[i], LMM_OK;
        buf_printf(&known, "%s%s", known.size ? ", " : "", families[i].gguf);
    }
    st = LMM_FAIL(LMM_E_UNSUPPORTED, "the architecture '%.*s' is not known in GGUF files (known: %s)", (int)(t.size < 80 ? t.size : 80),
                  t.at, known.data);
    buf_free(&known);
    return st;
}

/* A file of the architecture "llama" with a sliding window: what transformers calls Mistral. */
static const family mistral = {"llama", "MistralForCausalLM", "mistral"};

static const char *key_of(const gguf_reader *r, const char *key, char text[128]) {
    snprintf(text, 128, "%s.%s", r->prefix, key);
    return text;
}

int64_t gguf_read_int(gguf_reader *r, const char *key, int64_t fallback) {
    char full[128];
    int64_t n = fallback;
    if (!r->status) r->status = gguf_int(r->g, key_of(r, key, full), fallback, &n);
    return n;
}

double gguf_read_real(gguf_reader *r, const char *key, double fallback) {
    char full[128];
    double x = fallback;
    if (!r->status) r->status = gguf_real(r->g, key_of(r, key, full), fallback, &x);
    return x;
}

/* A count every file has. */
void gguf_copy_int(gguf_reader *r, const char *name, const char *key) {
    char full[128];
    if (!r->status && !gguf_has(r->g, key_of(r, key, full))) r->status = LMM_FAIL(LMM_E_FORMAT, "metadata '%s' is missing", full);
    tree_put(r->config, name, tree_new_int(gguf_read_int(r, key, 0)));
}

static void put_heads(gguf_reader *r) {
    gguf_copy_int(r, "num_attention_heads", "attention.head_count");
    int64_t heads = tree_int(r->config, "num_attention_heads", 0), hidden = tree_int(r->config, "hidden_size", 0);
    tree_put(r->config, "num_key_value_heads", tree_new_int(gguf_read_int(r, "attention.head_count_kv", heads)));
    int64_t size = gguf_read_int(r, "attention.key_length", heads > 0 ? hidden / heads : 0);
    int64_t values = gguf_read_int(r, "attention.value_length", size), turned = gguf_read_int(r, "rope.dimension_count", size);
    if (!r->status && (values != size || turned != size))
        r->status =
            LMM_FAIL(LMM_E_UNSUPPORTED, "heads of %" PRId64 " values with %" PRId64 " turned and values of %" PRId64 " are not supported",
                     size, turned, values);
    if (heads > 0 && size * heads != hidden) tree_put(r->config, "head_dim", tree_new_int(size));
}

static void put_rope(gguf_reader *r) {
    char full[128];
    gguf_text type = {"none", 4};
    if (!r->status) r->status = gguf_string(r->g, key_of(r, "rope.scaling.type", full), "none", &type);
    tree_put(r->config, "rope_theta", tree_new_real(gguf_read_real(r, "rope.freq_base", 10000.0)));
    double factor = gguf_read_real(r, "rope.scaling.factor", gguf_read_real(r, "rope.scale_linear", 1.0));
    bool none = type.size == 4 && !memcmp(type.at, "none", 4);
    if (none && factor == 1.0) return;
    tree *scaling = tree_new(TREE_MAP);
    tree_put(scaling, "rope_type",
             none ? tree_new_string("linear") : tree_new_text(type.at, type.size)); /* linear and yarn are spelled as ours */
    tree_put(scaling, "factor", tree_new_real(factor));
    int64_t old = gguf_read_int(r, "rope.scaling.original_context_length", 0);
    if (old > 0) tree_put(scaling, "original_max_position_embeddings", tree_new_int(old));
    tree_put(r->config, "rope_scaling", scaling);
}

/* What the tensors themselves tell. */
static void put_shapes(gguf_reader *r, const family *f) {
    const tensor *embed = gguf_find(r->g, "token_embd.weight");
    if (!r->status && (!embed || embed->nd != 2)) r->status = LMM_FAIL(LMM_E_FORMAT, "tensor 'token_embd.weight' is missing or no matrix");
    tree_put(r->config, "vocab_size", tree_new_int(embed ? embed->ne[0] : 0));
    tree_put(r->config, "tie_word_embeddings", tree_new_bool(!gguf_find(r->g, "output.weight")));
    if (strcmp(f->gguf, "llama")) return;
    tree_put(r->config, "attention_bias", tree_new_bool(gguf_find(r->g, "blk.0.attn_q.bias") != NULL));
    tree_put(r->config, "mlp_bias", tree_new_bool(gguf_find(r->g, "blk.0.ffn_gate.bias") != NULL));
}

/* The tokens that end an answer: of the text, of a turn, of a message to a tool. */
static void put_ends(gguf_reader *r) {
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    tree *list = tree_new(TREE_LIST);
    for (size_t i = 0; i < COUNT_OF(keys) && !r->status; i++) {
        int64_t id = -1;
        r->status = gguf_int(r->g, keys[i], -1, &id);
        if (id >= 0 && id <= INT32_MAX) tree_add(list, tree_new_int(id));
    }
    if (list->count) tree_put(r->config, "eos_token_id", list);
    else tree_free(list);
}

static lmm_status check_whole(gguf_reader *r) {
    int64_t parts = 1;
    lmm_status st = gguf_int(r->g, "split.count", 1, &parts);
    if (!st && parts > 1)
        st = LMM_FAIL(LMM_E_UNSUPPORTED, "it is one of %" PRId64 " parts of a model: merge them with llama-gguf-split first", parts);
    if (!st && gguf_read_int(r, "expert_count", 0) > 0)
        st = LMM_FAIL(LMM_E_UNSUPPORTED, "it is a mixture of experts, which is not supported");
    return st ? st : r->status;
}

lmm_status gguf_net_config(tree **out, const gguf *g) {
    gguf_reader r = {.g = g, .config = tree_new(TREE_MAP)};
    *out = r.config; /* the caller's to free in every case */
    if (gguf_count(g) == 0) return LMM_OK;
    const family *f = NULL;
    lmm_status st = family_find(&f, g);
    if (st) return st;
    r.prefix = f->gguf;
    if ((st = check_whole(&r))) return st;
    int64_t window = strcmp(f->gguf, "llama") ? 0 : gguf_read_int(&r, "attention.sliding_window", 0);
    if (window > 0 && window <= INT32_MAX) {
        f = &mistral;
        tree_put(r.config, "sliding_window", tree_new_int(window));
    }
    tree *classes = tree_new(TREE_LIST);
    tree_add(classes, tree_new_string(f->class));
    tree_put(r.config, "architectures", classes);
    tree_put(r.config, "model_type", tree_new_string(f->type));
    gguf_copy_int(&r, "hidden_size", "embedding_length");
    gguf_copy_int(&r, "intermediate_size", "feed_forward_length");
    gguf_copy_int(&r, "num_hidden_layers", "block_count");
    gguf_copy_int(&r, "max_position_embeddings", "context_length");
    put_heads(&r);
    tree_put(r.config, "rms_norm_eps", tree_new_real(gguf_read_real(&r, "attention.layer_norm_rms_epsilon", 1e-5)));
    put_rope(&r);
    put_shapes(&r, f);
    put_ends(&r);
    return r.status;
}

/* ---- order of rows ---- */

static lmm_status weave(checkpoint *file, int i, int64_t heads) {
    const tensor *t = &checkpoint_at(file, i)->t;
    int64_t rows = t->nd > 0 ? t->ne[0] : 0, d = heads > 0 ? rows / heads : 0;
    if (t->nd > 2 || !dtype_is_weight(t->type) || d == 0 || d % 2 || d * heads != rows)
        return LMM_OK; /* what no model has: binding says so */
    if (t->nd == 1 && dtype_block(t->type) > 1) return LMM_OK;
    return checkpoint_weave(file, i, (int)heads);
}

lmm_status gguf_net_order_rows(checkpoint *file, const tree *config) {
    const char *type = tree_str(config, "model_type", "");
    if (strcmp(type, "llama") && strcmp(type, "mistral")) return LMM_OK;
    lmm_status st = LMM_OK;
    for (int i = 0; i < checkpoint_count(file) && !st; i++) {
        const char *name = checkpoint_at(file, i)->name;
        if (strncmp(name, "blk.", 4)) continue;
        if (strstr(name, ".attn_q.")) st = weave(file, i, tree_int(config, "num_attention_heads", 0));
        if (strstr(name, ".attn_k.")) st = weave(file, i, tree_int(config, "num_key_value_heads", 0));
    }
    return st;
}

/* Llama 3.1 and later: the converter writes what its rope scaling does to every frequency. */
lmm_status gguf_net_finish(net *n, const gguf *g) {
    const tensor *t = gguf_find(g, "rope_freqs.weight");
    if (!t || !n->has_decoder) return LMM_OK;
    if (t->type != DT_F32 || tensor_count(t) != n->dec.config.head_dim / 2)
        return LMM_FAIL(LMM_E_SHAPE, "tensor 'rope_freqs.weight' needs %d values of F32", n->dec.config.head_dim / 2);
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (!(tensor_f32(t)[i] > 0)) return LMM_FAIL(LMM_E_FORMAT, "tensor 'rope_freqs.weight' has a value that is not positive");
    n->dec.config.rope.factors = t->data;
    return LMM_OK;
}
