/* images.c - decoded pictures, PIL's resizes and image processors. Lossless files exactly; JPEG within what another decoder may differ. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static bool is_jpeg(const char *name) { return strstr(name, ".jpg") || strstr(name, ".jpeg"); }
static size_t image_size(const image *im) { return (size_t)im->width * (size_t)im->height * (size_t)im->channels; }

static bool same_bytes(const void *bytes, size_t n, const tree *fingerprint) {
    char hex[65];
    sha256_hex(bytes, n, hex);
    return !strcmp(hex, tree_str(fingerprint, "sha256", ""));
}

/* Probes of a fingerprint: largest and mean distance. */
static void probes(const unsigned char *data, size_t n, const tree *fingerprint, double *most, double *mean) {
    const tree *at = tree_get(fingerprint, "probe_index"), *want = tree_get(fingerprint, "probe_value");
    *most = *mean = at && at->count ? 0 : INFINITY;
    for (int i = 0; at && i < at->count; i++) {
        double d = (size_t)at->items[i]->i < n ? fabs((double)data[at->items[i]->i] - want->items[i]->real) : INFINITY;
        *most = fmax(*most, d);
        *mean += d / at->count;
    }
}

/* Exact bytes, or for JPEG at most 4 levels and half a level on average. */
static void compare(golden *g, const char *what, const char *file, const image *im, const tree *fingerprint) {
    size_t n = image_size(im);
    if (same_bytes(im->data, n, fingerprint)) {
        golden_pass(g);
        return;
    }
    double most, mean;
    probes(im->data, n, fingerprint, &most, &mean);
    golden_check(g, is_jpeg(file) && most <= 4 && mean <= 0.5, "%s %s: pixels differ (probes by %g, %g on average)", what, file, most,
                 mean);
}

static lmm_status load(image *im, const char *dir, const char *file, int flags) {
    char *path = path_join(dir, file);
    lmm_status st = image_load(im, path, flags, NULL);
    free(path);
    return st;
}

static void compare_white(golden *g, const char *dir, const char *file, const safetensors *full) {
    char *name = mem_printf("%s/on_white", file);
    const tensor *want = safetensors_find(full, name);
    image im = {0};
    if (want) {
        bool same = !load(&im, dir, file, IMAGE_EXIF | IMAGE_ALPHA_WHITE) && image_size(&im) == tensor_size(want) &&
                    !memcmp(im.data, want->data, tensor_size(want));
        golden_check(g, same, "%s on white differs", file);
        image_free(&im);
    }
    free(name);
}

static void decode(golden *g, const char *dir) {
    char *json = path_join(dir, "decode.json"), *file = path_join(dir, "decoded.safetensors");
    tree *about = NULL;
    safetensors *full = NULL;
    lmm_status st = tree_load(&about, json);
    if (!st) st = safetensors_open(&full, file);
    if (st) golden_fail(g, "%s", lmm_message());
    const tree *images = st ? NULL : tree_get(about, "images");
    for (int i = 0; images && i < images->count; i++) {
        const char *name = images->keys[i];
        image im = {0};
        if (load(&im, dir, name, IMAGE_EXIF)) golden_fail(g, "decode: %s", lmm_message());
        else compare(g, "decode", name, &im, tree_get(images->items[i], "rgb"));
        image_free(&im);
        compare_white(g, dir, name, full);
    }
    safetensors_close(full);
    tree_free(about);
    free(json);
    free(file);
}

/* ---- resize ---- */

static resize_filter filter_of(const char *name) {
    static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
    for (int i = 0; i < (int)COUNT_OF(names); i++)
        if (!strcmp(names[i], name)) return (resize_filter)i;
    LMM_ASSERT(false, "filter '%s'", name);
}

static bool box_of(resize_box *box, const tree *c) {
    const tree *b = tree_get(c, "box_ltrb");
    if (!b || b->type != TREE_LIST || b->count != 4) return false;
    *box = (resize_box){b->items[0]->real, b->items[1]->real, b->items[2]->real, b->items[3]->real};
    return true;
}

static void resize_case(golden *g, const tree *c, const safetensors *all, int i) {
    const tensor *src = safetensors_find(all, tree_str(c, "src", "")), *want = safetensors_find(all, tree_str(c, "out", ""));
    const tree *size = tree_get(c, "size_wh");
    if (!src || !want || !size) {
        golden_fail(g, "resize %d: its tensors are missing", i);
        return;
    }
    image in = {(int)src->ne[1], (int)src->ne[0], src->nd == 3 ? (int)src->ne[2] : 1, src->data}, out = {0};
    resize_box box;
    bool boxed = box_of(&box, c);
    bool same = !image_resize(&out, &in, (int)size->items[0]->i, (int)size->items[1]->i, filter_of(tree_str(c, "filter", "")),
                              boxed ? &box : NULL) &&
                image_size(&out) == tensor_size(want) && !memcmp(out.data, want->data, tensor_size(want));
    golden_check(g, same, "resize %s differs", tree_str(c, "out", ""));
    image_free(&out);
}

static void resize_tensors(golden *g, const char *dir) {
    char *json = path_join(dir, "pil_resize.json"), *file = path_join(dir, "pil_resize.safetensors");
    tree *about = NULL;
    safetensors *all = NULL;
    lmm_status st = tree_load(&about, json);
    if (!st) st = safetensors_open(&all, file);
    if (st) golden_fail(g, "%s", lmm_message());
    const tree *cases = st ? NULL : tree_get(about, "cases");
    for (int i = 0; cases && i < cases->count; i++) resize_case(g, cases->items[i], all, i);
    safetensors_close(all);
    tree_free(about);
    free(json);
    free(file);
}

static void resize_files(golden *g, const char *dir) {
    char *json = path_join(dir, "pil_resize_files.json");
    tree *about = NULL;
    if (tree_load(&about, json)) golden_fail(g, "%s", lmm_message());
    const tree *cases = tree_get(about, "cases");
    for (int i = 0; cases && i < cases->count; i++) {
        const tree *c = cases->items[i], *size = tree_get(c, "size_wh");
        const char *name = tree_str(c, "image", "");
        image im = {0}, out = {0};
        lmm_status st = load(&im, dir, name, IMAGE_EXIF);
        if (!st) st = image_resize(&out, &im, (int)size->items[0]->i, (int)size->items[1]->i, filter_of(tree_str(c, "filter", "")), NULL);
        if (st) golden_fail(g, "resize: %s", lmm_message());
        else compare(g, "resize", name, &out, tree_get(c, "rgb"));
        image_free(&im);
        image_free(&out);
    }
    tree_free(about);
    free(json);
}

static bool has_file(const char *dir, const char *name) {
    char *path = path_join(dir, name);
    bool has = file_exists(path);
    free(path);
    return has;
}

/* A folder may hold the pictures only, for the checkpoints beside it. */
void golden_images(golden *g, const char *dir) {
    static const struct {
        const char *file;
        void (*run)(golden *g, const char *dir);
    } parts[] = {{"decode.json", decode},
                 {"pil_resize.json", resize_tensors},
                 {"pil_resize_files.json", resize_files},
                 {"image_processing.json", golden_processors}};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (has_file(dir, parts[i].file)) parts[i].run(g, dir);
        else golden_skip(g, 1, "%s is not here", parts[i].file);
}
