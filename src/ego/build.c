/* build.c - everything derived from rows: full text, vectors, segments of four lengths, people and things named, facts and tasks.
 *
 * Work goes in batches; a batch is one transaction that also moves the mark of what is done, so a killed build repeats at most one batch; the time
 * from which segments are stale is kept the same way. Derived rows carry known_t of what they came from. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { BATCH = 2000, SEGMENT_SENTENCES = 12 };

static const char *const tables[EGO_KINDS] = {"caption", "utter"};
static const char *const marks[EGO_KINDS] = {"fts_caption", "fts_utter"};

typedef struct {
    int64_t id, t0, known;
    int stream;
    char *text, *speaker;
} item;
typedef VEC(item) items;

static void items_free(items *b) {
    for (int i = 0; i < b->count; i++) free(b->at[i].text), free(b->at[i].speaker);
    free(b->at);
}

static lmm_status read_batch(ego *e, int kind, int64_t after, items *out) {
    char sql[160];
    sqlite3_stmt *s;
    snprintf(sql, sizeof sql, "SELECT id, t0, known_t, stream_id, text, coalesce(speaker, '') FROM %s WHERE id > ?1 ORDER BY id LIMIT %d",
             tables[kind], BATCH);
    lmm_status st = ego_prepare(e, &s, sql);
    if (st) return st;
    sqlite3_bind_int64(s, 1, after);
    while (sqlite3_step(s) == SQLITE_ROW) {
        item it = {sqlite3_column_int64(s, 0),
                   sqlite3_column_int64(s, 1),
                   sqlite3_column_int64(s, 2),
                   sqlite3_column_int(s, 3),
                   mem_strdup((const char *)sqlite3_column_text(s, 4)),
                   mem_strdup((const char *)sqlite3_column_text(s, 5))};
        VEC_PUSH(out, it);
    }
    sqlite3_finalize(s);
    return LMM_OK;
}

static int64_t key_of(int kind, int64_t id) { return ((int64_t)kind << EGO_KIND_SHIFT) | id; }

static lmm_status index_batch(ego *e, int kind, const items *b) {
    sqlite3_stmt *s;
    lmm_status st = ego_prepare(e, &s, "INSERT INTO fts(rowid, text, who) VALUES(?1, ?2, ?3)");
    for (int i = 0; !st && i < b->count; i++) {
        sqlite3_bind_int64(s, 1, key_of(kind, b->at[i].id));
        sqlite3_bind_text(s, 2, b->at[i].text, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 3, b->at[i].speaker, -1, SQLITE_STATIC);
        st = ego_step(e, s);
    }
    sqlite3_finalize(s);
    return st;
}

static lmm_status embed_batch(ego *e, int kind, const items *b, const lmm_model *encoder) {
    const char **texts = mem_new((size_t)b->count + 1, sizeof *texts);
    float *x = mem_new((size_t)b->count + 1, EGO_WIDTH * sizeof *x);
    ego_vector *v = mem_new((size_t)b->count + 1, sizeof *v);
    int64_t at = ego_meta(e, "vectors", 0);
    for (int i = 0; i < b->count; i++) texts[i] = b->at[i].text;
    lmm_status st = ego_embed_kept(e, encoder, texts, b->count, x); /* much is said again word for word */
    for (int i = 0; i < b->count; i++) ego_vector_pack(&v[i], key_of(kind, b->at[i].id), x + (size_t)i * EGO_WIDTH);
    if (!st) st = ego_vectors_append(e, v, b->count, at);
    if (!st) st = ego_meta_set(e, "vectors", at + b->count);
    free(v), free(x), free(texts);
    return st;
}

/* ---- people and things: capitalised words inside a sentence, and who spoke ---- */

typedef struct {
    sqlite3_stmt *entity, *obs, *edge, *fact, *task;
} writers;

static lmm_status writers_open(ego *e, writers *w) {
    lmm_status st = ego_prepare(e, &w->entity, "INSERT OR IGNORE INTO entity(kind, name) VALUES('person', ?1)");
    if (!st)
        st = ego_prepare(e, &w->obs,
                         "INSERT INTO obs(entity_id, doc, t0, known_t) SELECT id, ?2, ?3, ?4 FROM entity WHERE kind = 'person' AND name = "
                         "?1");
    if (!st)
        st = ego_prepare(e, &w->edge,
                         "INSERT INTO edge SELECT a.id, ?3, b.id, ?4, ?5, ?6 FROM entity a, entity b"
                         " WHERE a.kind = 'person' AND b.kind = 'person' AND a.name = ?1 AND b.name = ?2");
    if (!st) st = ego_prepare(e, &w->fact, "INSERT INTO fact(s, p, o, doc, t0, known_t) VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
    if (!st) st = ego_prepare(e, &w->task, "INSERT INTO task(owner, what, doc, made_t, known_t) VALUES(?1, ?2, ?3, ?4, ?5)");
    return st;
}

static void writers_close(writers *w) {
    sqlite3_stmt *const all[] = {w->entity, w->obs, w->edge, w->fact, w->task};
    for (size_t i = 0; i < COUNT_OF(all); i++) sqlite3_finalize(all[i]);
}

/* Words with a capital that do not open a sentence, and are not "I". */
static void names_of(const char *text, ego_terms *out) {
    bool opening = true;
    for (const char *p = text; *p;) {
        if (isalpha((unsigned char)*p)) {
            size_t n = 0;
            while (isalnum((unsigned char)p[n])) n++;
            if (!opening && isupper((unsigned char)*p) && n > 2 && islower((unsigned char)p[1]) && out->count < 8)
                VEC_PUSH(out, mem_strndup(p, n));
            opening = false;
            p += n;
        } else {
            if (strchr(".!?:\"", *p)) opening = true;
            p++;
        }
    }
}

static lmm_status add_person(ego *e, const writers *w, const char *name, int64_t doc, const item *it) {
    sqlite3_bind_text(w->entity, 1, name, -1, SQLITE_STATIC);
    lmm_status st = ego_step(e, w->entity);
    if (st) return st;
    sqlite3_bind_text(w->obs, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(w->obs, 2, doc);
    sqlite3_bind_int64(w->obs, 3, it->t0);
    sqlite3_bind_int64(w->obs, 4, it->known);
    return ego_step(e, w->obs);
}

static lmm_status add_edge(ego *e, const writers *w, const char *a, const char *rel, const char *b, int64_t doc, const item *it) {
    sqlite3_bind_text(w->edge, 1, a, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->edge, 2, b, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->edge, 3, rel, -1, SQLITE_STATIC);
    sqlite3_bind_int64(w->edge, 4, doc);
    sqlite3_bind_int64(w->edge, 5, it->t0);
    sqlite3_bind_int64(w->edge, 6, it->known);
    return ego_step(e, w->edge);
}

static bool has_term(const ego_terms *t, const char *term) {
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->at[i], term)) return true;
    return false;
}

/* A purchase or a placement is a fact, a promise or a plan is a task; both keep the sentence they came from. */
static lmm_status add_claims(ego *e, const writers *w, const char *owner, int64_t doc, const item *it) {
    static const struct {
        const char *term;
        bool task;
    } rules[] = {{"buy", false}, {"put", false}, {"give", false}, {"promise", true}, {"need", true}};
    ego_terms terms = {0};
    ego_terms_of(&terms, it->text);
    lmm_status st = LMM_OK;
    for (size_t i = 0; !st && i < COUNT_OF(rules); i++) {
        if (!has_term(&terms, rules[i].term)) continue;
        sqlite3_stmt *s = rules[i].task ? w->task : w->fact;
        int at = 1;
        sqlite3_bind_text(s, at++, owner, -1, SQLITE_STATIC);
        if (!rules[i].task) sqlite3_bind_text(s, at++, rules[i].term, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, at++, it->text, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, at++, doc);
        sqlite3_bind_int64(s, at++, it->t0);
        sqlite3_bind_int64(s, at, it->known);
        st = ego_step(e, s);
    }
    ego_terms_free(&terms);
    return st;
}

static lmm_status graph_row(ego *e, const writers *w, int kind, const item *it) {
    int64_t doc = key_of(kind, it->id);
    const char *owner = it->speaker[0]                                               ? it->speaker
                        : it->stream < e->stream_count && e->stream_name[it->stream] ? e->stream_name[it->stream]
                                                                                     : "";
    ego_terms names = {0};
    names_of(it->text, &names);
    lmm_status st = *owner ? add_person(e, w, owner, doc, it) : LMM_OK;
    for (int i = 0; !st && i < names.count; i++) {
        st = add_person(e, w, names.at[i], doc, it);
        if (!st && *owner) st = add_edge(e, w, owner, kind == EGO_SPEECH ? "mentions" : "with", names.at[i], doc, it);
    }
    if (!st) st = add_claims(e, w, owner, doc, it);
    ego_terms_free(&names);
    return st;
}

/* ---- one batch ---- */

static lmm_status batch(ego *e, int kind, const ego_build_opts *o, const writers *w, int *count) {
    items b = {0};
    lmm_status st = ego_begin(e);
    if (!st) st = read_batch(e, kind, ego_meta(e, marks[kind], 0), &b);
    if (!st) st = index_batch(e, kind, &b);
    if (!st && b.count) st = embed_batch(e, kind, &b, o->encoder);
    int64_t stale = ego_meta(e, "stale_from", INT64_MAX);
    for (int i = 0; !st && i < b.count; i++) {
        st = graph_row(e, w, kind, &b.at[i]);
        stale = min_i64(stale, b.at[i].t0);
    }
    if (!st) st = ego_meta_set(e, "stale_from", stale);
    if (!st && b.count) st = ego_meta_set(e, marks[kind], b.at[b.count - 1].id);
    if (!st) st = ego_commit(e);
    else if (e->pending) ego_rollback(e);
    *count = b.count;
    items_free(&b);
    return st;
}

/* ---- segments: the most telling sentences of 3 min, 10 min, an hour, a day ---- */

static const int levels[] = {180, 600, 3600, 86400};

typedef struct {
    int64_t slot;
    int stream, count;
    VEC(char *) texts;
} segment;

/* First what no earlier sentence said: a sentence counts by its words that are new. */
void ego_digest(const char *const *texts, int count, buf *out) {
    strmap *said = strmap_new();
    bool *used = mem_new((size_t)count + 1, sizeof *used);
    for (int k = 0; k < SEGMENT_SENTENCES && k < count; k++) {
        int best = -1, best_new = 0;
        for (int i = 0; i < count; i++) {
            if (used[i]) continue;
            ego_terms t = {0};
            int fresh = 0, dummy;
            ego_terms_of(&t, texts[i]);
            for (int j = 0; j < t.count; j++) fresh += !strmap_get(said, t.at[j], strlen(t.at[j]), &dummy);
            if (fresh > best_new) best = i, best_new = fresh;
            ego_terms_free(&t);
        }
        if (best < 0) break;
        used[best] = true;
        ego_terms t = {0};
        ego_terms_of(&t, texts[best]);
        for (int j = 0; j < t.count; j++) strmap_put(said, t.at[j], strlen(t.at[j]), 1);
        ego_terms_free(&t);
    }
    for (int i = 0; i < count; i++)
        if (used[i]) buf_printf(out, "%s%s", out->size ? " " : "", texts[i]);
    free(used);
    strmap_free(said);
}

static lmm_status flush(ego *e, segment *s, int level, int64_t *made) {
    lmm_status st = LMM_OK;
    if (s->texts.count) {
        buf text = {0};
        sqlite3_stmt *q;
        ego_digest((const char *const *)s->texts.at, s->texts.count, &text);
        st = ego_prepare(e, &q, "INSERT OR REPLACE INTO seg(stream_id, level, t0, t1, text, n_src, known_t) VALUES(?1,?2,?3,?4,?5,?6,?7)");
        if (!st) {
            const int64_t value[] = {s->stream, level, s->slot * level * EGO_SECOND, (s->slot + 1) * level * EGO_SECOND};
            for (int i = 0; i < 4; i++) sqlite3_bind_int64(q, i + 1, value[i]);
            sqlite3_bind_text(q, 5, text.data, -1, SQLITE_STATIC);
            sqlite3_bind_int(q, 6, s->count);
            sqlite3_bind_int64(q, 7, value[3]);
            st = ego_step(e, q);
            ++*made;
        }
        sqlite3_finalize(q);
        buf_free(&text);
    }
    for (int i = 0; i < s->texts.count; i++) free(s->texts.at[i]);
    s->texts.count = s->count = 0;
    return st;
}

/* A long stretch is digested from an even sample of its rows. A segment is known when it ends and holds what was known by then, so that a row learnt
 * later changes nothing that was visible before. */
static lmm_status segments_of(ego *e, int stream, int level, int64_t from, int64_t *made) {
    const int64_t length = (int64_t)level * EGO_SECOND;
    sqlite3_stmt *q;
    segment s = {.stream = stream, .slot = -1};
    int stride = max_int(1, level / 1800);
    lmm_status st = ego_prepare(e, &q,
                                "SELECT t0, text FROM caption WHERE stream_id = ?1 AND t0 >= ?2 AND known_t <= (t0 / ?3 + 1) * ?3 UNION ALL"
                                " SELECT t0, coalesce(speaker || ': ', '') || text FROM utter WHERE stream_id = ?1 AND t0 >= ?2 AND"
                                " known_t <= (t0 / ?3 + 1) * ?3 ORDER BY 1");
    if (st) return st;
    sqlite3_bind_int(q, 1, stream);
    sqlite3_bind_int64(q, 2, from / length * length);
    sqlite3_bind_int64(q, 3, length);
    while (!st && sqlite3_step(q) == SQLITE_ROW) {
        int64_t slot = sqlite3_column_int64(q, 0) / length;
        if (slot != s.slot) st = flush(e, &s, level, made);
        s.slot = slot;
        if (s.count++ % stride == 0) VEC_PUSH(&s.texts, mem_strdup((const char *)sqlite3_column_text(q, 1)));
    }
    if (!st) st = flush(e, &s, level, made);
    for (int i = 0; i < s.texts.count; i++) free(s.texts.at[i]);
    free(s.texts.at);
    sqlite3_finalize(q);
    return st;
}

lmm_status ego_resegment(ego *e, int64_t *made) {
    int64_t from = ego_meta(e, "stale_from", INT64_MAX);
    if (from == INT64_MAX) return LMM_OK;
    lmm_status st = ego_begin(e);
    for (int i = 0; !st && i < e->stream_count; i++)
        for (size_t l = 0; !st && e->stream_name[i] && l < COUNT_OF(levels); l++) st = segments_of(e, i, levels[l], from, made);
    if (!st) st = ego_meta_set(e, "stale_from", INT64_MAX);
    if (!st) return ego_commit(e);
    if (e->pending) ego_rollback(e);
    return st;
}

static int64_t count_rows(ego *e, const char *table) {
    char sql[64];
    sqlite3_stmt *s;
    int64_t n = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    if (!ego_prepare(e, &s, sql) && sqlite3_step(s) == SQLITE_ROW) n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

lmm_status ego_build(ego *e, const ego_build_opts *o, ego_build_report *r) {
    writers w = {0};
    *r = (ego_build_report){0};
    if (!ego_vectors_fit(e, o->encoder))
        return LMM_FAIL(LMM_E_ARG, "memory '%s' was built %s an encoder; build it the same way, or export it into a new one", e->dir,
                        o->encoder ? "without" : "with");
    int64_t total = count_rows(e, "caption") + count_rows(e, "utter");
    progress *bar = o->quiet ? NULL : progress_new("build", total, "rows");
    lmm_status st = ego_meta_set(e, "learned", o->encoder != NULL);
    if (!st) st = writers_open(e, &w);
    for (int kind = 0; !st && kind < EGO_KINDS; kind++)
        for (int n = 1; !st && n;) {
            st = batch(e, kind, o, &w, &n);
            r->rows += n;
            if (bar) progress_set(bar, r->rows, NULL);
        }
    writers_close(&w);
    if (!st && ego_meta(e, "said", 0) != total) st = ego_lexicon_fill(e, o->encoder);
    if (!st) st = ego_meta_set(e, "said", total); /* rows the lexicon was made from; fewer when some were forgotten */
    if (!st) st = ego_resegment(e, &r->segments);
    progress_free(bar);
    r->vectors = ego_meta(e, "vectors", 0);
    r->facts = count_rows(e, "fact");
    r->tasks = count_rows(e, "task");
    return st;
}
