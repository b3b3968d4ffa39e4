/* reply.c - a reply that poses a problem, thinks about it and answers, taken apart as open-r1-multimodal did to build its 8k set (rl.md 1.3, 1.4). */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "media/media.h"

static char *stripped(const char *from, const char *to) {
    char *part = mem_strndup(from, (size_t)(to - from)), *out = python_strip(part);
    free(part);
    return out;
}

/* s without a word in front and the blanks behind it; frees s. */
static char *without_lead(char *s, const char *word) {
    if (strncmp(s, word, strlen(word))) return s;
    char *rest = python_strip(s + strlen(word));
    free(s);
    return rest;
}

static char *without_tail(char *s, const char *word) {
    size_t n = strlen(s), m = strlen(word);
    if (n < m || strcmp(s + n - m, word)) return s;
    char *rest = stripped(s, s + n - m);
    free(s);
    return rest;
}

static const char *end_of(const char *s, const char *mark) {
    const char *at = strstr(s, mark);
    return at ? at : s + strlen(s);
}

void reply_split(solved_reply *out, const char *text) {
    static const char open[] = "<think>", close[] = "</think>";
    buf b = {0};
    out->problem = without_tail(without_lead(stripped(text, end_of(text, open)), "Question:"), "Answer:");
    buf_puts(&b, open);
    int parts = 0;
    for (const char *at = strstr(text, open); at; at = strstr(at, open)) {
        at += strlen(open);
        const char *next = end_of(at, open), *to = strstr(at, close);
        if (!to || to >= next) continue;
        char *thought = stripped(at, to);
        buf_printf(&b, "%s%s", parts++ ? " " : "", thought);
        free(thought);
    }
    buf_puts(&b, close);
    const char *answer = NULL;
    for (const char *at = text; (at = strstr(at, "<answer>"));) answer = at += 8;
    if (answer) {
        char *given = without_lead(stripped(answer, end_of(answer, "</answer>")), "Answer:");
        buf_printf(&b, "\n\n<answer>%s</answer>", given);
        free(given);
    }
    out->solution = buf_take(&b);
}

void reply_free(solved_reply *r) {
    free(r->problem);
    free(r->solution);
}

bool tags_empty(const char *text) {
    for (const char *open = text; (open = strchr(open, '<')); open++) {
        const char *end = strchr(open, '>');
        if (!end || end == open + 1 || strncmp(end + 1, "</", 2) || end[3] == '>') continue;
        if (strchr(end + 3, '>')) return true;
    }
    return false;
}

bool reply_leaks(const solved_reply *r) { return strstr(r->problem, "Answer:") != NULL; }

int picture_side(const char *path) {
    image im = {0};
    int side = image_load(&im, path, 0, NULL) ? -1 : min_int(im.width, im.height);
    image_free(&im);
    return side;
}
