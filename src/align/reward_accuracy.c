/* reward_accuracy.c - is the answer of a completion the reference's? The clean rule of rl.md 3.3: the last answer tag, else the last box, decides; thoughts never do. */
#include "align/align.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The text inside the last balanced \boxed{}; NULL without one. */
static const char *boxed_find(const char *text, size_t *size) {
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, "\\boxed{"));) {
        const char *from = at += 7;
        int depth = 1;
        while (*at && depth) depth += *at == '{' ? 1 : *at == '}' ? -1 : 0, at++;
        if (!depth) found = from, *size = (size_t)(at - 1 - from);
    }
    return found;
}

/* Blanks as one, lower case, no trailing dot, no $; free(). */
static char *plain(const char *s, size_t n) {
    buf b = {0};
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '$') continue;
        if (isspace((unsigned char)s[i])) {
            if (b.size && b.data[b.size - 1] != ' ') buf_putc(&b, ' ');
        } else buf_putc(&b, (char)tolower((unsigned char)s[i]));
    }
    while (b.size && strchr(" .", b.data[b.size - 1])) b.data[--b.size] = '\0';
    return buf_take(&b);
}

/* What the text answers; the whole text when `whole`; free(), NULL without an answer. */
static char *answer_of(const char *text, bool whole) {
    size_t n = strlen(text);
    const char *at = answer_find(text, true, false, &n);
    if (!at) at = boxed_find(text, &n);
    if (!at && whole) at = text, n = strlen(text);
    return at ? plain(at, n) : NULL;
}

/* "1,234.5", "-3/4", "50%": true when the whole text is one number. */
static bool read_number(const char *s, double *out) {
    char digits[64];
    size_t n = 0;
    for (; *s && *s != '/' && *s != '%'; s++) {
        if (*s == ',' || *s == ' ') continue;
        if (n + 1 >= sizeof digits) return false;
        digits[n++] = *s;
    }
    digits[n] = '\0';
    char *end;
    if (!n || strspn(digits, "+-.0123456789") != n) return false;
    *out = strtod(digits, &end);
    if (*end) return false;
    if (*s == '%') return *out /= 100, s[1] == '\0';
    if (*s != '/') return true;
    double below;
    if (!read_number(s + 1, &below) || below == 0) return false;
    *out /= below;
    return true;
}

/* "a", "(b)", "c." as a letter of a choice. */
static char lone_letter(const char *s) {
    while (*s == '(') s++;
    char c = *s;
    if (c < 'a' || c > 'h') return '\0';
    s++;
    while (*s == ')' || *s == '.') s++;
    return *s ? '\0' : c;
}

/* have NULL: no answer. */
static double agree(const char *have, const char *want) {
    double a, b;
    char letter = lone_letter(want);
    if (!have) return 0;
    if (letter) return lone_letter(have) == letter;
    if (read_number(have, &a) && read_number(want, &b)) return fabs(a - b) <= 1e-6 * fmax(1, fabs(b));
    return !strcmp(have, want);
}

static double compare(const char *text, const char *gold, bool whole) {
    char *have = answer_of(text, whole), *want = answer_of(gold, true);
    double reward = agree(have, want);
    free(want);
    free(have);
    return reward;
}

double reward_accuracy(const char *text, const char *gold) { return compare(text, gold, false); }
double reward_exact(const char *text, const char *gold) { return compare(text, gold, true); }

/* The first answer on one line, or all of the text, without blanks around it. */
static const char *first_answer(const char *text, size_t *size) {
    const char *at = answer_find(text, false, true, size);
    if (!at) at = text, *size = strlen(text);
    while (*size && isspace((unsigned char)*at)) at++, --*size;
    while (*size && isspace((unsigned char)at[*size - 1])) --*size;
    return at;
}

double reward_accuracy_r1mm(const char *text, const char *gold) {
    size_t n, m;
    const char *have = first_answer(text, &n), *want = first_answer(gold, &m);
    return math_verify(text, gold, true) || (n == m && !memcmp(have, want, n));
}
