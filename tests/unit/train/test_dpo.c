/* test_dpo.c - runs over pairs: the first step knows no difference, later ones prefer what was chosen, and a resumed run ends in the same bits. */
#include "run_util.h"

#include <math.h>

/* LLaVA's layout, trl's with messages, and one without a picture. */
static const char pairs[] =
    "[{\"image\": \"rgb.png\", \"prompt\": \"what is the color?\", \"chosen\": \"red\", \"rejected\": \"a blue one\"},"
    " {\"images\": [\"wide.png\"], \"prompt\": [{\"role\": \"user\", \"content\": \"<image>\\nis it blue?\"}], \"chosen\": [{\"role\": "
    "\"assistant\", "
    "\"content\": \"yes\"}], \"rejected\": [{\"role\": \"assistant\", \"content\": \"no\"}]},"
    " {\"prompt\": \"no picture at all?\", \"chosen\": \"none\", \"rejected\": \"a circle\"}]";

static lmm_status train(const char *run, const char *const *more, int count) {
    char *text =
        mem_printf("run: %s/%s\nseed: 3\nmodel: {open: %s/models/mini-v0}\ndata: [{path: %s/pairs.json, images: "
                   "%s/golden/data/golden/images}]\nbatch: 3\nsteps: 6\ndpo: {beta: 0.5}\noptimizer: {lr: 1.0e-4}\nschedule: {kind: "
                   "constant, warmup: 0}\nlog_every: 1\nsave_every: 2\nkeep: 9\n",
                   folder, run, LMM_SOURCE, folder, LMM_TESTS);
    write_text("pairs.json", pairs);
    return run_recipe(text, "dpo", 2, more, count);
}

static void chosen_answers_gain_on_rejected_ones(void **state) {
    (void)state;
    OK(train("run", NULL, 0));
    assert_true(fabs(metric("run", 0, "loss") - log(2)) < 1e-6);
    assert_true(metric("run", 0, "rewards/margins") == 0 && metric("run", 0, "rewards/accuracies") == 0);
    assert_true(metric("run", 5, "rewards/margins") > 0.01);
    assert_true(metric("run", 5, "rewards/accuracies") > 0.6);
    assert_true(metric("run", 5, "loss") < metric("run", 0, "loss"));
}

static void a_resumed_run_ends_in_the_same_bits(void **state) {
    (void)state;
    OK(train("whole", NULL, 0));
    OK(train("cut", NULL, 0));
    for (int with_reference = 1; with_reference >= 0; with_reference--) { /* without, it is computed anew from the model as it was opened */
        take_away("cut/final");
        take_away("cut/step-00000006");
        take_away("cut/step-00000004");
        if (!with_reference) take_away("cut/reference.safetensors");
        OK(train("cut", NULL, 0));
        assert_same_weights("whole", "cut");
    }
}

static void a_pair_without_an_answer_is_refused(void **state) {
    (void)state;
    OK(train("run", NULL, 0));
    char *path = path_join(folder, "pairs.json");
    OK(file_write(path, "[{\"prompt\": \"x\", \"chosen\": \"y\"}]", 32));
    free(path);
    path = path_join(folder, "recipe.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    assert_int_equal(lmm_train(r, path, (const char *const[]){"run=/tmp/none"}, 1, &(lmm_train_opts){.algorithm = "dpo", .quiet = true}),
                     LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "'rejected'"));
    assert_int_equal(lmm_train(r, path, NULL, 0, &(lmm_train_opts){.algorithm = "ppo", .quiet = true}), LMM_E_ARG);
    lmm_runtime_close(r);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chosen_answers_gain_on_rejected_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_run_ends_in_the_same_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pair_without_an_answer_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
