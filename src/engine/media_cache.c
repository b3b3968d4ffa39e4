/* media_cache.c - what pictures and videos become for a model, computed once: prepared pixels, and the rows the tower made of them.
 *
 * An entry is found by the name of a file with its size and time, or by the text of a data: URI, before anything is decoded. Entries that no prompt
 * holds go, the longest unused first, when the bytes are more than allowed. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/engine.h"

struct lmm_media_cache {
    size_t limit, used;
    uint64_t clock;
    VEC(media_entry *) all;
};

lmm_status lmm_media_cache_new(lmm_media_cache **out, size_t bytes) {
    lmm_media_cache *c = mem_new(1, sizeof *c);
    c->limit = bytes;
    return *out = c, LMM_OK;
}

static void entry_free(media_entry *e) {
    free(e->media.pixels);
    free(e->rows);
    free(e);
}

void lmm_media_cache_free(lmm_media_cache *c) {
    if (!c) return;
    for (int i = 0; i < c->all.count; i++) entry_free(c->all.at[i]);
    free(c->all.at);
    free(c);
}

/* Two hashes together: 128 bits, so that two pictures are not taken for one. */
void media_key(uint64_t key[2], const lmm_model *m, const char *path, const int about[], int count) {
    struct stat s = {0};
    bool uri = is_data_uri(path);
    if (!uri && stat(path, &s)) s = (struct stat){0};
    int64_t file[] = {(int64_t)s.st_size, (int64_t)s.st_mtim.tv_sec, (int64_t)s.st_mtim.tv_nsec, (int64_t)s.st_ino, (int64_t)(intptr_t)m};
    for (int i = 0; i < 2; i++) {
        key[i] = hash_u64(path, strlen(path), (uint64_t)i + 1);
        key[i] = hash_u64(file, sizeof file, key[i]);
        key[i] = hash_u64(about, (size_t)count * sizeof *about, key[i]);
    }
}

media_entry *media_cache_find(lmm_media_cache *c, const uint64_t key[2]) {
    for (int i = 0; i < c->all.count; i++) {
        media_entry *e = c->all.at[i];
        if (e->key[0] != key[0] || e->key[1] != key[1]) continue;
        e->used_at = ++c->clock;
        e->holders++;
        return e;
    }
    return NULL;
}

static void make_room(lmm_media_cache *c) {
    while (c->used > c->limit) {
        int oldest = -1;
        for (int i = 0; i < c->all.count; i++)
            if (!c->all.at[i]->holders && (oldest < 0 || c->all.at[i]->used_at < c->all.at[oldest]->used_at)) oldest = i;
        if (oldest < 0) return;
        c->used -= c->all.at[oldest]->size;
        entry_free(c->all.at[oldest]);
        c->all.at[oldest] = c->all.at[--c->all.count];
    }
}

static void grow(media_entry *e, size_t size) {
    e->size += size;
    e->cache->used += size;
    make_room(e->cache);
}

media_entry *media_cache_add(lmm_media_cache *c, const uint64_t key[2], const prompt_media *media, size_t pixel_bytes) {
    media_entry *e = mem_new(1, sizeof *e);
    *e = (media_entry){.cache = c, .key = {key[0], key[1]}, .media = *media, .holders = 1, .used_at = ++c->clock};
    VEC_PUSH(&c->all, e);
    grow(e, sizeof *e + pixel_bytes);
    return e;
}

void media_cache_rows(media_entry *e, const float *rows, size_t size, uint64_t version) {
    void *copy;
    if ((e->rows && e->version == version) || mem_try(&copy, size, "rows of a picture")) return; /* without memory nothing is remembered */
    if (e->rows) free(e->rows);
    else grow(e, size);
    memcpy(copy, rows, size);
    e->rows = copy;
    e->version = version;
}

void media_entry_release(media_entry *e) {
    e->holders--;
    make_room(e->cache);
}
