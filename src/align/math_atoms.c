/* math_atoms.c - the smallest parts of mathematics as text: numbers, names, functions, brackets, matrices. */
#include <ctype.h>
#include <string.h>

#include "align/math_parser.h"

/* ---- characters ---- */

void math_skip(math_parser *p) {
    if (!isspace((unsigned char)*p->at) && *p->at != '\\' && *p->at != '~') return;
    static const char *const blanks[] = {"\\,", "\\;", "\\:", "\\!", "\\ ", "~", "\\quad", "\\qquad", "\\limits"};
    for (bool more = true; more;) {
        more = false;
        while (isspace((unsigned char)*p->at)) p->at++;
        for (size_t i = 0; i < COUNT_OF(blanks) && !more; i++) {
            size_t n = strlen(blanks[i]);
            if (strncmp(p->at, blanks[i], n) || (math_alpha(blanks[i][n - 1]) && math_alpha(p->at[n]))) continue;
            p->at += n;
            more = true;
        }
    }
}

bool math_looking_at(math_parser *p, const char *word) {
    math_skip(p);
    size_t n = strlen(word);
    return !strncmp(p->at, word, n) && !(math_alpha(word[n - 1]) && math_alpha(p->at[n]));
}
bool math_eat(math_parser *p, const char *word) {
    if (!math_looking_at(p, word)) return false;
    p->at += strlen(word);
    return true;
}
bool math_eat_any(math_parser *p, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (math_eat(p, words[i])) return true;
    return false;
}

/* The command's or word's letters at the cursor, with the backslash. */
static size_t word_size(const char *s) {
    size_t n = *s == '\\';
    while (math_alpha(s[n])) n++;
    return n;
}

/* Content of a brace group at the cursor, the cursor behind it; NULL without one. */
static const char *brace_text(math_parser *p, size_t *size) {
    math_skip(p);
    if (*p->at != '{') return NULL;
    int depth = 0;
    const char *from = p->at + 1;
    for (const char *s = p->at; *s; s++) {
        depth += *s == '{' ? 1 : *s == '}' ? -1 : 0;
        if (depth) continue;
        *size = (size_t)(s - from);
        p->at = s + 1;
        return from;
    }
    return NULL;
}

/* ---- numbers and names ---- */

/* ",000" or a thin space and three digits: the size of a group that belongs to the number before it. */
static size_t thousands(const math_parser *p, const char *s) {
    size_t gap = *s == ',' && !p->brackets ? 1 : !strncmp(s, "\\,", 2) ? 2 : *s == ' ' ? 1 : 0;
    for (size_t i = 0; i < 3; i++)
        if (!gap || !math_digit(s[gap + i])) return 0;
    return math_digit(s[gap + 3]) ? 0 : gap + 3;
}

/* Digits are copied together, over their groups: the tree's text only shrinks. */
math_node *math_read_number(math_parser *p) {
    char *to = p->tree->text + (p->at - p->tree->text), *from = to;
    while (math_digit(*p->at)) p->at++;
    to = from + (p->at - from);
    if (math_loose(p) && to > from && to - from <= 3 && *from != '0')
        for (size_t n; (n = thousands(p, p->at)); p->at += n, to += 3) memmove(to, p->at + n - 3, 3);
    const char *comma = strchr(p->tree->text, ',');
    bool decimal_comma =
        p->dialect == MATH_LOOSE && !p->brackets && to > from && comma == p->at && math_digit(comma[1]) && !strchr(comma + 1, ',');
    if (decimal_comma) *(p->tree->text + (p->at - p->tree->text)) = '.';
    if (*p->at == '.' && (math_digit(p->at[1]) || to > from)) {
        do *to++ = *p->at++;
        while (math_digit(*p->at));
    }
    if (to == from) return NULL;
    size_t size = (size_t)(to - from);
    if (from[size - 1] == '.') size--;
    math_node *n = math_named(p, MATH_NUMBER, from, size);
    if (!math_loose(p) || (*p->at != 'e' && *p->at != 'E')) return n;
    const char *digits = p->at + 1 + (p->at[1] == '-' || p->at[1] == '+');
    bool negative = p->at[1] == '-';
    if (!math_digit(*digits)) return n;
    const char *end = digits;
    while (math_digit(*end)) end++;
    p->at = end;
    math_node *power = math_named(p, MATH_NUMBER, digits, (size_t)(end - digits));
    if (negative) power = math_unary(p, MATH_NEGATE, 0, power);
    return math_binary(p, MATH_MULTIPLY, 0, n, math_binary(p, MATH_POWER, 0, math_named(p, MATH_NUMBER, "10", 2), power));
}

static math_node *constant(math_parser *p, int which) { return math_node_new(p->tree, MATH_CONSTANT, which, NULL, NULL); }

/* Names are compared in lower case and without blanks and brackets: \text{(A)} is the symbol a. In place. */
static math_node *name_of(math_parser *p, const char *text, size_t size) {
    char *s = p->tree->text + (text - p->tree->text);
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        if (!isspace((unsigned char)s[i]) && !strchr("()", s[i])) s[n++] = (char)tolower((unsigned char)s[i]);
    return n ? math_named(p, MATH_SYMBOL, s, n) : NULL;
}

/* A subscript joins the name: x_1 and x_{1} are one symbol "x_1". */
static math_node *with_subscript(math_parser *p, math_node *symbol) {
    while (*p->at == '\'') p->at++;
    if (!symbol || *p->at != '_') return symbol;
    p->at++;
    size_t size;
    const char *inside = brace_text(p, &size);
    if (!inside) {
        inside = p->at;
        size = *inside == '\\' ? word_size(inside) : *inside && (math_alpha(*inside) || math_digit(*inside)) ? 1 : 0;
        p->at += size;
    }
    if (!size || inside < symbol->text + symbol->size) return NULL;
    char *to = p->tree->text + (symbol->text - p->tree->text) + symbol->size;
    *to++ = '_';
    for (size_t i = 0; i < size; i++) to[i] = (char)tolower((unsigned char)inside[i]);
    symbol->size += 1 + size;
    return symbol;
}

/* ---- functions ---- */

static const struct {
    const char *name;
    int function, inverse; /* inverse: what sin^{-1} means, -1: nothing of its own */
} functions[] = {
    {"sin", FN_SIN, FN_ASIN}, {"cos", FN_COS, FN_ACOS}, {"tan", FN_TAN, FN_ATAN}, {"cot", FN_COT, -1},     {"sec", FN_SEC, -1},
    {"csc", FN_CSC, -1},      {"arcsin", FN_ASIN, -1},  {"arccos", FN_ACOS, -1},  {"arctan", FN_ATAN, -1}, {"sinh", FN_SINH, -1},
    {"cosh", FN_COSH, -1},    {"tanh", FN_TANH, -1},    {"exp", FN_EXP, -1},      {"ln", FN_LN, -1},       {"log", FN_LOG, -1},
    {"lg", FN_LOG, -1},       {"abs", FN_ABS, -1},      {"floor", FN_FLOOR, -1},  {"ceil", FN_CEIL, -1},   {"gcd", FN_GCD, -1},
    {"lcm", FN_LCM, -1},      {"min", FN_MIN, -1},      {"max", FN_MAX, -1},      {"asin", FN_ASIN, -1},   {"acos", FN_ACOS, -1},
    {"atan", FN_ATAN, -1},
};

/* The row of the function at the cursor, without moving; people may leave the backslash out. */
int math_function_at(const math_parser *p, size_t *size) {
    size_t n = word_size(p->at), slash = *p->at == '\\';
    if (n == slash || (!slash && !math_loose(p))) return -1;
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (strlen(functions[i].name) == n - slash && !strncmp(functions[i].name, p->at + slash, n - slash)) {
            *size = n;
            return (int)i;
        }
    return -1;
}

math_node *math_read_argument(math_parser *p) {
    math_skip(p);
    if (math_digit(*p->at)) return math_named(p, MATH_NUMBER, p->at++, 1);
    if (*p->at == '-' || *p->at == '+') {
        bool negative = *p->at++ == '-';
        math_node *a = math_read_argument(p);
        return negative ? math_unary(p, MATH_NEGATE, 0, a) : a;
    }
    if (*p->at != '{') return p->depth < MATH_DEPTH_MAX ? math_read_postfix(p) : NULL;
    p->at++;
    int bars = p->bars;
    p->bars = 0;
    math_node *inside = math_read_sum(p);
    p->bars = bars;
    return inside && math_eat(p, "}") ? inside : NULL;
}

static math_node *parse_function(math_parser *p, int row, size_t size) {
    math_node *power = NULL, *base = NULL;
    int function = functions[row].function;
    p->at += size;
    for (bool more = true; more;) {
        math_skip(p);
        more = false;
        if (*p->at == '_' && function == FN_LOG && !base) p->at++, base = math_read_argument(p), more = base != NULL;
        else if (*p->at == '^' && !power) p->at++, power = math_read_argument(p), more = power != NULL;
    }
    math_skip(p);
    bool bracket = *p->at == '(' || *p->at == '{' || *p->at == '[';
    math_node *argument = bracket ? math_read_postfix(p) : math_read_juxtaposed(p, true);
    if (!argument) return NULL;
    bool list = argument->kind == MATH_INTERVAL || argument->kind == MATH_TUPLE;
    if (list != (function >= FN_GCD)) return NULL;
    if (list) argument = argument->first;
    bool inverse = power && power->kind == MATH_NEGATE && power->first->kind == MATH_NUMBER && power->first->size == 1 &&
                   power->first->text[0] == '1' && functions[row].inverse >= 0;
    math_node *call = inverse ? math_unary(p, MATH_FUNCTION, functions[row].inverse, argument)
                              : math_node_new(p->tree, MATH_FUNCTION, function, argument, argument->next);
    if (base && call) argument->next = base;
    return power && !inverse ? math_binary(p, MATH_POWER, 0, call, power) : call;
}

/* ---- brackets ---- */

static math_node *parse_bracketed(math_parser *p, char open) {
    p->depth++, p->brackets++;
    int bars = p->bars;
    p->bars = 0;
    math_node *inside = math_read_list(p);
    p->bars = bars, p->brackets--, p->depth--;
    math_skip(p);
    char close = *p->at;
    if (!inside || (close != ')' && close != ']')) return NULL;
    p->at++;
    bool list = inside->kind == MATH_SET && inside->op == ',';
    if (!list) return (open == '(') == (close == ')') ? inside : NULL;
    int count = math_children(inside);
    if (count == 2 && inside->first->kind != MATH_RELATION) {
        inside->kind = MATH_INTERVAL;
        inside->op = (open == '(' ? 1 : 0) | (close == ')' ? 2 : 0);
    } else if ((open == '(') != (close == ')')) return NULL;
    else inside->kind = MATH_TUPLE, inside->op = 0;
    return inside;
}

static bool eat_brace(math_parser *p, bool set) { return set ? math_eat(p, "\\}") || math_eat(p, "\\rbrace") : math_eat(p, "}"); }

/* { } groups; with commas it is a set, as \{ \} always is. */
static math_node *parse_braced(math_parser *p, bool set) {
    if (set && eat_brace(p, set)) return math_node_new(p->tree, MATH_SET, 0, NULL, NULL);
    p->depth++, p->brackets++;
    math_node *inside = math_read_list(p);
    p->brackets--, p->depth--;
    if (!inside || !eat_brace(p, set)) return NULL;
    if (inside->kind == MATH_SET && inside->op == ',') inside->op = 0;
    else if (set) inside = math_unary(p, MATH_SET, 0, inside);
    return inside;
}

static math_node *parse_between(math_parser *p, int function, const char *close) {
    bool bar = *close == '|';
    p->bars += bar, p->depth++;
    math_node *inside = math_read_sum(p);
    p->bars -= bar, p->depth--;
    return inside && math_eat(p, close) ? math_unary(p, MATH_FUNCTION, function, inside) : NULL;
}

static math_node *parse_matrix(math_parser *p) {
    static const char *const begins[] = {"\\begin{pmatrix}", "\\begin{bmatrix}", "\\begin{matrix}",
                                         "\\begin{vmatrix}", "\\begin{array}",   "\\begin{Bmatrix}"};
    if (!math_eat_any(p, begins, COUNT_OF(begins))) return NULL;
    size_t ignored;
    brace_text(p, &ignored);
    math_node *m = math_node_new(p->tree, MATH_MATRIX, 0, NULL, NULL), **end = m ? &m->first : NULL;
    int column = 0;
    while (m) {
        p->depth++;
        *end = math_read_sum(p);
        p->depth--;
        if (!*end) return NULL;
        end = &(*end)->next;
        column++;
        if (math_eat(p, "&")) continue;
        if (m->op && column != m->op) return NULL;
        m->op = column, column = 0;
        bool row = math_eat(p, "\\\\");
        if (math_eat(p, "\\end")) return brace_text(p, &ignored) ? m : NULL;
        if (!row) return NULL;
    }
    return NULL;
}

/* ---- atoms ---- */

static const char letters[] = " \\alpha \\beta \\gamma \\delta \\epsilon \\varepsilon \\zeta \\eta \\theta \\vartheta \\iota \\kappa "
                              "\\lambda \\mu \\nu \\xi \\rho \\sigma \\tau "
                              "\\upsilon \\phi \\varphi \\chi \\psi \\omega \\Gamma \\Delta \\Theta \\Lambda \\Xi \\Pi \\Sigma \\Phi \\Psi "
                              "\\Omega \\angle \\triangle \\imath \\ell ";
static const char marks[] = " \\vec \\hat \\bar \\overline \\tilde \\overrightarrow \\dot "; /* a symbol with its argument */
static const char words[] = " \\text \\mathrm \\mbox \\operatorname \\mathbf \\mathit \\mathcal \\textbf \\rm ";

static bool listed(const char *list, const char *word, size_t size) {
    for (const char *at = list; (at = strchr(at, '\\')); at++)
        if (!strncmp(at, word, size) && at[size] == ' ') return true;
    return false;
}

static math_node *parse_root(math_parser *p) {
    math_node *degree = NULL;
    if (math_eat(p, "[")) {
        degree = math_read_sum(p);
        if (!degree || !math_eat(p, "]")) return NULL;
    }
    math_node *inside = math_read_argument(p);
    if (!degree) degree = math_named(p, MATH_NUMBER, "2", 1);
    return math_binary(p, MATH_FUNCTION, FN_ROOT, inside, degree);
}

static math_node *parse_pair(math_parser *p, math_kind kind, int op) {
    math_node *a = math_read_argument(p), *b = a ? math_read_argument(p) : NULL;
    return math_binary(p, kind, op, a, b);
}

static math_node *parse_domain(math_parser *p) {
    size_t size;
    const char *inside = brace_text(p, &size);
    if (!inside) inside = p->at, size = math_alpha(*inside), p->at += size;
    return size == 1 ? math_node_new(p->tree, MATH_REALS, *inside, NULL, NULL) : NULL;
}

static math_node *parse_command(math_parser *p) {
    static const char *const fractions[] = {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"}, *const binomials[] = {"\\binom", "\\dbinom",
                                                                                                              "\\tbinom"};
    size_t size;
    int row = math_function_at(p, &size);
    if (row >= 0) return parse_function(p, row, size);
    if (math_eat_any(p, fractions, COUNT_OF(fractions))) return parse_pair(p, MATH_DIVIDE, 0);
    if (math_eat_any(p, binomials, COUNT_OF(binomials))) return parse_pair(p, MATH_FUNCTION, FN_BINOMIAL);
    if (math_eat(p, "\\sqrt")) return parse_root(p);
    if (math_eat(p, "\\pi")) return constant(p, 'p');
    if (math_eat(p, "\\infty")) return constant(p, 'o');
    if (math_eat(p, "\\{") || math_eat(p, "\\lbrace")) return parse_braced(p, true);
    if (math_eat(p, "\\lfloor")) return parse_between(p, FN_FLOOR, "\\rfloor");
    if (math_eat(p, "\\lceil")) return parse_between(p, FN_CEIL, "\\rceil");
    if (math_eat(p, "\\lvert")) return parse_between(p, FN_ABS, "\\rvert");
    if (math_eat(p, "\\vert")) return parse_between(p, FN_ABS, "\\vert");
    if (math_eat(p, "\\mathbb")) return parse_domain(p);
    if (math_eat(p, "\\emptyset") || math_eat(p, "\\varnothing")) return math_node_new(p->tree, MATH_SET, 0, NULL, NULL);
    if (math_looking_at(p, "\\begin")) return parse_matrix(p);
    const char *word = p->at;
    size = word_size(word);
    if (listed(letters, word, size)) {
        p->at += size;
        return with_subscript(p, name_of(p, word + 1, size - 1));
    }
    bool mark = listed(marks, word, size);
    if (!mark && !listed(words, word, size)) return NULL;
    p->at += size;
    const char *inside = brace_text(p, &size);
    if (!inside) return NULL;
    return with_subscript(p, mark ? name_of(p, word + 1, (size_t)(inside + size + 1 - word - 1)) : name_of(p, inside, size));
}

/* f(x) is one symbol with all its text; other letters before a bracket multiply it when a person writes x(x + 1). */
static math_node *parse_letter(math_parser *p) {
    const char *word = p->at;
    size_t run = word_size(word);
    if (math_loose(p)) {
        if (math_eat(p, "pi")) return constant(p, 'p');
        if (math_eat(p, "sqrt")) return parse_root(p);
        if (math_eat(p, "infinity") || math_eat(p, "inf")) return constant(p, 'o');
        if (run > (p->dialect & MATH_LETTERS ? 3 : 1)) return NULL; /* a word is no product of letters */
        if (run == 1 && *word == 'i') return p->at++, constant(p, 'i');
    }
    if (p->at++, *word == 'e') return constant(p, 'e');
    bool function = strchr("fghFGHP", *word) && *p->at == '(';
    if (!function) return with_subscript(p, name_of(p, word, 1));
    const char *close = strchr(p->at, ')');
    if (!close) return NULL;
    p->at = close + 1;
    math_node *n = math_named(p, MATH_SYMBOL, word, (size_t)(p->at - word));
    for (char *s = p->tree->text + (word - p->tree->text); s < p->at; s++) *s = (char)tolower((unsigned char)*s);
    return n;
}

math_node *math_read_atom(math_parser *p) {
    math_skip(p);
    char c = *p->at;
    size_t size;
    if (p->depth > MATH_DEPTH_MAX) return NULL;
    if (math_digit(c) || c == '.') return math_read_number(p);
    if (c == '\\') return parse_command(p);
    if (math_alpha(c)) {
        int row = math_function_at(p, &size);
        return row >= 0 ? parse_function(p, row, size) : parse_letter(p);
    }
    if (c == '(' || c == '[') return p->at++, parse_bracketed(p, c);
    if (c == '{') return p->at++, parse_braced(p, false);
    if (c == '|' && !p->bars) return p->at++, parse_between(p, FN_ABS, "|");
    return NULL;
}
