/* fuzz_jinja.c - any bytes as a template and, behind a zero byte, as JSON variables: refused or rendered within the limits. */
#include <stdlib.h>
#include <string.h>

#include "text/text.h"

static const char usual[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"h\\u00e9llo  World\\n\"}, {\"role\": \"assistant\", \"content\": [{\"type\": "
    "\"text\", \"text\": \"x\"}]}], \"lst\": [3, 1, 2], \"d\": {\"b\": 1, \"a\": null}, \"s\": \"Hello \\ud83d\\ude00\", \"n\": 5, "
    "\"f\": 2.5, \"t\": true, \"users\": [{\"name\": \"X\", \"age\": 3}, {\"name\": \"y\", \"age\": 1}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t source_size = zero ? (size_t)(zero - data) : size;
    tree *vars = NULL;
    jinja *j = NULL;
    buf out = {0};
    span_list spans = {0};
    jinja_limits limits = {.step_count_max = 50000, .output_size_max = 1 << 16, .depth_max = 32};
    if (!zero || tree_parse_json(&vars, text + source_size + 1, size - source_size - 1, "fuzz")) {
        (void)tree_parse_json(&vars, usual, sizeof usual - 1, "fuzz");
    }
    lmm_status st = jinja_compile(&j, text, source_size, &limits);
    if (!st) st = jinja_render(j, vars, 1735787045, &out, &spans);
    LMM_ASSERT(st || out.size <= limits.output_size_max, "%zu bytes of output", out.size);
    LMM_ASSERT(!st || lmm_message()[0], "status %d without a sentence", (int)st);
    for (int i = 0; i < spans.count; i++) LMM_ASSERT(spans.at[i] <= out.size, "a span ends at %zu of %zu", spans.at[i], out.size);
    jinja_free(j);
    tree_free(vars);
    buf_free(&out);
    free(spans.at);
    return 0;
}
