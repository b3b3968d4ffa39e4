/* write.c - a split of a generated data set as files: pictures or clips, conversations to train on, and questions to measure with. */
#include "synth/synth_int.h"

#include <stdlib.h>

typedef struct {
    const synth_kind *kind;
    const char *dir;
    const char *split;
    synth_clip_format clips;
    file_writer *conversations, *questions;
    int64_t written;
    bool think, media; /* media: pictures or clips beside the words */
} writer;

lmm_status frames_write(const char *dir, const image *frames, int count) {
    lmm_status st = dir_make(dir);
    for (int i = 0; i < count && !st; i++) {
        char *path = mem_printf("%s/%04d.png", dir, i);
        st = image_save_png(&frames[i], path);
        free(path);
    }
    return st;
}

/* `name`, relative to the data set's folder. */
static lmm_status write_media(const writer *w, const synth_item *item, const char *name) {
    char *path = path_join(w->dir, name);
    lmm_status st = !w->kind->clip          ? image_save_png(&item->frames[0], path)
                    : w->clips == SYNTH_MP4 ? frames_save_mp4(item->frames, item->frame_count, item->fps, path)
                                            : frames_write(path, item->frames, item->frame_count);
    free(path);
    return st;
}

static tree *turn(const char *from, char *value) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "from", tree_new_string(from));
    tree_put(t, "value", tree_new_string(value));
    free(value);
    return t;
}

static tree *conversation(const writer *w, const synth_item *item, const char *id, const char *name) {
    const char *media = w->kind->clip ? "video" : "image";
    tree *record = tree_new(TREE_MAP), *turns = tree_new(TREE_LIST), *families = tree_new(TREE_LIST), *reasoning = tree_new(TREE_LIST);
    tree_put(record, "id", tree_new_string(id));
    if (w->media) tree_put(record, media, tree_new_string(name));
    for (int i = 0; i < item->questions.count; i++) {
        const synth_question *q = &item->questions.at[i];
        tree_add(turns, turn("human", i || !w->media ? mem_strdup(q->question) : mem_printf("<%s>\n%s", media, q->question)));
        tree_add(turns, turn("gpt", w->think ? mem_printf("<think>%s</think><answer>%s</answer>", q->reasoning, q->answer)
                                             : mem_strdup(q->answer)));
        tree_add(families, tree_new_string(q->family));
        tree_add(reasoning, tree_new_string(q->reasoning));
    }
    tree_put(record, "conversations", turns);
    tree_put(record, "families", families);
    tree_put(record, "reasoning", reasoning);
    return record;
}

static tree *question_row(const writer *w, const synth_question *q, const char *id, int number, const char *name) {
    tree *row = tree_new(TREE_MAP);
    char *full = mem_printf("%s-%d", id, number);
    tree_put(row, "id", tree_new_string(full));
    if (w->media) tree_put(row, w->kind->clip ? "video" : "image", tree_new_string(name));
    tree_put(row, "question", tree_new_string(q->question));
    tree_put(row, "answer", tree_new_string(q->answer));
    tree_put(row, "family", tree_new_string(q->family));
    tree_put(row, "reasoning", tree_new_string(q->reasoning));
    free(full);
    return row;
}

/* Takes the record. */
static lmm_status put_record(file_writer *f, tree *record, const char *before, const char *after) {
    buf b = {0};
    buf_puts(&b, before);
    tree_write_json(&b, record, 0);
    buf_puts(&b, after);
    lmm_status st = file_writer_put(f, b.data, b.size);
    buf_free(&b);
    tree_free(record);
    return st;
}

static lmm_status write_item(writer *w, const synth_item *item, int64_t index) {
    char *id = mem_printf("%s-%s-%06" PRId64, w->kind->name, w->split, index);
    char *name = mem_printf("%s/%06" PRId64 "%s", w->split, index, !w->kind->clip ? ".png" : w->clips == SYNTH_MP4 ? ".mp4" : "");
    lmm_status st = w->media ? write_media(w, item, name) : LMM_OK;
    if (!st) st = put_record(w->conversations, conversation(w, item, id, name), w->written++ ? ",\n" : "[\n", "");
    for (int i = 0; i < item->questions.count && !st; i++)
        st = put_record(w->questions, question_row(w, &item->questions.at[i], id, i, name), "", "\n");
    free(name);
    free(id);
    return st;
}

const char *synth_noun(const synth_kind *k, synth_split split) {
    return split == SYNTH_WORDS ? "conversations" : k->clip ? "clips" : "pictures";
}

static lmm_status write_all(writer *w, const synth_options *o, synth_split split, int64_t count) {
    progress *bar = progress_new(w->split, count, synth_noun(w->kind, split));
    lmm_status st = LMM_OK;
    for (int64_t i = 0; i < count && !st; i++) {
        synth_item item;
        st = synth_make(&item, w->kind, o, split, i);
        if (st) break;
        st = write_item(w, &item, i);
        synth_item_free(&item);
        progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    return st ? st : file_writer_put(w->conversations, w->written ? "\n]\n" : "[]\n", 3);
}

static lmm_status writer_open(file_writer **out, const char *dir, const char *split, const char *extension) {
    char *path = mem_printf("%s/%s%s", dir, split, extension);
    lmm_status st = file_writer_open(out, path);
    free(path);
    return st;
}

lmm_status synth_write(const char *dir, const synth_kind *k, const synth_options *o, synth_split split, int64_t count,
                       synth_clip_format clips) {
    writer w = {.kind = k, .dir = dir, .split = synth_split_names[split], .clips = clips, .think = o->think, .media = split != SYNTH_WORDS};
    char *media = w.media ? path_join(dir, w.split) : mem_strdup(dir);
    lmm_status st = dir_make(media);
    if (!st) st = writer_open(&w.conversations, dir, w.split, ".json");
    if (!st) st = writer_open(&w.questions, dir, w.split, ".jsonl");
    if (!st) st = write_all(&w, o, split, count);
    free(media);
    if (st) {
        file_writer_abort(w.questions);
        file_writer_abort(w.conversations);
        return st;
    }
    st = file_writer_commit(w.questions);
    if (st) return file_writer_abort(w.conversations), st;
    return file_writer_commit(w.conversations);
}
