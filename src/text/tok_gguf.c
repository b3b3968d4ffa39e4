/* tok_gguf.c - a tokenizer from the vocabulary in a GGUF file.
 *
 * Such a file names what tokenizer.json spells out: the model, and for byte-level BPE how text is cut to pieces. So the description is written
 * down here as tokenizer.json has it, and loaded by tok_load.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

/* ---- how text is cut to pieces, by name (llama.cpp, src/llama-vocab.cpp) ---- */

#define LLAMA3_WORDS(digits)                                                                          \
    "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

enum { PATTERNS_MAX = 4 };

typedef struct {
    const char *const *names;
    const char *patterns[PATTERNS_MAX]; /* applied one after the other; none: GPT-2's, built into ByteLevel */
    bool digits, gpt2_words;            /* digits one by one first; GPT-2's pattern last */
    bool ignore_merges, add_bos, nfc;
} cutting;

static const cutting cuttings[] = {
    {(const char *const[]){"gpt-2", "phi-2", "mpt", "olmo", "roberta-bpe", NULL}, .gpt2_words = true},
    {(const char *const[]){"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", NULL}, .digits = true,
     .gpt2_words = true},
    {(const char *const[]){"llama-bpe", "llama3", "llama-v3", NULL}, .patterns = {LLAMA3_WORDS("\\p{N}{1,3}")}, .ignore_merges = true,
     .add_bos = true},
    {(const char *const[]){"dbrx", "smaug-bpe", NULL}, .patterns = {LLAMA3_WORDS("\\p{N}{1,3}")}},
    {(const char *const[]){"qwen2", "deepseek-r1-qwen", "megrez", NULL}, .patterns = {LLAMA3_WORDS("\\p{N}")}, .nfc = true},
    {(const char *const[]){"default", NULL},
     .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", "\\p{N}+",
                  "[0-9][0-9][0-9]"}},
};

static lmm_status find_cutting(const cutting **out, const char *pre, const char *name) {
    buf known = {0};
    for (size_t i = 0; i < COUNT_OF(cuttings); i++)
        for (const char *const *n = cuttings[i].names; *n; n++) {
            if (!strcmp(*n, pre ? pre : "default")) return buf_free(&known), *out = &cuttings[i], LMM_OK;
            buf_printf(&known, "%s%s", known.size ? ", " : "", *n);
        }
    lmm_status st = LMM_FAIL(LMM_E_UNSUPPORTED, "%s: the pre-tokenizer '%.80s' is not known (known: %s)", name, pre, known.data);
    buf_free(&known);
    return st;
}

/* ---- the description ---- */

static void put_cutting(buf *json, const cutting *c) {
    buf_puts(json, ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
    if (c->digits) buf_puts(json, "{\"type\":\"Digits\",\"individual_digits\":true},");
    for (int i = 0; i < PATTERNS_MAX && c->patterns[i]; i++) {
        buf_puts(json, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
        json_quote(json, c->patterns[i], strlen(c->patterns[i]));
        buf_puts(json, "},\"behavior\":\"Isolated\",\"invert\":false},");
    }
    buf_printf(json, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":%s}]}",
               c->gpt2_words ? "true" : "false");
    buf_puts(json, ",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}");
    if (c->nfc) buf_puts(json, ",\"normalizer\":{\"type\":\"NFC\"}");
}

/* Blanks are spelled U+2581; one stands before a text, and behind every special token, as in llama.cpp. */
static void put_sentencepiece(buf *json, bool space_prefix) {
    buf_printf(json,
               ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s"
               "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}]}",
               space_prefix ? "{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"}," : "");
    buf_printf(json,
               ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},"
               "\"content\":\" \"},"
               "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]}",
               space_prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
}

static vocab_kind kind_of(const vocab_source *v, int id) { return v->kinds ? (vocab_kind)v->kinds[id] : VOCAB_NORMAL; }

/* An empty token gets a name nobody types, as in llama.cpp. */
static char *spelling_of(const vocab_source *v, int id) {
    return v->tokens[id].size ? mem_strndup(v->tokens[id].at, v->tokens[id].size) : mem_printf("[EMPTY_%d]", id);
}

static lmm_status put_tokens(tree *model, tree *added, const vocab_source *v, const char *name) {
    tree *map = tree_new(TREE_MAP);
    lmm_status st = LMM_OK;
    tree_put(model, "vocab", map);
    for (int i = 0; i < v->count && !st; i++) {
        if (v->tokens[i].size && memchr(v->tokens[i].at, '\0', v->tokens[i].size))
            return tok_bad(name, "token %d has a zero byte in it", i);
        char *s = spelling_of(v, i);
        vocab_kind kind = kind_of(v, i);
        tree_put(map, s, tree_new_int(i));
        if (map->count != i + 1) st = tok_bad(name, "token %d is '%.80s', as one before it", i, s);
        if (kind == VOCAB_CONTROL || kind == VOCAB_UNKNOWN || kind == VOCAB_USER) {
            tree *a = tree_new(TREE_MAP);
            tree_put(a, "id", tree_new_int(i));
            tree_put(a, "content", tree_new_string(s));
            tree_put(a, "special", tree_new_bool(kind != VOCAB_USER));
            tree_put(a, "normalized", tree_new_bool(false));
            tree_add(added, a);
        }
        free(s);
    }
    return st;
}

static void put_merges(tree *model, const vocab_source *v) {
    tree *list = tree_new(TREE_LIST);
    tree_put(model, "merges", list);
    for (int i = 0; i < v->merge_count; i++) tree_add(list, tree_new_text(v->merges[i].at, v->merges[i].size));
}

static lmm_status put_scores(tree *model, const vocab_source *v, const char *name) {
    tree *list = tree_new(TREE_LIST);
    tree_put(model, "scores", list);
    if (!v->scores) return tok_bad(name, "a vocabulary of the model 'llama' needs scores");
    for (int i = 0; i < v->count; i++) {
        vocab_kind kind = kind_of(v, i);
        if (isnan(v->scores[i])) return tok_bad(name, "the score of token %d is no number", i);
        tree_add(list, kind == VOCAB_NORMAL || kind == VOCAB_USER ? tree_new_real(v->scores[i]) : tree_new(TREE_NULL));
    }
    return LMM_OK;
}

static void put_part(buf *json, const char *token) { buf_printf(json, "{\"SpecialToken\":{\"id\":\"%s\",\"type_id\":0}}", token); }

/* What stands before and behind a text. */
static void put_ends(buf *json, int bos, int eos) {
    buf_puts(json, ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[");
    if (bos >= 0) put_part(json, "bos"), buf_putc(json, ',');
    buf_puts(json, "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}");
    if (eos >= 0) buf_putc(json, ','), put_part(json, "eos");
    buf_printf(json, "],\"special_tokens\":{\"bos\":{\"ids\":[%d]},\"eos\":{\"ids\":[%d]}}}", bos, eos);
}

static bool decided(int said, bool fallback) { return said < 0 ? fallback : said != 0; }

static void put_config(tree *config, const vocab_source *v) {
    const struct {
        const char *key;
        int id;
    } row[] = {{"bos_token", v->bos}, {"eos_token", v->eos}, {"pad_token", v->pad}};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        if (row[i].id < 0) continue;
        char *s = spelling_of(v, row[i].id);
        tree_put(config, row[i].key, tree_new_string(s));
        free(s);
    }
}

static lmm_status check_ids(const vocab_source *v, const char *name) {
    int id[] = {v->bos, v->eos, v->pad, v->unknown};
    for (size_t i = 0; i < COUNT_OF(id); i++)
        if (id[i] >= v->count) return tok_bad(name, "a special token has the id %d, the vocabulary %d tokens", id[i], v->count);
    return v->count ? LMM_OK : tok_bad(name, "the vocabulary is empty");
}

/* Everything but the tokens themselves. */
static lmm_status describe(tree **out, const vocab_source *v, bool *scored, const char *name) {
    const cutting *c = NULL;
    buf json = {0};
    bool add_bos = true;
    *scored = !strcmp(v->model, "llama");
    lmm_status st = LMM_OK;
    if (!*scored &&
        !(st = strcmp(v->model, "gpt2")
                   ? LMM_FAIL(LMM_E_UNSUPPORTED, "%s: the tokenizer model '%.80s' is not known (gpt2, llama are)", name, v->model)
                   : find_cutting(&c, v->pre, name)))
        add_bos = c->add_bos;
    if (st) return st;
    buf_printf(&json, "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":%s,\"fuse_unk\":%s,\"ignore_merges\":%s}", *scored ? "true" : "false",
               *scored ? "true" : "false", c && c->ignore_merges ? "true" : "false");
    if (c) put_cutting(&json, c);
    else put_sentencepiece(&json, decided(v->add_space_prefix, true));
    put_ends(&json, decided(v->add_bos, add_bos) ? v->bos : -1, decided(v->add_eos, false) ? v->eos : -1);
    buf_putc(&json, '}');
    st = tree_parse_json(out, json.data, json.size, name);
    buf_free(&json);
    return st;
}

lmm_status tokenizer_new_vocab(tokenizer **out, const vocab_source *v, const char *name) {
    tree *json = NULL, *config = tree_new(TREE_MAP);
    bool scored = false;
    lmm_status st = check_ids(v, name);
    if (!st) st = describe(&json, v, &scored, name);
    if (!st) {
        tree *model = (tree *)(uintptr_t)tree_get(json, "model"), *added = tree_new(TREE_LIST);
        tree_put(json, "added_tokens", added);
        st = put_tokens(model, added, v, name);
        if (!st && scored && v->unknown >= 0) {
            char *s = spelling_of(v, v->unknown);
            tree_put(model, "unk_token", tree_new_string(s));
            free(s);
        }
        if (!st && scored) st = put_scores(model, v, name);
        else if (!st) put_merges(model, v);
    }
    if (!st) put_config(config, v);
    if (!st) st = tokenizer_new(out, json, config, name);
    tree_free(json);
    tree_free(config);
    return st;
}
