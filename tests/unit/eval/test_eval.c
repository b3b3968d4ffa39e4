/* test_eval.c - task files read, refused, included and chosen, and a whole run on a tiny model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/eval.h"
#include "../folder.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static const char task_text[] =
    "task: tiny\nmetadata: {version: 2}\ndataset_path: rows.jsonl\ndoc_to_visual: \"{{ file }}\"\ndoc_to_text: \"Q: "
    "{{ q }}\"\ndoc_to_target: \"{{ a }}\"\ngeneration_kwargs: {max_new_tokens: 4}\n"
    "answer: {kind: exact, gold: a}\nmetric_list:\n  - {metric: exact_match, aggregation: mean}\ngroup_by: kind\n";

static lmm_status open_set(task_set *s) { return task_set_open(s, (const char *const[]){folder}, 1); }

static void the_published_tasks_are_read(void **state) {
    (void)state;
    task_set s;
    task_list list;
    OK(task_set_open(&s, (const char *const[]){LMM_SOURCE "/tasks"}, 1));
    assert_true(s.all.count >= 80);
    const eval_task *t = task_find(&s, "easyvqa");
    assert_non_null(t);
    assert_int_equal(strlen(t->hash), 64);
    OK(task_select(&list, &s, "mvbench,mme"));
    assert_int_equal(list.count, 21);
    assert_string_equal(list.at[0]->name, "mvbench_object_interaction"); /* names backwards, members as the group lists them */
    assert_string_equal(list.at[20]->name, "mme");
    free(list.at);
    OK(task_select(&list, &s, "coco201*"));
    assert_int_equal(list.count, 2);
    free(list.at);
    assert_int_not_equal(task_select(&list, &s, "easyvga"), LMM_OK);
    assert_non_null(strstr(lmm_message(), "'easyvqa'"));
    task_set_close(&s);
}

static void refused(const char *from, const char *to, const char *word) {
    char text[1024];
    task_set s;
    const char *at = strstr(task_text, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - task_text), task_text, to, at + strlen(from));
    write_text("a.yaml", text);
    assert_int_not_equal(open_set(&s), LMM_OK);
    if (!strstr(lmm_message(), word)) fail_msg("\"%s\" should hold \"%s\"", lmm_message(), word);
}

static void mistakes_name_the_nearest_word(void **state) {
    (void)state;
    refused("doc_to_text", "doc_to_txt", "'doc_to_text'");
    refused("kind: exact", "kind: exakt", "'exact'");
    refused("gold: a", "gould: a", "'gold'");
    refused("aggregation: mean", "aggregation: meen", "'mean'");
    refused("aggregation: mean", "agregation: mean", "'aggregation'");
    refused("answer:", "include: nowhere.yaml\nanswer:", "nowhere.yaml");
}

static void an_included_file_gives_what_is_missing(void **state) {
    (void)state;
    task_set s;
    write_text("_base.yaml", task_text);
    write_text("a.yaml", "include: _base.yaml\ntask: other\nmetadata: {version: 7}\n");
    OK(open_set(&s));
    assert_int_equal(s.all.count, 1);
    assert_int_equal(tree_int(tree_get(s.all.at[0].config, "metadata"), "version", 0), 7);
    assert_string_equal(tree_str(s.all.at[0].config, "dataset_path", ""), "rows.jsonl");
    task_set_close(&s);
    write_text("_base.yaml", "include: _base.yaml\n");
    assert_int_not_equal(open_set(&s), LMM_OK);
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
    write_text("tiny.yaml", task_text);
    write_text("rows.jsonl",
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
    write_text("tiny.yaml",
               "task: tiny\ndataset_path: none.json\ndataset_kwargs: {fetch: get-it.sh}\ndoc_to_text: y\nanswer: {kind: exact}\n"
               "metric_list:\n  - {metric: exact_match}\n");
    task_set s;
    task_run r;
    OK(open_set(&s));
    assert_int_equal(task_run_open(&r, &s.all.at[0], &(lmm_eval_opts){.data_dir = folder}, 0), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "get-it.sh"));
    task_set_close(&s);
}

int main(void) {
#define RUN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RUN(the_published_tasks_are_read),  RUN(mistakes_name_the_nearest_word),  RUN(an_included_file_gives_what_is_missing),
        RUN(a_run_reports_scores_by_group), RUN(missing_data_says_how_to_get_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
