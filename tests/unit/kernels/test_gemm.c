/* test_gemm.c - the matrix products: every table computes the generic table's bits, at any size, stride, cut and thread count. */
#include "gemm_util.h"

enum { PAD = 3, GUARD = 0x7f }; /* strides are wider than rows; the gaps hold GUARD bytes that must survive */

/* The same values stored as `t`. */
static void *stored(const float *x, int64_t n, kernel_type t) {
    void *s = malloc((size_t)(n ? n : 1) * sizeof *x);
    assert_non_null(s);
    kernels_generic.from_f32(s, x, t, n);
    return s;
}

typedef enum { NT, NT_ACCUMULATE, NN, NN_SET, TN, PRODUCT_COUNT } product;
static const gemm_form FORMS[] = {GEMM_NT, GEMM_NT, GEMM_NN, GEMM_NN, GEMM_TN};

/* One problem: a, b, the y it starts from, all with strides PAD wider than their rows. */
typedef struct {
    product product;
    kernel_type type;
    int m, n, k;
    int64_t lda, ldb, ldy;
    float *a, *y;
    void *b;
} problem;

static problem problem_new(product p, kernel_type t, int m, int n, int k) {
    int a_rows = p == TN ? k : m, a_cols = p == TN ? m : k, b_rows = p <= NT_ACCUMULATE ? n : k, b_cols = p <= NT_ACCUMULATE ? k : n;
    problem q = {p, p == TN ? KT_F32 : t, m, n, k, a_cols + PAD, b_cols + PAD, n + PAD, NULL, NULL, NULL};
    q.a = floats(a_rows * q.lda);
    float *b = floats(b_rows * q.ldb);
    q.b = stored(b, b_rows * q.ldb, q.type);
    free(b);
    q.y = floats(m * q.ldy);
    for (int i = 0; i < m; i++) memset(q.y + i * q.ldy + n, GUARD, PAD * sizeof *q.y);
    return q;
}

static void problem_free(problem *q) {
    free(q->a);
    free(q->b);
    free(q->y);
}

static const void *b_at(const problem *q, int64_t i) { return (const char *)q->b + kernel_type_bytes(q->type, i); }

/* The part [i, i + m) x [j, j + n) of the answer, by one call of the table. */
static void solve_part(const problem *q, const kernels *k, float *y, int i, int j, int m, int n) {
    float *at = y + i * q->ldy + j;
    switch (q->product) {
    case NT:
    case NT_ACCUMULATE:
        k->gemm_nt(at, q->ldy, q->a + i * q->lda, q->lda, b_at(q, j * q->ldb), q->ldb, q->type, m, n, q->k, q->product == NT_ACCUMULATE);
        break;
    case NN:
    case NN_SET: k->gemm_nn(at, q->ldy, q->a + i * q->lda, q->lda, b_at(q, j), q->ldb, q->type, m, n, q->k, q->product == NN); break;
    default: k->gemm_tn(at, q->ldy, q->a + i, q->lda, b_at(q, j), q->ldb, m, n, q->k); break;
    }
}

static float *start(const problem *q) {
    size_t size = (size_t)(q->m * q->ldy) * sizeof *q->y;
    float *y = malloc(size ? size : 1);
    assert_non_null(y);
    memcpy(y, q->y, size);
    return y;
}

static float *solve(const problem *q, const kernels *k) {
    float *y = start(q);
    solve_part(q, k, y, 0, 0, q->m, q->n);
    return y;
}

static float *solve_pooled(const problem *q, const kernels *k, pool *p) {
    float *y = start(q);
    gemm(k, p, FORMS[q->product], false, y, q->ldy, q->a, q->lda, q->b, q->ldb, q->type, q->m, q->n, q->k,
         q->product != NT && q->product != NN_SET);
    return y;
}

static void assert_same(const problem *q, const float *want, const float *got, const char *what) {
    for (int64_t i = 0; i < q->m * q->ldy; i++)
        if (memcmp(want + i, got + i, sizeof *got))
            fail_msg("%s: product %d type %d (%d, %d, %d): y[%d][%d] is %.9g, not %.9g", what, (int)q->product, (int)q->type, q->m, q->n,
                     q->k, (int)(i / q->ldy), (int)(i % q->ldy), (double)got[i], (double)want[i]);
}

static const kernels *TABLES[3];
static int table_count;

static void check(product p, kernel_type t, int m, int n, int k) {
    problem q = problem_new(p, t, m, n, k);
    float *want = solve(&q, &kernels_generic);
    for (int i = 0; i < table_count; i++) {
        float *got = solve(&q, TABLES[i]);
        assert_same(&q, want, got, TABLES[i]->name);
        free(got);
    }
    free(want);
    problem_free(&q);
}

static void every_table_gives_the_generic_bits_at_odd_sizes(void **unused) {
    (void)unused;
    for (int round = 0; round < 250; round++)
        for (int p = 0; p < PRODUCT_COUNT; p++)
            check((product)p, (kernel_type)(round % KT_FLOAT_COUNT), 1 + next_below(70), 1 + next_below(70), 1 + next_below(70));
}

static void every_number_of_rows_and_columns_is_covered(void **unused) {
    (void)unused;
    for (int s = 1; s <= 36; s++)
        for (int p = 0; p < PRODUCT_COUNT; p++)
            check((product)p, (kernel_type)(s % KT_FLOAT_COUNT), s, 5, 19), check((product)p, (kernel_type)(s % KT_FLOAT_COUNT), 5, s, 19);
}

static void long_sums_cross_blocks_of_k(void **unused) {
    (void)unused;
    static const int K[] = {KERNEL_K_BLOCK - 1, KERNEL_K_BLOCK, KERNEL_K_BLOCK + 1, 3 * KERNEL_K_BLOCK + 7};
    for (size_t i = 0; i < COUNT_OF(K); i++)
        for (int p = 0; p < PRODUCT_COUNT; p++)
            for (int t = 0; t < KT_FLOAT_COUNT; t++)
                check((product)p, (kernel_type)t, 3, 37, K[i]), check((product)p, (kernel_type)t, 17, 9, K[i]);
}

static void wide_products_cross_blocks_of_columns(void **unused) {
    (void)unused;
    for (int p = 0; p < PRODUCT_COUNT; p++) check((product)p, KT_F32, 15, 300, 40);
}

static void nothing_to_add_leaves_zero_or_y(void **unused) {
    (void)unused;
    for (int p = 0; p < PRODUCT_COUNT; p++) {
        check((product)p, KT_F32, 2, 3, 0), check((product)p, KT_F32, 20, 3, 0);
        check((product)p, KT_F32, 0, 3, 5), check((product)p, KT_F32, 20, 0, 5);
    }
}

static void a_part_alone_has_the_bits_of_the_whole(void **unused) {
    (void)unused;
    for (int p = 0; p < PRODUCT_COUNT; p++)
        for (int t = 0; t < KT_FLOAT_COUNT; t++) {
            problem q = problem_new((product)p, (kernel_type)t, 61, 67, 300);
            for (int i = 0; i < table_count; i++) {
                float *want = solve(&q, TABLES[i]), *got = start(&q);
                for (int row = 0, rows; row < q.m; row += rows) {
                    rows = min_int(1 + next_below(9), q.m - row);
                    for (int col = 0, cols; col < q.n; col += cols) {
                        cols = min_int(1 + next_below(40), q.n - col);
                        solve_part(&q, TABLES[i], got, row, col, rows, cols);
                    }
                }
                assert_same(&q, want, got, TABLES[i]->name);
                free(want);
                free(got);
            }
            problem_free(&q);
        }
}

static void nn_may_be_continued_along_k(void **unused) {
    (void)unused;
    problem q = problem_new(NN, KT_F16, 7, 50, 90);
    for (int i = 0; i < table_count; i++) {
        float *want = solve(&q, TABLES[i]), *got = start(&q);
        TABLES[i]->gemm_nn(got, q.ldy, q.a, q.lda, q.b, q.ldb, q.type, q.m, q.n, 33, true);
        TABLES[i]->gemm_nn(got, q.ldy, q.a + 33, q.lda, b_at(&q, 33 * q.ldb), q.ldb, q.type, q.m, q.n, q.k - 33, true);
        assert_same(&q, want, got, TABLES[i]->name);
        free(want);
        free(got);
    }
    problem_free(&q);
}

static void threads_and_cuts_change_no_bit(void **unused) {
    (void)unused;
    static const int SIZE[][3] = {{130, 270, 65}, {1, 700, 130}, {600, 33, 40}, {40, 40, 20}};
    for (size_t s = 0; s < COUNT_OF(SIZE); s++)
        for (int p = 0; p < PRODUCT_COUNT; p++) {
            problem q = problem_new((product)p, KT_BF16, SIZE[s][0], SIZE[s][1], SIZE[s][2]);
            for (int i = 0; i < table_count; i++) {
                float *want = solve(&q, TABLES[i]);
                for (int threads = 0; threads <= 4; threads = threads ? 2 * threads : 1) {
                    pool *team = threads ? pool_new(threads) : NULL;
                    float *got = solve_pooled(&q, TABLES[i], team);
                    assert_same(&q, want, got, TABLES[i]->name);
                    free(got);
                    pool_free(team);
                }
                free(want);
            }
            problem_free(&q);
        }
}

/* Rounding n times loses at most n u sum |a b| (Higham, Accuracy and Stability, 3.1); blocks make the constant smaller, never larger. */
static void sums_are_close_to_double(void **unused) {
    (void)unused;
    for (int p = 0; p < PRODUCT_COUNT; p++) {
        problem q = problem_new((product)p, KT_F32, 5, 6, 1000);
        const kernels *k = TABLES[table_count - 1];
        float *got = solve(&q, k);
        const float *b = q.b;
        for (int i = 0; i < q.m; i++)
            for (int j = 0; j < q.n; j++) {
                double sum = p == NT || p == NN_SET ? 0.0 : (double)q.y[i * q.ldy + j], size = fabs(sum);
                for (int l = 0; l < q.k; l++) {
                    double term = (double)(p == TN ? q.a[l * q.lda + i] : q.a[i * q.lda + l]) *
                                  (double)(p <= NT_ACCUMULATE ? b[j * q.ldb + l] : b[l * q.ldb + j]);
                    sum += term, size += fabs(term);
                }
                assert_true(fabs((double)got[i * q.ldy + j] - sum) <= (q.k + 1) * 0x1p-24 * size);
            }
        free(got);
        problem_free(&q);
    }
}

int main(void) {
    static const char *const NAMES[] = {"avx2", "avx512", "generic"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        const kernels *k = kernels_pick(NAMES[i]);
        if (k) TABLES[table_count++] = k;
        else printf("skipped: this processor cannot run '%s'\n", NAMES[i]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_gives_the_generic_bits_at_odd_sizes),
        cmocka_unit_test(every_number_of_rows_and_columns_is_covered),
        cmocka_unit_test(long_sums_cross_blocks_of_k),
        cmocka_unit_test(wide_products_cross_blocks_of_columns),
        cmocka_unit_test(nothing_to_add_leaves_zero_or_y),
        cmocka_unit_test(a_part_alone_has_the_bits_of_the_whole),
        cmocka_unit_test(nn_may_be_continued_along_k),
        cmocka_unit_test(threads_and_cuts_change_no_bit),
        cmocka_unit_test(sums_are_close_to_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
