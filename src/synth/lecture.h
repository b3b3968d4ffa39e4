/* lecture.h - short lectures that teach something made up, and what was learnt from them: a stand-in for Video-MMMU (Hu et al. 2025) with known answers.
 *
 * A lecture shows its things one slide after the other, each with what it is worth; the last frame is a quiz picture of two of them. Three
 * questions follow: what a slide said (perception), what follows from the slides (comprehension), and what the quiz picture is worth (adaptation).
 * The six options of the last one are the right answers of six lectures that differ in what things are worth, and which of these is given is
 * drawn evenly: whoever has not seen the lecture can only guess. */
#ifndef LMM_SYNTH_LECTURE_H
#define LMM_SYNTH_LECTURE_H

#include "synth/synth_int.h"

enum { LECTURE_SLIDES = 4, LECTURE_OPTIONS = 6, LECTURE_WORTH_MAX = 6, LECTURE_QUIZ = 2, LECTURE_TRACKS = 3 };
typedef enum { PERCEPTION, COMPREHENSION, ADAPTATION } lecture_track;

typedef struct {
    look things[LECTURE_SLIDES]; /* of different shapes */
    int worth[LECTURE_SLIDES];   /* all different, 1 to LECTURE_WORTH_MAX */
    int asked;                   /* slide of the perception question */
    int quiz[LECTURE_QUIZ];      /* slides of the things in the quiz picture, from left to right */
    int sums[LECTURE_OPTIONS];   /* options of the adaptation question, ascending */
    bool open;                   /* the adaptation question has no options */
} lecture;

/* A pure function of (seed, split, index). */
lecture lecture_make(uint64_t seed, synth_split split, int64_t index);
int lecture_sum(const lecture *l);
/* Slides and quiz picture, LECTURE_SLIDES + 1 frames. spoken: slides show the thing without its worth, which only the speech tells. */
lmm_status lecture_draw(synth_item *out, const lecture *l, int side, bool spoken, uint64_t seed);
char *lecture_speech(const lecture *l); /* what the lecturer says; free() */
/* A row with Video-MMMU's columns id, question, options, answer, question_type, and the reasoning that leads there. tree_free */
tree *lecture_row(const lecture *l, lecture_track track, const char *id);

#endif
