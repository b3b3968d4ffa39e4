/* test_pairs.c - pairs from answers and scores: resumed runs write the same file, and a judge who talks nonsense or is gone is survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "eval/eval_int.h"
#include "../folder.h"

#define OK(call) assert_int_equal((call), LMM_OK)

/* Somebody to ask: answers with a digit of the seed, or with a score; may go away after `alive` questions. */
typedef struct {
    int asked, alive;
    bool judges, babbles;
} somebody;

static lmm_status reply_to(somebody *s, const lmm_chat_feed *feed, const lmm_chat_request *r) {
    char text[64];
    bool there = s->asked++ < s->alive;
    if (s->judges) {
        const char *answer = strstr(r->messages, "Answer to rate: ");
        snprintf(text, sizeof text, s->babbles ? "I like it" : "Score: %d", 1 + (answer[16] - '0') % 5);
    } else snprintf(text, sizeof text, " %d is it", (int)(r->seed % 10));
    return feed->take(feed->arg, r->id, &(lmm_chat_reply){there ? text : NULL, there ? NULL : "gone", there ? 10 : -1, there ? 2 : -1});
}

static lmm_status ask(void *self, const lmm_chat_feed *feed) {
    lmm_status st = LMM_OK;
    for (bool there = true; there && !st;) {
        lmm_chat_request r = {0};
        st = feed->next(feed->arg, &r, &there);
        if (!st && there) st = reply_to(self, feed, &r);
    }
    return st;
}

static char *get(const char *name) {
    char *path = in_folder(name), *text;
    OK(file_read(&text, NULL, path, 1 << 20));
    free(path);
    return text;
}

static lmm_status run(const char *out, somebody *policy, somebody *referee, uint64_t seed, lmm_pairs_report *report) {
    write_text("prompts.jsonl", "{\"prompt\": \"<image>\\nHow many?\", \"answer\": \"4\"}\n{\"problem\": \"What?\"}\n{\"nothing\": 1}\n"
                                "{\"prompt\": \"Where?\", \"image\": \"no-such.png\"}\n{\"question\": \"Why?\"}\n");
    char *prompts = in_folder("prompts.jsonl"), *path = in_folder(out);
    lmm_status st = lmm_pairs(&(lmm_pairs_opts){.prompts = prompts,
                                                .images = folder,
                                                .out = path,
                                                .policy = ask,
                                                .judge = ask,
                                                .policy_self = policy,
                                                .judge_self = referee,
                                                .policy_name = "p",
                                                .judge_name = "j",
                                                .samples = 4,
                                                .max_tokens = 8,
                                                .judge_tokens = 8,
                                                .temperature = 1,
                                                .margin = 1,
                                                .retries = 2,
                                                .seed = seed,
                                                .quiet = true},
                              report);
    free(prompts);
    free(path);
    return st;
}

static void scores_are_read_and_nonsense_is_none(void **state) {
    (void)state;
    assert_true(pairs_score("Score: 4") == 4 && pairs_score("The score is clear.\nscore = 3.5, good") != 4);
    assert_true(pairs_score(" 5 ") == 5 && pairs_score("2.") == 2 && pairs_score("**Score:** 3") == 3);
    const char *const none[] = {"", "Score:", "Score: 7", "Score: 0", "Score: nan", "five", "5 of the 10 facts", "-3", "I give it 4"};
    for (size_t i = 0; i < COUNT_OF(none); i++) assert_true(isnan(pairs_score(none[i])));
}

static void best_and_worst_make_a_pair(void **state) {
    (void)state;
    somebody policy = {.alive = 999}, referee = {.alive = 999, .judges = true};
    lmm_pairs_report r;
    OK(run("pairs.jsonl", &policy, &referee, 1, &r));
    assert_int_equal(r.answers, 12);
    assert_int_equal(policy.asked, 12);
    assert_int_equal(referee.asked, 12);
    assert_int_equal(r.unpaired, 2); /* no prompt; no picture */
    assert_int_equal(r.pairs + r.alike, 3);
    assert_int_equal(r.input_tokens, 240);
    char *text = get("pairs.jsonl");
    assert_true(r.pairs > 0);
    assert_null(strstr(text, "<image>"));
    assert_non_null(strstr(text, "\"chosen_score\": "));
    free(text);
}

/* Wherever it was broken off, also in the middle of a line: what is known is not asked again, and the pairs are the same. */
static void a_run_goes_on_from_its_journal(void **state) {
    (void)state;
    somebody policy = {.alive = 999}, referee = {.alive = 999, .judges = true};
    lmm_pairs_report r;
    OK(run("whole.jsonl", &policy, &referee, 1, &r));
    char *want = get("whole.jsonl"), *journal = get("whole.jsonl.journal");
    for (size_t cut = strlen(journal); cut > 300; cut = cut * 7 / 8) {
        char kept = journal[cut];
        journal[cut] = '\0';
        write_text("cut.jsonl.journal", journal);
        journal[cut] = kept;
        policy.asked = referee.asked = 0;
        OK(run("cut.jsonl", &policy, &referee, 1, &r));
        assert_true(policy.asked < 12);
        char *have = get("cut.jsonl");
        assert_string_equal(have, want);
        free(have);
    }
    assert_int_equal(run("whole.jsonl", &policy, &referee, 2, &r), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "other prompts, models or settings"));
    free(journal);
    free(want);
}

static void a_judge_who_is_gone_or_babbles_is_counted(void **state) {
    (void)state;
    somebody policy = {.alive = 999}, referee = {.alive = 5, .judges = true}, babbler = {.alive = 999, .judges = true, .babbles = true};
    lmm_pairs_report r;
    OK(run("gone.jsonl", &policy, &referee, 1, &r));
    assert_int_equal(r.without_score, 7);
    assert_int_equal(r.failed, 7 * 3);
    referee.alive = 999;
    OK(run("gone.jsonl", &policy, &referee, 1, &r)); /* it is back: the seven are judged now */
    assert_int_equal(r.judged, 7);
    assert_int_equal(r.without_score, 0);
    OK(run("babble.jsonl", &policy, &babbler, 1, &r));
    assert_int_equal(babbler.asked, 12 * 3);
    assert_int_equal(r.pairs, 0);
    assert_int_equal(r.without_score, 12);
}

static lmm_status says_a_colour(void *self, const lmm_chat_feed *feed) {
    static const char *const colours[] = {"red", "", "blue", "yellow"};
    int *asked = self;
    lmm_status st = LMM_OK;
    for (bool there = true; there && !st;) {
        lmm_chat_request r = {0};
        st = feed->next(feed->arg, &r, &there);
        if (!st && there)
            st = feed->take(feed->arg, r.id,
                            &(lmm_chat_reply){.text = (char *)colours[(*asked)++ % 4], .input_tokens = -1, .output_tokens = -1});
    }
    return st;
}

/* models/mini-v0 knows the colour of its example; that answer is the chosen one, and a second run asks nobody. */
static void a_judge_may_weigh_answers_by_its_own_likelihood(void **state) {
    (void)state;
    lmm_runtime *rt;
    lmm_model *mini;
    lmm_pairs_report r;
    int asked = 0;
    OK(lmm_runtime_open(&rt, 0, NULL));
    OK(lmm_model_open(&mini, rt, LMM_SOURCE "/models/mini-v0"));
    write_text("prompts.jsonl", "{\"question\": \"what color is the shape?\", \"image\": \"2.png\"}\n");
    char *prompts = in_folder("prompts.jsonl"), *out = in_folder("weighed.jsonl");
    const lmm_pairs_opts o = {.prompts = prompts,
                              .images = LMM_SOURCE "/models/mini-v0/examples",
                              .out = out,
                              .policy = says_a_colour,
                              .policy_self = &asked,
                              .likelihood = mini,
                              .policy_name = "p",
                              .judge_name = "j",
                              .samples = 5, /* one colour twice */
                              .max_tokens = 8,
                              .margin = 1,
                              .quiet = true};
    lmm_cancel();
    assert_int_equal(lmm_pairs(&o, &r), LMM_E_CANCELLED);
    lmm_cancel_reset();
    OK(lmm_pairs(&o, &r));
    assert_int_equal(r.pairs, 1);
    assert_int_equal(r.judged, 5);
    char *text = get("weighed.jsonl");
    assert_non_null(strstr(text, "\"chosen\": \"blue\""));
    assert_null(strstr(text, "\": \"\"")); /* an empty answer is in no pair: training would refuse it */
    free(text);
    OK(lmm_pairs(&o, &r));
    assert_int_equal(asked, 5);
    assert_int_equal(r.judged, 0);
    assert_int_equal(r.pairs, 1);
    free(prompts);
    free(out);
    lmm_model_close(mini);
    lmm_runtime_close(rt);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_read_and_nonsense_is_none),
        cmocka_unit_test_setup_teardown(best_and_worst_make_a_pair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_goes_on_from_its_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_judge_who_is_gone_or_babbles_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_judge_may_weigh_answers_by_its_own_likelihood, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
