/* mathruler_latex.c - LaTeX as plain text, the way pylatexenc's latex2text writes it: \frac{a}{b} is a/b without brackets, a root is a sign with brackets, signs are their
 * characters, unknown macros vanish and leave their groups. mathruler reads formulas through it, and so inherits its readings. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "align/mathruler.h"

typedef struct {
    const char *at;
    int depth;
} cursor;
enum { DEPTH_MAX = 64 };

static void write_until(buf *out, cursor *c, const char *end);

/* ---- signs ---- */

static const char *const names[] = {"arccos", "arcsin", "arctan", "arg", "cos",  "cosh", "cot", "coth", "csc", "det",
                                    "dim",    "exp",    "gcd",    "inf", "ker",  "lg",   "lim", "ln",   "log", "max",
                                    "min",    "Pr",     "sec",    "sin", "sinh", "sup",  "tan", "tanh"};

/* The characters behind which the grader knows something are spelled as it spells them. */
static const struct {
    const char *name, *text;
} signs[] = {
    {"pi", "pi"},
    {"infty", "inf"},
    {"cup", "U"},
    {"cdot", "*"},
    {"times", "*"},
    {"alpha", "\u03b1"},
    {"beta", "\u03b2"},
    {"gamma", "\u03b3"},
    {"delta", "\u03b4"},
    {"epsilon", "\u03f5"},
    {"varepsilon", "\u03b5"},
    {"zeta", "\u03b6"},
    {"eta", "\u03b7"},
    {"theta", "\u03b8"},
    {"iota", "\u03b9"},
    {"kappa", "\u03ba"},
    {"lambda", "\u03bb"},
    {"mu", "\u03bc"},
    {"nu", "\u03bd"},
    {"xi", "\u03be"},
    {"rho", "\u03c1"},
    {"sigma", "\u03c3"},
    {"tau", "\u03c4"},
    {"phi", "\u03d5"},
    {"varphi", "\u03c6"},
    {"chi", "\u03c7"},
    {"psi", "\u03c8"},
    {"omega", "\u03c9"},
    {"Gamma", "\u0393"},
    {"Delta", "\u0394"},
    {"Theta", "\u0398"},
    {"Lambda", "\u039b"},
    {"Xi", "\u039e"},
    {"Pi", "\u03a0"},
    {"Sigma", "\u03a3"},
    {"Phi", "\u03a6"},
    {"Psi", "\u03a8"},
    {"Omega", "\u03a9"},
    {"le", "\u2264"},
    {"leq", "\u2264"},
    {"leqslant", "\u2a7d"},
    {"ge", "\u2265"},
    {"geq", "\u2265"},
    {"geqslant", "\u2a7e"},
    {"ne", "\u2260"},
    {"neq", "\u2260"},
    {"pm", "\u00b1"},
    {"mp", "\u2213"},
    {"in", "\u2208"},
    {"notin", "\u2209"},
    {"angle", "\u2220"},
    {"circ", "\u2218"},
    {"approx", "\u2248"},
    {"equiv", "\u2261"},
    {"sim", "\u223c"},
    {"div", "\u00f7"},
    {"ast", "\u2217"},
    {"cap", "\u2229"},
    {"setminus", "\u2216"},
    {"emptyset", "\u2205"},
    {"varnothing", "\u2205"},
    {"to", "\u2192"},
    {"rightarrow", "\u2192"},
    {"ldots", "\u2026"},
    {"cdots", "\u22ef"},
    {"dots", "\u2026"},
    {"lfloor", "\u230a"},
    {"rfloor", "\u230b"},
    {"lceil", "\u2308"},
    {"rceil", "\u2309"},
    {"mid", "|"},
    {"vert", "|"},
    {"lvert", "|"},
    {"rvert", "|"},
    {"prime", "'"},
    {"quad", "  "},
    {"qquad", "    "},
    {"subset", "\u2282"},
    {"subseteq", "\u2286"},
    {"langle", "\u27e8"},
    {"rangle", "\u27e9"},
    {"perp", "\u22a5"},
    {"parallel", "\u2225"},
    {"lbrace", "{"},
    {"rbrace", "}"},
    {"backslash", "\\"},
};

static bool is_name(const char *s, size_t n, const char *name) { return strlen(name) == n && !strncmp(s, name, n); }

static void write_sign(buf *out, const char *s, size_t n) {
    for (size_t i = 0; i < COUNT_OF(signs); i++)
        if (is_name(s, n, signs[i].name)) buf_puts(out, signs[i].text);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is_name(s, n, names[i])) buf_put(out, s, n);
}

/* ---- macros ---- */

static void skip_blanks(cursor *c) {
    while (isspace((unsigned char)*c->at)) c->at++;
}

static void write_macro(buf *out, cursor *c);

/* A group in braces, a macro, or one character. */
static void write_argument(buf *out, cursor *c) {
    skip_blanks(c);
    if (*c->at == '{') {
        c->at++;
        write_until(out, c, "}");
    } else if (*c->at == '\\') write_macro(out, c);
    else if (*c->at) {
        uint32_t code;
        int n = utf8_decode(c->at, strlen(c->at), &code);
        buf_put(out, c->at, (size_t)n);
        c->at += n;
    }
}

static void write_root(buf *out, cursor *c) {
    skip_blanks(c);
    if (*c->at == '[') { /* its degree is lost */
        buf degree = {0};
        c->at++;
        write_until(&degree, c, "]");
        buf_free(&degree);
    }
    buf_puts(out, "sqrt(");
    write_argument(out, c);
    buf_putc(out, ')');
}

/* The rows of a matrix between brackets: cells with blanks, rows with semicolons. */
static void write_matrix(buf *out, cursor *c, const char *end) {
    buf inside = {0};
    write_until(&inside, c, end);
    char *text = buf_take(&inside);
    buf_puts(out, "[ ");
    for (const char *p = text; *p; p++)
        if (*p == '\n') buf_puts(out, "; ");
        else if (*p == '\t') buf_putc(out, ' ');
        else if (*p != ' ') buf_putc(out, *p);
    buf_puts(out, " ]");
    free(text);
}

static void write_environment(buf *out, cursor *c) {
    const char *name = c->at + 1, *close = *c->at == '{' ? strchr(name, '}') : NULL;
    if (!close) return;
    char *end = mem_printf("\\end{%.*s}", (int)(close - name), name);
    c->at = close + 1;
    if (strstr(end, "matrix}") || strstr(end, "{array}")) {
        if (strstr(end, "array")) {
            buf columns = {0};
            write_argument(&columns, c);
            buf_free(&columns);
        }
        write_matrix(out, c, end);
    } else write_until(out, c, end);
    free(end);
}

/* A backslash and a character that is no letter. */
static void write_short(buf *out, cursor *c) {
    const char what = *c->at;
    if (what) c->at++;
    if (what == '\\') buf_putc(out, '\n');
    else if (what && strchr(",;: ", what)) buf_putc(out, ' ');
    else if (what && strchr("{}$%&#_", what)) buf_putc(out, what);
    else if (what == '|') buf_puts(out, "\u2016");
}

/* The cursor stands on a backslash. Blanks behind a macro's name are its own. */
static void write_macro(buf *out, cursor *c) {
    const char *name = ++c->at;
    size_t n = 0;
    while (isalpha((unsigned char)name[n])) n++;
    if (!n) {
        write_short(out, c);
        return;
    }
    c->at += n;
    skip_blanks(c);
    if (is_name(name, n, "frac")) {
        write_argument(out, c);
        buf_putc(out, '/');
        write_argument(out, c);
    } else if (is_name(name, n, "sqrt")) write_root(out, c);
    else if (is_name(name, n, "begin")) write_environment(out, c);
    else write_sign(out, name, n);
}

/* To `end`, which is passed over, or the end of the text. */
static void write_until(buf *out, cursor *c, const char *end) {
    if (c->depth++ > DEPTH_MAX) c->at += strlen(c->at);
    while (*c->at) {
        if (*end && !strncmp(c->at, end, strlen(end))) {
            c->at += strlen(end);
            break;
        }
        if (*c->at == '\\') write_macro(out, c);
        else if (*c->at == '{') c->at++, write_until(out, c, "}");
        else if (*c->at == '}') c->at++;
        else if (*c->at == '~') c->at++, buf_puts(out, "\u00a0");
        else if (*c->at == '&') c->at++, buf_putc(out, '\t');
        else if (!strncmp(c->at, "--", 2)) c->at += 2, buf_puts(out, "\u2013");
        else if (!strncmp(c->at, "``", 2)) c->at += 2, buf_puts(out, "\u201c");
        else if (!strncmp(c->at, "''", 2)) c->at += 2, buf_puts(out, "\u201d");
        else buf_putc(out, *c->at++);
    }
    c->depth--;
}

char *mathruler_latex(const char *latex) {
    buf spaced = {0}, out = {0};
    for (const char *p = latex; *p;) { /* a fraction behind a number is a mixed number's */
        const bool other = !strncmp(p, "\\tfrac", 6) || !strncmp(p, "\\dfrac", 6);
        if (other || !strncmp(p, "\\frac", 5)) {
            buf_puts(&spaced, " \\frac");
            p += other ? 6 : 5;
        } else buf_putc(&spaced, *p++);
    }
    char *text = buf_take(&spaced);
    write_until(&out, &(cursor){.at = text}, "");
    free(text);
    char *plain = buf_take(&out), *from = plain;
    while (isspace((unsigned char)*from)) from++;
    size_t n = strlen(from);
    while (n && isspace((unsigned char)from[n - 1])) n--;
    char *result = mem_strndup(from, n);
    free(plain);
    return result;
}
