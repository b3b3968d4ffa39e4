/* test_cx.c - one forward, four readers: blocks that free or replay their scratch, exact memory, the tape's sums, the tracer. */
#include <math.h>

#include "tensor_test.h"

enum { N = 40, D = 24, F = 56, LAYERS = 4 };

/* ---- a small network: layers of x + down(swiglu(gate(n), up(n))), n = rmsnorm(x), and a loss ---- */

typedef struct {
    tensor gain, gate, up, down;
    bool sparing; /* says of every value when it is done with it */
} layer;
typedef struct {
    tensor x;
    layer layers[LAYERS];
    bool shared; /* all layers use the weights of the first */
    int depth;   /* layers */
    int label[N];
    float weight[N];
    float *y;    /* last row block, copied */
    int passes;  /* backward passes over the same gradients */
    size_t left; /* bytes held after the layers */
} net;

static tensor *mlp_block(cx *c, void *arg, tensor *x) {
    layer *l = arg;
    tensor *n = op_rmsnorm(c, x, &l->gain, 1e-5f);
    cx_trace(c, n, "norm");
    tensor *gate = op_linear(c, n, &l->gate, NULL), *up = op_linear(c, n, &l->up, NULL);
    if (l->sparing) cx_done(c, n);
    tensor *h = op_swiglu(c, gate, up), *down = op_linear(c, h, &l->down, NULL);
    if (l->sparing) cx_done(c, h);
    tensor *y = op_add(c, x, down);
    if (l->sparing) cx_done(c, down);
    return y;
}

static void want(tensor *t) {
    t->wants_grad = true;
    t->grad = mem_new((size_t)tensor_count(t), sizeof(float));
}

static void drop(tensor *t) {
    free(t->data);
    free(t->grad);
}

static net *net_new(bool input_grad) {
    net *n = mem_new(1, sizeof *n);
    n->x = random_tensor(N, D, 1);
    if (input_grad) want(&n->x);
    for (int i = 0; i < LAYERS; i++) {
        layer *l = &n->layers[i];
        uint64_t s = 10 * (uint64_t)(i + 1);
        *l = (layer){random_tensor(1, D, s), random_tensor(F, D, s + 1), random_tensor(F, D, s + 2), random_tensor(D, F, s + 3), false};
        want(&l->gain), want(&l->gate), want(&l->up), want(&l->down);
    }
    for (int r = 0; r < N; r++) n->label[r] = r % D, n->weight[r] = 0.1f;
    n->y = mem_new(N * D, sizeof *n->y);
    n->passes = 1, n->depth = LAYERS;
    return n;
}

static void net_free(net *n) {
    drop(&n->x);
    for (int i = 0; i < LAYERS; i++) {
        layer *l = &n->layers[i];
        drop(&l->gain), drop(&l->gate), drop(&l->up), drop(&l->down);
    }
    free(n->y);
    free(n);
}

static tensor *net_layers(cx *c, net *n) {
    tensor *x = &n->x;
    for (int i = 0; i < n->depth; i++) x = cx_block(c, mlp_block, &n->layers[n->shared ? 0 : i], x);
    if (c->mode == CX_RUN) memcpy(n->y, x->data, tensor_size(x));
    n->left = c->mem->used;
    return x;
}

static void infer(cx *c, void *arg) { net_layers(c, arg); }

static void train(cx *c, void *arg) {
    net *n = arg;
    tape t = {0};
    c->tape = &t;
    for (int i = 0; i < n->passes; i++) {
        cx_mark mark = cx_here(c);
        tensor *y = net_layers(c, n);
        tape_backward(c, op_xent(c, y, n->label, n->weight, N), 1.0f);
        assert_int_equal(t.count, 0);
        cx_release(c, mark);
    }
    if (c->recompute) assert_true(t.capacity < 32); /* a replay's nodes are dropped after it */
    tape_free(&t);
}

static void check_same_gradients(const net *a, const net *b) {
    check_same_bits(a->y, b->y, N * D, "values");
    if (a->x.grad) check_same_bits(a->x.grad, b->x.grad, N * D, "gradient of the input");
    for (int i = 0; i < LAYERS; i++) {
        const layer *p = &a->layers[i], *q = &b->layers[i];
        check_same_bits(p->gain.grad, q->gain.grad, D, "gain");
        check_same_bits(p->gate.grad, q->gate.grad, F * D, "gate");
        check_same_bits(p->up.grad, q->up.grad, F * D, "up");
        check_same_bits(p->down.grad, q->down.grad, D * F, "down");
    }
}

/* ---- claims ---- */

static void replayed_gradients_are_the_plain_ones(void **state) {
    const kernels *tables[TABLES_MAX];
    int count = kernel_tables(tables);
    pool *team = pool_new(2);
    (void)state;
    for (int t = 0; t < count; t++)
        for (int variant = 0; variant < 4; variant++) {
            net *plain = net_new(variant & 1), *replayed = net_new(variant & 1);
            plain->shared = replayed->shared = variant & 2;
            size_t all = run_measured((cx){.k = tables[t], .pool = team}, train, plain);
            size_t less = run_measured((cx){.k = tables[t], .pool = team, .recompute = true}, train, replayed);
            check_same_gradients(plain, replayed);
            assert_true(less < all * 2 / 3);
            net_free(plain);
            net_free(replayed);
        }
    pool_free(team);
}

static void values_given_up_change_no_gradient(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++)
        for (int variant = 0; variant < 4; variant++) {
            net *plain = net_new(variant & 1), *sparing = net_new(variant & 1);
            plain->shared = sparing->shared = variant & 2;
            for (int i = 0; i < LAYERS; i++) sparing->layers[i].sparing = true;
            size_t all = run_measured((cx){.k = &kernels_generic, .recompute = recompute}, train, plain);
            size_t less = run_measured((cx){.k = &kernels_generic, .recompute = recompute}, train, sparing);
            check_same_gradients(plain, sparing);
            assert_true(less < all);
            net_free(plain);
            net_free(sparing);
        }
}

/* Of a layer the values that its backward pass reads stay until then; gradients and what can be made again take no room that grows. */
static void a_deeper_chain_takes_no_gradient_a_layer(void **state) {
    (void)state;
    const size_t row_block = N * D * sizeof(float), wide = N * F * sizeof(float);
    for (int sparing = 0; sparing < 2; sparing++) {
        size_t peak[2];
        for (int deep = 0; deep < 2; deep++) {
            net *n = net_new(false);
            n->shared = true, n->layers[0].sparing = sparing;
            n->depth = deep ? 24 : 8;
            peak[deep] = run_measured((cx){.k = &kernels_generic}, train, n);
            net_free(n);
        }
        assert_int_equal(peak[1] - peak[0], 16 * (sparing ? row_block + 2 * wide : 3 * row_block + 3 * wide));
    }
}

static void inference_frees_the_scratch_of_a_block(void **state) {
    (void)state;
    net *n = net_new(false), *kept = net_new(false);
    size_t row_block = N * D * sizeof(float);
    size_t peak = run_measured((cx){.k = &kernels_generic}, infer, n);
    assert_int_equal(n->left, LAYERS * row_block); /* the outputs alone: 64-byte multiples by choice of N and D */
    run_measured((cx){.k = &kernels_generic}, train, kept);
    assert_true(peak < kept->left / 2);
    check_same_bits(n->y, kept->y, N * D, "values with and without a tape");
    net_free(n);
    net_free(kept);
}

static void gradients_of_several_passes_add_up(void **state) {
    (void)state;
    net *once = net_new(true), *thrice = net_new(true);
    thrice->passes = 3;
    run_measured((cx){.k = &kernels_generic}, train, once);
    run_measured((cx){.k = &kernels_generic}, train, thrice);
    for (int i = 0; i < N * D; i++) {
        float one = once->x.grad[i], three = thrice->x.grad[i];
        assert_true(three - 3.0f * one < 1e-5f && 3.0f * one - three < 1e-5f);
    }
    net_free(once);
    net_free(thrice);
}

/* Gradients by x of a loss of x + x or 2 x, in an arena full of NaN: what was not set is seen. */
static void grad_of_twice(float grad[12], bool add) {
    static const int label[] = {1, 3, 0};
    static const float weight[] = {1, 1, 1};
    float data[12];
    for (int i = 0; i < 12; i++) data[i] = (float)(i * 5 % 7), grad[i] = 0;
    tensor x = tensor_make(DT_F32, 2, (int64_t[]){3, 4}, data);
    x.grad = grad, x.wants_grad = true;
    arena mem;
    tape tp = {0};
    assert_int_equal(arena_open(&mem, 1 << 16, "the test"), LMM_OK);
    memset(mem.base, 0xff, mem.capacity);
    cx c = {.mem = &mem, .tape = &tp, .k = &kernels_generic};
    tensor *h = op_scale(&c, &x, 1.0f), *y = add ? op_add(&c, h, h) : op_scale(&c, h, 2.0f);
    tape_backward(&c, op_xent(&c, y, label, weight, 3), 1.0f);
    cx_free(&c);
    tape_free(&tp);
    arena_close(&mem);
}

static void an_input_that_comes_twice_gets_both_gradients(void **state) {
    (void)state;
    float added[12], scaled[12];
    grad_of_twice(added, true);
    grad_of_twice(scaled, false);
    check_same_bits(added, scaled, 12, "x + x and 2 x");
}

static void frozen_parameters_cost_nothing_and_change_nothing_else(void **state) {
    (void)state;
    net *all = net_new(false), *some = net_new(false);
    for (int i = 0; i < 2; i++) {
        layer *l = &some->layers[i];
        l->gain.wants_grad = l->gate.wants_grad = l->up.wants_grad = l->down.wants_grad = false;
    }
    size_t more = run_measured((cx){.k = &kernels_generic}, train, all), less = run_measured((cx){.k = &kernels_generic}, train, some);
    assert_true(less < more);
    for (int i = 2; i < LAYERS; i++) check_same_bits(some->layers[i].gate.grad, all->layers[i].gate.grad, F * D, "gate");
    for (int i = 0; i < F * D; i++) assert_true(some->layers[0].gate.grad[i] == 0.0f);
    net_free(all);
    net_free(some);
}

typedef struct {
    int count;
    char last[32];
} trace_log;

static void count_trace(void *arg, const char *name, const tensor *t) {
    trace_log *l = arg;
    assert_int_equal(tensor_count(t), N * D);
    l->count++;
    snprintf(l->last, sizeof l->last, "%s", name);
}

static void the_tracer_sees_every_tensor_once_even_with_replay(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        trace_log log = {0};
        net *n = net_new(true);
        run_measured((cx){.k = &kernels_generic, .recompute = recompute, .trace = count_trace, .trace_arg = &log}, train, n);
        assert_int_equal(log.count, LAYERS);
        assert_string_equal(log.last, "norm");
        net_free(n);
    }
}

static void measure_counts_the_same_operations_as_run(void **state) {
    (void)state;
    for (int recompute = 0; recompute < 2; recompute++) {
        double flops[2];
        for (int mode = 0; mode < 2; mode++) {
            net *n = net_new(true);
            arena mem = {0};
            if (mode == CX_RUN) assert_int_equal(arena_open(&mem, 4 << 20, "test"), LMM_OK);
            cx c = {.mode = (cx_mode)mode, .mem = &mem, .k = &kernels_generic, .recompute = recompute};
            train(&c, n);
            flops[mode] = c.flops;
            cx_free(&c);
            if (mode == CX_RUN) arena_close(&mem);
            net_free(n);
        }
        assert_true(flops[0] == flops[1] && flops[0] == LAYERS * 3 * 2.0 * N * D * F);
    }
}

static void what_the_loss_does_not_need_gets_no_gradient(void **state) {
    (void)state;
    net *n = net_new(false);
    arena mem;
    tape t = {0};
    assert_int_equal(arena_open(&mem, 1 << 20, "test"), LMM_OK);
    cx c = {.mem = &mem, .tape = &t, .k = &kernels_generic};
    tensor *used = op_linear(&c, &n->x, &n->layers[0].gate, NULL), *unused = op_linear(&c, &n->x, &n->layers[0].up, NULL);
    tape_backward(&c, op_xent(&c, used, n->label, n->weight, N), 1.0f);
    assert_false(unused->grad_counted);
    float most = 0;
    for (int i = 0; i < F * D; i++) {
        most = fmaxf(most, n->layers[0].gate.grad[i]);
        assert_true(n->layers[0].up.grad[i] == 0.0f);
    }
    assert_true(used->grad_counted && most > 0);
    tape_free(&t);
    cx_free(&c);
    arena_close(&mem);
    net_free(n);
}

/* Tensor heads must stay where they are while the slab grows, and come back zeroed after a release. */
static void slab_addresses_are_stable_and_reused(void **state) {
    (void)state;
    slab s = {0};
    enum { COUNT = 3000 };
    static unsigned char *at[COUNT];
    slab_mark start = slab_here(&s);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            unsigned char *p = slab_alloc(&s, 100);
            if (round) assert_ptr_equal(p, at[i]);
            for (int j = 0; j < 100; j++) assert_int_equal(p[j], 0);
            memset(p, i & 0xff, 100);
            at[i] = p;
        }
        for (int i = 0; i < COUNT; i++) assert_int_equal(at[i][99], i & 0xff);
        slab_release(&s, start);
    }
    assert_non_null(slab_alloc(&s, 1 << 20)); /* larger than a chunk */
    slab_free(&s);
}

static void a_view_shares_data_under_another_shape(void **state) {
    (void)state;
    arena mem;
    assert_int_equal(arena_open(&mem, 1 << 16, "test"), LMM_OK);
    cx c = {.mem = &mem, .k = &kernels_generic};
    tensor *t = cx_new2(&c, 6, 4), *v = cx_view(&c, t, 3, (int64_t[]){2, 3, 4});
    assert_ptr_equal(t->data, v->data);
    assert_true(v->nd == 3 && tensor_rows(v) == 6 && tensor_cols(v) == 4);
    char text[96];
    assert_string_equal(tensor_shape_text(text, v), "(2,3,4)");
    cx_free(&c);
    arena_close(&mem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replayed_gradients_are_the_plain_ones),
        cmocka_unit_test(values_given_up_change_no_gradient),
        cmocka_unit_test(a_deeper_chain_takes_no_gradient_a_layer),
        cmocka_unit_test(inference_frees_the_scratch_of_a_block),
        cmocka_unit_test(gradients_of_several_passes_add_up),
        cmocka_unit_test(an_input_that_comes_twice_gets_both_gradients),
        cmocka_unit_test(frozen_parameters_cost_nothing_and_change_nothing_else),
        cmocka_unit_test(the_tracer_sees_every_tensor_once_even_with_replay),
        cmocka_unit_test(measure_counts_the_same_operations_as_run),
        cmocka_unit_test(what_the_loss_does_not_need_gets_no_gradient),
        cmocka_unit_test(slab_addresses_are_stable_and_reused),
        cmocka_unit_test(a_view_shares_data_under_another_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
