/* image_gif.c - the first frame of a GIF, on its canvas, as Pillow shows it.
 *
 * Around a frame smaller than the canvas is the transparent colour, or colour 0 when there is none; a frame that
 * reaches beyond the canvas enlarges it. The transparent colour keeps its palette entry unless it is laid on white.
 * Source: the GIF89a specification, W3C copy; LZW as in its appendix F. */
#include "media/media_int.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_BITS_MAX = 12, CODE_COUNT_MAX = 1 << CODE_BITS_MAX };

typedef struct {
    image_source *in;
    size_t at; /* next byte of the file */
    int canvas_width, canvas_height;
    int left, top, width, height; /* the frame */
    bool interlaced;
    int transparent;               /* palette index, -1: none */
    unsigned char palette[256][4]; /* RGBA, black beyond the file's entries */
} gif_reader;

/* `n` bytes of the file, NULL when it ends before. */
static const unsigned char *take(gif_reader *r, size_t n) {
    if (n > r->in->size - r->at) return NULL;
    r->at += n;
    return r->in->bytes + r->at - n;
}

static bool read_palette(gif_reader *r, int flags) {
    int count = 2 << (flags & 7);
    const unsigned char *p = take(r, 3 * (size_t)count);
    memset(r->palette, 0, sizeof r->palette);
    for (int i = 0; i < 256; i++) {
        r->palette[i][3] = 255;
        if (p && i < count) memcpy(r->palette[i], p + 3 * (size_t)i, 3);
    }
    return p;
}

/* Without any palette Pillow takes the indices for grey. */
static void grey_palette(gif_reader *r) {
    for (int i = 0; i < 256; i++) {
        memset(r->palette[i], i, 3);
        r->palette[i][3] = 255;
    }
}

/* Sub-blocks: a length byte and that many bytes, ended by a zero length. */
static bool skip_blocks(gif_reader *r) {
    for (;;) {
        const unsigned char *length = take(r, 1);
        if (!length || (*length && !take(r, *length))) return false;
        if (!*length) return true;
    }
}

/* Only the graphic control extension matters: flags, delay, transparent index. */
static bool read_extension(gif_reader *r) {
    const unsigned char *label = take(r, 1);
    if (!label) return false;
    const unsigned char *p = r->in->bytes + r->at;
    size_t left = r->in->size - r->at;
    if (*label == 0xf9 && left >= 5 && p[0] >= 4) r->transparent = p[1] & 1 ? p[4] : -1;
    return skip_blocks(r);
}

static lmm_status read_screen(gif_reader *r) {
    const unsigned char *p = take(r, 13);
    if (!p) return image_truncated(r->in);
    r->canvas_width = (int)read_le16(p + 6);
    r->canvas_height = (int)read_le16(p + 8);
    grey_palette(r);
    return (p[10] & 0x80) && !read_palette(r, p[10]) ? image_truncated(r->in) : LMM_OK;
}

static lmm_status read_frame_header(gif_reader *r) {
    const unsigned char *p = take(r, 9);
    if (!p) return image_truncated(r->in);
    r->left = (int)read_le16(p);
    r->top = (int)read_le16(p + 2);
    r->width = (int)read_le16(p + 4);
    r->height = (int)read_le16(p + 6);
    r->interlaced = p[8] & 0x40;
    if ((p[8] & 0x80) && !read_palette(r, p[8])) return image_truncated(r->in);
    r->canvas_width = max_int(r->canvas_width, r->left + r->width);
    r->canvas_height = max_int(r->canvas_height, r->top + r->height);
    return LMM_OK;
}

/* Goes to the first frame's data. */
static lmm_status read_headers(gif_reader *r) {
    lmm_status st = read_screen(r);
    while (!st) {
        const unsigned char *kind = take(r, 1);
        if (!kind) return image_truncated(r->in);
        if (*kind == ',') return read_frame_header(r);
        if (*kind == ';') return image_damaged(r->in, "it has no frame");
        if (*kind == '!' && !read_extension(r)) return image_truncated(r->in);
    }
    return st;
}

typedef struct {
    gif_reader *r;
    size_t block_left; /* bytes of the present sub-block */
    unsigned bits;
    int bit_count;
} code_reader;

typedef enum { CODE_OK, CODE_CUT, CODE_ENDED } code_result;

static code_result next_code(code_reader *c, int size, int *code) {
    while (c->bit_count < size) {
        const unsigned char *byte = take(c->r, 1);
        if (!byte) return CODE_CUT;
        if (c->block_left == 0) {
            if (*byte == 0) return CODE_ENDED;
            c->block_left = *byte;
            continue;
        }
        c->block_left--;
        c->bits |= (unsigned)*byte << c->bit_count;
        c->bit_count += 8;
    }
    *code = (int)(c->bits & ((1u << size) - 1));
    c->bits >>= size;
    c->bit_count -= size;
    return CODE_OK;
}

/* Where the pixels go: row by row, or in the four passes of an interlaced frame. */
typedef struct {
    unsigned char *canvas; /* indices */
    const gif_reader *r;
    int x, y, pass;
    bool full;
} pixel_writer;

static void next_row(pixel_writer *w) {
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    w->x = 0;
    w->y += w->r->interlaced ? step[w->pass] : 1;
    while (w->r->interlaced && w->y >= w->r->height && w->pass < 3) w->y = first[++w->pass];
    w->full = w->y >= w->r->height;
}

static void put_index(pixel_writer *w, unsigned char index) {
    if (w->full) return;
    size_t row = (size_t)(w->r->top + w->y) * (size_t)w->r->canvas_width;
    w->canvas[row + (size_t)(w->r->left + w->x)] = index;
    if (++w->x == w->r->width) next_row(w);
}

/* Code c stands for the string of `prefix[c]` followed by `last[c]`. */
typedef struct {
    short prefix[CODE_COUNT_MAX];
    unsigned char last[CODE_COUNT_MAX];
    unsigned char stack[CODE_COUNT_MAX];
    int clear, next, size, previous;
    unsigned char first_of_previous;
} lzw;

static void lzw_reset(lzw *z, int bits) {
    z->clear = 1 << bits;
    z->next = z->clear + 2;
    z->size = bits + 1;
    z->previous = -1;
}

/* The string of one code to the writer; false when the code cannot be. */
static bool lzw_put(lzw *z, int code, pixel_writer *w) {
    int depth = 0, at = code;
    if (z->previous < 0 ? code >= z->clear : code > z->next) return false;
    if (code == z->next) { /* the string being defined: the previous one and its own first pixel */
        z->stack[depth++] = z->first_of_previous;
        at = z->previous;
    }
    for (; at >= z->clear; at = z->prefix[at]) z->stack[depth++] = z->last[at];
    unsigned char first = (unsigned char)at;
    put_index(w, first);
    while (depth > 0) put_index(w, z->stack[--depth]);
    if (z->previous >= 0 && z->next < CODE_COUNT_MAX) {
        z->prefix[z->next] = (short)z->previous;
        z->last[z->next++] = first;
        if (z->next == 1 << z->size && z->size < CODE_BITS_MAX) z->size++;
    }
    z->previous = code;
    z->first_of_previous = first;
    return true;
}

static lmm_status decode_pixels(gif_reader *r, lzw *z, pixel_writer *w) {
    const unsigned char *bits = take(r, 1);
    if (!bits) return image_truncated(r->in);
    if (*bits < 1 || *bits >= CODE_BITS_MAX) return image_damaged(r->in, "its code size is out of range");
    code_reader codes = {.r = r};
    lzw_reset(z, *bits);
    while (!w->full) {
        int code = 0;
        code_result result = next_code(&codes, z->size, &code);
        if (result == CODE_CUT) return image_truncated(r->in);
        if (result == CODE_ENDED || code == z->clear + 1) return image_damaged(r->in, "its pixel data ends before the frame is full");
        if (code == z->clear) lzw_reset(z, *bits);
        else if (!lzw_put(z, code, w)) return image_damaged(r->in, "its pixel data has an impossible code");
    }
    return LMM_OK;
}

static lmm_status read_indices(unsigned char **out, gif_reader *r) {
    void *indices = NULL;
    size_t size = (size_t)r->canvas_width * (size_t)r->canvas_height;
    lmm_status st = mem_try(&indices, size, "the pixels of a GIF picture");
    if (st) return st;
    if (r->transparent > 0) memset(indices, r->transparent, size);
    pixel_writer w = {.canvas = indices, .r = r, .full = r->width == 0 || r->height == 0};
    lzw *z = mem_new(1, sizeof *z);
    st = decode_pixels(r, z, &w);
    free(z);
    if (st) free(indices);
    else *out = indices;
    return st;
}

lmm_status gif_decode(image *out, image_source *in) {
    gif_reader r = {.in = in, .transparent = -1};
    lmm_status st = read_headers(&r);
    if (!st) st = image_check_size(in, r.canvas_width, r.canvas_height);
    unsigned char *indices = NULL;
    image im = {0};
    if (!st) st = read_indices(&indices, &r);
    if (!st) st = image_new(&im, r.canvas_width, r.canvas_height, 3);
    if (!st) {
        if (r.transparent >= 0) r.palette[r.transparent][3] = 0;
        size_t count = (size_t)im.width * (size_t)im.height;
        for (size_t i = 0; i < count; i++) put_rgba(im.data + 3 * i, r.palette[indices[i]], in->flags & IMAGE_ALPHA_WHITE);
        *out = im;
    }
    free(indices);
    return st;
}
