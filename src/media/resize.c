/* resize.c - Pillow's Image.resize on 8-bit pixels, bit for bit: the passes. Weights are in resize_taps.c.
 *
 * Separable: two passes with 8 bits between them, the horizontal one first unless the height shrinks by more than
 * twice as many pixels as the width (new in Pillow 13: older ones differ there by a level or two); a pass that
 * changes nothing is left out. The box is single precision, as on Pillow's C side. Channels are never mixed: RGB has
 * no alpha to be premultiplied.
 * Source: the behaviour of Pillow 13.0, src/libImaging/Resample.c and Geometry.c. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

enum { ROUND_HALF = 1 << (RESIZE_WEIGHT_BITS - 1), LANES = 16 };

/* No overflow: the weights of one output sum to 1 and their positive part to less than 1.5, times 255 and 2^22. */
static inline unsigned char fixed_to_u8(int32_t sum) {
    int32_t v = sum >> RESIZE_WEIGHT_BITS;
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* What the padding gives to output i; the taps themselves are inside. */
static inline int32_t start_of(const tap_table *t, int i, unsigned char colour) { return ROUND_HALF + colour * t->outside[i]; }

/* `from` is column `shift` of the table. */
static void row_rgb(unsigned char *to, const unsigned char *from, const tap_table *t, int shift, const unsigned char colour[3]) {
    for (int i = 0; i < t->count; i++, to += 3) {
        const unsigned char *p = from + 3 * (size_t)(t->tap_first[i] - shift);
        const int32_t *w = t->weights + (size_t)i * (size_t)t->tap_max;
        int32_t r = start_of(t, i, colour[0]), g = start_of(t, i, colour[1]), b = start_of(t, i, colour[2]);
        for (int j = 0; j < t->tap_count[i]; j++, p += 3) {
            r += p[0] * w[j];
            g += p[1] * w[j];
            b += p[2] * w[j];
        }
        put_rgb(to, fixed_to_u8(r), fixed_to_u8(g), fixed_to_u8(b));
    }
}

static void row_any(unsigned char *to, const unsigned char *from, const tap_table *t, int shift, const unsigned char *colour,
                    int channels) {
    for (int i = 0; i < t->count; i++)
        for (int c = 0; c < channels; c++) {
            const unsigned char *p = from + (size_t)(t->tap_first[i] - shift) * (size_t)channels + c;
            const int32_t *w = t->weights + (size_t)i * (size_t)t->tap_max;
            int32_t sum = start_of(t, i, colour[c]);
            for (int j = 0; j < t->tap_count[i]; j++, p += channels) sum += *p * w[j];
            *to++ = fixed_to_u8(sum);
        }
}

static void fill_colour(unsigned char *to, const image_frame *f, int count) {
    size_t pixel = (size_t)f->im->channels;
    for (int x = 0; x < count; x++, to += pixel) memcpy(to, f->colour, pixel);
}

/* Row y without its padding, NULL when it is all padding. */
static const unsigned char *inner_row(const image_frame *f, int y) {
    bool inside = y >= f->top && y - f->top < f->im->height;
    return inside ? f->im->data + (size_t)(y - f->top) * (size_t)f->im->width * (size_t)f->im->channels : NULL;
}

/* Row y with its padding; `scratch` holds it when it has to be put together. */
static const unsigned char *frame_row(const image_frame *f, int y, unsigned char *scratch) {
    const unsigned char *row = inner_row(f, y);
    size_t pixel = (size_t)f->im->channels;
    if (row && f->width == f->im->width) return row;
    fill_colour(scratch, f, f->width);
    if (row) memcpy(scratch + (size_t)f->left * pixel, row, (size_t)f->im->width * pixel);
    return scratch;
}

static lmm_status scratch_row(unsigned char **out, const image_frame *f) {
    void *memory = NULL;
    lmm_status st = mem_try(&memory, (size_t)f->width * (size_t)f->im->channels, "a row of a picture");
    if (!st) *out = memory;
    return st;
}

/* Output row y from row first_row + y of `in`, whose column 0 is column `shift` to the table. Of a padded row only the
 * pixels inside are visited; rows that are all padding are alike. */
static lmm_status pass_horizontal(image *out, const image_frame *in, tap_table *t, int shift, int first_row) {
    size_t out_row = (size_t)out->width * (size_t)out->channels;
    unsigned char *padding = NULL, *padding_done = NULL;
    lmm_status st = scratch_row(&padding, in);
    if (st) return st;
    fill_colour(padding, in, in->im->width);
    shift += in->left;
    taps_clip(t, shift, shift + in->im->width);
    for (int y = 0; y < out->height; y++) {
        const unsigned char *from = inner_row(in, first_row + y);
        unsigned char *to = out->data + (size_t)y * out_row;
        if (!from && padding_done) memcpy(to, padding_done, out_row);
        else if (out->channels == 3) row_rgb(to, from ? from : padding, t, shift, in->colour);
        else row_any(to, from ? from : padding, t, shift, in->colour, out->channels);
        if (!from) padding_done = to;
    }
    free(padding);
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

static bool axis_changes(const resize_axis *a) { return a->out_size != a->in_size || a->low != 0 || a->high != (float)a->in_size; }

/* The inputs that the outputs of an axis look at; only those go through the first pass. */
typedef struct {
    int first, count;
} range;

static range range_of(const resize_axis *a, const tap_table *t) {
    if (!t->count) return (range){a->first, a->count};
    int last = t->tap_first[t->count - 1] + t->tap_count[t->count - 1];
    return (range){t->tap_first[0], last - t->tap_first[0]};
}

static lmm_status both_passes(image *out, const image_frame *in, tap_table *tx, const tap_table *ty, range columns, range rows) {
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

static lmm_status resample(image *out, const image_frame *in, const resize_axis *across, const resize_axis *down, resize_filter filter) {
    tap_table tx = {0}, ty = {0};
    image im = {0};
    bool wide = axis_changes(across), tall = axis_changes(down);
    lmm_status st = wide ? taps_make(&tx, across, filter) : LMM_OK;
    if (!st && tall) st = taps_make(&ty, down, filter);
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
static void nearest_table(int *source, const resize_axis *a) {
    double step = (double)(a->high - a->low) / a->out_size;
    double at = a->low + step * 0.5;
    for (int i = 0; i < a->first + a->count; i++, at += step)
        if (i >= a->first) source[i - a->first] = at >= 0 && at < a->in_size ? (int)at : -1;
}

static lmm_status nearest(image *out, const image_frame *in, const resize_axis *across, const resize_axis *down) {
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

static lmm_status check(const image_frame *in, int width, int height, resize_filter filter, const resize_axis *across,
                        const resize_axis *down) {
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
    resize_axis across = {in->width, width, part->left, part->width, 0, (float)in->width};
    resize_axis down = {in->height, height, part->top, part->height, 0, (float)in->height};
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
    return resample(out, in, &across, &down, filter);
}

lmm_status image_resize(image *out, const image *in, int width, int height, resize_filter filter, const resize_box *box) {
    image_frame whole = image_unframed(in);
    image_part all = {0, 0, width, height};
    return image_resize_part(out, &whole, width, height, filter, box, &all);
}
