/* rows.c - captions and transcripts as JSON: EgoRAG's and WorldMM's arrays, EgoLifeCap/Sync, and our own JSON lines. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego.h"

/* A stamp that is text or a number, HHMMSSFF; HHMMSS when `seconds`. */
static bool stamp_of(const tree *t, int day, bool seconds, int64_t *ms) {
    char digits[32];
    if (!t) return false;
    if (t->type == TREE_STRING) snprintf(digits, sizeof digits, "%.20s%s", t->text, seconds ? "00" : "");
    else if (t->type == TREE_INT && t->i >= 0) snprintf(digits, sizeof digits, "%" PRId64 "%s", t->i, seconds ? "00" : "");
    else return false;
    return ego_stamp(digits, strlen(digits), day, ms);
}

/* An empty text is no cue; a NUL ends it. */
static bool push(ego_cues *out, int64_t t0, int64_t t1, const char *speaker, bool speech, const tree *text) {
    if (!text || text->type != TREE_STRING || !text->text[0] || t1 < t0) return false;
    VEC_PUSH(&out->cues, ((ego_cue){.t0 = t0,
                                    .t1 = t1,
                                    .speaker = speaker && *speaker ? mem_strdup(speaker) : NULL,
                                    .text = mem_strdup(text->text),
                                    .speech = speech}));
    return true;
}

static bool caption_row(ego_cues *out, const tree *row) {
    int day = 0;
    int64_t t0, t1;
    const char *date = tree_str(row, "date", "");
    return ego_day(date, strlen(date), &day) && stamp_of(tree_get(row, "start_time"), day, false, &t0) &&
           stamp_of(tree_get(row, "end_time"), day, false, &t1) && push(out, t0, t1, NULL, false, tree_get(row, "text"));
}

/* {video_file: "DAY1_A1_JAKE_11094208.mp4", data: [{start, end (HHMMSS), text, type}]} */
static bool sync_row(ego_cues *out, const tree *row) {
    int day = 0, got = 0;
    const char *file = tree_str(row, "video_file", ""), *name = path_base(file);
    const tree *data = tree_get(row, "data");
    if (!ego_day(name, strcspn(name, "_"), &day) || !data || data->type != TREE_LIST) return false;
    for (int i = 0; i < data->count; i++) {
        int64_t t0, t1;
        const tree *d = data->items[i];
        bool speech = !strcmp(tree_str(d, "type", "caption"), "transcript");
        bool ok = stamp_of(tree_get(d, "start"), day, true, &t0) && stamp_of(tree_get(d, "end"), day, true, &t1);
        got += ok && push(out, t0, t1, NULL, speech, tree_get(d, "text"));
    }
    return got > 0 || !data->count;
}

lmm_status ego_captions_parse(ego_cues *out, const char *text, size_t size, const char *name) {
    tree *t;
    lmm_status st = tree_parse_json(&t, text, size, name);
    if (st) return st;
    if (t->type != TREE_LIST) {
        tree_free(t);
        return LMM_FAIL(LMM_E_FORMAT, "'%s' is no list of captions: expected [{\"date\", \"start_time\", \"end_time\", \"text\"}, ...]",
                        name);
    }
    for (int i = 0; i < t->count; i++) {
        const tree *row = t->items[i];
        if (tree_get(row, "data") ? sync_row(out, row) : caption_row(out, row)) continue;
        out->skipped++;
        if (!out->first_bad) out->first_bad = i + 1;
    }
    tree_free(t);
    return LMM_OK;
}

/* Times of our own lines: ms when "t0"/"t1" are there, else day + HHMMSSFF. */
static bool line_times(const tree *t, int64_t *t0, int64_t *t1) {
    const tree *a = tree_get(t, "t0"), *b = tree_get(t, "t1");
    if (a && b && a->type == TREE_INT && b->type == TREE_INT) {
        *t0 = a->i, *t1 = b->i;
        return a->i >= 0 && b->i >= a->i && b->i < (int64_t)10000 * EGO_DAY;
    }
    int day = (int)tree_int(t, "day", 0);
    const char *date = tree_str(t, "date", "");
    if (!day) ego_day(date, strlen(date), &day);
    return day < 10000 && stamp_of(tree_get(t, "start"), day, false, t0) && stamp_of(tree_get(t, "end"), day, false, t1);
}

static bool line_push(ego_cues *out, const tree *t) {
    int64_t t0, t1;
    const char *speaker = tree_str(t, "speaker", NULL), *wearer = tree_str(t, "wearer", NULL),
               *kind = tree_str(t, "kind", speaker ? "speech" : "caption");
    if (!line_times(t, &t0, &t1) || !push(out, t0, t1, speaker, !strcmp(kind, "speech"), tree_get(t, "text"))) return false;
    ego_cue *cue = &out->cues.at[out->cues.count - 1];
    cue->wearer = wearer && *wearer ? mem_strdup(wearer) : NULL;
    cue->known = tree_int(t, "known", 0);
    return true;
}

void ego_jsonl_parse(ego_cues *out, const char *text, size_t size) {
    int number = 0;
    for (const char *p = text, *end = text + size; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((stop ? stop : end) - p), blank = 0;
        number++;
        while (blank < n && (p[blank] == ' ' || p[blank] == '\r')) blank++;
        if (blank < n) {
            tree *t = NULL;
            bool ok = !tree_parse_json(&t, p, n, "line") && line_push(out, t);
            if (!ok && !out->skipped++) out->first_bad = number;
            tree_free(t);
        }
        p = stop ? stop + 1 : end;
    }
}
