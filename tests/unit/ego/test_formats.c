/* test_formats.c - time codes, SRT, caption JSON and JSON lines as other tools write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego.h"

static void stamps_count_frames_of_twenty_a_second(void **state) {
    (void)state;
    int64_t ms;
    assert_true(ego_stamp("11094208", 8, 1, &ms));
    assert_int_equal(ms, ((11 * 60 + 9) * 60 + 42) * 1000 + 8 * 50);
    assert_true(ego_stamp("9000000", 7, 2, &ms)); /* a number that lost its zero */
    assert_int_equal(ms, (int64_t)EGO_DAY + 9 * EGO_HOUR);
    assert_false(ego_stamp("11094220", 8, 1, &ms)); /* there is no frame 20 */
    assert_false(ego_stamp("11604200", 8, 1, &ms));
    assert_false(ego_stamp("110942088", 9, 1, &ms));
    assert_false(ego_stamp("", 0, 1, &ms));
}

static void stamps_survive_the_round_trip(void **state) {
    (void)state;
    for (int64_t ms = 0; ms < EGO_DAY; ms += 12345650) {
        char text[16];
        int64_t back;
        ego_stamp_text(ms, text);
        assert_true(ego_stamp(text, 8, 1, &back));
        assert_int_equal(back, ms);
    }
}

static ego_spans targets(const char *json) {
    ego_spans s = {0};
    tree *t;
    assert_int_equal(tree_parse_json(&t, json, strlen(json), "t"), LMM_OK);
    ego_targets(t, &s);
    tree_free(t);
    return s;
}

static void target_times_come_in_every_shape(void **state) {
    (void)state;
    ego_spans s = targets("{\"date\":\"DAY1\",\"time\":\"11153417DAY1_11181201\"}");
    assert_int_equal(s.count, 1);
    assert_true(s.at[0].to > s.at[0].from);
    free(s.at);
    s = targets("{\"date\":\"DAY2\",\"time_list\":[\"11153417\",\"12153417\"]}");
    assert_int_equal(s.count, 2);
    assert_int_equal(s.at[0].from / EGO_DAY, 1);
    free(s.at);
    s = targets("[{\"time\":9000000,\"date\":\"day3\"},{\"date\":\"DAY4\",\"time\":\"1200000013000000\"}]");
    assert_int_equal(s.count, 3);
    assert_int_equal(s.at[0].from, 2 * (int64_t)EGO_DAY + 9 * EGO_HOUR);
    assert_int_equal(s.at[2].from / EGO_DAY, 3);
    free(s.at);
}

static ego_cues srt(const char *text, bool speech) {
    ego_cues c = {0};
    ego_srt_parse(&c, text, strlen(text), 11 * EGO_HOUR, speech);
    return c;
}

static void srt_offsets_are_added_to_the_stamp_of_the_file(void **state) {
    (void)state;
    ego_cues c = srt("\xef\xbb\xbf"
                     "1\r\n00:00:01,000 --> 00:00:02.5\r\nI sit.\r\n\r\n00:59:60,000 --> 01:00:01,000\r\nI stand \xf0\x9f\x98\x80.\r\n",
                     false);
    assert_int_equal(c.cues.count, 2);
    assert_int_equal(c.cues.at[0].t0, 11 * EGO_HOUR + 1000);
    assert_int_equal(c.cues.at[0].t1, 11 * EGO_HOUR + 2500);
    assert_int_equal(c.cues.at[1].t0, 12 * EGO_HOUR);
    assert_string_equal(c.cues.at[1].text, "I stand \xf0\x9f\x98\x80.");
    assert_int_equal(c.skipped, 0);
    ego_cues_free(&c);
}

static void srt_speech_names_its_speaker_once(void **state) {
    (void)state;
    ego_cues c = srt("1\n00:00:01,000 --> 00:00:02,000\nJake\xef\xbc\x9a\xe4\xbd\xa0\xe5\xa5\xbd\nJake: hello: you\n", true);
    assert_int_equal(c.cues.count, 1);
    assert_string_equal(c.cues.at[0].speaker, "Jake");
    assert_string_equal(c.cues.at[0].text, "\xe4\xbd\xa0\xe5\xa5\xbd hello: you");
    ego_cues_free(&c);
}

static void srt_pieces_that_make_no_sense_do_not_hurt_the_rest(void **state) {
    (void)state;
    ego_cues c = srt("garbage here\n\n1\n00:00:05,000 --> 00:00:02,000\nbackwards\n\n2\n00:00:06,000 --> "
                     "00:00:07,000\ngood\n\n3\n00:00:08,000 --> 00:0",
                     false);
    assert_int_equal(c.cues.count, 1);
    assert_string_equal(c.cues.at[0].text, "good");
    assert_true(c.skipped >= 2);
    assert_int_equal(c.first_bad, 1);
    ego_cues_free(&c);
    c = srt("1\n00:00:05,000 --> 00:00:06,000\n\n2\n00:00:06,000 --> 00:00:07,000\n\n", true);
    assert_int_equal(c.cues.count, 0);
    ego_cues_free(&c);
}

static void captions_of_both_shapes_are_read(void **state) {
    (void)state;
    const char *rag =
        "[{\"start_time\":\"11094208\",\"end_time\":11101200,\"date\":\"DAY2\",\"text\":\"I open it.\"},{\"text\":\"no time\"}]";
    const char *sync = "[{\"video_file\":\"DAY1_A1_JAKE_11094208.mp4\",\"data\":[{\"start\":110942,\"end\":110950,\"text\":\"hi\",\"type\":"
                       "\"transcript\"}]}]";
    ego_cues c = {0};
    assert_int_equal(ego_captions_parse(&c, rag, strlen(rag), "rag"), LMM_OK);
    assert_int_equal(c.cues.count, 1);
    assert_int_equal(c.skipped, 1);
    assert_int_equal(c.cues.at[0].t0 / EGO_DAY, 1);
    assert_int_equal(ego_captions_parse(&c, sync, strlen(sync), "sync"), LMM_OK);
    assert_int_equal(c.cues.count, 2);
    assert_true(c.cues.at[1].speech);
    ego_cues_free(&c);
    assert_int_equal(ego_captions_parse(&c, "{}", 2, "map"), LMM_E_FORMAT);
    assert_int_equal(ego_captions_parse(&c, "[{", 2, "cut"), LMM_E_FORMAT);
}

static void json_lines_keep_who_and_whose(void **state) {
    (void)state;
    const char *text =
        "{\"day\":1,\"start\":\"11000000\",\"end\":\"11000100\",\"text\":\"hi\",\"speaker\":\"Jake\",\"wearer\":\"A2_ALICE\"}\n\nnot json\n"
        "{\"t0\":5,\"t1\":9,\"text\":\"\xe5\x96\x9d\xe8\x8c\xb6\"}\n{\"t0\":5,\"t1\":3,\"text\":\"x\"}\n{\"t0\":5,";
    ego_cues c = {0};
    ego_jsonl_parse(&c, text, strlen(text));
    assert_int_equal(c.cues.count, 2);
    assert_string_equal(c.cues.at[0].wearer, "A2_ALICE");
    assert_true(c.cues.at[0].speech);
    assert_false(c.cues.at[1].speech);
    assert_int_equal(c.skipped, 3);
    assert_int_equal(c.first_bad, 3);
    ego_cues_free(&c);
}

static void words_of_one_meaning_become_one_token(void **state) {
    (void)state;
    ego_terms a = {0}, b = {0};
    ego_terms_of(&a, "He bought blue films for 19.9");
    ego_terms_of(&b, "purchasing the blue movie, 19.9");
    assert_int_equal(a.count, b.count);
    for (int i = 0; i < a.count; i++) assert_string_equal(a.at[i], b.at[i]);
    ego_terms_free(&a), ego_terms_free(&b);
}

static void chinese_gives_characters_and_pairs(void **state) {
    (void)state;
    ego_terms t = {0};
    ego_terms_of(&t, "\xe5\x96\x9d\xe8\x8c\xb6\xe5\x90\xa7");
    assert_int_equal(t.count, 5);
    ego_terms_free(&t);
}

static void questions_name_times(void **state) {
    (void)state;
    const int64_t now = 2 * (int64_t)EGO_DAY + 15 * EGO_HOUR;
    ego_spans s = {0};
    assert_true(ego_when("What did I eat yesterday evening?", now, &s));
    assert_int_equal(s.at[0].from, (int64_t)EGO_DAY + 18 * EGO_HOUR);
    assert_int_equal(s.at[0].to, (int64_t)EGO_DAY + 23 * EGO_HOUR);
    s.count = 0;
    assert_true(ego_when("two hours ago", now, &s));
    assert_true(s.at[0].from < now - 2 * EGO_HOUR && s.at[0].to > now - 2 * EGO_HOUR);
    s.count = 0;
    assert_true(ego_when("on day 1 in the morning", now, &s));
    assert_int_equal(s.at[0].from, 5 * EGO_HOUR);
    s.count = 0;
    assert_false(ego_when("Where is my birthday mug?", now, &s));
    assert_true(ego_when("this afternoon", now, &s));
    assert_true(s.at[0].to <= now);
    free(s.at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_count_frames_of_twenty_a_second),
        cmocka_unit_test(stamps_survive_the_round_trip),
        cmocka_unit_test(target_times_come_in_every_shape),
        cmocka_unit_test(srt_offsets_are_added_to_the_stamp_of_the_file),
        cmocka_unit_test(srt_speech_names_its_speaker_once),
        cmocka_unit_test(srt_pieces_that_make_no_sense_do_not_hurt_the_rest),
        cmocka_unit_test(captions_of_both_shapes_are_read),
        cmocka_unit_test(json_lines_keep_who_and_whose),
        cmocka_unit_test(words_of_one_meaning_become_one_token),
        cmocka_unit_test(chinese_gives_characters_and_pairs),
        cmocka_unit_test(questions_name_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
