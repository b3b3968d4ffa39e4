/* tok_oniguruma.c - rewrites the regular expressions of tokenizer.json, which are Oniguruma's (Ruby syntax), for PCRE2.
 *
 * Where the two engines differ: \s, \w, \d and \b take other characters (PCRE2 counts U+180E as a blank and knows Unicode 14), \h is a
 * hexadecimal digit, x{1,3}+ repeats x{1,3} (it is not possessive), x{2}? makes x{2} optional, classes nest and intersect ([a[bc]], [a&&b]),
 * (?m) lets the dot match newlines, (?i) opens a group up to the end of the surrounding one, \p{Han} is the script alone. */
#include <stdlib.h>
#include <string.h>

#include "text/text_int.h"

enum { CLASS_DEPTH_MAX = 16 };

typedef struct {
    size_t begin;
    bool is_option;
} open_group;
typedef struct {
    const char *s;
    size_t n, at;
    buf out;
    VEC(open_group) groups;
    size_t atom;       /* where the last thing that can be repeated begins in out */
    const char *fault; /* what was not understood */
} rewriter;

static const char space_set[] =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
/* Alphabetic for the library and not for PCRE2, beside letters and letter-like numbers that are newer: marks. */
static const char alphabetic_newer[] =
    "\\x{363}-\\x{36f}\\x{897}\\x{c04}\\x{cf3}\\x{f82}\\x{f83}\\x{1dd3}-\\x{1de6}\\x{10d69}\\x{10efc}\\x{11080}\\x{11081}\\x{11241}\\x{"
    "113b8}-\\x{113c0}"
    "\\x{113c2}\\x{113c5}\\x{113c7}-\\x{113ca}\\x{113cc}\\x{113cd}\\x{11f00}\\x{11f01}\\x{11f03}\\x{11f34}-\\x{11f3a}\\x{11f3e}-\\x{11f40}"
    "\\x{1611e}-\\x{1612e}\\x{1e08f}";
static const char han_newer[] = "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}";
static const char hex_set[] = "0-9A-Fa-f";
/* Letter-like symbols; and, by Oniguruma's choice, the superscripts and fractions of Latin-1 when \w stands outside of brackets. */
static const char latin_extra[] = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";
static const char word_extra[] = "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}";

static bool one_of(char c, const char *set) { return c && strchr(set, c); }

/* A character that stands for itself. */
static void put_literal(buf *out, char c) {
    if (!c) buf_puts(out, "\\x{0}");
    else if (one_of(c, " \\^[]&~|#$.*+?(){}-/")) buf_put(out, (char[]){'\\', c}, 2);
    else buf_putc(out, c);
}

/* A general category inside a class: what PCRE2 knows of it and what is newer. */
static void put_category(buf *set, const char *category) {
    buf_printf(set, "\\p{%s}", category);
    const uc_range *r;
    for (int i = 0; (r = uc_newer(i)); i++)
        if (!strncmp(r->category, category, strlen(category))) buf_printf(set, "\\x{%x}-\\x{%x}", r->first, r->last);
}

static void put_word(buf *set) {
    static const char *const parts[] = {"L", "M", "Nd", "Nl", "Pc"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) put_category(set, parts[i]);
    buf_puts(set, word_extra);
}

static void put_alphabetic(buf *set) {
    buf_printf(set, "\\p{Alphabetic}%s", alphabetic_newer);
    put_category(set, "L");
}

static bool same_word(const char *a, const char *b) {
    for (; *a && *b; a++, b++)
        if ((*a | 32) != (*b | 32)) return false;
    return !*a && !*b;
}

/* \p{name} inside a class. Oniguruma writes general categories short or long, and scripts by their bare name. */
static bool put_property(buf *set, const char *name) {
    static const struct {
        const char *name, *category;
    } longer[] = {
        {"Letter", "L"}, {"Mark", "M"},      {"Number", "N"}, {"Punctuation", "P"}, {"Punct", "P"},
        {"Symbol", "S"}, {"Separator", "Z"}, {"Other", "C"},  {"Digit", "Nd"},
    };
    static const struct { const char *name, *property; } shorter[] = {{"Upper", "Uppercase"}, {"Lower", "Lowercase"}};
    static const char *const binary[] =
        {"Any", "Uppercase", "Lowercase", "White_Space", "Emoji", "Emoji_Presentation", "Extended_Pictographic", "Ideographic", "ASCII"};
    for (size_t i = 0; i < COUNT_OF(longer); i++)
        if (same_word(name, longer[i].name)) return put_category(set, longer[i].category), true;
    for (size_t i = 0; i < COUNT_OF(shorter); i++)
        if (same_word(name, shorter[i].name)) name = shorter[i].property;
    for (size_t i = 0; i < COUNT_OF(binary); i++)
        if (same_word(name, binary[i])) return buf_printf(set, "\\p{%s}", binary[i]), true;
    if (same_word(name, "Alphabetic") || same_word(name, "Alpha")) return put_alphabetic(set), true;
    if (same_word(name, "Alnum")) return put_alphabetic(set), put_category(set, "Nd"), true;
    if (same_word(name, "Space")) return buf_puts(set, space_set), true;
    if (same_word(name, "Word")) return put_word(set), true;
    size_t n = strlen(name);
    if (n == 1 || n == 2) {
        char category[3] = {(char)(name[0] & ~32), n == 2 ? (char)(name[1] | 32) : '\0', '\0'};
        return one_of(category[0], "LMNPSZC") ? put_category(set, category), true : false;
    }
    if (same_word(name, "Han")) buf_puts(set, han_newer);
    return n ? buf_printf(set, "\\p{sc:%s}", name), true : false;
}

/* After the p or P of \p{...}: the set, and whether it is negated by P or ^ (or both). */
static bool read_property(rewriter *r, char letter, buf *set, bool *negated) {
    char name[40];
    size_t n = 0;
    *negated = letter == 'P';
    if (r->at >= r->n || r->s[r->at] != '{') return r->fault = "\\p without {", false;
    r->at++;
    if (r->at < r->n && r->s[r->at] == '^') *negated = !*negated, r->at++;
    for (; r->at < r->n && r->s[r->at] != '}' && n + 1 < sizeof name; r->at++) {
        char c = r->s[r->at];
        if (!((c | 32) >= 'a' && (c | 32) <= 'z') && c != '_') break;
        name[n++] = c;
    }
    name[n] = '\0';
    if (r->at >= r->n || r->s[r->at] != '}' || !put_property(set, name)) return r->fault = "\\p{...}", false;
    r->at++;
    return true;
}

/* The backslash and letters that stand for a set of characters: \s \S \d \D \w \W \h \H \p \P. False: another escape (or a fault). */
static bool read_set(rewriter *r, buf *set, bool *negated) {
    char letter = r->s[r->at];
    if (!one_of(letter, "sSdDwWhHpP")) return false;
    r->at++;
    if ((letter | 32) == 'p') return read_property(r, letter, set, negated);
    *negated = letter < 'a';
    switch (letter | 32) {
    case 's': buf_puts(set, space_set); break;
    case 'd': put_category(set, "Nd"); break;
    case 'w': put_word(set); break;
    default: buf_puts(set, hex_set); break;
    }
    return true;
}

/* \x41, \x{1F600}: the number as \x{...}. A lone byte above 7F would be half a character. */
static void read_hex(rewriter *r, buf *out) {
    bool braces = r->at < r->n && r->s[r->at] == '{';
    uint32_t value = 0;
    size_t digits = 0;
    r->at += braces;
    for (; r->at < r->n && digits < (braces ? 6u : 2u); r->at++, digits++) {
        char c = r->s[r->at];
        if (c >= '0' && c <= '9') value = value * 16 + (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f') value = value * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else break;
    }
    if (!digits || (braces ? r->at >= r->n || r->s[r->at++] != '}' : value > 0x7F)) r->fault = "\\x";
    buf_printf(out, "\\x{%x}", value);
}

/* An escape that stands for one character, in and outside classes; r->at is behind the backslash. */
static void read_escape(rewriter *r, buf *out) {
    char c = r->s[r->at++];
    if (c == 'x') read_hex(r, out);
    else if (c == 'v') buf_puts(out, "\\x{b}");
    else if (one_of(c, "ntrfae") || (c >= '0' && c <= '9')) buf_put(out, (char[]){'\\', c}, 2);
    else put_literal(out, c);
}

/* ---- classes ---- */

/* One operand of &&: `set` is text inside brackets, `others` are alternatives that cannot stand there. */
typedef struct {
    buf set, others;
} class_term;

static void term_end(class_term *t, buf *out) {
    if (!t->others.size) buf_printf(out, "%s%s%s", t->set.size ? "[" : "(?!", t->set.size ? t->set.data : "", t->set.size ? "]" : ")");
    else if (!t->set.size) buf_printf(out, "(?:%s)", t->others.data);
    else buf_printf(out, "(?:[%s]|%s)", t->set.data, t->others.data);
    buf_reset(&t->set);
    buf_reset(&t->others);
}

static void put_other(class_term *t, const char *before, const char *expression, const char *behind) {
    buf_printf(&t->others, "%s%s%s%s", t->others.size ? "|" : "", before, expression, behind);
}

static void put_set(class_term *t, const buf *set, bool negated) {
    if (negated) put_other(t, "[^", set->data, "]");
    else buf_puts(&t->set, set->data);
}

/* [:alpha:] and [:^alpha:] inside a class. False: it is no such thing. */
static bool read_posix(rewriter *r, class_term *t) {
    static const struct {
        const char *name, *first, *second;
    } rows[] = {
        {"alpha", "Alphabetic", NULL}, {"digit", "Nd", NULL},        {"alnum", "Alnum", NULL}, {"space", "Space", NULL},
        {"upper", "Uppercase", NULL},  {"lower", "Lowercase", NULL}, {"word", "Word", NULL},   {"punct", "P", "S"},
    };
    size_t at = r->at;
    if (at >= r->n || r->s[at] != ':') return false;
    bool negated = ++at < r->n && r->s[at] == '^';
    at += negated;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t n = strlen(rows[i].name);
        if (r->n - at < n + 2 || memcmp(r->s + at, rows[i].name, n) || memcmp(r->s + at + n, ":]", 2)) continue;
        buf set = {0};
        put_property(&set, rows[i].first);
        if (rows[i].second) put_property(&set, rows[i].second);
        put_set(t, &set, negated);
        buf_free(&set);
        r->at = at + n + 2;
        return true;
    }
    return false;
}

static void read_class(rewriter *r, buf *out, int depth);

/* One item of a class. *after_set: a hyphen that follows is itself, no range. */
static void read_class_item(rewriter *r, class_term *t, bool *after_set, int depth) {
    char c = r->s[r->at++];
    bool is_set = false;
    if (c == '[') {
        if (!read_posix(r, t)) {
            buf inner = {0};
            read_class(r, &inner, depth + 1);
            if (inner.data) put_other(t, "", inner.data, "");
            buf_free(&inner);
        }
        is_set = true;
    } else if (c == '\\' && r->at < r->n) {
        buf set = {0};
        bool negated = false;
        if (read_set(r, &set, &negated)) {
            is_set = true;
            put_set(t, &set, negated);
        } else if (!r->fault) {
            if (r->s[r->at] == 'b') buf_puts(&t->set, "\\x{8}"), r->at++;
            else read_escape(r, &t->set);
        }
        buf_free(&set);
    } else if (c == '-') buf_puts(&t->set, *after_set ? "\\-" : "-");
    else put_literal(&t->set, c);
    *after_set = is_set;
}

/* r->at is behind the opening bracket. */
static void read_class(rewriter *r, buf *out, int depth) {
    class_term t = {0};
    buf ands = {0};
    int and_count = 0;
    bool negated = r->at < r->n && r->s[r->at] == '^', first = true, after_set = false, closed = false;
    r->at += negated;
    if (depth > CLASS_DEPTH_MAX) r->fault = "deeply nested classes";
    while (!r->fault && r->at < r->n) {
        char c = r->s[r->at];
        if (c == ']' && !first) {
            closed = true;
            r->at++;
            break;
        }
        first = false;
        if (c == '&' && r->at + 1 < r->n && r->s[r->at + 1] == '&') {
            buf_puts(&ands, "(?=");
            term_end(&t, &ands);
            buf_puts(&ands, ")");
            and_count++, r->at += 2, after_set = false;
        } else read_class_item(r, &t, &after_set, depth);
    }
    if (!closed && !r->fault) r->fault = "[ without ]";
    if (!and_count && !t.others.size && t.set.size) buf_printf(out, "[%s%s]", negated ? "^" : "", t.set.data);
    else {
        buf_puts(out, negated ? "(?:(?!" : "(?:");
        buf_put(out, ands.data, ands.size);
        term_end(&t, out);
        buf_puts(out, negated ? ")[\\x{0}-\\x{10ffff}])" : ")");
    }
    buf_free(&t.set);
    buf_free(&t.others);
    buf_free(&ands);
}

/* ---- groups, repetitions, the whole ---- */

static void insert_group(rewriter *r) {
    buf_puts(&r->out, "(?:)");
    memmove(r->out.data + r->atom + 3, r->out.data + r->atom, r->out.size - 4 - r->atom);
    memcpy(r->out.data + r->atom, "(?:", 3);
    r->out.data[r->out.size - 1] = ')';
}

/* {2}, {2,}, {2,3}, {,3}: its length, 0 when the brace is a character. */
static size_t interval_size(const rewriter *r, bool *fixed) {
    size_t at = r->at + 1, digits = 0;
    bool comma = false;
    for (; at < r->n && ((r->s[at] >= '0' && r->s[at] <= '9') || (r->s[at] == ',' && !comma)); at++) {
        if (r->s[at] == ',') comma = true;
        else digits++;
    }
    *fixed = !comma;
    return at < r->n && r->s[at] == '}' && digits ? at + 1 - r->at : 0;
}

static void read_repetition(rewriter *r) {
    for (bool again = false; r->at < r->n && one_of(r->s[r->at], "*+?{"); again = true) {
        bool fixed = false, interval = r->s[r->at] == '{';
        size_t n = interval ? interval_size(r, &fixed) : 1;
        if (!n) return;
        if (again) insert_group(r);
        buf_put(&r->out, r->s + r->at, interval && r->s[r->at + 1] == ',' ? 1 : n);
        if (interval && r->s[r->at + 1] == ',') buf_puts(&r->out, "0"), buf_put(&r->out, r->s + r->at + 1, n - 1);
        r->at += n;
        char mark = r->at < r->n ? r->s[r->at] : '\0';
        if ((mark == '?' && !(interval && fixed)) || (mark == '+' && !interval)) buf_putc(&r->out, mark), r->at++;
    }
}

/* Behind "(": which kind of group it is. (?i) alone opens one that ends with the surrounding group. */
static void read_group(rewriter *r) {
    open_group g = {.begin = r->out.size};
    buf_putc(&r->out, '(');
    const char *s = r->s + r->at;
    size_t left = r->n - r->at;
    if (left && s[0] == '*') r->fault = "(*";
    if (left > 1 && s[0] == '?' && one_of(s[1], "im-")) {
        buf_putc(&r->out, '?');
        for (r->at++; r->at < r->n && one_of(r->s[r->at], "im-"); r->at++) buf_putc(&r->out, r->s[r->at] == 'm' ? 's' : r->s[r->at]);
        if (r->at >= r->n || (r->s[r->at] != ':' && r->s[r->at] != ')')) r->fault = "group options";
        else g.is_option = r->s[r->at++] == ')';
        buf_putc(&r->out, ':');
    } else if (left > 1 && s[0] == '?') {
        size_t n = s[1] == '<' && left > 2 && (s[2] == '=' || s[2] == '!') ? 3 : 2;
        if (!one_of(s[1], ":=!><")) r->fault = "(?";
        buf_put(&r->out, s, n);
        r->at += n;
    }
    VEC_PUSH(&r->groups, g);
}

/* A closing parenthesis ends the innermost group and the options opened in it; the end of the expression ends options only. */
static void close_groups(rewriter *r, bool at_end) {
    while (r->groups.count) {
        open_group g = r->groups.at[--r->groups.count];
        buf_putc(&r->out, ')');
        r->atom = g.begin;
        if (g.is_option) continue;
        if (at_end) r->fault = "( without )";
        return;
    }
    if (!at_end) r->fault = ") without (";
}

/* An escape outside a class; r->at is behind the backslash. */
static void read_outer_escape(rewriter *r) {
    buf set = {0};
    bool negated = false;
    char c = r->s[r->at];
    if (read_set(r, &set, &negated)) buf_printf(&r->out, "[%s%s%s]", negated ? "^" : "", set.data, (c | 32) == 'w' ? latin_extra : "");
    else if (c == 'b' || c == 'B') {
        put_word(&set);
        buf_puts(&set, latin_extra);
        const char *w = set.data, *after = c == 'b' ? "!" : "=", *before = c == 'b' ? "=" : "!";
        buf_printf(&r->out, "(?:(?<=[%s])(?%s[%s])|(?<![%s])(?%s[%s]))", w, after, w, w, before, w);
        r->at++;
    } else if (one_of(c, "AzZGKRXNkg")) buf_put(&r->out, (char[]){'\\', c}, 2), r->at++;
    else if (one_of(c, "OyYCMc")) r->fault = "an escape";
    else if (!r->fault) read_escape(r, &r->out);
    buf_free(&set);
}

static void read_all(rewriter *r) {
    while (!r->fault && r->at < r->n) {
        char c = r->s[r->at++];
        if (c == '(' && r->n - r->at >= 2 && !memcmp(r->s + r->at, "?#", 2)) {
            while (r->at < r->n && r->s[r->at++] != ')') continue;
            continue;
        }
        if (c != ')') r->atom = r->out.size;
        if (c == '(') read_group(r);
        else if (c == ')') close_groups(r, false);
        else if (c == '[') read_class(r, &r->out, 0);
        else if (c == '\\' && r->at < r->n) read_outer_escape(r);
        else if (c == '{' || c == '}') buf_put(&r->out, (char[]){'\\', c}, 2);
        else {
            if (c) buf_putc(&r->out, c);
            else put_literal(&r->out, c);
            while ((unsigned char)c >= 0xC0 && r->at < r->n && ((unsigned char)r->s[r->at] & 0xC0) == 0x80)
                buf_putc(&r->out, r->s[r->at++]);
        }
        if (c != '(' && c != '|') read_repetition(r);
    }
    if (!r->fault) close_groups(r, true);
}

const char *oniguruma_rewrite(buf *out, const char *expression, size_t n) {
    rewriter r = {.s = expression, .n = n};
    buf_puts(&r.out, "");
    read_all(&r);
    buf_put(out, r.out.data, r.out.size);
    buf_free(&r.out);
    free(r.groups.at);
    return r.fault;
}
