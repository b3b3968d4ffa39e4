/* trainer_open.c - what a run stands on: the model, the samples of an epoch, the parameters that learn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

/* ---- model ---- */

static lmm_status make_net(net **out, trainer *t, const tree *config, const preprocess_spec *pre, const char *path) {
    int *taken = mem_new((size_t)t->r.model_from_count + 1, sizeof *taken);
    net_start s = {t->r.seed, t->r.fan_in, (const char *const *)t->r.model_from, t->r.model_from_count, taken, t->r.model_parts};
    lmm_status st = net_new(out, config, pre, &s, path);
    for (int i = 0; i < s.from_count && !st && !t->quiet; i++)
        fprintf(stderr, "lmm: %d of %d tensors start as those of '%s'\n", taken[i], (*out)->params.list.count, s.from[i]);
    free(taken);
    return st;
}

/* model.set changes what config.json says, and adds nothing to it: a misspelt key would be one that nobody reads. */
static lmm_status set_config(const trainer *t, tree *config, const char *path) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < t->r.model_set_count && !st; i++) {
        const char *assignment = t->r.model_set[i];
        char *key = mem_strndup(assignment, strcspn(assignment, "="));
        if (!tree_at(config, key)) st = LMM_FAIL(LMM_E_ARG, "%s: 'set' names '%s', which '%s' does not have", t->r.path, key, path);
        if (!st) st = tree_override(config, assignment);
        free(key);
    }
    return st;
}

static lmm_status open_new(trainer *t) {
    char *path = path_join(t->r.model_new, "config.json");
    tree *config = NULL;
    preprocess_spec pre = {0};
    net *n = NULL;
    lmm_status st = tree_load(&config, path);
    if (!st) st = set_config(t, config, path);
    bool pictures = tree_get(config, "vision_config") != NULL;
    if (!st && pictures) st = preprocess_open(&pre, t->r.model_new);
    if (!st) st = make_net(&n, t, config, pictures ? &pre : NULL, path);
    if (!st) st = model_wrap(&t->model, t->runtime, n, t->r.model_new);
    tree_free(config);
    free(path);
    return st;
}

static lmm_status open_model(trainer *t) {
    t->text_dir = mem_strdup(t->r.model_new ? t->r.model_new : t->r.model_open);
    lmm_status st = t->r.model_new ? open_new(t) : lmm_model_open(&t->model, t->runtime, t->r.model_open);
    if (!st) lmm_model_reference(t->model, t->r.reference);
    if (!st) lmm_model_products(t->model, LMM_PRODUCTS_EXACT); /* sessions say what the update computes */
    if (!st && !t->model->net->has_decoder) st = LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' has no decoder to train", t->text_dir);
    return st;
}

/* A word is hidden where it is one id; parts of words would be parts of others too. */
static lmm_status find_words(trainer *t, recipe_words *w) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < w->count && !st; i++) {
        char *word = mem_printf(" %s", w->at[i]);
        id_list ids = {0};
        st = tokenizer_encode(t->model->tok, word, strlen(word), 0, &ids);
        if (!st && ids.count == 1) VEC_PUSH(&w->ids, ids.at[0]);
        else if (!st)
            st = LMM_FAIL(LMM_E_ARG, "%s: 'hide' takes words of one token, and '%s' is %d of this tokenizer", t->r.path, w->at[i],
                          ids.count);
        free(ids.at);
        free(word);
    }
    return st;
}

static lmm_status find_hidden_words(trainer *t) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < t->r.data.count && !st; i++) {
        recipe_hide *h = &t->r.data.at[i].augment.hide;
        st = find_words(t, &h->words);
        if (!st) st = find_words(t, &h->blank);
        if (!st) st = find_words(t, &h->given);
        if (!st && (h->words.count || h->blank.count) && tokenizer_pad(t->model->tok) < 0)
            st = recipe_bad(&t->r, "hide", "needs a tokenizer with a padding token");
    }
    return st;
}

/* A family that lays out one picture as it does one of several has no other layout to ask for. */
static lmm_status check_tiles(const trainer *t) {
    enum { LARGE = 4096 };
    const net *n = t->model->net;
    media_plan alone = {0}, among = {0};
    lmm_status st = LMM_OK;
    for (int i = 0; i < t->r.data.count && !st; i++) {
        if (!t->r.data.at[i].one_tile) continue;
        if (n->arch->media_plan) st = n->arch->media_plan(n, LARGE, LARGE, 1, &alone);
        if (!st && n->arch->media_plan) st = n->arch->media_plan(n, LARGE, LARGE, 2, &among);
        if (!st && alone.row_count == among.row_count)
            st = recipe_bad(&t->r, "one_tile", "is for models that show a picture alone in tiles (OneVision)");
    }
    return st;
}

/* Layers behind the selected one and unused norms take no part; they would only ever receive weight decay. */
static bool takes_part(const net *n, const param *p) {
    if (p->part != PART_VISION || !strncmp(p->name, "ear.", 4)) return true;
    if (strstr(p->name, "post_layernorm")) return false;
    const char *layers = strstr(p->name, ".layers.");
    return !layers || atoi(layers + 8) < n->vision_layer_count;
}

/* Adapters alone learn; the base stays where it is mapped. */
static lmm_status own_adapters(trainer *t) {
    net *n = t->model->net;
    n->lora = t->r.lora;
    lmm_status st = lora_attach(&n->params, &n->adapters, &t->r.lora, t->r.seed, t->runtime->k, t->runtime->pool);
    for (int i = 0; i < n->adapters.list.count && !st; i++) {
        st = param_own(n->adapters.list.at[i], true);
        if (!st) st = optim_add(&t->opt, n->adapters.list.at[i], 1.0, param_decays(n->adapters.list.at[i]) ? t->r.weight_decay : 0.0);
    }
    return st;
}

static lmm_status own_params(trainer *t) {
    const recipe *r = &t->r;
    lmm_status st = optim_open(&t->opt, t->runtime->pool, r->beta1, r->beta2, r->eps);
    t->opt.world = t->world;
    t->opt.norm = r->clip_norm;
    if (r->optimizer == ADAMW_8BIT) optim_use_8bit(&t->opt);
    if (!st && r->lora.rank) return own_adapters(t);
    param_set *set = &t->model->net->params;
    for (int i = 0; i < set->list.count && !st; i++) {
        param *p = set->list.at[i];
        if (!r->train[p->part] || !takes_part(t->model->net, p)) continue;
        double scale = r->lr_part[p->part] > 0 && r->lr > 0 ? r->lr_part[p->part] / r->lr : 1.0;
        st = r->optimizer == ADAMW_BF16 && param_may_be_narrow(p) ? param_own_bf16(p) : param_own(p, true);
        if (!st) st = optim_add(&t->opt, p, scale, param_decays(p) ? r->weight_decay : 0.0);
    }
    if (!st && !t->opt.slots.count) st = LMM_FAIL(LMM_E_ARG, "%s: 'train' names no part this model has", r->path);
    return st;
}

lmm_status trainer_load(trainer *t, load_fn load, int each) {
    t->samples_each = each;
    for (int d = 0; d < t->r.data.count; d++) {
        const recipe_data *data = &t->r.data.at[d];
        int first = t->samples.list.count / each;
        progress *bar = t->quiet ? NULL : progress_new("reading", 0, "records");
        lmm_status st = load(&t->samples, &t->r, data, t->model, bar);
        progress_free(bar);
        if (st) return st;
        int count = t->samples.list.count / each - first;
        int64_t wanted = (int64_t)llround(data->repeat * count);
        for (int64_t i = 0; i < wanted; i++) VEC_PUSH(&t->epoch_samples, first + (int)(i % count));
    }
    if (!t->epoch_samples.count)
        return LMM_FAIL(LMM_E_ARG, "%s: no usable sample (%d were longer than max_length or had nothing to learn)", t->r.path,
                        t->samples.skipped);
    t->broken = mem_new((size_t)t->samples.list.count, sizeof *t->broken);
    if (dist_rank(t->world)) return LMM_OK;
    const sample_set *s = &t->samples;
    if (s->skipped) fprintf(stderr, "lmm: %d samples are left out: longer than max_length, or with nothing to learn\n", s->skipped);
    if (s->broken) fprintf(stderr, "lmm: %d broken samples are left out (broken_max: %d)\n", s->broken, t->r.broken_max);
    if (s->unread) fprintf(stderr, "lmm: %d reference answers are not understood as mathematics\n", s->unread);
    return LMM_OK;
}

/* The global batch is the recipe's; ranks share its micro batches. */
static lmm_status check_world(const trainer *t) {
    int ranks = dist_count(t->world), n = t->r.accumulate;
    if (ranks == 1 || (n % ranks == 0 && (n & (n - 1)) == 0)) return LMM_OK;
    return LMM_FAIL(LMM_E_ARG,
                    "%s: %d ranks share the micro batches of a step, so 'accumulate' (%d) has to be a power of two and at least %d",
                    t->r.path, ranks, n, ranks);
}

/* A share of all steps when it is below 1. */
static int64_t steps_of(double x, int64_t total) { return x < 1.0 ? (int64_t)ceil(x * (double)total) : (int64_t)x; }

void trainer_count_steps(trainer *t) {
    int64_t per_step = (int64_t)t->r.batch * t->r.accumulate;
    t->total = t->r.steps ? t->r.steps : (int64_t)ceil(t->r.epochs * t->epoch_samples.count / (double)per_step);
    t->rate = (schedule){.kind = t->r.schedule,
                         .lr = t->r.lr,
                         .total = t->total,
                         .warmup = steps_of(t->r.warmup, t->total),
                         .floor = t->r.floor,
                         .power = t->r.schedule_power,
                         .cycles = t->r.schedule_cycles,
                         .decay = steps_of(t->r.schedule_decay, t->total)};
}

/* ---- all of it ---- */

static const algorithm *const algorithms[] = {&algorithm_sft, &algorithm_dpo, &algorithm_grpo};

lmm_status trainer_find_algorithm(const algorithm **out, const char *name) {
    const char *names[COUNT_OF(algorithms) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
        names[i] = algorithms[i]->name;
        if (!strcmp(name, names[i])) return *out = algorithms[i], LMM_OK;
    }
    buf all = {0};
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    lmm_status st = LMM_FAIL(LMM_E_ARG, "no training algorithm '%s' (%s)", name, all.data);
    buf_free(&all);
    return st;
}

/* Recipe, model, samples, and what learns. */
lmm_status trainer_set_up(trainer *t, const char *path, const char *const *overrides, int override_count) {
    lmm_status st = recipe_open(&t->r, path, overrides, override_count);
    t->cx = (cx){.mem = &t->mem,
                 .tape = &t->tape,
                 .recompute = t->r.recompute,
                 .bf16 = t->r.bf16,
                 .k = t->runtime->k,
                 .pool = t->runtime->pool};
    if (!st && t->r.bf16 && t->way == &algorithm_grpo)
        st = recipe_bad(&t->r, "precision",
                        "cannot be bf16 with grpo: it compares probabilities with those its sessions sampled, which are f32");
    if (!st) st = check_world(t);
    if (!st) st = open_model(t);
    if (!st) st = find_hidden_words(t);
    if (!st) st = check_tiles(t);
    if (!st) st = t->way->load(t);
    return st ? st : own_params(t);
}

void trainer_close(trainer *t) {
    if (t->way && t->way->close) t->way->close(t);
    free(t->logprob);
    free(t->entropy);
    free(t->entropy_slope);
    train_log_close(t->log);
    held_out_close(&t->held);
    grad_tree_free(&t->tree);
    cx_free(&t->cx);
    tape_free(&t->tape);
    arena_close(&t->mem);
    optim_close(&t->opt);
    sample_set_free(&t->samples);
    free(t->broken);
    free(t->epoch_samples.at);
    lmm_model_close(t->model);
    free(t->text_dir);
    recipe_free(&t->r);
    dist_close(t->world);
}
