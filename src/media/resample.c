/* resample.c - sound at another rate: a sinc with a Kaiser window, laid over the input at every output's time.
 *
 * The kernel is read from a table with linear interpolation (512 steps a zero crossing: error below 2e-6), so every pair of rates takes the same path.
 * Source: J. O. Smith, "Digital Audio Resampling". */
#include <math.h>
#include <stdlib.h>

#include "media/media_int.h"

enum { ZEROS = 32, STEPS = 512, TABLE = ZEROS * STEPS + 2 };

/* Modified Bessel function of order 0, by its series. */
static double bessel_i0(double x) {
    double sum = 1, term = 1;
    for (int k = 1; term > 1e-18 * sum; k++) sum += term *= x / (2.0 * k) * (x / (2.0 * k));
    return sum;
}

static void fill_table(double *table) {
    const double pi = acos(-1.0), beta = 9.0, top = bessel_i0(beta);
    for (int i = 0; i < TABLE; i++) {
        double x = (double)i / STEPS, u = x / ZEROS;
        double sinc = i ? sin(pi * x) / (pi * x) : 1.0;
        table[i] = u < 1 ? sinc * bessel_i0(beta * sqrt(1.0 - u * u)) / top : 0.0;
    }
}

/* x: distance in zero crossings, below ZEROS. */
static double kernel_at(const double *table, double x) {
    double at = x * STEPS;
    int i = (int)at;
    return table[i] + (at - i) * (table[i + 1] - table[i]);
}

/* Output i of in at `rate`: the input's samples within `reach` of its time, weighted. The time is whole + part / rate, exact. */
static float output_at(const sound *in, int rate, int64_t i, const double *table) {
    int64_t whole = i * in->rate / rate;
    double part = (double)(i * in->rate % rate) / rate, cut = rate < in->rate ? (double)rate / in->rate : 1.0, reach = ZEROS / cut, sum = 0;
    int64_t first = whole - (int64_t)reach, last = whole + (int64_t)reach + 1;
    if (first < 0) first = 0;
    if (last > in->count - 1) last = in->count - 1;
    for (int64_t k = first; k <= last; k++) {
        double x = fabs((double)(k - whole) - part) * cut;
        if (x < ZEROS) sum += in->samples[k] * kernel_at(table, x);
    }
    return (float)(sum * cut);
}

lmm_status sound_resample(sound *out, const sound *in, int rate) {
    if (rate < 1 || in->rate < 1) return LMM_FAIL(LMM_E_ARG, "cannot resample from %d to %d samples a second", in->rate, rate);
    int64_t count = (in->count * rate + in->rate - 1) / in->rate;
    void *samples;
    lmm_status st = mem_try(&samples, (size_t)count * sizeof(float) + 1, "resampled sound");
    if (st) return st;
    double *table = mem_new(TABLE, sizeof *table);
    fill_table(table);
    for (int64_t i = 0; i < count; i++) ((float *)samples)[i] = output_at(in, rate, i, table);
    free(table);
    return *out = (sound){samples, count, rate}, LMM_OK;
}
