/* test_tree_json.c - strict reading with line and column; writing that reads back, reals as Python's repr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void assert_rewritten(const char *text, int indent, const char *expected) {
    tree *t = NULL;
    buf b = {0};
    if (tree_parse_json(&t, text, strlen(text), "test")) fail_msg("%s", lmm_message());
    tree_write_json(&b, t, indent);
    assert_string_equal(b.data, expected);
    buf_free(&b);
    tree_free(t);
}

static void every_kind_of_value_comes_back(void **state) {
    (void)state;
    assert_rewritten("{\"z\":1,\"a\":[true,false,null,-2.5,\"x\"],\"m\":{},\"l\":[]}", 0,
                     "{\"z\": 1, \"a\": [true, false, null, -2.5, \"x\"], \"m\": {}, \"l\": []}");
    assert_rewritten(" \"top\" ", 0, "\"top\"");
    assert_rewritten("-0.0", 0, "-0.0");
    assert_rewritten("9223372036854775807", 0, "9223372036854775807");
    assert_rewritten("-9223372036854775808", 0, "-9223372036854775808");
}

static void indentation_is_pythons(void **state) {
    (void)state;
    assert_rewritten("{\"a\":[1,{\"b\":2}],\"e\":[],\"m\":{}}", 2,
                     "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"e\": [],\n  \"m\": {}\n}");
}

static void integers_beyond_64_bits_become_reals(void **state) {
    (void)state;
    assert_rewritten("{\"max\": 1000000000000000019884624838656}", 0, "{\"max\": 1e+30}");
    /* only those that need it: the neighbour of 19 digits fits and stays exact */
    assert_rewritten("[18446744073709551615, 7, \"18446744073709551615\", 9223372036854775807]", 0,
                     "[1.8446744073709552e+19, 7, \"18446744073709551615\", 9223372036854775807]");
    assert_rewritten("[-99999999999999999999, 1.00000000000000000000, 1e0000000000000000000001]", 0, "[-1e+20, 1.0, 10.0]");
}

static void text_may_hold_nul_and_escapes(void **state) {
    (void)state;
    static const char text[] = "\"a\\u0000b\\ud83d\\ude00\\n\\u0001\\/\xC3\xA9\"";
    tree *t = NULL;
    assert_int_equal(tree_parse_json(&t, text, strlen(text), "test"), LMM_OK);
    assert_int_equal(t->text_size, 12);
    assert_memory_equal(t->text, "a\0b\xF0\x9F\x98\x80\n\x01/\xC3\xA9", 13);
    buf b = {0};
    tree_write_json(&b, t, 0);
    assert_string_equal(b.data, "\"a\\u0000b\xF0\x9F\x98\x80\\n\\u0001/\xC3\xA9\"");
    buf_free(&b);
    tree_free(t);
}

static void bad_text_is_refused_with_a_place(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{\"a\":1,\"a\":2}",
                                      "[1] x",
                                      "nul",
                                      "\"\\ud800\"",
                                      "\"\xFF\"",
                                      "\"\xC0\x80\"",
                                      "[NaN]",
                                      "1e400",
                                      "01",
                                      "'a'",
                                      "/* c */ 1",
                                      "\xEF\xBB\xBF{}",
                                      "\"a\nb\"",
                                      "{\"a\\u0000b\": 1}",
                                      "[99999999999999999999, }",
                                      "-"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        tree *t = NULL;
        if (tree_parse_json(&t, bad[i], strlen(bad[i]), "x.json") != LMM_E_FORMAT) fail_msg("accepted: %s", bad[i]);
        assert_null(t);
        assert_non_null(strstr(lmm_message(), "cannot read 'x.json': line 1, column "));
    }
    tree *t = NULL;
    assert_int_equal(tree_parse_json(&t, "{}\0", 3, "x.json"), LMM_E_FORMAT);
    assert_int_equal(tree_parse_json(&t, "{\n\"a\": 1,\n  oops}", 17, "x.json"), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "line 3"));
}

static void put_nested(buf *b, int depth) {
    buf_puts(b, "[\"]\",\n");
    for (int i = 1; i < depth; i++) buf_putc(b, '[');
    for (int i = 0; i < depth; i++) buf_putc(b, ']');
}

static void depth_ends_at_512(void **state) {
    (void)state;
    static const int depths[] = {512, 513, 3000, 200000};
    for (size_t i = 0; i < COUNT_OF(depths); i++) {
        tree *t = NULL;
        buf b = {0};
        put_nested(&b, depths[i]);
        lmm_status st = tree_parse_json(&t, b.data, b.size, "deep");
        assert_int_equal(st, i == 0 ? LMM_OK : LMM_E_LIMIT);
        if (i > 0) assert_string_equal(lmm_message(), "cannot read 'deep': line 2, column 512: nested deeper than 512");
        tree_free(t);
        buf_free(&b);
    }
}

/* Right-hand sides: Python's repr. The last rows are where the nearest decimal of 16 digits does not read back. */
static void reals_are_written_as_python_does(void **state) {
    (void)state;
    static const struct {
        double x;
        const char *expected;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {0.1, "0.1"},
        {-2.5, "-2.5"},
        {100.0, "100.0"},
        {1234.5, "1234.5"},
        {0.0001, "0.0001"},
        {0.00012, "0.00012"},
        {0.00001, "1e-05"},
        {1.5e-7, "1.5e-07"},
        {1e15, "1000000000000000.0"},
        {1234567890123456.0, "1234567890123456.0"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e16, "1e+16"},
        {12345678901234567.0, "1.2345678901234568e+16"},
        {1e22, "1e+22"},
        {1e100, "1e+100"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {2.5e-323, "2.5e-323"},
        {1.5e-310, "1.5e-310"},
        {(double)0.1f, "0.10000000149011612"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-24, "5.960464477539063e-08"},
        {INFINITY, "\"Infinity\""},
        {-INFINITY, "\"-Infinity\""},
        {NAN, "\"NaN\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf b = {0};
        tree *t = tree_new_real(cases[i].x);
        tree_write_json(&b, t, 0);
        assert_string_equal(b.data, cases[i].expected);
        tree_free(t);
        buf_free(&b);
    }
}

static void every_real_reads_back(void **state) {
    (void)state;
    rng r = rng_make(1, 2);
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double x;
        } u = {.bits = (uint64_t)rng_u32(&r) << 32 | rng_u32(&r)};
        if (i % 4 == 0) u.x = ldexp(1.0, (int)rng_below(&r, 2098) - 1074); /* powers of two, subnormal ones too */
        if (!isfinite(u.x)) continue;
        buf b = {0};
        tree *t = tree_new_real(u.x);
        tree_write_json(&b, t, 0);
        if (strtod(b.data, NULL) != u.x) fail_msg("%a is written as %s", u.x, b.data);
        if (b.size > 24) fail_msg("%s is too long", b.data);
        tree_free(t);
        buf_free(&b);
    }
}

static void quoting_repairs_bad_bytes(void **state) {
    (void)state;
    buf b = {0};
    json_quote(&b, "a\"\\\b\f\r\t\xFFz\x7f", 10);
    assert_string_equal(b.data, "\"a\\\"\\\\\\b\\f\\r\\t\xEF\xBF\xBDz\x7f\"");
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_comes_back),
        cmocka_unit_test(indentation_is_pythons),
        cmocka_unit_test(integers_beyond_64_bits_become_reals),
        cmocka_unit_test(text_may_hold_nul_and_escapes),
        cmocka_unit_test(bad_text_is_refused_with_a_place),
        cmocka_unit_test(depth_ends_at_512),
        cmocka_unit_test(reals_are_written_as_python_does),
        cmocka_unit_test(every_real_reads_back),
        cmocka_unit_test(quoting_repairs_bad_bytes),
    };
    return cmocka_run_group_tests_name("tree_json", tests, NULL, NULL);
}
