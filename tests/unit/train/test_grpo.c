/* test_grpo.c - runs from rewards: the first update after a rollout sees exactly the policy that sampled, the reward that is asked for rises, and a resumed run ends in the
 * same bits. */
#include "run_util.h"

#include <math.h>
#include "align/align.h"
#include "train/train_int.h"

/* Prompts of both layouts; the mini model, heated, answers all sorts of things. */
static lmm_status train(const char *run, const char *const *more, int count) {
    write_text("prompts.json", "[{\"image\": \"rgb.png\", \"problem\": \"what is the color?\", \"solution\": \"<answer>red</answer>\"}, "
                               "{\"conversations\": "
                               "[{\"from\": \"human\", \"value\": \"is there a shape?\"}, {\"from\": \"gpt\", \"value\": \"yes\"}]}]");
    char *text =
        mem_printf("run: %s/%s\nseed: 5\nmodel: {open: %s/models/mini-v0}\ndata: [{path: %s/prompts.json, images: "
                   "%s/golden/data/golden/images}]\nbatch: 8\naccumulate: 2\nsteps: 6\ngrpo: {loss: grpo, group: 4, updates: 2, "
                   "max_tokens: "
                   "6, temperature: 6, beta: 0.04, rewards: [{name: exact}, {name: repetition, weight: 0.5}, {name: finished, weight: "
                   "0.3}]}\noptimizer: {lr: 1.0e-4}\nschedule: {kind: constant, warmup: 0}\nlog_every: 1\nsave_every: 2\nkeep: 9\n",
                   folder, run, LMM_SOURCE, folder, LMM_TESTS);
    return run_recipe(text, "grpo", 2, more, count);
}

static void the_first_update_is_on_the_policy_that_sampled(void **state) {
    (void)state;
    OK(train("run", NULL, 0));
    assert_true(metric("run", 0, "kl") == 0); /* the reference is where it started */
    for (int step = 0; step < 6; step += 2) assert_true(metric("run", step, "clip_ratio/region_mean") == 0);
    assert_true(fabs(metric("run", 0, "loss")) < 1e-12);
    assert_true(metric("run", 0, "grad_norm") > 0);
    assert_true(metric("run", 1, "kl") > 0);
    assert_true(metric("run", 0, "reward_std") > 0 && metric("run", 0, "completions/mean_length") > 1);
}

/* Whatever the temperature: the update's log-probabilities are the sampler's, bit for bit, and the reference's are the policy's. */
static void sampling_and_update_say_the_same_numbers(void **state) {
    (void)state;
    static const char *const heat[] = {"grpo.temperature=0.7", "grpo.temperature=1", "grpo.temperature=1.3", "grpo.temperature=6"};
    for (size_t i = 0; i < COUNT_OF(heat); i++) {
        char run[8] = {'h', (char)('0' + i)};
        OK(train(run, (const char *const[]){heat[i], "steps=3"}, 2));
        assert_true(metric(run, 0, "sampling/sampling_logp_difference/max") == 0);
        assert_true(metric(run, 2, "sampling/sampling_logp_difference/max") == 0);
        assert_true(metric(run, 0, "kl") == 0);
        assert_true(metric(run, 0, "entropy") > 0);
        assert_true(metric(run, 1, "kl") >= 0);
    }
    assert_true(metric("h3", 1, "sampling/sampling_logp_difference/max") > 0); /* the second update of a rollout has moved on */
}

/* Two prompts a micro batch, two micro batches: four prompts are read once each, sixteen answers are sampled. */
static void a_group_reads_its_prompt_once(void **state) {
    (void)state;
    OK(train("run", (const char *const[]){"steps=1", "grpo.group=4"}, 2));
    OK(train("pairs", (const char *const[]){"steps=1", "grpo.group=2"}, 2)); /* twice as many prompts */
    assert_true(metric("pairs", 0, "tokens/prefill") == 2 * metric("run", 0, "tokens/prefill"));
    assert_true(metric("run", 0, "tokens/sampled") <= 16 * 5); /* the last id of an answer is not read again */
    assert_true(metric("run", 0, "rollout/seconds") > 0);
}

/* Stopped between the two updates of a rollout: the answers, and what they were worth, come from the checkpoint. */
static void a_run_resumed_between_updates_keeps_its_rollout(void **state) {
    (void)state;
    OK(train("whole", NULL, 0));
    OK(train("cut", (const char *const[]){"save_every=3"}, 1));
    take_away("cut/final");
    take_away("cut/step-00000006");
    OK(train("cut", (const char *const[]){"save_every=3"}, 1));
    assert_same_weights("whole", "cut");
    take_away("cut/final");
    take_away("cut/step-00000006");
    assert_int_equal(train("cut", (const char *const[]){"batch=4"}, 1), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "rollout under way"));
}

static void a_plan_counts_answers_of_full_length(void **state) {
    (void)state;
    lmm_training_plan short_ = {0}, long_ = {0};
    OK(train("run", (const char *const[]){"steps=1"}, 1)); /* writes the recipe */
    char *path = in_folder("recipe.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    const lmm_train_opts o = {.algorithm = "grpo"};
    OK(lmm_train_plan(r, path, NULL, 0, &o, &short_));
    OK(lmm_train_plan(r, path, (const char *const[]){"grpo.max_tokens=60"}, 1, &o, &long_));
    assert_true(long_.tokens_step == short_.tokens_step + 16 * 54);
    assert_true(long_.activation_bytes > short_.activation_bytes);
    lmm_runtime_close(r);
    free(path);
}

static void precision_bf16_is_refused(void **state) {
    (void)state;
    assert_int_equal(train("run", (const char *const[]){"precision=bf16"}, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "cannot be bf16 with grpo"));
}

static void a_resumed_run_samples_the_same_answers(void **state) {
    (void)state;
    OK(train("whole", NULL, 0));
    OK(train("cut", NULL, 0));
    take_away("cut/final");
    take_away("cut/step-00000006");
    OK(train("cut", NULL, 0));
    assert_same_weights("whole", "cut");
}

static void wrong_recipes_teach(void **state) {
    (void)state;
    assert_int_equal(train("x", (const char *const[]){"batch=6"}, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "multiple of the group"));
    assert_int_equal(train("x", (const char *const[]){"grpo.rewards=[{name: acuracy}]"}, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "acuracy"));
    assert_non_null(strstr(lmm_message(), "accuracy, accuracy_r1mm"));
    assert_int_equal(train("x", (const char *const[]){"grpo.rewards=[{name: command}]"}, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'command'"));
    assert_int_equal(train("x", (const char *const[]){"grpo.prompt=no place"}, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "{question}"));
}

static void other_rewards_say_what_they_mean(void **state) {
    (void)state;
    const int ids[4] = {1, 2, 3, 4};
    const completion_view c[] = {{"q", " <think>a</think>\n<answer>[0, 0, 10, 10]</answer> ", "<answer>[0, 0, 10, 10]</answer>", ids, 4, 8,
                                  true},
                                 {"q", "<answer>[0, 0, 5, 10]</answer>", "[0, 0, 10, 10]", ids, 2, 8, false},
                                 {"q", "<answer>[0, 0, 5</answer>", "[0, 0, 10, 10]", ids, 2, 8, false},
                                 {"q", "<answer>x</answer>", "no box", ids, 2, 8, false}};
    double out[4];
    OK(reward_group(out, &(recipe_reward){.name = (char *)"iou"}, c, 4));
    assert_true(out[0] == 1 && out[1] == 0.5 && out[2] == 0 && isnan(out[3]));
    OK(reward_group(out, &(recipe_reward){.name = (char *)"format"}, c, 2));
    assert_true(out[0] == 1 && out[1] == 0);
    OK(reward_group(out, &(recipe_reward){.name = (char *)"shortness"}, c, 2));
    assert_true(out[0] == -0.5 && out[1] == 0);
    OK(reward_group(out, &(recipe_reward){.name = (char *)"cosine"}, c + 2, 1));
    assert_true(out[0] < -0.5 && out[0] > -1); /* wrong, and short */
}

static void a_command_scores_a_group_or_nothing_of_it(void **state) {
    (void)state;
    const completion_view c[] = {{"q", "long enough", "g", NULL, 0, 8, true}, {"q", "x\"y", "g", NULL, 0, 8, true}};
    const struct {
        const char *command;
        double a, b;
    } row[] = {{"sed 's/.*completion\": \"\\(.*\\)\", \"gold.*/\\1/' | awk '{ print length($0) }'", 11, 4},
               {"cat > /dev/null; echo 0.25; echo null", 0.25, NAN},
               {"echo 1; echo 2", 1, 2}, /* reads nothing */
               {"echo 1", NAN, NAN},
               {"echo 1; echo 2; echo 3", NAN, NAN},
               {"echo one; echo 2", NAN, NAN},
               {"echo 1; echo nan", NAN, NAN},
               {"echo 1; echo 2; exit 3", NAN, NAN},
               {"no-such-program-anywhere 2>/dev/null", NAN, NAN},
               {"sleep 100 & sleep 100", NAN, NAN}};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        double out[2] = {9, 9};
        recipe_reward w = {.name = (char *)"command", .command = (char *)row[i].command, .timeout = i + 1 < COUNT_OF(row) ? 30 : 0.05};
        OK(reward_group(out, &w, c, 2));
        assert_true(isnan(row[i].a) ? isnan(out[0]) : out[0] == row[i].a);
        assert_true(isnan(row[i].b) ? isnan(out[1]) : out[1] == row[i].b);
    }
}

static void answers_are_compared_by_what_they_say(void **state) {
    (void)state;
    assert_true(reward_accuracy("<think>7</think><answer> 1,234.50 </answer>", "1234.5") == 1);
    assert_true(reward_accuracy("<think>7</think><answer>8</answer>", "<answer>7</answer>") == 0); /* thoughts never decide */
    assert_true(reward_accuracy("so \\boxed{\\frac{1}{2}} it is", "$\\frac{1}{2}$") == 1);
    assert_true(reward_accuracy("<answer>1/2</answer>", "0.5") == 1);
    assert_true(reward_accuracy("<answer>50%</answer>", "0.5") == 1);
    assert_true(reward_accuracy("<answer>(B).</answer>", "b") == 1);
    assert_true(reward_accuracy("<answer>B or C</answer>", "B") == 0);
    assert_true(reward_accuracy("7", "7") == 0 && reward_exact("7", "7") == 1);
    assert_true(reward_accuracy("<answer></answer>", "") == 1);
    assert_true(reward_exact("\\boxed{", "x") == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_update_is_on_the_policy_that_sampled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sampling_and_update_say_the_same_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_group_reads_its_prompt_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_resumed_between_updates_keeps_its_rollout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(precision_bf16_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_plan_counts_answers_of_full_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_run_samples_the_same_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_recipes_teach, set_up, tear_down),
        cmocka_unit_test(other_rewards_say_what_they_mean),
        cmocka_unit_test(a_command_scores_a_group_or_nothing_of_it),
        cmocka_unit_test(answers_are_compared_by_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
