/* tensor.c - shapes, sizes and names of tensors. */
#include "tensor/tensor.h"

static const struct {
    const char *name;
    size_t size;
} dtype_row[DT_COUNT] = {
    [DT_F32] = {"F32", 4}, [DT_F16] = {"F16", 2}, [DT_BF16] = {"BF16", 2}, [DT_I64] = {"I64", 8},   [DT_I32] = {"I32", 4},
    [DT_I16] = {"I16", 2}, [DT_I8] = {"I8", 1},   [DT_U8] = {"U8", 1},     [DT_BOOL] = {"BOOL", 1}, [DT_F64] = {"F64", 8},
};

const char *dtype_name(dtype t) { return dtype_row[t].name; }
size_t dtype_size(dtype t) { return dtype_row[t].size; }
bool dtype_is_weight(dtype t) { return t == DT_F32 || t == DT_F16 || t == DT_BF16; }

kernel_type dtype_kernel(dtype t) {
    LMM_ASSERT(dtype_is_weight(t), "%s is no weight type", dtype_name(t));
    return t == DT_F32 ? KT_F32 : t == DT_F16 ? KT_F16 : KT_BF16;
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

size_t tensor_size(const tensor *t) { return (size_t)tensor_count(t) * dtype_size(t->type); }

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

const char *tensor_shape_text(char text[96], const tensor *t) {
    int at = snprintf(text, 96, "(");
    for (int i = 0; i < t->nd && at < 95; i++) at += snprintf(text + at, 96 - (size_t)at, "%s%" PRId64, i ? "," : "", t->ne[i]);
    if (at < 95) snprintf(text + at, 96 - (size_t)at, ")");
    return text;
}
