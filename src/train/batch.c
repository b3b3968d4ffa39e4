/* batch.c - samples packed into rows: each segment sees the shared prefix (the picture) and itself, no other sample, no other segment. */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

void batch_free(batch *b) {
    free(b->ids.at);
    free(b->position.at);
    free(b->label.at);
    free(b->weight.at);
    free(b->segs.at);
    free(b->plans.at);
    free(b->pixels);
    *b = (batch){0};
}

/* ---- pictures ---- */

/* Shift with the border colour stretched outwards: the picture keeps its size. */
static lmm_status shift(image *im, int dx, int dy) {
    image out = {0};
    lmm_status st = image_new(&out, im->width, im->height, im->channels);
    if (st) return st;
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++) {
            int sx = max_int(0, min_int(im->width - 1, x - dx)), sy = max_int(0, min_int(im->height - 1, y - dy));
            memcpy(out.data + (y * im->width + x) * im->channels, im->data + (sy * im->width + sx) * im->channels, (size_t)im->channels);
        }
    image_free(im);
    *im = out;
    return LMM_OK;
}

static lmm_status turn(image *im, int exif_orientation) {
    image out = {0};
    lmm_status st = image_transpose(&out, im, exif_orientation);
    if (st) return st;
    image_free(im);
    *im = out;
    return LMM_OK;
}

/* EXIF orientations: 1 as it is, 2 mirrored, 3 half turn, 4 flipped, 6 and 8 quarter turns, 5 and 7 both. */
static lmm_status move_picture(image *im, const recipe_augment *a, rng *r) {
    static const int with_turns[] = {1, 2, 3, 4, 5, 6, 7, 8}, turns[] = {1, 3, 6, 8}, flips[] = {1, 2, 3, 4};
    int draw = (int)rng_below(r, 8), dx = (int)rng_below(r, (uint64_t)(2 * a->shift + 1)) - a->shift, dy = (int)rng_below(r, (uint64_t)(2 * a->shift + 1)) - a->shift;
    int orientation = a->flip && a->turn ? with_turns[draw] : a->turn ? turns[draw & 3] : a->flip ? flips[draw & 3] : 1;
    lmm_status st = orientation == 1 ? LMM_OK : turn(im, orientation);
    return st || (dx == 0 && dy == 0) ? st : shift(im, dx, dy);
}

static lmm_status add_picture(batch *b, const lmm_model *m, const char *path, const recipe_augment *a, rng *r) {
    image im = {0};
    media_plan plan;
    lmm_status st = picture_load(&im, m, path);
    if (!st && a) st = move_picture(&im, a, r);
    if (!st) st = m->net->arch->media_plan(m->net, &im, &plan);
    if (!st) st = m->net->arch->media_pixels(m->net, &im, &b->pixels, &b->tile_count);
    image_free(&im);
    if (!st) VEC_PUSH(&b->plans, plan);
    return st;
}

/* ---- rows ---- */

static void add_row(batch *b, int id, int position) {
    VEC_PUSH(&b->ids, id);
    VEC_PUSH(&b->position, position);
    VEC_PUSH(&b->label, -1);
    VEC_PUSH(&b->weight, 1.0f);
    b->rows++;
}

/* Rows of ids [first, first + count); position counts on from `position`. The row before a trained id learns to predict it. */
static void add_ids(batch *b, const lmm_model *m, const sample *s, int first, int count, int position, int *picture) {
    int last = -1;
    for (int i = first; i < first + count; i++) {
        bool slot = s->ids.at[i] == m->net->image_token && m->net->image_token >= 0;
        for (int r = slot ? b->plans.at[(*picture)++].row_count : 1; r > 0; r--) add_row(b, s->ids.at[i], position++);
        if (s->labels.at[i] >= 0 && last >= 0) {
            b->label.at[last] = s->labels.at[i];
            b->label_count++;
        }
        last = b->rows - 1;
    }
}

static void add_seg(batch *b, int first, int prefix_first, int prefix_count) {
    attn_seg g = {.q_first = first, .q_count = b->rows - first, .prefix_first = prefix_first, .prefix_count = prefix_count};
    g.key_first = first, g.key_count = g.q_count;
    VEC_PUSH(&b->segs, g);
}

lmm_status batch_add(batch *b, const lmm_model *m, const sample *s, const recipe_augment *augment, rng r) {
    int picture = b->plans.count, start = b->rows;
    for (int i = 0; i < s->images.count; i++) {
        lmm_status st = add_picture(b, m, s->images.at[i], augment, &r);
        if (st) return st;
    }
    add_ids(b, m, s, 0, s->prefix, 0, &picture);
    int prefix = b->rows - start;
    if (prefix) add_seg(b, start, 0, 0);
    for (int i = 0; i < s->segs.count; i++) {
        int first = b->rows;
        add_ids(b, m, s, s->segs.at[i].first, s->segs.at[i].count, prefix, &picture);
        if (b->rows > first) add_seg(b, first, start, prefix);
    }
    return LMM_OK;
}
