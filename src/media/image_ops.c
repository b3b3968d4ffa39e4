/* image_ops.c - crop, pad, turn: moving pixels about without changing them. */
#include "media/media_int.h"

#include <string.h>

static size_t row_size(const image *im) { return (size_t)im->width * (size_t)im->channels; }

/* Copies the part of `in` that lies under the window (left, top) of `out`; the rest of `out` stays. */
static void copy_window(image *out, const image *in, int64_t left, int64_t top) {
    int64_t x0 = left < 0 ? -left : 0, x1 = min_i64(out->width, in->width - left);
    int64_t y0 = top < 0 ? -top : 0, y1 = min_i64(out->height, in->height - top);
    if (x0 >= x1) return;
    size_t pixel = (size_t)in->channels, n = (size_t)(x1 - x0) * pixel;
    for (int64_t y = y0; y < y1; y++)
        memcpy(out->data + (size_t)y * row_size(out) + (size_t)x0 * pixel,
               in->data + (size_t)(y + top) * row_size(in) + (size_t)(x0 + left) * pixel, n);
}

lmm_status image_crop(image *out, const image *in, int left, int top, int width, int height) {
    if (width < 1 || height < 1) return LMM_FAIL(LMM_E_ARG, "cannot crop a picture to %d x %d pixels", width, height);
    image im = {0};
    lmm_status st = image_new(&im, width, height, in->channels);
    if (st) return st;
    copy_window(&im, in, left, top);
    *out = im;
    return LMM_OK;
}

lmm_status image_pad_square(image *out, const image *in, const unsigned char rgb[3]) {
    int side = max_int(in->width, in->height);
    image im = {0};
    lmm_status st = image_new(&im, side, side, in->channels);
    if (st) return st;
    for (int x = 0; x < side; x++) memcpy(im.data + (size_t)x * (size_t)in->channels, rgb, (size_t)min_int(in->channels, 3));
    for (int y = 1; y < side; y++) memcpy(im.data + (size_t)y * row_size(&im), im.data, row_size(&im));
    copy_window(&im, in, -((side - in->width) / 2), -((side - in->height) / 2));
    *out = im;
    return LMM_OK;
}

/* Where EXIF's row and column lie in the file: pixel (x, y) of the upright picture is at start + x * dx + y * dy. */
typedef struct {
    int64_t start, dx, dy;
} walk;

static walk walk_of(int orientation, int64_t w, int64_t h) {
    switch (orientation) {
    case 2: return (walk){w - 1, -1, w};       /* mirrored */
    case 3: return (walk){w * h - 1, -1, -w};  /* half a turn */
    case 4: return (walk){w * (h - 1), 1, -w}; /* upside down, mirrored */
    case 5: return (walk){0, w, 1};            /* rows are columns */
    case 6: return (walk){w * (h - 1), -w, 1}; /* a quarter turn clockwise sets it right */
    case 7: return (walk){w * h - 1, -w, -1};  /* 5 and half a turn */
    case 8: return (walk){w - 1, w, -1};       /* a quarter turn counter-clockwise */
    default: return (walk){0, 1, w};
    }
}

lmm_status image_transpose(image *out, const image *in, int exif_orientation) {
    LMM_ASSERT(exif_orientation >= 1 && exif_orientation <= 8, "orientation %d", exif_orientation);
    bool turned = exif_orientation >= 5;
    image im = {0};
    lmm_status st = image_new(&im, turned ? in->height : in->width, turned ? in->width : in->height, in->channels);
    if (st) return st;
    walk w = walk_of(exif_orientation, in->width, in->height);
    size_t pixel = (size_t)in->channels;
    unsigned char *to = im.data;
    for (int y = 0; y < im.height; y++) {
        int64_t from = w.start + y * w.dy;
        for (int x = 0; x < im.width; x++, from += w.dx, to += pixel) memcpy(to, in->data + (size_t)from * pixel, pixel);
    }
    *out = im;
    return LMM_OK;
}
