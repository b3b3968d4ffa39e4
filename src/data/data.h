/* data.h - rows of data sets: one table over JSON and JSONL files (Parquet, TSV and archives join with [evaluation]).
 *
 * A row is a map. Files whose rows are lists get their names from `columns`. */
#ifndef LMM_DATA_H
#define LMM_DATA_H

#include "base/base.h"

typedef struct {
    tree *rows;
    int count;
} table; /* rows: a list of maps */
/* columns: names for list rows, NULL-terminated, or NULL. limit 0: all. */
lmm_status table_open(table *out, const char *path, const char *const *columns, int64_t limit);
void table_close(table *t);
const tree *table_row(const table *t, int i);
/* Fills {name} in a pattern with the row's values; a name the row does not have fails. */
lmm_status row_format(buf *out, const char *pattern, const tree *row);

#endif
