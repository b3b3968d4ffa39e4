/* bars.c - values of named groups side by side, with error bars; and a table of values as a heat map. */
#include "plot/plot_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static axis value_axis(const plot_frame *f, const plot_series *series, int count, int groups) {
    double low = 0, high = 0;
    for (int k = 0; k < count; k++)
        for (int g = 0; g < groups; g++) {
            const double ends[3] = {series[k].value[g], series[k].low ? series[k].low[g] : 0, series[k].high ? series[k].high[g] : 0};
            for (int e = 0; e < 3; e++)
                if (isfinite(ends[e])) low = fmin(low, ends[e]), high = fmax(high, ends[e]);
        }
    return f->bounded ? (axis){f->y_low, f->y_high, false} : axis_over(low, high, false);
}

static double height_of(const canvas *c, const axis *y, double v) { return c->bottom - axis_at(y, v) * (c->bottom - c->top); }

static void put_bar(const canvas *c, const axis *y, const plot_series *s, int group, double x, double width, const char *color) {
    double v = s->value[group];
    if (!isfinite(v)) return;
    double from = height_of(c, y, fmax(0, y->low)), to = height_of(c, y, v), middle = x + width / 2;
    buf_printf(c->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"><title>%.6g</title></rect>\n", x,
               fmin(from, to), width, fabs(from - to), color, v);
    if (!s->low || !s->high || !isfinite(s->low[group]) || !isfinite(s->high[group])) return;
    buf_printf(c->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#222\"/>\n", middle, middle,
               height_of(c, y, s->low[group]), height_of(c, y, s->high[group]));
}

void plot_bars(buf *out, const plot_frame *f, const char *const *groups, int group_count, const plot_series *series, int count) {
    const char **names = mem_new((size_t)count + 1, sizeof *names);
    for (int i = 0; i < count; i++) names[i] = series[i].name ? series[i].name : "";
    canvas c = plot_begin(out, f, names, count);
    axis y = value_axis(f, series, count, group_count);
    put_y_axis(&c, &y);
    double slot = (double)(c.right - c.left) / (group_count ? group_count : 1), width = 0.8 * slot / (count ? count : 1);
    for (int g = 0; g < group_count; g++) {
        double x = c.left + slot * g + 0.1 * slot;
        for (int k = 0; k < count; k++) put_bar(&c, &y, &series[k], g, x + width * k, width * 0.92, plot_color(k));
        bool turned = 7 * strlen(groups[g]) > slot;
        buf_printf(out, "<text transform=\"translate(%.1f %d) rotate(%d)\" text-anchor=\"%s\">", c.left + slot * (g + 0.5),
                   c.bottom + (turned ? 10 : 16), turned ? -20 : 0, turned ? "end" : "middle");
        put_text(out, groups[g]);
        buf_puts(out, "</text>\n");
    }
    plot_end(&c);
    free(names);
}

/* From paper to deep blue. */
static void put_shade(buf *out, double share) {
    static const int pale[3] = {247, 251, 255}, deep[3] = {8, 48, 107};
    buf_puts(out, "#");
    for (int i = 0; i < 3; i++) buf_printf(out, "%02x", (unsigned)lround(pale[i] + share * (deep[i] - pale[i])));
}

void plot_heat(buf *out, const plot_frame *f, const char *const *rows, int row_count, const char *const *columns, int column_count,
               const double *value) {
    canvas c = plot_begin(out, f, NULL, 0);
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < row_count * column_count; i++)
        if (isfinite(value[i])) low = fmin(low, value[i]), high = fmax(high, value[i]);
    double width = (double)(c.right - c.left) / (column_count ? column_count : 1),
           height = (double)(c.bottom - c.top) / (row_count ? row_count : 1);
    for (int i = 0; i < row_count * column_count; i++) {
        if (!isfinite(value[i])) continue;
        buf_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"", c.left + width * (i % column_count),
                   c.top + height * (i / column_count), width - 1, height - 1);
        put_shade(out, high > low ? (value[i] - low) / (high - low) : 0.5);
        buf_printf(out, "\"><title>%.6g</title></rect>\n", value[i]);
    }
    for (int r = 0; rows && r < row_count; r++) {
        buf_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", c.left - 6, c.top + height * (r + 0.5) + 4);
        put_text(out, rows[r]);
        buf_puts(out, "</text>\n");
    }
    for (int k = 0; columns && k < column_count; k++) {
        buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", c.left + width * (k + 0.5), c.bottom + 16);
        put_text(out, columns[k]);
        buf_puts(out, "</text>\n");
    }
    plot_end(&c);
}
