/* py_number.c - Python's float(), int(), round(), repr(), str() and literal_eval(). */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- reading numbers ---- */

/* The zero of every run of decimal digits in Unicode 15. */
static const uint32_t zeros[] = {0x660,   0x6f0,   0x7c0,   0x966,   0x9e6,   0xa66,   0xae6,   0xb66,   0xbe6,   0xc66,   0xce6,   0xd66,
                                 0xde6,   0xe50,   0xed0,   0xf20,   0x1040,  0x1090,  0x17e0,  0x1810,  0x1946,  0x19d0,  0x1a80,  0x1a90,
                                 0x1b50,  0x1bb0,  0x1c40,  0x1c50,  0xa620,  0xa8d0,  0xa900,  0xa9d0,  0xa9f0,  0xaa50,  0xabf0,  0xff10,
                                 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730,
                                 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2,
                                 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e950, 0x1fbf0};

static char ascii_of(uint32_t cp) {
    if (cp < 0x80) return (char)cp;
    for (size_t i = 0; i < COUNT_OF(zeros); i++)
        if (cp >= zeros[i] && cp < zeros[i] + 10) return (char)('0' + cp - zeros[i]);
    return '?';
}

/* Trimmed, any decimal digit as ASCII, underscores between digits taken out; false when an underscore stands elsewhere. */
static bool plain(char *out, size_t room, const char *text) {
    scratch mem = {0};
    char *t = py_strip(&mem, text);
    size_t n = 0;
    int step;
    bool good = true, digit = false;
    for (; *t && good; t += step) {
        uint32_t cp;
        step = utf8_decode(t, strlen(t), &cp);
        char c = ascii_of(cp);
        if (c == '_') {
            uint32_t after;
            if (t[1]) utf8_decode(t + 1, strlen(t + 1), &after);
            good = digit && t[1] && isdigit((unsigned char)ascii_of(after));
            continue;
        }
        digit = isdigit((unsigned char)c);
        if (n + 1 < room) out[n++] = c;
        else good = false;
    }
    out[n] = '\0';
    scratch_free(&mem);
    return good;
}

static bool is_word(const char *t) {
    static const char *const words[] = {"inf", "infinity", "nan"};
    char low[9];
    size_t n = strlen(t);
    if (n > 8) return false;
    for (size_t i = 0; i <= n; i++) low[i] = (char)tolower((unsigned char)t[i]);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcmp(low, words[i])) return true;
    return false;
}

static size_t digits(const char *t) { return strspn(t, "0123456789"); }

static bool is_decimal(const char *t) {
    size_t whole = digits(t), part = 0;
    t += whole;
    if (*t == '.') part = digits(t + 1), t += 1 + part;
    if (!whole && !part) return false;
    if (*t == 'e' || *t == 'E') {
        t += 1 + (t[1] == '+' || t[1] == '-');
        size_t power = digits(t);
        if (!power) return false;
        t += power;
    }
    return !*t;
}

bool py_float(double *out, const char *text) {
    size_t room = strlen(text) + 1;
    char small[256], *t = room <= sizeof small ? small : mem_new(room, 1);
    bool good = plain(t, room, text);
    const char *body = t + (*t == '+' || *t == '-');
    good = good && (is_word(body) || is_decimal(body));
    if (good) *out = strtod(t, NULL);
    if (t != small) free(t);
    return good;
}

bool py_int(int64_t *out, const char *text) {
    char t[64];
    if (!plain(t, sizeof t, text)) return false;
    const char *body = t + (*t == '+' || *t == '-');
    if (!*body || body[digits(body)]) return false;
    errno = 0;
    int64_t x = strtoll(t, NULL, 10);
    if (errno) return false;
    return *out = x, true;
}

/* ---- writing numbers ---- */

/* The C library rounds the exact binary value half to even, as Python does. */
double py_round(double x, int places) {
    char text[400];
    if (!isfinite(x)) return x;
    snprintf(text, sizeof text, "%.*f", places, x);
    return strtod(text, NULL);
}

char *py_repr_real(scratch *s, double x) {
    char shortest[40];
    if (isnan(x)) return scratch_cut(s, "nan", 3);
    if (isinf(x)) return scratch_printf(s, "%sinf", x < 0 ? "-" : "");
    int n = 1;
    do snprintf(shortest, sizeof shortest, "%.*e", n - 1, x);
    while (strtod(shortest, NULL) != x && n++ < 17);
    int power = atoi(strchr(shortest, 'e') + 1);
    if (power < -4 || power >= 16) {
        *strchr(shortest, 'e') = '\0';
        return scratch_printf(s, "%se%+03d", shortest, power);
    }
    return scratch_printf(s, "%.*f", max_int(1, n - 1 - power), x);
}

/* ---- str() ---- */

static void repr_text(buf *b, const char *t) {
    char quote = strchr(t, '\'') && !strchr(t, '"') ? '"' : '\'';
    buf_putc(b, quote);
    for (; *t; t++) {
        if (*t == quote || *t == '\\') buf_printf(b, "\\%c", *t);
        else if (*t == '\n') buf_puts(b, "\\n");
        else if (*t == '\t') buf_puts(b, "\\t");
        else if (*t == '\r') buf_puts(b, "\\r");
        else if ((unsigned char)*t < 32 || *t == 127) buf_printf(b, "\\x%02x", (unsigned char)*t);
        else buf_putc(b, *t);
    }
    buf_putc(b, quote);
}

static void repr_into(buf *b, const tree *v, bool quoted) {
    scratch mem = {0};
    switch (v ? v->type : TREE_NULL) {
    case TREE_NULL: buf_puts(b, "None"); break;
    case TREE_BOOL: buf_puts(b, v->i ? "True" : "False"); break;
    case TREE_INT: buf_printf(b, "%" PRId64, v->i); break;
    case TREE_REAL: buf_puts(b, py_repr_real(&mem, v->real)); break;
    case TREE_STRING:
        if (quoted) repr_text(b, v->text);
        else buf_puts(b, v->text);
        break;
    case TREE_LIST:
    case TREE_MAP:
        buf_putc(b, v->type == TREE_LIST ? '[' : '{');
        for (int i = 0; i < v->count; i++) {
            if (i) buf_puts(b, ", ");
            if (v->type == TREE_MAP) repr_text(b, v->keys[i]), buf_puts(b, ": ");
            repr_into(b, v->items[i], true);
        }
        buf_putc(b, v->type == TREE_LIST ? ']' : '}');
    }
    scratch_free(&mem);
}

char *py_str(scratch *s, const tree *value) {
    buf b = {0};
    repr_into(&b, value, false);
    char *out = scratch_cut(s, b.size ? b.data : "", b.size);
    buf_free(&b);
    return out;
}

double py_value(const tree *t, double missing) {
    if (!t) return missing;
    if (t->type == TREE_BOOL) return (double)t->i;
    if (t->type == TREE_INT || t->type == TREE_REAL) return t->real;
    double x;
    return t->type == TREE_STRING && py_float(&x, t->text) ? x : missing;
}

/* ---- literal_eval ---- */

typedef struct {
    const char *at;
    int depth;
} reader;

static tree *read_value(reader *r);

static void skip_space(reader *r) { r->at += strspn(r->at, " \t\r\n\f"); }

static void read_escape(reader *r, buf *b) {
    static const char from[] = "nrtab\\'\"", to[] = "\n\r\t\a\b\\'\"";
    const char *hit = strchr(from, *r->at);
    char bytes[4], *end, digits_[9];
    int width = *r->at == 'x' ? 2 : *r->at == 'u' ? 4 : *r->at == 'U' ? 8 : 0;
    if (width && strlen(r->at) > (size_t)width) {
        snprintf(digits_, sizeof digits_, "%.*s", width, r->at + 1);
        uint32_t cp = (uint32_t)strtoul(digits_, &end, 16);
        buf_put(b, bytes, (size_t)utf8_encode(cp ? cp : 0xfffd, bytes));
        r->at += *end ? 0 : width;
    } else if (hit && *hit) buf_putc(b, to[hit - from]);
    else if (*r->at != '\n') buf_putc(b, '\\'), buf_putc(b, *r->at);
}

static tree *read_string(reader *r) {
    buf b = {0};
    char quote = *r->at++;
    for (; *r->at && *r->at != quote && *r->at != '\n'; r->at++) {
        if (*r->at == '\\' && r->at[1]) r->at++, read_escape(r, &b);
        else buf_putc(&b, *r->at);
    }
    tree *t = *r->at == quote ? tree_new_text(b.size ? b.data : "", b.size) : NULL;
    if (t) r->at++;
    buf_free(&b);
    return t;
}

/* After the opening bracket: items up to `close`; a map when they are key: value. */
static tree *read_items(reader *r, char close) {
    tree *out = tree_new(close == '}' ? TREE_MAP : TREE_LIST);
    scratch mem = {0};
    bool good = true;
    for (skip_space(r); good && *r->at && *r->at != close; skip_space(r)) {
        tree *item = read_value(r), *value = item;
        good = item != NULL;
        skip_space(r);
        if (good && close == '}') {
            value = *r->at == ':' ? (r->at++, read_value(r)) : NULL;
            if (value) tree_put(out, py_str(&mem, item), value);
            good = value != NULL;
            tree_free(item);
        } else if (good) tree_add(out, item);
        skip_space(r);
        if (*r->at == ',') r->at++;
        else if (*r->at != close) good = false;
    }
    good = good && *r->at == close;
    if (good) r->at++;
    else tree_free(out);
    scratch_free(&mem);
    return good ? out : NULL;
}

static tree *read_word(reader *r) {
    size_t n = strcspn(r->at, ",:()[]{} \t\r\n'\"#");
    char word[64];
    double x;
    int64_t i;
    if (!n || n >= sizeof word) return NULL;
    memcpy(word, r->at, n);
    word[n] = '\0';
    r->at += n;
    if (!strcmp(word, "True") || !strcmp(word, "False")) return tree_new_bool(*word == 'T');
    if (!strcmp(word, "None")) return tree_new(TREE_NULL);
    if (!strchr("+-.0123456789", *word) || is_word(word + (*word == '-' || *word == '+'))) return NULL;
    if (py_int(&i, word)) return tree_new_int(i);
    return py_float(&x, word) ? tree_new_real(x) : NULL;
}

static tree *read_value(reader *r) {
    if (++r->depth > 64) return NULL;
    skip_space(r);
    tree *t = NULL;
    char c = *r->at;
    if (c == '[' || c == '(' || c == '{') r->at++, t = read_items(r, c == '[' ? ']' : c == '(' ? ')' : '}');
    else if (c == '\'' || c == '"') t = read_string(r);
    else t = read_word(r);
    r->depth--;
    return t;
}

tree *py_literal(const char *text) {
    reader r = {text, 0};
    tree *t = read_value(&r);
    skip_space(&r);
    if (t && *r.at) tree_free(t), t = NULL;
    return t;
}
