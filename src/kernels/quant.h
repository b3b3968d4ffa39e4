/* quant.h - block formats to f32, exactly; compiled once per instruction set (the including file brings f16_to_f32 of its own).
 *
 * d times a scale, and for all but q6_K that times q, fits into the 24 bits of a float: what is left is one rounding, of the minimum added or
 * of the last product. So every table gives the same bits. */
#ifndef LMM_KERNELS_QUANT_H
#define LMM_KERNELS_QUANT_H

#include <string.h>

#include "kernels/blocks.h"
#include "kernels/kernels.h"

static void q4_0_to_f32(float *y, const block_q4_0 *b) {
    float d = f16_to_f32(b->d);
    for (int i = 0; i < 16; i++) y[i] = (float)((b->q[i] & 15) - 8) * d;
    for (int i = 0; i < 16; i++) y[16 + i] = (float)((b->q[i] >> 4) - 8) * d;
}

static void q4_1_to_f32(float *y, const block_q4_1 *b) {
    float d = f16_to_f32(b->d), m = f16_to_f32(b->m);
    for (int i = 0; i < 16; i++) y[i] = (float)(b->q[i] & 15) * d + m;
    for (int i = 0; i < 16; i++) y[16 + i] = (float)(b->q[i] >> 4) * d + m;
}

static uint32_t bits_of(const uint8_t high[4]) {
    return high[0] | (uint32_t)high[1] << 8 | (uint32_t)high[2] << 16 | (uint32_t)high[3] << 24;
}

static void q5_0_to_f32(float *y, const block_q5_0 *b) {
    float d = f16_to_f32(b->d);
    uint32_t high = bits_of(b->high);
    for (int i = 0; i < 16; i++) y[i] = (float)((int)(b->q[i] & 15) + (int)(high >> i & 1) * 16 - 16) * d;
    for (int i = 0; i < 16; i++) y[16 + i] = (float)((int)(b->q[i] >> 4) + (int)(high >> (16 + i) & 1) * 16 - 16) * d;
}

static void q5_1_to_f32(float *y, const block_q5_1 *b) {
    float d = f16_to_f32(b->d), m = f16_to_f32(b->m);
    uint32_t high = bits_of(b->high);
    for (int i = 0; i < 16; i++) y[i] = (float)((int)(b->q[i] & 15) + (int)(high >> i & 1) * 16) * d + m;
    for (int i = 0; i < 16; i++) y[16 + i] = (float)((int)(b->q[i] >> 4) + (int)(high >> (16 + i) & 1) * 16) * d + m;
}

static void q8_0_to_f32(float *y, const block_q8_0 *b) {
    float d = f16_to_f32(b->d);
    for (int i = 0; i < 32; i++) y[i] = (float)b->q[i] * d;
}

/* Two halves of 128 values; in each, bits 0-1 of 32 bytes are the first 32 values, bits 2-3 the next 32, .. */
static void q2_K_to_f32(float *y, const block_q2_K *b) {
    float d = f16_to_f32(b->d), dmin = f16_to_f32(b->dmin);
    for (int s = 0; s < 16; s++, y += 16) {
        const uint8_t *q = b->q + s / 8 * 32 + s % 2 * 16;
        int shift = s % 8 / 2 * 2;
        float scale = d * (float)(b->scales[s] & 15), min = dmin * (float)(b->scales[s] >> 4);
        for (int i = 0; i < 16; i++) y[i] = scale * (float)(q[i] >> shift & 3) - min;
    }
}

/* 16 scales of 6 bits: low nibbles in bytes 0-7 (first eight low, last eight high), upper two bits in bytes 8-11. */
static int q3_K_scale(const uint8_t scales[12], int s) {
    int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
    return (low | (scales[8 + s % 4] >> (s / 4 * 2) & 3) << 4) - 32;
}

static void q3_K_to_f32(float *y, const block_q3_K *b) {
    float d = f16_to_f32(b->d);
    for (int s = 0; s < 16; s++, y += 16) {
        const uint8_t *q = b->q + s / 8 * 32 + s % 2 * 16, *high = b->high + s % 2 * 16;
        int shift = s % 8 / 2 * 2, bit = s / 2;
        float scale = d * (float)q3_K_scale(b->scales, s);
        for (int i = 0; i < 16; i++) y[i] = scale * (float)((q[i] >> shift & 3) + (high[i] >> bit & 1) * 4 - 4);
    }
}

/* Eight scales and eight minima of 6 bits in 12 bytes: the last four of each have their upper two bits in bytes 0-7. */
static void q4_K_scale(const uint8_t s[12], int i, int *scale, int *min) {
    *scale = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | s[i - 4] >> 6 << 4;
    *min = i < 4 ? s[i + 4] & 63 : s[i + 4] >> 4 | s[i] >> 6 << 4;
}

/* Pairs of sub-blocks share 32 bytes: low nibbles, high nibbles. */
static void q4_K_to_f32(float *y, const block_q4_K *b) {
    float d = f16_to_f32(b->d), dmin = f16_to_f32(b->dmin);
    for (int s = 0; s < 8; s++, y += 32) {
        const uint8_t *q = b->q + s / 2 * 32;
        int scale, min, shift = s % 2 * 4;
        q4_K_scale(b->scales, s, &scale, &min);
        float ds = d * (float)scale, m = dmin * (float)min;
        for (int i = 0; i < 32; i++) y[i] = ds * (float)(q[i] >> shift & 15) - m;
    }
}

static void q5_K_to_f32(float *y, const block_q5_K *b) {
    float d = f16_to_f32(b->d), dmin = f16_to_f32(b->dmin);
    for (int s = 0; s < 8; s++, y += 32) {
        const uint8_t *q = b->q + s / 2 * 32;
        int scale, min, shift = s % 2 * 4;
        q4_K_scale(b->scales, s, &scale, &min);
        float ds = d * (float)scale, m = dmin * (float)min;
        for (int i = 0; i < 32; i++) y[i] = ds * (float)((q[i] >> shift & 15) + (b->high[i] >> s & 1) * 16) - m;
    }
}

/* Two halves of 128 values: 32 by 32 the low nibbles of 64 bytes, then their high ones; upper bits in 32 bytes, two a quarter. */
static void q6_K_to_f32(float *y, const block_q6_K *b) {
    float d = f16_to_f32(b->d);
    for (int s = 0; s < 16; s++, y += 16) {
        int half = s / 8, quarter = s % 8 / 2, at = s % 2 * 16, shift = quarter / 2 * 4;
        const uint8_t *q = b->q + half * 64 + quarter % 2 * 32 + at, *high = b->high + half * 32 + at;
        float scale = d * (float)b->scales[s];
        for (int i = 0; i < 16; i++) y[i] = scale * (float)((q[i] >> shift & 15) + (high[i] >> quarter * 2 & 3) * 16 - 32);
    }
}

/* n values, whole blocks. */
static void blocks_to_f32(float *y, const void *x, kernel_type t, int64_t n) {
    const char *b = x;
    int block = kernel_type_block(t);
    size_t size = kernel_type_bytes(t, block);
    for (int64_t i = 0; i < n; i += block, b += size) {
        const void *at = b;
        switch (t) {
        case KT_Q4_0: q4_0_to_f32(y + i, at); break;
        case KT_Q4_1: q4_1_to_f32(y + i, at); break;
        case KT_Q5_0: q5_0_to_f32(y + i, at); break;
        case KT_Q5_1: q5_1_to_f32(y + i, at); break;
        case KT_Q8_0: q8_0_to_f32(y + i, at); break;
        case KT_Q2_K: q2_K_to_f32(y + i, at); break;
        case KT_Q3_K: q3_K_to_f32(y + i, at); break;
        case KT_Q4_K: q4_K_to_f32(y + i, at); break;
        case KT_Q5_K: q5_K_to_f32(y + i, at); break;
        case KT_Q6_K: q6_K_to_f32(y + i, at); break;
        default: break;
        }
    }
}

#endif
