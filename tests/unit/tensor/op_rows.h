/* op_rows.h - the table of test_ops.c: one row an op and a way to use it.
 *
 * A row says how to call the op (run), what it means (oracle: the plainest loops in double), and its shapes; everything that is asserted
 * follows from it. The oracle is also what is differentiated, so a row needs no gradient formula. */
#ifndef OP_ROWS_H
#define OP_ROWS_H

#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

enum { IN_MAX = 3 };
typedef struct {
    int nd;
    int64_t ne[TENSOR_ND_MAX];
    dtype type;
    bool grad;   /* its gradient is tested */
    bool rows;   /* ne[0] is cut with the batch */
    float shift; /* values are uniform in [shift - 1, shift + 1) */
} op_input;

typedef struct op_row op_row;
struct op_row {
    const char *name; /* begins with the op's */
    tensor *(*run)(cx *c, const op_row *r, tensor **in, int first,
                   int count); /* rows [first, first + count); inputs marked `rows` are cut already */
    void (*oracle)(const op_row *r, double **in, double *y);
    op_input in[IN_MAX];
    int batch, unit;       /* batch rows; a slice begins and ends at multiples of unit. 0: the op sums over its rows */
    int chain, grad_chain; /* roundings in a row for one value of y, of a gradient */
    int samples;           /* elements of each input whose gradient is compared with finite differences */
    int pick;
    attn_spec attn;
};

static inline int64_t in_cols(const op_row *r, int i) { return r->in[i].ne[r->in[i].nd - 1]; }

static inline int64_t in_count(const op_row *r, int i) {
    int64_t n = 1;
    for (int d = 0; d < r->in[i].nd; d++) n *= r->in[i].ne[d];
    return n;
}

static inline int64_t in_rows(const op_row *r, int i) { return in_count(r, i) / in_cols(r, i); }

/* ---- linear ---- */

static tensor *run_linear(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)first, (void)count;
    return op_linear(c, in[0], in[1], r->in[2].nd ? in[2] : NULL);
}

static void oracle_linear(const op_row *r, double **in, double *y) {
    int64_t n = in_rows(r, 0), I = in_cols(r, 0), O = r->in[1].ne[0];
    for (int64_t i = 0; i < n; i++)
        for (int64_t o = 0; o < O; o++) {
            double s = r->in[2].nd ? in[2][o] : 0.0;
            for (int64_t k = 0; k < I; k++) s += in[0][i * I + k] * in[1][o * I + k];
            y[i * O + o] = s;
        }
}

/* ---- elementwise ---- */

static tensor *run_add(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_add(c, in[0], in[1]);
}

static void oracle_add(const op_row *r, double **in, double *y) {
    for (int64_t i = 0; i < in_count(r, 0); i++) y[i] = in[0][i] + in[1][i % in_count(r, 1)];
}

static tensor *run_scale(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_scale(c, in[0], -1.75f);
}

static void oracle_scale(const op_row *r, double **in, double *y) {
    for (int64_t i = 0; i < in_count(r, 0); i++) y[i] = -1.75 * in[0][i];
}

static tensor *run_scale_exp(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_scale_exp(c, in[0], in[1]);
}

static void oracle_scale_exp(const op_row *r, double **in, double *y) {
    for (int64_t i = 0; i < in_count(r, 0); i++) y[i] = in[0][i] * exp(in[1][0]);
}

static tensor *run_cols_scale(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_cols_scale(c, in[0], in[1], in[2]);
}

static void oracle_cols_scale(const op_row *r, double **in, double *y) {
    for (int64_t i = 0, C = in_cols(r, 0); i < in_count(r, 0); i++) y[i] = in[0][i] * in[1][i % C] / in[2][i % C];
}

static tensor *run_swiglu(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_swiglu(c, in[0], in[1]);
}

static void oracle_swiglu(const op_row *r, double **in, double *y) {
    for (int64_t i = 0; i < in_count(r, 0); i++) y[i] = in[0][i] / (1.0 + exp(-in[0][i])) * in[1][i];
}

static tensor *run_act(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)first, (void)count;
    return op_act(c, in[0], (activation)r->pick);
}

static double oracle_act_one(activation a, double x) {
    switch (a) {
    case ACT_GELU_ERF: return 0.5 * x * (1.0 + erf(x * sqrt(0.5)));
    case ACT_GELU_TANH: return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case ACT_RELU: return x > 0 ? x : 0;
    default: return x / (1.0 + exp(-1.702 * x));
    }
}

static void oracle_act(const op_row *r, double **in, double *y) {
    for (int64_t i = 0; i < in_count(r, 0); i++) y[i] = oracle_act_one((activation)r->pick, in[0][i]);
}

/* ---- normalisation ---- */

static const double EPS = 1e-5;

static tensor *run_rmsnorm(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_rmsnorm(c, in[0], in[1], (float)EPS);
}

static void oracle_rmsnorm(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 1);
    for (int64_t i = 0; i < in_count(r, 0); i += C) {
        double s = 0.0;
        for (int64_t k = 0; k < C; k++) s += in[0][i + k] * in[0][i + k];
        for (int64_t k = 0; k < C; k++) y[i + k] = in[0][i + k] / sqrt(s / (double)C + EPS) * in[1][k];
    }
}

static tensor *run_layernorm(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_layernorm(c, in[0], in[1], in[2], (float)EPS);
}

static void oracle_layernorm(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 1);
    for (int64_t i = 0; i < in_count(r, 0); i += C) {
        double mean = 0.0, s = 0.0;
        for (int64_t k = 0; k < C; k++) mean += in[0][i + k] / (double)C;
        for (int64_t k = 0; k < C; k++) s += (in[0][i + k] - mean) * (in[0][i + k] - mean);
        for (int64_t k = 0; k < C; k++) y[i + k] = (in[0][i + k] - mean) / sqrt(s / (double)C + EPS) * in[1][k] + in[2][k];
    }
}

static tensor *run_l2norm(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_l2norm(c, in[0]);
}

static void oracle_l2norm(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0);
    for (int64_t i = 0; i < in_count(r, 0); i += C) {
        double s = 0.0;
        for (int64_t k = 0; k < C; k++) s += in[0][i + k] * in[0][i + k];
        for (int64_t k = 0; k < C; k++) y[i + k] = in[0][i + k] / sqrt(s);
    }
}

/* ---- rows ---- */

enum { INDEX_MAX = 512 };

static int get_index(const op_row *r, int row) { return (int)((row * 7 + 3) % r->in[0].ne[0]); }

static tensor *run_rows_get(cx *c, const op_row *r, tensor **in, int first, int count) {
    int index[INDEX_MAX];
    for (int i = 0; i < count; i++) index[i] = get_index(r, first + i);
    return op_rows_get(c, in[0], index, count);
}

static void oracle_rows_get(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0);
    for (int i = 0; i < r->batch; i++) memcpy(y + i * C, in[0] + get_index(r, i) * C, (size_t)C * sizeof *y);
}

static int join_index(const op_row *r, int row) {
    return row % 3 == 0 && r->in[1].nd ? (int)(-1 - row / 3 % in_rows(r, 1)) : (int)(row * 5 % in_rows(r, 0));
}

static tensor *run_rows_join(cx *c, const op_row *r, tensor **in, int first, int count) {
    int index[INDEX_MAX];
    for (int i = 0; i < count; i++) index[i] = join_index(r, first + i);
    return op_rows_join(c, in[0], in[1], index, count);
}

static void oracle_rows_join(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0);
    for (int i = 0; i < r->batch; i++) {
        int j = join_index(r, i);
        memcpy(y + i * C, j >= 0 ? in[0] + j * C : in[1] + (-1 - j) * C, (size_t)C * sizeof *y);
    }
}

/* 0 to 4 taps; every seventh row is a plain copy. */
static row_blend blend_of(const op_row *r, int row) {
    row_blend b = {.count = row % (ROW_BLEND_MAX + 1)};
    for (int t = 0; t < b.count; t++) {
        b.index[t] = join_index(r, row * 3 + t);
        b.weight[t] = 0.125f * (float)(1 + (row + t) % 9);
    }
    if (row % 7 == 6) b.count = 1, b.index[0] = join_index(r, row), b.weight[0] = 1.0f;
    return b;
}

static tensor *run_rows_blend(cx *c, const op_row *r, tensor **in, int first, int count) {
    row_blend rows[INDEX_MAX];
    for (int i = 0; i < count; i++) rows[i] = blend_of(r, first + i);
    return op_rows_blend(c, in[0], r->in[1].nd ? in[1] : NULL, rows, count);
}

static void oracle_rows_blend(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0);
    for (int i = 0; i < r->batch; i++) {
        row_blend b = blend_of(r, i);
        for (int64_t k = 0; k < C; k++) {
            y[i * C + k] = 0.0;
            for (int t = 0; t < b.count; t++) {
                int j = b.index[t];
                y[i * C + k] += (double)b.weight[t] * (j >= 0 ? in[0][j * C + k] : in[1][(-1 - j) * C + k]);
            }
        }
    }
}

/* Sentences of 1, 2, 3 and 4 tokens in turn. A slice of them takes its own tokens: their number differs from row to row. */
static int mean_count(int row) { return 1 + row % 4; }

static tensor *run_rows_mean(cx *c, const op_row *r, tensor **in, int first, int count) {
    int counts[INDEX_MAX], before = 0, rows = 0;
    for (int i = 0; i < first; i++) before += mean_count(i);
    for (int i = 0; i < count; i++) rows += counts[i] = mean_count(first + i);
    tensor *x = count == r->batch ? in[0] : cx_wrap(c, tensor_f32(in[0]) + before * in_cols(r, 0), rows, in_cols(r, 0));
    return op_rows_mean(c, x, counts, count);
}

static void oracle_rows_mean(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0), at = 0;
    memset(y, 0, (size_t)(r->batch * C) * sizeof *y);
    for (int i = 0; i < r->batch; i++)
        for (int j = 0; j < mean_count(i); j++, at += C)
            for (int64_t k = 0; k < C; k++) y[i * C + k] += in[0][at + k] / mean_count(i);
}

enum { TAPS_TOKENS = 7 };
static tensor *run_taps(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)first, (void)count;
    return op_taps(c, in[0], TAPS_TOKENS, 3, r->pick);
}

static void oracle_taps(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0), T = TAPS_TOKENS, out = (T - 1) / r->pick + 1;
    for (int64_t i = 0; i < in_rows(r, 0) / T * out; i++)
        for (int64_t k = 0; k < C; k++)
            for (int tap = 0; tap < 3; tap++) {
                int64_t t = i % out * r->pick + tap - 1;
                y[(i * C + k) * 3 + tap] = t < 0 || t >= T ? 0 : in[0][(i / out * T + t) * C + k];
            }
}

static tensor *run_cols_join(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)r, (void)first, (void)count;
    return op_cols_join(c, in[0], in[1]);
}

static void oracle_cols_join(const op_row *r, double **in, double *y) {
    for (int64_t i = 0; i < in_rows(r, 0); i++)
        for (int k = 0; k < 2; k++) {
            memcpy(y, in[k] + i * in_cols(r, k), (size_t)in_cols(r, k) * sizeof *y);
            y += in_cols(r, k);
        }
}

static tensor *run_patches(cx *c, const op_row *r, tensor **in, int first, int count) {
    (void)first, (void)count;
    return op_patches(c, in[0], r->pick);
}

static void oracle_patches(const op_row *r, double **in, double *y) {
    int64_t P = r->pick, B = r->in[0].ne[0], C = r->in[0].ne[1], H = r->in[0].ne[2], W = r->in[0].ne[3];
    for (int64_t b = 0; b < B; b++)
        for (int64_t py = 0; py < H / P; py++)
            for (int64_t px = 0; px < W / P; px++)
                for (int64_t ch = 0; ch < C; ch++)
                    for (int64_t j = 0; j < P; j++)
                        for (int64_t i = 0; i < P; i++) *y++ = in[0][((b * C + ch) * H + py * P + j) * W + px * P + i];
}

/* ---- rope ---- */

enum { ROPE_DIM = 12 };
static const float ROPE_FACTOR = 1.25f;
static int rope_position(int row) { return row * 37 % 1000; }
static float rope_freq(int i) { return powf(10000.0f, -2.0f * (float)i / ROPE_DIM); }

static tensor *run_rope(cx *c, const op_row *r, tensor **in, int first, int count) {
    int position[INDEX_MAX];
    float freq[ROPE_DIM / 2];
    (void)r;
    for (int i = 0; i < count; i++) position[i] = rope_position(first + i);
    for (int i = 0; i < ROPE_DIM / 2; i++) freq[i] = rope_freq(i);
    return op_rope(c, in[0], rope_table(c, position, count, freq, ROPE_DIM, ROPE_FACTOR));
}

static void oracle_rope(const op_row *r, double **in, double *y) {
    int64_t C = in_cols(r, 0), half = ROPE_DIM / 2;
    for (int64_t at = 0; at < in_count(r, 0); at += ROPE_DIM)
        for (int64_t i = 0; i < half; i++) {
            float angle = (float)rope_position((int)(at / C)) * rope_freq((int)i); /* the angle is f32 by definition */
            double co = cos(angle) * ROPE_FACTOR, si = sin(angle) * ROPE_FACTOR, a = in[0][at + i], b = in[0][at + half + i];
            y[at + i] = a * co - b * si;
            y[at + half + i] = b * co + a * si;
        }
}

/* ---- attention ---- */

/* The segments cut to the query rows [first, first + count): what a decoder would ask for, had it only these rows. */
static tensor *run_attn(cx *c, const op_row *r, tensor **in, int first, int count) {
    attn_seg segs[8];
    attn_spec s = r->attn;
    s.seg_count = 0;
    s.segs = segs;
    for (int i = 0; i < r->attn.seg_count; i++) {
        attn_seg g = r->attn.segs[i];
        int low = max_int(g.q_first, first), high = min_int(g.q_first + g.q_count, first + count);
        if (low >= high) continue;
        if (s.causal) g.key_count -= g.q_first + g.q_count - high;
        g.q_first = low - first;
        g.q_count = high - low;
        segs[s.seg_count++] = g;
    }
    return op_attn(c, in[0], in[1], in[2], &s);
}

static void oracle_attn_row(const attn_spec *s, const attn_seg *g, int row, int head, double **in, double *y) {
    int d = s->head_dim, ldq = s->head_count * d, ldk = s->kv_head_count * d, kv = head / (s->head_count / s->kv_head_count);
    const double *q = in[0] + (g->q_first + row) * ldq + head * d;
    double p[INDEX_MAX], sum = 0.0, *out = y + (g->q_first + row) * ldq + head * d;
    int high = g->prefix_count + (s->causal ? g->key_count - g->q_count + row + 1 : g->key_count);
    int low = s->window > 0 ? max_int(high - s->window, 0) : 0;
    memset(out, 0, (size_t)d * sizeof *out);
    for (int pass = 0; pass < 2; pass++)
        for (int j = low; j < high; j++) {
            int key = (j < g->prefix_count ? g->prefix_first + j : g->key_first + j - g->prefix_count) * ldk + kv * d;
            double score = 0.0;
            for (int i = 0; i < d; i++) score += q[i] * in[1][key + i];
            p[j] = exp(score * (double)s->scale);
            if (pass == 0) sum += p[j];
            else
                for (int i = 0; i < d; i++) out[i] += p[j] / sum * in[2][key + i];
        }
}

static void oracle_attn(const op_row *r, double **in, double *y) {
    for (int i = 0; i < r->attn.seg_count; i++)
        for (int row = 0; row < r->attn.segs[i].q_count; row++)
            for (int head = 0; head < r->attn.head_count; head++) oracle_attn_row(&r->attn, &r->attn.segs[i], row, head, in, y);
}

/* ---- loss ---- */

static int xent_label(int row, int64_t V) { return row % 5 == 2 ? -1 : (int)((row * 13 + 1) % V); }
static float xent_weight(int row) { return 0.25f * (float)(1 + row % 4); }

static void xent_rows(int *label, float *weight, int n, int64_t V) {
    for (int i = 0; i < n; i++) label[i] = xent_label(i, V), weight[i] = xent_weight(i);
}

static double oracle_xent_row(const double *z, int row, int64_t V) {
    double sum = 0.0;
    for (int64_t v = 0; v < V; v++) sum += exp(z[v]);
    return xent_label(row, V) < 0 ? 0.0 : (double)xent_weight(row) * (log(sum) - z[xent_label(row, V)]);
}

static tensor *run_linear_xent(cx *c, const op_row *r, tensor **in, int first, int count) {
    int label[INDEX_MAX], n = (int)in_rows(r, 0);
    float weight[INDEX_MAX];
    (void)first, (void)count;
    xent_rows(label, weight, n, r->in[1].ne[0]);
    return op_linear_xent(c, in[0], in[1], label, weight, n, NULL);
}

static void oracle_linear_xent(const op_row *r, double **in, double *y) {
    int64_t n = in_rows(r, 0), D = in_cols(r, 0), V = r->in[1].ne[0];
    double z[INDEX_MAX];
    *y = 0.0;
    for (int64_t i = 0; i < n; i++) {
        if (xent_label((int)i, V) < 0) continue;
        for (int64_t v = 0; v < V; v++) {
            z[v] = 0.0;
            for (int64_t k = 0; k < D; k++) z[v] += in[0][i * D + k] * in[1][v * D + k];
        }
        *y += oracle_xent_row(z, (int)i, V);
    }
}

static tensor *run_xent(cx *c, const op_row *r, tensor **in, int first, int count) {
    int label[INDEX_MAX], n = (int)in_rows(r, 0);
    float weight[INDEX_MAX];
    (void)first, (void)count;
    xent_rows(label, weight, n, in_cols(r, 0));
    return op_xent(c, in[0], label, weight, n);
}

static void oracle_xent(const op_row *r, double **in, double *y) {
    int64_t n = in_rows(r, 0), V = in_cols(r, 0);
    *y = 0.0;
    for (int64_t i = 0; i < n; i++) *y += oracle_xent_row(in[0] + i * V, (int)i, V);
}

/* ---- the table ---- */

/* clang-format off */
static const attn_seg
    SEG_CAUSAL[] = {{.q_count = 70, .key_count = 70}},
    SEG_PACKED[] = {{.q_count = 5, .key_count = 5}, {.q_first = 5, .q_count = 41, .key_first = 5, .key_count = 41},
                    {.q_first = 46, .q_count = 1, .key_first = 46, .key_count = 1}},
    /* rows 0-8 are read by both that follow; then a second group of the same kind */
    SEG_PREFIX[] = {{.q_count = 9, .key_count = 9},
                    {.q_first = 9, .q_count = 34, .prefix_count = 9, .key_first = 9, .key_count = 34},
                    {.q_first = 43, .q_count = 6, .prefix_count = 9, .key_first = 43, .key_count = 6},
                    {.q_first = 49, .q_count = 5, .key_first = 49, .key_count = 5},
                    {.q_first = 54, .q_count = 7, .prefix_first = 49, .prefix_count = 5, .key_first = 54, .key_count = 7}},
    /* the prefix and its reader stand apart, with another sequence between them */
    SEG_APART[]  = {{.q_count = 9, .key_count = 9}, {.q_first = 9, .q_count = 11, .key_first = 9, .key_count = 11},
                    {.q_first = 20, .q_count = 7, .prefix_count = 9, .key_first = 20, .key_count = 7}},
    /* decoding: few queries at the end of many keys, of two sequences that share theirs */
    SEG_PAST[]   = {{.q_count = 3, .key_count = 50}, {.q_first = 3, .q_count = 1, .prefix_count = 30, .key_first = 50, .key_count = 14}},
    /* queries that see foreign keys alone */
    SEG_CROSS[]  = {{.q_count = 35, .key_count = 20}, {.q_first = 35, .q_count = 4, .prefix_first = 3, .prefix_count = 17}};

#define X(...)    {.nd = 2, .ne = {__VA_ARGS__}, .grad = true, .rows = true}
#define W(...)    {.nd = 2, .ne = {__VA_ARGS__}, .grad = true}
#define GAIN(n)   {.nd = 1, .ne = {n}, .grad = true, .shift = 1.0f}
#define ATTN(h, k, seg, c, w) {.head_count = h, .kv_head_count = k, .head_dim = 8, .scale = 0.6f, .segs = seg, .seg_count = (int)COUNT_OF(seg), .causal = c, .window = w}

static const op_row op_rows[] = {
    /* name                    run              oracle              inputs                                            batch      roundings       samples */
    {"linear",                 run_linear,      oracle_linear,      {X(7, 33), W(21, 33)},                            7, 1,      33, 21,         .samples = 24},
    {"linear_bias",            run_linear,      oracle_linear,      {X(7, 33), W(21, 33), {.nd = 1, .ne = {21}, .grad = true}}, 7, 1, 34, 21,    .samples = 24},
    {"linear_one_row",         run_linear,      oracle_linear,      {X(1, 40), W(3, 40)},                             1, 1,      40, 3,          .samples = 24},
    {"linear_many_tasks",      run_linear,      oracle_linear,      {X(90, 300), W(140, 300), {.nd = 1, .ne = {140}, .grad = true}}, 90, 1, 301, 140, .samples = 2},
    {"linear_3d",              run_linear,      oracle_linear,      {{.nd = 3, .ne = {3, 5, 17}, .grad = true, .rows = true}, W(9, 17)}, 3, 1, 17, 15, .samples = 24},
    {"linear_f16",             run_linear,      oracle_linear,      {X(9, 70), {.nd = 2, .ne = {31, 70}, .type = DT_F16}}, 9, 1, 70, 31,         .samples = 24},
    {"linear_bf16",            run_linear,      oracle_linear,      {X(9, 70), {.nd = 2, .ne = {31, 70}, .type = DT_BF16}}, 9, 1, 70, 31,        .samples = 24},
    {"add",                    run_add,         oracle_add,         {X(70, 301), X(70, 301)},                         70, 1,     1, 1,           .samples = 24},
    {"add_row",                run_add,         oracle_add,         {X(70, 301), W(1, 301)},                          70, 1,     1, 70,          .samples = 24},
    {"add_broadcast",          run_add,         oracle_add,         {X(75, 301), W(3, 301)},                          75, 3,     1, 25,          .samples = 24},
    {"scale",                  run_scale,       oracle_scale,       {X(70, 301)},                                     70, 1,     1, 1,           .samples = 24},
    {"scale_exp",              run_scale_exp,   oracle_scale_exp,   {X(70, 301), {.nd = 1, .ne = {1}, .grad = true}}, 70, 1,     3, 3,           .samples = 24},
    {"cols_scale",             run_cols_scale,  oracle_cols_scale,  {X(70, 301), GAIN(301), {.nd = 1, .ne = {301}, .shift = 3.0f}}, 70, 1, 2, 72, .samples = 24},
    {"swiglu",                 run_swiglu,      oracle_swiglu,      {X(40, 301), X(40, 301)},                         40, 1,     4, 8,           .samples = 24},
    {"act_gelu_erf",           run_act,         oracle_act,         {X(40, 301)},                                     40, 1,     4, 8,           .samples = 24, .pick = ACT_GELU_ERF},
    {"act_gelu_tanh",          run_act,         oracle_act,         {X(40, 301)},                                     40, 1,     4, 8,           .samples = 24, .pick = ACT_GELU_TANH},
    {"act_gelu_quick",         run_act,         oracle_act,         {X(40, 301)},                                     40, 1,     4, 8,           .samples = 24, .pick = ACT_GELU_QUICK},
    {"act_relu",               run_act,         oracle_act,         {X(40, 301)},                                     40, 1,     4, 8,           .samples = 24, .pick = ACT_RELU},
    {"rmsnorm",                run_rmsnorm,     oracle_rmsnorm,     {X(600, 33), GAIN(33)},                           600, 1,    33, 600,        .samples = 24},
    {"rmsnorm_heads",          run_rmsnorm,     oracle_rmsnorm,     {X(30, 3 * 20), GAIN(20)},                        30, 1,     20, 90,         .samples = 24},
    {"layernorm",              run_layernorm,   oracle_layernorm,   {X(600, 33), GAIN(33), {.nd = 1, .ne = {33}, .grad = true}}, 600, 1, 33, 600, .samples = 24},
    {"l2norm",                 run_l2norm,      oracle_l2norm,      {X(23, 70)},                                      23, 1,     70, 70,         .samples = 24},
    {"rows_get",               run_rows_get,    oracle_rows_get,    {W(11, 301)},                                     40, 1,     1, 4,           .samples = 24},
    {"rows_get_f16",           run_rows_get,    oracle_rows_get,    {{.nd = 2, .ne = {11, 37}, .type = DT_F16}},      40, 1,     1, 1,           .samples = 0},
    {"rows_get_bf16",          run_rows_get,    oracle_rows_get,    {{.nd = 2, .ne = {11, 37}, .type = DT_BF16}},     40, 1,     1, 1,           .samples = 0},
    {"rows_join",              run_rows_join,   oracle_rows_join,   {W(11, 301), W(4, 301)},                          40, 1,     1, 4,           .samples = 24},
    {"rows_blend",             run_rows_blend,  oracle_rows_blend,  {W(11, 301), W(4, 301)},                          40, 1,     4, 12,          .samples = 24},
    {"rows_blend_one_source",  run_rows_blend,  oracle_rows_blend,  {W(11, 301)},                                     40, 1,     4, 12,          .samples = 24},
    {"rows_mean",              run_rows_mean,   oracle_rows_mean,   {W(20, 301)},                                     8, 1,      5, 2,           .samples = 24},
    {"cols_join",              run_cols_join,   oracle_cols_join,   {X(70, 301), X(70, 19)},                          70, 1,     1, 1,           .samples = 24},
    {"patches",                run_patches,     oracle_patches,     {{.nd = 4, .ne = {3, 3, 17, 14}, .grad = true, .rows = true}}, 3, 1, 1, 1,   .samples = 24, .pick = 4},
    {"taps",                  run_taps,        oracle_taps,        {{.nd = 3, .ne = {4, TAPS_TOKENS, 33}, .grad = true, .rows = true}}, 4, 1, 1, 3,   .samples = 24, .pick = 1},
    {"taps_stride",           run_taps,        oracle_taps,        {{.nd = 3, .ne = {4, TAPS_TOKENS, 33}, .grad = true, .rows = true}}, 4, 1, 1, 3,   .samples = 24, .pick = 2},
    {"rope",                   run_rope,        oracle_rope,        {X(300, 5 * ROPE_DIM)},                           300, 1,    3, 3,           .samples = 24},
    {"attn_causal_grouped",    run_attn,        oracle_attn,        {X(70, 32), W(70, 16), W(70, 16)},                70, 1,     70, 280,        .samples = 6,
     .attn = ATTN(4, 2, SEG_CAUSAL, true, 0)},
    {"attn_all",               run_attn,        oracle_attn,        {X(47, 16), W(47, 16), W(47, 16)},                47, 1,     47, 141,        .samples = 6,
     .attn = ATTN(2, 2, SEG_PACKED, false, 0)},
    {"attn_packed",            run_attn,        oracle_attn,        {X(47, 24), W(47, 8), W(47, 8)},                  47, 1,     47, 141,        .samples = 12,
     .attn = ATTN(3, 1, SEG_PACKED, true, 0)},
    {"attn_prefix",            run_attn,        oracle_attn,        {X(61, 16), W(61, 16), W(61, 16)},                61, 1,     61, 122,        .samples = 12,
     .attn = ATTN(2, 2, SEG_PREFIX, true, 0)},
    {"attn_prefix_apart",      run_attn,        oracle_attn,        {X(27, 16), W(27, 16), W(27, 16)},                27, 1,     27, 54,         .samples = 24,
     .attn = ATTN(2, 2, SEG_APART, true, 0)},
    {"attn_window",            run_attn,        oracle_attn,        {X(70, 16), W(70, 8), W(70, 8)},                  70, 1,     70, 140,        .samples = 12,
     .attn = ATTN(2, 1, SEG_CAUSAL, true, 7)},
    {"attn_window_prefix",     run_attn,        oracle_attn,        {X(61, 16), W(61, 16), W(61, 16)},                61, 1,     61, 122,        .samples = 12,
     .attn = ATTN(2, 2, SEG_PREFIX, true, 7)},
    {"attn_past",              run_attn,        oracle_attn,        {X(4, 32), W(64, 16), W(64, 16)},                 4, 1,      64, 64,         .samples = 24,
     .attn = ATTN(4, 2, SEG_PAST, true, 0)},
    {"attn_cross",             run_attn,        oracle_attn,        {X(39, 16), W(20, 16), W(20, 16)},                39, 1,     39, 78,         .samples = 24,
     .attn = ATTN(2, 2, SEG_CROSS, false, 0)},
    {"linear_xent",            run_linear_xent, oracle_linear_xent, {W(400, 16), W(37, 16)},                          0, 0,      64, 400,        .samples = 8},
    {"xent",                   run_xent,        oracle_xent,        {W(400, 37)},                                     0, 0,      64, 64,         .samples = 24},
};

#undef X
#undef W
#undef GAIN
#undef ATTN
/* clang-format on */

#endif
