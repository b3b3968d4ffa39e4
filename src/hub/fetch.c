/* fetch.c - one file of the hub to its place: resume, verify, commit.
 *
 * The bytes go to <hash>.lmm-part while they are hashed. A later pull hashes what is there (faster than any line, and it trusts no
 * record beside it) and asks for the rest with Range. There is no If-Range: the URL names a commit, the content server's etag is its
 * own, and a file pieced together wrongly does not get its hash. What has its hash is synced and renamed; what has not is removed
 * and tried once more from the start. */
#include "hub/hub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRESS_BYTES = 1 << 20 }; /* a try that brought so much was no failure of the line: the count of tries starts again */

typedef struct {
    const fetch_source *s;
    const hub_file *f;
    int fd;
    char *part;
    int64_t have;   /* bytes in the part, all of them in the hash */
    int64_t before; /* of them, when this try began */
    int64_t told;   /* of them, the progress knows */
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

/* The bytes that came since the last time; fewer than none after a new start. */
static void tell(transfer *t) {
    int64_t more = t->have - t->told;
    t->told = t->have;
    t->s->on_progress(t->s->arg, more, t->f->path);
}

static lmm_status wrong(transfer *t, lmm_status st) {
    t->is_wrong = true;
    return st;
}

/* Is this answer about the file of the list? */
static lmm_status head_check(const transfer *t, const http_reply *head) {
    const char *oid = t->f->oid, *etag = head->etag;
    if (*head->commit && strcmp(head->commit, t->s->sha))
        return LMM_FAIL(LMM_E_FORMAT, "'%s' changed on the hub: it now comes from commit %s, the list from %s", t->f->path, head->commit,
                        t->s->sha);
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
    tell(t);
    return st;
}

/* ---- tries ---- */

static char *file_url(const fetch_source *s, const hub_file *f) {
    char *path = url_escape(f->path, true);
    char *url = mem_printf("%s/%s%s/resolve/%s/%s", http_endpoint(s->h), s->name->is_dataset ? "datasets/" : "", s->name->id, s->sha, path);
    free(path);
    return url;
}

static lmm_status verdict(transfer *t, const http_reply *reply) {
    char have[65];
    content_hash copy = t->hash;
    content_end(&copy, have);
    if (!strcmp(have, t->f->oid)) return LMM_OK;
    bool elsewhere = *reply->host && !reply->is_home;
    return wrong(t, LMM_FAIL(LMM_E_FORMAT, "'%s'%s%s%s is not what the hub lists: its hash is %s, not %s; it is not kept", t->f->path,
                             elsewhere ? ", for which the hub redirects to '" : "", elsewhere ? reply->host : "", elsewhere ? "'," : "",
                             have, t->f->oid));
}

/* One request, always from the resolve URL on: what it redirects to is signed for minutes only. */
static lmm_status try_once(transfer *t, const char *url, http_reply *reply) {
    const fetch_source *s = t->s;
    *reply = (http_reply){0};
    t->body_began = t->is_wrong = false;
    t->before = t->have;
    if (t->have == t->f->size) return verdict(t, reply);
    lmm_status st = http_get(s->h, url, t->have, 0, on_bytes, t, reply);
    if (st) return st;
    if (reply->status == 416)
        return wrong(t, LMM_FAIL(LMM_E_FORMAT, "'%s': the server has no bytes from %" PRId64 " on", t->f->path, t->have));
    if (reply->status != 200 && reply->status != 206) {
        if (reply->status == 403 && !reply->is_home) reply->can_retry = true; /* the signature ran out */
        return hub_api_refusal(s->h, reply, s->name, t->f->path);
    }
    if (t->have == t->f->size) return verdict(t, reply);
    reply->can_retry = true;
    return LMM_FAIL(LMM_E_IO, "'%s' broke off after %" PRId64 " of %" PRId64 " bytes", t->f->path, t->have, t->f->size);
}

static lmm_status transfer_run(transfer *t) {
    char *url = file_url(t->s, t->f);
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
            if (again) http_wait(t->s->h, attempt, &reply);
        }
        http_reply_free(&reply);
        if (!again) break;
    }
    free(url);
    return st;
}

/* ---- the file ---- */

static lmm_status commit(transfer *t, const char *to) {
    char *dir = path_dir(to);
    lmm_status st = dir_make(dir);
    if (!st && fsync(t->fd) != 0) st = wrong(t, part_fail(t, "write")); /* what the disk holds of it is unknown now */
    if (!st && rename(t->part, to) != 0) st = LMM_FAIL(LMM_E_IO, "cannot put '%s' in its place: %s", to, strerror(errno));
    if (!st) st = cache_sync_folder(dir);
    free(dir);
    return st;
}

lmm_status fetch_file(const fetch_source *s, const hub_file *f, const char *to) {
    transfer t = {.s = s, .f = f, .fd = -1, .part = mem_printf("%s/%s.lmm-part", s->parts, f->oid)};
    lmm_status st = part_open(&t);
    t.told = t.have; /* what lay there was never to come */
    if (!st) st = transfer_run(&t);
    if (!st) st = commit(&t, to);
    if (st && (t.is_wrong || (t.fd >= 0 && t.have == 0))) (void)unlink(t.part);
    if (t.fd >= 0) close(t.fd);
    free(t.part);
    return st;
}
