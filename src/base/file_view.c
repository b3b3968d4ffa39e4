/* file_view.c - parts of a file that is larger than memory: read where they are wanted, kept by nobody. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

lmm_status file_view_open(file_view *out, const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return LMM_FAIL(LMM_E_IO, "cannot open '%s': %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return LMM_FAIL(LMM_E_IO, "cannot open '%s': it is no file", path);
    }
    *out = (file_view){fd, (uint64_t)info.st_size, mem_strdup(path)};
    return LMM_OK;
}

void file_view_close(file_view *f) {
    if (f->path) close(f->fd);
    free(f->path);
    *f = (file_view){0};
}

lmm_status file_view_read(const file_view *f, void *out, size_t n, uint64_t offset) {
    if (offset > f->size || n > f->size - offset)
        return LMM_FAIL(LMM_E_FORMAT, "'%s' has %" PRIu64 " bytes, %zu are wanted at %" PRIu64, f->path, f->size, n, offset);
    for (char *to = out; n > 0;) {
        ssize_t got = pread(f->fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return LMM_FAIL(LMM_E_IO, "cannot read '%s': %s", f->path, strerror(errno));
        if (got == 0) return LMM_FAIL(LMM_E_IO, "cannot read '%s': it became shorter while it was read", f->path);
        to += got, n -= (size_t)got, offset += (uint64_t)got;
    }
    return LMM_OK;
}
