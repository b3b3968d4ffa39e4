/* records.c - a record of LLaVA's data as messages; the pictures, videos and sounds it names are taken mark by mark.
 *
 * A record: {id, image: "a.png" | {bytes, path} | a list of these, video: "a.mp4" | a list, audio: as image, conversations: [{from: human | gpt, value}, ...]}; role / content are read too. The texts
 * hold a mark <image>, <video> or <audio> for each; where a record has only videos, <image> means one too, as in LLaVA-Video's data. Sounds are named by audio, sound or speech,
 * and <speech> and <sound> mark them too; in a record that names none these are words like others. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/train_int.h"

/* ---- turns ---- */

const char *turn_role(const tree *turn) {
    const char *from = tree_str(turn, "from", tree_str(turn, "role", ""));
    if (!strcmp(from, "human") || !strcmp(from, "user")) return "user";
    if (!strcmp(from, "gpt") || !strcmp(from, "assistant")) return "assistant";
    return !strcmp(from, "system") ? "system" : NULL;
}

const char *turn_text(const tree *turn) { return tree_str(turn, "value", tree_str(turn, "content", NULL)); }

static void add_text_part(tree *parts, const char *s, size_t n) {
    if (!n) return;
    tree *part = tree_new(TREE_MAP);
    tree_put(part, "type", tree_new_string("text"));
    tree_put(part, "text", tree_new_text(s, n));
    tree_add(parts, part);
}

/* ---- pictures, videos and sounds ---- */

const medium_kind medium_kinds[MEDIUM_KINDS] =
    {{{"<image>"}, {"image", "images"}, "image", "pictures"},
     {{"<video>"}, {"video", "videos"}, "video", "videos"},
     {{"<audio>", "<speech>", "<sound>"}, {"audio", "audios", "sound", "sounds", "speech"}, "audio", "sounds"}};

const tree *record_media(const tree *record, int kind) {
    for (const char *const *key = medium_kinds[kind].keys; *key; key++) {
        const tree *t = tree_get(record, *key);
        if (t && t->type != TREE_NULL) return t; /* a table has all columns in every row */
    }
    return NULL;
}

static bool is_text(const tree *t) { return t && t->type == TREE_STRING; }

int record_media_count(const tree *record, int kind) {
    const tree *t = record_media(record, kind);
    if (!t) return 0;
    if (t->type == TREE_MAP) return is_text(tree_get(t, "bytes")) || is_text(tree_get(t, "path"));
    return t->type == TREE_LIST ? t->count : t->type == TREE_STRING;
}

/* The file a name in the record means, or the picture or sound itself as a data: URI; NULL: it is neither. A medium's bytes always hold a NUL, which a name never does. */
static char *medium_path(const media_source *src, int kind, const tree *t) {
    const tree *bytes = t->type == TREE_MAP ? tree_get(t, "bytes") : t, *name = t->type == TREE_MAP ? tree_get(t, "path") : t;
    const bool holds = is_text(bytes) && (bytes != t || strlen(t->text) != t->text_size);
    if (holds && bytes->text_size && kind == MEDIUM_VIDEO) return NULL;
    if (holds && bytes->text_size) return (kind == MEDIUM_PICTURE ? picture_uri : sound_uri)(bytes->text, bytes->text_size);
    if (!is_text(name)) return NULL;
    return kind != MEDIUM_VIDEO && is_data_uri(name->text) ? mem_strdup(name->text) : path_join(src->root, name->text);
}

/* What a mark of `kind` stands for in this record's texts. */
static int mark_kind(const media_source *src, int kind) {
    return kind == MEDIUM_PICTURE && !record_media_count(src->record, MEDIUM_PICTURE) && record_media_count(src->record, MEDIUM_VIDEO)
               ? MEDIUM_VIDEO
               : kind;
}

static void take_medium(media_source *src, int kind) {
    int number = src->found[kind]++;
    const tree *t = record_media(src->record, kind);
    const tree *one = number >= record_media_count(src->record, kind) ? NULL : t->type == TREE_LIST ? t->items[number] : t;
    char *path = one ? medium_path(src, kind, one) : NULL;
    if (path) VEC_PUSH(src->to, ((media_ref){path, kind == MEDIUM_VIDEO, kind == MEDIUM_SOUND}));
}

lmm_status record_media_check(const media_source *src) {
    int taken[MEDIUM_KINDS] = {0};
    for (int i = 0; i < src->to->count; i++) taken[medium_of(&src->to->at[i])]++;
    for (int k = 0; k < MEDIUM_KINDS; k++) {
        const medium_kind *kind = &medium_kinds[k];
        const int named = record_media_count(src->record, k);
        if (src->found[k] != named)
            return LMM_FAIL(LMM_E_FORMAT, "it names %d %s and has %d %s marks", named, kind->many, src->found[k], kind->marks[0]);
        if (taken[k] != named)
            return LMM_FAIL(LMM_E_FORMAT, "'%s' holds what is no name of a file%s", kind->keys[0],
                            k == MEDIUM_VIDEO ? "" : ", nor its bytes");
    }
    return LMM_OK;
}

const char *next_mark(const tree *record, const char *text, int *kind, size_t *size) {
    const char *first = NULL;
    for (int k = 0; k < MEDIUM_KINDS; k++) {
        if (k == MEDIUM_SOUND && !record_media_count(record, k)) continue;
        for (const char *const *mark = medium_kinds[k].marks; *mark; mark++) {
            const char *at = strstr(text, *mark);
            if (at && (!first || at < first)) first = at, *kind = k, *size = strlen(*mark);
        }
    }
    return first;
}

/* "<image>\nWhat?" becomes a picture part and a text part; templates write their own newline after a picture. */
tree *turn_message(const char *role, const char *text, media_source *src) {
    tree *message = tree_new(TREE_MAP), *parts = tree_new(TREE_LIST);
    int mark = 0;
    size_t size = 0;
    tree_put(message, "role", tree_new_string(role));
    for (const char *at; (at = next_mark(src->record, text, &mark, &size));) {
        int kind = mark_kind(src, mark);
        add_text_part(parts, text, (size_t)(at - text));
        tree *part = tree_new(TREE_MAP);
        tree_put(part, "type", tree_new_string(medium_kinds[kind].type));
        tree_put(part, medium_kinds[kind].type, tree_new_string(""));
        tree_add(parts, part);
        take_medium(src, kind);
        text = at + size;
        if (*text == '\n') text++;
    }
    add_text_part(parts, text, strlen(text));
    tree_put(message, "content", parts);
    return message;
}

/* All turns as messages; NULL when the record makes no sense. A first turn that is not human is dropped. */
tree *record_messages(media_source *src) {
    const tree *turns = tree_get(src->record, "conversations");
    if (!turns || turns->type != TREE_LIST) return NULL;
    tree *messages = tree_new(TREE_LIST);
    for (int i = 0; i < turns->count; i++) {
        const char *role = turn_role(turns->items[i]), *text = turn_text(turns->items[i]);
        if (!role || !text) return tree_free(messages), NULL;
        if (i == 0 && !strcmp(role, "assistant")) continue;
        tree_add(messages, turn_message(role, text, src));
    }
    return messages;
}
