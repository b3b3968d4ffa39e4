/* wordpiece.c - WordPiece (BERT): from the left the longest token of the vocabulary; a word that does not come out whole is unknown. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

struct wordpiece {
    const tok_vocab *vocab;
    int unk, char_count_max;
    char *prefix; /* of all tokens but the first of a word: "##" */
    size_t prefix_size, token_size_max;
};

lmm_status wordpiece_load(wordpiece **out, const tree *model, const tok_vocab *v, int unk, const char *name) {
    const tree *prefix = tree_get(model, "continuing_subword_prefix");
    if (prefix && prefix->type != TREE_STRING) return tok_bad(name, "'model.continuing_subword_prefix' must be a string");
    int64_t most = 100;
    lmm_status st = tree_get(model, "max_input_chars_per_word")
                        ? tree_need_int(model, "max_input_chars_per_word", 0, TEXT_SIZE_MAX, &most, name)
                        : LMM_OK;
    if (st) return st;
    if (unk < 0) return tok_bad(name, "'model.unk_token' is missing");
    wordpiece *w = mem_new(1, sizeof *w);
    w->vocab = v;
    w->unk = unk;
    w->char_count_max = (int)most;
    w->prefix_size = prefix ? prefix->text_size : 2;
    w->prefix = mem_strndup(prefix ? prefix->text : "##", w->prefix_size);
    for (int i = 0; i < v->rows.count; i++)
        if ((size_t)v->rows.at[i].size > w->token_size_max) w->token_size_max = (size_t)v->rows.at[i].size;
    *out = w;
    return LMM_OK;
}

void wordpiece_free(wordpiece *w) {
    if (!w) return;
    free(w->prefix);
    free(w);
}

static bool too_long(const wordpiece *w, const char *text, int n) {
    int count = 0;
    for (int i = 0; i < n && count <= w->char_count_max; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count > w->char_count_max;
}

/* The longest token at the start of text: its bytes there, 0 when there is none. */
static int longest(const wordpiece *w, const char *text, int n, bool first, buf *key, int *id) {
    size_t before = first ? 0 : w->prefix_size;
    if (before >= w->token_size_max) return 0;
    size_t size = (size_t)n < w->token_size_max - before ? (size_t)n : w->token_size_max - before;
    buf_reset(key);
    buf_put(key, w->prefix, before);
    buf_put(key, text, size);
    for (; size > 0; size--) {
        bool inside = size < (size_t)n && ((unsigned char)text[size] & 0xC0) == 0x80;
        if (!inside && strmap_get(w->vocab->ids, key->data, before + size, id)) return (int)size;
    }
    return 0;
}

void wordpiece_encode(const wordpiece *w, const char *text, int n, buf *key, id_list *out) {
    int begun = out->count;
    bool whole = !too_long(w, text, n);
    for (int at = 0, size; whole && at < n; at += size) {
        int id;
        size = longest(w, text + at, n - at, at == 0, key, &id);
        if (size) VEC_PUSH(out, id);
        else whole = false;
    }
    if (whole) return;
    out->count = begun;
    VEC_PUSH(out, w->unk);
}
