/* test_train.c - whole small runs: they repeat themselves bit for bit, stop and resume, survive a full disk, and learn. */
#include "run_util.h"

#include <math.h>
#include <sys/resource.h>
#include <signal.h>
#include <unistd.h>

static void write_data(void) {
    write_text("data.json", "[{\"id\": \"a\", \"image\": \"rgb.png\", \"conversations\": [{\"from\": \"human\", \"value\": "
                            "\"<image>\\nwhat is the color?\"}, {\"from\": \"gpt\", \"value\": \"red\"},"
                            " {\"from\": \"human\", \"value\": \"is it a circle?\"}, {\"from\": \"gpt\", \"value\": \"no\"}]},"
                            " {\"id\": \"b\", \"image\": \"wide.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nis "
                            "it blue?\"}, {\"from\": \"gpt\", \"value\": \"yes\"}]},"
                            " {\"id\": \"c\", \"image\": \"gray.png\", \"conversations\": [{\"from\": \"human\", \"value\": "
                            "\"<image>\\nwhat is the shape?\"}, {\"from\": \"gpt\", \"value\": \"circle\"}]},"
                            " {\"id\": \"d\", \"conversations\": [{\"from\": \"human\", \"value\": \"no picture at all?\"}, {\"from\": "
                            "\"gpt\", \"value\": \"none\"}]}]");
}

/* Runs the recipe with the given output folder, further lines and overrides. */
static lmm_status train_with(const char *run, const char *lines, int threads, const char *const *more, int count) {
    char *recipe_ =
        mem_printf("run: %s/%s\nseed: 3\nmodel: {new: %s/configs/mini-v0, init: fan_in}\ndata:\n  - {path: %s/data.json, images: "
                   "%s/golden/data/golden/images, turns: independent}\n"
                   "augment: {mirror: true, shift: 3}\nbatch: 2\naccumulate: 2\nsteps: 6\noptimizer: {lr: 1.0e-3, "
                   "weight_decay: 0.1}\nschedule: {warmup: 1}\nsave_every: 100\n%s",
                   folder, run, LMM_SOURCE, folder, LMM_TESTS, lines);
    write_data();
    return run_recipe(recipe_, NULL, threads, more, count);
}

static lmm_status train(const char *run, int threads, const char *const *more, int count) {
    return train_with(run, "", threads, more, count);
}

static void training_repeats_itself_on_any_number_of_threads(void **state) {
    (void)state;
    OK(train("one", 1, NULL, 0));
    OK(train("two", 2, NULL, 0));
    OK(train("four", 4, NULL, 0));
    assert_same_weights("one", "two");
    assert_same_weights("one", "four");
}

static void a_stopped_run_resumes_to_the_same_bits(void **state) {
    (void)state;
    const char *stop_after[] = {"steps=6", "save_every=2"};
    OK(train("whole", 2, NULL, 0));
    OK(train("cut", 2, stop_after, 2));
    /* Take the newest checkpoint and the result away: what is left is a run that stopped at step 4. */
    char *last = mem_printf("%s/cut/step-00000006", folder), *final = mem_printf("%s/cut/final", folder);
    OK(dir_remove(last));
    OK(dir_remove(final));
    OK(train("cut", 2, stop_after, 2));
    assert_same_weights("whole", "cut");
    free(last);
    free(final);
}

static void a_damaged_checkpoint_is_passed_over(void **state) {
    (void)state;
    const char *often[] = {"save_every=2"};
    OK(train("whole", 2, NULL, 0));
    OK(train("hurt", 2, often, 1));
    char *weights = mem_printf("%s/hurt/step-00000006/model.safetensors", folder);
    FILE *f = fopen(weights, "r+b");
    assert_non_null(f);
    fseek(f, 5000, SEEK_SET);
    fputc('x', f);
    fclose(f);
    int64_t step;
    char *run = path_join(folder, "hurt"), *dir = train_latest(run, &step);
    assert_int_equal(step, 4);
    free(dir);
    free(run);
    free(weights);
    OK(train("hurt", 2, often, 1));
    assert_same_weights("whole", "hurt");
}

static void recomputing_blocks_changes_no_bit(void **state) {
    (void)state;
    const char *recompute[] = {"recompute=true"};
    OK(train("kept", 2, NULL, 0));
    OK(train("replayed", 2, recompute, 1));
    assert_same_weights("kept", "replayed");
}

static void a_full_disk_keeps_the_old_checkpoint(void **state) {
    (void)state;
    const char *two[] = {"steps=2"}, *four[] = {"steps=4"};
    OK(train("disk", 2, two, 1));
    struct rlimit old, small = {1 << 20, 1 << 20};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    lmm_status st = train("disk", 2, four, 1);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(st, LMM_E_IO);
    int64_t step;
    char *run = path_join(folder, "disk"), *dir = train_latest(run, &step);
    assert_non_null(dir);
    assert_int_equal(step, 2);
    char **names;
    int count;
    OK(dir_list(&names, &count, run));
    for (int i = 0; i < count; i++) assert_null(strstr(names[i], "tmp"));
    names_free(names, count);
    free(dir);
    free(run);
}

static void four_samples_are_learned(void **state) {
    (void)state;
    const char *longer[] = {"steps=60", "augment.mirror=false", "augment.shift=0", "log_every=1", "precision=bf16"};
    OK(train("learn", 2, longer, 4));
    assert_true(metric("learn", 59, "loss") < 0.1);
    OK(train("learn_bf16", 2, longer, 5));
    assert_true(metric("learn_bf16", 59, "loss") < 0.1);
}

/* Rounded factors, each off by at most 2^-9 of itself, move the loss, and by little. */
static void products_in_bf16_repeat_themselves_near_those_in_f32(void **state) {
    (void)state;
    const char *bf16[] = {"precision=bf16", "recompute=true"};
    OK(train("f32", 2, NULL, 0));
    OK(train("one", 1, bf16, 1));
    OK(train("two", 2, bf16, 1));
    OK(train("replayed", 2, bf16, 2));
    assert_same_weights("one", "two");
    assert_same_weights("one", "replayed");
    double wide = metric("f32", 0, "loss"), apart = fabs(metric("one", 0, "loss") - wide);
    assert_true(apart > 0 && apart < 0.02 * wide);
}

static void a_precision_is_f32_or_bf16(void **state) {
    (void)state;
    const char *odd[] = {"precision=fp16"};
    assert_int_equal(train("odd", 1, odd, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'precision' must be f32 or bf16"));
}

/* configs/mini-v0's " red" is one token and " circle" another; the words are learnt still, only not read. */
static void hidden_words_are_read_as_padding(void **state) {
    (void)state;
    const char *hide[] = {"augment.hide={share: 1, words: [red, circle, yes]}", "log_every=1"};
    OK(train("seen", 2, &hide[1], 1));
    OK(train("one", 1, hide, 2));
    OK(train("two", 2, hide, 2));
    assert_same_weights("one", "two");
    assert_true(metric("one", 0, "labels") == metric("seen", 0, "labels"));
    assert_true(metric("one", 5, "loss") != metric("seen", 5, "loss"));
    const char *blank[] = {"augment.hide={blank: [circle, yes]}", "log_every=1"};
    OK(train("blank", 2, blank, 2));
    double fewer = metric("seen", 0, "labels") + metric("seen", 1, "labels") - metric("blank", 0, "labels") - metric("blank", 1, "labels");
    assert_true(fewer >= 1);
    const char *given[] = {"augment.hide={given: [circle, yes]}", "log_every=1"};
    OK(train("given", 2, given, 2));
    assert_true(metric("given", 0, "labels") == metric("blank", 0, "labels"));
    assert_true(metric("given", 5, "loss") != metric("blank", 5, "loss"));
    const char *odd[] = {"augment.hide={words: [chlorophyll]}"};
    assert_int_equal(train("odd", 1, odd, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'chlorophyll' is "));
}

/* The recipe of train_with, with the data set's own augment beside the recipe's. */
static lmm_status train_own(const char *run, const char *own, const char *all) {
    char *recipe_ =
        mem_printf("run: %s/%s\nseed: 3\nmodel: {new: %s/configs/mini-v0, init: fan_in}\ndata:\n  - {path: %s/data.json, images: "
                   "%s/golden/data/golden/images, turns: independent, augment: %s}\n"
                   "augment: %s\nbatch: 2\naccumulate: 2\nsteps: 6\noptimizer: {lr: 1.0e-3, "
                   "weight_decay: 0.1}\nschedule: {warmup: 1}\nsave_every: 100\n",
                   folder, run, LMM_SOURCE, folder, LMM_TESTS, own, all);
    write_data();
    return run_recipe(recipe_, NULL, 2, NULL, 0);
}

static void a_data_set_may_have_an_augment_of_its_own(void **state) {
    (void)state;
    const char *still[] = {"augment.mirror=false", "augment.shift=0"};
    OK(train("all", 2, NULL, 0));
    OK(train("none", 2, still, 2));
    OK(train_own("own", "{mirror: true, shift: 3}", "{turn: true, hide: {words: [red]}}"));
    OK(train_own("bare", "{}", "{mirror: true, shift: 3}"));
    assert_same_weights("all", "own");
    assert_same_weights("none", "bare");
    assert_int_equal(train_own("odd", "{}", "{mirorr: true}"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "mirror"));
    const char *held[] = {"evaluate={data: [{path: x.json, augment: {mirror: true}}]}"};
    assert_int_equal(train("odd", 1, held, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "held-out samples stay as they are"));
}

/* The exported config.json says what was set, so the folder opens. */
static void a_new_model_is_what_its_config_and_set_say(void **state) {
    (void)state;
    const char *smaller[] = {"model.set=[text_config.num_hidden_layers=2, text_config.intermediate_size=256]"};
    OK(train("smaller", 1, smaller, 1));
    tree *config;
    char *path = mem_printf("%s/smaller/final/config.json", folder);
    OK(tree_load(&config, path));
    assert_int_equal(tree_int(tree_get(config, "text_config"), "num_hidden_layers", 0), 2);
    assert_int_equal(tree_int(tree_get(config, "text_config"), "intermediate_size", 0), 256);
    tree_free(config);
    free(path);
    const char *typo[] = {"model.set=[text_config.num_hiden_layers=2]"};
    assert_int_equal(train("typo", 1, typo, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "num_hiden_layers"));
}

/* transformers counts a picture's rows by the processor's patch size, lmm by the tower's. */
static void the_processor_follows_a_patch_size_that_was_set(void **state) {
    (void)state;
    const char *coarse[] = {"model.set=[vision_config.patch_size=16, image_seq_length=16]", "steps=1"};
    OK(train("coarse", 1, coarse, 2));
    tree *processor;
    char *path = mem_printf("%s/coarse/final/processor_config.json", folder);
    OK(tree_load(&processor, path));
    assert_int_equal(tree_int(processor, "patch_size", 0), 16);
    assert_non_null(tree_get(processor, "image_token"));
    tree_free(processor);
    free(path);
}

static void one_tile_is_for_models_that_have_more(void **state) {
    (void)state;
    write_data();
    char *data = mem_printf("data=[{path: %s/data.json, images: %s/golden/data/golden/images, one_tile: true}]", folder, LMM_TESTS);
    const char *tile[] = {data};
    assert_int_equal(train("tile", 1, tile, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "one_tile"));
    free(data);
}

static void an_unknown_key_names_the_nearest(void **state) {
    (void)state;
    const char *typo[] = {"optimizer.weight_dcay=1"};
    assert_int_equal(train("typo", 1, typo, 1), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "weight_decay"));
}

/* A recipe of its own over two good records and two broken ones: a missing picture, and no conversation. */
static lmm_status train_broken(const char *more, lmm_training_plan *plan) {
    write_text("broken.json",
               "[{\"image\": \"rgb.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nwhat?\"}, {\"from\": "
               "\"gpt\", \"value\": \"red\"}]}, {\"image\": \"none.png\", \"conversations\": [{\"from\": \"human\", \"value\": "
               "\"<image>\\nwhat?\"}, {\"from\": \"gpt\", \"value\": \"red\"}]}, {\"id\": \"x\"}, {\"conversations\": [{\"from\": "
               "\"human\", \"value\": \"hi\"}, {\"from\": \"gpt\", \"value\": \"hello\"}]}]");
    char *text = mem_printf("run: %s/broken\nmodel: {new: %s/configs/mini-v0, init: fan_in}\ndata: [{path: %s/broken.json, images: "
                            "%s/golden/data/golden/images}]\nbatch: 2\nsteps: 4\nsave_every: 100\n",
                            folder, LMM_SOURCE, folder, LMM_TESTS);
    write_text("broken.yaml", text);
    free(text);
    char *path = path_join(folder, "broken.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    lmm_status st = plan ? lmm_train_plan(r, path, &more, 1, NULL, plan)
                         : lmm_train(r, path, &more, 1, &(lmm_train_opts){.quiet = true, .fresh = true});
    lmm_runtime_close(r);
    free(path);
    return st;
}

static void broken_samples_are_skipped_up_to_the_limit(void **state) {
    (void)state;
    OK(train_broken("broken_max=2", NULL));
    assert_int_equal(train_broken("broken_max=1", NULL), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "none.png"));
    assert_int_equal(train_broken("broken_max=0", NULL), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "record 3"));
}

static void a_plan_counts_what_a_run_needs(void **state) {
    (void)state;
    lmm_training_plan p;
    OK(train_broken("broken_max=2", &p));
    assert_int_equal(p.samples, 3); /* the missing picture shows when it is read */
    assert_int_equal(p.steps, 4);
    assert_int_equal(p.skipped, 2);
    assert_true(p.params_trained <= p.params && p.optimizer_bytes == 8.0 * (double)p.params_trained);
    assert_true(p.activation_bytes > 0 && p.flops_step > 0);
    assert_string_equal(p.precision, "f32");
}

/* Lines of the run's answers. */
static int answer_count(const char *run) {
    char *path = mem_printf("%s/%s/answers.jsonl", folder, run), *text;
    int lines = 0;
    OK(file_read(&text, NULL, path, 1 << 20));
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    assert_non_null(strstr(text, "\"wanted\": \"red\""));
    free(text);
    free(path);
    return lines;
}

static void evaluating_on_the_way_changes_no_weight(void **state) {
    (void)state;
    char *lines = mem_printf("evaluate:\n  every: 3\n  answers: 2\n  max_tokens: 4\n  data:\n    - {path: %s/data.json, images: "
                             "%s/golden/data/golden/images, turns: independent}\n",
                             folder, LMM_TESTS);
    OK(train("plain", 2, NULL, 0));
    OK(train_with("watched", lines, 2, NULL, 0));
    assert_same_weights("plain", "watched");
    assert_int_equal(answer_count("watched"), 4);
    free(lines);
}

/* With nothing learnt, all samples in one step and no augmentation, the two losses are the mean over the same labels. */
static void the_held_out_loss_is_a_steps_loss(void **state) {
    (void)state;
    const char *const still[] = {"optimizer.lr=0", "optimizer.weight_decay=0", "steps=1", "augment.mirror=false", "augment.shift=0"};
    char *lines =
        mem_printf("evaluate: {every: 1, data: [{path: %s/data.json, images: %s/golden/data/golden/images, turns: independent}]}\n", folder,
                   LMM_TESTS);
    OK(train_with("still", lines, 2, still, 5));
    double held = metric("still", 0, "eval_loss"), loss = metric("still", 0, "loss");
    assert_true(held > 1);
    if (!(fabs(held - loss) < 1e-5 * loss)) fail_msg("held out %.9g, a step's %.9g", held, loss);
    free(lines);
}

/* ---- weights and states in bf16 ---- */

/* Steps of 1e-4 from 1.0, where neighbours in bf16 are 4e-3 to 8e-3 apart: rounding alone would stay at 1.0. */
static void small_steps_add_up_in_bf16(void **state) {
    (void)state;
    float start[] = {1.0f, -1.0f};
    char name[] = "w";
    param p = {.name = name, .t = tensor_make(DT_F32, 2, (int64_t[]){1, 2}, start)};
    optim o;
    OK(param_own_bf16(&p));
    OK(optim_open(&o, NULL, 0.9, 0.999, 1e-8));
    OK(optim_add(&o, &p, 1.0, 0));
    assert_int_equal(optim_size(&o), 2 * 6);
    for (int i = 0; i < 100; i++) {
        p.t.grad[0] = 0.5f, p.t.grad[1] = -0.5f;
        OK(optim_step(&o, 1e-4, 1.0));
    }
    float w[2], lost[2];
    kernels_generic.to_f32(w, p.t.data, KT_BF16, 2);
    kernels_generic.to_f32(lost, o.slots.at[0].lost, KT_BF16, 2);
    assert_true(w[0] < 1.0f && w[0] == -w[1]);
    assert_true(fabsf(w[0] + lost[0] - 0.99f) < 5e-4f); /* the sums of `lost` round to 8 bits of at most 4e-3: 1e-5 a step, either way */
    optim_close(&o);
    free(p.owned);
    free(p.grad_owned);
}

static const char *const bf16[] = {"optimizer.kind=adamw_bf16", "save_every=2"};

/* Runs "one", and "cut" on another number of threads, whose last two steps are taken away and made again. save_every=2 is among `more`. */
static void repeat_and_resume(const char *const *more, int count) {
    OK(train("one", 1, more, count));
    OK(train("cut", 2, more, count));
    take_away("cut/step-00000006");
    take_away("cut/final");
    OK(train("cut", 2, more, count));
    assert_same_weights("one", "cut");
}

static void a_bf16_run_repeats_and_resumes_to_the_same_bits(void **state) {
    (void)state;
    repeat_and_resume(bf16, 2);
    char *final = in_folder("cut/final");
    net *n;
    OK(net_open(&n, final));
    assert_int_equal(n->dec.layers[0].q.w->type, DT_BF16);
    assert_int_equal(n->dec.norm_out.w->type, DT_F32);
    net_free(n);
    free(final);
}

static void an_8_bit_run_repeats_and_resumes_to_the_same_bits(void **state) {
    (void)state;
    const char *const codes[] = {"log_every=1", "save_every=2", "optimizer.kind=adamw_8bit"};
    OK(train("wide", 1, codes, 2));
    repeat_and_resume(codes, 3);
    assert_true(metric("one", 5, "loss") != metric("wide", 5, "loss")); /* some parameter is large enough for codes */
}

static void states_of_another_type_are_refused(void **state) {
    (void)state;
    OK(train("run", 1, bf16, 2));
    take_away("run/step-00000006");
    take_away("run/final");
    assert_int_equal(train("run", 1, NULL, 0), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "'optimizer' changed"));
}

static void a_plan_counts_bf16(void **state) {
    (void)state;
    lmm_training_plan wide, narrow;
    const char *precision[] = {"precision=bf16"};
    OK(train("run", 1, bf16, 2));
    char *path = in_folder("recipe.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    OK(lmm_train_plan(r, path, NULL, 0, NULL, &wide));
    OK(lmm_train_plan(r, path, bf16, 1, NULL, &narrow));
    assert_true(narrow.grad_bytes == wide.grad_bytes && narrow.params_trained == wide.params_trained);
    assert_true(narrow.weight_bytes < 0.52 * wide.weight_bytes && narrow.weight_bytes >= 0.5 * wide.weight_bytes); /* all but the vectors */
    assert_true(narrow.optimizer_bytes < 0.77 * wide.optimizer_bytes && narrow.optimizer_bytes >= 0.75 * wide.optimizer_bytes);
    assert_string_equal(narrow.precision, "f32");
    OK(lmm_train_plan(r, path, precision, 1, NULL, &narrow)); /* mixed: everything is kept as in f32 */
    assert_string_equal(narrow.precision, "bf16");
    assert_true(narrow.weight_bytes == wide.weight_bytes && narrow.optimizer_bytes == wide.optimizer_bytes);
    lmm_runtime_close(r);
    free(path);
}

int main(void) {
#define RUN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RUN(training_repeats_itself_on_any_number_of_threads),
        RUN(a_stopped_run_resumes_to_the_same_bits),
        RUN(a_damaged_checkpoint_is_passed_over),
        RUN(recomputing_blocks_changes_no_bit),
        RUN(a_full_disk_keeps_the_old_checkpoint),
        RUN(four_samples_are_learned),
        RUN(products_in_bf16_repeat_themselves_near_those_in_f32),
        RUN(a_precision_is_f32_or_bf16),
        RUN(hidden_words_are_read_as_padding),
        RUN(a_data_set_may_have_an_augment_of_its_own),
        RUN(a_new_model_is_what_its_config_and_set_say),
        RUN(the_processor_follows_a_patch_size_that_was_set),
        RUN(one_tile_is_for_models_that_have_more),
        RUN(an_unknown_key_names_the_nearest),
        RUN(broken_samples_are_skipped_up_to_the_limit),
        RUN(a_plan_counts_what_a_run_needs),
        RUN(evaluating_on_the_way_changes_no_weight),
        RUN(the_held_out_loss_is_a_steps_loss),
        cmocka_unit_test(small_steps_add_up_in_bf16),
        RUN(a_bf16_run_repeats_and_resumes_to_the_same_bits),
        RUN(an_8_bit_run_repeats_and_resumes_to_the_same_bits),
        RUN(states_of_another_type_are_refused),
        RUN(a_plan_counts_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
