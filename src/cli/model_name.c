/* model_name.c - what -m may say, and what to try when nothing is there: paths, names of the hub's cache, imported and installed models. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* ---- places ---- */

enum { PLACE_COUNT = 5 };

/* LMM_HOME names the folder that holds models/ and tasks/; else the folder above the binary's (build/release/lmm), what ./dev fetched beside it
 * (build/models), its share folder (PREFIX/bin/lmm), or here. Each may be NULL; free() them. */
static void places_of(char *place[PLACE_COUNT], const char *name) {
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    const char *home = getenv("LMM_HOME");
    exe[n > 0 ? n : 0] = '\0';
    char *bin = path_dir(exe);
    place[0] = home ? path_join(home, name) : NULL;
    place[1] = mem_printf("%s/../../%s", bin, name);
    place[2] = mem_printf("%s/../%s", bin, name);
    place[3] = mem_printf("%s/../share/lmm/%s", bin, name);
    place[4] = mem_strdup(name);
    free(bin);
}

char *installed_path(const char *name) {
    char *place[PLACE_COUNT], *found = NULL;
    places_of(place, name);
    for (int i = 0; i < PLACE_COUNT; i++) {
        if (!found && place[i] && file_exists(place[i])) found = place[i];
        else free(place[i]);
    }
    return found ? found : mem_strdup(name);
}

char *model_folder_path(const char *name) {
    const char *models = getenv("LMM_MODELS"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (models && *models) return path_join(models, name);
    if (data && *data) return mem_printf("%s/lmm/models/%s", data, name);
    return mem_printf("%s/.local/share/lmm/models/%s", home && *home ? home : ".", name);
}

/* ---- names ---- */

static char *named_model(const char *name) {
    char *imported = model_folder_path(name);
    if (file_exists(imported)) return imported;
    free(imported);
    char *below = mem_printf("models/%s", name), *found = installed_path(below);
    free(below);
    if (file_exists(found)) return found;
    free(found);
    return NULL;
}

typedef VEC(char *) name_list;

static void add_names(name_list *list, const char *dir) {
    char **names;
    int count;
    if (!dir || !file_is_dir(dir) || dir_list(&names, &count, dir)) return;
    for (int i = 0; i < count; i++) VEC_PUSH(list, mem_strdup(names[i]));
    names_free(names, count);
}

/* Every name -m knows without a path, NULL at the end. */
static void list_names(name_list *list) {
    char *imported = model_folder_path(""), *place[PLACE_COUNT];
    add_names(list, imported);
    free(imported);
    places_of(place, "models");
    for (int i = 0; i < PLACE_COUNT; i++) {
        add_names(list, place[i]);
        free(place[i]);
    }
    VEC_PUSH(list, NULL);
}

char **model_names(void) {
    name_list list = {0};
    list_names(&list);
    return list.at;
}

static lmm_status no_such_name(const char *name) {
    name_list list = {0};
    list_names(&list);
    const char *near = nearest_word(name, (const char *const *)list.at);
    lmm_status st = near ? LMM_FAIL(LMM_E_IO, "no model at '%s' (did you mean '%s'?)", name, near)
                         : LMM_FAIL(LMM_E_IO, "no model at '%s', and none has that name; 'lmm pull ORG/NAME' fetches one", name);
    for (int i = 0; i < list.count; i++) free(list.at[i]);
    free(list.at);
    return st;
}

/* What could it have been? */
static lmm_status not_found(const char *name) {
    hub_name hub;
    if (!strchr(name, '/')) return no_such_name(name);
    if (hub_name_parse(&hub, name)) return LMM_FAIL(LMM_E_IO, "no model at '%s'", name);
    hub_name_free(&hub);
    return LMM_FAIL(LMM_E_IO, "no model at '%s', nor in the hub's cache; 'lmm pull %s' fetches it", name, name);
}

/* ---- folders of GGUF files ---- */

static lmm_status choose(char **path, const char *quant, char **names, int count) {
    int first = -1, hits = 0;
    buf all = {0};
    for (int i = 0; i < count; i++) {
        if (!hub_file_is_quant(names[i], NULL)) continue;
        buf_printf(&all, "%s%s", all.size ? ", " : "", names[i]);
        if (!hub_file_is_quant(names[i], quant) || hits++) continue;
        first = i;
    }
    lmm_status st = LMM_OK;
    if (hits > 1 || (hits == 0 && quant))
        st = LMM_FAIL(LMM_E_ARG, "'%s' holds %s%s%s: name one file (%s)", *path, hits ? "several GGUF files" : "no GGUF file",
                      quant ? " of " : "", quant ? quant : "", all.size ? all.data : "none");
    if (hits == 1) {
        char *file = path_join(*path, names[first]);
        free(*path);
        *path = file;
    }
    buf_free(&all);
    return st;
}

/* A folder with GGUF files and no other weights stands for the one that is meant. */
static lmm_status choose_gguf(char **path, const char *quant) {
    char **names;
    int count;
    if (!file_is_dir(*path)) return LMM_OK;
    lmm_status st = dir_list(&names, &count, *path);
    if (st) return st;
    bool has_other = false;
    for (int i = 0; i < count; i++) has_other |= strstr(names[i], ".safetensors") != NULL;
    if (quant || !has_other) st = choose(path, quant, names, count);
    names_free(names, count);
    return st;
}

char *projector_beside(const char *path) {
    char **names, *found = NULL, *dir = path_dir(path);
    const char *best = NULL;
    int count;
    if (!hub_file_is_quant(path, NULL) || dir_list(&names, &count, dir)) return free(dir), NULL;
    for (int i = 0; i < count; i++)
        if (hub_file_is_projector(names[i], best)) best = names[i];
    if (best) found = path_join(dir, best);
    names_free(names, count);
    free(dir);
    return found;
}

lmm_status model_find(char **path, const char *name) {
    char *found = NULL, *cache = hub_cache_path();
    hub_name hub = {0};
    if (!name) found = installed_path("models/mini");
    else if (file_exists(name)) found = mem_strdup(name);
    else if (!hub_find(&found, cache, name)) (void)hub_name_parse(&hub, name); /* parsed there already */
    else if (!strchr(name, '/')) found = named_model(name);
    free(cache);
    lmm_status st = found ? choose_gguf(&found, hub.quant) : not_found(name);
    hub_name_free(&hub);
    if (st) return free(found), st;
    return *path = found, LMM_OK;
}
