/* lora.c - low-rank adapters beside frozen linear layers (arXiv 2106.09685): y = W x + b + scale * B (A x), scale = alpha / r, or alpha / sqrt(r) (rsLoRA, arXiv 2312.03732).
 *
 * The base may be quantised: its backward towards x dequantises, and nothing else is asked of it. Files are PEFT's: adapter_config.json and adapter_model.safetensors,
 * "base_model.model.<module>.lora_A.weight" (r, in) and ".lora_B.weight" (out, r). */
#include "nn/nn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const prefix = "base_model.model.";

tensor *lora_add(cx *c, const adapter *a, tensor *x, tensor *y) {
    tensor *low = op_linear(c, x, &a->a->t, NULL);
    return op_add(c, y, op_scale(c, op_linear(c, low, &a->b->t, NULL), a->scale));
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

static lmm_status new_param(param **out, param_set *set, const param *base, const char *kind, int64_t rows, int64_t columns) {
    param *p = mem_new(1, sizeof *p);
    size_t stem = strlen(base->name) - strlen(".weight"), key = strlen(base->key) - strlen(".weight");
    p->name = mem_printf("%.*s.%s.weight", (int)stem, base->name, kind);
    p->key = mem_printf("%s%.*s.%s.weight", prefix, (int)key, base->key, kind);
    p->part = base->part;
    p->t = tensor_make(DT_F32, 2, (int64_t[]){rows, columns}, NULL);
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
    lmm_status st = new_param(&a->a, set, base, "lora_A", l->rank, in);
    if (!st) st = new_param(&a->b, set, base, "lora_B", out, l->rank);
    if (st) return st;
    rng r = rng_make(seed, hash_u64(a->a->name, strlen(a->a->name), 0x6c6f7261u));
    float *values = a->a->t.data, bound = 1.0f / sqrtf((float)in);
    for (int64_t i = 0; i < l->rank * in; i++) values[i] = bound * (float)(2.0 * rng_unit(&r) - 1.0);
    return LMM_OK;
}

static bool key_fits(const param *p) {
    size_t n = p->key ? strlen(p->key) : 0;
    return n > 7 && !strcmp(p->key + n - 7, ".weight");
}

lmm_status lora_attach(const param_set *base, param_set *adapters, const lora_config *l, uint64_t seed) {
    int count = 0;
    for (int i = 0; i < base->list.count; i++) {
        param *p = base->list.at[i];
        if (!is_target(p, l) || !key_fits(p) || p->adapter) continue;
        lmm_status st = attach(p, adapters, l, seed);
        if (st) return st;
        count++;
    }
    return count ? LMM_OK : LMM_FAIL(LMM_E_ARG, "lora: no linear layer of the decoder has one of the target names");
}

void lora_merge(const param_set *base) {
    for (int i = 0; i < base->list.count; i++) {
        param *p = base->list.at[i];
        if (!p->adapter || p->t.type != DT_F32) continue;
        const adapter *a = p->adapter;
        const float *A = a->a->t.data, *B = a->b->t.data;
        const int64_t out = p->t.ne[0], in = p->t.ne[1], r = a->a->t.ne[0];
        float *w = p->t.data;
        for (int64_t o = 0; o < out; o++)
            for (int64_t k = 0; k < r; k++)
                for (int64_t n = 0; n < in; n++) w[o * in + n] += a->scale * B[o * r + k] * A[k * in + n];
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
    tree_put(t, "use_dora", tree_new_bool(false));
    tree_put(t, "bias", tree_new_string("none"));
    tree_put(t, "fan_in_fan_out", tree_new_bool(false));
    tree_put(t, "inference_mode", tree_new_bool(true));
    tree_put(t, "target_modules", module_names(base));
    buf b = {0};
    tree_write_json(&b, t, 2);
    buf_putc(&b, '\n');
    char *path = path_join(dir, "adapter_config.json");
    lmm_status st = file_write(path, b.data, b.size);
    free(path);
    buf_free(&b);
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
    if (!st && tree_bool(t, "use_dora", false)) st = LMM_FAIL(LMM_E_UNSUPPORTED, "'%s': DoRA adapters are not known", path);
    if (!st) st = tree_need_int(t, "r", 1, 65536, &rank, path);
    if (!st && !(tree_real(t, "lora_alpha", 0) > 0)) st = LMM_FAIL(LMM_E_FORMAT, "'%s': 'lora_alpha' must be a number above 0", path);
    if (!st) *out = (lora_config){.rank = (int)rank, .alpha = tree_real(t, "lora_alpha", 0), .rslora = tree_bool(t, "use_rslora", false)};
    tree_free(t);
    return st;
}

/* The parameter whose adapter the key names: its own key between PEFT's prefix and "lora_A.weight". */
static param *base_of(const param_set *base, const char *key) {
    size_t head = strlen(prefix), tail = strlen(".lora_A.weight"), n = strlen(key);
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

static lmm_status load_tensor(const param_set *base, param_set *adapters, const lora_config *l, const named_tensor *t) {
    const bool is_a = strstr(t->name, ".lora_A.weight") != NULL, is_b = strstr(t->name, ".lora_B.weight") != NULL;
    param *p = is_a || is_b ? base_of(base, t->name) : NULL;
    if (!p) return LMM_FAIL(LMM_E_FORMAT, "'%s' names no linear layer of the model", t->name);
    if (p->t.nd != 2) return LMM_FAIL(LMM_E_SHAPE, "'%s' adapts something that is no matrix", t->name);
    lmm_status st = p->adapter ? LMM_OK : attach(p, adapters, l, 0);
    return st ? st : copy_into(is_a ? p->adapter->a : p->adapter->b, &t->t, t->name);
}

lmm_status lora_load(const param_set *base, param_set *adapters, const char *dir, lora_config *out) {
    char *config = path_join(dir, "adapter_config.json"), *weights = path_join(dir, "adapter_model.safetensors");
    lora_config l = {0};
    safetensors *file = NULL;
    lmm_status st = read_config(&l, config);
    if (!st) st = safetensors_open(&file, weights);
    for (int i = 0; !st && i < safetensors_count(file); i++)
        st = LMM_CONTEXT(load_tensor(base, adapters, &l, safetensors_at(file, i)), "'%s'", weights);
    if (file) safetensors_close(file);
    free(weights);
    free(config);
    if (!st && out) *out = l;
    return st;
}
