/* tree_json.c - JSON by jansson into a tree, and back into text.
 *
 * The C locale's number format is assumed (the program never sets LC_NUMERIC). */
#include "base/base_int.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static tree *from_jansson(const json_t *j, int depth) {
    if (depth > TREE_DEPTH_MAX) return NULL;
    switch (json_typeof(j)) {
    case JSON_NULL: return tree_new(TREE_NULL);
    case JSON_TRUE: return tree_new_bool(true);
    case JSON_FALSE: return tree_new_bool(false);
    case JSON_INTEGER: return tree_new_int(json_integer_value(j));
    case JSON_REAL: return tree_new_real(json_real_value(j));
    case JSON_STRING: return tree_new_text(json_string_value(j), json_string_length(j));
    case JSON_ARRAY: break;
    case JSON_OBJECT: break;
    }
    bool is_map = json_is_object(j);
    tree *t = tree_new(is_map ? TREE_MAP : TREE_LIST);
    json_t *object = is_map ? (json_t *)(uintptr_t)j : NULL; /* jansson's iterators want it without const */
    void *step = json_object_iter(object);
    for (size_t i = 0; is_map ? step != NULL : i < json_array_size(j); i++) {
        tree *child = from_jansson(is_map ? json_object_iter_value(step) : json_array_get(j, i), depth + 1);
        if (!child) {
            tree_free(t);
            return NULL;
        }
        if (is_map) {
            tree_put(t, json_object_iter_key(step), child);
            step = json_object_iter_next(object, step);
        } else {
            tree_add(t, child);
        }
    }
    return t;
}

/* A walk over the bytes outside strings. */
typedef struct {
    const char *text;
    size_t size, at;
    bool in_string;
} walk;

/* Moves to the next byte outside of strings; false at the end. */
static bool walk_next(walk *w, char *c) {
    while (w->at < w->size) {
        *c = w->text[w->at++];
        if (*c == '"') {
            w->in_string = !w->in_string;
        } else if (w->in_string) {
            if (*c == '\\') w->at++;
        } else {
            return true;
        }
    }
    return false;
}

static lmm_status fail_too_deep(const char *text, size_t size, const char *name) {
    walk w = {.text = text, .size = size};
    int depth = 0, line = 1, column = 1;
    for (char c; depth <= TREE_DEPTH_MAX && walk_next(&w, &c);) depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    for (size_t i = 0; i + 1 < w.at; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    return LMM_FAIL(LMM_E_LIMIT, "cannot read '%s': line %d, column %d: nested deeper than %d", name, line, column, TREE_DEPTH_MAX);
}

static bool fits_64_bits(const char *digits, size_t n, bool is_negative) {
    const char *limit = is_negative ? "9223372036854775808" : "9223372036854775807";
    return n < 19 || (n == 19 && memcmp(digits, limit, 19) <= 0);
}

/* jansson refuses integers beyond 64 bits, which real files hold (a tokenizer's model_max_length of 10^30): with
 * ".0" behind they are reals. Returns the text with that done. */
static char *widen_integers(const char *text, size_t size, size_t *size_out) {
    buf b = {0};
    size_t kept = 0;
    walk w = {.text = text, .size = size};
    for (char c; walk_next(&w, &c);) {
        if (c < '0' || c > '9') continue;
        size_t first = w.at - 1, end = first;
        while (end < size && text[end] >= '0' && text[end] <= '9') end++;
        w.at = end;
        bool is_exponent = first > 0 && strchr("eE.", text[first - 1]);
        is_exponent |= first > 1 && strchr("+-", text[first - 1]) && strchr("eE", text[first - 2]);
        bool goes_on = end < size && strchr(".eE", text[end]);
        if (is_exponent || goes_on || fits_64_bits(text + first, end - first, first > 0 && text[first - 1] == '-')) continue;
        buf_put(&b, text + kept, end - kept);
        buf_puts(&b, ".0");
        kept = end;
    }
    buf_put(&b, text + kept, size - kept);
    *size_out = b.size;
    return buf_take(&b);
}

static json_t *load(const char *text, size_t size, json_error_t *error) {
    return json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, error);
}

lmm_status tree_parse_json(tree **out, const char *text, size_t size, const char *name) {
    json_error_t error;
    json_t *root = load(text, size, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow && strstr(error.text, "integer")) {
        char *wide = widen_integers(text, size, &size);
        root = load(wide, size, &error);
        free(wide);
    }
    if (!root && json_error_code(&error) == json_error_stack_overflow) return fail_too_deep(text, size, name);
    if (!root) return LMM_FAIL(LMM_E_FORMAT, "cannot read '%s': line %d, column %d: %s", name, error.line, error.column, error.text);
    tree *t = from_jansson(root, 1);
    json_decref(root);
    if (!t) return fail_too_deep(text, size, name);
    *out = t;
    return LMM_OK;
}

/* ---- writing ---- */

void json_quote(buf *b, const char *s, size_t n) {
    static const char names[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    buf_putc(b, '"');
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        utf8_repair(b, s + kept, i - kept); /* a bad byte must not make the whole line unreadable */
        kept = i + 1;
        const char *known = c ? strchr(names, c) : NULL;
        if (known) buf_printf(b, "\\%c", letters[known - names]);
        else buf_printf(b, "\\u%04x", c);
    }
    utf8_repair(b, s + kept, n - kept);
    buf_putc(b, '"');
}

void json_user_message(buf *b, const char *text) {
    buf_puts(b, "[{\"role\": \"user\", \"content\": ");
    json_quote(b, text, strlen(text));
    buf_puts(b, "}]");
}

/* Digits d.ddd times 10^exponent. */
typedef struct {
    char digits[24];
    int count, exponent;
} decimal;

static decimal decimal_make(double x, int digits) {
    char text[40];
    decimal d = {.count = digits};
    snprintf(text, sizeof text, "%.*e", digits - 1, x);
    char *e = strchr(text, 'e');
    d.exponent = (int)strtol(e + 1, NULL, 10);
    d.digits[0] = text[0];
    for (int i = 1; i < digits; i++) d.digits[i] = text[i + 1];
    return d;
}

static bool reads_back(const decimal *d, double x) {
    char text[40];
    snprintf(text, sizeof text, "%.1s.%se%d", d->digits, d->digits + 1, d->exponent);
    return strtod(text, NULL) == x;
}

/* The next decimal above with as many digits. */
static decimal decimal_above(decimal d) {
    for (int i = d.count - 1; i >= 0; i--) {
        if (d.digits[i] < '9') {
            d.digits[i]++;
            return d;
        }
        d.digits[i] = '0';
    }
    d.digits[0] = '1';
    d.exponent++;
    return d;
}

/* 15 digits identify every normal number that has a decimal so short; only subnormals have fewer. Under a power of
 * two the gap is half as wide as above it, so there the decimal above may read back where the nearest does not. */
static decimal decimal_shortest(double x) {
    int used, digits = x < 0x1p-1022 ? 1 : 15;
    bool is_power_of_two = frexp(x, &used) == 0.5;
    for (; digits < 17; digits++) {
        decimal d = decimal_make(x, digits);
        if (reads_back(&d, x)) return d;
        decimal above = decimal_above(d);
        if (is_power_of_two && reads_back(&above, x)) return above;
    }
    return decimal_make(x, 17);
}

/* As Python's repr: plain from 1e-4 up to 1e16, else with an exponent of at least two digits. */
static void put_real(buf *b, double x) {
    if (isnan(x) || isinf(x)) {
        buf_puts(b, isnan(x) ? "\"NaN\"" : x > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    if (signbit(x)) buf_putc(b, '-');
    if (x == 0) {
        buf_puts(b, "0.0");
        return;
    }
    decimal d = decimal_shortest(fabs(x));
    while (d.count > 1 && d.digits[d.count - 1] == '0') d.count--;
    int e = d.exponent;
    if (e < -4 || e >= 16) {
        buf_printf(b, "%c%s%.*se%c%02d", d.digits[0], d.count > 1 ? "." : "", d.count - 1, d.digits + 1, e < 0 ? '-' : '+', abs(e));
    } else if (e < 0) {
        buf_printf(b, "0.%.*s%.*s", -e - 1, "000", d.count, d.digits);
    } else {
        int whole = min_int(d.count, e + 1), rest = d.count - whole;
        buf_printf(b, "%.*s%.*s.%.*s", whole, d.digits, e + 1 - whole, "000000000000000", rest ? rest : 1, rest ? d.digits + whole : "0");
    }
}

static void put_break(buf *b, int indent, int depth, const char *otherwise) {
    if (indent <= 0) buf_puts(b, otherwise);
    else buf_printf(b, "\n%*s", indent * depth, "");
}

static void put_value(buf *b, const tree *t, int indent, int depth) {
    switch (t->type) {
    case TREE_NULL: buf_puts(b, "null"); return;
    case TREE_BOOL: buf_puts(b, t->i ? "true" : "false"); return;
    case TREE_INT: buf_printf(b, "%" PRId64, t->i); return;
    case TREE_REAL: put_real(b, t->real); return;
    case TREE_STRING: json_quote(b, t->text, t->text_size); return;
    case TREE_LIST: break;
    case TREE_MAP: break;
    }
    bool is_map = t->type == TREE_MAP;
    buf_putc(b, is_map ? '{' : '[');
    for (int i = 0; i < t->count; i++) {
        if (i) buf_putc(b, ',');
        put_break(b, indent, depth + 1, i ? " " : "");
        if (is_map) {
            json_quote(b, t->keys[i], strlen(t->keys[i]));
            buf_puts(b, ": ");
        }
        put_value(b, t->items[i], indent, depth + 1);
    }
    if (t->count) put_break(b, indent, depth, "");
    buf_putc(b, is_map ? '}' : ']');
}

void tree_write_json(buf *b, const tree *t, int indent) { put_value(b, t, indent, 0); }

char *tree_take_json(tree *t) {
    buf b = {0};
    tree_write_json(&b, t, 2);
    tree_free(t);
    return buf_take(&b);
}

lmm_status tree_save_json(const tree *t, const char *dir, const char *name, int indent) {
    buf b = {0};
    char *path = path_join(dir, name);
    tree_write_json(&b, t, indent);
    buf_putc(&b, '\n');
    lmm_status st = file_write(path, b.data, b.size);
    free(path);
    buf_free(&b);
    return st;
}
