/* test_elementwise.c - activations, softmax, reductions and formats: near the truth, the same at any place in a vector, the same in both
 * vector tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"

enum { COUNT = 20011, EDGE = 70 }; /* points on a line; lengths tried for ragged ends */

static const kernels *TABLES[3];
static int table_count;

typedef void (*unary)(float *, const float *, int64_t);
typedef void (*unary_grad)(float *, const float *, const float *, int64_t);

static float *line(float low, float high) {
    float *x = malloc(COUNT * sizeof *x);
    assert_non_null(x);
    for (int i = 0; i < COUNT; i++) x[i] = low + (high - low) * (float)i / (COUNT - 1);
    return x;
}

static float noise(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)(int32_t)*state * 0x1p-29f; /* [-4, 4) */
}

static void fill(float *x, int n, uint32_t seed) {
    for (int i = 0; i < n; i++) x[i] = noise(&seed);
}

/* Bits agree, any NaN being like any other. */
static bool same(float a, float b) { return !memcmp(&a, &b, sizeof a) || (a != a && b != b); }

/* ---- exp ---- */

static void exp_is_within_two_ulp(void **unused) {
    (void)unused;
    float *x = line(-87.3f, 88.7f), *y = malloc(COUNT * sizeof *y);
    for (int t = 0; t < table_count; t++) {
        TABLES[t]->exp(y, x, COUNT);
        for (int i = 0; i < COUNT; i++) {
            float want = (float)exp((double)x[i]), ulp = nextafterf(want, INFINITY) - want;
            if (fabs((double)y[i] - exp((double)x[i])) > 2.0 * (double)ulp)
                fail_msg("%s: exp(%.9g) is %.9g", TABLES[t]->name, (double)x[i], (double)y[i]);
        }
    }
    free(x);
    free(y);
}

static void exp_of_special_values(void **unused) {
    (void)unused;
    static const float X[] = {-INFINITY, -1e30f, -104.0f, 0.0f, -0.0f, 88.8f, 1e30f, INFINITY},
                       WANT[] = {0, 0, 0, 1, 1, INFINITY, INFINITY, INFINITY};
    for (int t = 0; t < table_count; t++) {
        float y[COUNT_OF(X)], nan = NAN, small = -100.0f;
        TABLES[t]->exp(y, X, COUNT_OF(X));
        for (size_t i = 0; i < COUNT_OF(X); i++) assert_true(y[i] == WANT[i] && !signbit(y[i]));
        TABLES[t]->exp(y, &nan, 1);
        assert_true(y[0] != y[0]);
        TABLES[t]->exp(y, &small, 1); /* below the normal numbers, in steps of 2^-149 */
        assert_true(fabs((double)y[0] - exp(-100.0)) <= 0x1p-149);
    }
}

/* ---- activations ---- */

/* The vector formulas lose a few units of the last place relative to the size of what they add up. Measured: silu and swiglu 3e-7 relative,
 * gelu 2e-7 (erf) absolute below |x| = 1 and relative above, slopes 6e-7. */
static void check_curve(const char *name, const float *got, const float *want, const float *x, float relative) {
    for (int i = 0; i < COUNT; i++)
        if (fabsf(got[i] - want[i]) > relative * fmaxf(1.0f, fabsf(want[i])))
            fail_msg("%s(%.9g) is %.9g, not %.9g", name, (double)x[i], (double)got[i], (double)want[i]);
}

static void activations_follow_double_precision(void **unused) {
    (void)unused;
    float *x = line(-30.0f, 30.0f), *y = malloc(COUNT * sizeof *y), *want = malloc(COUNT * sizeof *y);
    const kernels *g = &kernels_generic;
    for (int t = 0; t < table_count; t++) {
        const kernels *k = TABLES[t];
        const struct {
            const char *name;
            unary f, oracle;
        } row[] = {{"silu", k->silu, g->silu},
                   {"gelu_erf", k->gelu_erf, g->gelu_erf},
                   {"gelu_tanh", k->gelu_tanh, g->gelu_tanh},
                   {"gelu_quick", k->gelu_quick, g->gelu_quick}};
        for (size_t i = 0; i < COUNT_OF(row); i++) {
            row[i].f(y, x, COUNT);
            row[i].oracle(want, x, COUNT);
            check_curve(row[i].name, y, want, x, 5e-7f);
        }
    }
    free(x);
    free(y);
    free(want);
}

static void slopes_are_added_and_follow_double_precision(void **unused) {
    (void)unused;
    float *x = line(-30.0f, 30.0f), *dy = line(-1.0f, 1.0f), *dx = malloc(COUNT * sizeof *dx), *want = malloc(COUNT * sizeof *dx);
    const kernels *g = &kernels_generic;
    for (int t = 0; t < table_count; t++) {
        const kernels *k = TABLES[t];
        const struct {
            const char *name;
            unary_grad f, oracle;
        } row[] = {{"gelu_erf_grad", k->gelu_erf_grad, g->gelu_erf_grad},
                   {"gelu_tanh_grad", k->gelu_tanh_grad, g->gelu_tanh_grad},
                   {"gelu_quick_grad", k->gelu_quick_grad, g->gelu_quick_grad}};
        for (size_t i = 0; i < COUNT_OF(row); i++) {
            for (int j = 0; j < COUNT; j++) dx[j] = want[j] = 0.5f;
            row[i].f(dx, dy, x, COUNT);
            row[i].oracle(want, dy, x, COUNT);
            check_curve(row[i].name, dx, want, x, 1e-6f);
        }
    }
    free(x);
    free(dy);
    free(dx);
    free(want);
}

static void swiglu_and_its_gradient_follow_double_precision(void **unused) {
    (void)unused;
    float *gate = line(-30.0f, 30.0f), *up = line(2.0f, -2.0f), *dy = line(-1.0f, 1.0f);
    float *out = malloc(4 * COUNT * sizeof *out), *want = out + COUNT, *du = want + COUNT, *want_du = du + COUNT;
    for (int t = 0; t < table_count; t++) {
        TABLES[t]->swiglu(out, gate, up, COUNT);
        kernels_generic.swiglu(want, gate, up, COUNT);
        check_curve("swiglu", out, want, gate, 5e-7f);
        for (int i = 0; i < 4 * COUNT; i++) out[i] = 0.25f;
        TABLES[t]->swiglu_grad(out, du, dy, gate, up, COUNT);
        kernels_generic.swiglu_grad(want, want_du, dy, gate, up, COUNT);
        check_curve("swiglu_grad gate", out, want, gate, 1e-6f);
        check_curve("swiglu_grad up", du, want_du, gate, 1e-6f);
    }
    free(gate);
    free(up);
    free(dy);
    free(out);
}

/* The requirement of kernels.h, against double: absolute error of the activation itself. */
static void gelu_erf_is_within_1e_6_of_double(void **unused) {
    (void)unused;
    float *x = line(-8.0f, 8.0f), *y = malloc(COUNT * sizeof *y);
    for (int t = 0; t < table_count; t++) {
        TABLES[t]->gelu_erf(y, x, COUNT);
        for (int i = 0; i < COUNT; i++) {
            double want = (double)x[i] * 0.5 * erfc(-(double)x[i] * 0.70710678118654752);
            assert_true(fabs((double)y[i] - want) <= 1e-6);
            /* the far left keeps its relative precision: no 1 + erf(x) that cancels */
            if (x[i] < -1.0f) assert_true(fabs((double)y[i] - want) <= 1e-5 * fabs(want));
        }
    }
    free(x);
    free(y);
}

/* ---- place does not matter ---- */

/* Calls one kernel through one shape: y (two outputs) from three inputs. */
enum {
    F_EXP,
    F_SILU,
    F_GELU_ERF,
    F_GELU_TANH,
    F_GELU_QUICK,
    F_SWIGLU,
    F_SWIGLU_GRAD,
    F_ERF_GRAD,
    F_TANH_GRAD,
    F_QUICK_GRAD,
    F_AXPY,
    F_ADD,
    F_MUL,
    F_SCALE,
    F_COUNT
};

static void call(const kernels *k, int f, float *y, float *z, const float *a, const float *b, const float *c, int64_t n) {
    switch (f) {
    case F_EXP: k->exp(y, a, n); break;
    case F_SILU: k->silu(y, a, n); break;
    case F_GELU_ERF: k->gelu_erf(y, a, n); break;
    case F_GELU_TANH: k->gelu_tanh(y, a, n); break;
    case F_GELU_QUICK: k->gelu_quick(y, a, n); break;
    case F_SWIGLU: k->swiglu(y, a, b, n); break;
    case F_SWIGLU_GRAD: k->swiglu_grad(y, z, c, a, b, n); break;
    case F_ERF_GRAD: k->gelu_erf_grad(y, b, a, n); break;
    case F_TANH_GRAD: k->gelu_tanh_grad(y, b, a, n); break;
    case F_QUICK_GRAD: k->gelu_quick_grad(y, b, a, n); break;
    case F_AXPY: k->axpy(y, 0.3f, a, n); break;
    case F_ADD: k->add(y, a, b, n); break;
    case F_MUL: k->mul(y, a, b, n); break;
    default: k->scale(y, 0.3f, a, n); break;
    }
}

static void a_value_depends_on_its_argument_alone(void **unused) {
    (void)unused;
    float a[EDGE], b[EDGE], c[EDGE], start[2][EDGE], whole[2][EDGE], part[2][EDGE];
    fill(a, EDGE, 1), fill(b, EDGE, 2), fill(c, EDGE, 3), fill(start[0], 2 * EDGE, 4);
    for (int t = 0; t < table_count; t++)
        for (int f = 0; f < F_COUNT; f++) {
            memcpy(whole, start, sizeof start);
            call(TABLES[t], f, whole[0], whole[1], a, b, c, EDGE);
            for (int first = 0; first < EDGE; first += 7)
                for (int n = 0; first + n <= EDGE; n++) {
                    memcpy(part, start, sizeof start);
                    call(TABLES[t], f, part[0] + first, part[1] + first, a + first, b + first, c + first, n);
                    for (int i = 0; i < EDGE; i++)
                        for (int o = 0; o < 2; o++) assert_true(same(part[o][i], i >= first && i < first + n ? whole[o][i] : start[o][i]));
                }
        }
}

static void both_vector_tables_give_the_same_bits(void **unused) {
    (void)unused;
    const kernels *a = kernels_pick("avx2"), *b = kernels_pick("avx512");
    if (!a || !b) skip();
    float *x = line(-110.0f, 110.0f), *y = malloc(3 * COUNT * sizeof *y), *z = y + COUNT, *w = z + COUNT;
    for (int f = 0; f < F_COUNT; f++) {
        memset(y, 0, 3 * COUNT * sizeof *y);
        call(a, f, y, w, x, x, x, COUNT);
        call(b, f, z, w, x, x, x, COUNT);
        for (int i = 0; i < COUNT; i++) assert_true(same(y[i], z[i]));
    }
    for (int n = 0; n < 300; n++) {
        fill(y, n, 7), fill(z, n, 7);
        float sa = a->sum(x, n), sb = b->sum(x, n), da = a->dot(x, y, n), db = b->dot(x, y, n), la = a->softmax(y, n, 0.7f),
              lb = b->softmax(z, n, 0.7f);
        assert_true(same(sa, sb) && same(da, db) && same(la, lb) && same(a->max(x, n), b->max(x, n)) &&
                    !memcmp(y, z, (size_t)n * sizeof *y));
    }
    free(x);
    free(y);
}

/* ---- reductions ---- */

/* sum and dot have one order in every table; fmaf and the vector fma round alike. */
static void sums_have_one_order_in_every_table(void **unused) {
    (void)unused;
    float a[400], b[400];
    fill(a, 400, 5), fill(b, 400, 6);
    for (int t = 0; t < table_count; t++)
        for (int n = 0; n <= 400; n++) {
            assert_true(same(TABLES[t]->sum(a, n), kernels_generic.sum(a, n)));
            assert_true(same(TABLES[t]->dot(a, b, n), kernels_generic.dot(a, b, n)));
            assert_true(same(TABLES[t]->max(a, n), kernels_generic.max(a, n)));
        }
}

static void max_passes_over_nan_and_is_minus_infinity_when_empty(void **unused) {
    (void)unused;
    for (int t = 0; t < table_count; t++) {
        float x[40];
        for (int i = 0; i < 40; i++) x[i] = i % 3 ? -5.0f - (float)i : NAN;
        assert_true(TABLES[t]->max(x, 40) == -6.0f);
        assert_true(TABLES[t]->max(x, 0) == -INFINITY);
        assert_true(TABLES[t]->max(x, 1) == -INFINITY);
    }
}

/* ---- softmax ---- */

static void softmax_follows_double_precision(void **unused) {
    (void)unused;
    float x[333], y[333];
    for (int t = 0; t < table_count; t++)
        for (int n = 1; n <= 333; n += 1 + n / 5) {
            fill(x, n, (uint32_t)n);
            memcpy(y, x, sizeof x);
            float lse = TABLES[t]->softmax(y, n, 1.7f);
            double sum = 0.0;
            for (int i = 0; i < n; i++) sum += exp(1.7 * (double)x[i]);
            /* scaled scores below 7 are rounded to 4e-7 before exp; the sum adds n / 32 + 5 roundings */
            for (int i = 0; i < n; i++) assert_true(fabs((double)y[i] - exp(1.7 * (double)x[i]) / sum) <= 3e-6 * (double)y[i]);
            assert_true(fabs((double)lse - log(sum)) <= 3e-6);
        }
}

static void softmax_ignores_appended_minus_infinity(void **unused) {
    (void)unused;
    float x[200], y[200];
    for (int t = 0; t < table_count; t++)
        for (int n = 1; n <= 100; n++)
            for (int more = 1; more <= 100; more += 33) {
                fill(x, n, (uint32_t)n);
                memcpy(y, x, sizeof x);
                for (int i = n; i < n + more; i++) y[i] = -INFINITY;
                float a = TABLES[t]->softmax(x, n, 0.5f), b = TABLES[t]->softmax(y, n + more, 0.5f);
                assert_true(same(a, b) && !memcmp(x, y, (size_t)n * sizeof *x));
                for (int i = n; i < n + more; i++) assert_true(y[i] == 0.0f);
            }
}

static void softmax_of_special_rows(void **unused) {
    (void)unused;
    for (int t = 0; t < table_count; t++) {
        const kernels *k = TABLES[t];
        float masked[37], large[37], bad[37];
        for (int i = 0; i < 37; i++) masked[i] = -INFINITY, large[i] = 3e38f, bad[i] = i == 30 ? NAN : 1.0f;
        assert_true(k->softmax(masked, 37, 1.0f) == -INFINITY);
        assert_true(k->softmax(large, 37, 1.0f) == 3e38f);
        assert_true(isnan(k->softmax(bad, 37, 1.0f)));
        for (int i = 0; i < 37; i++) assert_true(masked[i] == 0.0f && fabsf(large[i] * 37.0f - 1.0f) < 1e-6f && isnan(bad[i]));
        for (int i = 0; i < 37; i++) bad[i] = NAN;
        assert_true(isnan(k->softmax(bad, 37, 1.0f)) && isnan(bad[36]));
        assert_true(k->softmax(bad, 0, 1.0f) == -INFINITY);
    }
}

/* ---- formats ---- */

static void every_16_bit_value_reads_alike_and_comes_back(void **unused) {
    (void)unused;
    enum { ALL = 65536 };
    uint16_t *h = malloc(2 * ALL * sizeof *h), *back = h + ALL;
    float *want = malloc(2 * ALL * sizeof *want), *got = want + ALL;
    for (int i = 0; i < ALL; i++) h[i] = (uint16_t)i;
    for (kernel_type type = KT_F16; type <= KT_BF16; type++) {
        kernels_generic.to_f32(want, h, type, ALL);
        for (int t = 0; t < table_count; t++) {
            TABLES[t]->to_f32(got, h, type, ALL);
            assert_memory_equal(got, want, ALL * sizeof *got);
            TABLES[t]->from_f32(back, got, type, ALL);
            for (int i = 0; i < ALL; i++) /* a signalling NaN comes back quiet */
                if (back[i] != h[i]) assert_true(want[i] != want[i] && back[i] == (h[i] | (type == KT_F16 ? 0x200 : 0x40)));
        }
    }
    free(h);
    free(want);
}

/* Halfway points and their neighbours in f32 around every 16-bit value, where rounding decides. */
static void narrowing_rounds_to_even_in_every_table(void **unused) {
    (void)unused;
    enum { ALL = 65536 };
    uint16_t *want = malloc(2 * ALL * sizeof *want), *got = want + ALL;
    float *x = malloc(ALL * sizeof *x);
    for (kernel_type type = KT_F16; type <= KT_BF16; type++)
        for (int step = -1; step <= 1; step++) {
            for (int i = 0; i < ALL; i++) {
                uint32_t bits = type == KT_BF16 ? (uint32_t)i << 16 | 0x8000
                                                : (uint32_t)(i & 0x8000) << 16 | (0x32000000 + (uint32_t)(i & 0x7fff) * 0x2000 + 0x1000);
                bits += (uint32_t)step;
                memcpy(x + i, &bits, sizeof bits);
            }
            kernels_generic.from_f32(want, x, type, ALL);
            for (int t = 0; t < table_count; t++) {
                TABLES[t]->from_f32(got, x, type, ALL);
                assert_memory_equal(got, want, ALL * sizeof *got);
            }
        }
    free(want);
    free(x);
}

static void narrowing_known_values(void **unused) {
    (void)unused;
    static const float X[] = {1.0f,     -2.0f,      65504.0f,        65519.0f,        65520.0f, 0x1p-24f,
                              0x1p-25f, 0x1.8p-25f, 1.0f + 0x1p-11f, 1.0f + 0x3p-11f, INFINITY};
    static const uint16_t F16[] = {0x3c00, 0xc000, 0x7bff, 0x7bff, 0x7c00, 1, 0, 1, 0x3c00, 0x3c02, 0x7c00};
    static const uint16_t BF16[] = {0x3f80, 0xc000, 0x4780, 0x4780, 0x4780, 0x3380, 0x3300, 0x3340, 0x3f80, 0x3f80, 0x7f80};
    for (int t = 0; t < table_count; t++) {
        uint16_t y[COUNT_OF(X)];
        TABLES[t]->from_f32(y, X, KT_F16, COUNT_OF(X));
        assert_memory_equal(y, F16, sizeof y);
        TABLES[t]->from_f32(y, X, KT_BF16, COUNT_OF(X));
        assert_memory_equal(y, BF16, sizeof y);
    }
}

static void formats_touch_only_their_own(void **unused) {
    (void)unused;
    for (int t = 0; t < table_count; t++)
        for (kernel_type type = KT_F32; type < KT_FLOAT_COUNT; type++)
            for (int n = 0; n <= 40; n++) {
                float x[41], y[41];
                unsigned char h[41 * sizeof(float)];
                size_t size = kernel_type_bytes(type, 1);
                fill(x, 41, 9);
                memset(h, 0x5a, sizeof h), memset(y, 0x5a, sizeof y);
                TABLES[t]->from_f32(h, x, type, n);
                TABLES[t]->to_f32(y, h, type, n);
                for (size_t i = (size_t)n * size; i < 41 * size; i++) assert_int_equal(h[i], 0x5a);
                for (int i = 0; i < n; i++) assert_true(fabsf(y[i] - x[i]) <= fabsf(x[i]) * 0x1p-8f);
                for (int i = n; i < 41; i++) assert_false(memcmp(y + i, "ZZZZ", sizeof *y));
            }
}

/* ---- the choice ---- */

static void tables_are_picked_by_name(void **unused) {
    (void)unused;
    assert_ptr_equal(kernels_pick("generic"), &kernels_generic);
    assert_null(kernels_pick("avx3"));
    assert_null(kernels_pick(""));
    const kernels *best = kernels_pick(NULL);
    assert_ptr_equal(kernels_pick(best->name), best);
}

int main(void) {
    static const char *const NAMES[] = {"generic", "avx2", "avx512"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        const kernels *k = kernels_pick(NAMES[i]);
        if (k) TABLES[table_count++] = k;
        else printf("skipped: this processor cannot run '%s'\n", NAMES[i]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_ulp),
        cmocka_unit_test(exp_of_special_values),
        cmocka_unit_test(activations_follow_double_precision),
        cmocka_unit_test(slopes_are_added_and_follow_double_precision),
        cmocka_unit_test(swiglu_and_its_gradient_follow_double_precision),
        cmocka_unit_test(gelu_erf_is_within_1e_6_of_double),
        cmocka_unit_test(a_value_depends_on_its_argument_alone),
        cmocka_unit_test(both_vector_tables_give_the_same_bits),
        cmocka_unit_test(sums_have_one_order_in_every_table),
        cmocka_unit_test(max_passes_over_nan_and_is_minus_infinity_when_empty),
        cmocka_unit_test(softmax_follows_double_precision),
        cmocka_unit_test(softmax_ignores_appended_minus_infinity),
        cmocka_unit_test(softmax_of_special_rows),
        cmocka_unit_test(every_16_bit_value_reads_alike_and_comes_back),
        cmocka_unit_test(narrowing_rounds_to_even_in_every_table),
        cmocka_unit_test(narrowing_known_values),
        cmocka_unit_test(formats_touch_only_their_own),
        cmocka_unit_test(tables_are_picked_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
