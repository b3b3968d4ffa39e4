/* row_reader.c - the rows of a file one at a time, whatever kind of file it is; JSON and JSONL are never in memory as a whole. */
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

struct row_reader {
    char *path;
    json_rows text;
    table whole; /* of kinds that are read at once; no rows: the text's */
    tree *now;   /* on loan */
};

lmm_status row_reader_open(row_reader **out, const char *path) {
    row_reader *r = mem_new(1, sizeof *r);
    r->path = mem_strdup(path);
    const bool whole = text_ends(path, ".parquet") || text_ends(path, ".tsv") || text_ends(path, ".csv");
    lmm_status st = whole ? table_open(&r->whole, path, NULL, 0) : json_rows_open(&r->text, path, text_ends(path, ".jsonl"));
    if (st) return row_reader_close(r), st;
    return *out = r, LMM_OK;
}

void row_reader_close(row_reader *r) {
    if (!r) return;
    if (r->whole.rows) table_close(&r->whole);
    json_rows_close(&r->text);
    tree_free(r->now);
    free(r->path);
    free(r);
}

int row_reader_count(const row_reader *r) { return r->whole.rows ? r->whole.count : r->text.at.count; }

lmm_status row_reader_read(row_reader *r, int i, const tree **out) {
    if (r->whole.rows) return *out = table_row(&r->whole, i), LMM_OK;
    tree *row = NULL;
    lmm_status st = json_rows_read(&r->text, i, &row);
    if (!st && row->type != TREE_MAP) st = LMM_FAIL(LMM_E_FORMAT, "line %d: the row is no object", r->text.at.at[i].line);
    if (st) return tree_free(row), st;
    tree_free(r->now);
    return *out = r->now = row, LMM_OK;
}
