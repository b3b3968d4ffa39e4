/* test_rng.c - Philox4x32-10 against the published vectors; moments, bounds and resumption of what is made from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/base.h"

/* The known answers of Random123 1.14 (kat_vectors, philox4x32 with 10 rounds): counter, key, first two words. */
static void the_published_vectors_come_out(void **state) {
    (void)state;
    static const struct {
        rng start;
        uint32_t word0, word1;
    } known[] = {
        {{.seed = 0, .stream = 0, .counter = 0}, 0x6627e8d5, 0xe169c58d},
        {{.seed = UINT64_MAX, .stream = UINT64_MAX, .counter = UINT64_MAX}, 0x408f276d, 0x41c83b0e},
        {{.seed = 0x299f31d0a4093822, .stream = 0x0370734413198a2e, .counter = 0x85a308d3243f6a88}, 0xd16cfe09, 0x94fdcceb},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        rng r = known[i].start;
        assert_int_equal(rng_u32(&r), known[i].word0);
        assert_int_equal(r.counter, known[i].start.counter + 1);
        r = known[i].start;
        uint64_t bits = ((uint64_t)known[i].word0 << 32 | known[i].word1) >> 11;
        assert_true(rng_unit(&r) == (double)bits / 9007199254740992.0);
        r = known[i].start;
        assert_int_equal(rng_below(&r, 1u << 30), known[i].word1 & 0x3FFFFFFF);
    }
}

static void a_copy_resumes_where_it_was_taken(void **state) {
    (void)state;
    rng r = rng_make(7, 3);
    for (int i = 0; i < 10; i++) (void)rng_normal(&r);
    assert_int_equal(r.counter, 20);
    rng copy = rng_make(7, 3);
    copy.counter = 20;
    for (int i = 0; i < 10; i++) assert_true(rng_normal(&r) == rng_normal(&copy));
}

static void streams_and_seeds_differ(void **state) {
    (void)state;
    rng a = rng_make(1, 0), b = rng_make(1, 1), c = rng_make(2, 0);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t x = rng_u32(&a), y = rng_u32(&b), z = rng_u32(&c);
        same += x == y || y == z || x == z;
    }
    assert_int_equal(same, 0);
}

/* Bounds are six standard errors of the moment at hand. */
static void unit_and_normal_have_their_moments(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    rng r = rng_make(42, 0);
    double sum = 0, square = 0, low = 1, high = 0;
    for (int i = 0; i < COUNT; i++) {
        double u = rng_unit(&r);
        sum += u;
        low = fmin(low, u), high = fmax(high, u);
    }
    assert_true(low >= 0 && high < 1 && low < 1e-3 && high > 1 - 1e-3);
    assert_true(fabs(sum / COUNT - 0.5) < 6 * sqrt(1.0 / 12 / COUNT));
    double cube = 0, fourth = 0;
    sum = 0;
    for (int i = 0; i < COUNT; i++) {
        double z = rng_normal(&r);
        assert_true(isfinite(z));
        sum += z, square += z * z, cube += z * z * z, fourth += z * z * z * z;
    }
    assert_true(fabs(sum / COUNT) < 6 * sqrt(1.0 / COUNT));
    assert_true(fabs(square / COUNT - 1) < 6 * sqrt(2.0 / COUNT));
    assert_true(fabs(cube / COUNT) < 6 * sqrt(15.0 / COUNT));
    assert_true(fabs(fourth / COUNT - 3) < 6 * sqrt(96.0 / COUNT));
}

static void below_is_fair(void **state) {
    (void)state;
    enum { COUNT = 70000 };
    rng r = rng_make(5, 5);
    int seen[7] = {0};
    for (int i = 0; i < COUNT; i++) seen[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++) assert_true(abs(seen[i] - COUNT / 7) < 6 * 93); /* sqrt(70000 * 6/49) = 93 */
    assert_int_equal(rng_below(&r, 1), 0);
    int high = 0;
    for (int i = 0; i < 1000; i++) { /* a plain rest would favour the low half two to one */
        uint64_t n = 0xC000000000000000u, x = rng_below(&r, n);
        assert_true(x < n);
        high += x >= n / 2;
    }
    assert_true(abs(high - 500) < 6 * 16);
}

static void a_shuffle_is_a_permutation_and_every_one_occurs(void **state) {
    (void)state;
    rng r = rng_make(9, 0);
    int seen[24] = {0};
    for (int i = 0; i < 24000; i++) {
        int a[4] = {0, 1, 2, 3}, code = 0;
        rng_shuffle(&r, a, 4);
        assert_int_equal(1 << a[0] | 1 << a[1] | 1 << a[2] | 1 << a[3], 15);
        for (int j = 0; j < 4; j++) { /* Lehmer code */
            int smaller = 0;
            for (int k = j + 1; k < 4; k++) smaller += a[k] < a[j];
            code = code * (4 - j) + smaller;
        }
        seen[code]++;
    }
    for (int i = 0; i < 24; i++) assert_true(abs(seen[i] - 1000) < 6 * 31);
    rng_shuffle(&r, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vectors_come_out),
        cmocka_unit_test(a_copy_resumes_where_it_was_taken),
        cmocka_unit_test(streams_and_seeds_differ),
        cmocka_unit_test(unit_and_normal_have_their_moments),
        cmocka_unit_test(below_is_fair),
        cmocka_unit_test(a_shuffle_is_a_permutation_and_every_one_occurs),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
