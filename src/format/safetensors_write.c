/* safetensors_write.c - writing one safetensors file, or a model folder of one file or several shards, so that whatever was there before
 * survives every failure.
 *
 * A file is replaced by file_writer. Shards and their index only make sense together, so all of them are written and synced under other
 * names first: a full disk shows then, and what remains is a handful of renames. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/format_int.h"

/* ---- one file ---- */

static lmm_status check_text(const char *text, size_t n, const char *what) {
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int size = utf8_decode(text + at, n - at, &cp);
        if (size == 1 && cp == 0xFFFD) return LMM_FAIL(LMM_E_ARG, "%s '%s' is no UTF-8", what, name_shown(text).text);
        at += (size_t)size;
    }
    return LMM_OK;
}

static lmm_status check_metadata(const tree *m) {
    if (!m) return LMM_OK;
    if (m->type != TREE_MAP) return LMM_FAIL(LMM_E_ARG, "metadata must be a map of strings");
    for (int i = 0; i < m->count; i++) {
        if (m->items[i]->type != TREE_STRING) return LMM_FAIL(LMM_E_ARG, "metadata '%s' must be a string", name_shown(m->keys[i]).text);
        lmm_status st = check_text(m->keys[i], strlen(m->keys[i]), "metadata key");
        if (!st) st = check_text(m->items[i]->text, m->items[i]->text_size, "metadata text");
        if (st) return st;
    }
    return LMM_OK;
}

/* What our own reader would refuse is not written. */
static lmm_status check_tensors(const named_tensor *at, int n) {
    if (n > HEADER_TENSORS_MAX) return LMM_FAIL(LMM_E_LIMIT, "%d tensors exceed the limit of %d a file", n, HEADER_TENSORS_MAX);
    strmap *seen = strmap_new();
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++) {
        const char *name = at[i].name;
        st = check_text(name, strlen(name), "tensor name");
        if (!st && !strcmp(name, SAFETENSORS_METADATA)) st = LMM_FAIL(LMM_E_ARG, "no tensor can be named '%s'", name);
        if (!st && dtype_block(at[i].t.type) > 1)
            st = LMM_FAIL(LMM_E_UNSUPPORTED, "tensor '%s' is %s, which safetensors cannot hold", name_shown(name).text,
                          dtype_name(at[i].t.type));
        if (!st && !strmap_put(seen, name, strlen(name), i)) st = LMM_FAIL(LMM_E_ARG, "two tensors are named '%s'", name_shown(name).text);
    }
    strmap_free(seen);
    return st;
}

/* Header with its length in front, padded with spaces so that the data begins at a multiple of 8. */
static lmm_status put_header(buf *h, const named_tensor *at, int n, const tree *metadata) {
    size_t offset = 0;
    buf_put(h, "\0\0\0\0\0\0\0\0{", 9);
    if (metadata) {
        buf_puts(h, "\"" SAFETENSORS_METADATA "\":");
        tree_write_json(h, metadata, 0);
    }
    for (int i = 0; i < n; i++) {
        const tensor *t = &at[i].t;
        if (i || metadata) buf_putc(h, ',');
        json_quote(h, at[i].name, strlen(at[i].name));
        buf_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->type));
        for (int d = 0; d < t->nd; d++) buf_printf(h, "%s%" PRId64, d ? "," : "", t->ne[d]);
        buf_printf(h, "],\"data_offsets\":[%zu,%zu]}", offset, offset + tensor_size(t));
        offset += tensor_size(t);
    }
    buf_putc(h, '}');
    while (h->size % 8) buf_putc(h, ' ');
    uint64_t size = h->size - 8;
    if (size > HEADER_SIZE_MAX)
        return LMM_FAIL(LMM_E_LIMIT, "names and metadata take %" PRIu64 " bytes, a header may have %d", size, HEADER_SIZE_MAX);
    for (int i = 0; i < 8; i++) h->data[i] = (char)(size >> 8 * i);
    return LMM_OK;
}

lmm_status safetensors_begin(file_writer **out, const char *path, const named_tensor *at, int n, const tree *metadata) {
    buf header = {0};
    file_writer *w = NULL;
    lmm_status st = check_metadata(metadata);
    if (!st) st = check_tensors(at, n);
    if (!st) st = put_header(&header, at, n, metadata);
    st = st ? LMM_CONTEXT(st, "cannot write '%s'", path) : file_writer_open(&w, path);
    if (!st) st = file_writer_put(w, header.data, header.size);
    buf_free(&header);
    if (st) return file_writer_abort(w), st;
    return *out = w, LMM_OK;
}

lmm_status safetensors_save(const char *path, const named_tensor *at, int n, const tree *metadata) {
    file_writer *w;
    lmm_status st = safetensors_begin(&w, path, at, n, metadata);
    if (st) return st;
    for (int i = 0; i < n && !st; i++) st = file_writer_put(w, at[i].t.data, tensor_size(&at[i].t));
    if (!st) return file_writer_commit(w);
    file_writer_abort(w);
    return st;
}

/* ---- a folder ---- */

typedef struct {
    int first, count;
    char *file;
} shard; /* tensors [first, first + count), its file name */
typedef struct {
    VEC(shard) list;
    uint64_t size;
} plan; /* size: bytes of all tensors */

/* Tensors in the given order fill one shard after the other; one that alone exceeds the limit gets a shard of its own. */
static plan plan_shards(const named_tensor *at, int n, size_t shard_size_max) {
    plan p = {0};
    size_t room = 0;
    for (int i = 0; i < n; i++) {
        size_t size = tensor_size(&at[i].t);
        if (p.list.count == 0 || size > room) {
            VEC_PUSH(&p.list, ((shard){.first = i}));
            room = shard_size_max;
        }
        p.list.at[p.list.count - 1].count++;
        room -= size < room ? size : room;
        p.size += size;
    }
    for (int i = 0; i < p.list.count; i++) p.list.at[i].file = mem_printf("model-%05d-of-%05d.safetensors", i + 1, p.list.count);
    return p;
}

static void plan_free(plan *p) {
    for (int i = 0; i < p->list.count; i++) free(p->list.at[i].file);
    free(p->list.at);
}

static void put_index(buf *b, const plan *p, const named_tensor *at) {
    buf_printf(b, "{\n  \"metadata\": {\"total_size\": %" PRIu64 "},\n  \"weight_map\": {", p->size);
    for (int i = 0; i < p->list.count; i++)
        for (int j = p->list.at[i].first; j < p->list.at[i].first + p->list.at[i].count; j++) {
            buf_puts(b, j ? ",\n    " : "\n    ");
            json_quote(b, at[j].name, strlen(at[j].name));
            buf_printf(b, ": \"%s\"", p->list.at[i].file);
        }
    buf_puts(b, "\n  }\n}\n");
}

static char *staged_path(const char *dir, const char *file) { return mem_printf("%s/.%s.new", dir, file); }

/* Gives the staged file its name, or with keep false removes it. */
static lmm_status unstage(const char *dir, const char *file, bool keep) {
    char *staged = staged_path(dir, file), *path = path_join(dir, file);
    lmm_status st = LMM_OK;
    if (!keep) unlink(staged);
    else if (rename(staged, path)) st = LMM_FAIL(LMM_E_IO, "cannot rename '%s' to '%s': %s", staged, path, strerror(errno));
    free(staged);
    free(path);
    return st;
}

static lmm_status dir_sync(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) {
        lmm_status st = LMM_FAIL(LMM_E_IO, "cannot sync the folder '%s': %s", dir, strerror(errno));
        if (fd >= 0) close(fd);
        return st;
    }
    close(fd);
    return LMM_OK;
}

static bool is_shard_name(const char *name) {
    int i, n, end = 0;
    return sscanf(name, "model-%5d-of-%5d.safetensors%n", &i, &n, &end) == 2 && end == (int)strlen(name);
}

static bool plan_has(const plan *p, const char *file) {
    for (int i = 0; i < p->list.count; i++)
        if (!strcmp(p->list.at[i].file, file)) return true;
    return false;
}

/* Removes weight files of an earlier save that the new one (shards of `p`; NULL: the single file) does not replace: readers prefer the single file to
 * an index, and orphaned shards only cost disk. A failure to remove them is no failure to save, except for the preferred single file. */
static lmm_status remove_stale(const char *dir, const plan *p) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    for (int i = 0; i < count; i++) {
        bool single = p && !strcmp(names[i], CHECKPOINT_FILE);
        if (!single &&
            !(p ? is_shard_name(names[i]) && !plan_has(p, names[i]) : is_shard_name(names[i]) || !strcmp(names[i], CHECKPOINT_INDEX)))
            continue;
        char *path = path_join(dir, names[i]);
        if (unlink(path) && single)
            st = LMM_FAIL(LMM_E_IO, "cannot remove the old '%s', which hides the new shards: %s", path, strerror(errno));
        free(path);
    }
    names_free(names, count);
    return st;
}

static lmm_status write_staged(const char *dir, const plan *p, const named_tensor *at, const tree *metadata) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < p->list.count && !st; i++) {
        char *path = staged_path(dir, p->list.at[i].file);
        st = safetensors_save(path, at + p->list.at[i].first, p->list.at[i].count, metadata);
        free(path);
    }
    if (st) return st;
    buf index = {0};
    put_index(&index, p, at);
    char *path = staged_path(dir, CHECKPOINT_INDEX);
    st = file_write(path, index.data, index.size);
    free(path);
    buf_free(&index);
    return st;
}

static lmm_status save_shards(const char *dir, const plan *p, const named_tensor *at, const tree *metadata) {
    lmm_status st = write_staged(dir, p, at, metadata);
    for (int i = 0; i < p->list.count && !st; i++) st = unstage(dir, p->list.at[i].file, true);
    if (!st) st = unstage(dir, CHECKPOINT_INDEX, true);
    if (!st) st = dir_sync(dir);
    if (!st) return remove_stale(dir, p);
    for (int i = 0; i < p->list.count; i++) unstage(dir, p->list.at[i].file, false);
    unstage(dir, CHECKPOINT_INDEX, false);
    return st;
}

static lmm_status save_single(const char *dir, const named_tensor *at, int n, const tree *metadata) {
    char *path = path_join(dir, CHECKPOINT_FILE);
    lmm_status st = safetensors_save(path, at, n, metadata);
    free(path);
    return st ? st : remove_stale(dir, NULL);
}

lmm_status safetensors_save_dir(const char *dir, const named_tensor *at, int n, const tree *metadata, size_t shard_size_max) {
    plan p = plan_shards(at, n, shard_size_max);
    lmm_status st = check_tensors(at, n); /* names must be unique across shards too */
    if (st) st = LMM_CONTEXT(st, "cannot write into '%s'", dir);
    else st = p.list.count <= 1 ? save_single(dir, at, n, metadata) : save_shards(dir, &p, at, metadata);
    plan_free(&p);
    return st;
}
