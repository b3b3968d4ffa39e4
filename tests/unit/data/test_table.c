/* test_table.c - rows of JSON and JSONL, named columns, patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/data.h"

static char *write_file(const char *name, const char *text) {
    char *path = mem_printf("/tmp/lmm-table-%d-%s", (int)getpid(), name);
    assert_int_equal(file_write(path, text, strlen(text)), LMM_OK);
    return path;
}

static void done(char *path) {
    remove(path);
    free(path);
}

static void list_rows_get_names(void **state) {
    (void)state;
    static const char *const columns[] = {"question", "answer", "image", NULL};
    char *path = write_file("a.json", "[[\"what?\", \"red\", 7], [\"who?\", \"blue\", 8]]");
    table t;
    assert_int_equal(table_open(&t, path, columns, 0), LMM_OK);
    assert_int_equal(t.count, 2);
    buf b = {0};
    assert_int_equal(row_format(&b, "x/{image}.png {answer}", table_row(&t, 1)), LMM_OK);
    assert_string_equal(b.data, "x/8.png blue");
    assert_int_equal(row_format(&b, "{nobody}", table_row(&t, 1)), LMM_E_FORMAT);
    buf_free(&b);
    table_close(&t);
    done(path);
}

static void lines_are_rows_and_a_limit_holds(void **state) {
    (void)state;
    char *path = write_file("b.jsonl", "{\"a\": 1}\n\n{\"a\": 2}\n{\"a\": 3}");
    table t;
    assert_int_equal(table_open(&t, path, NULL, 2), LMM_OK);
    assert_int_equal(t.count, 2);
    assert_int_equal(tree_int(table_row(&t, 1), "a", 0), 2);
    table_close(&t);
    done(path);
}

static void other_lines_are_salvaged(void **state) {
    (void)state;
    char *path = write_file("d.jsonl", "{\"a\": 1}\n{\"a\": \n{\"a\": 3}\n");
    table t;
    assert_int_equal(table_salvage(&t, path, NULL, 0), LMM_OK);
    assert_int_equal(t.count, 3);
    assert_int_equal(t.faults.count, 1);
    assert_int_equal(t.faults.at[0].first, 1);
    assert_non_null(strstr(t.faults.at[0].why, "line 2"));
    assert_int_equal(tree_int(table_row(&t, 2), "a", 0), 3);
    table_close(&t);
    done(path);
}

static void faults_of_a_folder_count_from_its_first_row(void **state) {
    (void)state;
    char *dir = mem_printf("/tmp/lmm-table-%d-set", (int)getpid()), *one = path_join(dir, "a-test.jsonl"),
         *two = path_join(dir, "b-test.jsonl");
    static const char first[] = "{\"a\": 1}\n{\"a\": 2}\n", second[] = "{\"a\": 3}\nno\n{\"a\": 5}\n";
    table t;
    assert_int_equal(dir_make(dir), LMM_OK);
    assert_int_equal(file_write(one, first, strlen(first)), LMM_OK);
    assert_int_equal(file_write(two, second, strlen(second)), LMM_OK);
    assert_int_equal(table_salvage_set(&t, dir, NULL, "test", 0), LMM_OK);
    assert_int_equal(t.count, 5);
    assert_int_equal(t.faults.count, 1);
    assert_int_equal(t.faults.at[0].first, 3);
    assert_int_equal(tree_int(table_row(&t, 4), "a", 0), 5);
    table_close(&t);
    assert_int_equal(table_open_set(&t, dir, NULL, "test", 0), LMM_E_FORMAT);
    assert_int_equal(dir_remove(dir), LMM_OK);
    free(two);
    free(one);
    free(dir);
}

static void a_bad_line_is_named(void **state) {
    (void)state;
    char *path = write_file("c.jsonl", "{\"a\": 1}\n{\"a\": \n");
    table t;
    assert_int_equal(table_open(&t, path, NULL, 0), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "line 2"));
    done(path);
}

static void a_row_of_the_wrong_length_is_named(void **state) {
    (void)state;
    static const char *const columns[] = {"a", "b", NULL};
    char *path = write_file("d.json", "[[1, 2], [3]]");
    table t;
    assert_int_equal(table_open(&t, path, columns, 0), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "row 2"));
    done(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_rows_get_names),      cmocka_unit_test(lines_are_rows_and_a_limit_holds),
        cmocka_unit_test(other_lines_are_salvaged), cmocka_unit_test(faults_of_a_folder_count_from_its_first_row),
        cmocka_unit_test(a_bad_line_is_named),      cmocka_unit_test(a_row_of_the_wrong_length_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
