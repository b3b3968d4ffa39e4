/* processors.c - Hugging Face's slow image processors on every picture: the u8 stage and the float stage. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static const char *const supported[] = {"CLIPImageProcessor", "LlavaImageProcessor", "SiglipImageProcessor"};

static bool is_supported(const char *type) {
    for (size_t i = 0; i < COUNT_OF(supported); i++)
        if (!strcmp(type, supported[i])) return true;
    return false;
}

static unsigned char *planar(const image *im) {
    size_t n = (size_t)im->width * (size_t)im->height;
    unsigned char *out = mem_new(3 * n, 1);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) out[c * n + i] = im->data[3 * i + c];
    return out;
}

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

static void run_item(golden *g, const char *dir, const tree *item, const preprocess_spec *spec) {
    const char *file = tree_str(item, "image", ""), *config = tree_str(item, "config", "");
    bool jpeg = strstr(file, ".jp") != NULL;
    char *path = path_join(dir, file);
    image im = {0}, u8 = {0};
    float *pixels = NULL;
    lmm_status st = image_load(&im, path, IMAGE_EXIF, NULL);
    if (!st) st = preprocess_u8(&u8, &im, spec);
    if (!st) st = preprocess_float(&pixels, &u8, spec);
    if (st) golden_fail(g, "%s %s: %s", config, file, lmm_message());
    else {
        size_t n = (size_t)3 * (size_t)u8.width * (size_t)u8.height;
        unsigned char *planes = planar(&u8);
        golden_check(g, matches(planes, n, tree_get(item, "uint8"), NULL, planes, jpeg ? 4 : 0), "%s %s: u8 pixels differ", config, file);
        if (tree_get(item, "float32"))
            golden_check(g, matches(pixels, n * sizeof *pixels, tree_get(item, "float32"), pixels, NULL, jpeg ? 0.07 : 1e-6),
                         "%s %s: float pixels differ", config, file);
        free(planes);
    }
    free(pixels);
    image_free(&u8);
    image_free(&im);
    free(path);
}

void golden_processors(golden *g, const char *dir) {
    char *json = path_join(dir, "image_processing.json");
    tree *about = NULL;
    int skipped = 0;
    if (tree_load(&about, json)) golden_fail(g, "%s", lmm_message());
    const tree *items = tree_get(about, "items"), *configs = tree_get(about, "configs");
    for (int i = 0; items && i < items->count; i++) {
        const tree *config = tree_get(configs, tree_str(items->items[i], "config", ""));
        preprocess_spec spec;
        if (!is_supported(tree_str(config, "image_processor_type", ""))) skipped++;
        else if (preprocess_read(&spec, config, "image_processing.json")) golden_fail(g, "%s", lmm_message());
        else run_item(g, dir, items->items[i], &spec);
    }
    if (skipped) golden_skip(g, skipped, "image processors of LLaVA-NeXT, OneVision and Qwen-VL are not supported yet");
    char *geometry = path_join(dir, "geometry.json");
    if (file_exists(geometry)) golden_skip(g, 1, "geometry.json: tiling is not supported yet");
    free(geometry);
    tree_free(about);
    free(json);
}
