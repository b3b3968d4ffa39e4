/* media_int.h - what the picture readers share. */
#ifndef LMM_MEDIA_INT_H
#define LMM_MEDIA_INT_H

#include "media/media.h"

/* One picture file in memory, with the caller's wishes. The reader writes the orientation it found. */
typedef struct {
    const unsigned char *bytes;
    size_t size;
    int flags;           /* IMAGE_EXIF, IMAGE_ALPHA_WHITE */
    image_limits limits; /* no zeros left in it */
    const char *name;    /* for messages */
    int orientation;
} image_source;

/* Each gives RGB, untransposed, and leaves `out` untouched on failure. */
lmm_status png_decode(image *out, image_source *in);
lmm_status jpeg_decode(image *out, image_source *in);
lmm_status webp_decode(image *out, image_source *in);
lmm_status bmp_decode(image *out, image_source *in);
lmm_status gif_decode(image *out, image_source *in);

/* The bytes of a data: URI whose type starts with `kind` ("image/"); free(*bytes). *name: its head, for messages; `what`: a word for them. */
enum { DATA_URI_NAME = 64 };
lmm_status data_uri_decode(void **bytes, size_t *size, char name[DATA_URI_NAME], const char *uri, const char *kind, const char *what);

/* Refuses a size over the limits; to be called before anything is allocated from it. */
lmm_status image_check_size(const image_source *in, int64_t width, int64_t height);
lmm_status image_truncated(const image_source *in);
lmm_status image_damaged(const image_source *in, const char *what);

/* EXIF's orientation (tag 0x0112 of the first directory); the "Exif\0\0" prefix may be there. -1: EXIF does not say. */
int exif_orientation(const unsigned char *bytes, size_t n);
/* XMP's tiff:Orientation, which counts when EXIF does not say; 0 when there is none. */
int xmp_orientation(const unsigned char *bytes, size_t n);

/* A picture at (left, top) of a larger one of one colour; of the same size when nothing is padded. */
typedef struct {
    const image *im;
    int width, height, left, top;
    unsigned char colour[4];
} image_frame;
image_frame image_unframed(const image *im);

/* The part of what image_resize(in, width, height, filter, box) would give, without computing the rest of it. */
typedef struct {
    int left, top, width, height;
} image_part;
lmm_status image_resize_part(image *out, const image_frame *in, int width, int height, resize_filter filter, const resize_box *box,
                             const image_part *part);

/* ---- resize_taps.c ---- */

enum { RESIZE_WEIGHT_BITS = 22 };

/* What to compute along one axis: outputs [first, first + count) of `out_size`, from [low, high) of `in_size`. */
typedef struct {
    int in_size, out_size, first, count;
    float low, high;
} resize_axis;

/* Output i is the sum of tap_count[i] inputs from tap_first[i], with weights from i * tap_max, in 22-bit fixed point. */
typedef struct {
    int count, tap_max, out_size;
    int *tap_first, *tap_count;
    int32_t *outside; /* sum of the weights cut off by taps_clip */
    int32_t *weights;
} tap_table;

lmm_status taps_make(tap_table *t, const resize_axis *a, resize_filter filter); /* all but nearest; taps_free in any case */
void taps_free(tap_table *t);
/* Keeps the taps in [first, last), which are inside the picture; those outside all see the same colour. */
void taps_clip(tap_table *t, int first, int last);

/* ---- small things ---- */

static inline void put_rgb(unsigned char *to, unsigned char r, unsigned char g, unsigned char b) {
    to[0] = r;
    to[1] = g;
    to[2] = b;
}

/* Pillow's alpha_composite over opaque white: 7 extra bits, rounded division by 255. */
static inline unsigned char over_white(unsigned colour, unsigned alpha) {
    unsigned sum = (colour * alpha + 255 * (255 - alpha)) * 128 + (0x80 << 7);
    return (unsigned char)(((sum >> 8) + sum) >> 8 >> 7);
}

/* The alpha is dropped, or counts when `white` is set. */
static inline void put_rgba(unsigned char *to, const unsigned char rgba[4], bool white) {
    for (int c = 0; c < 3; c++) to[c] = white ? over_white(rgba[c], rgba[3]) : rgba[c];
}

static inline unsigned read_le16(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }
static inline unsigned read_le24(const unsigned char *p) { return read_le16(p) | (unsigned)p[2] << 16; }
static inline uint32_t read_le32(const unsigned char *p) { return read_le24(p) | (uint32_t)p[3] << 24; }
static inline unsigned read_be16(const unsigned char *p) { return (unsigned)p[0] << 8 | p[1]; }
static inline uint32_t read_be32(const unsigned char *p) { return (uint32_t)read_be16(p) << 16 | read_be16(p + 2); }

#endif
