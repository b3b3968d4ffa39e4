/* test_scores.c - what rules read out of responses, and scores of rows and corpora: the cases an eye would ask for first. */
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

static const char *shared(scratch *m, const char *letters, const char *response) {
    letter_rule r = {.mem = m, .letters = letters};
    return letter_shared(&r, response);
}

static void letters_follow_the_order_of_evidence(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"**B**", "B"},   {"The answer is (C).", "C"}, {"A dog and a cat", "A"}, {"Not A but B", "B"},
                                           {"option b", ""}, {"I think D", "D"},          {"Answer: C", "C"},       {"DNA ", "A"},
                                           {"", ""},         {"\u7b54\u6848\u662fD", "D"}};
    scratch m = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++) assert_string_equal(shared(&m, "ABCD", cases[i][0]), cases[i][1]);
    assert_string_equal(shared(&m, "ABCDEFGHIJ", "I think D"), "I");
    scratch_free(&m);
}

static void a_letter_by_chance_is_counted(void **state) {
    (void)state;
    scratch m = {0};
    py_random random;
    int drawn = 0;
    char *texts[] = {(char[]){"red"}, (char[]){"blue"}};
    letter_rule r = {.mem = &m, .letters = "AB", .texts = texts, .random = &random, .drawn = &drawn};
    py_random_seed(&random, 0);
    assert_string_equal(letter_mmmu(&r, "it seems that the sky is blue"), "B");
    assert_int_equal(drawn, 0);
    assert_true(strlen(letter_mmmu(&r, "no idea")) == 1);
    assert_int_equal(drawn, 1);
    scratch_free(&m);
}

static void open_answers_match_by_number_or_text(void **state) {
    (void)state;
    scratch m = {0};
    tree *gold = tree_new_string("5.00"), *c = open_candidates(&m, "Thus the total is $5, so x = 5.", open_words_mmmu);
    assert_true(open_correct(&m, gold, c));
    tree_free(c);
    c = open_candidates(&m, "Thus the total is 50.", open_words_mmmu);
    assert_false(open_correct(&m, gold, c));
    tree_free(c);
    tree_free(gold);
    scratch_free(&m);
}

static void vqa_answers_lose_articles_and_regain_apostrophes(void **state) {
    (void)state;
    scratch m = {0};
    assert_string_equal(vqa_normal(&m, "The two dogs, dont run!", true), "2 dogs don't run");
    tree *answers = tree_new(TREE_LIST);
    for (int i = 0; i < 10; i++) tree_add(answers, tree_new_string(i < 2 ? "a cat" : "dog"));
    assert_true(fabs(vqa_accuracy(&m, "cat", answers, true) - 0.6) < 1e-12);
    tree_free(answers);
    scratch_free(&m);
}

static void short_texts_are_compared_as_their_papers_say(void **state) {
    (void)state;
    scratch m = {0};
    tree *gold = tree_new_string("Paris");
    assert_int_equal(edit_distance(&m, "kitten", "sitting"), 3);
    assert_true(anls(&m, "paris", gold, 0.5, false) == 1);
    assert_true(anls(&m, "London", gold, 0.5, false) == 0);
    assert_true(relaxed_equal(&m, "104", "100", 0.05) && !relaxed_equal(&m, "106", "100", 0.05));
    assert_true(relaxed_equal(&m, "50%", "0.5", 0.05) && !relaxed_equal(&m, "0.01", "0", 0.05));
    assert_string_equal(yes_no_label(&m, "Yesterday."), "yes");
    assert_string_equal(yes_no_label(&m, "I know"), "other");
    tree_free(gold);
    scratch_free(&m);
}

static void captions_equal_to_their_references_score_full(void **state) {
    (void)state;
    const char *refs[2][1] = {{"a man rides a horse on the beach"}, {"two cats sleep on a red sofa"}};
    const caption same[] = {{refs[0][0], refs[0], 1}, {refs[1][0], refs[1], 1}}, none[] = {{"x y z", refs[0], 1}, {"", refs[1], 1}};
    caption_scores s;
    captions_score(&s, same, 2);
    assert_true(fabs(s.bleu[3] - 1) < 1e-6 && fabs(s.rouge_l - 1) < 1e-12 && fabs(s.cider - 10) < 1e-9);
    caption_scores_free(&s);
    captions_score(&s, none, 2);
    assert_true(s.bleu[0] < 1e-6 && s.rouge_l == 0 && s.cider == 0);
    caption_scores_free(&s);
    assert_true(meteor_score(same, 1, NULL) > 0.999 && meteor_score(none, 2, NULL) == 0);
}

static void words_are_cut_as_the_treebank_does(void **state) {
    (void)state;
    scratch m = {0};
    assert_string_equal(ptb_tokenize(&m, "DON'T stop, it's 5:30 p.m. (really)!"), "do n't stop it 's 5:30 p.m. -lrb- really -rrb-");
    assert_string_equal(ptb_tokenize(&m, "black/white t-shirt w/ AT&T's logo"), "black/white t-shirt w / at&t 's logo");
    static const char *const stems[][2] =
        {{"running", "run"}, {"flies", "fli"}, {"happily", "happili"}, {"skies", "sky"},   {"nationalization", "nation"},
         {"horses", "hors"}, {"dying", "die"}, {"hopping", "hop"},     {"hoping", "hope"}, {"generous", "generous"}};
    for (size_t i = 0; i < COUNT_OF(stems); i++) assert_string_equal(stem_english(&m, stems[i][0]), stems[i][1]);
    scratch_free(&m);
}

static void errors_know_clusters(void **state) {
    (void)state;
    const double x[] = {1, 0, 1, 1};
    const char *all[] = {"a", "b", "c", "d"}, *two[] = {"a", "a", "b", "b"}, *one[] = {"a", "a", "a", "a"};
    assert_true(fabs(mean_of(x, 4) - 0.75) < 1e-15);
    assert_true(fabs(mean_stderr(x, 4) - 0.25) < 1e-15); /* sqrt(0.75 / 3 / 4) */
    assert_true(isnan(mean_stderr(x, 1)) && isnan(clustered_stderr(x, one, 4)));
    assert_true(fabs(clustered_stderr(x, all, 4) - 0.25) < 1e-12); /* clusters of one change nothing */
    assert_true(clustered_stderr(x, two, 4) < 0.25);
    assert_true(fabs(pass_at_k(10, 3, 1) - 0.3) < 1e-12 && pass_at_k(5, 3, 3) == 1);
    assert_true(fabs(mcnemar(10, 2) - 0.03857421875) < 1e-12);
}

static void a_gain_of_knowledge_counts_both_ways(void **state) {
    (void)state;
    static const bool was[] = {true, true, false, false, false}, is[] = {true, false, true, true, false};
    tree *before = tree_new(TREE_LIST), *after = tree_new(TREE_LIST);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "q%d", i);
        for (int side = 0; side < 2; side++) {
            tree *r = tree_new(TREE_MAP);
            tree_put(r, "id", tree_new_string(id));
            tree_put(r, "correct", tree_new_bool(side ? is[i] : was[i]));
            tree_add(side ? after : before, r);
        }
    }
    tree *d = videommmu_delta(before, after);
    assert_true(fabs(tree_real(d, "delta_knowledge", 0) - (60.0 - 40) / 60 * 100) < 1e-9);
    assert_true(fabs(tree_real(tree_get(d, "wrong_to_right"), "rate", 0) - 200.0 / 3) < 1e-9);
    assert_true(tree_real(tree_get(d, "right_to_wrong"), "rate", 0) == 50);
    assert_int_equal(tree_get(d, "delta_ci95")->count, 2);
    tree_free(d);
    tree_free(before);
    tree_free(after);
}

static void unknown_filters_and_bad_patterns_are_named(void **state) {
    (void)state;
    tree *chain, *responses = tree_new(TREE_LIST), *out;
    static const char bad[] = "[[\"lowercas\", null]]", pattern[] = "[[\"regex\", {\"regex_pattern\": \"(\"}]]";
    tree_add(responses, tree_new_string("x"));
    OK(tree_parse_json(&chain, bad, strlen(bad), "chain"));
    assert_int_not_equal(filter_apply(&out, chain, responses), LMM_OK);
    assert_non_null(strstr(lmm_message(), "'lowercase'"));
    tree_free(chain);
    OK(tree_parse_json(&chain, pattern, strlen(pattern), "chain"));
    assert_int_not_equal(filter_apply(&out, chain, responses), LMM_OK);
    tree_free(chain);
    tree_free(responses);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_follow_the_order_of_evidence),         cmocka_unit_test(a_letter_by_chance_is_counted),
        cmocka_unit_test(open_answers_match_by_number_or_text),         cmocka_unit_test(vqa_answers_lose_articles_and_regain_apostrophes),
        cmocka_unit_test(short_texts_are_compared_as_their_papers_say), cmocka_unit_test(captions_equal_to_their_references_score_full),
        cmocka_unit_test(words_are_cut_as_the_treebank_does),           cmocka_unit_test(errors_know_clusters),
        cmocka_unit_test(a_gain_of_knowledge_counts_both_ways),         cmocka_unit_test(unknown_filters_and_bad_patterns_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
