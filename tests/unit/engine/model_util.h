/* model_util.h - tiny checkpoints of tests/golden opened for a test. */
#ifndef MODEL_UTIL_H
#define MODEL_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"

#define TINY(family) LMM_TESTS "/golden/data/golden/checkpoints/" family
#define PICTURE(name) LMM_TESTS "/golden/data/golden/images/" name

#define OK(call) assert_int_equal((call), LMM_OK)

typedef struct {
    lmm_runtime *runtime;
    lmm_model *model;
} opened;

/* table: the kernels to use, NULL for the best. */
static inline opened open_tiny_with(const char *path, int threads, const char *table) {
    opened o;
    OK(lmm_runtime_open(&o.runtime, threads, table));
    OK(lmm_model_open(&o.model, o.runtime, path));
    return o;
}

static inline opened open_tiny(const char *path, int threads) { return open_tiny_with(path, threads, NULL); }

static inline void close_tiny(opened *o) {
    lmm_model_close(o->model);
    lmm_runtime_close(o->runtime);
}

static inline lmm_prompt *raw_prompt(const lmm_model *m, const char *text, const char *picture) {
    lmm_prompt *p;
    OK(lmm_prompt_raw(&p, m, text, strlen(text), &(lmm_prompt_opts){.images = &picture, .image_count = picture != NULL}));
    return p;
}

/* A copy of the logits after the prompt (freed), from a fresh session with prefill pieces of `batch` rows (0: the default). free() */
static inline float *fresh_logits(const opened *o, lmm_prompt *p, int batch) {
    lmm_session *s;
    OK(lmm_session_open(&s, o->model, &(lmm_session_opts){.context = 512, .batch = batch}));
    OK(lmm_session_sync(s, p, NULL));
    size_t size = (size_t)o->model->net->dec.config.vocab * sizeof(float);
    float *copy = mem_new(1, size);
    memcpy(copy, lmm_session_logits(s), size);
    lmm_session_close(s);
    lmm_prompt_free(p);
    return copy;
}

#endif
