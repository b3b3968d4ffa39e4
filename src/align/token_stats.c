/* token_stats.c - a token's log-probability and its distribution's entropy, from logits. */
#include "align/align.h"

#include <math.h>
#include <string.h>

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

/* To the nearest bf16, ties to even. */
static double in_bf16(double x) {
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&f, &bits, sizeof f);
    return f;
}

double token_logp_bf16(const float *logits, int vocabulary, int target) {
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < vocabulary; i++) most = fmax(most, (double)logits[i]);
    for (int i = 0; i < vocabulary; i++) sum += exp((double)logits[i] - most);
    return in_bf16((double)logits[target] - most - in_bf16(log(in_bf16(sum))));
}
