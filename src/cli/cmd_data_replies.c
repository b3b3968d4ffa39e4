/* cmd_data_replies.c - `lmm data replies`: what a strong model wrote about pictures (a problem, its thoughts, its answer) as prompts for `lmm train grpo`, filtered as
 * open-r1-multimodal built its 8k set (rl.md 1.3, 1.4). */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "data/data.h"

enum { KEPT, NO_REPLY, EMPTY_TAGS, LEAKS, NO_PICTURE, SMALL_PICTURE, FATE_COUNT };
enum { SIDE_MIN = 28 };
static const char *const fates[FATE_COUNT] = {"kept",
                                              "without a reply",
                                              "with an empty tag",
                                              "whose problem tells an answer",
                                              "whose picture cannot be read",
                                              "whose picture is under 28 pixels"};

static int picture_fate(const tree *row, const char *file) {
    const char *name = tree_str(row, "image", NULL);
    if (!name) return KEPT;
    char *path = path_beside(file, name);
    const int side = picture_side(path), fate = side < 0 ? NO_PICTURE : side < SIDE_MIN ? SMALL_PICTURE : KEPT;
    free(path);
    return fate;
}

/* One row; what is kept is written to out. */
static int take(buf *out, const tree *row, const char *file) {
    const char *text = tree_str(row, "response", tree_str(row, "gpt4o_response", NULL));
    if (!text) return NO_REPLY;
    solved_reply r;
    reply_split(&r, text);
    int fate = tags_empty(r.solution) ? EMPTY_TAGS : reply_leaks(&r) ? LEAKS : picture_fate(row, file);
    if (fate == KEPT) {
        tree *record = tree_new(TREE_MAP);
        if (tree_get(row, "image")) tree_put(record, "image", tree_copy(tree_get(row, "image")));
        tree_put(record, "problem", tree_new_string(r.problem));
        tree_put(record, "solution", tree_new_string(r.solution));
        tree_write_json(out, record, 0);
        buf_putc(out, '\n');
        tree_free(record);
    }
    reply_free(&r);
    return fate;
}

lmm_status data_replies(const char *file, const char *out) {
    table rows;
    buf text = {0};
    int count[FATE_COUNT] = {0};
    lmm_status st = table_open(&rows, file, NULL, 0);
    if (st) return st;
    for (int i = 0; i < rows.count; i++) count[take(&text, table_row(&rows, i), file)]++;
    st = file_write(out, text.data ? text.data : "", text.size);
    if (!st) printf("%s: %d of %d kept\n", out, count[KEPT], rows.count);
    for (int f = KEPT + 1; f < FATE_COUNT && !st; f++)
        if (count[f]) printf("  left out: %d %s\n", count[f], fates[f]);
    buf_free(&text);
    table_close(&rows);
    return st;
}
