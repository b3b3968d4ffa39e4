/* chat.c - questions to a server with OpenAI's interface: several in flight, repeated with growing waits, bounded in every direction.
 *
 * A redirect is never followed, so the key stays with the address it was given for. What the server says is believed only as far as it parses:
 * an answer without choices is a failure of that question. */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hub/hub_int.h"

enum { BODY_MAX = 16 << 20, FAILURES_MAX = 20, WAIT_MS_MAX = 1000 };

struct chat {
    chat_opts o;
    char *url, *model, *key;
    CURLM *multi;
    rng random;
};

/* One question on its way. */
typedef struct {
    CURL *easy;
    struct curl_slist *headers;
    lmm_chat_request request;
    buf sent, body;
    int tries;
    double retry_after, ready_at; /* ready_at > 0: waits until then */
    bool busy, running, overflow;
} slot;

typedef struct {
    chat *c;
    const lmm_chat_feed *feed;
    slot *slots;
    int count, busy, failures; /* failures in a row */
    bool drained;
} session;

/* ---- opening ---- */

static lmm_status check_url(const chat_opts *o) {
    url_origin origin;
    lmm_status st = url_origin_of(&origin, o->base_url);
    bool local = !st && (!strcmp(origin.host, "localhost") || !strcmp(origin.host, "::1") || !strncmp(origin.host, "127.", 4));
    if (!st && o->key && !strcmp(origin.scheme, "http") && !local)
        st = LMM_FAIL(LMM_E_ARG, "'%s' is plain http: the key would be readable on the way; use https or leave the key out", o->base_url);
    for (const char *k = o->key; !st && k && *k; k++)
        if ((unsigned char)*k <= 0x20 || (unsigned char)*k >= 0x7f)
            st = LMM_FAIL(LMM_E_ARG, "the key holds a space or a control character");
    return LMM_CONTEXT(st, "the server's address");
}

lmm_status chat_open(chat **out, const chat_opts *o) {
    lmm_status st = check_url(o);
    if (st) return st;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return LMM_FAIL(LMM_E_IO, "libcurl does not start");
    chat *c = mem_new(1, sizeof *c);
    size_t n = strlen(o->base_url);
    while (n && o->base_url[n - 1] == '/') n--;
    *c = (chat){.o = *o,
                .url = mem_printf("%.*s%s", (int)n, o->base_url,
                                  n > 17 && !strncmp(o->base_url + n - 17, "/chat/completions", 17) ? "" : "/chat/completions"),
                .model = mem_strdup(o->model),
                .key = o->key && *o->key ? mem_strdup(o->key) : NULL,
                .multi = curl_multi_init(),
                .random = rng_make(1, 0)};
    if (c->o.concurrency <= 0) c->o.concurrency = 8;
    if (!c->o.retries) c->o.retries = HTTP_RETRIES;
    if (!(c->o.timeout_s > 0)) c->o.timeout_s = 120;
    if (!(c->o.backoff_s > 0)) c->o.backoff_s = 1;
    if (!c->multi) return chat_close(c), LMM_FAIL(LMM_E_MEMORY, "out of memory");
    return *out = c, LMM_OK;
}

void chat_close(chat *c) {
    if (!c) return;
    curl_multi_cleanup(c->multi);
    curl_global_cleanup();
    free(c->key);
    free(c->model);
    free(c->url);
    free(c);
}

/* ---- one question ---- */

static void put_request(buf *b, const chat *c, const lmm_chat_request *r) {
    buf_puts(b, "{\"model\": ");
    json_quote(b, c->model, strlen(c->model));
    buf_printf(b, ", \"messages\": %s, \"max_tokens\": %d, \"temperature\": %.17g", r->messages, r->max_tokens, r->temperature);
    if (r->top_p > 0) buf_printf(b, ", \"top_p\": %.17g", r->top_p);
    if (r->temperature > 0) buf_printf(b, ", \"seed\": %" PRId64, r->seed);
    for (int i = 0; i < r->stop_count && i < 4; i++) { /* four are allowed */
        buf_puts(b, i ? ", " : ", \"stop\": [");
        json_quote(b, r->stop[i], strlen(r->stop[i]));
    }
    buf_puts(b, r->stop_count ? "]}" : "}");
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
    slot *s = arg;
    size_t n = size * count;
    s->overflow = n > BODY_MAX - s->body.size;
    if (s->overflow) return 0;
    buf_put(&s->body, bytes, n);
    return n;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg) {
    static const char name[] = "retry-after:";
    slot *s = arg;
    size_t n = size * count;
    char text[64];
    if (n > sizeof name - 1 && n < sizeof text && !strncasecmp(line, name, sizeof name - 1)) {
        memcpy(text, line, n);
        text[n] = '\0';
        s->retry_after = strtod(text + sizeof name - 1, NULL);
    }
    return n;
}

static void start(session *q, slot *s) {
    const chat *c = q->c;
    buf_reset(&s->body);
    s->overflow = false;
    s->retry_after = s->ready_at = 0;
    curl_easy_reset(s->easy); /* keeps connections */
    curl_easy_setopt(s->easy, CURLOPT_URL, c->url);
    curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(s->easy, CURLOPT_USERAGENT, "lmm/0.1");
    curl_easy_setopt(s->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(s->easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, (long)(1000 * c->o.timeout_s));
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->sent.data);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->sent.size);
    curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(s->easy, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
    curl_multi_add_handle(c->multi, s->easy);
    s->running = true;
    s->tries++;
}

/* ---- answers ---- */

/* The text of an answer: a string, or parts of which some are texts. free(); NULL when there is none. */
static char *text_of(const tree *content) {
    buf b = {0};
    if (!content || content->type == TREE_NULL) return NULL;
    if (content->type == TREE_STRING) buf_put(&b, content->text, content->text_size);
    for (int i = 0; content->type == TREE_LIST && i < content->count; i++) buf_puts(&b, tree_str(content->items[i], "text", ""));
    return buf_take(&b);
}

static lmm_status give(session *q, slot *s, const lmm_chat_reply *reply) {
    q->failures = reply->text ? 0 : q->failures + 1;
    s->busy = false;
    q->busy--;
    lmm_status st = q->feed->take(q->feed->arg, s->request.id, reply);
    if (!st && q->failures >= FAILURES_MAX)
        st = LMM_FAIL(LMM_E_IO, "'%s' answers nothing: %d questions in a row failed, the last: %s", q->c->url, q->failures, reply->failure);
    return st;
}

static lmm_status give_failure(session *q, slot *s, const char *why) {
    return give(q, s, &(lmm_chat_reply){.failure = why, .input_tokens = -1, .output_tokens = -1});
}

static lmm_status take_answer(session *q, slot *s) {
    tree *t = NULL;
    if (tree_parse_json(&t, s->body.data ? s->body.data : "", s->body.size, "the server's answer"))
        return give_failure(q, s, lmm_message());
    const tree *choices = tree_get(t, "choices"),
               *first = choices && choices->type == TREE_LIST && choices->count ? choices->items[0] : NULL;
    char *text = text_of(tree_at(first, "message.content"));
    const tree *usage = tree_get(t, "usage");
    lmm_chat_reply reply = {.text = text,
                            .failure = text ? NULL : "the server's answer has no choices[0].message.content",
                            .input_tokens = (int)tree_int(usage, "prompt_tokens", -1),
                            .output_tokens = (int)tree_int(usage, "completion_tokens", -1)};
    lmm_status st = give(q, s, &reply);
    free(text);
    tree_free(t);
    return st;
}

/* What the server says about its refusal, in its own words. free() */
static char *refusal(const slot *s, const chat *c, long status) {
    tree *t = NULL;
    const char *said = NULL;
    if (s->body.size && !tree_parse_json(&t, s->body.data, s->body.size, "")) {
        said = tree_str(tree_get(t, "error"), "message", NULL);
        if (!said) said = tree_str(t, "error", tree_str(t, "message", NULL));
    }
    char *text =
        said ? mem_printf("'%s' refuses (%ld): %.300s", c->url, status, said) : mem_printf("'%s' refuses with status %ld", c->url, status);
    tree_free(t);
    return text;
}

/* A try is over: the answer, another try later, or a failure. */
static lmm_status finish(session *q, slot *s, CURLcode code) {
    const chat *c = q->c;
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(c->multi, s->easy);
    s->running = false;
    if (code == CURLE_OK && status == 200) return take_answer(q, s);
    bool passing = code != CURLE_OK ? !s->overflow && code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_UNSUPPORTED_PROTOCOL
                                    : status == 408 || status == 409 || status == 429 || status >= 500;
    if (passing && s->tries <= c->o.retries) {
        s->ready_at = time_now() + http_retry_wait(s->tries, c->o.backoff_s, s->retry_after, rng_unit(&q->c->random));
        return LMM_OK;
    }
    char *why = s->overflow        ? mem_printf("'%s' sends more than %d bytes", c->url, BODY_MAX)
                : code != CURLE_OK ? mem_printf("'%s' cannot be asked: %s (%d tries)", c->url, curl_easy_strerror(code), s->tries)
                                   : refusal(s, c, status);
    bool hopeless = code == CURLE_OK && (status == 401 || status == 403 || status == 404);
    lmm_status st = hopeless ? LMM_FAIL(LMM_E_IO, "%s", why) : give_failure(q, s, why);
    free(why);
    return st;
}

/* ---- all of them ---- */

static lmm_status fill(session *q) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < q->count && !st && !q->drained; i++) {
        slot *s = &q->slots[i];
        bool there = false;
        if (s->busy) continue;
        st = q->feed->next(q->feed->arg, &s->request, &there);
        q->drained = !st && !there;
        if (st || !there) break;
        buf_reset(&s->sent);
        put_request(&s->sent, q->c, &s->request);
        s->tries = 0;
        s->busy = true;
        q->busy++;
        start(q, s);
    }
    return st;
}

/* Starts those whose wait is over; milliseconds until the next one. */
static int wake(session *q) {
    double now = time_now(), next = WAIT_MS_MAX / 1000.0;
    for (int i = 0; i < q->count; i++) {
        slot *s = &q->slots[i];
        if (!s->busy || s->running) continue;
        if (s->ready_at <= now) start(q, s);
        else if (s->ready_at - now < next) next = s->ready_at - now;
    }
    return (int)(1000 * next) + 1;
}

static lmm_status step(session *q) {
    int running, left;
    lmm_status st = LMM_OK;
    int wait = wake(q);
    if (curl_multi_perform(q->c->multi, &running) != CURLM_OK) return LMM_FAIL(LMM_E_IO, "libcurl fails");
    CURLMsg *m;
    bool any = false;
    while (!st && (m = curl_multi_info_read(q->c->multi, &left))) {
        char *s;
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
        st = finish(q, (slot *)(void *)s, code);
        any = true;
    }
    if (!st && !any) curl_multi_poll(q->c->multi, NULL, 0, wait, NULL);
    return st;
}

static lmm_status open_slots(session *q) {
    const chat *c = q->c;
    for (int i = 0; i < q->count; i++) {
        slot *s = &q->slots[i];
        if (!(s->easy = curl_easy_init())) return LMM_FAIL(LMM_E_MEMORY, "out of memory");
        s->headers = curl_slist_append(NULL, "Content-Type: application/json");
        s->headers = curl_slist_append(s->headers, "Expect:");
        if (c->key) {
            char *line = mem_printf("Authorization: Bearer %s", c->key);
            s->headers = curl_slist_append(s->headers, line);
            free(line);
        }
    }
    return LMM_OK;
}

lmm_status chat_ask(void *self, const lmm_chat_feed *feed) {
    chat *c = self;
    session q = {.c = c, .feed = feed, .count = c->o.concurrency};
    q.slots = mem_new((size_t)q.count, sizeof *q.slots);
    lmm_status st = open_slots(&q);
    if (!st) st = fill(&q);
    while (!st && q.busy) {
        st = lmm_cancelled() ? LMM_FAIL(LMM_E_CANCELLED, "stopped while a server was asked") : step(&q);
        if (!st) st = fill(&q);
    }
    for (int i = 0; i < q.count; i++) {
        slot *s = &q.slots[i];
        if (s->running) curl_multi_remove_handle(c->multi, s->easy);
        curl_easy_cleanup(s->easy);
        curl_slist_free_all(s->headers);
        buf_free(&s->sent);
        buf_free(&s->body);
    }
    free(q.slots);
    return st;
}
