/* synth.h - pictures and clips made from nothing, with questions whose answers are known.
 *
 * A sample is a pure function of (seed, kind, split, index), so a data set needs no storage but its command line. The splits share no combination:
 * what a training picture shows and asks about (shape with colour, number, value with label) never is what a test question asks about.
 * Every question carries the reasoning that leads to its answer. */
#ifndef LMM_SYNTH_H
#define LMM_SYNTH_H

#include "base/base.h"
#include "media/media.h"

/* SYNTH_WORDS: conversations without pictures, of all combinations, for the decoder to learn its language from; on request only. */
typedef enum { SYNTH_TRAIN, SYNTH_VALIDATION, SYNTH_TEST, SYNTH_WORDS, SYNTH_SPLIT_COUNT } synth_split;
extern const char *const synth_split_names[SYNTH_SPLIT_COUNT];

typedef struct {
    const char *family; /* existence, colour, count, ...: static */
    char *question, *answer, *reasoning;
} synth_question;

/* Zeros mean the defaults. */
typedef struct {
    uint64_t seed;
    int side;           /* of a picture, in pixels: 128 */
    int frames;         /* of a clip: 8 */
    int questions;      /* a picture at most: 4; clips have one */
    int things;         /* in a scene at most: 16; up to 4 and up to 9 stand in a coarser grid and are larger */
    int digits;         /* of a printed number at most: 4 */
    const char *family; /* only questions of this one, or of these in turn ("count,compare"); NULL: all of the kind */
    bool think;         /* conversations answer <think>reasoning</think><answer>answer</answer> */
    bool
        cells; /* reasoning begins with all that is seen in order, a step a place: "I see A red circle B - ..." (the cells of a scene's grid, the
                           bars of a chart, the frames of a clip), and what each means for the question is noted behind it */
} synth_options;
enum {
    SYNTH_SIDE_MIN = 48,
    SYNTH_SIDE_MAX = 1024,
    SYNTH_FRAMES_MIN = 4,
    SYNTH_FRAMES_MAX = 1024,
    SYNTH_THINGS_MIN = 2,
    SYNTH_THINGS_MAX = 16,
    SYNTH_DIGITS_MAX = 4
};

typedef struct {
    image *frames; /* one for a picture */
    int frame_count;
    double fps;
    VEC(synth_question) questions;
} synth_item;

typedef struct {
    const char *name, *summary;
    const char *const *families; /* NULL-terminated */
    bool clip;
    lmm_status (*make)(synth_item *out, const synth_options *o, int family, synth_split split, rng *r);
} synth_kind;

const synth_kind *synth_kind_at(int index); /* NULL behind the last */
lmm_status synth_find(const synth_kind **out, const char *name);
/* The first question of sample `index` is of family index % families (among those of o->family). Fails on options outside their bounds. */
lmm_status synth_make(synth_item *out, const synth_kind *k, const synth_options *o, synth_split split, int64_t index);
void synth_item_free(synth_item *item);

/* ---- writing (write.c) ---- */

typedef enum { SYNTH_FRAMES, SYNTH_MP4 } synth_clip_format;
const char *synth_noun(const synth_kind *k, synth_split split); /* what `count` counts: "pictures", "clips", "conversations" */
/* Writes `count` samples of a split:
 *   DIR/<split>/000000.png                   pictures; clips are folders of frames or files 000000.mp4
 *   DIR/<split>.json                         LLaVA's conversations, all questions of a picture in one; "families" and "reasoning" beside them
 *   DIR/<split>.jsonl                        a line a question: id, image or video, question, answer, family, reasoning
 * With a progress bar. */
lmm_status synth_write(const char *dir, const synth_kind *k, const synth_options *o, synth_split split, int64_t count,
                       synth_clip_format clips);
/* `count` lectures of a split as a data folder in Video-MMMU's layout (lecture.h, lecture_write.c); seed and side of the options. */
lmm_status lectures_write(const char *dir, const synth_options *o, bool spoken, synth_split split, int64_t count, synth_clip_format format);

#endif
