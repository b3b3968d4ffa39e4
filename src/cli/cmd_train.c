/* cmd_train.c - training from a recipe. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void print_plan(const lmm_training_plan *p) {
    const double GB = 1e9, all = p->weight_bytes + p->grad_bytes + p->optimizer_bytes + p->activation_bytes;
    printf("samples      %12" PRId64 " (%" PRId64 " skipped), %" PRId64 " steps\n", p->samples, p->skipped, p->steps);
    printf("parameters   %12" PRId64 ", %" PRId64 " of them trained\n", p->params, p->params_trained);
    printf("memory       %12.3f GB = weights %.3f + gradients %.3f + optimizer %.3f + activations %.3f\n", all / GB, p->weight_bytes / GB,
           p->grad_bytes / GB, p->optimizer_bytes / GB, p->activation_bytes / GB);
    printf("a step       %12.0f tokens, %.3f TFLOP in %s (mean of the first %d; activations are their largest micro batch)\n",
           p->tokens_step, p->flops_step / 1e12, p->precision, p->steps_measured);
    printf("the run      %12.1f TFLOP\n", p->flops_step * (double)p->steps / 1e12);
}

static void print_plan_json(const lmm_training_plan *p) {
    printf("{\"samples\": %" PRId64 ", \"skipped\": %" PRId64 ", \"steps\": %" PRId64 ", \"params\": %" PRId64
           ", \"params_trained\": %" PRId64
           ", \"weight_bytes\": %.0f, \"grad_bytes\": %.0f, \"optimizer_bytes\": %.0f, \"activation_bytes\": %.0f, \"tokens_step\": %.1f, "
           "\"flops_step\": %.6g, \"precision\": \"%s\"}\n",
           p->samples, p->skipped, p->steps, p->params, p->params_trained, p->weight_bytes, p->grad_bytes, p->optimizer_bytes,
           p->activation_bytes, p->tokens_step, p->flops_step, p->precision);
}

static lmm_status plan(const model_args *a, const char *recipe, const opt_list *overrides, const lmm_train_opts *o, bool json) {
    lmm_runtime *runtime;
    lmm_training_plan p;
    if (!recipe) return LMM_FAIL(LMM_E_ARG, "give the recipe with -c FILE.yaml");
    lmm_status st = runtime_open(&runtime, a);
    if (st) return st;
    st = lmm_train_plan(runtime, recipe, overrides->at, overrides->count, o, &p);
    if (!st && json) print_plan_json(&p);
    else if (!st) print_plan(&p);
    lmm_runtime_close(runtime);
    return st;
}

static lmm_status run(const model_args *a, const char *recipe, const opt_list *overrides, const lmm_train_opts *o) {
    lmm_runtime *runtime;
    if (!recipe) return LMM_FAIL(LMM_E_ARG, "give the recipe with -c FILE.yaml");
    lmm_status st = runtime_open(&runtime, a);
    if (st) return st;
    lmm_train_opts opts = *o;
    opts.ranks = launched_by_mpi();
    st = lmm_train(runtime, recipe, overrides->at, overrides->count, &opts);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_train(int argc, char **argv) {
    model_args a = {0};
    lmm_train_opts o = {0};
    const char *recipe = NULL, *compat = NULL;
    bool plan_only = false, json = false;
    opt_list words = {0};
    const opt table[] = {
        {"-c|--config", OPT_STRING, &recipe, 0, 0, "FILE", "the recipe (YAML)"},
        {"--fresh", OPT_FLAG, &o.fresh, 0, 0, NULL, "start over instead of resuming"},
        {"--compat", OPT_STRING, &compat, 0, 0, "WAY", "r1mm: grpo with open-r1-multimodal's prompt and rewards (grpo.compat)"},
        {"--plan", OPT_FLAG, &plan_only, 0, 0, NULL, "print the memory and FLOPs a run needs, and do not train"},
        {"--json", OPT_FLAG, &json, 0, 0, NULL, "the plan as JSON"},
        {"-q|--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress bar"},
        {"-t|--threads", OPT_INT, &a.threads, 0, 1024, "N", "threads (default: all cores); changes no result"},
        {"--kernels", OPT_STRING, &a.kernels, 0, 0, "NAME", "generic, avx2 or avx512"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, &words, "lmm train sft|dpo|grpo -c RECIPE.yaml [KEY=VALUE]...",
                  "Trains a model; the same command resumes a stopped run. Data: LLaVA's JSON, JSONL or Parquet, of any size "
                  "(docs/training.md).",
                  "  lmm train sft -c configs/mini-v0/1-captions.yaml\n  lmm train sft -c my.yaml optimizer.lr=2e-5 epochs=3\n", &done);
    if (!st && !done) {
        if (!words.count || strchr(words.at[0], '='))
            st = LMM_FAIL(LMM_E_ARG, "name the algorithm first: lmm train sft|dpo|grpo -c RECIPE.yaml");
        else {
            const char **all = mem_new((size_t)words.count, sizeof *all);
            opt_list overrides = {all, 0};
            char *way = compat ? mem_printf("grpo.compat=%s", compat) : NULL;
            if (way) all[overrides.count++] = way;
            for (int i = 1; i < words.count; i++) all[overrides.count++] = words.at[i];
            o.algorithm = words.at[0];
            st = plan_only ? plan(&a, recipe, &overrides, &o, json) : run(&a, recipe, &overrides, &o);
            free(way);
            free(all);
        }
    }
    opts_free(table);
    free(words.at);
    return st;
}
