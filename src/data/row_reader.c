/* row_reader.c - the rows of a file one at a time, whatever kind of file it is. Of JSON and JSONL one row is in memory, of Parquet one row group. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

/* The group of a Parquet file that was read last. */
typedef struct {
    parquet *file; /* NULL: the file is of another kind */
    VEC(int) end;  /* of each group: the number of the row behind its last */
    int now;       /* -1: none yet */
    tree *rows;    /* NULL: it is damaged */
    char *fault;
} row_groups;

struct row_reader {
    char *path;
    json_rows text;
    row_groups groups;
    table whole; /* of kinds that are read at once */
};

/* ---- Parquet ---- */

static lmm_status count_groups(row_groups *g, const char *path) {
    int64_t rows = 0;
    g->now = -1;
    for (int i = 0; i < parquet_groups(g->file); i++) {
        const int64_t n = parquet_group_rows(g->file, i);
        if (n < 0 || n > INT_MAX - 1 - rows) return LMM_FAIL(LMM_E_LIMIT, "'%s' has more rows than can be counted", path);
        rows += n;
        VEC_PUSH(&g->end, (int)rows);
    }
    return LMM_OK;
}

static void leave_group(row_groups *g) {
    tree_free(g->rows);
    free(g->fault);
    g->rows = NULL, g->fault = NULL, g->now = -1;
}

static int group_of(const row_groups *g, int row) {
    int low = 0, high = g->end.count - 1;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (row < g->end.at[middle]) high = middle;
        else low = middle + 1;
    }
    return low;
}

/* A damaged group is tried once for all of its rows. */
static lmm_status enter_group(row_groups *g, int number) {
    if (g->now == number) return LMM_OK;
    leave_group(g);
    lmm_status st = parquet_read_group(g->file, number, &g->rows);
    if (st == LMM_E_FORMAT || st == LMM_E_LIMIT) g->fault = mem_strdup(lmm_message()), st = LMM_OK;
    if (!st) g->now = number;
    return st;
}

static lmm_status group_row(row_groups *g, int row, tree **out) {
    const int number = group_of(g, row), first = number ? g->end.at[number - 1] : 0;
    lmm_status st = enter_group(g, number);
    if (st) return st;
    if (!g->rows) return LMM_FAIL(LMM_E_FORMAT, "rows %d to %d cannot be read: %s", first + 1, g->end.at[number], g->fault);
    return *out = tree_copy(g->rows->items[row - first]), LMM_OK;
}

/* ---- all kinds ---- */

static lmm_status open_kind(row_reader *r) {
    if (text_ends(r->path, ".parquet")) {
        lmm_status st = parquet_open(&r->groups.file, r->path, 0);
        return st ? st : count_groups(&r->groups, r->path);
    }
    const bool whole = text_ends(r->path, ".tsv") || text_ends(r->path, ".csv");
    return whole ? table_open(&r->whole, r->path, NULL, 0) : json_rows_open(&r->text, r->path, text_ends(r->path, ".jsonl"));
}

lmm_status row_reader_open(row_reader **out, const char *path) {
    row_reader *r = mem_new(1, sizeof *r);
    r->path = mem_strdup(path);
    lmm_status st = open_kind(r);
    if (st) return row_reader_close(r), st;
    return *out = r, LMM_OK;
}

void row_reader_close(row_reader *r) {
    if (!r) return;
    leave_group(&r->groups);
    if (r->groups.file) parquet_close(r->groups.file);
    free(r->groups.end.at);
    if (r->whole.rows) table_close(&r->whole);
    json_rows_close(&r->text);
    free(r->path);
    free(r);
}

int row_reader_count(const row_reader *r) {
    if (r->groups.file) return r->groups.end.count ? r->groups.end.at[r->groups.end.count - 1] : 0;
    return r->whole.rows ? r->whole.count : r->text.at.count;
}

static lmm_status text_row(row_reader *r, int i, tree **out) {
    tree *row = NULL;
    lmm_status st = json_rows_read(&r->text, i, &row);
    if (!st && row->type != TREE_MAP) st = LMM_FAIL(LMM_E_FORMAT, "line %d: the row is no object", r->text.at.at[i].line);
    if (st) return tree_free(row), st;
    return *out = row, LMM_OK;
}

lmm_status row_reader_read(row_reader *r, int i, tree **out) {
    if (r->groups.file) return group_row(&r->groups, i, out);
    if (r->whole.rows) return *out = tree_copy(table_row(&r->whole, i)), LMM_OK;
    return text_row(r, i, out);
}
