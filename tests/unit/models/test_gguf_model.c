/* test_gguf_model.c - a small Llama as GGUF, written here: its config, its tied head, q and k rows put back, what is not supported named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "models/models.h"

enum { WIDTH = 8, HEADS = 2, KEY_HEADS = 1, MLP = 12, VOCAB = 5 };

typedef struct {
    buf keys, tensors, data;
    int key_count, tensor_count;
} writer;

static void put_u32(buf *b, uint32_t n) { buf_put(b, &n, sizeof n); }
static void put_u64(buf *b, uint64_t n) { buf_put(b, &n, sizeof n); }
static void put_text(buf *b, const char *s) {
    put_u64(b, strlen(s));
    buf_puts(b, s);
}
static void key_text(writer *w, const char *key, const char *text) {
    put_text(&w->keys, key), put_u32(&w->keys, GGUF_STRING), put_text(&w->keys, text);
    w->key_count++;
}
static void key_int(writer *w, const char *key, uint32_t n) {
    put_text(&w->keys, key), put_u32(&w->keys, GGUF_U32), put_u32(&w->keys, n);
    w->key_count++;
}
static void key_real(writer *w, const char *key, float x) {
    put_text(&w->keys, key), put_u32(&w->keys, GGUF_F32), buf_put(&w->keys, &x, sizeof x);
    w->key_count++;
}

/* Value i of a tensor is i; columns 0: a vector. */
static void add(writer *w, const char *name, int rows, int cols) {
    while (w->data.size % 32) buf_putc(&w->data, 0);
    put_text(&w->tensors, name);
    put_u32(&w->tensors, cols ? 2 : 1);
    if (cols) put_u64(&w->tensors, (uint64_t)cols);
    put_u64(&w->tensors, (uint64_t)rows);
    put_u32(&w->tensors, 0);
    put_u64(&w->tensors, w->data.size);
    for (int i = 0; i < rows * (cols ? cols : 1); i++) {
        float x = (float)i;
        buf_put(&w->data, &x, sizeof x);
    }
    w->tensor_count++;
}

static void describe(writer *w, const char *arch) {
    key_text(w, "general.architecture", arch);
    key_int(w, "llama.embedding_length", WIDTH);
    key_int(w, "llama.block_count", 1);
    key_int(w, "llama.feed_forward_length", MLP);
    key_int(w, "llama.context_length", 64);
    key_int(w, "llama.attention.head_count", HEADS);
    key_int(w, "llama.attention.head_count_kv", KEY_HEADS);
    key_real(w, "llama.attention.layer_norm_rms_epsilon", 0.25f);
    key_real(w, "llama.rope.freq_base", 5000.0f);
}

static void add_tensors(writer *w) {
    int d = WIDTH / HEADS;
    add(w, "token_embd.weight", VOCAB, WIDTH), add(w, "output_norm.weight", WIDTH, 0);
    add(w, "blk.0.attn_norm.weight", WIDTH, 0), add(w, "blk.0.ffn_norm.weight", WIDTH, 0);
    add(w, "blk.0.attn_q.weight", WIDTH, WIDTH), add(w, "blk.0.attn_k.weight", KEY_HEADS * d, WIDTH),
        add(w, "blk.0.attn_v.weight", KEY_HEADS * d, WIDTH);
    add(w, "blk.0.attn_output.weight", WIDTH, WIDTH), add(w, "blk.0.ffn_gate.weight", MLP, WIDTH),
        add(w, "blk.0.ffn_up.weight", MLP, WIDTH);
    add(w, "blk.0.ffn_down.weight", WIDTH, MLP);
}

static char path[] = "/tmp/test-gguf-model-XXXXXX";

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    return fd < 0;
}

static int drop_file(void **state) {
    (void)state;
    return unlink(path);
}

static void save(writer *w) {
    buf b = {0};
    buf_puts(&b, "GGUF"), put_u32(&b, 3), put_u64(&b, (uint64_t)w->tensor_count), put_u64(&b, (uint64_t)w->key_count);
    buf_put(&b, w->keys.data, w->keys.size);
    if (w->tensors.size) buf_put(&b, w->tensors.data, w->tensors.size);
    while (b.size % 32) buf_putc(&b, 0);
    if (w->data.size) buf_put(&b, w->data.data, w->data.size);
    assert_int_equal(file_write(path, b.data, b.size), LMM_OK);
    buf_free(&b);
    buf_free(&w->keys);
    buf_free(&w->tensors);
    buf_free(&w->data);
}

static void a_small_llama_is_bound(void **unused) {
    (void)unused;
    writer w = {0};
    net *n;
    describe(&w, "llama"), add_tensors(&w), add(&w, "rope_freqs.weight", 2, 0);
    ((float *)(void *)(w.data.data + w.data.size))[-2] = 4.0f; /* a factor of 0 is refused: 0, 1 -> 4, 1 */
    save(&w);
    if (net_open(&n, path)) fail_msg("%s", lmm_message());
    const decoder_config *c = &n->dec.config;
    assert_true(c->hidden == WIDTH && c->layer_count == 1 && c->head_count == HEADS && c->kv_head_count == KEY_HEADS && c->head_dim == 4 &&
                c->mlp == MLP);
    assert_true(c->vocab == VOCAB && c->context == 64 && c->eps == 0.25f && c->rope.theta == 5000.0 && c->tied &&
                n->dec.head == n->dec.embed);
    assert_true(c->rope.factors && c->rope.factors[0] == 4.0f);
    assert_true(n->dec.layers[0].q.w->woven == HEADS && n->dec.layers[0].k.w->woven == KEY_HEADS && !n->dec.layers[0].v.w->woven);
    assert_int_equal(param_own(param_find(&n->params, "llm.layers.0.self_attn.q_proj.weight"), false), LMM_OK);
    assert_int_equal(param_own(param_find(&n->params, "llm.layers.0.self_attn.k_proj.weight"), false), LMM_OK);
    /* Rows of a head of four: first of both pairs, second of both pairs. */
    static const int from[WIDTH] = {0, 2, 1, 3, 4, 6, 5, 7};
    for (int r = 0; r < WIDTH; r++) assert_true(tensor_f32(n->dec.layers[0].q.w)[r * WIDTH] == (float)(from[r] * WIDTH));
    for (int r = 0; r < 4; r++) assert_true(tensor_f32(n->dec.layers[0].k.w)[r * WIDTH] == (float)(from[r] * WIDTH));
    for (int r = 0; r < 4; r++) assert_true(tensor_f32(n->dec.layers[0].v.w)[r * WIDTH] == (float)(r * WIDTH));
    assert_string_equal(param_find(&n->params, "llm.layers.0.mlp.up_proj.weight")->key, "model.layers.0.mlp.up_proj.weight");
    net_free(n);
}

static void refuse(writer *w, const char *why) {
    net *n;
    save(w);
    if (!net_open(&n, path)) fail_msg("opened, should say: %s", why);
    if (!strstr(lmm_message(), why)) fail_msg("says '%s', should say: %s", lmm_message(), why);
}

static void what_is_not_supported_is_named(void **unused) {
    (void)unused;
    writer w = {0};
    describe(&w, "rwkv6"), add_tensors(&w);
    refuse(&w, "the architecture 'rwkv6' is not known in GGUF files (known: llama, qwen2, qwen3)");
    w = (writer){0}, describe(&w, "llama"), key_int(&w, "llama.expert_count", 8), add_tensors(&w);
    refuse(&w, "mixture of experts");
    w = (writer){0}, describe(&w, "llama"), key_int(&w, "split.count", 3), add_tensors(&w);
    refuse(&w, "one of 3 parts");
    w = (writer){0}, describe(&w, "llama"), key_int(&w, "llama.rope.dimension_count", 2), add_tensors(&w);
    refuse(&w, "heads of 4 values with 2 turned");
    w = (writer){0}, describe(&w, "llama"), add(&w, "token_embd.weight", VOCAB, WIDTH);
    refuse(&w, "is missing in");
    w = (writer){0}, key_text(&w, "general.architecture", "llama"), add(&w, "token_embd.weight", VOCAB, WIDTH);
    refuse(&w, "metadata 'llama.embedding_length' is missing");
    w = (writer){0}, describe(&w, "llama"), add_tensors(&w), add(&w, "rope_freqs.weight", 3, 0);
    refuse(&w, "needs 2 values");
}

static void a_file_without_tensors_is_a_vocabulary(void **unused) {
    (void)unused;
    writer w = {0};
    net *n;
    describe(&w, "llama");
    save(&w);
    assert_int_equal(net_open(&n, path), LMM_OK);
    assert_true(!n->has_decoder && !strcmp(n->arch->name, "vocabulary"));
    net_free(n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_llama_is_bound),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(a_file_without_tensors_is_a_vocabulary),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
