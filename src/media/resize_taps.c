/* resize_taps.c - the weights of Pillow's resize along one axis.
 *
 * Computed in double, normalised to sum 1 and rounded to 22 fractional bits. When a picture shrinks the kernel widens
 * with it (antialias): a fixed 4-tap bicubic does not match. Source: Pillow 13.0, src/libImaging/Resample.c. */
#include "media/media_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static double kernel_box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

static double kernel_bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Its constants are single precision in Pillow. */
static double kernel_hamming(double x) {
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= pi;
    return sin(x) / x * (0.54f + 0.46f * cos(x));
}

static double kernel_bicubic(double x) {
    static const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0) return 1.0;
    x *= pi;
    return sin(x) / x;
}

static double kernel_lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

typedef struct {
    double (*at)(double x);
    double support;
} kernel;

/* By resize_filter; nearest has none. */
/* clang-format off */
static const kernel kernels[] = {
    [RESIZE_LANCZOS] = {kernel_lanczos, 3.0},
    [RESIZE_BILINEAR] = {kernel_bilinear, 1.0},
    [RESIZE_BICUBIC] = {kernel_bicubic, 2.0},
    [RESIZE_BOX] = {kernel_box, 0.5},
    [RESIZE_HAMMING] = {kernel_hamming, 1.0},
};
/* clang-format on */

void taps_free(tap_table *t) {
    free(t->outside);
    free(t->tap_first);
    free(t->tap_count);
    free(t->weights);
}

static void weigh(tap_table *t, int i, const kernel *k, double centre, double stretch, double *w) {
    double sum = 0.0, inverse = 1.0 / stretch;
    int first = t->tap_first[i], count = t->tap_count[i];
    for (int j = 0; j < count; j++) {
        w[j] = k->at((j + first - centre + 0.5) * inverse);
        sum += w[j];
    }
    for (int j = 0; j < count; j++) {
        double v = (sum != 0.0 ? w[j] / sum : w[j]) * (1 << RESIZE_WEIGHT_BITS);
        t->weights[(size_t)i * (size_t)t->tap_max + (size_t)j] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
    }
}

static lmm_status taps_alloc(tap_table *t, double **scratch) {
    size_t size = 0, count = (size_t)t->count;
    void *memory[5] = {0};
    if (!size_mul(count, (size_t)t->tap_max, &size) || !size_mul(size, sizeof(int32_t), &size))
        return LMM_FAIL(LMM_E_MEMORY, "the weights of a resize to %d pixels do not fit into memory", t->count);
    const size_t sizes[5] = {count * sizeof(int), count * sizeof(int), count * sizeof(int32_t), size, (size_t)t->tap_max * sizeof(double)};
    lmm_status st = LMM_OK;
    for (int i = 0; i < 5 && !st; i++) st = mem_try(&memory[i], sizes[i], "resize weights");
    t->tap_first = memory[0];
    t->tap_count = memory[1];
    t->outside = memory[2];
    t->weights = memory[3];
    *scratch = memory[4];
    return st;
}

lmm_status taps_make(tap_table *t, const resize_axis *a, resize_filter filter) {
    const kernel *k = &kernels[filter];
    double scale = (double)(a->high - a->low) / a->out_size;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = k->support * stretch;
    double *w = NULL;
    *t = (tap_table){.count = a->count, .tap_max = (int)ceil(support) * 2 + 1, .out_size = a->out_size};
    lmm_status st = taps_alloc(t, &w);
    for (int i = 0; i < a->count && !st; i++) {
        double centre = a->low + (a->first + i + 0.5) * scale;
        int first = max_int((int)(centre - support + 0.5), 0);
        int last = min_int((int)(centre + support + 0.5), a->in_size);
        t->tap_first[i] = first;
        t->tap_count[i] = last - first;
        weigh(t, i, k, centre, stretch, w);
    }
    free(w);
    return st;
}

void taps_clip(tap_table *t, int first, int last) {
    for (int i = 0; i < t->count; i++) {
        int32_t *w = t->weights + (size_t)i * (size_t)t->tap_max;
        int count = t->tap_count[i];
        int front = min_int(max_int(first - t->tap_first[i], 0), count);
        int back = min_int(max_int(t->tap_first[i] + count - last, 0), count - front);
        for (int j = 0; j < front; j++) t->outside[i] += w[j];
        for (int j = count - back; j < count; j++) t->outside[i] += w[j];
        if (front) memmove(w, w + front, (size_t)(count - front - back) * sizeof *w);
        t->tap_first[i] = min_int(max_int(t->tap_first[i], first), last);
        t->tap_count[i] = count - front - back;
    }
}
