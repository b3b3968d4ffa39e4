/* vocabulary.c - the tokenizer of a folder as GGUF metadata (tokenizer.ggml.*), its chat template beside it.
 *
 * Byte-level BPE keeps its merges. SentencePiece vocabularies in tokenizer.json have merges where GGUF has scores: a piece's score is minus the number of
 * the first merge that makes it, so pairs are joined in the same order. */
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

typedef struct {
    const tree *json, *config;
    int count; /* rows of the embedding: ids without a token are padding */
    gguf_text *tokens;
    int32_t *kinds;
    float *scores;
    buf spelled; /* of padding */
    bool byte_level;
} vocabulary;

static const char *text_of(const tree *t, const char *key) {
    const tree *v = tree_get(t, key);
    return v && v->type == TREE_STRING ? v->text : tree_str(v, "content", NULL);
}

static lmm_status place(vocabulary *v, const char *text, size_t size, int64_t id, vocab_kind kind) {
    if (id < 0 || id >= v->count)
        return LMM_FAIL(LMM_E_SHAPE, "token '%.80s' has the id %" PRId64 ", the model %d rows", text, id, v->count);
    v->tokens[id] = (gguf_text){text, size};
    v->kinds[id] = kind;
    return LMM_OK;
}

static bool is_byte_token(const char *s) { return strlen(s) == 6 && !strncmp(s, "<0x", 3) && s[5] == '>'; }

static lmm_status place_tokens(vocabulary *v) {
    const tree *model = tree_get(v->json, "model"), *vocab = tree_get(model, "vocab"), *added = tree_get(v->json, "added_tokens");
    const char *unknown = tree_str(model, "unk_token", NULL);
    lmm_status st = LMM_OK;
    for (int i = 0; vocab && i < vocab->count && !st; i++) {
        const char *s = vocab->keys[i];
        vocab_kind kind = !v->byte_level && is_byte_token(s) ? VOCAB_BYTE : VOCAB_NORMAL;
        st = place(v, s, strlen(s), vocab->items[i]->i, kind);
    }
    for (int i = 0; added && i < added->count && !st; i++) {
        const tree *a = added->items[i];
        const char *s = tree_str(a, "content", "");
        vocab_kind kind = !v->byte_level && unknown && !strcmp(s, unknown) ? VOCAB_UNKNOWN
                          : tree_bool(a, "special", false)                 ? VOCAB_CONTROL
                                                                           : VOCAB_USER;
        st = place(v, s, strlen(s), tree_int(a, "id", -1), kind);
    }
    return st;
}

/* llama.cpp's spelling of rows no token has. */
static void place_padding(vocabulary *v) {
    for (int i = 0; i < v->count; i++)
        if (!v->tokens[i].at) buf_printf(&v->spelled, "[PAD%d]", i), buf_putc(&v->spelled, '\0');
    const char *at = v->spelled.data;
    for (int i = 0; i < v->count; i++) {
        if (v->tokens[i].at) continue;
        v->tokens[i] = (gguf_text){at, strlen(at)};
        v->kinds[i] = VOCAB_UNUSED;
        at += strlen(at) + 1;
    }
}

/* A merge is "a b" or ["a", "b"]. */
static void merge_text(buf *out, const tree *merge) {
    if (merge->type == TREE_STRING) buf_put(out, merge->text, merge->text_size);
    for (int i = 0; merge->type == TREE_LIST && i < merge->count; i++) {
        if (i) buf_putc(out, ' ');
        if (merge->items[i]->type == TREE_STRING) buf_put(out, merge->items[i]->text, merge->items[i]->text_size);
    }
}

static void put_merges(gguf_keys *keys, const tree *merges) {
    buf all = {0};
    int n = merges ? merges->count : 0;
    size_t *ends = mem_new((size_t)n + 1, sizeof *ends);
    gguf_text *at = mem_new((size_t)n + 1, sizeof *at);
    for (int i = 0; i < n; i++) merge_text(&all, merges->items[i]), ends[i] = all.size;
    for (int i = 0; i < n; i++) {
        size_t begin = i ? ends[i - 1] : 0;
        at[i] = (gguf_text){all.data + begin, ends[i] - begin};
    }
    gguf_put_strings(keys, "tokenizer.ggml.merges", at, n);
    free(at);
    free(ends);
    buf_free(&all);
}

static void score_merges(vocabulary *v, const tree *merges) {
    strmap *ids = strmap_new();
    int n = merges ? merges->count : 0;
    for (int i = 0; i < v->count; i++)
        if (v->kinds[i] == VOCAB_NORMAL) strmap_put(ids, v->tokens[i].at, v->tokens[i].size, i), v->scores[i] = -(float)n;
    for (int i = n - 1; i >= 0; i--) { /* backwards: the first merge that makes a piece has the last word */
        buf pair = {0};
        int id;
        merge_text(&pair, merges->items[i]);
        char *gap = pair.data ? strchr(pair.data, ' ') : NULL;
        if (gap) {
            memmove(gap, gap + 1, strlen(gap));
            if (strmap_get(ids, pair.data, strlen(pair.data), &id)) v->scores[id] = -(float)i;
        }
        buf_free(&pair);
    }
    strmap_free(ids);
}

static lmm_status put_model(gguf_keys *keys, vocabulary *v) {
    const tree *model = tree_get(v->json, "model"), *merges = tree_get(model, "merges");
    const char *pre = "default";
    if (v->byte_level && !(pre = tokenizer_vocab_cutting(v->json)))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "its pre-tokenizer has no name in GGUF files");
    gguf_put_string(keys, "tokenizer.ggml.model", v->byte_level ? "gpt2" : "llama", v->byte_level ? 4 : 5);
    gguf_put_string(keys, "tokenizer.ggml.pre", pre, strlen(pre));
    gguf_put_strings(keys, "tokenizer.ggml.tokens", v->tokens, v->count);
    if (!v->byte_level) {
        score_merges(v, merges);
        gguf_put_f32s(keys, "tokenizer.ggml.scores", v->scores, v->count);
    }
    gguf_put_i32s(keys, "tokenizer.ggml.token_type", v->kinds, v->count);
    if (v->byte_level) put_merges(keys, merges);
    return LMM_OK;
}

static void put_id(gguf_keys *keys, const char *key, const tokenizer *t, const char *text) {
    int id = text ? tokenizer_id(t, text) : -1;
    if (id >= 0) gguf_put_u32(keys, key, (uint32_t)id);
}

/* Whether a text begins with the begin token and ends with the end token is seen where an empty one becomes ids. */
static lmm_status put_ends(gguf_keys *keys, const vocabulary *v, const tokenizer *t) {
    id_list ids = {0};
    const char *bos = text_of(v->config, "bos_token"), *eos = text_of(v->config, "eos_token");
    lmm_status st = tokenizer_encode(t, "", 0, TOKENIZE_ADD_SPECIAL, &ids);
    put_id(keys, "tokenizer.ggml.bos_token_id", t, bos);
    put_id(keys, "tokenizer.ggml.eos_token_id", t, eos);
    put_id(keys, "tokenizer.ggml.unknown_token_id", t, text_of(v->config, "unk_token"));
    put_id(keys, "tokenizer.ggml.padding_token_id", t, text_of(v->config, "pad_token"));
    gguf_put_bool(keys, "tokenizer.ggml.add_bos_token", bos && ids.count && ids.at[0] == tokenizer_id(t, bos));
    gguf_put_bool(keys, "tokenizer.ggml.add_eos_token", eos && ids.count && ids.at[ids.count - 1] == tokenizer_id(t, eos));
    free(ids.at);
    return st;
}

/* A blank in front of texts: a Prepend normalizer, or a Metaspace pre-tokenizer that is not told never to. */
static bool has_space_prefix(const tree *t) {
    if (!t) return false;
    const char *type = tree_str(t, "type", "");
    if (!strcmp(type, "Prepend")) return true;
    if (!strcmp(type, "Metaspace")) return strcmp(tree_str(t, "prepend_scheme", "always"), "never") != 0;
    for (int i = 0; (t->type == TREE_MAP || t->type == TREE_LIST) && i < t->count; i++)
        if (has_space_prefix(t->items[i])) return true;
    return false;
}

static lmm_status put_template(gguf_keys *keys, const char *dir) {
    char *text = NULL;
    lmm_status st = chat_template_find(&text, NULL, dir);
    if (!st && text) gguf_put_string(keys, "tokenizer.chat_template", text, strlen(text));
    free(text);
    return st;
}

static lmm_status load(tree **out, const char *dir, const char *name, bool needed) {
    char *path = path_join(dir, name);
    lmm_status st = needed || file_exists(path) ? tree_load(out, path) : LMM_OK;
    free(path);
    return st;
}

static lmm_status put_all(gguf_keys *keys, vocabulary *v, const tokenizer *t) {
    const char *type = tree_str(tree_get(v->json, "model"), "type", "BPE");
    if (strcmp(type, "BPE")) return LMM_FAIL(LMM_E_UNSUPPORTED, "a tokenizer of the model '%s' has no place in GGUF files here", type);
    v->byte_level = !tree_bool(tree_get(v->json, "model"), "byte_fallback", false);
    lmm_status st = place_tokens(v);
    if (st) return st;
    place_padding(v);
    st = put_model(keys, v);
    if (!st) st = put_ends(keys, v, t);
    if (!st && !v->byte_level)
        gguf_put_bool(keys, "tokenizer.ggml.add_space_prefix",
                      has_space_prefix(tree_get(v->json, "normalizer")) || has_space_prefix(tree_get(v->json, "pre_tokenizer")));
    return st;
}

lmm_status plan_vocabulary(gguf_keys *keys, const char *dir, int rows) {
    tree *json = NULL, *config = NULL;
    tokenizer *t = NULL;
    lmm_status st = tokenizer_open(&t, dir);
    if (!st) st = load(&json, dir, "tokenizer.json", true);
    if (!st) st = load(&config, dir, "tokenizer_config.json", false);
    vocabulary v = {.json = json, .config = config, .count = rows};
    v.tokens = mem_new((size_t)rows, sizeof *v.tokens);
    v.kinds = mem_new((size_t)rows, sizeof *v.kinds);
    v.scores = mem_new((size_t)rows, sizeof *v.scores);
    if (!st) st = put_all(keys, &v, t);
    if (!st) st = put_template(keys, dir);
    free(v.tokens);
    free(v.kinds);
    free(v.scores);
    buf_free(&v.spelled);
    tree_free(config);
    tree_free(json);
    tokenizer_free(t);
    return st;
}
