/* advantage.c - from rewards to advantages.
 *
 * Deviations divide by n - 1. Equal rewards are found by comparing them, not by their deviation: in f32 the originals get a deviation of 1e-7 and with it advantages of 1e-3 out of
 * rounding alone (rl.md 5.3 g). */
#include "align/align.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    double mean, deviation;
    bool equal;
} moments;

/* Over the values that are numbers; stride between them. */
static moments moments_of(const double *x, int n, int stride) {
    moments m = {.equal = true};
    int count = 0;
    double first = NAN, sum = 0;
    for (int i = 0; i < n; i++) {
        double v = x[i * stride];
        if (isnan(v)) continue;
        if (!count++) first = v;
        m.mean += v;
        m.equal &= v == first;
    }
    m.mean = count ? m.mean / count : 0;
    for (int i = 0; i < n; i++) sum += isnan(x[i * stride]) ? 0 : (x[i * stride] - m.mean) * (x[i * stride] - m.mean);
    m.deviation = count > 1 && !m.equal ? sqrt(sum / (count - 1)) : 0;
    return m;
}

static bool no_reward(const double *row, int functions) {
    for (int k = 0; k < functions; k++)
        if (!isnan(row[k])) return false;
    return true;
}

/* (r - mean) / (deviation + eps) within every `group` values of x, in place. */
static void normalize(double *x, int rows, int group, double eps, bool divide, double *deviation) {
    for (int first = 0; first < rows; first += group) {
        moments m = moments_of(x + first, group, 1);
        for (int i = first; i < first + group; i++) {
            if (!isnan(x[i])) x[i] = m.equal ? 0 : (x[i] - m.mean) / (divide ? m.deviation + eps : 1);
            if (deviation) deviation[i] = m.deviation;
        }
    }
}

/* Weighted sum over the functions, NAN without any. */
static void weighted_sum(double *sum, const double *rewards, int rows, int functions, const double *weights) {
    for (int i = 0; i < rows; i++) {
        const double *row = rewards + i * functions;
        sum[i] = no_reward(row, functions) ? NAN : 0;
        for (int k = 0; k < functions; k++)
            if (!isnan(row[k])) sum[i] += weights[k] * row[k];
    }
}

/* Each function normalised in its group, then added up: GDPO. */
static void normalized_sum(double *sum, const double *rewards, int rows, int functions, const advantage_config *c) {
    for (int i = 0; i < rows; i++) sum[i] = no_reward(rewards + i * functions, functions) ? NAN : 0;
    for (int k = 0; k < functions; k++)
        for (int first = 0; first < rows; first += c->group) {
            moments m = moments_of(rewards + first * functions + k, c->group, functions);
            for (int i = first; i < first + c->group; i++) {
                double r = rewards[i * functions + k];
                if (!isnan(r) && !m.equal) sum[i] += c->weights[k] * (r - m.mean) / (m.deviation + c->eps);
            }
        }
}

void grpo_advantages(double *advantage, double *total, double *deviation, const double *rewards, int rows, int functions,
                     const advantage_config *c) {
    if (c->normalize_then_sum) normalized_sum(advantage, rewards, rows, functions, c);
    else weighted_sum(advantage, rewards, rows, functions, c->weights);
    for (int i = 0; total && i < rows; i++) total[i] = advantage[i];
    if (c->normalize_then_sum) normalize(advantage, rows, rows, c->eps, true, deviation);
    else if (c->scale == SCALE_BATCH) {
        moments all = moments_of(advantage, rows, 1);
        normalize(advantage, rows, c->group, c->eps, false, NULL);
        for (int i = 0; i < rows; i++) {
            advantage[i] /= all.deviation + c->eps;
            if (deviation) deviation[i] = all.deviation;
        }
    } else normalize(advantage, rows, c->group, c->eps, c->scale == SCALE_GROUP, deviation);
    for (int i = 0; i < rows; i++)
        if (isnan(advantage[i])) advantage[i] = 0;
}

reward_means reward_means_of(const double *total, const double *deviation, const double *length, int rows) {
    reward_means m = {0};
    for (int i = 0; i < rows; i++) {
        m.reward += isnan(total[i]) ? 0 : total[i] / rows;
        m.deviation += deviation[i] / rows;
        m.zero_groups += (deviation[i] == 0) / (double)rows;
        m.length += length[i] / rows;
    }
    return m;
}

void passk_advantages(double *advantage, const double *score, int n, double eps) {
    int best = 0;
    double second = -INFINITY;
    for (int i = 1; i < n; i++)
        if (score[i] > score[best]) best = i;
    for (int i = 0; i < n; i++) {
        advantage[i] = 0;
        if (i != best && score[i] > second) second = score[i];
    }
    if (n > 1) advantage[best] = (score[best] - second) / (moments_of(score, n, 1).deviation + eps);
}

void rloo_advantages(double *advantage, const double *score, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += score[i];
    for (int i = 0; i < n; i++) advantage[i] = n > 1 ? score[i] - (sum - score[i]) / (n - 1) : 0;
}

void remax_advantages(double *advantage, const double *score, const double *baseline, int rows) {
    for (int i = 0; i < rows; i++) advantage[i] = score[i] - baseline[i];
}

void reinforce_advantages(double *advantage, double *returns, const double *reward, const double *mask, int rows, int width, double gamma) {
    double count = 0, mean = 0, sum = 0;
    for (int i = 0; i < rows; i++) {
        double running = 0;
        for (int t = width - 1; t >= 0; t--) {
            int at = i * width + t;
            running = reward[at] + gamma * running;
            returns[at] = running;
            running *= mask[at];
            mean += returns[at] * mask[at], count += mask[at];
        }
    }
    mean /= fmax(1, count);
    for (int i = 0; i < rows * width; i++) sum += mask[i] * (returns[i] - mean) * (returns[i] - mean);
    double scale = 1 / sqrt(sum / fmax(1, count - 1) + 1e-8);
    for (int i = 0; i < rows * width; i++) advantage[i] = (returns[i] - mean) * scale;
}
