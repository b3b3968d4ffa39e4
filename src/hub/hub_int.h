/* hub_int.h - what files of this directory share among themselves and with their tests. */
#ifndef LMM_HUB_INT_H
#define LMM_HUB_INT_H

#include "hub/hub.h"

struct sockaddr;

/* ---- url.c ---- */

typedef struct {
    char scheme[8]; /* http or https */
    char host[256]; /* lower case, IPv6 without brackets */
    int port;
} url_origin;
lmm_status url_origin_of(url_origin *out, const char *url); /* other schemes and user:password@ are refused */
bool url_origin_same(const url_origin *a, const url_origin *b);
/* A Location against the page it came from. */
lmm_status url_resolve(char **out, const char *base, const char *location);
/* May a request go to `to`, coming from `from` (NULL: no redirect)? No step from https to http; http to this machine only. */
lmm_status url_step_check(const url_origin *from, const url_origin *to, bool insecure_http);
char *url_escape(const char *text, bool keep_slash);
/* The target of rel="next" in a Link header; NULL when there is none. */
char *url_link_next(const char *header);

typedef enum { ADDRESS_PUBLIC, ADDRESS_LOOPBACK, ADDRESS_PRIVATE, ADDRESS_LINK_LOCAL, ADDRESS_UNUSABLE } address_kind;
address_kind address_kind_of(const struct sockaddr *a);

/* Relative, no empty, "." or ".." part, no control character or backslash, at most 16 parts of 255 bytes. */
bool hub_path_is_safe(const char *path, size_t size);
bool hub_is_hex(const char *text, size_t size); /* `size` lower case hex digits and no more */

/* ---- http.c ---- */

typedef struct http http;
typedef struct {
    int status;
    bool can_retry;         /* the failure may pass: transport, 408, 429, 5xx */
    double retry_after_s;   /* 0: not said */
    char content_range[80]; /* these are "" when absent or overlong */
    char etag[80];          /* without W/ and quotes; X-Linked-Etag of the endpoint when it sent one */
    char commit[48];        /* X-Repo-Commit */
    char error_code[48];    /* X-Error-Code */
    char encoding[24];      /* Content-Encoding */
    bool etag_is_hub;       /* the etag is X-Linked-Etag */
    bool is_home;           /* the last answer came from the endpoint, not from a content server behind it, */
    char host[256];         /* from this one */
    char *location, *link;
} http_reply;
void http_reply_free(http_reply *r);

/* Body bytes of a 200 or 206 in order; a failure ends the transfer and becomes its status. */
typedef lmm_status (*http_sink)(void *arg, const http_reply *head, const char *bytes, size_t n);

lmm_status http_open(http **out, const hub_opts *o);
void http_close(http *h);
const char *http_endpoint(const http *h); /* without the slash at the end */
/* One GET with its redirects. from > 0 asks for the bytes from there on. `reply` is filled as far as known on failures too (free it);
 * statuses other than 2xx are no failure here. deadline_s 0: none but the stall rule. */
lmm_status http_get(http *h, const char *url, int64_t from, double deadline_s, http_sink sink, void *arg, http_reply *reply);
/* Seconds before try number `attempt` (1: the first repetition): 1 2 4 8 16 times `unit`, up to a quarter more, or what the server asked for. */
double http_retry_wait(int attempt, double unit, double retry_after, double random);
void http_wait(http *h, int attempt, const http_reply *reply);
enum { HTTP_RETRIES = 5, HTTP_REDIRECTS = 5 };

/* ---- api.c ---- */

typedef struct {
    char *path;
    int64_t size;
    char oid[65]; /* 64 digits: SHA-256; 40: git's SHA-1 of "blob <size>\0" + bytes */
} hub_file;
typedef struct {
    VEC(hub_file) list;
    strmap *paths; /* path -> position */
} hub_files;
void hub_files_free(hub_files *f);
/* The two answers; adding refuses unsafe and repeated paths, bad hashes, and more than 100,000 files. */
lmm_status hub_revision_parse(char sha[41], const char *json, size_t size);
lmm_status hub_tree_add(hub_files *f, const char *json, size_t size);
lmm_status hub_tree_check(const hub_files *f); /* no file is another one's folder */

lmm_status hub_api_commit(char sha[41], http *h, const hub_name *n);
lmm_status hub_api_tree(hub_files *f, http *h, const hub_name *n, const char *sha);
/* What a status other than 2xx means for the user. path NULL: the repository itself. */
lmm_status hub_api_refusal(const http *h, const http_reply *r, const hub_name *n, const char *path);

/* ---- content.c ---- */

typedef struct {
    bool is_git;
    sha256 sha2;
    uint32_t h[5]; /* SHA-1 */
    uint64_t size;
    unsigned char block[64];
} content_hash;
void content_begin(content_hash *c, size_t oid_length, int64_t size); /* 64: SHA-256, 40: git blob of `size` bytes */
void content_put(content_hash *c, const void *bytes, size_t n);
void content_end(content_hash *c, char oid[65]);
/* Hashes the file; *same: is it what `oid` and size say? */
lmm_status content_check(bool *same, const char *path, const char *oid, int64_t size);

/* ---- fetch.c ---- */

typedef struct {
    http *h;
    const hub_name *name;
    const char *sha;
    const char *parts;                                              /* the folder of the parts */
    void (*on_progress)(void *arg, int64_t more, const char *note); /* bytes that came, note: the file */
    void *arg;
} fetch_source;
/* Brings one file to `to`: its hash is right, or it is not there. */
lmm_status fetch_file(const fetch_source *s, const hub_file *f, const char *to);

/* ---- cache.c ---- */

typedef struct {
    char *root, *blobs, *snapshot, *locks; /* of one repository and commit */
} hub_repo;
char *cache_repo_name(const hub_name *n); /* models--org--name */
lmm_status cache_repo_open(hub_repo *out, const char *cache, const hub_name *n, const char *sha);
void cache_repo_free(hub_repo *r);
lmm_status cache_link(const hub_repo *r, const hub_file *f); /* snapshots/<sha>/<path> -> ../../blobs/<oid> */
lmm_status cache_ref_write(const hub_repo *r, const char *revision, const char *sha);
/* Waits until this process is the only one at that file; *fd is closed to let go. */
lmm_status cache_lock(int *fd, const char *folder, const char *oid);
lmm_status cache_sync_folder(const char *path);
/* Offline: are all files there that the snapshot names (links, shards of an index)? verify: and do they have their hashes? */
lmm_status cache_snapshot_check(const char *snapshot, bool verify);

#endif
