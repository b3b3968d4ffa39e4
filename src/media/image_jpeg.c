/* image_jpeg.c - JPEG through libjpeg-turbo's libjpeg interface: baseline, progressive, grey, CMYK.
 *
 * libjpeg and not TurboJPEG, because only here can a cut file be told from a damaged one (the source suspends, as
 * Pillow's does), the scans be counted while they come, and APP1 be kept for the orientation.
 * Accurate integer DCT and fancy upsampling are libjpeg's defaults and Pillow's. */
#include "media/media_int.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* A progressive file may come in many scans, each of which visits every pixel: the bomb of this format. Good files
 * have about ten. */
enum { SCAN_COUNT_MAX = 500, ROWS_AT_ONCE = 16 };
static const int64_t scanned_pixel_max = 2000000000;

typedef struct {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf on_error;
    char message[JMSG_LENGTH_MAX];
    image_source *in;
    image *out;
    unsigned char *cmyk; /* one row */
} jpeg_reader;

static void jpeg_on_error(j_common_ptr cinfo) {
    jpeg_reader *r = cinfo->client_data;
    cinfo->err->format_message(cinfo, r->message);
    longjmp(r->on_error, 1);
}

/* Warnings (stray bytes, a damaged block) are let pass, as in Pillow. */
static void jpeg_on_message(j_common_ptr cinfo, int level) {
    (void)cinfo;
    (void)level;
}

static void source_nothing(j_decompress_ptr cinfo) { (void)cinfo; }

/* The whole file was given at once: asking for more means that it is cut. */
static boolean source_fill(j_decompress_ptr cinfo) {
    (void)cinfo;
    return FALSE;
}

static void source_skip(j_decompress_ptr cinfo, long count) {
    struct jpeg_source_mgr *s = cinfo->src;
    size_t n = count < 0 ? 0 : (size_t)count < s->bytes_in_buffer ? (size_t)count : s->bytes_in_buffer;
    s->next_input_byte += n;
    s->bytes_in_buffer -= n;
}

static void count_scans(j_common_ptr common) {
    jpeg_reader *r = common->client_data;
    int64_t scans = r->cinfo.input_scan_number;
    int64_t pixels = (int64_t)r->cinfo.image_width * r->cinfo.image_height;
    if (scans <= SCAN_COUNT_MAX && scans * pixels <= scanned_pixel_max) return;
    snprintf(r->message, sizeof r->message, "it has more than %d scans", (int)(scans - 1));
    longjmp(r->on_error, 1);
}

static void open_reader(jpeg_reader *r) {
    r->cinfo.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = jpeg_on_error;
    r->errors.emit_message = jpeg_on_message;
    r->cinfo.client_data = r;
    jpeg_create_decompress(&r->cinfo);
    r->source = (struct jpeg_source_mgr){
        .next_input_byte = r->in->bytes,
        .bytes_in_buffer = r->in->size,
        .init_source = source_nothing,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    r->cinfo.src = &r->source;
    r->progress.progress_monitor = count_scans;
    r->cinfo.progress = &r->progress;
}

static int find_orientation(const jpeg_reader *r) {
    static const char xmp[] = "http://ns.adobe.com/xap/1.0/";
    int from_xmp = 0;
    for (jpeg_saved_marker_ptr m = r->cinfo.marker_list; m; m = m->next) {
        size_t n = m->data_length;
        if (n >= 6 && memcmp(m->data, "Exif\0\0", 6) == 0) {
            int found = exif_orientation(m->data, n);
            if (found >= 0) return found;
        } else if (n >= sizeof xmp && memcmp(m->data, xmp, sizeof xmp) == 0) {
            from_xmp = xmp_orientation(m->data, n);
        }
    }
    return from_xmp;
}

/* Pillow takes every CMYK file for an inverted one, as Adobe writes them, and mixes without a profile:
 * R = (255 - K) - C * (255 - K) / 255. The stored values are 255 - C, ..., 255 - K. */
static void cmyk_to_rgb(unsigned char *to, const unsigned char *from, int count) {
    for (int x = 0; x < count; x++, to += 3, from += 4) {
        int white = from[3];
        for (int c = 0; c < 3; c++) {
            int ink = (255 - from[c]) * white + 128;
            to[c] = (unsigned char)(white - (((ink >> 8) + ink) >> 8));
        }
    }
}

/* As many rows as there are, false when the file ends first. */
static bool read_rows(jpeg_reader *r) {
    struct jpeg_decompress_struct *c = &r->cinfo;
    size_t row_size = (size_t)r->out->width * 3;
    while (c->output_scanline < c->output_height) {
        JSAMPROW rows[ROWS_AT_ONCE];
        unsigned char *to = r->out->data + c->output_scanline * row_size;
        if (r->cmyk) {
            rows[0] = r->cmyk;
            if (jpeg_read_scanlines(c, rows, 1) != 1) return false;
            cmyk_to_rgb(to, r->cmyk, r->out->width);
            continue;
        }
        JDIMENSION left = c->output_height - c->output_scanline;
        JDIMENSION count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < count; i++) rows[i] = to + i * row_size;
        if (jpeg_read_scanlines(c, rows, count) == 0) return false;
    }
    return true;
}

static lmm_status prepare(jpeg_reader *r) {
    struct jpeg_decompress_struct *c = &r->cinfo;
    if (r->in->flags & IMAGE_EXIF) jpeg_save_markers(c, JPEG_APP0 + 1, 0xffff);
    if (jpeg_read_header(c, TRUE) != JPEG_HEADER_OK) return image_truncated(r->in);
    lmm_status st = image_check_size(r->in, c->image_width, c->image_height);
    if (st) return st;
    if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "JPEG picture '%s' has %d components, 1, 3 and 4 are supported", r->in->name, c->num_components);
    r->in->orientation = find_orientation(r);
    c->out_color_space = c->num_components == 4 ? JCS_CMYK : JCS_RGB;
    if (c->num_components == 4) {
        void *row = NULL;
        st = mem_try(&row, 4 * (size_t)c->image_width, "a row of a JPEG picture");
        r->cmyk = row;
    }
    return st ? st : image_new(r->out, (int)c->image_width, (int)c->image_height, 3);
}

/* libjpeg reports by longjmp: this frame has no local that changes after setjmp. */
static lmm_status read_picture(jpeg_reader *r) {
    if (setjmp(r->on_error)) return image_damaged(r->in, r->message);
    open_reader(r);
    lmm_status st = prepare(r);
    if (st) return st;
    if (!jpeg_start_decompress(&r->cinfo) || !read_rows(r)) return image_truncated(r->in);
    return LMM_OK;
}

lmm_status jpeg_decode(image *out, image_source *in) {
    image im = {0};
    jpeg_reader r = {.in = in, .out = &im};
    lmm_status st = read_picture(&r);
    jpeg_destroy_decompress(&r.cinfo);
    free(r.cmyk);
    if (st) image_free(&im);
    else *out = im;
    return st;
}
