/* parquet.c - Parquet files (read only) as rows of maps: footer, schema, pages of every column, rows put together (Melnik et al. 2010, "Dremel").
 *
 * A row group is read at a time, a column of it at a time; of the file itself no more than that column's bytes is in memory.
 *
 * Lists in the three-level form and the older two-level ones come out as plain lists, structs as maps, bytes as strings that may hold any byte. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

enum { NODES_MAX = 4096, DEPTH_MAX = 24, CELLS_MAX = 1 << 24, PAGE_VALUES_MAX = 1 << 22, REQUIRED = 0, OPTIONAL, REPEATED, AS_LIST = 3 };

/* ---- schema ---- */

typedef struct {
    char *name;
    int parent, children, repetition;
    int def, rep; /* levels at which this node is there */
    pq_type type; /* of a leaf */
    int type_length;
    bool list_part;  /* the repeated group inside a LIST: its items are the list's */
    bool inner_part; /* the one child of such a group: the item itself */
} node;

struct parquet {
    file_view file;
    tree *footer;
    node *nodes;
    int node_count;
    tree *rows; /* of the group that is read */
    int64_t cells, cells_max;
    size_t text_left, text_max; /* bytes of values that may still be made */
};

static const tree *at(const tree *list, int64_t i) {
    return list && list->type == TREE_LIST && i >= 0 && i < list->count ? list->items[i] : NULL;
}

/* Reads node `i` and those below it; returns the number of the next one, or -1. */
static int read_node(parquet *p, const tree *schema, int i, int parent, int depth) {
    const tree *e = at(schema, i);
    if (!e || depth > DEPTH_MAX || p->node_count >= NODES_MAX) return -1;
    node *n = &p->nodes[i], *up = parent >= 0 ? &p->nodes[parent] : NULL;
    p->node_count++;
    *n = (node){.name = mem_strdup(tree_str(e, "4", "")),
                .parent = parent,
                .children = (int)tree_int(e, "5", 0),
                .repetition = parent < 0 ? REQUIRED : (int)tree_int(e, "3", REQUIRED),
                .type = (pq_type)tree_int(e, "1", 0),
                .type_length = (int)tree_int(e, "2", 0)};
    if (n->children < 0 || n->children > NODES_MAX || n->type > PQ_FIXED || n->type_length < 0 || n->type_length > 1 << 20) return -1;
    n->def = (up ? up->def : 0) + (n->repetition != REQUIRED);
    n->rep = (up ? up->rep : 0) + (n->repetition == REPEATED);
    bool in_list = up && (tree_int(at(schema, parent), "6", -1) == AS_LIST || tree_get(tree_get(at(schema, parent), "10"), "3"));
    n->list_part = in_list && n->repetition == REPEATED;
    /* The three-level form: a repeated group of one child that is not named as the older forms name theirs. */
    n->inner_part = up && up->list_part && up->children == 1 && strcmp(up->name, "array") && !strstr(up->name, "_tuple");
    int next = i + 1;
    for (int k = 0; k < n->children && next > 0; k++) next = read_node(p, schema, next, i, depth + 1);
    return next;
}

static lmm_status damaged(const parquet *p, const char *what) { return LMM_FAIL(LMM_E_FORMAT, "'%s': %s", p->file.path, what); }

/* Bytes of the file, which hold that many; free(*out). */
static lmm_status load_part(const parquet *p, uint8_t **out, uint64_t offset, size_t n, const char *what) {
    void *part;
    lmm_status st = mem_try_raw(&part, n + 1, what);
    if (st) return st;
    st = file_view_read(&p->file, part, n, offset);
    if (st) return free(part), st;
    return *out = part, LMM_OK;
}

static lmm_status footer_size(const parquet *p, uint32_t *size) {
    uint8_t head[4], tail[8];
    if (p->file.size < 12) return damaged(p, "is no Parquet file (it does not begin with PAR1)");
    lmm_status st = file_view_read(&p->file, head, 4, 0);
    if (!st) st = file_view_read(&p->file, tail, 8, p->file.size - 8);
    if (st) return st;
    if (memcmp(head, "PAR1", 4)) return damaged(p, "is no Parquet file (it does not begin with PAR1)");
    if (memcmp(tail + 4, "PAR1", 4)) return damaged(p, "is cut off (its end is not there); fetch it again");
    bytes_u32(&(bytes){tail, 4}, size);
    return *size > p->file.size - 12 ? damaged(p, "its footer is longer than the file") : LMM_OK;
}

static lmm_status read_footer(parquet *p) {
    uint32_t size;
    uint8_t *text;
    lmm_status st = footer_size(p, &size);
    if (!st) st = load_part(p, &text, p->file.size - 8 - size, size, "the footer of a Parquet file");
    if (st) return st;
    st = thrift_read(&p->footer, &(bytes){text, size}, "the footer");
    free(text);
    if (st) return LMM_CONTEXT(st, "'%s'", p->file.path);
    const tree *schema = tree_get(p->footer, "2");
    if (!schema || schema->type != TREE_LIST || !schema->count || schema->count > NODES_MAX) return damaged(p, "it has no schema");
    p->nodes = mem_new((size_t)schema->count, sizeof *p->nodes);
    return read_node(p, schema, 0, -1, 0) == schema->count ? LMM_OK : damaged(p, "its schema is damaged");
}

/* ---- rows ---- */

/* The slot of `name` in the map at *slot, which becomes a map when it is nothing yet. */
static tree **map_slot(tree **slot, const char *name) {
    if ((*slot)->type != TREE_MAP) tree_free(*slot), *slot = tree_new(TREE_MAP);
    if (!tree_get(*slot, name)) tree_put(*slot, name, tree_new(TREE_NULL));
    const tree *child = tree_get(*slot, name);
    for (int i = 0; i < (*slot)->count; i++)
        if ((*slot)->items[i] == child) return &(*slot)->items[i];
    return slot;
}

static tree **list_slot(tree **slot, int index) {
    if ((*slot)->type != TREE_LIST) tree_free(*slot), *slot = tree_new(TREE_LIST);
    while ((*slot)->count <= index) tree_add(*slot, tree_new(TREE_NULL));
    return &(*slot)->items[index];
}

typedef struct {
    int path[DEPTH_MAX + 1], depth; /* nodes from below the root to the leaf */
    int index[DEPTH_MAX + 1];       /* of the current item, by repetition level */
    int64_t row;
} cursor;

/* Puts one value (NULL: none) of repetition and definition level r, d into its row. Takes `value`. */
static void place(parquet *p, cursor *c, int r, int d, tree *value) {
    tree **slot = &p->rows->items[c->row];
    for (int i = 0; i < c->depth; i++) {
        const node *n = &p->nodes[c->path[i]];
        if (n->repetition == REPEATED) {
            if (!n->list_part) slot = map_slot(slot, n->name);
            if (d < n->def) {
                if ((*slot)->type != TREE_LIST) tree_free(*slot), *slot = tree_new(TREE_LIST);
                tree_free(value);
                return;
            }
            if (r < n->rep) c->index[n->rep] = 0;
            else if (r == n->rep) c->index[n->rep]++;
            slot = list_slot(slot, c->index[n->rep]);
        } else {
            if (!n->inner_part) slot = map_slot(slot, n->name);
            if (d < n->def) {
                tree_free(value);
                return;
            }
        }
    }
    tree_free(*slot);
    *slot = value ? value : tree_new(TREE_NULL);
}

/* ---- pages of one column ---- */

typedef struct {
    parquet *file;
    const node *leaf;
    cursor where;
    pq_values dictionary;
    int codec;
    int64_t row_count, left; /* of the row group; values still to come */
    bool started;
} column;

static int bits_for(int most) {
    int bits = 0;
    while (most >> bits) bits++;
    return bits;
}

/* Values of a data page: by dictionary, or by themselves. */
static lmm_status page_values(column *c, pq_values *out, int count, bytes in, int encoding) {
    if (encoding != 2 && encoding != 8) return pq_decode(out, count, in, encoding, c->leaf->type, c->leaf->type_length);
    if (!count) return LMM_OK;
    if (!in.size) return LMM_FAIL(LMM_E_FORMAT, "a page ends before its values do");
    int bits = *in.at;
    bytes_skip(&in, 1);
    int32_t *index = mem_new((size_t)count + 1, sizeof *index);
    lmm_status st = pq_indices(index, count, in, bits);
    for (int i = 0; i < count && !st; i++) {
        if (index[i] < 0 || index[i] >= c->dictionary.count) {
            st = LMM_FAIL(LMM_E_FORMAT, "a value points beyond the dictionary of its column");
            break;
        }
        const tree *t = c->dictionary.at[index[i]];
        size_t size = t->type == TREE_STRING ? t->text_size : 0;
        if (size > c->file->text_left) {
            st = LMM_FAIL(LMM_E_LIMIT, "the values are larger than this reader takes");
            break;
        }
        c->file->text_left -= size;
        vec_reserve((void **)&out->at, &out->capacity, out->count + 1, sizeof *out->at);
        out->at[out->count++] = tree_copy(t);
    }
    free(index);
    return st;
}

/* Levels and values into rows. */
static lmm_status place_page(column *c, int count, const uint8_t *rep, const uint8_t *def, pq_values *values) {
    int next = 0;
    for (int i = 0; i < count; i++) {
        bool there = def[i] == c->leaf->def;
        if (!rep[i]) c->where.row = c->started ? c->where.row + 1 : 0, c->started = true;
        if (!c->started || c->where.row >= c->row_count || rep[i] > c->leaf->rep || def[i] > c->leaf->def)
            return LMM_FAIL(LMM_E_FORMAT, "the levels of a page are damaged");
        tree *value = NULL;
        if (there && next < values->count) value = values->at[next], values->at[next++] = NULL;
        place(c->file, &c->where, rep[i], def[i], value);
    }
    return LMM_OK;
}

/* Cuts the levels of an older page: a length, then the hybrid; nothing when there is but one level. */
static lmm_status cut_levels(uint8_t *out, int count, bytes *in, int most) {
    uint32_t n;
    bytes run;
    if (!most) return LMM_OK;
    if (!bytes_u32(in, &n) || !bytes_cut(&run, in, n)) return LMM_FAIL(LMM_E_FORMAT, "a page ends inside its levels");
    return pq_levels(out, count, run, bits_for(most));
}

static lmm_status data_values(column *c, int count, int encoding, bytes in, const uint8_t *rep, const uint8_t *def) {
    int there = 0;
    pq_values values = {0};
    for (int i = 0; i < count; i++) there += def[i] == c->leaf->def;
    lmm_status st = page_values(c, &values, there, in, encoding);
    if (!st) st = place_page(c, count, rep, def, &values);
    pq_values_free(&values);
    c->left -= count;
    return st;
}

static lmm_status data_page(column *c, const tree *head, bytes body, size_t size, uint8_t *rep, uint8_t *def, int count) {
    uint8_t *plain;
    lmm_status st = parquet_unpack(&plain, body, c->codec, size);
    if (st) return st;
    bytes in = {plain, size};
    st = cut_levels(rep, count, &in, c->leaf->rep);
    if (!st) st = cut_levels(def, count, &in, c->leaf->def);
    if (!st) st = data_values(c, count, (int)tree_int(head, "2", 0), in, rep, def);
    free(plain);
    return st;
}

/* Version 2 leaves its levels unpacked. */
static lmm_status data_page_2(column *c, const tree *head, bytes body, size_t size, uint8_t *rep, uint8_t *def, int count) {
    int64_t def_size = tree_int(head, "5", 0), rep_size = tree_int(head, "6", 0);
    bytes reps, defs;
    if (def_size < 0 || rep_size < 0 || !bytes_cut(&reps, &body, (size_t)rep_size) || !bytes_cut(&defs, &body, (size_t)def_size) ||
        (size_t)(rep_size + def_size) > size)
        return LMM_FAIL(LMM_E_FORMAT, "a page ends inside its levels");
    lmm_status st = c->leaf->rep ? pq_levels(rep, count, reps, bits_for(c->leaf->rep)) : LMM_OK;
    if (!st && c->leaf->def) st = pq_levels(def, count, defs, bits_for(c->leaf->def));
    if (st) return st;
    uint8_t *plain;
    size_t rest = size - (size_t)(rep_size + def_size);
    st = parquet_unpack(&plain, body, tree_bool(head, "7", true) ? c->codec : 0, rest);
    if (st) return st;
    st = data_values(c, count, (int)tree_int(head, "4", 0), (bytes){plain, rest}, rep, def);
    free(plain);
    return st;
}

static lmm_status dictionary_page(column *c, const tree *head, bytes body, size_t size) {
    uint8_t *plain;
    int64_t count = tree_int(head, "1", 0);
    if (c->dictionary.count || count < 0 || count > PAGE_VALUES_MAX) return LMM_FAIL(LMM_E_FORMAT, "a column's dictionary is damaged");
    lmm_status st = parquet_unpack(&plain, body, c->codec, size);
    if (st) return st;
    st = pq_decode(&c->dictionary, (int)count, (bytes){plain, size}, 0, c->leaf->type, c->leaf->type_length);
    free(plain);
    return st;
}

static lmm_status one_page(column *c, bytes *in) {
    tree *page;
    bytes body;
    lmm_status st = thrift_read(&page, in, "a page's head");
    if (st) return st;
    int64_t type = tree_int(page, "1", -1), size = tree_int(page, "2", -1), packed = tree_int(page, "3", -1);
    const tree *one = tree_get(page, "5"), *two = tree_get(page, "8"), *head = type == 3 ? two : one;
    int64_t count = tree_int(head, "1", 0);
    if (size < 0 || packed < 0 || !bytes_cut(&body, in, (size_t)packed)) st = LMM_FAIL(LMM_E_FORMAT, "a page is longer than its file");
    else if (type == 2) st = dictionary_page(c, tree_get(page, "7"), body, (size_t)size);
    else if ((type == 0 || type == 3) && head) {
        if (count < 0 || count > c->left || count > PAGE_VALUES_MAX)
            st = LMM_FAIL(LMM_E_FORMAT, "a page has %" PRId64 " values, %" PRId64 " are left", count, c->left);
        else if ((c->file->cells += count) > c->file->cells_max) st = LMM_FAIL(LMM_E_LIMIT, "it has more values than this reader takes");
        else {
            uint8_t *rep = mem_new((size_t)count + 1, 1), *def = mem_new((size_t)count + 1, 1);
            st = (type ? data_page_2 : data_page)(c, head, body, (size_t)size, rep, def, (int)count);
            free(rep);
            free(def);
            if (!st && !count) st = LMM_FAIL(LMM_E_FORMAT, "a page is empty");
        }
    } else if (type != 1) st = LMM_FAIL(LMM_E_FORMAT, "a page of unknown type %" PRId64, type);
    tree_free(page);
    return st;
}

/* The leaf at the end of a column's path; its cursor. */
static bool find_leaf(const parquet *p, const tree *path, column *c) {
    int here = 0;
    for (int k = 0; path && path->type == TREE_LIST && k < path->count; k++) {
        int found = -1;
        for (int i = here + 1; i < p->node_count && found < 0; i++)
            if (p->nodes[i].parent == here && at(path, k)->type == TREE_STRING && !strcmp(p->nodes[i].name, at(path, k)->text)) found = i;
        if (found < 0 || c->where.depth >= DEPTH_MAX) return false;
        c->where.path[c->where.depth++] = here = found;
    }
    c->leaf = &p->nodes[here];
    return here && !c->leaf->children;
}

static lmm_status read_column(parquet *p, const tree *chunk, int64_t row_count) {
    const tree *meta = tree_get(chunk, "3");
    column c = {.file = p, .codec = (int)tree_int(meta, "4", 0), .row_count = row_count, .left = tree_int(meta, "5", 0)};
    int64_t data = tree_int(meta, "9", -1), dictionary = tree_int(meta, "11", -1), size = tree_int(meta, "7", -1);
    int64_t start = dictionary > 0 && dictionary < data ? dictionary : data;
    uint8_t *part;
    if (!find_leaf(p, tree_get(meta, "3"), &c)) return LMM_FAIL(LMM_E_FORMAT, "a column is not in the schema");
    if (start < 4 || size < 0 || (uint64_t)start > p->file.size || (uint64_t)size > p->file.size - (uint64_t)start || c.left < 0)
        return LMM_FAIL(LMM_E_FORMAT, "column '%s' lies outside the file", c.leaf->name);
    lmm_status st = load_part(p, &part, (uint64_t)start, (size_t)size, "a column of a Parquet file");
    if (st) return st;
    bytes in = {part, (size_t)size};
    while (c.left > 0 && !st) st = in.size ? one_page(&c, &in) : LMM_FAIL(LMM_E_FORMAT, "it ends before its values do");
    pq_values_free(&c.dictionary);
    free(part);
    return LMM_CONTEXT(st, "column '%s'", c.leaf->name);
}

/* ---- row groups ---- */

static const tree *group_at(const parquet *p, int g) { return at(tree_get(p->footer, "4"), g); }

int parquet_groups(const parquet *p) {
    const tree *groups = tree_get(p->footer, "4");
    return groups && groups->type == TREE_LIST ? groups->count : 0;
}

int64_t parquet_group_rows(const parquet *p, int g) { return tree_int(group_at(p, g), "3", 0); }

static lmm_status read_group(parquet *p, int g, tree **out) {
    const tree *columns = tree_get(group_at(p, g), "1");
    const int64_t count = parquet_group_rows(p, g);
    if (count < 0 || count > p->cells_max - p->cells) return LMM_FAIL(LMM_E_LIMIT, "it has more rows than this reader takes");
    p->cells += count;
    p->rows = tree_new(TREE_LIST);
    for (int64_t i = 0; i < count; i++) tree_add(p->rows, tree_new(TREE_MAP));
    lmm_status st = LMM_OK;
    for (int k = 0; columns && columns->type == TREE_LIST && k < columns->count && !st; k++) st = read_column(p, columns->items[k], count);
    if (st) tree_free(p->rows);
    else *out = p->rows;
    p->rows = NULL;
    return LMM_CONTEXT(st, "'%s'", p->file.path);
}

static void allow(parquet *p) {
    p->cells = 0;
    p->text_left = p->text_max;
}

lmm_status parquet_read_group(parquet *p, int g, tree **out) {
    allow(p);
    return read_group(p, g, out);
}

lmm_status parquet_open(parquet **out, const char *path, int64_t cells_max) {
    parquet *p = mem_new(1, sizeof *p);
    p->cells_max = cells_max > 0 ? cells_max : CELLS_MAX;
    p->text_max = cells_max > 0 ? (size_t)cells_max * 16 : (size_t)1 << 34;
    allow(p);
    lmm_status st = file_view_open(&p->file, path);
    if (!st) st = read_footer(p);
    if (st) return parquet_close(p), st;
    return *out = p, LMM_OK;
}

void parquet_close(parquet *p) {
    for (int i = 0; i < p->node_count; i++) free(p->nodes[i].name);
    free(p->nodes);
    tree_free(p->footer);
    file_view_close(&p->file);
    free(p);
}

/* ---- all of them ---- */

/* The rows of a group that is damaged are empty. */
static lmm_status empty_group(const parquet *p, int g, int first, tree **out, table_faults *faults) {
    const int64_t count = parquet_group_rows(p, g);
    *out = tree_new(TREE_LIST);
    for (int64_t i = 0; i < count; i++) tree_add(*out, tree_new(TREE_MAP));
    VEC_PUSH(faults, ((table_fault){first, (int)count, mem_strdup(lmm_message())}));
    return LMM_OK;
}

static void move_rows(tree *to, tree *from) {
    for (int i = 0; i < from->count; i++) {
        tree_add(to, from->items[i]);
        from->items[i] = tree_new(TREE_NULL);
    }
    tree_free(from);
}

lmm_status parquet_read(tree **out, const char *path, int64_t limit, int64_t cells_max, table_faults *faults) {
    parquet *p;
    lmm_status st = parquet_open(&p, path, cells_max);
    if (st) return st;
    tree *all = tree_new(TREE_LIST), *rows = NULL;
    for (int g = 0; g < parquet_groups(p) && !st && !(limit > 0 && all->count >= limit); g++) {
        st = read_group(p, g, &rows);
        if (st == LMM_E_FORMAT && faults) st = empty_group(p, g, all->count, &rows, faults);
        if (!st) move_rows(all, rows);
    }
    parquet_close(p);
    if (st) return tree_free(all), st;
    return *out = all, LMM_OK;
}
