/* trainer.c - the loop: batches of a deterministic order, accumulation, clipping, schedule, log, checkpoints, resume. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_int.h"

/* ---- one step ---- */

static void group(order *o, const trainer *t, rng *r) {
    const int items = t->samples.list.count / t->samples_each, n = t->epoch_samples.count;
    int *length = mem_new((size_t)items, sizeof *length);
    for (int i = 0; i < items; i++) {
        const sample_brief *s = &t->samples.list.at[i * t->samples_each];
        for (int k = 0; k < t->samples_each; k++) length[i] += s[k].length;
        if (t->r.group_by == GROUP_MODALITY && !s->has_media) length[i] = -length[i];
    }
    order_grouped(o->at, n, length, t->r.accumulate, t->r.batch, o->epoch * n, r);
    free(length);
}

int order_at(order *o, const trainer *t, int64_t k) {
    int n = t->epoch_samples.count;
    if (o->epoch != k / n) {
        o->epoch = k / n;
        memcpy(o->at, t->epoch_samples.at, (size_t)n * sizeof *o->at);
        rng r = rng_make(t->r.seed, 0x6f72646572u + (uint64_t)o->epoch);
        rng_shuffle(&r, o->at, n);
        if (t->r.group_by) group(o, t, &r);
    }
    return o->at[k % n];
}

lmm_status trainer_add(trainer *t, int item, int64_t k, batch *b) {
    if (t->broken[item]) return LMM_OK;
    for (int i = 0; i < t->samples_each; i++) {
        int number = item * t->samples_each + i;
        /* the answers of a pair see the picture moved alike */
        sample s;
        lmm_status st = sample_at(&t->samples, number, &s);
        if (st) return st;
        st = batch_add(b, t->model, &s, rng_make(t->r.seed ^ 0x61756767u, (uint64_t)k));
        sample_free(&s);
        if (!st) continue;
        LMM_ASSERT(i == 0, "the second sample of item %d is broken and the first is not", item);
        t->broken[item] = true;
        return sample_broken(&t->samples, &t->r, LMM_CONTEXT(st, "sample %d", number + 1));
    }
    return LMM_OK;
}

/* Shapes alone: forward and, with a tape, backward. */
static size_t measure_pass(const trainer *t, const net *n, tape *record, const batch *b, double *flops) {
    arena count = {0};
    cx m = {.mode = CX_MEASURE,
            .mem = &count,
            .tape = record,
            .recompute = t->r.recompute,
            .bf16 = t->r.bf16,
            .k = t->runtime->k,
            .pool = t->runtime->pool};
    float unread;
    tensor *loss = batch_loss(&m, n, b, t->way->learn ? &(xent_opts){.logprob = &unread} : NULL);
    if (record) tape_backward(&m, loss, 1.0f);
    if (flops) *flops = m.flops;
    cx_free(&m);
    return count.peak;
}

size_t trainer_measure(trainer *t, const batch *b, double *flops) { return measure_pass(t, t->model->net, &t->tape, b, flops); }

static lmm_status make_room(trainer *t, size_t need) {
    if (need <= t->mem.capacity) return LMM_OK;
    arena_close(&t->mem);
    return arena_open(&t->mem, need + need / 8, "activations of a training step");
}

/* The trainer's own numbers of a micro batch's rows. */
static xent_opts room_for_rows(trainer *t, int rows) {
    if (rows > t->row_count) {
        free(t->logprob);
        free(t->entropy);
        free(t->entropy_slope);
        t->entropy_slope = mem_new((size_t)rows, sizeof *t->entropy_slope);
        t->logprob = mem_new((size_t)rows, sizeof *t->logprob);
        t->entropy = mem_new((size_t)rows, sizeof *t->entropy);
        t->row_count = rows;
    }
    xent_opts o = t->view;
    o.logprob = t->logprob;
    o.entropy = t->wants_entropy ? t->entropy : NULL;
    o.entropy_slope = t->wants_entropy ? t->entropy_slope : NULL;
    memset(t->entropy_slope, 0, (size_t)t->row_count * sizeof *t->entropy_slope);
    return o;
}

lmm_status trainer_logprobs(trainer *t, const net *n, batch *b, float *out) {
    lmm_status st = make_room(t, measure_pass(t, n, NULL, b, NULL));
    if (st) return st;
    cx_mark mark = cx_here(&t->cx);
    xent_opts view = t->view;
    view.logprob = out;
    t->cx.tape = NULL;
    batch_loss(&t->cx, n, b, &view);
    t->cx.tape = &t->tape;
    cx_release(&t->cx, mark);
    return t->cx.status;
}

static lmm_status run_batch(trainer *t, batch *b, int64_t labels, micro_result *out) {
    if (!b->rows) return LMM_OK; /* all of its samples were broken */
    const xent_opts view = t->way->learn ? room_for_rows(t, b->rows) : (xent_opts){0};
    lmm_status st = make_room(t, trainer_measure(t, b, NULL));
    if (st) return st;
    if (t->way->weigh) t->way->weigh(t, b, labels);
    cx_mark mark = cx_here(&t->cx);
    tensor *loss = batch_loss(&t->cx, t->model->net, b, &view);
    out->loss = (double)tensor_f32(loss)[0];
    if (t->way->learn) st = t->way->learn(t, b, view.logprob, out);
    if (!st) tape_backward(&t->cx, loss, 1.0f);
    cx_release(&t->cx, mark);
    return st ? st : t->cx.status;
}

typedef struct {
    double loss, grad_norm, lr, metric[METRIC_MAX];
    int64_t rows, labels;
} step_report;

/* What the ranks must know of each other's micro batches before they compute. */
typedef struct {
    int64_t rows, labels;
} batch_size;

static lmm_status make_batches(trainer *t, order *o, batch *b, batch_size *sizes) {
    const int n = t->r.accumulate / dist_count(t->world), own = dist_rank(t->world) * n;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++) {
        st = t->way->make_batch(t, o, t->step * t->r.accumulate + own + i, &b[i]);
        sizes[own + i] = (batch_size){b[i].rows, b[i].label_count};
    }
    st = dist_agree(t->world, st);
    return st ? st : dist_share(t->world, sizes, (size_t)n * sizeof *sizes);
}

static lmm_status run_batches(trainer *t, batch *b, int64_t labels, micro_result *results) {
    const int n = t->r.accumulate / dist_count(t->world), own = dist_rank(t->world) * n;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++) {
        st = run_batch(t, &b[i], labels, &results[own + i]);
        if (!st) st = grad_tree_push(&t->tree, &t->opt, n);
    }
    st = dist_agree(t->world, st);
    return st ? st : dist_share(t->world, results, (size_t)n * sizeof *results);
}

static lmm_status run_micro_batches(trainer *t, order *o, step_report *out) {
    const int n = t->r.accumulate, own = n / dist_count(t->world);
    batch *b = mem_new((size_t)own, sizeof *b);
    batch_size *sizes = mem_new((size_t)n, sizeof *sizes);
    micro_result *results = mem_new((size_t)n, sizeof *results);
    lmm_status st = make_batches(t, o, b, sizes);
    int filled = 0; /* micro batches whose samples were all broken have nothing to report */
    for (int i = 0; i < n; i++) out->labels += sizes[i].labels, out->rows += sizes[i].rows, filled += sizes[i].rows > 0;
    if (!st) st = run_batches(t, b, out->labels, results);
    for (int i = 0; i < n; i++) {
        out->loss += results[i].loss;
        for (int k = 0; k < METRIC_MAX; k++) out->metric[k] += results[i].metric[k] / max_int(filled, 1);
    }
    for (int i = 0; i < own; i++) batch_free(&b[i]);
    free(results);
    free(sizes);
    free(b);
    return st;
}

static lmm_status train_step(trainer *t, order *o, step_report *out) {
    *out = (step_report){0};
    lmm_status st = t->way->begin_step ? t->way->begin_step(t, o) : LMM_OK;
    if (!st) st = run_micro_batches(t, o, out);
    if (!st) st = optim_reduce(&t->opt, &out->grad_norm);
    if (st) return st;
    if (!isfinite(out->loss) || !isfinite(out->grad_norm))
        return LMM_FAIL(LMM_E_FORMAT,
                        "step %" PRId64 ": the loss is %g and the gradient norm %g; lower the learning rate or look at the data",
                        t->step + 1, out->loss, out->grad_norm);
    out->lr = schedule_at(&t->rate, t->step);
    double scale = t->r.clip > 0 && out->grad_norm > t->r.clip ? t->r.clip / (out->grad_norm + 1e-6) : 1.0;
    st = optim_step(&t->opt, out->lr, scale);
    if (t->r.lora.dora) lora_measure(&t->model->net->params, t->runtime->k, t->runtime->pool);
    t->model->version++;
    t->step++;
    return st || !t->way->end_step ? st : t->way->end_step(t, out->metric);
}

/* ---- the loop ---- */

static void write_log(trainer *t, const step_report *s, double held, double rate, double elapsed) {
    double epoch = (double)t->step * t->r.batch * t->r.accumulate / t->epoch_samples.count;
    log_value values[8 + METRIC_MAX] =
        {{"epoch", epoch},       {"loss", s->loss},    {"lr", s->lr},      {"grad_norm", s->grad_norm}, {"labels", (double)s->labels},
         {"tokens_per_s", rate}, {"seconds", elapsed}, {"eval_loss", held}};
    int count = 8;
    const char *const *names = t->way->metrics ? t->way->metrics : t->metric_names;
    for (int k = 0; names[k]; k++) values[count++] = (log_value){names[k], s->metric[k]};
    train_log_put(t->log, t->step, values, count);
}

/* One rank may hear of it a step earlier than another: all stop when any has. */
static bool cancelled(trainer *t) {
    lmm_status mine = lmm_cancelled() ? LMM_E_CANCELLED : LMM_OK;
    return dist_agree(t->world, mine) != LMM_OK;
}

static lmm_status save_more(void *arg, const char *dir) {
    const trainer *t = arg;
    return t->way->save ? t->way->save(t, dir) : LMM_OK;
}

static lmm_status save(trainer *t) { return train_save(&t->r, t->model, &t->opt, t->text_dir, t->step, save_more, t); }

static lmm_status loop(trainer *t) {
    order o = {-1, mem_new((size_t)t->epoch_samples.count, sizeof(int))};
    progress *bar = t->quiet ? NULL : progress_new("training", t->total, "steps");
    double start = time_now(), smooth = 0;
    int64_t rows = 0, saved = t->step;
    lmm_status st = LMM_OK;
    bool inside = false; /* stopped before its step was through */
    while (t->step < t->total && !st && !cancelled(t)) {
        step_report s;
        if ((st = train_step(t, &o, &s))) break;
        rows += s.rows;
        smooth = smooth > 0 ? 0.95 * smooth + 0.05 * s.loss : s.loss;
        double elapsed = time_now() - start, rate = (double)rows / elapsed;
        char note[96];
        snprintf(note, sizeof note, "loss %.4f  lr %.2e  %.0f tokens/s", smooth, s.lr, rate);
        if (bar) progress_set(bar, t->step, note);
        double held = NAN;
        bool last = t->step == t->total, evaluates = t->r.held.every && (t->step % t->r.held.every == 0 || last);
        if (evaluates) st = held_out_measure(&t->held, t, &held);
        if (t->step % t->r.log_every == 0 || last || evaluates) write_log(t, &s, held, rate, elapsed);
        if (st) break;
        if (t->step % t->r.save_every == 0) st = save(t), saved = t->step;
    }
    progress_free(bar);
    free(o.at);
    if (st == LMM_E_CANCELLED) st = LMM_OK, inside = true;
    if (!st && (saved != t->step || inside)) st = save(t);
    if (!st && t->step < t->total)
        return LMM_FAIL(LMM_E_CANCELLED, "stopped after step %" PRId64 " of %" PRId64 "; the same command resumes", t->step, t->total);
    return st;
}

static lmm_status finish(trainer *t) {
    char *final = path_join(t->r.run, "final");
    lmm_status st = dist_rank(t->world) ? LMM_OK : train_export(t->model, t->text_dir, final);
    st = dist_agree(t->world, st);
    if (!st && !t->quiet) fprintf(stderr, "lmm: trained %" PRId64 " steps; the model is in '%s'\n", t->step, final);
    free(final);
    return st;
}

static lmm_status resume(trainer *t, bool fresh) {
    char *dir = fresh ? NULL : train_latest(t->r.run, &t->step);
    if (!dir) return t->step = 0, LMM_OK;
    lmm_status st = train_restore(dir, t->model, &t->opt);
    if (!st && t->way->restore) st = t->way->restore(t, dir);
    if (!st && !t->quiet) fprintf(stderr, "lmm: resuming from '%s'\n", dir);
    char *changed = st || dist_rank(t->world) ? NULL : train_changed(dir, &t->r);
    if (changed)
        fprintf(stderr, "lmm: '%s' was begun with another %s: it goes on with the new one; --fresh or another 'run' would begin anew\n",
                t->r.run, changed);
    free(changed);
    free(dir);
    return st;
}

static lmm_status open_log(trainer *t) { return dist_rank(t->world) ? LMM_OK : train_log_open(&t->log, t->r.run, t->step); }

/* Every rank goes through the same steps and fails with the others. */
static lmm_status prepare(trainer *t, const char *path, const char *const *overrides, int override_count, bool fresh) {
    lmm_status st = trainer_set_up(t, path, overrides, override_count);
    if (!st && t->way->prepare) st = t->way->prepare(t, fresh);
    st = dist_agree(t->world, st);
    if (!st) st = dist_agree(t->world, resume(t, fresh));
    if (!st) st = dist_agree(t->world, open_log(t));
    return st ? st : dist_agree(t->world, held_out_open(&t->held, t));
}

lmm_status lmm_train(lmm_runtime *runtime, const char *path, const char *const *overrides, int override_count, const lmm_train_opts *opts) {
    trainer t = {.runtime = runtime};
    lmm_cancel_reset();
    lmm_status st = trainer_find_algorithm(&t.way, opts && opts->algorithm ? opts->algorithm : "sft");
    if (!st) st = dist_open(&t.world, opts && opts->ranks);
    if (st) return st;
    t.quiet = dist_rank(t.world) > 0 || (opts && opts->quiet);
    st = prepare(&t, path, overrides, override_count, opts && opts->fresh);
    if (!st) {
        trainer_count_steps(&t);
        st = loop(&t);
    }
    if (!st) st = finish(&t);
    trainer_close(&t);
    return st;
}
