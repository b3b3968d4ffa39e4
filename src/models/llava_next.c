/* llava_next.c - LLaVA-NeXT (1.6): a picture is an overview and tiles of a canvas that fits its shape; a learned newline ends every line of the map.
 *
 * The rows of a picture: the overview's, then the part of the tiles' map that shows picture, line by line, each with the newline behind it.
 * LLaVA-OneVision is built on the same functions. Source: llava.md 2.5, 2.6; transformers modeling_llava_next. */
#include <math.h>
#include <stdlib.h>

#include "models/models_int.h"

static anyres_spec spec_of(const net *n) {
    const vit_config *v = &n->tower.config;
    return (anyres_spec){.grid = &n->grid,
                         .reference = n->reference,
                         .merge = n->merge,
                         .tile = v->image_size,
                         .side = v->image_size / v->patch,
                         .tiles_shown_max = n->tiles_shown_max};
}

/* ---- binding ---- */

/* The picture processor cuts by its list, the model lays out by its own: they must be one. */
static lmm_status grid_select(net *n, const tree *config) {
    const tree *given = tree_get(config, "image_grid_pinpoints");
    if (given && given->type != TREE_NULL) {
        lmm_status st = tile_grid_read(&n->grid, given, "config.json");
        if (st) return st;
        if (n->has_pre && n->pre.grid.count && !tile_grid_equal(&n->grid, &n->pre.grid))
            return LMM_FAIL(LMM_E_FORMAT, "'image_grid_pinpoints' of config.json and of the picture processor differ");
    } else {
        n->grid = n->pre.grid;
    }
    return LMM_OK;
}

lmm_status anyres_fits(const net *n) {
    anyres_spec s = spec_of(n);
    if (llava_tile_rows(n) != s.side * s.side)
        return LMM_FAIL(LMM_E_UNSUPPORTED,
                        "config.json: vision_feature_select_strategy leaves %d rows a tile, a map of tiles needs %d x %d",
                        llava_tile_rows(n), s.side, s.side);
    if (n->has_pre && preprocess_tile_side(&n->pre) != s.tile)
        return LMM_FAIL(LMM_E_SHAPE,
                        "the picture processor cuts tiles of %d pixels, the tower needs %d: preprocessor_config.json does not fit "
                        "config.json",
                        preprocess_tile_side(&n->pre), s.tile);
    return anyres_check(&s, "config.json");
}

void anyres_bind_newline(net *n, binder *b) {
    int D = n->dec.config.hidden;
    b->part = PART_NEWLINE;
    n->newline = param_bind(b, (init_rule){INIT_NORMAL, 1.0f / sqrtf((float)D)}, 1, (int64_t[]){D}, "image_newline");
}

lmm_status anyres_bind(net *n, const tree *config, binder *b) {
    anyres_bind_newline(n, b);
    lmm_status st = b->status ? b->status : grid_select(n, config);
    return st ? st : anyres_fits(n);
}

static lmm_status next_bind(net *n, const tree *config, binder *b) {
    lmm_status st =
        llava_bind_parts(n, config, b,
                         &(llava_defaults){.image_token = 32000, .feature_layer = -2, .strategy = "default", .vision = LLAVA_CLIP});
    return st ? st : anyres_bind(n, config, b);
}

/* ---- planning ---- */

void anyres_plan_one_tile(const net *n, media_plan *out) {
    *out = (media_plan){.tile_count = 1, .row_count = llava_tile_rows(n) + (n->newline != NULL)};
}

lmm_status anyres_media_plan(const net *n, int width, int height, int pictures, media_plan *out) {
    anyres_spec s = spec_of(n);
    anyres_layout l;
    (void)pictures;
    anyres_lay_out(&l, &s, width, height);
    *out = (media_plan){.tile_count = 1 + l.tiles_across * l.tiles_down, .row_count = l.row_count, .width = width, .height = height};
    return LMM_OK;
}

lmm_status anyres_media_largest(const net *n, media_plan *out) {
    anyres_spec s = spec_of(n);
    int width = 1, height = 1;
    anyres_largest(&s, &width, &height);
    return anyres_media_plan(n, width, height, 1, out);
}

/* ---- pixels ---- */

/* One tile for the whole picture; where others are cut to tiles it is padded to a square. */
static lmm_status whole_picture(image *out, const net *n, const image *im) {
    preprocess_spec s = n->pre;
    s.do_pad |= n->grid.count > 0;
    return preprocess_u8(out, im, &s);
}

lmm_status anyres_media_pixels(const net *n, const image *im, const media_plan *plan, float **pixels, int *tile_count) {
    anyres_spec s = spec_of(n);
    anyres_layout l;
    if (plan->width) anyres_lay_out(&l, &s, im->width, im->height);
    lmm_status st = LMM_OK;
    for (int i = 0; i < plan->tile_count && !st; i++) {
        image u8 = {0};
        st = plan->width ? preprocess_tile(&u8, im, &n->pre, &l.canvas, i) : whole_picture(&u8, n, im);
        if (!st) st = llava_add_tile(n, &u8, pixels, tile_count);
        image_free(&u8);
    }
    return st;
}

/* ---- rows ---- */

/* A picture of one tile: its rows and, where there is one, the newline. */
static row_blend *one_tile(row_blend *to, const net *n, int first) {
    for (int i = 0; i < llava_tile_rows(n); i++) *to++ = (row_blend){.count = 1, .index = {first + i}, .weight = {1.0f}};
    if (n->newline) *to++ = (row_blend){.count = 1, .index = {ANYRES_NEWLINE}, .weight = {1.0f}};
    return to;
}

static row_blend *many_tiles(row_blend *to, const anyres_spec *s, const media_plan *plan, int first) {
    anyres_layout l;
    anyres_lay_out(&l, s, plan->width, plan->height);
    return anyres_map(anyres_overview(to, s, first), s, &l, first);
}

tensor *anyres_media_embed(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count) {
    if (count && plan->frames) return video_embed(c, n, pixels, plan, count);
    anyres_spec s = spec_of(n);
    size_t rows = 0;
    for (int i = 0; i < count; i++) rows += (size_t)plan[i].row_count;
    row_blend *blend = mem_new(rows, sizeof *blend), *to = blend;
    for (int i = 0, first = 0; i < count; first += plan[i++].tile_count * llava_tile_rows(n))
        to = plan[i].width ? many_tiles(to, &s, &plan[i], first) : one_tile(to, n, first);
    LMM_ASSERT((size_t)(to - blend) == rows, "%td rows of %zu planned", to - blend, rows);
    tensor *x = op_rows_blend(c, llava_tile_features(c, n, pixels), n->newline, blend, (int)rows);
    cx_trace(c, x, "image_features");
    free(blend);
    return x;
}

const lmm_arch arch_llava_next = {
    .name = "llava_next",
    .answers = true,
    .hf = (const char *const[]){"LlavaNextForConditionalGeneration", NULL},
    .types = (const char *const[]){"llava_next", NULL},
    .canonical = names_canonical,
    .key_of = names_key_llava,
    .bind = next_bind,
    .media_plan = anyres_media_plan,
    .media_largest = anyres_media_largest,
    .media_pixels = anyres_media_pixels,
    .media_embed = anyres_media_embed,
    .video_plan = video_plan_frames,
    .video_pixels = video_frame_pixels,
};
