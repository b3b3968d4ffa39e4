/* reward_choice.c - what an answer says when it should be a letter, yes or no, or a short text: VLM-R1's rules. Source: rl.md 3.5, 3.7. */
#include "align/align.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Upper case, runs of blanks as one. */
static char *squeezed(const char *text) {
    buf b = {0};
    for (bool blank = true; *text; text++) {
        if (isspace((unsigned char)*text)) {
            if (!blank) buf_putc(&b, ' ');
            blank = true;
        } else buf_putc(&b, (char)toupper((unsigned char)*text)), blank = false;
    }
    while (b.size && b.data[b.size - 1] == ' ') b.data[--b.size] = '\0';
    return buf_take(&b);
}

static bool is_letter(char c) { return c >= 'A' && c <= 'Z'; }

/* How much the surroundings of the letter's first appearance speak for it. */
static int letter_score(const char *s, char letter) {
    static const char *const words[] = {"ANSWER", "CORRECT", "CHOOSE", "SELECT", "RIGHT", "THINK", "BELIEVE", "SHOULD"};
    const char *at = strchr(s, letter);
    size_t n = strlen(s), pos = (size_t)(at - s), from = pos > 20 ? pos - 20 : 0, to = pos + 20 < n ? pos + 20 : n;
    char *context = mem_strndup(s + from, to - from);
    int score = (double)pos > 0.7 * (double)n ? 2 : 0;
    for (size_t i = 0; i < COUNT_OF(words); i++) score += strstr(context, words[i]) != NULL;
    if (s[pos + 1] && strchr(".!,", s[pos + 1])) score++;
    free(context);
    return score;
}

char choice_letter(const char *text) {
    char *s = squeezed(text), best = '\0', only = '\0';
    int best_score = -1, count = 0;
    for (size_t i = 0; s[i]; i++) {
        if (!is_letter(s[i]) || (i && is_letter(s[i - 1])) || (s[i + 1] && !strchr(".,?!:;", s[i + 1]))) continue;
        only = s[i];
        count++;
        int score = letter_score(s, s[i]);
        if (score > best_score) best_score = score, best = s[i];
    }
    free(s);
    return count == 1 ? only : best;
}

const char *yes_or_no(const char *text) {
    for (; *text; text++) {
        char a = (char)tolower((unsigned char)text[0]), b = (char)tolower((unsigned char)text[1]);
        if (a == 'n' && b == 'o') return "no";
        if (a == 'y' && b == 'e' && tolower((unsigned char)text[2]) == 's') return "yes";
    }
    return NULL;
}

static int code_points(const char *s, uint32_t **out) {
    size_t size = strlen(s);
    uint32_t *at = mem_new(size + 1, sizeof *at);
    int n = 0;
    for (size_t i = 0; i < size;) i += (size_t)utf8_decode(s + i, size - i, &at[n++]);
    *out = at;
    return n;
}

double levenshtein_ratio(const char *a, const char *b) {
    uint32_t *x, *y;
    int n = code_points(a, &x), m = code_points(b, &y);
    int *row = mem_new((size_t)m + 1, sizeof *row); /* longest common subsequence */
    for (int i = 0; i < n; i++)
        for (int k = 0, diagonal = 0; k < m; k++) {
            int up = row[k + 1];
            row[k + 1] = x[i] == y[k] ? diagonal + 1 : max_int(up, row[k]);
            diagonal = up;
        }
    double ratio = n + m ? 2.0 * row[m] / (n + m) : 1;
    free(row);
    free(y);
    free(x);
    return ratio;
}

char *answer_clean(const char *text) {
    size_t n = strlen(text);
    const char *inside = answer_find(text, true, false, &n);
    char *s = mem_strndup(inside ? inside : text, n), *from = s;
    for (char *p = s; *p; p++) *p = *p == '\n' ? ' ' : (char)tolower((unsigned char)*p);
    while (isspace((unsigned char)*from)) from++;
    size_t size = strlen(from);
    while (size && isspace((unsigned char)from[size - 1])) size--;
    while (size && from[size - 1] == '.') size--;
    char *out = mem_strndup(from, size);
    free(s);
    return out;
}
