/* schedule.c - learning rate over the steps: warm-up, then cosine, linear or constant, never below a floor. */
#include <math.h>
#include <string.h>

#include "train/train.h"

static double cosine(double p) { return 0.5 * (1.0 + cos(3.14159265358979323846 * p)); }
static double line(double p) { return p < 1.0 ? 1.0 - p : 0.0; }
static double constant(double p) { return (void)p, 1.0; }

static const struct {
    const char *name;
    double (*shape)(double progress);
} row[] = {{"cosine", cosine}, {"linear", line}, {"constant", constant}};

bool schedule_known(const char *kind) {
    for (size_t i = 0; i < COUNT_OF(row); i++)
        if (!strcmp(kind, row[i].name)) return true;
    return false;
}

double schedule_lr(const char *kind, double lr, int64_t step, int64_t total, int64_t warmup, double low) {
    if (step < warmup) return lr * (double)step / (double)(warmup > 1 ? warmup : 1);
    /* Steps past the end go on along the curve, as in transformers: a cosine rises again. */
    double p = (double)(step - warmup) / (double)(total > warmup ? total - warmup : 1);
    for (size_t i = 0; i < COUNT_OF(row); i++)
        if (!strcmp(kind, row[i].name)) return lr * (low + (1.0 - low) * row[i].shape(p));
    LMM_ASSERT(false, "schedule '%s'", kind);
}
