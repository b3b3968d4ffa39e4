/* test_merge.c - the mean of models, value by value, and models that have none. */
#include "../engine/model_util.h"
#include "run_util.h"

/* A copy of mini whose weights have moved a little. */
static void train(const char *run, int seed) {
    write_text("data.json", "[{\"conversations\": [{\"from\": \"human\", \"value\": \"is there a shape?\"}, {\"from\": \"gpt\", \"value\": "
                            "\"a brown one\"}]}]");
    OK(run_recipe(mem_printf("run: %s/%s\nseed: %d\nmodel: {new: %s/configs/mini-v0, init: fan_in}\ndata: [{path: %s/data.json}]\nbatch: "
                             "1\nsteps: "
                             "2\noptimizer: {lr: 1.0e-2}\nschedule: {kind: constant}\n",
                             folder, run, seed, LMM_SOURCE, folder),
                  NULL, 1, NULL, 0));
}

static void the_mean_is_of_every_value(void **state) {
    (void)state;
    train("a", 1);
    train("b", 2);
    train("c", 3);
    char *a = in_folder("a/final"), *b = in_folder("b/final"), *c = in_folder("c/final"), *out = in_folder("mean");
    net *nets[4];
    opened o = open_tiny(a, 2);
    OK(lmm_model_mean(o.model, (const char *const[]){b, c}, 2));
    OK(lmm_model_save_merged(o.model, out));
    OK(net_open(&nets[0], a));
    OK(net_open(&nets[1], b));
    OK(net_open(&nets[2], c));
    OK(net_open(&nets[3], out));
    int64_t moved = 0;
    for (int i = 0; i < nets[0]->params.list.count; i++) {
        const float *w[4];
        for (int k = 0; k < 4; k++) w[k] = param_find(&nets[k]->params, nets[0]->params.list.at[i]->name)->t.data;
        for (int64_t j = tensor_count(&nets[0]->params.list.at[i]->t) - 1; j >= 0; j--) {
            float sum = w[0][j] + w[1][j];
            assert_true((sum + w[2][j]) / 3.0f == w[3][j]);
            moved += w[3][j] != w[0][j];
        }
    }
    assert_true(moved > param_total(&nets[0]->params) / 2);
    for (int k = 0; k < 4; k++) net_free(nets[k]);
    close_tiny(&o);
    free(a), free(b), free(c), free(out);
}

static void other_architectures_have_no_mean(void **state) {
    (void)state;
    opened o = open_tiny(LMM_SOURCE "/models/mini-v0", 1);
    assert_int_equal(lmm_model_mean(o.model, (const char *const[]){LMM_SOURCE "/models/mini"}, 1), LMM_E_SHAPE);
    assert_non_null(strstr(lmm_message(), "models/mini"));
    assert_non_null(strstr(lmm_message(), "of one architecture"));
    assert_int_equal(lmm_model_mean(o.model, (const char *const[]){"/nowhere"}, 1), LMM_E_IO);
    close_tiny(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_mean_is_of_every_value, set_up, tear_down),
        cmocka_unit_test(other_architectures_have_no_mean),
    };
    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
