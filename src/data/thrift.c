/* thrift.c - Apache Thrift's compact protocol, as Parquet's footer and page headers use it. */
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

enum { DEPTH_MAX = 16, TRUE_ = 1, FALSE_, BYTE_, I16_, I32_, I64_, DOUBLE_, BINARY_, LIST_, SET_, MAP_, STRUCT_ };

bool bytes_skip(bytes *b, size_t n) {
    if (n > b->size) return false;
    b->at += n, b->size -= n;
    return true;
}

bool bytes_cut(bytes *out, bytes *from, size_t n) {
    *out = (bytes){from->at, n};
    return bytes_skip(from, n);
}

bool bytes_varint(bytes *b, uint64_t *x) {
    *x = 0;
    for (int shift = 0; shift < 64 && b->size; shift += 7) {
        uint8_t byte = *b->at;
        bytes_skip(b, 1);
        *x |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

bool bytes_u32(bytes *b, uint32_t *x) {
    if (b->size < 4) return false;
    *x = (uint32_t)b->at[0] | (uint32_t)b->at[1] << 8 | (uint32_t)b->at[2] << 16 | (uint32_t)b->at[3] << 24;
    return bytes_skip(b, 4);
}

static tree *read_value(bytes *b, int type, int depth);

static int64_t unzigzag(uint64_t x) { return (int64_t)(x >> 1) ^ -(int64_t)(x & 1); }

static tree *read_int(bytes *b) {
    uint64_t x;
    return bytes_varint(b, &x) ? tree_new_int(unzigzag(x)) : NULL;
}

static tree *read_binary(bytes *b) {
    uint64_t n;
    bytes text;
    return bytes_varint(b, &n) && n <= b->size && bytes_cut(&text, b, (size_t)n) ? tree_new_text((const char *)text.at, text.size) : NULL;
}

static tree *read_double(bytes *b) {
    double x;
    bytes raw;
    if (!bytes_cut(&raw, b, 8)) return NULL;
    memcpy(&x, raw.at, 8);
    return tree_new_real(x);
}

static tree *read_list(bytes *b, int depth) {
    if (!b->size) return NULL;
    uint64_t n = *b->at >> 4;
    int type = *b->at & 15;
    bytes_skip(b, 1);
    if (n == 15 && !bytes_varint(b, &n)) return NULL;
    if (n > b->size) return NULL; /* every item has a byte */
    tree *list = tree_new(TREE_LIST);
    for (uint64_t i = 0; i < n; i++) {
        tree *item = type == TRUE_ || type == FALSE_ ? (b->size ? tree_new_bool(*b->at == 1) : NULL) : read_value(b, type, depth);
        if (item && item->type == TREE_BOOL) bytes_skip(b, 1);
        if (!item) return tree_free(list), NULL;
        tree_add(list, item);
    }
    return list;
}

/* Maps do not occur in Parquet's structs; they are read past as a list of keys and values. */
static tree *read_map(bytes *b, int depth) {
    uint64_t n;
    if (!bytes_varint(b, &n)) return NULL;
    tree *list = tree_new(TREE_LIST);
    if (!n) return list;
    int types = b->size ? *b->at : 0;
    bool good = bytes_skip(b, 1) && n <= b->size;
    for (uint64_t i = 0; good && i < 2 * n; i++) {
        tree *item = read_value(b, i % 2 ? types & 15 : types >> 4, depth);
        if (item) tree_add(list, item);
        good = item != NULL;
    }
    if (!good) return tree_free(list), NULL;
    return list;
}

static tree *read_struct(bytes *b, int depth) {
    tree *map = tree_new(TREE_MAP);
    int64_t field = 0;
    while (b->size && *b->at) {
        uint8_t head = *b->at;
        int type = head & 15;
        uint64_t id;
        char key[24];
        bytes_skip(b, 1);
        if (head >> 4) field += head >> 4;
        else if (bytes_varint(b, &id)) field = unzigzag(id);
        else return tree_free(map), NULL;
        tree *value = type == TRUE_ || type == FALSE_ ? tree_new_bool(type == TRUE_) : read_value(b, type, depth);
        if (!value) return tree_free(map), NULL;
        snprintf(key, sizeof key, "%" PRId64, field);
        tree_put(map, key, value);
    }
    if (!bytes_skip(b, 1)) return tree_free(map), NULL;
    return map;
}

static tree *read_value(bytes *b, int type, int depth) {
    if (depth > DEPTH_MAX) return NULL;
    switch (type) {
    case BYTE_: {
        tree *t = b->size ? tree_new_int((int8_t)*b->at) : NULL;
        bytes_skip(b, b->size ? 1 : 0);
        return t;
    }
    case I16_:
    case I32_:
    case I64_: return read_int(b);
    case DOUBLE_: return read_double(b);
    case BINARY_: return read_binary(b);
    case LIST_:
    case SET_: return read_list(b, depth + 1);
    case MAP_: return read_map(b, depth + 1);
    case STRUCT_: return read_struct(b, depth + 1);
    default: return NULL;
    }
}

lmm_status thrift_read(tree **out, bytes *b, const char *what) {
    *out = read_struct(b, 0);
    return *out ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "%s is damaged", what);
}
