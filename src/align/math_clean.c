/* math_clean.c - spellings of the same mathematics brought to one form before it is parsed: boxes opened, layout removed, words and signs as commands, units cut off.
 * The rules are those math_verify's default settings apply (rl.md 3.4). */
#include "align/math_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_alpha(char c) { return isalpha((unsigned char)c) != 0; }

/* ---- boxes ---- */

/* The matching brace of the one at `open`; `end` when it never closes. */
static const char *closing_brace(const char *open, const char *end) {
    int depth = 0;
    for (const char *s = open; s < end; s++) {
        depth += *s == '{' ? 1 : *s == '}' ? -1 : 0;
        if (!depth) return s;
    }
    return end;
}

static const char *last_box(const char *text, const char *end, size_t *size) {
    for (const char *s = end; s > text;) {
        s--;
        if (*s != '\\') continue;
        *size = (size_t)(end - s) >= 6 && !strncmp(s, "\\boxed", 6) ? 6 : (size_t)(end - s) >= 5 && !strncmp(s, "\\fbox", 5) ? 5 : 0;
        if (*size) return s;
    }
    return NULL;
}

/* Text between two boxes that leaves them one answer: a few bytes, or a longer stretch with a separator. */
static bool joins(const char *from, const char *to) {
    size_t n = (size_t)(to - from);
    if (n < 10) return true;
    for (size_t i = 0; n < 70 && i < n; i++) {
        if (from[i] == ',' || from[i] == ';') return true;
        size_t word = !strncmp(from + i, "and", 3) ? 3 : !strncmp(from + i, "or", 2) ? 2 : 0;
        if (word && i + word <= n && (!i || !is_alpha(from[i - 1])) && !is_alpha(from[i + word])) return true;
    }
    return false;
}

char *math_unbox(const char *text, size_t size, bool all) {
    const char *end = text + size, *later = NULL;
    char *out = NULL;
    size_t word;
    for (const char *at; (at = last_box(text, end, &word)); end = later = at) {
        const char *open = at + word;
        while (open < end && isspace((unsigned char)*open)) open++;
        if (open == end) break;
        const char *close = *open == '{' ? closing_brace(open, end) : end;
        if (*open != '{' || close == end) { /* cut off: what there is, when it is the last */
            if (!out) out = mem_strndup(open, (size_t)(end - open));
            break;
        }
        if (!all && later && !joins(close + 1, later)) break;
        const char *from = open + 1;
        while (from < close && isspace((unsigned char)*from)) from++;
        while (close > from && isspace((unsigned char)close[-1])) close--;
        size_t n = (size_t)(close - from);
        if (!out) out = mem_strndup(from, n);
        else if (strncmp(out, from, n) || (out[n] && out[n] != ',')) {
            char *joined = mem_printf("%.*s,%s", (int)n, from, out);
            free(out);
            out = joined;
        }
        if (strlen(out) > MATH_ANSWER_MAX) break;
    }
    return out ? out : mem_strndup(text, size);
}

/* ---- rewriting ---- */

static const struct {
    const char *from, *to;
} rewrites[] = {
    {"\\mathrm{th}", ""},
    {"\\displaystyle", ""},
    {"\\!", ""},
    {"\\$", ""},
    {"$", ""},
    {"\"", ""},
    {"'", ""},
    {"\\text{and}", ","},
    {"\\text{ and }", ","},
    {"\\text{or}", ","},
    {"\\text{ or }", ","},
    {"\\text{percent}", "%"},
    {"\\text{ percent}", "%"},
    {"\\text{ }", ""},
    {"\\text{}", ""},
    {"\\mathrm", "\\text"},
    {"\\mathit", "\\text"},
    {"\\mathbf", "\\text"},
    {"\\textbf", "\\text"},
    {"\\textit", "\\text"},
    {"\\textrm", "\\text"},
    {"\\textnormal", "\\text"},
    {"\\dfrac", "\\frac"},
    {"\\tfrac", "\\frac"},
    {"\\cfrac", "\\frac"},
    {"{.", "{0."},
    {" .", " 0."},
    {"~=", "\\approx"},
    {"{,}", ","},
    {"\\ ", " "},
    {",\\ldots", " "},
    {"\\ldots", " "},
    {"infinity", "\\infty"},
    {" sqrt", "\\sqrt"},
    {"\n", " "},
    {"\t", " "},
    {"\u03c0", "\\pi "},
    {"\u00d7", "\\times "},
    {"\u00f7", "\\div "},
    {"\u00b7", "\\cdot "},
    {"\u00b0", "^\\circ "},
    {"\u221e", "\\infty "},
    {"\u2264", "\\le "},
    {"\u2265", "\\ge "},
    {"\u2260", "\\ne "},
    {"\u222a", "\\cup "},
    {"\u2229", "\\cap "},
    {"\u2208", "\\in "},
    {"\u00b1", "\\pm "},
};

/* "and", "or" with a comma before them separate; "percent" and its kin are a sign. The size of the word at s, which starts a word. */
static size_t word_rewrite(const char *s, const char **to) {
    static const char *const words[][2] = {{"and", ","},       {"or", ","},    {"percentage", "\\%"},
                                           {"percent", "\\%"}, {"pct", "\\%"}, {"inf", "\\infty"}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        size_t n = strlen(words[i][0]);
        if (strncmp(s, words[i][0], n) || is_alpha(s[n])) continue;
        *to = words[i][1];
        return n;
    }
    return 0;
}

/* \left and \right before a bracket say only how large it is. */
static size_t bracket_size(const char *s) {
    size_t n = !strncmp(s, "\\left", 5) ? 5 : !strncmp(s, "\\right", 6) ? 6 : 0;
    return n && s[n] && !is_alpha(s[n]) ? n : 0;
}

static void cut_back(buf *b, const char *chars) {
    while (b->size && strchr(chars, b->data[b->size - 1])) b->data[--b->size] = '\0';
}

static void rewrite(buf *out, const char *s) {
    bool matrix = strstr(s, "matrix") != NULL;
    while (*s) {
        const char *to = NULL;
        size_t n = bracket_size(s);
        char before = out->size ? out->data[out->size - 1] : '\0';
        if (n) to = "";
        bool special = strchr("\\$\"'{ ~,i\n\t", *s) || (unsigned char)*s >= 0x80;
        for (size_t i = 0; special && i < COUNT_OF(rewrites) && !to; i++) {
            n = strlen(rewrites[i].from);
            if (!strncmp(s, rewrites[i].from, n) && !(*s == '\\' && is_alpha(s[n - 1]) && is_alpha(s[n]))) to = rewrites[i].to;
        }
        if (!to && is_alpha(*s) && !is_alpha(before) && before != '\\' && (n = word_rewrite(s, &to)))
            cut_back(out, *to == ',' ? ", " : " ");
        if (!to && !matrix && s[0] == '\\' && s[1] == '\\' && is_alpha(s[2])) to = "", n = 1;
        if (to) buf_puts(out, to), s += n;
        else buf_putc(out, *s++);
    }
}

/* ---- units ---- */

/* Words that math_verify takes for units, without those that no text of ours would end in. */
static const char units[] = " acre am apple are area cc cent centimeter cm coin cube cubic day decrease deg degree digit dm dollar edge "
                            "excess feet foot ft gain gal gallon gm gram h hectare hour hr inch "
                            "increase integer kg km kmh kmph l lb less liter litre loss lt m man mark meal men meter metre mile min minute "
                            "mm monkey month more mph mt mtr multiple noon number ohm pie pm point "
                            "pound prime profit pure ratio rd rise round rs rupee s sec second soldier sq square st student sue surface t "
                            "th tile toy unit way west woman women yard year yr g d c o per by east "
                            "inches ";

static bool is_unit(const char *word, size_t size) {
    for (const char *at = units; size && (at = strchr(at, ' ')) && at[1]; at++)
        if (!strncmp(at + 1, word, size) && at[1 + size] == ' ') return true;
    return false;
}

bool math_cut_unit(char *text) {
    size_t end = strlen(text);
    while (end && isspace((unsigned char)text[end - 1])) end--;
    size_t from = end;
    while (from && is_alpha(text[from - 1])) from--;
    if (!from || from == end || !strchr("0123456789} \t", text[from - 1])) return false;
    size_t n = end - from;
    const char *word = text + from;
    bool known = is_unit(word, n) || (n > 1 && word[n - 1] == 's' && is_unit(word, n - 1)) ||
                 (n > 2 && !strncmp(word + n - 2, "es", 2) && is_unit(word, n - 2));
    if (!known) return false;
    while (from && isspace((unsigned char)text[from - 1])) from--;
    if (!from) return false;
    text[from] = '\0';
    return true;
}

/* A \text{...} at the end, with a power or without, is a unit when something stands before it. */
static void cut_text_unit(char *text) {
    char *at = NULL;
    for (char *s = text; (s = strstr(s, "\\text")); s++)
        if (s[5] == '{') at = s;
    if (!at || at == text) return;
    const char *end = closing_brace(at + 5, at + strlen(at));
    if (!*end) return;
    end++;
    if (*end == '^') end += isdigit((unsigned char)end[1]) ? 2 : end[1] == '{' && isdigit((unsigned char)end[2]) && end[3] == '}' ? 4 : 0;
    if (*end) return;
    while (at > text && isspace((unsigned char)at[-1])) at--;
    if (at > text) *at = '\0';
}

/* Behind a group in braces at s; NULL when there is none. */
static const char *behind_group(const char *s) {
    const char *end = s + strlen(s), *close;
    while (isspace((unsigned char)*s)) s++;
    if (*s != '{') return NULL;
    close = closing_brace(s, end);
    return close < end ? close + 1 : NULL;
}

bool math_braced(const char *latex) {
    for (const char *s = latex; (s = strchr(s, '\\')); s++) {
        if (!strncmp(s, "\\frac", 5)) {
            const char *second = behind_group(s + 5);
            if (!second || !behind_group(second)) return false;
        } else if (!strncmp(s, "\\sqrt", 5)) {
            const char *degree = s + 5 + strspn(s + 5, " "), *close = *degree == '[' ? strchr(degree, ']') : NULL;
            if (!behind_group(close ? close + 1 : s + 5)) return false;
        } else if (!strncmp(s, "\\log_", 5) && isdigit((unsigned char)s[5]) && isdigit((unsigned char)s[6])) return false;
    }
    return true;
}

char *math_clean(const char *latex) {
    buf out = {0};
    rewrite(&out, latex);
    cut_back(&out, " ");
    char *text = buf_take(&out);
    cut_text_unit(text);
    for (int i = 0; i < 2; i++) math_cut_unit(text);
    size_t blanks = strspn(text, " "), digits = strspn(text + blanks, "0123456789,");
    bool grouped = digits > 4 && !text[blanks + digits] && text[blanks] != '0' && text[blanks] != ',';
    for (size_t i = digits; grouped && i; i--) grouped = (text[blanks + i - 1] == ',') == ((digits - i) % 4 == 3);
    buf joined = {0};
    for (const char *s = text + blanks; *s; s++)
        if (!grouped || *s != ',') buf_putc(&joined, *s);
    free(text);
    return buf_take(&joined);
}
