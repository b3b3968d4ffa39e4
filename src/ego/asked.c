/* asked.c - what a question asks for: its operator and words, whom it names, and which of those people are never named as speakers. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/read.h"

static const ego_space learned = {1.0, 0.55}, hashed = {0.25, 0.5};

/* A wearer who is called by name is "me" in their own rows. */
static void own_name(ego_reading *r, ego_view *v) {
    const char *full = ego_view_store(v)->stream_name[ego_view_wearer(v)], *tail = strchr(full, '_');
    ego_terms name = {0};
    ego_terms_of(&name, tail ? tail + 1 : full);
    for (int i = 0; name.count == 1 && i < r->query.count; i++) {
        ego_unit *u = &r->query.at[i];
        if (u->terms.count != 1 || strcmp(u->terms.at[0].term, name.at[0])) continue;
        u->weight = u->lost = 0;
        r->named = true;
    }
    ego_terms_free(&name);
}

/* Whoever a transcript does not know is "Others". */
bool ego_is_nobody(const char *speaker) {
    static const char *const names[] = {"", "others", "other", "unknown", "someone", "somebody"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcasecmp(names[i], speaker)) return true;
    return false;
}

static lmm_status count_speech(ego_view *v, const char *term, int *out) {
    ego_postings p = {0};
    lmm_status st = ego_view_postings(v, term, &p);
    for (int i = *out = 0; i < p.count; i++) *out += ego_view_store(v)->docs.at[p.doc[i]].key >> EGO_KIND_SHIFT == EGO_SPEECH;
    free(p.doc);
    return st;
}

/* Somebody who is hardly ever named as a speaker, where many rows name none, speaks in those. */
static lmm_status is_silent(ego_view *v, const char *name, bool *out) {
    ego_terms t = {0};
    int named = 0, unnamed = 0;
    ego_terms_of(&t, name);
    lmm_status st = t.count == 1 ? count_speech(v, t.at[0], &named) : LMM_OK;
    if (!st) st = count_speech(v, "other", &unnamed);
    *out = t.count == 1 && named * 10 < unnamed;
    ego_terms_free(&t);
    return st;
}

/* Capitalised words inside the question that stand alone in its query. */
static lmm_status find_people(ego_reading *r, ego_view *v) {
    lmm_status st = LMM_OK;
    for (int i = 0; !st && i < r->query.count; i++) {
        const ego_unit *u = &r->query.at[i];
        bool silent = false, person = false;
        for (const char *p = r->q->question; u->terms.count == 1 && u->weight > 0 && *p && !person; p++) {
            size_t n = strcspn(p, " .,:;?!");
            person = p > r->q->question && p[-1] == ' ' && isupper((unsigned char)*p) && n == strlen(u->terms.at[0].term) &&
                     !strncasecmp(p, u->terms.at[0].term, n);
        }
        if (!person) continue;
        VEC_PUSH(&r->people, u->terms.at[0].term);
        st = is_silent(v, u->terms.at[0].term, &silent);
        if (silent) VEC_PUSH(&r->silent_people, u->terms.at[0].term);
    }
    for (int i = 0; !st && r->in.shape == SHAPE_NAMES && i < r->q->option_count; i++) st = is_silent(v, r->q->options[i], &r->silent[i]);
    return st;
}

lmm_status ego_understand(ego_reading *r, ego_view *v, const ego_question *q, const lmm_model *encoder) {
    const char *texts[EGO_OPTIONS_MAX + 1] = {q->question};
    *r = (ego_reading){.q = q, .space = encoder ? &learned : &hashed, .fits = ego_vectors_fit(ego_view_store(v), encoder)};
    lmm_status st = ego_intent_of(&r->in, v, q, encoder);
    if (!st) st = ego_query_of(&r->query, v, encoder, r->in.text, true);
    if (!st) own_name(r, v);
    if (!st) st = find_people(r, v);
    for (int i = 0; i < q->option_count; i++) {
        texts[i + 1] = q->options[i];
        if (!st) st = ego_query_of(&r->option[i], v, encoder, q->options[i], false);
    }
    r->vector = mem_new((size_t)q->option_count + 1, sizeof *r->vector);
    if (!st) st = ego_embed_kept(ego_view_store(v), encoder, texts, q->option_count + 1, r->vector[0]);
    return st;
}

void ego_reading_free(ego_reading *r) {
    for (int i = 0; i < r->rows.count; i++) ego_terms_free(&r->rows.at[i].terms);
    for (int i = 0; i < r->others.count; i++) ego_terms_free(&r->others.at[i].terms);
    for (int i = 0; i < EGO_OPTIONS_MAX; i++) ego_query_free(&r->option[i]);
    ego_query_free(&r->query);
    ego_intent_free(&r->in);
    free(r->rows.at), free(r->others.at), free(r->vector), free(r->people.at), free(r->silent_people.at);
}
