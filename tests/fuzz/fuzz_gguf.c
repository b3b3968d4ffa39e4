/* fuzz_gguf.c - any bytes as a GGUF file: refused, or every tensor and text lies inside them and the text side opens or is refused, and
 * as a model's metadata and as a projector's they are read or refused. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "models/models_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    gguf *g;
    if (gguf_open_mem(&g, data, size, "fuzz")) return 0;
    size_t at = 0;
    unsigned sum = 0;
    for (int i = 0; i < gguf_count(g); i++) {
        const named_tensor *n = gguf_at(g, i);
        const uint8_t *bytes = n->t.data;
        for (size_t j = 0; j < tensor_size(&n->t); j++) sum += bytes[j];
        LMM_ASSERT(gguf_find(g, n->name) == &n->t, "'%s' is not found", n->name);
        at += tensor_size(&n->t);
    }
    LMM_ASSERT(at <= size && sum <= 255 * size, "%zu bytes of tensors in a file of %zu", at, size);
    tokenizer *t = NULL;
    jinja *chat = NULL;
    if (gguf_text_open(&t, &chat, g) == LMM_OK) {
        id_list ids = {0};
        buf text = {0};
        if (!tokenizer_encode(t, "a <s>b", 6, TOKENIZE_ADD_SPECIAL | TOKENIZE_PARSE_SPECIAL, &ids))
            tokenizer_decode(t, ids.at, ids.count, false, &text);
        buf_free(&text);
        free(ids.at);
    }
    tree *config = NULL;
    (void)gguf_net_config(&config, g);
    tree_put(config, "model_type", tree_new_string("llama"));
    (void)gguf_projector_config(config, g);
    tree_free(config);
    jinja_free(chat);
    tokenizer_free(t);
    gguf_close(g);
    return 0;
}
