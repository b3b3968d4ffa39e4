/* bench_quant.c - products with quantised weights at the shapes of real layers: decoding (one row) in GB/s of weights, prefill (256 rows) in multiply-adds.
 *
 *     bench_quant [TABLE [THREADS [ROUNDS [TYPE]]]]  (avx2, avx512, generic or best; 2; 7; q4_0 ... f32 or all)
 *
 * One round runs every layer shape of a model once, so decoding reads weights from memory as a model does: more than caches hold. Ways alternate and the
 * best round of each counts: exact (panels widened to f32), fine and fast (two digits and one). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

typedef struct {
    int n, k, count; /* a matrix (n, k), so many of them in the model */
} layer;
typedef struct {
    const char *name;
    layer layers[5];
    int repeats; /* copies, so that the weights do not fit the cache */
} model_shape;

static const model_shape MODELS[] = {
    {"SmolLM2-135M", {{576, 576, 2}, {192, 576, 2}, {1536, 576, 2}, {576, 1536, 1}, {0, 0, 0}}, 30},
    {"7B layer", {{4096, 4096, 4}, {11008, 4096, 2}, {4096, 11008, 1}, {0, 0, 0}, {0, 0, 0}}, 2},
};
static const struct {
    const char *name;
    kernel_type type;
} TYPES[] = {{"f32", KT_F32},   {"q4_0", KT_Q4_0}, {"q4_1", KT_Q4_1}, {"q5_0", KT_Q5_0},
             {"q8_0", KT_Q8_0}, {"q4_K", KT_Q4_K}, {"q5_K", KT_Q5_K}, {"q6_K", KT_Q6_K}};
static const char *const WAYS[] = {"exact", "fast", "fine"}; /* by the number of digits */

enum { ROWS_MAX = 256, WIDTH_MAX = 11008 };

typedef struct {
    const kernels *k;
    pool *team;
    kernel_type type;
    const model_shape *shape;
    char *weights; /* of all matrices, one after the other */
    float *x, *y;
    void *scratch;
} bench;

static size_t layer_bytes(const bench *b, const layer *l) { return kernel_type_bytes(b->type, (int64_t)l->n * l->k); }

/* Types in blocks of 256 take no rows of 576: those layers are left out, as models that have them store them in another type. */
static bool fits(const bench *b, const layer *l) { return l->n && l->k % kernel_type_block(b->type) == 0; }

static size_t model_bytes(const bench *b, double *multiplies) {
    size_t size = 0;
    *multiplies = 0;
    for (const layer *l = b->shape->layers; l->n; l++)
        if (fits(b, l)) size += layer_bytes(b, l) * (size_t)l->count, *multiplies += (double)l->n * l->k * l->count;
    *multiplies *= b->shape->repeats;
    return size * (size_t)b->shape->repeats;
}

static void run(const bench *b, int rows, int digits) {
    const char *w = b->weights;
    for (int r = 0; r < b->shape->repeats; r++)
        for (const layer *l = b->shape->layers; l->n; l++)
            for (int i = 0; i < l->count && fits(b, l); i++, w += layer_bytes(b, l)) {
                if (digits) gemm_q8(b->k, b->team, b->y, l->n, b->x, l->k, w, b->type, digits, rows, l->n, l->k, b->scratch);
                else gemm(b->k, b->team, GEMM_NT, false, b->y, l->n, b->x, l->k, w, l->k, b->type, rows, l->n, l->k, false);
            }
}

static void *memory(size_t size) {
    void *p;
    if (mem_try(&p, size, "benchmark")) exit(1);
    return p;
}

static void measure(bench *b, const char *type, int rows, int rounds) {
    double multiplies, best[3] = {INFINITY, INFINITY, INFINITY};
    size_t bytes = model_bytes(b, &multiplies);
    int ways = b->type == KT_F32 ? 1 : 3;
    for (int r = 0; r < rounds; r++)
        for (int digits = 0; digits < ways; digits++) {
            double start = time_now();
            run(b, rows, digits);
            best[digits] = fmin(best[digits], time_now() - start);
        }
    printf("%-13s %-5s %4d rows", b->shape->name, type, rows);
    for (int d = 0; d < ways; d++) {
        if (rows == 1) printf("   %s %7.1f /s %6.1f GB/s", WAYS[d], 1 / best[d], 1e-9 * (double)bytes / best[d]);
        else printf("   %s %8.1f G/s", WAYS[d], 1e-9 * multiplies * rows / best[d]);
    }
    printf("\n");
    fflush(stdout);
}

static void measure_type(bench *b, const char *type, int rounds) {
    double multiplies;
    size_t bytes = model_bytes(b, &multiplies);
    if (!bytes) return;
    b->weights = memory(bytes);
    memset(b->weights, 0x31, bytes); /* small scales, whatever the format */
    measure(b, type, 1, rounds);
    measure(b, type, ROWS_MAX, rounds > 1 ? rounds / 2 : 1);
    free(b->weights);
}

int main(int argc, char **argv) {
    const char *table = argc > 1 && strcmp(argv[1], "best") ? argv[1] : NULL, *only = argc > 4 && strcmp(argv[4], "all") ? argv[4] : NULL;
    int threads = argc > 2 ? atoi(argv[2]) : 2, rounds = argc > 3 ? atoi(argv[3]) : 7;
    bench b = {.k = kernels_pick(table), .team = pool_new(threads)};
    if (!b.k) {
        fprintf(stderr, "bench_quant: this processor has no table '%s'\n", table);
        return 2;
    }
    size_t floats = (size_t)ROWS_MAX * WIDTH_MAX;
    b.x = memory(floats * sizeof *b.x), b.y = memory(floats * sizeof *b.y),
    b.scratch = memory(q8_rows_size(KT_Q6_K, 2, ROWS_MAX, WIDTH_MAX));
    for (size_t i = 0; i < floats; i++) b.x[i] = (float)(i % 251) * 0.01f - 1.25f;
    printf("table %s, %d threads, best of %d; a row is one pass over all layers\n", b.k->name, pool_thread_count(b.team), rounds);
    for (size_t m = 0; m < COUNT_OF(MODELS); m++)
        for (size_t t = 0; t < COUNT_OF(TYPES); t++) {
            b.shape = &MODELS[m], b.type = TYPES[t].type;
            if (!only || !strcmp(only, TYPES[t].name)) measure_type(&b, TYPES[t].name, rounds);
        }
    free(b.scratch);
    free(b.y);
    free(b.x);
    pool_free(b.team);
    return 0;
}
