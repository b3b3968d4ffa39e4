/* test_question.c - what a question is understood to want: its operator, the words it looks for, the memory's own words and phrases near to them, and the
 * control memory that shows nothing else was used. */
#include "ego/ego_int.h"
#include "memory_util.h"

static void add(ego *e, const char *stream, int64_t t, const char *speaker, const char *text) {
    int s;
    assert_int_equal(ego_stream(e, stream, &s), LMM_OK);
    assert_int_equal(ego_add(e, &(ego_row){speaker ? EGO_SPEECH : EGO_CAPTION, s, t, t + 3000, 0, speaker, text, NULL}), LMM_OK);
}

static int setup_days(void **state) {
    if (setup(state)) return -1;
    ego *e = ((world *)*state)->e;
    ego_build_report r;
    for (int i = 0; i < 3; i++) {
        add(e, "A1_JAKE", (8 + 24 * i) * (int64_t)EGO_HOUR, NULL, "I begin washing the dishes in the kitchen.");
        add(e, "A1_JAKE", (9 + 24 * i) * (int64_t)EGO_HOUR, NULL, "Alice joins me, playing cards.");
        add(e, "A1_JAKE", (10 + 24 * i) * (int64_t)EGO_HOUR, "Alice", "We need to buy honey.");
        add(e, "A1_JAKE", (11 + 24 * i) * (int64_t)EGO_HOUR, "Others", "We need to buy soap.");
        add(e, "A2_ALICE", (12 + 24 * i) * (int64_t)EGO_HOUR, NULL, "I fold the purple laundry.");
    }
    assert_int_equal(ego_build(e, &(ego_build_opts){.quiet = true}, &r), LMM_OK);
    return 0;
}

static ego_view *view_at(void **state, int hour) {
    ego_view *v;
    assert_int_equal(ego_view_open(&v, ((world *)*state)->e, "JAKE", hour * (int64_t)EGO_HOUR), LMM_OK);
    return v;
}

/* ---- intent.c ---- */

static ego_op op_asked(void **state, const char *question, const char *a, const char *b, ego_shape *shape) {
    ego_view *v = view_at(state, 60);
    ego_intent in;
    ego_question q = {.question = question, .options = {a, b}, .option_count = a ? 2 : 0};
    assert_int_equal(ego_intent_of(&in, v, &q, NULL), LMM_OK);
    ego_op op = in.op;
    *shape = in.shape;
    ego_intent_free(&in);
    ego_view_close(v);
    return op;
}

static void options_and_cues_choose_the_operator(void **state) {
    static const struct {
        const char *question, *a, *b;
        ego_op op;
        ego_shape shape;
    } asked[] = {
        {"How often did I wash the dishes?", "3", "5", EGO_OP_COUNT, SHAPE_NUMBERS},
        {"Who joins me most?", "Alice", "Tasha", EGO_OP_MOST, SHAPE_NAMES},
        {"Who was missing at lunch?", "Alice", "Tasha", EGO_OP_ABSENT, SHAPE_NAMES},
        {"Who had it last?", "Alice", "Tasha", EGO_OP_LAST, SHAPE_NAMES},
        {"Who had it first?", "Alice", "Tasha", EGO_OP_FIRST, SHAPE_NAMES},
        {"When do I play cards?", "In the morning", "In the evening", EGO_OP_MOST, SHAPE_PARTS},
        {"When did I last play cards?", "yesterday", "on day 1", EGO_OP_WHEN, SHAPE_DAYS},
        {"What did I do after that?", "play cards", "wash the dishes", EGO_OP_AFTER, SHAPE_WORDS},
        {"What do we still need?", "honey", "soap", EGO_OP_OPEN, SHAPE_WORDS},
        {"Where is it?", "In the kitchen", "In the attic", EGO_OP_LAST, SHAPE_PLACES},
    };
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        ego_shape shape;
        ego_op op = op_asked(state, asked[i].question, asked[i].a, asked[i].b, &shape);
        if (op != asked[i].op || shape != asked[i].shape) fail_msg("%s: operator %s, shape %d", asked[i].question, ego_op_name(op), shape);
    }
}

/* "This evening" asked in the morning names no past hour; it is a time all the same. */
static void an_option_still_to_come_is_a_time(void **state) {
    ego_shape shape;
    assert_int_equal(op_asked(state, "When did I play cards?", "today, in the evening", "yesterday, in the evening", &shape), EGO_OP_WHEN);
    assert_int_equal(shape, SHAPE_DAYS);
}

static void an_example_is_its_own_operator_whoever_is_named(void **state) {
    ego_view *v = view_at(state, 60);
    const double none[EGO_OP_OPEN + 1] = {0};
    ego_op op;
    assert_int_equal(ego_wants(v, NULL, "Who regularly comes along?", SHAPE_NAMES, none, &op), LMM_OK);
    assert_int_equal(op, EGO_OP_MOST);
    assert_int_equal(ego_wants(v, NULL, "Who skipped the cards?", SHAPE_NAMES, none, &op), LMM_OK);
    assert_int_equal(op, EGO_OP_ABSENT);
    ego_view_close(v);
}

/* ---- query.c ---- */

static bool looks_for(const ego_query *q, const char *term) {
    for (int i = 0; i < q->count; i++)
        for (int k = 0; k < q->at[i].terms.count; k++)
            if (!strcmp(q->at[i].terms.at[k].term, term) && q->at[i].weight > 0) return true;
    return false;
}

static void a_question_looks_for_its_topic_and_not_for_its_frame(void **state) {
    ego_view *v = view_at(state, 60);
    ego_query q = {0};
    assert_int_equal(ego_query_of(&q, v, NULL, "Please, how often did I usually play cards yesterday?", true), LMM_OK);
    assert_true(looks_for(&q, "card") && looks_for(&q, "play"));
    assert_false(looks_for(&q, "yesterday") || looks_for(&q, "usually") || looks_for(&q, "please"));
    ego_query_free(&q);
    ego_view_close(v);
}

static void common_words_weigh_less(void **state) {
    (void)state;
    assert_true(ego_word_tells("make") < 0.2);
    assert_true(ego_word_tells("play") < ego_word_tells("guitar"));
    assert_true(ego_word_tells("zyzzyva") > 0.99);
}

static void a_row_is_weighed_by_the_words_it_holds(void **state) {
    ego_view *v = view_at(state, 60);
    ego_query q = {0};
    ego_terms all = {0}, half = {0}, misheard = {0};
    assert_int_equal(ego_query_of(&q, v, NULL, "dishes in the kitchen", false), LMM_OK);
    ego_terms_of(&all, "dishes kitchen"), ego_terms_of(&half, "dishes"), ego_terms_of(&misheard, "dishes kitchan");
    assert_float_equal(ego_query_share(&q, &all, false, NULL), 1, 1e-9);
    assert_true(ego_query_share(&q, &half, false, NULL) < 0.9 && ego_query_share(&q, &half, false, NULL) > 0.1);
    assert_float_equal(ego_query_share(&q, &misheard, true, NULL), 1, 1e-9);
    assert_true(ego_query_share(&q, &misheard, false, NULL) < 0.9);
    ego_terms_free(&all), ego_terms_free(&half), ego_terms_free(&misheard);
    ego_query_free(&q);
    ego_view_close(v);
}

/* ---- phrase.c and lexicon.c ---- */

static int list_saying(void *arg, const char *term, const char *said) {
    buf_printf(arg, "|%s=%s|", said, term);
    return 0;
}

static bool says(const char *text, const char *saying) {
    buf all = {0};
    assert_int_equal(ego_sayings_of(text, list_saying, &all), 0);
    bool there = all.size && strstr(all.data, saying);
    buf_free(&all);
    return there;
}

static void words_that_stand_together_are_phrases(void **state) {
    (void)state;
    const char *text = "I begin washing the dishes in the kitchen.";
    assert_true(says(text, "|washing dishes=wash dish|") && says(text, "|dishes=dish|"));
    assert_false(says(text, "begin wash"));   /* a verb that says little */
    assert_false(says(text, "dish kitchen")); /* a preposition between */
    assert_true(says("Alice carries the red cup.", "|red cup=") && says("Alice carries the red cup.", "|carries cup="));
    assert_false(says("Alice carries the red cup.", "|carries red"));
}

static void learn(ego *e, const char *said, const char *term) {
    sqlite3_stmt *s;
    float x[EGO_WIDTH];
    ego_vector vector;
    ego_hash_embed(said, x);
    ego_vector_pack(&vector, 0, x);
    assert_int_equal(ego_prepare(e, &s, "INSERT INTO lexicon VALUES(?1, ?2, ?3)"), LMM_OK);
    sqlite3_bind_text(s, 1, said, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, term, -1, SQLITE_STATIC);
    sqlite3_bind_blob(s, 3, &vector, sizeof vector, SQLITE_STATIC);
    assert_int_equal(ego_step(e, s), LMM_OK);
    sqlite3_finalize(s);
}

static int near_count(ego_view *v, const char *text, bool phrases) {
    float x[EGO_WIDTH];
    ego_nears near = {0};
    ego_hash_embed(text, x);
    assert_int_equal(ego_lexicon_near(v, x, &(ego_near_opts){.least = 0.5, .phrases = phrases}, &near), LMM_OK);
    int n = near.count;
    free(near.at);
    return n;
}

static void only_what_visible_rows_say_often_is_near(void **state) {
    ego *e = ((world *)*state)->e;
    learn(e, "washing dishes", "wash dish"), learn(e, "purple", "purple"), learn(e, "cards", "card"),
        learn(e, "dishes kitchen", "dish kitchen");
    learn(e, "washed dishes", "wash dish");
    ego_cache_drop(e);
    ego_view *v = view_at(state, 60), *early = view_at(state, 30);
    assert_int_equal(near_count(v, "cards", false), 1);
    assert_int_equal(near_count(early, "cards", false), 0);     /* two rows by then */
    assert_int_equal(near_count(v, "purple", false), 0);        /* another person's */
    assert_int_equal(near_count(v, "washing dishes", true), 1); /* "washed" is nobody's word */
    assert_int_equal(near_count(v, "washing dishes", false), 0);
    assert_int_equal(near_count(v, "dishes kitchen", true), 0); /* in the same rows, but not side by side */
    ego_view_close(v), ego_view_close(early);
}

static int sayings_left(ego *e) {
    sqlite3_stmt *s;
    assert_int_equal(ego_prepare(e, &s, "SELECT count(*) FROM lexicon"), LMM_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int n = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return n;
}

static void forgetting_takes_from_the_lexicon_what_no_row_says(void **state) {
    ego *e = ((world *)*state)->e;
    int64_t count;
    learn(e, "washing dishes", "wash dish"), learn(e, "playing cards", "play card"), learn(e, "cards", "card"), learn(e, "dishes", "dish");
    assert_int_equal(ego_forget(e, &(ego_forget_opts){.mention = "cards", .to = 40 * (int64_t)EGO_HOUR}, &count), LMM_OK);
    assert_int_equal(count, 2);
    assert_int_equal(sayings_left(e), 3); /* one row still says "cards", that is no phrase any more */
    assert_int_equal(ego_forget(e, &(ego_forget_opts){.mention = "cards"}, &count), LMM_OK);
    assert_int_equal(sayings_left(e), 2);
}

/* ---- search.c, vectors.c ---- */

/* The query is rounded to 16 bits: each of 384 products is off by at most half a step (top / 65534) times 127 times the row's scale. */
static void a_probe_is_the_float_product(void **state) {
    (void)state;
    rng r = rng_make(3, 1);
    for (int n = 0; n < 200; n++) {
        float x[EGO_WIDTH], y[EGO_WIDTH], top = 0;
        ego_vector v;
        ego_probe p;
        for (int i = 0; i < EGO_WIDTH; i++)
            x[i] = rng_normal(&r), y[i] = rng_normal(&r), top = x[i] > top ? x[i] : -x[i] > top ? -x[i] : top;
        ego_vector_pack(&v, 1, y);
        ego_probe_of(&p, x);
        double exact = 0, off = EGO_WIDTH * (double)top / 65534 * 127 * (double)v.scale;
        for (int i = 0; i < EGO_WIDTH; i++) exact += (double)x[i] * v.q[i] * (double)v.scale;
        assert_float_equal(ego_probe_dot(&p, &v), exact, off);
    }
}

static void a_short_ranking_is_the_head_of_the_long_one(void **state) {
    ego *e = ((world *)*state)->e;
    rng r = rng_make(7, 1);
    ego_ranking all = {0}, few = {.most = 5};
    assert_int_equal(ego_cache_load(e), LMM_OK);
    for (int i = 0; i < 300; i++) {
        int doc = i % e->docs.count;
        double score = (double)rng_below(&r, 20); /* with many ties */
        ego_ranking_add(&all, e, doc, score), ego_ranking_add(&few, e, doc, score);
    }
    ego_ranking_sort(&all), ego_ranking_sort(&few);
    assert_int_equal(few.count, 5);
    for (int i = 0; i < few.count; i++) {
        assert_int_equal(few.at[i].doc, all.at[i].doc);
        assert_true(few.at[i].score >= all.at[i].score && few.at[i].score <= all.at[i].score);
    }
    free(all.at), free(few.at);
}

/* ---- read.c: who speaks when nobody is named ---- */

static void unnamed_speakers_are_those_never_named(void **state) {
    ego_view *v = view_at(state, 60);
    ego_answer a;
    ego_question q = {.question = "Who said we need to buy soap?", .options = {"Alice", "Ingrid"}, .option_count = 2};
    assert_int_equal(ego_ask(v, &q, EGO_OURS, NULL, &a), LMM_OK);
    assert_int_equal(a.choice, 1);
    assert_string_equal(a.proof.at[0].text, "We need to buy soap.");
    assert_true(a.returned.count > a.proof.count && a.returned.count <= EGO_RETURNED);
    assert_int_equal(a.returned.at[0].doc, a.proof.at[0].doc);
    ego_answer_free(&a);
    ego_view_close(v);
}

/* ---- control.c ---- */

static void the_control_holds_what_the_view_sees_and_no_more(void **state) {
    ego *e = ((world *)*state)->e;
    ego_control *c;
    assert_int_equal(ego_control_open(&c, e, "JAKE", NULL), LMM_OK);
    for (int hour = 20; hour <= 60; hour += 20) {
        ego_view *whole = view_at(state, hour), *part;
        double mean, part_mean;
        assert_int_equal(ego_control_view(c, hour * (int64_t)EGO_HOUR, &part), LMM_OK);
        assert_int_equal(ego_view_count(part, &part_mean), ego_view_count(whole, &mean));
        assert_int_equal(ego_view_store(part)->docs.count, (int)ego_view_count(whole, &mean));
        assert_float_equal(mean, part_mean, 1e-12);
        ego_view_close(part), ego_view_close(whole);
    }
    ego_control_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(options_and_cues_choose_the_operator, setup_days, teardown),
        cmocka_unit_test_setup_teardown(an_option_still_to_come_is_a_time, setup_days, teardown),
        cmocka_unit_test_setup_teardown(an_example_is_its_own_operator_whoever_is_named, setup_days, teardown),
        cmocka_unit_test_setup_teardown(a_question_looks_for_its_topic_and_not_for_its_frame, setup_days, teardown),
        cmocka_unit_test(common_words_weigh_less),
        cmocka_unit_test_setup_teardown(a_row_is_weighed_by_the_words_it_holds, setup_days, teardown),
        cmocka_unit_test(words_that_stand_together_are_phrases),
        cmocka_unit_test_setup_teardown(forgetting_takes_from_the_lexicon_what_no_row_says, setup_days, teardown),
        cmocka_unit_test(a_probe_is_the_float_product),
        cmocka_unit_test_setup_teardown(a_short_ranking_is_the_head_of_the_long_one, setup_days, teardown),
        cmocka_unit_test_setup_teardown(only_what_visible_rows_say_often_is_near, setup_days, teardown),
        cmocka_unit_test_setup_teardown(unnamed_speakers_are_those_never_named, setup_days, teardown),
        cmocka_unit_test_setup_teardown(the_control_holds_what_the_view_sees_and_no_more, setup_days, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
