/* test_schedule.c - learning rates against transformers' schedulers (values computed by hand from their formulas). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/train.h"

static void near(double have, double want) { assert_true(fabs(have - want) < 1e-12); }

static void warm_up_rises_from_zero(void **state) {
    (void)state;
    near(schedule_at(&(schedule){.kind = "cosine", .lr = 1.0, .total = 100, .warmup = 10, .floor = 0}, 0), 0.0);
    near(schedule_at(&(schedule){.kind = "cosine", .lr = 1.0, .total = 100, .warmup = 10, .floor = 0}, 5), 0.5);
    near(schedule_at(&(schedule){.kind = "linear", .lr = 1.0, .total = 100, .warmup = 10, .floor = 0}, 9), 0.9);
}

static void shapes_end_where_they_should(void **state) {
    (void)state;
    near(schedule_at(&(schedule){.kind = "cosine", .lr = 2.0, .total = 100, .warmup = 10, .floor = 0}, 10), 2.0);
    near(schedule_at(&(schedule){.kind = "cosine", .lr = 2.0, .total = 100, .warmup = 10, .floor = 0}, 55), 1.0);
    near(schedule_at(&(schedule){.kind = "linear", .lr = 2.0, .total = 100, .warmup = 10, .floor = 0}, 55), 1.0);
    near(schedule_at(&(schedule){.kind = "linear", .lr = 2.0, .total = 100, .warmup = 10, .floor = 0}, 100), 0.0);
    near(schedule_at(&(schedule){.kind = "constant", .lr = 2.0, .total = 100, .warmup = 10, .floor = 0}, 99), 2.0);
    near(schedule_at(&(schedule){.kind = "cosine", .lr = 2.0, .total = 100, .warmup = 10, .floor = 0.1}, 100), 0.2);
}

static void a_run_without_warm_up_starts_at_the_top(void **state) {
    (void)state;
    near(schedule_at(&(schedule){.kind = "cosine", .lr = 1.0, .total = 10, .warmup = 0, .floor = 0}, 0), 1.0);
}

static void further_shapes_fall_as_they_say(void **state) {
    (void)state;
    near(schedule_at(&(schedule){.kind = "polynomial", .lr = 1, .total = 10, .floor = 0.1, .power = 2}, 5), 0.1 + 0.9 * 0.25);
    near(schedule_at(&(schedule){.kind = "restarts", .lr = 1, .total = 10, .cycles = 2}, 5), 1);
    near(schedule_at(&(schedule){.kind = "restarts", .lr = 1, .total = 10, .cycles = 2}, 10), 0);
    near(schedule_at(&(schedule){.kind = "inverse_sqrt", .lr = 1, .total = 100, .warmup = 4}, 16), 0.5);
    const schedule s = {.kind = "stable_decay", .lr = 1, .total = 20, .warmup = 2, .floor = 0.2, .decay = 4};
    near(schedule_at(&s, 0), 0.2);
    near(schedule_at(&s, 15), 1);
    near(schedule_at(&s, 18), 0.6);
    near(schedule_at(&s, 20), 0.2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_rises_from_zero),
        cmocka_unit_test(shapes_end_where_they_should),
        cmocka_unit_test(further_shapes_fall_as_they_say),
        cmocka_unit_test(a_run_without_warm_up_starts_at_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
