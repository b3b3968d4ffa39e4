/* test_quant.c - block formats: known blocks, and products equal to those of the same weights in f32, bit for bit. */
#include <math.h>
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
        gemm(k, i ? NULL : p, GEMM_NT, false, y[i], out, x, in, weights, in, type, m, out, in, false);
        gemm(k, i ? NULL : p, GEMM_NT, false, y[i], out, x, in, weights, in, type, m, out, in, true);
        gemm(k, i ? NULL : p, GEMM_NN, false, dx[i], in, dy, out, weights, in, type, m, in, out, true);
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

/* ---- integer products ---- */

typedef struct {
    int m, n, k, digits;
    kernel_type t;
    float *x;
    void *w, *memory;
    q8_rows rows;
} int8_case;

static int8_case int8_new(kernel_type t, int digits, int m, int n, int k) {
    int8_case c = {.m = m, .n = n, .k = k, .digits = digits, .t = t};
    c.x = malloc((size_t)(m * k) * sizeof(float)), c.w = random_blocks(t, (int64_t)n * k), c.memory = malloc(q8_rows_size(t, digits, m, k));
    for (int i = 0; i < m * k; i++) c.x[i] = next_float() * (i % 100 == 0 ? 20 : 1);
    c.rows = q8_rows_at(c.memory, t, digits, m, k);
    for (int i = 0; i < m; i++) kernels_generic.q8_row(&c.rows, i, c.x + i * k);
    return c;
}

static void int8_free(int8_case *c) {
    free(c->x);
    free(c->w);
    free(c->memory);
}

static double activation(const int8_case *c, int64_t i) {
    double x = 0;
    for (int d = 0; d < c->digits; d++) x += (double)c->rows.digit[d].q[i] * (double)c->rows.digit[d].d[i / 32];
    return x;
}

static void activations_are_at_most_half_a_step_off(void **unused) {
    (void)unused;
    for (int digits = 1; digits <= 2; digits++) {
        int8_case c = int8_new(KT_Q6_K, digits, 3, 1, 512);
        for (int i = 0; i < 3 * 512; i++) {
            double step = (double)c.rows.digit[digits - 1].d[i / 32], off = activation(&c, i) - (double)c.x[i];
            if (fabs(off) > 0.51 * step) fail_msg("%g is %g off, with steps of %g", (double)c.x[i], off, step);
        }
        for (int g = 0; g < 3 * 512 / 16; g++) {
            double sum = 0;
            int first = 0;
            for (int i = g * 16; i < g * 16 + 16; i++) sum += activation(&c, i), first -= c.rows.digit[0].q[i];
            assert_int_equal(c.rows.digit[0].minus_sum[g], first);
            assert_true(fabs((double)c.rows.sum[g] - sum) < 1e-5 * (fabs(sum) + 1));
        }
        int8_free(&c);
    }
}

static void odd_activations_are_zeros_or_spoil_their_row(void **unused) {
    (void)unused;
    int8_case c = int8_new(KT_Q8_0, 2, 3, 1, 64);
    const q8_digit *first = &c.rows.digit[0];
    for (int i = 0; i < 64; i++) c.x[i] = i < 32 ? 1e-39f : 1.0f;
    c.x[64 + 3] = NAN;
    c.x[128 + 40] = INFINITY;
    for (int i = 0; i < table_count; i++) {
        float y[3];
        for (int r = 0; r < 3; r++) TABLES[i]->q8_row(&c.rows, r, c.x + r * 64);
        assert_true(first->d[0] == 0.0f && first->q[0] == 0 && first->d[1] == 1.0f / 127.0f && first->q[32] == 127);
        TABLES[i]->q8_dots(y, 1, &c.rows, 0, 3, c.w, KT_Q8_0, 1);
        assert_true(y[0] == y[0] && y[1] != y[1] && y[2] != y[2]);
    }
    int8_free(&c);
}

/* The oracle: weights and activations widened, multiplied in double. A chain of k / 16 steps with two roundings each is 1e-4 at the very most. */
static void integer_products_are_those_of_the_rounded_activations(void **unused) {
    (void)unused;
    for (int t = KT_FLOAT_COUNT; t < KT_COUNT; t++) {
        int8_case c = int8_new((kernel_type)t, 2, 2, 19, 768);
        float *wide = malloc((size_t)(c.n * c.k) * sizeof *wide), y[2 * 19];
        kernels_generic.to_f32(wide, c.w, c.t, c.n * c.k);
        kernels_generic.q8_dots(y, 19, &c.rows, 0, 2, c.w, c.t, 19);
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 19; j++) {
                double want = 0, size = 0;
                for (int l = 0; l < c.k; l++) {
                    double p = activation(&c, i * c.k + l) * (double)wide[j * c.k + l];
                    want += p, size += fabs(p);
                }
                if (fabs((double)y[i * 19 + j] - want) > 1e-5 * size) fail_msg("type %d: %g, not %g", t, (double)y[i * 19 + j], want);
            }
        free(wide);
        int8_free(&c);
    }
}

/* Every value of the widest bytes: what overflows in 16 bits would show. */
static void fill_extremes(int8_case *c) {
    for (int i = 0; i < c->m * c->k; i++) c->x[i] = i / 7 % 3 ? 1.0f : -1.0f;
    for (int i = 0; i < c->m; i++) kernels_generic.q8_row(&c->rows, i, c->x + i * c->k);
    unsigned char *b = c->w;
    size_t block = kernel_type_bytes(c->t, kernel_type_block(c->t)), size = kernel_type_bytes(c->t, (int64_t)c->n * c->k);
    for (size_t i = 0; i < size; i++)
        if (i % block > 3 && i % block < block - 4) b[i] = i / block % 2 ? 0xff : c->t == KT_Q8_0 ? 0x80 : b[i];
}

static void integer_products_are_equal_in_every_table_and_tile(void **unused) {
    (void)unused;
    enum { M = 13, N = 37 };
    pool *team = pool_new(3);
    for (int t = KT_FLOAT_COUNT; t < KT_COUNT; t++)
        for (int extremes = 0; extremes < 2; extremes++) {
            int8_case c = int8_new((kernel_type)t, 2 - extremes, M, N, kernel_type_block((kernel_type)t) == BLOCK_VALUES ? 544 : 768);
            if (extremes) fill_extremes(&c);
            float want[M * N], have[M * N];
            void *scratch = malloc(q8_rows_size(c.t, c.digits, M, c.k));
            kernels_generic.q8_dots(want, N, &c.rows, 0, M, c.w, c.t, N);
            for (int i = 0; i < table_count; i++) {
                gemm_q8(TABLES[i], team, have, N, c.x, c.k, c.w, c.t, c.digits, M, N, c.k, scratch);
                if (memcmp(have, want, sizeof have)) fail_msg("%s, type %d: all rows together", TABLES[i]->name, t);
                for (int r = 0; r < M; r++) TABLES[i]->q8_dots(have + r * N, N, &c.rows, r, 1, c.w, c.t, N);
                if (memcmp(have, want, sizeof have)) fail_msg("%s, type %d: row by row", TABLES[i]->name, t);
            }
            free(scratch);
            int8_free(&c);
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
        cmocka_unit_test(activations_are_at_most_half_a_step_off),
        cmocka_unit_test(odd_activations_are_zeros_or_spoil_their_row),
        cmocka_unit_test(integer_products_are_those_of_the_rounded_activations),
        cmocka_unit_test(integer_products_are_equal_in_every_table_and_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
