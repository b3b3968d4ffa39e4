/* preprocess.c - one picture to a vision tower's input, as Hugging Face's slow (Pillow) image processors do it.
 *
 *   u8      pad to a square (LLaVA), resize, centre crop
 *   float   f64 product with the factor, rounded to f32; minus f32 mean; divided by f32 std
 *
 * Only what the crop keeps is computed, and the square is padded a strip at a time: a picture of 16384 x 1 pixels
 * costs no more memory than another. Both give the same bits as doing it whole. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

enum { STRIP_SIZE = 8 << 20 };
static const int64_t result_pixel_max = 40000000;

typedef struct { int width, height; } size2;

/* Python's //: towards minus infinity. */
static int floor_half(int x) { return x >= 0 ? x / 2 : -((1 - x) / 2); }

static size2 resized_size(size2 in, const preprocess_spec *s) {
    if (!s->do_resize)
        return in;
    if (s->shortest_edge <= 0)
        return (size2){s->width, s->height};
    int64_t edge = s->shortest_edge;
    if (in.width <= in.height)
        return (size2){(int)edge, (int)((double)(edge * in.height) / in.width)};
    return (size2){(int)((double)(edge * in.width) / in.height), (int)edge};
}

/* The crop's window over the resized picture; it may reach outside. */
static image_part crop_window(size2 resized, const preprocess_spec *s) {
    if (!s->do_center_crop)
        return (image_part){0, 0, resized.width, resized.height};
    return (image_part){floor_half(resized.width - s->crop_width), floor_half(resized.height - s->crop_height), s->crop_width, s->crop_height};
}

static image_part inside(const image_part *window, size2 of) {
    int x0 = max_int(window->left, 0), x1 = min_int(window->left + window->width, of.width);
    int y0 = max_int(window->top, 0), y1 = min_int(window->top + window->height, of.height);
    return (image_part){x0, y0, x1 - x0, y1 - y0};
}

/* HF's int(mean * 255): towards zero. */
static void pad_colour(unsigned char rgb[3], const preprocess_spec *s) {
    for (int c = 0; c < 3; c++) {
        double v = s->mean[c] * 255;
        rgb[c] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : (int)v);
    }
}

static void fill(image *im, const unsigned char rgb[3]) {
    size_t count = (size_t)im->width * (size_t)im->height;
    for (size_t i = 0; i < count; i++)
        memcpy(im->data + 3 * i, rgb, 3);
}

/* Rows [y, y + strip->height) of `in`, in the middle of the strip's wider rows. */
static void copy_to_strip(image *strip, const image *in, int y) {
    size_t left = (size_t)(strip->width - in->width) / 2;
    for (int i = 0; i < strip->height; i++)
        memcpy(strip->data + ((size_t)i * (size_t)strip->width + left) * 3,
               in->data + (size_t)(y + i) * (size_t)in->width * 3, (size_t)in->width * 3);
}

/* The horizontal pass of the padded square into `half` (part->width x side): above and below the picture it is the
 * padding's colour, whatever the weights, because they sum to one. */
static lmm_status padded_rows(image *half, const image *in, const unsigned char rgb[3], int width, const preprocess_spec *s, const image_part *part) {
    int side = half->height, top = (side - in->height) / 2;
    int strip_rows = max_int(1, STRIP_SIZE / (3 * side));
    lmm_status st = LMM_OK;
    fill(half, rgb);
    for (int y = 0; y < in->height && !st; y += strip_rows) {
        image strip = {0}, done = {0};
        int rows = min_int(strip_rows, in->height - y);
        image_part strip_part = {part->left, 0, part->width, rows};
        st = image_new(&strip, side, rows, 3);
        if (!st) {
            fill(&strip, rgb);
            copy_to_strip(&strip, in, y);
            st = image_resize_part(&done, &strip, width, rows, s->resample, NULL, &strip_part);
        }
        if (!st)
            memcpy(half->data + (size_t)(top + y) * (size_t)half->width * 3, done.data, (size_t)rows * (size_t)half->width * 3);
        image_free(&strip);
        image_free(&done);
    }
    return st;
}

static lmm_status pad_and_resize(image *out, const image *in, size2 resized, const preprocess_spec *s, const image_part *part) {
    unsigned char rgb[3];
    pad_colour(rgb, s);
    image half = {0};
    lmm_status st = image_new(&half, part->width, max_int(in->width, in->height), 3);
    if (!st)
        st = padded_rows(&half, in, rgb, resized.width, s, part);
    if (!st) {
        image_part rows = {0, part->top, part->width, part->height};
        st = image_resize_part(out, &half, part->width, resized.height, s->resample, NULL, &rows);
    }
    image_free(&half);
    return st;
}

static lmm_status check(const image *in, const image_part *window) {
    if (in->channels != 3)
        return LMM_FAIL(LMM_E_SHAPE, "a picture to preprocess needs 3 channels, this has %d", in->channels);
    if ((int64_t)window->width * window->height > result_pixel_max)
        return LMM_FAIL(LMM_E_LIMIT, "a picture of %d x %d pixels would become %d x %d, the limit is %.0f million pixels",
                        in->width, in->height, window->width, window->height, (double)result_pixel_max / 1e6);
    return LMM_OK;
}

lmm_status preprocess_u8(image *out, const image *in, const preprocess_spec *s) {
    size2 size = {in->width, in->height};
    bool pad = s->do_pad && size.width != size.height;
    if (pad)
        size.width = size.height = max_int(size.width, size.height);
    size2 resized = resized_size(size, s);
    image_part window = crop_window(resized, s);
    lmm_status st = check(in, &window);
    if (st)
        return st;
    image_part part = inside(&window, resized);
    image im = {0};
    st = pad ? pad_and_resize(&im, in, resized, s, &part)
             : image_resize_part(&im, in, resized.width, resized.height, s->resample, NULL, &part);
    if (!st && (part.width != window.width || part.height != window.height)) {
        image cropped = {0};
        st = image_crop(&cropped, &im, window.left - part.left, window.top - part.top, window.width, window.height);
        image_free(&im);
        im = cropped;
    }
    if (!st)
        *out = im;
    return st;
}

/* The 256 values a channel can take: the arithmetic is done once for each. */
static void channel_values(float values[256], int c, const preprocess_spec *s) {
    for (int i = 0; i < 256; i++) {
        float v = s->do_rescale ? (float)(i * s->rescale_factor) : (float)i;
        values[i] = s->do_normalize ? (v - (float)s->mean[c]) / (float)s->std[c] : v;
    }
}

lmm_status preprocess_float(float **pixels, const image *u8, const preprocess_spec *s) {
    if (u8->channels != 3)
        return LMM_FAIL(LMM_E_SHAPE, "a picture to preprocess needs 3 channels, this has %d", u8->channels);
    size_t count = (size_t)u8->width * (size_t)u8->height, size = 0;
    void *memory = NULL;
    if (!size_mul(count, 3 * sizeof(float), &size))
        return LMM_FAIL(LMM_E_MEMORY, "a picture of %d x %d pixels does not fit into memory", u8->width, u8->height);
    lmm_status st = mem_try(&memory, size, "the values of a picture");
    if (st)
        return st;
    float *to = memory;
    for (int c = 0; c < 3; c++) {
        float values[256];
        channel_values(values, c, s);
        for (size_t i = 0; i < count; i++)
            *to++ = values[u8->data[3 * i + (size_t)c]];
    }
    *pixels = memory;
    return LMM_OK;
}
