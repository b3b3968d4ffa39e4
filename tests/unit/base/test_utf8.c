/* test_utf8.c - strict decoding, and repair as Python's errors="replace" does it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void every_code_point_comes_back(void **state) {
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        if (cp >= 0xD800 && cp <= 0xDFFF) continue;
        char bytes[4];
        uint32_t back = 1;
        int n = utf8_encode(cp, bytes);
        if (n != (cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4)) fail_msg("U+%04X has %d bytes", cp, n);
        if (utf8_decode(bytes, (size_t)n, &back) != n || back != cp) fail_msg("U+%04X came back as U+%04X", cp, back);
        for (int cut = 1; cut < n; cut++) {
            if (utf8_decode(bytes, (size_t)cut, &back) != 1 || back != 0xFFFD) fail_msg("U+%04X cut to %d", cp, cut);
            if (utf8_complete(bytes, (size_t)cut) != 0) fail_msg("U+%04X cut to %d is complete", cp, cut);
        }
        if (utf8_complete(bytes, (size_t)n) != (size_t)n) fail_msg("U+%04X is not complete", cp);
    }
}

static void what_is_no_code_point_is_encoded_as_replacement(void **state) {
    (void)state;
    char bytes[4];
    assert_int_equal(utf8_encode(0xD800, bytes), 3);
    assert_memory_equal(bytes, "\xEF\xBF\xBD", 3);
    assert_int_equal(utf8_encode(0x110000, bytes), 3);
    assert_memory_equal(bytes, "\xEF\xBF\xBD", 3);
}

static void bad_bytes_decode_to_one_replacement(void **state) {
    (void)state;
    static const char *const bad[] = {"\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
                                      "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                                      "\xFF",         "\xE2\x82\x61"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint32_t cp = 0;
        assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &cp), 1);
        assert_int_equal(cp, 0xFFFD);
    }
    uint32_t cp = 0;
    assert_int_equal(utf8_decode("", 0, &cp), 0);
}

/* Right-hand sides: python3 -c 'print(b"...".decode("utf-8", "replace"))', R standing for U+FFFD. */
static void repair_replaces_as_python_does(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *expected;
    } cases[] = {
        {"", ""},
        {"plain \xC3\xA9 \xF0\x9F\x98\x80", "plain \xC3\xA9 \xF0\x9F\x98\x80"},
        {"a\x80z", "aRz"},
        {"\xE2\x82", "R"},
        {"\xE2\x82z", "Rz"},
        {"\xE2\x28\xA1", "R(R"},
        {"\xF0\x80\x80\x80", "RRRR"},
        {"\xED\xA0\x80", "RRR"},
        {"\xF0\x9F\x98", "R"},
        {"\xF0\x9F\x98\xF0\x9F\x98\x80", "R\xF0\x9F\x98\x80"},
        {"\xC0\xAF\xFE\xFF", "RRRR"},
        {"\xF4\x90\x80\x80", "RRRR"},
        {"\xE0\x80", "RR"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf b = {0}, expected = {0};
        utf8_repair(&b, cases[i].bytes, strlen(cases[i].bytes));
        for (const char *s = cases[i].expected; *s; s++) {
            if (*s == 'R') buf_puts(&expected, "\xEF\xBF\xBD");
            else buf_putc(&expected, *s);
        }
        assert_string_equal(b.data, expected.data ? expected.data : "");
        buf_free(&b);
        buf_free(&expected);
    }
}

static void complete_waits_only_for_bytes_that_can_come(void **state) {
    (void)state;
    assert_int_equal(utf8_complete("", 0), 0);
    assert_int_equal(utf8_complete("abc", 3), 3);
    assert_int_equal(utf8_complete("ab\xE2\x82", 4), 2);
    assert_int_equal(utf8_complete("ab\xE2\x82\xAC", 5), 5);
    assert_int_equal(utf8_complete("\xF0\x9F\x98", 3), 0);
    assert_int_equal(utf8_complete("ab\x80\x80\x80", 5), 5); /* nothing will make these good */
    assert_int_equal(utf8_complete("ab\xF0\x80", 4), 4);
    assert_int_equal(utf8_complete("ab\xC0", 3), 3);
    assert_int_equal(utf8_complete("\xF0\x9F\x98\x80\x80", 5), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(what_is_no_code_point_is_encoded_as_replacement),
        cmocka_unit_test(bad_bytes_decode_to_one_replacement),
        cmocka_unit_test(repair_replaces_as_python_does),
        cmocka_unit_test(complete_waits_only_for_bytes_that_can_come),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
