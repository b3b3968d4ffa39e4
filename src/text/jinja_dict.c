/* jinja_dict.c - lists and dicts, and values made from a tree. */
#include "text/jinja_int.h"

#include <string.h>

enum { SMALL = 8 }; /* up to here looking at every key beats hashing */

jval j_list(jx *x, jtype type, const jval *at, size_t count) {
    jlist *l = jx_alloc(x, 1, sizeof *l);
    *l = (jlist){.at = at, .count = count};
    return (jval){.type = type, .l = l};
}

jval j_pair(jx *x, jval a, jval b) {
    jval *at = jx_alloc(x, 2, sizeof *at);
    at[0] = a;
    at[1] = b;
    return j_list(x, J_TUPLE, at, 2);
}

jdict *dict_new(jx *x) { return jx_alloc(x, 1, sizeof(jdict)); }

jval j_dict(const jdict *d) { return (jval){.type = J_DICT, .d = d}; }

/* Position of the key, or of the free place in the index where it would go. A template may choose its keys so that
 * they collide: every look at one is paid for. */
static bool probe(jx *x, const jdict *d, jval key, size_t *place) {
    size_t mask = d->index_size - 1;
    for (size_t at = (size_t)j_hash(x, key) & mask;; at = (at + 1) & mask) {
        *place = at;
        if (!d->index[at]) return false;
        jx_step(x, 1);
        if (j_equal(x, d->keys[d->index[at] - 1], key)) return true;
    }
}

static bool find(jx *x, const jdict *d, jval key, size_t *position) {
    size_t place;
    if (d->index) {
        if (!probe(x, d, key, &place)) return false;
        *position = d->index[place] - 1;
        return true;
    }
    if (key.type != J_STRING) (void)j_hash(x, key); /* unhashable keys are an error in small dicts too */
    for (size_t i = 0; i < d->count; i++) {
        if (j_equal(x, d->keys[i], key)) {
            *position = i;
            return true;
        }
    }
    return false;
}

static void rebuild_index(jx *x, jdict *d) {
    d->index_size = d->capacity * 2;
    d->index = jx_alloc(x, d->index_size, sizeof *d->index);
    for (size_t i = 0, place; i < d->count; i++) {
        (void)probe(x, d, d->keys[i], &place);
        d->index[place] = (uint32_t)i + 1;
    }
}

static void grow(jx *x, jdict *d) {
    size_t capacity = d->capacity ? d->capacity * 2 : 4;
    jval *keys = jx_alloc(x, capacity, sizeof *keys), *values = jx_alloc(x, capacity, sizeof *values);
    if (d->count) memcpy(keys, d->keys, d->count * sizeof *keys);
    if (d->count) memcpy(values, d->values, d->count * sizeof *values);
    d->keys = keys;
    d->values = values;
    d->capacity = capacity;
    if (capacity > SMALL) rebuild_index(x, d);
}

void dict_put(jx *x, jdict *d, jval key, jval value) {
    size_t position, place;
    if (find(x, d, key, &position)) {
        d->values[position] = value;
        return;
    }
    if (d->count == d->capacity) grow(x, d);
    if (d->index) {
        (void)probe(x, d, key, &place);
        d->index[place] = (uint32_t)d->count + 1;
    }
    d->keys[d->count] = key;
    d->values[d->count++] = value;
}

bool dict_get(jx *x, const jdict *d, jval key, jval *out) {
    size_t position;
    if (!find(x, d, key, &position)) return false;
    *out = d->values[position];
    return true;
}

bool dict_find_word(jx *x, const jdict *d, const char *key, jval *out) {
    if (!d) return false;
    jstr s = {.at = key, .size = strlen(key), .length = strlen(key)};
    return dict_get(x, d, (jval){.type = J_STRING, .s = &s}, out);
}

/* Texts are borrowed from the tree unless they need repair. */
static jval text_from(jx *x, const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        uint32_t cp;
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        int n = utf8_decode(text + at, size - at, &cp);
        if (n == 1) {
            size_t first = x->work.size;
            utf8_repair(&x->work, text, size);
            return j_take(x, &x->work, first);
        }
        at += (size_t)n;
    }
    return j_borrow(x, text, size);
}

jval j_from_tree(jx *x, const tree *t) {
    jx_enter(x);
    jval v = j_none();
    switch (t->type) {
    case TREE_NULL: break;
    case TREE_BOOL: v = j_bool(t->i != 0); break;
    case TREE_INT: v = j_int(t->i); break;
    case TREE_REAL: v = j_float(t->real); break;
    case TREE_STRING: v = text_from(x, t->text, t->text_size); break;
    case TREE_LIST: {
        jval *at = jx_alloc(x, (size_t)t->count, sizeof *at);
        for (int i = 0; i < t->count; i++) at[i] = j_from_tree(x, t->items[i]);
        v = j_list(x, J_LIST, at, (size_t)t->count);
        break;
    }
    case TREE_MAP: {
        jdict *d = dict_new(x);
        for (int i = 0; i < t->count; i++) dict_put(x, d, text_from(x, t->keys[i], strlen(t->keys[i])), j_from_tree(x, t->items[i]));
        v = j_dict(d);
        break;
    }
    }
    jx_leave(x);
    return v;
}
