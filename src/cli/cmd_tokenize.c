/* cmd_tokenize.c - JSON lines in, JSON lines out: {"text", "special"} gives {"ids"}, {"ids"} gives {"text"}. Texts on the command line are shown token by token. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static lmm_status encode(const lmm_model *m, const tree *row, buf *out) {
    const tree *text = tree_get(row, "text");
    int *ids, count;
    if (text->type != TREE_STRING) return LMM_FAIL(LMM_E_ARG, "'text' must be a string");
    lmm_status st = lmm_tokenize(m, text->text, text->text_size, tree_bool(row, "special", false), &ids, &count);
    if (st) return st;
    buf_puts(out, "{\"ids\": [");
    for (int i = 0; i < count; i++) buf_printf(out, "%s%d", i ? ", " : "", ids[i]);
    buf_puts(out, "]}");
    free(ids);
    return LMM_OK;
}

static lmm_status decode(const lmm_model *m, const tree *row, buf *out) {
    const tree *list = tree_get(row, "ids");
    if (!list || list->type != TREE_LIST) return LMM_FAIL(LMM_E_ARG, "a line needs 'text' (a string) or 'ids' (a list)");
    int *ids = mem_new((size_t)list->count + 1, sizeof *ids);
    lmm_status st = LMM_OK;
    for (int i = 0; i < list->count && !st; i++) {
        if (list->items[i]->type != TREE_INT || list->items[i]->i < 0 || list->items[i]->i > INT32_MAX)
            st = LMM_FAIL(LMM_E_ARG, "'ids' must be token numbers");
        else ids[i] = (int)list->items[i]->i;
    }
    char *text = NULL;
    if (!st) st = lmm_detokenize(m, ids, list->count, tree_bool(row, "special", false), &text);
    if (!st) {
        buf_puts(out, "{\"text\": ");
        json_quote(out, text, strlen(text));
        buf_putc(out, '}');
    }
    free(text);
    free(ids);
    return st;
}

static lmm_status one_line(const lmm_model *m, const char *line, size_t size, int number) {
    tree *row;
    buf out = {0};
    lmm_status st = LMM_CONTEXT(tree_parse_json(&row, line, size, "input"), "a line is JSON, such as {\"text\": \"a red circle\"}");
    if (!st) {
        st = tree_get(row, "text") ? encode(m, row, &out) : decode(m, row, &out);
        tree_free(row);
    }
    if (!st) puts(out.data);
    buf_free(&out);
    return LMM_CONTEXT(st, "line %d", number);
}

/* A token a line: its id and what it says. */
static lmm_status show(const lmm_model *m, const char *text) {
    int *ids, count;
    lmm_status st = lmm_tokenize(m, text, strlen(text), true, &ids, &count);
    if (st) return st;
    for (int i = 0; i < count && !st; i++) {
        char *piece;
        st = lmm_detokenize(m, &ids[i], 1, false, &piece);
        if (st) break;
        buf line = {0};
        json_quote(&line, piece, strlen(piece));
        printf("%8d  %s\n", ids[i], line.data);
        buf_free(&line);
        free(piece);
    }
    free(ids);
    return st;
}

static lmm_status read_lines(const lmm_model *m) {
    lmm_status st = LMM_OK;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    for (int number = 1; !st && (n = getline(&line, &capacity, stdin)) >= 0; number++)
        if (n > 0 && strspn(line, " \t\r\n") < (size_t)n) st = one_line(m, line, (size_t)n, number);
    free(line);
    return st;
}

static lmm_status run(const model_args *a, const opt_list *texts) {
    lmm_runtime *runtime;
    lmm_model *m;
    lmm_status st = model_args_open_text(&runtime, &m, a);
    if (st) return st;
    for (int i = 0; i < texts->count && !st; i++) st = show(m, texts->at[i]);
    if (!st && !texts->count) st = read_lines(m);
    lmm_model_close(m);
    lmm_runtime_close(runtime);
    return st;
}

lmm_status cmd_tokenize(int argc, char **argv) {
    model_args a = {0};
    const opt table[] = {model_opts(&a, "-m|--model"), {0}};
    bool done;
    opt_list texts = {0};
    lmm_status st =
        cli_parse(table, argc, argv, &texts, "lmm tokenize -m MODEL [TEXT...] [< lines.jsonl]",
                  "Shows the tokens of TEXT with their ids. Without one it reads {\"text\": ..., \"special\": true|false} or {\"ids\": "
                  "[...]} a line; `special` adds the model's own "
                  "begin and end tokens and "
                  "recognises special tokens spelled in the text (for ids: leaves special tokens out).",
                  "  lmm tokenize -m models/mini \"a red circle\"\n  echo '{\"text\": \"a red circle\"}' | lmm tokenize -m models/mini\n",
                  &done);
    if (!st && !done) st = run(&a, &texts);
    opts_free(table);
    free(texts.at);
    return st;
}
