/* test_op_attn.c - attention over a KV cache: prefill whole, in pieces and row by row, sequences together and alone, and a shared prefix
 * instead of its copies all give the same bits, for every kernel table. */
#include "tensor_test.h"

#include <math.h>

enum { N = 75, H = 4, K = 2, D = 8, CACHE = N + 13 };
static const kernels *tables[TABLES_MAX];
static int table_count;
static pool *team;

typedef struct {
    tensor q, k, v;      /* N rows */
    tensor keys, values; /* caches; rows not stored yet are NaN */
    const int *piece;    /* piece lengths, 0 at the end */
    int window;
    float *out; /* N rows */
} sequence;

static sequence sequence_make(uint64_t stream) {
    sequence s = {random_tensor(N, H * D, stream), random_tensor(N, K * D, stream + 1), random_tensor(N, K * D, stream + 2),
                  random_tensor(CACHE, K * D, 0),  random_tensor(CACHE, K * D, 0),      .out = mem_new(N * H * D, sizeof(float))};
    return s;
}

static void sequence_free(sequence *s) {
    free(s->q.data);
    free(s->k.data);
    free(s->v.data);
    free(s->keys.data);
    free(s->values.data);
    free(s->out);
}

static tensor rows_of(const tensor *t, int first, int count) {
    int64_t cols = tensor_cols(t);
    return tensor_make(DT_F32, 2, (int64_t[]){count, cols}, tensor_f32(t) + first * cols);
}

static attn_spec spec_make(const attn_seg *segs, int count, int window) {
    return (attn_spec){.head_count = H,
                       .kv_head_count = K,
                       .head_dim = D,
                       .scale = 0.35f,
                       .causal = true,
                       .window = window,
                       .segs = segs,
                       .seg_count = count};
}

/* What a decoder layer does: store the new rows' keys and values, then attend over all that is stored. */
static void prefill(cx *c, void *arg) {
    sequence *s = arg;
    if (c->mode == CX_RUN) {
        for (int i = 0; i < CACHE * K * D; i++) tensor_f32(&s->keys)[i] = tensor_f32(&s->values)[i] = NAN;
        memset(s->out, 0, N * H * D * sizeof(float));
    }
    for (int i = 0, at = 0; s->piece[i]; at += s->piece[i++]) {
        int n = s->piece[i];
        tensor q = rows_of(&s->q, at, n);
        op_rows_store(c, &s->keys, at, &s->k, at, n);
        op_rows_store(c, &s->values, at, &s->v, at, n);
        attn_spec spec = spec_make(&(attn_seg){.q_count = n, .key_count = at + n, .keys = &s->keys, .values = &s->values}, 1, s->window);
        tensor *y = op_attn(c, &q, &s->k, &s->v, &spec);
        if (c->mode == CX_RUN) memcpy(s->out + at * H * D, y->data, tensor_size(y));
    }
}

static void prefill_whole_in_pieces_and_row_by_row_agree(void **state) {
    static const int whole[] = {N, 0}, pieces[] = {32, 43, 0}, odd[] = {1, 7, 33, 31, 3, 0}, window[] = {0, 9};
    int single[N + 1] = {0};
    (void)state;
    for (int i = 0; i < N; i++) single[i] = 1;
    const int *const cut[] = {pieces, odd, single};
    for (int t = 0; t < table_count; t++)
        for (int w = 0; w < 2; w++) {
            cx start = {.k = tables[t], .pool = team};
            sequence s = sequence_make(1);
            s.window = window[w];
            s.piece = whole;
            run_measured(start, prefill, &s);
            float *want = s.out;
            s.out = mem_new(N * H * D, sizeof *s.out);
            for (size_t i = 0; i < COUNT_OF(cut); i++) {
                s.piece = cut[i];
                run_measured(start, prefill, &s);
                check_same_bits(s.out, want, N * H * D, tables[t]->name);
            }
            free(want);
            sequence_free(&s);
        }
}

static void attention_without_a_cache_agrees_with_one(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        sequence s = sequence_make(1);
        s.piece = (const int[]){N, 0};
        run_measured((cx){.k = tables[t], .pool = team}, prefill, &s);
        arena mem;
        assert_int_equal(arena_open(&mem, 1 << 20, "test"), LMM_OK);
        cx c = {.mem = &mem, .k = tables[t]};
        attn_spec spec = spec_make(&(attn_seg){.q_count = N, .key_count = N}, 1, 0);
        check_same_bits(tensor_f32(op_attn(&c, &s.q, &s.k, &s.v, &spec)), s.out, N * H * D, tables[t]->name);
        cx_free(&c);
        arena_close(&mem);
        sequence_free(&s);
    }
}

/* One step of three sequences of different lengths at once, as the server batches them. */
enum { SEQUENCES = 3 };
typedef struct {
    sequence *s;
    tensor q;
    float out[SEQUENCES][H * D];
} step;
static const int lengths[SEQUENCES] = {N, 5, 41};

static void decode_together(cx *c, void *arg) {
    step *p = arg;
    attn_seg segs[SEQUENCES];
    for (int i = 0; i < SEQUENCES; i++) {
        memcpy(tensor_f32(&p->q) + i * H * D, tensor_f32(&p->s[i].q) + (lengths[i] - 1) * H * D, H * D * sizeof(float));
        segs[i] = (attn_seg){.q_first = i, .q_count = 1, .key_count = lengths[i], .keys = &p->s[i].keys, .values = &p->s[i].values};
    }
    attn_spec spec = spec_make(segs, SEQUENCES, 0);
    tensor *y = op_attn(c, &p->q, &p->s[0].k, &p->s[0].v, &spec);
    if (c->mode == CX_RUN) memcpy(p->out, y->data, tensor_size(y));
}

static void sequences_decoded_together_agree_with_each_alone(void **state) {
    (void)state;
    for (int t = 0; t < table_count; t++) {
        cx start = {.k = tables[t], .pool = team};
        sequence s[SEQUENCES];
        step p = {s, random_tensor(SEQUENCES, H * D, 0), {{0}}};
        for (int i = 0; i < SEQUENCES; i++) {
            s[i] = sequence_make(10 * (uint64_t)i);
            s[i].piece = (const int[]){N, 0};
            run_measured(start, prefill, &s[i]);
        }
        run_measured(start, decode_together, &p);
        for (int i = 0; i < SEQUENCES; i++) check_same_bits(p.out[i], s[i].out + (lengths[i] - 1) * H * D, H * D, tables[t]->name);
        for (int i = 0; i < SEQUENCES; i++) sequence_free(&s[i]);
        free(p.q.data);
    }
}

/* Rows 0..P-1 are a prefix, A rows continue it, B rows continue it in another way. */
enum { P = 21, A = 37, B = N - P - A };

static void attend(cx *c, const tensor *q, const tensor *k, const tensor *v, const attn_seg *segs, int count, int window, float *out) {
    attn_spec spec = spec_make(segs, count, window);
    tensor *y = op_attn(c, (tensor *)(uintptr_t)q, (tensor *)(uintptr_t)k, (tensor *)(uintptr_t)v, &spec);
    memcpy(out, y->data, tensor_size(y));
}

static void a_shared_prefix_agrees_with_the_sequence_unpacked(void **state) {
    static const attn_seg packed[] = {{.q_count = P, .key_count = P},
                                      {.q_first = P, .q_count = A, .prefix_count = P, .key_first = P, .key_count = A},
                                      {.q_first = P + A, .q_count = B, .prefix_count = P, .key_first = P + A, .key_count = B}};
    static const attn_seg first = {.q_count = P + A, .key_count = P + A}, second = {.q_count = P + B, .key_count = P + B};
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int window = 0; window <= 30; window += 15) {
            tensor x[3], own[3]; /* packed P A B, and P B alone */
            for (int i = 0; i < 3; i++) {
                int64_t cols = i ? K * D : H * D;
                x[i] = random_tensor(N, cols, 20 + (uint64_t)i);
                own[i] = random_tensor(P + B, cols, 0);
                memcpy(own[i].data, x[i].data, (size_t)(P * cols) * sizeof(float));
                memcpy(tensor_f32(&own[i]) + P * cols, tensor_f32(&x[i]) + (P + A) * cols, (size_t)(B * cols) * sizeof(float));
            }
            arena mem;
            float *together = mem_new(N * H * D, sizeof *together), *alone = mem_new(N * H * D, sizeof *alone);
            assert_int_equal(arena_open(&mem, 1 << 20, "test"), LMM_OK);
            cx c = {.mem = &mem, .k = tables[t], .pool = team};
            attend(&c, &x[0], &x[1], &x[2], packed, 3, window, together);
            tensor q = rows_of(&x[0], 0, P + A);
            attend(&c, &q, &x[1], &x[2], &first, 1, window, alone);
            check_same_bits(together, alone, (P + A) * H * D, "the first continuation");
            attend(&c, &own[0], &own[1], &own[2], &second, 1, window, alone);
            check_same_bits(together + (P + A) * H * D, alone + P * H * D, B * H * D, "the second continuation");
            for (int i = 0; i < 3; i++) free(x[i].data), free(own[i].data);
            free(together);
            free(alone);
            cx_free(&c);
            arena_close(&mem);
        }
}

/* Rounding moves a score by at most 2^-8 of the sum of its products' sizes (8 of them below 1, scaled by 0.35: 0.011), so a probability by 2.3 %, and a value and its
 * probability by 2^-9 once more each: values are below 1. */
static void in_bf16_sequences_together_agree_with_each_alone_and_nearly_with_f32(void **state) {
    static const attn_seg both[] = {{.q_count = A, .key_count = A}, {.q_first = A, .q_count = N - A, .key_first = A, .key_count = N - A}};
    (void)state;
    for (int t = 0; t < table_count; t++)
        for (int window = 0; window <= 9; window += 9) {
            tensor x[3] = {random_tensor(N, H * D, 20), random_tensor(N, K * D, 21), random_tensor(N, K * D, 22)};
            for (int i = 0; i < 3; i++)
                for (int64_t at = 0; at < tensor_count(&x[i]); at++) tensor_f32(&x[i])[at] = sinf(tensor_f32(&x[i])[at]); /* below 1 */
            arena mem;
            float *wide = mem_new(N * H * D, sizeof *wide), *together = mem_new(N * H * D, sizeof *together),
                  *alone = mem_new(N * H * D, sizeof *alone), apart = 0;
            assert_int_equal(arena_open(&mem, 1 << 20, "test"), LMM_OK);
            cx c = {.mem = &mem, .k = tables[t], .pool = team};
            attend(&c, &x[0], &x[1], &x[2], both, 2, window, wide);
            c.bf16 = true;
            attend(&c, &x[0], &x[1], &x[2], both, 2, window, together);
            tensor q = rows_of(&x[0], 0, A);
            attend(&c, &q, &x[1], &x[2], &both[0], 1, window, alone);
            q = rows_of(&x[0], A, N - A);
            attend(&c, &q, &x[1], &x[2], &(attn_seg){.q_count = N - A, .key_first = A, .key_count = N - A}, 1, window, alone + A * H * D);
            check_same_bits(together, alone, N * H * D, tables[t]->name);
            for (int i = 0; i < N * H * D; i++) apart = fmaxf(apart, fabsf(together[i] - wide[i]));
            assert_true(apart > 0 && apart < 0.023f + 0x1p-8f);
            for (int i = 0; i < 3; i++) free(x[i].data);
            free(wide);
            free(together);
            free(alone);
            cx_free(&c);
            arena_close(&mem);
        }
}

static void backward_needs_no_square_buffer(void **state) {
    (void)state;
    enum { LONG = 8192 };
    tape t = {0};
    arena counter = {0};
    cx c = {.mode = CX_MEASURE, .mem = &counter, .tape = &t, .k = &kernels_generic};
    tensor x[3];
    for (int i = 0; i < 3; i++) {
        x[i] = tensor_make(DT_F32, 2, (int64_t[]){LONG, i ? K * D : H * D}, NULL);
        x[i].wants_grad = x[i].grad_counted = true;
    }
    attn_spec spec = spec_make(&(attn_seg){.q_count = LONG, .key_count = LONG}, 1, 0);
    tensor *y = op_attn(&c, &x[0], &x[1], &x[2], &spec);
    int label[LONG] = {0};
    float weight[LONG] = {0};
    tape_backward(&c, op_xent(&c, y, label, weight, LONG), 1.0f);
    assert_true(counter.peak < (size_t)LONG * LONG * sizeof(float) / 16);
    tape_free(&t);
    cx_free(&c);
}

static int open_team(void **state) {
    (void)state;
    table_count = kernel_tables(tables);
    team = pool_new(3);
    return 0;
}

static int close_team(void **state) {
    (void)state;
    pool_free(team);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefill_whole_in_pieces_and_row_by_row_agree),
        cmocka_unit_test(attention_without_a_cache_agrees_with_one),
        cmocka_unit_test(sequences_decoded_together_agree_with_each_alone),
        cmocka_unit_test(a_shared_prefix_agrees_with_the_sequence_unpacked),
        cmocka_unit_test(in_bf16_sequences_together_agree_with_each_alone_and_nearly_with_f32),
        cmocka_unit_test(backward_needs_no_square_buffer),
    };
    return cmocka_run_group_tests(tests, open_team, close_team);
}
