/* memory_util.h - an empty memory in a folder of its own for every test. */
#ifndef LMM_TEST_MEMORY_UTIL_H
#define LMM_TEST_MEMORY_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ego/ego.h"

typedef struct {
    char dir[64];
    ego *e;
    ego_import_report r; /* of a test that imports */
} world;

static inline int setup(void **state) {
    world *w = mem_new(1, sizeof *w);
    strcpy(w->dir, "/tmp/lmm-ego-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(ego_create(w->dir), LMM_OK);
    assert_int_equal(ego_open(&w->e, w->dir), LMM_OK);
    *state = w;
    return 0;
}

static inline int teardown(void **state) {
    world *w = *state;
    buf_free(&w->r.notes);
    ego_close(w->e);
    dir_remove(w->dir);
    free(w);
    return 0;
}

#endif
