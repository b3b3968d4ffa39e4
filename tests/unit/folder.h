/* folder.h - a folder of its own for every test of a file, gone afterwards. */
#ifndef LMM_TEST_FOLDER_H
#define LMM_TEST_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static char folder[64];

static inline int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/lmm-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    return dir_remove(folder) != LMM_OK;
}

static inline char *in_folder(const char *name) { return path_join(folder, name); } /* free() */

static inline void write_text(const char *name, const char *text) {
    char *path = in_folder(name);
    assert_int_equal(file_write(path, text, strlen(text)), LMM_OK);
    free(path);
}

static inline void copy_in(const char *from, const char *name) {
    char *a = path_join(from, name), *b = in_folder(name), *bytes;
    size_t size;
    assert_int_equal(file_read(&bytes, &size, a, 1 << 24), LMM_OK);
    assert_int_equal(file_write(b, bytes, size), LMM_OK);
    free(bytes);
    free(a);
    free(b);
}

#endif
