/* align.h - the arithmetic of learning from preferences and rewards, without models: losses with their gradients, advantages, masks, rewards.
 *
 * Everything is a pure function of arrays in f64, so that it can be compared with the originals number by number (golden_rl) and used by trainers, command and tests
 * alike. Grids are (rows, width), row-major; a mask holds 0 and 1. Sources: arXiv 2305.18290 (DPO), 2402.03300 (GRPO), 2503.14476 (DAPO), 2503.20783 (Dr. GRPO),
 * 2507.18071 (GSPO) and the code named at each function. */
#ifndef LMM_ALIGN_H
#define LMM_ALIGN_H

#include "base/base.h"

/* ---- tokens (token_stats.c) ---- */

/* logits (vocabulary): log-probability of the target under softmax(logits / temperature), and the entropy in nats (may be NULL). */
double token_logp(const float *logits, int vocabulary, int target, double temperature, double *entropy);

/* The same as trainers in bf16 log it, for comparisons with their runs: torch's log_softmax on logits in bf16 sums exponentials in f32 and rounds the sum, its logarithm and the result
 * to 8 bits. */
double token_logp_bf16(const float *logits, int vocabulary, int target);

/* ---- preference losses (dpo_loss.c) ---- */

/* reverse_kl is plain DPO; the others replace the log ratios by another divergence's (arXiv 2309.16240). */
typedef enum { DIVERGENCE_REVERSE_KL, DIVERGENCE_FORWARD_KL, DIVERGENCE_JS, DIVERGENCE_ALPHA } dpo_divergence;
enum { DPO_KIND_MAX = 8 };
typedef struct {
    const char *kinds[DPO_KIND_MAX]; /* names of losses to be added, NULL-terminated: "sigmoid", "ipo", ... "sft" */
    double weights[DPO_KIND_MAX];    /* all 0: 1 each */
    double beta, smoothing;
    dpo_divergence divergence;
    double alpha;             /* of DIVERGENCE_ALPHA; trl's default is 0.5 */
    double tau;               /* of discopop; 0: 0.05 */
    bool length_desensitised; /* LD-DPO (arXiv 2409.06411): tokens behind the shorter answer's length weigh tail_weight */
    double tail_weight;
} dpo_config;
/* Rows 0..pairs-1 are chosen answers, pairs..2*pairs-1 the rejected ones of the same pairs. */
typedef struct {
    int pairs, width;
    const double *policy, *reference; /* (2*pairs, width) log-probabilities of the tokens; reference NULL: reference-free, all zero */
    const double *mask;               /* (2*pairs, width): tokens of the answer */
    const double *row_weight;         /* (pairs): a factor of each pair's loss without gradient (WPO), or NULL */
} dpo_batch;
typedef struct {
    double loss;
    double reward_chosen, reward_rejected, accuracy, margin; /* means over pairs; rewards are beta * log ratio; ties are no hits */
    double logp_chosen, logp_rejected;
} dpo_result;
/* As trl's DPOTrainer. grad (2*pairs, width), may be NULL: dloss / dpolicy. Fails on an unknown kind, naming the nearest. */
lmm_status dpo_loss(dpo_result *out, double *grad, const dpo_config *c, const dpo_batch *b);
bool dpo_kind_known(const char *name);

/* LLaVA-NeXT's own loss (dpo_llava.c) on summed (ipo: mean) log-probabilities: "sigmoid" (with smoothing), "hinge", "ipo", "kto_pair". */
typedef struct {
    const char *kind;
    double beta, smoothing;
    bool reference_free; /* in the loss; rewards still subtract the reference */
} llava_dpo_config;
typedef struct {
    int pairs;
    const double *policy_chosen, *policy_rejected, *reference_chosen, *reference_rejected; /* (pairs) */
} llava_dpo_batch;
/* Arrays are the caller's, NULL where not wanted: losses (pairs), of kto_pair (2*pairs); the others (pairs). */
typedef struct {
    double *losses, *grad_chosen, *grad_rejected, *reward_chosen, *reward_rejected;
    double loss, accuracy, margin; /* means */
} llava_dpo_result;
lmm_status llava_dpo_loss(llava_dpo_result *out, const llava_dpo_config *c, const llava_dpo_batch *b);
/* The same from the tokens, as dpo_loss. */
lmm_status llava_dpo_tokens(dpo_result *out, double *grad, const llava_dpo_config *c, const dpo_batch *b);
bool llava_dpo_kind_known(const char *name);
/* Sums (means) of masked log-probabilities row by row. logp, mask: (rows, width); out: (rows). */
void sequence_logps(double *out, const double *logp, const double *mask, int rows, int width, bool mean);

/* ---- policy losses (grpo_loss.c) ---- */

typedef struct {
    const char *kind;           /* grpo, bnpo, dr_grpo, dapo, cispo, cispo_band, sapo, luspo, vespo */
    const char *reduce;         /* how tokens become one number: sequence, token, length, item, sequence_sum; NULL: the kind's own way */
    double beta;                /* of the KL term; 0: none */
    const char *kl;             /* its estimator (kl_estimate); NULL: k3 */
    double clip_low, clip_high; /* ratio within [1 - low, 1 + high]; cispo: high is the bound itself */
    double delta;               /* two-sided clipping: upper bound of the unclipped ratio; 0: none */
    double dual_clip;           /* bound of a bad answer's ratio, as verl has it (3); 0: none */
    bool sequence_ratio;        /* one ratio a row (GSPO) */
    bool token_slope;           /* with it: its slope is the token's own, not the row's mean (GSPO-token) */
    int max_length;             /* of a completion: the constant divisor of "length" */
    int accumulate, ranks;      /* micro batches a step; processes */
    double top_entropy;         /* share of the tokens with the highest entropy that learn; 1: all */
    double entropy_bonus;
    double off_policy_threshold; /* NAN: none. Rows with a negative advantage that drifted further are dropped (DeepSeek-V3.2) */
    bool bias_corrected_kl;
    double sapo_positive, sapo_negative; /* temperatures */
    double vespo_k_positive, vespo_lambda_positive, vespo_k_negative, vespo_lambda_negative;
} grpo_config;
grpo_config grpo_defaults(const char *kind); /* trl's */
typedef struct {
    int rows, width;
    const double *logp;             /* (rows, width) of the policy now */
    const double *old;              /* at the rollout; NULL: now's, without gradient */
    const double *reference;        /* needed when beta > 0; with it the KL is reported, whatever beta */
    const double *sampled;          /* of the rollout's engine; NULL: old's */
    const double *entropy;          /* of each token's distribution; needed for top_entropy and entropy_bonus, reported when there */
    const double *mask, *tool_mask; /* tool_mask NULL: all 1 */
    const double *rollout_ratio;    /* factor of each token (rows, width), or of each row (rows) when rollout_by_row; NULL: 1 */
    bool rollout_by_row;
    const double *advantage; /* (rows) */
    double item_count;       /* tokens of the whole generation batch over all ranks: "item" */
    double row_count;        /* rows that means go over, of all ranks: verl leaves out those without a token; 0: the rows here */
} grpo_batch;
typedef struct {
    double loss, kl, entropy;
    double clip_low, clip_high, clip_region; /* shares of tokens (rows with sequence_ratio) whose ratio was cut; cispo: clip_high only */
    double clip_low_least, clip_high_most;   /* of one row */
    double kl_of_rows;                       /* mean over rows of their means: what the first GRPO trainers logged as kl */
    double approximate_kl;                   /* mean of old - now: verl's ppo_kl */
    double mean_nll;                         /* of the tokens; of the rows' means when rows are reduced so: EasyR1's entropy_loss */
    /* Shares of tokens: whose cost the clip raised (verl's pg_clipfrac); whose cost dual_clip holds (pg_clipfrac_lower); where the free ratio costs more than the cut one
     * (VLM-R1's clip_ratio, which counts the side that is not cut). */
    double raised, held, unclipped;
} grpo_result;
/* As trl's GRPOTrainer._compute_loss. grad_logp, grad_entropy: (rows, width), may be NULL. */
lmm_status grpo_loss(grpo_result *out, double *grad_logp, double *grad_entropy, const grpo_config *c, const grpo_batch *b);
bool grpo_kind_known(const char *name);
bool grpo_reduction_known(const char *name);

/* Penalty of a token for leaving the reference, d = reference - policy: "k1" -d, "abs", "k2" d*d/2, "k3" exp(d) - d - 1. slope: its derivative by the policy's log-probability, may be
 * NULL. d is cut to +-20 before the exponential and k3 to +-10 when `bounded`, as verl does. */
double kl_estimate(const char *kind, double d, bool bounded, double *slope);

/* ---- advantages (advantage.c) ---- */

typedef enum { SCALE_GROUP, SCALE_BATCH, SCALE_NONE } reward_scale;
typedef struct {
    int group;             /* completions of one prompt, side by side */
    const double *weights; /* (functions) */
    reward_scale scale;
    bool normalize_then_sum; /* GDPO: each reward function is normalised in its group first */
    double eps;              /* beside the deviation: trl 1e-4, verl 1e-6 */
} advantage_config;
/* rewards: (rows, functions), NAN where a function had nothing to say; rows is a multiple of the group. Equal rewards of a group give exactly 0, as does a row without any
 * reward. total, deviation: (rows), may be NULL; deviation is the group's (batch's). */
void grpo_advantages(double *advantage, double *total, double *deviation, const double *rewards, int rows, int functions,
                     const advantage_config *c);
/* What a rollout came to, as means over its rows; zero_groups is the share whose group had equal rewards. A row without a reward (NAN) counts 0. */
typedef struct {
    double reward, deviation, zero_groups, length;
} reward_means;
reward_means reward_means_of(const double *total, const double *deviation, const double *length, int rows);
/* Over a group of n scores: best minus second best for the best, over the deviation; r minus the mean of the others. */
void passk_advantages(double *advantage, const double *score, int n, double eps);
void rloo_advantages(double *advantage, const double *score, int n);
/* What a row got over what the greedy answer to its prompt got (ReMax, arXiv 2310.10505). baseline: (rows) */
void remax_advantages(double *advantage, const double *score, const double *baseline, int rows);
/* Discounted return of every token, starting anew behind the mask's end, whitened by the moments of all masked tokens; places outside
 * the mask get a value too, which nothing uses. (rows, width) */
void reinforce_advantages(double *advantage, double *returns, const double *reward, const double *mask, int rows, int width, double gamma);

/* ---- masks (grpo_mask.c) ---- */

/* 1 up to and including the first stop id of a row. ids, mask: (rows, width) */
void completion_mask(double *mask, const int *ids, int rows, int width, const int *stops, int stop_count);
/* Whether an answer was cut off: its last id is none of those that end one. */
bool completion_truncated(const int *ids, int count, const int *ends, int end_count);
/* Tokens of it that learn: all, or none when it was cut off and such answers are masked. */
int completion_learns(int count, bool truncated, bool mask_truncated);
/* Which prompt the k-th completion of a run learns from: `prompts` of a rollout one after the other, each `group` times, the whole `updates` times over. */
typedef struct {
    int64_t prompts;
    int group, updates;
} rollout_plan;
int64_t rollout_prompt(const rollout_plan *p, int64_t k);
/* Completions in whole rollouts over so many prompts: what is left over at the end gives none. */
int64_t rollout_total(const rollout_plan *p, int64_t prompts);
/* Tokens whose entropy reaches the quantile over all masked ones (linear interpolation, as torch.quantile). Gives the threshold. */
double high_entropy_mask(double *out, const double *entropy, const double *mask, int count, double quantile);
/* exp(old - sampled) of a token or a whole row, cut to [low, high] ("truncate") or 0 outside ("mask"). low NAN: none. out: (rows, width), or (rows) for sequences. */
typedef enum { ROLLOUT_TOKEN_TRUNCATE, ROLLOUT_TOKEN_MASK, ROLLOUT_SEQUENCE_TRUNCATE, ROLLOUT_SEQUENCE_MASK } rollout_mode;
void rollout_ratio(double *out, const double *old, const double *sampled, const double *mask, int rows, int width, rollout_mode mode,
                   double low, double high);

/* ---- rewards of form (reward_format.c): 1 or 0, tags() in quarters ---- */

/* Names: "open_r1_multimodal", "vlm_r1", "open_r1", "tags", "trl_think", "easyr1_math", "easyr1_math_tightened", "caption" (LLaVA-Critic-R1's), "boxed_or_tags" (lmms-eval's).
 * Source: rl.md 3.6. */
double reward_format(const char *name, const char *text);
/* Without the white space around <, > and /, which EasyR1 takes away first; free() */
char *easyr1_tightened(const char *text);
bool reward_format_known(const char *name);
/* The text between the first (last) <answer> and the next </answer>; NULL when there is none. one_line: no newline may be inside. */
const char *answer_find(const char *text, bool last, bool one_line, size_t *size);

/* ---- rewards of length and repetition (reward_length.c) ---- */

typedef struct {
    double length_max, wrong_low, wrong_high, right_low, right_high;
    bool clamp; /* length / length_max at most 1 */
} cosine_config;
double reward_cosine(double length, bool right, const cosine_config *c);
/* 0 up to length_max - cache, then falling to -1 at length_max (DAPO). */
double reward_overlong(double length, double length_max, double cache);
/* (1 - distinct / all) * penalty over the n-grams of ids, or of lower-cased words. */
double reward_repetition(const int *ids, int count, int n, double penalty);
double reward_repeated_words(const char *text, int n, double penalty);
/* Marks of steps ("First,", "1.", list items), a third each, 1 at most (open-r1). */
double reward_steps(const char *text);
/* Over a group: 0.5 at the shortest to -0.5 at the longest for a right answer, no more than 0 for a wrong one (Kimi k1.5). */
void reward_shortness(double *out, const double *length, const bool *right, int count);

/* ---- accuracy (reward_accuracy.c) ---- */

/* 1 when the last answer of the text (an answer tag, else a box) is the reference's by a person's judgement (answer_agrees). 0 without an answer: thoughts never count. */
double reward_accuracy(const char *text, const char *gold);
/* The same where a text without tag or box is the answer as a whole. */
double reward_exact(const char *text, const char *gold);
/* Open-R1-multimodal's, to the fault: math_verify over both whole texts, thoughts included, with the completion as gold; failing that the first answer tags (of one line, else the
 * whole texts) must be the same string. */
double reward_accuracy_r1mm(const char *text, const char *gold);

/* ---- accuracy as other trainers and evaluators have it: named after them, to the fault, NAN where they skip a completion ---- */

/* EasyR1's (reward_easyr1.c): mathruler over the first answer tag of one line, else all of the text; over the last box. */
double reward_easyr1_r1v(const char *text, const char *gold);
double reward_easyr1_math(const char *text, const char *gold);
/* VLM-R1's (reward_vlm_r1.c): "default", which can be a fraction, and "mcq"; its repetition, where a list of boxes counts by boxes. */
double reward_vlm_r1(const char *text, const char *gold);
double reward_vlm_r1_choice(const char *text, const char *gold);
double reward_vlm_r1_repetition(const char *text, int words, double penalty);
/* trl's accuracy and reasoning accuracy, open-r1's (reward_trl.c). */
double reward_trl(const char *text, const char *gold);
double reward_trl_reasoning(const char *text, const char *gold);
double reward_open_r1(const char *text, const char *gold);
/* lmms-eval's reasoning tasks (reward_lmms_eval.c); what they take for the answer (free()) and for the option's letter, '\0' without one. */
double reward_lmms_eval(const char *text, const char *gold);
char *lmms_eval_answer(const char *text);
char lmms_eval_letter(const char *text);

/* ---- answers that are mathematics (mathverify.c) ---- */

/* The verdict of math_verify 0.9 with its default settings on two texts; it finds the answers itself: LaTeX, boxes, "the answer is", else the last number. Not symmetric. Text
 * that is no mathematics never agrees. strict false: symbols may have other names. Work is bounded by counts, whatever the text. */
bool math_verify(const char *gold, const char *text, bool strict);
/* The verdict of mathruler 0.1.0 (mathruler.c), EasyR1's grader; bounded like math_verify. */
bool mathruler_agrees(const char *gold, const char *given);
/* A person's judgement (math_human.c): the answer tag's content, else the boxes', else what is announced, else all of the text; letters of choices as letters, words as words,
 * mathematics in people's notation (1e-3, 2 1/3, 30 degrees in a sine), units converted. */
bool answer_agrees(const char *gold, const char *text);
/* What it finds: true when there is a value; raw is the text of the first match (free(), NULL without any). */
bool math_extracted(const char *text, char **raw);
/* The one of a few options ("A", "B", ...) that a text settles on, case and all; NULL for none (math_option.c). */
const char *math_option(const char *text, const char *const *options, int count);

/* ---- rewards of boxes and choices (reward_box.c, reward_choice.c) ---- */

typedef struct {
    double x1, y1, x2, y2;
    const char *label;
} labelled_box;
/* VLM-R1's: the intersection counts pixels inclusively, the union does not. */
double box_iou(const labelled_box *a, const labelled_box *b);
/* The first [x1, y1, x2, y2] in the text's last answer, else in the text. false: there is none. label: "" */
bool box_read(labelled_box *out, const char *text);
double reward_detection(const labelled_box *found, int found_count, const labelled_box *wanted, int wanted_count, double threshold,
                        double w_position, double w_label, double w_completeness);
/* The option letter an answer settles on, '\0' when there is none (VLM-R1). */
char choice_letter(const char *text);
/* "yes" or "no", whichever stands first in the text, NULL for neither. */
const char *yes_or_no(const char *text);
/* 1 - (insertions and deletions) / (length of both), over characters: python-Levenshtein's ratio. */
double levenshtein_ratio(const char *a, const char *b);
/* The last answer's text on one line, lower case, without trailing dots (VLM-R1's clean_text). free() */
char *answer_clean(const char *text);

/* ---- controllers (controller.c) ---- */

/* Entropy coefficient that follows a target (Skywork-OR1): up by delta below it, down above, within [low, high]; applied only while the last entropy was at or below it. */
typedef struct {
    double value, low, high, delta, target;
    double last; /* entropy measured last, NAN before the first */
} entropy_controller;
double entropy_controller_applied(const entropy_controller *c);
void entropy_controller_update(entropy_controller *c, double entropy);
/* KL coefficient (arXiv 1909.08593): value *= 1 + clip(kl / target - 1, -0.2, 0.2) * steps / horizon. */
double kl_controller(double value, double kl, double target, double horizon, double steps);
/* A reference that follows the policy (TR-DPO, arXiv 2404.09656): alpha * policy + (1 - alpha) * reference, in place. */
void reference_mix(float *reference, const float *policy, int64_t n, double alpha);

#endif
