/* random.c - lmm_synth_checkpoint: a GGUF file of a known model's shape with random weights, for measuring and trying out.
 *
 * The network is bound without weights, for names and shapes; values are drawn while they are written, every row from its own stream, so memory
 * stays small whatever the shape. The vocabulary is made up: bytes and words of letters. */
#include <stdlib.h>
#include <string.h>

#include "convert/convert_int.h"

/* ---- shapes ---- */

static const struct {
    const char *name, *type, *class;
    int layers, hidden, heads, kv_heads, mlp, vocab, context;
    double theta;
    bool tied;
} shapes[] = {
    {"7b", "llama", "LlamaForCausalLM", 32, 4096, 32, 32, 11008, 32000, 4096, 1e4, false}, /* Llama 2, Vicuna */
    {"13b", "llama", "LlamaForCausalLM", 40, 5120, 40, 40, 13824, 32000, 4096, 1e4, false},
    {"llama3-8b", "llama", "LlamaForCausalLM", 32, 4096, 32, 8, 14336, 128256, 8192, 5e5, false},
    {"smollm2", "llama", "LlamaForCausalLM", 30, 576, 9, 3, 1536, 49152, 8192, 1e5, true},
    {"qwen2-0.5b", "qwen2", "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151936, 32768, 1e6, true},
    {"qwen2-7b", "qwen2", "Qwen2ForCausalLM", 28, 3584, 28, 4, 18944, 152064, 32768, 1e6, false},
    {"tiny", "llama", "LlamaForCausalLM", 2, 64, 4, 2, 128, 320, 256, 1e4, false},
};

static int find_shape(const char *name) {
    const char *names[COUNT_OF(shapes) + 1] = {0};
    buf all = {0};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        if (!strcmp(shapes[i].name, name)) return buf_free(&all), (int)i;
        buf_printf(&all, "%s%s", i ? ", " : "", names[i] = shapes[i].name);
    }
    const char *near = nearest_word(name, names);
    (void)LMM_FAIL(LMM_E_ARG, "no shape '%s'%s%s%s; there are: %s", name, near ? " (did you mean '" : "", near ? near : "",
                   near ? "'?)" : "", all.data);
    buf_free(&all);
    return -1;
}

static tree *shape_config(int shape, const lmm_synth_opts *o) {
    tree *t = tree_new(TREE_MAP), *classes = tree_new(TREE_LIST);
    const struct {
        const char *key;
        int own, given;
    } rows[] = {
        {"num_hidden_layers", shapes[shape].layers, o->layers},
        {"hidden_size", shapes[shape].hidden, o->hidden},
        {"num_attention_heads", shapes[shape].heads, o->heads},
        {"num_key_value_heads", shapes[shape].kv_heads, o->kv_heads ? o->kv_heads : o->heads}, /* heads alone: as many */
        {"intermediate_size", shapes[shape].mlp, o->mlp},
        {"vocab_size", shapes[shape].vocab, o->vocab},
        {"max_position_embeddings", shapes[shape].context, o->context},
    };
    tree_add(classes, tree_new_string(shapes[shape].class));
    tree_put(t, "architectures", classes);
    tree_put(t, "model_type", tree_new_string(shapes[shape].type));
    for (size_t i = 0; i < COUNT_OF(rows); i++) tree_put(t, rows[i].key, tree_new_int(rows[i].given ? rows[i].given : rows[i].own));
    tree_put(t, "rope_theta", tree_new_real(shapes[shape].theta));
    tree_put(t, "rms_norm_eps", tree_new_real(1e-5));
    tree_put(t, "tie_word_embeddings", tree_new_bool(shapes[shape].tied));
    return t;
}

/* ---- vocabulary ---- */

enum { BYTES_FIRST = 3, WORDS_FIRST = BYTES_FIRST + 256, WORD_SIZE = 12 };

static void spell(char *to, int id) {
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    if (id < BYTES_FIRST) memcpy(to, special[id], strlen(special[id]) + 1);
    else if (id < WORDS_FIRST) snprintf(to, WORD_SIZE, "<0x%02X>", id - BYTES_FIRST);
    else {
        int n = id - WORDS_FIRST;
        memcpy(to, "\xe2\x96\x81", 3); /* U+2581: a space in SentencePiece */
        for (to += 3; n >= 0; n = n / 26 - 1) *to++ = (char)('a' + n % 26);
        *to = '\0';
    }
}

static void put_vocabulary(gguf_keys *keys, int count) {
    static const char chat[] = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}";
    gguf_text *tokens = mem_new((size_t)count, sizeof *tokens);
    int32_t *kinds = mem_new((size_t)count, sizeof *kinds);
    float *scores = mem_new((size_t)count, sizeof *scores);
    char *spelled = mem_new((size_t)count, WORD_SIZE);
    for (int i = 0; i < count; i++) {
        char *at = spelled + (size_t)i * WORD_SIZE;
        spell(at, i);
        tokens[i] = (gguf_text){at, strlen(at)};
        kinds[i] = i == 0 ? VOCAB_UNKNOWN : i < BYTES_FIRST ? VOCAB_CONTROL : i < WORDS_FIRST ? VOCAB_BYTE : VOCAB_NORMAL;
        scores[i] = i < WORDS_FIRST ? 0 : (float)(WORDS_FIRST - i);
    }
    gguf_put_string(keys, "tokenizer.ggml.model", "llama", 5);
    gguf_put_strings(keys, "tokenizer.ggml.tokens", tokens, count);
    gguf_put_f32s(keys, "tokenizer.ggml.scores", scores, count);
    gguf_put_i32s(keys, "tokenizer.ggml.token_type", kinds, count);
    gguf_put_u32(keys, "tokenizer.ggml.unknown_token_id", 0);
    gguf_put_u32(keys, "tokenizer.ggml.bos_token_id", 1);
    gguf_put_u32(keys, "tokenizer.ggml.eos_token_id", 2);
    gguf_put_bool(keys, "tokenizer.ggml.add_bos_token", true);
    gguf_put_string(keys, "tokenizer.chat_template", chat, sizeof chat - 1);
    free(spelled);
    free(scores);
    free(kinds);
    free(tokens);
}

/* ---- values ---- */

/* Encoding every value would take minutes: a bank of groups is drawn and encoded once a tensor, and rows are put together from it. */
enum { BANK_VALUES = 1 << 15, GROUP_VALUES = 32, PIECE_SIZE = 1 << 22 };

typedef struct {
    const planned_tensor *plan;
    char *bank, *bytes;
    size_t group_size, row_size;
    uint32_t groups;
    int64_t first; /* row of the piece in work */
} drawing;

static float drawn(rng *r, init_rule rule) {
    switch (rule.kind) {
    case INIT_ONES: return 1;
    case INIT_ZEROS: return 0;
    case INIT_NORMAL:
        rule.scale *= 1.7320508f; /* an even draw of that bound has the deviation */
        break;
    case INIT_UNIFORM: break;
    }
    return rule.scale * ((float)rng_u32(r) * 0x1p-31f - 1);
}

static rng stream_of(const planned_tensor *p, int64_t row) { return rng_make(p->seed, hash_u64(p->name, strlen(p->name), (uint64_t)row)); }

static void fill_bank(drawing *d) {
    const planned_tensor *p = d->plan;
    float *values = mem_new(BANK_VALUES, sizeof *values);
    rng r = stream_of(p, -1);
    for (int i = 0; i < BANK_VALUES; i++) values[i] = drawn(&r, p->init);
    kernel_encode(d->bank, values, dtype_kernel(p->type), BANK_VALUES);
    free(values);
}

static void draw_rows(void *arg, int64_t first, int64_t last, int thread) {
    const drawing *d = arg;
    (void)thread;
    for (int64_t row = first; row < last; row++) {
        rng r = stream_of(d->plan, d->first + row);
        char *to = d->bytes + (size_t)row * d->row_size;
        for (size_t at = 0; at < d->row_size; at += d->group_size) {
            size_t left = d->row_size - at;
            memcpy(to + at, d->bank + rng_u32(&r) % d->groups * d->group_size, left < d->group_size ? left : d->group_size);
        }
    }
}

lmm_status stream_random(const planned_tensor *p, pool *threads, sink_fn sink, void *arg) {
    int group = max_int(dtype_block(p->type), GROUP_VALUES);
    drawing d = {.plan = p,
                 .group_size = dtype_bytes(p->type, group),
                 .row_size = dtype_bytes(p->type, tensor_cols(&p->from)),
                 .groups = (uint32_t)(BANK_VALUES / group)};
    int64_t all = tensor_rows(&p->from), step = max_i64(PIECE_SIZE / (int64_t)d.row_size, 1);
    lmm_status st = LMM_OK;
    d.bank = mem_new(d.groups, d.group_size);
    d.bytes = mem_new((size_t)min_i64(step, all), d.row_size);
    fill_bank(&d);
    for (; d.first < all && !st; d.first += step) {
        int64_t rows = min_i64(step, all - d.first);
        parallel_for(threads, rows, max_i64(65536 / (int64_t)d.row_size, 1), draw_rows, &d);
        st = sink(arg, d.bytes, (size_t)rows * d.row_size);
    }
    free(d.bytes);
    free(d.bank);
    return st;
}

/* ---- the file ---- */

static lmm_status plan_random(tensor_plan *plan, gguf_keys *keys, const net *n, const number_type *type, uint64_t seed) {
    int vocab = n->dec.config.vocab;
    if (vocab < WORDS_FIRST + 1)
        return LMM_FAIL(LMM_E_ARG, "a vocabulary of %d has no room for the bytes: %d at least", vocab, WORDS_FIRST + 1);
    lmm_status st = plan_network(plan, keys, n, "random");
    if (st) return st;
    put_vocabulary(keys, vocab);
    gguf_put_u32(keys, "general.file_type", (uint32_t)type->file_type);
    gguf_put_u32(keys, "general.quantization_version", QUANTIZATION_VERSION);
    number_type_assign(plan, type);
    for (int i = 0; i < plan->count; i++) plan->at[i].seed = seed;
    return LMM_OK;
}

lmm_status lmm_synth_checkpoint(lmm_runtime *r, const char *out, const lmm_synth_opts *o) {
    const number_type *type = NULL;
    tensor_plan plan = {0};
    gguf_keys keys = {0};
    net *n = NULL;
    int shape = find_shape(o->shape ? o->shape : "7b");
    if (shape < 0) return LMM_E_ARG;
    tree *config = shape_config(shape, o);
    lmm_status st = number_type_find(&type, o->type ? o->type : "q4_0");
    if (!st) st = net_plan(&n, config, "the shape");
    if (!st) st = plan_random(&plan, &keys, n, type, o->seed);
    if (!st) st = tensor_plan_write(&plan, &keys, out, r->pool, o->quiet ? NULL : "writing", NULL);
    gguf_keys_free(&keys);
    tensor_plan_free(&plan);
    net_free(n);
    tree_free(config);
    return st;
}
