/* test_gguf.c - files built here: what is valid opens and reads back, everything else is refused in one sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "format/format.h"

/* ---- a writer ---- */

static void put_u32(buf *b, uint32_t n) { buf_put(b, &n, sizeof n); }
static void put_u64(buf *b, uint64_t n) { buf_put(b, &n, sizeof n); }
static void put_text(buf *b, const char *s) {
    put_u64(b, strlen(s));
    buf_puts(b, s);
}
static void put_start(buf *b, uint32_t version, uint64_t tensors, uint64_t keys) {
    buf_puts(b, "GGUF");
    put_u32(b, version);
    put_u64(b, tensors);
    put_u64(b, keys);
}
static void put_key(buf *b, const char *key, uint32_t type) {
    put_text(b, key);
    put_u32(b, type);
}
static void put_tensor(buf *b, const char *name, uint32_t nd, const uint64_t *ne, uint32_t type, uint64_t offset) {
    put_text(b, name);
    put_u32(b, nd);
    for (uint32_t i = 0; i < nd; i++) put_u64(b, ne[i]);
    put_u32(b, type);
    put_u64(b, offset);
}
static void put_padding(buf *b, size_t alignment) {
    while (b->size % alignment) buf_putc(b, 0);
}

/* Two tensors and one value of each kind. */
static buf good_file(uint32_t version) {
    buf b = {0};
    put_start(&b, version, 2, 7);
    put_key(&b, "general.architecture", GGUF_STRING), put_text(&b, "llama");
    put_key(&b, "a.count", GGUF_U32), put_u32(&b, 7);
    put_key(&b, "a.minus", GGUF_I32), put_u32(&b, (uint32_t)-5);
    float eps = 0.5f;
    put_key(&b, "a.real", GGUF_F32), buf_put(&b, &eps, sizeof eps);
    put_key(&b, "a.yes", GGUF_BOOL), buf_putc(&b, 1);
    put_key(&b, "a.words", GGUF_ARRAY), put_u32(&b, GGUF_STRING), put_u64(&b, 2), put_text(&b, "one"), put_text(&b, "");
    put_key(&b, "a.kinds", GGUF_ARRAY), put_u32(&b, GGUF_I32), put_u64(&b, 2), put_u32(&b, 3), put_u32(&b, (uint32_t)-1);
    put_tensor(&b, "f", 2, (uint64_t[]){3, 2}, 0, 0);   /* F32: 24 bytes, padded to 32 */
    put_tensor(&b, "q", 2, (uint64_t[]){64, 2}, 8, 32); /* Q8_0: 4 blocks of 34 */
    put_padding(&b, 32);
    for (int i = 0; i < 6; i++) {
        float x = (float)i;
        buf_put(&b, &x, sizeof x);
    }
    put_padding(&b, 32);
    for (int i = 0; i < 4 * 34; i++) buf_putc(&b, (char)i);
    put_padding(&b, 32);
    return b;
}

static lmm_status open_buf(gguf **g, const buf *b) { return gguf_open_mem(g, b->data, b->size, "test.gguf"); }

static void refuse(buf *b, const char *why) {
    gguf *g = NULL;
    lmm_status st = open_buf(&g, b);
    if (!st) fail_msg("opened, should say: %s", why);
    if (!strstr(lmm_message(), why)) fail_msg("says '%s', should say: %s", lmm_message(), why);
    assert_non_null(strstr(lmm_message(), "test.gguf"));
    buf_free(b);
}

/* ---- reading ---- */

static void tensors_come_back_with_the_outer_dimension_first(void **unused) {
    (void)unused;
    for (uint32_t version = 2; version <= 3; version++) {
        buf b = good_file(version);
        gguf *g;
        assert_int_equal(open_buf(&g, &b), LMM_OK);
        assert_int_equal(gguf_count(g), 2);
        const tensor *f = gguf_find(g, "f"), *q = gguf_find(g, "q");
        assert_true(f && q && !gguf_find(g, "x"));
        assert_true(f->type == DT_F32 && f->nd == 2 && f->ne[0] == 2 && f->ne[1] == 3);
        assert_true(tensor_f32(f)[5] == 5.0f);
        assert_true(q->type == DT_Q8_0 && q->ne[0] == 2 && q->ne[1] == 64 && tensor_size(q) == 136);
        assert_int_equal(((const char *)q->data)[135], (char)135);
        gguf_close(g);
        buf_free(&b);
    }
}

static void metadata_is_read_by_type(void **unused) {
    (void)unused;
    buf b = good_file(3);
    gguf *g;
    assert_int_equal(open_buf(&g, &b), LMM_OK);
    int64_t n;
    double x;
    bool yes;
    gguf_text t;
    gguf_list l;
    assert_true(!gguf_int(g, "a.count", 0, &n) && n == 7 && !gguf_int(g, "a.minus", 0, &n) && n == -5 && !gguf_int(g, "none", 9, &n) &&
                n == 9);
    assert_true(!gguf_real(g, "a.real", 0, &x) && x == 0.5 && !gguf_bool(g, "a.yes", false, &yes) && yes);
    assert_true(!gguf_string(g, "general.architecture", NULL, &t) && t.size == 5 && !memcmp(t.at, "llama", 5));
    assert_true(!gguf_array(g, "a.words", GGUF_STRING, &l) && l.count == 2);
    t = gguf_list_text(&l);
    assert_true(t.size == 3 && gguf_list_text(&l).size == 0 && l.count == 0);
    assert_true(!gguf_array(g, "a.kinds", GGUF_I32, &l) && gguf_list_i32(&l, 0) == 3 && gguf_list_i32(&l, 1) == -1);
    assert_true(!gguf_array(g, "none", GGUF_F32, &l) && l.count == 0);
    assert_int_equal(gguf_int(g, "a.real", 0, &n), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "metadata 'a.real' is f32, needs a whole number");
    assert_int_equal(gguf_array(g, "a.kinds", GGUF_STRING, &l), LMM_E_FORMAT);
    assert_string_equal(lmm_message(), "metadata 'a.kinds' is an array of i32, needs an array of string");
    assert_int_equal(gguf_real(g, "a.count", 0, &x), LMM_E_FORMAT);
    assert_int_equal(gguf_bool(g, "a.count", 0, &yes), LMM_E_FORMAT);
    assert_int_equal(gguf_string(g, "a.count", "", &t), LMM_E_FORMAT);
    assert_int_equal(gguf_string(g, "none", NULL, &t), LMM_E_FORMAT);
    gguf_close(g);
    buf_free(&b);
}

static void a_vocabulary_alone_needs_no_padding(void **unused) {
    (void)unused;
    buf b = {0};
    gguf *g;
    put_start(&b, 3, 0, 1);
    put_key(&b, "k", GGUF_U8), buf_putc(&b, 1);
    assert_int_equal(open_buf(&g, &b), LMM_OK);
    assert_int_equal(gguf_count(g), 0);
    gguf_close(g);
    buf_free(&b);
}

/* ---- refusing ---- */

static void wrong_starts_are_named(void **unused) {
    (void)unused;
    static const struct {
        uint32_t version;
        const char *why;
    } row[] = {{0, "version is 0"}, {1, "version is 1"}, {4, "version is 4"}, {0x03000000, "big-endian"}};
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        buf b = {0};
        put_start(&b, row[i].version, 0, 0);
        refuse(&b, row[i].why);
    }
    buf b = {0};
    buf_puts(&b, "GGML and more bytes than that");
    refuse(&b, "first 4 bytes are not \"GGUF\"");
    buf_puts(&b, "version https://git-lfs.github.com/spec/v1");
    refuse(&b, "Git LFS pointer");
}

static void counts_beyond_the_file_are_refused_at_once(void **unused) {
    (void)unused;
    static const uint64_t huge[] = {(uint64_t)1 << 63, UINT64_MAX, 1000000000, 3};
    for (size_t i = 0; i < COUNT_OF(huge); i++) {
        buf b = {0};
        put_start(&b, 3, huge[i], 0), buf_put(&b, "0123456789012345678", 19);
        refuse(&b, "tensors, which its");
        put_start(&b, 3, 0, huge[i]), buf_put(&b, "0123456789012345678", 19);
        refuse(&b, "metadata keys, which its");
    }
}

static void metadata_that_lies_is_refused(void **unused) {
    (void)unused;
    buf b = {0};
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_STRING), put_u64(&b, (uint64_t)1 << 62), buf_puts(&b, "abc");
    refuse(&b, "claims 4611686018427387904 bytes");
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_ARRAY), put_u32(&b, GGUF_U64), put_u64(&b, 0x20000001), put_u64(&b, 0);
    refuse(&b, "values of u64 do not fit");
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_ARRAY), put_u32(&b, GGUF_STRING), put_u64(&b, 1000), put_u64(&b, 0);
    refuse(&b, "strings do not fit");
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_ARRAY), put_u32(&b, GGUF_U8), put_u64(&b, UINT64_MAX), put_u64(&b, 0);
    refuse(&b, "metadata 'k': it is an array of");
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_ARRAY), put_u32(&b, GGUF_ARRAY), put_u64(&b, 1), put_u64(&b, 0);
    refuse(&b, "array of arrays");
    put_start(&b, 3, 0, 1), put_key(&b, "k", 13), put_u64(&b, 1);
    refuse(&b, "unknown type 13");
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_ARRAY), put_u32(&b, 99), put_u64(&b, 1), put_u64(&b, 0);
    refuse(&b, "unknown type 99");
    put_start(&b, 3, 0, 1), put_key(&b, "k", GGUF_BOOL), buf_putc(&b, 2);
    refuse(&b, "truth value is 2");
    put_start(&b, 3, 0, 1), put_key(&b, "", GGUF_U64), put_u64(&b, 1);
    refuse(&b, "a metadata key is empty");
    put_start(&b, 3, 0, 2);
    for (int i = 0; i < 2; i++) put_key(&b, "twice", GGUF_U32), put_u32(&b, 1);
    refuse(&b, "metadata 'twice' comes a second time");
}

static void only_powers_of_two_align(void **unused) {
    (void)unused;
    static const uint32_t bad[] = {0, 1, 3, 24, (uint32_t)1 << 31};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        buf b = {0};
        put_start(&b, 3, 0, 1), put_key(&b, "general.alignment", GGUF_U32), put_u32(&b, bad[i]);
        refuse(&b, "'general.alignment' is");
    }
    buf b = {0};
    put_start(&b, 3, 0, 1), put_key(&b, "general.alignment", GGUF_I32), put_u32(&b, 32);
    refuse(&b, "is i32, needs u32");
}

/* One tensor of that description before 64 bytes of data. */
static buf one_tensor(uint32_t nd, const uint64_t *ne, uint32_t type, uint64_t offset) {
    buf b = {0};
    put_start(&b, 3, 1, 0);
    put_tensor(&b, "t", nd, ne, type, offset);
    put_padding(&b, 32);
    for (int i = 0; i < 64; i++) buf_putc(&b, 0);
    return b;
}

static void shapes_that_cannot_be_are_refused(void **unused) {
    (void)unused;
    uint64_t many[5] = {1, 1, 1, 1, 1}, wrap[2] = {(uint64_t)1 << 32, (uint64_t)1 << 32}, bytes[2] = {((uint64_t)1 << 62) + 4, 1};
    buf b = one_tensor(5, many, 0, 0);
    refuse(&b, "5 dimensions");
    b = one_tensor(0, many, 0, 0);
    refuse(&b, "0 dimensions");
    b = one_tensor(1, (uint64_t[]){0}, 0, 0);
    refuse(&b, "its dimension 0 is 0");
    b = one_tensor(1, (uint64_t[]){(uint64_t)-16}, 0, 0);
    refuse(&b, "its dimension 0 is 18446744073709551600");
    b = one_tensor(2, wrap, 0, 0);
    refuse(&b, "holds more than any file");
    b = one_tensor(2, bytes, 0, 0);
    refuse(&b, "holds more than any file");
    b = one_tensor(1, (uint64_t[]){33}, 8, 0);
    refuse(&b, "no whole blocks of 32, as Q8_0 needs");
    b = one_tensor(1, (uint64_t[]){128}, 12, 0);
    refuse(&b, "no whole blocks of 256, as Q4_K needs");
    b = one_tensor(1, (uint64_t[]){256}, 23, 0);
    refuse(&b, "stored as IQ4_XS");
    b = one_tensor(1, (uint64_t[]){16}, 1000, 0);
    refuse(&b, "unknown type 1000");
}

static void places_must_follow_each_other(void **unused) {
    (void)unused;
    buf b = one_tensor(1, (uint64_t[]){16}, 0, 8);
    refuse(&b, "tensor 't' begins at byte 8 of the data, needs 0");
    b = one_tensor(1, (uint64_t[]){16}, 0, (uint64_t)1 << 60);
    refuse(&b, "needs 0");
    b = one_tensor(1, (uint64_t[]){17}, 0, 0);
    refuse(&b, "takes 68 bytes from byte 0 of the data, the file has 64");
    b = one_tensor(1, (uint64_t[]){8}, 0, 0);
    refuse(&b, "32 bytes after the last tensor");
    for (int overlap = 0; overlap < 2; overlap++) {
        memset(&b, 0, sizeof b);
        put_start(&b, 3, 2, 0);
        put_tensor(&b, "t", 1, (uint64_t[]){8}, 0, overlap ? 0 : 32);
        put_tensor(&b, "u", 1, (uint64_t[]){8}, 0, 0);
        put_padding(&b, 32);
        for (int i = 0; i < 64; i++) buf_putc(&b, 0);
        refuse(&b, overlap ? "tensor 'u' begins at byte 0 of the data, needs 32" : "tensor 't' begins at byte 32 of the data, needs 0");
    }
    memset(&b, 0, sizeof b);
    put_start(&b, 3, 2, 0);
    for (int i = 0; i < 2; i++) put_tensor(&b, "t", 1, (uint64_t[]){8}, 0, 32 * (uint64_t)i);
    refuse(&b, "another one of this name");
}

static void a_file_cut_anywhere_is_refused(void **unused) {
    (void)unused;
    buf b = good_file(3);
    size_t padded_end = b.size, end = padded_end - 24; /* 136 bytes at 32: the last 24 are padding */
    for (size_t n = 0; n < end; n++) {
        gguf *g = NULL;
        char *part = malloc(n ? n : 1); /* of its own, so that reading beyond is seen */
        memcpy(part, b.data, n);
        lmm_status st = gguf_open_mem(&g, part, n, "cut.gguf");
        if (!st) fail_msg("%zu of %zu bytes were opened", n, padded_end);
        assert_non_null(strstr(lmm_message(), "cut.gguf"));
        free(part);
    }
    buf_free(&b);
}

/* ---- over a checkpoint ---- */

static void a_checkpoint_reads_gguf_files_and_marks_woven_rows(void **unused) {
    (void)unused;
    char path[] = "/tmp/test-gguf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    buf b = good_file(3);
    assert_int_equal(file_write(path, b.data, b.size), LMM_OK);
    checkpoint *c;
    assert_true(gguf_is(path) && !gguf_is("/") && !gguf_is("/nowhere"));
    assert_int_equal(checkpoint_open(&c, path), LMM_OK);
    assert_non_null(checkpoint_gguf(c));
    assert_int_equal(checkpoint_weave(c, 1, 1), LMM_OK);
    assert_int_equal(checkpoint_find(c, "q")->woven, 1);
    checkpoint_close(c);
    buf_free(&b);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_back_with_the_outer_dimension_first),
        cmocka_unit_test(metadata_is_read_by_type),
        cmocka_unit_test(a_vocabulary_alone_needs_no_padding),
        cmocka_unit_test(wrong_starts_are_named),
        cmocka_unit_test(counts_beyond_the_file_are_refused_at_once),
        cmocka_unit_test(metadata_that_lies_is_refused),
        cmocka_unit_test(only_powers_of_two_align),
        cmocka_unit_test(shapes_that_cannot_be_are_refused),
        cmocka_unit_test(places_must_follow_each_other),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_checkpoint_reads_gguf_files_and_marks_woven_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
