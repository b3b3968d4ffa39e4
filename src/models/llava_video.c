/* llava_video.c - videos of the LLaVA families: every frame is one tile, its map of rows is made smaller, newlines stand where the family has them.
 *
 *   LLaVA-NeXT-Video   average over stride x stride patches before the projector, no newlines: 144 rows a frame of 24 x 24
 *   OneVision          behind the projector, bilinear to half (rounded up): 196 rows of 27 x 27, one newline behind the clip
 *   LLaVA-Video        as OneVision, a newline behind every line, every frame or the clip
 * A model of pictures only takes frames as tiles too, pooled as LLaVA-NeXT-Video's, at the placeholder of a picture. Source: llava.md 5.3, 5.4. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

/* ---- planning ---- */

static int side_in(const net *n) { return n->tower.config.image_size / n->tower.config.patch; }

static int side_out(const net *n) {
    int side = side_in(n), s = n->pool.stride;
    return n->pool.mode == POOL_NONE ? side : n->pool.mode == POOL_AVERAGE ? side / s : (side + s - 1) / s;
}

int video_frame_rows(const net *n) { return side_out(n) * side_out(n); }

static int rows_of(const net *n, int frames) {
    int side = side_out(n), rows = frames * side * side;
    if (!n->newline) return rows;
    return rows + (n->pool.newline == NEWLINE_END     ? 1
                   : n->pool.newline == NEWLINE_FRAME ? frames
                   : n->pool.newline == NEWLINE_GRID  ? frames * side
                                                      : 0);
}

lmm_status video_plan_frames(const net *n, const video_frames *v, media_plan *out) {
    if (llava_tile_rows(n) != side_in(n) * side_in(n))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "frames need rows of patches alone, this model keeps %d rows a tile of %d patches",
                        llava_tile_rows(n), side_in(n) * side_in(n));
    if (side_out(n) < 1)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: spatial_pool_stride %d leaves nothing of %d patches", n->pool.stride, side_in(n));
    *out = (media_plan){.tile_count = v->count, .row_count = rows_of(n, v->count), .frames = v->count};
    return LMM_OK;
}

lmm_status video_frame_pixels(const net *n, const image *frame, int place, const media_plan *plan, float *to) {
    image u8 = {0};
    int S = n->tower.config.image_size;
    lmm_status st = preprocess_u8(&u8, frame, &n->video_pre);
    LMM_ASSERT(place < plan->frames, "frame %d of %d", place, plan->frames);
    if (!st) st = llava_tile(n, &n->video_pre, &u8, to + (int64_t)place * 3 * S * S);
    image_free(&u8);
    return st;
}

/* ---- pooling ---- */

/* Mean of stride x stride patches of every frame; what is left over at the right and below is dropped. */
static tensor *average(cx *c, const net *n, tensor *x) {
    int side = side_in(n), out = side_out(n), s = n->pool.stride, frames = (int)tensor_rows(x) / (side * side), cells = frames * out * out;
    int *index = mem_new((size_t)cells * (size_t)(s * s), sizeof *index), *counts = mem_new((size_t)cells, sizeof *counts), at = 0;
    for (int i = 0; i < cells; i++) {
        int frame = i / (out * out), y = i / out % out * s, x0 = i % out * s;
        counts[i] = s * s;
        for (int k = 0; k < s * s; k++) index[at++] = (frame * side + y + k / s) * side + x0 + k % s;
    }
    x = op_rows_mean(c, op_rows_get(c, x, index, at), counts, cells);
    free(index);
    free(counts);
    return x;
}

static tensor *bilinear(cx *c, const net *n, tensor *x) {
    int side = side_in(n), out = side_out(n), frames = (int)tensor_rows(x) / (side * side);
    row_blend *rows = mem_new((size_t)(frames * out * out), sizeof *rows), *to = rows;
    for (int f = 0; f < frames; f++) to = map_resample(to, f * side * side, side, out);
    x = op_rows_blend(c, x, NULL, rows, frames * out * out);
    free(rows);
    return x;
}

static tensor *pooled(cx *c, const net *n, tensor *x) {
    return n->pool.mode == POOL_AVERAGE ? average(c, n, x) : n->pool.mode == POOL_BILINEAR ? bilinear(c, n, x) : x;
}

static void trace_projected(cx *c, tensor *x, int tiles) {
    if (c->trace) cx_trace(c, cx_view(c, x, 3, (int64_t[]){tiles, tensor_rows(x) / tiles, tensor_cols(x)}), "projector_out");
}

static tensor *frame_rows(cx *c, const net *n, tensor *pixels) {
    int tiles = (int)pixels->ne[0];
    tensor *x = llava_tower_rows(c, n, pixels);
    if (n->pool.before_projector) x = pooled(c, n, x);
    x = projector_forward(c, &n->proj, x);
    trace_projected(c, x, tiles);
    return n->pool.before_projector ? x : pooled(c, n, x);
}

/* ---- newlines ---- */

static int *place_rows(const net *n, int *to, int first, int frames) {
    int side = side_out(n);
    newline_rule rule = n->newline ? n->pool.newline : NEWLINE_NONE;
    for (int i = 0; i < frames * side * side; i++) {
        *to++ = first + i;
        if ((rule == NEWLINE_GRID && (i + 1) % side == 0) || (rule == NEWLINE_FRAME && (i + 1) % (side * side) == 0)) *to++ = -1;
    }
    if (rule == NEWLINE_END) *to++ = -1;
    return to;
}

tensor *video_embed(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count) {
    tensor *x = llava_in_groups(c, n, pixels, video_frame_rows(n), frame_rows);
    if (n->newline && n->pool.newline != NEWLINE_NONE) {
        int rows = 0, first = 0;
        for (int i = 0; i < count; i++) rows += plan[i].row_count;
        int *index = mem_new((size_t)rows, sizeof *index), *to = index;
        for (int i = 0; i < count; first += plan[i++].frames * video_frame_rows(n)) to = place_rows(n, to, first, plan[i].frames);
        LMM_ASSERT(to - index == rows, "%td rows of %d planned", to - index, rows);
        x = op_rows_join(c, x, n->newline, index, rows);
        free(index);
    }
    cx_trace(c, x, "video_features");
    return x;
}

/* ---- LLaVA-NeXT-Video ---- */

static lmm_status pool_read(net *n, const tree *config) {
    const char *mode = tree_str(config, "spatial_pool_mode", "average");
    int64_t stride = 2;
    if (strcmp(mode, "average")) return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: spatial_pool_mode '%s' is not known (average is)", mode);
    lmm_status st =
        tree_get(config, "spatial_pool_stride") ? tree_need_int(config, "spatial_pool_stride", 1, 64, &stride, "config.json") : LMM_OK;
    n->pool = (video_pool){.mode = POOL_AVERAGE, .stride = (int)stride, .before_projector = true};
    return st;
}

static lmm_status next_video_bind(net *n, const tree *config, binder *b) {
    static const llava_defaults defaults = {.image_token = 32001,
                                            .video_token = 32000,
                                            .feature_layer = -2,
                                            .strategy = "default",
                                            .vision = LLAVA_CLIP};
    lmm_status st = llava_bind_parts(n, config, b, &defaults);
    if (!st) st = pool_read(n, config);
    return st ? st : anyres_bind(n, config, b);
}

const lmm_arch arch_llava_next_video = {
    .name = "llava_next_video",
    .answers = true,
    .hf = (const char *const[]){"LlavaNextVideoForConditionalGeneration", NULL},
    .types = (const char *const[]){"llava_next_video", NULL},
    .canonical = names_canonical,
    .key_of = names_key_llava,
    .bind = next_video_bind,
    .media_plan = anyres_media_plan,
    .media_largest = anyres_media_largest,
    .media_pixels = anyres_media_pixels,
    .media_embed = anyres_media_embed,
    .video_plan = video_plan_frames,
    .video_pixels = video_frame_pixels,
};
