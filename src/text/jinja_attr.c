/* jinja_attr.c - v.name, v[key] and what is undefined.
 *
 * v.name looks among the attributes of the Python type first, v[key] among the items first; each then tries the
 * other, and what is nowhere is undefined. Only data and the methods in our tables exist: there is no way to anything
 * else. Methods that would change a list or dict are "unsafe", as in the reference: undefined, and an error when
 * called. */
#include "text/jinja_int.h"

#include <string.h>

/* ---- undefined ---- */

static jval undefined_new(jx *x, jundefined u) {
    jundefined *kept = jx_alloc(x, 1, sizeof *kept);
    *kept = u;
    return (jval){.type = J_UNDEFINED, .undefined = kept};
}

jval j_undefined(jx *x, jval name) { return undefined_new(x, (jundefined){.name = name}); }
jval j_undefined_hint(jx *x, const char *literal) { return undefined_new(x, (jundefined){.hint = literal}); }

jval j_undefined_part(jx *x, jval owner, jval name) {
    return undefined_new(x, (jundefined){.name = name, .owner = owner.type == J_NONE ? "None" : type_name(owner)});
}

void undefined_fail(jx *x, jval v) {
    const jundefined *u = v.undefined;
    if (u->hint) jx_fail(x, LMM_E_ARG, "%s", u->hint);
    size_t first = x->work.size;
    put_repr(x, u->name);
    buf_putc(&x->work, '\0');
    const char *name = x->work.data + first;
    if (u->is_unsafe) jx_fail(x, LMM_E_ARG, "access to attribute %s of '%s' object is unsafe", name, u->owner);
    if (!u->owner) jx_fail(x, LMM_E_ARG, "%s is undefined", name);
    const char *kind = strcmp(u->owner, "None") == 0 ? "" : " object";
    if (u->name.type == J_STRING) jx_fail(x, LMM_E_ARG, "'%s%s' has no attribute %s", u->owner, kind, name);
    jx_fail(x, LMM_E_ARG, "%s%s has no element %s", u->owner, kind, name);
}

static jval unsafe(jx *x, jval owner, jval name) {
    return undefined_new(x, (jundefined){.name = name, .owner = type_name(owner), .is_unsafe = true});
}

/* ---- attributes of Python's types ---- */

const jbuiltin *row_find(const jbuiltin *rows, const char *name, size_t size) {
    for (const jbuiltin *r = rows; r->name; r++) {
        if (strlen(r->name) == size && memcmp(r->name, name, size) == 0) return r;
    }
    return NULL;
}

static const jbuiltin *method_find(jval v, const jstr *name) {
    const jbuiltin *tables[4] = {0};
    switch (v.type) {
    case J_STRING:
        tables[0] = str_methods;
        tables[1] = str_methods_more;
        tables[2] = str_tests;
        break;
    case J_LIST: tables[0] = list_methods; break;
    case J_TUPLE:
    case J_RANGE: tables[0] = tuple_methods; break;
    case J_DICT: tables[0] = dict_methods; break;
    case J_BOOL:
    case J_INT:
    case J_FLOAT: tables[0] = number_methods; break;
    default: break;
    }
    for (int i = 0; tables[i]; i++) {
        const jbuiltin *row = row_find(tables[i], name->at, name->size);
        if (row) return row;
    }
    return NULL;
}

static bool is_dunder(const jstr *s) { return s->size >= 4 && memcmp(s->at, "__", 2) == 0 && memcmp(s->at + s->size - 2, "__", 2) == 0; }

/* Attributes that are values. */
static bool plain_attribute(jx *x, jval v, jval name, jval *out) {
    if (v.type == J_NAMESPACE) return dict_get(x, v.ns, name, out);
    if (v.type == J_LOOP) {
        *out = loop_attribute(x, v.loop, name);
        return given(*out);
    }
    if (v.type == J_TUPLE && v.l->is_group && (str_is(name, "grouper") || str_is(name, "list"))) {
        *out = v.l->at[str_is(name, "list")];
        return true;
    }
    if (v.type == J_RANGE && (str_is(name, "start") || str_is(name, "stop") || str_is(name, "step"))) {
        *out = j_int(name.s->at[2] == 'a' ? v.range->start : name.s->at[2] == 'o' ? v.range->stop : v.range->step);
        return true;
    }
    if (v.type == J_CYCLER && str_is(name, "current")) {
        *out = v.cycler->items->at[v.cycler->at];
        return true;
    }
    if (v.type == J_MACRO && str_is(name, "name")) {
        *out = v.macro->func->name;
        return true;
    }
    return false;
}

static jval cycler_next(jx *x, jcall *c) {
    (void)x;
    jcycler *y = c->self.cycler;
    jval v = y->items->at[y->at];
    y->at = (y->at + 1) % y->items->count;
    return v;
}

static jval cycler_reset(jx *x, jcall *c) {
    (void)x;
    c->self.cycler->at = 0;
    return j_none();
}

static jval loop_cycle(jx *x, jcall *c) {
    if (!c->count) jx_fail(x, LMM_E_ARG, "no items for cycling given");
    return c->at[c->self.loop->index0 % c->count];
}

static jval loop_changed(jx *x, jcall *c) {
    jloop *l = c->self.loop;
    jval *at = jx_alloc(x, (size_t)c->count, sizeof *at);
    if (c->count) memcpy(at, c->at, (size_t)c->count * sizeof *at);
    jval now = j_list(x, J_TUPLE, at, (size_t)c->count);
    if (l->changed.type == J_TUPLE && j_equal(x, l->changed, now)) return j_bool(false);
    l->changed = now;
    return j_bool(true);
}

static const jbuiltin cycler_methods[] = {{"next", cycler_next, "", 0}, {"reset", cycler_reset, "", 0}, {0}};
static const jbuiltin loop_methods[] = {{"cycle", loop_cycle, "*", 0}, {"changed", loop_changed, "*", 0}, {0}};

static bool python_attribute(jx *x, jval v, jval name, jval *out) {
    if (plain_attribute(x, v, name, out)) return true;
    if (v.type == J_NAMESPACE) return false;
    if (is_dunder(name.s)) {
        *out = unsafe(x, v, name);
        return true;
    }
    const jbuiltin *row = method_find(v, name.s);
    if (v.type == J_CYCLER) row = row_find(cycler_methods, name.s->at, name.s->size);
    if (v.type == J_LOOP) row = row_find(loop_methods, name.s->at, name.s->size);
    if (!row) return false;
    if (!row->fn && strcmp(row->params, "unsafe") == 0) {
        *out = unsafe(x, v, name);
        return true;
    }
    jmethod *m = jx_alloc(x, 1, sizeof *m);
    *m = (jmethod){.self = v, .row = row};
    *out = (jval){.type = J_METHOD, .method = m};
    return true;
}

/* ---- items ---- */

static bool is_hashable(jx *x, jval v) {
    if (v.type == J_LIST || v.type == J_DICT || v.type == J_VIEW) return false;
    bool is = true;
    jx_step(x, v.type == J_TUPLE ? v.l->count : 0);
    jx_enter(x);
    for (size_t i = 0; is && v.type == J_TUPLE && i < v.l->count; i++) is = is_hashable(x, v.l->at[i]);
    jx_leave(x);
    return is;
}

static bool element(jx *x, jval v, int64_t i, jval *out) {
    int64_t length = j_length(x, v);
    if (i < 0) i += length;
    if (i < 0 || i >= length) return false;
    if (v.type == J_RANGE) {
        *out = j_int(range_at(v.range, (uint64_t)i));
    } else if (v.type == J_STRING) {
        uint32_t cp;
        size_t first = str_offset(x, v.s, (size_t)i);
        *out = j_part(x, v.s, first, first + (size_t)utf8_decode(v.s->at + first, v.s->size - first, &cp));
    } else {
        *out = v.l->at[i];
    }
    return true;
}

static bool python_item(jx *x, jval v, jval key, jval *out) {
    if (v.type == J_DICT) return is_hashable(x, key) && dict_get(x, v.d, key, out);
    if ((v.type == J_STRING || j_is_sequence(v) || v.type == J_RANGE) && j_is_int(key)) return element(x, v, key.i, out);
    return false;
}

jval j_item(jx *x, jval v, jval key) {
    jval out;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (python_item(x, v, key, &out)) return out;
    if (key.type == J_STRING && python_attribute(x, v, key, &out)) return out;
    return j_undefined_part(x, v, key);
}

jval j_attribute(jx *x, jval v, jval name) {
    jval out;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    if (python_attribute(x, v, name, &out)) return out;
    if (python_item(x, v, name, &out)) return out;
    return j_undefined_part(x, v, name);
}

jval j_attribute_only(jx *x, jval v, jval name) {
    jval out;
    if (v.type == J_UNDEFINED) undefined_fail(x, v);
    (void)need_str(x, name, "the name of an attribute");
    if (python_attribute(x, v, name, &out)) return out;
    return j_undefined_part(x, v, name);
}
