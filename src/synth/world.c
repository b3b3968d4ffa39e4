/* world.c - shapes and colours, which combinations belong to which split, and how they are drawn. */
#include "synth/synth_int.h"

#include <math.h>
#include <string.h>

const noun shape_names[SHAPE_COUNT] = {
    {"circle", "circles"}, {"square", "squares"},   {"triangle", "triangles"},
    {"star", "stars"},     {"diamond", "diamonds"}, {"cross", "crosses"},
};
const char *const color_names[COLOR_COUNT] = {"red", "blue", "green", "yellow", "black", "orange", "purple", "brown"};
const draw_color color_inks[COLOR_COUNT] = {
    {214, 39, 40}, {31, 100, 200}, {40, 150, 60}, {240, 205, 30}, {25, 25, 25}, {250, 130, 20}, {140, 70, 190}, {130, 80, 45},
};

/* Five and eight share no factor: a shape's test colour differs from its neighbours'. */
synth_split look_split(look l) {
    int k = (5 * l.shape + l.color) % COLOR_COUNT;
    return k == 0 ? SYNTH_TEST : k == 4 ? SYNTH_VALIDATION : SYNTH_TRAIN;
}

bool look_equal(look a, look b) { return a.shape == b.shape && a.color == b.color; }

static look any_look(rng *r) { return (look){pick(r, 0, SHAPE_COUNT - 1), pick(r, 0, COLOR_COUNT - 1)}; }

look look_draw(synth_split split, rng *r) {
    look l;
    do l = any_look(r);
    while (!split_holds(split, look_split(l)));
    return l;
}

look look_beside(synth_split split, rng *r) { return split == SYNTH_TRAIN ? look_draw(SYNTH_TRAIN, r) : any_look(r); }

const char *article(const char *word) { return strchr("aeiou", word[0]) ? "an" : "a"; }

static void draw_star(image *im, double x, double y, double radius, draw_color c) {
    double xy[20];
    for (int i = 0; i < 10; i++) {
        double a = 3.14159265358979323846 * (i / 5.0 - 0.5), far = i % 2 ? 0.42 * radius : radius;
        xy[2 * i] = x + far * cos(a);
        xy[2 * i + 1] = y + far * sin(a);
    }
    draw_polygon(im, xy, 10, c);
}

static void draw_cross(image *im, double x, double y, double s, draw_color c) {
    double t = 0.33 * s;
    const double xy[] = {x - t, y - s, x + t, y - s, x + t, y - t, x + s, y - t, x + s, y + t, x + t, y + t,
                         x + t, y + s, x - t, y + s, x - t, y + t, x - s, y + t, x - s, y - t, x - t, y - t};
    draw_polygon(im, xy, 12, c);
}

void draw_shape(image *im, int shape, double x, double y, double radius, draw_color c) {
    const double s = 0.85 * radius, t = 0.8 * radius;
    switch (shape) {
    case 0: draw_disc(im, x, y, 0.95 * radius, c); break;
    case 1: draw_polygon(im, (const double[]){x - s, y - s, x + s, y - s, x + s, y + s, x - s, y + s}, 4, c); break;
    case 2: draw_polygon(im, (const double[]){x, y - radius, x + radius, y + t, x - radius, y + t}, 3, c); break;
    case 3: draw_star(im, x, y, 1.1 * radius, c); break;
    case 4: draw_polygon(im, (const double[]){x, y - 1.1 * radius, x + t, y, x, y + 1.1 * radius, x - t, y}, 4, c); break;
    default: draw_cross(im, x, y, radius, c); break;
    }
}

void draw_look(image *im, look l, double x, double y, double radius) { draw_shape(im, l.shape, x, y, radius, color_inks[l.color]); }

void draw_unnamed(image *im, uint64_t form, double x, double y, double radius, draw_color ink) {
    enum { CORNERS_MAX = 9 };
    rng r = rng_make(form, 0);
    double xy[2 * CORNERS_MAX];
    const int corners = pick(&r, 6, CORNERS_MAX);
    const double turn = rng_unit(&r);
    for (int i = 0; i < corners; i++) {
        double a = 2 * 3.14159265358979323846 * (turn + i + 0.5 * rng_unit(&r)) / corners, far = radius * (0.5 + 0.6 * rng_unit(&r));
        xy[2 * i] = x + far * cos(a);
        xy[2 * i + 1] = y + far * sin(a);
    }
    draw_polygon(im, xy, corners, ink);
}

static int ink_distance(draw_color a, draw_color b) {
    const int d[3] = {a.r - b.r, a.g - b.g, a.b - b.b};
    return d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
}

draw_color ink_unnamed(rng *r) {
    const draw_color ground = {234, 234, 234};
    draw_color c;
    bool near;
    do {
        c = (draw_color){(unsigned char)pick(r, 0, 255), (unsigned char)pick(r, 0, 255), (unsigned char)pick(r, 0, 255)};
        near = ink_distance(c, ground) < 100 * 100;
        for (int i = 0; i < COLOR_COUNT; i++) near |= ink_distance(c, color_inks[i]) < 60 * 60;
    } while (near);
    return c;
}

lmm_status ground_new(image *out, int side, rng *r) {
    image im;
    lmm_status st = image_new(&im, side, side, 3);
    if (st) return st;
    int base[3];
    for (int k = 0; k < 3; k++) base[k] = pick(r, 222, 246);
    for (int i = 0; i < side * side; i++) {
        int noise = pick(r, -3, 3);
        for (int k = 0; k < 3; k++) im.data[3 * i + k] = (unsigned char)(base[k] + noise);
    }
    *out = im;
    return LMM_OK;
}

lmm_status picture_begin(synth_item *item, int side, rng *r) {
    item->frames = mem_new(1, sizeof *item->frames);
    lmm_status st = ground_new(&item->frames[0], side, r);
    if (!st) item->frame_count = 1;
    return st;
}
