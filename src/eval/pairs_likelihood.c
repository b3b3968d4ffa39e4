/* pairs_likelihood.c - a judge that is not talked to: an answer's score is how likely the judge itself, seeing the pictures, finds it, as RLAIF-V (Yu et al. 2024, arXiv 2405.17220)
 * takes the probabilities of a better model's yes and no. Small models that cannot rate can judge so. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

static lmm_status score_text(lmm_session *s, const lmm_model *m, const lmm_prompt *prompt, const char *answer, double *score) {
    char *text = mem_printf("%s%s", lmm_prompt_delimiter(prompt), answer);
    double sum = 0;
    int *ids = NULL, count = 0;
    lmm_status st = lmm_tokenize(m, text, strlen(text), false, &ids, &count);
    if (!st && count) st = lmm_score(s, prompt, text, &sum, NULL);
    if (!st) *score = count && isfinite(sum) ? 1 + 4 * exp(sum / count) : NAN;
    free(ids);
    free(text);
    return st;
}

lmm_status likelihood_scores(lmm_session *s, const lmm_model *m, const char *messages, char *const *answers, int count, double *scores) {
    lmm_prompt *prompt = NULL;
    lmm_status st = lmm_prompt_messages(&prompt, m, messages, strlen(messages), &(lmm_prompt_opts){.add_generation_prompt = true});
    for (int i = 0; i < count && !st; i++) {
        int same = 0;
        while (same < i && (!answers[same] || !answers[i] || strcmp(answers[same], answers[i]))) same++;
        scores[i] = same < i ? scores[same] : NAN;
        if (same == i && answers[i]) st = score_text(s, m, prompt, answers[i], &scores[i]);
    }
    lmm_prompt_free(prompt);
    return st;
}
