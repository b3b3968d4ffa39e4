/* records.c - a record of LLaVA's data as messages; the pictures and videos it names are taken mark by mark.
 *
 * A record: {id, image: "a.png" | {bytes, path} | a list of these, video: "a.mp4" | a list, conversations: [{from: human | gpt, value}, ...]}; role / content are read too. The texts
 * hold a mark <image> or <video> for each; where a record has only videos, both marks mean one, as in LLaVA-Video's data. */
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

/* ---- pictures and videos ---- */

const medium_kind medium_kinds[2] = {{"<image>", "image", "image", "images"}, {"<video>", "video", "video", "videos"}};

const tree *record_media(const tree *record, int kind) {
    const tree *t = tree_get(record, medium_kinds[kind].key);
    return t && t->type != TREE_NULL ? t : tree_get(record, medium_kinds[kind].keys); /* a table has both columns in every row */
}

static bool is_text(const tree *t) { return t && t->type == TREE_STRING; }

int record_media_count(const tree *record, int kind) {
    const tree *t = record_media(record, kind);
    if (!t) return 0;
    if (t->type == TREE_MAP) return is_text(tree_get(t, "bytes")) || is_text(tree_get(t, "path"));
    return t->type == TREE_LIST ? t->count : t->type == TREE_STRING;
}

/* The file a name in the record means, or the picture itself as a data: URI; NULL: it is neither. A picture's bytes always hold a NUL, which a name never does. */
static char *medium_path(const media_source *src, int kind, const tree *t) {
    const tree *bytes = t->type == TREE_MAP ? tree_get(t, "bytes") : t, *name = t->type == TREE_MAP ? tree_get(t, "path") : t;
    const bool holds = is_text(bytes) && (bytes != t || strlen(t->text) != t->text_size);
    if (holds && bytes->text_size) return kind == 0 ? picture_uri(bytes->text, bytes->text_size) : NULL;
    if (!is_text(name)) return NULL;
    return kind == 0 && image_is_data_uri(name->text) ? mem_strdup(name->text) : path_join(src->root, name->text);
}

/* Kind of a mark in this record's texts. */
static int mark_kind(const media_source *src, int mark) {
    return !record_media_count(src->record, 0) && record_media_count(src->record, 1) ? 1 : mark;
}

static void take_medium(media_source *src, int kind) {
    int number = src->found[kind]++;
    const tree *t = record_media(src->record, kind);
    const tree *one = number >= record_media_count(src->record, kind) ? NULL : t->type == TREE_LIST ? t->items[number] : t;
    char *path = one ? medium_path(src, kind, one) : NULL;
    if (path) VEC_PUSH(src->to, ((media_ref){.path = path, .video = kind == 1}));
}

lmm_status record_media_check(const media_source *src) {
    int taken[2] = {0};
    for (int i = 0; i < src->to->count; i++) taken[src->to->at[i].video]++;
    for (int k = 0; k < 2; k++) {
        if (src->found[k] == record_media_count(src->record, k) && src->found[k] != taken[k])
            return LMM_FAIL(LMM_E_FORMAT, "'%s' holds something that is no %s", medium_kinds[k].key,
                            k ? "name of a video" : "picture's name or bytes");
        if (src->found[k] != record_media_count(src->record, k))
            return LMM_FAIL(LMM_E_FORMAT, "it names %d %s and has %d %s marks", record_media_count(src->record, k),
                            k ? "videos" : "pictures", src->found[k], medium_kinds[k].mark);
    }
    return LMM_OK;
}

/* The next mark in the text, NULL: none. */
const char *next_mark(const char *text, int *mark) {
    const char *first = NULL;
    for (int k = 0; k < 2; k++) {
        const char *at = strstr(text, medium_kinds[k].mark);
        if (at && (!first || at < first)) first = at, *mark = k;
    }
    return first;
}

/* "<image>\nWhat?" becomes a picture part and a text part; templates write their own newline after a picture. */
tree *turn_message(const char *role, const char *text, media_source *src) {
    tree *message = tree_new(TREE_MAP), *parts = tree_new(TREE_LIST);
    int mark = 0;
    tree_put(message, "role", tree_new_string(role));
    for (const char *at; (at = next_mark(text, &mark));) {
        int kind = mark_kind(src, mark);
        add_text_part(parts, text, (size_t)(at - text));
        tree *part = tree_new(TREE_MAP);
        tree_put(part, "type", tree_new_string(medium_kinds[kind].type));
        tree_put(part, medium_kinds[kind].type, tree_new_string(""));
        tree_add(parts, part);
        take_medium(src, kind);
        text = at + strlen(medium_kinds[mark].mark);
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
