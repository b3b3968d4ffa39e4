/* text_score.c - scores of short texts: edit distance and ANLS, relaxed accuracy, exact match, OCRBench's containment, MME's yes and no. */
#include <math.h>
#include <string.h>

#include "eval/eval_int.h"

/* ---- ANLS (Biten et al. 2019) ---- */

int edit_distance(scratch *mem, const char *a, const char *b) {
    int n, m;
    const uint32_t *x = py_code_points(mem, a, &n), *y = py_code_points(mem, b, &m);
    int *row = scratch_get(mem, ((size_t)m + 1) * sizeof *row);
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int above = row[j];
            row[j] = min_int(min_int(above, row[j - 1]) + 1, corner + (x[i - 1] != y[j - 1]));
            corner = above;
        }
    }
    return row[m];
}

static char *one_spaced(scratch *mem, const char *text) {
    int n;
    char **words = py_split(mem, py_lower(mem, text), &n), *out = scratch_get(mem, strlen(text) * 3 + 4), *at = out;
    for (int i = 0; i < n; i++) {
        if (i) *at++ = ' ';
        size_t size = strlen(words[i]);
        memcpy(at, words[i], size);
        at += size;
    }
    return out;
}

/* The length divided by is that of the texts as they came, in capitals ("ß" counts twice). */
double anls(scratch *mem, const char *response, const tree *answers, double threshold, bool collapse) {
    double least = INFINITY;
    const char *mine = one_spaced(mem, response);
    size_t my_size = py_len(py_upper(mem, collapse ? mine : response));
    for (int i = 0; answers && i < (answers->type == TREE_LIST ? answers->count : 1); i++) {
        const char *gold = py_str(mem, answers->type == TREE_LIST ? answers->items[i] : answers);
        size_t size = py_len(py_upper(mem, collapse ? one_spaced(mem, gold) : gold));
        if (size < my_size) size = my_size;
        least = fmin(least, size ? edit_distance(mem, one_spaced(mem, gold), mine) / (double)size : 0);
    }
    double score = 1 - least;
    return score < threshold || isnan(score) ? 0 : score;
}

/* ---- relaxed accuracy (Masry et al. 2022) ---- */

static bool chart_number(scratch *mem, double *out, const char *text) {
    size_t n = strlen(text);
    bool percent = n && text[n - 1] == '%';
    if (!py_float(out, percent ? py_rstrip_of(mem, text, "%") : text)) return false;
    if (percent) *out /= 100;
    return true;
}

bool relaxed_equal(scratch *mem, const char *response, const char *target, double tolerance) {
    double a, b;
    if (chart_number(mem, &a, response) && chart_number(mem, &b, target) && b != 0) return fabs(a - b) / fabs(b) <= tolerance;
    return !strcmp(py_lower(mem, response), py_lower(mem, target));
}

/* ---- exact match ---- */

char *exact_form(scratch *mem, const char *text, bool ignore_case, bool ignore_punctuation, bool ignore_numbers) {
    char *t = ignore_case ? py_lower(mem, text) : scratch_cut(mem, text, strlen(text)), *to = t;
    for (const char *at = t; *at; at++) {
        if (ignore_punctuation && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", *at)) continue;
        if (ignore_numbers && *at >= '0' && *at <= '9') continue;
        *to++ = *at;
    }
    *to = '\0';
    return t;
}

/* ---- OCRBench ---- */

/* Full-width forms of ASCII to ASCII. */
static char *narrow(scratch *mem, const char *text) {
    char *out = scratch_get(mem, strlen(text) + 1), *to = out;
    for (int step; *text; text += step) {
        uint32_t cp;
        step = utf8_decode(text, strlen(text), &cp);
        if (cp >= 0xff01 && cp <= 0xff5e) cp -= 0xfee0;
        else if (cp == 0x3000) cp = ' ';
        to += utf8_encode(cp, to);
    }
    return out;
}

static char *ocr_form(scratch *mem, const char *text, bool formula) {
    if (formula) return py_replace(mem, py_replace(mem, py_strip(mem, text), "\n", " "), " ", "");
    return py_replace(mem, py_strip(mem, py_lower(mem, narrow(mem, text))), "\n", " ");
}

bool ocr_contains(scratch *mem, const char *response, const tree *answers, bool formula) {
    const char *mine = ocr_form(mem, response, formula);
    for (int i = 0; answers && i < (answers->type == TREE_LIST ? answers->count : 1); i++)
        if (strstr(mine, ocr_form(mem, py_str(mem, answers->type == TREE_LIST ? answers->items[i] : answers), formula))) return true;
    return false;
}

/* ---- MME ---- */

const char *yes_no_label(scratch *mem, const char *response) {
    const char *t = py_replace(mem, py_strip(mem, py_lower(mem, response)), ".", "");
    if (!strcmp(t, "yes") || !strcmp(t, "y")) return "yes";
    if (!strcmp(t, "no") || !strcmp(t, "n")) return "no";
    if (py_len(t) == 1) return "other";
    size_t size = 0;
    for (int i = 0, step; i < 4 && t[size]; i++, size += (size_t)step) {
        uint32_t cp;
        step = utf8_decode(t + size, strlen(t + size), &cp);
    }
    const char *head = scratch_cut(mem, t, size);
    return strstr(head, "yes") ? "yes" : strstr(head, "no") ? "no" : "other";
}
