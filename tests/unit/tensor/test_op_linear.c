/* test_op_linear.c - weights whose heads are woven give the bits of the same weights in plain order. */
#include "tensor_test.h"

#include <math.h>

enum { HEADS = 3, HALF = 4, OUT = HEADS * 2 * HALF, IN = 64, ROWS = 37 };
static const kernels *tables[TABLES_MAX];
static int table_count;

static int find_tables(void **state) {
    (void)state;
    table_count = kernel_tables(tables);
    return 0;
}

typedef struct {
    tensor x, w, b;
    float *y;
} job;

static void forward(cx *c, void *arg) {
    job *j = arg;
    tensor *y = op_linear(c, &j->x, &j->w, &j->b);
    if (c->mode == CX_RUN) memcpy(j->y, y->data, tensor_size(y));
}

static void backward(cx *c, void *arg) {
    job *j = arg;
    tape t = {0};
    c->tape = &t;
    int label[ROWS];
    float weight[ROWS];
    for (int r = 0; r < ROWS; r++) label[r] = r % OUT, weight[r] = 1;
    tape_backward(c, op_xent(c, op_linear(c, &j->x, &j->w, &j->b), label, weight, ROWS), 1);
    tape_free(&t);
}

/* The bytes of w in `type`: woven, and straight again. */
static void *encoded(tensor *t, dtype type, const float *values) {
    char *bytes = mem_new(OUT, dtype_bytes(type, IN));
    *t = tensor_make(type, 2, (int64_t[]){OUT, IN}, bytes);
    kernel_encode(bytes, values, dtype_kernel(type), OUT * IN);
    t->woven = HEADS;
    return bytes;
}

static void woven_weights_give_the_bits_of_plain_ones(void **state) {
    (void)state;
    static const dtype types[] = {DT_F32, DT_BF16, DT_Q4_0, DT_Q8_0};
    tensor values = random_tensor(OUT, IN, 1), x = random_tensor(ROWS, IN, 2), bias = random_tensor(1, OUT, 3);
    for (int t = 0; t < table_count; t++)
        for (size_t i = 0; i < COUNT_OF(types); i++)
            for (int digits = 0; digits < 3; digits++) {
                float y[2][ROWS * OUT];
                cx start = {.k = tables[t], .digits = digits};
                job j = {.x = x, .b = bias, .y = y[0]};
                void *woven = encoded(&j.w, types[i], values.data), *plain;
                run_measured(start, forward, &j);
                assert_int_equal(tensor_straighten(&j.w, &plain, "w"), LMM_OK);
                assert_int_equal(j.w.woven, 0);
                j.y = y[1];
                run_measured(start, forward, &j);
                check_same_bits(y[0], y[1], ROWS * OUT, dtype_name(types[i]));
                free(woven);
                free(plain);
            }
    free(values.data);
    free(x.data);
    free(bias.data);
}

static void straight_rows_are_the_first_of_all_pairs_then_the_second(void **state) {
    (void)state;
    float rows[OUT];
    for (int r = 0; r < OUT; r++) rows[r] = (float)r;
    tensor t = tensor_make(DT_F32, 2, (int64_t[]){OUT, 1}, rows);
    t.woven = HEADS;
    void *copy;
    assert_int_equal(tensor_straighten(&t, &copy, "t"), LMM_OK);
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < HALF; i++) {
            const float *head = tensor_f32(&t) + h * 2 * HALF;
            assert_true(head[i] == (float)(h * 2 * HALF + 2 * i) && head[HALF + i] == head[i] + 1);
        }
    free(copy);
}

static void gradients_of_the_input_agree(void **state) {
    (void)state;
    tensor values = random_tensor(OUT, IN, 1), x = random_tensor(ROWS, IN, 2), bias = random_tensor(1, OUT, 3);
    float grad[2][ROWS * IN] = {{0}}, bias_grad[2][OUT] = {{0}};
    x.wants_grad = bias.wants_grad = true;
    job j = {.x = x, .b = bias};
    void *woven = encoded(&j.w, DT_Q8_0, values.data), *plain;
    for (int i = 0; i < 2; i++) {
        j.x.grad = grad[i];
        j.b.grad = bias_grad[i];
        run_measured((cx){.k = tables[0]}, backward, &j);
        if (!i) assert_int_equal(tensor_straighten(&j.w, &plain, "w"), LMM_OK);
    }
    /* sums over the outputs, in the file's order: 24 terms below 1 in another order differ by at most 24 * 24 roundings of 2^-24 */
    for (int i = 0; i < ROWS * IN; i++) assert_true(fabsf(grad[0][i] - grad[1][i]) < 4e-5f);
    check_same_bits(bias_grad[0], bias_grad[1], OUT, "bias");
    assert_true(grad[0][0] != 0 && bias_grad[0][0] != 0);
    free(woven);
    free(plain);
    free(values.data);
    free(x.data);
    free(bias.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(woven_weights_give_the_bits_of_plain_ones),
        cmocka_unit_test(straight_rows_are_the_first_of_all_pairs_then_the_second),
        cmocka_unit_test(gradients_of_the_input_agree),
    };
    return cmocka_run_group_tests(tests, find_tables, NULL);
}
