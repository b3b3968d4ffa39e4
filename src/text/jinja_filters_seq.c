/* jinja_filters_seq.c - filters that look at a whole sequence at once: order, extremes, sums, groups. */
#include "text/jinja_int.h"

#include <string.h>

/* ---- attribute paths ---- */

static jval path_step(jx *x, const jstr *s, size_t first, size_t last) {
    bool ok = first < last;
    for (size_t i = first; i < last; i++) ok &= s->at[i] >= '0' && s->at[i] <= '9';
    jval part = j_part(x, s, first, last);
    return ok ? j_int(parse_integer(x, part.s, 10, &ok)) : part;
}

jpath path_of(jx *x, jval attribute) {
    jpath path = {0};
    if (!given(attribute) || attribute.type == J_NONE) return path;
    jvals steps = {0};
    if (attribute.type != J_STRING) {
        JX_PUSH(x, &steps, attribute);
    } else {
        const jstr *s = attribute.s;
        size_t first = 0;
        for (size_t i = 0; i <= s->size; i++) {
            if (i < s->size && s->at[i] != '.') continue;
            JX_PUSH(x, &steps, path_step(x, s, first, i));
            first = i + 1;
        }
    }
    path.at = steps.at;
    path.count = steps.count;
    return path;
}

jval path_get(jx *x, jpath path, jval item, jval otherwise) {
    for (int i = 0; i < path.count; i++) {
        item = j_item(x, item, path.at[i]);
        if (item.type == J_UNDEFINED && given(otherwise) && otherwise.type != J_NONE) item = otherwise;
    }
    return item;
}

jval lower_if_string(jx *x, jval v) { return v.type == J_STRING ? str_lower(x, v.s) : v; }

/* ---- order ---- */

/* Merges [first, middle) and [middle, last) of `from` into `to`; equal ones keep their order. */
static void merge(jx *x, const jval *keys, const size_t *from, size_t *to, size_t first, size_t middle, size_t last, bool reverse) {
    size_t a = first, b = middle;
    for (size_t i = first; i < last; i++) {
        bool take_right = a == middle;
        if (a < middle && b < last) {
            jval left = keys[from[a]], right = keys[from[b]];
            take_right = reverse ? j_order(x, CMP_LT, left, right) : j_order(x, CMP_LT, right, left);
        }
        to[i] = take_right ? from[b++] : from[a++];
    }
    jx_step(x, last - first);
}

jval *sorted_items(jx *x, const jval *items, const jval *keys, size_t count, bool reverse) {
    size_t *from = jx_alloc(x, count, sizeof *from), *to = jx_alloc(x, count, sizeof *to);
    for (size_t i = 0; i < count; i++) from[i] = i;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t first = 0; first < count; first += 2 * width) {
            size_t middle = first + width < count ? first + width : count, last = middle + width < count ? middle + width : count;
            merge(x, keys, from, to, first, middle, last, reverse);
        }
        size_t *t = from;
        from = to;
        to = t;
    }
    jval *sorted = jx_alloc(x, count, sizeof *sorted);
    for (size_t i = 0; i < count; i++) sorted[i] = items[from[i]];
    return sorted;
}

/* "a,b.c": sort by several attributes. The key is a list of them. */
static jval sort_key(jx *x, const jpath *paths, size_t count, jval item, bool case_sensitive) {
    jval *at = jx_alloc(x, count, sizeof *at);
    for (size_t i = 0; i < count; i++) {
        at[i] = path_get(x, paths[i], item, j_missing());
        if (!case_sensitive) at[i] = lower_if_string(x, at[i]);
    }
    return j_list(x, J_LIST, at, count);
}

static jval filter_sort(jx *x, jcall *c) {
    const jlist *l = list_of(x, c->self);
    jval attribute = arg_or(c->arg[2], j_none());
    jcall split = {.self = attribute};
    split.arg[0] = j_word(x, ",");
    jval one[1] = {attribute}, names = j_list(x, J_LIST, one, 1);
    if (attribute.type == J_STRING) names = row_find(str_methods, "split", 5)->fn(x, &split);
    size_t count = names.l->count;
    jpath *paths = jx_alloc(x, count, sizeof *paths);
    for (size_t i = 0; i < count; i++) paths[i] = path_of(x, names.l->at[i]);
    jval *keys = jx_alloc(x, l->count, sizeof *keys);
    for (size_t i = 0; i < l->count; i++) keys[i] = sort_key(x, paths, count, l->at[i], j_truth(c->arg[1]));
    return j_list(x, J_LIST, sorted_items(x, l->at, keys, l->count, j_truth(c->arg[0])), l->count);
}

static jval filter_dictsort(jx *x, jcall *c) {
    if (c->self.type == J_UNDEFINED) undefined_fail(x, c->self);
    if (c->self.type != J_DICT) jx_fail(x, LMM_E_ARG, "dictsort needs a dict, not '%s'", type_name(c->self));
    jval by = arg_or(c->arg[1], j_word(x, "key"));
    if (!str_is(by, "key") && !str_is(by, "value")) jx_fail(x, LMM_E_ARG, "dictsort sorts by 'key' or 'value'");
    const jdict *d = c->self.d;
    jval *pairs = jx_alloc(x, d->count, sizeof *pairs), *keys = jx_alloc(x, d->count, sizeof *keys);
    for (size_t i = 0; i < d->count; i++) {
        pairs[i] = j_pair(x, d->keys[i], d->values[i]);
        keys[i] = str_is(by, "key") ? d->keys[i] : d->values[i];
        if (!j_truth(c->arg[0])) keys[i] = lower_if_string(x, keys[i]);
    }
    return j_list(x, J_LIST, sorted_items(x, pairs, keys, d->count, j_truth(c->arg[2])), d->count);
}

static jval extreme(jx *x, jcall *c, compare_op op) {
    jiter *it = iter_new(x, c->self);
    jpath path = path_of(x, c->arg[1]);
    jval best, best_key = j_missing();
    for (jval v; iter_next(x, it, &v);) {
        jval key = path_get(x, path, v, j_missing());
        if (!j_truth(c->arg[0])) key = lower_if_string(x, key);
        if (given(best_key) && !j_order(x, op, key, best_key)) continue;
        best = v;
        best_key = key;
    }
    return given(best_key) ? best : j_undefined_hint(x, "no aggregated item, sequence was empty");
}

static jval filter_min(jx *x, jcall *c) { return extreme(x, c, CMP_LT); }
static jval filter_max(jx *x, jcall *c) { return extreme(x, c, CMP_GT); }

static jval filter_sum(jx *x, jcall *c) {
    jiter *it = iter_new(x, c->self);
    jpath path = path_of(x, c->arg[0]);
    jval sum = arg_or(c->arg[1], j_int(0));
    if (sum.type == J_STRING) jx_fail(x, LMM_E_ARG, "sum cannot add strings: use join");
    for (jval v; iter_next(x, it, &v);) sum = j_binary(x, '+', sum, path_get(x, path, v, j_missing()));
    return sum;
}

/* ---- groups ---- */

static jval group(jx *x, jval key, const jval *at, size_t count) {
    jval pair = j_pair(x, key, j_list(x, J_LIST, at, count));
    jlist *l = jx_alloc(x, 1, sizeof *l);
    *l = *pair.l;
    l->is_group = true;
    return (jval){.type = J_TUPLE, .l = l};
}

static jval filter_groupby(jx *x, jcall *c) {
    const jlist *l = list_of(x, c->self);
    jpath path = path_of(x, c->arg[0]);
    jval otherwise = c->arg[1], *keys = jx_alloc(x, l->count, sizeof *keys);
    bool case_sensitive = j_truth(c->arg[2]);
    for (size_t i = 0; i < l->count; i++) {
        keys[i] = path_get(x, path, l->at[i], otherwise);
        if (!case_sensitive) keys[i] = lower_if_string(x, keys[i]);
    }
    const jval *items = sorted_items(x, l->at, keys, l->count, false), *sorted = sorted_items(x, keys, keys, l->count, false);
    jvals groups = {0};
    for (size_t first = 0, last; first < l->count; first = last) {
        for (last = first + 1; last < l->count && j_equal(x, sorted[first], sorted[last]);) last++;
        jval key = case_sensitive ? sorted[first] : path_get(x, path, items[first], otherwise);
        JX_PUSH(x, &groups, group(x, key, items + first, last - first));
    }
    return j_list(x, J_LIST, groups.at, (size_t)groups.count);
}

/* ---- ends, and all ---- */

static jval filter_first(jx *x, jcall *c) {
    jval v;
    return iter_next(x, iter_new(x, c->self), &v) ? v : j_undefined_hint(x, "no first item, sequence was empty");
}

static jval filter_last(jx *x, jcall *c) {
    jval v;
    return iter_next(x, j_reversed(x, c->self).iter, &v) ? v : j_undefined_hint(x, "no last item, sequence was empty");
}

static jval filter_reverse(jx *x, jcall *c) {
    if (c->self.type == J_STRING) return j_slice(x, c->self, j_none(), j_none(), j_int(-1));
    if (c->self.type != J_ITER) return j_reversed(x, c->self);
    const jlist *l = list_of(x, c->self);
    jval *at = jx_alloc(x, l->count, sizeof *at);
    for (size_t i = 0; i < l->count; i++) at[i] = l->at[l->count - 1 - i];
    return j_list(x, J_LIST, at, l->count);
}

static jval filter_list(jx *x, jcall *c) { return (jval){.type = J_LIST, .l = list_of(x, c->self)}; }

static jval filter_join(jx *x, jcall *c) {
    jiter *it = iter_new(x, c->self);
    jpath path = path_of(x, c->arg[1]);
    const jstr *between = given(c->arg[0]) ? j_str(x, c->arg[0]).s : j_word(x, "").s;
    size_t mark = x->work.size;
    bool is_first = true;
    for (jval v; iter_next(x, it, &v); is_first = false) {
        if (!is_first) jx_put(x, between->at, between->size);
        put_str(x, path_get(x, path, v, j_missing()));
    }
    return j_take(x, &x->work, mark);
}

/* clang-format off */
const jbuiltin filters_of_sequences[] = {
    {"sort", filter_sort, "reverse case_sensitive attribute", 0}, {"dictsort", filter_dictsort, "case_sensitive by reverse", 0},
    {"min", filter_min, "case_sensitive attribute", 0}, {"max", filter_max, "case_sensitive attribute", 0},
    {"sum", filter_sum, "attribute start", 0}, {"groupby", filter_groupby, "attribute default case_sensitive", 1},
    {"first", filter_first, "", 0}, {"last", filter_last, "", 0}, {"reverse", filter_reverse, "", 0}, {"list", filter_list, "", 0},
    {"join", filter_join, "d attribute", 0}, {"random", NULL, "", 0}, {0}};
/* clang-format on */
