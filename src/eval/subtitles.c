/* subtitles.c - what is said in a video beside the frames that are shown: `subtitles` of a task names the file.
 *
 *   subtitles: {file: "subtitle/{{ videoID }}.srt", frames: 32}          the column `subtitles` holds the lines shown at one of so many frames (Video-MME)
 *   subtitles: {file: "subtitles/{{ subtitle_path }}", interleave: 16}   `interleaved` holds <image> for each of so many frames and the lines between
 *                                                                        them, in their order in time; the row shows these pictures (LongVideoBench) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- SubRip ---- */

/* "01:02:03,500" in seconds; -1: none stands there. */
static double clock_at(const char *text) {
    int h, m, s, ms = 0;
    return sscanf(text, "%d:%d:%d%*[,.]%3d", &h, &m, &s, &ms) >= 3 ? h * 3600.0 + m * 60 + s + ms / 1000.0 : -1;
}

static bool shown(const double *times, int count, double begin, double end) {
    for (int i = 0; i < count; i++)
        if (times[i] >= begin && times[i] < end) return true;
    return false;
}

/* The words of a cue: those in the white tag of Video-MME's files, all of them in others. */
static char *words_of(scratch *mem, const char *cue, bool tagged) {
    regex_match m;
    if (tagged && !regex_search("<font color=\"white\" size=\".72c\">(.*?)</font>", cue, &m)) return NULL;
    if (tagged) return scratch_cut(mem, cue + m.begin[1], m.end[1] - m.begin[1]);
    return py_strip(mem, regex_sub(mem, "<[^>]*>", cue, "", 0));
}

static char *lines_shown(scratch *mem, const char *srt, const double *times, int count) {
    const bool tagged = strstr(srt, "<font color=\"white\"") != NULL;
    buf out = {0};
    int n;
    char **cues = py_split_at(mem, py_replace(mem, srt, "\r", ""), "\n\n", &n);
    for (int i = 0; i < n; i++) {
        const char *arrow = strstr(cues[i], "-->"), *line = arrow;
        while (line && line > cues[i] && line[-1] != '\n') line--;
        const char *text = arrow ? strchr(arrow, '\n') : NULL;
        double begin = line ? clock_at(line) : -1, end = arrow ? clock_at(arrow + 3 + strspn(arrow + 3, " ")) : -1;
        if (!text || begin < 0 || end < 0 || !shown(times, count, begin, end)) continue;
        const char *words = words_of(mem, text + 1, tagged);
        if (words && *words) buf_printf(&out, "%s%s", out.size ? "\n" : "", words);
    }
    char *all = scratch_cut(mem, out.size ? out.data : "", out.size);
    buf_free(&out);
    return all;
}

static lmm_status add_lines(tree *vars, const char *srt, const visual_list *v, int frames) {
    double *times;
    int count;
    if (!v->count) return LMM_OK;
    lmm_status st = lmm_video_frames(v->at[0].url, &(lmm_video_opts){.frames = frames}, NULL, 0, NULL, &times, &count);
    if (st) return st;
    scratch mem = {0};
    tree_put(vars, "subtitles", tree_new_string(lines_shown(&mem, srt, times, count)));
    scratch_free(&mem);
    free(times);
    return LMM_OK;
}

/* ---- pictures between lines ---- */

/* LongVideoBench's: so many even steps over the whole, or one a second of a shorter clip. */
static tree *even_times(double duration, int most) {
    tree *t = tree_new(TREE_LIST);
    const int n = min_int(most, max_int((int)duration, 1));
    for (int i = 0; i < n; i++) tree_add(t, tree_new_real(duration > most ? i * duration / most : i));
    return t;
}

/* The film becomes its frames, as files below the data set: what is there from an earlier run is taken as it is. */
static lmm_status replace_film(visual_list *v, const visual_source *from, const tree *at) {
    char *name = mem_printf("unpacked/frames/%016" PRIx64 "-%d", hash_u64(v->at[0].url, strlen(v->at[0].url), 0), at->count),
         *dir = path_join(from->home, name), *last = mem_printf("%s/%04d.png", dir, at->count - 1);
    double *times = mem_new((size_t)at->count, sizeof *times), *seen = NULL;
    int count = at->count;
    for (int i = 0; i < at->count; i++) times[i] = py_value(at->items[i], 0);
    lmm_status st = file_exists(last) ? LMM_OK : lmm_video_frames(v->at[0].url, NULL, times, at->count, dir, &seen, &count);
    if (!st) visuals_free(v);
    for (int i = 0; i < count && !st; i++) VEC_PUSH(v, ((visual){mem_printf("%s/%04d.png", dir, i), true, false}));
    free(seen);
    free(times);
    free(last);
    free(dir);
    free(name);
    return st;
}

static lmm_status add_interleaved(tree *vars, const char *json, visual_list *v, const visual_source *from, int most) {
    tree *list = NULL;
    lmm_status st = json ? tree_parse_json(&list, json, strlen(json), "subtitles") : LMM_OK;
    if (st) return st;
    double duration = py_value(tree_get(vars, "duration"), NAN);
    if (!v->count || !isfinite(duration) || duration <= 0)
        st = LMM_FAIL(LMM_E_FORMAT, "frames between subtitles need a video and its 'duration'");
    tree *at = st ? NULL : even_times(duration, most);
    if (!st) st = replace_film(v, from, at);
    if (!st) {
        scratch mem = {0};
        tree_put(vars, "frame_timestamps", at);
        tree_put(vars, "subtitles", list ? list : tree_new(TREE_LIST));
        tree_put(vars, "interleaved", tree_new_string(interleave_subtitles(&mem, vars)));
        scratch_free(&mem);
        return LMM_OK;
    }
    tree_free(at);
    tree_free(list);
    return st;
}

lmm_status subtitles_add(tree *vars, visual_list *v, const visual_source *from) {
    const tree *spec = tree_get(from->task->config, "subtitles");
    const int interleave = (int)tree_int(spec, "interleave", 0);
    char *text = NULL;
    lmm_status st = spec ? text_beside(&text, from, tree_str(spec, "file", ""), vars) : LMM_OK;
    if (!st && interleave > 0) st = add_interleaved(vars, text, v, from, interleave);
    else if (!st && text) st = add_lines(vars, text, v, (int)tree_int(spec, "frames", 32));
    free(text);
    return st;
}
