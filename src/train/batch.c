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
    free(b->items.at);
    *b = (batch){0};
}

static lmm_status add_picture(batch *b, const lmm_model *m, const char *path, int pictures, const recipe_augment *a, rng *r) {
    image im = {0};
    media_plan plan;
    lmm_status st = picture_load(&im, m, path);
    if (!st && a) st = augment_picture(&im, a, r);
    if (!st) st = m->net->arch->media_plan(m->net, im.width, im.height, pictures, &plan);
    if (!st) st = m->net->arch->media_pixels(m->net, &im, &plan, &b->pixels, &b->tile_count);
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
    if (net_axes(m->net) > 1)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "training of '%s' is not supported: its positions have three axes", m->net->arch->name);
    for (int i = 0; i < s->ids.count; i++)
        if (s->ids.at[i] == m->net->video_token) return LMM_FAIL(LMM_E_UNSUPPORTED, "training on videos is not supported");
    int picture = b->plans.count, start = b->rows, tiles = b->tile_count;
    for (int i = 0; i < s->images.count; i++) {
        lmm_status st = add_picture(b, m, s->images.at[i], s->images.count, augment, &r);
        if (st) return b->plans.count = picture, b->tile_count = tiles, st;
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
