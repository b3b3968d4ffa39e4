/* reading.c - which records of a data set are taken, and how they are read: one at a time, front to back.
 *
 * Records are read in the order they stand in the file, so that it is walked through once; a random choice puts their samples into its own order afterwards. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/train_int.h"

/* The numbers of the records that `take` chooses, in order; random ones are a function of the seed. */
static int *chosen_records(const recipe *r, const recipe_data *d, int total, int *count) {
    const char *colon = strchr(d->take, ':');
    int64_t n = colon ? strtoll(colon + 1, NULL, 10) : total;
    if (colon && strchr(colon, '%')) n = (n * total + 99) / 100;
    *count = (int)min_i64(n, total);
    int *at = mem_new((size_t)total + 1, sizeof *at);
    for (int i = 0; i < total; i++) at[i] = i;
    if (!strncmp(d->take, "end", 3)) memmove(at, at + (total - *count), (size_t)*count * sizeof *at);
    if (!strncmp(d->take, "random", 6)) {
        rng random = rng_make(r->seed, hash_u64(d->path, strlen(d->path), 0x74616b65u));
        rng_shuffle(&random, at, total);
    }
    return at;
}

/* A record to be read, and where its samples stand among those of the data set. */
typedef struct {
    int record, place;
} visit;

static int by_record(const void *a, const void *b) {
    const visit *x = a, *y = b;
    return (x->record > y->record) - (x->record < y->record);
}

/* Samples [first, ...) were made visit by visit, ends[v] is where those of visit v end: puts them into the order of the places. */
static void order_samples(sample_set *set, int first, const visit *visits, const int *ends, int count) {
    const int n = set->list.count - first;
    sample_brief *made = set->list.at + first, *ordered = mem_new((size_t)n + 1, sizeof *ordered);
    int *visit_of = mem_new((size_t)count + 1, sizeof *visit_of), k = 0;
    for (int v = 0; v < count; v++) visit_of[visits[v].place] = v;
    for (int place = 0; place < count; place++) {
        const int v = visit_of[place];
        for (int i = v ? ends[v - 1] : first; i < ends[v]; i++) ordered[k++] = made[i - first];
    }
    if (n) memcpy(made, ordered, (size_t)n * sizeof *made);
    free(visit_of);
    free(ordered);
}

static lmm_status load_one(sample_set *out, const recipe *r, const record_source *src, row_reader *from, int record, add_fn add) {
    const tree *row;
    lmm_status st = row_reader_read(from, record, &row);
    if (!st) st = add(out, r, src, row);
    st = LMM_CONTEXT(st, "'%s': record %d", src->d->path, record + 1);
    return st ? sample_broken(out, r, st) : LMM_OK;
}

lmm_status records_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar, add_fn add) {
    row_reader *from;
    lmm_status st = row_reader_open(&from, d->path);
    if (st) return st;
    if (!out->rest.folder && r->run) spool_open(&out->rest, r->run);
    int count, *chosen = chosen_records(r, d, row_reader_count(from), &count), *ends = mem_new((size_t)count + 1, sizeof *ends), done = 0;
    visit *visits = mem_new((size_t)count + 1, sizeof *visits);
    for (int i = 0; i < count; i++) visits[i] = (visit){chosen[i], i};
    free(chosen);
    const int first = out->list.count;
    if (!out->enough) qsort(visits, (size_t)count, sizeof *visits, by_record); /* else the first of the choice are wanted */
    for (; done < count && !st && !(out->enough && out->list.count >= out->enough); done++) {
        st = load_one(out, r, &(record_source){m, d}, from, visits[done].record, add);
        ends[done] = out->list.count;
        if (bar) progress_set(bar, done + 1, d->path);
    }
    if (!st && !out->enough) order_samples(out, first, visits, ends, count);
    free(visits);
    free(ends);
    row_reader_close(from);
    return st;
}
