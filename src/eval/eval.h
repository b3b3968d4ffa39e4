/* eval.h - the evaluation laboratory: a declarative task, a runner that asks the model, rows of answers, scores, a report.
 *
 * Uses lmm.h, base/ and data/ only. Kinds of answer and metrics are closed tables (extract.c, score.c); a task that needs another kind adds a row
 * there, never code in the task. */
#ifndef LMM_EVAL_H
#define LMM_EVAL_H

#include "base/base.h"
#include "data/data.h"
#include "lmm.h"

/* ---- task (task.c): tasks/NAME.yaml ---- */

typedef struct metric metric;
typedef struct extractor extractor;
typedef struct {
    char *name, *source, *fetch; /* where the data came from; how to get it, shown when it is missing */
    int64_t version;
    char *data_path;       /* below the data folder */
    char **columns;        /* NULL-terminated, NULL when rows are objects */
    char *image;           /* pattern of the picture file below the data folder, NULL: none */
    char *prompt, *system; /* pattern of the question; system message or NULL */
    char *target;          /* column of the answer */
    char *group_by;        /* column that groups the score by its kind, NULL: none */
    int max_tokens;
    char **stop; /* NULL-terminated, may be NULL */
    int stop_count;
    const extractor *answer;
    const metric *metrics[8];
    int metric_count;
    char hash[65]; /* SHA-256 of the task file */
} eval_task;
lmm_status task_open(eval_task *out, const char *dir, const char *name);
void task_close(eval_task *t);

/* ---- extract.c: what counts as the answer in a response ---- */

struct extractor {
    const char *name;
    void (*run)(buf *out, const char *response); /* the filtered response */
};
const extractor *extractor_find(const char *name);
const char *const *extractor_names(void);

/* ---- score.c: metrics of one row, their mean and its standard error ---- */

struct metric {
    const char *name;
    double (*score)(const char *answer, const char *target);
};
const metric *metric_find(const char *name);
const char *const *metric_names(void);
double mean_of(const double *x, int n);
double mean_stderr(const double *x, int n); /* sample deviation / sqrt(n); NaN for n < 2 */

/* ---- runner.c and report.c ---- */

typedef struct {
    char *response, *answer, *input;
    int input_tokens, output_tokens;
    double score[8];
} eval_row;
typedef struct {
    const eval_task *task;
    table data;
    eval_row *rows; /* one per row of data */
    int original_count;
    double seconds;
} task_run;
lmm_status task_run_model(task_run *out, const eval_task *t, const lmm_model *m, const lmm_eval_opts *o);
void task_run_close(task_run *r);
/* The results of one task as in lmms-eval's "results": "exact_match,none", "exact_match_stderr,none". */
tree *report_task(const task_run *r);
tree *report_samples(const task_run *r, int i); /* one line of T_samples_TASK.jsonl */

#endif
