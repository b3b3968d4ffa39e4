/* test_dpo.c - runs over pairs: the first step knows no difference, later ones prefer what was chosen, and a resumed run ends in the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static char folder[64];

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/lmm-dpo-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return dir_remove(folder) != LMM_OK;
}

static void write_text(const char *name, const char *text) {
    char *path = path_join(folder, name);
    OK(file_write(path, text, strlen(text)));
    free(path);
}

/* LLaVA's layout, trl's with messages, and one without a picture. */
static const char pairs[] =
    "[{\"image\": \"rgb.png\", \"prompt\": \"what is the color?\", \"chosen\": \"red\", \"rejected\": \"a blue one\"},"
    " {\"images\": [\"wide.png\"], \"prompt\": [{\"role\": \"user\", \"content\": \"<image>\\nis it blue?\"}], \"chosen\": [{\"role\": "
    "\"assistant\", "
    "\"content\": \"yes\"}], \"rejected\": [{\"role\": \"assistant\", \"content\": \"no\"}]},"
    " {\"prompt\": \"no picture at all?\", \"chosen\": \"none\", \"rejected\": \"a circle\"}]";

static lmm_status train(const char *run, const char *const *more, int count) {
    char *text =
        mem_printf("run: %s/%s\nseed: 3\nmodel: {open: %s/models/mini}\ndata: [{path: %s/pairs.json, images: "
                   "%s/golden/data/golden/images}]\nbatch: 3\nsteps: 6\ndpo: {beta: 0.5}\noptimizer: {lr: 1.0e-4}\nschedule: {kind: "
                   "constant, warmup: 0}\nlog_every: 1\nsave_every: 2\nkeep: 9\n",
                   folder, run, LMM_SOURCE, folder, LMM_TESTS);
    write_text("pairs.json", pairs);
    write_text("recipe.yaml", text);
    free(text);
    char *path = path_join(folder, "recipe.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 2, NULL));
    lmm_status st = lmm_train(r, path, more, count, &(lmm_train_opts){.algorithm = "dpo", .quiet = true});
    lmm_runtime_close(r);
    free(path);
    return st;
}

/* Value of a metric in line `line` (0-based) of the run's metrics. */
static double metric(const char *run, int line, const char *name) {
    char *path = mem_printf("%s/%s/metrics.jsonl", folder, run), *text, *at;
    OK(file_read(&text, NULL, path, 1 << 20));
    at = text;
    while (line-- > 0) at = strchr(at, '\n') + 1;
    char *key = mem_printf("\"%s\": ", name), *found = strstr(at, key);
    assert_non_null(found);
    double value = strtod(found + strlen(key), NULL);
    free(key);
    free(text);
    free(path);
    return value;
}

static char *weights(const char *run) {
    char *path = mem_printf("%s/%s/final/model.safetensors", folder, run), hex[65];
    file_map map;
    OK(file_map_open(&map, path));
    sha256_hex(map.data, map.size, hex);
    file_map_close(&map);
    free(path);
    return mem_strdup(hex);
}

static void chosen_answers_gain_on_rejected_ones(void **state) {
    (void)state;
    OK(train("run", NULL, 0));
    assert_true(fabs(metric("run", 0, "loss") - log(2)) < 1e-6);
    assert_true(metric("run", 0, "rewards/margins") == 0 && metric("run", 0, "rewards/accuracies") == 0);
    assert_true(metric("run", 5, "rewards/margins") > 0.01);
    assert_true(metric("run", 5, "rewards/accuracies") > 0.6);
    assert_true(metric("run", 5, "loss") < metric("run", 0, "loss"));
}

static void a_resumed_run_ends_in_the_same_bits(void **state) {
    (void)state;
    OK(train("whole", NULL, 0));
    OK(train("cut", NULL, 0));
    static const char *const gone[] = {"final", "step-00000006", "step-00000004", "reference.safetensors"};
    for (int i = 0; i < 4; i++) { /* the last one is computed anew from the model as it was opened */
        char *path = mem_printf("%s/cut/%s", folder, gone[i]);
        OK(dir_remove(path));
        free(path);
        if (i < 2) continue;
        OK(train("cut", NULL, 0));
        char *a = weights("whole"), *b = weights("cut");
        assert_string_equal(a, b);
        free(a), free(b);
        path = mem_printf("%s/cut/final", folder);
        OK(dir_remove(path));
        free(path);
    }
}

static void a_pair_without_an_answer_is_refused(void **state) {
    (void)state;
    OK(train("run", NULL, 0));
    char *path = path_join(folder, "pairs.json");
    OK(file_write(path, "[{\"prompt\": \"x\", \"chosen\": \"y\"}]", 32));
    free(path);
    path = path_join(folder, "recipe.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    assert_int_equal(lmm_train(r, path, (const char *const[]){"run=/tmp/none"}, 1, &(lmm_train_opts){.algorithm = "dpo", .quiet = true}),
                     LMM_E_FORMAT);
    assert_non_null(strstr(lmm_message(), "'rejected'"));
    assert_int_equal(lmm_train(r, path, NULL, 0, &(lmm_train_opts){.algorithm = "ppo", .quiet = true}), LMM_E_ARG);
    lmm_runtime_close(r);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chosen_answers_gain_on_rejected_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_run_ends_in_the_same_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pair_without_an_answer_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
