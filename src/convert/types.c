/* types.c - the number types of `lmm quantize`, and which tensor gets which.
 *
 * A plain type is for every matrix. The mix Q4_K_M follows llama.cpp (src/llama-quant.cpp): output, and values and down projections of the
 * layers where errors weigh most, get Q6_K. Rows that are no whole blocks get a type of smaller blocks with as many bits or more. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "convert/convert.h"

static const number_type types[] = {
    {"f32", DT_F32, false, 0},    {"f16", DT_F16, false, 1},    {"bf16", DT_BF16, false, 32}, {"q8_0", DT_Q8_0, false, 7},
    {"q4_0", DT_Q4_0, false, 2},  {"q4_1", DT_Q4_1, false, 3},  {"q5_0", DT_Q5_0, false, 8},  {"q5_1", DT_Q5_1, false, 9},
    {"q4_K", DT_Q4_K, false, 14}, {"q5_K", DT_Q5_K, false, 16}, {"q6_K", DT_Q6_K, false, 18}, {"q4_K_M", DT_Q4_K, true, 15},
};

lmm_status number_type_find(const number_type **out, const char *name) {
    buf known = {0};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (!strcasecmp(types[i].name, name)) return buf_free(&known), *out = &types[i], LMM_OK;
        buf_printf(&known, "%s%s", i ? ", " : "", types[i].name);
    }
    lmm_status st = LMM_FAIL(LMM_E_ARG, "the type '%s' is not known (known: %s)", name, known.data);
    buf_free(&known);
    return st;
}

const number_type *number_type_of(dtype t) {
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].type == t && !types[i].mixed) return &types[i];
    return NULL;
}

static bool is_matrix(const planned_tensor *p) {
    return p->from.nd == 2 && dtype_is_weight(p->from.type) && text_ends(p->name, ".weight") && !strstr(p->name, "_norm") &&
           !strstr(p->name, "position_embd") && !strstr(p->name, "token_types");
}

static int layer_of(const char *name) {
    int layer;
    return sscanf(name, "blk.%d.", &layer) == 1 ? layer : -1;
}

static bool more_bits(int layer, int count) { return layer < count / 8 || layer >= 7 * count / 8 || (layer - count / 8) % 3 == 2; }

/* head: the tensor that makes the logits. */
static dtype mixed_type(const char *name, dtype plain, int layers, const char *head) {
    if (!strcmp(name, head)) return DT_Q6_K;
    bool sensitive = strstr(name, ".attn_v.") || strstr(name, ".ffn_down.");
    return sensitive && more_bits(layer_of(name), layers) ? DT_Q6_K : plain;
}

static dtype fitting_type(dtype t, int64_t cols) {
    static const struct { dtype type, small; } row[] = {{DT_Q4_K, DT_Q5_0}, {DT_Q5_K, DT_Q5_1}, {DT_Q6_K, DT_Q8_0}};
    for (size_t i = 0; i < COUNT_OF(row) && cols % dtype_block(t); i++)
        if (row[i].type == t) t = row[i].small;
    return cols % dtype_block(t) ? DT_F16 : t;
}

void number_type_assign(tensor_plan *plan, const number_type *t) {
    int layers = 0;
    const char *head = "token_embd.weight";
    for (int i = 0; i < plan->count; i++) {
        layers = max_int(layers, layer_of(plan->at[i].name) + 1);
        if (!strcmp(plan->at[i].name, "output.weight")) head = plan->at[i].name;
    }
    for (int i = 0; i < plan->count; i++) {
        planned_tensor *p = &plan->at[i];
        if (!is_matrix(p)) continue;
        p->type = fitting_type(t->mixed ? mixed_type(p->name, t->type, layers, head) : t->type, tensor_cols(&p->from));
    }
}
