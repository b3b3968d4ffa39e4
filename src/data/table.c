/* table.c - JSON and JSONL files as rows with names. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

static bool ends(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

static lmm_status parse_lines(tree **out, const char *text, size_t size, const char *path) {
    tree *list = tree_new(TREE_LIST);
    int line = 1;
    for (const char *at = text, *stop = NULL; at < text + size; at = stop + 1, line++) {
        stop = memchr(at, '\n', (size_t)(text + size - at));
        if (!stop) stop = text + size;
        tree *row = NULL;
        lmm_status st = stop > at ? tree_parse_json(&row, at, (size_t)(stop - at), path) : LMM_OK;
        if (st) return tree_free(list), LMM_CONTEXT(st, "line %d", line);
        if (row) tree_add(list, row);
    }
    return *out = list, LMM_OK;
}

/* A list row becomes a map under the column names. */
static lmm_status name_columns(tree *rows, const char *const *columns, const char *path) {
    int wanted = 0;
    while (columns[wanted]) wanted++;
    for (int i = 0; i < rows->count; i++) {
        const tree *row = rows->items[i];
        if (row->type != TREE_LIST || row->count != wanted)
            return LMM_FAIL(LMM_E_FORMAT, "'%s': row %d has %d fields, the task names %d columns", path, i + 1,
                            row->type == TREE_LIST ? row->count : 0, wanted);
        tree *map = tree_new(TREE_MAP);
        for (int k = 0; k < wanted; k++) tree_put(map, columns[k], tree_copy(row->items[k]));
        tree_free(rows->items[i]);
        rows->items[i] = map;
    }
    return LMM_OK;
}

static lmm_status check_maps(const tree *rows, const char *path) {
    if (rows->type != TREE_LIST) return LMM_FAIL(LMM_E_FORMAT, "'%s' is no list of rows", path);
    for (int i = 0; i < rows->count; i++)
        if (rows->items[i]->type != TREE_MAP) return LMM_FAIL(LMM_E_FORMAT, "'%s': row %d is no object", path, i + 1);
    return LMM_OK;
}

lmm_status table_open(table *out, const char *path, const char *const *columns, int64_t limit) {
    char *text = NULL;
    size_t size;
    tree *rows = NULL;
    lmm_status st = file_read(&text, &size, path, (size_t)1 << 31);
    if (!st) st = ends(path, ".jsonl") ? parse_lines(&rows, text, size, path) : tree_parse_json(&rows, text, size, path);
    free(text);
    if (!st && columns && rows->type == TREE_LIST) st = name_columns(rows, columns, path);
    if (!st) st = check_maps(rows, path);
    if (st) return tree_free(rows), st;
    *out = (table){rows, limit > 0 && limit < rows->count ? (int)limit : rows->count};
    return LMM_OK;
}

void table_close(table *t) {
    tree_free(t->rows);
    *t = (table){0};
}

const tree *table_row(const table *t, int i) { return t->rows->items[i]; }

static void put_value(buf *out, const tree *v) {
    if (v->type == TREE_STRING) buf_put(out, v->text, v->text_size);
    else tree_write_json(out, v, 0);
}

lmm_status row_format(buf *out, const char *pattern, const tree *row) {
    for (const char *at = pattern; *at;) {
        const char *open = strchr(at, '{'), *close = open ? strchr(open, '}') : NULL;
        if (!close) return buf_puts(out, at), LMM_OK;
        buf_put(out, at, (size_t)(open - at));
        char *name = mem_strndup(open + 1, (size_t)(close - open - 1));
        const tree *v = tree_get(row, name);
        lmm_status st = v ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "the row has no '%s' for '%s'", name, pattern);
        free(name);
        if (st) return st;
        put_value(out, v);
        at = close + 1;
    }
    return LMM_OK;
}
