/* test_spool.c - what was put comes back, from memory and from the file; nothing is left in the folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>

#include "base/base.h"
#include "../folder.h"

static int file_count(void) {
    char **names;
    int count;
    assert_int_equal(dir_list(&names, &count, folder), LMM_OK);
    names_free(names, count);
    return count;
}

/* Piece i: its length and bytes are functions of i. */
static size_t make_piece(char *out, int i) {
    size_t n = (size_t)(i * 7919 % 4001);
    for (size_t k = 0; k < n; k++) out[k] = (char)(i + (int)k * 31);
    return n;
}

static void pieces_come_back_from_file_and_memory(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    spool s;
    uint64_t at[COUNT];
    char want[4096], got[4096];
    char *later = in_folder("later/run");
    spool_open(&s, later); /* not there yet: the file lies in the folder above */
    for (int i = 0; i < COUNT; i++) {
        size_t n = make_piece(want, i);
        assert_int_equal(spool_put(&s, want, n, &at[i]), LMM_OK);
        int k = i / 2;
        n = make_piece(want, k);
        assert_int_equal(spool_read(&s, got, n, at[k]), LMM_OK);
        assert_memory_equal(got, want, n);
    }
    assert_true(s.is_file && s.tail.size > 0);
    for (int i = COUNT - 1; i >= 0; i--) {
        size_t n = make_piece(want, i);
        assert_int_equal(spool_read(&s, got, n, at[i]), LMM_OK);
        assert_memory_equal(got, want, n);
    }
    assert_int_equal(file_count(), 0);
    spool_close(&s);
    free(later);
}

static void a_small_spool_is_no_file(void **state) {
    (void)state;
    spool s = {0};
    uint64_t at;
    char got[8];
    assert_int_equal(spool_put(&s, "abc", 4, &at), LMM_OK);
    assert_int_equal(spool_put(&s, "defg", 5, &at), LMM_OK);
    assert_int_equal(spool_read(&s, got, 5, at), LMM_OK);
    assert_string_equal(got, "defg");
    assert_false(s.is_file);
    spool_close(&s);
}

/* A disk that is full, by a limit on this process's files. */
static void a_full_disk_is_said(void **state) {
    (void)state;
    spool s;
    struct rlimit was, low;
    char *bytes = mem_new(1 << 20, 1);
    uint64_t at;
    spool_open(&s, folder);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    low = was, low.rlim_cur = 1 << 19;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(spool_put(&s, bytes, 1 << 20, &at), LMM_E_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_non_null(strstr(lmm_message(), folder));
    spool_close(&s);
    free(bytes);
}

static void parts_of_a_file_are_read(void **state) {
    (void)state;
    write_text("f", "0123456789");
    char *path = in_folder("f"), got[4] = {0};
    file_view f;
    assert_int_equal(file_view_open(&f, folder), LMM_E_IO);
    assert_int_equal(file_view_open(&f, path), LMM_OK);
    assert_int_equal(f.size, 10);
    assert_int_equal(file_view_read(&f, got, 3, 7), LMM_OK);
    assert_string_equal(got, "789");
    assert_int_equal(file_view_read(&f, got, 3, 8), LMM_E_FORMAT);
    assert_int_equal(file_view_read(&f, got, 3, UINT64_MAX), LMM_E_FORMAT);
    file_view_close(&f);
    free(path);
}

static void a_pipe_is_read_as_a_file(void **state) {
    (void)state;
    int ends[2];
    char path[32], got[4] = {0};
    file_view f;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "0123456789", 10), 10);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(file_view_open(&f, path), LMM_OK);
    assert_int_equal(f.size, 10);
    assert_int_equal(file_view_read(&f, got, 3, 5), LMM_OK);
    assert_string_equal(got, "567");
    assert_int_equal(file_view_read(&f, got, 3, 8), LMM_E_FORMAT);
    file_view_close(&f);
    close(ends[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_come_back_from_file_and_memory, set_up, tear_down),
        cmocka_unit_test(a_small_spool_is_no_file),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_of_a_file_are_read, set_up, tear_down),
        cmocka_unit_test(a_pipe_is_read_as_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
