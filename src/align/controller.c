/* controller.c - coefficients that follow a measured quantity. Source: rl.md 5.10. */
#include "align/align.h"

#include <math.h>

double entropy_controller_applied(const entropy_controller *c) { return c->last <= c->target ? c->value : 0; } /* false before the first */

void entropy_controller_update(entropy_controller *c, double entropy) {
    c->value += entropy <= c->target ? c->delta : -c->delta;
    c->value = fmin(c->high, fmax(c->low, c->value));
    c->last = entropy;
}

double kl_controller(double value, double kl, double target, double horizon, double steps) {
    double error = fmin(0.2, fmax(-0.2, kl / target - 1));
    return value * (1 + error * steps / horizon);
}

void reference_mix(float *reference, const float *policy, int64_t n, double alpha) {
    for (int64_t i = 0; i < n; i++) reference[i] = (float)(alpha * (double)policy[i] + (1 - alpha) * (double)reference[i]);
}
