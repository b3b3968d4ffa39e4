/* scene_ask.c - the questions about a scene, their answers, and the steps that lead to them. Yes and no are equally frequent. */
#include "synth/scene_int.h"

#include <math.h>
#include <stdlib.h>

const char *const scene_families[ASK_COUNT_OF + 1] = {"existence", "color", "count", "position", "compare", "describe", NULL};

static const char *color_word(look l) { return l.color == COLOR_UNNAMED ? "a" : color_names[l.color]; }
static const char *shape_word(look l) { return l.shape == SHAPE_UNNAMED ? "shape" : shape_names[l.shape].one; }
/* "red circle"; what has no name is left out: "circle", "red shape". */
static char *named(look l) {
    const bool plain = l.color == COLOR_UNNAMED;
    return mem_printf("%s%s%s", plain ? "" : color_names[l.color], plain ? "" : " ", shape_word(l));
}

/* "circles", "red shapes", "red circles" */
static char *class_name(thing_class c) {
    const char *color = c.kind == BY_SHAPE ? "" : color_names[c.like.color], *blank = c.kind == BY_SHAPE ? "" : " ";
    return mem_printf("%s%s%s", color, blank, c.kind == BY_COLOR ? "shapes" : shape_names[c.like.shape].many);
}

/* "red circle, blue circle" of those that belong to the class; all with NULL. */
static void put_list(buf *b, const scene *s, const thing_class *c) {
    int n = 0;
    for (int i = 0; i < s->count; i++) {
        look l = s->things[i].look;
        if (c && !class_holds(*c, l)) continue;
        buf_printf(b, "%s%s %s", n++ ? ", " : "", color_word(l), shape_word(l));
    }
    if (!n) buf_puts(b, "none");
}

static char cell_name(const thing *t) { return (char)('A' + t->cell); }

/* What is noted behind a thing while the cells are read: the question's part of it. */
typedef struct scan scan;
struct scan {
    void (*note)(buf *b, scan *n, const thing *t);
    thing_class of[2];
    int count[2]; /* how many of each class so far */
    const thing *pair[2];
};

/* "I see A red circle B - C blue star ...": a letter for every cell in reading order, whatever is asked, and behind a thing what it means for the question.
 * Every step of it looks at one place, and what is concluded needs the notes alone. n NULL: no notes. */
static void put_cells(buf *b, const scene *s, scan *n) {
    if (!s->cells) return;
    buf_puts(b, "I see");
    const thing *t = s->things;
    for (int cell = 0; cell < s->grid * s->grid; cell++) {
        bool there = t < s->things + s->count && t->cell == cell;
        buf_printf(b, " %c %s%s%s", 'A' + cell, there ? color_word(t->look) : "-", there ? " " : "", there ? shape_word(t->look) : "");
        if (there && n) n->note(b, n, t);
        t += there;
    }
    buf_puts(b, ".");
}

static void note_yes(buf *b, scan *n, const thing *t) {
    if (class_holds(n->of[0], t->look)) buf_puts(b, " yes");
}

static void note_color(buf *b, scan *n, const thing *t) {
    if (class_holds(n->of[0], t->look)) buf_printf(b, " is %s", color_names[t->look.color]);
}

static void note_number(buf *b, scan *n, const thing *t) {
    if (class_holds(n->of[0], t->look)) buf_printf(b, " %d", ++n->count[0]);
}

static void note_numbers(buf *b, scan *n, const thing *t) {
    for (int i = 0; i < 2; i++)
        if (class_holds(n->of[i], t->look)) buf_printf(b, " %c %d", 'X' + i, ++n->count[i]);
}

/* Which of the two it is, and where. */
static void note_place(buf *b, scan *n, const thing *t) {
    for (int i = 0; i < 2; i++)
        if (t == n->pair[i]) buf_printf(b, " %c %c", 'X' + i, cell_name(t));
}

static const char *size_word(const thing *t) { return t->large ? "large" : "small"; }

static void note_size(buf *b, scan *n, const thing *t) {
    for (int i = 0; i < 2; i++)
        if (t == n->pair[i]) buf_printf(b, " %c %s", 'X' + i, size_word(t));
}

/* What has no colour's or no shape's name is no combination: every split may ask about it. */
static bool may_ask(const scene *s, look l) {
    return l.color == COLOR_UNNAMED || l.shape == SHAPE_UNNAMED || split_holds(s->split, look_split(l));
}

/* A thing that this split may ask about and that is alone in its class of that kind; NULL when there is none. */
static const thing *askable(const scene *s, class_kind alone, rng *r) {
    int at[THING_MAX], n = 0;
    for (int i = 0; i < s->count; i++) {
        look l = s->things[i].look;
        if (may_ask(s, l) && (alone == CLASS_KIND_COUNT || scene_count(s, (thing_class){alone, l}) == 1)) at[n++] = i;
    }
    return n ? &s->things[at[rng_below(r, (uint64_t)n)]] : NULL;
}

static char *yes_no(bool yes) { return mem_strdup(yes ? "yes" : "no"); }

/* A look of the split that is not there, sharing its shape or its colour with something that is, when one is found. */
static look absent_look(const scene *s, rng *r) {
    look l = {0};
    for (int tries = 0;; tries++) {
        l = look_draw(s->split, r);
        if (scene_count(s, (thing_class){BY_LOOK, l})) continue;
        if (tries > 20 || scene_count(s, (thing_class){BY_SHAPE, l}) || scene_count(s, (thing_class){BY_COLOR, l})) return l;
    }
}

static bool all_looks_there(const scene *s) {
    for (int i = 0; i < SHAPE_COUNT * COLOR_COUNT; i++) {
        look l = {i / COLOR_COUNT, i % COLOR_COUNT};
        if (split_holds(s->split, look_split(l)) && !scene_count(s, (thing_class){BY_LOOK, l})) return false;
    }
    return true;
}

static bool ask_existence(synth_item *item, const scene *s, bool lead, rng *r) {
    (void)lead;
    const thing *t = askable(s, CLASS_KIND_COUNT, r);
    bool yes = coin(r);
    if (yes ? !t : all_looks_there(s)) return false;
    look l = yes ? t->look : absent_look(s, r);
    char *name = named(l);
    buf why = {0};
    put_cells(&why, s, &(scan){.note = note_yes, .of = {{BY_LOOK, l}}});
    if (!s->cells) {
        buf_puts(&why, "I see: ");
        put_list(&why, s, NULL);
        buf_printf(&why, ". There is %s %s among them.", yes ? article(name) : "no", name);
    }
    question_add(item, "existence", mem_printf("Is there %s %s?", article(name), name), yes_no(yes), buf_take(&why));
    free(name);
    return true;
}

static bool ask_color(synth_item *item, const scene *s, bool lead, rng *r) {
    (void)lead;
    const thing *t = askable(s, BY_SHAPE, r);
    if (!t) return false;
    const char *shape = shape_names[t->look.shape].one, *color = color_names[t->look.color];
    buf why = {0};
    put_cells(&why, s, &(scan){.note = note_color, .of = {{BY_SHAPE, t->look}}});
    if (s->cells) buf_printf(&why, " It is %s.", color);
    else buf_printf(&why, "There is one %s. It is %s.", shape, color);
    question_add(item, "color", mem_printf("What color is the %s?", shape), mem_strdup(color), buf_take(&why));
    return true;
}

static bool ask_count(synth_item *item, const scene *s, bool lead, rng *r) {
    thing_class c = s->topic;
    if (!lead) {
        const thing *t = askable(s, CLASS_KIND_COUNT, r);
        if (!t) return false;
        c = (thing_class){(class_kind)pick(r, 0, CLASS_KIND_COUNT - 1), t->look};
    }
    int n = scene_count(s, c);
    char *name = class_name(c);
    buf why = {0};
    put_cells(&why, s, &(scan){.note = note_number, .of = {c}});
    if (!s->cells) {
        buf_printf(&why, "The %s: ", name);
        put_list(&why, s, &c);
        buf_puts(&why, ".");
    }
    buf_printf(&why, " That makes %d.", n);
    question_add(item, "count", mem_printf("How many %s are there?", name), mem_printf("%d", n), buf_take(&why));
    free(name);
    return true;
}

typedef struct {
    const char *is, *opposite;
} relation;

/* Which of the four holds of a towards b; false when they are too near to say. */
static bool relate(relation *out, const thing *a, const thing *b, rng *r) {
    const double clear = 0.14;
    double dx = b->x - a->x, dy = b->y - a->y;
    bool across = fabs(dx) > clear, along = fabs(dy) > clear;
    if (!across && !along) return false;
    if (across && (!along || coin(r))) *out = dx > 0 ? (relation){"left of", "right of"} : (relation){"right of", "left of"};
    else *out = dy > 0 ? (relation){"above", "below"} : (relation){"below", "above"};
    return true;
}

static const thing *another(const scene *s, const thing * not, rng *r) {
    int at[THING_MAX], n = 0;
    for (int i = 0; i < s->count; i++)
        if (&s->things[i] != not &&scene_count(s, (thing_class){BY_LOOK, s->things[i].look}) == 1) at[n++] = i;
    return n ? &s->things[at[rng_below(r, (uint64_t)n)]] : NULL;
}

static bool ask_position(synth_item *item, const scene *s, bool lead, rng *r) {
    (void)lead;
    const thing *a = askable(s, BY_LOOK, r), *b = a ? another(s, a, r) : NULL;
    relation way;
    if (!b || !relate(&way, a, b, r)) return false;
    bool yes = coin(r);
    char *first = named(a->look), *second = named(b->look);
    buf why = {0};
    if (s->cells) {
        put_cells(&why, s, &(scan){.note = note_place, .pair = {a, b}});
        buf_printf(&why, " X %c, Y %c. %c is %s %c.", cell_name(a), cell_name(b), cell_name(a), way.is, cell_name(b));
    } else buf_printf(&why, "The %s is %s the %s.", first, way.is, second);
    question_add(item, "position", mem_printf("Is the %s %s the %s?", first, yes ? way.is : way.opposite, second), yes_no(yes),
                 buf_take(&why));
    free(first);
    free(second);
    return true;
}

static bool ask_more(synth_item *item, const scene *s, rng *r) {
    const bool yes = coin(r), swap = (scene_count(s, s->topic) > scene_count(s, s->other)) != yes;
    const thing_class a = swap ? s->other : s->topic, b = swap ? s->topic : s->other;
    int m = scene_count(s, a), n = scene_count(s, b);
    char *first = class_name(a), *second = class_name(b);
    buf why = {0};
    if (s->cells) {
        put_cells(&why, s, &(scan){.note = note_numbers, .of = {a, b}});
        buf_printf(&why, " X %d, Y %d.", m, n);
    } else {
        buf_printf(&why, "The %s: ", first);
        put_list(&why, s, &a);
        buf_printf(&why, ", that is %d. The %s: ", m, second);
        put_list(&why, s, &b);
        buf_printf(&why, ", that is %d.", n);
    }
    buf_printf(&why, " %d is %s %d.", m, m > n ? "more than" : m < n ? "less than" : "as many as", n);
    question_add(item, "compare", mem_printf("Are there more %s than %s?", first, second), yes_no(m > n), buf_take(&why));
    free(first);
    free(second);
    return true;
}

static bool ask_size(synth_item *item, const scene *s, rng *r) {
    const thing *a = askable(s, BY_LOOK, r), *b = a ? another(s, a, r) : NULL;
    if (!b || a->large == b->large) return false;
    bool asked_larger = coin(r);
    char *first = named(a->look), *second = named(b->look);
    buf why = {0};
    if (s->cells) {
        put_cells(&why, s, &(scan){.note = note_size, .pair = {a, b}});
        buf_printf(&why, " X is %s.", size_word(a));
    } else buf_printf(&why, "The %s is %s, the %s is %s.", first, size_word(a), second, size_word(b));
    question_add(item, "compare", mem_printf("Is the %s %s than the %s?", first, asked_larger ? "larger" : "smaller", second),
                 yes_no(a->large == asked_larger), buf_take(&why));
    free(first);
    free(second);
    return true;
}

/* A scene laid out for it compares numbers, any other one sizes. */
static bool ask_compare(synth_item *item, const scene *s, bool lead, rng *r) { return lead ? ask_more(item, s, r) : ask_size(item, s, r); }

void scene_describe(synth_item *item, const scene *s) {
    buf text = {0};
    for (int i = 0; i < s->count; i++) {
        const look l = s->things[i].look;
        const bool named_color = l.color != COLOR_UNNAMED; /* else its word is the article */
        const char *between = !i ? "" : i + 1 < s->count ? ", " : " and ";
        buf_puts(&text, between);
        if (named_color) buf_printf(&text, "%s ", article(color_names[l.color]));
        buf_printf(&text, "%s %s", color_word(l), shape_word(l));
    }
    buf why = {0};
    put_cells(&why, s, NULL);
    buf_puts(&why, s->cells ? " From top to bottom, left to right." : "From top to bottom, left to right.");
    question_add(item, "describe", mem_strdup("Describe the picture."), buf_take(&text), buf_take(&why));
}

static bool ask_describe(synth_item *item, const scene *s, bool lead, rng *r) {
    (void)lead;
    if (!askable(s, CLASS_KIND_COUNT, r)) return false;
    return scene_describe(item, s), true;
}

bool scene_ask(synth_item *item, const scene *s, int family, bool lead, rng *r) {
    static bool (*const asks[ASK_COUNT_OF])(synth_item *, const scene *, bool, rng *) = {ask_existence, ask_color,   ask_count,
                                                                                         ask_position,  ask_compare, ask_describe};
    return asks[family](item, s, lead, r);
}
