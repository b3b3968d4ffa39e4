/* run_util.h - what the tests of whole training runs share: a folder of their own, files in it, and what a run left there. */
#ifndef LMM_TEST_RUN_UTIL_H
#define LMM_TEST_RUN_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"
#include "../folder.h"

#define OK(call) assert_int_equal((call), LMM_OK)

/* Takes a file or folder of a run away, as if the run had stopped before it. */
static inline void take_away(const char *name) {
    char *path = in_folder(name);
    OK(dir_remove(path));
    free(path);
}

/* The recipe (its text is taken) by an algorithm. */
static inline lmm_status run_recipe(char *recipe_, const char *algorithm, int threads, const char *const *more, int count) {
    write_text("recipe.yaml", recipe_);
    free(recipe_);
    char *path = in_folder("recipe.yaml");
    lmm_runtime *r;
    OK(lmm_runtime_open(&r, threads, NULL));
    lmm_status st = lmm_train(r, path, more, count, &(lmm_train_opts){.algorithm = algorithm, .quiet = true});
    lmm_runtime_close(r);
    free(path);
    return st;
}

/* Value of a metric in line `line` (0-based) of the run's metrics. */
static inline double metric(const char *run, int line, const char *name) {
    char *path = mem_printf("%s/%s/metrics.jsonl", folder, run), *text, *at;
    OK(file_read(&text, NULL, path, 1 << 20));
    at = text;
    while (line-- > 0) at = strchr(at, '\n') + 1;
    char *key = mem_printf("\"%s\": ", name), *found = strstr(at, key);
    assert_non_null(found);
    double value = strtod(found + strlen(key), NULL);
    free(key);
    free(text);
    free(path);
    return value;
}

/* final/FILE of both runs holds the same bytes. */
static inline void assert_same_file(const char *a, const char *b, const char *file) {
    char *pa = mem_printf("%s/%s/final/%s", folder, a, file), *pb = mem_printf("%s/%s/final/%s", folder, b, file);
    file_map ma, mb;
    OK(file_map_open(&ma, pa));
    OK(file_map_open(&mb, pb));
    assert_int_equal(ma.size, mb.size);
    assert_memory_equal(ma.data, mb.data, ma.size);
    file_map_close(&ma);
    file_map_close(&mb);
    free(pa);
    free(pb);
}

static inline void assert_same_weights(const char *a, const char *b) { assert_same_file(a, b, "model.safetensors"); }

#endif
