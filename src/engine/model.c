/* model.c - a checkpoint folder or a GGUF file opened: network, tokenizer, chat template, end tokens. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

bool model_ends(const lmm_model *m, int id) {
    for (int i = 0; i < m->eos.count; i++)
        if (m->eos.at[i] == id) return true;
    return false;
}

static void add_eos(lmm_model *m, int id) {
    if (id >= 0 && !model_ends(m, id)) VEC_PUSH(&m->eos, id);
}

/* eos_token_id may be a number or a list; true when the key said anything. */
static bool add_eos_tree(lmm_model *m, const tree *t) {
    if (!t || t->type == TREE_NULL) return false;
    if (t->type == TREE_INT) add_eos(m, (int)t->i);
    for (int i = 0; t->type == TREE_LIST && i < t->count; i++)
        if (t->items[i]->type == TREE_INT) add_eos(m, (int)t->items[i]->i);
    return true;
}

/* generation_config.json decides, else config.json, else the tokenizer. */
static lmm_status read_eos(lmm_model *m, const char *dir) {
    char *path = path_join(dir, "generation_config.json");
    tree *t = NULL;
    lmm_status st = file_exists(path) ? tree_load(&t, path) : LMM_OK;
    if (!st && !add_eos_tree(m, tree_get(t, "eos_token_id")) && !add_eos_tree(m, tree_get(m->net->config, "eos_token_id")) &&
        !add_eos_tree(m, tree_at(m->net->config, "text_config.eos_token_id")))
        add_eos(m, tokenizer_eos(m->tok));
    tree_free(t);
    free(path);
    return st;
}

static lmm_status read_template(lmm_model *m, const char *dir) {
    char *source = NULL, *from = NULL;
    lmm_status st = chat_template_find(&source, &from, dir);
    if (!st && source) st = LMM_CONTEXT(jinja_compile(&m->chat_template, source, strlen(source), NULL), "cannot read '%s'", from);
    free(source);
    free(from);
    return st;
}

static lmm_status open_folder_text(lmm_model *m, const char *dir) {
    char *path = path_join(dir, "tokenizer.json");
    bool has = file_exists(path);
    free(path);
    if (!m->net->has_decoder && !has && file_is_dir(dir) && m->net->file) return LMM_OK; /* a tower alone */
    lmm_status st = tokenizer_open(&m->tok, dir);
    return st ? st : read_template(m, dir);
}

static lmm_status open_text(lmm_model *m, const char *dir) {
    const gguf *g = m->net->file ? checkpoint_gguf(m->net->file) : NULL;
    lmm_status st = g ? gguf_text_open(&m->tok, &m->chat_template, g) : open_folder_text(m, dir);
    if (!st && m->tok) st = read_eos(m, dir);
    if (st || !m->tok) return st;
    if (m->net->has_decoder && tokenizer_vocab_size(m->tok) > m->net->dec.config.vocab)
        return LMM_FAIL(LMM_E_SHAPE, "the tokenizer knows %d tokens, the model %d: they belong to different models",
                        tokenizer_vocab_size(m->tok), m->net->dec.config.vocab);
    m->image_text = m->net->image_text;
    if (!m->image_text && m->net->image_token >= 0) m->image_text = tokenizer_token(m->tok, m->net->image_token);
    return LMM_OK;
}

lmm_status model_wrap(lmm_model **out, lmm_runtime *runtime, net *n, const char *text_dir) {
    lmm_model *m = mem_new(1, sizeof *m);
    *m = (lmm_model){.runtime = runtime, .net = n, .path = mem_strdup(text_dir)};
    lmm_status st = open_text(m, text_dir);
    if (st) return lmm_model_close(m), LMM_CONTEXT(st, "loading '%s'", text_dir);
    return *out = m, LMM_OK;
}

lmm_status lmm_model_open(lmm_model **out, lmm_runtime *runtime, const char *path) {
    net *n;
    lmm_status st = net_open(&n, path);
    return st ? st : model_wrap(out, runtime, n, path);
}

lmm_status lmm_model_open_projected(lmm_model **out, lmm_runtime *runtime, const char *path, const char *mmproj) {
    net *n;
    lmm_status st = net_open_projected(&n, path, mmproj);
    return st ? st : model_wrap(out, runtime, n, path);
}

lmm_status lmm_model_open_text(lmm_model **out, lmm_runtime *runtime, const char *path) {
    net *n;
    lmm_status st = file_exists(path) ? net_open_text(&n, path) : LMM_FAIL(LMM_E_IO, "no model at '%s'", path);
    return st ? st : model_wrap(out, runtime, n, path);
}

void lmm_model_products(lmm_model *m, lmm_products p) { m->products = p; }

void lmm_model_reference(lmm_model *m, lmm_reference r) {
    if (r != LMM_REFERENCE_PUBLISHED) net_reference(m->net, r == LMM_REFERENCE_HF ? REFERENCE_HF : REFERENCE_ORIGINAL);
}

int model_digits(const lmm_model *m) {
    static const int digits[] = {[LMM_PRODUCTS_FINE] = 2, [LMM_PRODUCTS_FAST] = 1, [LMM_PRODUCTS_EXACT] = 0};
    return digits[m->products];
}

void lmm_model_close(lmm_model *m) {
    if (!m) return;
    jinja_free(m->chat_template);
    tokenizer_free(m->tok);
    net_free(m->net);
    free(m->eos.at);
    free(m->path);
    free(m);
}

void lmm_model_describe(const lmm_model *m, lmm_model_info *out) {
    const net *n = m->net;
    const decoder_config *d = &n->dec.config;
    *out = (lmm_model_info){.architecture = n->arch->name, .parameter_count = param_total(&n->params)};
    for (int i = 0; i < n->params.list.count; i++) out->weight_bytes += tensor_size(&n->params.list.at[i]->t);
    media_plan plan = {0};
    if (n->arch->media_largest && n->arch->media_largest(n, &plan) == LMM_OK) out->rows_per_image = plan.row_count;
    if (!n->has_decoder) return;
    out->context = d->context, out->vocab = d->vocab, out->layer_count = d->layer_count, out->hidden = d->hidden;
    out->kv_bytes_per_token = (size_t)d->layer_count * 2 * (size_t)d->kv_head_count * (size_t)d->head_dim * sizeof(float);
}

lmm_status lmm_tokenize(const lmm_model *m, const char *text, size_t size, bool special, int **ids, int *count) {
    if (!m->tok) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no tokenizer", m->path);
    id_list list = {0};
    lmm_status st = tokenizer_encode(m->tok, text, size, special ? TOKENIZE_ADD_SPECIAL | TOKENIZE_PARSE_SPECIAL : 0, &list);
    if (st) return free(list.at), st;
    return *ids = list.at, *count = list.count, LMM_OK;
}

lmm_status lmm_detokenize(const lmm_model *m, const int *ids, int count, bool skip_special, char **text) {
    if (!m->tok) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no tokenizer", m->path);
    buf b = {0};
    lmm_status st = tokenizer_decode(m->tok, ids, count, skip_special, &b);
    if (st) return buf_free(&b), st;
    return *text = buf_take(&b), LMM_OK;
}

lmm_status lmm_model_adapt(lmm_model *m, const char *dir) {
    if (!m->net->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no decoder to adapt", m->path);
    m->version++;
    net *n = m->net;
    return LMM_CONTEXT(lora_load(&n->params, &n->adapters, dir, &n->lora, m->runtime->k, m->runtime->pool), "adapter '%s'", dir);
}
