/* q8_panel.h - VL rows of quantised weights brought to bytes, row by row in lanes: what the integer tiles read.
 *
 * Sixteen bytes of each row are loaded and transposed as they lie in the file; bits are taken apart afterwards, for all rows at once. Every type
 * becomes groups of 16 or 32 values in 0 .. 63 (q8_0: -128 .. 127) with a scale and perhaps a minimum in f32: both are exact. */
#ifndef LMM_KERNELS_Q8_PANEL_H
#define LMM_KERNELS_Q8_PANEL_H

#include <stddef.h>

#include "kernels/blocks.h"
#include "kernels/kernels.h"
#include "kernels/q8_vec.h"

enum { PANEL_VALUES = Q8_K_BLOCK, GROUP_MIN = 16 };
typedef struct {
    vu w[PANEL_VALUES / 4]; /* word l: values 4 l .. 4 l + 3 of each row */
    vf d[PANEL_VALUES / GROUP_MIN], min[PANEL_VALUES / GROUP_MIN];
} panel;

/* n values from byte `at` of every row, whole blocks. */
typedef void (*unpack_fn)(panel *p, const char *const row[VL], size_t at, int n);

static const uint32_t NIBBLES = 0x0f0f0f0f, PAIRS = 0x03030303, ONES = 0x01010101;

/* ---- blocks of 32 ---- */

INLINE void split_nibbles(vu w[8], const char *const row[VL], size_t at) {
    vu t[4];
    u_load_transposed(t, row, at);
    UNROLL for (int c = 0; c < 4; c++) w[c] = t[c] & NIBBLES, w[4 + c] = t[c] >> 4 & NIBBLES;
}

/* Bit i of `high` is bit 4 of value i: four neighbours are spread over the bytes of a word. */
INLINE void add_fifth_bits(vu w[8], vu high) {
    UNROLL for (int c = 0; c < 8; c++) {
        vu four = high >> 4 * c & 15u;
        w[c] |= ((four | four << 7 | four << 14 | four << 21) & ONES) << 4;
    }
}

static void unpack_q4_0(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / BLOCK_VALUES; b++, at += sizeof(block_q4_0)) {
        split_nibbles(p->w + 8 * b, row, at + offsetof(block_q4_0, q));
        p->d[b] = v_of_low_f16(u_load_rows(row, at));
    }
}

static void unpack_q4_1(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / BLOCK_VALUES; b++, at += sizeof(block_q4_1)) {
        vu dm = u_load_rows(row, at);
        split_nibbles(p->w + 8 * b, row, at + offsetof(block_q4_1, q));
        p->d[b] = v_of_low_f16(dm), p->min[b] = v_of_low_f16(dm >> 16);
    }
}

static void unpack_q5_0(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / BLOCK_VALUES; b++, at += sizeof(block_q5_0)) {
        split_nibbles(p->w + 8 * b, row, at + offsetof(block_q5_0, q));
        add_fifth_bits(p->w + 8 * b, u_load_rows(row, at + offsetof(block_q5_0, high)));
        p->d[b] = v_of_low_f16(u_load_rows(row, at));
    }
}

static void unpack_q5_1(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / BLOCK_VALUES; b++, at += sizeof(block_q5_1)) {
        vu dm = u_load_rows(row, at);
        split_nibbles(p->w + 8 * b, row, at + offsetof(block_q5_1, q));
        add_fifth_bits(p->w + 8 * b, u_load_rows(row, at + offsetof(block_q5_1, high)));
        p->d[b] = v_of_low_f16(dm), p->min[b] = v_of_low_f16(dm >> 16);
    }
}

static void unpack_q8_0(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / BLOCK_VALUES; b++, at += sizeof(block_q8_0)) {
        u_load_transposed(p->w + 8 * b, row, at + offsetof(block_q8_0, q));
        u_load_transposed(p->w + 8 * b + 4, row, at + offsetof(block_q8_0, q) + 16);
        p->d[b] = v_of_low_f16(u_load_rows(row, at));
    }
}

/* ---- blocks of 256 ---- */

/* The 16 bytes of d, dmin and the packed scales that q4_K and q5_K begin with. */
INLINE void unpack_scales_K(vf d[8], vf min[8], const char *const row[VL], size_t at) {
    vu t[4];
    u_load_transposed(t, row, at);
    vf whole = v_of_low_f16(t[0]), whole_min = v_sub(v_zero(), v_of_low_f16(t[0] >> 16));
    UNROLL for (int i = 0; i < 4; i++) {
        vu low = t[1] >> 8 * i, high = t[2] >> 8 * i, rest = t[3] >> 8 * i;
        d[i] = v_mul(whole, v_of_ints(low & 63u)), min[i] = v_mul(whole_min, v_of_ints(high & 63u));
        d[4 + i] = v_mul(whole, v_of_ints((rest & 15u) | (low >> 6 & 3u) << 4));
        min[4 + i] = v_mul(whole_min, v_of_ints((rest >> 4 & 15u) | (high >> 6 & 3u) << 4));
    }
}

static void unpack_q4_K(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / SUPER_VALUES; b++, at += sizeof(block_q4_K)) {
        unpack_scales_K(p->d + 8 * b, p->min + 8 * b, row, at);
        for (int i = 0; i < 8; i++) { /* 16 bytes: the low nibbles of one sub-block, the high ones of the next */
            vu t[4], *w = p->w + 64 * b + i / 2 * 16 + i % 2 * 4;
            u_load_transposed(t, row, at + offsetof(block_q4_K, q) + (size_t)(16 * i));
            UNROLL for (int c = 0; c < 4; c++) w[c] = t[c] & NIBBLES, w[8 + c] = t[c] >> 4 & NIBBLES;
        }
    }
}

static void unpack_q5_K(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / SUPER_VALUES; b++, at += sizeof(block_q5_K)) {
        vu high[8];
        unpack_scales_K(p->d + 8 * b, p->min + 8 * b, row, at);
        u_load_transposed(high, row, at + offsetof(block_q5_K, high));
        u_load_transposed(high + 4, row, at + offsetof(block_q5_K, high) + 16);
        for (int i = 0; i < 8; i++) {
            vu t[4], *w = p->w + 64 * b + i / 2 * 16 + i % 2 * 4, *h = high + i % 2 * 4;
            u_load_transposed(t, row, at + offsetof(block_q5_K, q) + (size_t)(16 * i));
            UNROLL for (int c = 0; c < 4; c++) {
                w[c] = (t[c] & NIBBLES) | (h[c] & ONES) << 4;
                w[8 + c] = (t[c] >> 4 & NIBBLES) | (h[c] >> 1 & ONES) << 4;
                h[c] >>= 2;
            }
        }
    }
}

/* Each 16 bytes of q hold parts of the quarters i / 2 and i / 2 + 2 of a half; its 32 bytes of `high` serve all four. */
static void unpack_q6_K(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / SUPER_VALUES; b++, at += sizeof(block_q6_K)) {
        vu scales[4];
        vf d = v_of_low_f16(u_load_rows(row, at + offsetof(block_q6_K, d) - 2) >> 16);
        u_load_transposed(scales, row, at + offsetof(block_q6_K, scales));
        for (int s = 0; s < 16; s++) p->d[16 * b + s] = v_mul(d, v_of_ints(u_signed_shift(scales[s / 4] << (24 - s % 4 * 8), 24)));
        for (int i = 0; i < 8; i++) {
            int half = i / 4, quarter = i % 4 / 2, side = i % 2;
            vu t[4], h[4], *w = p->w + 64 * b + 32 * half + 8 * quarter + 4 * side;
            u_load_transposed(t, row, at + offsetof(block_q6_K, q) + (size_t)(16 * i));
            u_load_transposed(h, row, at + offsetof(block_q6_K, high) + (size_t)(32 * half + 16 * side));
            UNROLL for (int c = 0; c < 4; c++) {
                vu first = h[c] >> 2 * quarter;
                w[c] = (t[c] & NIBBLES) | (first & PAIRS) << 4;
                w[16 + c] = (t[c] >> 4 & NIBBLES) | (first >> 4 & PAIRS) << 4;
            }
        }
    }
}

static void unpack_q2_K(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / SUPER_VALUES; b++, at += sizeof(block_q2_K)) {
        vu scales[4], dm = u_load_rows(row, at + offsetof(block_q2_K, d));
        vf d = v_of_low_f16(dm), dmin = v_sub(v_zero(), v_of_low_f16(dm >> 16));
        u_load_transposed(scales, row, at + offsetof(block_q2_K, scales));
        for (int s = 0; s < 16; s++) {
            vu both = scales[s / 4] >> s % 4 * 8;
            p->d[16 * b + s] = v_mul(d, v_of_ints(both & 15u)), p->min[16 * b + s] = v_mul(dmin, v_of_ints(both >> 4 & 15u));
        }
        for (int i = 0; i < 4; i++) {
            vu t[4], *w = p->w + 64 * b + i / 2 * 32 + i % 2 * 4;
            u_load_transposed(t, row, at + offsetof(block_q2_K, q) + (size_t)(16 * i));
            for (int pair = 0; pair < 4; pair++) UNROLL for (int c = 0; c < 4; c++) w[8 * pair + c] = t[c] >> 2 * pair & PAIRS;
        }
    }
}

static void unpack_q3_K(panel *p, const char *const row[VL], size_t at, int n) {
    for (int b = 0; b < n / SUPER_VALUES; b++, at += sizeof(block_q3_K)) {
        size_t tail = at + offsetof(block_q3_K, d) + 2 - 16; /* 2 bytes before the scales, 12 of them, d */
        vu t[4], low[2], pairs, high[8];
        u_load_transposed(t, row, tail);
        vf d = v_of_low_f16(t[3] >> 16);
        low[0] = t[0] >> 16 | t[1] << 16, low[1] = t[1] >> 16 | t[2] << 16, pairs = t[2] >> 16 | t[3] << 16;
        for (int s = 0; s < 16; s++) {
            vu nibble = low[s % 8 / 4] >> (s % 4 * 8 + s / 8 * 4) & 15u, pair = pairs >> (s % 4 * 8 + s / 4 * 2) & 3u;
            p->d[16 * b + s] = v_mul(d, v_of_ints((nibble | pair << 4) - 32u));
        }
        u_load_transposed(high, row, at + offsetof(block_q3_K, high));
        u_load_transposed(high + 4, row, at + offsetof(block_q3_K, high) + 16);
        for (int i = 0; i < 4; i++) {
            vu q[4], *w = p->w + 64 * b + i / 2 * 32 + i % 2 * 4, *h = high + i % 2 * 4;
            u_load_transposed(q, row, at + offsetof(block_q3_K, q) + (size_t)(16 * i));
            for (int pair = 0; pair < 4; pair++)
                UNROLL for (int c = 0; c < 4; c++) w[8 * pair + c] = (q[c] >> 2 * pair & PAIRS) | (h[c] >> (i / 2 * 4 + pair) & ONES) << 2;
        }
    }
}

#endif
