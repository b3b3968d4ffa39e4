/* parquet_encoding.c - the encodings of Parquet's values and levels (Encodings.md of the format). */
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

enum {
    PLAIN,
    PLAIN_DICTIONARY = 2,
    RLE,
    BIT_PACKED,
    DELTA_BINARY_PACKED,
    DELTA_LENGTH_BYTE_ARRAY,
    DELTA_BYTE_ARRAY,
    RLE_DICTIONARY,
    BYTE_STREAM_SPLIT
};

static lmm_status short_page(void) { return LMM_FAIL(LMM_E_FORMAT, "a page ends before its values do"); }

void pq_values_free(pq_values *v) {
    for (int i = 0; i < v->count; i++) tree_free(v->at[i]);
    free(v->at);
    *v = (pq_values){0};
}

static void push(pq_values *v, tree *t) {
    vec_reserve((void **)&v->at, &v->capacity, v->count + 1, sizeof *v->at);
    v->at[v->count++] = t;
}

/* ---- RLE and bit packing ---- */

static uint32_t bits_at(const uint8_t *p, size_t size, size_t bit, int width) {
    uint64_t x = 0;
    size_t first = bit / 8;
    for (size_t i = 0; i < 5 && first + i < size; i++) x |= (uint64_t)p[first + i] << (8 * i);
    return (uint32_t)(x >> (bit % 8)) & (width == 32 ? 0xffffffffu : (1u << width) - 1);
}

lmm_status pq_indices(int32_t *out, int count, bytes in, int bits) {
    size_t width = (size_t)(bits + 7) / 8;
    int n = 0;
    if (bits < 0 || bits > 32) return LMM_FAIL(LMM_E_FORMAT, "a page says its numbers have %d bits", bits);
    if (!bits) return memset(out, 0, (size_t)count * sizeof *out), LMM_OK;
    while (n < count) {
        uint64_t head;
        if (!bytes_varint(&in, &head)) return short_page();
        uint64_t many = head >> 1;
        if (head & 1) {
            bytes run;
            uint64_t size = many * (uint64_t)bits;
            if (many > in.size || !many) return short_page();
            if (!bytes_cut(&run, &in, size < in.size ? (size_t)size : in.size)) return short_page();
            for (uint64_t i = 0; i < many * 8 && n < count; i++) {
                if ((i + 1) * (uint64_t)bits > run.size * 8) return short_page();
                out[n++] = (int32_t)bits_at(run.at, run.size, (size_t)i * (size_t)bits, bits);
            }
        } else {
            uint32_t x = 0;
            if (!many || width > in.size) return short_page();
            for (size_t i = 0; i < width; i++) x |= (uint32_t)in.at[i] << (8 * i);
            bytes_skip(&in, width);
            for (uint64_t i = 0; i < many && n < count; i++) out[n++] = (int32_t)x;
        }
    }
    return LMM_OK;
}

lmm_status pq_levels(uint8_t *out, int count, bytes in, int bits) {
    int32_t *x = mem_new((size_t)count + 1, sizeof *x);
    lmm_status st = pq_indices(x, count, in, bits);
    for (int i = 0; i < count && !st; i++) out[i] = (uint8_t)x[i];
    free(x);
    return st;
}

/* ---- plain ---- */

static tree *number_at(const uint8_t *p, pq_type type) {
    int32_t i;
    int64_t l;
    float f;
    double d;
    switch (type) {
    case PQ_INT32: return memcpy(&i, p, 4), tree_new_int(i);
    case PQ_INT64: return memcpy(&l, p, 8), tree_new_int(l);
    case PQ_FLOAT: return memcpy(&f, p, 4), tree_new_real(f);
    default: return memcpy(&d, p, 8), tree_new_real(d);
    }
}

static size_t width_of(pq_type type, int length) {
    return type == PQ_INT32 || type == PQ_FLOAT ? 4 : type == PQ_INT64 || type == PQ_DOUBLE ? 8 : type == PQ_INT96 ? 12 : (size_t)length;
}

static lmm_status plain(pq_values *out, int count, bytes in, pq_type type, int length) {
    if (type == PQ_BOOLEAN) {
        if ((size_t)count > in.size * 8) return short_page();
        for (int i = 0; i < count; i++) push(out, tree_new_bool(in.at[i / 8] >> (i % 8) & 1));
        return LMM_OK;
    }
    for (int i = 0; i < count; i++) {
        uint32_t n = (uint32_t)width_of(type, length);
        bytes value;
        if (type == PQ_BYTES && !bytes_u32(&in, &n)) return short_page();
        if (!bytes_cut(&value, &in, n)) return short_page();
        bool number = type != PQ_BYTES && type != PQ_FIXED && type != PQ_INT96;
        push(out, number ? number_at(value.at, type) : tree_new_text((const char *)value.at, value.size));
    }
    return LMM_OK;
}

/* Byte k of every value stands in the k-th of `width` streams. */
static lmm_status stream_split(pq_values *out, int count, bytes in, pq_type type, int length) {
    size_t width = width_of(type, length);
    if (!width || in.size / width < (size_t)count || type == PQ_BYTES || type == PQ_BOOLEAN) return short_page();
    uint8_t *value = mem_new(width, 1);
    for (int i = 0; i < count; i++) {
        for (size_t k = 0; k < width; k++) value[k] = in.at[k * (size_t)count + (size_t)i];
        push(out, type == PQ_FIXED || type == PQ_INT96 ? tree_new_text((const char *)value, width) : number_at(value, type));
    }
    free(value);
    return LMM_OK;
}

/* ---- delta ---- */

/* Up to `count` integers; `in` is left at the first byte after them. */
static lmm_status delta_ints(int64_t *out, int count, bytes *in) {
    uint64_t block, minis, total, x;
    if (!bytes_varint(in, &block) || !bytes_varint(in, &minis) || !bytes_varint(in, &total) || !bytes_varint(in, &x)) return short_page();
    if (!minis || minis > 64 || !block || block > 65536 || block % minis || block / minis % 8 || total != (uint64_t)count)
        return LMM_FAIL(LMM_E_FORMAT, "a page of deltas has a damaged head");
    uint64_t value = x >> 1 ^ -(x & 1);
    int n = 0, per = (int)(block / minis);
    if (count) out[n++] = (int64_t)value;
    while (n < count) {
        bytes widths;
        if (!bytes_varint(in, &x) || !bytes_cut(&widths, in, (size_t)minis)) return short_page();
        uint64_t least = x >> 1 ^ -(x & 1);
        for (uint64_t m = 0; m < minis && n < count; m++) {
            int width = widths.at[m];
            bytes run;
            if (width > 64 || !bytes_cut(&run, in, (size_t)per / 8 * (size_t)width)) return short_page();
            for (int i = 0; i < per && n < count; i++) {
                uint64_t delta = 0;
                for (int b = 0; b < width; b += 32)
                    delta |= (uint64_t)bits_at(run.at, run.size, (size_t)i * (size_t)width + (size_t)b, min_int(32, width - b)) << b;
                value += least + delta;
                out[n++] = (int64_t)value;
            }
        }
    }
    return LMM_OK;
}

static lmm_status delta_numbers(pq_values *out, int count, bytes in, pq_type type) {
    int64_t *x = mem_new((size_t)count + 1, sizeof *x);
    lmm_status st = delta_ints(x, count, &in);
    for (int i = 0; i < count && !st; i++) push(out, tree_new_int(type == PQ_INT32 ? (int32_t)x[i] : x[i]));
    free(x);
    return st;
}

static lmm_status delta_lengths(pq_values *out, int count, bytes in) {
    int64_t *n = mem_new((size_t)count + 1, sizeof *n);
    lmm_status st = delta_ints(n, count, &in);
    for (int i = 0; i < count && !st; i++) {
        bytes value;
        if (n[i] < 0 || (uint64_t)n[i] > in.size || !bytes_cut(&value, &in, (size_t)n[i])) st = short_page();
        else push(out, tree_new_text((const char *)value.at, value.size));
    }
    free(n);
    return st;
}

/* Each value repeats a prefix of the one before. */
static lmm_status delta_bytes(pq_values *out, int count, bytes in) {
    int64_t *prefix = mem_new((size_t)count + 1, sizeof *prefix);
    pq_values rest = {0};
    lmm_status st = delta_ints(prefix, count, &in);
    if (!st) st = delta_lengths(&rest, count, in);
    buf last = {0};
    for (int i = 0; i < count && !st; i++) {
        if (prefix[i] < 0 || (uint64_t)prefix[i] > last.size || last.size > (size_t)1 << 28) st = short_page();
        else {
            last.size = (size_t)prefix[i];
            buf_put(&last, rest.at[i]->text, rest.at[i]->text_size);
            push(out, tree_new_text(last.data, last.size));
        }
    }
    buf_free(&last);
    pq_values_free(&rest);
    free(prefix);
    return st;
}

static lmm_status rle_booleans(pq_values *out, int count, bytes in) {
    uint32_t n;
    bytes run;
    if (!bytes_u32(&in, &n) || !bytes_cut(&run, &in, n)) return short_page();
    uint8_t *x = mem_new((size_t)count + 1, 1);
    lmm_status st = pq_levels(x, count, run, 1);
    for (int i = 0; i < count && !st; i++) push(out, tree_new_bool(x[i]));
    free(x);
    return st;
}

lmm_status pq_decode(pq_values *out, int count, bytes in, int encoding, pq_type type, int length) {
    bool whole = type == PQ_INT32 || type == PQ_INT64;
    if (encoding == PLAIN || encoding == PLAIN_DICTIONARY) return plain(out, count, in, type, length);
    if (encoding == RLE && type == PQ_BOOLEAN) return rle_booleans(out, count, in);
    if (encoding == DELTA_BINARY_PACKED && whole) return delta_numbers(out, count, in, type);
    if (encoding == DELTA_LENGTH_BYTE_ARRAY && type == PQ_BYTES) return delta_lengths(out, count, in);
    if (encoding == DELTA_BYTE_ARRAY && (type == PQ_BYTES || type == PQ_FIXED)) return delta_bytes(out, count, in);
    if (encoding == BYTE_STREAM_SPLIT) return stream_split(out, count, in, type, length);
    return LMM_FAIL(LMM_E_UNSUPPORTED, "encoding %d of values of type %d is not supported", encoding, (int)type);
}
