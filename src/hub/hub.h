/* hub.h - checkpoints from a Hugging Face hub into its cache: `lmm pull`, and finding there what was pulled.
 *
 *   url.c      names of models, where a request may go, which addresses are private
 *   http.c     libcurl: limits, deadlines, redirects by hand, the token to the endpoint's origin only, retries
 *   api.c      revision -> commit, commit -> list of files; every path and hash checked before anything is written
 *   cache.c    the cache tree, byte-compatible with the Python client: blobs/, refs/, snapshots/, .locks/, CACHEDIR.TAG
 *   content.c  the hash a file is named by: SHA-256, or git's SHA-1 of small files
 *   fetch.c    one file: resume, verify, commit
 *   pull.c     all files of a repository, several at a time
 *
 * A file is in the cache only when its hash is its name. A part is `blobs/<hash>.lmm-part`; a later pull hashes it anew and asks for
 * the rest, so killing a pull at any moment loses nothing but what was not written. Nothing here reads the environment: the command does. */
#ifndef LMM_HUB_H
#define LMM_HUB_H

#include "base/base.h"
#include "lmm.h"

typedef struct {
    const char *endpoint; /* "https://huggingface.co", a path prefix is fine */
    const char *token;    /* NULL: none; sent to the endpoint's origin and nowhere else */
    const char *cache;    /* the folder with models--org--name in it */
    bool offline;         /* no request at all: only what the cache has */
    bool insecure_http;   /* plain http to others than this machine */
    double connect_s;     /* deadline to connect; 0: 10 */
    double stall_s;       /* a transfer slower than 1000 bytes/s for so long is broken off and tried again; 0: 10 */
    double backoff_s;     /* first wait before a retry, doubled each time; 0: 1 */
    int jobs;             /* files fetched at a time; 0: 4 */
} hub_opts;

typedef struct {
    bool is_dataset;
    char *id;       /* "org/name" or "name" */
    char *revision; /* branch, tag, commit, "refs/pr/1"; "main" when not given */
    char *quant;    /* "Q4_K_M": of a repository of GGUF files only those; NULL: not given */
} hub_name;
/* "[hf://][datasets/]ORG/NAME[@REVISION][:QUANT]". Letters, digits, '.', '_', '-'; at most 96 a part; no "--", no "..". */
lmm_status hub_name_parse(hub_name *out, const char *text);
void hub_name_free(hub_name *n);
/* Is it a GGUF file of a language model (no projector, "mmproj") of that quantisation (NULL: of any)? The case of letters does not matter, and
 * Q4_K is not Q4_K_M. */
bool hub_file_is_quant(const char *path, const char *quant);
/* Is it the projector of a GGUF file beside it (tower and projector, "mmproj"), and to be taken rather than `best` (NULL: none so far)? Of several
 * the one in f16 is. */
bool hub_file_is_projector(const char *path, const char *best);

typedef struct {
    const char *name;           /* see hub_name_parse */
    const char *const *include; /* globs over the whole path, '*' matches '/' too; none: all files */
    const char *const *exclude;
    int include_count, exclude_count;
    const char *local_dir; /* plain files there instead of the cache; NULL: the cache */
    bool verify;           /* hash again what is there; what does not match is fetched anew (offline: refused) */
} hub_request;
/* *folder: the snapshot (or local_dir), free(). */
lmm_status hub_pull(char **folder, const hub_opts *o, const hub_request *r);

/* The snapshot of NAME[@REVISION] in the cache, free(); LMM_E_IO when there is none. */
lmm_status hub_find(char **folder, const char *cache, const char *name);

/* ---- chat.c: a server with OpenAI's interface, several questions at a time ---- */

typedef struct {
    const char *base_url; /* "https://api.openai.com/v1": /chat/completions is put behind it */
    const char *model;    /* its name there */
    const char *key;      /* NULL: none; goes to this address only, and over plain http to this machine only */
    int concurrency;      /* questions in flight; 0: 8 */
    int retries;      /* repetitions of one that failed for a reason that may pass (transport, 408, 409, 429, 5xx); 0: 5, below 0: none */
    double timeout_s; /* of one try; 0: 120 */
    double backoff_s; /* first wait before a repetition, doubled each time; 0: 1 */
} chat_opts;
typedef struct chat chat;
lmm_status chat_open(chat **out, const chat_opts *o);
void chat_close(chat *c);
/* An lmm_chat_fn; self is a chat. A question that fails for good has no answer; a refused key, an unknown model or twenty failed questions
 * without an answer between end it all. */
lmm_status chat_ask(void *self, const lmm_chat_feed *feed);

#endif
