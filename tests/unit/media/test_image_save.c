/* test_image_save.c - what is written reads back the same, and a failure leaves nothing behind. */
#include "golden_util.h"
#include "../folder.h"

#include <unistd.h>

static void a_saved_png_reads_back_the_same(void **state) {
    (void)state;
    char *path = path_join(folder, "a.png");
    static const int sizes[][3] = {{1, 1, 3}, {37, 20, 3}, {5, 9, 1}, {200, 3, 1}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        image im = test_picture(sizes[i][0], sizes[i][1], sizes[i][2]), back = {0};
        assert_int_equal(image_save_png(&im, path), LMM_OK);
        assert_int_equal(image_load(&back, path, 0, NULL), LMM_OK);
        for (size_t p = 0; p < (size_t)im.width * (size_t)im.height; p++)
            for (size_t c = 0; c < 3; c++)
                assert_int_equal(back.data[3 * p + c], im.data[p * (size_t)im.channels + c % (size_t)im.channels]);
        image_free(&back);
        image_free(&im);
    }
    free(path);
}

static void a_failed_save_leaves_nothing(void **state) {
    (void)state;
    image im = test_picture(3, 3, 3);
    char *path = path_join(folder, "no/such/folder/a.png");
    assert_int_equal(image_save_png(&im, path), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "no/such/folder"));
    assert_false(file_exists(path));
    free(path);
    image_free(&im);
}

static void a_ppm_is_its_header_and_its_pixels(void **state) {
    (void)state;
    image im = test_picture(4, 2, 3), grey = test_picture(3, 2, 1), wrong = test_picture(1, 1, 4);
    buf b = {0};
    assert_int_equal(image_save_ppm_mem(&im, &b), LMM_OK);
    assert_int_equal(b.size, 11 + 24);
    assert_memory_equal(b.data, "P6\n4 2\n255\n", 11);
    assert_memory_equal(b.data + 11, im.data, 24);
    buf_reset(&b);
    assert_int_equal(image_save_ppm_mem(&grey, &b), LMM_OK);
    assert_memory_equal(b.data, "P5\n3 2\n255\n", 11);
    assert_int_equal(image_save_ppm_mem(&wrong, &b), LMM_E_ARG);
    buf_free(&b);
    image_free(&wrong);
    image_free(&grey);
    image_free(&im);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_png_reads_back_the_same),
        cmocka_unit_test(a_failed_save_leaves_nothing),
        cmocka_unit_test(a_ppm_is_its_header_and_its_pixels),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
