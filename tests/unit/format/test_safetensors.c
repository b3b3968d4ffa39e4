/* test_safetensors.c - the reader refuses every lying header with one sentence, the writer's files come back bit for bit, and what does
 * not fit on the disk leaves the old file alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "format/format.h"
#include "../folder.h"

/* ---- hostile headers ---- */

typedef struct {
    const char *what, *header;
    size_t data_size;
    const char *says; /* part of the sentence; NULL: accepted */
} header_row;

/* clang-format off */
#define F32_8 "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"
static const header_row header_rows[] = {
    {"a plain file", "{\"a\":{" F32_8 "}}", 8, NULL},
    {"no tensors", "{}", 0, NULL},
    {"metadata alone", "{\"__metadata__\":{\"format\":\"pt\"}}", 0, NULL},
    {"a scalar", "{\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, NULL},
    {"an empty tensor", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[0,0]}}", 0, NULL},
    {"an empty tensor between two", "{\"c\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, NULL},
    {"padding", "{\"a\":{" F32_8 "}}      ", 8, NULL},

    {"no JSON", "{\"a\":", 0, "header"},
    {"bad UTF-8", "{\"\xff\":{" F32_8 "}}", 8, "header"},
    {"no map", "[]", 0, "does not begin with '{'"},
    {"blank first", " {}", 0, "does not begin with '{'"},
    {"garbage behind", "{} x", 0, "header"},
    {"same name twice", "{\"a\":{" F32_8 "},\"a\":{" F32_8 "}}", 8, "header"},
    {"tensor no map", "{\"a\":[]}", 0, "tensor 'a' is described by something that is no map"},
    {"metadata no map", "{\"__metadata__\":1}", 0, "no map of strings"},
    {"metadata of numbers", "{\"__metadata__\":{\"x\":1}}", 0, "'x' is no string"},
    {"unknown key", "{\"a\":{\"stride\":[1]," F32_8 "}}", 8, "stride"},
    {"dtype missing", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no \"dtype\""},
    {"dtype unknown", "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, "has dtype 'F8_E4M3', supported are F64 F32"},
    {"dtype of another case", "{\"a\":{\"dtype\":\"U16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8, "has dtype 'U16'"},
    {"shape missing", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "no \"shape\""},
    {"negative dimension", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "dimension 0"},
    {"dimension no integer", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2.0],\"data_offsets\":[0,8]}}", 8, "dimension 1"},
    {"too many dimensions", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "has 9 dimensions, at most"},
    {"shape that overflows", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "more than any file"},
    {"shape too long to print", "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,9223372036854775807,9223372036854775807,9223372036854775807,"
     "9223372036854775807],\"data_offsets\":[0,0]}}", 0, "more than any file"},
    {"shape that overflows before a 0", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,3,0],\"data_offsets\":[0,0]}}", 0, "more than any file"},
    {"size that overflows", "{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "more than any file"},
    {"shape beyond the extent", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "tensor 'a': (3) of F32 takes 12 bytes, its data_offsets span 8"},
    {"offsets missing", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "data_offsets"},
    {"three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", 8, "data_offsets"},
    {"offsets backwards", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "[8, 0], which is no range"},
    {"negative offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "no range"},
    {"offset beyond int64", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551615]}}", 8, ""},
    {"extent beyond the file", "{\"a\":{" F32_8 "}}", 7, "ends at byte 8 of the data, the file has 7"},
    {"a hole at the start", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "bytes 0 to 4 of the data, before tensor 'a'"},
    {"a hole between", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}", 3,
     "bytes 1 to 2 of the data, before tensor 'b'"},
    {"an overlap", "{\"a\":{" F32_8 "},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "'b' begins at byte 4 of the data, inside 'a'"},
    {"the same bytes twice", "{\"a\":{" F32_8 "},\"b\":{" F32_8 "}}", 8, "inside"},
    {"trailing bytes", "{\"a\":{" F32_8 "}}", 9, "1 bytes after the last tensor"},
    {"control characters in a name", "{\"\\u001b[2J\":1}", 0, "tensor '?[2J'"},
    {"too deep", "{\"a\":{\"shape\":[[1]]}}", 0, "deeper than 3"},
};
/* clang-format on */

static void *file_bytes(uint64_t header_size, const char *header, size_t length, size_t data_size, size_t *size) {
    unsigned char *b = mem_new(1, 8 + length + data_size + 1);
    for (int i = 0; i < 8; i++) b[i] = (unsigned char)(header_size >> 8 * i);
    memcpy(b + 8, header, length);
    return *size = 8 + length + data_size, b;
}

static bool is_one_sentence(const char *s) { return *s && !strchr(s, '\n') && strlen(s) < 500; }

static void check_refused(const void *bytes, size_t n, const char *what, const char *says) {
    safetensors *s = NULL;
    lmm_status st = safetensors_open_mem(&s, bytes, n, "weights.safetensors");
    if (!says) {
        if (st) fail_msg("%s: %s", what, lmm_message());
        safetensors_close(s);
        return;
    }
    if (!st || s) fail_msg("%s: was accepted", what);
    if (!is_one_sentence(lmm_message()) || !strstr(lmm_message(), "weights.safetensors") || !strstr(lmm_message(), says))
        fail_msg("%s: says \"%s\"", what, lmm_message());
}

static void every_lie_of_a_header_is_refused_in_one_sentence(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(header_rows); i++) {
        const header_row *r = &header_rows[i];
        size_t n, length = strlen(r->header);
        void *b = file_bytes(length, r->header, length, r->data_size, &n);
        check_refused(b, n, r->what, r->says);
        free(b);
    }
}

static void header_lengths_are_checked_against_the_file(void **state) {
    (void)state;
    static const struct {
        uint64_t size;
        const char *says;
    } row[] = {
        {0, "does not begin"},
        {1, "does not begin"},
        {3, "the file has 2 more"},
        {1u << 31, "at most 100000000"},
        {100000001, "at most 100000000"},
        {UINT64_C(1) << 63, "header of 9223372036854775808 bytes"},
        {UINT64_MAX, "at most"},
    };
    size_t n;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        void *b = file_bytes(row[i].size, "{}", 2, 0, &n);
        check_refused(b, n, "length", row[i].says);
        free(b);
    }
    check_refused("", 0, "empty file", "0 bytes are no safetensors file");
    check_refused("1234567", 7, "seven bytes", "7 bytes are no safetensors file");
    const char *pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    check_refused(pointer, strlen(pointer), "pointer", "Git LFS pointer");
}

static void a_header_of_nothing_but_brackets_costs_no_memory(void **state) {
    (void)state;
    enum { SIZE = 12 * 1000 * 1000 };
    char *header = mem_new(1, SIZE);
    size_t n;
    memset(header, '[', SIZE);
    header[0] = '{';
    void *b = file_bytes(SIZE, header, SIZE, 0, &n);
    check_refused(b, n, "depth", "deeper");
    free(b);
    for (int i = 1; i + 2 < SIZE; i += 3) memcpy(header + i, "[],", 3);
    b = file_bytes(SIZE, header, SIZE, 0, &n);
    check_refused(b, n, "breadth", "limit");
    free(b);
    free(header);
}

static void every_truncation_of_a_file_is_refused(void **state) {
    (void)state;
    const char *header = "{\"a\":{" F32_8 "},\"b\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[8,10]}}";
    size_t n;
    unsigned char *b = file_bytes(strlen(header), header, strlen(header), 10, &n);
    for (size_t cut = 0; cut < n; cut++) {
        unsigned char *part = mem_new(1, cut + (cut == 0)); /* a block of its own: the sanitizer sees the end */
        memcpy(part, b, cut);
        check_refused(part, cut, "truncated", "");
        free(part);
    }
    free(b);
}

/* ---- round trip ---- */

enum { MAX = 16 };
typedef struct {
    named_tensor at[MAX];
    int count;
    unsigned char bytes[MAX][64];
} set;

static void set_add(set *s, const char *name, dtype type, int nd, const int64_t *ne) {
    for (int i = 0; i < 64; i++) s->bytes[s->count][i] = (unsigned char)(17 * s->count + i);
    s->at[s->count] = (named_tensor){name, tensor_make(type, nd, ne, s->bytes[s->count])};
    s->count++;
}

/* Every dtype, 0 to 4 dimensions, an empty tensor, and sizes that leave their followers unaligned. */
static void set_make(set *s) {
    *s = (set){.count = 0};
    set_add(s, "bytes", DT_U8, 1, (int64_t[]){3});
    set_add(s, "f32", DT_F32, 2, (int64_t[]){2, 3});
    set_add(s, "f16", DT_F16, 3, (int64_t[]){1, 3, 1});
    set_add(s, "bf16", DT_BF16, 4, (int64_t[]){1, 2, 1, 2});
    set_add(s, "scalar", DT_I64, 0, NULL);
    set_add(s, "empty", DT_F32, 2, (int64_t[]){0, 5});
    set_add(s, "\"quoted\" \\ and \xc3\xa9", DT_BOOL, 1, (int64_t[]){5});
    set_add(s, "f64", DT_F64, 1, (int64_t[]){2});
    set_add(s, "i8", DT_I8, 1, (int64_t[]){1});
    set_add(s, "i16", DT_I16, 1, (int64_t[]){7});
    set_add(s, "i32", DT_I32, 1, (int64_t[]){3});
}

static void check_equal(const tensor *want, const tensor *got, const char *name) {
    if (!got) fail_msg("tensor '%s' is not there", name);
    assert_true(got->type == want->type && tensor_same_shape(got, want));
    assert_memory_equal(got->data, want->data, tensor_size(want));
}

static void what_is_written_comes_back_bit_for_bit(void **state) {
    (void)state;
    set s;
    set_make(&s);
    char *path = path_join(folder, "trip.safetensors");
    tree *metadata = tree_new(TREE_MAP);
    tree_put(metadata, "format", tree_new_string("pt"));
    tree_put(metadata, "note", tree_new_string("two\nlines \"quoted\""));
    assert_int_equal(safetensors_save(path, s.at, s.count, metadata), LMM_OK);
    safetensors *f;
    assert_int_equal(safetensors_open(&f, path), LMM_OK);
    assert_int_equal(safetensors_count(f), s.count);
    for (int i = 0; i < s.count; i++) {
        if (tensor_size(&s.at[i].t)) assert_string_equal(safetensors_at(f, i)->name, s.at[i].name);
        check_equal(&s.at[i].t, safetensors_find(f, s.at[i].name), s.at[i].name);
    }
    assert_null(safetensors_find(f, "absent"));
    assert_string_equal(tree_str(safetensors_metadata(f), "note", ""), "two\nlines \"quoted\"");
    assert_true((uintptr_t)safetensors_at(f, 0)->t.data % 8 == 0);
    safetensors_close(f);
    tree_free(metadata);
    free(path);
}

static void an_empty_set_and_no_metadata_are_fine(void **state) {
    (void)state;
    char *path = path_join(folder, "empty.safetensors");
    safetensors *f;
    assert_int_equal(safetensors_save(path, NULL, 0, NULL), LMM_OK);
    assert_int_equal(safetensors_open(&f, path), LMM_OK);
    assert_int_equal(safetensors_count(f), 0);
    assert_null(safetensors_metadata(f));
    safetensors_close(f);
    free(path);
}

static void what_the_reader_would_refuse_is_not_written(void **state) {
    (void)state;
    char *path = path_join(folder, "refused.safetensors");
    float x[1] = {0};
    tensor t = tensor_make(DT_F32, 1, (int64_t[]){1}, x);
    named_tensor twice[] = {{"a", t}, {"a", t}}, reserved[] = {{"__metadata__", t}}, bytes[] = {{"\xff", t}};
    tree *metadata = tree_new(TREE_MAP);
    tree_put(metadata, "n", tree_new_int(1));
    assert_int_equal(safetensors_save(path, twice, 2, NULL), LMM_E_ARG);
    assert_non_null(strstr(lmm_message(), "two tensors are named 'a'"));
    assert_int_equal(safetensors_save(path, reserved, 1, NULL), LMM_E_ARG);
    assert_int_equal(safetensors_save(path, bytes, 1, NULL), LMM_E_ARG);
    assert_int_equal(safetensors_save(path, twice, 1, metadata), LMM_E_ARG);
    assert_false(file_exists(path));
    tree_free(metadata);
    free(path);
}

static void reading_maps_and_copies_nothing(void **state) {
    (void)state;
    /* 64 GiB of zeros as a sparse file: opening it must not cost its size. */
    const char *header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[68719476736],\"data_offsets\":[0,68719476736]}}";
    size_t n;
    char *path = path_join(folder, "sparse.safetensors");
    void *b = file_bytes(strlen(header), header, strlen(header), 0, &n);
    assert_int_equal(file_write(path, b, n), LMM_OK);
    if (truncate(path, (off_t)n + ((off_t)1 << 36))) {
        print_message("skipped: the file system of %s takes no sparse file of 64 GiB\n", folder);
        skip();
    }
    safetensors *f;
    assert_int_equal(safetensors_open(&f, path), LMM_OK);
    assert_int_equal(((const unsigned char *)safetensors_find(f, "a")->data)[(size_t)1 << 35], 0);
    safetensors_close(f);
    free(b);
    unlink(path);
    free(path);
}

/* ---- a full disk ---- */

/* RLIMIT_FSIZE makes write() fail as a full disk does, once SIGXFSZ is ignored. */
static void limit_file_size(rlim_t size) {
    struct rlimit r;
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = size;
    setrlimit(RLIMIT_FSIZE, &r);
    signal(SIGXFSZ, size == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
}

static int file_count(const char *dir) {
    char **names;
    int count;
    assert_int_equal(dir_list(&names, &count, dir), LMM_OK);
    names_free(names, count);
    return count;
}

static void check_only(const char *dir, float value, int files) {
    checkpoint *c;
    assert_int_equal(checkpoint_open(&c, dir), LMM_OK);
    assert_int_equal(checkpoint_count(c), 2);
    for (int i = 0; i < 2; i++) assert_true(tensor_f32(&checkpoint_at(c, i)->t)[0] == value);
    checkpoint_close(c);
    assert_int_equal(file_count(dir), files);
}

static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    enum { N = 100000 };
    float *x = mem_new(N, sizeof *x);
    char *dir = path_join(folder, "full");
    assert_int_equal(dir_make(dir), LMM_OK);
    named_tensor big[] = {{"a", tensor_make(DT_F32, 1, (int64_t[]){N}, x)}, {"b", tensor_make(DT_F32, 1, (int64_t[]){N / 2}, x)}};
    x[0] = 1.0f;
    assert_int_equal(safetensors_save_dir(dir, big, 2, NULL, SIZE_MAX), LMM_OK);
    check_only(dir, 1.0f, 1);
    x[0] = 2.0f;
    for (rlim_t size = 0; size < 600000; size += 150000) {
        limit_file_size(size);
        lmm_status st = safetensors_save_dir(dir, big, 2, NULL, SIZE_MAX);
        limit_file_size(RLIM_INFINITY);
        assert_int_equal(st, LMM_E_IO);
        assert_true(is_one_sentence(lmm_message()));
        check_only(dir, 1.0f, 1);
    }
    free(dir);
    free(x);
}

static void a_full_disk_leaves_the_old_shards(void **state) {
    (void)state;
    enum { N = 100000 };
    float *x = mem_new(N, sizeof *x);
    char *dir = path_join(folder, "full-shards");
    assert_int_equal(dir_make(dir), LMM_OK);
    /* The first shard is small and fits under the limit, the second does not: the old pair must stay together. */
    named_tensor at[] = {{"a", tensor_make(DT_F32, 1, (int64_t[]){N / 2}, x)}, {"b", tensor_make(DT_F32, 1, (int64_t[]){N}, x)}};
    x[0] = 1.0f;
    assert_int_equal(safetensors_save_dir(dir, at, 2, NULL, 400000), LMM_OK);
    check_only(dir, 1.0f, 3);
    x[0] = 2.0f;
    limit_file_size(300000);
    lmm_status st = safetensors_save_dir(dir, at, 2, NULL, 400000);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(st, LMM_E_IO);
    check_only(dir, 1.0f, 3);
    assert_int_equal(safetensors_save_dir(dir, at, 2, NULL, 400000), LMM_OK);
    check_only(dir, 2.0f, 3);
    free(dir);
    free(x);
}

static void a_folder_that_is_not_there_is_an_error(void **state) {
    (void)state;
    char *path = path_join(folder, "none/x.safetensors");
    safetensors *f = NULL;
    assert_int_equal(safetensors_save(path, NULL, 0, NULL), LMM_E_IO);
    assert_int_equal(safetensors_open(&f, path), LMM_E_IO);
    assert_null(f);
    assert_int_equal(safetensors_open(&f, folder), LMM_E_IO);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lie_of_a_header_is_refused_in_one_sentence),
        cmocka_unit_test(header_lengths_are_checked_against_the_file),
        cmocka_unit_test(a_header_of_nothing_but_brackets_costs_no_memory),
        cmocka_unit_test(every_truncation_of_a_file_is_refused),
        cmocka_unit_test(what_is_written_comes_back_bit_for_bit),
        cmocka_unit_test(an_empty_set_and_no_metadata_are_fine),
        cmocka_unit_test(what_the_reader_would_refuse_is_not_written),
        cmocka_unit_test(reading_maps_and_copies_nothing),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_leaves_the_old_shards),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
