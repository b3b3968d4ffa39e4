/* convert.h - weights from one file format or number type to another: Hugging Face folders to GGUF and back, floats to blocks.
 *
 * The functions users call are in lmm.h (lmm_convert, lmm_quantize); this is what they are made of. Everything is a list of planned tensors,
 * written one after the other, a few rows at a time: memory stays the same whatever the model's size. */
#ifndef LMM_CONVERT_H
#define LMM_CONVERT_H

#include "base/base.h"
#include "engine/engine.h"
#include "format/format.h"
#include "lmm.h"

/* ---- one tensor (stream.c) ---- */

typedef struct {
    char *name;     /* in the new file */
    tensor from;    /* on loan from the source */
    dtype type;     /* in the new file: `from`'s own, or another one of weights */
    void *owned;    /* bytes of `from` that are the plan's own, or NULL */
    init_rule init; /* from.data NULL: values are drawn by it, */
    uint64_t seed;  /* from the stream of this seed, the name and the row; NORMAL is drawn evenly with that deviation */
    int heads;      /* > 0: rows are heads whose halves are woven into pairs, as llama.cpp wants q and k of Llama; 0: as they are */
} planned_tensor;

typedef struct {
    double rms, max, relative; /* of the values written against those read; relative: rms over the rms of the values */
} tensor_error;

/* Takes bytes in order. */
typedef lmm_status (*sink_fn)(void *arg, const void *bytes, size_t n);
/* The tensor's bytes in the new file, the same for any number of threads. Values that are not finite, or too large for the new type, are refused. */
lmm_status tensor_stream(const planned_tensor *p, pool *threads, sink_fn sink, void *arg, tensor_error *error);

/* ---- a whole file (gguf_plan.c) ---- */

typedef VEC(planned_tensor) tensor_plan;
void tensor_plan_free(tensor_plan *p);
/* Writes the GGUF file; report (may be NULL): a list that gets one map a tensor that changed its type. */
lmm_status tensor_plan_write(const tensor_plan *p, const gguf_keys *keys, const char *path, pool *threads, const char *title, tree *report);

/* ---- from a folder (from_folder.c, vocabulary.c) ---- */

/* Metadata and tensors of a language model as llama.cpp's converter writes them, named after its folder. file_type: number of general.file_type. */
lmm_status plan_folder(tensor_plan *plan, gguf_keys *keys, const net *n, const char *dir, int file_type);
/* The network's part of it, under a name of its own. */
lmm_status plan_network(tensor_plan *plan, gguf_keys *keys, const net *n, const char *name);
/* tokenizer.json, tokenizer_config.json and the chat template of the folder as metadata; `rows`: of the embedding. */
lmm_status plan_vocabulary(gguf_keys *keys, const char *dir, int rows);

/* ---- number types (types.c) ---- */

typedef struct {
    const char *name; /* "q4_K_M" */
    dtype type;
    bool mixed;    /* some tensors get more bits */
    int file_type; /* general.file_type */
} number_type;
lmm_status number_type_find(const number_type **out, const char *name);
const number_type *number_type_of(dtype t); /* the plain one */
/* Sets the type of every tensor that is stored in blocks: matrices, but no norms, positions and convolutions. */
void number_type_assign(tensor_plan *plan, const number_type *t);

#endif
