/* qwen2_vl.c - Qwen2-VL and Qwen2.5-VL: pictures and videos of any size as patches, four of them merged to a row; positions of time, line and column.
 *
 * A tile of the media plan is one patch. A picture is a video of one frame, shown twice. Qwen2.5-VL differs in its tower (windows, RMSNorm, a gated MLP: all in the
 * tower's config) and counts a video's time in steps of tokens_per_second. Source: llava.md 2.8 to 2.10. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

/* ---- binding ---- */

static const tree *text_of(const tree *config) {
    const tree *text = tree_get(config, "text_config"); /* transformers 5 */
    return text && text->type == TREE_MAP ? text : config;
}

static lmm_status token_read(int *out, const tree *config, const char *key, int64_t fallback, int vocab) {
    int64_t id = tree_int(config, key, fallback);
    if (id < 0 || id >= vocab)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: %s %" PRId64 " lies outside the vocabulary of %d", key, id, vocab);
    return *out = (int)id, LMM_OK;
}

/* The picture processor cuts, the tower reads: they must be of one kind. */
static lmm_status processor_fits(const preprocess_spec *s, const patch_tower_config *c) {
    if (s->pixels_max && s->patch == c->patch && s->merge == c->merge && s->temporal == c->temporal) return LMM_OK;
    return LMM_FAIL(LMM_E_SHAPE,
                    "the processor cuts patches of %d pixels, %d x %d of them merged, %d frames together; the tower needs %d, %d, %d",
                    s->patch, s->merge, s->merge, s->temporal, c->patch, c->merge, c->temporal);
}

static lmm_status qwen_bind(net *n, const tree *config, binder *b) {
    decoder_config d;
    patch_tower_config v;
    const tree *vision = tree_get(config, "vision_config");
    lmm_status st = decoder_config_read(&d, text_of(config), "config.json");
    if (!st && !d.rope.section[0]) st = LMM_FAIL(LMM_E_FORMAT, "config.json: no 'mrope_section' in rope_scaling or rope_parameters");
    if (!st) st = patch_tower_config_read(&v, vision, d.hidden, "config.json: vision_config");
    if (!st) st = token_read(&n->image_token, config, "image_token_id", 151655, d.vocab);
    if (!st) st = token_read(&n->video_token, config, "video_token_id", 151656, d.vocab);
    if (!st && n->has_pre) st = processor_fits(&n->pre, &v);
    if (st) return st;
    d.tied |= tree_bool(config, "tie_word_embeddings", false);
    if (v.gated) n->tokens_per_second = tree_real(vision, "tokens_per_second", 4);
    if (!(n->tokens_per_second >= 0 && n->tokens_per_second <= 1000))
        return LMM_FAIL(LMM_E_FORMAT, "config.json: 'tokens_per_second' is out of range");
    if ((st = patch_tower_bind(&n->patches, &v, b, "visual"))) return st;
    if ((st = decoder_bind(&n->dec, &d, b))) return st;
    n->has_patches = n->has_decoder = true;
    return LMM_OK;
}

/* ---- planning ---- */

static lmm_status plan(const net *n, const preprocess_spec *s, int width, int height, int frames, media_plan *out) {
    const patch_tower_config *c = &n->patches.config;
    int w, h;
    lmm_status st = processor_fits(s, c);
    if (!st) st = preprocess_smart_size(s, width, height, &w, &h);
    if (st) return st;
    patch_grid g = {(frames + c->temporal - 1) / c->temporal, h / c->patch, w / c->patch};
    if ((int64_t)g.t * g.h * g.w > 1 << 24)
        return LMM_FAIL(LMM_E_LIMIT, "%d frames of %d x %d pixels are too many patches: take fewer frames", frames, w, h);
    int patches = g.t * g.h * g.w;
    *out = (media_plan){.tile_count = patches, .row_count = patches / (c->merge * c->merge), .grid = g};
    return LMM_OK;
}

static lmm_status qwen_plan(const net *n, int width, int height, int pictures, media_plan *out) {
    (void)pictures;
    return plan(n, &n->pre, width, height, 1, out);
}

static lmm_status qwen_largest(const net *n, media_plan *out) {
    int side = (int)sqrt((double)n->pre.pixels_max);
    return qwen_plan(n, side, side, 1, out);
}

static lmm_status qwen_video_plan(const net *n, const video_frames *v, media_plan *out) {
    lmm_status st = plan(n, &n->video_pre, v->width, v->height, v->count, out);
    if (st) return st;
    out->frames = v->count;
    out->grid_seconds = v->fps > 0 ? n->patches.config.temporal / v->fps : 1;
    return LMM_OK;
}

/* ---- pixels ---- */

/* A frame's part of its step of the grid; the last frame fills what its step has left. A picture is a video of itself. */
static lmm_status frame_patches(const net *n, const preprocess_spec *s, const image *frame, int place, int count, const media_plan *p,
                                float *to) {
    image u8 = {0};
    float *plane = NULL;
    lmm_status st = preprocess_u8(&u8, frame, s);
    if (!st) st = preprocess_float(&plane, &u8, s);
    to += (int64_t)(place / s->temporal) * p->grid.h * p->grid.w * patch_size(&n->patches.config);
    for (int slot = place % s->temporal; !st && slot < s->temporal; slot++) {
        preprocess_patches(to, plane, slot, u8.width, u8.height, s);
        if (place + 1 < count) break;
    }
    free(plane);
    image_free(&u8);
    return st;
}

static lmm_status qwen_pixels(const net *n, const image *im, const media_plan *p, float **pixels, int *tile_count) {
    size_t one = (size_t)patch_size(&n->patches.config);
    *pixels = mem_resize(*pixels, ((size_t)*tile_count + (size_t)p->tile_count) * one, sizeof(float));
    lmm_status st = frame_patches(n, &n->pre, im, 0, 1, p, *pixels + (size_t)*tile_count * one);
    if (!st) *tile_count += p->tile_count;
    return st;
}

static lmm_status qwen_video_pixels(const net *n, const image *frame, int place, const media_plan *p, float *to) {
    return frame_patches(n, &n->video_pre, frame, place, p->frames, p, to);
}

/* ---- rows ---- */

static tensor *qwen_embed(cx *c, const net *n, tensor *pixels, const media_plan *p, int count) {
    patch_grid *grid = mem_new((size_t)count, sizeof *grid);
    for (int i = 0; i < count; i++) grid[i] = p[i].grid;
    tensor *x = patch_tower_forward(c, &n->patches, pixels, grid, count);
    free(grid);
    return x;
}

const lmm_arch arch_qwen2_vl = {
    .name = "qwen2_vl",
    .answers = true,
    .hf = (const char *const[]){"Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration", NULL},
    .types = (const char *const[]){"qwen2_vl", "qwen2_5_vl", NULL},
    .canonical = names_canonical,
    .key_of = names_key_llm,
    .bind = qwen_bind,
    .media_plan = qwen_plan,
    .media_largest = qwen_largest,
    .media_pixels = qwen_pixels,
    .media_embed = qwen_embed,
    .video_plan = qwen_video_plan,
    .video_pixels = qwen_video_pixels,
};
