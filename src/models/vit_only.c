/* vit_only.c - CLIP and SigLIP towers on their own: embeddings of pictures, and the reference for the towers inside LLaVA. */
#include "models/models_int.h"

static lmm_status vit_only_bind(net *n, const tree *config, binder *b) {
    vit_config c = {0};
    lmm_status st = vit_config_read(&c, config, "config.json");
    if (st) return st;
    n->has_tower = true;
    n->vision_layer_count = c.enc.layer_count;
    return vit_bind(&n->tower, &c, b, "vision_tower");
}

const lmm_arch arch_vit = {
    .name = "vit",
    .hf = (const char *const[]){"CLIPVisionModel", "SiglipVisionModel", NULL},
    .types = (const char *const[]){"clip_vision_model", "siglip_vision_model", NULL},
    .canonical = names_canonical_vit,
    .key_of = names_key_vit,
    .bind = vit_only_bind,
};
