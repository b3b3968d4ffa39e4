/* image_bmp.c - Windows and OS/2 bitmaps: 1, 4, 8, 16, 24, 32 bits, RLE4 and RLE8, bit fields.
 *
 * Rows are bottom up unless the height is negative, and padded to 4 bytes. A 32-bit bitmap without bit fields has no
 * alpha: most writers leave that byte at 0. Source: Microsoft's BITMAPINFOHEADER pages; rounding as in Pillow. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER_SIZE = 14, RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

typedef struct {
    int shift;
    uint32_t max; /* 0: the channel is not there */
} bmp_channel;

typedef struct {
    image_source *in;
    uint32_t header_size;
    int64_t width, height;
    bool top_down;
    int bits;
    uint32_t compression, color_count;
    size_t pixels;           /* offset of the pixel data */
    bmp_channel channels[4]; /* RGBA */
    unsigned char palette[256][4];
} bmp_reader;

static lmm_status read_old_header(bmp_reader *r, const unsigned char *p) {
    r->width = read_le16(p + 4);
    r->height = read_le16(p + 6);
    r->bits = (int)read_le16(p + 10);
    return LMM_OK;
}

static lmm_status read_new_header(bmp_reader *r, const unsigned char *p) {
    r->width = (int32_t)read_le32(p + 4);
    r->height = (int32_t)read_le32(p + 8);
    r->top_down = r->height < 0;
    if (r->top_down) r->height = -r->height;
    r->bits = (int)read_le16(p + 14);
    r->compression = read_le32(p + 16);
    r->color_count = read_le32(p + 32);
    return LMM_OK;
}

static lmm_status read_header(bmp_reader *r) {
    static const uint32_t sizes[] = {12, 40, 52, 56, 64, 108, 124};
    const image_source *in = r->in;
    if (in->size < FILE_HEADER_SIZE + 12) return image_truncated(in);
    r->pixels = read_le32(in->bytes + 10);
    r->header_size = read_le32(in->bytes + FILE_HEADER_SIZE);
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) known = known || sizes[i] == r->header_size;
    if (!known)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "BMP picture '%s' has a header of %" PRIu32 " bytes, which no version has", in->name,
                        r->header_size);
    if (in->size - FILE_HEADER_SIZE < r->header_size) return image_truncated(in);
    const unsigned char *p = in->bytes + FILE_HEADER_SIZE;
    lmm_status st = r->header_size == 12 ? read_old_header(r, p) : read_new_header(r, p);
    return st ? st : image_check_size(in, r->width, r->height);
}

static bmp_channel channel_of(uint32_t mask) {
    bmp_channel c = {0, 0};
    if (!mask) return c;
    while (!(mask >> c.shift & 1)) c.shift++;
    c.max = mask >> c.shift;
    return c;
}

static void set_channels(bmp_reader *r, const uint32_t masks[4]) {
    for (int i = 0; i < 4; i++) r->channels[i] = channel_of(masks[i]);
}

/* Of a 40-byte header the three masks follow it; later versions hold four. All zero means BGRA. */
static lmm_status read_masks(bmp_reader *r) {
    static const uint32_t rgb555[4] = {0x7c00, 0x3e0, 0x1f, 0}, bgr[4] = {0xff0000, 0xff00, 0xff, 0};
    if (r->compression != BITFIELDS) {
        set_channels(r, r->bits == 16 ? rgb555 : bgr);
        return LMM_OK;
    }
    size_t at = FILE_HEADER_SIZE + 40, count = r->header_size >= 56 ? 4 : 3;
    if (r->in->size < at + 4 * count) return image_truncated(r->in);
    uint32_t masks[4] = {0}, all = 0;
    for (size_t i = 0; i < count; i++) all |= masks[i] = read_le32(r->in->bytes + at + 4 * i);
    if (!all && r->bits == 32) memcpy(masks, (uint32_t[4]){0xff0000, 0xff00, 0xff, 0xff000000}, sizeof masks);
    set_channels(r, masks);
    for (int i = 0; i < 4; i++)
        if ((r->channels[i].max & (r->channels[i].max + 1)) != 0 || r->channels[i].max > 255)
            return LMM_FAIL(LMM_E_UNSUPPORTED, "BMP picture '%s' has a bit field of an unusual form (mask 0x%08" PRIx32 ")", r->in->name,
                            masks[i]);
    return LMM_OK;
}

static bool kind_is_known(const bmp_reader *r) {
    bool indexed = r->bits == 1 || r->bits == 4 || r->bits == 8;
    bool direct = r->bits == 16 || r->bits == 24 || r->bits == 32;
    switch (r->compression) {
    case RAW: return indexed || direct;
    case RLE8: return r->bits == 8 && !r->top_down;
    case RLE4: return r->bits == 4 && !r->top_down;
    case BITFIELDS: return direct && r->header_size != 64; /* in OS/2's header 3 means Huffman coding */
    default: return false;
    }
}

/* Entries are BGR in the oldest header, BGR and a spare byte since; missing ones are black. */
static lmm_status read_palette(bmp_reader *r) {
    size_t entry = r->header_size == 12 ? 3 : 4;
    size_t count = r->color_count ? r->color_count : (size_t)1 << r->bits;
    size_t at = FILE_HEADER_SIZE + r->header_size;
    if (count > 65536) return image_damaged(r->in, "its palette is too long");
    if (r->pixels == at) /* some writers forget the palette here */
        r->pixels += count * entry;
    if (r->in->size - at < count * entry) return image_truncated(r->in);
    const unsigned char *p = r->in->bytes + at;
    for (size_t i = 0; i < 256; i++, p += entry) {
        r->palette[i][3] = 255;
        if (i < count) put_rgb(r->palette[i], p[2], p[1], p[0]);
    }
    return LMM_OK;
}

static unsigned char channel_value(const bmp_channel *c, uint32_t pixel, unsigned char absent) {
    return c->max ? (unsigned char)((pixel >> c->shift & c->max) * 255 / c->max) : absent;
}

static void pixel_rgba(const bmp_reader *r, const unsigned char *row, int x, unsigned char rgba[4]) {
    if (r->bits <= 8) {
        int per_byte = 8 / r->bits;
        int shift = 8 - r->bits * (x % per_byte + 1);
        memcpy(rgba, r->palette[row[x / per_byte] >> shift & ((1 << r->bits) - 1)], 4);
        return;
    }
    const unsigned char *p = row + (size_t)x * (size_t)r->bits / 8;
    uint32_t pixel = r->bits == 16 ? read_le16(p) : r->bits == 24 ? read_le24(p) : read_le32(p);
    for (int c = 0; c < 4; c++) rgba[c] = channel_value(&r->channels[c], pixel, c == 3 ? 255 : 0);
}

static unsigned char *row_of(const bmp_reader *r, image *im, int y) {
    int row = r->top_down ? y : im->height - 1 - y;
    return im->data + (size_t)row * (size_t)im->width * 3;
}

static lmm_status read_raw(const bmp_reader *r, image *im) {
    size_t stride = ((size_t)r->width * (size_t)r->bits + 31) / 32 * 4;
    const image_source *in = r->in;
    if (r->pixels > in->size || in->size - r->pixels < stride * (size_t)r->height) return image_truncated(in);
    const unsigned char *row = in->bytes + r->pixels;
    for (int y = 0; y < im->height; y++, row += stride) {
        unsigned char *to = row_of(r, im, y);
        for (int x = 0; x < im->width; x++, to += 3) {
            unsigned char rgba[4];
            pixel_rgba(r, row, x, rgba);
            put_rgba(to, rgba, in->flags & IMAGE_ALPHA_WHITE);
        }
    }
    return LMM_OK;
}

/* Run lengths: pairs of bytes. n > 0: n pixels of the second byte (RLE4: its two halves in turn). 0 0: end of row;
 * 0 1: end of picture; 0 2 dx dy: go on; 0 n: n literal pixels, padded to even bytes. */
typedef struct {
    const bmp_reader *r;
    image *im;
    size_t at;
    int64_t x, y;
} rle_reader;

static void rle_put(rle_reader *d, int index) {
    if (d->x < d->im->width && d->y < d->im->height) memcpy(row_of(d->r, d->im, (int)d->y) + 3 * d->x, d->r->palette[index], 3);
    d->x++;
}

static int rle_pixel(const bmp_reader *r, const unsigned char *p, int i) {
    return r->bits == 8 ? p[i] : i % 2 ? p[i / 2] & 15 : p[i / 2] >> 4;
}

static bool rle_literal(rle_reader *d, int count) {
    size_t size = d->r->bits == 8 ? (size_t)count : ((size_t)count + 1) / 2;
    if (d->r->in->size - d->at < size) return false;
    for (int i = 0; i < count; i++) rle_put(d, rle_pixel(d->r, d->r->in->bytes + d->at, i));
    d->at += size + (size & 1);
    return true;
}

static lmm_status read_rle(const bmp_reader *r, image *im) {
    rle_reader d = {.r = r, .im = im, .at = r->pixels};
    size_t count = (size_t)im->width * (size_t)im->height;
    for (size_t i = 0; i < count; i++) /* what no run touches has colour 0 */
        memcpy(im->data + 3 * i, r->palette[0], 3);
    while (d.y < im->height) {
        if (d.at > r->in->size || r->in->size - d.at < 2) return image_truncated(r->in);
        const unsigned char *p = r->in->bytes + d.at;
        int n = p[0], value = p[1];
        d.at += 2;
        if (n > 0) {
            unsigned char pair[2] = {(unsigned char)value, (unsigned char)value};
            for (int i = 0; i < n; i++) rle_put(&d, rle_pixel(r, pair, r->bits == 8 ? 0 : i % 2));
        } else if (value == 0) {
            d.x = 0;
            d.y++;
        } else if (value == 1) {
            break;
        } else if (value == 2) {
            if (r->in->size - d.at < 2) return image_truncated(r->in);
            d.x += r->in->bytes[d.at];
            d.y += r->in->bytes[d.at + 1];
            d.at += 2;
        } else if (!rle_literal(&d, value)) {
            return image_truncated(r->in);
        }
    }
    return LMM_OK;
}

lmm_status bmp_decode(image *out, image_source *in) {
    bmp_reader r = {.in = in};
    lmm_status st = read_header(&r);
    if (!st && !kind_is_known(&r))
        st = LMM_FAIL(LMM_E_UNSUPPORTED, "BMP picture '%s' has %d bits a pixel and compression %" PRIu32 ", which is not supported",
                      in->name, r.bits, r.compression);
    if (!st) st = r.bits <= 8 ? read_palette(&r) : read_masks(&r);
    if (!st && r.pixels == 0) st = image_damaged(in, "it does not say where its pixels are");
    image im = {0};
    if (!st) st = image_new(&im, (int)r.width, (int)r.height, 3);
    if (!st) st = r.compression == RLE8 || r.compression == RLE4 ? read_rle(&r, &im) : read_raw(&r, &im);
    if (st) image_free(&im);
    else *out = im;
    return st;
}
