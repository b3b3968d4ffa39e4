/* test_lora.c - adapters learn while the base stays, are saved in PEFT's layout, resume, and merge into the same answers. */
#include "run_util.h"

static lmm_status train(const char *run) {
    write_text("data.json", "[{\"conversations\": [{\"from\": \"human\", \"value\": \"is there a shape?\"}, {\"from\": \"gpt\", \"value\": "
                            "\"a brown one\"}]}]");
    char *text =
        mem_printf("run: %s/%s\nseed: 3\nmodel: {open: %s/models/mini}\ndata: [{path: %s/data.json}]\nlora: {rank: 4, alpha: 8, targets: "
                   "[q_proj, v_proj]}\nbatch: 1\nsteps: 8\noptimizer: {lr: 1.0e-2}\nschedule: {kind: constant, warmup: 0}\nsave_every: "
                   "2\nkeep: 9\n",
                   folder, run, LMM_SOURCE, folder);
    return run_recipe(text, NULL, 1, NULL, 0);
}

/* How likely mini finds the trained answer, with an adapter (NULL: none). */
static double likelihood(lmm_model *m) {
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"is there a shape?\"}]";
    lmm_prompt *p;
    lmm_session *s;
    double ll;
    bool greedy;
    OK(lmm_prompt_messages(&p, m, messages, strlen(messages), &(lmm_prompt_opts){.add_generation_prompt = true}));
    OK(lmm_session_open(&s, m, NULL));
    OK(lmm_score(s, p, " a brown one", &ll, &greedy));
    lmm_session_close(s);
    lmm_prompt_free(p);
    return ll;
}

static void an_adapter_learns_and_merges(void **state) {
    (void)state;
    OK(train("run"));
    lmm_runtime *r;
    lmm_model *m, *merged;
    char *adapter_ = in_folder("run/final"), *out = in_folder("merged");
    OK(lmm_runtime_open(&r, 1, NULL));
    OK(lmm_model_open(&m, r, LMM_SOURCE "/models/mini"));
    double before = likelihood(m);
    OK(lmm_model_adapt(m, adapter_));
    double with = likelihood(m);
    assert_true(with > before + 1);
    OK(lmm_model_save_merged(m, out));
    OK(lmm_model_open(&merged, r, out));
    double after = likelihood(merged);
    assert_true(after > with - 1e-3 && after < with + 1e-3); /* W + BA is rounded once more */
    lmm_model_close(merged);
    lmm_model_close(m);
    lmm_runtime_close(r);
    free(out);
    free(adapter_);
}

static void a_resumed_run_ends_in_the_same_adapter(void **state) {
    (void)state;
    OK(train("whole"));
    OK(train("cut"));
    take_away("cut/final");
    take_away("cut/step-00000008");
    take_away("cut/step-00000006");
    OK(train("cut"));
    assert_same_file("whole", "cut", "adapter_model.safetensors");
}

static void broken_adapters_are_refused(void **state) {
    (void)state;
    OK(train("run"));
    static const struct {
        const char *config, *says;
    } cases[] = {
        {"{\"peft_type\": \"IA3\", \"r\": 4, \"lora_alpha\": 8}", "IA3"},
        {"{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 8}", "'r'"},
        {"{\"peft_type\": \"LORA\", \"r\": 4}", "lora_alpha"},
        {"{\"peft_type\": \"LORA\", \"r\": 5, \"lora_alpha\": 8}", "the model needs"},
        {"{\"peft_type\": \"LORA\"", "adapter_config.json"},
    };
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lmm_model *m;
        char *dir = in_folder("run/final");
        write_text("run/final/adapter_config.json", cases[i].config);
        OK(lmm_model_open(&m, r, LMM_SOURCE "/models/mini"));
        assert_int_not_equal(lmm_model_adapt(m, dir), LMM_OK);
        assert_non_null(strstr(lmm_message(), cases[i].says));
        lmm_model_close(m);
        free(dir);
    }
    lmm_runtime_close(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_adapter_learns_and_merges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_run_ends_in_the_same_adapter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_adapters_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
