/* resize.c - Pillow's Image.resize on 8-bit pixels, bit for bit.
 *
 * Separable: two passes with 8 bits between them, the horizontal one first unless the height shrinks by more than
 * twice as many pixels as the width (new in Pillow 13: older ones differ there by a level or two); a pass that
 * changes nothing is left out. Weights are computed in double, normalised to sum 1 and rounded to 22 fractional
 * bits. When a picture shrinks the kernel widens with it (antialias). The box is single precision, as on Pillow's
 * C side. Channels are never mixed: RGB has no alpha to be premultiplied.
 * Source: the behaviour of Pillow 13.0, src/libImaging/Resample.c and Geometry.c. */
#include "media/media_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22, ROUND_HALF = 1 << (WEIGHT_BITS - 1), LANES = 16 };
static const double pi = 3.14159265358979323846;

/* ---- kernels ---- */

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

/* ---- one axis ---- */

/* What to compute along one axis: outputs [first, first + count) of `out_size`, from [low, high) of `in_size`. */
typedef struct {
    int in_size, out_size, first, count;
    float low, high;
} axis;

/* Output i is the sum of tap_count[i] inputs from tap_first[i], with weights from i * tap_max. */
typedef struct {
    int count, tap_max, out_size;
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
    if (!st) st = mem_try(&counts, (size_t)count * sizeof(int), "resize weights");
    if (!st) st = mem_try(&weights, size, "resize weights");
    if (!st) st = mem_try(&w, (size_t)t->tap_max * sizeof(double), "resize weights");
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
    t->out_size = a->out_size;
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

static void row_rgb(unsigned char *to, const unsigned char *from, const tap_table *t, int shift) {
    for (int i = 0; i < t->count; i++, to += 3) {
        const unsigned char *p = from + 3 * (size_t)(t->tap_first[i] - shift);
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

static void row_any(unsigned char *to, const unsigned char *from, const tap_table *t, int shift, int channels) {
    for (int i = 0; i < t->count; i++)
        for (int c = 0; c < channels; c++) {
            const unsigned char *p = from + (size_t)(t->tap_first[i] - shift) * (size_t)channels + c;
            const int32_t *w = t->weights + (size_t)i * (size_t)t->tap_max;
            int32_t sum = ROUND_HALF;
            for (int j = 0; j < t->tap_count[i]; j++, p += channels) sum += *p * w[j];
            *to++ = fixed_to_u8(sum);
        }
}

/* Row y of the framed picture; `scratch` holds one when it has to be put together. */
static const unsigned char *frame_row(const image_frame *f, int y, unsigned char *scratch) {
    size_t pixel = (size_t)f->im->channels, n = (size_t)f->im->width * pixel;
    bool inside = y >= f->top && y - f->top < f->im->height;
    const unsigned char *row = inside ? f->im->data + (size_t)(y - f->top) * n : NULL;
    if (f->width == f->im->width && inside) return row;
    for (int x = 0; x < f->width; x++) memcpy(scratch + (size_t)x * pixel, f->colour, pixel);
    if (inside) memcpy(scratch + (size_t)f->left * pixel, row, n);
    return scratch;
}

static lmm_status scratch_row(unsigned char **out, const image_frame *f) {
    void *memory = NULL;
    lmm_status st = mem_try(&memory, (size_t)f->width * (size_t)f->im->channels, "a row of a picture");
    if (!st) *out = memory;
    return st;
}

/* Output row y from row first_row + y of `in`, whose column 0 is column `shift` to the table. */
static lmm_status pass_horizontal(image *out, const image_frame *in, const tap_table *t, int shift, int first_row) {
    size_t out_row = (size_t)out->width * (size_t)out->channels;
    unsigned char *scratch = NULL;
    lmm_status st = scratch_row(&scratch, in);
    if (st) return st;
    for (int y = 0; y < out->height; y++) {
        const unsigned char *from = frame_row(in, first_row + y, scratch);
        unsigned char *to = out->data + (size_t)y * out_row;
        if (out->channels == 3) row_rgb(to, from, t, shift);
        else row_any(to, from, t, shift, out->channels);
    }
    free(scratch);
    return LMM_OK;
}

/* Whole rows are added up; the inner loop of fixed length is what compilers vectorise at -O2 too. */
static void add_row(int32_t *restrict sum, const unsigned char *restrict from, int32_t weight, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = i; j < i + LANES; j++) sum[j] += from[j] * weight;
    for (; i < n; i++) sum[i] += from[i] * weight;
}

static void round_row(unsigned char *restrict to, const int32_t *restrict sum, size_t n) {
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = i; j < i + LANES; j++) to[j] = fixed_to_u8(sum[j]);
    for (; i < n; i++) to[i] = fixed_to_u8(sum[i]);
}

/* Output column x from column first_column + x of `in`, whose row 0 is row `shift` to the table. */
static lmm_status pass_vertical(image *out, const image_frame *in, const tap_table *t, int shift, int first_column) {
    size_t channels = (size_t)out->channels, n = (size_t)out->width * channels;
    unsigned char *scratch = NULL;
    void *memory = NULL;
    lmm_status st = scratch_row(&scratch, in);
    if (!st) st = mem_try(&memory, n * sizeof(int32_t), "a row of a picture");
    int32_t *sum = memory;
    for (int y = 0; y < out->height && !st; y++) {
        const int32_t *w = t->weights + (size_t)y * (size_t)t->tap_max;
        for (size_t i = 0; i < n; i++) sum[i] = ROUND_HALF;
        for (int j = 0; j < t->tap_count[y]; j++) {
            const unsigned char *from = frame_row(in, t->tap_first[y] + j - shift, scratch);
            add_row(sum, from + (size_t)first_column * channels, w[j], n);
        }
        round_row(out->data + (size_t)y * n, sum, n);
    }
    free(memory);
    free(scratch);
    return st;
}

static bool axis_changes(const axis *a) { return a->out_size != a->in_size || a->low != 0 || a->high != (float)a->in_size; }

/* The inputs that the outputs of an axis look at; only those go through the first pass. */
typedef struct {
    int first, count;
} range;

static range range_of(const axis *a, const tap_table *t) {
    if (!t->count) return (range){a->first, a->count};
    int last = t->tap_first[t->count - 1] + t->tap_count[t->count - 1];
    return (range){t->tap_first[0], last - t->tap_first[0]};
}

static lmm_status both_passes(image *out, const image_frame *in, const tap_table *tx, const tap_table *ty, range columns, range rows) {
    bool tall_first = in->height > ty->out_size && in->height - ty->out_size > 2 * ((int64_t)in->width - tx->out_size);
    image half = {0};
    lmm_status st = image_new(&half, tall_first ? columns.count : out->width, tall_first ? out->height : rows.count, out->channels);
    if (st) return st;
    image_frame middle = image_unframed(&half);
    if (tall_first) {
        st = pass_vertical(&half, in, ty, 0, columns.first);
        if (!st) st = pass_horizontal(out, &middle, tx, columns.first, 0);
    } else {
        st = pass_horizontal(&half, in, tx, 0, rows.first);
        if (!st) st = pass_vertical(out, &middle, ty, rows.first, 0);
    }
    image_free(&half);
    return st;
}

static lmm_status resample(image *out, const image_frame *in, const axis *across, const axis *down, const kernel *k) {
    tap_table tx = {0}, ty = {0};
    image im = {0};
    bool wide = axis_changes(across), tall = axis_changes(down);
    lmm_status st = wide ? taps_make(&tx, across, k) : LMM_OK;
    if (!st && tall) st = taps_make(&ty, down, k);
    if (!st) st = image_new(&im, across->count, down->count, in->im->channels);
    if (!st && wide && tall) st = both_passes(&im, in, &tx, &ty, range_of(across, &tx), range_of(down, &ty));
    else if (!st && wide) st = pass_horizontal(&im, in, &tx, 0, down->first);
    else if (!st) st = pass_vertical(&im, in, &ty, 0, across->first);
    taps_free(&tx);
    taps_free(&ty);
    if (st) image_free(&im);
    else *out = im;
    return st;
}

/* The source of each output along one axis, -1 outside. Pillow steps by repeated addition, and so do its roundings. */
static void nearest_table(int *source, const axis *a) {
    double step = (double)(a->high - a->low) / a->out_size;
    double at = a->low + step * 0.5;
    for (int i = 0; i < a->first + a->count; i++, at += step)
        if (i >= a->first) source[i - a->first] = at >= 0 && at < a->in_size ? (int)at : -1;
}

static lmm_status nearest(image *out, const image_frame *in, const axis *across, const axis *down) {
    image im = {0};
    void *memory = NULL;
    unsigned char *scratch = NULL;
    lmm_status st = image_new(&im, across->count, down->count, in->im->channels);
    if (!st) st = mem_try(&memory, ((size_t)across->count + (size_t)down->count) * sizeof(int), "resize positions");
    if (!st) st = scratch_row(&scratch, in);
    if (st) {
        free(memory);
        image_free(&im);
        return st;
    }
    int *columns = memory, *rows = columns + across->count;
    nearest_table(columns, across);
    nearest_table(rows, down);
    size_t pixel = (size_t)im.channels;
    unsigned char *to = im.data;
    for (int y = 0; y < im.height; y++) {
        const unsigned char *row = frame_row(in, max_int(rows[y], 0), scratch);
        for (int x = 0; x < im.width; x++, to += pixel)
            if (rows[y] >= 0 && columns[x] >= 0) memcpy(to, row + (size_t)columns[x] * pixel, pixel);
    }
    free(scratch);
    free(memory);
    *out = im;
    return LMM_OK;
}

static lmm_status check(const image_frame *in, int width, int height, resize_filter filter, const axis *across, const axis *down) {
    if (width < 1 || height < 1) return LMM_FAIL(LMM_E_ARG, "cannot resize a picture to %d x %d pixels", width, height);
    if ((unsigned)filter > RESIZE_HAMMING)
        return LMM_FAIL(LMM_E_ARG, "unknown resize filter %d (0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming)", (int)filter);
    bool inside = across->low >= 0 && across->low < across->high && across->high <= (float)in->width && down->low >= 0 &&
                  down->low < down->high && down->high <= (float)in->height;
    if (!inside)
        return LMM_FAIL(LMM_E_ARG, "the box (%g, %g, %g, %g) is empty or not inside the picture of %d x %d pixels", (double)across->low,
                        (double)down->low, (double)across->high, (double)down->high, in->width, in->height);
    return LMM_OK;
}

image_frame image_unframed(const image *im) { return (image_frame){.im = im, .width = im->width, .height = im->height}; }

lmm_status image_resize_part(image *out, const image_frame *in, int width, int height, resize_filter filter, const resize_box *box,
                             const image_part *part) {
    axis across = {in->width, width, part->left, part->width, 0, (float)in->width};
    axis down = {in->height, height, part->top, part->height, 0, (float)in->height};
    if (box) {
        across.low = (float)box->x0;
        across.high = (float)box->x1;
        down.low = (float)box->y0;
        down.high = (float)box->y1;
    }
    lmm_status st = check(in, width, height, filter, &across, &down);
    if (st) return st;
    LMM_ASSERT(part->left >= 0 && part->width > 0 && part->width <= width - part->left, "%d+%d of %d", part->left, part->width, width);
    LMM_ASSERT(part->top >= 0 && part->height > 0 && part->height <= height - part->top, "%d+%d of %d", part->top, part->height, height);
    bool same = !axis_changes(&across) && !axis_changes(&down);
    if (same || filter == RESIZE_NEAREST) /* of the same size, nearest is a copy */
        return nearest(out, in, &across, &down);
    return resample(out, in, &across, &down, &kernels[filter]);
}

lmm_status image_resize(image *out, const image *in, int width, int height, resize_filter filter, const resize_box *box) {
    image_frame whole = image_unframed(in);
    image_part all = {0, 0, width, height};
    return image_resize_part(out, &whole, width, height, filter, box, &all);
}
