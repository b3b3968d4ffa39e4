/* cmd_merge.c - one model of several: with an adapter added, or the mean of models. */
#include <stdlib.h>

#include "cli/cli.h"

static lmm_status take_mean(lmm_model *m, const opt_list *names) {
    char **paths = mem_new((size_t)names->count, sizeof *paths);
    lmm_status st = LMM_OK;
    for (int i = 0; i < names->count && !st; i++) st = model_find(&paths[i], names->at[i]);
    if (!st) st = lmm_model_mean(m, (const char *const *)paths, names->count);
    for (int i = 0; i < names->count; i++) free(paths[i]);
    free(paths);
    return st;
}

static lmm_status run(const model_args *a, const opt_list *mean, const char *out) {
    if ((!a->adapter && !mean->count) || !out)
        return LMM_FAIL(LMM_E_ARG, "usage: lmm merge -m MODEL [--adapter DIR] [--mean MODEL]... -o OUT (one of the two at least)");
    lmm_runtime *runtime;
    lmm_model *m;
    lmm_status st = model_args_open(&runtime, &m, a);
    if (st) return st;
    if (mean->count) st = take_mean(m, mean);
    if (!st) st = lmm_model_save_merged(m, out);
    if (!st) printf("%s\n", out);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_merge(int argc, char **argv) {
    model_args a = {0};
    opt_list mean = {0};
    const char *out = NULL;
    const opt table[] = {
        model_opts(&a, "-m|--model"),
        {"--mean", OPT_LIST, &mean, 0, 0, "MODEL", "weights are the mean of the model's and of this one's, of the same architecture"},
        {"-o|--out", OPT_STRING, &out, 0, 0, "DIR", "the merged model's folder"},
        {0},
    };
    bool done;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm merge -m MODEL [--adapter DIR] [--mean MODEL]... -o OUT",
                              "Adds a LoRA or DoRA adapter into the weights of its model, or takes the mean of several models (f32).",
                              "  lmm merge -m models/base --adapter runs/lora/final -o models/tuned\n"
                              "  lmm merge -m runs/mine/step-00001800 --mean runs/mine/final -o models/mean\n",
                              &done);
    if (!st && !done) st = run(&a, &mean, out);
    opts_free(table);
    return st;
}
