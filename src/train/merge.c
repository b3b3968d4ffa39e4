/* merge.c - models made of models: adapters added into the weights, the mean of several. */
#include <stdlib.h>

#include "train/train.h"

/* The targeted weights get values of their own, and the adapters are spent. */
static lmm_status add_adapters(net *n) {
    for (int i = 0; i < n->params.list.count; i++) {
        lmm_status st = n->params.list.at[i]->adapter ? param_own(n->params.list.at[i], false) : LMM_OK;
        if (st) return st;
    }
    lora_merge(&n->params);
    for (int i = 0; i < n->params.list.count; i++) {
        adapter_free(n->params.list.at[i]->adapter);
        n->params.list.at[i]->adapter = NULL;
    }
    param_set_free(&n->adapters);
    n->lora = (lora_config){0};
    return LMM_OK;
}

lmm_status lmm_model_save_merged(lmm_model *m, const char *dir) {
    lmm_status st = add_adapters(m->net);
    m->version++;
    return st ? st : train_export(m, m->path, dir);
}

static lmm_status check_same(const net *n, const net *other, const char *dir) {
    if (n->params.list.count != other->params.list.count)
        return LMM_FAIL(LMM_E_SHAPE, "'%s' has %d tensors, not %d: a mean is of models of one architecture", dir, other->params.list.count,
                        n->params.list.count);
    for (int i = 0; i < n->params.list.count; i++) {
        const param *p = n->params.list.at[i], *q = param_find(&other->params, p->name);
        if (!q || !tensor_same_shape(&q->t, &p->t))
            return LMM_FAIL(LMM_E_SHAPE, "'%s' is missing or has another shape in '%s': a mean is of models of one architecture", p->key,
                            dir);
    }
    return LMM_OK;
}

/* Adds the weights of the model in `dir`, one tensor of it in memory at a time. */
static lmm_status add_model(net *n, const char *dir) {
    net *other;
    lmm_status st = net_open(&other, dir);
    if (st) return st;
    st = check_same(n, other, dir);
    for (int i = 0; i < n->params.list.count && !st; i++) {
        param *p = n->params.list.at[i], *q = param_find(&other->params, p->name);
        st = param_own(p, false);
        if (!st) st = param_own(q, false);
        if (st) break;
        float *sum = p->t.data;
        const float *w = q->t.data;
        for (int64_t k = tensor_count(&p->t) - 1; k >= 0; k--) sum[k] += w[k];
        free(q->owned);
        q->owned = q->t.data = NULL;
    }
    net_free(other);
    return st;
}

lmm_status lmm_model_mean(lmm_model *m, const char *const *others, int count) {
    lmm_status st = add_adapters(m->net);
    m->version++;
    for (int i = 0; i < count && !st; i++) st = add_model(m->net, others[i]);
    for (int i = 0; i < m->net->params.list.count && !st; i++) {
        param *p = m->net->params.list.at[i];
        float *w = p->t.data;
        for (int64_t k = tensor_count(&p->t) - 1; k >= 0; k--) w[k] /= (float)(count + 1);
    }
    return st;
}
