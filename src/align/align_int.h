/* align_int.h - functions that the losses share. */
#ifndef LMM_ALIGN_INT_H
#define LMM_ALIGN_INT_H

#include "align/align.h"

#include <math.h>

/* Both without overflow on either side. */
static inline double log_sigmoid(double x) { return x >= 0 ? -log1p(exp(-x)) : x - log1p(exp(x)); }
static inline double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

#endif
