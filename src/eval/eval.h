/* eval.h - the evaluation laboratory: declarative tasks, a runner that asks a model (or reads answers that exist), rows of metrics, scores, a report.
 *
 * Uses lmm.h, base/, text/ (templates), data/ and dist/ only. A task file has lmms-eval's keys; where lmms-eval names Python functions it names rows of
 * closed tables instead: kinds of answer (answer_text.c, answer_judge.c), aggregations (aggregate.c, aggregate_more.c), filters (filter.c). A task
 * that needs another rule adds a row there, never code of its own. */
#ifndef LMM_EVAL_H
#define LMM_EVAL_H

#include "base/base.h"
#include "data/data.h"
#include "dist/dist.h"
#include "lmm.h"

/* ---- tasks (task.c): every YAML file below the task folders ---- */

typedef struct {
    char *name, *path;
    tree *config;  /* the file's keys over those of the files it includes; every key and every word of the closed tables is checked */
    char hash[65]; /* SHA-256 of the file and of what it includes, in order */
    bool group;    /* its `task` is a list of names */
} eval_task;
typedef struct {
    VEC(eval_task) all; /* sorted by name */
} task_set;
lmm_status task_set_open(task_set *out, const char *const *dirs, int count);
void task_set_close(task_set *s);
const eval_task *task_find(const task_set *s, const char *name);
/* Tasks of a comma-separated list of names, groups, tags and patterns with * and ?, each once, in the order of lmms-eval: the names sorted, backwards;
 * members of a group as the group lists them. Unknown names fail with the nearest. */
typedef VEC(const eval_task *) task_list;
lmm_status task_select(task_list *out, const task_set *s, const char *names);
/* The tasks that options name, of the folders they name; *names is the list as a text. Free the three in every case. */
lmm_status tasks_chosen(task_list *out, task_set *set, char **names, const lmm_eval_opts *o);
/* Whether a group was asked for by name, tag or pattern and all of its members ran. */
bool task_group_chosen(const eval_task *g, const char *names, const task_list *list);

/* ---- answers that exist (answers.c) ---- */

typedef struct answer_file answer_file;
lmm_status answers_open(answer_file **out, const char *path);
void answers_close(answer_file *a);
/* The answer of a row, NULL when there is none; counts of tokens, -1 when unknown. */
const char *answers_get(const answer_file *a, const char *task, int64_t id, int *input_tokens, int *output_tokens);

/* ---- runs (runner.c, score.c, report.c) ---- */

typedef struct archives archives;     /* zip archives of a data set (archive.c) */
typedef struct judge_desk judge_desk; /* asks a judge (desk.c) */
typedef struct eval_store eval_store; /* answers of earlier runs (store.c) */
typedef struct {
    char *response, *input;          /* as it was given; the question */
    char *unstripped;                /* after the task's filters */
    char *filtered;                  /* and without reasoning: what is scored */
    int input_tokens, output_tokens; /* -1: unknown */
    tree *outputs;                   /* of likelihood tasks: [loss, greedy] of every choice */
    tree *metrics;                   /* metric -> value; NULL for a row with a fault */
    char *fault;                     /* why it has no answer, NULL when it has one */
    const char *fault_key;           /* the kind of it, as the report counts it */
    bool by_chance, unjudged;        /* its answer was drawn, it has no verdict */
    char key[65];                    /* in the store */
} eval_row;
typedef struct {
    const eval_task *task;
    table data;
    char *home;                              /* folder of the data set: files that rows name lie below it */
    archives *zips;                          /* in it */
    eval_row *rows;                          /* one per row of data from `first` on */
    int first, count, original_count, asked; /* asked: what --limit allows, whatever the offset */
    int unanswered;                          /* rows that the file of answers lacks */
    int recalled;                            /* rows whose answer the store had */
    int untranscribed;                       /* rows whose prompt has a place for a transcript that nobody has */
    double seconds;
} task_run;
/* Reads the data and takes the rows that offset and limit leave (limit 0: all). */
lmm_status task_run_open(task_run *out, const eval_task *t, const lmm_eval_opts *o, double limit);
/* Gives the rows their column `transcript` where the task says where it is (transcript.c). store may be NULL; it keeps what a model heard. */
lmm_status transcripts_add(task_run *run, eval_store *store, const lmm_eval_opts *o);
/* Where answers come from: a file of them, else opts->chat, else a model. store may be NULL; it keeps answers under the model's fingerprint. */
typedef struct {
    const answer_file *file;
    const lmm_model *model;
    eval_store *store;
    const char *fingerprint;
    judge_desk *desk;          /* NULL: no judge */
    lmm_media_cache *pictures; /* what the model has made of pictures and videos, for all tasks; NULL: made anew */
    dist *world;               /* rows are shared out over its ranks; rank 0 scores */
    int repeat;                /* which of several answers a question */
} eval_source;
/* Fills the rows with answers and scores them. Rows that cannot be asked have a fault and no score. */
lmm_status task_run_answers(task_run *run, const eval_source *from, const lmm_eval_opts *o);
void task_run_close(task_run *r);
/* One line of T_samples_TASK.jsonl. media_dir: pictures inside the table are written there, NULL: they are not. */
tree *report_sample(const task_run *r, int i, const lmm_eval_opts *o, const char *media_dir);

/* ---- stats.c ---- */

double mean_of(const double *x, int n);
double mean_stderr(const double *x, int n); /* sample deviation / sqrt(n); NaN for n < 2 */

#endif
