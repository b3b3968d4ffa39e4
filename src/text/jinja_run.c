/* jinja_run.c - runs statements: frames, scopes, assignments, output. Loops are in jinja_loop.c. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- output ---- */

void capture_begin(jx *x) {
    if (x->capture_count == x->capture_capacity) {
        int capacity = x->capture_capacity ? x->capture_capacity * 2 : 8;
        x->captures = mem_resize(x->captures, (size_t)capacity, sizeof *x->captures);
        memset(x->captures + x->capture_capacity, 0, (size_t)(capacity - x->capture_capacity) * sizeof *x->captures);
        x->capture_capacity = capacity;
    }
    buf_reset(&x->captures[x->capture_count++]);
}

jval capture_end(jx *x) {
    buf *b = &x->captures[--x->capture_count];
    x->captured -= b->size;
    return j_text(x, b->data ? b->data : "", b->size);
}

void emit(jx *x, const char *at, size_t size) {
    if (size > x->limits.output_size_max - x->captured) {
        jx_fail(x, LMM_E_LIMIT, "the template writes more than %zu bytes", x->limits.output_size_max);
    }
    jx_bytes(x, size);
    buf_put(&x->captures[x->capture_count - 1], at, size);
    x->captured += size;
}

static void emit_value(jx *x, jval v) {
    if (v.type == J_STRING) {
        emit(x, v.s->at, v.s->size);
        return;
    }
    size_t first = x->work.size;
    put_str(x, v);
    if (x->work.size > first) emit(x, x->work.data + first, x->work.size - first);
    x->work.size = first;
}

/* ---- frames and scopes ---- */

jframe *frame_new(jx *x, const jfunc *func, jframe *outer) {
    jframe *f = x->free_frames[func->number];
    jx_step(x, (size_t)func->slot_count / 16);
    size_t slots = (size_t)func->slot_count * sizeof(jval);
    if (f) {
        x->free_frames[func->number] = f->outer;
        memset(f->slot, 0, slots);
    } else {
        f = jx_alloc(x, 1, sizeof *f + slots);
    }
    f->outer = outer;
    return f;
}

void frame_done(jx *x, const jfunc *func, jframe *f) {
    if (f->is_kept) return;
    f->outer = x->free_frames[func->number];
    x->free_frames[func->number] = f;
}

/* A variable of the render, else a global function; J_UNDEFINED without a reason when there is neither. */
static jval global_value(jx *x, int number) {
    jval *v = &x->globals[number], name = x->code->names[number];
    if (v->type != J_MISSING) return *v;
    const jbuiltin *row = global_find(name.s->at, name.s->size);
    if (!dict_get(x, x->vars, name, v)) *v = row ? (jval){.type = J_BUILTIN, .builtin = row} : (jval){.type = J_UNDEFINED};
    return *v;
}

static jval *slot_of(jframe *f, jref ref) {
    for (int i = 0; i < ref.hops; i++) f = f->outer;
    return &f->slot[ref.slot];
}

void enter_scope(jx *x, jframe *f, const jloads *loads) {
    jx_step(x, (size_t)loads->count / 8);
    for (int i = 0; i < loads->count; i++) {
        const jload *l = &loads->at[i];
        jval v = j_missing();
        if (l->how == LOAD_OUTER) v = *slot_of(f, l->from);
        if (l->how == LOAD_GLOBAL) v = global_value(x, l->name);
        f->slot[l->slot] = v.type == J_UNDEFINED && !v.undefined ? j_missing() : v;
    }
}

void leave_scope(jframe *f, const jloads *loads) {
    for (int i = 0; i < loads->count; i++) f->slot[loads->at[i].slot] = j_missing();
}

static void keep(jframe *f) {
    for (; f && !f->is_kept; f = f->outer) f->is_kept = true;
}

static jval macro_value(jx *x, jframe *f, const jfunc *func) {
    keep(f);
    jmacro *m = jx_alloc(x, 1, sizeof *m);
    *m = (jmacro){.func = func, .outer = f};
    return (jval){.type = J_MACRO, .macro = m};
}

/* ---- assignment ---- */

static void assign_attribute(jx *x, jframe *f, const jnode *n, jval v) {
    jval ns = *slot_of(f, n->ref);
    if (ns.type != J_NAMESPACE) jx_fail(x, LMM_E_ARG, "cannot assign an attribute of '%s': not a namespace", type_name(ns));
    if (n->value.s->at[0] == '_') jx_fail(x, LMM_E_ARG, "attributes of namespaces cannot start with '_'");
    dict_put(x, ns.ns, n->value, v);
}

void assign(jx *x, jframe *f, const jnode *target, jval v) {
    if (target->kind == N_NAME) {
        *slot_of(f, target->ref) = v;
        return;
    }
    if (target->kind == N_NS_ATTRIBUTE) {
        assign_attribute(x, f, target, v);
        return;
    }
    jiter *it = iter_new(x, v);
    jvals items = {0};
    int need = target->list.count;
    for (jval item; items.count <= need && iter_next(x, it, &item);) JX_PUSH(x, &items, item);
    if (items.count > need) jx_fail(x, LMM_E_ARG, "too many values to unpack (expected %d)", need);
    if (items.count < need) jx_fail(x, LMM_E_ARG, "not enough values to unpack (expected %d, got %d)", need, items.count);
    for (int i = 0; i < need; i++) assign(x, f, target->list.at[i], items.at[i]);
}

/* ---- statements ---- */

static jflow run_if(jx *x, jframe *f, const jnode *n) {
    for (int i = 0; i < n->list.count; i++) {
        if (j_truth(eval(x, f, n->list.at[i]))) return run_body(x, f, &n->bodies[i]);
    }
    return run_body(x, f, &n->other);
}

/* {% set %} with a body, {% filter %}: what the body writes is caught, filtered and assigned or written. A break or
 * continue inside throws it away. */
static jflow run_caught(jx *x, jframe *f, const jnode *n) {
    enter_scope(x, f, &n->loads);
    capture_begin(x);
    jflow flow = run_body(x, f, &n->body);
    jval v = capture_end(x);
    if (flow == RUN_ON) {
        if (n->b) v = eval_filter(x, f, n->b, v);
        if (n->kind == N_SET_BLOCK) assign(x, f, n->a, v);
        else emit_value(x, v);
    }
    leave_scope(f, &n->loads);
    return flow;
}

static jflow run_with(jx *x, jframe *f, const jnode *n) {
    jval *values = jx_alloc(x, (size_t)n->list.count, sizeof *values);
    for (int i = 0; i < n->list.count; i++) values[i] = eval(x, f, n->list2.at[i]);
    enter_scope(x, f, &n->loads);
    for (int i = 0; i < n->list.count; i++) assign(x, f, n->list.at[i], values[i]);
    jflow flow = run_body(x, f, &n->body);
    leave_scope(f, &n->loads);
    return flow;
}

static void run_call_block(jx *x, jframe *f, const jnode *n) {
    jval callee = eval(x, f, n->a->a), caller = macro_value(x, f, n->func);
    jcall c = {.self = j_missing()};
    eval_arguments(x, f, n->a->args, &c);
    jdict *named = dict_new(x);
    for (size_t i = 0; c.named && i < c.named->count; i++) dict_put(x, named, c.named->keys[i], c.named->values[i]);
    dict_put(x, named, j_word(x, "caller"), caller);
    c.named = named;
    emit_value(x, j_call(x, callee, &c));
}

/* The span is counted in everything written so far, also when a macro around it is still collecting its text. */
static void run_generation(jx *x, jframe *f, const jnode *n) {
    jframe *own = frame_new(x, n->func, f);
    size_t begin = x->captured;
    enter_scope(x, own, &n->func->loads);
    (void)run_body(x, own, &n->func->body);
    frame_done(x, n->func, own);
    VEC_PUSH(&x->spans, begin);
    VEC_PUSH(&x->spans, x->captured);
}

static jflow run_statement(jx *x, jframe *f, const jnode *n) {
    jx_step(x, 1);
    x->line = n->line;
    switch (n->kind) {
    case N_DATA: emit(x, n->value.s->at, n->value.s->size); return RUN_ON;
    case N_PRINT:
        for (int i = 0; i < n->list.count; i++) emit_value(x, eval(x, f, n->list.at[i]));
        return RUN_ON;
    case N_IF: return run_if(x, f, n);
    case N_FOR: run_for(x, f, n); return RUN_ON;
    case N_SET: assign(x, f, n->a, eval(x, f, n->b)); return RUN_ON;
    case N_SET_BLOCK:
    case N_FILTER_BLOCK: return run_caught(x, f, n);
    case N_WITH: return run_with(x, f, n);
    case N_MACRO: assign(x, f, n->a, macro_value(x, f, n->func)); return RUN_ON;
    case N_CALL_BLOCK: run_call_block(x, f, n); return RUN_ON;
    case N_GENERATION: run_generation(x, f, n); return RUN_ON;
    case N_BREAK: return RUN_BREAK;
    case N_CONTINUE: return RUN_CONTINUE;
    default: LMM_ASSERT(false, "statement %d", (int)n->kind);
    }
    return RUN_ON;
}

jflow run_body(jx *x, jframe *f, const jnodes *body) {
    jflow flow = RUN_ON;
    jx_enter(x);
    for (int i = 0; i < body->count && flow == RUN_ON; i++) flow = run_statement(x, f, body->at[i]);
    jx_leave(x);
    return flow;
}
