/* fuzz_parquet.c - any bytes as a Parquet file: rows or a refusal, within bounds on values and text. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/data.h"

/* Group by group, last first; `count` rows in all when the file could be read at once, else -1. */
static void read_groups(const char *path, int count) {
    parquet *p;
    tree *rows;
    int have = 0;
    if (parquet_open(&p, path, 20000)) {
        if (count >= 0) abort();
        return;
    }
    for (int g = parquet_groups(p) - 1; g >= 0; g--) {
        if (parquet_read_group(p, g, &rows)) {
            if (count >= 0) abort();
            continue;
        }
        have += rows->count;
        tree_free(rows);
    }
    if (count >= 0 && have != count) abort();
    parquet_close(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    tree *rows;
    table_faults faults = {0};
    snprintf(path, sizeof path, "/tmp/lmm-fuzz-parquet-%d", (int)getpid());
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size) return f ? fclose(f) : 0;
    fclose(f);
    int count = -1;
    if (!parquet_read(&rows, path, 0, 20000, NULL)) count = rows->count, tree_free(rows);
    read_groups(path, count);
    if (!parquet_read(&rows, path, 0, 20000, &faults)) tree_free(rows);
    table_faults_free(&faults);
    remove(path);
    return 0;
}
