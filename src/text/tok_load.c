/* tok_load.c - reads tokenizer.json and tokenizer_config.json: vocabulary, added tokens, model, post-processor.
 *
 * Truncation, padding and dropout are settings of a training run and are left out. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

enum { MESSAGE_SIZE = 1024, ADDED_SIZE_MAX = 1 << 12, NORMALIZED_SIZE_MAX = 1 << 16, AROUND_COUNT_MAX = 1 << 10 };

lmm_status tok_bad(const char *name, const char *format, ...) {
    char message[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return LMM_FAIL(LMM_E_FORMAT, "%s: %s", name, message);
}

lmm_status tok_flag(bool *out, const tree *json, const char *key, bool fallback, const char *name) {
    const tree *t = tree_get(json, key);
    *out = fallback;
    if (!t || t->type == TREE_NULL) return LMM_OK;
    if (t->type != TREE_BOOL) return tok_bad(name, "'%s' must be true or false", key);
    *out = t->i != 0;
    return LMM_OK;
}

/* ---- vocabulary ---- */

static const char *spelling(const tok_vocab *v, int id) { return v->spelled.data + v->rows.at[id].at; }

static void vocab_put(tok_vocab *v, int id, const char *s, size_t n) {
    v->rows.at[id] = (token_row){.at = v->spelled.size, .shown_at = v->spelled.size, .size = (int)n, .shown_size = (int)n, .there = true};
    buf_put(&v->spelled, s, n);
    buf_putc(&v->spelled, '\0');
}

/* Ids must be 0..N-1, each used once: what a file of N tokens can have at most is known before anything is allocated for it. */
static lmm_status load_vocab(tok_vocab *v, const tree *model, const tree *added, const char *name) {
    const tree *map = tree_get(model, "vocab");
    if (!map || map->type != TREE_MAP) return tok_bad(name, "'model.vocab' must map tokens to ids");
    int64_t limit = (int64_t)map->count + (added ? added->count : 0);
    if (limit == 0 || limit > INT32_MAX / 2) return tok_bad(name, "'model.vocab' has %d tokens", map->count);
    v->ids = strmap_new();
    v->added_ids = strmap_new();
    buf_puts(&v->spelled, "");
    vec_reserve((void **)&v->rows.at, &v->rows.capacity, (int)limit, sizeof *v->rows.at);
    memset(v->rows.at, 0, (size_t)limit * sizeof *v->rows.at);
    v->rows.count = (int)limit;
    for (int i = 0; i < map->count; i++) {
        const tree *id = map->items[i];
        size_t n = strlen(map->keys[i]);
        if (id->type != TREE_INT || id->i < 0 || id->i >= limit)
            return tok_bad(name, "'model.vocab': the id of '%.80s' is no integer in [0, %" PRId64 "]", map->keys[i], limit - 1);
        if (v->rows.at[id->i].there)
            return tok_bad(name, "'model.vocab': '%.80s' and '%.80s' have the same id %d", spelling(v, (int)id->i), map->keys[i],
                           (int)id->i);
        if (n > TEXT_SIZE_MAX) return tok_bad(name, "'model.vocab': a token of %zu bytes", n);
        vocab_put(v, (int)id->i, map->keys[i], n);
        strmap_put(v->ids, map->keys[i], n, (int)id->i);
    }
    return LMM_OK;
}

/* ---- added tokens ---- */

static added_token *added_find(tokenizer *t, int id) {
    for (int i = 0; i < t->added.count; i++)
        if (t->added.at[i].id == id) return &t->added.at[i];
    return NULL;
}

static lmm_status load_added_flags(added_token *a, const tree *json, const char *name) {
    lmm_status st = tok_flag(&a->single_word, json, "single_word", false, name);
    if (!st) st = tok_flag(&a->lstrip, json, "lstrip", false, name);
    if (!st) st = tok_flag(&a->rstrip, json, "rstrip", false, name);
    if (!st) st = tok_flag(&a->special, json, "special", false, name);
    return st ? st : tok_flag(&a->normalized, json, "normalized", !a->special, name);
}

static lmm_status load_added_one(tokenizer *t, const tree *json, int number, const char *name) {
    tok_vocab *v = &t->vocab;
    const tree *content = tree_get(json, "content"), *id = tree_get(json, "id");
    if (!content || content->type != TREE_STRING || content->text_size > ADDED_SIZE_MAX || memchr(content->text, '\0', content->text_size))
        return tok_bad(name, "'added_tokens[%d].content' must be a string of at most %d bytes", number, ADDED_SIZE_MAX);
    if (!id || id->type != TREE_INT || id->i < 0 || id->i >= v->rows.count)
        return tok_bad(name, "'added_tokens[%d].id' of '%s' must be an integer in [0, %d]", number, content->text, v->rows.count - 1);
    if (content->text_size == 0) return LMM_OK;
    added_token a = {.id = (int)id->i, .size = content->text_size};
    lmm_status st = load_added_flags(&a, json, name);
    if (st) return st;
    int known;
    if (strmap_get(v->ids, content->text, content->text_size, &known) ||
        strmap_get(v->added_ids, content->text, content->text_size, &known)) {
        if (known != a.id)
            return tok_bad(name, "'added_tokens[%d]': '%s' has the id %d here and %d elsewhere", number, content->text, a.id, known);
    } else if (v->rows.at[a.id].there)
        return tok_bad(name, "'added_tokens[%d]': the id %d of '%s' belongs to '%.80s'", number, a.id, content->text, spelling(v, a.id));
    else vocab_put(v, a.id, content->text, content->text_size);
    v->rows.at[a.id].special |= a.special;
    if (!strmap_put(v->added_ids, content->text, content->text_size, a.id)) {
        added_token *earlier = added_find(t, a.id); /* said twice: the last word counts */
        a.text = earlier->text;
        *earlier = a;
        return LMM_OK;
    }
    a.text = mem_strndup(content->text, content->text_size);
    VEC_PUSH(&t->added, a);
    return LMM_OK;
}

static lmm_status load_added(tokenizer *t, const tree *list, const char *name) {
    lmm_status st = LMM_OK;
    for (int i = 0; !st && list && i < list->count; i++) st = load_added_one(t, list->items[i], i, name);
    return st;
}

static lmm_status close_gaps(tok_vocab *v, const char *name) {
    while (v->rows.count && !v->rows.at[v->rows.count - 1].there) v->rows.count--;
    for (int i = 0; i < v->rows.count; i++)
        if (!v->rows.at[i].there)
            return tok_bad(name, "'model.vocab' and 'added_tokens' have no token with id %d, but one with id %d", i, v->rows.count - 1);
    return LMM_OK;
}

/* A token that is looked for in normalized text is also decoded as its normalized self, and left out of a text only if that is the
 * spelling of a special token (the library's choice). */
static lmm_status place_normalized(tokenizer *t, const added_token *a, const char *name) {
    tok_vocab *v = &t->vocab;
    token_row *row = &v->rows.at[a->id];
    buf text = {0};
    lmm_status st = normalizer_run(t->normalizer, a->text, a->size, &text);
    if (!st && text.size > NORMALIZED_SIZE_MAX) st = tok_bad(name, "'added_tokens': '%s' normalizes to %zu bytes", a->text, text.size);
    if (!st) {
        int same;
        trie_put(t->normalized_tokens, text.data, text.size, a);
        row->shown_at = v->spelled.size;
        row->shown_size = (int)text.size;
        row->skipped = strmap_get(v->added_ids, text.data, text.size, &same) && v->rows.at[same].special;
        buf_put(&v->spelled, text.data, text.size);
        buf_putc(&v->spelled, '\0');
    }
    buf_free(&text);
    return st;
}

/* Special tokens come first, as in the library: of two that look the same after normalizing, the first is found. */
static lmm_status place_added(tokenizer *t, const char *name) {
    t->plain_tokens = trie_new();
    t->normalized_tokens = trie_new();
    lmm_status st = LMM_OK;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; !st && i < t->added.count; i++) {
            const added_token *a = &t->added.at[i];
            token_row *row = &t->vocab.rows.at[a->id];
            if (row->special != (pass == 0)) continue;
            row->skipped = row->special;
            if (a->normalized) st = place_normalized(t, a, name);
            else trie_put(t->plain_tokens, a->text, a->size, a);
        }
    return st;
}

/* ---- model ---- */

static int token_id(const tok_vocab *v, const char *s, size_t n) {
    int id;
    return strmap_get(v->ids, s, n, &id) || strmap_get(v->added_ids, s, n, &id) ? id : -1;
}

static lmm_status load_unk(int *unk, const tok_vocab *v, const tree *model, const char *name) {
    const tree *token = tree_get(model, "unk_token");
    *unk = -1;
    if (!token || token->type == TREE_NULL) return LMM_OK;
    if (token->type != TREE_STRING) return tok_bad(name, "'model.unk_token' must be a string");
    *unk = token_id(v, token->text, token->text_size);
    return *unk < 0 ? tok_bad(name, "'model.unk_token' is '%s', which is not in the vocabulary", token->text) : LMM_OK;
}

/* Old files do not say their type: only BPE has merges. */
static lmm_status load_model(tokenizer *t, const tree *model, const char *name) {
    const char *type = tree_str(model, "type", tree_get(model, "merges") ? "BPE" : "WordPiece");
    int unk;
    lmm_status st = load_unk(&unk, &t->vocab, model, name);
    if (st) return st;
    if (!strcmp(type, "BPE")) return bpe_load(&t->bpe, model, &t->vocab, unk, name);
    return wordpiece_load(&t->wordpiece, model, &t->vocab, unk, name);
}

/* ---- post-processor: what goes before and behind a text ---- */

static lmm_status add_ids(const tokenizer *t, id_list *out, const tree *ids, const char *name) {
    if (!ids || ids->type != TREE_LIST) return tok_bad(name, "'post_processor': 'ids' must be a list");
    if (ids->count > AROUND_COUNT_MAX - out->count) return tok_bad(name, "'post_processor' adds more than %d tokens", AROUND_COUNT_MAX);
    for (int i = 0; i < ids->count; i++) {
        const tree *id = ids->items[i];
        if (id->type != TREE_INT || id->i < 0 || id->i >= t->vocab.rows.count)
            return tok_bad(name, "'post_processor': an id is not in [0, %d]", t->vocab.rows.count - 1);
        VEC_PUSH(out, (int)id->i);
    }
    return LMM_OK;
}

static lmm_status load_template(const tree *json, const tokenizer *t, id_list *before, id_list *after, const char *name) {
    const tree *parts = tree_get(json, "single");
    if (!parts || parts->type != TREE_LIST) return tok_bad(name, "'post_processor.single' must be a list");
    int sequences = 0;
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < parts->count; i++) {
        const char *special = tree_str(tree_get(parts->items[i], "SpecialToken"), "id", NULL);
        if (tree_get(parts->items[i], "Sequence")) sequences++;
        else if (!special) st = tok_bad(name, "'post_processor.single[%d]' is neither SpecialToken nor Sequence", i);
        else {
            const tree *token = tree_get(tree_get(json, "special_tokens"), special);
            if (!token) st = tok_bad(name, "'post_processor.special_tokens' lacks '%s'", special);
            else st = add_ids(t, sequences ? after : before, tree_get(token, "ids"), name);
        }
    }
    if (!st && sequences != 1) st = tok_bad(name, "'post_processor.single' needs the text exactly once");
    return st;
}

/* "cls": ["<s>", 0] */
static lmm_status load_pair(const tree *json, const char *key, const tokenizer *t, id_list *out, const char *name) {
    const tree *pair = tree_get(json, key);
    if (!pair || pair->type != TREE_LIST || pair->count != 2 || pair->items[1]->type != TREE_INT || pair->items[1]->i < 0 ||
        pair->items[1]->i >= t->vocab.rows.count)
        return tok_bad(name, "'post_processor.%s' must be a token and its id", key);
    VEC_PUSH(out, (int)pair->items[1]->i);
    return LMM_OK;
}

/* The ids of a later processor stand outside of those of an earlier one. */
static void wrap(tokenizer *t, id_list *before, id_list *after) {
    for (int i = 0; i < t->prefix.count; i++) VEC_PUSH(before, t->prefix.at[i]);
    for (int i = 0; i < after->count; i++) VEC_PUSH(&t->suffix, after->at[i]);
    free(t->prefix.at);
    free(after->at);
    t->prefix = *before;
}

static lmm_status load_processor(tokenizer *t, const tree *json, const char *name) {
    if (!json || json->type == TREE_NULL) return LMM_OK;
    const char *type = tree_str(json, "type", "(missing)");
    lmm_status st = LMM_OK;
    if (!strcmp(type, "ByteLevel")) return LMM_OK; /* moves offsets only */
    if (!strcmp(type, "Sequence")) {
        const tree *list = tree_get(json, "processors");
        if (!list || list->type != TREE_LIST) return tok_bad(name, "'post_processor.processors' must be a list");
        for (int i = 0; !st && i < list->count; i++) st = load_processor(t, list->items[i], name);
        return st;
    }
    id_list before = {0}, after = {0};
    if (!strcmp(type, "TemplateProcessing")) st = load_template(json, t, &before, &after, name);
    else if (!strcmp(type, "RobertaProcessing") || !strcmp(type, "BertProcessing")) {
        st = load_pair(json, "cls", t, &before, name);
        if (!st) st = load_pair(json, "sep", t, &after, name);
    } else st = LMM_FAIL(LMM_E_UNSUPPORTED, "%s: 'post_processor.type' is '%s', which is not supported", name, type);
    if (!st) return wrap(t, &before, &after), LMM_OK;
    free(before.at);
    free(after.at);
    return st;
}

/* ---- the whole ---- */

/* "<s>" or {"content": "<s>", ...} in tokenizer_config.json. */
static lmm_status load_config_token(int *out, const tokenizer *t, const tree *config, const char *key, const char *name) {
    const tree *token = tree_get(config, key);
    *out = -1;
    if (!token || token->type == TREE_NULL) return LMM_OK;
    if (token->type == TREE_MAP) token = tree_get(token, "content");
    if (!token || token->type != TREE_STRING)
        return tok_bad(name, "'%s' of tokenizer_config.json must be a string or have a 'content'", key);
    *out = token_id(&t->vocab, token->text, token->text_size);
    return LMM_OK;
}

static lmm_status load_all(tokenizer *t, const tree *json, const tree *config, const char *name) {
    const tree *model = tree_get(json, "model"), *added = tree_get(json, "added_tokens");
    if (!model || model->type != TREE_MAP) return tok_bad(name, "'model' is missing: this is no tokenizer.json");
    const char *type = tree_str(model, "type", "BPE");
    if (strcmp(type, "BPE") && strcmp(type, "WordPiece"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: 'model.type' is '%s', which is not supported (known: BPE, WordPiece)", name, type);
    if (added && added->type == TREE_NULL) added = NULL;
    if (added && added->type != TREE_LIST) return tok_bad(name, "'added_tokens' must be a list");
    lmm_status st = load_vocab(&t->vocab, model, added, name);
    if (!st) st = load_added(t, added, name);
    if (!st) st = close_gaps(&t->vocab, name);
    if (!st) st = load_model(t, model, name);
    if (!st) st = normalizer_load(&t->normalizer, tree_get(json, "normalizer"), name);
    if (!st) st = pretokenizer_load(&t->pretokenizer, tree_get(json, "pre_tokenizer"), name);
    if (!st) st = token_decoder_load(&t->decoder, tree_get(json, "decoder"), name);
    if (!st) st = load_processor(t, tree_get(json, "post_processor"), name);
    if (!st) st = place_added(t, name);
    if (!st) st = load_config_token(&t->bos, t, config, "bos_token", name);
    if (!st) st = load_config_token(&t->eos, t, config, "eos_token", name);
    if (!st) st = load_config_token(&t->pad, t, config, "pad_token", name);
    return st;
}

lmm_status tokenizer_new(tokenizer **out, const tree *json, const tree *config, const char *name) {
    tokenizer *t = mem_new(1, sizeof *t);
    lmm_status st = load_all(t, json, config, name);
    if (st) tokenizer_free(t);
    else *out = t;
    return st;
}

lmm_status tokenizer_open(tokenizer **out, const char *path) {
    bool is_dir = file_is_dir(path);
    char *dir = is_dir ? mem_strdup(path) : path_dir(path), *file = is_dir ? path_join(dir, "tokenizer.json") : mem_strdup(path);
    char *config_file = path_join(dir, "tokenizer_config.json");
    tree *json = NULL, *config = NULL;
    lmm_status st = tree_load(&json, file);
    if (!st && file_exists(config_file)) st = tree_load(&config, config_file);
    if (!st) st = tokenizer_new(out, json, config, file);
    tree_free(json);
    tree_free(config);
    free(config_file);
    free(file);
    free(dir);
    return st;
}

void tokenizer_free(tokenizer *t) {
    if (!t) return;
    for (int i = 0; i < t->added.count; i++) free(t->added.at[i].text);
    free(t->added.at);
    trie_free(t->plain_tokens);
    trie_free(t->normalized_tokens);
    normalizer_free(t->normalizer);
    pretokenizer_free(t->pretokenizer);
    bpe_free(t->bpe);
    wordpiece_free(t->wordpiece);
    token_decoder_free(t->decoder);
    strmap_free(t->vocab.ids);
    strmap_free(t->vocab.added_ids);
    buf_free(&t->vocab.spelled);
    free(t->vocab.rows.at);
    free(t->prefix.at);
    free(t->suffix.at);
    free(t);
}
