/* resize.c - Pillow's Image.resize on 8-bit pixels, bit for bit.
 *
 * Separable: a horizontal pass into 8 bits, then a vertical one; a pass that changes nothing is left out. Weights
 * are computed in double, normalised to sum 1 and rounded to 22 fractional bits. When a picture shrinks the kernel
 * widens with it (antialias). The box is single precision, as Pillow's C side takes it.
 * A channel is never mixed with another: RGB has no alpha to be premultiplied.
 * Source: Pillow 13's behaviour; src/libImaging/Resample.c and Geometry.c there. */
#include "media/media_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22, ROUND_HALF = 1 << (WEIGHT_BITS - 1) };
static const double pi = 3.14159265358979323846;

/* ---- kernels ---- */

static double kernel_box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

static double kernel_bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double kernel_hamming(double x) {
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x *= pi;
    return sin(x) / x * (0.54 + 0.46 * cos(x));
}

static double kernel_bicubic(double x) {
    static const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0)
        return 1.0;
    x *= pi;
    return sin(x) / x;
}

static double kernel_lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

typedef struct {
    double (*at)(double x);
    double support;
} kernel;

/* By resize_filter; nearest has none. */
static const kernel kernels[] = {
    [RESIZE_LANCZOS] = {kernel_lanczos, 3.0}, [RESIZE_BILINEAR] = {kernel_bilinear, 1.0},
    [RESIZE_BICUBIC] = {kernel_bicubic, 2.0}, [RESIZE_BOX] = {kernel_box, 0.5},
    [RESIZE_HAMMING] = {kernel_hamming, 1.0},
};

/* ---- one axis ---- */

/* What to compute along one axis: outputs [first, first + count) of `out_size`, from [low, high) of `in_size`. */
typedef struct {
    int in_size, out_size, first, count;
    float low, high;
} axis;

/* Output i is the sum of tap_count[i] inputs from tap_first[i], with weights from i * tap_max. */
typedef struct {
    int count, tap_max;
    int *tap_first, *tap_count;
    int32_t *weights;
} tap_table;

static void taps_free(tap_table *t) {
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
        double v = (sum != 0.0 ? w[j] / sum : w[j]) * (1 << WEIGHT_BITS);
        t->weights[(size_t)i * (size_t)t->tap_max + (size_t)j] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
    }
}

static lmm_status taps_alloc(tap_table *t, double **scratch, int count, double support) {
    size_t size = 0;
    void *first = NULL, *counts = NULL, *weights = NULL, *w = NULL;
    t->count = count;
    t->tap_max = (int)ceil(support) * 2 + 1;
    if (!size_mul((size_t)count, (size_t)t->tap_max, &size) || !size_mul(size, sizeof(int32_t), &size))
        return LMM_FAIL(LMM_E_MEMORY, "the weights of a resize to %d pixels do not fit into memory", count);
    lmm_status st = mem_try(&first, (size_t)count * sizeof(int), "resize weights");
    if (!st)
        st = mem_try(&counts, (size_t)count * sizeof(int), "resize weights");
    if (!st)
        st = mem_try(&weights, size, "resize weights");
    if (!st)
        st = mem_try(&w, (size_t)t->tap_max * sizeof(double), "resize weights");
    t->tap_first = first;
    t->tap_count = counts;
    t->weights = weights;
    *scratch = w;
    return st;
}

static lmm_status taps_make(tap_table *t, const axis *a, const kernel *k) {
    double scale = (double)(a->high - a->low) / a->out_size;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = k->support * stretch;
    double *w = NULL;
    lmm_status st = taps_alloc(t, &w, a->count, support);
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

/* ---- the passes ---- */

/* No overflow: the weights of one output sum to 1 and their positive part to less than 1.5, times 255 and 2^22. */
static inline unsigned char fixed_to_u8(int32_t sum) {
    int32_t v = sum >> WEIGHT_BITS;
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void row_rgb(unsigned char *to, const unsigned char *from, const tap_table *t) {
    for (int i = 0; i < t->count; i++, to += 3) {
        const unsigned char *p = from + 3 * (size_t)t->tap_first[i];
        const int32_t *w = t->weights + (size_t)i * (size_t)t->tap_max;
        int32_t r = ROUND_HALF, g = ROUND_HALF, b = ROUND_HALF;
        for (int j = 0; j < t->tap_count[i]; j++, p += 3) {
            r += p[0] * w[j];
            g += p[1] * w[j];
            b += p[2] * w[j];
        }
        put_rgb(to, fixed_to_u8(r), fixed_to_u8(g), fixed_to_u8(b));
    }
}

static void row_any(unsigned char *to, const unsigned char *from, const tap_table *t, int channels) {
    for (int i = 0; i < t->count; i++)
        for (int c = 0; c < channels; c++) {
            const unsigned char *p = from + (size_t)t->tap_first[i] * (size_t)channels + c;
            const int32_t *w = t->weights + (size_t)i * (size_t)t->tap_max;
            int32_t sum = ROUND_HALF;
            for (int j = 0; j < t->tap_count[i]; j++, p += channels)
                sum += *p * w[j];
            *to++ = fixed_to_u8(sum);
        }
}

/* Rows [first, first + out->height) of `in`. */
static void pass_horizontal(image *out, const image *in, const tap_table *t, int first) {
    size_t in_row = (size_t)in->width * (size_t)in->channels, out_row = (size_t)out->width * (size_t)in->channels;
    for (int y = 0; y < out->height; y++) {
        const unsigned char *from = in->data + (size_t)(first + y) * in_row;
        if (in->channels == 3)
            row_rgb(out->data + (size_t)y * out_row, from, t);
        else
            row_any(out->data + (size_t)y * out_row, from, t, in->channels);
    }
}

/* Row `first` of the picture is row 0 of `in`; columns from `left`. Adds whole rows, which compilers vectorise. */
static lmm_status pass_vertical(image *out, const image *in, const tap_table *t, int first, int left) {
    size_t channels = (size_t)in->channels, n = (size_t)out->width * channels, in_row = (size_t)in->width * channels;
    void *memory = NULL;
    lmm_status st = mem_try(&memory, n * sizeof(int32_t), "a row of a resized picture");
    if (st)
        return st;
    int32_t *sum = memory;
    for (int y = 0; y < out->height; y++) {
        const int32_t *w = t->weights + (size_t)y * (size_t)t->tap_max;
        const unsigned char *from = in->data + (size_t)(t->tap_first[y] - first) * in_row + (size_t)left * channels;
        unsigned char *to = out->data + (size_t)y * n;
        for (size_t i = 0; i < n; i++)
            sum[i] = ROUND_HALF;
        for (int j = 0; j < t->tap_count[y]; j++, from += in_row) {
            const int32_t weight = w[j];
            for (size_t i = 0; i < n; i++)
                sum[i] += from[i] * weight;
        }
        for (size_t i = 0; i < n; i++)
            to[i] = fixed_to_u8(sum[i]);
    }
    free(memory);
    return LMM_OK;
}

static bool axis_changes(const axis *a) { return a->out_size != a->in_size || a->low != 0 || a->high != (float)a->in_size; }

/* Both passes; only the input rows that the vertical one needs go through the horizontal one. */
static lmm_status resample(image *out, const image *in, const axis *across, const axis *down, const kernel *k) {
    tap_table tx = {0}, ty = {0};
    image half = {0}, im = {0};
    bool wide = axis_changes(across), tall = axis_changes(down);
    int row_first = down->first, row_last = down->first + down->count;
    lmm_status st = wide ? taps_make(&tx, across, k) : LMM_OK;
    if (!st && tall)
        st = taps_make(&ty, down, k);
    if (!st && tall) {
        row_first = ty.tap_first[0];
        row_last = ty.tap_first[ty.count - 1] + ty.tap_count[ty.count - 1];
    }
    if (!st && wide) {
        st = image_new(&half, across->count, row_last - row_first, in->channels);
        if (!st)
            pass_horizontal(&half, in, &tx, row_first);
    }
    if (!st && tall) {
        st = image_new(&im, across->count, down->count, in->channels);
        if (!st)
            st = pass_vertical(&im, wide ? &half : in, &ty, wide ? row_first : 0, wide ? 0 : across->first);
        image_free(&half);
    } else {
        im = half;
    }
    taps_free(&tx);
    taps_free(&ty);
    if (st)
        image_free(&im);
    else
        *out = im;
    return st;
}

/* The source of each output along one axis, -1 outside. Pillow steps by repeated addition, and so do its roundings. */
static void nearest_table(int *source, const axis *a) {
    double step = (double)(a->high - a->low) / a->out_size;
    double at = a->low + step * 0.5;
    for (int i = 0; i < a->first + a->count; i++, at += step)
        if (i >= a->first)
            source[i - a->first] = at >= 0 && at < a->in_size ? (int)at : -1;
}

static lmm_status nearest(image *out, const image *in, const axis *across, const axis *down) {
    image im = {0};
    void *memory = NULL;
    lmm_status st = image_new(&im, across->count, down->count, in->channels);
    if (!st)
        st = mem_try(&memory, ((size_t)across->count + (size_t)down->count) * sizeof(int), "resize positions");
    if (st) {
        image_free(&im);
        return st;
    }
    int *columns = memory, *rows = columns + across->count;
    nearest_table(columns, across);
    nearest_table(rows, down);
    size_t pixel = (size_t)in->channels;
    unsigned char *to = im.data;
    for (int y = 0; y < im.height; y++)
        for (int x = 0; x < im.width; x++, to += pixel)
            if (rows[y] >= 0 && columns[x] >= 0)
                memcpy(to, in->data + ((size_t)rows[y] * (size_t)in->width + (size_t)columns[x]) * pixel, pixel);
    free(memory);
    *out = im;
    return LMM_OK;
}

static lmm_status check(const image *in, int width, int height, resize_filter filter, const axis *across, const axis *down) {
    if (width < 1 || height < 1)
        return LMM_FAIL(LMM_E_ARG, "cannot resize a picture to %d x %d pixels", width, height);
    if ((unsigned)filter > RESIZE_HAMMING)
        return LMM_FAIL(LMM_E_ARG, "unknown resize filter %d (0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming)", (int)filter);
    bool inside = across->low >= 0 && across->low < across->high && across->high <= (float)in->width &&
                  down->low >= 0 && down->low < down->high && down->high <= (float)in->height;
    if (!inside)
        return LMM_FAIL(LMM_E_ARG, "the box (%g, %g, %g, %g) is empty or not inside the picture of %d x %d pixels", (double)across->low,
                        (double)down->low, (double)across->high, (double)down->high, in->width, in->height);
    return LMM_OK;
}

lmm_status image_resize_part(image *out, const image *in, int width, int height, resize_filter filter,
                             const resize_box *box, const image_part *part) {
    axis across = {in->width, width, part->left, part->width, 0, (float)in->width};
    axis down = {in->height, height, part->top, part->height, 0, (float)in->height};
    if (box) {
        across.low = (float)box->x0;
        across.high = (float)box->x1;
        down.low = (float)box->y0;
        down.high = (float)box->y1;
    }
    lmm_status st = check(in, width, height, filter, &across, &down);
    if (st)
        return st;
    LMM_ASSERT(part->left >= 0 && part->width > 0 && part->width <= width - part->left, "%d+%d of %d", part->left, part->width, width);
    LMM_ASSERT(part->top >= 0 && part->height > 0 && part->height <= height - part->top, "%d+%d of %d", part->top, part->height, height);
    if (!axis_changes(&across) && !axis_changes(&down))
        return image_crop(out, in, part->left, part->top, part->width, part->height);
    if (filter == RESIZE_NEAREST)
        return nearest(out, in, &across, &down);
    return resample(out, in, &across, &down, &kernels[filter]);
}

lmm_status image_resize(image *out, const image *in, int width, int height, resize_filter filter, const resize_box *box) {
    image_part whole = {0, 0, width, height};
    return image_resize_part(out, in, width, height, filter, box, &whole);
}
