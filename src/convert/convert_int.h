/* convert_int.h - what the ways into and out of GGUF share. */
#ifndef LMM_CONVERT_INT_H
#define LMM_CONVERT_INT_H

#include "convert/convert.h"

enum {
    QUANTIZATION_VERSION = 2, /* of ggml's block layouts, since May 2023 */
    ROPE_PAIRS_MAX = 512,     /* heads have at most 1024 values */
};

/* {input, output, type, bytes_before, bytes_after, tensors: list} as JSON; list is copied. free(). */
char *report_text(const char *in, const char *out, const char *type, const tensor_plan *plan, const tree *list);

/* tensor_stream of a tensor without data (random.c). */
lmm_status stream_random(const planned_tensor *p, pool *threads, sink_fn sink, void *arg);

/* The other way: the folder `out` of Hugging Face layout, replaced when whole. */
lmm_status folder_of_gguf(const char *in, const char *out, bool quiet);
/* Removes an unfinished folder and keeps the message of st. */
void folder_abandon(const char *tmp, lmm_status st);

#endif
