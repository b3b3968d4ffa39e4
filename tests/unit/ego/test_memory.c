/* test_memory.c - what a memory keeps, what a view lets through, what forgetting leaves. */
#include "ego/ego_int.h"
#include "engine/engine.h"
#include "memory_util.h"

static void add(ego *e, const char *who, int kind, int64_t t0, const char *speaker, const char *text) {
    int stream;
    assert_int_equal(ego_stream(e, who, &stream), LMM_OK);
    assert_int_equal(ego_add(e, &(ego_row){kind, stream, t0, t0 + 2000, 0, speaker, text, NULL}), LMM_OK);
}

static void build(ego *e) {
    ego_build_report r;
    assert_int_equal(ego_build(e, &(ego_build_opts){.quiet = true}, &r), LMM_OK);
}

/* Texts found, joined by '|', as `who` at `cut`. */
static char *found(ego *e, const char *who, int64_t cut, const char *query) {
    ego_view *v;
    ego_hits h = {0};
    buf b = {0};
    assert_int_equal(ego_view_open(&v, e, who, cut), LMM_OK);
    assert_int_equal(ego_search(v, query, &(ego_search_opts){.count = 20}, &h), LMM_OK);
    for (int i = 0; i < h.count; i++) buf_printf(&b, "%s|%.9f|", h.at[i].text, h.at[i].score);
    ego_hits_free(&h);
    ego_view_close(v);
    return buf_take(&b);
}

static void rows_are_not_doubled(void **state) {
    world *w = *state;
    for (int i = 0; i < 2; i++) add(w->e, "A1_JAKE", EGO_CAPTION, 1000, NULL, "I open the fridge.");
    build(w->e);
    char *path = path_join(w->dir, "out.jsonl");
    int64_t count;
    assert_int_equal(ego_export(w->e, path, &count), LMM_OK);
    assert_int_equal(count, 1);
    free(path);
}

static void export_imports_back_to_the_same_bytes(void **state) {
    world *w = *state;
    add(w->e, "A1_JAKE", EGO_CAPTION, 1000, NULL, "I say \"hi\" \xf0\x9f\x98\x80.");
    add(w->e, "A2_ALICE", EGO_SPEECH, 2000, "Alice", "\xe4\xbd\xa0\xe5\xa5\xbd");
    char *a = path_join(w->dir, "a.jsonl"), *b = path_join(w->dir, "b.jsonl"), *copy = path_join(w->dir, "copy"), *text_a, *text_b;
    int64_t count;
    ego *e;
    ego_import_report r = {0};
    assert_int_equal(ego_export(w->e, a, &count), LMM_OK);
    assert_int_equal(ego_create(copy), LMM_OK);
    assert_int_equal(ego_open(&e, copy), LMM_OK);
    assert_int_equal(ego_import(e, a, &(ego_import_opts){.quiet = true}, &r), LMM_OK);
    assert_int_equal(ego_export(e, b, &count), LMM_OK);
    assert_int_equal(file_read(&text_a, NULL, a, 1 << 20), LMM_OK);
    assert_int_equal(file_read(&text_b, NULL, b, 1 << 20), LMM_OK);
    assert_string_equal(text_a, text_b);
    ego_close(e);
    buf_free(&r.notes);
    free(text_a), free(text_b), free(a), free(b), free(copy);
}

static void a_view_is_as_if_the_rest_had_not_happened(void **state) {
    world *w = *state;
    add(w->e, "A1_JAKE", EGO_CAPTION, 1000, NULL, "I put the blue mug on the shelf with Alice.");
    add(w->e, "A1_JAKE", EGO_SPEECH, 5000, "Alice", "Nice mug.");
    build(w->e);
    char *before = found(w->e, "JAKE", 20000, "blue mug Alice");
    add(w->e, "A1_JAKE", EGO_CAPTION, 50000, NULL, "I put the blue mug in the zanzibar drawer with Alice.");
    add(w->e, "A1_JAKE", EGO_SPEECH, 60000, "Alice", "mug mug mug");
    build(w->e);
    char *after = found(w->e, "JAKE", 20000, "blue mug Alice"), *later = found(w->e, "JAKE", 90000, "blue mug Alice");
    assert_string_equal(before, after);
    assert_null(strstr(after, "zanzibar"));
    assert_non_null(strstr(later, "zanzibar"));
    free(before), free(after), free(later);
}

static void what_became_known_late_is_not_seen_early(void **state) {
    world *w = *state;
    int stream;
    assert_int_equal(ego_stream(w->e, "A1_JAKE", &stream), LMM_OK);
    assert_int_equal(ego_add(w->e, &(ego_row){EGO_CAPTION, stream, 1000, 2000, 70000, NULL, "A correction about the mug.", NULL}), LMM_OK);
    build(w->e);
    char *early = found(w->e, "JAKE", 60000, "mug"), *late = found(w->e, "JAKE", 70000, "mug");
    assert_string_equal(early, "");
    assert_non_null(strstr(late, "correction"));
    free(early), free(late);
}

static void recordings_of_others_need_a_grant(void **state) {
    world *w = *state;
    add(w->e, "A1_JAKE", EGO_CAPTION, 1000, NULL, "I hold a mug.");
    build(w->e);
    char *alone = found(w->e, "JAKE", 90000, "mug");
    add(w->e, "A2_ALICE", EGO_CAPTION, 2000, NULL, "I hide a mug.");
    build(w->e);
    char *denied = found(w->e, "JAKE", 90000, "mug");
    assert_string_equal(alone, denied);
    assert_int_equal(ego_grant(w->e, "JAKE", "ALICE", 0, 90000), LMM_OK);
    char *granted = found(w->e, "JAKE", 90000, "mug");
    assert_non_null(strstr(granted, "hide"));
    free(alone), free(denied), free(granted);
}

/* Whether any file of the folder holds the bytes. */
static bool bytes_on_disk(const char *dir, const void *needle, size_t n) {
    char **names;
    int count;
    bool there = false;
    assert_int_equal(dir_list(&names, &count, dir), LMM_OK);
    for (int i = 0; i < count; i++) {
        char *path = path_join(dir, names[i]), *text;
        size_t size;
        if (!file_is_dir(path) && !file_read(&text, &size, path, 1 << 28)) {
            for (size_t k = 0; k + n <= size && !there; k++) there = !memcmp(text + k, needle, n);
            free(text);
        }
        free(path);
    }
    names_free(names, count);
    return there;
}

static bool on_disk(const char *dir, const char *needle) { return bytes_on_disk(dir, needle, strlen(needle)); }

static void forgetting_leaves_no_byte(void **state) {
    world *w = *state;
    ego_vector vector;
    float x[EGO_WIDTH];
    ego_hash_embed("My secret word is xylophonist.", x);
    ego_vector_pack(&vector, 0, x);
    for (int i = 0; i < 400; i++)
        add(w->e, "A1_JAKE", EGO_CAPTION, 1000 + i * 10000, NULL, i % 7 ? "I walk to the kitchen." : "I met Quetzalina near the bridge.");
    add(w->e, "A1_JAKE", EGO_SPEECH, 1500, "Quetzalina", "My secret word is xylophonist.");
    build(w->e);
    assert_true(on_disk(w->dir, "xylophonist") && on_disk(w->dir, "uetzalina"));
    assert_true(bytes_on_disk(w->dir, vector.q, sizeof vector.q));
    int64_t count;
    assert_int_equal(ego_forget(w->e, &(ego_forget_opts){.mention = "Quetzalina"}, &count), LMM_OK);
    assert_int_equal(count, 59);
    assert_false(on_disk(w->dir, "xylophonist"));
    assert_false(on_disk(w->dir, "uetzalina"));
    assert_false(bytes_on_disk(w->dir, vector.q, sizeof vector.q));
    char *left = found(w->e, "JAKE", INT64_MAX / 4, "xylophonist Quetzalina bridge");
    assert_null(strstr(left, "bridge"));
    free(left);
}

static void rows_added_after_forgetting_are_found(void **state) {
    world *w = *state;
    add(w->e, "A1_JAKE", EGO_CAPTION, 1000, NULL, "I see a crow.");
    build(w->e);
    int64_t count;
    assert_int_equal(ego_forget(w->e, &(ego_forget_opts){.wearer = "JAKE"}, &count), LMM_OK);
    add(w->e, "A1_JAKE", EGO_CAPTION, 3000, NULL, "I see a magpie.");
    build(w->e);
    char *now = found(w->e, "JAKE", 90000, "magpie");
    assert_non_null(strstr(now, "magpie"));
    free(now);
}

static void two_people_of_one_name_must_be_told_apart(void **state) {
    world *w = *state;
    add(w->e, "A1_JAKE", EGO_CAPTION, 1000, NULL, "one");
    add(w->e, "A4_JAKE", EGO_CAPTION, 1000, NULL, "two");
    int stream;
    assert_int_equal(ego_person(w->e, "jake", &stream), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "A4_JAKE"));
    assert_int_equal(ego_person(w->e, "a4_jake", &stream), LMM_OK);
    assert_int_equal(ego_person(w->e, "nobody", &stream), LMM_E_ARG);
}

static void folders_of_egolife_are_read_in_both_orders(void **state) {
    world *w = *state;
    char *dir = path_join(w->dir, "EgoLifeCap/Transcript/A1_JAKE/DAY3"), *srt = path_join(dir, "A1_JAKE_DAY3_11000000.srt"),
         *bad = path_join(dir, "A1_JAKE_DAY3_12000000.srt"), *clip = path_join(dir, "DAY3_A1_JAKE_11094208.mp4"),
         *root = path_join(w->dir, "EgoLifeCap");
    const char *text = "1\n00:00:01,000 --> 00:00:02,000\nTasha: the scissors are gone\n";
    assert_int_equal(dir_make(dir), LMM_OK);
    assert_int_equal(file_write(srt, text, strlen(text)), LMM_OK);
    assert_int_equal(file_write(bad, text, 20), LMM_OK);
    assert_int_equal(file_write(clip, "", 0), LMM_OK);
    for (int again = 0; again < 2; again++) {
        ego_import_report r = {0};
        assert_int_equal(ego_import(w->e, root, &(ego_import_opts){.quiet = true}, &r), LMM_OK);
        assert_int_equal(r.speech, again ? 0 : 1);
        assert_int_equal(r.skipped_files, again ? 2 : 0);
        assert_non_null(strstr(r.notes.data, "A1_JAKE_DAY3_12000000.srt"));
        buf_free(&r.notes);
    }
    build(w->e);
    char *hit = found(w->e, "JAKE", INT64_MAX / 4, "scissors");
    assert_non_null(strstr(hit, "scissors are gone"));
    free(hit), free(dir), free(srt), free(bad), free(clip), free(root);
}

static void a_folder_without_memory_is_named(void **state) {
    (void)state;
    ego *e;
    assert_int_equal(ego_open(&e, "/tmp/lmm-ego-nowhere"), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "lmm ego init"));
}

/* A person who stops it gets no caption that was cut off, and the next run goes on with the same clip. */
static void a_stopped_captioner_writes_nothing(void **state) {
    world *w = *state;
    lmm_runtime *rt;
    lmm_model *mini;
    ego_caption_report r;
    int stream;
    assert_int_equal(ego_stream(w->e, "A1_JAKE", &stream), LMM_OK);
    char *clip = mem_printf("INSERT INTO clip VALUES(1, %d, 0, 30000, '%s', 0)", stream, LMM_SOURCE "/models/mini-v0/examples");
    assert_int_equal(sqlite3_exec(w->e->db, clip, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(lmm_runtime_open(&rt, 1, NULL), LMM_OK);
    assert_int_equal(lmm_model_open(&mini, rt, LMM_SOURCE "/models/mini-v0"), LMM_OK);
    const ego_caption_opts o = {.captioner = mini, .prompt = "describe the image", .frames = 1, .quiet = true};
    lmm_cancel();
    assert_int_equal(ego_caption(w->e, &o, &r), LMM_E_CANCELLED);
    lmm_cancel_reset();
    assert_int_equal(r.captions, 0);
    buf_free(&r.notes);
    assert_int_equal(ego_caption(w->e, &o, &r), LMM_OK);
    assert_int_equal(r.captions, 1);
    assert_int_equal(r.failed, 0);
    buf_free(&r.notes);
    lmm_model_close(mini);
    lmm_runtime_close(rt);
    free(clip);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_not_doubled, setup, teardown),
        cmocka_unit_test_setup_teardown(export_imports_back_to_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_view_is_as_if_the_rest_had_not_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(what_became_known_late_is_not_seen_early, setup, teardown),
        cmocka_unit_test_setup_teardown(recordings_of_others_need_a_grant, setup, teardown),
        cmocka_unit_test_setup_teardown(forgetting_leaves_no_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_added_after_forgetting_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(two_people_of_one_name_must_be_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_of_egolife_are_read_in_both_orders, setup, teardown),
        cmocka_unit_test(a_folder_without_memory_is_named),
        cmocka_unit_test_setup_teardown(a_stopped_captioner_writes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
