/* sft.c - supervised fine-tuning: cross entropy of the labelled rows. */
#include "train/train.h"

tensor *sft_loss(cx *c, const net *n, const batch *b) {
    tensor *media = NULL;
    if (b->tile_count) {
        int S = n->tower.config.image_size;
        tensor *pixels = slab_alloc(&c->meta, sizeof *pixels);
        *pixels = tensor_make(DT_F32, 4, (int64_t[]){b->tile_count, 3, S, S}, b->pixels);
        media = n->arch->media_embed(c, n, pixels, b->plans.at, b->plans.count);
    }
    tensor *x = net_embed(c, n, b->ids.at, b->rows, media);
    decoder_rows *rows = slab_alloc(&c->meta, sizeof *rows); /* replayed blocks read it again in backward */
    *rows = (decoder_rows){.n = b->rows, .position = b->position.at, .segs = b->segs.at, .seg_count = b->segs.count};
    tensor *h = decoder_forward(c, &n->dec, x, rows);
    return op_linear_xent(c, h, n->dec.head, b->label.at, b->weight.at, b->rows, NULL);
}
