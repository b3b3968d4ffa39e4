/* open.c - open answers of MMMU and Video-MMMU: candidates taken from a response, and whether one is right. */
#include <string.h>

#include "eval/eval_int.h"

const char *const open_words_mmmu[] = {"could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ", NULL};
const char *const open_words_video[] =
    {"could be ",   "so ",          "is ",          "thus ",         "therefore ",   "final ",     "answer ",
     "result ",     "are ",         "in total ",    "total ",        "identify ",    "recognize ", "calculated as ",
     "counted as ", "measured as ", "observed as ", "concluded as ", "found to be ", "equals ",    "determined to be ",
     "number of ",  "value is ",    "adds up to ",  "have ",         "has ",         NULL};

/* ---- normal forms ---- */

/* A number is rounded to two places; other text is lower-cased; a single character must stand apart. */
static void put_normal(scratch *mem, tree *out, const char *text) {
    double x;
    const char *t = py_strip(mem, text);
    if (py_float(&x, py_replace(mem, t, ",", ""))) {
        tree_add(out, tree_new_real(py_round(x, 2)));
        return;
    }
    t = py_lower(mem, t);
    if (py_len(t) == 1) {
        tree_add(out, tree_new_string(scratch_printf(mem, " %s", t)));
        tree_add(out, tree_new_string(scratch_printf(mem, "%s ", t)));
    } else tree_add(out, tree_new_string(t));
}

static bool same(const tree *a, const tree *b) {
    if (a->type != b->type) return false;
    return a->type == TREE_STRING ? !strcmp(a->text, b->text) : a->real == b->real;
}

static tree *without_doubles(tree *list) {
    tree *out = tree_new(TREE_LIST);
    for (int i = 0; i < list->count; i++) {
        bool seen = false;
        for (int k = 0; k < out->count && !seen; k++) seen = same(out->items[k], list->items[i]);
        if (!seen) tree_add(out, tree_copy(list->items[i]));
    }
    tree_free(list);
    return out;
}

/* ---- candidates ---- */

/* The shortest text after the last occurrence of an indicator; NULL when no indicator occurs. */
static const char *tail_of(scratch *mem, const char *part, const char *const *words, bool last) {
    const char *best = NULL;
    for (int i = 0; words[i] || last; i++) {
        const char *word = words[i] ? words[i] : "=", *hit = py_rfind(part, word);
        if (hit) {
            const char *x = py_strip(mem, hit + strlen(word));
            if (!best || !*best || py_len(x) < py_len(best)) best = x;
        }
        if (!words[i]) break;
    }
    return best;
}

static bool only_mark(const char *t) { return strlen(t) == 1 && strchr(":,.!?;'", *t); }

static void put_numbers(scratch *mem, tree *out, const char *text) {
    static const char *const patterns[] = {"-?\\b\\d{1,3}(?:,\\d{3})+\\b", "-?\\d+(?:\\.\\d+)?[eE][+-]?\\d+",
                                           "-?(?:\\d+\\.\\d+|\\.\\d+|\\d+\\b)(?![eE][+-]?\\d+)(?![,\\d])"};
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        regex *r;
        regex_match m;
        if (regex_open(&r, patterns[i], false)) continue;
        for (size_t at = 0; regex_find(r, text, at, &m); at = m.end[0])
            put_normal(mem, out, scratch_cut(mem, text + m.begin[0], m.end[0] - m.begin[0]));
        regex_close(r);
    }
}

/* Lower-cased text is split at newlines, and at ". X" before a letter that has no lower case. */
static char **parts_of(scratch *mem, const char *text, int *count) {
    return py_split_at(mem, regex_sub(mem, "\\.\\s(?=[A-Z])", text, "\n", 0), "\n", count);
}

tree *open_candidates(scratch *mem, const char *response, const char *const *words) {
    int count, tails = 0;
    const char *s = py_lower(mem, py_strip_of(mem, py_strip(mem, response), "."));
    char **parts = parts_of(mem, s, &count);
    const char **tail = scratch_get(mem, ((size_t)count + 1) * sizeof *tail);
    for (int i = 0; i < count; i++) {
        const char *t = tail_of(mem, parts[i], words, i == count - 1);
        if (t && *t && !only_mark(t)) tail[tails++] = t;
    }
    if (!tails) tail[tails++] = s;
    tree *out = tree_new(TREE_LIST);
    for (int i = 0; i < tails; i++) put_normal(mem, out, tail[i]);
    for (int i = 0; i < tails; i++) put_numbers(mem, out, tail[i]);
    return without_doubles(out);
}

/* ---- judgement ---- */

static tree *gold_forms(scratch *mem, const tree *gold) {
    tree *out = tree_new(TREE_LIST);
    if (gold && gold->type == TREE_LIST)
        for (int i = 0; i < gold->count; i++) put_normal(mem, out, py_str(mem, gold->items[i]));
    else put_normal(mem, out, py_str(mem, gold));
    return out;
}

static bool fits(const tree *candidate, const tree *gold) {
    if (candidate->type == TREE_STRING) return gold->type == TREE_STRING && strstr(candidate->text, gold->text);
    return gold->type != TREE_STRING && candidate->real == gold->real;
}

bool open_correct(scratch *mem, const tree *gold, const tree *candidates) {
    tree *golds = gold_forms(mem, gold);
    bool right = false;
    for (int i = 0; candidates && i < candidates->count && !right; i++)
        for (int k = 0; k < golds->count && !right; k++) right = fits(candidates->items[i], golds->items[k]);
    tree_free(golds);
    return right;
}
