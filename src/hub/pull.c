/* pull.c - one file after the other into the cache (or a plain folder): resume, verify, commit.
 *
 * The bytes go to <hash>.lmm-part while they are hashed. A later pull hashes what is there (faster than any line, and it trusts no
 * record beside it) and asks for the rest with Range. There is no If-Range: the URL names a commit, the content server's etag is its
 * own, and a file pieced together wrongly does not get its hash. What has its hash is synced and renamed; what has not is removed
 * and tried once more from the start. */
#include "hub/hub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PROGRESS_BYTES = 1 << 20 }; /* a try that brought so much was no failure of the line: the count of tries starts again */

typedef struct {
    const hub_request *r;
    http *h;
    hub_name name;
    char sha[41];
    hub_files files;
    hub_repo repo;     /* cache */
    const char *parts; /* where parts lie, */
    const char *locks; /* and locks */
    char *local_parts; /* local_dir: <dir>/.cache/huggingface/download */
    progress *bar;
    int64_t done; /* bytes of the files that are finished */
} pull;

typedef struct {
    pull *p;
    const hub_file *f;
    int fd;
    char *part;
    int64_t have;   /* bytes in the part, all of them in the hash */
    int64_t before; /* of them, when this try began */
    content_hash hash;
    bool body_began;
    bool is_wrong; /* the part is of no use: start over */
} transfer;

/* ---- the part ---- */

static lmm_status part_fail(const transfer *t, const char *verb) {
    return LMM_FAIL(LMM_E_IO, "cannot %s '%s': %s", verb, t->part, strerror(errno));
}

static lmm_status part_restart(transfer *t) {
    t->have = 0;
    content_begin(&t->hash, strlen(t->f->oid), t->f->size);
    if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) < 0) return part_fail(t, "empty");
    return LMM_OK;
}

static lmm_status part_hash(transfer *t) {
    unsigned char piece[65536];
    for (;;) {
        ssize_t n = read(t->fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return part_fail(t, "read");
        if (n == 0) return LMM_OK;
        if (n > t->f->size - t->have) return part_restart(t); /* longer than the file: not a part of it */
        content_put(&t->hash, piece, (size_t)n);
        t->have += n;
    }
}

static lmm_status part_open(transfer *t) {
    struct stat info;
    t->fd = open(t->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
    if (t->fd < 0) return part_fail(t, "write");
    if (fstat(t->fd, &info) != 0 || !S_ISREG(info.st_mode)) return LMM_FAIL(LMM_E_IO, "cannot write '%s': it is no file", t->part);
    content_begin(&t->hash, strlen(t->f->oid), t->f->size);
    return part_hash(t);
}

static lmm_status part_put(transfer *t, const char *bytes, size_t n) {
    content_put(&t->hash, bytes, n);
    t->have += (int64_t)n;
    while (n > 0) {
        ssize_t w = write(t->fd, bytes, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) {
            t->is_wrong = errno != ENOSPC && errno != EDQUOT && errno != EFBIG; /* a full disk keeps its part for later */
            return part_fail(t, "write");
        }
        bytes += w, n -= (size_t)w;
    }
    return LMM_OK;
}

/* ---- the body ---- */

static lmm_status wrong(transfer *t, lmm_status st) {
    t->is_wrong = true;
    return st;
}

/* Is this answer about the file of the list? */
static lmm_status head_check(const transfer *t, const http_reply *head) {
    const char *oid = t->f->oid, *etag = head->etag;
    if (*head->commit && strcmp(head->commit, t->p->sha))
        return LMM_FAIL(LMM_E_FORMAT, "'%s' changed on the hub: it now comes from commit %s, the list from %s", t->f->path, head->commit,
                        t->p->sha);
    bool is_hash = (head->etag_is_hub || head->is_home) && (hub_is_hex(etag, 40) || hub_is_hex(etag, 64));
    if (is_hash && strcmp(etag, oid))
        return LMM_FAIL(LMM_E_FORMAT, "'%s' changed on the hub: its etag is %s, the list says %s", t->f->path, etag, oid);
    return LMM_OK;
}

static lmm_status body_begin(transfer *t, const http_reply *head) {
    lmm_status st = head_check(t, head);
    if (st) return wrong(t, st);
    if (head->status == 200) return t->have > 0 ? part_restart(t) : LMM_OK; /* the server ignores Range */
    long long first = -1, last = -1, total = -1;
    int n = sscanf(head->content_range, "bytes %lld-%lld/%lld", &first, &last, &total);
    if (n == 3 && first == t->have && last < total && total == t->f->size) return LMM_OK;
    return wrong(t, LMM_FAIL(LMM_E_FORMAT, "'%s': asked for the bytes from %" PRId64 " of %" PRId64 ", the server sends '%s'", t->f->path,
                             t->have, t->f->size, head->content_range));
}

static lmm_status on_bytes(void *arg, const http_reply *head, const char *bytes, size_t n) {
    transfer *t = arg;
    lmm_status st = t->body_began ? LMM_OK : body_begin(t, head);
    t->body_began = true;
    if (st) return st;
    if ((int64_t)n > t->f->size - t->have)
        return wrong(t,
                     LMM_FAIL(LMM_E_FORMAT, "'%s': the server sends more than the %" PRId64 " bytes of the file", t->f->path, t->f->size));
    st = part_put(t, bytes, n);
    progress_set(t->p->bar, t->p->done + t->have, t->f->path);
    return st;
}

/* ---- tries ---- */

static char *file_url(const pull *p, const hub_file *f) {
    char *path = url_escape(f->path, true);
    char *url = mem_printf("%s/%s%s/resolve/%s/%s", http_endpoint(p->h), p->name.is_dataset ? "datasets/" : "", p->name.id, p->sha, path);
    free(path);
    return url;
}

static lmm_status verdict(transfer *t) {
    char have[65];
    content_hash copy = t->hash;
    content_end(&copy, have);
    if (!strcmp(have, t->f->oid)) return LMM_OK;
    return wrong(t, LMM_FAIL(LMM_E_FORMAT, "'%s' is not what the hub lists: its hash is %s, not %s; it is not kept", t->f->path, have,
                             t->f->oid));
}

/* One request, always from the resolve URL on: what it redirects to is signed for minutes only. */
static lmm_status try_once(transfer *t, const char *url, http_reply *reply) {
    const pull *p = t->p;
    *reply = (http_reply){0};
    t->body_began = t->is_wrong = false;
    t->before = t->have;
    if (t->have == t->f->size) return verdict(t);
    lmm_status st = http_get(p->h, url, t->have, 0, on_bytes, t, reply);
    if (st) return st;
    if (reply->status == 416)
        return wrong(t, LMM_FAIL(LMM_E_FORMAT, "'%s': the server has no bytes from %" PRId64 " on", t->f->path, t->have));
    if (reply->status != 200 && reply->status != 206) {
        if (reply->status == 403 && !reply->is_home) reply->can_retry = true; /* the signature ran out */
        return hub_api_refusal(p->h, reply, &p->name, t->f->path);
    }
    if (t->have == t->f->size) return verdict(t);
    reply->can_retry = true;
    return LMM_FAIL(LMM_E_IO, "'%s' broke off after %" PRId64 " of %" PRId64 " bytes", t->f->path, t->have, t->f->size);
}

static lmm_status transfer_run(transfer *t) {
    char *url = file_url(t->p, t->f);
    int restarts = 0;
    lmm_status st = LMM_OK;
    for (int attempt = 0;;) {
        http_reply reply;
        st = try_once(t, url, &reply);
        bool again = false;
        if (st && t->is_wrong) {
            again = restarts++ == 0 && part_restart(t) == LMM_OK;
        } else if (st && reply.can_retry) {
            if (t->have - t->before >= PROGRESS_BYTES) attempt = 0;
            again = attempt++ < HTTP_RETRIES;
            if (again) http_wait(t->p->h, attempt, &reply);
        }
        http_reply_free(&reply);
        if (!again) break;
    }
    free(url);
    return st;
}

/* ---- one file ---- */

static char *file_target(const pull *p, const hub_file *f) {
    return p->r->local_dir ? path_join(p->r->local_dir, f->path) : path_join(p->repo.blobs, f->oid);
}

/* A file of the cache is named by its hash and was checked when it came; one of a plain folder may be anything. */
static lmm_status is_present(bool *present, const pull *p, const hub_file *f, const char *path, bool verify) {
    struct stat info;
    *present = lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == f->size;
    if (!*present || !(verify || p->r->local_dir)) return LMM_OK;
    return content_check(present, path, f->oid, f->size);
}

static lmm_status commit(transfer *t, const char *to) {
    char *dir = path_dir(to);
    lmm_status st = dir_make(dir);
    if (!st && fsync(t->fd) != 0) st = wrong(t, part_fail(t, "write")); /* what the disk holds of it is unknown now */
    if (!st && rename(t->part, to) != 0) st = LMM_FAIL(LMM_E_IO, "cannot put '%s' in its place: %s", to, strerror(errno));
    if (!st) st = cache_sync_folder(dir);
    free(dir);
    return st;
}

static lmm_status fetch(pull *p, const hub_file *f, const char *to) {
    transfer t = {.p = p, .f = f, .fd = -1, .part = mem_printf("%s/%s.lmm-part", p->parts, f->oid)};
    lmm_status st = part_open(&t);
    if (!st) st = transfer_run(&t);
    if (!st) st = commit(&t, to);
    if (st && (t.is_wrong || (t.fd >= 0 && t.have == 0))) (void)unlink(t.part);
    if (t.fd >= 0) close(t.fd);
    free(t.part);
    return st;
}

static lmm_status pull_file(pull *p, const hub_file *f) {
    char *to = file_target(p, f);
    bool present = false;
    int lock = -1;
    lmm_status st = cache_lock(&lock, p->locks, f->oid);
    if (!st) st = is_present(&present, p, f, to, p->r->verify); /* another process may have brought it meanwhile */
    if (!st && !present) {
        st = fetch(p, f, to);
        if (!st) p->done += f->size;
    }
    if (!st && !p->r->local_dir) st = cache_link(&p->repo, f);
    if (lock >= 0) close(lock);
    free(to);
    return st;
}

/* ---- all files ---- */

/* As in the Python client: a pattern for a folder ends with a slash and means all in it. */
static bool matches(const char *path, const char *const *globs, int count) {
    for (int i = 0; i < count; i++) {
        size_t n = strlen(globs[i]);
        char *glob = mem_printf("%s%s", globs[i], n && globs[i][n - 1] == '/' ? "*" : "");
        bool hit = fnmatch(glob, path, 0) == 0;
        free(glob);
        if (hit) return true;
    }
    return false;
}

static bool is_wanted(const hub_request *r, const char *path) {
    return (r->include_count == 0 || matches(path, r->include, r->include_count)) && !matches(path, r->exclude, r->exclude_count);
}

static lmm_status disk_check(const char *folder, int64_t need) {
    struct statvfs v;
    if (statvfs(folder, &v) != 0) return LMM_OK; /* then the disk itself will say */
    double room = (double)v.f_bavail * (double)v.f_frsize;
    if ((double)need <= room) return LMM_OK;
    return LMM_FAIL(LMM_E_IO, "'%s' has %.0f MB free, %.0f MB are to be fetched", folder, room / 1e6, (double)need / 1e6);
}

static lmm_status survey(const pull *p, int64_t *need) {
    int wanted = 0;
    *need = 0;
    for (int i = 0; i < p->files.list.count; i++) {
        const hub_file *f = &p->files.list.at[i];
        struct stat info;
        if (!is_wanted(p->r, f->path)) continue;
        wanted++;
        char *to = file_target(p, f), *part = mem_printf("%s/%s.lmm-part", p->parts, f->oid);
        int64_t have = lstat(to, &info) == 0 && info.st_size == f->size ? f->size : stat(part, &info) == 0 ? (int64_t)info.st_size : 0;
        if (have < f->size && f->size - have > INT64_MAX - *need) *need = INT64_MAX;
        else if (have < f->size) *need += f->size - have;
        free(part);
        free(to);
    }
    if (p->files.list.count && !wanted) return LMM_FAIL(LMM_E_ARG, "no file of '%s' matches", p->name.id);
    return LMM_OK;
}

static lmm_status pull_files(pull *p) {
    int64_t need = 0;
    lmm_status st = survey(p, &need);
    if (!st) st = disk_check(p->parts, need);
    if (st) return st;
    p->bar = progress_new("pulling", need, "bytes");
    for (int i = 0; !st && i < p->files.list.count; i++)
        if (is_wanted(p->r, p->files.list.at[i].path)) st = pull_file(p, &p->files.list.at[i]);
    progress_free(p->bar);
    return st;
}

static lmm_status open_target(pull *p, const hub_opts *o) {
    lmm_status st;
    if (p->r->local_dir) {
        p->local_parts = path_join(p->r->local_dir, ".cache/huggingface/download");
        p->parts = p->locks = p->local_parts;
        return dir_make(p->local_parts);
    }
    st = cache_repo_open(&p->repo, o->cache, &p->name, p->sha);
    p->parts = p->repo.blobs;
    p->locks = p->repo.locks;
    return st;
}

static lmm_status pull_online(pull *p, const hub_opts *o, char **folder) {
    lmm_status st = http_open(&p->h, o);
    if (!st) st = hub_api_commit(p->sha, p->h, &p->name);
    if (!st) st = hub_api_tree(&p->files, p->h, &p->name, p->sha);
    if (!st) st = open_target(p, o);
    if (!st) st = pull_files(p);
    if (!st && !p->r->local_dir) st = cache_ref_write(&p->repo, p->name.revision, p->sha); /* last: the ref means all is there */
    if (!st) *folder = mem_strdup(p->r->local_dir ? p->r->local_dir : p->repo.snapshot);
    return st;
}

static lmm_status pull_offline(const hub_opts *o, const hub_request *r, char **folder) {
    char *found = NULL;
    if (r->local_dir) return LMM_FAIL(LMM_E_ARG, "offline, nothing can be brought to '%s'", r->local_dir);
    lmm_status st = hub_find(&found, o->cache, r->name);
    if (!st) st = cache_snapshot_check(found, r->verify);
    if (st) {
        free(found);
        return LMM_CONTEXT(st, "offline");
    }
    *folder = found;
    return LMM_OK;
}

lmm_status hub_pull(char **folder, const hub_opts *o, const hub_request *r) {
    pull p = {.r = r};
    if (o->offline) return pull_offline(o, r, folder);
    lmm_status st = hub_name_parse(&p.name, r->name);
    if (!st) st = pull_online(&p, o, folder);
    cache_repo_free(&p.repo);
    hub_files_free(&p.files);
    hub_name_free(&p.name);
    http_close(p.h);
    free(p.local_parts);
    return st;
}
