/* regex.c - regular expressions with Python's meaning of \d \w \s \b on Unicode, over PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

lmm_status regex_open(regex **out, const char *pattern, bool ignore_case) {
    int error;
    PCRE2_SIZE at;
    uint32_t flags = PCRE2_UTF | PCRE2_UCP | (ignore_case ? PCRE2_CASELESS : 0);
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, flags, &error, &at, NULL);
    if (!code) {
        char why[160];
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof why);
        return LMM_FAIL(LMM_E_FORMAT, "bad regular expression '%s' at character %zu: %s", pattern, (size_t)at + 1, why);
    }
    regex *r = mem_new(1, sizeof *r);
    r->code = code;
    r->match = pcre2_match_data_create_from_pattern(code, NULL);
    r->limits = pcre2_match_context_create(NULL);
    pcre2_set_match_limit(r->limits, 1000000); /* a pattern of a task file must not hang the run */
    return *out = r, LMM_OK;
}

void regex_close(regex *r) {
    if (!r) return;
    pcre2_match_context_free(r->limits);
    pcre2_match_data_free(r->match);
    pcre2_code_free(r->code);
    free(r);
}

bool regex_find(const regex *r, const char *text, size_t from, regex_match *m) {
    size_t n = strlen(text);
    if (from > n) return false;
    int count = pcre2_match(r->code, (PCRE2_SPTR)text, n, from, 0, r->match, r->limits);
    if (count <= 0) return false;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);
    m->group_count = min_int((int)pcre2_get_ovector_count(r->match), (int)COUNT_OF(m->begin));
    for (int i = 0; i < m->group_count; i++) {
        m->set[i] = i < count && at[2 * i] != PCRE2_UNSET;
        m->begin[i] = m->set[i] ? at[2 * i] : 0;
        m->end[i] = m->set[i] ? at[2 * i + 1] : 0;
    }
    return true;
}

bool regex_search(const char *pattern, const char *text, regex_match *m) {
    regex *r;
    if (regex_open(&r, pattern, false)) return false;
    bool found = regex_find(r, text, 0, m);
    regex_close(r);
    return found;
}

char *regex_sub(scratch *s, const char *pattern, const char *text, const char *with, int count) {
    regex *r;
    regex_match m;
    if (regex_open(&r, pattern, false)) return scratch_cut(s, text, strlen(text));
    buf b = {0};
    size_t at = 0;
    for (int i = 0; (!count || i < count) && regex_find(r, text, at, &m) && m.end[0] > m.begin[0]; i++) {
        buf_put(&b, text + at, m.begin[0] - at);
        buf_puts(&b, with);
        at = m.end[0];
    }
    buf_puts(&b, text + at);
    regex_close(r);
    char *out = scratch_cut(s, b.size ? b.data : "", b.size);
    buf_free(&b);
    return out;
}
