/* test_listener.c - Whisper's rules on what may be said, and that its numbers do not depend on how they are computed. */
#include <math.h>

#include "model_util.h"

enum { END = 10, START = 11, TRANSLATE = 14, TRANSCRIBE = 15, NO_SPEECH = 16, NO_TIMES = 17, T0 = 18, V = 118 };
static const speech_rules rules = {.vocab = V,
                                   .end = END,
                                   .start = START,
                                   .translate = TRANSLATE,
                                   .transcribe = TRANSCRIBE,
                                   .no_speech = NO_SPEECH,
                                   .no_times = NO_TIMES,
                                   .time_first = T0,
                                   .time_begin_max = 50};

/* Logits in which a text id and the end are so probable that no rule of probability takes them away. */
static void apply(float logits[V], const int *said, int n) {
    for (int i = 0; i < V; i++) logits[i] = 0;
    logits[3] = logits[END] = 50;
    speech_rules_apply(&rules, logits, said, n, true);
}

static bool may(const float *logits, int id) { return logits[id] > -INFINITY; }

static void a_window_begins_with_a_time_in_its_first_second(void **state) {
    (void)state;
    float l[V];
    apply(l, NULL, 0);
    assert_true(may(l, T0) && may(l, T0 + 50) && !may(l, T0 + 51) && !may(l, 3) && !may(l, END));
}

static void text_follows_an_opening_time_and_times_come_in_pairs(void **state) {
    (void)state;
    float l[V];
    apply(l, (const int[]){T0 + 5}, 1);
    assert_true(may(l, 3) && may(l, END) && !may(l, T0 + 6)); /* the first time stands for a pair */
    apply(l, (const int[]){T0 + 5, 3, T0 + 20}, 3);
    assert_true(!may(l, 3) && may(l, END) && may(l, T0 + 20) && !may(l, T0 + 19)); /* closing: opened again at the same place, or the end */
    apply(l, (const int[]){T0 + 5, 3, T0 + 20, T0 + 20}, 4);
    assert_true(may(l, 3) && !may(l, T0 + 30));
}

static void times_do_not_run_back_and_segments_have_a_length(void **state) {
    (void)state;
    float l[V];
    apply(l, (const int[]){T0 + 5, 3}, 2);
    assert_true(!may(l, T0 + 5) && may(l, T0 + 6) && may(l, 3));
}

static void a_time_is_said_when_all_times_together_are_likelier_than_any_text(void **state) {
    (void)state;
    float l[V] = {0};
    l[3] = 3;
    speech_rules_apply(&rules, l, (const int[]){T0, 4, 4}, 3, true); /* 99 times of logit 0 weigh exp(4.6) */
    assert_true(!may(l, 3) && may(l, T0 + 40));
}

static void listed_ids_are_never_said(void **state) {
    (void)state;
    speech_rules r = rules;
    float l[V] = {0};
    VEC_PUSH(&r.never, 7);
    VEC_PUSH(&r.not_first, 8);
    speech_rules_apply(&r, l, NULL, 0, false);
    assert_true(!may(l, 7) && !may(l, 8) && may(l, 9) && may(l, T0));
    l[8] = 0;
    speech_rules_apply(&r, l, (const int[]){9}, 1, false);
    assert_true(!may(l, 7) && may(l, 8));
    speech_rules_free(&r);
}

/* ---- a tiny checkpoint, beside the repository ---- */

#define TINY_WHISPER LMM_SHARED "/golden/checkpoints/whisper"
static const int said[] = {1301, 1302, 1306, 1310, 5, 6, 7, 8};

/* Logits after `said`, put in `piece` ids at a time. */
static float *logits_of(int threads, int piece) {
    opened o = open_tiny(TINY_WHISPER, threads);
    listener ear;
    float *x = mem_new(16000, sizeof *x), *mel;
    for (int i = 0; i < 16000; i++) x[i] = (float)(0.3 * sin(i * 0.05) + 0.2 * sin(i * 0.31));
    OK(mel_log(&mel, x, 16000, 80, MEL_FRAMES_WINDOW));
    OK(listener_open(&ear, o.model));
    OK(listener_hear(&ear, mel));
    for (size_t i = 0; i < COUNT_OF(said); i += (size_t)piece) OK(listener_say(&ear, said + i, piece));
    size_t size = (size_t)o.model->net->whisper.config.vocab * sizeof(float);
    float *logits = mem_new(1, size);
    memcpy(logits, ear.logits, size);
    listener_close(&ear);
    free(mel);
    free(x);
    close_tiny(&o);
    return logits;
}

static void logits_do_not_depend_on_threads_or_pieces(void **state) {
    (void)state;
    if (!file_is_dir(TINY_WHISPER)) {
        print_message("skipped: no folder '%s'\n", TINY_WHISPER);
        skip();
    }
    float *a = logits_of(1, 8), *b = logits_of(3, 8), *c = logits_of(1, 1), *d = logits_of(2, 4);
    assert_memory_equal(a, b, 1362 * sizeof *a);
    assert_memory_equal(a, c, 1362 * sizeof *a);
    assert_memory_equal(a, d, 1362 * sizeof *a);
    free(a), free(b), free(c), free(d);
}

static void a_language_it_does_not_know_is_refused(void **state) {
    (void)state;
    if (!file_is_dir(TINY_WHISPER)) {
        print_message("skipped: no folder '%s'\n", TINY_WHISPER);
        skip();
    }
    opened o = open_tiny(TINY_WHISPER, 1);
    lmm_transcript t;
    char *path = path_join(LMM_SHARED, "golden/audio/pcm16_mono.wav");
    assert_int_equal(lmm_transcribe(o.model, path, &(lmm_transcribe_opts){.language = "xx"}, NULL, NULL, &t), LMM_E_ARG);
    free(path);
    close_tiny(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_begins_with_a_time_in_its_first_second),
        cmocka_unit_test(text_follows_an_opening_time_and_times_come_in_pairs),
        cmocka_unit_test(times_do_not_run_back_and_segments_have_a_length),
        cmocka_unit_test(a_time_is_said_when_all_times_together_are_likelier_than_any_text),
        cmocka_unit_test(listed_ids_are_never_said),
        cmocka_unit_test(logits_do_not_depend_on_threads_or_pieces),
        cmocka_unit_test(a_language_it_does_not_know_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
