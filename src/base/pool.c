/* pool.c - a fixed team of threads for loops of microseconds.
 *
 * A job is published by making `round` odd and closed by making it even again. A worker that sees an odd round
 * first enters (`inside` + 1) and then looks again: if the round still stands the caller cannot close the books
 * before the worker leaves, if not the worker touches nothing. So the caller never waits for workers that slept
 * through the job, only for those that took a chunk. Both sides write one variable and then read the other's;
 * that needs the sequentially consistent order, which is what C11 atomics have by default. */
#include "base/base.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREAD_COUNT_MAX = 256, CACHE_LINE = 64 };

/* How long a thread looks for work, or for the last worker, before it sleeps: about the time a sleep costs. */
static const double spin_s = 40e-6;

typedef struct {
    pool *pool;
    int thread;
    pthread_t id;
} worker;

struct pool {
    int thread_count;            /* with the caller's */
    bool may_spin;               /* more threads than cores: a spinning one would stand in the way of a working one */
    worker *workers;             /* [1, thread_count) */
    pthread_mutex_t caller_lock; /* one job at a time */

    pool_fn fn; /* the job; stable while `round` is odd or somebody is inside */
    void *arg;
    int64_t n, grain, chunk_count;

    pthread_mutex_t sleep_lock;
    pthread_cond_t wake, all_left;
    atomic_int sleepers;
    atomic_bool caller_sleeps, stop;

    char gap1[CACHE_LINE];
    _Atomic uint64_t round;
    char gap2[CACHE_LINE];
    _Atomic int64_t next_chunk;
    char gap3[CACHE_LINE];
    atomic_int inside;
    char gap4[CACHE_LINE];
};

/* Which pools this thread is working for, innermost first: a nested parallel_for must run inline. */
typedef struct membership membership;
struct membership {
    const pool *pool;
    int thread;
    membership *outer;
};
static _Thread_local membership *thread_memberships;

static void cpu_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One step of waiting; false when the time is up. *until is 0 at first. */
static bool spin(const pool *p, double *until) {
    if (!p->may_spin) return false;
    if (*until == 0) *until = time_now() + spin_s;
    for (int i = 0; i < 4; i++) cpu_pause();
    return time_now() < *until;
}

static void run_chunks(pool *p, int thread) {
    membership me = {p, thread, thread_memberships};
    thread_memberships = &me;
    for (;;) {
        int64_t chunk = atomic_fetch_add(&p->next_chunk, 1);
        if (chunk >= p->chunk_count) break;
        int64_t first = chunk * p->grain;
        p->fn(p->arg, first, p->n - first > p->grain ? first + p->grain : p->n, thread);
    }
    thread_memberships = me.outer;
}

/* ---- workers ---- */

static bool is_news(const pool *p, uint64_t seen) {
    uint64_t round = p->round;
    return p->stop || (round % 2 == 1 && round != seen);
}

static void wait_for_news(pool *p, uint64_t seen) {
    double until = 0;
    while (!is_news(p, seen)) {
        if (spin(p, &until)) continue;
        pthread_mutex_lock(&p->sleep_lock);
        atomic_fetch_add(&p->sleepers, 1);
        if (!is_news(p, seen)) pthread_cond_wait(&p->wake, &p->sleep_lock);
        atomic_fetch_sub(&p->sleepers, 1);
        pthread_mutex_unlock(&p->sleep_lock);
        until = 0; /* woken too late for one job it looks out for the next: they come in rows, and sleeping at once would miss them all */
    }
}

static void *worker_main(void *arg) {
    worker *w = arg;
    pool *p = w->pool;
    uint64_t seen = 0;
    for (;;) {
        wait_for_news(p, seen);
        if (p->stop) return NULL;
        uint64_t round = p->round;
        atomic_fetch_add(&p->inside, 1);
        if (round % 2 == 1 && p->round == round) {
            run_chunks(p, w->thread);
            seen = round;
        }
        if (atomic_fetch_sub(&p->inside, 1) == 1 && p->caller_sleeps) {
            pthread_mutex_lock(&p->sleep_lock);
            pthread_cond_signal(&p->all_left);
            pthread_mutex_unlock(&p->sleep_lock);
        }
    }
}

/* ---- the caller's side ---- */

static void wake_workers(pool *p) {
    if (p->sleepers == 0) return;
    pthread_mutex_lock(&p->sleep_lock);
    if (p->chunk_count == 2) pthread_cond_signal(&p->wake);
    else pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->sleep_lock);
}

static void wait_until_all_left(pool *p) {
    double until = 0;
    while (p->inside > 0) {
        if (spin(p, &until)) continue;
        pthread_mutex_lock(&p->sleep_lock);
        p->caller_sleeps = true;
        while (p->inside > 0) pthread_cond_wait(&p->all_left, &p->sleep_lock);
        p->caller_sleeps = false;
        pthread_mutex_unlock(&p->sleep_lock);
    }
}

static void run_inline(int64_t n, int64_t grain, pool_fn fn, void *arg, int thread) {
    for (int64_t first = 0; first < n; first += grain) {
        int64_t last = n - first > grain ? first + grain : n;
        fn(arg, first, last, thread);
        if (last == n) return; /* first + grain could overflow */
    }
}

static const membership *membership_in(const pool *p) {
    const membership *m = thread_memberships;
    while (m && m->pool != p) m = m->outer;
    return m;
}

void parallel_for(pool *p, int64_t n, int64_t grain, pool_fn fn, void *arg) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    const membership *member = p ? membership_in(p) : NULL;
    if (!p || member) {
        run_inline(n, grain, fn, arg, member ? member->thread : 0);
        return;
    }
    pthread_mutex_lock(&p->caller_lock);
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->grain = grain;
    p->chunk_count = n / grain + (n % grain != 0);
    p->next_chunk = 0;
    bool shared = p->chunk_count > 1 && p->thread_count > 1;
    if (shared) {
        atomic_fetch_add(&p->round, 1);
        wake_workers(p);
    }
    run_chunks(p, 0);
    if (shared) {
        atomic_fetch_add(&p->round, 1);
        wait_until_all_left(p);
    }
    pthread_mutex_unlock(&p->caller_lock);
}

/* ---- how many cores ---- */

static char *small_file(const char *path) {
    char *text = NULL;
    return file_read(&text, NULL, path, 1 << 16) ? NULL : text;
}

/* "0-3,8" in the kernel's list form; 0 when it cannot be read. This is the affinity mask without GNU's cpu_set_t. */
static int cores_by_affinity(void) {
    static const char label[] = "Cpus_allowed_list:";
    char *text = small_file("/proc/thread-self/status");
    const char *s = text ? strstr(text, label) : NULL;
    long count = 0;
    for (s = s ? s + sizeof label - 1 : ""; *s && *s != '\n';) {
        char *end;
        long first = strtol(s, &end, 10), last = first;
        if (end == s) break;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        count += last - first + 1;
        s = *end == ',' ? end + 1 : "";
    }
    free(text);
    return (int)count;
}

/* A container's share of time, "max 100000" or "150000 100000", rounded up; 0 when there is none. */
static int cores_by_quota(void) {
    char *text = small_file("/sys/fs/cgroup/cpu.max");
    long quota, period, cores = 0;
    if (text && sscanf(text, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) cores = (quota + period - 1) / period;
    free(text);
    return (int)cores;
}

static int cores_usable(void) {
    int cores = cores_by_affinity(), quota = cores_by_quota();
    if (cores < 1) cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (quota > 0) cores = min_int(cores, quota);
    return max_int(cores, 1);
}

/* ---- birth and death ---- */

/* Workers take no signals: ^C belongs to the thread that waits for it. */
static int start_workers(pool *p, int want) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int started = 1;
    for (; started < want; started++) {
        worker *w = &p->workers[started];
        w->pool = p;
        w->thread = started;
        if (pthread_create(&w->id, NULL, worker_main, w) != 0) break; /* a smaller team gives the same results */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

pool *pool_new(int thread_count) {
    int cores = cores_usable();
    if (thread_count <= 0) thread_count = cores;
    thread_count = min_int(thread_count, THREAD_COUNT_MAX);
    pool *p = mem_new(1, sizeof *p);
    p->may_spin = thread_count <= cores;
    p->workers = mem_new((size_t)thread_count, sizeof *p->workers);
    pthread_mutex_init(&p->caller_lock, NULL);
    pthread_mutex_init(&p->sleep_lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->all_left, NULL);
    p->thread_count = start_workers(p, thread_count);
    return p;
}

void pool_free(pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->sleep_lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->sleep_lock);
    for (int i = 1; i < p->thread_count; i++) pthread_join(p->workers[i].id, NULL);
    pthread_cond_destroy(&p->all_left);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->sleep_lock);
    pthread_mutex_destroy(&p->caller_lock);
    free(p->workers);
    free(p);
}

int pool_thread_count(const pool *p) { return p ? p->thread_count : 1; }
