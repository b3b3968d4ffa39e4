/* clip.c - moving pictures: which way something moves, in which order things appear, how often something appears. The events are spread over
 * the whole clip, so that no part of it answers the question. */
#include "synth/synth_int.h"

#include <stdlib.h>
#include <string.h>

enum { DIRECTION, ORDER, EVENTS };
enum { LETTER_COUNT = 26 };
static const char *const families[] = {"direction", "order", "events", NULL};

/* A ground that all frames share. */
static lmm_status frames_new(synth_item *item, const synth_options *o, rng *r) {
    item->frames = mem_new((size_t)o->frames, sizeof *item->frames);
    lmm_status st = ground_new(&item->frames[0], o->side, r);
    if (st) return st;
    item->frame_count = 1;
    for (int i = 1; i < o->frames && !st; i++) {
        st = image_new(&item->frames[i], o->side, o->side, 3);
        if (st) break;
        memcpy(item->frames[i].data, item->frames[0].data, (size_t)o->side * (size_t)o->side * 3);
        item->frame_count++;
    }
    return st;
}

/* A letter for the place of a point in a picture of three by three cells. */
static char place_name(double x, double y) { return (char)('A' + 3 * (int)(3 * y) + (int)(3 * x)); }

/* "I see A circle B - ...": a letter for every frame and what is there; `counted`: how often so far behind it. shape NULL: nothing is there. */
static void put_frame(buf *b, int frame, const char *shape, int counted) {
    buf_printf(b, "%s %c %s", frame ? "" : "I see", 'A' + frame, shape ? shape : "-");
    if (shape && counted) buf_printf(b, " %d", counted);
}

static lmm_status make_direction(synth_item *item, const synth_options *o, synth_split split, rng *r) {
    static const struct {
        const char *name;
        int dx, dy;
    } ways[] = {{"left", -1, 0}, {"right", 1, 0}, {"up", 0, -1}, {"down", 0, 1}};
    const int way = pick(r, 0, (int)COUNT_OF(ways) - 1);
    const look l = look_draw(split, r);
    const double across = 0.2 + 0.6 * rng_unit(r), radius = 0.07 + 0.05 * rng_unit(r), reach = 0.25 + 0.12 * rng_unit(r);
    buf why = {0};
    char first = 0, place[2] = "";
    lmm_status st = frames_new(item, o, r);
    for (int i = 0; i < o->frames && !st; i++) {
        double t = reach * (2.0 * i / (o->frames - 1) - 1);
        double x = ways[way].dx ? 0.5 + ways[way].dx * t : across, y = ways[way].dy ? 0.5 + ways[way].dy * t : across;
        draw_look(&item->frames[i], l, x * o->side, y * o->side, radius * o->side);
        place[0] = place_name(x, y);
        if (!i) first = place[0];
        if (o->cells) put_frame(&why, i, place, 0);
    }
    const char *shape = shape_names[l.shape].one, *name = ways[way].name;
    if (o->cells) buf_printf(&why, ". From %c to %c it goes %s.", first, *place, name);
    else buf_printf(&why, "From the first frame to the last the %s goes %s.", shape, name);
    question_add(item, "direction", mem_printf("Which way does the %s move?", shape), mem_strdup(name), buf_take(&why));
    return st;
}

/* Three shapes, one after the other, each alone for a third of the clip. */
static lmm_status make_order(synth_item *item, const synth_options *o, synth_split split, rng *r) {
    static const char *const places[] = {"first", "second", "last"};
    const int asked = pick(r, 0, 2);
    look looks[3];
    bool again;
    do {
        for (int i = 0; i < 3; i++) looks[i] = i == asked ? look_draw(split, r) : look_beside(split, r);
        again = looks[0].shape == looks[1].shape || looks[0].shape == looks[2].shape || looks[1].shape == looks[2].shape;
    } while (again);
    double x[3], y[3];
    for (int i = 0; i < 3; i++) x[i] = 0.2 + 0.6 * rng_unit(r), y[i] = 0.2 + 0.6 * rng_unit(r);
    buf why = {0};
    lmm_status st = frames_new(item, o, r);
    for (int i = 0; i < o->frames && !st; i++) {
        int k = (int)((int64_t)i * 3 / o->frames);
        draw_look(&item->frames[i], looks[k], x[k] * o->side, y[k] * o->side, 0.12 * o->side);
        if (o->cells) put_frame(&why, i, shape_names[looks[k].shape].one, 0);
    }
    if (o->cells) buf_puts(&why, ". ");
    buf_printf(&why, "First the %s, then the %s, last the %s.", shape_names[looks[0].shape].one, shape_names[looks[1].shape].one,
               shape_names[looks[2].shape].one);
    question_add(item, "order", mem_printf("Which shape appears %s?", places[asked]), mem_strdup(shape_names[looks[asked].shape].one),
                 buf_take(&why));
    return st;
}

/* `count` frames of 0..frames-1, no two side by side, all such sets equally likely: choose among frames - count + 1 and spread. */
static void choose_apart(bool *on, int frames, int count, rng *r) {
    int *places = mem_new((size_t)frames, sizeof *places), n = frames - count + 1;
    bool *chosen = mem_new((size_t)n, sizeof *chosen);
    for (int i = 0; i < n; i++) places[i] = i;
    rng_shuffle(r, places, n);
    for (int i = 0; i < count; i++) chosen[places[i]] = true;
    for (int i = 0, at = 0; i < n; i++) {
        on[at++] = chosen[i];
        if (chosen[i] && at < frames) on[at++] = false;
    }
    free(chosen);
    free(places);
}

static lmm_status make_events(synth_item *item, const synth_options *o, synth_split split, rng *r) {
    const look l = look_draw(split, r);
    const int count = pick(r, 1, min_int(5, (o->frames + 1) / 2));
    bool *on = mem_new((size_t)o->frames + 1, sizeof *on);
    choose_apart(on, o->frames, count, r);
    lmm_status st = frames_new(item, o, r);
    double x = 0.2 + 0.6 * rng_unit(r), y = 0.2 + 0.6 * rng_unit(r);
    buf why = {0};
    if (!o->cells) buf_puts(&why, "It is there in frame");
    for (int i = 0, n = 0; i < o->frames && !st; i++) {
        n += on[i];
        if (on[i]) draw_look(&item->frames[i], l, x * o->side, y * o->side, 0.12 * o->side);
        if (o->cells) put_frame(&why, i, on[i] ? shape_names[l.shape].one : NULL, n);
        else if (on[i]) buf_printf(&why, "%s %d", n > 1 ? "," : count > 1 ? "s" : "", i + 1);
    }
    buf_printf(&why, ". That makes %d.", count);
    question_add(item, "events", mem_printf("How many times does the %s appear?", shape_names[l.shape].one), mem_printf("%d", count),
                 buf_take(&why));
    free(on);
    return st;
}

static lmm_status make(synth_item *out, const synth_options *o, int family, synth_split split, rng *r) {
    static lmm_status (*const makers[])(synth_item *, const synth_options *, synth_split, rng *) = {make_direction, make_order,
                                                                                                    make_events};
    if (o->cells && o->frames > LETTER_COUNT)
        return LMM_FAIL(LMM_E_ARG, "cells name frames by letters, of which there are %d; ask for fewer frames than %d", LETTER_COUNT,
                        o->frames);
    return makers[family](out, o, split, r);
}

const synth_kind synth_clips = {"clips", "moving pictures: direction, order, events", families, true, make};
