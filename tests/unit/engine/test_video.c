/* Videos on the road: the law of equal numbers, placeholders, prefixes, and lengths beyond training. */
#include <unistd.h>

#include "model_util.h"

#define QWEN LMM_TESTS "/golden/data/tiny/qwen2_5_vl"

static const char about_qwen[] =
    "<|im_start|>user\n<|vision_start|><|video_pad|><|vision_end|>Describe the video.<|im_end|>\n<|im_start|>assistant\n";
static const char about_onevision[] = "<|im_start|>user <video>\nDescribe the video in detail.<|im_end|><|im_start|>assistant\n";

/* A folder of `count` frames, each of another colour; `shade` changes all. */
static void make_frames(char *dir, int count, int width, int height, int shade) {
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < count; i++) {
        image im;
        OK(image_new(&im, width, height, 3));
        for (int k = 0; k < width * height * 3; k++) im.data[k] = (unsigned char)(k * 7 + i * 40 + shade);
        char *path = mem_printf("%s/%03d.png", dir, i);
        OK(image_save_png(&im, path));
        free(path);
        image_free(&im);
    }
}

static lmm_prompt *video_prompt(const lmm_model *m, const char *text, const char *dir, int frames) {
    lmm_prompt *p;
    OK(lmm_prompt_raw(&p, m, text, strlen(text), &(lmm_prompt_opts){.videos = &dir, .video_count = 1, .video = {.frames = frames}}));
    return p;
}

static float *logits_of(const opened *o, const char *text, const char *dir, int batch) {
    return fresh_logits(o, video_prompt(o->model, text, dir, 6), batch);
}

static void assert_threads_and_pieces_change_nothing(const char *path, const char *text) {
    char dir[] = "/tmp/lmm-test-frames-XXXXXX";
    make_frames(dir, 6, 84, 56, 0);
    opened one = open_tiny_with(path, 1, NULL), two = open_tiny_with(path, 2, NULL);
    size_t size = (size_t)one.model->net->dec.config.vocab * sizeof(float);
    float *want = logits_of(&one, text, dir, 0);
    const int pieces[] = {0, 1, 5, 16};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        float *have = logits_of(&two, text, dir, pieces[i]);
        assert_memory_equal(have, want, size);
        free(have);
    }
    free(want);
    close_tiny(&one);
    close_tiny(&two);
    dir_remove(dir);
}

static void qwen_logits_do_not_depend_on_threads_and_pieces(void **state) {
    (void)state;
    assert_threads_and_pieces_change_nothing(QWEN, about_qwen);
}

static void onevision_logits_do_not_depend_on_threads_and_pieces(void **state) {
    (void)state;
    assert_threads_and_pieces_change_nothing(TINY("llava_onevision"), about_onevision);
}

/* An answer that comes back as text of the next prompt keeps its rows: positions go on as they did while decoding. */
static void an_answer_is_reused_in_the_next_prompt(void **state) {
    (void)state;
    char dir[] = "/tmp/lmm-test-frames-XXXXXX";
    make_frames(dir, 6, 84, 56, 0);
    opened o = open_tiny(QWEN, 2);
    lmm_session *s, *fresh;
    lmm_prompt *p = video_prompt(o.model, about_qwen, dir, 6);
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 256}));
    OK(lmm_session_open(&fresh, o.model, &(lmm_session_opts){.context = 256}));
    OK(lmm_session_sync(s, p, NULL));
    int ids[3] = {5, 9, 11}, reused, before = lmm_prompt_length(p);
    for (int i = 0; i < 3; i++) OK(sessions_step(&s, &ids[i], 1));
    for (int i = 0; i < 3; i++) VEC_PUSH(&p->ids, ids[i]);
    const media_plan *plan = &p->media.at[0].plan;
    free(p->position);
    p->position_ahead = net_positions(o.model->net, p->ids.at, p->ids.count, &plan, &p->position);
    float *decoded = malloc((size_t)o.model->net->dec.config.vocab * sizeof *decoded);
    memcpy(decoded, lmm_session_logits(s), (size_t)o.model->net->dec.config.vocab * sizeof *decoded);
    OK(lmm_session_sync(s, p, &reused));
    assert_int_equal(reused, before + 3);
    OK(lmm_session_sync(fresh, p, NULL));
    assert_memory_equal(lmm_session_logits(fresh), decoded, (size_t)o.model->net->dec.config.vocab * sizeof *decoded);
    free(decoded);
    lmm_session_close(s);
    lmm_session_close(fresh);
    lmm_prompt_free(p);
    close_tiny(&o);
    dir_remove(dir);
}

static void another_video_is_not_reused(void **state) {
    (void)state;
    char a[] = "/tmp/lmm-test-frames-XXXXXX", b[] = "/tmp/lmm-test-frames-XXXXXX";
    make_frames(a, 6, 84, 56, 0);
    make_frames(b, 6, 84, 56, 3);
    opened o = open_tiny(QWEN, 2);
    lmm_session *s;
    lmm_prompt *p = video_prompt(o.model, about_qwen, a, 6), *q = video_prompt(o.model, about_qwen, b, 6);
    int reused;
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 256}));
    OK(lmm_session_sync(s, p, NULL));
    OK(lmm_session_sync(s, q, &reused));
    assert_in_range(reused, 1, 16);
    lmm_prompt_free(p);
    lmm_prompt_free(q);
    lmm_session_close(s);
    close_tiny(&o);
    dir_remove(a);
    dir_remove(b);
}

static void frames_become_the_rows_the_family_says(void **state) {
    (void)state;
    char dir[] = "/tmp/lmm-test-frames-XXXXXX";
    make_frames(dir, 6, 84, 56, 0);
    opened ov = open_tiny(TINY("llava_onevision"), 1), llava = open_tiny(TINY("llava"), 1);
    lmm_prompt *p = video_prompt(ov.model, about_onevision, dir, 4);
    assert_int_equal(p->media.at[0].plan.row_count, 4 * 9 + 1); /* 5 x 5 to 3 x 3, one newline */
    lmm_prompt_free(p);
    p = video_prompt(llava.model, "USER: <image>\nWhat happens? ASSISTANT:", dir,
                     4); /* pictures only: frames as tiles at a picture's place */
    assert_int_equal(p->media.at[0].plan.row_count, 4 * 4);
    lmm_prompt_free(p);
    close_tiny(&ov);
    close_tiny(&llava);
    dir_remove(dir);
}

static void placeholders_and_videos_must_match(void **state) {
    (void)state;
    opened o = open_tiny(QWEN, 1);
    lmm_prompt *p;
    assert_int_not_equal(lmm_prompt_raw(&p, o.model, about_qwen, strlen(about_qwen), NULL), LMM_OK);
    assert_non_null(strstr(lmm_message(), "1 video placeholder"));
    const char *nowhere = "/nowhere/frames";
    assert_int_not_equal(lmm_prompt_raw(&p, o.model, about_qwen, strlen(about_qwen),
                                        &(lmm_prompt_opts){.videos = &nowhere, .video_count = 1}),
                         LMM_OK);
    assert_non_null(strstr(lmm_message(), "/nowhere/frames"));
    close_tiny(&o);
}

/* ---- beyond the trained length ---- */

static void a_prompt_beyond_training_is_refused_until_it_is_scaled(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    int trained = o.model->net->dec.config.context;
    buf text = {0};
    while ((int)text.size < 2 * trained) buf_puts(&text, "a b c d ");
    lmm_prompt *p;
    OK(lmm_prompt_raw(&p, o.model, text.data, text.size, NULL));
    p->ids.count = trained + 5; /* rows enough whatever the tokenizer made of the text */
    lmm_session *s;
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = trained + 64}));
    assert_int_equal(lmm_session_sync(s, p, NULL), LMM_E_LIMIT);
    assert_non_null(strstr(lmm_message(), "--rope-scaling"));
    lmm_session_close(s);
    OK(lmm_model_rope_scaling(o.model, "linear:2", 0));
    assert_int_equal(o.model->net->dec.config.context, 2 * trained);
    assert_int_not_equal(lmm_model_rope_scaling(o.model, "linear:2", 0), LMM_OK);
    lmm_prompt_free(p);
    buf_free(&text);
    close_tiny(&o);
}

static void a_factor_follows_from_the_frames(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 1);
    int trained = o.model->net->dec.config.context;
    OK(lmm_model_rope_scaling(o.model, "linear", 600)); /* 600 frames of 4 rows and 1000 for the text */
    assert_int_equal(o.model->net->dec.config.context, (3400 + trained - 1) / trained * trained);
    close_tiny(&o);
}

static void nonsense_scaling_is_refused(void **state) {
    (void)state;
    const char *const bad[] = {"", "cubic:2", "linear:", "linear:0.5", "linear:nan", "linear:2x", "yarn:1e9", "linear"};
    opened o = open_tiny(TINY("llama"), 1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_not_equal(lmm_model_rope_scaling(o.model, bad[i], 0), LMM_OK);
    close_tiny(&o);
}

/* Another colour for one frame of a folder. */
static void change_frame(const char *dir, int number, int width, int height) {
    image im;
    OK(image_new(&im, width, height, 3));
    for (int k = 0; k < width * height * 3; k++) im.data[k] = (unsigned char)(200 - k % 7);
    char *path = mem_printf("%s/%03d.png", dir, number);
    OK(image_save_png(&im, path));
    free(path);
    image_free(&im);
}

/* A frame's values are its own part of the pixels and nothing else. Qwen's patches hold (channel, slot of the step, y, x). */
static void assert_frame_has_its_place(const char *path, int frames, int number) {
    char dir[] = "/tmp/lmm-test-frames-XXXXXX";
    make_frames(dir, frames, 84, 56, 0);
    opened o = open_tiny(path, 1);
    const net *n = o.model->net;
    video_media before, after;
    const lmm_video_opts all = {.frames = frames};
    OK(video_take(&before, o.model, dir, &all, 0));
    change_frame(dir, number, 84, 56);
    OK(video_take(&after, o.model, dir, &all, 0));
    tensor shape = net_pixels(n, before.plan.tile_count, NULL);
    const int64_t count = tensor_count(&shape), temporal = n->has_patches ? n->video_pre.temporal : 1;
    const int64_t steps = (frames + temporal - 1) / temporal, step = count / steps;
    const int64_t plane = n->has_patches ? (int64_t)n->video_pre.patch * n->video_pre.patch : step;
    int64_t inside = 0, changed = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t frame = i / step * temporal + i / plane % temporal;
        if (frame >= frames) frame = frames - 1; /* the last one fills its step */
        bool differs = before.pixels[i] != after.pixels[i];
        if (differs && frame != number) fail_msg("%s: value %lld changed with frame %d", path, (long long)i, number);
        inside += frame == number, changed += differs;
    }
    assert_true(inside > 0 && changed > inside * 9 / 10);
    assert_int_not_equal(before.hash, after.hash);
    free(before.pixels);
    free(after.pixels);
    close_tiny(&o);
    dir_remove(dir);
}

static void every_frame_has_its_place(void **state) {
    (void)state;
    static const char *const paths[] = {QWEN, TINY("llava_onevision")};
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        for (int number = 0; number < 5; number++) assert_frame_has_its_place(paths[i], 5, number);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_has_its_place),
        cmocka_unit_test(qwen_logits_do_not_depend_on_threads_and_pieces),
        cmocka_unit_test(onevision_logits_do_not_depend_on_threads_and_pieces),
        cmocka_unit_test(an_answer_is_reused_in_the_next_prompt),
        cmocka_unit_test(another_video_is_not_reused),
        cmocka_unit_test(frames_become_the_rows_the_family_says),
        cmocka_unit_test(placeholders_and_videos_must_match),
        cmocka_unit_test(a_prompt_beyond_training_is_refused_until_it_is_scaled),
        cmocka_unit_test(a_factor_follows_from_the_frames),
        cmocka_unit_test(nonsense_scaling_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
