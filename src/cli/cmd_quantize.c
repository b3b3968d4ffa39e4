/* cmd_quantize.c - weights to other formats and number types: lmm convert, lmm quantize. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct {
    model_args model; /* threads and kernels */
    lmm_convert_opts convert;
    const char *text;
    bool json;
} args;

/* ---- reports ---- */

static void print_tensors(const tree *report) {
    const tree *list = tree_get(report, "tensors");
    printf("%-32s %5s %5s %12s %12s %12s\n", "tensor", "from", "to", "rms error", "largest", "relative");
    for (int i = 0; list && i < list->count; i++) {
        const tree *t = list->items[i];
        printf("%-32s %5s %5s %12.3e %12.3e %12.3e\n", tree_str(t, "name", ""), tree_str(t, "from", ""), tree_str(t, "type", ""),
               tree_real(t, "rms_error", 0), tree_real(t, "max_error", 0), tree_real(t, "relative_error", 0));
    }
    printf("%.1f MB -> %.1f MB\n", tree_real(report, "bytes_before", 0) / 1e6, tree_real(report, "bytes_after", 0) / 1e6);
}

static void print_divergence(const tree *d) {
    if (!d) return;
    printf("KL divergence of the next token over %" PRId64 " tokens: mean %.6f, largest %.6f nats\n", tree_int(d, "tokens", 0),
           tree_real(d, "kl_mean", 0), tree_real(d, "kl_max", 0));
    printf("same most likely token: %.2f %%; loss %.4f -> %.4f nats a token\n", 100 * tree_real(d, "same_top", 0), tree_real(d, "loss", 0),
           tree_real(d, "loss_quantized", 0));
}

static void print_report(const tree *report, bool json) {
    if (json) {
        buf b = {0};
        tree_write_json(&b, report, 2);
        puts(b.data);
        buf_free(&b);
        return;
    }
    print_tensors(report);
    print_divergence(tree_get(report, "divergence"));
}

/* ---- what it costs ---- */

static tree *divergence_tree(const lmm_divergence *d) {
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "tokens", tree_new_int(d->tokens));
    tree_put(t, "kl_mean", tree_new_real(d->kl_mean));
    tree_put(t, "kl_max", tree_new_real(d->kl_max));
    tree_put(t, "same_top", tree_new_real(d->same_top));
    tree_put(t, "loss", tree_new_real(d->loss));
    tree_put(t, "loss_quantized", tree_new_real(d->loss_of));
    return t;
}

static lmm_status compare(lmm_runtime *r, const char *in, const char *out, const char *text_path, tree *report) {
    char *text = NULL;
    size_t size = 0;
    lmm_model *before = NULL, *after = NULL;
    lmm_divergence d;
    lmm_status st = file_read(&text, &size, text_path, (size_t)64 << 20);
    if (!st) st = lmm_model_open(&before, r, in);
    if (!st) st = lmm_model_open(&after, r, out);
    if (!st) st = lmm_compare(before, after, text, size, &d);
    if (!st) tree_put(report, "divergence", divergence_tree(&d));
    lmm_model_close(after);
    lmm_model_close(before);
    free(text);
    return st;
}

/* ---- commands ---- */

static lmm_status run_quantize(const args *a, const char *in, const char *out) {
    lmm_runtime *r;
    char *text = NULL;
    tree *report = NULL;
    if (a->text && !file_exists(a->text)) return LMM_FAIL(LMM_E_IO, "no text at '%s'", a->text); /* before the work, not after */
    lmm_status st = runtime_open(&r, &a->model);
    if (st) return st;
    st = lmm_quantize(r, in, out, &a->convert, &text);
    if (!st) st = tree_parse_json(&report, text, strlen(text), "report");
    if (!st && a->text) st = compare(r, in, out, a->text, report);
    if (!st) print_report(report, a->json);
    tree_free(report);
    free(text);
    lmm_runtime_close(r);
    return st;
}

static lmm_status run_convert(const args *a, const char *in, const char *out) {
    lmm_runtime *r;
    char *report = NULL;
    lmm_status st = runtime_open(&r, &a->model);
    if (st) return st;
    st = lmm_convert(r, in, out, &a->convert, &report);
    if (!st && a->json) puts(report);
    else if (!st) printf("%s\n", out);
    free(report);
    lmm_runtime_close(r);
    return st;
}

#define SHARED_OPTS(a)                                                                            \
    {"-t|--threads", OPT_INT, &(a)->model.threads, 0, 1024, "N", "threads (default: all cores)"}, \
        {"--quiet", OPT_FLAG, &(a)->convert.quiet, 0, 0, NULL, "no progress bar"},                \
        {"--json", OPT_FLAG, &(a)->json, 0, 0, NULL, "print the report as one JSON object"}, {    \
        0                                                                                         \
    }

static lmm_status two_paths(const opt_list *words) {
    if (words->count != 2) return LMM_FAIL(LMM_E_ARG, "name the model to read and the one to write, in this order");
    return file_exists(words->at[0]) ? LMM_OK : LMM_FAIL(LMM_E_IO, "no model at '%s'", words->at[0]);
}

lmm_status cmd_quantize(int argc, char **argv) {
    args a = {.convert.type = "q4_K_M"};
    bool done;
    opt_list words = {0};
    const opt table[] = {
        {"--type", OPT_STRING, &a.convert.type, 0, 0, "TYPE",
         "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q4_K q5_K q6_K, or the mix q4_K_M (default)"},
        {"--text", OPT_STRING, &a.text, 0, 0, "FILE", "measure the KL divergence of the logits over this text"},
        {"--requantize", OPT_FLAG, &a.convert.requantize, 0, 0, NULL, "allow a model that is quantised already"},
        SHARED_OPTS(&a),
    };
    lmm_status st = cli_parse(table, argc, argv, &words, "lmm quantize IN OUT.gguf",
                              "Writes a GGUF file with the matrices of a folder or a GGUF file in fewer bits.",
                              "  lmm quantize my-model my-model-Q4_K_M.gguf --text book.txt\n"
                              "  lmm quantize model-f16.gguf model-q8_0.gguf --type q8_0 --json\n",
                              &done);
    if (!st && !done && !(st = two_paths(&words))) st = run_quantize(&a, words.at[0], words.at[1]);
    opts_free(table);
    free(words.at);
    return st;
}

lmm_status cmd_convert(int argc, char **argv) {
    args a = {0};
    bool done;
    opt_list words = {0};
    const opt table[] = {
        {"--type", OPT_STRING, &a.convert.type, 0, 0, "TYPE", "number type of the matrices in the GGUF file (default: as they are)"},
        SHARED_OPTS(&a),
    };
    lmm_status st = cli_parse(table, argc, argv, &words, "lmm convert IN OUT",
                              "Makes a GGUF file of a checkpoint folder in Hugging Face layout, or such a folder of a GGUF file.",
                              "  lmm convert my-model my-model.gguf\n  lmm convert my-model.gguf my-model-hf\n", &done);
    if (!st && !done && !(st = two_paths(&words))) st = run_convert(&a, words.at[0], words.at[1]);
    opts_free(table);
    free(words.at);
    return st;
}
