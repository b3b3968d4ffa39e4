/* test_plot.c - figures are whole SVG documents whatever the values are, and points are where they belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot/plot_int.h"

/* Every element that opens is closed, by its own name or in itself. */
static bool well_formed(const char *svg) {
    const char *open[64];
    int depth = 0;
    for (const char *p = strchr(svg, '<'); p; p = strchr(p + 1, '<')) {
        const char *end = strchr(p, '>');
        if (!end || depth == 63) return false;
        if (p[1] == '/') {
            if (!depth || strncmp(p + 2, open[--depth] + 1, strcspn(p + 2, ">"))) return false;
        } else if (end[-1] != '/') open[depth++] = p;
    }
    return depth == 0;
}

static void axes_get_round_ticks(void **state) {
    (void)state;
    double ticks[16];
    axis a = axis_over(0.013, 0.97, false);
    assert_int_equal(axis_ticks(&a, ticks), 6);
    assert_true(fabs(ticks[0]) < 1e-12 && fabs(ticks[5] - 1.0) < 1e-9);
    axis l = axis_over(0.001, 10, true);
    int n = axis_ticks(&l, ticks);
    assert_true(n >= 5 && n <= 16);
    assert_true(fabs(axis_at(&l, 0.1) - 0.5) < 1e-9); /* the middle of four decades */
    const axis narrow = axis_over(0.21, 0.56, true);  /* 0.5 alone would say nothing */
    n = axis_ticks(&narrow, ticks);
    assert_true(n >= 3 && ticks[0] >= 0.21 && ticks[n - 1] <= 0.56);
}

static void curves_survive_any_value(void **state) {
    (void)state;
    const double x[] = {0, 1, 2, 3}, y[] = {NAN, -1, 1e300, INFINITY}, same[] = {5, 5, 5, 5};
    for (int log = 0; log < 2; log++)
        for (int count = 0; count <= 4; count++) {
            buf svg = {0};
            plot_curve curves[] = {{"a <&> \"b\"", x, y, same, y, count},
                                   {"flat", x, same, NULL, NULL, count},
                                   {"none", x, y, NULL, NULL, 0}};
            plot_curves(&svg, &(plot_frame){.title = "<t>", .x_label = "x", .y_label = "y", .log_y = log}, curves, 3);
            assert_true(well_formed(svg.data));
            assert_null(strstr(svg.data, "nan"));
            assert_null(strstr(svg.data, "inf"));
            buf_free(&svg);
        }
}

static void points_lie_between_the_axes(void **state) {
    (void)state;
    const double x[] = {0, 10}, y[] = {0, 1};
    buf svg = {0};
    plot_curves(&svg, &(plot_frame){.width = 200, .height = 100}, &(plot_curve){.name = "line", .x = x, .y = y, .count = 2}, 1);
    assert_non_null(strstr(svg.data, "<polyline points=\"64.0,72.0 184.0,12.0 \"")); /* left bottom to right top of the field */
    buf_free(&svg);
}

static void bars_and_heat_maps_are_whole(void **state) {
    (void)state;
    const char *const groups[] = {"one", "a group with a long name", "three"};
    const double a[] = {0.5, NAN, -0.2}, low[] = {0.4, 0, -0.3}, high[] = {0.6, 0, 0}, heat[] = {1, 2, NAN, 4, 5, 6};
    buf svg = {0};
    plot_bars(&svg, &(plot_frame){.title = "bars"}, groups, 3, (const plot_series[]){{"a", a, low, high}, {"b", low, NULL, NULL}}, 2);
    assert_true(well_formed(svg.data));
    buf_reset(&svg);
    plot_bars(&svg, &(plot_frame){0}, groups, 0, NULL, 0);
    assert_true(well_formed(svg.data));
    buf_reset(&svg);
    plot_heat(&svg, &(plot_frame){.title = "heat"}, groups, 3, NULL, 2, heat);
    assert_true(well_formed(svg.data));
    int cells = 0;
    for (const char *p = svg.data; (p = strstr(p, "<rect x=")); p++) cells++;
    assert_int_equal(cells, 5);
    buf_free(&svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_get_round_ticks),
        cmocka_unit_test(curves_survive_any_value),
        cmocka_unit_test(points_lie_between_the_axes),
        cmocka_unit_test(bars_and_heat_maps_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
