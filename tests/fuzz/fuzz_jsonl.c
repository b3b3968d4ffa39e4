/* fuzz_jsonl.c - any bytes as a file of JSON lines: rows that are maps, or a refusal. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    table t;
    snprintf(path, sizeof path, "/tmp/lmm-fuzz-%d.jsonl", (int)getpid());
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size) return f ? fclose(f) : 0;
    fclose(f);
    if (!table_open(&t, path, NULL, 0)) {
        for (int i = 0; i < t.count; i++)
            if (table_row(&t, i)->type != TREE_MAP) abort();
        table_close(&t);
    }
    remove(path);
    return 0;
}
