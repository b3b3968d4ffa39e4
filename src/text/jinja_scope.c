/* jinja_scope.c - gives every name a slot, by the scoping rules of the reference's compiler (idtracking).
 *
 * A loop body, the body of with, set, filter, macro, call and generation blocks is a scope; if is none. Entering a
 * scope loads each of its names: one it assigns to starts as the value of the same name outside (and the assignment is
 * forgotten at the end), one known nowhere comes from the template's variables. Whether a name is assigned anywhere in
 * a scope counts for the whole scope, before and after the assignment, so a scope is looked through twice: to declare,
 * then to bind. */
#include "text/jinja_int.h"

#include <string.h>

typedef struct entry entry;
typedef struct scope scope;
struct entry {
    entry *shadowed, *next;
    scope *owner;
    int name, slot;
    bool is_param;
};
struct scope {
    jfunc *func;
    jloads *loads;
    entry *entries;
    int ifs;
};

typedef struct {
    jx *x;
    entry **latest; /* by number of the name */
    scope *now;
    int soft; /* in an if or inline if: unknown filters may stand there */
} resolver;

void expr_each(jnode *n, void (*fn)(void *arg, jnode *child), void *arg) {
    jnode *operands[3] = {n->a, n->b, n->c};
    for (int i = 0; i < 3; i++) {
        if (operands[i]) fn(arg, operands[i]);
    }
    for (int i = 0; i < n->list.count; i++) {
        if (n->list.at[i]) fn(arg, n->list.at[i]);
    }
    for (int i = 0; i < n->list2.count; i++) fn(arg, n->list2.at[i]);
    if (!n->args) return;
    for (int i = 0; i < n->args->list.count; i++) fn(arg, n->args->list.at[i]);
    for (int i = 0; i < n->args->named_count; i++) fn(arg, n->args->named[i].value);
    if (n->args->star) fn(arg, n->args->star);
    if (n->args->star_star) fn(arg, n->args->star_star);
}

/* ---- scopes ---- */

static void scope_push(scope *s, jfunc *func, jloads *loads) { *s = (scope){.func = func, .loads = loads}; }

static void scope_pop(resolver *r, scope *s) {
    for (entry *e = s->entries; e; e = e->next) r->latest[e->name] = e->shadowed;
}

static entry *own_entry(resolver *r, int name) {
    entry *e = r->latest[name];
    return e && e->owner == r->now ? e : NULL;
}

static entry *define(resolver *r, int name) {
    entry *e = jx_alloc(r->x, 1, sizeof *e);
    *e = (entry){.shadowed = r->latest[name], .next = r->now->entries, .owner = r->now, .name = name, .slot = r->now->func->slot_count++};
    r->now->entries = e;
    r->latest[name] = e;
    return e;
}

static jref ref_to(const resolver *r, const entry *e) {
    jref ref = {.slot = e->slot};
    for (const jfunc *f = r->now->func; f != e->owner->func; f = f->outer) ref.hops++;
    return ref;
}

static void add_load(resolver *r, const entry *e, const entry *outer, bool from_global) {
    jload l = {.how = LOAD_UNDEFINED, .slot = e->slot, .name = e->name};
    if (outer) {
        l.how = LOAD_OUTER;
        l.from = ref_to(r, outer);
    } else if (from_global) {
        l.how = LOAD_GLOBAL;
    }
    JX_PUSH(r->x, r->now->loads, l);
}

/* A name is read. */
static void declare_load(resolver *r, int name) {
    if (!r->latest[name]) add_load(r, define(r, name), NULL, true);
}

/* A name is assigned to. In only one branch of an if, it keeps its outer or global value in the others. */
static void declare_store(resolver *r, int name) {
    entry *outer = r->latest[name];
    if (!own_entry(r, name)) add_load(r, define(r, name), outer, r->now->ifs > 0);
}

/* A name gets its value from the caller or the loop. */
static entry *declare_param(resolver *r, int name) {
    entry *e = own_entry(r, name);
    if (!e) e = define(r, name);
    e->is_param = true;
    return e;
}

/* ---- declaring: all names of one scope ---- */

static void declare_expr(void *arg, jnode *n) {
    resolver *r = arg;
    jx_enter(r->x);
    if (n->kind == N_NAME || n->kind == N_NS_ATTRIBUTE) declare_load(r, n->name);
    else expr_each(n, declare_expr, r);
    jx_leave(r->x);
}

static void declare_target(resolver *r, const jnode *n, bool is_param) {
    if (n->kind == N_NS_ATTRIBUTE) {
        declare_load(r, n->name);
    } else if (n->kind == N_NAME) {
        if (is_param) (void)declare_param(r, n->name);
        else declare_store(r, n->name);
    }
    for (int i = 0; n->kind == N_TUPLE && i < n->list.count; i++) declare_target(r, n->list.at[i], is_param);
}

static void declare_body(resolver *r, const jnodes *body);

static void declare_if(resolver *r, jnode *n) {
    declare_expr(r, n->list.at[0]);
    r->now->ifs++;
    for (int i = 1; i < n->list.count; i++) declare_expr(r, n->list.at[i]);
    for (int i = 0; i < n->list.count; i++) declare_body(r, &n->bodies[i]);
    declare_body(r, &n->other);
    r->now->ifs--;
}

static void declare_statement(resolver *r, jnode *n) {
    switch (n->kind) {
    case N_PRINT:
        for (int i = 0; i < n->list.count; i++) declare_expr(r, n->list.at[i]);
        break;
    case N_IF: declare_if(r, n); break;
    case N_FOR: declare_expr(r, n->b); break;
    case N_SET:
        declare_expr(r, n->b);
        declare_target(r, n->a, false);
        break;
    case N_SET_BLOCK: declare_target(r, n->a, false); break;
    case N_WITH:
        for (int i = 0; i < n->list2.count; i++) declare_expr(r, n->list2.at[i]);
        break;
    case N_MACRO: declare_store(r, n->a->name); break;
    case N_CALL_BLOCK: declare_expr(r, n->a); break;
    case N_FILTER_BLOCK: declare_expr(r, n->b); break;
    default: break;
    }
}

static void declare_body(resolver *r, const jnodes *body) {
    jx_enter(r->x);
    for (int i = 0; i < body->count; i++) declare_statement(r, body->at[i]);
    jx_leave(r->x);
}

/* ---- binding: names to slots, and the scopes inside ---- */

static void check_row(resolver *r, jnode *n) {
    const char *kind = n->kind == N_FILTER ? "filter" : "test";
    const jstr *name = n->value.s;
    r->x->line = n->line;
    if (n->row && !n->row->fn) jx_fail(r->x, LMM_E_UNSUPPORTED, "the %s '%.*s' is not supported", kind, (int)name->size, name->at);
    if (!n->row && !r->soft) jx_fail(r->x, LMM_E_FORMAT, "there is no %s '%.*s'", kind, (int)(name->size < 60 ? name->size : 60), name->at);
}

static void bind_expr(void *arg, jnode *n) {
    resolver *r = arg;
    jx_enter(r->x);
    if (n->kind == N_NAME || n->kind == N_NS_ATTRIBUTE) {
        n->ref = ref_to(r, r->latest[n->name]);
    } else {
        r->soft += n->kind == N_COND;
        if (n->kind == N_FILTER || n->kind == N_TEST) check_row(r, n);
        expr_each(n, bind_expr, r);
        r->soft -= n->kind == N_COND;
    }
    jx_leave(r->x);
}

static void bind_body(resolver *r, const jnodes *body);

typedef struct {
    scope scope, *outer;
    int soft;
} inside;

static void enter(resolver *r, inside *in, jfunc *func, jloads *loads) {
    scope_push(&in->scope, func, loads);
    in->outer = r->now;
    in->soft = r->soft;
    r->now = &in->scope;
    r->soft = 0;
}

static void leave(resolver *r, inside *in) {
    scope_pop(r, &in->scope);
    r->now = in->outer;
    r->soft = in->soft;
}

static void bind_function(resolver *r, jfunc *f) {
    inside in;
    f->outer = r->now->func;
    enter(r, &in, f, &f->loads);
    for (int i = 0; i < f->params.count; i++) (void)declare_param(r, f->params.at[i]->name);
    for (int i = 0; i < f->params.count; i++) bind_expr(r, f->params.at[i]);
    if (f->caller_slot >= 0) f->caller_slot = declare_param(r, NAME_CALLER)->slot;
    if (f->kwargs_slot >= 0) f->kwargs_slot = declare_param(r, NAME_KWARGS)->slot;
    if (f->varargs_slot >= 0) f->varargs_slot = declare_param(r, NAME_VARARGS)->slot;
    for (int i = 0; i < f->defaults.count; i++) declare_expr(r, f->defaults.at[i]);
    declare_body(r, &f->body);
    for (int i = 0; i < f->defaults.count; i++) bind_expr(r, f->defaults.at[i]);
    bind_body(r, &f->body);
    leave(r, &in);
}

static jnode *copy_target(resolver *r, const jnode *n) {
    jnode *copy = jx_alloc(r->x, 1, sizeof *copy);
    *copy = *n;
    copy->list = (jnodes){0};
    for (int i = 0; i < n->list.count; i++) JX_PUSH(r->x, &copy->list, copy_target(r, n->list.at[i]));
    return copy;
}

/* The test of a loop sees the loop's target but is a function of its own: it has its own copy of it. */
static void bind_loop_test(resolver *r, jnode *n) {
    inside in;
    jfunc *f = n->test_func;
    f->outer = r->now->func;
    enter(r, &in, f, &f->loads);
    JX_PUSH(r->x, &f->params, copy_target(r, n->a));
    declare_target(r, n->a, true);
    declare_expr(r, n->c);
    bind_expr(r, f->params.at[0]);
    bind_expr(r, n->c);
    leave(r, &in);
}

static void check_no_loop_target(resolver *r, const jnode *n) {
    if (n->kind == N_NAME && n->name == NAME_LOOP) {
        r->x->line = n->line;
        jx_fail(r->x, LMM_E_FORMAT, "the loop variable 'loop' cannot be assigned to");
    }
    for (int i = 0; n->kind == N_TUPLE && i < n->list.count; i++) check_no_loop_target(r, n->list.at[i]);
}

static void bind_for(resolver *r, jnode *n) {
    inside in;
    jfunc *func = r->now->func;
    bind_expr(r, n->b);
    check_no_loop_target(r, n->a);
    if (n->test_func) bind_loop_test(r, n);
    if (n->func) {
        n->func->outer = func;
        func = n->func;
    }
    enter(r, &in, func, &n->loads);
    n->loop_slot = declare_param(r, NAME_LOOP)->slot;
    declare_target(r, n->a, true);
    declare_body(r, &n->body);
    bind_expr(r, n->a);
    bind_body(r, &n->body);
    leave(r, &in);
    enter(r, &in, func, &n->loads2);
    declare_body(r, &n->other);
    bind_body(r, &n->other);
    leave(r, &in);
}

static bool in_loop_body(const resolver *r) { return r->latest[NAME_LOOP] && r->latest[NAME_LOOP]->is_param; }

static void bind_set(resolver *r, jnode *n) {
    inside in;
    if (in_loop_body(r)) check_no_loop_target(r, n->a);
    bind_expr(r, n->a);
    if (n->kind == N_SET) {
        bind_expr(r, n->b);
        return;
    }
    enter(r, &in, r->now->func, &n->loads);
    declare_body(r, &n->body);
    if (n->b) declare_expr(r, n->b);
    bind_body(r, &n->body);
    if (n->b) bind_expr(r, n->b);
    leave(r, &in);
}

static void bind_with(resolver *r, jnode *n) {
    inside in;
    for (int i = 0; i < n->list2.count; i++) bind_expr(r, n->list2.at[i]);
    enter(r, &in, r->now->func, &n->loads);
    for (int i = 0; i < n->list.count; i++) declare_target(r, n->list.at[i], true);
    declare_body(r, &n->body);
    for (int i = 0; i < n->list.count; i++) bind_expr(r, n->list.at[i]);
    bind_body(r, &n->body);
    leave(r, &in);
}

static void bind_filter_block(resolver *r, jnode *n) {
    inside in;
    enter(r, &in, r->now->func, &n->loads);
    declare_body(r, &n->body);
    declare_expr(r, n->b);
    bind_body(r, &n->body);
    bind_expr(r, n->b);
    leave(r, &in);
}

static void bind_if(resolver *r, jnode *n) {
    r->soft++;
    for (int i = 0; i < n->list.count; i++) {
        bind_expr(r, n->list.at[i]);
        bind_body(r, &n->bodies[i]);
    }
    bind_body(r, &n->other);
    r->soft--;
}

static void bind_statement(resolver *r, jnode *n) {
    switch (n->kind) {
    case N_PRINT:
        for (int i = 0; i < n->list.count; i++) bind_expr(r, n->list.at[i]);
        break;
    case N_IF: bind_if(r, n); break;
    case N_FOR: bind_for(r, n); break;
    case N_SET:
    case N_SET_BLOCK: bind_set(r, n); break;
    case N_WITH: bind_with(r, n); break;
    case N_MACRO:
        bind_expr(r, n->a);
        bind_function(r, n->func);
        break;
    case N_CALL_BLOCK:
        bind_expr(r, n->a);
        bind_function(r, n->func);
        break;
    case N_GENERATION: bind_function(r, n->func); break;
    case N_FILTER_BLOCK: bind_filter_block(r, n); break;
    default: break;
    }
}

static void bind_body(resolver *r, const jnodes *body) {
    jx_enter(r->x);
    for (int i = 0; i < body->count; i++) bind_statement(r, body->at[i]);
    jx_leave(r->x);
}

void jinja_resolve(jx *x, jfunc *root, int name_count) {
    resolver r = {.x = x};
    inside in;
    r.latest = jx_alloc(x, (size_t)name_count, sizeof *r.latest);
    enter(&r, &in, root, &root->loads);
    declare_body(&r, &root->body);
    bind_body(&r, &root->body);
}
