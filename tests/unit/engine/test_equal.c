/* test_equal.c - the law of equal numbers at the engine: threads, batch, pieces of the prefill and reused prefixes change no bit. */
#include "model_util.h"

static const char question[] = "USER: <image>\nWhat is shown in this image? ASSISTANT:";
static const char other[] = "USER: <image>\nCompare it with nothing else, please. ASSISTANT:";

/* Logits after `text`, from a fresh session with prefill pieces of `batch` rows. */
static float *logits_of(const opened *o, const char *text, const char *picture, int batch) {
    lmm_session *s;
    lmm_prompt *p = raw_prompt(o->model, text, picture);
    OK(lmm_session_open(&s, o->model, &(lmm_session_opts){.context = 256, .batch = batch}));
    OK(lmm_session_sync(s, p, NULL));
    size_t size = (size_t)o->model->net->dec.config.vocab * sizeof(float);
    float *copy = malloc(size);
    memcpy(copy, lmm_session_logits(s), size);
    lmm_session_close(s);
    lmm_prompt_free(p);
    return copy;
}

static void assert_same(const opened *o, const float *a, const float *b) {
    assert_memory_equal(a, b, (size_t)o->model->net->dec.config.vocab * sizeof *a);
}

/* Every table this processor can run keeps the law by itself. */
static const char *const tables[] = {"generic", "avx2", "avx512"};

static void logits_do_not_depend_on_threads(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        if (!kernels_pick(tables[t])) continue;
        opened one = open_tiny_with(TINY("llava"), 1, tables[t]);
        float *want = logits_of(&one, question, PICTURE("rgb.png"), 0);
        for (int threads = 2; threads <= 4; threads += 2) {
            opened more = open_tiny_with(TINY("llava"), threads, tables[t]);
            float *have = logits_of(&more, question, PICTURE("rgb.png"), 0);
            assert_same(&one, have, want);
            free(have);
            close_tiny(&more);
        }
        free(want);
        close_tiny(&one);
    }
}

static void logits_do_not_depend_on_prefill_pieces(void **state) {
    (void)state;
    const int pieces[] = {1, 3, 7, 16};
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        if (!kernels_pick(tables[t])) continue;
        opened o = open_tiny_with(TINY("llava"), 2, tables[t]);
        float *want = logits_of(&o, question, PICTURE("rgb.png"), 0);
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
            float *have = logits_of(&o, question, PICTURE("rgb.png"), pieces[i]);
            assert_same(&o, have, want);
            free(have);
        }
        free(want);
        close_tiny(&o);
    }
}

static void a_reused_prefix_gives_the_same_logits(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 2);
    float *want = logits_of(&o, other, PICTURE("rgb.png"), 0);
    lmm_session *s;
    lmm_prompt *a = raw_prompt(o.model, question, PICTURE("rgb.png")), *b = raw_prompt(o.model, other, PICTURE("rgb.png"));
    int reused;
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 256}));
    OK(lmm_session_sync(s, a, NULL));
    OK(lmm_session_sync(s, b, &reused));
    assert_in_range(reused, 17, lmm_prompt_length(b) - 1); /* the picture's 16 rows are among them */
    assert_same(&o, lmm_session_logits(s), want);
    lmm_prompt_free(a);
    lmm_prompt_free(b);
    lmm_session_close(s);
    free(want);
    close_tiny(&o);
}

static void another_picture_is_not_reused(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 2);
    float *want = logits_of(&o, question, PICTURE("wide.png"), 0);
    lmm_session *s;
    lmm_prompt *a = raw_prompt(o.model, question, PICTURE("rgb.png")), *b = raw_prompt(o.model, question, PICTURE("wide.png"));
    int reused;
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 256}));
    OK(lmm_session_sync(s, a, NULL));
    OK(lmm_session_sync(s, b, &reused));
    assert_in_range(reused, 1, 8);
    assert_same(&o, lmm_session_logits(s), want);
    lmm_prompt_free(a);
    lmm_prompt_free(b);
    lmm_session_close(s);
    free(want);
    close_tiny(&o);
}

/* Answers of n sessions together, session i with prompt i. */
static void answers_of(const opened *o, const char *const *texts, int n, lmm_answer *out, uint64_t seed) {
    lmm_session *s[8] = {0};
    for (int i = 0; i < n; i++) {
        lmm_prompt *p = raw_prompt(o->model, texts[i], NULL);
        OK(lmm_session_open(&s[i], o->model, &(lmm_session_opts){.context = 128}));
        OK(lmm_session_sync(s[i], p, NULL));
        lmm_prompt_free(p);
    }
    int none = -1;
    OK(lmm_generate(s, n, &(lmm_gen_opts){.max_tokens = 24, .eos = &none, .eos_count = 1, .temperature = seed ? 0.8 : 0, .seed = seed},
                    NULL, NULL, out));
    for (int i = 0; i < n; i++) lmm_session_close(s[i]);
}

static void answers_do_not_depend_on_the_batch(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 2);
    const char *const texts[8] = {"Hi", "The quick brown fox", "def f(x):", "a b c d e f g", "What?", "1 2 3 4 5", "Hello there", "x"};
    lmm_answer together[8] = {0}, alone = {0};
    answers_of(&o, texts, 8, together, 0);
    for (int i = 0; i < 8; i++) {
        answers_of(&o, &texts[i], 1, &alone, 0);
        assert_int_equal(alone.id_count, together[i].id_count);
        assert_memory_equal(alone.ids, together[i].ids, (size_t)alone.id_count * sizeof(int));
        assert_string_equal(alone.text, together[i].text);
        lmm_answers_free(&alone, 1);
    }
    lmm_answers_free(together, 8);
    close_tiny(&o);
}

static void a_fork_goes_on_as_its_parent_would(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 1);
    lmm_session *s, *f;
    lmm_prompt *p = raw_prompt(o.model, "The quick brown fox", NULL);
    lmm_answer a = {0}, b = {0};
    OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 128}));
    OK(lmm_session_sync(s, p, NULL));
    OK(lmm_session_fork(&f, s));
    OK(lmm_generate(&s, 1, &(lmm_gen_opts){.max_tokens = 16}, NULL, NULL, &a));
    OK(lmm_generate(&f, 1, &(lmm_gen_opts){.max_tokens = 16}, NULL, NULL, &b));
    assert_string_equal(a.text, b.text);
    lmm_answers_free(&a, 1);
    lmm_answers_free(&b, 1);
    lmm_session_close(f);
    lmm_session_close(s);
    lmm_prompt_free(p);
    close_tiny(&o);
}

static void a_seed_repeats_its_answer(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 2);
    const char *text = "Hi";
    lmm_answer a = {0}, b = {0}, c = {0};
    answers_of(&o, &text, 1, &a, 7);
    answers_of(&o, &text, 1, &b, 7);
    answers_of(&o, &text, 1, &c, 8);
    assert_string_equal(a.text, b.text);
    assert_string_not_equal(a.text, c.text);
    lmm_answers_free(&a, 1);
    lmm_answers_free(&b, 1);
    lmm_answers_free(&c, 1);
    close_tiny(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_do_not_depend_on_threads),
        cmocka_unit_test(logits_do_not_depend_on_prefill_pieces),
        cmocka_unit_test(a_reused_prefix_gives_the_same_logits),
        cmocka_unit_test(another_picture_is_not_reused),
        cmocka_unit_test(answers_do_not_depend_on_the_batch),
        cmocka_unit_test(a_fork_goes_on_as_its_parent_would),
        cmocka_unit_test(a_seed_repeats_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
