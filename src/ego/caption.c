/* caption.c - clips that were imported but not described yet: pictures to captions, sound to transcripts, by models of this engine.
 *
 * A clip is one transaction, known by its path as the source of its rows, so a killed run goes on with the next clip. What models say is data like any
 * other caption. A clip that cannot be read is named and passed over. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { NOTES_MAX = 1 << 16 };

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

/* seen: what the pictures show, NULL when nobody was asked. Sound is heard, and both are kept in one transaction. */
static lmm_status keep(ego *e, const clip *c, const char *seen, const ego_caption_opts *o, ego_caption_report *r) {
    char *caption = seen ? with_names(seen, o) : NULL;
    lmm_transcript speech = {0};
    int utterances = 0;
    lmm_status st = o->listener ? listen(c, o, &speech, r) : LMM_OK;
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

/* A clip that failed is noted, and no failure of the run; being stopped is. */
static lmm_status count_clip(ego_caption_report *r, const clip *c, lmm_status st) {
    if (st == LMM_E_CANCELLED) return st;
    if (st) note(r, c->path);
    r->clips++;
    return LMM_OK;
}

static lmm_status run_here(ego *e, const clips *all, const ego_caption_opts *o, ego_caption_report *r, progress *bar) {
    lmm_session *s = NULL;
    lmm_status st = o->captioner ? lmm_session_open(&s, o->captioner, &(lmm_session_opts){0}) : LMM_OK;
    for (int i = 0; !st && i < all->count; i++) {
        char *seen = NULL;
        lmm_status one = s ? clip_look(s, all->at[i].path, o, &seen) : LMM_OK;
        if (!one) one = keep(e, &all->at[i], seen, o, r);
        free(seen);
        st = count_clip(r, &all->at[i], one);
        if (bar) progress_set(bar, i + 1, NULL);
    }
    lmm_session_close(s);
    return st;
}

/* ---- somebody else's eyes: clips are on their way while others are prepared ---- */

typedef struct {
    ego *e;
    const clips *all;
    const ego_caption_opts *o;
    ego_caption_report *r;
    progress *bar;
    int next;
    char **asked; /* of the clips on their way */
} remote;

static lmm_status next_request(void *arg, lmm_chat_request *out, bool *there) {
    remote *w = arg;
    lmm_status st = LMM_OK;
    for (*there = false; !*there && !st && w->next < w->all->count; w->next++) {
        const clip *c = &w->all->at[w->next];
        lmm_status one = clip_messages(c->path, w->o, &w->asked[w->next]);
        if (one) st = count_clip(w->r, c, one);
        else *there = true, *out = (lmm_chat_request){.id = w->next, .messages = w->asked[w->next], .max_tokens = CAPTION_TOKENS_MAX};
    }
    return st;
}

static lmm_status take_reply(void *arg, int64_t id, const lmm_chat_reply *reply) {
    remote *w = arg;
    const clip *c = &w->all->at[id];
    buf seen = {0};
    free(w->asked[id]);
    w->asked[id] = NULL;
    if (reply->text) utf8_repair(&seen, reply->text, strlen(reply->text));
    lmm_status st = reply->text ? keep(w->e, c, seen.data ? seen.data : "", w->o, w->r) : LMM_FAIL(LMM_E_IO, "%s", reply->failure);
    buf_free(&seen);
    st = count_clip(w->r, c, st);
    if (w->bar) progress_set(w->bar, w->r->clips, NULL);
    return st;
}

static lmm_status run_there(ego *e, const clips *all, const ego_caption_opts *o, ego_caption_report *r, progress *bar) {
    remote w = {e, all, o, r, bar, 0, mem_new((size_t)all->count + 1, sizeof *w.asked)};
    lmm_status st = o->ask(o->ask_self, &(lmm_chat_feed){next_request, take_reply, &w});
    for (int i = 0; i < all->count; i++) free(w.asked[i]);
    free(w.asked);
    return st;
}

lmm_status ego_caption(ego *e, const ego_caption_opts *o, ego_caption_report *r) {
    clips all = {0};
    lmm_status st = undescribed(e, &all);
    *r = (ego_caption_report){0};
    const int found = all.count;
    if (o->limit) all.count = min_int(found, o->limit);
    progress *bar = st || o->quiet ? NULL : progress_new("caption", all.count, "clips");
    if (!st) st = (o->ask ? run_there : run_here)(e, &all, o, r, bar);
    progress_free(bar);
    for (int i = 0; i < found; i++) free(all.at[i].path);
    free(all.at);
    return st;
}
