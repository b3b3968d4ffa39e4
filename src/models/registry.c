/* registry.c - the table of families, and opening, making and saving a network. */
#include <stdlib.h>
#include <string.h>

#include "models/models_int.h"

static const lmm_arch *const archs[] =
    {&arch_llm, &arch_llava, &arch_llava_next, &arch_llava_next_video, &arch_llava_onevision, &arch_qwen2_vl, &arch_llava_original,
     &arch_vit, &arch_clip,  &arch_bert,       &arch_whisper,          &arch_egogpt};

const lmm_arch *arch_at(int index) { return index >= 0 && index < (int)COUNT_OF(archs) ? archs[index] : NULL; }

static bool listed(const char *const *list, const char *name) {
    for (; *list; list++)
        if (!strcmp(*list, name)) return true;
    return false;
}

const lmm_arch *arch_find(const tree *config, const char *name) {
    const tree *classes = tree_get(config, "architectures");
    const char *class =
        classes && classes->type == TREE_LIST && classes->count && classes->items[0]->type == TREE_STRING ? classes->items[0]->text : NULL;
    const char *type = tree_str(config, "model_type", "");
    for (size_t i = 0; i < COUNT_OF(archs); i++)
        if (class ? listed(archs[i]->hf, class) : listed(archs[i]->types, type)) return archs[i];
    buf known = {0};
    for (size_t i = 0; i < COUNT_OF(archs); i++)
        for (const char *const *h = archs[i]->hf; *h; h++) buf_printf(&known, "%s%s", known.size ? ", " : "", *h);
    lmm_fail(LMM_E_UNSUPPORTED, "%s: architecture '%s' is not known (known: %s)", name, class ? class : type, known.data);
    buf_free(&known);
    return NULL;
}

static strmap *index_names(const lmm_arch *arch, const checkpoint *file) {
    strmap *m = strmap_new();
    char *(*canonical)(const char *key) = checkpoint_gguf(file)
                                              ? gguf_projector_turned(file) ? names_canonical_mmproj : names_canonical_gguf
                                          : checkpoint_ct2(file) ? names_canonical_ct2
                                                                 : arch->canonical;
    for (int i = 0; i < checkpoint_count(file); i++) {
        char *name = canonical(checkpoint_at(file, i)->name);
        if (name) strmap_put(m, name, strlen(name), i);
        free(name);
    }
    return m;
}

static lmm_status bind_with(net *n, binder b) {
    strmap *index = n->file ? index_names(n->arch, n->file) : NULL;
    b.set = &n->params;
    b.source = n->file;
    b.index = index;
    b.key_of = n->arch->key_of;
    b.respell = n->file && (checkpoint_gguf(n->file) || checkpoint_ct2(n->file));
    lmm_status st = n->arch->bind(n, n->config, &b);
    strmap_free(index);
    return st ? st : b.status;
}

static lmm_status bind_all(net *n) { return bind_with(n, (binder){0}); }

static lmm_status start(net **out, tree *config, const char *name) {
    const lmm_arch *arch = arch_find(config, name);
    if (!arch) return LMM_E_UNSUPPORTED;
    *out = mem_new(1, sizeof **out);
    **out = (net){.arch = arch, .config = config, .image_token = -1, .video_token = -1, .sound_token = -1};
    return LMM_OK;
}

static lmm_status open_config(tree **out, const char *dir) {
    char *path = path_join(dir, "config.json");
    lmm_status st = !file_is_dir(dir) && !file_exists(dir) ? LMM_FAIL(LMM_E_IO, "no model at '%s'", dir) : tree_load(out, path);
    free(path);
    return st;
}

/* mmproj: NULL, or the file with the tower of a LLaVA whose language model g holds. */
static lmm_status add_projector(net *n, const char *path, const gguf **out) {
    gguf *g;
    if (!path) return LMM_OK;
    lmm_status st = gguf_open(&g, path);
    if (st) return st;
    st = gguf_projector_config(n->config, g);
    if (st) gguf_close(g);
    else *out = g, st = checkpoint_add_gguf(n->file, g);
    return LMM_CONTEXT(st, "with the projector '%s'", path);
}

static lmm_status bind_gguf(net *n, const gguf *g, const char *mmproj) {
    const gguf *beside = NULL;
    lmm_status st = gguf_net_config(&n->config, g);
    if (!st) st = add_projector(n, mmproj, &beside);
    if (!st && !(n->arch = gguf_count(g) ? arch_find(n->config, gguf_name(g)) : &arch_vocabulary)) st = LMM_E_UNSUPPORTED;
    if (!st) st = gguf_net_order_rows(n->file, n->config);
    if (!st) st = bind_all(n);
    if (!st && beside) st = gguf_projector_finish(n, beside);
    return st ? st : gguf_net_finish(n, g);
}

static lmm_status open_gguf(net **out, const char *path, const char *mmproj) {
    checkpoint *file;
    lmm_status st = checkpoint_open(&file, path);
    if (st) return st;
    net *n = mem_new(1, sizeof *n);
    *n = (net){.file = file, .image_token = -1, .video_token = -1, .sound_token = -1};
    st = bind_gguf(n, checkpoint_gguf(file), mmproj);
    if (!st) return *out = n, LMM_OK;
    net_free(n);
    return LMM_CONTEXT(st, "loading '%s'", path);
}

static bool has_class(const tree *config) { return tree_get(config, "architectures") || tree_get(config, "model_type"); }

/* A config that names no architecture may lie beside CTranslate2's file, which tells the rest; else nothing changes. */
static lmm_status open_ct2(checkpoint **out, tree **config, const char *dir) {
    checkpoint *file = NULL;
    tree *whole = NULL;
    lmm_status st = checkpoint_open(&file, dir);
    if (!st && checkpoint_ct2(file)) {
        st = ct2_net_config(&whole, checkpoint_ct2(file), *config);
        if (!st) st = ct2_net_split(file);
    }
    if (st || !whole) return checkpoint_close(file), tree_free(whole), st;
    tree_free(*config);
    *config = whole;
    return *out = file, LMM_OK;
}

lmm_status net_open(net **out, const char *dir) {
    if (gguf_is(dir)) return open_gguf(out, dir, NULL);
    tree *config = NULL;
    net *n = NULL;
    checkpoint *file = NULL;
    lmm_status st = open_config(&config, dir);
    if (!st && !has_class(config)) st = open_ct2(&file, &config, dir);
    if (!st) st = start(&n, config, "config.json");
    if (st) checkpoint_close(file);
    else if (file) n->file = file;
    else st = checkpoint_open(&n->file, dir);
    if (!st && n->arch->media_plan) {
        st = preprocess_open(&n->pre, dir);
        n->has_pre = !st;
        if (st == LMM_E_IO && n->arch->makes_processor) st = LMM_OK;
    }
    if (!st && n->has_pre && n->arch->video_plan) st = preprocess_open_video(&n->video_pre, dir, &n->pre);
    bool own = n && n->video_pre.type[0];
    if (!st) st = bind_all(n);
    if (!st && !own) n->video_pre = n->pre;
    if (!st && n->arch->finish) st = n->arch->finish(n, dir);
    if (!st) return *out = n, LMM_OK;
    if (!n) tree_free(config);
    net_free(n);
    return LMM_CONTEXT(st, "loading '%s'", dir);
}

lmm_status net_open_projected(net **out, const char *path, const char *mmproj) {
    if (gguf_is(path)) return open_gguf(out, path, mmproj);
    return LMM_FAIL(LMM_E_ARG, "'%s' is no GGUF file, and only these have their projector ('%s') in another file", path, mmproj);
}

lmm_status net_open_text(net **out, const char *path) {
    static const lmm_arch text_only = {.name = "text"};
    if (gguf_is(path)) return net_open(out, path); /* one file holds both; its weights are only mapped */
    char *file = path_join(path, "config.json");
    tree *config = NULL;
    lmm_status st = file_is_dir(path) && file_exists(file) ? tree_load(&config, file) : LMM_OK;
    free(file);
    if (st) return st;
    net *n = mem_new(1, sizeof *n);
    n->arch = &text_only;
    n->config = config;
    n->image_token = n->video_token = n->sound_token = -1;
    return *out = n, LMM_OK;
}

static lmm_status open_donors(net *n, const net_start *s) {
    n->donors = mem_new((size_t)s->from_count + 1, sizeof *n->donors);
    lmm_status st = LMM_OK;
    for (int i = 0; i < s->from_count && !st; i++)
        if (!(st = net_open(&n->donors[i], s->from[i]))) n->donor_count++;
    return st;
}

static lmm_status bind_new(net *n, const net_start *s, const char *name) {
    const param_set **sets = mem_new((size_t)s->from_count + 1, sizeof *sets);
    for (int i = 0; i < n->donor_count; i++) sets[i] = &n->donors[i]->params, s->taken[i] = 0;
    lmm_status st = bind_with(n, (binder){.seed = s->seed,
                                          .fan_in = s->fan_in,
                                          .donors = sets,
                                          .donor_count = n->donor_count,
                                          .taken = s->taken,
                                          .lent_parts = s->parts});
    for (int i = 0; i < n->donor_count && !st; i++)
        if (!s->taken[i]) st = LMM_FAIL(LMM_E_SHAPE, "'%s' has no tensor whose name and shape are those of '%s'", s->from[i], name);
    free(sets);
    return st;
}

lmm_status net_new(net **out, const tree *config, const preprocess_spec *pre, const net_start *s, const char *name) {
    net *n = NULL;
    tree *copy = tree_copy(config);
    lmm_status st = start(&n, copy, name);
    if (st) return tree_free(copy), st;
    if (pre) n->pre = n->video_pre = *pre, n->has_pre = true;
    st = open_donors(n, s);
    if (!st) st = bind_new(n, s, name);
    if (st) return net_free(n), LMM_CONTEXT(st, "making a model from '%s'", name);
    return *out = n, LMM_OK;
}

lmm_status net_plan(net **out, const tree *config, const char *name) {
    net *n = NULL;
    tree *copy = tree_copy(config);
    lmm_status st = start(&n, copy, name);
    if (st) return tree_free(copy), st;
    if ((st = bind_with(n, (binder){.shapes_only = true}))) return net_free(n), LMM_CONTEXT(st, "'%s'", name);
    return *out = n, LMM_OK;
}

void net_free(net *n) {
    if (!n) return;
    decoder_free(&n->dec);
    vit_free(&n->tower);
    patch_tower_free(&n->patches);
    encoder_free(&n->text);
    bert_free(&n->bert);
    whisper_free(&n->whisper);
    whisper_encoder_free(&n->ear.encoder);
    param_set_free(&n->params);
    param_set_free(&n->adapters);
    checkpoint_close(n->file);
    for (int i = 0; i < n->donor_count; i++) net_free(n->donors[i]);
    free(n->donors);
    tree_free(n->config);
    free(n);
}

void net_reference(net *n, reference r) {
    if (n->reference == r) return;
    n->reference = r;
    if (n->has_projector && !n->grid.count) n->pre.do_pad = r == REFERENCE_ORIGINAL;
}

lmm_status net_save(const net *n, const char *dir) {
    int count = n->params.list.count;
    named_tensor *at = mem_new((size_t)count, sizeof *at);
    void **copies = mem_new((size_t)count, sizeof *copies);
    lmm_status st = LMM_OK;
    for (int i = 0; i < count && !st; i++) {
        const param *p = n->params.list.at[i];
        at[i] = (named_tensor){p->key, p->t};
        if (p->t.woven) st = tensor_straighten(&at[i].t, &copies[i], p->key);
    }
    tree *metadata = tree_new(TREE_MAP);
    tree_put(metadata, "format", tree_new_string("pt"));
    if (!st) st = safetensors_save_dir(dir, at, count, metadata, (size_t)4 << 30);
    if (!st) st = tree_save_json(n->config, dir, "config.json", 2);
    tree_free(metadata);
    for (int i = 0; i < count; i++) free(copies[i]);
    free(copies);
    free(at);
    return st;
}

tensor net_pixels(const net *n, int count, float *data) {
    if (n->has_patches) return tensor_make(DT_F32, 2, (int64_t[]){count, patch_size(&n->patches.config)}, data);
    int64_t S = n->tower.config.image_size;
    return tensor_make(DT_F32, 4, (int64_t[]){count, 3, S, S}, data);
}

tensor net_media(const net *n, bool heard, int tiles, float *data) {
    if (!heard) return net_pixels(n, tiles, data);
    int64_t frames = (int64_t)2 * n->ear.encoder.positions;
    return tensor_make(DT_F32, 2, (int64_t[]){tiles * frames, n->ear.encoder.bands}, data);
}

tensor *net_embed(cx *c, const net *n, const int *ids, int count, tensor *media) {
    if (!media) return op_rows_get(c, n->dec.embed, ids, count);
    int *index = mem_new((size_t)count, sizeof *index), slot = 0;
    /* A placeholder that is no token has no row; whatever stands there is put over. */
    for (int i = 0; i < count; i++) index[i] = min_int(ids[i], n->dec.config.vocab - 1);
    tensor *x = op_rows_get(c, n->dec.embed, index, count);
    for (int i = 0; i < count; i++) index[i] = net_is_slot(n, ids[i]) ? -1 - slot++ : i;
    LMM_ASSERT(slot == tensor_rows(media), "%d slots for %" PRId64 " media rows", slot, tensor_rows(media));
    x = op_rows_join(c, x, media, index, count);
    free(index);
    return x;
}
