/* reward_vlm_r1.c - VLM-R1's accuracy rewards (open_r1/grpo_jsonl.py), methods "default" and "mcq": mathematics first, then numbers, letters, and how alike the texts are. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

/* What an answer tag holds, or all of the text, without blanks around; free() */
static char *answer_of(const char *text, bool last, bool one_line) {
    size_t n = strlen(text);
    const char *at = answer_find(text, last, one_line, &n);
    char *part = mem_strndup(at ? at : text, n), *out = python_strip(part);
    free(part);
    return out;
}

static double alike(const char *student, const char *gold) {
    char *a = answer_clean(student), *b = answer_clean(gold);
    double ratio = levenshtein_ratio(a, b);
    free(b);
    free(a);
    return ratio;
}

/* Equal as numbers, or, when one of them is none, how alike: wrong answers can earn something here. */
static double numeric(const char *student, const char *gold) {
    char *a = answer_clean(student), *b = answer_clean(gold);
    double x, y, value;
    if (python_number(a, &x) && python_number(b, &y)) value = x == y;
    else value = levenshtein_ratio(a, b);
    free(b);
    free(a);
    return value;
}

double reward_vlm_r1(const char *text, const char *gold) {
    char *want = answer_of(gold, false, true), *have = answer_of(text, true, false);
    const char letter = choice_letter(want);
    double value = math_verify(have, want, true);
    if (value == 0 && strpbrk(want, "0123456789")) value = numeric(have, want);
    else if (value == 0 && letter) value = choice_letter(have) == letter;
    else if (value == 0) value = alike(have, want);
    free(have);
    free(want);
    return value;
}

double reward_vlm_r1_choice(const char *text, const char *gold) {
    char *have = answer_of(text, false, false), *whole = answer_of(gold, true, false);
    const char want = choice_letter(whole), letter = choice_letter(have);
    double value = letter && (want ? letter == want : whole[0] == letter && !whole[1]);
    free(whole);
    free(have);
    return value;
}

/* ---- repetition ---- */

/* What stands between two fences, the first marked with `open`; NULL without. */
static const char *fenced(const char *text, const char *open, size_t *size) {
    const char *from = strstr(text, open), *to = from ? strstr(from + strlen(open), "```") : NULL;
    if (!to) return NULL;
    from += strlen(open);
    *size = (size_t)(to - from);
    return from;
}

static const char *skip_blanks(const char *s) {
    while (isspace((unsigned char)*s)) s++;
    return s;
}

/* A list of objects that speak of a box and then of a label, without a fence. */
static const char *bare_list(const char *text, size_t *size) {
    for (const char *from = text; (from = strchr(from, '[')); from++) {
        if (*skip_blanks(from + 1) != '{') continue;
        const char *box = strstr(from, "\"bbox_2d\""), *label = box ? strstr(box, "\"label\"") : NULL, *to = label;
        while (to && (to = strchr(to, '}')) && *skip_blanks(to + 1) != ']') to++;
        if (!to) return NULL;
        *size = (size_t)(skip_blanks(to + 1) + 1 - from);
        return from;
    }
    return NULL;
}

/* The list of boxes an answer holds; NULL when there is none that can be read. */
static tree *boxes_in(const char *text) {
    size_t size = 0;
    const char *at = fenced(text, "```json", &size);
    if (!at) at = fenced(text, "```", &size);
    if (!at || !size) at = bare_list(text, &size);
    tree *list = NULL;
    if (!at || tree_parse_json(&list, at, size, "boxes")) return NULL;
    if (list->type == TREE_LIST && list->count) return list;
    tree_free(list);
    return NULL;
}

/* A list that says the same box twice repeats itself; other texts are looked at word by word. */
double reward_vlm_r1_repetition(const char *text, int words, double penalty) {
    tree *list = boxes_in(text);
    if (!list) return reward_repeated_words(text, words, penalty);
    strmap *seen = strmap_new();
    int total = 0;
    for (int i = 0; i < list->count; i++) {
        const tree *box = tree_get(list->items[i], "bbox_2d"), *label = tree_get(list->items[i], "label");
        if (!box || !label) continue;
        buf key = {0};
        tree_write_json(&key, box, 0);
        buf_putc(&key, '_');
        tree_write_json(&key, label, 0);
        strmap_put(seen, key.data, key.size, total++);
        buf_free(&key);
    }
    double reward = total ? (1 - (double)strmap_count(seen) / total) * penalty : 0;
    strmap_free(seen);
    tree_free(list);
    return reward;
}
