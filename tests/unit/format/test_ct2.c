/* test_ct2.c - CTranslate2's model.bin: what a file of any version holds, and that a broken one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/format.h"

static void put_number(buf *b, uint32_t x, int size) {
    for (int i = 0; i < size; i++) buf_putc(b, (char)(x >> (8 * i)));
}

static void put_string(buf *b, const char *s) {
    put_number(b, (uint32_t)strlen(s) + 1, 2);
    buf_put(b, s, strlen(s) + 1);
}

static void put_variable(buf *b, const char *name, int rank, const uint32_t *dims, int type, const void *bytes, size_t n) {
    put_string(b, name);
    put_number(b, (uint32_t)rank, 1);
    for (int i = 0; i < rank; i++) put_number(b, dims[i], 4);
    put_number(b, (uint32_t)type, 1);
    put_number(b, (uint32_t)n, 4);
    buf_put(b, bytes, n);
}

static void begin(buf *b, uint32_t version, uint32_t variables) {
    put_number(b, version, 4);
    put_string(b, "WhisperSpec");
    put_number(b, 3, 4);
    put_number(b, variables, 4);
}

/* A float matrix, an 8-bit one with a scale a row, and another name for the first. */
static buf good_file(void) {
    buf b = {0};
    const float matrix[6] = {1, 2, 3, 4, 5, 6}, scale[2] = {2, 4};
    const int8_t bytes[4] = {2, -4, 8, -127};
    begin(&b, 6, 3);
    put_variable(&b, "m", 2, (uint32_t[]){2, 3}, 0, matrix, sizeof matrix);
    put_variable(&b, "q", 2, (uint32_t[]){2, 2}, 1, bytes, sizeof bytes);
    put_variable(&b, "q_scale", 1, (uint32_t[]){2}, 0, scale, sizeof scale);
    put_number(&b, 1, 4);
    put_string(&b, "other");
    put_string(&b, "m");
    return b;
}

static void matrices_scales_and_aliases_are_read(void **state) {
    (void)state;
    buf b = good_file();
    ct2 *c;
    if (ct2_open_mem(&c, b.data, b.size, "made")) fail_msg("%s", lmm_message());
    assert_string_equal(ct2_spec(c), "WhisperSpec");
    assert_int_equal(ct2_count(c), 4);
    const tensor *q = ct2_find(c, "q"), *m = ct2_find(c, "m"), *other = ct2_find(c, "other");
    assert_int_equal(q->type, DT_F32);
    const float want[4] = {1, -2, 2, -31.75f};
    assert_memory_equal(q->data, want, sizeof want);
    assert_true(m->nd == 2 && m->ne[0] == 2 && m->ne[1] == 3 && other->data == m->data);
    ct2_close(c);
    buf_free(&b);
}

static void refused(const buf *b, size_t n) {
    ct2 *c;
    if (ct2_open_mem(&c, b->data, n, "broken") == LMM_OK) fail_msg("%zu bytes of %zu were taken", n, b->size);
    assert_true(lmm_message()[0] && !strchr(lmm_message(), '\n'));
}

static void a_file_cut_anywhere_is_refused(void **state) {
    (void)state;
    buf b = good_file();
    for (size_t n = 0; n < b.size; n++) refused(&b, n);
    buf_putc(&b, 0);
    refused(&b, b.size); /* and one byte too many */
    buf_free(&b);
}

static void a_size_that_is_not_its_shape_is_refused(void **state) {
    (void)state;
    buf b = {0};
    begin(&b, 6, 1);
    put_variable(&b, "m", 2, (uint32_t[]){0xffffffff, 0xffffffff}, 0, "abcd", 4);
    put_number(&b, 0, 4);
    refused(&b, b.size);
    buf_free(&b);
}

static void a_name_given_twice_is_refused(void **state) {
    (void)state;
    buf b = {0};
    begin(&b, 6, 2);
    for (int i = 0; i < 2; i++) put_variable(&b, "m", 1, (uint32_t[]){1}, 0, "abcd", 4);
    put_number(&b, 0, 4);
    refused(&b, b.size);
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_scales_and_aliases_are_read),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_size_that_is_not_its_shape_is_refused),
        cmocka_unit_test(a_name_given_twice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
