/* schedule.c - learning rate over the steps, transformers' schedulers: warm-up, then a curve that never falls below its floor. Source: rl.md 9.3. */
#include <math.h>
#include <string.h>

#include "train/train.h"

static const double pi = 3.14159265358979323846;

/* Steps past the end go on along the curve, as in transformers: a cosine rises again. */
static double progress_of(const schedule *s, int64_t step) {
    return (double)(step - s->warmup) / (double)(s->total > s->warmup ? s->total - s->warmup : 1);
}

static double above(double low, double x) { return low + (1 - low) * x; }
static double rising(const schedule *s, int64_t step) { return (double)step / (double)(s->warmup > 1 ? s->warmup : 1); }

static double cosine(const schedule *s, int64_t step) { return above(s->floor, 0.5 * (1 + cos(pi * progress_of(s, step)))); }

static double line(const schedule *s, int64_t step) { return above(s->floor, fmax(0, 1 - progress_of(s, step))); }

static double constant(const schedule *s, int64_t step) { return (void)s, (void)step, 1; }

static double polynomial(const schedule *s, int64_t step) {
    double p = progress_of(s, step);
    return p >= 1 ? s->floor : above(s->floor, pow(1 - p, s->power));
}

static double restarts(const schedule *s, int64_t step) {
    double p = progress_of(s, step);
    return p >= 1 ? s->floor : above(s->floor, 0.5 * (1 + cos(pi * fmod(s->cycles * p, 1))));
}

static double inverse_sqrt(const schedule *s, int64_t step) {
    enum { WITHOUT_WARMUP = 10000 };
    double scale = s->warmup ? (double)s->warmup : WITHOUT_WARMUP;
    return fmax(s->floor, 1 / sqrt(((double)(step - s->warmup) + scale) / scale));
}

/* Flat, then a cosine down over the last `decay` steps. */
static double stable_decay(const schedule *s, int64_t step) {
    int64_t falls = s->total - s->decay;
    if (step < falls) return 1;
    if (step >= s->total) return s->floor;
    return above(s->floor, 0.5 * (1 + cos(pi * (double)(step - falls) / (double)(s->decay > 1 ? s->decay : 1))));
}

static const struct {
    const char *name;
    double (*shape)(const schedule *s, int64_t step);
    bool from_floor; /* the warm-up too */
} row[] = {{"cosine", cosine, false},           {"linear", line, false},       {"constant", constant, false},
           {"polynomial", polynomial, false},   {"restarts", restarts, false}, {"inverse_sqrt", inverse_sqrt, false},
           {"stable_decay", stable_decay, true}};

bool schedule_known(const char *kind) {
    for (size_t i = 0; i < COUNT_OF(row); i++)
        if (!strcmp(kind, row[i].name)) return true;
    return false;
}

double schedule_at(const schedule *s, int64_t step) {
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        if (strcmp(s->kind, row[i].name)) continue;
        if (step >= s->warmup) return s->lr * row[i].shape(s, step);
        return s->lr * (row[i].from_floor ? above(s->floor, rising(s, step)) : rising(s, step));
    }
    LMM_ASSERT(false, "schedule '%s'", s->kind);
}
