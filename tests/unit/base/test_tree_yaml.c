/* test_tree_yaml.c - the subset of YAML: what plain scalars mean, and what is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void assert_reads_as(const char *text, const char *expected) {
    tree *t = NULL;
    buf b = {0};
    if (tree_parse_yaml(&t, text, strlen(text), "test")) fail_msg("%s", lmm_message());
    tree_write_json(&b, t, 0);
    assert_string_equal(b.data, expected);
    buf_free(&b);
    tree_free(t);
}

static void blocks_and_flows_become_trees(void **state) {
    (void)state;
    assert_reads_as("# c\na: 1\nb:\n  - x\n  - {y: [2, 3.5], z: }\n  -\nc: |\n  two\n  lines\n'd e': >\n  folded\n  text\n",
                    "{\"a\": 1, \"b\": [\"x\", {\"y\": [2, 3.5], \"z\": null}, null], \"c\": \"two\\nlines\\n\", \"d e\": \"folded "
                    "text\\n\"}");
    assert_reads_as("--- 5\n...\n", "5");
    assert_reads_as("", "null");
    assert_reads_as("# only a comment\n", "null");
    assert_reads_as("\xEF\xBB\xBF"
                    "a: 1",
                    "{\"a\": 1}");
}

static void plain_scalars_surprise_nobody(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"true", "true"},
        {"False", "false"},
        {"~", "null"},
        {"null", "null"},
        {"NULL", "null"},
        {"no", "\"no\""},
        {"on", "\"on\""},
        {"y", "\"y\""},
        {"0", "0"},
        {"-17", "-17"},
        {"+5", "5"},
        {"0x1F", "31"},
        {"-0x10", "-16"},
        {"007", "\"007\""},
        {"0o17", "\"0o17\""},
        {"1_000", "\"1_000\""},
        {"12:30", "\"12:30\""},
        {"2024-01-31", "\"2024-01-31\""},
        {"1.5", "1.5"},
        {"-.5", "-0.5"},
        {"5.", "5.0"},
        {"1e-4", "0.0001"},
        {"1E5", "100000.0"},
        {"1e", "\"1e\""},
        {"e5", "\"e5\""},
        {".", "\".\""},
        {"1.2.3", "\"1.2.3\""},
        {"+", "\"+\""},
        {"-.inf", "\"-Infinity\""},
        {".NaN", "\"NaN\""},
        {"-.nan", "\"-.nan\""},
        {"inf", "\"inf\""},
        {"nan", "\"nan\""},
        {"1e999", "\"1e999\""},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "9.223372036854776e+18"},
        {"0x", "\"0x\""},
        {"\"5\"", "\"5\""},
        {"'true'", "\"true\""},
        {"a b", "\"a b\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) assert_reads_as(cases[i][0], cases[i][1]);
}

static void nodes_know_their_lines(void **state) {
    (void)state;
    static const char text[] = "a: 1\n\nb:\n  c: [1,\n    2]\n";
    tree *t = NULL;
    assert_int_equal(tree_parse_yaml(&t, text, strlen(text), "test"), LMM_OK);
    assert_int_equal(tree_at(t, "a")->line, 1);
    assert_int_equal(tree_at(t, "b")->line, 3); /* of its key */
    assert_int_equal(tree_at(t, "b.c.1")->line, 5);
    tree_free(t);
}

static void what_is_outside_the_subset_is_refused_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *place, *reason;
    } cases[] = {
        {"a: &x 1\nb: *x\n", "line 2, column 4", "aliases"},
        {"a: !f x\n", "line 1, column 4", "tags"},
        {"!f {a: 1}\n", "line 1, column 1", "tags"},
        {"- !!seq [a]\n", "line 1, column 3", "tags"},
        {"!k a: 1\n", "line 1", "tags"},
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1", "'a' is there twice"},
        {"[a]: 1\n", "line 1, column 1", "a key must be"},
        {"\"a\\0b\": 1\n", "line 1, column 1", "NUL"},
        {"a: 1\n--- \nb: 2\n", "line 2, column 1", "second document"},
        {"a: [1, 2\n", "line 2", "did not find"},
        {"a: b: c\n", "line 1", "not allowed"},
        {"\ta: 1\n", "line 1", "cannot start any token"},
        {"a: \"x\n", "line 2", "unexpected end of stream"},
        {"a: \xFF\n", "byte 3", "UTF-8"},
        {"a: \x01\n", "byte", "control characters"},
        {"%YAML 3.0\n--- 1\n", "line 1", "incompatible"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tree *t = NULL;
        if (tree_parse_yaml(&t, cases[i].text, strlen(cases[i].text), "t") != LMM_E_FORMAT) fail_msg("accepted: %s", cases[i].text);
        assert_null(t);
        if (!strstr(lmm_message(), cases[i].place)) fail_msg("no '%s' in: %s", cases[i].place, lmm_message());
        if (!strstr(lmm_message(), cases[i].reason)) fail_msg("no '%s' in: %s", cases[i].reason, lmm_message());
    }
}

static void depth_and_size_have_ends(void **state) {
    (void)state;
    static const int depths[] = {512, 513, 100000};
    for (size_t i = 0; i < COUNT_OF(depths); i++) {
        tree *t = NULL;
        buf b = {0};
        for (int d = 0; d < depths[i]; d++) buf_putc(&b, '[');
        for (int d = 0; d < depths[i]; d++) buf_putc(&b, ']');
        assert_int_equal(tree_parse_yaml(&t, b.data, b.size, "deep"), i == 0 ? LMM_OK : LMM_E_LIMIT);
        tree_free(t);
        buf_free(&b);
    }
    tree *t = NULL;
    char *large = mem_new((16 << 20) + 1, 1);
    assert_int_equal(tree_parse_yaml(&t, large, (16 << 20) + 1, "large"), LMM_E_LIMIT);
    free(large);
}

static void many_keys_are_checked_quickly(void **state) {
    (void)state;
    buf b = {0};
    tree *t = NULL;
    for (int i = 0; i < 5000; i++) buf_printf(&b, "key%d: %d\n", i, i);
    buf_puts(&b, "key2500: 1\n");
    assert_int_equal(tree_parse_yaml(&t, b.data, b.size, "t"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "line 5001, column 1: the key 'key2500' is there twice"));
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_and_flows_become_trees), cmocka_unit_test(plain_scalars_surprise_nobody),
        cmocka_unit_test(nodes_know_their_lines),        cmocka_unit_test(what_is_outside_the_subset_is_refused_with_its_place),
        cmocka_unit_test(depth_and_size_have_ends),      cmocka_unit_test(many_keys_are_checked_quickly),
    };
    return cmocka_run_group_tests_name("tree_yaml", tests, NULL, NULL);
}
