/* format_int.h - what the reader and the writers of format/ share: the limits of a header and how a name is shown. */
#ifndef LMM_FORMAT_INT_H
#define LMM_FORMAT_INT_H

#include "format/format.h"

#define SAFETENSORS_METADATA "__metadata__"
#define CHECKPOINT_FILE "model.safetensors"
#define CHECKPOINT_INDEX "model.safetensors.index.json"
#define CHECKPOINT_CT2 "model.bin"

enum {
    HEADER_SIZE_MAX = 100 * 1000 * 1000, /* the published limit of the format */
    HEADER_TENSORS_MAX = 1 << 18,        /* ours: 60 times the tensors of a model of 400 layers */
    HEADER_DEPTH_MAX = 3,                /* the map of tensors, one tensor, its shape */
};

/* A tensor's name for a message: cut to a readable length, control characters shown as '?'. */
typedef struct {
    char text[100];
} shown;
shown name_shown(const char *name);

/* A hostile JSON text can make a tree many times its size; depth and number of values are known without building it. */
lmm_status json_check_size(const char *text, size_t size);

/* Bytes of a tensor of this type and shape; false when the element count or the size does not fit. */
bool shape_size(dtype type, int nd, const int64_t *ne, size_t *size);

/* A type's number in GGUF files (gguf.c); every type of weights has one. */
uint32_t gguf_tensor_type(dtype t);

#endif
