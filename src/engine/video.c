/* video.c - a video file or folder as frames for a prompt. */
#include "engine/engine.h"

enum { FRAMES_DEFAULT = 8 };

lmm_status video_load(video_frames *out, const char *path, const lmm_video_opts *o, int number) {
    if (o->frames < 0 || o->fps < 0) return LMM_FAIL(LMM_E_ARG, "frames and frames a second cannot be negative");
    double rate = o->rates && number < o->rate_count ? o->rates[number] : 0;
    frame_take take = {.rule = o->fps > 0 ? FRAMES_STRIDE : FRAMES_LINSPACE, .count = o->frames, .fps = o->fps};
    if (!take.count && !(o->fps > 0)) take.count = FRAMES_DEFAULT;
    if (file_is_dir(path)) return video_load_folder(out, path, &take, rate);
    if (!file_exists(path)) return LMM_FAIL(LMM_E_IO, "cannot read the video '%s': no such file or folder", path);
    return video_load_file(out, path, &take, 0, NULL);
}

lmm_status lmm_video_sheet(const char *video, const lmm_video_opts *opts, const char *png) {
    video_frames v;
    image sheet = {0};
    lmm_status st = video_load(&v, video, opts, 0);
    if (st) return st;
    st = video_contact_sheet(&sheet, &v);
    if (!st) st = image_save_png(&sheet, png);
    image_free(&sheet);
    video_free(&v);
    return st;
}
