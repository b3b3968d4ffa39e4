/* test_returned.c - which rows are returned beside those that decided: of other moments, and of what else the question may have meant. */
#include "memory_util.h"

static void put(ego *e, int64_t t, const char *text) {
    int stream;
    assert_int_equal(ego_stream(e, "A1_JAKE", &stream), LMM_OK);
    assert_int_equal(ego_add(e, &(ego_row){EGO_CAPTION, stream, t, t + 3000, 0, NULL, text, NULL}), LMM_OK);
}

/* The mug is put into the kitchen every hour for a day, and seen elsewhere once, long before. */
static int setup_mug(void **state) {
    if (setup(state)) return -1;
    ego *e = ((world *)*state)->e;
    ego_build_report r;
    put(e, 8 * EGO_HOUR, "Alice leaves the mug in the study.");
    put(e, 9 * EGO_HOUR, "Alice carries the blue mug and leaves it in the attic.");
    for (int hour = 10; hour < 30; hour++) put(e, hour * (int64_t)EGO_HOUR, "I put the red mug down in the kitchen.");
    for (int s = 1; s < 8; s++) put(e, 29 * (int64_t)EGO_HOUR + s * 3 * EGO_SECOND, "I put the red mug down in the kitchen.");
    put(e, 31 * (int64_t)EGO_HOUR, "I water the plants.");
    assert_int_equal(ego_build(e, &(ego_build_opts){.quiet = true}, &r), LMM_OK);
    return 0;
}

static void ask_for_the_mug(void **state, ego_answer *a) {
    ego_view *v;
    ego_question q = {.question = "Where is the red mug now?",
                      .options = {"In the study", "In the kitchen", "In the attic"},
                      .option_count = 3};
    assert_int_equal(ego_view_open(&v, ((world *)*state)->e, "JAKE", 40 * (int64_t)EGO_HOUR), LMM_OK);
    assert_int_equal(ego_ask(v, &q, EGO_OURS, NULL, a), LMM_OK);
    ego_view_close(v);
    assert_int_equal(a->choice, 1);
    assert_int_equal(a->returned.count, EGO_RETURNED);
    assert_int_equal(a->returned.at[0].doc, a->proof.at[0].doc);
}

static bool returned(const ego_answer *a, const char *text) {
    for (int i = 0; i < a->returned.count; i++)
        if (!strcmp(a->returned.at[i].text, text)) return true;
    return false;
}

static void rows_that_say_the_same_leave_room_for_others(void **state) {
    ego_answer a;
    ask_for_the_mug(state, &a);
    assert_true(returned(&a, "Alice leaves the mug in the study."));
    assert_true(returned(&a, "Alice carries the blue mug and leaves it in the attic."));
    ego_answer_free(&a);
}

static void one_row_of_a_moment(void **state) {
    ego_answer a;
    ask_for_the_mug(state, &a);
    for (int i = 0; i < a.returned.count; i++)
        for (int k = 0; k < i; k++) assert_true(llabs(a.returned.at[i].t0 - a.returned.at[k].t0) >= 30 * EGO_SECOND);
    ego_answer_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_that_say_the_same_leave_room_for_others, setup_mug, teardown),
        cmocka_unit_test_setup_teardown(one_row_of_a_moment, setup_mug, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
