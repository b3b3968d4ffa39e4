/* lora.c - low-rank adapters beside frozen linear layers (arXiv 2106.09685): y = W x + b + scale * B (A x), scale = alpha / r, or alpha / sqrt(r) (rsLoRA, arXiv 2312.03732).
 * DoRA (arXiv 2402.09353) learns the lengths of the rows apart: y = m / |W + scale B A| * (W x + scale * B (A x)) + b; the length is a constant in the backward pass (section 4.3
 * there, and PEFT), and the same for all passes between two steps.
 *
 * The base may be quantised: its backward towards x dequantises, and nothing else is asked of it. Files are PEFT's: adapter_config.json and adapter_model.safetensors,
 * "base_model.model.<module>.lora_A.weight" (r, in), ".lora_B.weight" (out, r) and, of DoRA, ".lora_magnitude_vector" (out). */
#include "nn/nn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const prefix = "base_model.model.";

void adapter_free(adapter *a) {
    if (a) free(a->length.data);
    free(a);
}

tensor *lora_linear(cx *c, const linear *l, tensor *x) {
    adapter *a = l->of->adapter;
    tensor *plain = op_linear(c, x, l->w, a->magnitude ? NULL : l->b), *low = op_linear(c, x, &a->a->t, NULL);
    tensor *high = op_linear(c, low, &a->b->t, NULL), *y = nn_residual(c, plain, op_scale(c, high, a->scale));
    cx_done(c, plain);
    cx_done(c, high);
    if (!a->magnitude) return y;
    y = op_cols_scale(c, y, &a->magnitude->t, &a->length);
    return l->b ? op_add(c, y, l->b) : y;
}

/* Row `row` of W + scale B A to w (in). */
static void adapted_row(float *w, const param *p, int64_t row, const kernels *k) {
    const adapter *a = p->adapter;
    const int64_t in = p->t.ne[1], r = a->a->t.ne[0];
    const char *from = (const char *)p->t.data + (size_t)tensor_row_place(&p->t, row) * dtype_bytes(p->t.type, in);
    if ((const void *)from != w) k->to_f32(w, from, dtype_kernel(p->t.type), in);
    const float *A = a->a->t.data, *B = (const float *)a->b->t.data + row * r;
    for (int64_t i = 0; i < r; i++) k->axpy(w, a->scale * B[i], A + i * in, in);
}

typedef struct {
    const param *p;
    const kernels *k;
} measure_job;

static void measure_rows(void *arg, int64_t first, int64_t last, int thread) {
    const measure_job *j = arg;
    const int64_t in = j->p->t.ne[1];
    (void)thread;
    float *w = mem_new((size_t)in, sizeof *w), *length = j->p->adapter->length.data;
    for (int64_t r = first; r < last; r++) {
        adapted_row(w, j->p, r, j->k);
        float s = sqrtf(j->k->dot(w, w, (int)in));
        length[r] = s > 0 ? s : 1; /* a row of zeros has no direction to keep */
    }
    free(w);
}

void lora_measure(const param_set *base, const kernels *k, pool *threads) {
    enum { ROWS = 32 }; /* a task */
    for (int i = 0; i < base->list.count; i++) {
        const param *p = base->list.at[i];
        if (p->adapter && p->adapter->magnitude) parallel_for(threads, p->t.ne[0], ROWS, measure_rows, &(measure_job){p, k});
    }
}

/* "llm.layers.0.self_attn.q_proj.weight" is a module "q_proj". */
static bool is_target(const param *p, const lora_config *l) {
    const char *end = strstr(p->name, ".weight");
    if (p->part != PART_DECODER || p->t.nd != 2 || !end || end[7] || !strstr(p->name, "_proj.weight")) return false;
    for (int i = 0; i < l->target_count; i++) {
        size_t n = strlen(l->targets[i]);
        if ((size_t)(end - p->name) > n && !strncmp(end - n, l->targets[i], n) && end[-(ptrdiff_t)n - 1] == '.') return true;
    }
    return l->target_count == 0;
}

static float scale_of(const lora_config *l) { return (float)(l->alpha / (l->rslora ? sqrt(l->rank) : l->rank)); }

/* What an adapter's tensors are called behind the name of their layer. */
static const char kind_a[] = ".lora_A.weight", kind_b[] = ".lora_B.weight", kind_magnitude[] = ".lora_magnitude_vector";

/* columns 0: a vector. */
static lmm_status new_param(param **out, param_set *set, const param *base, const char *kind, int64_t rows, int64_t columns) {
    param *p = mem_new(1, sizeof *p);
    size_t stem = strlen(base->name) - strlen(".weight"), key = strlen(base->key) - strlen(".weight");
    p->name = mem_printf("%.*s%s", (int)stem, base->name, kind);
    p->key = mem_printf("%s%.*s%s", prefix, (int)key, base->key, kind);
    p->part = base->part;
    p->t = tensor_make(DT_F32, columns ? 2 : 1, (int64_t[]){rows, columns}, NULL);
    VEC_PUSH(&set->list, p);
    lmm_status st = mem_try(&p->owned, tensor_size(&p->t), p->name);
    if (!st) p->t.data = p->owned, *out = p;
    return st;
}

/* A adapter that changes nothing yet: A uniform within 1 / sqrt(in), B zero. */
static lmm_status attach(param *base, param_set *set, const lora_config *l, uint64_t seed) {
    const int64_t out = base->t.ne[0], in = base->t.ne[1];
    adapter *a = mem_new(1, sizeof *a);
    base->adapter = a;
    a->scale = scale_of(l);
    lmm_status st = new_param(&a->a, set, base, kind_a, l->rank, in);
    if (!st) st = new_param(&a->b, set, base, kind_b, out, l->rank);
    if (!st && l->dora) st = new_param(&a->magnitude, set, base, kind_magnitude, out, 0);
    if (!st && l->dora) st = mem_try(&a->length.data, (size_t)out * sizeof(float), base->name);
    if (st) return st;
    if (l->dora) a->length = tensor_make(DT_F32, 1, &out, a->length.data);
    rng r = rng_make(seed, hash_u64(a->a->name, strlen(a->a->name), 0x6c6f7261u));
    float *values = a->a->t.data, bound = 1.0f / sqrtf((float)in);
    for (int64_t i = 0; i < l->rank * in; i++) values[i] = bound * (float)(2.0 * rng_unit(&r) - 1.0);
    return LMM_OK;
}

static bool key_fits(const param *p) {
    size_t n = p->key ? strlen(p->key) : 0;
    return n > 7 && !strcmp(p->key + n - 7, ".weight");
}

lmm_status lora_attach(const param_set *base, param_set *adapters, const lora_config *l, uint64_t seed, const kernels *k, pool *threads) {
    int count = 0;
    for (int i = 0; i < base->list.count; i++) {
        param *p = base->list.at[i];
        if (!is_target(p, l) || !key_fits(p) || p->adapter) continue;
        lmm_status st = attach(p, adapters, l, seed);
        if (st) return st;
        count++;
    }
    lora_measure(base, k, threads);
    for (int i = 0; i < base->list.count; i++) {
        const adapter *a = base->list.at[i]->adapter;
        if (a && a->magnitude) memcpy(a->magnitude->t.data, a->length.data, tensor_size(&a->length));
    }
    return count ? LMM_OK : LMM_FAIL(LMM_E_ARG, "lora: no linear layer of the decoder has one of the target names");
}

void lora_merge(const param_set *base) {
    for (int i = 0; i < base->list.count; i++) {
        param *p = base->list.at[i];
        if (!p->adapter || p->t.type != DT_F32) continue;
        const adapter *a = p->adapter;
        const int64_t out = p->t.ne[0], in = p->t.ne[1];
        for (int64_t o = 0; o < out; o++) {
            float *w = (float *)p->t.data + o * in;
            adapted_row(w, p, o, &kernels_generic);
            if (a->magnitude) kernels_generic.scale(w, tensor_f32(&a->magnitude->t)[o] / tensor_f32(&a->length)[o], w, in);
        }
    }
}

/* ---- files ---- */

static tree *module_names(const param_set *base) {
    tree *names = tree_new(TREE_LIST);
    for (int i = 0; i < base->list.count; i++) {
        const param *p = base->list.at[i];
        if (!p->adapter) continue;
        const char *end = strstr(p->name, ".weight"), *from = end;
        while (from > p->name && from[-1] != '.') from--;
        bool known = false;
        for (int k = 0; k < names->count; k++)
            known |= names->items[k]->text_size == (size_t)(end - from) && !strncmp(names->items[k]->text, from, (size_t)(end - from));
        if (!known) tree_add(names, tree_new_text(from, (size_t)(end - from)));
    }
    return names;
}

static lmm_status write_config(const param_set *base, const lora_config *l, const char *model, const char *dir) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "peft_type", tree_new_string("LORA"));
    tree_put(t, "task_type", tree_new_string("CAUSAL_LM"));
    tree_put(t, "base_model_name_or_path", tree_new_string(model));
    tree_put(t, "r", tree_new_int(l->rank));
    tree_put(t, "lora_alpha", l->alpha == floor(l->alpha) ? tree_new_int((int64_t)l->alpha) : tree_new_real(l->alpha));
    tree_put(t, "lora_dropout", tree_new_real(0));
    tree_put(t, "use_rslora", tree_new_bool(l->rslora));
    tree_put(t, "use_dora", tree_new_bool(l->dora));
    tree_put(t, "bias", tree_new_string("none"));
    tree_put(t, "fan_in_fan_out", tree_new_bool(false));
    tree_put(t, "inference_mode", tree_new_bool(true));
    tree_put(t, "target_modules", module_names(base));
    lmm_status st = tree_save_json(t, dir, "adapter_config.json", 2);
    tree_free(t);
    return st;
}

lmm_status lora_save(const param_set *base, const param_set *adapters, const lora_config *l, const char *model, const char *dir) {
    named_tensor *at = mem_new((size_t)adapters->list.count + 1, sizeof *at);
    for (int i = 0; i < adapters->list.count; i++) at[i] = (named_tensor){adapters->list.at[i]->key, adapters->list.at[i]->t};
    char *path = path_join(dir, "adapter_model.safetensors");
    tree *metadata = tree_new(TREE_MAP);
    tree_put(metadata, "format", tree_new_string("pt"));
    lmm_status st = safetensors_save(path, at, adapters->list.count, metadata);
    tree_free(metadata);
    free(path);
    free(at);
    return st ? st : write_config(base, l, model, dir);
}

static lmm_status read_config(lora_config *out, const char *path) {
    tree *t = NULL;
    int64_t rank = 0;
    lmm_status st = tree_load(&t, path);
    if (!st && strcmp(tree_str(t, "peft_type", ""), "LORA"))
        st = LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': peft_type is '%s', only LORA is known", path, tree_str(t, "peft_type", ""));
    if (!st) st = tree_need_int(t, "r", 1, 65536, &rank, path);
    if (!st && !(tree_real(t, "lora_alpha", 0) > 0)) st = LMM_FAIL(LMM_E_FORMAT, "'%s': 'lora_alpha' must be a number above 0", path);
    if (!st)
        *out = (lora_config){.rank = (int)rank,
                             .alpha = tree_real(t, "lora_alpha", 0),
                             .rslora = tree_bool(t, "use_rslora", false),
                             .dora = tree_bool(t, "use_dora", false)};
    tree_free(t);
    return st;
}

/* The parameter whose adapter the key names: its own key between PEFT's prefix and the kind at the end. */
static param *base_of(const param_set *base, const char *key, const char *kind) {
    size_t head = strlen(prefix), tail = strlen(kind), n = strlen(key);
    if (n <= head + tail || strncmp(key, prefix, head)) return NULL;
    for (int i = 0; i < base->list.count; i++) {
        param *p = base->list.at[i];
        size_t size = n - head - tail;
        if (key_fits(p) && strlen(p->key) == size + 7 && !strncmp(p->key, key + head, size)) return p;
    }
    return NULL;
}

static lmm_status copy_into(param *p, const tensor *from, const char *key) {
    if (!tensor_same_shape(&p->t, from) || (from->type != DT_F32 && from->type != DT_F16 && from->type != DT_BF16)) {
        char have[96], need[96];
        return LMM_FAIL(LMM_E_SHAPE, "'%s' is %s %s, the model needs %s", key, dtype_name(from->type), tensor_shape_text(have, from),
                        tensor_shape_text(need, &p->t));
    }
    kernels_generic.to_f32(p->t.data, from->data, dtype_kernel(from->type), tensor_count(from));
    return LMM_OK;
}

/* Every layer in the file must have all of its tensors there. */
static lmm_status find_parts(const safetensors *file, const char *key, const char *kind, const char *const *kinds) {
    lmm_status st = LMM_OK;
    for (int i = 0; kinds[i] && !st; i++) {
        char *part = mem_printf("%.*s%s", (int)(strlen(key) - strlen(kind)), key, kinds[i]);
        if (!safetensors_find(file, part)) st = LMM_FAIL(LMM_E_FORMAT, "'%s' is there without '%s'", key, part);
        free(part);
    }
    return st;
}

static lmm_status load_tensor(const param_set *base, param_set *adapters, const lora_config *l, const safetensors *file,
                              const named_tensor *t) {
    const char *const kinds[] = {kind_a, kind_b, l->dora ? kind_magnitude : NULL, NULL}, *kind = NULL;
    for (int i = 0; kinds[i]; i++)
        if (text_ends(t->name, kinds[i])) kind = kinds[i];
    if (!kind) return LMM_FAIL(LMM_E_FORMAT, "'%s' is no part of a %s adapter", t->name, l->dora ? "DoRA" : "LoRA (use_dora is off)");
    param *p = base_of(base, t->name, kind);
    if (!p) return LMM_FAIL(LMM_E_FORMAT, "'%s' names no linear layer of the model", t->name);
    if (p->t.nd != 2) return LMM_FAIL(LMM_E_SHAPE, "'%s' adapts something that is no matrix", t->name);
    lmm_status st = find_parts(file, t->name, kind, kinds);
    if (!st && !p->adapter) st = attach(p, adapters, l, 0);
    if (!st && !p->adapter->magnitude == l->dora)
        st = LMM_FAIL(LMM_E_FORMAT, "'%s': the layer has an adapter of another kind already", t->name);
    const adapter *a = p->adapter;
    return st ? st : copy_into(kind == kind_a ? a->a : kind == kind_b ? a->b : a->magnitude, &t->t, t->name);
}

lmm_status lora_load(const param_set *base, param_set *adapters, const char *dir, lora_config *out, const kernels *k, pool *threads) {
    char *config = path_join(dir, "adapter_config.json"), *weights = path_join(dir, "adapter_model.safetensors");
    lora_config l = {0};
    safetensors *file = NULL;
    lmm_status st = read_config(&l, config);
    if (!st) st = safetensors_open(&file, weights);
    for (int i = 0; !st && i < safetensors_count(file); i++)
        st = LMM_CONTEXT(load_tensor(base, adapters, &l, file, safetensors_at(file, i)), "'%s'", weights);
    if (file) safetensors_close(file);
    free(weights);
    free(config);
    if (st) return st;
    lora_measure(base, k, threads);
    if (out) *out = l;
    return LMM_OK;
}
