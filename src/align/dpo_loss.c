/* dpo_loss.c - fifteen ways to prefer the chosen answer, as trl's DPOTrainer computes them, with their gradients.
 *
 * A loss sees of each pair the scores s = log pi(answer) - log ref(answer) and gives its derivatives by them. Source: trl 1.10 dpo_trainer.py (_compute_loss); rl.md 8.2. */
#include "align/align_int.h"

#include <stdlib.h>
#include <string.h>

/* One pair as the losses see it, and the derivatives they leave. */
typedef struct {
    double chosen, rejected;     /* scores, after the divergence */
    double n_chosen, n_rejected; /* tokens */
    double d_chosen, d_rejected; /* out */
} pair;

/* A function of beta * (chosen - rejected): value and slope. */
static double along_margin(pair *p, double beta, double value, double slope) {
    p->d_chosen = beta * slope;
    p->d_rejected = -beta * slope;
    return value;
}

static double sigmoid_loss(pair *p, const dpo_config *c) {
    double x = c->beta * (p->chosen - p->rejected);
    return along_margin(p, c->beta, -log_sigmoid(x), -sigmoid(-x));
}

static double hinge_loss(pair *p, const dpo_config *c) {
    double x = c->beta * (p->chosen - p->rejected);
    return along_margin(p, c->beta, x < 1 ? 1 - x : 0, x < 1 ? -1 : 0);
}

static double ipo_loss(pair *p, const dpo_config *c) {
    double x = p->chosen / p->n_chosen - p->rejected / p->n_rejected - 1 / (2 * c->beta);
    p->d_chosen = 2 * x / p->n_chosen;
    p->d_rejected = -2 * x / p->n_rejected;
    return x * x;
}

static double exo_loss(pair *p, const dpo_config *c) {
    double x = c->beta * (p->chosen - p->rejected), a = sigmoid(x), b = sigmoid(-x);
    double u = log_sigmoid(x) - log(1 - c->smoothing), v = log_sigmoid(-x) - log(c->smoothing);
    return along_margin(p, c->beta, a * u + b * v, a * b * (u - v) + a * b - b * a);
}

static double nca_loss(pair *p, const dpo_config *c) {
    double w = c->beta * p->chosen, l = c->beta * p->rejected;
    p->d_chosen = c->beta * (-sigmoid(-w) + 0.5 * sigmoid(w));
    p->d_rejected = c->beta * 0.5 * sigmoid(l);
    return -log_sigmoid(w) - 0.5 * log_sigmoid(-w) - 0.5 * log_sigmoid(-l);
}

static double robust_loss(pair *p, const dpo_config *c) {
    double x = c->beta * (p->chosen - p->rejected), e = c->smoothing;
    return along_margin(p, c->beta, (-(1 - e) * log_sigmoid(x) + e * log_sigmoid(-x)) / (1 - 2 * e),
                        (-(1 - e) * sigmoid(-x) - e * sigmoid(x)) / (1 - 2 * e));
}

static double bco_loss(pair *p, const dpo_config *c) {
    double w = c->beta * p->chosen, l = c->beta * p->rejected;
    p->d_chosen = -c->beta * sigmoid(-w);
    p->d_rejected = c->beta * sigmoid(l);
    return -log_sigmoid(w) - log_sigmoid(-l);
}

static double sppo_loss(pair *p, const dpo_config *c) {
    double w = p->chosen - 0.5 / c->beta, l = p->rejected + 0.5 / c->beta;
    p->d_chosen = 2 * w;
    p->d_rejected = 2 * l;
    return w * w + l * l;
}

static double apo_zero_loss(pair *p, const dpo_config *c) {
    double w = sigmoid(c->beta * p->chosen), l = sigmoid(c->beta * p->rejected);
    p->d_chosen = -c->beta * w * (1 - w);
    p->d_rejected = c->beta * l * (1 - l);
    return 1 - w + l;
}

static double apo_down_loss(pair *p, const dpo_config *c) {
    double w = sigmoid(c->beta * p->chosen), m = sigmoid(c->beta * (p->chosen - p->rejected));
    p->d_chosen = c->beta * (w * (1 - w) - m * (1 - m));
    p->d_rejected = c->beta * m * (1 - m);
    return w + 1 - m;
}

static double discopop_loss(pair *p, const dpo_config *c) {
    double tau = c->tau > 0 ? c->tau : 0.05, z = c->beta * (p->chosen - p->rejected), g = sigmoid(z / tau), slope = g * (1 - g) / tau;
    return along_margin(p, c->beta, -(1 - g) * log_sigmoid(z) + g * exp(-z),
                        slope * log_sigmoid(z) - (1 - g) * sigmoid(-z) + slope * exp(-z) - g * exp(-z));
}

static double sigmoid_norm_loss(pair *p, const dpo_config *c) {
    double x = c->beta * (p->chosen / p->n_chosen - p->rejected / p->n_rejected), slope = -c->beta * sigmoid(-x);
    p->d_chosen = slope / p->n_chosen;
    p->d_rejected = -slope / p->n_rejected;
    return -log_sigmoid(x);
}

/* ---- losses that compare sorted batches (AOT, arXiv 2406.05882) ---- */

typedef struct {
    double value;
    int index;
} ranked;

static int by_value(const void *a, const void *b) {
    double x = ((const ranked *)a)->value, y = ((const ranked *)b)->value;
    return x < y ? -1 : x > y;
}

static ranked *sorted(const double *values, int n) {
    ranked *r = mem_new((size_t)n, sizeof *r);
    for (int i = 0; i < n; i++) r[i] = (ranked){values[i], i};
    qsort(r, (size_t)n, sizeof *r, by_value);
    return r;
}

/* Smoothed sigmoid loss of high[k] - low[k] in sorted order; slopes go back to where the values came from. */
static double sorted_loss(const double *high, const double *low, double *d_high, double *d_low, int n, const dpo_config *c) {
    ranked *a = sorted(high, n), *b = sorted(low, n);
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double x = c->beta * (a[i].value - b[i].value), e = c->smoothing;
        double slope = c->beta * (-(1 - e) * sigmoid(-x) + e * sigmoid(x));
        sum += -(1 - e) * log_sigmoid(x) - e * log_sigmoid(-x);
        d_high[a[i].index] = slope;
        d_low[b[i].index] = -slope;
    }
    free(a);
    free(b);
    return sum;
}

/* ---- the table ---- */

typedef struct {
    const char *name;
    double (*loss)(pair *p, const dpo_config *c); /* NULL: not a matter of single pairs */
} dpo_kind;
static const dpo_kind kinds[] = {
    {"sigmoid", sigmoid_loss},
    {"hinge", hinge_loss},
    {"ipo", ipo_loss},
    {"exo_pair", exo_loss},
    {"nca_pair", nca_loss},
    {"robust", robust_loss},
    {"bco_pair", bco_loss},
    {"sppo_hard", sppo_loss},
    {"aot", NULL},
    {"aot_unpaired", NULL},
    {"apo_zero", apo_zero_loss},
    {"apo_down", apo_down_loss},
    {"discopop", discopop_loss},
    {"sigmoid_norm", sigmoid_norm_loss},
    {"sft", NULL},
};

static const dpo_kind *find_kind(const char *name) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(name, kinds[i].name)) return &kinds[i];
    return NULL;
}

bool dpo_kind_known(const char *name) { return find_kind(name) != NULL; }

static lmm_status unknown_kind(const char *name) {
    const char *names[COUNT_OF(kinds) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) names[i] = kinds[i].name;
    const char *near = nearest_word(name, names);
    return LMM_FAIL(LMM_E_ARG, "no preference loss '%s' (did you mean '%s'?)", name, near ? near : "sigmoid");
}

/* ---- scores ---- */

/* Score of a divergence and its slope by the plain log ratio s. */
static double divergence_score(const dpo_config *c, double s, double *slope) {
    switch (c->divergence) {
    case DIVERGENCE_FORWARD_KL: return *slope = exp(-s), -exp(-s);
    case DIVERGENCE_JS: return *slope = sigmoid(-s), log_sigmoid(s);
    case DIVERGENCE_ALPHA: break;
    default: return *slope = 1, s;
    }
    double k = c->alpha - 1;
    if (k == 0) return *slope = 1, s;
    double e = k * s;
    *slope = e < 80 ? exp(e) : 0;
    return exp(fmin(e, 80)) / k;
}

typedef struct {
    double policy, reference, count; /* of a row: weighted sums, tokens */
    double score, slope;
    double grad; /* of the loss by the score */
} answer;

/* Weight of a row's token number k, counted over its masked tokens. */
static double token_weight(const dpo_config *c, int k, int shorter) { return c->length_desensitised && k >= shorter ? c->tail_weight : 1; }

static int row_tokens(const dpo_batch *b, int row) {
    int n = 0;
    for (int t = 0; t < b->width; t++) n += b->mask[row * b->width + t] != 0;
    return n;
}

static int shorter_tokens(const dpo_batch *b, int row) {
    int pair_ = row % b->pairs;
    return min_int(row_tokens(b, pair_), row_tokens(b, pair_ + b->pairs));
}

static answer answer_of(const dpo_config *c, const dpo_batch *b, int row) {
    answer a = {0};
    int shorter = shorter_tokens(b, row), k = 0;
    for (int t = 0; t < b->width; t++) {
        int at = row * b->width + t;
        if (b->mask[at] == 0) continue;
        double w = token_weight(c, k++, shorter);
        a.policy += w * b->policy[at];
        a.reference += b->reference ? w * b->reference[at] : 0;
    }
    a.count = k;
    a.score = divergence_score(c, a.policy - a.reference, &a.slope);
    return a;
}

/* ---- the batch ---- */

static double pairs_loss(const dpo_kind *kind, const dpo_config *c, const dpo_batch *b, answer *rows, double weight) {
    double sum = 0;
    for (int i = 0; i < b->pairs; i++) {
        answer *w = &rows[i], *l = &rows[i + b->pairs];
        pair p = {.chosen = w->score, .rejected = l->score, .n_chosen = fmax(1, w->count), .n_rejected = fmax(1, l->count)};
        double share = weight * (b->row_weight ? b->row_weight[i] : 1) / b->pairs;
        sum += share * kind->loss(&p, c);
        w->grad += share * p.d_chosen;
        l->grad += share * p.d_rejected;
    }
    return sum;
}

/* aot compares the margins of the policy with the reference's; aot_unpaired all chosen scores with all rejected ones. */
static double aot_loss(bool unpaired, const dpo_config *c, const dpo_batch *b, answer *rows, double weight) {
    const int n = b->pairs;
    double *at = mem_new((size_t)n * 4, sizeof *at), *high = at, *low = at + n, *d_high = at + 2 * n, *d_low = at + 3 * n;
    for (int i = 0; i < n; i++) {
        const answer *w = &rows[i], *l = &rows[i + n];
        high[i] = unpaired ? w->score : w->policy - l->policy;
        low[i] = unpaired ? l->score : w->reference - l->reference;
    }
    double share = weight / n, sum = share * sorted_loss(high, low, d_high, d_low, n, c);
    for (int i = 0; i < n; i++) {
        rows[i].grad += share * d_high[i] / (unpaired ? 1 : rows[i].slope);
        rows[i + n].grad += share * (unpaired ? d_low[i] : -d_high[i] / rows[i + n].slope);
    }
    free(at);
    return sum;
}

/* Cross entropy over the chosen answers' tokens; its gradient goes to the tokens at once. */
static double sft_loss(const dpo_batch *b, double *grad, double weight) {
    double sum = 0, count = 0;
    for (int i = 0; i < b->pairs * b->width; i++) count += b->mask[i], sum -= b->mask[i] ? b->policy[i] : 0;
    for (int i = 0; grad && i < b->pairs * b->width; i++) grad[i] -= b->mask[i] ? weight / count : 0;
    return count ? weight * sum / count : 0;
}

static void report(dpo_result *out, const dpo_config *c, const dpo_batch *b, const answer *rows) {
    for (int i = 0; i < b->pairs; i++) {
        const answer *w = &rows[i], *l = &rows[i + b->pairs];
        double good = c->beta * (w->policy - w->reference), bad = c->beta * (l->policy - l->reference);
        out->reward_chosen += good / b->pairs;
        out->reward_rejected += bad / b->pairs;
        out->accuracy += (good > bad) / (double)b->pairs;
        out->margin += (good - bad) / b->pairs;
        out->logp_chosen += w->policy / b->pairs;
        out->logp_rejected += l->policy / b->pairs;
    }
}

static void spread_gradient(double *grad, const dpo_config *c, const dpo_batch *b, const answer *rows) {
    for (int row = 0; row < 2 * b->pairs; row++) {
        int shorter = shorter_tokens(b, row), k = 0;
        for (int t = 0; t < b->width; t++) {
            int at = row * b->width + t;
            if (b->mask[at]) grad[at] += rows[row].grad * rows[row].slope * token_weight(c, k++, shorter);
        }
    }
}

lmm_status dpo_loss(dpo_result *out, double *grad, const dpo_config *c, const dpo_batch *b) {
    bool weighted = false;
    for (int i = 0; i < DPO_KIND_MAX && c->kinds[i]; i++) {
        if (!find_kind(c->kinds[i])) return unknown_kind(c->kinds[i]);
        weighted |= c->weights[i] != 0;
    }
    *out = (dpo_result){0};
    if (grad) memset(grad, 0, (size_t)(2 * b->pairs * b->width) * sizeof *grad);
    answer *rows = mem_new((size_t)b->pairs * 2, sizeof *rows);
    for (int row = 0; row < 2 * b->pairs; row++) rows[row] = answer_of(c, b, row);
    for (int i = 0; i < DPO_KIND_MAX && c->kinds[i]; i++) {
        const dpo_kind *kind = find_kind(c->kinds[i]);
        double weight = weighted ? c->weights[i] : 1;
        if (kind->loss) out->loss += pairs_loss(kind, c, b, rows, weight);
        else if (!strcmp(kind->name, "sft")) out->loss += sft_loss(b, grad, weight);
        else out->loss += aot_loss(!strcmp(kind->name, "aot_unpaired"), c, b, rows, weight);
    }
    report(out, c, b, rows);
    if (grad) spread_gradient(grad, c, b, rows);
    free(rows);
    return LMM_OK;
}
