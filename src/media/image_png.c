/* image_png.c - PNG through libpng: every depth and colour type, Adam7 interlacing, the first picture of an APNG.
 *
 * Of the ancillary chunks only tRNS is read (and eXIf or XMP, by hand, for the orientation): colour profiles,
 * gamma and texts do not change what Pillow gives, and unpacking them is the classic way to be bombed.
 * Rows are converted as they come, so no second picture is held, whatever the depth. */
#include "media/media_int.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const image_source *in;
    image *out;
    png_structp png;
    png_infop info;
    size_t at; /* read so far */
    bool truncated;
    jmp_buf on_error;
    char message[160];

    int width, height, depth, color_type, sample_count;
    bool white;                    /* alpha counts */
    unsigned char palette[256][4]; /* RGBA; black beyond the file's entries, as in Pillow */
    bool has_key;                  /* tRNS of grey and colour: one transparent colour */
    unsigned char key[3];
    unsigned char *row; /* one row of samples as libpng gives it */
} png_reader;

static void png_pull(png_structp png, png_bytep to, size_t n) {
    png_reader *r = png_get_io_ptr(png);
    if (n > r->in->size - r->at) {
        r->truncated = true;
        png_error(png, "truncated");
    }
    memcpy(to, r->in->bytes + r->at, n);
    r->at += n;
}

static void png_on_error(png_structp png, png_const_charp message) {
    png_reader *r = png_get_error_ptr(png);
    snprintf(r->message, sizeof r->message, "%s", message);
    longjmp(r->on_error, 1);
}

static void png_on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

/* IHDR is always first: 8 bytes of signature, 8 of length and name, then width and height. */
static lmm_status check_header(const image_source *in) {
    if (in->size < 33) return image_truncated(in);
    if (read_be32(in->bytes + 8) != 13 || memcmp(in->bytes + 12, "IHDR", 4) != 0)
        return image_damaged(in, "it does not begin with a header chunk");
    return image_check_size(in, read_be32(in->bytes + 16), read_be32(in->bytes + 20));
}

static bool is_itxt_xmp(const unsigned char *data, size_t size) {
    /* keyword, NUL, not compressed, method */
    static const char head[] = "XML:com.adobe.xmp\0\0";
    return size > sizeof head && memcmp(data, head, sizeof head) == 0;
}

/* Chunks are length, name, data, checksum; eXIf may also come after the pixels. */
static int find_orientation(const image_source *in) {
    int from_xmp = 0;
    for (size_t at = 8; in->size - at >= 12;) {
        size_t size = read_be32(in->bytes + at);
        const unsigned char *name = in->bytes + at + 4, *data = name + 4;
        if (size > in->size - at - 12) break;
        if (memcmp(name, "eXIf", 4) == 0) {
            int found = exif_orientation(data, size);
            if (found >= 0) return found;
        } else if (memcmp(name, "iTXt", 4) == 0 && is_itxt_xmp(data, size)) {
            from_xmp = xmp_orientation(data, size);
        }
        at += size + 12;
    }
    return from_xmp;
}

static void read_transparency(png_reader *r) {
    png_bytep alpha = NULL;
    int alpha_count = 0;
    png_color_16p key = NULL;
    if (!(png_get_tRNS(r->png, r->info, &alpha, &alpha_count, &key) & PNG_INFO_tRNS)) return;
    if (r->color_type == PNG_COLOR_TYPE_PALETTE) {
        for (int i = 0; i < alpha_count && i < 256; i++) r->palette[i][3] = alpha[i];
        return;
    }
    /* Pillow compares the low byte of the key with the 8-bit pixel, also for 2, 4 and 16 bits. */
    r->has_key = true;
    if (r->color_type == PNG_COLOR_TYPE_RGB) put_rgb(r->key, key->red & 255, key->green & 255, key->blue & 255);
    else memset(r->key, r->depth == 1 ? (key->gray ? 255 : 0) : key->gray & 255, 3);
}

static void read_palette(png_reader *r) {
    png_colorp colors = NULL;
    int count = 0;
    for (int i = 0; i < 256; i++) r->palette[i][3] = 255;
    if (!(png_get_PLTE(r->png, r->info, &colors, &count) & PNG_INFO_PLTE)) return;
    for (int i = 0; i < count && i < 256; i++) put_rgb(r->palette[i], colors[i].red, colors[i].green, colors[i].blue);
}

/* 8-bit samples for everything but plain 16-bit grey, which Pillow clips instead of scaling. */
static void set_transforms(png_reader *r) {
    if (r->color_type == PNG_COLOR_TYPE_PALETTE) png_set_packing(r->png);
    else if (r->depth < 8) png_set_expand_gray_1_2_4_to_8(r->png);
    else if (r->depth == 16 && r->color_type != PNG_COLOR_TYPE_GRAY) png_set_strip_16(r->png);
}

static void grey_rgba(const png_reader *r, int x, unsigned char rgba[4]) {
    unsigned char v;
    if (r->depth == 16) v = r->row[2 * x] ? 255 : r->row[2 * x + 1];
    else v = r->row[x];
    memset(rgba, v, 3);
    rgba[3] = 255;
}

static void pixel_rgba(const png_reader *r, int x, unsigned char rgba[4]) {
    switch (r->color_type) {
    case PNG_COLOR_TYPE_PALETTE: memcpy(rgba, r->palette[r->row[x]], 4); break;
    case PNG_COLOR_TYPE_GRAY: grey_rgba(r, x, rgba); break;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        memset(rgba, r->row[2 * x], 3);
        rgba[3] = r->row[2 * x + 1];
        break;
    case PNG_COLOR_TYPE_RGB:
        memcpy(rgba, r->row + 3 * (size_t)x, 3);
        rgba[3] = 255;
        break;
    default: memcpy(rgba, r->row + 4 * (size_t)x, 4);
    }
    if (r->has_key && memcmp(rgba, r->key, 3) == 0) rgba[3] = 0;
}

/* A row of `count` pixels to y, from x every `step`: with interlacing a row is spread out. */
static void store_row(png_reader *r, int y, int x, int step, int count) {
    unsigned char *to = r->out->data + ((size_t)y * (size_t)r->width + (size_t)x) * 3;
    if (r->color_type == PNG_COLOR_TYPE_RGB && step == 1 && !r->has_key) {
        memcpy(to, r->row, 3 * (size_t)count);
        return;
    }
    for (int i = 0; i < count; i++, to += 3 * (size_t)step) {
        unsigned char rgba[4];
        pixel_rgba(r, i, rgba);
        put_rgba(to, rgba, r->white);
    }
}

static void read_pass(png_reader *r, int y0, int y_step, int x0, int x_step) {
    if (x0 >= r->width) return; /* libpng leaves out empty passes */
    int count = (r->width - x0 + x_step - 1) / x_step;
    for (int y = y0; y < r->height; y += y_step) {
        png_read_row(r->png, r->row, NULL);
        store_row(r, y, x0, x_step, count);
    }
}

static void read_rows(png_reader *r, bool interlaced) {
    if (!interlaced) {
        read_pass(r, 0, 1, 0, 1);
        return;
    }
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        read_pass(r, PNG_PASS_START_ROW(pass), PNG_PASS_ROW_OFFSET(pass), PNG_PASS_START_COL(pass), PNG_PASS_COL_OFFSET(pass));
}

static lmm_status prepare(png_reader *r) {
    png_set_read_fn(r->png, r, png_pull);
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(r->png, (png_uint_32)r->in->limits.side_max, (png_uint_32)r->in->limits.side_max);
    png_set_chunk_malloc_max(r->png, 0); /* long chunks are skipped, not stored: no reason to refuse them */
    png_read_info(r->png, r->info);
    r->width = (int)png_get_image_width(r->png, r->info);
    r->height = (int)png_get_image_height(r->png, r->info);
    r->depth = png_get_bit_depth(r->png, r->info);
    r->color_type = png_get_color_type(r->png, r->info);
    set_transforms(r);
    read_palette(r);
    if (r->white) read_transparency(r);
    png_read_update_info(r->png, r->info);
    void *row = NULL;
    lmm_status st = mem_try(&row, png_get_rowbytes(r->png, r->info), "a row of a PNG picture");
    r->row = row;
    return st ? st : image_new(r->out, r->width, r->height, 3);
}

/* libpng reports by longjmp: this frame has no local that changes after setjmp. */
static lmm_status read_picture(png_reader *r) {
    if (setjmp(r->on_error)) return r->truncated ? image_truncated(r->in) : image_damaged(r->in, r->message);
    lmm_status st = prepare(r);
    if (st) return st;
    read_rows(r, png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_ADAM7);
    return LMM_OK;
}

lmm_status png_decode(image *out, image_source *in) {
    lmm_status st = check_header(in);
    if (st) return st;
    image im = {0};
    png_reader r = {.in = in, .out = &im, .white = in->flags & IMAGE_ALPHA_WHITE};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, png_on_error, png_on_warning);
    if (r.png) r.info = png_create_info_struct(r.png);
    st = r.info ? read_picture(&r) : LMM_FAIL(LMM_E_MEMORY, "cannot start the PNG reader for '%s'", in->name);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    free(r.row);
    if (st) {
        image_free(&im);
        return st;
    }
    if (in->flags & IMAGE_EXIF) in->orientation = find_orientation(in);
    *out = im;
    return LMM_OK;
}
