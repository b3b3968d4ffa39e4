/* video.c - which frames the references take of the golden clips, and what lmm-media decodes of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static const struct {
    const char *name;
    frame_rule rule;
} rules[] = {{"hf_arange", FRAMES_ARANGE}, {"linspace_trunc", FRAMES_LINSPACE}, {"linspace_round", FRAMES_ROUND}};

static void compare_rule(golden *g, const char *clip, const char *count, const tree *want, size_t rule, int total, double fps) {
    int *index = NULL, n = 0;
    frame_take take = {.rule = rules[rule].rule, .count = atoi(count)};
    bool same = !frames_index(&index, &n, &take, total, fps) && n == want->count;
    for (int i = 0; same && i < n; i++) same = index[i] == want->items[i]->i;
    golden_check(g, same, "%s: %s of %s frames differs", clip, rules[rule].name, count);
    free(index);
}

static void compare_clip(golden *g, const char *clip, const tree *about) {
    const tree *indices = tree_get(about, "indices");
    int total = (int)tree_int(about, "frames", 0);
    double fps = strtod(tree_str(about, "fps", "0"), NULL);
    for (int i = 0; indices && i < indices->count; i++)
        for (size_t r = 0; r < COUNT_OF(rules); r++) {
            const tree *want = tree_get(indices->items[i], rules[r].name);
            if (want) compare_rule(g, clip, indices->keys[i], want, r, total, fps);
        }
}

/* ---- decoding ---- */

static void compare_means(golden *g, const char *clip, const video_frames *v, const tree *means) {
    for (int i = 0; means && i < means->count; i++) {
        int number = atoi(means->keys[i]);
        bool same = number < v->count;
        size_t pixels = (size_t)v->width * (size_t)v->height;
        for (size_t c = 0; same && c < 3; c++) {
            double sum = 0;
            for (size_t k = 0; k < pixels; k++) sum += v->rgb[(size_t)number * pixels * 3 + 3 * k + c];
            same = fabs(sum / (double)pixels - means->items[i]->items[c]->real) <= 1.5;
        }
        golden_check(g, same, "%s: mean colour of frame %d differs", clip, number);
    }
}

/* Pixels within 4 levels: what converters to RGB differ by. */
static void compare_pixels(golden *g, const char *clip, const video_frames *v, const tree *full, const safetensors *file) {
    const tensor *want = file && full ? safetensors_find(file, tree_str(full, "tensor", "")) : NULL;
    const tree *index = tree_get(full, "indices");
    size_t size = (size_t)v->width * (size_t)v->height * 3;
    for (int i = 0; want && index && i < index->count; i++) {
        const unsigned char *a = v->rgb + (size_t)index->items[i]->i * size, *b = (const unsigned char *)want->data + (size_t)i * size;
        bool same = index->items[i]->i < v->count && tensor_size(want) == size * (size_t)index->count;
        for (size_t k = 0; same && k < size; k++) same = abs(a[k] - b[k]) <= 4;
        golden_check(g, same, "%s: pixels of frame %d differ", clip, (int)index->items[i]->i);
    }
}

static void compare_decoding(golden *g, const char *dir, const char *clip, const tree *about, const safetensors *full) {
    char *path = path_join(dir, clip);
    const tree *times = tree_get(about, "pts_s");
    int total = (int)tree_int(about, "frames", 0);
    video_frames v = {0};
    frame_take all = {.rule = FRAMES_LINSPACE, .count = total};
    lmm_status st = video_load_file(&v, path, &all, 0, NULL);
    if (st == LMM_E_UNSUPPORTED) golden_skip(g, 1, "%s", lmm_message());
    else if (st) golden_fail(g, "%s", lmm_message());
    else {
        bool shown = v.count == total && v.width == tree_int(about, "width", 0) && v.height == tree_int(about, "height", 0);
        golden_check(g, shown, "%s: %d frames of %d x %d", clip, v.count, v.width, v.height);
        for (int i = 0; shown && times && i < times->count; i++)
            golden_check(g, fabs(v.times[i] - times->items[i]->real) < 2e-3, "%s: frame %d is shown at %.3f s", clip, i, v.times[i]);
        if (shown) compare_means(g, clip, &v, tree_get(about, "frame_mean_rgb"));
        if (shown) compare_pixels(g, clip, &v, tree_get(about, "frames_full"), full);
    }
    video_free(&v);
    free(path);
}

void golden_video(golden *g, const char *dir) {
    char *path = path_join(dir, "video.json"), *frames = path_join(dir, "frames.safetensors");
    tree *about;
    safetensors *full = NULL;
    if (file_exists(frames) && safetensors_open(&full, frames)) golden_fail(g, "%s", lmm_message());
    if (tree_load(&about, path)) golden_fail(g, "%s", lmm_message());
    else {
        const tree *videos = tree_get(about, "videos");
        for (int i = 0; videos && i < videos->count; i++) {
            compare_clip(g, videos->keys[i], videos->items[i]);
            compare_decoding(g, dir, videos->keys[i], videos->items[i], full);
        }
        tree_free(about);
    }
    safetensors_close(full);
    free(frames);
    free(path);
}
