/* train_checkpoint.c - saving and resuming a run: folders committed by rename, with a manifest of sizes and SHA-256 (ecosystem.md 2.5). */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

/* ---- small files ---- */

static lmm_status write_tree(const char *dir, const char *name, const tree *t) {
    buf json = {0};
    tree_write_json(&json, t, 1);
    buf_putc(&json, '\n');
    char *path = path_join(dir, name);
    lmm_status st = file_write(path, json.data, json.size);
    free(path);
    buf_free(&json);
    return st;
}

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

/* Everything of a model folder that is not weights or config. */
static lmm_status copy_text_files(const char *from, const char *to) {
    static const char *const names[] = {"tokenizer.json",        "tokenizer_config.json", "special_tokens_map.json",
                                        "chat_template.jinja",   "chat_template.json",    "preprocessor_config.json",
                                        "processor_config.json", "generation_config.json"};
    lmm_status st = LMM_OK;
    for (size_t i = 0; i < COUNT_OF(names) && !st; i++) st = copy_file(from, to, names[i]);
    return st;
}

lmm_status train_export(const lmm_model *m, const char *text_dir, const char *dir) {
    char *tmp;
    lmm_status st = dir_replace_begin(&tmp, dir);
    if (st) return st;
    st = copy_text_files(text_dir, tmp);
    if (!st) st = net_save(m->net, tmp);
    if (!st) st = dir_replace_commit(tmp, dir);
    if (st) dir_remove(tmp);
    free(tmp);
    return st;
}

/* ---- optimizer state ---- */

static lmm_status save_optim(const optim *o, const char *dir) {
    int n = o->slots.count;
    named_tensor *at = mem_new((size_t)(2 * n + 1), sizeof *at);
    for (int i = 0; i < n; i++) {
        const optim_slot *s = &o->slots.at[i];
        at[2 * i] = (named_tensor){mem_printf("m.%s", s->p->name), tensor_make(DT_F32, s->p->t.nd, s->p->t.ne, s->m)};
        at[2 * i + 1] = (named_tensor){mem_printf("v.%s", s->p->name), tensor_make(DT_F32, s->p->t.nd, s->p->t.ne, s->v)};
    }
    char *path = path_join(dir, "optimizer.safetensors");
    lmm_status st = safetensors_save(path, at, 2 * n, NULL);
    free(path);
    for (int i = 0; i < 2 * n; i++) free((char *)at[i].name);
    free(at);
    return st;
}

static lmm_status load_state(const safetensors *s, const param *p, const char *kind, float *to) {
    char *name = mem_printf("%s.%s", kind, p->name);
    const tensor *t = safetensors_find(s, name);
    lmm_status st = t && t->type == DT_F32 && tensor_same_shape(t, &p->t)
                        ? LMM_OK
                        : LMM_FAIL(LMM_E_FORMAT, "optimizer state '%s' is missing or has another shape", name);
    if (!st) memcpy(to, t->data, tensor_size(t));
    free(name);
    return st;
}

static lmm_status load_optim(optim *o, const char *dir) {
    char *path = path_join(dir, "optimizer.safetensors");
    safetensors *s;
    lmm_status st = safetensors_open(&s, path);
    free(path);
    if (st) return st;
    for (int i = 0; i < o->slots.count && !st; i++) {
        st = load_state(s, o->slots.at[i].p, "m", o->slots.at[i].m);
        if (!st) st = load_state(s, o->slots.at[i].p, "v", o->slots.at[i].v);
    }
    safetensors_close(s);
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
    if (!st) st = write_tree(dir, "MANIFEST.json", manifest);
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

static lmm_status write_step(const recipe *r, const lmm_model *m, const optim *o, const char *text_dir, int64_t step, const char *dir) {
    lmm_status st = copy_text_files(text_dir, dir);
    if (!st) st = net_save(m->net, dir);
    if (!st) st = save_optim(o, dir);
    tree *state = tree_new(TREE_MAP);
    tree_put(state, "step", tree_new_int(step));
    tree_put(state, "optimizer_step", tree_new_int(o->step));
    tree_put(state, "recipe", tree_copy(r->source));
    tree_put(state, "kernels", tree_new_string(m->runtime->k->name));
    if (!st) st = write_tree(dir, "state.json", state);
    tree_free(state);
    return st ? st : write_manifest(dir, step);
}

lmm_status train_save(const recipe *r, const lmm_model *m, const optim *o, const char *text_dir, int64_t step) {
    char name[64], *tmp;
    snprintf(name, sizeof name, "step-%08" PRId64, step);
    char *dir = path_join(r->run, name);
    lmm_status st = dir_replace_begin(&tmp, dir);
    if (!st) {
        st = write_step(r, m, o, text_dir, step, tmp);
        if (!st) st = dir_replace_commit(tmp, dir);
        if (st) dir_remove(tmp);
        free(tmp);
    }
    char *latest = path_join(r->run, "LATEST");
    if (!st) st = file_write(latest, name, strlen(name));
    if (!st) prune(r->run, r->keep);
    free(latest);
    free(dir);
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
        else if (p->owned && q->t.type == DT_F32) memcpy(p->t.data, q->t.data, tensor_size(&p->t));
    }
    net_free(from);
    return st;
}

lmm_status train_restore(const char *dir, lmm_model *m, optim *o) {
    char *path = path_join(dir, "state.json");
    tree *state = NULL;
    lmm_status st = tree_load(&state, path);
    free(path);
    if (!st) o->step = tree_int(state, "optimizer_step", 0);
    tree_free(state);
    if (!st) st = load_weights(m, dir);
    if (!st) st = load_optim(o, dir);
    return LMM_CONTEXT(st, "resuming from '%s'", dir);
}
