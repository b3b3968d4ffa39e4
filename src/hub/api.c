/* api.c - what the hub's API says: the commit behind a revision, the files of a commit.
 *
 *   GET {endpoint}/api/models/{id}/revision/{revision}              {"sha": "<40 hex>", ...}
 *   GET {endpoint}/api/models/{id}/tree/{sha}?recursive=true        [{"type": "file", "path", "size", "oid", "lfs": {"oid", "size"}}, ...]
 *
 * Long lists come in pages; the next one stands in a Link header. The lists are a stranger's words: a path that would leave the
 * folder, a hash that is none, a name twice refuse the whole list before a byte is written. */
#include "hub/hub_int.h"

#include <stdlib.h>
#include <string.h>

enum { JSON_BYTES_MAX = 64 * 1024 * 1024, FILES_MAX = 100000, PAGES_MAX = 1000 };
static const double api_deadline_s = 60;

void hub_files_free(hub_files *f) {
    for (int i = 0; i < f->list.count; i++) free(f->list.at[i].path);
    free(f->list.at);
    strmap_free(f->paths);
    *f = (hub_files){0};
}

/* ---- answers ---- */

lmm_status hub_revision_parse(char sha[41], const char *json, size_t size) {
    tree *t = NULL;
    lmm_status st = tree_parse_json(&t, json, size, "the hub's answer");
    if (st) return st;
    const char *text = tree_str(t, "sha", "");
    if (hub_is_hex(text, 40)) memcpy(sha, text, 41);
    else st = LMM_FAIL(LMM_E_FORMAT, "the hub's answer names no commit ('sha' of 40 hex digits)");
    tree_free(t);
    return st;
}

static lmm_status add_entry(hub_files *f, const tree *entry) {
    const tree *path = tree_get(entry, "path"), *lfs = tree_get(entry, "lfs");
    const char *type = tree_str(entry, "type", "");
    if (!path || path->type != TREE_STRING) return LMM_FAIL(LMM_E_FORMAT, "the hub's list holds an entry without a path");
    if (!hub_path_is_safe(path->text, path->text_size))
        return LMM_FAIL(LMM_E_FORMAT, "the hub's list holds the path '%.200s', which could leave the folder: nothing is fetched",
                        path->text);
    if (!strcmp(type, "directory")) return LMM_OK;
    bool is_large = lfs && lfs->type == TREE_MAP;
    const tree *from = is_large ? lfs : entry;
    const char *oid = tree_str(from, "oid", "");
    int64_t size = tree_int(from, "size", -1);
    if (strcmp(type, "file") || size < 0 || !hub_is_hex(oid, is_large ? 64 : 40))
        return LMM_FAIL(LMM_E_FORMAT, "the hub's list says of '%.200s' no type, size and hash that make sense", path->text);
    if (f->list.count == FILES_MAX) return LMM_FAIL(LMM_E_LIMIT, "the repository has more than %d files", FILES_MAX);
    if (!f->paths) f->paths = strmap_new();
    if (!strmap_put(f->paths, path->text, path->text_size, f->list.count))
        return LMM_FAIL(LMM_E_FORMAT, "the hub's list holds '%.200s' twice", path->text);
    hub_file file = {.path = mem_strdup(path->text), .size = size};
    memcpy(file.oid, oid, strlen(oid) + 1);
    VEC_PUSH(&f->list, file);
    return LMM_OK;
}

lmm_status hub_tree_add(hub_files *f, const char *json, size_t size) {
    tree *t = NULL;
    lmm_status st = tree_parse_json(&t, json, size, "the hub's list of files");
    if (!st && t->type != TREE_LIST) st = LMM_FAIL(LMM_E_FORMAT, "the hub's list of files is no list");
    for (int i = 0; !st && i < t->count; i++) st = add_entry(f, t->items[i]);
    tree_free(t);
    return st;
}

lmm_status hub_tree_check(const hub_files *f) {
    for (int i = 0; i < f->list.count; i++) {
        const char *path = f->list.at[i].path;
        int other;
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
            if (strmap_get(f->paths, path, (size_t)(slash - path), &other))
                return LMM_FAIL(LMM_E_FORMAT, "the hub's list holds '%.200s' both as a file and as a folder", f->list.at[other].path);
    }
    return LMM_OK;
}

/* ---- requests ---- */

/* The list holds the hashes everything else is judged by: only the endpoint itself is asked for it. */
static lmm_status to_buffer(void *arg, const http_reply *head, const char *bytes, size_t n) {
    buf *b = arg;
    if (!head->is_home)
        return LMM_FAIL(LMM_E_FORMAT, "the hub sends the question for its files on to another server, '%s': refused", head->host);
    if (n > JSON_BYTES_MAX - b->size) return LMM_FAIL(LMM_E_LIMIT, "the hub's answer is larger than %d bytes", JSON_BYTES_MAX);
    buf_put(b, bytes, n);
    return LMM_OK;
}

lmm_status hub_api_refusal(const http *h, const http_reply *r, const hub_name *n, const char *path) {
    if (!strcmp(r->error_code, "GatedRepo"))
        return LMM_FAIL(LMM_E_IO, "'%s' is gated: accept its terms at %s/%s and set HF_TOKEN", n->id, http_endpoint(h), n->id);
    if (!strcmp(r->error_code, "RevisionNotFound")) return LMM_FAIL(LMM_E_IO, "'%s' has no revision '%s'", n->id, n->revision);
    if (!strcmp(r->error_code, "EntryNotFound")) return LMM_FAIL(LMM_E_IO, "'%s' has no file '%s'", n->id, path ? path : "");
    if (r->status == 401) return LMM_FAIL(LMM_E_IO, "'%s' does not exist, or is private: the hub wants a valid token (HF_TOKEN)", n->id);
    if (r->status == 403) return LMM_FAIL(LMM_E_IO, "the hub does not let this token read '%s' (status 403)", n->id);
    if (r->status == 404 && path) return LMM_FAIL(LMM_E_IO, "the hub does not find '%s' of '%s'", path, n->id);
    if (r->status == 404) return LMM_FAIL(LMM_E_IO, "there is no '%s' on %s", n->id, http_endpoint(h));
    if (r->status == 429)
        return LMM_FAIL(LMM_E_IO, "the hub wants fewer requests for '%s' (status 429): wait some minutes, or set HF_TOKEN", n->id);
    if (r->status >= 500)
        return LMM_FAIL(LMM_E_IO, "the hub is in trouble: status %d for '%s', %d times; what has come is kept, try again later", r->status,
                        n->id, HTTP_RETRIES + 1);
    return LMM_FAIL(LMM_E_IO, "the hub answers '%s' with status %d", n->id, r->status);
}

/* *next: the following page or NULL; may be NULL. */
static lmm_status fetch_json(buf *b, char **next, http *h, const hub_name *n, const char *url) {
    for (int attempt = 0;; attempt++) {
        http_reply r;
        buf_reset(b);
        lmm_status st = http_get(h, url, 0, api_deadline_s, to_buffer, b, &r);
        if (!st && r.status != 200) st = hub_api_refusal(h, &r, n, NULL);
        if (!st && next) *next = r.link ? url_link_next(r.link) : NULL;
        bool again = st && r.can_retry && attempt < HTTP_RETRIES;
        if (again) http_wait(h, attempt + 1, &r);
        http_reply_free(&r);
        if (!again) return st;
    }
}

static char *api_url(const http *h, const hub_name *n, const char *what, const char *revision) {
    char *escaped = url_escape(revision, false);
    char *url = mem_printf("%s/api/%s/%s/%s/%s", http_endpoint(h), n->is_dataset ? "datasets" : "models", n->id, what, escaped);
    free(escaped);
    return url;
}

lmm_status hub_api_commit(char sha[41], http *h, const hub_name *n) {
    buf b = {0};
    char *url = api_url(h, n, "revision", n->revision);
    lmm_status st = fetch_json(&b, NULL, h, n, url);
    if (!st) st = hub_revision_parse(sha, b.data ? b.data : "", b.size);
    free(url);
    buf_free(&b);
    return st;
}

/* A following page lies at the endpoint's origin: the token goes there. */
static lmm_status next_page(char **url, char *next) {
    char *full = NULL;
    url_origin here, there;
    lmm_status st = url_resolve(&full, *url, next);
    if (!st) st = url_origin_of(&here, *url);
    if (!st) st = url_origin_of(&there, full);
    if (!st && !url_origin_same(&here, &there))
        st = LMM_FAIL(LMM_E_FORMAT, "the hub's list goes on at another server, '%s': refused", there.host);
    free(next);
    if (st) {
        free(full);
        return st;
    }
    free(*url);
    *url = full;
    return LMM_OK;
}

lmm_status hub_api_tree(hub_files *f, http *h, const hub_name *n, const char *sha) {
    buf b = {0};
    char *base = api_url(h, n, "tree", sha), *url = mem_printf("%s?recursive=true", base);
    lmm_status st = LMM_OK;
    for (int page = 0; !st; page++) {
        char *next = NULL;
        st = fetch_json(&b, &next, h, n, url);
        if (!st) st = hub_tree_add(f, b.data ? b.data : "", b.size);
        if (!next) break;
        if (st) free(next);
        else if (page + 1 == PAGES_MAX) free(next), st = LMM_FAIL(LMM_E_LIMIT, "the hub's list has more than %d pages", PAGES_MAX);
        else st = next_page(&url, next);
    }
    if (!st) st = hub_tree_check(f);
    free(url);
    free(base);
    buf_free(&b);
    return st;
}
