/* test_reply.c - replies that pose and solve a problem, taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/data.h"

static void leads_go_and_thoughts_are_joined(void **state) {
    (void)state;
    solved_reply r;
    reply_split(&r, "Question: How many? Answer:\n<think> one </think> <think>never closed <think>two</think><answer>1</answer> "
                    "<answer>Answer: 2 </answer>");
    assert_string_equal(r.problem, "How many?");
    assert_string_equal(r.solution, "<think>one two</think>\n\n<answer>2</answer>");
    assert_false(tags_empty(r.solution) || reply_leaks(&r));
    reply_free(&r);
    reply_split(&r, "");
    assert_string_equal(r.solution, "<think></think>");
    assert_true(tags_empty(r.solution));
    reply_free(&r);
}

static void a_problem_that_tells_its_answer_leaks(void **state) {
    (void)state;
    solved_reply r;
    reply_split(&r, "Question: 2 + 2? Answer: 4\n<think>t</think><answer>4</answer>");
    assert_true(reply_leaks(&r));
    reply_free(&r);
}

static void only_adjacent_tags_are_empty(void **state) {
    (void)state;
    assert_true(tags_empty("a <b></c> d"));
    assert_false(tags_empty("<b> </b>") || tags_empty("<></a>") || tags_empty("<a></>") || tags_empty("<a></a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(leads_go_and_thoughts_are_joined),
                                       cmocka_unit_test(a_problem_that_tells_its_answer_leaks),
                                       cmocka_unit_test(only_adjacent_tags_are_empty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
