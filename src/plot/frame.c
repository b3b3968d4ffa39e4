/* frame.c - what is around the data: size, title, legend, axes with round ticks. */
#include "plot/plot_int.h"

#include <math.h>
#include <string.h>

/* Okabe and Ito 2008; black comes last, as text is black already. */
static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#000000"};
const char *plot_color(int index) { return colors[index % (int)COUNT_OF(colors)]; }

void put_text(buf *out, const char *text) {
    for (; *text; text++) {
        const char *entity = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : *text == '"' ? "&quot;" : NULL;
        if (entity) buf_puts(out, entity);
        else if ((unsigned char)*text >= ' ' || *text == '\t') buf_putc(out, *text);
    }
}

static void put_label(const canvas *c, double x, double y, const char *anchor, const char *style, const char *text) {
    buf_printf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor, style);
    put_text(c->out, text);
    buf_puts(c->out, "</text>\n");
}

/* Names in rows from the left, with a swatch of their colour; the height they take. */
static int put_legend(canvas *c, const char *const *names, int count) {
    int x = c->left, y = c->top, rows = 1;
    for (int i = 0; i < count; i++) {
        int width = 26 + 7 * (int)strlen(names[i]);
        if (x + width > c->right && x > c->left) x = c->left, y += 18, rows++;
        buf_printf(c->out, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"4\" fill=\"%s\"/>\n", x, y + 4, plot_color(i));
        put_label(c, x + 16, y + 10, "start", "", names[i]);
        x += width;
    }
    return rows * 18 + 6;
}

canvas plot_begin(buf *out, const plot_frame *f, const char *const *names, int count) {
    canvas c = {.out = out, .width = f->width ? f->width : 720, .height = f->height ? f->height : 420};
    c.left = 64, c.right = c.width - 16, c.top = 12, c.bottom = c.height - (f->x_label ? 44 : 28);
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
               "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
               c.width, c.height, c.width, c.height);
    if (f->title) put_label(&c, c.left, c.top + 10, "start", " font-weight=\"bold\" font-size=\"14\"", f->title), c.top += 24;
    if (count > 1) c.top += put_legend(&c, names, count);
    if (f->x_label) put_label(&c, (c.left + c.right) / 2.0, c.height - 8, "middle", "", f->x_label);
    if (f->y_label) {
        buf_printf(out, "<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=\"middle\">", (c.top + c.bottom) / 2.0);
        put_text(out, f->y_label);
        buf_puts(out, "</text>\n");
    }
    return c;
}

void plot_end(canvas *c) { buf_puts(c->out, "</svg>\n"); }

/* ---- axes ---- */

/* 1, 2 or 5 times a power of ten, so that about `count` steps cover the span. */
static double round_step(double span, int count) {
    double raw = span / count, power = pow(10, floor(log10(raw))), rest = raw / power;
    return (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10) * power;
}

axis axis_over(double low, double high, bool log) {
    if (log) {
        axis a = {low > 0 ? low : 1e-12, high > 0 ? high : 1, true};
        if (a.high < a.low * 1.01) a.low /= 2, a.high *= 2;
        return a;
    }
    if (!(high > low)) high = low + (low == 0 ? 1 : fabs(low) * 0.1), low -= low == 0 ? 0 : fabs(low) * 0.1;
    double step = round_step(high - low, 6);
    return (axis){floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, false};
}

double axis_at(const axis *a, double value) {
    if (a->log) return (log(value) - log(a->low)) / (log(a->high) - log(a->low));
    return (value - a->low) / (a->high - a->low);
}

int axis_ticks(const axis *a, double ticks[16]) {
    int n = 0;
    if (!a->log || a->high < 10 * a->low) { /* less than a decade holds one or two of 1, 2 and 5 */
        double step = round_step(a->high - a->low, 6);
        for (double k = ceil(a->low / step - 1e-9); k * step <= a->high + step * 1e-6 && n < 16; k++) ticks[n++] = k * step;
        return n;
    }
    static const double within[] = {1, 2, 5};
    const int stride = log10(a->high / a->low) > 5 ? 3 : 1; /* many decades: powers of ten alone */
    for (int e = (int)floor(log10(a->low)); e <= (int)ceil(log10(a->high)); e++)
        for (int k = 0; k < 3 && n < 16; k += stride) {
            double v = within[k] * pow(10, e);
            if (v >= a->low * 0.999 && v <= a->high * 1.001) ticks[n++] = v;
        }
    return n;
}

void put_y_axis(const canvas *c, const axis *a) {
    double ticks[16];
    int n = axis_ticks(a, ticks);
    for (int i = 0; i < n; i++) {
        char text[32];
        double y = c->bottom - axis_at(a, ticks[i]) * (c->bottom - c->top);
        snprintf(text, sizeof text, "%.5g", fabs(ticks[i]) < 1e-12 && !a->log ? 0.0 : ticks[i]);
        buf_printf(c->out, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", c->left, c->right, y, y);
        put_label(c, c->left - 6, y + 4, "end", "", text);
    }
}

void put_x_ticks(const canvas *c, const axis *a) {
    double ticks[16];
    int n = axis_ticks(a, ticks);
    buf_printf(c->out, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#444\"/>\n", c->left, c->right, c->bottom, c->bottom);
    for (int i = 0; i < n; i++) {
        char text[32];
        double x = c->left + axis_at(a, ticks[i]) * (c->right - c->left);
        snprintf(text, sizeof text, "%.6g", fabs(ticks[i]) < 1e-12 ? 0.0 : ticks[i]);
        put_label(c, x, c->bottom + 16, "middle", "", text);
    }
}
