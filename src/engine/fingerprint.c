/* fingerprint.c - everything that a model's answers depend on, as one number. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

enum { HEAD_MAX = 64 << 20 }; /* of a GGUF file: its keys, among them the tokenizer, come first */

static uint64_t of_text(const char *text, uint64_t h) { return hash_u64(text, strlen(text) + 1, h); }

static uint64_t of_file(const char *path, size_t limit, uint64_t h) {
    file_map map;
    if (file_map_open(&map, path)) return h;
    h = hash_u64(map.data, map.size < limit ? map.size : limit, h);
    file_map_close(&map);
    return h;
}

/* Tokenizer, template and configurations; weights are hashed as they were loaded. */
static uint64_t of_folder(const char *dir, uint64_t h) {
    static const char *const ends[] = {".json", ".jinja", ".txt", ".model"};
    char **names;
    int count;
    if (dir_list(&names, &count, dir)) return h;
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < COUNT_OF(ends); k++) {
            if (!text_ends(names[i], ends[k])) continue;
            char *path = path_join(dir, names[i]);
            h = of_file(path, SIZE_MAX, of_text(names[i], h));
            free(path);
        }
    names_free(names, count);
    return h;
}

static uint64_t of_params(const param_set *s, uint64_t h) {
    for (int i = 0; i < s->list.count; i++) {
        const tensor *t = &s->list.at[i]->t;
        int about[] = {(int)t->type, (int)tensor_count(t), (int)tensor_cols(t)};
        h = hash_u64(about, sizeof about, h);
        h = hash_u64(t->data, tensor_size(t), h);
    }
    return h;
}

void lmm_model_fingerprint(const lmm_model *m, char hex[17]) {
    const rope_spec *r = &m->net->dec.config.rope;
    double about[] =
        {(double)r->type,          r->theta, r->factor, (double)r->context, (double)m->products, (double)m->version, model_digits(m) + 0.,
         (double)m->net->reference};
    uint64_t h = hash_u64(about, sizeof about, 0);
    h = of_text(m->runtime->k->name, h); /* kernels differ in the last bit */
    h = file_is_dir(m->path) ? of_folder(m->path, h) : of_file(m->path, HEAD_MAX, h);
    h = of_params(&m->net->adapters, of_params(&m->net->params, h));
    snprintf(hex, 17, "%016" PRIx64, h);
}
