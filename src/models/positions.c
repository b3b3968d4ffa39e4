/* positions.c - the position of every row of a prompt: its number, or time, line and column where the decoder's frequencies have sections (M-RoPE).
 *
 * Text counts on all three axes alike; the rows of a picture or video stand at their time, line and column behind the text before. Where text goes on behind them is
 * the one difference of the references (position_rule). Source: llava.md 2.9; arXiv 2409.12191. */
#include <stdlib.h>

#include "models/models_int.h"

int net_axes(const net *n) { return n->has_decoder && n->dec.config.rope.section[0] ? 3 : 1; }

bool net_is_slot(const net *n, int id) { return id >= 0 && (id == n->image_token || id == n->video_token || id == n->sound_token); }

/* Seconds come before the product with the rate, in f32, and each product is cut to a whole number by itself. */
static int time_of(const net *n, const media_plan *p, int step) {
    if (!p->frames || !(n->tokens_per_second > 0)) return step;
    float at = (float)step * (float)p->grid_seconds * (float)n->tokens_per_second;
    return at < (float)(1 << 24) ? (int)at : 1 << 24;
}

/* Returns where text goes on. */
static int place_media(const net *n, const media_plan *p, int start, int *to) {
    int merge = n->patches.config.merge, H = p->grid.h / merge, W = p->grid.w / merge, last = start;
    for (int t = 0; t < p->grid.t; t++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++, to += 3) {
                to[0] = start + time_of(n, p, t), to[1] = start + y, to[2] = start + x;
                last = max_int(last, to[0]);
            }
    int side = start + max_int(H, W);
    return n->positions == POSITIONS_SIDE ? side : max_int(last + 1, side);
}

int net_positions(const net *n, const int *ids, int count, const media_plan *const *plans, int **position) {
    int axes = net_axes(n), next = 0, most = -1;
    int *at = mem_new((size_t)count * (size_t)axes + 1, sizeof *at);
    *position = at;
    if (axes == 1) {
        for (int i = 0; i < count; i++) at[i] = i;
        return 0;
    }
    for (int i = 0; i < count;) {
        if (net_is_slot(n, ids[i])) {
            const media_plan *p = *plans++;
            next = place_media(n, p, next, at + 3 * i);
            i += p->row_count;
        } else {
            for (int a = 0; a < 3; a++) at[3 * i + a] = next;
            i++, next++;
        }
    }
    for (int i = 0; i < 3 * count; i++) most = max_int(most, at[i]);
    return most + 1 - count;
}
