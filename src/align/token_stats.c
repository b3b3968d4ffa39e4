/* token_stats.c - a token's log-probability and its distribution's entropy, from logits. */
#include "align/align.h"

#include <math.h>

double token_logp(const float *logits, int vocabulary, int target, double temperature, double *entropy) {
    double most = -INFINITY, sum = 0, mean = 0;
    for (int i = 0; i < vocabulary; i++) most = fmax(most, logits[i] / temperature);
    for (int i = 0; i < vocabulary; i++) {
        double x = logits[i] / temperature - most, e = exp(x);
        sum += e;
        mean += e > 0 ? e * x : 0; /* -inf weighs nothing */
    }
    if (entropy) *entropy = log(sum) - mean / sum;
    return logits[target] / temperature - most - log(sum);
}
