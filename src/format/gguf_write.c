/* gguf_write.c - writing one GGUF file: counts, metadata, descriptions of tensors, then their bytes as they come.
 *
 * The description of a tensor holds its place, which follows from types and shapes alone, so the tensors need not exist yet.
 * Little-endian, version 3, alignment 32; dimensions innermost first. */
#include <stdlib.h>
#include <string.h>

#include "format/format_int.h"

enum { ALIGNMENT = 32, VERSION = 3 };

/* ---- numbers and texts ---- */

static void put_number(buf *b, uint64_t n, int size) {
    for (int i = 0; i < size; i++) buf_putc(b, (char)(n >> 8 * i));
}

static void put_real(buf *b, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_number(b, bits, 4);
}

static void put_text(buf *b, const char *s, size_t n) {
    put_number(b, n, 8);
    buf_put(b, s, n);
}

/* ---- metadata ---- */

static buf *begin_key(gguf_keys *k, const char *key, gguf_type type) {
    put_text(&k->bytes, key, strlen(key));
    put_number(&k->bytes, type, 4);
    k->count++;
    return &k->bytes;
}

static buf *begin_list(gguf_keys *k, const char *key, gguf_type item, int n) {
    buf *b = begin_key(k, key, GGUF_ARRAY);
    put_number(b, item, 4);
    put_number(b, (uint64_t)n, 8);
    return b;
}

void gguf_keys_free(gguf_keys *k) {
    buf_free(&k->bytes);
    k->count = 0;
}

void gguf_put_u32(gguf_keys *k, const char *key, uint32_t n) { put_number(begin_key(k, key, GGUF_U32), n, 4); }
void gguf_put_f32(gguf_keys *k, const char *key, float x) { put_real(begin_key(k, key, GGUF_F32), x); }
void gguf_put_bool(gguf_keys *k, const char *key, bool yes) { put_number(begin_key(k, key, GGUF_BOOL), yes, 1); }
void gguf_put_string(gguf_keys *k, const char *key, const char *s, size_t n) { put_text(begin_key(k, key, GGUF_STRING), s, n); }

void gguf_put_i32s(gguf_keys *k, const char *key, const int32_t *at, int n) {
    buf *b = begin_list(k, key, GGUF_I32, n);
    for (int i = 0; i < n; i++) put_number(b, (uint32_t)at[i], 4);
}

void gguf_put_f32s(gguf_keys *k, const char *key, const float *at, int n) {
    buf *b = begin_list(k, key, GGUF_F32, n);
    for (int i = 0; i < n; i++) put_real(b, at[i]);
}

void gguf_put_strings(gguf_keys *k, const char *key, const gguf_text *at, int n) {
    buf *b = begin_list(k, key, GGUF_STRING, n);
    for (int i = 0; i < n; i++) put_text(b, at[i].at, at[i].size);
}

void gguf_put_entry(gguf_keys *k, gguf_text entry) {
    buf_put(&k->bytes, entry.at, entry.size);
    k->count++;
}

/* ---- the file ---- */

struct gguf_writer {
    file_writer *file;
    char *path;
    size_t *sizes; /* bytes of each tensor */
    int count, current;
    size_t done; /* of the current one */
};

static size_t padding(size_t at) { return (ALIGNMENT - at % ALIGNMENT) % ALIGNMENT; }

static lmm_status put_pad(gguf_writer *w, size_t at) {
    static const char zeros[ALIGNMENT] = {0};
    return file_writer_put(w->file, zeros, padding(at));
}

/* Empty tensors have no bytes to put. */
static void skip_empty(gguf_writer *w) {
    while (w->current < w->count && w->sizes[w->current] == 0) w->current++;
}

static lmm_status put_header(gguf_writer *w, const gguf_keys *keys, const named_tensor *at) {
    buf b = {0};
    size_t offset = 0;
    buf_puts(&b, "GGUF");
    put_number(&b, VERSION, 4);
    put_number(&b, (uint64_t)w->count, 8);
    put_number(&b, (uint64_t)keys->count, 8);
    buf_put(&b, keys->bytes.data, keys->bytes.size);
    for (int i = 0; i < w->count; i++) {
        const tensor *t = &at[i].t;
        put_text(&b, at[i].name, strlen(at[i].name));
        put_number(&b, (uint64_t)t->nd, 4);
        for (int d = t->nd - 1; d >= 0; d--) put_number(&b, (uint64_t)t->ne[d], 8);
        put_number(&b, gguf_tensor_type(t->type), 4);
        put_number(&b, offset, 8);
        w->sizes[i] = tensor_size(t);
        offset += w->sizes[i] + padding(w->sizes[i]);
    }
    lmm_status st = file_writer_put(w->file, b.data, b.size);
    if (!st && w->count) st = put_pad(w, b.size);
    buf_free(&b);
    return st;
}

lmm_status gguf_writer_open(gguf_writer **out, const char *path, const gguf_keys *keys, const named_tensor *at, int n) {
    file_writer *file;
    lmm_status st = file_writer_open(&file, path);
    if (st) return st;
    gguf_writer *w = mem_new(1, sizeof *w);
    *w = (gguf_writer){.file = file, .path = mem_strdup(path), .sizes = mem_new((size_t)n + 1, sizeof *w->sizes), .count = n};
    if ((st = put_header(w, keys, at))) return gguf_writer_abort(w), st;
    skip_empty(w);
    return *out = w, LMM_OK;
}

lmm_status gguf_writer_put(gguf_writer *w, const void *bytes, size_t size) {
    const char *at = bytes;
    lmm_status st = LMM_OK;
    while (size > 0 && !st) {
        LMM_ASSERT(w->current < w->count, "%zu bytes behind the last tensor", size);
        size_t all = w->sizes[w->current], part = size < all - w->done ? size : all - w->done;
        st = file_writer_put(w->file, at, part);
        at += part, size -= part, w->done += part;
        if (st || w->done < all) continue;
        st = put_pad(w, all);
        w->current++, w->done = 0;
        skip_empty(w);
    }
    return st;
}

static void writer_free(gguf_writer *w) {
    free(w->path);
    free(w->sizes);
    free(w);
}

lmm_status gguf_writer_commit(gguf_writer *w) {
    LMM_ASSERT(w->current == w->count, "%d of %d tensors of '%s' are written", w->current, w->count, w->path);
    lmm_status st = file_writer_commit(w->file);
    writer_free(w);
    return st;
}

void gguf_writer_abort(gguf_writer *w) {
    if (!w) return;
    file_writer_abort(w->file);
    writer_free(w);
}
