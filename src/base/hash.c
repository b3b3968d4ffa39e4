/* hash.c - SHA-256 (FIPS 180-4), a fast 64-bit hash, CRC-32C (Castagnoli). */
#include "base/base_int.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* ---- SHA-256 ---- */

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate_right(uint32_t x, int by) { return x >> by | x << (32 - by); }

static uint32_t load_be32(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void store_be32(unsigned char *p, uint32_t x) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(x >> (24 - 8 * i));
}

void sha256_blocks_portable(uint32_t h[8], const unsigned char *p, size_t count) {
    for (; count > 0; count--, p += 64) {
        uint32_t w[64], s[8];
        memcpy(s, h, sizeof s);
        for (int i = 0; i < 64; i++) {
            if (i < 16) {
                w[i] = load_be32(p + 4 * i);
            } else {
                uint32_t a = w[i - 15], b = w[i - 2];
                w[i] = w[i - 16] + (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) + w[i - 7] +
                       (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
            }
            uint32_t a = s[0], e = s[4];
            uint32_t t1 =
                s[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + sha_k[i] + w[i];
            uint32_t t2 = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
            memmove(s + 1, s, 7 * sizeof *s);
            s[4] += t1;
            s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) h[i] += s[i];
    }
}

#if defined(__x86_64__)
/* Asked once a thread: under a hypervisor cpuid is a trap, 30 microseconds were seen. */
static bool cpu_has_sha(void) {
    static _Thread_local enum { UNKNOWN, NO, YES } answer;
    if (answer == UNKNOWN) {
        unsigned a, b, c, d;
        bool has = __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
        answer = has ? YES : NO;
    }
    return answer == YES;
}

/* The SHA extensions keep the state as (a b e f) and (c d g h); one instruction does two rounds, and msg1, msg2
 * continue the schedule four words at a time. */
__attribute__((target("sha,sse4.1"))) static void sha_blocks_ni(uint32_t h[8], const unsigned char *p, size_t count) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)h);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(h + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1), efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; count > 0; count--, p += 64) {
        __m128i abef_before = abef, cdgh_before = cdgh, w[4];
        for (int i = 0; i < 16; i++) {
            __m128i *now = &w[i & 3];
            if (i < 4) {
                *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)), swap);
            } else {
                __m128i last = w[(i + 3) & 3];
                *now = _mm_sha256msg1_epu32(*now, w[(i + 1) & 3]);
                *now = _mm_add_epi32(*now, _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
                *now = _mm_sha256msg2_epu32(*now, last);
            }
            __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(const void *)(sha_k + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)h, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

static void sha_blocks(uint32_t h[8], const unsigned char *p, size_t count) {
#if defined(__x86_64__)
    if (cpu_has_sha()) {
        sha_blocks_ni(h, p, count);
        return;
    }
#endif
    sha256_blocks_portable(h, p, count);
}

void sha256_init(sha256 *s) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(s, 0, sizeof *s);
    memcpy(s->h, start, sizeof start);
}

void sha256_put(sha256 *s, const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    size_t held = s->size % 64;
    s->size += n;
    if (held + n < 64) {
        if (n) memcpy(s->block + held, p, n);
        return;
    }
    if (held) {
        size_t take = 64 - held;
        memcpy(s->block + held, p, take);
        sha_blocks(s->h, s->block, 1);
        p += take, n -= take;
    }
    if (n >= 64) sha_blocks(s->h, p, n / 64);
    memcpy(s->block, p + n / 64 * 64, n % 64);
}

void sha256_end(sha256 *s, unsigned char digest[32]) {
    uint64_t bits = s->size * 8;
    size_t held = s->size % 64;
    s->block[held++] = 0x80;
    memset(s->block + held, 0, 64 - held);
    if (held > 56) {
        sha_blocks(s->h, s->block, 1);
        memset(s->block, 0, 64);
    }
    store_be32(s->block + 56, (uint32_t)(bits >> 32));
    store_be32(s->block + 60, (uint32_t)bits);
    sha_blocks(s->h, s->block, 1);
    for (int i = 0; i < 8; i++) store_be32(digest + 4 * i, s->h[i]);
}

void sha256_hex(const void *bytes, size_t n, char hex[65]) {
    sha256 s;
    unsigned char digest[32];
    sha256_init(&s);
    sha256_put(&s, bytes, n);
    sha256_end(&s, digest);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* ---- the fast one ---- */

/* Folded 64x64 -> 128-bit products. The values are the same on every little-endian machine. */
__extension__ typedef unsigned __int128 u128;

static uint64_t fold(uint64_t a, uint64_t b) {
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load_u64(const unsigned char *p, size_t n) {
    uint64_t x = 0;
    memcpy(&x, p, n);
    return x;
}

uint64_t hash_u64(const void *bytes, size_t n, uint64_t seed) {
    /* odd constants with half of the bits set: fractions of the square roots of 2, 3, 5 */
    const uint64_t k1 = 0x6a09e667f3bcc909u, k2 = 0xbb67ae8584caa73bu, k3 = 0x3c6ef372fe94f82bu;
    const unsigned char *p = bytes;
    /* both factors depend on the seed: a known one could be made zero by the input, and then all hashes agree */
    uint64_t h = fold(seed ^ k1, n ^ k2) ^ seed, other = fold(seed ^ k3, k1) ^ k2;
    size_t left = n;
    for (; left > 16; left -= 16, p += 16) h = fold(load_u64(p, 8) ^ h, load_u64(p + 8, 8) ^ other) ^ h;
    uint64_t a = 0, b = 0;
    if (left > 8) {
        a = load_u64(p, 8);
        b = load_u64(p + 8, left - 8);
    } else if (left > 0) {
        a = load_u64(p, left);
    }
    h = fold(a ^ h, b ^ other) ^ h;
    return fold(h ^ k3, k1);
}

/* ---- CRC-32C ---- */

/* Half a byte at a time: the table stays in one cache line, and real work runs on the instruction below. */
uint32_t crc32c_portable(uint32_t crc, const unsigned char *p, size_t n) {
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const unsigned char *p, size_t n) {
    uint64_t wide = crc;
    for (; n >= 8; n -= 8, p += 8) wide = _mm_crc32_u64(wide, load_u64(p, 8));
    for (crc = (uint32_t)wide; n > 0; n--, p++) crc = _mm_crc32_u8(crc, *p);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc_sse42(~crc, bytes, n);
#endif
    return ~crc32c_portable(~crc, bytes, n);
}
