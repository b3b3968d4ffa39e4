/* test_rewards.c - forms, lengths, boxes and choices: the rules where published code differs, and texts that must not hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

static void a_newline_in_the_thoughts_divides_the_formats(void **state) {
    (void)state;
    const char *lines = "<think>a\nb</think><answer>c</answer>", *tail = "<think>a</think><answer>c</answer> and more";
    assert_true(reward_format("open_r1_multimodal", lines) == 0 && reward_format("vlm_r1", lines) == 1);
    assert_true(reward_format("open_r1_multimodal", tail) == 1 && reward_format("vlm_r1", tail) == 0);
    assert_false(reward_format_known("vlm"));
}

static void a_text_of_tags_takes_no_time(void **state) {
    (void)state;
    enum { N = 20000 };
    buf b = {0};
    for (int i = 0; i < N; i++) buf_puts(&b, i % 2 ? "<think>" : "</think>");
    assert_true(reward_format("vlm_r1", b.data) == 0);
    buf_free(&b);
}

static void the_first_and_the_last_answer_are_found(void **state) {
    (void)state;
    const char *text = "<answer>1</answer> then <answer>2\n</answer> <answer>3";
    size_t n;
    assert_int_equal(answer_find(text, false, false, &n)[0], '1');
    assert_int_equal(answer_find(text, true, false, &n)[0], '2');
    assert_int_equal(answer_find(text, true, true, &n)[0], '1');
    assert_null(answer_find("<answer>open", false, false, &n));
}

static void repetition_counts_distinct_grams(void **state) {
    (void)state;
    const int ids[] = {1, 2, 1, 2, 1, 2, 3};
    assert_true(fabs(reward_repetition(ids, 7, 2, -1) - -(1 - 3 / 6.0)) < 1e-12);
    assert_true(reward_repetition(ids, 1, 2, -1) == 0);
    assert_true(fabs(reward_repeated_words("No no NO no", 1, -1) - -0.75) < 1e-12);
}

static void boxes_that_share_a_pixel_line_do_not_overlap(void **state) {
    (void)state;
    const labelled_box a = {0, 0, 10, 10, "cat"}, b = {9, 0, 19, 10, "cat"}, c = {0, 0, 10, 10, "dog"};
    assert_true(box_iou(&a, &a) == 1);
    assert_true(box_iou(&a, &b) == 0);
    assert_true(reward_detection(&a, 1, &a, 1, 0.5, 0.7, 0, 0.3) == 1);
    assert_true(fabs(reward_detection(&c, 1, &a, 1, 0.5, 0.7, 0, 0.3) - 0.3) < 1e-12);
    assert_true(reward_detection(&a, 1, NULL, 0, 0.5, 0.7, 0, 0.3) == 0);
}

static void letters_and_words_are_read(void **state) {
    (void)state;
    assert_int_equal(choice_letter("I would say (b). The answer is C."), 'C');
    assert_int_equal(choice_letter("nothing here"), '\0');
    assert_string_equal(yes_or_no("Well, Yes"), "yes");
    assert_null(yes_or_no("maybe"));
    char *clean = answer_clean("<answer> Five Cats.. </answer>");
    assert_string_equal(clean, "five cats");
    free(clean);
    assert_true(fabs(levenshtein_ratio("kitten", "sitting") - 8 / 13.0) < 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newline_in_the_thoughts_divides_the_formats), cmocka_unit_test(a_text_of_tags_takes_no_time),
        cmocka_unit_test(the_first_and_the_last_answer_are_found),       cmocka_unit_test(repetition_counts_distinct_grams),
        cmocka_unit_test(boxes_that_share_a_pixel_line_do_not_overlap),  cmocka_unit_test(letters_and_words_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
