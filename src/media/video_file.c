/* video_file.c - the frames of a video file that a rule takes, all in memory. */
#include <stdlib.h>
#include <string.h>

#include "media/media.h"

typedef struct {
    const int *place; /* the k-th frame in order of time goes there */
    video_frames *v;
} filling;

static lmm_status put_frame(void *arg, int k, const image *frame, double seconds) {
    const filling *f = arg;
    size_t size = (size_t)frame->width * (size_t)frame->height * 3;
    memcpy(f->v->rgb + (size_t)f->place[k] * size, frame->data, size);
    f->v->times[f->place[k]] = seconds;
    return LMM_OK;
}

/* The frame that is shown at each time: the last one not after it. */
static void look_up(int *index, const frame_take *t, const double *times, int total) {
    for (int i = 0; i < t->time_count; i++) {
        int low = 0, high = total; /* the answer is in [low, high) */
        while (high - low > 1) {
            int middle = low + (high - low) / 2;
            if (times[middle] <= t->times[i] + 1e-3) low = middle; /* a time written with three digits still names its frame */
            else high = middle;
        }
        index[i] = low;
    }
}

static lmm_status choose(int **index, int *count, media_reader *r, const frame_take *t) {
    const media_info *about = media_about(r);
    double *times = NULL, rate = t->rule == FRAMES_TIMES ? 1 : about->fps;
    lmm_status st = frames_index(index, count, t, about->frame_count, rate);
    if (st || t->rule != FRAMES_TIMES) return st;
    st = media_times(r, &times);
    if (!st) look_up(*index, t, times, about->frame_count);
    else free(*index), *index = NULL;
    free(times);
    return st;
}

typedef struct {
    int index, place;
} slot;

static int by_index(const void *a, const void *b) {
    const slot *x = a, *y = b;
    return x->index != y->index ? (x->index > y->index) - (x->index < y->index) : x->place - y->place;
}

/* Puts the numbers in order; place[k] is where the k-th stood. */
static void sort_index(int *index, int *place, int n) {
    slot *s = mem_new((size_t)n, sizeof *s);
    for (int i = 0; i < n; i++) s[i] = (slot){index[i], i};
    qsort(s, (size_t)n, sizeof *s, by_index);
    for (int i = 0; i < n; i++) index[i] = s[i].index, place[i] = s[i].place;
    free(s);
}

static lmm_status make_room(video_frames *v, const media_info *about, int n, size_t size_max) {
    size_t frame = (size_t)about->width * (size_t)about->height * 3, size;
    void *rgb;
    if (!size_mul(frame, (size_t)n, &size) || size > size_max)
        return LMM_FAIL(LMM_E_LIMIT, "%d frames of %d x %d pixels are more than %zu MiB: ask for fewer", n, about->width, about->height,
                        size_max >> 20);
    lmm_status st = mem_try(&rgb, size, "the frames of a video");
    if (st) return st;
    *v = (video_frames){.count = n, .width = about->width, .height = about->height, .rgb = rgb};
    v->times = mem_new((size_t)n, sizeof *v->times);
    return LMM_OK;
}

static lmm_status load(video_frames *v, media_reader *r, const frame_take *t, size_t size_max) {
    const media_info *about = media_about(r);
    int *index, n;
    if (!about->has_video) return LMM_FAIL(LMM_E_FORMAT, "it has no video");
    lmm_status st = choose(&index, &n, r, t);
    if (st) return st;
    int *place = mem_new((size_t)n, sizeof *place);
    sort_index(index, place, n);
    st = make_room(v, about, n, size_max);
    if (!st) st = media_frames(r, index, n, put_frame, &(filling){place, v});
    double seconds = about->fps > 0 ? about->frame_count / about->fps : about->seconds;
    v->fps = seconds > 0 ? n / seconds : 0;
    free(place);
    free(index);
    return st;
}

lmm_status video_load_file(video_frames *out, const char *path, const frame_take *t, size_t size_max, const media_limits *limits) {
    media_reader *r;
    video_frames v = {0};
    lmm_status st = media_open(&r, path, limits);
    if (st) return st;
    st = load(&v, r, t, size_max ? size_max : (size_t)2 << 30);
    media_close(r);
    if (st) return video_free(&v), LMM_CONTEXT(st, "reading the frames of '%s'", path);
    return *out = v, LMM_OK;
}
