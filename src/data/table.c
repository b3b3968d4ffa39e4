/* table.c - files and folders of a data set as rows with names. */
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

void table_faults_free(table_faults *f) {
    for (int i = 0; i < f->count; i++) free(f->at[i].why);
    free(f->at);
    *f = (table_faults){0};
}

/* faults NULL: a row that is no JSON fails. */
static lmm_status read_json(tree **out, const char *path, table_faults *faults) {
    json_rows from;
    lmm_status st = json_rows_open(&from, path, text_ends(path, ".jsonl"));
    if (st) return st;
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < from.at.count && !st; i++) {
        tree *row = NULL;
        st = json_rows_read(&from, i, &row);
        if (st == LMM_E_FORMAT && faults) {
            VEC_PUSH(faults, ((table_fault){list->count, 1, mem_strdup(lmm_message())}));
            st = LMM_OK, row = tree_new(TREE_MAP);
        }
        if (row) tree_add(list, row);
    }
    json_rows_close(&from);
    if (st) return tree_free(list), st;
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

static lmm_status read_tsv(tree **rows, const char *path) {
    char *text;
    size_t size;
    lmm_status st = file_read(&text, &size, path, (size_t)1 << 31);
    if (st) return st;
    st = tsv_parse(rows, text, size, text_ends(path, ".tsv") ? '\t' : ',', path);
    free(text);
    return st;
}

static lmm_status read_rows(tree **rows, const char *path, int64_t limit, table_faults *faults) {
    if (text_ends(path, ".parquet")) return parquet_read(rows, path, limit, 0, faults);
    return text_ends(path, ".tsv") || text_ends(path, ".csv") ? read_tsv(rows, path) : read_json(rows, path, faults);
}

static lmm_status open_file(table *out, const char *path, const char *const *columns, int64_t limit, table_faults *faults) {
    tree *rows = NULL;
    lmm_status st = read_rows(&rows, path, limit, faults);
    if (!st && columns && rows->type == TREE_LIST) st = name_columns(rows, columns, path);
    if (!st) st = check_maps(rows, path);
    if (st) return tree_free(rows), st;
    *out = (table){.rows = rows, .count = limit > 0 && limit < rows->count ? (int)limit : rows->count};
    return LMM_OK;
}

lmm_status table_open(table *out, const char *path, const char *const *columns, int64_t limit) {
    return open_file(out, path, columns, limit, NULL);
}

/* Takes the faults. */
static lmm_status with_faults(table *out, lmm_status st, table_faults *faults) {
    if (st) return table_faults_free(faults), st;
    out->faults = *faults;
    return LMM_OK;
}

lmm_status table_salvage(table *out, const char *path, const char *const *columns, int64_t limit) {
    table_faults faults = {0};
    return with_faults(out, open_file(out, path, columns, limit, &faults), &faults);
}

/* ---- folders ---- */

typedef struct {
    char **at;
    int count, capacity;
} paths;

static bool is_table(const char *name) {
    static const char *const kinds[] = {".parquet", ".jsonl", ".json", ".tsv", ".csv"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (text_ends(name, kinds[i])) return true;
    return false;
}

/* "test-00000-of-00002.parquet", "test.jsonl" and files below a folder "test" are of the split "test". */
static bool says(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || strchr("/_-.", at[-1])) && (!at[n] || strchr("/_-.", at[n]))) return true;
    return false;
}

static lmm_status find_tables(paths *out, const char *dir, const char *below, int depth) {
    char **names, *full = path_join(dir, below);
    int count;
    lmm_status st = dir_list(&names, &count, full);
    for (int i = 0; !st && i < count; i++) {
        char *name = *below ? path_join(below, names[i]) : mem_strdup(names[i]), *path = path_join(dir, name);
        if (*names[i] == '.') free(name);
        else if (file_is_dir(path)) {
            st = depth < 4 ? find_tables(out, dir, name, depth + 1) : LMM_OK;
            free(name);
        } else if (is_table(names[i])) {
            vec_reserve((void **)&out->at, &out->capacity, out->count + 1, sizeof *out->at);
            out->at[out->count++] = name;
        } else free(name);
        free(path);
    }
    if (!st) names_free(names, count);
    free(full);
    return st;
}

/* Keeps the files that say `word`, when any does. */
static int narrow(paths *p, const char *word) {
    int kept = 0;
    for (int i = 0; i < p->count; i++) kept += says(p->at[i], word);
    for (int i = 0, n = 0; kept && i < p->count; i++) {
        char *name = p->at[i];
        if (says(name, word)) p->at[n++] = name;
        else free(name);
    }
    if (kept) p->count = kept;
    return kept;
}

/* Adds the rows of a file; its faults count from the first row of all. */
static lmm_status add_file(tree *rows, const char *path, int64_t limit, table_faults *faults) {
    table part;
    const int before = faults ? faults->count : 0;
    lmm_status st = open_file(&part, path, NULL, limit, faults);
    if (st) return st;
    for (int i = before; faults && i < faults->count; i++) faults->at[i].first += rows->count;
    for (int k = 0; k < part.count; k++) {
        tree_add(rows, part.rows->items[k]);
        part.rows->items[k] = tree_new(TREE_NULL);
    }
    table_close(&part);
    return LMM_OK;
}

static lmm_status open_set(table *out, const char *dir, const char *config, const char *split, int64_t limit, table_faults *faults) {
    paths files = {0};
    tree *rows = tree_new(TREE_LIST);
    lmm_status st = find_tables(&files, dir, "", 0);
    if (!st && config && *config) narrow(&files, config);
    if (!st && split && *split && !narrow(&files, split) && files.count > 1)
        st = LMM_FAIL(LMM_E_IO, "'%s' has no files of the split '%s'", dir, split);
    if (!st && !files.count) st = LMM_FAIL(LMM_E_IO, "'%s' holds no table (.parquet, .jsonl, .json, .tsv, .csv)", dir);
    for (int i = 0; i < files.count && !st && !(limit > 0 && rows->count >= limit); i++) {
        char *path = path_join(dir, files.at[i]);
        st = add_file(rows, path, limit > 0 ? limit - rows->count : 0, faults);
        free(path);
    }
    names_free(files.at, files.count);
    if (st) return tree_free(rows), st;
    *out = (table){.rows = rows, .count = rows->count};
    return LMM_OK;
}

lmm_status table_open_set(table *out, const char *dir, const char *config, const char *split, int64_t limit) {
    return open_set(out, dir, config, split, limit, NULL);
}

lmm_status table_salvage_set(table *out, const char *dir, const char *config, const char *split, int64_t limit) {
    table_faults faults = {0};
    return with_faults(out, open_set(out, dir, config, split, limit, &faults), &faults);
}

void table_close(table *t) {
    tree_free(t->rows);
    table_faults_free(&t->faults);
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
