/* checkpoint.c - name -> tensor over a model folder (one safetensors file, or an index and its shards) or over one file.
 *
 * In a folder with shards the index decides: a tensor counts when the index names it, and then it must be in the shard it names. */
#include <stdlib.h>
#include <string.h>

#include "format/format_int.h"

struct checkpoint {
    char *path;
    VEC(safetensors *) files;
    VEC(named_tensor) list;    /* names on loan from the files */
    VEC(void *) copies;        /* of tensors that lie unaligned in their file */
    strmap *index;
};

/* Offsets in a file owe nothing to the type: an F32 after an odd number of F16 lies at 2 mod 4. */
static lmm_status align(checkpoint *c, named_tensor *n) {
    size_t size = tensor_size(&n->t);
    if (size == 0 || (uintptr_t)n->t.data % dtype_size(n->t.type) == 0) return LMM_OK;
    void *copy;
    lmm_status st = mem_try(&copy, size, n->name);
    if (st) return st;
    memcpy(copy, n->t.data, size);
    VEC_PUSH(&c->copies, copy);
    n->t.data = copy;
    return LMM_OK;
}

/* Adds a file's tensors; with a map only those that it places in `shard`. */
static lmm_status add_file(checkpoint *c, const char *path, const tree *map, const char *shard) {
    safetensors *s;
    lmm_status st = safetensors_open(&s, path);
    if (st) return st;
    VEC_PUSH(&c->files, s);
    for (int i = 0; i < safetensors_count(s) && !st; i++) {
        named_tensor n = *safetensors_at(s, i);
        if (map && strcmp(tree_str(map, n.name, ""), shard)) continue;
        st = align(c, &n);
        if (st) break;
        strmap_put(c->index, n.name, strlen(n.name), c->list.count);
        VEC_PUSH(&c->list, n);
    }
    return st;
}

/* ---- shards ---- */

static bool is_plain_name(const char *s, size_t n) {
    return n > 0 && n < 256 && n == strlen(s) && s[0] != '.' && !strpbrk(s, "/\\") && n > 12 && !strcmp(s + n - 12, ".safetensors");
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The distinct shard names of an index, sorted; on loan from the map. */
static lmm_status shard_names(const tree *map, const char ***out, int *count) {
    const char **names = mem_new((size_t)map->count + 1, sizeof *names);
    for (int i = 0; i < map->count; i++) {
        const tree *f = map->items[i];
        if (f->type == TREE_STRING && is_plain_name(f->text, f->text_size)) {
            names[i] = f->text;
            continue;
        }
        free(names);
        return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is placed in '%s', which is no plain name of a .safetensors file in this folder",
                        name_shown(map->keys[i]).text, f->type == TREE_STRING ? name_shown(f->text).text : "");
    }
    qsort(names, (size_t)map->count, sizeof *names, by_text);
    *count = 0;
    for (int i = 0; i < map->count; i++)
        if (*count == 0 || strcmp(names[*count - 1], names[i])) names[(*count)++] = names[i];
    return *out = names, LMM_OK;
}

static lmm_status check_complete(const checkpoint *c, const tree *map) {
    for (int i = 0; i < map->count; i++)
        if (!checkpoint_find(c, map->keys[i]))
            return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is not in '%s', where the index places it", name_shown(map->keys[i]).text,
                            name_shown(map->items[i]->text).text);
    return LMM_OK;
}

static lmm_status add_shards(checkpoint *c, const char *index_path) {
    tree *index;
    lmm_status st = tree_load(&index, index_path);
    if (st) return st;
    const tree *map = tree_get(index, "weight_map");
    const char **names = NULL;
    int count = 0;
    if (!map || map->type != TREE_MAP || map->count == 0) st = LMM_FAIL(LMM_E_FORMAT, "it has no \"weight_map\" of tensors to files");
    if (!st) st = shard_names(map, &names, &count);
    if (st) st = LMM_CONTEXT(st, "cannot read '%s'", index_path);
    for (int i = 0; i < count && !st; i++) {
        char *path = path_join(c->path, names[i]);
        st = add_file(c, path, map, names[i]);
        free(path);
    }
    if (!st && (st = check_complete(c, map))) st = LMM_CONTEXT(st, "cannot read '%s'", index_path);
    free(names);
    tree_free(index);
    return st;
}

/* ---- opening ---- */

static lmm_status no_weights(const char *dir) {
    char *old = path_join(dir, "pytorch_model.bin");
    bool has_old = file_exists(old);
    free(old);
    return LMM_FAIL(LMM_E_IO, "no weights in '%s': neither " CHECKPOINT_FILE " nor " CHECKPOINT_INDEX " is there%s", dir,
                    has_old ? " (pytorch_model.bin must be converted to safetensors)" : "");
}

static lmm_status add_folder(checkpoint *c) {
    char *single = path_join(c->path, CHECKPOINT_FILE), *index = path_join(c->path, CHECKPOINT_INDEX);
    lmm_status st = file_exists(single) ? add_file(c, single, NULL, NULL) : file_exists(index) ? add_shards(c, index) : no_weights(c->path);
    free(single);
    free(index);
    return st;
}

lmm_status checkpoint_open(checkpoint **out, const char *path) {
    checkpoint *c = mem_new(1, sizeof *c);
    c->path = mem_strdup(path);
    c->index = strmap_new();
    lmm_status st = file_is_dir(path) ? add_folder(c) : add_file(c, path, NULL, NULL);
    if (st) checkpoint_close(c);
    else *out = c;
    return st;
}

void checkpoint_close(checkpoint *c) {
    if (!c) return;
    for (int i = 0; i < c->copies.count; i++) free(c->copies.at[i]);
    for (int i = 0; i < c->files.count; i++) safetensors_close(c->files.at[i]);
    free(c->copies.at);
    free(c->files.at);
    free(c->list.at);
    strmap_free(c->index);
    free(c->path);
    free(c);
}

int checkpoint_count(const checkpoint *c) { return c->list.count; }

const named_tensor *checkpoint_at(const checkpoint *c, int i) {
    LMM_ASSERT(i >= 0 && i < c->list.count, "tensor %d of %d", i, c->list.count);
    return &c->list.at[i];
}

const tensor *checkpoint_find(const checkpoint *c, const char *name) {
    int i;
    return strmap_get(c->index, name, strlen(name), &i) ? &c->list.at[i].t : NULL;
}

const char *checkpoint_path(const checkpoint *c) { return c->path; }
