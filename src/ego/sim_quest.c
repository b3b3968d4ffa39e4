/* sim_quest.c - questions computed from the log: what the wearer perceived must give the same answer as everything that happened.
 *
 * A question is accepted when both agree at its moment; the answer at the week's end and the answer before the last witness become the future and
 * the stale distractor. Wordings are in sim_ask.c. */
#include <stdlib.h>
#include <string.h>

#include "ego/sim_world.h"

enum { R_ASK = 80, R_LETTER, MARGIN_MS = 300000, TRIES_MAX = 200000, SEPARATE_MS = 30 * 60000, EPISODE_MS = 10 * 60000 };

static const struct {
    const char *name, *type;
    int share; /* of 500 */
} families[FAMILIES] = {
    [F_PLACE] = {"place", "EntityLog", 45},        [F_HANDLER] = {"handler", "EntityLog", 40},
    [F_PRICE] = {"price", "EntityLog", 40},        [F_AFTER] = {"after", "EventRecall", 30},
    [F_WHEN] = {"when", "EventRecall", 32},        [F_COUNT] = {"count", "EventRecall", 32},
    [F_SAID] = {"said", "EventRecall", 32},        [F_DRINK] = {"drink", "HabitInsight", 20},
    [F_COMPANY] = {"company", "HabitInsight", 20}, [F_PART] = {"part", "HabitInsight", 21},
    [F_JOINS] = {"joins", "RelationMap", 30},      [F_ABSENT] = {"absent", "RelationMap", 30},
    [F_HELPED] = {"helped", "RelationMap", 30},    [F_TOLD] = {"told", "RelationMap", 35},
    [F_OPEN] = {"open", "TaskMaster", 32},         [F_PROMISED] = {"promised", "TaskMaster", 31},
};

const char *family_type(family f) { return families[f].type; }
const char *family_name(family f) { return families[f].name; }

typedef struct {
    const world *w;
    const query *q;
    int self;      /* who asks */
    VEC(int) hits; /* events that bear on it, in order */
    VEC(int) values;
} search;

static bool own_act(const event *e, int self) { return (e->kind == EV_ACT || e->kind == EV_JOIN) && e->actor == self; }

/* The value an event gives the query, -1 when it does not bear on it. */
static int value_of(const search *s, const event *e) {
    const query *q = s->q;
    switch (q->f) {
    case F_PLACE: return e->kind == EV_PUT && e->what == q->a ? e->place : -1;
    case F_HANDLER:
        return (e->kind == EV_PUT || e->kind == EV_USE || e->kind == EV_GIVE) && e->what == q->a && e->actor != s->self ? e->actor : -1;
    case F_PRICE: return e->kind == EV_BUY && e->what == q->a && e->actor == s->self ? e->value : -1;
    case F_AFTER: return own_act(e, s->self) ? e->what : -1;
    case F_WHEN: return own_act(e, s->self) && e->what == q->a ? (int)(e->t0 / DAY_MS) * PARTS + part_of_day(e->t0) : -1;
    case F_COUNT: return own_act(e, s->self) && e->what == q->a ? 1 : -1;
    case F_SAID: return e->kind == EV_TELL && e->actor == q->a && e->what == q->b ? e->value : -1;
    case F_DRINK: return e->kind == EV_DRINK && e->actor == s->self && part_of_day(e->t0) == q->a ? e->what : -1;
    case F_COMPANY: return e->kind == EV_JOIN && e->other == s->self && part_of_day(e->t0) == q->a ? e->actor : -1;
    case F_PART: return own_act(e, s->self) && e->what == q->a ? part_of_day(e->t0) : -1;
    case F_JOINS: return e->kind == EV_JOIN && e->other == q->a ? e->actor : -1;
    case F_ABSENT: return e->kind == EV_SIT && e->what == q->a && e->t0 / DAY_MS == q->b ? e->actor : -1;
    case F_HELPED: return e->kind == EV_HELP && e->other == q->a && e->what == q->b && e->actor != s->self ? e->actor : -1;
    case F_TOLD: return e->kind == EV_TELL && e->what == q->a && e->value == q->b && e->actor != s->self ? e->actor : -1;
    case F_OPEN: return (e->kind == EV_PLAN || e->kind == EV_BUY) && e->what == q->a ? e->kind == EV_PLAN : -1;
    case F_PROMISED: return e->kind == EV_PROMISE && e->what == q->a ? e->actor : -1;
    case FAMILIES: break;
    }
    return -1;
}

static int modal(const search *s) {
    int count[256] = {0}, best = 0, second = 0;
    for (int i = 0; i < s->values.count; i++) count[s->values.at[i]]++;
    for (int v = 1; v < 256; v++)
        if (count[v] > count[best]) best = v;
    for (int v = 0; v < 256; v++)
        if (v != best && count[v] > second) second = count[v];
    return s->values.count >= 4 && count[best] * 2 >= s->values.count && count[best] >= second + 2 ? best : -1;
}

/* What was begun next after the last time of act a; only these two are witnesses. */
static int after(search *s) {
    for (int i = s->values.count - 2; i >= 0; i--) {
        if (s->values.at[i] != s->q->a || s->values.at[i + 1] == s->q->a) continue;
        s->hits.at[0] = s->hits.at[i], s->hits.at[1] = s->hits.at[i + 1], s->hits.count = 2;
        return s->values.at[i + 1];
    }
    return -1;
}

static int episodes(const search *s) {
    int n = 0;
    for (int i = 0; i < s->hits.count; i++)
        n += !i || s->w->events.at[s->hits.at[i]].t0 - s->w->events.at[s->hits.at[i - 1]].t0 > EPISODE_MS;
    return n >= 2 ? n : -1;
}

static int absent(const search *s) {
    unsigned there = 0;
    for (int i = 0; i < s->values.count; i++) there |= 1u << s->values.at[i];
    if (!(there >> s->self & 1)) return -1;
    for (int p = 0; p < WEARERS; p++)
        if (!(there >> p & 1)) return p;
    return -1;
}

static int answer(search *s) {
    int n = s->values.count;
    if (!n) return -1;
    switch (s->q->f) {
    case F_AFTER: return after(s);
    case F_COUNT: return episodes(s);
    case F_ABSENT: return absent(s);
    case F_OPEN: return s->values.at[n - 1] == 1 ? s->q->a : -1;
    case F_DRINK:
    case F_COMPANY:
    case F_PART:
    case F_JOINS: return modal(s);
    default: break;
    }
    s->hits.at[0] = s->hits.at[n - 1];
    s->hits.count = 1;
    return s->values.at[n - 1];
}

/* gone: events taken out, by index; NULL: none. */
static int run(const world *w, const query *q, int self, bool all, const bool *gone, int64_t at, int **witness, int *count) {
    search s = {.w = w, .q = q, .self = self};
    for (int i = 0; i < w->events.count && w->events.at[i].t1 <= at - MARGIN_MS; i++) {
        const event *e = &w->events.at[i];
        int v = (all || e->seen >> self & 1) && !(gone && gone[i]) ? value_of(&s, e) : -1;
        if (v >= 0) {
            VEC_PUSH(&s.hits, i);
            VEC_PUSH(&s.values, v);
        }
    }
    int a = answer(&s);
    if (witness && a >= 0) *witness = s.hits.at, *count = s.hits.count;
    else free(s.hits.at);
    free(s.values.at);
    return a;
}

int sim_answer_without(const world *w, const query *q, int wearer, int64_t at, const bool *gone) {
    return run(w, q, wearer, false, gone, at, NULL, NULL);
}

/* ---- making them ---- */

typedef struct {
    const world *w;
    int wearer;
    rng r, letters;
    questions *out;
    int bucket[4], made, want; /* of the family being made */
    int traps, all;            /* of the wearer */
} maker;

/* How much is asked of a new question; given up one after the other when a family has no more that meet it. */
typedef enum { ANY, SPREAD, SPREAD_AND_TRAP } demand;

static bool names_people(family f) {
    return f == F_HANDLER || f == F_HELPED || f == F_TOLD || f == F_PROMISED || f == F_JOINS || f == F_COMPANY || f == F_ABSENT;
}

static int below(rng *r, int n) { return (int)rng_below(r, (uint64_t)n); }

/* Arguments from an event the wearer perceived, so that questions are about things that are there. */
static bool arguments(maker *m, family f, const event *e, query *q) {
    static const event_kind kinds[FAMILIES] = {
        [F_PLACE] = EV_PUT,    [F_HANDLER] = EV_USE, [F_PRICE] = EV_BUY,  [F_AFTER] = EV_ACT,
        [F_WHEN] = EV_ACT,     [F_COUNT] = EV_ACT,   [F_SAID] = EV_TELL,  [F_DRINK] = EV_DRINK,
        [F_COMPANY] = EV_JOIN, [F_PART] = EV_ACT,    [F_JOINS] = EV_JOIN, [F_ABSENT] = EV_SIT,
        [F_HELPED] = EV_HELP,  [F_TOLD] = EV_TELL,   [F_OPEN] = EV_PLAN,  [F_PROMISED] = EV_PROMISE,
    };
    if (e->kind != kinds[f] || !(e->seen >> m->wearer & 1)) return false;
    *q = (query){f, e->what, -1};
    if (f == F_SAID) *q = (query){f, e->actor, e->what};
    else if (f == F_DRINK || f == F_COMPANY) q->a = part_of_day(e->t0);
    else if (f == F_JOINS) q->a = e->other;
    else if (f == F_ABSENT) q->b = (int)(e->t0 / DAY_MS);
    else if (f == F_HELPED) *q = (query){f, e->other, e->what};
    else if (f == F_TOLD) q->b = e->value;
    bool others = f == F_SAID || f == F_TOLD || f == F_PROMISED;
    return !(others && e->actor == m->wearer) && !((f == F_JOINS) && q->a == m->wearer) && !(f == F_HELPED && e->actor == m->wearer) &&
           !((f == F_AFTER || f == F_WHEN || f == F_COUNT || f == F_PART) && e->actor != m->wearer) &&
           !(f == F_DRINK && e->actor != m->wearer) && !(f == F_PRICE && e->actor != m->wearer) &&
           !(f == F_COMPANY && e->other != m->wearer);
}

static int64_t moment_after(maker *m, const event *e) {
    static const int64_t low[4] = {360000, 2 * 3600000, 6 * 3600000, 24 * 3600000},
                         high[4] = {2 * 3600000, 6 * 3600000, 24 * 3600000, 5 * (int64_t)DAY_MS};
    int b = below(&m->r, 4);
    return e->t1 + low[b] + (int64_t)rng_below(&m->r, (uint64_t)(high[b] - low[b]));
}

/* Awake, recording, and inside the week. */
static bool good_moment(const maker *m, int64_t at) {
    int64_t day = at / DAY_MS, block = (at % DAY_MS - DAY_START_MS) / BLOCK_MS;
    return day < DAYS && at % DAY_MS >= DAY_START_MS && block < BLOCKS && m->w->recording[m->wearer][day][block];
}

static bool repeated(const maker *m, const query *q, int64_t at) {
    for (int i = 0; i < m->out->count; i++) {
        const question *o = &m->out->at[i];
        bool same = o->wearer == m->wearer && o->q.f == q->f &&
                    (q->f == F_OPEN || (o->q.a == q->a && o->q.b == q->b)); /* open: nothing in the words differs */
        if (same && llabs(o->at - at) <= SEPARATE_MS) return true;
    }
    return false;
}

static bool add_option(question *q, int *n, int value) {
    for (int i = 0; i < *n; i++)
        if (q->option[i] == value) return false;
    q->option[(*n)++] = value;
    return true;
}

/* An item that was planned and bought since is no longer open. */
static bool bought_since(maker *m, const query *q, int64_t at) {
    search s = {.w = m->w, .q = q, .self = m->wearer};
    int last = -1;
    bool planned = false;
    for (int i = 0; i < m->w->events.count && m->w->events.at[i].t1 <= at - MARGIN_MS; i++) {
        int v = m->w->events.at[i].seen >> m->wearer & 1 ? value_of(&s, &m->w->events.at[i]) : -1;
        if (v >= 0) last = v, planned |= v == 1;
    }
    return planned && last == 0;
}

/* A wrong value that is true of something else the wearer perceived. */
static int other_value(maker *m, const question *q) {
    const event *e = &m->w->events.at[below(&m->r, m->w->events.count)];
    query x;
    if (q->q.f == F_COUNT) return q->gold + below(&m->r, 7) - 3 > 0 ? q->gold + below(&m->r, 7) - 3 : -1;
    if (q->q.f == F_PART) return below(&m->r, PARTS);
    if (e->t1 > q->at || !arguments(m, q->q.f, e, &x)) return -1;
    search s = {.w = m->w, .q = &x, .self = m->wearer};
    int v = value_of(&s, e);
    if (q->q.f == F_OPEN) return bought_since(m, &x, q->at) ? x.a : -1;
    if (q->q.f == F_ABSENT) return e->what == q->q.a && e->t0 / DAY_MS == q->q.b && e->actor != m->wearer ? e->actor : -1;
    if (names_people(q->q.f)) return v == m->wearer ? -1 : v;
    if (q->q.f == F_PRICE && (v * 10 < q->gold * 5 || v * 10 > q->gold * 20)) return -1;
    return v;
}

static bool options(maker *m, question *q) {
    int n = 0;
    q->option[n++] = q->gold;
    bool set = q->q.f == F_OPEN || q->q.f == F_ABSENT;
    if (!set && q->future >= 0 && below(&m->r, 4)) add_option(q, &n, q->future);
    if (!set && q->stale >= 0 && below(&m->r, 4)) add_option(q, &n, q->stale);
    if (q->q.f == F_JOINS && n > 1 && q->option[1] == q->q.a) n = 1;
    for (int i = 0; i < 20000 && n < 4; i++) {
        int v = other_value(m, q);
        if (v >= 0 && !(q->q.f == F_JOINS && v == q->q.a)) add_option(q, &n, v);
    }
    if (n < 4) return false;
    q->letter = below(&m->letters, 4);
    int keep = q->option[q->letter];
    q->option[q->letter] = q->gold, q->option[0] = q->letter ? keep : q->gold;
    return true;
}

/* Evidence for "still to buy" is also that the others were bought. */
static void open_witness(maker *m, question *q) {
    for (int k = 0; k < 4; k++) {
        query x = {F_OPEN, q->option[k], -1};
        search s = {.w = m->w, .q = &x, .self = m->wearer};
        int last = -1, before = -1;
        for (int i = 0; i < m->w->events.count && m->w->events.at[i].t1 <= q->at - MARGIN_MS; i++)
            if (m->w->events.at[i].seen >> m->wearer & 1 && value_of(&s, &m->w->events.at[i]) >= 0) before = last, last = i;
        if (q->option[k] == q->gold) continue;
        if (before >= 0) VEC_PUSH(&q->witness, before);
        VEC_PUSH(&q->witness, last);
    }
}

static int bucket_of(int64_t span) { return span < 2 * 3600000 ? 0 : span < 6 * 3600000 ? 1 : span < 24 * 3600000 ? 2 : 3; }

/* Not too many short certificates: habits, which always reach far back, are the long ones of the mix. */
static bool fits(const maker *m, int bucket, bool trap, demand d) {
    static const int most[4] = {34, 34, 100, 100};
    if (d >= SPREAD && m->bucket[bucket] * 100 >= most[bucket] * m->want) return false;
    return d < SPREAD_AND_TRAP || trap || m->traps * 100 >= 42 * m->all;
}

/* The answers of another time that may stand among the options; those that nobody would name are no traps. */
static void find_traps(const maker *m, question *q, int64_t last) {
    q->future = run(m->w, &q->q, m->wearer, false, NULL, INT64_MAX / 2, NULL, NULL);
    q->stale = run(m->w, &q->q, m->wearer, false, NULL, last + MARGIN_MS, NULL, NULL);
    bool self = names_people(q->q.f);
    if (q->future == q->gold || (self && q->future == m->wearer)) q->future = -1;
    if (q->stale == q->gold || (self && q->stale == m->wearer)) q->stale = -1;
    if (q->q.f == F_WHEN && q->future / PARTS > q->at / DAY_MS) q->future = -1; /* a day to come gives itself away */
}

static bool among_options(const question *q, int value) {
    for (int i = 0; i < 4; i++)
        if (q->option[i] == value) return true;
    return false;
}

static bool finish(maker *m, question *q, const int *witness, int n, demand d) {
    const event *at = m->w->events.at;
    if (q->gold != run(m->w, &q->q, m->wearer, true, NULL, q->at, NULL, NULL)) return false;
    if (names_people(q->q.f) && q->gold == m->wearer) return false;
    int bucket = bucket_of(q->at - at[witness[0]].t0);
    if (!fits(m, bucket, true, d)) return false;
    find_traps(m, q, at[witness[n - 1]].t0);
    if (!options(m, q)) return false;
    if (!among_options(q, q->future)) q->future = -1;
    if (!fits(m, bucket, q->future >= 0, d)) return false;
    for (int i = 0; i < n; i++) VEC_PUSH(&q->witness, witness[i]);
    if (q->q.f == F_OPEN) open_witness(m, q);
    m->bucket[bucket]++, m->made++, m->all++, m->traps += q->future >= 0;
    return true;
}

static bool try_one(maker *m, family f, demand d) {
    const event *e = &m->w->events.at[below(&m->r, m->w->events.count)];
    question q = {.wearer = m->wearer};
    if (!arguments(m, f, e, &q.q)) return false;
    q.at = moment_after(m, e);
    if (!good_moment(m, q.at) || repeated(m, &q.q, q.at)) return false;
    int *witness = NULL, n = 0;
    q.gold = run(m->w, &q.q, m->wearer, false, NULL, q.at, &witness, &n);
    bool ok = q.gold >= 0 && finish(m, &q, witness, n, d);
    if (q.gold >= 0) free(witness);
    if (ok) VEC_PUSH(m->out, q);
    return ok;
}

static void make_family(maker *m, family f, int want) {
    m->want = want, m->made = 0;
    memset(m->bucket, 0, sizeof m->bucket);
    for (int i = 0; i < TRIES_MAX && m->made < want; i++)
        try_one(m, f, i < TRIES_MAX / 4 ? SPREAD_AND_TRAP : i < TRIES_MAX / 2 ? SPREAD : ANY);
}

/* The first family of the same type stands for the type. */
static int type_of(family f) {
    int t = 0;
    while (strcmp(families[t].type, families[f].type)) t++;
    return t;
}

void sim_ask(const world *w, int wearer, int count, questions *out) {
    maker m = {.w = w, .wearer = wearer, .r = sim_rng(w, R_ASK, 0, wearer), .letters = sim_rng(w, R_LETTER, 0, wearer), .out = out};
    int first = out->count, short_of[FAMILIES] = {0};
    for (int f = 0; f < FAMILIES; f++) {
        int want = families[f].share * count / 500;
        make_family(&m, (family)f, want);
        short_of[type_of((family)f)] += want - m.made;
    }
    /* What a family could not give, the others of its type do, in equal parts while they can. */
    for (int round = 0; round < 4; round++)
        for (int f = 0; f < FAMILIES; f++) {
            int *missing = &short_of[type_of((family)f)];
            if (*missing <= 0) continue;
            make_family(&m, (family)f, (*missing + 3 - round) / (4 - round));
            *missing -= m.made;
        }
    /* Numbers that say nothing: shuffled over families. */
    int n = out->count - first, *order = mem_new((size_t)n + 1, sizeof *order);
    for (int i = 0; i < n; i++) order[i] = i + 1;
    rng_shuffle(&m.letters, order, n);
    for (int i = 0; i < n; i++) out->at[first + i].id = order[i];
    free(order);
}

void questions_free(questions *q) {
    for (int i = 0; i < q->count; i++) free(q->at[i].witness.at), free(q->at[i].text);
    free(q->at);
}
