/* compare.c - two models over one text: how far apart their next-token distributions are. */
#include <math.h>
#include <stdlib.h>

#include "engine/engine.h"

enum { PIECE = 256 };

/* Log-probabilities of every row of a piece, (n, V), into out. */
static lmm_status log_probabilities(const lmm_model *m, const int *ids, int n, float *out) {
    const net *net_ = m->net;
    int64_t V = net_->dec.config.vocab;
    int position[PIECE];
    for (int i = 0; i < n; i++) position[i] = i;
    attn_seg seg = {.q_count = n, .key_count = n};
    decoder_rows r = {.n = n, .position = position, .segs = &seg, .seg_count = 1};
    arena mem = {0};
    for (cx_mode mode = CX_MEASURE;; mode = CX_RUN) {
        cx c = {.mode = mode, .mem = &mem, .k = m->runtime->k, .pool = m->runtime->pool};
        tensor *logits = decoder_logits(&c, &net_->dec, decoder_forward(&c, &net_->dec, net_embed(&c, net_, ids, n, NULL), &r));
        for (int i = 0; mode == CX_RUN && i < n; i++) {
            float *row = tensor_f32(logits) + i * V;
            double most = m->runtime->k->max(row, (int)V), sum = 0;
            for (int64_t v = 0; v < V; v++) sum += exp((double)row[v] - most);
            for (int64_t v = 0; v < V; v++) out[i * V + v] = (float)((double)row[v] - most - log(sum));
        }
        lmm_status st = c.status;
        size_t peak = mem.peak;
        cx_free(&c);
        if (mode == CX_RUN) return arena_close(&mem), st;
        if (st || (st = arena_open(&mem, peak, "activations"))) return st;
    }
}

static int largest(const float *x, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (int)best;
}

/* Row i predicts id i + 1; sums are divided at the end. */
static void add_row(lmm_divergence *d, const float *p, const float *q, int64_t V, int next) {
    double kl = 0;
    for (int64_t v = 0; v < V; v++) kl += exp((double)p[v]) * ((double)p[v] - (double)q[v]);
    d->kl_mean += kl;
    d->kl_max = fmax(d->kl_max, kl);
    d->same_top += largest(p, V) == largest(q, V);
    d->loss -= p[next], d->loss_of -= q[next];
    d->tokens++;
}

static lmm_status compare_ids(const lmm_model *m, const lmm_model *other, const id_list *ids, lmm_divergence *d) {
    int64_t V = m->net->dec.config.vocab;
    void *p = NULL, *q = NULL;
    lmm_status st = mem_try(&p, (size_t)(PIECE * V) * sizeof(float), "log-probabilities");
    if (!st) st = mem_try(&q, (size_t)(PIECE * V) * sizeof(float), "log-probabilities");
    progress *bar = progress_new("comparing", ids->count, "tokens");
    for (int at = 0; at + 1 < ids->count && !st; at += PIECE) {
        int n = min_int(PIECE, ids->count - at);
        st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped while comparing") : log_probabilities(m, ids->at + at, n, p);
        if (!st) st = log_probabilities(other, ids->at + at, n, q);
        for (int i = 0; i + 1 < n && !st; i++) add_row(d, (float *)p + i * V, (float *)q + i * V, V, ids->at[at + i + 1]);
        progress_set(bar, at + n, NULL);
    }
    progress_free(bar);
    free(p);
    free(q);
    return st;
}

lmm_status lmm_compare(const lmm_model *m, const lmm_model *other, const char *text, size_t size, lmm_divergence *out) {
    const lmm_model *pair[] = {m, other};
    for (int i = 0; i < 2; i++)
        if (!pair[i]->net->has_decoder || !pair[i]->tok) return LMM_FAIL(LMM_E_UNSUPPORTED, "'%s' predicts no text", pair[i]->path);
    if (m->net->dec.config.vocab != other->net->dec.config.vocab)
        return LMM_FAIL(LMM_E_SHAPE, "vocabularies of %d and %d tokens cannot be compared", m->net->dec.config.vocab,
                        other->net->dec.config.vocab);
    id_list ids = {0};
    lmm_divergence d = {0};
    lmm_status st = tokenizer_encode(m->tok, text, size, TOKENIZE_ADD_SPECIAL, &ids);
    if (!st && ids.count < 2) st = LMM_FAIL(LMM_E_ARG, "the text has %d tokens, two are needed to compare anything", ids.count);
    if (!st) st = compare_ids(m, other, &ids, &d);
    free(ids.at);
    if (st) return st;
    d.kl_mean /= d.tokens, d.same_top /= d.tokens, d.loss /= d.tokens, d.loss_of /= d.tokens;
    return *out = d, LMM_OK;
}
