/* lecture_write.c - lectures as Video-MMMU's own layout, so that its tasks run on them: DIR is a data folder with the data set lmms-lab/VideoMMMU below it.
 *
 *   Perception|Comprehension|Adaptation/SPLIT.jsonl   a row a lecture
 *   videos/ID.mp4, or frames in videos/ID             slides, then the quiz picture
 *   question_only/ID_image.mp4, or ID_image           the quiz picture alone
 *   transcripts/ID.txt                                what is said */
#include "synth/lecture.h"

#include <stdlib.h>
#include <string.h>

enum { REPEATS = 2, QUESTION_FRAMES = 2 }; /* frames a picture stays in the films, one a second */

static const char *const tracks[LECTURE_TRACKS] = {"Perception", "Comprehension", "Adaptation"};
/* One of each discipline: ids hold a subject. */
static const char *const subjects[] = {"Music", "Finance", "Physics", "Pharmacy", "History", "Electronics"};

typedef struct {
    char *home;
    file_writer *rows[LECTURE_TRACKS];
    synth_clip_format format;
} writer;

static lmm_status write_film(const char *path, const image *pictures, int count, int repeats) {
    image *frames = mem_new((size_t)(count * repeats), sizeof *frames);
    for (int i = 0; i < count * repeats; i++) frames[i] = pictures[i / repeats];
    lmm_status st = frames_save_mp4(frames, count * repeats, 1, path);
    free(frames);
    return st;
}

static lmm_status write_frames(const writer *w, const char *folder, const char *name, const image *pictures, int count, int repeats) {
    const bool film = w->format == SYNTH_MP4;
    char *path = mem_printf("%s/%s/%s%s", w->home, folder, name, film ? ".mp4" : "");
    lmm_status st = film ? write_film(path, pictures, count, repeats) : frames_write(path, pictures, count);
    free(path);
    return st;
}

static lmm_status write_media(const writer *w, const lecture *l, const synth_item *item, const char *id) {
    char *question = mem_printf("%s_image", id);
    lmm_status st = write_frames(w, "videos", id, item->frames, item->frame_count, REPEATS);
    if (!st) st = write_frames(w, "question_only", question, &item->frames[LECTURE_SLIDES], 1, QUESTION_FRAMES);
    char *path = mem_printf("%s/transcripts/%s.txt", w->home, id), *speech = lecture_speech(l);
    if (!st) st = file_write(path, speech, strlen(speech));
    free(speech);
    free(path);
    free(question);
    return st;
}

static lmm_status write_rows(const writer *w, const lecture *l, const char *id) {
    lmm_status st = LMM_OK;
    for (int k = 0; k < LECTURE_TRACKS && !st; k++) {
        buf line = {0};
        tree *row = lecture_row(l, (lecture_track)k, id);
        tree_write_json(&line, row, 0);
        buf_putc(&line, '\n');
        st = file_writer_put(w->rows[k], line.data, line.size);
        buf_free(&line);
        tree_free(row);
    }
    return st;
}

static lmm_status write_lecture(const writer *w, const synth_options *o, bool spoken, synth_split split, int64_t index) {
    lecture l = lecture_make(o->seed, split, index);
    synth_item item;
    lmm_status st = lecture_draw(&item, &l, o->side ? o->side : 128, spoken, o->seed + (uint64_t)index);
    if (st) return st;
    char *id = mem_printf("%s_%s_%" PRId64, synth_split_names[split], subjects[index % (int64_t)COUNT_OF(subjects)], index + 1);
    st = write_media(w, &l, &item, id);
    if (!st) st = write_rows(w, &l, id);
    free(id);
    synth_item_free(&item);
    return st;
}

static lmm_status open_files(writer *w, const char *split) {
    static const char *const folders[] = {"videos", "question_only", "transcripts"};
    lmm_status st = LMM_OK;
    for (size_t i = 0; i < COUNT_OF(folders) && !st; i++) {
        char *dir = path_join(w->home, folders[i]);
        st = dir_make(dir);
        free(dir);
    }
    for (int k = 0; k < LECTURE_TRACKS && !st; k++) {
        char *dir = path_join(w->home, tracks[k]), *path = mem_printf("%s/%s.jsonl", dir, split);
        st = dir_make(dir);
        if (!st) st = file_writer_open(&w->rows[k], path);
        free(path);
        free(dir);
    }
    return st;
}

lmm_status lectures_write(const char *dir, const synth_options *o, bool spoken, synth_split split, int64_t count,
                          synth_clip_format format) {
    writer w = {.format = format, .home = path_join(dir, "lmms-lab/VideoMMMU")};
    progress *bar = progress_new(synth_split_names[split], count, "lectures");
    lmm_status st = open_files(&w, synth_split_names[split]);
    for (int64_t i = 0; i < count && !st; i++) {
        st = write_lecture(&w, o, spoken, split, i);
        progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    for (int k = 0; k < LECTURE_TRACKS; k++)
        if (st) file_writer_abort(w.rows[k]);
        else st = file_writer_commit(w.rows[k]);
    free(w.home);
    return st;
}
