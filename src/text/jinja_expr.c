/* jinja_expr.c - expressions: tokens to nodes.
 *
 * From loose to tight: x if c else y; or; and; not; comparisons, in; + -; ~; * / // %; **; unary + -; then .name [key]
 * (call) |filter `is test`. Binary operators of one level stand in one node and go from left to right, ** too. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

jnode *node_new(parser *p, nkind kind, int line) {
    jnode *n = jx_alloc(p->x, 1, sizeof *n);
    n->kind = kind;
    n->line = line;
    n->loop_slot = -1;
    return n;
}

token *peek(parser *p) { return &p->tokens.at[p->at]; }

static token *peek_next(parser *p) {
    int next = p->at + 1 < p->tokens.count ? p->at + 1 : p->at;
    return &p->tokens.at[next];
}

static token *take(parser *p) {
    token *t = peek(p);
    if (t->type != T_END) p->at++;
    p->x->line = peek(p)->line;
    return t;
}

bool is_op(parser *p, int op) { return peek(p)->type == T_OPERATOR && peek(p)->op == op; }
static bool token_is_word(const token *t, const char *word) { return t->type == T_NAME && str_is(t->value, word); }
bool is_word(parser *p, const char *word) { return token_is_word(peek(p), word); }

bool skip_op(parser *p, int op) {
    bool is = is_op(p, op);
    if (is) take(p);
    return is;
}

bool skip_word(parser *p, const char *word) {
    bool is = is_word(p, word);
    if (is) take(p);
    return is;
}

static void describe(const token *t, char *text, size_t size) {
    switch (t->type) {
    case T_END: snprintf(text, size, "the end of the template"); break;
    case T_DATA: snprintf(text, size, "text"); break;
    case T_BLOCK_BEGIN: snprintf(text, size, "'{%%'"); break;
    case T_BLOCK_END: snprintf(text, size, "'%%}'"); break;
    case T_PRINT_BEGIN: snprintf(text, size, "'{{'"); break;
    case T_PRINT_END: snprintf(text, size, "'}}'"); break;
    case T_STRING: snprintf(text, size, "a string"); break;
    case T_INT:
    case T_FLOAT: snprintf(text, size, "a number"); break;
    case T_NAME: snprintf(text, size, "'%.*s'", (int)(t->value.s->size < 60 ? t->value.s->size : 60), t->value.s->at); break;
    case T_OPERATOR:
        if (t->op > 0xFF) snprintf(text, size, "'%c%c'", t->op >> 8, t->op & 0xFF);
        else snprintf(text, size, "'%c'", t->op);
        break;
    }
}

void fail_expected(parser *p, const char *what) {
    char text[128];
    describe(peek(p), text, sizeof text);
    p->x->line = peek(p)->line;
    jx_fail(p->x, LMM_E_FORMAT, "expected %s, found %s", what, text);
}

void expect_op(parser *p, int op) {
    if (!skip_op(p, op)) fail_expected(p, (char[]){'\'', (char)op, '\'', 0});
}

jval expect_name(parser *p) {
    if (peek(p)->type != T_NAME) fail_expected(p, "a name");
    return take(p)->value;
}

int name_number(parser *p, jval name) {
    int number = p->name_list.count;
    if (strmap_put(p->names, name.s->at, name.s->size, number)) JX_PUSH(p->x, &p->name_list, name);
    else (void)strmap_get(p->names, name.s->at, name.s->size, &number);
    return number;
}

/* ---- primaries ---- */

static jnode *constant(parser *p, int line, jval v) {
    jnode *n = node_new(p, N_CONST, line);
    n->value = v;
    return n;
}

static jnode *name_node(parser *p, int line, jval name) {
    jnode *n = node_new(p, N_NAME, line);
    n->value = name;
    n->name = name_number(p, name);
    p->sees_caller |= str_is(name, "caller");
    p->sees_kwargs |= str_is(name, "kwargs");
    p->sees_varargs |= str_is(name, "varargs");
    return n;
}

static jnode *parse_word(parser *p, bool with_namespace) {
    int line = peek(p)->line;
    jval name = take(p)->value;
    if (str_is(name, "true") || str_is(name, "True")) return constant(p, line, j_bool(true));
    if (str_is(name, "false") || str_is(name, "False")) return constant(p, line, j_bool(false));
    if (str_is(name, "none") || str_is(name, "None")) return constant(p, line, j_none());
    jnode *n = name_node(p, line, name);
    if (with_namespace && skip_op(p, '.')) {
        n->kind = N_NS_ATTRIBUTE;
        n->value = expect_name(p);
    }
    return n;
}

static jnode *parse_strings(parser *p) {
    int line = peek(p)->line;
    jval v = take(p)->value;
    while (peek(p)->type == T_STRING) v = j_concat(p->x, v.s, take(p)->value.s);
    return constant(p, line, v);
}

static jnode *parse_list(parser *p) {
    jnode *n = node_new(p, N_LIST, take(p)->line);
    while (!is_op(p, ']')) {
        if (n->list.count) expect_op(p, ',');
        if (is_op(p, ']')) break;
        JX_PUSH(p->x, &n->list, parse_expression(p, true));
    }
    expect_op(p, ']');
    return n;
}

static jnode *parse_dict(parser *p) {
    jnode *n = node_new(p, N_DICT, take(p)->line);
    while (!is_op(p, '}')) {
        if (n->list.count) expect_op(p, ',');
        if (is_op(p, '}')) break;
        JX_PUSH(p->x, &n->list, parse_expression(p, true));
        expect_op(p, ':');
        JX_PUSH(p->x, &n->list2, parse_expression(p, true));
    }
    expect_op(p, '}');
    return n;
}

static jnode *parse_primary(parser *p, bool with_namespace) {
    token *t = peek(p);
    if (t->type == T_NAME) return parse_word(p, with_namespace);
    if (t->type == T_STRING) return parse_strings(p);
    if (t->type == T_INT || t->type == T_FLOAT) return constant(p, t->line, take(p)->value);
    if (is_op(p, '[')) return parse_list(p);
    if (is_op(p, '{')) return parse_dict(p);
    if (!skip_op(p, '(')) fail_expected(p, "an expression");
    jnode *n = parse_tuple(p, true, NULL, true);
    expect_op(p, ')');
    return n;
}

/* ---- what follows a primary ---- */

static void add_named(parser *p, jargs *args, jval name, jnode *value) {
    if (args->named_count == NAMES_MAX) jx_fail(p->x, LMM_E_LIMIT, "a call has more than %d keyword arguments", NAMES_MAX);
    for (int i = 0; i < args->named_count; i++) {
        if (str_equal(args->named[i].name.s, name.s))
            jx_fail(p->x, LMM_E_FORMAT, "keyword argument '%.*s' is given twice", (int)name.s->size, name.s->at);
    }
    args->named = jx_grow(p->x, args->named, args->named_count, &args->named_capacity, args->named_count + 1, sizeof *args->named);
    args->named[args->named_count].name = name;
    args->named[args->named_count++].value = value;
}

static void parse_argument(parser *p, jargs *args) {
    if (skip_op(p, TWO('*', '*'))) {
        if (args->star_star) jx_fail(p->x, LMM_E_FORMAT, "a call has two ** arguments");
        args->star_star = parse_expression(p, true);
    } else if (skip_op(p, '*')) {
        if (args->star || args->star_star) jx_fail(p->x, LMM_E_FORMAT, "a * argument stands after * or **");
        args->star = parse_expression(p, true);
    } else if (peek(p)->type == T_NAME && peek_next(p)->type == T_OPERATOR && peek_next(p)->op == '=') {
        if (args->star_star) jx_fail(p->x, LMM_E_FORMAT, "a keyword argument stands after **");
        jval name = take(p)->value;
        take(p);
        add_named(p, args, name, parse_expression(p, true));
    } else {
        if (args->named_count || args->star || args->star_star) {
            jx_fail(p->x, LMM_E_FORMAT, "a positional argument stands after keyword arguments");
        }
        JX_PUSH(p->x, &args->list, parse_expression(p, true));
    }
}

static jargs *parse_arguments(parser *p) {
    jargs *args = jx_alloc(p->x, 1, sizeof *args);
    expect_op(p, '(');
    for (bool is_first = true; !is_op(p, ')'); is_first = false) {
        if (!is_first) expect_op(p, ',');
        if (is_op(p, ')')) break;
        parse_argument(p, args);
    }
    expect_op(p, ')');
    return args;
}

static jnode *parse_call(parser *p, jnode *callee) {
    jnode *n = node_new(p, N_CALL, peek(p)->line);
    n->a = callee;
    n->args = parse_arguments(p);
    return n;
}

/* One bound of a slice, NULL when it is left out. */
static jnode *parse_bound(parser *p) { return is_op(p, ':') || is_op(p, ']') || is_op(p, ',') ? NULL : parse_expression(p, true); }

static jnode *parse_key(parser *p, jnode *owner, int line) {
    jnode *bounds[3] = {parse_bound(p)};
    if (!is_op(p, ':')) {
        if (!bounds[0]) fail_expected(p, "an expression");
        jnode *n = node_new(p, N_ITEM, line);
        n->a = owner;
        n->b = bounds[0];
        return n;
    }
    for (int i = 1; i < 3 && skip_op(p, ':'); i++) bounds[i] = parse_bound(p);
    jnode *n = node_new(p, N_SLICE, line);
    n->a = owner;
    for (int i = 0; i < 3; i++) JX_PUSH(p->x, &n->list, bounds[i]);
    return n;
}

static jnode *parse_subscript(parser *p, jnode *owner) {
    int line = peek(p)->line;
    jnode *n;
    if (skip_op(p, '.')) {
        n = node_new(p, peek(p)->type == T_INT ? N_ITEM : N_ATTRIBUTE, line);
        n->a = owner;
        if (n->kind == N_ITEM) n->b = constant(p, line, take(p)->value);
        else if (peek(p)->type == T_NAME) n->value = take(p)->value;
        else fail_expected(p, "a name or number behind '.'");
        return n;
    }
    take(p);
    n = parse_key(p, owner, line);
    if (n->kind == N_ITEM && is_op(p, ',')) { /* a[1, 2] has a tuple for its key */
        jnode *key = node_new(p, N_TUPLE, line);
        JX_PUSH(p->x, &key->list, n->b);
        while (skip_op(p, ',')) {
            if (!is_op(p, ']')) JX_PUSH(p->x, &key->list, parse_expression(p, true));
        }
        n->b = key;
    }
    expect_op(p, ']');
    return n;
}

static jnode *parse_postfix(parser *p, jnode *n) {
    for (;;) {
        if (is_op(p, '.') || is_op(p, '[')) n = parse_subscript(p, n);
        else if (is_op(p, '(')) n = parse_call(p, n);
        else return n;
    }
}

/* Names of filters and tests may have dots. */
static jval parse_dotted(parser *p) {
    jval name = expect_name(p);
    while (skip_op(p, '.')) {
        name = j_concat(p->x, name.s, j_word(p->x, ".").s);
        name = j_concat(p->x, name.s, expect_name(p).s);
    }
    return name;
}

jnode *parse_filters(parser *p, jnode *first, bool starts_with_name) {
    jnode *n = first;
    while (starts_with_name || skip_op(p, '|')) {
        jnode *filter = node_new(p, N_FILTER, peek(p)->line);
        filter->a = n;
        filter->value = parse_dotted(p);
        filter->row = filter_find(filter->value.s->at, filter->value.s->size);
        if (is_op(p, '(')) filter->args = parse_arguments(p);
        starts_with_name = false;
        n = filter;
    }
    return n;
}

/* `is divisibleby 3` has an argument without brackets. */
static bool starts_argument(parser *p) {
    token *t = peek(p);
    if (t->type == T_STRING || t->type == T_INT || t->type == T_FLOAT) return true;
    if (t->type == T_OPERATOR) return t->op == '[' || t->op == '{';
    return t->type == T_NAME && !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and");
}

static jnode *parse_test(parser *p, jnode *subject) {
    jnode *n = node_new(p, N_TEST, take(p)->line);
    n->a = subject;
    n->is_negated = skip_word(p, "not");
    n->value = parse_dotted(p);
    n->row = test_find(n->value.s->at, n->value.s->size);
    if (is_op(p, '(')) {
        n->args = parse_arguments(p);
    } else if (starts_argument(p)) {
        if (is_word(p, "is")) jx_fail(p->x, LMM_E_FORMAT, "tests cannot be chained: `x is a is b`");
        n->args = jx_alloc(p->x, 1, sizeof *n->args);
        JX_PUSH(p->x, &n->args->list, parse_postfix(p, parse_primary(p, false)));
    }
    return n;
}

static jnode *parse_filters_and_tests(parser *p, jnode *n) {
    for (;;) {
        if (is_op(p, '|')) n = parse_filters(p, n, false);
        else if (is_word(p, "is")) n = parse_test(p, n);
        else if (is_op(p, '(')) n = parse_call(p, n);
        else return n;
    }
}

/* ---- operators ---- */

static jnode *parse_unary(parser *p, bool with_filters) {
    int line = peek(p)->line;
    jnode *n;
    jx_enter(p->x);
    if (is_op(p, '-') || is_op(p, '+')) {
        n = node_new(p, is_op(p, '-') ? N_NEGATIVE : N_POSITIVE, line);
        take(p);
        n->a = parse_unary(p, false);
    } else {
        n = parse_primary(p, false);
    }
    n = parse_postfix(p, n);
    if (with_filters) n = parse_filters_and_tests(p, n);
    jx_leave(p->x);
    return n;
}

static jnode *parse_operand(parser *p) { return parse_unary(p, true); }

/* first op operand op operand ...: one node, or just the first when there is no operator of this level. */
static jnode *parse_chain(parser *p, nkind kind, const int *level, size_t level_count, jnode *(*operand)(parser *p)) {
    jnode *first = operand(p), *n = NULL;
    int ops_capacity = 0;
    for (;;) {
        int op = 0;
        for (size_t i = 0; i < level_count; i++) {
            if (is_op(p, level[i])) op = level[i];
        }
        if (!op) return n ? n : first;
        if (!n) {
            n = node_new(p, kind, peek(p)->line);
            JX_PUSH(p->x, &n->list, first);
        }
        take(p);
        n->ops = jx_grow(p->x, n->ops, n->list.count, &ops_capacity, n->list.count + 1, sizeof *n->ops);
        n->ops[n->list.count] = op;
        JX_PUSH(p->x, &n->list, operand(p));
    }
}

static jnode *parse_power(parser *p) { return parse_chain(p, N_MATH, (int[]){TWO('*', '*')}, 1, parse_operand); }
static jnode *parse_product(parser *p) { return parse_chain(p, N_MATH, (int[]){'*', '/', TWO('/', '/'), '%'}, 4, parse_power); }
static jnode *parse_join(parser *p) { return parse_chain(p, N_JOIN, (int[]){'~'}, 1, parse_product); }
static jnode *parse_sum(parser *p) { return parse_chain(p, N_MATH, (int[]){'+', '-'}, 2, parse_join); }

/* The comparison operator here, taken; 0 when there is none. 'i': in, 'n': not in. */
static int take_comparison(parser *p) {
    static const int ops[] = {TWO('=', '='), TWO('!', '='), '<', TWO('<', '='), '>', TWO('>', '=')};
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (skip_op(p, ops[i])) return ops[i];
    }
    if (skip_word(p, "in")) return 'i';
    if (!is_word(p, "not") || !token_is_word(peek_next(p), "in")) return 0;
    take(p);
    take(p);
    return 'n';
}

static jnode *parse_comparison(parser *p) {
    jnode *first = parse_sum(p), *n = NULL;
    int line = peek(p)->line, ops_capacity = 0;
    for (int op; (op = take_comparison(p)) != 0;) {
        if (!n) {
            n = node_new(p, N_COMPARE, line);
            JX_PUSH(p->x, &n->list, first);
        }
        n->ops = jx_grow(p->x, n->ops, n->list.count, &ops_capacity, n->list.count + 1, sizeof *n->ops);
        n->ops[n->list.count] = op;
        JX_PUSH(p->x, &n->list, parse_sum(p));
    }
    return n ? n : first;
}

static jnode *parse_not(parser *p) {
    if (!is_word(p, "not")) return parse_comparison(p);
    jnode *n = node_new(p, N_NOT, take(p)->line);
    jx_enter(p->x);
    n->a = parse_not(p);
    jx_leave(p->x);
    return n;
}

static jnode *parse_words(parser *p, nkind kind, const char *word, jnode *(*operand)(parser *p)) {
    jnode *first = operand(p);
    if (!is_word(p, word)) return first;
    jnode *n = node_new(p, kind, peek(p)->line);
    JX_PUSH(p->x, &n->list, first);
    while (skip_word(p, word)) JX_PUSH(p->x, &n->list, operand(p));
    return n;
}

static jnode *parse_and(parser *p) { return parse_words(p, N_AND, "and", parse_not); }
static jnode *parse_or(parser *p) { return parse_words(p, N_OR, "or", parse_and); }

jnode *parse_expression(parser *p, bool with_if) {
    jx_enter(p->x);
    jnode *n = parse_or(p);
    while (with_if && is_word(p, "if")) {
        jnode *cond = node_new(p, N_COND, take(p)->line);
        cond->b = n;
        cond->a = parse_or(p);
        if (skip_word(p, "else")) cond->c = parse_expression(p, true);
        n = cond;
    }
    jx_leave(p->x);
    return n;
}

/* ---- tuples and targets ---- */

static bool is_tuple_end(parser *p, const char *end_word) {
    ttype t = peek(p)->type;
    return t == T_PRINT_END || t == T_BLOCK_END || is_op(p, ')') || (end_word && is_word(p, end_word));
}

/* a, b, c: a tuple; one expression without a comma: itself. */
jnode *parse_tuple(parser *p, bool with_if, const char *end_word, bool in_parentheses) {
    int line = peek(p)->line;
    jnode *n = node_new(p, N_TUPLE, line);
    bool has_comma = false;
    while (!is_tuple_end(p, end_word)) {
        JX_PUSH(p->x, &n->list, parse_expression(p, with_if));
        if (!skip_op(p, ',')) break;
        has_comma = true;
    }
    if (!has_comma && n->list.count) return n->list.at[0];
    if (!has_comma && !in_parentheses) fail_expected(p, "an expression");
    return n;
}

static void check_target(parser *p, const jnode *n) {
    if (n->kind == N_NS_ATTRIBUTE) return;
    if (n->kind == N_NAME) return;
    if (n->kind != N_TUPLE) {
        p->x->line = n->line;
        jx_fail(p->x, LMM_E_FORMAT, "only names, attributes of namespaces and tuples of them can be assigned to");
    }
    for (int i = 0; i < n->list.count; i++) check_target(p, n->list.at[i]);
}

jnode *parse_target(parser *p, const char *end_word, bool with_namespace) {
    jnode *n = node_new(p, N_TUPLE, peek(p)->line);
    bool has_comma = false;
    while (!is_tuple_end(p, end_word)) {
        JX_PUSH(p->x, &n->list, parse_primary(p, with_namespace));
        if (!skip_op(p, ',')) break;
        has_comma = true;
    }
    if (!n->list.count) fail_expected(p, "a name to assign to");
    if (!has_comma) n = n->list.at[0];
    check_target(p, n);
    return n;
}

jnode *parse_name_target(parser *p) {
    int line = peek(p)->line;
    jnode *n = node_new(p, N_NAME, line);
    n->value = expect_name(p);
    n->name = name_number(p, n->value);
    return n;
}
