/* Sounds in training: the numbers of training are those of a session, and gradients reach through the ear. */
#include "../models/egogpt_util.h"
#include "pass_util.h"
#include "train/train_int.h"

/* As the original's: texts only, a medium is a word of its own. */
static const char template_text[] = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
                                    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

static int set_up_ear(void **state) {
    if (set_up_checkpoint(state)) return -1;
    write_text("chat_template.jinja", template_text);
    free(make_sound("short.wav", 700, 0));
    free(make_sound("long.wav", 5 * WINDOW / 2, 0));
    copy_in(LMM_TESTS "/golden/data/golden/images", "gray.png");
    return 0;
}

static const char record[] =
    "[{\"image\": \"gray.png\", \"audio\": [\"long.wav\", \"short.wav\"], \"conversations\": ["
    "{\"from\": \"human\", \"value\": \"<speech>\\n<image>\\n<audio>\\nWho speaks?\"}, {\"from\": \"gpt\", \"value\": \"the second\"}]}]";

static lmm_status batch_of_file(batch *b, const opened *o, const char *path) {
    const recipe r = {.max_length = 1 << 20};
    const recipe_data d = {.path = (char *)path, .images = folder, .format = (char *)"chat", .take = (char *)"all"};
    sample_set set = {0};
    lmm_status st = samples_load(&set, &r, &d, o->model, NULL);
    for (int i = 0; i < set.list.count && !st; i++) {
        sample s;
        OK(sample_at(&set, i, &s));
        st = batch_add(b, o->model, &s, rng_make(0, 0));
        sample_free(&s);
    }
    sample_set_free(&set);
    return st;
}

static lmm_status batch_of(batch *b, const opened *o, const char *json) {
    write_text("data.json", json);
    char *path = in_folder("data.json");
    lmm_status st = batch_of_file(b, o, path);
    free(path);
    return st;
}

static double session_says(const opened *o) {
    static const char asked[] = "[{\"role\": \"user\", \"content\": [{\"type\": \"audio\", \"audio\": \"long.wav\"}, {\"type\": \"image\", "
                                "\"image\": \"gray.png\"}, "
                                "{\"type\": \"audio\", \"audio\": \"short.wav\"}, {\"type\": \"text\", \"text\": \"Who speaks?\"}]}]";
    lmm_prompt *p;
    lmm_session *s;
    double sum = 0;
    bool greedy;
    OK(lmm_prompt_messages(&p, o->model, asked, strlen(asked), &(lmm_prompt_opts){.media_root = folder, .add_generation_prompt = true}));
    OK(lmm_session_open(&s, o->model, &(lmm_session_opts){.context = 4096}));
    OK(lmm_score(s, p, "the second", &sum, &greedy));
    lmm_session_close(s);
    lmm_prompt_free(p);
    return sum;
}

static void training_hears_what_a_session_hears(void **state) {
    (void)state;
    opened o = open_tiny(folder, 2);
    batch b = {0};
    OK(batch_of(&b, &o, record));
    assert_int_equal(b.media[MEDIUM_SOUND].tile_count, 4);
    float *logprob = mem_new((size_t)b.rows, sizeof *logprob);
    pass(&o, &b, false, logprob);
    double sum = 0, said = session_says(&o);
    for (int i = 0; i < b.rows && !model_ends(o.model, b.label.at[i]); i++)
        if (b.label.at[i] >= 0) sum += (double)logprob[i];
    if (!(fabs(sum - said) < 1e-4 * fabs(said))) fail_msg("training says %.7g, a session %.7g", sum, said);
    free(logprob);
    batch_free(&b);
    close_tiny(&o);
}

static void gradients_reach_through_the_ear(void **state) {
    (void)state;
    static const char *const parts[] = {"ear.conv", "ear.layers", "ear.projector", "ear."};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        opened o = open_tiny(folder, 2);
        batch b = {0};
        OK(batch_of(&b, &o, record));
        assert_gradient_is_the_slope(&o, &b, parts[i]);
        batch_free(&b);
        close_tiny(&o);
    }
}

static void a_record_without_sounds_may_speak_of_them(void **state) {
    (void)state;
    opened o = open_tiny(folder, 1);
    batch b = {0};
    OK(batch_of(&b, &o,
                "[{\"conversations\": [{\"from\": \"human\", \"value\": \"What is <audio>?\"}, {\"from\": \"gpt\", \"value\": \"a "
                "tag\"}]}]"));
    assert_int_equal(b.media_order.count, 0);
    assert_int_equal(batch_of(&b, &o,
                              "[{\"sound\": \"short.wav\", \"conversations\": [{\"from\": \"human\", \"value\": \"what?\"}, {\"from\": "
                              "\"gpt\", \"value\": \"x\"}]}]"),
                     LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "it names 1 sounds and has 0 <audio> marks"));
    batch_free(&b);
    close_tiny(&o);
}

/* Audio columns of Hugging Face: a file's bytes in the row, or a name. */
static void sounds_inside_parquet_are_learnt_from(void **state) {
    (void)state;
    opened o = open_tiny(folder, 1);
    batch inside = {0}, named = {0};
    OK(batch_of_file(&inside, &o, LMM_TESTS "/golden/data/parquet/sounds.parquet"));
    OK(batch_of(
        &named, &o,
        "[{\"audio\": \"short.wav\", \"conversations\": [{\"from\": \"human\", \"value\": \"<audio>\\nWho?\"}, {\"from\": \"gpt\", "
        "\"value\": "
        "\"That.\"}]}, {\"audio\": \"short.wav\", \"conversations\": [{\"from\": \"human\", \"value\": \"<audio>\\nWho?\"}, {\"from\": "
        "\"gpt\", \"value\": \"That.\"}]}, {\"conversations\": [{\"from\": \"human\", \"value\": \"Who?\"}, {\"from\": \"gpt\", \"value\": "
        "\"That.\"}]}]"));
    const batch_media *a = &inside.media[MEDIUM_SOUND], *b = &named.media[MEDIUM_SOUND];
    assert_int_equal(inside.rows, named.rows);
    assert_memory_equal(inside.ids.at, named.ids.at, (size_t)inside.rows * sizeof *inside.ids.at);
    assert_true(a->tile_count == 2 && b->tile_count == 2);
    double said = pass(&o, &inside, false, NULL), want = pass(&o, &named, false, NULL);
    assert_true(said == want);
    batch_free(&named);
    batch_free(&inside);
    close_tiny(&o);
}

static void a_model_without_ears_refuses(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava_onevision"), 1);
    batch b = {0};
    assert_int_equal(batch_of(&b, &o, record), LMM_E_UNSUPPORTED);
    assert_non_null(strstr(lmm_message(), "hears nothing"));
    assert_true(b.rows == 0 && b.media_order.count == 0);
    batch_free(&b);
    close_tiny(&o);
}

/* OneVision's own template knows no sounds: what it leaves out cannot be heard. */
static void a_template_that_leaves_sounds_out_is_said(void **state) {
    (void)state;
    copy_in(TINY("llava_onevision"), "chat_template.jinja");
    opened o = open_tiny(folder, 1);
    batch b = {0};
    assert_int_equal(batch_of(&b, &o, record), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "1 of 3"));
    batch_free(&b);
    close_tiny(&o);
}

/* Two steps learn, and what they save opens and hears. */
static void a_run_saves_a_model_that_hears(void **state) {
    (void)state;
    write_text("data.json", record);
    char *recipe_text =
        mem_printf("run: %s/run\nmodel: {open: %s}\ndata: [{path: %s/data.json, images: %s}]\nbatch: 1\nsteps: 2\noptimizer: {lr: 1e-3}\n",
                   folder, folder, folder, folder);
    write_text("recipe.yaml", recipe_text);
    free(recipe_text);
    char *path = in_folder("recipe.yaml"), *final = in_folder("run/final");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 2, NULL));
    if (lmm_train(r, path, NULL, 0, &(lmm_train_opts){.quiet = true})) fail_msg("%s", lmm_message());
    lmm_runtime_close(r);
    opened before = open_tiny(folder, 2), after = open_tiny(final, 2);
    double was = session_says(&before), is = session_says(&after);
    if (!(is > was)) fail_msg("the answer's log-probability was %g and is %g", was, is);
    close_tiny(&before);
    close_tiny(&after);
    free(final);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(training_hears_what_a_session_hears, set_up_ear, tear_down),
        cmocka_unit_test_setup_teardown(gradients_reach_through_the_ear, set_up_ear, tear_down),
        cmocka_unit_test_setup_teardown(a_record_without_sounds_may_speak_of_them, set_up_ear, tear_down),
        cmocka_unit_test_setup_teardown(sounds_inside_parquet_are_learnt_from, set_up_ear, tear_down),
        cmocka_unit_test_setup_teardown(a_model_without_ears_refuses, set_up_ear, tear_down),
        cmocka_unit_test_setup_teardown(a_template_that_leaves_sounds_out_is_said, set_up_ear, tear_down),
        cmocka_unit_test_setup_teardown(a_run_saves_a_model_that_hears, set_up_ear, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
