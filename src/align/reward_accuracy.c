/* reward_accuracy.c - is the answer of a completion the reference's? Ours looks at the marked answer alone (rl.md 3.3, "clean"); Open-R1-multimodal's at everything. */
#include <ctype.h>
#include <string.h>

#include "align/math_int.h"

double reward_accuracy(const char *text, const char *gold) { return math_agrees(gold, text, MATH_MARKED); }
double reward_exact(const char *text, const char *gold) { return math_agrees(gold, text, MATH_WHOLE); }

/* The first answer on one line, or all of the text, without blanks around it. */
static const char *first_answer(const char *text, size_t *size) {
    const char *at = answer_find(text, false, true, size);
    if (!at) at = text, *size = strlen(text);
    while (*size && isspace((unsigned char)*at)) at++, --*size;
    while (*size && isspace((unsigned char)at[*size - 1])) --*size;
    return at;
}

double reward_accuracy_r1mm(const char *text, const char *gold) {
    size_t n, m;
    const char *have = first_answer(text, &n), *want = first_answer(gold, &m);
    return math_verify(text, gold, true) || (n == m && !memcmp(have, want, n));
}
