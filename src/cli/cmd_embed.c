/* cmd_embed.c - sentence vectors of texts: one JSON line a text. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Lines of stdin when no text was given. */
static lmm_status read_lines(opt_list *texts) {
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t n; (n = getline(&line, &capacity, stdin)) >= 0;) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        texts->at = mem_resize(texts->at, (size_t)texts->count + 1, sizeof *texts->at);
        texts->at[texts->count++] = mem_strndup(line, (size_t)n);
    }
    free(line);
    return texts->count ? LMM_OK : LMM_FAIL(LMM_E_ARG, "no text given");
}

static void print_vector(const char *text, const float *v, int width) {
    buf b = {0};
    buf_puts(&b, "{\"text\": ");
    json_quote(&b, text, strlen(text));
    buf_puts(&b, ", \"embedding\": [");
    for (int i = 0; i < width; i++) buf_printf(&b, "%s%.9g", i ? ", " : "", (double)v[i]);
    buf_puts(&b, "]}");
    puts(b.data);
    buf_free(&b);
}

static void print_similarities(const float *v, int count, int width) {
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < count; k++) {
            double dot = 0;
            for (int d = 0; d < width; d++) dot += (double)v[i * width + d] * (double)v[k * width + d];
            printf("%s%7.4f", k ? " " : "", dot);
        }
        putchar('\n');
    }
}

static lmm_status run(const model_args *a, const opt_list *texts, bool similarity) {
    lmm_runtime *runtime;
    lmm_model *m;
    lmm_status st = model_args_open(&runtime, &m, a);
    if (st) return st;
    float *v;
    int width;
    st = lmm_embed(m, texts->at, texts->count, &v, &width);
    if (!st) {
        if (similarity) print_similarities(v, texts->count, width);
        else
            for (int i = 0; i < texts->count; i++) print_vector(texts->at[i], v + (size_t)i * (size_t)width, width);
        free(v);
    }
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_embed(int argc, char **argv) {
    model_args a = {0};
    bool similarity = false, done;
    opt_list words = {0}, lines = {0};
    const opt table[] = {
        model_opts(&a, "-m|--model"),
        {"--similarity", OPT_FLAG, &similarity, 0, 0, NULL, "print the cosine of every pair instead of the vectors"},
        {0},
    };
    lmm_status st = cli_parse(table, argc, argv, &words, "lmm embed -m MODEL [TEXT]...",
                              "Prints the sentence vector of every text (or of every line of the input) as a JSON line.",
                              "  lmm embed -m all-MiniLM-L6-v2 --similarity \"a cat\" \"a kitten\" \"a bridge\"\n", &done);
    if (!st && !done) {
        if (!words.count) st = read_lines(&lines);
        if (!st) st = run(&a, words.count ? &words : &lines, similarity);
    }
    for (int i = 0; i < lines.count; i++) free((char *)lines.at[i]);
    free(lines.at);
    free(words.at);
    opts_free(table);
    return st;
}
