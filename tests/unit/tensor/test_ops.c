/* test_ops.c - every op of tensor.h, by the table in op_rows.h. For every kernel table this machine can run, a row claims:
 *
 *   value      equals the double oracle
 *   gradient   equals central differences of that oracle, and is added to what was there
 *   threads    1, 2 and 4 threads give the same bits, values and gradients
 *   batch      rows [a, b) alone give the same bits as within the whole
 *   memory     MEASURE counts exactly the bytes that forward and backward use
 *
 * Tolerance: a result of `chain` roundings in a row errs by about sqrt(chain) u (u = 2^-24) of its largest intermediate value, for which the
 * largest value of the tensor stands; 8 times that is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "op_rows.h"

/* ---- the loss: sum of y times a fixed g, itself an op ---- */

static void dot_forward(cx *c, node *n) {
    double s = 0.0;
    (void)c;
    for (int64_t i = 0; i < tensor_count(n->in[0]); i++) s += (double)tensor_f32(n->in[0])[i] * (double)tensor_f32(n->in[1])[i];
    tensor_f32(n->out)[0] = (float)s;
}

static void dot_backward(cx *c, node *n) { c->k->axpy(n->in[0]->grad, n->out->grad[0], n->in[1]->data, tensor_count(n->in[0])); }
static const op OP_DOT = {"dot", dot_forward, dot_backward, .fills = 0};

static tensor *op_dot(cx *c, tensor *y, float *g) {
    return cx_apply(c, (node){.op = &OP_DOT, .out = cx_new(c, 0, NULL), .in = {y, cx_wrap(c, g, 1, tensor_count(y))}, .blind = BLIND_IN0});
}

/* ---- inputs of a row ---- */

enum { THREADS = 3, TABLES = 3, SAMPLES_MAX = 24 };
static const int thread_counts[THREADS] = {1, 2, 4};
static pool *pools[THREADS];
static const kernels *tables[TABLES];
static int table_count;

typedef struct {
    const op_row *row;
    bool hides; /* the backward pass runs without the values it does not read */
    tensor in[IN_MAX];
    double *exact[IN_MAX]; /* the stored values */
    float *before[IN_MAX]; /* gradients that are there already */
    double *y;             /* by the oracle */
    float *g;              /* d loss / d y */
    int64_t count;         /* of y */
    int64_t sample[IN_MAX][SAMPLES_MAX];
    double slope[IN_MAX][SAMPLES_MAX];
} fixture;

static void fill(fixture *f, int i, rng *r) {
    const op_input *in = &f->row->in[i];
    int64_t n = in_count(f->row, i);
    f->in[i] = tensor_make(in->type, in->nd, in->ne, mem_new((size_t)n, dtype_size(in->type)));
    f->in[i].wants_grad = in->grad;
    f->exact[i] = mem_new((size_t)n, sizeof(double));
    f->before[i] = mem_new((size_t)n, sizeof(float));
    float *x = mem_new((size_t)n, sizeof *x);
    for (int64_t j = 0; j < n; j++) {
        x[j] = in->shift + 2.0f * (float)rng_unit(r) - 1.0f;
        f->before[i][j] = (float)rng_unit(r) - 0.5f;
    }
    kernels_generic.from_f32(f->in[i].data, x, dtype_kernel(in->type), n);
    kernels_generic.to_f32(x, f->in[i].data, dtype_kernel(in->type), n);
    for (int64_t j = 0; j < n; j++) f->exact[i][j] = (double)x[j];
    free(x);
}

/* Slopes of the oracle at a few elements of every input, in double: the differences err by about 1e-9, far below any tolerance here. */
static void differentiate(fixture *f) {
    double *high = mem_new((size_t)f->count, sizeof *high), *low = mem_new((size_t)f->count, sizeof *low), eps = 1e-4;
    for (int i = 0; i < IN_MAX; i++) {
        if (!f->in[i].wants_grad) continue;
        int64_t n = in_count(f->row, i);
        for (int s = 0; s < f->row->samples; s++) {
            int64_t at = f->sample[i][s] = (s * n / f->row->samples + s) % n;
            double x = f->exact[i][at], slope = 0.0;
            f->exact[i][at] = x + eps;
            f->row->oracle(f->row, f->exact, high);
            f->exact[i][at] = x - eps;
            f->row->oracle(f->row, f->exact, low);
            f->exact[i][at] = x;
            for (int64_t j = 0; j < f->count; j++) slope += (double)f->g[j] * (high[j] - low[j]);
            f->slope[i][s] = slope / (2.0 * eps);
        }
    }
    free(high);
    free(low);
}

static tensor *call(fixture *f, cx *c, tensor *in) {
    tensor *p[IN_MAX] = {&in[0], &in[1], &in[2]};
    return f->row->run(c, f->row, p, 0, f->row->batch);
}

static fixture *fixture_new(const op_row *row) {
    fixture *f = mem_new(1, sizeof *f);
    rng r = rng_make(7, hash_u64(row->name, strlen(row->name), 0));
    f->row = row;
    for (int i = 0; i < IN_MAX; i++)
        if (row->in[i].nd) fill(f, i, &r);
    arena counter = {0};
    cx c = {.mode = CX_MEASURE, .mem = &counter, .k = &kernels_generic};
    f->count = tensor_count(call(f, &c, f->in));
    cx_free(&c);
    f->y = mem_new((size_t)f->count, sizeof *f->y);
    f->g = mem_new((size_t)f->count, sizeof *f->g);
    for (int64_t j = 0; j < f->count; j++) f->g[j] = 2.0f * (float)rng_unit(&r) - 1.0f;
    row->oracle(row, f->exact, f->y);
    differentiate(f);
    return f;
}

static void fixture_free(fixture *f) {
    for (int i = 0; i < IN_MAX; i++) {
        free(f->in[i].data);
        free(f->exact[i]);
        free(f->before[i]);
    }
    free(f->y);
    free(f->g);
    free(f);
}

/* ---- one run ---- */

typedef struct {
    float *y;
    float *grad[IN_MAX];
    size_t peak;
    double flops;
} result;

static void result_free(result *r) {
    for (int i = 0; i < IN_MAX; i++) free(r->grad[i]);
    free(r->y);
}

/* Values that no backward pass is said to read become NaN; give_back restores them. */
static void hide(const tensor *t, void **copy) {
    if (!t->data || t->kept) return;
    *copy = mem_new(1, tensor_size(t));
    memcpy(*copy, t->data, tensor_size(t));
    memset(t->data, 0xff, tensor_size(t));
}

static void give_back(const tensor *t, void *copy) {
    if (copy) memcpy(t->data, copy, tensor_size(t));
    free(copy);
}

static void backward(const fixture *f, cx *c, tensor *in, const tensor *y, tensor *loss) {
    void *copy[IN_MAX + 1] = {NULL}, *values = y->data;
    bool hides = f->hides && c->mode == CX_RUN;
    for (int i = 0; i < IN_MAX && hides; i++)
        if (in[i].type == DT_F32) hide(&in[i], &copy[i]);
    if (hides) hide(y, &copy[IN_MAX]);
    tape_backward(c, loss, 1.0f);
    for (int i = 0; i < IN_MAX; i++) give_back(&in[i], copy[i]);
    free(copy[IN_MAX]);
    if (hides) assert_true(values && !y->data); /* through with its node, it is gone */
}

static void pass(fixture *f, cx *c, tensor *in, result *out) {
    tape t = {0};
    c->tape = &t;
    tensor *y = call(f, c, in), *loss = op_dot(c, y, f->g);
    if (out->y) memcpy(out->y, y->data, (size_t)f->count * sizeof(float));
    if (loss->wants_grad) backward(f, c, in, y, loss);
    assert_int_equal(c->status, LMM_OK);
    out->peak = c->mem->peak;
    out->flops = c->flops;
    tape_free(&t);
    cx_free(c);
}

/* Memory is measured first and is then all there is; it starts as NaN, so nothing can rely on zeros. */
static result run(fixture *f, const kernels *k, pool *p) {
    result measured = {0}, r = {.y = mem_new((size_t)f->count, sizeof(float))};
    arena counter = {0}, mem;
    tensor in[IN_MAX];
    memcpy(in, f->in, sizeof in);
    for (int i = 0; i < IN_MAX; i++) {
        if (!in[i].wants_grad) continue;
        size_t size = (size_t)tensor_count(&in[i]) * sizeof(float);
        in[i].grad = r.grad[i] = mem_new(1, size);
        memcpy(r.grad[i], f->before[i], size);
    }
    pass(f, &(cx){.mode = CX_MEASURE, .mem = &counter, .k = k, .pool = p}, in, &measured);
    assert_int_equal(arena_open(&mem, measured.peak, "test"), LMM_OK);
    memset(mem.base, 0xff, mem.capacity);
    pass(f, &(cx){.mode = CX_RUN, .mem = &mem, .k = k, .pool = p}, in, &r);
    arena_close(&mem);
    if (measured.peak != r.peak) fail_msg("%s: MEASURE says %zu bytes, RUN used %zu", f->row->name, measured.peak, r.peak);
    assert_true(measured.flops == r.flops);
    return r;
}

/* ---- claims ---- */

static double tolerance(int chain, double largest) { return 8.0 * sqrt(chain) * 0x1p-24 * largest; }

static void check_value(const fixture *f, const result *r, const char *table) {
    double largest = 0.0;
    for (int64_t j = 0; j < f->count; j++) largest = fmax(largest, fabs(f->y[j]));
    for (int64_t j = 0; j < f->count; j++)
        if (!(fabs((double)r->y[j] - f->y[j]) <= tolerance(f->row->chain, largest)))
            fail_msg("%s (%s): value %" PRId64 " is %.9g, should be %.9g within %.2g", f->row->name, table, j, (double)r->y[j], f->y[j],
                     tolerance(f->row->chain, largest));
}

static void check_gradient(const fixture *f, const result *r, const char *table) {
    for (int i = 0; i < IN_MAX; i++) {
        if (!r->grad[i]) continue;
        double largest = 1.0; /* of what was there before */
        for (int64_t j = 0; j < in_count(f->row, i); j++) largest = fmax(largest, fabs((double)r->grad[i][j]));
        for (int s = 0; s < f->row->samples; s++) {
            int64_t at = f->sample[i][s];
            double got = (double)r->grad[i][at] - (double)f->before[i][at];
            if (!(fabs(got - f->slope[i][s]) <= tolerance(f->row->grad_chain, largest) + 1e-8))
                fail_msg("%s (%s): gradient %" PRId64 " of input %d is %.9g, should be %.9g within %.2g", f->row->name, table, at, i, got,
                         f->slope[i][s], tolerance(f->row->grad_chain, largest));
        }
    }
}

static void check_same_bits(const fixture *f, const result *a, const result *b, const char *what) {
    if (memcmp(a->y, b->y, (size_t)f->count * sizeof(float))) fail_msg("%s: values differ with %s", f->row->name, what);
    for (int i = 0; i < IN_MAX; i++)
        if (a->grad[i] && memcmp(a->grad[i], b->grad[i], (size_t)in_count(f->row, i) * sizeof(float)))
            fail_msg("%s: gradients of input %d differ with %s", f->row->name, i, what);
}

/* Rows [first, first + count) alone, into y. */
static void run_slice(fixture *f, const kernels *k, pool *p, int first, int count, float *y) {
    tensor in[IN_MAX], *ptr[IN_MAX] = {&in[0], &in[1], &in[2]};
    memcpy(in, f->in, sizeof in);
    for (int i = 0; i < IN_MAX; i++) {
        in[i].wants_grad = false;
        if (!f->row->in[i].rows) continue;
        int64_t each = in[i].ne[0] / f->row->batch;
        in[i].data = (char *)in[i].data + tensor_size(&in[i]) / (size_t)f->row->batch * (size_t)first;
        in[i].ne[0] = each * count;
    }
    arena counter = {0}, mem;
    cx m = {.mode = CX_MEASURE, .mem = &counter, .k = k, .pool = p};
    f->row->run(&m, f->row, ptr, first, count);
    assert_int_equal(arena_open(&mem, counter.peak, "slice"), LMM_OK);
    cx c = {.mode = CX_RUN, .mem = &mem, .k = k, .pool = p};
    tensor *out = f->row->run(&c, f->row, ptr, first, count);
    assert_int_equal(tensor_count(out), f->count / f->row->batch * count);
    memcpy(y, out->data, tensor_size(out));
    cx_free(&m);
    cx_free(&c);
    arena_close(&mem);
}

static void check_batch_invariance(fixture *f, const result *r, const kernels *k) {
    int n = f->row->batch, u = f->row->unit;
    if (!u) return;
    const int slice[][2] = {{0, u}, {n - u, u}, {n / u / 3 * u, (n / u / 2 - n / u / 3 + 1) * u}, {0, n - u}, {u, n - u}};
    int64_t each = f->count / n;
    float *y = mem_new((size_t)f->count, sizeof *y);
    for (size_t i = 0; i < COUNT_OF(slice); i++) {
        int first = slice[i][0], count = slice[i][1];
        if (count <= 0 || first + count > n) continue;
        run_slice(f, k, pools[i % THREADS], first, count, y);
        if (memcmp(y, r->y + first * each, (size_t)(count * each) * sizeof *y))
            fail_msg("%s (%s): rows %d to %d alone differ", f->row->name, k->name, first, first + count - 1);
    }
    free(y);
}

static void row_holds(void **state) {
    fixture *f = fixture_new(*state);
    for (int t = 0; t < table_count; t++) {
        result r = run(f, tables[t], pools[0]);
        check_value(f, &r, tables[t]->name);
        check_gradient(f, &r, tables[t]->name);
        check_batch_invariance(f, &r, tables[t]);
        for (int p = 1; p < THREADS; p++) {
            result other = run(f, tables[t], pools[p]);
            check_same_bits(f, &r, &other, p == 1 ? "2 threads" : "4 threads");
            result_free(&other);
        }
        f->hides = true;
        result blind = run(f, tables[t], pools[0]);
        check_same_bits(f, &r, &blind, "values hidden from the backward pass");
        f->hides = false;
        result_free(&blind);
        result_free(&r);
    }
    fixture_free(f);
}

/* Without this an op could land untested. */
static void every_op_of_the_header_has_a_row(void **state) {
    char *text, *path = path_join(LMM_SOURCE, "src/tensor/tensor.h");
    (void)state;
    assert_int_equal(file_read(&text, NULL, path, 1 << 20), LMM_OK);
    int ops = 0;
    for (char *at = text; (at = strstr(at, "\ntensor *op_")); ops++) {
        at += strlen("\ntensor *op_");
        size_t n = strcspn(at, "("), i = 0;
        while (i < COUNT_OF(op_rows) && strncmp(op_rows[i].name, at, n)) i++;
        if (i == COUNT_OF(op_rows)) fail_msg("op_%.*s has no row in op_rows.h", (int)n, at);
    }
    assert_true(ops > 10);
    free(text);
    free(path);
}

static int open_pools(void **state) {
    static const char *const names[TABLES] = {"generic", "avx2", "avx512"};
    (void)state;
    for (int i = 0; i < THREADS; i++) pools[i] = pool_new(thread_counts[i]);
    for (int i = 0; i < TABLES; i++) {
        const kernels *k = kernels_pick(names[i]);
        if (k) tables[table_count++] = k;
        else print_message("this processor cannot run the table %s\n", names[i]);
    }
    return 0;
}

static int close_pools(void **state) {
    (void)state;
    for (int i = 0; i < THREADS; i++) pool_free(pools[i]);
    return 0;
}

int main(void) {
    struct CMUnitTest tests[COUNT_OF(op_rows) + 1] = {cmocka_unit_test(every_op_of_the_header_has_a_row)};
    for (size_t i = 0; i < COUNT_OF(op_rows); i++)
        tests[i + 1] =
            (struct CMUnitTest){.name = op_rows[i].name, .test_func = row_holds, .initial_state = (void *)(uintptr_t)&op_rows[i]};
    return cmocka_run_group_tests(tests, open_pools, close_pools);
}
