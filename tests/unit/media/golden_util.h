/* golden_util.h - reading the picture goldens: a folder with decode.json, pil_resize.json, image_processing.json and their tensors.
 *
 * The same folder form is in the repository (tests/golden/images, a part) and beside it (LMM_SHARED/golden/images, all). */
#ifndef GOLDEN_UTIL_H
#define GOLDEN_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "media/media.h"

#define REPOSITORY_GOLDEN LMM_TESTS "/golden/images"
#define SHARED_GOLDEN LMM_SHARED "/golden/images"

typedef struct {
    const char *dir;
    tree *about;
    safetensors *tensors; /* NULL when the folder has none */
} golden_set;

static inline void skip_without(const char *dir) {
    if (file_is_dir(dir)) return;
    print_message("skipped: no folder '%s'\n", dir);
    skip();
}

static inline golden_set golden_open(const char *dir, const char *name) {
    golden_set g = {.dir = dir};
    char *json = mem_printf("%s/%s.json", dir, name), *tensors = mem_printf("%s/%s.safetensors", dir, name);
    assert_int_equal(tree_load(&g.about, json), LMM_OK);
    if (file_exists(tensors)) assert_int_equal(safetensors_open(&g.tensors, tensors), LMM_OK);
    free(json);
    free(tensors);
    return g;
}

static inline void golden_close(golden_set *g) {
    tree_free(g->about);
    if (g->tensors) safetensors_close(g->tensors);
}

static inline const tensor *golden_tensor(const golden_set *g, const char *name) {
    return g->tensors ? safetensors_find(g->tensors, name) : NULL;
}

static inline size_t image_size(const image *im) { return (size_t)im->width * (size_t)im->height * (size_t)im->channels; }

/* A picture of the folder, which must be good. */
static inline image golden_picture(const char *dir, const char *file, int flags) {
    image im = {0};
    char *path = path_join(dir, file);
    if (image_load(&im, path, flags, NULL)) fail_msg("%s", lmm_message());
    free(path);
    return im;
}

/* Exactly the bytes whose hash a fingerprint ({"sha256", ...}) holds. */
static inline void assert_fingerprint(const void *bytes, size_t n, const tree *fingerprint, const char *what) {
    char hex[65];
    sha256_hex(bytes, n, hex);
    if (strcmp(hex, tree_str(fingerprint, "sha256", "")) != 0) fail_msg("%s is not the golden one", what);
}

static inline void assert_same_image(const image *im, const tensor *want, const char *what) {
    if (!want || image_size(im) != tensor_size(want) || im->height != want->ne[0] || im->width != want->ne[1])
        fail_msg("%s: another shape", what);
    if (memcmp(im->data, want->data, tensor_size(want)) != 0) fail_msg("%s: other pixels", what);
}

/* A picture of tests without files: every channel of every pixel its own value. */
static inline image test_picture(int width, int height, int channels) {
    image im = {0};
    assert_int_equal(image_new(&im, width, height, channels), LMM_OK);
    uint32_t x = 1;
    for (size_t i = 0; i < image_size(&im); i++) im.data[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
    return im;
}

#endif
