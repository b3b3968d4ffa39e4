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
    near(schedule_lr("cosine", 1.0, 0, 100, 10, 0), 0.0);
    near(schedule_lr("cosine", 1.0, 5, 100, 10, 0), 0.5);
    near(schedule_lr("linear", 1.0, 9, 100, 10, 0), 0.9);
}

static void shapes_end_where_they_should(void **state) {
    (void)state;
    near(schedule_lr("cosine", 2.0, 10, 100, 10, 0), 2.0);
    near(schedule_lr("cosine", 2.0, 55, 100, 10, 0), 1.0);
    near(schedule_lr("linear", 2.0, 55, 100, 10, 0), 1.0);
    near(schedule_lr("linear", 2.0, 100, 100, 10, 0), 0.0);
    near(schedule_lr("constant", 2.0, 99, 100, 10, 0), 2.0);
    near(schedule_lr("cosine", 2.0, 100, 100, 10, 0.1), 0.2);
}

static void a_run_without_warm_up_starts_at_the_top(void **state) {
    (void)state;
    near(schedule_lr("cosine", 1.0, 0, 10, 0, 0), 1.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_rises_from_zero),
        cmocka_unit_test(shapes_end_where_they_should),
        cmocka_unit_test(a_run_without_warm_up_starts_at_the_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
