/* scene.c - still pictures: up to sixteen coloured shapes on a pale ground, laid out for the question that leads; and shapes or
 * colours alone, whose other half has no name. */
#include "synth/scene_int.h"

#include <stdlib.h>
#include <string.h>

bool class_holds(thing_class c, look l) {
    return (c.kind == BY_COLOR || c.like.shape == l.shape) && (c.kind == BY_SHAPE || c.like.color == l.color);
}

int scene_count(const scene *s, thing_class c) {
    int n = 0;
    for (int i = 0; i < s->count; i++) n += class_holds(c, s->things[i].look);
    return n;
}

static void add(scene *s, look l) {
    LMM_ASSERT(s->count < THING_MAX, "%d things", s->count);
    s->things[s->count++] = (thing){.look = l, .ink = color_inks[l.color]};
}

/* `count` things of the class; the first is the class's own look when `own`. */
static void add_members(scene *s, thing_class c, int count, bool own, rng *r) {
    for (int i = 0; i < count; i++) {
        look l = c.like;
        if (i || !own) do
                l = look_beside(s->split, r);
            while (!class_holds(c, l));
        add(s, l);
    }
}

static void add_others(scene *s, int count, rng *r) {
    for (int i = 0; i < count; i++) {
        look l;
        do l = look_beside(s->split, r);
        while (class_holds(s->topic, l) || class_holds(s->other, l));
        add(s, l);
    }
}

/* Up to `most` things, or as many as there is room for. */
static int room(const scene *s, int taken, int most) { return min_int(most, s->count_max - taken); }

/* Nothing of it there is asked by shape and colour both, so that the asked combination is the split's own. */
static void lay_count(scene *s, rng *r) {
    int n = pick(r, 0, room(s, 0, 6));
    s->topic.kind = n ? (class_kind)pick(r, 0, CLASS_KIND_COUNT - 1) : BY_LOOK;
    s->other = s->topic;
    add_members(s, s->topic, n, true, r);
    add_others(s, pick(r, n ? 0 : 1, room(s, n, 5)), r);
}

/* Two shapes or two colours; either side may be the larger. */
static void lay_compare(scene *s, rng *r) {
    s->topic.kind = coin(r) ? BY_SHAPE : BY_COLOR;
    s->other.kind = s->topic.kind;
    do s->other.like = look_beside(s->split, r);
    while (class_holds(s->topic, s->other.like) || class_holds(s->other, s->topic.like));
    int a = pick(r, 0, room(s, 0, 5)), b = pick(r, 0, room(s, a, 5));
    if (a == b && pick(r, 0, 3)) a = a < 5 && room(s, a + b, 1) ? a + 1 : 0; /* as many as: now and then, and always a no */
    add_members(s, s->topic, a, true, r);
    add_members(s, s->other, b, false, r);
    add_others(s, pick(r, a + b ? 0 : 1, room(s, a + b, 3)), r);
}

static void lay_any(scene *s, rng *r) {
    add(s, s->topic.like);
    for (int n = pick(r, 0, room(s, 1, 5)); n > 0; n--) add(s, look_beside(s->split, r));
}

static int by_cell(const void *a, const void *b) { return ((const thing *)a)->cell - ((const thing *)b)->cell; }

/* Distinct cells of the grid, away from their borders: nothing overlaps. */
static void place(scene *s, rng *r) {
    const int grid = s->grid;
    int cells[THING_MAX];
    for (int i = 0; i < grid * grid; i++) cells[i] = i;
    rng_shuffle(r, cells, grid * grid);
    for (int i = 0; i < s->count; i++) {
        thing *t = &s->things[i];
        t->cell = cells[i];
        t->large = coin(r);
        t->radius = (t->large ? 0.098 : 0.06) * (4.0 / grid);
        double slack = 0.5 / grid - 1.12 * t->radius;
        t->x = (cells[i] % grid + 0.5) / grid + slack * (2 * rng_unit(r) - 1);
        t->y = (cells[i] / grid + 0.5) / grid + slack * (2 * rng_unit(r) - 1);
    }
    qsort(s->things, (size_t)s->count, sizeof *s->things, by_cell);
}

static scene scene_new(const synth_options *o, synth_split split) {
    return (scene){.count_max = o->things, .grid = o->things <= 4 ? 2 : o->things <= 9 ? 3 : 4, .cells = o->cells, .split = split};
}

static void lay_out(scene *s, int family, const synth_options *o, synth_split split, rng *r) {
    *s = scene_new(o, split);
    s->topic = (thing_class){BY_LOOK, look_draw(split, r)};
    s->other = s->topic;
    if (family == ASK_COUNT) lay_count(s, r);
    else if (family == ASK_COMPARE) lay_compare(s, r);
    else lay_any(s, r);
    place(s, r);
}

static lmm_status render(synth_item *item, const scene *s, int side, rng *r) {
    lmm_status st = picture_begin(item, side, r);
    if (st) return st;
    for (int i = 0; i < s->count; i++) {
        const thing *t = &s->things[i];
        const double x = t->x * side, y = t->y * side, radius = t->radius * side;
        if (t->look.shape == SHAPE_UNNAMED) draw_unnamed(&item->frames[0], t->form, x, y, radius, t->ink);
        else draw_shape(&item->frames[0], t->look.shape, x, y, radius, t->ink);
    }
    return LMM_OK;
}

/* A layout that cannot lead with the family (no shape is alone, nothing is far enough from anything) is drawn again. */
static lmm_status make(synth_item *out, const synth_options *o, int family, synth_split split, rng *r) {
    enum { TRIES = 1000 };
    scene s;
    int tries = 0;
    do lay_out(&s, family, o, split, r);
    while (!scene_ask(out, &s, family, true, r) && ++tries < TRIES);
    LMM_ASSERT(tries < TRIES, "no scene for '%s'", scene_families[family]);
    int first = pick(r, 0, ASK_COUNT_OF - 1);
    for (int i = 0; i < ASK_COUNT_OF && !o->family && out->questions.count < o->questions; i++) {
        int next = (first + i) % ASK_COUNT_OF;
        if (next != family) scene_ask(out, &s, next, false, r);
    }
    return render(out, &s, o->side, r);
}

static thing thing_of_shape(rng *r) { return (thing){.look = {pick(r, 0, SHAPE_COUNT - 1), COLOR_UNNAMED}, .ink = ink_unnamed(r)}; }

static thing thing_of_color(rng *r) {
    const int color = pick(r, 0, COLOR_COUNT - 1);
    return (thing){.look = {SHAPE_UNNAMED, color}, .ink = color_inks[color], .form = rng_below(r, (uint64_t)1 << 32)};
}

enum { ALIKE_DESCRIBE, ALIKE_COUNT, ALIKE_COMPARE };
static const char *const alike_families[] = {"describe", "count", "compare", NULL};

/* Of all things of one kind of attribute, drawn alone; what is counted may be missing. `asked`: two in three are those that the numbers are asked of. */
static void lay_alike(scene *s, class_kind kind, thing (*draw)(rng *), bool asked, rng *r) {
    s->topic = (thing_class){kind, draw(r).look};
    do s->other = (thing_class){kind, draw(r).look};
    while (class_holds(s->topic, s->other.like));
    for (int n = pick(r, 1, room(s, 0, 6)); n > 0; n--) {
        thing t = draw(r);
        if (asked)
            while (!class_holds(s->topic, t.look) && !class_holds(s->other, t.look) && pick(r, 0, 2)) t = draw(r);
        s->things[s->count++] = t;
    }
    place(s, r);
}

static lmm_status make_alike(synth_item *out, const synth_options *o, int family, synth_split split, rng *r, class_kind kind,
                             thing (*draw)(rng *)) {
    const bool sizes = family == ALIKE_COMPARE && coin(r);
    scene s;
    do {
        s = scene_new(o, split);
        lay_alike(&s, kind, draw, family != ALIKE_DESCRIBE && !sizes, r);
    } while (sizes && !scene_ask(out, &s, ASK_COMPARE, false, r)); /* until two things that are alone in their class differ in size */
    if (family == ALIKE_DESCRIBE) scene_describe(out, &s);
    else if (!sizes) scene_ask(out, &s, family == ALIKE_COUNT ? ASK_COUNT : ASK_COMPARE, true, r);
    return render(out, &s, o->side, r);
}

static lmm_status make_shapes(synth_item *out, const synth_options *o, int family, synth_split split, rng *r) {
    return make_alike(out, o, family, split, r, BY_SHAPE, thing_of_shape);
}

static lmm_status make_colors(synth_item *out, const synth_options *o, int family, synth_split split, rng *r) {
    return make_alike(out, o, family, split, r, BY_COLOR, thing_of_color);
}

/* Where every shape comes in every ink and every colour in every form, neither can be guessed from the other. */
const synth_kind synth_shapes = {"shapes", "the same shapes in inks that have no name, for training: describe, count, compare",
                                 alike_families, false, make_shapes};
const synth_kind synth_colors = {"colors", "the same colours in forms that have no name, for training: describe, count, compare",
                                 alike_families, false, make_colors};
const synth_kind synth_scenes = {"scenes", "coloured shapes: existence, colour, count, position, compare, describe", scene_families, false,
                                 make};
