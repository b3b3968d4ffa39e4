/* vectors.c - sentence vectors: int8 with one scale a row, in one append-only file that readers map.
 *
 * The file is a plain array of records; how many of them count is in the database, so bytes behind a killed append are never read. There is no
 * index: a query is multiplied in integers with every row, 40,000 in half a millisecond, ten years of a life in a tenth of a second. Without a model, words and pairs of letters are hashed into the same 384 numbers. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ego/ego_int.h"

enum { KEPT_MAX = 50000 };

static void add_feature(float *out, const void *bytes, size_t n, float weight) {
    uint64_t h = hash_u64(bytes, n, 17);
    out[h % EGO_WIDTH] += h >> 63 ? weight : -weight;
}

static int embed_word(void *arg, const char *token, int size, int from, int to, bool colocated) {
    (void)from, (void)to, (void)colocated;
    float *out = arg;
    if (ego_stop_word(token, (size_t)size)) return 0;
    add_feature(out, token, (size_t)size, 1.0f);
    for (int i = 0; i + 3 <= size; i++) add_feature(out, token + i, 3, 0.25f);
    return 0;
}

static void normalise(float *x) {
    double sum = 0;
    for (int i = 0; i < EGO_WIDTH; i++) sum += (double)x[i] * (double)x[i];
    if (sum <= 0) return;
    float scale = (float)(1.0 / sqrt(sum));
    for (int i = 0; i < EGO_WIDTH; i++) x[i] *= scale;
}

void ego_hash_embed(const char *text, float out[EGO_WIDTH]) {
    memset(out, 0, EGO_WIDTH * sizeof *out);
    ego_words(text, strlen(text), embed_word, out);
    normalise(out);
}

lmm_status ego_embed(const lmm_model *encoder, const char *const *texts, int count, float *out) {
    if (!encoder) {
        for (int i = 0; i < count; i++) ego_hash_embed(texts[i], out + (size_t)i * EGO_WIDTH);
        return LMM_OK;
    }
    float *v;
    int width;
    lmm_status st = lmm_embed(encoder, texts, count, &v, &width);
    if (st) return st;
    if (width == EGO_WIDTH) memcpy(out, v, (size_t)count * EGO_WIDTH * sizeof *out);
    else st = LMM_FAIL(LMM_E_SHAPE, "the encoder gives %d numbers a text, the memory keeps %d (MiniLM-L6 fits)", width, EGO_WIDTH);
    free(v);
    return st;
}

void ego_kept_drop(ego *e) {
    strmap_free(e->kept);
    e->kept = NULL;
    free(e->kept_x.at);
    memset(&e->kept_x, 0, sizeof e->kept_x);
}

static lmm_status keep(ego *e, const char *const *texts, int count) {
    const char **fresh = mem_new((size_t)count + 1, sizeof *fresh);
    int n = 0, first = e->kept_x.count / EGO_WIDTH;
    for (int i = 0; i < count; i++)
        if (strmap_put(e->kept, texts[i], strlen(texts[i]), first + n)) fresh[n++] = texts[i];
    float *x = mem_new((size_t)n + 1, EGO_WIDTH * sizeof *x);
    lmm_status st = n ? ego_embed(e->kept_encoder, fresh, n, x) : LMM_OK;
    for (int i = 0; !st && i < n * EGO_WIDTH; i++) VEC_PUSH(&e->kept_x, x[i]);
    if (st) ego_kept_drop(e);
    free(x), free(fresh);
    return st;
}

lmm_status ego_embed_kept(ego *e, const lmm_model *encoder, const char *const *texts, int count, float *out) {
    if (e->kept && (e->kept_encoder != encoder || strmap_count(e->kept) > KEPT_MAX)) ego_kept_drop(e);
    if (!e->kept) e->kept = strmap_new();
    e->kept_encoder = encoder;
    lmm_status st = keep(e, texts, count);
    for (int i = 0, at; !st && i < count; i++)
        if (strmap_get(e->kept, texts[i], strlen(texts[i]), &at))
            memcpy(out + (size_t)i * EGO_WIDTH, e->kept_x.at + (size_t)at * EGO_WIDTH, EGO_WIDTH * sizeof *out);
    return st;
}

void ego_vector_pack(ego_vector *v, int64_t key, const float *x) {
    float top = 0;
    for (int i = 0; i < EGO_WIDTH; i++) top = fmaxf(top, fabsf(x[i]));
    v->key = key, v->scale = top / 127.0f, v->unused = 0;
    for (int i = 0; i < EGO_WIDTH; i++) v->q[i] = top > 0 ? (int8_t)lrintf(x[i] * 127.0f / top) : 0;
}

float ego_vector_dot(const ego_vector *v, const float *x) {
    float sum = 0;
    for (int i = 0; i < EGO_WIDTH; i++) sum += (float)v->q[i] * x[i];
    return sum * v->scale;
}

void ego_probe_of(ego_probe *p, const float *x) {
    float top = 0;
    for (int i = 0; i < EGO_WIDTH; i++) top = fmaxf(top, fabsf(x[i]));
    /* 384 products of at most 127 * 32767 stay below 2^31. */
    for (int i = 0; i < EGO_WIDTH; i++) p->q[i] = top > 0 ? (int16_t)lrintf(x[i] * 32767.0f / top) : 0;
    p->scale = (double)top / 32767.0;
}

double ego_probe_dot(const ego_probe *p, const ego_vector *v) {
    int32_t sum = 0;
    for (int i = 0; i < EGO_WIDTH; i++) sum += p->q[i] * (int16_t)v->q[i];
    return sum * p->scale * (double)v->scale;
}

static lmm_status arena_file(ego *e, int flags, int *fd) {
    char *path = path_join(e->dir, "vectors.arena");
    *fd = open(path, flags, 0600);
    lmm_status st = *fd < 0 ? LMM_FAIL(LMM_E_IO, "cannot open '%s': %s", path, strerror(errno)) : LMM_OK;
    free(path);
    return st;
}

static lmm_status write_at(int fd, const void *bytes, size_t n, off_t at) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(fd, (const char *)bytes + done, n - done, at + (off_t)done);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return LMM_FAIL(LMM_E_IO, "cannot write vectors: %s", strerror(errno));
        done += (size_t)k;
    }
    return LMM_OK;
}

lmm_status ego_vectors_append(ego *e, const ego_vector *v, int count, int64_t at) {
    int fd;
    lmm_status st = arena_file(e, O_WRONLY | O_CREAT | O_CLOEXEC, &fd);
    if (st) return st;
    st = write_at(fd, v, (size_t)count * sizeof *v, (off_t)(at * (int64_t)sizeof *v));
    if (!st && fdatasync(fd)) st = LMM_FAIL(LMM_E_IO, "cannot write vectors: %s", strerror(errno));
    close(fd);
    return st;
}

bool ego_vectors_fit(ego *e, const lmm_model *encoder) {
    return !ego_meta(e, "vectors", 0) || ego_meta(e, "learned", 0) == (encoder != NULL);
}

lmm_status ego_vectors_open(ego *e) {
    int64_t count = ego_meta(e, "vectors", 0);
    e->vector_of = mem_new((size_t)e->docs.count + 1, sizeof *e->vector_of);
    for (int i = 0; i < e->docs.count; i++) e->vector_of[i] = -1;
    if (!count) return LMM_OK;
    char *path = path_join(e->dir, "vectors.arena");
    lmm_status st = file_map_open(&e->vectors, path);
    if (!st && (count < 0 || count > INT32_MAX || (size_t)count > e->vectors.size / sizeof(ego_vector)))
        st = LMM_FAIL(LMM_E_FORMAT,
                      "'%s' holds fewer vectors than the memory counts (%" PRId64 "); export the memory and import it into a new one", path,
                      count);
    const ego_vector *v = (const ego_vector *)(const void *)e->vectors.data;
    for (int i = 0; !st && i < (int)count; i++) {
        int doc = v[i].key ? ego_doc_find(e, v[i].key) : -1;
        if (doc >= 0) e->vector_of[doc] = i;
    }
    e->vector_count = (int)count;
    free(path);
    return st;
}

const ego_vector *ego_vector_at(const ego *e, int doc) {
    int at = e->vector_of[doc];
    return at < 0 ? NULL : (const ego_vector *)(const void *)e->vectors.data + at;
}

static bool row_exists(sqlite3_stmt *const *find, int64_t key) {
    sqlite3_stmt *s = find[key >> EGO_KIND_SHIFT];
    sqlite3_bind_int64(s, 1, key & (((int64_t)1 << EGO_KIND_SHIFT) - 1));
    bool there = sqlite3_step(s) == SQLITE_ROW;
    sqlite3_reset(s);
    return there;
}

/* Every record of the file, counted or not: a killed build may have left some behind the end. */
lmm_status ego_vectors_forget(ego *e) {
    char *path = path_join(e->dir, "vectors.arena");
    bool there = file_exists(path);
    free(path);
    int fd;
    if (!there) return LMM_OK;
    lmm_status st = arena_file(e, O_RDWR | O_CLOEXEC, &fd);
    if (st) return st;
    ego_vector v;
    const ego_vector zero = {0};
    int64_t count = ego_meta(e, "vectors", 0);
    for (int64_t i = 0; !st && pread(fd, &v, sizeof v, (off_t)(i * (int64_t)sizeof v)) == (ssize_t)sizeof v; i++) {
        bool known = v.key > 0 && v.key >> EGO_KIND_SHIFT < EGO_KINDS && row_exists(e->text, v.key);
        if (i >= count || !known) st = write_at(fd, &zero, sizeof zero, (off_t)(i * (int64_t)sizeof v));
    }
    if (!st && fdatasync(fd)) st = LMM_FAIL(LMM_E_IO, "cannot write vectors: %s", strerror(errno));
    close(fd);
    return st;
}
