/* cmd_transcribe.c - speech of sound files to text, subtitles or JSON. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef enum { FORM_TEXT, FORM_SRT, FORM_VTT, FORM_JSON } form;

typedef struct {
    form form;
    bool with_times;
    int number;
} printer;

/* hours:minutes:seconds, with the decimal mark of the format. */
static void print_time(double seconds, char mark) {
    int64_t ms = (int64_t)(seconds * 1000 + 0.5);
    printf("%02" PRId64 ":%02" PRId64 ":%02" PRId64 "%c%03" PRId64, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, mark, ms % 1000);
}

static const char *trimmed(const char *text) { return text + strspn(text, " "); }

static bool print_segment(void *arg, const lmm_segment *s) {
    printer *p = arg;
    if (p->form == FORM_JSON) return true;
    p->number++;
    if (p->form == FORM_SRT) printf("%d\n", p->number);
    if (p->form != FORM_TEXT || p->with_times) {
        char mark = p->form == FORM_SRT ? ',' : '.';
        if (p->form == FORM_TEXT) putchar('[');
        print_time(s->start, mark);
        printf(" --> ");
        print_time(s->end, mark);
        printf(p->form == FORM_TEXT ? "] " : "\n");
    }
    printf("%s\n%s", trimmed(s->text), p->form == FORM_TEXT ? "" : "\n");
    fflush(stdout);
    return true;
}

static void print_json(const char *path, const lmm_transcript *t) {
    buf b = {0};
    buf_puts(&b, "{\"file\": ");
    json_quote(&b, path, strlen(path));
    buf_printf(&b, ", \"seconds\": %.3f, \"language\": \"%s\", \"language_probability\": %.4f, \"text\": ", t->seconds, t->language,
               t->language_probability);
    json_quote(&b, trimmed(t->text), strlen(trimmed(t->text)));
    buf_puts(&b, ", \"segments\": [");
    for (int i = 0; i < t->count; i++) {
        const lmm_segment *s = &t->segments[i];
        buf_printf(&b, "%s{\"start\": %.2f, \"end\": %.2f, \"text\": ", i ? ", " : "", s->start, s->end);
        json_quote(&b, s->text, strlen(s->text));
        buf_puts(&b, ", \"ids\": [");
        for (int k = 0; k < s->id_count; k++) buf_printf(&b, "%s%d", k ? ", " : "", s->ids[k]);
        buf_printf(&b, "], \"log_probability\": %.4f, \"no_speech\": %.4f, \"compression\": %.3f, \"temperature\": %.1f}",
                   s->log_probability, s->no_speech, s->compression, s->temperature);
    }
    buf_puts(&b, "]}");
    puts(b.data);
    buf_free(&b);
}

typedef struct {
    model_args model;
    lmm_transcribe_opts o;
    bool srt, vtt, json, times;
    int seed;
} settings;

static lmm_status transcribe_file(const lmm_model *m, const char *path, const settings *s) {
    printer p = {s->json ? FORM_JSON : s->srt ? FORM_SRT : s->vtt ? FORM_VTT : FORM_TEXT, s->times, 0};
    lmm_transcript t;
    if (p.form == FORM_VTT) printf("WEBVTT\n\n");
    lmm_status st = lmm_transcribe(m, path, &s->o, print_segment, &p, &t);
    if (st) return LMM_CONTEXT(st, "transcribing '%s'", path);
    if (p.form == FORM_JSON) print_json(path, &t);
    lmm_transcript_free(&t);
    return LMM_OK;
}

static lmm_status run(const settings *s, const opt_list *files) {
    lmm_runtime *runtime;
    lmm_model *m;
    if (files->count == 0) return LMM_FAIL(LMM_E_ARG, "name a sound file to transcribe");
    if (s->srt + s->vtt + s->json > 1) return LMM_FAIL(LMM_E_ARG, "--srt, --vtt and --json exclude each other");
    if ((s->srt || s->vtt) && (files->count > 1 || s->o.no_times)) return LMM_FAIL(LMM_E_ARG, "subtitles are of one file and need times");
    if (!s->model.model)
        return LMM_FAIL(LMM_E_ARG, "name a Whisper model with -m (./dev models fetches one: build/models/whisper_tiny_en)");
    lmm_status st = model_args_open(&runtime, &m, &s->model);
    if (st) return st;
    for (int i = 0; i < files->count && !st; i++) st = transcribe_file(m, files->at[i], s);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_transcribe(int argc, char **argv) {
    settings s = {0};
    bool done;
    opt_list files = {0};
    const opt table[] = {
        model_opts(&s.model, "-m|--model"),
        {"--srt", OPT_FLAG, &s.srt, 0, 0, NULL, "subtitles in SubRip form"},
        {"--vtt", OPT_FLAG, &s.vtt, 0, 0, NULL, "subtitles in WebVTT form"},
        {"--json", OPT_FLAG, &s.json, 0, 0, NULL, "one JSON line a file: text, language, segments with their ids"},
        {"--times", OPT_FLAG, &s.times, 0, 0, NULL, "start and end before every line of text"},
        {"--language", OPT_STRING, &s.o.language, 0, 0, "CODE", "language that is spoken: en, de, zh ... (default: heard)"},
        {"--translate", OPT_FLAG, &s.o.translate, 0, 0, NULL, "into English"},
        {"--no-timestamps", OPT_FLAG, &s.o.no_times, 0, 0, NULL, "let the model say no times: windows of 30 s, one after the other"},
        {"--no-fallback", OPT_FLAG, &s.o.no_fallback, 0, 0, NULL, "greedy only, do not try again at higher temperatures"},
        {"--seed", OPT_INT, &s.seed, 0, 2147483647, "N", "of those tries (default 0)"},
        {0},
    };
    lmm_status st =
        cli_parse(table, argc, argv, &files, "lmm transcribe -m MODEL FILE...", "Writes down the speech in sound files.",
                  "  lmm transcribe -m whisper_tiny_en talk.wav\n  lmm transcribe -m whisper_tiny_en talk.wav --srt > talk.srt\n", &done);
    s.o.seed = (uint64_t)s.seed;
    if (!st && !done) st = run(&s, &files);
    free(files.at);
    opts_free(table);
    return st;
}
