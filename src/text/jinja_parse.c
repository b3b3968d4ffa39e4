/* jinja_parse.c - statements: tokens to nodes. What the reference has and we do not is refused here by name. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

static jnodes parse_body(parser *p, const char *const *ends);

static void expect_block_end(parser *p) {
    if (peek(p)->type != T_BLOCK_END) fail_expected(p, "'%}'");
    p->at++;
}

/* The body of a block up to one of `ends`, which stays to be read. */
static jnodes parse_inside(parser *p, const char *const *ends) {
    (void)skip_op(p, ':');
    expect_block_end(p);
    return parse_body(p, ends);
}

/* The body of a block with one end, which is taken. */
static jnodes parse_block(parser *p, const char *end) {
    jnodes body = parse_inside(p, (const char *const[]){end, NULL});
    p->at++;
    return body;
}

/* ---- macros and blocks that are called ---- */

typedef struct {
    int loops;
    bool caller, kwargs, varargs;
} outside;

static outside enter_function(parser *p) {
    outside o = {p->loops, p->sees_caller, p->sees_kwargs, p->sees_varargs};
    p->loops = 0;
    p->sees_caller = p->sees_kwargs = p->sees_varargs = false;
    return o;
}

/* The slots are marked 0 here, wanted, and get their numbers in jinja_scope.c. */
static void leave_function(parser *p, jfunc *f, outside o) {
    f->caller_slot = p->sees_caller ? 0 : -1;
    f->kwargs_slot = p->sees_kwargs ? 0 : -1;
    f->varargs_slot = p->sees_varargs ? 0 : -1;
    p->loops = o.loops;
    p->sees_caller |= o.caller;
    p->sees_kwargs |= o.kwargs;
    p->sees_varargs |= o.varargs;
}

static jfunc *func_new(parser *p) {
    jfunc *f = jx_alloc(p->x, 1, sizeof *f);
    *f = (jfunc){.number = p->func_count++, .name = j_none(), .caller_slot = -1, .kwargs_slot = -1, .varargs_slot = -1};
    return f;
}

static void parse_signature(parser *p, jfunc *f) {
    expect_op(p, '(');
    while (!is_op(p, ')')) {
        if (f->params.count) expect_op(p, ',');
        jnode *param = parse_name_target(p);
        if (f->params.count == NAMES_MAX) jx_fail(p->x, LMM_E_LIMIT, "a macro has more than %d parameters", NAMES_MAX);
        for (int i = 0; i < f->params.count; i++) {
            if (f->params.at[i]->name == param->name) jx_fail(p->x, LMM_E_FORMAT, "two parameters have one name");
        }
        if (skip_op(p, '=')) JX_PUSH(p->x, &f->defaults, parse_expression(p, true));
        else if (f->defaults.count) jx_fail(p->x, LMM_E_FORMAT, "a parameter without a default follows one with a default");
        f->has_caller_param |= str_is(param->value, "caller");
        JX_PUSH(p->x, &f->params, param);
    }
    expect_op(p, ')');
}

static void parse_function_body(parser *p, jfunc *f, const char *end) {
    outside o = enter_function(p);
    f->body = parse_block(p, end);
    leave_function(p, f, o);
    if (f->has_caller_param) f->caller_slot = -1;
    for (int i = 0; i < f->params.count; i++) {
        if (str_is(f->params.at[i]->value, "kwargs")) f->kwargs_slot = -1;
        if (str_is(f->params.at[i]->value, "varargs")) f->varargs_slot = -1;
    }
}

static jnode *parse_macro(parser *p, int line) {
    jnode *n = node_new(p, N_MACRO, line);
    n->func = func_new(p);
    n->a = parse_name_target(p);
    n->func->name = n->a->value;
    parse_signature(p, n->func);
    parse_function_body(p, n->func, "endmacro");
    return n;
}

static jnode *parse_call_block(parser *p, int line) {
    jnode *n = node_new(p, N_CALL_BLOCK, line);
    n->func = func_new(p);
    if (is_op(p, '(')) parse_signature(p, n->func);
    n->a = parse_expression(p, true);
    if (n->a->kind != N_CALL) jx_fail(p->x, LMM_E_FORMAT, "{%% call %%} needs a call of a macro");
    parse_function_body(p, n->func, "endcall");
    return n;
}

static jnode *parse_generation(parser *p, int line) {
    jnode *n = node_new(p, N_GENERATION, line);
    n->func = func_new(p);
    parse_function_body(p, n->func, "endgeneration");
    return n;
}

/* ---- the other statements ---- */

static jnode *parse_set(parser *p, int line) {
    jnode *target = parse_target(p, NULL, true);
    jnode *n = node_new(p, skip_op(p, '=') ? N_SET : N_SET_BLOCK, line);
    n->a = target;
    if (n->kind == N_SET) {
        n->b = parse_tuple(p, true, NULL, false);
    } else {
        n->b = parse_filters(p, NULL, false);
        n->body = parse_block(p, "endset");
    }
    return n;
}

static jnode *parse_for(parser *p, int line) {
    jnode *n = node_new(p, N_FOR, line);
    n->a = parse_target(p, "in", false);
    if (!skip_word(p, "in")) fail_expected(p, "'in'");
    n->b = parse_tuple(p, false, "recursive", false);
    if (skip_word(p, "if")) {
        n->c = parse_expression(p, true);
        n->test_func = func_new(p);
    }
    if (skip_word(p, "recursive")) n->func = func_new(p);
    p->loops++;
    n->body = parse_inside(p, (const char *const[]){"endfor", "else", NULL});
    p->loops--;
    bool has_else = is_word(p, "else");
    p->at++;
    if (has_else) n->other = parse_block(p, "endfor");
    return n;
}

static jnode *parse_if(parser *p, int line) {
    jnode *n = node_new(p, N_IF, line);
    int capacity = 0;
    bool goes_on = true;
    while (goes_on) {
        JX_PUSH(p->x, &n->list, parse_tuple(p, false, NULL, false));
        n->bodies = jx_grow(p->x, n->bodies, n->list.count - 1, &capacity, n->list.count, sizeof *n->bodies);
        n->bodies[n->list.count - 1] = parse_inside(p, (const char *const[]){"endif", "elif", "else", NULL});
        goes_on = is_word(p, "elif");
        bool has_else = is_word(p, "else");
        p->at++;
        if (has_else) n->other = parse_block(p, "endif");
    }
    return n;
}

static jnode *parse_with(parser *p, int line) {
    jnode *n = node_new(p, N_WITH, line);
    while (peek(p)->type != T_BLOCK_END) {
        if (n->list.count) expect_op(p, ',');
        JX_PUSH(p->x, &n->list, parse_target(p, NULL, false));
        expect_op(p, '=');
        JX_PUSH(p->x, &n->list2, parse_expression(p, true));
    }
    n->body = parse_block(p, "endwith");
    return n;
}

static jnode *parse_filter_block(parser *p, int line) {
    jnode *n = node_new(p, N_FILTER_BLOCK, line);
    n->b = parse_filters(p, NULL, true);
    n->body = parse_block(p, "endfilter");
    return n;
}

static jnode *parse_print(parser *p, int line) {
    jnode *n = node_new(p, N_PRINT, line);
    while (peek(p)->type != T_BLOCK_END) {
        if (n->list.count) expect_op(p, ',');
        JX_PUSH(p->x, &n->list, parse_expression(p, true));
    }
    return n;
}

static jnode *parse_jump(parser *p, int line, nkind kind) {
    if (!p->loops) jx_fail(p->x, LMM_E_FORMAT, "%s stands outside of a loop", kind == N_BREAK ? "break" : "continue");
    return node_new(p, kind, line);
}

static jnode *parse_jump_break(parser *p, int line) { return parse_jump(p, line, N_BREAK); }
static jnode *parse_jump_continue(parser *p, int line) { return parse_jump(p, line, N_CONTINUE); }

/* clang-format off */
static const struct { const char *word; jnode *(*parse)(parser *p, int line); } statements[] = {
    {"if", parse_if}, {"for", parse_for}, {"set", parse_set}, {"macro", parse_macro}, {"call", parse_call_block},
    {"filter", parse_filter_block}, {"with", parse_with}, {"print", parse_print}, {"generation", parse_generation},
    {"break", parse_jump_break}, {"continue", parse_jump_continue},
    /* known and not supported */
    {"block", NULL}, {"extends", NULL}, {"include", NULL}, {"import", NULL}, {"from", NULL}, {"autoescape", NULL}};
/* clang-format on */

static _Noreturn void fail_unknown_tag(parser *p, const jstr *word, const char *const *ends) {
    int n = (int)(word->size < 60 ? word->size : 60);
    if (ends) jx_fail(p->x, LMM_E_FORMAT, "unknown tag '%.*s' where '%s' is still missing", n, word->at, ends[0]);
    jx_fail(p->x, LMM_E_FORMAT, "unknown tag '%.*s'", n, word->at);
}

static jnode *parse_statement(parser *p, const char *const *ends) {
    token *t = peek(p);
    p->x->line = t->line;
    if (t->type != T_NAME) fail_expected(p, "the name of a tag");
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        if (!str_is(t->value, statements[i].word)) continue;
        if (!statements[i].parse) jx_fail(p->x, LMM_E_UNSUPPORTED, "{%% %s %%} is not supported in chat templates", statements[i].word);
        p->at++;
        jx_enter(p->x);
        jnode *n = statements[i].parse(p, t->line);
        jx_leave(p->x);
        return n;
    }
    fail_unknown_tag(p, t->value.s, ends);
}

static bool is_one_of(parser *p, const char *const *words) {
    for (int i = 0; words && words[i]; i++) {
        if (is_word(p, words[i])) return true;
    }
    return false;
}

static jnodes parse_body(parser *p, const char *const *ends) {
    jnodes body = {0};
    for (;;) {
        token *t = peek(p);
        p->x->line = t->line;
        jnode *n;
        if (t->type == T_END) {
            if (ends) jx_fail(p->x, LMM_E_FORMAT, "the template ends where '%s' is missing", ends[0]);
            return body;
        }
        p->at++;
        if (t->type == T_DATA) {
            n = node_new(p, N_DATA, t->line);
            n->value = t->value;
        } else if (t->type == T_PRINT_BEGIN) {
            n = node_new(p, N_PRINT, t->line);
            JX_PUSH(p->x, &n->list, parse_tuple(p, true, NULL, false));
            if (peek(p)->type != T_PRINT_END) fail_expected(p, "'}}'");
            p->at++;
        } else {
            if (is_one_of(p, ends)) return body;
            n = parse_statement(p, ends);
            expect_block_end(p);
        }
        JX_PUSH(p->x, &body, n);
    }
}

jfunc *jinja_parse(jx *x, tokens t, jinja *j, strmap *names) {
    parser *p = jx_alloc(x, 1, sizeof *p);
    *p = (parser){.x = x, .tokens = t, .names = names};
    static const char *const always[] =
        {[NAME_LOOP] = "loop", [NAME_CALLER] = "caller", [NAME_KWARGS] = "kwargs", [NAME_VARARGS] = "varargs"};
    for (size_t i = 0; i < COUNT_OF(always); i++) (void)name_number(p, j_word(x, always[i]));
    int depth_max = x->depth_max;
    x->depth_max = 2 * x->limits.depth_max; /* an operand in brackets takes two levels */
    jfunc *root = func_new(p);
    root->body = parse_body(p, NULL);
    x->depth_max = depth_max;
    j->names = p->name_list.at;
    j->name_count = p->name_list.count;
    j->func_count = p->func_count;
    return root;
}
