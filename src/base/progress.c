/* progress.c - the clock, and a progress bar that stays out of the way. */
#include "base/base.h"

#include <time.h>

double time_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
