/* video.c - which frames the references take of the golden clips. */
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

void golden_video(golden *g, const char *dir) {
    char *path = path_join(dir, "video.json");
    tree *about;
    if (tree_load(&about, path)) golden_fail(g, "%s", lmm_message());
    else {
        const tree *videos = tree_get(about, "videos");
        for (int i = 0; videos && i < videos->count; i++) compare_clip(g, videos->keys[i], videos->items[i]);
        golden_skip(g, videos ? videos->count : 0, "decoding the clips is not supported yet");
        tree_free(about);
    }
    free(path);
}
