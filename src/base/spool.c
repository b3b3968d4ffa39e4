/* spool.c - bytes that need not be in memory: a temporary file without a name, written from front to back, read anywhere.
 *
 * What was put last waits in memory until there is enough for one write, so a small spool never comes to be a file. The file has no name: it is gone with the process,
 * however that ends. Reading is by pread: pages stay the kernel's and count for nobody. */
#include "base/base_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_AT_ONCE = 1 << 20 };

static lmm_status spool_fail(const spool *s, const char *verb, int error) {
    return LMM_FAIL(LMM_E_IO, "cannot %s a temporary file in '%s': %s", verb, s->folder ? s->folder : ".", strerror(error));
}

void spool_open(spool *s, const char *folder) { *s = (spool){.folder = mem_strdup(folder)}; }

void spool_close(spool *s) {
    if (s->is_file) close(s->fd);
    buf_free(&s->tail);
    free(s->folder);
    *s = (spool){0};
}

/* In the folder, or where it will be made: the nearest one above that is there. */
static lmm_status open_unnamed(spool *s) {
    while (s->folder && !file_is_dir(s->folder) && strcmp(s->folder, ".") != 0) {
        char *above = path_dir(s->folder);
        free(s->folder);
        s->folder = above;
    }
    char *name = path_join(s->folder ? s->folder : ".", ".lmm-spool-XXXXXX");
    s->fd = mkstemp(name);
    lmm_status st = s->fd < 0 ? spool_fail(s, "make", errno) : LMM_OK;
    if (!st) unlink(name);
    s->is_file = !st;
    free(name);
    return st;
}

static lmm_status write_tail(spool *s) {
    lmm_status st = s->is_file ? LMM_OK : open_unnamed(s);
    for (size_t at = 0; at < s->tail.size && !st;) {
        ssize_t n = pwrite(s->fd, s->tail.data + at, s->tail.size - at, (off_t)(s->written + at));
        if (n >= 0) at += (size_t)n;
        else if (errno != EINTR) st = spool_fail(s, "write", errno);
    }
    if (st) return st;
    s->written += s->tail.size;
    if (s->tail.capacity > 2 * WRITE_AT_ONCE) buf_free(&s->tail); /* one piece was large */
    else buf_reset(&s->tail);
    return LMM_OK;
}

lmm_status spool_put(spool *s, const void *bytes, size_t n, uint64_t *offset) {
    const uint64_t at = s->written + s->tail.size;
    buf_put(&s->tail, bytes, n);
    lmm_status st = s->tail.size < WRITE_AT_ONCE ? LMM_OK : write_tail(s);
    if (st) s->tail.size -= n;
    else *offset = at;
    return st;
}

lmm_status spool_read(const spool *s, void *out, size_t n, uint64_t offset) {
    LMM_ASSERT(offset <= s->written + s->tail.size && n <= s->written + s->tail.size - offset, "%zu bytes at %" PRIu64 " were never put", n,
               offset);
    if (offset >= s->written) {
        if (n) memcpy(out, s->tail.data + (offset - s->written), n);
        return LMM_OK;
    }
    const int error = fd_read_at(s->fd, out, n, offset); /* a piece is in the file or in the tail, never in both */
    return error ? spool_fail(s, "read", error < 0 ? EIO : error) : LMM_OK;
}
