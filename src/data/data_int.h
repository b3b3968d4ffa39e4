/* data_int.h - what the readers of data/ share: rows of JSON, Thrift's compact protocol, the codecs and encodings of Parquet, cells of text tables. */
#ifndef LMM_DATA_INT_H
#define LMM_DATA_INT_H

#include "data/data.h"

/* ---- json_rows.c: JSON lists and JSONL, row by row ---- */

typedef struct {
    uint64_t offset;
    int line;
} row_place;
typedef struct {
    file_view file;
    bool lines; /* JSONL: blank ones are no rows */
    VEC(row_place) at;
    uint64_t end; /* of the last row */
    buf text;     /* of the row read last */
} json_rows;
lmm_status json_rows_open(json_rows *out, const char *path, bool lines);
void json_rows_close(json_rows *r);
/* Row i, of any type; tree_free. A failure names the line the row begins in; the others can still be read. */
lmm_status json_rows_read(json_rows *r, int i, tree **out);

/* ---- what readers of bytes share (thrift.c) ---- */

/* Bytes that remain to be read; every reader checks against `size`. */
typedef struct {
    const uint8_t *at;
    size_t size;
} bytes;
bool bytes_skip(bytes *b, size_t n);
bool bytes_cut(bytes *out, bytes *from, size_t n);
bool bytes_varint(bytes *b, uint64_t *x); /* LEB128 */
bool bytes_u32(bytes *b, uint32_t *x);    /* little endian */

/* ---- thrift.c ---- */

/* A struct as a map whose keys are the field numbers ("1", "2", ...), lists as lists, binaries as strings. */
lmm_status thrift_read(tree **out, bytes *b, const char *what);

/* ---- parquet_codec.c ---- */

/* Unpacks a page. `size` is what its header promises; it is checked against what `codec` can do with the bytes there are. free(*out) */
lmm_status parquet_unpack(uint8_t **out, bytes page, int codec, size_t size);
lmm_status snappy_unpack(uint8_t *out, size_t size, bytes in); /* the raw block format; exactly `size` bytes or failure */

/* ---- parquet_encoding.c ---- */

typedef enum { PQ_BOOLEAN, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTES, PQ_FIXED } pq_type;
typedef struct {
    tree **at;
    int count, capacity;
} pq_values;
void pq_values_free(pq_values *v);
lmm_status pq_levels(uint8_t *out, int count, bytes in, int bits); /* RLE / bit-packed hybrid */
lmm_status pq_indices(int32_t *out, int count, bytes in, int bits);
/* Appends `count` values of one page. Encodings: plain, RLE booleans, delta binary packed, delta length and delta byte arrays, byte stream split. */
lmm_status pq_decode(pq_values *out, int count, bytes in, int encoding, pq_type type, int type_length);

#endif
