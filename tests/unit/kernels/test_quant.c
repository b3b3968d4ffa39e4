/* test_quant.c - block formats: known blocks, and products equal to those of the same weights in f32, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/blocks.h"
#include "kernels/kernels.h"

static uint32_t state = 1;
static uint32_t next(void) { return (state = state * 1664525u + 1013904223u) >> 8; }

static const kernels *TABLES[3];
static int table_count;

enum { ONE = 0x3c00, HALF = 0x3800, TWO = 0x4000 }; /* f16 */

static void expect(kernel_type t, const void *block, const float *want) {
    float have[SUPER_VALUES];
    int n = kernel_type_block(t);
    for (int i = 0; i < table_count; i++) {
        TABLES[i]->to_f32(have, block, t, n);
        for (int v = 0; v < n; v++)
            if (have[v] != want[v])
                fail_msg("%s, type %d: value %d is %g, not %g", TABLES[i]->name, (int)t, v, (double)have[v], (double)want[v]);
    }
}

static void blocks_of_32_hold_low_nibbles_then_high_ones(void **unused) {
    (void)unused;
    block_q4_0 a = {.d = HALF};
    block_q4_1 b = {.d = TWO, .m = ONE};
    block_q5_0 c = {.d = ONE, .high = {0x01, 0, 0, 0x80}};
    block_q5_1 e = {.d = ONE, .m = HALF, .high = {0x01, 0, 0, 0x80}};
    block_q8_0 f = {.d = HALF};
    float wa[32], wb[32], wc[32], we[32], wf[32];
    for (int i = 0; i < 16; i++) {
        a.q[i] = b.q[i] = c.q[i] = e.q[i] = (uint8_t)(i | (15 - i) << 4);
        for (int h = 0; h < 2; h++) {
            int q = h ? 15 - i : i, fifth = (i == 0 && !h) || (i == 15 && h) ? 16 : 0, at = i + 16 * h;
            wa[at] = (float)(q - 8) * 0.5f, wb[at] = (float)q * 2 + 1, wc[at] = (float)(q + fifth - 16), we[at] = (float)(q + fifth) + 0.5f;
        }
    }
    for (int i = 0; i < 32; i++) f.q[i] = (int8_t)(i * 8 - 128), wf[i] = (float)(i * 8 - 128) * 0.5f;
    expect(KT_Q4_0, &a, wa);
    expect(KT_Q4_1, &b, wb);
    expect(KT_Q5_0, &c, wc);
    expect(KT_Q5_1, &e, we);
    expect(KT_Q8_0, &f, wf);
}

/* Scales and minima of 6 bits, packed as the format says: the writer's side of q4_K and q5_K. */
static void pack_scales(uint8_t out[12], const int scale[8], const int min[8]) {
    memset(out, 0, 12);
    for (int i = 0; i < 4; i++) {
        out[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
        out[i + 4] = (uint8_t)(min[i] | min[i + 4] >> 4 << 6);
        out[i + 8] = (uint8_t)((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

static void sub_blocks_of_q4_K_and_q5_K_have_their_scale_and_minimum(void **unused) {
    (void)unused;
    int scale[8], min[8];
    block_q4_K a = {.d = HALF, .dmin = ONE};
    block_q5_K b = {.d = HALF, .dmin = ONE};
    float wa[256], wb[256];
    for (int i = 0; i < 8; i++) scale[i] = (int)(next() % 64), min[i] = (int)(next() % 64);
    pack_scales(a.scales, scale, min);
    pack_scales(b.scales, scale, min);
    for (int v = 0; v < 256; v++) {
        int s = v / 32, q = (int)(next() % 32), at = v / 64 * 32 + v % 32, shift = s % 2 * 4;
        a.q[at] = (uint8_t)(a.q[at] | (q & 15) << shift);
        b.q[at] = (uint8_t)(b.q[at] | (q & 15) << shift);
        b.high[v % 32] = (uint8_t)(b.high[v % 32] | q >> 4 << s);
        wa[v] = 0.5f * (float)scale[s] * (float)(q & 15) - (float)min[s];
        wb[v] = 0.5f * (float)scale[s] * (float)q - (float)min[s];
    }
    expect(KT_Q4_K, &a, wa);
    expect(KT_Q5_K, &b, wb);
}

static void q2_K_q3_K_and_q6_K_unpack_as_they_were_packed(void **unused) {
    (void)unused;
    block_q2_K a = {.d = HALF, .dmin = ONE};
    block_q3_K b = {.d = HALF};
    block_q6_K c = {.d = HALF};
    float wa[256], wb[256], wc[256];
    for (int s = 0; s < 16; s++) {
        int scale = (int)(next() % 64), min = (int)(next() % 16);
        a.scales[s] = (uint8_t)((scale & 15) | min << 4);
        c.scales[s] = (int8_t)(scale - 32);
        if (s < 8) b.scales[s] = (uint8_t)(scale & 15);
        else b.scales[s - 8] = (uint8_t)(b.scales[s - 8] | (scale & 15) << 4);
        b.scales[8 + s % 4] = (uint8_t)(b.scales[8 + s % 4] | scale >> 4 << s / 4 * 2);
        for (int i = 0; i < 16; i++) {
            int v = s * 16 + i, q = (int)(next() % 64), at = v / 128 * 32 + v % 32, quarter = v % 128 / 32;
            a.q[at] = (uint8_t)(a.q[at] | (q & 3) << quarter * 2);
            b.q[at] = (uint8_t)(b.q[at] | (q & 3) << quarter * 2);
            b.high[v % 32] = (uint8_t)(b.high[v % 32] | (q >> 2 & 1) << v / 32);
            c.q[v / 128 * 64 + v % 64] = (uint8_t)(c.q[v / 128 * 64 + v % 64] | (q & 15) << (quarter / 2 * 4));
            c.high[at] = (uint8_t)(c.high[at] | q >> 4 << quarter * 2);
            wa[v] = 0.5f * (float)(scale & 15) * (float)(q & 3) - (float)min;
            wb[v] = 0.5f * (float)(scale - 32) * (float)((q & 7) - 4);
            wc[v] = 0.5f * (float)(scale - 32) * (float)(q - 32);
        }
    }
    expect(KT_Q2_K, &a, wa);
    expect(KT_Q3_K, &b, wb);
    expect(KT_Q6_K, &c, wc);
}

/* ---- products ---- */

static float next_float(void) { return (float)(int)(next() % 2001 - 1000) * 1e-3f; }

/* Random blocks whose scales are small numbers: every f16 has exponent bits 0x30 to 0x33. */
static void *random_blocks(kernel_type t, int64_t n) {
    size_t size = kernel_type_bytes(t, n);
    unsigned char *b = malloc(size);
    assert_non_null(b);
    for (size_t i = 0; i < size; i++) b[i] = (unsigned char)next();
    static const int at[KT_COUNT][2] =
        {[KT_Q4_0] = {0, 0},   [KT_Q4_1] = {0, 2},     [KT_Q5_0] = {0, 0}, [KT_Q5_1] = {0, 2}, [KT_Q8_0] = {0, 0},
         [KT_Q2_K] = {80, 82}, [KT_Q3_K] = {108, 108}, [KT_Q4_K] = {0, 2}, [KT_Q5_K] = {0, 2}, [KT_Q6_K] = {208, 208}};
    size_t block = kernel_type_bytes(t, kernel_type_block(t));
    for (size_t i = 0; i < size; i += block)
        for (int s = 0; s < 2; s++) b[i + (size_t)at[t][s] + 1] = (unsigned char)(0x30 | (b[i + (size_t)at[t][s] + 1] & 0x83));
    return b;
}

static void compare(const kernels *k, pool *p, kernel_type t, int m, int out, int in) {
    void *w = random_blocks(t, (int64_t)out * in);
    float *wide = malloc((size_t)out * (size_t)in * sizeof *wide), *x = malloc((size_t)m * (size_t)in * sizeof *x),
          *dy = malloc((size_t)m * (size_t)out * sizeof *dy);
    float *y[2], *dx[2];
    k->to_f32(wide, w, t, (int64_t)out * in);
    for (int i = 0; i < m * in; i++) x[i] = next_float();
    for (int i = 0; i < m * out; i++) dy[i] = next_float();
    for (int i = 0; i < 2; i++) {
        y[i] = calloc((size_t)m * (size_t)out, sizeof(float)), dx[i] = calloc((size_t)m * (size_t)in, sizeof(float));
        const void *weights = i ? wide : w;
        kernel_type type = i ? KT_F32 : t;
        gemm_nt(k, i ? NULL : p, y[i], out, x, in, weights, in, type, m, out, in, false);
        gemm_nt(k, i ? NULL : p, y[i], out, x, in, weights, in, type, m, out, in, true);
        gemm_nn(k, i ? NULL : p, dx[i], in, dy, out, weights, in, type, m, in, out);
    }
    if (memcmp(y[0], y[1], (size_t)m * (size_t)out * sizeof(float))) fail_msg("%s nt, type %d, (%d, %d, %d)", k->name, (int)t, m, out, in);
    if (memcmp(dx[0], dx[1], (size_t)m * (size_t)in * sizeof(float))) fail_msg("%s nn, type %d, (%d, %d, %d)", k->name, (int)t, m, out, in);
    for (int i = 0; i < 2; i++) free(y[i]), free(dx[i]);
    free(w);
    free(wide);
    free(x);
    free(dy);
}

static void products_have_the_bits_of_f32_weights(void **unused) {
    (void)unused;
    pool *team = pool_new(3);
    for (int i = 0; i < table_count; i++)
        for (int t = KT_FLOAT_COUNT; t < KT_COUNT; t++) {
            bool scalar = TABLES[i] == &kernels_generic;
            int in = kernel_type_block((kernel_type)t) == BLOCK_VALUES ? 544 : 768; /* 544: not whole blocks of k */
            compare(TABLES[i], team, (kernel_type)t, 1, scalar ? 9 : 300, in);
            compare(TABLES[i], team, (kernel_type)t, scalar ? 2 : 4, scalar ? 5 : 37, in);
            compare(TABLES[i], team, (kernel_type)t, scalar ? 5 : 33, scalar ? 17 : 290, in);
        }
    pool_free(team);
}

int main(void) {
    static const char *const names[] = {"generic", "avx2", "avx512"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (kernels_pick(names[i])) TABLES[table_count++] = kernels_pick(names[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_32_hold_low_nibbles_then_high_ones),
        cmocka_unit_test(sub_blocks_of_q4_K_and_q5_K_have_their_scale_and_minimum),
        cmocka_unit_test(q2_K_q3_K_and_q6_K_unpack_as_they_were_packed),
        cmocka_unit_test(products_have_the_bits_of_f32_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
