/* train_checkpoint.c - saving and resuming a run: folders committed by rename, with a manifest of sizes and SHA-256 (ecosystem.md 2.5). */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

/* ---- small files ---- */

static lmm_status copy_file(const char *from_dir, const char *to_dir, const char *name) {
    char *from = path_join(from_dir, name), *to = path_join(to_dir, name), *data = NULL;
    size_t size;
    lmm_status st = LMM_OK;
    if (file_exists(from)) st = file_read(&data, &size, from, (size_t)1 << 30);
    if (!st && data) st = file_write(to, data, size);
    free(data);
    free(from);
    free(to);
    return st;
}

/* transformers' processors count a picture's rows by their own "patch_size": a recipe's `set` may have given the tower another. */
static lmm_status copy_processor(const tree *config, const char *from, const char *to) {
    static const char name[] = "processor_config.json";
    int64_t patch = tree_int(tree_get(config, "vision_config"), "patch_size", 0);
    char *path = path_join(from, name);
    tree *t = NULL;
    lmm_status st = patch && file_exists(path) ? tree_load(&t, path) : LMM_OK;
    if (!st && tree_get(t, "patch_size") && tree_int(t, "patch_size", 0) != patch) {
        tree_put(t, "patch_size", tree_new_int(patch));
        st = tree_save_json(t, to, name, 2);
    } else if (!st) st = copy_file(from, to, name);
    tree_free(t);
    free(path);
    return st;
}

/* Everything of a model folder that is not weights or config. */
static lmm_status copy_text_files(const tree *config, const char *from, const char *to) {
    static const char *const names[] = {"tokenizer.json",     "tokenizer_config.json",    "special_tokens_map.json", "chat_template.jinja",
                                        "chat_template.json", "preprocessor_config.json", "generation_config.json"};
    lmm_status st = copy_processor(config, from, to);
    for (size_t i = 0; i < COUNT_OF(names) && !st; i++) st = copy_file(from, to, names[i]);
    return st;
}

/* The weights that a run changes: the model, or its adapters alone. */
static lmm_status save_weights(const lmm_model *m, const char *text_dir, const char *dir) {
    const net *n = m->net;
    return n->lora.rank ? lora_save(&n->params, &n->adapters, &n->lora, text_dir, dir) : net_save(n, dir);
}

lmm_status train_export(const lmm_model *m, const char *text_dir, const char *dir) {
    char *tmp;
    lmm_status st = dir_replace_begin(&tmp, dir);
    if (st) return st;
    st = copy_text_files(m->net->config, text_dir, tmp);
    if (!st) st = save_weights(m, text_dir, tmp);
    if (!st) st = dir_replace_commit(tmp, dir);
    if (st) dir_remove(tmp);
    free(tmp);
    return st;
}

/* ---- optimizer state: "m.NAME" and "v.NAME", in bf16 "c.NAME" too, in 8 bits the scales "a.NAME" and "b.NAME"; a rank's share that is not the whole is
 * "m.NAME@FIRST", one-dimensional ---- */

static named_tensor state_tensor(const param *p, const optim_state *s) {
    const tensor *t = &p->t;
    if (s->count < s->whole)
        return (named_tensor){mem_printf("%c.%s@%" PRId64, s->letter, p->name, s->first), tensor_make(s->type, 1, &s->count, s->values)};
    const bool shaped = s->whole == tensor_count(t);
    return (named_tensor){mem_printf("%c.%s", s->letter, p->name),
                          tensor_make(s->type, shaped ? t->nd : 1, shaped ? t->ne : &s->count, s->values)};
}

static char *state_path(const optim *o, const char *dir) {
    int ranks = dist_count(o->world);
    if (ranks == 1) return path_join(dir, "optimizer.safetensors");
    return mem_printf("%s/optimizer-%05d-of-%05d.safetensors", dir, dist_rank(o->world) + 1, ranks);
}

static lmm_status save_optim(const optim *o, const char *dir) {
    named_tensor *at = mem_new((size_t)(OPTIM_STATES_MAX * o->slots.count + 1), sizeof *at);
    optim_state states[OPTIM_STATES_MAX];
    int n = 0;
    for (int i = 0; i < o->slots.count; i++) {
        const optim_slot *s = &o->slots.at[i];
        if (s->first == s->last) continue;
        const int count = optim_states(s, states);
        for (int k = 0; k < count; k++) at[n++] = state_tensor(s->p, &states[k]);
    }
    char *path = state_path(o, dir);
    lmm_status st = safetensors_save(path, at, n, NULL);
    free(path);
    for (int i = 0; i < n; i++) free((char *)at[i].name);
    free(at);
    return st;
}

/* Copies what the tensor, values from `first` on, and this rank's share have in common; counts it in *covered. */
static lmm_status load_piece(const optim_slot *slot, const named_tensor *piece, int64_t first, int64_t *covered) {
    optim_state states[OPTIM_STATES_MAX], *s = NULL;
    for (int k = optim_states(slot, states); k-- > 0;)
        if (states[k].letter == piece->name[0]) s = &states[k];
    const int64_t n = tensor_count(&piece->t);
    if (!s || piece->t.type != s->type || first < 0 || n > s->whole - first)
        return LMM_FAIL(LMM_E_FORMAT, "optimizer state '%s' has another type or size than '%s'", piece->name, slot->p->name);
    const int64_t low = first > s->first ? first : s->first, high = min_i64(first + n, s->first + s->count);
    if (high <= low) return LMM_OK;
    const size_t item = dtype_size(s->type);
    memcpy((char *)s->values + (size_t)(low - s->first) * item, (const char *)piece->t.data + (size_t)(low - first) * item,
           (size_t)(high - low) * item);
    *covered += high - low;
    return LMM_OK;
}

static lmm_status load_file(optim *o, const strmap *slots, const char *path, int64_t *covered) {
    safetensors *file;
    lmm_status st = safetensors_open(&file, path);
    if (st) return st;
    for (int i = 0; i < safetensors_count(file) && !st; i++) {
        const named_tensor *piece = safetensors_at(file, i);
        const char *name = piece->name, *at = strrchr(name, '@');
        int slot;
        if (!name[0] || name[1] != '.') continue;
        size_t size = at ? (size_t)(at - name) - 2 : strlen(name) - 2;
        if (strmap_get(slots, name + 2, size, &slot))
            st = load_piece(&o->slots.at[slot], piece, at ? strtoll(at + 1, NULL, 10) : 0, covered);
    }
    safetensors_close(file);
    return st;
}

static bool is_state_file(const char *name) { return !strncmp(name, "optimizer", 9) && strstr(name, ".safetensors"); }

static lmm_status load_optim(optim *o, const char *dir) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    int64_t covered = 0, wanted = 0;
    optim_state states[OPTIM_STATES_MAX];
    strmap *slots = strmap_new();
    for (int i = 0; i < o->slots.count; i++) {
        strmap_put(slots, o->slots.at[i].p->name, strlen(o->slots.at[i].p->name), i);
        for (int k = optim_states(&o->slots.at[i], states); k-- > 0;) wanted += states[k].count;
    }
    for (int i = 0; i < count && !st; i++) {
        if (!is_state_file(names[i])) continue;
        char *path = path_join(dir, names[i]);
        st = load_file(o, slots, path, &covered);
        free(path);
    }
    if (!st && covered != wanted)
        st = LMM_FAIL(LMM_E_FORMAT, "optimizer states are missing: has the recipe's 'train' or 'optimizer' changed?");
    strmap_free(slots);
    names_free(names, count);
    return st;
}

/* ---- manifest ---- */

static lmm_status hash_file(const char *path, char hex[65], size_t *size) {
    file_map map;
    lmm_status st = file_map_open(&map, path);
    if (st) return st;
    sha256_hex(map.data, map.size, hex);
    *size = map.size;
    file_map_close(&map);
    return LMM_OK;
}

static lmm_status write_manifest(const char *dir, int64_t step) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    tree *files = tree_new(TREE_MAP);
    for (int i = 0; i < count && !st; i++) {
        char hex[65], *path = path_join(dir, names[i]);
        size_t size;
        st = hash_file(path, hex, &size);
        free(path);
        if (st) break;
        tree *f = tree_new(TREE_MAP);
        tree_put(f, "size", tree_new_int((int64_t)size));
        tree_put(f, "sha256", tree_new_string(hex));
        tree_put(files, names[i], f);
    }
    names_free(names, count);
    tree *manifest = tree_new(TREE_MAP);
    tree_put(manifest, "program", tree_new_string(lmm_version()));
    tree_put(manifest, "step", tree_new_int(step));
    tree_put(manifest, "files", files);
    if (!st) st = tree_save_json(manifest, dir, "MANIFEST.json", 1);
    tree_free(manifest);
    return st;
}

static lmm_status verify(const char *dir, int64_t *step) {
    char *path = path_join(dir, "MANIFEST.json");
    tree *manifest = NULL;
    lmm_status st = tree_load(&manifest, path);
    free(path);
    if (st) return st;
    const tree *files = tree_get(manifest, "files");
    for (int i = 0; files && i < files->count && !st; i++) {
        char hex[65], *file = path_join(dir, files->keys[i]);
        size_t size;
        st = hash_file(file, hex, &size);
        if (!st && strcmp(hex, tree_str(files->items[i], "sha256", "")))
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' does not match its manifest", file);
        free(file);
    }
    *step = tree_int(manifest, "step", 0);
    tree_free(manifest);
    return st;
}

/* ---- run folders ---- */

static bool step_of(const char *name, int64_t *step) {
    char *end;
    if (strncmp(name, "step-", 5)) return false;
    *step = strtoll(name + 5, &end, 10);
    return end != name + 5 && *end == '\0';
}

/* Removes checkpoints older than the `keep` newest. */
static void prune(const char *run, int keep) {
    char **names;
    int count;
    if (dir_list(&names, &count, run)) return;
    for (;;) {
        int total = 0, oldest = -1;
        int64_t low = 0, step;
        for (int i = 0; i < count; i++) {
            if (!names[i][0] || !step_of(names[i], &step)) continue;
            total++;
            if (oldest < 0 || step < low) low = step, oldest = i;
        }
        if (total <= keep) break;
        char *path = path_join(run, names[oldest]);
        dir_remove(path);
        free(path);
        names[oldest][0] = '\0';
    }
    names_free(names, count);
}

static lmm_status write_state(const recipe *r, const lmm_model *m, const optim *o, int64_t step, const char *dir) {
    tree *state = tree_new(TREE_MAP);
    tree_put(state, "step", tree_new_int(step));
    tree_put(state, "optimizer_step", tree_new_int(o->step));
    tree_put(state, "recipe", tree_copy(r->source));
    tree_put(state, "kernels", tree_new_string(m->runtime->k->name));
    lmm_status st = tree_save_json(state, dir, "state.json", 1);
    tree_free(state);
    return st;
}

/* Every rank writes its share of the optimizer's states and what the algorithm adds into rank 0's folder, rank 0 all else, and the manifest when all are done. */
static lmm_status write_step(const recipe *r, const lmm_model *m, const optim *o, const char *text_dir, int64_t step, const char *dir,
                             save_fn more, void *arg) {
    bool leader = dist_rank(o->world) == 0;
    lmm_status st = save_optim(o, dir);
    if (!st && more) st = more(arg, dir);
    if (!st && leader) st = copy_text_files(m->net->config, text_dir, dir);
    if (!st && leader) st = save_weights(m, text_dir, dir);
    if (!st && leader) st = write_state(r, m, o, step, dir);
    st = dist_agree(o->world, st);
    return st || !leader ? st : write_manifest(dir, step);
}

/* Rank 0 makes the temporary folder and tells its name. */
static lmm_status begin_step(const optim *o, const char *dir, char **tmp) {
    enum { PATH_SIZE = 4096 };
    lmm_status st = dist_rank(o->world) ? LMM_OK : dir_replace_begin(tmp, dir);
    if (dist_count(o->world) == 1) return st;
    st = dist_agree(o->world, st);
    char *paths = mem_new((size_t)dist_count(o->world), PATH_SIZE);
    if (!st && *tmp) snprintf(paths, PATH_SIZE, "%s", *tmp);
    if (!st) st = dist_share(o->world, paths, PATH_SIZE);
    if (!st && !*tmp) *tmp = mem_strdup(paths);
    free(paths);
    return st;
}

lmm_status train_save(const recipe *r, const lmm_model *m, const optim *o, const char *text_dir, int64_t step, save_fn more, void *arg) {
    char name[64], *tmp = NULL;
    bool leader = dist_rank(o->world) == 0;
    snprintf(name, sizeof name, "step-%08" PRId64, step);
    char *dir = path_join(r->run, name), *latest = path_join(r->run, "LATEST");
    lmm_status st = begin_step(o, dir, &tmp);
    if (!st) st = write_step(r, m, o, text_dir, step, tmp, more, arg);
    if (!st && leader) st = dir_replace_commit(tmp, dir);
    if (st && leader && tmp) dir_remove(tmp);
    if (!st && leader) st = file_write(latest, name, strlen(name));
    if (!st && leader) prune(r->run, r->keep);
    st = dist_agree(o->world, st);
    free(latest);
    free(dir);
    free(tmp);
    return LMM_CONTEXT(st, "saving step %" PRId64 " (the last good checkpoint is untouched)", step);
}

char *train_latest(const char *run, int64_t *step) {
    char **names, *best = NULL;
    int count;
    if (!file_is_dir(run) || dir_list(&names, &count, run)) return NULL;
    for (int i = count - 1; i >= 0 && !best; i--) { /* names sort by step */
        int64_t unused;
        if (!step_of(names[i], &unused)) continue;
        char *path = path_join(run, names[i]);
        if (verify(path, step) == LMM_OK) best = path;
        else {
            fprintf(stderr, "lmm: checkpoint '%s' is damaged and passed over: %s\n", path, lmm_message());
            free(path);
        }
    }
    names_free(names, count);
    return best;
}

static lmm_status load_weights(lmm_model *m, const char *dir) {
    net *from;
    lmm_status st = net_open(&from, dir);
    if (st) return st;
    for (int i = 0; i < m->net->params.list.count && !st; i++) {
        param *p = m->net->params.list.at[i];
        const param *q = param_find(&from->params, p->name);
        if (!q || !tensor_same_shape(&q->t, &p->t))
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' is missing or has another shape in '%s'", p->name, dir);
        else if (p->owned && q->t.type != p->t.type)
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' is %s in '%s', not %s: has the recipe's 'optimizer' changed?", p->name, dtype_name(q->t.type),
                          dir, dtype_name(p->t.type));
        else if (p->owned) memcpy(p->t.data, q->t.data, tensor_size(&p->t));
    }
    net_free(from);
    return st;
}

static bool same_value(const tree *a, const tree *b) {
    buf x = {0}, y = {0};
    if (a) tree_write_json(&x, a, 0);
    if (b) tree_write_json(&y, b, 0);
    const bool same = x.size == y.size && (!x.size || !memcmp(x.data, y.data, x.size));
    buf_free(&x);
    buf_free(&y);
    return same;
}

char *train_changed(const char *dir, const recipe *r) {
    static const char *const keys[] = {"model", "data", "train", "lora", "dpo", "grpo", NULL};
    char *path = path_join(dir, "state.json");
    tree *state = NULL;
    buf b = {0};
    if (tree_load(&state, path) == LMM_OK) {
        const tree *before = tree_get(state, "recipe");
        for (int i = 0; keys[i] && before; i++)
            if (!same_value(tree_get(before, keys[i]), tree_get(r->source, keys[i]))) buf_printf(&b, "%s'%s'", b.size ? ", " : "", keys[i]);
    }
    tree_free(state);
    free(path);
    return b.size ? buf_take(&b) : NULL;
}

lmm_status train_restore(const char *dir, lmm_model *m, optim *o) {
    char *path = path_join(dir, "state.json");
    tree *state = NULL;
    lmm_status st = tree_load(&state, path);
    free(path);
    if (!st) o->step = tree_int(state, "optimizer_step", 0);
    tree_free(state);
    net *n = m->net;
    const lmm_runtime *r = m->runtime;
    if (!st) st = n->lora.rank ? lora_load(&n->params, &n->adapters, dir, NULL, r->k, r->pool) : load_weights(m, dir);
    if (!st) st = load_optim(o, dir);
    return LMM_CONTEXT(st, "resuming from '%s'", dir);
}
