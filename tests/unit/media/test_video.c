#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "media/media.h"

static void expect(const frame_take *t, int total, double fps, const int *want, int n) {
    int *index = NULL, count = 0;
    assert_int_equal(frames_index(&index, &count, t, total, fps), LMM_OK);
    assert_int_equal(count, n);
    assert_memory_equal(index, want, (size_t)n * sizeof *want);
    free(index);
}

static void the_three_uniform_rules_differ_as_the_references_do(void **state) {
    (void)state;
    expect(&(frame_take){.rule = FRAMES_LINSPACE, .count = 4}, 60, 0, (int[]){0, 19, 39, 59}, 4);
    expect(&(frame_take){.rule = FRAMES_ROUND, .count = 4}, 60, 0, (int[]){0, 20, 39, 59}, 4);
    expect(&(frame_take){.rule = FRAMES_ARANGE, .count = 4}, 60, 0, (int[]){0, 15, 30, 45}, 4);
    expect(&(frame_take){.rule = FRAMES_LINSPACE, .count = 1}, 60, 0, (int[]){0}, 1);
}

static void arange_never_reaches_behind_the_last_frame(void **state) {
    (void)state;
    int *index, n;
    assert_int_equal(frames_index(&index, &n, &(frame_take){.rule = FRAMES_ARANGE, .count = 490}, 8525, 0), LMM_OK);
    assert_int_equal(n, 490);
    assert_true(index[489] < 8525);
    free(index);
}

static void a_stride_is_rounded_and_never_below_one(void **state) {
    (void)state;
    expect(&(frame_take){.rule = FRAMES_STRIDE, .fps = 1}, 10, 2.4, (int[]){0, 2, 4, 6, 8}, 5);
    expect(&(frame_take){.rule = FRAMES_STRIDE, .fps = 5}, 3, 0.4, (int[]){0, 1, 2}, 3);
    expect(&(frame_take){.rule = FRAMES_STRIDE, .fps = 1, .count = 3}, 10, 2, (int[]){0, 4, 9}, 3);
}

static void times_name_the_frame_shown_then(void **state) {
    (void)state;
    expect(&(frame_take){.rule = FRAMES_TIMES, .times = (double[]){0, 0.133333, 3.99, 99}, .time_count = 4}, 60, 15, (int[]){0, 2, 59, 59},
           4);
}

static void more_frames_than_there_are_give_each_once(void **state) {
    (void)state;
    expect(&(frame_take){.rule = FRAMES_LINSPACE, .count = 8}, 3, 0, (int[]){0, 1, 2}, 3);
    expect(&(frame_take){.rule = FRAMES_ARANGE, .count = 8}, 3, 0, (int[]){0, 1, 2}, 3);
    expect(&(frame_take){.rule = FRAMES_ROUND, .count = 8}, 3, 0, (int[]){0, 1, 2}, 3);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    int *index, n;
    assert_int_not_equal(frames_index(&index, &n, &(frame_take){.rule = FRAMES_LINSPACE, .count = 4}, 0, 0), LMM_OK);
    assert_int_not_equal(frames_index(&index, &n, &(frame_take){.rule = FRAMES_LINSPACE, .count = VIDEO_FRAMES_MAX + 1}, 60, 0), LMM_OK);
    assert_int_not_equal(frames_index(&index, &n, &(frame_take){.rule = FRAMES_STRIDE, .fps = 1}, 60, 0), LMM_OK);
    assert_int_not_equal(frames_index(&index, &n, &(frame_take){.rule = FRAMES_STRIDE, .fps = 0}, 60, 25), LMM_OK);
    assert_int_not_equal(frames_index(&index, &n, &(frame_take){.rule = FRAMES_STRIDE, .fps = 1e6}, 1 << 20, 1e6), LMM_OK);
}

static void write_frame(const char *dir, const char *name, int width, unsigned char grey) {
    image im;
    assert_int_equal(image_new(&im, width, 6, 3), LMM_OK);
    memset(im.data, grey, (size_t)width * 18);
    char *path = path_join(dir, name);
    assert_int_equal(image_save_png(&im, path), LMM_OK);
    free(path);
    image_free(&im);
}

static void a_folder_is_read_in_the_order_of_its_names(void **state) {
    (void)state;
    char dir[] = "/tmp/lmm-test-video-XXXXXX";
    assert_non_null(mkdtemp(dir));
    write_frame(dir, "c.png", 8, 30);
    write_frame(dir, "a.png", 8, 10);
    write_frame(dir, "b.png", 8, 20);
    char *note = path_join(dir, "a.txt");
    assert_int_equal(file_write(note, "x", 1), LMM_OK);
    video_frames v = {0};
    assert_int_equal(video_load_folder(&v, dir, &(frame_take){.rule = FRAMES_LINSPACE, .count = 2}, 10), LMM_OK);
    assert_int_equal(v.count, 2);
    assert_int_equal(video_frame(&v, 0).data[0], 10);
    assert_int_equal(video_frame(&v, 1).data[0], 30);
    assert_true(v.times[1] == 0.2);
    image sheet;
    assert_int_equal(video_contact_sheet(&sheet, &v), LMM_OK);
    assert_true(sheet.width > 16 && sheet.height > 6);
    image_free(&sheet);
    video_free(&v);
    write_frame(dir, "d.png", 9, 40); /* another size */
    assert_int_not_equal(video_load_folder(&v, dir, &(frame_take){.rule = FRAMES_LINSPACE}, 10), LMM_OK);
    assert_non_null(strstr(lmm_message(), "one size"));
    free(note);
    dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_uniform_rules_differ_as_the_references_do),
        cmocka_unit_test(arange_never_reaches_behind_the_last_frame),
        cmocka_unit_test(a_stride_is_rounded_and_never_below_one),
        cmocka_unit_test(times_name_the_frame_shown_then),
        cmocka_unit_test(more_frames_than_there_are_give_each_once),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_folder_is_read_in_the_order_of_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
