/* image_webp.c - WebP through libwebp: lossy, lossless, alpha, the first frame of an animation.
 *
 * The container is walked by hand, which is short and spares a second library: chunks are name, size, data padded
 * to even. The canvas around a frame smaller than it is transparent black, as in libwebp's own animation reader. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

typedef struct {
    const unsigned char *data; /* the frame's own chunks, or the whole file */
    size_t size;
    int left, top, width, height; /* on the canvas */
} webp_frame;

/* The first chunk of that name at or after `from`, NULL when none; its data is cut where the file ends. */
static const unsigned char *find_chunk(const image_source *in, const char *name, size_t *size) {
    for (size_t at = 12; in->size - at >= 8;) {
        size_t want = read_le32(in->bytes + at + 4), have = in->size - at - 8;
        if (memcmp(in->bytes + at, name, 4) == 0) {
            *size = want < have ? want : have;
            return in->bytes + at + 8;
        }
        if (want > have || want + (want & 1) > have) return NULL;
        at += 8 + want + (want & 1);
    }
    return NULL;
}

static int find_orientation(const image_source *in) {
    size_t n = 0;
    const unsigned char *p = find_chunk(in, "EXIF", &n);
    int found = p ? exif_orientation(p, n) : -1;
    if (found >= 0) return found;
    p = find_chunk(in, "XMP ", &n);
    return p ? xmp_orientation(p, n) : 0;
}

static lmm_status decoder_status(const image_source *in, VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_OK: return LMM_OK;
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return image_truncated(in);
    case VP8_STATUS_OUT_OF_MEMORY: return LMM_FAIL(LMM_E_MEMORY, "not enough memory to decode picture '%s'", in->name);
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return LMM_FAIL(LMM_E_UNSUPPORTED, "picture '%s' uses a WebP feature that libwebp does not know", in->name);
    default: return image_damaged(in, "its WebP data cannot be decoded");
    }
}

/* ANMF: x/2, y/2, width-1, height-1 (24 bits each), duration, flags, then the frame's chunks. */
static lmm_status first_frame(webp_frame *f, const image_source *in, int canvas_width, int canvas_height) {
    size_t n = 0;
    const unsigned char *p = find_chunk(in, "ANMF", &n);
    if (!p || n < 16) return image_truncated(in);
    *f = (webp_frame){.data = p + 16,
                      .size = n - 16,
                      .left = 2 * (int)read_le24(p),
                      .top = 2 * (int)read_le24(p + 3),
                      .width = (int)read_le24(p + 6) + 1,
                      .height = (int)read_le24(p + 9) + 1};
    if (f->left + f->width > canvas_width || f->top + f->height > canvas_height)
        return image_damaged(in, "its first frame reaches beyond the canvas");
    WebPBitstreamFeatures features;
    lmm_status st = decoder_status(in, WebPGetFeatures(f->data, f->size, &features));
    if (!st && (features.width != f->width || features.height != f->height))
        st = image_damaged(in, "its first frame is not of the size it says");
    return st;
}

static VP8StatusCode decode_into(const webp_frame *f, WEBP_CSP_MODE mode, unsigned char *to, size_t stride, size_t size) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return VP8_STATUS_INVALID_PARAM;
    config.output.colorspace = mode;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){.rgba = to, .stride = (int)stride, .size = size};
    VP8StatusCode code = WebPDecode(f->data, f->size, &config);
    WebPFreeDecBuffer(&config.output);
    return code;
}

/* Needs the alpha of every pixel: decoded aside, then laid over white. */
static lmm_status decode_over_white(image *im, const webp_frame *f, const image_source *in) {
    image rgba = {0};
    lmm_status st = image_new(&rgba, f->width, f->height, 4);
    if (st) return st;
    size_t stride = 4 * (size_t)f->width;
    st = decoder_status(in, decode_into(f, MODE_RGBA, rgba.data, stride, stride * (size_t)f->height));
    memset(im->data, 255, 3 * (size_t)im->width * (size_t)im->height);
    for (int y = 0; y < f->height && !st; y++) {
        unsigned char *to = im->data + ((size_t)(f->top + y) * (size_t)im->width + (size_t)f->left) * 3;
        const unsigned char *from = rgba.data + (size_t)y * stride;
        for (int x = 0; x < f->width; x++) put_rgba(to + 3 * x, from + 4 * x, true);
    }
    image_free(&rgba);
    return st;
}

static lmm_status decode_frame(image *im, const webp_frame *f, const image_source *in, bool has_alpha) {
    if (has_alpha && (in->flags & IMAGE_ALPHA_WHITE)) return decode_over_white(im, f, in);
    size_t stride = 3 * (size_t)im->width;
    size_t offset = (size_t)f->top * stride + 3 * (size_t)f->left;
    return decoder_status(in, decode_into(f, MODE_RGB, im->data + offset, stride, stride * (size_t)im->height - offset));
}

lmm_status webp_decode(image *out, image_source *in) {
    WebPBitstreamFeatures features;
    if (memcmp(in->bytes, "RIFF", 4) != 0) return image_damaged(in, "it is no RIFF file");
    if (in->size < 20 || read_le32(in->bytes + 4) > in->size - 8) return image_truncated(in);
    lmm_status st = decoder_status(in, WebPGetFeatures(in->bytes, in->size, &features));
    if (!st) st = image_check_size(in, features.width, features.height);
    webp_frame frame = {.data = in->bytes, .size = in->size, .width = features.width, .height = features.height};
    if (!st && features.has_animation) st = first_frame(&frame, in, features.width, features.height);
    image im = {0};
    if (!st) st = image_new(&im, features.width, features.height, 3);
    if (!st) st = decode_frame(&im, &frame, in, features.has_alpha || features.has_animation);
    if (st) {
        image_free(&im);
        return st;
    }
    if (in->flags & IMAGE_EXIF) in->orientation = find_orientation(in);
    *out = im;
    return LMM_OK;
}
