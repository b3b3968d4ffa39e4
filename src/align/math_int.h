/* math_int.h - mathematical answers inside: text to tree (math_parse.c), text cleaned before it (math_clean.c), where an answer stands (math_extract.c), what a tree is
 * worth (math_value.c) and when two say the same (math_equal.c).
 *
 * Everything is bounded by counts, never by a clock: text, nodes, depth and attempts have the limits below; beyond them an answer counts as not understood. */
#ifndef LMM_MATH_INT_H
#define LMM_MATH_INT_H

#include "align/align.h"

enum {
    MATH_TEXT_MAX = 1 << 13,   /* bytes of a text that are looked at: its end */
    MATH_ANSWER_MAX = 1 << 10, /* bytes of one answer */
    MATH_NODE_MAX = 512,
    MATH_DEPTH_MAX = 64,
};

typedef enum {
    MATH_NUMBER,   /* text: decimal digits, at most one point */
    MATH_SYMBOL,   /* text: its name, lower case */
    MATH_CONSTANT, /* op: 'p' pi, 'e', 'i' the imaginary unit, 'o' infinity */
    MATH_ADD,      /* of all children */
    MATH_MULTIPLY,
    MATH_DIVIDE,
    MATH_POWER,
    MATH_NEGATE,
    MATH_PERCENT,
    MATH_DEGREE,
    MATH_FUNCTION, /* op: math_function */
    MATH_PLUS_MINUS,
    /* what is not a number */
    MATH_RELATION, /* op: '=', '<', '>', 'l' at most, 'g' at least, '!' unequal */
    MATH_CHAIN,    /* relations that hold together: 1 < x < 2 */
    MATH_SET,
    MATH_TUPLE,
    MATH_INTERVAL, /* two ends; op: 1 when the left one is open, 2 the right one */
    MATH_UNION,
    MATH_INTERSECTION,
    MATH_WITHOUT,
    MATH_REALS, /* op: 'R', or another domain's letter */
    MATH_MATRIX /* op: columns; children row by row */
} math_kind;

/* Rows of the table of functions in math_parse.c; the order is its order. */
typedef enum {
    FN_SIN,
    FN_COS,
    FN_TAN,
    FN_COT,
    FN_SEC,
    FN_CSC,
    FN_ASIN,
    FN_ACOS,
    FN_ATAN,
    FN_SINH,
    FN_COSH,
    FN_TANH,
    FN_EXP,
    FN_LN,
    FN_LOG,
    FN_ABS,
    FN_FLOOR,
    FN_CEIL,
    FN_FACTORIAL,
    FN_BINOMIAL,
    FN_GCD,
    FN_LCM,
    FN_MIN,
    FN_MAX,
    FN_ROOT /* radicand, degree */
} math_function;

typedef struct math_node math_node;
struct math_node {
    math_kind kind;
    int op;
    const char *text; /* in the tree's own text */
    size_t size;
    math_node *first, *next; /* children are a list */
};

typedef struct {
    char text[MATH_ANSWER_MAX];
    math_node nodes[MATH_NODE_MAX];
    int used;
    math_node *root;
} math_tree;

/* LATEX is what math_verify's grammar takes, PLAIN its arithmetic of digits and operators. LOOSE is what people write besides (1e-3, 2 1/3, i, degrees, sqrt(2)) where words are
 * words; with LETTERS, which LATEX is, letters side by side are a product. */
typedef enum { MATH_PLAIN, MATH_LOOSE, MATH_LETTERS, MATH_LATEX = MATH_LETTERS } math_dialect;
/* False when the text as a whole is not understood. */
bool math_parse(math_tree *out, const char *text, size_t size, math_dialect dialect);
/* New nodes of a tree; NULL when it is full, or a child is. */
math_node *math_node_new(math_tree *t, math_kind kind, int op, math_node *first, math_node *second);
int math_children(const math_node *n);
bool math_is_plain_number(const math_node *n); /* a literal, or a negated one */

/* ---- cleaning (math_clean.c): free() the result ---- */

/* Content of the boxes, or the text as it is: those at the end that belong together, or with `all` every one. */
char *math_unbox(const char *text, size_t size, bool all);
/* Spellings and layout brought to one form, units at the end removed. */
char *math_clean(const char *latex);
/* Whether every fraction and root has its arguments in braces. */
bool math_braced(const char *latex);
/* Cuts a unit word off the end of the text; false when there is none. */
bool math_cut_unit(char *text);

/* ---- extraction (math_extract.c) ---- */

typedef struct {
    math_tree *tree; /* NULL: nothing could be read */
    char *raw;       /* the text of the first match, NULL without any */
} math_answer;
/* How math_verify is asked to look: no plain numbers; boxes before all else; only what is announced or boxed; the first match decides, readable or not; fractions and roots
 * without braces are not understood. */
typedef struct {
    bool latex_only, box_first, announced_only, first_only, braced;
} math_settings;
/* The answer of a text as math_verify's parse finds it; settings NULL: its defaults. */
void math_extract(math_answer *out, const char *text, const math_settings *settings);
/* verify of what was found. */
bool math_answers_agree(const math_answer *gold, const math_answer *answer, bool strict);
void math_answer_free(math_answer *a);

/* ---- values (math_value.c) ---- */

typedef struct {
    int64_t top, bottom; /* bottom > 0, lowest terms */
} rational;
bool math_exact(const math_node *n, rational *out); /* false: not rational, or too large */
/* Value with every symbol replaced by a number that its name and `point` give; NAN where undefined. */
typedef struct {
    double re, im;
} math_complex;
math_complex math_value(const math_node *n, int point);
bool math_has_symbols(const math_node *n);
bool math_is_set(const math_node *n);

/* ---- equivalence (math_equal.c) ---- */

typedef struct {
    bool human;     /* a person's judgement instead of math_verify's */
    bool any_names; /* symbols are matched by their order (math_verify's strict=False) */
} math_rule;
/* With any_names the answer's symbols get the gold's names. */
bool math_equal(const math_tree *gold, math_tree *answer, const math_rule *rule);
/* Of plain numbers, after each is multiplied by its factor. */
bool math_equal_scaled(const math_tree *gold, rational by_gold, const math_tree *answer, rational by_answer);

/* ---- a person's judgement (math_human.c) ---- */

/* Where an answer may stand: in a tag or box only; there or it is all of the text; there, announced, or anywhere in it. */
typedef enum { MATH_MARKED, MATH_WHOLE, MATH_ANYWHERE } math_search;
bool math_agrees(const char *gold, const char *text, math_search how);

#endif
