/* encode.c - f32 values to the blocks of blocks.h: the other direction of quant.h.
 *
 * A block's scale is searched: around the one that just spans the values a few more are tried, for each the values are rounded and the
 * scale (and minimum) that fits these integers best is solved for, weighted least squares; the smallest error wins. Values are rounded again
 * for the scale as it is stored, so what is stored is the nearest there is.
 * Weights: all alike for blocks of 32; values far from zero count more for the K types, as in ggml (rms + |x|; x^2 for q6_K).
 * Compiled once, so the bytes are the same on every processor. Finite values only: the caller checks. */
#include <math.h>
#include <string.h>

#include "kernels/blocks.h"
#include "kernels/kernels.h"

enum { TRIES = 9 }; /* scales tried on either side of the spanning one */

/* ---- numbers ---- */

static uint16_t f16_of(float x) {
    uint16_t h;
    kernels_generic.from_f32(&h, &x, KT_F16, 1);
    return h;
}

static float f16_value(uint16_t h) {
    float x;
    kernels_generic.to_f32(&x, &h, KT_F16, 1);
    return x;
}

static int nearest(float x, int low, int high) { return x <= (float)low ? low : x >= (float)high ? high : (int)lrintf(x); }

static float inverse(float x) { return x != 0.0f ? 1.0f / x : 0.0f; }

static float value_farthest(const float *x, int n) {
    float far = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(far)) far = x[i];
    return far;
}

/* ---- a scale: x ~ q d, q in [-half, half) ---- */

/* How much of sum w x^2 the best d for q = round(x / start) explains; *d is that scale. */
static float fit_scale(float *d, const float *x, const float *w, int n, int half, float start) {
    float inv = inverse(start), sxq = 0, sqq = 0;
    for (int i = 0; i < n; i++) {
        float q = (float)nearest(x[i] * inv, -half, half - 1);
        sxq += w[i] * x[i] * q;
        sqq += w[i] * q * q;
    }
    *d = sqq > 0 ? sxq / sqq : 0;
    return sqq > 0 ? sxq * sxq / sqq : 0;
}

/* The farthest value goes to -half, the side with one step more. */
static float find_scale(const float *x, const float *w, int n, int half) {
    float far = value_farthest(x, n), best = 0, most = -1;
    if (far == 0.0f) return 0;
    for (int t = -TRIES; t <= TRIES; t++) {
        float d, explained = fit_scale(&d, x, w, n, half, -far / ((float)half + 0.1f * (float)t));
        if (explained > most) most = explained, best = d;
    }
    return best;
}

/* ---- a scale and a minimum: x ~ q d + m, q in [0, top] ---- */

typedef struct {
    float d, m;
} line;

/* Least squares for q = round((x - start.m) / start.d); with `below` the minimum may not be above zero. */
static line fit_line(const float *x, const float *w, int n, int top, line start, bool below) {
    float inv = inverse(start.d), sw = 0, sx = 0, sq = 0, sxq = 0, sqq = 0;
    for (int i = 0; i < n; i++) {
        float q = (float)nearest((x[i] - start.m) * inv, 0, top);
        sw += w[i], sx += w[i] * x[i], sq += w[i] * q, sxq += w[i] * x[i] * q, sqq += w[i] * q * q;
    }
    float det = sw * sqq - sq * sq;
    if (!(det > 0)) return start;
    line l = {(sw * sxq - sx * sq) / det, (sqq * sx - sq * sxq) / det};
    if (below && l.m > 0) l = (line){sqq > 0 ? sxq / sqq : 0, 0};
    return l.d > 0 ? l : start;
}

static float line_error(const float *x, const float *w, int n, int top, line l) {
    float inv = inverse(l.d), sum = 0;
    for (int i = 0; i < n; i++) {
        float e = (float)nearest((x[i] - l.m) * inv, 0, top) * l.d + l.m - x[i];
        sum += w[i] * e * e;
    }
    return sum;
}

static line find_line(const float *x, const float *w, int n, int top, bool below) {
    float low = x[0], high = x[0];
    for (int i = 1; i < n; i++) low = fminf(low, x[i]), high = fmaxf(high, x[i]);
    if (below && low > 0) low = 0;
    line best = {(high - low) / (float)top, low};
    if (high == low) return best;
    float least = line_error(x, w, n, top, best);
    for (int t = -TRIES; t <= TRIES; t++) {
        line start = {(high - low) / ((float)top + 0.1f * (float)t), low};
        line l = fit_line(x, w, n, top, start, below);
        float error = line_error(x, w, n, top, l);
        if (error < least) least = error, best = l;
    }
    return best;
}

/* ---- blocks of 32 ---- */

static const float alike[BLOCK_VALUES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void encode_q8_0(void *to, const float *x) {
    block_q8_0 *b = to;
    b->d = f16_of(fabsf(value_farthest(x, 32)) / 127.0f);
    float inv = inverse(f16_value(b->d));
    for (int i = 0; i < 32; i++) b->q[i] = (int8_t)nearest(x[i] * inv, -127, 127);
}

/* Values i and i + 16 share a byte; their fifth bits (when `high` is there) are bits i and i + 16 of a word. */
static void pack_32(uint8_t q[16], uint8_t *high, const int v[32]) {
    uint32_t word = 0;
    for (int i = 0; i < 16; i++) q[i] = (uint8_t)((v[i] & 15) | (v[i + 16] & 15) << 4);
    for (int i = 0; i < 32; i++) word |= (uint32_t)(v[i] >> 4 & 1) << i;
    for (int i = 0; high && i < 4; i++) high[i] = (uint8_t)(word >> 8 * i);
}

static uint16_t scale_32(int v[32], const float *x, int half) {
    uint16_t d = f16_of(find_scale(x, alike, 32, half));
    float inv = inverse(f16_value(d));
    for (int i = 0; i < 32; i++) v[i] = nearest(x[i] * inv, -half, half - 1) + half;
    return d;
}

static void line_32(uint16_t *d, uint16_t *m, int v[32], const float *x, int top) {
    line l = find_line(x, alike, 32, top, false);
    *d = f16_of(l.d), *m = f16_of(l.m);
    float inv = inverse(f16_value(*d)), min = f16_value(*m);
    for (int i = 0; i < 32; i++) v[i] = nearest((x[i] - min) * inv, 0, top);
}

static void encode_q4_0(void *to, const float *x) {
    block_q4_0 *b = to;
    int v[32];
    b->d = scale_32(v, x, 8);
    pack_32(b->q, NULL, v);
}

static void encode_q5_0(void *to, const float *x) {
    block_q5_0 *b = to;
    int v[32];
    b->d = scale_32(v, x, 16);
    pack_32(b->q, b->high, v);
}

static void encode_q4_1(void *to, const float *x) {
    block_q4_1 *b = to;
    int v[32];
    line_32(&b->d, &b->m, v, x, 15);
    pack_32(b->q, NULL, v);
}

static void encode_q5_1(void *to, const float *x) {
    block_q5_1 *b = to;
    int v[32];
    line_32(&b->d, &b->m, v, x, 31);
    pack_32(b->q, b->high, v);
}

/* ---- q4_K, q5_K: eight sub-blocks of 32, scales and minima of 6 bits ---- */

static void sub_weights(float w[32], const float *x) {
    float sum = 0;
    for (int i = 0; i < 32; i++) sum += x[i] * x[i];
    float rms = sqrtf(sum / 32.0f);
    for (int i = 0; i < 32; i++) w[i] = rms + fabsf(x[i]);
}

/* Where quant.h's q4_K_scale looks for them. */
static void pack_scales(uint8_t s[12], const int scale[8], const int min[8]) {
    for (int i = 0; i < 4; i++) {
        s[i] = (uint8_t)(scale[i] | scale[i + 4] >> 4 << 6);
        s[i + 4] = (uint8_t)(min[i] | min[i + 4] >> 4 << 6);
        s[i + 8] = (uint8_t)((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

/* d, dmin, the packed scales, and all 256 integers. */
static void lines_256(uint16_t *d, uint16_t *dmin, uint8_t scales[12], uint8_t v[256], const float *x, int top) {
    line l[8];
    float w[32], d_most = 0, m_most = 0;
    int scale[8], min[8];
    for (int s = 0; s < 8; s++) {
        sub_weights(w, x + 32 * s);
        l[s] = find_line(x + 32 * s, w, 32, top, true);
        d_most = fmaxf(d_most, l[s].d), m_most = fmaxf(m_most, -l[s].m);
    }
    *d = f16_of(d_most / 63.0f), *dmin = f16_of(m_most / 63.0f);
    float step = f16_value(*d), step_min = f16_value(*dmin);
    for (int s = 0; s < 8; s++) {
        scale[s] = nearest(l[s].d * inverse(step), 0, 63);
        min[s] = nearest(-l[s].m * inverse(step_min), 0, 63);
        float inv = inverse(step * (float)scale[s]), m = step_min * (float)min[s];
        for (int i = 0; i < 32; i++) v[32 * s + i] = (uint8_t)nearest((x[32 * s + i] + m) * inv, 0, top);
    }
    pack_scales(scales, scale, min);
}

/* Pairs of sub-blocks share 32 bytes. */
static void pack_nibbles(uint8_t q[128], const uint8_t v[256]) {
    for (int i = 0; i < 128; i++) {
        const uint8_t *low = v + i / 32 * 64 + i % 32;
        q[i] = (uint8_t)((low[0] & 15) | (low[32] & 15) << 4);
    }
}

static void encode_q4_K(void *to, const float *x) {
    block_q4_K *b = to;
    uint8_t v[SUPER_VALUES];
    lines_256(&b->d, &b->dmin, b->scales, v, x, 15);
    pack_nibbles(b->q, v);
}

static void encode_q5_K(void *to, const float *x) {
    block_q5_K *b = to;
    uint8_t v[SUPER_VALUES];
    lines_256(&b->d, &b->dmin, b->scales, v, x, 31);
    pack_nibbles(b->q, v);
    memset(b->high, 0, sizeof b->high);
    for (int i = 0; i < SUPER_VALUES; i++) b->high[i % 32] |= (uint8_t)(v[i] >> 4 << i / 32);
}

/* ---- q6_K: sixteen sub-blocks of 16, scales of 8 bits with a sign ---- */

static void pack_q6_K(block_q6_K *b, const uint8_t v[256]) {
    memset(b->q, 0, sizeof b->q);
    memset(b->high, 0, sizeof b->high);
    for (int i = 0; i < SUPER_VALUES; i++) {
        int half = i / 128, quarter = i % 128 / 32, at = i % 32;
        b->q[half * 64 + quarter % 2 * 32 + at] |= (uint8_t)((v[i] & 15) << quarter / 2 * 4);
        b->high[half * 32 + at] |= (uint8_t)(v[i] >> 4 << quarter * 2);
    }
}

static void encode_q6_K(void *to, const float *x) {
    block_q6_K *b = to;
    float scale[16], w[16];
    uint8_t v[SUPER_VALUES];
    for (int s = 0; s < 16; s++) {
        for (int i = 0; i < 16; i++) w[i] = x[16 * s + i] * x[16 * s + i];
        scale[s] = find_scale(x + 16 * s, w, 16, 32);
    }
    b->d = f16_of(value_farthest(scale, 16) / -128.0f);
    float d = f16_value(b->d);
    for (int s = 0; s < 16; s++) {
        b->scales[s] = (int8_t)nearest(scale[s] * inverse(d), -128, 127);
        float inv = inverse(d * (float)b->scales[s]);
        for (int i = 0; i < 16; i++) v[16 * s + i] = (uint8_t)(nearest(x[16 * s + i] * inv, -32, 31) + 32);
    }
    pack_q6_K(b, v);
}

/* ---- the table ---- */

static void (*const encoders[KT_COUNT])(void *to, const float *x) = {
    [KT_Q4_0] = encode_q4_0, [KT_Q4_1] = encode_q4_1, [KT_Q5_0] = encode_q5_0, [KT_Q5_1] = encode_q5_1,
    [KT_Q8_0] = encode_q8_0, [KT_Q4_K] = encode_q4_K, [KT_Q5_K] = encode_q5_K, [KT_Q6_K] = encode_q6_K,
};

bool kernel_can_encode(kernel_type t) { return t < KT_FLOAT_COUNT || encoders[t]; }

void kernel_encode(void *y, const float *x, kernel_type t, int64_t n) {
    if (t < KT_FLOAT_COUNT) {
        kernels_generic.from_f32(y, x, t, n);
        return;
    }
    int block = kernel_type_block(t);
    size_t size = kernel_type_bytes(t, block);
    for (int64_t i = 0; i < n; i += block) encoders[t]((char *)y + (size_t)(i / block) * size, x + i);
}
