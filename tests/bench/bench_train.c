/* bench_train.c - training tokens/s and peak memory of one of three shapes, in f32 or bf16: a small decoder, one of SmolLM2-135M's shape, a LLaVA with its tower.
 *
 * One JSON line; bench_train_torch.py runs the same models in PyTorch. Tokens are the decoder's rows. usage: bench_train 8m|135m|llava f32|bf16 [SECONDS] */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train/train.h"

typedef struct {
    const char *name, *config;
    int sequences, length, vocab;
} shape;

static const shape shapes[] = {
    {"8m",
     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 256, \"intermediate_size\": 768, "
     "\"num_hidden_layers\": 8, \"num_attention_heads\": 4, \"num_key_value_heads\": 4, \"vocab_size\": 4096, "
     "\"max_position_embeddings\": 512, \"tie_word_embeddings\": false}",
     16, 128, 4096},
    {"135m",
     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 576, \"intermediate_size\": 1536, "
     "\"num_hidden_layers\": 30, \"num_attention_heads\": 9, \"num_key_value_heads\": 3, \"vocab_size\": 49152, "
     "\"max_position_embeddings\": 2048, \"tie_word_embeddings\": true}",
     4, 256, 49152},
    {"llava", /* a picture is 196 rows, 60 of text follow */
     "{\"architectures\": [\"LlavaForConditionalGeneration\"], \"model_type\": \"llava\", \"image_token_index\": 4095, "
     "\"image_seq_length\": 196, "
     "\"projector_hidden_act\": \"gelu\", \"multimodal_projector_bias\": true, \"vision_feature_layer\": -1, "
     "\"vision_feature_select_strategy\": \"full\", \"tie_word_embeddings\": false, "
     "\"text_config\": {\"model_type\": \"llama\", \"hidden_size\": 512, \"intermediate_size\": 1536, \"num_hidden_layers\": 8, "
     "\"num_attention_heads\": 8, \"num_key_value_heads\": 8, \"vocab_size\": 4096, \"max_position_embeddings\": 512, "
     "\"tie_word_embeddings\": false}, "
     "\"vision_config\": {\"model_type\": \"siglip_vision_model\", \"hidden_size\": 384, \"intermediate_size\": 1536, "
     "\"num_hidden_layers\": 12, "
     "\"num_attention_heads\": 6, \"num_channels\": 3, \"image_size\": 224, \"patch_size\": 16, \"hidden_act\": \"gelu_pytorch_tanh\", "
     "\"layer_norm_eps\": 1e-06, \"vision_use_head\": false}}",
     4, 256, 4095},
};
enum { SHAPE_COUNT = sizeof shapes / sizeof *shapes, PICTURE = 224, PICTURE_ROWS = 196 };

static lmm_status add_picture(batch *b, const net *n, rng *r) {
    media_plan plan;
    lmm_status st = n->arch->media_plan(n, PICTURE, PICTURE, 1, &plan);
    if (st) return st;
    LMM_ASSERT(plan.row_count == PICTURE_ROWS && plan.tile_count == 1, "a picture has %d rows", plan.row_count);
    batch_media *m = &b->media[0];
    const int64_t size = (int64_t)3 * PICTURE * PICTURE;
    m->pixels = mem_resize(m->pixels, (size_t)((m->tile_count + 1) * size), sizeof(float));
    for (int64_t i = 0; i < size; i++) m->pixels[m->tile_count * size + i] = (float)rng_below(r, 256) / 127.5f - 1.0f;
    m->tile_count++;
    VEC_PUSH(&m->plans, plan);
    VEC_PUSH(&b->media_order, MEDIUM_PICTURE);
    return LMM_OK;
}

/* Random ids, each row with a random label but those of pictures. */
static lmm_status fill(batch *b, const shape *s, const net *n) {
    rng r = rng_make(1, 0);
    lmm_status st = LMM_OK;
    const int seen = n->image_token >= 0 ? PICTURE_ROWS : 0;
    for (int q = 0; q < s->sequences && !st; q++) {
        for (int t = 0; t < s->length; t++) {
            VEC_PUSH(&b->ids, t < seen ? n->image_token : (int)rng_below(&r, (uint64_t)s->vocab));
            VEC_PUSH(&b->position, t);
            VEC_PUSH(&b->label, t < seen ? -1 : (int)rng_below(&r, (uint64_t)s->vocab));
            VEC_PUSH(&b->weight, 1.0f / (float)(s->sequences * (s->length - seen)));
        }
        attn_seg g = {.q_first = q * s->length, .q_count = s->length, .key_first = q * s->length, .key_count = s->length};
        VEC_PUSH(&b->segs, g);
        if (seen) st = add_picture(b, n, &r);
    }
    b->rows = s->sequences * s->length;
    return st;
}

typedef struct {
    lmm_runtime *runtime;
    net *n;
    optim opt;
    batch b;
    arena mem;
    tape tape;
    bool bf16;
} trial;

static float step(trial *t) {
    cx c = {.mem = &t->mem, .tape = &t->tape, .bf16 = t->bf16, .k = t->runtime->k, .pool = t->runtime->pool};
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

static lmm_status open_trial(trial *t, const shape *s, const char *table) {
    tree *config;
    lmm_status st = lmm_runtime_open(&t->runtime, 0, table);
    if (!st) st = tree_parse_json(&config, s->config, strlen(s->config), s->name);
    if (st) return st;
    st = net_new(&t->n, config, NULL, &(net_start){.seed = 1}, "config");
    tree_free(config);
    if (!st) st = optim_open(&t->opt, t->runtime->pool, 0.9, 0.95, 1e-8);
    for (int i = 0; !st && i < t->n->params.list.count; i++) {
        st = param_own(t->n->params.list.at[i], true);
        if (!st) st = optim_add(&t->opt, t->n->params.list.at[i], 1.0, 0.1);
    }
    if (!st) st = fill(&t->b, s, t->n);
    return st ? st : arena_open(&t->mem, (size_t)4 << 30, "the benchmark"); /* what is not touched costs nothing */
}

/* "VmHWM:   123 kB": the most memory this process has had, everything counted. */
static int peak_mb(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int kb = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6)) kb = atoi(line + 6);
    if (f) fclose(f);
    return kb / 1024;
}

/* Of all threads: what a busy machine leaves comparable. */
static double cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    const char *force = getenv("LMM_KERNELS");
    double seconds = argc > 3 ? atof(argv[3]) : 10, best = INFINITY, best_cpu = INFINITY, loss = 0;
    const shape *s = NULL;
    const char *precision = argc > 2 ? argv[2] : "";
    for (int i = 0; i < SHAPE_COUNT && argc > 1; i++)
        if (!strcmp(shapes[i].name, argv[1])) s = &shapes[i];
    if (!s || (strcmp(precision, "f32") && strcmp(precision, "bf16")))
        return fprintf(stderr, "usage: bench_train 8m|135m|llava f32|bf16 [SECONDS]\n"), 2;
    trial t = {.bf16 = !strcmp(precision, "bf16")};
    const int started = peak_mb(); /* the program and its libraries */
    if (open_trial(&t, s, force && *force ? force : NULL)) return fprintf(stderr, "bench_train: %s\n", lmm_message()), 1;
    step(&t);
    for (double start = time_now(); isinf(best) || time_now() - start < seconds;) {
        double at = time_now(), cpu_at = cpu_now();
        loss = (double)step(&t);
        best = fmin(best, time_now() - at), best_cpu = fmin(best_cpu, cpu_now() - cpu_at);
    }
    printf("{\"program\": \"lmm\", \"shape\": \"%s\", \"precision\": \"%s\", \"kernels\": \"%s\", \"threads\": %d, \"tokens_per_s\": "
           "%.0f, "
           "\"ms_per_step\": %.1f, \"cpu_ms_per_step\": %.1f, \"peak_mb\": %d, \"start_mb\": %d, \"loss\": %.4f}\n",
           s->name, precision, t.runtime->k->name, pool_thread_count(t.runtime->pool), t.b.rows / best, best * 1e3, best_cpu * 1e3,
           peak_mb(), started, loss);
    return 0;
}
