/* cache.c - the cache tree of the hub's Python client, so that both programs use one:
 *
 *   <cache>/models--org--name/blobs/<hash>                 the files
 *   <cache>/models--org--name/snapshots/<commit>/<path>    relative links to them
 *   <cache>/models--org--name/refs/<revision>              the commit, no newline
 *   <cache>/.locks/models--org--name/<hash>.lock           flock while fetching */
#include "hub/hub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *cache_repo_name(const hub_name *n) {
    const char *kind = n->is_dataset ? "datasets" : "models", *slash = strchr(n->id, '/');
    if (!slash) return mem_printf("%s--%s", kind, n->id);
    return mem_printf("%s--%.*s--%s", kind, (int)(slash - n->id), n->id, slash + 1);
}

static lmm_status tag_folder(const char *cache) {
    static const char text[] = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache and can be fetched again: "
                               "https://bford.info/cachedir/\n";
    char *path = path_join(cache, "CACHEDIR.TAG");
    lmm_status st = file_exists(path) ? LMM_OK : file_write(path, text, sizeof text - 1);
    free(path);
    return st;
}

lmm_status cache_repo_open(hub_repo *out, const char *cache, const hub_name *n, const char *sha) {
    char *name = cache_repo_name(n), *root = path_join(cache, name);
    hub_repo r = {root, path_join(root, "blobs"), mem_printf("%s/snapshots/%s", root, sha), mem_printf("%s/.locks/%s", cache, name)};
    lmm_status st = dir_make(r.blobs);
    if (!st) st = dir_make(r.snapshot);
    if (!st) st = dir_make(r.locks);
    if (!st) st = tag_folder(cache);
    if (st) cache_repo_free(&r);
    else *out = r;
    free(name);
    return st;
}

void cache_repo_free(hub_repo *r) {
    free(r->root);
    free(r->blobs);
    free(r->snapshot);
    free(r->locks);
    *r = (hub_repo){0};
}

lmm_status cache_sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return LMM_FAIL(LMM_E_IO, "cannot open folder '%s': %s", path, strerror(errno));
    int error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno; /* some file systems have nothing to sync there */
    close(fd);
    return error ? LMM_FAIL(LMM_E_IO, "cannot write folder '%s': %s", path, strerror(error)) : LMM_OK;
}

lmm_status cache_lock(int *fd, const char *folder, const char *oid) {
    char *path = mem_printf("%s/%s.lock", folder, oid);
    int f = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int got = f < 0 ? -1 : flock(f, LOCK_EX);
    while (f >= 0 && got != 0 && errno == EINTR) got = flock(f, LOCK_EX);
    lmm_status st = got == 0 ? LMM_OK : LMM_FAIL(LMM_E_IO, "cannot lock '%s': %s", path, strerror(errno));
    if (!st) *fd = f;
    else if (f >= 0) close(f);
    free(path);
    return st;
}

/* ---- links ---- */

static char *link_target(const hub_file *f) {
    buf b = {0};
    buf_puts(&b, "../../");
    for (const char *s = f->path; (s = strchr(s, '/')); s++) buf_puts(&b, "../");
    buf_printf(&b, "blobs/%s", f->oid);
    return buf_take(&b);
}

static bool is_link_to(const char *path, const char *target) {
    char have[512];
    ssize_t n = readlink(path, have, sizeof have);
    return n > 0 && (size_t)n == strlen(target) && !memcmp(have, target, (size_t)n);
}

/* Made among the blobs and renamed over: a reader sees the old or the new one, and a killed process leaves nothing in the snapshot. The caller holds the
 * blob's lock, so that the name is this process's. */
lmm_status cache_link(const hub_repo *r, const hub_file *f) {
    char *path = path_join(r->snapshot, f->path), *target = link_target(f), *dir = path_dir(path);
    char *tmp = mem_printf("%s/%s.lmm-link", r->blobs, f->oid);
    lmm_status st = LMM_OK;
    (void)unlink(tmp);
    if (!is_link_to(path, target)) {
        st = dir_make(dir);
        if (!st && (symlink(target, tmp) != 0 || rename(tmp, path) != 0)) {
            st = LMM_FAIL(LMM_E_IO, "cannot link '%s': %s", path, strerror(errno));
            (void)unlink(tmp);
        }
        if (!st) st = cache_sync_folder(dir);
    }
    free(tmp);
    free(dir);
    free(target);
    free(path);
    return st;
}

/* ---- revisions ---- */

static char *ref_path(const char *root, const char *revision) { return mem_printf("%s/refs/%s", root, revision); }

lmm_status cache_ref_write(const hub_repo *r, const char *revision, const char *sha) {
    if (!strcmp(revision, sha)) return LMM_OK; /* a commit is its own name */
    char *path = ref_path(r->root, revision), *dir = path_dir(path), *have = NULL;
    bool is_there = file_exists(path) && !file_read(&have, NULL, path, 256) && !strcmp(have, sha);
    lmm_status st = is_there ? LMM_OK : dir_make(dir);
    if (!st && !is_there) st = file_write(path, sha, strlen(sha));
    free(have);
    free(dir);
    free(path);
    return st;
}

/* The commit a revision stands for: its ref, or itself. */
static bool ref_read(char sha[41], const char *root, const char *revision) {
    char *path = ref_path(root, revision), *text = NULL;
    if (file_exists(path) && !file_read(&text, NULL, path, 256)) text[strcspn(text, " \r\n")] = '\0';
    const char *found = text ? text : revision;
    bool good = hub_is_hex(found, 40);
    if (good) memcpy(sha, found, 41);
    free(text);
    free(path);
    return good;
}

lmm_status hub_find(char **folder, const char *cache, const char *name) {
    hub_name n;
    char sha[41];
    lmm_status st = hub_name_parse(&n, name);
    if (st) return st;
    char *repo = cache_repo_name(&n), *root = path_join(cache, repo), *found = NULL;
    if (ref_read(sha, root, n.revision)) found = mem_printf("%s/snapshots/%s", root, sha);
    if (found && file_is_dir(found)) {
        *folder = found;
        found = NULL;
    } else {
        st = LMM_FAIL(LMM_E_IO, "'%s' is not in the cache '%s'; 'lmm pull %s' fetches it", name, cache, name);
    }
    free(found);
    free(root);
    free(repo);
    hub_name_free(&n);
    return st;
}

/* ---- what a snapshot lacks ---- */

typedef struct {
    const char *root;
    bool verify;
    buf missing;
    int missing_count;
} snapshot_walk;

static void note_missing(snapshot_walk *w, const char *path) {
    if (w->missing_count++ < 5) buf_printf(&w->missing, "%s'%s'", w->missing.size ? ", " : "", path);
}

static lmm_status check_blob(const char *path) {
    char target[512];
    ssize_t n = readlink(path, target, sizeof target - 1);
    struct stat info;
    if (n <= 0 || stat(path, &info) != 0) return LMM_OK; /* a plain file has no hash to go by */
    target[n] = '\0';
    const char *oid = path_base(target);
    bool same = false;
    if (!hub_is_hex(oid, 40) && !hub_is_hex(oid, 64)) return LMM_OK;
    lmm_status st = content_check(&same, path, oid, info.st_size);
    if (!st && !same) st = LMM_FAIL(LMM_E_FORMAT, "'%s' is damaged: its bytes do not have its hash; pull it again with --verify", path);
    return st;
}

/* The shards an index of weights names. */
static lmm_status check_index(snapshot_walk *w, const char *path, const char *dir) {
    tree *t = NULL;
    lmm_status st = tree_load(&t, path);
    if (st) return st;
    const tree *map = tree_get(t, "weight_map");
    strmap *seen = strmap_new();
    for (int i = 0; map && map->type == TREE_MAP && i < map->count; i++) {
        const tree *file = map->items[i];
        if (file->type != TREE_STRING || !strmap_put(seen, file->text, file->text_size, 0)) continue;
        char *shard = path_join(dir, file->text);
        if (!file_exists(shard)) note_missing(w, file->text);
        free(shard);
    }
    strmap_free(seen);
    tree_free(t);
    return LMM_OK;
}

static lmm_status walk_folder(snapshot_walk *w, const char *dir, int depth) {
    char **names = NULL;
    int count = 0;
    lmm_status st = dir_list(&names, &count, dir);
    for (int i = 0; !st && i < count; i++) {
        char *path = path_join(dir, names[i]);
        struct stat info;
        size_t n = strlen(names[i]);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) st = depth < 32 ? walk_folder(w, path, depth + 1) : LMM_OK;
        else if (!file_exists(path)) note_missing(w, path + strlen(w->root) + 1);
        else if (n > 11 && !strcmp(names[i] + n - 11, ".index.json")) st = check_index(w, path, dir);
        if (!st && w->verify && file_exists(path) && !file_is_dir(path)) st = check_blob(path);
        free(path);
    }
    names_free(names, count);
    return st;
}

lmm_status cache_snapshot_check(const char *snapshot, bool verify) {
    snapshot_walk w = {.root = snapshot, .verify = verify};
    lmm_status st = walk_folder(&w, snapshot, 0);
    if (!st && w.missing_count)
        st = LMM_FAIL(LMM_E_IO, "the cache lacks %d file%s of '%s': %s%s", w.missing_count, w.missing_count == 1 ? "" : "s", snapshot,
                      w.missing.data, w.missing_count > 5 ? ", ..." : "");
    buf_free(&w.missing);
    return st;
}
