/* safetensors.c - reading one safetensors file: 8 bytes of header length, a JSON header, the tensors' bytes.
 *
 * Nothing is believed before it was checked against the bytes that are there, and no weight is copied or touched: opening costs the header.
 * Format: https://github.com/huggingface/safetensors, README "Format". As its reference reader we refuse holes, overlaps and trailing bytes
 * (a file must not carry what no reader sees), and beyond it unknown keys of a tensor: they might change the meaning of its bytes. */
#include <stdlib.h>
#include <string.h>

#include "format/format_int.h"

struct safetensors {
    file_map map; /* empty when opened from memory */
    char *name;
    tree *header; /* owns the tensors' names and the metadata */
    named_tensor *at;
    int count;
    strmap *index;
};

typedef struct {
    size_t begin, end;
    int key;
} extent; /* a tensor's bytes, counted from the end of the header; its place in the header */

shown name_shown(const char *name) {
    shown s;
    size_t n = strlen(name), room = sizeof s.text - 4;
    bool cut = n > room;
    if (cut) n = utf8_complete(name, room);
    for (size_t i = 0; i < n; i++) s.text[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
    memcpy(s.text + n, cut ? "..." : "", cut ? 4 : 1);
    return s;
}

bool shape_size(dtype type, int nd, const int64_t *ne, size_t *size) {
    int64_t count = 1;
    for (int i = 0; i < nd; i++) {
        if (ne[i] > 0 && count > INT64_MAX / ne[i]) return false;
        count *= ne[i];
    }
    return size_mul((size_t)count, dtype_size(type), size);
}

lmm_status json_check_size(const char *text, size_t size) {
    int depth = 0;
    int64_t values = 0;
    for (size_t i = 0; i < size; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < size && text[i] != '"'; i++) i += text[i] == '\\';
            break;
        case '{':
        case '[':
            if (++depth > HEADER_DEPTH_MAX)
                return LMM_FAIL(LMM_E_FORMAT, "nested deeper than %d at byte %zu, as no header or index of a weight file is",
                                HEADER_DEPTH_MAX, i);
            values++;
            break;
        case '}':
        case ']': depth--; break;
        case ',': values++; break;
        default: break;
        }
    }
    /* A tensor of five dimensions has eleven values. */
    if (values > 11 * (int64_t)HEADER_TENSORS_MAX)
        return LMM_FAIL(LMM_E_LIMIT, "more values than %d tensors need, which is the limit", HEADER_TENSORS_MAX);
    return LMM_OK;
}

/* ---- one tensor of the header ---- */

static lmm_status read_dtype(const tree *t, const char *name, dtype *out) {
    const tree *d = tree_get(t, "dtype");
    if (!d || d->type != TREE_STRING) return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' has no \"dtype\" string", name_shown(name).text);
    for (int i = 0; i < DT_COUNT; i++)
        if (dtype_block((dtype)i) == 1 && !strcmp(d->text, dtype_name((dtype)i))) return *out = (dtype)i, LMM_OK;
    return LMM_FAIL(LMM_E_UNSUPPORTED,
                    "tensor '%s' has dtype '%s', supported are F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL: convert it first",
                    name_shown(name).text, name_shown(d->text).text);
}

static lmm_status read_shape(const tree *t, const char *name, int64_t ne[TENSOR_ND_MAX], int *nd) {
    const tree *s = tree_get(t, "shape");
    if (!s || s->type != TREE_LIST) return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' has no \"shape\" list", name_shown(name).text);
    if (s->count > TENSOR_ND_MAX)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "tensor '%s' has %d dimensions, at most %d are supported", name_shown(name).text, s->count,
                        TENSOR_ND_MAX);
    for (int i = 0; i < s->count; i++) {
        const tree *n = s->items[i];
        if (n->type != TREE_INT || n->i < 0)
            return LMM_FAIL(LMM_E_FORMAT, "tensor '%s': dimension %d of its shape is no whole number from 0 on", name_shown(name).text, i);
        ne[i] = n->i;
    }
    return *nd = s->count, LMM_OK;
}

static lmm_status read_offsets(const tree *t, const char *name, size_t data_size, extent *out) {
    const tree *o = tree_get(t, "data_offsets");
    if (!o || o->type != TREE_LIST || o->count != 2 || o->items[0]->type != TREE_INT || o->items[1]->type != TREE_INT)
        return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' has no \"data_offsets\" of two whole numbers", name_shown(name).text);
    int64_t begin = o->items[0]->i, end = o->items[1]->i;
    if (begin < 0 || end < begin)
        return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' has data_offsets [%" PRId64 ", %" PRId64 "], which is no range", name_shown(name).text,
                        begin, end);
    if ((uint64_t)end > data_size)
        return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' ends at byte %" PRId64 " of the data, the file has %zu (is the download complete?)",
                        name_shown(name).text, end, data_size);
    out->begin = (size_t)begin, out->end = (size_t)end;
    return LMM_OK;
}

static lmm_status read_tensor(const tree *t, const char *name, size_t data_size, tensor *out, extent *where) {
    static const char *const known[] = {"dtype", "shape", "data_offsets", NULL};
    if (t->type != TREE_MAP) return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is described by something that is no map", name_shown(name).text);
    lmm_status st = tree_check_keys(t, known, "a tensor");
    if (st) return LMM_CONTEXT(st, "tensor '%s'", name_shown(name).text);
    dtype type = DT_F32;
    int64_t ne[TENSOR_ND_MAX];
    int nd = 0;
    size_t size;
    st = read_dtype(t, name, &type);
    if (!st) st = read_shape(t, name, ne, &nd);
    if (!st) st = read_offsets(t, name, data_size, where);
    if (st) return st;
    *out = tensor_make(type, nd, ne, NULL);
    char text[96];
    if (!shape_size(type, nd, ne, &size))
        return LMM_FAIL(LMM_E_FORMAT, "tensor '%s': a shape of %s holds more than any file", name_shown(name).text,
                        tensor_shape_text(text, out));
    if (size != where->end - where->begin)
        return LMM_FAIL(LMM_E_FORMAT, "tensor '%s': %s of %s takes %zu bytes, its data_offsets span %zu", name_shown(name).text,
                        tensor_shape_text(text, out), dtype_name(type), size, where->end - where->begin);
    return LMM_OK;
}

/* ---- the header as a whole ---- */

static int by_place(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1; /* empty tensors before the one that starts there */
    return x->key < y->key ? -1 : x->key > y->key;
}

/* In file order every tensor must begin where the one before ended, and the last must end with the file. */
static lmm_status check_cover(const safetensors *s, const extent *where, size_t data_size) {
    size_t at = 0;
    for (int i = 0; i < s->count; i++) {
        const char *name = s->header->keys[where[i].key];
        if (where[i].begin > at)
            return LMM_FAIL(LMM_E_FORMAT, "bytes %zu to %zu of the data, before tensor '%s', belong to no tensor", at, where[i].begin,
                            name_shown(name).text);
        if (where[i].begin < at)
            return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' begins at byte %zu of the data, inside '%s', which ends at %zu",
                            name_shown(name).text, where[i].begin, name_shown(s->header->keys[where[i - 1].key]).text, at);
        at = where[i].end;
    }
    if (at < data_size) return LMM_FAIL(LMM_E_FORMAT, "%zu bytes after the last tensor belong to no tensor", data_size - at);
    return LMM_OK;
}

static lmm_status check_metadata(const tree *m) {
    if (m->type != TREE_MAP) return LMM_FAIL(LMM_E_FORMAT, "\"" SAFETENSORS_METADATA "\" is no map of strings");
    for (int i = 0; i < m->count; i++)
        if (m->items[i]->type != TREE_STRING)
            return LMM_FAIL(LMM_E_FORMAT, "\"" SAFETENSORS_METADATA "\": '%s' is no string", name_shown(m->keys[i]).text);
    return LMM_OK;
}

static lmm_status read_tensors(safetensors *s, const unsigned char *data, size_t data_size) {
    const tree *h = s->header;
    extent *where = mem_new((size_t)h->count + 1, sizeof *where);
    tensor *in_header = mem_new((size_t)h->count + 1, sizeof *in_header);
    lmm_status st = LMM_OK;
    for (int i = 0; i < h->count && !st; i++) {
        if (!strcmp(h->keys[i], SAFETENSORS_METADATA)) {
            st = check_metadata(h->items[i]);
            continue;
        }
        st = read_tensor(h->items[i], h->keys[i], data_size, &in_header[i], &where[s->count]);
        where[s->count++].key = i;
    }
    if (!st) {
        qsort(where, (size_t)s->count, sizeof *where, by_place);
        st = check_cover(s, where, data_size);
    }
    s->at = mem_new((size_t)s->count + 1, sizeof *s->at);
    s->index = strmap_new();
    for (int i = 0; i < s->count && !st; i++) {
        const char *name = h->keys[where[i].key];
        s->at[i] = (named_tensor){name, in_header[where[i].key]};
        s->at[i].t.data = (void *)(uintptr_t)(data + where[i].begin); /* tensors carry no const; the map itself is read-only */
        strmap_put(s->index, name, strlen(name), i);
    }
    free(in_header);
    free(where);
    return st;
}

static lmm_status read_header(safetensors *s, const unsigned char *bytes, size_t n) {
    if (n >= 8 && !memcmp(bytes, "version ", 8))
        return LMM_FAIL(LMM_E_FORMAT, "it is a Git LFS pointer, not the weights: fetch them with `git lfs pull`");
    if (n < 8) return LMM_FAIL(LMM_E_FORMAT, "its %zu bytes are no safetensors file, whose first 8 give the length of its header", n);
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--) size = size << 8 | bytes[i];
    if (size > HEADER_SIZE_MAX)
        return LMM_FAIL(LMM_E_FORMAT,
                        "its first 8 bytes give a header of %" PRIu64 " bytes, at most %d are allowed (is it a safetensors file?)", size,
                        HEADER_SIZE_MAX);
    if (size > n - 8)
        return LMM_FAIL(LMM_E_FORMAT,
                        "its first 8 bytes give a header of %" PRIu64 " bytes, the file has %zu more (is the download complete?)", size,
                        n - 8);
    const char *text = (const char *)bytes + 8;
    if (size < 2 || text[0] != '{') return LMM_FAIL(LMM_E_FORMAT, "its header of %" PRIu64 " bytes does not begin with '{'", size);
    lmm_status st = json_check_size(text, (size_t)size);
    if (st) return LMM_CONTEXT(st, "header");
    st = tree_parse_json(&s->header, text, (size_t)size, "header");
    if (!st && s->header->type != TREE_MAP) st = LMM_FAIL(LMM_E_FORMAT, "its header is no map of tensors");
    if (!st) st = read_tensors(s, bytes + 8 + size, n - 8 - (size_t)size);
    return st;
}

/* ---- opening ---- */

static lmm_status open_bytes(safetensors **out, safetensors *s, const void *bytes, size_t n) {
    lmm_status st = read_header(s, bytes, n);
    if (st) {
        st = LMM_CONTEXT(st, "cannot read '%s'", s->name);
        safetensors_close(s);
        return st;
    }
    *out = s;
    return LMM_OK;
}

lmm_status safetensors_open(safetensors **out, const char *path) {
    file_map map;
    lmm_status st = file_map_open(&map, path);
    if (st) return st;
    safetensors *s = mem_new(1, sizeof *s);
    s->map = map;
    s->name = mem_strdup(path);
    return open_bytes(out, s, map.data, map.size);
}

lmm_status safetensors_open_mem(safetensors **out, const void *bytes, size_t n, const char *name) {
    safetensors *s = mem_new(1, sizeof *s);
    s->name = mem_strdup(name);
    return open_bytes(out, s, bytes, n);
}

void safetensors_close(safetensors *s) {
    if (!s) return;
    if (s->index) strmap_free(s->index);
    tree_free(s->header);
    free(s->at);
    free(s->name);
    if (s->map.path) file_map_close(&s->map);
    free(s);
}

int safetensors_count(const safetensors *s) { return s->count; }

const named_tensor *safetensors_at(const safetensors *s, int i) {
    LMM_ASSERT(i >= 0 && i < s->count, "tensor %d of %d", i, s->count);
    return &s->at[i];
}

const tensor *safetensors_find(const safetensors *s, const char *name) {
    int i;
    return strmap_get(s->index, name, strlen(name), &i) ? &s->at[i].t : NULL;
}

const tree *safetensors_metadata(const safetensors *s) { return tree_get(s->header, SAFETENSORS_METADATA); }
