/* reward_trl.c - the accuracy rewards of trl (trl/rewards/accuracy_rewards.py) and open-r1 (src/open_r1/rewards.py): math_verify that takes an answer only from a box or an
 * announced formula. A reference without mathematics has nothing to say (NAN). */
#include <math.h>
#include <string.h>

#include "align/math_int.h"

static double verdict(const char *text, const char *gold, const math_settings *of_gold) {
    math_answer g, a;
    math_extract(&g, gold, of_gold);
    math_extract(&a, text,
                 &(math_settings){.latex_only = true, .box_first = true, .announced_only = true, .first_only = true, .braced = true});
    double value = g.raw || g.tree ? math_answers_agree(&g, &a, true) : NAN;
    math_answer_free(&a);
    math_answer_free(&g);
    return value;
}

double reward_trl(const char *text, const char *gold) { return verdict(text, gold, NULL); }

double reward_trl_reasoning(const char *text, const char *gold) {
    const char *answer = NULL;
    for (const char *p = text; (p = strstr(p, "</think>"));) answer = p += 8;
    return answer ? verdict(answer, gold, NULL) : 0;
}

double reward_open_r1(const char *text, const char *gold) { return verdict(text, gold, &(math_settings){.first_only = true}); }
