/* test_parquet.c - Parquet files written by pyarrow: every value of every codec, page version and encoding; damaged files are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/data_int.h"

#define OK(call) assert_int_equal((call), LMM_OK)
#define FILES LMM_TESTS "/golden/data/parquet/"

static bool same_bytes(const tree *have, const char *base64) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    unsigned bits = 0, held = 0;
    for (; *base64 && *base64 != '='; base64++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *base64) - digits);
        if ((held += 6) < 8) continue;
        held -= 8;
        if (n >= have->text_size || (unsigned char)have->text[n++] != (unsigned char)(bits >> held)) return false;
    }
    return n == have->text_size;
}

static void assert_same(const tree *have, const tree *want) {
    if (want->type == TREE_MAP && tree_get(want, "base64")) {
        assert_int_equal(have->type, TREE_STRING);
        assert_true(same_bytes(have, tree_str(want, "base64", "")));
        return;
    }
    assert_int_equal(have->type, want->type);
    if (want->type == TREE_STRING) assert_string_equal(have->text, want->text);
    else if (want->type == TREE_BOOL || want->type == TREE_INT) assert_true(have->i == want->i);
    else if (want->type == TREE_REAL) assert_true(have->real == want->real);
    else assert_int_equal(have->count, want->count);
    for (int i = 0; i < want->count; i++)
        assert_same(want->type == TREE_MAP ? tree_get(have, want->keys[i]) : have->items[i], want->items[i]);
}

static void every_codec_and_encoding_gives_the_same_rows(void **state) {
    (void)state;
    static const char *const names[] = {FILES "snappy.parquet", FILES "zstd_v2.parquet", FILES "gzip_plain.parquet", FILES "delta.parquet"};
    tree *want;
    OK(tree_load(&want, FILES "rows.json"));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        table t;
        OK(table_open(&t, names[i], NULL, 0));
        assert_int_equal(t.count, want->count);
        for (int k = 0; k < t.count; k++) assert_same(table_row(&t, k), want->items[k]);
        table_close(&t);
    }
    tree_free(want);
}

static void a_limit_reads_no_more(void **state) {
    (void)state;
    table t;
    OK(table_open(&t, FILES "snappy.parquet", NULL, 7));
    assert_int_equal(t.count, 7);
    table_close(&t);
    tree *rows;
    assert_int_equal(parquet_read(&rows, FILES "snappy.parquet", 0, 100, NULL), LMM_E_LIMIT);
}

/* Each byte changed in turn, each length cut: opened or refused with a sentence, never anything worse. */
static void damaged_files_are_refused(void **state) {
    (void)state;
    char *text, path[] = "/tmp/lmm-parquet-XXXXXX";
    size_t size;
    int fd = mkstemp(path), refused = 0;
    assert_true(fd >= 0);
    OK(file_read(&text, &size, FILES "zstd_v2.parquet", 1 << 20));
    for (size_t i = 0; i < size; i += 37) {
        tree *rows;
        text[i] ^= 0x55;
        OK(file_write(path, text, size));
        if (parquet_read(&rows, path, 0, 100000, NULL)) refused++;
        else tree_free(rows);
        text[i] ^= 0x55;
        OK(file_write(path, text, i));
        assert_int_not_equal(parquet_read(&rows, path, 0, 100000, NULL), LMM_OK);
    }
    assert_true(refused > 10);
    free(text);
    remove(path);
}

/* Damage in the second of three groups: its rows are noted, those before and behind are what they were. */
static void other_groups_are_salvaged(void **state) {
    (void)state;
    char *text, *path = mem_printf("/tmp/lmm-groups-%d.parquet", (int)getpid());
    size_t size;
    table whole, t;
    OK(table_open(&whole, FILES "snappy.parquet", NULL, 0));
    OK(file_read(&text, &size, FILES "snappy.parquet", 1 << 20));
    memset(text + 2769, 0, 300);
    OK(file_write(path, text, size));
    assert_int_equal(table_open(&t, path, NULL, 0), LMM_E_FORMAT);
    OK(table_salvage(&t, path, NULL, 0));
    assert_int_equal(t.count, whole.count);
    assert_int_equal(t.faults.count, 1);
    assert_int_equal(t.faults.at[0].first, 25);
    assert_int_equal(t.faults.at[0].count, 25);
    assert_non_null(strstr(t.faults.at[0].why, path));
    for (int i = 0; i < t.count; i++)
        if (i < 25 || i >= 50) assert_same(table_row(&t, i), table_row(&whole, i));
        else assert_int_equal(table_row(&t, i)->count, 0);
    table_close(&t);
    table_close(&whole);
    free(text);
    remove(path);
    free(path);
}

static void snappy_copies_may_overlap(void **state) {
    (void)state;
    static const uint8_t packed[] = {10, 1 << 2, 'a', 'b', (4 << 2) | 1, 2}; /* "ab", then 8 bytes from 2 back */
    uint8_t out[10];
    const uint8_t far[] = {4, 0, 'a', 1, 9};
    OK(snappy_unpack(out, 10, (bytes){packed, sizeof packed}));
    assert_memory_equal(out, "ababababab", 10);
    assert_int_not_equal(snappy_unpack(out, 4, (bytes){far, sizeof far}), LMM_OK);
    assert_int_not_equal(snappy_unpack(out, 9, (bytes){packed, sizeof packed}), LMM_OK);
    assert_int_not_equal(snappy_unpack(out, 10, (bytes){packed, 4}), LMM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_and_encoding_gives_the_same_rows),
        cmocka_unit_test(a_limit_reads_no_more),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(other_groups_are_salvaged),
        cmocka_unit_test(snappy_copies_may_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
