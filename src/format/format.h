/* format.h - weight files: safetensors (one file or shards), read by mmap and written atomically. GGUF comes beside it.
 *
 * A header is checked against the bytes of the file before anything is believed: length, UTF-8, JSON, duplicate names, dtype, shape times
 * size against extent, overlaps, holes, trailing bytes. */
#ifndef LMM_FORMAT_H
#define LMM_FORMAT_H

#include "base/base.h"
#include "tensor/tensor.h"

typedef struct { const char *name; tensor t; } named_tensor;      /* t.data points into the map: read-only */

/* ---- safetensors.c ---- */

typedef struct safetensors safetensors;
lmm_status safetensors_open(safetensors **out, const char *path);
/* From memory (borrowed while open); name for messages. */
lmm_status safetensors_open_mem(safetensors **out, const void *bytes, size_t n, const char *name);
void safetensors_close(safetensors *s);
int safetensors_count(const safetensors *s);
const named_tensor *safetensors_at(const safetensors *s, int i);                  /* in file order */
const tensor *safetensors_find(const safetensors *s, const char *name);           /* NULL when absent */
const tree *safetensors_metadata(const safetensors *s);                           /* the "__metadata__" map, NULL when absent */

/* Writes one file atomically, tensors in the given order (safetensors needs no padding between them). metadata: map of strings, may be NULL. */
lmm_status safetensors_save(const char *path, const named_tensor *at, int n, const tree *metadata);
/* Writes model.safetensors, or shards of at most shard_size_max bytes with model.safetensors.index.json, into an existing folder.
 * The index is written last. metadata as above. */
lmm_status safetensors_save_dir(const char *dir, const named_tensor *at, int n, const tree *metadata, size_t shard_size_max);

/* ---- checkpoint.c: name -> tensor over whatever the folder holds ---- */

typedef struct checkpoint checkpoint;
/* A folder (model.safetensors, or model.safetensors.index.json with its shards) or one .safetensors file. Tensors whose bytes are not aligned to
 * their type are copied. Shard names in an index must be plain file names of that folder. */
lmm_status checkpoint_open(checkpoint **out, const char *path);
void checkpoint_close(checkpoint *c);
int checkpoint_count(const checkpoint *c);
const named_tensor *checkpoint_at(const checkpoint *c, int i);
const tensor *checkpoint_find(const checkpoint *c, const char *name);
const char *checkpoint_path(const checkpoint *c);

#endif
