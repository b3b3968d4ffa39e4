/* anyres.c - AnyRes: a picture of any shape as an overview and a grid of tiles. Integers and doubles only; pixels are media's, rows the families'.
 *
 *   choose   the canvas that shows most of the picture and wastes least (first of equals)
 *   lay out  the picture on it, keeping its aspect; the map of rows the tiles give; the part of the map that shows picture
 *   rows     overview, then every line of that part with a newline row behind it; large maps are shrunk first
 *
 * The references differ in two places, kept apart by anyres_spec.reference: what a pair of the grid means, and the rounding of the part (llava.md
 * 2.5, 2.6). Doubles are computed in the references' order of operations, which decides at whole numbers. */
#include <math.h>

#include "models/models_int.h"

enum { TILES_MAX = 1024, MAP_ROWS_MAX = 1 << 24 };

lmm_status anyres_check(const anyres_spec *s, const char *name) {
    if (!s->grid || !s->grid->count) return LMM_FAIL(LMM_E_FORMAT, "%s: no 'image_grid_pinpoints' to cut pictures by", name);
    for (int i = 0; i < s->grid->count; i++) {
        int a = s->grid->pair[i][0], b = s->grid->pair[i][1];
        if (a % s->tile || b % s->tile)
            return LMM_FAIL(LMM_E_FORMAT, "%s: 'image_grid_pinpoints' has (%d, %d), which is no grid of tiles of %d pixels", name, a, b,
                            s->tile);
        int64_t tiles = (int64_t)(a / s->tile) * (b / s->tile);
        if (tiles > TILES_MAX || (tiles + 1) * s->side * s->side > MAP_ROWS_MAX)
            return LMM_FAIL(LMM_E_LIMIT, "%s: 'image_grid_pinpoints' has (%d, %d): %" PRId64 " tiles of %d x %d rows are too many", name, a,
                            b, tiles, s->side, s->side);
    }
    return LMM_OK;
}

/* ---- the canvas ---- */

typedef struct {
    int width, height;
} size2;

static size2 canvas_at(const anyres_spec *s, int i) {
    const int *p = s->grid->pair[i];
    return s->reference == REFERENCE_HF ? (size2){p[1], p[0]} : (size2){p[0], p[1]};
}

static size2 choose(const anyres_spec *s, int width, int height) {
    size2 best = {0, 0};
    int64_t best_seen = -1, best_waste = 0;
    for (int i = 0; i < s->grid->count; i++) {
        size2 c = canvas_at(s, i);
        double scale = fmin((double)c.width / width, (double)c.height / height);
        int64_t seen = min_i64((int64_t)(width * scale) * (int64_t)(height * scale), (int64_t)width * height);
        int64_t waste = (int64_t)c.width * c.height - seen;
        if (seen < best_seen || (seen == best_seen && waste >= best_waste)) continue;
        best = c;
        best_seen = seen;
        best_waste = waste;
    }
    return best;
}

static void fit(anyres_layout *l, int width, int height) {
    tile_canvas *c = &l->canvas;
    double across = (double)c->canvas_width / width, down = (double)c->canvas_height / height;
    bool wide = across < down;
    c->picture_width = wide ? c->canvas_width : min_int((int)ceil(width * down), c->canvas_width);
    c->picture_height = wide ? min_int((int)ceil(height * across), c->canvas_height) : c->canvas_height;
}

/* ---- the part of the map that shows picture ---- */

/* transformers rounds to 7 decimals before it cuts the fraction off: 19.99999996 is 20 to it. The difference is exact. */
static int whole(double x, reference ref) {
    double up = floor(x) + 1;
    return (int)(ref == REFERENCE_HF && up - x < 0.5e-7 ? up : floor(x));
}

/* The same is cut off on both sides, so one row more than the picture covers may stay; nothing at all may stay of a very long picture. */
static int margin(int map, int size, double scale, reference ref) { return (map - whole(size * scale, ref)) / 2; }

static void unpad(anyres_layout *l, const anyres_spec *s, int width, int height) {
    int w = l->tiles_across * s->side, h = l->tiles_down * s->side;
    bool wide = (double)width / height > (double)w / h, cuts = s->merge == MERGE_UNPAD;
    l->top = cuts && wide ? margin(h, height, (double)w / width, s->reference) : 0;
    l->left = cuts && !wide ? margin(w, width, (double)h / height, s->reference) : 0;
    l->width = w - 2 * l->left;
    l->height = h - 2 * l->top;
}

/* Python's a // b of floats. */
static int floor_divide(double a, double b) { return (int)round((a - fmod(a, b)) / b); }

/* anyres_max_N: a map of more than 1.21 N tiles is resampled to about N. */
static void shrink(anyres_layout *l, const anyres_spec *s) {
    l->map_width = l->width;
    l->map_height = l->height;
    if (!s->tiles_shown_max || s->merge != MERGE_UNPAD) return;
    double ratio = sqrt((double)((int64_t)l->height * l->width) / ((double)s->tiles_shown_max * s->side * s->side));
    if (ratio <= 1.1) return;
    l->map_width = max_int(floor_divide(l->width, ratio), 1);
    l->map_height = max_int(floor_divide(l->height, ratio), 1);
}

void anyres_lay_out(anyres_layout *l, const anyres_spec *s, int width, int height) {
    size2 best = choose(s, width, height);
    *l = (anyres_layout){.canvas = {.canvas_width = best.width, .canvas_height = best.height, .tile = s->tile}};
    l->tiles_across = best.width / s->tile;
    l->tiles_down = best.height / s->tile;
    fit(l, width, height);
    unpad(l, s, width, height);
    shrink(l, s);
    l->row_count = s->side * s->side + l->map_height * (l->map_width + (s->merge == MERGE_UNPAD));
}

void anyres_largest(const anyres_spec *s, int *width, int *height) {
    int64_t most = 0;
    for (int i = 0; i < s->grid->count; i++) {
        size2 c = canvas_at(s, i);
        if ((int64_t)c.width * c.height <= most) continue;
        most = (int64_t)c.width * c.height;
        *width = c.width;
        *height = c.height;
    }
}

/* ---- rows ---- */

/* Output d of `out` looks at input low (weight 1 - share) and high (share): torch's interpolate, bilinear, align_corners=False, in f32 as there. */
typedef struct {
    int low, high;
    float share;
} tap;

static tap tap_of(int d, int in, int out) {
    float at = ((float)d + 0.5f) * ((float)in / (float)out) - 0.5f;
    if (at < 0) at = 0;
    int low = min_int((int)at, in - 1);
    return (tap){low, min_int(low + 1, in - 1), at - (float)low};
}

/* Row (y, x) of the part, among the tiles' rows; tile 0 is the overview. */
static int map_row(const anyres_layout *l, int side, int y, int x) {
    y += l->top;
    x += l->left;
    return ((y / side * l->tiles_across + x / side + 1) * side + y % side) * side + x % side;
}

static row_blend resampled(const anyres_layout *l, int side, int first, tap y, tap x) {
    return (row_blend){.count = 4,
                       .index = {first + map_row(l, side, y.low, x.low), first + map_row(l, side, y.low, x.high),
                                 first + map_row(l, side, y.high, x.low), first + map_row(l, side, y.high, x.high)},
                       .weight = {(1 - y.share) * (1 - x.share), (1 - y.share) * x.share, y.share * (1 - x.share), y.share * x.share}};
}

static row_blend copied(int index) { return (row_blend){.count = 1, .index = {index}, .weight = {1.0f}}; }

row_blend *map_resample(row_blend *to, int first, int side, int out) {
    for (int y = 0; y < out; y++)
        for (int x = 0; x < out; x++) {
            tap v = tap_of(y, side, out), u = tap_of(x, side, out);
            *to++ =
                (row_blend){.count = 4,
                            .index = {first + v.low * side + u.low, first + v.low * side + u.high, first + v.high * side + u.low,
                                      first + v.high * side + u.high},
                            .weight = {(1 - v.share) * (1 - u.share), (1 - v.share) * u.share, v.share * (1 - u.share), v.share * u.share}};
        }
    return to;
}

row_blend *anyres_overview(row_blend *to, const anyres_spec *s, int first) {
    for (int i = 0; i < s->side * s->side; i++) *to++ = copied(first + i);
    return to;
}

static row_blend *tile_after_tile(row_blend *to, const anyres_spec *s, const anyres_layout *l, int first) {
    for (int i = 0; i < l->tiles_across * l->tiles_down; i++) to = anyres_overview(to, s, first + (i + 1) * s->side * s->side);
    return to;
}

row_blend *anyres_map(row_blend *to, const anyres_spec *s, const anyres_layout *l, int first) {
    if (s->merge == MERGE_FLAT) return tile_after_tile(to, s, l, first);
    bool same = l->map_width == l->width && l->map_height == l->height;
    for (int y = 0; y < l->map_height; y++) {
        tap down = tap_of(y, l->height, l->map_height);
        for (int x = 0; x < l->map_width; x++)
            *to++ =
                same ? copied(first + map_row(l, s->side, y, x)) : resampled(l, s->side, first, down, tap_of(x, l->width, l->map_width));
        if (s->merge == MERGE_UNPAD) *to++ = copied(ANYRES_NEWLINE);
    }
    return to;
}
