/* cmd_prompt.c - the text a conversation becomes, through the model's template or another one. */
#include <stdlib.h>

#include "cli/cli.h"

typedef struct {
    model_args model;
    const char *messages, *template_file;
    bool closed;
} prompt_args;

static lmm_status run(const prompt_args *a) {
    lmm_runtime *runtime;
    lmm_model *m;
    char *json = NULL, *source = NULL, *text = NULL;
    size_t size;
    if (!a->messages) return LMM_FAIL(LMM_E_ARG, "give the conversation with --messages FILE.json");
    lmm_status st = file_read(&json, &size, a->messages, (size_t)64 << 20);
    if (!st && a->template_file) st = file_read(&source, NULL, a->template_file, 1 << 20);
    if (!st) st = model_args_open_text(&runtime, &m, &a->model);
    if (!st) {
        st = lmm_prompt_render(m, json, size, source, &(lmm_prompt_opts){.add_generation_prompt = !a->closed}, &text);
        if (!st) fputs(text, stdout);
        lmm_model_close(m);
        lmm_runtime_close(runtime);
    }
    free(text);
    free(source);
    free(json);
    return st;
}

lmm_status cmd_prompt(int argc, char **argv) {
    prompt_args a = {0};
    const opt table[] = {
        model_opts(&a.model, "-m|--model"),
        {"--messages", OPT_STRING, &a.messages, 0, 0, "FILE",
         "JSON list of {role, content}, or {messages, tools, chat_template_kwargs, add_generation_prompt}"},
        {"--template", OPT_STRING, &a.template_file, 0, 0, "FILE", "another Jinja template than the model's"},
        {"--no-generation-prompt", OPT_FLAG, &a.closed, 0, 0, NULL, "do not open the assistant's turn"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, NULL, "lmm prompt -m MODEL --messages FILE [--template FILE]",
                  "Prints the rendered prompt, without a newline of its own.", "  lmm prompt -m models/mini --messages conv.json\n", &done);
    if (!st && !done) st = run(&a);
    opts_free(table);
    return st;
}
