/* text.h - text to ids and back, and messages to prompt text. Knows no tensors: usable, testable and fuzzable alone.
 *
 *   tokenizer   tokenizer.json (Hugging Face `tokenizers`): normalizer -> added tokens -> pre-tokenizer -> BPE -> ids
 *   jinja       the subset of Jinja2 that chat templates use, with limits on steps, output and depth
 *   chat        OpenAI messages -> prompt text through the checkpoint's own template */
#ifndef LMM_TEXT_H
#define LMM_TEXT_H

#include "base/base.h"

/* ---- tokenizer (tokenizer.c; the parts it is made of are named in text_int.h) ---- */

typedef struct tokenizer tokenizer;
typedef VEC(int) id_list; /* zero-initialise; free(ids.at) */

/* Reads tokenizer.json and, when it is there, tokenizer_config.json of a checkpoint folder (or the tokenizer.json itself).
 * Supported: models BPE (byte-level, with byte fallback, ignore_merges, CLIP's </w>) and WordPiece; normalizers Sequence, NFC, NFKC, NFD, NFKD,
 * Lowercase, StripAccents, Replace, Prepend, Strip, BertNormalizer; pre-tokenizers Sequence, ByteLevel, Split, Metaspace, Digits, Whitespace,
 * WhitespaceSplit, Punctuation, BertPreTokenizer; post-processors TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing, Sequence;
 * decoders ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder, Sequence. Others are refused by name. */
lmm_status tokenizer_open(tokenizer **out, const char *path);
/* Same from memory (name for messages); config may be NULL. */
lmm_status tokenizer_new(tokenizer **out, const tree *json, const tree *config, const char *name);
/* From a vocabulary as GGUF files hold it (tok_gguf.c): model "gpt2" (byte-level BPE; `pre` names how text is cut to pieces) or "llama"
 * (SentencePiece: pairs are joined by the score of what they make; merges are not looked at). Others are refused by name. */
typedef enum {
    VOCAB_NORMAL = 1,
    VOCAB_UNKNOWN,
    VOCAB_CONTROL,
    VOCAB_USER,
    VOCAB_UNUSED,
    VOCAB_BYTE
} vocab_kind; /* numbers of the format */
typedef struct {
    const char *at;
    size_t size;
} vocab_text; /* borrowed, no NUL needed */
typedef struct {
    const char *model, *pre; /* pre NULL: the file does not say */
    const vocab_text *tokens, *merges;
    const int *kinds;    /* NULL: all normal */
    const float *scores; /* llama */
    int count, merge_count;
    int bos, eos, pad, unknown;             /* -1: none */
    int add_bos, add_eos, add_space_prefix; /* -1: the file does not say */
} vocab_source;
lmm_status tokenizer_new_vocab(tokenizer **out, const vocab_source *v, const char *name);
/* The same as files of a folder: tokenizer.json (of "llama" with merges made from the scores) and tokenizer_config.json. */
lmm_status tokenizer_json_vocab(tree **json, tree **config, const vocab_source *v, const char *name);
/* The name GGUF files have for how a byte-level tokenizer.json cuts text ("llama-bpe"); NULL: none. */
const char *tokenizer_vocab_cutting(const tree *json);
void tokenizer_free(tokenizer *t);

/* Appends the ids of text. `special`: the model's own begin/end tokens are added (post-processor), and special tokens spelled in the
 * text are recognised. Without it special tokens in the text are plain characters; added tokens that are not special are
 * always recognised. Never fails on any bytes: bad UTF-8 is repaired first. */
enum { TOKENIZE_ADD_SPECIAL = 1, TOKENIZE_PARSE_SPECIAL = 2 }; /* `lmm tokenize` special:true sets both; the engine parses without adding */
lmm_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, int flags, id_list *out);
/* Appends the text of ids[0..n). skip_special leaves out special tokens. Invalid UTF-8 becomes U+FFFD as in the `tokenizers` library. */
lmm_status tokenizer_decode(const tokenizer *t, const int *ids, int n, bool skip_special, buf *out);
int tokenizer_vocab_size(const tokenizer *t);            /* largest id + 1, added tokens included */
int tokenizer_id(const tokenizer *t, const char *token); /* -1 when unknown */
const char *tokenizer_token(const tokenizer *t, int id); /* its spelling in the vocabulary, NULL when there is none */
bool tokenizer_is_special(const tokenizer *t, int id);
int tokenizer_bos(const tokenizer *t); /* from tokenizer_config.json; -1 when absent */
int tokenizer_eos(const tokenizer *t);
int tokenizer_pad(const tokenizer *t);

/* Streaming detokenizer: gives text only when it can no longer change and never splits a UTF-8 character.
 * The concatenation of all pieces equals tokenizer_decode of all ids. */
typedef struct {
    id_list ids;
    size_t given;
    bool skip_special;
} token_stream; /* zero-initialise */
lmm_status token_stream_push(token_stream *s, const tokenizer *t, int id, buf *out);
void token_stream_hold(token_stream *s, int id); /* the same where nobody waits for its text: it comes with the next push or the end */
lmm_status token_stream_end(token_stream *s, const tokenizer *t, buf *out); /* what is still held back */
void token_stream_free(token_stream *s);

/* ---- jinja (jinja_lex.c, jinja_parse.c, jinja_eval.c, jinja_value.c, jinja_filters.c) ---- */

typedef struct jinja jinja;
typedef struct {
    int64_t step_count_max;
    size_t output_size_max;
    int depth_max;
    size_t source_size_max;
} jinja_limits; /* zeros: 1e6, 4 MiB, 64, 256 KiB */
/* Environment as in transformers: trim_blocks, lstrip_blocks, loopcontrols, tojson(ensure_ascii=False), raise_exception,
 * strftime_now, {% generation %} blocks. Fails with line and what was not understood. */
lmm_status jinja_compile(jinja **out, const char *source, size_t n, const jinja_limits *limits);
void jinja_free(jinja *j);
/* Renders with the top-level names of the map `vars`. raise_exception(msg) fails with LMM_E_ARG and msg. `now`: seconds since the epoch for
 * strftime_now. `spans` (may be NULL) receives begin,end byte offsets of {% generation %} blocks in the output. */
typedef VEC(size_t) span_list;
lmm_status jinja_render(const jinja *j, const tree *vars, int64_t now, buf *out, span_list *spans);

/* ---- chat (chat.c) ---- */

typedef struct {
    const tree *messages; /* list of {role, content: string | list of {type: text|image|image_url|video|audio, ...}} */
    const tree *tools;    /* may be NULL */
    const tree *kwargs;   /* further template variables (enable_thinking, ...), may be NULL */
    bool add_generation_prompt;
    const char *bos_token, *eos_token; /* may be NULL */
    int64_t now;
} chat_input;
/* OpenAI parts {type: image_url} are shown to the template as {type: image}. A template that only knows string contents
 * (`message.content` without parts) gets the text parts joined. */
lmm_status chat_render(const jinja *template_, const chat_input *in, buf *out, span_list *spans);
/* Whether the template goes through the parts of a message; else it is given their texts, one a line. */
bool chat_takes_parts(const jinja *template_);
/* The template of a checkpoint folder: chat_template.jinja > chat_template.json > tokenizer_config.json:chat_template.
 * *out is NULL and LMM_OK when there is none. *from (may be NULL): the file it stands in. free() both. */
lmm_status chat_template_find(char **out, char **from, const char *dir);

#endif
