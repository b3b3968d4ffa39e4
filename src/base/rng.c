/* rng.c - Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * Key = seed, counter block = (counter, stream). Every draw uses whole blocks and drops what it does not need:
 * the state stays three plain numbers, and a draw can be found again from its counter alone. */
#include "base/base.h"

#include <math.h>

static void philox(const rng *r, uint32_t out[4]) {
    uint32_t c0 = (uint32_t)r->counter, c1 = (uint32_t)(r->counter >> 32);
    uint32_t c2 = (uint32_t)r->stream, c3 = (uint32_t)(r->stream >> 32);
    uint32_t k0 = (uint32_t)r->seed, k1 = (uint32_t)(r->seed >> 32);
    for (int i = 0; i < 10; i++) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)b;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

rng rng_make(uint64_t seed, uint64_t stream) { return (rng){.seed = seed, .stream = stream}; }

uint32_t rng_u32(rng *r) {
    uint32_t w[4];
    philox(r, w);
    r->counter++;
    return w[0];
}

static uint64_t next_u64(rng *r) {
    uint32_t w[4];
    philox(r, w);
    r->counter++;
    return (uint64_t)w[0] << 32 | w[1];
}

double rng_unit(rng *r) { return (double)(next_u64(r) >> 11) * 0x1p-53; }

/* Box and Muller's cosine half. 1 - u is in (0, 1], so the logarithm is finite. */
float rng_normal(rng *r) {
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2.0 * log(1.0 - rng_unit(r)));
    return (float)(radius * cos(two_pi * rng_unit(r)));
}

/* The first 2^64 mod n values are thrown away, so that every rest is equally likely. */
uint64_t rng_below(rng *r, uint64_t n) {
    LMM_ASSERT(n >= 1, "rng_below(0)");
    uint64_t skip = -n % n, x;
    do { x = next_u64(r); } while (x < skip);
    return x % n;
}

void rng_shuffle(rng *r, int *a, int n) {
    for (int i = n - 1; i > 0; i--) {
        int j = (int)rng_below(r, (uint64_t)i + 1), held = a[i];
        a[i] = a[j];
        a[j] = held;
    }
}
