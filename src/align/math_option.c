/* math_option.c - which of a few given answers ("A", "B", ...) a text settles on, by math_verify's patterns for strings. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "align/math_int.h"

enum { FINAL_HOPE, FINAL, ANSWER_COLON, ANSWER, FIRST, ANYWHERE, LEVEL_COUNT };
enum { FINAL_GAP = 100, ANSWER_GAP = 50 };

static bool is_blank(char c) { return isspace((unsigned char)c) != 0; }
static bool starts_any_case(const char *s, const char *word) { return !strncasecmp(s, word, strlen(word)); }

/* The option that stands exactly at s. */
static const char *option_at(const char *s, const char *const *options, int count) {
    for (int i = 0; i < count; i++)
        if (!strncmp(s, options[i], strlen(options[i]))) return options[i];
    return NULL;
}

/* An option as a word of its own, bold or not: its end, NULL when there is none. `start` is the text's. */
static const char *word_at(const char *s, const char *start, const char *const *options, int count, const char **option) {
    if (is_blank(*s)) s++;
    else if (s != start) return NULL;
    if (!strncmp(s, "**", 2)) s += 2;
    if (!(*option = option_at(s, options, count))) return NULL;
    s += strlen(*option);
    if (!strncmp(s, "**", 2)) s += 2;
    if (*s && !is_blank(*s) && !strchr(".,:", *s)) return NULL;
    return *s ? s + 1 : s;
}

/* Behind "final answer ... is" at s. */
static const char *final_at(const char *s, bool hope, const char *const *options, int count, const char **option) {
    if (!starts_any_case(s, "final answer")) return NULL;
    s += 12;
    for (int gap = 0; gap <= (hope ? 0 : FINAL_GAP) && s[gap]; gap++) {
        const char *k = s + gap;
        if (gap && s[gap - 1] == '\n') return NULL;
        if (!is_blank(*k)) continue;
        while (is_blank(*k)) k++;
        if (!starts_any_case(k, "is")) continue;
        k += 2;
        k += *k == ':';
        while (is_blank(*k)) k++;
        if (!(*option = option_at(k, options, count))) continue;
        k += strlen(*option);
        const char *h = k + (*k == '.');
        h += is_blank(*h);
        if (!hope || !strncmp(h, "I hope", 6)) return k;
    }
    return NULL;
}

static const char *match_at(int level, const char *s, const char *start, const char *const *options, int count, const char **option) {
    const char *end = NULL, *word = level == ANSWER_COLON ? "answer:" : "answer";
    if (level <= FINAL) return final_at(s, level == FINAL_HOPE, options, count, option);
    if (level == ANYWHERE) return word_at(s, start, options, count, option);
    if (level == FIRST) return s == start && !is_blank(*s) ? word_at(s, start, options, count, option) : NULL;
    if (!starts_any_case(s, word)) return NULL;
    s += strlen(word);
    for (int gap = 0; gap <= ANSWER_GAP && *s && !end; gap++, s++) {
        end = word_at(s, start, options, count, option);
        if (*s == '\n') break;
    }
    return end;
}

const char *math_option(const char *text, const char *const *options, int count) {
    const char *found = NULL, *option;
    size_t size = strlen(text);
    if (size > MATH_TEXT_MAX) text += size - MATH_TEXT_MAX;
    for (int level = 0; level < LEVEL_COUNT && !found; level++)
        for (const char *s = text; *s;) {
            const char *end = match_at(level, s, text, options, count, &option);
            if (end) found = option;
            s = end > s ? end : s + 1;
        }
    return found;
}
