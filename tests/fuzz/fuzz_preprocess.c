/* fuzz_preprocess.c - any bytes as a processor's options: refused, or they make a picture of the size they say. */
#include <stdlib.h>
#include <string.h>

#include "models/models.h"

/* Large results are right and slow; they say nothing more. */
static bool is_small(const preprocess_spec *s) {
    return s->width <= 64 && s->height <= 64 && s->shortest_edge <= 64 && s->crop_width <= 64 && s->crop_height <= 64;
}

static void try_picture(const preprocess_spec *s, int width, int height) {
    image in = {0}, out = {0};
    float *pixels = NULL;
    LMM_ASSERT(image_new(&in, width, height, 3) == LMM_OK, "%s", lmm_message());
    memset(in.data, 200, (size_t)width * (size_t)height * 3);
    if (!preprocess_u8(&out, &in, s)) {
        LMM_ASSERT(!s->do_center_crop || (out.width == s->crop_width && out.height == s->crop_height), "%d x %d", out.width, out.height);
        LMM_ASSERT(preprocess_float(&pixels, &out, s) == LMM_OK, "%s", lmm_message());
        free(pixels);
        image_free(&out);
    }
    image_free(&in);
}

/* The overview, the first tile and the last of a picture on whatever grid was read. */
static void try_tiles(const preprocess_spec *s, int width, int height) {
    anyres_spec a = {.grid = &s->grid, .tile = preprocess_tile_side(s), .side = 2, .tiles_shown_max = 3};
    anyres_layout l;
    image in = {0};
    if (anyres_check(&a, "fuzz")) return;
    LMM_ASSERT(image_new(&in, width, height, 3) == LMM_OK, "%s", lmm_message());
    anyres_lay_out(&l, &a, width, height);
    int last = l.tiles_across * l.tiles_down;
    for (int i = 0; i <= last; i += i ? max_int(last - 1, 1) : 1) {
        image out = {0};
        if (preprocess_tile(&out, &in, s, &l.canvas, i)) break;
        LMM_ASSERT(!s->do_center_crop || (out.width == s->crop_width && out.height == s->crop_height), "%d x %d", out.width, out.height);
        image_free(&out);
    }
    image_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tree *t = NULL;
    preprocess_spec s;
    if (tree_parse_json(&t, (const char *)data, size, "fuzz")) return 0;
    if (!preprocess_read(&s, t, "fuzz") && is_small(&s)) {
        try_picture(&s, 5, 3);
        try_picture(&s, 3, 41);
        if (s.grid.count) {
            try_tiles(&s, 50, 20);
            try_tiles(&s, 1, 300);
        }
    }
    tree_free(t);
    return 0;
}
