/* fuzz_row_reader.c - any bytes as a JSON list and as JSON lines, row by row: maps or refusals, in any order; what parses as a whole has the same rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/data.h"

static void assert_same(const tree *a, const tree *b) {
    buf x = {0}, y = {0};
    tree_write_json(&x, a, 0);
    tree_write_json(&y, b, 0);
    if (x.size != y.size || memcmp(x.data, y.data, x.size) != 0) abort();
    buf_free(&x);
    buf_free(&y);
}

/* whole: the file as one value, NULL: it is none. */
static void read_rows(const char *path, const tree *whole) {
    row_reader *r;
    tree *row;
    const bool list = whole && whole->type == TREE_LIST;
    if (row_reader_open(&r, path)) {
        if (list) abort();
        return;
    }
    const int n = row_reader_count(r);
    if (list && n != whole->count) abort();
    for (int i = n - 1; i >= 0; i--) {
        if (!row_reader_read(r, i, &row)) {
            if (row->type != TREE_MAP) abort();
            if (list) assert_same(row, whole->items[i]);
            tree_free(row);
        } else if (list && whole->items[i]->type == TREE_MAP) abort();
    }
    row_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const kinds[] = {"json", "jsonl"};
    for (int k = 0; k < 2; k++) {
        char path[64];
        tree *whole = NULL;
        snprintf(path, sizeof path, "/tmp/lmm-fuzz-rows-%d.%s", (int)getpid(), kinds[k]);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(data, 1, size, f) != size) return f ? fclose(f) : 0;
        fclose(f);
        if (k == 0 && tree_parse_json(&whole, (const char *)data, size, path)) whole = NULL;
        read_rows(path, whole);
        tree_free(whole);
        remove(path);
    }
    return 0;
}
