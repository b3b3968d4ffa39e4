/* test_egogpt.c - sounds in prompts: their rows, windows, placeholders, and what is refused. The numbers themselves are compared in tests/peers/egogpt_reference.py. */
#include <math.h>
#include <unistd.h>

#include "../engine/model_util.h"

#include "egogpt_util.h"

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
