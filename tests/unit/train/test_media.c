/* Pictures and videos in training: the numbers of training are those of a session, and gradients reach through every tower. */
#include <math.h>

#include "../engine/model_util.h"
#include "pass_util.h"
#include "run_util.h"
#include "train/train_int.h"

#define QWEN LMM_TESTS "/golden/data/tiny/qwen2_5_vl"

static void make_picture(const char *name, int width, int height, int shade) {
    image im;
    OK(image_new(&im, width, height, 3));
    for (int k = 0; k < width * height * 3; k++) im.data[k] = (unsigned char)(k * 7 + shade);
    char *path = in_folder(name);
    OK(image_save_png(&im, path));
    free(path);
    image_free(&im);
}

/* A picture, and a clip of six frames. */
static void make_media(void) {
    char *clip = in_folder("clip");
    OK(dir_make(clip));
    free(clip);
    make_picture("p.png", 84, 56, 3);
    for (int i = 0; i < 6; i++) {
        char *name = mem_printf("clip/%d.png", i);
        make_picture(name, 84, 56, i * 40);
        free(name);
    }
}

static const char both[] =
    "[{\"image\": \"p.png\", \"video\": \"clip\", \"conversations\": ["
    "{\"from\": \"human\", \"value\": \"<image>\\n<video>\\nWhich moves?\"}, {\"from\": \"gpt\", \"value\": \"the second\"}, "
    "{\"from\": \"human\", \"value\": \"And then?\"}, {\"from\": \"gpt\", \"value\": \"it stops\"}]}]";
static const char clip_alone[] = "[{\"video\": \"clip\", \"conversations\": ["
                                 "{\"from\": \"human\", \"value\": \"<image>\\nWhat?\"}, {\"from\": \"gpt\", \"value\": \"a clip\"}]}]";

static lmm_status add(batch *b, const opened *o, const sample_set *set, int i) {
    sample s;
    OK(sample_at(set, i, &s));
    lmm_status st = batch_add(b, o->model, &s, rng_make(0, 0));
    sample_free(&s);
    return st;
}

static lmm_status load_data(sample_set *out, const opened *o, const char *json, recipe_data d) {
    write_text("data.json", json);
    char *path = in_folder("data.json");
    const recipe r = {.max_length = 1 << 20};
    d.path = path, d.images = folder, d.format = (char *)"chat", d.take = (char *)"all";
    lmm_status st = samples_load(out, &r, &d, o->model, NULL);
    free(path);
    return st;
}

static lmm_status load(sample_set *out, const opened *o, const char *json, turn_mode turns) {
    return load_data(out, o, json, (recipe_data){.turns = turns, .frames = 4});
}

/* What a session says of an answer, without its end token. */
static double session_says(const opened *o, const char *messages, const char *answer) {
    lmm_prompt *p;
    lmm_session *s;
    double sum = 0;
    bool greedy;
    OK(lmm_prompt_messages(&p, o->model, messages, strlen(messages),
                           &(lmm_prompt_opts){.media_root = folder, .video = {.frames = 4}, .add_generation_prompt = true}));
    OK(lmm_session_open(&s, o->model, &(lmm_session_opts){.context = 1024}));
    OK(lmm_score(s, p, answer, &sum, &greedy));
    lmm_session_close(s);
    lmm_prompt_free(p);
    return sum;
}

static void assert_numbers_are_a_sessions(const char *path, turn_mode turns) {
    static const char asked[] = "[{\"role\": \"user\", \"content\": [{\"type\": \"image\", \"image\": \"p.png\"}, {\"type\": \"video\", "
                                "\"video\": \"clip\"}, {\"type\": \"text\", \"text\": \"Which moves?\"}]}]";
    opened o = open_tiny(path, 2);
    sample_set set = {0};
    batch b = {0};
    OK(load(&set, &o, both, turns));
    assert_int_equal(set.list.count, 1);
    OK(add(&b, &o, &set, 0));
    float *logprob = mem_new((size_t)b.rows, sizeof *logprob);
    pass(&o, &b, false, logprob);
    double sum = 0, said = session_says(&o, asked, "the second");
    for (int i = 0; i < b.rows && !model_ends(o.model, b.label.at[i]); i++)
        if (b.label.at[i] >= 0) sum += (double)logprob[i];
    if (!(fabs(sum - said) < 1e-4 * fabs(said))) fail_msg("%s, turns %d: training says %.7g, a session %.7g", path, (int)turns, sum, said);
    free(logprob);
    batch_free(&b);
    sample_set_free(&set);
    close_tiny(&o);
}

static void training_computes_what_a_session_says(void **state) {
    (void)state;
    make_media();
    static const char *const paths[] = {QWEN, TINY("llava_onevision")};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_numbers_are_a_sessions(paths[i], TURNS_SEQUENCE);
        assert_numbers_are_a_sessions(paths[i], TURNS_INDEPENDENT);
    }
}

/* In its tiles, and as one tile. */
static void a_picture_may_be_one_tile(void **state) {
    (void)state;
    static const char once[] =
        "[{\"image\": \"p.png\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image>\\nWhat?\"}, {\"from\": "
        "\"gpt\", \"value\": \"a ramp\"}]}]";
    make_media();
    opened o = open_tiny(TINY("llava_onevision"), 2);
    sample_set set = {0};
    int tiles[2], rows[2];
    for (int i = 0; i < 2; i++) {
        batch b = {0};
        OK(load_data(&set, &o, once, (recipe_data){.one_tile = i == 1}));
        OK(add(&b, &o, &set, i));
        tiles[i] = b.media[MEDIUM_PICTURE].tile_count, rows[i] = b.rows;
        batch_free(&b);
    }
    assert_int_equal(tiles[1], 1);
    assert_true(tiles[0] > 1 && rows[0] > rows[1]);
    sample_set_free(&set);
    close_tiny(&o);
}

static void assert_slope(const char *path, const char *part) {
    opened o = open_tiny(path, 2);
    sample_set samples = {0};
    batch b = {0};
    OK(load(&samples, &o, both, TURNS_SEQUENCE));
    OK(load(&samples, &o, clip_alone, TURNS_SEQUENCE));
    for (int i = 0; i < samples.list.count; i++) OK(add(&b, &o, &samples, i));
    assert_gradient_is_the_slope(&o, &b, part);
    batch_free(&b);
    sample_set_free(&samples);
    close_tiny(&o);
}

static void gradients_reach_every_part(void **state) {
    (void)state;
    assert_slope(QWEN, "blocks.");
    assert_slope(QWEN, "merger");
    assert_slope(QWEN, "layers.");
    assert_slope(TINY("llava_onevision"), "vision_tower");
}

static void marks_and_media_must_agree(void **state) {
    (void)state;
    opened o = open_tiny(QWEN, 1);
    sample_set set = {0};
    assert_int_equal(load(&set, &o,
                          "[{\"image\": \"p.png\", \"video\": \"clip\", \"conversations\": [{\"from\": \"human\", \"value\": \"<image> "
                          "x\"}, "
                          "{\"from\": \"gpt\", \"value\": \"y\"}]}]",
                          TURNS_SEQUENCE),
                     LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "names 1 videos and has 0 <video> marks"));
    assert_int_equal(set.list.count, 0);
    sample_set_free(&set);
    close_tiny(&o);
}

static void a_missing_video_leaves_the_batch_as_it_was(void **state) {
    (void)state;
    opened o = open_tiny(QWEN, 1);
    sample_set set = {0};
    batch b = {0};
    OK(load(&set, &o, both, TURNS_SEQUENCE));
    OK(add(&b, &o, &set, 0));
    int rows = b.rows, tiles[2] = {b.media[0].tile_count, b.media[1].tile_count};
    take_away("clip");
    assert_int_equal(add(&b, &o, &set, 0), LMM_E_IO);
    assert_true(b.rows == rows && b.media_order.count == 2);
    assert_true(b.media[0].tile_count == tiles[0] && b.media[1].tile_count == tiles[1] && b.media[0].plans.count == 1);
    batch_free(&b);
    sample_set_free(&set);
    close_tiny(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_computes_what_a_session_says),
        cmocka_unit_test(a_picture_may_be_one_tile),
        cmocka_unit_test(gradients_reach_every_part),
        cmocka_unit_test(marks_and_media_must_agree),
        cmocka_unit_test(a_missing_video_leaves_the_batch_as_it_was),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
