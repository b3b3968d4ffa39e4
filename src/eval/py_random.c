/* py_random.c - Python's random module on its Mersenne Twister (Matsumoto and Nishimura 1998), so that a fallback by chance is the same chance. */
#include "eval/eval_int.h"

enum { N = 624, M = 397 };

static void fill(py_random *r, uint32_t seed) {
    r->state[0] = seed;
    for (int i = 1; i < N; i++) r->state[i] = 1812433253u * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + (uint32_t)i;
    r->at = N;
}

static void seed_words(py_random *r, const uint32_t *key, int length) {
    int i = 1, j = 0;
    fill(r, 19650218u);
    for (int k = N; k; k--) {
        r->state[i] = (r->state[i] ^ ((r->state[i - 1] ^ (r->state[i - 1] >> 30)) * 1664525u)) + key[j] + (uint32_t)j;
        if (++i >= N) r->state[0] = r->state[N - 1], i = 1;
        if (++j >= length) j = 0;
    }
    for (int k = N - 1; k; k--) {
        r->state[i] = (r->state[i] ^ ((r->state[i - 1] ^ (r->state[i - 1] >> 30)) * 1566083941u)) - (uint32_t)i;
        if (++i >= N) r->state[0] = r->state[N - 1], i = 1;
    }
    r->state[0] = 0x80000000u;
}

void py_random_seed(py_random *r, uint64_t seed) {
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    seed_words(r, key, key[1] ? 2 : 1);
}

/* Long division of the digits by 2^32 would do too; multiplying up is shorter. */
void py_random_seed_digits(py_random *r, const char *digits) {
    uint32_t key[32] = {0};
    int length = 1;
    for (; *digits >= '0' && *digits <= '9'; digits++) {
        uint64_t carry = (uint64_t)(*digits - '0');
        for (int i = 0; i < length; i++) {
            carry += (uint64_t)key[i] * 10;
            key[i] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry && length < (int)COUNT_OF(key)) key[length++] = (uint32_t)carry;
    }
    seed_words(r, key, length);
}

static void refill(py_random *r) {
    for (int k = 0; k < N; k++) {
        uint32_t y = (r->state[k] & 0x80000000u) | (r->state[(k + 1) % N] & 0x7fffffffu);
        r->state[k] = r->state[(k + M) % N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->at = 0;
}

uint32_t py_random_bits32(py_random *r) {
    if (r->at >= N) refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double py_random_unit(py_random *r) {
    uint32_t a = py_random_bits32(r) >> 5, b = py_random_bits32(r) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

int py_random_below(py_random *r, int n) {
    int bits = 0;
    while (bits < 31 && n >> bits) bits++;
    uint32_t x;
    do x = py_random_bits32(r) >> (32 - bits);
    while (x >= (uint32_t)n);
    return (int)x;
}
