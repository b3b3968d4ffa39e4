/* sim_render.c - the media track: what a clip shows, as a function of the world, the event and the wearer alone.
 *
 * A small drawn stage: the room by its wall and floor, people by the colour of their clothes and a hat, the wearer by hands at the lower edge, in the
 * middle a card with what it is about, above it what is being done to it. Every event of a stretch is rendered, whatever is asked later. Pictures are BMP
 * (Microsoft's BITMAPINFOHEADER, 24 bits, lines from below), which needs no library. */
#include <stdlib.h>
#include <string.h>

#include "ego/sim_world.h"

enum { SIDE = SIM_SIDE, R_RENDER = 110, CARD = 26 };

typedef struct {
    uint8_t r, g, b;
} ink;
typedef struct {
    ink at[SIDE][SIDE];
} stage;

static const ink black = {20, 20, 20}, white = {250, 250, 250}, skin = {238, 190, 150}, grey = {120, 120, 120};

/* ---- drawing ---- */

static void dot(stage *s, int x, int y, ink c) {
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) s->at[y][x] = c;
}

static void box(stage *s, int x, int y, int w, int h, ink c) {
    for (int j = 0; j < h; j++)
        for (int i = 0; i < w; i++) dot(s, x + i, y + j, c);
}

typedef enum { DISC, SQUARE, TRIANGLE, DIAMOND, CROSS, RING, SHAPES } shape;

static bool inside(shape k, int dx, int dy, int r) {
    int d = dx * dx + dy * dy;
    switch (k) {
    case DISC: return d <= r * r;
    case SQUARE: return true;
    case TRIANGLE: return 2 * abs(dx) <= dy + r;
    case DIAMOND: return abs(dx) + abs(dy) <= r;
    case CROSS: return 3 * abs(dx) <= r || 3 * abs(dy) <= r;
    case RING: return d <= r * r && 4 * d >= r * r;
    case SHAPES: break;
    }
    return false;
}

static void mark(stage *s, shape k, int x, int y, int r, ink c) {
    for (int dy = -r; dy <= r; dy++)
        for (int dx = -r; dx <= r; dx++)
            if (inside(k, dx, dy, r)) dot(s, x + dx, y + dy, c);
}

/* One of 24 signs: six shapes alone, in pairs, with a bar below, with a corner. */
static void sign(stage *s, int id, int x, int y, ink c) {
    shape k = (shape)(id % SHAPES);
    switch (id / SHAPES % 4) {
    case 0: mark(s, k, x, y, 10, c); break;
    case 1: mark(s, k, x - 6, y, 5, c), mark(s, k, x + 6, y, 5, c); break;
    case 2: mark(s, k, x, y - 3, 7, c), box(s, x - 10, y + 7, 21, 3, c); break;
    default: mark(s, k, x + 2, y + 2, 7, c), box(s, x - 10, y - 10, 6, 6, c); break;
    }
}

/* 3 x 5 digits, a bit a point, rows from above. */
static void number(stage *s, int tenths, int x, int y, ink c) {
    static const uint16_t digits[10] = {0x7b6f, 0x2c97, 0x73e7, 0x73cf, 0x5bc9, 0x79cf, 0x79ef, 0x7249, 0x7bef, 0x7bcf};
    char text[16];
    snprintf(text, sizeof text, "%d.%d", tenths / 10, tenths % 10);
    for (const char *p = text; *p; p++) {
        if (*p == '.') {
            dot(s, x, y + 4, c), x += 2;
            continue;
        }
        for (int bit = 0; bit < 15; bit++)
            if (digits[*p - '0'] >> (14 - bit) & 1) dot(s, x + bit % 3, y + bit / 3, c);
        x += 4;
    }
}

/* ---- the stage ---- */

static void room(stage *s, int place) {
    static const ink walls[4] = {{200, 220, 240}, {240, 225, 190}, {205, 235, 200}, {235, 205, 225}};
    ink wall = walls[place % 4], floor = {110, 90, 70};
    box(s, 0, 0, SIDE, SIDE, wall);
    box(s, 0, 50, SIDE, 14, floor);
    for (int y = 50; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            bool lit = place / 4 == 1 ? x / 4 % 2 : place / 4 == 2 ? (x / 4 + y / 4) % 2 : place / 4 == 3 ? y / 3 % 2 : false;
            if (lit) dot(s, x, y, white);
        }
}

/* Person p stands at x; of the wearer only a hand is seen. */
static void figure(stage *s, int p, int wearer, int x, bool talks) {
    static const ink clothes[5] = {{210, 30, 30}, {20, 140, 40}, {30, 60, 220}, {230, 200, 20}, {150, 40, 170}};
    if (p == wearer) {
        mark(s, DISC, x, 58, 5, skin);
        return;
    }
    mark(s, DISC, x, 24, 5, skin);
    box(s, x - 6, 30, 13, 18, clothes[p % 5]);
    if (p >= 5) box(s, x - 5, 15, 11, 5, black);
    if (talks) box(s, x - 2, 26, 5, 2, black);
}

static ink colour_of(int c) {
    static const ink inks[COLOURS] = {{30, 60, 220},   {210, 30, 30}, {20, 140, 40},  {240, 210, 30},
                                      {255, 255, 255}, {20, 20, 20},  {150, 40, 170}, {245, 130, 20}};
    return inks[c];
}

/* What it is about: a thing in its colour on grey, an act on white, a drink in a glass, goods with a tag, a plate. */
static void card(stage *s, const world *w, const event *e, int x, int y) {
    static const ink paper = {255, 245, 170}, glass = {190, 240, 250};
    bool thing = e->kind == EV_PUT || e->kind == EV_USE || e->kind == EV_GIVE, drink = e->kind == EV_DRINK;
    box(s, x - CARD / 2, y - CARD / 2, CARD, CARD, thing ? grey : drink ? glass : e->kind == EV_BUY ? paper : white);
    if (thing) sign(s, w->thing_type[e->what], x, y, colour_of(w->thing_colour[e->what]));
    else if (e->kind == EV_SIT) mark(s, RING, x, y, 11, black), mark(s, e->what ? SQUARE : DISC, x, y, 4, black);
    else sign(s, e->what, x, y, black);
    if (e->kind == EV_BUY) box(s, x - 10, y - 22, 20, 8, white), number(s, e->value, x - 8, y - 20, black);
}

static void gesture(stage *s, event_kind k, int x, int y) {
    switch (k) {
    case EV_PUT: mark(s, TRIANGLE, x, y, 4, black), box(s, x - 7, y + 5, 15, 2, black); break;
    case EV_USE: mark(s, RING, x, y, 5, black); break;
    case EV_GIVE: box(s, x - 7, y - 1, 15, 3, black), mark(s, DIAMOND, x + 6, y, 4, black); break;
    case EV_JOIN: mark(s, CROSS, x, y, 5, black); break;
    case EV_HELP: mark(s, DISC, x - 4, y, 3, black), mark(s, DISC, x + 4, y, 3, black); break;
    default: break;
    }
}

static bool has_card(event_kind k) { return k < EV_TELL; }

static void draw(stage *s, const world *w, const event *e, int wearer, int dx, int dy) {
    room(s, e->place);
    figure(s, e->actor, wearer, 9 + dx, event_is_speech(e));
    if (e->other >= 0) figure(s, e->other, wearer, 54 + dx, false);
    if (has_card(e->kind)) card(s, w, e, 32 + dx, 34 + dy);
    gesture(s, e->kind, 32 + dx, 12 + dy);
}

void sim_draw(const world *w, const event *e, int wearer, int dx, int dy, uint8_t *rgb) {
    stage s;
    draw(&s, w, e, wearer, dx, dy);
    for (int i = 0; i < SIDE * SIDE; i++) {
        const ink *c = &s.at[i / SIDE][i % SIDE];
        rgb[3 * i] = c->r, rgb[3 * i + 1] = c->g, rgb[3 * i + 2] = c->b;
    }
}

/* ---- files ---- */

void sim_clip_name(const world *w, int index, int wearer, char out[SIM_NAME]) {
    int64_t t = w->events.at[index].t0, s = t / 1000;
    snprintf(out, SIM_NAME, "DAY%d_A%d_%s_%02d%02d%02d%02d", (int)(t / DAY_MS) + 1, wearer + 1, w->name[wearer], (int)(s / 3600 % 24),
             (int)(s / 60 % 60), (int)(s % 60), index % 20);
}

static void put_le(buf *b, unsigned v, int bytes) {
    for (int i = 0; i < bytes; i++) buf_putc(b, (char)(v >> 8 * i & 0xff));
}

static lmm_status write_bmp(const stage *s, const char *path) {
    buf b = {0};
    const unsigned pixels = SIDE * SIDE * 3;
    buf_puts(&b, "BM");
    put_le(&b, 54 + pixels, 4), put_le(&b, 0, 4), put_le(&b, 54, 4), put_le(&b, 40, 4);
    put_le(&b, SIDE, 4), put_le(&b, SIDE, 4), put_le(&b, 1, 2), put_le(&b, 24, 2);
    put_le(&b, 0, 4), put_le(&b, pixels, 4), put_le(&b, 2835, 4), put_le(&b, 2835, 4), put_le(&b, 0, 4), put_le(&b, 0, 4);
    for (int y = SIDE - 1; y >= 0; y--)
        for (int x = 0; x < SIDE; x++) put_le(&b, s->at[y][x].b, 1), put_le(&b, s->at[y][x].g, 1), put_le(&b, s->at[y][x].r, 1);
    lmm_status st = file_write(path, b.data, b.size);
    buf_free(&b);
    return st;
}

/* A clip's line: when, what a caption of it would say, what is heard and from whom (a number, as nobody's name is to be seen). */
static void put_clip(const world *w, int index, int wearer, const char *name, buf *lines) {
    const event *e = &w->events.at[index];
    buf text = {0};
    const char *speaker;
    buf_printf(lines, "{\"clip\": \"%s\", \"t0\": %" PRId64 ", \"t1\": %" PRId64 ", \"actor\": %d, \"caption\": ", name, e->t0, e->t1,
               e->actor);
    sim_show(w, index, wearer, &text);
    json_quote(lines, text.data, text.size);
    if (event_is_speech(e) && sim_say(w, index, wearer, false, &text, &speaker))
        buf_puts(lines, ", \"speech\": "), json_quote(lines, text.data, text.size);
    buf_puts(lines, "}\n");
    buf_free(&text);
}

static lmm_status render_clip(const world *w, int index, int wearer, const char *path) {
    stage *s = mem_new(1, sizeof *s);
    rng r = sim_rng(w, R_RENDER + wearer, index >> 15, index & 0x7fff);
    int dx = (int)rng_below(&r, 3) - 1, dy = (int)rng_below(&r, 3) - 1;
    draw(s, w, &w->events.at[index], wearer, dx, dy);
    lmm_status st = write_bmp(s, path);
    free(s);
    return st;
}

lmm_status sim_render(const world *w, int wearer, int day, const char *dir) {
    buf lines = {0};
    lmm_status st = dir_make(dir);
    for (int i = 0; !st && i < w->events.count; i++) {
        const event *e = &w->events.at[i];
        if (e->t0 / DAY_MS != day || !(e->seen >> wearer & 1)) continue;
        char name[SIM_NAME];
        sim_clip_name(w, i, wearer, name);
        char *path = mem_printf("%s/%s.bmp", dir, name);
        st = render_clip(w, i, wearer, path);
        if (!st) put_clip(w, i, wearer, name, &lines);
        free(path);
    }
    char *path = path_join(dir, "clips.jsonl");
    if (!st) st = file_write(path, lines.data, lines.size);
    free(path);
    buf_free(&lines);
    return st;
}
