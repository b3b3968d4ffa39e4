/* trace_grad.c - loss and the gradient of every parameter for one given batch, for comparison with a reference (docs/trace.md).
 *
 * The batch file holds input_ids and labels (B,T) I64 (labels -100 ignored; a label stands at its own position and is predicted by the row before), and,
 * when there are any, attention_mask (B,T), pixel_values (tiles,3,S,S) or (pictures,tiles,3,S,S), image_sizes (pictures,2) as (height,width),
 * batch_num_images (B); names may be prefixed with "train.". Loss: mean over the labels of the whole batch. */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

static const tensor *find(const safetensors *s, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "train.%s", name);
    const tensor *t = safetensors_find(s, name);
    return t ? t : safetensors_find(s, full);
}

/* A file's tensors lie where they lie: not at multiples of 8. */
static int64_t at(const tensor *t, int64_t i) {
    int64_t x;
    memcpy(&x, (const char *)t->data + i * (int64_t)sizeof x, sizeof x);
    return x;
}

static lmm_status check(const tensor *ids, const tensor *labels, const tensor *mask, const net *n, const char *path) {
    if (net_axes(n) > 1)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "gradients of a given batch are not supported for '%s': its positions have three axes",
                        n->arch->name);
    if (!ids || !labels || ids->type != DT_I64 || labels->type != DT_I64 || ids->nd != 2 || !tensor_same_shape(ids, labels))
        return LMM_FAIL(LMM_E_FORMAT, "'%s' needs I64 tensors input_ids and labels of one shape (B,T)", path);
    if (mask && (mask->type != DT_I64 || !tensor_same_shape(mask, ids)))
        return LMM_FAIL(LMM_E_SHAPE, "'%s': attention_mask must be I64 like input_ids", path);
    for (int64_t i = 0; i < tensor_count(ids); i++)
        if (at(ids, i) < 0 || (at(ids, i) >= n->dec.config.vocab && at(ids, i) != n->image_token) || at(ids, i) == n->video_token ||
            at(labels, i) >= n->dec.config.vocab)
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

/* ---- pictures ---- */

typedef struct {
    const tensor *pixels, *sizes, *counts;
} pictures;

static lmm_status check_pictures(const pictures *p, const net *n, const char *path) {
    const tensor *x = p->pixels;
    int S = n->tower.config.image_size;
    if (!n->arch->media_embed) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has pixel_values, this model sees no pictures", path);
    if (x->type != DT_F32 || x->nd < 4 || x->nd > 5 || x->ne[x->nd - 3] != 3 || x->ne[x->nd - 2] != S || x->ne[x->nd - 1] != S ||
        tensor_count(x) == 0)
        return LMM_FAIL(LMM_E_SHAPE, "'%s': pixel_values must be F32 (tiles,3,%d,%d) or (pictures,tiles,3,%d,%d)", path, S, S, S, S);
    if (p->sizes && (p->sizes->type != DT_I64 || p->sizes->nd != 2 || p->sizes->ne[1] != 2))
        return LMM_FAIL(LMM_E_SHAPE, "'%s': image_sizes must be I64 (pictures,2)", path);
    if (p->counts && (p->counts->type != DT_I64 || p->counts->nd != 1))
        return LMM_FAIL(LMM_E_SHAPE, "'%s': batch_num_images must be I64 (B)", path);
    for (int64_t i = 0; p->sizes && i < tensor_count(p->sizes); i++)
        if (at(p->sizes, i) < 1 || at(p->sizes, i) > INT16_MAX)
            return LMM_FAIL(LMM_E_FORMAT, "'%s': image_sizes has %" PRId64, path, at(p->sizes, i));
    return LMM_OK;
}

/* Pictures that share a sequence with picture i; without batch_num_images each is alone, as in the reference. */
static int together(const tensor *counts, int64_t i) {
    for (int64_t s = 0; counts && s < counts->ne[0]; s++) {
        if (i < at(counts, s)) return (int)min_i64(at(counts, s), INT32_MAX);
        i -= at(counts, s);
    }
    return 1;
}

/* Tiles [first, first + plan->tile_count) of the flat list; of a list per picture its first ones, the rest is filling. */
static lmm_status add_tiles(batch_media *to, const tensor *x, const media_plan *plan, int64_t picture) {
    int64_t tile = x->ne[x->nd - 1] * x->ne[x->nd - 2] * 3, first = x->nd == 5 ? picture * x->ne[1] : to->tile_count;
    if ((x->nd == 5 && plan->tile_count > x->ne[1]) || first + plan->tile_count > tensor_count(x) / tile)
        return LMM_FAIL(LMM_E_SHAPE, "pixel_values have too few tiles: picture %" PRId64 " of %d x %d pixels needs %d", picture,
                        plan->width, plan->height, plan->tile_count);
    to->pixels = mem_resize(to->pixels, (size_t)((to->tile_count + plan->tile_count) * tile), sizeof(float));
    memcpy(to->pixels + to->tile_count * tile, tensor_f32(x) + first * tile, (size_t)(plan->tile_count * tile) * sizeof(float));
    to->tile_count += plan->tile_count;
    return LMM_OK;
}

static lmm_status fill_pixels(batch *b, const pictures *p, const net *n, const char *path) {
    if (!p->pixels) return LMM_OK;
    lmm_status st = check_pictures(p, n, path);
    int64_t S = n->tower.config.image_size, count = st ? 0 : p->sizes ? p->sizes->ne[0] : p->pixels->ne[0], rows = 0;
    for (int64_t i = 0; i < count && !st; i++) {
        media_plan plan;
        int height = (int)(p->sizes ? at(p->sizes, 2 * i) : S), width = (int)(p->sizes ? at(p->sizes, 2 * i + 1) : S);
        st = n->arch->media_plan(n, width, height, together(p->counts, i), &plan);
        if (!st) st = add_tiles(&b->media[0], p->pixels, &plan, i);
        if (st) break;
        VEC_PUSH(&b->media[0].plans, plan);
        VEC_PUSH(&b->media_order, MEDIUM_PICTURE);
        rows += plan.row_count;
    }
    for (int i = 0; i < b->rows; i++) rows -= b->ids.at[i] == n->image_token;
    if (!st && rows)
        st = LMM_FAIL(LMM_E_SHAPE, "'%s': the pictures make %" PRId64 " rows %s than input_ids have placeholders", path,
                      rows < 0 ? -rows : rows, rows < 0 ? "less" : "more");
    return st;
}

lmm_status batch_from_file(batch *b, const net *n, const char *path) {
    safetensors *s;
    lmm_status st = safetensors_open(&s, path);
    if (st) return st;
    const tensor *ids = find(s, "input_ids"), *labels = find(s, "labels"), *mask = find(s, "attention_mask");
    st = check(ids, labels, mask, n, path);
    if (!st) fill_rows(b, ids, labels, mask);
    pictures p = {find(s, "pixel_values"), find(s, "image_sizes"), find(s, "batch_num_images")};
    if (!st) st = fill_pixels(b, &p, n, path);
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
