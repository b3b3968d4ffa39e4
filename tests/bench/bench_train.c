/* bench_train.c - training tokens/s of a small decoder: hidden 256, 8 layers, 4 heads, MLP 768, vocabulary 4096, 16 sequences of 128 tokens a step.
 *
 * One JSON line; bench_train_torch.py runs the same model in PyTorch. usage: bench_train [SECONDS] */
#include <stdlib.h>

#include "train/train.h"

enum { SEQUENCES = 16, LENGTH = 128, VOCAB = 4096 };

static const char config_text[] = "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 256, "
                                  "\"intermediate_size\": 768, \"num_hidden_layers\": 8,"
                                  " \"num_attention_heads\": 4, \"num_key_value_heads\": 4, \"vocab_size\": 4096, "
                                  "\"max_position_embeddings\": 512, \"tie_word_embeddings\": false}";

static void fill(batch *b) {
    rng r = rng_make(1, 0);
    for (int s = 0; s < SEQUENCES; s++) {
        for (int t = 0; t < LENGTH; t++) {
            VEC_PUSH(&b->ids, (int)rng_below(&r, VOCAB));
            VEC_PUSH(&b->position, t);
            VEC_PUSH(&b->label, (int)rng_below(&r, VOCAB));
            VEC_PUSH(&b->weight, 1.0f / (SEQUENCES * LENGTH));
        }
        attn_seg g = {.q_first = s * LENGTH, .q_count = LENGTH, .key_first = s * LENGTH, .key_count = LENGTH};
        VEC_PUSH(&b->segs, g);
    }
    b->rows = SEQUENCES * LENGTH;
}

typedef struct {
    lmm_runtime *runtime;
    net *n;
    optim opt;
    batch b;
    arena mem;
    tape tape;
} trial;

static float step(trial *t) {
    cx c = {.mem = &t->mem, .tape = &t->tape, .k = t->runtime->k, .pool = t->runtime->pool};
    size_t used = t->mem.used;
    tensor *loss = sft_loss(&c, t->n, &t->b);
    tape_backward(&c, loss, 1.0f);
    float value = tensor_f32(loss)[0];
    double length;
    optim_reduce(&t->opt, &length);
    optim_step(&t->opt, 1e-4, length > 1 ? 1 / length : 1);
    cx_free(&c);
    t->mem.used = used;
    return value;
}

static lmm_status open_trial(trial *t, const char *table) {
    tree *config;
    lmm_status st = lmm_runtime_open(&t->runtime, 0, table);
    if (!st) st = tree_parse_json(&config, config_text, sizeof config_text - 1, "config");
    if (st) return st;
    st = net_new(&t->n, config, NULL, &(net_start){.seed = 1}, "config");
    tree_free(config);
    if (!st) st = optim_open(&t->opt, t->runtime->pool, 0.9, 0.95, 1e-8);
    for (int i = 0; !st && i < t->n->params.list.count; i++) {
        st = param_own(t->n->params.list.at[i], true);
        if (!st) st = optim_add(&t->opt, t->n->params.list.at[i], 1.0, 0.1);
    }
    fill(&t->b);
    return st ? st : arena_open(&t->mem, (size_t)2 << 30, "the benchmark");
}

int main(int argc, char **argv) {
    const char *force = getenv("LMM_KERNELS");
    double seconds = argc > 1 ? atof(argv[1]) : 10, best = 1e9, loss = 0;
    trial t = {0};
    if (open_trial(&t, force && *force ? force : NULL)) return fprintf(stderr, "bench_train: %s\n", lmm_message()), 1;
    step(&t);
    for (double start = time_now(); time_now() - start < seconds;) {
        double at = time_now();
        loss = (double)step(&t);
        double took = time_now() - at;
        if (took < best) best = took;
    }
    printf("{\"program\": \"lmm\", \"kernels\": \"%s\", \"threads\": %d, \"tokens_per_s\": %.0f, \"ms_per_step\": %.1f, \"loss\": %.4f}\n",
           t.runtime->k->name, pool_thread_count(t.runtime->pool), t.b.rows / best, best * 1e3, loss);
    return 0;
}
