/* test_asked.c - the decoder's last layer computes the rows that a loss asks for alone: the loss keeps its bits, the gradients their values. */
#include <math.h>

#include "run_util.h"
#include "train/train_int.h"

/* A picture-like prefix of 5 rows and two answers that see it, labelled from their second and third row on; then a sample of its own without a label. */
static void fill_batch(batch *b) {
    static const int labels[] = {-1, -1, -1, -1, -1, -1, 3, 4, -1, -1, -1, 5, -1, 6, -1, -1};
    static const attn_seg segs[] = {{.q_first = 0, .q_count = 5, .key_first = 0, .key_count = 5},
                                    {.q_first = 5, .q_count = 4, .prefix_count = 5, .key_first = 5, .key_count = 4},
                                    {.q_first = 9, .q_count = 5, .prefix_count = 5, .key_first = 9, .key_count = 5},
                                    {.q_first = 14, .q_count = 2, .key_first = 14, .key_count = 2}};
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        VEC_PUSH(&b->ids, (int)(i * 7 % 11));
        VEC_PUSH(&b->position, (int)i % 6);
        VEC_PUSH(&b->label, labels[i]);
        VEC_PUSH(&b->weight, 0.25f);
    }
    for (size_t i = 0; i < COUNT_OF(segs); i++) VEC_PUSH(&b->segs, segs[i]);
    b->rows = (int)COUNT_OF(labels);
}

/* The loss with every row asked for. */
static tensor *whole_loss(cx *c, const net *n, const batch *b) {
    decoder_rows *rows = slab_alloc(&c->meta, sizeof *rows);
    *rows = (decoder_rows){.n = b->rows, .position = b->position.at, .segs = b->segs.at, .seg_count = b->segs.count};
    tensor *h = decoder_forward(c, &n->dec, net_embed(c, n, b->ids.at, b->rows, NULL), rows);
    return op_linear_xent(c, h, n->dec.head, b->label.at, b->weight.at, b->rows, NULL);
}

static float loss_and_gradients(net *n, const batch *b, bool recompute, tensor *(*loss_of)(cx *, const net *, const batch *)) {
    tape tp = {0};
    arena mem;
    OK(arena_open(&mem, 1 << 22, "the test"));
    cx c = {.mem = &mem, .tape = &tp, .recompute = recompute, .k = kernels_pick(NULL)};
    for (int i = 0; i < n->params.list.count; i++) {
        tensor *t = &n->params.list.at[i]->t;
        memset(t->grad, 0, (size_t)tensor_count(t) * sizeof *t->grad);
    }
    tensor *loss = loss_of(&c, n, b);
    tape_backward(&c, loss, 1.0f);
    float value = tensor_f32(loss)[0];
    cx_free(&c);
    tape_free(&tp);
    arena_close(&mem);
    return value;
}

static void rows_nobody_asks_for_change_no_gradient(void **state) {
    static const char config[] =
        "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 32, \"intermediate_size\": "
        "48, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 11, "
        "\"max_position_embeddings\": 16}";
    tree *t;
    net *n;
    batch b = {0};
    (void)state;
    OK(tree_parse_json(&t, config, strlen(config), "config"));
    OK(net_new(&n, t, NULL, &(net_start){.seed = 1}, "config"));
    for (int i = 0; i < n->params.list.count; i++) OK(param_own(n->params.list.at[i], true));
    fill_batch(&b);
    for (int recompute = 0; recompute < 2; recompute++) {
        const float whole = loss_and_gradients(n, &b, recompute, whole_loss);
        float *grads[64];
        assert_true(n->params.list.count <= 64);
        for (int i = 0; i < n->params.list.count; i++) {
            const tensor *p = &n->params.list.at[i]->t;
            grads[i] = mem_new((size_t)tensor_count(p), sizeof(float));
            memcpy(grads[i], p->grad, (size_t)tensor_count(p) * sizeof(float));
        }
        assert_true(loss_and_gradients(n, &b, recompute, sft_loss) == whole);
        for (int i = 0; i < n->params.list.count; i++) {
            const tensor *p = &n->params.list.at[i]->t;
            float most = 0;
            for (int64_t k = 0; k < tensor_count(p); k++) most = fmaxf(most, fabsf(grads[i][k]));
            /* the queries' part of a row's gradient is a sum of its own now: some chains of 32 to 48 products end in other last bits of 2^-24 */
            for (int64_t k = 0; k < tensor_count(p); k++) assert_true(fabsf(p->grad[k] - grads[i][k]) <= 3e-6f * most);
            free(grads[i]);
        }
    }
    batch_free(&b);
    net_free(n);
    tree_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_nobody_asks_for_change_no_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
