/* test_tree.c - building, reading and checking values; overrides from the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static tree *json(const char *text) {
    tree *t = NULL;
    if (tree_parse_json(&t, text, strlen(text), "test")) fail_msg("%s", lmm_message());
    return t;
}

static void assert_writes(const tree *t, const char *expected) {
    buf b = {0};
    tree_write_json(&b, t, 0);
    assert_string_equal(b.data, expected);
    buf_free(&b);
}

static void put_replaces_in_place(void **state) {
    (void)state;
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "b", tree_new_int(1));
    tree_put(t, "a", tree_new_string("x"));
    tree_put(t, "b", tree_new_bool(true));
    assert_writes(t, "{\"b\": true, \"a\": \"x\"}");
    tree_free(t);
    tree_free(NULL);
}

static void a_large_map_finds_replaces_and_copies(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    tree *t = tree_new(TREE_MAP);
    char key[16];
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "k%d", i);
        tree_put(t, key, tree_new_int(i));
        assert_int_equal(tree_int(t, "k0", -1), 0);
        assert_int_equal(tree_int(t, key, -1), i);
    }
    tree_put(t, "k7", tree_new_int(77));
    assert_int_equal(t->count, COUNT);
    tree *copy = tree_copy(t);
    tree_free(t);
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_string_equal(copy->keys[i], key);
        assert_int_equal(tree_int(copy, key, -1), i == 7 ? 77 : i);
    }
    assert_null(tree_get(copy, "k3000"));
    tree_free(copy);
}

static void a_copy_shares_nothing(void **state) {
    (void)state;
    static const char text[] = "{\"l\": [1, \"x\\u0000y\", null, 2.5, {\"b\": true}]}";
    tree *t = json(text), *copy = tree_copy(t);
    tree_free(t);
    assert_writes(copy, text);
    tree_free(copy);
}

static void reading_gives_the_default_when_absent_or_of_another_type(void **state) {
    (void)state;
    tree *t = json("{\"s\": \"x\", \"i\": 5, \"r\": 2.5, \"e\": 1e3, \"b\": true, \"n\": null}");
    assert_string_equal(tree_str(t, "s", "-"), "x");
    assert_string_equal(tree_str(t, "i", "-"), "-");
    assert_int_equal(tree_int(t, "i", 0), 5);
    assert_int_equal(tree_int(t, "e", 0), 1000);
    assert_int_equal(tree_int(t, "r", 9), 9);
    assert_int_equal(tree_int(t, "s", 9), 9);
    assert_true(tree_real(t, "r", 0) == 2.5 && tree_real(t, "i", 0) == 5 && tree_real(t, "s", 1) == 1);
    assert_true(tree_bool(t, "b", false));
    assert_false(tree_bool(t, "i", false));
    assert_int_equal(tree_get(t, "n")->type, TREE_NULL);
    assert_int_equal(tree_int(t, "n", 4), 4);
    assert_null(tree_get(t, "absent"));
    assert_null(tree_get(NULL, "x"));
    assert_int_equal(tree_int(NULL, "x", 3), 3);
    assert_null(tree_str(tree_get(t, "i"), "x", NULL));
    tree_free(t);
}

static void a_dotted_path_walks_maps_and_lists(void **state) {
    (void)state;
    tree *t = json("{\"a\": {\"b\": [10, {\"c\": 7}]}, \"z\": 1}");
    assert_int_equal(tree_at(t, "a.b.1.c")->i, 7);
    assert_int_equal(tree_at(t, "a.b.0")->i, 10);
    assert_int_equal(tree_at(t, "z")->i, 1);
    static const char *const absent[] = {"a.b.2", "a.b.-1", "a.b.x", "a.b.99999999999999999999", "z.q", "", "a.", ".a", "a..b"};
    for (size_t i = 0; i < COUNT_OF(absent); i++) assert_null(tree_at(t, absent[i]));
    assert_null(tree_at(NULL, "a"));
    tree_free(t);
}

static void a_needed_integer_says_what_is_there_instead(void **state) {
    (void)state;
    int64_t out = -7;
    tree *t = json("{\"hidden_size\": \"x\", \"big\": 70000, \"fine\": 64, \"r\": 0.5, \"l\": [1], \"deep\": {\"k\": 3}}");
    assert_int_equal(tree_need_int(t, "hidden_size", 1, 65536, &out, "config.json"), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "config.json: 'hidden_size' is \"x\", needs an integer in [1, 65536]");
    assert_int_equal(tree_need_int(t, "gone", 1, 2, &out, "c"), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "c: 'gone' is missing, needs an integer in [1, 2]");
    assert_int_equal(tree_need_int(t, "big", 1, 65536, &out, "c"), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "c: 'big' is 70000, needs an integer in [1, 65536]");
    assert_int_equal(tree_need_int(t, "r", 0, 1, &out, "c"), LMM_E_FORMAT);
    assert_int_equal(tree_need_int(t, "l", 0, 1, &out, "c"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "'l' is a list"));
    assert_int_equal(out, -7);
    assert_int_equal(tree_need_int(t, "fine", 64, 64, &out, "c"), LMM_OK);
    assert_int_equal(out, 64);
    assert_int_equal(tree_need_int(t, "deep.k", 0, 9, &out, "c"), LMM_OK);
    assert_int_equal(out, 3);
    tree_free(t);
}

static void a_yaml_complaint_has_its_line(void **state) {
    (void)state;
    static const char text[] = "a: 1\nlr_rat: x\n";
    static const char *const known[] = {"a", "lr_rate", NULL};
    int64_t out;
    tree *t = NULL;
    assert_int_equal(tree_parse_yaml(&t, text, strlen(text), "t.yaml"), LMM_OK);
    assert_int_equal(tree_check_keys(t, known, "t.yaml"), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "t.yaml:2: unknown key 'lr_rat' (did you mean 'lr_rate'?)");
    assert_int_equal(tree_need_int(t, "lr_rat", 0, 1, &out, "t.yaml"), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "t.yaml:2: 'lr_rat' is \"x\", needs an integer in [0, 1]");
    tree_free(t);
}

static void unknown_keys_are_refused_with_what_is_known(void **state) {
    (void)state;
    static const char *const known[] = {"steps", "batch", NULL}, *const none[] = {NULL};
    tree *t = json("{\"batch\": 1, \"colour\": 2}");
    assert_int_equal(tree_check_keys(t, known, "c"), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "c: unknown key 'colour' (known: steps, batch)");
    assert_int_equal(tree_check_keys(t, none, "c"), LMM_E_FORMAT);
    assert_int_equal(tree_check_keys(tree_get(t, "batch"), known, "c"), LMM_E_FORMAT);
    assert_int_equal(tree_check_keys(NULL, known, "c"), LMM_OK);
    tree_free(t);
    t = json("{\"batch\": 1}");
    assert_int_equal(tree_check_keys(t, known, "c"), LMM_OK);
    tree_free(t);
}

static void the_nearest_word_is_near(void **state) {
    (void)state;
    static const char *const known[] = {"--max-tokens", "--temperature", "--top-p", "--image", NULL};
    assert_string_equal(nearest_word("--max-token", known), "--max-tokens");
    assert_string_equal(nearest_word("--tempreature", known), "--temperature");
    assert_string_equal(nearest_word("--Image", known), "--image");
    assert_null(nearest_word("--verbose", known));
    assert_null(nearest_word("x", known));
    assert_null(nearest_word("", known));
    char word[400];
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_null(nearest_word(word, known));
}

static void an_override_sets_a_dotted_key(void **state) {
    (void)state;
    tree *t = json("{\"a\": {\"b\": 1}, \"l\": [1, 2], \"n\": null}");
    static const char *const good[] = {"a.b=2",  "a.c=x: y",          "new.deep.key=1e-4", "l.1=seven", "n.k=true",
                                       "empty=", "list=[1, {q: no}]", "quoted=\"5\"",      "eq=a=b"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (tree_override(t, good[i])) fail_msg("%s", lmm_message());
    }
    assert_writes(t, "{\"a\": {\"b\": 2, \"c\": \"x: y\"}, \"l\": [1, \"seven\"], \"n\": {\"k\": true}, \"new\": {\"deep\": {\"key\": "
                     "0.0001}}, "
                     "\"empty\": null, \"list\": [1, {\"q\": \"no\"}], \"quoted\": \"5\", \"eq\": \"a=b\"}");
    tree_free(t);
}

static void an_override_that_leads_nowhere_is_refused(void **state) {
    (void)state;
    tree *t = json("{\"a\": 1, \"l\": [1]}");
    static const char *const bad[] = {"a", "=1", "a.b=1", "l.1=1", "l.x=1", ".a=1", "a..b=1", "q=[1", "l.0.x=2"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_not_equal(tree_override(t, bad[i]), LMM_OK);
    assert_writes(t, "{\"a\": 1, \"l\": [1]}");
    tree_free(t);
}

static void files_are_read_by_their_extension(void **state) {
    (void)state;
    char folder[] = "/tmp/test-tree-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *yaml = path_join(folder, "a.yaml"), *other = path_join(folder, "a.json");
    tree *t = NULL;
    assert_int_equal(file_write(yaml, "a: no\n", 6), LMM_OK);
    assert_int_equal(file_write(other, "a: no\n", 6), LMM_OK);
    assert_int_equal(tree_load(&t, yaml), LMM_OK);
    assert_writes(t, "{\"a\": \"no\"}");
    tree_free(t);
    assert_int_equal(tree_load(&t, other), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "a.json': line 1"));
    assert_int_equal(tree_load(&t, "/nonexistent.json"), LMM_E_IO);
    assert_int_equal(dir_remove(folder), LMM_OK);
    free(yaml), free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_replaces_in_place),
        cmocka_unit_test(a_large_map_finds_replaces_and_copies),
        cmocka_unit_test(a_copy_shares_nothing),
        cmocka_unit_test(reading_gives_the_default_when_absent_or_of_another_type),
        cmocka_unit_test(a_dotted_path_walks_maps_and_lists),
        cmocka_unit_test(a_needed_integer_says_what_is_there_instead),
        cmocka_unit_test(a_yaml_complaint_has_its_line),
        cmocka_unit_test(unknown_keys_are_refused_with_what_is_known),
        cmocka_unit_test(the_nearest_word_is_near),
        cmocka_unit_test(an_override_sets_a_dotted_key),
        cmocka_unit_test(an_override_that_leads_nowhere_is_refused),
        cmocka_unit_test(files_are_read_by_their_extension),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
