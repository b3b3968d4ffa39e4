/* test_progress.c - what a progress line says, when it is drawn, and that short work shows nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_int.h"

static void assert_line(const progress_view *v, const char *expected) {
    buf b = {0};
    progress_format(&b, v);
    assert_string_equal(b.data, expected);
    buf_free(&b);
}

static void a_line_has_share_count_rate_and_time_left(void **state) {
    (void)state;
    progress_view v = {.title = "train", .unit = "steps", .note = "loss 1.25", .done = 250, .total = 1000, .elapsed = 50, .rate = 5};
    assert_line(&v, "train  25% 250/1000 steps, 5.00 steps/s, 2:30 left, loss 1.25");
    v.rate = 0.05, v.note = NULL;
    assert_line(&v, "train  25% 250/1000 steps, 0.05 steps/s, 4:10:00 left");
    v.rate = 12345;
    assert_line(&v, "train  25% 250/1000 steps, 12345 steps/s, 0 s left");
    v.rate = 0, v.elapsed = 7;
    assert_line(&v, "train  25% 250/1000 steps, 7 s");
    v.done = 1000, v.rate = 20;
    assert_line(&v, "train 100% 1000/1000 steps, 20.0 steps/s, 7 s");
    v.width = 120;
    assert_line(&v, "train 100% [####################] 1000/1000 steps, 20.0 steps/s, 7 s");
}

static void an_unknown_total_shows_the_count(void **state) {
    (void)state;
    progress_view v = {.title = "read", .unit = "rows", .done = 42, .elapsed = 65.2, .rate = 0};
    assert_line(&v, "read 42 rows, 1:05");
}

static void odd_numbers_do_no_harm(void **state) {
    (void)state;
    progress_view v = {.title = "x", .unit = "u", .done = 12, .total = 10, .elapsed = -1};
    assert_line(&v, "x 100% 12/10 u, 0 s");
    v.done = -3;
    assert_line(&v, "x   0% -3/10 u, 0 s");
    v = (progress_view){.title = "x", .unit = "u", .done = 0, .total = INT64_MAX, .rate = 1e-300};
    assert_line(&v, "x   0% 0/9223372036854775807 u, 0.00 u/s, 277777:46:40 left");
}

static void a_line_fits_the_terminal_and_stays_one(void **state) {
    (void)state;
    progress_view v = {.title = "t\xC3\xA9st", .unit = "u", .note = "a\nb\x1b[2J\xFF", .done = 1, .width = 60};
    buf b = {0};
    progress_format(&b, &v);
    assert_string_equal(b.data, "t\xC3\xA9st 1 u, 0 s, a b [2J\xEF\xBF\xBD");
    buf_reset(&b);
    v.width = 10;
    progress_format(&b, &v);
    assert_string_equal(b.data, "t\xC3\xA9st 1 u,");
    buf_free(&b);
}

static void lines_are_drawn_when_due(void **state) {
    (void)state;
    assert_false(progress_is_due(11.9, 10, -1, true)); /* nothing under two seconds */
    assert_true(progress_is_due(12.1, 10, -1, true));
    assert_false(progress_is_due(12.15, 10, 12.1, true)); /* at most ten a second */
    assert_true(progress_is_due(12.25, 10, 12.1, true));
    assert_false(progress_is_due(39, 10, -1, false)); /* elsewhere every thirty seconds */
    assert_true(progress_is_due(40.5, 10, -1, false));
    assert_false(progress_is_due(60, 10, 40.5, false));
    assert_true(progress_is_due(71, 10, 40.5, false));
}

static void short_work_shows_nothing(void **state) {
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int held = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    progress *p = progress_new("quick", 1000, "steps");
    for (int i = 0; i <= 1000; i++) progress_set(p, i, i % 2 ? "note" : NULL);
    progress_free(p);
    progress_free(NULL);
    dup2(held, STDERR_FILENO);
    close(held);
    fseek(file, 0, SEEK_END);
    assert_int_equal(ftell(file), 0);
    fclose(file);
}

static void the_clock_goes_forward(void **state) {
    (void)state;
    double a = time_now(), b = time_now();
    assert_true(a > 0 && b >= a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_share_count_rate_and_time_left),
        cmocka_unit_test(an_unknown_total_shows_the_count),
        cmocka_unit_test(odd_numbers_do_no_harm),
        cmocka_unit_test(a_line_fits_the_terminal_and_stays_one),
        cmocka_unit_test(lines_are_drawn_when_due),
        cmocka_unit_test(short_work_shows_nothing),
        cmocka_unit_test(the_clock_goes_forward),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
