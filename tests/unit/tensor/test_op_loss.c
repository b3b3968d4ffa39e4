/* test_op_loss.c - the loss beyond its value: log-probabilities of single tokens, rows that do not count, and agreement of the fused form. */
#include "tensor_test.h"

#include <math.h>

enum { N = 300, D = 24, V = 50 }; /* more rows than one chunk */
static const kernels *tables[TABLES_MAX];
static int table_count;
static int label[N];
static float weight[N];

static int fill_labels(void **state) {
    (void)state;
    table_count = kernel_tables(tables);
    for (int r = 0; r < N; r++) {
        label[r] = r % 7 == 3 ? -1 : r * 11 % V;
        weight[r] = 0.5f + (float)(r % 5);
    }
    return 0;
}

typedef struct {
    tensor h, w;
    float h_grad[N * D], w_grad[V * D], logprob[N], loss, seed;
    const int *label;
    int first, n;
    bool fused, foretold; /* the loss knows the seed */
} job;

static void job_fill(job *j) {
    *j = (job){random_tensor(N, D, 1), random_tensor(V, D, 2), .seed = 1.0f, .label = label, .n = N, .fused = true};
    j->h.wants_grad = j->w.wants_grad = true;
    j->h.grad = j->h_grad;
    j->w.grad = j->w_grad;
}

static void work(cx *c, void *arg) {
    job *j = arg;
    tape t = {0};
    c->tape = &t;
    tensor h = j->h;
    h.ne[0] = j->n;
    h.data = tensor_f32(&j->h) + j->first * D;
    h.grad = j->h_grad + j->first * D;
    tensor *loss = j->fused ? op_linear_xent(c, &h, &j->w, j->label + j->first, weight + j->first, j->n,
                                             j->foretold ? &(xent_opts){.seed = j->seed} : &(xent_opts){.logprob = j->logprob + j->first})
                            : op_xent(c, op_linear(c, &h, &j->w, NULL), j->label + j->first, weight + j->first, j->n);
    if (c->mode == CX_RUN) j->loss = tensor_f32(loss)[0];
    tape_backward(c, loss, j->seed);
    tape_free(&t);
}

static void job_run(job *j, const kernels *k) { run_measured((cx){.k = k}, work, j); }

static void job_free(job *j) {
    free(j->h.data);
    free(j->w.data);
}

static void gradients_made_with_the_loss_have_the_same_bits(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        job later, at_once;
        job_fill(&later), job_fill(&at_once);
        later.seed = at_once.seed = 0.7f, at_once.foretold = true;
        job_run(&later, tables[t]);
        job_run(&at_once, tables[t]);
        assert_true(later.loss == at_once.loss && later.w_grad[0] != 0);
        assert_memory_equal(later.h_grad, at_once.h_grad, sizeof later.h_grad);
        assert_memory_equal(later.w_grad, at_once.w_grad, sizeof later.w_grad);
        job_free(&later), job_free(&at_once);
    }
}

static void token_logprob_of_a_row_depends_on_that_row_alone(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        job all, part;
        job_fill(&all);
        for (int r = 0; r < N; r++) all.logprob[r] = 9.0f;
        job_run(&all, tables[t]);
        double loss = 0.0;
        for (int r = 0; r < N; r++) {
            if (label[r] < 0) assert_true(all.logprob[r] == 9.0f);
            else loss -= (double)weight[r] * (double)all.logprob[r];
        }
        assert_true(fabs(loss - (double)all.loss) < 1e-6 * loss);
        for (int first = 0; first < N; first += 41) {
            job_fill(&part);
            part.first = first;
            part.n = min_int(first % 3 + 1, N - first);
            memcpy(part.logprob, all.logprob, sizeof part.logprob);
            job_run(&part, tables[t]);
            check_same_bits(part.logprob, all.logprob, N, tables[t]->name);
            check_same_bits(part.h_grad + first * D, all.h_grad + first * D, part.n * D, "gradient of a row");
            job_free(&part);
        }
        job_free(&all);
    }
}

/* Loss and rows: the same products in the same order. Weights: the same sums, but over chunks. */
static void the_fused_loss_agrees_with_logits_then_loss(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        job fused, plain;
        job_fill(&fused);
        job_fill(&plain);
        plain.fused = false;
        job_run(&fused, tables[t]);
        job_run(&plain, tables[t]);
        check_same_bits(&fused.loss, &plain.loss, 1, "loss");
        check_same_bits(fused.h_grad, plain.h_grad, N * D, "gradient of the rows");
        for (int i = 0; i < V * D; i++) assert_true(fabsf(fused.w_grad[i] - plain.w_grad[i]) <= 1e-4f);
        job_free(&fused);
        job_free(&plain);
    }
}

static void rows_without_label_have_no_gradient(void **state) {
    (void)state;
    job j;
    job_fill(&j);
    job_run(&j, kernels_pick(NULL));
    for (int i = 0; i < N * D; i++)
        if (label[i / D] < 0) assert_true(j.h_grad[i] == 0.0f);
    job_free(&j);
}

static void no_label_at_all_is_a_loss_of_zero(void **state) {
    (void)state;
    int none[N];
    for (int r = 0; r < N; r++) none[r] = -1;
    for (int fused = 0; fused < 2; fused++) {
        job j;
        job_fill(&j);
        j.label = none;
        j.fused = fused;
        job_run(&j, kernels_pick(NULL));
        assert_true(j.loss == 0.0f);
        for (int i = 0; i < N * D; i++) assert_true(j.h_grad[i] == 0.0f);
        job_free(&j);
    }
}

/* A loss that counts nothing in a sum of losses must not leave its probabilities in the gradients. */
static void a_seed_of_zero_gives_a_gradient_of_zero(void **state) {
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        job j;
        job_fill(&j);
        j.seed = 0.0f;
        j.fused = fused;
        job_run(&j, kernels_pick(NULL));
        for (int i = 0; i < N * D; i++) assert_true(j.h_grad[i] == 0.0f);
        for (int i = 0; i < V * D; i++) assert_true(j.w_grad[i] == 0.0f);
        job_free(&j);
    }
}

static void extreme_logits_stay_finite(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        job j;
        job_fill(&j);
        for (int i = 0; i < N * D; i++) tensor_f32(&j.h)[i] *= 1e4f;
        job_run(&j, tables[t]);
        assert_true(isfinite(j.loss));
        for (int i = 0; i < N * D; i++) assert_true(isfinite(j.h_grad[i]));
        job_free(&j);
    }
}

static void no_buffer_of_rows_times_vocabulary_exists(void **state) {
    (void)state;
    enum { ROWS = 4096, WORDS = 32000 };
    static int labels[ROWS];
    static float weights[ROWS];
    arena counter = {0};
    tape t = {0};
    cx c = {.mode = CX_MEASURE, .mem = &counter, .tape = &t, .k = &kernels_generic};
    tensor h = tensor_make(DT_F32, 2, (int64_t[]){ROWS, D}, NULL), w = tensor_make(DT_F32, 2, (int64_t[]){WORDS, D}, NULL);
    h.wants_grad = true;
    tape_backward(&c, op_linear_xent(&c, &h, &w, labels, weights, ROWS, NULL), 1.0f);
    assert_true(counter.peak < (size_t)ROWS * WORDS * sizeof(float) / 10);
    tape_free(&t);
    cx_free(&c);
}

/* The slope by the entropies against differences of the entropies themselves. */
typedef struct {
    tensor z, unit;
    float grad[3 * 8], logprob[3], entropy[3];
} entropy_job;

static void entropy_work(cx *c, void *arg) {
    static const int first[] = {0, 1, 2};
    static const float nothing[3], slope[] = {1, -2, 0};
    entropy_job *j = arg;
    tape t = {0};
    c->tape = &t;
    memset(j->grad, 0, sizeof j->grad);
    tensor *loss = op_linear_xent(c, &j->z, &j->unit, first, nothing, 3,
                                  &(xent_opts){.temperature = 0.7, .logprob = j->logprob, .entropy = j->entropy, .entropy_slope = slope});
    tape_backward(c, loss, 1.0f);
    tape_free(&t);
}

static void entropy_has_its_slope(void **state) {
    (void)state;
    const double slope[] = {1, -2, 0};
    for (int t = 0; t < table_count; t++) {
        entropy_job j = {.z = random_tensor(3, 8, 5), .unit = random_tensor(8, 8, 6)}, moved;
        for (int i = 0; i < 64; i++) tensor_f32(&j.unit)[i] = i % 9 == 0;
        j.z.wants_grad = true, j.z.grad = j.grad;
        run_measured((cx){.k = tables[t]}, entropy_work, &j);
        float want[3 * 8];
        memcpy(want, j.grad, sizeof want);
        for (int i = 0; i < 24; i++) { /* h = 1e-2: the curvature costs h^2, f32 1e-7 / h */
            const float at = tensor_f32(&j.z)[i], h = 1e-2f;
            moved = j, moved.z.grad = moved.grad;
            tensor_f32(&j.z)[i] = at + h, run_measured((cx){.k = tables[t]}, entropy_work, &moved);
            double up = (double)moved.entropy[i / 8];
            tensor_f32(&j.z)[i] = at - h, run_measured((cx){.k = tables[t]}, entropy_work, &moved);
            tensor_f32(&j.z)[i] = at;
            assert_true(fabs(slope[i / 8] * (up - (double)moved.entropy[i / 8]) / (2 * (double)h) - (double)want[i]) < 1e-3);
        }
        free(j.z.data), free(j.unit.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_made_with_the_loss_have_the_same_bits),
        cmocka_unit_test(token_logprob_of_a_row_depends_on_that_row_alone),
        cmocka_unit_test(the_fused_loss_agrees_with_logits_then_loss),
        cmocka_unit_test(rows_without_label_have_no_gradient),
        cmocka_unit_test(no_label_at_all_is_a_loss_of_zero),
        cmocka_unit_test(a_seed_of_zero_gives_a_gradient_of_zero),
        cmocka_unit_test(extreme_logits_stay_finite),
        cmocka_unit_test(entropy_has_its_slope),
        cmocka_unit_test(no_buffer_of_rows_times_vocabulary_exists),
    };
    return cmocka_run_group_tests(tests, fill_labels, NULL);
}
