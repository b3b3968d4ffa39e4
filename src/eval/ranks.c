/* ranks.c - `mpirun -n N lmm eval`: the rows of a task shared out over the ranks, and every rank's answers brought to all of them.
 *
 * Rows of one picture stay together. The law of equal numbers makes an answer the same wherever it is given, so that what is scored and written
 * (by rank 0) has the bytes of one process. */
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- shares ---- */

/* Index of the first row of rank r: an even cut, moved to the next picture. */
static int cut_at(const asking *a, int r) {
    int at = (int)((int64_t)a->todo.count * r / dist_count(a->world));
    while (at > 0 && at < a->todo.count && a->todo.at[at].group == a->todo.at[at - 1].group) at++;
    return at;
}

void ranks_take(asking *a) {
    const int rank = dist_rank(a->world), first = cut_at(a, rank),
              last = rank + 1 < dist_count(a->world) ? cut_at(a, rank + 1) : a->todo.count;
    if (!a->todo.count) return;
    memmove(a->todo.at, a->todo.at + first, (size_t)(last - first) * sizeof *a->todo.at);
    a->todo.count = last - first;
}

/* ---- answers ---- */

static void put_text(tree *t, const char *key, const char *text) {
    if (text) tree_put(t, key, tree_new_string(text));
}

static tree *pack(const asking *a) {
    tree *list = tree_new(TREE_LIST);
    for (int i = 0; i < a->todo.count; i++) {
        const eval_row *r = &a->run->rows[a->todo.at[i].row];
        tree *t = tree_new(TREE_MAP);
        tree_put(t, "row", tree_new_int(a->todo.at[i].row));
        tree_put(t, "input_tokens", tree_new_int(r->input_tokens));
        tree_put(t, "output_tokens", tree_new_int(r->output_tokens));
        put_text(t, "response", r->response);
        put_text(t, "fault", r->fault);
        put_text(t, "fault_key", r->fault_key);
        if (r->outputs) tree_put(t, "outputs", tree_copy(r->outputs));
        tree_add(list, t);
    }
    return list;
}

static char *text_of(const tree *t, const char *key) {
    const char *text = tree_str(t, key, NULL);
    return text ? mem_strdup(text) : NULL;
}

static void unpack(task_run *run, const tree *list) {
    for (int i = 0; i < list->count; i++) {
        const tree *t = list->items[i], *outputs = tree_get(t, "outputs");
        eval_row *r = &run->rows[tree_int(t, "row", 0)];
        r->input_tokens = (int)tree_int(t, "input_tokens", -1);
        r->output_tokens = (int)tree_int(t, "output_tokens", -1);
        r->response = text_of(t, "response");
        r->fault = text_of(t, "fault");
        for (int k = 0; r->fault && fault_keys[k]; k++)
            if (!strcmp(fault_keys[k], tree_str(t, "fault_key", ""))) r->fault_key = fault_keys[k];
        if (outputs) r->outputs = tree_copy(outputs);
    }
}

/* Texts of all ranks, each as long as the longest. */
static lmm_status spread(asking *a, const buf *mine, size_t room, char *all, const int64_t *sizes) {
    const int rank = dist_rank(a->world), count = dist_count(a->world);
    memcpy(all + room * (size_t)rank, mine->data, mine->size);
    lmm_status st = dist_share(a->world, all, room);
    for (int r = 0; r < count && !st; r++) {
        tree *list;
        if (r == rank) continue;
        st = tree_parse_json(&list, all + room * (size_t)r, (size_t)sizes[r], "answers of another rank");
        if (!st) unpack(a->run, list), tree_free(list);
    }
    return st;
}

lmm_status ranks_merge(asking *a) {
    const int count = dist_count(a->world);
    if (count == 1) return LMM_OK;
    tree *list = pack(a);
    buf mine = {0};
    tree_write_json(&mine, list, 0);
    tree_free(list);
    int64_t *sizes = mem_new((size_t)count, sizeof *sizes), room = 0;
    sizes[dist_rank(a->world)] = (int64_t)mine.size;
    lmm_status st = dist_share(a->world, sizes, sizeof *sizes);
    for (int r = 0; r < count; r++)
        if (sizes[r] > room) room = sizes[r];
    if (!st && room > INT32_MAX) st = LMM_FAIL(LMM_E_LIMIT, "the answers of one rank take %" PRId64 " bytes; 2 GiB can be shared", room);
    char *all = NULL;
    if (!st) st = mem_try((void **)&all, (size_t)room * (size_t)count, "answers of all ranks");
    if (!st) st = spread(a, &mine, (size_t)room, all, sizes);
    free(all);
    free(sizes);
    buf_free(&mine);
    return st;
}
