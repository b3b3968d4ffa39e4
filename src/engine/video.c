/* video.c - a video file or folder on its way into a prompt: every frame is made ready for the tower while the source decodes the next. */
#include <stdlib.h>

#include "engine/engine.h"

enum { FRAMES_DEFAULT = 8 };

static lmm_status stream_source(const char *path, const frame_take *take, double rate, const video_sink *sink) {
    if (file_is_dir(path)) return video_stream_folder(path, take, rate, sink);
    if (!file_exists(path)) return LMM_FAIL(LMM_E_IO, "cannot read the video '%s': no such file or folder", path);
    return video_stream_file(path, take, NULL, sink);
}

static lmm_status stream(const char *path, const lmm_video_opts *o, int number, const video_sink *sink) {
    if (o->frames < 0 || o->fps < 0) return LMM_FAIL(LMM_E_ARG, "frames and frames a second cannot be negative");
    frame_take take = {.rule = o->fps > 0 ? FRAMES_STRIDE : FRAMES_LINSPACE, .count = o->frames, .fps = o->fps, .repeat = o->repeat};
    if (!take.count && !(o->fps > 0)) take.count = FRAMES_DEFAULT;
    return stream_source(path, &take, o->rates && number < o->rate_count ? o->rates[number] : 0, sink);
}

typedef struct {
    const lmm_model *m;
    video_media *out;
    uint64_t *hashes; /* of every frame */
} intake;

static lmm_status begin(void *arg, const video_frames *about) {
    intake *in = arg;
    video_media *v = in->out;
    const net *n = in->m->net;
    lmm_status st = n->arch->video_plan(n, about, &v->plan);
    if (st) return st;
    tensor shape = net_pixels(n, v->plan.tile_count, NULL);
    void *pixels;
    st = mem_try(&pixels, tensor_size(&shape), "the frames of a video as the tower takes them");
    if (st) return st;
    v->pixels = pixels;
    in->hashes = mem_new((size_t)about->count + 2, sizeof *in->hashes);
    in->hashes[about->count] = (uint64_t)about->width << 32 | (uint64_t)about->height;
    return LMM_OK;
}

static lmm_status take_frame(void *arg, int place, const image *frame, double seconds) {
    const intake *in = arg;
    const net *n = in->m->net;
    (void)seconds;
    in->hashes[place] = hash_u64(frame->data, (size_t)frame->width * (size_t)frame->height * (size_t)frame->channels, 0);
    return n->arch->video_pixels(n, frame, place, &in->out->plan, in->out->pixels);
}

lmm_status video_take(video_media *out, const lmm_model *m, const char *path, const lmm_video_opts *o, int number) {
    if (!m->net->arch->video_plan)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' (%s) sees no videos, but '%s' was given", m->path, m->net->arch->name, path);
    *out = (video_media){0};
    intake in = {.m = m, .out = out};
    lmm_status st = stream(path, o, number, &(video_sink){begin, take_frame, &in});
    if (!st) out->hash = hash_u64(in.hashes, ((size_t)out->plan.frames + 1) * sizeof *in.hashes, 0);
    free(in.hashes);
    if (st) free(out->pixels), out->pixels = NULL;
    return st;
}

/* ---- contact sheet ---- */

lmm_status lmm_video_sheet(const char *video, const lmm_video_opts *opts, const char *png) {
    video_store all = {0};
    image sheet = {0};
    video_sink sink = video_store_sink(&all);
    lmm_status st = stream(video, opts, 0, &sink);
    if (!st) st = video_contact_sheet(&sheet, &all.v);
    if (!st) st = image_save_png(&sheet, png);
    image_free(&sheet);
    video_free(&all.v);
    return st;
}

/* ---- frames as files ---- */

typedef struct {
    const char *dir;
    double *times;
    int count;
} writer;

static lmm_status begin_files(void *arg, const video_frames *about) {
    writer *w = arg;
    w->times = mem_new((size_t)about->count + 1, sizeof *w->times);
    w->count = about->count;
    return w->dir ? dir_make(w->dir) : LMM_OK;
}

static lmm_status write_frame(void *arg, int place, const image *frame, double seconds) {
    const writer *w = arg;
    w->times[place] = seconds;
    if (!w->dir) return LMM_OK;
    char *path = mem_printf("%s/%04d.png", w->dir, place);
    lmm_status st = image_save_png(frame, path);
    free(path);
    return st;
}

lmm_status lmm_video_frames(const char *video, const lmm_video_opts *opts, const double *at, int at_count, const char *dir, double **times,
                            int *count) {
    writer w = {.dir = dir};
    const video_sink sink = {begin_files, write_frame, &w};
    const frame_take take = {.rule = FRAMES_TIMES, .times = at, .time_count = at_count};
    lmm_status st = at ? stream_source(video, &take, 0, &sink) : stream(video, opts, 0, &sink);
    if (st) return free(w.times), st;
    *times = w.times;
    *count = w.count;
    return LMM_OK;
}
