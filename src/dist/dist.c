/* dist.c - the collective calls over MPI's point-to-point messages. */
#include "dist/dist_int.h"

#include <stdlib.h>
#include <string.h>

#ifdef LMM_MPI
#include <mpi.h>
#endif

enum { SLICE = 1 << 19 }; /* values a message: bounds the receive buffers to SLICE floats a rank */

struct dist {
    int rank, count;
    float *received; /* (count, SLICE) */
    watchdog *watch;
};

int dist_rank(const dist *d) { return d ? d->rank : 0; }
int dist_count(const dist *d) { return d ? d->count : 1; }

#ifdef LMM_MPI

static lmm_status mpi_status(int code, const char *what) {
    if (code == MPI_SUCCESS) return LMM_OK;
    char text[MPI_MAX_ERROR_STRING];
    int n = 0;
    MPI_Error_string(code, text, &n);
    return LMM_FAIL(LMM_E_IO, "%s failed: %.*s", what, n, text);
}

lmm_status dist_share(dist *d, void *all, size_t size) {
    if (dist_count(d) == 1) return LMM_OK;
    return mpi_status(MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, (int)size, MPI_BYTE, MPI_COMM_WORLD), "sharing a record");
}

/* Sends to every other rank `send(rank)` and receives from it at the same time; sizes may be 0. */
typedef struct {
    void *at;
    int size; /* bytes */
} piece;

static lmm_status exchange(dist *d, const piece *send, const piece *receive) {
    MPI_Request *wait = mem_new((size_t)d->count * 2, sizeof(MPI_Request));
    int n = 0, code = MPI_SUCCESS;
    for (int r = 0; r < d->count && code == MPI_SUCCESS; r++) {
        if (r == d->rank) continue;
        if (receive[r].size) code = MPI_Irecv(receive[r].at, receive[r].size, MPI_BYTE, r, 1, MPI_COMM_WORLD, &wait[n++]);
        if (send[r].size && code == MPI_SUCCESS) code = MPI_Isend(send[r].at, send[r].size, MPI_BYTE, r, 1, MPI_COMM_WORLD, &wait[n++]);
    }
    if (code == MPI_SUCCESS) code = MPI_Waitall(n, wait, MPI_STATUSES_IGNORE);
    free(wait);
    return mpi_status(code, "exchanging values between ranks");
}

static void world_close(dist *d) {
    if (d->count > 1) MPI_Barrier(MPI_COMM_WORLD); /* nobody leaves while another still waits for him */
    watchdog_stop(d->watch);
    MPI_Finalize();
}

static lmm_status watch_begin(dist *d) {
    watch_place *places = mem_new((size_t)d->count, sizeof *places);
    lmm_status st = d->rank ? LMM_OK : watchdog_listen(&d->watch, &places[0], d->count);
    if (!st) st = dist_share(d, places, sizeof *places);
    if (!st) st = d->rank ? watchdog_join(&d->watch, &places[0], d->rank) : watchdog_accept(d->watch, d->count);
    free(places);
    return st;
}

static lmm_status world_open(dist *d) {
    int level;
    lmm_status st = mpi_status(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level), "starting MPI");
    if (st) return st;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &d->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &d->count);
    if (d->count & (d->count - 1)) st = LMM_FAIL(LMM_E_ARG, "%d ranks: start 1, 2, 4, 8, ... (sums are a binary tree over them)", d->count);
    if (!st && d->count > 1) st = watch_begin(d);
    if (!st) st = mem_try((void **)&d->received, (size_t)d->count * SLICE * sizeof(float), "buffers between ranks");
    if (st) MPI_Finalize();
    return st;
}

#else

typedef struct {
    void *at;
    int size; /* bytes */
} piece;

lmm_status dist_share(dist *d, void *all, size_t size) { return (void)d, (void)all, (void)size, LMM_OK; }
static lmm_status exchange(dist *d, const piece *send, const piece *receive) { return (void)d, (void)send, (void)receive, LMM_OK; }
static void world_close(dist *d) { (void)d; }
static lmm_status world_open(dist *d) {
    (void)d;
    return LMM_FAIL(LMM_E_UNSUPPORTED, "this lmm was built without Open MPI: install libopenmpi-dev and build again, or run one process");
}

#endif

lmm_status dist_open(dist **out, bool launched) {
    dist *d = mem_new(1, sizeof *d);
    d->count = 1;
    lmm_status st = launched ? world_open(d) : LMM_OK;
    if (st) return free(d), st;
    return *out = d, LMM_OK;
}

void dist_close(dist *d) {
    if (!d) return;
    if (d->received) world_close(d);
    free(d->received);
    free(d);
}

/* ---- sums ---- */

/* Pairs of neighbours, then pairs of pairs: into the first piece. */
static void tree_sum(float *const *at, int ranks, int64_t n) {
    for (int step = 1; step < ranks; step *= 2)
        for (int r = 0; r + step < ranks; r += 2 * step) {
            float *to = at[r];
            const float *from = at[r + step];
            for (int64_t i = 0; i < n; i++) to[i] += from[i];
        }
}

static int slice_count(const int64_t *first, int rank, int64_t offset) {
    int64_t left = first[rank + 1] - first[rank] - offset;
    return left <= 0 ? 0 : (int)min_i64(left, SLICE);
}

static int64_t longest(const int64_t *first, int count) {
    int64_t n = 0;
    for (int r = 0; r < count; r++)
        if (first[r + 1] - first[r] > n) n = first[r + 1] - first[r];
    return n;
}

static lmm_status sum_slice(dist *d, float *data, const int64_t *first, int64_t offset, piece *send, piece *receive, float **at) {
    const int own = slice_count(first, d->rank, offset);
    for (int r = 0; r < d->count; r++) {
        send[r] = (piece){data + first[r] + offset, slice_count(first, r, offset) * (int)sizeof(float)};
        receive[r] = (piece){at[r] = d->received + (size_t)r * SLICE, own * (int)sizeof(float)};
    }
    lmm_status st = exchange(d, send, receive);
    if (st || !own) return st;
    float *mine = data + first[d->rank] + offset;
    memcpy(at[d->rank], mine, (size_t)own * sizeof *mine);
    tree_sum(at, d->count, own);
    memcpy(mine, at[0], (size_t)own * sizeof *mine);
    return LMM_OK;
}

lmm_status dist_sum(dist *d, float *data, const int64_t *first) {
    if (dist_count(d) == 1) return LMM_OK;
    piece *send = mem_new((size_t)d->count * 2, sizeof *send);
    float **at = mem_new((size_t)d->count, sizeof *at);
    lmm_status st = LMM_OK;
    for (int64_t offset = 0, n = longest(first, d->count); offset < n && !st; offset += SLICE)
        st = sum_slice(d, data, first, offset, send, send + d->count, at);
    free(at);
    free(send);
    return st;
}

static piece piece_of(void *data, size_t item, const int64_t *first, int rank, int64_t offset) {
    return (piece){(char *)data + (size_t)(first[rank] + offset) * item, slice_count(first, rank, offset) * (int)item};
}

lmm_status dist_spread(dist *d, void *data, size_t item, const int64_t *first) {
    if (dist_count(d) == 1) return LMM_OK;
    piece *send = mem_new((size_t)d->count * 2, sizeof *send), *receive = send + d->count;
    lmm_status st = LMM_OK;
    for (int64_t offset = 0, n = longest(first, d->count); offset < n && !st; offset += SLICE) {
        for (int r = 0; r < d->count; r++) {
            send[r] = piece_of(data, item, first, d->rank, offset);
            receive[r] = piece_of(data, item, first, r, offset);
        }
        st = exchange(d, send, receive);
    }
    free(send);
    return st;
}

lmm_status dist_agree(dist *d, lmm_status st) {
    if (dist_count(d) == 1) return st;
    int *all = mem_new((size_t)d->count, sizeof *all), failed = -1;
    all[d->rank] = (int)st;
    lmm_status shared = dist_share(d, all, sizeof *all);
    for (int r = d->count - 1; r >= 0; r--)
        if (all[r]) failed = r;
    lmm_status theirs = failed >= 0 ? (lmm_status)all[failed] : LMM_OK;
    free(all);
    if (st) return st;
    if (shared) return shared;
    return theirs ? LMM_FAIL(theirs, "rank %d failed; its own message says why", failed) : LMM_OK;
}
