/* test_log.c - what a run writes is JSON, and records whose checksums TensorBoard accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/train.h"

static void write_run(const char *run) {
    train_log *l;
    assert_int_equal(train_log_open(&l, run, 0), LMM_OK);
    train_log_put(l, 20, (const log_value[]){{"loss", 1.5}, {"lr", 1e-3}, {"kl", NAN}}, 3);
    train_log_close(l);
}

static void lines_are_json_without_what_is_not_finite(void **state) {
    (void)state;
    char run[] = "/tmp/lmm-log-XXXXXX";
    assert_non_null(mkdtemp(run));
    write_run(run);
    char *path = path_join(run, "metrics.jsonl"), *text;
    assert_int_equal(file_read(&text, NULL, path, 1000), LMM_OK);
    assert_string_equal(text, "{\"step\": 20, \"loss\": 1.5, \"lr\": 0.001}\n");
    free(text);
    free(path);
    dir_remove(run);
}

static uint32_t masked(const char *bytes, size_t n) {
    uint32_t crc = crc32c(0, bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void records_have_lengths_and_checksums(void **state) {
    (void)state;
    char run[] = "/tmp/lmm-log-XXXXXX", **names, *data = NULL;
    int count, records = 0;
    size_t size = 0;
    assert_non_null(mkdtemp(run));
    write_run(run);
    assert_int_equal(dir_list(&names, &count, run), LMM_OK);
    for (int i = 0; i < count; i++)
        if (!strncmp(names[i], "events.out.tfevents.", 20)) {
            char *path = path_join(run, names[i]);
            assert_int_equal(file_read(&data, &size, path, 10000), LMM_OK);
            free(path);
        }
    assert_non_null(data);
    for (size_t at = 0; at < size; records++) {
        uint64_t n;
        uint32_t head, body;
        memcpy(&n, data + at, 8), memcpy(&head, data + at + 8, 4), memcpy(&body, data + at + 12 + n, 4);
        assert_int_equal(head, masked(data + at, 8));
        assert_int_equal(body, masked(data + at + 12, n));
        at += 16 + n;
        assert_true(at <= size);
    }
    assert_int_equal(records, 2);
    /* Value{tag: "loss", simple_value: 1.5} inside Summary.value */
    static const char loss[] = "\x0a\x0b\x0a\x04loss\x15\x00\x00\xc0\x3f";
    bool found = false;
    for (size_t i = 0; i + sizeof loss - 1 <= size; i++) found |= !memcmp(data + i, loss, sizeof loss - 1);
    assert_true(found);
    free(data);
    names_free(names, count);
    dir_remove(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_json_without_what_is_not_finite),
        cmocka_unit_test(records_have_lengths_and_checksums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
