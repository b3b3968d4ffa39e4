/* test_weigh.c - a language model that reads the rows: what it says counts beside the operator's word, in whatever order the options stand. */
#include "engine/engine.h"
#include "memory_util.h"

typedef struct {
    world *w;
    lmm_runtime *runtime;
    lmm_model *mini;
    lmm_session *reader;
    ego_view *v;
} weighing;

static int setup_reader(void **state) {
    weighing *x = mem_new(1, sizeof *x);
    void *inner = NULL;
    int stream;
    ego_build_report r;
    if (setup(&inner)) return -1;
    x->w = inner;
    assert_int_equal(ego_stream(x->w->e, "A1_JAKE", &stream), LMM_OK);
    const char *rows[] = {"I put the red mug down in the kitchen.", "Alice carries the red mug and leaves it in the study.",
                          "Tasha places the blue mug in the attic."};
    for (int i = 0; i < 3; i++)
        assert_int_equal(ego_add(x->w->e, &(ego_row){EGO_CAPTION, stream, i * EGO_HOUR, i * EGO_HOUR + 3000, 0, NULL, rows[i], NULL}),
                         LMM_OK);
    assert_int_equal(ego_build(x->w->e, &(ego_build_opts){.quiet = true}, &r), LMM_OK);
    assert_int_equal(ego_view_open(&x->v, x->w->e, "JAKE", 5 * EGO_HOUR), LMM_OK);
    assert_int_equal(lmm_runtime_open(&x->runtime, 1, NULL), LMM_OK);
    assert_int_equal(lmm_model_open(&x->mini, x->runtime, LMM_SOURCE "/models/mini-v0"), LMM_OK);
    assert_int_equal(lmm_session_open(&x->reader, x->mini, &(lmm_session_opts){0}), LMM_OK);
    *state = x;
    return 0;
}

static int teardown_reader(void **state) {
    weighing *x = *state;
    void *inner = x->w;
    lmm_session_close(x->reader), lmm_model_close(x->mini), lmm_runtime_close(x->runtime);
    ego_view_close(x->v);
    free(x);
    return teardown(&inner);
}

static void ask(const weighing *x, const ego_question *q, bool weigh, ego_answer *a) {
    assert_int_equal(ego_ask(x->v, q, EGO_OURS, NULL, a), LMM_OK);
    if (weigh) assert_int_equal(ego_weigh_options(x->reader, x->mini, x->v, q, a), LMM_OK);
}

static void the_reader_counts_and_the_rows_stay(void **state) {
    ego_question q = {.question = "Where is the red mug now?",
                      .options = {"In the kitchen", "In the study", "In the attic"},
                      .option_count = 3};
    ego_answer plain, weighed;
    ask(*state, &q, false, &plain), ask(*state, &q, true, &weighed);
    assert_true(weighed.confidence > 0 && weighed.confidence <= 1);
    assert_true(weighed.confidence < plain.confidence - 1e-6 || weighed.confidence > plain.confidence + 1e-6);
    assert_string_equal(weighed.text, q.options[weighed.choice]);
    assert_int_equal(weighed.proof.count, plain.proof.count);
    assert_int_equal(weighed.proof.at[0].doc, plain.proof.at[0].doc);
    ego_answer_free(&plain), ego_answer_free(&weighed);
}

/* Every option stands once at every letter, so moving them on by one moves the answer with them. */
static void the_order_of_options_changes_nothing(void **state) {
    const char *options[] = {"In the kitchen", "In the study", "In the attic", "In the garage"};
    ego_answer first;
    for (int turn = 0; turn < 4; turn++) {
        ego_question q = {.question = "Where is the red mug now?", .option_count = 4};
        ego_answer a;
        for (int k = 0; k < 4; k++) q.options[k] = options[(k + turn) % 4];
        ask(*state, &q, true, turn ? &a : &first);
        if (!turn) continue;
        assert_string_equal(a.text, first.text);
        assert_float_equal(a.confidence, first.confidence, 1e-9);
        ego_answer_free(&a);
    }
    ego_answer_free(&first);
}

static void without_options_nothing_is_weighed(void **state) {
    ego_question q = {.question = "Where is the red mug now?"};
    ego_answer plain, weighed;
    ask(*state, &q, false, &plain), ask(*state, &q, true, &weighed);
    assert_string_equal(weighed.text, plain.text);
    assert_float_equal(weighed.confidence, plain.confidence, 1e-12);
    ego_answer_free(&plain), ego_answer_free(&weighed);
}

/* Told to stop, the measuring ends: what was not asked is no wrong answer. */
static void a_stop_ends_the_measuring(void **state) {
    const weighing *x = *state;
    char id[] = "1", type[] = "EntityLog", asked[] = "Where is the red mug now?",
         options[4][16] = {"In the kitchen", "In the study", "In the attic", "Outside"};
    ego_qa question = {.id = id, .type = type, .question = asked, .query_time = 5 * EGO_HOUR, .answer = 1, .future = -1};
    for (int k = 0; k < 4; k++) question.options[k] = options[k];
    const ego_qas all = {&question, 1, 1};
    const ego_eval_opts o = {.wearer = "JAKE", .reader = x->mini, .quiet = true}, alone = {.wearer = "JAKE", .quiet = true};
    char *report = NULL;
    lmm_cancel();
    assert_int_equal(ego_eval(x->w->e, &all, &o, &report), LMM_E_CANCELLED);
    assert_int_equal(ego_eval(x->w->e, &all, &alone, &report), LMM_E_CANCELLED);
    lmm_cancel_reset();
    assert_null(report);
    assert_int_equal(ego_eval(x->w->e, &all, &o, &report), LMM_OK);
    assert_non_null(strstr(report, "\"errors\": 0"));
    free(report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_reader_counts_and_the_rows_stay, setup_reader, teardown_reader),
        cmocka_unit_test_setup_teardown(the_order_of_options_changes_nothing, setup_reader, teardown_reader),
        cmocka_unit_test_setup_teardown(without_options_nothing_is_weighed, setup_reader, teardown_reader),
        cmocka_unit_test_setup_teardown(a_stop_ends_the_measuring, setup_reader, teardown_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
