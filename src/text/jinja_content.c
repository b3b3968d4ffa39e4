/* jinja_content.c - how a template treats the content of a message: does it go through parts, or want a string?
 *
 * `content` is what is called so: message.content, message['content'], a variable named content, and every variable
 * that gets its value from one of them. Going through it with for, filtering it by attribute or taking content[0]
 * shows that it knows parts; `content is string` that it can take both. */
#include "text/jinja_int.h"

#include <string.h>

typedef struct {
    jx *x;
    bool *is_content; /* by number of the name */
    bool changed;
    content_use use;
} detective;

static bool is_content(const detective *d, const jnode *n) {
    switch (n->kind) {
    case N_NAME: return d->is_content[n->name] || str_is(n->value, "content");
    case N_ATTRIBUTE: return str_is(n->value, "content");
    case N_ITEM: return n->b->kind == N_CONST && str_is(n->b->value, "content");
    case N_COND: return is_content(d, n->b) || (n->c && is_content(d, n->c));
    case N_OR: return is_content(d, n->list.at[0]);
    case N_FILTER: return n->a && is_content(d, n->a); /* content|list, content|default([]) */
    case N_CALL:
        return n->a->kind == N_ATTRIBUTE && str_is(n->a->value, "get") && n->args->list.count && n->args->list.at[0]->kind == N_CONST &&
               str_is(n->args->list.at[0]->value, "content");
    default: return false;
    }
}

static bool selects_by_attribute(const jnode *n) {
    static const char *const names[] = {"selectattr", "rejectattr", "map", "groupby"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_is(n->value, names[i])) return true;
    }
    return false;
}

static void look_at_expr(void *arg, jnode *n) {
    detective *d = arg;
    jx_enter(d->x);
    if (n->kind == N_TEST && is_content(d, n->a)) {
        d->use.asks_for_string |=
            str_is(n->value, "string") || str_is(n->value, "iterable") || str_is(n->value, "sequence") || str_is(n->value, "mapping");
    }
    if (n->kind == N_FILTER && n->a && is_content(d, n->a)) d->use.goes_through_parts |= selects_by_attribute(n);
    if (n->kind == N_ITEM && n->b->kind == N_CONST && n->b->value.type == J_INT) d->use.goes_through_parts |= is_content(d, n->a);
    expr_each(n, look_at_expr, d);
    jx_leave(d->x);
}

static void look_at_body(detective *d, const jnodes *body);

static void look_at_all(detective *d, const jnodes *list) {
    for (int i = 0; i < list->count; i++) look_at_expr(d, list->at[i]);
}

static void look_at_set(detective *d, const jnode *n) {
    if (n->a->kind != N_NAME || !n->b || !is_content(d, n->b) || d->is_content[n->a->name]) return;
    d->is_content[n->a->name] = d->changed = true;
}

static void look_at_statement(detective *d, const jnode *n) {
    if (n->kind == N_SET) look_at_set(d, n);
    if (n->kind == N_FOR && is_content(d, n->b)) d->use.goes_through_parts = true;
    if (n->kind != N_MACRO && n->kind != N_SET_BLOCK && n->kind != N_SET && n->kind != N_FOR && n->a) look_at_expr(d, n->a);
    if (n->b) look_at_expr(d, n->b);
    if (n->c) look_at_expr(d, n->c);
    if (n->kind != N_WITH) look_at_all(d, &n->list);
    look_at_all(d, &n->list2);
    for (int i = 0; n->kind == N_IF && i < n->list.count; i++) look_at_body(d, &n->bodies[i]);
    look_at_body(d, &n->body);
    look_at_body(d, &n->other);
    if (!n->func) return;
    look_at_all(d, &n->func->defaults);
    look_at_body(d, &n->func->body);
}

static void look_at_body(detective *d, const jnodes *body) {
    jx_enter(d->x);
    for (int i = 0; i < body->count; i++) look_at_statement(d, body->at[i]);
    jx_leave(d->x);
}

content_use content_use_of(jx *x, const jfunc *root, int name_count) {
    detective d = {.x = x, .changed = true};
    d.is_content = jx_alloc(x, (size_t)name_count, sizeof *d.is_content);
    /* A name may be set after it is used in the source (loops, macros): look until nothing new turns up. */
    for (int round = 0; round < 4 && d.changed; round++) {
        d.changed = false;
        look_at_body(&d, &root->body);
    }
    return d.use;
}
