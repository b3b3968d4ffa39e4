/* rl.h - the parts of golden_rl: each file of handlers has a table of (file, group, function); a group ending in '*' stands for all that begin so. */
#ifndef LMM_GOLDEN_RL_H
#define LMM_GOLDEN_RL_H

#include "align/align.h"
#include "golden.h"

typedef struct {
    const char *file, *group;
    bool (*run)(const tree *c); /* one case: does it agree? NULL: it is skipped, and left_out says why */
    const char *left_out;       /* what of the expected numbers is not compared, NULL: nothing; counted as skipped once a case */
} rl_check;
extern const rl_check rl_optimizer_checks[], rl_loss_checks[], rl_preference_checks[], rl_logit_checks[], rl_data_checks[],
    rl_advantage_checks[], rl_reward_checks[], rl_lora_checks[], rl_run_checks[]; /* ended by an empty row */

/* The share of math_verify's pairs where our judgement is the human label: one check (rl_rewards.c). */
void golden_judgement(golden *g, const tree *cases);

/* The prompts of dpo_data through Qwen2-VL's own template: a check each (rl_data.c). */
void golden_rendered(golden *g, const tree *cases);

/* ---- reading cases (rl.c) ---- */

bool near(double have, double want, double relative, double absolute);
double real(const tree *t, const char *key);                 /* 0 when absent; "nan", "inf", "-inf" as strings */
double number(const tree *t);                                /* the same of a node */
int flatten(const tree *t, double *out);                     /* numbers of a list of any depth, in order; NULL only counts */
double *numbers(const tree *c, const char *key, int *count); /* free(); NULL when absent or null */
bool near_numbers(const double *have, const tree *want, double relative, double absolute);

/* ---- logits (rl_logits.c): (rows, T, V); row t predicts token t + 1 ---- */

typedef struct {
    int rows, T, V;
    float *at;
} logits3;
logits3 logits_of(const tree *t); /* free() at */
const float *row_of(const logits3 *l, int i, int t);
/* Log-probabilities of tokens 1.. (rows, T - 1); entropies likewise, NULL: not wanted. */
void logps_of(double *logp, double *entropy, const logits3 *l, const double *ids);
/* Whether d(sum grad * logp) / dlogits is `want`. */
bool logits_gradient(const logits3 *l, const double *ids, const double *grad, const tree *want);
/* A logged number, where the case has it. */
bool rl_metric(const tree *metrics, const char *name, double have);

#endif
