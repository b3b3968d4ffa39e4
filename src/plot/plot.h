/* plot.h - figures as SVG text, for the command line, reports and pages: curves with bands, bars with error bars, heat maps.
 *
 * One look: a legend above, thin grid, colours that stay apart for colour-blind readers (Okabe and Ito). Text is escaped; values that are not finite are left out. */
#ifndef LMM_PLOT_H
#define LMM_PLOT_H

#include "base/base.h"

typedef struct {
    const char *title, *x_label, *y_label; /* NULL: none */
    int width, height;                     /* 0: 720 x 420 */
    bool log_y;                            /* values of 0 and less are left out */
    bool bounded;                          /* y runs from y_low to y_high instead of over the values */
    double y_low, y_high;
} plot_frame;

typedef struct {
    const char *name;
    const double *x, *y;      /* (count) */
    const double *low, *high; /* a band around the curve, or NULL */
    int count;
} plot_curve;
void plot_curves(buf *out, const plot_frame *f, const plot_curve *curves, int count);

typedef struct {
    const char *name;
    const double *value;      /* (group_count); NAN: no bar */
    const double *low, *high; /* ends of the error bars, or NULL */
} plot_series;
void plot_bars(buf *out, const plot_frame *f, const char *const *groups, int group_count, const plot_series *series, int count);

/* value: (row_count, column_count), dark is high; labels may be NULL where there are too many. */
void plot_heat(buf *out, const plot_frame *f, const char *const *rows, int row_count, const char *const *columns, int column_count,
               const double *value);

#endif
