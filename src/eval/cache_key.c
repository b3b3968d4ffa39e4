/* cache_key.c - which answers may be kept, and under which key. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- JSON with sorted keys and ASCII only ---- */

static void put_ascii(buf *b, const char *text) {
    buf_putc(b, '"');
    for (int step; *text; text += step) {
        uint32_t cp;
        step = utf8_decode(text, strlen(text), &cp);
        const char *short_ = cp < 128 ? strchr("\"\\\n\r\t\b\f", (int)cp) : NULL;
        if (cp && short_) buf_printf(b, "\\%c", "\"\\nrtbf"[short_ - strchr("\"\\\n\r\t\b\f", '"')]);
        else if (cp >= 32 && cp < 127) buf_putc(b, (char)cp);
        else if (cp < 0x10000) buf_printf(b, "\\u%04x", cp);
        else buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10), 0xdc00 + ((cp - 0x10000) & 0x3ff));
    }
    buf_putc(b, '"');
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void put_sorted(buf *b, const tree *t) {
    if (t->type == TREE_STRING) put_ascii(b, t->text);
    else if (t->type == TREE_LIST) {
        buf_putc(b, '[');
        for (int i = 0; i < t->count; i++) {
            if (i) buf_putc(b, ',');
            put_sorted(b, t->items[i]);
        }
        buf_putc(b, ']');
    } else if (t->type == TREE_MAP) {
        const char **keys = mem_new((size_t)t->count + 1, sizeof *keys);
        for (int i = 0; i < t->count; i++) keys[i] = t->keys[i];
        qsort(keys, (size_t)t->count, sizeof *keys, by_text);
        buf_putc(b, '{');
        for (int i = 0; i < t->count; i++) {
            if (i) buf_putc(b, ',');
            put_ascii(b, keys[i]);
            buf_putc(b, ':');
            put_sorted(b, tree_get(t, keys[i]));
        }
        buf_putc(b, '}');
        free(keys);
    } else tree_write_json(b, t, 0);
}

char *json_sorted(const tree *t) {
    buf b = {0};
    put_sorted(&b, t);
    return buf_take(&b);
}

/* ---- what matters of a request ---- */

static const char *const kept[] = {"temperature",        "top_p",     "top_k",     "max_new_tokens",
                                   "max_gen_toks",       "do_sample", "num_beams", "until",
                                   "repetition_penalty", "n",         "best_of",   "num_return_sequences"};

tree *cache_kwargs(const tree *given) {
    tree *out = tree_new(TREE_MAP);
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const tree *v = tree_get(given, kept[i]);
        if (!v) continue;
        bool whole = v->type == TREE_REAL && v->real == floor(v->real) && fabs(v->real) < 9e15;
        tree_put(out, kept[i], whole ? tree_new_int((int64_t)v->real) : tree_copy(v));
    }
    return out;
}

bool cache_deterministic(const char *request_type, const tree *given) {
    static const char *const once[] = {"n", "best_of", "num_return_sequences"};
    if (!strcmp(request_type, "loglikelihood")) return true;
    if (py_value(tree_get(given, "temperature"), 0) > 0 || tree_bool(given, "do_sample", false)) return false;
    for (size_t i = 0; i < COUNT_OF(once); i++)
        if (py_value(tree_get(given, once[i]), 1) > 1) return false;
    return true;
}

bool cache_valid(const char *request_type, const tree *response) {
    if (!response || response->type == TREE_NULL) return false;
    if (!strcmp(request_type, "loglikelihood")) return response->type == TREE_LIST && response->count == 2;
    if (response->type != TREE_STRING) return true;
    scratch mem = {0};
    bool some = *py_strip(&mem, response->text) != '\0';
    scratch_free(&mem);
    return some;
}

void cache_key(char hex[65], const tree *request) {
    static const char *const optional[][2] = {{"ch", "content_hash"},
                                              {"tf", "task_fingerprint"},
                                              {"mfh", "model_fingerprint_hash"},
                                              {"ev", "eval_version"}};
    static const char *const always[][2] = {{"rt", "request_type"}, {"tn", "task_name"}, {"did", "doc_id"}, {"idx", "idx"}};
    tree *k = tree_new(TREE_MAP), *kwargs = cache_kwargs(tree_get(request, "gen_kwargs"));
    char *text = json_sorted(kwargs);
    tree_put(k, "v", tree_new_int(3));
    for (size_t i = 0; i < COUNT_OF(always); i++) tree_put(k, always[i][0], tree_copy(tree_get(request, always[i][1])));
    tree_put(k, "gk", tree_new_string(text));
    for (size_t i = 0; i < COUNT_OF(optional); i++) {
        const char *value = tree_str(request, optional[i][1], "");
        if (*value) tree_put(k, optional[i][0], tree_new_string(value));
    }
    free(text);
    text = json_sorted(k);
    sha256_hex(text, strlen(text), hex);
    free(text);
    tree_free(kwargs);
    tree_free(k);
}
