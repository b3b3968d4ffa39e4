/* text_int.h - what the files of the tokenizer share. The road of a text: added tokens are cut out (tok_added.c), what lies
 * between them is normalized (normalize.c), cut into pieces (pretok.c), and every piece becomes ids (bpe.c, wordpiece.c). */
#ifndef LMM_TEXT_INT_H
#define LMM_TEXT_INT_H

#include "text/text.h"

/* Offsets into a text are ints: a text is at most this long, at every stage of the road. */
enum { TEXT_SIZE_MAX = 1 << 28 };

/* A fault of the file `name`: "tokenizer.json: 'model.merges' ...". Returns LMM_E_FORMAT. */
lmm_status tok_bad(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A yes or no that may be missing or null; anything else is a fault. */
lmm_status tok_flag(bool *out, const tree *json, const char *key, bool fallback, const char *name);

/* ---- characters as the `tokenizers` library sees them (tok_unicode.c) ---- */

const char *uc_category(uint32_t cp); /* two letters: "Lu", "Nd", "Cn" */
bool uc_is_space(uint32_t cp);        /* White_Space */
bool uc_is_numeric(uint32_t cp);
bool uc_is_word(uint32_t cp);        /* \w of Rust's regex */
bool uc_is_punctuation(uint32_t cp); /* ASCII symbols too */
bool uc_is_mark(uint32_t cp);
bool uc_is_nonspacing_mark(uint32_t cp);
bool uc_is_other(uint32_t cp);              /* control, format, private use */
bool uc_is_chinese(uint32_t cp);            /* what BERT puts blanks around */
int uc_lower(uint32_t cp, uint32_t out[2]); /* how many characters: 1 or 2 */
bool uc_normalizes(uint32_t cp);            /* false: too new for the library's normalization tables */
/* Assigned after Unicode 14, which is what PCRE2 knows: row i, or NULL at the end. */
typedef struct {
    uint32_t first, last;
    char category[3];
} uc_range;
const uc_range *uc_newer(int i);

/* ---- the byte-level alphabet: every byte has a visible character (GPT-2) ---- */

static inline uint32_t byte_to_char(unsigned char b) {
    if (b < 0x21) return 0x100u + b;
    if (b < 0x7F) return b;
    if (b < 0xA1) return 0x121u + (b - 0x7Fu);
    return b == 0xAD ? 0x143u : b;
}
static inline int char_to_byte(uint32_t c) { /* -1: not in the alphabet */
    if (c >= 0x100) return c < 0x121 ? (int)(c - 0x100) : c < 0x143 ? (int)(c - 0x121 + 0x7F) : c == 0x143 ? 0xAD : -1;
    return (c > 0x20 && c < 0x7F) || (c > 0xA0 && c != 0xAD) ? (int)c : -1;
}

/* ---- patterns (tok_regex.c, tok_oniguruma.c) ---- */

/* Appends the expression as PCRE2 writes it; the result says what was not understood, NULL when all was. */
const char *oniguruma_rewrite(buf *out, const char *expression, size_t n);

/* {"String": "..."} or {"Regex": "..."} */
typedef struct pattern pattern;
lmm_status pattern_new(pattern **out, const char *text, size_t n, bool is_regex, const char *name);
lmm_status pattern_load(pattern **out, const tree *json, const char *key, const char *name);
void pattern_free(pattern *p);

/* Walks the matches of p in text. Close reports a pattern that gave up (match limits). */
typedef struct {
    const pattern *p;
    const char *text;
    int size, at, last_end;
    void *match; /* PCRE2's match data */
    lmm_status status;
} matcher;
void matcher_open(matcher *m, const pattern *p, const char *text, int size);
bool matcher_next(matcher *m, int *begin, int *end);
lmm_status matcher_close(matcher *m);

/* ---- normalizers (normalize.c) ---- */

typedef struct normalizer normalizer; /* NULL: none */
lmm_status normalizer_load(normalizer **out, const tree *json, const char *name);
void normalizer_free(normalizer *z);
lmm_status normalizer_run(const normalizer *z, const char *text, size_t n, buf *out);

/* ---- pre-tokenizers (pretok.c) ---- */

typedef struct {
    int begin, end;
} piece; /* never empty */
typedef struct {
    buf text;
    VEC(piece) pieces;
    bool at_start; /* the first piece begins where the whole input begins (Metaspace "first") */
} splits;
typedef struct pretokenizer pretokenizer; /* NULL: none */
lmm_status pretokenizer_load(pretokenizer **out, const tree *json, const char *name);
void pretokenizer_free(pretokenizer *p);
lmm_status pretokenizer_run(const pretokenizer *p, splits *s); /* s holds one text and the pieces of it so far; `p` cuts on */
void splits_reset(splits *s, const char *text, size_t n, bool at_start);
void splits_free(splits *s);

/* ---- vocabulary (tok_load.c) ---- */

typedef struct {
    size_t at, shown_at; /* its spelling, and the one it is decoded with, in `spelled` */
    int size, shown_size;
    bool there, special;
    bool skipped; /* when special tokens are left out of a text */
} token_row;
typedef struct {
    strmap *ids, *added_ids; /* spellings of the model's own tokens, and of the added ones */
    buf spelled;             /* all spellings, each followed by a NUL */
    VEC(token_row) rows;     /* by id, added tokens too */
} tok_vocab;

/* ---- models ---- */

typedef struct bpe bpe;
lmm_status bpe_load(bpe **out, const tree *model, const tok_vocab *v, int unk, const char *name);
void bpe_free(bpe *b);
/* Working memory of merging, kept from piece to piece. */
typedef struct {
    int id, previous, next;
} bpe_symbol;
typedef VEC(uint64_t) key_heap; /* smallest first */
typedef struct {
    VEC(bpe_symbol) symbols;
    key_heap heap;
    buf key;
    int long_run; /* so many symbols are merged rank by rank; 0: as many as that pays for (tests set it) */
} bpe_scratch;
void bpe_scratch_free(bpe_scratch *s);
void bpe_encode(const bpe *b, const char *text, int n, bpe_scratch *s, id_list *out);

typedef struct wordpiece wordpiece;
lmm_status wordpiece_load(wordpiece **out, const tree *model, const tok_vocab *v, int unk, const char *name);
void wordpiece_free(wordpiece *w);
void wordpiece_encode(const wordpiece *w, const char *text, int n, buf *key, id_list *out);

/* ---- added tokens (tok_added.c) ---- */

typedef struct {
    int id;
    char *text;
    size_t size;
    bool single_word, lstrip, rstrip, normalized, special;
} added_token;

/* Finds tokens in a text, leftmost and longest first. */
typedef struct trie trie;
trie *trie_new(void);
void trie_free(trie *t);
void trie_put(trie *t, const char *key, size_t n, const added_token *token); /* the first of equal keys stays */

typedef struct {
    const trie *t;
    const char *text;
    int size, at, given; /* searched up to `at`, handed out up to `given` */
    bool skip_special;
    int held, held_begin, held_end; /* a token found behind text that was handed out first; -1 */
} token_cutter;
void token_cutter_open(token_cutter *c, const trie *t, const char *text, int size, bool skip_special);
/* The next part of the text: an added token (*id), or text between them (*id is -1). */
bool token_cutter_next(token_cutter *c, int *begin, int *end, int *id);

/* ---- decoders (tok_decode.c) ---- */

typedef struct token_decoder token_decoder; /* NULL: tokens are joined with blanks */
lmm_status token_decoder_load(token_decoder **out, const tree *json, const char *name);
void token_decoder_free(token_decoder *d);
/* A list of byte strings behind each other. */
typedef struct {
    buf text;
    VEC(size_t) ends;
} string_list;
void string_list_add(string_list *l, const char *s, size_t n);
void string_list_free(string_list *l);
/* Appends the text of the tokens. `more`: others may follow, so give only what cannot change any more; *pending tells whether
 * something was held back. */
lmm_status token_decoder_run(const token_decoder *d, string_list *tokens, bool more, bool *pending, buf *out);

/* ---- the tokenizer (tokenizer.c, filled by tok_load.c) ---- */

struct tokenizer {
    tok_vocab vocab;
    VEC(added_token) added;
    trie *plain_tokens, *normalized_tokens; /* matched before and after normalizing */
    normalizer *normalizer;
    pretokenizer *pretokenizer;
    bpe *bpe; /* one of the two */
    wordpiece *wordpiece;
    token_decoder *decoder;
    id_list prefix, suffix; /* what the post-processor adds */
    int bos, eos, pad;
};

#endif
