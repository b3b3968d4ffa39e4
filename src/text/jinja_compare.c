/* jinja_compare.c - truth, equality, order, membership and hashes, by Python's rules. */
#include "text/jinja_int.h"

#include <math.h>
#include <string.h>

bool j_truth(jval v) {
    switch (v.type) {
    case J_MISSING:
    case J_UNDEFINED:
    case J_NONE: return false;
    case J_BOOL:
    case J_INT: return v.i != 0;
    case J_FLOAT: return v.f != 0;
    case J_STRING: return v.s->size > 0;
    case J_LIST:
    case J_TUPLE: return v.l->count > 0;
    case J_DICT: return v.d->count > 0;
    case J_VIEW: return v.view->d->count > 0;
    case J_RANGE: return v.range->count > 0;
    default: return true; /* an iterator too, even one with nothing left */
    }
}

bool j_has_length(jval v) {
    switch (v.type) {
    case J_UNDEFINED:
    case J_STRING:
    case J_LIST:
    case J_TUPLE:
    case J_DICT:
    case J_VIEW:
    case J_RANGE:
    case J_LOOP: return true;
    default: return false;
    }
}

int64_t j_length(jx *x, jval v) {
    switch (v.type) {
    case J_UNDEFINED: return 0;
    case J_STRING: return (int64_t)v.s->length;
    case J_LIST:
    case J_TUPLE: return (int64_t)v.l->count;
    case J_DICT: return (int64_t)v.d->count;
    case J_VIEW: return (int64_t)v.view->d->count;
    case J_RANGE: return v.range->count;
    case J_LOOP: return loop_attribute(x, v.loop, j_word(x, "length")).i;
    default: jx_fail(x, LMM_E_ARG, "object of type '%s' has no len()", type_name(v));
    }
}

bool j_same(jval a, jval b) {
    if (a.type != b.type) return false;
    switch (a.type) {
    case J_MISSING:
    case J_NONE: return true;
    case J_BOOL:
    case J_INT: return a.i == b.i; /* small integers are one object in Python; large ones may not be */
    case J_FLOAT: return a.f == b.f;
    case J_STRING: return str_equal(a.s, b.s); /* as interned strings */
    case J_LIST:
    case J_TUPLE: return a.l == b.l;
    default: return a.d == b.d;
    }
}

static bool lists_equal(jx *x, const jlist *a, const jlist *b) {
    if (a->count != b->count) return false;
    jx_step(x, a->count);
    for (size_t i = 0; i < a->count; i++) {
        if (!j_equal(x, a->at[i], b->at[i])) return false;
    }
    return true;
}

static bool dicts_equal(jx *x, const jdict *a, const jdict *b) {
    if (a->count != b->count) return false;
    jx_step(x, a->count);
    for (size_t i = 0; i < a->count; i++) {
        jval other;
        if (!dict_get(x, b, a->keys[i], &other) || !j_equal(x, a->values[i], other)) return false;
    }
    return true;
}

/* An integer and a double are equal only when they are the same number, which the rounded integer does not tell. */
static int compare_int_real(int64_t i, double f) {
    if (f >= 0x1p63) return -1;
    if (f < -0x1p63) return 1;
    double whole = trunc(f);
    if (i != (int64_t)whole) return i < (int64_t)whole ? -1 : 1;
    return (f < whole) - (f > whole);
}

/* -1, 0, 1; 2 when one is not a number. */
static int compare_numbers(jval a, jval b) {
    if (j_is_int(a) && j_is_int(b)) return (a.i > b.i) - (a.i < b.i);
    if ((a.type == J_FLOAT && isnan(a.f)) || (b.type == J_FLOAT && isnan(b.f))) return 2;
    if (j_is_int(a)) return compare_int_real(a.i, b.f);
    if (j_is_int(b)) return -compare_int_real(b.i, a.f);
    return (a.f > b.f) - (a.f < b.f);
}

static bool ranges_equal(const jrange *a, const jrange *b) {
    if (a->count != b->count || a->count == 0) return a->count == b->count;
    return a->start == b->start && (a->count == 1 || a->step == b->step);
}

static bool equal_deep(jx *x, jval a, jval b) {
    if (a.type != b.type) return false;
    if (j_is_sequence(a)) return a.l == b.l || lists_equal(x, a.l, b.l);
    if (a.type == J_DICT) return a.d == b.d || dicts_equal(x, a.d, b.d);
    if (a.type == J_RANGE) return ranges_equal(a.range, b.range);
    if (a.type == J_UNDEFINED) return true;
    if (a.type == J_METHOD) return a.method->row == b.method->row && j_same(a.method->self, b.method->self);
    if (a.type == J_VIEW) {
        if (a.view->kind != b.view->kind || a.view->kind == VIEW_VALUES) return a.view == b.view;
        if (a.view->kind == VIEW_ITEMS) return dicts_equal(x, a.view->d, b.view->d);
        jval ignored;
        bool equal = a.view->d->count == b.view->d->count;
        for (size_t i = 0; equal && i < a.view->d->count; i++) equal = dict_get(x, b.view->d, a.view->d->keys[i], &ignored);
        return equal;
    }
    return j_same(a, b);
}

bool j_equal(jx *x, jval a, jval b) {
    if (a.type == J_STRING && b.type == J_STRING) {
        if (a.s->size != b.s->size) return false;
        jx_bytes(x, a.s->size);
        return str_equal(a.s, b.s);
    }
    if (j_is_number(a) && j_is_number(b)) return compare_numbers(a, b) == 0;
    jx_step(x, 1);
    jx_enter(x);
    bool equal = equal_deep(x, a, b);
    jx_leave(x);
    return equal;
}

static bool holds(compare_op op, int order) {
    if (order == 2) return false;
    switch (op) {
    case CMP_LT: return order < 0;
    case CMP_LE: return order <= 0;
    case CMP_GT: return order > 0;
    case CMP_GE: return order >= 0;
    }
    return false;
}

/* The first elements that differ decide. */
static bool order_lists(jx *x, compare_op op, const jlist *a, const jlist *b) {
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        jx_step(x, 1);
        if (!j_equal(x, a->at[i], b->at[i])) return j_order(x, op, a->at[i], b->at[i]);
    }
    return holds(op, (a->count > b->count) - (a->count < b->count));
}

bool j_order(jx *x, compare_op op, jval a, jval b) {
    static const char *const signs[] = {"<", "<=", ">", ">="};
    if (a.type == J_UNDEFINED) undefined_fail(x, a);
    if (b.type == J_UNDEFINED) undefined_fail(x, b);
    if (j_is_number(a) && j_is_number(b)) return holds(op, compare_numbers(a, b));
    if (a.type == J_STRING && b.type == J_STRING) {
        jx_bytes(x, a.s->size);
        return holds(op, str_compare(a.s, b.s));
    }
    if (j_is_sequence(a) && a.type == b.type) {
        jx_step(x, 1);
        jx_enter(x);
        bool is = order_lists(x, op, a.l, b.l);
        jx_leave(x);
        return is;
    }
    jx_fail(x, LMM_E_ARG, "'%s' not supported between instances of '%s' and '%s'", signs[op], type_name(a), type_name(b));
}

static bool range_contains(const jrange *r, jval item) {
    if (!j_is_number(item) || r->count == 0) return false;
    if (item.type == J_FLOAT && (item.f != trunc(item.f) || fabs(item.f) >= 0x1p62)) return false;
    int64_t i = item.type == J_FLOAT ? (int64_t)item.f : item.i, last = range_at(r, (uint64_t)r->count - 1);
    int64_t low = r->step > 0 ? r->start : last, high = r->step > 0 ? last : r->start;
    uint64_t step = r->step > 0 ? (uint64_t)r->step : -(uint64_t)r->step;
    return i >= low && i <= high && ((uint64_t)i - (uint64_t)low) % step == 0;
}

static bool any_equal(jx *x, jval container, jval item) {
    jiter *it = iter_new(x, container);
    for (jval v; iter_next(x, it, &v);) {
        if (j_same(v, item) || j_equal(x, v, item)) return true;
    }
    return false;
}

bool j_contains(jx *x, jval container, jval item) {
    jval ignored;
    switch (container.type) {
    case J_STRING:
        if (item.type != J_STRING) { jx_fail(x, LMM_E_ARG, "'in <string>' requires string as left operand, not %s", type_name(item)); }
        return str_find(x, container.s, item.s, 0, container.s->size) >= 0;
    case J_DICT: return dict_get(x, container.d, item, &ignored);
    case J_VIEW:
        if (container.view->kind == VIEW_KEYS) return dict_get(x, container.view->d, item, &ignored);
        return any_equal(x, container, item);
    case J_RANGE: return range_contains(container.range, item);
    case J_LIST:
    case J_TUPLE:
    case J_ITER:
    case J_UNDEFINED: return any_equal(x, container, item);
    default: jx_fail(x, LMM_E_ARG, "argument of type '%s' is not iterable", type_name(container));
    }
}

enum { SEED = 0x6c6d6d };

static uint64_t mix(uint64_t a, uint64_t b) { return hash_u64(&(uint64_t[2]){a, b}, 2 * sizeof a, SEED); }

/* 1, 1.0 and true are one key. */
uint64_t j_hash(jx *x, jval v) {
    switch (v.type) {
    case J_STRING: jx_bytes(x, v.s->size); return hash_u64(v.s->at, v.s->size, SEED);
    case J_BOOL:
    case J_INT: return mix(1, (uint64_t)v.i);
    case J_FLOAT: {
        if (fabs(v.f) < 0x1p63 && v.f == trunc(v.f)) return mix(1, (uint64_t)(int64_t)v.f);
        uint64_t bits;
        memcpy(&bits, &v.f, sizeof bits);
        return mix(2, bits);
    }
    case J_TUPLE: {
        uint64_t h = 3;
        jx_step(x, v.l->count);
        jx_enter(x);
        for (size_t i = 0; i < v.l->count; i++) h = mix(h, j_hash(x, v.l->at[i]));
        jx_leave(x);
        return h;
    }
    case J_LIST:
    case J_DICT:
    case J_VIEW: jx_fail(x, LMM_E_ARG, "unhashable type: '%s'", type_name(v));
    case J_MISSING:
    case J_UNDEFINED:
    case J_NONE: return mix(4, (uint64_t)v.type);
    default: return mix(5, (uint64_t)(uintptr_t)v.d);
    }
}
