/* llava.c - LLaVA-1.5: one square tile a picture, tower rows of a chosen layer, two-layer projector, put over the placeholders; and what
 * the families after it share with it.
 *
 * Source: llava.md 1.4, 2.4, 3; transformers modeling_llava. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

/* hidden_states[0] is what enters the layers, [k] what leaves layer k: -2 of 24 layers runs 23, -1 runs 24. */
static lmm_status state_add(net *n, int64_t select, int layers) {
    int64_t state = select < 0 ? layers + 1 + select : select;
    if (state < 0 || state > layers)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: vision_feature_layer %" PRId64 " of a tower with %d layers", select, layers);
    n->vision_state[n->vision_state_count++] = (int)state;
    n->vision_layer_count = max_int(n->vision_layer_count, (int)state);
    return LMM_OK;
}

/* A number, or a list of them. */
static lmm_status states_select(net *n, const tree *config, int layers, int fallback) {
    const tree *t = tree_get(config, "vision_feature_layer");
    if (!t || t->type != TREE_LIST) return state_add(n, tree_int(config, "vision_feature_layer", fallback), layers);
    if (t->count < 1 || t->count > VISION_STATE_MAX)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: vision_feature_layer lists %d layers, 1 to %d are possible", t->count,
                        VISION_STATE_MAX);
    lmm_status st = LMM_OK;
    for (int i = 0; i < t->count && !st; i++)
        st = t->items[i]->type == TREE_INT ? state_add(n, t->items[i]->i, layers)
                                           : LMM_FAIL(LMM_E_FORMAT, "config.json: vision_feature_layer lists what is no whole number");
    return st;
}

static lmm_status strategy_read(net *n, const tree *config, const char *fallback) {
    const char *s = tree_str(config, "vision_feature_select_strategy", fallback);
    if (strcmp(s, "default") && strcmp(s, "full"))
        return LMM_FAIL(LMM_E_FORMAT, "config.json: vision_feature_select_strategy is '%s' (default, full are known)", s);
    /* "default" drops row 0 whatever it is; on a tower without class token that would be a patch, as in the reference. */
    n->drop_class_row = !strcmp(s, "default");
    return LMM_OK;
}

/* A config without a "vision_config" has the family's. */
static lmm_status tower_read(vit_config *out, const tree *config, const llava_defaults *d) {
    const tree *given = tree_get(config, "vision_config");
    if (given && given->type != TREE_NULL) return vit_config_read(out, given, "config.json: vision_config");
    tree *t = NULL;
    lmm_status st = tree_parse_json(&t, d->vision, strlen(d->vision), "vision_config");
    if (!st) st = vit_config_read(out, t, "vision_config");
    tree_free(t);
    return st;
}

lmm_status llava_bind_parts(net *n, const tree *config, binder *b, const llava_defaults *def) {
    vit_config v = {0};
    decoder_config d = {0};
    lmm_status st = tower_read(&v, config, def);
    if (!st) st = decoder_config_read(&d, tree_get(config, "text_config"), "config.json: text_config");
    if (!st) st = states_select(n, config, v.enc.layer_count, def->feature_layer);
    if (!st) st = strategy_read(n, config, def->strategy);
    if (st) return st;
    activation act;
    if (!activation_find(tree_str(config, "projector_hidden_act", "gelu"), &act))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: projector_hidden_act is not known");
    d.tied |= tree_bool(config, "tie_word_embeddings", false);
    v.head = false;
    if ((st = vit_bind(&n->tower, &v, b, "vision_tower"))) return st;
    if ((st = projector_bind(&n->proj, v.enc.hidden * n->vision_state_count, d.hidden, tree_bool(config, "multimodal_projector_bias", true),
                             act, b)))
        return st;
    if ((st = decoder_bind(&n->dec, &d, b))) return st;
    n->image_token = (int)tree_int(config, "image_token_index", tree_int(config, "image_token_id", def->image_token));
    if (n->image_token < 0 || n->image_token >= d.vocab)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: image_token_index %d lies outside the vocabulary of %d", n->image_token, d.vocab);
    n->pool = (video_pool){.mode = POOL_AVERAGE,
                           .stride = 2,
                           .before_projector = true}; /* what a model of pictures is shown videos with (llava.md 5.6) */
    /* The family's own token counts only where the vocabulary has it. */
    int usual = def->video_token && def->video_token < d.vocab ? def->video_token : -1;
    n->video_token = (int)tree_int(config, "video_token_index", tree_int(config, "video_token_id", usual));
    if (n->video_token >= d.vocab || n->video_token == n->image_token)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: video_token_index %d is no token of its own", n->video_token);
    n->has_tower = n->has_projector = n->has_decoder = true;
    return LMM_OK;
}

/* ---- tiles to rows ---- */

int llava_tile_rows(const net *n) { return vit_tokens(&n->tower.config) - n->drop_class_row; }

static size_t tile_size(const net *n) { return (size_t)3 * (size_t)n->tower.config.image_size * (size_t)n->tower.config.image_size; }

lmm_status llava_tile(const net *n, const preprocess_spec *s, const image *u8, float *to) {
    float *tile;
    int S = n->tower.config.image_size;
    if (u8->width != S || u8->height != S)
        return LMM_FAIL(LMM_E_SHAPE,
                        "the picture processor makes %dx%d pixels, the tower needs %dx%d: preprocessor_config.json does not fit "
                        "config.json",
                        u8->width, u8->height, S, S);
    lmm_status st = preprocess_float(&tile, u8, s);
    if (st) return st;
    memcpy(to, tile, tile_size(n) * sizeof *to);
    free(tile);
    return LMM_OK;
}

lmm_status llava_add_tile(const net *n, const image *u8, float **pixels, int *tile_count) {
    *pixels = mem_resize(*pixels, ((size_t)*tile_count + 1) * tile_size(n), sizeof(float));
    lmm_status st = llava_tile(n, &n->pre, u8, *pixels + (size_t)*tile_count * tile_size(n));
    if (!st) ++*tile_count;
    return st;
}

static tensor *drop_first_rows(cx *c, tensor *x, int tiles, int tokens) {
    int *index = mem_new((size_t)(tiles * tokens), sizeof *index), at = 0;
    for (int t = 0; t < tiles; t++)
        for (int i = 1; i < tokens; i++) index[at++] = t * tokens + i;
    x = op_rows_get(c, x, index, at);
    free(index);
    return x;
}

tensor *llava_tower_rows(cx *c, const net *n, tensor *pixels) {
    int tiles = (int)pixels->ne[0];
    tensor **state = slab_alloc(&c->meta, (size_t)(n->vision_layer_count + 1) * sizeof *state);
    vit_states(c, &n->tower, pixels, n->vision_layer_count, state);
    tensor *x = state[n->vision_state[0]];
    for (int i = 1; i < n->vision_state_count; i++) x = op_cols_join(c, x, state[n->vision_state[i]]);
    return n->drop_class_row ? drop_first_rows(c, x, tiles, vit_tokens(&n->tower.config)) : x;
}

static tensor *tower_and_projector(cx *c, const net *n, tensor *pixels) {
    int tiles = (int)pixels->ne[0];
    tensor *x = projector_forward(c, &n->proj, llava_tower_rows(c, n, pixels));
    if (c->trace) cx_trace(c, cx_view(c, x, 3, (int64_t[]){tiles, tensor_rows(x) / tiles, tensor_cols(x)}), "projector_out");
    return x;
}

static tensor *some_tiles(cx *c, const tensor *pixels, int first, int count) {
    tensor *t = slab_alloc(&c->meta, sizeof *t);
    *t = *pixels;
    t->ne[0] = count;
    if (t->data) t->data = tensor_f32(pixels) + first * (tensor_count(pixels) / pixels->ne[0]);
    return t;
}

/* A picture of many tiles would hold the tower's activations of all of them; without a tape they go through in groups of about GROUP_ROWS rows,
 * and only the projector's rows are kept. The rows are the same. A tracer wants to see all tiles as one. */
tensor *llava_in_groups(cx *c, const net *n, tensor *pixels, int each, tensor *(*fn)(cx *c, const net *n, tensor *pixels)) {
    enum { GROUP_ROWS = 1024 };
    int tiles = (int)pixels->ne[0], group = max_int(GROUP_ROWS / llava_tile_rows(n), 1);
    if (c->tape || c->trace || tiles <= group) return fn(c, n, pixels);
    tensor *out = cx_new2(c, (int64_t)tiles * each, n->dec.config.hidden);
    for (int first = 0; first < tiles; first += group) {
        cx_mark mark = cx_here(c);
        tensor *part = fn(c, n, some_tiles(c, pixels, first, min_int(group, tiles - first)));
        if (c->mode == CX_RUN) memcpy(tensor_f32(out) + (int64_t)first * each * tensor_cols(out), part->data, tensor_size(part));
        cx_release(c, mark);
    }
    return out;
}

tensor *llava_tile_features(cx *c, const net *n, tensor *pixels) {
    return llava_in_groups(c, n, pixels, llava_tile_rows(n), tower_and_projector);
}

/* ---- LLaVA-1.5 ---- */

static lmm_status llava_bind(net *n, const tree *config, binder *b) {
    return llava_bind_parts(n, config, b,
                            &(llava_defaults){.image_token = 32000, .feature_layer = -2, .strategy = "default", .vision = LLAVA_CLIP});
}

static lmm_status llava_plan(const net *n, int width, int height, int pictures, media_plan *out) {
    (void)width, (void)height, (void)pictures;
    *out = (media_plan){.tile_count = 1, .row_count = llava_tile_rows(n)};
    return LMM_OK;
}

static lmm_status llava_largest(const net *n, media_plan *out) { return llava_plan(n, 1, 1, 1, out); }

static lmm_status llava_pixels(const net *n, const image *im, const media_plan *plan, float **pixels, int *tile_count) {
    image u8 = {0};
    (void)plan;
    lmm_status st = preprocess_u8(&u8, im, &n->pre);
    if (!st) st = llava_add_tile(n, &u8, pixels, tile_count);
    image_free(&u8);
    return st;
}

static tensor *llava_embed(cx *c, const net *n, tensor *pixels, const media_plan *plan, int count) {
    if (count && plan->frames) return video_embed(c, n, pixels, plan, count);
    tensor *x = llava_tile_features(c, n, pixels);
    cx_trace(c, x, "image_features");
    return x;
}

const lmm_arch arch_llava = {
    .name = "llava",
    .answers = true,
    .hf = (const char *const[]){"LlavaForConditionalGeneration", NULL},
    .types = (const char *const[]){"llava", NULL},
    .canonical = names_canonical,
    .key_of = names_key_llava,
    .bind = llava_bind,
    .media_plan = llava_plan,
    .media_largest = llava_largest,
    .media_pixels = llava_pixels,
    .media_embed = llava_embed,
    .video_plan = video_plan_frames,
    .video_pixels = video_frame_pixels,
};
