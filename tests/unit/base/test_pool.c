/* test_pool.c - every index once, the same chunks for every team, nested and concurrent calls; clean under the thread sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

enum { N = 1000 };

typedef struct {
    pool *pool;
    int team;
    int seen[N];       /* how often each index ran */
    int chunk_size[N]; /* by the chunk's first index */
    atomic_int busy[64];
    atomic_bool was_shared; /* two chunks at once under one thread number */
} record;

static void mark(void *arg, int64_t first, int64_t last, int thread) {
    record *r = arg;
    if (thread < 0 || thread >= r->team) abort();
    if (atomic_fetch_add(&r->busy[thread], 1) != 0) r->was_shared = true;
    r->chunk_size[first] = (int)(last - first);
    for (int64_t i = first; i < last; i++) r->seen[i]++;
    atomic_fetch_sub(&r->busy[thread], 1);
}

static void check_marks(pool *p, int n, int grain) {
    record *r = mem_new(1, sizeof *r);
    r->team = pool_thread_count(p);
    parallel_for(p, n, grain, mark, r);
    for (int i = 0; i < N; i++) {
        assert_int_equal(r->seen[i], i < n);
        assert_int_equal(r->chunk_size[i], i < n && i % grain == 0 ? min_int(grain, n - i) : 0);
    }
    assert_false(r->was_shared);
    free(r);
}

static void every_index_runs_once_in_chunks_of_the_grain(void **state) {
    (void)state;
    static const int ns[] = {0, 1, 2, 7, 64, 999, N}, grains[] = {1, 3, 64, 1000, 5000};
    for (int threads = 0; threads <= 5; threads++) {
        pool *p = threads ? pool_new(threads) : NULL;
        assert_int_equal(pool_thread_count(p), max_int(threads, 1));
        for (size_t i = 0; i < COUNT_OF(ns); i++) {
            for (size_t j = 0; j < COUNT_OF(grains); j++) check_marks(p, ns[i], grains[j]);
        }
        pool_free(p);
    }
    pool_free(NULL);
}

static void add_up(void *arg, int64_t first, int64_t last, int thread) {
    (void)thread;
    for (int64_t i = first; i < last; i++) ((int64_t *)arg)[i] += i;
}

/* Plain memory, written by one job and read by the next on another thread: the pool must order them. */
static void jobs_see_what_jobs_before_them_wrote(void **state) {
    (void)state;
    enum { SIZE = 64, ROUNDS = 20000 };
    static int64_t sums[SIZE];
    pool *p = pool_new(3);
    memset(sums, 0, sizeof sums);
    for (int i = 0; i < ROUNDS; i++) parallel_for(p, SIZE, 1 + i % 20, add_up, sums);
    for (int64_t i = 0; i < SIZE; i++) assert_int_equal(sums[i], i * ROUNDS);
    pool_free(p);
}

static void odd_bounds_run_inline_or_not_at_all(void **state) {
    (void)state;
    int64_t sums[8] = {0};
    pool *p = pool_new(2);
    parallel_for(p, -5, 1, add_up, sums);
    parallel_for(p, 8, 0, add_up, sums);
    parallel_for(p, 8, INT64_MAX, add_up, sums);
    parallel_for(NULL, 8, INT64_MAX, add_up, sums);
    for (int64_t i = 0; i < 8; i++) assert_int_equal(sums[i], 3 * i);
    pool_free(p);
}

typedef struct {
    atomic_int started, finished;
    atomic_bool has_helper; /* a worker took a chunk of this round */
} slow_job;

/* The caller holds its chunk until a worker has one (or 5 ms are over, on a busy machine); the worker then takes longer than anybody
 * spins. */
static void dawdle(void *arg, int64_t first, int64_t last, int thread) {
    slow_job *job = arg;
    double until = time_now() + (thread == 0 ? 5e-3 : 200e-6);
    atomic_fetch_add(&job->started, (int)(last - first));
    if (thread != 0) job->has_helper = true;
    while (time_now() < until && !(thread == 0 && job->has_helper)) continue;
    atomic_fetch_add(&job->finished, (int)(last - first));
}

static void the_caller_waits_for_slow_workers(void **state) {
    (void)state;
    for (int threads = 2; threads <= 4; threads++) {
        slow_job job = {0};
        pool *p = pool_new(threads);
        for (int i = 1; i <= 50; i++) {
            job.has_helper = false;
            parallel_for(p, 4, 1, dawdle, &job);
            assert_int_equal(job.started, 4 * i);
            assert_int_equal(job.finished, 4 * i);
        }
        pool_free(p);
    }
}

typedef struct {
    pool *pool;
    atomic_int count;
    atomic_bool moved; /* the nested call ran under another thread number */
} nest;

typedef struct {
    nest *outer;
    int thread;
} nest_inner;

static void count_inner(void *arg, int64_t first, int64_t last, int thread) {
    nest_inner *in = arg;
    if (thread != in->thread) in->outer->moved = true;
    atomic_fetch_add(&in->outer->count, (int)(last - first));
}

static void call_again(void *arg, int64_t first, int64_t last, int thread) {
    nest *outer = arg;
    nest_inner in = {outer, thread};
    for (int64_t i = first; i < last; i++) parallel_for(outer->pool, 10, 3, count_inner, &in);
}

static void a_nested_call_runs_inline_on_its_thread(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        nest outer = {.pool = pool_new(threads)};
        for (int i = 0; i < 200; i++) parallel_for(outer.pool, 9, 1, call_again, &outer);
        assert_int_equal(outer.count, 200 * 90);
        assert_false(outer.moved);
        pool_free(outer.pool);
    }
}

typedef struct {
    pool *inner;
    int64_t (*sums)[16];
} pair;

static void use_other_pool(void *arg, int64_t first, int64_t last, int thread) {
    (void)thread;
    pair *both = arg;
    for (int64_t i = first; i < last; i++) parallel_for(both->inner, 16, 1, add_up, both->sums[i]);
}

static void a_job_may_use_another_pool(void **state) {
    (void)state;
    static int64_t sums[8][16];
    pool *outer = pool_new(3);
    pair both = {pool_new(2), sums};
    parallel_for(outer, 8, 1, use_other_pool, &both);
    for (int i = 0; i < 8; i++) {
        for (int64_t j = 0; j < 16; j++) assert_int_equal(sums[i][j], j);
    }
    pool_free(both.inner);
    pool_free(outer);
}

enum { CALLS = 2000 };

static void *call_often(void *arg) {
    record *r = arg;
    for (int i = 0; i < CALLS; i++) parallel_for(r->pool, 50, 1 + i % 60, mark, r);
    return NULL;
}

static void several_callers_share_a_pool(void **state) {
    (void)state;
    pthread_t ids[3];
    record *records = mem_new(COUNT_OF(ids), sizeof *records);
    pool *p = pool_new(3);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        records[i].pool = p;
        records[i].team = 3;
        assert_int_equal(pthread_create(&ids[i], NULL, call_often, &records[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(ids); i++) pthread_join(ids[i], NULL);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_false(records[i].was_shared);
        for (int j = 0; j < 50; j++) assert_int_equal(records[i].seen[j], CALLS);
    }
    pool_free(p);
    free(records);
}

static void pools_come_and_go(void **state) {
    (void)state;
    int64_t sums[4] = {0};
    for (int i = 0; i < 100; i++) {
        pool *p = pool_new(1 + i % 4);
        if (i % 3) parallel_for(p, 4, 1, add_up, sums);
        pool_free(p);
    }
    assert_int_equal(sums[3], 3 * 66);
    pool *own = pool_new(0), *many = pool_new(100000);
    assert_true(pool_thread_count(own) >= 1);
    assert_true(pool_thread_count(many) <= 256);
    pool_free(own);
    pool_free(many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_index_runs_once_in_chunks_of_the_grain),
        cmocka_unit_test(jobs_see_what_jobs_before_them_wrote),
        cmocka_unit_test(the_caller_waits_for_slow_workers),
        cmocka_unit_test(odd_bounds_run_inline_or_not_at_all),
        cmocka_unit_test(a_nested_call_runs_inline_on_its_thread),
        cmocka_unit_test(a_job_may_use_another_pool),
        cmocka_unit_test(several_callers_share_a_pool),
        cmocka_unit_test(pools_come_and_go),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
