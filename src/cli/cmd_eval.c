/* cmd_eval.c - benchmark tasks on a model; a table for people, JSON for programs. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct {
    model_args model;
    const char *tasks, *data, *out, *include, *answers, *model_id, *model_args, *gen_kwargs, *reasoning, *compat, *cache, *judge,
        *judge_args, *baseline, *verbosity, *transcript;
    double limit, video_fps;
    int offset, batch, seed, frames, judge_calls, repeats, fewshot;
    bool samples, json, quiet, predict_only, resume, strict, no_pictures;
} eval_args;

/* "a,b,c" cut in place. */
static void split(char *names, opt_list *out) {
    for (char *at = strtok(names, ","); at; at = strtok(NULL, ",")) {
        out->at = mem_resize(out->at, (size_t)out->count + 1, sizeof *out->at);
        out->at[out->count++] = at;
    }
}

/* "metric,filter" */
static bool is_value(const char *key) { return strchr(key, ',') && !strstr(key, "_stderr"); }

static void print_line(const char *name, const tree *map, const char *key, int64_t n) {
    char metric[128], se[256];
    snprintf(metric, sizeof metric, "%.*s", (int)strcspn(key, ","), key);
    snprintf(se, sizeof se, "%s_stderr%s", metric, strchr(key, ','));
    const tree *error = tree_get(map, se);
    const tree *value = tree_get(map, key);
    if (n >= 0) printf("| %-24s | %6d | %-18s | ", name, (int)n, metric);
    else printf("| %-24s |        | %-18s | ", name, metric);
    printf(value && value->type != TREE_NULL ? "%8.4f |" : "     N/A |", tree_real(map, key, 0));
    if (error && error->type == TREE_REAL) printf(" ± %.4f |\n", error->real);
    else printf("   N/A    |\n");
}

static void print_task(const char *name, const tree *result, int64_t n) {
    for (int k = 0; k < result->count; k++)
        if (is_value(result->keys[k])) print_line(name, result, result->keys[k], n);
    if (tree_get(result, "paired_pvalue"))
        printf("| %-24s | against %s: %+.2f to %+.2f points, p = %.3g |\n", "", tree_str(result, "paired_baseline", ""),
               tree_real(result, "paired_ci_lower", 0), tree_real(result, "paired_ci_upper", 0), tree_real(result, "paired_pvalue", 1));
    const tree *by = tree_get(result, "by");
    for (int g = 0; by && g < by->count; g++)
        for (int k = 0; k < by->items[g]->count; k++) {
            char label[64];
            snprintf(label, sizeof label, " - %s", by->keys[g]);
            if (is_value(by->items[g]->keys[k])) print_line(label, by->items[g], by->items[g]->keys[k], tree_int(by->items[g], "count", 0));
        }
}

static lmm_status print_table(const char *json) {
    tree *report;
    lmm_status st = tree_parse_json(&report, json, strlen(json), "report");
    if (st) return st;
    const tree *results = tree_get(report, "results"), *counts = tree_get(report, "n-samples");
    printf("| %-24s | %6s | %-18s | %8s | %8s |\n|--------------------------|-------:|--------------------|---------:|---------:|\n",
           "Task", "n", "Metric", "Value", "Stderr");
    for (int i = 0; i < results->count; i++)
        print_task(results->keys[i], results->items[i], tree_int(tree_get(counts, results->keys[i]), "effective", -1));
    if (tree_get(report, "total_evaluation_time_seconds")) printf("\n%.1f s\n", tree_real(report, "total_evaluation_time_seconds", 0));
    tree_free(report);
    return LMM_OK;
}

/* Rows that are missing from the scores, on stderr; with --strict they are a failure. */
static lmm_status tell_troubles(const char *json, bool strict) {
    tree *report;
    lmm_status st = tree_parse_json(&report, json, strlen(json), "report");
    if (st) return st;
    const tree *all = tree_get(report, "troubles");
    int64_t lost = 0;
    for (int i = 0; all && i < all->count; i++) {
        const tree *t = all->items[i];
        fprintf(stderr, "lmm: task '%s':", all->keys[i]);
        for (int k = 0; k < t->count; k++) {
            if (t->items[k]->type == TREE_STRING) continue;
            fprintf(stderr, "%s %s %" PRId64, k ? "," : "", t->keys[k], t->items[k]->i);
            if (strcmp(t->keys[k], "drawn_by_chance")) lost += t->items[k]->i;
        }
        const char *first = tree_str(t, "first_fault", NULL);
        fprintf(stderr, first ? "; the first: %s\n" : "\n", first);
    }
    tree_free(report);
    return strict && lost ? LMM_FAIL(LMM_E_FORMAT, "--strict: %" PRId64 " rows have no score (see \"troubles\" in the results)", lost)
                          : LMM_OK;
}

/* Python's names of levels, as lmms-eval takes them; -1: none of them. From WARNING on nothing is told but what went wrong. */
static int verbosity_index(const char *name) {
    static const char *const names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
    for (int i = 0; i < 5; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

static lmm_status check_args(const eval_args *a) {
    if (!a->tasks) return LMM_FAIL(LMM_E_ARG, "name the tasks: --tasks easyvqa");
    if (strcmp(a->compat, "lmms-eval") && strcmp(a->compat, "fixed"))
        return LMM_FAIL(LMM_E_ARG, "--compat is lmms-eval or fixed, not '%s'", a->compat);
    if (a->fewshot)
        return LMM_FAIL(LMM_E_ARG, "--num_fewshot %d: tasks are asked without examples here; leave it out or say 0", a->fewshot);
    if (verbosity_index(a->verbosity) < 0)
        return LMM_FAIL(LMM_E_ARG, "--verbosity is DEBUG, INFO, WARNING, ERROR or CRITICAL, not '%s'", a->verbosity);
    if (a->samples && !a->out) return LMM_FAIL(LMM_E_ARG, "--log_samples needs a folder: --output_path DIR");
    return LMM_OK;
}

static lmm_status run(eval_args *a) {
    eval_source_set from;
    lmm_status st = check_args(a);
    if (!st)
        st = eval_source_open(&from, &a->model,
                              &(eval_source_opts){a->model_id, a->model_args, a->judge, a->judge_args, a->answers, a->transcript,
                                                  a->frames});
    if (st) return st;
    char *names = mem_strdup(a->tasks), *task_dir = installed_path("tasks"), *data = a->data ? mem_strdup(a->data) : installed_path("data");
    opt_list list = {0};
    split(names, &list);
    char *report = NULL;
    lmm_eval_opts o = {.tasks = list.at,
                       .task_count = list.count,
                       .task_dir = task_dir,
                       .include_dir = a->include,
                       .data_dir = data,
                       .limit = a->limit > 0 ? a->limit : 0,
                       .offset = a->offset,
                       .batch = a->batch,
                       .output_dir = a->out,
                       .answers = a->answers,
                       .model = a->model_id,
                       .model_args = a->model_args,
                       .gen_kwargs = a->gen_kwargs,
                       .reasoning_tags = a->reasoning,
                       .seed = (uint64_t)a->seed,
                       .baseline = a->baseline,
                       .repeats = a->repeats,
                       .video_frames = a->frames,
                       .video_fps = a->video_fps,
                       .speech = from.speech,
                       .speech_name = a->transcript,
                       .cache_dir = a->cache,
                       .fingerprint = *from.name ? from.name : NULL,
                       .chat = from.server ? chat_ask : NULL,
                       .chat_self = from.server,
                       .judge = from.judge,
                       .judge_self = from.judge_self,
                       .judge_name = from.judge_name,
                       .judge_calls = a->judge_calls,
                       .no_picture_cache = a->no_pictures,
                       .resume = a->resume,
                       .log_samples = a->samples,
                       .predict_only = a->predict_only,
                       .quiet = a->quiet || a->json || verbosity_index(a->verbosity) > 1,
                       .compat = !strcmp(a->compat, "lmms-eval"),
                       .ranks = launched_by_mpi()};
    st = lmm_eval(from.model, &o, &report);
    if (!st && report && a->json) puts(report);
    else if (!st && report) st = print_table(report);
    if (!st && report) st = tell_troubles(report, a->strict);
    free(report);
    free(list.at);
    free(names);
    free(task_dir);
    free(data);
    eval_source_close(&from);
    return st;
}

/* ---- a run said in a file ---- */

/* "a,b" of a list, the word of a scalar; free() */
static char *word_of(const tree *v) {
    buf b = {0};
    for (int i = 0; v->type == TREE_LIST && i < v->count; i++) {
        char *one = word_of(v->items[i]);
        buf_printf(&b, "%s%s", i ? "," : "", one);
        free(one);
    }
    if (v->type == TREE_STRING) buf_puts(&b, v->text);
    else if (v->type == TREE_MAP)
        for (int i = 0; i < v->count; i++) {
            char *one = word_of(v->items[i]);
            buf_printf(&b, "%s%s=%s", i ? "," : "", v->keys[i], one);
            free(one);
        }
    else if (v->type != TREE_LIST) tree_write_json(&b, v, 0);
    return buf_take(&b);
}

/* One mapping of options as words before those of the command line, which win. */
static lmm_status run_mapping(const tree *m, int argc, char **argv) {
    char **words = mem_new((size_t)(m->count + argc) + 1, sizeof *words);
    int n = 0, made;
    for (int i = 0; m->type == TREE_MAP && i < m->count; i++) {
        const tree *v = m->items[i];
        if (v->type == TREE_NULL || (v->type == TREE_BOOL && !v->i)) continue;
        char *value = word_of(v);
        words[n++] = v->type == TREE_BOOL ? mem_printf("--%s", m->keys[i]) : mem_printf("--%s=%s", m->keys[i], value);
        free(value);
    }
    made = n;
    for (int i = 0; i < argc; i++) words[n++] = argv[i];
    lmm_status st = m->type == TREE_MAP ? cmd_eval(n, words) : LMM_FAIL(LMM_E_FORMAT, "a run is a mapping of options");
    for (int i = 0; i < made; i++) free(words[i]);
    free(words);
    return st;
}

/* `--config FILE`: one mapping of options, or a list of them, one run each. */
static lmm_status run_config(const char *path, int argc, char **argv) {
    tree *y;
    lmm_status st = tree_load(&y, path);
    if (st) return st;
    if (y->type != TREE_LIST) st = LMM_CONTEXT(run_mapping(y, argc, argv), "'%s'", path);
    for (int i = 0; y->type == TREE_LIST && i < y->count && !st; i++)
        st = LMM_CONTEXT(run_mapping(y->items[i], argc, argv), "'%s' run %d", path, i + 1);
    tree_free(y);
    return st;
}

/* The file of --config among the words, which is taken out; NULL when there is none. */
static const char *take_config(int *argc, char **argv) {
    for (int i = 0; i < *argc; i++) {
        bool joined = !strncmp(argv[i], "--config=", 9), apart = !strcmp(argv[i], "--config") && i + 1 < *argc;
        if (!joined && !apart) continue;
        const char *path = joined ? argv[i] + 9 : argv[i + 1];
        int gone = joined ? 1 : 2;
        for (int k = i; k + gone < *argc; k++) argv[k] = argv[k + gone];
        *argc -= gone;
        return path;
    }
    return NULL;
}

lmm_status cmd_eval(int argc, char **argv) {
    const command *tool = argc ? eval_tool(argv[0]) : NULL;
    if (tool) return tool->run(argc - 1, argv + 1);
    const char *config = take_config(&argc, argv), *unused = NULL;
    if (config) return run_config(config, argc, argv);
    eval_args a = {.compat = "fixed", .verbosity = "INFO"};
    const opt table[] = {
        model_opts(&a.model, "-m"),
        scaling_opt(&a.model),
        {"--config", OPT_STRING, &unused, 0, 0, "FILE",
         "these options from a YAML file (a list of mappings: one run each); the command line wins"},
        {"--tasks", OPT_STRING, &a.tasks, 0, 0, "A,B", "names of tasks (files in tasks/)"},
        {"--data", OPT_STRING, &a.data, 0, 0, "DIR", "where the data sets lie (default: data/)"},
        {"--include_path", OPT_STRING, &a.include, 0, 0, "DIR", "task files of your own, besides the published ones"},
        {"--limit", OPT_REAL, &a.limit, -1, 1e9, "N", "only N rows of each task; below 1: that share of them"},
        {"--offset", OPT_INT, &a.offset, 0, 2147483647, "N", "the first row (default 0)"},
        {"--answers", OPT_STRING, &a.answers, 0, 0, "FILE",
         "score the answers of a JSONL file (task, doc_id, responses; or samples) instead of asking a model"},
        {"--model", OPT_STRING, &a.model_id, 0, 0, "ID",
         "openai: a server, see --model_args; else whose own prompts a task should use, such as qwen3_vl"},
        {"--model_args", OPT_STRING, &a.model_args, 0, 0, "K=V,...",
         "pretrained=MODEL; of a server: model=, base_url=, concurrency=, timeout=, retries=, backoff=, api_key_env="},
        {"--judge", OPT_STRING, &a.judge, 0, 0, "WHO", "of tasks that need one: a server's address, a checkpoint, self, or none (default)"},
        {"--judge_args", OPT_STRING, &a.judge_args, 0, 0, "K=V,...", "of a judge that is a server: as --model_args"},
        {"--judge_calls", OPT_INT, &a.judge_calls, 1, 2147483647, "N", "at most so many questions to the judge"},
        {"--num_fewshot", OPT_INT, &a.fewshot, 0, 2147483647, "N", "examples before a question: 0 is all there is (default 0)"},
        {"--gen_kwargs", OPT_STRING, &a.gen_kwargs, 0, 0, "K=V,...", "over each task's: max_new_tokens, temperature, top_p, top_k"},
        {"--reasoning_tags", OPT_STRING, &a.reasoning, 0, 0, "JSON", "pairs of tags whose content is not scored; none: off"},
        {"--compat", OPT_STRING, &a.compat, 0, 0, "WAY", "lmms-eval: its faults too; fixed (default): without them"},
        {"--seed", OPT_INT, &a.seed, 0, 2147483647, "N", "of sampled answers and letters drawn by chance (default 0)"},
        {"--baseline", OPT_STRING, &a.baseline, 0, 0, "FILE", "results or samples of an earlier run: a paired test against it"},
        {"-n|--repeats", OPT_INT, &a.repeats, 1, 1000, "K", "answers to every question (drawn: see temperature), for pass@k and stability"},
        {"-x|--predict_only", OPT_FLAG, &a.predict_only, 0, 0, NULL, "answers without scores"},
        {"--frames", OPT_INT, &a.frames, 1, 100000, "N", "of every video (default: what the task says, else 8)"},
        {"--video-fps", OPT_REAL, &a.video_fps, 0.001, 1000, "X", "frames a second instead, at most --frames"},
        {"--transcript", OPT_STRING, &a.transcript, 0, 0, "WHO",
         "of tasks with transcripts: a Whisper checkpoint that hears the videos, or files (default)"},
        {"-c|--use_cache", OPT_STRING, &a.cache, 0, 0, "DIR", "take answers given before from DIR/cache.db, and keep new ones there"},
        {"--resume", OPT_FLAG, &a.resume, 0, 0, NULL, "go on with the run in --output_path, or begin one that can be gone on with"},
        {"--strict", OPT_FLAG, &a.strict, 0, 0, NULL, "fail when rows were broken, missed their picture or got no verdict"},
        {"--batch_size", OPT_INT, &a.batch, 1, 4096, "N", "questions answered together (default 8); changes no answer"},
        {"--no-picture-cache", OPT_FLAG, &a.no_pictures, 0, 0, NULL,
         "compute the picture anew for every question about it (slower; the answers are the same)"},
        {"--output_path", OPT_STRING, &a.out, 0, 0, "DIR", "write results (JSON) there"},
        {"--log_samples", OPT_FLAG, &a.samples, 0, 0, NULL, "write every answer too (JSON lines)"},
        {"--json", OPT_FLAG, &a.json, 0, 0, NULL, "print the results as JSON"},
        {"-q|--quiet", OPT_FLAG, &a.quiet, 0, 0, NULL, "no progress bar"},
        {"--verbosity", OPT_STRING, &a.verbosity, 0, 0, "LEVEL", "DEBUG, INFO (default), or WARNING, ERROR, CRITICAL: no progress bar"},
        {0},
    };
    bool done;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm eval -m MODEL --tasks A,B", "Measures a model on benchmark tasks.",
                              "  lmm eval -m models/mini --tasks easyvqa\n  lmm eval tasks|power|report|diff|delta|rescore --help\n  lmm "
                              "eval -m DIR --tasks easyvqa --limit 100 --output_path out "
                              "--log_samples\n",
                              &done);
    if (!st && !done) st = run(&a);
    opts_free(table);
    return st;
}
