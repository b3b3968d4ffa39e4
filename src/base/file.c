/* file.c - mapping, reading, folders, paths, and replacement that survives a crash or a full disk. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static lmm_status io_fail(const char *verb, const char *path, int error) {
    return LMM_FAIL(LMM_E_IO, "cannot %s '%s': %s", verb, path, strerror(error));
}

/* ---- reading ---- */

/* O_NONBLOCK, so that opening a pipe without a writer returns; it changes nothing for files. */
lmm_status file_map_open(file_map *out, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return io_fail("open", path, errno);
    struct stat info;
    lmm_status st = LMM_OK;
    const unsigned char *data = (const unsigned char *)"";
    if (fstat(fd, &info) != 0) {
        st = io_fail("read", path, errno);
    } else if (!S_ISREG(info.st_mode)) {
        st = LMM_FAIL(LMM_E_IO, "cannot open '%s': it is %s, not a file", path, S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    } else if (info.st_size > 0) {
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) st = io_fail("map", path, errno);
        else data = map;
    }
    close(fd);
    if (!st) *out = (file_map){data, (size_t)info.st_size, mem_strdup(path)};
    return st;
}

void file_map_close(file_map *m) {
    if (m->size > 0) munmap((void *)(uintptr_t)m->data, m->size);
    free(m->path);
    *m = (file_map){0};
}

/* Reads to the end instead of asking for the size first: pipes and /proc work, and a growing file is cut off at
 * the limit. */
static lmm_status read_all(buf *b, int fd, const char *path, size_t limit) {
    for (;;) {
        char piece[65536];
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_fail("read", path, errno);
        if (n == 0) return LMM_OK;
        if ((size_t)n > limit - b->size)
            return LMM_FAIL(LMM_E_LIMIT, "cannot read '%s': it is larger than the limit of %zu bytes", path, limit);
        buf_put(b, piece, (size_t)n);
    }
}

lmm_status file_read(char **out, size_t *size, const char *path, size_t limit) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_fail("open", path, errno);
    buf b = {0};
    lmm_status st = read_all(&b, fd, path, limit);
    close(fd);
    if (st) {
        buf_free(&b);
        return st;
    }
    if (size) *size = b.size;
    *out = buf_take(&b);
    return LMM_OK;
}

bool file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_is_dir(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* ---- folders ---- */

lmm_status dir_make(const char *path) {
    char *part = mem_strdup(path);
    lmm_status st = LMM_OK;
    for (char *end = part; !st && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        if (mkdir(part, 0777) != 0 && !file_is_dir(part)) st = io_fail("make folder", part, errno);
        *end = after;
    }
    free(part);
    return st;
}

static lmm_status remove_inside(int dir_fd, const char *path);

/* Works relative to the open parent and never follows a symbolic link: nothing outside can be reached. */
static lmm_status remove_entry(int parent, const char *name, const char *path) {
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT ? LMM_OK : io_fail("remove", path, errno);
    if (!S_ISDIR(info.st_mode)) return unlinkat(parent, name, 0) == 0 ? LMM_OK : io_fail("remove", path, errno);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return io_fail("remove", path, errno);
    lmm_status st = remove_inside(fd, path);
    if (!st && unlinkat(parent, name, AT_REMOVEDIR) != 0) st = io_fail("remove", path, errno);
    return st;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* Takes dir_fd over. */
static lmm_status remove_inside(int dir_fd, const char *path) {
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        int error = errno;
        close(dir_fd);
        return io_fail("remove", path, error);
    }
    lmm_status st = LMM_OK;
    for (struct dirent *e; !st && (e = readdir(dir));) {
        if (is_dots(e->d_name)) continue;
        char *child = path_join(path, e->d_name);
        st = remove_entry(dirfd(dir), e->d_name, child);
        free(child);
    }
    closedir(dir);
    return st;
}

lmm_status dir_remove(const char *path) { return remove_entry(AT_FDCWD, path, path); }

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

lmm_status dir_list(char ***names, int *count, const char *path) {
    DIR *dir = opendir(path);
    if (!dir) return io_fail("open folder", path, errno);
    VEC(char *) list = {0};
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)); errno = 0) {
        if (!is_dots(e->d_name)) VEC_PUSH(&list, mem_strdup(e->d_name));
    }
    int error = errno;
    closedir(dir);
    if (error) {
        names_free(list.at, list.count);
        return io_fail("read folder", path, error);
    }
    if (list.count > 1) qsort(list.at, (size_t)list.count, sizeof *list.at, compare_names);
    *names = list.at;
    *count = list.count;
    return LMM_OK;
}

void names_free(char **names, int count) {
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
}

/* ---- paths ---- */

char *path_join(const char *dir, const char *name) {
    size_t n = strlen(dir);
    if (name[0] == '/' || n == 0) return mem_strdup(name);
    return mem_printf(dir[n - 1] == '/' ? "%s%s" : "%s/%s", dir, name);
}

const char *path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *path_dir(const char *path) {
    const char *end = strrchr(path, '/');
    if (!end) return mem_strdup(".");
    while (end > path && end[-1] == '/') end--;
    return end == path ? mem_strdup("/") : mem_strndup(path, (size_t)(end - path));
}

char *path_beside(const char *path, const char *name) {
    char *dir = path_dir(path), *beside = path_join(dir, name);
    free(dir);
    return beside;
}

static char *path_without_end_slash(const char *path) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return mem_strndup(path, n);
}

/* ---- replacing a file ---- */

enum { WRITER_BUFFER = 65536 };

struct file_writer {
    int fd;
    int error; /* errno of the first failure */
    char *path;
    char *temporary; /* NULL: writing straight into a device or pipe such as /dev/stdout */
    size_t held;
    char buffer[WRITER_BUFFER];
};

/* Some file systems cannot sync a folder (EINVAL); they order renames themselves. */
static int sync_fd(int fd) {
    while (fsync(fd) != 0) {
        if (errno == EINVAL || errno == ENOTSUP || errno == EROFS) return 0;
        if (errno != EINTR) return errno;
    }
    return 0;
}

static int sync_path(const char *path, int follow) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | follow);
    if (fd < 0) return errno;
    int error = sync_fd(fd);
    close(fd);
    return error;
}

static int sync_parent(const char *path) {
    char *parent = path_dir(path); /* may well be a link to a folder */
    int error = sync_path(parent, 0);
    free(parent);
    return error;
}

/* A left-over of a crashed process that had our number is in the way at most once. O_EXCL keeps us from writing
 * through a link somebody laid there. */
static int open_temporary(const char *temporary, mode_t mode) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(temporary, flags, mode);
    if (fd < 0 && errno == EEXIST && unlink(temporary) == 0) fd = open(temporary, flags, mode);
    return fd;
}

lmm_status file_writer_open(file_writer **out, const char *path) {
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode)) return io_fail("write", path, EISDIR);
    char *temporary = NULL;
    int fd;
    if (there && !S_ISREG(info.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        temporary = mem_printf("%s.tmp-%ld", path, (long)getpid());
        fd = open_temporary(temporary, 0666);
        if (fd >= 0 && there) (void)fchmod(fd, info.st_mode & 0777); /* a courtesy: the new file has the old one's rights */
    }
    if (fd < 0) {
        lmm_status st = io_fail("write", path, errno);
        free(temporary);
        return st;
    }
    file_writer *w = mem_new(1, sizeof *w);
    w->fd = fd;
    w->path = mem_strdup(path);
    w->temporary = temporary;
    *out = w;
    return LMM_OK;
}

static void write_through(file_writer *w, const char *bytes, size_t n) {
    while (n > 0 && !w->error) {
        ssize_t done = write(w->fd, bytes, n);
        if (done >= 0) {
            bytes += done;
            n -= (size_t)done;
        } else if (errno != EINTR) {
            w->error = errno;
        }
    }
}

static void flush_held(file_writer *w) {
    write_through(w, w->buffer, w->held);
    w->held = 0;
}

lmm_status file_writer_put(file_writer *w, const void *bytes, size_t n) {
    if (n > WRITER_BUFFER - w->held) flush_held(w);
    if (n > WRITER_BUFFER) {
        write_through(w, bytes, n);
    } else if (n > 0) {
        memcpy(w->buffer + w->held, bytes, n);
        w->held += n;
    }
    return w->error ? io_fail("write", w->path, w->error) : LMM_OK;
}

static void writer_free(file_writer *w) {
    if (w->fd >= 0) close(w->fd);
    free(w->path);
    free(w->temporary);
    free(w);
}

static lmm_status put_in_place(file_writer *w, bool synced) {
    flush_held(w);
    if (!w->error && w->temporary && synced) w->error = sync_fd(w->fd);
    if (close(w->fd) != 0 && !w->error && errno != EINTR) w->error = errno;
    w->fd = -1;
    if (!w->error && w->temporary && rename(w->temporary, w->path) != 0) w->error = errno;
    if (w->error) {
        lmm_status st = io_fail("write", w->path, w->error);
        file_writer_abort(w);
        return st;
    }
    int error = w->temporary && synced ? sync_parent(w->path) : 0;
    lmm_status st = error ? io_fail("write", w->path, error) : LMM_OK;
    writer_free(w);
    return st;
}

lmm_status file_writer_commit(file_writer *w) { return put_in_place(w, true); }
lmm_status file_writer_commit_soon(file_writer *w) { return put_in_place(w, false); }

void file_writer_abort(file_writer *w) {
    if (!w) return;
    if (w->temporary) unlink(w->temporary);
    writer_free(w);
}

lmm_status file_write(const char *path, const void *bytes, size_t n) {
    file_writer *w = NULL;
    lmm_status st = file_writer_open(&w, path);
    if (!st) st = file_writer_put(w, bytes, n);
    if (!st) return file_writer_commit(w);
    file_writer_abort(w);
    return st;
}

/* ---- replacing a folder ---- */

lmm_status dir_replace_begin(char **tmp, const char *path) {
    char *clean = path_without_end_slash(path);
    char *name = mem_printf("%s.tmp-%ld", clean, (long)getpid());
    free(clean);
    lmm_status st = dir_remove(name);
    if (!st) st = dir_make(name);
    if (st) free(name);
    else *tmp = name;
    return st;
}

/* Every file below, then the folder that names them. Links and the like hold no data of ours. */
static lmm_status sync_tree(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return io_fail("sync", path, errno);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) return LMM_OK;
    lmm_status st = LMM_OK;
    if (S_ISDIR(info.st_mode)) {
        char **names = NULL;
        int count = 0;
        st = dir_list(&names, &count, path);
        for (int i = 0; !st && i < count; i++) {
            char *child = path_join(path, names[i]);
            st = sync_tree(child);
            free(child);
        }
        names_free(names, count);
    }
    int error = st ? 0 : sync_path(path, O_NOFOLLOW);
    return error ? io_fail("sync", path, error) : st;
}

/* rename() does not replace a folder that holds something, so the old one steps aside first: at every moment a
 * whole copy exists under one of the three names. */
static lmm_status swap_folders(const char *tmp, const char *path) {
    char *old = mem_printf("%s.old-%ld", path, (long)getpid());
    struct stat info;
    bool had = lstat(path, &info) == 0;
    lmm_status st = had ? dir_remove(old) : LMM_OK;
    if (!st && had && rename(path, old) != 0) st = io_fail("replace", path, errno);
    if (!st && rename(tmp, path) != 0) {
        st = io_fail("replace", path, errno);
        if (had) (void)rename(old, path);
    }
    int error = st ? 0 : sync_parent(path);
    if (error) st = io_fail("replace", path, error);
    if (!st && had) st = dir_remove(old);
    free(old);
    return st;
}

lmm_status dir_replace_commit(const char *tmp, const char *path) {
    char *clean = path_without_end_slash(path);
    lmm_status st = sync_tree(tmp);
    if (!st) st = swap_folders(tmp, clean);
    if (st) { /* the message of the failure stays, not the one of tidying up */
        char *message = mem_strdup(lmm_message());
        (void)dir_remove(tmp);
        (void)LMM_FAIL(st, "%s", message);
        free(message);
    }
    free(clean);
    return st;
}
