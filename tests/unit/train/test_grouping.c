/* test_grouping.c - epochs in batches of one kind: every item once, kinds apart, micro batches of like length, over the end of an epoch too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/train_int.h"

enum { ITEMS = 100, VISUAL = 61, MICROS = 4, EACH = 2, SIZE = MICROS * EACH };

static void lengths_of(int *length) {
    for (int i = 0; i < ITEMS; i++) length[i] = (10 + i * 37 % 91) * (i < VISUAL ? 1 : -1);
}

static void lay_out(int *at, const int *length, int64_t epoch) {
    rng r = rng_make(7, (uint64_t)epoch);
    for (int i = 0; i < ITEMS; i++) at[i] = i;
    rng_shuffle(&r, at, ITEMS);
    order_grouped(at, ITEMS, length, MICROS, EACH, epoch * ITEMS, &r);
}

static void every_item_stands_once_in_every_epoch(void **state) {
    (void)state;
    int length[ITEMS], at[ITEMS], again[ITEMS];
    lengths_of(length);
    for (int64_t epoch = 0; epoch < 5; epoch++) {
        int seen[ITEMS] = {0};
        lay_out(at, length, epoch);
        lay_out(again, length, epoch);
        assert_memory_equal(at, again, sizeof at);
        for (int i = 0; i < ITEMS; i++) seen[at[i]]++;
        for (int i = 0; i < ITEMS; i++) assert_int_equal(seen[i], 1);
    }
}

/* Over all batches of the run, also those that begin in one epoch and end in the next. */
static void whole_batches_hold_one_kind(void **state) {
    (void)state;
    enum { EPOCHS = 4 };
    int length[ITEMS], run[EPOCHS * ITEMS], mixed = 0, visual = 0;
    lengths_of(length);
    for (int64_t e = 0; e < EPOCHS; e++) lay_out(run + e * ITEMS, length, e);
    for (int b = 0; b < EPOCHS * ITEMS / SIZE; b++) {
        int n = 0;
        for (int i = 0; i < SIZE; i++) n += run[b * SIZE + i] < VISUAL;
        mixed += n && n < SIZE;
        visual += n == SIZE;
    }
    assert_true(mixed <= 2 * EPOCHS - 1); /* at most one in an epoch and one between two */
    assert_in_range(visual, EPOCHS * (VISUAL / SIZE) - EPOCHS, EPOCHS * (VISUAL / SIZE) + EPOCHS);
}

static int spread(const int *at, const int *length) {
    int low = 1 << 30, high = 0;
    for (int m = 0; m < MICROS; m++) {
        int sum = 0;
        for (int i = 0; i < EACH; i++) sum += abs(length[at[m * EACH + i]]);
        low = sum < low ? sum : low;
        high = sum > high ? sum : high;
    }
    return high - low;
}

static void micro_batches_are_of_like_length(void **state) {
    (void)state;
    int length[ITEMS], at[ITEMS], plain[ITEMS], grouped = 0, shuffled = 0;
    lengths_of(length);
    lay_out(at, length, 0);
    rng r = rng_make(7, 0);
    for (int i = 0; i < ITEMS; i++) plain[i] = i;
    rng_shuffle(&r, plain, ITEMS);
    for (int b = 0; b < ITEMS / SIZE; b++) grouped += spread(at + b * SIZE, length), shuffled += spread(plain + b * SIZE, length);
    assert_true(grouped * 3 < shuffled);
}

static void fewer_items_than_a_batch_stay(void **state) {
    (void)state;
    int length[3] = {4, -5, 6}, at[3] = {2, 0, 1};
    rng r = rng_make(1, 1);
    order_grouped(at, 3, length, MICROS, EACH, 3, &r);
    const int want[3] = {2, 0, 1};
    assert_memory_equal(at, want, sizeof at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_stands_once_in_every_epoch),
        cmocka_unit_test(whole_batches_hold_one_kind),
        cmocka_unit_test(micro_batches_are_of_like_length),
        cmocka_unit_test(fewer_items_than_a_batch_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
