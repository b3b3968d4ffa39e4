/* test_rope.c - rotary frequencies against the published rules (values computed with transformers 5.23). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/nn.h"

static const int at[] = {0, 1, 16, 30, 40, 63};

static void check(const rope_spec *s, int length, const double *want, double factor) {
    float inv[64], have;
    rope_freqs(s, 128, length, inv, &have);
    for (size_t i = 0; i < COUNT_OF(at); i++)
        assert_true(fabs(inv[at[i]] - want[i]) <= 2e-6 * fabs(want[i]) + 5e-11 + 1e-4 * want[i] * (at[i] > 16));
    assert_true(fabs(have - factor) < 1e-6);
}

static void llama3(void **state) {
    (void)state;
    const rope_spec s = {.type = ROPE_LLAMA3,
                         .theta = 5e5,
                         .factor = 8,
                         .low_freq_factor = 1,
                         .high_freq_factor = 4,
                         .context_original = 8192,
                         .context = 131072};
    check(&s, 0, (const double[]){1, .8146172166, .0376060307, .0013718937, 3.4281e-5, 3.069e-7}, 1);
}

static void yarn(void **state) {
    (void)state;
    const rope_spec s =
        {.type = ROPE_YARN, .theta = 1e6, .factor = 4, .beta_fast = 32, .beta_slow = 1, .context_original = 32768, .context = 131072};
    check(&s, 0, (const double[]){1, .8058422208, .0316227786, .001064361, 4.4457e-5, 3.102e-7}, 1.1386294361);
}

static void linear_scaling(void **state) {
    (void)state;
    const rope_spec s = {.type = ROPE_LINEAR, .theta = 1e4, .factor = 2, .context_original = 4096, .context = 4096};
    check(&s, 0, (const double[]){.5, .4329821765, .05, .0066676075, .0015811389, 5.77391e-5}, 1);
}

static void dynamic(void **state) {
    (void)state;
    const rope_spec s = {.type = ROPE_DYNAMIC, .theta = 1e4, .factor = 2, .context_original = 4096, .context = 4096};
    check(&s, 8192, (const double[]){1, .8509942889, .0756530315, .0079031354, .0015742216, 3.84927e-5}, 1);
}

static void both_spellings_of_a_config_are_read(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2.0, \"rope_theta\": 1000.0}}",
                                        "{\"rope_theta\": 1000.0, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        tree *t;
        rope_spec s;
        assert_int_equal(tree_parse_json(&t, texts[i], __builtin_strlen(texts[i]), "config"), LMM_OK);
        assert_int_equal(rope_read(&s, t, "config"), LMM_OK);
        assert_int_equal(s.type, ROPE_LINEAR);
        assert_true(s.factor == 2.0 && s.theta == 1000.0);
        tree_free(t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama3),
        cmocka_unit_test(yarn),
        cmocka_unit_test(linear_scaling),
        cmocka_unit_test(dynamic),
        cmocka_unit_test(both_spellings_of_a_config_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
