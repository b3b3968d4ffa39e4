/* test_image_ops.c - crops, pads and turns put every pixel where it belongs. */
#include "golden_util.h"

static const unsigned char *at(const image *im, int x, int y) {
    return im->data + ((size_t)y * (size_t)im->width + (size_t)x) * (size_t)im->channels;
}

/* Pillow's seven transpositions, as where the upright pixel comes from. */
static void every_orientation_turns_as_exif_says(void **state) {
    (void)state;
    enum { W = 5, H = 3 };
    image in = test_picture(W, H, 3);
    for (int o = 1; o <= 8; o++) {
        image out = {0};
        assert_int_equal(image_transpose(&out, &in, o), LMM_OK);
        assert_int_equal(out.width, o >= 5 ? H : W);
        assert_int_equal(out.height, o >= 5 ? W : H);
        for (int y = 0; y < out.height; y++)
            for (int x = 0; x < out.width; x++) {
                const int from[9][2] = {{0, 0}, {x, y},         {W - 1 - x, y},         {W - 1 - x, H - 1 - y}, {x, H - 1 - y},
                                        {y, x}, {y, H - 1 - x}, {W - 1 - y, H - 1 - x}, {W - 1 - y, x}};
                assert_memory_equal(at(&out, x, y), at(&in, from[o][0], from[o][1]), 3);
            }
        image_free(&out);
    }
    image_free(&in);
}

static void a_crop_is_black_outside(void **state) {
    (void)state;
    static const int windows[][4] = {{1, 1, 3, 2}, {-2, -1, 9, 6}, {4, 2, 4, 4}, {-9, 0, 5, 3}, {100, 100, 2, 2}, {0, -50, 5, 3}};
    static const unsigned char black[3] = {0};
    image in = test_picture(5, 3, 3);
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        const int *w = windows[i];
        image out = {0};
        assert_int_equal(image_crop(&out, &in, w[0], w[1], w[2], w[3]), LMM_OK);
        for (int y = 0; y < w[3]; y++)
            for (int x = 0; x < w[2]; x++) {
                int sx = x + w[0], sy = y + w[1];
                bool inside = sx >= 0 && sx < 5 && sy >= 0 && sy < 3;
                assert_memory_equal(at(&out, x, y), inside ? at(&in, sx, sy) : black, 3);
            }
        image_free(&out);
    }
    image out = {.width = -7};
    assert_int_equal(image_crop(&out, &in, 0, 0, 0, 3), LMM_E_ARG);
    assert_int_equal(out.width, -7);
    image_free(&in);
}

static void the_odd_pixel_of_a_square_is_right_and_below(void **state) {
    (void)state;
    static const unsigned char rgb[3] = {1, 2, 3};
    static const int sizes[][4] = {{4, 7, 1, 0}, {7, 4, 0, 1}, {5, 5, 0, 0}, {1, 6, 2, 0}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        const int *s = sizes[i];
        image in = test_picture(s[0], s[1], 3), out = {0};
        assert_int_equal(image_pad_square(&out, &in, rgb), LMM_OK);
        assert_int_equal(out.width, max_int(s[0], s[1]));
        assert_int_equal(out.height, out.width);
        for (int y = 0; y < out.height; y++)
            for (int x = 0; x < out.width; x++) {
                int sx = x - s[2], sy = y - s[3];
                bool inside = sx >= 0 && sx < s[0] && sy >= 0 && sy < s[1];
                assert_memory_equal(at(&out, x, y), inside ? at(&in, sx, sy) : rgb, 3);
            }
        image_free(&out);
        image_free(&in);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_orientation_turns_as_exif_says),
        cmocka_unit_test(a_crop_is_black_outside),
        cmocka_unit_test(the_odd_pixel_of_a_square_is_right_and_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
