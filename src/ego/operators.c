/* operators.c - last, first, how often, most, absent, after, still open: each decides over the rows within reach of the heaviest. */
#include <math.h>
#include <stdlib.h>

#include "ego/read.h"

enum { EPISODE_GAP = 10 * EGO_MINUTE, AROUND = 20 * EGO_MINUTE };
static const double REACH = 0.80; /* of the best row's weight */
static const double WORDY = 0.5;  /* share of the words from which on they decide without the cosine */

/* The most any row weighs that could decide. */
void ego_find_best(ego_reading *r) {
    bool any = r->in.op == EGO_OP_COUNT || r->in.op == EGO_OP_AFTER || r->in.op == EGO_OP_BEFORE || r->in.op == EGO_OP_ABSENT;
    for (int i = 0; i < r->rows.count; i++)
        if (r->rows.at[i].weight > r->best && (any || !r->q->option_count || ego_option_of(r, &r->rows.at[i]) >= 0))
            r->best = r->rows.at[i].weight, r->best_words = r->rows.at[i].words;
}

/* How many of the best row's words make a row as good: many rows say the same in other words, and those that count need them all. */
static double alike(ego_op op) {
    switch (op) {
    case EGO_OP_ABSENT: return 0.4;
    case EGO_OP_MOST:
    case EGO_OP_LEAST: return 0.6;
    case EGO_OP_COUNT: return 0.75;
    default: return 0.9;
    }
}

/* A row within reach of the heaviest, or one that holds about as many of the words. */
bool ego_near_best(const ego_reading *r, const ego_said *w) {
    return r->best > 0 && (w->weight >= REACH * r->best || (r->best_words >= WORDY && w->words >= alike(r->in.op) * r->best_words));
}

static void op_edge(const ego_reading *r, bool last, ego_verdict *v) {
    int at = -1;
    for (int i = 0; i < r->rows.count; i++) {
        const ego_said *w = &r->rows.at[i];
        if (ego_near_best(r, w) && ego_option_of(r, w) >= 0 && (at < 0 || last)) at = i;
    }
    if (at < 0) return;
    v->choice = ego_option_of(r, &r->rows.at[at]);
    v->confidence = 0.7;
    VEC_PUSH(&v->rows, at);
}

static void op_count(const ego_reading *r, ego_verdict *v) {
    int n = 0;
    int64_t before = INT64_MIN / 2;
    double nearest = 1e9;
    for (int i = 0; i < r->rows.count; i++) {
        if (!ego_near_best(r, &r->rows.at[i])) continue;
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

static void op_most(const ego_reading *r, bool most, ego_verdict *v) {
    double count[EGO_OPTIONS_MAX] = {0}, total = 0;
    for (int i = 0; i < r->rows.count; i++) {
        int o = ego_near_best(r, &r->rows.at[i]) ? ego_option_of(r, &r->rows.at[i]) : -1;
        if (o < 0) continue;
        count[o] += 1 + 1e-6 * i; /* of equals, the later */
        total++;
    }
    if (total <= 0) return;
    for (int o = 0; o < r->q->option_count; o++)
        if (v->choice < 0 || (most ? count[o] > count[v->choice] : count[o] < count[v->choice])) v->choice = o;
    v->confidence = (count[v->choice] + 1) / (total + r->q->option_count);
    for (int i = r->rows.count - 1; i >= 0; i--)
        if (ego_near_best(r, &r->rows.at[i]) && ego_option_of(r, &r->rows.at[i]) == v->choice) VEC_PUSH(&v->rows, i);
}

/* Rows that name an option, or that it spoke, at the time of one of the verdict's rows. */
static int seen_around(const ego_reading *r, const ego_verdict *v, int option) {
    ego_terms name = {0};
    int n = 0;
    ego_terms_of(&name, r->q->options[option]);
    for (int i = 0; name.count && i < r->rows.count; i++) {
        const ego_said *w = &r->rows.at[i];
        bool around = false;
        for (int k = 0; k < v->rows.count && !around; k++) around = llabs(w->hit->t0 - r->rows.at[v->rows.at[k]].hit->t0) < AROUND;
        n += around && ego_tokens_hold(&w->terms, name.at[0]);
    }
    ego_terms_free(&name);
    return n;
}

/* Of those no row puts there, who was seen least at the time: recordings miss much. */
static void op_absent(const ego_reading *r, ego_verdict *v) {
    int count[EGO_OPTIONS_MAX] = {0}, total = 0, least = INT32_MAX;
    for (int i = 0; i < r->rows.count; i++) {
        if (!ego_near_best(r, &r->rows.at[i])) continue;
        int o = ego_option_of(r, &r->rows.at[i]);
        VEC_PUSH(&v->rows, i);
        if (o >= 0) count[o]++, total++;
    }
    for (int o = 0; total && o < r->q->option_count; o++) {
        int seen = count[o] ? INT32_MAX : seen_around(r, v, o);
        if (seen < least) least = seen, v->choice = o;
    }
    v->confidence = 0.25 + 0.15 * total;
}

/* The first option begun after (or last before) the last time of what the question names. */
static void op_neighbour(const ego_reading *r, bool after, ego_verdict *v) {
    for (int i = r->rows.count - 1; i >= 0; i--) {
        if (!ego_near_best(r, &r->rows.at[i])) continue;
        for (int k = i + (after ? 1 : -1); k >= 0 && k < r->rows.count; k += after ? 1 : -1) {
            int o = ego_near_best(r, &r->rows.at[k]) ? -1 : ego_option_of(r, &r->rows.at[k]);
            if (o < 0) continue;
            v->choice = o, v->confidence = 0.6;
            VEC_PUSH(&v->rows, i);
            VEC_PUSH(&v->rows, k);
            return;
        }
    }
}

/* Wanted after it was last bought. */
static void op_open(const ego_reading *r, ego_verdict *v) {
    int64_t best = INT64_MIN;
    for (int o = 0; o < r->q->option_count; o++) {
        int wanted = -1, bought = -1;
        for (int i = 0; i < r->rows.count; i++) {
            const ego_said *w = &r->rows.at[i];
            if (!ego_supports(r, w, o)) continue;
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

void ego_decide(const ego_reading *r, ego_verdict *v) {
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
