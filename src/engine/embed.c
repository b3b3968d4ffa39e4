/* embed.c - texts to sentence vectors through a BERT-like encoder; every text is its own sequence, so a batch changes no bit. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { BATCH_ROWS = 2048 }; /* tokens of one pass */

/* Appends the ids of a text with its begin and end tokens, cut to the longest the encoder takes: the end token stays. */
static lmm_status add_text(id_list *ids, int *length, const lmm_model *m, const char *text) {
    int first = ids->count, most = m->net->sentence_max;
    lmm_status st = tokenizer_encode(m->tok, text, strlen(text), TOKENIZE_ADD_SPECIAL | TOKENIZE_PARSE_SPECIAL, ids);
    if (st) return st;
    if (ids->count - first > most) {
        ids->at[first + most - 1] = ids->at[ids->count - 1];
        ids->count = first + most;
    }
    *length = ids->count - first;
    if (*length == 0) return LMM_FAIL(LMM_E_ARG, "a text has no tokens");
    for (int i = first; i < ids->count; i++)
        if (ids->at[i] >= m->net->bert.config.vocab) return LMM_FAIL(LMM_E_SHAPE, "the tokenizer knows more tokens than the encoder");
    return LMM_OK;
}

static tensor *first_rows(cx *c, tensor *x, const int *lengths, int n) {
    int *index = mem_new((size_t)n, sizeof *index), at = 0;
    for (int i = 0; i < n; at += lengths[i++]) index[i] = at;
    tensor *y = op_l2norm(c, op_rows_get(c, x, index, n));
    free(index);
    return y;
}

static tensor *sentences(cx *c, const net *n, const int *ids, const int *lengths, int count) {
    tensor *x = bert_forward(c, &n->bert, ids, lengths, count);
    return n->pool_class ? first_rows(c, x, lengths, count) : bert_sentence(c, x, lengths, count);
}

static lmm_status embed_batch(const lmm_model *m, const id_list *ids, const int *lengths, int count, float *out) {
    arena mem = {0};
    cx c = {.mode = CX_MEASURE, .mem = &mem, .k = m->runtime->k, .pool = m->runtime->pool, .digits = model_digits(m)};
    sentences(&c, m->net, ids->at, lengths, count);
    cx_free(&c);
    size_t need = mem.peak;
    lmm_status st = arena_open(&mem, need, "activations");
    if (st) return st;
    c = (cx){.mem = &mem, .k = c.k, .pool = c.pool, .digits = c.digits};
    tensor *y = sentences(&c, m->net, ids->at, lengths, count);
    memcpy(out, y->data, tensor_size(y));
    st = c.status;
    cx_free(&c);
    arena_close(&mem);
    return st;
}

lmm_status lmm_embed(const lmm_model *m, const char *const *texts, int count, float **out, int *width) {
    if (!m->net->has_bert || !m->tok)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) makes no sentence vectors", m->path, m->net->arch->name);
    void *all;
    int D = m->net->bert.config.hidden, *lengths = mem_new((size_t)count + 1, sizeof *lengths);
    lmm_status st = mem_try(&all, (size_t)count * (size_t)D * sizeof(float) + 1, "sentence vectors");
    for (int first = 0, next = 0; first < count && !st; first = next) {
        id_list ids = {0};
        for (next = first; next < count && !st && (next == first || ids.count < BATCH_ROWS); next++)
            st = add_text(&ids, &lengths[next], m, texts[next]);
        if (!st) st = embed_batch(m, &ids, lengths + first, next - first, (float *)all + (size_t)first * (size_t)D);
        free(ids.at);
    }
    free(lengths);
    if (st) return free(all), st;
    return *out = all, *width = D, LMM_OK;
}
