/* image.c - pictures from bytes: which format it is, the limits, and the orientation at the end.
 *
 * The rule for every reader is Pillow's Image.open(...).convert("RGB"), because that is what the models were
 * trained with: its quirks (16-bit grey clipped, CMYK without colour management) are kept on purpose. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

static const image_limits default_limits = {.pixel_count_max = 40000000, .side_max = 16384, .file_size_max = (size_t)256 << 20};

typedef struct {
    size_t offset, size;
    const char *magic;
    const char *kind;
    lmm_status (*decode)(image *out, image_source *in); /* NULL: known, and not read */
} format_row;

#define MAGIC(s) sizeof(s) - 1, s
static const format_row formats[] = {
    {0, MAGIC("\x89PNG\r\n\x1a\n"), "PNG", png_decode},
    {0, MAGIC("\xff\xd8\xff"), "JPEG", jpeg_decode},
    {8, MAGIC("WEBP"), "WebP", webp_decode},
    {0, MAGIC("BM"), "BMP", bmp_decode},
    {0, MAGIC("GIF87a"), "GIF", gif_decode},
    {0, MAGIC("GIF89a"), "GIF", gif_decode},
    {0, MAGIC("II*\0"), "TIFF", NULL},
    {0, MAGIC("MM\0*"), "TIFF", NULL},
    {4, MAGIC("jP  "), "JPEG 2000", NULL},
    {0, MAGIC("\xff\x4f\xff\x51"), "JPEG 2000", NULL},
    {0, MAGIC("\xff\x0a"), "JPEG XL", NULL},
    {4, MAGIC("JXL "), "JPEG XL", NULL},
    {4, MAGIC("ftyp"), "HEIC, AVIF or MP4", NULL},
    {0, MAGIC("8BPS"), "Photoshop", NULL},
    {0, MAGIC("%PDF"), "PDF", NULL},
    {0, MAGIC("PK\3\4"), "ZIP", NULL},
    {0, MAGIC("<svg"), "SVG", NULL},
    {0, MAGIC("<?xml"), "XML or SVG", NULL},
    {0, MAGIC("\0\0\1\0"), "icon", NULL},
};

static const format_row *sniff(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        const format_row *f = &formats[i];
        if (n >= f->offset + f->size && memcmp(bytes + f->offset, f->magic, f->size) == 0) return f;
    }
    return NULL;
}

static image_limits limits_or_default(const image_limits *limits) {
    image_limits l = limits ? *limits : default_limits;
    if (l.pixel_count_max <= 0) l.pixel_count_max = default_limits.pixel_count_max;
    if (l.side_max <= 0) l.side_max = default_limits.side_max;
    if (l.file_size_max == 0) l.file_size_max = default_limits.file_size_max;
    return l;
}

lmm_status image_check_size(const image_source *in, int64_t width, int64_t height) {
    if (width < 1 || height < 1)
        return LMM_FAIL(LMM_E_FORMAT, "picture '%s' has no pixels: it says %" PRId64 " x %" PRId64, in->name, width, height);
    if (width > in->limits.side_max || height > in->limits.side_max)
        return LMM_FAIL(LMM_E_LIMIT, "picture '%s' is too large: %" PRId64 " x %" PRId64 " pixels, the limit is %d a side", in->name, width,
                        height, in->limits.side_max);
    if (width * height > in->limits.pixel_count_max)
        return LMM_FAIL(LMM_E_LIMIT,
                        "picture '%s' is too large: %" PRId64 " x %" PRId64 " pixels are %.1f million, the limit is %.1f million", in->name,
                        width, height, (double)(width * height) / 1e6, (double)in->limits.pixel_count_max / 1e6);
    return LMM_OK;
}

lmm_status image_truncated(const image_source *in) {
    return LMM_FAIL(LMM_E_FORMAT, "picture '%s' is cut short: the file ends after %zu bytes, before the picture does", in->name, in->size);
}

lmm_status image_damaged(const image_source *in, const char *what) {
    return LMM_FAIL(LMM_E_FORMAT, "picture '%s' is damaged: %s", in->name, what);
}

static lmm_status refuse(const format_row *format, const image_source *in) {
    if (in->size == 0) return LMM_FAIL(LMM_E_FORMAT, "picture '%s' is empty", in->name);
    if (format)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' is a %s file, which is not supported (PNG, JPEG, WebP, BMP and GIF are)", in->name,
                        format->kind);
    return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' is no picture: its first bytes are not those of PNG, JPEG, WebP, BMP or GIF", in->name);
}

lmm_status image_decode(image *out, const void *bytes, size_t n, int flags, const image_limits *limits, const char *name) {
    image_source in = {.bytes = bytes, .size = n, .flags = flags, .limits = limits_or_default(limits), .name = name};
    if (n > in.limits.file_size_max)
        return LMM_FAIL(LMM_E_LIMIT, "picture '%s' is too large: %zu bytes, the limit is %zu", name, n, in.limits.file_size_max);
    const format_row *format = sniff(in.bytes, n);
    if (!format || !format->decode) return refuse(format, &in);
    image im = {0};
    lmm_status st = format->decode(&im, &in);
    if (!st && (flags & IMAGE_EXIF) && in.orientation >= 2 && in.orientation <= 8) {
        image upright = {0};
        st = image_transpose(&upright, &im, in.orientation);
        image_free(&im);
        im = upright;
    }
    if (!st) *out = im;
    return st;
}

lmm_status image_load(image *out, const char *path, int flags, const image_limits *limits) {
    char *bytes = NULL;
    size_t n = 0;
    image_limits l = limits_or_default(limits);
    lmm_status st = file_read(&bytes, &n, path, l.file_size_max);
    if (!st) st = image_decode(out, bytes, n, flags, &l, path);
    free(bytes);
    return st;
}

lmm_status image_new(image *out, int width, int height, int channels) {
    LMM_ASSERT(width > 0 && height > 0 && channels > 0, "image_new: %d x %d x %d", width, height, channels);
    size_t size;
    void *data = NULL;
    if (!size_mul((size_t)width, (size_t)height, &size) || !size_mul(size, (size_t)channels, &size))
        return LMM_FAIL(LMM_E_MEMORY, "a picture of %d x %d pixels does not fit into memory", width, height);
    lmm_status st = mem_try(&data, size, "the pixels of a picture");
    if (!st) *out = (image){width, height, channels, data};
    return st;
}

void image_free(image *im) {
    free(im->data);
    *im = (image){0};
}
