/* generate.c - answers of several sessions together: sample, stream, stop, step. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* One sequence being answered. */
typedef struct {
    lmm_session *s;
    int index;
    rng r;
    token_stream stream;
    buf text;     /* all text so far, stop text cut off */
    size_t given; /* bytes of it already handed out */
    id_list ids;
    VEC(float) logprobs;
    lmm_finish finish;
    bool done;
} sequence;

typedef struct {
    const lmm_gen_opts *o;
    lmm_text_fn on_text;
    void *arg;
    int max_tokens;
} generation;

static bool is_eos(const lmm_model *m, const lmm_gen_opts *o, int id) {
    if (!o->eos) return model_ends(m, id);
    for (int i = 0; i < o->eos_count; i++)
        if (o->eos[i] == id) return true;
    return false;
}

/* Where the first stop text begins, or the size of the text. */
static size_t find_stop(const buf *text, const lmm_gen_opts *o, bool *found) {
    size_t at = text->size;
    for (int i = 0; i < o->stop_count && text->size; i++) {
        const char *hit = o->stop[i][0] ? strstr(text->data, o->stop[i]) : NULL;
        if (hit && (size_t)(hit - text->data) < at) at = (size_t)(hit - text->data), *found = true;
    }
    return at;
}

/* Bytes at the end that may be the beginning of a stop text and must wait. */
static size_t held_back(const buf *text, const lmm_gen_opts *o) {
    size_t held = 0;
    for (int i = 0; i < o->stop_count; i++)
        for (size_t n = strlen(o->stop[i]); n > held; n--)
            if (n <= text->size && !memcmp(text->data + text->size - n, o->stop[i], n)) held = n;
    return held;
}

static bool deliver(const generation *g, sequence *q, size_t upto) {
    bool more = true;
    if (g->on_text && upto > q->given) more = g->on_text(g->arg, q->index, q->text.data + q->given, upto - q->given);
    if (upto > q->given) q->given = upto;
    return more;
}

static void finish(const generation *g, sequence *q, lmm_finish why) {
    bool stopped = false;
    if (!token_stream_end(&q->stream, q->s->model->tok, &q->text)) q->text.size = find_stop(&q->text, g->o, &stopped);
    if (q->text.data) q->text.data[q->text.size] = '\0';
    deliver(g, q, q->text.size);
    q->finish = stopped ? LMM_FINISH_STOP : why;
    q->done = true;
}

/* No room for another row: in the cache, or in what the model was trained for. */
static bool is_full(const lmm_session *s) {
    return s->keys.count + 1 >= s->context || s->keys.count + s->position_ahead + 1 >= s->model->net->dec.config.context;
}

/* Takes one sampled id into the answer; decides whether the sequence goes on. */
static lmm_status accept(const generation *g, sequence *q, int id) {
    VEC_PUSH(&q->ids, id);
    if (is_eos(q->s->model, g->o, id)) return finish(g, q, LMM_FINISH_STOP), LMM_OK;
    lmm_status st;
    if (!g->on_text && !g->o->stop_count) token_stream_hold(&q->stream, id); /* to spell all at the end is quicker than piece by piece */
    else if ((st = token_stream_push(&q->stream, q->s->model->tok, id, &q->text))) return st;
    bool stopped = false;
    size_t end = find_stop(&q->text, g->o, &stopped);
    if (stopped) q->text.size = end, q->text.data[end] = '\0';
    size_t ready = stopped ? end : q->text.size - held_back(&q->text, g->o);
    if (!deliver(g, q, ready)) finish(g, q, LMM_FINISH_CANCELLED);
    else if (stopped) q->finish = LMM_FINISH_STOP, q->done = true;
    else if (q->ids.count >= g->max_tokens || is_full(q->s)) finish(g, q, LMM_FINISH_LENGTH);
    return LMM_OK;
}

/* ---- drawing: sequences are independent, each has its own random stream ---- */

typedef struct {
    const generation *g;
    sequence *q;
    const int *live; /* numbers of the sequences that go on */
    int *next;       /* what each of them says next */
    int vocab;
    candidates *scratch; /* one a thread */
} draw_job;

/* Its log-probability, from the logits it was drawn from. */
static void note_logprob(const generation *g, sequence *q, int id, int vocab, float *scratch) {
    if (!g->o->logprobs) return;
    const xent_opts o = {.temperature = g->o->temperature, .banned = g->o->banned, .banned_count = g->o->banned_count};
    memcpy(scratch, q->s->logits, (size_t)vocab * sizeof *scratch);
    VEC_PUSH(&q->logprobs, logits_logprob(q->s->model->runtime->k, scratch, vocab, id, &o));
}

static void draw_range(void *arg, int64_t first, int64_t last, int thread) {
    const draw_job *j = arg;
    candidates *c = &j->scratch[thread];
    for (int64_t i = first; i < last; i++) {
        sequence *q = &j->q[j->live[i]];
        j->next[i] = sample_next(q->s->logits, j->vocab, j->g->o, q->s->ids.at, q->s->ids.count, &q->r, c);
        note_logprob(j->g, q, j->next[i], j->vocab, c->logit);
    }
}

static candidates *scratch_new(int threads, int vocab) {
    candidates *c = mem_new((size_t)threads, sizeof *c);
    for (int i = 0; i < threads; i++) c[i] = candidates_new(vocab);
    return c;
}

static void scratch_free(candidates *c, int threads) {
    for (int i = 0; i < threads; i++) candidates_free(&c[i]);
    free(c);
}

/* Takes what was drawn; what goes on stays in live and next, closed up. */
static lmm_status accept_all(const generation *g, sequence *q, int *live, int *next, int *count) {
    int left = 0;
    for (int i = 0; i < *count; i++) {
        sequence *s = &q[live[i]];
        lmm_status st = accept(g, s, next[i]);
        if (st) return st;
        if (!s->done && lmm_cancelled()) finish(g, s, LMM_FINISH_CANCELLED);
        if (!s->done) live[left] = live[i], next[left++] = next[i];
    }
    return *count = left, LMM_OK;
}

static lmm_status run(const generation *g, sequence *q, int n, int vocab) {
    enum { GRAIN = 4096 }; /* logits a task */
    pool *p = q[0].s->model->runtime->pool;
    const int threads = pool_thread_count(p);
    candidates *scratch = scratch_new(threads, vocab);
    lmm_session **sessions = mem_new((size_t)n, sizeof *sessions);
    int *live = mem_new((size_t)n * 2, sizeof *live), *next = live + n, count = n;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n; i++) live[i] = i;
    while (!st) {
        parallel_for(p, count, max_int(1, GRAIN / vocab), draw_range, &(draw_job){g, q, live, next, vocab, scratch});
        st = accept_all(g, q, live, next, &count);
        if (st || !count) break;
        for (int i = 0; i < count; i++) sessions[i] = q[live[i]].s;
        st = sessions_step(sessions, next, count);
    }
    scratch_free(scratch, threads);
    free(sessions);
    free(live);
    return st;
}

static lmm_status check(lmm_session *const *sessions, int n, const lmm_gen_opts *o) {
    if (o->max_tokens < 0 || o->temperature < 0 || o->temperature > 100 || o->top_p < 0 || o->top_p > 1 || o->min_p < 0 || o->min_p > 1 ||
        o->repetition_penalty < 0 || o->top_k < 0)
        return LMM_FAIL(LMM_E_ARG,
                        "sampling: max_tokens, top_k, repetition_penalty >= 0, temperature in [0, 100], top_p and min_p in [0, 1]");
    for (int i = 0; i < n; i++) {
        if (!sessions[i]->logits_valid) return LMM_FAIL(LMM_E_ARG, "session %d has no prompt yet", i);
        LMM_ASSERT(sessions[i]->model == sessions[0]->model, "%s", "sessions of different models");
    }
    return LMM_OK;
}

lmm_status lmm_generate(lmm_session *const *sessions, int n, const lmm_gen_opts *opts, lmm_text_fn on_text, void *arg,
                        lmm_answer *answers) {
    lmm_gen_opts o = opts ? *opts : (lmm_gen_opts){0};
    lmm_status st = check(sessions, n, &o);
    if (st || n == 0) return st;
    generation g = {&o, on_text, arg, o.max_tokens ? o.max_tokens : 256};
    sequence *q = mem_new((size_t)n, sizeof *q);
    for (int i = 0; i < n; i++)
        q[i] = (sequence){.s = sessions[i],
                          .index = i,
                          .r = rng_make(o.seed, o.streams ? o.streams[i] : (uint64_t)i),
                          .stream.skip_special = true};
    st = run(&g, q, n, sessions[0]->model->net->dec.config.vocab);
    for (int i = 0; i < n; i++) {
        if (!st) answers[i] = (lmm_answer){buf_take(&q[i].text), q[i].ids.at, q[i].ids.count, q[i].finish, q[i].logprobs.at};
        else free(q[i].ids.at), free(q[i].logprobs.at);
        buf_free(&q[i].text);
        token_stream_free(&q[i].stream);
    }
    free(q);
    return st;
}

void lmm_answers_free(lmm_answer *answers, int n) {
    for (int i = 0; i < n; i++) {
        free(answers[i].text);
        free(answers[i].ids);
        free(answers[i].logprobs);
        answers[i] = (lmm_answer){0};
    }
}

/* ---- scoring ---- */

static double log_softmax_at(const kernels *k, const float *logits, int vocab, int id, float *scratch) {
    memcpy(scratch, logits, (size_t)vocab * sizeof *logits);
    return (double)logits[id] - (double)k->softmax(scratch, vocab, 1.0f);
}

lmm_status lmm_score(lmm_session *s, const lmm_prompt *p, const char *continuation, double *log_likelihood, bool *greedy) {
    lmm_status st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped on request") : lmm_session_sync(s, p, NULL);
    if (st) return st;
    const lmm_model *m = s->model;
    int vocab = m->net->dec.config.vocab;
    id_list ids = {0};
    if ((st = tokenizer_encode(m->tok, continuation, strlen(continuation), 0, &ids))) return free(ids.at), st;
    if (s->keys.count + ids.count >= s->context)
        st = LMM_FAIL(LMM_E_LIMIT, "prompt and continuation have %d tokens, the context holds %d", s->keys.count + ids.count, s->context);
    float *scratch = mem_new((size_t)vocab, sizeof *scratch);
    double sum = 0;
    bool all_greedy = true;
    for (int i = 0; i < ids.count && !st; i++) {
        sum += log_softmax_at(m->runtime->k, s->logits, vocab, ids.at[i], scratch);
        for (int v = 0; v < vocab; v++) all_greedy &= s->logits[v] <= s->logits[ids.at[i]];
        if (i + 1 < ids.count) st = sessions_step(&s, &ids.at[i], 1);
    }
    free(scratch);
    free(ids.at);
    if (st) return st;
    *log_likelihood = sum;
    if (greedy) *greedy = all_greedy;
    return LMM_OK;
}
