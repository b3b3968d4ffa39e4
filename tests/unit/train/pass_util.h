/* pass_util.h - a batch's loss and gradients without a trainer. */
#ifndef LMM_TEST_PASS_UTIL_H
#define LMM_TEST_PASS_UTIL_H

#include <math.h>

#include "../engine/model_util.h"

#include "run_util.h"
#include "train/train_int.h"

/* Loss of the batch with every label's weight 1; backward too when the parameters have gradients. logprob: (rows) or NULL. */
static inline double pass(const opened *o, const batch *b, bool backward, float *logprob) {
    tape tp = {0};
    arena mem = {0};
    const lmm_model *m = o->model;
    cx c = {.mode = CX_MEASURE, .mem = &mem, .tape = &tp, .k = m->runtime->k, .pool = m->runtime->pool};
    tape_backward(&c, batch_loss(&c, m->net, b, &(xent_opts){.logprob = logprob}), 1.0f);
    cx_free(&c);
    OK(arena_open(&mem, mem.peak, "the test's pass"));
    c = (cx){.mem = &mem, .tape = &tp, .k = m->runtime->k, .pool = m->runtime->pool};
    tensor *loss = batch_loss(&c, m->net, b, &(xent_opts){.logprob = logprob});
    double value = (double)tensor_f32(loss)[0];
    if (backward) tape_backward(&c, loss, 1.0f);
    OK(c.status);
    cx_free(&c);
    arena_close(&mem);
    tape_free(&tp);
    return value;
}

static inline double length2(const param_set *set, const char *part) {
    double sum = 0;
    for (int i = 0; i < set->list.count; i++) {
        const param *p = set->list.at[i];
        for (int64_t k = 0; strstr(p->name, part) && k < tensor_count(&p->t); k++) sum += (double)p->t.grad[k] * (double)p->t.grad[k];
    }
    return sum;
}

static inline void move_along(const param_set *set, const char *part, float step) {
    for (int i = 0; i < set->list.count; i++) {
        param *p = set->list.at[i];
        for (int64_t k = 0; strstr(p->name, part) && k < tensor_count(&p->t); k++) tensor_f32(&p->t)[k] += step * p->t.grad[k];
    }
}

/* Along its own gradient the loss rises by the gradient's squared length. The model's parameters become its own. */
static inline void assert_gradient_is_the_slope(const opened *o, const batch *b, const char *part) {
    param_set *set = &o->model->net->params;
    for (int i = 0; i < set->list.count; i++) OK(param_own(set->list.at[i], true));
    pass(o, b, true, NULL);
    double g2 = length2(set, part);
    float step = (float)(0.02 / g2); /* the loss moves by about 0.04 in all */
    move_along(set, part, step);
    double above = pass(o, b, false, NULL);
    move_along(set, part, -2 * step);
    double below = pass(o, b, false, NULL), slope = (above - below) / (2 * (double)step);
    if (!(g2 > 0 && fabs(slope - g2) < 0.02 * g2)) fail_msg("%s, %s: slope %g, squared length %g", o->model->path, part, slope, g2);
}

#endif
