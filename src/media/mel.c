/* mel.c - Whisper's log-mel features: centred windows, power spectrum, Slaney's bands, logarithm, a floor 8 below the loudest.
 *
 * In double throughout; torch's f32 path differs by up to 2e-5. The sound is mirrored at both ends without repeating the edge, and the last window is
 * dropped. Source: specs of OpenAI's whisper/audio.py and transformers' WhisperFeatureExtractor (equal to 1e-5). */
#include <math.h>
#include <stdlib.h>

#include "media/media_int.h"

/* ---- bands ---- */

static double mel_of(double hz) { return hz < 1000 ? 3 * hz / 200 : 15 + 27 * log(hz / 1000) / log(6.4); }
static double hz_of(double mel) { return mel < 15 ? 200 * mel / 3 : 1000 * exp((mel - 15) * log(6.4) / 27); }

double *mel_filters(int bands) {
    double *f = mem_new((size_t)MEL_BIN_COUNT * (size_t)bands, sizeof *f), top = mel_of(MEL_RATE / 2.0);
    for (int i = 0; i < bands; i++) {
        double low = hz_of(i * top / (bands + 1)), mid = hz_of((i + 1) * top / (bands + 1)), high = hz_of((i + 2) * top / (bands + 1));
        for (int k = 0; k < MEL_BIN_COUNT; k++) {
            double hz = (double)k * MEL_RATE / MEL_FFT, up = (hz - low) / (mid - low), down = (high - hz) / (high - mid);
            f[k * bands + i] = fmax(0, fmin(up, down)) * 2 / (high - low);
        }
    }
    return f;
}

/* The frequencies with weight in every band: few of the 201. */
typedef struct {
    int bands;
    double *filters; /* (bins, bands) */
    int *first, *last;
} bank;

static bank bank_new(int bands) {
    bank b = {bands, mel_filters(bands), mem_new((size_t)bands, sizeof(int)), mem_new((size_t)bands, sizeof(int))};
    for (int i = 0; i < bands; i++) {
        b.first[i] = MEL_BIN_COUNT;
        for (int k = 0; k < MEL_BIN_COUNT; k++) {
            if (b.filters[k * bands + i] <= 0) continue;
            if (b.first[i] == MEL_BIN_COUNT) b.first[i] = k;
            b.last[i] = k;
        }
    }
    return b;
}

static void bank_free(bank *b) {
    free(b->filters);
    free(b->first);
    free(b->last);
}

/* ---- spectrum: 400 = 16 x 25 points in two rounds of short transforms (Cooley and Tukey) ---- */

enum { A = 16, B = 25 };
_Static_assert(A *B == MEL_FFT, "the rounds make one window");

typedef struct {
    double re, im;
} complex_value;

typedef struct {
    double window[MEL_FFT];
    complex_value root[MEL_FFT]; /* exp(-2 pi i k / 400) */
} spectrum;

static void spectrum_init(spectrum *s) {
    const double pi = acos(-1.0);
    for (int k = 0; k < MEL_FFT; k++) {
        double angle = 2 * pi * k / MEL_FFT;
        s->window[k] = 0.5 - 0.5 * cos(angle);
        s->root[k] = (complex_value){cos(angle), -sin(angle)};
    }
}

/* to[k * to_step] = sum over n of from[n * from_step] root^(k n), n and k below `points`. */
static void short_transform(const spectrum *s, const complex_value *from, int from_step, complex_value *to, int to_step, int points) {
    int turn = MEL_FFT / points;
    for (int k = 0; k < points; k++) {
        double re = 0, im = 0;
        for (int n = 0, at = 0; n < points; n++, at += k * turn) {
            if (at >= MEL_FFT) at -= MEL_FFT;
            complex_value x = from[n * from_step], w = s->root[at];
            re += x.re * w.re - x.im * w.im;
            im += x.re * w.im + x.im * w.re;
        }
        to[k * to_step] = (complex_value){re, im};
    }
}

/* Point n = B a + b of x, frequency k = ka + A kb. */
static void transform(const spectrum *s, const complex_value *x, complex_value *y) {
    complex_value middle[MEL_FFT];
    for (int b = 0; b < B; b++) {
        short_transform(s, x + b, B, middle + b, B, A); /* middle[B ka + b] */
        for (int ka = 0; ka < A; ka++) {
            complex_value *m = &middle[B * ka + b], w = s->root[ka * b % MEL_FFT], v = *m;
            *m = (complex_value){v.re * w.re - v.im * w.im, v.re * w.im + v.im * w.re};
        }
    }
    for (int ka = 0; ka < A; ka++) short_transform(s, middle + B * ka, 1, y + ka, A, B);
}

/* ---- frames ---- */

typedef struct {
    const float *samples;
    int64_t count, length; /* zeros follow up to length */
} padded;

static double sample_at(const padded *p, int64_t i) {
    if (i < 0) i = -i;
    if (i >= p->length) i = 2 * (p->length - 1) - i;
    return i >= 0 && i < p->count ? p->samples[i] : 0.0;
}

/* Power of two neighbouring frames by one transform: one is its real part, the other its imaginary part. */
static void two_frames(const spectrum *s, const padded *p, int64_t frame, double power[2][MEL_BIN_COUNT]) {
    complex_value x[MEL_FFT], y[MEL_FFT];
    int64_t start = frame * MEL_HOP - MEL_FFT / 2;
    for (int i = 0; i < MEL_FFT; i++)
        x[i] = (complex_value){sample_at(p, start + i) * s->window[i], sample_at(p, start + MEL_HOP + i) * s->window[i]};
    transform(s, x, y);
    for (int k = 0; k < MEL_BIN_COUNT; k++) {
        complex_value u = y[k], v = y[(MEL_FFT - k) % MEL_FFT];
        double re = (u.re + v.re) / 2, im = (u.im - v.im) / 2, re2 = (u.im + v.im) / 2, im2 = (v.re - u.re) / 2;
        power[0][k] = re * re + im * im;
        power[1][k] = re2 * re2 + im2 * im2;
    }
}

static void bands_of(const bank *b, const double *power, float *to) {
    for (int i = 0; i < b->bands; i++) {
        double sum = 0;
        for (int k = b->first[i]; k <= b->last[i] && k < MEL_BIN_COUNT; k++) sum += power[k] * b->filters[k * b->bands + i];
        to[i] = (float)log10(fmax(sum, 1e-10));
    }
}

static void all_frames(const spectrum *s, const bank *b, const padded *p, int64_t frames, float *to) {
    double power[2][MEL_BIN_COUNT];
    /* Windows of zeros alone: nothing to transform. A window reaches 200 samples back, and the mirrored end is far away from sound or part of it. */
    int64_t silent = p->count + MEL_FFT < p->length - MEL_FFT ? (p->count + MEL_FFT / 2) / MEL_HOP + 1 : frames;
    for (int64_t t = 0; t < frames; t += 2) {
        if (t < silent) two_frames(s, p, t, power);
        else
            for (int k = 0; k < MEL_BIN_COUNT; k++) power[0][k] = power[1][k] = 0;
        bands_of(b, power[0], to + t * b->bands);
        if (t + 1 < frames) bands_of(b, power[1], to + (t + 1) * b->bands);
    }
}

lmm_status mel_log(float **out, const float *samples, int64_t count, int bands, int64_t frames) {
    if (bands < 1 || bands > 256 || frames < 2) return LMM_FAIL(LMM_E_ARG, "no features of %" PRId64 " frames in %d bands", frames, bands);
    void *block;
    lmm_status st = mem_try(&block, (size_t)frames * (size_t)bands * sizeof(float), "sound features");
    if (st) return st;
    float *to = block, top = -INFINITY;
    spectrum s;
    spectrum_init(&s);
    bank b = bank_new(bands);
    all_frames(&s, &b, &(padded){samples, min_i64(count, frames * MEL_HOP), frames * MEL_HOP}, frames, to);
    bank_free(&b);
    int64_t n = frames * bands;
    for (int64_t i = 0; i < n; i++) top = fmaxf(top, to[i]);
    for (int64_t i = 0; i < n; i++) to[i] = (fmaxf(to[i], top - 8.0f) + 4.0f) / 4.0f;
    return *out = to, LMM_OK;
}
