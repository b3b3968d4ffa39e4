/* jinja_repr.c - values as text: Python's str() and repr(), and JSON as json.dumps writes it. */
#include "text/jinja_int.h"

#include <math.h>
#include <string.h>

const char *type_name(jval v) {
    switch (v.type) {
    case J_MISSING:
    case J_UNDEFINED: return "Undefined";
    case J_NONE: return "NoneType";
    case J_BOOL: return "bool";
    case J_INT: return "int";
    case J_FLOAT: return "float";
    case J_STRING: return v.s->is_safe ? "Markup" : "str";
    case J_LIST: return "list";
    case J_TUPLE: return "tuple";
    case J_DICT: return "dict";
    case J_VIEW: return v.view->kind == VIEW_KEYS ? "dict_keys" : v.view->kind == VIEW_VALUES ? "dict_values" : "dict_items";
    case J_RANGE: return "range";
    case J_NAMESPACE: return "Namespace";
    case J_ITER: return v.iter->name;
    case J_MACRO: return "Macro";
    case J_BUILTIN: return "function";
    case J_METHOD: return "builtin_function_or_method";
    case J_LOOP: return "LoopContext";
    case J_CYCLER: return "Cycler";
    case J_JOINER: return "Joiner";
    }
    return "object";
}

void put_float(jx *x, double f) {
    if (isnan(f)) {
        jx_puts(x, "nan");
    } else if (isinf(f)) {
        jx_puts(x, f < 0 ? "-inf" : "inf");
    } else {
        tree t = {.type = TREE_REAL, .real = f};
        tree_write_json(&x->work, &t, 0); /* as Python's repr */
    }
}

static void put_int(jx *x, int64_t i) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, i);
    jx_puts(x, text);
}

static void put_escaped_character(jx *x, const char *at, size_t n, uint32_t cp, char quote) {
    char text[12];
    if (cp == '\n') jx_puts(x, "\\n");
    else if (cp == '\r') jx_puts(x, "\\r");
    else if (cp == '\t') jx_puts(x, "\\t");
    else if (cp == '\\' || cp == (unsigned char)quote) {
        jx_put(x, "\\", 1);
        jx_put(x, at, n);
    } else if (char_is_printable(cp)) {
        jx_put(x, at, n);
    } else {
        snprintf(text, sizeof text, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
        jx_puts(x, text);
    }
}

static void put_string_repr(jx *x, const jstr *s) {
    bool has_single = memchr(s->at, '\'', s->size), has_double = memchr(s->at, '"', s->size);
    char quote = has_single && !has_double ? '"' : '\'';
    jx_chars(x, s->size);
    if (s->is_safe) jx_puts(x, "Markup(");
    jx_put(x, &quote, 1);
    for (size_t at = 0; at < s->size;) {
        uint32_t cp;
        size_t n = (size_t)utf8_decode(s->at + at, s->size - at, &cp);
        put_escaped_character(x, s->at + at, n, cp, quote);
        at += n;
    }
    jx_put(x, &quote, 1);
    if (s->is_safe) jx_puts(x, ")");
}

static void put_items(jx *x, const char *open, const jval *at, size_t count, const char *close) {
    jx_puts(x, open);
    for (size_t i = 0; i < count; i++) {
        if (i) jx_puts(x, ", ");
        put_repr(x, at[i]);
    }
    jx_puts(x, close);
}

static void put_dict(jx *x, const jdict *d) {
    jx_puts(x, "{");
    for (size_t i = 0; i < d->count; i++) {
        if (i) jx_puts(x, ", ");
        put_repr(x, d->keys[i]);
        jx_puts(x, ": ");
        put_repr(x, d->values[i]);
    }
    jx_puts(x, "}");
}

static void put_view(jx *x, jval v) {
    const jlist *l = list_of(x, v);
    jx_puts(x, type_name(v));
    put_items(x, "([", l->at, l->count, "])");
}

static void put_range(jx *x, const jrange *r) {
    jx_puts(x, "range(");
    put_int(x, r->start);
    jx_puts(x, ", ");
    put_int(x, r->stop);
    if (r->step != 1) {
        jx_puts(x, ", ");
        put_int(x, r->step);
    }
    jx_puts(x, ")");
}

/* Functions, loops and iterators: Python's text holds an address, which nobody can want. */
static void put_object(jx *x, jval v) {
    jx_puts(x, "<");
    if (v.type == J_MACRO) {
        jx_puts(x, "Macro ");
        if (v.macro->func->name.type == J_STRING) put_repr(x, v.macro->func->name);
        else jx_puts(x, "anonymous");
    } else if (v.type == J_BUILTIN || v.type == J_METHOD) {
        jx_puts(x, v.type == J_BUILTIN ? "function " : "built-in method ");
        jx_puts(x, v.type == J_BUILTIN ? v.builtin->name : v.method->row->name);
    } else if (v.type == J_LOOP) {
        jx_puts(x, "LoopContext ");
        put_int(x, v.loop->index0 + 1);
        jx_puts(x, "/");
        put_int(x, j_length(x, v));
    } else {
        jx_puts(x, type_name(v));
        jx_puts(x, " object");
    }
    jx_puts(x, ">");
}

static void put_repr_deep(jx *x, jval v) {
    switch (v.type) {
    case J_MISSING:
    case J_UNDEFINED: jx_puts(x, "Undefined"); break;
    case J_NONE: jx_puts(x, "None"); break;
    case J_BOOL: jx_puts(x, v.i ? "True" : "False"); break;
    case J_INT: put_int(x, v.i); break;
    case J_FLOAT: put_float(x, v.f); break;
    case J_STRING: put_string_repr(x, v.s); break;
    case J_LIST: put_items(x, "[", v.l->at, v.l->count, "]"); break;
    case J_TUPLE: put_items(x, "(", v.l->at, v.l->count, v.l->count == 1 ? ",)" : ")"); break;
    case J_DICT: put_dict(x, v.d); break;
    case J_VIEW: put_view(x, v); break;
    case J_RANGE: put_range(x, v.range); break;
    case J_NAMESPACE:
        jx_puts(x, "<Namespace ");
        put_dict(x, v.ns);
        jx_puts(x, ">");
        break;
    default: put_object(x, v); break;
    }
}

void put_repr(jx *x, jval v) {
    jx_step(x, 1);
    jx_enter(x);
    put_repr_deep(x, v);
    jx_leave(x);
}

void put_str(jx *x, jval v) {
    if (v.type == J_STRING) jx_put(x, v.s->at, v.s->size);
    else if (v.type != J_UNDEFINED && v.type != J_MISSING) put_repr(x, v);
}

jval j_str(jx *x, jval v) {
    if (v.type == J_STRING) return j_safe(x, v, false);
    size_t first = x->work.size;
    put_str(x, v);
    return j_take(x, &x->work, first);
}

/* ---- JSON ---- */

static void put_unicode_escape(jx *x, uint32_t cp) {
    char text[16];
    if (cp < 0x10000) snprintf(text, sizeof text, "\\u%04x", (unsigned)cp);
    else snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD7C0 + (unsigned)(cp >> 10), 0xDC00 + (unsigned)(cp & 0x3FF));
    jx_puts(x, text);
}

void put_quoted_json(jx *x, const jstr *s, bool ascii) {
    static const char names[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    size_t kept = 0;
    jx_chars(x, s->size);
    jx_put(x, "\"", 1);
    for (size_t at = 0; at < s->size;) {
        uint32_t cp;
        size_t n = (size_t)utf8_decode(s->at + at, s->size - at, &cp);
        bool is_special = cp < 0x20 || cp == '"' || cp == '\\' || (ascii && cp >= 0x7F);
        if (is_special) {
            const char *known = cp && cp < 0x80 ? strchr(names, (int)cp) : NULL;
            jx_put(x, s->at + kept, at - kept);
            kept = at + n;
            if (known) jx_put(x, (char[]){'\\', letters[known - names]}, 2);
            else put_unicode_escape(x, cp);
        }
        at += n;
    }
    jx_put(x, s->at + kept, s->size - kept);
    jx_put(x, "\"", 1);
}

static void put_json_number(jx *x, jval v) {
    if (v.type == J_FLOAT && isnan(v.f)) jx_puts(x, "NaN");
    else if (v.type == J_FLOAT && isinf(v.f)) jx_puts(x, v.f < 0 ? "-Infinity" : "Infinity");
    else if (v.type == J_FLOAT) put_float(x, v.f);
    else if (v.type == J_BOOL) jx_puts(x, v.i ? "true" : "false");
    else put_int(x, v.i);
}

static void put_json_key(jx *x, jval key, const json_style *s) {
    if (key.type == J_STRING) {
        put_quoted_json(x, key.s, s->ascii);
    } else if (j_is_number(key) || key.type == J_NONE) {
        jx_put(x, "\"", 1);
        if (key.type == J_NONE) jx_puts(x, "null");
        else put_json_number(x, key);
        jx_put(x, "\"", 1);
    } else {
        jx_fail(x, LMM_E_ARG, "JSON keys must be str, int, float, bool or None, not %s", type_name(key));
    }
}

static void put_json_break(jx *x, const json_style *s, int level) {
    if (!s->indent) return;
    jx_put(x, "\n", 1);
    for (int i = 0; i < level; i++) jx_put(x, s->indent->at, s->indent->size);
}

static void put_json_list(jx *x, const jlist *l, const json_style *s, int level) {
    jx_put(x, "[", 1);
    for (size_t i = 0; i < l->count; i++) {
        if (i) jx_put(x, s->item_end->at, s->item_end->size);
        put_json_break(x, s, level + 1);
        put_json(x, l->at[i], s, level + 1);
    }
    if (l->count) put_json_break(x, s, level);
    jx_put(x, "]", 1);
}

/* Insertion sort would be quadratic: order by the sort filter's merge, through a list of pairs. */
static const jdict *sorted_by_key(jx *x, const jdict *d) {
    jcall c = {.self = j_dict(d)};
    c.arg[0] = j_bool(true); /* case_sensitive */
    for (int i = 1; i < ARGS_MAX; i++) c.arg[i] = j_missing();
    jval pairs = filter_find("dictsort", 8)->fn(x, &c);
    jdict *sorted = dict_new(x);
    for (size_t i = 0; i < pairs.l->count; i++) dict_put(x, sorted, pairs.l->at[i].l->at[0], pairs.l->at[i].l->at[1]);
    return sorted;
}

static void put_json_dict(jx *x, const jdict *d, const json_style *s, int level) {
    if (s->sort_keys) d = sorted_by_key(x, d);
    jx_put(x, "{", 1);
    for (size_t i = 0; i < d->count; i++) {
        if (i) jx_put(x, s->item_end->at, s->item_end->size);
        put_json_break(x, s, level + 1);
        put_json_key(x, d->keys[i], s);
        jx_put(x, s->key_end->at, s->key_end->size);
        put_json(x, d->values[i], s, level + 1);
    }
    if (d->count) put_json_break(x, s, level);
    jx_put(x, "}", 1);
}

void put_json(jx *x, jval v, const json_style *s, int level) {
    jx_step(x, 1);
    jx_enter(x);
    switch (v.type) {
    case J_NONE: jx_puts(x, "null"); break;
    case J_BOOL:
    case J_INT:
    case J_FLOAT: put_json_number(x, v); break;
    case J_STRING: put_quoted_json(x, v.s, s->ascii); break;
    case J_LIST:
    case J_TUPLE: put_json_list(x, v.l, s, level); break;
    case J_DICT: put_json_dict(x, v.d, s, level); break;
    default: jx_fail(x, LMM_E_ARG, "object of type %s is not JSON serializable", type_name(v));
    }
    jx_leave(x);
}
