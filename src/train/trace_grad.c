/* trace_grad.c - loss and the gradient of every parameter for one given batch, for comparison with a reference (docs/trace.md).
 *
 * The batch file holds input_ids and labels (B,T) I64 (labels -100 ignored; a label stands at its own position and is predicted by the row before), and
 * attention_mask (B,T) and pixel_values (tiles,3,S,S) when there are any; names may be prefixed with "train.". Loss: mean over the labels of the whole batch. */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

static const tensor *find(const safetensors *s, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "train.%s", name);
    const tensor *t = safetensors_find(s, name);
    return t ? t : safetensors_find(s, full);
}

static int64_t at(const tensor *t, int64_t i) { return ((const int64_t *)t->data)[i]; }

static lmm_status check(const tensor *ids, const tensor *labels, const tensor *mask, const net *n, const char *path) {
    if (!ids || !labels || ids->type != DT_I64 || labels->type != DT_I64 || ids->nd != 2 || !tensor_same_shape(ids, labels))
        return LMM_FAIL(LMM_E_FORMAT, "'%s' needs I64 tensors input_ids and labels of one shape (B,T)", path);
    if (mask && (mask->type != DT_I64 || !tensor_same_shape(mask, ids)))
        return LMM_FAIL(LMM_E_SHAPE, "'%s': attention_mask must be I64 like input_ids", path);
    for (int64_t i = 0; i < tensor_count(ids); i++)
        if (at(ids, i) < 0 || at(ids, i) >= n->dec.config.vocab || at(labels, i) >= n->dec.config.vocab)
            return LMM_FAIL(LMM_E_FORMAT, "'%s': id %" PRId64 " lies outside the vocabulary of %d", path, at(ids, i), n->dec.config.vocab);
    return LMM_OK;
}

/* Rows without attention (padding) are left out: nothing may see them, and they have no label. */
static void fill_rows(batch *b, const tensor *ids, const tensor *labels, const tensor *mask) {
    int64_t T = ids->ne[1];
    for (int64_t s = 0; s < ids->ne[0]; s++) {
        int first = b->rows;
        for (int64_t t = 0; t < T; t++) {
            int64_t i = s * T + t;
            if (mask && !at(mask, i)) continue;
            bool labelled = at(labels, i) >= 0 && b->rows > first;
            if (labelled) b->label.at[b->rows - 1] = (int)at(labels, i);
            b->label_count += labelled;
            VEC_PUSH(&b->ids, (int)at(ids, i));
            VEC_PUSH(&b->position, b->rows - first);
            VEC_PUSH(&b->label, -1);
            VEC_PUSH(&b->weight, 1.0f);
            b->rows++;
        }
        attn_seg g = {.q_first = first, .q_count = b->rows - first, .key_first = first, .key_count = b->rows - first};
        VEC_PUSH(&b->segs, g);
    }
}

static lmm_status fill_pixels(batch *b, const tensor *pixels, const net *n) {
    if (!pixels) return LMM_OK;
    int S = n->tower.config.image_size;
    if (!n->arch->media_embed || pixels->type != DT_F32 || pixels->nd != 4 || pixels->ne[2] != S || pixels->ne[3] != S)
        return LMM_FAIL(LMM_E_SHAPE, "pixel_values do not fit this model");
    b->tile_count = (int)pixels->ne[0];
    b->pixels = mem_new((size_t)tensor_count(pixels), sizeof(float));
    memcpy(b->pixels, pixels->data, tensor_size(pixels));
    media_plan plan;
    for (int i = 0; i < b->tile_count; i++) {
        lmm_status st = n->arch->media_plan(n, NULL, &plan);
        if (st) return st;
        VEC_PUSH(&b->plans, plan);
    }
    return LMM_OK;
}

lmm_status batch_from_file(batch *b, const net *n, const char *path) {
    safetensors *s;
    lmm_status st = safetensors_open(&s, path);
    if (st) return st;
    const tensor *ids = find(s, "input_ids"), *labels = find(s, "labels"), *mask = find(s, "attention_mask");
    st = check(ids, labels, mask, n, path);
    if (!st) fill_rows(b, ids, labels, mask);
    if (!st) st = fill_pixels(b, find(s, "pixel_values"), n);
    if (!st && !b->label_count) st = LMM_FAIL(LMM_E_FORMAT, "'%s' has no label to learn", path);
    for (int i = 0; i < b->rows && !st; i++) b->weight.at[i] = 1.0f / (float)b->label_count;
    safetensors_close(s);
    return st;
}

static lmm_status backward(const lmm_model *m, const batch *b, float *loss) {
    tape tp = {0};
    arena mem = {0};
    cx c = {.mode = CX_MEASURE, .mem = &mem, .tape = &tp, .k = m->runtime->k, .pool = m->runtime->pool};
    tape_backward(&c, sft_loss(&c, m->net, b), 1.0f);
    cx_free(&c);
    size_t need = mem.peak;
    lmm_status st = arena_open(&mem, need, "the gradient pass");
    if (!st) {
        c = (cx){.mem = &mem, .tape = &tp, .k = c.k, .pool = c.pool};
        tensor *l = sft_loss(&c, m->net, b);
        tape_backward(&c, l, 1.0f);
        *loss = tensor_f32(l)[0];
        st = c.status;
        cx_free(&c);
        arena_close(&mem);
    }
    tape_free(&tp);
    return st;
}

static lmm_status save(const lmm_model *m, float loss, const char *path) {
    int n = m->net->params.list.count;
    named_tensor *all = mem_new((size_t)n + 1, sizeof *all);
    all[0] = (named_tensor){"loss", tensor_make(DT_F32, 1, (int64_t[]){1}, &loss)};
    for (int i = 0; i < n; i++) {
        const param *p = m->net->params.list.at[i];
        all[i + 1] = (named_tensor){mem_printf("grad.%s", p->key), tensor_make(DT_F32, p->t.nd, p->t.ne, p->t.grad)};
    }
    lmm_status st = safetensors_save(path, all, n + 1, NULL);
    for (int i = 0; i < n; i++) free((char *)all[i + 1].name);
    free(all);
    return st;
}

lmm_status lmm_trace_grad(lmm_model *m, const char *batch_path, const char *path) {
    if (!m->net->has_decoder) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no decoder to train", m->path);
    batch b = {0};
    float loss = 0;
    lmm_status st = batch_from_file(&b, m->net, batch_path);
    for (int i = 0; i < m->net->params.list.count && !st; i++) st = param_own(m->net->params.list.at[i], true);
    if (!st) st = backward(m, &b, &loss);
    if (!st) st = save(m, loss, path);
    for (int i = 0; i < m->net->params.list.count; i++) {
        param *p = m->net->params.list.at[i];
        free(p->grad_owned);
        p->t.grad = p->grad_owned = NULL;
        p->t.wants_grad = false;
    }
    batch_free(&b);
    return st;
}
