/* cmd_synth_checkpoint.c - `lmm synth checkpoint`: a file of a model's shape with random weights. */
#include <stdlib.h>

#include "cli/cli.h"

static lmm_status run(const model_args *a, const char *out, const lmm_synth_opts *o) {
    if (!out) return LMM_FAIL(LMM_E_ARG, "name the file to write: -o FILE.gguf");
    lmm_runtime *r;
    lmm_status st = runtime_open(&r, a);
    if (st) return st;
    st = lmm_synth_checkpoint(r, out, o);
    if (!st) printf("%s\n", out);
    lmm_runtime_close(r);
    return st;
}

lmm_status cmd_synth_checkpoint(int argc, char **argv) {
    model_args a = {0};
    lmm_synth_opts o = {0};
    const char *out = NULL;
    int seed = 1;
    const opt table[] = {
        {"-o|--out", OPT_STRING, &out, 0, 0, "FILE", "the GGUF file"},
        {"--shape", OPT_STRING, &o.shape, 0, 0, "NAME", "7b (default), 13b, llama3-8b, smollm2, qwen2-0.5b, qwen2-7b or tiny"},
        {"--type", OPT_STRING, &o.type, 0, 0, "TYPE", "f32 f16 bf16 q8_0 q4_0 (default) q4_1 q5_0 q5_1 q4_K q5_K q6_K or q4_K_M"},
        {"--layers", OPT_INT, &o.layers, 1, 1024, "N", "instead of the shape's"},
        {"--hidden", OPT_INT, &o.hidden, 1, 65536, "N", "width, instead of the shape's"},
        {"--heads", OPT_INT, &o.heads, 1, 1024, "N", "attention heads"},
        {"--kv-heads", OPT_INT, &o.kv_heads, 1, 1024, "N", "heads of keys and values"},
        {"--mlp", OPT_INT, &o.mlp, 1, 1 << 20, "N", "width of the feed-forward layers"},
        {"--vocab", OPT_INT, &o.vocab, 260, 1 << 20, "N", "tokens"},
        {"--context", OPT_INT, &o.context, 1, 1 << 24, "N", "positions"},
        {"--seed", OPT_INT, &seed, 0, 2147483647, "N", "another seed gives other weights (default 1)"},
        {"-t|--threads", OPT_INT, &a.threads, 0, 1024, "N", "threads (default: all cores)"},
        {"--quiet", OPT_FLAG, &o.quiet, 0, 0, NULL, "no progress bar"},
        {0},
    };
    bool done;
    lmm_status st = cli_parse(table, argc, argv, NULL, "lmm synth checkpoint -o FILE.gguf [OPTIONS]",
                              "Writes a GGUF file of a known model's shape with random weights, for measuring and trying out.",
                              "  lmm synth checkpoint -o 7b-q4_0.gguf\n"
                              "  lmm synth checkpoint --shape smollm2 --layers 4 --type f16 -o small.gguf\n",
                              &done);
    o.seed = (uint64_t)seed;
    if (!st && !done) st = run(&a, out, &o);
    opts_free(table);
    return st;
}
