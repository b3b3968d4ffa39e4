/* test_lecture.c - what a lecture says decides its answers, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "synth/lecture.h"

enum { LECTURES = 1200 };

static const char *name(const lecture *l, int slide) { return shape_names[l->things[slide].shape].one; }

/* Answers follow from what is said: read from the speech alone, with the things of the quiz picture. */
static int worth_said(const char *speech, const char *thing) {
    char words[64];
    snprintf(words, sizeof words, "The %s is worth ", thing);
    const char *at = strstr(speech, words);
    assert_non_null(at);
    return atoi(at + strlen(words));
}

static const char *option_of(const tree *row) {
    const tree *options = tree_get(row, "options");
    int letter = tree_str(row, "answer", "?")[0] - 'A';
    assert_in_range(letter, 0, options->count - 1);
    return options->items[letter]->text;
}

static void the_speech_answers_every_question(void **state) {
    (void)state;
    for (int i = 0; i < LECTURES; i++) {
        lecture l = lecture_make(3, SYNTH_TEST, i);
        char *speech = lecture_speech(&l);
        int most = 0;
        for (int k = 1; k < LECTURE_SLIDES; k++)
            if (worth_said(speech, name(&l, k)) > worth_said(speech, name(&l, most))) most = k;
        tree *p = lecture_row(&l, PERCEPTION, "a"), *c = lecture_row(&l, COMPREHENSION, "a"), *a = lecture_row(&l, ADAPTATION, "a");
        int sum = worth_said(speech, name(&l, l.quiz[0])) + worth_said(speech, name(&l, l.quiz[1]));
        assert_non_null(strstr(tree_str(p, "question", ""), name(&l, l.asked)));
        assert_int_equal(atoi(option_of(p)), worth_said(speech, name(&l, l.asked)));
        assert_string_equal(option_of(c), name(&l, most));
        if (l.open) assert_int_equal(atoi(tree_str(a, "answer", "")), sum);
        else assert_int_equal(atoi(option_of(a)), sum);
        assert_int_equal(tree_get(a, "options")->count, l.open ? 0 : LECTURE_OPTIONS);
        tree_free(p);
        tree_free(c);
        tree_free(a);
        free(speech);
    }
}

/* Without the lecture a quiz says nothing: each place among the options is right equally often, and options and quiz never tell which. */
static void without_the_lecture_every_option_is_as_likely(void **state) {
    (void)state;
    int right[LECTURE_OPTIONS] = {0}, n = 0, largest = 0;
    for (int i = 0; i < 6 * LECTURES; i++) {
        lecture l = lecture_make(4, SYNTH_TRAIN, i);
        if (l.open) continue;
        for (int k = 0; k < LECTURE_OPTIONS; k++) {
            if (k) assert_true(l.sums[k] > l.sums[k - 1]);
            right[k] += l.sums[k] == lecture_sum(&l);
        }
        /* the sum that most lectures have is no better a guess than another */
        int guess = 0;
        for (int k = 1; k < LECTURE_OPTIONS; k++)
            if (abs(l.sums[k] - 7) < abs(l.sums[guess] - 7)) guess = k;
        largest += l.sums[guess] == lecture_sum(&l);
        n++;
    }
    for (int k = 0; k < LECTURE_OPTIONS; k++) assert_in_range(right[k], n / 6 - 130, n / 6 + 130); /* 4.4 standard deviations of 30 */
    assert_in_range(largest, n / 6 - 130, n / 6 + 130);
}

static void tests_ask_about_combinations_that_training_never_shows(void **state) {
    (void)state;
    for (int i = 0; i < LECTURES; i++) {
        lecture test = lecture_make(5, SYNTH_TEST, i), train = lecture_make(5, SYNTH_TRAIN, i);
        unsigned shapes = 0;
        for (int k = 0; k < LECTURE_SLIDES; k++) {
            assert_int_equal(look_split(train.things[k]), SYNTH_TRAIN);
            assert_false(shapes >> test.things[k].shape & 1);
            shapes |= 1u << test.things[k].shape;
        }
        for (int k = 0; k < LECTURE_QUIZ; k++) assert_int_equal(look_split(test.things[test.quiz[k]]), SYNTH_TEST);
        assert_true(test.quiz[0] != test.quiz[1]);
    }
}

static void ink(const synth_item *item, int frame, int *dark) {
    const image *im = &item->frames[frame];
    *dark = 0;
    for (int i = 0; i < im->width * im->height; i++) *dark += im->data[3 * i] < 60 && im->data[3 * i + 1] < 60 && im->data[3 * i + 2] < 60;
}

static void spoken_numbers_are_not_printed(void **state) {
    (void)state;
    lecture l = lecture_make(6, SYNTH_TRAIN, 0);
    for (int i = 1; l.things[0].color == 4; i++) l = lecture_make(6, SYNTH_TRAIN, i); /* no black shape on the slide */
    for (int spoken = 0; spoken < 2; spoken++) {
        synth_item item;
        int dark;
        assert_int_equal(lecture_draw(&item, &l, 64, spoken, 1), LMM_OK);
        assert_int_equal(item.frame_count, LECTURE_SLIDES + 1);
        ink(&item, 0, &dark);
        if (spoken) assert_int_equal(dark, 0);
        else assert_true(dark > 20);
        synth_item_free(&item);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_speech_answers_every_question),
        cmocka_unit_test(without_the_lecture_every_option_is_as_likely),
        cmocka_unit_test(tests_ask_about_combinations_that_training_never_shows),
        cmocka_unit_test(spoken_numbers_are_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
