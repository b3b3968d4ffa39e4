/* cmd_chat.c - one question, or a conversation at a prompt, with pictures. */
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* What comes with a question: of a message's part, of the prompt loop, and in words. */
enum { PICTURES, VIDEOS, SOUNDS, MEDIA };
static const struct {
    const char *type, *command, *missing;
} media[MEDIA] = {{"image", "/image ", "file"}, {"video", "/video ", "file or folder"}, {"audio", "/audio ", "file"}};

typedef struct {
    model_args model;
    opt_list media[MEDIA], stop;
    const char *system, *show_frames;
    lmm_video_opts video;
    lmm_gen_opts gen;
    int seed, context;
    bool json;
} chat_args;

/* A running conversation: messages as JSON values, rendered anew each turn; the session reuses what did not change. */
typedef struct {
    chat_args *a;
    lmm_model *model;
    lmm_session *session;
    tree *messages;
    VEC(char *) pending[MEDIA]; /* for the next question */
} conversation;

static tree *part(const char *type, const char *key, const char *value) {
    tree *p = tree_new(TREE_MAP);
    tree_put(p, "type", tree_new_string(type));
    tree_put(p, key, tree_new_string(value));
    return p;
}

static void clear_pending(conversation *c) {
    for (int k = 0; k < MEDIA; k++) {
        for (int i = 0; i < c->pending[k].count; i++) free(c->pending[k].at[i]);
        c->pending[k].count = 0;
    }
}

static void add_message(conversation *c, const char *role, const char *text) {
    tree *message = tree_new(TREE_MAP), *content = tree_new(TREE_LIST);
    tree_put(message, "role", tree_new_string(role));
    for (int k = 0; k < MEDIA; k++)
        for (int i = 0; i < c->pending[k].count; i++) tree_add(content, part(media[k].type, media[k].type, c->pending[k].at[i]));
    clear_pending(c);
    tree_add(content, part("text", "text", text));
    tree_put(message, "content", content);
    tree_add(c->messages, message);
}

/* Models answer " red": the blank belongs to their tokenizer, not to the reader. */
static const char blanks[] = " \t\r\n";

static bool print_piece(void *arg, int sequence, const char *text, size_t size) {
    bool *begun = arg;
    (void)sequence;
    size_t skip = *begun ? 0 : strspn(text, blanks);
    if (skip >= size) return true;
    *begun = true;
    fwrite(text + skip, 1, size - skip, stdout);
    fflush(stdout);
    return true;
}

static char *trimmed(const char *text) {
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n && strchr(blanks, text[n - 1])) n--;
    return mem_strndup(text, n);
}

/* Answers the conversation as it stands; the answer becomes its next message. */
static lmm_status answer(conversation *c, bool stream, lmm_answer *out) {
    buf json = {0};
    tree_write_json(&json, c->messages, 0);
    lmm_prompt *p = NULL;
    lmm_status st =
        lmm_prompt_messages(&p, c->model, json.data, json.size, &(lmm_prompt_opts){.add_generation_prompt = true, .video = c->a->video});
    if (!st) st = lmm_session_sync(c->session, p, NULL);
    bool begun = false;
    if (!st) st = lmm_generate(&c->session, 1, &c->a->gen, stream ? print_piece : NULL, &begun, out);
    if (!st) {
        char *said = trimmed(out->text);
        add_message(c, "assistant", said);
        free(said);
    }
    lmm_prompt_free(p);
    buf_free(&json);
    return st;
}

static void print_json(const lmm_answer *a) {
    static const char *const why[] = {"stop", "length", "cancelled"};
    tree *t = tree_new(TREE_MAP);
    tree_put(t, "text", tree_new_string(a->text));
    tree *ids = tree_new(TREE_LIST);
    for (int i = 0; i < a->id_count; i++) tree_add(ids, tree_new_int(a->ids[i]));
    tree_put(t, "ids", ids);
    tree_put(t, "finish_reason", tree_new_string(why[a->finish]));
    buf b = {0};
    tree_write_json(&b, t, 0);
    puts(b.data);
    buf_free(&b);
    tree_free(t);
}

static lmm_status one_shot(conversation *c, const char *question) {
    lmm_answer a = {0};
    add_message(c, "user", question);
    lmm_status st = answer(c, !c->a->json, &a);
    if (!st && c->a->json) print_json(&a);
    else if (!st) putchar('\n');
    lmm_answers_free(&a, 1);
    return st;
}

/* ---- the prompt loop ---- */

static const char prompt_help[] = "/image FILE, /video FILE and /audio FILE add a picture, a video or a sound to the next question, /new "
                                  "starts over, /quit or Ctrl-D ends";

static void drop_last(conversation *c) { /* a question that could not be answered is taken back */
    if (c->messages->count) tree_free(c->messages->items[--c->messages->count]);
}

static void add_pending(conversation *c, int kind, const char *path) {
    path += strspn(path, " ");
    if (file_exists(path) || (kind == VIDEOS && file_is_dir(path))) VEC_PUSH(&c->pending[kind], mem_strdup(path));
    else fprintf(stderr, "cannot read '%s': no such %s\n", path, media[kind].missing);
}

static void slash(conversation *c, const char *line, bool *quit) {
    for (int k = 0; k < MEDIA; k++) {
        size_t n = strlen(media[k].command);
        if (!strncmp(line, media[k].command, n)) {
            add_pending(c, k, line + n);
            return;
        }
    }
    if (!strcmp(line, "/new")) {
        clear_pending(c);
        tree_free(c->messages);
        c->messages = tree_new(TREE_LIST);
        if (c->a->system) add_message(c, "system", c->a->system);
    } else if (!strcmp(line, "/quit") || !strcmp(line, "/exit")) {
        *quit = true;
    } else {
        fprintf(stderr, "%s\n", prompt_help);
    }
}

static const char *prompt_text(EditLine *el) {
    (void)el;
    return "> ";
}

static void turn(conversation *c, const char *line) {
    lmm_answer a = {0};
    add_message(c, "user", line);
    if (answer(c, true, &a)) {
        fprintf(stderr, "lmm chat: %s\n", lmm_message());
        drop_last(c);
    } else {
        putchar('\n');
    }
    lmm_answers_free(&a, 1);
}

static lmm_status prompt_loop(conversation *c) {
    EditLine *el = el_init("lmm", stdin, stdout, stderr);
    History *history_ = history_init();
    HistEvent event;
    if (!el || !history_) return LMM_FAIL(LMM_E_IO, "cannot start line editing");
    history(history_, &event, H_SETSIZE, 1000);
    el_set(el, EL_PROMPT, prompt_text);
    el_set(el, EL_EDITOR, "emacs");
    el_set(el, EL_HIST, history, history_);
    fprintf(stderr, "%s\n", prompt_help);
    bool quit = false;
    int n;
    for (const char *line; !quit && (line = el_gets(el, &n)) && n > 0;) {
        char *text = mem_strndup(line, (size_t)n);
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0]) history(history_, &event, H_ENTER, line);
        if (text[0] == '/') slash(c, text, &quit);
        else if (text[0]) turn(c, text);
        free(text);
    }
    history_end(history_);
    el_end(el);
    return LMM_OK;
}

static lmm_status run(chat_args *a, const opt_list *words) {
    lmm_runtime *runtime;
    conversation c = {.a = a, .messages = tree_new(TREE_LIST)};
    lmm_status st = model_args_open(&runtime, &c.model, &a->model);
    if (st) return tree_free(c.messages), st;
    st = model_args_scale(c.model, &a->model, a->video.frames);
    if (!st && a->show_frames)
        st = a->media[VIDEOS].count ? lmm_video_sheet(a->media[VIDEOS].at[0], &a->video, a->show_frames)
                                    : LMM_FAIL(LMM_E_ARG, "--show-frames needs a --video");
    if (!st) st = lmm_session_open(&c.session, c.model, &(lmm_session_opts){.context = a->context});
    if (a->system) add_message(&c, "system", a->system);
    for (int k = 0; k < MEDIA; k++)
        for (int i = 0; i < a->media[k].count; i++) VEC_PUSH(&c.pending[k], mem_strdup(a->media[k].at[i]));
    buf question = {0};
    for (int i = 0; i < words->count; i++) buf_printf(&question, "%s%s", i ? " " : "", words->at[i]);
    if (!st) st = question.size ? one_shot(&c, question.data) : prompt_loop(&c);
    buf_free(&question);
    clear_pending(&c);
    for (int k = 0; k < MEDIA; k++) free(c.pending[k].at);
    tree_free(c.messages);
    lmm_session_close(c.session);
    lmm_model_close(c.model);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_chat(int argc, char **argv) {
    chat_args a = {0};
    opt_list words = {0};
    const opt table[] = {
        model_opts(&a.model, "-m|--model"),
        {"-i|--image", OPT_LIST, &a.media[PICTURES], 0, 0, "FILE", "a picture for the first question (may be repeated)"},
        {"-v|--video", OPT_LIST, &a.media[VIDEOS], 0, 0, "FILE",
         "a video for the first question: a file, or a folder of frames (may be repeated)"},
        {"--audio", OPT_LIST, &a.media[SOUNDS], 0, 0, "FILE", "a sound for the first question, for models that hear (may be repeated)"},
        {"--frames", OPT_INT, &a.video.frames, 1, 4096, "N", "take N frames of a video, evenly (default 8)"},
        {"--fps", OPT_REAL, &a.video.fps, 0, 1000, "X", "take X frames a second, at most --frames when given"},
        {"--show-frames", OPT_STRING, &a.show_frames, 0, 0, "PNG", "write the taken frames of the first video as one picture"},
        scaling_opt(&a.model),
        {"--system", OPT_STRING, &a.system, 0, 0, "TEXT", "a system message"},
        {"-n|--max-tokens", OPT_INT, &a.gen.max_tokens, 1, 1 << 20, "N", "longest answer (default 256)"},
        {"--temperature", OPT_REAL, &a.gen.temperature, 0, 100, "X", "0 is greedy (default)"},
        {"--top-k", OPT_INT, &a.gen.top_k, 0, 1 << 20, "N", "sample from the N likeliest"},
        {"--top-p", OPT_REAL, &a.gen.top_p, 0, 1, "X", "sample from the likeliest that reach this probability"},
        {"--min-p", OPT_REAL, &a.gen.min_p, 0, 1, "X", "drop what is less likely than X times the best"},
        {"--repetition-penalty", OPT_REAL, &a.gen.repetition_penalty, 0, 100, "X", "above 1 discourages repeats"},
        {"--stop", OPT_LIST, &a.stop, 0, 0, "TEXT", "end the answer before this text (may be repeated)"},
        {"--seed", OPT_INT, &a.seed, 0, 2147483647, "N", "seed of the sampler (default 0)"},
        {"-c|--context", OPT_INT, &a.context, 2, 1 << 24, "N", "rows of the KV cache (default: the model's, at most 4096)"},
        {"--json", OPT_FLAG, &a.json, 0, 0, NULL, "print {text, ids, finish_reason}"},
        {0},
    };
    bool done;
    lmm_status st =
        cli_parse(table, argc, argv, &words, "lmm chat [-m MODEL] [--image FILE]... [--video FILE]... [--audio FILE]... [QUESTION]",
                  "Answers one question, or opens a prompt.",
                  "  lmm chat --image photo.png \"What is shown?\"\n  lmm chat -m ~/models/llava-1.5-7b-hf\n  lmm chat --video "
                  "frames/ --frames 16 \"What happens?\"\n",
                  &done);
    a.gen.seed = (uint64_t)a.seed;
    a.gen.stop = a.stop.at, a.gen.stop_count = a.stop.count;
    if (!st && !done) st = run(&a, &words);
    opts_free(table);
    free(words.at);
    return st;
}
