/* training.c - loss, the gradient of every parameter, and a few AdamW steps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

/* Of all gradients. */
static double grad_norm(optim *o) {
    double n = 0;
    optim_reduce(o, &n);
    return n;
}

typedef struct {
    golden *g;
    lmm_model *m;
    const safetensors *want;
    const tree *about;
    const char *layout;
    batch b;    /* language models */
    int *texts; /* CLIP */
    arena mem;
    tape tape;
} trial;

/* ---- the loss of a family ---- */

static tensor *clip_train_loss(cx *c, const trial *t) {
    const tensor *ids = safetensors_find(t->want, "input_ids");
    tensor *pixels = slab_alloc(&c->meta, sizeof *pixels);
    *pixels = *safetensors_find(t->want, "pixel_values");
    tensor *image_ = clip_image_embed(c, t->m->net, pixels);
    return clip_loss(c, t->m->net, clip_text_embed(c, t->m->net, t->texts, (int)ids->ne[0], (int)ids->ne[1]), image_);
}

static tensor *loss_of(cx *c, const trial *t) { return t->texts ? clip_train_loss(c, t) : sft_loss(c, t->m->net, &t->b); }

/* One forward and, when asked, backward; gradients are added to the parameters'. */
static double pass(trial *t, bool backward) {
    cx c = {.mem = &t->mem, .k = t->m->runtime->k, .pool = t->m->runtime->pool, .tape = backward ? &t->tape : NULL};
    size_t used = t->mem.used;
    tensor *loss = loss_of(&c, t);
    if (backward) tape_backward(&c, loss, 1.0f);
    double value = tensor_f32(loss)[0];
    cx_free(&c);
    t->mem.used = used;
    return value;
}

static void take(named_tensor *list, int *count, const safetensors *s, const char *from, const char *name) {
    const tensor *x = safetensors_find(s, from);
    if (!x) return;
    list[*count] = (named_tensor){name, *x};
    tensor *y = &list[(*count)++].t;
    if (y->nd != 1 || strcmp(name, "input_ids")) return;
    y->nd = 2; /* one sequence */
    y->ne[1] = y->ne[0];
    y->ne[0] = 1;
}

/* A batch that is "inputs of case0" with labels of its own becomes a file of the form lmm trace --grad reads. */
static lmm_status batch_of_case(trial *t) {
    named_tensor list[4];
    int count = 0;
    take(list, &count, t->want, "case0.input_ids", "input_ids");
    take(list, &count, t->want, "train.labels", "labels");
    take(list, &count, t->want, "case0.pixel_values", "pixel_values");
    take(list, &count, t->want, "case0.image_sizes", "image_sizes");
    char *file = path_join(t->g->scratch, "batch.safetensors");
    lmm_status st = safetensors_save(file, list, count, NULL);
    if (!st) st = batch_from_file(&t->b, t->m->net, file);
    free(file);
    return st;
}

static lmm_status prepare(trial *t, const char *dir) {
    const tensor *ids = safetensors_find(t->want, "input_ids");
    lmm_status st = LMM_OK;
    if (t->m->net->arch == &arch_clip) {
        t->texts = mem_new((size_t)tensor_count(ids), sizeof(int));
        for (int64_t i = 0; i < tensor_count(ids); i++) t->texts[i] = (int)int_at(ids, i);
    } else if (!safetensors_find(t->want, "train.input_ids")) {
        st = batch_of_case(t);
    } else {
        char *file = path_join(dir, "golden.safetensors");
        st = batch_from_file(&t->b, t->m->net, file);
        free(file);
    }
    for (int i = 0; i < t->m->net->params.list.count && !st; i++) st = param_own(t->m->net->params.list.at[i], true);
    return st ? st : arena_open(&t->mem, (size_t)512 << 20, "the comparison");
}

/* ---- gradients ---- */

/* The golden names gradients by the key of its own folder; other layouts spell them differently, so canonical names are compared. */
static const param *param_by_key(const net *n, const char *key) {
    char *name = n->arch->canonical(key);
    const param *p = name ? param_find(&n->params, name) : NULL;
    free(name);
    return p;
}

static bool listed(const trial *t, const tree *list, const param *p) {
    for (int i = 0; list && i < list->count; i++)
        if (param_by_key(t->m->net, list->items[i]->text) == p) return true;
    return false;
}

static void compare_gradients(trial *t) {
    for (int i = 0; i < safetensors_count(t->want); i++) {
        const named_tensor *w = safetensors_at(t->want, i);
        if (strncmp(w->name, "grad.", 5)) continue;
        const param *p = param_by_key(t->m->net, w->name + 5);
        if (!p) {
            golden_fail(t->g, "%s %s: no such parameter", t->layout, w->name);
            continue;
        }
        tensor have = p->t;
        have.data = p->t.grad;
        double d = max_difference(&have, &w->t), limit = 1e-4 * max_value(&w->t) + 1e-7;
        golden_check(t->g, d <= limit, "%s %s differs by %g of %g", t->layout, w->name, d, max_value(&w->t));
    }
}

/* ---- AdamW ---- */

static lmm_status open_optim(trial *t, optim *o, const tree *hyper) {
    const tree *betas = tree_get(hyper, "betas"), *without = tree_at(t->about, "train.no_grad_params");
    lmm_status st = optim_open(o, t->m->runtime->pool, betas->items[0]->real, betas->items[1]->real, tree_real(hyper, "eps", 1e-8));
    for (int i = 0; i < t->m->net->params.list.count && !st; i++) {
        param *p = t->m->net->params.list.at[i];
        if (!listed(t, without, p)) st = optim_add(o, p, 1.0, tree_real(hyper, "weight_decay", 0));
    }
    return st;
}

static void compare_final(trial *t) {
    for (int i = 0; i < safetensors_count(t->want); i++) {
        const named_tensor *w = safetensors_at(t->want, i);
        if (strncmp(w->name, "adamw_final.", 12)) continue;
        const param *p = param_by_key(t->m->net, w->name + 12);
        double d = p ? max_difference(&p->t, &w->t) : INFINITY;
        /* A gradient of mathematically zero (key biases) moves by its noise: a step is at most lr whatever its size. */
        double limit = strstr(w->name, "k_proj.bias") ? 5 * tree_real(tree_at(t->about, "train.adamw.hyper"), "lr", 0) * 5 : 1e-3;
        golden_check(t->g, d <= limit, "%s %s differs by %g", t->layout, w->name, d);
    }
}

static void run_adamw(trial *t, const tree *adamw) {
    const tree *hyper = tree_get(adamw, "hyper"), *losses = tree_get(adamw, "losses_before_each_step_and_after_last"),
               *norms = tree_get(adamw, "grad_norms_before_clip");
    optim o;
    double clip = tree_real(hyper, "clip_grad_norm", 1.0);
    if (open_optim(t, &o, hyper)) {
        golden_fail(t->g, "%s: %s", t->layout, lmm_message());
        return;
    }
    for (int s = 0; s < (int)tree_int(hyper, "steps", 0); s++) {
        double loss = pass(t, true), norm_ = grad_norm(&o);
        golden_check(t->g, fabs(loss - losses->items[s]->real) <= 1e-4, "%s AdamW step %d: loss %.7f, not %.7f", t->layout, s, loss,
                     losses->items[s]->real);
        golden_check(t->g, fabs(norm_ - norms->items[s]->real) <= 1e-3 * norms->items[s]->real,
                     "%s AdamW step %d: gradient norm %.6f, not %.6f", t->layout, s, norm_, norms->items[s]->real);
        optim_step(&o, tree_real(hyper, "lr", 0), norm_ > clip ? clip / (norm_ + 1e-6) : 1.0);
    }
    double last = pass(t, false), want = losses->items[losses->count - 1]->real;
    golden_check(t->g, fabs(last - want) <= 1e-4, "%s loss after AdamW %.7f, not %.7f", t->layout, last, want);
    compare_final(t);
    optim_close(&o);
}

static void zero_gradients(trial *t) {
    for (int i = 0; i < t->m->net->params.list.count; i++) {
        param *p = t->m->net->params.list.at[i];
        memset(p->t.grad, 0, (size_t)tensor_count(&p->t) * sizeof(float));
    }
}

void golden_train(golden *g, const char *dir, const char *layout, lmm_model *m, const safetensors *want, const tree *about) {
    trial t = {.g = g, .m = m, .want = want, .about = about, .layout = layout};
    const tree *train = tree_get(about, "train");
    if (prepare(&t, dir)) golden_fail(g, "%s training: %s", layout, lmm_message());
    else {
        double loss = pass(&t, true), expected = tree_real(train, "loss", NAN);
        golden_check(g, fabs(loss - expected) <= 1e-5 * fmax(1.0, fabs(expected)), "%s loss is %.7f, not %.7f", layout, loss, expected);
        compare_gradients(&t);
        zero_gradients(&t);
        if (tree_get(train, "adamw")) run_adamw(&t, tree_get(train, "adamw"));
    }
    arena_close(&t.mem);
    tape_free(&t.tape);
    batch_free(&t.b);
    free(t.texts);
}
