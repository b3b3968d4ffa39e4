/* test_mathverify.c - answers that are mathematics: what is the same, what is not, and texts made to take long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

static bool same(const char *gold, const char *text) { return math_verify(gold, text, true); }
static bool both(const char *a, const char *b) { return same(a, b) && same(b, a); }
static bool neither(const char *a, const char *b) { return !same(a, b) && !same(b, a); }

static void spellings_of_a_number_are_one(void **state) {
    (void)state;
    assert_true(both("$\\frac{3}{4}$", "0.75") && both("3/4", "75%") && both("$\\dfrac34$", "6/8"));
    assert_true(both("1,234,567", "$1{,}234{,}567$") && both("0,5", ".5") && both("$2\\frac{1}{2}$", "5/2"));
    assert_true(both("$1.2\\times 10^{-3}$", "0.0012") && both("$\\sqrt{8}$", "$2\\sqrt{2}$") && both("$\\sqrt[3]{27}$", "3"));
    assert_true(both("$5$ cm", "5") && both("$12\\text{ units}^2$", "12") && both("$45^\\circ$", "45"));
}

static void numbers_beyond_64_bits_are_compared_by_digits(void **state) {
    (void)state;
    assert_true(both("123456789012345678901234567890", "123456789012345678901234567890"));
    assert_true(neither("123456789012345678901234567890", "123456789012345678901234567891"));
}

/* sympy has no whole number equal to a rounded one; against a fraction six decimals count. */
static void decimals_are_rounded_beside_fractions_only(void **state) {
    (void)state;
    assert_true(both("0.333333", "1/3") && neither("0.33333", "1/3"));
    assert_true(neither("1.0000001", "1") && both("12.0", "12"));
}

static void expressions_agree_when_their_values_do(void **state) {
    (void)state;
    assert_true(both("$(x+1)^2$", "$x^2+2x+1$") && both("$\\sqrt{x^2}$", "$|x|$") && both("$\\tan x$", "$\\frac{\\sin x}{\\cos x}$"));
    assert_true(neither("$a-b$", "$b-a$") && neither("$-x^2$", "$(-x)^2$") && neither("$\\frac{1}{0}$", "$\\infty$"));
    assert_true(neither("$x$", "$y$") && math_verify("$x+1$", "$y+1$", false));
}

static void equations_give_their_value(void **state) {
    (void)state;
    assert_true(both("$x=5$", "5") && both("$x=5$", "$5=x$") && neither("$x=5$", "$y=5$"));
    assert_true(both("$y=2x+1$", "$2x-y+1=0$") && both("$f(x)=2x$", "$2x$"));
    assert_false(same("$1+1=2$", "2")); /* not symmetric: only a name is given a value */
    assert_true(same("2", "$1+1=2$"));
}

static void sets_and_intervals_are_parts_of_the_line(void **state) {
    (void)state;
    assert_true(both("$\\{1,2\\}$", "$\\{2,1,1\\}$") && neither("$(1,2,3)$", "$(1,3,2)$") && both("$\\pm 2$", "$-2,2$"));
    assert_true(both("$(1,2]\\cup(2,3)$", "$(1,3)$") && neither("$(1,2)\\cup(2,3)$", "$(1,3)$") && neither("$[0,1)$", "$[0,1]$"));
    assert_true(same("$x\\geq 2$", "$[2,\\infty)$") && !same("$[2,\\infty)$", "$x\\geq 2$"));
    assert_true(both("$\\mathbb{R}$", "$(-\\infty,\\infty)$") && same("$x\\neq 0$", "$(-\\infty,0)\\cup(0,\\infty)$"));
}

static void matrices_agree_cell_by_cell(void **state) {
    (void)state;
    assert_true(both("$\\begin{pmatrix}1&\\frac12\\\\3&4\\end{pmatrix}$", "$\\begin{bmatrix}1&0.5\\\\3&4\\end{bmatrix}$"));
    assert_true(neither("$\\begin{pmatrix}1&2\\end{pmatrix}$", "$\\begin{pmatrix}1\\\\2\\end{pmatrix}$"));
}

static void the_answer_is_found_where_it_is_announced(void **state) {
    (void)state;
    assert_true(same("42", "The answer is 42 because 6*7") && same("42", "we get \\boxed{41} but then again it is really \\boxed{42}"));
    assert_true(same("42", "The final answer is $42$. I hope it is correct. 7") && same("$1,2,3$", "$1$, $2$ and $3$"));
    assert_false(same("42", "<answer>42</answer>")); /* a number follows a blank, a line's start or an equals sign */
    char *raw;
    assert_true(math_extracted("2023-01-05", &raw));
    assert_string_equal(raw, "2023-01-05");
    free(raw);
    assert_false(math_extracted("no number", &raw));
    assert_null(raw);
}

static void options_are_words_of_their_own(void **state) {
    (void)state;
    static const char *const options[] = {"A", "B", "C", "D"};
    assert_string_equal(math_option("I think B, no C", options, 4), "C");
    assert_string_equal(math_option("Answer: **D**. Not A", options, 4), "D");
    assert_null(math_option("(A) or d", options, 4));
}

/* The original's reward looks at the thoughts too, which the clean one must not. */
static void the_original_reward_is_fooled_by_thoughts(void **state) {
    (void)state;
    const char *text = "<think>the side is 12 cm</think><answer>5</answer>",
               *gold = "<think>the side is 12 cm</think>\n\n<answer>7</answer>";
    assert_true(reward_accuracy_r1mm(text, gold) == 1 && reward_accuracy(text, gold) == 0);
    assert_true(reward_accuracy_r1mm("<answer>A</answer>", "<answer>A</answer>") == 1);
    assert_true(reward_accuracy_r1mm("<answer>a</answer>", "<answer>A</answer>") == 0);
}

static void people_read_what_the_original_does_not(void **state) {
    (void)state;
    assert_true(answer_agrees("0.001", "1e-3") && answer_agrees("7/3", "2 1/3") && answer_agrees("0.1", "0,1") && answer_agrees("+5", "5"));
    assert_true(answer_agrees("$\\cos 60^\\circ$", "0.5") && answer_agrees("$12\\pi$", "12\\pi") && answer_agrees("$i^2$", "-1"));
    assert_true(answer_agrees("$1<x<2$", "$(1,2)$") && answer_agrees("$(1,2)$", "$1<x<2$") && answer_agrees("$2x=10$", "$x=5$"));
    assert_true(answer_agrees("5\u221a2", "$5\\sqrt{2}$") && answer_agrees("\u22125", "-5") && answer_agrees("{42}", "[42]"));
    assert_true(answer_agrees("42", "42 is the answer, not 43") && !answer_agrees("43", "42 is the answer, not 43"));
    assert_true(answer_agrees("$\\{7,8\\}$", "\\boxed{7} or \\boxed{8}") && !answer_agrees("7", "\\boxed{7} or \\boxed{8}"));
    assert_false(answer_agrees("1728", "1331 and 1728"));
}

static void units_are_converted_or_contradict(void **state) {
    (void)state;
    assert_true(answer_agrees("5 cm", "$50\\text{ mm}$") && answer_agrees("3 hours", "180 min") && answer_agrees("5", "5 cm"));
    assert_false(answer_agrees("5 cm", "5 m") || answer_agrees("5 cm^2", "5 cm") || answer_agrees("5 m", "5 min"));
}

static void letters_and_words_are_no_products(void **state) {
    (void)state;
    assert_true(answer_agrees("A", "The correct option is (A).") && answer_agrees("B. 12", "b") && answer_agrees("Yes", "yes."));
    assert_false(answer_agrees("A", "A or B") || answer_agrees("A", "A tree") || answer_agrees("red", "der") || answer_agrees("C", "D"));
}

static void rewards_take_marked_answers_only(void **state) {
    (void)state;
    assert_true(reward_accuracy("<answer> 12 square units </answer>", "12") == 1 &&
                reward_accuracy("<answer>$\\frac{6}{8}$</answer>", "0.75") == 1);
    assert_true(reward_accuracy("so 42 it is", "42") == 0 && reward_exact("42", "42") == 1 && reward_exact("1 2 3 4 5 6 7 8 9", "9") == 0);
    assert_true(reward_accuracy("<think>first I get 42</think> I will not answer", "<think>so 42</think>\n\n<answer>42</answer>") == 0);
    assert_true(reward_accuracy("<think>guess 3 </think><answer>B</answer>", "<think>AB = 3 </think>\n\n<answer>C</answer>") == 0);
}

/* Each would be quadratic or worse for a reader that goes back; here only that they end. */
static void hostile_texts_end(void **state) {
    (void)state;
    static const char *const pieces[] = {"$",  "\\(",    "\\boxed{", "answer ", "final answer is ", "1 ", "1+", "{",
                                         "((", "\\frac", "^",        "|",       "\\sqrt",           "x=", "-",  "$1$ ",
                                         " [", "\\text{"};
    enum { N = 60000 };
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        buf b = {0};
        while (b.size < N) buf_puts(&b, pieces[i]);
        assert_false(same("17", b.data) || answer_agrees("17", b.data));
        buf_reset(&b);
        buf_putc(&b, '$');
        while (b.size < 800) buf_puts(&b, pieces[i]);
        buf_putc(&b, '$');
        assert_false(same("17", b.data) || answer_agrees("17", b.data));
        buf_free(&b);
    }
    buf nested = {0};
    buf_putc(&nested, '$');
    for (int i = 0; i < 40; i++) buf_puts(&nested, "\\{1,");
    buf_putc(&nested, 'x');
    for (int i = 0; i < 40; i++) buf_puts(&nested, "\\}");
    buf_putc(&nested, '$');
    same(nested.data, nested.data);
    buf_free(&nested);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_a_number_are_one),
        cmocka_unit_test(numbers_beyond_64_bits_are_compared_by_digits),
        cmocka_unit_test(decimals_are_rounded_beside_fractions_only),
        cmocka_unit_test(expressions_agree_when_their_values_do),
        cmocka_unit_test(equations_give_their_value),
        cmocka_unit_test(sets_and_intervals_are_parts_of_the_line),
        cmocka_unit_test(matrices_agree_cell_by_cell),
        cmocka_unit_test(the_answer_is_found_where_it_is_announced),
        cmocka_unit_test(options_are_words_of_their_own),
        cmocka_unit_test(the_original_reward_is_fooled_by_thoughts),
        cmocka_unit_test(people_read_what_the_original_does_not),
        cmocka_unit_test(units_are_converted_or_contradict),
        cmocka_unit_test(letters_and_words_are_no_products),
        cmocka_unit_test(rewards_take_marked_answers_only),
        cmocka_unit_test(hostile_texts_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
