/* test_sampler.c - the order and meaning of sampling options. */
#include <math.h>

#include "model_util.h"

enum { V = 6 };
static const float logits[V] = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 0.0f};

static int draw(const lmm_gen_opts *o, uint64_t stream, const int *history, int n) {
    candidates c = candidates_new(V);
    rng r = rng_make(1, stream);
    int id = sample_next(logits, V, o, history, n, &r, &c);
    candidates_free(&c);
    return id;
}

/* Share of draws of every id over many streams. */
static void shares(const lmm_gen_opts *o, double out[V]) {
    enum { N = 4000 };
    memset(out, 0, V * sizeof *out);
    for (uint64_t i = 0; i < N; i++) out[draw(o, i, NULL, 0)] += 1.0 / N;
}

static void greedy_takes_the_first_of_equal_maxima(void **state) {
    (void)state;
    assert_int_equal(draw(&(lmm_gen_opts){0}, 0, NULL, 0), 1);
}

static void a_penalty_moves_the_choice(void **state) {
    (void)state;
    int said[] = {1, 1, 1};
    assert_int_equal(draw(&(lmm_gen_opts){.repetition_penalty = 1.5}, 0, said, 3), 3);
}

/* Without filters nothing is sorted: what is drawn stays what the sorted list gives, which top_k of all ids takes. */
static void an_unsorted_draw_is_the_sorted_one(void **state) {
    (void)state;
    enum { WIDE = 300 };
    float wide[WIDE];
    int tail = 0;
    rng value = rng_make(5, 0);
    for (int i = 0; i < WIDE; i++) wide[i] = (float)(int)(8 * rng_unit(&value)); /* many ties */
    candidates c = candidates_new(WIDE);
    for (uint64_t i = 0; i < 2000; i++) {
        rng a = rng_make(1, i), b = a;
        int sorted = sample_next(wide, WIDE, &(lmm_gen_opts){.temperature = 2, .top_k = WIDE}, NULL, 0, &a, &c);
        assert_int_equal(sample_next(wide, WIDE, &(lmm_gen_opts){.temperature = 2}, NULL, 0, &b, &c), sorted);
        tail += wide[sorted] < 4;
    }
    candidates_free(&c);
    assert_in_range(tail, 20, 1000); /* not the head alone */
}

static void banned_ids_are_never_drawn(void **state) {
    (void)state;
    static const int banned[] = {1, 3, V + 5, -1}; /* numbers that are no ids do no harm */
    double p[V];
    assert_int_equal(draw(&(lmm_gen_opts){.banned = banned, .banned_count = 4}, 0, NULL, 0), 2);
    shares(&(lmm_gen_opts){.temperature = 1.0, .banned = banned, .banned_count = 4}, p);
    assert_true(p[1] == 0 && p[3] == 0 && p[2] > 0.5);
}

static void temperature_one_draws_the_softmax(void **state) {
    (void)state;
    double p[V], sum = 0;
    shares(&(lmm_gen_opts){.temperature = 1.0}, p);
    for (int i = 0; i < V; i++) sum += exp((double)logits[i]);
    for (int i = 0; i < V; i++) assert_true(fabs(p[i] - exp((double)logits[i]) / sum) < 0.03); /* 4 deviations of 4000 draws */
}

static void top_k_and_top_p_and_min_p_cut_the_tail(void **state) {
    (void)state;
    const lmm_gen_opts cut[] = {{.temperature = 1, .top_k = 2}, {.temperature = 1, .top_p = 0.7}, {.temperature = 1, .min_p = 0.5}};
    for (size_t i = 0; i < COUNT_OF(cut); i++) {
        double p[V];
        shares(&cut[i], p);
        assert_true(fabs(p[1] - 0.5) < 0.04 && fabs(p[3] - 0.5) < 0.04);
        assert_true(p[0] == 0 && p[2] == 0 && p[4] == 0 && p[5] == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_first_of_equal_maxima), cmocka_unit_test(a_penalty_moves_the_choice),
        cmocka_unit_test(an_unsorted_draw_is_the_sorted_one),     cmocka_unit_test(banned_ids_are_never_drawn),
        cmocka_unit_test(temperature_one_draws_the_softmax),      cmocka_unit_test(top_k_and_top_p_and_min_p_cut_the_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
