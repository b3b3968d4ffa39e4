/* accumulate.c - the gradients of a step's micro batches, added as a binary tree.
 *
 * A running sum would depend on where the micro batches are cut among ranks: (a + b) + (c + d) is not ((a + b) + c) + d. The tree is the same
 * on one rank with four micro batches, on two with two each and on four with one each. It costs a copy of the gradients for every doubling. */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

/* Gradients are f32 whatever the weights are. */
static size_t grad_size(const tensor *t) { return (size_t)tensor_count(t) * sizeof *t->grad; }

static lmm_status add_level(grad_tree *g, const optim *o) {
    for (int i = 0; i < o->slots.count; i++) {
        void *values;
        lmm_status st = mem_try(&values, grad_size(&o->slots.at[i].p->t), "gradients of earlier micro batches");
        if (st) return st;
        VEC_PUSH(&g->held, values);
    }
    g->levels++;
    return LMM_OK;
}

typedef struct {
    float *to;
    const float *from;
} sum_job;

static void sum_range(void *arg, int64_t first, int64_t last, int thread) {
    const sum_job *j = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++) j->to[i] += j->from[i];
}

static void add_held(const grad_tree *g, const optim *o, int level) {
    for (int i = 0; i < g->slots; i++) {
        const tensor *t = &o->slots.at[i].p->t;
        parallel_for(o->pool, tensor_count(t), 1 << 14, sum_range, &(sum_job){t->grad, g->held.at[level * g->slots + i]});
    }
}

static void hold(const grad_tree *g, const optim *o, int level) {
    for (int i = 0; i < g->slots; i++) {
        const tensor *t = &o->slots.at[i].p->t;
        memcpy(g->held.at[level * g->slots + i], t->grad, grad_size(t));
        memset(t->grad, 0, grad_size(t));
    }
}

/* As a binary counter: bit l of `done` says that level l holds a sum of 2^l micro batches. */
lmm_status grad_tree_push(grad_tree *g, const optim *o, int64_t count) {
    int level = 0;
    g->slots = o->slots.count;
    for (; g->done >> level & 1; level++) add_held(g, o, level);
    g->done++;
    if (g->done < count) {
        lmm_status st = LMM_OK;
        while (g->levels <= level && !st) st = add_level(g, o);
        if (!st) hold(g, o, level);
        return st;
    }
    for (int above = level + 1; above < g->levels; above++) /* count is no power of two */
        if ((g->done - 1) >> above & 1) add_held(g, o, above);
    g->done = 0;
    return LMM_OK;
}

void grad_tree_free(grad_tree *g) {
    for (int i = 0; i < g->held.count; i++) free(g->held.at[i]);
    free(g->held.at);
    *g = (grad_tree){0};
}
