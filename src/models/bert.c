/* bert.c - BERT as a sentence encoder (MiniLM and its family): mean or first row, then length one.
 *
 * How rows become a sentence is said by 1_Pooling/config.json and sentence_bert_config.json of sentence-transformers; without them: mean, whole context. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

/* Some checkpoints put everything below "bert.". */
static char *bert_canonical(const char *key) {
    if (strstr(key, "position_ids") || !strncmp(key, "cls.", 4)) return NULL;
    return mem_strdup(strncmp(key, "bert.", 5) ? key : key + 5);
}

static lmm_status bert_net_bind(net *n, const tree *config, binder *b) {
    bert_config c;
    lmm_status st = bert_config_read(&c, config, "config.json");
    if (st) return st;
    n->has_bert = true;
    n->sentence_max = c.context;
    return bert_bind(&n->bert, &c, b);
}

static lmm_status load_if_there(tree **out, const char *dir, const char *name) {
    char *path = path_join(dir, name);
    lmm_status st = file_exists(path) ? tree_load(out, path) : LMM_OK;
    free(path);
    return st;
}

static lmm_status bert_finish(net *n, const char *dir) {
    tree *pooling = NULL, *sentence = NULL;
    lmm_status st = load_if_there(&pooling, dir, "1_Pooling/config.json");
    if (!st) st = load_if_there(&sentence, dir, "sentence_bert_config.json");
    if (!st) {
        int64_t most = tree_int(sentence, "max_seq_length", n->sentence_max);
        if (most >= 2 && most < n->sentence_max) n->sentence_max = (int)most;
        n->pool_class = tree_bool(pooling, "pooling_mode_cls_token", false);
        if (!n->pool_class && !tree_bool(pooling, "pooling_mode_mean_tokens", true))
            st = LMM_FAIL(LMM_E_UNSUPPORTED, "1_Pooling/config.json: only the mean and the first token are supported");
    }
    tree_free(sentence);
    tree_free(pooling);
    return st;
}

const lmm_arch arch_bert = {
    .name = "bert",
    .hf = (const char *const[]){"BertModel", "BertForMaskedLM", NULL},
    .types = (const char *const[]){"bert", NULL},
    .canonical = bert_canonical,
    .bind = bert_net_bind,
    .finish = bert_finish,
};
