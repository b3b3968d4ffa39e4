/* grpo_mask.c - which tokens of a completion count. */
#include "align/align.h"

#include <math.h>
#include <stdlib.h>

void completion_mask(double *mask, const int *ids, int rows, int width, const int *stops, int stop_count) {
    for (int i = 0; i < rows; i++) {
        bool stopped = false;
        for (int t = 0; t < width; t++) {
            mask[i * width + t] = !stopped;
            for (int k = 0; k < stop_count; k++) stopped |= ids[i * width + t] == stops[k];
        }
    }
}

bool completion_truncated(const int *ids, int count, const int *ends, int end_count) {
    for (int i = 0; count && i < end_count; i++)
        if (ids[count - 1] == ends[i]) return false;
    return true;
}

int completion_learns(int count, bool truncated, bool mask_truncated) { return truncated && mask_truncated ? 0 : count; }

int64_t rollout_prompt(const rollout_plan *p, int64_t k) {
    const int64_t once = p->prompts * p->group, rollout = k / (once * p->updates);
    return rollout * p->prompts + k % once / p->group;
}

int64_t rollout_total(const rollout_plan *p, int64_t prompts) { return prompts / p->prompts * p->prompts * p->group * p->updates; }

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double high_entropy_mask(double *out, const double *entropy, const double *mask, int count, double quantile) {
    double *valid = mem_new((size_t)count + 1, sizeof *valid), threshold = 0;
    int n = 0;
    for (int i = 0; i < count; i++)
        if (mask[i]) valid[n++] = entropy[i];
    qsort(valid, (size_t)n, sizeof *valid, by_value);
    if (n) {
        double at = quantile * (n - 1);
        int low = (int)floor(at), high = min_int(low + 1, n - 1);
        threshold = valid[low] + (at - low) * (valid[high] - valid[low]);
    }
    for (int i = 0; i < count; i++) out[i] = mask[i] && (float)entropy[i] >= (float)threshold;
    free(valid);
    return threshold;
}

/* Cut or zero, as the mode says. */
static double bounded_ratio(double log_ratio, rollout_mode mode, double low, double high) {
    double r = exp(log_ratio);
    bool outside = r > high || (!isnan(low) && r < low);
    if (!outside) return r;
    if (mode == ROLLOUT_TOKEN_MASK || mode == ROLLOUT_SEQUENCE_MASK) return 0;
    return r > high ? high : low;
}

void rollout_ratio(double *out, const double *old, const double *sampled, const double *mask, int rows, int width, rollout_mode mode,
                   double low, double high) {
    const bool by_token = mode == ROLLOUT_TOKEN_TRUNCATE || mode == ROLLOUT_TOKEN_MASK;
    for (int i = 0; i < rows; i++) {
        double sum = 0;
        for (int t = 0; t < width; t++) {
            int at = i * width + t;
            double d = (old[at] - sampled[at]) * mask[at];
            sum += d;
            if (by_token) out[at] = bounded_ratio(d, mode, low, high);
        }
        if (!by_token) out[i] = bounded_ratio(sum, mode, low, high);
    }
}
