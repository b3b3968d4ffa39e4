/* test_tsv.c - tables of text and folders of a data set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/data.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static tree *parse(const char *text, char separator) {
    tree *rows;
    OK(tsv_parse(&rows, text, strlen(text), separator, "t"));
    return rows;
}

static void columns_are_numbers_when_all_cells_are(void **state) {
    (void)state;
    tree *rows = parse("index\tx\tname\tempty\n1\t2.5\ta\t\r\n1000001\t3\t7\t\n", '\t');
    assert_int_equal(rows->count, 2);
    assert_int_equal(tree_int(rows->items[1], "index", 0), 1000001);
    assert_int_equal(tree_get(rows->items[1], "x")->type, TREE_REAL);
    assert_string_equal(tree_str(rows->items[1], "name", ""), "7"); /* "a" stands above it */
    assert_int_equal(tree_get(rows->items[0], "empty")->type, TREE_NULL);
    tree_free(rows);
}

static void quotes_hold_separators_and_lines(void **state) {
    (void)state;
    tree *rows = parse("q,a\n\"one, \"\"two\"\"\nthree\",\"\"\n", ',');
    assert_int_equal(rows->count, 1);
    assert_string_equal(tree_str(rows->items[0], "q", ""), "one, \"two\"\nthree");
    tree_free(rows);
}

static void refused(const char *text, const char *word) {
    tree *rows;
    assert_int_equal(tsv_parse(&rows, text, strlen(text), '\t', "t"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), word));
}

static void mistakes_name_their_line(void **state) {
    (void)state;
    refused("", "empty");
    refused("a\tb\n1\n", "line 2: 1 fields");
    refused("a\tb\n1\t\"x\n", "line 2: a quote");
    refused("a\ta\n1\t2\n", "the same name");
}

static void a_folder_is_read_by_configuration_and_split(void **state) {
    (void)state;
    static const char *const files[][2] = {{"en/dev-00000-of-00002.jsonl", "{\"x\": 1}\n{\"x\": 2}\n"},
                                           {"en/dev-00001-of-00002.jsonl", "{\"x\": 3}\n"},
                                           {"en/test.jsonl", "{\"x\": 9}\n"},
                                           {"cn/dev.jsonl", "{\"x\": 8}\n"}};
    char dir[] = "/tmp/lmm-table-XXXXXX";
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *path = path_join(dir, files[i][0]), *below = path_dir(path);
        OK(dir_make(below));
        OK(file_write(path, files[i][1], strlen(files[i][1])));
        free(below);
        free(path);
    }
    table t;
    OK(table_open_set(&t, dir, "en", "dev", 0));
    assert_int_equal(t.count, 3);
    assert_int_equal(tree_int(table_row(&t, 2), "x", 0), 3);
    table_close(&t);
    OK(table_open_set(&t, dir, "cn", "dev", 0));
    assert_int_equal(t.count, 1);
    table_close(&t);
    assert_int_equal(table_open_set(&t, dir, "en", "train", 0), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "'train'"));
    OK(dir_remove(dir));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_numbers_when_all_cells_are),
        cmocka_unit_test(quotes_hold_separators_and_lines),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(a_folder_is_read_by_configuration_and_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
