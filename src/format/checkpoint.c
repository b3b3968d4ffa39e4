/* checkpoint.c - name -> tensor over a model folder (one safetensors file, or an index and its shards) or over one safetensors or GGUF file.
 *
 * A folder with CTranslate2's model.bin alone is read too.
 * In a folder with shards the index decides: a tensor counts when the index names it, and then it must be in the shard it names. */
#include <stdlib.h>
#include <string.h>

#include "format/format_int.h"

struct checkpoint {
    char *path;
    VEC(safetensors *) files;
    gguf *gguf, *projector; /* or this one file, and one beside it */
    ct2 *ct2;               /* or this one */
    VEC(named_tensor) list; /* names on loan from the files */
    VEC(char *) names;      /* of parts of tensors */
    VEC(void *) copies;     /* of tensors that lie unaligned in their file, or in another order of rows */
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

/* Adds a file's tensors; with `places` (name -> shard number) only those that belong into this shard. */
static lmm_status add_file(checkpoint *c, const char *path, const strmap *places, int shard) {
    safetensors *s;
    lmm_status st = safetensors_open(&s, path);
    if (st) return st;
    VEC_PUSH(&c->files, s);
    for (int i = 0; i < safetensors_count(s) && !st; i++) {
        named_tensor n = *safetensors_at(s, i);
        int place;
        if (places && (!strmap_get(places, n.name, strlen(n.name), &place) || place != shard)) continue;
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

/* places: tensor name -> number of its shard in `files`, the distinct names in order of appearance, on loan from the map. */
typedef struct {
    VEC(const char *) files;
    strmap *places;
} layout;

static void layout_free(layout *l) {
    free(l->files.at);
    strmap_free(l->places);
}

static lmm_status layout_read(layout *l, const tree *map) {
    if (!map || map->type != TREE_MAP || map->count == 0) return LMM_FAIL(LMM_E_FORMAT, "it has no \"weight_map\" from tensors to files");
    lmm_status st = LMM_OK;
    strmap *numbers = strmap_new();
    for (int i = 0; i < map->count && !st; i++) {
        const tree *f = map->items[i];
        const char *name = map->keys[i];
        int number = l->files.count;
        if (f->type != TREE_STRING || !is_plain_name(f->text, f->text_size)) {
            st = LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is placed in '%s', which is no plain name of a .safetensors file in this folder",
                          name_shown(name).text, f->type == TREE_STRING ? name_shown(f->text).text : "");
            break;
        }
        if (strmap_put(numbers, f->text, f->text_size, number)) VEC_PUSH(&l->files, f->text);
        else strmap_get(numbers, f->text, f->text_size, &number);
        strmap_put(l->places, name, strlen(name), number);
    }
    strmap_free(numbers);
    return st;
}

static lmm_status check_complete(const checkpoint *c, const tree *map) {
    for (int i = 0; i < map->count; i++)
        if (!checkpoint_find(c, map->keys[i]))
            return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is not in '%s', where the index places it", name_shown(map->keys[i]).text,
                            name_shown(map->items[i]->text).text);
    return LMM_OK;
}

static lmm_status index_load(tree **out, const char *path) {
    char *text;
    size_t size;
    lmm_status st = file_read(&text, &size, path, HEADER_SIZE_MAX);
    if (st) return st;
    st = json_check_size(text, size);
    st = st ? LMM_CONTEXT(st, "cannot read '%s'", path) : tree_parse_json(out, text, size, path);
    free(text);
    return st;
}

static lmm_status add_shards(checkpoint *c, const char *index_path) {
    tree *index;
    lmm_status st = index_load(&index, index_path);
    if (st) return st;
    layout l = {.places = strmap_new()};
    const tree *map = tree_get(index, "weight_map");
    st = layout_read(&l, map);
    if (st) st = LMM_CONTEXT(st, "cannot read '%s'", index_path);
    for (int i = 0; i < l.files.count && !st; i++) {
        char *path = path_join(c->path, l.files.at[i]);
        st = add_file(c, path, l.places, i);
        free(path);
    }
    if (!st && (st = check_complete(c, map))) st = LMM_CONTEXT(st, "cannot read '%s'", index_path);
    layout_free(&l);
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

static lmm_status add_ct2(checkpoint *c, const char *path) {
    lmm_status st = ct2_open(&c->ct2, path);
    for (int i = 0; !st && i < ct2_count(c->ct2); i++) {
        named_tensor n = *ct2_at(c->ct2, i);
        if ((st = align(c, &n))) break;
        strmap_put(c->index, n.name, strlen(n.name), i);
        VEC_PUSH(&c->list, n);
    }
    return st;
}

static lmm_status add_folder(checkpoint *c) {
    char *single = path_join(c->path, CHECKPOINT_FILE), *index = path_join(c->path, CHECKPOINT_INDEX),
         *bin = path_join(c->path, CHECKPOINT_CT2);
    lmm_status st = file_exists(single)  ? add_file(c, single, NULL, 0)
                    : file_exists(index) ? add_shards(c, index)
                    : file_exists(bin)   ? add_ct2(c, bin)
                                         : no_weights(c->path);
    free(bin);
    free(single);
    free(index);
    return st;
}

static lmm_status add_tensors(checkpoint *c, const gguf *g) {
    for (int i = 0; i < gguf_count(g); i++) {
        named_tensor n = *gguf_at(g, i);
        if (!strmap_put(c->index, n.name, strlen(n.name), c->list.count))
            return LMM_FAIL(LMM_E_FORMAT, "tensor '%s' is in '%s' and in '%s'", name_shown(n.name).text, c->path, gguf_name(g));
        VEC_PUSH(&c->list, n);
    }
    return LMM_OK;
}

static lmm_status add_gguf(checkpoint *c) {
    lmm_status st = gguf_open(&c->gguf, c->path);
    return st ? st : add_tensors(c, c->gguf);
}

lmm_status checkpoint_add_gguf(checkpoint *c, gguf *g) {
    c->projector = g;
    return add_tensors(c, g);
}

lmm_status checkpoint_open(checkpoint **out, const char *path) {
    checkpoint *c = mem_new(1, sizeof *c);
    c->path = mem_strdup(path);
    c->index = strmap_new();
    lmm_status st = file_is_dir(path) ? add_folder(c) : gguf_is(path) ? add_gguf(c) : add_file(c, path, NULL, 0);
    if (st) checkpoint_close(c);
    else *out = c;
    return st;
}

void checkpoint_close(checkpoint *c) {
    if (!c) return;
    for (int i = 0; i < c->copies.count; i++) free(c->copies.at[i]);
    for (int i = 0; i < c->files.count; i++) safetensors_close(c->files.at[i]);
    for (int i = 0; i < c->names.count; i++) free(c->names.at[i]);
    gguf_close(c->gguf);
    gguf_close(c->projector);
    ct2_close(c->ct2);
    free(c->names.at);
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

const gguf *checkpoint_gguf(const checkpoint *c) { return c->gguf; }
const ct2 *checkpoint_ct2(const checkpoint *c) { return c->ct2; }

lmm_status checkpoint_weave(checkpoint *c, int i, int heads) {
    tensor *t = &c->list.at[i].t;
    t->woven = heads;
    if (t->nd > 1) return LMM_OK;
    void *copy;
    tensor column = tensor_make(t->type, 2, (int64_t[]){t->ne[0], 1}, t->data);
    column.woven = heads;
    lmm_status st = tensor_straighten(&column, &copy, c->list.at[i].name);
    if (st) return st;
    VEC_PUSH(&c->copies, copy);
    t->data = copy;
    t->woven = 0;
    return LMM_OK;
}

lmm_status checkpoint_split_rows(checkpoint *c, int i, int parts) {
    named_tensor whole = c->list.at[i];
    if (whole.t.nd < 1 || whole.t.ne[0] % parts)
        return LMM_FAIL(LMM_E_SHAPE, "tensor '%s': its rows are no %d equal parts", name_shown(whole.name).text, parts);
    for (int p = 0; p < parts; p++) {
        named_tensor n = {.t = whole.t};
        n.t.ne[0] /= parts;
        n.t.data = (char *)whole.t.data + (size_t)p * tensor_size(&n.t);
        char *name = mem_printf("%s.%d", whole.name, p);
        VEC_PUSH(&c->names, name);
        n.name = name;
        strmap_put(c->index, name, strlen(name), c->list.count);
        VEC_PUSH(&c->list, n);
    }
    return LMM_OK;
}
