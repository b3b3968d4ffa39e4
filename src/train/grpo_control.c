/* grpo_control.c - what a GRPO run adjusts while it goes: the entropy bonus and the weight of the KL term follow what was measured, the reference follows the model. All of it is
 * part of a checkpoint. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

lmm_status grpo_control_open(grpo_control *c, const trainer *t, lmm_model *start) {
    const recipe_grpo *g = &t->r.grpo;
    *c = (grpo_control){.beta = g->beta, .reference = start};
    c->entropy = (entropy_controller){.value = g->entropy_bonus,
                                      .low = g->entropy_low,
                                      .high = g->entropy_high,
                                      .delta = g->entropy_delta,
                                      .target = g->entropy_target,
                                      .last = NAN};
    if (!g->reference_sync) return LMM_OK;
    if (!start) return LMM_FAIL(LMM_E_ARG, "%s: grpo.reference_sync needs a reference: a beta above 0", t->r.path);
    if (t->r.lora.rank)
        return LMM_FAIL(LMM_E_ARG, "%s: grpo.reference_sync does not go with lora: the reference is the model without adapters", t->r.path);
    lmm_status st = LMM_OK;
    const param_set *set = &start->net->params;
    for (int i = 0; i < set->list.count && !st; i++) st = param_own(set->list.at[i], false);
    return st;
}

double grpo_entropy_bonus(const grpo_control *c, const recipe_grpo *g) {
    return isnan(g->entropy_target) ? g->entropy_bonus : entropy_controller_applied(&c->entropy);
}

/* Every parameter of the reference a step towards the model's. */
static void follow(grpo_control *c, const trainer *t) {
    const param_set *from = &t->model->net->params, *to = &c->reference->net->params;
    for (int i = 0; i < to->list.count; i++)
        if (from->list.at[i]->owned)
            reference_mix(to->list.at[i]->t.data, from->list.at[i]->t.data, tensor_count(&to->list.at[i]->t), t->r.grpo.reference_mix);
    c->reference->version++;
}

void grpo_control_update(grpo_control *c, const trainer *t, double entropy, double kl) {
    const recipe_grpo *g = &t->r.grpo;
    if (!isnan(g->entropy_target)) entropy_controller_update(&c->entropy, entropy);
    if (!isnan(g->kl_target)) c->beta = kl_controller(c->beta, kl, g->kl_target, g->kl_horizon, t->r.batch * t->r.accumulate);
    if (g->reference_sync && t->step % g->reference_sync == 0) follow(c, t);
}

/* ---- in checkpoints ---- */

static lmm_status save_reference(const grpo_control *c, const char *dir) {
    const param_set *set = &c->reference->net->params;
    named_tensor *all = mem_new((size_t)set->list.count + 1, sizeof *all);
    for (int i = 0; i < set->list.count; i++) all[i] = (named_tensor){set->list.at[i]->name, set->list.at[i]->t};
    char *path = path_join(dir, "reference.safetensors");
    lmm_status st = safetensors_save(path, all, set->list.count, NULL);
    free(path);
    free(all);
    return st;
}

lmm_status grpo_control_save(const grpo_control *c, const trainer *t, const char *dir) {
    if (dist_rank(t->world)) return LMM_OK;
    tree *all = tree_new(TREE_MAP);
    tree_put(all, "beta", tree_new_real(c->beta));
    tree_put(all, "entropy_bonus", tree_new_real(c->entropy.value));
    tree_put(all, "entropy", isnan(c->entropy.last) ? tree_new(TREE_NULL) : tree_new_real(c->entropy.last));
    lmm_status st = tree_save_json(all, dir, "control.json", 0);
    tree_free(all);
    return st || !t->r.grpo.reference_sync ? st : save_reference(c, dir);
}

static lmm_status load_reference(grpo_control *c, const char *dir) {
    char *path = path_join(dir, "reference.safetensors");
    const param_set *set = &c->reference->net->params;
    safetensors *file;
    lmm_status st = safetensors_open(&file, path);
    for (int i = 0; i < set->list.count && !st; i++) {
        param *p = set->list.at[i];
        const tensor *t = safetensors_find(file, p->name);
        if (!t || t->type != DT_F32 || tensor_count(t) != tensor_count(&p->t))
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' has no '%s'", path, p->name);
        else memcpy(p->t.data, t->data, tensor_size(&p->t));
    }
    if (!st) safetensors_close(file);
    free(path);
    return st;
}

lmm_status grpo_control_restore(grpo_control *c, const trainer *t, const char *dir) {
    char *path = path_join(dir, "control.json");
    tree *all = NULL;
    lmm_status st = tree_load(&all, path);
    free(path);
    if (st) return st;
    c->beta = tree_real(all, "beta", c->beta);
    c->entropy.value = tree_real(all, "entropy_bonus", c->entropy.value);
    c->entropy.last = tree_real(all, "entropy", NAN);
    tree_free(all);
    return t->r.grpo.reference_sync ? load_reference(c, dir) : LMM_OK;
}
