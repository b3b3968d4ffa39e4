/* processors.c - Hugging Face's slow image processors on every picture: the u8 stage and the float stage, with tiles; and the geometry of tiling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

/* ---- one picture ---- */

/* All results of one picture, planar one after another. */
typedef struct {
    unsigned char *u8;
    float *pixels;
    size_t count;
} results;

static void results_free(results *r) {
    free(r->u8);
    free(r->pixels);
}

static lmm_status results_add(results *r, const image *u8, const preprocess_spec *spec) {
    size_t n = (size_t)u8->width * (size_t)u8->height;
    float *pixels;
    lmm_status st = preprocess_float(&pixels, u8, spec);
    if (st) return st;
    r->u8 = mem_resize(r->u8, r->count + 3 * n, 1);
    r->pixels = mem_resize(r->pixels, r->count + 3 * n, sizeof *r->pixels);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) r->u8[r->count + c * n + i] = u8->data[3 * i + c];
    memcpy(r->pixels + r->count, pixels, 3 * n * sizeof *pixels);
    r->count += 3 * n;
    free(pixels);
    return LMM_OK;
}

static anyres_spec grid_spec(const tile_grid *grid, int tile, int side, int most) {
    return (anyres_spec){.grid = grid, .reference = REFERENCE_HF, .tile = tile, .side = side, .tiles_shown_max = most};
}

static lmm_status run_tiles(results *r, const image *im, const preprocess_spec *spec) {
    anyres_spec s = grid_spec(&spec->grid, preprocess_tile_side(spec), 1, 0);
    anyres_layout l;
    lmm_status st = anyres_check(&s, spec->type);
    if (!st) anyres_lay_out(&l, &s, im->width, im->height);
    for (int i = 0; !st && i <= l.tiles_across * l.tiles_down; i++) {
        image tile = {0};
        st = preprocess_tile(&tile, im, spec, &l.canvas, i);
        if (!st) st = results_add(r, &tile, spec);
        image_free(&tile);
    }
    return st;
}

static lmm_status run_whole(results *r, const image *im, const preprocess_spec *spec) {
    image u8 = {0};
    lmm_status st = preprocess_u8(&u8, im, spec);
    if (!st) st = results_add(r, &u8, spec);
    image_free(&u8);
    return st;
}

/* Qwen's rows of patches; a picture is a pair of equal frames. */
static lmm_status run_patches(results *r, const image *im, const preprocess_spec *spec) {
    image u8 = {0};
    results whole = {0};
    lmm_status st = preprocess_u8(&u8, im, spec);
    if (!st) st = results_add(&whole, &u8, spec);
    if (!st) {
        r->count = (size_t)spec->temporal * whole.count;
        r->u8 = mem_new(r->count, 1);
        r->pixels = mem_new(r->count, sizeof *r->pixels);
        float *levels = mem_new(whole.count, sizeof *levels), *rows = mem_new(r->count, sizeof *rows);
        for (size_t i = 0; i < whole.count; i++) levels[i] = whole.u8[i];
        for (int slot = 0; slot < spec->temporal; slot++) {
            preprocess_patches(r->pixels, whole.pixels, slot, u8.width, u8.height, spec);
            preprocess_patches(rows, levels, slot, u8.width, u8.height, spec);
        }
        for (size_t i = 0; i < r->count; i++) r->u8[i] = (unsigned char)rows[i];
        free(rows);
        free(levels);
    }
    results_free(&whole);
    image_free(&u8);
    return st;
}

static lmm_status run_one(results *r, const image *im, const preprocess_spec *spec) {
    if (spec->pixels_max) return run_patches(r, im, spec);
    return spec->grid.count ? run_tiles(r, im, spec) : run_whole(r, im, spec);
}

/* ---- comparison ---- */

/* A fingerprint's hash, or its probes within `limit`. */
static bool matches(const void *bytes, size_t size, const tree *print, const float *floats, const unsigned char *u8, double limit) {
    char hex[65];
    sha256_hex(bytes, size, hex);
    if (!strcmp(hex, tree_str(print, "sha256", ""))) return true;
    const tree *at = tree_get(print, "probe_index"), *want = tree_get(print, "probe_value");
    for (int i = 0; at && i < at->count; i++) {
        size_t k = (size_t)at->items[i]->i;
        double have = k * (floats ? sizeof(float) : 1) >= size ? INFINITY : floats ? (double)floats[k] : (double)u8[k];
        if (!(fabs(have - want->items[i]->real) <= limit)) return false;
    }
    return limit > 0 && at && at->count;
}

/* With several pictures in a prompt each is one padded tile. The reference repeated the picture: the first result is its own. */
static void run_several(golden *g, const image *im, const preprocess_spec *spec, const tensor *want, const char *what) {
    preprocess_spec padded = *spec;
    padded.do_pad = true;
    results r = {0};
    bool same = want && !run_whole(&r, im, &padded) && tensor_size(want) % r.count == 0 && !memcmp(r.u8, want->data, r.count);
    golden_check(g, same, "%s: u8 pixels differ", what);
    results_free(&r);
}

static void run_item(golden *g, const char *dir, const tree *item, const preprocess_spec *spec, const safetensors *full) {
    const char *file = tree_str(item, "image", ""), *config = tree_str(item, "config", ""),
               *several = tree_str(item, "full_multi_image", NULL);
    bool jpeg = strstr(file, ".jp") != NULL;
    char *path = path_join(dir, file);
    image im = {0};
    results r = {0};
    lmm_status st = image_load(&im, path, IMAGE_EXIF, NULL);
    if (!st) st = run_one(&r, &im, spec);
    if (st) golden_fail(g, "%s %s: %s", config, file, lmm_message());
    else {
        golden_check(g, matches(r.u8, r.count, tree_get(item, "uint8"), NULL, r.u8, jpeg ? 4 : 0), "%s %s: u8 pixels differ", config, file);
        if (tree_get(item, "float32"))
            golden_check(g, matches(r.pixels, r.count * sizeof *r.pixels, tree_get(item, "float32"), r.pixels, NULL, jpeg ? 0.07 : 1e-6),
                         "%s %s: float pixels differ", config, file);
        if (several && full) run_several(g, &im, spec, safetensors_find(full, several), several);
    }
    results_free(&r);
    image_free(&im);
    free(path);
}

/* ---- geometry ---- */

static bool is_pair(const tree *t, int a, int b) {
    return t && t->type == TREE_LIST && t->count == 2 && t->items[0]->i == a && t->items[1]->i == b;
}

static void check_layout(golden *g, const tree *c, const anyres_spec *s, const char *best, const char *tokens) {
    const tree *hw = tree_get(c, "hw");
    anyres_layout l;
    int height = (int)hw->items[0]->i, width = (int)hw->items[1]->i;
    anyres_lay_out(&l, s, width, height);
    golden_check(g, is_pair(tree_get(c, best), l.canvas.canvas_height, l.canvas.canvas_width), "geometry %d x %d: %s is not (%d, %d)",
                 width, height, best, l.canvas.canvas_height, l.canvas.canvas_width);
    golden_check(g, tree_int(c, tokens, -1) == l.row_count, "geometry %d x %d: %s is not %d", width, height, tokens, l.row_count);
}

/* A picture has a row for each block of merge x merge patches; the reference refuses some shapes. */
static void check_smart(golden *g, const tree *c, const preprocess_spec *s) {
    const tree *hw = tree_get(c, "hw"), *want = tree_get(c, "qwen2vl_default_hw");
    int height = (int)hw->items[0]->i, width = (int)hw->items[1]->i, w = 0, h = 0, block = s->patch * s->merge;
    lmm_status st = preprocess_smart_size(s, width, height, &w, &h);
    if (!want || want->type != TREE_LIST) {
        golden_check(g, st != LMM_OK, "geometry %d x %d: Qwen2-VL refuses it, we do not", width, height);
        return;
    }
    golden_check(g, !st && is_pair(want, h, w), "geometry %d x %d: qwen2vl_default_hw is not (%d, %d)", width, height, h, w);
    golden_check(g, tree_int(c, "qwen2vl_tokens", -1) == w / block * (h / block), "geometry %d x %d: qwen2vl_tokens is not %d", width,
                 height, w / block * (h / block));
}

static lmm_status class_defaults(preprocess_spec *out, const char *type) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "image_processor_type", tree_new_string(type));
    lmm_status st = preprocess_read(out, t, type);
    tree_free(t);
    return st;
}

/* LLaVA-NeXT with 24 x 24 patches a tile, OneVision with 27 x 27, Qwen2-VL with patches of 14, on the class defaults of their processors. */
static void geometry(golden *g, const char *dir) {
    char *path = path_join(dir, "geometry.json");
    tree *about = NULL;
    preprocess_spec next, onevision, qwen;
    lmm_status st = class_defaults(&next, "LlavaNextImageProcessor");
    if (!st) st = class_defaults(&onevision, "LlavaOnevisionImageProcessor");
    if (!st) st = class_defaults(&qwen, "Qwen2VLImageProcessor");
    if (!st && file_exists(path)) st = tree_load(&about, path);
    if (st) golden_fail(g, "%s", lmm_message());
    const tree *cases = tree_get(about, "cases");
    anyres_spec sn = grid_spec(&next.grid, 336, 24, 0), so = grid_spec(&onevision.grid, 384, 27, 9);
    for (int i = 0; !st && cases && i < cases->count; i++) {
        check_layout(g, cases->items[i], &sn, "llava_next_336_best", "llava_next_tokens");
        check_layout(g, cases->items[i], &so, "onevision_384_best", "onevision_tokens");
        check_smart(g, cases->items[i], &qwen);
    }
    tree_free(about);
    free(path);
}

void golden_processors(golden *g, const char *dir) {
    char *json = path_join(dir, "image_processing.json"), *file = path_join(dir, "image_processing.safetensors");
    tree *about = NULL;
    safetensors *full = NULL;
    if (tree_load(&about, json)) golden_fail(g, "%s", lmm_message());
    if (file_exists(file) && safetensors_open(&full, file)) golden_fail(g, "%s", lmm_message());
    const tree *items = tree_get(about, "items"), *configs = tree_get(about, "configs");
    for (int i = 0; items && i < items->count; i++) {
        const tree *config = tree_get(configs, tree_str(items->items[i], "config", ""));
        preprocess_spec spec;
        if (preprocess_read(&spec, config, "image_processing.json")) golden_fail(g, "%s", lmm_message());
        else run_item(g, dir, items->items[i], &spec, full);
    }
    geometry(g, dir);
    safetensors_close(full);
    tree_free(about);
    free(json);
    free(file);
}
