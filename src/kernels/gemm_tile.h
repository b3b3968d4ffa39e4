/* gemm_tile.h - the inner loop of the matrix products.
 *
 * A tile of y, MR rows by NR columns, stays in registers while k passes by: one fused multiply-add a step and output, vectors along n. Compiled
 * for AVX512-BF16 a step is two of k: the words of packed A and B are pairs of bf16. B is packed to panels of NR columns, A to panels of MR
 * rows (gemm_pack.h, gemm_rounds.h, gemm_pairs.h): both are read in straight lines from the nearest caches, also when the strides are powers of two and rows
 * would fight for the same sets. */
#ifndef LMM_KERNELS_GEMM_TILE_H
#define LMM_KERNELS_GEMM_TILE_H

#include "kernels/gemm_load.h"

/* Values of k in a word of packed A and B, and what a word adds to a sum. */
#if defined(__AVX512BF16__)
enum { WORD_K = 2 };
INLINE vf word_fma(vf a, vf b, vf c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
#else
enum { WORD_K = 1 };
INLINE vf word_fma(vf a, vf b, vf c) { return v_fma(a, b, c); }
#endif

enum {
    NR = 2 * VL,                  /* columns of a tile */
    MR = VL == 16 ? 14 : 6,       /* rows: MR * 2 sums, 2 vectors of B and one of A fill the 32 or 16 registers */
    KC = KERNEL_K_BLOCK / WORD_K, /* words of k packed at a time: a panel of B is 32 or 16 KB */
    MR_MIN = VL == 16 ? 7 : 3,    /* sharing rows evenly leaves no panel with less, unless m itself is less */
    A_ROW = KC + 16,              /* stride of a packed row of A, no power of two */
    A_STEP = 16,                  /* stride of a packed column of A */
    A_PANEL = MR * A_ROW > A_STEP *KC ? MR *A_ROW : A_STEP *KC,
    STREAMS = 3,     /* rectangles fetched ahead in one tile, */
    FETCH_STEPS = 8, /* a line of each every so many steps: oftener they would stand in the way of the tile's own loads */
};

typedef enum { A_ROWS, A_COLUMNS } a_layout;  /* packed a (rows, k) for nt and nn; (k, rows) for tn: as it comes, without transposing */
typedef enum { Y_SET, Y_ADD, Y_CHAIN } y_use; /* y = sum; y = y + sum; the sum starts from y */

/* A rectangle of memory that will be packed next, fetched to the second cache a few lines at a time while tiles are computed. */
typedef struct {
    const char *row;
    int64_t stride;
    int rows, size, at; /* rows left; bytes of a row; bytes of this row already asked for */
} ahead;

static ahead ahead_of(const void *x, kernel_type t, int64_t at, int64_t ld, int rows, int columns) {
    int64_t size = t == KT_F32 ? 4 : 2;
    return (ahead){(const char *)x + at * size, ld * size, rows, (int)(columns * size), 0};
}

INLINE void fetch(ahead *f) {
    if (f->rows <= 0) return;
    _mm_prefetch(f->row + f->at, _MM_HINT_T1);
    f->at += 64;
    if (f->at >= f->size) f->row += f->stride, f->rows--, f->at = 0;
}

/* y (rows, NR) from packed a (rows, k) and b (k, NR), k in words. `rows` and `layout` are constants where it is inlined. */
INLINE void tile_of(int rows, a_layout layout, float *y, int64_t ldy, const float *a, const float *b, int k, y_use use,
                    ahead next[STREAMS]) {
    vf c[MR][2];
    UNROLL for (int i = 0; i < rows; i++) c[i][0] = c[i][1] = v_zero();
    if (use == Y_CHAIN) UNROLL for (int i = 0; i < rows; i++) {
            c[i][0] = v_load(y + i * ldy);
            c[i][1] = v_load(y + i * ldy + VL);
        }
    for (int l = 0; l < k;) {
        for (int s = 0; s < STREAMS; s++) fetch(&next[s]);
        int stop = min_int(k, l + FETCH_STEPS);
        UNROLL_NOT for (; l < stop; l++, b += NR) {
            vf b0 = v_load(b), b1 = v_load(b + VL);
            UNROLL for (int i = 0; i < rows; i++) {
                vf ai = v_set1(layout == A_ROWS ? a[i * A_ROW + l] : a[l * A_STEP + i]);
                c[i][0] = word_fma(ai, b0, c[i][0]);
                c[i][1] = word_fma(ai, b1, c[i][1]);
            }
        }
    }
    if (use == Y_ADD) UNROLL for (int i = 0; i < rows; i++) {
            c[i][0] = v_add(v_load(y + i * ldy), c[i][0]);
            c[i][1] = v_add(v_load(y + i * ldy + VL), c[i][1]);
        }
    UNROLL for (int i = 0; i < rows; i++) {
        v_store(y + i * ldy, c[i][0]);
        v_store(y + i * ldy + VL, c[i][1]);
    }
}

INLINE void tile_rows(a_layout layout, int rows, float *y, int64_t ldy, const float *a, const float *b, int k, y_use use, ahead *next) {
    switch (rows) {
#if !defined(__AVX512F__)
    case 3: tile_of(3, layout, y, ldy, a, b, k, use, next); break;
    case 4: tile_of(4, layout, y, ldy, a, b, k, use, next); break;
    case 5: tile_of(5, layout, y, ldy, a, b, k, use, next); break;
    case 6: tile_of(6, layout, y, ldy, a, b, k, use, next); break;
#else
    case 7: tile_of(7, layout, y, ldy, a, b, k, use, next); break;
    case 8: tile_of(8, layout, y, ldy, a, b, k, use, next); break;
    case 9: tile_of(9, layout, y, ldy, a, b, k, use, next); break;
    case 10: tile_of(10, layout, y, ldy, a, b, k, use, next); break;
    case 11: tile_of(11, layout, y, ldy, a, b, k, use, next); break;
    case 12: tile_of(12, layout, y, ldy, a, b, k, use, next); break;
    case 13: tile_of(13, layout, y, ldy, a, b, k, use, next); break;
    case 14: tile_of(14, layout, y, ldy, a, b, k, use, next); break;
#endif
    }
}

static void tile_a_rows(int rows, float *y, int64_t ldy, const float *a, const float *b, int k, y_use use, ahead *next) {
    tile_rows(A_ROWS, rows, y, ldy, a, b, k, use, next);
}

static void tile_a_columns(int rows, float *y, int64_t ldy, const float *a, const float *b, int k, y_use use, ahead *next) {
    tile_rows(A_COLUMNS, rows, y, ldy, a, b, k, use, next);
}

/* A tile with fewer than NR columns or MR_MIN rows, computed whole in a place of its own; the packed panels are 0 where there is nothing. */
static void edge_tile(a_layout layout, int rows, float *y, int64_t ldy, const float *a, const float *b, int columns, int k, y_use use,
                      ahead *next) {
    float whole[MR * NR] = {0};
    for (int i = 0; i < rows && use != Y_SET; i++) memcpy(whole + i * NR, y + i * ldy, (size_t)columns * sizeof *y);
    (layout == A_ROWS ? tile_a_rows : tile_a_columns)(max_int(rows, MR_MIN), whole, NR, a, b, k, use, next);
    for (int i = 0; i < rows; i++) memcpy(y + i * ldy, whole + i * NR, (size_t)columns * sizeof *y);
}

#endif
