/* synth_int.h - what the generators share: the vocabulary of the drawn world, its split into combinations, and how questions are put. */
#ifndef LMM_SYNTH_INT_H
#define LMM_SYNTH_INT_H

#include "synth/synth.h"

extern const synth_kind synth_scenes, synth_shapes, synth_colors, synth_charts, synth_numbers, synth_clips;

/* ---- the drawn world (world.c) ---- */

enum { SHAPE_COUNT = 6, COLOR_COUNT = 8 };
typedef struct {
    int shape, color;
} look;
typedef struct {
    const char *one, *many;
} noun;
extern const noun shape_names[SHAPE_COUNT];
extern const char *const color_names[COLOR_COUNT];
extern const draw_color color_inks[COLOR_COUNT];

/* What belongs to the split `own` may be in the split `wanted`: words hold all. */
bool split_holds(synth_split wanted, synth_split own);
/* The split that may ask about the combination: one colour of each shape belongs to the test, one to the validation. */
synth_split look_split(look l);
look look_draw(synth_split split, rng *r); /* uniformly among the split's combinations */
look look_beside(synth_split split,
                 rng *r); /* what may stand in a picture of the split: training pictures show training combinations only */
bool look_equal(look a, look b);
const char *article(const char *word); /* "a", "an" */
void draw_shape(image *im, int shape, double x, double y, double radius, draw_color ink);
void draw_look(image *im, look l, double x, double y, double radius);
void draw_unnamed(image *im, uint64_t form, double x, double y, double radius, draw_color ink); /* a ragged blob, another for each form */
draw_color ink_unnamed(rng *r); /* none of the eight colours nor near one, and dark enough to be seen on the ground */

/* One frame of pale ground, the start of a picture. */
lmm_status picture_begin(synth_item *item, int side, rng *r);
/* A pale ground with a little noise. */
lmm_status ground_new(image *out, int side, rng *r);

/* ---- questions (synth.c) ---- */

/* Takes the three strings (buf_take or mem_printf), which may not be NULL. */
void question_add(synth_item *item, const char *family, char *question, char *answer, char *reasoning);
bool coin(rng *r);
int pick(rng *r, int low, int high); /* both included */
/* A number belongs to one split by a hash of it alone: an eighth each to validation and test. One digit is no combination: all ten are training's, as all shapes
 * and colours are. */
synth_split number_split(uint64_t number);

/* ---- files (write.c) ---- */

lmm_status frames_write(const char *dir, const image *frames, int count); /* 0000.png, ... */

#endif
