/* cmd_data.c - published data sets and rows of evaluation tasks as LLaVA JSON, ready for `lmm train`.
 *
 * Replies of a model are cmd_data_replies.c's. easyvqa (easy-VQA 1.0): FOLDER/train/questions.json is a list of [question, answer, picture number]. captions.json says what each picture shows, as far as its
 * own answers tell ("a red circle"); questions.json holds all questions about a picture as one conversation. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct {
    VEC(int) questions;
    const char *shape, *color;
} picture;
typedef VEC(picture) picture_list;

static lmm_status check_row(const tree *row, int i) {
    bool ok = row->type == TREE_LIST && row->count == 3 && row->items[0]->type == TREE_STRING && row->items[1]->type == TREE_STRING &&
              row->items[2]->type == TREE_INT && row->items[2]->i >= 0 && row->items[2]->i < 1000000;
    return ok ? LMM_OK : LMM_FAIL(LMM_E_FORMAT, "row %d is not [question, answer, picture number]", i + 1);
}

static const char *const shapes[] = {"circle", "rectangle", "triangle", NULL};
static const char *const colors[] = {"black", "blue", "brown", "gray", "green", "red", "teal", "yellow", NULL};

/* The word of the list that stands in the text, NULL when none does. */
static const char *find_word(const char *text, const char *const *list) {
    for (; *list; list++) {
        const char *at = strstr(text, *list);
        size_t n = strlen(*list);
        if (at && (at == text || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ' || at[n] == '?')) return *list;
    }
    return NULL;
}

/* What a row says about the picture: an answer that is a shape or colour; the words of "what ..." questions, which hold; those of a yes-or-no question
 * when the answer affirms them. */
static void learn(picture *p, const char *question, const char *answer) {
    bool yes = !strcmp(answer, "yes"), no = !strcmp(answer, "no"), negated = strstr(question, " not ") || strstr(question, " no ");
    const char *said = !yes && !no ? answer : "", *asked = (yes || no) && yes == negated ? "" : question;
    const char *shape = find_word(said, shapes), *color = find_word(said, colors);
    if (!shape) shape = find_word(asked, shapes);
    if (!color) color = find_word(asked, colors);
    if (shape) p->shape = shape;
    if (color) p->color = color;
}

static lmm_status group(picture_list *out, const tree *rows) {
    if (rows->type != TREE_LIST) return LMM_FAIL(LMM_E_FORMAT, "the questions are no list");
    for (int i = 0; i < rows->count; i++) {
        lmm_status st = check_row(rows->items[i], i);
        if (st) return st;
        int number = (int)rows->items[i]->items[2]->i;
        while (out->count <= number) VEC_PUSH(out, ((picture){0}));
        VEC_PUSH(&out->at[number].questions, i);
        learn(&out->at[number], rows->items[i]->items[0]->text, rows->items[i]->items[1]->text);
    }
    return LMM_OK;
}

static void add_turn(tree *turns, const char *from, const char *value) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "from", tree_new_string(from));
    tree_put(t, "value", tree_new_string(value));
    tree_add(turns, t);
}

static tree *record(const char *kind, int number) {
    tree *r = tree_new(TREE_MAP);
    char text[64];
    snprintf(text, sizeof text, "%s-%d", kind, number);
    tree_put(r, "id", tree_new_string(text));
    snprintf(text, sizeof text, "%d.png", number);
    tree_put(r, "image", tree_new_string(text));
    tree_put(r, "conversations", tree_new(TREE_LIST));
    return r;
}

static tree *turns_of(tree *r) { return r->items[2]; }

static tree *caption_record(const picture *p, int number) {
    tree *r = record("caption", number);
    char caption[64];
    snprintf(caption, sizeof caption, "a %s %s", p->color, p->shape);
    add_turn(turns_of(r), "human", "<image>\ndescribe the image");
    add_turn(turns_of(r), "gpt", caption);
    return r;
}

/* think: what is seen stands before the answer, as GRPO's models are to write it. */
static tree *question_record(const picture *p, const tree *rows, int number, bool think) {
    tree *r = record("questions", number);
    for (int k = 0; k < p->questions.count; k++) {
        const tree *row = rows->items[p->questions.at[k]];
        char *question = mem_printf("%s%s", k ? "" : "<image>\n", row->items[0]->text);
        add_turn(turns_of(r), "human", question);
        const char *answer = row->items[1]->text;
        char *thought = mem_printf("<think>a %s %s</think><answer>%s</answer>", p->color, p->shape, answer);
        add_turn(turns_of(r), "gpt", think ? thought : answer);
        free(thought);
        free(question);
    }
    return r;
}

static lmm_status write_list(const tree *list, const char *dir, const char *before, const char *name) {
    buf b = {0};
    tree_write_json(&b, list, 1);
    char *path = mem_printf("%s/%s%s", dir, before, name);
    lmm_status st = file_write(path, b.data, b.size);
    if (!st) printf("%s: %d records\n", path, list->count);
    free(path);
    buf_free(&b);
    return st;
}

/* One split; `before` begins its files' names. */
static lmm_status easyvqa_split(const char *folder, const char *split, const char *out, const char *before) {
    char *path = mem_printf("%s/%s/questions.json", folder, split);
    tree *rows = NULL, *captions = tree_new(TREE_LIST), *questions = tree_new(TREE_LIST), *thoughts = tree_new(TREE_LIST);
    picture_list pictures = {0};
    lmm_status st = tree_load(&rows, path);
    if (!st) st = LMM_CONTEXT(group(&pictures, rows), "'%s'", path);
    for (int i = 0; i < pictures.count && !st; i++) {
        const picture *p = &pictures.at[i];
        if (p->shape && p->color) tree_add(captions, caption_record(p, i));
        if (p->questions.count) tree_add(questions, question_record(p, rows, i, false));
        if (p->questions.count && p->shape && p->color) tree_add(thoughts, question_record(p, rows, i, true));
    }
    if (!st) st = dir_make(out);
    if (!st) st = write_list(captions, out, before, "captions.json");
    if (!st) st = write_list(questions, out, before, "questions.json");
    if (!st) st = write_list(thoughts, out, before, "think.json");
    for (int i = 0; i < pictures.count; i++) free(pictures.at[i].questions.at);
    free(pictures.at);
    tree_free(captions);
    tree_free(questions);
    tree_free(thoughts);
    tree_free(rows);
    free(path);
    return st;
}

static lmm_status easyvqa(const char *folder, const char *out) {
    lmm_status st = easyvqa_split(folder, "train", out, "");
    return st ? st : easyvqa_split(folder, "test", out, "test-");
}

/* ---- rows of evaluation tasks ---- */

typedef struct {
    const char *out, *data, *include, *answer;
    double limit;
    int offset;
} data_args;

static lmm_status write_tasks(char *const *names, int count, const data_args *a) {
    char *task_dir = installed_path("tasks"), *data = a->data ? mem_strdup(a->data) : installed_path("data"), *json = NULL,
         *media = mem_printf("%s.media", a->out);
    const lmm_eval_opts o = {.tasks = (const char *const *)names,
                             .task_count = count,
                             .task_dir = task_dir,
                             .include_dir = a->include,
                             .data_dir = data,
                             .limit = a->limit > 0 ? a->limit : 0,
                             .offset = a->offset};
    lmm_status st = lmm_eval_conversations(&o, a->answer, media, &json);
    if (!st) st = file_write(a->out, json, strlen(json));
    if (!st) printf("%s\n", a->out);
    free(json);
    free(media);
    free(data);
    free(task_dir);
    return st;
}

/* ---- the command ---- */

static lmm_status run(const opt_list *words, const data_args *a) {
    const char *what = words->count ? words->at[0] : "";
    const bool easy = !strcmp(what, "easyvqa"), task = !strcmp(what, "task"), replies = !strcmp(what, "replies");
    if (!a->out || ((easy || replies) && words->count != 2) || (task && words->count < 2) || !*what)
        return LMM_FAIL(LMM_E_ARG, "usage: lmm data easyvqa FOLDER -o OUT, or lmm data task NAME... -o FILE.json, or lmm data replies FILE "
                                   "-o OUT.jsonl");
    if (easy) return easyvqa(words->at[1], a->out);
    if (replies) return data_replies(words->at[1], a->out);
    if (task) return write_tasks((char *const *)words->at + 1, words->count - 1, a);
    return LMM_FAIL(LMM_E_ARG, "unknown data set '%s' (easyvqa is known, task for rows of evaluation tasks, and replies)", what);
}

lmm_status cmd_data(int argc, char **argv) {
    data_args a = {0};
    opt_list words = {0};
    const opt table[] = {
        {"-o|--out", OPT_STRING, &a.out, 0, 0, "PATH", "folder for the JSON files; of `task`: the file"},
        {"--data", OPT_STRING, &a.data, 0, 0, "DIR", "where the tasks' data sets lie (default: data/)"},
        {"--include_path", OPT_STRING, &a.include, 0, 0, "DIR", "task files of your own, besides the published ones"},
        {"--answer", OPT_STRING, &a.answer, 0, 0, "TEMPLATE", "what is learnt as the answer (default: the task's doc_to_target)"},
        {"--limit", OPT_REAL, &a.limit, 0, 1e9, "N", "only N rows of each task; below 1: that share of them"},
        {"--offset", OPT_INT, &a.offset, 0, 2147483647, "N", "the first row (default 0)"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, &words,
                  "lmm data easyvqa FOLDER -o OUT | lmm data task NAME... -o FILE.json | lmm data replies FILE -o OUT.jsonl",
                  "Writes a published data set, or rows of evaluation tasks with exactly the prompts they will be asked with, as LLaVA "
                  "JSON; or a model's written-out problems and solutions as prompts for lmm train grpo. Pictures stay where they are "
                  "(those inside tables go to FILE.json.media).",
                  "  pip download --no-deps easy-vqa==1.0 && unzip -q easy_vqa-1.0-*.whl -d easyvqa\n  lmm data easyvqa "
                  "easyvqa/easy_vqa/data -o data/easyvqa\n  lmm data task my_task_train --include_path my_tasks --answer '<think>{{ "
                  "reasoning }}</think>{{ answer }}' -o train.json\n",
                  &done);
    if (!st && !done) st = run(&words, &a);
    opts_free(table);
    free(words.at);
    return st;
}
