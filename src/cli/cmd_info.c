/* cmd_info.c - what a checkpoint is and what it needs. */
#include <stdlib.h>

#include "cli/cli.h"

static void print_text(const lmm_model_info *i, const char *path, size_t memory, int context) {
    printf("%s\n", path);
    printf("  architecture     %s\n", i->architecture);
    printf("  parameters       %.3f M\n", (double)i->parameter_count / 1e6);
    printf("  weights          %.1f MB\n", (double)i->weight_bytes / 1e6);
    if (i->context)
        printf("  decoder          %d layers, width %d, vocabulary %d, context %d\n", i->layer_count, i->hidden, i->vocab, i->context);
    if (i->rows_per_image) printf("  tokens a picture %d at most\n", i->rows_per_image);
    if (i->kv_bytes_per_token) printf("  KV cache         %zu bytes a token\n", i->kv_bytes_per_token);
    if (context)
        printf("  memory           %.1f MB for a context of %d (activations and KV cache, measured)\n", (double)memory / 1e6, context);
}

static void print_json(const lmm_model_info *i, const char *path, size_t memory, int context) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "path", tree_new_string(path));
    tree_put(t, "architecture", tree_new_string(i->architecture));
    const struct {
        const char *key;
        int64_t value;
    } row[] = {
        {"parameters", i->parameter_count},
        {"weight_bytes", (int64_t)i->weight_bytes},
        {"layers", i->layer_count},
        {"hidden", i->hidden},
        {"vocab", i->vocab},
        {"context", i->context},
        {"tokens_per_image", i->rows_per_image},
        {"kv_bytes_per_token", (int64_t)i->kv_bytes_per_token},
        {"memory_context", context},
        {"memory_bytes", (int64_t)memory},
    };
    for (size_t k = 0; k < COUNT_OF(row); k++) tree_put(t, row[k].key, tree_new_int(row[k].value));
    char *json = tree_take_json(t);
    puts(json);
    free(json);
}

static lmm_status run(const model_args *a, int context, bool json) {
    lmm_runtime *runtime;
    lmm_model *m;
    lmm_status st = model_args_open(&runtime, &m, a);
    if (st) return st;
    lmm_model_info info;
    lmm_model_describe(m, &info);
    if (!context && info.context) context = min_int(info.context, 4096);
    size_t memory = info.context ? lmm_model_memory(m, context, 512) : 0;
    (json ? print_json : print_text)(&info, a->model ? a->model : "models/mini", memory, context);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return LMM_OK;
}

lmm_status cmd_info(int argc, char **argv) {
    model_args a = {0};
    int context = 0;
    bool json = false, done;
    opt_list words = {0};
    const opt table[] = {
        model_opts(&a, "-m|--model"),
        {"-c|--context", OPT_INT, &context, 1, 1 << 24, "N", "show the memory of a context of N tokens"},
        {"--json", OPT_FLAG, &json, 0, 0, NULL, "print one JSON object"},
        {0},
    };
    lmm_status st = cli_parse(table, argc, argv, &words, "lmm info MODEL", "Shows architecture, size and memory of a checkpoint.",
                              "  lmm info models/mini\n", &done);
    if (!st && !done) {
        if (words.count) a.model = words.at[0];
        st = words.count > 1 ? LMM_FAIL(LMM_E_ARG, "one model at a time") : run(&a, context, json);
    }
    opts_free(table);
    free(words.at);
    return st;
}
