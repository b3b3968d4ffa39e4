/* scene_int.h - a still picture of things, between its layout (scene.c) and the questions about it (scene_ask.c). */
#ifndef LMM_SYNTH_SCENE_INT_H
#define LMM_SYNTH_SCENE_INT_H

#include "synth/synth_int.h"

enum { THING_MAX = SYNTH_THINGS_MAX, COLOR_UNNAMED = COLOR_COUNT, SHAPE_UNNAMED = SHAPE_COUNT };
typedef struct {
    look look;
    int cell;      /* row * grid + column: reading order */
    double x, y;   /* centre, in widths of the picture */
    double radius; /* likewise */
    bool large;
    draw_color ink;
    uint64_t form; /* of a shape without a name */
} thing;

/* What a question can be about: all things of a shape, of a colour, or of both. */
typedef enum { BY_SHAPE, BY_COLOR, BY_LOOK, CLASS_KIND_COUNT } class_kind;
typedef struct {
    class_kind kind;
    look like;
} thing_class;

typedef struct {
    thing things[THING_MAX];    /* in reading order */
    int count, count_max, grid; /* cells a side */
    bool cells;                 /* reasoning names them all first */
    synth_split split;
    thing_class topic, other; /* what the scene was laid out for: counts and comparisons ask about these first */
} scene;

bool class_holds(thing_class c, look l);
int scene_count(const scene *s, thing_class c);

enum { ASK_EXISTENCE, ASK_COLOR, ASK_COUNT, ASK_POSITION, ASK_COMPARE, ASK_DESCRIBE, ASK_COUNT_OF };
extern const char *const scene_families[ASK_COUNT_OF + 1];
/* "Describe the picture." of a scene whatever is in it. */
void scene_describe(synth_item *item, const scene *s);
/* Adds a question of the family, as the scene's topic when `lead`; false when this scene answers none. */
bool scene_ask(synth_item *item, const scene *s, int family, bool lead, rng *r);

#endif
