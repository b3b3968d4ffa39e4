/* mathverify.c - is an answer the reference's? math_verify's verdict, and a person's. */
#include "align/math_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- math_verify's ---- */

bool math_verify(const char *gold, const char *text, bool strict) {
    math_answer g, a;
    math_extract(&g, gold);
    math_extract(&a, text);
    bool same = g.raw && a.raw && !strcmp(g.raw, a.raw);
    if (!same && g.tree && a.tree) same = math_equal(g.tree, a.tree, &(math_rule){.any_names = !strict});
    math_answer_free(&a);
    math_answer_free(&g);
    return same;
}

bool math_extracted(const char *text, char **raw) {
    math_answer a;
    math_extract(&a, text);
    bool value = a.tree != NULL;
    *raw = a.raw;
    a.raw = NULL;
    math_answer_free(&a);
    return value;
}
