/* test_losses.c - gradients are the slopes of the values, and the numbers that the papers and trl's tests name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

enum { PAIRS = 3, WIDTH = 4, COUNT = 2 * PAIRS * WIDTH };

static void fill(double *x, int n, uint64_t seed, double scale) {
    rng r = rng_make(seed, 0);
    for (int i = 0; i < n; i++) x[i] = -scale * rng_unit(&r) - 0.01;
}

static void every_preference_loss_has_its_slope(void **state) {
    (void)state;
    static const char *const kinds[] = {"sigmoid",  "hinge",    "ipo",       "exo_pair",     "nca_pair",
                                        "robust",   "bco_pair", "sppo_hard", "aot",          "aot_unpaired",
                                        "apo_zero", "apo_down", "discopop",  "sigmoid_norm", "sft"};
    double policy[COUNT], reference[COUNT], mask[COUNT], grad[COUNT];
    fill(policy, COUNT, 1, 2), fill(reference, COUNT, 2, 2);
    for (int i = 0; i < COUNT; i++) mask[i] = i % 5 != 4;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        dpo_config c = {.kinds = {kinds[k]}, .beta = 0.3, .smoothing = 0.1};
        dpo_batch b = {PAIRS, WIDTH, policy, reference, mask, NULL};
        dpo_result r, up, down;
        assert_int_equal(dpo_loss(&r, grad, &c, &b), LMM_OK);
        for (int i = 0; i < COUNT; i++) {
            const double h = 1e-6, at = policy[i];
            policy[i] = at + h, dpo_loss(&up, NULL, &c, &b);
            policy[i] = at - h, dpo_loss(&down, NULL, &c, &b);
            policy[i] = at;
            assert_true(fabs((up.loss - down.loss) / (2 * h) - grad[i]) < 1e-6);
        }
    }
}

static void every_policy_loss_has_its_slope(void **state) {
    (void)state;
    static const char *const kinds[] = {"grpo", "bnpo", "dr_grpo", "dapo", "sapo", "luspo"}; /* cispo and vespo hold their factor fixed */
    double logp[COUNT], old[COUNT], reference[COUNT], mask[COUNT], grad[COUNT], advantage[2 * PAIRS];
    fill(logp, COUNT, 3, 1), fill(old, COUNT, 4, 1), fill(reference, COUNT, 5, 1);
    for (int i = 0; i < COUNT; i++) mask[i] = i % WIDTH < 1 + i / WIDTH % 4;
    for (int i = 0; i < 2 * PAIRS; i++) advantage[i] = i % 2 ? 1 : -0.7;
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (int sequence = 0; sequence < 2; sequence++) {
            grpo_config c = grpo_defaults(kinds[k]);
            c.beta = 0.1, c.sequence_ratio = sequence, c.bias_corrected_kl = sequence;
            grpo_batch b = {.rows = 2 * PAIRS,
                            .width = WIDTH,
                            .logp = logp,
                            .old = old,
                            .reference = reference,
                            .mask = mask,
                            .advantage = advantage,
                            .item_count = 12};
            grpo_result r, up, down;
            assert_int_equal(grpo_loss(&r, grad, NULL, &c, &b), LMM_OK);
            for (int i = 0; i < COUNT; i++) {
                const double h = 1e-6, at = logp[i];
                logp[i] = at + h, grpo_loss(&up, NULL, NULL, &c, &b);
                logp[i] = at - h, grpo_loss(&down, NULL, NULL, &c, &b);
                logp[i] = at;
                assert_true(fabs((up.loss - down.loss) / (2 * h) - grad[i]) < 1e-6);
            }
        }
}

static void every_reduction_has_its_slope(void **state) {
    (void)state;
    static const char *const reductions[] = {"sequence", "token", "length", "item", "sequence_sum"};
    double logp[COUNT], old[COUNT], mask[COUNT], grad[COUNT], advantage[2 * PAIRS];
    fill(logp, COUNT, 3, 1), fill(old, COUNT, 4, 1);
    for (int i = 0; i < COUNT; i++) mask[i] = i % WIDTH < 1 + i / WIDTH % 4;
    for (int i = 0; i < 2 * PAIRS; i++) advantage[i] = i % 2 ? 1 : -0.7;
    for (size_t k = 0; k < COUNT_OF(reductions); k++) {
        grpo_config c = grpo_defaults("grpo");
        c.reduce = reductions[k], c.dual_clip = 3;
        grpo_batch b = {.rows = 2 * PAIRS,
                        .width = WIDTH,
                        .logp = logp,
                        .old = old,
                        .mask = mask,
                        .advantage = advantage,
                        .item_count = 12,
                        .row_count = 5};
        grpo_result r, up, down;
        assert_int_equal(grpo_loss(&r, grad, NULL, &c, &b), LMM_OK);
        for (int i = 0; i < COUNT; i++) {
            const double h = 1e-6, at = logp[i];
            logp[i] = at + h, grpo_loss(&up, NULL, NULL, &c, &b);
            logp[i] = at - h, grpo_loss(&down, NULL, NULL, &c, &b);
            logp[i] = at;
            assert_true(fabs((up.loss - down.loss) / (2 * h) - grad[i]) < 1e-6);
        }
    }
    grpo_result r;
    assert_int_equal(grpo_loss(&r, NULL, NULL, &(grpo_config){.kind = "grpo", .reduce = "tokens"}, &(grpo_batch){0}), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "sequence_sum"));
}

static void llavas_loss_on_tokens_has_its_slope(void **state) {
    (void)state;
    static const char *const kinds[] = {"sigmoid", "hinge", "ipo", "kto_pair"};
    double policy[COUNT], reference[COUNT], mask[COUNT], grad[COUNT];
    fill(policy, COUNT, 1, 1), fill(reference, COUNT, 2, 1);
    for (int i = 0; i < COUNT; i++) mask[i] = i % WIDTH < 1 + i / WIDTH % 4;
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        const llava_dpo_config c = {kinds[k], 0.3, 0.1, false};
        const dpo_batch b = {PAIRS, WIDTH, policy, reference, mask, NULL};
        dpo_result r, up, down;
        assert_int_equal(llava_dpo_tokens(&r, grad, &c, &b), LMM_OK);
        for (int i = 0; i < COUNT; i++) {
            const double h = 1e-6, at = policy[i];
            policy[i] = at + h, llava_dpo_tokens(&up, NULL, &c, &b);
            policy[i] = at - h, llava_dpo_tokens(&down, NULL, &c, &b);
            policy[i] = at;
            assert_true(fabs((up.loss - down.loss) / (2 * h) - grad[i]) < 1e-6);
        }
    }
}

static void a_rollout_is_learnt_from_several_times(void **state) {
    (void)state;
    const rollout_plan p = {3, 2, 4};
    assert_true(rollout_total(&p, 7) == 48 && rollout_prompt(&p, 0) == 0 && rollout_prompt(&p, 5) == 2);
    assert_true(rollout_prompt(&p, 6) == 0 && rollout_prompt(&p, 24) == 3 && rollout_prompt(&p, 47) == 5);
}

static void the_first_step_is_ln_2_and_no_hit(void **state) {
    (void)state;
    double logp[] = {-1, -2, -3, -4}, mask[] = {1, 1, 1, 1};
    dpo_result r;
    assert_int_equal(dpo_loss(&r, NULL, &(dpo_config){.kinds = {"sigmoid"}, .beta = 0.1}, &(dpo_batch){1, 2, logp, logp, mask, NULL}),
                     LMM_OK);
    assert_true(fabs(r.loss - log(2)) < 1e-12);
    assert_true(r.accuracy == 0);
}

static void on_policy_ratio_is_one_and_kl_zero(void **state) {
    (void)state;
    double logp[] = {-1, -2, -3, -4}, mask[] = {1, 1, 1, 0}, advantage[] = {0.5, -0.5}, grad[4];
    grpo_config c = grpo_defaults("grpo");
    c.beta = 0.04;
    grpo_result r;
    assert_int_equal(grpo_loss(&r, grad, NULL, &c,
                               &(grpo_batch){.rows = 2,
                                             .width = 2,
                                             .logp = logp,
                                             .old = logp,
                                             .reference = logp,
                                             .mask = mask,
                                             .advantage = advantage}),
                     LMM_OK);
    assert_true(r.kl == 0 && r.loss == 0 && r.clip_region == 0);
    assert_true(grad[0] == -0.125 && grad[2] == 0.25 && grad[3] == 0);
}

static void equal_rewards_give_exactly_nothing(void **state) {
    (void)state;
    const double rewards[] = {0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7}, one = 1, mixed[] = {1, 0, 0, 1};
    double a[8];
    const advantage_config c = {8, &one, SCALE_GROUP, false, 1e-4}, four = {4, &one, SCALE_GROUP, false, 1e-4};
    grpo_advantages(a, NULL, NULL, rewards, 8, 1, &c);
    for (int i = 0; i < 8; i++) assert_true(a[i] == 0);
    grpo_advantages(a, NULL, NULL, mixed, 4, 1, &four);
    assert_true(fabs(a[0] - 0.8659) < 1e-4 && a[1] == -a[0]); /* rl.md 5.3 a */
}

static void unknown_losses_name_the_nearest(void **state) {
    (void)state;
    dpo_result d;
    grpo_result g;
    assert_int_equal(dpo_loss(&d, NULL, &(dpo_config){.kinds = {"sigmod"}}, &(dpo_batch){0}), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'sigmoid'"));
    assert_int_equal(grpo_loss(&g, NULL, NULL, &(grpo_config){.kind = "dapoo"}, &(grpo_batch){0}), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'dapo'"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_preference_loss_has_its_slope),    cmocka_unit_test(every_policy_loss_has_its_slope),
        cmocka_unit_test(every_reduction_has_its_slope),          cmocka_unit_test(llavas_loss_on_tokens_has_its_slope),
        cmocka_unit_test(a_rollout_is_learnt_from_several_times), cmocka_unit_test(the_first_step_is_ln_2_and_no_hit),
        cmocka_unit_test(on_policy_ratio_is_one_and_kl_zero),     cmocka_unit_test(equal_rewards_give_exactly_nothing),
        cmocka_unit_test(unknown_losses_name_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
