/* optim.c - AdamW with decoupled weight decay, bias corrected, as torch.optim.AdamW orders its arithmetic.
 *
 * Values are cut into chunks of fixed size; norms are summed per chunk in f64, then in chunk order: the same bits for any number of threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

enum { CHUNK = 1 << 14 };

lmm_status optim_open(optim *o, pool *p, double beta1, double beta2, double eps) {
    *o = (optim){.beta1 = beta1, .beta2 = beta2, .eps = eps, .pool = p};
    return LMM_OK;
}

lmm_status optim_add(optim *o, param *p, double lr_scale, double weight_decay) {
    LMM_ASSERT(p->owned && p->grad_owned, "'%s' is not trainable", p->name);
    void *m, *v;
    size_t size = tensor_size(&p->t);
    lmm_status st = mem_try(&m, size, "optimizer state");
    if (st) return st;
    if ((st = mem_try(&v, size, "optimizer state"))) return free(m), st;
    VEC_PUSH(&o->slots, ((optim_slot){p, m, v, lr_scale, weight_decay}));
    return LMM_OK;
}

void optim_close(optim *o) {
    for (int i = 0; i < o->slots.count; i++) {
        free(o->slots.at[i].m);
        free(o->slots.at[i].v);
    }
    free(o->slots.at);
    *o = (optim){0};
}

/* ---- norm ---- */

typedef struct {
    const float *g;
    double *sum;
    int64_t n;
} norm_job;

static void norm_chunk(void *arg, int64_t first, int64_t last, int thread) {
    const norm_job *j = arg;
    (void)thread;
    for (int64_t ch = first; ch < last; ch++) {
        double s = 0;
        for (int64_t i = ch * CHUNK; i < (ch + 1) * CHUNK && i < j->n; i++) s += (double)j->g[i] * (double)j->g[i];
        j->sum[ch] = s;
    }
}

double optim_grad_norm(const optim *o) {
    double total = 0;
    for (int i = 0; i < o->slots.count; i++) {
        const tensor *t = &o->slots.at[i].p->t;
        int64_t n = tensor_count(t), chunks = (n + CHUNK - 1) / CHUNK;
        double *sum = mem_new((size_t)chunks, sizeof *sum);
        parallel_for(o->pool, chunks, 1, norm_chunk, &(norm_job){t->grad, sum, n});
        for (int64_t ch = 0; ch < chunks; ch++) total += sum[ch];
        free(sum);
    }
    return sqrt(total);
}

/* ---- step ---- */

typedef struct {
    float *p, *g, *m, *v, beta2, gain1, gain2, keep, rate, root, eps, scale;
} step_job;

static void step_range(void *arg, int64_t first, int64_t last, int thread) {
    const step_job j = *(const step_job *)arg;
    (void)thread;
    float *restrict p = j.p, *restrict g = j.g, *restrict m = j.m, *restrict v = j.v;
    for (int64_t i = first; i < last; i++) {
        float d = g[i] * j.scale;
        m[i] += (d - m[i]) * j.gain1;
        v[i] = v[i] * j.beta2 + d * d * j.gain2;
        p[i] = p[i] * j.keep - j.rate * (m[i] / (sqrtf(v[i]) / j.root + j.eps));
        g[i] = 0.0f;
    }
}

void optim_step(optim *o, double lr, double grad_scale) {
    o->step++;
    double correct1 = 1.0 - pow(o->beta1, (double)o->step), correct2 = 1.0 - pow(o->beta2, (double)o->step);
    for (int i = 0; i < o->slots.count; i++) {
        optim_slot *s = &o->slots.at[i];
        double rate = lr * s->lr_scale;
        step_job j = {.p = s->p->t.data,
                      .g = s->p->t.grad,
                      .m = s->m,
                      .v = s->v,
                      .beta2 = (float)o->beta2,
                      .eps = (float)o->eps,
                      .scale = (float)grad_scale};
        j.gain1 = (float)(1.0 - o->beta1), j.gain2 = (float)(1.0 - o->beta2); /* 1 - 0.999f is off by 5e-5 */
        j.keep = (float)(1.0 - rate * s->weight_decay), j.rate = (float)(rate / correct1), j.root = (float)sqrt(correct2);
        parallel_for(o->pool, tensor_count(&s->p->t), CHUNK, step_range, &j);
    }
}
