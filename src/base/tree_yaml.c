/* tree_yaml.c - a careful subset of YAML by libyaml's events: one document, no aliases, no tags, no surprises in
 * plain scalars (`no`, `1_000`, `12:30` and `007` stay strings). */
#include "base/base_int.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { YAML_SIZE_MAX = 16 << 20 };

/* ---- plain scalars ---- */

static bool is_one_of(const char *s, const char *const *words) {
    while (*words && strcmp(s, *words) != 0) words++;
    return *words != NULL;
}

static size_t digit_count(const char *s) { return strspn(s, "0123456789"); }

/* [0-9]+ without leading zeros, or 0x and hex digits. */
static bool looks_integer(const char *s) {
    if (s[0] == '0' && s[1] == 'x') return s[2] && !s[2 + strspn(s + 2, "0123456789abcdefABCDEF")];
    size_t n = digit_count(s);
    return n > 0 && !s[n] && (n == 1 || s[0] != '0');
}

/* Digits with a point somewhere, an exponent, or both. */
static bool looks_real(const char *s) {
    size_t whole = digit_count(s), part = 0;
    s += whole;
    bool has_point = *s == '.', has_exponent;
    if (has_point) {
        part = digit_count(s + 1);
        s += 1 + part;
    }
    has_exponent = *s == 'e' || *s == 'E';
    if (has_exponent) {
        s += 1;
        s += *s == '-' || *s == '+';
        size_t n = digit_count(s);
        if (n == 0) return false;
        s += n;
    }
    return whole + part > 0 && (has_point || has_exponent) && !*s;
}

/* NULL when it is no number. A real that is too large for a double stays a string, so a checked read will show it. */
static tree *number_from(const char *s) {
    static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL}, *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    const char *digits = s + (*s == '-' || *s == '+');
    if (is_one_of(digits, infinities)) return tree_new_real(*s == '-' ? -INFINITY : INFINITY);
    if (is_one_of(s, nans)) return tree_new_real(NAN);
    bool is_integer = looks_integer(digits);
    if (!is_integer && !looks_real(digits)) return NULL;
    if (is_integer) {
        errno = 0;
        long long i = strtoll(s, NULL, digits[0] == '0' && digits[1] == 'x' ? 16 : 10);
        if (errno != ERANGE) return tree_new_int(i);
    }
    double x = strtod(s, NULL);
    return isinf(x) ? NULL : tree_new_real(x);
}

static tree *plain_scalar(const char *s, size_t n) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL}, *const falses[] = {"false", "False", "FALSE", NULL};
    if (strlen(s) != n) return tree_new_text(s, n);
    if (is_one_of(s, nulls)) return tree_new(TREE_NULL);
    if (is_one_of(s, trues)) return tree_new_bool(true);
    if (is_one_of(s, falses)) return tree_new_bool(false);
    tree *number = number_from(s);
    return number ? number : tree_new_text(s, n);
}

/* ---- documents ---- */

typedef struct {
    yaml_parser_t parser;
    const char *name;
} reader;

static lmm_status fail_at(const reader *r, yaml_mark_t at, const char *what) {
    return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': line %zu, column %zu: %s", r->name, at.line + 1, at.column + 1, what);
}

static lmm_status next_event(reader *r, yaml_event_t *e) {
    yaml_parser_t *p = &r->parser;
    if (yaml_parser_parse(p, e)) return LMM_OK;
    const char *problem = p->problem ? p->problem : "malformed YAML";
    if (p->error == YAML_READER_ERROR) return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': byte %zu: %s", r->name, p->problem_offset, problem);
    return fail_at(r, p->problem_mark, problem);
}

static lmm_status read_node(reader *r, yaml_event_t *e, int depth, tree **out);

static lmm_status read_scalar(const reader *r, const yaml_event_t *e, tree **out) {
    const char *s = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;
    if (e->data.scalar.tag) return fail_at(r, e->start_mark, "tags (!name) are not supported");
    *out = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(s, n) : tree_new_text(s, n);
    return LMM_OK;
}

/* Checks a key before its value is read, so that the message points at the key. */
static lmm_status read_key(const reader *r, const tree *map, const yaml_event_t *e, char **key) {
    if (e->type != YAML_SCALAR_EVENT) return fail_at(r, e->start_mark, "a key must be a plain word or a string");
    const char *s = (const char *)e->data.scalar.value;
    if (e->data.scalar.tag) return fail_at(r, e->start_mark, "tags (!name) are not supported");
    if (strlen(s) != e->data.scalar.length) return fail_at(r, e->start_mark, "a key must not hold a NUL character");
    if (tree_get(map, s)) {
        char *what = mem_printf("the key '%s' is there twice", s);
        lmm_status st = fail_at(r, e->start_mark, what);
        free(what);
        return st;
    }
    *key = mem_strdup(s);
    return LMM_OK;
}

/* The children up to the end event of `t`, a list or a map. */
static lmm_status read_children(reader *r, tree *t, int depth) {
    for (;;) {
        yaml_event_t e;
        char *key = NULL;
        tree *child = NULL;
        int line = 0;
        lmm_status st = next_event(r, &e);
        if (st) return st;
        bool ends = e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT;
        if (!ends && t->type == TREE_MAP) {
            line = (int)e.start_mark.line + 1;
            st = read_key(r, t, &e, &key);
            yaml_event_delete(&e);
            if (!st) st = next_event(r, &e);
        }
        if (!ends && !st) st = read_node(r, &e, depth + 1, &child);
        if (ends) yaml_event_delete(&e);
        if (child && key) child->line = line; /* where the reader will look: a block's own first line comes after its key */
        if (child && key) tree_put(t, key, child);
        else if (child) tree_add(t, child);
        free(key);
        if (st || ends) return st;
    }
}

/* Reads the node that begins with *e and deletes the event. */
static lmm_status read_node(reader *r, yaml_event_t *e, int depth, tree **out) {
    tree *t = NULL;
    lmm_status st = LMM_OK;
    bool is_map = e->type == YAML_MAPPING_START_EVENT, is_list = e->type == YAML_SEQUENCE_START_EVENT;
    if (e->type == YAML_ALIAS_EVENT) {
        st = fail_at(r, e->start_mark, "aliases (*name) are not supported");
    } else if (e->type == YAML_SCALAR_EVENT) {
        st = read_scalar(r, e, &t);
    } else if (!is_map && !is_list) {
        st = fail_at(r, e->start_mark, "a value was expected");
    } else if (is_map ? e->data.mapping_start.tag != NULL : e->data.sequence_start.tag != NULL) {
        st = fail_at(r, e->start_mark, "tags (!name) are not supported");
    } else if (depth > TREE_DEPTH_MAX) {
        (void)fail_at(r, e->start_mark, "nested deeper than 512");
        st = LMM_E_LIMIT;
    } else {
        t = tree_new(is_map ? TREE_MAP : TREE_LIST);
    }
    if (t) t->line = (int)e->start_mark.line + 1;
    yaml_event_delete(e);
    if (!st && (is_map || is_list)) st = read_children(r, t, depth);
    if (st) tree_free(t);
    else *out = t;
    return st;
}

/* Fails when the next event is not of this type. */
static lmm_status expect(reader *r, yaml_event_type_t type, const char *otherwise) {
    yaml_event_t e;
    lmm_status st = next_event(r, &e);
    if (st) return st;
    if (e.type != type) st = fail_at(r, e.start_mark, otherwise);
    yaml_event_delete(&e);
    return st;
}

static lmm_status read_stream(reader *r, tree **out) {
    yaml_event_t e;
    lmm_status st = expect(r, YAML_STREAM_START_EVENT, "a document was expected");
    if (!st) st = next_event(r, &e);
    if (st) return st;
    bool is_empty = e.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&e);
    if (is_empty) {
        *out = tree_new(TREE_NULL);
        return LMM_OK;
    }
    tree *t = NULL;
    st = next_event(r, &e);
    if (!st) st = read_node(r, &e, 1, &t);
    if (!st) st = expect(r, YAML_DOCUMENT_END_EVENT, "the document goes on after its value");
    if (!st) st = expect(r, YAML_STREAM_END_EVENT, "a second document begins; only one is read");
    if (st) tree_free(t);
    else *out = t;
    return st;
}

lmm_status tree_parse_yaml(tree **out, const char *text, size_t size, const char *name) {
    if (size > YAML_SIZE_MAX)
        return LMM_FAIL(LMM_E_LIMIT, "cannot read '%s': %zu bytes are more than the limit of %d for YAML", name, size, YAML_SIZE_MAX);
    reader r = {.name = name};
    if (!yaml_parser_initialize(&r.parser)) return LMM_FAIL(LMM_E_MEMORY, "out of memory: reading '%s'", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    lmm_status st = read_stream(&r, out);
    yaml_parser_delete(&r.parser);
    return st;
}

lmm_status tree_parse_yaml_value(tree **out, const char *text, const char *name) {
    if (*text && strchr("[{\"'", *text)) return tree_parse_yaml(out, text, strlen(text), name);
    *out = plain_scalar(text, strlen(text));
    return LMM_OK;
}
