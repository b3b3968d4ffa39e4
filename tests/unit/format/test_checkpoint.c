/* test_checkpoint.c - one file, shards and lying indexes give the same tensors or one sentence; replaced checkpoints leave no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/format.h"
#include "../folder.h"

static char *fresh_dir(const char *name) {
    char *dir = path_join(folder, name);
    assert_int_equal(dir_make(dir), LMM_OK);
    return dir;
}

static void put_text(const char *dir, const char *name, const char *text) {
    char *path = path_join(dir, name);
    assert_int_equal(file_write(path, text, strlen(text)), LMM_OK);
    free(path);
}

static bool has(const char *dir, const char *name) {
    char *path = path_join(dir, name);
    bool there = file_exists(path);
    free(path);
    return there;
}

/* Five tensors of 3 f16 (6 bytes), then one f32 that the odd sizes leave unaligned. */
enum { COUNT = 6 };
static uint16_t halves[5][3];
static float single[2] = {1.5f, -2.0f};
static named_tensor list[COUNT];

static int fill_list(void **state) {
    static const char *const names[COUNT] = {"e", "d", "c", "b", "a", "z"};
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 3; j++) halves[i][j] = (uint16_t)(100 * i + j);
        list[i] = (named_tensor){names[i], tensor_make(DT_F16, 1, (int64_t[]){3}, halves[i])};
    }
    list[5] = (named_tensor){names[5], tensor_make(DT_F32, 2, (int64_t[]){1, 2}, single)};
    return set_up(state);
}

static void check_list(const char *path) {
    checkpoint *c;
    if (checkpoint_open(&c, path)) fail_msg("%s", lmm_message());
    assert_int_equal(checkpoint_count(c), COUNT);
    assert_string_equal(checkpoint_path(c), path);
    for (int i = 0; i < COUNT; i++) {
        const tensor *t = checkpoint_find(c, list[i].name);
        assert_non_null(t);
        assert_true(t->type == list[i].t.type && tensor_same_shape(t, &list[i].t));
        assert_int_equal((uintptr_t)t->data % dtype_size(t->type), 0);
        assert_memory_equal(t->data, list[i].t.data, tensor_size(t));
        assert_true(&checkpoint_at(c, i)->t == checkpoint_find(c, checkpoint_at(c, i)->name));
    }
    assert_null(checkpoint_find(c, "absent"));
    checkpoint_close(c);
}

static void one_file_a_folder_and_shards_give_the_same_tensors(void **state) {
    (void)state;
    char *dir = fresh_dir("same"), *path = path_join(dir, "model.safetensors");
    assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, SIZE_MAX), LMM_OK);
    check_list(dir);
    check_list(path);
    for (size_t limit = 0; limit < 40; limit += 5) {
        assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, limit), LMM_OK);
        check_list(dir);
    }
    free(path);
    free(dir);
}

static void shards_respect_their_limit_and_a_new_save_removes_the_old_ones(void **state) {
    (void)state;
    char *dir = fresh_dir("limit");
    put_text(dir, "config.json", "{}");
    put_text(dir, "model-notes.safetensors", "mine");
    assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, SIZE_MAX), LMM_OK);
    assert_true(has(dir, "model.safetensors"));
    assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, 12), LMM_OK); /* ed cb a z */
    assert_true(has(dir, "model.safetensors.index.json") && has(dir, "model-00004-of-00004.safetensors"));
    assert_false(has(dir, "model.safetensors"));
    checkpoint *c;
    assert_int_equal(checkpoint_open(&c, dir), LMM_OK);
    assert_string_equal(checkpoint_at(c, 0)->name, "e");
    checkpoint_close(c);
    assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, 20), LMM_OK); /* edc baz */
    assert_true(has(dir, "model-00002-of-00002.safetensors"));
    assert_false(has(dir, "model-00001-of-00004.safetensors"));
    assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, SIZE_MAX), LMM_OK);
    assert_false(has(dir, "model.safetensors.index.json") || has(dir, "model-00001-of-00002.safetensors"));
    assert_true(has(dir, "config.json") && has(dir, "model-notes.safetensors"));
    check_list(dir);
    free(dir);
}

static void check_refused(const char *dir, const char *says) {
    checkpoint *c = NULL;
    assert_int_not_equal(checkpoint_open(&c, dir), LMM_OK);
    assert_null(c);
    if (!strstr(lmm_message(), says) || strchr(lmm_message(), '\n')) fail_msg("says \"%s\", not \"%s\"", lmm_message(), says);
}

static void lying_indexes_are_refused(void **state) {
    (void)state;
    char *dir = fresh_dir("lies"), *path = path_join(dir, "s.safetensors");
    assert_int_equal(safetensors_save(path, list, COUNT, NULL), LMM_OK);
    static const struct {
        const char *map, *says;
    } row[] = {
        {"{", "model.safetensors.index.json"},
        {"[]", "weight_map"},
        {"{\"weight_map\":{}}", "weight_map"},
        {"{\"weight_map\":{\"a\":1}}", "tensor 'a' is placed in ''"},
        {"{\"weight_map\":{\"a\":\"../s.safetensors\"}}", "'../s.safetensors', which is no plain name"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "no plain name"},
        {"{\"weight_map\":{\"a\":\"s.bin\"}}", "no plain name"},
        {"{\"weight_map\":{\"a\":\".safetensors\"}}", "no plain name"},
        {"{\"weight_map\":{\"a\":\"s.safetensors\\u0000\"}}", ""},
        {"{\"weight_map\":{\"a\":\"t.safetensors\"}}", "t.safetensors"},
        {"{\"weight_map\":{\"a\":\"s.safetensors\",\"q\":\"s.safetensors\"}}", "tensor 'q' is not in 's.safetensors'"},
        {"{\"weight_map\":{\"a\":\"s.safetensors\",\"a\":\"s.safetensors\"}}", "a"},
        {"{\"weight_map\":{\"a\":[[[[[[]]]]]]}}", "nested"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        put_text(dir, "model.safetensors.index.json", row[i].map);
        check_refused(dir, row[i].says);
    }
    put_text(dir, "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"s.safetensors\",\"z\":\"s.safetensors\"}}");
    checkpoint *c;
    assert_int_equal(checkpoint_open(&c, dir), LMM_OK);
    assert_int_equal(checkpoint_count(c), 2); /* the index decides */
    checkpoint_close(c);
    free(path);
    free(dir);
}

static void a_damaged_shard_is_named(void **state) {
    (void)state;
    char *dir = fresh_dir("damaged"), *path = path_join(dir, "model-00002-of-00002.safetensors");
    assert_int_equal(safetensors_save_dir(dir, list, COUNT, NULL, 20), LMM_OK);
    assert_int_equal(truncate(path, 20), 0);
    check_refused(dir, "model-00002-of-00002.safetensors");
    assert_int_equal(unlink(path), 0);
    check_refused(dir, "model-00002-of-00002.safetensors");
    free(path);
    free(dir);
}

static void a_folder_without_weights_says_what_is_missing(void **state) {
    (void)state;
    char *dir = fresh_dir("none");
    check_refused(dir, "neither model.safetensors nor model.safetensors.index.json");
    put_text(dir, "pytorch_model.bin", "x");
    check_refused(dir, "must be converted");
    char *missing = path_join(dir, "missing");
    check_refused(missing, "missing");
    free(missing);
    free(dir);
}

static void duplicate_names_are_refused_across_shards(void **state) {
    (void)state;
    char *dir = fresh_dir("twice");
    named_tensor two[] = {list[0], list[0]};
    assert_int_equal(safetensors_save_dir(dir, two, 2, NULL, 6), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "two tensors are named 'e'"));
    free(dir);
}

/* Every file of the shared folder was written by the reference implementation. */
static int read_golden(const char *dir) {
    char **names;
    int count, read = 0;
    assert_int_equal(dir_list(&names, &count, dir), LMM_OK);
    for (int i = 0; i < count; i++) {
        char *path = path_join(dir, names[i]);
        size_t n = strlen(path);
        checkpoint *c;
        if (file_is_dir(path)) read += read_golden(path);
        else if (n > 12 && !strcmp(path + n - 12, ".safetensors")) {
            if (checkpoint_open(&c, path)) fail_msg("%s", lmm_message());
            checkpoint_close(c);
            read++;
        }
        free(path);
    }
    names_free(names, count);
    return read;
}

static void files_of_the_reference_writer_are_read(void **state) {
    (void)state;
    char *dir = path_join(LMM_SHARED, "golden/checkpoints");
    if (!file_is_dir(dir)) {
        print_message("skipped: no golden files in %s\n", dir);
        free(dir);
        skip();
    }
    assert_true(read_golden(dir) > 0);
    free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_a_folder_and_shards_give_the_same_tensors),
        cmocka_unit_test(shards_respect_their_limit_and_a_new_save_removes_the_old_ones),
        cmocka_unit_test(lying_indexes_are_refused),
        cmocka_unit_test(a_damaged_shard_is_named),
        cmocka_unit_test(a_folder_without_weights_says_what_is_missing),
        cmocka_unit_test(duplicate_names_are_refused_across_shards),
        cmocka_unit_test(files_of_the_reference_writer_are_read),
    };
    return cmocka_run_group_tests(tests, fill_list, tear_down);
}
