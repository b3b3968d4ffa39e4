/* preprocess_tiles.c - AnyRes' stack of one picture: an overview, then the tiles of a canvas, as Hugging Face's slow (Pillow) image processors
 * make them for LLaVA-NeXT and LLaVA-OneVision.
 *
 * The canvas is black, not of the mean colour, and is normalised afterwards like any pixel. Which canvas is chosen is geometry, not pixels:
 * models/anyres.c. Source: llava.md 2.5. */
#include "media/media_int.h"

int preprocess_tile_side(const preprocess_spec *s) {
    if (s->crop_height > 0) return s->crop_height;
    return s->height > 0 ? s->height : s->shortest_edge;
}

static lmm_status overview(image *out, const image *in, const preprocess_spec *s) {
    bool square = s->shortest_edge > 0;
    return image_resize(out, in, square ? s->shortest_edge : s->width, square ? s->shortest_edge : s->height, s->resample, NULL);
}

/* The tile whose left upper corner is (left, top) of the resized picture, which it may miss in part or wholly. */
static lmm_status cut(image *out, const image *in, const preprocess_spec *s, const tile_canvas *c, int left, int top) {
    image_frame whole = image_unframed(in);
    int x0 = max_int(left, 0), x1 = min_int(left + c->tile, c->picture_width);
    int y0 = max_int(top, 0), y1 = min_int(top + c->tile, c->picture_height);
    if (x0 >= x1 || y0 >= y1) return image_new(out, c->tile, c->tile, in->channels);
    image_part part = {x0, y0, x1 - x0, y1 - y0};
    image seen = {0};
    lmm_status st = image_resize_part(&seen, &whole, c->picture_width, c->picture_height, s->resample, NULL, &part);
    if (!st) st = image_crop(out, &seen, left - x0, top - y0, c->tile, c->tile);
    image_free(&seen);
    return st;
}

lmm_status preprocess_tile(image *out, const image *in, const preprocess_spec *s, const tile_canvas *c, int index) {
    int across = c->canvas_width / c->tile, at = index - 1;
    int left = (c->canvas_width - c->picture_width) / 2, top = (c->canvas_height - c->picture_height) / 2;
    preprocess_spec plain = *s;
    plain.do_pad = false;
    image raw = {0};
    lmm_status st = index == 0 ? overview(&raw, in, s) : cut(&raw, in, s, c, at % across * c->tile - left, at / across * c->tile - top);
    if (!st) st = preprocess_u8(out, &raw, &plain);
    image_free(&raw);
    return st;
}
