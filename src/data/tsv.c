/* tsv.c - tables of text with a head line: fields between tabs (or commas), in double quotes when they hold one; a column whose cells are all
 * numbers becomes numbers, an empty cell null, as pandas reads them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "data/data_int.h"

typedef struct {
    const char *at, *end;
    char separator;
    int line;
} scanner;

/* One field; *last is set at the end of its line. NULL: a quote is never closed. */
static tree *field(scanner *s, bool *last) {
    buf b = {0};
    bool quoted = s->at < s->end && *s->at == '"', open = quoted;
    if (quoted) s->at++;
    while (s->at < s->end && (open || (*s->at != s->separator && *s->at != '\n'))) {
        if (open && *s->at == '"') {
            if (s->at + 1 < s->end && s->at[1] == '"') buf_putc(&b, '"'), s->at += 2;
            else open = false, s->at++;
            continue;
        }
        s->line += *s->at == '\n';
        buf_putc(&b, *s->at++);
    }
    if (b.size && !quoted && b.data[b.size - 1] == '\r') b.size--;
    *last = s->at >= s->end || *s->at == '\n';
    if (s->at < s->end) s->at++;
    buf clean = {0};
    utf8_repair(&clean, b.size ? b.data : "", b.size);
    tree *t = open ? NULL : tree_new_text(clean.size ? clean.data : "", clean.size);
    buf_free(&clean);
    buf_free(&b);
    return t;
}

static lmm_status line(scanner *s, tree **out, const char *path) {
    tree *list = tree_new(TREE_LIST);
    int start = s->line;
    for (bool last = false; !last;) {
        tree *t = field(s, &last);
        if (!t) return tree_free(list), LMM_FAIL(LMM_E_FORMAT, "'%s' line %d: a quote is opened and never closed", path, start);
        tree_add(list, t);
    }
    s->line++;
    return *out = list, LMM_OK;
}

/* ---- numbers ---- */

static bool whole(const char *t) {
    char *end;
    errno = 0;
    (void)strtoll(t, &end, 10);
    return *t && !isspace((unsigned char)*t) && !*end && !errno;
}

static bool real(const char *t) {
    char *end;
    (void)strtod(t, &end);
    return *t && !isspace((unsigned char)*t) && !*end && !strpbrk(t, "xXpP");
}

static void type_column(tree *rows, int k) {
    bool all_whole = true, all_real = true, any = false;
    for (int i = 0; i < rows->count; i++) {
        const tree *t = rows->items[i]->items[k];
        if (!t->text_size) continue;
        any = true;
        bool clean = strlen(t->text) == t->text_size;
        all_whole = all_whole && clean && whole(t->text);
        all_real = all_real && clean && real(t->text);
        if (!all_real) break;
    }
    for (int i = 0; i < rows->count; i++) {
        tree **slot = &rows->items[i]->items[k], *t = *slot;
        if (t->text_size && !(any && all_real)) continue;
        *slot = !t->text_size ? tree_new(TREE_NULL)
                : all_whole   ? tree_new_int(strtoll(t->text, NULL, 10))
                              : tree_new_real(strtod(t->text, NULL));
        tree_free(t);
    }
}

lmm_status tsv_parse(tree **out, const char *text, size_t size, char separator, const char *path) {
    scanner s = {text, text + size, separator, 1};
    tree *head = NULL, *rows = tree_new(TREE_LIST);
    lmm_status st =
        size ? line(&s, &head, path) : LMM_FAIL(LMM_E_FORMAT, "'%s' is empty; a table begins with the names of its columns", path);
    while (!st && s.at < s.end) {
        tree *cells, *row;
        int number = s.line;
        if ((st = line(&s, &cells, path))) break;
        bool blank = cells->count == 1 && !cells->items[0]->text_size && head->count > 1;
        if (!blank && cells->count != head->count)
            st = LMM_FAIL(LMM_E_FORMAT, "'%s' line %d: %d fields, the head names %d", path, number, cells->count, head->count);
        row = st || blank ? NULL : tree_new(TREE_MAP);
        for (int k = 0; row && k < cells->count; k++) tree_put(row, head->items[k]->text, tree_copy(cells->items[k]));
        if (row && row->count != head->count) st = LMM_FAIL(LMM_E_FORMAT, "'%s': two columns have the same name", path);
        if (row) tree_add(rows, row);
        tree_free(cells);
    }
    for (int k = 0; !st && k < head->count; k++) type_column(rows, k);
    tree_free(head);
    if (st) return tree_free(rows), st;
    return *out = rows, LMM_OK;
}
