/* sim_gates.c - gates that need the world itself: it is run again from its sealed seed.
 *
 * G2: executing every query on what the wearer perceived gives the sealed answer. G4: without its witnesses a question cannot be answered, without as many
 * other perceived events it can; where the executor then has no answer among the options it counts a quarter, as a guess would. G7: the files are what
 * the seed makes. */
#include <stdlib.h>
#include <string.h>

#include "ego/sim_world.h"

enum { R_GATE = 95 };

typedef struct {
    const world *w;
    rng r;
    int n, sealed_right;
    double without_witness, without_others;
} replay;

static double worth(const question *q, int answer) {
    for (int i = 0; i < 4; i++)
        if (q->option[i] == answer) return i == q->letter;
    return 0.25;
}

static double answer_without(const replay *p, const question *q, bool *gone) {
    int a = sim_answer_without(p->w, &q->q, q->wearer, q->at, gone);
    memset(gone, 0, (size_t)p->w->events.count * sizeof *gone);
    return worth(q, a);
}

static void perturb(replay *p, const question *q, bool *gone) {
    int count = p->w->events.count, distinct = 0;
    for (int i = 0; i < q->witness.count; i++) distinct += !gone[q->witness.at[i]], gone[q->witness.at[i]] = true;
    p->without_witness += answer_without(p, q, gone);
    for (int tries = 0; distinct > 0 && tries < 100 * count; tries++) {
        int i = (int)rng_below(&p->r, (uint64_t)count);
        const event *e = &p->w->events.at[i];
        if (gone[i] || e->t1 > q->at || !(e->seen >> q->wearer & 1)) continue;
        gone[i] = true, distinct--;
    }
    p->without_others += answer_without(p, q, gone);
}

/* The sealed letter of a wearer's question; -1 when the file has no such question. */
static int sealed_letter(const tree *sealed, int id) {
    char text[16];
    snprintf(text, sizeof text, "%d", id);
    for (int i = 0; sealed && i < sealed->count; i++)
        if (!strcmp(tree_str(sealed->items[i], "ID", ""), text)) return tree_str(sealed->items[i], "answer", "?")[0] - 'A';
    return -1;
}

static lmm_status replay_wearer(replay *p, const char *dir, int wearer, int count) {
    questions all = {0};
    tree *sealed = NULL;
    char *path = mem_printf("%s/sealed/EgoSimQA_A%d_%s.sealed.json", dir, wearer + 1, p->w->name[wearer]);
    bool *gone = mem_new((size_t)p->w->events.count + 1, sizeof *gone);
    lmm_status st = tree_load(&sealed, path);
    if (!st) sim_ask(p->w, wearer, count, &all);
    for (int i = 0; i < all.count; i++) {
        const question *q = &all.at[i];
        int letter = sealed_letter(sealed, q->id);
        int answer = sim_answer_without(p->w, &q->q, wearer, q->at, gone);
        p->n++;
        p->sealed_right += letter >= 0 && letter < 4 && q->option[letter] == answer;
        perturb(p, q, gone);
    }
    questions_free(&all);
    tree_free(sealed);
    free(gone), free(path);
    return st;
}

lmm_status sim_load(const char *dir, world **w, int *questions_each) {
    char *path = mem_printf("%s/sealed/world.json", dir);
    tree *t = NULL;
    *w = mem_new(1, sizeof **w);
    lmm_status st = tree_load(&t, path);
    free(path);
    if (st) return st;
    int split = (int)tree_int(t, "split", 0);
    *questions_each = (int)tree_int(t, "questions", 0);
    if (split < 0 || split >= SPLITS || *questions_each < 1 || *questions_each > 5000)
        st = LMM_FAIL(LMM_E_FORMAT, "'%s/sealed/world.json' names no world", dir);
    if (!st) world_run(*w, (uint64_t)tree_int(t, "seed", 0), (sim_split)split);
    tree_free(t);
    return st;
}

lmm_status sim_replay(const char *dir, sim_replayed *out) {
    world *w;
    int count;
    lmm_status st = sim_load(dir, &w, &count);
    replay p = {.w = w};
    if (!st) p.r = sim_rng(w, R_GATE, 0, 0);
    for (int i = 0; !st && i < WEARERS; i++) st = replay_wearer(&p, dir, i, count);
    double n = p.n ? p.n : 1;
    *out = (sim_replayed){p.n, 100 * p.sealed_right / n, 100 * p.without_witness / n, 100 * p.without_others / n};
    world_free(w);
    free(w);
    return st;
}
