/* towers.c - vision towers on their own and CLIP's two halves, from the stored pixels and ids. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static const double tolerance = 2e-4;

typedef struct {
    golden *g;
    const safetensors *want;
    const char *layout;
    int compared;
} watcher;

static void compare(watcher *w, const char *name, const tensor *have) {
    const tensor *want = safetensors_find(w->want, name);
    if (!want) return;
    double d = max_difference(have, want);
    golden_check(w->g, d <= tolerance, "%s %s differs by %g", w->layout, name, d);
    w->compared++;
}

static void on_tensor(void *arg, const char *name, const tensor *t) { compare(arg, name, t); }

/* A pass in a roomy arena: sizes here are tiny. */
static lmm_status begin(cx *c, arena *mem, const lmm_model *m, tape *tp) {
    *mem = (arena){0};
    *c = (cx){.mem = mem, .k = m->runtime->k, .pool = m->runtime->pool, .tape = tp};
    return arena_open(mem, (size_t)256 << 20, "the comparison");
}

static void end(cx *c, arena *mem) {
    cx_free(c);
    arena_close(mem);
}

static tensor *pixels_of(cx *c, const safetensors *want) {
    const tensor *stored = safetensors_find(want, "pixel_values");
    if (!stored) return NULL;
    tensor *t = slab_alloc(&c->meta, sizeof *t);
    *t = *stored;
    return t;
}

/* The stored pixels against our own preprocessing of the named pictures; JPEG decoders may differ and are left out. */
static void compare_pixels(golden *g, const lmm_model *m, const safetensors *want, const tree *about, const char *images,
                           const char *layout) {
    const tree *files = tree_get(about, "images");
    const tensor *stored = safetensors_find(want, "pixel_values");
    preprocess_spec pre;
    if (!files || !stored) return;
    if (preprocess_open(&pre, m->path)) {
        golden_fail(g, "%s: %s", layout, lmm_message());
        return;
    }
    int64_t one = tensor_count(stored) / stored->ne[0];
    for (int i = 0; i < files->count; i++) {
        if (strstr(files->items[i]->text, ".jp")) continue;
        char *path = path_join(images, files->items[i]->text);
        image im = {0}, u8 = {0};
        float *px = NULL;
        lmm_status st = picture_load(&im, m, path);
        if (!st) st = preprocess_u8(&u8, &im, &pre);
        if (!st) st = preprocess_float(&px, &u8, &pre);
        if (st) golden_fail(g, "%s: %s", layout, lmm_message());
        else {
            tensor a = tensor_make(DT_F32, 1, &one, px), b = tensor_make(DT_F32, 1, &one, tensor_f32(stored) + i * one);
            double d = (int64_t)3 * u8.width * u8.height == one ? max_difference(&a, &b) : INFINITY;
            golden_check(g, d <= 1e-6, "%s pixels of %s differ by %g", layout, files->items[i]->text, d);
        }
        free(px);
        image_free(&u8);
        image_free(&im);
        free(path);
    }
}

void golden_tower(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *images, const char *layout) {
    arena mem;
    cx c;
    watcher w = {g, want, layout, 0};
    const vit *v = &m->net->tower;
    if (begin(&c, &mem, m, NULL)) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    c.trace = on_tensor, c.trace_arg = &w;
    tensor *x = vit_forward(&c, v, pixels_of(&c, want), v->config.enc.layer_count);
    c.trace = NULL;
    tensor *normed = vit_post_norm(&c, v, x);
    compare(&w, "last_hidden_state", v->config.class_token ? x : normed);
    compare(&w, "pooler_output", v->config.class_token ? vit_class_rows(&c, v, normed) : vit_pool(&c, v, normed));
    if (!w.compared) golden_fail(g, "%s: nothing was compared", layout);
    end(&c, &mem);
    compare_pixels(g, m, want, about, images, layout);
}

/* ---- CLIP ---- */

typedef struct {
    int *ids, texts, tokens;
} text_batch;

static text_batch texts_of(const safetensors *want) {
    const tensor *t = safetensors_find(want, "input_ids");
    text_batch b = {mem_new((size_t)tensor_count(t), sizeof(int)), (int)t->ne[0], (int)t->ne[1]};
    for (int64_t i = 0; i < tensor_count(t); i++) b.ids[i] = (int)int_at(t, i);
    return b;
}

static void compare_tokens(golden *g, const lmm_model *m, const tree *about, const char *layout) {
    const tree *texts = tree_get(about, "texts"), *rows = tree_get(about, "input_ids");
    for (int i = 0; texts && rows && m->tok && i < texts->count; i++) {
        id_list ids = {0};
        bool same = !tokenizer_encode(m->tok, texts->items[i]->text, texts->items[i]->text_size, TOKENIZE_ADD_SPECIAL, &ids) &&
                    ids.count <= rows->items[i]->count;
        for (int k = 0; same && k < ids.count; k++) same = ids.at[k] == rows->items[i]->items[k]->i;
        golden_check(g, same, "%s ids of text %d differ", layout, i);
        free(ids.at);
    }
}

static tensor *clip_pass(cx *c, const lmm_model *m, const safetensors *want, const text_batch *b, watcher *w) {
    tensor *image_ = clip_image_embed(c, m->net, pixels_of(c, want)), *text = clip_text_embed(c, m->net, b->ids, b->texts, b->tokens);
    if (w) {
        compare(w, "image_embeds", image_);
        compare(w, "text_embeds", text);
        compare(w, "logits_per_image", clip_logits(c, m->net, image_, text));
    }
    return clip_loss(c, m->net, text, image_);
}

void golden_clip(golden *g, lmm_model *m, const safetensors *want, const tree *about, const char *layout) {
    arena mem;
    cx c;
    tape tp = {0};
    watcher w = {g, want, layout, 0};
    text_batch b = texts_of(want);
    compare_tokens(g, m, about, layout);
    if (begin(&c, &mem, m, NULL)) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    c.trace = on_tensor, c.trace_arg = &w;
    clip_pass(&c, m, want, &b, &w);
    end(&c, &mem);
    free(b.ids);
    tape_free(&tp);
}
