/* ask_remote.c - rows answered by somebody else (a server): each is prepared when there is room for it, and kept as its answer comes. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

typedef struct {
    asking *a;
    int next, taken;
    char **json; /* of the rows on their way, by row */
    const char **stops;
    int stop_count;
} remote;

static lmm_status give_next(void *arg, lmm_chat_request *out, bool *there) {
    remote *w = arg;
    asking *a = w->a;
    row_prompt p;
    buf json = {0};
    *there = w->next < a->todo.count;
    if (!*there) return LMM_OK;
    int row = a->todo.at[w->next++].row;
    lmm_status st = ask_prompt(a, row, &p);
    if (!st) tree_write_json(&json, p.messages, 0);
    row_prompt_free(&p);
    if (st) return st; /* the plan has made it once */
    w->json[row] = buf_take(&json);
    bool draws = ask_draws(a);
    *out = (lmm_chat_request){.id = row,
                              .messages = w->json[row],
                              .max_tokens = (int)tree_int(a->kwargs, "max_new_tokens", 128),
                              .temperature = draws ? tree_real(a->kwargs, "temperature", 1) : 0,
                              .top_p = draws ? tree_real(a->kwargs, "top_p", 0) : 0,
                              .seed = (int64_t)(ask_stream(a, row) >> 33),
                              .stop = w->stops,
                              .stop_count = w->stop_count};
    return LMM_OK;
}

static lmm_status take(void *arg, int64_t id, const lmm_chat_reply *reply) {
    remote *w = arg;
    eval_row *r = &w->a->run->rows[id];
    free(w->json[id]);
    w->json[id] = NULL;
    if (w->a->bar) progress_set(w->a->bar, ++w->taken, NULL);
    if (!reply->text) return row_fault(r, LMM_FAIL(LMM_E_IO, "%s", reply->failure), "request_failed");
    buf clean = {0};
    utf8_repair(&clean, reply->text, strlen(reply->text));
    r->response = buf_take(&clean);
    r->input_tokens = reply->input_tokens;
    r->output_tokens = reply->output_tokens;
    return ask_keep(w->a, (int)id);
}

lmm_status ask_remote(asking *a, lmm_chat_fn ask, void *self) {
    if (a->likelihood)
        return LMM_FAIL(LMM_E_UNSUPPORTED, "task '%s' asks for likelihoods, which a server of chats does not give", a->run->task->name);
    remote w = {.a = a, .json = mem_new((size_t)a->run->count, sizeof *w.json)};
    w.stops = ask_stops(a->kwargs, &w.stop_count);
    lmm_status st = ask(self, &(lmm_chat_feed){give_next, take, &w});
    for (int i = 0; i < a->run->count; i++) free(w.json[i]);
    free(w.json);
    free(w.stops);
    return st;
}
