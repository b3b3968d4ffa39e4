/* common.c - what commands share: opening a model, finding installed files, help. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* LMM_HOME names the folder that holds models/ and tasks/; else the folder above the binary's (build/release/lmm), what ./dev fetched beside it (build/models), its share folder (PREFIX/bin/lmm), or here. */
char *installed_path(const char *name) {
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const char *home = getenv("LMM_HOME");
    exe[n > 0 ? n : 0] = '\0';
    char *bin = path_dir(exe);
    char *place[] = {home ? path_join(home, name) : NULL, mem_printf("%s/../../%s", bin, name), mem_printf("%s/../%s", bin, name),
                     mem_printf("%s/../share/lmm/%s", bin, name), mem_strdup(name)};
    char *found = NULL;
    for (size_t i = 0; i < COUNT_OF(place); i++) {
        if (!found && place[i] && file_exists(place[i])) found = place[i];
        else free(place[i]);
    }
    free(bin);
    return found ? found : mem_strdup(name);
}

char *model_folder_path(const char *name) {
    const char *models = getenv("LMM_MODELS"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (models && *models) return path_join(models, name);
    if (data && *data) return mem_printf("%s/lmm/models/%s", data, name);
    return mem_printf("%s/.local/share/lmm/models/%s", home && *home ? home : ".", name);
}

/* What was pulled from the hub: ORG/NAME[@REVISION]; NULL when it is not in the cache. No request is made. */
static char *pulled_model(const char *name) {
    char *cache = hub_cache_path(), *folder = NULL;
    (void)hub_find(&folder, cache, name);
    free(cache);
    return folder;
}

/* A folder that holds one GGUF file and no config.json stands for that file. Takes path over. */
static char *only_gguf(char *path) {
    char *config = path_join(path, "config.json"), **names, *found = NULL;
    int count, ggufs = 0;
    bool folder = file_is_dir(path) && !file_exists(config);
    free(config);
    if (!folder || dir_list(&names, &count, path)) return path;
    for (int i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        if (n <= 5 || strcmp(names[i] + n - 5, ".gguf") || ggufs++) continue;
        found = path_join(path, names[i]);
    }
    names_free(names, count);
    if (ggufs != 1) return free(found), path;
    free(path);
    return found;
}

/* A path is a path; ORG/NAME may be in the hub's cache; a bare name may be an imported model or one of the installation. */
static char *resolve_model(const char *name) {
    if (!name) return installed_path("models/mini");
    if (file_exists(name)) return mem_strdup(name);
    char *pulled = pulled_model(name);
    if (pulled || strchr(name, '/')) return pulled ? pulled : mem_strdup(name);
    char *imported = model_folder_path(name);
    if (file_exists(imported)) return imported;
    free(imported);
    char *below = mem_printf("models/%s", name), *found = installed_path(below);
    free(below);
    if (file_exists(found)) return found;
    free(found);
    return mem_strdup(name);
}

lmm_status runtime_open(lmm_runtime **runtime, const model_args *a) {
    const char *kernels = a->kernels ? a->kernels : getenv("LMM_KERNELS");
    return lmm_runtime_open(runtime, a->threads, kernels && *kernels ? kernels : NULL);
}

static lmm_status find_products(lmm_products *out, const char *name) {
    static const char *const names[] = {[LMM_PRODUCTS_FINE] = "fine", [LMM_PRODUCTS_FAST] = "fast", [LMM_PRODUCTS_EXACT] = "exact"};
    for (int i = 0; i < (int)COUNT_OF(names); i++)
        if (!name || !strcmp(name, names[i])) return *out = (lmm_products)i, LMM_OK;
    return LMM_FAIL(LMM_E_ARG, "unknown products '%s' (fine, fast or exact)", name);
}

static lmm_status open_with(lmm_runtime **runtime, lmm_model **model, const model_args *a,
                            lmm_status (*open)(lmm_model **, lmm_runtime *, const char *)) {
    lmm_products products = LMM_PRODUCTS_FINE;
    lmm_status st = find_products(&products, a->products);
    if (!st) st = runtime_open(runtime, a);
    if (st) return st;
    char *path = only_gguf(resolve_model(a->model));
    st = open(model, *runtime, path);
    free(path);
    if (st) lmm_runtime_close(*runtime);
    else lmm_model_products(*model, products);
    return st;
}

lmm_status model_args_scale(lmm_model *model, const model_args *a, int frames) {
    return a->rope_scaling ? lmm_model_rope_scaling(model, a->rope_scaling, frames) : LMM_OK;
}

lmm_status model_args_open(lmm_runtime **runtime, lmm_model **model, const model_args *a) {
    lmm_status st = open_with(runtime, model, a, lmm_model_open);
    if (st || !a->adapter) return st;
    st = lmm_model_adapt(*model, a->adapter);
    if (!st) return LMM_OK;
    lmm_model_close(*model);
    lmm_runtime_close(*runtime);
    return st;
}
lmm_status model_args_open_text(lmm_runtime **runtime, lmm_model **model, const model_args *a) {
    return open_with(runtime, model, a, lmm_model_open_text);
}

lmm_status cli_parse(const opt *table, int argc, char **argv, opt_list *rest, const char *usage, const char *summary, const char *examples,
                     bool *done) {
    *done = false;
    lmm_status st = opts_parse(table, argc, argv, rest, done);
    if (st || !*done) return st;
    buf help = {0};
    opts_help(&help, usage, summary, table, examples);
    fputs(help.data, stdout);
    buf_free(&help);
    return LMM_OK;
}
