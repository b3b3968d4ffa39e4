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

/* scored: with "scores" in the model, which our loader takes for the order of merges. */
static lmm_status describe_all(tree **out, tree *config, const vocab_source *v, bool *scored, const char *name) {
    lmm_status st = check_ids(v, name);
    if (!st) st = describe(out, v, scored, name);
    if (st) return st;
    tree *model = (tree *)(uintptr_t)tree_get(*out, "model"), *added = tree_new(TREE_LIST);
    tree_put(*out, "added_tokens", added);
    if ((st = put_tokens(model, added, v, name))) return st;
    if (*scored && v->unknown >= 0) {
        char *s = spelling_of(v, v->unknown);
        tree_put(model, "unk_token", tree_new_string(s));
        free(s);
    }
    if (*scored) st = put_scores(model, v, name);
    else put_merges(model, v);
    put_config(config, v);
    return st;
}

lmm_status tokenizer_new_vocab(tokenizer **out, const vocab_source *v, const char *name) {
    tree *json = NULL, *config = tree_new(TREE_MAP);
    bool scored = false;
    lmm_status st = describe_all(&json, config, v, &scored, name);
    if (!st) st = tokenizer_new(out, json, config, name);
    tree_free(json);
    tree_free(config);
    return st;
}

/* ---- the way back: a vocabulary as the files of a folder ---- */

typedef struct {
    int left, right, made; /* ids */
    float score;
} merge;

/* Best score first; of one piece's pairs the one of the smaller ids, as transformers' converter of SentencePiece has them. */
static int compare_merges(const void *a, const void *b) {
    const merge *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->made != y->made) return x->made < y->made ? -1 : 1;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

/* Every way to make a piece of two others is a merge. */
static tree *merges_of_scores(const vocab_source *v) {
    strmap *ids = strmap_new();
    VEC(merge) all = {0};
    for (int i = 0; i < v->count; i++)
        if (kind_of(v, i) == VOCAB_NORMAL) strmap_put(ids, v->tokens[i].at, v->tokens[i].size, i);
    for (int i = 0; i < v->count; i++)
        for (size_t cut = 1; kind_of(v, i) == VOCAB_NORMAL && cut < v->tokens[i].size; cut++) {
            merge m = {.made = i, .score = v->scores[i]};
            if (strmap_get(ids, v->tokens[i].at, cut, &m.left) && strmap_get(ids, v->tokens[i].at + cut, v->tokens[i].size - cut, &m.right))
                VEC_PUSH(&all, m);
        }
    strmap_free(ids);
    if (all.count) qsort(all.at, (size_t)all.count, sizeof *all.at, compare_merges);
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < all.count; i++) {
        tree *pair = tree_new(TREE_LIST);
        tree_add(pair, tree_new_text(v->tokens[all.at[i].left].at, v->tokens[all.at[i].left].size));
        tree_add(pair, tree_new_text(v->tokens[all.at[i].right].at, v->tokens[all.at[i].right].size));
        tree_add(list, pair);
    }
    free(all.at);
    return list;
}

/* A map without one of its keys. */
static void drop(tree *map, const char *key) {
    for (int i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i], key)) continue;
        free(map->keys[i]);
        tree_free(map->items[i]);
        for (map->count--; i < map->count; i++) map->keys[i] = map->keys[i + 1], map->items[i] = map->items[i + 1];
    }
}

/* Padding stands for rows no token has: a tokenizer.json leaves them out. */
static tree *vocab_without_padding(const vocab_source *v) {
    tree *map = tree_new(TREE_MAP);
    for (int i = 0; i < v->count; i++) {
        if (kind_of(v, i) == VOCAB_UNUSED) continue;
        char *s = spelling_of(v, i);
        tree_put(map, s, tree_new_int(i));
        free(s);
    }
    return map;
}

lmm_status tokenizer_json_vocab(tree **json, tree **config, const vocab_source *v, const char *name) {
    tree *j = NULL, *c = tree_new(TREE_MAP);
    bool scored = false;
    lmm_status st = describe_all(&j, c, v, &scored, name);
    if (st) return tree_free(j), tree_free(c), st;
    tree *model = (tree *)(uintptr_t)tree_get(j, "model");
    tree_put(model, "vocab", vocab_without_padding(v));
    if (scored) {
        drop(model, "scores");
        tree_put(model, "merges", merges_of_scores(v));
    }
    tree_put(j, "version", tree_new_string("1.0"));
    tree_put(c, "tokenizer_class", tree_new_string("PreTrainedTokenizerFast"));
    return *json = j, *config = c, LMM_OK;
}

/* ---- the name of a cutting ---- */

/* What of a pre-tokenizer decides, in one line: "digits", "gpt2" and the patterns. */
static void cutting_line(buf *out, const tree *t) {
    const char *type = tree_str(t, "type", "");
    const tree *parts = tree_get(t, "pretokenizers");
    for (int i = 0; parts && i < parts->count; i++) cutting_line(out, parts->items[i]);
    if (!strcmp(type, "Digits")) buf_puts(out, "digits\n");
    if (!strcmp(type, "ByteLevel") && tree_bool(t, "use_regex", true)) buf_puts(out, "gpt2\n");
    if (strcmp(type, "Split")) return;
    static const char folded[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", spelled[] = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    const char *regex = tree_str(tree_get(t, "pattern"), "Regex", "");
    bool is_folded = !strncmp(regex, folded, sizeof folded - 1);
    buf_printf(out, "%s%s\n", is_folded ? spelled : "", regex + (is_folded ? sizeof folded - 1 : 0));
}

static void table_line(buf *out, const cutting *c) {
    if (c->digits) buf_puts(out, "digits\n");
    for (int i = 0; i < PATTERNS_MAX && c->patterns[i]; i++) buf_printf(out, "%s\n", c->patterns[i]);
    if (c->gpt2_words) buf_puts(out, "gpt2\n");
}

const char *tokenizer_vocab_cutting(const tree *json) {
    bool ignore_merges = tree_bool(tree_get(json, "model"), "ignore_merges", false);
    const char *found = NULL;
    buf have = {0};
    cutting_line(&have, tree_get(json, "pre_tokenizer"));
    for (size_t i = 0; have.data && i < COUNT_OF(cuttings); i++) {
        buf row = {0};
        table_line(&row, &cuttings[i]);
        bool same = !strcmp(row.data, have.data);
        buf_free(&row);
        if (!same || (found && cuttings[i].ignore_merges != ignore_merges)) continue;
        found = cuttings[i].names[0];
        if (cuttings[i].ignore_merges == ignore_merges) break;
    }
    buf_free(&have);
    return found;
}
