/* jinja_iter.c - going through values, as Python's iter() and next() do.
 *
 * Most sequence filters of the reference are generators: nothing happens until somebody takes an item, and what was
 * taken is gone. Templates depend on it without knowing (a second loop over the result of selectattr sees nothing),
 * so here they are iterators too. */
#include "text/jinja_int.h"

#include <string.h>

static bool next_of_items(jx *x, jiter *it, jval *out) {
    (void)x;
    if (it->at >= it->v.l->count) return false;
    *out = it->v.l->at[it->at++];
    return true;
}

static bool next_of_string(jx *x, jiter *it, jval *out) {
    const jstr *s = it->v.s;
    if (it->at >= s->size) return false;
    uint32_t cp;
    size_t n = (size_t)utf8_decode(s->at + it->at, s->size - it->at, &cp);
    *out = j_safe(x, j_part(x, s, it->at, it->at + n), false);
    it->at += n;
    return true;
}

static bool next_of_view(jx *x, jiter *it, jval *out) {
    const jview *view = it->v.view;
    if (it->at >= view->d->count) return false;
    size_t i = it->at++;
    if (view->kind == VIEW_ITEMS) *out = j_pair(x, view->d->keys[i], view->d->values[i]);
    else *out = view->kind == VIEW_KEYS ? view->d->keys[i] : view->d->values[i];
    return true;
}

static bool next_of_dict(jx *x, jiter *it, jval *out) {
    (void)x;
    if (it->at >= it->v.d->count) return false;
    *out = it->v.d->keys[it->at++];
    return true;
}

static bool next_of_range(jx *x, jiter *it, jval *out) {
    (void)x;
    const jrange *r = it->v.range;
    if (it->at >= (size_t)r->count) return false;
    *out = j_int(range_at(r, it->at++));
    return true;
}

static bool next_of_nothing(jx *x, jiter *it, jval *out) {
    (void)x, (void)it, (void)out;
    return false;
}

static iter_fn iter_fn_of(jval v) {
    switch (v.type) {
    case J_LIST:
    case J_TUPLE: return next_of_items;
    case J_STRING: return next_of_string;
    case J_VIEW: return next_of_view;
    case J_DICT: return next_of_dict;
    case J_RANGE: return next_of_range;
    case J_UNDEFINED: return next_of_nothing;
    default: return NULL;
    }
}

jiter *iter_new(jx *x, jval v) {
    if (v.type == J_ITER) return v.iter;
    iter_fn fn = iter_fn_of(v);
    if (!fn) jx_fail(x, LMM_E_ARG, "'%s' object is not iterable", type_name(v));
    jiter *it = jx_alloc(x, 1, sizeof *it);
    *it = (jiter){.name = "iterator", .fn = fn, .v = v};
    return it;
}

jiter *iter_again(jx *x, const jval *at, size_t count) { return iter_new(x, j_list(x, J_LIST, at, count)); }

bool iter_next(jx *x, jiter *it, jval *out) {
    jx_step(x, 1);
    jx_enter(x); /* iterators of iterators of ... */
    bool has = it->fn(x, it, out);
    jx_leave(x);
    return has;
}

jval j_lazy(jx *x, const char *name, iter_fn fn, jiter *source, void *state) {
    jiter *it = jx_alloc(x, 1, sizeof *it);
    *it = (jiter){.name = name, .fn = fn, .source = source, .state = state};
    return (jval){.type = J_ITER, .iter = it};
}

jlist *list_of(jx *x, jval v) {
    jlist *l = jx_alloc(x, 1, sizeof *l);
    if (j_is_sequence(v)) {
        *l = (jlist){.at = v.l->at, .count = v.l->count, .store = v.l->store};
        return l;
    }
    jvals items = {0};
    jiter *it = iter_new(x, v);
    for (jval item; iter_next(x, it, &item);) JX_PUSH(x, &items, item);
    *l = (jlist){.at = items.at, .count = (size_t)items.count};
    return l;
}

static bool next_backwards(jx *x, jiter *it, jval *out) {
    (void)x;
    if (it->at >= it->v.l->count) return false;
    *out = it->v.l->at[it->v.l->count - ++it->at];
    return true;
}

jval j_reversed(jx *x, jval v) {
    if (v.type == J_ITER || !iter_fn_of(v)) jx_fail(x, LMM_E_ARG, "'%s' object is not reversible", type_name(v));
    jval it = j_lazy(x, "reversed", next_backwards, NULL, NULL);
    it.iter->v = (jval){.type = J_LIST, .l = list_of(x, v)};
    return it;
}
