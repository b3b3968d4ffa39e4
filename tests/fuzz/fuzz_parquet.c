/* fuzz_parquet.c - any bytes as a Parquet file: rows or a refusal, within bounds on values and text. */
#include <stdio.h>
#include <unistd.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    tree *rows;
    table_faults faults = {0};
    snprintf(path, sizeof path, "/tmp/lmm-fuzz-parquet-%d", (int)getpid());
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size) return f ? fclose(f) : 0;
    fclose(f);
    if (!parquet_read(&rows, path, 0, 20000, NULL)) tree_free(rows);
    if (!parquet_read(&rows, path, 0, 20000, &faults)) tree_free(rows);
    table_faults_free(&faults);
    remove(path);
    return 0;
}
