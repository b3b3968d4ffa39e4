/* ct2.c - model.bin of CTranslate2, versions 2 to 6: a name, variables with their bytes, aliases.
 *
 * Nothing is aligned. Weights of 8 and 16 bits are integers over a scale (w = q / scale, one a row or one in all) and become f32 here; other integers
 * are flags. Source: OpenNMT/CTranslate2 4.8, src/models/model.cc and python/ctranslate2/specs/model_spec.py. */
#include <stdlib.h>
#include <string.h>

#include "format/format_int.h"

enum { VERSION_MIN = 2, VERSION_MAX = 6, VERSION_ALIASES = 3, VERSION_TYPES = 4 };

struct ct2 {
    file_map file;          /* when opened from a path */
    VEC(named_tensor) list; /* names are owned */
    VEC(void *) copies;
    strmap *index;
    char *spec;
};

typedef struct {
    const unsigned char *at, *end;
} reader;

static bool take(reader *r, size_t n, const unsigned char **out) {
    if ((size_t)(r->end - r->at) < n) return false;
    *out = r->at;
    r->at += n;
    return true;
}

static bool take_number(reader *r, int size, uint32_t *out) {
    const unsigned char *p;
    if (!take(r, (size_t)size, &p)) return false;
    *out = 0;
    for (int i = 0; i < size; i++) *out |= (uint32_t)p[i] << (8 * i);
    return true;
}

/* The count takes in a NUL at the end; no other is allowed. free(). */
static bool take_string(reader *r, char **out) {
    uint32_t n;
    const unsigned char *p;
    if (!take_number(r, 2, &n) || n < 1 || !take(r, n, &p) || p[n - 1] || memchr(p, 0, n - 1)) return false;
    *out = mem_strndup((const char *)p, n - 1);
    return true;
}

/* ---- variables ---- */

/* Before version 4 the type is known by its size alone. */
static bool type_of(uint32_t version, uint32_t number, dtype *out) {
    static const dtype types[] = {DT_F32, DT_I8, DT_I16, DT_I32, DT_F16, DT_BF16};
    if (version < VERSION_TYPES) {
        if (number != 1 && number != 2 && number != 4) return false;
        *out = number == 4 ? DT_F32 : number == 2 ? DT_I16 : DT_I8;
        return true;
    }
    if (number >= COUNT_OF(types)) return false;
    *out = types[number];
    return true;
}

static bool read_tensor(reader *r, uint32_t version, tensor *out) {
    uint32_t rank, number, size;
    int64_t ne[TENSOR_ND_MAX];
    if (!take_number(r, 1, &rank) || rank > TENSOR_ND_MAX) return false;
    for (uint32_t i = 0; i < rank; i++) {
        if (!take_number(r, 4, &number)) return false;
        ne[i] = number;
    }
    dtype type;
    size_t bytes;
    const unsigned char *data;
    if (!take_number(r, 1, &number) || !type_of(version, number, &type) || !take_number(r, 4, &size)) return false;
    if (!shape_size(type, (int)rank, ne, &bytes)) return false;
    if (version < VERSION_TYPES ? (uint64_t)size * dtype_size(type) != bytes : size != bytes) return false;
    if (!take(r, bytes, &data)) return false;
    *out = tensor_make(type, (int)rank, ne, (void *)data);
    return true;
}

static lmm_status add(ct2 *c, char *name, const tensor *t) {
    if (!strmap_put(c->index, name, strlen(name), c->list.count)) {
        lmm_status st = LMM_FAIL(LMM_E_FORMAT, "variable '%s' is there twice", name_shown(name).text);
        free(name);
        return st;
    }
    VEC_PUSH(&c->list, ((named_tensor){name, *t}));
    return LMM_OK;
}

static lmm_status read_variables(ct2 *c, reader *r, uint32_t version) {
    uint32_t count;
    if (!take_number(r, 4, &count) || count > HEADER_TENSORS_MAX) return LMM_FAIL(LMM_E_FORMAT, "its count of variables is out of range");
    lmm_status st = LMM_OK;
    for (uint32_t i = 0; i < count && !st; i++) {
        char *name = NULL;
        tensor t;
        if (!take_string(r, &name)) st = LMM_FAIL(LMM_E_FORMAT, "the name of variable %u of %u is broken or cut off", i + 1, count);
        else if (!read_tensor(r, version, &t)) {
            st = LMM_FAIL(LMM_E_FORMAT, "variable '%s' has an unknown type, a wrong size or is cut off", name_shown(name).text);
            free(name);
        } else st = add(c, name, &t);
    }
    return st;
}

static lmm_status read_aliases(ct2 *c, reader *r) {
    uint32_t count;
    if (!take_number(r, 4, &count) || count > HEADER_TENSORS_MAX) return LMM_FAIL(LMM_E_FORMAT, "its count of aliases is out of range");
    lmm_status st = LMM_OK;
    for (uint32_t i = 0; i < count && !st; i++) {
        char *name = NULL, *target = NULL;
        int at;
        if (!take_string(r, &name) || !take_string(r, &target)) {
            st = LMM_FAIL(LMM_E_FORMAT, "alias %u of %u is broken or cut off", i + 1, count);
            free(name);
        } else if (!strmap_get(c->index, target, strlen(target), &at)) {
            st = LMM_FAIL(LMM_E_FORMAT, "alias '%s' stands for a variable that is not there", name_shown(name).text);
            free(name);
        } else {
            tensor t = c->list.at[at].t;
            st = add(c, name, &t);
        }
        free(target);
    }
    return st;
}

/* ---- integers over a scale ---- */

static float value_at(const tensor *q, int64_t i) {
    int16_t wide;
    if (q->type == DT_I8) return (float)((const int8_t *)q->data)[i];
    memcpy(&wide, (const char *)q->data + i * (int64_t)sizeof wide, sizeof wide);
    return (float)wide;
}

static float scale_at(const tensor *s, int64_t i) {
    float x;
    memcpy(&x, (const char *)s->data + i * (int64_t)sizeof x, sizeof x);
    return x;
}

static lmm_status widen(ct2 *c, named_tensor *n, const tensor *scale) {
    tensor *q = &n->t;
    int64_t rows = q->ne[0], cols = rows ? tensor_count(q) / rows : 0;
    bool by_row = tensor_count(scale) == rows;
    if (scale->type != DT_F32 || (!by_row && tensor_count(scale) != 1))
        return LMM_FAIL(LMM_E_FORMAT, "the scale of '%s' does not fit its rows", name_shown(n->name).text);
    void *copy;
    lmm_status st = mem_try(&copy, (size_t)tensor_count(q) * sizeof(float) + 1, "weights");
    if (st) return st;
    VEC_PUSH(&c->copies, copy);
    for (int64_t r = 0; r < rows; r++) {
        float s = scale_at(scale, by_row ? r : 0);
        for (int64_t i = 0; i < cols; i++) ((float *)copy)[r * cols + i] = value_at(q, r * cols + i) / s;
    }
    q->type = DT_F32;
    q->data = copy;
    return LMM_OK;
}

static lmm_status widen_all(ct2 *c) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < c->list.count && !st; i++) {
        named_tensor *n = &c->list.at[i];
        if ((n->t.type != DT_I8 && n->t.type != DT_I16) || n->t.nd < 2) continue;
        char *name = mem_printf("%s_scale", n->name);
        const tensor *scale = ct2_find(c, name);
        if (scale) st = widen(c, n, scale);
        free(name);
    }
    return st;
}

/* ---- opening ---- */

static lmm_status read_file(ct2 *c, reader *r) {
    uint32_t version, revision;
    if (!take_number(r, 4, &version) || version < VERSION_MIN || version > VERSION_MAX)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "it is no CTranslate2 file of version %d to %d", VERSION_MIN, VERSION_MAX);
    if (!take_string(r, &c->spec) || !take_number(r, 4, &revision)) return LMM_FAIL(LMM_E_FORMAT, "its header is broken or cut off");
    lmm_status st = read_variables(c, r, version);
    if (!st && version >= VERSION_ALIASES) st = read_aliases(c, r);
    if (!st && r->at != r->end) st = LMM_FAIL(LMM_E_FORMAT, "%zu bytes follow its end", (size_t)(r->end - r->at));
    return st ? st : widen_all(c);
}

static lmm_status open_bytes(ct2 *c, const void *bytes, size_t n, const char *name) {
    c->index = strmap_new();
    lmm_status st = read_file(c, &(reader){bytes, (const unsigned char *)bytes + n});
    return st ? LMM_CONTEXT(st, "cannot read '%s'", name) : LMM_OK;
}

lmm_status ct2_open_mem(ct2 **out, const void *bytes, size_t n, const char *name) {
    ct2 *c = mem_new(1, sizeof *c);
    lmm_status st = open_bytes(c, bytes, n, name);
    if (st) return ct2_close(c), st;
    return *out = c, LMM_OK;
}

lmm_status ct2_open(ct2 **out, const char *path) {
    ct2 *c = mem_new(1, sizeof *c);
    lmm_status st = file_map_open(&c->file, path);
    if (!st) st = open_bytes(c, c->file.data, c->file.size, path);
    if (st) return ct2_close(c), st;
    return *out = c, LMM_OK;
}

void ct2_close(ct2 *c) {
    if (!c) return;
    for (int i = 0; i < c->list.count; i++) free((char *)c->list.at[i].name);
    for (int i = 0; i < c->copies.count; i++) free(c->copies.at[i]);
    free(c->list.at);
    free(c->copies.at);
    strmap_free(c->index);
    free(c->spec);
    if (c->file.path) file_map_close(&c->file);
    free(c);
}

const char *ct2_spec(const ct2 *c) { return c->spec; }
int ct2_count(const ct2 *c) { return c->list.count; }
const named_tensor *ct2_at(const ct2 *c, int i) { return &c->list.at[i]; }

const tensor *ct2_find(const ct2 *c, const char *name) {
    int i;
    return strmap_get(c->index, name, strlen(name), &i) ? &c->list.at[i].t : NULL;
}
