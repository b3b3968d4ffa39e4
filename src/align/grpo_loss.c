/* grpo_loss.c - the policy losses of the GRPO family as trl's GRPOTrainer computes them, with gradients by the tokens' log-probabilities.
 *
 * Each kind is a surrogate (a value for every token, or every row) and a reduction (how the values become one number). Order of the masks as in the
 * original: surrogate, dropped rows, entropy mask, rollout correction, and then the KL term, which none of them touches. Source: rl.md 5.4 to 5.10. */
#include "align/align_int.h"

#include <stdlib.h>
#include <string.h>

/* A value x of one token or row, and what it changes by: dz of the log ratio, dl of the token's log-probability directly. */
typedef struct {
    double x, dz, dl;
} term;

/* What a surrogate sees. */
typedef struct {
    double ratio, advantage, logp;
    double row_weight; /* vespo's phi */
} point;

static term clipped_once(const grpo_config *c, const point *p) {
    const double A = p->advantage, r = c->delta > 0 ? fmin(p->ratio, c->delta) : p->ratio;
    const double cut = fmin(fmax(p->ratio, 1 - c->clip_low), 1 + c->clip_high);
    const double free_slope = c->delta > 0 && p->ratio > c->delta ? 0 : p->ratio, cut_slope = cut == p->ratio ? p->ratio : 0;
    if (r * A < cut * A) return (term){-r * A, -A * free_slope, 0};
    if (r * A > cut * A) return (term){-cut * A, -A * cut_slope, 0};
    return (term){-r * A, -A * (free_slope + cut_slope) / 2, 0}; /* a tie shares the gradient */
}

/* A bad answer that has become likely costs no more than dual_clip times its advantage (arXiv 1912.09729). */
static term clipped(const grpo_config *c, const point *p) {
    term x = clipped_once(c, p);
    if (c->dual_clip > 0 && p->advantage < 0 && x.x > -p->advantage * c->dual_clip) return (term){-p->advantage * c->dual_clip, 0, 0};
    return x;
}

static term cispo(const grpo_config *c, const point *p) {
    double weight = fmin(p->ratio, c->clip_high) * p->advantage;
    return (term){-weight * p->logp, 0, -weight};
}

/* EasyR1's: the factor is cut on both sides. */
static term cispo_band(const grpo_config *c, const point *p) {
    double weight = fmin(fmax(p->ratio, 1 - c->clip_low), 1 + c->clip_high) * p->advantage;
    return (term){-weight * p->logp, 0, -weight};
}

static term sapo(const grpo_config *c, const point *p) {
    double tau = p->advantage > 0 ? c->sapo_positive : c->sapo_negative, s = sigmoid(tau * (p->ratio - 1));
    return (term){-p->advantage * 4 / tau * s, -p->advantage * 4 * s * (1 - s) * p->ratio, 0};
}

static term vespo(const grpo_config *c, const point *p) {
    (void)c;
    double weight = p->row_weight * p->advantage;
    return (term){-weight * p->logp, 0, -weight};
}

typedef enum { PER_SEQUENCE, PER_TOKEN, PER_LENGTH, PER_ITEM, SEQUENCE_SUM, BY_LENGTH } reduction;
static const char *const reductions[] = {"sequence", "token", "length", "item", "sequence_sum"};
typedef struct {
    const char *name;
    term (*surrogate)(const grpo_config *c, const point *p);
    reduction reduce;
} grpo_kind;
static const grpo_kind kinds[] = {
    {"grpo", clipped, PER_SEQUENCE}, {"bnpo", clipped, PER_TOKEN}, {"dr_grpo", clipped, PER_LENGTH},
    {"dapo", clipped, PER_ITEM},     {"cispo", cispo, PER_ITEM},   {"sapo", sapo, PER_SEQUENCE},
    {"luspo", clipped, BY_LENGTH},   {"vespo", vespo, PER_ITEM},   {"cispo_band", cispo_band, PER_ITEM},
};

static const grpo_kind *find_kind(const char *name) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(name, kinds[i].name)) return &kinds[i];
    return NULL;
}

bool grpo_kind_known(const char *name) { return find_kind(name) != NULL; }

static int find_reduction(const char *name) {
    for (size_t i = 0; i < COUNT_OF(reductions); i++)
        if (!strcmp(name, reductions[i])) return (int)i;
    return -1;
}

bool grpo_reduction_known(const char *name) { return find_reduction(name) >= 0; }

grpo_config grpo_defaults(const char *kind) {
    return (grpo_config){.kind = kind,
                         .clip_low = 0.2,
                         .clip_high = !strcmp(kind, "cispo") ? 5 : 0.2,
                         .max_length = 512,
                         .accumulate = 1,
                         .ranks = 1,
                         .top_entropy = 1,
                         .off_policy_threshold = NAN,
                         .sapo_positive = 1,
                         .sapo_negative = 1.05,
                         .vespo_k_positive = 2,
                         .vespo_lambda_positive = 3,
                         .vespo_k_negative = 3,
                         .vespo_lambda_negative = 2};
}

/* ---- the work of one call ---- */

typedef struct {
    const grpo_config *c;
    const grpo_batch *b;
    const grpo_kind *kind;
    reduction reduce;
    double *mask;       /* (rows, width): completion and tool */
    double *learns;     /* (rows, width): entropy mask */
    double *z;          /* (rows, width): log ratios, the row's own in every place with sequence_ratio */
    double *row_factor; /* (rows): 0 for a dropped row */
    double *row_count;  /* (rows): masked tokens */
    double masked;      /* all of them */
} work;

static double old_of(const grpo_batch *b, int at) { return b->old ? b->old[at] : b->logp[at]; }

static void fill_masks(work *w) {
    const grpo_batch *b = w->b;
    for (int i = 0; i < b->rows * b->width; i++) {
        w->mask[i] = b->mask[i] * (b->tool_mask ? b->tool_mask[i] : 1);
        w->row_count[i / b->width] += w->mask[i];
        w->masked += w->mask[i];
        w->learns[i] = 1;
    }
    if (w->c->top_entropy < 1) high_entropy_mask(w->learns, b->entropy, w->mask, b->rows * b->width, 1 - w->c->top_entropy);
}

static void fill_ratios(work *w) {
    const grpo_batch *b = w->b;
    for (int i = 0; i < b->rows; i++) {
        double sum = 0;
        for (int t = 0; t < b->width; t++) {
            int at = i * b->width + t;
            w->z[at] = b->logp[at] - old_of(b, at);
            sum += w->z[at] * w->mask[at];
        }
        for (int t = 0; t < b->width && w->c->sequence_ratio; t++) w->z[i * b->width + t] = sum / fmax(1, w->row_count[i]);
    }
}

static void drop_rows(work *w) {
    const grpo_batch *b = w->b;
    for (int i = 0; i < b->rows; i++) {
        double drift = 0;
        for (int t = 0; t < b->width; t++) {
            int at = i * b->width + t;
            drift += ((b->sampled ? b->sampled[at] : old_of(b, at)) - b->logp[at]) * w->mask[at];
        }
        drift /= fmax(1, w->row_count[i]);
        w->row_factor[i] = b->advantage[i] < 0 && drift > w->c->off_policy_threshold ? 0 : 1; /* false for NAN */
    }
}

/* phi of a whole row (VESPO). */
static double vespo_weight(const work *w, int row) {
    const grpo_config *c = w->c;
    const bool good = w->b->advantage[row] >= 0;
    const double k = good ? c->vespo_k_positive : c->vespo_k_negative, lambda = good ? c->vespo_lambda_positive : c->vespo_lambda_negative;
    double sum = 0;
    for (int t = 0; t < w->b->width; t++) {
        int at = row * w->b->width + t;
        sum += w->mask[at] * fmin(20, fmax(-20, w->b->logp[at] - old_of(w->b, at)));
    }
    const double log_w = fmin(20, fmax(log(1e-8), sum));
    return exp(lambda + k * log_w - lambda * exp(log_w));
}

static double rollout_factor(const grpo_batch *b, int row, int at) {
    return !b->rollout_ratio ? 1 : b->rollout_by_row ? b->rollout_ratio[row] : b->rollout_ratio[at];
}

static term surrogate_at(const work *w, int row, int at, double row_weight) {
    const point p = {exp(w->z[at]), w->b->advantage[row], w->b->logp[at], row_weight};
    term x = w->kind->surrogate(w->c, &p);
    double factor = w->row_factor[row] * w->learns[at] * rollout_factor(w->b, row, at);
    return (term){x.x * factor, x.dz * factor, x.dl * factor};
}

static term kl_at(const work *w, int at, double *value) {
    double slope, k = kl_estimate(w->c->kl ? w->c->kl : "k3", w->b->reference[at] - w->b->logp[at], false, &slope), beta = w->c->beta;
    double r = w->c->bias_corrected_kl ? exp(w->z[at]) : 1;
    *value = k * r;
    return (term){beta * k * r, w->c->bias_corrected_kl ? beta * k * r : 0, beta * slope * r};
}

/* dloss / dx of a token of the row: the whole of a reduction. */
static double reduce_weight(const work *w, int row, int at) {
    const double steps = w->c->accumulate, m = w->mask[at], rows = w->b->row_count > 0 ? w->b->row_count / w->c->ranks : w->b->rows;
    switch (w->reduce) {
    case PER_SEQUENCE: return m / fmax(1, w->row_count[row]) / rows / steps;
    case PER_TOKEN: return m / fmax(1, w->masked) / steps;
    case PER_LENGTH: return m / (rows * w->c->max_length) / steps;
    case SEQUENCE_SUM: return m / rows / steps;
    case PER_ITEM: return m / (w->b->item_count / w->c->ranks);
    default: break;
    }
    /* luspo multiplies a row's value by its length and averages over all places, masked or not; without a KL term a row has one value. */
    return w->row_count[row] / ((double)w->b->rows * w->b->width) / steps;
}

/* Adds one row's terms to loss and gradient. With one ratio a row, dz reaches every token of it by the mean. */
static void add_row(const work *w, int row, grpo_result *out, double *grad) {
    const int width = w->b->width;
    const double phi = w->kind->surrogate == vespo ? vespo_weight(w, row) : 0;
    double row_dz = 0, kl;
    for (int t = 0; t < width; t++) {
        int at = row * width + t;
        term x = surrogate_at(w, row, at, phi);
        if (w->b->reference) {
            term k = kl_at(w, at, &kl);
            if (w->c->beta > 0) x.x += k.x, x.dz += k.dz, x.dl += k.dl;
            out->kl += kl * w->mask[at] / fmax(1, w->masked);
            out->kl_of_rows += kl * w->mask[at] / fmax(1, w->row_count[row]) / w->b->rows;
        }
        double weight = reduce_weight(w, row, at);
        if (weight == 0) continue;
        out->loss += weight * x.x;
        if (!grad) continue;
        grad[at] += weight * x.dl;
        if (w->c->sequence_ratio && !w->c->token_slope) row_dz += weight * x.dz;
        else grad[at] += weight * x.dz;
    }
    for (int t = 0; t < width && grad && row_dz != 0; t++)
        grad[row * width + t] += row_dz * w->mask[row * width + t] / fmax(1, w->row_count[row]);
}

/* ---- what is reported, and the entropy bonus ---- */

/* Whether the ratio of the token was cut from below (1) or above (2). */
static int cut_of(const work *w, int row, int at) {
    const bool is_cispo = w->kind->surrogate == cispo;
    double A = w->b->advantage[row], r = exp(w->z[at]);
    if (w->c->delta > 0) r = fmin(r, w->c->delta);
    if (!is_cispo && r < 1 - w->c->clip_low && A < 0) return 1;
    return r > (is_cispo ? 0 : 1) + w->c->clip_high && A > 0 ? 2 : 0;
}

static void report_clipping(const work *w, grpo_result *out) {
    const bool by_row = w->c->sequence_ratio;
    const double all = by_row ? w->b->rows : fmax(1, w->masked);
    out->clip_low_least = w->b->rows ? 1 : 0;
    for (int row = 0; row < w->b->rows; row++) {
        double low = 0, high = 0, count = by_row ? 1 : fmax(1, w->row_count[row]);
        for (int t = 0; t < (by_row ? 1 : w->b->width); t++) {
            int at = row * w->b->width + t, cut = cut_of(w, row, at);
            double weight = by_row ? 1 : w->mask[at];
            low += weight * (cut == 1);
            high += weight * (cut == 2);
        }
        out->clip_low += low / all;
        out->clip_high += high / all;
        out->clip_region += (low + high) / all;
        out->clip_low_least = fmin(out->clip_low_least, low / count);
        out->clip_high_most = fmax(out->clip_high_most, high / count);
    }
}

/* What other trainers log beside: of each token, by its own arithmetic. */
static void report_others(const work *w, grpo_result *out) {
    const grpo_config *c = w->c;
    for (int at = 0; at < w->b->rows * w->b->width; at++) {
        const int row = at / w->b->width;
        const double A = w->b->advantage[row], r = exp(w->z[at]), cut = fmin(fmax(r, 1 - c->clip_low), 1 + c->clip_high);
        const double share = w->mask[at] / fmax(1, w->masked), of_row = w->mask[at] / fmax(1, w->row_count[row]) / w->b->rows;
        out->raised += share * (r * A > cut * A);
        out->unclipped += share * (r * A < cut * A);
        out->held += share * (c->dual_clip > 0 && A < 0 && fmin(r * A, cut * A) < c->dual_clip * A);
        out->approximate_kl += share * (old_of(w->b, at) - w->b->logp[at]);
        out->mean_nll -= (w->reduce == PER_SEQUENCE ? of_row : share) * w->b->logp[at];
    }
}

static void add_entropy(const work *w, grpo_result *out, double *grad) {
    const grpo_batch *b = w->b;
    if (!b->entropy) return;
    for (int i = 0; i < b->rows * b->width; i++) out->entropy += b->entropy[i] * w->mask[i] / fmax(1, w->masked);
    for (int i = 0; i < b->rows * b->width && w->c->entropy_bonus != 0; i++) {
        double weight = w->c->entropy_bonus * reduce_weight(w, i / b->width, i);
        out->loss -= weight * b->entropy[i];
        if (grad) grad[i] -= weight;
    }
}

lmm_status grpo_loss(grpo_result *out, double *grad_logp, double *grad_entropy, const grpo_config *c, const grpo_batch *b) {
    const grpo_kind *kind = find_kind(c->kind);
    if (!kind) {
        const char *names[COUNT_OF(kinds) + 1] = {0};
        for (size_t i = 0; i < COUNT_OF(kinds); i++) names[i] = kinds[i].name;
        const char *near = nearest_word(c->kind, names);
        return LMM_FAIL(LMM_E_ARG, "no policy loss '%s' (did you mean '%s'?)", c->kind, near ? near : "dapo");
    }
    const int reduce = c->reduce ? find_reduction(c->reduce) : (int)kind->reduce;
    if (reduce < 0) return LMM_FAIL(LMM_E_ARG, "no reduction '%s' (sequence, token, length, item or sequence_sum)", c->reduce);
    const size_t n = (size_t)b->rows * (size_t)b->width;
    double *at = mem_new(3 * n + 2 * (size_t)b->rows, sizeof *at);
    work w = {.c = c,
              .b = b,
              .kind = kind,
              .reduce = (reduction)reduce,
              .mask = at,
              .learns = at + n,
              .z = at + 2 * n,
              .row_factor = at + 3 * n,
              .row_count = at + 3 * n + b->rows};
    *out = (grpo_result){0};
    if (grad_logp) memset(grad_logp, 0, n * sizeof *grad_logp);
    if (grad_entropy) memset(grad_entropy, 0, n * sizeof *grad_entropy);
    fill_masks(&w);
    fill_ratios(&w);
    drop_rows(&w);
    for (int i = 0; i < b->rows; i++) add_row(&w, i, out, grad_logp);
    report_clipping(&w, out);
    report_others(&w, out);
    add_entropy(&w, out, grad_entropy);
    free(at);
    return LMM_OK;
}

/* ---- KL ---- */

double kl_estimate(const char *kind, double d, bool bounded, double *slope) {
    double s, value;
    if (!strcmp(kind, "k1")) s = 1, value = -d;
    else if (!strcmp(kind, "abs")) s = d > 0 ? -1 : d < 0, value = fabs(d);
    else if (!strcmp(kind, "k2")) s = -d, value = 0.5 * d * d;
    else {
        double cut = bounded ? fmin(20, fmax(-20, d)) : d;
        value = exp(cut) - cut - 1;
        s = cut == d ? 1 - exp(cut) : 0;
        if (bounded && fabs(value) > 10) value = value > 0 ? 10 : -10, s = 0;
    }
    if (slope) *slope = s;
    return value;
}
