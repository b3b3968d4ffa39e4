/* format.h - weight files: safetensors (one file or shards) and GGUF, read by mmap and written atomically.
 *
 * A header is checked against the bytes of the file before anything is believed: length, UTF-8, JSON, duplicate names, dtype, shape times
 * size against extent, overlaps, holes, trailing bytes. */
#ifndef LMM_FORMAT_H
#define LMM_FORMAT_H

#include "base/base.h"
#include "tensor/tensor.h"

typedef struct {
    const char *name;
    tensor t;
} named_tensor; /* t.data points into the map: read-only */

/* ---- safetensors.c ---- */

typedef struct safetensors safetensors;
lmm_status safetensors_open(safetensors **out, const char *path);
/* From memory (borrowed while open); name for messages. */
lmm_status safetensors_open_mem(safetensors **out, const void *bytes, size_t n, const char *name);
void safetensors_close(safetensors *s);
int safetensors_count(const safetensors *s);
const named_tensor *safetensors_at(const safetensors *s, int i);        /* in file order */
const tensor *safetensors_find(const safetensors *s, const char *name); /* NULL when absent */
const tree *safetensors_metadata(const safetensors *s);                 /* the "__metadata__" map, NULL when absent */

/* Writes one file atomically, tensors in the given order (safetensors needs no padding between them). metadata: map of strings, may be NULL. */
lmm_status safetensors_save(const char *path, const named_tensor *at, int n, const tree *metadata);
/* The same for values that are not all in memory: `at` says types and shapes, its data is not looked at. What is put into *out next must be the bytes of all tensors, in order; then
 * file_writer_commit. */
lmm_status safetensors_begin(file_writer **out, const char *path, const named_tensor *at, int n, const tree *metadata);
/* Writes model.safetensors, or shards of at most shard_size_max bytes with model.safetensors.index.json, into an existing folder.
 * The index is written last. metadata as above. */
lmm_status safetensors_save_dir(const char *dir, const named_tensor *at, int n, const tree *metadata, size_t shard_size_max);

/* ---- gguf.c: GGUF 2 and 3, little-endian ---- */

typedef struct gguf gguf;
lmm_status gguf_open(gguf **out, const char *path);
/* From memory (borrowed while open); name for messages. Tensors are aligned when `bytes` is. */
lmm_status gguf_open_mem(gguf **out, const void *bytes, size_t n, const char *name);
void gguf_close(gguf *g);
bool gguf_is(const char *path);       /* a file that begins with "GGUF" */
const char *gguf_name(const gguf *g); /* the path, for messages */
int gguf_count(const gguf *g);
const named_tensor *gguf_at(const gguf *g, int i); /* in file order; ne[0] outermost as everywhere here */
const tensor *gguf_find(const gguf *g, const char *name);

/* Metadata. Values are read where they lie; nothing is copied at opening. A value of another type than asked for fails, naming the key and both
 * types; a missing one gives the fallback, or fails where there is none to give. */
typedef enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64
} gguf_type;
typedef struct {
    const char *at;
    size_t size;
} gguf_text; /* on loan, no NUL behind it */
bool gguf_has(const gguf *g, const char *key);
lmm_status gguf_int(const gguf *g, const char *key, int64_t fallback, int64_t *out); /* any integer type */
lmm_status gguf_real(const gguf *g, const char *key, double fallback, double *out);  /* f32, f64 */
lmm_status gguf_bool(const gguf *g, const char *key, bool fallback, bool *out);
lmm_status gguf_string(const gguf *g, const char *key, const char *fallback, gguf_text *out);
/* A list; count 0 and type as asked when the key is missing. */
typedef struct {
    const unsigned char *at;
    int count;
    gguf_type type;
} gguf_list;
lmm_status gguf_array(const gguf *g, const char *key, gguf_type type, gguf_list *out);
gguf_text gguf_list_text(gguf_list *l);           /* takes the next string of a list that is not empty */
int32_t gguf_list_i32(const gguf_list *l, int i); /* of an i32 or u32 list */
float gguf_list_f32(const gguf_list *l, int i);

int gguf_entry_count(const gguf *g);
/* Entry i of the metadata, in file order: its key, and all its bytes (key, type, value), on loan. */
gguf_text gguf_entry(const gguf *g, int i, gguf_text *key);

/* ---- gguf_write.c: one GGUF 3 file, written as it comes: nothing of a tensor is kept ---- */

/* Metadata to write; zero-initialise, gguf_keys_free when done. A key must be put once only. */
typedef struct {
    buf bytes;
    int count;
} gguf_keys;
void gguf_keys_free(gguf_keys *k);
void gguf_put_u32(gguf_keys *k, const char *key, uint32_t n);
void gguf_put_f32(gguf_keys *k, const char *key, float x);
void gguf_put_bool(gguf_keys *k, const char *key, bool yes);
void gguf_put_string(gguf_keys *k, const char *key, const char *s, size_t n);
void gguf_put_i32s(gguf_keys *k, const char *key, const int32_t *at, int n);
void gguf_put_f32s(gguf_keys *k, const char *key, const float *at, int n);
void gguf_put_strings(gguf_keys *k, const char *key, const gguf_text *at, int n);
void gguf_put_entry(gguf_keys *k, gguf_text entry); /* as gguf_entry gives it */

/* Opens PATH.tmp-PID and writes everything but the tensors' bytes; at (n): names, types and shapes, data is not looked at. Then every byte of the
 * tensors, in order, in pieces of any size; padding is added between them. commit makes the
 * file (see file_writer). */
typedef struct gguf_writer gguf_writer;
lmm_status gguf_writer_open(gguf_writer **out, const char *path, const gguf_keys *keys, const named_tensor *at, int n);
lmm_status gguf_writer_put(gguf_writer *w, const void *bytes, size_t size);
lmm_status gguf_writer_commit(gguf_writer *w); /* frees w in every case */
void gguf_writer_abort(gguf_writer *w);        /* NULL is fine */

/* ---- ct2.c: CTranslate2's model.bin, versions 2 to 6 ---- */

typedef struct ct2 ct2;
lmm_status ct2_open(ct2 **out, const char *path);
/* From memory (borrowed while open); name for messages. */
lmm_status ct2_open_mem(ct2 **out, const void *bytes, size_t n, const char *name);
void ct2_close(ct2 *c);
const char *ct2_spec(const ct2 *c); /* what model it is: "WhisperSpec" */
int ct2_count(const ct2 *c);
const named_tensor *ct2_at(const ct2 *c,
                           int i); /* in file order, aliases last; data may lie unaligned. Integers over a scale are F32 already */
const tensor *ct2_find(const ct2 *c, const char *name);

/* ---- checkpoint.c: name -> tensor over whatever the folder holds ---- */

typedef struct checkpoint checkpoint;
/* A folder (model.safetensors, or model.safetensors.index.json with its shards), one .safetensors file or one GGUF file; a folder with model.bin and neither is CTranslate2's. Tensors whose bytes are not aligned to
 * their type are copied. Shard names in an index must be plain file names of that folder. */
lmm_status checkpoint_open(checkpoint **out, const char *path);
void checkpoint_close(checkpoint *c);
int checkpoint_count(const checkpoint *c);
const named_tensor *checkpoint_at(const checkpoint *c, int i);
const tensor *checkpoint_find(const checkpoint *c, const char *name);
const char *checkpoint_path(const checkpoint *c);
const gguf *checkpoint_gguf(const checkpoint *c);       /* NULL over anything else */
lmm_status checkpoint_add_gguf(checkpoint *c, gguf *g); /* adds the tensors of a second file and closes it with c, in every case; once */
const ct2 *checkpoint_ct2(const checkpoint *c);         /* NULL over anything else */
/* Tensor i's rows are that many heads with woven halves (tensor.h): a matrix is marked so, a vector gets a straight copy. */
lmm_status checkpoint_weave(checkpoint *c, int i, int heads);
/* Adds `parts` tensors that are tensor i cut into equal runs of rows, named "<its name>.0" and so on; they share its bytes. */
lmm_status checkpoint_split_rows(checkpoint *c, int i, int parts);

#endif
