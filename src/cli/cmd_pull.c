/* cmd_pull.c - fetches a checkpoint from the hub into its cache, where -m ORG/NAME finds it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static lmm_status run(const hub_opts *o, const hub_request *r) {
    char *folder = NULL;
    /* Ends at once: whatever moment that is, the cache is whole and the next pull goes on there. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    lmm_status st = hub_pull(&folder, o, r);
    if (!st && strstr(r->name, "datasets/"))
        printf("%s\n%s\n", folder,
               r->local_dir ? "lmm eval finds a data set ORG/NAME below its data folder (--data)"
                            : "--local-dir data/ORG/NAME puts it where lmm eval looks");
    else if (!st) printf("%s\nuse it as: -m %s\n", folder, r->local_dir ? r->local_dir : r->name);
    free(folder);
    return st;
}

lmm_status cmd_pull(int argc, char **argv) {
    const char *local_dir = NULL, *token_file = NULL;
    int jobs = 4;
    bool verify = false, insecure = false, offline = false, done;
    opt_list words = {0}, include = {0}, exclude = {0};
    const opt options[] = {
        {"--include", OPT_LIST, &include, 0, 0, "GLOB", "only files that match, '*.json' or 'folder/'"},
        {"--exclude", OPT_LIST, &exclude, 0, 0, "GLOB", "not the files that match"},
        {"-j|--jobs", OPT_INT, &jobs, 1, 32, "N", "files fetched at a time (default 4)"},
        {"--local-dir", OPT_STRING, &local_dir, 0, 0, "DIR", "plain files there instead of the cache"},
        {"--verify", OPT_FLAG, &verify, 0, 0, NULL, "hash again what is there already; what is damaged is fetched anew"},
        {"--offline", OPT_FLAG, &offline, 0, 0, NULL, "ask nobody, only look at the cache (HF_HUB_OFFLINE=1 too)"},
        {"--token-file", OPT_STRING, &token_file, 0, 0, "FILE", "the hub's token (default: HF_TOKEN, or the file HF_HOME/token)"},
        {"--insecure-http", OPT_FLAG, &insecure, 0, 0, NULL, "allow plain http to another machine (HF_ENDPOINT=http://...)"},
        {0},
    };
    lmm_status st =
        cli_parse(options, argc, argv, &words, "lmm pull ORG/NAME[@REVISION][:QUANT] [OPTIONS]",
                  "Fetches a checkpoint from the hub (HF_ENDPOINT, default https://huggingface.co), every file checked against its hash.",
                  "  lmm pull llava-hf/llava-1.5-7b-hf\n  lmm pull org/name-GGUF:Q4_K_M\n  lmm pull org/name@refs/pr/1 --include '*.json' "
                  "--include '*.safetensors'\n"
                  "  lmm pull datasets/lmms-lab/ai2d --local-dir data/lmms-lab/ai2d\n"
                  "  lmm chat -m llava-hf/llava-1.5-7b-hf --image a.png \"What is shown?\"\n",
                  &done);
    if (!st && !done && words.count != 1) st = LMM_FAIL(LMM_E_ARG, "name one model: ORG/NAME");
    hub_args a = {0};
    if (!st && !done) st = hub_args_read(&a, token_file);
    if (!st && !done) {
        a.opts.insecure_http = insecure;
        a.opts.jobs = jobs;
        a.opts.offline = a.opts.offline || offline;
        st = run(&a.opts, &(hub_request){.name = words.at[0],
                                         .include = include.at,
                                         .include_count = include.count,
                                         .exclude = exclude.at,
                                         .exclude_count = exclude.count,
                                         .local_dir = local_dir,
                                         .verify = verify});
    }
    hub_args_free(&a);
    opts_free(options);
    free(words.at);
    return st;
}
