/* math_parse.c - mathematics as text becomes a tree: LaTeX as models write it, plain arithmetic, and people's notation.
 *
 * Recursive descent over the characters. Juxtaposition binds tighter than a slash (2/3x is 2/(3x)) and powers group from the left in LaTeX, as in latex2sympy2_extended's
 * grammar, whose readings math_verify compares. */
#include <string.h>

#include "align/math_parser.h"

/* ---- nodes ---- */

math_node *math_node_new(math_tree *t, math_kind kind, int op, math_node *first, math_node *second) {
    if (t->used == MATH_NODE_MAX) return NULL;
    math_node *n = &t->nodes[t->used++];
    *n = (math_node){.kind = kind, .op = op, .first = first};
    if (first) first->next = second;
    return n;
}

math_node *math_unary(math_parser *p, math_kind kind, int op, math_node *a) { return a ? math_node_new(p->tree, kind, op, a, NULL) : NULL; }
math_node *math_binary(math_parser *p, math_kind kind, int op, math_node *a, math_node *b) {
    return a && b ? math_node_new(p->tree, kind, op, a, b) : NULL;
}
math_node *math_named(math_parser *p, math_kind kind, const char *text, size_t size) {
    math_node *n = math_node_new(p->tree, kind, 0, NULL, NULL);
    if (n) n->text = text, n->size = size;
    return n;
}

int math_children(const math_node *n) {
    int count = 0;
    for (const math_node *c = n->first; c; c = c->next) count++;
    return count;
}

bool math_is_plain_number(const math_node *n) {
    while (n->kind == MATH_NEGATE) n = n->first;
    return n->kind == MATH_NUMBER;
}

/* ---- operators ---- */

static bool eat_degrees(math_parser *p) {
    static const char *const spellings[] = {"^\\circ", "^{\\circ}", "^{ \\circ }", "^{\\circ }", "\\degree", "\\circ", "^\\degree"};
    return math_eat_any(p, spellings, COUNT_OF(spellings));
}

math_node *math_read_postfix(math_parser *p) {
    p->depth++;
    math_node *a = math_read_atom(p);
    while (a) {
        if (eat_degrees(p)) {
            if (math_loose(p)) a = math_unary(p, MATH_DEGREE, 0, a);
        } else if (math_looking_at(p, "!") && p->at[1] != '=') p->at++, a = math_unary(p, MATH_FUNCTION, FN_FACTORIAL, a);
        else if (math_eat(p, "\\%") || math_eat(p, "%")) a = math_unary(p, MATH_PERCENT, 0, a);
        else if (math_looking_at(p, "^\\prime")) math_eat(p, "^\\prime");
        else if (math_eat(p, "^") || (math_loose(p) && math_eat(p, "**"))) a = math_binary(p, MATH_POWER, 0, a, math_read_argument(p));
        else break;
    }
    p->depth--;
    return a;
}

static bool starts_atom(math_parser *p) {
    static const char *const operators[] = {"\\cdot",     "\\times", "\\div",       "\\ast",    "\\pm",    "\\mp",
                                            "\\leq",      "\\le",    "\\leqslant",  "\\geq",    "\\ge",    "\\geqslant",
                                            "\\neq",      "\\ne",    "\\in",        "\\approx", "\\cup",   "\\cap",
                                            "\\setminus", "\\}",     "\\rbrace",    "\\rfloor", "\\rceil", "\\rvert",
                                            "\\vert",     "\\\\",    "\\end",       "\\lt",     "\\gt",    "\\%",
                                            "\\equiv",    "\\sim",   "\\backslash", "\\bmod",   "\\pmod",  "\\mod"};
    math_skip(p);
    char c = *p->at;
    if (c == '|') return !p->bars;
    if (c == '\\') {
        for (size_t i = 0; i < COUNT_OF(operators); i++)
            if (math_looking_at(p, operators[i])) return false;
        return true;
    }
    return math_digit(c) || math_alpha(c) || c == '.' || c == '(' || c == '[' || c == '{';
}

/* 2\frac{1}{3}, and for people 2 1/3: a whole number and a fraction of numbers side by side are added. */
static bool mixed(const math_parser *p, const math_node *whole, const math_node *part) {
    return whole->kind == MATH_NUMBER && !memchr(whole->text, '.', whole->size) && part->kind == MATH_DIVIDE &&
           part->first->kind == MATH_NUMBER && part->first->next->kind == MATH_NUMBER && (math_loose(p) || p->at > part->first->text);
}

math_node *math_read_juxtaposed(math_parser *p, bool argument) {
    size_t size;
    math_node *a = math_read_postfix(p);
    while (a && starts_atom(p)) {
        if (argument && math_function_at(p, &size) >= 0) break;
        bool digits = math_digit(*p->at), second = a->kind == MATH_NUMBER && digits;
        math_node *b = math_read_postfix(p);
        if (!b) return NULL;
        if (second && math_loose(p)) { /* two numbers side by side are only 2 1/3 */
            if (!math_eat(p, "/")) return NULL;
            b = math_binary(p, MATH_DIVIDE, 0, b, math_read_postfix(p));
            if (!b || !mixed(p, a, b)) return NULL;
        }
        a = math_binary(p, mixed(p, a, b) ? MATH_ADD : MATH_MULTIPLY, 0, a, b);
    }
    return a;
}

static math_node *parse_signed(math_parser *p) {
    bool negative = false;
    for (;;) {
        if (math_eat(p, "-")) negative = !negative;
        else if (!math_eat(p, "+")) break;
    }
    math_node *a = math_read_juxtaposed(p, false);
    return negative ? math_unary(p, MATH_NEGATE, 0, a) : a;
}

static math_node *parse_product(math_parser *p) {
    static const char *const times[] = {"\\cdot", "\\times", "\\ast", "*"}, *const over[] = {"\\div", "/", ":"};
    math_node *a = parse_signed(p);
    while (a) {
        if (math_loose(p) && math_looking_at(p, "**")) return NULL;
        if (math_eat_any(p, times, COUNT_OF(times))) a = math_binary(p, MATH_MULTIPLY, 0, a, parse_signed(p));
        else if (math_eat_any(p, over, COUNT_OF(over))) a = math_binary(p, MATH_DIVIDE, 0, a, parse_signed(p));
        else break;
    }
    return a;
}

math_node *math_read_sum(math_parser *p) {
    if (p->depth > MATH_DEPTH_MAX) return NULL;
    p->depth++;
    math_node *a = math_eat(p, "\\pm") || math_eat(p, "\\mp") ? math_unary(p, MATH_PLUS_MINUS, 0, parse_product(p)) : parse_product(p);
    while (a) {
        if (math_eat(p, "\\pm") || math_eat(p, "\\mp")) a = math_binary(p, MATH_PLUS_MINUS, 0, a, parse_product(p));
        else if (math_eat(p, "+")) a = math_binary(p, MATH_ADD, 0, a, parse_product(p));
        else if (math_eat(p, "-")) a = math_binary(p, MATH_ADD, 0, a, math_unary(p, MATH_NEGATE, 0, parse_product(p)));
        else break;
    }
    p->depth--;
    return a;
}

static math_node *parse_sets(math_parser *p) {
    math_node *a = math_read_sum(p);
    while (a) {
        if (math_eat(p, "\\cup")) a = math_binary(p, MATH_UNION, 0, a, math_read_sum(p));
        else if (math_eat(p, "\\cap")) a = math_binary(p, MATH_INTERSECTION, 0, a, math_read_sum(p));
        else if (math_eat(p, "\\setminus") || math_eat(p, "\\backslash")) a = math_binary(p, MATH_WITHOUT, 0, a, math_read_sum(p));
        else break;
    }
    return a;
}

/* '\0' when no relation stands here. Membership counts as equality, as math_verify has it. */
static int eat_relation(math_parser *p) {
    static const struct {
        const char *spelling;
        int op;
    } rows[] = {{"\\leqslant", 'l'}, {"\\leq", 'l'}, {"\\le", 'l'},  {"<=", 'l'},   {"\\geqslant", 'g'}, {"\\geq", 'g'},
                {"\\ge", 'g'},       {">=", 'g'},    {"\\neq", '!'}, {"\\ne", '!'}, {"!=", '!'},         {"\\lt", '<'},
                {"<", '<'},          {"\\gt", '>'},  {">", '>'},     {"=", '='},    {"\\in", '='},       {"\\approx", '='}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (math_eat(p, rows[i].spelling)) return rows[i].op;
    return '\0';
}

typedef enum { KEEP, PLUS, MINUS } sign_choice;
static math_node *copy_of(math_parser *p, const math_node *n, sign_choice sign) {
    math_node *c = math_node_new(p->tree, n->kind, n->op, NULL, NULL), **end = c ? &c->first : NULL;
    if (!c) return NULL;
    c->text = n->text, c->size = n->size;
    bool choose = n->kind == MATH_PLUS_MINUS && sign != KEEP;
    if (choose) c->kind = MATH_ADD;
    for (const math_node *k = n->first; k; k = k->next, end = &(*end)->next) {
        math_node *child = copy_of(p, k, sign);
        if (choose && !k->next && sign == MINUS) child = math_unary(p, MATH_NEGATE, 0, child);
        if (!(*end = child)) return NULL;
    }
    return c;
}

/* a < b < c becomes the chain of a < b and b < c. */
static math_node *parse_relation(math_parser *p) {
    int op = math_eat(p, "\\approx") ? '\0' : eat_relation(p);
    if (op) return NULL;
    math_node *a = parse_sets(p), *chain = NULL, **end = NULL;
    while (a && (op = eat_relation(p))) {
        math_node *b = parse_sets(p), *again = b ? copy_of(p, b, KEEP) : NULL, *r = math_binary(p, MATH_RELATION, op, a, b);
        if (!r || !again) return NULL;
        if (!chain) chain = math_unary(p, MATH_CHAIN, 0, r);
        else *end = r;
        if (!chain) return NULL;
        end = &r->next;
        a = again;
    }
    if (!a || !chain) return a;
    return chain->first->next ? chain : chain->first;
}

math_node *math_read_list(math_parser *p) {
    if (p->depth > MATH_DEPTH_MAX) return NULL;
    p->depth++;
    math_node *a = parse_relation(p), *list = NULL, *last = a;
    while (a && (math_eat(p, ",") || math_eat(p, ";"))) {
        if (!list && !(list = math_node_new(p->tree, MATH_SET, ',', a, NULL))) return NULL;
        last = last->next = parse_relation(p);
        if (!last) return NULL;
    }
    p->depth--;
    return list ? list : a;
}

/* ---- arithmetic as math_verify's plain expressions have it: sympy's reader, so no juxtaposition and no leading zeros ---- */

static math_node *plain_sum(math_parser *p);

static math_node *plain_atom(math_parser *p) {
    math_skip(p);
    if (*p->at == '(') {
        if (++p->depth > MATH_DEPTH_MAX) return NULL;
        p->at++;
        math_node *inside = plain_sum(p);
        p->depth--;
        return inside && math_eat(p, ")") ? inside : NULL;
    }
    bool zero = *p->at == '0' && math_digit(p->at[1]);
    math_node *n = math_digit(*p->at) || *p->at == '.' ? math_read_number(p) : NULL;
    return n && (!zero || n->size == strspn(n->text, "0") || memchr(n->text, '.', n->size)) ? n : NULL;
}

static math_node *plain_unary(math_parser *p) {
    if (p->depth > MATH_DEPTH_MAX) return NULL;
    p->depth++;
    math_node *a;
    if (math_eat(p, "-")) a = math_unary(p, MATH_NEGATE, 0, plain_unary(p));
    else if (math_eat(p, "+")) a = plain_unary(p);
    else {
        a = plain_atom(p);
        if (a && (math_eat(p, "**") || math_eat(p, "^"))) a = math_binary(p, MATH_POWER, 0, a, plain_unary(p));
    }
    p->depth--;
    return a;
}

static math_node *plain_product(math_parser *p) {
    math_node *a = plain_unary(p);
    while (a) {
        if (math_eat(p, "*")) a = math_binary(p, MATH_MULTIPLY, 0, a, plain_unary(p));
        else if (math_looking_at(p, "//")) return NULL;
        else if (math_eat(p, "/")) a = math_binary(p, MATH_DIVIDE, 0, a, plain_unary(p));
        else break;
    }
    return a;
}

static math_node *plain_sum(math_parser *p) {
    math_node *a = plain_product(p);
    while (a) {
        if (math_eat(p, "+")) a = math_binary(p, MATH_ADD, 0, a, plain_product(p));
        else if (math_eat(p, "-")) a = math_binary(p, MATH_ADD, 0, a, math_unary(p, MATH_NEGATE, 0, plain_product(p)));
        else break;
    }
    return a;
}

/* ---- both values of a plus-minus ---- */

static bool has_plus_minus(const math_node *n) {
    if (n->kind == MATH_PLUS_MINUS) return true;
    for (const math_node *c = n->first; c; c = c->next)
        if (has_plus_minus(c)) return true;
    return false;
}

static math_node *both_signs(math_parser *p, math_node *n) {
    if (!has_plus_minus(n)) return n;
    if (n->kind != MATH_RELATION) return math_binary(p, MATH_SET, 0, copy_of(p, n, MINUS), copy_of(p, n, PLUS));
    math_node *right = both_signs(p, n->first->next);
    if (has_plus_minus(n->first) || !right) return NULL;
    n->first->next = right;
    return n;
}

bool math_parse(math_tree *out, const char *text, size_t size, math_dialect dialect) {
    out->used = 0;
    out->root = NULL;
    if (size >= sizeof out->text || memchr(text, '\0', size)) return false;
    memcpy(out->text, text, size);
    out->text[size] = '\0';
    math_parser p = {.tree = out, .at = out->text, .dialect = dialect};
    math_node *root = dialect == MATH_PLAIN ? plain_sum(&p) : math_read_list(&p);
    math_skip(&p);
    if (!root || *p.at || !(root = both_signs(&p, root))) return false;
    if (root->kind == MATH_SET) root->op = 0;
    out->root = root;
    return true;
}
