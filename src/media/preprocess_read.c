/* preprocess_read.c - a processor's options from preprocessor_config.json or processor_config.json.
 *
 * What a file leaves out has the default of its class, so the class must be known. A bare number means the short
 * edge in "size" and a square in "crop_size". */
#include "media/media_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 16384 };

typedef struct {
    const char *type;
    bool pads; /* do_pad means a square; in the others it concerns batches */
    preprocess_spec defaults;
} processor_row;

/* The mean and deviation of CLIP's training pictures, and SigLIP's plain [-1, 1]. */
/* clang-format off */
#define COMMON .do_resize = true, .do_rescale = true, .do_normalize = true, .resample = RESIZE_BICUBIC, .rescale_factor = 1.0 / 255
#define CLIP_COLOURS .mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}
#define CLIP COMMON, CLIP_COLOURS, .do_center_crop = true, .shortest_edge = 224, .crop_width = 224, .crop_height = 224
#define SIGLIP COMMON, .width = 224, .height = 224, .mean = {0.5, 0.5, 0.5}, .std = {0.5, 0.5, 0.5}
#define BLOCKS .patch = 14, .merge = 2, .temporal = 2
#define GRID_NEXT .grid = {5, {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}}}
/* one to six tiles each way, width fastest */
#define ROW(h) {h, 384}, {h, 768}, {h, 1152}, {h, 1536}, {h, 1920}, {h, 2304}
#define GRID_ONEVISION .grid = {36, {ROW(384), ROW(768), ROW(1152), ROW(1536), ROW(1920), ROW(2304)}}

static const processor_row rows[] = {
    {"CLIPImageProcessor", false, {CLIP}},
    {"LlavaImageProcessor", true, {CLIP}},
    {"SiglipImageProcessor", false, {SIGLIP}},
    {"LlavaNextImageProcessor", false, {CLIP, GRID_NEXT}},
    {"LlavaOnevisionImageProcessor", false, {COMMON, CLIP_COLOURS, .width = 384, .height = 384, GRID_ONEVISION}},
    {"LlavaNextVideoVideoProcessor", false, {CLIP}},
    {"LlavaOnevisionVideoProcessor", false, {COMMON, CLIP_COLOURS, .width = 384, .height = 384}},
    {"Qwen2VLImageProcessor", false, {COMMON, CLIP_COLOURS, BLOCKS, .pixels_min = 56 * 56, .pixels_max = 28 * 28 * 1280}},
    {"Qwen2VLVideoProcessor", false, {COMMON, CLIP_COLOURS, BLOCKS, .pixels_min = 128 * 28 * 28, .pixels_max = 768 * 28 * 28}},
};
/* clang-format on */

/* A value that is there and not null. */
static const tree *given(const tree *t, const char *key) {
    const tree *v = tree_get(t, key);
    return v && v->type != TREE_NULL ? v : NULL;
}

static bool ends_with(const char *s, size_t n, const char *tail) {
    size_t m = strlen(tail);
    return n >= m && memcmp(s + n - m, tail, m) == 0;
}

/* "CLIPImageProcessorFast", "...Pil" and the old "CLIPFeatureExtractor" are the same class to us. */
static const processor_row *find_row(const char *type) {
    size_t n = strlen(type);
    n -= ends_with(type, n, "Fast") ? 4 : ends_with(type, n, "Pil") ? 3 : 0;
    if (n == strlen("CLIPFeatureExtractor") && memcmp(type, "CLIPFeatureExtractor", n) == 0) return &rows[0];
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (n == strlen(rows[i].type) && memcmp(type, rows[i].type, n) == 0) return &rows[i];
    return NULL;
}

static lmm_status bad_size(const char *key, const char *name) {
    return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: '%s' needs {\"height\", \"width\"}, {\"shortest_edge\"} or a number", name, key);
}

/* [height, width], {"height", "width"}, {"shortest_edge"} or a number; the latter two give `edge`. */
static lmm_status read_size(const tree *t, const char *key, const char *name, int *width, int *height, int *edge) {
    const tree *v = given(t, key);
    int64_t w = 0, h = 0, e = 0;
    lmm_status st = LMM_OK;
    if (v->type == TREE_INT) {
        st = tree_need_int(t, key, 1, SIDE_MAX, &e, name);
    } else if (v->type == TREE_LIST && v->count == 2) {
        h = v->items[0]->i;
        w = v->items[1]->i;
    } else if (v->type == TREE_MAP && given(v, "shortest_edge") && !given(v, "longest_edge")) {
        st = tree_need_int(v, "shortest_edge", 1, SIDE_MAX, &e, name);
    } else if (v->type == TREE_MAP && given(v, "height") && given(v, "width")) {
        st = tree_need_int(v, "height", 1, SIDE_MAX, &h, name);
        if (!st) st = tree_need_int(v, "width", 1, SIDE_MAX, &w, name);
    } else {
        return bad_size(key, name);
    }
    if (st) return st;
    if (!e && (w < 1 || h < 1 || w > SIDE_MAX || h > SIDE_MAX)) return bad_size(key, name);
    *width = (int)w;
    *height = (int)h;
    *edge = (int)e;
    return LMM_OK;
}

static lmm_status read_sizes(preprocess_spec *s, const tree *t, const char *name) {
    int edge = 0;
    lmm_status st = LMM_OK;
    if (given(t, "size")) st = read_size(t, "size", name, &s->width, &s->height, &s->shortest_edge);
    if (!st && given(t, "crop_size")) {
        st = read_size(t, "crop_size", name, &s->crop_width, &s->crop_height, &edge);
        if (!st && edge) s->crop_width = s->crop_height = edge;
    }
    if (!st && s->do_center_crop && s->crop_width == 0) st = LMM_FAIL(LMM_E_FORMAT, "%s: 'do_center_crop' needs a 'crop_size'", name);
    return st;
}

/* One number for all channels, or three. */
static lmm_status read_three(double out[3], const tree *t, const char *key, const char *name) {
    const tree *v = given(t, key);
    if (!v) return LMM_OK;
    double x[3] = {NAN, NAN, NAN};
    for (int c = 0; c < 3; c++) {
        const tree *item = v->type == TREE_LIST && v->count == 3 ? v->items[c] : v;
        if (item->type == TREE_INT || item->type == TREE_REAL) x[c] = item->real;
    }
    if (!isfinite(x[0]) || !isfinite(x[1]) || !isfinite(x[2])) return LMM_FAIL(LMM_E_FORMAT, "%s: '%s' needs three numbers", name, key);
    memcpy(out, x, sizeof x);
    return LMM_OK;
}

static lmm_status read_numbers(preprocess_spec *s, const tree *t, const char *name) {
    int64_t resample = s->resample;
    lmm_status st = given(t, "resample") ? tree_need_int(t, "resample", RESIZE_NEAREST, RESIZE_HAMMING, &resample, name) : LMM_OK;
    s->resample = (resize_filter)resample;
    if (!st) st = read_three(s->mean, t, "image_mean", name);
    if (!st) st = read_three(s->std, t, "image_std", name);
    for (int c = 0; c < 3 && !st; c++)
        if (!((float)s->std[c] > 0)) st = LMM_FAIL(LMM_E_FORMAT, "%s: 'image_std' must be above 0", name);
    if (!st && given(t, "rescale_factor")) s->rescale_factor = tree_real(t, "rescale_factor", NAN);
    if (!st && !isfinite(s->rescale_factor)) st = LMM_FAIL(LMM_E_FORMAT, "%s: 'rescale_factor' needs a number", name);
    return st;
}

/* ---- tiles ---- */

lmm_status tile_grid_read(tile_grid *out, const tree *list, const char *name) {
    tile_grid g = {0};
    if (list->type != TREE_LIST || list->count < 1 || list->count > TILE_GRID_MAX)
        return LMM_FAIL(LMM_E_FORMAT, "%s: 'image_grid_pinpoints' needs a list of 1 to %d pairs", name, TILE_GRID_MAX);
    for (; g.count < list->count; g.count++) {
        const tree *pair = list->items[g.count];
        for (int i = 0; i < 2; i++) {
            const tree *side = pair->type == TREE_LIST && pair->count == 2 ? pair->items[i] : NULL;
            if (!side || side->type != TREE_INT || side->i < 1 || side->i > SIDE_MAX)
                return LMM_FAIL(LMM_E_FORMAT, "%s: 'image_grid_pinpoints' %d is no pair of sizes from 1 to %d", name, g.count + 1,
                                SIDE_MAX);
            g.pair[g.count][i] = (int)side->i;
        }
    }
    *out = g;
    return LMM_OK;
}

bool tile_grid_equal(const tile_grid *a, const tile_grid *b) {
    return a->count == b->count && !memcmp(a->pair, b->pair, (size_t)a->count * sizeof a->pair[0]);
}

static bool flag(const tree *t, const char *key, bool fallback) { return given(t, key) ? tree_bool(t, key, fallback) : fallback; }

static lmm_status unknown_type(const char *type, const char *name) {
    buf known = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) buf_printf(&known, "%s%s", i ? ", " : "", rows[i].type);
    lmm_status st = LMM_FAIL(LMM_E_UNSUPPORTED, "%s: image processor '%s' is not supported (known: %s)", name, type, known.data);
    buf_free(&known);
    return st;
}

/* Pixel counts: min_pixels and max_pixels, or "size" with edges that are none (transformers 5). */
static lmm_status read_pixels(preprocess_spec *s, const tree *t, const char *name) {
    const tree *size = given(t, "size");
    bool edges = size && size->type == TREE_MAP && given(size, "shortest_edge") && given(size, "longest_edge");
    struct {
        const tree *in;
        const char *key;
        int64_t low, high, value;
    } row[] = {
        {edges ? size : t, edges ? "shortest_edge" : "min_pixels", 1, INT32_MAX, s->pixels_min},
        {edges ? size : t, edges ? "longest_edge" : "max_pixels", 1, INT32_MAX, s->pixels_max},
        {t, "patch_size", 1, 256, s->patch},
        {t, "merge_size", 1, 16, s->merge},
        {t, "temporal_patch_size", 1, 16, s->temporal},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        lmm_status st =
            given(row[i].in, row[i].key) ? tree_need_int(row[i].in, row[i].key, row[i].low, row[i].high, &row[i].value, name) : LMM_OK;
        if (st) return st;
    }
    s->pixels_min = row[0].value, s->pixels_max = row[1].value;
    s->patch = (int)row[2].value, s->merge = (int)row[3].value, s->temporal = (int)row[4].value;
    return s->pixels_min <= s->pixels_max ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "%s: the least pixels of a picture exceed the most", name);
}

static lmm_status read_options(preprocess_spec *out, const tree *t, const char *type, const char *name);

lmm_status preprocess_read(preprocess_spec *out, const tree *processor, const char *name) {
    const tree *nested = given(processor, "image_processor");
    const tree *t = nested ? nested : processor;
    if (!t || t->type != TREE_MAP) return LMM_FAIL(LMM_E_FORMAT, "%s: an image processor's options are expected here", name);
    return read_options(out, t, tree_str(t, "image_processor_type", tree_str(t, "feature_extractor_type", rows[0].type)), name);
}

static lmm_status read_options(preprocess_spec *out, const tree *t, const char *type, const char *name) {
    const processor_row *row = find_row(type);
    if (!row) return unknown_type(type, name);
    preprocess_spec s = row->defaults;
    snprintf(s.type, sizeof s.type, "%s", row->type);
    s.do_resize = flag(t, "do_resize", s.do_resize);
    s.do_center_crop = flag(t, "do_center_crop", s.do_center_crop);
    s.do_rescale = flag(t, "do_rescale", s.do_rescale);
    s.do_normalize = flag(t, "do_normalize", s.do_normalize);
    s.do_pad = row->pads && flag(t, "do_pad", false);
    lmm_status st = s.pixels_max ? read_pixels(&s, t, name) : read_sizes(&s, t, name);
    if (!st) st = read_numbers(&s, t, name);
    if (!st && s.grid.count && given(t, "image_grid_pinpoints")) st = tile_grid_read(&s.grid, given(t, "image_grid_pinpoints"), name);
    if (!st) *out = s;
    return st;
}

static lmm_status read_file(preprocess_spec *out, bool *found, const char *dir, const char *file, bool nested_only) {
    char *path = path_join(dir, file);
    tree *t = NULL;
    lmm_status st = LMM_OK;
    if (file_exists(path)) st = tree_load(&t, path);
    if (!st && t && (!nested_only || given(t, "image_processor"))) {
        *found = true;
        st = preprocess_read(out, t, path);
    }
    tree_free(t);
    free(path);
    return st;
}

lmm_status preprocess_open(preprocess_spec *out, const char *dir) {
    bool found = false;
    lmm_status st = read_file(out, &found, dir, "processor_config.json", true);
    if (!st && !found) st = read_file(out, &found, dir, "preprocessor_config.json", false);
    if (!st && !found)
        st = LMM_FAIL(LMM_E_IO, "'%s' has no preprocessor_config.json and no image_processor in a processor_config.json", dir);
    return st;
}

static lmm_status read_video_file(preprocess_spec *out, bool *found, const char *dir, const char *file, const char *key) {
    char *path = path_join(dir, file);
    tree *t = NULL;
    lmm_status st = *found || !file_exists(path) ? LMM_OK : tree_load(&t, path);
    const tree *own = key ? given(t, key) : t;
    if (!st && own && own->type == TREE_MAP) {
        *found = true;
        st = read_options(out, own, tree_str(own, "video_processor_type", tree_str(own, "image_processor_type", out->type)), path);
    }
    tree_free(t);
    free(path);
    return st;
}

lmm_status preprocess_open_video(preprocess_spec *out, const char *dir, const preprocess_spec *pictures) {
    preprocess_spec s = *pictures;
    bool found = false;
    lmm_status st = read_video_file(&s, &found, dir, "processor_config.json", "video_processor");
    if (!st) st = read_video_file(&s, &found, dir, "video_preprocessor_config.json", NULL);
    if (!st) *out = s;
    return st;
}
