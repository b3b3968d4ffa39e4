/* test_compat.c - rewards that other trainers and evaluators pay: where each differs from the others, to the fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

static void mathruler_is_strict_where_it_is(void **state) {
    (void)state;
    static const struct {
        const char *gold, *given;
        bool agrees;
    } pairs[] = {{"42", "42.0", true},
                 {"1/2", "0.5", true}, /* as 0.5 becomes a fraction first */
                 {"1/2", "2/4", false},
                 {"0.25", "1/4", true},
                 {"1,000", "1000", true},
                 {"(1,2)", "(2,1)", false},
                 {"(1,2)", "[1,2]", false},
                 {"(1/2,3)", "(0.5,3)", true},
                 {"2\\sqrt{3}", "\\sqrt{12}", true},
                 {"x^2-1", "(x-1)(x+1)", true},
                 {"A", "A.", false},
                 {"A", "a", true},
                 {"5", "5 cm", true},
                 {"2^{10}", "1024", false}, /* large powers are not looked into */
                 {"1\\frac{1}{2}", "3/2", true},
                 {"x+y+z", "z+y+x", false}, /* more than two letters neither */
                 {"", "", true},
                 {"", "1", false}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (mathruler_agrees(pairs[i].gold, pairs[i].given) != pairs[i].agrees) fail_msg("'%s' and '%s'", pairs[i].gold, pairs[i].given);
}

static void texts_that_are_long_or_broken_are_no_answers(void **state) {
    (void)state;
    static const char *const broken[] = {"\\frac",           "\\frac{1}{", "\\sqrt", "((((", "1/0",     "^^^",
                                         "\\begin{pmatrix}", "\\text{",    "{",      "-",    "\xff\xfe"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) assert_false(mathruler_agrees("7", broken[i]));
    buf b = {0};
    for (int i = 0; i < 20000; i++) buf_puts(&b, i % 2 ? "(" : "-1,");
    assert_false(mathruler_agrees("7", b.data));
    buf_reset(&b);
    for (int i = 0; i < 2000; i++) buf_puts(&b, "(");
    assert_false(mathruler_agrees("7", b.data));
    buf_free(&b);
}

static void a_bare_answer_is_worth_something_else_to_everyone(void **state) {
    (void)state;
    const char *text = "<think>3 + 4</think><answer>7</answer>", *gold = "<think>so 7</think>\n\n<answer>7</answer>";
    assert_true(reward_easyr1_r1v(text, gold) == 1);
    assert_true(reward_easyr1_math(text, gold) == 0); /* no box */
    assert_true(reward_vlm_r1(text, gold) == 1);
    assert_true(reward_lmms_eval(text, gold) == 1);
    assert_true(reward_trl(text, gold) == 0);                       /* neither announced nor boxed */
    assert_true(isnan(reward_trl(text, "<answer>seven</answer>"))); /* no mathematics in the reference */
    assert_true(reward_trl_reasoning("so \\boxed{7}", gold) == 0);  /* the thoughts never ended */
    assert_true(reward_trl_reasoning("</think> \\boxed{7}", gold) == 1);
    assert_true(reward_open_r1("\\boxed{\\frac12}", "$\\frac{1}{2}$") == 0); /* without braces */
    assert_true(reward_open_r1("\\boxed{\\frac{1}{2}}", "$\\frac{1}{2}$") == 1);
}

static void likeness_pays_a_wrong_text(void **state) {
    (void)state;
    double value = reward_vlm_r1("<answer>gray</answer>", "<answer>grey</answer>");
    assert_true(fabs(value - 0.75) < 1e-12);
    assert_true(reward_vlm_r1("<answer>41</answer>", "<answer>42</answer>") == 0);
    assert_true(reward_vlm_r1_choice("<answer>(B). It is red.</answer>", "B. red") == 0);
    assert_true(reward_vlm_r1_choice("<answer>B. red</answer>", "B.") == 1);
}

static void a_list_that_repeats_a_box_repeats_itself(void **state) {
    (void)state;
    const char *twice = "```json\n[{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a\"}, {\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a\"}]\n```";
    assert_true(reward_vlm_r1_repetition(twice, 6, -1) == -0.5);
    assert_true(reward_vlm_r1_repetition("[{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"a\"}, {\"bbox_2d\": [1, 2, 3, 5], \"label\": \"a\"}]",
                                         6, -1) == 0);
    assert_true(reward_vlm_r1_repetition("```json [ ``` a a a a a a a a", 6, -1) < 0);
}

static void lmms_eval_finds_its_answer_and_letter(void **state) {
    (void)state;
    static const char *const answers[][2] = {{"<answer>a\nb</answer>", "a\nb"},
                                             {"\\boxed{1} and \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"},
                                             {"It is 204.\nthanks", "204"},
                                             {"v1.5", "5"},
                                             {"3.5 cm", ""}};
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char *have = lmms_eval_answer(answers[i][0]);
        assert_string_equal(have, answers[i][1]);
        free(have);
    }
    assert_int_equal(lmms_eval_letter("The answer is B because"), 'B');
    assert_int_equal(lmms_eval_letter("(C) red"), 'C');
    assert_int_equal(lmms_eval_letter("a"), '\0');
    assert_int_equal(lmms_eval_letter("  "), '\0');
}

static void blanks_around_signs_go_before_easyr1_looks(void **state) {
    (void)state;
    char *tight = easyr1_tightened("< think >a b< / think > 1 / 2");
    assert_string_equal(tight, "<think>a b</think>1/2");
    free(tight);
    assert_true(reward_format("easyr1_math", "< think>r</think> \\boxed{a}") == 0);
    assert_true(reward_format("easyr1_math_tightened", "< think>r</think> \\boxed{a}") == 1);
    assert_true(reward_format("caption", "<caption>c</caption><think>r</think>\\boxed{1}") == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mathruler_is_strict_where_it_is),
        cmocka_unit_test(texts_that_are_long_or_broken_are_no_answers),
        cmocka_unit_test(a_bare_answer_is_worth_something_else_to_everyone),
        cmocka_unit_test(likeness_pays_a_wrong_text),
        cmocka_unit_test(a_list_that_repeats_a_box_repeats_itself),
        cmocka_unit_test(lmms_eval_finds_its_answer_and_letter),
        cmocka_unit_test(blanks_around_signs_go_before_easyr1_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
