/* grouping.c - an epoch's order whose batches hold samples of one kind (all with pictures or videos, or all text) and micro batches of like weight, as LLaVA's
 * trainer lays them out (llava.md 6.3, group_by_modality_length). Batches here run on over the end of an epoch: what an epoch cannot fill a batch with stands,
 * kinds mixed, in the two batches it shares with its neighbours. */
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

typedef struct {
    const int *length; /* of every item; below 0: text only */
    int micros, each;  /* micro batches of a batch, items of each */
} layout;

typedef struct {
    int item, weight, place;
} weighed;

static int by_weight(const void *a, const void *b) {
    const weighed *x = a, *y = b;
    return x->weight != y->weight ? (x->weight < y->weight) - (x->weight > y->weight) : (x->place > y->place) - (x->place < y->place);
}

/* A whole batch: each item, longest first, to the micro batch that is the lightest of those with room. */
static void balance(const layout *l, int *at) {
    const int n = l->micros * l->each;
    int *count = mem_new((size_t)l->micros, sizeof *count);
    int64_t *sum = mem_new((size_t)l->micros, sizeof *sum);
    weighed *all = mem_new((size_t)n, sizeof *all);
    for (int i = 0; i < n; i++) all[i] = (weighed){at[i], abs(l->length[at[i]]), i};
    qsort(all, (size_t)n, sizeof *all, by_weight);
    for (int i = 0; i < n; i++) {
        int to = -1;
        for (int m = 0; m < l->micros; m++)
            if (count[m] < l->each && (to < 0 || sum[m] < sum[to])) to = m;
        at[to * l->each + count[to]++] = all[i].item;
        sum[to] += all[i].weight;
    }
    free(all);
    free(count);
    free(sum);
}

typedef struct {
    int *at, count, taken;
} stock;

static void take(stock *p, int n, int *to) {
    memcpy(to, p->at + p->taken, (size_t)n * sizeof *to);
    p->taken += n;
}

static void put(stock *p, int item) { p->at[p->count++] = item; }

void order_grouped(int *at, int n, const int *length, int micros, int each, int64_t before, rng *r) {
    enum { VISUAL, TEXT, MIXED, POOLS };
    const layout l = {length, micros, each};
    const int size = micros * each, head = (int)((size - before % size) % size);
    if (n <= head) return;
    const int whole = (n - head) / size, tail = (n - head) % size;
    stock of[POOLS] = {0};
    for (int k = 0; k < POOLS; k++) of[k].at = mem_new((size_t)n, sizeof(int));
    for (int i = 0; i < n; i++) put(&of[length[at[i]] < 0 ? TEXT : VISUAL], at[i]);
    int pure[2] = {of[VISUAL].count / size, of[TEXT].count / size}, *kinds = mem_new((size_t)whole + 1, sizeof *kinds);
    while (pure[VISUAL] + pure[TEXT] > whole) pure[pure[VISUAL] < pure[TEXT]]--;
    for (int i = 0; i < whole; i++) kinds[i] = i < pure[VISUAL] ? VISUAL : i < pure[VISUAL] + pure[TEXT] ? TEXT : MIXED;
    for (int k = 0; k < MIXED; k++)
        for (int i = pure[k] * size; i < of[k].count; i++) put(&of[MIXED], of[k].at[i]);
    rng_shuffle(r, kinds, whole);
    rng_shuffle(r, of[MIXED].at, of[MIXED].count);
    take(&of[MIXED], head, at);
    for (int i = 0; i < whole; i++) {
        take(&of[kinds[i]], size, at + head + i * size);
        balance(&l, at + head + i * size);
    }
    take(&of[MIXED], tail, at + n - tail);
    for (int k = 0; k < POOLS; k++) free(of[k].at);
    free(kinds);
}
