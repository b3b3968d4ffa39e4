/* preprocess.c - one picture to a vision tower's input, as Hugging Face's slow (Pillow) image processors do it.
 *
 *   u8      pad to a square (LLaVA), resize, centre crop
 *   float   f64 product with the factor, rounded to f32; minus f32 mean; divided by f32 std
 *
 * Only what the crop keeps is computed, and the padded square exists a row at a time: a picture of 16384 x 1 pixels
 * costs no more memory than another. The bits are those of doing it whole. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

/* Of the result, and of a side before the crop (a number only: what the crop drops is not computed). */
static const int64_t result_pixel_max = 40000000;
static const int side_max = 1 << 30;

typedef struct {
    int width, height;
} size2;

/* Python's //: towards minus infinity. */
static int floor_half(int x) { return x >= 0 ? x / 2 : -((1 - x) / 2); }

/* HF's get_resize_output_image_size: the long edge is rounded towards zero. */
static lmm_status resized_size(size2 *out, size2 in, const preprocess_spec *s) {
    *out = in;
    if (s->pixels_max) return preprocess_smart_size(s, in.width, in.height, &out->width, &out->height);
    if (!s->do_resize) return LMM_OK;
    *out = (size2){s->width, s->height};
    if (s->shortest_edge <= 0) return LMM_OK;
    bool tall = in.width <= in.height;
    int shorter = tall ? in.width : in.height, longer = tall ? in.height : in.width;
    double length = (double)((int64_t)s->shortest_edge * longer) / shorter;
    if (length > side_max)
        return LMM_FAIL(LMM_E_LIMIT, "a picture of %d x %d pixels would become %.0f pixels long, the limit is %d", in.width, in.height,
                        length, side_max);
    *out = tall ? (size2){s->shortest_edge, (int)length} : (size2){(int)length, s->shortest_edge};
    return LMM_OK;
}

/* The crop's window over the resized picture; it may reach outside. */
static image_part crop_window(size2 resized, const preprocess_spec *s) {
    if (!s->do_center_crop) return (image_part){0, 0, resized.width, resized.height};
    return (image_part){floor_half(resized.width - s->crop_width), floor_half(resized.height - s->crop_height), s->crop_width,
                        s->crop_height};
}

static image_part inside(const image_part *window, size2 of) {
    int x0 = max_int(window->left, 0), x1 = min_int(window->left + window->width, of.width);
    int y0 = max_int(window->top, 0), y1 = min_int(window->top + window->height, of.height);
    return (image_part){x0, y0, x1 - x0, y1 - y0};
}

/* The square around the picture, of HF's colour int(mean * 255), towards zero; an odd pixel goes right or below. */
static image_frame square_frame(const image *in, const preprocess_spec *s) {
    int side = max_int(in->width, in->height);
    image_frame f = {.im = in, .width = side, .height = side, .left = (side - in->width) / 2, .top = (side - in->height) / 2};
    for (int c = 0; c < 3; c++) {
        double v = s->mean[c] * 255;
        f.colour[c] = (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : (int)v);
    }
    return f;
}

static lmm_status check(const image *in, const image_part *window) {
    if (in->channels != 3) return LMM_FAIL(LMM_E_SHAPE, "a picture to preprocess needs 3 channels, this has %d", in->channels);
    if ((int64_t)window->width * window->height > result_pixel_max)
        return LMM_FAIL(LMM_E_LIMIT, "a picture of %d x %d pixels would become %d x %d, the limit is %.0f million pixels", in->width,
                        in->height, window->width, window->height, (double)result_pixel_max / 1e6);
    return LMM_OK;
}

lmm_status preprocess_u8(image *out, const image *in, const preprocess_spec *s) {
    image_frame frame = s->do_pad ? square_frame(in, s) : image_unframed(in);
    size2 resized;
    lmm_status st = resized_size(&resized, (size2){frame.width, frame.height}, s);
    if (st) return st;
    image_part window = crop_window(resized, s);
    st = check(in, &window);
    if (st) return st;
    image_part part = inside(&window, resized);
    image im = {0};
    st = image_resize_part(&im, &frame, resized.width, resized.height, s->resample, NULL, &part);
    if (!st && (part.width != window.width || part.height != window.height)) {
        image cropped = {0};
        st = image_crop(&cropped, &im, window.left - part.left, window.top - part.top, window.width, window.height);
        image_free(&im);
        im = cropped;
    }
    if (!st) *out = im;
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
    if (u8->channels != 3) return LMM_FAIL(LMM_E_SHAPE, "a picture to preprocess needs 3 channels, this has %d", u8->channels);
    size_t count = (size_t)u8->width * (size_t)u8->height, size = 0;
    void *memory = NULL;
    if (!size_mul(count, 3 * sizeof(float), &size))
        return LMM_FAIL(LMM_E_MEMORY, "a picture of %d x %d pixels does not fit into memory", u8->width, u8->height);
    lmm_status st = mem_try(&memory, size, "the values of a picture");
    if (st) return st;
    float *to = memory;
    for (int c = 0; c < 3; c++) {
        float values[256];
        channel_values(values, c, s);
        for (size_t i = 0; i < count; i++) *to++ = values[u8->data[3 * i + (size_t)c]];
    }
    *pixels = memory;
    return LMM_OK;
}
