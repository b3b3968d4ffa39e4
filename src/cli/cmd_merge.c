/* cmd_merge.c - a model with an adapter as one model. */
#include <stdlib.h>

#include "cli/cli.h"

static lmm_status run(const model_args *a, const char *out) {
    if (!a->adapter || !out) return LMM_FAIL(LMM_E_ARG, "usage: lmm merge -m MODEL --adapter DIR -o OUT");
    lmm_runtime *runtime;
    lmm_model *m;
    lmm_status st = model_args_open(&runtime, &m, a);
    if (st) return st;
    st = lmm_model_save_merged(m, out);
    if (!st) printf("%s\n", out);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_merge(int argc, char **argv) {
    model_args a = {0};
    const char *out = NULL;
    const opt table[] = {model_opts(&a, "-m|--model"), {"-o|--out", OPT_STRING, &out, 0, 0, "DIR", "the merged model's folder"}, {0}};
    bool done;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm merge -m MODEL --adapter DIR -o OUT",
                              "Adds a LoRA or DoRA adapter into the weights of its model (f32).",
                              "  lmm merge -m models/base --adapter runs/lora/final -o models/tuned\n", &done);
    if (!st && !done) st = run(&a, out);
    opts_free(table);
    return st;
}
