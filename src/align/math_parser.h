/* math_parser.h - what the two halves of the parser of mathematics share: characters and atoms (math_atoms.c), operators and lists (math_parse.c).
 *
 * Every reader gives NULL when what stands at the cursor is not understood or the tree is full; the constructors pass a NULL child on, so errors travel up by themselves. */
#ifndef LMM_MATH_PARSER_H
#define LMM_MATH_PARSER_H

#include "align/math_int.h"

typedef struct {
    math_tree *tree;
    const char *at;
    math_dialect dialect;
    int depth;
    int bars;     /* open |: the next one closes */
    int brackets; /* open brackets: a comma separates there */
} math_parser;

static inline bool math_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static inline bool math_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool math_loose(const math_parser *p) { return p->dialect & MATH_LOOSE; }

/* ---- characters (math_atoms.c): all skip blanks first, LaTeX's too ---- */

void math_skip(math_parser *p);
bool math_looking_at(math_parser *p, const char *word); /* a word is only there when no letter follows */
bool math_eat(math_parser *p, const char *word);
bool math_eat_any(math_parser *p, const char *const *words, size_t count);

/* ---- constructors (math_parse.c) ---- */

math_node *math_unary(math_parser *p, math_kind kind, int op, math_node *a);
math_node *math_binary(math_parser *p, math_kind kind, int op, math_node *a, math_node *b);
math_node *math_named(math_parser *p, math_kind kind, const char *text, size_t size);

/* ---- readers ---- */

math_node *math_read_number(math_parser *p); /* math_atoms.c */
math_node *math_read_atom(math_parser *p);
math_node *math_read_argument(math_parser *p);                  /* what follows ^, \frac and the like: one token or a group in braces */
int math_function_at(const math_parser *p, size_t *size);       /* the row of the function at the cursor, -1 for none; the cursor stays */
math_node *math_read_postfix(math_parser *p);                   /* math_parse.c: an atom with powers, !, % */
math_node *math_read_juxtaposed(math_parser *p, bool argument); /* factors side by side; a function's argument ends at the next function */
math_node *math_read_sum(math_parser *p);
math_node *math_read_list(math_parser *p); /* one thing, or a set with op ',' of the things between commas */

#endif
