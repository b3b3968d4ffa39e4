/* common.c - what commands share: the options of a model, opening it, help. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

opt model_opts(model_args *a, const char *name) {
    const opt rows[COUNT_OF(a->rows)] = {
        {name, OPT_STRING, &a->model, 0, 0, "MODEL",
         "a checkpoint folder, or the name of an imported or pulled model (default: the embedded mini)"},
        {"--mmproj", OPT_STRING, &a->projector, 0, 0, "FILE",
         "tower and projector of a LLaVA whose -m is a GGUF file, in another one (default: the mmproj*.gguf beside it; none: text only)"},
        {"--adapter", OPT_STRING, &a->adapter, 0, 0, "DIR", "a LoRA or DoRA adapter over the model (PEFT's layout)"},
        {"-t|--threads", OPT_INT, &a->threads, 0, 1024, "N", "threads (default: all cores)"},
        {"--kernels", OPT_STRING, &a->kernels, 0, 0, "NAME", "generic, avx2 or avx512 (default: the best here; LMM_KERNELS too)"},
        {"--reference", OPT_STRING, &a->reference, 0, 0, "NAME",
         "whose preparation of pictures: hf or original (default: as the checkpoint was published)"},
        {"--products", OPT_STRING, &a->products, 0, 0, "NAME",
         "of quantised weights: fine (default), fast (8-bit activations) or exact (as f32)"},
    };
    memcpy(a->rows, rows, sizeof rows);
    return (opt){.name = "", .type = OPT_TABLE, .out = a->rows};
}

opt scaling_opt(model_args *a) {
    return (opt){"--rope-scaling",
                 OPT_STRING,
                 &a->rope_scaling,
                 0,
                 0,
                 "KIND",
                 "beyond the trained length: linear:F, dynamic:F, yarn:F or none:F; without :F from --frames"};
}

lmm_status runtime_open(lmm_runtime **runtime, const model_args *a) {
    const char *kernels = a->kernels ? a->kernels : getenv("LMM_KERNELS");
    return lmm_runtime_open(runtime, a->threads, kernels && *kernels ? kernels : NULL);
}

/* Open MPI's mpirun, and Slurm's srun with PMIx */
bool launched_by_mpi(void) { return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK"); }

/* The position of a name in a list with NULL at the end; 0 when none was given. */
static lmm_status choice(int *out, const char *option, const char *name, const char *const *names) {
    *out = 0;
    if (!name) return LMM_OK;
    buf all = {0};
    for (int i = 0; names[i]; i++) {
        if (!strcmp(name, names[i])) return buf_free(&all), *out = i, LMM_OK;
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    lmm_status st = LMM_FAIL(LMM_E_ARG, "%s: '%s' is none of %s", option, name, all.data);
    buf_free(&all);
    return st;
}

static lmm_status open_path(lmm_model **model, lmm_runtime *runtime, const char *path, const char *projector, bool text_only) {
    if (text_only) return lmm_model_open_text(model, runtime, path);
    if (projector && !strcmp(projector, "none")) return lmm_model_open(model, runtime, path);
    if (projector) return lmm_model_open_projected(model, runtime, path, projector);
    char *beside = projector_beside(path);
    if (!beside) return lmm_model_open(model, runtime, path);
    lmm_status st = lmm_model_open_projected(model, runtime, path, beside);
    if (st) st = LMM_CONTEXT(st, "with the projector beside it ('--mmproj none' opens the text model alone)");
    free(beside);
    return st;
}

static lmm_status open_with(lmm_runtime **runtime, lmm_model **model, const model_args *a, bool text_only) {
    static const char *const product_names[] =
        {[LMM_PRODUCTS_FINE] = "fine", [LMM_PRODUCTS_FAST] = "fast", [LMM_PRODUCTS_EXACT] = "exact", NULL};
    static const char *const reference_names[] =
        {[LMM_REFERENCE_PUBLISHED] = "published", [LMM_REFERENCE_HF] = "hf", [LMM_REFERENCE_ORIGINAL] = "original", NULL};
    int products, reference;
    char *path = NULL;
    lmm_status st = choice(&products, "--products", a->products, product_names);
    if (!st) st = choice(&reference, "--reference", a->reference, reference_names);
    if (!st) st = model_find(&path, a->model);
    if (!st) st = runtime_open(runtime, a);
    if (st) return free(path), st;
    st = open_path(model, *runtime, path, a->projector, text_only);
    free(path);
    if (st) return lmm_runtime_close(*runtime), st;
    lmm_model_products(*model, (lmm_products)products);
    lmm_model_reference(*model, (lmm_reference)reference);
    return LMM_OK;
}

lmm_status model_args_scale(lmm_model *model, const model_args *a, int frames) {
    return a->rope_scaling ? lmm_model_rope_scaling(model, a->rope_scaling, frames) : LMM_OK;
}

lmm_status model_args_open(lmm_runtime **runtime, lmm_model **model, const model_args *a) {
    lmm_status st = open_with(runtime, model, a, false);
    if (st || !a->adapter) return st;
    st = lmm_model_adapt(*model, a->adapter);
    if (!st) return LMM_OK;
    lmm_model_close(*model);
    lmm_runtime_close(*runtime);
    return st;
}
lmm_status model_args_open_text(lmm_runtime **runtime, lmm_model **model, const model_args *a) {
    return open_with(runtime, model, a, true);
}

lmm_status cli_parse(const opt *table, int argc, char **argv, opt_list *rest, const char *usage, const char *summary, const char *examples,
                     bool *done) {
    *done = false;
    lmm_status st = opts_parse(table, argc, argv, rest, done);
    if (st || !*done) return st;
    buf help = {0};
    opts_help(&help, usage, summary, table, examples);
    fputs(help.data, stdout);
    buf_free(&help);
    return LMM_OK;
}
