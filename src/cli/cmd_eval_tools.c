/* cmd_eval_tools.c - `lmm eval tasks|models|power|report|diff|delta|rescore`: what one asks before and after a run. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* ---- tasks ---- */

static void print_task(const tree *t) {
    const tree *parts = tree_get(t, strcmp(tree_str(t, "kind", ""), "group") ? "metrics" : "tasks");
    printf("| %-38s | %-5s | %-16s | ", tree_str(t, "name", ""), tree_str(t, "kind", ""), tree_str(t, "answer", ""));
    for (int i = 0; i < parts->count && i < 3; i++) printf("%s%s", i ? ", " : "", parts->items[i]->text);
    printf(parts->count > 3 ? ", ... (%d) |\n" : " |\n", parts->count);
}

static lmm_status list_tasks(const char *include, bool json, const char *only) {
    char *dir = installed_path("tasks"), *text;
    const char *const dirs[] = {dir, include};
    tree *list;
    lmm_status st = lmm_eval_tasks(dirs, include ? 2 : 1, &text);
    free(dir);
    if (st) return st;
    if (json) puts(text);
    else if (!(st = tree_parse_json(&list, text, strlen(text), "tasks"))) {
        printf("| %-38s | %-5s | %-16s | metrics or members\n|%s|\n", "name", "kind", "answer",
               "----------------------------------------|-------|------------------|---");
        for (int i = 0; i < list->count; i++)
            if (!only || strstr(tree_str(list->items[i], "name", ""), only)) print_task(list->items[i]);
        tree_free(list);
    }
    free(text);
    return st;
}

static lmm_status import_task(const char *path, const char *out) {
    char *yaml;
    lmm_status st = lmm_eval_import(path, &yaml);
    if (st) return st;
    if (out) st = file_write(out, yaml, strlen(yaml));
    else fputs(yaml, stdout);
    free(yaml);
    return st;
}

static lmm_status cmd_tasks(int argc, char **argv) {
    const char *include = NULL, *out = NULL;
    bool json = false, done;
    opt_list rest = {0};
    const opt table[] = {
        {"--include_path", OPT_STRING, &include, 0, 0, "DIR", "task files of your own too"},
        {"-o|--output", OPT_STRING, &out, 0, 0, "FILE", "where `import` writes (default: stdout)"},
        {"--json", OPT_FLAG, &json, 0, 0, NULL, "as JSON"},
        {0},
    };
    lmm_status st = cli_parse(table, argc, argv, &rest, "lmm eval tasks [WORD] | lmm eval tasks import FILE.yaml",
                              "Lists tasks and groups, or translates a task file of lmms-eval.",
                              "  lmm eval tasks mmmu\n  lmm eval tasks import chartqa.yaml -o tasks/chartqa.yaml\n", &done);
    if (!st && !done) {
        bool import = rest.count && !strcmp(rest.at[0], "import");
        if (import && rest.count != 2) st = LMM_FAIL(LMM_E_ARG, "name one file: lmm eval tasks import FILE.yaml");
        else st = import ? import_task(rest.at[1], out) : list_tasks(include, json, rest.count ? rest.at[0] : NULL);
    }
    free(rest.at);
    return st;
}

/* ---- models ---- */

static void print_family(const tree *t) {
    static const char *const senses[] = {"pictures", "videos", "sounds"};
    const tree *classes = tree_get(t, "classes");
    buf takes = {0}, names = {0};
    buf_puts(&takes, "text");
    for (size_t i = 0; i < COUNT_OF(senses); i++)
        if (tree_bool(t, senses[i], false)) buf_printf(&takes, ", %s", senses[i]);
    for (int i = 0; i < classes->count; i++) buf_printf(&names, "%s%s", i ? ", " : "", classes->items[i]->text);
    printf("| %-16s | %-30s | %s |\n", tree_str(t, "family", ""), takes.data, names.data);
    buf_free(&takes);
    buf_free(&names);
}

static void print_models(const tree *families) {
    char **names = model_names();
    printf("Of this engine (-m DIR, FILE.gguf, ORG/NAME of the hub, or a name):\n\n| %-16s | %-30s | classes of config.json |\n|%s|\n",
           "family", "takes", "------------------|--------------------------------|---");
    for (int i = 0; i < families->count; i++)
        if (tree_bool(families->items[i], "answers", false)) print_family(families->items[i]);
    printf("\nBy name here:");
    for (int i = 0; names[i]; i++) {
        bool again = false;
        for (int k = 0; k < i && !again; k++) again = !strcmp(names[k], names[i]);
        if (!again) printf("%s %s", i ? "," : "", names[i]);
    }
    for (int i = 0; names[i]; i++) free(names[i]);
    free(names);
    puts("\n\nOthers: --model openai --model_args model=NAME,base_url=URL (any server with OpenAI's interface); --answers FILE.jsonl "
         "(answers that exist).");
}

static lmm_status cmd_models(int argc, char **argv) {
    bool json = false, done;
    const opt table[] = {{"--json", OPT_FLAG, &json, 0, 0, NULL, "the families as JSON"}, {0}};
    char *text;
    tree *families;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm eval models",
                              "What can be measured: this engine's families, servers, answers that exist.", "  lmm eval models\n", &done);
    if (st || done || (st = lmm_model_families(&text))) return st;
    if (json) puts(text);
    else if (!(st = tree_parse_json(&families, text, strlen(text), "families"))) {
        print_models(families);
        tree_free(families);
    }
    free(text);
    return st;
}

/* ---- power ---- */

static lmm_status cmd_power(int argc, char **argv) {
    lmm_power_opts o = {.correlation = 0.5};
    int rows = 0;
    bool done;
    const opt table[] = {
        {"--effect-size", OPT_REAL, &o.effect_size, 0, 1, "X", "the difference to be seen (default 0.03)"},
        {"--alpha", OPT_REAL, &o.alpha, 0, 1, "X", "chance of seeing one that is not there (default 0.05)"},
        {"--power", OPT_REAL, &o.power, 0, 1, "X", "chance of seeing one that is (default 0.8)"},
        {"--correlation", OPT_REAL, &o.correlation, -1, 1, "X", "of the two models' scores on a row"},
        {"--std-a", OPT_REAL, &o.std_a, 0, 1000, "X", "deviation of the first model's scores (default 0.5)"},
        {"--std-b", OPT_REAL, &o.std_b, 0, 1000, "X", "of the second's"},
        {"-n|--rows", OPT_INT, &rows, 0, 2147483647, "N", "what this many rows can show"},
        {0},
    };
    char *json;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm eval power [OPTIONS]", "How many rows a difference between two models needs.",
                              "  lmm eval power --effect-size 0.02 --rows 900\n", &done);
    o.rows = rows;
    if (!st && !done && !(st = lmm_eval_power(&o, &json))) {
        puts(json);
        free(json);
    }
    return st;
}

/* ---- finished runs ---- */

/* The name's ending says what is written: .md and .csv are tables of scores, all else is a page. */
static lmm_status write_report(const char *results, const char *other, const char *out) {
    char *text = NULL,
         *path = out ? mem_strdup(out) : mem_printf("%.*s.html", (int)(strlen(results) - (text_ends(results, ".json") ? 5 : 0)), results);
    lmm_status st = text_ends(path, ".md") || text_ends(path, ".csv") ? lmm_eval_table(results, text_ends(path, ".csv"), &text)
                                                                      : lmm_eval_page(results, other, &text);
    if (!st) st = file_write(path, text, strlen(text));
    if (!st) printf("%s\n", path);
    free(path);
    free(text);
    return st;
}

static lmm_status cmd_report(int argc, char **argv) {
    const char *out = NULL, *other = NULL;
    bool done;
    opt_list rest = {0};
    const opt table[] = {
        {"-o|--output", OPT_STRING, &out, 0, 0, "FILE",
         "the page (default: beside the results); FILE.md and FILE.csv are tables of the scores"},
        {"--against", OPT_STRING, &other, 0, 0, "RESULTS",
         "another run's results to compare with; for Video-MMMU the run before the lectures"},
        {0},
    };
    lmm_status st =
        cli_parse(table, argc, argv, &rest, "lmm eval report RESULTS.json",
                  "One HTML page of a run: scores, intervals, every sample; or a table of its scores.",
                  "  lmm eval report out/20260101_120000_results.json\n  lmm eval report out/20260101_120000_results.json -o scores.csv\n",
                  &done);
    if (!st && !done && rest.count != 1) st = LMM_FAIL(LMM_E_ARG, "name one file of results: lmm eval report out/..._results.json");
    if (!st && !done) st = write_report(rest.at[0], other, out);
    free(rest.at);
    return st;
}

static void print_diff(const tree *t) {
    printf("| %-24s | %-22s | %9s | %9s | %9s | samples\n|%s|\n", "task", "metric", "first", "second", "change",
           "--------------------------|------------------------|----------:|----------:|----------:|---");
    for (int i = 0; i < t->count; i++) {
        const tree *metrics = tree_get(t->items[i], "metrics"), *s = tree_get(t->items[i], "samples");
        for (int k = 0; k < metrics->count; k++) {
            const tree *m = metrics->items[k];
            printf("| %-24s | %-22.*s | %9.4f | %9.4f | %+9.4f | ", t->keys[i], (int)strcspn(metrics->keys[k], ","), metrics->keys[k],
                   tree_real(m, "first", 0), tree_real(m, "second", 0), tree_real(m, "difference", 0));
            if (s) printf("%d better, %d worse, p = %.3g", tree_get(s, "better")->count, tree_get(s, "worse")->count, tree_real(s, "p", 1));
            printf("\n");
        }
    }
}

static lmm_status cmd_diff(int argc, char **argv) {
    bool json = false, done;
    opt_list rest = {0};
    const opt table[] = {{"--json", OPT_FLAG, &json, 0, 0, NULL, "as JSON, with the rows that changed"}, {0}};
    char *text;
    tree *t;
    lmm_status st =
        cli_parse(table, argc, argv, &rest, "lmm eval diff FIRST_results.json SECOND_results.json",
                  "Two runs side by side, with a paired test.", "  lmm eval diff a/..._results.json b/..._results.json\n", &done);
    if (!st && !done && rest.count != 2) st = LMM_FAIL(LMM_E_ARG, "name two files of results");
    if (!st && !done && !(st = lmm_eval_diff(rest.at[0], rest.at[1], &text))) {
        if (json) puts(text);
        else if (!(st = tree_parse_json(&t, text, strlen(text), "diff"))) {
            print_diff(t);
            tree_free(t);
        }
        free(text);
    }
    free(rest.at);
    return st;
}

static lmm_status cmd_delta(int argc, char **argv) {
    const char *before = NULL, *after = NULL;
    bool compat = false, done;
    const opt table[] = {
        {"--before", OPT_STRING, &before, 0, 0, "SAMPLES", "samples of video_mmmu_adaptation_question_only"},
        {"--after", OPT_STRING, &after, 0, 0, "SAMPLES", "samples of video_mmmu_adaptation"},
        {"--compat", OPT_FLAG, &compat, 0, 0, NULL, "judge as the benchmark's own scripts do"},
        {0},
    };
    char *json;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm eval delta --before SAMPLES --after SAMPLES",
                              "Video-MMMU's gain of knowledge between two runs.",
                              "  lmm eval delta --before out/..._question_only.jsonl --after out/..._adaptation.jsonl\n", &done);
    if (!st && !done && (!before || !after)) st = LMM_FAIL(LMM_E_ARG, "give both: --before and --after");
    if (!st && !done && !(st = lmm_eval_delta(before, after, compat, &json))) {
        puts(json);
        free(json);
    }
    return st;
}

/* `lmm eval rescore --tasks T SAMPLES` is `lmm eval --answers SAMPLES --tasks T`. */
static lmm_status cmd_rescore(int argc, char **argv) {
    char **words = mem_new((size_t)argc + 2, sizeof *words), answers[] = "--answers";
    int n = 0, files = 0;
    for (int i = 0; i < argc; i++) {
        size_t size = strlen(argv[i]);
        bool value = i && argv[i - 1][0] == '-' && !strchr(argv[i - 1], '='),
             file = !value && size > 6 && !strcmp(argv[i] + size - 6, ".jsonl");
        if (file && files++ == 0) words[n++] = answers;
        words[n++] = argv[i];
    }
    lmm_status st = files == 1 ? cmd_eval(n, words)
                               : LMM_FAIL(LMM_E_ARG, "name one file of samples: lmm eval rescore --tasks mme out/..._samples_mme.jsonl");
    free(words);
    return st;
}

static const command tools[] = {
    {"tasks", "tasks there are; import lmms-eval's", cmd_tasks},
    {"models", "models that can be measured", cmd_models},
    {"power", "rows that a difference needs", cmd_power},
    {"report", "an HTML page of a run", cmd_report},
    {"diff", "two runs compared", cmd_diff},
    {"delta", "Video-MMMU's gain of knowledge", cmd_delta},
    {"rescore", "score the samples of a run again", cmd_rescore},
};

const command *eval_tool(const char *name) {
    for (size_t i = 0; i < COUNT_OF(tools); i++)
        if (!strcmp(tools[i].name, name)) return &tools[i];
    return NULL;
}
