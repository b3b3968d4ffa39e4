/* gemm_blocks.h - blocks of B and A are packed and multiplied tile by tile.
 *
 * The order of one output's sum is k's own, whatever the tile, so a row alone equals a row among many. */
#ifndef LMM_KERNELS_GEMM_BLOCKS_H
#define LMM_KERNELS_GEMM_BLOCKS_H

#if defined(__AVX512BF16__)
#include "kernels/gemm_pairs.h"
#elif defined(PACK_ROUNDS)
#include "kernels/gemm_rounds.h"
#else
#include "kernels/gemm_pack.h"
#endif

/* pack_b_as and pack_w_as for the storage type. */
static void pack_b(float *to, const void *b, kernel_type t, int64_t at, int64_t ldb, int columns, int k) {
    if (t == KT_F32) pack_b_as(KT_F32, to, b, at, ldb, columns, k);
    else if (t == KT_F16) pack_b_as(KT_F16, to, b, at, ldb, columns, k);
    else pack_b_as(KT_BF16, to, b, at, ldb, columns, k);
}

static void pack_w(float *to, const void *w, kernel_type t, int64_t at, int64_t ldw, int columns, int k) {
    if (t == KT_F32) pack_w_as(KT_F32, to, w, at, ldw, columns, k);
    else if (t == KT_F16) pack_w_as(KT_F16, to, w, at, ldw, columns, k);
    else pack_w_as(KT_BF16, to, w, at, ldw, columns, k);
}

enum {
    NC = 256 * WORD_K, /* columns of B packed at a time: NC * KC words, a quarter of a megabyte, stay in the second cache */
    PANELS = 4,        /* panels of A packed at a time: a panel of B is used that often while it is in the first cache */
};

typedef struct {
    const float *a;
    int64_t lda;
    const void *b;
    int64_t ldb;
    kernel_type bt;
    a_layout layout;
    bool b_rows; /* b is (n, k) */
} operands;

static ahead ahead_a(const operands *o, int row, int rows, int k0, int k) {
    return o->layout == A_COLUMNS ? ahead_of(o->a, KT_F32, k0 * o->lda + row, o->lda, k, rows)
                                  : ahead_of(o->a, KT_F32, row * o->lda + k0, o->lda, rows, k);
}
static ahead ahead_b(const operands *o, int col, int columns, int k0, int k) {
    return o->b_rows ? ahead_of(o->b, o->bt, col * o->ldb + k0, o->ldb, columns, k)
                     : ahead_of(o->b, o->bt, k0 * o->ldb + col, o->ldb, k, columns);
}

/* y (m, n) of k <= KERNEL_K_BLOCK steps from k0, n <= NC: B once to panels, then A panel by panel; panels share the rows evenly. */
static void multiply_block(float *y, int64_t ldy, const operands *o, int col0, int k0, int m, int n, int k, int k_next, y_use use) {
    _Alignas(64) float b[NC * KC];
    _Alignas(64) float a[PANELS * A_PANEL];
    if (o->b_rows) pack_w(b, o->b, o->bt, col0 * o->ldb + k0, o->ldb, n, k);
    else pack_b(b, o->b, o->bt, k0 * o->ldb + col0, o->ldb, n, k);
    ahead next[STREAMS] = {[1] = ahead_b(o, col0, n, k0 + k, k_next)};
    int panels = (m + MR - 1) / MR, words = (k + K_STEP - 1) / K_STEP * K_STEP / WORD_K;
    for (int p = 0, i = 0; p < panels; p += PANELS) {
        int rows[PANELS], count = min_int(PANELS, panels - p), sum = 0;
        for (int q = 0; q < count; q++) sum += rows[q] = m / panels + (p + q < m % panels);
        if (o->layout == A_COLUMNS) pack_a_columns(a, o->a + k0 * o->lda + i, o->lda, rows, count, k);
        else
            for (int q = 0, at = i; q < count; at += rows[q++]) pack_a_rows(a + q * A_PANEL, o->a + at * o->lda + k0, o->lda, rows[q], k);
        if (p + PANELS < panels) {
            next[0] = ahead_a(o, i + sum, sum, k0, k);
            next[2] = ahead_of(y, KT_F32, (i + sum) * ldy, ldy, use == Y_SET ? 0 : sum, n);
        } else next[0] = ahead_a(o, 0, sum, k0 + k, k_next);
        for (int j = 0; j < n; j += NR)
            for (int q = 0, at = i; q < count; at += rows[q++]) {
                float *to = y + at * ldy + j;
                if (n - j < NR || rows[q] < MR_MIN)
                    edge_tile(o->layout, rows[q], to, ldy, a + q * A_PANEL, b + j * KC, min_int(NR, n - j), words, use, next);
                else (o->layout == A_ROWS ? tile_a_rows : tile_a_columns)(rows[q], to, ldy, a + q * A_PANEL, b + j * KC, words, use, next);
            }
        i += sum;
    }
}

/* Blocks of k from 0 and added, or one chain from y (`chain`); `fresh`: the first block is set instead. */
static void multiply(float *y, int64_t ldy, const operands *o, int m, int n, int k, bool fresh, bool chain) {
    for (int j = 0; j < n; j += NC)
        for (int l = 0; l < k; l += KERNEL_K_BLOCK) {
            y_use use = fresh && l == 0 ? Y_SET : chain ? Y_CHAIN : Y_ADD;
            multiply_block(y + j, ldy, o, j, l, m, min_int(NC, n - j), min_int(KERNEL_K_BLOCK, k - l),
                           max_int(0, min_int(KERNEL_K_BLOCK, k - l - KERNEL_K_BLOCK)), use);
        }
}

#endif
