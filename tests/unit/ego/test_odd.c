/* test_odd.c - recordings as they come: overlapping, with holes, with wrong clocks, empty, cut off, in other scripts; each is named and the rest is kept. */
#include "memory_util.h"

static void put_file(world *w, const char *name, const char *text) {
    char *path = mem_printf("%s/in/%s", w->dir, name), *dir = path_dir(path);
    assert_int_equal(dir_make(dir), LMM_OK);
    assert_int_equal(file_write(path, text, strlen(text)), LMM_OK);
    free(path), free(dir);
}

static void import(world *w) {
    char *path = path_join(w->dir, "in");
    ego_build_report r;
    assert_int_equal(ego_import(w->e, path, &(ego_import_opts){.quiet = true}, &w->r), LMM_OK);
    assert_int_equal(ego_build(w->e, &(ego_build_opts){.quiet = true}, &r), LMM_OK);
    free(path);
}

static void expect_note(const world *w, const char *file, const char *what) {
    const char *at = w->r.notes.size ? strstr(w->r.notes.data, file) : NULL;
    if (!at || !strstr(at, what)) fail_msg("no note '%s: ... %s' in: %s", file, what, w->r.notes.size ? w->r.notes.data : "(nothing)");
}

static char *first_hit(world *w, const char *query) {
    ego_view *v;
    ego_hits h = {0};
    assert_int_equal(ego_view_open(&v, w->e, "JAKE", INT64_MAX / 4), LMM_OK);
    assert_int_equal(ego_search(v, query, &(ego_search_opts){.count = 1}, &h), LMM_OK);
    char *text = mem_strdup(h.count ? h.at[0].text : "");
    ego_hits_free(&h);
    ego_view_close(v);
    return text;
}

static void expect_hit(world *w, const char *query, const char *part) {
    char *text = first_hit(w, query);
    if (!strstr(text, part)) fail_msg("'%s' finds '%s'", query, text);
    free(text);
}

static void overlapping_cues_are_counted_and_kept(void **state) {
    world *w = *state;
    put_file(w, "DenseCaption/A1_JAKE/DAY1/A1_JAKE_DAY1_11000000.srt",
             "1\n00:00:01,000 --> 00:00:09,000\nI wash a plum.\n\n2\n00:00:04,000 --> 00:00:12,000\nI peel a quince.\n");
    import(w);
    assert_int_equal(w->r.overlaps, 1);
    assert_int_equal(w->r.captions, 2);
    expect_hit(w, "quince", "peel");
}

static void a_day_without_anything_is_named(void **state) {
    world *w = *state;
    put_file(w, "DenseCaption/A1_JAKE/DAY1/A1_JAKE_DAY1_11000000.srt", "1\n00:00:01,000 --> 00:00:02,000\nI sit.\n");
    put_file(w, "DenseCaption/A1_JAKE/DAY4/A1_JAKE_DAY4_11000000.srt", "1\n00:00:01,000 --> 00:00:02,000\nI stand.\n");
    import(w);
    expect_note(w, "DAY2", "nothing");
    expect_note(w, "DAY3", "nothing");
    assert_null(strstr(w->r.notes.data, "DAY4:"));
}

static void a_clock_that_is_off_is_named(void **state) {
    world *w = *state;
    put_file(w, "DenseCaption/A1_JAKE/DAY1/A1_JAKE_DAY1_11000000.srt", "1\n05:00:01,000 --> 05:00:02,000\nI see a heron.\n");
    import(w);
    expect_note(w, "A1_JAKE_DAY1_11000000.srt", "clock");
    expect_hit(w, "heron", "heron");
}

static void empty_transcripts_are_named(void **state) {
    world *w = *state;
    put_file(w, "Transcript/A1_JAKE/DAY1/A1_JAKE_DAY1_11000000.srt", "");
    put_file(w, "Transcript/A1_JAKE/DAY1/A1_JAKE_DAY1_12000000.srt", "1\n00:00:01,000 --> 00:00:02,000\nTasha: hello\n");
    import(w);
    expect_note(w, "A1_JAKE_DAY1_11000000.srt", "empty");
    assert_int_equal(w->r.speech, 1);
}

static void files_cut_in_the_middle_keep_what_is_whole(void **state) {
    world *w = *state;
    put_file(w, "a/A1_JAKE_DAY1_11000000.srt", "1\n00:00:01,000 --> 00:00:02,000\nI hold a lute.\n\n2\n00:00:03,0");
    put_file(w, "a/A1_JAKE_DAY1.jsonl",
             "{\"day\":1,\"start\":\"11000000\",\"end\":\"11000100\",\"text\":\"I hold a cello.\"}\n{\"day\":1,\"sta");
    put_file(w, "a/A1_JAKE_DAY2.json", "[{\"start_time\":\"11094208\",\"end_time\":\"11101200\",\"date\":\"DAY2\",\"te");
    import(w);
    expect_note(w, "A1_JAKE_DAY1_11000000.srt", "could not be read");
    expect_note(w, "A1_JAKE_DAY1.jsonl", "line 2");
    expect_note(w, "A1_JAKE_DAY2.json", "");
    assert_int_equal(w->r.captions, 2);
    expect_hit(w, "lute", "lute");
    expect_hit(w, "cello", "cello");
}

static void other_scripts_are_found_and_answered(void **state) {
    world *w = *state;
    put_file(w, "Transcript/A1_JAKE/DAY1/A1_JAKE_DAY1_11000000.srt",
             "1\n00:00:01,000 --> 00:00:02,000\nTasha: \xe6\x88\x91\xe5\x9c\xa8\xe5\x8e\xa8\xe6\x88\xbf\xe5\x96\x9d\xe8\x8c\xb6\n\n"
             "2\n00:00:05,000 --> 00:00:06,000\nTasha: \xe6\x88\x91\xe5\x9c\xa8\xe8\x8a\xb1\xe5\x9b\xad\xe8\xb7\x91\xe6\xad\xa5\n\n"
             "3\n00:00:09,000 --> 00:00:10,000\nTasha: party \xf0\x9f\x8e\x89 at nine\n");
    import(w);
    expect_hit(w, "\xe5\x96\x9d\xe8\x8c\xb6", "\xe5\x8e\xa8\xe6\x88\xbf");
    expect_hit(w, "\xf0\x9f\x8e\x89", "nine");
    ego_view *v;
    ego_answer a;
    const ego_question q = {.question = "\xe5\x9c\xa8\xe5\x93\xaa\xe9\x87\x8c\xe5\x96\x9d\xe8\x8c\xb6?",
                            .options = {"\xe8\x8a\xb1\xe5\x9b\xad", "\xe5\x8e\xa8\xe6\x88\xbf"},
                            .option_count = 2};
    assert_int_equal(ego_view_open(&v, w->e, "JAKE", INT64_MAX / 4), LMM_OK);
    assert_int_equal(ego_ask(v, &q, EGO_OURS, NULL, &a), LMM_OK);
    assert_int_equal(a.choice, 1);
    ego_answer_free(&a);
    ego_view_close(v);
}

static void files_that_name_nobody_are_refused_with_what_would_help(void **state) {
    world *w = *state;
    put_file(w, "notes.srt", "1\n00:00:01,000 --> 00:00:02,000\nI sit.\n");
    char *path = path_join(w->dir, "in/notes.srt");
    assert_int_equal(ego_import(w->e, path, &(ego_import_opts){.quiet = true}, &w->r), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "--wearer"));
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(overlapping_cues_are_counted_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_day_without_anything_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_is_off_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_transcripts_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(files_cut_in_the_middle_keep_what_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(other_scripts_are_found_and_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_name_nobody_are_refused_with_what_would_help, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
