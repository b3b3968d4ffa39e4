/* test_cache.c - hashes of contents, answers of the API, the cache tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/hub_int.h"

#define OK(call) assert_int_equal((call), LMM_OK)

static void content(char oid[65], size_t oid_length, const char *bytes, size_t n, size_t piece) {
    content_hash c;
    content_begin(&c, oid_length, (int64_t)n);
    for (size_t at = 0; at < n; at += piece) content_put(&c, bytes + at, n - at < piece ? n - at : piece);
    content_end(&c, oid);
}

static void small_files_have_the_hash_git_gives_them(void **state) {
    (void)state;
    char oid[65], thousand[1000];
    content(oid, 40, "", 0, 1);
    assert_string_equal(oid, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"); /* git hash-object /dev/null */
    content(oid, 40, "hello\n", 6, 6);
    assert_string_equal(oid, "ce013625030ba8dba906f756967f9e9ca394464a"); /* echo hello | git hash-object --stdin */
    memset(thousand, 'a', sizeof thousand);
    for (size_t n = 0; n < 200; n++) { /* every place of the padding, in pieces and at once */
        char whole[65];
        content(whole, 40, thousand, n, 1000);
        content(oid, 40, thousand, n, 7);
        assert_string_equal(oid, whole);
    }
}

static void large_files_have_their_sha256(void **state) {
    (void)state;
    char oid[65];
    content(oid, 64, "abc", 3, 2);
    assert_string_equal(oid, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#define HASH40 "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
#define HASH64 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static lmm_status add(hub_files *f, const char *json) {
    lmm_status st = hub_tree_add(f, json, strlen(json));
    return st ? st : hub_tree_check(f);
}

static void lists_are_read(void **state) {
    (void)state;
    hub_files f = {0};
    OK(add(&f, "[{\"type\":\"directory\",\"path\":\"a\",\"size\":0,\"oid\":\"" HASH40 "\"},"
               "{\"type\":\"file\",\"path\":\"a/b\",\"size\":5,\"oid\":\"" HASH40 "\"},"
               "{\"type\":\"file\",\"path\":\"c\",\"size\":3,\"oid\":\"" HASH40 "\",\"lfs\":{\"oid\":\"" HASH64
               "\",\"size\":3,\"pointerSize\":130}}]"));
    assert_int_equal(f.list.count, 2);
    assert_string_equal(f.list.at[0].oid, HASH40);
    assert_string_equal(f.list.at[1].oid, HASH64);
    assert_int_not_equal(add(&f, "[{\"type\":\"file\",\"path\":\"c\",\"size\":5,\"oid\":\"" HASH40 "\"}]"), LMM_OK); /* twice, over pages */
    hub_files_free(&f);
}

static void lists_that_lie_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[1]",
        "[{\"type\":\"file\",\"size\":5,\"oid\":\"" HASH40 "\"}]",
        "[{\"type\":\"file\",\"path\":\"../a\",\"size\":5,\"oid\":\"" HASH40 "\"}]",
        "[{\"type\":\"directory\",\"path\":\"../a\",\"size\":5,\"oid\":\"" HASH40 "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":-1,\"oid\":\"" HASH40 "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":5,\"oid\":\"../evil\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":5,\"oid\":\"" HASH64 "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":5,\"oid\":\"" HASH40 "\",\"lfs\":{\"oid\":\"" HASH40 "\",\"size\":5}}]",
        "[{\"type\":\"link\",\"path\":\"a\",\"size\":5,\"oid\":\"" HASH40 "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":5,\"oid\":\"" HASH40
        "\"},{\"type\":\"file\",\"path\":\"a/b\",\"size\":5,\"oid\":\"" HASH40 "\"}]",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        hub_files f = {0};
        if (!add(&f, bad[i])) fail_msg("taken: %s", bad[i]);
        hub_files_free(&f);
    }
}

static void commits_are_forty_digits(void **state) {
    (void)state;
    char sha[41] = "untouched";
    static const char good[] = "{\"sha\":\"" HASH40 "\"}", bad[] = "{\"sha\":\"../../x\"}";
    assert_int_not_equal(hub_revision_parse(sha, bad, strlen(bad)), LMM_OK);
    assert_string_equal(sha, "untouched");
    OK(hub_revision_parse(sha, good, strlen(good)));
    assert_string_equal(sha, HASH40);
}

static void what_was_put_in_the_cache_is_found(void **state) {
    (void)state;
    char *cache = mem_printf("/tmp/lmm-hub-%d", (int)getpid()), *found = NULL;
    hub_name n;
    hub_repo r;
    OK(hub_name_parse(&n, "org/name"));
    assert_int_equal(hub_find(&found, cache, "org/name"), LMM_E_IO);
    OK(cache_repo_open(&r, cache, &n, HASH40));
    hub_file f = {.path = (char *)(uintptr_t) "a/b/c.txt", .size = 6, .oid = "ce013625030ba8dba906f756967f9e9ca394464a"};
    char *left = mem_printf("%s/%s.lmm-link", r.blobs, f.oid); /* by a process that was killed */
    struct stat info;
    assert_int_equal(symlink("elsewhere", left), 0);
    OK(cache_link(&r, &f));
    assert_int_not_equal(lstat(left, &info), 0);
    free(left);
    OK(cache_link(&r, &f)); /* again is fine */
    OK(cache_ref_write(&r, "main", HASH40));
    OK(hub_find(&found, cache, "org/name"));
    assert_string_equal(found, r.snapshot);
    assert_int_equal(cache_snapshot_check(found, false), LMM_E_IO); /* the blob is not there yet */
    assert_non_null(strstr(lmm_message(), "'a/b/c.txt'"));
    char *blob = path_join(r.blobs, f.oid), *path = path_join(found, f.path), *text = NULL;
    OK(file_write(blob, "hello\n", 6));
    OK(file_read(&text, NULL, path, 100)); /* the relative link has the right depth */
    assert_string_equal(text, "hello\n");
    OK(cache_snapshot_check(found, true));
    OK(file_write(blob, "jello\n", 6));
    OK(cache_snapshot_check(found, false));
    assert_int_equal(cache_snapshot_check(found, true), LMM_E_FORMAT);
    free(text);
    free(path);
    free(blob);
    free(found);
    OK(hub_find(&found, cache, "org/name@" HASH40));
    free(found);
    assert_int_equal(hub_find(&found, cache, "org/name@other"), LMM_E_IO);
    OK(dir_remove(cache));
    cache_repo_free(&r);
    hub_name_free(&n);
    free(cache);
}

static void a_snapshot_lacks_the_shards_its_index_names(void **state) {
    (void)state;
    char *dir = mem_printf("/tmp/lmm-hub-index-%d", (int)getpid()), *index = path_join(dir, "model.safetensors.index.json");
    static const char text[] = "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-1.safetensors\"}}";
    OK(dir_make(dir));
    OK(file_write(index, text, strlen(text)));
    assert_int_equal(cache_snapshot_check(dir, false), LMM_E_IO);
    assert_non_null(strstr(lmm_message(), "lacks 1 file of"));
    OK(dir_remove(dir));
    free(index);
    free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_files_have_the_hash_git_gives_them),
        cmocka_unit_test(large_files_have_their_sha256),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(lists_that_lie_are_refused),
        cmocka_unit_test(commits_are_forty_digits),
        cmocka_unit_test(what_was_put_in_the_cache_is_found),
        cmocka_unit_test(a_snapshot_lacks_the_shards_its_index_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
