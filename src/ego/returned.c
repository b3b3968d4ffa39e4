/* returned.c - the rows a person is shown: the proof, then the best others, of different moments and of what else the question may have meant. */
#include <stdlib.h>

#include "ego/read.h"

/* Of the heaviest row's weight: says enough to be returned for being late. */
static const double BEARS = 0.2;
enum { RANK_K = 40, BESIDE = 30 * EGO_SECOND, ALIKE_MOST = 2 };

typedef struct {
    const ego_said *row;
    int option;
    double score;
    bool answers, may_decide, given;
} candidate;

typedef struct {
    const ego_reading *r;
    candidate *at; /* best first */
    int count;
    candidate got[EGO_RETURNED]; /* what is returned so far, the proof among it */
    ego_answer *out;
} choice;

static int by_weight(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->answers != y->answers) return x->answers ? -1 : 1;
    if (x->row->weight > y->row->weight || x->row->weight < y->row->weight) return x->row->weight > y->row->weight ? -1 : 1;
    return ego_said_by_time(y->row, x->row);
}

static int latest_first(const void *a, const void *b) { return ego_said_by_time(((const candidate *)b)->row, ((const candidate *)a)->row); }

static int by_rank(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->score > y->score || x->score < y->score) return x->score > y->score ? -1 : 1;
    return by_weight(a, b);
}

static double cosine_of(const candidate *c) { return c->row->weight - c->row->words; }

static int by_cosine(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    double p = cosine_of(x), q = cosine_of(y);
    if (p > q || p < q) return p > q ? -1 : 1;
    return latest_first(a, b);
}

/* Best first: by weight, and where the last (or first) time is asked for, by time as well among those that name an option. */
static void order(choice *x) {
    ego_op op = x->r->in.op;
    bool last = op == EGO_OP_LAST || op == EGO_OP_WHEN || op == EGO_OP_FACT || op == EGO_OP_AFTER, first = op == EGO_OP_FIRST;
    candidate *c = x->at;
    double top = 0;
    int fit = 0;
    for (int i = 0; i < x->count; i++)
        if (c[i].row->weight > top) top = c[i].row->weight;
    for (int i = 0; i < x->count; i++) {
        bool named = (last || first) && c[i].option >= 0;
        c[i].answers = op == EGO_OP_AFTER ? named || ego_near_best(x->r, c[i].row) : named && c[i].row->weight >= BEARS * top;
    }
    qsort(c, (size_t)x->count, sizeof *c, by_weight);
    while (fit < x->count && c[fit].answers) fit++;
    for (int i = 0; i < fit; i++) c[i].score = 1.0 / (RANK_K + i);
    qsort(c, (size_t)fit, sizeof *c, latest_first);
    for (int i = 0; i < fit; i++) c[i].score += 1.0 / (RANK_K + (last ? i : fit - 1 - i));
    qsort(c, (size_t)fit, sizeof *c, by_rank);
}

static ego_hit hit_copy(const ego_said *row) {
    ego_hit h = *row->hit;
    h.text = mem_strdup(h.text);
    h.speaker = h.speaker ? mem_strdup(h.speaker) : NULL;
    return h;
}

static void give(choice *x, candidate *c) {
    x->got[x->out->returned.count] = *c;
    c->given = true;
    VEC_PUSH(&x->out->returned, hit_copy(c->row));
}

static bool beside_one(const choice *x, const candidate *c) {
    for (int i = 0; i < x->out->returned.count; i++)
        if (llabs(x->got[i].row->hit->t0 - c->row->hit->t0) < BESIDE) return true;
    return false;
}

/* How many returned rows take the question to mean the same, and give it the same answer, where an answer is more than a time or one of many. */
static int alike(const choice *x, const candidate *c) {
    ego_op op = x->r->in.op;
    bool answers_differ = op != EGO_OP_MOST && op != EGO_OP_LEAST && op != EGO_OP_WHEN;
    int n = 0;
    for (int i = 0; i < x->out->returned.count; i++)
        n += x->got[i].row->sense == c->row->sense && (!answers_differ || x->got[i].option == c->option);
    return n;
}

/* Of one moment, and of those that say the same, several only when there is room. */
static void give_best(choice *x, int most) {
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < x->count && x->out->returned.count < most; i++) {
            candidate *c = &x->at[i];
            if (!c->given && (round == 2 || !beside_one(x, c)) && (round || alike(x, c) < ALIKE_MOST)) give(x, c);
        }
}

/* Where the words mislead, vectors alone may find it: the nearest of the rows that may decide. */
static void give_nearest(choice *x) {
    candidate *best = NULL;
    for (int i = 0; i < x->count && x->out->returned.count < EGO_RETURNED; i++) {
        candidate *c = &x->at[i];
        if (c->may_decide && !c->given && !beside_one(x, c) && (!best || by_cosine(c, best) < 0)) best = c;
    }
    if (best) give(x, best);
}

static void give_proof(choice *x, const ego_verdict *v) {
    for (int i = 0; i < v->rows.count; i++) {
        VEC_PUSH(&x->out->proof, hit_copy(x->at[v->rows.at[i]].row));
        if (x->out->returned.count < EGO_RETURNED) give(x, &x->at[v->rows.at[i]]);
        else x->at[v->rows.at[i]].given = true;
    }
    int left = 0;
    for (int i = 0; i < x->count; i++)
        if (!x->at[i].given) x->at[left++] = x->at[i];
    x->count = left;
}

void ego_return_rows(const ego_reading *r, const ego_verdict *v, ego_answer *out) {
    choice x = {.r = r, .at = mem_new((size_t)(r->rows.count + r->others.count) + 1, sizeof(candidate)), .out = out};
    for (int i = 0; i < r->rows.count; i++) x.at[x.count++] = (candidate){.row = &r->rows.at[i], .may_decide = true};
    for (int i = 0; i < r->others.count; i++) x.at[x.count++].row = &r->others.at[i];
    for (int i = 0; i < x.count; i++) x.at[i].option = ego_option_of(r, x.at[i].row);
    give_proof(&x, v);
    if (x.count) order(&x);
    give_best(&x, EGO_RETURNED - 1);
    give_nearest(&x);
    give_best(&x, EGO_RETURNED);
    free(x.at);
}
