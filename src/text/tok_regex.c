/* tok_regex.c - the patterns of tokenizer.json: plain strings, and regular expressions run by PCRE2 with limits. */
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "text/text_int.h"

enum { PATTERN_SIZE_MAX = 1 << 16, MATCH_LIMIT = 50000000, HEAP_LIMIT_KIB = 1 << 18 };

struct pattern {
    char *text; /* as the file says it */
    size_t size;
    pcre2_code *code; /* NULL: a plain string */
    pcre2_match_context *limits;
    bool compiled; /* to machine code */
};

static lmm_status compile(pattern *p, const char *name) {
    buf expression = {0};
    const char *fault = oniguruma_rewrite(&expression, p->text, p->size);
    lmm_status st = LMM_OK;
    int error;
    PCRE2_SIZE offset;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    if (fault) st = LMM_FAIL(LMM_E_UNSUPPORTED, "%s: regular expression '%s': %s is not supported", name, p->text, fault);
    else if (!(p->code = pcre2_compile((PCRE2_SPTR)expression.data, expression.size, options, &error, &offset, NULL))) {
        char message[160] = "";
        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
        st = tok_bad(name, "regular expression '%s': %s", p->text, message);
    } else {
        p->compiled = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
        p->limits = pcre2_match_context_create(NULL);
        LMM_ASSERT(p->limits, "out of memory");
        pcre2_set_match_limit(p->limits, MATCH_LIMIT);
        pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    }
    buf_free(&expression);
    return st;
}

lmm_status pattern_new(pattern **out, const char *text, size_t n, bool is_regex, const char *name) {
    if (n > PATTERN_SIZE_MAX) return tok_bad(name, "a pattern of %zu bytes is too long (limit %d)", n, PATTERN_SIZE_MAX);
    pattern *p = mem_new(1, sizeof *p);
    p->text = mem_strndup(text, n);
    p->size = n;
    lmm_status st = is_regex || !n ? compile(p, name) : LMM_OK; /* the empty string matches everywhere, as a regex does */
    if (st) pattern_free(p);
    else *out = p;
    return st;
}

lmm_status pattern_load(pattern **out, const tree *json, const char *key, const char *name) {
    const tree *p = tree_get(json, key), *regex = tree_get(p, "Regex"), *text = regex ? regex : tree_get(p, "String");
    if (!text || text->type != TREE_STRING) return tok_bad(name, "'%s' must be {\"String\": \"...\"} or {\"Regex\": \"...\"}", key);
    return pattern_new(out, text->text, text->text_size, regex != NULL, name);
}

void pattern_free(pattern *p) {
    if (!p) return;
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    free(p->text);
    free(p);
}

/* ---- matching ---- */

void matcher_open(matcher *m, const pattern *p, const char *text, int size) {
    *m = (matcher){.p = p, .text = text, .size = size, .last_end = -1};
    if (!p->code) return;
    m->match = pcre2_match_data_create(1, NULL);
    LMM_ASSERT(m->match, "out of memory");
}

static bool string_next(matcher *m, int *begin, int *end) {
    size_t n = m->p->size;
    while ((size_t)(m->size - m->at) >= n) {
        const char *hit = memchr(m->text + m->at, m->p->text[0], (size_t)(m->size - m->at) - n + 1);
        if (!hit) return false;
        m->at = (int)(hit - m->text);
        if (!memcmp(hit, m->p->text, n)) {
            *begin = m->at;
            *end = m->at += (int)n;
            return true;
        }
        m->at++;
    }
    return false;
}

/* The text is known to be UTF-8. Machine code has a small stack; what does not fit there is interpreted. */
static int search(const matcher *m) {
    PCRE2_SPTR text = (PCRE2_SPTR)m->text;
    int found = PCRE2_ERROR_JIT_STACKLIMIT;
    if (m->p->compiled) found = pcre2_jit_match(m->p->code, text, (PCRE2_SIZE)m->size, (PCRE2_SIZE)m->at, 0, m->match, m->p->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(m->p->code, text, (PCRE2_SIZE)m->size, (PCRE2_SIZE)m->at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, m->match,
                            m->p->limits);
    return found;
}

/* In an empty text nothing matches, and an empty match right behind the last match does not count (as in the library's search). */
bool matcher_next(matcher *m, int *begin, int *end) {
    if (!m->size) return false;
    if (!m->p->code) return string_next(m, begin, end);
    while (!m->status && m->at <= m->size) {
        int found = search(m);
        if (found == PCRE2_ERROR_NOMATCH) return false;
        if (found < 0) {
            char message[160] = "";
            pcre2_get_error_message(found, (PCRE2_UCHAR *)message, sizeof message);
            m->status =
                LMM_FAIL(LMM_E_LIMIT, "the tokenizer's pattern '%s' gave up on a text of %d bytes: %s", m->p->text, m->size, message);
            return false;
        }
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->match);
        *begin = (int)at[0];
        *end = (int)at[1];
        bool repeated = *begin == *end && *end == m->last_end;
        m->at = m->last_end = max_int(*end, m->at);
        if (!repeated) return true;
        do m->at++;
        while (m->at < m->size && ((unsigned char)m->text[m->at] & 0xC0) == 0x80);
    }
    return false;
}

lmm_status matcher_close(matcher *m) {
    pcre2_match_data_free(m->match);
    m->match = NULL;
    return m->status;
}
