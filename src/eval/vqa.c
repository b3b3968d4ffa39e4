/* vqa.c - VQA accuracy with the normalisation of the EvalAI server (Antol et al. 2015), as lmms-eval carries it. */
#include <string.h>

#include "eval/eval_int.h"

/* ---- the three steps ---- */

char *vqa_word_tokenize(scratch *mem, const char *text) {
    char *t = py_replace(mem, py_replace(mem, py_lower(mem, text), ",", ""), "?", "");
    return py_strip(mem, py_replace(mem, t, "'s", " 's"));
}

/* Whether a mark is deleted or becomes a blank is decided on the text before this step, the change is made on the text so far. */
char *vqa_punctuation(scratch *mem, const char *text) {
    static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";
    regex_match m;
    bool comma = regex_search("(?<=\\d),+(?=\\d)", text, &m);
    char *out = scratch_cut(mem, text, strlen(text));
    for (int i = 0; marks[i]; i++) {
        const char one[] = {marks[i], 0}, after[] = {marks[i], ' ', 0}, before[] = {' ', marks[i], 0};
        out = py_replace(mem, out, one, comma || strstr(text, after) || strstr(text, before) ? "" : " ");
    }
    return regex_sub(mem, "\\.(?!\\d)", out, "", 32); /* a flag stands where the count belongs: 32 points at most */
}

static const char *const number_words[][2] = {{"none", "0"}, {"zero", "0"}, {"one", "1"},   {"two", "2"},   {"three", "3"}, {"four", "4"},
                                              {"five", "5"}, {"six", "6"},  {"seven", "7"}, {"eight", "8"}, {"nine", "9"},  {"ten", "10"}};

/* A contraction is found by its form with one apostrophe missing. Forms with a capital (I'm, I'd've) cannot be met in lower-cased text. */
static const char *const contractions[] = {"ain't",        "aren't",       "can't",        "could've",      "couldn't",    "couldn't've",
                                           "didn't",       "doesn't",      "don't",        "hadn't",        "hadn't've",   "hasn't",
                                           "haven't",      "he'd",         "he'd've",      "he's",          "how'd",       "how'll",
                                           "how's",        "isn't",        "it'd",         "it'd've",       "it'll",       "ma'am",
                                           "mightn't",     "mightn't've",  "might've",     "mustn't",       "must've",     "needn't",
                                           "not've",       "o'clock",      "oughtn't",     "'ow's'at",      "shan't",      "she'd've",
                                           "should've",    "shouldn't",    "shouldn't've", "somebody'd've", "somebody'll", "somebody's",
                                           "someone'd",    "someone'd've", "someone'll",   "someone's",     "something'd", "something'd've",
                                           "something'll", "that's",       "there'd",      "there'd've",    "there're",    "there's",
                                           "they'd",       "they'd've",    "they'll",      "they're",       "they've",     "'twas",
                                           "wasn't",       "we'd've",      "we've",        "weren't",       "what'll",     "what're",
                                           "what's",       "what've",      "when's",       "where'd",       "where's",     "where've",
                                           "who'd",        "who'd've",     "who'll",       "who's",         "who've",      "why'll",
                                           "why're",       "why's",        "won't",        "would've",      "wouldn't",    "wouldn't've",
                                           "y'all",        "y'all'll",     "y'all'd've",   "you'd",         "you'd've",    "you'll",
                                           "you're",       "you've"};

static bool lacks_one_apostrophe(const char *word, const char *full) {
    size_t n = strlen(word);
    if (strlen(full) != n + 1) return false;
    for (size_t i = 0; i <= n; i++)
        if (full[i] == '\'' && !strncmp(full, word, i) && !strcmp(full + i + 1, word + i)) return true;
    return false;
}

static const char *contraction(const char *word) {
    if (!strcmp(word, "somebody'd")) return "somebodyd";
    for (size_t i = 0; i < COUNT_OF(contractions); i++)
        if (lacks_one_apostrophe(word, contractions[i])) return contractions[i];
    return word;
}

static bool is_article(const char *word) { return !strcmp(word, "a") || !strcmp(word, "an") || !strcmp(word, "the"); }

char *vqa_digit_article(scratch *mem, const char *text) {
    int n;
    char **words = py_split(mem, py_lower(mem, text), &n);
    buf b = {0};
    for (int i = 0; i < n; i++) {
        const char *w = words[i];
        for (size_t k = 0; k < COUNT_OF(number_words); k++)
            if (!strcmp(w, number_words[k][0])) {
                w = number_words[k][1];
                break;
            }
        if (is_article(w)) continue;
        if (b.size) buf_putc(&b, ' ');
        buf_puts(&b, contraction(w));
    }
    char *out = scratch_cut(mem, b.size ? b.data : "", b.size);
    buf_free(&b);
    return out;
}

char *vqa_normal(scratch *mem, const char *text, bool tokenize) {
    const char *t = tokenize ? vqa_word_tokenize(mem, text) : text;
    t = py_strip(mem, py_replace(mem, py_replace(mem, t, "\n", " "), "\t", " "));
    return vqa_digit_article(mem, vqa_punctuation(mem, t));
}

/* ---- accuracy ---- */

static const char *answer_text(const tree *a) {
    const char *inner = tree_str(a, "answer", NULL);
    return inner ? inner : a->type == TREE_STRING ? a->text : "";
}

/* Mean over the annotators of min(1, agreeing others / 3). */
double vqa_accuracy(scratch *mem, const char *response, const tree *answers, bool tokenize) {
    int n = answers && answers->type == TREE_LIST ? answers->count : 0, same = 0;
    const char *mine = vqa_normal(mem, response, tokenize);
    bool *equal = scratch_get(mem, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        equal[i] = !strcmp(mine, vqa_normal(mem, answer_text(answers->items[i]), tokenize));
        same += equal[i];
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double share = (same - equal[i]) / 3.0;
        sum += share < 1 ? share : 1;
    }
    return n ? sum / n : 0;
}
