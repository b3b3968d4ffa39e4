/* test_memory.c - allocation, byte strings, vectors, arena, string map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void size_mul_tells_what_does_not_fit(void **state) {
    (void)state;
    size_t out = 7;
    assert_true(size_mul(3, 5, &out));
    assert_int_equal(out, 15);
    assert_true(size_mul(SIZE_MAX, 0, &out));
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &out));
}

static void mem_try_is_aligned_zeroed_and_says_what_did_not_fit(void **state) {
    (void)state;
    void *p = NULL, *none = &p;
    assert_int_equal(mem_try(&p, 1000, "a test"), LMM_OK);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 1000; i++) assert_int_equal(((char *)p)[i], 0);
    free(p);
    assert_int_equal(mem_try(&p, 0, "nothing"), LMM_OK);
    assert_non_null(p);
    free(p);
    assert_int_equal(mem_try(&none, SIZE_MAX, "the weights"), LMM_E_MEMORY);
    assert_ptr_equal(none, &p);
    assert_non_null(strstr(lmm_message(), "the weights"));
}

static void strings_are_copied(void **state) {
    (void)state;
    char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 2), *c = mem_printf("%s-%d", "x", 42), *d = mem_strndup("", 0);
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "x-42");
    assert_string_equal(d, "");
    free(a), free(b), free(c), free(d);
    char *grown = mem_resize(NULL, 3, 4);
    grown = mem_resize(grown, 0, 4);
    assert_non_null(grown);
    free(grown);
}

static void a_buf_grows_and_stays_terminated(void **state) {
    (void)state;
    buf b = {0};
    buf_put(&b, "", 0);
    assert_string_equal(b.data, "");
    size_t expected = 0;
    for (int i = 0; i < 1000; i++) {
        buf_putc(&b, 'x');
        buf_puts(&b, "yz");
        buf_printf(&b, "%04d", i);
        expected += 7;
        assert_int_equal(b.size, expected);
        assert_int_equal(b.data[b.size], 0);
    }
    assert_memory_equal(b.data + expected - 7, "xyz0999", 7);
    buf_reset(&b);
    assert_string_equal(b.data, "");
    buf_put(&b, "a\0b", 3);
    assert_int_equal(b.size, 3);
    char *taken = buf_take(&b);
    assert_memory_equal(taken, "a\0b", 4);
    free(taken);
    assert_null(b.data);
    taken = buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
    buf_free(&b);
}

static void a_buf_takes_a_print_longer_than_any_buffer(void **state) {
    (void)state;
    buf b = {0};
    buf_printf(&b, "%5000d|", 1);
    assert_int_equal(b.size, 5001);
    assert_int_equal(b.data[4999], '1');
    buf_free(&b);
}

static void a_vector_holds_any_type(void **state) {
    (void)state;
    typedef struct {
        int a;
        double b;
    } pair;
    VEC(pair) v = {0};
    for (int i = 0; i < 1000; i++) VEC_PUSH(&v, ((pair){i, i * 0.5}));
    assert_int_equal(v.count, 1000);
    assert_true(v.capacity >= 1000);
    for (int i = 0; i < 1000; i++) assert_true(v.at[i].a == i && v.at[i].b == i * 0.5);
    free(v.at);
}

static void arena_pieces_are_aligned_and_go_back_to_a_mark(void **state) {
    (void)state;
    arena a;
    assert_int_equal(arena_open(&a, 1000, "a test"), LMM_OK);
    assert_int_equal(a.capacity, 1024);
    char *first = arena_alloc(&a, 1);
    size_t mark = a.used;
    char *second = arena_alloc(&a, 65);
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_int_equal((uintptr_t)second % 64, 0);
    assert_ptr_equal(second, first + 64);
    memset(second, 1, 65);
    a.used = mark;
    assert_ptr_equal(arena_alloc(&a, 960), second);
    assert_int_equal(a.used, 1024);
    assert_int_equal(a.peak, 1024);
    assert_ptr_equal(arena_alloc(&a, 0), first + 1024);
    arena_close(&a);
    assert_null(a.base);
    assert_int_equal(arena_open(&a, SIZE_MAX, "the cache"), LMM_E_MEMORY);
    assert_non_null(strstr(lmm_message(), "the cache"));
}

static void a_map_finds_what_was_put_and_nothing_else(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    strmap *m = strmap_new();
    char key[32];
    int value = -1;
    assert_false(strmap_get(m, "", 0, &value));
    for (int i = 0; i < COUNT; i++) {
        int n = snprintf(key, sizeof key, "key %d", i * 7);
        assert_true(strmap_put(m, key, (size_t)n, i));
        memset(key, 0, sizeof key);
    }
    assert_int_equal(strmap_count(m), COUNT);
    for (int i = 0; i < COUNT * 7; i++) {
        int n = snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(strmap_get(m, key, (size_t)n, &value), i % 7 == 0);
        if (i % 7 == 0) assert_int_equal(value, i / 7);
    }
    strmap_free(m);
    strmap_free(NULL);
}

static void a_map_keeps_the_first_value_and_takes_any_bytes(void **state) {
    (void)state;
    strmap *m = strmap_new();
    int value = 0;
    assert_true(strmap_put(m, "a\0b", 3, 1));
    assert_true(strmap_put(m, "a", 1, 2));
    assert_true(strmap_put(m, "", 0, 3));
    assert_false(strmap_put(m, "a\0b", 3, 9));
    assert_true(strmap_get(m, "a\0b", 3, &value));
    assert_int_equal(value, 1);
    assert_true(strmap_get(m, "", 0, &value));
    assert_int_equal(value, 3);
    assert_true(strmap_get(m, "a", 1, NULL));
    assert_false(strmap_get(m, "a\0", 2, &value));
    strmap_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_mul_tells_what_does_not_fit),
        cmocka_unit_test(mem_try_is_aligned_zeroed_and_says_what_did_not_fit),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(a_buf_grows_and_stays_terminated),
        cmocka_unit_test(a_buf_takes_a_print_longer_than_any_buffer),
        cmocka_unit_test(a_vector_holds_any_type),
        cmocka_unit_test(arena_pieces_are_aligned_and_go_back_to_a_mark),
        cmocka_unit_test(a_map_finds_what_was_put_and_nothing_else),
        cmocka_unit_test(a_map_keeps_the_first_value_and_takes_any_bytes),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
