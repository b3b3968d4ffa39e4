/* read.c - the reader: from a question, options and rows to an answer, without a language model.
 *
 * A row weighs by the share of the question's words it holds, rare ones more, and by the cosine of its vector to the question's. What is wanted comes
 * from intent.c; each operator decides over the rows within reach of the heaviest. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/ego_int.h"

enum { OPTIONS = EGO_OPTIONS_MAX, EPISODE_GAP = 10 * EGO_MINUTE };

/* Of a vector space: what a cosine counts beside words, and from where on an option is meant by a row. */
typedef struct {
    double cosine, option;
} space;
static const space learned = {1.0, 0.6}, hashed = {0.25, 0.5};
static const double REACH = 0.80; /* of the best row's weight */

typedef struct {
    const ego_hit *hit;
    ego_terms terms;
    double weight, words, near[OPTIONS], share[OPTIONS]; /* words: without the cosine; of options: cosine, share of words */
    bool self, me;                                       /* done by the wearer; done to the wearer */
} row;

typedef struct {
    const ego_question *q;
    ego_intent in;
    const space *space;
    bool named; /* the question names the wearer */
    bool fits;  /* the memory has vectors of this encoder */
    ego_query query, option[OPTIONS];
    float (*vector)[EGO_WIDTH]; /* of the question, then of each option */
    VEC(row) rows;
    double best;
} reading;

/* ---- what is asked ---- */

/* A wearer who is called by name is "me" in their own rows. */
static void own_name(reading *r, ego_view *v) {
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

static lmm_status understand(reading *r, ego_view *v, const ego_question *q, const lmm_model *encoder) {
    const char *texts[OPTIONS + 1] = {q->question};
    *r = (reading){.q = q, .space = encoder ? &learned : &hashed, .fits = ego_vectors_fit(ego_view_store(v), encoder)};
    lmm_status st = ego_intent_of(&r->in, v, q);
    if (!st) st = ego_query_of(&r->query, v, encoder, r->in.text);
    if (!st) own_name(r, v);
    for (int i = 0; i < q->option_count; i++) {
        texts[i + 1] = q->options[i];
        if (!st) st = ego_query_of(&r->option[i], v, encoder, q->options[i]);
    }
    r->vector = mem_new((size_t)q->option_count + 1, sizeof *r->vector);
    if (!st) st = ego_embed(encoder, texts, q->option_count + 1, r->vector[0]);
    return st;
}

static void reading_free(reading *r) {
    for (int i = 0; i < r->rows.count; i++) ego_terms_free(&r->rows.at[i].terms);
    for (int i = 0; i < OPTIONS; i++) ego_query_free(&r->option[i]);
    ego_query_free(&r->query);
    ego_intent_free(&r->in);
    free(r->rows.at), free(r->vector);
}

/* ---- what a row says ---- */

static bool in_time(const reading *r, const ego_hit *h) {
    int hour = (int)(h->t0 / EGO_HOUR % 24);
    if (r->in.hour_to > r->in.hour_from && !((hour >= r->in.hour_from && hour < r->in.hour_to) || hour + 24 < r->in.hour_to)) return false;
    if (!r->in.spans.count || r->in.op == EGO_OP_WHEN) return true;
    for (int i = 0; i < r->in.spans.count; i++)
        if (h->t1 >= r->in.spans.at[i].from && h->t0 <= r->in.spans.at[i].to) return true;
    return false;
}

static const char *word_in(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || !isalnum((unsigned char)p[-1])) && !isalnum((unsigned char)p[n])) return p;
    return NULL;
}

/* The name stands first of all people in the row: it is who does it. */
static bool acts(const ego_hit *h, const char *name) {
    if (h->speaker) return !strcasecmp(h->speaker, name);
    static const char *const openers[] = {"In", "At", "On", "The", "Then", "While", "After", "Inside", "Outside", "Near"};
    const char *at = word_in(h->text, name), *self = word_in(h->text, "I");
    if (!at || (self && self < at)) return false;
    for (const char *p = h->text; p < at; p += strcspn(p, " ") + (p[strcspn(p, " ")] == ' ')) {
        bool opener = false;
        for (size_t i = 0; i < COUNT_OF(openers); i++)
            opener |= !strncmp(p, openers[i], strlen(openers[i])) && !isalnum((unsigned char)p[strlen(openers[i])]);
        if (isupper((unsigned char)*p) && !opener) return false;
        if (!p[strcspn(p, " ")]) break;
    }
    return true;
}

static bool in_part(const ego_hit *h, const char *part) {
    int from, to, hour = (int)(h->t0 / EGO_HOUR % 24);
    return ego_part_of_day(part, &from, &to) && ((hour >= from && hour < to) || hour + 24 < to);
}

static bool in_option_span(const ego_hit *h, const ego_spans *s) {
    for (int i = 0; i < s->count; i++)
        if (h->t0 >= s->at[i].from && h->t0 <= s->at[i].to) return true;
    return false;
}

static bool supports(const reading *r, const row *w, int option) {
    switch (r->in.shape) {
    case SHAPE_NAMES: return acts(w->hit, r->q->options[option]);
    case SHAPE_DAYS: return in_option_span(w->hit, &r->in.option_spans[option]);
    case SHAPE_PARTS: return in_part(w->hit, r->q->options[option]);
    default: break;
    }
    return w->share[option] > 1 - 1e-9;
}

/* The option a row speaks for: by its words, else, for options in words, the nearest by far enough. */
static int option_of(const reading *r, const row *w) {
    int best = 0;
    for (int i = 0; i < r->q->option_count; i++)
        if (supports(r, w, i)) return i;
    if (r->in.shape != SHAPE_WORDS) return -1;
    for (int i = 1; i < r->q->option_count; i++)
        if (w->near[i] + w->share[i] > w->near[best] + w->share[best]) best = i;
    return r->q->option_count && w->near[best] + w->share[best] >= r->space->option ? best : -1;
}

static int by_time(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->hit->t0 != y->hit->t0) return x->hit->t0 < y->hit->t0 ? -1 : 1;
    return (x->hit->doc > y->hit->doc) - (x->hit->doc < y->hit->doc);
}

static double cosine(const ego_vector *x, const float *y) { return x ? fmax(0, (double)ego_vector_dot(x, y)) : 0; }

static row weigh(const reading *r, const ego *e, const ego_hit *h) {
    row w = {.hit = h};
    const ego_vector *x = r->fits ? ego_vector_at(e, h->doc) : NULL;
    ego_terms_of(&w.terms, h->text);
    if (h->speaker) ego_terms_of(&w.terms, h->speaker);
    w.self = h->kind == EGO_CAPTION && word_in(h->text, "I");
    w.me = word_in(h->text, "me") != NULL;
    bool speech = h->kind == EGO_SPEECH;
    w.words = ego_query_share(&r->query, &w.terms, speech);
    w.weight = w.words + r->space->cosine * cosine(x, r->vector[0]);
    for (int i = 0; i < r->q->option_count; i++) {
        w.near[i] = cosine(x, r->vector[i + 1]);
        w.share[i] = ego_query_share(&r->option[i], &w.terms, speech);
    }
    return w;
}

/* Rows of the time asked for, in order of time. */
static void take_rows(reading *r, const ego *e, const ego_hits *evidence) {
    for (int i = 0; i < evidence->count; i++)
        if (in_time(r, &evidence->at[i])) VEC_PUSH(&r->rows, weigh(r, e, &evidence->at[i]));
    if (r->rows.count) qsort(r->rows.at, (size_t)r->rows.count, sizeof *r->rows.at, by_time);
}

static bool is_self(const row *w) { return w->self; }
static bool is_me(const row *w) { return w->me; }

/* "I" asks for what the wearer did, "who ... me" for what was done to the wearer, where such rows are among the heavy ones. */
static void keep_rows(reading *r, bool (*is)(const row *)) {
    double all = 0, those = 0;
    int kept = 0;
    for (int i = 0; i < r->rows.count; i++) {
        const row *w = &r->rows.at[i];
        all = fmax(all, w->weight);
        if (is(w)) those = fmax(those, w->weight);
    }
    if (those < REACH * all) return;
    for (int i = 0; i < r->rows.count; i++) {
        if (is(&r->rows.at[i])) r->rows.at[kept++] = r->rows.at[i];
        else ego_terms_free(&r->rows.at[i].terms);
    }
    r->rows.count = kept;
}

static void whose(reading *r) {
    bool names = r->in.shape == SHAPE_NAMES;
    if (names && r->named) keep_rows(r, is_me);
    if (!r->in.first_person || r->in.op == EGO_OP_OPEN || r->in.shape == SHAPE_PLACES) return;
    if (!names) keep_rows(r, is_self);
    else if (r->in.op == EGO_OP_MOST) keep_rows(r, is_me);
}

/* The most any row weighs that could decide. */
static void find_best(reading *r) {
    bool any = r->in.op == EGO_OP_COUNT || r->in.op == EGO_OP_AFTER || r->in.op == EGO_OP_BEFORE || r->in.op == EGO_OP_ABSENT;
    for (int i = 0; i < r->rows.count; i++)
        if (r->rows.at[i].weight > r->best && (any || !r->q->option_count || option_of(r, &r->rows.at[i]) >= 0))
            r->best = r->rows.at[i].weight;
}

static bool near_best(const reading *r, const row *w) { return r->best > 0 && w->weight >= REACH * r->best; }

/* ---- operators: an option and the rows that say so ---- */

typedef struct {
    int choice;
    double confidence;
    VEC(int) rows;
} verdict;

static void op_edge(const reading *r, bool last, verdict *v) {
    int at = -1;
    for (int i = 0; i < r->rows.count; i++) {
        const row *w = &r->rows.at[i];
        if (near_best(r, w) && option_of(r, w) >= 0 && (at < 0 || last)) at = i;
    }
    if (at < 0) return;
    v->choice = option_of(r, &r->rows.at[at]);
    v->confidence = 0.7;
    VEC_PUSH(&v->rows, at);
}

static void op_count(const reading *r, verdict *v) {
    int n = 0;
    int64_t before = INT64_MIN / 2;
    double nearest = 1e9;
    for (int i = 0; i < r->rows.count; i++) {
        if (!near_best(r, &r->rows.at[i])) continue;
        n += r->rows.at[i].hit->t0 - before > EPISODE_GAP;
        before = r->rows.at[i].hit->t0;
        VEC_PUSH(&v->rows, i);
    }
    for (int o = 0; n && o < r->q->option_count; o++) {
        double off = fabs(atoi(r->q->options[o]) - n - 0.3); /* recordings miss more than they invent */
        if (off < nearest) nearest = off, v->choice = o;
    }
    v->confidence = 0.5;
}

static void op_most(const reading *r, bool most, verdict *v) {
    double count[OPTIONS] = {0}, total = 0;
    for (int i = 0; i < r->rows.count; i++) {
        int o = near_best(r, &r->rows.at[i]) ? option_of(r, &r->rows.at[i]) : -1;
        if (o < 0) continue;
        count[o] += 1 + 1e-6 * i; /* of equals, the later */
        total++;
    }
    if (total <= 0) return;
    for (int o = 0; o < r->q->option_count; o++)
        if (v->choice < 0 || (most ? count[o] > count[v->choice] : count[o] < count[v->choice])) v->choice = o;
    v->confidence = (count[v->choice] + 1) / (total + r->q->option_count);
    for (int i = r->rows.count - 1; i >= 0; i--)
        if (near_best(r, &r->rows.at[i]) && option_of(r, &r->rows.at[i]) == v->choice) VEC_PUSH(&v->rows, i);
}

static void op_absent(const reading *r, verdict *v) {
    int count[OPTIONS] = {0}, total = 0, empty = -1;
    for (int i = 0; i < r->rows.count; i++) {
        if (!near_best(r, &r->rows.at[i])) continue;
        int o = option_of(r, &r->rows.at[i]);
        VEC_PUSH(&v->rows, i);
        if (o >= 0) count[o]++, total++;
    }
    for (int o = 0; o < r->q->option_count; o++)
        if (!count[o] && empty < 0) empty = o;
    if (total && empty >= 0) v->choice = empty, v->confidence = 0.25 + 0.15 * total;
}

/* The first option begun after (or last before) the last time of what the question names. */
static void op_neighbour(const reading *r, bool after, verdict *v) {
    for (int i = r->rows.count - 1; i >= 0; i--) {
        if (!near_best(r, &r->rows.at[i])) continue;
        for (int k = i + (after ? 1 : -1); k >= 0 && k < r->rows.count; k += after ? 1 : -1) {
            int o = near_best(r, &r->rows.at[k]) ? -1 : option_of(r, &r->rows.at[k]);
            if (o < 0) continue;
            v->choice = o, v->confidence = 0.6;
            VEC_PUSH(&v->rows, i);
            VEC_PUSH(&v->rows, k);
            return;
        }
    }
}

/* Wanted after it was last bought. */
static void op_open(const reading *r, verdict *v) {
    int64_t best = INT64_MIN;
    for (int o = 0; o < r->q->option_count; o++) {
        int wanted = -1, bought = -1;
        for (int i = 0; i < r->rows.count; i++) {
            const row *w = &r->rows.at[i];
            if (!supports(r, w, o)) continue;
            if (w->hit->kind == EGO_SPEECH) wanted = i;
            else if (ego_tokens_hold(&w->terms, "buy pay")) bought = i;
        }
        if (wanted < 0) continue;
        int64_t rank = r->rows.at[wanted].hit->t0 - (bought > wanted ? (int64_t)1 << 50 : 0);
        if (rank <= best) continue;
        best = rank, v->choice = o, v->confidence = bought > wanted ? 0.3 : 0.7;
        v->rows.count = 0;
        VEC_PUSH(&v->rows, wanted);
    }
}

static void decide(const reading *r, verdict *v) {
    switch (r->in.op) {
    case EGO_OP_COUNT: op_count(r, v); break;
    case EGO_OP_MOST: op_most(r, true, v); break;
    case EGO_OP_LEAST: op_most(r, false, v); break;
    case EGO_OP_ABSENT: op_absent(r, v); break;
    case EGO_OP_AFTER: op_neighbour(r, true, v); break;
    case EGO_OP_BEFORE: op_neighbour(r, false, v); break;
    case EGO_OP_OPEN: op_open(r, v); break;
    case EGO_OP_FIRST: op_edge(r, false, v); break;
    default: op_edge(r, true, v); break;
    }
}

/* ---- answers ---- */

static ego_hit hit_copy(const ego_hit *h) {
    ego_hit c = *h;
    c.text = mem_strdup(h->text);
    c.speaker = h->speaker ? mem_strdup(h->speaker) : NULL;
    return c;
}

/* How much of an open question a row holds: words nobody ever said count against it as the rarest would. */
static double coverage(const reading *r, const row *w) {
    double known = 0, missing = 0;
    for (int i = 0; i < r->query.count; i++) {
        known += r->query.at[i].weight;
        missing += r->query.at[i].lost;
    }
    double cosine = w->weight - w->words;
    return known > 0 ? w->words * known / (known + missing) + cosine : cosine;
}

/* An open question is answered with the row itself. */
static void answer_open(const reading *r, ego_answer *out) {
    int at = -1;
    for (int i = 0; i < r->rows.count; i++)
        if (near_best(r, &r->rows.at[i]) && (at < 0 || r->in.op != EGO_OP_FIRST)) at = i;
    double covered = at < 0 ? 0 : coverage(r, &r->rows.at[at]);
    out->abstain = covered < 0.4;
    if (out->abstain) return;
    out->text = mem_strdup(r->rows.at[at].hit->text);
    out->confidence = fmin(1, covered);
    VEC_PUSH(&out->proof, hit_copy(r->rows.at[at].hit));
}

static void answer_options(const reading *r, ego_answer *out) {
    verdict v = {.choice = -1};
    decide(r, &v);
    out->choice = v.choice, out->confidence = v.confidence;
    out->abstain = v.choice < 0;
    /* A guess is wanted all the same; it depends on the question alone. */
    if (v.choice < 0)
        out->choice = (int)(hash_u64(r->in.text, strlen(r->in.text), 5) % (uint64_t)r->q->option_count),
        out->confidence = 1.0 / r->q->option_count;
    else out->text = mem_strdup(r->q->options[v.choice]);
    for (int i = 0; i < v.rows.count; i++) VEC_PUSH(&out->proof, hit_copy(r->rows.at[v.rows.at[i]].hit));
    free(v.rows.at);
}

lmm_status ego_read(ego_view *v, const ego_question *q, const ego_hits *evidence, const lmm_model *encoder, ego_answer *out) {
    reading r;
    if (q->option_count > OPTIONS) return LMM_FAIL(LMM_E_LIMIT, "%d options, at most %d", q->option_count, OPTIONS);
    lmm_status st = understand(&r, v, q, encoder);
    *out = (ego_answer){.op = r.in.op, .choice = -1};
    if (!st) {
        take_rows(&r, ego_view_store(v), evidence);
        whose(&r);
        find_best(&r);
        if (q->option_count) answer_options(&r, out);
        else answer_open(&r, out);
        if (!out->text) out->text = mem_strdup("not in your recordings");
    }
    reading_free(&r);
    return st;
}

void ego_answer_free(ego_answer *a) {
    free(a->text);
    ego_hits_free(&a->proof);
}
