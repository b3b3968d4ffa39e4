/* recipe.c - a training recipe: YAML with overrides, every key known, every number bounded. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"
#include "train/train_int.h"

char *recipe_path(const recipe *r, const char *path) { return path ? path_join(r->folder, path) : NULL; }

lmm_status recipe_bad(const recipe *r, const char *key, const char *what) { return LMM_FAIL(LMM_E_ARG, "%s: '%s' %s", r->path, key, what); }

lmm_status recipe_word(const recipe *r, const tree *map, const char *key, const char *const *names, int *index) {
    const char *word = tree_str(map, key, names[0]);
    buf must = {0};
    buf_puts(&must, "must be ");
    for (int i = 0; names[i]; i++) {
        if (!strcmp(word, names[i])) return buf_free(&must), *index = i, LMM_OK;
        buf_printf(&must, "%s%s", !i ? "" : names[i + 1] ? ", " : " or ", names[i]);
    }
    lmm_status st = recipe_bad(r, key, must.data);
    buf_free(&must);
    return st;
}

/* A number within bounds; absent gives the fallback. */
lmm_status recipe_number(const recipe *r, const tree *map, const char *key, double fallback, double low, double high, double *out) {
    const tree *t = tree_get(map, key);
    *out = tree_real(map, key, fallback);
    if (t && t->type != TREE_INT && t->type != TREE_REAL) return recipe_bad(r, key, "must be a number");
    if (!(*out >= low && *out <= high)) return LMM_FAIL(LMM_E_ARG, "%s: '%s' is %g, must lie in [%g, %g]", r->path, key, *out, low, high);
    return LMM_OK;
}

lmm_status recipe_integer(const recipe *r, const tree *map, const char *key, int fallback, int low, int high, int *out) {
    double x;
    lmm_status st = recipe_number(r, map, key, fallback, low, high, &x);
    if (!st && x != floor(x)) st = recipe_bad(r, key, "must be a whole number");
    *out = (int)x;
    return st;
}

lmm_status recipe_keys(const recipe *r, const tree *map, const char *section, const char *const *known) {
    if (!map) return LMM_OK;
    if (map->type != TREE_MAP) return recipe_bad(r, section, "must be a section of keys");
    char name[512];
    snprintf(name, sizeof name, "%s%s%s", r->path, *section ? ": " : "", section);
    return tree_check_keys(map, known, name);
}

lmm_status recipe_strings(const recipe *r, const tree *map, const char *key, const char *must, char ***at, int *count) {
    const tree *list = tree_get(map, key);
    if (list && list->type != TREE_LIST) return recipe_bad(r, key, must);
    *at = mem_new((size_t)(list ? list->count : 0) + 1, sizeof **at);
    for (int i = 0; list && i < list->count; i++) {
        if (list->items[i]->type != TREE_STRING) return recipe_bad(r, key, must);
        (*at)[(*count)++] = mem_strdup(list->items[i]->text);
    }
    return LMM_OK;
}

/* A list of the model's parts; all when the key is absent. */
static lmm_status read_parts(const recipe *r, const tree *map, const char *key, bool parts[PART_COUNT]) {
    const tree *list = tree_get(map, key);
    for (int p = 0; p < PART_COUNT; p++) parts[p] = !list;
    if (list && list->type != TREE_LIST) return recipe_bad(r, key, "must list parts: vision, projector, decoder, newline");
    for (int i = 0; list && i < list->count; i++) {
        int p = 0;
        while (p < PART_COUNT && (list->items[i]->type != TREE_STRING || strcmp(list->items[i]->text, part_name((model_part)p)))) p++;
        if (p == PART_COUNT) return recipe_bad(r, key, "may list vision, projector, decoder and newline only");
        parts[p] = true;
    }
    return LMM_OK;
}

/* One path or a list of paths. */
static lmm_status read_from(recipe *r, const tree *m) {
    const tree *from = tree_get(m, "from");
    lmm_status st = read_parts(r, m, "parts", r->model_parts);
    if (!st && !from && tree_get(m, "parts")) st = recipe_bad(r, "parts", "goes with 'from': the parts it gives");
    if (st || !from) return st;
    int count = from->type == TREE_LIST ? from->count : 1;
    r->model_from = mem_new((size_t)count, sizeof *r->model_from);
    for (int i = 0; i < count; i++) {
        const tree *one = from->type == TREE_LIST ? from->items[i] : from;
        if (one->type != TREE_STRING) return recipe_bad(r, "from", "must be a checkpoint or a list of checkpoints");
        r->model_from[r->model_from_count++] = recipe_path(r, one->text);
    }
    return r->model_new ? LMM_OK : recipe_bad(r, "from", "goes with 'new': it gives a new model its first values");
}

static lmm_status read_set(recipe *r, const tree *m) {
    lmm_status st = recipe_strings(r, m, "set", "must list values of config.json: [text_config.num_hidden_layers=2]", &r->model_set,
                                   &r->model_set_count);
    if (!st && r->model_set_count && !r->model_new) st = recipe_bad(r, "set", "goes with 'new': a checkpoint's values fit its own config");
    return st;
}

static lmm_status read_model(recipe *r, const tree *t) {
    static const char *const known[] = {"open", "new", "from", "parts", "set", "init", "reference", NULL};
    const tree *m = tree_get(t, "model");
    lmm_status st = recipe_keys(r, m, "model", known);
    if (st) return st;
    r->model_open = recipe_path(r, tree_str(m, "open", NULL));
    r->model_new = recipe_path(r, tree_str(m, "new", NULL));
    if ((st = read_from(r, m)) || (st = read_set(r, m))) return st;
    const char *init = tree_str(m, "init", "config");
    if (strcmp(init, "config") && strcmp(init, "fan_in")) return recipe_bad(r, "init", "must be config (initializer_range) or fan_in");
    r->fan_in = !strcmp(init, "fan_in");
    const char *whose = tree_str(m, "reference", "published");
    if (strcmp(whose, "published") && strcmp(whose, "hf") && strcmp(whose, "original"))
        return recipe_bad(r, "reference", "must be hf, original or published (as the checkpoint was)");
    r->reference = !strcmp(whose, "hf") ? LMM_REFERENCE_HF : !strcmp(whose, "original") ? LMM_REFERENCE_ORIGINAL : LMM_REFERENCE_PUBLISHED;
    return !r->model_open == !r->model_new
               ? recipe_bad(r, "model", "needs either 'open' (a checkpoint folder) or 'new' (a folder with config.json and tokenizer)")
               : LMM_OK;
}

static lmm_status read_lora(recipe *r, const tree *t) {
    static const char *const known[] = {"rank", "alpha", "rslora", "dora", "targets", NULL};
    const tree *l = tree_get(t, "lora");
    if (!l) return LMM_OK;
    lmm_status st = recipe_keys(r, l, "lora", known);
    if (!st) st = recipe_integer(r, l, "rank", 8, 1, 65536, &r->lora.rank);
    if (!st) st = recipe_number(r, l, "alpha", 16, 1e-6, 1e6, &r->lora.alpha);
    if (st) return st;
    r->lora.rslora = tree_bool(l, "rslora", false);
    r->lora.dora = tree_bool(l, "dora", false);
    if (tree_get(t, "train")) return recipe_bad(r, "train", "cannot be used with 'lora': the adapters of the decoder learn alone");
    st = recipe_strings(r, l, "targets", "must list module names: [q_proj, v_proj]", &r->lora_targets, &r->lora.target_count);
    r->lora.targets = (const char *const *)r->lora_targets;
    return st;
}

static lmm_status read_optimizer(recipe *r, const tree *t) {
    static const char *const known[] = {"lr",  "lr_vision",    "lr_projector", "lr_decoder", "lr_newline", "beta1", "beta2",
                                        "eps", "weight_decay", "clip",         "clip_norm",  "kind",       NULL};
    static const char *const kinds[] = {"adamw", "adamw_bf16", "adamw_8bit", NULL};
    const tree *o = tree_get(t, "optimizer");
    int kind = 0;
    lmm_status st = recipe_keys(r, o, "optimizer", known);
    if (!st) st = recipe_word(r, o, "kind", kinds, &kind);
    r->optimizer = (optim_kind)kind;
    const bool narrow = r->optimizer == ADAMW_BF16;
    if (!st && narrow && r->lora.rank) st = recipe_bad(r, "kind", "cannot be adamw_bf16 with 'lora': adapters are small, and kept in f32");
    if (!st && narrow && r->grpo.reference_sync)
        st = recipe_bad(r, "kind", "cannot be adamw_bf16 with 'grpo.reference_sync': the reference follows in steps too small for bf16");
    if (!st) st = recipe_number(r, o, "lr", 1e-4, 0, 10, &r->lr);
    for (int p = 0; p < PART_COUNT && !st; p++) st = recipe_number(r, o, known[1 + p], 0, 0, 10, &r->lr_part[p]);
    if (!st) st = recipe_number(r, o, "beta1", 0.9, 0, 0.9999, &r->beta1);
    if (!st) st = recipe_number(r, o, "beta2", 0.999, 0, 0.99999, &r->beta2);
    if (!st) st = recipe_number(r, o, "eps", 1e-8, 0, 1, &r->eps);
    if (!st) st = recipe_number(r, o, "weight_decay", 0, 0, 10, &r->weight_decay);
    r->clip_norm = tree_real(o, "clip_norm", 2);
    if (!st && r->clip_norm != 1 && r->clip_norm != 2 && !isinf(r->clip_norm)) st = recipe_bad(r, "clip_norm", "must be 2, 1 or .inf");
    return st ? st : recipe_number(r, o, "clip", 1.0, 0, 1e9, &r->clip);
}

static lmm_status read_schedule(recipe *r, const tree *t) {
    static const char *const known[] = {"kind", "warmup", "floor", "power", "cycles", "decay", NULL};
    const tree *s = tree_get(t, "schedule");
    lmm_status st = recipe_keys(r, s, "schedule", known);
    if (st) return st;
    r->schedule = mem_strdup(tree_str(s, "kind", "cosine"));
    if (!schedule_known(r->schedule))
        return recipe_bad(r, "kind", "must be cosine, linear, constant, polynomial, restarts, inverse_sqrt or stable_decay");
    st = recipe_number(r, s, "warmup", 0.03, 0, 1e9, &r->warmup);
    if (!st) st = recipe_number(r, s, "power", 1, 0, 100, &r->schedule_power);
    if (!st) st = recipe_number(r, s, "cycles", 1, 0, 1e6, &r->schedule_cycles);
    if (!st) st = recipe_number(r, s, "decay", 0.1, 0, 1e9, &r->schedule_decay);
    return st ? st : recipe_number(r, s, "floor", 0, 0, 1, &r->floor);
}

static lmm_status read_loop(recipe *r, const tree *t) {
    static const char *const cuts[] = {"skip", "keep_start", "keep_end", NULL}, *const groups[] = {"none", "length", "modality", NULL},
                             *const precisions[] = {"f32", "bf16", NULL};
    double seed, steps;
    int cut = 0, group = 0, precision = 0; /* in the order of truncation and grouping */
    lmm_status st = recipe_number(r, t, "seed", 0, 0, 9007199254740992.0, &seed);
    if (!st) st = recipe_integer(r, t, "batch", 1, 1, 1 << 20, &r->batch);
    if (!st) st = recipe_integer(r, t, "accumulate", 1, 1, 1 << 20, &r->accumulate);
    if (!st) st = recipe_number(r, t, "steps", 0, 0, 1e12, &steps);
    if (!st) st = recipe_number(r, t, "epochs", 1, 0, 1e6, &r->epochs);
    if (!st) st = recipe_integer(r, t, "max_length", 1 << 20, 1, 1 << 24, &r->max_length);
    if (!st) st = recipe_word(r, t, "truncate", cuts, &cut);
    if (!st) st = recipe_word(r, t, "group_by", groups, &group);
    if (!st) st = recipe_word(r, t, "precision", precisions, &precision);
    if (!st) st = recipe_integer(r, t, "broken_max", 0, 0, 1 << 30, &r->broken_max);
    if (!st) st = recipe_integer(r, t, "save_every", 500, 1, 1 << 30, &r->save_every);
    if (!st) st = recipe_integer(r, t, "log_every", 10, 1, 1 << 30, &r->log_every);
    if (!st) st = recipe_integer(r, t, "keep", 2, 1, 1000, &r->keep);
    if (st) return st;
    r->seed = (uint64_t)seed;
    r->steps = (int64_t)steps;
    r->truncate = (truncation)cut;
    r->group_by = (grouping)group;
    r->recompute = tree_bool(t, "recompute", false);
    r->bf16 = precision == 1;
    return LMM_OK;
}

static lmm_status read_all(recipe *r) {
    static const char *const known[] = {"run",       "seed",       "model",    "train",     "data",       "evaluate",   "augment",
                                        "batch",     "accumulate", "steps",    "epochs",    "max_length", "broken_max", "recompute",
                                        "optimizer", "schedule",   "lora",     "dpo",       "grpo",       "save_every", "log_every",
                                        "keep",      "truncate",   "group_by", "precision", NULL};
    tree *t = r->source;
    if (t->type != TREE_MAP) return LMM_FAIL(LMM_E_FORMAT, "%s: a recipe is a map of keys", r->path);
    lmm_status st = recipe_keys(r, t, "", known);
    if (st) return st;
    r->run = recipe_path(r, tree_str(t, "run", NULL));
    if (!r->run) return recipe_bad(r, "run", "must name the output folder");
    if (!st) st = read_model(r, t);
    if (!st) st = read_parts(r, t, "train", r->train);
    if (!st) st = recipe_data_read(r, t);
    if (!st) st = read_lora(r, t);
    if (!st) st = recipe_dpo_read(r, t);
    if (!st) st = recipe_grpo_read(r, t);
    if (!st) st = read_optimizer(r, t);
    if (!st) st = read_schedule(r, t);
    return st ? st : read_loop(r, t);
}

lmm_status recipe_open(recipe *out, const char *path, const char *const *overrides, int n) {
    recipe r = {.path = mem_strdup(path), .folder = mem_strdup(".")};
    lmm_status st = tree_load(&r.source, path);
    for (int i = 0; i < n && !st; i++) st = tree_override(r.source, overrides[i]);
    if (!st) st = read_all(&r);
    if (st) return recipe_free(&r), st;
    return *out = r, LMM_OK;
}

void recipe_free(recipe *r) {
    recipe_data_free(r);
    for (int i = 0; i < r->lora.target_count; i++) free(r->lora_targets[i]);
    free(r->lora_targets);
    free(r->dpo.loss);
    for (int i = 0; i < r->grpo.reward_count; i++) {
        free(r->grpo.rewards[i].name);
        free(r->grpo.rewards[i].command);
    }
    free(r->grpo.loss);
    free(r->grpo.scale);
    free(r->grpo.reduce);
    free(r->grpo.kl);
    free(r->grpo.advantage);
    free(r->grpo.prompt);
    free(r->schedule);
    free(r->model_open);
    free(r->model_new);
    for (int i = 0; i < r->model_from_count; i++) free(r->model_from[i]);
    free(r->model_from);
    for (int i = 0; i < r->model_set_count; i++) free(r->model_set[i]);
    free(r->model_set);
    free(r->run);
    free(r->folder);
    free(r->path);
    tree_free(r->source);
    *r = (recipe){0};
}
