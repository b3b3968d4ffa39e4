/* jinja_call.c - calling: arguments to parameters, macros, built-in rows, and the global functions. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- built-in rows ---- */

static size_t param_size(const char *p) { return strcspn(p, " "); }

static _Noreturn void fail_argument(jx *x, const jbuiltin *row, const char *what, const jstr *name) {
    jx_fail(x, LMM_E_ARG, "%s() %s '%.*s'", row->name, what, (int)(name->size < 60 ? name->size : 60), name->at);
}

static void bind_named(jx *x, const jbuiltin *row, const char *params, jcall *c) {
    for (size_t i = 0; c->named && i < c->named->count; i++) {
        const jstr *name = c->named->keys[i].s;
        int at = 0;
        const char *p = params;
        for (; *p; p += param_size(p), p += *p == ' ', at++) {
            if (param_size(p) == name->size && memcmp(p, name->at, name->size) == 0) break;
        }
        if (!*p || row->params[0] == '/') fail_argument(x, row, "got an unexpected keyword argument", name);
        if (given(c->arg[at])) fail_argument(x, row, "got two values for argument", name);
        c->arg[at] = c->named->values[i];
    }
}

jval builtin_call(jx *x, const jbuiltin *row, jcall *c) {
    if (!row->fn) jx_fail(x, LMM_E_UNSUPPORTED, "'%s' is not supported in chat templates", row->name);
    for (int i = 0; i < ARGS_MAX; i++) c->arg[i] = j_missing();
    if (strcmp(row->params, "*") != 0) {
        const char *params = row->params + (row->params[0] == '/');
        int count = 0;
        for (const char *p = params; *p; p += param_size(p), p += *p == ' ') count++;
        if (c->count > count) jx_fail(x, LMM_E_ARG, "%s() takes at most %d arguments, %d are given", row->name, count, c->count);
        for (int i = 0; i < c->count; i++) c->arg[i] = c->at[i];
        bind_named(x, row, params, c);
        for (int i = 0; i < row->need; i++) {
            if (!given(c->arg[i])) jx_fail(x, LMM_E_ARG, "%s() misses argument %d of %d", row->name, i + 1, row->need);
        }
    }
    jx_enter(x);
    jval v = row->fn(x, c);
    jx_leave(x);
    return v;
}

/* ---- macros ---- */

static void bind_params(jx *x, jframe *f, const jfunc *func, const jcall *c, jvals *taken) {
    int count = func->params.count, with_default = count - func->defaults.count;
    for (int i = 0; i < count; i++) {
        const jnode *param = func->params.at[i];
        jval *slot = &f->slot[param->ref.slot];
        if (i < c->count) {
            *slot = c->at[i];
        } else if (c->named && dict_get(x, c->named, param->value, slot)) {
            JX_PUSH(x, taken, param->value);
        }
    }
    for (int i = 0; i < count; i++) {
        jval *slot = &f->slot[func->params.at[i]->ref.slot];
        if (given(*slot)) continue;
        if (i < with_default) *slot = j_undefined(x, func->params.at[i]->value);
        else *slot = eval(x, f, func->defaults.at[i - with_default]);
    }
}

static bool is_taken(const jvals *taken, jval name) {
    for (int i = 0; i < taken->count; i++) {
        if (str_equal(taken->at[i].s, name.s)) return true;
    }
    return false;
}

/* `caller`, `kwargs` and `varargs` exist for macros whose body asks for them; without, what is left over is an error. */
static void bind_rest(jx *x, jframe *f, const jfunc *func, const jcall *c, const jvals *taken) {
    int count = func->params.count;
    jdict *rest = dict_new(x);
    for (size_t i = 0; c->named && i < c->named->count; i++) {
        if (!is_taken(taken, c->named->keys[i])) dict_put(x, rest, c->named->keys[i], c->named->values[i]);
    }
    if (func->caller_slot >= 0) {
        jval caller = j_undefined_hint(x, "no caller defined");
        jdict *others = dict_new(x);
        for (size_t i = 0; i < rest->count; i++) {
            if (str_is(rest->keys[i], "caller")) caller = rest->values[i];
            else dict_put(x, others, rest->keys[i], rest->values[i]);
        }
        f->slot[func->caller_slot] = caller;
        rest = others;
    }
    const jstr *name = func->name.type == J_STRING ? func->name.s : j_word(x, "caller").s;
    if (func->kwargs_slot >= 0) {
        f->slot[func->kwargs_slot] = j_dict(rest);
    } else if (rest->count) {
        const jstr *key = rest->keys[0].s;
        jx_fail(x, LMM_E_ARG, "macro '%.*s' takes no keyword argument '%.*s'", (int)name->size, name->at, (int)key->size, key->at);
    }
    if (func->varargs_slot >= 0) {
        size_t more = c->count > count ? (size_t)(c->count - count) : 0;
        f->slot[func->varargs_slot] = j_list(x, J_TUPLE, more ? c->at + count : NULL, more);
    } else if (c->count > count) {
        jx_fail(x, LMM_E_ARG, "macro '%.*s' takes not more than %d argument(s)", (int)name->size, name->at, count);
    }
}

jval macro_call(jx *x, const jmacro *m, jcall *c) {
    const jfunc *func = m->func;
    int line = x->line;
    if (++x->calls > x->limits.depth_max)
        jx_fail(x, LMM_E_LIMIT, "the template's macros call each other more than %d deep", x->limits.depth_max);
    jframe *f = frame_new(x, func, m->outer);
    jvals taken = {0};
    enter_scope(x, f, &func->loads);
    bind_params(x, f, func, c, &taken);
    bind_rest(x, f, func, c, &taken);
    capture_begin(x);
    (void)run_body(x, f, &func->body);
    jval text = capture_end(x);
    frame_done(x, func, f);
    x->calls--;
    x->line = line;
    return text;
}

jval j_call(jx *x, jval callee, jcall *c) {
    switch (callee.type) {
    case J_MACRO: return macro_call(x, callee.macro, c);
    case J_BUILTIN: return builtin_call(x, callee.builtin, c);
    case J_METHOD: c->self = callee.method->self; return builtin_call(x, callee.method->row, c);
    case J_LOOP: return loop_call(x, callee.loop, c);
    case J_JOINER:
        if (callee.cycler->at++) return callee.cycler->separator;
        return j_word(x, "");
    case J_UNDEFINED: undefined_fail(x, callee);
    default: jx_fail(x, LMM_E_ARG, "'%s' object is not callable", type_name(callee));
    }
}

/* ---- global functions ---- */

enum { RANGE_MAX = 100000 }; /* of the reference's sandbox */

static jval global_range(jx *x, jcall *c) {
    int64_t start = 0, stop = need_int(x, c->arg[0], "the argument of range()"), step = 1;
    if (given(c->arg[1])) {
        start = stop;
        stop = need_int(x, c->arg[1], "the argument of range()");
    }
    if (given(c->arg[2])) step = need_int(x, c->arg[2], "the argument of range()");
    if (step == 0) jx_fail(x, LMM_E_ARG, "the step of range() must not be zero");
    uint64_t way = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t size = step > 0 ? (uint64_t)step : -(uint64_t)step;
    bool is_empty = step > 0 ? stop <= start : stop >= start;
    uint64_t count = is_empty ? 0 : (way - 1) / size + 1;
    if (count > RANGE_MAX) jx_fail(x, LMM_E_LIMIT, "range() has more than %d items", RANGE_MAX);
    jrange *r = jx_alloc(x, 1, sizeof *r);
    *r = (jrange){.start = start, .stop = stop, .step = step, .count = (int64_t)count};
    return (jval){.type = J_RANGE, .range = r};
}

/* dict(mapping or pairs, name=value...) */
static jdict *dict_of_call(jx *x, jcall *c, const char *name) {
    jdict *d = dict_new(x);
    if (c->count > 1) jx_fail(x, LMM_E_ARG, "%s() takes at most 1 positional argument", name);
    if (c->count && c->at[0].type == J_DICT) {
        jx_step(x, c->at[0].d->count);
        for (size_t i = 0; i < c->at[0].d->count; i++) dict_put(x, d, c->at[0].d->keys[i], c->at[0].d->values[i]);
    } else if (c->count) {
        jiter *it = iter_new(x, c->at[0]);
        for (jval v; iter_next(x, it, &v);) {
            const jlist *pair = list_of(x, v);
            if (pair->count != 2) jx_fail(x, LMM_E_ARG, "%s() needs pairs, got an element of length %zu", name, pair->count);
            dict_put(x, d, pair->at[0], pair->at[1]);
        }
    }
    for (size_t i = 0; c->named && i < c->named->count; i++) dict_put(x, d, c->named->keys[i], c->named->values[i]);
    return d;
}

static jval global_dict(jx *x, jcall *c) { return j_dict(dict_of_call(x, c, "dict")); }

static jval global_namespace(jx *x, jcall *c) {
    jdict *d = dict_of_call(x, c, "namespace");
    for (size_t i = 0; i < d->count; i++) {
        jval key = d->keys[i];
        if (key.type == J_STRING && key.s->size && key.s->at[0] == '_')
            jx_fail(x, LMM_E_ARG, "attributes of namespaces cannot start with '_'");
    }
    return (jval){.type = J_NAMESPACE, .ns = d};
}

static jval global_cycler(jx *x, jcall *c) {
    if (!c->count || c->named) jx_fail(x, LMM_E_ARG, "cycler() needs at least one item, and no names");
    jcycler *y = jx_alloc(x, 1, sizeof *y);
    y->items = j_list(x, J_TUPLE, c->at, (size_t)c->count).l;
    return (jval){.type = J_CYCLER, .cycler = y};
}

static jval global_joiner(jx *x, jcall *c) {
    jcycler *y = jx_alloc(x, 1, sizeof *y);
    y->separator = given(c->arg[0]) ? c->arg[0] : j_word(x, ", ");
    return (jval){.type = J_JOINER, .cycler = y};
}

/* The template refuses its input: its own sentence, nothing of ours. */
static jval global_raise(jx *x, jcall *c) {
    static const char silent[] = "the template raises an exception and gives no reason";
    jval message = j_str(x, c->arg[0]);
    bool empty = message.s->size == 0; /* an undefined name, say */
    jx_fail_plain(x, LMM_E_ARG, empty ? silent : message.s->at, empty ? sizeof silent - 1 : message.s->size);
}

/* One directive, flags included, at a time: so the text it can give is small whatever the template asks for. */
static void put_time(jx *x, const struct tm *t, const char *directive, size_t size) {
    char format[16], text[256];
    char kind = directive[size - 1];
    jx_step(x, 20); /* the library looks at the time zone every time */
    if (kind == 'f') {
        jx_puts(x, "000000");
        return;
    }
    if (kind == 'z' || kind == 'Z') return; /* a time without zone, as datetime.now() */
    memcpy(format, directive, size);
    format[size] = '\0';
    size_t n = strftime(text, sizeof text, format, t);
    jx_put(x, text, n);
}

static jval global_strftime(jx *x, jcall *c) {
    const jstr *f = need_str(x, c->arg[0], "the format of strftime_now()");
    time_t now = (time_t)x->now;
    struct tm t = {0};
    size_t first = x->work.size;
    (void)localtime_r(&now, &t);
    for (size_t i = 0; i < f->size;) {
        size_t end = i + 1;
        if (f->at[i] == '%') {
            if (end < f->size && strchr("-_0^#EO", f->at[end]) && f->at[end]) end++;
            end += end < f->size;
        }
        bool is_known =
            f->at[i] == '%' && end - i >= 2 && f->at[end - 1] && strchr("aAbBcCdDeFfgGhHIjklmMnprRsStTuUVwWxXyYzZ%P", f->at[end - 1]);
        if (is_known) put_time(x, &t, f->at + i, end - i);
        else jx_put(x, f->at + i, end - i);
        i = end;
    }
    return j_take(x, &x->work, first);
}

/* clang-format off */
static const jbuiltin globals[] = {
    {"range", global_range, "/start stop step", 1}, {"dict", global_dict, "*", 0}, {"namespace", global_namespace, "*", 0},
    {"cycler", global_cycler, "*", 0}, {"joiner", global_joiner, "sep", 0}, {"raise_exception", global_raise, "message", 1},
    {"strftime_now", global_strftime, "format", 1}, {"lipsum", NULL, "*", 0}, {0}};
/* clang-format on */

const jbuiltin *global_find(const char *name, size_t size) { return row_find(globals, name, size); }
