/* patch_tower.c - the towers of Qwen2-VL and Qwen2.5-VL: patches of pictures of any size, rotary positions of line and column, and a merger of
 * merge x merge patches to one row.
 *
 * Patches come block by block of merge x merge, so four consecutive rows are one row of the decoder. Frames (pairs of pictures) never see each other. With a
 * window most blocks see only cells of their own window: the rows are put in the order of windows once, at the entrance, and back after the merger.
 * Source: llava.md 2.8, 2.10; transformers modeling_qwen2_vl, modeling_qwen2_5_vl. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

/* ---- config ---- */

static const double norm_eps = 1e-6;

static lmm_status full_blocks_read(patch_tower_config *c, const tree *t, const char *name) {
    static const int released[] = {7, 15, 23, 31};
    const tree *list = tree_get(t, "fullatt_block_indexes");
    if (!list || list->type != TREE_LIST) {
        for (size_t i = 0; i < COUNT_OF(released); i++) c->full[released[i]] = true;
        return LMM_OK;
    }
    for (int i = 0; i < list->count; i++) {
        const tree *at = list->items[i];
        if (at->type != TREE_INT || at->i < 0 || at->i >= TOWER_DEPTH_MAX)
            return LMM_FAIL(LMM_E_FORMAT, "%s: 'fullatt_block_indexes' lists what is no block", name);
        c->full[at->i] = true;
    }
    return LMM_OK;
}

/* What only one of the two has: the shape of the MLP, and windows. */
static lmm_status kind_read(patch_tower_config *c, const tree *t, const char *name) {
    int64_t mlp = 3420, window = 112;
    lmm_status st = LMM_OK;
    const char *act = tree_str(t, "hidden_act", c->gated ? "silu" : "quick_gelu");
    if (!activation_find(act, &c->act) || c->gated != (c->act == ACT_SILU))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "%s: vision activation '%s' does not fit this tower", name, act);
    if (!c->gated) {
        double ratio = tree_real(t, "mlp_ratio", 4);
        if (!(ratio > 0) || ratio * c->hidden > 1 << 20) return LMM_FAIL(LMM_E_FORMAT, "%s: 'mlp_ratio' is out of range", name);
        return c->mlp = (int)(ratio * c->hidden), LMM_OK;
    }
    if (tree_get(t, "intermediate_size")) st = tree_need_int(t, "intermediate_size", 1, 1 << 20, &mlp, name);
    if (!st && tree_get(t, "window_size")) st = tree_need_int(t, "window_size", 1, 1 << 16, &window, name);
    if (st) return st;
    c->mlp = (int)mlp;
    c->window = (int)window / c->patch / c->merge;
    if (c->window < 1)
        return LMM_FAIL(LMM_E_FORMAT, "%s: a window of %d pixels holds no cell of %d", name, (int)window, c->patch * c->merge);
    return full_blocks_read(c, t, name);
}

lmm_status patch_tower_config_read(patch_tower_config *out, const tree *t, int hidden, const char *name) {
    bool gated = tree_get(t, "window_size") || tree_get(t, "fullatt_block_indexes") || tree_get(t, "intermediate_size");
    struct {
        const char *key;
        int64_t fallback, high, value;
    } row[] = {
        {gated ? "hidden_size" : "embed_dim", 1280, 65536, 0},
        {"depth", 32, TOWER_DEPTH_MAX, 0},
        {"num_heads", 16, 1024, 0},
        {"patch_size", 14, 256, 0},
        {"temporal_patch_size", 2, 16, 0},
        {"spatial_merge_size", 2, 16, 0},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        row[i].value = row[i].fallback;
        lmm_status st = tree_get(t, row[i].key) ? tree_need_int(t, row[i].key, 1, row[i].high, &row[i].value, name) : LMM_OK;
        if (st) return st;
    }
    patch_tower_config c = {.hidden = (int)row[0].value,
                            .depth = (int)row[1].value,
                            .head_count = (int)row[2].value,
                            .patch = (int)row[3].value,
                            .temporal = (int)row[4].value,
                            .merge = (int)row[5].value,
                            .gated = gated};
    c.out = (int)tree_int(t, gated ? "out_hidden_size" : "hidden_size", hidden);
    if (c.out != hidden) return LMM_FAIL(LMM_E_SHAPE, "%s: the tower gives rows of %d, the decoder takes %d", name, c.out, hidden);
    if (c.hidden % c.head_count || c.hidden / c.head_count % 4 || c.hidden / c.head_count > 1024)
        return LMM_FAIL(LMM_E_FORMAT, "%s: width %d does not divide into %d heads of a multiple of 4", name, c.hidden, c.head_count);
    c.theta = tree_real(tree_get(t, "rope_parameters"), "rope_theta", 10000);
    if (!(c.theta > 1)) return LMM_FAIL(LMM_E_FORMAT, "%s: rope theta must be above 1", name);
    lmm_status st = kind_read(&c, t, name);
    if (!st) *out = c;
    return st;
}

int patch_size(const patch_tower_config *c) { return 3 * c->temporal * c->patch * c->patch; }

/* ---- binding ---- */

static void block_bind(patch_tower_block *l, const patch_tower_config *c, int i, binder *b, const char *prefix) {
    int D = c->hidden;
    const float std = 0.02f, eps = (float)norm_eps;
    l->norm1 = bind_norm(b, D, !c->gated, eps, "%s.blocks.%d.norm1", prefix, i);
    l->norm2 = bind_norm(b, D, !c->gated, eps, "%s.blocks.%d.norm2", prefix, i);
    l->qkv = bind_linear(b, 3 * D, D, true, std, "%s.blocks.%d.attn.qkv", prefix, i);
    l->proj = bind_linear(b, D, D, true, std, "%s.blocks.%d.attn.proj", prefix, i);
    if (c->gated) l->gate = bind_linear(b, c->mlp, D, true, std, "%s.blocks.%d.mlp.gate_proj", prefix, i);
    l->up = bind_linear(b, c->mlp, D, true, std, c->gated ? "%s.blocks.%d.mlp.up_proj" : "%s.blocks.%d.mlp.fc1", prefix, i);
    l->down = bind_linear(b, D, c->mlp, true, std, c->gated ? "%s.blocks.%d.mlp.down_proj" : "%s.blocks.%d.mlp.fc2", prefix, i);
}

lmm_status patch_tower_bind(patch_tower *out, const patch_tower_config *c, binder *b, const char *prefix) {
    *out = (patch_tower){.config = *c, .blocks = mem_new((size_t)c->depth, sizeof *out->blocks)};
    int D = c->hidden, M = c->merge * c->merge * D;
    b->part = PART_VISION;
    out->patch.w = param_bind(b, (init_rule){INIT_UNIFORM, 1.0f / sqrtf((float)patch_size(c))}, 5,
                              (int64_t[]){D, 3, c->temporal, c->patch, c->patch}, "%s.patch_embed.proj.weight", prefix);
    for (int i = 0; i < c->depth && !b->status; i++) block_bind(&out->blocks[i], c, i, b, prefix);
    b->part = PART_PROJECTOR;
    out->merge_norm = bind_norm(b, D, !c->gated, (float)norm_eps, "%s.merger.ln_q", prefix);
    out->merge1 = bind_linear(b, M, M, true, 0.02f, "%s.merger.mlp.0", prefix);
    out->merge2 = bind_linear(b, c->out, M, true, 0.02f, "%s.merger.mlp.2", prefix);
    return b->status;
}

void patch_tower_free(patch_tower *t) {
    free(t->blocks);
    *t = (patch_tower){0};
}

/* ---- geometry ---- */

void patch_windows(const patch_tower_config *c, const patch_grid *g, int **order, int **lengths, int *windows) {
    int H = g->h / c->merge, W = g->w / c->merge, side = c->window, n = 0, at = 0;
    int down = (H + side - 1) / side, across = (W + side - 1) / side;
    *order = mem_new((size_t)g->t * (size_t)H * (size_t)W, sizeof **order);
    *lengths = mem_new((size_t)g->t * (size_t)down * (size_t)across, sizeof **lengths);
    for (int t = 0; t < g->t; t++)
        for (int v = 0; v < down * across; v++) {
            int first = at, y0 = v / across * side, x0 = v % across * side;
            for (int y = y0; y < min_int(y0 + side, H); y++)
                for (int x = x0; x < min_int(x0 + side, W); x++) (*order)[at++] = (t * H + y) * W + x;
            (*lengths)[n++] = at - first;
        }
    *windows = n;
}

/* What all blocks of one pass share. */
typedef struct {
    const patch_tower *t;
    tensor *rope;
    attn_seg *frames, *windows; /* who sees whom */
    int frame_count, window_count;
    int *order; /* (cells) of all grids, NULL: as they come */
    int cells;
} pass;

static void add_seg(attn_seg *segs, int *count, int first, int rows) {
    segs[(*count)++] = (attn_seg){.q_first = first, .q_count = rows, .key_first = first, .key_count = rows};
}

static void place_windows(pass *p, const patch_grid *g, int cell) {
    const patch_tower_config *c = &p->t->config;
    int *order, *lengths, n, each = c->merge * c->merge, at = cell;
    patch_windows(c, g, &order, &lengths, &n);
    for (int i = 0; i < n; at += lengths[i++]) add_seg(p->windows, &p->window_count, at * each, lengths[i] * each);
    for (int i = cell; i < at; i++) p->order[i] = cell + order[i - cell];
    free(order);
    free(lengths);
}

/* Line and column of every patch, in the order of the rows. */
static void place_patches(int *position, const patch_grid *g, int merge) {
    for (int t = 0; t < g->t; t++)
        for (int y = 0; y < g->h; y += merge)
            for (int x = 0; x < g->w; x += merge)
                for (int i = 0; i < merge * merge; i++) *position++ = y + i / merge, *position++ = x + i % merge;
}

static tensor *make_rope(cx *c, const pass *p, const int *position, int n) {
    const patch_tower_config *f = &p->t->config;
    int d = f->hidden / f->head_count, quarter = d / 4;
    float inv_freq[512];
    unsigned char axis[512];
    for (int i = 0; i < d / 2; i++) {
        inv_freq[i] = 1.0f / powf((float)f->theta, (float)(2 * (i % quarter)) / (float)(d / 2));
        axis[i] = i >= quarter;
    }
    return rope_table_axes(c, position, 2, n, axis, inv_freq, d, 1.0f);
}

static void lay_out(cx *c, pass *p, const patch_grid *grid, int count) {
    const patch_tower_config *f = &p->t->config;
    int each = f->merge * f->merge, frames = 0, rows = 0;
    for (int i = 0; i < count; i++) frames += grid[i].t, rows += grid[i].t * grid[i].h * grid[i].w;
    p->cells = rows / each;
    p->frames = slab_alloc(&c->meta, (size_t)frames * sizeof *p->frames);
    if (f->window)
        p->windows = slab_alloc(&c->meta, (size_t)p->cells * sizeof *p->windows),
        p->order = slab_alloc(&c->meta, (size_t)p->cells * sizeof *p->order);
    int *raster = mem_new((size_t)rows * 2, sizeof *raster), *position = slab_alloc(&c->meta, (size_t)rows * 2 * sizeof *position);
    for (int i = 0, at = 0; i < count; i++) {
        int one = grid[i].h * grid[i].w;
        place_patches(raster + 2 * at, &grid[i], f->merge);
        if (f->window) place_windows(p, &grid[i], at / each);
        for (int t = 0; t < grid[i].t; t++, at += one) add_seg(p->frames, &p->frame_count, at, one);
    }
    for (int i = 0; i < rows; i++) {
        int from = p->order ? p->order[i / each] * each + i % each : i;
        position[2 * i] = raster[2 * from], position[2 * i + 1] = raster[2 * from + 1];
    }
    free(raster);
    p->rope = make_rope(c, p, position, rows);
}

/* ---- forward ---- */

typedef struct {
    const pass *p;
    int block;
} block_arg;

static tensor *attention(cx *c, const block_arg *a, tensor *x) {
    const pass *p = a->p;
    const patch_tower_config *f = &p->t->config;
    const patch_tower_block *l = &p->t->blocks[a->block];
    int D = f->hidden;
    bool whole = !f->window || f->full[a->block];
    linear lq = linear_part(c, &l->qkv, 0, D), lk = linear_part(c, &l->qkv, D, D), lv = linear_part(c, &l->qkv, 2 * D, D);
    tensor *q = nn_turn(c, nn_linear(c, &lq, x), p->rope), *k = nn_turn(c, nn_linear(c, &lk, x), p->rope), *v = nn_linear(c, &lv, x);
    cx_done(c, x);
    attn_spec s = {.head_count = f->head_count,
                   .kv_head_count = f->head_count,
                   .head_dim = D / f->head_count,
                   .segs = whole ? p->frames : p->windows,
                   .seg_count = whole ? p->frame_count : p->window_count};
    s.scale = 1.0f / sqrtf((float)s.head_dim);
    return nn_linear_last(c, &l->proj, op_attn(c, q, k, v, &s));
}

static tensor *block(cx *c, void *arg, tensor *x) {
    const block_arg *a = arg;
    const patch_tower_block *l = &a->p->t->blocks[a->block];
    x = nn_residual(c, x, attention(c, a, nn_norm(c, &l->norm1, x)));
    tensor *h = nn_norm(c, &l->norm2, x), *up = nn_linear(c, &l->up, h), *gate = l->gate.w ? nn_linear(c, &l->gate, h) : NULL;
    cx_done(c, h);
    h = gate ? op_swiglu(c, gate, up) : op_act(c, up, a->p->t->config.act);
    return nn_residual(c, x, nn_linear_last(c, &l->down, h));
}

static tensor *to_windows(cx *c, const pass *p, tensor *x, int each) {
    int *index = mem_new((size_t)p->cells * (size_t)each, sizeof *index);
    for (int i = 0; i < p->cells * each; i++) index[i] = p->order[i / each] * each + i % each;
    x = op_rows_get(c, x, index, p->cells * each);
    free(index);
    return x;
}

static tensor *from_windows(cx *c, const pass *p, tensor *x) {
    int *index = mem_new((size_t)p->cells, sizeof *index);
    for (int i = 0; i < p->cells; i++) index[p->order[i]] = i;
    x = op_rows_get(c, x, index, p->cells);
    free(index);
    return x;
}

tensor *patch_tower_forward(cx *c, const patch_tower *t, tensor *patches, const patch_grid *grid, int count) {
    int each = t->config.merge * t->config.merge;
    pass *p = slab_alloc(&c->meta, sizeof *p);
    *p = (pass){.t = t};
    lay_out(c, p, grid, count);
    LMM_ASSERT(tensor_rows(patches) == (int64_t)p->cells * each, "tower: %" PRId64 " patches for %d cells", tensor_rows(patches), p->cells);
    tensor *flat = slab_alloc(&c->meta, sizeof *flat); /* (D,3,t,p,p) used flat; gradients go to the same place */
    *flat = *t->patch.w;
    flat->nd = 2, flat->ne[1] = patch_size(&t->config);
    tensor *x = op_linear(c, patches, flat, NULL);
    cx_trace(c, x, "vis.patch_embed");
    if (p->order) x = to_windows(c, p, x, each);
    for (int i = 0; i < t->config.depth; i++) {
        block_arg *a = slab_alloc(&c->meta, sizeof *a);
        *a = (block_arg){p, i};
        x = cx_block(c, block, a, x);
        cx_trace(c, x, "vis.block%d", i);
    }
    x = nn_side_by_side(c, nn_norm(c, &t->merge_norm, x), each);
    x = nn_linear(c, &t->merge2, op_act(c, nn_linear(c, &t->merge1, x), ACT_GELU_ERF));
    cx_trace(c, x, "vis.merger");
    return p->order ? from_windows(c, p, x) : x;
}
