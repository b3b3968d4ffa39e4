/* tokenizer.c - text to ids and back, at once and as a stream; what every part does is in the files named in text_int.h. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

/* ---- text to ids ---- */

/* Working memory of one call; a tokenizer itself never changes. */
typedef struct {
    const tokenizer *t;
    bool skip_special;
    buf normalized, key;
    splits splits;
    bpe_scratch bpe;
    id_list *out;
} encoder;

static lmm_status encode_plain(encoder *e, const char *text, int n, bool at_start) {
    splits *s = &e->splits;
    splits_reset(s, text, (size_t)n, at_start);
    lmm_status st = pretokenizer_run(e->t->pretokenizer, s);
    for (int i = 0; !st && i < s->pieces.count; i++) {
        piece p = s->pieces.at[i];
        if (e->t->bpe) bpe_encode(e->t->bpe, s->text.data + p.begin, p.end - p.begin, &e->bpe, e->out);
        else wordpiece_encode(e->t->wordpiece, s->text.data + p.begin, p.end - p.begin, &e->key, e->out);
    }
    return st;
}

/* Text without plain added tokens: normalized, then searched for those that are looked for in normalized text. */
static lmm_status encode_segment(encoder *e, const char *text, int n, bool at_start) {
    buf_reset(&e->normalized);
    lmm_status st = normalizer_run(e->t->normalizer, text, (size_t)n, &e->normalized);
    if (st) return st;
    const char *normalized = e->normalized.data;
    token_cutter c;
    int begin, end, id;
    token_cutter_open(&c, e->t->normalized_tokens, normalized, (int)e->normalized.size, e->skip_special);
    while (!st && token_cutter_next(&c, &begin, &end, &id)) {
        if (id >= 0) VEC_PUSH(e->out, id);
        else st = encode_plain(e, normalized + begin, end - begin, at_start && begin == 0);
    }
    return st;
}

static lmm_status encode_text(encoder *e, const char *text, int n) {
    token_cutter c;
    int begin, end, id;
    lmm_status st = LMM_OK;
    token_cutter_open(&c, e->t->plain_tokens, text, n, e->skip_special);
    while (!st && token_cutter_next(&c, &begin, &end, &id)) {
        if (id >= 0) VEC_PUSH(e->out, id);
        else st = encode_segment(e, text + begin, end - begin, begin == 0);
    }
    return st;
}

static void add_all(id_list *out, const id_list *ids) {
    for (int i = 0; i < ids->count; i++) VEC_PUSH(out, ids->at[i]);
}

lmm_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, int flags, id_list *out) {
    if (n > TEXT_SIZE_MAX) return LMM_FAIL(LMM_E_LIMIT, "a text of %zu bytes is too long to tokenize (limit %d)", n, TEXT_SIZE_MAX);
    buf repaired = {0};
    encoder e = {.t = t, .skip_special = !(flags & TOKENIZE_PARSE_SPECIAL), .out = out};
    int before = out->count;
    buf_put(&repaired, NULL, 0);
    utf8_repair(&repaired, text ? text : "", n);
    if (flags & TOKENIZE_ADD_SPECIAL) add_all(out, &t->prefix);
    lmm_status st = repaired.size > TEXT_SIZE_MAX
                        ? LMM_FAIL(LMM_E_LIMIT, "the text is too long to tokenize (limit %d bytes)", TEXT_SIZE_MAX)
                        : encode_text(&e, repaired.data, (int)repaired.size);
    if (flags & TOKENIZE_ADD_SPECIAL) add_all(out, &t->suffix);
    if (st) out->count = before;
    buf_free(&repaired);
    buf_free(&e.normalized);
    buf_free(&e.key);
    splits_free(&e.splits);
    bpe_scratch_free(&e.bpe);
    return st;
}

/* ---- ids to text ---- */

static lmm_status decode(const tokenizer *t, const int *ids, int n, bool skip_special, bool more, bool *pending, buf *out) {
    string_list tokens = {0};
    buf_put(&tokens.text, NULL, 0);
    for (int i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= t->vocab.rows.count) continue; /* a model may have more rows than tokens */
        const token_row *row = &t->vocab.rows.at[ids[i]];
        if (!(skip_special && row->skipped)) string_list_add(&tokens, t->vocab.spelled.data + row->shown_at, (size_t)row->shown_size);
    }
    lmm_status st = token_decoder_run(t->decoder, &tokens, more, pending, out);
    string_list_free(&tokens);
    return st;
}

lmm_status tokenizer_decode(const tokenizer *t, const int *ids, int n, bool skip_special, buf *out) {
    bool pending;
    return decode(t, ids, n, skip_special, false, &pending, out);
}

/* ---- streaming ----
 *
 * The stream decodes the ids it holds and gives what is new. Only a window of ids is held: old ones are dropped when nothing is held back
 * and the ones that stay make some text, so that what a decoder does to the first token is over and later text comes out the same. */

enum { WINDOW = 64, KEPT = 8 };

static void shorten(token_stream *s, const tokenizer *t) {
    buf text = {0};
    bool pending;
    const int *kept = s->ids.at + s->ids.count - KEPT;
    if (!decode(t, kept, KEPT, s->skip_special, true, &pending, &text) && !pending && text.size) {
        memmove(s->ids.at, kept, KEPT * sizeof *kept);
        s->ids.count = KEPT;
        s->given = text.size;
    }
    buf_free(&text);
}

static lmm_status give(token_stream *s, const tokenizer *t, bool more, bool *pending, buf *out) {
    buf text = {0};
    lmm_status st = decode(t, s->ids.at, s->ids.count, s->skip_special, more, pending, &text);
    if (!st && text.size > s->given) {
        buf_put(out, text.data + s->given, text.size - s->given);
        s->given = text.size;
    }
    buf_free(&text);
    return st;
}

lmm_status token_stream_push(token_stream *s, const tokenizer *t, int id, buf *out) {
    bool pending;
    VEC_PUSH(&s->ids, id);
    lmm_status st = give(s, t, true, &pending, out);
    if (!st && !pending && s->ids.count > WINDOW) shorten(s, t);
    return st;
}

void token_stream_hold(token_stream *s, int id) { VEC_PUSH(&s->ids, id); }

lmm_status token_stream_end(token_stream *s, const tokenizer *t, buf *out) {
    bool pending;
    lmm_status st = give(s, t, false, &pending, out);
    s->ids.count = 0;
    s->given = 0;
    return st;
}

void token_stream_free(token_stream *s) {
    free(s->ids.at);
    *s = (token_stream){0};
}

/* ---- the vocabulary ---- */

int tokenizer_vocab_size(const tokenizer *t) { return t->vocab.rows.count; }

int tokenizer_id(const tokenizer *t, const char *token) {
    int id;
    size_t n = strlen(token);
    return strmap_get(t->vocab.added_ids, token, n, &id) || strmap_get(t->vocab.ids, token, n, &id) ? id : -1;
}

const char *tokenizer_token(const tokenizer *t, int id) {
    return id >= 0 && id < t->vocab.rows.count ? t->vocab.spelled.data + t->vocab.rows.at[id].at : NULL;
}

bool tokenizer_is_special(const tokenizer *t, int id) { return id >= 0 && id < t->vocab.rows.count && t->vocab.rows.at[id].special; }

int tokenizer_bos(const tokenizer *t) { return t->bos; }
int tokenizer_eos(const tokenizer *t) { return t->eos; }
int tokenizer_pad(const tokenizer *t) { return t->pad; }
