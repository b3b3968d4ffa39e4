/* jinja_filters_lazy.c - filters that give an iterator: nothing happens until somebody takes an item (see jinja_iter.c). */
#include "text/jinja_int.h"

#include <string.h>

/* What such a filter remembers. */
typedef struct {
    jcall call;
    const jbuiltin *row; /* the filter or test to apply */
    jpath path;
    bool is_started, has_path, wants; /* wants: keep items for which the test says so */
    jval otherwise;
    jdict *seen;
    const jlist *all;
    size_t at;
} lazy;

static jval lazy_value(jx *x, const jcall *c, iter_fn fn) {
    lazy *z = jx_alloc(x, 1, sizeof *z);
    z->call = *c;
    z->otherwise = j_missing();
    return j_lazy(x, "generator", fn, NULL, z);
}

static const char *describe_name(jx *x, jval name) {
    size_t mark = x->work.size;
    put_repr(x, name);
    buf_putc(&x->work, '\0');
    return x->work.data + mark;
}

static const jbuiltin *filter_by_name(jx *x, jval name) {
    const jbuiltin *row = name.type == J_STRING ? filter_find(name.s->at, name.s->size) : NULL;
    if (!row) jx_fail(x, LMM_E_ARG, "there is no filter named %s", describe_name(x, name));
    return row;
}

static const jbuiltin *test_by_name(jx *x, jval name) {
    const jbuiltin *row = name.type == J_STRING ? test_find(name.s->at, name.s->size) : NULL;
    if (!row) jx_fail(x, LMM_E_ARG, "there is no test named %s", describe_name(x, name));
    return row;
}

/* Calls the row with the arguments behind the first `off`. */
static jval apply(jx *x, const lazy *z, int off, jval item) {
    jcall c = {.self = item, .named = z->call.named};
    if (z->call.count > off) {
        c.at = z->call.at + off;
        c.count = z->call.count - off;
    }
    return builtin_call(x, z->row, &c);
}

/* ---- map ---- */

static void map_start(jx *x, jiter *it, lazy *z) {
    jval attribute;
    z->is_started = true;
    it->source = iter_new(x, j_truth(z->call.self) ? z->call.self : j_list(x, J_LIST, NULL, 0));
    if (!j_truth(z->call.self)) return;
    if (z->call.count) {
        z->row = filter_by_name(x, z->call.at[0]);
        return;
    }
    if (!dict_find_word(x, z->call.named, "attribute", &attribute)) jx_fail(x, LMM_E_ARG, "map requires a filter or an attribute");
    bool has_default = dict_find_word(x, z->call.named, "default", &z->otherwise);
    if (z->call.named->count > 1u + has_default) jx_fail(x, LMM_E_ARG, "map got an unexpected keyword argument");
    z->path = path_of(x, attribute);
}

static bool map_next(jx *x, jiter *it, jval *out) {
    lazy *z = it->state;
    jval item;
    if (!z->is_started) map_start(x, it, z);
    if (!iter_next(x, it->source, &item)) return false;
    *out = z->row ? apply(x, z, 1, item) : path_get(x, z->path, item, z->otherwise);
    return true;
}

static jval filter_map(jx *x, jcall *c) { return lazy_value(x, c, map_next); }

/* ---- select, reject, selectattr, rejectattr ---- */

static void select_start(jx *x, jiter *it, lazy *z) {
    int off = z->has_path;
    z->is_started = true;
    it->source = iter_new(x, j_truth(z->call.self) ? z->call.self : j_list(x, J_LIST, NULL, 0));
    if (!j_truth(z->call.self)) return;
    if (z->has_path && !z->call.count) jx_fail(x, LMM_E_ARG, "selectattr and rejectattr need the name of an attribute");
    if (z->has_path) z->path = path_of(x, z->call.at[0]);
    if (z->call.count > off) z->row = test_by_name(x, z->call.at[off]);
}

static bool select_next(jx *x, jiter *it, jval *out) {
    lazy *z = it->state;
    if (!z->is_started) select_start(x, it, z);
    while (iter_next(x, it->source, out)) {
        jval v = path_get(x, z->path, *out, j_missing());
        if (z->row) v = apply(x, z, z->has_path ? 2 : 1, v);
        if (j_truth(v) == z->wants) return true;
    }
    return false;
}

static jval selection(jx *x, jcall *c, bool wants, bool has_path) {
    jval v = lazy_value(x, c, select_next);
    lazy *z = v.iter->state;
    z->wants = wants;
    z->has_path = has_path;
    return v;
}

static jval filter_select(jx *x, jcall *c) { return selection(x, c, true, false); }
static jval filter_reject(jx *x, jcall *c) { return selection(x, c, false, false); }
static jval filter_selectattr(jx *x, jcall *c) { return selection(x, c, true, true); }
static jval filter_rejectattr(jx *x, jcall *c) { return selection(x, c, false, true); }

/* ---- unique, items ---- */

static bool unique_next(jx *x, jiter *it, jval *out) {
    lazy *z = it->state;
    jval ignored;
    if (!it->source) {
        it->source = iter_new(x, z->call.self);
        z->path = path_of(x, z->call.arg[1]);
        z->seen = dict_new(x);
    }
    while (iter_next(x, it->source, out)) {
        jval key = path_get(x, z->path, *out, j_missing());
        if (!j_truth(z->call.arg[0])) key = lower_if_string(x, key);
        if (dict_get(x, z->seen, key, &ignored)) continue;
        dict_put(x, z->seen, key, j_none());
        return true;
    }
    return false;
}

static jval filter_unique(jx *x, jcall *c) { return lazy_value(x, c, unique_next); }

static bool items_next(jx *x, jiter *it, jval *out) {
    lazy *z = it->state;
    if (z->call.self.type == J_UNDEFINED) return false;
    if (z->call.self.type != J_DICT) jx_fail(x, LMM_E_ARG, "items needs a dict, not '%s'", type_name(z->call.self));
    const jdict *d = z->call.self.d;
    if (z->at >= d->count) return false;
    *out = j_pair(x, d->keys[z->at], d->values[z->at]);
    z->at++;
    return true;
}

static jval filter_items(jx *x, jcall *c) { return lazy_value(x, c, items_next); }

/* ---- batch, slice ---- */

static bool wants_fill(jval fill) { return given(fill) && fill.type != J_NONE; }

static bool batch_next(jx *x, jiter *it, jval *out) {
    lazy *z = it->state;
    /* What is no whole number is never reached, in the reference too. */
    int64_t size = j_is_int(z->call.arg[0]) ? z->call.arg[0].i : -1;
    jvals row = {0};
    jval item;
    if (!it->source) it->source = iter_new(x, z->call.self);
    while (row.count != size && iter_next(x, it->source, &item)) JX_PUSH(x, &row, item);
    if (!row.count) return false;
    for (int64_t n = row.count; wants_fill(z->call.arg[1]) && n < size; n++) {
        jx_step(x, 1);
        JX_PUSH(x, &row, z->call.arg[1]);
    }
    *out = j_list(x, J_LIST, row.at, (size_t)row.count);
    return true;
}

static jval filter_batch(jx *x, jcall *c) { return lazy_value(x, c, batch_next); }

static bool slice_next(jx *x, jiter *it, jval *out) {
    lazy *z = it->state;
    int64_t slices = need_int(x, z->call.arg[0], "the number of slices");
    if (!z->all) z->all = list_of(x, z->call.self);
    if (slices == 0) jx_fail(x, LMM_E_ARG, "slice into 0 parts");
    if (slices < 0 || z->at >= (size_t)slices) return false;
    size_t n = (size_t)slices, each = z->all->count / n, larger = z->all->count % n, i = z->at++;
    size_t first = i * each + (i < larger ? i : larger), count = each + (i < larger);
    jvals row = {0};
    for (size_t k = first; k < first + count; k++) JX_PUSH(x, &row, z->all->at[k]);
    if (wants_fill(z->call.arg[1]) && i >= larger) JX_PUSH(x, &row, z->call.arg[1]);
    *out = j_list(x, J_LIST, row.at, (size_t)row.count);
    return true;
}

static jval filter_slice(jx *x, jcall *c) { return lazy_value(x, c, slice_next); }

/* clang-format off */
const jbuiltin filters_lazy[] = {
    {"map", filter_map, "*", 0}, {"select", filter_select, "*", 0}, {"reject", filter_reject, "*", 0},
    {"selectattr", filter_selectattr, "*", 0}, {"rejectattr", filter_rejectattr, "*", 0},
    {"unique", filter_unique, "case_sensitive attribute", 0}, {"items", filter_items, "", 0},
    {"batch", filter_batch, "linecount fill_with", 1}, {"slice", filter_slice, "slices fill_with", 1}, {0}};
/* clang-format on */

const jbuiltin *filter_find(const char *name, size_t size) {
    const jbuiltin *const tables[] = {filters_of_text, filters_of_values, filters_of_sequences, filters_lazy};
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        const jbuiltin *row = row_find(tables[i], name, size);
        if (row) return row;
    }
    return NULL;
}
