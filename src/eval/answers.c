/* answers.c - answers that exist already: lines {task, doc_id, responses}, or a file of samples as lmms-eval and this program write them. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

struct answer_file {
    table lines;
    strmap *at; /* "task\nid" -> line, and "\nid" for lines that name no task */
};

static const char *id_of(scratch *mem, const tree *line) { return py_str(mem, tree_get(line, "doc_id")); }

lmm_status answers_open(answer_file **out, const char *path) {
    answer_file *a = mem_new(1, sizeof *a);
    lmm_status st = table_open(&a->lines, path, NULL, 0);
    if (st) return free(a), st;
    a->at = strmap_new();
    for (int i = 0; i < a->lines.count && !st; i++) {
        scratch mem = {0};
        const tree *line = table_row(&a->lines, i);
        const char *key = scratch_printf(&mem, "%s\n%s", tree_str(line, "task", ""), id_of(&mem, line));
        if (!tree_get(line, "doc_id")) st = LMM_FAIL(LMM_E_FORMAT, "'%s' line %d: an answer needs a 'doc_id'", path, i + 1);
        else if (!strmap_put(a->at, key, strlen(key), i))
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' line %d: row %s is answered twice", path, i + 1, id_of(&mem, line));
        scratch_free(&mem);
    }
    if (st) return answers_close(a), st;
    return *out = a, LMM_OK;
}

void answers_close(answer_file *a) {
    if (!a) return;
    strmap_free(a->at);
    table_close(&a->lines);
    free(a);
}

static const tree *find(const answer_file *a, const char *task, int64_t id) {
    char *key = mem_printf("%s\n%" PRId64, task, id);
    int line = -1;
    const char *bare = strchr(key, '\n');
    if (!strmap_get(a->at, key, strlen(key), &line) && !strmap_get(a->at, bare, strlen(bare), &line)) line = -1;
    free(key);
    return line < 0 ? NULL : table_row(&a->lines, line);
}

/* The first answer of a line: `responses` (a list), `resps`, `filtered_resps` or `response`. */
const char *answers_get(const answer_file *a, const char *task, int64_t id, int *input_tokens, int *output_tokens) {
    static const char *const keys[] = {"responses", "resps", "filtered_resps", "response"};
    const tree *line = find(a, task, id), *value = NULL, *counts = tree_get(line, "token_counts");
    for (size_t i = 0; i < COUNT_OF(keys) && !value; i++) value = tree_get(line, keys[i]);
    while (value && value->type == TREE_LIST && value->count) value = value->items[0];
    const tree *count = counts && counts->type == TREE_LIST && counts->count ? counts->items[0] : NULL;
    *input_tokens = (int)tree_int(count, "input_tokens", -1);
    *output_tokens = (int)tree_int(count, "output_tokens", -1);
    return value && value->type == TREE_STRING ? value->text : NULL;
}
