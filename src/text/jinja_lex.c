/* jinja_lex.c - template source to tokens.
 *
 * Follows the reference's lexer: newlines become \n and one at the end is dropped, a block tag takes the newline
 * behind it (trim_blocks) and the blanks before it when it is first on its line (lstrip_blocks), - strips all
 * whitespace on its side, + keeps it. Inside brackets the end of a tag is not looked for. */
#include "text/jinja_int.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    jx *x;
    const char *at;
    size_t size, pos;
    int line;
    bool line_starting; /* what was read last ended a line */
    char open[256];     /* brackets not yet closed */
    int open_count;
    tokens out;
} lexer;

static bool looking_at(const lexer *l, size_t pos, const char *word) {
    size_t n = strlen(word);
    return l->size - pos >= n && memcmp(l->at + pos, word, n) == 0;
}

static size_t space_after(const lexer *l, size_t pos) {
    uint32_t c;
    for (int n; pos < l->size; pos += (size_t)n) {
        n = utf8_decode(l->at + pos, l->size - pos, &c);
        if (!utf8_is_space(c)) break;
    }
    return pos;
}

static _Noreturn void fail(lexer *l, const char *what) {
    l->x->line = l->line;
    jx_fail(l->x, LMM_E_FORMAT, "%s", what);
}

static void add(lexer *l, ttype type, int op, jval value) {
    token t = {.type = type, .line = l->line, .op = op, .value = value};
    JX_PUSH(l->x, &l->out, t);
}

/* Moves on, counting lines. */
static void advance(lexer *l, size_t pos) {
    for (; l->pos < pos; l->pos++) l->line += l->at[l->pos] == '\n';
    if (pos) l->line_starting = l->at[pos - 1] == '\n';
}

/* ---- text between tags ---- */

/* Start of the blanks at the end of text [first, last). */
static size_t trailing_space(const lexer *l, size_t first, size_t last) {
    size_t kept = first;
    uint32_t c;
    for (size_t at = first, n; at < last; at += n) {
        n = (size_t)utf8_decode(l->at + at, last - at, &c);
        if (!utf8_is_space(c)) kept = at + n;
    }
    return kept;
}

static size_t line_start(const lexer *l, size_t first, size_t last) {
    while (last > first && l->at[last - 1] != '\n') last--;
    return last;
}

/* Adds the text [pos, end) before a tag whose sign is '-', '+' or 0. */
static void add_text(lexer *l, size_t end, char sign, bool is_print) {
    size_t last = end;
    if (sign == '-') {
        last = trailing_space(l, l->pos, end);
    } else if (sign != '+' && !is_print) {
        size_t line = line_start(l, l->pos, end);
        if ((line > l->pos || l->line_starting) && trailing_space(l, line, end) == line) last = line;
    }
    if (last > l->pos) add(l, T_DATA, 0, j_borrow(l->x, l->at + l->pos, last - l->pos));
}

static char sign_at(const lexer *l, size_t pos) { return pos < l->size && (l->at[pos] == '-' || l->at[pos] == '+') ? l->at[pos] : 0; }

/* The end of a tag at pos, which is one of "%}", "#}" with the sign it may have; 0 when it is not there. */
static size_t tag_end(const lexer *l, size_t pos, const char *end) {
    char sign = sign_at(l, pos);
    if (!looking_at(l, pos + (sign != 0), end)) return 0;
    size_t after = pos + (sign != 0) + 2;
    if (sign == '-') return space_after(l, after);
    if (!sign && after < l->size && l->at[after] == '\n') after++;
    return after;
}

/* {% raw %} at pos: where its text begins, 0 when it is another tag. */
static size_t raw_begin(const lexer *l, size_t pos) {
    size_t at = space_after(l, pos + 2 + (sign_at(l, pos + 2) != 0));
    if (!looking_at(l, at, "raw")) return 0;
    at = space_after(l, at + 3);
    if (looking_at(l, at, "-%}")) return space_after(l, at + 3);
    return looking_at(l, at, "%}") ? at + 2 : 0;
}

static void lex_raw(lexer *l) {
    for (size_t at = l->pos; at < l->size; at++) {
        if (!looking_at(l, at, "{%")) continue;
        char sign = sign_at(l, at + 2);
        size_t word = space_after(l, at + 2 + (sign != 0));
        if (!looking_at(l, word, "endraw")) continue;
        size_t end = tag_end(l, space_after(l, word + 6), "%}");
        if (!end) continue;
        add_text(l, at, sign, false);
        advance(l, end);
        return;
    }
    if (l->pos < l->size) fail(l, "{% raw %} has no {% endraw %}"); /* nothing raw needs no end, in the reference */
}

static void lex_comment(lexer *l) {
    for (size_t at = l->pos; at < l->size; at++) {
        if (l->at[at] != '+' && l->at[at] != '-' && l->at[at] != '#') continue;
        size_t end = tag_end(l, at, "#}");
        if (!end) continue;
        advance(l, end);
        return;
    }
    if (l->pos < l->size) fail(l, "a comment {# has no #}");
}

/* ---- inside tags ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int digit_of(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
}

/* Digits with single underscores between them; the end. */
static size_t digits_end(const lexer *l, size_t pos, int base) {
    size_t end = pos;
    while (pos < l->size && digit_of(l->at[pos]) < base) {
        end = ++pos;
        if (pos < l->size && l->at[pos] == '_') pos++;
    }
    return end;
}

/* The end of a float at pos, 0 when there is none. */
static size_t float_end(const lexer *l) {
    if (l->pos > 0 && l->at[l->pos - 1] == '.') return 0;
    size_t end = digits_end(l, l->pos, 10), more = end;
    bool is_float = false;
    if (end < l->size && l->at[end] == '.') more = digits_end(l, end + 1, 10);
    if (more > end + 1) {
        end = more;
        is_float = true;
    }
    if (end < l->size && (l->at[end] == 'e' || l->at[end] == 'E')) {
        size_t digits = end + 1 + (end + 1 < l->size && (l->at[end + 1] == '+' || l->at[end + 1] == '-'));
        more = digits_end(l, digits, 10);
        if (more > digits) return more;
    }
    return is_float ? end : 0;
}

static void lex_float(lexer *l, size_t end) {
    size_t first = l->x->work.size;
    for (size_t i = l->pos; i < end; i++) {
        if (l->at[i] != '_') jx_put(l->x, l->at + i, 1);
    }
    buf_putc(&l->x->work, '\0');
    double f = strtod(l->x->work.data + first, NULL);
    l->x->work.size = first;
    add(l, T_FLOAT, 0, j_float(f));
    advance(l, end);
}

static void lex_integer(lexer *l) {
    size_t pos = l->pos, end;
    int base = 10;
    if (l->at[pos] == '0' && pos + 1 < l->size) {
        char kind = l->at[pos + 1] | 0x20;
        base = kind == 'b' ? 2 : kind == 'o' ? 8 : kind == 'x' ? 16 : 10;
    }
    size_t digits = base == 10 ? pos : pos + 2 + (pos + 2 < l->size && l->at[pos + 2] == '_');
    end = digits_end(l, digits, base);
    if (end == digits) { /* 0x without digits is a zero and a name */
        base = 10;
        digits = pos;
        end = pos + 1;
    }
    if (base == 10 && l->at[pos] == '0') end = digits_end(l, pos, 1); /* 007 is three numbers, and an error */
    int64_t value = 0;
    for (size_t i = digits; i < end; i++) {
        if (l->at[i] == '_') continue;
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit_of(l->at[i]), &value)) {
            l->x->line = l->line;
            jx_fail(l->x, LMM_E_LIMIT, "an integer does not fit into 64 bits");
        }
    }
    add(l, T_INT, 0, j_int(value));
    advance(l, end);
}

static void lex_name(lexer *l) {
    uint32_t c;
    size_t end = l->pos;
    for (int n; end < l->size; end += (size_t)n) {
        n = utf8_decode(l->at + end, l->size - end, &c);
        if (!char_continues_name(c)) break;
    }
    add(l, T_NAME, 0, j_borrow(l->x, l->at + l->pos, end - l->pos));
    advance(l, end);
}

/* \x41 \u0041 \U00000041: the end, or 0 when the digits are missing. Halves of surrogate pairs are joined. */
static size_t hex_escape(lexer *l, size_t at, size_t last, int count, uint32_t *cp) {
    *cp = 0;
    if (last - at < (size_t)count) return 0;
    for (int i = 0; i < count; i++) {
        int digit = digit_of(l->at[at + (size_t)i]);
        if (digit >= 16) return 0;
        *cp = *cp << 4 | (uint32_t)digit;
    }
    at += (size_t)count;
    uint32_t low;
    if (*cp >= 0xD800 && *cp < 0xDC00 && last - at >= 6 && looking_at(l, at, "\\u") && hex_escape(l, at + 2, last, 4, &low)) {
        if (low < 0xDC00 || low > 0xDFFF) return at;
        *cp = 0x10000 + ((*cp & 0x3FF) << 10 | (low & 0x3FF));
        at += 6;
    }
    return at;
}

/* One escape, the backslash at `at`; returns the end. Unknown ones stay as they are written, as in Python. */
static size_t lex_escape(lexer *l, size_t at, size_t last) {
    static const char letters[] = "\\'\"abfnrtv", meanings[] = "\\'\"\a\b\f\n\r\t\v";
    jx *x = l->x;
    char c = l->at[at + 1];
    uint32_t cp;
    const char *known = memchr(letters, c, sizeof letters - 1);
    if (known) {
        jx_put(x, &meanings[known - letters], 1);
        return at + 2;
    }
    if (c == '\n') return at + 2;
    if (c == 'x' || c == 'u' || c == 'U') {
        size_t end = hex_escape(l, at + 2, last, c == 'x' ? 2 : c == 'u' ? 4 : 8, &cp);
        if (!end || cp > 0x10FFFF) fail(l, "a string has a \\x, \\u or \\U without the digits it needs");
        jx_put_char(x, cp, 1);
        return end;
    }
    if (c >= '0' && c <= '7') {
        size_t end = at + 1;
        for (cp = 0; end < last && end < at + 4 && l->at[end] >= '0' && l->at[end] <= '7'; end++)
            cp = cp * 8 + (uint32_t)(l->at[end] - '0');
        jx_put_char(x, cp, 1);
        return end;
    }
    if (c == 'N') {
        l->x->line = l->line;
        jx_fail(x, LMM_E_UNSUPPORTED, "character names (\\N{...}) are not supported");
    }
    int n = utf8_decode(l->at + at + 1, last - at - 1, &cp);
    if (cp < 0x80) {
        jx_put(x, l->at + at, 2);
        return at + 2;
    }
    char text[16]; /* the reference goes through ASCII here, and this is what comes out */
    snprintf(text, sizeof text, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
    jx_puts(x, text);
    return at + 1 + (size_t)n;
}

static void lex_string(lexer *l) {
    char quote = l->at[l->pos];
    size_t last = l->pos + 1, first = l->x->work.size;
    bool has_escapes = false;
    while (last < l->size && l->at[last] != quote) {
        has_escapes |= l->at[last] == '\\';
        last += 1 + (l->at[last] == '\\');
    }
    if (last >= l->size) fail(l, "a string has no end");
    if (!has_escapes) {
        add(l, T_STRING, 0, j_borrow(l->x, l->at + l->pos + 1, last - l->pos - 1));
    } else {
        for (size_t at = l->pos + 1; at < last;) {
            if (l->at[at] == '\\') {
                at = lex_escape(l, at, last);
            } else {
                size_t end = at;
                while (end < last && l->at[end] != '\\') end++;
                jx_put(l->x, l->at + at, end - at);
                at = end;
            }
        }
        add(l, T_STRING, 0, j_take(l->x, &l->x->work, first));
    }
    advance(l, last + 1);
}

static void lex_operator(lexer *l) {
    static const char *const doubles[] = {"//", "**", "==", "!=", ">=", "<="};
    char c = l->at[l->pos], text[64];
    int op = 0;
    for (size_t i = 0; i < COUNT_OF(doubles); i++) {
        if (looking_at(l, l->pos, doubles[i])) op = TWO(doubles[i][0], doubles[i][1]);
    }
    if (!op && memchr("+-/*%~[](){}><=.:|,;", c, 20)) op = c;
    if (!op) {
        uint32_t cp;
        int n = utf8_decode(l->at + l->pos, l->size - l->pos, &cp);
        snprintf(text, sizeof text, "unexpected character '%.*s'", n, l->at + l->pos);
        fail(l, text);
    }
    if (c == '(' || c == '[' || c == '{') {
        if (l->open_count == (int)sizeof l->open) fail(l, "brackets are nested too deeply");
        l->open[l->open_count++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (!l->open_count || l->open[--l->open_count] != c) {
            snprintf(text, sizeof text, "unexpected '%c'", c);
            fail(l, text);
        }
    }
    add(l, T_OPERATOR, op, j_none());
    advance(l, l->pos + (op > 0xFF ? 2 : 1));
}

/* The end of the tag we are in, at pos; 0 when it is not here. */
static size_t this_tag_end(const lexer *l, bool is_print) {
    if (l->open_count) return 0;
    if (!is_print) return tag_end(l, l->pos, "%}");
    if (looking_at(l, l->pos, "-}}")) return space_after(l, l->pos + 3);
    return looking_at(l, l->pos, "}}") ? l->pos + 2 : 0;
}

static void lex_tag(lexer *l, bool is_print) {
    l->open_count = 0;
    while (l->pos < l->size) {
        size_t end = this_tag_end(l, is_print);
        if (end) {
            add(l, is_print ? T_PRINT_END : T_BLOCK_END, 0, j_none());
            advance(l, end);
            return;
        }
        uint32_t cp;
        (void)utf8_decode(l->at + l->pos, l->size - l->pos, &cp);
        char c = l->at[l->pos];
        if (utf8_is_space(cp)) {
            advance(l, space_after(l, l->pos));
        } else if (is_digit(c)) {
            end = float_end(l);
            if (end) lex_float(l, end);
            else lex_integer(l);
        } else if (char_starts_name(cp)) {
            lex_name(l);
        } else if (c == '\'' || c == '"') {
            lex_string(l);
        } else {
            lex_operator(l);
        }
    }
}

/* ---- the whole ---- */

/* The source with its newlines made \n and the last one dropped, in the pool. */
static size_t normalize(jx *x, const char *source, size_t size, const char **out) {
    char *text = jx_alloc(x, size + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (source[i] == '\r' && i + 1 < size && source[i + 1] == '\n') continue;
        text[n++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (n && text[n - 1] == '\n') n--;
    text[n] = '\0';
    *out = text;
    return n;
}

static void check_utf8(jx *x, const char *source, size_t size) {
    for (size_t at = 0; at < size;) {
        uint32_t c;
        int n = utf8_decode(source + at, size - at, &c);
        if (n == 1 && (unsigned char)source[at] >= 0x80) jx_fail(x, LMM_E_FORMAT, "the template is not valid UTF-8");
        x->line += source[at] == '\n';
        at += (size_t)n;
    }
    x->line = 1;
}

tokens jinja_lex(jx *x, const char *source, size_t size) {
    lexer *l = jx_alloc(x, 1, sizeof *l);
    check_utf8(x, source, size);
    *l = (lexer){.x = x, .line = 1, .line_starting = true};
    l->size = normalize(x, source, size, &l->at);
    while (l->pos < l->size) {
        size_t at = l->pos;
        while (at < l->size && !(looking_at(l, at, "{%") || looking_at(l, at, "{{") || looking_at(l, at, "{#"))) at++;
        if (at == l->size) {
            add(l, T_DATA, 0, j_borrow(x, l->at + l->pos, l->size - l->pos));
            advance(l, l->size);
            break;
        }
        char kind = l->at[at + 1], sign = sign_at(l, at + 2);
        size_t raw = kind == '%' ? raw_begin(l, at) : 0;
        add_text(l, at, sign, kind == '{');
        advance(l, at);
        if (kind != '#' && !raw) add(l, kind == '%' ? T_BLOCK_BEGIN : T_PRINT_BEGIN, 0, j_none());
        advance(l, raw ? raw : at + 2 + (sign != 0));
        if (raw) lex_raw(l);
        else if (kind == '#') lex_comment(l);
        else lex_tag(l, kind == '{');
    }
    add(l, T_END, 0, j_none());
    return l->out;
}
