/* plan.c - what a run will need, before it starts: memory, operations, steps. */
#include <stdlib.h>

#include "train/train_int.h"

/* The micro batches of the first steps, shape by shape. */
static lmm_status plan_steps_ahead(trainer *t, lmm_training_plan *p) {
    enum { LOOK_AHEAD = 16 };
    order o = {-1, mem_new((size_t)t->epoch_samples.count, sizeof(int))};
    int64_t micro = min_i64(t->total, LOOK_AHEAD) * t->r.accumulate;
    lmm_status st = LMM_OK;
    for (int64_t i = 0; i < micro && !st; i++) {
        batch b = {0};
        double flops = 0;
        st = (t->way->imagine ? t->way->imagine : t->way->make_batch)(t, &o, i, &b);
        double need = st || !b.rows ? 0 : (double)trainer_measure(t, &b, &flops);
        if (need > p->activation_bytes) p->activation_bytes = need;
        p->tokens_step += (double)b.rows;
        p->flops_step += 3 * flops; /* the backward pass of a product is two products */
        batch_free(&b);
    }
    free(o.at);
    p->steps_measured = (int)(micro / t->r.accumulate);
    if (p->steps_measured) p->tokens_step /= p->steps_measured, p->flops_step /= p->steps_measured;
    return st;
}

static void plan_params(const trainer *t, lmm_training_plan *p) {
    int levels = 0;
    while (1 << levels < t->r.accumulate) levels++;
    const param_set *set = &t->model->net->params;
    for (int i = 0; i < set->list.count; i++) {
        p->params += tensor_count(&set->list.at[i]->t);
        p->weight_bytes += (double)tensor_size(&set->list.at[i]->t);
    }
    for (int i = 0; i < t->opt.slots.count; i++) p->params_trained += tensor_count(&t->opt.slots.at[i].p->t);
    p->grad_bytes = (1 + levels) * 4.0 * (double)p->params_trained;
    p->optimizer_bytes = (double)optim_size(&t->opt);
}

lmm_status lmm_train_plan(lmm_runtime *runtime, const char *path, const char *const *overrides, int override_count,
                          const lmm_train_opts *opts, lmm_training_plan *out) {
    trainer t = {.runtime = runtime, .quiet = true};
    lmm_training_plan p = {0};
    lmm_cancel_reset();
    lmm_status st = trainer_find_algorithm(&t.way, opts && opts->algorithm ? opts->algorithm : "sft");
    if (!st) st = trainer_set_up(&t, path, overrides, override_count);
    if (!st) {
        trainer_count_steps(&t);
        plan_params(&t, &p);
        st = plan_steps_ahead(&t, &p);
        p.samples = t.epoch_samples.count, p.skipped = t.samples.skipped + t.samples.broken, p.steps = t.total;
        p.precision = t.r.bf16 ? "bf16" : "f32";
    }
    trainer_close(&t);
    if (st) return st;
    return *out = p, LMM_OK;
}
