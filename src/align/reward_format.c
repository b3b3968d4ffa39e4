/* reward_format.c - does a completion have the asked form? The published code answers with regular expressions that differ in three ways: whether a dot takes a newline, whether
 * anything may follow, and what counts as blank. A pattern here is a row of pieces; the matcher keeps the set of places it may be at, so its time is pieces times length, whatever the text. */
#include "align/align.h"

#include <stdlib.h>
#include <string.h>

typedef enum { LITERAL, ANYTHING, ANY_ON_LINE, BLANKS, AT_END, AT_LINE_END } piece_kind;
typedef struct {
    piece_kind kind;
    const char *text;
} piece;

static void step_literal(bool *at, const char *s, size_t n, const char *text) {
    size_t size = strlen(text);
    for (size_t i = n + 1; i-- > 0;) at[i] = i >= size && at[i - size] && !memcmp(s + i - size, text, size);
}

/* From every place on, over whole characters of the kind. */
static void step_run(bool *at, const char *s, size_t n, piece_kind kind) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t size = (size_t)utf8_decode(s + i, n - i, &c);
        bool goes_on = kind == ANYTHING || (kind == ANY_ON_LINE ? c != '\n' : utf8_is_space(c));
        if (at[i] && goes_on) at[i + size] = true;
        i += size;
    }
}

static void step_end(bool *at, const char *s, size_t n, bool of_line) {
    for (size_t i = 0; i < n; i++) at[i] = at[i] && of_line && s[i] == '\n';
}

static bool matches(const piece *pieces, const char *s) {
    size_t n = strlen(s);
    bool *at = mem_new(n + 1, sizeof *at), found = false;
    at[0] = true;
    for (const piece *p = pieces; p->text || p->kind; p++) {
        if (p->kind == LITERAL) step_literal(at, s, n, p->text);
        else if (p->kind == AT_END || p->kind == AT_LINE_END) step_end(at, s, n, p->kind == AT_LINE_END);
        else step_run(at, s, n, p->kind);
    }
    for (size_t i = 0; i <= n; i++) found |= at[i];
    free(at);
    return found;
}

static bool open_r1_multimodal(const char *s) {
    static const piece p[] = {{LITERAL, "<think>"},  {ANY_ON_LINE, ""}, {LITERAL, "</think>"},  {BLANKS, ""},
                              {LITERAL, "<answer>"}, {ANY_ON_LINE, ""}, {LITERAL, "</answer>"}, {0}};
    return matches(p, s);
}

static bool whole_tags(const char *s) {
    static const piece p[] = {{LITERAL, "<think>"}, {ANYTHING, ""},         {LITERAL, "</think>"}, {BLANKS, ""}, {LITERAL, "<answer>"},
                              {ANYTHING, ""},       {LITERAL, "</answer>"}, {AT_END, ""},          {0}};
    return matches(p, s);
}

static bool open_r1(const char *s) {
    static const piece p[] = {{LITERAL, "<think>\n"},
                              {ANYTHING, ""},
                              {LITERAL, "\n</think>\n<answer>\n"},
                              {ANYTHING, ""},
                              {LITERAL, "\n</answer>"},
                              {AT_LINE_END, ""},
                              {0}};
    return matches(p, s);
}

static bool easyr1_math(const char *s) {
    static const piece p[] = {{LITERAL, "<think>"},  {ANYTHING, ""}, {LITERAL, "</think>"}, {ANYTHING, ""},
                              {LITERAL, "\\boxed{"}, {ANYTHING, ""}, {LITERAL, "}"},        {0}};
    return matches(p, s);
}

char *easyr1_tightened(const char *s) {
    buf b = {0};
    const size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t k = i, size;
        while (k < n && (size = (size_t)utf8_decode(s + k, n - k, &c), utf8_is_space(c))) k += size;
        if (k < n && strchr("<>/", s[k])) {
            buf_putc(&b, s[k++]);
            while (k < n && (size = (size_t)utf8_decode(s + k, n - k, &c), utf8_is_space(c))) k += size;
            i = k;
        } else {
            if (k == i) k += (size_t)utf8_decode(s + i, n - i, &c);
            buf_put(&b, s + i, k - i);
            i = k;
        }
    }
    return buf_take(&b);
}

static bool easyr1_math_tightened(const char *s) {
    char *tight = easyr1_tightened(s);
    bool holds = easyr1_math(tight);
    free(tight);
    return holds;
}

static bool caption(const char *s) {
    static const piece p[] = {{LITERAL, "<caption>"}, {ANYTHING, ""}, {LITERAL, "</caption>"}, {ANYTHING, ""},
                              {LITERAL, "<think>"},   {ANYTHING, ""}, {LITERAL, "</think>"},   {ANYTHING, ""},
                              {LITERAL, "\\boxed{"},  {ANYTHING, ""}, {LITERAL, "}"},          {0}};
    return matches(p, s);
}

static bool trl_think(const char *s) { return !strncmp(s, "<think>", 7) && !strstr(s + 7, "<think>") && strstr(s + 7, "</think>"); }

static bool boxed_or_tags(const char *s) {
    const char *box = strstr(s, "\\boxed{");
    return whole_tags(s) || (box && strchr(box, '}'));
}

static int occurrences(const char *s, const char *what) {
    int n = 0;
    for (; (s = strstr(s, what)); s += strlen(what)) n++;
    return n;
}

static const struct {
    const char *name;
    bool (*holds)(const char *s); /* NULL: tags are counted */
} formats[] = {
    {"open_r1_multimodal", open_r1_multimodal},
    {"vlm_r1", whole_tags},
    {"open_r1", open_r1},
    {"trl_think", trl_think},
    {"easyr1_math", easyr1_math},
    {"easyr1_math_tightened", easyr1_math_tightened},
    {"caption", caption},
    {"boxed_or_tags", boxed_or_tags},
    {"tags", NULL},
};

bool reward_format_known(const char *name) {
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (!strcmp(name, formats[i].name)) return true;
    return false;
}

double reward_format(const char *name, const char *s) {
    static const char *const tags[] = {"<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"};
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (formats[i].holds && !strcmp(name, formats[i].name)) return formats[i].holds(s);
    double sum = 0;
    for (size_t i = 0; i < COUNT_OF(tags); i++) sum += occurrences(s, tags[i]) == 1 ? 0.25 : 0;
    return sum;
}

const char *answer_find(const char *text, bool last, bool one_line, size_t *size) {
    const char *found = NULL;
    for (const char *open = text; (open = strstr(open, "<answer>"));) {
        const char *from = open + 8, *to = strstr(from, "</answer>");
        open = from;
        if (!to) break;
        if (one_line && memchr(from, '\n', (size_t)(to - from))) continue;
        found = from;
        *size = (size_t)(to - from);
        if (!last) break;
        open = to;
    }
    return found;
}
