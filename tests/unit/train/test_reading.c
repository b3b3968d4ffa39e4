/* Which records become samples, and in what order; broken ones are counted and named. */
#include "../engine/model_util.h"
#include "run_util.h"
#include "train/train_int.h"

enum { COUNT = 40 };

static recipe_data data_of(const char *path, const char *take) {
    return (recipe_data){.path = (char *)path, .images = folder, .format = (char *)"chat", .take = (char *)take};
}

/* Record i asks qi and ri, or nothing when i % 7 == 3. */
static void write_records(const char *name) {
    buf b = {0};
    for (int i = 0; i < COUNT; i++)
        if (i % 7 == 3) buf_printf(&b, "{\"conversations\": [%d, 0]}\n", i);
        else
            buf_printf(&b,
                       "{\"conversations\": [{\"from\": \"human\", \"value\": \"q%d\"}, {\"from\": \"gpt\", \"value\": \"a\"}, "
                       "{\"from\": \"human\", \"value\": \"r%d\"}, {\"from\": \"gpt\", \"value\": \"a\"}]}\n",
                       i, i);
    write_text(name, b.data);
    buf_free(&b);
}

static void assert_question(const sample_set *set, int i, char letter, int record) {
    sample s;
    char want[16];
    snprintf(want, sizeof want, "%c%d", letter, record);
    OK(sample_at(set, i, &s));
    assert_string_equal(s.question, want);
    sample_free(&s);
}

/* The order of a shuffle of all record numbers, whatever order they are read in. */
static void a_random_choice_keeps_its_order(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava_onevision"), 1);
    write_records("a.jsonl");
    char *path = in_folder("a.jsonl");
    const recipe r = {.max_length = 1 << 20, .seed = 5, .broken_max = COUNT, .grpo = {.prompt = (char *)"{question}"}};
    recipe_data d = data_of(path, "random:15");
    sample_set set = {0};
    int at[COUNT], k = 0;
    for (int i = 0; i < COUNT; i++) at[i] = i;
    rng random = rng_make(5, hash_u64(path, strlen(path), 0x74616b65u));
    rng_shuffle(&random, at, COUNT);
    for (int pass = 0; pass < 2; pass++) { /* the second data set stands behind the first */
        OK(prompts_load(&set, &r, &d, o.model, NULL));
        for (int i = 0; i < 15; i++) {
            if (at[i] % 7 == 3) continue;
            assert_question(&set, k++, 'q', at[i]);
            assert_question(&set, k++, 'r', at[i]);
        }
        assert_int_equal(set.list.count, k);
    }
    sample_set_free(&set);
    set.enough = 3;
    OK(prompts_load(&set, &r, &d, o.model, NULL));
    assert_int_equal(set.list.count, 4);
    int first = 0;
    while (at[first] % 7 == 3) first++;
    assert_question(&set, 0, 'q', at[first]);
    sample_set_free(&set);
    free(path);
    close_tiny(&o);
}

static void broken_rows_are_counted_up_to_the_limit(void **state) {
    (void)state;
    static const char good[] = "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\", \"value\": \"hello\"}]}";
    static const char *const kinds[] = {"b.jsonl", "b.json"};
    opened o = open_tiny(TINY("llava_onevision"), 1);
    for (int k = 0; k < 2; k++) {
        buf b = {0};
        buf_printf(&b, k ? "[%s,\n{\"conversations\": [},\n3,\n%s]" : "%s\n{\"conversations\": [}\n3\n%s\n", good, good);
        write_text(kinds[k], b.data);
        buf_free(&b);
        char *path = in_folder(kinds[k]);
        recipe r = {.max_length = 1 << 20, .broken_max = 2};
        recipe_data d = data_of(path, "all");
        sample_set set = {0};
        OK(samples_load(&set, &r, &d, o.model, NULL));
        assert_true(set.list.count == 2 && set.broken == 2);
        sample_set_free(&set);
        r.broken_max = 1;
        assert_int_equal(samples_load(&set, &r, &d, o.model, NULL), LMM_E_FORMAT);
        assert_non_null(strstr(lmm_message(), kinds[k]));
        assert_non_null(strstr(lmm_message(), "line 3"));
        sample_set_free(&set);
        free(path);
    }
    close_tiny(&o);
}

/* What a set of prompts is: every id and question, what was broken, and the sentence of a failure. */
static void describe_prompts(buf *out, const char *path, int threads, int enough, int broken_max) {
    opened o = open_tiny(TINY("llava_onevision"), threads);
    const recipe r = {.max_length = 1 << 20, .seed = 5, .broken_max = broken_max, .grpo = {.prompt = (char *)"{question}"}};
    recipe_data d = data_of(path, "random:90%");
    sample_set set = {.enough = enough};
    const lmm_status st = prompts_load(&set, &r, &d, o.model, NULL);
    buf_printf(out, "%d %d %d %s\n", st, set.broken, set.skipped, st ? lmm_message() : "");
    for (int i = 0; i < set.list.count; i++) {
        sample s;
        OK(sample_at(&set, i, &s));
        buf_printf(out, "%s:", s.question);
        for (int k = 0; k < s.ids.count; k++) buf_printf(out, " %d", s.ids.at[k]);
        buf_puts(out, "\n");
        sample_free(&s);
    }
    sample_set_free(&set);
    close_tiny(&o);
}

static void threads_change_nothing(void **state) {
    (void)state;
    static const struct { int enough, broken_max; } cases[] = {{0, COUNT}, {0, 2}, {7, COUNT}, {7, 0}};
    write_records("t.jsonl");
    char *path = in_folder("t.jsonl");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf one = {0}, three = {0};
        describe_prompts(&one, path, 1, cases[i].enough, cases[i].broken_max);
        describe_prompts(&three, path, 3, cases[i].enough, cases[i].broken_max);
        assert_string_equal(one.data, three.data);
        buf_free(&one);
        buf_free(&three);
    }
    free(path);
}

static void reading_can_be_stopped(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava_onevision"), 2);
    write_records("s.jsonl");
    char *path = in_folder("s.jsonl");
    const recipe r = {.max_length = 1 << 20, .broken_max = COUNT};
    recipe_data d = data_of(path, "all");
    sample_set set = {0};
    lmm_cancel();
    assert_int_equal(samples_load(&set, &r, &d, o.model, NULL), LMM_E_CANCELLED);
    lmm_cancel_reset();
    sample_set_free(&set);
    free(path);
    close_tiny(&o);
}

/* ---- pictures inside the file ---- */

#define PARQUET(name) LMM_TESTS "/golden/data/parquet/" name

/* All samples of a data set as one batch. */
static void batch_of(batch *b, const opened *o, const char *path, const char *take) {
    recipe r = {.max_length = 1 << 20};
    recipe_data d = data_of(path, take);
    sample_set set = {0};
    d.images = (char *)LMM_TESTS "/golden/data/golden/images";
    OK(samples_load(&set, &r, &d, o->model, NULL));
    for (int i = 0; i < set.list.count; i++) {
        sample s;
        OK(sample_at(&set, i, &s));
        OK(batch_add(b, o->model, &s, rng_make(0, 0)));
        sample_free(&s);
    }
    sample_set_free(&set);
}

static void assert_same_batch(const opened *o, const batch *a, const batch *b) {
    const tensor one = net_pixels(o->model->net, 1, NULL);
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->ids.at, b->ids.at, (size_t)a->rows * sizeof *a->ids.at);
    assert_memory_equal(a->label.at, b->label.at, (size_t)a->rows * sizeof *a->label.at);
    assert_int_equal(a->media[0].tile_count, b->media[0].tile_count);
    if (a->media[0].tile_count)
        assert_memory_equal(a->media[0].pixels, b->media[0].pixels, (size_t)a->media[0].tile_count * tensor_size(&one));
}

/* A record of the JSON that says by names what the Parquet file holds. */
static void put_record(buf *b, const char *picture, const char *marks) {
    buf_puts(b, b->size ? ",\n{" : "[{");
    if (picture) buf_printf(b, "\"image\": %s, ", picture);
    buf_printf(b, "\"conversations\": [{\"from\": \"human\", \"value\": \"%sWhat?\"}, {\"from\": \"gpt\", \"value\": \"That.\"}]}", marks);
}

static void assert_reads_as(const opened *o, const char *parquet, const char *take, buf *json) {
    batch inside = {0}, named = {0};
    buf_puts(json, "]");
    write_text("named.json", json->data);
    char *path = in_folder("named.json");
    batch_of(&inside, o, parquet, take);
    batch_of(&named, o, path, "all");
    assert_same_batch(o, &inside, &named);
    batch_free(&inside);
    batch_free(&named);
    buf_free(json);
    free(path);
}

static void pictures_inside_parquet_are_learnt_from(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava_onevision"), 1);
    buf json = {0};
    put_record(&json, "\"gray.png\"", "<image>\\n");
    put_record(&json, "\"adam7.png\"", "<image>\\n");
    put_record(&json, NULL, "");
    put_record(&json, "[\"adam7.png\", \"one_1x1.png\"]", "<image>\\n<image>\\n");
    put_record(&json, NULL, "");
    assert_reads_as(&o, PARQUET("pictures.parquet"), "all", &json);
    put_record(&json, "\"one_1x1.png\"", "<image>\\n");
    put_record(&json, NULL, "");
    assert_reads_as(&o, PARQUET("binary.parquet"), "first:2", &json);
    close_tiny(&o);
}

/* Bytes that are no picture are found out when their batch is made, as a damaged file is. */
static void bytes_that_are_no_picture_are_said(void **state) {
    (void)state;
    opened o = open_tiny(TINY("llava_onevision"), 1);
    recipe r = {.max_length = 1 << 20};
    recipe_data d = data_of(PARQUET("binary.parquet"), "end:1");
    sample_set set = {0};
    sample s;
    batch b = {0};
    OK(samples_load(&set, &r, &d, o.model, NULL));
    OK(sample_at(&set, 0, &s));
    assert_int_not_equal(batch_add(&b, o.model, &s, rng_make(0, 0)), LMM_OK);
    assert_non_null(strstr(lmm_message(), "no picture"));
    sample_free(&s);
    sample_set_free(&set);
    batch_free(&b);
    close_tiny(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_random_choice_keeps_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_rows_are_counted_up_to_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_can_be_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pictures_inside_parquet_are_learnt_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_picture_are_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
