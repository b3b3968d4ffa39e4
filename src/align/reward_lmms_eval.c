/* reward_lmms_eval.c - the accuracy of lmms-eval's reasoning tasks (tasks/_task_utils/reasoning_utils.py), without its judge. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "align/align.h"

/* ---- where the answer stands ---- */

/* The inside of the last box whose braces close; NULL without one. free() */
static char *last_closed_box(const char *text) {
    char *found = NULL;
    for (const char *box = text; (box = strstr(box, "\\boxed{"));) {
        const char *from = box += 7;
        int depth = 1;
        for (const char *p = from; *p && depth; p++) {
            depth += (*p == '{') - (*p == '}');
            if (depth) continue;
            free(found);
            found = mem_strndup(from, (size_t)(p - from));
        }
    }
    return found;
}

static bool in_word(const char *line, size_t i) {
    return i > 0 && (isalnum((unsigned char)line[i - 1]) || line[i - 1] == '_' || line[i - 1] & 0x80);
}

/* The number a line ends with, a full stop allowed behind it; NULL without one. free() */
static char *number_at_end(const char *line, size_t n) {
    while (n && isspace((unsigned char)line[n - 1])) n--;
    if (n && line[n - 1] == '.')
        for (n--; n && isspace((unsigned char)line[n - 1]);) n--;
    size_t from = n;
    while (from && isdigit((unsigned char)line[from - 1])) from--;
    if (from == n) return NULL;
    if (from >= 2 && line[from - 1] == '.' && isdigit((unsigned char)line[from - 2])) {
        size_t whole = from - 1;
        while (whole && isdigit((unsigned char)line[whole - 1])) whole--;
        if (!in_word(line, whole)) from = whole;
    }
    return in_word(line, from) ? NULL : mem_strndup(line + from, n - from);
}

char *lmms_eval_answer(const char *text) {
    size_t n;
    const char *tag = answer_find(text, false, false, &n);
    if (tag) return mem_strndup(tag, n);
    char *box = last_closed_box(text);
    if (box && *box) return box;
    free(box);
    const char *end = text + strlen(text);
    while (end > text) {
        const char *line = end;
        while (line > text && line[-1] != '\n') line--;
        char *number = number_at_end(line, (size_t)(end - line));
        if (number) return number;
        end = line > text ? line - 1 : text;
    }
    return mem_strdup("");
}

/* ---- letters ---- */

typedef struct {
    const char *text, *lower;
    char best;
    int rank;
    long at; /* of equal rank the first place wins, then the first found */
} vote;

static void consider(vote *v, char letter, int rank, const char *at) {
    const long place = at - v->text;
    if (v->best && (rank < v->rank || (rank == v->rank && place >= v->at))) return;
    v->best = letter, v->rank = rank, v->at = place;
}

/* The last place of before + letter + after. */
static const char *last_place(const char *text, const char *before, char letter, const char *after) {
    char what[16];
    const char *found = NULL;
    snprintf(what, sizeof what, "%s%c%s", before, letter, after);
    for (const char *p = text; (p = strstr(p, what)); p++) found = p;
    return found;
}

static void vote_marks(vote *v) {
    static const struct {
        const char *before, *after;
        int rank;
    } marks[] = {{"(", ")", 6}, {"", ".", 5}, {"", ":", 4}, {"", ")", 3}, {"", " ", 2}, {"", "-", 1}, {"", "_", 1}, {"", "=", 1}};
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        for (char c = 'A'; c <= 'H'; c++) {
            const char *at = last_place(v->text, marks[i].before, c, marks[i].after);
            if (at) consider(v, c, marks[i].rank, at);
        }
}

/* The original has longer phrases too, which begin with one of these and so never stand before it. */
static void vote_phrases(vote *v) {
    static const char *const phrases[] = {"answer",
                                          "the answer",
                                          "correct answer",
                                          "the correct answer",
                                          "best answer",
                                          "the best answer",
                                          "my answer is",
                                          "option is",
                                          "the option is",
                                          "correct option is",
                                          "the correct option is",
                                          "choice is",
                                          "the choice is",
                                          "correct choice is",
                                          "the correct choice is",
                                          "my choice is",
                                          "i choose",
                                          "i select",
                                          "i pick"};
    for (size_t i = 0; i < COUNT_OF(phrases); i++) {
        const char *at = strstr(v->lower, phrases[i]);
        for (char c = 'A'; at && c <= 'H'; c++) {
            const char *letter = strchr(v->text + (at - v->lower), c);
            if (letter) consider(v, c, 7, letter);
        }
    }
}

/* Anywhere, when nothing else speaks. */
static void vote_anywhere(vote *v) {
    for (char c = 'A'; c <= 'H'; c++) {
        const char *at = last_place(v->text, "", c, "");
        if (at) consider(v, c, 0, at);
    }
}

static void vote_numbered(vote *v) {
    for (char c = 'A'; c <= 'H'; c++) {
        const char number[] = {(char)('1' + c - 'A'), '.', ' ', '\0'};
        const char *at = last_place(v->text, number, c, "");
        if (at) consider(v, c, 8, at);
    }
}

/* " text " without the marks around it. */
static char *unmarked(const char *text) {
    char *s = python_strip(text), *from = s, *to = s + strlen(s);
    for (const char *mark = ",.!?;:'\""; *mark; mark++) {
        while (from < to && *from == *mark) from++;
        while (to > from && to[-1] == *mark) to--;
    }
    char *out = mem_printf(" %.*s ", (int)(to - from), from);
    free(s);
    return out;
}

char lmms_eval_letter(const char *text) {
    char *blank = python_strip(text), *s = unmarked(text), *lower = mem_strdup(s), *inside = python_strip(s);
    const size_t n = strlen(inside);
    vote v = {.text = s, .lower = lower};
    for (char *p = lower; *p; p++) *p = (char)tolower((unsigned char)*p);
    if (*blank) {
        vote_marks(&v);
        vote_phrases(&v);
        if (n && *inside >= 'A' && *inside <= 'H') consider(&v, *inside, 10, s);
        if (n && inside[n - 1] >= 'A' && inside[n - 1] <= 'H') consider(&v, inside[n - 1], 9, s + strlen(s) - 1);
        vote_numbered(&v);
        if (!v.best) vote_anywhere(&v);
    }
    free(inside), free(lower), free(s), free(blank);
    return v.best;
}

/* ---- the verdict ---- */

/* Without one full stop at the end, and blanks. */
static char *plain(const char *text) {
    size_t n = strlen(text);
    char *part = mem_strndup(text, n && text[n - 1] == '.' ? n - 1 : n), *out = python_strip(part);
    free(part);
    return out;
}

static bool nearly_within(const char *part, const char *whole) {
    return strstr(whole, part) && python_length(part, part + strlen(part)) >= 0.9 * python_length(whole, whole + strlen(whole));
}

static bool matches(const char *have, const char *want) {
    const char letter = lmms_eval_letter(want);
    if (letter) return lmms_eval_letter(have) == letter;
    return nearly_within(have, want) || nearly_within(want, have);
}

double reward_lmms_eval(const char *text, const char *gold) {
    size_t n = strlen(gold);
    const char *tag = answer_find(gold, true, false, &n);
    char *found = lmms_eval_answer(text), *inside = python_strip(found), *have = plain(inside);
    char *reference = mem_strndup(tag ? tag : gold, n), *want = plain(reference);
    double value = matches(have, want) || math_verify(want, have, true);
    free(want), free(reference), free(have), free(inside), free(found);
    return value;
}
