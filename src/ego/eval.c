/* eval.c - a memory against questions with sealed answers. Only an ego_question (question, type, options) goes to whoever answers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ego/ego_int.h"

enum { TYPES_MAX = 16, BUCKETS = 4, KS = 4, SLACK = 30 * EGO_SECOND };
static const int ks[KS] = {1, 3, 5, 10};
static const char *const bucket_names[BUCKETS] = {"<2h", "2-6h", "6-24h", ">24h"};

typedef struct {
    int right, count;
} tally;

typedef struct {
    const char *type[TYPES_MAX];
    tally of_type[TYPES_MAX], of_bucket[BUCKETS], heard[2], all, trap;
    int types, with_targets, abstained, errors;
    int hit[KS], proved, cited,
        cited_right; /* hit: of rows returned; cited_right: cited rows that lie on a target; proved: questions with one */
    int future, controlled, future_in_control, changed; /* of traps */
    VEC(double) ms;
} score;

static void count(tally *t, bool right) { t->count++, t->right += right; }

static int bucket_of(int64_t span) {
    return span < 2 * (int64_t)EGO_HOUR ? 0 : span < 6 * (int64_t)EGO_HOUR ? 1 : span < 24 * (int64_t)EGO_HOUR ? 2 : 3;
}

static int type_of(score *s, const char *name) {
    for (int i = 0; i < s->types; i++)
        if (!strcmp(s->type[i], name)) return i;
    if (s->types < TYPES_MAX) s->type[s->types++] = name;
    return s->types - 1;
}

static bool on_target(const ego_qa *q, const ego_hit *h) {
    for (int k = 0; k < q->targets.count; k++)
        if (h->t1 + SLACK >= q->targets.at[k].from && h->t0 - SLACK <= q->targets.at[k].to) return true;
    return false;
}

/* The first row that lies on a target, -1 none; *on: how many do. */
static int first_on_target(const ego_qa *q, const ego_hits *h, int *on) {
    int first = -1;
    *on = 0;
    for (int i = 0; i < h->count; i++) {
        if (!on_target(q, &h->at[i])) continue;
        if (first < 0) first = i;
        ++*on;
    }
    return first;
}

static void judge_proof(score *s, const ego_qa *q, const ego_answer *a) {
    int on, first = first_on_target(q, &a->proof, &on);
    s->with_targets++;
    s->proved += first >= 0;
    s->cited += a->proof.count, s->cited_right += on;
    first = first_on_target(q, &a->returned, &on);
    for (int k = 0; k < KS; k++) s->hit[k] += first >= 0 && first < ks[k];
}

static void judge(score *s, const ego_qa *q, const ego_answer *a) {
    bool right = a->choice == q->answer;
    count(&s->all, right);
    count(&s->of_type[type_of(s, q->type)], right);
    count(&s->of_bucket[bucket_of(q->certificate)], right);
    count(&s->heard[q->need_audio], right);
    s->abstained += a->abstain;
    if (q->targets.count) judge_proof(s, q, a);
    if (q->future >= 0) s->trap.count++, s->future += a->choice == q->future;
}

/* What the target times hold, and nothing else. */
static lmm_status ask_oracle(ego_view *v, const ego_qa *q, const ego_question *x, const ego_eval_opts *o, ego_answer *out) {
    ego *e = ego_view_store(v);
    ego_hits h = {0};
    lmm_status st = LMM_OK;
    for (int d = 0; !st && d < e->docs.count; d++) {
        bool inside = false;
        for (int k = 0; k < q->targets.count && !inside; k++)
            inside = e->docs.at[d].t1 >= q->targets.at[k].from && e->docs.at[d].t0 <= q->targets.at[k].to;
        if (inside && ego_view_sees(v, d)) st = ego_view_hit(v, d, 0, &h);
    }
    if (!st) st = ego_read(v, x, &h, o->encoder, out);
    ego_hits_free(&h);
    return st;
}

static lmm_status ask(ego_view *v, const ego_qa *q, const ego_eval_opts *o, lmm_session *reader, ego_answer *out) {
    ego_question x = {.question = q->question, .type = q->type, .option_count = 4};
    for (int k = 0; k < 4; k++) x.options[k] = q->options[k];
    if (lmm_cancelled()) return LMM_FAIL(LMM_E_CANCELLED, "stopped before all questions were asked");
    lmm_status st = o->oracle ? ask_oracle(v, q, &x, o, out) : ego_ask(v, &x, o->system, o->encoder, out);
    return st || !reader ? st : ego_weigh_options(reader, o->reader, v, &x, out);
}

static lmm_status one(ego *e, const ego_qa *q, const ego_eval_opts *o, lmm_session *reader, ego_answer *out) {
    ego_view *v;
    lmm_status st = ego_view_open(&v, e, o->wearer, q->query_time);
    if (st) return st;
    st = ask(v, q, o, reader, out);
    ego_view_close(v);
    return st;
}

static void put_sample(buf *b, const ego_qa *q, const ego_answer *a) {
    int on, first = first_on_target(q, &a->returned, &on);
    buf_printf(b,
               "{\"id\": \"%s\", \"operator\": \"%s\", \"choice\": %d, \"answer\": %d, \"confidence\": %.3f, \"first_hit\": %d, "
               "\"rows\": %d, \"cited\": [",
               q->id, ego_op_name(a->op), a->choice, q->answer, a->confidence, first, a->proof.count);
    for (int i = 0; i < a->proof.count && i < 10; i++)
        buf_puts(b, i ? ", " : ""), json_quote(b, a->proof.at[i].text, strlen(a->proof.at[i].text));
    buf_puts(b, "]}\n");
}

/* ---- leaks: traps asked again of a memory that ends at their time ---- */

static int by_query_time(const void *a, const void *b) {
    const ego_qa *x = *(const ego_qa *const *)a, *y = *(const ego_qa *const *)b;
    return (x->query_time > y->query_time) - (x->query_time < y->query_time);
}

static lmm_status control_one(score *s, ego *e, ego_control *c, const ego_qa *q, const ego_eval_opts *o, lmm_session *reader) {
    ego_view *v;
    ego_answer a = {.choice = -1}, b = {.choice = -1};
    lmm_status st = ego_control_view(c, q->query_time, &v);
    if (st) return st;
    st = ask(v, q, o, reader, &b);
    ego_view_close(v);
    if (!st) st = one(e, q, o, reader, &a);
    s->controlled++;
    s->future_in_control += b.choice == q->future;
    s->changed += a.choice != b.choice || a.proof.count != b.proof.count;
    ego_answer_free(&a), ego_answer_free(&b);
    return st;
}

static lmm_status control(score *s, ego *e, const ego_qas *q, int n, const ego_eval_opts *o, lmm_session *reader) {
    const ego_qa **traps = mem_new((size_t)n + 1, sizeof *traps);
    int count = 0;
    for (int i = 0; i < n; i++)
        if (q->at[i].future >= 0) traps[count++] = &q->at[i];
    if (count) qsort(traps, (size_t)count, sizeof *traps, by_query_time);
    ego_control *c = NULL;
    lmm_status st = ego_control_open(&c, e, o->wearer, o->encoder);
    progress *bar = st || o->quiet ? NULL : progress_new("control", count, "traps");
    for (int i = 0; !st && i < count; i++) {
        st = control_one(s, e, c, traps[i], o, reader);
        if (bar) progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    ego_control_close(c);
    free(traps);
    return st;
}

/* ---- the report ---- */

static double percent(const tally *t) { return t->count ? 100.0 * t->right / t->count : 0; }

static void put_tally(buf *b, const char *name, const tally *t) {
    buf_printf(b, "\"%s\": {\"accuracy\": %.2f, \"right\": %d, \"n\": %d}", name, percent(t), t->right, t->count);
}

/* Wilson's interval of 95 %. */
static void put_interval(buf *b, const tally *t) {
    double n = t->count, p = n > 0 ? t->right / n : 0, z = 1.96, d = 1 + z * z / n, mid = (p + z * z / (2 * n)) / d,
           half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d;
    if (n > 0) buf_printf(b, ", \"ci95\": [%.2f, %.2f]", 100 * (mid - half), 100 * (mid + half));
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put_proof(buf *b, const score *s) {
    double n = s->with_targets ? s->with_targets : 1;
    for (int k = 0; k < KS; k++) buf_printf(b, ", \"hit@%d\": %.4f", ks[k], s->hit[k] / n);
    buf_printf(b, ", \"cited_hit\": %.4f, \"cited\": %.2f, \"citation_precision\": %.4f, \"with_targets\": %d", s->proved / n, s->cited / n,
               s->cited ? (double)s->cited_right / s->cited : 0, s->with_targets);
}

static void put_traps(buf *b, const score *s) {
    buf_printf(b, ", \"traps\": %d, \"future_chosen\": %d", s->trap.count, s->future);
    if (s->controlled)
        buf_printf(b, ", \"future_chosen_in_control\": %d, \"answers_changed_by_control\": %d, \"leak_index\": %.2f", s->future_in_control,
                   s->changed, 100.0 * (s->future - s->future_in_control) / s->controlled);
}

static char *report_of(score *s, const ego_eval_opts *o) {
    buf b = {0};
    double macro = 0;
    for (int i = 0; i < s->types; i++) macro += percent(&s->of_type[i]) / s->types;
    buf_printf(&b, "{\"system\": \"%s\", \"n\": %d, \"right\": %d, \"micro\": %.2f, \"macro\": %.2f",
               o->oracle ? "oracle" : ego_system_name(o->system), s->all.count, s->all.right, percent(&s->all), macro);
    put_interval(&b, &s->all);
    buf_puts(&b, ", \"types\": {");
    for (int i = 0; i < s->types; i++) buf_puts(&b, i ? ", " : ""), put_tally(&b, s->type[i], &s->of_type[i]);
    buf_puts(&b, "}, \"certificate\": {");
    for (int i = 0; i < BUCKETS; i++) buf_puts(&b, i ? ", " : ""), put_tally(&b, bucket_names[i], &s->of_bucket[i]);
    buf_puts(&b, "}, \"need_audio\": {");
    put_tally(&b, "no", &s->heard[0]), buf_puts(&b, ", "), put_tally(&b, "yes", &s->heard[1]);
    buf_puts(&b, "}");
    put_proof(&b, s);
    put_traps(&b, s);
    buf_printf(&b, ", \"abstained\": %d, \"errors\": %d", s->abstained, s->errors);
    if (s->ms.count) {
        qsort(s->ms.at, (size_t)s->ms.count, sizeof *s->ms.at, ascending);
        buf_printf(&b, ", \"ms_p50\": %.2f, \"ms_p95\": %.2f", s->ms.at[s->ms.count / 2], s->ms.at[(int)(0.95 * (s->ms.count - 1))]);
    }
    buf_puts(&b, "}");
    return buf_take(&b);
}

/* A question that fails counts as wrong and as an error; being stopped ends all. */
lmm_status ego_eval(ego *e, const ego_qas *q, const ego_eval_opts *o, char **report) {
    score s = {0};
    int n = o->limit && o->limit < q->count ? o->limit : q->count;
    lmm_session *reader = NULL;
    lmm_status st = o->reader ? lmm_session_open(&reader, o->reader, &(lmm_session_opts){0}) : LMM_OK;
    if (st) return st;
    progress *bar = o->quiet ? NULL : progress_new("eval", n, "questions");
    for (int i = 0; i < n && !st; i++) {
        ego_answer a = {.choice = -1};
        double start = time_now();
        lmm_status asked = one(e, &q->at[i], o, reader, &a);
        if (asked == LMM_E_CANCELLED) st = asked;
        s.errors += asked != LMM_OK;
        VEC_PUSH(&s.ms, (time_now() - start) * 1000);
        judge(&s, &q->at[i], &a);
        if (o->samples) put_sample(o->samples, &q->at[i], &a);
        ego_answer_free(&a);
        if (bar) progress_set(bar, i + 1, NULL);
    }
    progress_free(bar);
    if (!st && o->control) st = control(&s, e, q, n, o, reader);
    lmm_session_close(reader);
    if (!st) *report = report_of(&s, o);
    free(s.ms.at);
    return st;
}
