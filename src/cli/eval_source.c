/* eval_source.c - who `lmm eval` asks: a checkpoint, or a server with OpenAI's interface; and who judges. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* ---- k=v,k=v ---- */

/* The value of a key, free(); NULL when it is not there. */
static char *value_of(const char *args, const char *key) {
    size_t n = strlen(key);
    for (const char *at = args; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (!strncmp(at, key, n) && at[n] == '=') return mem_strndup(at + n + 1, strcspn(at + n + 1, ","));
    return NULL;
}

static char *first_of(const char *args, const char *const *keys) {
    char *value = NULL;
    for (; *keys && !value; keys++) value = value_of(args, *keys);
    return value;
}

static lmm_status number_of(double *out, const char *args, const char *key, double low, double high) {
    char *text = value_of(args, key), *end;
    if (!text) return LMM_OK;
    double x = strtod(text, &end);
    lmm_status st = *end || end == text || !(x >= low && x <= high)
                        ? LMM_FAIL(LMM_E_ARG, "%s=%s is no number from %g to %g", key, text, low, high)
                        : LMM_OK;
    if (!st) *out = x;
    free(text);
    return st;
}

static const char *env(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* ---- a server ---- */

static bool is_server(const char *model) {
    static const char *const names[] = {"openai", "openai_compatible", "async_openai"};
    for (size_t i = 0; model && i < COUNT_OF(names); i++)
        if (!strcmp(model, names[i])) return true;
    return false;
}

lmm_status chat_server_open(chat **out, char name[17], const char *args, const char *url) {
    static const char *const model_keys[] = {"model", "model_version", "pretrained", NULL}, *const url_keys[] = {"base_url", "url", NULL};
    chat_opts o = {0};
    double concurrency = 0, retries = 0;
    char *model = first_of(args, model_keys), *given = url ? mem_strdup(url) : first_of(args, url_keys),
         *variable = value_of(args, "api_key_env");
    o.base_url = given                    ? given
                 : env("OPENAI_API_BASE") ? env("OPENAI_API_BASE")
                 : env("OPENAI_BASE_URL") ? env("OPENAI_BASE_URL")
                                          : "https://api.openai.com/v1";
    o.model = model;
    o.key = variable ? env(variable) : env("OPENAI_API_KEY");
    lmm_status st = model ? LMM_OK : LMM_FAIL(LMM_E_ARG, "name the server's model: model=NAME,base_url=http://127.0.0.1:8000/v1");
    if (!st && variable && !o.key) st = LMM_FAIL(LMM_E_ARG, "api_key_env=%s: the environment has no such variable", variable);
    if (!st) st = number_of(&concurrency, args, "concurrency", 1, 512);
    if (!st) st = number_of(&retries, args, "retries", 0, 20);
    if (!st) st = number_of(&o.timeout_s, args, "timeout", 0.05, 86400);
    if (!st) st = number_of(&o.backoff_s, args, "backoff", 0.001, 300);
    o.concurrency = (int)concurrency;
    char *said = value_of(args, "retries");
    o.retries = said && retries < 1 ? -1 : (int)retries;
    free(said);
    if (!st) st = chat_open(out, &o);
    if (!st) {
        char *text = mem_printf("%s|%s", o.base_url, model), hex[65];
        sha256_hex(text, strlen(text), hex);
        snprintf(name, 17, "%.16s", hex);
        free(text);
    }
    free(variable);
    free(given);
    free(model);
    return st;
}

/* ---- the judge ---- */

static lmm_status open_judge(eval_source_set *s, const model_args *m, const char *judge, const char *args) {
    lmm_status st = LMM_OK;
    if (!judge || !strcmp(judge, "none")) return LMM_OK;
    s->judge = lmm_chat_local;
    if (strstr(judge, "://")) {
        st = chat_server_open(&s->judge_server, s->judge_name, args, judge);
        s->judge = chat_ask, s->judge_self = s->judge_server;
    } else if (!strcmp(judge, "self")) {
        s->judge_self = s->model;
        if (!s->model) st = LMM_FAIL(LMM_E_ARG, "--judge self needs a model of this engine (-m)");
    } else {
        char *path;
        if (!s->runtime) st = runtime_open(&s->runtime, m);
        if (!st) st = model_find(&path, judge);
        if (!st) st = lmm_model_open(&s->judge_model, s->runtime, path), free(path);
        s->judge_self = s->judge_model;
    }
    if (!st && s->judge == lmm_chat_local) lmm_model_fingerprint(s->judge_self, s->judge_name);
    return LMM_CONTEXT(st, "--judge");
}

/* ---- transcripts ---- */

static lmm_status open_speech(eval_source_set *s, const model_args *m, const char *name) {
    char *path;
    if (!name || !strcmp(name, "files")) return LMM_OK;
    lmm_status st = s->runtime ? LMM_OK : runtime_open(&s->runtime, m);
    if (!st) st = model_find(&path, name);
    if (!st) st = lmm_model_open(&s->speech, s->runtime, path), free(path);
    return LMM_CONTEXT(st, "--transcript");
}

/* ---- all ---- */

lmm_status eval_source_open(eval_source_set *out, const model_args *m, const eval_source_opts *o) {
    eval_source_set s = {0};
    model_args mine = *m;
    char *pretrained = mine.model || !o->model ? NULL : value_of(o->model_args, "pretrained");
    lmm_status st = LMM_OK;
    if (pretrained) mine.model = pretrained;
    if (is_server(o->model)) st = chat_server_open(&s.server, s.name, o->model_args, NULL);
    else if (!o->answers) {
        st = model_args_open(&s.runtime, &s.model, &mine);
        if (!st) st = model_args_scale(s.model, &mine, o->frames);
    }
    if (!st) st = open_judge(&s, m, o->judge, o->judge_args);
    if (!st) st = open_speech(&s, m, o->transcript);
    free(pretrained);
    if (st) return eval_source_close(&s), st;
    return *out = s, LMM_OK;
}

void eval_source_close(eval_source_set *s) {
    chat_close(s->judge_server);
    chat_close(s->server);
    lmm_model_close(s->judge_model);
    lmm_model_close(s->speech);
    lmm_model_close(s->model);
    lmm_runtime_close(s->runtime);
    *s = (eval_source_set){0};
}
