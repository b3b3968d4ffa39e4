/* jinja_format.c - str.format: "{0} {name.part[key]!r:>10}". */
#include "text/jinja_int.h"

#include <string.h>

typedef struct {
    jx *x;
    const jcall *call;
    int automatic; /* next {} */
    bool has_automatic, has_manual, is_safe;
} formatter;

static void put_parts(formatter *f, const jstr *s, size_t first, size_t last, int nesting);

/* ---- format specifications ---- */

static size_t read_number(const jstr *s, size_t at, int64_t *out) {
    size_t first = at;
    int64_t n = 0;
    for (; at < s->size && s->at[at] >= '0' && s->at[at] <= '9'; at++) n = n < INT32_MAX / 10 ? n * 10 + s->at[at] - '0' : INT32_MAX;
    if (at > first) *out = n;
    return at;
}

static bool is_align(const jstr *s, size_t at) { return at < s->size && memchr("<>=^", s->at[at], 4); }
static bool is_at(const jstr *s, size_t at, char c) { return at < s->size && s->at[at] == c; }

static fspec read_spec(jx *x, const jstr *s) {
    fspec f = {.fill = ' ', .precision = -1};
    uint32_t fill;
    size_t at = 0, n = (size_t)utf8_decode(s->at, s->size, &fill);
    if (s->size && is_align(s, n)) {
        f.fill = fill;
        f.align = s->at[n];
        at = n + 1;
    } else if (is_align(s, 0)) {
        f.align = s->at[at++];
    }
    if (is_at(s, at, '+') || is_at(s, at, '-') || is_at(s, at, ' ')) f.sign = s->at[at++];
    if (is_at(s, at, '#')) {
        f.alternate = true;
        at++;
    }
    if (is_at(s, at, '0') && !f.align) {
        f.fill = '0';
        f.align = '=';
        at++;
    }
    at = read_number(s, at, &f.width);
    if (is_at(s, at, ',') || is_at(s, at, '_')) f.group = s->at[at++];
    if (is_at(s, at, '.')) {
        size_t first = ++at;
        at = read_number(s, at, &f.precision);
        if (at == first) jx_fail(x, LMM_E_ARG, "format specifier misses its precision");
    }
    if (at < s->size) f.type = s->at[at++];
    if (at < s->size) jx_fail(x, LMM_E_ARG, "invalid format specifier '%.*s'", (int)(s->size < 60 ? s->size : 60), s->at);
    return f;
}

static _Noreturn void fail_code(jx *x, const fspec *s, jval v) {
    jx_fail(x, LMM_E_ARG, "unknown format code '%c' for object of type '%s'", s->type, type_name(v));
}

static void put_spec(jx *x, jval v, const jstr *spec) {
    fspec s = read_spec(x, spec);
    if (v.type == J_STRING) {
        if (s.type && s.type != 's') fail_code(x, &s, v);
        if (s.align == '=' && s.fill == '0') s.align = '<';
        if (s.align == '=' || s.sign) jx_fail(x, LMM_E_ARG, "sign and '=' alignment are not allowed in string format specifier");
        put_formatted_text(x, v.s, &s);
    } else if (j_is_int(v) && (!s.type || strchr("bdoxXn", s.type))) {
        if (s.precision >= 0) jx_fail(x, LMM_E_ARG, "precision is not allowed in integer format specifier");
        put_formatted_int(x, v.i, &s);
    } else if (j_is_number(v) && (!s.type || strchr("eEfFgGn%", s.type))) {
        put_formatted_real(x, j_to_real(v), &s);
    } else if (j_is_number(v)) {
        fail_code(x, &s, v);
    } else {
        jx_fail(x, LMM_E_ARG, "unsupported format string passed to %s.__format__", type_name(v));
    }
}

/* ---- fields ---- */

static jval first_value(formatter *f, const jstr *name) {
    jx *x = f->x;
    bool is_number = name->size > 0;
    for (size_t i = 0; i < name->size; i++) is_number &= name->at[i] >= '0' && name->at[i] <= '9';
    if (name->size && !is_number) {
        jval v, key = {.type = J_STRING, .s = name};
        if (f->call->named && dict_get(x, f->call->named, key, &v)) return v;
        jx_fail(x, LMM_E_ARG, "format has no argument '%.*s'", (int)(name->size < 60 ? name->size : 60), name->at);
    }
    f->has_manual |= is_number;
    f->has_automatic |= !is_number;
    if (f->has_manual && f->has_automatic) jx_fail(x, LMM_E_ARG, "format mixes automatic and manual numbering of fields");
    bool ok = true;
    int64_t i = is_number ? parse_integer(x, name, 10, &ok) : f->automatic++;
    if (!ok || i >= f->call->count) jx_fail(x, LMM_E_ARG, "format has no argument %" PRId64, i);
    return f->call->at[i];
}

/* first.attribute[key]... */
static jval field_value(formatter *f, const jstr *s, size_t first, size_t last) {
    jx *x = f->x;
    size_t at = first;
    while (at < last && s->at[at] != '.' && s->at[at] != '[') at++;
    jval v = first_value(f, j_part(x, s, first, at).s);
    while (at < last) {
        bool is_item = s->at[at] == '[';
        size_t name = ++at;
        while (at < last && (is_item ? s->at[at] != ']' : s->at[at] != '.' && s->at[at] != '[')) at++;
        if (at == name || (is_item && at == last)) jx_fail(x, LMM_E_ARG, "empty attribute in format string");
        jval key = j_part(x, s, name, at);
        bool ok = is_item;
        for (size_t i = name; i < at; i++) ok &= s->at[i] >= '0' && s->at[i] <= '9';
        if (is_item) v = j_item(x, v, ok ? j_int(parse_integer(x, key.s, 10, &ok)) : key);
        else v = j_attribute(x, v, key);
        at += is_item;
        if (is_item && at < last && s->at[at] != '.' && s->at[at] != '[')
            jx_fail(x, LMM_E_ARG, "only '.' or '[' may follow ']' in format field");
    }
    return v;
}

/* The field [first, last) between braces. */
static void put_replacement(formatter *f, const jstr *s, size_t first, size_t last, int nesting) {
    jx *x = f->x;
    size_t name_end = first, mark;
    for (bool in_key = false; name_end < last; name_end++) {
        char c = s->at[name_end];
        if (c == '[') in_key = true;
        else if (c == ']') in_key = false;
        else if (!in_key && (c == '!' || c == ':')) break;
    }
    jval v = field_value(f, s, first, name_end);
    size_t at = name_end;
    if (at < last && s->at[at] == '!') {
        char kind = at + 1 < last ? s->at[at + 1] : 0;
        if ((kind != 's' && kind != 'r') || (at + 2 < last && s->at[at + 2] != ':'))
            jx_fail(x, LMM_E_ARG, "unknown conversion in format string");
        mark = x->work.size;
        if (kind == 'r') put_repr(x, v);
        else put_str(x, v);
        v = j_take(x, &x->work, mark);
        at += 2;
    }
    mark = x->work.size;
    if (at < last) put_parts(f, s, at + 1, last, nesting + 1);
    jval spec = j_take(x, &x->work, mark);
    if (spec.s->size) put_spec(x, v, spec.s);
    else put_str(x, v);
    bool is_safe = v.type == J_STRING && v.s->is_safe;
    if (!f->is_safe || is_safe) return;
    jval text = j_escape(x, j_take(x, &x->work, mark));
    jx_put(x, text.s->at, text.s->size);
}

static size_t closing_brace(formatter *f, const jstr *s, size_t at, size_t last) {
    for (int open = 1; at < last; at++) {
        open += (s->at[at] == '{') - (s->at[at] == '}');
        if (!open) return at;
    }
    jx_fail(f->x, LMM_E_ARG, "expected '}' before end of string");
}

static void put_parts(formatter *f, const jstr *s, size_t first, size_t last, int nesting) {
    if (nesting > 2) jx_fail(f->x, LMM_E_ARG, "format string is nested too deeply");
    for (size_t at = first; at < last;) {
        jx_step(f->x, 1);
        char c = s->at[at];
        if ((c == '{' || c == '}') && at + 1 < last && s->at[at + 1] == c && nesting == 0) {
            jx_put(f->x, &c, 1);
            at += 2;
        } else if (c == '}') {
            jx_fail(f->x, LMM_E_ARG, "single '}' encountered in format string");
        } else if (c == '{') {
            size_t end = closing_brace(f, s, at + 1, last);
            put_replacement(f, s, at + 1, end, nesting);
            at = end + 1;
        } else {
            size_t start = at;
            while (at < last && s->at[at] != '{' && s->at[at] != '}') at++;
            jx_put(f->x, s->at + start, at - start);
        }
    }
}

jval j_format(jx *x, const jstr *format, const jcall *c) {
    formatter f = {.x = x, .call = c, .is_safe = format->is_safe};
    size_t mark = x->work.size;
    put_parts(&f, format, 0, format->size, 0);
    return j_safe(x, j_take(x, &x->work, mark), format->is_safe);
}
