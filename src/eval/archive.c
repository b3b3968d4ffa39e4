/* archive.c - videos and pictures that a data set keeps in zip archives: found by name, unpacked beside them when a row asks for one.
 *
 * A name is looked for as it is, then at the end of an entry's path; "v1.mp4" also as a folder "v1" of frames. What has been unpacked before is
 * taken as it is. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

enum { DEPTH = 2 };

typedef struct {
    zip z;
    char *folder; /* what it is unpacked to */
} archive;
struct archives {
    VEC(archive) all;
    char *broken; /* what is wrong with one that cannot be read: the fault of the rows that might need it */
};

static lmm_status add_archive(archives *a, const char *path, const char *home) {
    archive one = {0};
    lmm_status st = zip_open(&one.z, path);
    if (st == LMM_E_MEMORY) return st;
    if (st && !a->broken) a->broken = mem_strdup(lmm_message());
    if (st) return LMM_OK;
    const char *base = path_base(path);
    char *name = mem_printf("unpacked/%.*s", (int)strlen(base) - 4, base);
    one.folder = path_join(home, name);
    free(name);
    VEC_PUSH(&a->all, one);
    return LMM_OK;
}

static lmm_status add_folder(archives *a, const char *dir, const char *home, int depth) {
    char **names;
    int count;
    lmm_status st = dir_list(&names, &count, dir);
    if (st) return st;
    for (int i = 0; i < count && !st; i++) {
        char *path = path_join(dir, names[i]);
        if (text_ends(names[i], ".zip")) st = add_archive(a, path, home);
        else if (depth < DEPTH && *names[i] != '.' && strcmp(names[i], "unpacked") && file_is_dir(path))
            st = add_folder(a, path, home, depth + 1);
        free(path);
    }
    names_free(names, count);
    return st;
}

lmm_status archives_open(archives **out, const char *home) {
    archives *a = mem_new(1, sizeof *a);
    lmm_status st = add_folder(a, home, home, 0);
    if (st) return archives_close(a), st;
    return *out = a, LMM_OK;
}

void archives_close(archives *a) {
    if (!a) return;
    for (int i = 0; i < a->all.count; i++) {
        zip_close(&a->all.at[i].z);
        free(a->all.at[i].folder);
    }
    free(a->all.at);
    free(a->broken);
    free(a);
}

/* Where in an entry's path `name` begins, as a whole run of its parts that reaches the end or, for folders, goes on; SIZE_MAX: nowhere. */
static size_t part_at(const char *entry, const char *name, bool folder) {
    size_t n = strlen(name);
    for (const char *at = entry; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (!strncmp(at, name, n) && (folder ? at[n] == '/' && at[n + 1] : !at[n])) return (size_t)(at - entry);
    return SIZE_MAX;
}

static lmm_status unpack(const archive *a, const zip_entry *e) {
    char *path = path_join(a->folder, e->name), *dir = path_dir(path);
    lmm_status st = file_exists(path) || text_ends(e->name, "/") ? LMM_OK : dir_make(dir);
    if (!st && !file_exists(path) && !text_ends(e->name, "/")) st = zip_extract(&a->z, e, path);
    free(dir);
    free(path);
    return st;
}

static lmm_status find_entry(const archives *a, const char *name, char **path) {
    for (int i = 0; i < a->all.count; i++)
        for (int k = 0; k < a->all.at[i].z.entries.count; k++) {
            const zip_entry *e = &a->all.at[i].z.entries.at[k];
            if (part_at(e->name, name, false) == SIZE_MAX) continue;
            lmm_status st = unpack(&a->all.at[i], e);
            if (!st) *path = path_join(a->all.at[i].folder, e->name);
            return st;
        }
    return LMM_OK;
}

static lmm_status find_folder(const archives *a, const char *name, char **path) {
    lmm_status st = LMM_OK;
    for (int i = 0; i < a->all.count && !*path && !st; i++)
        for (int k = 0; k < a->all.at[i].z.entries.count && !st; k++) {
            const zip_entry *e = &a->all.at[i].z.entries.at[k];
            size_t at = part_at(e->name, name, true);
            if (at == SIZE_MAX || (st = unpack(&a->all.at[i], e)) || *path) continue;
            char *folder = mem_strndup(e->name, at + strlen(name));
            *path = path_join(a->all.at[i].folder, folder);
            free(folder);
        }
    if (st) free(*path), *path = NULL;
    return st;
}

lmm_status archives_find(const archives *a, const char *name, bool video, char **path) {
    *path = NULL;
    lmm_status st = find_entry(a, name, path);
    const char *dot = strrchr(name, '.');
    if (!st && !*path && video && dot) {
        char *folder = mem_strndup(name, (size_t)(dot - name));
        st = find_folder(a, folder, path);
        free(folder);
    }
    return st || *path || !a->broken
               ? st
               : LMM_FAIL(LMM_E_IO, "'%s' is not there, and an archive that might have it cannot be read: %s", name, a->broken);
}
