/* gguf_text.c - the text side of a GGUF file: its vocabulary as a tokenizer, its chat template. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* The lists of a vocabulary, as arrays on loan from the file. */
typedef struct {
    vocab_source source;
    char *model, *pre;
    vocab_text *tokens, *merges;
    int *kinds;
    float *scores;
} lists;

static void lists_free(lists *l) {
    free(l->model);
    free(l->pre);
    free(l->tokens);
    free(l->merges);
    free(l->kinds);
    free(l->scores);
}

static lmm_status read_name(char **out, const gguf *g, const char *key) {
    gguf_text t;
    lmm_status st = gguf_string(g, key, NULL, &t);
    if (!st) *out = mem_strndup(t.at, t.size);
    return st;
}

static lmm_status read_texts(vocab_text **out, int *count, const gguf *g, const char *key) {
    gguf_list l;
    lmm_status st = gguf_array(g, key, GGUF_STRING, &l);
    if (st) return st;
    *count = l.count;
    *out = mem_new((size_t)l.count + 1, sizeof **out);
    for (int i = 0; i < *count; i++) {
        gguf_text t = gguf_list_text(&l);
        (*out)[i] = (vocab_text){t.at, t.size};
    }
    return LMM_OK;
}

static lmm_status check_count(const gguf_list *l, int count, const char *key) {
    return l->count && l->count != count ? LMM_FAIL(LMM_E_FORMAT, "metadata '%s' has %d values for %d tokens", key, l->count, count)
                                         : LMM_OK;
}

static lmm_status read_kinds(lists *l, const gguf *g) {
    static const char key[] = "tokenizer.ggml.token_type";
    gguf_list from;
    lmm_status st = gguf_array(g, key, GGUF_I32, &from);
    if (!st) st = check_count(&from, l->source.count, key);
    if (st || !from.count) return st;
    l->kinds = mem_new((size_t)from.count, sizeof *l->kinds);
    for (int i = 0; i < from.count; i++) l->kinds[i] = gguf_list_i32(&from, i);
    l->source.kinds = l->kinds;
    return LMM_OK;
}

static lmm_status read_scores(lists *l, const gguf *g) {
    static const char key[] = "tokenizer.ggml.scores";
    gguf_list from;
    lmm_status st = gguf_array(g, key, GGUF_F32, &from);
    if (!st) st = check_count(&from, l->source.count, key);
    if (st || !from.count) return st;
    l->scores = mem_new((size_t)from.count, sizeof *l->scores);
    for (int i = 0; i < from.count; i++) l->scores[i] = gguf_list_f32(&from, i);
    l->source.scores = l->scores;
    return LMM_OK;
}

static lmm_status read_id(int *out, const gguf *g, const char *key) {
    int64_t id;
    lmm_status st = gguf_int(g, key, -1, &id);
    if (!st) *out = id >= 0 && id < INT32_MAX ? (int)id : -1;
    return st;
}

/* -1: the file does not say. */
static lmm_status read_choice(int *out, const gguf *g, const char *key) {
    bool yes;
    lmm_status st = gguf_bool(g, key, false, &yes);
    if (!st) *out = gguf_has(g, key) ? yes : -1;
    return st;
}

static lmm_status read_settings(vocab_source *v, const gguf *g) {
    lmm_status st = read_id(&v->bos, g, "tokenizer.ggml.bos_token_id");
    if (!st) st = read_id(&v->eos, g, "tokenizer.ggml.eos_token_id");
    if (!st) st = read_id(&v->pad, g, "tokenizer.ggml.padding_token_id");
    if (!st) st = read_id(&v->unknown, g, "tokenizer.ggml.unknown_token_id");
    if (!st) st = read_choice(&v->add_bos, g, "tokenizer.ggml.add_bos_token");
    if (!st) st = read_choice(&v->add_eos, g, "tokenizer.ggml.add_eos_token");
    return st ? st : read_choice(&v->add_space_prefix, g, "tokenizer.ggml.add_space_prefix");
}

static lmm_status read_vocabulary(lists *l, const gguf *g) {
    lmm_status st = read_name(&l->model, g, "tokenizer.ggml.model");
    if (!st && gguf_has(g, "tokenizer.ggml.pre")) st = read_name(&l->pre, g, "tokenizer.ggml.pre");
    if (!st) st = read_texts(&l->tokens, &l->source.count, g, "tokenizer.ggml.tokens");
    if (!st) st = read_texts(&l->merges, &l->source.merge_count, g, "tokenizer.ggml.merges");
    if (!st) st = read_kinds(l, g);
    if (!st) st = read_scores(l, g);
    if (!st) st = read_settings(&l->source, g);
    l->source.model = l->model, l->source.pre = l->pre;
    l->source.tokens = l->tokens, l->source.merges = l->merges;
    return st;
}

static lmm_status read_template(jinja **out, const gguf *g) {
    gguf_text t;
    if (!gguf_has(g, "tokenizer.chat_template")) return LMM_OK;
    lmm_status st = gguf_string(g, "tokenizer.chat_template", NULL, &t);
    return st ? st : jinja_compile(out, t.at, t.size, NULL);
}

lmm_status gguf_text_open(tokenizer **tok, jinja **chat_template, const gguf *g) {
    lists l = {0};
    lmm_status st = read_vocabulary(&l, g);
    if (!st) st = tokenizer_new_vocab(tok, &l.source, "tokenizer.ggml");
    lists_free(&l);
    return st ? st : read_template(chat_template, g);
}

lmm_status gguf_text_json(tree **json, tree **config, const gguf *g) {
    lists l = {0};
    lmm_status st = read_vocabulary(&l, g);
    if (!st) st = tokenizer_json_vocab(json, config, &l.source, "tokenizer.ggml");
    lists_free(&l);
    return st;
}
