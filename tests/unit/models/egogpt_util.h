/* egogpt_util.h - a tiny EgoGPT checkpoint in the test's folder, and sounds for it to hear. */
#ifndef LMM_TEST_EGOGPT_UTIL_H
#define LMM_TEST_EGOGPT_UTIL_H

#include <math.h>

#include "../engine/model_util.h"
#include "../folder.h"
#include "models/models_int.h"

enum { ROWS = 12, BANDS = 80, WIDTH = 64, MLP = 32, STACK = 5, WINDOW = 2 * ROWS * MEL_HOP, WINDOW_ROWS = ROWS / STACK };

/* ---- a tiny checkpoint: OneVision's weights under their first names, and an ear of one layer ---- */

static const struct {
    const char *name;
    int nd;
    int64_t ne[3];
} ear[] = {
    {"speech_encoder.conv1.weight", 3, {WIDTH, BANDS, 3}},
    {"speech_encoder.conv1.bias", 1, {WIDTH}},
    {"speech_encoder.conv2.weight", 3, {WIDTH, WIDTH, 3}},
    {"speech_encoder.conv2.bias", 1, {WIDTH}},
    {"speech_encoder.positional_embedding", 2, {ROWS, WIDTH}},
    {"speech_encoder.blocks.0.attn.query.weight", 2, {WIDTH, WIDTH}},
    {"speech_encoder.blocks.0.attn.query.bias", 1, {WIDTH}},
    {"speech_encoder.blocks.0.attn.key.weight", 2, {WIDTH, WIDTH}},
    {"speech_encoder.blocks.0.attn.value.weight", 2, {WIDTH, WIDTH}},
    {"speech_encoder.blocks.0.attn.value.bias", 1, {WIDTH}},
    {"speech_encoder.blocks.0.attn.out.weight", 2, {WIDTH, WIDTH}},
    {"speech_encoder.blocks.0.attn.out.bias", 1, {WIDTH}},
    {"speech_encoder.blocks.0.attn_ln.weight", 1, {WIDTH}},
    {"speech_encoder.blocks.0.attn_ln.bias", 1, {WIDTH}},
    {"speech_encoder.blocks.0.mlp_ln.weight", 1, {WIDTH}},
    {"speech_encoder.blocks.0.mlp_ln.bias", 1, {WIDTH}},
    {"speech_encoder.blocks.0.mlp.0.weight", 2, {MLP, WIDTH}},
    {"speech_encoder.blocks.0.mlp.0.bias", 1, {MLP}},
    {"speech_encoder.blocks.0.mlp.2.weight", 2, {WIDTH, MLP}},
    {"speech_encoder.blocks.0.mlp.2.bias", 1, {WIDTH}},
    {"speech_encoder.ln_post.weight", 1, {WIDTH}},
    {"speech_encoder.ln_post.bias", 1, {WIDTH}},
    {"speech_projector.linear1.weight", 2, {MLP, STACK *WIDTH}},
    {"speech_projector.linear1.bias", 1, {MLP}},
    {"speech_projector.linear2.weight", 2, {0, MLP}}, /* 0: the decoder's width */
    {"speech_projector.linear2.bias", 1, {0}},
};

static inline tree *config_of(const net *n) {
    const tree *text = tree_get(n->config, "text_config");
    tree *c = tree_copy(text), *classes = tree_new(TREE_LIST);
    tree_add(classes, tree_new_string("EgoGPTQwenForCausalLM"));
    tree_put(c, "architectures", classes);
    tree_put(c, "model_type", tree_new_string("egogpt_qwen"));
    tree_put(c, "vision_config", tree_copy(tree_get(n->config, "vision_config")));
    tree_put(c, "mm_patch_merge_type", tree_new_string("spatial_unpad"));
    tree_put(c, "speech_encoder_ds_rate", tree_new_int(STACK));
    return c;
}

/* Adds the ear's first `count` tensors to the file in the folder. */
static inline void add_ear(int D, size_t count) {
    char *path = path_join(folder, "model.safetensors");
    safetensors *file;
    VEC(named_tensor) all = {0};
    rng r = rng_make(5, 0);
    char *names[COUNT_OF(ear)];
    OK(safetensors_open(&file, path));
    for (int i = 0; i < safetensors_count(file); i++) VEC_PUSH(&all, *safetensors_at(file, i));
    int old = all.count;
    for (size_t i = 0; i < count; i++) {
        int64_t ne[3] = {ear[i].ne[0] ? ear[i].ne[0] : D, ear[i].ne[1], ear[i].ne[2]}, n = 1;
        for (int d = 0; d < ear[i].nd; d++) n *= ne[d];
        float *data = mem_new((size_t)n, sizeof *data);
        for (int64_t k = 0; k < n; k++) data[k] = (float)(rng_unit(&r) - 0.5) / 4;
        names[i] = mem_printf("model.%s", ear[i].name);
        VEC_PUSH(&all, ((named_tensor){names[i], tensor_make(DT_F32, ear[i].nd, ne, data)}));
    }
    OK(safetensors_save(path, all.at, all.count, NULL));
    for (int i = old; i < all.count; i++) {
        free(all.at[i].t.data);
        free(names[i - old]);
    }
    free(all.at);
    safetensors_close(file);
    free(path);
}

static inline void make_checkpoint(size_t ear_count) {
    net *n;
    OK(net_open(&n, TINY("llava_onevision")));
    tree *own = n->config;
    for (int i = 0; i < n->params.list.count; i++) {
        param *p = n->params.list.at[i];
        free(p->key);
        p->key = names_key_original(p->name);
    }
    n->config = config_of(n);
    OK(net_save(n, folder));
    tree_free(n->config);
    n->config = own;
    add_ear(n->dec.config.hidden, ear_count);
    net_free(n);
    copy_in(TINY("llava_onevision"), "tokenizer.json");
    copy_in(TINY("llava_onevision"), "tokenizer_config.json");
}

static inline int set_up_checkpoint(void **state) {
    if (set_up(state)) return -1;
    make_checkpoint(COUNT_OF(ear));
    return 0;
}

/* ---- sounds ---- */

static inline void put_le(buf *b, uint32_t x, int bytes) {
    for (int i = 0; i < bytes; i++) buf_putc(b, (char)(x >> 8 * i));
}

/* `count` samples of a rising tone and `zeros` of silence behind them; free() the path. */
static inline char *make_sound(const char *name, int count, int zeros) {
    char *path = path_join(folder, name);
    buf b = {0};
    uint32_t size = 2 * (uint32_t)(count + zeros);
    buf_puts(&b, "RIFF"), put_le(&b, 36 + size, 4), buf_puts(&b, "WAVEfmt "), put_le(&b, 16, 4), put_le(&b, 1, 2), put_le(&b, 1, 2);
    put_le(&b, MEL_RATE, 4), put_le(&b, 2 * MEL_RATE, 4), put_le(&b, 2, 2), put_le(&b, 16, 2), buf_puts(&b, "data"), put_le(&b, size, 4);
    for (int i = 0; i < count; i++) put_le(&b, (uint16_t)(int16_t)(8000 * sin(1e-5 * i * i)), 2);
    for (int i = 0; i < zeros; i++) put_le(&b, 0, 2);
    OK(file_write(path, b.data, b.size));
    buf_free(&b);
    return path;
}

#endif
