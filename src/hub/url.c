/* url.c - names of models, where a request may go, and which addresses are private.
 *
 * URLs are taken apart by libcurl's own parser, so that what is checked here is what is requested there. */
#include "hub/hub_int.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* ---- origins ---- */

static bool copy_part(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t size) {
    char *text = NULL;
    bool fits = curl_url_get(u, part, &text, flags) == CURLUE_OK && strlen(text) < size;
    if (fits) memcpy(out, text, strlen(text) + 1);
    curl_free(text);
    return fits;
}

static bool has_part(CURLU *u, CURLUPart part) {
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static void lower(char *s) {
    for (; *s; s++)
        if (*s >= 'A' && *s <= 'Z') *s = (char)(*s + 32);
}

static lmm_status origin_fill(url_origin *o, CURLU *u, const char *url) {
    char port[8], host[258];
    if (!copy_part(u, CURLUPART_SCHEME, 0, o->scheme, sizeof o->scheme) || (strcmp(o->scheme, "http") && strcmp(o->scheme, "https")))
        return LMM_FAIL(LMM_E_ARG, "'%.200s' is refused: only https and http are spoken", url);
    if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        return LMM_FAIL(LMM_E_ARG, "a URL with a user or password in it is refused");
    if (!copy_part(u, CURLUPART_HOST, 0, host, sizeof host) || !copy_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port))
        return LMM_FAIL(LMM_E_ARG, "'%.200s' has no usable host", url);
    size_t n = strlen(host);
    bool bracketed = n > 2 && host[0] == '[' && host[n - 1] == ']';
    if (n - (bracketed ? 2 : 0) >= sizeof o->host) return LMM_FAIL(LMM_E_ARG, "'%.200s' has no usable host", url);
    snprintf(o->host, sizeof o->host, "%.*s", (int)(n - (bracketed ? 2 : 0)), host + (bracketed ? 1 : 0));
    lower(o->host);
    o->port = (int)strtol(port, NULL, 10);
    return LMM_OK;
}

lmm_status url_origin_of(url_origin *out, const char *url) {
    CURLU *u = curl_url();
    if (!u) return LMM_FAIL(LMM_E_MEMORY, "out of memory");
    url_origin o = {{0}, {0}, 0};
    lmm_status st = curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK
                        ? origin_fill(&o, u, url)
                        : LMM_FAIL(LMM_E_ARG, "'%.200s' is no URL", url);
    curl_url_cleanup(u);
    if (!st) *out = o;
    return st;
}

bool url_origin_same(const url_origin *a, const url_origin *b) {
    return !strcmp(a->scheme, b->scheme) && !strcmp(a->host, b->host) && a->port == b->port;
}

lmm_status url_resolve(char **out, const char *base, const char *location) {
    CURLU *u = curl_url();
    char *text = NULL;
    bool good = u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
                curl_url_set(u, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK;
    if (good) *out = mem_strdup(text);
    curl_free(text);
    curl_url_cleanup(u);
    return good ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "the server redirects to '%.200s', which is no URL", location);
}

static bool host_is_this_machine(const char *host) {
    return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "::1");
}

lmm_status url_step_check(const url_origin *from, const url_origin *to, bool insecure_http) {
    if (!strcmp(to->scheme, "https")) return LMM_OK;
    if (from && !strcmp(from->scheme, "https"))
        return LMM_FAIL(LMM_E_FORMAT, "the server redirects from https to plain http at '%s': refused", to->host);
    if (!insecure_http && !host_is_this_machine(to->host))
        return LMM_FAIL(LMM_E_ARG, "plain http to '%s' is refused; use https, or --insecure-http when that network is yours", to->host);
    return LMM_OK;
}

/* ---- text of URLs ---- */

char *url_escape(const char *text, bool keep_slash) {
    buf b = {0};
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || strchr("-._~", *s);
        if (plain || (keep_slash && *s == '/')) buf_putc(&b, (char)*s);
        else buf_printf(&b, "%%%02X", *s);
    }
    return buf_take(&b);
}

/* Link: <https://...>; rel="next", <...>; rel="last" */
char *url_link_next(const char *header) {
    for (const char *at = header; (at = strchr(at, '<'));) {
        const char *end = strchr(++at, '>');
        if (!end) return NULL;
        const char *following = strchr(end, '<');
        const char *rel = strstr(end, "rel=\"next\"");
        if (rel && (!following || rel < following)) return mem_strndup(at, (size_t)(end - at));
        at = end;
    }
    return NULL;
}

/* ---- addresses ---- */

static address_kind kind_of_v4(uint32_t a) {
    static const struct {
        uint32_t net;
        int bits;
        address_kind kind;
    } table[] = {
        {0x7f000000, 8, ADDRESS_LOOPBACK}, {0x0a000000, 8, ADDRESS_PRIVATE},     {0xac100000, 12, ADDRESS_PRIVATE},
        {0xc0a80000, 16, ADDRESS_PRIVATE}, {0x64400000, 10, ADDRESS_PRIVATE},    {0xc0000000, 24, ADDRESS_PRIVATE},
        {0xc6120000, 15, ADDRESS_PRIVATE}, {0xa9fe0000, 16, ADDRESS_LINK_LOCAL}, {0x00000000, 8, ADDRESS_UNUSABLE},
        {0xe0000000, 4, ADDRESS_UNUSABLE}, {0xf0000000, 4, ADDRESS_UNUSABLE},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if ((a ^ table[i].net) >> (32 - table[i].bits) == 0) return table[i].kind;
    return ADDRESS_PUBLIC;
}

static uint32_t be32(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* An IPv4 address inside (mapped, NAT64, 6to4) decides. */
static address_kind kind_of_v6(const unsigned char a[16]) {
    static const unsigned char zero[16] = {0}, one[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (!memcmp(a, one, 16)) return ADDRESS_LOOPBACK;
    if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12)) return kind_of_v4(be32(a + 12));
    if (!memcmp(a, zero, 12) || a[0] == 0xff) return ADDRESS_UNUSABLE;
    if (a[0] == 0x20 && a[1] == 0x02) return kind_of_v4(be32(a + 2));
    if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) return ADDRESS_LINK_LOCAL;
    if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0)) return ADDRESS_PRIVATE;
    return ADDRESS_PUBLIC;
}

/* Copied out: the caller's struct need not be aligned for the larger type. */
address_kind address_kind_of(const struct sockaddr *a) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (a->sa_family == AF_INET) {
        memcpy(&v4, a, sizeof v4);
        return kind_of_v4(ntohl(v4.sin_addr.s_addr));
    }
    if (a->sa_family != AF_INET6) return ADDRESS_UNUSABLE;
    memcpy(&v6, a, sizeof v6);
    return kind_of_v6(v6.sin6_addr.s6_addr);
}

/* ---- names and paths ---- */

bool hub_is_hex(const char *text, size_t size) { return strspn(text, "0123456789abcdef") == size && text[size] == '\0'; }

bool hub_path_is_safe(const char *path, size_t size) {
    if (size == 0 || strlen(path) != size) return false;
    int depth = 0;
    for (const char *part = path;; part++) {
        size_t n = strcspn(part, "/");
        bool dots = (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.');
        if (n == 0 || n > 255 || dots || ++depth > 16) return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f || part[i] == '\\') return false;
        part += n;
        if (!*part) return true;
    }
}

static bool id_part_is_good(const char *s, size_t n) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (n == 0 || n > 96 || strspn(s, allowed) < n || strchr(".-", s[0]) || strchr(".-", s[n - 1])) return false;
    for (size_t i = 0; i + 1 < n; i++)
        if ((s[i] == '-' && s[i + 1] == '-') || (s[i] == '.' && s[i + 1] == '.')) return false;
    return true;
}

static bool id_is_good(const char *id) {
    const char *slash = strchr(id, '/');
    if (!slash) return id_part_is_good(id, strlen(id));
    return id_part_is_good(id, (size_t)(slash - id)) && id_part_is_good(slash + 1, strlen(slash + 1));
}

static const char quant_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

lmm_status hub_name_parse(hub_name *out, const char *text) {
    const char *rest = strncmp(text, "hf://", 5) ? text : text + 5;
    bool is_dataset = !strncmp(rest, "datasets/", 9) && strchr(rest + 9, '/');
    if (is_dataset) rest += 9;
    const char *colon = strchr(rest, ':'), *end = colon ? colon : rest + strlen(rest), *at = memchr(rest, '@', (size_t)(end - rest));
    hub_name n = {.is_dataset = is_dataset,
                  .id = mem_strndup(rest, (size_t)((at ? at : end) - rest)),
                  .revision = at ? mem_strndup(at + 1, (size_t)(end - at - 1)) : mem_strdup("main"),
                  .quant = colon ? mem_strdup(colon + 1) : NULL};
    lmm_status st = LMM_OK;
    if (!id_is_good(n.id))
        st = LMM_FAIL(LMM_E_ARG, "'%.200s' is no name of a model on the hub: ORG/NAME, of letters, digits, '.', '_' and '-'", text);
    else if (!hub_path_is_safe(n.revision, strlen(n.revision)))
        st = LMM_FAIL(LMM_E_ARG, "'%.200s' is no revision: a branch, a tag or a commit", n.revision);
    else if (n.quant && (!*n.quant || strspn(n.quant, quant_letters) < strlen(n.quant)))
        st = LMM_FAIL(LMM_E_ARG, "'%.200s' names no quantisation behind the colon, as in ORG/NAME:Q4_K_M", text);
    if (st) hub_name_free(&n);
    else *out = n;
    return st;
}

void hub_name_free(hub_name *n) {
    free(n->id);
    free(n->revision);
    free(n->quant);
    *n = (hub_name){0};
}

/* ---- quantisations ---- */

static bool is_letter_or_digit(char c) { return c && c != '_' && strchr(quant_letters, c); }

static bool is_gguf(const char *name) {
    size_t size = strlen(name);
    return size > 5 && !strcasecmp(name + size - 5, ".gguf");
}

static bool has_text(const char *name, const char *lower) {
    for (size_t n = strlen(lower); *name; name++)
        if (!strncasecmp(name, lower, n)) return true;
    return false;
}

/* As writers name their files: model-Q4_K_M.gguf, model.q8_0.gguf, model-Q4_0-00001-of-00002.gguf. */
bool hub_file_is_quant(const char *path, const char *quant) {
    const char *name = path_base(path);
    size_t n = quant ? strlen(quant) : 0;
    if (!is_gguf(name) || has_text(name, "mmproj")) return false;
    for (const char *at = name; quant && *at; at++)
        if (!strncasecmp(at, quant, n) && (at == name || !is_letter_or_digit(at[-1])) && !is_letter_or_digit(at[n]) && at[n] != '_')
            return true;
    return !quant;
}

bool hub_file_is_projector(const char *path, const char *best) {
    const char *name = path_base(path);
    if (!is_gguf(name) || !has_text(name, "mmproj")) return false;
    return !best || (has_text(name, "-f16") && !has_text(path_base(best), "-f16"));
}
