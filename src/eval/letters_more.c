/* letters_more.c - the letter rules that belong to one benchmark each, and MMBench's inference of an option. */
#include <string.h>

#include "eval/eval_int.h"

static const char *one_letter(const letter_rule *r, char c) { return scratch_cut(r->mem, &c, 1); }

static const char *first_of(const letter_rule *r, const char *t) {
    size_t n = strcspn(t, r->letters);
    return t[n] ? one_letter(r, t[n]) : "";
}

/* ---- lead-in phrases taken away, then the first letter of the class ---- */

static const char *without(const letter_rule *r, const char *response, const char *const *phrases, size_t count) {
    for (size_t i = 0; i < count; i++) response = py_replace(r->mem, response, phrases[i], "");
    return response;
}

const char *letter_phrase(const letter_rule *r, const char *response) {
    static const char *const phrases[] = {"The best answer is", "The correct answer is", "The answer is", "The answer",
                                          "The best option is", "The correct option is", "Best answer:",  "Best option:"};
    return first_of(r, without(r, py_strip(r->mem, response), phrases, COUNT_OF(phrases)));
}

const char *letter_phrase_random(const letter_rule *r, const char *response) {
    const char *found = letter_phrase(r, response);
    return *found ? found : letter_by_chance(r);
}

/* EgoPlan's list lacks two commas, which joins its last four phrases into two. */
const char *letter_egoplan(const letter_rule *r, const char *response) {
    static const char *const phrases[] = {"The best answer is",
                                          "The correct answer is",
                                          "The answer is",
                                          "The answer",
                                          "The best option isThe correct option is",
                                          "Best answer:Best option:"};
    return first_of(r, without(r, py_strip(r->mem, response), phrases, COUNT_OF(phrases)));
}

/* A letter of A-E, else the first option whose text the response contains. */
const char *letter_egotaskqa(const letter_rule *r, const char *response) {
    static const char *const words[] = {"answer", "Answer"};
    const char *t = without(r, response, words, COUNT_OF(words)), *low = py_lower(r->mem, t);
    size_t n = strcspn(t, "ABCDE");
    if (t[n] && strchr(r->letters, t[n])) return one_letter(r, t[n]);
    for (int i = 0; r->letters[i] && r->texts; i++) {
        const char *text = py_lower(r->mem, py_strip_of(r->mem, py_strip(r->mem, r->texts[i]), "."));
        if (strstr(low, text)) return one_letter(r, r->letters[i]);
    }
    return "";
}

/* ---- EgoSchema: of several candidates the one whose last place is the earliest ---- */

typedef struct {
    long at;
    char letter;
    int count;
} earliest;

static void consider(earliest *e, const char *t, const char *what, char letter) {
    const char *hit = py_rfind(t, what);
    if (!hit) return;
    if (!e->count++ || hit - t < e->at) e->at = hit - t, e->letter = letter;
}

const char *letter_egoschema(const letter_rule *r, const char *response) {
    const char *t = response;
    static const char marks[] = ",.!?;:'";
    int words;
    for (int i = 0; marks[i]; i++) t = py_strip_of(r->mem, t, one_letter(r, marks[i]));
    t = scratch_printf(r->mem, " %s ", t);
    earliest e = {0};
    for (const char *l = r->letters; *l; l++) consider(&e, t, scratch_printf(r->mem, "(%c)", *l), *l);
    for (const char *l = r->letters; *l; l++) consider(&e, t, scratch_printf(r->mem, "%c ", *l), *l);
    for (const char *l = r->letters; *l; l++) consider(&e, t, scratch_printf(r->mem, "%c.", *l), *l);
    py_split(r->mem, t, &words);
    if (!e.count && words > 5 && r->texts) {
        const char *low = py_lower(r->mem, t);
        for (int i = 0; r->letters[i]; i++) consider(&e, low, py_lower(r->mem, r->texts[i]), r->letters[i]);
    }
    return e.count ? one_letter(r, e.letter) : letter_by_chance(r);
}

/* ---- first characters ---- */

const char *letter_word(const letter_rule *r, const char *response) {
    regex_match m;
    return regex_search("\\b[A-D]\\b", response, &m) ? one_letter(r, response[m.begin[0]]) : "";
}

const char *letter_first_char(const letter_rule *r, const char *response) {
    uint32_t cp;
    return *response ? scratch_cut(r->mem, response, (size_t)utf8_decode(response, strlen(response), &cp)) : "";
}

const char *letter_raw(const letter_rule *r, const char *response) { return scratch_cut(r->mem, response, strlen(response)); }

/* ScienceQA: "B. text" counts as B, anything else as it stands in capitals. */
const char *letter_leading(const letter_rule *r, const char *response) {
    uint32_t cp;
    int n = *response ? utf8_decode(response, strlen(response), &cp) : 0;
    if (n && py_is_upper(cp) && response[n] == '.') return scratch_cut(r->mem, response, (size_t)n);
    char *upper = py_upper(r->mem, response);
    return strlen(upper) == 1 && strlen(response) == 1 ? upper : "";
}

/* MVBench: "B. text" or the first standalone letter a to e of the cleaned text, else that text. */
const char *letter_mvbench(const letter_rule *r, const char *response) {
    regex_match m;
    const char *t = py_strip(r->mem, response);
    if (regex_search("(?i)^([A-E])\\.\\s*(.+)$", t, &m)) return py_upper(r->mem, scratch_cut(r->mem, t + m.begin[1], 1));
    t = py_strip(r->mem, py_replace(r->mem, py_replace(r->mem, response, "\n", " "), "\t", " "));
    t = py_lower(r->mem, py_strip_of(r->mem, vqa_punctuation(r->mem, t), "'\"() "));
    if (regex_search("\\b([a-e])\\b", t, &m)) return py_upper(r->mem, scratch_cut(r->mem, t + m.begin[1], 1));
    return t;
}

/* ---- MMBench ---- */

static bool has_word(char **words, int n, const char *word) {
    for (int i = 0; i < n; i++)
        if (!strcmp(words[i], word)) return true;
    return false;
}

/* The only letter of A-E whose decorated form is a word of the response; *hits says how many were. */
static char only(scratch *mem, char **words, int n, const char *before, const char *after, int *hits) {
    char letter = 0;
    *hits = 0;
    for (char l = 'A'; l <= 'E'; l++)
        if (has_word(words, n, scratch_printf(mem, "%s%c%s", before, l, after))) ++*hits, letter = l;
    return *hits == 1 ? letter : 0;
}

const char *mmbench_option(scratch *mem, const char *response) {
    static const char *const forms[][2] = {{"", "."},   {"", ","}, {"", ":"},  {"", ")"},  {"", ")."}, {"(", ")"},
                                           {"(", ")."}, {":", ""}, {":", ","}, {":", "."}, {":", ")"}, {":", ")."}};
    int n, hits;
    if (strstr(response, "Failed to obtain answer via API")) return NULL;
    char **words = py_split(mem, response, &n), letter = only(mem, words, n, "", "", &hits);
    if (letter && !(has_word(words, n, "A") && n > 3)) return scratch_cut(mem, &letter, 1);
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if ((letter = only(mem, words, n, forms[i][0], forms[i][1], &hits))) return scratch_cut(mem, &letter, 1);
    return NULL;
}

const char *mmbench_prefetch(const letter_rule *r, const char *response) {
    const char *found = mmbench_option(r->mem, response), *low = py_lower(r->mem, response);
    int hits = 0;
    char letter = 0;
    if (found) return found;
    for (int i = 0; r->letters[i]; i++)
        if (r->letters[i] != 'E' && strstr(low, py_lower(r->mem, r->texts[i]))) hits++, letter = r->letters[i];
    return hits == 1 ? one_letter(r, letter) : NULL;
}
