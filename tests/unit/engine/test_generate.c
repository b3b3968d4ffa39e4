/* test_generate.c - stop texts, end tokens, streaming and limits of generation. */
#include "model_util.h"

typedef struct {
    buf text;
    int pieces;
    bool whole;
} stream;

static bool collect(void *arg, int sequence, const char *text, size_t size) {
    stream *s = arg;
    assert_int_equal(sequence, 0);
    s->whole &= utf8_complete(text, size) == size;
    s->pieces++;
    buf_put(&s->text, text, size);
    return true;
}

static lmm_answer answer(const opened *o, const lmm_gen_opts *g, stream *s) {
    lmm_session *session;
    lmm_prompt *p =
        raw_prompt(o->model, "The quick brown fox jumps over the lazy dog. What is shown in this picture? A small red square", NULL);
    lmm_answer a = {0};
    OK(lmm_session_open(&session, o->model, &(lmm_session_opts){.context = 128}));
    OK(lmm_session_sync(session, p, NULL));
    OK(lmm_generate(&session, 1, g, s ? collect : NULL, s, &a));
    lmm_session_close(session);
    lmm_prompt_free(p);
    return a;
}

static void a_stream_gives_whole_characters_and_all_of_the_text(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    stream s = {.whole = true};
    lmm_answer a = answer(&o, &(lmm_gen_opts){.max_tokens = 20}, &s);
    assert_true(s.whole);
    assert_in_range(s.pieces, 5, 20);
    assert_string_equal(s.text.data, a.text);
    buf_free(&s.text);
    lmm_answers_free(&a, 1);
    close_tiny(&o);
}

static void a_stop_text_is_cut_off_even_across_tokens(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    stream s = {.whole = true};
    lmm_answer whole = answer(&o, &(lmm_gen_opts){.max_tokens = 20}, NULL);
    char stop[4] = {whole.text[5], whole.text[6], whole.text[7], 0};
    const char *stops[] = {"never said", stop};
    size_t at = (size_t)(strstr(whole.text, stop) - whole.text);
    lmm_answer a = answer(&o, &(lmm_gen_opts){.max_tokens = 20, .stop = stops, .stop_count = 2}, &s);
    assert_int_equal(strlen(a.text), at);
    assert_memory_equal(a.text, whole.text, at);
    assert_int_equal(a.finish, LMM_FINISH_STOP);
    assert_string_equal(s.text.data, a.text);
    buf_free(&s.text);
    lmm_answers_free(&a, 1);
    lmm_answers_free(&whole, 1);
    close_tiny(&o);
}

static void a_full_context_ends_the_answer(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    lmm_session *s;
    lmm_prompt *p = raw_prompt(o.model, "Hi", NULL);
    lmm_answer a = {0};
    int none = -1;
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 10}));
    OK(lmm_session_sync(s, p, NULL));
    OK(lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = 100, .eos = &none, .eos_count = 1}, NULL, NULL, &a));
    assert_int_equal(a.finish, LMM_FINISH_LENGTH);
    assert_in_range(lmm_session_length(s), 8, 10);
    lmm_answers_free(&a, 1);
    lmm_session_close(s);
    lmm_prompt_free(p);
    close_tiny(&o);
}

static void many_sessions_with_small_pieces_fit(void **state) {
    (void)state;
    enum { N = 12 };
    opened o = open_tiny(TINY("llama"), 2);
    lmm_session *s[N] = {0};
    lmm_answer a[N] = {0};
    for (int i = 0; i < N; i++) {
        lmm_prompt *p = raw_prompt(o.model, "The quick brown fox", NULL);
        OK(lmm_session_open(&s[i], o.model, &(lmm_session_opts){.context = 32 + i, .batch = 1}));
        OK(lmm_session_sync(s[i], p, NULL));
        lmm_prompt_free(p);
    }
    OK(lmm_generate(s, N, &(lmm_gen_opts){.max_tokens = 8}, NULL, NULL, a));
    for (int i = 1; i < N; i++) assert_string_equal(a[i].text, a[0].text);
    lmm_answers_free(a, N);
    for (int i = 0; i < N; i++) lmm_session_close(s[i]);
    close_tiny(&o);
}

static void a_prompt_longer_than_the_context_is_refused(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    lmm_session *s;
    lmm_prompt *p = raw_prompt(o.model, "one two three four five six seven eight nine ten eleven", NULL);
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 8}));
    assert_int_equal(lmm_session_sync(s, p, NULL), LMM_E_LIMIT);
    assert_non_null(strstr(lmm_message(), "context holds 8"));
    lmm_session_close(s);
    lmm_prompt_free(p);
    close_tiny(&o);
}

static void pictures_and_placeholders_must_agree(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 1);
    lmm_prompt *p;
    const char *picture = PICTURE("rgb.png"), text[] = "USER: What? ASSISTANT:";
    assert_int_equal(lmm_prompt_raw(&p, o.model, text, sizeof text - 1, &(lmm_prompt_opts){.images = &picture, .image_count = 1}),
                     LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "0 picture placeholders"));
    close_tiny(&o);
}

static void the_score_of_a_text_adds_up(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    lmm_session *s;
    lmm_prompt *p = raw_prompt(o.model, "Hi", NULL);
    double score;
    bool greedy;
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 64}));
    OK(lmm_score(s, p, " there", &score, &greedy));
    assert_true(score < 0 && score > -100);
    assert_false(greedy);
    lmm_session_close(s);
    lmm_prompt_free(p);
    close_tiny(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_gives_whole_characters_and_all_of_the_text),
        cmocka_unit_test(a_stop_text_is_cut_off_even_across_tokens),
        cmocka_unit_test(a_full_context_ends_the_answer),
        cmocka_unit_test(many_sessions_with_small_pieces_fit),
        cmocka_unit_test(a_prompt_longer_than_the_context_is_refused),
        cmocka_unit_test(pictures_and_placeholders_must_agree),
        cmocka_unit_test(the_score_of_a_text_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
