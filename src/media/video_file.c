/* video_file.c - the frames of a video file that a rule takes. */
#include <stdlib.h>

#include "media/media.h"

/* The worker's frames come in order of time; the k-th stood at place[k]. */
typedef struct {
    const int *place;
    const video_sink *sink;
} sorted;

static lmm_status pass_on(void *arg, int k, const image *frame, double seconds) {
    const sorted *s = arg;
    return s->sink->frame(s->sink->arg, s->place[k], frame, seconds);
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

static lmm_status stream(media_reader *r, const frame_take *t, const video_sink *sink) {
    const media_info *about = media_about(r);
    int *index, n;
    if (!about->has_video) return LMM_FAIL(LMM_E_FORMAT, "it has no video, only sound");
    lmm_status st = choose(&index, &n, r, t);
    if (st) return st;
    int *place = mem_new((size_t)n, sizeof *place);
    sort_index(index, place, n);
    double seconds = about->fps > 0 ? about->frame_count / about->fps : about->seconds;
    st = sink->begin(sink->arg,
                     &(video_frames){.count = n, .width = about->width, .height = about->height, .fps = seconds > 0 ? n / seconds : 0});
    if (!st) st = media_frames(r, index, n, pass_on, &(sorted){place, sink});
    free(place);
    free(index);
    return st;
}

lmm_status video_stream_file(const char *path, const frame_take *t, const media_limits *limits, const video_sink *sink) {
    media_reader *r;
    lmm_status st = media_open(&r, path, limits);
    if (st) return st;
    st = stream(r, t, sink);
    media_close(r);
    return LMM_CONTEXT(st, "reading the frames of '%s'", path);
}

lmm_status video_load_file(video_frames *out, const char *path, const frame_take *t, size_t size_max, const media_limits *limits) {
    video_store s = {.size_max = size_max};
    video_sink sink = video_store_sink(&s);
    lmm_status st = video_stream_file(path, t, limits, &sink);
    if (st) return video_free(&s.v), st;
    return *out = s.v, LMM_OK;
}
