/* http.c - GET over libcurl: limits, deadlines, redirects by hand, retries.
 *
 * libcurl follows nothing by itself: every step is judged here (url_step_check), the token goes along only while the origin is the
 * endpoint's, and the address behind a name is judged when the socket is made, so an answer of DNS cannot change in between. A
 * redirect may lead to public addresses or to the endpoint's own kind: a hub on the local network may have its content server there,
 * a public one may not. Behind a proxy the address judged is the proxy's.
 * Bytes are asked for as they are (Accept-Encoding: identity), so nothing can grow while it is unpacked. */
#include "hub/hub_int.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER_BYTES_MAX = 256 * 1024, STALL_BYTES_A_SECOND = 1000 };

struct http {
    CURL *easy;
    hub_opts o;
    char *endpoint;
    url_origin origin;
    bool origin_seen; /* a socket to the endpoint was made: origin_kind is its address's */
    address_kind origin_kind;
    rng random;
    /* the step in flight */
    url_origin target;
    bool is_home; /* target is the endpoint's origin */
    bool refused; /* the socket was not made: `refused_why` */
    const char *refused_why;
    size_t header_bytes;
    http_reply *reply;
    http_sink sink;
    void *sink_arg;
    lmm_status sink_status;
};

void http_reply_free(http_reply *r) {
    free(r->location);
    free(r->link);
    *r = (http_reply){0};
}

/* ---- sockets ---- */

static const char *address_refusal(const http *h, address_kind kind) {
    if (kind == ADDRESS_UNUSABLE) return "an address no server has";
    if (!strcmp(h->target.scheme, "http") && !h->o.insecure_http && kind != ADDRESS_LOOPBACK) return "plain http to another machine";
    if (h->is_home || kind == ADDRESS_PUBLIC || (h->origin_seen && kind == h->origin_kind)) return NULL;
    return kind == ADDRESS_LOOPBACK     ? "a redirect to an address of this machine"
           : kind == ADDRESS_LINK_LOCAL ? "a redirect to a link-local address"
                                        : "a redirect to a private address";
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    http *h = arg;
    (void)purpose;
    address_kind kind = address_kind_of(&address->addr);
    const char *why = address_refusal(h, kind);
    if (why) {
        h->refused = true;
        h->refused_why = why;
        return CURL_SOCKET_BAD;
    }
    if (h->is_home) {
        h->origin_seen = true;
        h->origin_kind = kind;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- headers ---- */

static void keep(char *out, size_t size, const char *value, size_t n) {
    out[0] = '\0';
    if (n >= size) return;
    memcpy(out, value, n);
    out[n] = '\0';
}

static void keep_etag(http_reply *r, const char *value, size_t n, bool is_hub) {
    if (r->etag_is_hub && !is_hub) return;
    if (n > 2 && !strncmp(value, "W/", 2)) value += 2, n -= 2;
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"') value++, n -= 2;
    keep(r->etag, sizeof r->etag, value, n);
    r->etag_is_hub = is_hub;
}

static void keep_long(char **out, const char *value, size_t n) {
    free(*out);
    *out = mem_strndup(value, n);
}

static void take_header(http *h, const char *name, size_t name_n, const char *value, size_t n) {
    http_reply *r = h->reply;
#define IS(text) (name_n == sizeof(text) - 1 && !strncasecmp(name, text, name_n))
    if (IS("location")) keep_long(&r->location, value, n);
    else if (IS("link")) keep_long(&r->link, value, n);
    else if (IS("content-range")) keep(r->content_range, sizeof r->content_range, value, n);
    else if (IS("content-encoding")) keep(r->encoding, sizeof r->encoding, value, n);
    else if (IS("retry-after")) r->retry_after_s = strtod(value, NULL);
    else if (IS("etag") && !r->etag_is_hub) keep_etag(r, value, n, false);
    else if (h->is_home && IS("x-linked-etag")) keep_etag(r, value, n, true);
    else if (h->is_home && IS("x-repo-commit")) keep(r->commit, sizeof r->commit, value, n);
    else if (h->is_home && IS("x-error-code")) keep(r->error_code, sizeof r->error_code, value, n);
#undef IS
}

static size_t on_header(char *line, size_t size, size_t count, void *arg) {
    http *h = arg;
    size_t n = size * count;
    h->header_bytes += n;
    if (h->header_bytes > HEADER_BYTES_MAX) return 0;
    const char *colon = memchr(line, ':', n);
    if (!colon) return n;
    const char *value = colon + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && strchr(" \t\r\n", end[-1])) end--;
    char *text = mem_strndup(value, (size_t)(end - value)); /* terminated, for strtod */
    take_header(h, line, (size_t)(colon - line), text, strlen(text));
    free(text);
    return n;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
    http *h = arg;
    long status = 0;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    h->reply->status = (int)status;
    if (status != 200 && status != 206) return size * count; /* pages of errors are for browsers */
    if (*h->reply->encoding && strcasecmp(h->reply->encoding, "identity"))
        h->sink_status = LMM_FAIL(LMM_E_FORMAT, "the server sends the file packed (%s) though asked not to", h->reply->encoding);
    else h->sink_status = h->sink(h->sink_arg, h->reply, bytes, size * count);
    return h->sink_status ? 0 : size * count;
}

/* ---- one step ---- */

/* What a user can do about a failed transfer; the rest says curl. */
static const struct {
    CURLcode code;
    bool can_retry;
    const char *sentence;
} failures[] = {
    {CURLE_OPERATION_TIMEDOUT, true, "is too slow: the deadline passed"},
    {CURLE_COULDNT_RESOLVE_HOST, true, "is a host nobody knows: is there a network? what was pulled before works with HF_HUB_OFFLINE=1"},
    {CURLE_COULDNT_CONNECT, true, "takes no connection: is the endpoint (HF_ENDPOINT) right, is there a network?"},
    {CURLE_PEER_FAILED_VERIFICATION, false,
     "shows a certificate that is not to be trusted: is the clock right, is ca-certificates installed, is somebody in between?"},
    {CURLE_SSL_CACERT_BADFILE, false, "cannot be verified, this machine has no certificates: install ca-certificates"},
    {CURLE_SSL_CONNECT_ERROR, true, "does not speak TLS as it should: is https right for the endpoint?"},
    {CURLE_UNSUPPORTED_PROTOCOL, false, "would need a protocol that is not spoken"},
};

static lmm_status step_failure(http *h, CURLcode code) {
    if (h->sink_status) return h->sink_status;
    if (h->header_bytes > HEADER_BYTES_MAX)
        return LMM_FAIL(LMM_E_LIMIT, "'%s' sends more than %d bytes of headers", h->target.host, HEADER_BYTES_MAX);
    if (h->refused) return LMM_FAIL(LMM_E_FORMAT, "'%s' is refused: %s", h->target.host, h->refused_why);
    h->reply->can_retry = true;
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        if (failures[i].code != code) continue;
        h->reply->can_retry = failures[i].can_retry;
        return LMM_FAIL(LMM_E_IO, "'%s' %s", h->target.host, failures[i].sentence);
    }
    return LMM_FAIL(LMM_E_IO, "cannot fetch from '%s': %s", h->target.host, curl_easy_strerror(code));
}

static struct curl_slist *request_headers(const http *h, int64_t from) {
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (h->is_home && h->o.token && *h->o.token) {
        char *line = mem_printf("Authorization: Bearer %s", h->o.token);
        list = curl_slist_append(list, line);
        free(line);
    }
    if (from > 0) {
        char *line = mem_printf("Range: bytes=%" PRId64 "-", from);
        list = curl_slist_append(list, line);
        free(line);
    }
    return list;
}

static void set_options(http *h, const char *url, double deadline_s, struct curl_slist *headers) {
    CURL *c = h->easy;
    curl_easy_reset(c); /* keeps connections */
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "lmm/0.1");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * (h->o.connect_s > 0 ? h->o.connect_s : 10)));
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(1000 * deadline_s));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_A_SECOND);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, h->o.stall_s >= 1 ? (long)h->o.stall_s : 10L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
}

/* The endpoint's word on etag and commit stays over the steps; the rest is the last answer's. */
static void reply_begin_step(http_reply *r) {
    http_reply fresh = {.etag_is_hub = r->etag_is_hub};
    memcpy(fresh.commit, r->commit, sizeof fresh.commit);
    if (r->etag_is_hub) memcpy(fresh.etag, r->etag, sizeof fresh.etag);
    http_reply_free(r);
    *r = fresh;
}

static lmm_status step(http *h, const char *url, int64_t from, double deadline_s) {
    h->is_home = url_origin_same(&h->target, &h->origin);
    h->refused = false;
    h->header_bytes = 0;
    h->sink_status = LMM_OK;
    reply_begin_step(h->reply);
    h->reply->is_home = h->is_home;
    snprintf(h->reply->host, sizeof h->reply->host, "%s", h->target.host);
    struct curl_slist *headers = request_headers(h, from);
    set_options(h, url, deadline_s, headers);
    CURLcode code = curl_easy_perform(h->easy);
    long status = 0;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    h->reply->status = (int)status;
    curl_slist_free_all(headers);
    if (code != CURLE_OK) return step_failure(h, code);
    h->reply->can_retry = status == 408 || status == 429 || status >= 500;
    return LMM_OK;
}

static bool is_redirect(const http_reply *r) {
    return r->location && (r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 || r->status == 308);
}

lmm_status http_get(http *h, const char *url, int64_t from, double deadline_s, http_sink sink, void *arg, http_reply *reply) {
    h->reply = reply;
    h->sink = sink;
    h->sink_arg = arg;
    *reply = (http_reply){0};
    char *at = mem_strdup(url);
    lmm_status st = url_origin_of(&h->target, at);
    if (!st) st = url_step_check(NULL, &h->target, h->o.insecure_http);
    if (!st) st = step(h, at, from, deadline_s);
    for (int count = 0; !st && is_redirect(reply); count++) {
        char *next = NULL;
        url_origin before = h->target;
        if (count == HTTP_REDIRECTS) {
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' redirects more than %d times", before.host, HTTP_REDIRECTS);
            break;
        }
        st = url_resolve(&next, at, reply->location);
        if (!st) st = url_origin_of(&h->target, next);
        if (!st) st = url_step_check(&before, &h->target, h->o.insecure_http);
        if (st) {
            (void)LMM_CONTEXT(st, "redirect from '%s'", before.host);
            st = LMM_E_FORMAT; /* the server's fault, not the arguments' */
        } else {
            st = step(h, next, from, deadline_s);
        }
        if (next) {
            free(at);
            at = next;
        }
    }
    free(at);
    return st;
}

/* ---- retries ---- */

double http_retry_wait(int attempt, double unit, double retry_after, double random) {
    double wait = unit;
    for (int i = 1; i < attempt && i < HTTP_RETRIES; i++) wait *= 2;
    wait *= 1 + 0.25 * random; /* many clients broken off at once do not come back at once */
    if (retry_after > wait) wait = retry_after < 300 ? retry_after : 300;
    return wait;
}

void http_wait(http *h, int attempt, const http_reply *reply) {
    double unit = h->o.backoff_s > 0 ? h->o.backoff_s : 1;
    double wait = http_retry_wait(attempt, unit, reply->retry_after_s, rng_unit(&h->random));
    struct timespec left = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

/* ---- the client ---- */

static bool token_is_plain(const char *token) {
    for (; *token; token++)
        if ((unsigned char)*token <= 0x20 || (unsigned char)*token >= 0x7f) return false;
    return true;
}

lmm_status http_open(http **out, const hub_opts *o) {
    http *h = mem_new(1, sizeof *h);
    h->o = *o;
    size_t n = strlen(o->endpoint);
    while (n > 0 && o->endpoint[n - 1] == '/') n--;
    h->endpoint = mem_strndup(o->endpoint, n);
    h->random = rng_make((uint64_t)getpid(), (uint64_t)(1e9 * time_now()));
    lmm_status st = url_origin_of(&h->origin, h->endpoint);
    if (!st) st = url_step_check(NULL, &h->origin, o->insecure_http);
    if (!st && (strchr(h->endpoint, '?') || strchr(h->endpoint, '#')))
        st = LMM_FAIL(LMM_E_ARG, "'%s' is no endpoint: a query does not belong there", h->endpoint);
    if (st) st = LMM_CONTEXT(st, "the hub's endpoint");
    if (!st && o->token && !token_is_plain(o->token)) st = LMM_FAIL(LMM_E_ARG, "the token holds a space or a control character");
    if (!st && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) st = LMM_FAIL(LMM_E_IO, "libcurl does not start");
    else if (!st && !(h->easy = curl_easy_init())) {
        curl_global_cleanup();
        st = LMM_FAIL(LMM_E_MEMORY, "out of memory");
    }
    if (st) {
        free(h->endpoint);
        free(h);
    } else {
        *out = h;
    }
    return st;
}

void http_close(http *h) {
    if (!h) return;
    curl_easy_cleanup(h->easy);
    curl_global_cleanup();
    free(h->endpoint);
    free(h);
}

const char *http_endpoint(const http *h) { return h->endpoint; }
