/* test_encode.c - encoders of block types: values a block can hold come back, errors stay at what the number of bits allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/blocks.h"
#include "kernels/kernels.h"

/* steps: of the range [-1, 1] that the type cuts it to; slack: for scales stored in few bits. */
static const struct {
    kernel_type type;
    int levels;
    bool has_min;
    double steps, slack;
} types[] = {
    {KT_Q8_0, 255, false, 254, 1.02}, {KT_Q4_0, 16, false, 16, 1.05}, {KT_Q5_0, 32, false, 32, 1.05}, {KT_Q4_1, 16, true, 15, 1.02},
    {KT_Q5_1, 32, true, 31, 1.02},    {KT_Q4_K, 16, true, 15, 1.15},  {KT_Q5_K, 32, true, 31, 1.15},  {KT_Q6_K, 64, false, 64, 1.15},
};

static float unit(rng *r) { return (float)(2 * rng_unit(r) - 1); }

static double decode_error(kernel_type t, const float *x, int n, double *most) {
    float y[2 * SUPER_VALUES];
    char bytes[2 * SUPER_VALUES * 4];
    double sum = 0;
    kernel_encode(bytes, x, t, n);
    kernels_generic.to_f32(y, bytes, t, n);
    *most = 0;
    for (int i = 0; i < n; i++) {
        double e = fabs((double)y[i] - (double)x[i]);
        sum += e * e;
        *most = fmax(*most, e);
    }
    return sum / n;
}

/* A uniform variable rounded to steps of s has an error of s / sqrt(12). */
static void errors_are_those_of_rounding_to_the_bits_there_are(void **unused) {
    (void)unused;
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        rng r = rng_make(7, k);
        double sum = 0, worst = 0;
        for (int b = 0; b < 64; b++) {
            float x[SUPER_VALUES];
            double most;
            for (int i = 0; i < SUPER_VALUES; i++) x[i] = unit(&r);
            sum += decode_error(types[k].type, x, SUPER_VALUES, &most);
            worst = fmax(worst, most);
        }
        double step = 2 / types[k].steps, rms = sqrt(sum / 64), limit = types[k].slack * step / sqrt(12);
        if (rms > limit || worst > 1.5 * step)
            fail_msg("type %d: rms error %g (limit %g), largest %g (step %g)", (int)types[k].type, rms, limit, worst, step);
    }
}

static void values_a_block_can_hold_come_back(void **unused) {
    (void)unused;
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        float x[SUPER_VALUES];
        int n = types[k].levels;
        for (int i = 0; i < SUPER_VALUES; i++) {
            int level = i * 7 % n; /* 7 and powers of two share no factor: every level comes, in every sub-block of a type with few */
            x[i] = types[k].has_min ? 0.25f * (float)level - 1.0f : 0.25f * (float)(level - n / 2);
        }
        x[0] = types[k].has_min ? -1.0f : 0.25f * (float)-(n / 2);
        for (int b = 0; b < SUPER_VALUES / 16; b++) x[b * 16] = x[0]; /* each sub-block has the farthest value */
        double most, limit = types[k].type == KT_Q4_K || types[k].type == KT_Q5_K ? 0.05 : 1e-3;
        decode_error(types[k].type, x, SUPER_VALUES, &most);
        if (most > limit) fail_msg("type %d: a value it can hold is off by %g", (int)types[k].type, most);
    }
}

static void zeros_and_constants_stay(void **unused) {
    (void)unused;
    static const float value[] = {0, 1, -1, 0.05f, 1000};
    for (size_t k = 0; k < COUNT_OF(types); k++)
        for (size_t v = 0; v < COUNT_OF(value); v++) {
            float x[SUPER_VALUES];
            double most;
            for (int i = 0; i < SUPER_VALUES; i++) x[i] = value[v];
            decode_error(types[k].type, x, SUPER_VALUES, &most);
            if (most > 0.01 * fabs((double)value[v])) fail_msg("type %d: %g is off by %g", (int)types[k].type, (double)value[v], most);
        }
}

static void bytes_depend_on_the_block_alone(void **unused) {
    (void)unused;
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        float x[2 * SUPER_VALUES];
        char together[2 * SUPER_VALUES * 4], apart[2 * SUPER_VALUES * 4];
        rng r = rng_make(3, k);
        for (int i = 0; i < 2 * SUPER_VALUES; i++) x[i] = rng_normal(&r);
        size_t half = kernel_type_bytes(types[k].type, SUPER_VALUES);
        kernel_encode(together, x, types[k].type, 2 * SUPER_VALUES);
        kernel_encode(apart + half, x + SUPER_VALUES, types[k].type, SUPER_VALUES);
        kernel_encode(apart, x, types[k].type, SUPER_VALUES);
        assert_memory_equal(together, apart, 2 * half);
    }
}

static void what_cannot_be_written_is_known(void **unused) {
    (void)unused;
    assert_true(kernel_can_encode(KT_BF16) && kernel_can_encode(KT_Q6_K));
    assert_false(kernel_can_encode(KT_Q2_K) || kernel_can_encode(KT_Q3_K));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_of_rounding_to_the_bits_there_are),
        cmocka_unit_test(values_a_block_can_hold_come_back),
        cmocka_unit_test(zeros_and_constants_stay),
        cmocka_unit_test(bytes_depend_on_the_block_alone),
        cmocka_unit_test(what_cannot_be_written_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
