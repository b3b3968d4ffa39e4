/* curves.c - lines over a number: losses over steps, accuracies over lengths. */
#include "plot/plot_int.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    double low, high;
} span;

static void widen(span *s, double v) {
    if (!isfinite(v)) return;
    s->low = fmin(s->low, v);
    s->high = fmax(s->high, v);
}

static bool shown(const plot_frame *f, double x, double y) { return isfinite(x) && isfinite(y) && (!f->log_y || y > 0); }

static void find_spans(const plot_frame *f, const plot_curve *curves, int count, span *x, span *y) {
    *x = *y = (span){INFINITY, -INFINITY};
    for (int k = 0; k < count; k++)
        for (int i = 0; i < curves[k].count; i++) {
            if (!shown(f, curves[k].x[i], curves[k].y[i])) continue;
            widen(x, curves[k].x[i]);
            widen(y, curves[k].y[i]);
            if (curves[k].low && (!f->log_y || curves[k].low[i] > 0)) widen(y, curves[k].low[i]);
            if (curves[k].high) widen(y, curves[k].high[i]);
        }
    if (f->bounded) *y = (span){f->y_low, f->y_high};
    if (!(x->high >= x->low)) *x = (span){0, 1};
    if (!(y->high >= y->low)) *y = (span){f->log_y ? 0.1 : 0, 1};
}

typedef struct {
    const canvas *c;
    axis x, y;
} field;

static void put_point(const field *f, double x, double y) {
    double at = fmin(1.05, fmax(-0.05, axis_at(&f->y, y))); /* a little over the border shows that it goes on */
    buf_printf(f->c->out, "%.1f,%.1f ", f->c->left + axis_at(&f->x, x) * (f->c->right - f->c->left),
               f->c->bottom - at * (f->c->bottom - f->c->top));
}

static void put_band(const field *f, const plot_frame *frame, const plot_curve *k, const char *color) {
    buf_puts(f->c->out, "<polygon points=\"");
    for (int i = 0; i < k->count; i++)
        if (shown(frame, k->x[i], k->high[i])) put_point(f, k->x[i], k->high[i]);
    for (int i = k->count - 1; i >= 0; i--)
        if (shown(frame, k->x[i], k->low[i])) put_point(f, k->x[i], k->low[i]);
    buf_printf(f->c->out, "\" fill=\"%s\" fill-opacity=\"0.18\"/>\n", color);
}

static void put_curve(const field *f, const plot_frame *frame, const plot_curve *k, const char *color) {
    buf_puts(f->c->out, "<polyline points=\"");
    for (int i = 0; i < k->count; i++)
        if (shown(frame, k->x[i], k->y[i])) put_point(f, k->x[i], k->y[i]);
    buf_printf(f->c->out, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\"/>\n", color);
    for (int i = 0; i < k->count && k->count <= 24; i++) {
        if (!shown(frame, k->x[i], k->y[i])) continue;
        buf_puts(f->c->out, "<polyline points=\"");
        put_point(f, k->x[i], k->y[i]);
        put_point(f, k->x[i], k->y[i]);
        buf_printf(f->c->out, "\" stroke=\"%s\" stroke-width=\"6\" stroke-linecap=\"round\"/>\n", color);
    }
}

void plot_curves(buf *out, const plot_frame *f, const plot_curve *curves, int count) {
    const char **names = mem_new((size_t)count + 1, sizeof *names);
    for (int i = 0; i < count; i++) names[i] = curves[i].name ? curves[i].name : "";
    canvas c = plot_begin(out, f, names, count);
    span xs, ys;
    find_spans(f, curves, count, &xs, &ys);
    field all = {&c, {xs.low, xs.high > xs.low ? xs.high : xs.low + 1, false}, axis_over(ys.low, ys.high, f->log_y)};
    put_y_axis(&c, &all.y);
    put_x_ticks(&c, &all.x);
    for (int i = 0; i < count; i++)
        if (curves[i].low && curves[i].high) put_band(&all, f, &curves[i], plot_color(i));
    for (int i = 0; i < count; i++) put_curve(&all, f, &curves[i], plot_color(i));
    plot_end(&c);
    free(names);
}
