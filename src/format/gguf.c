/* gguf.c - reading one GGUF file: counts, metadata, descriptions of tensors, padding, the tensors' bytes.
 *
 * Everything before the tensors is walked once, every length checked against the bytes that are left; metadata stays where it lies. Tensors must
 * follow each other as every writer lays them out: each at the next multiple of the alignment, the last one at the end of the file. So no tensor
 * overlaps another, and a file carries nothing that no reader sees.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Dimensions come innermost first; ours are outermost first. */
#include <stdlib.h>
#include <string.h>

#include "format/format_int.h"

enum {
    KEYS_MAX = 1 << 16,
    KEY_SIZE_MAX = 65535, /* the format's limit */
    NAME_SIZE_MAX = 255,  /* ours; writers keep below 64 */
    DIMS_MAX = 4,         /* the format's limit */
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_MAX = 1 << 20,
    KEY_SIZE_MIN = 8 + 1 + 4 + 1,            /* a length, one letter, a type, one byte */
    TENSOR_SIZE_MIN = 8 + 1 + 4 + 8 + 4 + 8, /* a length, one letter, one dimension, type, offset */
};

typedef struct {
    gguf_type type;
    const unsigned char *at; /* the value; of arrays behind type and count */
    gguf_type item;          /* arrays */
    uint64_t count;
    gguf_text entry; /* all of it: key, type, value */
} value;

struct gguf {
    file_map map; /* empty when opened from memory */
    char *name;
    strmap *keys;
    VEC(value) values;
    VEC(named_tensor) list; /* names owned */
    VEC(uint64_t) offsets;  /* of the tensors, from the start of the data */
    strmap *index;
    int64_t alignment;
};

static const struct {
    const char *name;
    int size; /* 0: it varies */
} type_row[] = {
    [GGUF_U8] = {"u8", 1},   [GGUF_I8] = {"i8", 1},   [GGUF_U16] = {"u16", 2},   [GGUF_I16] = {"i16", 2},       [GGUF_U32] = {"u32", 4},
    [GGUF_I32] = {"i32", 4}, [GGUF_F32] = {"f32", 4}, [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0}, [GGUF_ARRAY] = {"array", 0},
    [GGUF_U64] = {"u64", 8}, [GGUF_I64] = {"i64", 8}, [GGUF_F64] = {"f64", 8},
};

/* Numbers of tensor types in files; those without a dtype are known by name only. */
/* clang-format off */
static const struct {
    uint32_t number;
    int type; /* a dtype, -1: not read */
    const char *name;
} tensor_types[] = {
    {0, DT_F32, "F32"},    {1, DT_F16, "F16"},    {2, DT_Q4_0, "Q4_0"},  {3, DT_Q4_1, "Q4_1"},  {6, DT_Q5_0, "Q5_0"},  {7, DT_Q5_1, "Q5_1"},
    {8, DT_Q8_0, "Q8_0"},  {9, -1, "Q8_1"},       {10, DT_Q2_K, "Q2_K"}, {11, DT_Q3_K, "Q3_K"}, {12, DT_Q4_K, "Q4_K"}, {13, DT_Q5_K, "Q5_K"},
    {14, DT_Q6_K, "Q6_K"}, {15, -1, "Q8_K"},      {16, -1, "IQ2_XXS"},   {17, -1, "IQ2_XS"},    {18, -1, "IQ3_XXS"},   {19, -1, "IQ1_S"},
    {20, -1, "IQ4_NL"},    {21, -1, "IQ3_S"},     {22, -1, "IQ2_S"},     {23, -1, "IQ4_XS"},    {24, DT_I8, "I8"},     {25, DT_I16, "I16"},
    {26, DT_I32, "I32"},   {27, DT_I64, "I64"},   {28, DT_F64, "F64"},   {29, -1, "IQ1_M"},     {30, DT_BF16, "BF16"}, {34, -1, "TQ1_0"},
    {35, -1, "TQ2_0"},     {39, -1, "MXFP4"},     {40, -1, "NVFP4"},
};
/* clang-format on */

/* ---- walking the bytes ---- */

typedef struct {
    const unsigned char *base, *at, *end;
} cursor;

static size_t left(const cursor *c) { return (size_t)(c->end - c->at); }

static uint64_t number(const unsigned char *at, int size) {
    uint64_t n = 0;
    for (int i = size - 1; i >= 0; i--) n = n << 8 | at[i];
    return n;
}

static lmm_status cut_off(const cursor *c, const char *what) {
    return LMM_FAIL(LMM_E_FORMAT, "the file ends at byte %zu inside %s (is the download complete?)", (size_t)(c->end - c->base), what);
}

static lmm_status take_number(cursor *c, int size, uint64_t *out, const char *what) {
    if (left(c) < (size_t)size) return cut_off(c, what);
    *out = number(c->at, size);
    c->at += size;
    return LMM_OK;
}

static lmm_status take_text(cursor *c, gguf_text *out, const char *what) {
    uint64_t size = 0;
    lmm_status st = take_number(c, 8, &size, what);
    if (st) return st;
    if (size > left(c))
        return LMM_FAIL(LMM_E_FORMAT, "at byte %zu %s claims %" PRIu64 " bytes, the file has %zu more", (size_t)(c->at - c->base) - 8, what,
                        size, left(c));
    *out = (gguf_text){(const char *)c->at, (size_t)size};
    c->at += size;
    return LMM_OK;
}

/* A name that may be shown and looked up: not empty, of bounded length, no NUL. */
static lmm_status take_name(cursor *c, size_t limit, char **out, const char *what) {
    gguf_text t = {0};
    size_t at = (size_t)(c->at - c->base);
    lmm_status st = take_text(c, &t, what);
    if (st) return st;
    if (t.size == 0) return LMM_FAIL(LMM_E_FORMAT, "at byte %zu %s is empty", at, what);
    if (t.size > limit) return LMM_FAIL(LMM_E_FORMAT, "at byte %zu %s of %zu bytes is longer than %zu", at, what, t.size, limit);
    if (memchr(t.at, '\0', t.size)) return LMM_FAIL(LMM_E_FORMAT, "at byte %zu %s has a zero byte in it", at, what);
    *out = mem_strndup(t.at, t.size);
    return LMM_OK;
}

/* ---- metadata ---- */

static lmm_status take_type(cursor *c, gguf_type *out) {
    uint64_t t = 0;
    lmm_status st = take_number(c, 4, &t, "the type of a value");
    if (st) return st;
    if (t >= COUNT_OF(type_row))
        return LMM_FAIL(LMM_E_FORMAT, "at byte %zu is a value of the unknown type %" PRIu64, (size_t)(c->at - c->base) - 4, t);
    return *out = (gguf_type)t, LMM_OK;
}

static lmm_status skip_items(cursor *c, gguf_type type, uint64_t count) {
    int size = type_row[type].size;
    if (size) {
        if (count > left(c) / (size_t)size)
            return LMM_FAIL(LMM_E_FORMAT, "at byte %zu %" PRIu64 " values of %s do not fit into the %zu bytes that are left",
                            (size_t)(c->at - c->base), count, type_row[type].name, left(c));
        for (uint64_t i = 0; type == GGUF_BOOL && i < count; i++)
            if (c->at[i] > 1)
                return LMM_FAIL(LMM_E_FORMAT, "at byte %zu a truth value is %d", (size_t)(c->at - c->base) + (size_t)i, c->at[i]);
        c->at += count * (uint64_t)size;
        return LMM_OK;
    }
    if (count > left(c) / 8)
        return LMM_FAIL(LMM_E_FORMAT, "at byte %zu %" PRIu64 " strings do not fit into the %zu bytes that are left",
                        (size_t)(c->at - c->base), count, left(c));
    lmm_status st = LMM_OK;
    gguf_text t;
    for (uint64_t i = 0; i < count && !st; i++) st = take_text(c, &t, "a string");
    return st;
}

static lmm_status take_value(cursor *c, value *v) {
    lmm_status st = take_type(c, &v->type);
    v->count = 1;
    v->item = v->type;
    if (!st && v->type == GGUF_ARRAY) {
        st = take_type(c, &v->item);
        if (!st && v->item == GGUF_ARRAY) return LMM_FAIL(LMM_E_UNSUPPORTED, "it is an array of arrays, which no model needs");
        if (!st) st = take_number(c, 8, &v->count, "the length of an array");
        if (!st && v->count > INT32_MAX)
            return LMM_FAIL(LMM_E_FORMAT, "it is an array of %" PRIu64 " values, which no file holds", v->count);
    }
    if (st) return st;
    v->at = c->at;
    return skip_items(c, v->item, v->count);
}

static lmm_status take_key(gguf *g, cursor *c) {
    char *key = NULL;
    value v = {0};
    const unsigned char *begin = c->at;
    size_t at = (size_t)(c->at - c->base);
    lmm_status st = take_name(c, KEY_SIZE_MAX, &key, "a metadata key");
    if (st) return st;
    st = take_value(c, &v);
    v.entry = (gguf_text){(const char *)begin, (size_t)(c->at - begin)};
    if (st) st = LMM_CONTEXT(st, "metadata '%s'", name_shown(key).text);
    else if (!strmap_put(g->keys, key, strlen(key), g->values.count))
        st = LMM_FAIL(LMM_E_FORMAT, "metadata '%s' comes a second time at byte %zu", name_shown(key).text, at);
    else VEC_PUSH(&g->values, v);
    free(key);
    return st;
}

static const value *find(const gguf *g, const char *key) {
    int i;
    return strmap_get(g->keys, key, strlen(key), &i) ? &g->values.at[i] : NULL;
}

static lmm_status wrong_type(const char *key, const value *v, const char *need) {
    return LMM_FAIL(LMM_E_FORMAT, "metadata '%s' is %s%s, needs %s", key, v->type == GGUF_ARRAY ? "an array of " : "",
                    type_row[v->item].name, need);
}

static lmm_status read_alignment(gguf *g) {
    const value *v = find(g, "general.alignment");
    g->alignment = ALIGNMENT_DEFAULT;
    if (!v) return LMM_OK;
    if (v->type != GGUF_U32) return wrong_type("general.alignment", v, "u32");
    uint64_t a = number(v->at, 4);
    if (a < 8 || a > ALIGNMENT_MAX || a & (a - 1))
        return LMM_FAIL(LMM_E_FORMAT, "metadata 'general.alignment' is %" PRIu64 ", needs a power of two from 8 to %d", a, ALIGNMENT_MAX);
    g->alignment = (int64_t)a;
    return LMM_OK;
}

/* ---- tensors ---- */

static lmm_status read_dims(cursor *c, tensor *t) {
    uint64_t nd = 0;
    lmm_status st = take_number(c, 4, &nd, "the shape of a tensor");
    if (st) return st;
    if (nd < 1 || nd > DIMS_MAX) return LMM_FAIL(LMM_E_FORMAT, "it has %" PRIu64 " dimensions, needs 1 to %d", nd, DIMS_MAX);
    t->nd = (int)nd;
    for (int i = t->nd - 1; i >= 0; i--) {
        uint64_t n = 0;
        if ((st = take_number(c, 8, &n, "the shape of a tensor"))) return st;
        if (n == 0 || n > INT64_MAX) return LMM_FAIL(LMM_E_FORMAT, "its dimension %d is %" PRIu64, t->nd - 1 - i, n);
        t->ne[i] = (int64_t)n;
    }
    return LMM_OK;
}

static lmm_status read_tensor_type(cursor *c, tensor *t) {
    uint64_t n = 0;
    lmm_status st = take_number(c, 4, &n, "the type of a tensor");
    if (st) return st;
    for (size_t i = 0; i < COUNT_OF(tensor_types); i++) {
        if (tensor_types[i].number != n) continue;
        if (tensor_types[i].type >= 0) return t->type = (dtype)tensor_types[i].type, LMM_OK;
        return LMM_FAIL(LMM_E_UNSUPPORTED,
                        "it is stored as %s, read are F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K and whole numbers",
                        tensor_types[i].name);
    }
    return LMM_FAIL(LMM_E_UNSUPPORTED, "it is stored as the unknown type %" PRIu64, n);
}

static lmm_status check_blocks(const tensor *t) {
    size_t size;
    char text[96];
    if (tensor_cols(t) % dtype_block(t->type))
        return LMM_FAIL(LMM_E_FORMAT, "its rows of %" PRId64 " values are no whole blocks of %d, as %s needs", tensor_cols(t),
                        dtype_block(t->type), dtype_name(t->type));
    if (!shape_size(t->type, t->nd, t->ne, &size))
        return LMM_FAIL(LMM_E_FORMAT, "a shape of %s holds more than any file", tensor_shape_text(text, t));
    return LMM_OK;
}

static lmm_status take_tensor(gguf *g, cursor *c) {
    char *name = NULL;
    tensor t = {0};
    uint64_t offset = 0;
    lmm_status st = take_name(c, NAME_SIZE_MAX, &name, "a tensor's name");
    if (st) return st;
    st = read_dims(c, &t);
    if (!st) st = read_tensor_type(c, &t);
    if (!st) st = check_blocks(&t);
    if (!st) st = take_number(c, 8, &offset, "the place of a tensor");
    if (!st && !strmap_put(g->index, name, strlen(name), g->list.count))
        st = LMM_FAIL(LMM_E_FORMAT, "the file has another one of this name");
    if (st) {
        st = LMM_CONTEXT(st, "tensor '%s'", name_shown(name).text);
        free(name);
        return st;
    }
    VEC_PUSH(&g->list, ((named_tensor){name, t}));
    VEC_PUSH(&g->offsets, offset);
    return LMM_OK;
}

/* `at` and the size of a tensor are below the size of a file: their sum does not wrap. */
static size_t padded(const gguf *g, size_t at) { return (at + (size_t)g->alignment - 1) / (size_t)g->alignment * (size_t)g->alignment; }

/* data_size bytes behind the padded header; the last tensor may be padded or not. */
static lmm_status place_tensors(gguf *g, const unsigned char *data, size_t data_size) {
    size_t at = 0;
    for (int i = 0; i < g->list.count; i++) {
        named_tensor *n = &g->list.at[i];
        shown name = name_shown(n->name);
        size_t size = tensor_size(&n->t), begin = padded(g, at);
        if (g->offsets.at[i] != begin)
            return LMM_FAIL(LMM_E_FORMAT,
                            "tensor '%s' begins at byte %" PRIu64 " of the data, needs %zu: behind the one before, aligned to %" PRId64,
                            name.text, g->offsets.at[i], begin, g->alignment);
        if (begin > data_size || size > data_size - begin)
            return LMM_FAIL(LMM_E_FORMAT,
                            "tensor '%s' takes %zu bytes from byte %zu of the data, the file has %zu (is the download complete?)",
                            name.text, size, begin, data_size);
        n->t.data = (void *)(uintptr_t)(data + begin); /* tensors carry no const; the map itself is read-only */
        at = begin + size;
    }
    if (data_size != at && data_size != padded(g, at))
        return LMM_FAIL(LMM_E_FORMAT, "%zu bytes after the last tensor belong to no tensor", data_size - at);
    return LMM_OK;
}

/* ---- the file ---- */

static lmm_status read_counts(cursor *c, uint64_t *tensors, uint64_t *keys) {
    uint64_t version = 0;
    if (left(c) >= 8 && !memcmp(c->at, "version ", 8))
        return LMM_FAIL(LMM_E_FORMAT, "it is a Git LFS pointer, not the weights: fetch them with `git lfs pull`");
    if (left(c) < 4 || memcmp(c->at, "GGUF", 4)) return LMM_FAIL(LMM_E_FORMAT, "its first 4 bytes are not \"GGUF\", so it is no GGUF file");
    c->at += 4;
    lmm_status st = take_number(c, 4, &version, "the version");
    if (st) return st;
    if (version != 2 && version != 3)
        return version && !(version & 0xffff)
                   ? LMM_FAIL(LMM_E_UNSUPPORTED, "its version says that it is big-endian: convert it to little-endian")
                   : LMM_FAIL(LMM_E_UNSUPPORTED, "its version is %" PRIu64 ", read are 2 and 3", version);
    st = take_number(c, 8, tensors, "the number of tensors");
    if (!st) st = take_number(c, 8, keys, "the number of metadata keys");
    if (st) return st;
    if (*tensors > HEADER_TENSORS_MAX || *tensors > left(c) / TENSOR_SIZE_MIN)
        return LMM_FAIL(LMM_E_FORMAT, "it claims %" PRIu64 " tensors, which its %zu bytes cannot describe (limit %d)", *tensors, left(c),
                        HEADER_TENSORS_MAX);
    if (*keys > KEYS_MAX || *keys > left(c) / KEY_SIZE_MIN)
        return LMM_FAIL(LMM_E_FORMAT, "it claims %" PRIu64 " metadata keys, which its %zu bytes cannot hold (limit %d)", *keys, left(c),
                        KEYS_MAX);
    return LMM_OK;
}

static lmm_status read_all(gguf *g, const unsigned char *bytes, size_t n) {
    cursor c = {bytes, bytes, bytes + n};
    uint64_t tensors = 0, keys = 0;
    lmm_status st = read_counts(&c, &tensors, &keys);
    for (uint64_t i = 0; !st && i < keys; i++) st = take_key(g, &c);
    if (!st) st = read_alignment(g);
    for (uint64_t i = 0; !st && i < tensors; i++) st = take_tensor(g, &c);
    if (st) return st;
    size_t header = (size_t)(c.at - bytes), begin = padded(g, header);
    if (begin <= n) return place_tensors(g, bytes + begin, n - begin);
    if (tensors == 0 && header == n) return LMM_OK; /* a vocabulary alone needs no padding */
    return cut_off(&c, "the padding before the tensors");
}

static lmm_status open_bytes(gguf **out, gguf *g, const void *bytes, size_t n) {
    g->keys = strmap_new();
    g->index = strmap_new();
    lmm_status st = read_all(g, bytes, n);
    if (!st) return *out = g, LMM_OK;
    st = LMM_CONTEXT(st, "cannot read '%s'", g->name);
    gguf_close(g);
    return st;
}

lmm_status gguf_open(gguf **out, const char *path) {
    file_map map;
    lmm_status st = file_map_open(&map, path);
    if (st) return st;
    gguf *g = mem_new(1, sizeof *g);
    g->map = map;
    g->name = mem_strdup(path);
    return open_bytes(out, g, map.data, map.size);
}

lmm_status gguf_open_mem(gguf **out, const void *bytes, size_t n, const char *name) {
    gguf *g = mem_new(1, sizeof *g);
    g->name = mem_strdup(name);
    return open_bytes(out, g, bytes, n);
}

void gguf_close(gguf *g) {
    if (!g) return;
    for (int i = 0; i < g->list.count; i++) free((char *)(uintptr_t)g->list.at[i].name);
    strmap_free(g->keys);
    strmap_free(g->index);
    free(g->values.at);
    free(g->list.at);
    free(g->offsets.at);
    free(g->name);
    if (g->map.path) file_map_close(&g->map);
    free(g);
}

bool gguf_is(const char *path) {
    char magic[4];
    FILE *f = fopen(path, "rb");
    bool is = f && fread(magic, 1, sizeof magic, f) == sizeof magic && !memcmp(magic, "GGUF", sizeof magic);
    if (f) fclose(f);
    return is;
}

const char *gguf_name(const gguf *g) { return g->name; }
int gguf_count(const gguf *g) { return g->list.count; }

const named_tensor *gguf_at(const gguf *g, int i) {
    LMM_ASSERT(i >= 0 && i < g->list.count, "tensor %d of %d", i, g->list.count);
    return &g->list.at[i];
}

const tensor *gguf_find(const gguf *g, const char *name) {
    int i;
    return strmap_get(g->index, name, strlen(name), &i) ? &g->list.at[i].t : NULL;
}

/* ---- metadata for the caller ---- */

bool gguf_has(const gguf *g, const char *key) { return find(g, key) != NULL; }

int gguf_entry_count(const gguf *g) { return g->values.count; }

gguf_text gguf_entry(const gguf *g, int i, gguf_text *key) {
    LMM_ASSERT(i >= 0 && i < g->values.count, "metadata %d of %d", i, g->values.count);
    gguf_text entry = g->values.at[i].entry;
    *key = (gguf_text){entry.at + 8, (size_t)number((const unsigned char *)entry.at, 8)};
    return entry;
}

uint32_t gguf_tensor_type(dtype t) {
    for (size_t i = 0; i < COUNT_OF(tensor_types); i++)
        if (tensor_types[i].type == (int)t) return tensor_types[i].number;
    LMM_ASSERT(false, "GGUF holds no %s", dtype_name(t));
}

static bool is_int(gguf_type t) { return t != GGUF_F32 && t != GGUF_F64 && t != GGUF_BOOL && t != GGUF_STRING && t != GGUF_ARRAY; }

static int64_t int_value(const value *v) {
    uint64_t n = number(v->at, type_row[v->type].size);
    switch (v->type) {
    case GGUF_I8: return (int8_t)n;
    case GGUF_I16: return (int16_t)n;
    case GGUF_I32: return (int32_t)n;
    default: return (int64_t)n;
    }
}

lmm_status gguf_int(const gguf *g, const char *key, int64_t fallback, int64_t *out) {
    const value *v = find(g, key);
    if (!v) return *out = fallback, LMM_OK;
    if (!is_int(v->type)) return wrong_type(key, v, "a whole number");
    int64_t n = int_value(v);
    if (v->type == GGUF_U64 && n < 0)
        return LMM_FAIL(LMM_E_FORMAT, "metadata '%s' is %" PRIu64 ", which is out of range", key, (uint64_t)n);
    return *out = n, LMM_OK;
}

lmm_status gguf_real(const gguf *g, const char *key, double fallback, double *out) {
    const value *v = find(g, key);
    if (!v) return *out = fallback, LMM_OK;
    if (v->type == GGUF_F32) {
        float x;
        memcpy(&x, v->at, sizeof x);
        return *out = x, LMM_OK;
    }
    if (v->type != GGUF_F64) return wrong_type(key, v, "f32 or f64");
    memcpy(out, v->at, sizeof *out);
    return LMM_OK;
}

lmm_status gguf_bool(const gguf *g, const char *key, bool fallback, bool *out) {
    const value *v = find(g, key);
    if (v && v->type != GGUF_BOOL) return wrong_type(key, v, "bool");
    return *out = v ? v->at[0] != 0 : fallback, LMM_OK;
}

static gguf_text text_at(const unsigned char *at) { return (gguf_text){(const char *)at + 8, (size_t)number(at, 8)}; }

lmm_status gguf_string(const gguf *g, const char *key, const char *fallback, gguf_text *out) {
    const value *v = find(g, key);
    if (v && v->type != GGUF_STRING) return wrong_type(key, v, "string");
    if (!v && !fallback) return LMM_FAIL(LMM_E_FORMAT, "metadata '%s' is missing", key);
    *out = v ? text_at(v->at) : (gguf_text){fallback, strlen(fallback)};
    return LMM_OK;
}

lmm_status gguf_array(const gguf *g, const char *key, gguf_type type, gguf_list *out) {
    const value *v = find(g, key);
    if (v && (v->type != GGUF_ARRAY || v->item != type)) {
        char need[32];
        snprintf(need, sizeof need, "an array of %s", type_row[type].name);
        return wrong_type(key, v, need);
    }
    *out = v ? (gguf_list){v->at, (int)v->count, type} : (gguf_list){NULL, 0, type};
    return LMM_OK;
}

gguf_text gguf_list_text(gguf_list *l) {
    LMM_ASSERT(l->type == GGUF_STRING && l->count > 0, "a string of a list of %d", l->count);
    gguf_text t = text_at(l->at);
    l->at = (const unsigned char *)t.at + t.size;
    l->count--;
    return t;
}

int32_t gguf_list_i32(const gguf_list *l, int i) {
    LMM_ASSERT((l->type == GGUF_I32 || l->type == GGUF_U32) && i >= 0 && i < l->count, "value %d of a list of %d", i, l->count);
    return (int32_t)number(l->at + 4 * (size_t)i, 4);
}

float gguf_list_f32(const gguf_list *l, int i) {
    LMM_ASSERT(l->type == GGUF_F32 && i >= 0 && i < l->count, "value %d of a list of %d", i, l->count);
    float x;
    memcpy(&x, l->at + 4 * (size_t)i, sizeof x);
    return x;
}
