/* desk.c - the judge of a run: questions are collected while rows are scored, asked together, and kept; then the rows are scored again.
 *
 * A verdict that cannot be had stays missing: the row has no score, and the report counts it. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

typedef struct {
    char *prompt, *reply; /* reply NULL: not asked yet, or failed */
    int attempt;
    char key[65];
    bool asked; /* or taken from the store */
} question;

struct judge_desk {
    judge face;
    lmm_chat_fn ask;
    void *self;
    const char *name;
    eval_store *store;
    int64_t bound, calls, recalled, failed;
    VEC(question) all;
    strmap *at;      /* key -> question */
    int next, fresh; /* the next one to give; questions not asked yet */
    int *open;       /* their numbers */
    bool refused;    /* some were not asked because of the bound */
    char *why;       /* the judge cannot be asked any more, NULL: it can */
};

/* ---- what a row asks ---- */

static void key_of(char hex[65], const judge_desk *d, const char *prompt, int attempt) {
    sha256 h;
    unsigned char digest[32];
    char number[16];
    snprintf(number, sizeof number, "%d", attempt);
    sha256_init(&h);
    sha256_put(&h, "judge", 6);
    sha256_put(&h, d->name, strlen(d->name) + 1);
    sha256_put(&h, number, strlen(number) + 1);
    sha256_put(&h, prompt, strlen(prompt));
    sha256_end(&h, digest);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static lmm_status recall(judge_desk *d, question *q) {
    tree *reply = NULL, *usage = NULL;
    lmm_status st = d->store ? store_get(d->store, q->key, &reply, &usage) : LMM_OK;
    if (!st && reply && reply->type == TREE_STRING) q->reply = mem_strdup(reply->text), q->asked = true, d->recalled++;
    tree_free(reply);
    tree_free(usage);
    return st;
}

static lmm_status desk_ask(void *arg, const char *prompt, int attempt, char **reply) {
    judge_desk *d = arg;
    question q = {.attempt = attempt};
    int at = d->all.count;
    key_of(q.key, d, prompt, attempt);
    *reply = NULL;
    if (strmap_put(d->at, q.key, 64, at)) {
        lmm_status st = recall(d, &q);
        if (st) return st;
        q.prompt = mem_strdup(prompt);
        d->fresh += !q.asked;
        VEC_PUSH(&d->all, q);
    } else strmap_get(d->at, q.key, 64, &at);
    if (d->all.at[at].reply) *reply = mem_strdup(d->all.at[at].reply);
    return LMM_OK;
}

/* ---- asking ---- */

static lmm_status keep(judge_desk *d, const question *q) {
    tree *request = tree_new(TREE_MAP), *text = tree_new_string(q->reply);
    tree_put(request, "request_type", tree_new_string("judge"));
    tree_put(request, "task_name", tree_new_string(d->name));
    lmm_status st = d->store ? store_put(d->store, q->key, request, text, NULL) : LMM_OK;
    tree_free(text);
    tree_free(request);
    return st;
}

static lmm_status give_next(void *arg, lmm_chat_request *out, bool *there) {
    judge_desk *d = arg;
    *there = d->next < d->fresh && (!d->bound || d->calls < d->bound);
    d->refused = d->refused || (d->next < d->fresh && !*there);
    if (!*there) return LMM_OK;
    question *q = &d->all.at[d->open[d->next++]];
    buf b = {0};
    json_user_message(&b, q->prompt);
    free(q->prompt);
    q->prompt = buf_take(&b); /* the words themselves are in the key */
    q->asked = true;
    d->calls++;
    *out = (lmm_chat_request){.id = (int64_t)(q - d->all.at),
                              .messages = q->prompt,
                              .max_tokens = 1024,
                              .temperature = q->attempt ? 0.7 : 0,
                              .seed = q->attempt};
    return LMM_OK;
}

static lmm_status take(void *arg, int64_t id, const lmm_chat_reply *reply) {
    judge_desk *d = arg;
    question *q = &d->all.at[id];
    if (!reply->text) return d->failed++, LMM_OK;
    buf clean = {0};
    utf8_repair(&clean, reply->text, strlen(reply->text));
    q->reply = buf_take(&clean);
    return keep(d, q);
}

lmm_status desk_settle(judge_desk *d, bool *more) {
    *more = false;
    if (!d || !d->fresh || d->why) return LMM_OK;
    int n = 0;
    d->open = mem_new((size_t)d->fresh, sizeof *d->open);
    for (int i = 0; i < d->all.count; i++)
        if (!d->all.at[i].asked) d->open[n++] = i;
    int64_t calls = d->calls;
    d->next = 0;
    lmm_status st = d->ask(d->self, &(lmm_chat_feed){give_next, take, d});
    if (st == LMM_E_IO) d->why = mem_strdup(lmm_message()), st = LMM_OK; /* a judge that is away takes verdicts away, not answers */
    free(d->open);
    d->open = NULL;
    for (int i = 0; i < d->all.count; i++) d->all.at[i].asked = true; /* beyond the bound: never */
    d->fresh = 0;
    *more = d->calls > calls;
    return LMM_CONTEXT(st, "the judge");
}

/* ---- the desk ---- */

judge_desk *desk_new(lmm_chat_fn ask, void *self, const char *name, int64_t bound, eval_store *store) {
    judge_desk *d = mem_new(1, sizeof *d);
    *d = (judge_desk){.ask = ask, .self = self, .name = name ? name : "judge", .bound = bound, .store = store, .at = strmap_new()};
    d->face = (judge){desk_ask, d};
    return d;
}

void desk_free(judge_desk *d) {
    if (!d) return;
    for (int i = 0; i < d->all.count; i++) {
        free(d->all.at[i].prompt);
        free(d->all.at[i].reply);
    }
    free(d->all.at);
    strmap_free(d->at);
    free(d->why);
    free(d);
}

const judge *desk_judge(const judge_desk *d) { return d ? &d->face : NULL; }

/* What was asked, for the results: the same whether answers came from the store or not. */
tree *desk_report(const judge_desk *d) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "name", tree_new_string(d->name));
    tree_put(t, "questions", tree_new_int(d->all.count));
    if (d->failed) tree_put(t, "failed", tree_new_int(d->failed));
    if (d->why) tree_put(t, "failure", tree_new_string(d->why));
    if (d->refused) tree_put(t, "bound_reached", tree_new_bool(true));
    return t;
}
int64_t desk_calls(const judge_desk *d) { return d ? d->calls : 0; }
