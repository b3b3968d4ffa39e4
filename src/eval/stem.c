/* stem.c - the Snowball stemmer for English ("Porter 2", snowballstem.org), of lower-case words. */
#include <string.h>

#include "eval/eval_int.h"

typedef struct {
    char *w; /* 'Y' is a y that acts as a consonant */
    int n, r1, r2;
} word;

static bool vowel(char c) { return c && strchr("aeiouy", c); }
static bool ends(const word *s, const char *end) {
    int n = (int)strlen(end);
    return s->n >= n && !memcmp(s->w + s->n - n, end, (size_t)n);
}
static bool in_r1(const word *s, int length) { return s->n - length >= s->r1; }
static bool in_r2(const word *s, int length) { return s->n - length >= s->r2; }

static void cut(word *s, int n) { s->w[s->n -= n] = '\0'; }
static void change(word *s, int n, const char *to) {
    cut(s, n);
    memcpy(s->w + s->n, to, strlen(to) + 1);
    s->n += (int)strlen(to);
}

static bool has_vowel(const word *s, int before) {
    for (int i = 0; i < before; i++)
        if (vowel(s->w[i])) return true;
    return false;
}

static bool doubled(const word *s) { return s->n > 1 && s->w[s->n - 1] == s->w[s->n - 2] && strchr("bdfgmnprt", s->w[s->n - 1]); }

static bool short_syllable(const word *s, int end) {
    if (end < 2 || !vowel(s->w[end - 2])) return false;
    if (end == 2) return vowel(s->w[0]) && !vowel(s->w[1]);
    return !vowel(s->w[end - 3]) && !vowel(s->w[end - 1]) && !strchr("wxY", s->w[end - 1]);
}

static bool is_short(const word *s) { return s->r1 >= s->n && short_syllable(s, s->n); }

static int region(const word *s, int from) {
    for (int i = from + 1; i < s->n; i++)
        if (!vowel(s->w[i]) && vowel(s->w[i - 1])) return i + 1;
    return s->n;
}

static void regions(word *s) {
    static const char *const heads[] = {"gener", "commun", "arsen"};
    s->r1 = -1;
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        if (!strncmp(s->w, heads[i], strlen(heads[i]))) s->r1 = (int)strlen(heads[i]);
    if (s->r1 < 0) s->r1 = region(s, 0);
    s->r2 = region(s, s->r1);
}

static void mark_y(word *s) {
    for (int i = 0; i < s->n; i++)
        if (s->w[i] == 'y' && (!i || vowel(s->w[i - 1]))) s->w[i] = 'Y';
}

/* ---- steps ---- */

static void step_0(word *s) {
    if (ends(s, "'s'")) cut(s, 3);
    else if (ends(s, "'s")) cut(s, 2);
    else if (ends(s, "'")) cut(s, 1);
}

static void step_1a(word *s) {
    if (ends(s, "sses")) cut(s, 2);
    else if (ends(s, "ied") || ends(s, "ies")) cut(s, s->n > 4 ? 2 : 1);
    else if (ends(s, "us") || ends(s, "ss")) return;
    else if (ends(s, "s") && has_vowel(s, s->n - 2)) cut(s, 1);
}

static void step_1b(word *s) {
    static const char *const ways[] = {"ingly", "edly", "ing", "ed"};
    if (ends(s, "eedly") || ends(s, "eed")) {
        int n = ends(s, "eed") ? 3 : 5;
        if (in_r1(s, n)) cut(s, n - 2);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        int n = (int)strlen(ways[i]);
        if (!ends(s, ways[i])) continue;
        if (!has_vowel(s, s->n - n)) return;
        cut(s, n);
        if (ends(s, "at") || ends(s, "bl") || ends(s, "iz")) change(s, 0, "e");
        else if (doubled(s)) cut(s, 1);
        else if (is_short(s)) change(s, 0, "e");
        return;
    }
}

static void step_1c(word *s) {
    if (s->n > 2 && strchr("yY", s->w[s->n - 1]) && !vowel(s->w[s->n - 2])) s->w[s->n - 1] = 'i';
}

typedef struct {
    const char *end, *to;
} rule;

/* The longest ending that fits; applied when it lies in R1. */
static const rule *longest(const word *s, const rule *rules, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (ends(s, rules[i].end)) return &rules[i];
    return NULL;
}

static void step_2(word *s) {
    static const rule rules[] = {{"ational", "ate"}, {"fulness", "ful"}, {"iveness", "ive"}, {"ization", "ize"}, {"ousness", "ous"},
                                 {"biliti", "ble"},  {"lessli", "less"}, {"tional", "tion"}, {"alism", "al"},    {"aliti", "al"},
                                 {"ation", "ate"},   {"entli", "ent"},   {"fulli", "ful"},   {"iviti", "ive"},   {"ousli", "ous"},
                                 {"abli", "able"},   {"alli", "al"},     {"anci", "ance"},   {"ator", "ate"},    {"enci", "ence"},
                                 {"izer", "ize"},    {"bli", "ble"},     {"ogi", "og"},      {"li", ""}};
    const rule *r = longest(s, rules, COUNT_OF(rules));
    if (!r || !in_r1(s, (int)strlen(r->end))) return;
    char before = s->n > (int)strlen(r->end) ? s->w[s->n - (int)strlen(r->end) - 1] : 'x';
    if (!strcmp(r->end, "ogi") && before != 'l') return;
    if (!strcmp(r->end, "li") && !strchr("cdeghkmnrt", before)) return;
    change(s, (int)strlen(r->end), r->to);
}

static void step_3(word *s) {
    static const rule rules[] = {{"ational", "ate"}, {"tional", "tion"}, {"alize", "al"}, {"ative", ""}, {"icate", "ic"},
                                 {"iciti", "ic"},    {"ical", "ic"},     {"ness", ""},    {"ful", ""}};
    const rule *r = longest(s, rules, COUNT_OF(rules));
    if (!r || !in_r1(s, (int)strlen(r->end)) || (!strcmp(r->end, "ative") && !in_r2(s, 5))) return;
    change(s, (int)strlen(r->end), r->to);
}

static void step_4(word *s) {
    static const rule rules[] = {{"ement", ""}, {"able", ""}, {"ance", ""}, {"ence", ""}, {"ible", ""}, {"ment", ""},
                                 {"ant", ""},   {"ate", ""},  {"ent", ""},  {"ion", ""},  {"ism", ""},  {"iti", ""},
                                 {"ive", ""},   {"ize", ""},  {"ous", ""},  {"al", ""},   {"er", ""},   {"ic", ""}};
    const rule *r = longest(s, rules, COUNT_OF(rules));
    if (!r || !in_r2(s, (int)strlen(r->end))) return;
    if (!strcmp(r->end, "ion") && (s->n < 4 || !strchr("st", s->w[s->n - 4]))) return;
    cut(s, (int)strlen(r->end));
}

static void step_5(word *s) {
    if (ends(s, "e")) {
        if (in_r2(s, 1) || (in_r1(s, 1) && !short_syllable(s, s->n - 1))) cut(s, 1);
    } else if (ends(s, "ll") && in_r2(s, 1)) cut(s, 1);
}

static const rule exceptions[] = {{"skis", "ski"},      {"skies", "sky"},    {"dying", "die"},  {"lying", "lie"},   {"tying", "tie"},
                                  {"idly", "idl"},      {"gently", "gentl"}, {"ugly", "ugli"},  {"early", "earli"}, {"only", "onli"},
                                  {"singly", "singl"},  {"sky", "sky"},      {"news", "news"},  {"howe", "howe"},   {"atlas", "atlas"},
                                  {"cosmos", "cosmos"}, {"bias", "bias"},    {"andes", "andes"}};
static const char *const kept_after_1a[] = {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"};

char *stem_english(scratch *mem, const char *text) {
    char *room = scratch_get(mem, strlen(text) + 4);
    memcpy(room, text, strlen(text) + 1);
    word s = {room, (int)strlen(text), 0, 0};
    if (s.n < 3) return room;
    for (size_t i = 0; i < COUNT_OF(exceptions); i++)
        if (!strcmp(text, exceptions[i].end)) return scratch_cut(mem, exceptions[i].to, strlen(exceptions[i].to));
    if (*s.w == '\'') memmove(s.w, s.w + 1, (size_t)s.n--);
    mark_y(&s);
    regions(&s);
    step_0(&s);
    step_1a(&s);
    for (size_t i = 0; i < COUNT_OF(kept_after_1a); i++)
        if (!strcmp(s.w, kept_after_1a[i])) return s.w;
    step_1b(&s);
    step_1c(&s);
    step_2(&s);
    step_3(&s);
    step_4(&s);
    step_5(&s);
    for (int i = 0; i < s.n; i++)
        if (s.w[i] == 'Y') s.w[i] = 'y';
    return s.w;
}
