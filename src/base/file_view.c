/* file_view.c - parts of a file that is larger than memory: read where they are wanted, kept by nobody. A pipe, which can be read but once, is kept. */
#include "base/base_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t pipe_size_max = (size_t)1 << 31;

/* What has no size to ask for: pipes, and files of /proc. */
static lmm_status open_pipe(file_view *out, const char *path) {
    char *bytes;
    size_t size;
    lmm_status st = file_read(&bytes, &size, path, pipe_size_max);
    if (!st) *out = (file_view){-1, size, mem_strdup(path), bytes};
    return st;
}

lmm_status file_view_open(file_view *out, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return LMM_FAIL(LMM_E_IO, "cannot open '%s': %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return LMM_FAIL(LMM_E_IO, "cannot open '%s': it is a folder, not a file", path);
    if (!S_ISREG(info.st_mode) || !info.st_size) return open_pipe(out, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return LMM_FAIL(LMM_E_IO, "cannot open '%s': %s", path, strerror(errno));
    *out = (file_view){fd, (uint64_t)info.st_size, mem_strdup(path), NULL};
    return LMM_OK;
}

void file_view_close(file_view *f) {
    if (f->path && !f->held) close(f->fd);
    free(f->path);
    free(f->held);
    *f = (file_view){0};
}

int fd_read_at(int fd, void *out, size_t n, uint64_t offset) {
    for (char *to = out; n > 0;) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got ? errno : -1;
        to += got, n -= (size_t)got, offset += (uint64_t)got;
    }
    return 0;
}

lmm_status file_view_read(const file_view *f, void *out, size_t n, uint64_t offset) {
    if (offset > f->size || n > f->size - offset)
        return LMM_FAIL(LMM_E_FORMAT, "'%s' has %" PRIu64 " bytes, %zu are wanted at %" PRIu64, f->path, f->size, n, offset);
    if (f->held) {
        if (n) memcpy(out, f->held + offset, n);
        return LMM_OK;
    }
    const int error = fd_read_at(f->fd, out, n, offset);
    if (!error) return LMM_OK;
    return LMM_FAIL(LMM_E_IO, "cannot read '%s': %s", f->path, error < 0 ? "it became shorter while it was read" : strerror(error));
}
