/* mp4_save.c - frames to a video any player opens: one track of JPEG pictures in an MP4 file (ISO 14496-12, -14; object type 0x6C, ISO 10918).
 *
 * Every frame is a key frame, so seeking is exact. The samples come first and the index behind them. */
#include "media/media_int.h"

#include <stdio.h>

#include <jpeglib.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf on_error;
} jpeg_trap;

static void jpeg_on_error(j_common_ptr c) { longjmp(((jpeg_trap *)c->err)->on_error, 1); }

/* This frame has no local that changes after setjmp. */
static lmm_status compress(struct jpeg_compress_struct *c, jpeg_trap *trap, const image *im, unsigned char **bytes, unsigned long *size) {
    if (setjmp(trap->on_error)) return LMM_FAIL(LMM_E_MEMORY, "cannot compress a frame of %d x %d", im->width, im->height);
    jpeg_create_compress(c);
    jpeg_mem_dest(c, bytes, size);
    c->image_width = (JDIMENSION)im->width;
    c->image_height = (JDIMENSION)im->height;
    c->input_components = 3;
    c->in_color_space = JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, 95, TRUE);
    jpeg_start_compress(c, TRUE);
    while (c->next_scanline < c->image_height) {
        JSAMPROW row = im->data + (size_t)c->next_scanline * (size_t)im->width * 3;
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
    return LMM_OK;
}

static lmm_status put_frame(buf *out, const image *im, uint32_t *size_out) {
    struct jpeg_compress_struct c = {0};
    jpeg_trap trap;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    c.err = jpeg_std_error(&trap.base);
    trap.base.error_exit = jpeg_on_error;
    lmm_status st = compress(&c, &trap, im, &bytes, &size);
    if (!st) buf_put(out, bytes, size);
    *size_out = (uint32_t)size;
    jpeg_destroy_compress(&c);
    free(bytes);
    return st;
}

static void put_u8(buf *b, unsigned x) { buf_putc(b, (char)x); }
static void put_u16(buf *b, unsigned x) { put_u8(b, x >> 8 & 255), put_u8(b, x & 255); }
static void put_u32(buf *b, uint32_t x) { put_u16(b, x >> 16), put_u16(b, x & 65535); }
static void put_zeros(buf *b, int count) {
    for (int i = 0; i < count; i++) put_u8(b, 0);
}

/* A box's size is written when it ends. */
static size_t box_begin(buf *b, const char *type) {
    size_t at = b->size;
    put_u32(b, 0);
    buf_put(b, type, 4);
    return at;
}

static size_t full_box_begin(buf *b, const char *type, uint32_t version_flags) {
    size_t at = box_begin(b, type);
    put_u32(b, version_flags);
    return at;
}

static void box_end(buf *b, size_t at) {
    uint32_t size = (uint32_t)(b->size - at);
    for (int i = 0; i < 4; i++) b->data[at + (size_t)i] = (char)(size >> (24 - 8 * i) & 255);
}

static void put_matrix(buf *b) {
    static const uint32_t unity[9] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000};
    for (int i = 0; i < 9; i++) put_u32(b, unity[i]);
}

typedef struct {
    const uint32_t *sizes; /* of the samples */
    int count, width, height;
    uint32_t rate; /* ticks a second; a frame lasts 1000 */
} track;

static void put_sample_entry(buf *b, const track *t) {
    size_t stsd = full_box_begin(b, "stsd", 0);
    put_u32(b, 1);
    size_t entry = box_begin(b, "mp4v");
    put_zeros(b, 6), put_u16(b, 1), put_zeros(b, 16);
    put_u16(b, (unsigned)t->width), put_u16(b, (unsigned)t->height);
    put_u32(b, 0x480000), put_u32(b, 0x480000), put_u32(b, 0); /* 72 dots an inch */
    put_u16(b, 1), put_zeros(b, 32), put_u16(b, 24), put_u16(b, 0xffff);
    size_t esds = full_box_begin(b, "esds", 0);
    put_u8(b, 3), put_u8(b, 21), put_u16(b, 1), put_u8(b, 0);                        /* ES descriptor */
    put_u8(b, 4), put_u8(b, 13), put_u8(b, 0x6c), put_u8(b, 0x11), put_zeros(b, 11); /* decoder: JPEG, visual stream */
    put_u8(b, 6), put_u8(b, 1), put_u8(b, 2);
    box_end(b, esds);
    box_end(b, entry);
    box_end(b, stsd);
}

static void put_sample_table(buf *b, const track *t, uint32_t first) {
    size_t stbl = box_begin(b, "stbl");
    put_sample_entry(b, t);
    size_t at = full_box_begin(b, "stts", 0);
    put_u32(b, 1), put_u32(b, (uint32_t)t->count), put_u32(b, 1000);
    box_end(b, at);
    at = full_box_begin(b, "stsc", 0);
    put_u32(b, 1), put_u32(b, 1), put_u32(b, (uint32_t)t->count), put_u32(b, 1);
    box_end(b, at);
    at = full_box_begin(b, "stsz", 0);
    put_u32(b, 0), put_u32(b, (uint32_t)t->count);
    for (int i = 0; i < t->count; i++) put_u32(b, t->sizes[i]);
    box_end(b, at);
    at = full_box_begin(b, "stco", 0);
    put_u32(b, 1), put_u32(b, first);
    box_end(b, at);
    box_end(b, stbl);
}

static void put_media(buf *b, const track *t, uint32_t first) {
    size_t mdia = box_begin(b, "mdia");
    size_t at = full_box_begin(b, "mdhd", 0);
    put_zeros(b, 8), put_u32(b, t->rate), put_u32(b, (uint32_t)t->count * 1000), put_u32(b, 0x55c40000); /* language: und */
    box_end(b, at);
    at = full_box_begin(b, "hdlr", 0);
    put_zeros(b, 4), buf_put(b, "vide", 4), put_zeros(b, 13);
    box_end(b, at);
    size_t minf = box_begin(b, "minf");
    at = full_box_begin(b, "vmhd", 1);
    put_zeros(b, 8);
    box_end(b, at);
    size_t dinf = box_begin(b, "dinf");
    at = full_box_begin(b, "dref", 0);
    put_u32(b, 1);
    size_t url = full_box_begin(b, "url ", 1); /* in this file */
    box_end(b, url);
    box_end(b, at);
    box_end(b, dinf);
    put_sample_table(b, t, first);
    box_end(b, minf);
    box_end(b, mdia);
}

static void put_movie(buf *b, const track *t, uint32_t first) {
    uint32_t duration = (uint32_t)t->count * 1000;
    size_t moov = box_begin(b, "moov");
    size_t at = full_box_begin(b, "mvhd", 0);
    put_zeros(b, 8), put_u32(b, t->rate), put_u32(b, duration), put_u32(b, 0x10000), put_u16(b, 0x100), put_zeros(b, 10);
    put_matrix(b), put_zeros(b, 24), put_u32(b, 2);
    box_end(b, at);
    size_t trak = box_begin(b, "trak");
    at = full_box_begin(b, "tkhd", 7); /* enabled, in movie, in preview */
    put_zeros(b, 8), put_u32(b, 1), put_zeros(b, 4), put_u32(b, duration), put_zeros(b, 16), put_matrix(b);
    put_u32(b, (uint32_t)t->width << 16), put_u32(b, (uint32_t)t->height << 16);
    box_end(b, at);
    put_media(b, t, first);
    box_end(b, trak);
    box_end(b, moov);
}

static lmm_status put_frames(buf *samples, uint32_t *sizes, const image *frames, int count) {
    for (int i = 0; i < count; i++) {
        const image *im = &frames[i];
        LMM_ASSERT(im->channels == 3 && im->width == frames[0].width && im->height == frames[0].height, "frame %d", i);
        lmm_status st = put_frame(samples, im, &sizes[i]);
        if (st) return st;
        if (samples->size > UINT32_MAX / 2)
            return LMM_FAIL(LMM_E_LIMIT, "%d frames of %d x %d are too long for one clip", count, im->width, im->height);
    }
    return LMM_OK;
}

lmm_status frames_save_mp4(const image *frames, int count, double fps, const char *path) {
    LMM_ASSERT(count > 0 && fps > 0, "%d frames, %g a second", count, fps);
    uint32_t *sizes = mem_new((size_t)count, sizeof *sizes);
    buf samples = {0}, file = {0};
    lmm_status st = put_frames(&samples, sizes, frames, count);
    if (!st) {
        const track t = {sizes, count, frames[0].width, frames[0].height, (uint32_t)lround(fps * 1000)};
        size_t ftyp = box_begin(&file, "ftyp");
        buf_put(&file, "isom", 4), put_u32(&file, 0x200), buf_put(&file, "isommp41", 8);
        box_end(&file, ftyp);
        size_t mdat = box_begin(&file, "mdat");
        const uint32_t first = (uint32_t)file.size;
        buf_put(&file, samples.data, samples.size);
        box_end(&file, mdat);
        put_movie(&file, &t, first);
        st = file_write(path, file.data, file.size);
    }
    buf_free(&file);
    buf_free(&samples);
    free(sizes);
    return LMM_CONTEXT(st, "'%s'", path);
}
