/* test_row_reader.c - rows one at a time: the same as from the whole file, each where it is asked for, a broken one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "../folder.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static row_reader *open_text(const char *name, const char *text) {
    row_reader *r;
    write_text(name, text);
    char *path = in_folder(name);
    OK(row_reader_open(&r, path));
    free(path);
    return r;
}

static void assert_row(row_reader *r, int i, const char *json) {
    tree *row;
    buf b = {0};
    OK(row_reader_read(r, i, &row));
    tree_write_json(&b, row, 0);
    assert_string_equal(b.data, json);
    buf_free(&b);
    tree_free(row);
}

static void assert_broken(row_reader *r, int i, const char *where) {
    tree *row;
    assert_int_equal(row_reader_read(r, i, &row), LMM_E_FORMAT);
    if (!strstr(lmm_message(), where)) fail_msg("'%s' is not in: %s", where, lmm_message());
}

static void rows_are_read_in_any_order(void **state) {
    (void)state;
    row_reader *r = open_text("a.json", " [ {\"a\": \"],[}{\\\"\\\\\"} ,\n{\"b\": [1, {\"c\": []}]}\n,{\"d\": null}]\n");
    assert_int_equal(row_reader_count(r), 3);
    assert_row(r, 2, "{\"d\": null}");
    assert_row(r, 0, "{\"a\": \"],[}{\\\"\\\\\"}");
    assert_row(r, 1, "{\"b\": [1, {\"c\": []}]}");
    assert_row(r, 1, "{\"b\": [1, {\"c\": []}]}");
    row_reader_close(r);
    r = open_text("a.jsonl", "{\"a\": 1}\r\n\n \t\n{\"a\": 2}\n{\"a\": 3}");
    assert_int_equal(row_reader_count(r), 3);
    assert_row(r, 1, "{\"a\": 2}");
    assert_row(r, 2, "{\"a\": 3}");
    assert_row(r, 0, "{\"a\": 1}");
    row_reader_close(r);
    r = open_text("b.json", "[]");
    assert_int_equal(row_reader_count(r), 0);
    row_reader_close(r);
}

/* Rows longer and shorter than what is read at once, so that its ends fall everywhere. */
static void long_files_are_cut_nowhere(void **state) {
    (void)state;
    buf list = {0};
    char expected[64];
    for (int i = 0; i < 3000; i++)
        buf_printf(&list, "%s\n{\"i\": %d, \"s\": \"%*s\\\"\"}", i ? "," : "[", i, i == 1500 ? 200000 : i % 97, "");
    buf_puts(&list, "\n]");
    row_reader *r = open_text("long.json", list.data);
    assert_int_equal(row_reader_count(r), 3000);
    for (int i = 0; i < 3000; i += i == 1499 ? 2 : 1) {
        snprintf(expected, sizeof expected, "{\"i\": %d, \"s\": ", i);
        tree *row;
        OK(row_reader_read(r, i, &row));
        assert_int_equal(tree_int(row, "i", -1), i);
        assert_int_equal(strlen(tree_str(row, "s", "")), 1 + i % 97);
        tree_free(row);
    }
    row_reader_close(r);
    buf_free(&list);
}

static void a_broken_row_costs_itself_alone(void **state) {
    (void)state;
    row_reader *r = open_text("a.jsonl", "{\"a\": 1}\n\n{\"a\": \n[3]\n{\"a\": 4}\n");
    assert_int_equal(row_reader_count(r), 4);
    assert_broken(r, 1, "line 3");
    assert_broken(r, 2, "line 4");
    assert_row(r, 0, "{\"a\": 1}");
    assert_row(r, 3, "{\"a\": 4}");
    row_reader_close(r);
    /* no value, an open list, a string that does not end, a map that does not, nothing at all, a number */
    r = open_text("a.json", "[{\"a\": },\n{\"b\": [1, 2},\n{\"c\": \"x},\n{\"d\": 4\n,\n{\"e\": 5},\n,\n6, {\"f\": {\"g\": 7}}]");
    assert_int_equal(row_reader_count(r), 8);
    for (int i = 0; i < 4; i++) {
        char where[32];
        snprintf(where, sizeof where, "line %d", i + 1);
        assert_broken(r, i, where);
    }
    assert_row(r, 4, "{\"e\": 5}");
    assert_broken(r, 5, "line 7");
    assert_broken(r, 6, "line 8");
    assert_row(r, 7, "{\"f\": {\"g\": 7}}");
    row_reader_close(r);
}

static void what_is_no_list_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"", "{\"a\": 1}", "[{\"a\": 1}", "[{\"a\": 1}] x", "[1, \"", "x"};
    char *path = in_folder("a.json");
    row_reader *r;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_text("a.json", bad[i]);
        assert_int_equal(row_reader_open(&r, path), LMM_E_FORMAT);
        assert_non_null(strstr(lmm_message(), "a.json"));
    }
    free(path);
}

/* ---- Parquet ---- */

#define FILES LMM_TESTS "/golden/data/parquet/"

static char *json_of(const tree *row) {
    buf b = {0};
    tree_write_json(&b, row, 0);
    return buf_take(&b);
}

/* Three row groups of 25, 25 and 10. */
static void rows_of_groups_are_read_in_any_order(void **state) {
    (void)state;
    row_reader *r;
    table t;
    OK(table_open(&t, FILES "snappy.parquet", NULL, 0));
    OK(row_reader_open(&r, FILES "snappy.parquet"));
    assert_int_equal(row_reader_count(r), t.count);
    for (int k = 0; k < t.count; k++) {
        const int i = k * 37 % t.count;
        tree *row;
        OK(row_reader_read(r, i, &row));
        char *have = json_of(row), *want = json_of(table_row(&t, i));
        assert_string_equal(have, want);
        free(have);
        free(want);
        tree_free(row);
    }
    row_reader_close(r);
    table_close(&t);
}

static void a_damaged_group_leaves_the_others(void **state) {
    (void)state;
    char *text, *path = in_folder("damaged.parquet");
    size_t size;
    row_reader *r;
    tree *row;
    OK(file_read(&text, &size, FILES "snappy.parquet", 1 << 20));
    memset(text + 2769, 0, 300);
    OK(file_write(path, text, size));
    OK(row_reader_open(&r, path));
    for (int i = 0; i < row_reader_count(r); i++) {
        assert_int_equal(row_reader_read(r, i, &row), i >= 25 && i < 50 ? LMM_E_FORMAT : LMM_OK);
        if (i == 30) assert_non_null(strstr(lmm_message(), "rows 26 to 50 cannot be read"));
        if (i >= 25 && i < 50) continue;
        assert_int_equal(tree_int(row, "id", -1), i);
        tree_free(row);
    }
    row_reader_close(r);
    free(text);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_read_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_files_are_cut_nowhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_row_costs_itself_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_list_is_refused, set_up, tear_down),
        cmocka_unit_test(rows_of_groups_are_read_in_any_order),
        cmocka_unit_test_setup_teardown(a_damaged_group_leaves_the_others, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
