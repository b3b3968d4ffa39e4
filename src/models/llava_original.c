/* llava_original.c - checkpoints of the original repositories: LLaVA-1.5, LLaVA-NeXT and OneVision as they were published, before transformers.
 *
 * One flat config: the language model's keys and mm_* beside them. The tower's own config is not in it and is read off its tensors; nor is a
 * picture processor in the folder, it follows from the tower. No token stands for a picture: texts spell <image>. What is done with a picture is
 * said by image_aspect_ratio and mm_patch_merge_type. net.reference is the original's: pairs of the grid are (width, height), nothing is
 * rounded before it is cut, EXIF is not looked at. Source: llava.md 1.2 to 1.6, 2.4 to 2.6, 3.1 to 3.3. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

/* ---- the language model ---- */

static const struct {
    const char *class, *type, *decoder;
} generation[] = {
    {"LlavaLlamaForCausalLM", "llava_llama", "llama"},
    {"LlavaMistralForCausalLM", "llava_mistral", "mistral"},
    {"LlavaQwenForCausalLM", "llava_qwen", "qwen2"},
    {"EgoGPTQwenForCausalLM", "egogpt_qwen", "qwen2"},
};

static const char *decoder_type(const tree *config) {
    const tree *classes = tree_get(config, "architectures");
    const char *class =
        classes && classes->type == TREE_LIST && classes->count && classes->items[0]->type == TREE_STRING ? classes->items[0]->text : "";
    for (size_t i = 0; i < COUNT_OF(generation); i++)
        if (!strcmp(class, generation[i].class) || (!*class && !strcmp(tree_str(config, "model_type", ""), generation[i].type)))
            return generation[i].decoder;
    return generation[0].decoder;
}

static lmm_status decoder_read(decoder_config *out, const tree *config) {
    tree *flat = tree_copy(config);
    tree_put(flat, "model_type", tree_new_string(decoder_type(config)));
    lmm_status st = decoder_config_read(out, flat, "config.json");
    tree_free(flat);
    return st;
}

/* ---- the tower ---- */

static const tensor *tower_tensor(const binder *b, const char *name) {
    int i;
    return b->source && strmap_get(b->index, name, strlen(name), &i) ? &checkpoint_at(b->source, i)->t : NULL;
}

static int tower_layers(const binder *b) {
    int n = 0;
    while (bind_has(b, "vision_tower.encoder.layers.%d.layer_norm1.weight", n)) n++;
    return n;
}

static int common_divisor(int a, int b) { return b ? common_divisor(b, a % b) : a; }

/* The convolution leaves pixels unused where the side is no multiple of the patch, so patches do not tell the side: SigLIP's 27 x 14 are 384 pixels.
 * The canvases tell it, else the one tower known to be so. */
static int tower_side(const tile_grid *grid, int patch, int patches) {
    int side = 0;
    for (int i = 0; i < grid->count; i++) side = common_divisor(common_divisor(side, grid->pair[i][0]), grid->pair[i][1]);
    if (side / patch == patches) return side;
    return patch == 14 && patches == 27 ? 384 : patch * patches;
}

/* Heads of 64, but SigLIP so400m has 16 of 72. Of its 27 layers the original code deletes the last. */
static lmm_status tower_measure(vit_config *out, const binder *b, const tile_grid *grid, const char *tower_name) {
    const tensor *conv = tower_tensor(b, "vision_tower.embeddings.patch_embedding.weight"),
                 *fc1 = tower_tensor(b, "vision_tower.encoder.layers.0.mlp.fc1.weight");
    const tensor *positions = tower_tensor(b, "vision_tower.embeddings.position_embedding.weight");
    if (!conv || !fc1 || !positions)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "the vision tower ('%s') is not in this checkpoint: use one that was saved with it", tower_name);
    bool clip = bind_has(b, "vision_tower.embeddings.class_embedding");
    int64_t patches = 1;
    while (patches < 4096 && patches * patches < positions->ne[0] - clip) patches++;
    if (conv->nd != 4 || fc1->nd != 2 || positions->nd != 2 || conv->ne[2] < 1 || conv->ne[2] > 1024 || conv->ne[0] < 1 ||
        conv->ne[0] > 65536 || fc1->ne[0] > 1 << 20 || patches * patches != positions->ne[0] - clip)
        return LMM_FAIL(LMM_E_SHAPE, "the vision tower's tensors have shapes of no CLIP or SigLIP tower");
    int D = (int)conv->ne[0], layers = tower_layers(b);
    int heads = !clip && D == 1152 ? 16 : D / 64 > 0 && D % (D / 64) == 0 ? D / 64 : 1;
    *out = (vit_config){.enc = {.hidden = D,
                                .layer_count = !clip && layers == 27 ? 26 : layers,
                                .head_count = heads,
                                .mlp = (int)fc1->ne[0],
                                .init_std = 0.02f},
                        .patch = (int)conv->ne[2],
                        .class_token = clip,
                        .patch_bias = !clip,
                        .pre_norm = clip};
    out->enc.eps = clip ? 1e-5f : 1e-6f;
    out->enc.act = clip ? ACT_GELU_QUICK : ACT_GELU_TANH;
    out->image_size = tower_side(grid, out->patch, (int)patches);
    return LMM_OK;
}

/* A config of ours may carry the tower's. */
static lmm_status tower_read(vit_config *out, const tree *config, const binder *b, const tile_grid *grid) {
    const tree *given = tree_get(config, "vision_config");
    if (given && given->type == TREE_MAP) return vit_config_read(out, given, "config.json: vision_config");
    return tower_measure(out, b, grid, tree_str(config, "mm_vision_tower", "mm_vision_tower"));
}

/* SigLIP's select layer is ignored by the original code: its last layer is taken, and there is no class row to drop. */
static lmm_status select_read(net *n, const tree *config) {
    const vit_config *v = &n->tower.config;
    const char *feature = tree_str(config, "mm_vision_select_feature", "patch");
    int64_t select = v->class_token ? tree_int(config, "mm_vision_select_layer", -2) : -1, layers = v->enc.layer_count;
    int64_t state = select < 0 ? layers + 1 + select : select;
    if (strcmp(feature, "patch") && strcmp(feature, "cls_patch"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: mm_vision_select_feature '%s' is not supported (patch, cls_patch are)", feature);
    if (state < 0 || state > layers)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: mm_vision_select_layer %" PRId64 " of a tower with %" PRId64 " layers", select, layers);
    n->drop_class_row = v->class_token && !strcmp(feature, "patch");
    n->vision_state[0] = n->vision_layer_count = (int)state;
    n->vision_state_count = 1;
    return LMM_OK;
}

/* ---- pictures ---- */

/* "(1x1),...,(6x6)": all counts of tiles from the first pair to the last, width slower. */
static lmm_status grid_expand(tile_grid *out, const char *text, int tile) {
    int low[2], high[2];
    const char *last = strrchr(text, '(');
    tile_grid g = {0};
    if (sscanf(text, " (%dx%d)", &low[0], &low[1]) != 2 || !last || sscanf(last, "(%dx%d)", &high[0], &high[1]) != 2 || low[0] < 1 ||
        low[1] < 1 || high[0] > TILE_GRID_MAX || high[1] > TILE_GRID_MAX)
        return LMM_FAIL(LMM_E_FORMAT, "config.json: image_grid_pinpoints '%.40s' is no list and no range like (1x1),...,(6x6)", text);
    for (int i = low[0]; i <= high[0]; i++)
        for (int j = low[1]; j <= high[1]; j++) {
            if (g.count == TILE_GRID_MAX)
                return LMM_FAIL(LMM_E_LIMIT, "config.json: image_grid_pinpoints '%.40s' has more than %d canvases", text, TILE_GRID_MAX);
            g.pair[g.count][0] = i * tile;
            g.pair[g.count++][1] = j * tile;
        }
    return *out = g, LMM_OK;
}

/* A list, a list written as a string, or a range. A range needs the tile's side (0: not known yet, it is left for later). */
static lmm_status grid_read(tile_grid *out, const tree *config, int tile) {
    const tree *given = tree_get(config, "image_grid_pinpoints");
    if (!given || given->type != TREE_STRING) return given && given->type == TREE_LIST ? tile_grid_read(out, given, "config.json") : LMM_OK;
    if (given->text[strspn(given->text, " ")] == '(' && tile == 0) return LMM_OK;
    if (given->text[strspn(given->text, " ")] == '(' && strchr(given->text, 'x')) return grid_expand(out, given->text, tile);
    tree *list = NULL;
    lmm_status st = tree_parse_json(&list, given->text, given->text_size, "config.json: image_grid_pinpoints");
    if (!st) st = tile_grid_read(out, list, "config.json");
    tree_free(list);
    return st;
}

static lmm_status merge_read(net *n, const tree *config) {
    static const struct {
        const char *name;
        tile_merge merge;
    } row[] = {{"flat", MERGE_FLAT}, {"spatial", MERGE_SPATIAL}, {"spatial_unpad", MERGE_UNPAD}};
    const char *name = tree_str(config, "mm_patch_merge_type", "flat");
    for (size_t i = 0; i < COUNT_OF(row); i++)
        if (!strcmp(name, row[i].name)) return n->merge = row[i].merge, LMM_OK;
    return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: mm_patch_merge_type '%s' is not supported (flat, spatial, spatial_unpad are)", name);
}

/* What the tower's own processor would do. */
static lmm_status processor_make(preprocess_spec *out, const vit_config *v) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "image_processor_type", tree_new_string(v->class_token ? "LlavaImageProcessor" : "SiglipImageProcessor"));
    tree *side = tree_new(TREE_MAP);
    if (v->class_token) tree_put(side, "shortest_edge", tree_new_int(v->image_size));
    for (int i = 0; i < 2 && !v->class_token; i++) tree_put(side, i ? "width" : "height", tree_new_int(v->image_size));
    tree_put(t, "size", side);
    if (v->class_token) tree_put(t, "crop_size", tree_new_int(v->image_size));
    lmm_status st = preprocess_read(out, t, "the tower's picture processor");
    tree_free(t);
    return st;
}

static lmm_status aspect_use(net *n, const tree *config) {
    static const char limited[] = "anyres_max_";
    const char *s = tree_str(config, "image_aspect_ratio", "square");
    bool is_limited = !strncmp(s, limited, strlen(limited));
    n->pre.do_pad = !strcmp(s, "pad");
    if (!strcmp(s, "pad") || !strcmp(s, "square")) return n->grid.count = 0, LMM_OK;
    if (strcmp(s, "anyres") && !(is_limited && (n->tiles_shown_max = atoi(s + strlen(limited))) > 0))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: image_aspect_ratio '%s' is not supported (square, pad, anyres, anyres_max_N are)",
                        s);
    return anyres_fits(n);
}

static lmm_status pictures_bind(net *n, const tree *config) {
    const char *resampler = tree_str(config, "mm_resampler_type", NULL),
               *projector_type = tree_str(config, "mm_projector_type", "mlp2x_gelu");
    if (resampler) return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: mm_resampler_type '%s' is not supported", resampler);
    if (strcmp(projector_type, "mlp2x_gelu"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: mm_projector_type '%s' is not supported (mlp2x_gelu is)", projector_type);
    lmm_status st = grid_read(&n->grid, config, n->tower.config.image_size);
    if (!st && !n->has_pre) st = processor_make(&n->pre, &n->tower.config);
    if (!st) n->has_pre = true;
    return st ? st : aspect_use(n, config);
}

/* ---- videos ---- */

/* spatial_pool stands before the projector and takes the config's stride; later code pools behind it, always by 2 (llava.md 5.3). */
static lmm_status pool_read(net *n, const tree *config) {
    static const struct {
        const char *name;
        newline_rule rule;
    } place[] = {{"grid", NEWLINE_GRID}, {"frame", NEWLINE_FRAME}, {"one_token", NEWLINE_END}, {"no_token", NEWLINE_NONE}};
    bool before = !strcmp(tree_str(config, "mm_resampler_type", ""), "spatial_pool");
    const char *mode = tree_str(config, "mm_spatial_pool_mode", before ? "average" : "bilinear"),
               *at = tree_str(config, "mm_newline_position", "one_token");
    int64_t stride = 2;
    if (strcmp(mode, "average") && strcmp(mode, "bilinear"))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: mm_spatial_pool_mode '%s' is not known (average, bilinear are)", mode);
    lmm_status st = before && tree_get(config, "mm_spatial_pool_stride")
                        ? tree_need_int(config, "mm_spatial_pool_stride", 1, 64, &stride, "config.json")
                        : LMM_OK;
    n->pool =
        (video_pool){.mode = strcmp(mode, "average") ? POOL_BILINEAR : POOL_AVERAGE, .stride = (int)stride, .before_projector = before};
    if (before) return st;
    size_t i = 0;
    while (i < COUNT_OF(place) && strcmp(at, place[i].name)) i++;
    if (i == COUNT_OF(place))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: mm_newline_position '%s' is not known (grid, frame, one_token, no_token are)", at);
    return n->pool.newline = place[i].rule, st;
}

/* ---- the family ---- */

lmm_status llava_original_bind(net *n, const tree *config, binder *b) {
    vit_config v = {0};
    decoder_config d = {0};
    tile_grid known = {0};
    lmm_status st = decoder_read(&d, config);
    if (!st) st = grid_read(&known, config, 0);
    if (!st) st = tower_read(&v, config, b, &known);
    if (!st) st = merge_read(n, config);
    if (st) return st;
    v.head = false;
    if ((st = vit_bind(&n->tower, &v, b, "vision_tower"))) return st;
    if ((st = projector_bind(&n->proj, v.enc.hidden, d.hidden, true, ACT_GELU_ERF, b))) return st;
    if ((st = decoder_bind(&n->dec, &d, b))) return st;
    n->reference = REFERENCE_ORIGINAL;
    n->image_text = "<image>";
    n->image_token = d.vocab;
    n->has_tower = n->has_projector = n->has_decoder = true;
    if (n->merge == MERGE_UNPAD) anyres_bind_newline(n, b);
    if (!(st = b->status)) st = select_read(n, config);
    if (!st) st = pool_read(n, config);
    return st ? st : pictures_bind(n, config);
}

/* Several pictures of one prompt: models trained on them (anyres_max_N) saw each as one padded tile. */
lmm_status llava_original_plan(const net *n, int width, int height, int pictures, media_plan *out) {
    if (n->grid.count && (pictures == 1 || !n->tiles_shown_max)) return anyres_media_plan(n, width, height, pictures, out);
    return anyres_plan_one_tile(n, out), LMM_OK;
}

lmm_status llava_original_largest(const net *n, media_plan *out) {
    return n->grid.count ? anyres_media_largest(n, out) : llava_original_plan(n, 1, 1, 1, out);
}

const lmm_arch arch_llava_original = {
    .name = "llava_original",
    .answers = true,
    .hf = (const char *const[]){"LlavaLlamaForCausalLM", "LlavaMistralForCausalLM", "LlavaQwenForCausalLM", NULL},
    .types = (const char *const[]){"llava_llama", "llava_mistral", "llava_qwen", NULL},
    .canonical = names_canonical,
    .key_of = names_key_original,
    .bind = llava_original_bind,
    .media_plan = llava_original_plan,
    .media_largest = llava_original_largest,
    .media_pixels = anyres_media_pixels,
    .media_embed = anyres_media_embed,
    .video_plan = video_plan_frames,
    .video_pixels = video_frame_pixels,
    .makes_processor = true,
};
