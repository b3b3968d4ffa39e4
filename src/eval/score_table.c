/* score_table.c - the scores of a finished run as a table: Markdown for a text, CSV for a sheet. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/eval_int.h"

typedef struct {
    const char *task, *metric, *filter;
    int64_t n;
    double value, error; /* NAN: there is none */
} score_line;

static void put_cell(buf *b, const char *text, bool csv) {
    if (!csv) buf_printf(b, "| %s ", text);
    else if (strpbrk(text, ",\"\n")) {
        buf_putc(b, '"');
        for (; *text; text++) buf_printf(b, *text == '"' ? "\"\"" : "%c", *text);
        buf_puts(b, "\",");
    } else buf_printf(b, "%s,", text);
}

static void put_line(buf *b, const score_line *s, bool csv) {
    put_cell(b, s->task, csv);
    char n[24] = "";
    if (s->n >= 0) snprintf(n, sizeof n, "%" PRId64, s->n); /* a group has none of its own */
    put_cell(b, n, csv);
    put_cell(b, s->metric, csv);
    put_cell(b, s->filter, csv);
    if (csv) {
        if (!isnan(s->value)) buf_printf(b, "%.17g", s->value);
        buf_putc(b, ',');
        if (!isnan(s->error)) buf_printf(b, "%.17g", s->error);
    } else {
        buf_printf(b, isnan(s->value) ? "| N/A " : "| %.4f ", s->value);
        buf_printf(b, isnan(s->error) ? "| |" : "| ± %.4f |", s->error);
    }
    buf_putc(b, '\n');
}

/* "metric,filter": value, with "metric_stderr,filter" beside it. */
static void put_task(buf *b, const char *task, const tree *scores, int64_t n, bool csv) {
    for (int k = 0; k < scores->count; k++) {
        const char *key = scores->keys[k], *comma = strchr(key, ',');
        if (!comma || strstr(key, "_stderr")) continue;
        char *metric = mem_strndup(key, (size_t)(comma - key)), *error = mem_printf("%s_stderr%s", metric, comma);
        put_line(b, &(score_line){task, metric, comma + 1, n, py_value(scores->items[k], NAN), py_value(tree_get(scores, error), NAN)},
                 csv);
        free(error);
        free(metric);
    }
}

lmm_status lmm_eval_table(const char *results, bool csv, char **text) {
    tree *run;
    buf b = {0};
    lmm_status st = run_results(&run, results);
    if (st) return st;
    const tree *tasks = tree_get(run, "results"), *counts = tree_get(run, "n-samples");
    buf_puts(&b, csv ? "task,n,metric,filter,value,stderr\n"
                     : "| task | n | metric | filter | value | error |\n|---|---:|---|---|---:|---:|\n");
    for (int i = 0; i < tasks->count; i++)
        put_task(&b, tasks->keys[i], tasks->items[i], tree_int(tree_get(counts, tasks->keys[i]), "effective", -1), csv);
    tree_free(run);
    return *text = buf_take(&b), LMM_OK;
}
