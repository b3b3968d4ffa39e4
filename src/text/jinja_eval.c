/* jinja_eval.c - the value of an expression. */
#include "text/jinja_int.h"

#include <string.h>

static jval name_value(jx *x, jframe *f, const jnode *n) {
    for (int i = 0; i < n->ref.hops; i++) f = f->outer;
    jval v = f->slot[n->ref.slot];
    return given(v) ? v : j_undefined(x, n->value);
}

static jval sequence_value(jx *x, jframe *f, const jnode *n) {
    size_t count = (size_t)n->list.count;
    jval *at = jx_alloc(x, count, sizeof *at);
    for (size_t i = 0; i < count; i++) at[i] = eval(x, f, n->list.at[i]);
    return j_list(x, n->kind == N_TUPLE ? J_TUPLE : J_LIST, at, count);
}

static jval dict_value(jx *x, jframe *f, const jnode *n) {
    jdict *d = dict_new(x);
    for (int i = 0; i < n->list.count; i++) {
        jval key = eval(x, f, n->list.at[i]);
        dict_put(x, d, key, eval(x, f, n->list2.at[i]));
    }
    return j_dict(d);
}

/* The operand that decides: the first false one of and, the first true one of or, else the last. */
static jval logic_value(jx *x, jframe *f, const jnode *n) {
    jval v = eval(x, f, n->list.at[0]);
    for (int i = 1; i < n->list.count && j_truth(v) == (n->kind == N_AND); i++) v = eval(x, f, n->list.at[i]);
    return v;
}

static bool compare(jx *x, int op, jval a, jval b) {
    switch (op) {
    case TWO('=', '='): return j_equal(x, a, b);
    case TWO('!', '='): return !j_equal(x, a, b);
    case '<': return j_order(x, CMP_LT, a, b);
    case TWO('<', '='): return j_order(x, CMP_LE, a, b);
    case '>': return j_order(x, CMP_GT, a, b);
    case TWO('>', '='): return j_order(x, CMP_GE, a, b);
    default: return j_contains(x, b, a) == (op == 'i');
    }
}

/* a < b < c means a < b and b < c. */
static jval comparison_value(jx *x, jframe *f, const jnode *n) {
    jval left = eval(x, f, n->list.at[0]);
    for (int i = 1; i < n->list.count; i++) {
        jval right = eval(x, f, n->list.at[i]);
        if (!compare(x, n->ops[i], left, right)) return j_bool(false);
        left = right;
    }
    return j_bool(true);
}

static jval math_value(jx *x, jframe *f, const jnode *n) {
    jval v = eval(x, f, n->list.at[0]);
    for (int i = 1; i < n->list.count; i++) {
        int op = n->ops[i] == TWO('/', '/') ? 'f' : n->ops[i] == TWO('*', '*') ? 'p' : n->ops[i];
        v = j_binary(x, op, v, eval(x, f, n->list.at[i]));
    }
    return v;
}

static jval join_value(jx *x, jframe *f, const jnode *n) {
    jval v = j_str(x, eval(x, f, n->list.at[0]));
    for (int i = 1; i < n->list.count; i++) v = j_concat(x, v.s, j_str(x, eval(x, f, n->list.at[i])).s);
    return v;
}

static jval slice_value(jx *x, jframe *f, const jnode *n) {
    jval v = eval(x, f, n->a), bounds[3];
    for (int i = 0; i < 3; i++) bounds[i] = n->list.at[i] ? eval(x, f, n->list.at[i]) : j_none();
    return j_slice(x, v, bounds[0], bounds[1], bounds[2]);
}

static jval condition_value(jx *x, jframe *f, const jnode *n) {
    if (j_truth(eval(x, f, n->a))) return eval(x, f, n->b);
    if (n->c) return eval(x, f, n->c);
    return j_undefined_hint(x, "the inline if-expression evaluated to false and no else section was defined");
}

/* ---- calls ---- */

static const jdict *named_arguments(jx *x, jframe *f, const jargs *args) {
    if (!args->named_count && !args->star_star) return NULL;
    jdict *named = dict_new(x);
    for (int i = 0; i < args->named_count; i++) dict_put(x, named, args->named[i].name, eval(x, f, args->named[i].value));
    if (!args->star_star) return named;
    jval more = eval(x, f, args->star_star), ignored;
    if (more.type != J_DICT) jx_fail(x, LMM_E_ARG, "the argument after ** is of type '%s', needs a dict", type_name(more));
    for (size_t i = 0; i < more.d->count; i++) {
        const jstr *key = need_str(x, more.d->keys[i], "a key of the argument after **");
        if (dict_get(x, named, more.d->keys[i], &ignored)) {
            jx_fail(x, LMM_E_ARG, "keyword argument '%.*s' is given twice", (int)key->size, key->at);
        }
        dict_put(x, named, more.d->keys[i], more.d->values[i]);
    }
    return named;
}

void eval_arguments(jx *x, jframe *f, const jargs *args, jcall *c) {
    if (!args) return;
    jvals at = {0};
    for (int i = 0; i < args->list.count; i++) JX_PUSH(x, &at, eval(x, f, args->list.at[i]));
    if (args->star) {
        jiter *it = iter_new(x, eval(x, f, args->star));
        for (jval v; iter_next(x, it, &v);) JX_PUSH(x, &at, v);
    }
    c->at = at.at;
    c->count = at.count;
    c->named = named_arguments(x, f, args);
}

static jval call_value(jx *x, jframe *f, const jnode *n) {
    jval callee = eval(x, f, n->a);
    jcall c = {.self = j_missing()};
    eval_arguments(x, f, n->args, &c);
    x->line = n->line;
    return j_call(x, callee, &c);
}

static jval row_value(jx *x, jframe *f, const jnode *n, jval self) {
    const char *kind = n->kind == N_FILTER ? "filter" : "test";
    if (!n->row) jx_fail(x, LMM_E_ARG, "there is no %s '%.*s'", kind, (int)(n->value.s->size < 60 ? n->value.s->size : 60), n->value.s->at);
    jcall c = {.self = self};
    eval_arguments(x, f, n->args, &c);
    x->line = n->line;
    return builtin_call(x, n->row, &c);
}

static jval test_value(jx *x, jframe *f, const jnode *n) {
    bool is = j_truth(row_value(x, f, n, eval(x, f, n->a)));
    return j_bool(is != n->is_negated);
}

/* A chain of filters at whose start stands no expression but `value`. */
jval eval_filter(jx *x, jframe *f, const jnode *n, jval value) {
    jx_enter(x);
    jval v = n->a ? eval_filter(x, f, n->a, value) : value;
    v = row_value(x, f, n, v);
    jx_leave(x);
    return v;
}

static jval eval_deep(jx *x, jframe *f, const jnode *n) {
    switch (n->kind) {
    case N_CONST: return n->value;
    case N_NAME: return name_value(x, f, n);
    case N_TUPLE:
    case N_LIST: return sequence_value(x, f, n);
    case N_DICT: return dict_value(x, f, n);
    case N_OR:
    case N_AND: return logic_value(x, f, n);
    case N_NOT: return j_bool(!j_truth(eval(x, f, n->a)));
    case N_COMPARE: return comparison_value(x, f, n);
    case N_MATH: return math_value(x, f, n);
    case N_JOIN: return join_value(x, f, n);
    case N_NEGATIVE: return j_negative(x, eval(x, f, n->a));
    case N_POSITIVE: return j_positive(x, eval(x, f, n->a));
    case N_ATTRIBUTE: return j_attribute(x, eval(x, f, n->a), n->value);
    case N_ITEM: {
        jval v = eval(x, f, n->a);
        return j_item(x, v, eval(x, f, n->b));
    }
    case N_SLICE: return slice_value(x, f, n);
    case N_CALL: return call_value(x, f, n);
    case N_FILTER: return row_value(x, f, n, eval(x, f, n->a));
    case N_TEST: return test_value(x, f, n);
    case N_COND: return condition_value(x, f, n);
    default: LMM_ASSERT(false, "expression %d", (int)n->kind);
    }
    return j_none();
}

jval eval(jx *x, jframe *f, const jnode *n) {
    jx_step(x, 1);
    jx_enter(x);
    jval v = eval_deep(x, f, n);
    jx_leave(x);
    return v;
}
