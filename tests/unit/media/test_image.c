/* test_image.c - every kind of picture file decodes as Pillow decodes it, and what is no good picture is refused in one sentence. */
#include "golden_util.h"

/* ---- goldens ---- */

/* Another conforming JPEG decoder may differ by rounding: at most 4 levels, 0.5 on average (the goldens' README). */
static void assert_near(const image *im, const tensor *want, const char *name) {
    if (!want || image_size(im) != tensor_size(want)) fail_msg("%s: other pixels", name);
    const unsigned char *w = want->data;
    double sum = 0;
    for (size_t i = 0; i < image_size(im); i++) {
        int d = abs(im->data[i] - w[i]);
        if (d > 4) fail_msg("%s: a pixel differs by %d", name, d);
        sum += d;
    }
    if (sum > 0.5 * (double)image_size(im)) fail_msg("%s: pixels differ by %g on average", name, sum / (double)image_size(im));
}

static void check_file(const golden_set *g, const char *name, const tree *row) {
    const tree *rgb = tree_get(row, "rgb"), *over_white = tree_get(row, "rgb_composited_on_white");
    image im = golden_picture(g->dir, name, IMAGE_EXIF);
    char hex[65];
    sha256_hex(im.data, image_size(&im), hex);
    if (strcmp(hex, tree_str(rgb, "sha256", "")) != 0) {
        if (tree_bool(row, "lossless_format", true)) fail_msg("%s: other pixels", name);
        assert_near(&im, golden_tensor(g, name), name);
    }
    image_free(&im);
    if (!over_white) return;
    im = golden_picture(g->dir, name, IMAGE_EXIF | IMAGE_ALPHA_WHITE);
    assert_fingerprint(im.data, image_size(&im), over_white, name);
    image_free(&im);
}

static void check_folder(const char *dir) {
    skip_without(dir);
    golden_set g = golden_open(dir, "decode");
    const tree *images = tree_get(g.about, "images");
    assert_true(images && images->count > 0);
    for (int i = 0; i < images->count; i++) check_file(&g, images->keys[i], images->items[i]);
    golden_close(&g);
}

static void goldens_of_the_repository_decode_exactly(void **state) {
    (void)state;
    check_folder(REPOSITORY_GOLDEN);
}

static void goldens_of_rare_kinds_decode_exactly(void **state) {
    (void)state;
    check_folder(REPOSITORY_GOLDEN "/more");
}

static void shared_goldens_decode_exactly(void **state) {
    (void)state;
    check_folder(SHARED_GOLDEN);
}

static void orientation_is_left_alone_without_the_flag(void **state) {
    (void)state;
    image im = golden_picture(REPOSITORY_GOLDEN, "exif_orient6.jpg", 0), upright = {0};
    image turned = golden_picture(REPOSITORY_GOLDEN, "exif_orient6.jpg", IMAGE_EXIF);
    assert_int_equal(im.width, turned.height);
    assert_int_equal(im.height, turned.width);
    assert_int_equal(image_transpose(&upright, &im, 6), LMM_OK);
    assert_memory_equal(upright.data, turned.data, image_size(&turned));
    image_free(&upright);
    image_free(&turned);
    image_free(&im);
}

/* ---- refusals ---- */

static void refuse(const void *bytes, size_t n, const image_limits *limits, lmm_status status, const char *part) {
    image im = {.width = -7};
    lmm_status st = image_decode(&im, bytes, n, IMAGE_EXIF, limits, "a.pic");
    if (st != status || !strstr(lmm_message(), part))
        fail_msg("status %d, '%s'; expected %d, '... %s ...'", st, st ? lmm_message() : "", status, part);
    assert_int_equal(im.width, -7);
    assert_null(strchr(lmm_message(), '\n'));
}

static unsigned char *read_golden(const char *name, size_t *n) {
    char *bytes = NULL, *path = path_join(REPOSITORY_GOLDEN, name);
    assert_int_equal(file_read(&bytes, n, path, 1 << 20), LMM_OK);
    free(path);
    return (unsigned char *)bytes;
}

static void huge_headers_are_refused_before_anything_is_allocated(void **state) {
    (void)state;
    size_t n = 0;
    unsigned char *png = read_golden("rgb.png", &n);
    static const unsigned char side30000[] = {0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30}, strip[] = {0, 1, 0x86, 0xa0, 0, 0, 0, 1};
    static const unsigned char area[] = {0, 0, 0x27, 0x10, 0, 0, 0x27, 0x10}, none[8] = {0},
                               all[] = {255, 255, 255, 255, 255, 255, 255, 255};
    memcpy(png + 16, side30000, 8);
    refuse(png, n, NULL, LMM_E_LIMIT, "30000 x 30000 pixels, the limit is 16384 a side");
    memcpy(png + 16, strip, 8);
    refuse(png, n, NULL, LMM_E_LIMIT, "100000 x 1 pixels");
    memcpy(png + 16, area, 8);
    refuse(png, n, NULL, LMM_E_LIMIT, "10000 x 10000 pixels are 100.0 million, the limit is 40.0 million");
    memcpy(png + 16, all, 8);
    refuse(png, n, NULL, LMM_E_LIMIT, "4294967295 x 4294967295");
    memcpy(png + 16, none, 8);
    refuse(png, n, NULL, LMM_E_FORMAT, "no pixels");
    free(png);
}

static void limits_can_be_set(void **state) {
    (void)state;
    static const char *const files[] = {"rgb.png", "photo.jpg", "lossy.webp", "rgb.bmp", "still.gif"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        size_t n = 0;
        unsigned char *bytes = read_golden(files[i], &n);
        refuse(bytes, n, &(image_limits){.pixel_count_max = 100}, LMM_E_LIMIT, "too large");
        refuse(bytes, n, &(image_limits){.side_max = 10}, LMM_E_LIMIT, "the limit is 10 a side");
        refuse(bytes, n, &(image_limits){.file_size_max = 100}, LMM_E_LIMIT, "bytes, the limit is 100");
        free(bytes);
    }
}

static void a_cut_file_is_refused(void **state) {
    (void)state;
    static const char *const files[] = {"rgba16_adam7.png", "palette.png",         "progressive.jpg", "gray.jpg",  "cmyk.jpg",
                                        "lossy.webp",       "lossless_alpha.webp", "rgb.bmp",         "still.gif", "more/animated.webp"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        size_t n = 0;
        unsigned char *bytes = read_golden(files[i], &n);
        /* All of PNG but the closing chunk, of GIF but the end code, is needed. */
        for (size_t cut = 12; cut < n - 14; cut += 1 + n / 40) {
            unsigned char *part = malloc(cut); /* of that size exactly, for the address sanitizer */
            memcpy(part, bytes, cut);
            image im = {0};
            lmm_status st = image_decode(&im, part, cut, IMAGE_EXIF, NULL, "a.pic");
            if (st != LMM_E_FORMAT) fail_msg("%s cut at %zu of %zu: status %d", files[i], cut, n, st);
            free(part);
        }
        refuse(bytes, n / 2, NULL, LMM_E_FORMAT, "cut short");
        free(bytes);
    }
}

static void a_missing_end_marker_is_refused_in_jpeg_and_not_in_png(void **state) {
    (void)state;
    size_t n = 0;
    unsigned char *bytes = read_golden("gray.jpg", &n);
    refuse(bytes, n - 2, NULL, LMM_E_FORMAT, "cut short");
    free(bytes);
    bytes = read_golden("rgb.png", &n);
    image im = {0};
    assert_int_equal(image_decode(&im, bytes, n - 12, 0, NULL, "rgb.png"), LMM_OK);
    image_free(&im);
    free(bytes);
}

static void damaged_checksums_and_data_are_refused(void **state) {
    (void)state;
    size_t n = 0;
    unsigned char *bytes = read_golden("rgb.png", &n);
    bytes[n / 2] ^= 1;
    refuse(bytes, n, NULL, LMM_E_FORMAT, "is damaged: IDAT");
    free(bytes);
    bytes = read_golden("lossless_alpha.webp", &n);
    memset(bytes + 40, 0xff, 200);
    refuse(bytes, n, NULL, LMM_E_FORMAT, "damaged");
    free(bytes);
    bytes = read_golden("still.gif", &n);
    memset(bytes + n - 300, 0xff, 280);
    refuse(bytes, n, NULL, LMM_E_FORMAT, "");
    free(bytes);
}

static void other_files_are_named(void **state) {
    (void)state;
    refuse("", 0, NULL, LMM_E_FORMAT, "'a.pic' is empty");
    refuse("hello", 5, NULL, LMM_E_UNSUPPORTED, "is no picture");
    refuse("II*\0rest", 8, NULL, LMM_E_UNSUPPORTED, "is a TIFF file");
    refuse("%PDF-1.4", 8, NULL, LMM_E_UNSUPPORTED, "is a PDF file");
    refuse("<svg xmlns", 10, NULL, LMM_E_UNSUPPORTED, "is a SVG file");
    refuse("\0\0\0\x18"
           "ftypheic",
           12, NULL, LMM_E_UNSUPPORTED, "HEIC");
    image im = {0};
    assert_int_equal(image_load(&im, "/nowhere/at/all.png", 0, NULL), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "/nowhere/at/all.png"));
}

/* A progressive JPEG of 8 x 8 grey pixels, then one more empty refinement of the same coefficient again and again. */
static void a_jpeg_of_endless_scans_is_refused(void **state) {
    (void)state;
    size_t n = 0;
    unsigned char *head = read_golden("more/gray_progressive.jpg", &n);
    size_t first_scan = 0;
    for (size_t i = 2; i + 4 < n && !first_scan; i += 2 + (size_t)(head[i + 2] << 8 | head[i + 3]))
        if (head[i + 1] == 0xda) first_scan = i;
    assert_true(first_scan > 0);
    size_t scan = n - 2 - first_scan;
    buf b = {0};
    buf_put(&b, head, first_scan);
    for (int i = 0; i < 2000; i++) buf_put(&b, head + first_scan, scan);
    buf_put(&b, "\xff\xd9", 2);
    refuse(b.data, b.size, NULL, LMM_E_FORMAT, "more than 500 scans");
    buf_free(&b);
    free(head);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goldens_of_the_repository_decode_exactly),
        cmocka_unit_test(goldens_of_rare_kinds_decode_exactly),
        cmocka_unit_test(shared_goldens_decode_exactly),
        cmocka_unit_test(orientation_is_left_alone_without_the_flag),
        cmocka_unit_test(huge_headers_are_refused_before_anything_is_allocated),
        cmocka_unit_test(limits_can_be_set),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(a_missing_end_marker_is_refused_in_jpeg_and_not_in_png),
        cmocka_unit_test(damaged_checksums_and_data_are_refused),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(a_jpeg_of_endless_scans_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
