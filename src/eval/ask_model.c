/* ask_model.c - rows answered by a model of this engine: texts of several rows together, or the likelihood of given texts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

typedef struct {
    asking *a;
    lmm_session **sessions;
    int session_count;
} answering;

static eval_row *row_at(const answering *w, int row) { return &w->a->run->rows[row]; }

/* Logits that are no numbers would make every choice an accident. */
static lmm_status check_logits(lmm_session *s, const lmm_model *m) {
    lmm_model_info info;
    const float *x = lmm_session_logits(s);
    lmm_model_describe(m, &info);
    for (int i = 0; x && i < info.vocab; i++)
        if (!isfinite(x[i])) return LMM_FAIL(LMM_E_FORMAT, "the model's logits are not numbers (token %d: %g)", i, (double)x[i]);
    return LMM_OK;
}

/* The prompt of one row. */
static lmm_status open_prompt(lmm_prompt **out, const answering *w, const row_prompt *p) {
    buf json = {0};
    tree_write_json(&json, p->messages, 0);
    lmm_prompt_opts opts = {.video = {.frames = p->frames, .fps = w->a->o->video_fps},
                            .cache = w->a->pictures,
                            .add_generation_prompt = true};
    lmm_status st = lmm_prompt_messages(out, w->a->model, json.data, json.size, &opts);
    buf_free(&json);
    return st;
}

static lmm_status sync(lmm_session *s, const answering *w, int row) {
    row_prompt p;
    lmm_prompt *prompt = NULL;
    lmm_status st = ask_prompt(w->a, row, &p);
    if (!st) st = open_prompt(&prompt, w, &p);
    if (!st) st = lmm_session_sync_among(s, w->sessions, w->a->pictures ? w->session_count : 0, prompt, NULL);
    if (!st) row_at(w, row)->input_tokens = lmm_prompt_length(prompt);
    lmm_prompt_free(prompt);
    row_prompt_free(&p);
    return st;
}

/* ---- texts ---- */

static lmm_status generate(const answering *w, lmm_session *const *sessions, const int *rows, int n) {
    const asking *a = w->a;
    int stop_count;
    const char **stops = ask_stops(a->kwargs, &stop_count);
    lmm_answer *answers = mem_new((size_t)n, sizeof *answers);
    uint64_t *streams = mem_new((size_t)n, sizeof *streams);
    for (int i = 0; i < n; i++) streams[i] = ask_stream(a, rows[i]);
    lmm_gen_opts g = {.max_tokens = (int)tree_int(a->kwargs, "max_new_tokens", 128),
                      .temperature = ask_draws(a) ? tree_real(a->kwargs, "temperature", 1) : 0,
                      .top_p = tree_real(a->kwargs, "top_p", 0),
                      .top_k = (int)tree_int(a->kwargs, "top_k", 0),
                      .repetition_penalty = tree_real(a->kwargs, "repetition_penalty", 0),
                      .seed = a->o->seed,
                      .streams = streams,
                      .stop = stops,
                      .stop_count = stop_count};
    lmm_status st = lmm_generate(sessions, n, &g, NULL, NULL, answers);
    bool made = !st;
    for (int i = 0; i < n && !st; i++) {
        eval_row *r = row_at(w, rows[i]);
        if (answers[i].finish == LMM_FINISH_CANCELLED) {
            st = LMM_FAIL(LMM_E_CANCELLED, "stopped on request; --resume goes on from here");
            break;
        }
        lmm_status fine = check_logits(sessions[i], a->model);
        if (fine) (void)row_fault(r, fine, "not_a_number");
        else r->response = mem_strdup(answers[i].text), r->output_tokens = answers[i].id_count;
    }
    if (made) lmm_answers_free(answers, n);
    free(streams);
    free(answers);
    free(stops);
    return st;
}

/* Rows todo[first .. first + n) together, those that can be asked. */
static lmm_status answer_batch(const answering *w, int first, int n) {
    asking *a = w->a;
    lmm_session **live = mem_new((size_t)n, sizeof *live);
    int *rows = mem_new((size_t)n, sizeof *rows), count = 0;
    lmm_status st = LMM_OK;
    for (int i = 0; i < n && !st; i++) {
        int row = a->todo.at[first + i].row;
        lmm_status one = sync(w->sessions[count], w, row);
        if (one) st = row_fault(row_at(w, row), one, NULL);
        else if ((one = check_logits(w->sessions[count], a->model))) st = row_fault(row_at(w, row), one, "not_a_number");
        else live[count] = w->sessions[count], rows[count++] = row;
    }
    if (!st && count) st = generate(w, live, rows, count);
    for (int i = 0; i < count && !st; i++) st = ask_keep(a, rows[i]);
    free(rows);
    free(live);
    return st;
}

/* ---- likelihoods ---- */

/* [loss, greedy] of every choice; the loss is minus the sum of its tokens' log-probabilities. */
static lmm_status losses_of(tree **out, const answering *w, const row_prompt *p, int *length) {
    lmm_prompt *prompt = NULL;
    tree *list = tree_new(TREE_LIST);
    lmm_status st = open_prompt(&prompt, w, p);
    const char *delimiter = st ? "" : tree_str(w->a->run->task->config, "target_delimiter", lmm_prompt_delimiter(prompt));
    for (int i = 0; i < p->choices->count && !st; i++) {
        double sum;
        bool greedy;
        char *text = mem_printf("%s%s", delimiter, p->choices->items[i]->text);
        st = lmm_score(w->sessions[0], prompt, text, &sum, &greedy);
        free(text);
        if (!st && !isfinite(sum)) st = LMM_FAIL(LMM_E_FORMAT, "the likelihood of '%s' is not a number", p->choices->items[i]->text);
        tree *pair = tree_new(TREE_LIST);
        tree_add(pair, tree_new_real(st ? 0 : -sum));
        tree_add(pair, tree_new_bool(!st && greedy));
        tree_add(list, pair);
    }
    if (!st) *length = lmm_prompt_length(prompt);
    lmm_prompt_free(prompt);
    if (st) return tree_free(list), st;
    return *out = list, LMM_OK;
}

static lmm_status answer_likelihood(const answering *w, int row) {
    eval_row *r = row_at(w, row);
    row_prompt p;
    lmm_status st = ask_prompt(w->a, row, &p);
    if (!st) st = losses_of(&r->outputs, w, &p, &r->input_tokens);
    row_prompt_free(&p);
    if (st) return row_fault(r, st, NULL);
    r->response = mem_strdup("");
    r->output_tokens = 0;
    return ask_keep(w->a, row);
}

/* ---- all rows ---- */

lmm_status ask_model(asking *a) {
    int batch = a->likelihood ? 1 : a->o->batch > 0 ? a->o->batch : 8;
    answering w = {.a = a, .session_count = min_int(batch, a->todo.count)};
    w.sessions = mem_new((size_t)w.session_count, sizeof *w.sessions);
    lmm_status st = LMM_OK;
    for (int i = 0; i < w.session_count && !st; i++) st = lmm_session_open(&w.sessions[i], a->model, NULL);
    for (int at = 0, n; at < a->todo.count && !st; at += n) {
        n = min_int(batch, a->todo.count - at);
        st = a->likelihood ? answer_likelihood(&w, a->todo.at[at].row) : answer_batch(&w, at, n);
        if (a->bar) progress_set(a->bar, at + n, NULL);
    }
    for (int i = 0; i < w.session_count; i++) lmm_session_close(w.sessions[i]);
    free(w.sessions);
    return st;
}
