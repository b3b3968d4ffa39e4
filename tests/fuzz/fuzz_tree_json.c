/* fuzz_tree_json.c - any bytes as JSON: refused with one line, or written in a form that reads back to the same text. */
#include <string.h>

#include "base/base.h"

static void check_round_trip(const tree *t, int indent) {
    buf first = {0}, again = {0};
    tree *back = NULL;
    tree_write_json(&first, t, indent);
    lmm_status st = tree_parse_json(&back, first.data, first.size, "written");
    LMM_ASSERT(st == LMM_OK, "%s", lmm_message());
    tree_write_json(&again, back, indent);
    LMM_ASSERT(first.size == again.size && memcmp(first.data, again.data, first.size) == 0, "%s\n%s", first.data, again.data);
    tree_free(back);
    buf_free(&first);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tree *t = NULL;
    if (tree_parse_json(&t, (const char *)data, size, "fuzz")) {
        LMM_ASSERT(lmm_message()[0] && !strchr(lmm_message(), '\n'), "no sentence: '%s'", lmm_message());
        return 0;
    }
    for (int i = 0; t->type == TREE_MAP && i < t->count; i++)
        LMM_ASSERT(tree_get(t, t->keys[i]) == t->items[i], "'%s' is not found", t->keys[i]);
    check_round_trip(t, 0);
    if (size < 4096) check_round_trip(t, 2); /* deep nesting makes much indentation */
    tree_free(t);
    return 0;
}
