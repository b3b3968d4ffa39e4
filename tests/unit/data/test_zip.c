/* test_zip.c - archives made here byte by byte: stored and deflated entries come out, lies are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "data/data.h"

#define OK(call) assert_int_equal((call), LMM_OK)

typedef struct {
    const char *name, *text;
    bool deflate;
    uint32_t crc_off;
} part;

static void put16(buf *b, unsigned v) { buf_put(b, (unsigned char[]){v & 255, v >> 8 & 255}, 2); }
static void put32(buf *b, uint32_t v) { put16(b, v & 0xffff), put16(b, v >> 16); }

static size_t pack(const part *p, unsigned char out[1024]) {
    if (!p->deflate) return memcpy(out, p->text, strlen(p->text)), strlen(p->text);
    z_stream s = {.next_in = (unsigned char *)p->text, .avail_in = (uInt)strlen(p->text), .next_out = out, .avail_out = 1024};
    deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    return 1024 - s.avail_out;
}

/* What local and central headers have in common, from the method to the name's length. */
static void put_common(buf *b, const part *p, size_t packed) {
    put16(b, p->deflate ? 8 : 0), put16(b, 0), put16(b, 0);
    put32(b, (uint32_t)crc32(0, (const unsigned char *)p->text, (uInt)strlen(p->text)) + p->crc_off);
    put32(b, (uint32_t)packed), put32(b, (uint32_t)strlen(p->text)), put16(b, (unsigned)strlen(p->name));
}

static char *write_zip(const part *parts, int n) {
    buf b = {0}, central = {0};
    for (int i = 0; i < n; i++) {
        unsigned char data[1024];
        size_t packed = pack(&parts[i], data), at = b.size;
        put32(&b, 0x04034b50u), put16(&b, 20), put16(&b, 0);
        put_common(&b, &parts[i], packed);
        put16(&b, 0), buf_puts(&b, parts[i].name), buf_put(&b, data, packed);
        put32(&central, 0x02014b50u), put16(&central, 20), put16(&central, 20), put16(&central, 0);
        put_common(&central, &parts[i], packed);
        put16(&central, 0), put16(&central, 0), put16(&central, 0), put16(&central, 0), put32(&central, 0), put32(&central, (uint32_t)at);
        buf_puts(&central, parts[i].name);
    }
    size_t offset = b.size;
    buf_put(&b, central.data, central.size);
    put32(&b, 0x06054b50u), put16(&b, 0), put16(&b, 0), put16(&b, (unsigned)n), put16(&b, (unsigned)n);
    put32(&b, (uint32_t)central.size), put32(&b, (uint32_t)offset), put16(&b, 0);
    char *path = mem_printf("/tmp/lmm-zip-%d.zip", (int)getpid());
    OK(file_write(path, b.data, b.size));
    buf_free(&b);
    buf_free(&central);
    return path;
}

static void both_methods_come_out(void **state) {
    (void)state;
    const part parts[] = {{"a/one.txt", "stored", false, 0}, {"a/two.txt", "deflated deflated deflated deflated", true, 0}};
    char *path = write_zip(parts, 2), *to = mem_printf("%s.out", path), *text;
    zip z;
    OK(zip_open(&z, path));
    assert_int_equal(z.entries.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(z.entries.at[i].name, parts[i].name);
        OK(zip_extract(&z, &z.entries.at[i], to));
        OK(file_read(&text, NULL, to, 1 << 20));
        assert_string_equal(text, parts[i].text);
        free(text);
    }
    zip_close(&z);
    remove(path), remove(to);
    free(path), free(to);
}

static void names_that_leave_the_folder_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"../x", "a/../../x", "/etc/x", "a\\b", ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = write_zip(&(part){names[i], "x", false, 0}, 1);
        zip z;
        assert_int_equal(zip_open(&z, path), LMM_E_FORMAT);
        remove(path);
        free(path);
    }
}

static void a_wrong_checksum_leaves_no_file(void **state) {
    (void)state;
    char *path = write_zip(&(part){"a.txt", "text text text", true, 1}, 1), *to = mem_printf("%s.out", path);
    zip z;
    OK(zip_open(&z, path));
    assert_int_equal(zip_extract(&z, &z.entries.at[0], to), LMM_E_FORMAT);
    assert_false(file_exists(to));
    zip_close(&z);
    remove(path);
    free(path), free(to);
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    char *path = write_zip(&(part){"a.txt", "text text text", true, 0}, 1), *whole;
    size_t size;
    OK(file_read(&whole, &size, path, 1 << 20));
    for (size_t n = 0; n < size; n++) {
        zip z;
        OK(file_write(path, whole, n));
        assert_int_not_equal(zip_open(&z, path), LMM_OK);
    }
    remove(path);
    free(whole), free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_methods_come_out),
        cmocka_unit_test(names_that_leave_the_folder_are_refused),
        cmocka_unit_test(a_wrong_checksum_leaves_no_file),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
