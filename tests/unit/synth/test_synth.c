/* test_synth.c - samples are functions of their index, splits share no combination, answers agree with what is drawn and said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "synth/synth_int.h"

static synth_item sample(const char *kind, const char *family, synth_split split, int64_t index) {
    const synth_kind *k;
    synth_item item;
    assert_int_equal(synth_find(&k, kind), LMM_OK);
    assert_int_equal(synth_make(&item, k, &(synth_options){.seed = 5, .side = 48, .family = family}, split, index), LMM_OK);
    return item;
}

static bool same(const synth_item *a, const synth_item *b) {
    bool equal = a->frame_count == b->frame_count && a->questions.count == b->questions.count;
    for (int i = 0; equal && i < a->frame_count; i++)
        equal = !memcmp(a->frames[i].data, b->frames[i].data, (size_t)a->frames[i].width * (size_t)a->frames[i].height * 3);
    for (int i = 0; equal && i < a->questions.count; i++)
        equal = !strcmp(a->questions.at[i].question, b->questions.at[i].question) &&
                !strcmp(a->questions.at[i].answer, b->questions.at[i].answer);
    return equal;
}

static void a_sample_is_a_function_of_its_index(void **state) {
    (void)state;
    const synth_kind *k;
    for (int i = 0; (k = synth_kind_at(i)); i++) {
        synth_item a = sample(k->name, NULL, SYNTH_TRAIN, 17), b = sample(k->name, NULL, SYNTH_TRAIN, 17);
        synth_item c = sample(k->name, NULL, SYNTH_TRAIN, 18), d = sample(k->name, NULL, SYNTH_TEST, 17);
        assert_true(same(&a, &b));
        assert_false(same(&a, &c));
        assert_false(same(&a, &d));
        synth_item_free(&a), synth_item_free(&b), synth_item_free(&c), synth_item_free(&d);
    }
}

/* Finds "COLOR SHAPE" in a description. */
static bool names_look(const char *text, look l) {
    char name[32];
    snprintf(name, sizeof name, "%s %s", color_names[l.color], shape_names[l.shape].one);
    return strstr(text, name) != NULL;
}

static void training_scenes_show_no_test_combination(void **state) {
    (void)state;
    int test_seen = 0;
    for (int64_t i = 0; i < 300; i++) {
        synth_item train = sample("scenes", "describe", SYNTH_TRAIN, i), test = sample("scenes", "describe", SYNTH_TEST, i);
        for (int k = 0; k < SHAPE_COUNT * COLOR_COUNT; k++) {
            look l = {k / COLOR_COUNT, k % COLOR_COUNT};
            if (look_split(l) != SYNTH_TRAIN) assert_false(names_look(train.questions.at[0].answer, l));
            test_seen += look_split(l) == SYNTH_TEST && names_look(test.questions.at[0].answer, l);
        }
        synth_item_free(&train), synth_item_free(&test);
    }
    assert_true(test_seen >= 300); /* every test scene has at least one */
}

static void every_color_and_every_shape_is_in_training(void **state) {
    (void)state;
    for (int shape = 0; shape < SHAPE_COUNT; shape++) {
        int train = 0;
        for (int color = 0; color < COLOR_COUNT; color++) train += look_split((look){shape, color}) == SYNTH_TRAIN;
        assert_int_equal(train, COLOR_COUNT - 2);
    }
}

static void numbers_of_the_splits_are_disjoint(void **state) {
    (void)state;
    for (int64_t i = 0; i < 300; i++)
        for (int split = 0; split < SYNTH_WORDS; split++) {
            synth_item item = sample("numbers", NULL, (synth_split)split, i);
            assert_int_equal(number_split((uint64_t)atoi(item.questions.at[0].answer)), split);
            synth_item_free(&item);
        }
}

static void numbers_have_no_more_digits_than_asked_for(void **state) {
    (void)state;
    const synth_kind *k;
    assert_int_equal(synth_find(&k, "numbers"), LMM_OK);
    for (int digits = 1; digits <= SYNTH_DIGITS_MAX; digits++) {
        size_t most = 0;
        for (int64_t i = 0; i < 60; i++) {
            synth_item item;
            assert_int_equal(synth_make(&item, k, &(synth_options){.digits = digits}, SYNTH_TRAIN, i), LMM_OK);
            if (strlen(item.questions.at[0].answer) > most) most = strlen(item.questions.at[0].answer);
            synth_item_free(&item);
        }
        assert_int_equal(most, digits);
    }
    synth_item item;
    assert_int_equal(synth_make(&item, k, &(synth_options){.digits = 5}, SYNTH_TRAIN, 0), LMM_E_ARG);
    for (uint64_t value = 0; value < 10; value++) assert_int_equal(number_split(value), SYNTH_TRAIN); /* a digit alone is no combination */
    assert_int_equal(synth_make(&item, k, &(synth_options){.digits = 1}, SYNTH_TEST, 0), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "no two numbers of 1 digit;"));
}

static void yes_is_as_frequent_as_no(void **state) {
    (void)state;
    static const char *const asked[] = {"existence", "position", "compare"};
    for (size_t f = 0; f < COUNT_OF(asked); f++) {
        int yes = 0;
        for (int64_t i = 0; i < 1000; i++) {
            synth_item item = sample("scenes", asked[f], SYNTH_TEST, i);
            assert_int_equal(item.questions.count, 1);
            yes += !strcmp(item.questions.at[0].answer, "yes");
            synth_item_free(&item);
        }
        assert_in_range(yes, 440, 560); /* 500 +- 3.8 standard deviations, and a few ties that are a no */
    }
}

/* The reasoning lists what is counted. */
static void a_count_is_the_length_of_its_list(void **state) {
    (void)state;
    int seen[7] = {0};
    for (int64_t i = 0; i < 500; i++) {
        synth_item item = sample("scenes", "count", SYNTH_TRAIN, i);
        const synth_question *q = &item.questions.at[0];
        int listed = strstr(q->reasoning, ": none.") == NULL;
        for (const char *p = q->reasoning; (p = strchr(p, ',')); p++) listed++;
        assert_int_equal(listed, atoi(q->answer));
        seen[listed]++;
        synth_item_free(&item);
    }
    for (int n = 0; n < 7; n++) assert_true(seen[n] > 30);
}

/* Every family finds a scene, none holds more than asked for, and one that is full occurs. */
static void a_scene_holds_no_more_things_than_asked_for(void **state) {
    (void)state;
    const synth_kind *k;
    assert_int_equal(synth_find(&k, "scenes"), LMM_OK);
    for (int things = SYNTH_THINGS_MIN; things <= 9; things++) {
        int most = 0;
        for (int64_t i = 0; i < 240; i++) {
            const synth_options o = {.seed = 7, .side = 64, .things = things, .questions = 6};
            synth_item item;
            assert_int_equal(synth_make(&item, k, &o, SYNTH_TRAIN, i), LMM_OK);
            for (int q = 0; q < item.questions.count; q++) {
                if (strcmp(item.questions.at[q].family, "describe")) continue;
                int named = 0;
                for (const char *p = item.questions.at[q].answer; p; p = strchr(p + 1, ',')) named++;
                named += strstr(item.questions.at[q].answer, " and ") != NULL;
                assert_in_range(named, 1, things);
                most = named > most ? named : most;
            }
            synth_item_free(&item);
        }
        assert_in_range(most, min_int(things, 6), things);
    }
}

/* What a scan names in its cells, without the notes behind things: "A red circle B - ...". free(). */
static char *cells_alone(const char *reasoning, int cells) {
    buf out = {0};
    const char *at = reasoning + strlen("I see");
    assert_true(!strncmp(reasoning, "I see A ", 8));
    for (int n = 0; n < cells; n++) {
        char letter[8];
        snprintf(letter, sizeof letter, " %c ", 'A' + n);
        at = strstr(at, letter);
        assert_non_null(at);
        const char *end = at + 3;
        if (*end != '-') end += strcspn(end, " "), end += 1 + strcspn(end + 1, " .");
        else end++;
        buf_put(&out, at, (size_t)(end - at));
        at = end;
    }
    return buf_take(&out);
}

static int occurrences(const char *text, const char *word) {
    int n = 0;
    for (; (text = strstr(text, word)); text++) n++;
    return n;
}

/* What is noted behind the things has to lead to the answer. */
static void check_notes(const synth_question *q) {
    char end[64];
    const char *why = q->reasoning;
    if (!strcmp(q->family, "existence")) assert_int_equal(strstr(why, " yes") != NULL, !strcmp(q->answer, "yes"));
    if (!strcmp(q->family, "color")) {
        assert_int_equal(occurrences(why, " is "), 2);
        snprintf(end, sizeof end, " It is %s.", q->answer);
        assert_non_null(strstr(why, end));
    }
    if (!strcmp(q->family, "count")) {
        snprintf(end, sizeof end, " That makes %s.", q->answer);
        assert_non_null(strstr(why, end));
        for (int n = 1; n <= atoi(q->answer); n++) {
            snprintf(end, sizeof end, " %d", n);
            assert_non_null(strstr(why, end));
        }
    }
    if (!strcmp(q->family, "position")) assert_true(strstr(why, " X ") && strstr(why, " Y "));
    if (strstr(q->question, "more")) {
        int m, n, x = occurrences(why, " X ") - 1, y = occurrences(why, " Y ") - 1;
        assert_int_equal(sscanf(strstr(why, ". X ") + 1, " X %d, Y %d.", &m, &n), 2);
        assert_true(m == x && n == y && (m > n) == !strcmp(q->answer, "yes"));
    }
}

/* With `cells` every question of a scene names the same letters and looks, and those are as many as are described. */
static void cells_name_what_stands_where(void **state) {
    (void)state;
    const synth_kind *k;
    assert_int_equal(synth_find(&k, "scenes"), LMM_OK);
    for (int64_t i = 0; i < 300; i++) {
        const synth_options o = {.seed = 7, .side = 64, .things = 9, .questions = 6, .cells = true};
        synth_item item;
        assert_int_equal(synth_make(&item, k, &o, SYNTH_TEST, i), LMM_OK);
        char *first = cells_alone(item.questions.at[0].reasoning, 9);
        for (int q = 0; q < item.questions.count; q++) {
            char *cells = cells_alone(item.questions.at[q].reasoning, 9);
            assert_string_equal(cells, first);
            check_notes(&item.questions.at[q]);
            free(cells);
            if (strcmp(item.questions.at[q].family, "describe")) continue;
            int named = 1 + (strstr(item.questions.at[q].answer, " and ") != NULL);
            for (const char *p = item.questions.at[q].answer; (p = strchr(p, ',')); p++) named++;
            assert_int_equal(named, 9 - occurrences(first, " -"));
        }
        free(first);
        synth_item_free(&item);
    }
}

/* The other kinds: reasoning begins with all that is seen and its last sentence says the answer. */
static void cells_of_charts_numbers_and_clips_lead_to_the_answer(void **state) {
    (void)state;
    const char *const kinds[] = {"charts", "numbers", "clips"};
    for (int n = 0; n < 3; n++)
        for (int64_t i = 0; i < 60; i++) {
            const synth_kind *k;
            synth_item item;
            assert_int_equal(synth_find(&k, kinds[n]), LMM_OK);
            assert_int_equal(synth_make(&item, k, &(synth_options){.seed = 7, .side = 64, .cells = true}, SYNTH_TEST, i), LMM_OK);
            for (int q = 0; q < item.questions.count; q++) {
                const synth_question *one = &item.questions.at[q];
                const char *last = strrchr(one->reasoning, '.');
                assert_true(last && !last[1]);
                while (last > one->reasoning && strncmp(last, ". ", 2)) last--;
                assert_true(!strncmp(one->reasoning, "I see ", 6));
                assert_non_null(strstr(last, one->answer));
            }
            synth_item_free(&item);
        }
    const synth_kind *clips;
    synth_item item;
    assert_int_equal(synth_find(&clips, "clips"), LMM_OK);
    assert_int_equal(synth_make(&item, clips, &(synth_options){.cells = true, .frames = 27}, SYNTH_TEST, 0), LMM_E_ARG);
}

/* Sentences without pictures show and ask about all combinations, and hold numbers of every split. */
static void words_hold_every_combination(void **state) {
    (void)state;
    enum { LOOKS = SHAPE_COUNT * COLOR_COUNT };
    bool shown[LOOKS] = {0}, asked[LOOKS] = {0}, numbers[SYNTH_WORDS] = {0};
    for (int64_t i = 0; i < 800; i++) {
        synth_item all = sample("scenes", "describe", SYNTH_WORDS, i), one = sample("scenes", "existence", SYNTH_WORDS, i);
        synth_item number = sample("numbers", "read", SYNTH_WORDS, i);
        for (int k = 0; k < LOOKS; k++) {
            const look l = {k / COLOR_COUNT, k % COLOR_COUNT};
            shown[k] |= names_look(all.questions.at[0].answer, l);
            asked[k] |= names_look(one.questions.at[0].question, l);
        }
        numbers[number_split((uint64_t)atoi(number.questions.at[0].answer))] = true;
        synth_item_free(&all), synth_item_free(&one), synth_item_free(&number);
    }
    for (int k = 0; k < LOOKS; k++) assert_true(shown[k] && asked[k]);
    for (int split = 0; split < SYNTH_WORDS; split++) assert_true(numbers[split]);
}

static int ink_count(const image *im) {
    int n = 0;
    for (int i = 0; i < im->width * im->height; i++) {
        const unsigned char *p = im->data + 3 * i;
        n += p[0] < 210 || p[1] < 210 || p[2] < 210;
    }
    return n;
}

/* Every ink is far from the eight that have names, and no name is said. */
static void shapes_are_in_inks_without_a_name(void **state) {
    (void)state;
    rng r = rng_make(3, 0);
    for (int i = 0; i < 200; i++) {
        draw_color c = ink_unnamed(&r);
        for (int k = 0; k < COLOR_COUNT; k++) {
            int dr = c.r - color_inks[k].r, dg = c.g - color_inks[k].g, db = c.b - color_inks[k].b;
            assert_true(dr * dr + dg * dg + db * db >= 60 * 60);
        }
        synth_item item = sample("shapes", "describe", SYNTH_TRAIN, i), asked = sample("shapes", "count,compare", SYNTH_TRAIN, i);
        for (int k = 0; k < COLOR_COUNT; k++) {
            assert_null(strstr(item.questions.at[0].answer, color_names[k]));
            assert_null(strstr(asked.questions.at[0].question, color_names[k]));
            assert_null(strstr(asked.questions.at[0].reasoning, color_names[k]));
        }
        assert_true(!strncmp(item.questions.at[0].answer, "a ", 2));
        synth_item_free(&item);
        synth_item_free(&asked);
    }
}

/* All colours are said, no shape is. */
static void colors_are_of_forms_without_a_name(void **state) {
    (void)state;
    int seen[COLOR_COUNT] = {0};
    for (int i = 0; i < 200; i++) {
        synth_item item = sample("colors", "describe", SYNTH_TRAIN, i), asked = sample("colors", "count", SYNTH_TRAIN, i);
        const char *answer = item.questions.at[0].answer;
        for (int k = 0; k < COLOR_COUNT; k++) seen[k] += strstr(answer, color_names[k]) != NULL;
        for (int k = 0; k < SHAPE_COUNT; k++) assert_null(strstr(answer, shape_names[k].one));
        assert_non_null(strstr(answer, " shape"));
        assert_int_equal(occurrences(strchr(asked.questions.at[0].reasoning, ':'), " shape"), atoi(asked.questions.at[0].answer));
        synth_item_free(&asked);
        assert_true(ink_count(&item.frames[0]) > 0);
        synth_item_free(&item);
    }
    for (int k = 0; k < COLOR_COUNT; k++) assert_true(seen[k] > 30);
}

/* About half of the comparisons are of sizes, and the answer follows from what is said of the two. */
static void shapes_and_colors_alone_differ_in_size(void **state) {
    (void)state;
    static const char *const kinds[] = {"shapes", "colors"};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        int sizes = 0, yes = 0;
        for (int i = 0; i < 200; i++) {
            synth_item item = sample(kinds[k], "compare", SYNTH_TRAIN, i);
            const synth_question *q = &item.questions.at[0];
            assert_int_equal(item.questions.count, 1);
            if (strncmp(q->question, "Is the ", 7) == 0) {
                const bool first_is_large = strstr(q->reasoning, " is large, ") != NULL,
                           larger = strstr(q->question, " larger than ") != NULL;
                assert_true(first_is_large == (strstr(q->reasoning, " is small.") != NULL));
                assert_string_equal(q->answer, first_is_large == larger ? "yes" : "no");
                sizes++, yes += !strcmp(q->answer, "yes");
            }
            synth_item_free(&item);
        }
        assert_in_range(sizes, 70, 130);
        assert_in_range(yes, sizes / 4, 3 * sizes / 4);
    }
}

static void chart_arithmetic_holds(void **state) {
    (void)state;
    for (int64_t i = 0; i < 200; i++) {
        synth_item sum = sample("charts", "sum", SYNTH_TEST, i), difference = sample("charts", "difference", SYNTH_TEST, i);
        int a, b;
        assert_int_equal(sscanf(strchr(sum.questions.at[0].reasoning, '.') + 1, "%d + %d", &a, &b), 2);
        assert_int_equal(a + b, atoi(sum.questions.at[0].answer));
        assert_int_equal(sscanf(strchr(difference.questions.at[0].reasoning, '.') + 1, "%d - %d", &a, &b), 2);
        assert_int_equal(a - b, atoi(difference.questions.at[0].answer));
        assert_true(a > b);
        synth_item_free(&sum), synth_item_free(&difference);
    }
}

static void events_are_as_many_as_drawn(void **state) {
    (void)state;
    for (int64_t i = 0; i < 100; i++) {
        synth_item item = sample("clips", "events", SYNTH_TRAIN, i);
        int events = 0;
        for (int k = 0; k < item.frame_count; k++) {
            bool here = ink_count(&item.frames[k]) > 0, before = k > 0 && ink_count(&item.frames[k - 1]) > 0;
            assert_false(here && before); /* an event is one frame, and never beside another */
            events += here;
        }
        assert_int_equal(events, atoi(item.questions.at[0].answer));
        synth_item_free(&item);
    }
}

static double ink_centre(const image *im, bool across) {
    double sum = 0, n = 0;
    for (int y = 0; y < im->height; y++)
        for (int x = 0; x < im->width; x++) {
            const unsigned char *p = im->data + 3 * (y * im->width + x);
            if (p[0] < 210 || p[1] < 210 || p[2] < 210) sum += across ? x : y, n++;
        }
    return sum / n;
}

static void things_move_where_the_answer_says(void **state) {
    (void)state;
    for (int64_t i = 0; i < 100; i++) {
        synth_item item = sample("clips", "direction", SYNTH_VALIDATION, i);
        const char *answer = item.questions.at[0].answer;
        bool across = !strcmp(answer, "left") || !strcmp(answer, "right"), forward = !strcmp(answer, "right") || !strcmp(answer, "down");
        double way = ink_centre(&item.frames[item.frame_count - 1], across) - ink_centre(&item.frames[0], across);
        assert_true(forward ? way > 10 : way < -10);
        synth_item_free(&item);
    }
}

static void families_of_a_list_take_turns(void **state) {
    (void)state;
    static const char *const want[] = {"count", "compare", "describe"};
    for (int64_t i = 0; i < 9; i++) {
        synth_item item = sample("scenes", "count,compare,describe", SYNTH_TRAIN, i);
        assert_int_equal(item.questions.count, 1);
        assert_string_equal(item.questions.at[0].family, want[i % 3]);
        synth_item_free(&item);
    }
    const synth_kind *k;
    synth_item item;
    assert_int_equal(synth_find(&k, "scenes"), LMM_OK);
    assert_int_equal(synth_make(&item, k, &(synth_options){.family = "count,compere"}, SYNTH_TRAIN, 1), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'compare'"));
}

static void wrong_options_are_refused(void **state) {
    (void)state;
    const synth_kind *k;
    synth_item item;
    assert_int_equal(synth_find(&k, "scene"), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'scenes'"));
    assert_int_equal(synth_find(&k, "scenes"), LMM_OK);
    assert_int_equal(synth_make(&item, k, &(synth_options){.family = "counts"}, SYNTH_TRAIN, 0), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "'count'"));
    assert_int_equal(synth_make(&item, k, &(synth_options){.side = 5000}, SYNTH_TRAIN, 0), LMM_E_ARG);
    assert_int_equal(synth_make(&item, k, &(synth_options){.things = 1}, SYNTH_TRAIN, 0), LMM_E_ARG);
    assert_int_equal(synth_make(&item, k, &(synth_options){.things = 17}, SYNTH_TRAIN, 0), LMM_E_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_a_function_of_its_index),
        cmocka_unit_test(training_scenes_show_no_test_combination),
        cmocka_unit_test(every_color_and_every_shape_is_in_training),
        cmocka_unit_test(numbers_of_the_splits_are_disjoint),
        cmocka_unit_test(numbers_have_no_more_digits_than_asked_for),
        cmocka_unit_test(yes_is_as_frequent_as_no),
        cmocka_unit_test(a_count_is_the_length_of_its_list),
        cmocka_unit_test(a_scene_holds_no_more_things_than_asked_for),
        cmocka_unit_test(cells_name_what_stands_where),
        cmocka_unit_test(cells_of_charts_numbers_and_clips_lead_to_the_answer),
        cmocka_unit_test(words_hold_every_combination),
        cmocka_unit_test(shapes_are_in_inks_without_a_name),
        cmocka_unit_test(shapes_and_colors_alone_differ_in_size),
        cmocka_unit_test(colors_are_of_forms_without_a_name),
        cmocka_unit_test(chart_arithmetic_holds),
        cmocka_unit_test(events_are_as_many_as_drawn),
        cmocka_unit_test(things_move_where_the_answer_says),
        cmocka_unit_test(families_of_a_list_take_turns),
        cmocka_unit_test(wrong_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
