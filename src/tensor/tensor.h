/* tensor.h - tensors, the compute context, the tape, and every op.
 *
 * Ops are eager functions: op_rmsnorm(cx, x, w, eps) checks shapes, takes its output from the arena, runs, and, when a tape is present and an
 * input wants a gradient, records a node. Model code is plain C. One forward serves four readers (cx_mode, tape, trace):
 *   RUN      computes
 *   MEASURE  takes the same calls for shapes and arena only: exact memory before the first token, FLOP count
 *   tape     tape_backward walks the nodes in reverse; gradients accumulate (+=) everywhere
 *   trace    every tensor named with cx_trace is handed to a callback
 *
 * Tensors are contiguous, row major, ne[0] outermost as in PyTorch. Most ops see (rows, columns): all leading dimensions are rows. */
#ifndef LMM_TENSOR_H
#define LMM_TENSOR_H

#include "base/base.h"
#include "kernels/kernels.h"

/* ---- tensor (tensor.c) ---- */

/* The Q types store whole rows in blocks of 32 or 256 values (kernels/blocks.h). */
/* clang-format off */
typedef enum {
    DT_F32, DT_F16, DT_BF16, DT_I64, DT_I32, DT_I16, DT_I8, DT_U8, DT_BOOL, DT_F64,
    DT_Q4_0, DT_Q4_1, DT_Q5_0, DT_Q5_1, DT_Q8_0, DT_Q2_K, DT_Q3_K, DT_Q4_K, DT_Q5_K, DT_Q6_K,
    DT_COUNT
} dtype;
/* clang-format on */
const char *dtype_name(dtype t);        /* as safetensors and GGUF spell it: "F32", "Q4_K" */
int dtype_block(dtype t);               /* values stored together: 1, 32 or 256 */
size_t dtype_size(dtype t);             /* bytes of one block: of one value of the others */
size_t dtype_bytes(dtype t, int64_t n); /* of n values, whole blocks */
bool dtype_is_weight(dtype t);          /* F32, F16, BF16 and the Q types: what op_linear and op_rows_get read */
kernel_type dtype_kernel(dtype t);

enum { TENSOR_ND_MAX = 5 };
typedef struct tensor {
    dtype type;
    int nd;
    int64_t ne[TENSOR_ND_MAX];
    void *data;
    float *grad; /* same shape, f32; NULL until somebody needs it */
    bool wants_grad;
    bool grad_counted;       /* MEASURE: its gradient is in the count already */
    bool grad_fresh;         /* its gradient holds nothing yet, not even zeros: a backward pass that fills it (op.fills) sets it */
    size_t data_at, grad_at; /* 1 + where they lie in the context's arena; 0: elsewhere */
    int maker;               /* 1 + the node of the tape that made it; 0: none */
    bool kept;               /* some backward pass reads its values */
    bool dropped;            /* its values were given up (cx_done) */
    int woven; /* > 0: a matrix of a file whose rows are that many heads, row i of a head's first half beside row i of its second: op_linear gives
                  its outputs in plain order; whatever else reads the data straightens it first */
} tensor;

int64_t tensor_count(const tensor *t); /* elements */
int64_t tensor_cols(const tensor *t);  /* last dimension (1 for a scalar) */
int64_t tensor_rows(const tensor *t);  /* product of the others */
size_t tensor_size(const tensor *t);   /* bytes */
bool tensor_same_shape(const tensor *a, const tensor *b);
tensor tensor_make(dtype type, int nd, const int64_t *ne, void *data);
int64_t tensor_row_place(const tensor *t, int64_t r); /* of a matrix: where row r lies, which is r unless it is woven */
/* Gives a woven matrix a copy of its data in plain order, *copy: free(). name for messages. */
lmm_status tensor_straighten(tensor *t, void **copy, const char *name);
const char *tensor_shape_text(char text[96], const tensor *t); /* "(2,3,4)", cut when absurdly long; returns text */
static inline float *tensor_f32(const tensor *t) { return (float *)t->data; }

/* ---- compute context (cx.c) ---- */

/* Small records with stable addresses (tensor heads, node arguments), released back to a mark. Real memory in every mode. */
typedef struct slab_chunk slab_chunk;
typedef struct {
    slab_chunk *first, *current;
} slab;
typedef struct {
    slab_chunk *chunk;
    size_t used;
} slab_mark;
void *slab_alloc(slab *s, size_t size); /* zeroed */
slab_mark slab_here(const slab *s);
void slab_release(slab *s, slab_mark m);
void slab_free(slab *s);

typedef enum { CX_RUN, CX_MEASURE } cx_mode;
/* A free stretch of the arena below its top. */
typedef struct {
    size_t at, size;
} cx_hole;
typedef struct tape tape;
typedef struct cx cx;
typedef void (*trace_fn)(void *arg, const char *name, const tensor *t);
struct cx {
    cx_mode mode;
    arena *mem;         /* activations; in MEASURE only its counters are used */
    VEC(cx_hole) holes; /* in order of place */
    size_t floor;       /* holes below it wait for the cx_release that lowers it */
    slab meta;
    tape *tape;     /* NULL: no gradients */
    bool recompute; /* with a tape: cx_block keeps only its output and replays in backward */
    int digits; /* > 0: where weights are in blocks, op_linear takes its input as integers of that many 8-bit digits (gemm_q8); for inference */
    bool bf16; /* mixed precision: matrix products round their factors to bf16 and sum in f32 (gemm_bf16); all else stays f32 */
    const kernels *k;
    pool *pool;
    lmm_status status; /* sticky: run-time failures inside ops */
    trace_fn trace;
    void *trace_arg;
    double flops; /* counted in every mode: multiply-adds times two of the matrix products */
};
void cx_free(cx *c); /* holes and meta only: arena, tape and pool belong to the caller */

/* MEASURE: counters only. */
void *cx_alloc(cx *c, size_t size);               /* NULL in MEASURE; not zeroed */
tensor *cx_new(cx *c, int nd, const int64_t *ne); /* an f32 activation */
tensor *cx_new2(cx *c, int64_t rows, int64_t cols);
tensor *cx_view(cx *c, tensor *t, int nd,
                const int64_t *ne); /* same data and gradient under another shape; not recorded: only before `t` is used or without tape */
tensor *cx_wrap(cx *c, float *data, int64_t rows, int64_t cols); /* borrows outside data, no gradient */
/* The caller calls no more ops with t: its values go, but for those a backward pass reads and cannot cheaply make again (op.again). Nothing without a tape. */
void cx_done(cx *c, tensor *t);
/* Everything allocated after cx_here is freed by cx_release. */
typedef struct {
    size_t mem, floor;
    slab_mark meta;
} cx_mark;
cx_mark cx_here(cx *c);
void cx_release(cx *c, cx_mark m);

/* Shows `t` under a name to the tracer; nothing when there is none. */
void cx_trace(cx *c, const tensor *t, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Runs y = fn(c, arg, x) and keeps only y: inference frees the scratch, training with recompute replays the block in backward,
 * else everything is kept. Models never ask which. `arg` must outlive the tape. x and y have the same shape. */
typedef tensor *(*block_fn)(cx *c, void *arg, tensor *x);
tensor *cx_block(cx *c, block_fn fn, void *arg, tensor *x);

/* ---- tape (tape.c) ---- */

enum { NODE_IN_MAX = 4 };
typedef struct node node;
typedef struct op {
    const char *name;
    void (*forward)(cx *c, node *n);  /* not called in MEASURE */
    void (*backward)(cx *c, node *n); /* adds into in[i]->grad for inputs that want it, or sets it; NULL: not differentiable */
    bool replays;                     /* its backward calls ops itself, so MEASURE runs it too */
    bool again; /* forward costs little and its inputs are kept: an output given up is made again where a backward pass reads it */
    int fills;  /* input i is bit i: backward sets all of its gradient when that is fresh; of others zeros are made first */
} op;
/* What a backward pass never reads the values of: input i is bit i. */
enum { BLIND_IN0 = 1, BLIND_OUT = 1 << NODE_IN_MAX, BLIND_ALL = 2 * BLIND_OUT - 1 };
struct node {
    const op *op;
    tensor *out;
    tensor *in[NODE_IN_MAX];
    void *args;                               /* op's own record, lives in cx.meta */
    size_t scratch_forward, scratch_backward; /* bytes the pass needs besides its outputs; given as `scratch` */
    int blind;                                /* BLIND_* together */
    void *scratch;
};
struct tape {
    node *at;
    int count, capacity;
};
void tape_free(tape *t);
/* Runs the op (RUN) or counts it (MEASURE), records it when needed, returns n.out. For op files only. */
tensor *cx_apply(cx *c, node n);
/* Gradients of the scalar `loss` into the grad of every tensor that wants one; seed is d(loss)/d(loss), usually 1 (1/accumulation steps).
 * Parameters must come with grad allocated; activations get theirs from the arena. An output's values and gradient are freed (NULL) as soon as its
 * node is through, those of `loss` excepted. In MEASURE it counts the memory. */
void tape_backward(cx *c, tensor *loss, float seed);

/* ---- linear (op_linear.c) ---- */

/* y (n, o) = x (n, i) w(o, i)^T + b (o): w of any weight type, b NULL or f32. Backward to w only for floats, its gradient is f32. */
tensor *op_linear(cx *c, tensor *x, tensor *w, tensor *b);

/* ---- elementwise (op_elem.c) ---- */

tensor *op_add(cx *c, tensor *a, tensor *b); /* b may have fewer rows: row r of a meets row r % rows(b) */
tensor *op_scale(cx *c, tensor *x, float s);
tensor *op_scale_exp(cx *c, tensor *x, tensor *log_scale); /* x * exp(log_scale), a scalar parameter (CLIP's logit_scale) */
/* Column j times gain[j] / length[j]; length is a constant without a gradient, never 0 (DoRA). */
tensor *op_cols_scale(cx *c, tensor *x, tensor *gain, tensor *length);
tensor *op_swiglu(cx *c, tensor *gate, tensor *up); /* silu(gate) * up */
typedef enum { ACT_SILU, ACT_GELU_ERF, ACT_GELU_TANH, ACT_GELU_QUICK, ACT_RELU, ACT_COUNT } activation;
tensor *op_act(cx *c, tensor *x, activation a);          /* the gelus and relu; ACT_SILU only inside op_swiglu */
bool activation_find(const char *name, activation *out); /* "gelu", "quick_gelu", "gelu_pytorch_tanh", "silu" ... as configs spell them */

/* ---- normalisation (op_norm.c): statistics in f32 over the last dimension ---- */

tensor *op_rmsnorm(cx *c, tensor *x, tensor *w,
                   float eps); /* any number of rows per w: (.., w columns) groups, so q/k norm per head works */
tensor *op_layernorm(cx *c, tensor *x, tensor *w, tensor *b, float eps); /* biased variance */
tensor *op_l2norm(cx *c, tensor *x);                                     /* every row divided by its length */

/* ---- rows (op_rows.c) ---- */

/* out row r = table[index[r]]: embeddings (any weight type) and gathers. `index` is copied. Out-of-range indices are programmers' mistakes. */
tensor *op_rows_get(cx *c, tensor *table, const int *index, int n);
/* out row r = index[r] >= 0 ? a[index[r]] : b[-1 - index[r]]: visual rows over their slots, class tokens before patches. */
tensor *op_rows_join(cx *c, tensor *a, tensor *b, const int *index, int n);
/* out row r = sum over its `count` taps of weight * row, rows numbered as in op_rows_join; one tap of weight 1 is a copy, none gives zeros. A map of rows is
 * unfolded, cut and resampled so in one op. `rows` is copied; b may be NULL. */
enum { ROW_BLEND_MAX = 4 };
typedef struct {
    int count, index[ROW_BLEND_MAX];
    float weight[ROW_BLEND_MAX];
} row_blend;
tensor *op_rows_blend(cx *c, tensor *a, tensor *b, const row_blend *rows, int n);
/* out row r = mean of the rows [sum of counts before r, + counts[r]): sentences from tokens. `counts` is copied; each is above 0. */
tensor *op_rows_mean(cx *c, tensor *x, const int *counts, int n);
/* out row r = row r of a, then row r of b. */
tensor *op_cols_join(cx *c, tensor *a, tensor *b);
/* (B,3,H,W) pixels to (B * H/p * W/p, 3 p p) patches in raster order, columns (channel, y, x) as a convolution's weight; edge pixels beyond a whole patch are unused. */
tensor *op_patches(cx *c, tensor *pixels, int patch);

/* Sequences of `tokens` rows each, (B * tokens, C), to what a convolution along them sees (op_taps.c): (B * ((tokens - 1) / stride + 1), C taps), columns
 * (channel, tap) as the convolution's weight; taps is odd, zeros stand beyond both ends. */
tensor *op_taps(cx *c, tensor *x, int tokens, int taps, int stride);

/* ---- rotary positions (op_rope.c) ---- */

/* cos and sin for n positions: (n, head_dim) = [cos half | sin half]; angle = position * inv_freq in f32, both times `factor` (YaRN). */
tensor *rope_table(cx *c, const int *position, int n, const float *inv_freq, int head_dim, float factor);
/* Positions of several axes, (n, axes): frequency i turns with the position on axis[i] (head_dim / 2 of them, each below axes). */
tensor *rope_table_axes(cx *c, const int *position, int axes, int n, const unsigned char *axis, const float *inv_freq, int head_dim,
                        float factor);
/* Rotates pairs (i, i + head_dim/2) of every head, as rotate_half in transformers. */
tensor *op_rope(cx *c, tensor *x, tensor *table);

/* ---- attention (op_attn.c) ---- */

/* Query rows [q_first, q_first + q_count) see key rows [prefix_first, + prefix_count), then [key_first, + key_count) of which, when causal, row r sees the first
 * key_count - q_count + r + 1. Keys count as one list, prefix first: that is their position order. */
typedef struct {
    int q_first, q_count, prefix_first, prefix_count, key_first, key_count;
    const tensor *keys, *values; /* where its keys live, when not in k and v: the KV cache of its sequence; no gradient */
    const tensor *prefix_keys,
        *prefix_values; /* where its prefix lives, when not with its keys: a cache that several sequences go on from */
} attn_seg;
typedef struct {
    int head_count, kv_head_count, head_dim;
    float scale;
    bool causal;
    int window;           /* > 0: a row sees only its last `window` visible keys */
    const attn_seg *segs; /* copied */
    int seg_count;
} attn_spec;
/* q (n, H d), k and v (m, K d), out (n, H d). Softmax in f32, keys in order: the result of a row depends on nothing but its q and its visible keys.
 * Backward recomputes the probabilities: no buffer of size T^2 survives the op. */
tensor *op_attn(cx *c, tensor *q, tensor *k, tensor *v, const attn_spec *s);
/* Copies rows [first, first + count) of x into rows [at, ..) of a cache tensor (no gradient): the KV cache grows. */
void op_rows_store(cx *c, tensor *cache, int at, const tensor *x, int first, int count);

/* ---- loss (op_loss.c) ---- */

/* The distribution a row's loss looks at, and what is told of it. All zero: the softmax of the logits, nothing. */
typedef struct {
    double temperature; /* logits are divided by it; 0: 1 */
    const int *banned;  /* ids that have no probability; borrowed until the backward pass */
    int banned_count;
    float *logprob, *entropy; /* (n) of the labelled rows: of the label; of the distribution, in nats. NULL: not wanted */
    /* (n), with logprob only: slopes of the loss by the rows' entropies, which backward reads when the caller knows them. NULL: none */
    const float *entropy_slope;
    /* > 0, without logprob: the backward pass will start from this seed. With a tape the gradients of h and w are then made together with the loss, so that the
     * logits are not computed twice. The same bits. */
    float seed;
} xent_opts;

/* Weighted cross entropy of the output layer, fused and in chunks so that no (n, V) buffer exists:
 * loss = sum_r weight[r] * -log softmax(h_r w^T)[label[r]]; rows with label < 0 count nothing. opts may be NULL. w of floats for a gradient to it.
 * With opts.logprob, weight is borrowed and read again in backward: a loss that is another function of the log-probabilities puts its negative slopes there before. */
tensor *op_linear_xent(cx *c, tensor *h, tensor *w, const int *label, const float *weight, int n, const xent_opts *opts);
/* Log-probability of an id under logits z (V), which are spent; the very number opts.logprob would hold for a row with these logits. */
float logits_logprob(const kernels *k, float *z, int V, int id, const xent_opts *o);
/* The same from ready logits (n, V). */
tensor *op_xent(cx *c, tensor *logits, const int *label, const float *weight, int n);

#endif
