/* dpo_llava.c - the preference loss of LLaVA-NeXT's trainer (its copy of an early trl): sequence sums, label smoothing inside sigmoid, kto_pair. Source: rl.md 8.2 to
 * 8.4. */
#include "align/align_int.h"

#include <string.h>

static double margin_loss(const llava_dpo_config *c, double x, double *slope) {
    const double b = c->beta, e = c->smoothing;
    if (!strcmp(c->kind, "hinge")) return *slope = b * x < 1 ? -b : 0, b * x < 1 ? 1 - b * x : 0;
    if (!strcmp(c->kind, "ipo")) return *slope = 2 * (x - 1 / (2 * b)), (x - 1 / (2 * b)) * (x - 1 / (2 * b));
    *slope = b * (-(1 - e) * sigmoid(-b * x) + e * sigmoid(b * x));
    return -(1 - e) * log_sigmoid(b * x) - e * log_sigmoid(-b * x);
}

/* 1 - sigma(b (s_w - KL_l)) and 1 - sigma(b (KL_w - s_l)), KL = max(0, mean score): its gradient reaches every row. */
static void kto_pair(double *losses, double *grad_chosen, double *grad_rejected, const llava_dpo_config *c, const llava_dpo_batch *b) {
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
        losses[i] = 1 - w, losses[n + i] = 1 - l;
        if (grad_chosen) grad_chosen[i] = -slope_w, grad_rejected[i] = slope_l;
        pull_rejected += slope_w / n; /* through KL_l */
        pull_chosen -= slope_l / n;   /* through KL_w */
    }
    for (int i = 0; grad_chosen && i < n; i++) {
        if (on_chosen) grad_chosen[i] += pull_chosen;
        if (on_rejected) grad_rejected[i] += pull_rejected;
    }
}

lmm_status llava_dpo_loss(double *losses, double *grad_chosen, double *grad_rejected, const llava_dpo_config *c, const llava_dpo_batch *b) {
    static const char *const known[] = {"sigmoid", "hinge", "ipo", "kto_pair", NULL};
    bool found = false;
    for (int i = 0; known[i]; i++) found |= !strcmp(known[i], c->kind);
    if (!found) return LMM_FAIL(LMM_E_ARG, "no loss '%s' in LLaVA's trainer (sigmoid, hinge, ipo, kto_pair)", c->kind);
    if (!strcmp(c->kind, "kto_pair")) return kto_pair(losses, grad_chosen, grad_rejected, c, b), LMM_OK;
    for (int i = 0; i < b->pairs; i++) {
        double reference = c->reference_free ? 0 : b->reference_chosen[i] - b->reference_rejected[i], slope;
        losses[i] = margin_loss(c, b->policy_chosen[i] - b->policy_rejected[i] - reference, &slope);
        if (grad_chosen) grad_chosen[i] = slope / b->pairs, grad_rejected[i] = -slope / b->pairs;
    }
    return LMM_OK;
}
