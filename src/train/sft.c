/* sft.c - supervised fine-tuning: cross entropy of the labelled rows; and the forward pass that every algorithm walks. */
#include "train/train_int.h"

tensor *batch_loss(cx *c, const net *n, const batch *b, float *logprob) {
    tensor *media = NULL;
    if (b->tile_count) {
        tensor *pixels = slab_alloc(&c->meta, sizeof *pixels);
        *pixels = net_pixels(n, b->tile_count, b->pixels);
        media = n->arch->media_embed(c, n, pixels, b->plans.at, b->plans.count);
    }
    tensor *x = net_embed(c, n, b->ids.at, b->rows, media);
    decoder_rows *rows = slab_alloc(&c->meta, sizeof *rows); /* replayed blocks read it again in backward */
    *rows = (decoder_rows){.n = b->rows, .position = b->position.at, .segs = b->segs.at, .seg_count = b->segs.count};
    tensor *h = decoder_forward(c, &n->dec, x, rows);
    return op_linear_xent(c, h, n->dec.head, b->label.at, b->weight.at, b->rows, logprob);
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
