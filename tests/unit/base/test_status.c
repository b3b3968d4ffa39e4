/* test_status.c - the sentence of a failure: one line, prefixed on the way up, one per thread; an assertion speaks and aborts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static void fail_returns_the_code_and_keeps_the_sentence(void **state) {
    (void)state;
    assert_int_equal(LMM_FAIL(LMM_E_SHAPE, "'%s' has %d", "x", 3), LMM_E_SHAPE);
    assert_string_equal(lmm_message(), "'x' has 3");
}

static void context_goes_in_front(void **state) {
    (void)state;
    lmm_status st = LMM_FAIL(LMM_E_IO, "no such file");
    assert_int_equal(LMM_CONTEXT(st, "loading '%s'", "m"), LMM_E_IO);
    assert_string_equal(lmm_message(), "loading 'm': no such file");
    assert_int_equal(LMM_CONTEXT(LMM_OK, "never"), LMM_OK);
    assert_string_equal(lmm_message(), "loading 'm': no such file");
}

static void a_message_may_quote_the_one_before(void **state) {
    (void)state;
    (void)LMM_FAIL(LMM_E_IO, "inner");
    (void)LMM_FAIL(LMM_E_ARG, "%s, %s", lmm_message(), lmm_message());
    assert_string_equal(lmm_message(), "inner, inner");
}

static void a_message_is_one_line_without_escapes(void **state) {
    (void)state;
    (void)LMM_FAIL(LMM_E_IO, "a\nb\tc\033[31md\x7f");
    assert_string_equal(lmm_message(), "a b c?[31md?");
}

static void a_long_message_is_cut_between_characters(void **state) {
    (void)state;
    char text[5001] = "";
    for (int i = 0; i < 5000; i++) text[i] = "\xC3\xA9"[i % 2];
    for (int shift = 0; shift < 2; shift++) {
        (void)LMM_FAIL(LMM_E_IO, "%s%s", shift ? "x" : "", text);
        size_t n = strlen(lmm_message());
        assert_true(n >= 1024 && n < 5000);
        assert_int_equal(utf8_complete(lmm_message(), n), n);
        (void)LMM_CONTEXT(LMM_E_IO, "%s", text);
        assert_true(strlen(lmm_message()) >= 1024);
    }
}

static void *other_thread(void *arg) {
    *(bool *)arg = lmm_message()[0] == '\0';
    (void)LMM_FAIL(LMM_E_ARG, "mine");
    return NULL;
}

static void every_thread_has_its_own_message(void **state) {
    (void)state;
    pthread_t id;
    bool was_empty = false;
    (void)LMM_FAIL(LMM_E_IO, "main's");
    assert_int_equal(pthread_create(&id, NULL, other_thread, &was_empty), 0);
    pthread_join(id, NULL);
    assert_true(was_empty);
    assert_string_equal(lmm_message(), "main's");
}

static void exit_codes_are_those_of_the_table(void **state) {
    (void)state;
    assert_int_equal(lmm_status_exit_code(LMM_OK), 0);
    assert_int_equal(lmm_status_exit_code(LMM_E_ARG), 2);
    assert_int_equal(lmm_status_exit_code(LMM_E_FORMAT), 4);
    assert_int_equal(lmm_status_exit_code(LMM_E_CANCELLED), 130);
}

static void a_failed_assertion_prints_and_aborts(void **state) {
    (void)state;
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        LMM_ASSERT(1 + 1 == 3, "x is %d", 7);
    }
    close(ends[1]);
    char said[512] = "";
    ssize_t n = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(n > 0);
    assert_non_null(strstr(said, "'1 + 1 == 3' does not hold: x is 7"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_returns_the_code_and_keeps_the_sentence),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(a_message_may_quote_the_one_before),
        cmocka_unit_test(a_message_is_one_line_without_escapes),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(every_thread_has_its_own_message),
        cmocka_unit_test(exit_codes_are_those_of_the_table),
        cmocka_unit_test(a_failed_assertion_prints_and_aborts),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
