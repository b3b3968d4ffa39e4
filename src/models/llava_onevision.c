/* llava_onevision.c - LLaVA-OneVision: AnyRes over SigLIP with up to six tiles each way; large maps are shrunk to about N tiles
 * (anyres_max_N); several pictures in one prompt are one padded tile each.
 * A video is frames of one tile, halved both ways behind the projector, and one newline. Source: llava.md 2.5, 2.6; transformers modeling_llava_onevision. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

enum { TILES_SHOWN_LIMIT = 10000 };

/* "anyres_max_9"; plain "anyres" never shrinks. */
static lmm_status aspect_read(net *n, const tree *config) {
    static const char limited[] = "anyres_max_";
    const char *s = tree_str(config, "vision_aspect_ratio", "anyres_max_9");
    if (!strcmp(s, "anyres")) return LMM_OK;
    size_t at = strlen(limited), digits = strspn(strncmp(s, limited, at) ? "" : s + at, "0123456789");
    long most = digits ? strtol(s + at, NULL, 10) : 0;
    if (!digits || s[at + digits] || most < 1 || most > TILES_SHOWN_LIMIT)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "config.json: vision_aspect_ratio is '%s' (anyres and anyres_max_N are known)", s);
    n->tiles_shown_max = (int)most;
    return LMM_OK;
}

static const llava_defaults defaults = {
    .image_token = 151646,
    .video_token = 151647,
    .feature_layer = -1,
    .strategy = "full",
    .vision = "{\"model_type\": \"siglip_vision_model\", \"hidden_size\": 1152, \"intermediate_size\": 4304, \"num_hidden_layers\": 26,"
              " \"num_attention_heads\": 16, \"image_size\": 384, \"patch_size\": 14, \"vision_use_head\": false}",
};

static lmm_status onevision_bind(net *n, const tree *config, binder *b) {
    lmm_status st = aspect_read(n, config);
    if (!st) st = llava_bind_parts(n, config, b, &defaults);
    n->pool = (video_pool){.mode = POOL_BILINEAR, .stride = 2, .newline = NEWLINE_END};
    return st ? st : anyres_bind(n, config, b);
}

static lmm_status onevision_plan(const net *n, int width, int height, int pictures, media_plan *out) {
    if (pictures == 1) return anyres_media_plan(n, width, height, pictures, out);
    return anyres_plan_one_tile(n, out), LMM_OK;
}

const lmm_arch arch_llava_onevision = {
    .name = "llava_onevision",
    .answers = true,
    .hf = (const char *const[]){"LlavaOnevisionForConditionalGeneration", NULL},
    .types = (const char *const[]){"llava_onevision", NULL},
    .canonical = names_canonical,
    .key_of = names_key_llava,
    .bind = onevision_bind,
    .media_plan = onevision_plan,
    .media_largest = anyres_media_largest,
    .media_pixels = anyres_media_pixels,
    .media_embed = anyres_media_embed,
    .video_plan = video_plan_frames,
    .video_pixels = video_frame_pixels,
};
