/* test_lora.c - adapters learn while the base stays, are saved in PEFT's layout, resume, and merge into the same answers; DoRA's numbers are PEFT's. */
#include <math.h>

#include "../engine/model_util.h"
#include "run_util.h"

/* `kind`: what the recipe's lora says besides rank, alpha and targets. */
static lmm_status train(const char *run, const char *kind) {
    write_text("data.json", "[{\"conversations\": [{\"from\": \"human\", \"value\": \"is there a shape?\"}, {\"from\": \"gpt\", \"value\": "
                            "\"a brown one\"}]}]");
    char *text =
        mem_printf("run: %s/%s\nseed: 3\nmodel: {open: %s/models/mini-v0}\ndata: [{path: %s/data.json}]\nlora: {rank: 4, alpha: 8, "
                   "%stargets: "
                   "[q_proj, v_proj]}\nbatch: 1\nsteps: 8\noptimizer: {lr: 1.0e-2}\nschedule: {kind: constant, warmup: 0}\nsave_every: "
                   "2\nkeep: 9\n",
                   folder, run, LMM_SOURCE, folder, kind);
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

static void learns_and_merges(const char *kind) {
    OK(train("run", kind));
    lmm_runtime *r;
    lmm_model *m, *merged;
    char *adapter_ = in_folder("run/final"), *out = in_folder("merged");
    OK(lmm_runtime_open(&r, 1, NULL));
    OK(lmm_model_open(&m, r, LMM_SOURCE "/models/mini-v0"));
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

static void an_adapter_learns_and_merges(void **state) {
    (void)state;
    learns_and_merges("");
}

static void dora_learns_and_merges(void **state) {
    (void)state;
    learns_and_merges("dora: true, ");
}

static void resumes(const char *kind) {
    OK(train("whole", kind));
    OK(train("cut", kind));
    take_away("cut/final");
    take_away("cut/step-00000008");
    take_away("cut/step-00000006");
    OK(train("cut", kind));
    assert_same_file("whole", "cut", "adapter_model.safetensors");
}

static void a_resumed_run_ends_in_the_same_adapter(void **state) {
    (void)state;
    resumes("");
}

static void a_resumed_dora_run_ends_in_the_same_adapter(void **state) {
    (void)state;
    resumes("dora: true, ");
}

static void a_fresh_dora_adapter_changes_no_bit(void **state) {
    (void)state;
    opened o = open_tiny(LMM_SOURCE "/models/mini-v0", 1);
    double before = likelihood(o.model);
    net *n = o.model->net;
    const lora_config dora = {.rank = 4, .alpha = 8, .dora = true};
    OK(lora_attach(&n->params, &n->adapters, &dora, 1, o.runtime->k, o.runtime->pool));
    assert_true(likelihood(o.model) == before);
    close_tiny(&o);
}

/* ---- PEFT's numbers ---- */

static void assert_near(const float *have, const float *want, int n) {
    for (int i = 0; i < n; i++)
        if (fabsf(have[i] - want[i]) > 4e-6f)
            fail_msg("%d: %.8g, PEFT says %.8g", i, (double)have[i], (double)want[i]); /* some ulps of 8 */
}

/* A layer (2, 3) with bias, rank 2, alpha 3; peft 0.21.2 on torch 2.15: sum(y * g) backward, then merge(). */
static void dora_computes_as_peft(void **state) {
    (void)state;
    float w[] = {0.5f, -1, 0.25f, 1.5f, 0.75f, -0.5f}, bias[] = {0.125f, -0.25f}, x[] = {1, -2, 0.5f, 0.25f, 0.75f, -1.5f}, xg[6] = {0};
    float a[] = {0.5f, -0.25f, 1, -0.75f, 0.5f, 0.25f}, b[] = {0.25f, -0.5f, 0.75f, 1}, m[] = {1.25f, 2}, g[] = {1, -0.5f, 0.25f, 2};
    char name[] = "llm.layers.0.x_proj.weight", key[] = "layers.0.x_proj.weight";
    param p = {.name = name, .key = key, .part = PART_DECODER};
    p.t = tensor_make(DT_F32, 2, (int64_t[]){2, 3}, w);
    param *list[] = {&p};
    param_set base = {.list = {list, 1, 1}}, adapters = {0};
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    OK(lora_attach(&base, &adapters, &(lora_config){.rank = 2, .alpha = 3, .dora = true}, 1, r->k, r->pool));
    assert_near(p.adapter->magnitude->t.data, (float[]){1.14564392f, 1.75f}, 2); /* the rows' lengths */
    memcpy(p.adapter->a->t.data, a, sizeof a), memcpy(p.adapter->b->t.data, b, sizeof b), memcpy(p.adapter->magnitude->t.data, m, sizeof m);
    lora_measure(&base, r->k, r->pool);
    for (int i = 0; i < 3; i++) OK(param_own(adapters.list.at[i], true));

    arena mem;
    tape tape_ = {0};
    OK(arena_open(&mem, 1 << 20, "test"));
    cx c = {.mem = &mem, .tape = &tape_, .k = r->k, .pool = r->pool};
    tensor X = tensor_make(DT_F32, 2, (int64_t[]){2, 3}, x), B = tensor_make(DT_F32, 1, (int64_t[]){2}, bias);
    X.wants_grad = true, X.grad = xg;
    tensor *y = nn_linear(&c, &(linear){.w = &p.t, .b = &B, .of = &p}, &X);
    assert_near(y->data, (float[]){2.91001725f, -1.34039879f, -0.78852516f, -0.63334322f}, 4);
    tensor g0 = tensor_make(DT_F32, 2, (int64_t[]){1, 2}, g), g1 = tensor_make(DT_F32, 2, (int64_t[]){1, 2}, g + 2);
    tensor *y0 = op_rows_get(&c, y, (int[]){0}, 1), *y1 = op_rows_get(&c, y, (int[]){1}, 1);
    tape_backward(&c, op_add(&c, op_linear(&c, y0, &g0, NULL), op_linear(&c, y1, &g1, NULL)), 1.0f);
    assert_near(xg, (float[]){0.27895141f, -1.59280086f, -0.26867285f, 2.24201679f, 2.42576218f, 2.24992919f}, 6);
    assert_near(p.adapter->a->t.grad, (float[]){0.25183666f, 2.63714266f, -3.95714259f, -0.50367337f, 4.94820309f, -5.37494946f}, 6);
    assert_near(p.adapter->b->t.grad, (float[]){1.05178833f, -1.58508968f, -6.33794308f, 0.71557415f}, 4);
    assert_near(p.adapter->magnitude->t.grad, (float[]){2.04530859f, -0.11074363f}, 2);
    lora_merge(&base);
    assert_near(w, (float[]){0.79007578f, -0.92833906f, 0.27652654f, 1.02224886f, 1.32892346f, 1.09039879f}, 6);

    cx_free(&c);
    tape_free(&tape_);
    arena_close(&mem);
    adapter_free(p.adapter);
    param_set_free(&adapters);
    lmm_runtime_close(r);
}

/* ---- bad files ---- */

static void broken_adapters_are_refused(void **state) {
    (void)state;
    OK(train("run", ""));
    static const struct {
        const char *config, *says;
    } cases[] = {
        {"{\"peft_type\": \"IA3\", \"r\": 4, \"lora_alpha\": 8}", "IA3"},
        {"{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 8}", "'r'"},
        {"{\"peft_type\": \"LORA\", \"r\": 4}", "lora_alpha"},
        {"{\"peft_type\": \"LORA\", \"r\": 5, \"lora_alpha\": 8}", "the model needs"},
        {"{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"use_dora\": true}", "is there without"},
        {"{\"peft_type\": \"LORA\"", "adapter_config.json"},
    };
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, 1, NULL));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lmm_model *m;
        char *dir = in_folder("run/final");
        write_text("run/final/adapter_config.json", cases[i].config);
        OK(lmm_model_open(&m, r, LMM_SOURCE "/models/mini-v0"));
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
        cmocka_unit_test_setup_teardown(dora_learns_and_merges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_run_ends_in_the_same_adapter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_resumed_dora_run_ends_in_the_same_adapter, set_up, tear_down),
        cmocka_unit_test(a_fresh_dora_adapter_changes_no_bit),
        cmocka_unit_test(dora_computes_as_peft),
        cmocka_unit_test_setup_teardown(broken_adapters_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
