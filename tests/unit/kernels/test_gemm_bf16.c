/* test_gemm_bf16.c - products of values rounded to bf16: every table computes the bits of a plain loop, at any size, stride, cut and thread count. */
#include "gemm_util.h"

enum { PAD = 3, FORMS = GEMM_TN + 1 };

/* a b with strides PAD wider than rows; `wide` is b in f32. */
typedef struct {
    gemm_form form;
    kernel_type type;
    int m, n, k;
    bool accumulate;
    int64_t lda, ldb, ldy;
    float *a, *wide, *y;
    void *b;
} problem;

static problem problem_new(gemm_form form, kernel_type t, int m, int n, int k, bool accumulate) {
    int a_rows = form == GEMM_TN ? k : m, a_cols = form == GEMM_TN ? m : k, b_rows = form == GEMM_NT ? n : k,
        b_cols = form == GEMM_NT ? k : n;
    int pad = kernel_type_block(t) > 1 ? 0 : PAD;
    problem q = {form, t, m, n, k, accumulate, a_cols + PAD, b_cols + pad, n + PAD, NULL, NULL, NULL, NULL};
    q.a = floats(a_rows * q.lda), q.wide = floats(b_rows * q.ldb), q.y = floats(m * q.ldy);
    q.b = malloc((size_t)(b_rows * q.ldb) * sizeof(float));
    assert_non_null(q.b);
    if (kernel_type_block(t) > 1) kernel_encode(q.b, q.wide, t, b_rows * q.ldb);
    else kernels_generic.from_f32(q.b, q.wide, t, b_rows * q.ldb);
    kernels_generic.to_f32(q.wide, q.b, t, b_rows * q.ldb);
    return q;
}

static void problem_free(problem *q) {
    free(q->a);
    free(q->wide);
    free(q->b);
    free(q->y);
}

static float *start(const problem *q) {
    float *y = malloc((size_t)(q->m * q->ldy) * sizeof *y);
    assert_non_null(y);
    memcpy(y, q->y, (size_t)(q->m * q->ldy) * sizeof *y);
    return y;
}

static float term(const problem *q, int i, int j, int l, float s) {
    if (l >= q->k) return s;
    float a = q->form == GEMM_TN ? q->a[l * q->lda + i] : q->a[i * q->lda + l];
    float b = q->form == GEMM_NT ? q->wide[j * q->ldb + l] : q->wide[l * q->ldb + j];
    return bf16_to_f32(f32_to_bf16(a)) * bf16_to_f32(f32_to_bf16(b)) + s; /* the product is exact: 8 times 8 bits */
}

static float *plain(const problem *q) {
    float *y = start(q);
    for (int i = 0; i < q->m; i++)
        for (int j = 0; j < q->n; j++)
            for (int first = 0; first < q->k; first += KERNEL_K_BLOCK) {
                float s = 0, *out = &y[i * q->ldy + j];
                for (int l = first; l < min_int(q->k, first + KERNEL_K_BLOCK); l += 2) s = term(q, i, j, l, term(q, i, j, l + 1, s));
                *out = q->accumulate || first ? *out + s : s;
            }
    return y;
}

static float *solve(const problem *q, const kernels *k, pool *p) {
    float *y = start(q);
    gemm(k, p, q->form, true, y, q->ldy, q->a, q->lda, q->b, q->ldb, q->type, q->m, q->n, q->k, q->accumulate);
    return y;
}

static void assert_same(const problem *q, const float *want, const float *got, const char *what) {
    for (int64_t i = 0; i < q->m * q->ldy; i++)
        if (memcmp(want + i, got + i, sizeof *got))
            fail_msg("%s: form %d type %d (%d, %d, %d): y[%d][%d] is %.9g, not %.9g", what, (int)q->form, (int)q->type, q->m, q->n, q->k,
                     (int)(i / q->ldy), (int)(i % q->ldy), (double)got[i], (double)want[i]);
}

static const kernels *TABLES[3];
static int table_count;

static void check(gemm_form form, kernel_type t, int m, int n, int k, bool accumulate, pool *p) {
    problem q = problem_new(form, t, m, n, k, accumulate);
    float *want = plain(&q);
    for (int i = 0; i < table_count; i++) {
        float *got = solve(&q, TABLES[i], p);
        assert_same(&q, want, got, TABLES[i]->name);
        free(got);
    }
    free(want);
    problem_free(&q);
}

static void every_table_gives_the_bits_of_a_plain_loop(void **unused) {
    (void)unused;
    for (int round = 0; round < 100; round++)
        for (int f = 0; f < FORMS; f++)
            check((gemm_form)f, f == GEMM_TN ? KT_F32 : (kernel_type)(round % KT_FLOAT_COUNT), 1 + next_below(70), 1 + next_below(70),
                  1 + next_below(70), round & 1, NULL);
}

static void long_sums_cross_blocks_of_k(void **unused) {
    (void)unused;
    static const int K[] = {KERNEL_K_BLOCK - 1, KERNEL_K_BLOCK, KERNEL_K_BLOCK + 1, 2 * KERNEL_K_BLOCK + 7};
    for (size_t i = 0; i < COUNT_OF(K); i++)
        for (int f = 0; f < FORMS; f++)
            check((gemm_form)f, KT_F32, 3, 37, K[i], false, NULL), check((gemm_form)f, KT_F32, 17, 9, K[i], true, NULL);
}

static void threads_and_cuts_change_no_bit(void **unused) {
    (void)unused;
    for (int threads = 1; threads <= 4; threads *= 2) {
        pool *team = pool_new(threads);
        for (int f = 0; f < FORMS; f++) check((gemm_form)f, KT_F32, 530, 270, 65, f == GEMM_TN, team);
        pool_free(team);
    }
}

static void quantised_weights_are_rounded_as_their_values(void **unused) {
    (void)unused;
    for (int f = GEMM_NT; f <= GEMM_NN; f++)
        check((gemm_form)f, KT_Q8_0, 20, 96, 64, true, NULL), check((gemm_form)f, KT_Q4_K, 9, 256, 512, false, NULL);
}

static void values_are_rounded_to_even_and_nan_stays(void **unused) {
    (void)unused;
    /* between two bf16: 1 + 2^-8 is a tie and goes to 1, 1 + 3 2^-8 to 1 + 2^-6, a little more than a tie goes up */
    const float a[] = {1.00390625f, 1.01171875f, 1.0039064f, -1.00390625f, 3.4e38f, NAN},
                want[] = {1, 1.015625f, 1.0078125f, -1, INFINITY, NAN};
    const float one = 1;
    for (int i = 0; i < table_count; i++)
        for (size_t v = 0; v < COUNT_OF(a); v++) {
            float y = 7;
            TABLES[i]->gemm_bf16(GEMM_NT, &y, 1, &a[v], 1, &one, 1, KT_F32, 1, 1, 1, false);
            if (isnan(want[v])) assert_true(isnan(y));
            else assert_true(y == want[v]);
        }
}

int main(void) {
    static const char *const NAMES[] = {"generic", "avx2", "avx512"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (kernels_pick(NAMES[i])) TABLES[table_count++] = kernels_pick(NAMES[i]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_table_gives_the_bits_of_a_plain_loop),
                                       cmocka_unit_test(long_sums_cross_blocks_of_k), cmocka_unit_test(threads_and_cuts_change_no_bit),
                                       cmocka_unit_test(quantised_weights_are_rounded_as_their_values),
                                       cmocka_unit_test(values_are_rounded_to_even_and_nan_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
