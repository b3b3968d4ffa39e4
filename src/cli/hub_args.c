/* hub_args.c - what the environment says about the hub, with the meaning it has for the Python client. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool env_is_true(const char *name) {
    static const char *const yes[] = {"1", "ON", "YES", "TRUE", "on", "yes", "true", "True", "On", "Yes"};
    const char *value = env(name);
    for (size_t i = 0; value && i < COUNT_OF(yes); i++)
        if (!strcmp(value, yes[i])) return true;
    return false;
}

static double env_seconds(const char *name) {
    const char *value = env(name);
    double s = value ? strtod(value, NULL) : 0;
    return s > 0 && s < 86400 ? s : 0;
}

/* HF_HOME, else $XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface */
static char *hub_home(void) {
    const char *home = env("HOME"), *xdg = env("XDG_CACHE_HOME"), *hf = env("HF_HOME");
    if (hf) return mem_strdup(hf);
    if (xdg) return path_join(xdg, "huggingface");
    return mem_printf("%s/.cache/huggingface", home ? home : ".");
}

char *hub_cache_path(void) {
    const char *cache = env("HF_HUB_CACHE");
    if (cache) return mem_strdup(cache);
    char *home = hub_home(), *path = path_join(home, "hub");
    free(home);
    return path;
}

/* HF_TOKEN, else the file HF_TOKEN_PATH, else HF_HOME/token. */
static lmm_status read_token(char **out, const char *file) {
    const char *value = file ? NULL : env("HF_TOKEN"), *given = file ? file : env("HF_TOKEN_PATH");
    char *home = hub_home(), *path = given ? mem_strdup(given) : path_join(home, "token"), *text = NULL;
    lmm_status st = LMM_OK;
    if (value) text = mem_strdup(value);
    else if (file || file_exists(path)) st = file_read(&text, NULL, path, 65536);
    if (text) {
        size_t n = strlen(text), start = strspn(text, " \t\r\n");
        while (n > start && strchr(" \t\r\n", text[n - 1])) n--;
        *out = mem_strndup(text + start, n - start);
    }
    free(text);
    free(path);
    free(home);
    return st;
}

lmm_status hub_args_read(hub_args *a, const char *token_file) {
    const char *endpoint = env("HF_ENDPOINT");
    *a = (hub_args){.cache = hub_cache_path()};
    lmm_status st = read_token(&a->token, token_file);
    if (st) {
        hub_args_free(a);
        return st;
    }
    a->opts = (hub_opts){.endpoint = endpoint ? endpoint : "https://huggingface.co",
                         .token = a->token,
                         .cache = a->cache,
                         .offline = env_is_true("HF_HUB_OFFLINE"),
                         .connect_s = env_seconds("HF_HUB_ETAG_TIMEOUT"),
                         .stall_s = env_seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
                         .backoff_s = env_seconds("LMM_HUB_BACKOFF")};
    return LMM_OK;
}

void hub_args_free(hub_args *a) {
    free(a->token);
    free(a->cache);
    *a = (hub_args){0};
}
