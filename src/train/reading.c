/* reading.c - which records of a data set are taken, and how they are read: some at a time, front to back, each on one thread.
 *
 * Records are read in the order they stand in the file, so that it is walked through once; a random choice puts their samples into its own order afterwards. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/train_int.h"

enum { JOBS_PER_THREAD = 8 }; /* in memory at once: a record may hold its pictures */

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

/* ---- some records at a time ---- */

/* A record between its row and the set. */
typedef struct {
    int number;
    tree *row; /* NULL: it cannot be read, or is made use of already */
    record_made made;
    lmm_status st;
    char *message; /* of the thread that failed */
} record_job;

typedef struct {
    const recipe *r;
    record_source src;
    make_fn make;
    VEC(record_job) jobs;
} job_list;

static void note_failure(record_job *job, lmm_status st) {
    job->st = st;
    if (st) job->message = mem_strdup(lmm_message());
}

static void make_range(void *arg, int64_t first, int64_t last, int thread) {
    const job_list *list = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        record_job *job = &list->jobs.at[i];
        if (!job->row) continue;
        note_failure(job, list->make(&job->made, list->r, &list->src, job->row));
        tree_free(job->row);
        job->row = NULL;
    }
}

/* Rows come from one reader, one after the other; what is made of them does not depend on the others. */
static void make_some(job_list *list, row_reader *from, const visit *visits, int count) {
    for (int i = 0; i < count; i++) {
        record_job job = {.number = visits[i].record};
        note_failure(&job, row_reader_read(from, job.number, &job.row));
        VEC_PUSH(&list->jobs, job);
    }
    parallel_for(list->src.m->runtime->pool, count, 1, make_range, list);
}

static void say_unread(sample_set *set, const char *answer) {
    enum { NAMED = 3 };
    if (set->unread++ < NAMED)
        fprintf(stderr, "lmm: the reference '%s' is not understood as mathematics: it is compared as text\n", answer);
}

/* In the order of the visits, so that the set is the same for any number of threads. */
static lmm_status put_made(sample_set *out, const job_list *list, record_job *job) {
    record_made *made = &job->made;
    lmm_status st = LMM_OK;
    for (int i = 0; i < made->samples.count && !st; i++) st = sample_put(out, &made->samples.at[i]);
    for (int i = 0; i < made->unread.count; i++) say_unread(out, made->unread.at[i]);
    out->skipped += made->skipped;
    if (!st && job->st) st = LMM_FAIL(job->st, "%s", job->message);
    st = LMM_CONTEXT(st, "'%s': record %d", list->src.d->path, job->number + 1);
    return st ? sample_broken(out, list->r, st) : LMM_OK;
}

static void forget_jobs(job_list *list) {
    for (int i = 0; i < list->jobs.count; i++) {
        record_job *job = &list->jobs.at[i];
        for (int k = 0; k < job->made.samples.count; k++) sample_free(&job->made.samples.at[k]);
        for (int k = 0; k < job->made.unread.count; k++) free(job->made.unread.at[k]);
        free(job->made.samples.at);
        free(job->made.unread.at);
        free(job->message);
    }
    list->jobs.count = 0;
}

static bool has_enough(const sample_set *set) { return set->enough && set->list.count >= set->enough; }

/* ends[v]: the set's size after visit v. */
static lmm_status visit_all(sample_set *out, job_list *list, row_reader *from, const visit *visits, int *ends, int count, progress *bar) {
    const int at_once = JOBS_PER_THREAD * pool_thread_count(list->src.m->runtime->pool);
    lmm_status st = LMM_OK;
    for (int done = 0; done < count && !st && !has_enough(out);) {
        make_some(list, from, visits + done, min_int(at_once, count - done));
        for (int i = 0; i < list->jobs.count && !st && !has_enough(out); i++) {
            st = put_made(out, list, &list->jobs.at[i]);
            ends[done++] = out->list.count;
        }
        forget_jobs(list);
        if (!st && lmm_cancelled()) st = LMM_FAIL(LMM_E_CANCELLED, "stopped while '%s' was read", list->src.d->path);
        if (bar) progress_set(bar, done, list->src.d->path);
    }
    return st;
}

lmm_status records_load(sample_set *out, const recipe *r, const recipe_data *d, const lmm_model *m, progress *bar, make_fn make) {
    row_reader *from;
    lmm_status st = row_reader_open(&from, d->path);
    if (st) return st;
    if (!out->rest.folder && r->run) spool_open(&out->rest, r->run);
    int count, *chosen = chosen_records(r, d, row_reader_count(from), &count), *ends = mem_new((size_t)count + 1, sizeof *ends);
    visit *visits = mem_new((size_t)count + 1, sizeof *visits);
    for (int i = 0; i < count; i++) visits[i] = (visit){chosen[i], i};
    free(chosen);
    const int first = out->list.count;
    if (!out->enough) qsort(visits, (size_t)count, sizeof *visits, by_record); /* else the first of the choice are wanted */
    job_list list = {.r = r, .src = {m, d}, .make = make};
    st = visit_all(out, &list, from, visits, ends, count, bar);
    if (!st && !out->enough) order_samples(out, first, visits, ends, count);
    free(list.jobs.at);
    free(visits);
    free(ends);
    row_reader_close(from);
    return st;
}
