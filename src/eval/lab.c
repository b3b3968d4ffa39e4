/* lab.c - lmm_eval: the chosen tasks one after the other, each written as soon as it is done, then the results of all. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "eval/eval_int.h"

enum { PICTURE_BYTES = 512 << 20 }; /* of pictures that are remembered */

typedef struct {
    const lmm_model *model;
    const lmm_eval_opts *opts;
    answer_file *answers;
    eval_store *store;
    judge_desk *desk;
    lmm_media_cache *pictures;
    dist *world;
    task_set set;
    tree *report;
    char *dir, stamp[32], fingerprint[17]; /* dir NULL: no files are written; the stamp begins their names */
    double seconds, limit;
    int64_t rows, recalled; /* answers in all, and those that the store had */
} lab;

/* ---- files ---- */

static lmm_status write_file(const lab *l, const char *what, const buf *b) {
    char *name = mem_printf("%s_%s", l->stamp, what), *path = path_join(l->dir, name);
    lmm_status st = file_write(path, b->size ? b->data : "", b->size);
    free(path);
    free(name);
    return st;
}

static lmm_status write_samples(const lab *l, const task_run *r) {
    buf lines = {0};
    char *media = path_join(l->dir, "media");
    for (int i = 0; i < r->count; i++) {
        tree *t = report_sample(r, i, l->opts, media);
        tree_write_json(&lines, t, 0);
        buf_putc(&lines, '\n');
        tree_free(t);
    }
    char *what = mem_printf("samples_%s.jsonl", r->task->name);
    lmm_status st = write_file(l, what, &lines);
    free(what);
    free(media);
    buf_free(&lines);
    return st;
}

/* Results are below a folder named after the model, as lmms-eval names it. */
static lmm_status open_folder(lab *l) {
    scratch mem = {0};
    const char *args = l->opts->model_args;
    if (!l->opts->output_dir) return LMM_OK;
    const char *safe = args ? args_safe_name(&mem, args_model_name(&mem, args)) : "";
    l->dir = *safe ? path_join(l->opts->output_dir, safe) : mem_strdup(l->opts->output_dir);
    scratch_free(&mem);
    return dir_make(l->dir);
}

/* ---- the run ---- */

/* Beside what lmms-eval calls cache.db; a run to be resumed has a store of its own, which also knows when it began. */
static lmm_status open_store(lab *l) {
    const lmm_eval_opts *o = l->opts;
    if (o->resume && !l->dir) return LMM_FAIL(LMM_E_ARG, "to resume a run its folder is needed: --output_path DIR");
    if (!o->resume && !o->cache_dir) return LMM_OK;
    char *own = o->resume ? path_join(l->dir, "resume.db") : NULL, *began = NULL,
         *shared = o->cache_dir ? text_ends(o->cache_dir, ".db") ? mem_strdup(o->cache_dir) : path_join(o->cache_dir, "cache.db") : NULL;
    eval_store *run = NULL;
    lmm_status st = own ? store_open(&run, own) : LMM_OK;
    if (!st && run) st = store_word(run, "began", l->stamp, &began);
    if (!st && began) snprintf(l->stamp, sizeof l->stamp, "%s", began);
    if (!st && shared) st = store_open(&l->store, shared);
    else l->store = run, run = NULL;
    store_close(run);
    free(began);
    free(shared);
    free(own);
    return st;
}

static tree *text_or_null(const char *text) { return text ? tree_new_string(text) : tree_new(TREE_NULL); }

static void put_config(lab *l) {
    const lmm_eval_opts *o = l->opts;
    tree *c = tree_new(TREE_MAP);
    char batch[16];
    snprintf(batch, sizeof batch, "%d", o->batch > 0 ? o->batch : 8);
    tree_put(c, "model", text_or_null(o->model ? o->model : o->answers ? "answers" : "lmm"));
    tree_put(c, "model_args", tree_new_string(o->model_args ? o->model_args : ""));
    tree_put(c, "batch_size", tree_new_string(batch));
    tree_put(c, "limit", o->limit > 0 ? tree_new_real(o->limit) : tree_new(TREE_NULL));
    tree_put(c, "offset", tree_new_int(o->offset));
    if (o->video_frames > 0) tree_put(c, "frames", tree_new_int(o->video_frames));
    if (o->video_fps > 0) tree_put(c, "video_fps", tree_new_real(o->video_fps));
    if (o->speech) tree_put(c, "transcript", tree_new_string(o->speech_name));
    tree_put(c, "gen_kwargs", tree_new_string(o->gen_kwargs ? o->gen_kwargs : ""));
    tree_put(c, "random_seed", tree_new_int((int64_t)o->seed));
    tree_put(c, "compat", tree_new_string(o->compat ? "lmms-eval" : "fixed"));
    tree_put(l->report, "config", c);
}

static void put_model(lab *l) {
    const lmm_eval_opts *o = l->opts;
    scratch mem = {0};
    const char *name = o->model_args ? args_model_name(&mem, o->model_args) : "";
    tree_put(l->report, "lmm_version", tree_new_string(lmm_version()));
    if (l->model) {
        lmm_model_info info;
        lmm_model_describe(l->model, &info);
        tree_put(l->report, "architecture", tree_new_string(info.architecture));
    }
    if (*l->fingerprint) tree_put(l->report, "model_fingerprint", tree_new_string(l->fingerprint));
    tree_put(l->report, "usage", tree_new(TREE_MAP));
    tree_put(l->report, "model_source", text_or_null(o->model ? o->model : "lmm"));
    tree_put(l->report, "model_name", tree_new_string(name));
    tree_put(l->report, "model_name_sanitized", tree_new_string(args_safe_name(&mem, name)));
    scratch_free(&mem);
}

/* Rank 0's part: scores, comparisons, samples. */
static lmm_status report_task(lab *l, task_run *run) {
    lmm_status st = report_add_task(l->report, run, l->opts, l->desk);
    tree *results = st ? NULL : (tree *)tree_get(tree_get(l->report, "results"), run->task->name);
    if (!st && l->opts->baseline) st = baseline_add(results, run, l->opts);
    if (!st && l->dir && (l->opts->log_samples || l->opts->predict_only)) st = write_samples(l, run);
    return st;
}

static lmm_status run_task(lab *l, const eval_task *t) {
    task_run run = {0};
    lmm_status st = task_run_open(&run, t, l->opts, l->limit);
    if (!st) st = transcripts_add(&run, l->store, l->opts);
    st = dist_agree(l->world, st);
    if (st) return task_run_close(&run), st;
    /* Upstream turns a share of the first task's rows into a number of rows for all. */
    if (l->opts->compat && l->limit > 0 && l->limit < 1) l->limit = (double)args_sample_count(l->limit, run.original_count);
    const bool repeats = l->opts->repeats > 1 && !l->answers, first = !dist_rank(l->world);
    const eval_source from = {l->answers, l->model, l->store, l->fingerprint, l->desk, l->pictures, l->world, 0};
    tree *steadiness = tree_new(TREE_MAP);
    st = task_run_answers(&run, &from, l->opts);
    if (!st && repeats) st = repeats_run(steadiness, &run, &from, l->opts);
    if (!st && first) st = report_task(l, &run);
    tree *results = (tree *)tree_get(tree_get(l->report, "results"), t->name);
    for (int i = 0; results && i < steadiness->count; i++) tree_put(results, steadiness->keys[i], tree_copy(steadiness->items[i]));
    tree_free(steadiness);
    l->seconds += run.seconds;
    l->rows += (int64_t)run.count * (repeats ? l->opts->repeats : 1);
    l->recalled += run.recalled;
    task_run_close(&run);
    return dist_agree(l->world, st);
}

static lmm_status run_tasks(lab *l) {
    task_list list = {0};
    char *names;
    lmm_status st = dist_agree(l->world, tasks_chosen(&list, &l->set, &names, l->opts));
    for (int i = 0; i < list.count && !st; i++) st = run_task(l, list.at[i]);
    for (int i = 0; i < l->set.all.count && !st && !dist_rank(l->world); i++) {
        const eval_task *g = &l->set.all.at[i];
        if (g->group && task_group_chosen(g, names, &list)) report_add_group(l->report, g);
    }
    free(names);
    free(list.at);
    task_set_close(&l->set);
    return st;
}

static void make_stamp(char *out, size_t room) {
    time_t now = time(NULL);
    struct tm local;
    strftime(out, room, "%Y%m%d_%H%M%S", localtime_r(&now, &local));
}

/* When it was and how long it took: with --resume in a file of its own, so that the results say nothing of how they came about. */
static tree *times_of(const lab *l) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "date", tree_new_string(l->stamp));
    tree_put(t, "total_evaluation_time_seconds", tree_new_real(l->seconds));
    tree_put(t, "answers", tree_new_int(l->rows));
    tree_put(t, "answers_from_store", tree_new_int(l->recalled));
    if (l->desk) tree_put(t, "judge_calls", tree_new_int(desk_calls(l->desk)));
    return t;
}

static lmm_status write_results(lab *l, buf *json) {
    buf other = {0};
    tree *times = times_of(l);
    lmm_status st = LMM_OK;
    tree_write_json(&other, times, 2);
    for (int i = 0; !l->opts->resume && i < times->count; i++) tree_put(l->report, times->keys[i], tree_copy(times->items[i]));
    tree_write_json(json, l->report, 2);
    if (l->dir) st = write_file(l, "results.json", json);
    if (!st && l->dir && l->opts->resume) st = write_file(l, "times.json", &other);
    tree_free(times);
    buf_free(&other);
    return st;
}

/* Store, judge, answers: all that tasks need. */
static lmm_status open_lab(lab *l, const lmm_model *m) {
    const lmm_eval_opts *o = l->opts;
    lmm_status st = o->offset < 0 || o->limit < 0 ? LMM_FAIL(LMM_E_ARG, "--offset and --limit must not be negative") : open_folder(l);
    if (!st) st = open_store(l);
    if (!st && l->store && o->fingerprint) snprintf(l->fingerprint, sizeof l->fingerprint, "%s", o->fingerprint);
    else if (!st && l->store && m) lmm_model_fingerprint(m, l->fingerprint);
    if (!st && o->judge) l->desk = desk_new(o->judge, o->judge_self, o->judge_name, o->judge_calls, l->store);
    if (!st && o->answers) st = answers_open(&l->answers, o->answers);
    if (!st && m && !o->no_picture_cache) st = lmm_media_cache_new(&l->pictures, PICTURE_BYTES);
    return dist_agree(l->world, st);
}

static lmm_status close_report(lab *l, buf *json) {
    if (dist_rank(l->world)) return LMM_OK;
    put_config(l);
    put_model(l);
    if (l->desk) tree_put(l->report, "judge", desk_report(l->desk));
    return write_results(l, json);
}

lmm_status lmm_eval(const lmm_model *m, const lmm_eval_opts *o, char **out) {
    lab l = {.model = m, .opts = o, .report = tree_new(TREE_MAP), .limit = o->limit};
    buf json = {0};
    make_stamp(l.stamp, sizeof l.stamp);
    lmm_status st = dist_open(&l.world, o->ranks);
    if (!st) st = open_lab(&l, m);
    if (!st) st = run_tasks(&l);
    if (!st) st = dist_agree(l.world, close_report(&l, &json));
    answers_close(l.answers);
    lmm_media_cache_free(l.pictures);
    desk_free(l.desk);
    store_close(l.store);
    tree_free(l.report);
    free(l.dir);
    *out = NULL;
    if (st) buf_free(&json);
    else if (!dist_rank(l.world)) *out = buf_take(&json);
    dist_close(l.world);
    return st;
}
