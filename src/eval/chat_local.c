/* chat_local.c - a model of this engine as somebody to ask: a few conversations at a time. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { TOGETHER = 8 };

typedef struct {
    const lmm_model *model;
    const lmm_chat_feed *feed;
    lmm_session *sessions[TOGETHER];
    lmm_chat_request asked[TOGETHER];
    int count;
    bool drained;
} talk;

static lmm_status give_failure(talk *t, int64_t id) {
    char *why = mem_strdup(lmm_message());
    lmm_status st = t->feed->take(t->feed->arg, id, &(lmm_chat_reply){.failure = why, .input_tokens = -1, .output_tokens = -1});
    free(why);
    return st;
}

/* Takes questions until there are TOGETHER of the same settings, or no more. Those that do not fit the model have no answer. */
static lmm_status gather(talk *t) {
    lmm_status st = LMM_OK;
    for (t->count = 0; t->count < TOGETHER && !t->drained && !st;) {
        lmm_chat_request r;
        lmm_prompt *p = NULL;
        bool there = false;
        if ((st = t->feed->next(t->feed->arg, &r, &there))) break;
        t->drained = !there;
        if (!there) break;
        lmm_status one =
            lmm_prompt_messages(&p, t->model, r.messages, strlen(r.messages), &(lmm_prompt_opts){.add_generation_prompt = true});
        if (!one) one = lmm_session_sync(t->sessions[t->count], p, NULL);
        lmm_prompt_free(p);
        if (one == LMM_E_MEMORY) st = one;
        else if (one) st = give_failure(t, r.id);
        else t->asked[t->count++] = r;
    }
    return st;
}

/* All questions of a judge have the settings of the first. */
static lmm_status answer(talk *t) {
    lmm_answer answers[TOGETHER];
    uint64_t streams[TOGETHER];
    const lmm_chat_request *r = &t->asked[0];
    for (int i = 0; i < t->count; i++) streams[i] = (uint64_t)t->asked[i].seed;
    lmm_gen_opts g = {.max_tokens = r->max_tokens,
                      .temperature = r->temperature,
                      .top_p = r->top_p,
                      .streams = streams,
                      .stop = r->stop,
                      .stop_count = r->stop_count};
    lmm_status st = lmm_generate(t->sessions, t->count, &g, NULL, NULL, answers);
    if (st) return st;
    for (int i = 0; i < t->count && !st; i++) {
        if (answers[i].finish == LMM_FINISH_CANCELLED) st = LMM_FAIL(LMM_E_CANCELLED, "stopped on request");
        else
            st = t->feed->take(t->feed->arg, t->asked[i].id,
                               &(lmm_chat_reply){.text = answers[i].text,
                                                 .input_tokens = lmm_session_length(t->sessions[i]) - answers[i].id_count,
                                                 .output_tokens = answers[i].id_count});
    }
    lmm_answers_free(answers, t->count);
    return st;
}

lmm_status lmm_chat_local(void *model, const lmm_chat_feed *feed) {
    talk t = {.model = model, .feed = feed};
    lmm_status st = LMM_OK;
    for (int i = 0; i < TOGETHER && !st; i++) st = lmm_session_open(&t.sessions[i], t.model, NULL);
    while (!st && !t.drained) {
        st = gather(&t);
        if (!st && t.count) st = answer(&t);
    }
    for (int i = 0; i < TOGETHER; i++) lmm_session_close(t.sessions[i]);
    return st;
}
