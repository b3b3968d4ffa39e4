/* plot_int.h - the parts of a figure that all kinds share. */
#ifndef LMM_PLOT_INT_H
#define LMM_PLOT_INT_H

#include "plot/plot.h"

typedef struct {
    double low, high;
    bool log;
} axis;
typedef struct {
    buf *out;
    int width, height;
    int left, right, top, bottom; /* of the field */
} canvas;

const char *plot_color(int index);
void put_text(buf *out, const char *text); /* escaped */
/* Opens the SVG with title, labels and legend; plot_end closes it. */
canvas plot_begin(buf *out, const plot_frame *f, const char *const *names, int count);
void plot_end(canvas *c);

/* An axis over [low, high], widened to round ticks. */
axis axis_over(double low, double high, bool log);
double axis_at(const axis *a, double value); /* 0..1 */
/* Up to 16 round values on the axis; their number. */
int axis_ticks(const axis *a, double ticks[16]);
void put_y_axis(const canvas *c, const axis *y);
void put_x_ticks(const canvas *c, const axis *x);

#endif
