/* test_file.c - reading, folders, paths; a replaced file or folder is the old one or the new one, never half of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "../folder.h"

/* Paths live until the process ends its test: at most a few dozen. */
static const char *place_of(const char *name) {
    static char paths[8][512];
    static int at;
    at = (at + 1) % 8;
    snprintf(paths[at], sizeof paths[at], "%s/%s", folder, name);
    return paths[at];
}

static void put_text(const char *path, const char *text) { assert_int_equal(file_write(path, text, strlen(text)), LMM_OK); }

static void assert_holds(const char *path, const char *text) {
    char *got = NULL;
    size_t size = 0;
    assert_int_equal(file_read(&got, &size, path, 1 << 20), LMM_OK);
    assert_int_equal(size, strlen(text));
    assert_string_equal(got, text);
    free(got);
}

static int entry_count(const char *dir) {
    char **names = NULL;
    int count = 0;
    assert_int_equal(dir_list(&names, &count, dir), LMM_OK);
    names_free(names, count);
    return count;
}

static void a_mapped_file_shows_its_bytes(void **state) {
    (void)state;
    file_map m;
    put_text(place_of("mapped"), "hello");
    assert_int_equal(file_map_open(&m, place_of("mapped")), LMM_OK);
    assert_int_equal(m.size, 5);
    assert_memory_equal(m.data, "hello", 5);
    assert_string_equal(m.path, place_of("mapped"));
    file_map_close(&m);
    assert_null(m.path);
}

static void an_empty_file_maps_to_size_0(void **state) {
    (void)state;
    file_map m;
    put_text(place_of("empty"), "");
    assert_int_equal(file_map_open(&m, place_of("empty")), LMM_OK);
    assert_int_equal(m.size, 0);
    assert_string_equal((const char *)m.data, "");
    file_map_close(&m);
}

static void what_is_no_file_is_not_mapped(void **state) {
    (void)state;
    file_map m;
    assert_int_equal(file_map_open(&m, place_of("missing")), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "missing': No such file"));
    assert_int_equal(file_map_open(&m, folder), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "a folder"));
    assert_int_equal(mkfifo(place_of("pipe"), 0600), 0);
    assert_int_equal(file_map_open(&m, place_of("pipe")), LMM_E_IO);
    assert_int_equal(unlink(place_of("pipe")), 0);
}

static void reading_stops_at_the_limit(void **state) {
    (void)state;
    char *text = NULL;
    put_text(place_of("ten"), "0123456789");
    assert_int_equal(file_read(&text, NULL, place_of("ten"), 9), LMM_E_LIMIT);
    assert_null(text);
    assert_non_null(strstr(lmm_message(), "limit of 9 bytes"));
    assert_int_equal(file_read(&text, NULL, place_of("ten"), 10), LMM_OK);
    assert_string_equal(text, "0123456789");
    free(text);
    assert_int_equal(file_read(&text, NULL, folder, 10), LMM_E_IO);
    assert_int_equal(file_read(&text, NULL, place_of("missing"), 10), LMM_E_IO);
    assert_int_equal(file_read(&text, NULL, "/dev/zero", 100000), LMM_E_LIMIT);
}

static void folders_are_made_listed_and_removed(void **state) {
    (void)state;
    assert_int_equal(dir_make(place_of("d/e//f/")), LMM_OK);
    assert_int_equal(dir_make(place_of("d/e/f")), LMM_OK);
    put_text(place_of("d/b"), "1");
    put_text(place_of("d/a"), "1");
    put_text(place_of("d/e/f/x"), "1");
    assert_int_equal(symlink("/", place_of("d/e/root")), 0); /* must not be followed */
    char **names = NULL;
    int count = 0;
    assert_int_equal(dir_list(&names, &count, place_of("d")), LMM_OK);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_string_equal(names[2], "e");
    names_free(names, count);
    assert_true(file_is_dir(place_of("d/e")));
    assert_false(file_is_dir(place_of("d/a")));
    assert_int_equal(dir_make(place_of("d/a/below")), LMM_E_IO);
    assert_int_equal(dir_remove(place_of("d")), LMM_OK);
    assert_false(file_exists(place_of("d")));
    assert_int_equal(dir_remove(place_of("d")), LMM_OK);
    assert_int_equal(dir_list(&names, &count, place_of("d")), LMM_E_IO);
}

static void assert_path(char *got, const char *expected) {
    assert_string_equal(got, expected);
    free(got);
}

static void paths_are_joined_and_split(void **state) {
    (void)state;
    assert_path(path_join("a", "b"), "a/b");
    assert_path(path_join("a/", "b"), "a/b");
    assert_path(path_join("", "b"), "b");
    assert_path(path_join("a", "/b"), "/b");
    assert_path(path_dir("a/b"), "a");
    assert_path(path_dir("a//b"), "a");
    assert_path(path_dir("b"), ".");
    assert_path(path_dir("/b"), "/");
    assert_path(path_dir("/"), "/");
    assert_path(path_beside("a/b", "c/d"), "a/c/d");
    assert_path(path_beside("b", "c"), "./c");
    assert_path(path_beside("a/b", "/c"), "/c");
    assert_string_equal(path_base("a/b"), "b");
    assert_string_equal(path_base("b"), "b");
    assert_string_equal(path_base("a/"), "");
}

static void a_file_is_replaced_whole_and_keeps_its_rights(void **state) {
    (void)state;
    const char *path = place_of("kept");
    struct stat info;
    put_text(path, "old");
    assert_int_equal(chmod(path, 0640), 0);
    file_writer *w = NULL;
    assert_int_equal(file_writer_open(&w, path), LMM_OK);
    assert_int_equal(file_writer_put(w, "new ", 4), LMM_OK);
    char *large = mem_new(200000, 1);
    memset(large, 'x', 199999);
    assert_int_equal(file_writer_put(w, large, 199999), LMM_OK);
    assert_holds(path, "old");
    assert_int_equal(file_writer_commit(w), LMM_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 200003);
    assert_int_equal(info.st_mode & 0777, 0640);
    free(large);
}

static void an_aborted_file_leaves_no_trace(void **state) {
    (void)state;
    int before = entry_count(folder);
    file_writer *w = NULL;
    assert_int_equal(file_writer_open(&w, place_of("never")), LMM_OK);
    assert_int_equal(file_writer_put(w, "x", 1), LMM_OK);
    file_writer_abort(w);
    file_writer_abort(NULL);
    assert_int_equal(entry_count(folder), before);
}

static void what_cannot_be_opened_is_said(void **state) {
    (void)state;
    file_writer *w = NULL;
    assert_int_equal(file_writer_open(&w, place_of("no/such/folder")), LMM_E_IO);
    assert_int_equal(file_writer_open(&w, folder), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "Is a directory"));
    assert_null(w);
}

static void a_left_over_and_a_laid_link_are_no_obstacle(void **state) {
    (void)state;
    char *temporary = mem_printf("%s.tmp-%ld", place_of("target"), (long)getpid());
    put_text(place_of("victim"), "safe");
    assert_int_equal(symlink(place_of("victim"), temporary), 0);
    put_text(place_of("target"), "new");
    assert_holds(place_of("target"), "new");
    assert_holds(place_of("victim"), "safe");
    free(temporary);
}

static void a_folder_may_be_a_link(void **state) {
    (void)state;
    assert_int_equal(dir_make(place_of("real")), LMM_OK);
    assert_int_equal(symlink("real", place_of("linked")), 0);
    put_text(place_of("linked/file"), "there");
    assert_holds(place_of("real/file"), "there");
}

static void a_full_device_is_reported(void **state) {
    (void)state;
    if (!file_exists("/dev/full")) {
        print_message("skipped: no /dev/full\n");
        skip();
    }
    assert_int_equal(file_write("/dev/full", "x", 1), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "No space left"));
    assert_int_equal(file_write("/dev/null", "x", 1), LMM_OK);
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    const char *path = place_of("survivor");
    put_text(path, "old");
    int before = entry_count(folder);
    struct rlimit held, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &held), 0);
    tight = (struct rlimit){100000, held.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    char *large = mem_new(300000, 1);
    lmm_status st = file_write(path, large, 300000);
    lmm_status late = file_write(path, large, 10000); /* and the limit does not stick */
    free(large);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &held), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(st, LMM_E_IO);
    assert_int_equal(late, LMM_OK);
    assert_int_equal(entry_count(folder), before);
}

static void fill(const char *dir, const char *text) {
    char *file = path_join(dir, "file"), *inner = path_join(dir, "sub"), *deep = path_join(inner, "deep");
    assert_int_equal(dir_make(inner), LMM_OK);
    put_text(file, text);
    put_text(deep, text);
    free(file), free(inner), free(deep);
}

static void a_folder_is_replaced_whole(void **state) {
    (void)state;
    assert_int_equal(dir_make(place_of("box")), LMM_OK);
    for (int round = 0; round < 3; round++) {
        char *tmp = NULL;
        assert_int_equal(dir_replace_begin(&tmp, place_of("box/ckpt/")), LMM_OK);
        fill(tmp, round == 0 ? "first" : round == 1 ? "second" : "third");
        if (round == 1) { /* a crashed try that had our number */
            free(tmp);
            assert_int_equal(dir_replace_begin(&tmp, place_of("box/ckpt")), LMM_OK);
            assert_int_equal(entry_count(tmp), 0);
            fill(tmp, "second");
        }
        if (round) assert_holds(place_of("box/ckpt/file"), round == 1 ? "first" : "second");
        assert_int_equal(dir_replace_commit(tmp, place_of("box/ckpt/")), LMM_OK);
        free(tmp);
        assert_holds(place_of("box/ckpt/sub/deep"), round == 0 ? "first" : round == 1 ? "second" : "third");
        assert_int_equal(entry_count(place_of("box")), 1);
    }
}

static void a_failed_folder_commit_keeps_the_old_one(void **state) {
    (void)state;
    assert_int_equal(dir_make(place_of("shelf/ckpt")), LMM_OK);
    put_text(place_of("shelf/ckpt/file"), "old");
    assert_int_equal(dir_replace_commit(place_of("shelf/missing"), place_of("shelf/ckpt")), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "missing"));
    assert_holds(place_of("shelf/ckpt/file"), "old");
    assert_int_equal(entry_count(place_of("shelf")), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapped_file_shows_its_bytes),
        cmocka_unit_test(an_empty_file_maps_to_size_0),
        cmocka_unit_test(what_is_no_file_is_not_mapped),
        cmocka_unit_test(reading_stops_at_the_limit),
        cmocka_unit_test(folders_are_made_listed_and_removed),
        cmocka_unit_test(paths_are_joined_and_split),
        cmocka_unit_test(a_file_is_replaced_whole_and_keeps_its_rights),
        cmocka_unit_test(an_aborted_file_leaves_no_trace),
        cmocka_unit_test(what_cannot_be_opened_is_said),
        cmocka_unit_test(a_left_over_and_a_laid_link_are_no_obstacle),
        cmocka_unit_test(a_folder_may_be_a_link),
        cmocka_unit_test(a_full_device_is_reported),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(a_folder_is_replaced_whole),
        cmocka_unit_test(a_failed_folder_commit_keeps_the_old_one),
    };
    return cmocka_run_group_tests_name("file", tests, set_up, tear_down);
}
