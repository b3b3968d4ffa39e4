/* jinja.c - the entry points: compile a template, render it. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

/* Runs work(x, arg); a failure anywhere below comes back here. The state that survives the jump belongs to the caller. */
static lmm_status guarded(jx *x, void (*work)(jx *x, void *arg), void *arg) {
    if (setjmp(x->trap)) return x->status;
    work(x, arg);
    return LMM_OK;
}

typedef struct {
    jinja *j;
    const char *source;
    size_t size;
    strmap *names;
} compilation;

static void compile(jx *x, void *arg) {
    compilation *c = arg;
    tokens t = jinja_lex(x, c->source, c->size);
    x->line = 1;
    c->j->root = jinja_parse(x, t, c->j, c->names);
    jinja_resolve(x, c->j->root, c->j->name_count);
    c->j->content = content_use_of(x, c->j->root, c->j->name_count);
}

lmm_status jinja_compile(jinja **out, const char *source, size_t n, const jinja_limits *limits) {
    jx x;
    jx_init(&x, limits);
    if (n > x.limits.source_size_max) {
        return LMM_FAIL(LMM_E_LIMIT, "the chat template has %zu bytes, %zu are allowed", n, x.limits.source_size_max);
    }
    x.steps = INT64_MAX; /* the size of the source is limit enough */
    jinja *j = mem_new(1, sizeof *j);
    compilation c = {.j = j, .source = source, .size = n, .names = strmap_new()};
    lmm_status st = guarded(&x, compile, &c);
    strmap_free(c.names);
    jx_free(&x);
    j->pool = x.pool;
    j->limits = x.limits;
    if (st) jinja_free(j);
    else *out = j;
    return st;
}

void jinja_free(jinja *j) {
    if (!j) return;
    jpool_free(&j->pool);
    free(j);
}

const content_use *jinja_content_use(const jinja *j) { return &j->content; }

static void render(jx *x, void *arg) {
    const tree *vars = arg;
    const jinja *j = x->code;
    if (vars && vars->type != TREE_MAP) jx_fail(x, LMM_E_ARG, "the variables of a template need a map");
    x->globals = jx_alloc(x, (size_t)j->name_count, sizeof *x->globals);
    x->free_frames = jx_alloc(x, (size_t)j->func_count, sizeof *x->free_frames);
    x->vars = vars ? j_from_tree(x, vars).d : dict_new(x);
    capture_begin(x);
    jframe *f = frame_new(x, j->root, NULL);
    enter_scope(x, f, &j->root->loads);
    (void)run_body(x, f, &j->root->body);
}

lmm_status jinja_render(const jinja *j, const tree *vars, int64_t now, buf *out, span_list *spans) {
    jx x;
    jx_init(&x, &j->limits);
    x.code = j;
    x.now = now;
    lmm_status st = guarded(&x, render, (tree *)(uintptr_t)vars);
    if (!st) {
        buf_put(out, x.captures[0].data, x.captures[0].size);
        for (int i = 0; spans && i < x.spans.count; i++) VEC_PUSH(spans, x.spans.at[i]);
    }
    jx_free(&x);
    jpool_free(&x.pool);
    return st;
}
