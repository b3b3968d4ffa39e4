/* bert.c - BERT as a sentence encoder (MiniLM and its family): mean or first row, then length one.
 *
 * How rows become a sentence is said by 1_Pooling/config.json and sentence_bert_config.json of sentence-transformers; without them: mean, whole context. */
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

const lmm_arch arch_bert = {
    .name = "bert",
    .hf = (const char *const[]){"BertModel", "BertForMaskedLM", NULL},
    .types = (const char *const[]){"bert", NULL},
    .canonical = bert_canonical,
    .bind = bert_net_bind,
};
