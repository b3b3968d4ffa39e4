/* jinja_loop.c - for loops and their variable `loop`. */
#include "text/jinja_int.h"

#include <string.h>

/* ---- the items ---- */

typedef struct {
    const jnode *node;
    jframe *frame;
} loop_test;

/* Items for which the loop's `if` holds, tried one at a time. */
static bool next_tested(jx *x, jiter *it, jval *out) {
    const loop_test *t = it->state;
    while (iter_next(x, it->source, out)) {
        assign(x, t->frame, t->node->test_func->params.at[0], *out);
        if (j_truth(eval(x, t->frame, t->node->c))) return true;
    }
    return false;
}

static jval tested(jx *x, jframe *f, const jnode *n, jval items) {
    loop_test *t = jx_alloc(x, 1, sizeof *t);
    *t = (loop_test){.node = n, .frame = frame_new(x, n->test_func, f)};
    enter_scope(x, t->frame, &n->test_func->loads);
    return j_lazy(x, "generator", next_tested, iter_new(x, items), t);
}

static bool loop_next(jx *x, jloop *l, jval *out) {
    if (given(l->after)) {
        *out = l->after;
        l->after = j_missing();
    } else if (!iter_next(x, l->source, out)) {
        return false;
    }
    l->index0++;
    l->before = l->now;
    l->now = *out;
    return true;
}

/* ---- running ---- */

static bool no_more(jx *x, jiter *it, jval *out) {
    (void)x, (void)it, (void)out;
    return false;
}

/* As in the reference, else also runs when no iteration got to the end of the body. */
static void run_loop(jx *x, jframe *f, const jnode *n, jloop *l) {
    jval item;
    bool completed = false;
    jflow flow = RUN_ON;
    while (flow != RUN_BREAK && loop_next(x, l, &item)) {
        jx_step(x, 1);
        enter_scope(x, f, &n->loads);
        f->slot[n->loop_slot] = (jval){.type = J_LOOP, .loop = l};
        assign(x, f, n->a, item);
        flow = run_body(x, f, &n->body);
        completed |= flow == RUN_ON;
        leave_scope(f, &n->loads);
    }
    if (!completed) {
        enter_scope(x, f, &n->loads2);
        (void)run_body(x, f, &n->other);
        leave_scope(f, &n->loads2);
    }
    /* A template may have kept `loop`, but the frames it leads to are over. */
    l->source = jx_alloc(x, 1, sizeof *l->source);
    *l->source = (jiter){.name = "iterator", .fn = no_more};
    l->node = NULL;
}

static void loop_start(jx *x, jframe *f, const jnode *n, jval items, jloop *l) {
    *l = (jloop){.iterable = items, .index0 = -1, .length = -1};
    if (n->c) l->iterable = tested(x, f, n, items);
    l->source = iter_new(x, l->iterable);
}

/* A recursive loop is a function of its items; it gives its text. */
static jval run_recursive(jx *x, jframe *f, const jnode *n, jval items, int64_t depth0) {
    if (++x->calls > x->limits.depth_max) jx_fail(x, LMM_E_LIMIT, "the template's loops are nested more than %d deep", x->limits.depth_max);
    jframe *own = frame_new(x, n->func, f);
    jloop *l = jx_alloc(x, 1, sizeof *l);
    loop_start(x, f, n, items, l);
    l->node = n;
    l->outer = f;
    l->depth0 = depth0;
    capture_begin(x);
    run_loop(x, own, n, l);
    jval text = capture_end(x);
    frame_done(x, n->func, own);
    x->calls--;
    return text;
}

void run_for(jx *x, jframe *f, const jnode *n) {
    jval items = eval(x, f, n->b);
    if (n->func) {
        jval text = run_recursive(x, f, n, items, 0);
        emit(x, text.s->at, text.s->size);
        return;
    }
    jloop *l = jx_alloc(x, 1, sizeof *l);
    loop_start(x, f, n, items, l);
    run_loop(x, f, n, l);
}

jval loop_call(jx *x, jloop *l, jcall *c) {
    if (!l->node) jx_fail(x, LMM_E_ARG, "only a loop marked 'recursive' can be called");
    if (c->count != 1 || c->named) jx_fail(x, LMM_E_ARG, "a recursive loop is called with one list");
    return run_recursive(x, l->outer, l->node, c->at[0], l->depth0 + 1);
}

/* ---- loop.name ---- */

static bool peek_item(jx *x, jloop *l) {
    jval item;
    if (!given(l->after) && iter_next(x, l->source, &item)) l->after = item;
    return given(l->after);
}

static int64_t loop_length(jx *x, jloop *l) {
    if (l->length >= 0) return l->length;
    if (j_has_length(l->iterable)) {
        l->length = j_length(x, l->iterable);
    } else {
        jlist *rest = list_of(x, (jval){.type = J_ITER, .iter = l->source});
        l->source = iter_again(x, rest->at, rest->count);
        l->length = (int64_t)rest->count + l->index0 + 1 + given(l->after);
    }
    return l->length;
}

jval loop_attribute(jx *x, jloop *l, jval name) {
    if (str_is(name, "index")) return j_int(l->index0 + 1);
    if (str_is(name, "index0")) return j_int(l->index0);
    if (str_is(name, "first")) return j_bool(l->index0 == 0);
    if (str_is(name, "last")) return j_bool(!peek_item(x, l));
    if (str_is(name, "length")) return j_int(loop_length(x, l));
    if (str_is(name, "revindex")) return j_int(loop_length(x, l) - l->index0);
    if (str_is(name, "revindex0")) return j_int(loop_length(x, l) - l->index0 - 1);
    if (str_is(name, "depth")) return j_int(l->depth0 + 1);
    if (str_is(name, "depth0")) return j_int(l->depth0);
    if (str_is(name, "previtem")) return l->index0 == 0 ? j_undefined_hint(x, "there is no previous item") : l->before;
    if (str_is(name, "nextitem")) return peek_item(x, l) ? l->after : j_undefined_hint(x, "there is no next item");
    return j_missing();
}
