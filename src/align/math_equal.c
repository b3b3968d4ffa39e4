/* math_equal.c - when two answers say the same: numbers, expressions with symbols, relations, sets, matrices.
 *
 * math_verify's order of questions (rl.md 3.4) without a symbolic engine: fractions are compared exactly, everything else as complex doubles, with symbols replaced by
 * numbers at several points, where two different expressions of this size do not meet. */
#include "align/math_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINT_COUNT = 6, PIECE_MAX = 64, ELEMENT_MAX = 24, STEP_MAX = 1500 };

typedef struct {
    bool human;
    int steps; /* comparisons left: nested sets would take exponentially many */
} judge;

static bool equal(const math_node *g, const math_node *a, judge *j);

static bool is_relation(const math_node *n) { return n->kind == MATH_RELATION || n->kind == MATH_CHAIN; }
static bool same_text(const math_node *a, const math_node *b) { return a->size == b->size && !memcmp(a->text, b->text, a->size); }

/* ---- numbers ---- */

/* The number below signs and a percent sign. */
static const math_node *bare(const math_node *n) {
    while (n->kind == MATH_NEGATE || n->kind == MATH_PERCENT) n = n->first;
    return n;
}
/* Written with a decimal point: known to a few digits only. */
static bool is_decimal(const math_node *n) {
    n = bare(n);
    return n->kind == MATH_NUMBER && memchr(n->text, '.', n->size);
}
static bool close_to(double a, double b, double relative) { return fabs(a - b) <= relative * (1 + fabs(a) + fabs(b)); }

static bool same_decimals(double a, double b) {
    return fabs(a) < 1e9 && fabs(b) < 1e9 ? llround(a * 1e6) == llround(b * 1e6) : close_to(a, b, 1e-15);
}

static bool exact_equal(const math_node *g, rational x, const math_node *a, rational y, judge *j) {
    if (x.top == y.top && x.bottom == y.bottom) return true;
    double u = (double)x.top / (double)x.bottom, v = (double)y.top / (double)y.bottom;
    bool decimals = is_decimal(g) || is_decimal(a);
    if (j->human) return decimals && close_to(u, v, 5e-7);
    bool whole = (!is_decimal(g) && x.bottom == 1) || (!is_decimal(a) && y.bottom == 1); /* sympy: an Integer equals no rounded Float */
    return decimals && !whole && same_decimals(u, v);
}

/* 50% is 0.5, and is 50 too. */
static bool equal_without_percent(const math_node *g, const math_node *a, judge *j) {
    rational x, y;
    const math_node *p = g->kind == MATH_PERCENT ? g->first : g, *q = a->kind == MATH_PERCENT ? a->first : a;
    if ((p == g && q == a) || !math_exact(p, &x) || !math_exact(q, &y)) return false;
    bool integers = p->kind <= MATH_NEGATE && x.bottom == 1 && y.bottom == 1 && !is_decimal(p) && !is_decimal(q);
    return (j->human || integers) && x.top == y.top && x.bottom == y.bottom;
}

/* At every point where both have a value they agree; such points must exist. */
static bool equal_at_points(const math_node *g, const math_node *a, judge *j) {
    bool decimals = is_decimal(g) || is_decimal(a), symbols = math_has_symbols(g) || math_has_symbols(a);
    int met = 0;
    for (int i = 0; i < (symbols ? POINT_COUNT : 1); i++) {
        math_complex u = math_value(g, i), v = math_value(a, i);
        if (isnan(u.re) || isnan(u.im) || isnan(v.re) || isnan(v.im)) continue;
        if (isinf(u.re) || isinf(v.re)) {
            if (u.re != v.re) return false;
        } else if (decimals && !symbols) {
            if (j->human ? !close_to(u.re, v.re, 5e-7) : !same_decimals(u.re, v.re)) return false;
            if (fabs(u.im - v.im) > 1e-6) return false;
        } else if (!close_to(u.re, v.re, 1e-11) || !close_to(u.im, v.im, 1e-11)) return false;
        met++;
    }
    return met >= (symbols ? 2 : 1);
}

static bool equal_numbers(const math_node *g, const math_node *a, judge *j) {
    rational x, y;
    bool first = math_exact(g, &x), second = math_exact(a, &y);
    if (first && second) return exact_equal(g, x, a, y, j) || equal_without_percent(g, a, j);
    const math_node *p = bare(g), *q = bare(a);
    if (p->kind == MATH_NUMBER && q->kind == MATH_NUMBER && p->size > 15 && q->size > 15 && g->kind == a->kind) return same_text(p, q);
    return equal_at_points(g, a, j);
}

bool math_equal_scaled(const math_tree *gold, rational by_gold, const math_tree *answer, rational by_answer) {
    math_complex u = math_value(gold->root, 0), v = math_value(answer->root, 0);
    double x = u.re * (double)by_gold.top / (double)by_gold.bottom, y = v.re * (double)by_answer.top / (double)by_answer.bottom;
    return isfinite(x) && isfinite(y) && close_to(x, y, 1e-9);
}

/* ---- symbols ---- */

/* Letters side by side, joined: a product of single letters may be a word elsewhere. False when there is anything else. */
static bool spell(const math_node *n, buf *out) {
    if (n->kind == MATH_SYMBOL) return buf_put(out, n->text, n->size), true;
    if (n->kind == MATH_CONSTANT && n->op == 'e') return buf_putc(out, 'e'), true;
    if (n->kind != MATH_MULTIPLY) return false;
    for (const math_node *c = n->first; c; c = c->next)
        if (!spell(c, out)) return false;
    return true;
}

static bool equal_names(const math_node *g, const math_node *a) {
    buf x = {0}, y = {0};
    bool same = spell(g, &x) && spell(a, &y) && x.size == y.size && !memcmp(x.data, y.data, x.size);
    buf_free(&y);
    buf_free(&x);
    return same;
}

static bool only_symbols(const math_node *n) {
    if (n->kind == MATH_SYMBOL) return true;
    if (!n->first || n->kind > MATH_FUNCTION) return false;
    for (const math_node *c = n->first; c; c = c->next)
        if (!only_symbols(c)) return false;
    return true;
}

/* ---- relations ---- */

static const math_node *first_of(const math_node *n) { return n->kind == MATH_CHAIN ? n->first : n; }
static const math_node *last_of(const math_node *n) {
    if (n->kind != MATH_CHAIN) return n;
    for (n = n->first; n->next;) n = n->next;
    return n;
}
static const math_node *right_of(const math_node *relation) { return relation->first->next; }

static bool is_equation(const math_node *n) {
    if (n->kind == MATH_RELATION) return n->op == '=';
    for (const math_node *c = n->kind == MATH_CHAIN ? n->first : NULL; c; c = c->next)
        if (c->op != '=') return false;
    return n->kind == MATH_CHAIN;
}
/* x = 5: a name and its value. */
static bool is_assignment(const math_node *n) { return is_equation(n) && only_symbols(first_of(n)->first); }

static int mirrored(int op) { return op == '<' ? '>' : op == '>' ? '<' : op == 'l' ? 'g' : op == 'g' ? 'l' : op; }

/* left - right of the answer over that of the gold, when it is one number everywhere; 0 otherwise. */
static double ratio_of(const math_node *gl, const math_node *gr, const math_node *al, const math_node *ar) {
    double ratio = NAN;
    int met = 0;
    for (int i = 0; i < POINT_COUNT; i++) {
        math_complex a = math_value(gl, i), b = math_value(gr, i), c = math_value(al, i), d = math_value(ar, i);
        double x = a.re - b.re, y = c.re - d.re;
        if (!isfinite(x) || !isfinite(y) || fabs(x) < 1e-9 || fabs(a.im - b.im) + fabs(c.im - d.im) > 1e-9) continue;
        if (isnan(ratio)) ratio = y / x;
        if (!close_to(y, ratio * x, 1e-10)) return 0;
        met++;
    }
    return met > 1 ? ratio : 0;
}

static int count_symbols(const math_node *n, const math_node **seen, int count) {
    if (n->kind == MATH_SYMBOL) {
        for (int i = 0; i < count; i++)
            if (same_text(seen[i], n)) return count;
        if (count < ELEMENT_MAX) seen[count++] = n;
    }
    for (const math_node *c = n->first; c; c = c->next) count = count_symbols(c, seen, count);
    return count;
}

/* g and a are single relations; the outermost ends of an assignment chain may stand for it. */
static bool equal_relation(const math_node *gl, const math_node *gr, int g_op, const math_node *al, const math_node *ar, int a_op,
                           judge *j) {
    if (math_is_set(gr) || math_is_set(ar)) return g_op == a_op && equal(gl, al, j) && equal(gr, ar, j);
    double ratio = ratio_of(gl, gr, al, ar);
    const math_node *seen[ELEMENT_MAX];
    bool free_scale = j->human || (g_op == '=' && count_symbols(gr, seen, count_symbols(gl, seen, 0)) > 1);
    if (ratio == 0 || (!free_scale && !close_to(fabs(ratio), 1, 1e-10))) return false;
    if (g_op == '=' || g_op == '!') return g_op == a_op;
    return a_op == (ratio > 0 ? g_op : mirrored(g_op));
}

static bool equal_relations(const math_node *g, const math_node *a, judge *j) {
    bool g_set = is_assignment(g), a_set = is_assignment(a);
    if ((g->kind == MATH_CHAIN && !g_set) || (a->kind == MATH_CHAIN && !a_set)) {
        if (g->kind != a->kind || math_children(g) != math_children(a)) return false;
        for (g = g->first, a = a->first; g && a; g = g->next, a = a->next)
            if (!equal_relation(g->first, right_of(g), g->op, a->first, right_of(a), a->op, j)) return false;
        return true;
    }
    return equal_relation(first_of(g)->first, right_of(last_of(g)), first_of(g)->op, first_of(a)->first, right_of(last_of(a)),
                          first_of(a)->op, j);
}

/* ---- sets of reals as pieces of the line ---- */

typedef struct {
    double low, high;
    bool low_open, high_open;
} piece;
typedef struct {
    piece at[PIECE_MAX];
    int count;
} line;

static bool line_add(line *l, double low, bool low_open, double high, bool high_open) {
    if (l->count == PIECE_MAX || isnan(low) || isnan(high)) return false;
    if (low < high || (low == high && !low_open && !high_open))
        l->at[l->count++] = (piece){low, high, low_open || isinf(low), high_open || isinf(high)};
    return true;
}

static int by_low(const void *a, const void *b) {
    const piece *p = a, *q = b;
    return p->low != q->low ? (p->low > q->low) - (p->low < q->low) : (int)p->low_open - (int)q->low_open;
}

/* In order, with pieces that touch as one. */
static void line_merge(line *l) {
    if (!l->count) return;
    qsort(l->at, (size_t)l->count, sizeof *l->at, by_low);
    int n = 0;
    for (int i = 1; i < l->count; i++) {
        piece *last = &l->at[n], p = l->at[i];
        bool touch = p.low < last->high || (p.low == last->high && !(p.low_open && last->high_open));
        if (!touch) l->at[++n] = p;
        else if (p.high > last->high) last->high = p.high, last->high_open = p.high_open;
        else if (p.high == last->high) last->high_open = last->high_open && p.high_open;
    }
    l->count = n + 1;
}

static bool line_complement(line *out, line l) {
    line_merge(&l);
    double low = -INFINITY;
    bool open = true, fits = true;
    out->count = 0;
    for (int i = 0; i < l.count; i++) {
        fits = fits && line_add(out, low, open, l.at[i].low, !l.at[i].low_open);
        low = l.at[i].high, open = !l.at[i].high_open;
    }
    return fits && (isinf(low) && low > 0 ? true : line_add(out, low, open, INFINITY, true));
}

static bool line_join(line *out, const line *b) {
    for (int i = 0; i < b->count; i++)
        if (!line_add(out, b->at[i].low, b->at[i].low_open, b->at[i].high, b->at[i].high_open)) return false;
    return true;
}

static bool constant_value(const math_node *n, double *out) {
    if (n->kind > MATH_FUNCTION || math_has_symbols(n)) return false;
    math_complex v = math_value(n, 0);
    *out = v.re;
    return !isnan(v.re) && v.im == 0;
}

/* x < 2 with the symbol on either side. */
static bool relation_line(const math_node *n, line *out) {
    const math_node *left = n->first, *right = right_of(n);
    int op = n->op;
    double v;
    if (left->kind != MATH_SYMBOL) {
        const math_node *swap = left;
        left = right, right = swap, op = mirrored(op);
    }
    if (left->kind != MATH_SYMBOL || !constant_value(right, &v)) return false;
    switch (op) {
    case '<': return line_add(out, -INFINITY, true, v, true);
    case 'l': return line_add(out, -INFINITY, true, v, false);
    case '>': return line_add(out, v, true, INFINITY, true);
    case 'g': return line_add(out, v, false, INFINITY, true);
    case '!': return line_add(out, -INFINITY, true, v, true) && line_add(out, v, true, INFINITY, true);
    default: return line_add(out, v, false, v, false);
    }
}

static bool line_of(const math_node *n, line *out);

/* Both or all of them hold: the complement of what any leaves out. */
static bool line_intersect(const math_node *first, line *out) {
    line outside = {0};
    for (const math_node *c = first; c; c = c->next) {
        line one = {0}, rest;
        if (!line_of(c, &one) || !line_complement(&rest, one) || !line_join(&outside, &rest)) return false;
    }
    line inside;
    return line_complement(&inside, outside) && line_join(out, &inside);
}

static bool line_of(const math_node *n, line *out) {
    double low, high;
    line b = {0}, rest;
    switch (n->kind) {
    case MATH_REALS: return n->op == 'R' && line_add(out, -INFINITY, true, INFINITY, true);
    case MATH_RELATION: return relation_line(n, out);
    case MATH_CHAIN:
    case MATH_INTERSECTION: return line_intersect(n->first, out);
    case MATH_INTERVAL:
        if (!constant_value(n->first, &low) || !constant_value(n->first->next, &high)) return false;
        return line_add(out, low, n->op & 1, high, n->op & 2);
    case MATH_SET:
        for (const math_node *c = n->first; c; c = c->next)
            if (!(is_relation(c) || math_is_set(c) ? line_of(c, out) : constant_value(c, &low) && line_add(out, low, false, low, false)))
                return false;
        return true;
    case MATH_UNION: return line_of(n->first, out) && line_of(n->first->next, out);
    case MATH_WITHOUT: {
        line a = {0}, all = {0}, outside;
        if (!line_of(n->first, &a) || !line_of(n->first->next, &b) || !line_complement(&outside, a) || !line_join(&all, &outside) ||
            !line_join(&all, &b))
            return false;
        return line_complement(&rest, all) && line_join(out, &rest);
    }
    default: return false;
    }
}

static bool equal_lines(const math_node *g, const math_node *a) {
    line x = {0}, y = {0};
    if (!line_of(g, &x) || !line_of(a, &y)) return false;
    line_merge(&x);
    line_merge(&y);
    if (x.count != y.count) return false;
    for (int i = 0; i < x.count; i++) {
        const piece *p = &x.at[i], *q = &y.at[i];
        bool low = p->low == q->low || close_to(p->low, q->low, 1e-9), high = p->high == q->high || close_to(p->high, q->high, 1e-9);
        if (!low || !high || p->low_open != q->low_open || p->high_open != q->high_open) return false;
    }
    return true;
}

/* ---- sets, tuples, matrices ---- */

static bool equal_in_order(const math_node *g, const math_node *a, judge *j) {
    for (; g && a; g = g->next, a = a->next)
        if (!equal(g, a, j)) return false;
    return !g && !a;
}

static bool contained(const math_node *these, const math_node *those, bool swapped, judge *j) {
    for (; these; these = these->next) {
        const math_node *c = those;
        while (c && !(swapped ? equal(c, these, j) : equal(these, c, j))) c = c->next;
        if (!c) return false;
    }
    return true;
}

static bool equal_elements(const math_node *g, const math_node *a, judge *j) {
    if (math_children(g) > ELEMENT_MAX || math_children(a) > ELEMENT_MAX) return false;
    return contained(g->first, a->first, false, j) && contained(a->first, g->first, true, j);
}

/* (a, b) is read as an open interval and may mean a pair. */
static bool is_list(const math_node *n) { return n->kind == MATH_SET || n->kind == MATH_TUPLE || (n->kind == MATH_INTERVAL && n->op == 3); }

/* x < 1 or x > 2 as a set; to math_verify a set of two relations and no more. */
static bool holds_relation(const math_node *n) { return n->kind == MATH_SET && n->first && is_relation(n->first); }

static bool equal_sets(const math_node *g, const math_node *a, judge *j) {
    if (g->kind == MATH_INTERVAL && a->kind == MATH_INTERVAL) return g->op == a->op && equal_in_order(g->first, a->first, j);
    math_node one = {.kind = MATH_SET}, only;
    if (!math_is_set(g) || !math_is_set(a)) { /* a number beside a set is the set of it */
        const math_node *single = math_is_set(g) ? a : g;
        only = *single;
        only.next = NULL;
        one.first = &only;
        if (single == g) g = &one;
        else a = &one;
    }
    if (is_list(g) && is_list(a)) return g->kind == MATH_SET ? equal_elements(g, a, j) : equal_in_order(g->first, a->first, j);
    if (g->kind == a->kind && g->kind == MATH_REALS) return g->op == a->op;
    bool lines = j->human || (!holds_relation(g) && !holds_relation(a));
    return (lines && equal_lines(g, a)) ||
           (g->kind == a->kind && math_children(g) == math_children(a) && equal_in_order(g->first, a->first, j));
}

static bool equal_matrices(const math_node *g, const math_node *a, judge *j) {
    bool column =
        j->human && (is_list(g) || is_list(a)) && (g->op == 1 || a->op == 1 || math_children(g) == g->op || math_children(a) == a->op);
    if (!column && (g->kind != a->kind || g->op != a->op)) return false;
    return equal_in_order(g->first, a->first, j);
}

/* ---- all together ---- */

/* The value that an equation gives, for comparing with something that is none. */
static const math_node *value_side(const math_node *n, bool human) {
    const math_node *right = right_of(last_of(n)), *left = first_of(n)->first;
    return human && only_symbols(right) && !math_has_symbols(left) ? left : right;
}

static bool equal(const math_node *g, const math_node *a, judge *j) {
    if (j->steps-- <= 0) return false;
    bool g_equation = is_equation(g), a_equation = is_equation(a);
    if (a_equation && !g_equation) a = value_side(a, j->human);
    else if (g_equation && !a_equation && (j->human || is_assignment(g))) g = value_side(g, j->human);
    if (is_relation(g) && is_relation(a)) return equal_relations(g, a, j);
    if (is_relation(g)) return math_is_set(a) && equal_lines(g, a);
    if (is_relation(a)) return j->human && math_is_set(g) && equal_lines(g, a);
    if (g->kind == MATH_MATRIX || a->kind == MATH_MATRIX) return equal_matrices(g, a, j);
    if (math_is_set(g) || math_is_set(a)) return equal_sets(g, a, j);
    if ((g->kind == MATH_SYMBOL || a->kind == MATH_SYMBOL) && equal_names(g, a)) return true;
    if ((g->kind == MATH_SYMBOL || a->kind == MATH_SYMBOL) && !j->human)
        return false; /* math_verify simplifies nothing beside a lone symbol */
    return equal_numbers(g, a, j);
}

static int by_name(const void *a, const void *b) {
    const math_node *x = *(math_node *const *)a, *y = *(math_node *const *)b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* The symbols of both in alphabetical order are taken for each other, when they are equally many. */
static void rename_symbols(const math_tree *gold, math_tree *answer) {
    const math_node *from[ELEMENT_MAX], *to[ELEMENT_MAX];
    int n = count_symbols(answer->root, from, 0), m = count_symbols(gold->root, to, 0);
    if (n != m) return;
    qsort(from, (size_t)n, sizeof *from, by_name);
    qsort(to, (size_t)n, sizeof *to, by_name);
    math_node old[ELEMENT_MAX];
    for (int i = 0; i < n; i++) old[i] = *from[i];
    for (int k = 0; k < answer->used; k++) {
        math_node *node = &answer->nodes[k];
        for (int i = 0; i < n && node->kind == MATH_SYMBOL; i++)
            if (same_text(node, &old[i])) {
                node->text = to[i]->text, node->size = to[i]->size;
                break;
            }
    }
}

bool math_equal(const math_tree *gold, math_tree *answer, const math_rule *rule) {
    if (rule->any_names) rename_symbols(gold, answer);
    judge j = {rule->human, STEP_MAX};
    return equal(gold->root, answer->root, &j);
}
