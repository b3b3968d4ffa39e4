/* test_hash.c - published vectors of SHA-256 and CRC-32C; the fast hash spreads and does not collide where it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_int.h"

/* FIPS 180-4 examples, and the million of 'a'. */
static void sha256_gives_the_published_digests(void **state) {
    (void)state;
    static const char *const known[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[65];
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        sha256_hex(known[i][0], strlen(known[i][0]), hex);
        assert_string_equal(hex, known[i][1]);
    }
    char *million = mem_new(1000000, 1);
    memset(million, 'a', 1000000);
    sha256_hex(million, 1000000, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void sha256_in_pieces_is_sha256_in_one(void **state) {
    (void)state;
    unsigned char bytes[300], whole[32], pieces[32];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        sha256 a, b;
        sha256_init(&a);
        sha256_put(&a, bytes, size);
        sha256_end(&a, whole);
        sha256_init(&b);
        for (size_t at = 0, step = 1; at < size; at += step, step = step * 3 % 71 + 1) {
            if (step > size - at) step = size - at;
            sha256_put(&b, bytes + at, step);
        }
        sha256_end(&b, pieces);
        assert_memory_equal(whole, pieces, 32);
    }
}

/* RFC 3720, B.4. */
static void crc32c_gives_the_published_sums(void **state) {
    static const char digits[] = "123456789";
    (void)state;
    unsigned char bytes[32] = {0};
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    for (size_t cut = 0; cut <= 9; cut++) assert_int_equal(crc32c(crc32c(0, digits, cut), digits + cut, 9 - cut), 0xe3069283);
}

/* On a processor without the special instructions this compares a thing with itself; the published vectors remain. */
static void the_portable_forms_agree_with_the_fast_ones(void **state) {
    (void)state;
    unsigned char bytes[64 * 9];
    rng r = rng_make(3, 3);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)rng_u32(&r);
    for (size_t count = 1; count <= 9; count++) {
        sha256 s;
        uint32_t h[8];
        sha256_init(&s);
        memcpy(h, s.h, sizeof h);
        sha256_put(&s, bytes, 64 * count);
        sha256_blocks_portable(h, bytes, count);
        assert_memory_equal(h, s.h, sizeof h);
    }
    for (size_t n = 0; n < 40; n++) assert_int_equal(crc32c(0, bytes + 1, n), ~crc32c_portable(~0u, bytes + 1, n));
}

static int bit_count(uint64_t x) { return __builtin_popcountll(x); }

/* One flipped input bit flips half of the output bits, whatever the length and the place. */
static void the_fast_hash_spreads_every_bit(void **state) {
    (void)state;
    unsigned char bytes[40];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 37 + 1);
    for (size_t size = 1; size <= sizeof bytes; size++) {
        double flipped = 0;
        uint64_t before = hash_u64(bytes, size, 5);
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            int changed = bit_count(before ^ hash_u64(bytes, size, 5));
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_in_range(changed, 8, 56);
            flipped += changed;
        }
        double mean = flipped / (double)(size * 8);
        assert_true(mean > 27 && mean < 37);
    }
}

static void the_fast_hash_tells_lengths_and_seeds_apart(void **state) {
    (void)state;
    enum { COUNT = 200 };
    static const unsigned char zeros[COUNT];
    uint64_t hashes[2 * COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        hashes[2 * i] = hash_u64(zeros, i, 0);
        hashes[2 * i + 1] = hash_u64(zeros, i, 1);
    }
    for (int i = 0; i < 2 * COUNT; i++) {
        for (int j = 0; j < i; j++) assert_true(hashes[i] != hashes[j]);
    }
    assert_true(hash_u64("a", 1, 0) == hash_u64("ab", 1, 0));
}

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* 64 bits: the chance of one collision among 100,000 is 3e-10. */
static void the_fast_hash_does_not_collide_on_numbered_names(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    uint64_t *hashes = mem_new(COUNT, sizeof *hashes);
    for (int i = 0; i < COUNT; i++) {
        char name[64];
        int n = snprintf(name, sizeof name, "model.layers.%d.self_attn.q_proj.weight", i);
        hashes[i] = hash_u64(name, (size_t)n, 0);
    }
    qsort(hashes, COUNT, sizeof *hashes, compare_u64);
    for (int i = 1; i < COUNT; i++) assert_true(hashes[i] != hashes[i - 1]);
    free(hashes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(sha256_in_pieces_is_sha256_in_one),
        cmocka_unit_test(crc32c_gives_the_published_sums),
        cmocka_unit_test(the_portable_forms_agree_with_the_fast_ones),
        cmocka_unit_test(the_fast_hash_spreads_every_bit),
        cmocka_unit_test(the_fast_hash_tells_lengths_and_seeds_apart),
        cmocka_unit_test(the_fast_hash_does_not_collide_on_numbered_names),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
