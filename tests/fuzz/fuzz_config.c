/* fuzz_config.c - config.json of any kind: every reader refuses or accepts, none crashes, and rotary frequencies of what was accepted are numbers. */
#include <math.h>
#include <stdlib.h>

#include "models/models.h"

static void read_all(const tree *t) {
    decoder_config d;
    vit_config v;
    float inv[512], factor;
    arch_find(t, "fuzz");
    if (!vit_config_read(&v, t, "fuzz")) LMM_ASSERT(vit_tokens(&v) > 0, "%d tokens", vit_tokens(&v));
    if (decoder_config_read(&d, t, "fuzz")) return;
    rope_freqs(&d.rope, d.head_dim, d.context, inv, &factor);
    LMM_ASSERT(!isnan(inv[0]) && !isnan(factor), "rope of head_dim %d", d.head_dim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tree *t;
    if (tree_parse_json(&t, (const char *)data, size, "fuzz")) return 0;
    read_all(t);
    read_all(tree_get(t, "text_config"));
    read_all(tree_get(t, "vision_config"));
    tree_free(t);
    return 0;
}
