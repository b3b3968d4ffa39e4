/* optim.c - AdamW with decoupled weight decay, bias corrected, as torch.optim.AdamW orders its arithmetic; and as AnyPrecisionAdamW does in bf16. States of 8 bits
 * are optim_8bit.c's.
 *
 * Values are cut into chunks of fixed size; norms are summed per chunk in f64, then in chunk order: the same bits for any number of threads and
 * ranks. A rank's share of a parameter is a run of whole chunks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

enum { CHUNK = 1 << 14, LANES = 8 };

lmm_status optim_open(optim *o, pool *p, double beta1, double beta2, double eps) {
    *o = (optim){.beta1 = beta1, .beta2 = beta2, .eps = eps, .pool = p};
    return LMM_OK;
}

static int64_t chunk_count(const tensor *t) { return (tensor_count(t) + CHUNK - 1) / CHUNK; }

/* Where rank r's share of a parameter begins. */
static int64_t share_first(const tensor *t, int rank, int ranks) { return min_i64(chunk_count(t) * rank / ranks * CHUNK, tensor_count(t)); }

static void shares(int64_t *first, const optim *o, const tensor *t) {
    int ranks = dist_count(o->world);
    for (int r = 0; r <= ranks; r++) first[r] = share_first(t, r, ranks);
}

static void slot_free(optim_slot *s) {
    free(s->m);
    free(s->v);
    free(s->lost);
    free(s->m_scale);
    free(s->v_scale);
}

int64_t optim_blocks(int64_t n) { return (n + OPTIM_BLOCK - 1) / OPTIM_BLOCK; }

int optim_states(const optim_slot *s, optim_state out[OPTIM_STATES_MAX]) {
    const int64_t n = s->last - s->first, whole = tensor_count(&s->p->t), block = s->first / OPTIM_BLOCK;
    const dtype type = s->m_scale ? DT_U8 : s->p->t.type;
    int count = 0;
    out[count++] = (optim_state){'m', type, s->m, s->first, n, whole};
    out[count++] = (optim_state){'v', type, s->v, s->first, n, whole};
    if (s->lost) out[count++] = (optim_state){'c', type, s->lost, s->first, n, whole};
    if (s->m_scale) out[count++] = (optim_state){'a', DT_F32, s->m_scale, block, optim_blocks(n), optim_blocks(whole)};
    if (s->m_scale) out[count++] = (optim_state){'b', DT_F32, s->v_scale, block, optim_blocks(n), optim_blocks(whole)};
    return count;
}

lmm_status optim_add(optim *o, param *p, double lr_scale, double weight_decay) {
    LMM_ASSERT(p->owned && p->grad_owned, "'%s' is not trainable", p->name);
    int rank = dist_rank(o->world), ranks = dist_count(o->world);
    optim_slot s = {.p = p, .lr_scale = lr_scale, .weight_decay = weight_decay};
    s.first = share_first(&p->t, rank, ranks), s.last = share_first(&p->t, rank + 1, ranks);
    const bool codes = o->m_map && p->t.type == DT_F32 && tensor_count(&p->t) >= OPTIM_8BIT_MIN;
    const size_t n = (size_t)(s.last - s.first), size = n * (codes ? 1 : dtype_size(p->t.type)),
                 scales = (size_t)optim_blocks((int64_t)n) * sizeof(float);
    lmm_status st = mem_try(&s.m, size, "optimizer state");
    if (!st) st = mem_try(&s.v, size, "optimizer state");
    if (!st && p->t.type == DT_BF16) st = mem_try(&s.lost, size, "optimizer state");
    if (!st && codes) st = mem_try((void **)&s.m_scale, scales, "optimizer state");
    if (!st && codes) st = mem_try((void **)&s.v_scale, scales, "optimizer state");
    if (st) return slot_free(&s), st;
    VEC_PUSH(&o->slots, s);
    return LMM_OK;
}

size_t optim_size(const optim *o) {
    size_t size = 0;
    optim_state states[OPTIM_STATES_MAX];
    for (int i = 0; i < o->slots.count; i++)
        for (int k = optim_states(&o->slots.at[i], states); k-- > 0;) size += (size_t)states[k].count * dtype_size(states[k].type);
    return size;
}

void optim_close(optim *o) {
    for (int i = 0; i < o->slots.count; i++) slot_free(&o->slots.at[i]);
    free(o->slots.at);
    state_map_free(o->m_map);
    state_map_free(o->v_map);
    *o = (optim){0};
}

/* ---- norm ---- */

typedef struct {
    const float *g;
    double *sum;
    int64_t n;
    double norm;
} norm_job;

/* What one more part adds to a norm under way; of norm 2 parts are squares. */
static double norm_join(double norm_, double s, double part) { return isinf(norm_) ? fmax(s, part) : s + part; }

/* In interleaved parts, which a processor adds side by side. */
static double sum_squares(const float *g, int64_t n) {
    double part[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) part[l] += (double)g[i + l] * (double)g[i + l];
    for (; i < n; i++) part[i % LANES] += (double)g[i] * (double)g[i];
    for (int l = 0; l < LANES; l++) sum += part[l];
    return sum;
}

static double sum_chunk(const float *g, int64_t n, double norm_) {
    double s = 0;
    if (norm_ != 1 && !isinf(norm_)) return sum_squares(g, n);
    for (int64_t i = 0; i < n; i++) s = norm_join(norm_, s, fabs((double)g[i]));
    return s;
}

static void norm_chunk(void *arg, int64_t first, int64_t last, int thread) {
    const norm_job *j = arg;
    (void)thread;
    for (int64_t ch = first; ch < last; ch++) j->sum[ch] = sum_chunk(j->g + ch * CHUNK, min_i64(CHUNK, j->n - ch * CHUNK), j->norm);
}

/* Sums of squares of this rank's chunks of one parameter; `sums` has a place for every chunk of it. */
static void norm_share(const optim *o, const optim_slot *s, double *sums) {
    norm_job j = {s->p->t.grad + s->first, sums + s->first / CHUNK, s->last - s->first, o->norm};
    parallel_for(o->pool, (j.n + CHUNK - 1) / CHUNK, 1, norm_chunk, &j);
}

/* Every rank fills a row of its own; of a chunk only its owner's row is not zero, so adding the rows is exact. */
static lmm_status norm_over_ranks(const optim *o, double *length) {
    int64_t chunks = 0, at = 0;
    int ranks = dist_count(o->world);
    for (int i = 0; i < o->slots.count; i++) chunks += chunk_count(&o->slots.at[i].p->t);
    double *rows, total = 0;
    lmm_status st = mem_try((void **)&rows, (size_t)chunks * (size_t)ranks * sizeof *rows, "sums of squares");
    if (st) return st;
    double *own = rows + chunks * dist_rank(o->world);
    for (int i = 0; i < o->slots.count; i++) {
        norm_share(o, &o->slots.at[i], own + at);
        at += chunk_count(&o->slots.at[i].p->t);
    }
    st = dist_share(o->world, rows, (size_t)chunks * sizeof *rows);
    for (int64_t c = 0; c < chunks; c++) {
        double sum = 0;
        for (int r = 0; r < ranks; r++) sum = norm_join(o->norm, sum, rows[chunks * r + c]);
        total = norm_join(o->norm, total, sum);
    }
    free(rows);
    *length = o->norm == 1 || isinf(o->norm) ? total : sqrt(total);
    return st;
}

lmm_status optim_reduce(optim *o, double *length) {
    int64_t *first = mem_new((size_t)dist_count(o->world) + 1, sizeof *first);
    lmm_status st = LMM_OK;
    for (int i = 0; i < o->slots.count && !st; i++) {
        const tensor *t = &o->slots.at[i].p->t;
        shares(first, o, t);
        st = dist_sum(o->world, t->grad, first);
    }
    free(first);
    return st ? st : norm_over_ranks(o, length);
}

/* ---- step ---- */

adamw_rule adamw_rule_of(const optim *o, const optim_slot *s, double rate, double grad_scale) {
    double correct1 = 1.0 - pow(o->beta1, (double)o->step), correct2 = 1.0 - pow(o->beta2, (double)o->step);
    return (adamw_rule){.beta2 = (float)o->beta2,
                        .gain1 = (float)(1.0 - o->beta1), /* 1 - 0.999f is off by 5e-5 */
                        .gain2 = (float)(1.0 - o->beta2),
                        .keep = (float)(1.0 - rate * s->weight_decay),
                        .rate = (float)(rate / correct1),
                        .root = (float)sqrt(correct2),
                        .eps = (float)o->eps,
                        .scale = (float)grad_scale};
}

void adamw_step(const adamw_rule *rule, float *restrict p, float *restrict g, float *restrict m, float *restrict v, int64_t n) {
    const adamw_rule j = *rule;
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * j.scale;
        m[i] += (d - m[i]) * j.gain1;
        v[i] = v[i] * j.beta2 + d * d * j.gain2;
        p[i] = p[i] * j.keep - j.rate * (m[i] / (sqrtf(v[i]) / j.root + j.eps));
        g[i] = 0.0f;
    }
}

typedef struct {
    float *p, *g, *m, *v;
    adamw_rule rule;
} f32_job;

static void f32_range(void *arg, int64_t first, int64_t last, int thread) {
    const f32_job *j = arg;
    (void)thread;
    adamw_step(&j->rule, j->p + first, j->g + first, j->m + first, j->v + first, last - first);
}

static void update_f32(const optim *o, const optim_slot *s, double rate, double grad_scale) {
    f32_job j = {(float *)s->p->t.data + s->first, s->p->t.grad + s->first, s->m, s->v, adamw_rule_of(o, s, rate, grad_scale)};
    parallel_for(o->pool, s->last - s->first, CHUNK, f32_range, &j);
}

/* ---- step in bf16 ---- */

typedef struct {
    uint16_t *p, *m, *v, *lost;
    float *g, beta1, beta2, gain1, gain2, keep, rate, root, eps, scale;
} bf16_job;

static float rounded(float x) { return bf16_to_f32(f32_to_bf16(x)); }

static void bf16_range(void *arg, int64_t first, int64_t last, int thread) {
    const bf16_job j = *(const bf16_job *)arg;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        float d = rounded(j.g[i] * j.scale), p = rounded(bf16_to_f32(j.p[i]) * j.keep);
        float m = rounded(rounded(bf16_to_f32(j.m[i]) * j.beta1) + rounded(j.gain1 * d)),
              v = rounded(rounded(bf16_to_f32(j.v[i]) * j.beta2) + j.gain2 * d * d);
        float root = rounded(rounded(rounded(sqrtf(v)) / j.root) + j.eps), due = rounded(bf16_to_f32(j.lost[i]) - j.rate * m / root);
        float next = rounded(p + due);
        j.m[i] = f32_to_bf16(m), j.v[i] = f32_to_bf16(v), j.p[i] = f32_to_bf16(next);
        j.lost[i] = f32_to_bf16(due + rounded(p - next));
        j.g[i] = 0.0f;
    }
}

static void update_bf16(const optim *o, const optim_slot *s, double rate, double grad_scale) {
    bf16_job j = {.p = (uint16_t *)s->p->t.data + s->first,
                  .m = s->m,
                  .v = s->v,
                  .lost = s->lost,
                  .g = s->p->t.grad + s->first,
                  .beta1 = (float)o->beta1,
                  .beta2 = (float)o->beta2,
                  .eps = (float)o->eps,
                  .scale = (float)grad_scale};
    j.gain1 = rounded((float)(1.0 - o->beta1)); /* torch's add takes its factor in the tensor's type, addcmul in f32 */
    j.gain2 = (float)(1.0 - o->beta2);
    j.keep = (float)(1.0 - rate * s->weight_decay);
    j.rate = (float)rate / (1.0f - powf(j.beta1, (float)o->step)), j.root = sqrtf(1.0f - powf(j.beta2, (float)o->step));
    parallel_for(o->pool, s->last - s->first, CHUNK, bf16_range, &j);
}

lmm_status optim_step(optim *o, double lr, double grad_scale) {
    o->step++;
    int64_t *first = mem_new((size_t)dist_count(o->world) + 1, sizeof *first);
    lmm_status st = LMM_OK;
    for (int i = 0; i < o->slots.count && !st; i++) {
        const optim_slot *s = &o->slots.at[i];
        const tensor *t = &s->p->t;
        (s->lost ? update_bf16 : s->m_scale ? update_8bit : update_f32)(o, s, lr * s->lr_scale, grad_scale);
        if (s->last - s->first < tensor_count(t)) /* others' shares; its own is zero by now */
            memset(t->grad, 0, (size_t)tensor_count(t) * sizeof *t->grad);
        shares(first, o, t);
        st = dist_spread(o->world, t->data, dtype_size(t->type), first);
    }
    free(first);
    return st;
}
