/* view.c - the memory as one person had it at one moment.
 *
 * Readers (search, operators, timeline, baselines) hold an ego_view and nothing else, and every row they get passes ego_view_sees: known and over by
 * the cut, in a stream this person may use. Counts and lengths for BM25 come from the same rows, so ranks cannot tell of later ones either. */
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

typedef struct {
    int64_t from, to;
} window;

struct ego_view {
    ego *store;
    int wearer;
    int64_t cut;
    VEC(window) * windows; /* by stream: what of it may be used */
    bool *visible;         /* by row */
    int64_t count;         /* visible rows */
    double length_mean;
};

static lmm_status load_grants(ego_view *v) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(v->store, &s, "SELECT owner, t0, t1 FROM access WHERE reader = ?1");
    if (st) return st;
    sqlite3_bind_int(s, 1, v->wearer);
    while (sqlite3_step(s) == SQLITE_ROW) {
        int owner = sqlite3_column_int(s, 0);
        if (owner >= 0 && owner < v->store->stream_count)
            VEC_PUSH(&v->windows[owner], ((window){sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2)}));
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

static bool lets_through(const ego_view *v, const ego_doc *d) {
    if (d->known > v->cut || d->t1 > v->cut || d->stream < 0 || d->stream >= v->store->stream_count) return false;
    for (int i = 0; i < v->windows[d->stream].count; i++)
        if (d->t0 >= v->windows[d->stream].at[i].from && d->t1 <= v->windows[d->stream].at[i].to) return true;
    return false;
}

/* Once for all rows: readers ask millions of times. */
static void look_through(ego_view *v) {
    int64_t length = 0;
    v->visible = mem_new((size_t)v->store->docs.count + 1, sizeof *v->visible);
    for (int i = 0; i < v->store->docs.count; i++) {
        v->visible[i] = lets_through(v, &v->store->docs.at[i]);
        if (v->visible[i]) v->count++, length += v->store->docs.at[i].length;
    }
    v->length_mean = v->count ? (double)length / (double)v->count : 1;
}

lmm_status ego_view_open(ego_view **out, ego *e, const char *wearer, int64_t cut) {
    int stream;
    lmm_status st = ego_person(e, wearer, &stream);
    if (!st) st = ego_cache_load(e);
    if (st) return st;
    ego_view *v = mem_new(1, sizeof *v);
    *v = (ego_view){.store = e, .wearer = stream, .cut = cut, .windows = mem_new((size_t)e->stream_count, sizeof *v->windows)};
    VEC_PUSH(&v->windows[stream], ((window){INT64_MIN, INT64_MAX}));
    st = load_grants(v);
    if (st) return ego_view_close(v), st;
    look_through(v);
    *out = v;
    return LMM_OK;
}

void ego_view_close(ego_view *v) {
    if (!v) return;
    for (int i = 0; i < v->store->stream_count; i++) free(v->windows[i].at);
    free(v->windows), free(v->visible);
    free(v);
}

int64_t ego_view_cut(const ego_view *v) { return v->cut; }
ego *ego_view_store(ego_view *v) { return v->store; }
int ego_view_wearer(const ego_view *v) { return v->wearer; }

bool ego_view_sees(const ego_view *v, int doc) { return v->visible[doc]; }

int64_t ego_view_count(ego_view *v, double *length_mean) { return *length_mean = v->length_mean, v->count; }

lmm_status ego_view_postings(ego_view *v, const char *term, ego_postings *out) {
    ego_postings all;
    lmm_status st = ego_postings_of(v->store, term, &all);
    if (st) return st;
    out->doc = mem_new((size_t)all.count + 1, sizeof *out->doc);
    out->count = 0;
    for (int i = 0; i < all.count; i++)
        if (ego_view_sees(v, all.doc[i])) out->doc[out->count++] = all.doc[i];
    return LMM_OK;
}

lmm_status ego_view_hit(ego_view *v, int doc, double score, ego_hits *out) {
    LMM_ASSERT(ego_view_sees(v, doc), "row %d is outside the view", doc);
    const ego_doc *d = &v->store->docs.at[doc];
    ego_hit h = {doc, (int)(d->key >> EGO_KIND_SHIFT), d->t0, d->t1, score, v->store->stream_name[d->stream], NULL, NULL};
    lmm_status st = ego_text(v->store, d->key, &h.text, &h.speaker);
    if (!st) VEC_PUSH(out, h);
    return st;
}

int ego_hit_by_time(const ego_hit *x, const ego_hit *y) {
    if (x->t0 != y->t0) return x->t0 < y->t0 ? -1 : 1;
    return (x->doc > y->doc) - (x->doc < y->doc);
}

void ego_hits_free(ego_hits *h) {
    for (int i = 0; i < h->count; i++) free(h->at[i].text), free(h->at[i].speaker);
    free(h->at);
    *h = (ego_hits){0};
}
