/* test_preprocess.c - pictures become the numbers that Hugging Face's Pillow processors make of them. */
#include "golden_util.h"
#include "../folder.h"

#include <math.h>

/* The processors that need no tiles. */
static bool is_ours(const char *config) {
    return strncmp(config, "clip_", 5) == 0 || strncmp(config, "llava_pad_", 10) == 0 || strncmp(config, "siglip_", 7) == 0;
}

/* Fingerprints are of planar bytes. */
static unsigned char *planar(const image *im) {
    size_t n = (size_t)im->width * (size_t)im->height;
    unsigned char *out = malloc(3 * n);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) out[c * n + i] = im->data[3 * i + c];
    return out;
}

/* The floats are a function of the bytes, value by value: hashing them for every large picture would only cost time. */
static void check_item(const golden_set *g, const tree *item, bool floats) {
    const char *config = tree_str(item, "config", ""), *file = tree_str(item, "image", "");
    preprocess_spec spec;
    assert_int_equal(preprocess_read(&spec, tree_get(tree_get(g->about, "configs"), config), config), LMM_OK);
    char *what = mem_printf("%s of %s", config, file);
    image in = golden_picture(g->dir, file, IMAGE_EXIF), out = {0};
    float *pixels = NULL;
    assert_int_equal(preprocess_u8(&out, &in, &spec), LMM_OK);
    assert_int_equal(preprocess_float(&pixels, &out, &spec), LMM_OK);
    unsigned char *u8 = planar(&out);
    assert_fingerprint(u8, image_size(&out), tree_get(item, "uint8"), what);
    if (floats) assert_fingerprint(pixels, image_size(&out) * sizeof *pixels, tree_get(item, "float32"), what);
    free(u8);
    free(pixels);
    image_free(&out);
    image_free(&in);
    free(what);
}

static void check_folder(const char *dir) {
    skip_without(dir);
    golden_set g = golden_open(dir, "image_processing");
    const tree *items = tree_get(g.about, "items");
    int count = 0;
    for (int i = 0; items && i < items->count; i++) {
        if (!is_ours(tree_str(items->items[i], "config", "")) || tree_get(items->items[i], "error")) continue;
        bool floats = strstr(tree_str(items->items[i], "config", ""), "_small") || count % 20 == 0;
        check_item(&g, items->items[i], floats);
        count++;
    }
    assert_true(count > 0);
    golden_close(&g);
}

static void repository_goldens_are_exact(void **state) {
    (void)state;
    check_folder(REPOSITORY_GOLDEN);
}

static void shared_goldens_are_exact(void **state) {
    (void)state;
    check_folder(SHARED_GOLDEN);
}

/* ---- reading options ---- */

static lmm_status read_text(preprocess_spec *out, const char *json) {
    tree *t = NULL;
    assert_int_equal(tree_parse_json(&t, json, strlen(json), "p.json"), LMM_OK);
    lmm_status st = preprocess_read(out, t, "p.json");
    tree_free(t);
    return st;
}

static void missing_options_have_their_class_defaults(void **state) {
    (void)state;
    preprocess_spec s;
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"CLIPImageProcessorFast\", \"size\": null}"), LMM_OK);
    assert_string_equal(s.type, "CLIPImageProcessor");
    assert_true(s.do_resize && s.do_center_crop && s.do_rescale && s.do_normalize && !s.do_pad);
    assert_int_equal(s.shortest_edge, 224);
    assert_int_equal(s.crop_width, 224);
    assert_int_equal(s.crop_height, 224);
    assert_int_equal(s.resample, RESIZE_BICUBIC);
    assert_true(s.rescale_factor == 1.0 / 255 && s.mean[0] == 0.48145466 && s.std[2] == 0.27577711);
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"SiglipImageProcessor\"}"), LMM_OK);
    assert_true(s.do_resize && !s.do_center_crop && s.shortest_edge == 0);
    assert_int_equal(s.width, 224);
    assert_int_equal(s.height, 224);
    assert_true(s.mean[1] == 0.5 && s.std[1] == 0.5);
    assert_int_equal(read_text(&s, "{\"feature_extractor_type\": \"CLIPFeatureExtractor\", \"size\": 336, \"crop_size\": 336}"), LMM_OK);
    assert_int_equal(s.shortest_edge, 336);
    assert_int_equal(s.crop_height, 336);
}

static void sizes_have_many_forms(void **state) {
    (void)state;
    preprocess_spec s;
    assert_int_equal(read_text(&s, "{\"size\": {\"height\": 30, \"width\": 40}, \"crop_size\": {\"height\": 10, \"width\": 20}}"), LMM_OK);
    assert_true(s.width == 40 && s.height == 30 && s.shortest_edge == 0 && s.crop_width == 20 && s.crop_height == 10);
    assert_int_equal(read_text(&s, "{\"size\": [30, 40]}"), LMM_OK);
    assert_true(s.width == 40 && s.height == 30 && s.shortest_edge == 0);
    assert_int_equal(read_text(&s, "{\"size\": {\"shortest_edge\": 50}, \"image_mean\": 0.5, \"image_std\": [1, 2, 3], \"resample\": 1}"),
                     LMM_OK);
    assert_true(s.shortest_edge == 50 && s.mean[2] == 0.5 && s.std[2] == 3 && s.resample == RESIZE_LANCZOS);
}

static void only_llava_pads_to_a_square(void **state) {
    (void)state;
    preprocess_spec s;
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"LlavaImageProcessor\", \"do_pad\": true}"), LMM_OK);
    assert_true(s.do_pad);
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"CLIPImageProcessor\", \"do_pad\": true}"), LMM_OK);
    assert_false(s.do_pad);
}

static void bad_options_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        lmm_status status;
        const char *json, *part;
    } rows[] = {
        {LMM_E_UNSUPPORTED, "{\"image_processor_type\": \"MllamaImageProcessor\"}", "'MllamaImageProcessor' is not supported"},
        {LMM_E_UNSUPPORTED, "{\"size\": {\"shortest_edge\": 3136, \"longest_edge\": 12544}}", "'size' needs"},
        {LMM_E_UNSUPPORTED, "{\"size\": \"large\"}", "'size' needs"},
        {LMM_E_UNSUPPORTED, "{\"size\": [0, 5]}", "'size' needs"},
        {LMM_E_UNSUPPORTED, "{\"crop_size\": {\"height\": 5}}", "'crop_size' needs"},
        {LMM_E_FORMAT, "{\"size\": 0}", "'size'"},
        {LMM_E_FORMAT, "{\"size\": {\"height\": 1e9, \"width\": 5}}", "'height'"},
        {LMM_E_FORMAT, "{\"resample\": 9}", "'resample'"},
        {LMM_E_FORMAT, "{\"image_mean\": [1, 2]}", "'image_mean' needs three numbers"},
        {LMM_E_FORMAT, "{\"image_std\": [1, 0, 1]}", "'image_std' must be above 0"},
        {LMM_E_FORMAT, "{\"rescale_factor\": \"x\"}", "'rescale_factor' needs a number"},
        {LMM_E_FORMAT, "{\"image_processor_type\": \"SiglipImageProcessor\", \"do_center_crop\": true}", "needs a 'crop_size'"},
        {LMM_E_FORMAT, "[]", "expected here"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        preprocess_spec s = {.width = -7};
        lmm_status st = read_text(&s, rows[i].json);
        if (st != rows[i].status || !strstr(lmm_message(), rows[i].part)) fail_msg("%s: status %d, '%s'", rows[i].json, st, lmm_message());
        assert_int_equal(s.width, -7);
    }
}

/* ---- from a folder ---- */

static void the_nested_processor_wins(void **state) {
    (void)state;
    preprocess_spec s = {0};
    assert_int_equal(preprocess_open(&s, folder), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "no preprocessor_config.json"));
    write_text("processor_config.json", "{\"processor_class\": \"LlavaProcessor\", \"image_processor\": null}");
    assert_int_equal(preprocess_open(&s, folder), LMM_E_IO);
    write_text("preprocessor_config.json", "{\"size\": 10}");
    assert_int_equal(preprocess_open(&s, folder), LMM_OK);
    assert_int_equal(s.shortest_edge, 10);
    write_text("processor_config.json", "{\"image_processor\": {\"size\": 20}}");
    assert_int_equal(preprocess_open(&s, folder), LMM_OK);
    assert_int_equal(s.shortest_edge, 20);
    write_text("processor_config.json", "{\"image_processor\": {\"size\": ");
    assert_int_equal(preprocess_open(&s, folder), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "processor_config.json"));
}

/* ---- shapes ---- */

/* A 16384 x 1 picture would be 5.5 million pixels wide before the crop, or a square of 268 million. */
static void extreme_shapes_cost_no_more_than_their_result(void **state) {
    (void)state;
    preprocess_spec s;
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"LlavaImageProcessor\", \"size\": 14, \"crop_size\": 14}"), LMM_OK);
    for (int pad = 0; pad < 2; pad++)
        for (int tall = 0; tall < 2; tall++) {
            image in = test_picture(tall ? 1 : 16384, tall ? 16384 : 1, 3), out = {0};
            s.do_pad = pad;
            assert_int_equal(preprocess_u8(&out, &in, &s), LMM_OK);
            assert_int_equal(out.width, 14);
            assert_int_equal(out.height, 14);
            image_free(&out);
            image_free(&in);
        }
    s.do_center_crop = s.do_pad = false;
    s.shortest_edge = 336;
    image in = test_picture(16384, 1, 3), out = {0};
    assert_int_equal(preprocess_u8(&out, &in, &s), LMM_E_LIMIT);
    assert_non_null(strstr(lmm_message(), "5505024 x 336"));
    image_free(&in);
}

/* numpy's center_crop: the larger half of the border lies left and above. */
static void a_small_picture_is_cropped_with_black_around(void **state) {
    (void)state;
    preprocess_spec s;
    assert_int_equal(read_text(&s, "{\"do_resize\": false, \"crop_size\": {\"height\": 6, \"width\": 2}}"), LMM_OK);
    image in = test_picture(5, 3, 3), out = {0};
    assert_int_equal(preprocess_u8(&out, &in, &s), LMM_OK);
    for (int y = 0; y < 6; y++)
        for (int i = 0; i < 6; i++) {
            int inside = y >= 2 && y < 5;
            assert_int_equal(out.data[y * 6 + i], inside ? in.data[(y - 2) * 15 + 3 + i] : 0);
        }
    image_free(&out);
    image_free(&in);
}

static void scaling_and_normalising_can_be_left_out(void **state) {
    (void)state;
    unsigned char bytes[3] = {0, 128, 255};
    image one = {1, 1, 3, bytes};
    preprocess_spec s = {.rescale_factor = 1.0 / 255, .mean = {0.5, 0.5, 0.5}, .std = {0.25, 0.25, 0.25}};
    float *p = NULL;
    assert_int_equal(preprocess_float(&p, &one, &s), LMM_OK);
    assert_true(p[0] == 0 && p[1] == 128 && p[2] == 255);
    free(p);
    s.do_rescale = true;
    assert_int_equal(preprocess_float(&p, &one, &s), LMM_OK);
    assert_true(p[0] == 0 && p[2] == 1);
    free(p);
    s.do_normalize = true;
    assert_int_equal(preprocess_float(&p, &one, &s), LMM_OK);
    assert_true(p[0] == -2 && p[2] == 2);
    free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repository_goldens_are_exact),
        cmocka_unit_test(shared_goldens_are_exact),
        cmocka_unit_test(missing_options_have_their_class_defaults),
        cmocka_unit_test(sizes_have_many_forms),
        cmocka_unit_test(only_llava_pads_to_a_square),
        cmocka_unit_test(bad_options_are_refused_by_name),
        cmocka_unit_test(the_nested_processor_wins),
        cmocka_unit_test(extreme_shapes_cost_no_more_than_their_result),
        cmocka_unit_test(a_small_picture_is_cropped_with_black_around),
        cmocka_unit_test(scaling_and_normalising_can_be_left_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
