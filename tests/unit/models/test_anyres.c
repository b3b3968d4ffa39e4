/* test_anyres.c - which canvas a picture gets, which rows of the map stay, and in which order: against the references' numbers and by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "models/models.h"

static const tile_grid next_grid = {5, {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}}};

static tile_grid square_grid(int tile, int most) {
    tile_grid g = {0};
    for (int a = 1; a <= most; a++)
        for (int b = 1; b <= most; b++, g.count++) g.pair[g.count][0] = a * tile, g.pair[g.count][1] = b * tile;
    return g;
}

static anyres_spec next_spec(reference ref) { return (anyres_spec){.grid = &next_grid, .reference = ref, .tile = 336, .side = 24}; }

static anyres_spec onevision_spec(const tile_grid *g, reference ref) {
    return (anyres_spec){.grid = g, .reference = ref, .tile = 384, .side = 27, .tiles_shown_max = 9};
}

static int rows_of(const anyres_spec *s, int width, int height) {
    anyres_layout l;
    anyres_lay_out(&l, s, width, height);
    return l.row_count;
}

/* ---- the references' numbers ---- */

static void check_size(const tree *c, const anyres_spec *s, const char *best, const char *tokens) {
    const tree *hw = tree_get(c, "hw"), *canvas = tree_get(c, best);
    anyres_layout l;
    anyres_lay_out(&l, s, (int)hw->items[1]->i, (int)hw->items[0]->i);
    assert_int_equal(l.canvas.canvas_height, canvas->items[0]->i);
    assert_int_equal(l.canvas.canvas_width, canvas->items[1]->i);
    assert_int_equal(l.row_count, tree_int(c, tokens, -1));
}

static void transformers_table_of_sizes(void **state) {
    const char *path = LMM_SHARED "/golden/images/geometry.json";
    (void)state;
    if (!file_exists(path)) {
        print_message("skipped: no '%s'\n", path);
        skip();
    }
    tree *t;
    assert_int_equal(tree_load(&t, path), LMM_OK);
    const tree *cases = tree_get(t, "cases");
    assert_true(cases->count > 100);
    tile_grid g = square_grid(384, 6);
    anyres_spec a = next_spec(REFERENCE_HF), b = onevision_spec(&g, REFERENCE_HF);
    for (int i = 0; i < cases->count; i++) {
        check_size(cases->items[i], &a, "llava_next_336_best", "llava_next_tokens");
        check_size(cases->items[i], &b, "onevision_384_best", "onevision_tokens");
    }
    tree_free(t);
}

/* Sizes, rows of LLaVA-NeXT and of OneVision: the original code's results (llava.md 2.6). */
static void the_original_codes_table(void **state) {
    static const struct {
        int width, height, next, onevision;
    } rows[] = {
        {336, 336, 1176, 1485},  {640, 480, 2340, 2929},  {480, 640, 2352, 2943}, {1024, 899, 2634, 6551}, {1920, 1080, 1948, 7269},
        {300, 1200, 1944, 3753}, {1000, 333, 2328, 2943}, {672, 672, 2928, 3699}, {800, 600, 2340, 4725},  {2304, 2304, 2928, 7371},
    };
    tile_grid g = square_grid(384, 6);
    anyres_spec a = next_spec(REFERENCE_ORIGINAL), b = onevision_spec(&g, REFERENCE_ORIGINAL);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows_of(&a, rows[i].width, rows[i].height) != rows[i].next || rows_of(&b, rows[i].width, rows[i].height) != rows[i].onevision)
            fail_msg("%d x %d: %d and %d rows", rows[i].width, rows[i].height, rows_of(&a, rows[i].width, rows[i].height),
                     rows_of(&b, rows[i].width, rows[i].height));
    }
}

/* Small pictures are shown wholly by many canvases; the first of the list wins, and the list is read (w,h) there, (h,w) here. */
static void the_references_break_ties_differently(void **state) {
    anyres_spec hf = next_spec(REFERENCE_HF), original = next_spec(REFERENCE_ORIGINAL);
    (void)state;
    assert_int_equal(rows_of(&original, 20, 179), 912);
    assert_int_equal(rows_of(&hf, 20, 179), 648);
    assert_int_equal(rows_of(&original, 78, 29), 776);
    assert_int_equal(rows_of(&hf, 78, 29), 1458);
    anyres_layout a, b;
    anyres_lay_out(&a, &original, 100, 100);
    anyres_lay_out(&b, &hf, 100, 100);
    assert_int_equal(a.canvas.canvas_width, 336);
    assert_int_equal(a.canvas.canvas_height, 672);
    assert_int_equal(b.canvas.canvas_width, 672);
    assert_int_equal(b.canvas.canvas_height, 336);
}

/* 1872 x 832 on 5 x 3 tiles: 832 * (135 / 1872) is 59.99999999999999. */
static void the_references_round_differently(void **state) {
    tile_grid g = square_grid(384, 6);
    anyres_spec hf = onevision_spec(&g, REFERENCE_HF), original = onevision_spec(&g, REFERENCE_ORIGINAL);
    (void)state;
    assert_int_equal(rows_of(&original, 1872, 832), 7248);
    assert_int_equal(rows_of(&hf, 1872, 832), 7263);
}

/* ---- by rule ---- */

static void a_very_long_picture_may_leave_nothing_of_the_map(void **state) {
    anyres_spec s = next_spec(REFERENCE_HF);
    anyres_layout l;
    (void)state;
    anyres_lay_out(&l, &s, 16384, 1);
    assert_int_equal(l.height, 0);
    assert_int_equal(l.row_count, 576);
    anyres_lay_out(&l, &s, 1, 16384);
    assert_int_equal(l.width, 0);
    assert_int_equal(l.row_count, 576 + l.map_height); /* newlines alone */
}

static void sizes_of_every_shape_stay_inside(void **state) {
    tile_grid g = square_grid(384, 6);
    rng r = rng_make(3, 0);
    (void)state;
    for (int i = 0; i < 20000; i++) {
        anyres_spec s = i % 2 ? next_spec((reference)(i / 2 % 2)) : onevision_spec(&g, (reference)(i / 2 % 2));
        int limit = i % 3 ? 3000 : 16384, width = 1 + (int)(rng_unit(&r) * limit), height = 1 + (int)(rng_unit(&r) * limit);
        anyres_layout l;
        anyres_lay_out(&l, &s, width, height);
        assert_true(l.canvas.picture_width >= 1 && l.canvas.picture_width <= l.canvas.canvas_width);
        assert_true(l.canvas.picture_height >= 1 && l.canvas.picture_height <= l.canvas.canvas_height);
        assert_true(l.left >= 0 && l.top >= 0 && l.width >= 0 && l.height >= 0);
        assert_int_equal(l.left + l.width + l.left, l.tiles_across * s.side);
        assert_int_equal(l.top + l.height + l.top, l.tiles_down * s.side);
        assert_true(l.map_width <= l.width && l.map_height <= l.height);
        if (s.tiles_shown_max) assert_true((double)l.map_width * l.map_height <= 1.21 * s.tiles_shown_max * s.side * s.side);
    }
}

/* 2 x 2 tiles of 2 x 2 rows: the map's lines run across tiles. Overview rows 0-3, tiles 4-7 8-11 12-15 16-19. */
static void rows_follow_the_lines_of_the_map(void **state) {
    static const int want[] = {100, 101, 102, 103, 104, 105, 108, 109, -1,  106, 107, 110,
                               111, -1,  112, 113, 116, 117, -1,  114, 115, 118, 119, -1};
    tile_grid g = {1, {{28, 28}}};
    anyres_spec s = {.grid = &g, .tile = 14, .side = 2};
    anyres_layout l;
    row_blend rows[COUNT_OF(want)];
    (void)state;
    assert_int_equal(anyres_check(&s, "test"), LMM_OK);
    anyres_lay_out(&l, &s, 50, 50);
    assert_int_equal(l.row_count, (int)COUNT_OF(want));
    assert_ptr_equal(anyres_map(anyres_overview(rows, &s, 100), &s, &l, 100), rows + COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_int_equal(rows[i].count, 1);
        assert_int_equal(rows[i].index[0], want[i]);
        assert_true(rows[i].weight[0] == 1.0f);
    }
}

/* Bilinear without antialias keeps a plane a plane, except where it is held at the border. */
static void a_shrunk_map_is_a_weighted_mean_of_the_part(void **state) {
    tile_grid g = {1, {{42, 56}}};
    anyres_spec s = {.grid = &g, .tile = 14, .side = 5, .tiles_shown_max = 2};
    anyres_layout l;
    row_blend rows[512], *to = rows;
    (void)state;
    anyres_lay_out(&l, &s, 400, 250);
    assert_true(l.map_width < l.width && l.map_height < l.height && l.top > 0);
    assert_ptr_equal(anyres_map(rows, &s, &l, 0), rows + l.map_height * (l.map_width + 1));
    for (int y = 0; y < l.map_height; y++) {
        for (int x = 0; x < l.map_width; x++, to++) {
            double sum = 0, column = 0, line = 0;
            assert_int_equal(to->count, 4);
            for (int t = 0; t < 4; t++) {
                int tile = to->index[t] / 25 - 1, in = to->index[t] % 25;
                sum += (double)to->weight[t];
                column += (double)to->weight[t] * (tile % 4 * 5 + in % 5);
                line += (double)to->weight[t] * (tile / 4 * 5 + in / 5 - l.top);
            }
            assert_true(fabs(sum - 1) < 1e-6);
            assert_true(fabs(column - ((x + 0.5) * l.width / l.map_width - 0.5)) < 1e-4);
            assert_true(fabs(line - ((y + 0.5) * l.height / l.map_height - 0.5)) < 1e-4);
        }
        assert_int_equal(to->count, 1);
        assert_int_equal((to++)->index[0], ANYRES_NEWLINE);
    }
}

static void a_grid_that_does_not_fit_is_refused(void **state) {
    tile_grid none = {0}, odd = {2, {{28, 28}, {28, 30}}}, many = {1, {{16384, 16384}}};
    anyres_spec s = {.grid = &none, .tile = 14, .side = 1};
    (void)state;
    assert_int_equal(anyres_check(&s, "c.json"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "no 'image_grid_pinpoints'"));
    s.grid = &odd;
    assert_int_equal(anyres_check(&s, "c.json"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "(28, 30), which is no grid of tiles of 14 pixels"));
    s.grid = &many;
    s.tile = 16;
    assert_int_equal(anyres_check(&s, "c.json"), LMM_E_LIMIT);
    s.tile = 8192;
    s.side = 8192;
    assert_int_equal(anyres_check(&s, "c.json"), LMM_E_LIMIT);
}

static void the_largest_picture_has_the_most_tiles(void **state) {
    tile_grid g = square_grid(384, 6);
    anyres_spec s = onevision_spec(&g, REFERENCE_HF);
    int width = 0, height = 0;
    (void)state;
    anyres_largest(&s, &width, &height);
    assert_int_equal(width, 2304);
    assert_int_equal(height, 2304);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transformers_table_of_sizes),
        cmocka_unit_test(the_original_codes_table),
        cmocka_unit_test(the_references_break_ties_differently),
        cmocka_unit_test(the_references_round_differently),
        cmocka_unit_test(a_very_long_picture_may_leave_nothing_of_the_map),
        cmocka_unit_test(sizes_of_every_shape_stay_inside),
        cmocka_unit_test(rows_follow_the_lines_of_the_map),
        cmocka_unit_test(a_shrunk_map_is_a_weighted_mean_of_the_part),
        cmocka_unit_test(a_grid_that_does_not_fit_is_refused),
        cmocka_unit_test(the_largest_picture_has_the_most_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
