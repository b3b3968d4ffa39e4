/* fuzz_tsv.c - any bytes as a table of text, between tabs and between commas; what is read has the head's columns in every row. */
#include <stdlib.h>

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (int i = 0; i < 2; i++) {
        tree *rows;
        if (tsv_parse(&rows, (const char *)data, size, i ? ',' : '\t', "t")) continue;
        for (int k = 1; k < rows->count; k++)
            if (rows->items[k]->count != rows->items[0]->count) abort();
        tree_free(rows);
    }
    return 0;
}
