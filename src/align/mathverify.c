/* mathverify.c - is an answer the reference's? math_verify's verdict, and a person's. */
#include "align/math_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- math_verify's ---- */

bool math_answers_agree(const math_answer *gold, const math_answer *answer, bool strict) {
    if (gold->raw && answer->raw && !strcmp(gold->raw, answer->raw)) return true;
    return gold->tree && answer->tree && math_equal(gold->tree, answer->tree, &(math_rule){.any_names = !strict});
}

bool math_verify(const char *gold, const char *text, bool strict) {
    math_answer g, a;
    math_extract(&g, gold, NULL);
    math_extract(&a, text, NULL);
    bool same = math_answers_agree(&g, &a, strict);
    math_answer_free(&a);
    math_answer_free(&g);
    return same;
}

bool math_extracted(const char *text, char **raw) {
    math_answer a;
    math_extract(&a, text, NULL);
    bool value = a.tree != NULL;
    *raw = a.raw;
    a.raw = NULL;
    math_answer_free(&a);
    return value;
}
