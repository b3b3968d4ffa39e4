/* fuzz_config.c - config.json of any kind: every reader refuses or accepts, none crashes, and rotary frequencies of what was accepted are numbers. */
#include <math.h>
#include <stdlib.h>

#include "models/models.h"

/* Any grid that is accepted lays out any picture. */
static void lay_out(const tile_grid *grid) {
    static const int sizes[][2] = {{1, 1}, {640, 480}, {16384, 1}, {3, 16384}};
    anyres_spec s = {.grid = grid, .tile = 14, .side = 3, .tiles_shown_max = 2};
    anyres_layout l;
    if (anyres_check(&s, "fuzz")) return;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        s.reference = (reference)(i % 2);
        anyres_lay_out(&l, &s, sizes[i][0], sizes[i][1]);
        LMM_ASSERT(l.width >= 0 && l.height >= 0 && l.row_count >= 9, "%d x %d, %d rows", l.width, l.height, l.row_count);
    }
}

static void read_all(const tree *t) {
    decoder_config d;
    vit_config v;
    tile_grid grid;
    float inv[512], factor;
    arch_find(t, "fuzz");
    if (!vit_config_read(&v, t, "fuzz")) LMM_ASSERT(vit_tokens(&v) > 0, "%d tokens", vit_tokens(&v));
    const tree *pairs = tree_get(t, "image_grid_pinpoints");
    if (pairs && !tile_grid_read(&grid, pairs, "fuzz")) lay_out(&grid);
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
