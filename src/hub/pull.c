/* pull.c - all files of a repository into the cache (or a plain folder), several at a time.
 *
 * Every job has its own client. The first failure is the pull's; files under way elsewhere are finished, no further one is begun. */
#include "hub/hub_int.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { JOBS_DEFAULT = 4, JOBS_MAX = 32 };

typedef struct {
    const hub_request *r;
    http *h[JOBS_MAX];
    int jobs;
    hub_name name;
    char sha[41];
    hub_files files;
    const char *projector; /* of them, to come along with a quantisation */
    hub_repo repo;         /* cache */
    const char *parts;     /* where parts lie, */
    const char *locks;     /* and locks */
    char *local_parts;     /* local_dir: <dir>/.cache/huggingface/download */
    pthread_mutex_t lock;  /* of what follows */
    progress *bar;
    int64_t done; /* bytes that came */
    lmm_status status;
    char *message; /* of the first failure, whose thread has it */
} pull;

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

static void on_progress(void *arg, int64_t more, const char *note) {
    pull *p = arg;
    pthread_mutex_lock(&p->lock);
    p->done += more;
    progress_set(p->bar, p->done, note);
    pthread_mutex_unlock(&p->lock);
}

static lmm_status pull_file(pull *p, int job, const hub_file *f) {
    char *to = file_target(p, f);
    bool present = false;
    int lock = -1;
    lmm_status st = cache_lock(&lock, p->locks, f->oid);
    if (!st) st = is_present(&present, p, f, to, p->r->verify); /* another process may have brought it meanwhile */
    fetch_source s = {p->h[job], &p->name, p->sha, p->parts, on_progress, p};
    if (!st && !present) st = fetch_file(&s, f, to);
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

/* Of a repository with projectors beside the language model one comes along. NULL: there is none. */
static const char *find_projector(const hub_files *files) {
    const char *best = NULL;
    for (int i = 0; i < files->list.count; i++)
        if (hub_file_is_projector(files->list.at[i].path, best)) best = files->list.at[i].path;
    return best;
}

static bool is_wanted(const pull *p, const char *path) {
    const hub_request *r = p->r;
    bool is_projector = p->projector && !strcmp(path, p->projector);
    if (p->name.quant && !hub_file_is_quant(path, p->name.quant) && !is_projector) return false;
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
        if (!is_wanted(p, f->path)) continue;
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

/* A quantisation that is not there is a mistake, even when a projector matches. */
static lmm_status quant_check(const pull *p) {
    buf all = {0};
    bool has = !p->name.quant;
    for (int i = 0; i < p->files.list.count && !has; i++) {
        const char *path = p->files.list.at[i].path;
        has = hub_file_is_quant(path, p->name.quant);
        if (hub_file_is_quant(path, NULL) && all.size < 500) buf_printf(&all, "%s%s", all.size ? ", " : "", path);
    }
    lmm_status st = has ? LMM_OK
                        : LMM_FAIL(LMM_E_ARG, "'%s' has no GGUF file of %s; it has: %s", p->name.id, p->name.quant,
                                   all.size ? all.data : "no GGUF files at all");
    buf_free(&all);
    return st;
}

static void pull_one(void *arg, int64_t first, int64_t last, int job) {
    pull *p = arg;
    (void)last;
    pthread_mutex_lock(&p->lock);
    bool stopped = p->status != LMM_OK;
    pthread_mutex_unlock(&p->lock);
    const hub_file *f = &p->files.list.at[first];
    if (stopped || !is_wanted(p, f->path)) return;
    lmm_status st = pull_file(p, job, f);
    if (!st) return;
    pthread_mutex_lock(&p->lock);
    if (!p->status) p->status = st, p->message = mem_strdup(lmm_message());
    pthread_mutex_unlock(&p->lock);
}

static lmm_status pull_files(pull *p) {
    int64_t need = 0;
    lmm_status st = quant_check(p);
    if (!st) st = survey(p, &need);
    if (!st) st = disk_check(p->parts, need);
    if (st) return st;
    p->bar = progress_new("pulling", need, "bytes");
    pool *team = pool_new(p->jobs);
    parallel_for(team, p->files.list.count, 1, pull_one, p);
    pool_free(team);
    progress_free(p->bar);
    return p->status ? LMM_FAIL(p->status, "%s", p->message) : LMM_OK;
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
    lmm_status st = LMM_OK;
    p->jobs = min_int(o->jobs > 0 ? o->jobs : JOBS_DEFAULT, JOBS_MAX);
    for (int i = 0; i < p->jobs && !st; i++) st = http_open(&p->h[i], o);
    if (!st) st = hub_api_commit(p->sha, p->h[0], &p->name);
    if (!st) st = hub_api_tree(&p->files, p->h[0], &p->name, p->sha);
    if (!st && p->name.quant) p->projector = find_projector(&p->files);
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
    pull p = {.r = r, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (o->offline) return pull_offline(o, r, folder);
    lmm_status st = hub_name_parse(&p.name, r->name);
    if (!st) st = pull_online(&p, o, folder);
    cache_repo_free(&p.repo);
    hub_files_free(&p.files);
    hub_name_free(&p.name);
    for (int i = 0; i < p.jobs; i++) http_close(p.h[i]);
    pthread_mutex_destroy(&p.lock);
    free(p.message);
    free(p.local_parts);
    return st;
}
