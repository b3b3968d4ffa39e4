/* test_py.c - strings, numbers and random numbers as Python has them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/eval_int.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static void white_space_is_unicodes(void **state) {
    (void)state;
    scratch m = {0};
    int n;
    assert_string_equal(py_strip(&m, "\u3000 a b\u00a0\n"), "a b");
    assert_string_equal(py_strip(&m, "\u200bx"), "\u200bx"); /* a zero-width space is none */
    assert_string_equal(py_strip_of(&m, "..a.b..", "."), "a.b");
    char **words = py_split(&m, " a\u2028b\tc ", &n);
    assert_int_equal(n, 3);
    assert_string_equal(words[1], "b");
    scratch_free(&m);
}

static void case_may_change_lengths(void **state) {
    (void)state;
    scratch m = {0};
    assert_string_equal(py_lower(&m, "\u0130\u00c4"), "i\u0307\u00e4");
    assert_string_equal(py_lower(&m, "\u039f\u03a3"), "\u03bf\u03c2"); /* a final sigma */
    assert_string_equal(py_upper(&m, "stra\u00dfe \ufb01n"), "STRASSE FIN");
    assert_string_equal(py_capitalize(&m, "hELLO World"), "Hello world");
    assert_int_equal(py_len("\u5317\u4eac!"), 3);
    scratch_free(&m);
}

static void numbers_are_pythons(void **state) {
    (void)state;
    static const char *const good[] = {" 1_000 ", "\uff11\uff12", ".5", "5.", "1e-3", "-inf", "NaN", "+Infinity"};
    static const char *const bad[] = {"", "0x10", "1,000", "$5", "1__0", "_1", "1_", "1e", ".", "5%", "infinite"};
    double x;
    int64_t i;
    for (size_t k = 0; k < COUNT_OF(good); k++) assert_true(py_float(&x, good[k]));
    for (size_t k = 0; k < COUNT_OF(bad); k++) assert_false(py_float(&x, bad[k]));
    assert_true(py_int(&i, " -12 ") && i == -12);
    assert_false(py_int(&i, "1.0"));
    assert_true(py_round(2.675, 2) == 2.67 && py_round(0.5, 0) == 0 && py_round(1.5, 0) == 2);
}

static void repr_is_the_shortest(void **state) {
    (void)state;
    scratch m = {0};
    assert_string_equal(py_repr_real(&m, 0.1), "0.1");
    assert_string_equal(py_repr_real(&m, 3), "3.0");
    assert_string_equal(py_repr_real(&m, 1e16), "1e+16");
    assert_string_equal(py_repr_real(&m, 1234567890123456.0), "1234567890123456.0");
    assert_string_equal(py_repr_real(&m, 0.0001), "0.0001");
    assert_string_equal(py_repr_real(&m, 0.00001), "1e-05");
    scratch_free(&m);
}

static void literals_are_read_and_printed(void **state) {
    (void)state;
    scratch m = {0};
    tree *t = py_literal("['a', \"b'c\", 1, 2.5, None, True, ('x',), {'k': -3}]");
    assert_non_null(t);
    assert_string_equal(py_str(&m, t), "['a', \"b'c\", 1, 2.5, None, True, ['x'], {'k': -3}]");
    tree_free(t);
    static const char *const bad[] = {"", "[1, 2", "['a'", "foo", "[1 2]", "{1: }", "1 + 2", "[[[[", "inf"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_null(py_literal(bad[i]));
    scratch_free(&m);
}

static void the_twister_is_pythons(void **state) {
    (void)state;
    py_random r;
    py_random_seed(&r, 0);
    assert_true(py_random_unit(&r) == 0.8444218515250481);
    assert_true(py_random_unit(&r) == 0.7579544029403025);
    py_random_seed_digits(&r, "885989124000301866381");
    assert_true(py_random_unit(&r) == 0.7053044269208301);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_is_unicodes),       cmocka_unit_test(case_may_change_lengths),
        cmocka_unit_test(numbers_are_pythons),           cmocka_unit_test(repr_is_the_shortest),
        cmocka_unit_test(literals_are_read_and_printed), cmocka_unit_test(the_twister_is_pythons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
