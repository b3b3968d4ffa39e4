/* tensor.c - shapes, sizes and names of tensors. */
#include "tensor/tensor.h"

#include <string.h>

enum { NOT_WEIGHT = -1 };

static const struct {
    const char *name;
    int kernel;  /* kernel_type of weights: it knows their size */
    size_t size; /* of one value of the others */
} dtype_row[DT_COUNT] = {
    [DT_F32] = {"F32", KT_F32, 0},     [DT_F16] = {"F16", KT_F16, 0},     [DT_BF16] = {"BF16", KT_BF16, 0},
    [DT_I64] = {"I64", NOT_WEIGHT, 8}, [DT_I32] = {"I32", NOT_WEIGHT, 4}, [DT_I16] = {"I16", NOT_WEIGHT, 2},
    [DT_I8] = {"I8", NOT_WEIGHT, 1},   [DT_U8] = {"U8", NOT_WEIGHT, 1},   [DT_BOOL] = {"BOOL", NOT_WEIGHT, 1},
    [DT_F64] = {"F64", NOT_WEIGHT, 8}, [DT_Q4_0] = {"Q4_0", KT_Q4_0, 0},  [DT_Q4_1] = {"Q4_1", KT_Q4_1, 0},
    [DT_Q5_0] = {"Q5_0", KT_Q5_0, 0},  [DT_Q5_1] = {"Q5_1", KT_Q5_1, 0},  [DT_Q8_0] = {"Q8_0", KT_Q8_0, 0},
    [DT_Q2_K] = {"Q2_K", KT_Q2_K, 0},  [DT_Q3_K] = {"Q3_K", KT_Q3_K, 0},  [DT_Q4_K] = {"Q4_K", KT_Q4_K, 0},
    [DT_Q5_K] = {"Q5_K", KT_Q5_K, 0},  [DT_Q6_K] = {"Q6_K", KT_Q6_K, 0},
};

const char *dtype_name(dtype t) { return dtype_row[t].name; }
bool dtype_is_weight(dtype t) { return dtype_row[t].kernel != NOT_WEIGHT; }
int dtype_block(dtype t) { return dtype_is_weight(t) ? kernel_type_block(dtype_kernel(t)) : 1; }
size_t dtype_size(dtype t) { return dtype_bytes(t, dtype_block(t)); }

size_t dtype_bytes(dtype t, int64_t n) {
    return dtype_is_weight(t) ? kernel_type_bytes(dtype_kernel(t), n) : (size_t)n * dtype_row[t].size;
}

kernel_type dtype_kernel(dtype t) {
    LMM_ASSERT(dtype_is_weight(t), "%s is no weight type", dtype_name(t));
    return (kernel_type)dtype_row[t].kernel;
}

int64_t tensor_count(const tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->nd; i++) n *= t->ne[i];
    return n;
}

int64_t tensor_cols(const tensor *t) { return t->nd ? t->ne[t->nd - 1] : 1; }

int64_t tensor_rows(const tensor *t) {
    int64_t n = 1;
    for (int i = 0; i + 1 < t->nd; i++) n *= t->ne[i];
    return n;
}

size_t tensor_size(const tensor *t) { return dtype_bytes(t->type, tensor_count(t)); }

bool tensor_same_shape(const tensor *a, const tensor *b) {
    if (a->nd != b->nd) return false;
    for (int i = 0; i < a->nd; i++)
        if (a->ne[i] != b->ne[i]) return false;
    return true;
}

tensor tensor_make(dtype type, int nd, const int64_t *ne, void *data) {
    LMM_ASSERT(nd >= 0 && nd <= TENSOR_ND_MAX, "%d dimensions", nd);
    tensor t = {.type = type, .nd = nd, .data = data};
    for (int i = 0; i < nd; i++) t.ne[i] = ne[i];
    return t;
}

int64_t tensor_row_place(const tensor *t, int64_t r) {
    if (!t->woven) return r;
    int64_t d = t->ne[0] / t->woven;
    return r / d * d + r % d % (d / 2) * 2 + r % d / (d / 2);
}

lmm_status tensor_straighten(tensor *t, void **copy, const char *name) {
    size_t row = dtype_bytes(t->type, tensor_cols(t));
    void *data;
    lmm_status st = mem_try(&data, tensor_size(t), name);
    if (st) return st;
    for (int64_t r = 0; r < t->ne[0]; r++)
        memcpy((char *)data + (size_t)r * row, (const char *)t->data + (size_t)tensor_row_place(t, r) * row, row);
    *copy = t->data = data;
    t->woven = 0;
    return LMM_OK;
}

const char *tensor_shape_text(char text[96], const tensor *t) {
    int at = snprintf(text, 96, "(");
    for (int i = 0; i < t->nd && at < 95; i++) at += snprintf(text + at, 96 - (size_t)at, "%s%" PRId64, i ? "," : "", t->ne[i]);
    if (at < 95) snprintf(text + at, 96 - (size_t)at, ")");
    return text;
}
