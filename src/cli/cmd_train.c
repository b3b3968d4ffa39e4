/* cmd_train.c - training from a recipe. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static lmm_status run(const model_args *a, const char *recipe, const opt_list *overrides, const lmm_train_opts *o) {
    lmm_runtime *runtime;
    if (!recipe) return LMM_FAIL(LMM_E_ARG, "give the recipe with -c FILE.yaml");
    lmm_status st = runtime_open(&runtime, a);
    if (st) return st;
    /* Open MPI's mpirun, and Slurm's srun with PMIx */
    lmm_train_opts opts = *o;
    opts.ranks = getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK");
    st = lmm_train(runtime, recipe, overrides->at, overrides->count, &opts);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_train(int argc, char **argv) {
    model_args a = {0};
    lmm_train_opts o = {0};
    const char *recipe = NULL;
    opt_list words = {0};
    const opt table[] = {
        {"-c|--config", OPT_STRING, &recipe, 0, 0, "FILE", "the recipe (YAML)"},
        {"--fresh", OPT_FLAG, &o.fresh, 0, 0, NULL, "start over instead of resuming"},
        {"-q|--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress bar"},
        {"-t|--threads", OPT_INT, &a.threads, 0, 1024, "N", "threads (default: all cores); changes no result"},
        {"--kernels", OPT_STRING, &a.kernels, 0, 0, "NAME", "generic, avx2 or avx512"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, &words, "lmm train sft -c RECIPE.yaml [KEY=VALUE]...",
                  "Trains a model; the same command resumes a stopped run.",
                  "  lmm train sft -c configs/mini/1-captions.yaml\n  lmm train sft -c my.yaml optimizer.lr=2e-5 epochs=3\n", &done);
    if (!st && !done) {
        if (!words.count || strcmp(words.at[0], "sft")) st = LMM_FAIL(LMM_E_ARG, "name the algorithm first: lmm train sft -c RECIPE.yaml");
        else {
            opt_list overrides = {words.at + 1, words.count - 1};
            st = run(&a, recipe, &overrides, &o);
        }
    }
    opts_free(table);
    free(words.at);
    return st;
}
