/* cmd_plot.c - curves of training runs, side by side. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "data/data.h"
#include "plot/plot.h"

typedef struct {
    double *x, *y;
    int count;
} series;

/* The exponential mean that TensorBoard draws: unbiased at the start. */
static void smooth(series *s, double weight) {
    double mean = 0, sum = 0;
    for (int i = 0; i < s->count; i++) {
        if (!isfinite(s->y[i])) continue;
        mean = mean * weight + s->y[i] * (1 - weight);
        sum = sum * weight + (1 - weight);
        s->y[i] = mean / sum;
    }
}

static void unknown_key(const tree *row, const char *path, const char *key) {
    const char **known = mem_new((size_t)row->count + 1, sizeof *known);
    for (int i = 0; i < row->count; i++) known[i] = row->keys[i];
    const char *near = nearest_word(key, known);
    buf all = {0};
    for (int i = 0; i < row->count; i++) buf_printf(&all, "%s%s", i ? ", " : "", row->keys[i]);
    LMM_FAIL(LMM_E_ARG, "'%s' has no '%s'%s%s%s; it has %s", path, key, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "",
             all.data ? all.data : "nothing");
    buf_free(&all);
    free(known);
}

typedef struct {
    const char *out, *key, *over;
    double weight;
    bool log_y;
} settings;

/* Of a metrics.jsonl, or of the one in a run's folder. Steps that a resumed run wrote again count once, the last time. */
static lmm_status read_series(series *out, const char *run, const settings *o) {
    char *path = file_is_dir(run) ? path_join(run, "metrics.jsonl") : mem_strdup(run);
    table t;
    lmm_status st = table_open(&t, path, NULL, 0);
    series s = {0};
    if (!st) {
        s.x = mem_new((size_t)t.count + 1, sizeof *s.x);
        s.y = mem_new((size_t)t.count + 1, sizeof *s.y);
        for (int i = 0; i < t.count; i++) {
            const tree *row = table_row(&t, i);
            double step = tree_real(row, o->over, NAN), value = tree_real(row, o->key, NAN);
            if (isnan(step) || isnan(value)) continue;
            while (s.count && s.x[s.count - 1] >= step) s.count--;
            s.x[s.count] = step;
            s.y[s.count++] = value;
        }
        if (!s.count && t.count)
            unknown_key(table_row(&t, 0), path, tree_get(table_row(&t, 0), o->over) ? o->key : o->over), st = LMM_E_ARG;
        else if (!s.count) st = LMM_FAIL(LMM_E_FORMAT, "'%s' has no rows yet", path);
        table_close(&t);
    }
    free(path);
    if (st) return free(s.x), free(s.y), st;
    smooth(&s, o->weight);
    return *out = s, LMM_OK;
}

static lmm_status draw(const opt_list *runs, const settings *o) {
    series *all = mem_new((size_t)runs->count, sizeof *all);
    plot_curve *curves = mem_new((size_t)runs->count, sizeof *curves);
    lmm_status st = LMM_OK;
    for (int i = 0; i < runs->count && !st; i++) {
        st = read_series(&all[i], runs->at[i], o);
        curves[i] = (plot_curve){.name = runs->at[i], .x = all[i].x, .y = all[i].y, .count = all[i].count};
    }
    if (!st) {
        buf svg = {0};
        plot_curves(&svg, &(plot_frame){.title = o->key, .x_label = o->over, .log_y = o->log_y}, curves, runs->count);
        st = file_write(o->out, svg.data, svg.size);
        if (!st) printf("%s\n", o->out);
        buf_free(&svg);
    }
    for (int i = 0; i < runs->count; i++) {
        free(all[i].x);
        free(all[i].y);
    }
    free(curves);
    free(all);
    return st;
}

lmm_status cmd_plot(int argc, char **argv) {
    settings o = {.out = "plot.svg", .key = "loss", .over = "step", .weight = 0.6};
    bool done;
    opt_list runs = {0};
    const opt options[] = {
        {"-o|--out", OPT_STRING, &o.out, 0, 0, "FILE", "the SVG file (default plot.svg)"},
        {"-k|--key", OPT_STRING, &o.key, 0, 0, "NAME", "what to draw (default loss): lr, grad_norm, tokens_per_s, ..."},
        {"--over", OPT_STRING, &o.over, 0, 0, "NAME", "what to draw it over (default step)"},
        {"--smooth", OPT_REAL, &o.weight, 0, 0.9999, "W", "weight of the past in a running mean (default 0.6; 0: as measured)"},
        {"--log", OPT_FLAG, &o.log_y, 0, 0, NULL, "logarithmic scale"},
        {0},
    };
    lmm_status st = cli_parse(options, argc, argv, &runs, "lmm plot RUN... [-k NAME] [-o FILE.svg]",
                              "Draws the curves of training runs into one figure.",
                              "  lmm plot runs/mini\n  lmm plot runs/a runs/b -k grad_norm --log -o grad.svg\n", &done);
    if (!st && !done) st = runs.count ? draw(&runs, &o) : LMM_FAIL(LMM_E_ARG, "name at least one run's folder or metrics.jsonl");
    opts_free(options);
    free(runs.at);
    return st;
}
