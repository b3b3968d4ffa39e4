/* clip_look.c - what a clip's pictures show, asked of a model of this engine, or as a question to somebody else. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ego/ego_int.h"

enum { FRAMES_ASKED = 8 }; /* of somebody else, who takes no videos, when no number was given */

/* Pictures taken from a clip, in a folder of their own. */
typedef struct {
    char dir[32];
    char **paths;
    int count;
} frames;

static void frames_free(frames *f) {
    if (f->paths) names_free(f->paths, f->count);
    if (f->dir[0]) dir_remove(f->dir);
}

/* frames_free in every case. */
static lmm_status frames_take(frames *f, const char *clip, int count) {
    double *times = NULL;
    *f = (frames){.dir = "/tmp/lmm-ego-caption-XXXXXX"};
    if (!mkdtemp(f->dir)) return f->dir[0] = '\0', LMM_FAIL(LMM_E_IO, "cannot make a folder for frames in /tmp");
    lmm_status st = lmm_video_frames(clip, &(lmm_video_opts){.frames = count}, NULL, 0, f->dir, &times, &f->count);
    free(times);
    if (!st) st = dir_list(&f->paths, &f->count, f->dir);
    for (int i = 0; i < f->count && !st; i++) {
        char *path = path_join(f->dir, f->paths[i]);
        free(f->paths[i]);
        f->paths[i] = path;
    }
    return st;
}

/* The prompt of a clip: as a video, or as so many pictures taken from it, for models that know no videos. */
static lmm_status prompt_of(lmm_prompt **out, const char *clip, const ego_caption_opts *o) {
    const char *videos[] = {clip};
    frames f = {0};
    buf messages = {0};
    lmm_prompt_opts p = {.video.frames = o->frames, .add_generation_prompt = true};
    lmm_status st = o->frames ? frames_take(&f, clip, o->frames) : LMM_OK;
    if (o->frames) p.images = (const char *const *)f.paths, p.image_count = f.count;
    else p.videos = videos, p.video_count = 1;
    json_user_message(&messages, o->prompt);
    if (!st) st = lmm_prompt_messages(out, o->captioner, messages.data, messages.size, &p);
    buf_free(&messages);
    frames_free(&f);
    return st;
}

lmm_status clip_look(lmm_session *s, const char *clip, const ego_caption_opts *o, char **out) {
    lmm_prompt *prompt = NULL;
    lmm_answer answer;
    lmm_status st = prompt_of(&prompt, clip, o);
    if (!st) st = lmm_session_sync(s, prompt, NULL);
    if (!st) st = lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = CAPTION_TOKENS_MAX}, NULL, NULL, &answer);
    if (!st) {
        if (answer.finish == LMM_FINISH_CANCELLED) st = LMM_FAIL(LMM_E_CANCELLED, "stopped; the same command goes on");
        else *out = mem_strdup(answer.text);
        lmm_answers_free(&answer, 1);
    }
    lmm_prompt_free(prompt);
    return st;
}

static lmm_status put_picture(buf *json, const char *path) {
    enum { PICTURE_MAX = 1 << 26 };
    char *bytes;
    size_t size;
    lmm_status st = file_read(&bytes, &size, path, PICTURE_MAX);
    if (st) return st;
    buf_puts(json, "{\"type\": \"image_url\", \"image_url\": {\"url\": \"data:image/png;base64,");
    base64_put(json, bytes, size);
    buf_puts(json, "\"}}, ");
    free(bytes);
    return LMM_OK;
}

lmm_status clip_messages(const char *clip, const ego_caption_opts *o, char **json) {
    frames f = {0};
    buf b = {0};
    lmm_status st = frames_take(&f, clip, o->frames ? o->frames : FRAMES_ASKED);
    buf_puts(&b, "[{\"role\": \"user\", \"content\": [");
    for (int i = 0; i < f.count && !st; i++) st = put_picture(&b, f.paths[i]);
    buf_puts(&b, "{\"type\": \"text\", \"text\": ");
    json_quote(&b, o->prompt, strlen(o->prompt));
    buf_puts(&b, "}]}]");
    frames_free(&f);
    if (!st) *json = buf_take(&b);
    buf_free(&b);
    return st;
}
