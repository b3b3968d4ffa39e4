/* letters.c - which option a response names: the extractor shared by most multiple-choice tasks, MMMU's, and Video-MMMU's first one.
 *
 * They follow lmms-eval's functions to the letter, oddities included: a letter needs no boundary on its left ("DNA " names A), a sentence that
 * begins with the article "A" names A. Positions are compared only with each other, so bytes serve as well as characters. */
#include <string.h>

#include "eval/eval_int.h"

/* Each character stripped once from both ends, one after the other; then a blank on either side. */
static char *padded(scratch *mem, const char *response, const char *marks) {
    char *t = scratch_cut(mem, response, strlen(response)), one[2] = {0};
    for (; *marks; marks++) one[0] = *marks, t = py_strip_of(mem, t, one);
    return scratch_printf(mem, " %s ", t);
}

static const char *one_letter(const letter_rule *r, char c) {
    char text[2] = {c, 0};
    return scratch_cut(r->mem, text, 1);
}

/* ---- the shared extractor ---- */

typedef struct {
    char letter;
    long at;
    int rank;
} candidate;

/* Higher rank, then later place, then first found. */
static void offer(candidate *best, char letter, long at, int rank) {
    if (!best->letter || rank > best->rank || (rank == best->rank && at > best->at)) *best = (candidate){letter, at, rank};
}

static const char *const phrases[] = {"the answer is",
                                      "answer is",
                                      "the correct answer is",
                                      "correct answer is",
                                      "the best answer is",
                                      "best answer is",
                                      "the correct option is",
                                      "correct option is",
                                      "the best option is",
                                      "best option is",
                                      "the choice is",
                                      "choice is",
                                      "the correct choice is",
                                      "correct choice is",
                                      "i choose",
                                      "i select",
                                      "i pick",
                                      "my answer is",
                                      "my choice is",
                                      "옵션",
                                      "정답은",
                                      "답은",
                                      "답:",
                                      "答案是",
                                      "答案为",
                                      "选",
                                      "答えは"};

static void offer_shapes(candidate *best, const char *t, const char *letters) {
    static const struct {
        const char *before, *after;
        int rank;
    } shapes[] = {{"(", ")", 6}, {"", ".", 5}, {"", ":", 4}, {"", ")", 3}, {"", " ", 2}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (const char *l = letters; *l; l++) {
            char what[4];
            snprintf(what, sizeof what, "%s%c%s", shapes[i].before, *l, shapes[i].after);
            const char *hit = py_rfind(t, what);
            if (hit) offer(best, *l, hit - t, shapes[i].rank);
        }
}

/* The byte in `text` at the same character as byte `at` of `lower`: lower-casing may change the length of a character. */
static const char *same_character(const char *text, const char *lower, size_t at) {
    uint32_t cp;
    for (size_t i = 0; i < at && *text;) {
        i += (size_t)utf8_decode(lower + i, strlen(lower + i), &cp);
        text += utf8_decode(text, strlen(text), &cp);
    }
    return text;
}

static void offer_phrases(candidate *best, scratch *mem, const char *t, const char *letters) {
    const char *low = py_lower(mem, t);
    for (size_t i = 0; i < COUNT_OF(phrases); i++) {
        const char *hit = strstr(low, phrases[i]);
        if (!hit) continue;
        const char *from = same_character(t, low, (size_t)(hit - low) + strlen(phrases[i]));
        for (const char *l = letters; *l; l++) {
            const char *found = strchr(from, *l);
            if (found) offer(best, *l, found - t, 7);
        }
    }
}

static void offer_ends(candidate *best, scratch *mem, const char *t, const char *letters) {
    int n;
    const char *s = py_strip(mem, t);
    const uint32_t *cp = py_code_points(mem, s, &n);
    for (const char *l = letters; n && *l; l++)
        if (cp[0] == (uint32_t)*l && (n == 1 || !py_is_alpha(cp[1]))) offer(best, *l, 0, 10);
    for (const char *l = letters; n && *l; l++)
        if (cp[n - 1] == (uint32_t)*l && (n == 1 || !py_is_alpha(cp[n - 2]))) offer(best, *l, (long)strlen(t) - 1, 9);
}

static void offer_anywhere(candidate *best, const char *t, const char *letters) {
    for (const char *l = letters; *l; l++) {
        const char *hit = strrchr(t, *l);
        if (hit) offer(best, *l, hit - t, 0);
    }
}

const char *letter_shared(const letter_rule *r, const char *response) {
    const char *t = py_strip(r->mem, response);
    candidate best = {0};
    if (!*t) return "";
    t = padded(r->mem, t, ",.!?;:'\"");
    offer_shapes(&best, t, r->letters);
    offer_phrases(&best, r->mem, t, r->letters);
    offer_ends(&best, r->mem, t, r->letters);
    if (!best.letter) offer_anywhere(&best, t, r->letters);
    return best.letter ? one_letter(r, best.letter) : "";
}

/* ---- MMMU ---- */

typedef enum { FIND_BRACKET, FIND_BLANK, FIND_DOT, FIND_COLON, FIND_TEXT } find_way;

static const char *shape_of(scratch *mem, find_way way, char letter) {
    const char after = way == FIND_BRACKET ? ')' : way == FIND_BLANK ? ' ' : way == FIND_DOT ? '.' : ':';
    return scratch_printf(mem, "%s%c%c", way == FIND_BRACKET ? "(" : "", letter, after);
}

/* The letters whose shape occurs in t, in order, appended to `out`. */
static void collect(const letter_rule *r, const char *t, find_way way, char *out) {
    const char *low = way == FIND_TEXT ? py_lower(r->mem, t) : t;
    size_t n = strlen(out);
    for (int i = 0; r->letters[i]; i++) {
        const char *what = way == FIND_TEXT ? py_lower(r->mem, r->texts[i]) : shape_of(r->mem, way, r->letters[i]);
        if (strstr(low, what)) out[n++] = r->letters[i];
    }
    out[n] = '\0';
}

/* The collected letter whose last place is the furthest; the first among equals. FIND_BLANK looks for " L " here. */
static char latest(const letter_rule *r, const char *t, find_way way, const char *found) {
    const char *low = way == FIND_TEXT ? py_lower(r->mem, t) : t;
    long best = -2;
    char letter = 0;
    for (; *found; found++) {
        const char *what =
            way == FIND_TEXT ? py_lower(r->mem, r->texts[strchr(r->letters, *found) - r->letters]) : shape_of(r->mem, way, *found);
        if (way == FIND_BLANK) what = scratch_printf(r->mem, " %s", what);
        const char *hit = py_rfind(low, what);
        long at = hit ? hit - low : -1;
        if (at > best) best = at, letter = *found;
    }
    return letter;
}

static bool many_words(scratch *mem, const char *t) {
    int n;
    py_split(mem, t, &n);
    return n > 5;
}

const char *letter_by_chance(const letter_rule *r) {
    const char *from = r->chance && *r->chance ? r->chance : r->letters;
    if (!r->random || !*from) return "";
    if (r->drawn) ++*r->drawn;
    return one_letter(r, from[py_random_below(r->random, (int)strlen(from))]);
}

const char *letter_mmmu(const letter_rule *r, const char *response) {
    const char *t = padded(r->mem, response, ",.!?;:'");
    char found[64] = "";
    find_way way = FIND_BRACKET;
    collect(r, t, FIND_BRACKET, found);
    if (!*found) collect(r, t, FIND_BLANK, found), way = FIND_BLANK;
    if (!*found) collect(r, t, FIND_DOT, found); /* still ranked by " L " */
    if (!*found && r->texts && many_words(r->mem, t)) collect(r, t, FIND_TEXT, found), way = FIND_TEXT;
    if (!*found) return letter_by_chance(r);
    return one_letter(r, found[1] ? latest(r, t, way, found) : *found);
}

/* ---- Video-MMMU's own code ---- */

const char *letter_paper(const letter_rule *r, const char *response, const char *none) {
    if (!*response || !strcmp(response, "API Error")) return "API Error";
    const char *t = padded(r->mem, response, ",.!?;:'");
    char found[64] = "";
    collect(r, t, FIND_DOT, found);
    find_way way = FIND_DOT;
    size_t dots = strlen(found);
    collect(r, t, FIND_COLON, found);
    if (!dots && *found) way = FIND_COLON;
    if (!*found) collect(r, t, FIND_BRACKET, found), way = FIND_BRACKET;
    if (!*found) collect(r, t, FIND_BLANK, found), way = FIND_BLANK;
    if (!*found && r->texts && many_words(r->mem, t)) collect(r, t, FIND_TEXT, found), way = FIND_TEXT;
    if (!*found) return none;
    return one_letter(r, found[1] ? latest(r, t, way, found) : *found);
}

const char *letter_paper_choice(const letter_rule *r, const char *response) { return letter_paper(r, response, "No Answere Found"); }
