/* q8_rows.h - rows of activations as integers, the left side of the integer products; the same plain C in every table.
 *
 * A block of 32 values has the scale d = largest / 127 and q = round(x / d), ties to even. A second digit does the same with what is left over, at most
 * d / 2, in steps of d / 254. */
#ifndef LMM_KERNELS_Q8_ROWS_H
#define LMM_KERNELS_Q8_ROWS_H

#include <math.h>
#include <string.h>

#include "kernels/blocks.h"
#include "kernels/kernels.h"

enum { MAGNITUDE = 0x7fffffff, NOT_FINITE = 0x7f800000, NEARLY_NOTHING = 0x0da24260 /* 1e-30f: 127 / x would not be finite */ };

/* Bits of floats without their sign are in the order of their magnitudes, infinity and NaN last. */
static int32_t largest_bits(const float *x) {
    int32_t bits[BLOCK_VALUES], most = 0;
    memcpy(bits, x, sizeof bits);
    for (int i = 0; i < BLOCK_VALUES; i++) {
        int32_t b = bits[i] & MAGNITUDE;
        most = b > most ? b : most;
    }
    return most;
}

/* Adding 1.5 * 2^23 rounds to whole numbers, which then are the low bits. */
static void round_block(int8_t *q, const float *x, float inverse) {
    float shifted[BLOCK_VALUES];
    int32_t bits[BLOCK_VALUES];
    for (int i = 0; i < BLOCK_VALUES; i++) shifted[i] = x[i] * inverse + 12582912.0f;
    memcpy(bits, shifted, sizeof bits);
    for (int i = 0; i < BLOCK_VALUES; i++) q[i] = (int8_t)(bits[i] - 0x4b400000);
}

static void quantise_block(const q8_rows *to, int64_t at, const float *x) {
    int32_t most = largest_bits(x);
    if (most < NEARLY_NOTHING || most >= NOT_FINITE) { /* nothing at all; or an infinity or a NaN, which spoil their row for all to see */
        for (int i = 0; i < to->digit_count; i++) {
            to->digit[i].d[at / BLOCK_VALUES] = most < NEARLY_NOTHING ? 0.0f : NAN;
            memset(to->digit[i].q + at, 0, BLOCK_VALUES);
        }
        return;
    }
    float largest, rest[BLOCK_VALUES];
    memcpy(&largest, &most, sizeof largest);
    const q8_digit *first = &to->digit[0], *second = &to->digit[1];
    float d = largest / 127.0f;
    round_block(first->q + at, x, 127.0f / largest);
    first->d[at / BLOCK_VALUES] = d;
    if (to->digit_count == 1) return;
    for (int i = 0; i < BLOCK_VALUES; i++) rest[i] = x[i] - (float)first->q[at + i] * d;
    round_block(second->q + at, rest, 254.0f / d);
    second->d[at / BLOCK_VALUES] = d / 254.0f;
}

static void quantise_row(const q8_rows *to, int64_t row, const float *x) {
    int64_t first = row * to->k;
    for (int i = 0; i < to->k; i += BLOCK_VALUES) quantise_block(to, first + i, x + i);
    for (int64_t at = first; at < first + to->k; at += to->group) {
        float all = 0.0f;
        for (int i = 0; i < to->digit_count; i++) {
            const q8_digit *digit = &to->digit[i];
            int32_t sum = 0;
            for (int j = 0; j < to->group; j++) sum += digit->q[at + j];
            digit->minus_sum[at / to->group] = -sum;
            all += digit->d[at / BLOCK_VALUES] * (float)sum;
        }
        to->sum[at / to->group] = all;
    }
}

#endif
