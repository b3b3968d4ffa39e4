/* conversations.c - rows of tasks as training data: each question exactly as the task asks it, with its right answer, as LLaVA's conversations. */
#include <stdlib.h>

#include "eval/eval_int.h"

typedef struct {
    const lmm_eval_opts *opts;
    const char *answer, *media_dir; /* template of the answer, NULL: the task's doc_to_target */
    tree *list;
} writer;

static void add_turn(tree *turns, const char *from, char *value) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "from", tree_new_string(from));
    tree_put(t, "value", tree_new_string(value));
    tree_add(turns, t);
    free(value);
}

/* One name or a list of them; and, in front of the question, the words that stand for them. */
static lmm_status put_media(tree *record, buf *head, const visual_list *visuals, const char *dir) {
    for (int video = 0; video < 2; video++) {
        const char *kind = video ? "video" : "image";
        tree *names = tree_new(TREE_LIST);
        for (int i = 0; i < visuals->count; i++) {
            const visual *v = &visuals->at[i];
            if (v->video != video) continue;
            char *path = v->file ? mem_strdup(v->url) : visual_save(v, dir);
            if (!path) return tree_free(names), LMM_FAIL(LMM_E_IO, "cannot write a picture to '%s'", dir);
            tree_add(names, tree_new_string(path));
            buf_printf(head, "<%s>\n", kind);
            free(path);
        }
        if (names->count == 1) tree_put(record, kind, tree_copy(names->items[0]));
        else if (names->count) tree_put(record, kind, tree_copy(names));
        tree_free(names);
    }
    return LMM_OK;
}

static lmm_status add_row(writer *w, const task_run *run, int i) {
    const visual_source from = visuals_of_run(run, w->opts);
    const tree *config = run->task->config, *doc = table_row(&run->data, run->first + i);
    const char *system = tree_str(config, "system", NULL);
    tree *vars = row_vars(run->task, doc, w->opts->model), *record = tree_new(TREE_MAP), *turns = tree_new(TREE_LIST);
    char *id = mem_printf("%s-%d", run->task->name, run->first + i), *answer = NULL;
    row_prompt p;
    buf head = {0};
    tree_put(record, "id", tree_new_string(id));
    lmm_status st = row_prompt_of(&p, &from, doc, w->opts);
    if (!st) st = template_render(&answer, w->answer ? w->answer : tree_str(config, "doc_to_target", ""), vars);
    if (!st) st = put_media(record, &head, &p.visuals, w->media_dir);
    if (!st) {
        buf_puts(&head, p.question);
        if (system) add_turn(turns, "system", mem_strdup(system));
        add_turn(turns, "human", buf_take(&head));
        add_turn(turns, "gpt", answer);
        tree_put(record, "conversations", turns);
        tree_add(w->list, record);
    } else {
        free(answer);
        tree_free(turns);
        tree_free(record);
    }
    row_prompt_free(&p);
    buf_free(&head);
    free(id);
    tree_free(vars);
    return LMM_CONTEXT(st, "task '%s': row %d", run->task->name, run->first + i);
}

static lmm_status add_task(writer *w, const eval_task *t) {
    task_run run;
    lmm_status st = task_run_open(&run, t, w->opts, w->opts->limit);
    if (st) return st;
    st = transcripts_add(&run, NULL, w->opts);
    for (int i = 0; i < run.count && !st; i++) st = add_row(w, &run, i);
    task_run_close(&run);
    return st;
}

lmm_status lmm_eval_conversations(const lmm_eval_opts *o, const char *answer, const char *media_dir, char **json) {
    writer w = {.opts = o, .answer = answer, .media_dir = media_dir, .list = tree_new(TREE_LIST)};
    task_set set;
    task_list chosen = {0};
    char *names;
    lmm_status st = tasks_chosen(&chosen, &set, &names, o);
    for (int i = 0; i < chosen.count && !st; i++) st = add_task(&w, chosen.at[i]);
    free(names);
    free(chosen.at);
    task_set_close(&set);
    if (!st) {
        buf b = {0};
        tree_write_json(&b, w.list, 1);
        *json = buf_take(&b);
    }
    tree_free(w.list);
    return st;
}
