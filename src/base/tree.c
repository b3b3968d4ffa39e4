/* tree.c - one kind of value for JSON and YAML: building, reading, checking what users wrote. */
#include "base/base_int.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INDEXED_ABOVE = 16, LOAD_LIMIT = 256 << 20 };

/* ---- building ---- */

tree *tree_new(tree_type type) {
    tree *t = mem_new(1, sizeof *t);
    t->type = type;
    return t;
}

tree *tree_new_text(const char *s, size_t n) {
    tree *t = tree_new(TREE_STRING);
    t->text = mem_strndup(s, n);
    t->text_size = n;
    return t;
}

tree *tree_new_string(const char *s) { return tree_new_text(s, strlen(s)); }

tree *tree_new_int(int64_t i) {
    tree *t = tree_new(TREE_INT);
    t->i = i;
    t->real = (double)i;
    return t;
}

tree *tree_new_real(double x) {
    tree *t = tree_new(TREE_REAL);
    t->real = x;
    return t;
}

tree *tree_new_bool(bool b) {
    tree *t = tree_new(TREE_BOOL);
    t->i = b;
    return t;
}

/* Frees what the node holds and leaves a null. */
static void tree_clear(tree *t) {
    for (int i = 0; i < t->count; i++) {
        tree_free(t->items[i]);
        if (t->keys) free(t->keys[i]);
    }
    free(t->items);
    free(t->keys);
    free(t->text);
    strmap_free(t->index);
    *t = (tree){.type = TREE_NULL};
}

void tree_free(tree *t) {
    if (!t) return;
    tree_clear(t);
    free(t);
}

/* Room is always a power of two: it needs no field, and it grows exactly when the count is one. */
static void *room_for_one_more(void *array, int count, size_t size) {
    if (count & (count - 1)) return array;
    return mem_resize(array, count ? 2 * (size_t)count : 1, size);
}

void tree_add(tree *list, tree *item) {
    LMM_ASSERT(list->type == TREE_LIST, "tree_add on type %d", (int)list->type);
    list->items = room_for_one_more(list->items, list->count, sizeof *list->items);
    list->items[list->count++] = item;
}

static int key_find(const tree *map, const char *key) {
    int at;
    if (map->index) return strmap_get(map->index, key, strlen(key), &at) ? at : -1;
    for (at = 0; at < map->count; at++) {
        if (strcmp(map->keys[at], key) == 0) return at;
    }
    return -1;
}

static void index_build(tree *map) {
    map->index = strmap_new();
    for (int i = 0; i < map->count; i++) strmap_put(map->index, map->keys[i], strlen(map->keys[i]), i);
}

void tree_put(tree *map, const char *key, tree *item) {
    LMM_ASSERT(map->type == TREE_MAP, "tree_put of '%s' on type %d", key, (int)map->type);
    bool is_new = map->index ? strmap_put(map->index, key, strlen(key), map->count) : key_find(map, key) < 0;
    if (!is_new) {
        int at = key_find(map, key);
        tree_free(map->items[at]);
        map->items[at] = item;
        return;
    }
    map->keys = room_for_one_more(map->keys, map->count, sizeof *map->keys);
    map->items = room_for_one_more(map->items, map->count, sizeof *map->items);
    map->keys[map->count] = mem_strdup(key);
    map->items[map->count++] = item;
    if (!map->index && map->count > INDEXED_ABOVE) index_build(map);
}

tree *tree_copy(const tree *t) {
    tree *copy = tree_new(t->type);
    copy->line = t->line;
    copy->i = t->i;
    copy->real = t->real;
    if (t->text) {
        copy->text = mem_strndup(t->text, t->text_size);
        copy->text_size = t->text_size;
    }
    for (int i = 0; i < t->count; i++) {
        tree *child = tree_copy(t->items[i]);
        if (t->type == TREE_MAP) tree_put(copy, t->keys[i], child);
        else tree_add(copy, child);
    }
    return copy;
}

/* ---- reading ---- */

const tree *tree_get(const tree *map, const char *key) {
    if (!map || map->type != TREE_MAP) return NULL;
    int at = key_find(map, key);
    return at < 0 ? NULL : map->items[at];
}

/* The child a step of a dotted path names: a key of a map, a position in a list. */
static tree *step_into(const tree *t, const char *step) {
    if (t->type == TREE_MAP) {
        int at = key_find(t, step);
        return at < 0 ? NULL : t->items[at];
    }
    if (t->type != TREE_LIST || !isdigit((unsigned char)step[0]) || strlen(step) > 9) return NULL;
    char *end;
    long at = strtol(step, &end, 10);
    return *end || at >= t->count ? NULL : t->items[at];
}

const tree *tree_at(const tree *t, const char *dotted) {
    while (t) {
        size_t n = strcspn(dotted, ".");
        char *step = mem_strndup(dotted, n);
        t = step_into(t, step);
        free(step);
        if (!dotted[n]) return t;
        dotted += n + 1;
    }
    return NULL;
}

const char *tree_str(const tree *t, const char *key, const char *fallback) {
    const tree *v = tree_get(t, key);
    return v && v->type == TREE_STRING ? v->text : fallback;
}

/* 1e6 in a config is a count like any other. */
static bool as_int(const tree *t, int64_t *out) {
    if (t->type == TREE_REAL && t->real == floor(t->real) && fabs(t->real) < 9007199254740992.0) {
        *out = (int64_t)t->real;
        return true;
    }
    if (t->type == TREE_INT) *out = t->i;
    return t->type == TREE_INT;
}

int64_t tree_int(const tree *t, const char *key, int64_t fallback) {
    const tree *v = tree_get(t, key);
    int64_t i;
    return v && as_int(v, &i) ? i : fallback;
}

double tree_real(const tree *t, const char *key, double fallback) {
    const tree *v = tree_get(t, key);
    return v && (v->type == TREE_REAL || v->type == TREE_INT) ? v->real : fallback;
}

bool tree_bool(const tree *t, const char *key, bool fallback) {
    const tree *v = tree_get(t, key);
    return v && v->type == TREE_BOOL ? v->i != 0 : fallback;
}

/* ---- checking ---- */

/* "name:line" when the line is known, else "name". */
static char *place(const char *name, const tree *t) { return t && t->line > 0 ? mem_printf("%s:%d", name, t->line) : mem_strdup(name); }

/* The value as JSON, short enough for a sentence. */
static char *shown(const tree *t) {
    enum { SHOWN_SIZE = 60 };
    if (t->type == TREE_LIST) return mem_strdup("a list");
    if (t->type == TREE_MAP) return mem_strdup("a map");
    buf b = {0};
    tree_write_json(&b, t, 0);
    if (b.size > SHOWN_SIZE) {
        b.size = utf8_complete(b.data, SHOWN_SIZE);
        buf_puts(&b, "...");
    }
    return buf_take(&b);
}

lmm_status tree_need_int(const tree *t, const char *key, int64_t low, int64_t high, int64_t *out, const char *name) {
    const tree *v = tree_at(t, key);
    int64_t i;
    if (v && as_int(v, &i) && i >= low && i <= high) {
        *out = i;
        return LMM_OK;
    }
    char *where = place(name, v ? v : t), *what = v ? shown(v) : mem_strdup("missing");
    lmm_status st = LMM_FAIL(LMM_E_FORMAT, "%s: '%s' is %s, needs an integer in [%" PRId64 ", %" PRId64 "]", where, key, what, low, high);
    free(where);
    free(what);
    return st;
}

static void list_known(buf *b, const char *const *known) {
    for (int i = 0; known[i]; i++) {
        if (b->size > 400) {
            buf_puts(b, ", ...");
            return;
        }
        buf_printf(b, "%s%s", i ? ", " : "", known[i]);
    }
}

lmm_status tree_check_keys(const tree *map, const char *const *known, const char *name) {
    if (!map || map->type == TREE_NULL) return LMM_OK;
    char *where = place(name, map);
    lmm_status st = LMM_OK;
    if (map->type != TREE_MAP) st = LMM_FAIL(LMM_E_FORMAT, "%s: needs keys with values here", where);
    for (int i = 0; !st && i < map->count; i++) {
        int k = 0;
        while (known[k] && strcmp(known[k], map->keys[i]) != 0) k++;
        if (known[k]) continue;
        free(where);
        where = place(name, map->items[i]);
        const char *near = nearest_word(map->keys[i], known);
        buf list = {0};
        list_known(&list, known);
        if (near) st = LMM_FAIL(LMM_E_FORMAT, "%s: unknown key '%s' (did you mean '%s'?)", where, map->keys[i], near);
        else st = LMM_FAIL(LMM_E_FORMAT, "%s: unknown key '%s' (known: %s)", where, map->keys[i], list.data ? list.data : "none");
        buf_free(&list);
    }
    free(where);
    return st;
}

enum { WORD_SIZE_MAX = 64 };

/* Insertions, deletions, changes and swaps of neighbours; both words at most WORD_SIZE_MAX long. */
static int edit_distance(const char *a, int na, const char *b, int nb) {
    int rows[3][WORD_SIZE_MAX + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    for (int j = 0; j <= nb; j++) last[j] = j;
    for (int i = 1; i <= na; i++) {
        now[0] = i;
        for (int j = 1; j <= nb; j++) {
            int change = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            int best = min_int(last[j - 1] + change, min_int(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) best = min_int(best, before[j - 2] + 1);
            now[j] = best;
        }
        int *freed = before;
        before = last, last = now, now = freed;
    }
    return last[nb];
}

/* Near: at most a third of the longer word differs. */
const char *nearest_word(const char *word, const char *const *known) {
    const char *best = NULL;
    int best_distance = WORD_SIZE_MAX, n = (int)strnlen(word, WORD_SIZE_MAX + 1);
    if (n > WORD_SIZE_MAX) return NULL;
    for (int i = 0; known[i]; i++) {
        int m = (int)strnlen(known[i], WORD_SIZE_MAX + 1);
        if (m > WORD_SIZE_MAX) continue;
        int distance = edit_distance(word, n, known[i], m);
        if (distance <= max_int(n, m) / 3 && distance < best_distance) {
            best = known[i];
            best_distance = distance;
        }
    }
    return best;
}

/* ---- files and overrides ---- */

static bool is_yaml_name(const char *path) {
    const char *dot = strrchr(path_base(path), '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

lmm_status tree_load(tree **out, const char *path) {
    char *text;
    size_t size;
    lmm_status st = file_read(&text, &size, path, LOAD_LIMIT);
    if (st) return st;
    st = is_yaml_name(path) ? tree_parse_yaml(out, text, size, path) : tree_parse_json(out, text, size, path);
    free(text);
    return st;
}

/* Puts `value` (taken over on success) at the dotted path below t; maps on the way are made when missing. */
static lmm_status put_at(tree *t, const char *dotted, tree *value, const char *assignment) {
    for (;;) {
        size_t n = strcspn(dotted, ".");
        if (n == 0) return LMM_FAIL(LMM_E_ARG, "cannot set '%s': the key has an empty part", assignment);
        char *step = mem_strndup(dotted, n);
        bool last = !dotted[n];
        if (t->type == TREE_NULL) t->type = TREE_MAP; /* "model:" with nothing after it */
        tree *child = step_into(t, step);
        if (t->type == TREE_MAP && (last || !child)) {
            child = last ? value : tree_new(TREE_MAP);
            tree_put(t, step, child);
        } else if (last && child) { /* an element of a list */
            tree_clear(child);
            *child = *value;
            free(value);
        } else if (!child) {
            lmm_status st = LMM_FAIL(LMM_E_ARG, "cannot set '%s': there is no '%s' to go into", assignment, step);
            free(step);
            return st;
        }
        free(step);
        if (last) return LMM_OK;
        t = child;
        dotted += n + 1;
    }
}

lmm_status tree_override(tree *root, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) return LMM_FAIL(LMM_E_ARG, "cannot use '%s': an override looks like key=value", assignment);
    tree *value = NULL;
    lmm_status st = tree_parse_yaml_value(&value, equals + 1, assignment);
    if (st) return st;
    char *dotted = mem_strndup(assignment, (size_t)(equals - assignment));
    st = put_at(root, dotted, value, assignment);
    if (st) tree_free(value);
    free(dotted);
    return st;
}
