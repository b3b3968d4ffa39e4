/* encoders.c - BERT: every layer on the stored ids, and sentence vectors of real weights. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static const double tolerance = 2e-4;

typedef struct {
    int *ids, *lengths, count, tokens, rows;
} packed;

/* Padded rows are left out: every text is its own sequence. */
static packed pack(const safetensors *want) {
    const tensor *ids = safetensors_find(want, "input_ids"), *mask = safetensors_find(want, "attention_mask");
    packed p = {.count = (int)ids->ne[0], .tokens = (int)ids->ne[1]};
    p.ids = mem_new((size_t)tensor_count(ids), sizeof *p.ids);
    p.lengths = mem_new((size_t)p.count, sizeof *p.lengths);
    for (int i = 0; i < p.count; i++)
        for (int t = 0; t < p.tokens; t++) {
            int64_t at = (int64_t)i * p.tokens + t;
            if (!int_at(mask, at)) continue;
            p.ids[p.rows++] = (int)int_at(ids, at);
            p.lengths[i]++;
        }
    return p;
}

typedef struct {
    golden *g;
    const safetensors *want;
    const packed *p;
    const char *layout;
} watcher;

/* Our rows against the unpadded rows of (B, T, D). */
static void on_tensor(void *arg, const char *name, const tensor *have) {
    const watcher *w = arg;
    const tensor *want = safetensors_find(w->want, name);
    if (!want) return;
    int64_t D = tensor_cols(have), row = 0;
    double most = want->nd == 3 && tensor_cols(want) == D ? 0 : INFINITY;
    for (int i = 0; i < w->p->count && most < INFINITY; i++)
        for (int t = 0; t < w->p->lengths[i]; t++, row++) {
            tensor a = tensor_make(DT_F32, 1, &D, tensor_f32(have) + row * D);
            tensor b = tensor_make(DT_F32, 1, &D, tensor_f32(want) + ((int64_t)i * w->p->tokens + t) * D);
            most = fmax(most, max_difference(&a, &b));
        }
    golden_check(w->g, most <= tolerance, "%s %s differs by %g", w->layout, name, most);
}

static void compare_whole(golden *g, const safetensors *want, const char *layout, const char *name, const tensor *have) {
    const tensor *t = safetensors_find(want, name);
    double d = t ? max_difference(have, t) : INFINITY;
    golden_check(g, d <= tolerance, "%s %s differs by %g", layout, name, d);
}

static void compare_pooler(golden *g, cx *c, const bert *t, tensor *x, const packed *p, const safetensors *want, const char *layout) {
    int *first = mem_new((size_t)p->count, sizeof *first), at = 0;
    for (int i = 0; i < p->count; at += p->lengths[i++]) first[i] = at;
    tensor *y = nn_linear(c, &t->pooler, op_rows_get(c, x, first, p->count));
    for (int64_t i = 0; i < tensor_count(y); i++) tensor_f32(y)[i] = tanhf(tensor_f32(y)[i]);
    compare_whole(g, want, layout, "pooler_output", y);
    free(first);
}

static void compare_texts(golden *g, const lmm_model *m, const safetensors *want, const tree *about, const char *layout) {
    const tree *texts = tree_get(about, "texts");
    const char *list[16];
    float *v;
    int width;
    for (int i = 0; texts && i < texts->count && i < 16; i++) list[i] = texts->items[i]->text;
    if (!texts) return;
    if (lmm_embed(m, list, min_int(texts->count, 16), &v, &width)) {
        golden_fail(g, "%s: %s", layout, lmm_message());
        return;
    }
    tensor have = tensor_make(DT_F32, 2, (int64_t[]){min_int(texts->count, 16), width}, v);
    compare_whole(g, want, layout, "sentence_embedding", &have);
    free(v);
}

void golden_bert(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *layout) {
    packed p = pack(want);
    arena mem = {0};
    watcher w = {g, want, &p, layout};
    cx c = {.mem = &mem, .k = m->runtime->k, .pool = m->runtime->pool, .trace = on_tensor, .trace_arg = &w};
    if (arena_open(&mem, (size_t)256 << 20, "the comparison")) golden_fail(g, "%s", lmm_message());
    else {
        tensor *x = bert_forward(&c, &m->net->bert, p.ids, p.lengths, p.count);
        on_tensor(&w, "last_hidden_state", x);
        compare_pooler(g, &c, &m->net->bert, x, &p, want, layout);
        compare_whole(g, want, layout, "sentence_embedding", bert_sentence(&c, x, p.lengths, p.count));
    }
    cx_free(&c);
    arena_close(&mem);
    free(p.ids);
    free(p.lengths);
    compare_texts(g, m, want, about, layout);
}

/* ---- MiniLM: 200 sentences; the weights come from a published package and may not be here ---- */

static void compare_sentences(golden *g, const lmm_model *m, const safetensors *want, const tree *about) {
    const tree *rows = tree_get(about, "items");
    const tensor *all = safetensors_find(want, "embeddings");
    if (!all) all = safetensors_count(want) ? &safetensors_at(want, 0)->t : NULL;
    for (int i = 0; rows && all && i < rows->count; i++) {
        const char *text = rows->items[i]->type == TREE_STRING ? rows->items[i]->text : tree_str(rows->items[i], "text", "");
        float *v;
        int width;
        if (lmm_embed(m, &text, 1, &v, &width)) {
            golden_fail(g, "sentence %d: %s", i, lmm_message());
            continue;
        }
        int64_t D = width;
        tensor a = tensor_make(DT_F32, 1, &D, v), b = tensor_make(DT_F32, 1, &D, tensor_f32(all) + i * tensor_cols(all));
        double d = D == tensor_cols(all) ? max_difference(&a, &b) : INFINITY;
        golden_check(g, d <= 1e-5, "sentence %d differs by %g", i, d);
        free(v);
    }
}

/* The folder of a real model below LMM_MODELS (build/models, as ./dev models makes it); free(). */
char *golden_model_folder(const char *name) {
    const char *models = getenv("LMM_MODELS");
    return path_join(models && *models ? models : "build/models", name);
}

void golden_minilm(golden *g, const char *dir) {
    char *folder = golden_model_folder("minilm");
    char *json = path_join(dir, "sentences.json"), *file = path_join(dir, "embeddings.safetensors");
    tree *about = NULL;
    safetensors *want = NULL;
    lmm_model *m = NULL;
    if (!file_is_dir(folder)) golden_skip(g, 1, "the weights are not here (./dev models)");
    else if (tree_load(&about, json) || safetensors_open(&want, file) || lmm_model_open(&m, g->runtime, folder))
        golden_fail(g, "%s", lmm_message());
    else compare_sentences(g, m, want, about);
    lmm_model_close(m);
    safetensors_close(want);
    tree_free(about);
    free(json);
    free(file);
    free(folder);
}
