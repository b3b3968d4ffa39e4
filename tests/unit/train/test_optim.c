/* test_optim.c - AdamW with states of 8 bits beside torchao 0.18.0's AdamW8bit, over the same gradients. */
#include <math.h>

#include "run_util.h"
#include "train/train.h"

enum { N = 8192, STEPS = 20, EVERY = 512 };

static float value(int64_t i, int64_t step) { return (float)((i * 7919 + step * 104729) % 2001 - 1000) / 1000.0f; }

static void make_param(param *p, float *start, int64_t count) {
    static char name[] = "w";
    for (int64_t i = 0; i < count; i++) start[i] = value(i, 0);
    *p = (param){.name = name, .t = tensor_make(DT_F32, 1, &count, start)};
    OK(param_own(p, true));
}

static void run(optim *o, param *p, int steps) {
    for (int s = 1; s <= steps; s++) {
        for (int64_t i = 0; i < tensor_count(&p->t); i++) p->t.grad[i] = value(i, s) * (float)(1 + i / OPTIM_BLOCK);
        OK(optim_step(o, 1e-2, 1.0));
    }
}

static void drop(optim *o, param *p) {
    optim_close(o);
    free(p->owned);
    free(p->grad_owned);
}

/* torchao.optim.AdamW8bit(lr 1e-2, betas 0.9 and 0.999, eps 1e-8, weight decay 0.1) in PyTorch 2.15: every 512th weight and codes, every 4th scale of m. */
static void eight_bits_are_torchaos(void **state) {
    (void)state;
    static const float weights[] = {-0.897295237f, -0.567648172f, -0.0359603465f, 0.54873383f,   -0.891898096f,  -0.562850714f,
                                    -0.030510921f, 0.554444671f,  -0.888648272f,  -0.556862712f, -0.0271619279f, 0.558840334f,
                                    -0.882183313f, -0.553328693f, -0.0215737503f, 0.563046336f};
    static const int m_codes[] = {40, 67, 210, 58, 42, 72, 210, 60, 44, 81, 213, 62, 44, 91, 214, 64},
                     v_codes[] = {233, 250, 229, 222, 231, 251, 230, 222, 231, 252, 230, 221, 230, 253, 231, 221};
    static const float scales[] = {0.281092614f, 1.41466486f, 2.53200936f, 3.69742918f, 4.8182826f, 5.86423349f, 7.11534882f, 8.21410465f};
    static float start[N];
    param p;
    optim o;
    make_param(&p, start, N);
    OK(optim_open(&o, NULL, 0.9, 0.999, 1e-8));
    optim_use_8bit(&o);
    OK(optim_add(&o, &p, 1.0, 0.1));
    assert_int_equal(optim_size(&o), 2 * (N + N / OPTIM_BLOCK * 4));
    run(&o, &p, STEPS);
    const float *w = p.t.data;
    const unsigned char *m = o.slots.at[0].m, *v = o.slots.at[0].v;
    for (int i = 0; i < N / EVERY; i++) {
        assert_true(fabsf(w[i * EVERY] - weights[i]) < 1e-6f);
        assert_int_equal(m[i * EVERY], m_codes[i]);
        assert_int_equal(v[i * EVERY], v_codes[i]);
    }
    for (int i = 0; i < N / OPTIM_BLOCK / 4; i++) assert_true(fabsf(o.slots.at[0].m_scale[4 * i] - scales[i]) < 1e-6f * scales[i]);
    int64_t m_sum = 0, v_sum = 0;
    for (int i = 0; i < N; i++) m_sum += m[i], v_sum += v[i];
    assert_in_range(m_sum, 1012582 - 20, 1012582 + 20); /* a value between two codes may round either way */
    assert_in_range(v_sum, 1913887 - 20, 1913887 + 20);
    drop(&o, &p);
}

/* A part of a block at the end, and a parameter too small for codes. */
static void odd_sizes_learn_as_well(void **state) {
    (void)state;
    static float start[N];
    static const int64_t sizes[] = {OPTIM_8BIT_MIN + 77, OPTIM_8BIT_MIN - 1};
    for (size_t k = 0; k < COUNT_OF(sizes); k++) {
        param codes, wide;
        optim o, f;
        make_param(&codes, start, sizes[k]);
        make_param(&wide, start, sizes[k]);
        OK(optim_open(&o, NULL, 0.9, 0.999, 1e-8));
        OK(optim_open(&f, NULL, 0.9, 0.999, 1e-8));
        optim_use_8bit(&o);
        OK(optim_add(&o, &codes, 1.0, 0));
        OK(optim_add(&f, &wide, 1.0, 0));
        run(&o, &codes, STEPS);
        run(&f, &wide, STEPS);
        float far = 0, most = 0;
        for (int64_t i = 0; i < sizes[k]; i++) {
            const float x = ((float *)codes.t.data)[i], y = ((float *)wide.t.data)[i];
            far = fmaxf(far, fabsf(x - y)), most = fmaxf(most, fabsf(y - start[i]));
        }
        assert_true(k ? far == 0 && !o.slots.at[0].m_scale : far > 0 && far < 0.03f * most);
        drop(&o, &codes);
        drop(&f, &wide);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_bits_are_torchaos),
        cmocka_unit_test(odd_sizes_learn_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
