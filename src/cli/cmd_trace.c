/* cmd_trace.c - every named intermediate of one forward pass, or loss and gradients of a batch, as safetensors. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct {
    model_args model;
    opt_list images, sounds, videos;
    lmm_video_opts video;
    const char *messages, *raw, *grad, *out;
    int generate;
} trace_args;

static lmm_status make_prompt(lmm_prompt **p, const lmm_model *m, const trace_args *a) {
    lmm_prompt_opts o = {.images = a->images.at,
                         .image_count = a->images.count,
                         .videos = a->videos.at,
                         .video_count = a->videos.count,
                         .sounds = a->sounds.at,
                         .sound_count = a->sounds.count,
                         .video = a->video,
                         .add_generation_prompt = true};
    if (a->raw) return lmm_prompt_raw(p, m, a->raw, strlen(a->raw), &o);
    char *json = NULL;
    size_t size;
    lmm_status st = file_read(&json, &size, a->messages, (size_t)64 << 20);
    if (!st) st = lmm_prompt_messages(p, m, json, size, &o);
    free(json);
    return st;
}

static lmm_status run(const trace_args *a) {
    lmm_runtime *runtime;
    lmm_model *m;
    if (!a->out) return LMM_FAIL(LMM_E_ARG, "give the output file with -o FILE.safetensors");
    if (!a->grad && !a->messages == !a->raw) return LMM_FAIL(LMM_E_ARG, "give one of --messages FILE, --raw TEXT or --grad FILE");
    lmm_status st = model_args_open(&runtime, &m, &a->model);
    if (st) return st;
    lmm_prompt *p = NULL;
    if (a->grad) st = lmm_trace_grad(m, a->grad, a->out);
    else {
        st = make_prompt(&p, m, a);
        if (!st) st = lmm_trace(m, p, a->generate, a->out);
    }
    lmm_prompt_free(p);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_trace(int argc, char **argv) {
    trace_args a = {0};
    const opt table[] = {
        model_opts(&a.model, "-m|--model"),
        {"--messages", OPT_STRING, &a.messages, 0, 0, "FILE", "a conversation: JSON list of {role, content}"},
        {"--raw", OPT_STRING, &a.raw, 0, 0, "TEXT", "a prompt as it is, placeholders spelled out"},
        {"-i|--image", OPT_LIST, &a.images, 0, 0, "FILE", "a picture (may be repeated)"},
        {"-v|--video", OPT_LIST, &a.videos, 0, 0, "FILE", "a video (may be repeated)"},
        {"--frames", OPT_INT, &a.video.frames, 1, 4096, "N", "take N frames of a video, evenly (default 8)"},
        {"--audio", OPT_LIST, &a.sounds, 0, 0, "FILE", "a sound (may be repeated)"},
        {"--generate", OPT_INT, &a.generate, 0, 1 << 20, "N", "add the ids of N greedy steps"},
        {"--grad", OPT_STRING, &a.grad, 0, 0, "FILE", "a batch (input_ids, labels, ...): write its loss and all gradients instead"},
        {"-o|--out", OPT_STRING, &a.out, 0, 0, "FILE", "the safetensors file to write"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, NULL,
                  "lmm trace -m MODEL (--messages FILE | --raw TEXT | --grad FILE) [--image|--video|--audio FILE]... -o FILE",
                  "Writes every named intermediate of one forward pass.",
                  "  lmm trace -m models/mini --raw \"USER: <image>\\nWhat? ASSISTANT:\" --image a.png --generate 8 -o out.safetensors\n",
                  &done);
    if (!st && !done) st = run(&a);
    opts_free(table);
    return st;
}
