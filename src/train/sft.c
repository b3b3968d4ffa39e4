/* sft.c - supervised fine-tuning: cross entropy of the labelled rows; and the forward pass that every algorithm walks. */
#include <stdlib.h>

#include "train/train_int.h"

static tensor *kind_rows(cx *c, const net *n, const batch *b, medium kind) {
    const batch_media *m = &b->media[kind];
    tensor *pixels = slab_alloc(&c->meta, sizeof *pixels);
    *pixels = net_media(n, kind == MEDIUM_SOUND, m->tile_count, m->pixels);
    return n->arch->media_embed(c, n, pixels, m->plans.at, m->plans.count);
}

/* Rows x of the kinds that are `in` it and rows y of one more, in the order of their placeholders. */
static tensor *in_order(cx *c, const batch *b, tensor *x, const bool *in, tensor *y, medium kind) {
    int total = (int)(tensor_rows(x) + tensor_rows(y)), at = 0, next[MEDIUM_KINDS] = {0}, row_x = 0, row_y = 0;
    int *index = mem_new((size_t)total, sizeof *index);
    for (int i = 0; i < b->media_order.count; i++) {
        const medium k = b->media_order.at[i];
        if (k != kind && !in[k]) continue;
        for (int r = b->media[k].plans.at[next[k]++].row_count; r > 0; r--) index[at++] = k == kind ? -1 - row_y++ : row_x++;
    }
    tensor *all = op_rows_join(c, x, y, index, total);
    free(index);
    return all;
}

/* Rows of all media in the order of their placeholders. Each kind goes through its tower apart. */
static tensor *media_rows(cx *c, const net *n, const batch *b) {
    tensor *x = NULL;
    bool in[MEDIUM_KINDS] = {0};
    for (int k = 0; k < MEDIUM_KINDS; k++) {
        if (!b->media[k].tile_count) continue;
        tensor *rows = kind_rows(c, n, b, (medium)k);
        x = x ? in_order(c, b, x, in, rows, (medium)k) : rows;
        in[k] = true;
    }
    return x;
}

/* Rows before a segment's first label: nothing is read off them. */
static const int *unlabelled_heads(cx *c, const batch *b) {
    int *count = slab_alloc(&c->meta, (size_t)b->segs.count * sizeof *count);
    for (int i = 0; i < b->segs.count; i++) {
        const attn_seg *g = &b->segs.at[i];
        while (count[i] < g->q_count && b->label.at[g->q_first + count[i]] < 0) count[i]++;
    }
    return count;
}

tensor *batch_loss(cx *c, const net *n, const batch *b, const xent_opts *opts) {
    tensor *x = net_embed(c, n, b->ids.at, b->rows, b->media_order.count ? media_rows(c, n, b) : NULL);
    decoder_rows *rows = slab_alloc(&c->meta, sizeof *rows); /* replayed blocks read it again in backward */
    *rows = (decoder_rows){.n = b->rows,
                           .position = b->position.at,
                           .segs = b->segs.at,
                           .seg_count = b->segs.count,
                           .unasked = unlabelled_heads(c, b)};
    tensor *h = decoder_forward(c, &n->dec, x, rows);
    xent_opts o = opts ? *opts : (xent_opts){0};
    o.seed = 1;
    return op_linear_xent(c, h, n->dec.head, b->label.at, b->weight.at, b->rows, &o);
}

tensor *sft_loss(cx *c, const net *n, const batch *b) { return batch_loss(c, n, b, NULL); }

static lmm_status load(trainer *t) { return trainer_load(t, samples_load, 1); }

static lmm_status make_batch(trainer *t, order *o, int64_t micro, batch *b) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < t->r.batch && !st; i++) st = trainer_add(t, order_at(o, t, micro * t->r.batch + i), micro * t->r.batch + i, b);
    return st;
}

/* Every label of the step weighs the same, whatever micro batch it is in. */
static void weigh(const trainer *t, batch *b, int64_t labels) {
    (void)t;
    for (int i = 0; i < b->rows; i++) b->weight.at[i] = 1.0f / (float)labels;
}

const algorithm algorithm_sft = {.name = "sft", .load = load, .make_batch = make_batch, .weigh = weigh};
