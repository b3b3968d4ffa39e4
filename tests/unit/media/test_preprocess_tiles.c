/* test_preprocess_tiles.c - AnyRes' stack of a picture is what Hugging Face's Pillow processors make, and each tile is a cut of the whole canvas. */
#include "golden_util.h"

#include <math.h>

#include "models/models.h"

static lmm_status read_text(preprocess_spec *out, const char *json) {
    tree *t = NULL;
    assert_int_equal(tree_parse_json(&t, json, strlen(json), "p.json"), LMM_OK);
    lmm_status st = preprocess_read(out, t, "p.json");
    tree_free(t);
    return st;
}

/* ---- the references' pixels ---- */

typedef struct {
    unsigned char *u8;
    float *pixels;
    size_t count;
} stack;

static void stack_add(stack *s, const image *u8, const preprocess_spec *spec) {
    size_t n = (size_t)u8->width * (size_t)u8->height;
    float *pixels = NULL;
    assert_int_equal(preprocess_float(&pixels, u8, spec), LMM_OK);
    s->u8 = mem_resize(s->u8, s->count + 3 * n, 1);
    s->pixels = mem_resize(s->pixels, s->count + 3 * n, sizeof(float));
    memcpy(s->pixels + s->count, pixels, 3 * n * sizeof *pixels);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) s->u8[s->count + c * n + i] = u8->data[3 * i + c];
    s->count += 3 * n;
    free(pixels);
}

static stack stack_of(const image *in, const preprocess_spec *spec) {
    anyres_spec a = {.grid = &spec->grid, .reference = REFERENCE_HF, .tile = preprocess_tile_side(spec), .side = 1};
    anyres_layout l;
    stack s = {0};
    anyres_lay_out(&l, &a, in->width, in->height);
    for (int i = 0; i <= l.tiles_across * l.tiles_down; i++) {
        image tile = {0};
        assert_int_equal(preprocess_tile(&tile, in, spec, &l.canvas, i), LMM_OK);
        stack_add(&s, &tile, spec);
        image_free(&tile);
    }
    return s;
}

static void check_item(const golden_set *g, const tree *item) {
    const char *config = tree_str(item, "config", ""), *file = tree_str(item, "image", "");
    preprocess_spec spec;
    assert_int_equal(preprocess_read(&spec, tree_get(tree_get(g->about, "configs"), config), config), LMM_OK);
    char *what = mem_printf("%s of %s", config, file);
    image in = golden_picture(g->dir, file, IMAGE_EXIF);
    stack s = stack_of(&in, &spec);
    assert_fingerprint(s.u8, s.count, tree_get(item, "uint8"), what);
    assert_fingerprint(s.pixels, s.count * sizeof *s.pixels, tree_get(item, "float32"), what);
    free(s.u8);
    free(s.pixels);
    image_free(&in);
    free(what);
}

static void check_folder(const char *dir) {
    skip_without(dir);
    golden_set g = golden_open(dir, "image_processing");
    const tree *items = tree_get(g.about, "items");
    int count = 0;
    for (int i = 0; items && i < items->count; i++) {
        const char *config = tree_str(items->items[i], "config", "");
        if (strcmp(config, "llava_next_small") && strcmp(config, "llava_onevision_small")) continue;
        check_item(&g, items->items[i]);
        count++;
    }
    golden_close(&g);
    if (!count) {
        print_message("skipped: no tiles in '%s'\n", dir);
        skip();
    }
}

/* The real sizes are compared by lmm-golden: 50 pictures of up to 37 tiles take seconds. */
static void shared_goldens_of_small_tiles_are_exact(void **state) {
    (void)state;
    check_folder(SHARED_GOLDEN);
}

/* ---- by rule ---- */

static const char small_next[] = "{\"image_processor_type\": \"LlavaNextImageProcessor\", \"size\": {\"shortest_edge\": 14},"
                                 " \"crop_size\": {\"height\": 14, \"width\": 14}, \"image_grid_pinpoints\": [[28, 42]]}";

/* The whole canvas at once: what the tiles are cut from. */
static image whole_canvas(const image *in, const preprocess_spec *s, const tile_canvas *c) {
    image seen = {0}, out = {0};
    assert_int_equal(image_resize(&seen, in, c->picture_width, c->picture_height, s->resample, NULL), LMM_OK);
    int left = (c->canvas_width - c->picture_width) / 2, top = (c->canvas_height - c->picture_height) / 2;
    assert_int_equal(image_crop(&out, &seen, -left, -top, c->canvas_width, c->canvas_height), LMM_OK);
    image_free(&seen);
    return out;
}

static void every_tile_is_a_cut_of_the_black_canvas(void **state) {
    static const int sizes[][2] = {{200, 90}, {31, 80}, {300, 200}, {1, 500}, {500, 1}, {5, 5}};
    preprocess_spec s;
    (void)state;
    assert_int_equal(read_text(&s, small_next), LMM_OK);
    for (size_t k = 0; k < COUNT_OF(sizes); k++) {
        image in = test_picture(sizes[k][0], sizes[k][1], 3);
        double scale = fmin(42.0 / in.width, 28.0 / in.height);
        tile_canvas c = {.canvas_width = 42, .canvas_height = 28, .tile = 14};
        c.picture_width = max_int((int)(in.width * scale), 1);
        c.picture_height = max_int((int)(in.height * scale), 1);
        image canvas = whole_canvas(&in, &s, &c);
        for (int i = 1; i <= 6; i++) {
            image tile = {0}, want = {0};
            assert_int_equal(preprocess_tile(&tile, &in, &s, &c, i), LMM_OK);
            assert_int_equal(image_crop(&want, &canvas, (i - 1) % 3 * 14, (i - 1) / 3 * 14, 14, 14), LMM_OK);
            assert_memory_equal(tile.data, want.data, image_size(&want));
            image_free(&tile);
            image_free(&want);
        }
        image_free(&canvas);
        image_free(&in);
    }
}

static void the_overview_is_the_whole_picture_without_its_aspect(void **state) {
    preprocess_spec s;
    (void)state;
    assert_int_equal(read_text(&s, small_next), LMM_OK);
    image in = test_picture(91, 40, 3), have = {0}, want = {0};
    tile_canvas c = {.canvas_width = 42, .canvas_height = 28, .picture_width = 42, .picture_height = 19, .tile = 14};
    assert_int_equal(preprocess_tile(&have, &in, &s, &c, 0), LMM_OK);
    assert_int_equal(image_resize(&want, &in, 14, 14, RESIZE_BICUBIC, NULL), LMM_OK);
    assert_memory_equal(have.data, want.data, image_size(&want));
    image_free(&have);
    image_free(&want);
    image_free(&in);
}

/* ---- reading ---- */

static void the_classes_have_their_grids(void **state) {
    preprocess_spec s;
    (void)state;
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"LlavaNextImageProcessorFast\"}"), LMM_OK);
    assert_int_equal(s.grid.count, 5);
    assert_true(s.grid.pair[3][0] == 1008 && s.grid.pair[3][1] == 336);
    assert_true(s.do_center_crop && s.shortest_edge == 224 && !s.do_pad);
    assert_int_equal(preprocess_tile_side(&s), 224);
    assert_int_equal(read_text(&s, "{\"image_processor_type\": \"LlavaOnevisionImageProcessor\", \"do_pad\": true}"), LMM_OK);
    assert_int_equal(s.grid.count, 36);
    assert_true(s.grid.pair[1][0] == 384 && s.grid.pair[1][1] == 768 && s.grid.pair[35][0] == 2304);
    assert_true(!s.do_center_crop && s.shortest_edge == 0 && s.width == 384 && !s.do_pad && s.mean[0] == 0.48145466);
    assert_int_equal(preprocess_tile_side(&s), 384);
    assert_int_equal(read_text(&s, small_next), LMM_OK);
    assert_true(s.grid.count == 1 && s.grid.pair[0][0] == 28 && s.grid.pair[0][1] == 42);
    assert_int_equal(read_text(&s, "{\"image_grid_pinpoints\": [[28, 42]]}"), LMM_OK); /* CLIP cuts no tiles */
    assert_int_equal(s.grid.count, 0);
}

static void bad_grids_are_refused(void **state) {
    static const char *const rows[] = {"[]",  "7", "\"(1x1),(6x6)\"", "[[28]]", "[[28, 0]]", "[[28, 42], [28, \"x\"]]", "[[28, 99999]]",
                                       "[{}]"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        preprocess_spec s = {.width = -7};
        char *json = mem_printf("{\"image_processor_type\": \"LlavaNextImageProcessor\", \"image_grid_pinpoints\": %s}", rows[i]);
        if (read_text(&s, json) != LMM_E_FORMAT || !strstr(lmm_message(), "'image_grid_pinpoints'"))
            fail_msg("%s: '%s'", json, lmm_message());
        assert_int_equal(s.width, -7);
        free(json);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_goldens_of_small_tiles_are_exact),
        cmocka_unit_test(every_tile_is_a_cut_of_the_black_canvas),
        cmocka_unit_test(the_overview_is_the_whole_picture_without_its_aspect),
        cmocka_unit_test(the_classes_have_their_grids),
        cmocka_unit_test(bad_grids_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
