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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_random_choice_keeps_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_rows_are_counted_up_to_the_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
