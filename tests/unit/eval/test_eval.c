/* test_eval.c - a task file read and refused, scores and their errors, and a whole run on a tiny model. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/eval.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static char folder[64];

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/lmm-eval-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return dir_remove(folder) != LMM_OK;
}

static void put(const char *name, const char *text) {
    char *path = path_join(folder, name);
    OK(file_write(path, text, strlen(text)));
    free(path);
}

static const char task_text[] = "task: tiny\nversion: 2\nsource: made here\ndata: {path: rows.jsonl}\nimage: \"{file}\"\nprompt: \"Q: "
                                "{q}\"\ngenerate: {max_tokens: 4}\n"
                                "answer: {kind: text, target: a}\nmetrics: [exact_match]\ngroup_by: kind\n";

static void the_published_tasks_are_read(void **state) {
    (void)state;
    eval_task t;
    OK(task_open(&t, LMM_SOURCE "/tasks", "easyvqa"));
    assert_string_equal(t.name, "easyvqa");
    assert_int_equal(t.metric_count, 1);
    assert_int_equal(strlen(t.hash), 64);
    task_close(&t);
}

static void mistakes_name_the_nearest_word(void **state) {
    (void)state;
    eval_task t;
    put("a.yaml", "task: a\nversion: 1\nsource: s\ndata: {path: x}\npromt: y\nanswer: {target: a}\nmetrics: [exact_match]\n");
    assert_int_not_equal(task_open(&t, folder, "a"), LMM_OK);
    assert_non_null(strstr(lmm_message(), "'prompt'"));
    put("a.yaml", "task: a\nversion: 1\nsource: s\ndata: {path: x}\nprompt: y\nanswer: {target: a}\nmetrics: [exact_mach]\n");
    assert_int_not_equal(task_open(&t, folder, "a"), LMM_OK);
    assert_non_null(strstr(lmm_message(), "'exact_match'"));
    assert_int_not_equal(task_open(&t, LMM_SOURCE "/tasks", "easyvga"), LMM_OK);
    assert_non_null(strstr(lmm_message(), "'easyvqa'"));
}

static void errors_of_means(void **state) {
    (void)state;
    const double x[] = {1, 0, 1, 1};
    assert_true(fabs(mean_of(x, 4) - 0.75) < 1e-15);
    assert_true(fabs(mean_stderr(x, 4) - 0.25) < 1e-15); /* sqrt(0.75 / 3 / 4) */
    assert_true(isnan(mean_stderr(x, 1)));
}

static void answers_lose_their_white_space_only(void **state) {
    (void)state;
    buf b = {0};
    extractor_find("text")->run(&b, " \n Red cat\t");
    assert_string_equal(b.data, "Red cat");
    buf_free(&b);
    assert_true(metric_find("exact_match")->score("Red", "red") == 0);
    assert_true(metric_find("exact_match_nocase")->score("Red", "red") == 1);
}

/* The report and samples of a run; batch must not matter. free() */
static char *run(int batch) {
    lmm_runtime *r;
    lmm_model *m;
    char *report, *out = path_join(folder, "out");
    const char *tasks[] = {"tiny"};
    OK(lmm_runtime_open(&r, 1, NULL));
    OK(lmm_model_open(&m, r, LMM_TESTS "/golden/data/golden/checkpoints/llava"));
    OK(lmm_eval(m,
                &(lmm_eval_opts){.tasks = tasks,
                                 .task_count = 1,
                                 .task_dir = folder,
                                 .data_dir = folder,
                                 .batch = batch,
                                 .output_dir = out,
                                 .log_samples = true,
                                 .quiet = true},
                &report));
    lmm_model_close(m);
    lmm_runtime_close(r);
    free(out);
    return report;
}

static void a_run_reports_scores_by_group(void **state) {
    (void)state;
    put("tiny.yaml", task_text);
    put("rows.jsonl",
        "{\"q\": \"one\", \"a\": \"x\", \"kind\": \"k\", \"file\": \"" LMM_TESTS "/golden/data/golden/images/rgb.png\"}\n"
        "{\"q\": \"two\", \"a\": \"y\", \"kind\": \"l\", \"file\": \"" LMM_TESTS "/golden/data/golden/images/gray.png\"}\n"
        "{\"q\": \"three\", \"a\": \"z\", \"kind\": \"l\", \"file\": \"" LMM_TESTS "/golden/data/golden/images/gray.png\"}\n");
    char *one = run(1), *three = run(3);
    tree *a, *b;
    OK(tree_parse_json(&a, one, strlen(one), "report"));
    OK(tree_parse_json(&b, three, strlen(three), "report"));
    const tree *t = tree_at(a, "results.tiny"), *same = tree_at(b, "results.tiny");
    assert_true(tree_real(t, "exact_match,none", -1) == tree_real(same, "exact_match,none", -2));
    assert_int_equal(tree_int(tree_at(t, "by.l"), "count", 0), 2);
    assert_int_equal(tree_int(tree_at(a, "n-samples.tiny"), "effective", 0), 3);
    assert_int_equal(tree_int(tree_at(a, "versions"), "tiny", 0), 2);
    tree_free(a);
    tree_free(b);
    free(one);
    free(three);
}

static void missing_data_says_how_to_get_it(void **state) {
    (void)state;
    put("tiny.yaml", "task: tiny\nversion: 1\nsource: s\ndata: {path: none.json, fetch: get-it.sh}\nprompt: y\nanswer: {target: "
                     "a}\nmetrics: [exact_match]\n");
    eval_task t;
    task_run r;
    OK(task_open(&t, folder, "tiny"));
    assert_int_equal(task_run_model(&r, &t, NULL, &(lmm_eval_opts){.data_dir = folder}), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "get-it.sh"));
    task_close(&t);
}

int main(void) {
#define RUN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RUN(the_published_tasks_are_read),        RUN(mistakes_name_the_nearest_word), RUN(errors_of_means),
        RUN(answers_lose_their_white_space_only), RUN(a_run_reports_scores_by_group),  RUN(missing_data_says_how_to_get_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
