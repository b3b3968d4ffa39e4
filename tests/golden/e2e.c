/* e2e.c - whole runs of lmms-eval with scripted answers: the same answers scored by lmm_eval give the same results and samples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scoring.h"

/* The value of a flag in the command line of the reference run; free(). NULL: not given. */
static char *flag(const char *command, const char *name) {
    const char *at = strstr(command, name);
    if (!at) return NULL;
    at += strlen(name);
    at += strspn(at, " ");
    return mem_strndup(at, strcspn(at, " \n"));
}

/* The one file of a folder's folder that ends so; free(). */
static char *find_file(const char *dir, const char *end) {
    char **names, **files, *found = NULL;
    int n, m;
    if (dir_list(&names, &n, dir)) return NULL;
    for (int i = 0; i < n && !found; i++) {
        char *sub = path_join(dir, names[i]);
        if (file_is_dir(sub) && !dir_list(&files, &m, sub)) {
            for (int k = 0; k < m && !found; k++) {
                size_t size = strlen(files[k]), tail = strlen(end);
                if (size > tail && !strcmp(files[k] + size - tail, end)) found = path_join(sub, files[k]);
            }
            names_free(files, m);
        }
        free(sub);
    }
    names_free(names, n);
    return found;
}

static void check_results(scoring *s, const tree *have, const tree *want) {
    static const char *const sections[] = {"results",          "groups",   "n-samples",      "n-shot",
                                           "higher_is_better", "versions", "group_subtasks", "task_hashes"};
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        const tree *w = tree_get(want, sections[i]);
        for (int k = 0; w && k < w->count; k++)
            check_value(s, w->keys[k], tree_get(tree_get(have, sections[i]), w->keys[k]), w->items[k], false);
    }
}

static void check_samples(scoring *s, const char *ours, const char *theirs) {
    table have, want;
    if (table_open(&have, ours, NULL, 0)) {
        golden_fail(s->golden, "%s", lmm_message());
        return;
    }
    if (!table_open(&want, theirs, NULL, 0)) {
        golden_check(s->golden, have.count == want.count, "%s: %d samples, should be %d", s->file, have.count, want.count);
        for (int i = 0; i < want.count && i < have.count; i++) {
            const tree *w = table_row(&want, i);
            for (int k = 0; k < w->count; k++) /* how the scripted model counted tokens is its own affair */
                if (strcmp(w->keys[k], "token_counts"))
                    check_value(s, w->keys[k], tree_get(table_row(&have, i), w->keys[k]), w->items[k], false);
        }
        table_close(&want);
    }
    table_close(&have);
}

static void compare_run(scoring *s, const char *dir, const char *out, const char *report) {
    char *path = find_file(dir, "_results.json");
    tree *have = NULL, *want = NULL;
    if (!path || tree_load(&want, path) || tree_parse_json(&have, report, strlen(report), "report"))
        golden_fail(s->golden, "%s: %s", s->file, lmm_message());
    else {
        check_results(s, have, want);
        const tree *results = tree_get(want, "results");
        for (int i = 0; i < results->count; i++) {
            char *end = mem_printf("_samples_%s.jsonl", results->keys[i]), *theirs = find_file(dir, end), *ours = find_file(out, end);
            if (theirs && ours) check_samples(s, ours, theirs);
            else golden_check(s->golden, !theirs, "%s: no samples of %s", s->file, results->keys[i]);
            free(end);
            free(theirs);
            free(ours);
        }
    }
    tree_free(have);
    tree_free(want);
    free(path);
}

static void one_run(scoring *s, const char *set, const char *name) {
    char *dir = path_join(set, name), *cmd = path_join(dir, "cmd.txt"), *text = NULL, *report = NULL,
         *out = path_join(s->golden->scratch, name), *answers = path_join(set, "responses.jsonl"), *data = path_join(set, "tasks");
    if (!file_read(&text, NULL, cmd, 65536)) {
        char *tasks = flag(text, "--tasks"), *limit = flag(text, "--limit"), *offset = flag(text, "--offset"),
             *tags = flag(text, "--reasoning_tags"), *args = flag(text, "--model_args");
        s->file = name;
        s->line = 0;
        lmm_eval_opts o = {.tasks = (const char *const[]){tasks},
                           .task_count = 1,
                           .task_dir = LMM_TESTS "/golden/e2e",
                           .data_dir = data,
                           .answers = answers,
                           .output_dir = out,
                           .model_args = args,
                           .reasoning_tags = tags,
                           .limit = limit ? atof(limit) : 0,
                           .offset = offset ? atoi(offset) : 0,
                           .log_samples = strstr(text, "--log_samples") != NULL,
                           .quiet = true,
                           .compat = true};
        if (lmm_eval(NULL, &o, &report)) golden_fail(s->golden, "%s: %s", name, lmm_message());
        else compare_run(s, dir, out, report);
        free(tasks);
        free(limit);
        free(offset);
        free(tags);
        free(args);
    }
    free(report);
    free(text);
    free(data);
    free(answers);
    free(out);
    free(cmd);
    free(dir);
}

void golden_e2e(golden *g, const char *dir) {
    scoring s = {.golden = g};
    char **sets, **names;
    int n, m;
    if (dir_list(&sets, &n, dir)) {
        golden_fail(g, "%s", lmm_message());
        return;
    }
    for (int i = 0; i < n; i++) {
        char *set = path_join(dir, sets[i]);
        if (!dir_list(&names, &m, set)) {
            for (int k = 0; k < m; k++) {
                char *cmd = mem_printf("%s/%s/cmd.txt", set, names[k]);
                if (file_exists(cmd)) one_run(&s, set, names[k]);
                free(cmd);
            }
            names_free(names, m);
        }
        free(set);
    }
    names_free(sets, n);
}
