/* Marks on pictures: how much they cover, where they end, and that nothing is written outside. */
#include "golden_util.h"

static const draw_color ink = {255, 255, 255};

/* Covered area in pixels of a white mark on black. */
static double area(const image *im) {
    double sum = 0;
    for (int i = 0; i < im->width * im->height; i++) sum += im->data[3 * i] / 255.0;
    return sum;
}

static image canvas(int width, int height) {
    image im;
    assert_int_equal(image_new(&im, width, height, 3), LMM_OK);
    return im;
}

static void a_disc_covers_its_area(void **state) {
    (void)state;
    image im = canvas(64, 64);
    draw_disc(&im, 31.3, 32.6, 20, ink);
    assert_true(area(&im) > 1250 && area(&im) < 1262); /* pi * 400 = 1256.6 */
    image_free(&im);
}

static void a_polygon_aligned_to_pixels_has_hard_edges(void **state) {
    (void)state;
    image im = canvas(16, 16);
    draw_polygon(&im, (const double[]){2, 3, 10, 3, 10, 7, 2, 7}, 4, ink);
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++) assert_int_equal(im.data[3 * (y * 16 + x)], x >= 2 && x < 10 && y >= 3 && y < 7 ? 255 : 0);
    image_free(&im);
}

static void marks_over_the_border_are_clipped(void **state) {
    (void)state;
    image im = canvas(8, 8);
    draw_disc(&im, 0, 0, 4, ink);
    draw_rectangle(&im, 6, 6, 100, 100, ink);
    draw_text(&im, -3, 5, 3, "over the edge", ink);
    draw_polygon(&im, (const double[]){-50, -50, -40, -50, -40, -40}, 3, ink);
    assert_true(area(&im) > 16 && area(&im) < 64);
    image_free(&im);
}

static void text_has_the_width_it_says(void **state) {
    (void)state;
    image im = canvas(64, 20);
    assert_int_equal(draw_text_width("", 2), 0);
    assert_int_equal(draw_text_width("HI", 2), 22);
    draw_text(&im, 4, 2, 2, "HH", ink);
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 64; x++) {
            bool outside = x < 4 || x >= 4 + draw_text_width("HH", 2) || y < 2 || y >= 2 + 2 * DRAW_TEXT_HEIGHT;
            if (outside) assert_int_equal(im.data[3 * (y * 64 + x)], 0);
        }
    assert_int_equal((int)area(&im), 2 * 4 * 17); /* an H has 7 + 7 + 3 points of 4 pixels */
    draw_text(&im, 40, 2, 1, "\xc3\xa9", ink);    /* not ASCII: two question marks, no crash */
    image_free(&im);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disc_covers_its_area),
        cmocka_unit_test(a_polygon_aligned_to_pixels_has_hard_edges),
        cmocka_unit_test(marks_over_the_border_are_clipped),
        cmocka_unit_test(text_has_the_width_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
