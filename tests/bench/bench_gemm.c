/* bench_gemm.c - speed of the matrix products, in f32 and of factors rounded to bf16, beside OpenBLAS's in f32 in the same run when it was there at build time.
 *
 *     bench_gemm [TABLE [THREADS [ROUNDS [PRODUCT [M N K]]]]]  (avx2, avx512, generic or best; 2; 7; nt, nn, tn, gemv or all; one shape)
 *
 * Rounds alternate between the two and the best one counts. Between them the program sleeps: OpenBLAS's threads spin for a while after
 * their work (with 40 ms between the two our second thread found its core taken), ours would take theirs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/kernels.h"
#ifdef LMM_HAVE_BLAS
#include <cblas.h>
#endif

static const char *const PRODUCT_NAMES[] = {"nt", "nn", "tn"};

typedef struct {
    int m, n, k;
} shape;
static const shape SHAPES[] = {
    {512, 2048, 2048}, {2048, 256, 256}, {2048, 768, 256}, {2048, 256, 768}, {2048, 4096, 256}, {4096, 128, 128},
    {4096, 512, 128},  {4096, 128, 512}, {64, 256, 256},   {64, 768, 256},   {64, 512, 512},    {256, 512, 512},
    {256, 768, 768},   {768, 256, 2048}, {256, 256, 4096}, {8, 2048, 2048},  {16, 2048, 2048},  {32, 2048, 2048},
};

typedef struct {
    const kernels *k;
    pool *team;
    gemm_form product;
    bool bf16;
    shape s;
    kernel_type type;
    float *a, *b, *y;
    const void *w; /* b as `type` */
} bench;

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

static void run_ours(const bench *b) {
    int m = b->s.m, n = b->s.n, k = b->s.k;
    gemm(b->k, b->team, b->product, b->bf16, b->y, n, b->a, b->product == GEMM_TN ? m : k, b->w, b->product == GEMM_NT ? k : n, b->type, m,
         n, k, false);
}

#ifdef LMM_HAVE_BLAS
static void run_blas(const bench *b) {
    int m = b->s.m, n = b->s.n, k = b->s.k;
    cblas_sgemm(CblasRowMajor, b->product == GEMM_TN ? CblasTrans : CblasNoTrans, b->product == GEMM_NT ? CblasTrans : CblasNoTrans, m, n,
                k, 1.0f, b->a, b->product == GEMM_TN ? m : k, b->b, b->product == GEMM_NT ? k : n, b->product == GEMM_NT ? 0.0f : 1.0f,
                b->y, n);
}
#endif

/* Best time of one call among some that last 4 ms or more together. */
static double time_of(void (*run)(const bench *), const bench *b) {
    double best = INFINITY, start = time_now();
    pause_ms(0);
    do {
        double t = time_now();
        run(b);
        best = fmin(best, time_now() - t);
    } while (time_now() - start < 20e-3);
    return best;
}

static void compare(const bench *b, int rounds, double *ours, double *theirs) {
    *ours = *theirs = INFINITY;
    for (int r = 0; r < rounds; r++) {
        *ours = fmin(*ours, time_of(run_ours, b));
#ifdef LMM_HAVE_BLAS
        if (b->type != KT_F32) continue;
        pause_ms(2);
        *theirs = fmin(*theirs, time_of(run_blas, b));
        pause_ms(300);
#endif
    }
}

static float *random_floats(int64_t n) {
    void *x;
    if (mem_try(&x, (size_t)n * sizeof(float), "numbers")) exit(1);
    rng r = rng_make(1, (uint64_t)n);
    for (int64_t i = 0; i < n; i++) ((float *)x)[i] = (float)rng_unit(&r) - 0.5f;
    return x;
}

static bench bench_new(const kernels *k, pool *team, gemm_form p, shape s, kernel_type t) {
    bench b =
        {k,   team, p, false, s, t, random_floats((int64_t)s.m * s.k), random_floats((int64_t)s.n * s.k), random_floats((int64_t)s.m * s.n),
         NULL};
    b.w = b.b;
    if (t == KT_F32) return b;
    void *w;
    if (mem_try(&w, kernel_type_bytes(t, (int64_t)s.n * s.k), "weights")) exit(1);
    k->from_f32(w, b.b, t, (int64_t)s.n * s.k);
    b.w = w;
    return b;
}

static void bench_free(bench *b) {
    if (b->w != b->b) free((void *)b->w);
    free(b->a);
    free(b->b);
    free(b->y);
}

static void measure_product(const kernels *k, pool *team, gemm_form p, shape s, int rounds) {
    bench b = bench_new(k, team, p, s, KT_F32);
    double ours, theirs, work = 2e-9 * s.m * s.n * s.k;
    compare(&b, rounds, &ours, &theirs);
    b.bf16 = true;
    double narrow = time_of(run_ours, &b);
    printf("%-4s %5d %5d %5d  %8.1f GFLOP/s, bf16 %8.1f", PRODUCT_NAMES[p], s.m, s.n, s.k, work / ours, work / narrow);
    if (theirs < INFINITY) printf("   OpenBLAS %8.1f   ratio %.2f", work / theirs, theirs / ours);
    printf("\n");
    fflush(stdout);
    bench_free(&b);
}

static void measure_gemv(const kernels *k, pool *team, int n, int rounds) {
    static const char *const TYPES[] = {"f32", "f16", "bf16"};
    for (int t = 0; t < KT_FLOAT_COUNT; t++) {
        bench b = bench_new(k, team, GEMM_NT, (shape){1, n, n}, (kernel_type)t);
        double ours, theirs, size = 1e-9 * n * n * (double)kernel_type_bytes((kernel_type)t, 1);
        compare(&b, rounds, &ours, &theirs);
        printf("gemv %5d %5d %-5s  %8.1f GB/s", n, n, TYPES[t], size / ours);
        if (theirs < INFINITY) printf("   OpenBLAS %8.1f GB/s   ratio %.2f", size / theirs, theirs / ours);
        printf("\n");
        fflush(stdout);
        bench_free(&b);
    }
}

int main(int argc, char **argv) {
    const char *table = argc > 1 && strcmp(argv[1], "best") ? argv[1] : NULL, *what = argc > 4 ? argv[4] : "all";
    int threads = argc > 2 ? atoi(argv[2]) : 2, rounds = argc > 3 ? atoi(argv[3]) : 7;
    const kernels *k = kernels_pick(table);
    if (!k) {
        fprintf(stderr, "bench_gemm: this processor has no table '%s'\n", table);
        return 2;
    }
    pool *team = pool_new(threads);
    printf("table %s, %d threads, best of %d", k->name, pool_thread_count(team), rounds);
#ifdef LMM_HAVE_BLAS
    openblas_set_num_threads(threads);
    printf("; OpenBLAS kernels: %s", openblas_get_corename());
#endif
    printf("\n");
    for (int p = GEMM_NT; p <= GEMM_TN; p++) {
        if (strcmp(what, "all") && strcmp(what, PRODUCT_NAMES[p])) continue;
        if (argc > 7) measure_product(k, team, (gemm_form)p, (shape){atoi(argv[5]), atoi(argv[6]), atoi(argv[7])}, rounds);
        else
            for (size_t i = 0; i < COUNT_OF(SHAPES); i++) measure_product(k, team, (gemm_form)p, SHAPES[i], rounds);
    }
    if (!strcmp(what, "all") || !strcmp(what, "gemv"))
        for (int n = 256; n <= 4096; n *= 2) measure_gemv(k, team, n, rounds);
    pool_free(team);
    return 0;
}
