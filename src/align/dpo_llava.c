/* dpo_llava.c - the preference loss of LLaVA-NeXT's trainer (its copy of an early trl): sequence sums, label smoothing inside sigmoid, kto_pair. Source: rl.md 8.2 to
 * 8.4. */
#include "align/align_int.h"

#include <stdlib.h>
#include <string.h>

static double margin_loss(const llava_dpo_config *c, double x, double *slope) {
    const double b = c->beta, e = c->smoothing;
    if (!strcmp(c->kind, "hinge")) return *slope = b * x < 1 ? -b : 0, b * x < 1 ? 1 - b * x : 0;
    if (!strcmp(c->kind, "ipo")) return *slope = 2 * (x - 1 / (2 * b)), (x - 1 / (2 * b)) * (x - 1 / (2 * b));
    *slope = b * (-(1 - e) * sigmoid(-b * x) + e * sigmoid(b * x));
    return -(1 - e) * log_sigmoid(b * x) - e * log_sigmoid(-b * x);
}

static void single(llava_dpo_result *out, const llava_dpo_config *c, const llava_dpo_batch *b) {
    for (int i = 0; i < b->pairs; i++) {
        double reference = c->reference_free ? 0 : b->reference_chosen[i] - b->reference_rejected[i], slope;
        double loss = margin_loss(c, b->policy_chosen[i] - b->policy_rejected[i] - reference, &slope);
        out->loss += loss / b->pairs;
        if (out->losses) out->losses[i] = loss;
        if (out->grad_chosen) out->grad_chosen[i] = slope / b->pairs, out->grad_rejected[i] = -slope / b->pairs;
    }
}

/* 1 - sigma(b (s_w - KL_l)) and 1 - sigma(b (KL_w - s_l)), KL = max(0, mean score): its gradient reaches every row. */
static void kto_pair(llava_dpo_result *out, const llava_dpo_config *c, const llava_dpo_batch *b) {
    const int n = b->pairs;
    double kl_chosen = 0, kl_rejected = 0, pull_chosen = 0, pull_rejected = 0;
    for (int i = 0; i < n; i++) {
        kl_chosen += (b->policy_chosen[i] - b->reference_chosen[i]) / n;
        kl_rejected += (b->policy_rejected[i] - b->reference_rejected[i]) / n;
    }
    const bool on_chosen = kl_chosen > 0, on_rejected = kl_rejected > 0;
    kl_chosen = fmax(0, kl_chosen), kl_rejected = fmax(0, kl_rejected);
    for (int i = 0; i < n; i++) {
        double w = sigmoid(c->beta * (b->policy_chosen[i] - b->reference_chosen[i] - kl_rejected));
        double l = sigmoid(c->beta * (kl_chosen - (b->policy_rejected[i] - b->reference_rejected[i])));
        double slope_w = c->beta * w * (1 - w) / (2 * n), slope_l = c->beta * l * (1 - l) / (2 * n);
        out->loss += (1 - w + 1 - l) / (2 * n);
        if (out->losses) out->losses[i] = 1 - w, out->losses[n + i] = 1 - l;
        if (out->grad_chosen) out->grad_chosen[i] = -slope_w, out->grad_rejected[i] = slope_l;
        pull_rejected += slope_w / n; /* through KL_l */
        pull_chosen -= slope_l / n;   /* through KL_w */
    }
    for (int i = 0; out->grad_chosen && i < n; i++) {
        if (on_chosen) out->grad_chosen[i] += pull_chosen;
        if (on_rejected) out->grad_rejected[i] += pull_rejected;
    }
}

static void rewards(llava_dpo_result *out, const llava_dpo_config *c, const llava_dpo_batch *b) {
    for (int i = 0; i < b->pairs; i++) {
        double good = c->beta * (b->policy_chosen[i] - b->reference_chosen[i]),
               bad = c->beta * (b->policy_rejected[i] - b->reference_rejected[i]);
        if (out->reward_chosen) out->reward_chosen[i] = good, out->reward_rejected[i] = bad;
        out->accuracy += (good > bad) / (double)b->pairs;
        out->margin += (good - bad) / b->pairs;
    }
}

static const char *const kinds[] = {"sigmoid", "hinge", "ipo", "kto_pair"};

bool llava_dpo_kind_known(const char *name) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(kinds[i], name)) return true;
    return false;
}

lmm_status llava_dpo_loss(llava_dpo_result *out, const llava_dpo_config *c, const llava_dpo_batch *b) {
    if (!llava_dpo_kind_known(c->kind))
        return LMM_FAIL(LMM_E_ARG, "no loss '%s' in LLaVA's trainer (sigmoid, hinge, ipo, kto_pair)", c->kind);
    out->loss = out->accuracy = out->margin = 0;
    if (!strcmp(c->kind, "kto_pair")) kto_pair(out, c, b);
    else single(out, c, b);
    rewards(out, c, b);
    return LMM_OK;
}

/* ---- from tokens ---- */

static double row_tokens(const double *mask, int width) {
    double n = 0;
    for (int t = 0; t < width; t++) n += mask[t];
    return n;
}

void sequence_logps(double *out, const double *logp, const double *mask, int rows, int width, bool mean) {
    for (int i = 0; i < rows; i++) {
        out[i] = 0;
        for (int t = i * width; t < (i + 1) * width; t++) out[i] += mask[t] ? mask[t] * logp[t] : 0;
        if (mean) out[i] /= row_tokens(mask + i * width, width);
    }
}

static double mean_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] / n;
    return sum;
}

lmm_status llava_dpo_tokens(dpo_result *out, double *grad, const llava_dpo_config *c, const dpo_batch *b) {
    const int n = b->pairs, rows = 2 * n;
    const bool mean = !strcmp(c->kind, "ipo");
    double *at = mem_new((size_t)n * 8, sizeof *at), *policy = at, *reference = at + rows, *slope = at + 2 * rows, *reward = at + 3 * rows;
    sequence_logps(policy, b->policy, b->mask, rows, b->width, mean);
    if (b->reference) sequence_logps(reference, b->reference, b->mask, rows, b->width, mean);
    llava_dpo_result r = {.grad_chosen = slope, .grad_rejected = slope + n, .reward_chosen = reward, .reward_rejected = reward + n};
    lmm_status st = llava_dpo_loss(&r, c, &(llava_dpo_batch){n, policy, policy + n, reference, reference + n});
    *out = (dpo_result){.loss = r.loss,
                        .accuracy = r.accuracy,
                        .margin = r.margin,
                        .reward_chosen = mean_of(reward, n),
                        .reward_rejected = mean_of(reward + n, n),
                        .logp_chosen = mean_of(policy, n),
                        .logp_rejected = mean_of(policy + n, n)};
    for (int i = 0; grad && i < rows * b->width; i++)
        grad[i] = slope[i / b->width] * b->mask[i] / (mean ? row_tokens(b->mask + i / b->width * b->width, b->width) : 1);
    free(at);
    return st;
}
