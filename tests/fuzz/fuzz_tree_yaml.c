/* fuzz_tree_yaml.c - any bytes as YAML: refused with one line, or a tree that JSON can carry; and the same bytes as an override. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void check_as_json(const tree *t) {
    buf first = {0}, again = {0};
    tree *back = NULL;
    tree_write_json(&first, t, 0);
    lmm_status st = tree_parse_json(&back, first.data, first.size, "written");
    LMM_ASSERT(st == LMM_OK, "%s", lmm_message());
    tree_write_json(&again, back, 0);
    LMM_ASSERT(first.size == again.size && memcmp(first.data, again.data, first.size) == 0, "%s\n%s", first.data, again.data);
    tree_free(back);
    buf_free(&first);
    buf_free(&again);
}

static void try_override(const uint8_t *data, size_t size) {
    static const char text[] = "a: {b: 1}\nl: [1, {c: 2}]\nn:\n";
    tree *t = NULL;
    char *assignment = mem_strndup((const char *)data, size);
    LMM_ASSERT(tree_parse_yaml(&t, text, strlen(text), "base") == LMM_OK, "%s", lmm_message());
    (void)tree_override(t, assignment);
    tree_free(t);
    free(assignment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tree *t = NULL;
    if (tree_parse_yaml(&t, (const char *)data, size, "fuzz") == LMM_OK) check_as_json(t);
    else LMM_ASSERT(lmm_message()[0] && !strchr(lmm_message(), '\n'), "no sentence: '%s'", lmm_message());
    tree_free(t);
    if (size < 256) try_override(data, size);
    return 0;
}
