/* reward_easyr1.c - EasyR1's accuracy rewards (examples/reward_function/r1v.py, math.py): mathruler over an answer tag, or over the last box. */
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

/* The answer of a reference that comes with its thoughts; free() */
static char *gold_answer(const char *gold) {
    size_t n = strlen(gold);
    const char *at = answer_find(gold, true, false, &n);
    char *part = mem_strndup(at ? at : gold, n), *out = python_strip(part);
    free(part);
    return out;
}

double reward_easyr1_r1v(const char *text, const char *gold) {
    size_t n = strlen(text);
    const char *at = answer_find(text, false, true, &n);
    char *part = mem_strndup(at ? at : text, n), *given = python_strip(part), *want = gold_answer(gold);
    double value = mathruler_agrees(want, given);
    free(want);
    free(given);
    free(part);
    return value;
}

/* The inside of the last \boxed{ whose braces close, "None" without: the original's word for nothing, which is then graded. free() */
static char *last_box(const char *text) {
    const char *box = NULL;
    for (const char *p = text; (p = strstr(p, "\\boxed{")); p += 7) box = p + 7;
    int depth = 0;
    for (const char *p = box; p && *p; p++) {
        depth += (*p == '{') - (*p == '}');
        if (depth < 0) {
            char *inside = mem_strndup(box, (size_t)(p - box)), *out = python_strip(inside);
            free(inside);
            return out;
        }
    }
    return mem_strdup("None");
}

double reward_easyr1_math(const char *text, const char *gold) {
    char *tight = easyr1_tightened(text), *given = last_box(tight), *want = gold_answer(gold);
    double value = mathruler_agrees(want, given);
    free(want);
    free(given);
    free(tight);
    return value;
}
