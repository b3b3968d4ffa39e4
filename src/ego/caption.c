/* caption.c - clips that were imported but not described yet: pictures to captions, sound to transcripts, by models of this engine.
 *
 * A clip is one transaction, known by its path as the source of its rows, so a killed run goes on with the next clip. What models say is data like any
 * other caption. A clip that cannot be read is named and passed over. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ego/ego_int.h"

enum { TOKENS_MAX = 128, NOTES_MAX = 1 << 16 };

typedef struct {
    int stream;
    int64_t t0, t1;
    char *path;
} clip;
typedef VEC(clip) clips;

/* Clips no row comes from, in order of time. */
static lmm_status undescribed(ego *e, clips *out) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s,
                                "SELECT stream_id, t0, t1, path FROM clip WHERE path NOT IN (SELECT source FROM caption WHERE source NOT "
                                "NULL UNION SELECT "
                                "source FROM utter WHERE source NOT NULL) ORDER BY t0, stream_id");
    if (st) return st;
    while (sqlite3_step(s) == SQLITE_ROW)
        VEC_PUSH(out, ((clip){sqlite3_column_int(s, 0), sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2),
                              mem_strdup((const char *)sqlite3_column_text(s, 3))}));
    sqlite3_finalize(s);
    return LMM_OK;
}

/* Whole words of the text that are keys become their names: a captioner says "P3" of whoever it cannot know by name. */
static char *with_names(const char *text, const ego_caption_opts *o) {
    buf b = {0};
    for (const char *p = text + strspn(text, " \n"); *p;) {
        size_t n = 0;
        while (isalnum((unsigned char)p[n])) n++;
        const char *name = NULL;
        for (int i = 0; n && i < o->name_count && !name; i++)
            if (strcspn(o->names[i], "=") == n && !strncmp(o->names[i], p, n)) name = o->names[i] + n + 1;
        if (name) buf_puts(&b, name);
        else buf_put(&b, p, n ? n : 1);
        p += n ? n : 1;
    }
    return b.size ? buf_take(&b) : mem_strdup("");
}

/* The prompt of a clip: as a video, or as so many pictures taken from it, for models that know no videos. */
static lmm_status prompt_of(lmm_prompt **out, const clip *c, const ego_caption_opts *o) {
    char dir[] = "/tmp/lmm-ego-caption-XXXXXX";
    const char *videos[] = {c->path};
    char **names = NULL;
    double *times = NULL;
    int count = 0;
    buf messages = {0};
    lmm_prompt_opts p = {.video.frames = o->frames, .add_generation_prompt = true};
    lmm_status st = LMM_OK;
    if (o->frames && !mkdtemp(dir)) return LMM_FAIL(LMM_E_IO, "cannot make a folder for frames in /tmp");
    if (o->frames) st = lmm_video_frames(c->path, &p.video, NULL, 0, dir, &times, &count);
    if (!st && o->frames) st = dir_list(&names, &count, dir);
    for (int i = 0; i < count && !st; i++) {
        char *path = path_join(dir, names[i]);
        free(names[i]);
        names[i] = path;
    }
    if (o->frames) p.images = (const char *const *)names, p.image_count = count;
    else p.videos = videos, p.video_count = 1;
    buf_puts(&messages, "[{\"role\": \"user\", \"content\": ");
    json_quote(&messages, o->prompt, strlen(o->prompt));
    buf_puts(&messages, "}]");
    if (!st) st = lmm_prompt_messages(out, o->captioner, messages.data, messages.size, &p);
    buf_free(&messages);
    if (names) names_free(names, count);
    if (o->frames) dir_remove(dir);
    free(times);
    return st;
}

/* What the model says of the clip's pictures; free(*out). */
static lmm_status look(lmm_session *s, const clip *c, const ego_caption_opts *o, char **out) {
    lmm_prompt *prompt = NULL;
    lmm_answer answer;
    lmm_status st = prompt_of(&prompt, c, o);
    if (!st) st = lmm_session_sync(s, prompt, NULL);
    if (!st) st = lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = TOKENS_MAX}, NULL, NULL, &answer);
    if (!st) {
        if (answer.finish == LMM_FINISH_CANCELLED) st = LMM_FAIL(LMM_E_CANCELLED, "stopped; the same command goes on");
        else *out = with_names(answer.text, o);
        lmm_answers_free(&answer, 1);
    }
    lmm_prompt_free(prompt);
    return st;
}

static bool has_words(const char *text) { return text[strspn(text, " \t\r\n")] != 0; }

static lmm_status add_speech(ego *e, const clip *c, const lmm_transcript *t, int *count) {
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < t->count; i++) {
        const lmm_segment *s = &t->segments[i];
        const char *text = s->text + strspn(s->text, " ");
        if (!has_words(text)) continue;
        const int64_t t0 = c->t0 + (int64_t)(s->start * 1000), t1 = min_i64(c->t1, c->t0 + (int64_t)(s->end * 1000));
        st = ego_add(e, &(ego_row){EGO_SPEECH, c->stream, t0, max_i64(t0, t1), 0, NULL, text, c->path});
        ++*count;
    }
    return st;
}

/* Most cameras' clips have sound, some have none: that is no fault of the pictures. */
static lmm_status listen(const clip *c, const ego_caption_opts *o, lmm_transcript *out, ego_caption_report *r) {
    lmm_status st = lmm_transcribe(o->listener, c->path, &(lmm_transcribe_opts){.language = o->language}, NULL, NULL, out);
    if (st && st != LMM_E_CANCELLED) r->unheard++, st = LMM_OK;
    return st;
}

static lmm_status describe(ego *e, lmm_session *s, const clip *c, const ego_caption_opts *o, ego_caption_report *r) {
    char *caption = NULL;
    lmm_transcript speech = {0};
    int utterances = 0;
    lmm_status st = s ? look(s, c, o, &caption) : LMM_OK;
    if (!st && o->listener) st = listen(c, o, &speech, r);
    if (!st) st = ego_begin(e);
    if (!st && caption && has_words(caption)) st = ego_add(e, &(ego_row){EGO_CAPTION, c->stream, c->t0, c->t1, 0, NULL, caption, c->path});
    if (!st) st = add_speech(e, c, &speech, &utterances);
    if (!st) st = ego_commit(e);
    else if (e->pending) ego_rollback(e);
    if (!st) r->captions += caption != NULL, r->utterances += utterances;
    lmm_transcript_free(&speech);
    free(caption);
    return st;
}

static void note(ego_caption_report *r, const char *path) {
    r->failed++;
    if (r->notes.size < NOTES_MAX) buf_printf(&r->notes, "%s: %s\n", path, lmm_message());
}

lmm_status ego_caption(ego *e, const ego_caption_opts *o, ego_caption_report *r) {
    clips all = {0};
    lmm_session *s = NULL;
    lmm_status st = undescribed(e, &all);
    *r = (ego_caption_report){0};
    if (!st && o->captioner) st = lmm_session_open(&s, o->captioner, &(lmm_session_opts){0});
    progress *bar = st || o->quiet ? NULL : progress_new("caption", all.count, "clips");
    for (int i = 0; !st && i < all.count && (!o->limit || i < o->limit); i++) {
        lmm_status one = describe(e, s, &all.at[i], o, r);
        if (one == LMM_E_CANCELLED) st = one;
        else if (one) note(r, all.at[i].path);
        r->clips++;
        if (bar) progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    lmm_session_close(s);
    for (int i = 0; i < all.count; i++) free(all.at[i].path);
    free(all.at);
    return st;
}
