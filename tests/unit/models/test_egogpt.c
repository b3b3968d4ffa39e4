/* test_egogpt.c - sounds in prompts: their rows, windows, placeholders, and what is refused. The numbers themselves are compared in tests/peers/egogpt_reference.py. */
#include <math.h>
#include <unistd.h>

#include "../engine/model_util.h"

#include "models/models_int.h"
#include "../folder.h"

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

static tree *config_of(const net *n) {
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
static void add_ear(int D, size_t count) {
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

static void make_checkpoint(size_t ear_count) {
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

static int set_up_checkpoint(void **state) {
    if (set_up(state)) return -1;
    make_checkpoint(COUNT_OF(ear));
    return 0;
}

/* ---- sounds ---- */

static void put_le(buf *b, uint32_t x, int bytes) {
    for (int i = 0; i < bytes; i++) buf_putc(b, (char)(x >> 8 * i));
}

/* `count` samples of a rising tone and `zeros` of silence behind them; free() the path. */
static char *make_sound(const char *name, int count, int zeros) {
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

static lmm_prompt *prompt_of(const opened *o, const char *text, const char *sound_path, const char *picture) {
    lmm_prompt *p;
    lmm_prompt_opts opts = {.sounds = &sound_path, .sound_count = 1, .images = &picture, .image_count = picture != NULL};
    if (lmm_prompt_raw(&p, o->model, text, strlen(text), &opts)) fail_msg("%s", lmm_message());
    return p;
}

static float *logits_of(const opened *o, const char *sound_path, int batch) {
    return fresh_logits(o, prompt_of(o, "Hear <speech> and <image>: what?", sound_path, PICTURE("rgb.png")), batch);
}

static int slots_of(const lmm_prompt *p, int id) {
    int n = 0;
    for (int i = 0; i < lmm_prompt_length(p); i++) n += lmm_prompt_ids(p)[i] == id;
    return n;
}

static void every_window_of_a_sound_takes_its_rows(void **state) {
    (void)state;
    static const struct { int samples, windows; } cases[] = {{0, 1}, {1, 1}, {WINDOW, 1}, {WINDOW + 1, 2}, {5 * WINDOW / 2, 3}};
    opened o = open_tiny(folder, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *path = make_sound("sound.wav", cases[i].samples, 0);
        lmm_prompt *p = prompt_of(&o, "<speech> what?", path, NULL);
        assert_int_equal(slots_of(p, o.model->net->sound_token), cases[i].windows * WINDOW_ROWS);
        lmm_prompt_free(p);
        free(path);
    }
    close_tiny(&o);
}

static void each_medium_stands_at_its_own_placeholder(void **state) {
    (void)state;
    opened o = open_tiny(folder, 1);
    char *path = make_sound("sound.wav", 1000, 0);
    lmm_prompt *p = prompt_of(&o, "<speech><image>", path, PICTURE("rgb.png"));
    assert_int_equal(lmm_prompt_ids(p)[0], o.model->net->sound_token);
    assert_int_equal(lmm_prompt_ids(p)[WINDOW_ROWS], o.model->net->image_token);
    assert_int_equal(slots_of(p, o.model->net->sound_token), WINDOW_ROWS);
    lmm_prompt_free(p);
    free(path);
    close_tiny(&o);
}

static float *logits_of_two(const opened *o, const char *first, const char *second) {
    static const char text[] = "<speech> then <speech>: what?";
    lmm_prompt *p;
    if (lmm_prompt_raw(&p, o->model, text, strlen(text), &(lmm_prompt_opts){.sounds = (const char *[]){first, second}, .sound_count = 2}))
        fail_msg("%s", lmm_message());
    assert_int_equal(slots_of(p, o->model->net->sound_token), 3 * WINDOW_ROWS);
    return fresh_logits(o, p, 0);
}

/* A long and a short one: both are heard, and which comes first. */
static void several_sounds_are_heard_in_their_order(void **state) {
    (void)state;
    opened o = open_tiny(folder, 1);
    char *path[] = {make_sound("long.wav", WINDOW + 1, 0), make_sound("short.wav", 3000, 0), make_sound("other.wav", 3500, 0)};
    float *one = logits_of_two(&o, path[0], path[1]), *two = logits_of_two(&o, path[1], path[0]),
          *three = logits_of_two(&o, path[0], path[2]);
    size_t size = (size_t)o.model->net->dec.config.vocab * sizeof *one;
    assert_memory_not_equal(one, two, size);
    assert_memory_not_equal(one, three, size);
    free(one), free(two), free(three);
    for (int i = 0; i < 3; i++) free(path[i]);
    close_tiny(&o);
}

static void check_logits(const opened *a, const char *x, const opened *b, const char *y, int batch, bool same) {
    float *p = logits_of(a, x, 0), *q = logits_of(b, y, batch);
    bool equal = !memcmp(p, q, (size_t)a->model->net->dec.config.vocab * sizeof *p);
    assert_true(isfinite(p[0]) && equal == same);
    free(p);
    free(q);
}

/* No bit depends on threads or on how the prompt is cut; silence behind the end is what the window holds anyway; another sound is heard as another. */
static void what_is_heard_does_not_depend_on_threads_or_pieces(void **state) {
    (void)state;
    opened one = open_tiny(folder, 1), two = open_tiny(folder, 2);
    char *plain = make_sound("plain.wav", 3000, 0), *silent = make_sound("silent.wav", 3000, WINDOW - 3000),
         *other = make_sound("other.wav", 3500, 0);
    check_logits(&one, plain, &two, plain, 7, true);
    check_logits(&one, plain, &one, silent, 0, true);
    check_logits(&one, plain, &one, other, 0, false);
    free(plain);
    free(silent);
    free(other);
    close_tiny(&two);
    close_tiny(&one);
}

static void wrong_sounds_are_refused_in_one_sentence(void **state) {
    (void)state;
    opened o = open_tiny(folder, 1), deaf = open_tiny(TINY("llava"), 1);
    char *path = make_sound("sound.wav", 100, 0);
    const char *text = "what?", *none = "/tmp/lmm-there-is-no-such-sound.wav";
    lmm_prompt *p;
    assert_int_equal(lmm_prompt_raw(&p, o.model, text, 5, &(lmm_prompt_opts){.sounds = (const char *const *)&path, .sound_count = 1}),
                     LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "0 sound placeholders ('<speech>') for 1 sound"));
    assert_int_equal(lmm_prompt_raw(&p, o.model, "<speech>", 8, &(lmm_prompt_opts){.sounds = &none, .sound_count = 1}), LMM_E_IO);
    assert_int_equal(lmm_prompt_raw(&p, deaf.model, text, 5, &(lmm_prompt_opts){.sounds = (const char *const *)&path, .sound_count = 1}),
                     LMM_E_UNSUPPORTED);
    assert_non_null(strstr(lmm_message(), "hears nothing"));
    free(path);
    close_tiny(&deaf);
    close_tiny(&o);
}

/* Last: it leaves the folder without an ear. */
static void a_checkpoint_without_its_speech_encoder_is_refused(void **state) {
    (void)state;
    net *n;
    make_checkpoint(4);
    assert_int_equal(net_open(&n, folder), LMM_E_UNSUPPORTED);
    assert_non_null(strstr(lmm_message(), "was saved with them"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_of_a_sound_takes_its_rows),   cmocka_unit_test(each_medium_stands_at_its_own_placeholder),
        cmocka_unit_test(several_sounds_are_heard_in_their_order),  cmocka_unit_test(what_is_heard_does_not_depend_on_threads_or_pieces),
        cmocka_unit_test(wrong_sounds_are_refused_in_one_sentence), cmocka_unit_test(a_checkpoint_without_its_speech_encoder_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up_checkpoint, tear_down);
}
