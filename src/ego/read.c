/* read.c - the reader: from a question, options and rows to an answer, without a language model.
 *
 * What kind of answer is wanted follows from the words of the question and from the shape of the options (numbers, days, parts of a day, names). Rows
 * are weighed by the rarity of the question's words they hold; each operator then decides over the rows within reach of the best. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ego/ego_int.h"

enum { OPTIONS = 8, EPISODE_GAP = 10 * EGO_MINUTE, PROOF_MAX = 10 };
static const double REACH = 0.72; /* of the best row's weight; a missing colour falls out, a different verb does not */

typedef enum { KIND_WORDS, KIND_NAMES, KIND_NUMBERS, KIND_DAYS, KIND_PARTS } option_kind;

typedef struct {
    const ego_hit *hit;
    ego_terms terms;
    double weight;
    bool self, me; /* done by the wearer; done to the wearer */
} row;

typedef struct {
    const ego_question *q;
    int64_t now;
    ego_op op;
    option_kind kind;
    bool self, me;          /* only what the wearer did; only what was done to the wearer */
    int hour_from, hour_to; /* of a part of day named as a habit; equal: none */
    char *text;             /* lower case, without the opening clause */
    ego_terms terms, option[OPTIONS];
    double *weight; /* of terms */
    ego_spans spans, option_spans[OPTIONS];
    VEC(row) rows;
    double best;
} reading;

static bool holds(const ego_terms *t, const char *term) {
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->at[i], term)) return true;
    return false;
}

static bool holds_all(const ego_terms *t, const ego_terms *part) {
    for (int i = 0; i < part->count; i++)
        if (!holds(t, part->at[i])) return false;
    return part->count > 0;
}

static bool any_of(const char *text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strstr(text, words[i])) return true;
    return false;
}
#define ANY(text, ...) any_of(text, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* ---- what is asked ---- */

/* "Quick question: where ..." asks "where ...": a short opening clause that is no adverbial is dropped. */
static const char *without_opening(const char *s) {
    static const char *const keep[] = {"in ",       "at ",  "on ", "after ", "before ", "when",  "with", "besides", "leaving", "apart",
                                       "according", "once", "who", "what",   "which",   "where", "how",  "the ",    "from"};
    size_t n = strcspn(s, ":,");
    int words = 1;
    for (size_t i = 0; i < n; i++) words += s[i] == ' ';
    if (!s[n] || words > 4) return s;
    for (size_t i = 0; i < COUNT_OF(keep); i++)
        if (!strncasecmp(s, keep[i], strlen(keep[i]))) return s;
    for (n++; s[n] == ' '; n++) {}
    return s[n] ? s + n : s;
}

static bool is_number(const char *s) { return *s && strspn(s, "0123456789") == strlen(s); }

static bool is_name(const char *s) { return isupper((unsigned char)*s) && !strchr(s, ' ') && !isdigit((unsigned char)s[1]); }

static bool part_hours(const char *s, int *from, int *to) {
    if (strstr(s, "morning")) return *from = 4, *to = 11, true;
    if (ANY(s, "middle of the day", "lunchtime", "noon ", "midday")) return *from = 11, *to = 14, true;
    if (strstr(s, "afternoon")) return *from = 14, *to = 18, true;
    if (ANY(s, "evening", "night")) return *from = 18, *to = 28, true;
    return false;
}

static option_kind kind_of(reading *r) {
    int numbers = 0, names = 0, days = 0, parts = 0, n = r->q->option_count, a, b;
    for (int i = 0; i < n; i++) {
        const char *o = r->q->options[i];
        numbers += is_number(o);
        names += is_name(o);
        days += ego_when(o, r->now, &r->option_spans[i]);
        parts += part_hours(o, &a, &b);
    }
    if (!n) return KIND_WORDS;
    return numbers == n ? KIND_NUMBERS : days == n ? KIND_DAYS : parts == n ? KIND_PARTS : names == n ? KIND_NAMES : KIND_WORDS;
}

static ego_op op_of(const reading *r) {
    const char *s = r->text;
    if (r->kind == KIND_NUMBERS && ANY(s, "how many", "how often", "how frequent", "count", "number", "times")) return EGO_OP_COUNT;
    if (ANY(s, "least often", "rarely", "seldom")) return EGO_OP_LEAST;
    if (r->kind == KIND_PARTS || ANY(s, "usual", "normal", "most often", "mostly", "tend", "typical", "generally", "regular", "most common",
                                     "the most", "for most", " most?", "most in the"))
        return EGO_OP_MOST;
    if (r->kind == KIND_NAMES &&
        ANY(s, "missing", "absent", "skipped", "not turn up", "did not", "not at ", "not there", "empty", "failed to", "wasn't", "didn't"))
        return EGO_OP_ABSENT;
    if (ANY(s, "still", " yet", "remains", "so far", "outstanding", "not bought") &&
        ANY(s, "buy", "bought", "get", "got", "need", "list", "purchase", "shopping"))
        return EGO_OP_OPEN;
    if (ANY(s, "right after", "straight after", "immediately after", "next", "followed", "came after")) return EGO_OP_AFTER;
    if (ANY(s, "right before", "just before", "immediately before")) return EGO_OP_BEFORE;
    if (r->kind == KIND_DAYS || !strncmp(s, "when", 4)) return EGO_OP_WHEN;
    if (ANY(s, "the first", "first time", "earliest")) return EGO_OP_FIRST;
    return EGO_OP_LAST;
}

const char *ego_op_name(ego_op op) {
    static const char *const names[] = {"fact", "last", "first", "when", "count", "most", "least", "absent", "before", "after", "open"};
    return names[op];
}

static lmm_status weigh_terms(reading *r, ego_view *v) {
    double mean, total = (double)ego_view_count(v, &mean);
    r->weight = mem_new((size_t)r->terms.count + 1, sizeof *r->weight);
    for (int i = 0; i < r->terms.count; i++) {
        ego_postings p;
        lmm_status st = ego_view_postings(v, r->terms.at[i], &p);
        if (st) return st;
        r->weight[i] = p.count ? log(1 + total / p.count) : 0;
        free(p.doc);
    }
    return LMM_OK;
}

static void whose(reading *r) {
    const char *s = r->text;
    bool place = ANY(s, "where", "room", "spot"), i = ANY(s, " i ", "my ", " i've ") || !strncmp(s, "i ", 2),
         me = ANY(s, " me ", " me?", " me.");
    bool aside = ANY(s, "apart from me", "besides m", "not me", "other than me", "not counting me", "leaving me");
    r->self = r->kind != KIND_NAMES && !place && i && !ANY(s, "hear", "as i saw");
    r->me = r->kind == KIND_NAMES && r->op == EGO_OP_MOST && (i || me) && !aside;
    if (r->op == EGO_OP_MOST &&
        ANY(s, "mornings", "afternoons", "evenings", "nights", "lunchtimes", "in the morning", "in the evening", "in the afternoon"))
        part_hours(s, &r->hour_from, &r->hour_to);
}

static lmm_status understand(reading *r, ego_view *v, const ego_question *q, int64_t now) {
    const char *s = without_opening(q->question);
    *r = (reading){.q = q, .now = now, .text = mem_strdup(s)};
    for (char *p = r->text; *p; p++) *p = (char)tolower((unsigned char)*p);
    r->kind = kind_of(r);
    r->op = op_of(r);
    whose(r);
    ego_terms_of(&r->terms, s);
    for (int i = 0; i < q->option_count; i++) ego_terms_of(&r->option[i], q->options[i]);
    ego_when(r->text, now, &r->spans);
    return weigh_terms(r, v);
}

static void reading_free(reading *r) {
    for (int i = 0; i < r->rows.count; i++) ego_terms_free(&r->rows.at[i].terms);
    for (int i = 0; i < OPTIONS; i++) ego_terms_free(&r->option[i]), free(r->option_spans[i].at);
    ego_terms_free(&r->terms);
    free(r->rows.at), free(r->weight), free(r->spans.at), free(r->text);
}

/* ---- what a row says ---- */

static bool in_time(const reading *r, const ego_hit *h) {
    int hour = (int)(h->t0 / EGO_HOUR % 24);
    if (r->hour_to > r->hour_from && !((hour >= r->hour_from && hour < r->hour_to) || hour + 24 < r->hour_to)) return false;
    if (!r->spans.count || r->op == EGO_OP_WHEN) return true;
    for (int i = 0; i < r->spans.count; i++)
        if (h->t1 >= r->spans.at[i].from && h->t0 <= r->spans.at[i].to) return true;
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

static bool supports(const reading *r, const row *w, int option) {
    int from, to, hour = (int)(w->hit->t0 / EGO_HOUR % 24);
    switch (r->kind) {
    case KIND_NAMES: return acts(w->hit, r->q->options[option]);
    case KIND_DAYS:
        for (int i = 0; i < r->option_spans[option].count; i++)
            if (w->hit->t0 >= r->option_spans[option].at[i].from && w->hit->t0 <= r->option_spans[option].at[i].to) return true;
        return false;
    case KIND_PARTS: return part_hours(r->q->options[option], &from, &to) && ((hour >= from && hour < to) || hour + 24 < to);
    default: return holds_all(&w->terms, &r->option[option]);
    }
}

static int option_of(const reading *r, const row *w) {
    for (int i = 0; i < r->q->option_count; i++)
        if (supports(r, w, i)) return i;
    return -1;
}

static int by_time(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->hit->t0 != y->hit->t0) return x->hit->t0 < y->hit->t0 ? -1 : 1;
    return (x->hit->doc > y->hit->doc) - (x->hit->doc < y->hit->doc);
}

/* Rows with their weights; what the question's limits leave out is not there at all. */
static void take_rows(reading *r, const ego_hits *evidence) {
    for (int i = 0; i < evidence->count; i++) {
        row w = {.hit = &evidence->at[i]};
        if (!in_time(r, w.hit)) continue;
        ego_terms_of(&w.terms, w.hit->text);
        if (w.hit->speaker) ego_terms_of(&w.terms, w.hit->speaker);
        w.self = w.hit->kind == EGO_CAPTION && word_in(w.hit->text, "I");
        w.me = word_in(w.hit->text, "me") != NULL;
        for (int k = 0; k < r->terms.count; k++)
            if (r->weight[k] > 0 && holds(&w.terms, r->terms.at[k])) w.weight += r->weight[k];
        bool out = (r->self && !w.self) || (r->me && !w.me);
        if (out && r->op != EGO_OP_OPEN) ego_terms_free(&w.terms);
        else VEC_PUSH(&r->rows, w);
    }
    if (r->rows.count) qsort(r->rows.at, (size_t)r->rows.count, sizeof *r->rows.at, by_time);
}

/* The most any row weighs that could decide. */
static void find_best(reading *r) {
    bool any = r->op == EGO_OP_COUNT || r->op == EGO_OP_AFTER || r->op == EGO_OP_BEFORE || r->op == EGO_OP_ABSENT;
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
            if (!holds_all(&w->terms, &r->option[o])) continue;
            if (w->hit->kind == EGO_SPEECH) wanted = i;
            else if (holds(&w->terms, "buy")) bought = i;
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
    switch (r->op) {
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

/* An open question is answered with the row itself. */
static void answer_open(const reading *r, ego_answer *out) {
    int at = -1;
    for (int i = 0; i < r->rows.count; i++)
        if (near_best(r, &r->rows.at[i]) && (at < 0 || r->op != EGO_OP_FIRST)) at = i;
    double all = 0;
    for (int i = 0; i < r->terms.count; i++) all += r->weight[i];
    out->abstain = at < 0 || r->best < 0.4 * all;
    if (out->abstain) return;
    out->text = mem_strdup(r->rows.at[at].hit->text);
    out->confidence = r->best / all;
    VEC_PUSH(&out->proof, hit_copy(r->rows.at[at].hit));
}

/* After the rows that decided, the latest others that could have. */
static void add_proof(const reading *r, const int *rows, int count, ego_answer *out) {
    for (int i = 0; i < count && out->proof.count < PROOF_MAX; i++) VEC_PUSH(&out->proof, hit_copy(r->rows.at[rows[i]].hit));
    for (int i = r->rows.count - 1; i >= 0 && out->proof.count < PROOF_MAX; i--) {
        bool there = !near_best(r, &r->rows.at[i]);
        for (int k = 0; k < count && !there; k++) there = rows[k] == i;
        if (!there) VEC_PUSH(&out->proof, hit_copy(r->rows.at[i].hit));
    }
}

static void answer_options(const reading *r, ego_answer *out) {
    verdict v = {.choice = -1};
    decide(r, &v);
    out->choice = v.choice, out->confidence = v.confidence;
    out->abstain = v.choice < 0;
    /* A guess is wanted all the same; it depends on the question alone. */
    if (v.choice < 0)
        out->choice = (int)(hash_u64(r->text, strlen(r->text), 5) % (uint64_t)r->q->option_count),
        out->confidence = 1.0 / r->q->option_count;
    else out->text = mem_strdup(r->q->options[v.choice]);
    add_proof(r, v.rows.at, v.rows.count, out);
    free(v.rows.at);
}

lmm_status ego_read(ego_view *v, const ego_question *q, const ego_hits *evidence, ego_answer *out) {
    reading r;
    if (q->option_count > OPTIONS) return LMM_FAIL(LMM_E_LIMIT, "%d options, at most %d", q->option_count, OPTIONS);
    lmm_status st = understand(&r, v, q, ego_view_cut(v));
    *out = (ego_answer){.op = r.op, .choice = -1};
    if (!st) {
        take_rows(&r, evidence);
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
