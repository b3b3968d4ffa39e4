/* Geometry of Qwen-VL: sizes, positions and windows, against the vectors of llava.md 2.8 to 2.10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/models.h"

static void sizes_are_whole_blocks_near_the_picture(void **state) {
    (void)state;
    static const struct {
        int h, w, want_h, want_w;
    } row[] = {{480, 640, 476, 644}, {1080, 1920, 728, 1316}, {899, 1024, 896, 1036}, {3000, 4000, 840, 1148},
               {100, 100, 112, 112}, {14, 14, 56, 56},        {42, 70, 56, 56},       {28, 1000, 28, 1008}};
    preprocess_spec s = {.pixels_min = 56 * 56, .pixels_max = 28 * 28 * 1280, .patch = 14, .merge = 2, .temporal = 2};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        int w, h;
        assert_int_equal(preprocess_smart_size(&s, row[i].w, row[i].h, &w, &h), LMM_OK);
        assert_int_equal(h, row[i].want_h);
        assert_int_equal(w, row[i].want_w);
    }
    int w, h;
    assert_int_not_equal(preprocess_smart_size(&s, 10, 2010, &w, &h), LMM_OK);
}

enum { IMAGE = 100, VIDEO = 101 };

static net three_axes(void) {
    net n = {.has_decoder = true, .image_token = IMAGE, .video_token = VIDEO};
    n.dec.config.rope.section[0] = 1;
    n.patches.config.merge = 2;
    return n;
}

static void assert_axis(const int *position, int axis, const int *want, int count) {
    for (int i = 0; i < count; i++) assert_int_equal(position[3 * i + axis], want[i]);
}

static void text_goes_on_behind_a_picture(void **state) {
    (void)state;
    net n = three_axes();
    const int ids[13] = {1, 1, 1, 1, 1, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, 1, 1};
    media_plan plan = {.row_count = 6, .grid = {1, 4, 6}};
    int *position, ahead = net_positions(&n, ids, 13, &(const media_plan *){&plan}, &position);
    assert_int_equal(ahead, -3);
    assert_axis(position, 0, (int[]){0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 8, 9}, 13);
    assert_axis(position, 1, (int[]){0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6, 8, 9}, 13);
    assert_axis(position, 2, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9}, 13);
    free(position);
}

static void the_rules_differ_behind_a_video(void **state) {
    (void)state;
    net n = three_axes();
    n.tokens_per_second = 2;
    int ids[20];
    for (int i = 0; i < 20; i++) ids[i] = i < 2 || i >= 18 ? 1 : VIDEO;
    media_plan plan = {.row_count = 16, .frames = 8, .grid = {4, 4, 4}, .grid_seconds = 1};
    int *position;
    net_positions(&n, ids, 20, &(const media_plan *){&plan}, &position);
    assert_axis(position, 0, (int[]){0, 1, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6, 8, 8, 8, 8, 9, 10}, 20);
    assert_axis(position, 2, (int[]){0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 9, 10}, 20);
    free(position);
    n.positions = POSITIONS_SIDE;
    net_positions(&n, ids, 20, &(const media_plan *){&plan}, &position);
    assert_int_equal(position[3 * 18], 4);
    assert_int_equal(position[3 * 19], 5);
    free(position);
}

static void windows_cut_the_grid_row_by_row(void **state) {
    (void)state;
    patch_tower_config c = {.merge = 2, .window = 4};
    static const int want[60] = {0,  1,  2,  3,  10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33, 4,  5,  6,  7,
                                 14, 15, 16, 17, 24, 25, 26, 27, 34, 35, 36, 37, 8,  9,  18, 19, 28, 29, 38, 39,
                                 40, 41, 42, 43, 50, 51, 52, 53, 44, 45, 46, 47, 54, 55, 56, 57, 48, 49, 58, 59};
    static const int cells[6] = {16, 16, 8, 8, 8, 4};
    int *order, *lengths, windows;
    patch_windows(&c, &(patch_grid){1, 12, 20}, &order, &lengths, &windows);
    assert_int_equal(windows, 6);
    assert_memory_equal(order, want, sizeof want);
    assert_memory_equal(lengths, cells, sizeof cells);
    free(order);
    free(lengths);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_whole_blocks_near_the_picture),
        cmocka_unit_test(text_goes_on_behind_a_picture),
        cmocka_unit_test(the_rules_differ_behind_a_video),
        cmocka_unit_test(windows_cut_the_grid_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
