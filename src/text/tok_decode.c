/* tok_decode.c - the decoders of tokenizer.json: a list of steps from the spellings of tokens to text.
 *
 * Every step turns a list of strings into another one. While a text is streamed (`more`), a step gives only those strings, and of a
 * joined text only that beginning, which later tokens cannot change; so what comes out at the end is a beginning of the final text. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

typedef struct step step;
typedef struct {
    const char *type;
    lmm_status (*load)(step *s, const tree *json, const char *name); /* NULL: there is nothing to load */
    lmm_status (*run)(const step *s, const string_list *in, string_list *out, bool more, bool *pending);
} step_kind;
struct step {
    const step_kind *kind;
    pattern *pattern; /* Replace */
    char *text;       /* Replace: content; WordPiece: prefix; BPEDecoder: suffix; Strip, Metaspace: the character */
    size_t size;
    int start, stop;          /* Strip */
    bool keep_first, cleanup; /* Metaspace without prefix; WordPiece */
    bool on_joined;           /* an earlier step has joined the strings to one */
};
struct token_decoder {
    VEC(step) steps;
};

void string_list_add(string_list *l, const char *s, size_t n) {
    buf_put(&l->text, s, n);
    VEC_PUSH(&l->ends, l->text.size);
}

void string_list_free(string_list *l) {
    buf_free(&l->text);
    free(l->ends.at);
    *l = (string_list){0};
}

static const char *string_at(const string_list *l, int i, size_t *n) {
    size_t begin = i ? l->ends.at[i - 1] : 0;
    *n = l->ends.at[i] - begin;
    return l->text.data + begin;
}

/* Ends a string of which the bytes are in l->text already. */
static void string_end(string_list *l) { VEC_PUSH(&l->ends, l->text.size); }

static lmm_status load_text(step *s, const tree *json, const char *key, const char *fallback, const char *name) {
    const tree *t = tree_get(json, key);
    if (t ? t->type != TREE_STRING : !fallback) return tok_bad(name, "'decoder': '%s' must be a string", key);
    s->size = t ? t->text_size : strlen(fallback);
    s->text = mem_strndup(t ? t->text : fallback, s->size);
    return LMM_OK;
}

/* ---- joining steps ---- */

static lmm_status run_fuse(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    (void)s, (void)more, (void)pending;
    string_list_add(out, in->text.data, in->text.size);
    return LMM_OK;
}

/* A token whose characters all belong to the byte-level alphabet is bytes; any other (an added token) is text. */
static void put_bytes(buf *out, const char *s, size_t n) {
    size_t begin = out->size;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += (size_t)utf8_decode(s + at, n - at, &cp);
        int byte = char_to_byte(cp);
        if (byte < 0) {
            out->size = begin;
            buf_put(out, s, n);
            return;
        }
        buf_putc(out, (char)byte);
    }
}

static lmm_status run_byte_level(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    (void)s;
    buf bytes = {0};
    buf_put(&bytes, NULL, 0);
    for (int i = 0; i < in->ends.count; i++) {
        size_t n;
        const char *token = string_at(in, i, &n);
        put_bytes(&bytes, token, n);
    }
    size_t size = more ? utf8_complete(bytes.data, bytes.size) : bytes.size;
    if (size < bytes.size) *pending = true;
    utf8_repair(&out->text, bytes.data, size);
    string_end(out);
    buf_free(&bytes);
    return LMM_OK;
}

/* ---- steps on single tokens ---- */

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

/* "<0x41>" -> 0x41, -1 when it is another token. */
static int byte_of_token(const char *s, size_t n) {
    if (n != 6 || memcmp(s, "<0x", 3) || s[5] != '>' || hex_digit(s[3]) < 0 || hex_digit(s[4]) < 0) return -1;
    return hex_digit(s[3]) * 16 + hex_digit(s[4]);
}

static bool is_utf8(const char *s, size_t n) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int size = utf8_decode(s + at, n - at, &cp);
        if (size == 1 && cp == 0xFFFD) return false;
        at += (size_t)size;
    }
    return true;
}

/* A run of byte tokens is text when it is valid as a whole, else every byte becomes U+FFFD. */
static void flush_run(buf *run, string_list *out) {
    if (run->size && is_utf8(run->data, run->size)) string_list_add(out, run->data, run->size);
    else
        for (size_t i = 0; i < run->size; i++) string_list_add(out, "\xEF\xBF\xBD", 3);
    buf_reset(run);
}

static lmm_status run_byte_fallback(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    (void)s;
    buf run = {0};
    for (int i = 0; i < in->ends.count; i++) {
        size_t n;
        const char *token = string_at(in, i, &n);
        int byte = byte_of_token(token, n);
        if (byte >= 0) buf_putc(&run, (char)byte);
        else {
            flush_run(&run, out);
            string_list_add(out, token, n);
        }
    }
    if (more && run.size) *pending = true;
    else flush_run(&run, out);
    buf_free(&run);
    return LMM_OK;
}

static lmm_status load_replace(step *s, const tree *json, const char *name) {
    lmm_status st = pattern_load(&s->pattern, json, "pattern", name);
    return st ? st : load_text(s, json, "content", NULL, name);
}

static lmm_status run_replace(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    (void)more, (void)pending;
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < in->ends.count; i++) {
        size_t n;
        const char *token = string_at(in, i, &n);
        matcher m;
        int begin, end, at = 0;
        matcher_open(&m, s->pattern, token, (int)n);
        while (matcher_next(&m, &begin, &end)) {
            if (begin > at) buf_put(&out->text, token + at, (size_t)(begin - at));
            buf_put(&out->text, s->text, s->size);
            at = end;
        }
        buf_put(&out->text, token + at, n - (size_t)at);
        string_end(out);
        st = matcher_close(&m);
        if (!st && out->text.size > TEXT_SIZE_MAX) st = LMM_FAIL(LMM_E_LIMIT, "the decoded text is longer than %d bytes", TEXT_SIZE_MAX);
    }
    return st;
}

static lmm_status load_character(step *s, const tree *json, const char *key, const char *fallback, const char *name) {
    lmm_status st = load_text(s, json, key, fallback, name);
    uint32_t cp;
    if (!st && (!s->size || (size_t)utf8_decode(s->text, s->size, &cp) != s->size))
        st = tok_bad(name, "'decoder.%s' must be one character", key);
    return st;
}

static lmm_status load_strip(step *s, const tree *json, const char *name) {
    int64_t start = 0, stop = 0;
    lmm_status st = load_character(s, json, "content", NULL, name);
    if (!st) st = tree_need_int(json, "start", 0, TEXT_SIZE_MAX, &start, name);
    if (!st) st = tree_need_int(json, "stop", 0, TEXT_SIZE_MAX, &stop, name);
    s->start = (int)start;
    s->stop = (int)stop;
    return st;
}

static lmm_status run_strip(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    (void)more, (void)pending;
    for (int i = 0; i < in->ends.count; i++) {
        size_t n;
        const char *token = string_at(in, i, &n);
        for (int k = 0; k < s->start && n >= s->size && !memcmp(token, s->text, s->size); k++) token += s->size, n -= s->size;
        for (int k = 0; k < s->stop && n >= s->size && !memcmp(token + n - s->size, s->text, s->size); k++) n -= s->size;
        string_list_add(out, token, n);
    }
    return LMM_OK;
}

static lmm_status load_metaspace(step *s, const tree *json, const char *name) {
    bool prefix_space = true; /* the old form */
    lmm_status st = load_character(s, json, "replacement", "\xE2\x96\x81", name);
    if (!st) st = tok_flag(&prefix_space, json, "add_prefix_space", true, name);
    s->keep_first = !strcmp(tree_str(json, "prepend_scheme", prefix_space ? "always" : "never"), "never");
    return st;
}

/* In the first token the character vanishes wherever it stands (the library's choice). */
static lmm_status run_metaspace(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    (void)more, (void)pending;
    for (int i = 0; i < in->ends.count; i++) {
        size_t n;
        const char *token = string_at(in, i, &n);
        for (size_t at = 0; at < n;) {
            bool is = n - at >= s->size && !memcmp(token + at, s->text, s->size);
            if (!is) buf_putc(&out->text, token[at]);
            else if (i || s->keep_first) buf_putc(&out->text, ' ');
            at += is ? s->size : 1;
        }
        string_end(out);
    }
    return LMM_OK;
}

static lmm_status load_word_piece(step *s, const tree *json, const char *name) {
    lmm_status st = load_text(s, json, "prefix", "##", name);
    return st ? st : tok_flag(&s->cleanup, json, "cleanup", true, name);
}

/* Replaces every `from` in b[begin..]. */
static void replace_all(buf *b, size_t begin, const char *from, const char *to) {
    size_t n = strlen(from), m = strlen(to), at = begin, kept = begin; /* m <= n */
    while (at < b->size) {
        bool is = b->size - at >= n && !memcmp(b->data + at, from, n);
        memmove(b->data + kept, is ? to : b->data + at, is ? m : 1);
        kept += is ? m : 1;
        at += is ? n : 1;
    }
    b->size = kept;
}

static lmm_status run_word_piece(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    static const char *const rules[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                           {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                           {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    (void)more, (void)pending;
    for (int i = 0; i < in->ends.count; i++) {
        size_t n, begin = out->text.size;
        const char *token = string_at(in, i, &n);
        bool inner = i && n >= s->size && !memcmp(token, s->text, s->size);
        if (i && !inner) buf_putc(&out->text, ' ');
        buf_put(&out->text, token + (inner ? s->size : 0), n - (inner ? s->size : 0));
        for (size_t k = 0; s->cleanup && k < COUNT_OF(rules); k++) replace_all(&out->text, begin, rules[k][0], rules[k][1]);
        string_end(out);
    }
    return LMM_OK;
}

static lmm_status load_bpe(step *s, const tree *json, const char *name) { return load_text(s, json, "suffix", "</w>", name); }

/* The suffix ends a word: a blank, but nothing in the last token, which therefore waits. */
static lmm_status run_bpe(const step *s, const string_list *in, string_list *out, bool more, bool *pending) {
    int count = in->ends.count;
    if (more && count) count--, *pending = true;
    for (int i = 0; i < count; i++) {
        size_t n;
        const char *token = string_at(in, i, &n);
        bool last = i + 1 == in->ends.count;
        for (size_t at = 0; at < n;) {
            bool is = s->size && n - at >= s->size && !memcmp(token + at, s->text, s->size);
            if (!is) buf_putc(&out->text, token[at]);
            else if (!last) buf_putc(&out->text, ' ');
            at += is ? s->size : 1;
        }
        string_end(out);
    }
    return LMM_OK;
}

/* ---- the list ---- */

static const step_kind kinds[] = {
    {"ByteLevel", NULL, run_byte_level},
    {"ByteFallback", NULL, run_byte_fallback},
    {"Fuse", NULL, run_fuse},
    {"Strip", load_strip, run_strip},
    {"Replace", load_replace, run_replace},
    {"Metaspace", load_metaspace, run_metaspace},
    {"WordPiece", load_word_piece, run_word_piece},
    {"BPEDecoder", load_bpe, run_bpe},
};

static bool joins(const step *s) { return s->kind->run == run_fuse || s->kind->run == run_byte_level; }

/* A joined text may only be joined again or stripped while it still grows. */
static bool can_stream(const step *s) { return !s->on_joined || s->kind->run == run_fuse || s->kind->run == run_strip; }

static lmm_status load_step(token_decoder *d, const tree *json, const char *name) {
    const char *type = tree_str(json, "type", NULL);
    if (!type) return tok_bad(name, "'decoder' needs a 'type'");
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_get(json, "decoders");
        if (!list || list->type != TREE_LIST) return tok_bad(name, "'decoder.decoders' must be a list");
        lmm_status st = LMM_OK;
        for (int i = 0; !st && i < list->count; i++) st = load_step(d, list->items[i], name);
        return st;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(type, kinds[i].type)) continue;
        bool joined = d->steps.count && (d->steps.at[d->steps.count - 1].on_joined || joins(&d->steps.at[d->steps.count - 1]));
        VEC_PUSH(&d->steps, ((step){.kind = &kinds[i], .on_joined = joined}));
        return kinds[i].load ? kinds[i].load(&d->steps.at[d->steps.count - 1], json, name) : LMM_OK;
    }
    return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: 'decoder.type' is '%s', which is not supported", name, type);
}

lmm_status token_decoder_load(token_decoder **out, const tree *json, const char *name) {
    if (!json || json->type == TREE_NULL) return *out = NULL, LMM_OK;
    token_decoder *d = mem_new(1, sizeof *d);
    lmm_status st = load_step(d, json, name);
    if (st) token_decoder_free(d);
    else *out = d;
    return st;
}

void token_decoder_free(token_decoder *d) {
    if (!d) return;
    for (int i = 0; i < d->steps.count; i++) {
        pattern_free(d->steps.at[i].pattern);
        free(d->steps.at[i].text);
    }
    free(d->steps.at);
    free(d);
}

static void join_with_blanks(const string_list *l, buf *out) {
    for (int i = 0; i < l->ends.count; i++) {
        size_t n;
        const char *s = string_at(l, i, &n);
        if (i) buf_putc(out, ' ');
        buf_put(out, s, n);
    }
}

lmm_status token_decoder_run(const token_decoder *d, string_list *tokens, bool more, bool *pending, buf *out) {
    lmm_status st = LMM_OK;
    *pending = false;
    if (!d) return join_with_blanks(tokens, out), LMM_OK;
    for (int i = 0; !st && i < d->steps.count; i++) {
        const step *s = &d->steps.at[i];
        string_list made = {0};
        buf_put(&made.text, NULL, 0);
        if (more && !can_stream(s)) *pending = true;
        else st = s->kind->run(s, tokens, &made, more, pending);
        string_list_free(tokens);
        *tokens = made;
    }
    if (!st) buf_put(out, tokens->text.data, tokens->text.size);
    return st;
}
