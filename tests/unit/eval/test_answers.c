/* test_answers.c - runs that score answers of a file: shares of rows, offsets, rows without an answer, both ways of compatibility. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../folder.h"
#include "eval/eval.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static const char task_text[] =
    "task: tiny\ndataset_path: rows.tsv\ndoc_to_text: \"{{ q }}\"\ndoc_to_target: \"{{ a }}\"\nanswer: {kind: exact, gold: a}\n"
    "metric_list:\n  - {metric: exact_match, aggregation: mean}\nmetadata: {version: 3}\n";

static int set_up_files(void **state) {
    if (set_up(state)) return -1;
    write_text("tiny.yaml", task_text);
    write_text("rows.tsv", "q\ta\none\tx\ntwo\ty\nthree\tz\nfour\tw\n");
    write_text("answers.jsonl",
               "{\"task\": \"tiny\", \"doc_id\": 0, \"responses\": [\"x\"]}\n{\"doc_id\": 1, \"filtered_resps\": \"<think>z</think>y\"}\n"
               "{\"doc_id\": 2, \"response\": \"no\", \"token_counts\": [{\"input_tokens\": 5, \"output_tokens\": 2}]}\n");
    return 0;
}

static tree *run(lmm_eval_opts o) {
    char *report, *answers = path_join(folder, "answers.jsonl");
    tree *t;
    o.tasks = (const char *const[]){"tiny"}, o.task_count = 1, o.task_dir = folder, o.data_dir = folder, o.answers = answers,
    o.quiet = true;
    OK(lmm_eval(NULL, &o, &report));
    OK(tree_parse_json(&t, report, strlen(report), "report"));
    free(report);
    free(answers);
    return t;
}

static void answers_are_scored_and_their_absence_is_counted(void **state) {
    (void)state;
    tree *t = run((lmm_eval_opts){0});
    assert_true(tree_real(tree_at(t, "results.tiny"), "exact_match,none", -1) == 0.5); /* x, y behind its reasoning; no; nothing */
    assert_int_equal(tree_int(tree_at(t, "troubles.tiny"), "unanswered", 0), 1);
    assert_int_equal(tree_int(tree_at(t, "versions"), "tiny", 0), 3);
    tree_free(t);
}

static void limits_may_be_shares_and_offsets_skip(void **state) {
    (void)state;
    tree *t = run((lmm_eval_opts){.limit = 0.5});
    assert_true(tree_real(tree_at(t, "results.tiny"), "exact_match,none", -1) == 1);
    assert_int_equal(tree_int(tree_at(t, "n-samples.tiny"), "effective", 0), 2);
    tree_free(t);
    t = run((lmm_eval_opts){.offset = 1, .limit = 2, .reasoning_tags = "none"});
    assert_true(tree_real(tree_at(t, "results.tiny"), "exact_match,none", -1) == 0);
    tree_free(t);
}

static void samples_can_be_scored_again(void **state) {
    (void)state;
    char *out = path_join(folder, "out"), **names, *report, *path;
    int n;
    tree_free(run((lmm_eval_opts){.output_dir = out, .log_samples = true, .model_args = "pretrained=org/my-model"}));
    char *dir = path_join(out, "org__my-model");
    OK(dir_list(&names, &n, dir));
    assert_int_equal(n, 2);
    path = path_join(dir, names[1]);
    assert_non_null(strstr(names[1], "_samples_tiny.jsonl"));
    OK(lmm_eval(NULL,
                &(lmm_eval_opts){.tasks = (const char *const[]){"tiny"},
                                 .task_count = 1,
                                 .task_dir = folder,
                                 .data_dir = folder,
                                 .answers = path,
                                 .quiet = true},
                &report));
    assert_non_null(strstr(report, "\"exact_match,none\": 0.5"));
    free(report);
    names_free(names, n);
    free(path);
    free(dir);
    free(out);
}

static void doubled_answers_are_refused(void **state) {
    (void)state;
    answer_file *a;
    char *path = path_join(folder, "twice.jsonl");
    write_text("twice.jsonl", "{\"doc_id\": 1, \"response\": \"a\"}\n{\"doc_id\": 1, \"response\": \"b\"}\n");
    assert_int_equal(answers_open(&a, path), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "line 2"));
    write_text("twice.jsonl", "{\"response\": \"a\"}\n");
    assert_int_equal(answers_open(&a, path), LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "'doc_id'"));
    free(path);
}

int main(void) {
#define RUN(test) cmocka_unit_test_setup_teardown(test, set_up_files, tear_down)
    const struct CMUnitTest tests[] = {
        RUN(answers_are_scored_and_their_absence_is_counted),
        RUN(limits_may_be_shares_and_offsets_skip),
        RUN(samples_can_be_scored_again),
        RUN(doubled_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
