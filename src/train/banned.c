/* banned.c - ids a policy must not say: placeholders, which would ask for a picture that is not there, and ids that spell nothing. */
#include <string.h>

#include "train/train_int.h"

static void add_once(id_list *out, int id) {
    for (int i = 0; i < out->count; i++)
        if (out->at[i] == id) return;
    VEC_PUSH(out, id);
}

/* image_token_index, video_token_id, vision_start_token_id, audio_token_index, boi_token_index, ... */
static bool names_media_token(const char *key) {
    static const char *const about[] = {"image", "video", "vision", "audio", "speech", "boi_", "eoi_", "boa_", "eoa_"};
    if (!strstr(key, "_token_id") && !strstr(key, "_token_index")) return false;
    for (size_t i = 0; i < COUNT_OF(about); i++)
        if (strstr(key, about[i])) return true;
    return false;
}

void banned_ids(id_list *out, const lmm_model *m) {
    static const char *const spelt[] =
        {"<image>",          "<video>",        "<audio>",   "<speech>",      "<|image_pad|>", "<|video_pad|>",      "<|vision_pad|>",
         "<|vision_start|>", "<|vision_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<image_soft_token>", "<start_of_image>",
         "<end_of_image>",   "<|image|>",      "<|video|>"};
    const tree *config = m->net->config;
    const int vocab = m->net->dec.config.vocab;
    if (m->net->image_token >= 0) add_once(out, m->net->image_token);
    if (m->net->video_token >= 0) add_once(out, m->net->video_token);
    for (int i = 0; config && config->type == TREE_MAP && i < config->count; i++)
        if (names_media_token(config->keys[i]) && config->items[i]->type == TREE_INT && config->items[i]->i >= 0 &&
            config->items[i]->i < vocab)
            add_once(out, (int)config->items[i]->i);
    for (size_t i = 0; i < COUNT_OF(spelt) && m->tok; i++) {
        int id = tokenizer_id(m->tok, spelt[i]);
        if (id >= 0) add_once(out, id);
    }
    int pad = m->tok ? tokenizer_pad(m->tok) : -1;
    if (pad >= 0 && !model_ends(m, pad)) add_once(out, pad);
    for (int id = m->tok ? tokenizer_vocab_size(m->tok) : vocab; id < vocab; id++) add_once(out, id);
}
