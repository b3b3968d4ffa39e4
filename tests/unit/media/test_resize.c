/* test_resize.c - resizing gives Pillow's bytes, and a part of it the same bytes as the whole. */
#include "golden_util.h"
#include "media/media_int.h"

#include <math.h>

static resize_filter filter_named(const char *name) {
    static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0) return (resize_filter)i;
    fail_msg("no filter '%s'", name);
    return RESIZE_NEAREST;
}

static void check_case(const golden_set *g, const tree *c) {
    const tensor *src = golden_tensor(g, tree_str(c, "src", "")), *want = golden_tensor(g, tree_str(c, "out", ""));
    const tree *size = tree_get(c, "size_wh"), *ltrb = tree_get(c, "box_ltrb");
    assert_non_null(src);
    image in = {(int)src->ne[1], (int)src->ne[0], src->nd == 3 ? 3 : 1, src->data}, out = {0};
    resize_box box = {0};
    if (ltrb) box = (resize_box){ltrb->items[0]->real, ltrb->items[1]->real, ltrb->items[2]->real, ltrb->items[3]->real};
    resize_filter filter = filter_named(tree_str(c, "filter", ""));
    assert_int_equal(image_resize(&out, &in, (int)size->items[0]->i, (int)size->items[1]->i, filter, ltrb ? &box : NULL), LMM_OK);
    assert_same_image(&out, want, tree_str(c, "out", ""));
    image_free(&out);
}

static void check_cases(const char *dir) {
    skip_without(dir);
    golden_set g = golden_open(dir, "pil_resize");
    const tree *cases = tree_get(g.about, "cases");
    assert_true(cases && cases->count > 0);
    for (int i = 0; i < cases->count; i++) check_case(&g, cases->items[i]);
    golden_close(&g);
}

static void check_files(const char *dir) {
    skip_without(dir);
    golden_set g = golden_open(dir, "pil_resize_files");
    const tree *cases = tree_get(g.about, "cases");
    assert_true(cases && cases->count > 0);
    image in = {0};
    const char *file = "";
    for (int i = 0; i < cases->count; i++) {
        const tree *c = cases->items[i], *size = tree_get(c, "size_wh");
        if (strcmp(file, tree_str(c, "image", "")) != 0) {
            image_free(&in);
            file = tree_str(c, "image", "");
            in = golden_picture(dir, file, IMAGE_EXIF);
        }
        image out = {0};
        resize_filter filter = filter_named(tree_str(c, "filter", ""));
        assert_int_equal(image_resize(&out, &in, (int)size->items[0]->i, (int)size->items[1]->i, filter, NULL), LMM_OK);
        assert_fingerprint(out.data, image_size(&out), tree_get(c, "rgb"), file);
        image_free(&out);
    }
    image_free(&in);
    golden_close(&g);
}

static void repository_cases_are_exact(void **state) {
    (void)state;
    check_cases(REPOSITORY_GOLDEN);
}

static void repository_files_are_exact(void **state) {
    (void)state;
    check_files(REPOSITORY_GOLDEN);
}

static void shared_cases_are_exact(void **state) {
    (void)state;
    check_cases(SHARED_GOLDEN);
}

static void shared_files_are_exact(void **state) {
    (void)state;
    check_files(SHARED_GOLDEN);
}

/* From the specification; a row of pixels and a column of them are the same sum. */
static void known_rows_come_out(void **state) {
    (void)state;
    static const struct {
        int in_count, out_count;
        resize_filter filter;
        unsigned char in[8], out[8];
    } rows[] = {
        {7, 3, RESIZE_BICUBIC, {0, 10, 200, 30, 255, 60, 7}, {39, 141, 77}},
        {7, 3, RESIZE_BILINEAR, {0, 10, 200, 30, 255, 60, 7}, {47, 124, 83}},
        {3, 7, RESIZE_BICUBIC, {0, 255, 128}, {0, 25, 151, 255, 216, 142, 116}},
        {4, 6, RESIZE_BICUBIC, {5, 250, 9, 77}, {0, 134, 234, 37, 31, 81}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned char bytes[8];
        memcpy(bytes, rows[i].in, 8);
        image across = {rows[i].in_count, 1, 1, bytes}, down = {1, rows[i].in_count, 1, bytes}, out = {0};
        assert_int_equal(image_resize(&out, &across, rows[i].out_count, 1, rows[i].filter, NULL), LMM_OK);
        assert_memory_equal(out.data, rows[i].out, (size_t)rows[i].out_count);
        image_free(&out);
        assert_int_equal(image_resize(&out, &down, 1, rows[i].out_count, rows[i].filter, NULL), LMM_OK);
        assert_memory_equal(out.data, rows[i].out, (size_t)rows[i].out_count);
        image_free(&out);
    }
}

static void the_same_size_is_a_copy(void **state) {
    (void)state;
    image in = test_picture(13, 9, 3), out = {0};
    for (int f = RESIZE_NEAREST; f <= RESIZE_HAMMING; f++) {
        assert_int_equal(image_resize(&out, &in, 13, 9, (resize_filter)f, NULL), LMM_OK);
        assert_memory_equal(out.data, in.data, image_size(&in));
        image_free(&out);
    }
    image_free(&in);
}

/* Framed and whole; sizes that take either pass first, one pass alone, none; all filters. */
static void a_part_has_the_bytes_of_the_whole(void **state) {
    (void)state;
    static const int sizes[][2] = {{17, 11}, {9, 40}, {40, 9}, {60, 60}, {31, 3}, {50, 50}, {21, 50}, {50, 7}};
    image in = test_picture(31, 50, 3), square = {0};
    unsigned char colour[3] = {122, 116, 104};
    assert_int_equal(image_pad_square(&square, &in, colour), LMM_OK);
    image_frame frame = {.im = &in, .width = 50, .height = 50, .left = 9, .top = 0, .colour = {122, 116, 104}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int f = RESIZE_NEAREST; f <= RESIZE_HAMMING; f++) {
            int w = sizes[i][0], h = sizes[i][1];
            image_part part = {w / 3, h / 4, w / 2, h / 2};
            image whole = {0}, cropped = {0}, out = {0};
            assert_int_equal(image_resize(&whole, &square, w, h, (resize_filter)f, NULL), LMM_OK);
            assert_int_equal(image_crop(&cropped, &whole, part.left, part.top, part.width, part.height), LMM_OK);
            assert_int_equal(image_resize_part(&out, &frame, w, h, (resize_filter)f, NULL, &part), LMM_OK);
            assert_memory_equal(out.data, cropped.data, image_size(&cropped));
            image_free(&out);
            image_free(&cropped);
            image_free(&whole);
        }
    image_free(&square);
    image_free(&in);
}

static void channels_are_independent(void **state) {
    (void)state;
    image in = test_picture(23, 17, 4), out = {0};
    assert_int_equal(image_resize(&out, &in, 10, 31, RESIZE_LANCZOS, NULL), LMM_OK);
    for (int c = 0; c < 4; c++) {
        image one = {0}, small = {0};
        assert_int_equal(image_new(&one, 23, 17, 1), LMM_OK);
        for (int i = 0; i < 23 * 17; i++) one.data[i] = in.data[4 * i + c];
        assert_int_equal(image_resize(&small, &one, 10, 31, RESIZE_LANCZOS, NULL), LMM_OK);
        for (int i = 0; i < 10 * 31; i++) assert_int_equal(small.data[i], out.data[4 * i + c]);
        image_free(&small);
        image_free(&one);
    }
    image_free(&out);
    image_free(&in);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    image in = test_picture(10, 8, 3), out = {.width = -7};
    static const resize_box boxes[] = {{-1, 0, 5, 5}, {0, 0, 11, 5}, {0, 0, 5, 8.5}, {3, 3, 3, 5}, {5, 5, 2, 7}, {(double)NAN, 0, 5, 5}};
    for (size_t i = 0; i < COUNT_OF(boxes); i++) {
        assert_int_equal(image_resize(&out, &in, 5, 5, RESIZE_BICUBIC, &boxes[i]), LMM_E_ARG);
        assert_non_null(strstr(lmm_message(), "10 x 8"));
    }
    assert_int_equal(image_resize(&out, &in, 0, 5, RESIZE_BICUBIC, NULL), LMM_E_ARG);
    assert_int_equal(image_resize(&out, &in, 5, -1, RESIZE_BICUBIC, NULL), LMM_E_ARG);
    assert_int_equal(image_resize(&out, &in, 5, 5, (resize_filter)6, NULL), LMM_E_ARG);
    assert_int_equal(out.width, -7);
    image_free(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repository_cases_are_exact),
        cmocka_unit_test(repository_files_are_exact),
        cmocka_unit_test(shared_cases_are_exact),
        cmocka_unit_test(shared_files_are_exact),
        cmocka_unit_test(known_rows_come_out),
        cmocka_unit_test(the_same_size_is_a_copy),
        cmocka_unit_test(a_part_has_the_bytes_of_the_whole),
        cmocka_unit_test(channels_are_independent),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
