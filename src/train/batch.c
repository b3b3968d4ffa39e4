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
    for (int k = 0; k < MEDIUM_KINDS; k++) {
        free(b->media[k].plans.at);
        free(b->media[k].pixels);
    }
    free(b->media_order.at);
    free(b->items.at);
    *b = (batch){0};
}

/* ---- media ---- */

static lmm_status add_picture(batch_media *to, const lmm_model *m, const char *path, int pictures, const recipe_augment *a, rng *r) {
    image im = {0};
    media_plan plan;
    lmm_status st = picture_load(&im, m, path);
    if (!st && a) st = augment_picture(&im, a, r);
    if (!st) st = m->net->arch->media_plan(m->net, im.width, im.height, pictures, &plan);
    if (!st) st = m->net->arch->media_pixels(m->net, &im, &plan, &to->pixels, &to->tile_count);
    image_free(&im);
    if (!st) VEC_PUSH(&to->plans, plan);
    return st;
}

/* Tiles of one video or sound behind those that are there; takes them over. */
static void append_tiles(batch_media *to, const net *n, const media_plan *plan, float *tiles) {
    const tensor one = net_media(n, plan->sound, 1, NULL);
    size_t size = tensor_size(&one);
    to->pixels = mem_resize(to->pixels, (size_t)(to->tile_count + plan->tile_count), size);
    memcpy((char *)to->pixels + (size_t)to->tile_count * size, tiles, (size_t)plan->tile_count * size);
    to->tile_count += plan->tile_count;
    VEC_PUSH(&to->plans, *plan);
    free(tiles);
}

static lmm_status add_video(batch_media *to, const lmm_model *m, const char *path, const lmm_video_opts *o) {
    video_media v;
    lmm_status st = video_take(&v, m, path, o, 0);
    if (st) return st;
    append_tiles(to, m->net, &v.plan, v.pixels);
    return LMM_OK;
}

static lmm_status add_sound(batch_media *to, const lmm_model *m, const char *path) {
    sound heard;
    media_plan plan;
    float *features;
    if (!m->net->arch->sound_features)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' hears nothing, but '%.200s' is to be learnt from", m->path, path);
    lmm_status st = sound_load(&heard, path, MEL_RATE, NULL);
    if (st) return st;
    st = m->net->arch->sound_features(m->net, &heard, &plan, &features);
    sound_free(&heard);
    if (!st) append_tiles(to, m->net, &plan, features);
    return LMM_CONTEXT(st, "'%.200s'", path);
}

medium medium_of(const media_ref *r) { return r->sound ? MEDIUM_SOUND : r->video ? MEDIUM_VIDEO : MEDIUM_PICTURE; }

static lmm_status add_medium(batch *b, const lmm_model *m, const sample *s, const media_ref *ref, int pictures, rng *r) {
    const medium kind = medium_of(ref);
    if (kind == MEDIUM_SOUND) return add_sound(&b->media[kind], m, ref->path);
    if (!m->net->arch->media_plan)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' sees no pictures, but '%.200s' is to be learnt from", m->path, ref->path);
    if (kind == MEDIUM_VIDEO) return add_video(&b->media[kind], m, ref->path, &s->video);
    return add_picture(&b->media[kind], m, ref->path, pictures, s->augment, r);
}

static lmm_status add_media(batch *b, const lmm_model *m, const sample *s, rng *r) {
    int pictures = 0;
    lmm_status st = LMM_OK;
    for (int i = 0; i < s->media.count; i++) pictures += medium_of(&s->media.at[i]) == MEDIUM_PICTURE;
    if (s->one_tile) pictures = max_int(pictures, 2); /* laid out as one of several */
    for (int i = 0; i < s->media.count && !st; i++) {
        st = add_medium(b, m, s, &s->media.at[i], pictures, r);
        if (!st) VEC_PUSH(&b->media_order, medium_of(&s->media.at[i]));
    }
    return st;
}

/* ---- rows ---- */

/* Where the sample's rows come from: its media in order, of which `used` stand in rows already. */
typedef struct {
    batch *b;
    const lmm_model *m;
    const sample *s;
    const media_plan **plans;
    int used;
    const recipe_hide *hide; /* NULL: no words are hidden */
    rng *r;
} packing;

static void add_row(batch *b, int id) {
    VEC_PUSH(&b->ids, id);
    VEC_PUSH(&b->label, -1);
    VEC_PUSH(&b->weight, 1.0f);
    b->rows++;
}

/* Rows of ids [first, first + count). The row before a trained id learns to predict it. */
static void add_ids(packing *p, int first, int count) {
    const sample *s = p->s;
    batch *b = p->b;
    int last = -1;
    for (int i = first; i < first + count; i++) {
        bool slot = net_is_slot(p->m->net, s->ids.at[i]);
        int id = s->ids.at[i];
        bool learnt = s->labels.at[i] >= 0;
        if (p->hide && learnt) id = augment_word(id, p->hide, tokenizer_pad(p->m->tok), p->r, &learnt);
        for (int r = slot ? p->plans[p->used++]->row_count : 1; r > 0; r--) add_row(b, id);
        if (learnt && last >= 0) {
            b->label.at[last] = s->labels.at[i];
            b->label_count++;
        }
        last = b->rows - 1;
    }
}

/* Rows [first, rows) come behind `prefix_count` rows from prefix_first on, whose media are the sample's first; those of the segment begin with number `from`. */
static void add_seg(packing *p, int first, int prefix_first, int prefix_count, int prefix_media, int from) {
    batch *b = p->b;
    int count = b->rows - first, axes = net_axes(p->m->net), total = prefix_count + count, *position;
    attn_seg g = {.q_first = first, .q_count = count, .prefix_first = prefix_first, .prefix_count = prefix_count};
    g.key_first = first, g.key_count = g.q_count;
    VEC_PUSH(&b->segs, g);
    int *ids = mem_new((size_t)total + 1, sizeof *ids);
    const media_plan **plans = mem_new((size_t)(prefix_media + p->used - from) + 1, sizeof *plans);
    memcpy(ids, b->ids.at + prefix_first, (size_t)prefix_count * sizeof *ids);
    memcpy(ids + prefix_count, b->ids.at + first, (size_t)count * sizeof *ids);
    memcpy(plans, p->plans, (size_t)prefix_media * sizeof *plans);
    memcpy(plans + prefix_media, p->plans + from, (size_t)(p->used - from) * sizeof *plans);
    net_positions(p->m->net, ids, total, plans, &position);
    for (int i = prefix_count * axes; i < total * axes; i++) VEC_PUSH(&b->position, position[i]);
    free(position);
    free(plans);
    free(ids);
}

static void add_rows(packing *p) {
    const sample *s = p->s;
    int start = p->b->rows;
    add_ids(p, 0, s->prefix);
    int prefix = p->b->rows - start, prefix_media = p->used;
    if (prefix) add_seg(p, start, start, 0, 0, 0);
    for (int i = 0; i < s->segs.count; i++) {
        int first = p->b->rows, from = p->used;
        add_ids(p, s->segs.at[i].first, s->segs.at[i].count);
        if (p->b->rows > first) add_seg(p, first, start, prefix, prefix_media, from);
    }
}

/* A template may write no placeholder for a kind it does not know. */
static lmm_status check_slots(const net *n, const sample *s) {
    int slots = 0;
    for (int i = 0; i < s->ids.count; i++) slots += net_is_slot(n, s->ids.at[i]);
    if (slots == s->media.count) return LMM_OK;
    return LMM_FAIL(LMM_E_FORMAT, "the text has places for %d of %d pictures, videos and sounds; does the model's chat template know them?",
                    slots, s->media.count);
}

lmm_status batch_add(batch *b, const lmm_model *m, const sample *s, rng r) {
    int order = b->media_order.count, plans[MEDIUM_KINDS], tiles[MEDIUM_KINDS];
    for (int k = 0; k < MEDIUM_KINDS; k++) plans[k] = b->media[k].plans.count, tiles[k] = b->media[k].tile_count;
    lmm_status st = add_media(b, m, s, &r);
    if (!st) st = check_slots(m->net, s);
    if (st) {
        b->media_order.count = order;
        for (int k = 0; k < MEDIUM_KINDS; k++) b->media[k].plans.count = plans[k], b->media[k].tile_count = tiles[k];
        return st;
    }
    packing p = {.b = b, .m = m, .s = s, .r = &r};
    p.plans = mem_new((size_t)s->media.count + 1, sizeof *p.plans);
    if (s->augment) p.hide = &s->augment->hide;
    for (int i = 0; i < s->media.count; i++) {
        const medium kind = medium_of(&s->media.at[i]);
        p.plans[i] = &b->media[kind].plans.at[plans[kind]++];
    }
    add_rows(&p);
    free(p.plans);
    return LMM_OK;
}
