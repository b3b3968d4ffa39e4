/* sample_set.c - the samples of a run: a few numbers of each in memory, all else in a spool beside the run.
 *
 * A sample in the spool: a head of fixed size, then ids, labels, segments, the media and the texts, in the machine's own layout; nobody else ever reads it. A picture that came as
 * bytes (a data: URI) is put apart and once, though the answers of a pair or the questions of a conversation share it. */
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

void sample_free(sample *s) {
    media_list_free(&s->media);
    free(s->ids.at);
    free(s->labels.at);
    free(s->segs.at);
    free(s->gold);
    free(s->question);
    free(s->text);
    *s = (sample){0};
}

void sample_set_free(sample_set *s) {
    free(s->list.at);
    free(s->last_uri);
    spool_close(&s->rest);
    *s = (sample_set){0};
}

enum { TEXT_COUNT = 3 };
typedef struct {
    lmm_video_opts video;
    const recipe_augment *augment;
    uint64_t size; /* of what follows */
    int ids, labels, segs, media, prefix, label_count;
    bool one_tile;
} sample_head;

/* A medium's name of `size` bytes follows, or it is the data: URI at `offset`. */
typedef struct {
    uint64_t offset, size;
    bool video, sound, apart;
} medium_head;

/* ---- writing ---- */

static lmm_status put_uri(sample_set *set, const char *uri, medium_head *h) {
    h->apart = true;
    h->size = strlen(uri);
    lmm_status st = LMM_OK;
    if (!set->last_uri || strcmp(set->last_uri, uri) != 0) {
        st = spool_put(&set->rest, uri, h->size, &set->last_uri_at);
        free(set->last_uri);
        set->last_uri = st ? NULL : mem_strdup(uri);
    }
    h->offset = set->last_uri_at;
    return st;
}

static lmm_status put_media(sample_set *set, buf *b, const media_list *media) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < media->count && !st; i++) {
        const media_ref *m = &media->at[i];
        medium_head h;
        memset(&h, 0, sizeof h);
        h.video = m->video, h.sound = m->sound, h.size = strlen(m->path);
        if (is_data_uri(m->path)) st = put_uri(set, m->path, &h);
        buf_put(b, &h, sizeof h);
        if (!h.apart) buf_put(b, m->path, h.size);
    }
    return st;
}

static void put_text(buf *b, const char *text) {
    const uint64_t size = text ? strlen(text) + 1 : 0; /* 0: NULL */
    buf_put(b, &size, sizeof size);
    if (text) buf_put(b, text, size);
}

static lmm_status put_body(sample_set *set, buf *b, const sample *s) {
    buf_put(b, s->ids.at, (size_t)s->ids.count * sizeof *s->ids.at);
    buf_put(b, s->labels.at, (size_t)s->labels.count * sizeof *s->labels.at);
    buf_put(b, s->segs.at, (size_t)s->segs.count * sizeof *s->segs.at);
    const char *texts[TEXT_COUNT] = {s->text, s->question, s->gold};
    for (int i = 0; i < TEXT_COUNT; i++) put_text(b, texts[i]);
    return put_media(set, b, &s->media);
}

lmm_status sample_put(sample_set *set, sample *s) {
    LMM_ASSERT(!s->video.rates, "a sample's video has rates of its own");
    buf b = {0};
    sample_head h;
    memset(&h, 0, sizeof h);
    buf_put(&b, &h, sizeof h);
    lmm_status st = put_body(set, &b, s);
    h = (sample_head){.video = s->video,
                      .augment = s->augment,
                      .size = b.size - sizeof h,
                      .ids = s->ids.count,
                      .labels = s->labels.count,
                      .segs = s->segs.count,
                      .media = s->media.count,
                      .prefix = s->prefix,
                      .label_count = s->label_count,
                      .one_tile = s->one_tile};
    memcpy(b.data, &h, sizeof h);
    sample_brief brief = {.length = s->ids.count, .label_count = (unsigned)s->label_count, .has_media = s->media.count > 0};
    if (!st) st = spool_put(&set->rest, b.data, b.size, &brief.offset);
    if (!st) VEC_PUSH(&set->list, brief);
    set->failed = st != LMM_OK;
    buf_free(&b);
    sample_free(s);
    return st;
}

/* ---- reading ---- */

typedef struct {
    const char *at, *end;
} body;

static void take(body *from, void *out, size_t n) {
    LMM_ASSERT(n <= (size_t)(from->end - from->at), "a sample in the spool ends %zu bytes early", n - (size_t)(from->end - from->at));
    if (n) memcpy(out, from->at, n);
    from->at += n;
}

static int *take_ints(body *from, int count) {
    int *at = mem_new((size_t)count + 1, sizeof *at);
    take(from, at, (size_t)count * sizeof *at);
    return at;
}

static char *take_text(body *from) {
    uint64_t size;
    take(from, &size, sizeof size);
    char *text = size ? mem_new(size, 1) : NULL;
    take(from, text, size);
    return text;
}

static lmm_status take_media(body *from, const sample_set *set, media_list *out, int count) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < count && !st; i++) {
        medium_head h;
        take(from, &h, sizeof h);
        char *path = mem_new(h.size + 1, 1);
        if (h.apart) st = spool_read(&set->rest, path, h.size, h.offset);
        else take(from, path, h.size);
        VEC_PUSH(out, ((media_ref){path, h.video, h.sound}));
    }
    return st;
}

static lmm_status take_body(body *from, const sample_set *set, const sample_head *h, sample *s) {
    s->video = h->video, s->augment = h->augment, s->one_tile = h->one_tile, s->prefix = h->prefix, s->label_count = h->label_count;
    s->ids.at = take_ints(from, h->ids), s->ids.count = s->ids.capacity = h->ids;
    s->labels.at = take_ints(from, h->labels), s->labels.count = s->labels.capacity = h->labels;
    s->segs.at = mem_new((size_t)h->segs + 1, sizeof *s->segs.at);
    s->segs.count = s->segs.capacity = h->segs;
    take(from, s->segs.at, (size_t)h->segs * sizeof *s->segs.at);
    s->text = take_text(from), s->question = take_text(from), s->gold = take_text(from);
    return take_media(from, set, &s->media, h->media);
}

lmm_status sample_at(const sample_set *set, int i, sample *out) {
    sample_head h;
    sample s = {0};
    const uint64_t offset = set->list.at[i].offset;
    lmm_status st = spool_read(&set->rest, &h, sizeof h, offset);
    if (st) return st;
    char *bytes = mem_new(h.size + 1, 1);
    st = spool_read(&set->rest, bytes, h.size, offset + sizeof h);
    if (!st) st = take_body(&(body){bytes, bytes + h.size}, set, &h, &s);
    free(bytes);
    if (st) return sample_free(&s), st;
    return *out = s, LMM_OK;
}

lmm_status sample_broken(sample_set *set, const recipe *r, lmm_status st) {
    if (set->failed || (st != LMM_E_FORMAT && st != LMM_E_IO && st != LMM_E_LIMIT)) return st;
    if (set->broken >= r->broken_max)
        return r->broken_max ? LMM_CONTEXT(st, "%d samples were broken already (broken_max)", set->broken)
                             : LMM_CONTEXT(st, "broken sample (broken_max: N in the recipe would skip it)");
    set->broken++;
    fprintf(stderr, "lmm: skipped: %s\n", lmm_message());
    return LMM_OK;
}
