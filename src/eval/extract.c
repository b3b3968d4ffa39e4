/* extract.c - kinds of answer: what counts in a response. */
#include <string.h>

#include "eval/eval.h"

/* The response without white space around it. */
static void text(buf *out, const char *response) {
    static const char space[] = " \t\r\n\f\v";
    response += strspn(response, space);
    size_t n = strlen(response);
    while (n && strchr(space, response[n - 1])) n--;
    buf_put(out, response, n);
}

static const extractor rows[] = {{"text", text}};

const extractor *extractor_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

const char *const *extractor_names(void) {
    static const char *const names[] = {"text", NULL};
    return names;
}
