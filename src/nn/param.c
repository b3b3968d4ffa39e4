/* param.c - named parameters: bound from a checkpoint or initialised, made trainable on demand. */
#include "nn/nn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *part_name(model_part p) {
    static const char *const name[PART_COUNT] = {"vision", "projector", "decoder", "newline"};
    return name[p];
}

void param_set_free(param_set *s) {
    for (int i = 0; i < s->list.count; i++) {
        param *p = s->list.at[i];
        free(p->name);
        free(p->key);
        free(p->owned);
        free(p->grad_owned);
        adapter_free(p->adapter);
        free(p);
    }
    free(s->list.at);
    *s = (param_set){0};
}

param *param_find(const param_set *s, const char *name) {
    for (int i = 0; i < s->list.count; i++)
        if (!strcmp(s->list.at[i]->name, name)) return s->list.at[i];
    return NULL;
}

int64_t param_total(const param_set *s) {
    int64_t n = 0;
    for (int i = 0; i < s->list.count; i++) n += tensor_count(&s->list.at[i]->t);
    return n;
}

/* All values as f32, rows in plain order. */
static void widen(float *to, const tensor *t) {
    int64_t rows = t->woven ? t->ne[0] : 1, cols = tensor_count(t) / (rows ? rows : 1);
    for (int64_t r = 0; r < rows; r++) {
        const char *from = (const char *)t->data + (size_t)tensor_row_place(t, r) * dtype_bytes(t->type, cols);
        kernels_generic.to_f32(to + r * cols, from, dtype_kernel(t->type), cols);
    }
}

static lmm_status own_grad(param *p) {
    void *grad;
    lmm_status st = p->grad_owned ? LMM_OK : mem_try(&grad, (size_t)tensor_count(&p->t) * sizeof(float), p->name);
    if (!st && !p->grad_owned) p->t.grad = p->grad_owned = grad;
    p->t.wants_grad = !st;
    return st;
}

lmm_status param_own(param *p, bool with_grad) {
    if (!p->owned) {
        void *data;
        lmm_status st = mem_try(&data, (size_t)tensor_count(&p->t) * sizeof(float), p->name);
        if (st) return st;
        widen(data, &p->t);
        p->owned = p->t.data = data;
        p->t.woven = 0;
        p->t.type = DT_F32;
    }
    p->t.wants_grad = false;
    return with_grad ? own_grad(p) : LMM_OK;
}

lmm_status param_own_bf16(param *p) {
    int64_t n = tensor_count(&p->t);
    void *data;
    lmm_status st = mem_try(&data, (size_t)n * sizeof(uint16_t), p->name);
    if (!st && p->t.type == DT_BF16 && !p->t.woven) memcpy(data, p->t.data, tensor_size(&p->t));
    else if (!st) {
        if ((st = param_own(p, false))) return free(data), st;
        kernels_generic.from_f32(data, p->t.data, KT_BF16, n);
    }
    if (st) return st;
    free(p->owned);
    p->owned = p->t.data = data;
    p->t.type = DT_BF16;
    return own_grad(p);
}

bool param_may_be_narrow(const param *p) { return (p->t.nd == 2 || p->t.nd >= 4) && !strstr(p->name, "position_embedding"); }

bool param_decays(const param *p) { return p->t.nd >= 2 && !strstr(p->name, "position_embedding"); }

/* ---- initialisation ---- */

static lmm_status initialise(param *p, init_rule init, uint64_t seed) {
    lmm_status st = mem_try(&p->owned, tensor_size(&p->t), p->name);
    if (st) return st;
    float *w = p->t.data = p->owned;
    rng r = rng_make(seed, hash_u64(p->name, strlen(p->name), 0));
    int64_t n = tensor_count(&p->t);
    for (int64_t i = 0; i < n; i++) {
        switch (init.kind) {
        case INIT_NORMAL: w[i] = init.scale * rng_normal(&r); break;
        case INIT_UNIFORM: w[i] = init.scale * (float)(2.0 * rng_unit(&r) - 1.0); break;
        case INIT_ONES: w[i] = 1.0f; break;
        case INIT_ZEROS: w[i] = 0.0f; break;
        }
    }
    return LMM_OK;
}

/* ---- binding ---- */

static const named_tensor *source_find(const binder *b, const char *name) {
    int i;
    if (!b->source || !strmap_get(b->index, name, strlen(name), &i)) return NULL;
    return checkpoint_at(b->source, i);
}

/* The values of a donor, where they lie; false: none has them. */
static bool borrow(const binder *b, param *p) {
    if (b->lent_parts && !b->lent_parts[b->part]) return false;
    for (int i = 0; i < b->donor_count; i++) {
        const param *lent = param_find(b->donors[i], p->name);
        if (!lent || !tensor_same_shape(&lent->t, &p->t)) continue;
        p->t = lent->t;
        b->taken[i]++;
        return true;
    }
    return false;
}

static lmm_status take(binder *b, param *p, init_rule init) {
    if (!b->source) {
        p->key = b->key_of ? b->key_of(p->name) : mem_strdup(p->name);
        return b->shapes_only || borrow(b, p) ? LMM_OK : initialise(p, init, b->seed);
    }
    const named_tensor *found = source_find(b, p->name);
    if (!found) return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is missing in %s", p->name, checkpoint_path(b->source));
    p->key = b->respell ? b->key_of(p->name) : mem_strdup(found->name);
    if (!dtype_is_weight(found->t.type))
        return LMM_FAIL(LMM_E_UNSUPPORTED, "tensor '%s' is %s, weights may be F32, F16, BF16 or quantised blocks", found->name,
                        dtype_name(found->t.type));
    char have[96], need[96];
    if (!tensor_same_shape(&found->t, &p->t))
        return LMM_FAIL(LMM_E_SHAPE, "tensor '%s': file has %s, model needs %s", found->name, tensor_shape_text(have, &found->t),
                        tensor_shape_text(need, &p->t));
    p->t = found->t;
    return param_may_be_narrow(p) || p->t.type == DT_F32 ? LMM_OK : param_own(p, false);
}

static tensor *bind_named(binder *b, init_rule init, int nd, const int64_t *ne, char *name) {
    param *p = mem_new(1, sizeof *p);
    p->name = name;
    p->part = b->part;
    p->init = init;
    p->t = tensor_make(DT_F32, nd, ne, NULL);
    VEC_PUSH(&b->set->list, p);
    if (!b->status) b->status = take(b, p, init);
    return &p->t;
}

static char *print_name(const char *format, va_list args) {
    char name[256];
    vsnprintf(name, sizeof name, format, args);
    return mem_strdup(name);
}

tensor *param_bind(binder *b, init_rule init, int nd, const int64_t *ne, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *name = print_name(format, args);
    va_end(args);
    return bind_named(b, init, nd, ne, name);
}

bool bind_has(const binder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *name = print_name(format, args);
    va_end(args);
    bool has = source_find(b, name) != NULL;
    free(name);
    return has;
}

/* ---- layers ---- */

linear bind_linear(binder *b, int out, int in, bool bias, float init_std, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *base = print_name(format, args);
    va_end(args);
    linear l = {0};
    l.w =
        param_bind(b, (init_rule){INIT_NORMAL, b->fan_in ? 1.0f / sqrtf((float)in) : init_std}, 2, (int64_t[]){out, in}, "%s.weight", base);
    l.of = b->set->list.at[b->set->list.count - 1];
    if (bias) l.b = param_bind(b, (init_rule){INIT_ZEROS, 0}, 1, (int64_t[]){out}, "%s.bias", base);
    free(base);
    return l;
}

linear linear_part(cx *c, const linear *l, int first, int count) {
    LMM_ASSERT(!l->w->woven, "linear_part: %d heads are woven", l->w->woven);
    linear part = {.w = slab_alloc(&c->meta, sizeof *part.w), .b = slab_alloc(&c->meta, sizeof *part.b)};
    *part.w = *l->w, *part.b = *l->b;
    part.w->ne[0] = part.b->ne[0] = count;
    part.w->data = (char *)l->w->data + dtype_bytes(l->w->type, first * l->w->ne[1]);
    part.b->data = (char *)l->b->data + (size_t)first * dtype_size(l->b->type);
    if (l->w->grad) part.w->grad += (int64_t)first * l->w->ne[1];
    if (l->b->grad) part.b->grad += first;
    return part;
}

tensor *nn_linear(cx *c, const linear *l, tensor *x) {
    return l->of && l->of->adapter ? lora_linear(c, l, x) : op_linear(c, x, l->w, l->b);
}

norm bind_norm(binder *b, int size, bool bias, float eps, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *base = print_name(format, args);
    va_end(args);
    norm n = {.eps = eps};
    n.w = param_bind(b, (init_rule){INIT_ONES, 0}, 1, (int64_t[]){size}, "%s.weight", base);
    if (bias) n.b = param_bind(b, (init_rule){INIT_ZEROS, 0}, 1, (int64_t[]){size}, "%s.bias", base);
    free(base);
    return n;
}

tensor *nn_norm(cx *c, const norm *n, tensor *x) { return n->b ? op_layernorm(c, x, n->w, n->b, n->eps) : op_rmsnorm(c, x, n->w, n->eps); }

tensor *nn_residual(cx *c, tensor *x, tensor *y) {
    tensor *sum = op_add(c, x, y);
    cx_done(c, y);
    return sum;
}

tensor *nn_linear_last(cx *c, const linear *l, tensor *x) {
    tensor *y = nn_linear(c, l, x);
    cx_done(c, x);
    return y;
}

tensor *nn_turn(cx *c, tensor *x, tensor *table) {
    tensor *y = op_rope(c, x, table);
    cx_done(c, x);
    return y;
}

tensor *nn_side_by_side(cx *c, tensor *x, int each) {
    int cells = (int)tensor_rows(x) / each, *index = mem_new((size_t)cells, sizeof *index);
    tensor *y = NULL;
    for (int k = 0; k < each; k++) {
        for (int i = 0; i < cells; i++) index[i] = i * each + k;
        tensor *part = op_rows_get(c, x, index, cells);
        y = y ? op_cols_join(c, y, part) : part;
    }
    free(index);
    return y;
}
