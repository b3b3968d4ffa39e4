/* args.c - argument strings and names as lmms-eval's command line reads them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "eval/eval_int.h"

/* str.isnumeric: every character is a number of some kind, "½" too. */
static bool is_numeric(const char *text) {
    if (!*text) return false;
    for (int step; *text; text += step) {
        uint32_t cp;
        step = utf8_decode(text, strlen(text), &cp);
        utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
        if (c < UTF8PROC_CATEGORY_ND || c > UTF8PROC_CATEGORY_NO) return false;
    }
    return true;
}

static lmm_status value_of(tree **out, scratch *mem, const char *text) {
    const char *low = py_lower(mem, text);
    int64_t i;
    double x;
    if (!strcmp(low, "true") || !strcmp(low, "false")) *out = tree_new_bool(*low == 't');
    else if (is_numeric(text)) {
        if (py_int(&i, text)) *out = tree_new_int(i);
        else if (py_float(&x, text)) *out = tree_new_real(x); /* beyond 64 bits */
        else return LMM_FAIL(LMM_E_ARG, "'%s' looks like a number and is none", text);
    } else *out = py_float(&x, text) ? tree_new_real(x) : tree_new_string(text);
    return LMM_OK;
}

static lmm_status put_pair(tree *map, scratch *mem, const char *piece) {
    const char *equals = strchr(piece, '=');
    tree *value = NULL;
    if (!equals) return LMM_FAIL(LMM_E_ARG, "'%s' in an argument list has no '='; write key=value,key=value", piece);
    lmm_status st = value_of(&value, mem, equals + 1);
    if (!st) tree_put(map, scratch_cut(mem, piece, (size_t)(equals - piece)), value);
    return st;
}

/* Splits at commas outside quotes and brackets. */
lmm_status args_parse(tree **out, const char *text) {
    scratch mem = {0};
    const char *at = py_strip(&mem, text), *start = at;
    tree *map = tree_new(TREE_MAP);
    lmm_status st = LMM_OK;
    char quote = 0, before = 0;
    int depth = 0;
    for (;; before = *at, at++) {
        bool end = !*at || (*at == ',' && !quote && depth <= 0);
        if ((*at == '\'' || *at == '"') && before != '\\') quote = quote == *at ? 0 : quote ? quote : *at;
        else if (!quote && (*at == '{' || *at == '[')) depth++;
        else if (!quote && (*at == '}' || *at == ']')) depth--;
        if (!end) continue;
        const char *piece = py_strip(&mem, scratch_cut(&mem, start, (size_t)(at - start)));
        if (*piece && !st) st = put_pair(map, &mem, piece);
        start = at + 1;
        if (!*at) break;
    }
    scratch_free(&mem);
    if (st) return tree_free(map), st;
    return *out = map, LMM_OK;
}

char *args_model_name(scratch *mem, const char *model_args) {
    static const char *const keys[] = {"peft=",       "delta=",    "pretrained=", "model=", "model_version=",
                                       "model_name=", "model_id=", "path=",       "engine="};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *hit = strstr(model_args, keys[i]);
        if (!hit) continue;
        const char *value = hit + strlen(keys[i]), *again = strstr(value, keys[i]);
        size_t n = strcspn(value, ",");
        if (again && (size_t)(again - value) < n) n = (size_t)(again - value);
        return scratch_cut(mem, value, n);
    }
    return scratch_cut(mem, "", 0);
}

char *args_safe_name(scratch *mem, const char *name) {
    const char *slash = strrchr(name, '/'), *start = name;
    for (const char *at = name; slash && at < slash; at++)
        if (*at == '/') start = at + 1;
    return regex_sub(mem, "[\"<>:/|\\\\?*\\[\\]]+", scratch_cut(mem, start, strlen(start)), "__", 0);
}

int64_t args_sample_count(double limit, int64_t n) {
    if (limit < 0) return n;
    return limit < 1 ? (int64_t)ceil((double)n * limit) : (int64_t)limit;
}
