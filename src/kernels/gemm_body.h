/* gemm_body.h - the matrix products, written once over vec.h.
 *
 * All three keep a tile of y in registers, vectors along n, and walk k with one fused multiply-add a step and output: the order of one
 * output's sum is k's own, whatever the tile, so a row alone equals a row among many. B is packed to panels of NR columns (for "nt" that
 * transposes the weights, for 16-bit weights it converts them), A is copied to a panel of MR rows: both are then read from the
 * nearest caches in straight lines, also when the strides are powers of two and would fight for the same sets.
 * Few rows of "nt" and "nn" skip the packing, as there nothing is used twice. */
#ifndef LMM_KERNELS_GEMM_BODY_H
#define LMM_KERNELS_GEMM_BODY_H

#include "kernels/kernels.h"
#include "kernels/vec.h"

enum {
    NR = 2 * VL,                       /* columns of a tile */
    MR = VL == 16 ? 14 : 6,            /* rows of a tile: MR * 2 sums, 2 vectors of B and one of A fill the 32 or 16 registers */
    KC = KERNEL_K_BLOCK,
    NC = 256,                          /* columns packed at a time: NC * KC floats stay in the second cache */
    A_ROW = KC + 16,                   /* stride of a copied row, no power of two */
    A_STEP = 16,                       /* stride of a copied column */
    FETCH_STEPS = 8,
    STREAMS = 3,
    A_PANEL = MR * A_ROW > A_STEP * KC ? MR * A_ROW : A_STEP * KC,
    GROUP = 4,
    FEW = 4,                           /* rows up to which packing does not pay */
};

typedef enum { A_ROWS, A_COLUMNS } a_layout;               /* a (m, k) as in nt and nn; a (k, m) as in tn */
typedef enum { Y_SET, Y_ADD, Y_CHAIN } y_use;              /* y = sum; y = y + sum; the sum starts from y */

INLINE vf load_as(const void *x, kernel_type t, int64_t at) {
    if (t == KT_F32) return v_load((const float *)x + at);
    return t == KT_F16 ? v_load_f16((const uint16_t *)x + at) : v_load_bf16((const uint16_t *)x + at);
}

/* The first n < VL of them, 0 beyond. */
INLINE vf load_as_head(const void *x, kernel_type t, int64_t at, int n) {
    if (t == KT_F32) return v_load_head((const float *)x + at, v_head(n), v_zero());
    uint16_t rest[VL] = {0};
    memcpy(rest, (const uint16_t *)x + at, (size_t)n * sizeof *rest);
    return t == KT_F16 ? v_load_f16(rest) : v_load_bf16(rest);
}

/* A rectangle of memory that will be packed next, fetched to the second cache a few lines at a time while tiles are computed. */
typedef struct {
    const char *row;
    int64_t stride;
    int rows, size, at;                /* rows left; bytes of a row; bytes of this row already asked for */
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

/* ---- the tile ---- */

/* y (rows, NR) from packed a (rows, k) and b (k, NR). `rows` and `layout` are constants where it is inlined. */
INLINE void tile_of(int rows, a_layout layout, float *y, int64_t ldy, const float *a, const float *b, int k, y_use use, ahead next[STREAMS]) {
    vf c[MR][2];
    UNROLL for (int i = 0; i < rows; i++) c[i][0] = c[i][1] = v_zero();
    if (use == Y_CHAIN)
        UNROLL for (int i = 0; i < rows; i++) c[i][0] = v_load(y + i * ldy), c[i][1] = v_load(y + i * ldy + VL);
    for (int l = 0; l < k;) {
        for (int s = 0; s < STREAMS; s++) fetch(&next[s]);
        int stop = min_int(k, l + FETCH_STEPS);
        UNROLL_NOT for (; l < stop; l++, b += NR) {
            vf b0 = v_load(b), b1 = v_load(b + VL);
            UNROLL for (int i = 0; i < rows; i++) {
                vf ai = v_set1(layout == A_ROWS ? a[i * A_ROW + l] : a[l * A_STEP + i]);
                c[i][0] = v_fma(ai, b0, c[i][0]);
                c[i][1] = v_fma(ai, b1, c[i][1]);
            }
        }
    }
    if (use == Y_ADD)
        UNROLL for (int i = 0; i < rows; i++) c[i][0] = v_add(v_load(y + i * ldy), c[i][0]), c[i][1] = v_add(v_load(y + i * ldy + VL), c[i][1]);
    UNROLL for (int i = 0; i < rows; i++) v_store(y + i * ldy, c[i][0]), v_store(y + i * ldy + VL, c[i][1]);
}

INLINE void tile_rows(a_layout layout, int rows, float *y, int64_t ldy, const float *a, const float *b, int k, y_use use, ahead *next) {
    switch (rows) {
    case 1: tile_of(1, layout, y, ldy, a, b, k, use, next); break;
    case 2: tile_of(2, layout, y, ldy, a, b, k, use, next); break;
    case 3: tile_of(3, layout, y, ldy, a, b, k, use, next); break;
    case 4: tile_of(4, layout, y, ldy, a, b, k, use, next); break;
    case 5: tile_of(5, layout, y, ldy, a, b, k, use, next); break;
    case 6: tile_of(6, layout, y, ldy, a, b, k, use, next); break;
#if defined(__AVX512F__)
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

/* A tile at the right edge, with fewer than NR columns: computed whole in a place of its own. */
static void edge_tile(a_layout layout, int rows, float *y, int64_t ldy, const float *a, const float *b, int columns, int k, y_use use, ahead *next) {
    float whole[MR * NR];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < NR; j++) whole[i * NR + j] = j < columns && use != Y_SET ? y[i * ldy + j] : 0.0f;
    (layout == A_ROWS ? tile_a_rows : tile_a_columns)(rows, whole, NR, a, b, k, use, next);
    for (int i = 0; i < rows; i++) memcpy(y + i * ldy, whole + i * NR, (size_t)columns * sizeof *y);
}

/* ---- packing ---- */

static void pack_a_rows(float *to, const float *a, int64_t lda, int rows, int k) {
    for (int i = 0; i < rows; i++) {
        int l = 0;
        for (; l + VL <= k; l += VL) v_store(to + i * A_ROW + l, v_load(a + i * lda + l));
        for (; l < k; l++) to[i * A_ROW + l] = a[i * lda + l];
    }
}

static void pack_a_columns(float *to, const float *a, int64_t lda, const int *rows, int panels, int k) {
    for (int l = 0; l < k; l++) {
        const float *from = a + l * lda;
        for (int p = 0; p < panels; p++) {
            v_store(to + p * A_PANEL + l * A_STEP, v_load_head(from, v_head(rows[p]), v_zero()));
            from += rows[p];
        }
    }
}

/* to: panels (k, NR) of b (k, columns) at element `at`, row by row (a row is contiguous, the next may be on another page); 0 beyond. */
INLINE void pack_b_as(kernel_type t, float *to, const void *b, int64_t at, int64_t ldb, int columns, int k) {
    for (int l = 0; l < k; l++, to += NR, at += ldb)
        for (int c = 0; c < columns; c += NR) {
            float *panel = to + c * KC;
            for (int v = c; v < c + NR; v += VL, panel += VL) {
                if (v + VL <= columns) v_store(panel, load_as(b, t, at + v));
                else v_store(panel, v < columns ? load_as_head(b, t, at + v, columns - v) : v_zero());
            }
        }
}

static void pack_b(float *to, const void *b, kernel_type t, int64_t at, int64_t ldb, int columns, int k) {
    if (t == KT_F32) pack_b_as(KT_F32, to, b, at, ldb, columns, k);
    else if (t == KT_F16) pack_b_as(KT_F16, to, b, at, ldb, columns, k);
    else pack_b_as(KT_BF16, to, b, at, ldb, columns, k);
}

/* t[l], lane j = w[at + j ldw + l]: VL rows of weights by VL steps of k; rows and steps beyond are 0. */
INLINE void load_transposed(vf t[VL], kernel_type wt, const void *w, int64_t at, int64_t ldw, int rows, int k) {
    if (rows >= VL && k >= VL) {
        UNROLL for (int j = 0; j < VL; j++) t[j] = load_as(w, wt, at + j * ldw);
    } else {
        for (int j = 0; j < VL; j++) {
            t[j] = v_zero();
            if (j < rows) t[j] = k >= VL ? load_as(w, wt, at + j * ldw) : load_as_head(w, wt, at + j * ldw, k);
        }
    }
    v_transpose(t);
}

/* to: panels (k, NR) of w (columns, k). */
INLINE void pack_w_as(kernel_type t, float *to, const void *w, int64_t at, int64_t ldw, int columns, int k) {
    for (int c = 0; c < columns; c += NR)
        for (int v = 0; v < NR; v += VL)
            for (int l = 0; l < k; l += VL) {
                vf r[VL];
                load_transposed(r, t, w, at + (c + v) * ldw + l, ldw, columns - c - v, k - l);
                for (int q = 0; q < min_int(VL, k - l); q++) v_store(to + c * KC + (l + q) * NR + v, r[q]);
            }
}

static void pack_w(float *to, const void *w, kernel_type t, int64_t at, int64_t ldw, int columns, int k) {
    if (t == KT_F32) pack_w_as(KT_F32, to, w, at, ldw, columns, k);
    else if (t == KT_F16) pack_w_as(KT_F16, to, w, at, ldw, columns, k);
    else pack_w_as(KT_BF16, to, w, at, ldw, columns, k);
}

/* ---- the products ---- */

typedef struct {
    const float *a;
    int64_t lda;
    const void *b;
    int64_t ldb;
    kernel_type bt;
    a_layout layout;
    bool b_rows;                       /* b is (n, k) */
} operands;

static ahead ahead_a(const operands *o, int row, int rows, int k0, int k) {
    return o->layout == A_COLUMNS ? ahead_of(o->a, KT_F32, k0 * o->lda + row, o->lda, k, rows) : ahead_of(o->a, KT_F32, row * o->lda + k0, o->lda, rows, k);
}
static ahead ahead_b(const operands *o, int col, int columns, int k0, int k) {
    return o->b_rows ? ahead_of(o->b, o->bt, col * o->ldb + k0, o->ldb, columns, k) : ahead_of(o->b, o->bt, k0 * o->ldb + col, o->ldb, k, columns);
}

/* y (m, n) of k <= KC steps from k0, n <= NC: B once to panels, then A panel by panel; panels share the rows evenly. */
static void multiply_block(float *y, int64_t ldy, const operands *o, int col0, int k0, int m, int n, int k, int k_next, y_use use) {
    _Alignas(64) float b[NC * KC];
    _Alignas(64) float a[GROUP * A_PANEL];
    if (o->b_rows) pack_w(b, o->b, o->bt, col0 * o->ldb + k0, o->ldb, n, k);
    else pack_b(b, o->b, o->bt, k0 * o->ldb + col0, o->ldb, n, k);
    ahead next[STREAMS] = {[1] = ahead_b(o, col0, n, k0 + k, k_next)};
    int panels = (m + MR - 1) / MR;
    for (int p = 0, i = 0; p < panels; p += GROUP) {
        int rows[GROUP], count = min_int(GROUP, panels - p), sum = 0;
        for (int q = 0; q < count; q++) sum += rows[q] = m / panels + (p + q < m % panels);
        if (o->layout == A_COLUMNS) pack_a_columns(a, o->a + k0 * o->lda + i, o->lda, rows, count, k);
        else
            for (int q = 0, at = i; q < count; at += rows[q++]) pack_a_rows(a + q * A_PANEL, o->a + at * o->lda + k0, o->lda, rows[q], k);
        if (p + GROUP < panels) {
            next[0] = ahead_a(o, i + sum, sum, k0, k);
            next[2] = ahead_of(y, KT_F32, (i + sum) * ldy, ldy, use == Y_SET ? 0 : sum, n);
        } else next[0] = ahead_a(o, 0, sum, k0 + k, k_next);
        for (int j = 0; j < n; j += NR)
            for (int q = 0, at = i; q < count; at += rows[q++]) {
                float *to = y + at * ldy + j;
                if (n - j < NR) edge_tile(o->layout, rows[q], to, ldy, a + q * A_PANEL, b + j * KC, n - j, k, use, next);
                else (o->layout == A_ROWS ? tile_a_rows : tile_a_columns)(rows[q], to, ldy, a + q * A_PANEL, b + j * KC, k, use, next);
            }
        i += sum;
    }
}

/* Blocks of k from 0 and added (`fresh`: the first one is set instead), or one chain from y (`chain`). */
static void multiply(float *y, int64_t ldy, const operands *o, int m, int n, int k, bool fresh, bool chain) {
    for (int j = 0; j < n; j += NC)
        for (int l = 0; l < k; l += KC) {
            y_use use = chain ? Y_CHAIN : fresh && l == 0 ? Y_SET : Y_ADD;
            multiply_block(y + j, ldy, o, j, l, m, min_int(NC, n - j), min_int(KC, k - l), max_int(0, min_int(KC, k - l - KC)), use);
        }
}

/* ---- few rows ---- */

INLINE void few_nt_as(int m, kernel_type wt, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, int n, int k,
                      bool accumulate) {
    for (int j = 0; j < n; j += VL)
        for (int l0 = 0; l0 < k; l0 += KC) {
            vf c[FEW], t[VL];
            UNROLL for (int i = 0; i < m; i++) c[i] = v_zero();
            for (int l = l0; l < min_int(k, l0 + KC); l += VL) {
                load_transposed(t, wt, w, j * ldw + l, ldw, n - j, k - l);
                if (l + VL <= k) {
                    UNROLL for (int q = 0; q < VL; q++)
                        UNROLL for (int i = 0; i < m; i++) c[i] = v_fma(v_set1(x[i * ldx + l + q]), t[q], c[i]);
                } else {
                    for (int q = 0; q < k - l; q++)
                        UNROLL for (int i = 0; i < m; i++) c[i] = v_fma(v_set1(x[i * ldx + l + q]), t[q], c[i]);
                }
            }
            bool add = accumulate || l0 > 0;
            vm head = v_head(min_int(n - j, VL - 1));
            UNROLL for (int i = 0; i < m; i++) {
                float *at = y + i * ldy + j;
                if (j + VL <= n) v_store(at, add ? v_add(v_load(at), c[i]) : c[i]);
                else v_store_head(at, head, add ? v_add(v_load_head(at, head, v_zero()), c[i]) : c[i]);
            }
        }
}

INLINE void few_nt(kernel_type wt, float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, int m, int n, int k,
                   bool accumulate) {
    switch (m) {
    case 1: few_nt_as(1, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 2: few_nt_as(2, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 3: few_nt_as(3, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    case 4: few_nt_as(4, wt, y, ldy, x, ldx, w, ldw, n, k, accumulate); break;
    }
}

static void body_gemm_nt(float *y, int64_t ldy, const float *x, int64_t ldx, const void *w, int64_t ldw, kernel_type wt, int m, int n, int k,
                         bool accumulate) {
    if (k == 0 && !accumulate)
        for (int i = 0; i < m; i++) memset(y + i * ldy, 0, (size_t)n * sizeof *y);
    if (m > FEW) multiply(y, ldy, &(operands){x, ldx, w, ldw, wt, A_ROWS, true}, m, n, k, !accumulate, false);
    else if (wt == KT_F32) few_nt(KT_F32, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else if (wt == KT_F16) few_nt(KT_F16, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
    else few_nt(KT_BF16, y, ldy, x, ldx, w, ldw, m, n, k, accumulate);
}

/* y (m, columns <= NR) += a b, b read where it lies. */
INLINE void few_nn_as(int m, kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, int n, int k) {
    for (int j = 0; j < n; j += VL) {
        vf c[FEW];
        int left = n - j;
        vm head = v_head(min_int(left, VL - 1));
        UNROLL for (int i = 0; i < m; i++) c[i] = left >= VL ? v_load(y + i * ldy + j) : v_load_head(y + i * ldy + j, head, v_zero());
        for (int l = 0; l < k; l++) {
            vf v = left >= VL ? load_as(b, bt, l * ldb + j) : load_as_head(b, bt, l * ldb + j, left);
            UNROLL for (int i = 0; i < m; i++) c[i] = v_fma(v_set1(a[i * lda + l]), v, c[i]);
        }
        UNROLL for (int i = 0; i < m; i++) {
            if (left >= VL) v_store(y + i * ldy + j, c[i]);
            else v_store_head(y + i * ldy + j, head, c[i]);
        }
    }
}

INLINE void few_nn(kernel_type bt, float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, int m, int n, int k) {
    switch (m) {
    case 1: few_nn_as(1, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 2: few_nn_as(2, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 3: few_nn_as(3, bt, y, ldy, a, lda, b, ldb, n, k); break;
    case 4: few_nn_as(4, bt, y, ldy, a, lda, b, ldb, n, k); break;
    }
}

static void body_gemm_nn(float *y, int64_t ldy, const float *a, int64_t lda, const void *b, int64_t ldb, kernel_type bt, int m, int n, int k) {
    if (m > FEW) multiply(y, ldy, &(operands){a, lda, b, ldb, bt, A_ROWS, false}, m, n, k, false, true);
    else if (bt == KT_F32) few_nn(KT_F32, y, ldy, a, lda, b, ldb, m, n, k);
    else if (bt == KT_F16) few_nn(KT_F16, y, ldy, a, lda, b, ldb, m, n, k);
    else few_nn(KT_BF16, y, ldy, a, lda, b, ldb, m, n, k);
}

static void body_gemm_tn(float *y, int64_t ldy, const float *a, int64_t lda, const float *b, int64_t ldb, int m, int n, int k) {
    multiply(y, ldy, &(operands){a, lda, b, ldb, KT_F32, A_COLUMNS, false}, m, n, k, false, true);
}

#endif
