/* image_save.c - pictures to files: PNG through libpng, PPM by hand. */
#include "media/media_int.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

typedef struct {
    const image *im;
    file_writer *file;
    lmm_status status; /* of the file */
    jmp_buf on_error;
    char message[160];
} png_writer;

static void png_push(png_structp png, png_bytep bytes, size_t n) {
    png_writer *w = png_get_io_ptr(png);
    w->status = file_writer_put(w->file, bytes, n);
    if (w->status) png_error(png, "cannot write");
}

static void png_on_error(png_structp png, png_const_charp message) {
    png_writer *w = png_get_error_ptr(png);
    snprintf(w->message, sizeof w->message, "%s", message);
    longjmp(w->on_error, 1);
}

static void png_on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void png_on_flush(png_structp png) { (void)png; }

/* libpng reports by longjmp: this frame has no local that changes after setjmp. */
static lmm_status write_picture(png_writer *w, png_structp png, png_infop info, const char *path) {
    if (setjmp(w->on_error)) return w->status ? w->status : LMM_FAIL(LMM_E_IO, "cannot write '%s': %s", path, w->message);
    const image *im = w->im;
    png_set_write_fn(png, w, png_push, png_on_flush);
    png_set_IHDR(png, info, (png_uint_32)im->width, (png_uint_32)im->height, 8,
                 im->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    size_t row = (size_t)im->width * (size_t)im->channels;
    for (int y = 0; y < im->height; y++) png_write_row(png, im->data + (size_t)y * row);
    png_write_end(png, NULL);
    return LMM_OK;
}

lmm_status image_save_png(const image *im, const char *path) {
    LMM_ASSERT(im->channels == 1 || im->channels == 3, "%d channels", im->channels);
    png_writer w = {.im = im};
    lmm_status st = file_writer_open(&w.file, path);
    if (st) return st;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, png_on_error, png_on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    st = info ? write_picture(&w, png, info, path) : LMM_FAIL(LMM_E_MEMORY, "cannot start the PNG writer for '%s'", path);
    png_destroy_write_struct(&png, &info);
    if (!st) return file_writer_commit_soon(w.file);
    file_writer_abort(w.file);
    return st;
}

lmm_status image_save_ppm_mem(const image *im, buf *out) {
    if (im->channels != 1 && im->channels != 3) return LMM_FAIL(LMM_E_ARG, "a PPM picture has 1 or 3 channels, not %d", im->channels);
    buf_printf(out, "P%c\n%d %d\n255\n", im->channels == 1 ? '5' : '6', im->width, im->height);
    buf_put(out, im->data, (size_t)im->width * (size_t)im->height * (size_t)im->channels);
    return LMM_OK;
}
