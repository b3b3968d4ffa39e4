/* test_equal.c - the law of equal numbers at the engine: threads, batch, pieces of the prefill and reused prefixes change no bit. */
#include "model_util.h"

static const char question[] = "USER: <image>\nWhat is shown in this image? ASSISTANT:";
static const char other[] = "USER: <image>\nCompare it with nothing else, please. ASSISTANT:";

/* Logits after `text`, from a fresh session with prefill pieces of `batch` rows. */
static float *logits_of(const opened *o, const char *text, const char *picture, int batch) {
    return fresh_logits(o, raw_prompt(o->model, text, picture), batch);
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

/* ---- forks read the rows they have in common ---- */

enum { GROUPS = 2, GROUP = 11, ANSWERS = GROUPS * GROUP }; /* more than one task of attention takes together */
static const char *const group_prompts[GROUPS] = {"The quick brown fox jumps over the lazy dog", "def f(x): return"};

/* The session's answers go on at temperature 1; number i always draws the same. */
static void draw(lmm_session *const *s, const uint64_t *streams, int n, lmm_answer *out) {
    const int none = -1;
    const lmm_gen_opts o =
        {.max_tokens = 24, .temperature = 1, .seed = 5, .streams = streams, .eos = &none, .eos_count = 1, .logprobs = true};
    OK(lmm_generate(s, n, &o, NULL, NULL, out));
}

static void assert_same_answer(const lmm_answer *a, const lmm_answer *b) {
    assert_int_equal(a->id_count, b->id_count);
    assert_memory_equal(a->ids, b->ids, (size_t)a->id_count * sizeof *a->ids);
    assert_memory_equal(a->logprobs, b->logprobs, (size_t)a->id_count * sizeof *a->logprobs);
}

static lmm_session *session_of(const opened *o, const char *text) {
    lmm_session *s;
    lmm_prompt *p = raw_prompt(o->model, text, NULL);
    OK(lmm_session_open(&s, o->model, &(lmm_session_opts){.context = 128}));
    OK(lmm_session_sync(s, p, NULL));
    lmm_prompt_free(p);
    return s;
}

/* What a session of its own says after the text, alone. */
static void assert_fresh_says(const opened *o, const char *text, uint64_t stream, const lmm_answer *want) {
    lmm_session *s = session_of(o, text);
    lmm_answer a = {0};
    draw(&s, &stream, 1, &a);
    assert_same_answer(&a, want);
    lmm_answers_free(&a, 1);
    lmm_session_close(s);
}

/* window: rows a row sees, 0: all. */
static void groups_of_forks_answer_as_sessions_alone(const char *family, int window, const char *table) {
    opened o = open_tiny_with(family, 3, table);
    o.model->net->dec.config.window = window;
    lmm_session *s[ANSWERS];
    lmm_answer together[ANSWERS] = {{0}};
    uint64_t streams[ANSWERS];
    for (int i = 0; i < ANSWERS; i++) {
        streams[i] = (uint64_t)(100 + i);
        if (i % GROUP) OK(lmm_session_fork(&s[i], s[i / GROUP * GROUP]));
        else s[i] = session_of(&o, group_prompts[i / GROUP]);
    }
    draw(s, streams, ANSWERS, together);
    for (int i = 0; i < ANSWERS; i++) assert_fresh_says(&o, group_prompts[i / GROUP], streams[i], &together[i]);
    for (int i = 0; i < ANSWERS; i++) lmm_session_close(s[i]);
    lmm_answers_free(together, ANSWERS);
    close_tiny(&o);
}

static void forks_in_one_pass_answer_as_sessions_alone(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        if (!kernels_pick(tables[t])) continue;
        groups_of_forks_answer_as_sessions_alone(TINY("llama"), 0, tables[t]); /* two heads share their keys, */
        groups_of_forks_answer_as_sessions_alone(TINY("qwen2"), 0, tables[t]); /* all four */
        groups_of_forks_answer_as_sessions_alone(TINY("llama"), 7, tables[t]);
    }
}

/* Whatever becomes of one, the others keep what they had. */
static void forks_do_not_disturb_each_other(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llama"), 2);
    const char *const text = group_prompts[0], *const longer = "The quick brown fox jumps over the lazy dog and sleeps",
                      *const start = "The quick";
    lmm_session *s = session_of(&o, text), *f, *g, *h;
    lmm_prompt *p = raw_prompt(o.model, longer, NULL), *q = raw_prompt(o.model, start, NULL);
    lmm_answer a[3] = {{0}};
    const uint64_t streams[3] = {1, 2, 3};
    int reused;
    OK(lmm_session_fork(&f, s));
    OK(lmm_session_fork(&g, f));
    OK(lmm_session_sync(s, q, &reused)); /* shorter than what is shared: its new rows are its own */
    assert_true(reused > 0);
    float *want = logits_of(&o, start, NULL, 0), *want_longer = logits_of(&o, longer, NULL, 0);
    assert_same(&o, lmm_session_logits(s), want);
    OK(lmm_session_sync(f, p, &reused)); /* shared rows and own ones */
    assert_true(reused > 8);
    OK(lmm_session_fork(&h, f)); /* a fork of both */
    assert_same(&o, lmm_session_logits(h), want_longer);
    OK(lmm_session_sync_among(s, (lmm_session *const[]){h, s}, 2, p, &reused)); /* rows of both, copied */
    assert_int_equal(reused, lmm_prompt_length(p) - 1);
    lmm_session_close(f);
    draw((lmm_session *const[]){g, h, s}, streams, 3, a);
    assert_fresh_says(&o, text, 1, &a[0]);
    assert_fresh_says(&o, longer, 2, &a[1]);
    assert_fresh_says(&o, longer, 3, &a[2]);
    lmm_session_close(s), lmm_session_close(g);
    OK(lmm_session_sync(h, q, NULL));
    assert_same(&o, lmm_session_logits(h), want);
    lmm_session_close(h);
    lmm_answers_free(a, 3);
    lmm_prompt_free(p), lmm_prompt_free(q);
    free(want), free(want_longer);
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

static lmm_prompt *cached_prompt(const opened *o, const char *text, const char *picture, lmm_media_cache *cache) {
    lmm_prompt *p;
    OK(lmm_prompt_raw(&p, o->model, text, strlen(text), &(lmm_prompt_opts){.images = &picture, .image_count = 1, .cache = cache}));
    return p;
}

/* One byte of memory forgets every picture as soon as no prompt shows it; a large one keeps them. */
static void remembered_pictures_give_the_same_logits(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 2);
    const char *pictures[] = {PICTURE("rgb.png"), PICTURE("gray.png"), PICTURE("rgb.png"), PICTURE("rgb.png")};
    const size_t sizes[] = {1, 64 << 20};
    for (size_t k = 0; k < COUNT_OF(sizes); k++) {
        lmm_media_cache *cache;
        OK(lmm_media_cache_new(&cache, sizes[k]));
        for (size_t i = 0; i < COUNT_OF(pictures); i++) {
            lmm_session *s;
            lmm_prompt *p = cached_prompt(&o, i % 2 ? other : question, pictures[i], cache);
            float *want = logits_of(&o, i % 2 ? other : question, pictures[i], 0);
            OK(lmm_session_open(&s, o.model, &(lmm_session_opts){.context = 256}));
            assert_true(k == 0 || i < 2 || p->media.at[0].entry->rows != NULL);
            OK(lmm_session_sync(s, p, NULL));
            assert_same(&o, lmm_session_logits(s), want);
            lmm_session_close(s);
            lmm_prompt_free(p);
            free(want);
        }
        lmm_media_cache_free(cache);
    }
    close_tiny(&o);
}

static void rows_taken_from_another_session_are_the_same(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava"), 2);
    lmm_session *s[3];
    for (int i = 0; i < 3; i++) OK(lmm_session_open(&s[i], o.model, &(lmm_session_opts){.context = 256}));
    lmm_prompt *p = raw_prompt(o.model, question, PICTURE("rgb.png")), *q = raw_prompt(o.model, other, PICTURE("rgb.png"));
    float *want = logits_of(&o, other, PICTURE("rgb.png"), 0), *first = logits_of(&o, question, PICTURE("rgb.png"), 0);
    int reused;
    OK(lmm_session_sync_among(s[1], s, 3, p, &reused));
    assert_int_equal(reused, 0);
    OK(lmm_session_sync_among(s[0], s, 3, q, &reused));
    assert_true(reused > 16); /* the picture's rows among them */
    assert_same(&o, lmm_session_logits(s[0]), want);
    assert_same(&o, lmm_session_logits(s[1]), first); /* the giver is as it was */
    OK(lmm_session_sync_among(s[2], s, 3, q, &reused));
    assert_int_equal(reused, lmm_prompt_length(q) - 1); /* the last row runs to give logits */
    assert_same(&o, lmm_session_logits(s[2]), want);
    lmm_answer a[2] = {{0}};
    OK(lmm_generate((lmm_session *const[]){s[0], s[2]}, 2, &(lmm_gen_opts){.max_tokens = 8}, NULL, NULL, a));
    assert_string_equal(a[0].text, a[1].text);
    lmm_answers_free(a, 2);
    for (int i = 0; i < 3; i++) lmm_session_close(s[i]);
    lmm_prompt_free(p);
    lmm_prompt_free(q);
    free(want);
    free(first);
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
        cmocka_unit_test(forks_in_one_pass_answer_as_sessions_alone),
        cmocka_unit_test(forks_do_not_disturb_each_other),
        cmocka_unit_test(a_seed_repeats_its_answer),
        cmocka_unit_test(remembered_pictures_give_the_same_logits),
        cmocka_unit_test(rows_taken_from_another_session_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
