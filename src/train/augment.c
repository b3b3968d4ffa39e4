/* augment.c - moves of a picture that change no answer: mirrored, turned, shifted, or its foreground moved about; and words hidden in answers. */
#include <string.h>

#include "train/train.h"

/* The picture keeps its size; what comes in at a border repeats the border. */
static lmm_status shift(image *im, int dx, int dy) {
    image out = {0};
    if (dx == 0 && dy == 0) return LMM_OK;
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

static const unsigned char *pixel(const image *im, int x, int y) { return im->data + (y * im->width + x) * im->channels; }
static bool same(const image *im, const unsigned char *a, const unsigned char *b) { return !memcmp(a, b, (size_t)im->channels); }

/* The corner colour most corners have. */
static const unsigned char *background(const image *im) {
    const unsigned char *corner[4] = {pixel(im, 0, 0), pixel(im, im->width - 1, 0), pixel(im, 0, im->height - 1),
                                      pixel(im, im->width - 1, im->height - 1)};
    int best = 0, most = 0;
    for (int i = 0; i < 4; i++) {
        int votes = 0;
        for (int k = 0; k < 4; k++) votes += same(im, corner[i], corner[k]);
        if (votes > most) most = votes, best = i;
    }
    return corner[best];
}

static int between(rng *r, int low, int high) { return low + (int)rng_below(r, (uint64_t)(high - low + 1)); }

/* Moves the foreground's box to a place drawn from all that hold it. */
static lmm_status roam(image *im, rng *r) {
    const unsigned char *back = background(im);
    int left = im->width, right = -1, top = im->height, bottom = -1;
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++)
            if (!same(im, pixel(im, x, y), back))
                left = min_int(left, x), right = max_int(right, x), top = min_int(top, y), bottom = max_int(bottom, y);
    if (right < 0) return LMM_OK;
    int dx = between(r, -left, im->width - 1 - right), dy = between(r, -top, im->height - 1 - bottom);
    image out = {0};
    lmm_status st = image_new(&out, im->width, im->height, im->channels);
    if (st) return st;
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++) {
            int sx = x - dx, sy = y - dy;
            const unsigned char *from = sx < left || sx > right || sy < top || sy > bottom ? back : pixel(im, sx, sy);
            memcpy(out.data + (y * im->width + x) * im->channels, from, (size_t)im->channels);
        }
    image_free(im);
    *im = out;
    return LMM_OK;
}

/* EXIF orientations: 1 as it is, 2 mirrored, 3 half turn, 4 flipped, 6 and 8 quarter turns, 5 and 7 both. */
static lmm_status turn(image *im, int orientation) {
    image out = {0};
    if (orientation == 1) return LMM_OK;
    lmm_status st = image_transpose(&out, im, orientation);
    if (st) return st;
    image_free(im);
    *im = out;
    return LMM_OK;
}

bool augment_any(const recipe_augment *a) {
    return a->mirror || a->turn || a->roam || a->shift || a->hide.words.count || a->hide.blank.count || a->hide.given.count;
}

bool augment_used(const recipe *r) {
    for (int i = 0; i < r->data.count; i++)
        if (augment_any(&r->data.at[i].augment)) return true;
    return false;
}

static bool is_among(int id, const recipe_words *w) {
    for (int i = 0; i < w->ids.count; i++)
        if (w->ids.at[i] == id) return true;
    return false;
}

int augment_word(int id, const recipe_hide *h, int padding, rng *r, bool *learnt) {
    if (is_among(id, &h->blank)) return *learnt = false, padding;
    if (is_among(id, &h->given)) *learnt = false;
    return is_among(id, &h->words) && rng_unit(r) < h->share ? padding : id;
}

/* Every draw is made whatever the options are, so that changing one leaves the others' randomness alone. */
lmm_status augment_picture(image *im, const recipe_augment *a, rng *r) {
    static const int turns[] = {1, 3, 6, 8};
    int draw = (int)rng_below(r, 8), dx = between(r, -a->shift, a->shift), dy = between(r, -a->shift, a->shift);
    int orientation = a->mirror && a->turn ? 1 + draw : a->turn ? turns[draw & 3] : a->mirror ? 1 + (draw & 1) : 1;
    lmm_status st = turn(im, orientation);
    if (!st && a->roam) st = roam(im, r);
    return st ? st : shift(im, dx, dy);
}
