/* video.c - frames: which ones of a source are taken, folders of pictures as a source, and a contact sheet.
 *
 * The rules are numbers in the references' own precision, which decides at whole numbers. Sources: llava.md 5.1; numpy and torch linspace;
 * transformers BaseVideoProcessor.sample_frames; LLaVA-NeXT process_video_with_decord. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/media.h"

void video_free(video_frames *v) {
    free(v->rgb);
    free(v->times);
    *v = (video_frames){0};
}

image video_frame(const video_frames *v, int index) {
    size_t size = (size_t)v->width * (size_t)v->height * 3;
    return (image){v->width, v->height, 3, v->rgb + (size_t)index * size};
}

/* ---- which frames ---- */

static void linspace(int *index, int n, int total) {
    double step = n > 1 ? (double)(total - 1) / (n - 1) : 0;
    for (int i = 0; i < n; i++) index[i] = (int)floor(i * step);
    if (n > 1) index[n - 1] = total - 1;
}

/* torch counts from both ends, in f32. */
static void linspace_round(int *index, int n, int total) {
    float step = n > 1 ? (float)(total - 1) / (float)(n - 1) : 0;
    for (int i = 0; i < n; i++) index[i] = (int)rintf(i < n / 2 ? step * (float)i : (float)(total - 1) - step * (float)(n - 1 - i));
    if (n == 1) index[0] = 0;
}

/* torch's arange may give one value too many, which lies behind the last frame: exactly n are kept. */
static void arange(int *index, int n, int total) {
    double step = (double)total / n;
    for (int i = 0; i < n; i++) index[i] = min_int((int)(float)(i * step), total - 1);
}

static int stride_of(double fps, double wanted) {
    double stride = rint(fps / wanted);
    return stride < 1 ? 1 : stride > 1 << 24 ? 1 << 24 : (int)stride;
}

static void at_times(int *index, const frame_take *t, int total, double fps) {
    for (int i = 0; i < t->time_count; i++) {
        double frame = floor(t->times[i] * fps + 1e-3); /* a time written with six digits still names its frame */
        index[i] = frame < 0 ? 0 : frame > total - 1 ? total - 1 : (int)frame;
    }
}

static lmm_status take_check(const frame_take *t, int total, double fps) {
    if (total < 1) return LMM_FAIL(LMM_E_FORMAT, "the video has no frames");
    if (t->count < 0 || t->count > VIDEO_FRAMES_MAX)
        return LMM_FAIL(LMM_E_ARG, "%d frames are out of range (1 to %d)", t->count, VIDEO_FRAMES_MAX);
    bool rate = t->rule == FRAMES_STRIDE || t->rule == FRAMES_TIMES;
    if (rate && !(fps > 0 && isfinite(fps))) return LMM_FAIL(LMM_E_FORMAT, "the video's frame rate is not known: give a number of frames");
    if (t->rule == FRAMES_STRIDE && !(t->fps > 0 && isfinite(t->fps))) return LMM_FAIL(LMM_E_ARG, "frames a second must be above 0");
    if (t->rule == FRAMES_TIMES && (t->time_count < 1 || t->time_count > VIDEO_FRAMES_MAX))
        return LMM_FAIL(LMM_E_ARG, "%d times are out of range (1 to %d)", t->time_count, VIDEO_FRAMES_MAX);
    for (int i = 0; t->rule == FRAMES_TIMES && i < t->time_count; i++)
        if (!isfinite(t->times[i])) return LMM_FAIL(LMM_E_ARG, "time %d of a frame is no number", i + 1);
    return LMM_OK;
}

static lmm_status stride_count(int *out, const frame_take *t, int total, int stride) {
    int n = (total + stride - 1) / stride;
    if (!t->count && n > VIDEO_FRAMES_MAX)
        return LMM_FAIL(LMM_E_LIMIT, "%g frames a second are %d frames, the limit is %d: ask for fewer, or for a number of frames", t->fps,
                        n, VIDEO_FRAMES_MAX);
    return *out = t->count ? min_int(n, t->count) : n, LMM_OK;
}

lmm_status frames_index(int **index, int *count, const frame_take *t, int total, double fps) {
    lmm_status st = take_check(t, total, fps);
    if (st) return st;
    int stride = t->rule == FRAMES_STRIDE ? stride_of(fps, t->fps) : 1, n = t->rule == FRAMES_TIMES ? t->time_count
                                                                            : t->repeat             ? t->count
                                                                                                    : min_int(t->count, total);
    if (t->rule == FRAMES_STRIDE) st = stride_count(&n, t, total, stride);
    else if (t->rule != FRAMES_TIMES && !t->count) n = min_int(total, VIDEO_FRAMES_MAX);
    if (st) return st;
    int *at = mem_new((size_t)n, sizeof *at);
    if (t->rule == FRAMES_TIMES) at_times(at, t, total, fps);
    else if (t->rule == FRAMES_ROUND) linspace_round(at, n, total);
    else if (t->rule == FRAMES_ARANGE) arange(at, n, total);
    else if (t->rule == FRAMES_STRIDE && n == (total + stride - 1) / stride)
        for (int i = 0; i < n; i++) at[i] = i * stride;
    else linspace(at, n, total);
    *index = at;
    *count = n;
    return LMM_OK;
}

/* ---- a folder of pictures ---- */

static const double folder_fps = 2;

static bool is_picture(const char *name) {
    static const char *const ends[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".PNG", ".JPG", ".JPEG"};
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t m = strlen(ends[i]);
        if (n > m && !strcmp(name + n - m, ends[i])) return true;
    }
    return false;
}

/* Only the pictures among the names stay, in order. */
static int keep_pictures(char **names, int n) {
    int kept = 0;
    for (int i = 0; i < n; i++) {
        char *name = names[i];
        if (!is_picture(name)) continue;
        names[i] = names[kept];
        names[kept++] = name;
    }
    return kept;
}

typedef struct {
    const char *dir;
    char **names;
    const int *index;
    int count;
    double fps;
    video_frames about;
} folder;

/* The first frame tells the size of all. */
static lmm_status send_frame(folder *f, int place, const char *path, const video_sink *sink) {
    image im = {0};
    lmm_status st = image_load(&im, path, IMAGE_EXIF, NULL);
    if (st) return st;
    if (!place) {
        f->about.width = im.width, f->about.height = im.height;
        st = sink->begin(sink->arg, &f->about);
    } else if (im.width != f->about.width || im.height != f->about.height) {
        st = LMM_FAIL(LMM_E_FORMAT, "'%s' has %d x %d pixels, the frames before it %d x %d: the frames of a video have one size", path,
                      im.width, im.height, f->about.width, f->about.height);
    }
    if (!st) st = sink->frame(sink->arg, place, &im, f->index[place] / f->fps);
    image_free(&im);
    return st;
}

static lmm_status send_frames(folder *f, const video_sink *sink) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < f->about.count && !st; i++) {
        char *path = path_join(f->dir, f->names[f->index[i]]);
        st = send_frame(f, i, path, sink);
        free(path);
    }
    return st;
}

lmm_status video_stream_folder(const char *dir, const frame_take *t, double fps, const video_sink *sink) {
    folder f = {.dir = dir, .fps = fps > 0 ? fps : folder_fps};
    int all, n = 0, *index = NULL;
    lmm_status st = dir_list(&f.names, &all, dir);
    if (st) return st;
    int pictures = keep_pictures(f.names, all);
    if (!pictures) st = LMM_FAIL(LMM_E_FORMAT, "'%s' has no pictures to take as frames", dir);
    if (!st) st = frames_index(&index, &n, t, pictures, f.fps);
    f.index = index;
    if (!st) f.about = (video_frames){.count = n, .fps = f.fps * n / pictures};
    if (!st) st = send_frames(&f, sink);
    free(index);
    names_free(f.names, all);
    return LMM_CONTEXT(st, "reading the frames in '%s'", dir);
}

/* ---- all frames in memory ---- */

static lmm_status store_begin(void *arg, const video_frames *about) {
    video_store *s = arg;
    size_t frame = (size_t)about->width * (size_t)about->height * 3, size, most = s->size_max ? s->size_max : (size_t)2 << 30;
    void *rgb;
    if (!size_mul(frame, (size_t)about->count, &size) || size > most)
        return LMM_FAIL(LMM_E_LIMIT, "%d frames of %d x %d pixels are more than %zu MiB: ask for fewer", about->count, about->width,
                        about->height, most >> 20);
    lmm_status st = mem_try(&rgb, size, "the frames of a video");
    if (st) return st;
    s->v = *about;
    s->v.rgb = rgb;
    s->v.times = mem_new((size_t)about->count, sizeof *s->v.times);
    return LMM_OK;
}

static lmm_status store_frame(void *arg, int place, const image *frame, double seconds) {
    video_store *s = arg;
    size_t size = (size_t)frame->width * (size_t)frame->height * 3;
    memcpy(s->v.rgb + (size_t)place * size, frame->data, size);
    s->v.times[place] = seconds;
    return LMM_OK;
}

video_sink video_store_sink(video_store *s) { return (video_sink){store_begin, store_frame, s}; }

lmm_status video_load_folder(video_frames *out, const char *dir, const frame_take *t, double fps) {
    video_store s = {0};
    video_sink sink = video_store_sink(&s);
    lmm_status st = video_stream_folder(dir, t, fps, &sink);
    if (st) return video_free(&s.v), st;
    return *out = s.v, LMM_OK;
}

/* ---- contact sheet ---- */

enum { SHEET_CELL = 192, SHEET_GAP = 4, SHEET_TEXT = 12, SHEET_FRAMES_MAX = 400 };

lmm_status video_contact_sheet(image *out, const video_frames *v) {
    int n = min_int(v->count, SHEET_FRAMES_MAX), across = (int)ceil(sqrt(n)), down = (n + across - 1) / across;
    double scale = fmin(1.0, fmin((double)SHEET_CELL / v->width, (double)SHEET_CELL / v->height));
    int w = max_int((int)(v->width * scale), 1), h = max_int((int)(v->height * scale), 1);
    int cell_w = max_int(w, 80) + SHEET_GAP, cell_h = h + SHEET_TEXT + SHEET_GAP;
    image sheet = {0};
    lmm_status st = image_new(&sheet, across * cell_w + SHEET_GAP, down * cell_h + SHEET_GAP, 3);
    for (int i = 0; i < n && !st; i++) {
        image frame = video_frame(v, i), small = {0};
        int x = SHEET_GAP + i % across * cell_w, y = SHEET_GAP + i / across * cell_h;
        st = image_resize(&small, &frame, w, h, RESIZE_BICUBIC, NULL);
        for (int row = 0; row < h && !st; row++)
            memcpy(sheet.data + 3 * ((size_t)(y + row) * (size_t)sheet.width + (size_t)x), small.data + 3 * (size_t)row * (size_t)w,
                   3 * (size_t)w);
        char label[48];
        snprintf(label, sizeof label, "%d %.2fs", i, v->times[i]);
        if (!st) draw_text(&sheet, x, y + h + 2, 1, label, (draw_color){255, 255, 255});
        image_free(&small);
    }
    if (st) return image_free(&sheet), st;
    return *out = sheet, LMM_OK;
}
