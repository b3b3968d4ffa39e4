/* test_exif.c - the orientation is found in either byte order, and damaged blocks say nothing. */
#include "golden_util.h"
#include "media/media_int.h"

/* A directory of one or two entries at offset 8. */
static const unsigned char little[] = {'I', 'I', '*', 0, 8, 0,    0, 0, 2, 0, 0, 1, 3, 0, 1, 0, 0,
                                       0,   9,   9,   0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
static const unsigned char big[] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
static const unsigned char as_long[] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 4, 0, 0, 0, 1, 0, 0, 0, 5};

static void both_byte_orders_are_read(void **state) {
    (void)state;
    assert_int_equal(exif_orientation(little, sizeof little), 6);
    assert_int_equal(exif_orientation(big, sizeof big), 8);
    assert_int_equal(exif_orientation(as_long, sizeof as_long), 5);
}

static void the_prefix_may_be_there_twice(void **state) {
    (void)state;
    unsigned char b[12 + sizeof big];
    memcpy(b, "Exif\0\0Exif\0\0", 12);
    memcpy(b + 12, big, sizeof big);
    assert_int_equal(exif_orientation(b + 6, sizeof b - 6), 8);
    assert_int_equal(exif_orientation(b, sizeof b), 8);
}

static void cut_and_damaged_blocks_say_nothing(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof little; n++) {
        unsigned char *cut = malloc(n + 1); /* of that size, for the address sanitizer */
        memcpy(cut, little, n);
        unsigned char *exact = realloc(cut, n ? n : 1);
        assert_int_equal(exif_orientation(exact, n), -1);
        free(exact);
    }
    unsigned char far_away[sizeof big];
    memcpy(far_away, big, sizeof big);
    memset(far_away + 4, 0xff, 4);
    assert_int_equal(exif_orientation(far_away, sizeof far_away), -1);
    memcpy(far_away, big, sizeof big);
    far_away[17] = 2; /* a pair is no orientation */
    assert_int_equal(exif_orientation(far_away, sizeof far_away), 0);
}

static int in_xmp(const char *s) { return xmp_orientation((const unsigned char *)s, strlen(s)); }

static void xmp_gives_it_as_attribute_or_element(void **state) {
    (void)state;
    assert_int_equal(in_xmp("<a tiff:Orientation=\"3\"/>"), 3);
    assert_int_equal(in_xmp("<tiff:Orientation>7</tiff:Orientation>"), 7);
    assert_int_equal(in_xmp("tiff:Orientation='6' t tiff:Orientation=\"2\""), 2);
    assert_int_equal(in_xmp("<tiff:Orientation>"), 0);
    assert_int_equal(in_xmp("tiff:Orientation=\""), 0);
    assert_int_equal(in_xmp("tiff:Orientation"), 0);
    assert_int_equal(in_xmp("ttttt"), 0);
    assert_int_equal(in_xmp(""), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_byte_orders_are_read),
        cmocka_unit_test(the_prefix_may_be_there_twice),
        cmocka_unit_test(cut_and_damaged_blocks_say_nothing),
        cmocka_unit_test(xmp_gives_it_as_attribute_or_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
