/* op_attn.c - attention of query rows over the keys of their own sequence, with an optional shared prefix.
 *
 * A row's scores come from an nt product, its softmax from one kernel call over exactly its visible keys, its sum over values from an nn
 * product, over the keys in order. None of the three depends on the other rows, so prefill, decoding and training agree bit for bit.
 * Backward recomputes the probabilities (as FlashAttention does, arXiv 2205.14135, without its tiling over keys). */
#include <math.h>
#include <string.h>

#include "tensor/tensor_int.h"

/* Query rows a task: many read keys less often, few keep more threads busy with one sequence. Sequences a task that read their common prefix once. */
enum { Q_BLOCK = 32, Q_BLOCK_TRAINING = 64, SHARED_ROWS = 8 };

/* Rows [q, q + rows) of the segment, counted from its q_first; or, when `shared`, the only rows of that many segments from this one on, which have one prefix. */
typedef struct {
    int seg, q, rows;
    bool shared;
} block;
typedef struct {
    attn_spec s;
    attn_seg *segs;
    block *blocks;
    int block_count, q_block;
    int *cluster; /* with a tape: first segment of each group that shares key rows; cluster_count + 1 entries */
    int cluster_count;
    int key_max; /* most keys a segment sees */
} attn_args;

static int seg_keys(const attn_seg *g) { return g->prefix_count + g->key_count; }

/* Visible keys of row r of a segment: [low, high) in the joined list. */
static void visible(const attn_spec *s, const attn_seg *g, int r, int *low, int *high) {
    *high = s->causal ? g->prefix_count + g->key_count - g->q_count + r + 1 : seg_keys(g);
    *low = s->window > 0 && *high > s->window ? *high - s->window : 0;
}

/* Key range of the block as a whole: what its matrix products must cover. */
static void block_range(const attn_args *a, const block *b, int *low, int *high) {
    int unused;
    const attn_seg *g = &a->segs[b->seg];
    visible(&a->s, g, b->q, low, &unused);
    visible(&a->s, g, b->q + b->rows - 1, &unused, high);
}

/* Cuts the joined list [low, high) into its part in the prefix and its part in the own keys: row of the tensor, place in the list, length. */
typedef struct {
    int row, at, count;
} span;
static void key_spans(const attn_seg *g, int low, int high, span out[2]) {
    int p = min_int(high, g->prefix_count);
    out[0] = (span){g->prefix_first + low, low, max_int(p - low, 0)};
    int own = max_int(low, g->prefix_count);
    out[1] = (span){g->key_first + own - g->prefix_count, own, max_int(high - own, 0)};
}

/* Keys (or values) of a segment's prefix (part 0) and its own (part 1): their caches, or the op's input. */
static const float *keys_of(const node *n, const attn_seg *g, int part) {
    const tensor *own = g->keys ? g->keys : n->in[1];
    return tensor_f32(part == 0 && g->prefix_keys ? g->prefix_keys : own);
}
static const float *values_of(const node *n, const attn_seg *g, int part) {
    const tensor *own = g->values ? g->values : n->in[2];
    return tensor_f32(part == 0 && g->prefix_values ? g->prefix_values : own);
}

typedef struct {
    const kernels *k;
    const attn_args *a;
    const node *n;
    float *scratch;
    size_t scratch_task; /* floats a thread */
    bool bf16;
} attn_job;

/* y (m, n) = a b, nn and tn: y += a b; in the context's precision, on this thread. */
static void product(const attn_job *j, gemm_form form, float *y, int64_t ldy, const float *a, int64_t lda, const float *b, int64_t ldb,
                    int m, int n, int k) {
    gemm_here(j->k, form, j->bf16, y, ldy, a, lda, b, ldb, KT_F32, m, n, k, form != GEMM_NT);
}

/* Where the keys that a head looks at begin in a row of keys. */
static int64_t kv_column(const attn_spec *s, int head) { return (int64_t)(head / (s->head_count / s->kv_head_count)) * s->head_dim; }

/* p (rows, high - low): probabilities of one block and head; entries outside a row's visible keys are 0. */
static void probabilities(const attn_job *j, const block *b, int head, int low, int high, float *p) {
    const attn_spec *s = &j->a->s;
    const attn_seg *g = &j->a->segs[b->seg];
    int64_t ldq = tensor_cols(j->n->in[0]), ldk = tensor_cols(j->n->in[1]), width = high - low;
    const float *q = tensor_f32(j->n->in[0]) + (int64_t)(g->q_first + b->q) * ldq + head * s->head_dim;
    const int64_t column = kv_column(s, head);
    span spans[2];
    key_spans(g, low, high, spans);
    for (int i = 0; i < 2; i++)
        if (spans[i].count)
            product(j, GEMM_NT, p + spans[i].at - low, width, q, ldq, keys_of(j->n, g, i) + spans[i].row * ldk + column, ldk, b->rows,
                    spans[i].count, s->head_dim);
    for (int r = 0; r < b->rows; r++) {
        int lo, hi;
        float *row = p + r * width;
        visible(s, g, b->q + r, &lo, &hi);
        j->k->softmax(row + lo - low, hi - lo, s->scale);
        memset(row, 0, (size_t)(lo - low) * sizeof *row);
        memset(row + hi - low, 0, (size_t)(high - hi) * sizeof *row);
    }
}

static void forward_block(const attn_job *j, const block *b, int head, float *p) {
    const attn_spec *s = &j->a->s;
    const attn_seg *g = &j->a->segs[b->seg];
    int low, high;
    block_range(j->a, b, &low, &high);
    probabilities(j, b, head, low, high, p);
    int64_t ldo = tensor_cols(j->n->out), ldv = tensor_cols(j->n->in[2]);
    float *out = tensor_f32(j->n->out) + (int64_t)(g->q_first + b->q) * ldo + head * s->head_dim;
    for (int r = 0; r < b->rows; r++) memset(out + r * ldo, 0, (size_t)s->head_dim * sizeof *out);
    span spans[2];
    key_spans(g, low, high, spans);
    for (int i = 0; i < 2; i++)
        if (spans[i].count)
            product(j, GEMM_NN, out, ldo, p + spans[i].at - low, high - low,
                    values_of(j->n, g, i) + spans[i].row * ldv + kv_column(s, head), ldv, b->rows, s->head_dim, spans[i].count);
}

/* The same numbers for sequences of a row each: the prefix is read once for all of them, then each its own keys. */
static void forward_shared(const attn_job *j, const block *b, int head, float *p) {
    const attn_spec *s = &j->a->s;
    const attn_seg *g = &j->a->segs[b->seg];
    const int64_t ldq = tensor_cols(j->n->in[0]), ldk = tensor_cols(j->n->in[1]), column = kv_column(s, head);
    const int d = s->head_dim, prefix = g->prefix_count;
    const float *q = tensor_f32(j->n->in[0]) + g->q_first * ldq + head * d;
    float *out = tensor_f32(j->n->out) + g->q_first * ldq + head * d;
    int64_t width = 0;
    for (int r = 0; r < b->rows; r++) width = max_int((int)width, seg_keys(&g[r]));
    product(j, GEMM_NT, p, width, q, ldq, keys_of(j->n, g, 0) + g->prefix_first * ldk + column, ldk, b->rows, prefix, d);
    for (int r = 0; r < b->rows; r++) {
        float *row = p + r * width;
        product(j, GEMM_NT, row + prefix, width, q + r * ldq, ldq, keys_of(j->n, &g[r], 1) + g[r].key_first * ldk + column, ldk, 1,
                g[r].key_count, d);
        j->k->softmax(row, seg_keys(&g[r]), s->scale);
        memset(out + r * ldq, 0, (size_t)d * sizeof *out);
    }
    product(j, GEMM_NN, out, ldq, p, width, values_of(j->n, g, 0) + g->prefix_first * ldk + column, ldk, b->rows, d, prefix);
    for (int r = 0; r < b->rows; r++)
        product(j, GEMM_NN, out + r * ldq, ldq, p + r * width + prefix, width, values_of(j->n, &g[r], 1) + g[r].key_first * ldk + column,
                ldk, 1, d, g[r].key_count);
}

static void forward_task(void *arg, int64_t first, int64_t last, int thread) {
    const attn_job *j = arg;
    float *p = j->scratch + (size_t)thread * j->scratch_task;
    for (int64_t t = first; t < last; t++) {
        const block *b = &j->a->blocks[t / j->a->s.head_count];
        (b->shared ? forward_shared : forward_block)(j, b, (int)(t % j->a->s.head_count), p);
    }
}

static attn_job job_make(cx *c, const node *n, size_t per_thread) { return (attn_job){c->k, n->args, n, n->scratch, per_thread, c->bf16}; }

static size_t forward_scratch(const attn_args *a) { return (size_t)a->q_block * (size_t)((a->key_max + 15) & ~15); }

static void attn_forward(cx *c, node *n) {
    const attn_args *a = n->args;
    attn_job j = job_make(c, n, forward_scratch(a));
    parallel_for(c->pool, (int64_t)a->block_count * a->s.head_count, 1, forward_task, &j);
}

/* ---- backward ---- */

/* ds = p (dp - sum(p dp)) scale, row by row, over `p` in place of dp. */
static void softmax_backward(const kernels *k, const float *p, float *dp, int rows, int64_t width, float scale) {
    for (int r = 0; r < rows; r++, p += width, dp += width) {
        float s = k->dot(p, dp, (int)width);
        for (int64_t i = 0; i < width; i++) dp[i] = p[i] * (dp[i] - s) * scale;
    }
}

static void backward_block(const attn_job *j, const block *b, int head, float *p, float *dp) {
    const attn_spec *s = &j->a->s;
    const attn_seg *g = &j->a->segs[b->seg];
    tensor *q = j->n->in[0], *k = j->n->in[1], *v = j->n->in[2];
    int64_t ldq = tensor_cols(q), ldk = tensor_cols(k), ko = head / (s->head_count / s->kv_head_count) * s->head_dim;
    int64_t qo = (int64_t)(g->q_first + b->q) * ldq + head * s->head_dim;
    const float *dy = j->n->out->grad + qo;
    int low, high, d = s->head_dim;
    block_range(j->a, b, &low, &high);
    int64_t width = high - low;
    probabilities(j, b, head, low, high, p);
    span spans[2];
    key_spans(g, low, high, spans);
    for (int i = 0; i < 2; i++) {
        if (!spans[i].count) continue;
        int64_t at = spans[i].at - low, row = spans[i].row * ldk + ko;
        product(j, GEMM_NT, dp + at, width, dy, ldq, tensor_f32(v) + row, ldk, b->rows, spans[i].count, d);
        if (v->wants_grad) product(j, GEMM_TN, v->grad + row, ldk, p + at, width, dy, ldq, spans[i].count, d, b->rows);
    }
    softmax_backward(j->k, p, dp, b->rows, width, s->scale);
    for (int i = 0; i < 2; i++) {
        if (!spans[i].count) continue;
        int64_t at = spans[i].at - low, row = spans[i].row * ldk + ko;
        if (q->wants_grad) product(j, GEMM_NN, q->grad + qo, ldq, dp + at, width, tensor_f32(k) + row, ldk, b->rows, d, spans[i].count);
        if (k->wants_grad) product(j, GEMM_TN, k->grad + row, ldk, dp + at, width, tensor_f32(q) + qo, ldq, spans[i].count, d, b->rows);
    }
}

/* One task per (cluster, kv head): all that adds into the same key rows happens on one thread, in order. */
static void backward_task(void *arg, int64_t first, int64_t last, int thread) {
    const attn_job *j = arg;
    const attn_args *a = j->a;
    int K = a->s.kv_head_count, group = a->s.head_count / K;
    float *p = j->scratch + (size_t)thread * j->scratch_task, *dp = p + j->scratch_task / 2;
    for (int64_t t = first; t < last; t++) {
        int cl = (int)(t / K), kv = (int)(t % K);
        for (int i = 0; i < a->block_count; i++) {
            const block *b = &a->blocks[i];
            if (b->seg < a->cluster[cl] || b->seg >= a->cluster[cl + 1]) continue;
            for (int h = kv * group; h < (kv + 1) * group; h++) backward_block(j, b, h, p, dp);
        }
    }
}

static void attn_backward(cx *c, node *n) {
    const attn_args *a = n->args;
    attn_job j = job_make(c, n, 2 * forward_scratch(a));
    parallel_for(c->pool, (int64_t)a->cluster_count * a->s.kv_head_count, 1, backward_task, &j);
}

static const op OP_ATTN = {"attn", attn_forward, attn_backward, .fills = 0};

/* ---- setting up ---- */

static bool rows_meet(int a, int a_count, int b, int b_count) { return a_count > 0 && b_count > 0 && a < b + b_count && b < a + a_count; }

static bool segs_meet(const attn_seg *x, const attn_seg *y) {
    return rows_meet(x->key_first, x->key_count, y->key_first, y->key_count) ||
           rows_meet(x->prefix_first, x->prefix_count, y->prefix_first, y->prefix_count) ||
           rows_meet(x->key_first, x->key_count, y->prefix_first, y->prefix_count) ||
           rows_meet(x->prefix_first, x->prefix_count, y->key_first, y->key_count);
}

/* A segment that sees a key row of an earlier one joins its cluster, and so do all between them: no row belongs to two clusters. */
static void find_clusters(attn_args *a) {
    for (int i = 0; i < a->s.seg_count; i++) {
        int j = 0;
        while (j < i && !segs_meet(&a->segs[j], &a->segs[i])) j++;
        while (a->cluster_count && a->cluster[a->cluster_count - 1] > j) a->cluster_count--;
        if (j == i) a->cluster[a->cluster_count++] = i;
    }
    a->cluster[a->cluster_count] = a->s.seg_count;
}

/* How many segments from this one on go on from its prefix with a row each, and can share reading it. */
static int sharing(const attn_spec *s, int first) {
    const attn_seg *g = &s->segs[first];
    int n = 0;
    if (!g->prefix_keys || !g->prefix_count || s->window) return 0;
    while (first + n < s->seg_count && n < SHARED_ROWS && g[n].q_count == 1 && g[n].q_first == g->q_first + n && g[n].key_count > 0 &&
           g[n].prefix_keys == g->prefix_keys && g[n].prefix_first == g->prefix_first && g[n].prefix_count == g->prefix_count)
        n++;
    return n;
}

static void cut_blocks(attn_args *a) {
    for (int i = 0; i < a->s.seg_count;) {
        int together = sharing(&a->s, i);
        if (together > 1) a->blocks[a->block_count++] = (block){i, 0, together, true};
        else
            for (int q = 0; q < a->segs[i].q_count; q += a->q_block)
                a->blocks[a->block_count++] = (block){i, q, min_int(a->q_block, a->segs[i].q_count - q), false};
        i += max_int(together, 1);
    }
}

static attn_args *args_make(cx *c, const attn_spec *s) {
    attn_args *a = slab_alloc(&c->meta, sizeof *a);
    a->s = *s;
    a->q_block = c->tape || c->bf16 ? Q_BLOCK_TRAINING : Q_BLOCK;
    a->segs = slab_alloc(&c->meta, (size_t)s->seg_count * sizeof *a->segs);
    memcpy(a->segs, s->segs, (size_t)s->seg_count * sizeof *a->segs);
    a->s.segs = a->segs;
    a->cluster = slab_alloc(&c->meta, (size_t)(s->seg_count + 1) * sizeof *a->cluster);
    int blocks = 0;
    for (int i = 0; i < s->seg_count; i++) blocks += (a->segs[i].q_count + a->q_block - 1) / a->q_block;
    a->blocks = slab_alloc(&c->meta, (size_t)blocks * sizeof *a->blocks + 1);
    for (int i = 0; i < s->seg_count; i++) {
        a->key_max = max_int(a->key_max, seg_keys(&a->segs[i]));
        if (s->causal)
            c->flops += 4.0 * s->head_count * s->head_dim * (double)a->segs[i].q_count * (seg_keys(&a->segs[i]) - a->segs[i].q_count / 2.0);
        else c->flops += 4.0 * s->head_count * s->head_dim * (double)a->segs[i].q_count * seg_keys(&a->segs[i]);
    }
    cut_blocks(a);
    if (c->tape) find_clusters(a); /* only backward asks */
    return a;
}

tensor *op_attn(cx *c, tensor *q, tensor *k, tensor *v, const attn_spec *s) {
    LMM_ASSERT(tensor_cols(q) == (int64_t)s->head_count * s->head_dim && tensor_cols(k) == (int64_t)s->kv_head_count * s->head_dim,
               "attn: %" PRId64 " and %" PRId64 " columns", tensor_cols(q), tensor_cols(k));
    LMM_ASSERT(tensor_same_shape(k, v) && s->head_count % s->kv_head_count == 0, "attn: %d heads over %d", s->head_count, s->kv_head_count);
    for (int i = 0; i < s->seg_count; i++) {
        const attn_seg *g = &s->segs[i];
        int64_t keys = tensor_rows(g->keys ? g->keys : k), prefix = g->prefix_keys ? tensor_rows(g->prefix_keys) : keys;
        LMM_ASSERT(g->q_first + g->q_count <= tensor_rows(q) && g->key_first + g->key_count <= keys &&
                       g->prefix_first + g->prefix_count <= prefix && (!s->causal || g->key_count >= g->q_count) &&
                       !((g->keys || g->prefix_keys) && c->tape),
                   "attn: segment %d", i);
    }
    attn_args *a = args_make(c, s);
    size_t threads = (size_t)pool_thread_count(c->pool), bytes = forward_scratch(a) * threads * sizeof(float);
    return cx_apply(c, (node){.op = &OP_ATTN,
                              .out = cx_new(c, q->nd, q->ne),
                              .in = {q, k, v},
                              .args = a,
                              .scratch_forward = bytes,
                              .scratch_backward = 2 * bytes,
                              .blind = BLIND_OUT});
}
