/* q8_dots.h - products of 8-bit activations with quantised weights: bytes times bytes, summed in integers, group by group.
 *
 * VL rows of weights are unpacked to a panel once and used by every row of x. A group's integer sum is exact, groups are added in order of k with one
 * fused multiply-add each (two with a minimum): one row's numbers do not know how many others there are, and all tables agree bit for bit. */
#ifndef LMM_KERNELS_Q8_DOTS_H
#define LMM_KERNELS_Q8_DOTS_H

#include "kernels/q8_panel.h"

enum {
    DOT_ROWS = VL == 16 ? 8 : 4, /* rows of x in registers */
    SUM_ROWS = 128,              /* rows of x that share an unpacked panel */
};

/* What the widest values allow: how many words of a group, and how many products of a 16-bit lane are added before it is widened (AVX2). */
typedef struct {
    int words, carry;
    bool is_signed;
} width;
static const width TWO_BITS = {4, 4, false}, FOUR_BITS = {8, 8, false}, FIVE_BITS = {8, 4, false}, SIX_BITS = {4, 2, false},
                   EIGHT_BITS = {8, 1, true};

INLINE vu u_word(const int8_t *x) {
    uint32_t word;
    memcpy(&word, x, sizeof word);
    return u_set1(word);
}

/* s[i] += sum of w[l] x[i][l] over the bytes of each word. */
#if defined(__AVX512VNNI__)
INLINE void add_dots(int M, width bits, vu s[DOT_ROWS], const vu *w, const int8_t *const x[DOT_ROWS]) {
    UNROLL for (int l = 0; l < bits.words; l++) {
        vu bytes = bits.is_signed ? w[l] ^ 0x80808080u : w[l]; /* + 128; what that adds is in the sum's start */
        UNROLL for (int i = 0; i < M; i++) s[i] = (vu)_mm512_dpbusd_epi32((__m512i)s[i], (__m512i)bytes, (__m512i)u_word(x[i] + 4 * l));
    }
}
INLINE vu start_of(width bits, int offset_bits, int32_t minus_sum) {
    return bits.is_signed ? u_set1((uint32_t)minus_sum) << 7 : offset_bits ? u_set1((uint32_t)minus_sum) << offset_bits : u_set1(0);
}
#else
/* A signed byte times one of x is its magnitude times x with its sign: the instruction wants one side unsigned. */
INLINE __m256i pair_sums(width bits, vu w, vu x) {
    return bits.is_signed ? _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)w), _mm256_sign_epi8((__m256i)x, (__m256i)w))
                          : _mm256_maddubs_epi16((__m256i)w, (__m256i)x);
}
INLINE void add_dots(int M, width bits, vu s[DOT_ROWS], const vu *w, const int8_t *const x[DOT_ROWS]) {
    UNROLL for (int l = 0; l < bits.words; l += bits.carry) {
        __m256i sum[DOT_ROWS];
        UNROLL for (int c = l; c < l + bits.carry; c++) UNROLL for (int i = 0; i < M; i++) {
            __m256i more = pair_sums(bits, w[c], u_word(x[i] + 4 * c));
            sum[i] = c == l ? more : _mm256_add_epi16(sum[i], more);
        }
        UNROLL for (int i = 0; i < M; i++) s[i] += (vu)_mm256_madd_epi16(sum[i], _mm256_set1_epi16(1));
    }
}
INLINE vu start_of(width bits, int offset_bits, int32_t minus_sum) {
    return bits.is_signed || !offset_bits ? u_set1(0) : u_set1((uint32_t)minus_sum) << offset_bits;
}
#endif

/* One digit of rows of x from value k0 on; minimum: the sums of all digits are added, too. */
typedef struct {
    const q8_rows *x;
    const q8_digit *digit;
    int64_t row;
    int k0, offset_bits;
    bool minimum;
} digit_rows;

/* sums[i] += over k values of M rows from row i0 of x with the panel. */
INLINE void dot_tile(int M, width bits, vf *sums, const digit_rows *r, int i0, const panel *p, int k) {
    const int group = 4 * bits.words, offset_bits = r->offset_bits;
    const bool minimum = r->minimum;
    const int8_t *q[DOT_ROWS];
    const float *d[DOT_ROWS], *sum[DOT_ROWS];
    const int32_t *minus_sum[DOT_ROWS];
    vf c[DOT_ROWS];
    UNROLL for (int i = 0; i < M; i++) {
        int64_t at = (r->row + i0 + i) * r->x->k + r->k0;
        q[i] = r->digit->q + at, d[i] = r->digit->d + at / BLOCK_VALUES;
        minus_sum[i] = r->digit->minus_sum + at / group, sum[i] = r->x->sum + at / group;
        c[i] = sums[i0 + i];
    }
    for (int g = 0; g < k / group; g++) {
        vu s[DOT_ROWS];
        UNROLL for (int i = 0; i < M; i++) s[i] = start_of(bits, offset_bits, minus_sum[i][g]);
        add_dots(M, bits, s, p->w + g * bits.words, q);
        UNROLL for (int i = 0; i < M; i++) {
            c[i] = v_fma(v_mul(p->d[g], v_set1(d[i][g * group / BLOCK_VALUES])), v_of_ints(s[i]), c[i]);
            if (minimum) c[i] = v_fma(p->min[g], v_set1(sum[i][g]), c[i]);
            q[i] += group;
        }
    }
    UNROLL for (int i = 0; i < M; i++) sums[i0 + i] = c[i];
}

INLINE void dot_tiles(width bits, vf *sums, const digit_rows *r, int m, const panel *p, int k) {
    int i = 0;
    for (; i + DOT_ROWS <= m; i += DOT_ROWS) dot_tile(DOT_ROWS, bits, sums, r, i, p, k);
    if (DOT_ROWS == 8 && i + 4 <= m) {
        dot_tile(4, bits, sums, r, i, p, k);
        i += 4;
    }
    for (; i + 2 <= m; i += 2) dot_tile(2, bits, sums, r, i, p, k);
    if (i < m) dot_tile(1, bits, sums, r, i, p, k);
}

/* Instances: the width and the number of rows are constants in each. */
typedef void (*tile_fn)(vf *sums, const digit_rows *r, int m, const panel *p, int k);
static void tiles_2(vf *sums, const digit_rows *r, int m, const panel *p, int k) { dot_tiles(TWO_BITS, sums, r, m, p, k); }
static void tiles_4(vf *sums, const digit_rows *r, int m, const panel *p, int k) { dot_tiles(FOUR_BITS, sums, r, m, p, k); }
static void tiles_5(vf *sums, const digit_rows *r, int m, const panel *p, int k) { dot_tiles(FIVE_BITS, sums, r, m, p, k); }
static void tiles_6(vf *sums, const digit_rows *r, int m, const panel *p, int k) { dot_tiles(SIX_BITS, sums, r, m, p, k); }
static void tiles_8(vf *sums, const digit_rows *r, int m, const panel *p, int k) { dot_tiles(EIGHT_BITS, sums, r, m, p, k); }

/* Values are bytes minus 2^offset_bits (0: as they are), or bytes with a minimum. */
typedef struct {
    unpack_fn unpack;
    tile_fn tiles;
    int offset_bits;
    bool minimum;
} dot_type;
static const dot_type DOT_TYPES[KT_COUNT] = {
    [KT_Q4_0] = {unpack_q4_0, tiles_4, 3, false}, [KT_Q4_1] = {unpack_q4_1, tiles_4, 0, true},
    [KT_Q5_0] = {unpack_q5_0, tiles_5, 4, false}, [KT_Q5_1] = {unpack_q5_1, tiles_5, 0, true},
    [KT_Q8_0] = {unpack_q8_0, tiles_8, 0, false}, [KT_Q2_K] = {unpack_q2_K, tiles_2, 0, true},
    [KT_Q3_K] = {unpack_q3_K, tiles_2, 2, false}, [KT_Q4_K] = {unpack_q4_K, tiles_4, 0, true},
    [KT_Q5_K] = {unpack_q5_K, tiles_5, 0, true},  [KT_Q6_K] = {unpack_q6_K, tiles_6, 5, false},
};

/* Up to VL columns of y for m <= SUM_ROWS rows. */
static void dot_columns(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const char *w, kernel_type wt, size_t row_size,
                        int n) {
    const dot_type *t = &DOT_TYPES[wt];
    const char *rows[VL];
    panel p;
    vf sums[SUM_ROWS];
    for (int j = 0; j < VL; j++) rows[j] = w + (size_t)min_int(j, n - 1) * row_size; /* beyond the edge the last row again */
    for (int i = 0; i < m; i++) sums[i] = v_zero();
    for (int l = 0; l < x->k; l += PANEL_VALUES) {
        int k = min_int(PANEL_VALUES, x->k - l);
        t->unpack(&p, rows, kernel_type_bytes(wt, l), k);
        for (int i = 0; i < x->digit_count; i++)
            t->tiles(sums, &(digit_rows){x, &x->digit[i], row, l, t->offset_bits, t->minimum && i == 0}, m, &p, k);
    }
    for (int i = 0; i < m; i++) {
        if (n >= VL) v_store(y + i * ldy, sums[i]);
        else v_store_head(y + i * ldy, v_head(n), sums[i]);
    }
}

static void dot_rows(float *y, int64_t ldy, const q8_rows *x, int64_t row, int m, const void *w, kernel_type wt, int n) {
    size_t row_size = kernel_type_bytes(wt, x->k);
    for (int i = 0; i < m; i += SUM_ROWS)
        for (int j = 0; j < n; j += VL)
            dot_columns(y + i * ldy + j, ldy, x, row + i, min_int(SUM_ROWS, m - i), (const char *)w + (size_t)j * row_size, wt, row_size,
                        min_int(VL, n - j));
}

#endif
